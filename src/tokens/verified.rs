//! Access tokens of our own: verified once, and remembered.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use quick_cache::sync::Cache;

use super::{CLOCK_SKEW_SECONDS, Claims, Issuer, LIFETIME_SECONDS, REMEMBERED_TOKENS, is_usable, refused, sha256};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::TenantId,
    store::{Tx, keys},
};

/// No token of ours is longer, in bytes.
const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// Tokens whose signature was checked, by their SHA-256.
pub struct VerifiedTokens(Cache<[u8; 32], Arc<Claims>>);

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED_TOKENS))
    }
}

impl VerifiedTokens {
    /// The claims of a token that was verified before and has not expired.
    pub fn recall(&self, token: &str, now: Timestamp) -> Result<Option<Arc<Claims>>> {
        match self.0.get(&sha256(token.as_bytes())) {
            Some(claims) if claims.exp <= now.seconds() => Err(refused("The access token has expired.")),
            found => Ok(found),
        }
    }

    /// Verifies signature, issuer, audience and times, with the key of the tenant that the token itself names: a key
    /// is found only under its own tenant, so a token cannot borrow another tenant's.
    pub fn verify(&self, tx: &mut Tx<'_>, issuer: &Issuer, token: &str) -> Result<Arc<Claims>> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(refused("The access token is too long."));
        }
        let malformed = || refused("The access token is malformed.");
        let header = jsonwebtoken::decode_header(token).map_err(|_| malformed())?;
        if header.alg != Algorithm::ES256 {
            return Err(refused("The access token is not signed with ES256."));
        }
        let unverified = unverified_claims(token).ok_or_else(malformed)?;
        let key_id = header.kid.filter(|kid| !kid.contains(char::is_control)).ok_or_else(malformed)?;
        // Nobody has signed this yet: whatever is no id is asked of no database.
        TenantId::parse(unverified.tid.as_str()).ok_or_else(malformed)?;
        let key = keys::find_public(tx, &unverified.tid, &key_id)?
            .filter(|key| is_usable(key, tx.now()))
            .ok_or_else(|| refused("The access token is signed with an unknown key."))?;
        let (x, y) = key.coordinates()?;
        let decoding = DecodingKey::from_ec_components(&x, &y).map_err(Error::internal)?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[&issuer.public_url]);
        validation.set_issuer(&[issuer.of(&unverified.tid)]);
        // Times are compared below, with our own clock.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &decoding, &validation)
            .map_err(|_| refused("The access token's signature, issuer or audience is wrong."))?
            .claims;
        let now = tx.now().seconds();
        if claims.exp <= now {
            return Err(refused("The access token has expired."));
        }
        // None of ours lives longer; and a retired key must not be of use to whoever has it.
        if claims.exp.saturating_sub(claims.iat) > LIFETIME_SECONDS {
            return Err(refused("The access token lives too long."));
        }
        if claims.nbf > now + CLOCK_SKEW_SECONDS {
            return Err(refused("The access token is not valid yet."));
        }
        let claims = Arc::new(claims);
        self.0.insert(sha256(token.as_bytes()), claims.clone());
        Ok(claims)
    }
}

fn unverified_claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
