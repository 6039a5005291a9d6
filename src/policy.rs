//! What applies to a whole tenant.

use crate::{
    access::{self, Action, Caller},
    audit::{self, Activity, Entry, Target},
    error::{Error, Result},
    store::{Tx, tenants},
};

pub mod authentication_methods;

/// Graph's fixed id of the `identitySecurityDefaultsEnforcementPolicy`.
pub const SECURITY_DEFAULTS_ID: &str = "00000000-0000-0000-0000-000000000005";
pub const SECURITY_DEFAULTS_NAME: &str = "Security Defaults";

/// Whether multifactor authentication is required of everybody in the tenant.
pub fn security_defaults(tx: &mut Tx<'_>, caller: &Caller) -> Result<bool> {
    access::authorize(tx, caller, Action::ReadPolicies, None)?;
    is_enabled(tx, caller)
}

/// Requires multifactor authentication of everybody in the tenant, or no longer; `None` leaves it.
pub fn set_security_defaults(tx: &mut Tx<'_>, caller: &Caller, enabled: Option<bool>) -> Result<()> {
    let actor = access::authorize(tx, caller, Action::WriteSecurityDefaults, None)?;
    let before = is_enabled(tx, caller)?;
    let Some(after) = enabled.filter(|after| *after != before) else { return Ok(()) };
    tenants::set_security_defaults(tx, &caller.tenant, after)?;
    let target = Target::object("Policy", SECURITY_DEFAULTS_ID, SECURITY_DEFAULTS_NAME);
    let entry = Entry::success(Activity::CHANGE_SECURITY_DEFAULTS, target).modified("IsEnabled", before, after);
    audit::record(tx, &actor, entry).map(drop)
}

fn is_enabled(tx: &mut Tx<'_>, caller: &Caller) -> Result<bool> {
    let tenant = tenants::find(tx, &caller.tenant)?.ok_or_else(|| Error::internal("a caller without a tenant"))?;
    Ok(tenant.security_defaults_enabled)
}
