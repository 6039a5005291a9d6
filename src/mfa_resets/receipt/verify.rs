//! Checking a receipt, by whoever holds one: it takes nothing but the public keys of the tenant that it names.

use std::collections::HashSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::TYPE;
use crate::{
    error::{Error, Result},
    id::TenantId,
    store::keys::PublicKey,
};

/// Said of whatever is no receipt at all.
const NO_RECEIPT: &str = "This is no receipt: three parts in base64url, joined by dots, are expected, as \
                          GET /mfaResets/{id}/receipts/{tenant} answers.";

/// A receipt of which nothing is certain yet. What is wrong with one is always a sentence for whoever holds it.
#[derive(Debug)]
pub struct Unverified<'a> {
    jws: &'a str,
    /// The tenant that it claims to be of: only a key of this tenant can prove it.
    pub tenant: TenantId,
    /// Which of the tenant's keys it claims to be signed with.
    pub key_id: String,
}

/// What a genuine receipt says. `U` is what is kept of each user: nothing ([`serde::de::IgnoredAny`]) takes no memory
/// and can be counted all the same.
#[derive(Debug, Serialize, Deserialize)]
pub struct Contents<U> {
    /// Everything but the users.
    #[serde(flatten)]
    pub particulars: Map<String, Value>,
    pub users: Vec<U>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claimed {
    tenant_id: String,
}

impl<'a> Unverified<'a> {
    /// Reads what a receipt claims to be.
    pub fn read(text: &'a str) -> Result<Self, String> {
        let jws = text.trim();
        let header = jsonwebtoken::decode_header(jws).map_err(|_| NO_RECEIPT)?;
        let typ = header.typ.unwrap_or_default();
        // Nothing that a header may ask to be understood is (RFC 7515 section 4.1.11).
        if header.alg != Algorithm::ES256 || typ != TYPE || header.crit.is_some() {
            return Err(format!("This is no receipt of a reset but something else that was signed (typ '{typ}')."));
        }
        let claimed: Claimed = jsonwebtoken::dangerous::insecure_decode_claims(jws).map_err(|_| NO_RECEIPT)?;
        Ok(Self {
            jws,
            tenant: TenantId::parse(&claimed.tenant_id).ok_or(NO_RECEIPT)?,
            key_id: header.kid.ok_or(NO_RECEIPT)?,
        })
    }

    /// What the receipt says, if this key signed exactly that.
    pub fn verify<U: DeserializeOwned>(&self, key: &DecodingKey) -> Result<Contents<U>, String> {
        let mut validation = Validation::new(Algorithm::ES256);
        // A receipt has no audience and does not expire.
        validation.required_spec_claims = HashSet::new();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        match jsonwebtoken::decode(self.jws, key, &validation) {
            Ok(genuine) => Ok(genuine.claims),
            Err(_) => Err("The signature is wrong: the receipt was changed after it was signed, or somebody else \
                           made it. Fetch it again from whoever keeps the original."
                .into()),
        }
    }
}

/// A key as the database has it, for [`Unverified::verify`].
pub fn decoding_key(key: &PublicKey) -> Result<DecodingKey> {
    let (x, y) = key.coordinates()?;
    DecodingKey::from_ec_components(&x, &y).map_err(Error::internal)
}
