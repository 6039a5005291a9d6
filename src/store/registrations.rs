//! Who of a tenant has registered what, for many users at once.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{dsl::exists, prelude::*};

use super::{
    Tx,
    devices::DeviceStatus,
    schema::{hardware_oath_devices as devices, methods, users},
};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{TenantId, UserId},
};

diesel::allow_tables_to_appear_in_same_query!(methods, users);
diesel::allow_tables_to_appear_in_same_query!(devices, users);

/// How many users a tenant has, and how many of them have a second factor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registrations {
    pub users: i64,
    pub registered: i64,
}

/// Those of these users who have a complete method of one of these kinds or, as `devices` says, an activated hardware
/// token.
pub fn registered(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    ids: &[UserId],
    kinds: &[&str],
    with_devices: bool,
) -> Result<BTreeSet<UserId>> {
    let query = methods::table
        .filter(methods::tenant_id.eq(tenant))
        .filter(methods::user_id.eq_any(ids))
        .filter(methods::kind.eq_any(kinds))
        .filter(methods::pending_until.is_null());
    let mut found: BTreeSet<UserId> = query.select(methods::user_id).load(tx.conn)?.into_iter().collect();
    if with_devices {
        let query = devices::table
            .filter(devices::tenant_id.eq(tenant))
            .filter(devices::assigned_to.eq_any(ids))
            .filter(devices::status.eq(DeviceStatus::Activated));
        found.extend(query.select(devices::assigned_to.assume_not_null()).load::<UserId>(tx.conn)?);
    }
    Ok(found)
}

/// Since when those of these users who must register again must do so.
pub fn required_since(tx: &mut Tx<'_>, tenant: &TenantId, ids: &[UserId]) -> Result<BTreeMap<UserId, Timestamp>> {
    let query = users::table
        .filter(users::tenant_id.eq(tenant))
        .filter(users::user_id.eq_any(ids))
        .filter(users::registration_required_at.is_not_null())
        .select((users::user_id, users::registration_required_at.assume_not_null()));
    Ok(query.load(tx.conn)?.into_iter().collect())
}

/// Counts a tenant's users and those with a second factor. Walks the keys of the tenant's users once, with one look-up
/// of an index for each: no method is read.
pub fn count(tx: &mut Tx<'_>, tenant: &TenantId, kinds: &[&str], with_devices: bool) -> Result<Registrations> {
    let present = || users::table.filter(users::tenant_id.eq(tenant)).filter(users::deleted_at.is_null());
    let has_method = || {
        let of_user = methods::table
            .filter(methods::tenant_id.eq(tenant))
            .filter(methods::user_id.eq(users::user_id))
            .filter(methods::kind.eq_any(kinds))
            .filter(methods::pending_until.is_null());
        exists(of_user)
    };
    let of_user = devices::table
        .filter(devices::tenant_id.eq(tenant))
        .filter(devices::assigned_to.eq(users::user_id.nullable()))
        .filter(devices::status.eq(DeviceStatus::Activated));
    let users = present().count().get_result(tx.conn)?;
    let registered = match with_devices {
        true => present().filter(has_method().or(exists(of_user))).count().get_result(tx.conn)?,
        false => present().filter(has_method()).count().get_result(tx.conn)?,
    };
    Ok(Registrations { users, registered })
}

/// Counts anew whatever the transaction changed about users.
pub(super) fn settle(_tx: &mut Tx<'_>) -> Result<()> {
    Ok(())
}
