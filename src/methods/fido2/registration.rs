//! Registering a passkey: options, then the authenticator's answer to them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use webauthn_rs_core::{
    error::WebauthnError,
    proto::{
        AttestationConveyancePreference, AuthenticatorAttestationResponseRaw, Credential, ParsedAttestation,
        RegisterPublicKeyCredential, RegistrationState, RequestRegistrationExtensions, UserVerificationPolicy,
    },
};

use super::{Fido2, attestation, relying_party::RelyingParty};
use crate::{
    access::{Action, Actor, Caller},
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    directory,
    error::{Area, Error, Result},
    id::{ChallengeId, MethodId, UserId},
    methods::{
        Method, MethodKind, Stored,
        manage::{self, OfUser},
        new_row,
        policy::{self, Fido2Configuration, MethodsPolicy},
        registration,
    },
    store::{
        Tx,
        challenges::{self, Challenge, Purpose},
        methods, tenants,
        users::User,
    },
};

/// The most passkeys of a user.
const MAX_PER_USER: usize = 10;
/// The most registrations that a user has open at once; a further one ends the oldest.
const MAX_OPEN: usize = 10;
/// How long a registration may take, in minutes; administrators may choose otherwise.
const DEFAULT_MINUTES: i64 = 5;
const LONGEST_MINUTES: i64 = 43_200;
/// The longest display name, in characters.
const MAX_NAME_LENGTH: usize = 256;
const ATTESTATION_OBJECT: &str = "publicKeyCredential/response/attestationObject";
const CLIENT_DATA: &str = "publicKeyCredential/response/clientDataJSON";
const REGISTER: Action = Action::RegisterKind(MethodKind::Fido2);

/// Graph's `webauthnCredentialCreationOptions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreationOptions {
    pub user_id: UserId,
    pub challenge_expires_at: Timestamp,
    /// WebAuthn's `PublicKeyCredentialCreationOptionsJSON`.
    pub public_key: Value,
}

/// What an authenticator made, as a browser sends it: base64url without padding.
#[derive(Debug, Clone)]
pub struct NewPasskey {
    pub display_name: Option<String>,
    /// The credential's id.
    pub id: String,
    pub client_data_json: String,
    pub attestation_object: String,
}

/// A passkey as its registration answers with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fido2Entry {
    pub id: MethodId,
    pub created_at: Timestamp,
    pub detail: Fido2,
}

impl From<Stored<Fido2>> for Fido2Entry {
    fn from(Stored { row, detail }: Stored<Fido2>) -> Self {
        Self { id: row.method_id, created_at: row.created_at, detail }
    }
}

/// Begins a registration. `minutes` is how long it may take.
pub fn creation_options(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    caller: &Caller,
    user: &str,
    minutes: Option<i64>,
) -> Result<CreationOptions> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    let minutes = check_minutes(&actor, &user, minutes)?;
    check_policy(tx, &actor, &user)?;
    let passkeys = check_room(tx, &user)?;
    let mut known = vec![];
    for passkey in passkeys {
        known.extend(super::open(tx, &passkey.row)?.map(|credential| credential.cred_id));
    }

    let name = Some(&user.display_name).filter(|name| !name.is_empty()).unwrap_or(&user.user_principal_name);
    let extensions = RequestRegistrationExtensions {
        cred_protect: None,
        uvm: None,
        cred_props: None,
        min_pin_length: None,
        hmac_create_secret: None,
    };
    let builder = party
        .core()
        .new_challenge_register_builder(&super::user_handle(&user), &user.user_principal_name, name)
        .map_err(Error::internal)?
        .attestation(AttestationConveyancePreference::Direct)
        .user_verification_policy(UserVerificationPolicy::Required)
        .require_resident_key(true)
        .exclude_credentials(Some(known))
        .extensions(Some(extensions));
    let (mut response, state) = party.core().generate_challenge_register(builder).map_err(Error::internal)?;
    if let Some(tenant) = tenants::find(tx, &user.tenant_id)? {
        response.public_key.rp.name = tenant.display_name;
    }

    let expires = tx.now().plus_minutes(minutes);
    remember(tx, &user, &response.public_key.challenge, &state, expires)?;
    let entry = Entry::success(Activity::START_REGISTRATION, Target::user(&user))
        .because("Admin started the registration of a passkey for the user")
        .detail("kind", MethodKind::Fido2.as_str())
        .detail("expirationDateTime", expires.to_iso());
    audit::record(tx, &actor, entry)?;
    let public_key = serde_json::to_value(response.public_key).map_err(Error::internal)?;
    Ok(CreationOptions { user_id: user.user_id, challenge_expires_at: expires, public_key })
}

