//! The hardware OATH tokens of users, and the state machine of a token:
//! available -> assigned -> activated (or failedActivation), deactivated back to assigned, released back to available.
//!
//! A code that was accepted once stays used, whatever happens to the token afterwards, as long as it is in the inventory.

use serde::{Deserialize, Serialize};

use crate::{
    access::{Action, Actor, Caller},
    audit::{self, Activity, Entry, Target},
    directory,
    error::{Area, Error, Result},
    id::{DeviceId, MethodId},
    methods::{
        self, Method, MethodKind,
        oath::{self, CodeOutcome},
        policy, preferences,
        proof::Verdict,
        registration,
    },
    store::{
        Tx,
        devices::{self, Device, DeviceStatus},
        guesses::GuessKind,
        sessions,
        users::{User, UserType},
    },
    throttle,
};

mod codes;
pub mod import;
pub mod inventory;

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
    fn check(&self, device: &Device) -> Result<()> {
        oath::check_code(&self.verification_code, codes::digits(device))?;
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
    methods::remove(tx, &user, &Method::HardwareOath(device.clone()), actor.session())?;
    let entry = Entry::success(Activity::DELETE_METHOD, Target::user(&user))
        .because("Admin took a hardware OATH token away from the user");
    let entry = forget_default(tx, &user, describe(entry, &device, DeviceStatus::Available))?;
    audit::record(tx, &actor, entry).map(drop)
}

/// Activates an assigned token with a right code. A wrong one is counted, and remembered in the token's status.
pub fn activate(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &str,
    id: &str,
    activation: &Activation,
) -> Result<CodeOutcome> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    let device = of_user(tx, &user, id)?;
    activation.check(&device)?;
    policy::check_registration(tx, &user, MethodKind::HardwareOath, None)?;
    if device.status == DeviceStatus::Activated {
        return Err(Error::conflict("The hardware OATH token is activated already."));
    }
    match counted(tx, &user, |tx| codes::take(tx, &device, &activation.verification_code))? {
        Ok(taken) => {
            let entry = Entry::success(Activity::UPDATE_METHOD, Target::user(&user))
                .because("The hardware OATH token was activated by a code");
            finish(tx, &actor, &user, &device, taken, activation, entry)
        }
        Err(codes::Refusal { message: reason, .. }) => {
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
    let proven = MethodId::new(device.device_id.as_str());
    sessions::refuse_proven_by(tx, &user.tenant_id, &user.user_id, &proven, actor.session())?;
    let entry = Entry::success(Activity::UPDATE_METHOD, Target::user(&user))
        .because("Admin deactivated a hardware OATH token of the user");
    let entry = forget_default(tx, &user, describe(entry, &device, DeviceStatus::Assigned))?;
    audit::record(tx, &actor, entry).map(drop)
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
    policy::check_registration(tx, &user, MethodKind::HardwareOath, None)?;
    // Before anything is said about the token: who has to wait must not go on asking which serial numbers there are.
    throttle::check(tx, &user.tenant_id, user.user_id.as_str(), GuessKind::Otp)?;
    let device = find(tx, &actor, device)?;
    activation.check(&device)?;
    check_assignable(tx, &user, &device)?;
    match counted(tx, &user, |tx| codes::take(tx, &device, &activation.verification_code))? {
        Ok(taken) => {
            let entry = Entry::success(Activity::REGISTER_METHOD, Target::user(&user))
                .because("A hardware OATH token was assigned to the user and activated by a code");
            finish(tx, &actor, &user, &device, taken, activation, entry)
        }
        Err(codes::Refusal { message: reason, .. }) => {
            let entry = Entry::failure(Activity::REGISTER_METHOD, Target::user(&user), reason);
            audit::record(tx, &actor, describe(entry, &device, device.status))?;
            Ok(CodeOutcome::Refused { message: reason.into() })
        }
    }
}

/// Finds a token again whose button was pressed too often or whose clock is too far off, by two consecutive codes
/// (RFC 4226 section 7.4, RFC 6238 section 6). Both are spent; whether the token is activated stays as it is.
pub fn resync(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &str,
    id: &str,
    (first, second): (&str, &str),
) -> Result<CodeOutcome> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    let device = of_user(tx, &user, id)?;
    oath::check_code(first, codes::digits(&device))?;
    oath::check_code_of("nextVerificationCode", second, codes::digits(&device))?;
    policy::check_registration(tx, &user, MethodKind::HardwareOath, None)?;
    let (entry, outcome) = match counted(tx, &user, |tx| codes::take_pair(tx, &device, first, second))? {
        Ok(taken) => {
            let entry = Entry::success(Activity::UPDATE_METHOD, Target::user(&user))
                .because("The hardware OATH token was synchronized by two consecutive codes")
                .modified("DriftSteps", device.drift_steps, taken.drift_steps);
            (entry, CodeOutcome::Accepted)
        }
        Err(codes::Refusal { message: reason, .. }) => {
            let entry = Entry::failure(Activity::UPDATE_METHOD, Target::user(&user), reason);
            (entry, CodeOutcome::Refused { message: reason.into() })
        }
    };
    audit::record(tx, &actor, describe(entry, &device, device.status))?;
    Ok(outcome)
}

