//! The sign-in log: Graph's `auditLogs/signIns`.

use super::State;
use crate::{
    access::Actor,
    error::{Error, Result as Outcome},
    store::{
        Tx,
        sessions::SessionRow,
        sign_ins::{self, SignInRow},
        users::User,
    },
};

/// How an attempt ended, in Entra's numbers and words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Result {
    pub error_code: i32,
    pub failure_reason: Option<&'static str>,
}

impl Result {
    pub const SUCCESS: Self = Self { error_code: 0, failure_reason: None };
    pub const WRONG_FIRST_FACTOR: Self =
        Self { error_code: 50_126, failure_reason: Some("Invalid username or password or other first factor.") };
    pub const WRONG_SECOND_FACTOR: Self = Self {
        error_code: 500_121,
        failure_reason: Some("Authentication failed during strong authentication request."),
    };
    pub const REGISTRATION_REQUIRED: Self = Self {
        error_code: 50_072,
        failure_reason: Some("The user must register a multifactor authentication method."),
    };
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
    let row = SignInRow {
        tenant_id: session.tenant_id.clone(),
        sign_in_id: tx.guid(),
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
        details: serde_json::to_string(&state.proofs).map_err(Error::internal)?,
    };
    sign_ins::insert(tx, &row)
}
