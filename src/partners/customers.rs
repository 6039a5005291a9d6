//! The customers of a partner: tenants with at least one relationship in force.

use crate::{
    access::{self, Action, Caller},
    error::{Error, Result},
    id::TenantId,
    store::{Tx, relationships::customers, tenants::Tenant},
};

/// A page of the caller's customers, in the order of their ids.
pub fn list(tx: &mut Tx<'_>, caller: &Caller, after: Option<&TenantId>, limit: i64) -> Result<Vec<Tenant>> {
    access::authorize(tx, caller, Action::ReadRelationships, None)?;
    customers::list(tx, &caller.tenant, after, limit)
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Tenant> {
    access::authorize(tx, caller, Action::ReadRelationships, None)?;
    let found = match TenantId::parse(id) {
        Some(id) => customers::find(tx, &caller.tenant, &id)?,
        None => None,
    };
    found.ok_or_else(|| Error::method_not_found(id))
}
