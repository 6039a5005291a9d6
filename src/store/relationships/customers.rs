//! The customers of a partner: the tenants with a relationship in force.

use diesel::prelude::*;

use super::{
    super::schema::{access_assignments, relationships, tenants},
    AutoExtend, StoredStatus, Tx, in_force, of_relationship,
};
use crate::{error::Result, id::TenantId, store::tenants::Tenant};

/// A page of the partner's customers in the order of their ids; `after` is the last id of the page before.
pub fn list(tx: &mut Tx<'_>, partner: &TenantId, after: Option<&TenantId>, limit: i64) -> Result<Vec<Tenant>> {
    let mut query = relationships::table
        .filter(relationships::tenant_id.eq(partner))
        .filter(relationships::customer_tenant_id.is_not_null())
        .filter(in_force!(tx.now))
        .order(relationships::customer_tenant_id)
        .select(relationships::customer_tenant_id.assume_not_null())
        .distinct()
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(relationships::customer_tenant_id.gt(after));
    }
    let ids: Vec<TenantId> = query.load(tx.conn)?;
    find_all(tx, &ids)
}

/// One customer of the partner.
pub fn find(tx: &mut Tx<'_>, partner: &TenantId, customer: &TenantId) -> Result<Option<Tenant>> {
    let query = relationships::table
        .filter(relationships::tenant_id.eq(partner))
        .filter(relationships::customer_tenant_id.eq(customer))
        .filter(in_force!(tx.now));
    match diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)? {
        true => super::super::tenants::find(tx, customer),
        false => Ok(None),
    }
}

/// A page of the customers in whose tenants the partner's application or user `container` was given something, in the
/// order of their ids. Reads and sorts the assignments of that container: one for each relationship it serves.
pub fn of_container(
    tx: &mut Tx<'_>,
    partner: &TenantId,
    container: &str,
    after: Option<&TenantId>,
    limit: i64,
) -> Result<Vec<TenantId>> {
    let mut query = relationships::table
        .inner_join(access_assignments::table.on(of_relationship!()))
        .filter(access_assignments::tenant_id.eq(partner))
        .filter(access_assignments::container_id.eq(container))
        .filter(relationships::customer_tenant_id.is_not_null())
        .filter(in_force!(tx.now))
        .order(relationships::customer_tenant_id)
        .select(relationships::customer_tenant_id.assume_not_null())
        .distinct()
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(relationships::customer_tenant_id.gt(after));
    }
    Ok(query.load(tx.conn)?)
}

/// Those of these tenants that are there, in the order of their ids.
pub fn find_all(tx: &mut Tx<'_>, ids: &[TenantId]) -> Result<Vec<Tenant>> {
    let query = tenants::table.filter(tenants::tenant_id.eq_any(ids)).order(tenants::tenant_id);
    Ok(query.select(Tenant::as_select()).load(tx.conn)?)
}
