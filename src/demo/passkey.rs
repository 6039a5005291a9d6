//! The key of the demo's passkeys: P-256's own base point, whose private key is the number one. It makes them look
//! whole; nobody proves anything with it, since their ids follow from no credential.

use webauthn_rs_core::proto::{
    COSEAlgorithm, COSEEC2Key, COSEKey, COSEKeyType, Credential, ECDSACurve, ParsedAttestation, UserVerificationPolicy,
};

use crate::error::{Error, Result};

/// The base point's coordinates (SEC 2 section 2.4.2, secp256r1).
const X: &[u8] = b"6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296";
const Y: &[u8] = b"4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5";

/// A credential as a passkey's row seals it.
pub fn credential(name: &str) -> Result<Vec<u8>> {
    let number = |hex: &[u8]| data_encoding::HEXUPPER.decode(hex).map_err(Error::internal);
    let key = COSEEC2Key { curve: ECDSACurve::SECP256R1, x: number(X)?, y: number(Y)? };
    let credential = Credential {
        cred_id: name.as_bytes().to_vec(),
        cred: COSEKey { type_: COSEAlgorithm::ES256, key: COSEKeyType::EC_EC2(key) },
        counter: 0,
        transports: None,
        user_verified: true,
        backup_eligible: false,
        backup_state: false,
        registration_policy: UserVerificationPolicy::Required,
        extensions: Default::default(),
        attestation: ParsedAttestation::default(),
        attestation_format: webauthn_rs_core::proto::AttestationFormat::None,
    };
    serde_json::to_vec(&credential).map_err(Error::internal)
}
