//! Windows Hello for Business and platform credentials: keys that a device keeps for its user. A reset leaves them alone
//! unless it is told to delete them.
//!
//! At Graph such methods come into being when a device joins, and are only listed and deleted. Here the key is registered by
//! WebAuthn's ceremony, with the device's own (platform) authenticator, through whoever manages the device, or by the user
//! himself. So it can be asked for at a sign-in, by the same challenges as a passkey, and proves both factors.
//!
//! What nobody attests, nobody vouches for: that the key is the device's is what the browser says. An administrator who
//! registers it answers for that. What users register themselves is held to the tenant's policy for passkeys instead, so
//! that it is no way around it.

use serde::{Deserialize, Serialize};
use webauthn_rs_core::proto::{AttestationConveyancePreference, AuthenticatorAttachment, ParsedAttestation};

use super::{
    Method, Stored,
    fido2::{
        self, CreationOptions, NewCredential,
        ceremony::{self, Made, Wanted},
        relying_party::RelyingParty,
    },
    manage::{self, Detail, OfUser},
    new_row,
    policy::MethodsPolicy,
    registration,
};
use crate::{
    access::{Action, Actor, Caller},
    audit::{self, Activity},
    clock::Timestamp,
    directory,
    error::{Area, Error, Result},
    id::MethodId,
    store::{Tx, methods, users::User},
    words,
};

/// What a browser says of an authenticator that is part of its device (WebAuthn section 5.4.5).
const PLATFORM: &str = "platform";
/// The longest id of a device, in characters.
const MAX_DEVICE_ID_LENGTH: usize = 64;

words! {
    /// Graph's `authenticationMethodKeyStrength`, as whoever registers it says: `normal` is a key in hardware.
    pub enum KeyStrength { Normal = "normal", Weak = "weak", Unknown = "unknown" }
}

words! {
    /// Graph's `authenticationMethodPlatform`.
    pub enum Platform {
        Unknown = "unknown",
        Windows = "windows",
        MacOs = "macOS",
        Ios = "iOS",
        Android = "android",
        Linux = "linux",
    }
}

/// The device that keeps a key, as whoever manages devices knows it. Rekey has no directory of devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDevice {
    pub id: String,
    pub display_name: Option<String>,
}

/// What both kinds say of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformKey {
    /// The device's name.
    pub display_name: String,
    pub key_strength: KeyStrength,
    pub device: Option<KeyDevice>,
    /// Whether the key may leave the device in a backup, as the authenticator says.
    pub is_synced: bool,
}

impl PlatformKey {
    /// RFC 8176's words for a proof with this key.
    pub const fn amr(&self) -> &'static [&'static str] {
        if self.is_synced { &["swk", "user"] } else { &["hwk", "user"] }
    }
}

/// Graph's `windowsHelloForBusinessAuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowsHello {
    #[serde(flatten)]
    pub key: PlatformKey,
}

/// Graph's `platformCredentialAuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformCredential {
    #[serde(flatten)]
    pub key: PlatformKey,
    pub platform: Platform,
}

/// A key to register.
#[derive(Debug, Clone)]
pub struct NewPlatformKey {
    pub display_name: String,
    pub key_strength: Option<KeyStrength>,
    pub device: Option<KeyDevice>,
    /// Only of a platform credential.
    pub platform: Option<Platform>,
    pub credential: NewCredential,
}

/// The data of one of the two kinds.
pub trait DeviceBound: Detail + Clone {
    fn new(key: PlatformKey, platform: Option<Platform>) -> Self;
    fn method(stored: Stored<Self>) -> Method;
}

impl DeviceBound for WindowsHello {
    fn new(key: PlatformKey, _: Option<Platform>) -> Self {
        Self { key }
    }

    fn method(stored: Stored<Self>) -> Method {
        Method::WindowsHelloForBusiness(stored)
    }
}

impl DeviceBound for PlatformCredential {
    fn new(key: PlatformKey, platform: Option<Platform>) -> Self {
        Self { key, platform: platform.unwrap_or(Platform::Unknown) }
    }

    fn method(stored: Stored<Self>) -> Method {
        Method::PlatformCredential(stored)
    }
}

/// A method of these kinds as its registration answers with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyEntry<D> {
    pub id: MethodId,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub detail: D,
}

impl<D> From<Stored<D>> for KeyEntry<D> {
    fn from(Stored { row, detail }: Stored<D>) -> Self {
        Self { id: row.method_id, created_at: row.created_at, last_used_at: row.last_used_at, detail }
    }
}

