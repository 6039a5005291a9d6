//! THE HEART: what a reset does, start to finish.
//!
//! It deletes the phones, authenticator apps and software OATH tokens of a user, deactivates the hardware OATH tokens
//! (they stay assigned), keeps the rest unless told otherwise, and demands a new registration at the next sign-in. It
//! never turns MFA off, it is one transaction with its audit event, and doing it again is a success with empty lists.

use serde::{Deserialize, Serialize};

use crate::{
    access::{self, Action, Actor, Caller},
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::{AuditEventId, TenantId, UserId},
    methods::{
        self, Method, MethodKind, MethodSummary, ResetEffect,
        temporary_access_pass::{self, PassRequest, PassView},
    },
    store::{
        Tx, challenges,
        devices::{self, DeviceStatus},
        guesses::{self, GuessKind},
        sessions,
        users::{self, User},
    },
};

/// The longest reason, in characters.
pub const MAX_REASON_LENGTH: usize = 1_000;

#[derive(Debug, Clone)]
pub struct ResetRequest {
    /// Why; goes into the audit log and the registration demand.
    pub reason: Option<String>,
    /// Kinds that a reset keeps, to be deleted this time.
    pub also_delete: Vec<MethodKind>,
    /// Void every session and token of the user from before this moment.
    pub revoke_sign_in_sessions: bool,
    /// Hand out a pass, so that the user can register again.
    pub issue_temporary_access_pass: Option<PassRequest>,
    /// Only say what would happen.
    pub validate_only: bool,
}

impl ResetRequest {
    /// Whether methods of this kind go.
    fn deletes(&self, kind: MethodKind) -> bool {
        match kind.reset_effect() {
            ResetEffect::Delete => true,
            ResetEffect::Keep => {
                let replaced = kind == MethodKind::TemporaryAccessPass && self.issue_temporary_access_pass.is_some();
                replaced || self.also_delete.contains(&kind)
            }
            ResetEffect::Deactivate => false,
        }
    }
}

/// What a reset did, or (`validate_only`) would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResetReport {
    pub user_id: UserId,
    pub user_principal_name: String,
    pub reset_date_time: Timestamp,
    pub validate_only: bool,
    pub deleted: Vec<MethodSummary>,
    pub deactivated: Vec<MethodSummary>,
    pub kept: Vec<MethodSummary>,
    pub registration_required: bool,
    pub sign_in_sessions_revoked: bool,
    pub temporary_access_pass: Option<PassView>,
    pub audit_event_id: Option<AuditEventId>,
}

/// Resets all MFA of one user.
pub fn reset_mfa(tx: &mut Tx<'_>, caller: &Caller, user: &str, request: &ResetRequest) -> Result<ResetReport> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::ResetMfa, user)?;
    validate(tx, &actor, &user, request)?;

    let mut report = plan(tx, &user.tenant_id, std::slice::from_ref(&user), request)?.remove(0);
    if request.validate_only {
        return Ok(report);
    }
    carry_out(tx, &actor, &[&user], request)?;
    if let Some(pass) = &request.issue_temporary_access_pass {
        report.temporary_access_pass = Some(temporary_access_pass::issue(tx, &user, pass)?);
    }
    report.audit_event_id = Some(audit::record(tx, &actor, entry(&user, request, &report)?)?);
    Ok(report)
}

/// What can be said of a request without knowing the user.
pub fn check(request: &ResetRequest) -> Result<()> {
    if let Some(reason) = &request.reason {
        directory::check_text("reason", reason, MAX_REASON_LENGTH)?;
    }
    if let Some(kind) = request.also_delete.iter().find(|kind| !kind.may_also_be_deleted()) {
        let message = match kind {
            MethodKind::HardwareOath => {
                "A reset deactivates hardware tokens; to take one away, DELETE the hardwareOathMethods entry."
            }
            _ => "A reset never deletes the password.",
        };
        return Err(Error::invalid("alsoDelete", message));
    }
    Ok(())
}

fn validate(tx: &mut Tx<'_>, actor: &Actor, user: &User, request: &ResetRequest) -> Result<()> {
    check(request)?;
    // Taking methods away and handing one out are different powers.
    if let Some(pass) = &request.issue_temporary_access_pass {
        access::allow(tx, actor, Action::RegisterKind(MethodKind::TemporaryAccessPass), Some(user))?;
        temporary_access_pass::check(tx, user, pass)?;
    }
    Ok(())
}

