//! The inventory: which hardware OATH tokens a tenant has. A token can be changed or deleted only while nobody has it.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};

use super::{DeviceKey, MAX_NAME_LENGTH, OwnedDevice, WRITE, find, give, secret_place};
use crate::{
    access::{self, Action, Actor, Caller},
    audit::{self, Activity, Entry, Target},
    directory,
    error::{Error, Result},
    id::DeviceId,
    methods::oath,
    store::{
        Tx,
        devices::{self, Device, DeviceFilter, DeviceHash, DeviceStatus, OtpType},
        users,
    },
};

/// The longest serial number, manufacturer and model, in characters.
pub const MAX_TEXT_LENGTH: usize = 128;
/// Tokens in one bulk request.
pub const MAX_BULK: usize = 100;

/// A token as a caller describes it.
#[derive(Clone)]
pub struct NewDevice {
    pub serial_number: String,
    pub manufacturer: String,
    pub model: String,
    /// Base32.
    pub secret_key: SecretString,
    /// By time or by counter.
    pub otp_type: OtpType,
    /// 6 or 8.
    pub digits: i32,
    /// 30 or 60; a token without a clock needs none.
    pub time_interval_in_seconds: Option<i32>,
    pub hash_function: DeviceHash,
    /// The first counter whose code was not shown yet (RFC 4226).
    pub counter: i64,
    /// Steps that the token's clock is ahead (RFC 6238 section 6).
    pub drift_steps: i64,
    pub display_name: Option<String>,
    /// The user who gets it at once, by id or userPrincipalName.
    pub assign_to: Option<String>,
}

/// What to change; `None` leaves a property as it is.
#[derive(Debug, Clone, Default)]
pub struct DeviceChanges {
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub time_interval_in_seconds: Option<i32>,
    pub hash_function: Option<DeviceHash>,
    /// `Some(None)` takes the name away.
    pub display_name: Option<Option<String>>,
}

/// A page of the inventory in the order of ids; `after` is the last id of the page before.
pub fn list(
    tx: &mut Tx<'_>,
    caller: &Caller,
    filter: &DeviceFilter,
    after: Option<&DeviceId>,
    limit: i64,
) -> Result<Vec<OwnedDevice>> {
    let actor = access::authorize(tx, caller, Action::ReadDevices, None)?;
    let devices = devices::list(tx, &actor.tenant, filter, after, limit)?;
    let owners: BTreeSet<_> = devices.iter().filter_map(|device| device.assigned_to.clone()).collect();
    let owners: Vec<_> = owners.into_iter().collect();
    let names = users::display_names(tx, &actor.tenant, &owners)?;
    let owned = |device: Device| OwnedDevice {
        owner_name: device.assigned_to.as_ref().and_then(|owner| names.get(owner)).cloned(),
        device,
    };
    Ok(devices.into_iter().map(owned).collect())
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<OwnedDevice> {
    let actor = access::authorize(tx, caller, Action::ReadDevices, None)?;
    let device = find(tx, &actor, &DeviceKey::Id(id.to_owned()))?;
    let owner = device.assigned_to.as_slice();
    let owner_name = users::display_names(tx, &actor.tenant, owner)?.into_values().next();
    Ok(OwnedDevice { device, owner_name })
}

/// Adds a token.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, device: &NewDevice) -> Result<OwnedDevice> {
    let actor = access::authorize(tx, caller, Action::WriteDevices, None)?;
    add(tx, caller, &actor, device)
}

/// Adds all of the tokens or, when one of them is refused, none.
pub fn create_many(tx: &mut Tx<'_>, caller: &Caller, new: &[NewDevice]) -> Result<Vec<OwnedDevice>> {
    let actor = access::authorize(tx, caller, Action::WriteDevices, None)?;
    if new.is_empty() || new.len() > MAX_BULK {
        return Err(Error::invalid("value", format!("One request creates 1 to {MAX_BULK} tokens.")));
    }
    let add = |(index, device)| add(tx, caller, &actor, device).map_err(|error| in_item(index, error));
    new.iter().enumerate().map(add).collect()
}

/// Says which item of a bulk request an error is about.
fn in_item(index: usize, error: Error) -> Error {
    let item = format!("value[{index}]");
    match error {
        Error::Invalid { area, target, message } => {
            let target = target.map_or_else(|| item.clone(), |target| format!("{item}.{target}"));
            Error::Invalid { area, target: Some(target), message }
        }
        Error::Conflict { code, message } => Error::Conflict { code, message: format!("{item}: {message}") },
        other => other,
    }
}

