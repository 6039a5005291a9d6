//! The hardware OATH tokens of users, and the state machine of a token:
//! available -> assigned -> activated (or failedActivation), deactivated back to assigned, released back to available.
//!
//! A code that was accepted once stays used, whatever happens to the token afterwards.

use serde::{Deserialize, Serialize};

use crate::{
    access::{Action, Actor, Caller},
    audit::{self, Activity, Entry, Target},
    directory,
    error::{Area, Error, Result},
    id::DeviceId,
    methods::{
        Method, MethodKind,
        oath::{self, CodeOutcome, HashFunction, TotpParameters},
        policy,
        proof::Verdict,
        registration,
    },
    store::{
        Tx,
        devices::{self, Device, DeviceHash, DeviceStatus},
        users::{User, UserType},
    },
};

pub mod import;
pub mod inventory;

/// Digits of a hardware token's code (Graph: TOTP with 6 digits only).
const DIGITS: u8 = 6;
/// The longest display name of a token, in characters.
const MAX_NAME_LENGTH: usize = 256;

const READ: Action = Action::ReadKind(MethodKind::HardwareOath);
const REGISTER: Action = Action::RegisterKind(MethodKind::HardwareOath);
const WRITE: Action = Action::WriteKind(MethodKind::HardwareOath);

/// A token, and the display name of the user who has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnedDevice {
    pub device: Device,
    pub owner_name: Option<String>,
}

/// How a caller names a token of the inventory.
#[derive(Debug, Clone)]
pub enum DeviceKey {
    Id(String),
    SerialNumber(String),
}

/// What activates a token.
#[derive(Clone)]
pub struct Activation {
    pub verification_code: String,
    /// A new display name for the token.
    pub display_name: Option<String>,
}

impl Activation {
    fn check(&self) -> Result<()> {
        oath::check_code(&self.verification_code, DIGITS)?;
        self.display_name.as_ref().map_or(Ok(()), |name| directory::check_text("displayName", name, MAX_NAME_LENGTH))
    }
}

/// The tokens of a user (a handful) in the order of their ids; `after` is the last id of the page before.
pub fn list(tx: &mut Tx<'_>, caller: &Caller, user: &str, after: Option<&str>) -> Result<(User, Vec<Device>)> {
    let (_, user) = directory::authorize_on_user(tx, caller, READ, user)?;
    let mut tokens = devices::of_user(tx, &user.tenant_id, &user.user_id)?;
    tokens.sort_by(|a, b| a.device_id.cmp(&b.device_id));
    tokens.retain(|device| after.is_none_or(|after| device.device_id.as_str() > after));
    Ok((user, tokens))
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str) -> Result<(User, Device)> {
    let (_, user) = directory::authorize_on_user(tx, caller, READ, user)?;
    let device = of_user(tx, &user, id)?;
    Ok((user, device))
}

/// Assigns a token of the inventory to a user. It is of no use before it is activated; that is when the tenant's policy
/// is asked, so tokens can be handed out before their kind is enabled.
pub fn assign(tx: &mut Tx<'_>, caller: &Caller, user: &str, device: &DeviceKey) -> Result<OwnedDevice> {
    let (actor, user) = directory::authorize_on_user(tx, caller, WRITE, user)?;
    let device = find(tx, &actor, device)?;
    let device = give(tx, &actor, &user, device)?;
    Ok(OwnedDevice { device, owner_name: Some(user.display_name) })
}

/// Takes a token away from its user, back into the inventory.
pub fn unassign(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, WRITE, user)?;
    let device = of_user(tx, &user, id)?;
    release(tx, &device)?;
    let entry = Entry::success(Activity::DELETE_METHOD, Target::user(&user))
        .because("Admin took a hardware OATH token away from the user");
    audit::record(tx, &actor, describe(entry, &device, DeviceStatus::Available)).map(drop)
}