/// Sorts the methods of users of one tenant by what will happen to them; one report per user, in the order of `users`.
/// Changes nothing.
pub fn plan(tx: &mut Tx<'_>, tenant: &TenantId, users: &[User], request: &ResetRequest) -> Result<Vec<ResetReport>> {
    let ids: Vec<_> = users.iter().map(|user| &user.user_id).collect();
    let mut methods = methods::of_users(tx, tenant, &ids)?;
    let mut plan_one = |user: &User| {
        let mut report = ResetReport {
            user_id: user.user_id.clone(),
            user_principal_name: user.user_principal_name.clone(),
            reset_date_time: tx.now(),
            validate_only: request.validate_only,
            deleted: vec![],
            deactivated: vec![],
            kept: vec![],
            registration_required: true,
            sign_in_sessions_revoked: request.revoke_sign_in_sessions,
            temporary_access_pass: None,
            audit_event_id: None,
        };
        for method in methods.remove(&user.user_id).unwrap_or_default() {
            let list = match method.kind().reset_effect() {
                ResetEffect::Deactivate if is_deactivatable(&method) => &mut report.deactivated,
                ResetEffect::Deactivate => &mut report.kept,
                // A registration that was not finished is nothing to keep.
                ResetEffect::Delete | ResetEffect::Keep if request.deletes(method.kind()) || !method.is_complete() => {
                    &mut report.deleted
                }
                ResetEffect::Delete | ResetEffect::Keep => &mut report.kept,
            };
            list.push(MethodSummary::from(&method));
        }
        report
    };
    Ok(users.iter().map(&mut plan_one).collect())
}

fn is_deactivatable(method: &Method) -> bool {
    matches!(method, Method::HardwareOath(device) if device.status == DeviceStatus::Activated)
}

/// Does to users of the actor's tenant what [`plan`] says, in as many statements for many users as for one. Whoever
/// calls has authorized it, and records it in the same transaction.
pub fn carry_out(tx: &mut Tx<'_>, actor: &Actor, users: &[&User], request: &ResetRequest) -> Result<()> {
    let tenant = &actor.tenant;
    let ids: Vec<_> = users.iter().map(|user| &user.user_id).collect();
    let kinds = MethodKind::ALL.iter().copied().filter(|kind| request.deletes(*kind)).collect::<Vec<_>>();
    methods::remove_of_users(tx, tenant, &ids, &kinds)?;
    devices::deactivate_of_users(tx, tenant, &ids)?;
    end_what_is_open(tx, tenant, &ids)?;
    let demand = users::RegistrationDemand {
        by: actor.id().unwrap_or("operator"),
        reason: request.reason.as_deref().unwrap_or("Multifactor authentication was reset"),
        revoke_sessions: request.revoke_sign_in_sessions,
    };
    // The user must register again, whatever else is still there. MFA itself stays as required as it was.
    users::demand_registration(tx, tenant, &ids, &demand)
}

/// Nothing that was asked of the users before counts any more: sign-ins, codes, challenges, push requests,
/// registrations. The failures counted against their methods go with the methods; those against the password stay.
fn end_what_is_open(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId]) -> Result<()> {
    sessions::refuse_all(tx, tenant, users)?;
    challenges::delete_all(tx, tenant, users)?;
    guesses::clear_of_users(tx, tenant, users, &[GuessKind::Otp, GuessKind::Push, GuessKind::TemporaryAccessPass])
}

/// What the audit log says of the reset of one user.
pub fn entry(user: &User, request: &ResetRequest, report: &ResetReport) -> Result<Entry> {
    let list = |methods: &[MethodSummary]| serde_json::to_string(methods).map_err(Error::internal);
    let mut entry = Entry::success(Activity::RESET_MFA, Target::user(user))
        .because(format!(
            "{} deleted, {} deactivated, {} kept",
            report.deleted.len(),
            report.deactivated.len(),
            report.kept.len()
        ))
        .detail("reason", request.reason.as_deref().unwrap_or_default())
        .detail("deletedMethods", list(&report.deleted)?)
        .detail("deactivatedMethods", list(&report.deactivated)?)
        .detail("keptMethods", list(&report.kept)?)
        .detail("registrationRequired", "true")
        .detail("signInSessionsRevoked", report.sign_in_sessions_revoked.to_string());
    if let Some(pass) = &report.temporary_access_pass {
        entry = entry.detail("temporaryAccessPassId", pass.id.as_str());
    }
    for method in &report.deleted {
        entry = entry.modified("StrongAuthenticationMethod", Some(method), None::<()>);
    }
    for device in &report.deactivated {
        let name = format!("HardwareOathToken {}", device.serial_number.as_deref().unwrap_or_default());
        entry = entry.modified(&name, DeviceStatus::Activated, DeviceStatus::Assigned);
    }
    Ok(entry)
}