fn add(tx: &mut Tx<'_>, caller: &Caller, actor: &Actor, new: &NewDevice) -> Result<OwnedDevice> {
    // Giving a token to a user takes the right over that user's methods as well.
    let owner = match &new.assign_to {
        Some(user) => Some(directory::authorize_on_user(tx, caller, WRITE, user)?.1),
        None => None,
    };
    check_is_new(tx, actor, &new.serial_number)?;
    let device = store_new(tx, actor, new)?;
    let entry = Entry::success(Activity::CREATE_DEVICE, target(&device))
        .modified("SerialNumber", None::<()>, &device.serial_number)
        .modified("Manufacturer", None::<()>, &device.manufacturer)
        .modified("Model", None::<()>, &device.model);
    audit::record(tx, actor, entry)?;
    match owner {
        Some(owner) => {
            let device = give(tx, actor, &owner, device)?;
            Ok(OwnedDevice { device, owner_name: Some(owner.display_name) })
        }
        None => Ok(OwnedDevice { device, owner_name: None }),
    }
}

fn check_is_new(tx: &mut Tx<'_>, actor: &Actor, serial_number: &str) -> Result<()> {
    let serial_number = check_name("serialNumber", serial_number)?;
    if devices::find_by_serial(tx, &actor.tenant, &serial_number)?.is_none() {
        return Ok(());
    }
    Err(Error::conflict(format!("A hardware OATH token with the serial number {serial_number} exists already.")))
}

/// Validates and stores a token whose serial number is not in the inventory yet. The caller was authorized; the caller
/// also records it.
pub(super) fn store_new(tx: &mut Tx<'_>, actor: &Actor, new: &NewDevice) -> Result<Device> {
    let secret =
        oath::parse_secret(new.secret_key.expose_secret()).map_err(|message| Error::invalid("secretKey", message))?;
    if let Some(name) = &new.display_name {
        directory::check_text("displayName", name, MAX_NAME_LENGTH)?;
    }
    let mut device = Device {
        tenant_id: actor.tenant.clone(),
        device_id: DeviceId::new(tx.time_ordered_guid()),
        serial_number: check_name("serialNumber", &new.serial_number)?,
        manufacturer: check_name("manufacturer", &new.manufacturer)?,
        model: check_name("model", &new.model)?,
        display_name: new.display_name.clone(),
        time_interval_seconds: check_interval(new.otp_type, new.time_interval_in_seconds)?,
        hash_function: new.hash_function,
        sealed_secret: String::new(),
        status: DeviceStatus::Available,
        assigned_to: None,
        assigned_at: None,
        // The last one that counts as used is the one before.
        last_step: new.counter.checked_sub(1).filter(|last| *last >= 0),
        last_used_at: None,
        created_at: tx.now(),
        otp_type: new.otp_type,
        digits: check_digits(new.digits)?,
        drift_steps: new.drift_steps,
    };
    device.sealed_secret = tx.seal(&secret_place(&device), secret.expose_secret())?;
    devices::insert(tx, &device)?;
    Ok(device)
}

