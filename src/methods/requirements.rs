//! Graph's `strongAuthenticationRequirements`, and more: whether a user must do MFA, may skip it for a while, and must
//! register again.

use super::{MethodKind, manage::OfUser, proof};
use crate::{
    access::{Action, Caller},
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    store::{
        Tx,
        tenants::{self, RegistrationProof},
        users::{self, PerUserMfaState, Requirements, User},
    },
    throttle::{self, Lockout},
};

/// The longest time a user may be opted out of MFA at once, in days.
const MAX_OPT_OUT_DAYS: i64 = 365;
/// The longest reason, in characters.
const MAX_REASON_LENGTH: usize = 1_000;

/// What is required of a user, and what follows from it at this moment.
#[derive(Debug, Clone)]
pub struct Standing {
    pub requirements: Requirements,
    /// An opt-out that has expired is none.
    pub is_opted_out: bool,
    pub is_mfa_required: bool,
}

impl Standing {
    /// **When is MFA required?** When the tenant requires it of everybody and the user is not opted out, or when it is
    /// required of this user.
    pub fn new(security_defaults_enabled: bool, requirements: Requirements, now: Timestamp) -> Self {
        let is_opted_out = requirements.opt_out_expires_at.is_some_and(|end| now < end);
        let required_of_user = match requirements.per_user_mfa_state {
            PerUserMfaState::Disabled => false,
            PerUserMfaState::Enabled | PerUserMfaState::Enforced => true,
        };
        let is_mfa_required = (security_defaults_enabled && !is_opted_out) || required_of_user;
        Self { requirements, is_opted_out, is_mfa_required }
    }

    /// Somebody demanded a registration, and no opt-out excuses the user.
    pub const fn is_registration_demanded(&self) -> bool {
        self.requirements.registration_required_at.is_some() && !self.is_opted_out
    }

    pub fn of(tx: &mut Tx<'_>, user: &User) -> Result<Self> {
        let tenant = tenants::find(tx, &user.tenant_id)?.ok_or_else(|| Error::internal("a user without a tenant"))?;
        let requirements = users::requirements(tx, &user.tenant_id, &user.user_id)?;
        Ok(Self::new(tenant.security_defaults_enabled, requirements, tx.now()))
    }
}

/// What a sign-in follows from, beside what is proven in it.
#[derive(Debug, Clone, Copy)]
pub struct Demands {
    /// Somebody demanded a registration (a reset), and no opt-out excuses the user.
    pub registration_demanded: bool,
    pub mfa_required: bool,
    /// The user has a usable second factor other than a temporary access pass.
    pub has_method: bool,
}

impl Demands {
    pub fn of(tx: &mut Tx<'_>, user: &User) -> Result<Self> {
        let standing = Standing::of(tx, user)?;
        let usable = proof::usable(tx, user)?;
        Ok(Self {
            registration_demanded: standing.is_registration_demanded(),
            mfa_required: standing.is_mfa_required,
            has_method: usable.iter().any(|method| method.kind() != MethodKind::TemporaryAccessPass),
        })
    }

    /// Whether the user must register before anything else.
    pub const fn registration_is_due(self) -> bool {
        self.registration_demanded || (self.mfa_required && !self.has_method)
    }
}

/// What opens a registration that this user's tenant demands.
pub fn registration_proof(tx: &mut Tx<'_>, user: &User) -> Result<RegistrationProof> {
    let tenant = tenants::find(tx, &user.tenant_id)?.ok_or_else(|| Error::internal("a user without a tenant"))?;
    Ok(tenant.registration_proof)
}

/// An exemption from what the tenant requires of everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOut {
    pub reason: Option<String>,
    pub expires_at: Option<Timestamp>,
}

/// What to change; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct RequirementsChange {
    pub per_user_mfa_state: Option<PerUserMfaState>,
    /// `Some(None)`: no longer opted out.
    pub opt_out: Option<Option<OptOut>>,
}

