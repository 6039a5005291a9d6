//! Passkeys (FIDO2). A reset keeps them unless it is told to delete them.

use serde::{Deserialize, Serialize};

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
