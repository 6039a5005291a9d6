//! Who calls when a device does: its address names it, and its proof (RFC 9449, DPoP) shows that it has the key.

use secrecy::ExposeSecret;

use super::{
    MicrosoftAuthenticator, check_version, check_wake_url,
    jws::{self, DeviceKey, DpopClaims},
};
use crate::{
    access::{Actor, Origin, Powers, Scope},
    audit::{self, Activity},
    error::{Error, Result},
    id::{MethodId, TenantId, UserId},
    methods::{Method, MethodKind, Stored, find_kind, manage},
    store::{
        Tx,
        users::{self, Presence, User},
    },
};

/// The longest `jti`, in characters.
const MAX_JTI_LENGTH: usize = 256;

/// A call as it came in.
#[derive(Debug, Clone)]
pub struct DeviceCall {
    /// The ids in the address, as they stand there.
    pub tenant: String,
    pub user: String,
    pub device: String,
    pub method: String,
    /// The address of the call, without the query.
    pub url: String,
    /// The header `DPoP`.
    pub proof: String,
    pub origin: Origin,
}

/// The device that makes a call, as its signature says. What it may do is decided in the transaction.
#[derive(Debug, Clone)]
pub struct DeviceCaller {
    pub tenant: TenantId,
    pub user: UserId,
    pub device: MethodId,
    pub key: DeviceKey,
    pub origin: Origin,
}

/// A device that was found alive.
pub struct Device {
    pub user: User,
    pub app: Stored<MicrosoftAuthenticator>,
    origin: Origin,
}

/// Unknown devices and wrong signatures are refused alike.
fn unknown() -> Error {
    Error::unauthenticated(
        "This device is not registered here, or this was not signed by its key. After a reset, register again.",
    )
}

/// Checks the proof of a call (RFC 9449 section 4.3), with the key that is stored for the device that the address names.
pub fn verify(tx: &mut Tx<'_>, call: &DeviceCall) -> Result<DeviceCaller> {
    let (Some(tenant), Some(user), Some(device)) =
        (TenantId::parse(&call.tenant), UserId::parse(&call.user), MethodId::parse(&call.device))
    else {
        return Err(unknown());
    };
    let (_, app) = find(tx, &tenant, &user, &device)?.ok_or_else(unknown)?;
    let key = app.detail.public_key.filter(|key| jws::key_in_header(&call.proof).as_ref() == Some(key));
    let key = key.ok_or_else(unknown)?;
    let claims: DpopClaims = jws::verify(&key, jws::DPOP, &call.proof).ok_or_else(unknown)?;
    let refused = |why: &str| Err(Error::unauthenticated(format!("The proof is for another call: {why}")));
    if claims.jti.is_empty() || claims.jti.len() > MAX_JTI_LENGTH {
        return refused("jti is a random text of its own.");
    }
    if claims.htm != call.method {
        return refused("htm is the method of the call.");
    }
    if claims.htu != call.url {
        return refused("htu is the address of the call as this server names it, without the query.");
    }
    if !jws::is_fresh(claims.iat, tx.now()) {
        return refused("iat is the time of the call; compare the device's clock with the header Date.");
    }
    Ok(DeviceCaller { tenant, user, device, key, origin: call.origin.clone() })
}

/// The device, with the user it belongs to, unless either is not good any more.
fn find(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    user: &UserId,
    device: &MethodId,
) -> Result<Option<(User, Stored<MicrosoftAuthenticator>)>> {
    let user = users::find_by_id(tx, tenant, user, Presence::Present)?.filter(|user| user.account_enabled);
    let Some(user) = user else { return Ok(None) };
    match find_kind(tx, &user, MethodKind::MicrosoftAuthenticator, device) {
        Ok(Method::MicrosoftAuthenticator(app)) => Ok(Some((user, app))),
        Ok(_) | Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Finds the caller alive, in the transaction of what it wants: not deleted, not reset, its user enabled.
pub fn identify(tx: &mut Tx<'_>, caller: &DeviceCaller) -> Result<Device> {
    let found = find(tx, &caller.tenant, &caller.user, &caller.device)?;
    let (user, app) =
        found.filter(|(_, app)| app.detail.public_key.as_ref() == Some(&caller.key)).ok_or_else(unknown)?;
    Ok(Device { user, app, origin: caller.origin.clone() })
}

/// What a device signed beside the proof of its call.
pub fn read_signed<T: serde::de::DeserializeOwned>(caller: &DeviceCaller, typ: &str, token: &str) -> Result<T> {
    jws::verify(&caller.key, typ, token).ok_or_else(unknown)
}

impl Device {
    /// The user, by the device in his hand.
    fn actor(&self) -> Actor {
        Actor {
            tenant: self.user.tenant_id.clone(),
            powers: Powers::User {
                id: self.user.user_id.clone(),
                roles: vec![],
                scope: Scope::Own { mfa: false, session: None },
            },
            display_name: self.user.display_name.clone(),
            principal_name: Some(self.user.user_principal_name.clone()),
            origin: self.origin.clone(),
        }
    }
}

/// What a device may change of itself; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct DeviceChange {
    pub phone_app_version: Option<String>,
    /// `Some(None)`: it is not woken any more.
    pub wake_url: Option<Option<String>>,
}

/// Changes the version of the app, or where it is woken.
pub fn update(tx: &mut Tx<'_>, caller: &DeviceCaller, change: &DeviceChange) -> Result<()> {
    let mut device = identify(tx, caller)?;
    let mut modified = vec![];
    if let Some(version) = &change.phone_app_version {
        check_version(version)?;
        let before = device.app.detail.phone_app_version.replace(version.clone());
        if before.as_ref() != Some(version) {
            modified.push(("PhoneAppVersion", before, Some(version.clone())));
        }
    }
    if let Some(url) = &change.wake_url {
        let url = url.as_deref();
        url.map_or(Ok(()), check_wake_url)?;
        let before = device.app.wake_url(tx)?;
        if before.as_ref().map(|before| before.expose_secret()) != url {
            device.app.set_wake_url(tx, url)?;
            // The address itself is a secret.
            let said = |is_there: bool| is_there.then(|| "set".to_owned());
            modified.push(("WakeUrl", said(before.is_some()), said(url.is_some())));
        }
    }
    if modified.is_empty() {
        return Ok(());
    }
    device.app.save(tx)?;
    let actor = device.actor();
    let method = Method::MicrosoftAuthenticator(device.app);
    let entry = manage::entry(Activity::UPDATE_METHOD, "updated", &device.user, &method);
    let entry = modified.into_iter().fold(entry, |entry, (name, old, new)| entry.modified(name, old, new));
    audit::record(tx, &actor, entry).map(drop)
}

/// The device gives itself up.
pub fn remove(tx: &mut Tx<'_>, caller: &DeviceCaller) -> Result<()> {
    let device = identify(tx, caller)?;
    let actor = device.actor();
    manage::take_away(tx, &actor, &device.user, &Method::MicrosoftAuthenticator(device.app))
}