fn check_minutes(actor: &Actor, user: &User, minutes: Option<i64>) -> Result<i64> {
    let minutes = minutes.unwrap_or(DEFAULT_MINUTES);
    let refused = |message| Err(Error::invalid("challengeTimeoutInMinutes", message));
    if !(DEFAULT_MINUTES..=LONGEST_MINUTES).contains(&minutes) {
        return refused("A registration may take 5 to 43200 minutes.");
    }
    if actor.is(user) && minutes != DEFAULT_MINUTES {
        return refused("Only administrators choose how long a registration may take; leave this out.");
    }
    Ok(minutes)
}

/// Refuses what the tenant does not let this caller register for this user.
fn check_policy(tx: &mut Tx<'_>, actor: &Actor, user: &User) -> Result<Fido2Configuration> {
    let MethodsPolicy { fido2, .. } = policy::check_registration(tx, user, MethodKind::Fido2, None)?;
    if actor.is(user) && !fido2.is_self_service_registration_allowed {
        let message = "The tenant's policy lets only administrators register passkeys: ask one of them.".into();
        return Err(Error::Denied { area: Area::Methods, inner: "selfServiceNotAllowed", message });
    }
    Ok(fido2)
}

/// The user's passkeys, if there is room for another.
fn check_room(tx: &mut Tx<'_>, user: &User) -> Result<Vec<Stored<Fido2>>> {
    let passkeys = manage::of_kind::<Fido2>(tx, user)?;
    if passkeys.len() < MAX_PER_USER {
        return Ok(passkeys);
    }
    let message = format!("A user has at most {MAX_PER_USER} passkeys; delete one of them first.");
    Err(Error::Invalid { area: Area::Methods, target: None, message })
}

fn remember(
    tx: &mut Tx<'_>,
    user: &User,
    challenge: &[u8],
    state: &RegistrationState,
    expires_at: Timestamp,
) -> Result<()> {
    let open = challenges::of_user(tx, &user.tenant_id, &user.user_id, Purpose::PasskeyRegistration)?;
    for oldest in open.iter().take((open.len() + 1).saturating_sub(MAX_OPEN)) {
        challenges::take(tx, oldest)?;
    }
    let challenge_id = ChallengeId::new(tx.guid());
    let state = serde_json::to_vec(state).map_err(Error::internal)?;
    let row = Challenge {
        tenant_id: user.tenant_id.clone(),
        user_id: user.user_id.clone(),
        purpose: Purpose::PasskeyRegistration,
        method_id: None,
        session_id: None,
        lookup: Some(super::lookup(challenge)),
        sealed_state: tx.seal(&challenges::place(&user.tenant_id, &user.user_id, &challenge_id), &state)?,
        tries_left: 1,
        created_at: tx.now(),
        expires_at,
        challenge_id,
    };
    challenges::insert(tx, &row)
}

/// Finishes a registration with what the authenticator made.
pub fn register(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    caller: &Caller,
    user: &str,
    new: &NewPasskey,
) -> Result<OfUser<Fido2Entry>> {
    let (actor, user) = directory::authorize_on_user(tx, caller, REGISTER, user)?;
    if let Some(name) = &new.display_name {
        directory::check_text("displayName", name, MAX_NAME_LENGTH)?;
    }
    let policy = check_policy(tx, &actor, &user)?;
    check_room(tx, &user)?;
    let response = decode(new)?;
    let state = take_state(tx, &user, &response.response.client_data_json)?;
    let mut credential = party.core().register_credential(&response, &state, None).map_err(|error| refused(&error))?;
    if credential.cred_id != response.raw_id {
        return Err(Error::invalid(
            "publicKeyCredential/id",
            "The id is not that of the credential in the attestation.",
        ));
    }
    let detail = describe(tx, party, &policy, &credential, &response, new.display_name.as_deref())?;
    // It was checked, and what is to be known of it is in the detail.
    credential.attestation = ParsedAttestation::default();

    let id = super::id_of(&credential.cred_id);
    if methods::passkey_exists(tx, &user.tenant_id, &id)? {
        return Err(Error::conflict("This passkey is registered already."));
    }
    let mut row = new_row(tx, &user.tenant_id, &user.user_id, MethodKind::Fido2, id, &detail)?;
    super::seal(tx, &mut row, &credential)?;
    methods::insert(tx, &row)?;
    let passkey = Stored { row, detail };
    let method = Method::Fido2(passkey.clone());
    let entry = manage::entry(Activity::REGISTER_METHOD, "registered", &user, &method)
        .detail("aaGuid", passkey.detail.aa_guid.as_deref().unwrap_or_default())
        .detail("attestationLevel", &passkey.detail.attestation_level);
    audit::record(tx, &actor, entry)?;
    registration::completed(tx, &actor, &user, &method)?;
    Ok(OfUser::new(tx, user, passkey.into()))
}

