//! WebAuthn's registration ceremony, whatever kind of method comes of it: options, then the authenticator's answer.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use webauthn_rs_core::{
    error::WebauthnError,
    proto::{
        AttestationConveyancePreference, AuthenticatorAttachment, AuthenticatorAttestationResponseRaw, Credential,
        RegisterPublicKeyCredential, RegistrationState, RequestRegistrationExtensions, UserVerificationPolicy,
    },
};

use super::relying_party::RelyingParty;
use crate::{
    access::Actor,
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    error::{Area, Error, Result},
    id::{ChallengeId, MethodId, UserId},
    methods::{self, Method, MethodKind},
    store::{
        Tx,
        challenges::{self, Challenge, Purpose},
        methods::passkey_exists,
        tenants,
        users::User,
    },
};

/// The most methods of one kind of a user.
const MAX_PER_KIND: usize = 10;
/// The most registrations that a user has open at once; a further one ends the oldest.
const MAX_OPEN: usize = 10;
pub(super) const ATTESTATION_OBJECT: &str = "publicKeyCredential/response/attestationObject";
const CLIENT_DATA: &str = "publicKeyCredential/response/clientDataJSON";

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
pub struct NewCredential {
    /// The credential's id.
    pub id: String,
    pub client_data_json: String,
    pub attestation_object: String,
    /// `platform` or `cross-platform`, as the browser says. Nobody signs it.
    pub attachment: Option<String>,
}

/// What the authenticator is asked for.
pub(in crate::methods) struct Wanted {
    pub kind: MethodKind,
    /// Of this device, or of any.
    pub attachment: Option<AuthenticatorAttachment>,
    pub attestation: AttestationConveyancePreference,
    /// How long the registration may take.
    pub minutes: i64,
}

/// An open registration: the sealed state of its challenge.
#[derive(Serialize, Deserialize)]
struct Begun {
    kind: MethodKind,
    webauthn: RegistrationState,
}

/// A credential whose ceremony was right, and that nobody has yet.
pub(in crate::methods) struct Made {
    pub id: MethodId,
    pub credential: Credential,
    pub response: RegisterPublicKeyCredential,
}

/// Begins a ceremony, for rules that have authorized the caller. No authenticator makes a second key beside one that
/// the user has already.
pub(in crate::methods) fn begin(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    actor: &Actor,
    user: User,
    wanted: Wanted,
) -> Result<CreationOptions> {
    check_room(tx, &user, wanted.kind)?;
    let mut known = vec![];
    for row in methods::of_user(tx, &user)?.iter().filter_map(Method::webauthn_row) {
        known.extend(super::open(tx, row)?.map(|credential| credential.cred_id));
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
        .attestation(wanted.attestation)
        .authenticator_attachment(wanted.attachment)
        .user_verification_policy(UserVerificationPolicy::Required)
        .require_resident_key(true)
        .exclude_credentials(Some(known))
        .extensions(Some(extensions));
    let (mut response, webauthn) = party.core().generate_challenge_register(builder).map_err(Error::internal)?;
    if let Some(tenant) = tenants::find(tx, &user.tenant_id)? {
        response.public_key.rp.name = tenant.display_name;
    }

    let expires = tx.now().plus_minutes(wanted.minutes);
    remember(tx, &user, &response.public_key.challenge, &Begun { kind: wanted.kind, webauthn }, expires)?;
    let entry = Entry::success(Activity::START_REGISTRATION, Target::user(&user))
        .because(format!("Admin started the registration of a {} for the user", wanted.kind.in_words()))
        .detail("kind", wanted.kind.as_str())
        .detail("expirationDateTime", expires.to_iso());
    audit::record(tx, actor, entry)?;
    let public_key = serde_json::to_value(response.public_key).map_err(Error::internal)?;
    Ok(CreationOptions { user_id: user.user_id, challenge_expires_at: expires, public_key })
}

fn check_room(tx: &mut Tx<'_>, user: &User, kind: MethodKind) -> Result<()> {
    let count = methods::of_user(tx, user)?.iter().filter(|method| method.kind() == kind).count();
    if count < MAX_PER_KIND {
        return Ok(());
    }
    let message = format!("A user has at most {MAX_PER_KIND} methods of the kind {kind}; delete one of them first.");
    Err(Error::Invalid { area: Area::Methods, target: None, message })
}

fn remember(tx: &mut Tx<'_>, user: &User, challenge: &[u8], begun: &Begun, expires_at: Timestamp) -> Result<()> {
    let open = challenges::of_user(tx, &user.tenant_id, &user.user_id, Purpose::PasskeyRegistration)?;
    for oldest in open.iter().take((open.len() + 1).saturating_sub(MAX_OPEN)) {
        challenges::take(tx, oldest)?;
    }
    let challenge_id = ChallengeId::new(tx.guid());
    let state = serde_json::to_vec(begun).map_err(Error::internal)?;
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

/// Checks what the authenticator made for a method of this kind.
pub(in crate::methods) fn finish(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    user: &User,
    kind: MethodKind,
    new: &NewCredential,
) -> Result<Made> {
    check_room(tx, user, kind)?;
    let response = decode(new)?;
    let state = take_state(tx, user, kind, &response.response.client_data_json)?;
    if super::is_framed(&response.response.client_data_json) {
        return Err(refused(&WebauthnError::CredentialCrossOrigin));
    }
    // The library would name another reason for a credential that the user was told to leave out.
    let id = super::id_of(&response.raw_id);
    if passkey_exists(tx, &user.tenant_id, &id)? {
        return Err(Error::conflict("This credential is registered already."));
    }
    let credential = party.core().register_credential(&response, &state, None).map_err(|error| refused(&error))?;
    if credential.cred_id != response.raw_id {
        return Err(Error::invalid(
            "publicKeyCredential/id",
            "The id is not that of the credential in the attestation.",
        ));
    }
    Ok(Made { id, credential, response })
}

fn decode(new: &NewCredential) -> Result<RegisterPublicKeyCredential> {
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
fn take_state(tx: &mut Tx<'_>, user: &User, kind: MethodKind, client_data_json: &[u8]) -> Result<RegistrationState> {
    let refused = || {
        let message = "The challenge is unknown or another user's, was used already, was for another kind of method or \
                       has expired: get new creationOptions.";
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
    let begun: Begun = serde_json::from_slice(state.expose_secret()).map_err(Error::internal)?;
    if begun.kind == kind { Ok(begun.webauthn) } else { Err(refused()) }
}

pub(super) fn refused(error: &WebauthnError) -> Error {
    Error::invalid("publicKeyCredential", super::explain(error))
}
