//! What follows when a registration is done: the demand to register is answered, by the user himself only.

use super::{Method, policy::MethodsPolicy};
use crate::{
    access::Actor,
    audit::{self, Activity, Entry, Target},
    error::Result,
    store::{
        Tx,
        sessions::{self, SessionStatus},
        users::{self, PerUserMfaState, Requirements, User},
    },
};

/// Called by every rule that completes a method, in its transaction, after the method is stored as complete.
///
/// When the method counts as MFA by the tenant's policy, `perUserMfaState` moves from `enabled` to `enforced`, whoever
/// registered it, and the demand to register is lifted if the user did it himself. A registration by an administrator
/// leaves the demand, and ends registrations that were only open because the user had no method.
pub fn completed(tx: &mut Tx<'_>, actor: &Actor, user: &User, method: &Method) -> Result<()> {
    let policy = MethodsPolicy::of(tx, &user.tenant_id)?;
    if !method.kind().counts_as_mfa() || !policy.allows(&user.user_id, method) {
        return Ok(());
    }
    let before = users::requirements(tx, &user.tenant_id, &user.user_id)?;
    let mut after = before.clone();
    if actor.is(user) {
        after.registration_required_at = None;
        after.registration_required_by = None;
        after.registration_required_reason = None;
    }
    if after.per_user_mfa_state == PerUserMfaState::Enabled {
        after.per_user_mfa_state = PerUserMfaState::Enforced;
    }
    if after != before {
        users::set_requirements(tx, &user.tenant_id, &user.user_id, &after)?;
        audit::record(tx, actor, entry(actor, user, method, &before, &after))?;
    }
    if after.registration_required_at.is_some() {
        return Ok(());
    }
    let (from, to) = (SessionStatus::RegistrationRequired, SessionStatus::MfaRequired);
    sessions::move_all(tx, &user.tenant_id, &user.user_id, from, to).map(drop)
}

/// What the user did, or what follows from an administrator's registration: that is no user's, and answers no demand.
fn entry(actor: &Actor, user: &User, method: &Method, before: &Requirements, after: &Requirements) -> Entry {
    let (activity, reason) = if actor.is(user) {
        (Activity::COMPLETE_REGISTRATION, "User registered all required security info")
    } else {
        (Activity::CHANGE_REQUIREMENTS, "Admin registered a method for the user, so MFA is enforced from now on")
    };
    let mut entry = Entry::success(activity, Target::user(user))
        .because(reason)
        .detail("methodId", method.id().as_str())
        .detail("kind", method.kind().as_str());
    if after.per_user_mfa_state != before.per_user_mfa_state {
        let (old, new) = (before.per_user_mfa_state, after.per_user_mfa_state);
        entry = entry.modified("StrongAuthenticationRequirement", old, new);
    }
    if after.registration_required_at != before.registration_required_at {
        entry = entry.modified("RegistrationRequired", true, false);
    }
    entry
}