fn decode(new: &NewPasskey) -> Result<RegisterPublicKeyCredential> {
    let bytes = |target: &str, text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| !bytes.is_empty());
        bytes.ok_or_else(|| Error::invalid(target, "This is not base64url without padding."))
    };
    Ok(RegisterPublicKeyCredential {
        id: new.id.clone(),
        raw_id: bytes("publicKeyCredential/id", &new.id)?,
        response: AuthenticatorAttestationResponseRaw {
            attestation_object: bytes(ATTESTATION_OBJECT, &new.attestation_object)?,
            client_data_json: bytes(CLIENT_DATA, &new.client_data_json)?,
            transports: None,
        },
        type_: "public-key".into(),
        extensions: Default::default(),
    })
}

/// Takes the user's registration that this answer belongs to.
fn take_state(tx: &mut Tx<'_>, user: &User, client_data_json: &[u8]) -> Result<RegistrationState> {
    let refused = || {
        let message = "The challenge is unknown or another user's, was used already or has expired: get new \
                       creationOptions.";
        Error::invalid(CLIENT_DATA, message)
    };
    let challenge = super::answered(tx, Purpose::PasskeyRegistration, client_data_json)?
        .filter(|challenge| challenge.tenant_id == user.tenant_id && challenge.user_id == user.user_id)
        .ok_or_else(refused)?;
    if !challenges::take(tx, &challenge)? {
        return Err(refused());
    }
    let place = challenges::place(&challenge.tenant_id, &challenge.user_id, &challenge.challenge_id);
    let state = tx.open(&place, &challenge.sealed_state)?;
    serde_json::from_slice(state.expose_secret()).map_err(Error::internal)
}

fn refused(error: &WebauthnError) -> Error {
    Error::invalid("publicKeyCredential", super::explain(error))
}

/// What is to be shown of the passkey, if the tenant's policy takes it.
fn describe(
    tx: &Tx<'_>,
    party: &RelyingParty,
    policy: &Fido2Configuration,
    credential: &Credential,
    response: &RegisterPublicKeyCredential,
    display_name: Option<&str>,
) -> Result<Fido2> {
    let object = &response.response.attestation_object;
    let authenticator = attestation::describe(party, credential, object, tx.now())
        .ok_or_else(|| refused(&WebauthnError::AttestationNotSupported))?;
    if policy.is_attestation_enforced && !authenticator.is_attested {
        let message = "The tenant's policy enforces attestation, and no certificate chain up to an attestation root \
                       of this server vouches for this authenticator.";
        return Err(Error::invalid(ATTESTATION_OBJECT, message));
    }
    if !policy.key_restrictions.allow(Some(&authenticator.aa_guid)) {
        let message = format!(
            "The tenant's policy does not allow authenticators of this model (AAGUID {}).",
            authenticator.aa_guid
        );
        return Err(Error::invalid(ATTESTATION_OBJECT, message));
    }
    let display_name = display_name.filter(|name| !name.trim().is_empty()).unwrap_or(&authenticator.model);
    Ok(Fido2 {
        display_name: display_name.to_owned(),
        aa_guid: Some(authenticator.aa_guid),
        attestation_certificates: authenticator.thumbprints,
        attestation_level: if authenticator.is_attested { "attested" } else { "notAttested" }.into(),
        passkey_type: if credential.backup_eligible { super::SYNCED } else { super::DEVICE_BOUND }.into(),
        model: Some(authenticator.model),
    })
}
