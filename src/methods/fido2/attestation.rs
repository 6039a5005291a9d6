//! What a new passkey says of its authenticator, and how much of that is proven.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::HEXLOWER;
use serde_cbor_2::Value;
use uuid::Uuid;
use webauthn_rs_core::{
    attestation::verify_attestation_ca_chain,
    proto::{AttestationFormat, Credential, ParsedAttestationData},
};

use super::relying_party::RelyingParty;
use crate::clock::Timestamp;

/// Where the AAGUID stands in authenticator data (WebAuthn section 6.1): after the hash of the relying party id (32
/// bytes), the flags (1) and the counter (4).
const AAGUID_AT: std::ops::Range<usize> = 37..53;
/// What an authenticator is called that says nothing.
const UNKNOWN: &str = "Unknown model";
/// The longest name that is taken from a certificate, in bytes. Such names are plain ASCII; others might deceive.
const MAX_MODEL: usize = 256;
/// X.500's commonName.
const COMMON_NAME: &str = "2.5.4.3";

/// The authenticator of a new passkey.
pub(super) struct Authenticator {
    /// Lower case. All zeros when the authenticator does not tell.
    pub aa_guid: String,
    pub model: String,
    /// SHA-1 in lower-case hex, as Windows and Graph name certificates.
    pub thumbprints: Vec<String>,
    /// Whether a certificate chain up to a trusted root vouches for all this.
    pub is_attested: bool,
}

/// Describes the authenticator of a credential whose attestation statement was verified. `None` for a format that is
/// not taken, and for what cannot be read.
pub(super) fn describe(
    party: &RelyingParty,
    credential: &Credential,
    attestation_object: &[u8],
    now: Timestamp,
) -> Option<Authenticator> {
    if !matches!(credential.attestation_format, AttestationFormat::None | AttestationFormat::Packed) {
        return None;
    }
    // The same decoder as the one that verified the statement, so that both see the same.
    let object: Value = serde_cbor_2::from_slice(attestation_object).ok()?;
    let Value::Bytes(data) = member(&object, "authData")? else { return None };
    let aa_guid = Uuid::from_slice(data.get(AAGUID_AT)?).ok()?;
    // Of a format that attests nothing the certificates would be anybody's.
    let is_packed = credential.attestation_format == AttestationFormat::Packed;
    let chain = match member(&object, "attStmt").and_then(|statement| member(statement, "x5c")) {
        Some(Value::Array(chain)) if is_packed => chain.as_slice(),
        _ => &[],
    };
    let thumbprint = |certificate: &Value| {
        let Value::Bytes(der) = certificate else { return None };
        Some(HEXLOWER.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref()))
    };
    Some(Authenticator {
        model: well_known(&aa_guid).map_or_else(|| subject(credential), str::to_owned),
        aa_guid: aa_guid.to_string(),
        thumbprints: chain.iter().filter_map(thumbprint).collect(),
        is_attested: is_attested(party, credential, now),
    })
}

fn member<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Map(map) = map else { return None };
    map.get(&Value::Text(name.to_owned()))
}

/// A self-made or missing attestation, and a chain that ends at nobody we know, attest nothing.
fn is_attested(party: &RelyingParty, credential: &Credential, now: Timestamp) -> bool {
    let seconds = u64::try_from(now.seconds()).unwrap_or_default();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let verify = |roots| verify_attestation_ca_chain(&credential.attestation.data, roots, at);
    party.roots().is_some_and(|roots| matches!(verify(roots), Ok(Some(_))))
}

/// What the attestation certificate calls the authenticator.
fn subject(credential: &Credential) -> String {
    let ParsedAttestationData::Basic(chain) = &credential.attestation.data else { return UNKNOWN.into() };
    let names = chain.first().into_iter().flat_map(|certificate| certificate.tbs_certificate().subject().iter());
    let mut common = names.filter(|name| name.oid.to_string() == COMMON_NAME);
    let text = common.next().and_then(|name| str::from_utf8(name.value.value()).ok());
    let is_name = |text: &&str| {
        !text.trim().is_empty() && text.len() <= MAX_MODEL && !text.chars().any(|c| c.is_control() || !c.is_ascii())
    };
    text.filter(is_name).map_or_else(|| UNKNOWN.into(), str::to_owned)
}

