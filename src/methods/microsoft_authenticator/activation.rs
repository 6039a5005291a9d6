//! Registering an app: a code is shown once, and the app that brings it within ten minutes, with a key of its own, is
//! the user's.
//!
//! Nothing is registered until then: the code is a challenge, so a reset ends it.

use data_encoding::BASE32_NOPAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{
    MAX_NAME_LENGTH, MicrosoftAuthenticator, check_version, check_wake_url,
    jws::{Activation, DeviceKey},
};
use crate::{
    access::{Action, Caller, Origin, Who},
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::{ChallengeId, MethodId, TenantId, UserId},
    methods::{Method, MethodKind, Stored, manage, manage::OfUser, new_row, oath, policy, registration},
    store::{
        Tx,
        challenges::{self, Challenge, Purpose},
        methods, tenants,
        users::{self, Presence},
    },
};

/// Minutes until an activation code ends.
const MINUTES: i64 = 10;
/// Bytes of an activation code: 80 bits.
const CODE_BYTES: usize = 10;
/// Characters between the hyphens of an activation code.
const GROUP: usize = 4;

const REGISTER: Action = Action::RegisterKind(MethodKind::MicrosoftAuthenticator);

/// A registration that waits for its app. The code is shown here and never again.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingApp {
    /// The id that the method will have.
    pub id: MethodId,
    pub display_name: Option<String>,
    /// Base32 in groups of four.
    pub activation_code: String,
    /// For a QR code that the app scans.
    pub activation_uri: String,
    pub created_date_time: Timestamp,
    pub expiration_date_time: Timestamp,
}

impl std::fmt::Debug for PendingApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingApp").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is remembered of whoever began a registration: the app finishes it on his behalf.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Begun {
    who: Who,
    display_name: Option<String>,
}

/// Begins a registration. Only the newest one of a user counts.
pub fn begin(
    tx: &mut Tx<'_>,
    caller: &Caller,
    public_url: &str,
    user: &str,
    display_name: Option<&str>,
) -> Result<OfUser<PendingApp>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    if let Some(name) = display_name {
        directory::check_text("displayName", name, MAX_NAME_LENGTH)?;
    }
    policy::check_registration(tx, &user, MethodKind::MicrosoftAuthenticator, None)?;
    oath::check_room(tx, &user)?;
    challenges::delete_of_user(tx, &user.tenant_id, &user.user_id, Purpose::AppActivation)?;

    let code = BASE32_NOPAD.encode(&tx.entropy().bytes::<CODE_BYTES>());
    let id = tx.guid();
    let expires = tx.now().plus_minutes(MINUTES);
    let name = display_name.map(str::to_owned);
    insert(
        tx,
        &user.tenant_id,
        &user.user_id,
        &id,
        &code,
        expires,
        Begun { who: caller.who.clone(), display_name: name },
    )?;
    let code = in_groups(&code);
    let url = utf8_percent_encode(public_url, NON_ALPHANUMERIC);
    let pending = PendingApp {
        activation_uri: format!("rekey-authenticator://activate?url={url}&code={code}"),
        activation_code: code,
        id: MethodId::new(id),
        display_name: display_name.map(str::to_owned),
        created_date_time: tx.now(),
        expiration_date_time: expires,
    };
    let entry = Entry::success(Activity::REGISTER_METHOD, Target::user(&user))
        .because("Admin began the registration of an authenticator app for the user; it waits for the app")
        .detail("methodId", pending.id.as_str())
        .detail("kind", MethodKind::MicrosoftAuthenticator.as_str())
        .detail("displayName", display_name.unwrap_or_default())
        .detail("expirationDateTime", expires.to_iso());
    audit::record(tx, &actor, entry)?;
    Ok(OfUser::new(tx, user, pending))
}

/// A code that waits, on behalf of the operator: for seeded data.
pub fn seed(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, id: &str, code: &str, expires: Timestamp) -> Result<()> {
    insert(tx, tenant, user, id, &plain(code), expires, Begun { who: Who::Operator, display_name: None })
}

fn insert(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    user: &UserId,
    id: &str,
    code: &str,
    expires_at: Timestamp,
    begun: Begun,
) -> Result<()> {
    let challenge_id = ChallengeId::new(id);
    let state = serde_json::to_vec(&begun).map_err(Error::internal)?;
    let challenge = Challenge {
        tenant_id: tenant.clone(),
        user_id: user.clone(),
        purpose: Purpose::AppActivation,
        method_id: Some(MethodId::new(id)),
        session_id: None,
        lookup: Some(lookup(tx, code)),
        sealed_state: tx.seal(&challenges::place(tenant, user, &challenge_id), &state)?,
        challenge_id,
        tries_left: 1,
        created_at: tx.now(),
        expires_at,
    };
    challenges::insert(tx, &challenge)
}