/// Checks a code at a sign-in, and takes it. The sign-in counts wrong ones.
pub fn verify(tx: &mut Tx<'_>, device: &Device, code: &str) -> Result<Verdict> {
    oath::check_code(code, codes::digits(device))?;
    Ok(match codes::take(tx, device, code)? {
        Ok(_) => Verdict::Proven,
        Err(refusal) if refusal.is_spent => Verdict::Spent(refusal.message),
        Err(refusal) => Verdict::Refused(refusal.message),
    })
}

/// Lets whoever types codes guess as seldom as at a sign-in: the failures are counted together.
fn counted(
    tx: &mut Tx<'_>,
    user: &User,
    take: impl FnOnce(&mut Tx<'_>) -> Result<codes::Taken>,
) -> Result<codes::Taken> {
    let (tenant, subject) = (&user.tenant_id, user.user_id.as_str());
    throttle::check(tx, tenant, subject, GuessKind::Otp)?;
    let taken = take(tx)?;
    match taken {
        Ok(_) => throttle::succeeded(tx, tenant, subject, GuessKind::Otp)?,
        Err(refusal) if refusal.is_spent => {}
        Err(_) => throttle::failed(tx, tenant, subject, GuessKind::Otp)?,
    }
    Ok(taken)
}

/// A default that needs this kind of method goes with the last one.
fn forget_default(tx: &mut Tx<'_>, user: &User, entry: Entry) -> Result<Entry> {
    Ok(match preferences::forget_unfit(tx, user)? {
        Some(preferred) => entry.modified("DefaultMethod", Some(preferred), None::<()>),
        None => entry,
    })
}

/// Takes the token away from its user; it stays in the inventory, and codes already used stay used.
pub fn release(tx: &mut Tx<'_>, device: &Device) -> Result<()> {
    devices::release(tx, device)
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
    device.ok_or_else(|| Error::method_not_found(named))
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

/// The user has the token, and it is activated. `device` is the token before its code was `taken`.
fn finish(
    tx: &mut Tx<'_>,
    actor: &Actor,
    user: &User,
    device: &Device,
    taken: Device,
    activation: &Activation,
    entry: Entry,
) -> Result<CodeOutcome> {
    let activated = Device {
        status: DeviceStatus::Activated,
        display_name: activation.display_name.clone().or_else(|| device.display_name.clone()),
        assigned_to: Some(user.user_id.clone()),
        assigned_at: device.assigned_at.or(Some(tx.now())),
        ..taken
    };
    devices::update(tx, &activated)?;
    audit::record(tx, actor, describe(entry, device, DeviceStatus::Activated))?;
    registration::completed(tx, actor, user, &Method::HardwareOath(activated))?;
    Ok(CodeOutcome::Accepted)
}

/// Says which token of the user's, and what became of it. `device` is the token as it was before.
fn describe(entry: Entry, device: &Device, status: DeviceStatus) -> Entry {
    entry
        .modified(&format!("HardwareOathToken {}", device.serial_number), device.status, status)
        .detail("methodId", device.device_id.as_str())
        .detail("kind", MethodKind::HardwareOath.as_str())
        .detail("serialNumber", device.serial_number.as_str())
}
