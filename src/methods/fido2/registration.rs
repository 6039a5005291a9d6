//! Registering a passkey: what the tenant's policy asks of it, around WebAuthn's ceremony.

use serde::{Deserialize, Serialize};
use webauthn_rs_core::{
    error::WebauthnError,
    proto::{AttestationConveyancePreference, Credential, ParsedAttestation, RegisterPublicKeyCredential},
};

use super::{
    Fido2, attestation,
    ceremony::{self, ATTESTATION_OBJECT, CreationOptions, NewCredential, Wanted, refused},
    relying_party::RelyingParty,
};
use crate::{
    access::{Action, Actor, Caller},
    audit::{self, Activity},
    clock::Timestamp,
    directory,
    error::{Area, Error, Result},
    id::MethodId,
    methods::{
        Method, MethodKind, Stored,
        manage::{self, OfUser},
        new_row,
        policy::{self, Fido2Configuration, MethodsPolicy},
        registration,
    },
    store::{Tx, methods, users::User},
};

/// How long a registration may take, in minutes; administrators may choose otherwise.
pub const DEFAULT_MINUTES: i64 = 5;
const LONGEST_MINUTES: i64 = 43_200;
/// The longest display name, in characters.
pub const MAX_NAME_LENGTH: usize = 256;
const REGISTER: Action = Action::RegisterKind(MethodKind::Fido2);

/// A passkey to register.
#[derive(Debug, Clone)]
pub struct NewPasskey {
    pub display_name: Option<String>,
    pub credential: NewCredential,
}

/// A passkey as its registration answers with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fido2Entry {
    pub id: MethodId,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub detail: Fido2,
}

impl From<Stored<Fido2>> for Fido2Entry {
    fn from(Stored { row, detail }: Stored<Fido2>) -> Self {
        Self { id: row.method_id, created_at: row.created_at, last_used_at: row.last_used_at, detail }
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
    let wanted = Wanted {
        kind: MethodKind::Fido2,
        attachment: None,
        attestation: AttestationConveyancePreference::Direct,
        minutes,
    };
    ceremony::begin(tx, party, &actor, user, wanted)
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
    let ceremony::Made { id, mut credential, response } =
        ceremony::finish(tx, party, &user, MethodKind::Fido2, &new.credential)?;
    let detail = describe(tx, party, &policy, &credential, &response, new.display_name.as_deref())?;
    // It was checked, and what is to be known of it is in the detail.
    credential.attestation = ParsedAttestation::default();
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
