//! The inventory of hardware OATH tokens and its state machine:
//! available -> assigned -> activated (or failedActivation), deactivated back to assigned, released back to available.

use crate::{
    error::Result,
    store::{
        Tx,
        devices::{self, Device, DeviceStatus},
    },
};

/// Takes the token away from its user; it stays in the inventory, and codes already used stay used.
pub fn release(tx: &mut Tx<'_>, device: &Device) -> Result<()> {
    let released = Device { status: DeviceStatus::Available, assigned_to: None, assigned_at: None, ..device.clone() };
    devices::update(tx, &released)
}

/// Activated (or failed) back to assigned: the user keeps the token and can activate it again with a code.
pub fn deactivate(tx: &mut Tx<'_>, device: &Device) -> Result<()> {
    devices::update(tx, &Device { status: DeviceStatus::Assigned, ..device.clone() })
}