fn in_groups(code: &str) -> String {
    let characters: Vec<_> = code.chars().collect();
    let groups: Vec<String> = characters.chunks(GROUP).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// A code as it was typed, without what people put in for their eyes.
fn plain(code: &str) -> String {
    code.chars().filter(|character| !matches!(character, '-' | ' ')).map(|letter| letter.to_ascii_uppercase()).collect()
}

/// What a code is found by: worth nothing to whoever reads the database.
fn lookup(tx: &Tx<'_>, code: &str) -> String {
    tx.fingerprint(&[b"authenticator activation", code.as_bytes()])
}

fn no_such_code() -> Error {
    Error::invalid("activationCode", "This activation code is wrong, used or expired; begin the registration again.")
}

fn find(tx: &mut Tx<'_>, code: &str) -> Result<Challenge> {
    let lookup = lookup(tx, &plain(code));
    challenges::find_by_lookup(tx, Purpose::AppActivation, &lookup)?.ok_or_else(no_such_code)
}

/// Whose registration a code belongs to, and whose logs will tell of it: whoever began it may be a partner's.
pub fn tenants_of(tx: &mut Tx<'_>, code: &str) -> Result<Vec<TenantId>> {
    let challenge = find(tx, code)?;
    let begun = begun(tx, &challenge)?;
    let caller = Caller { tenant: challenge.tenant_id, who: begun.who, origin: Origin::default(), once: None };
    Ok(caller.tenants())
}

fn begun(tx: &Tx<'_>, challenge: &Challenge) -> Result<Begun> {
    let Challenge { tenant_id, user_id, challenge_id, .. } = challenge;
    let state = tx.open(&challenges::place(tenant_id, user_id, challenge_id), &challenge.sealed_state)?;
    serde_json::from_slice(state.expose_secret()).map_err(Error::internal)
}

/// What an app learns when it is registered.
#[derive(Debug, Clone)]
pub struct RegisteredApp {
    pub device_id: MethodId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub user_principal_name: String,
    pub user_display_name: String,
    pub tenant_display_name: String,
}

/// Refuses what no app can be.
fn check(activation: &Activation) -> Result<()> {
    let Activation { display_name, device_tag, phone_app_version, wake_url, activation_code: _ } = activation;
    if display_name.trim().is_empty() {
        return Err(Error::invalid("displayName", "displayName is what the user recognizes the device by."));
    }
    directory::check_text("displayName", display_name, MAX_NAME_LENGTH)?;
    device_tag.as_deref().map_or(Ok(()), |tag| directory::check_text("deviceTag", tag, MAX_NAME_LENGTH))?;
    phone_app_version.as_deref().map_or(Ok(()), check_version)?;
    wake_url.as_deref().map_or(Ok(()), check_wake_url)
}

/// Takes the code, and registers the app. `key` is one that the app has shown to have.
///
/// The app finishes what somebody else began, so that one must still be allowed to: a withdrawn token, a registration
/// that was finished by another method, a lost role end the code as well.
pub fn activate(tx: &mut Tx<'_>, activation: &Activation, key: &DeviceKey, origin: &Origin) -> Result<RegisteredApp> {
    check(activation)?;
    let challenge = find(tx, &activation.activation_code)?;
    if !challenges::take(tx, &challenge)? {
        return Err(no_such_code());
    }
    let Challenge { tenant_id, user_id, challenge_id, .. } = &challenge;
    let begun = begun(tx, &challenge)?;
    let caller = Caller { tenant: tenant_id.clone(), who: begun.who, origin: origin.clone(), once: None };
    let user = users::find_by_id(tx, tenant_id, user_id, Presence::Present)?.ok_or_else(no_such_code)?;
    let actor = crate::access::authorize(tx, &caller, REGISTER, Some(&user));
    let actor = actor.map_err(|error| if error.is_fault() { error } else { no_such_code() })?;
    policy::check_registration(tx, &user, MethodKind::MicrosoftAuthenticator, None)?;
    oath::check_room(tx, &user)?;

    let detail = MicrosoftAuthenticator {
        display_name: begun.display_name.unwrap_or_else(|| activation.display_name.clone()),
        device_tag: activation.device_tag.clone(),
        phone_app_version: activation.phone_app_version.clone(),
        client_app_name: None,
        public_key: Some(key.clone()),
    };
    let id = MethodId::new(challenge_id.as_str());
    let row = new_row(tx, tenant_id, user_id, MethodKind::MicrosoftAuthenticator, id.clone(), &detail)?;
    let mut app = Stored { row, detail };
    app.set_wake_url(tx, activation.wake_url.as_deref())?;
    methods::insert(tx, &app.row)?;
    let method = Method::MicrosoftAuthenticator(app);
    let entry = manage::entry(Activity::UPDATE_METHOD, "registered", &user, &method)
        .because("The authenticator app was activated by its code")
        .modified("Status", "pending", "activated");
    audit::record(tx, &actor, entry)?;
    registration::completed(tx, &actor, &user, &method)?;
    let tenant = tenants::find(tx, tenant_id)?;
    Ok(RegisteredApp {
        device_id: id,
        tenant_id: user.tenant_id,
        user_id: user.user_id,
        user_principal_name: user.user_principal_name,
        user_display_name: user.display_name,
        tenant_display_name: tenant.map(|tenant| tenant.display_name).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        assert_eq!(in_groups("ABCDEFGHIJKLMNOP"), "ABCD-EFGH-IJKL-MNOP");
        for typed in ["ABCD-EFGH-IJKL-MNOP", "abcdefghijklmnop", " abcd efgh-IJKL mnop "] {
            assert_eq!(plain(typed), "ABCDEFGHIJKLMNOP");
        }
    }
}
