//! The inventory of hardware OATH tokens. An assigned device is the user's method; there is no second record of it.

use std::{collections::BTreeMap, ops::RangeInclusive};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Tx, backend::natively, schema::hardware_oath_devices as devices};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{DeviceId, TenantId, UserId},
    words,
};

words! {
    /// Graph's `hardwareOathTokenStatus`.
    pub enum DeviceStatus {
        Available = "available",
        Assigned = "assigned",
        Activated = "activated",
        /// Assigned, and the last code for activation was wrong.
        FailedActivation = "failedActivation",
    }
}

words! {
    /// Graph's `hardwareOathTokenHashFunction`.
    pub enum DeviceHash { Sha1 = "hmacsha1", Sha256 = "hmacsha256", Sha512 = "hmacsha512" }
}

words! {
    /// Whether a token's codes change with time (RFC 6238) or with every press of its button (RFC 4226).
    pub enum OtpType { Totp = "totp", Hotp = "hotp" }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = devices, treat_none_as_null = true)]
pub struct Device {
    pub tenant_id: TenantId,
    pub device_id: DeviceId,
    pub serial_number: String,
    pub manufacturer: String,
    pub model: String,
    pub display_name: Option<String>,
    /// 30 or 60. A token without a clock has none: then it says nothing.
    pub time_interval_seconds: i32,
    pub hash_function: DeviceHash,
    /// Stays out of kept answers, even sealed.
    #[serde(skip)]
    pub sealed_secret: String,
    pub status: DeviceStatus,
    pub assigned_to: Option<UserId>,
    pub assigned_at: Option<Timestamp>,
    /// The last time step (RFC 6238) or counter (RFC 4226) whose code was accepted: only a greater one is.
    pub last_step: Option<i64>,
    pub last_used_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub otp_type: OtpType,
    /// Digits of a code: 6 or 8.
    pub digits: i32,
    /// Steps that the token's clock is ahead of ours, as its last accepted code showed (RFC 6238 section 6).
    pub drift_steps: i64,
}

/// What a list of the inventory asks for.
#[derive(Debug, Clone, Default)]
pub struct DeviceFilter {
    pub status: Option<DeviceStatus>,
    pub serial_number: Option<String>,
}

pub fn insert(tx: &mut Tx<'_>, device: &Device) -> Result<()> {
    natively!(&mut *tx.conn, |conn| diesel::insert_into(devices::table).values(device).execute(conn)?);
    device.assigned_to.iter().for_each(|owner| tx.touch(&device.tenant_id, owner));
    Ok(())
}

/// Writes a device back. Whoever takes it from its user says so by [`release`].
pub fn update(tx: &mut Tx<'_>, device: &Device) -> Result<()> {
    diesel::update(devices::table.find((&device.tenant_id, &device.device_id))).set(device).execute(tx.conn)?;
    device.assigned_to.iter().for_each(|owner| tx.touch(&device.tenant_id, owner));
    Ok(())
}

/// Takes a device from its user, back into the inventory.
pub fn release(tx: &mut Tx<'_>, device: &Device) -> Result<()> {
    device.assigned_to.iter().for_each(|owner| tx.touch(&device.tenant_id, owner));
    let released = Device { status: DeviceStatus::Available, assigned_to: None, assigned_at: None, ..device.clone() };
    update(tx, &released)
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, id: &DeviceId) -> Result<Option<Device>> {
    Ok(devices::table.find((tenant, id)).select(Device::as_select()).first(tx.conn).optional()?)
}

pub fn find_by_serial(tx: &mut Tx<'_>, tenant: &TenantId, serial_number: &str) -> Result<Option<Device>> {
    let query = devices::table.filter(devices::tenant_id.eq(tenant)).filter(devices::serial_number.eq(serial_number));
    Ok(query.select(Device::as_select()).first(tx.conn).optional()?)
}

/// Those of the serial numbers (a chunk of an import) that are in the inventory.
pub fn with_serials(tx: &mut Tx<'_>, tenant: &TenantId, serial_numbers: &[&str]) -> Result<BTreeMap<String, Device>> {
    let query =
        devices::table.filter(devices::tenant_id.eq(tenant)).filter(devices::serial_number.eq_any(serial_numbers));
    let found: Vec<Device> = query.select(Device::as_select()).load(tx.conn)?;
    Ok(found.into_iter().map(|device| (device.serial_number.clone(), device)).collect())
}

/// The devices assigned to a user (at most a handful), oldest assignment first.
pub fn of_user(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<Vec<Device>> {
    let query = devices::table.filter(devices::tenant_id.eq(tenant)).filter(devices::assigned_to.eq(user));
    let query = query.order((devices::assigned_at, devices::device_id));
    Ok(natively!(&mut *tx.conn, |conn| query.select(Device::as_select()).load(conn)?))
}

/// The devices assigned to some users, each user's oldest assignment first.
pub fn of_users(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId]) -> Result<Vec<Device>> {
    let query = devices::table.filter(devices::tenant_id.eq(tenant)).filter(devices::assigned_to.eq_any(users));
    let query = query.order((devices::assigned_to, devices::assigned_at, devices::device_id));
    Ok(natively!(&mut *tx.conn, |conn| query.select(Device::as_select()).load(conn)?))
}

/// Activated back to assigned, of some users.
pub fn deactivate_of_users(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId]) -> Result<()> {
    let activated = devices::table
        .filter(devices::tenant_id.eq(tenant))
        .filter(devices::assigned_to.eq_any(users))
        .filter(devices::status.eq(DeviceStatus::Activated));
    let assigned = diesel::update(activated).set(devices::status.eq(DeviceStatus::Assigned));
    natively!(&mut *tx.conn, |conn| assigned.execute(conn)?);
    users.iter().for_each(|user| tx.touch(tenant, user));
    Ok(())
}

/// A page of the inventory in the order of ids; `after` is the last id of the page before.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    filter: &DeviceFilter,
    after: Option<&DeviceId>,
    limit: i64,
) -> Result<Vec<Device>> {
    let mut query = devices::table
        .filter(devices::tenant_id.eq(tenant))
        .order(devices::device_id)
        .select(Device::as_select())
        .limit(limit)
        .into_boxed();
    if let Some(status) = filter.status {
        query = query.filter(devices::status.eq(status));
    }
    if let Some(serial_number) = &filter.serial_number {
        query = query.filter(devices::serial_number.eq(serial_number.clone()));
    }
    if let Some(after) = after {
        query = query.filter(devices::device_id.gt(after.clone()));
    }
    Ok(query.load(tx.conn)?)
}

pub fn delete(tx: &mut Tx<'_>, tenant: &TenantId, id: &DeviceId) -> Result<()> {
    diesel::delete(devices::table.find((tenant, id))).execute(tx.conn)?;
    Ok(())
}

/// Takes the one-time codes of consecutive steps or counters, and remembers the drift they showed: true exactly once
/// per code, and never for an earlier one (RFC 6238 section 5.2). One conditional update, so no concurrency accepts a
/// code twice.
pub fn take_steps(tx: &mut Tx<'_>, device: &Device, steps: &RangeInclusive<i64>, drift_steps: i64) -> Result<bool> {
    let fresh = devices::last_step.is_null().or(devices::last_step.lt(*steps.start()));
    let target = devices::table.find((&device.tenant_id, &device.device_id)).filter(fresh);
    let set = (
        devices::last_step.eq(Some(*steps.end())),
        devices::last_used_at.eq(Some(tx.now)),
        devices::drift_steps.eq(drift_steps),
    );
    Ok(diesel::update(target).set(set).execute(tx.conn)? == 1)
}