/// What is required of a user, and the failures that stand against him.
pub fn get(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<OfUser<(Standing, Vec<Lockout>)>> {
    let (_, user) = directory::authorize_on_user(tx, caller, Action::ReadRequirements, user)?;
    let standing = Standing::of(tx, &user)?;
    let lockouts = throttle::lockouts(tx, &user.tenant_id, user.user_id.as_str())?;
    Ok(OfUser::new(tx, user, (standing, lockouts)))
}

pub fn update(tx: &mut Tx<'_>, caller: &Caller, user: &str, change: &RequirementsChange) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::WriteRequirements, user)?;
    let before = users::requirements(tx, &user.tenant_id, &user.user_id)?;
    let after = apply(&before, change, tx.now())?;
    if after == before {
        return Ok(());
    }
    users::set_requirements(tx, &user.tenant_id, &user.user_id, &after)?;
    let mut entry = Entry::success(Activity::CHANGE_REQUIREMENTS, Target::user(&user))
        .because("Admin changed what authentication is required of user");
    if after.per_user_mfa_state != before.per_user_mfa_state {
        entry = entry.modified("StrongAuthenticationRequirement", before.per_user_mfa_state, after.per_user_mfa_state);
    }
    if (&after.opt_out_reason, after.opt_out_expires_at) != (&before.opt_out_reason, before.opt_out_expires_at) {
        entry = entry.modified("MfaOptOutReason", before.opt_out_reason, after.opt_out_reason).modified(
            "MfaOptOutExpirationDateTime",
            before.opt_out_expires_at,
            after.opt_out_expires_at,
        );
    }
    audit::record(tx, &actor, entry).map(drop)
}

fn apply(before: &Requirements, change: &RequirementsChange, now: Timestamp) -> Result<Requirements> {
    let mut after = before.clone();
    let RequirementsChange { per_user_mfa_state, opt_out } = change;
    if let Some(state) = per_user_mfa_state {
        after.per_user_mfa_state = *state;
    }
    match opt_out {
        None => {}
        Some(None) => (after.opt_out_reason, after.opt_out_expires_at) = (None, None),
        Some(Some(opt_out)) => {
            let (reason, end) = checked(opt_out, now)?;
            (after.opt_out_reason, after.opt_out_expires_at) = (Some(reason), Some(end));
        }
    }
    Ok(after)
}

/// Nobody is opted out without a reason, or for good.
fn checked(opt_out: &OptOut, now: Timestamp) -> Result<(String, Timestamp)> {
    const REASON: &str = "mfaOptOut/reason";
    const END: &str = "mfaOptOut/expirationDateTime";
    let reason = opt_out.reason.as_deref().unwrap_or_default().trim();
    if reason.is_empty() {
        return Err(Error::invalid(REASON, "Say why the user is opted out of multifactor authentication."));
    }
    directory::check_text(REASON, reason, MAX_REASON_LENGTH)?;
    let end = opt_out.expires_at.ok_or_else(|| Error::invalid(END, "Say when the opt-out ends."))?;
    if end <= now {
        return Err(Error::invalid(END, "The opt-out would have expired already; choose a moment in the future."));
    }
    if end > now.plus_minutes(MAX_OPT_OUT_DAYS * 24 * 60) {
        let message = format!("A user is opted out for at most {MAX_OPT_OUT_DAYS} days at once.");
        return Err(Error::invalid(END, message));
    }
    Ok((reason.to_owned(), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn required(security_defaults: bool, state: PerUserMfaState, opt_out_ends_in_seconds: Option<i64>) -> bool {
        let requirements = Requirements {
            per_user_mfa_state: state,
            opt_out_expires_at: opt_out_ends_in_seconds.map(|seconds| NOW.plus_seconds(seconds)),
            ..Requirements::default()
        };
        Standing::new(security_defaults, requirements, NOW).is_mfa_required
    }

    /// The whole truth table.
    #[test]
    fn when_mfa_is_required() {
        use PerUserMfaState::{Disabled, Enabled, Enforced};
        let (none, valid, over) = (None, Some(1), Some(0));
        for (security_defaults, state, opt_out, expected) in [
            (false, Disabled, none, false),
            (false, Disabled, valid, false),
            (false, Disabled, over, false),
            (false, Enabled, none, true),
            (false, Enabled, valid, true),
            (false, Enabled, over, true),
            (false, Enforced, none, true),
            (false, Enforced, valid, true),
            (false, Enforced, over, true),
            (true, Disabled, none, true),
            (true, Disabled, valid, false),
            (true, Disabled, over, true),
            (true, Enabled, none, true),
            (true, Enabled, valid, true),
            (true, Enabled, over, true),
            (true, Enforced, none, true),
            (true, Enforced, valid, true),
            (true, Enforced, over, true),
        ] {
            assert_eq!(
                required(security_defaults, state, opt_out),
                expected,
                "{security_defaults} {state} {opt_out:?}"
            );
        }
    }

    #[test]
    fn an_opt_out_has_a_reason_and_an_end() {
        let check = |reason: &str, end: Option<i64>| {
            let opt_out =
                OptOut { reason: Some(reason.into()), expires_at: end.map(|seconds| NOW.plus_seconds(seconds)) };
            checked(&opt_out, NOW)
        };
        let days = |days: i64| Some(days * 24 * 60 * 60);
        assert_eq!(check(" Broken arm ", days(365)).unwrap(), ("Broken arm".into(), NOW.plus_seconds(365 * 86_400)));
        for (reason, end) in [
            ("", days(1)),
            ("  ", days(1)),
            ("line\nbreak", days(1)),
            (&"x".repeat(1_001), days(1)),
            ("Broken arm", None),
            ("Broken arm", Some(0)),
            ("Broken arm", Some(-1)),
            ("Broken arm", Some(365 * 86_400 + 1)),
        ] {
            assert!(check(reason, end).is_err(), "{reason} {end:?}");
        }
    }

    #[test]
    fn what_is_not_named_stays() {
        let opted_out = Requirements {
            opt_out_reason: Some("Broken arm".into()),
            opt_out_expires_at: Some(NOW.plus_seconds(60)),
            preferred_method: Some("sms".into()),
            ..Requirements::default()
        };
        assert_eq!(apply(&opted_out, &RequirementsChange::default(), NOW).unwrap(), opted_out);
        let cleared =
            apply(&opted_out, &RequirementsChange { opt_out: Some(None), ..Default::default() }, NOW).unwrap();
        assert_eq!(cleared, Requirements { preferred_method: Some("sms".into()), ..Requirements::default() });
    }
}
