//! The sign-in log: Graph's `auditLogs/signIns`. One row for every attempt that came to an end, good or bad.
//!
//! While somebody has to wait after too many failures nothing is checked, and nothing is written either: the failures
//! that led there are in the log, and whoever goes on guessing cannot fill the disk.

use serde::{Deserialize, Serialize};

use super::{Proof, State};
use crate::{
    access::{self, Action, Actor, Caller},
    clock::Timestamp,
    error::{Area, Error, Result as Outcome},
    id::SignInId,
    methods::{Method, MethodKind},
    store::{
        Tx,
        filter::LogPage,
        sessions::SessionRow,
        sign_ins::{self, SignInQuery, SignInRow},
        users::User,
    },
};

/// How long rows are kept, in days; Graph's own number.
pub const KEPT_DAYS: i64 = 30;

/// How an attempt ended, in Entra's numbers and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Result {
    pub error_code: i32,
    pub failure_reason: Option<&'static str>,
    /// What was shown and was wrong: the kind, and what the user recognizes the method by.
    wrong: Option<(MethodKind, Option<String>)>,
}

impl Result {
    pub const SUCCESS: Self = Self { error_code: 0, failure_reason: None, wrong: None };
    pub const WRONG_FIRST_FACTOR: Self = Self::failure(50_126, "Invalid username or password or other first factor.");
    pub const WRONG_SECOND_FACTOR: Self =
        Self::failure(500_121, "Authentication failed during strong authentication request.");
    pub const REGISTRATION_REQUIRED: Self =
        Self::failure(50_072, "The user must register a multifactor authentication method.");

    const fn failure(error_code: i32, reason: &'static str) -> Self {
        Self { error_code, failure_reason: Some(reason), wrong: None }
    }

    /// Because of something of this kind.
    pub fn by_kind(self, kind: Option<MethodKind>) -> Self {
        Self { wrong: kind.map(|kind| (kind, None)), ..self }
    }

    /// Because of this method.
    pub fn by(self, method: &Method) -> Self {
        Self { wrong: Some((method.kind(), Some(method.label()))), ..self }
    }
}

/// One step of a sign-in; the row's JSON is a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub at: Timestamp,
    /// None when the application vouched for the user.
    pub kind: Option<MethodKind>,
    /// What the user recognizes the method by; masked.
    pub label: Option<String>,
    pub succeeded: bool,
}

impl From<&Proof> for Step {
    fn from(proof: &Proof) -> Self {
        Self { at: proof.at, kind: proof.kind, label: proof.label.clone(), succeeded: true }
    }
}

/// A row with its steps read, the first factor first.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub row: SignInRow,
    pub steps: Vec<Step>,
}

impl From<SignInRow> for SignIn {
    /// A row whose steps were damaged behind our back must not hide the others.
    fn from(row: SignInRow) -> Self {
        Self { steps: serde_json::from_str(&row.details).unwrap_or_default(), row }
    }
}

/// Writes one row, in the transaction of what it speaks of. A name that nobody has is not kept: people type their
/// password there.
pub fn record(
    tx: &mut Tx<'_>,
    actor: &Actor,
    user: Option<&User>,
    session: &SessionRow,
    state: &State,
    result: Result,
) -> Outcome<()> {
    let mut steps: Vec<Step> = state.proofs.iter().map(Step::from).collect();
    if let Some((kind, label)) = result.wrong {
        steps.push(Step { at: tx.now(), kind: Some(kind), label, succeeded: false });
    }
    let row = SignInRow {
        tenant_id: session.tenant_id.clone(),
        sign_in_id: SignInId::new(tx.guid()),
        created_at: tx.now(),
        user_id: user.map(|user| user.user_id.clone()),
        user_display_name: user.map(|user| user.display_name.clone()),
        user_principal_name: user.map(|user| user.user_principal_name.clone()),
        application_id: session.application_id.clone(),
        application_display_name: actor.display_name.clone(),
        error_code: result.error_code,
        failure_reason: result.failure_reason.map(str::to_owned),
        ip_address: actor.origin.ip_address.clone(),
        user_agent: actor.origin.user_agent.clone(),
        correlation_id: session.session_id.to_string(),
        details: serde_json::to_string(&steps).map_err(Error::internal)?,
    };
    sign_ins::insert(tx, &row)
}

/// A page of the sign-ins of the caller's tenant.
pub fn list(tx: &mut Tx<'_>, caller: &Caller, query: &SignInQuery) -> Outcome<LogPage<SignIn, SignInId>> {
    let actor = access::authorize(tx, caller, Action::ReadAuditLogs, None)?;
    let LogPage { rows, next } = sign_ins::page(tx, &actor.tenant, query)?;
    Ok(LogPage { rows: rows.into_iter().map(Into::into).collect(), next })
}

/// One sign-in of the caller's tenant.
pub fn find(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Outcome<SignIn> {
    let actor = access::authorize(tx, caller, Action::ReadAuditLogs, None)?;
    let row = SignInId::parse(id).map(|id| sign_ins::find(tx, &actor.tenant, &id)).transpose()?.flatten();
    let named = || id.chars().take(100).collect();
    row.map(Into::into).ok_or_else(|| Error::NotFound { area: Area::Methods, what: named() })
}

/// Removes what was kept long enough.
pub fn purge(tx: &mut Tx<'_>) -> Outcome<usize> {
    let before = tx.now().plus_minutes(-KEPT_DAYS * 24 * 60);
    sign_ins::purge(tx, before)
}
