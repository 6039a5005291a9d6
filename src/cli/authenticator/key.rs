//! The device's private key, and the file that keeps it.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::device::Account;
use crate::error::{Error, Result};

pub struct SecretKey {
    algorithm: Algorithm,
    pkcs8: SecretSlice<u8>,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    algorithm: Algorithm,
    /// PKCS #8, base64.
    private_key: String,
    #[serde(flatten)]
    account: Account,
}

impl SecretKey {
    pub fn generate(algorithm: Algorithm) -> Result<Self> {
        let document = match algorithm {
            Algorithm::EdDSA => Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()),
            _ => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).and_then(|pair| pair.to_pkcs8v1()),
        };
        let pkcs8 = document.map_err(Error::internal)?.as_ref().to_vec().into();
        Ok(Self { algorithm, pkcs8 })
    }

    fn encoding(&self) -> EncodingKey {
        let der = self.pkcs8.expose_secret();
        if self.algorithm == Algorithm::EdDSA { EncodingKey::from_ed_der(der) } else { EncodingKey::from_ec_der(der) }
    }

    /// The public half.
    pub fn jwk(&self) -> Result<Jwk> {
        Jwk::from_encoding_key(&self.encoding(), self.algorithm).map_err(Error::internal)
    }

    /// A JWS in compact form; the proof of a call carries the public key in its header (RFC 9449 section 4.2).
    pub fn sign(&self, typ: &str, with_key: bool, claims: &impl Serialize) -> Result<String> {
        let mut header = Header::new(self.algorithm);
        header.typ = Some(typ.into());
        header.jwk = with_key.then(|| self.jwk()).transpose()?;
        jsonwebtoken::encode(&header, claims, &self.encoding()).map_err(Error::internal)
    }
}

fn failed(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::invalid("--key-file", format!("{}: {error}", path.display()))
}

/// Makes the file, for the owner's eyes only; one that is there already is left alone.
pub fn reserve(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| failed(path, error))
}

pub fn forget(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|error| failed(path, error))
}

/// Writes into the file that was made for it.
pub fn save(path: &Path, key: &SecretKey, account: &Account) -> Result<()> {
    let private_key = STANDARD.encode(key.pkcs8.expose_secret());
    let kept = Kept { algorithm: key.algorithm, private_key, account: account.clone() };
    let text = Zeroizing::new(serde_json::to_vec_pretty(&kept).map_err(Error::internal)?);
    let mut file = OpenOptions::new().write(true).truncate(true).open(path).map_err(|error| failed(path, error))?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(|error| failed(path, error))
}

pub fn load(path: &Path) -> Result<(SecretKey, Account)> {
    let file = File::open(path).map_err(|error| failed(path, error))?;
    let kept: Kept = serde_json::from_reader(file).map_err(|error| failed(path, error))?;
    let pkcs8 = STANDARD.decode(&kept.private_key).map_err(|error| failed(path, error))?.into();
    Ok((SecretKey { algorithm: kept.algorithm, pkcs8 }, kept.account))
}