/// Names of widespread authenticators, from the FIDO Metadata Service and the community's list of passkey providers.
fn well_known(aa_guid: &Uuid) -> Option<&'static str> {
    const MODELS: &[(Uuid, &str)] = &[
        (uuid::uuid!("08987058-cadc-4b81-b6e1-30de50dcbe96"), "Windows Hello"),
        (uuid::uuid!("0ea242b4-43c4-4a1b-8b17-dd6d0b6baec6"), "Keeper"),
        (uuid::uuid!("2fc0579f-8113-47ea-b116-bb5a8db9202a"), "YubiKey 5 Series with NFC"),
        (uuid::uuid!("50726f74-6f6e-5061-7373-50726f746f6e"), "Proton Pass"),
        (uuid::uuid!("531126d6-e717-415c-9320-3d9aa6981239"), "Dashlane"),
        (uuid::uuid!("53414d53-554e-4700-0000-000000000000"), "Samsung Pass"),
        (uuid::uuid!("6028b017-b1d4-4c02-b4b3-afcdafc96bb2"), "Windows Hello"),
        (uuid::uuid!("6d44ba9b-f6ec-2e49-b930-0c8fe920cb73"), "Security Key by Yubico with NFC"),
        (uuid::uuid!("73bb0cd4-e502-49b8-9c6f-b59445bf720b"), "YubiKey 5 FIPS Series"),
        (uuid::uuid!("90a3ccdf-635c-4729-a248-9b709135078f"), "Microsoft Authenticator for iOS"),
        (uuid::uuid!("9ddd1817-af5a-4672-a2b9-3e3dd95000a9"), "Windows Hello"),
        (uuid::uuid!("a4e9fc6d-4cbe-4758-b8ba-37598bb5bbaa"), "Security Key NFC by Yubico"),
        (uuid::uuid!("adce0002-35bc-c60a-648b-0b25f1f05503"), "Chrome on Mac"),
        (uuid::uuid!("b84e4048-15dc-4dd0-8640-f4f60813c8af"), "NordPass"),
        (uuid::uuid!("b92c3f9a-c014-4056-887f-140a2501163b"), "Security Key by Yubico"),
        (uuid::uuid!("bada5566-a7aa-401f-bd96-45619a55120d"), "1Password"),
        (uuid::uuid!("c1f9a0bc-1dd2-404a-b27f-8e29047a43fd"), "YubiKey 5 FIPS Series with NFC"),
        (uuid::uuid!("c5ef55ff-ad9a-4b9f-b580-adebafe026d0"), "YubiKey 5 Series with Lightning"),
        (uuid::uuid!("cb69481e-8ff7-4039-93ec-0a2729a154a8"), "YubiKey 5 Series"),
        (uuid::uuid!("d548826e-79b4-db40-a3d8-11116f7e8349"), "Bitwarden"),
        (uuid::uuid!("d8522d9f-575b-4866-88a9-ba99fa02f35b"), "YubiKey Bio Series - FIDO Edition"),
        (uuid::uuid!("dd4ec289-e01d-41c9-bb89-70fa845d4bf2"), "iCloud Keychain (Managed)"),
        (uuid::uuid!("de1e552d-db1d-4423-a619-566b625cdc84"), "Microsoft Authenticator for Android"),
        (uuid::uuid!("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"), "Google Password Manager"),
        (uuid::uuid!("ee882879-721c-4913-9775-3dfcce97072a"), "YubiKey 5 Series"),
        (uuid::uuid!("f8a011f3-8c0a-4d15-8006-17111f9edc7d"), "Security Key by Yubico"),
        (uuid::uuid!("fa2b99dc-9e39-4257-8f92-4a30d23c4118"), "YubiKey 5 Series with NFC"),
        (uuid::uuid!("fbfc3007-154e-4ecc-8c0b-6e020557d7bd"), "Apple Passwords"),
        (uuid::uuid!("fdb141b2-5d84-443e-8a35-4698c205a502"), "KeePassXC"),
    ];
    MODELS.iter().find(|(known, _)| known == aa_guid).map(|(_, name)| *name)
}
