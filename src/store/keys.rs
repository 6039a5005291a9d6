//! Each tenant's signing key: P-256, used for its access tokens (ES256) and for the head of its audit chain.
//!
//! The private half is sealed in the database, so every replica can sign; the public half stands in the clear, so a
//! copy of the database can be verified without the sealing key.

use std::sync::Arc;

use aws_lc_rs::{
    digest::Digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel::prelude::*;
use quick_cache::sync::Cache;
use secrecy::ExposeSecret;

use super::{Tx, schema::signing_keys};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::TenantId,
};

/// Keys of this many tenants stay opened in memory.
const REMEMBERED_TENANTS: usize = 1_000;
/// An opened key is looked up again after this many seconds, so that a process learns of a key that another rotated.
pub const MEMORY_SECONDS: i64 = 60;

/// A tenant's key, opened and ready to sign.
pub struct SigningKey {
    pub key_id: String,
    /// PKCS #8, as JWT libraries want it.
    pub pkcs8: secrecy::SecretSlice<u8>,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// ECDSA P-256 with SHA-256, fixed-length form (RFC 7518 section 3.4), base64url.
    pub fn sign(&self, message: &[u8]) -> Result<String> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode(signature))
    }

    /// The same signature over a message of which only the SHA-256 is left.
    pub fn sign_digest(&self, digest: &Digest) -> Result<String> {
        let signature = self.pair.sign_digest(digest).map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode(signature))
    }

    /// The uncompressed public point, base64url.
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key())
    }
}

/// The public half of a key.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
pub struct PublicKey {
    pub key_id: String,
    /// The uncompressed point (0x04, x, y: 65 bytes), base64url.
    pub public_key: String,
    pub retired_at: Option<Timestamp>,
}

impl PublicKey {
    pub fn point(&self) -> Result<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(&self.public_key).map_err(|_| Error::internal("a public key is damaged"))
    }

    /// The coordinates x and y, base64url, as a JWK has them (RFC 7518 section 6.2.1).
    pub fn coordinates(&self) -> Result<(String, String)> {
        match self.point()?.as_slice() {
            [_, coordinates @ ..] if coordinates.len() == 64 => {
                let (x, y) = coordinates.split_at(32);
                Ok((URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
            }
            _ => Err(Error::internal("a public key is damaged")),
        }
    }

    pub fn verify(&self, message: &[u8], signature: &str) -> bool {
        let (Ok(point), Ok(signature)) = (self.point(), URL_SAFE_NO_PAD.decode(signature)) else { return false };
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature).is_ok()
    }
}

#[derive(Insertable)]
#[diesel(table_name = signing_keys)]
struct NewKey<'a> {
    tenant_id: &'a TenantId,
    key_id: &'a str,
    public_key: String,
    sealed_private_key: String,
    created_at: Timestamp,
}

/// Opened keys, by tenant, each with the moment it was read.
pub struct Keyring(Cache<TenantId, (Timestamp, Arc<SigningKey>)>);

impl Default for Keyring {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED_TENANTS))
    }
}

fn opened(key_id: String, pkcs8: secrecy::SecretSlice<u8>) -> Result<SigningKey> {
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose_secret()).map_err(Error::internal)?;
    Ok(SigningKey { key_id, pkcs8, pair })
}

/// Makes the tenant's key.
pub fn create(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<()> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(Error::internal)?;
    let key = opened(tx.guid(), document.as_ref().to_vec().into())?;
    let sealed_private_key = tx.seal(&[tenant.as_str(), "signing-key", &key.key_id], key.pkcs8.expose_secret())?;
    let row = NewKey {
        tenant_id: tenant,
        key_id: &key.key_id,
        public_key: key.public_key(),
        sealed_private_key,
        created_at: tx.now(),
    };
    diesel::insert_into(signing_keys::table).values(row).execute(tx.conn)?;
    Ok(())
}

/// The key that signs for the tenant now.
pub fn current(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Arc<SigningKey>> {
    if let Some((read_at, key)) = tx.context.keyring.0.get(tenant)
        && tx.now() < read_at.plus_seconds(MEMORY_SECONDS)
    {
        return Ok(key);
    }
    let key = Arc::new(
        load_current(tx, tenant)?.ok_or_else(|| Error::internal(format!("tenant {tenant} has no signing key")))?,
    );
    tx.context.keyring.0.insert(tenant.clone(), (tx.now(), key.clone()));
    Ok(key)
}

/// Reads and opens the current key without the memory of earlier reads; fails if it was moved or tampered with.
pub fn load_current(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Option<SigningKey>> {
    let row: Option<(String, String)> = signing_keys::table
        .filter(signing_keys::tenant_id.eq(tenant))
        .filter(signing_keys::retired_at.is_null())
        .order(signing_keys::created_at.desc())
        .select((signing_keys::key_id, signing_keys::sealed_private_key))
        .first(tx.conn)
        .optional()?;
    let Some((key_id, sealed)) = row else { return Ok(None) };
    let pkcs8 = tx.open(&[tenant.as_str(), "signing-key", &key_id], &sealed)?;
    opened(key_id, pkcs8).map(Some)
}

/// Whether a public key is the one that its sealed private half has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Genuineness {
    Genuine,
    /// The private half is another key's, or was moved or tampered with.
    Forged,
    /// The sealing key is not here, as with a copy of the database.
    Unknown,
}

/// Tests every key of a tenant, in the order of their creation.
pub fn test_all(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(PublicKey, Genuineness)>> {
    let query = signing_keys::table.filter(signing_keys::tenant_id.eq(tenant)).order(signing_keys::created_at);
    let rows: Vec<(PublicKey, String)> =
        query.select((PublicKey::as_select(), signing_keys::sealed_private_key)).load(tx.conn)?;
    let test = |(public, sealed): (PublicKey, String)| {
        if !tx.context.sealer.has_key_of(&sealed) {
            return (public, Genuineness::Unknown);
        }
        let private = tx
            .open(&[tenant.as_str(), "signing-key", &public.key_id], &sealed)
            .and_then(|pkcs8| opened(public.key_id.clone(), pkcs8));
        let is_genuine = private.is_ok_and(|private| private.public_key() == public.public_key);
        (public, if is_genuine { Genuineness::Genuine } else { Genuineness::Forged })
    };
    Ok(rows.into_iter().map(test).collect())
}

pub fn find_public(tx: &mut Tx<'_>, tenant: &TenantId, key_id: &str) -> Result<Option<PublicKey>> {
    let query = signing_keys::table.find((tenant, key_id)).select(PublicKey::as_select());
    Ok(query.first(tx.conn).optional()?)
}

/// All public keys of a tenant, as its discovery document lists them.
pub fn list_public(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<PublicKey>> {
    let query = signing_keys::table.filter(signing_keys::tenant_id.eq(tenant)).order(signing_keys::created_at);
    Ok(query.select(PublicKey::as_select()).load(tx.conn)?)
}
