//! Authentication methods: one method of whatever kind, and every exhaustive match on it. What is true of a whole kind
//! stands in `kind.rs`.
//!
//! A new kind touches: its own file here (data, rules, unit tests), the arms the compiler then demands, its file in
//! `api/`, and one row in the tests' table of kinds. It needs no migration.
#![deny(clippy::wildcard_enum_match_arm)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{DeviceId, MethodId, SessionId, TenantId, UserId},
    store::{
        Tx, challenges,
        devices::{self, Device, DeviceStatus},
        methods::{self, MethodRow},
        sessions,
        users::User,
    },
};

pub mod email;
pub mod external_authentication_method;
pub mod fido2;
mod kind;
pub mod manage;
pub mod microsoft_authenticator;
pub mod oath;
pub mod password;
pub mod phone;
pub mod platform_credential;
pub mod policy;
pub mod preferences;
pub mod proof;
pub mod proven;
pub mod qr;
pub mod qr_code_pin;
pub mod registration;
pub mod requirements;
pub mod sent_code;
pub mod software_oath;
pub mod temporary_access_pass;
pub mod unlock;
pub mod verification;

pub use kind::{MethodKind, ResetEffect};

/// A stored method with the data of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<D> {
    pub row: MethodRow,
    pub detail: D,
}

impl<D: Serialize + DeserializeOwned> Stored<D> {
    fn read(row: MethodRow) -> Result<Self> {
        let detail = serde_json::from_str(&row.detail).map_err(Error::internal)?;
        Ok(Self { row, detail })
    }

    /// Writes the detail back into the row and stores it.
    pub fn save(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        self.row.detail = serde_json::to_string(&self.detail).map_err(Error::internal)?;
        methods::update(tx, &self.row)
    }
}

/// One method of a user, whatever its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    Password(Stored<password::Password>),
    Phone(Stored<phone::Phone>),
    Email(Stored<email::Email>),
    MicrosoftAuthenticator(Stored<microsoft_authenticator::MicrosoftAuthenticator>),
    SoftwareOath(Stored<software_oath::SoftwareOath>),
    HardwareOath(Device),
    Fido2(Stored<fido2::Fido2>),
    TemporaryAccessPass(Stored<temporary_access_pass::TemporaryAccessPass>),
    WindowsHelloForBusiness(Stored<platform_credential::WindowsHello>),
    PlatformCredential(Stored<platform_credential::PlatformCredential>),
    ExternalAuthenticationMethod(Stored<external_authentication_method::ExternalMethod>),
    QrCodePin(Stored<qr_code_pin::QrCodePin>),
}