/// Begins a registration with the authenticator of the device itself.
pub fn creation_options<D: DeviceBound>(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    caller: &Caller,
    user: &str,
) -> Result<CreationOptions> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::RegisterKind(D::KIND), user)?;
    check_own(tx, &actor, &user)?;
    let wanted = Wanted {
        kind: D::KIND,
        attachment: Some(AuthenticatorAttachment::Platform),
        // Devices attest in formats of their own, which are not taken: without an attestation they need none of them.
        attestation: AttestationConveyancePreference::None,
        minutes: fido2::DEFAULT_MINUTES,
    };
    ceremony::begin(tx, party, &actor, user, wanted)
}

/// Refuses users what the tenant's policy for passkeys would not let them register. (An administrator knows the device.)
fn check_own(tx: &mut Tx<'_>, actor: &Actor, user: &User) -> Result<()> {
    if !actor.is(user) {
        return Ok(());
    }
    let fido2 = MethodsPolicy::of(tx, &user.tenant_id)?.fido2;
    let is_free = !fido2.is_attestation_enforced && !fido2.key_restrictions.is_enforced;
    if is_free && fido2.is_self_service_registration_allowed && fido2.common.allows(&user.user_id) {
        return Ok(());
    }
    let message = "The tenant's policy restricts which passkeys users register themselves, and nothing vouches for this \
                   key: ask an administrator to register it.";
    Err(Error::Denied { area: Area::Methods, inner: "selfServiceNotAllowed", message: message.into() })
}

/// Finishes a registration with what the device's authenticator made.
pub fn register<D: DeviceBound>(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    caller: &Caller,
    user: &str,
    new: &NewPlatformKey,
) -> Result<OfUser<KeyEntry<D>>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::RegisterKind(D::KIND), user)?;
    check_own(tx, &actor, &user)?;
    check(new)?;
    let Made { id, mut credential, .. } = ceremony::finish(tx, party, &user, D::KIND, &new.credential)?;
    credential.attestation = ParsedAttestation::default();
    let key = PlatformKey {
        display_name: new.display_name.clone(),
        key_strength: new.key_strength.unwrap_or(KeyStrength::Unknown),
        device: new.device.clone(),
        is_synced: credential.backup_eligible,
    };
    let detail = D::new(key, new.platform);
    let mut row = new_row(tx, &user.tenant_id, &user.user_id, D::KIND, id, &detail)?;
    fido2::seal(tx, &mut row, &credential)?;
    methods::insert(tx, &row)?;
    let stored = Stored { row, detail };
    let method = D::method(stored.clone());
    let mut entry = manage::entry(Activity::REGISTER_METHOD, "registered", &user, &method);
    if let Some(device) = &new.device {
        entry = entry.detail("deviceId", &device.id);
    }
    audit::record(tx, &actor, entry)?;
    registration::completed(tx, &actor, &user, &method)?;
    Ok(OfUser::new(tx, user, stored.into()))
}

fn check(new: &NewPlatformKey) -> Result<()> {
    directory::check_text("displayName", &new.display_name, fido2::MAX_NAME_LENGTH)?;
    if new.display_name.trim().is_empty() {
        return Err(Error::invalid("displayName", "Say which device it is, for whoever looks for it later."));
    }
    if let Some(device) = &new.device {
        directory::check_text("device/id", &device.id, MAX_DEVICE_ID_LENGTH)?;
        if device.id.trim().is_empty() {
            return Err(Error::invalid("device/id", "A device has an id; leave the device out if it is not known."));
        }
        if let Some(name) = &device.display_name {
            directory::check_text("device/displayName", name, fido2::MAX_NAME_LENGTH)?;
        }
    }
    if new.credential.attachment.as_deref() != Some(PLATFORM) {
        let message = "The key must be of the device's own authenticator (authenticatorAttachment platform); register a \
                       security key or a phone under fido2Methods.";
        return Err(Error::invalid("publicKeyCredential/authenticatorAttachment", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_is_flat() {
        let key = PlatformKey {
            display_name: "Laptop".into(),
            key_strength: KeyStrength::Normal,
            device: Some(KeyDevice { id: "d".into(), display_name: None }),
            is_synced: false,
        };
        let detail = PlatformCredential::new(key, Some(Platform::MacOs));
        let text = serde_json::to_string(&detail).unwrap();
        assert!(text.starts_with(r#"{"displayName":"Laptop""#) && text.contains(r#""platform":"macOS""#), "{text}");
        assert_eq!(serde_json::from_str::<PlatformCredential>(&text).unwrap(), detail);
        assert_eq!(detail.key.amr(), ["hwk", "user"]);
    }
}
