//! Passkeys (FIDO2, W3C WebAuthn Level 3), and WebAuthn's ceremonies for every kind that is a key of this sort. A reset
//! keeps them unless it is told to delete them.
//!
//! A passkey is proven with user verification only, so it counts as both factors. Its public key and its counter are
//! sealed in its row like every other method's secret: whoever can write to the database cannot slip a key in.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use webauthn_rs_core::{error::WebauthnError, proto::Credential};

use super::secret_place;
use crate::{
    error::{Error, Result},
    id::MethodId,
    store::{
        Tx,
        challenges::{self, Challenge, Purpose},
        methods::MethodRow,
        users::User,
    },
};

mod assertion;
mod attestation;
pub(in crate::methods) mod ceremony;
mod registration;
pub mod relying_party;
#[cfg(test)]
mod vectors;

pub use assertion::{challenge, challenge_one, verify};
pub use ceremony::{CreationOptions, NewCredential};
pub(super) use registration::{DEFAULT_MINUTES, MAX_NAME_LENGTH};
pub use registration::{Fido2Entry, NewPasskey, creation_options, register};

/// `passkeyType` of a passkey that may be backed up and shared between devices.
pub const SYNCED: &str = "synced";
/// `passkeyType` of a passkey that stays in its authenticator.
pub const DEVICE_BOUND: &str = "deviceBound";

/// Graph's `fido2AuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fido2 {
    pub display_name: String,
    /// The authenticator model's GUID, as the authenticator says; proven only when the passkey is attested.
    pub aa_guid: Option<String>,
    pub model: Option<String>,
    /// SHA-1 thumbprints of the attestation certificates, lower-case hex, the authenticator's own first.
    #[serde(default)]
    pub attestation_certificates: Vec<String>,
    /// `attested` or `notAttested`.
    pub attestation_level: String,
    /// `deviceBound` or `synced`.
    pub passkey_type: String,
}

/// The id of the method with this credential: the look of Graph's ids (22 characters of base64url and a digit), from
/// the first 16 bytes of the credential id's SHA-256.
fn id_of(credential_id: &[u8]) -> MethodId {
    let head: Vec<u8> = digest(&SHA256, credential_id).as_ref().iter().copied().take(16).collect();
    MethodId::new(format!("{}2", URL_SAFE_NO_PAD.encode(head)))
}

/// The method that a WebAuthn answer names.
pub fn method_id(credential: &Value) -> Result<MethodId> {
    let id = credential.get("id").and_then(Value::as_str).and_then(|id| URL_SAFE_NO_PAD.decode(id).ok());
    let id = id.filter(|id| !id.is_empty());
    id.map(|id| id_of(&id)).ok_or_else(|| Error::invalid("publicKeyCredential/id", "The id is not base64url."))
}

/// WebAuthn's user handle: the same for ever, and no hint of who it is (section 14.6.1).
fn user_handle(user: &User) -> Vec<u8> {
    let text = format!("rekey passkey\0{}\0{}", user.tenant_id, user.user_id);
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

pub(super) fn seal(tx: &Tx<'_>, row: &mut MethodRow, credential: &Credential) -> Result<()> {
    let json = serde_json::to_vec(credential).map_err(Error::internal)?;
    row.sealed_secret = Some(tx.seal(&secret_place(row), &json)?);
    Ok(())
}

/// The credential of a passkey; without one (seeded data) it is shown and proves nothing.
fn open(tx: &Tx<'_>, row: &MethodRow) -> Result<Option<Credential>> {
    let Some(sealed) = &row.sealed_secret else { return Ok(None) };
    let json = tx.open(&secret_place(row), sealed)?;
    serde_json::from_slice(json.expose_secret()).map(Some).map_err(Error::internal)
}

/// What a challenge is found by when its answer comes.
fn lookup(challenge: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, challenge))
}

/// The challenge that the browser says it answers, if it is still open. Whose it is, the caller checks.
fn answered(tx: &mut Tx<'_>, purpose: Purpose, client_data_json: &[u8]) -> Result<Option<Challenge>> {
    #[derive(Deserialize)]
    struct ClientData {
        challenge: String,
    }
    let said = serde_json::from_slice::<ClientData>(client_data_json).ok();
    let challenge = said.and_then(|data| URL_SAFE_NO_PAD.decode(data.challenge).ok());
    challenge.map_or(Ok(None), |challenge| challenges::find_by_lookup(tx, purpose, &lookup(&challenge)))
}

/// Whether the browser says that this was done inside another site's page (WebAuthn level 3, sections 7.1 and 7.2): who
/// framed the page may have made the user press. The library looks at this at registrations only, and not at `topOrigin`.
fn is_framed(client_data_json: &[u8]) -> bool {
    let said: Value = serde_json::from_slice(client_data_json).unwrap_or_default();
    said["crossOrigin"] == true || !said["topOrigin"].is_null()
}

/// Why an answer was refused, for whoever sent it.
#[allow(clippy::wildcard_enum_match_arm, reason = "another crate's errors; most say nothing more to a caller")]
const fn explain(error: &WebauthnError) -> &'static str {
    match error {
        WebauthnError::InvalidRPOrigin => {
            "The answer comes from a page that is no sign-in page of this service: its origin is not allowed."
        }
        WebauthnError::InvalidRPIDHash => "The passkey belongs to another site: its relying party id is another.",
        WebauthnError::CredentialCrossOrigin => "The answer comes from a page inside another site's page.",
        WebauthnError::UserNotPresent | WebauthnError::UserNotVerified => {
            "The authenticator did not verify the user; a PIN or biometrics are required."
        }
        WebauthnError::InvalidClientDataType => "The answer is for another operation of WebAuthn.",
        WebauthnError::AttestationNotSupported => "Attestations of the formats none and packed are accepted.",
        WebauthnError::CredentialAlteredAlgFromRequest => "The passkey's algorithm is none of pubKeyCredParams.",
        WebauthnError::CredentialPossibleCompromise => {
            "The authenticator's counter went back: the passkey was copied. Delete it and register a new one."
        }
        WebauthnError::CredentialBackupEligibilityInconsistent | WebauthnError::CredentialMayNotBeHardwareBound => {
            "The authenticator contradicts itself about whether the passkey may be backed up."
        }
        _ => "The answer cannot be read, or its signature is wrong.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_inside_other_sites_are_told() {
        for framed in [r#"{"crossOrigin":true}"#, r#"{"crossOrigin":false,"topOrigin":"https://evil.example"}"#] {
            assert!(is_framed(framed.as_bytes()), "{framed}");
        }
        for own in [r#"{"crossOrigin":false}"#, r#"{"type":"webauthn.get"}"#, r#"{"topOrigin":null}"#] {
            assert!(!is_framed(own.as_bytes()), "{own}");
        }
    }
}