/// Activates an assigned token with a right code. A wrong one is remembered in the token's status.
pub fn activate(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &str,
    id: &str,
    activation: &Activation,
) -> Result<CodeOutcome> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    let device = of_user(tx, &user, id)?;
    activation.check()?;
    policy::check_registration(tx, &user, MethodKind::HardwareOath, None)?;
    if device.status == DeviceStatus::Activated {
        return Err(Error::conflict("The hardware OATH token is activated already."));
    }
    match prove(tx, &device, &activation.verification_code)? {
        Ok(step) => {
            finish(tx, &user, &device, step, activation)?;
            let entry = Entry::success(Activity::UPDATE_METHOD, Target::user(&user))
                .because("The hardware OATH token was activated by a code");
            audit::record(tx, &actor, describe(entry, &device, DeviceStatus::Activated))?;
            let activated = Device { status: DeviceStatus::Activated, ..device };
            registration::completed(tx, &actor, &user, &Method::HardwareOath(activated))?;
            Ok(CodeOutcome::Accepted)
        }
        Err(reason) => {
            devices::update(tx, &Device { status: DeviceStatus::FailedActivation, ..device.clone() })?;
            let entry = Entry::failure(Activity::UPDATE_METHOD, Target::user(&user), reason);
            audit::record(tx, &actor, describe(entry, &device, DeviceStatus::FailedActivation))?;
            Ok(CodeOutcome::Refused { message: reason.into() })
        }
    }
}

/// Back to assigned. Doing it again is a success that changes nothing.
pub fn deactivate_of_user(tx: &mut Tx<'_>, caller: &Caller, user: &str, id: &str) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, WRITE, user)?;
    let device = of_user(tx, &user, id)?;
    if device.status == DeviceStatus::Assigned {
        return Ok(());
    }
    deactivate(tx, &device)?;
    let entry = Entry::success(Activity::UPDATE_METHOD, Target::user(&user))
        .because("Admin deactivated a hardware OATH token of the user");
    audit::record(tx, &actor, describe(entry, &device, DeviceStatus::Assigned)).map(drop)
}

/// Assigns and activates in one step. With a wrong code the token stays in the inventory, so that nobody can block
/// tokens by their serial numbers.
pub fn assign_and_activate(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &str,
    device: &DeviceKey,
    activation: &Activation,
) -> Result<CodeOutcome> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    activation.check()?;
    policy::check_registration(tx, &user, MethodKind::HardwareOath, None)?;
    let device = find(tx, &actor, device)?;
    check_assignable(tx, &user, &device)?;
    match prove(tx, &device, &activation.verification_code)? {
        Ok(step) => {
            finish(tx, &user, &device, step, activation)?;
            let entry = Entry::success(Activity::REGISTER_METHOD, Target::user(&user))
                .because("A hardware OATH token was assigned to the user and activated by a code");
            audit::record(tx, &actor, describe(entry, &device, DeviceStatus::Activated))?;
            let activated = Device { status: DeviceStatus::Activated, ..device };
            registration::completed(tx, &actor, &user, &Method::HardwareOath(activated))?;
            Ok(CodeOutcome::Accepted)
        }
        Err(reason) => {
            let entry = Entry::failure(Activity::REGISTER_METHOD, Target::user(&user), reason);
            audit::record(tx, &actor, describe(entry, &device, device.status))?;
            Ok(CodeOutcome::Refused { message: reason.into() })
        }
    }
}

/// Checks a code at a sign-in, and takes it.
pub fn verify(tx: &mut Tx<'_>, device: &Device, code: &str) -> Result<Verdict> {
    oath::check_code(code, DIGITS)?;
    Ok(match prove(tx, device, code)? {
        Ok(_) => Verdict::Proven,
        Err(reason) => Verdict::Refused(reason),
    })
}

/// Takes the token away from its user; it stays in the inventory, and codes already used stay used.
pub fn release(tx: &mut Tx<'_>, device: &Device) -> Result<()> {
    let released = Device { status: DeviceStatus::Available, assigned_to: None, assigned_at: None, ..device.clone() };
    devices::update(tx, &released)
}

/// Activated (or failed) back to assigned: the user keeps the token and can activate it again with a code.
pub fn deactivate(tx: &mut Tx<'_>, device: &Device) -> Result<()> {
    devices::update(tx, &Device { status: DeviceStatus::Assigned, ..device.clone() })
}

/// Where a token's secret is sealed to.
pub fn secret_place(device: &Device) -> [&str; 3] {
    [device.tenant_id.as_str(), "hardwareOathDevice", device.device_id.as_str()]
}

/// The user's token with this id.
fn of_user(tx: &mut Tx<'_>, user: &User, id: &str) -> Result<Device> {
    let device = DeviceId::parse(id).map(|id| devices::find(tx, &user.tenant_id, &id)).transpose()?.flatten();
    device
        .filter(|device| device.assigned_to.as_ref() == Some(&user.user_id))
        .ok_or_else(|| Error::method_not_found(id))
}