/// Where a method is kept: in a row of its own, or in the inventory as a device that is assigned.
enum Place<'a> {
    Row(&'a MethodRow),
    Inventory(&'a Device),
}

impl Method {
    fn read(row: MethodRow) -> Result<Self> {
        let kind = MethodKind::parse(&row.kind).ok_or_else(|| Error::internal(format!("unknown kind {}", row.kind)))?;
        Ok(match kind {
            MethodKind::Password => Self::Password(Stored::read(row)?),
            MethodKind::Phone => Self::Phone(Stored::read(row)?),
            MethodKind::Email => Self::Email(Stored::read(row)?),
            MethodKind::MicrosoftAuthenticator => Self::MicrosoftAuthenticator(Stored::read(row)?),
            MethodKind::SoftwareOath => Self::SoftwareOath(Stored::read(row)?),
            MethodKind::Fido2 => Self::Fido2(Stored::read(row)?),
            MethodKind::TemporaryAccessPass => Self::TemporaryAccessPass(Stored::read(row)?),
            MethodKind::WindowsHelloForBusiness => Self::WindowsHelloForBusiness(Stored::read(row)?),
            MethodKind::PlatformCredential => Self::PlatformCredential(Stored::read(row)?),
            MethodKind::ExternalAuthenticationMethod => Self::ExternalAuthenticationMethod(Stored::read(row)?),
            MethodKind::QrCodePin => Self::QrCodePin(Stored::read(row)?),
            MethodKind::HardwareOath => return Err(Error::internal("a hardware token is no method row")),
        })
    }

    /// Where the method is kept.
    fn place(&self) -> Place<'_> {
        match self {
            Self::Password(method) => Place::Row(&method.row),
            Self::Phone(method) => Place::Row(&method.row),
            Self::Email(method) => Place::Row(&method.row),
            Self::MicrosoftAuthenticator(method) => Place::Row(&method.row),
            Self::SoftwareOath(method) => Place::Row(&method.row),
            Self::Fido2(method) => Place::Row(&method.row),
            Self::TemporaryAccessPass(method) => Place::Row(&method.row),
            Self::WindowsHelloForBusiness(method) => Place::Row(&method.row),
            Self::PlatformCredential(method) => Place::Row(&method.row),
            Self::ExternalAuthenticationMethod(method) => Place::Row(&method.row),
            Self::QrCodePin(method) => Place::Row(&method.row),
            Self::HardwareOath(device) => Place::Inventory(device),
        }
    }

    /// The row of a key that WebAuthn asks for.
    fn webauthn_row(&self) -> Option<&MethodRow> {
        match self.place() {
            Place::Row(row) if self.kind().is_passwordless() => Some(row),
            Place::Row(_) | Place::Inventory(_) => None,
        }
    }

    pub fn kind(&self) -> MethodKind {
        match self {
            Self::Password(_) => MethodKind::Password,
            Self::Phone(_) => MethodKind::Phone,
            Self::Email(_) => MethodKind::Email,
            Self::MicrosoftAuthenticator(_) => MethodKind::MicrosoftAuthenticator,
            Self::SoftwareOath(_) => MethodKind::SoftwareOath,
            Self::HardwareOath(_) => MethodKind::HardwareOath,
            Self::Fido2(_) => MethodKind::Fido2,
            Self::TemporaryAccessPass(_) => MethodKind::TemporaryAccessPass,
            Self::WindowsHelloForBusiness(_) => MethodKind::WindowsHelloForBusiness,
            Self::PlatformCredential(_) => MethodKind::PlatformCredential,
            Self::ExternalAuthenticationMethod(_) => MethodKind::ExternalAuthenticationMethod,
            Self::QrCodePin(_) => MethodKind::QrCodePin,
        }
    }

    pub fn id(&self) -> MethodId {
        match self.place() {
            Place::Row(row) => row.method_id.clone(),
            Place::Inventory(device) => device.device_id.clone().into(),
        }
    }

    /// What an admin recognizes the method by. Numbers and addresses are masked, secrets never appear: this goes into
    /// reports and the audit log.
    pub fn label(&self) -> String {
        match self {
            Self::Password(_) => "password".into(),
            Self::Phone(method) => format!("{} {}", method.detail.phone_type, phone::mask(&method.detail.phone_number)),
            Self::Email(method) => email::mask(&method.detail.email_address),
            Self::MicrosoftAuthenticator(method) => method.detail.display_name.clone(),
            Self::SoftwareOath(method) => method.detail.display_name.clone().unwrap_or_else(|| "software token".into()),
            Self::HardwareOath(device) => {
                device.display_name.clone().unwrap_or_else(|| format!("{} {}", device.manufacturer, device.model))
            }
            Self::Fido2(method) => method.detail.display_name.clone(),
            Self::TemporaryAccessPass(_) => "temporary access pass".into(),
            Self::WindowsHelloForBusiness(method) => method.detail.key.display_name.clone(),
            Self::PlatformCredential(method) => method.detail.key.display_name.clone(),
            Self::ExternalAuthenticationMethod(method) => method.detail.display_name.clone(),
            Self::QrCodePin(_) => "QR code".into(),
        }
    }

    /// Whether the method is complete: its registration finished, its token activated.
    pub fn is_complete(&self) -> bool {
        match self.place() {
            Place::Row(row) => row.pending_until.is_none(),
            Place::Inventory(device) => device.status == DeviceStatus::Activated,
        }
    }
}

/// All methods of a user, unfinished registrations that have not ended included.
pub fn of_user(tx: &mut Tx<'_>, user: &User) -> Result<Vec<Method>> {
    of_id(tx, &user.tenant_id, &user.user_id)
}

fn of_id(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<Vec<Method>> {
    let now = tx.now();
    let rows = methods::of_user(tx, tenant, user)?;
    let live = rows.into_iter().filter(|row| is_live(row, now));
    let mut all = live.map(Method::read).collect::<Result<Vec<_>>>()?;
    all.extend(devices::of_user(tx, tenant, user)?.into_iter().map(Method::HardwareOath));
    Ok(all)
}

/// The same of many users of one tenant; a user without any is left out.
pub fn of_users(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId]) -> Result<BTreeMap<UserId, Vec<Method>>> {
    let now = tx.now();
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in methods::of_users(tx, tenant, users)?.into_iter().filter(|row| is_live(row, now)) {
        all.entry(row.user_id.clone()).or_default().push(Method::read(row)?);
    }
    for device in devices::of_users(tx, tenant, users)? {
        if let Some(user) = device.assigned_to.clone() {
            all.entry(user).or_default().push(Method::HardwareOath(device));
        }
    }
    Ok(all)
}

