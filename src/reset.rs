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
    hardware_oath,
    id::{AuditEventId, UserId},
    methods::{
        self, Method, MethodKind, MethodSummary, ResetEffect,
        temporary_access_pass::{self, PassRequest, PassView},
    },
    store::{
        Tx, challenges,
        devices::DeviceStatus,
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

    let mut report = plan(tx, &user, request)?;
    if request.validate_only {
        return Ok(report);
    }
    take_away(tx, &user, &report)?;
    end_what_is_open(tx, &user)?;
    if let Some(pass) = &request.issue_temporary_access_pass {
        report.temporary_access_pass = Some(temporary_access_pass::issue(tx, &user, pass)?);
    }
    demand_registration(tx, &actor, &user, request.reason.as_deref())?;
    if request.revoke_sign_in_sessions {
        users::set_sessions_valid_from(tx, &user.tenant_id, &user.user_id, tx.now())?;
    }
    report.audit_event_id = Some(record(tx, &actor, &user, request, &report)?);
    Ok(report)
}

fn validate(tx: &mut Tx<'_>, actor: &Actor, user: &User, request: &ResetRequest) -> Result<()> {
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
    // Taking methods away and handing one out are different powers.
    if let Some(pass) = &request.issue_temporary_access_pass {
        access::allow(tx, actor, Action::RegisterKind(MethodKind::TemporaryAccessPass), Some(user))?;
        temporary_access_pass::check(tx, user, pass)?;
    }
    Ok(())
}

/// Sorts the user's methods by what will happen to them. Changes nothing.
fn plan(tx: &mut Tx<'_>, user: &User, request: &ResetRequest) -> Result<ResetReport> {
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
    let replaces_pass = request.issue_temporary_access_pass.is_some();
    for method in methods::of_user(tx, user)? {
        // A registration that was not finished is nothing to keep.
        let named = request.also_delete.contains(&method.kind())
            || (replaces_pass && method.kind() == MethodKind::TemporaryAccessPass)
            || !method.is_complete();
        let list = match method.kind().reset_effect() {
            ResetEffect::Delete => &mut report.deleted,
            ResetEffect::Keep if named => &mut report.deleted,
            ResetEffect::Deactivate if is_deactivatable(&method) => &mut report.deactivated,
            ResetEffect::Deactivate | ResetEffect::Keep => &mut report.kept,
        };
        list.push(MethodSummary::from(&method));
    }
    Ok(report)
}

fn is_deactivatable(method: &Method) -> bool {
    matches!(method, Method::HardwareOath(device) if device.status == DeviceStatus::Activated)
}

/// Carries the plan out. Unfinished registrations are methods too and go with their kind.
fn take_away(tx: &mut Tx<'_>, user: &User, report: &ResetReport) -> Result<()> {
    for method in methods::of_user(tx, user)? {
        let named_in = |list: &[MethodSummary]| list.iter().any(|summary| summary.id == method.id());
        if named_in(&report.deleted) {
            methods::remove(tx, user, &method)?;
        } else if let Method::HardwareOath(device) = &method
            && named_in(&report.deactivated)
        {
            hardware_oath::deactivate(tx, device)?;
        }
    }
    Ok(())
}

/// Nothing that was asked of the user before counts any more: sign-ins, codes, challenges, push requests, registrations.
/// The failures counted against the user's methods go with the methods; those against the password stay.
fn end_what_is_open(tx: &mut Tx<'_>, user: &User) -> Result<()> {
    sessions::refuse_all(tx, &user.tenant_id, &user.user_id)?;
    challenges::delete_all(tx, &user.tenant_id, &user.user_id)?;
    for kind in [GuessKind::Otp, GuessKind::Push, GuessKind::TemporaryAccessPass] {
        guesses::clear(tx, &user.tenant_id, user.user_id.as_str(), kind)?;
    }
    Ok(())
}

/// The user must register again, whatever else is still there. MFA itself stays as required as it was.
fn demand_registration(tx: &mut Tx<'_>, actor: &Actor, user: &User, reason: Option<&str>) -> Result<()> {
    let mut requirements = users::requirements(tx, &user.tenant_id, &user.user_id)?;
    requirements.registration_required_at = Some(tx.now());
    requirements.registration_required_by = Some(actor.id().unwrap_or("operator").to_owned());
    requirements.registration_required_reason =
        Some(reason.unwrap_or("Multifactor authentication was reset").to_owned());
    requirements.preferred_method = None;
    users::set_requirements(tx, &user.tenant_id, &user.user_id, &requirements)
}

fn record(
    tx: &mut Tx<'_>,
    actor: &Actor,
    user: &User,
    request: &ResetRequest,
    report: &ResetReport,
) -> Result<AuditEventId> {
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
    audit::record(tx, actor, entry)
}