/// A token of the actor's tenant.
fn find(tx: &mut Tx<'_>, actor: &Actor, key: &DeviceKey) -> Result<Device> {
    let (device, named) = match key {
        DeviceKey::Id(id) => {
            (DeviceId::parse(id).map(|id| devices::find(tx, &actor.tenant, &id)).transpose()?.flatten(), id)
        }
        DeviceKey::SerialNumber(serial) => (devices::find_by_serial(tx, &actor.tenant, serial.trim())?, serial),
    };
    device.ok_or_else(|| Error::method_not_found(named.chars().take(inventory::MAX_TEXT_LENGTH).collect::<String>()))
}

/// Assigns a token whose caller was authorized on the user, and records it.
fn give(tx: &mut Tx<'_>, actor: &Actor, user: &User, device: Device) -> Result<Device> {
    check_assignable(tx, user, &device)?;
    let device = Device {
        status: DeviceStatus::Assigned,
        assigned_to: Some(user.user_id.clone()),
        assigned_at: Some(tx.now()),
        ..device
    };
    devices::update(tx, &device)?;
    let entry = Entry::success(Activity::REGISTER_METHOD, Target::user(user))
        .because("Admin assigned a hardware OATH token to the user");
    let before = Device { status: DeviceStatus::Available, ..device.clone() };
    audit::record(tx, actor, describe(entry, &before, DeviceStatus::Assigned))?;
    Ok(device)
}

fn check_assignable(tx: &mut Tx<'_>, user: &User, device: &Device) -> Result<()> {
    if device.status != DeviceStatus::Available {
        let owner = if device.assigned_to.as_ref() == Some(&user.user_id) { "this user" } else { "another user" };
        let message = format!(
            "The hardware OATH token {} is assigned to {owner} already; one token has one user.",
            device.serial_number
        );
        return Err(Error::conflict(message));
    }
    if user.user_type == UserType::Guest {
        let message = "A guest has no hardware OATH token here; guests bring methods of their own organization.";
        return Err(Error::Invalid { area: Area::Methods, target: None, message: message.into() });
    }
    oath::check_room(tx, user)
}

/// Checks a code and takes its time step, so that it is used up. The error is a sentence for the caller.
fn prove(tx: &mut Tx<'_>, device: &Device, code: &str) -> Result<std::result::Result<i64, &'static str>> {
    let parameters = TotpParameters {
        hash_function: match device.hash_function {
            DeviceHash::Sha1 => HashFunction::Sha1,
            DeviceHash::Sha256 => HashFunction::Sha256,
            DeviceHash::Sha512 => HashFunction::Sha512,
        },
        digits: DIGITS,
        time_interval_in_seconds: u32::try_from(device.time_interval_seconds).map_err(Error::internal)?,
    };
    let secret = tx.open(&secret_place(device), &device.sealed_secret)?;
    let Some(step) = oath::matching_step(&secret, parameters, code, tx.now()) else {
        return Ok(Err("The code is wrong. Enter the code that the token shows now."));
    };
    if !devices::take_step(tx, device, step)? {
        return Ok(Err("The code was used already. Wait for the token's next code."));
    }
    Ok(Ok(step))
}

/// The user has the token, and it is activated since the code of `step`.
fn finish(tx: &mut Tx<'_>, user: &User, device: &Device, step: i64, activation: &Activation) -> Result<()> {
    let activated = Device {
        status: DeviceStatus::Activated,
        display_name: activation.display_name.clone().or_else(|| device.display_name.clone()),
        assigned_to: Some(user.user_id.clone()),
        assigned_at: device.assigned_at.or(Some(tx.now())),
        last_step: Some(step),
        last_used_at: Some(tx.now()),
        ..device.clone()
    };
    devices::update(tx, &activated)
}

/// Says which token of the user's, and what became of it. `device` is the token as it was before.
fn describe(entry: Entry, device: &Device, status: DeviceStatus) -> Entry {
    entry
        .modified(&format!("HardwareOathToken {}", device.serial_number), device.status, status)
        .detail("methodId", device.device_id.as_str())
        .detail("kind", MethodKind::HardwareOath.as_str())
        .detail("serialNumber", device.serial_number.as_str())
}