/// Changes a token that nobody has. Its secret and serial number never change.
pub fn update(tx: &mut Tx<'_>, caller: &Caller, id: &str, changes: &DeviceChanges) -> Result<()> {
    let actor = access::authorize(tx, caller, Action::WriteDevices, None)?;
    let device = find(tx, &actor, &DeviceKey::Id(id.to_owned()))?;
    let DeviceChanges { manufacturer, model, time_interval_in_seconds, hash_function, display_name } = changes;
    let mut changed = device.clone();
    if let Some(manufacturer) = manufacturer {
        changed.manufacturer = check_name("manufacturer", manufacturer)?;
    }
    if let Some(model) = model {
        changed.model = check_name("model", model)?;
    }
    if let Some(interval) = time_interval_in_seconds {
        changed.time_interval_seconds = check_interval(device.otp_type, Some(*interval))?;
    }
    if let Some(hash_function) = hash_function {
        changed.hash_function = *hash_function;
    }
    if let Some(name) = display_name {
        name.as_ref().map_or(Ok(()), |name| directory::check_text("displayName", name, MAX_NAME_LENGTH))?;
        changed.display_name.clone_from(name);
    }
    check_unassigned(&device, "changed")?;
    if changed == device {
        return Ok(());
    }
    if changed.time_interval_seconds != device.time_interval_seconds {
        let (old, new) = (device.time_interval_seconds.into(), changed.time_interval_seconds.into());
        changed.last_step = device.last_step.map(|step| renumber(step, old, new));
        // What was learned of its clock was learned with the wrong interval.
        changed.drift_steps = 0;
    }
    devices::update(tx, &changed)?;
    let mut entry =
        Entry::success(Activity::UPDATE_DEVICE, target(&device)).detail("serialNumber", device.serial_number.as_str());
    let texts = [
        ("Manufacturer", Some(&device.manufacturer), Some(&changed.manufacturer)),
        ("Model", Some(&device.model), Some(&changed.model)),
        ("DisplayName", device.display_name.as_ref(), changed.display_name.as_ref()),
    ];
    for (name, old, new) in texts.into_iter().filter(|(_, old, new)| old != new) {
        entry = entry.modified(name, old, new);
    }
    if changed.time_interval_seconds != device.time_interval_seconds {
        entry = entry.modified("TimeIntervalInSeconds", device.time_interval_seconds, changed.time_interval_seconds);
    }
    if changed.hash_function != device.hash_function {
        entry = entry.modified("HashFunction", device.hash_function, changed.hash_function);
    }
    audit::record(tx, &actor, entry).map(drop)
}

/// The last step of length `new` that begins before step `step` of length `old` ends: what was used stays used when a
/// token's time interval is corrected.
fn renumber(step: i64, old: i64, new: i64) -> i64 {
    let end = step.saturating_add(1).saturating_mul(old);
    end.saturating_sub(1).div_euclid(new)
}

/// Deletes a token that nobody has.
pub fn delete(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<()> {
    let actor = access::authorize(tx, caller, Action::WriteDevices, None)?;
    let device = find(tx, &actor, &DeviceKey::Id(id.to_owned()))?;
    check_unassigned(&device, "deleted")?;
    devices::delete(tx, &actor.tenant, &device.device_id)?;
    let entry = Entry::success(Activity::DELETE_DEVICE, target(&device))
        .modified("SerialNumber", &device.serial_number, None::<()>)
        .modified("Manufacturer", &device.manufacturer, None::<()>)
        .modified("Model", &device.model, None::<()>);
    audit::record(tx, &actor, entry).map(drop)
}

fn check_unassigned(device: &Device, verb: &str) -> Result<()> {
    if device.status == DeviceStatus::Available {
        return Ok(());
    }
    let message =
        format!("A hardware OATH token can be {verb} only while nobody has it; unassign it from its user first.");
    Err(Error::conflict(message))
}

/// A text that must say something; blanks around it are dropped.
fn check_name(target: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(target, format!("{target} must not be empty.")));
    }
    directory::check_text(target, text, MAX_TEXT_LENGTH)?;
    Ok(text.to_owned())
}

/// What stands in the interval of a token without a clock, whatever a caller says of it.
const NO_INTERVAL: i32 = 30;

fn check_interval(otp_type: OtpType, seconds: Option<i32>) -> Result<i32> {
    match (otp_type, seconds) {
        (OtpType::Totp, Some(seconds @ (30 | 60))) => Ok(seconds),
        (OtpType::Hotp, None | Some(30 | 60)) => Ok(NO_INTERVAL),
        _ => Err(Error::invalid("timeIntervalInSeconds", "timeIntervalInSeconds is 30 or 60.")),
    }
}

fn check_digits(digits: i32) -> Result<i32> {
    if matches!(digits, 6 | 8) {
        return Ok(digits);
    }
    Err(Error::invalid("digits", "A code has 6 or 8 digits."))
}

fn target(device: &Device) -> Target {
    Target::object("Device", &device.device_id, device.serial_number.as_str())
}

#[cfg(test)]
mod tests {
    use super::renumber;

    #[test]
    fn used_steps_stay_used() {
        assert_eq!([renumber(4, 30, 60), renumber(5, 30, 60), renumber(6, 30, 60)], [2, 2, 3]);
        assert_eq!([renumber(2, 60, 30), renumber(3, 60, 30), renumber(7, 30, 30)], [5, 7, 7]);
    }
}
