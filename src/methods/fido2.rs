//! Passkeys (FIDO2). A reset keeps them unless it is told to delete them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::proof::Prompt;
use crate::{
    error::{Error, Result},
    id::SessionId,
    store::{Tx, users::User},
};

/// Graph's `fido2AuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fido2 {
    pub display_name: String,
    /// The authenticator model's GUID.
    pub aa_guid: Option<String>,
    pub model: Option<String>,
    /// Thumbprints of the attestation certificates.
    #[serde(default)]
    pub attestation_certificates: Vec<String>,
    /// `attested` or `notAttested`.
    pub attestation_level: String,
    /// `deviceBound` or `synced`.
    pub passkey_type: String,
}

/// Asks for a passkey of the user's; of any passkey when nobody says whose.
pub fn challenge(_tx: &mut Tx<'_>, _user: Option<&User>, _session: &SessionId) -> Result<Prompt> {
    Err(Error::invalid("methodId", "Passkeys cannot be used to sign in yet."))
}

/// The method that a WebAuthn answer names.
pub fn method_id(credential: &Value) -> Result<&str> {
    let id = credential.get("id").and_then(Value::as_str);
    id.ok_or_else(|| Error::invalid("publicKeyCredential/id", "The credential has no id."))
}
