//! Secrets at rest: XChaCha20-Poly1305 with a random nonce and the key's id in front.
//!
//! The associated data names the row a secret belongs to (tenant, user, method), so a ciphertext that is copied into
//! another row no longer opens. Key material and opened secrets are `secrecy` types: they have no `Display`, their
//! `Debug` is redacted, and they are wiped when dropped.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use zeroize::Zeroizing;

use crate::{
    clock::Entropy,
    error::{Error, Result},
};

const NONCE_BYTES: usize = 24;

/// Where the sealing keys come from. A key file holds one key per line, `id:64 hex digits`; the first line seals,
/// every line opens.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// The keys themselves, in the key file's format (from the environment).
    Text(SecretString),
    /// A file that must exist.
    File(PathBuf),
    /// A file that is made, with a fresh key and for the owner's eyes only, when it is missing.
    FileOrNew(PathBuf),
}

/// Seals and opens secrets. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<BTreeMap<String, XChaCha20Poly1305>>,
    current: String,
    derivation: hmac::Key,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Sealer {
    pub fn load(source: &KeySource, entropy: &Entropy) -> Result<Self> {
        let text = match source {
            KeySource::Text(text) => text.clone(),
            KeySource::File(path) => read_keys(path)?,
            KeySource::FileOrNew(path) if path.exists() => read_keys(path)?,
            KeySource::FileOrNew(path) => create_keys(path, entropy)?,
        };
        Self::from_text(text.expose_secret())
    }

    /// A sealer with one fresh key, for tests.
    pub fn generate(entropy: &Entropy) -> Result<Self> {
        Self::from_text(new_key_line(entropy).expose_secret())
    }

    fn from_text(text: &str) -> Result<Self> {
        let mut keys = BTreeMap::new();
        let mut current = None;
        let mut derivation = None;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let malformed = || Error::internal("a sealing key must be written as id:64 hex digits");
            let (id, hex) = line.split_once(':').ok_or_else(malformed)?;
            if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(malformed());
            }
            let bytes =
                Zeroizing::new(data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| malformed())?);
            let key = Key::try_from(bytes.as_slice()).map_err(|_| malformed())?;
            keys.insert(id.to_owned(), XChaCha20Poly1305::new(&key));
            current.get_or_insert_with(|| id.to_owned());
            derivation.get_or_insert_with(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        }
        match (current, derivation) {
            (Some(current), Some(derivation)) => Ok(Self { keys: Arc::new(keys), current, derivation }),
            _ => Err(Error::internal("the sealing key file holds no key")),
        }
    }

    /// A secret of this installation, the same whenever it is asked for: HMAC-SHA-256 of the label, base64url.
    pub fn derive(&self, label: &str) -> SecretString {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.derivation, label.as_bytes())).into()
    }

    /// A keyed digest of `parts`: tells equal from different, and is worth nothing to whoever steals the database.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> String {
        let mut mac = hmac::Context::with_key(&self.derivation);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        URL_SAFE_NO_PAD.encode(mac.sign())
    }

    /// Seals `secret` for the row named by `place`. The answer is text: `keyId.base64url(nonce || ciphertext)`.
    pub fn seal(&self, entropy: &Entropy, place: &[&str], secret: &[u8]) -> Result<String> {
        let nonce: [u8; NONCE_BYTES] = entropy.bytes();
        let cipher = &self.keys[&self.current];
        let payload = Payload { msg: secret, aad: &associated_data(place) };
        let mut sealed = nonce.to_vec();
        sealed.extend(cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| Error::internal("sealing failed"))?);
        Ok(format!("{}.{}", self.current, URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// True when the key that sealed this is loaded here, so that opening it tells whether it is genuine.
    pub fn has_key_of(&self, sealed: &str) -> bool {
        sealed.split_once('.').is_none_or(|(id, _)| self.keys.contains_key(id))
    }

    /// Opens what `seal` made for the same place; anything else is an internal error, for it means that rows were
    /// moved, damaged, or sealed with a key that is not here.
    pub fn open(&self, place: &[&str], sealed: &str) -> Result<SecretSlice<u8>> {
        let broken =
            |why: &str| Error::internal(format!("a sealed secret of {} cannot be opened: {why}", place.join("/")));
        let (id, text) = sealed.split_once('.').ok_or_else(|| broken("malformed"))?;
        let cipher = self.keys.get(id).ok_or_else(|| broken("its sealing key is not loaded"))?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| broken("malformed"))?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(|| broken("malformed"))?;
        let payload = Payload { msg: ciphertext, aad: &associated_data(place) };
        let opened = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| broken("wrong key or wrong place"))?;
        Ok(opened.into())
    }
}

/// Joins with a separator that no id contains, so that ("ab","c") and ("a","bc") differ.
fn associated_data(place: &[&str]) -> Vec<u8> {
    place.join("\0").into_bytes()
}

fn new_key_line(entropy: &Entropy) -> SecretString {
    let id = entropy.text(b"0123456789abcdef", 8);
    let key = Zeroizing::new(entropy.bytes::<32>());
    format!("{id}:{}\n", data_encoding::HEXLOWER.encode(key.as_slice())).into()
}

fn read_keys(path: &Path) -> Result<SecretString> {
    let text = std::fs::read_to_string(path);
    text.map(SecretString::from)
        .map_err(|error| Error::internal(format!("the sealing key file {}: {error}", path.display())))
}

/// Written whole under another name and then linked into place: of two processes that start together one wins, and
/// both read the winner's key.
fn create_keys(path: &Path, entropy: &Entropy) -> Result<SecretString> {
    let failed = |error: std::io::Error| {
        Error::internal(format!("the sealing key file {} cannot be made: {error}", path.display()))
    };
    let draft = path.with_extension(format!("draft-{}", entropy.text(b"0123456789abcdef", 16)));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft).map_err(failed)?;
    file.write_all(new_key_line(entropy).expose_secret().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft).map_err(failed)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => read_keys(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_only_in_its_own_place() {
        let entropy = Entropy::seeded(1);
        let sealer = Sealer::generate(&entropy).unwrap();
        let sealed = sealer.seal(&entropy, &["tenant", "user", "method"], b"secret").unwrap();
        assert_eq!(sealer.open(&["tenant", "user", "method"], &sealed).unwrap().expose_secret(), b"secret");
        assert!(sealer.open(&["tenant", "user", "other"], &sealed).is_err());
        assert!(Sealer::generate(&entropy).unwrap().open(&["tenant", "user", "method"], &sealed).is_err());
        let mut damaged = sealed.clone();
        let last = if damaged.pop() == Some('A') { 'B' } else { 'A' };
        damaged.push(last);
        assert!(sealer.open(&["tenant", "user", "method"], &damaged).is_err());
        assert!(!format!("{sealer:?}").contains("secret"));
    }

    #[test]
    fn the_key_file_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let source = KeySource::FileOrNew(folder.path().join("rekey.key"));
        let entropy = Entropy::System;
        let first = Sealer::load(&source, &entropy).unwrap();
        let second = Sealer::load(&source, &entropy).unwrap();
        let sealed = first.seal(&entropy, &["a"], b"x").unwrap();
        assert_eq!(second.open(&["a"], &sealed).unwrap().expose_secret(), b"x");
    }
}