/// Whether the registration is finished or can still be.
fn is_live(row: &MethodRow, now: Timestamp) -> bool {
    row.pending_until.is_none_or(|until| until > now)
}

/// Whether the user has a complete method that counts as MFA, allowed at present or not. A pass is none: it ends.
pub fn has_second_factor(tx: &mut Tx<'_>, user: &User) -> Result<bool> {
    let counts = |method: &Method| {
        method.kind().counts_as_mfa() && method.kind() != MethodKind::TemporaryAccessPass && method.is_complete()
    };
    Ok(of_user(tx, user)?.iter().any(counts))
}

/// The user's method with this id, of whatever kind.
pub fn find(tx: &mut Tx<'_>, user: &User, id: &MethodId) -> Result<Method> {
    let now = tx.now();
    let row = methods::find(tx, &user.tenant_id, &user.user_id, id)?;
    if let Some(row) = row.filter(|row| is_live(row, now)) {
        return Method::read(row);
    }
    let device = devices::find(tx, &user.tenant_id, &DeviceId::new(id.as_str()))?;
    device
        .filter(|device| device.assigned_to.as_ref() == Some(&user.user_id))
        .map(Method::HardwareOath)
        .ok_or_else(|| Error::method_not_found(id))
}

/// The user's method with this id if it is of `kind`; another kind's id is not found.
pub fn find_kind(tx: &mut Tx<'_>, user: &User, kind: MethodKind, id: &MethodId) -> Result<Method> {
    find(tx, user, id)
        .and_then(|method| if method.kind() == kind { Ok(method) } else { Err(Error::method_not_found(id)) })
}

/// Removes a method, and with it the sessions in which it was proven, but the one `within` which the user does this. A
/// hardware token goes back to the inventory.
pub fn remove(tx: &mut Tx<'_>, user: &User, method: &Method, within: Option<&SessionId>) -> Result<()> {
    // What opens a sign-in by itself leaves nothing of it standing.
    let within = within.filter(|_| !method.kind().proves_both() && method.kind() != MethodKind::QrCodePin);
    sessions::refuse_proven_by(tx, &user.tenant_id, &user.user_id, &method.id(), within)?;
    challenges::delete_of_method(tx, &user.tenant_id, &user.user_id, &method.id())?;
    match method.place() {
        Place::Row(row) => methods::delete(tx, &user.tenant_id, &user.user_id, &row.method_id).map(drop),
        Place::Inventory(device) => crate::hardware_oath::release(tx, device),
    }
}

/// Removes the methods of these kinds, and every unfinished registration, of users of one tenant. (Hardware tokens are
/// no method rows and stay.)
pub fn remove_of_users(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId], kinds: &[MethodKind]) -> Result<()> {
    let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    methods::delete_of_users(tx, tenant, users, &kinds)
}

/// A row for a new method of a user; the kind fills in the rest.
pub fn new_row(
    tx: &Tx<'_>,
    tenant: &TenantId,
    user: &UserId,
    kind: MethodKind,
    id: MethodId,
    detail: &impl Serialize,
) -> Result<MethodRow> {
    Ok(MethodRow {
        tenant_id: tenant.clone(),
        user_id: user.clone(),
        method_id: id,
        kind: kind.as_str().into(),
        detail: serde_json::to_string(detail).map_err(Error::internal)?,
        sealed_secret: None,
        sms_sign_in_number: None,
        last_step: None,
        pending_until: None,
        created_at: tx.now(),
        last_used_at: None,
    })
}

/// Where a method's secret is sealed to.
pub fn secret_place(row: &MethodRow) -> [&str; 3] {
    [row.tenant_id.as_str(), row.user_id.as_str(), row.method_id.as_str()]
}

/// A method as reports and the audit log name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodSummary {
    pub id: MethodId,
    pub kind: MethodKind,
    pub display_name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub serial_number: Option<String>,
    pub created_date_time: Option<Timestamp>,
}

impl From<&Method> for MethodSummary {
    fn from(method: &Method) -> Self {
        let (serial_number, created_date_time) = match method.place() {
            Place::Row(row) => (None, Some(row.created_at)),
            Place::Inventory(device) => (Some(device.serial_number.clone()), None),
        };
        Self { id: method.id(), kind: method.kind(), display_name: method.label(), serial_number, created_date_time }
    }
}
