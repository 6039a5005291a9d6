//! Reads PSKC (RFC 6030), the XML file in which vendors deliver the secrets of their tokens: in the clear, encrypted
//! with a key that was handed over apart, or with a password. Knows no database.
//!
//! One `KeyPackage` at a time is in memory, however long the file is. Elements are known by their local names: vendors
//! differ in prefixes and even in namespaces. Signatures over the file are not checked.

use std::io::BufRead;

use secrecy::{SecretSlice, SecretString};

use super::Parsed;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

mod crypto;
mod package;
mod xml;

pub use crypto::Keys;
use xml::{Container, Element};

/// Keys of one file.
const MAX_PACKAGES: usize = 1_000_000;

/// What opens the encrypted values of a file.
pub enum FileKey {
    None,
    PreShared(SecretSlice<u8>),
    Password(SecretString),
}

impl FileKey {
    /// Reads a pre-shared key: 128, 192 or 256 bits in hexadecimal, blanks ignored.
    pub fn from_hex(text: &SecretString) -> Result<Self> {
        crypto::read_hex(text)
            .map(Self::PreShared)
            .ok_or_else(|| refuse("A pre-shared key is 32, 48 or 64 hexadecimal digits."))
    }
}

/// Why a key cannot be had.
enum Failure {
    /// This one only.
    Key(String),
    /// The whole file cannot be trusted or opened.
    File(&'static str),
}

impl From<&'static str> for Failure {
    fn from(reason: &'static str) -> Self {
        Self::Key(reason.into())
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Key(reason)
    }
}

fn refuse(message: impl Into<String>) -> Error {
    Error::invalid("file", message)
}

/// Reads a file from end to end and keeps nothing but the keys that open its values. A file that is no PSKC, breaks off,
/// cannot be opened with `key` or holds a value that was changed is refused whole.
pub fn check(file: impl BufRead, key: &FileKey, now: Timestamp) -> Result<Option<Keys>> {
    let mut container = Container::open(file)?;
    let (mut encryption_key, mut mac_method, mut unlocked, mut packages) = (None, None, None, 0);
    while let Some((line, element)) = container.next_child()? {
        match element.name() {
            "EncryptionKey" => encryption_key = Some(element),
            "MACMethod" => mac_method = Some(element),
            "KeyPackage" => {
                packages += 1;
                if packages > MAX_PACKAGES {
                    return Err(refuse(format!("A file has at most {MAX_PACKAGES} keys; split it.")));
                }
                // Both stand before the first package (RFC 6030 section 4).
                let keys = match &unlocked {
                    Some(keys) => keys,
                    None => unlocked
                        .insert(Keys::unlock(encryption_key.as_ref(), mac_method.as_ref(), key).map_err(refuse)?),
                };
                if let Err(Failure::File(reason)) = package::device(&element, keys.as_ref(), now) {
                    return Err(in_line(line, reason));
                }
            }
            // Signature and extensions.
            _ => {}
        }
    }
    Ok(unlocked.flatten())
}

fn in_line(line: u64, reason: &str) -> Error {
    refuse(format!("{reason} (The key that begins in line {line}.)"))
}

/// The keys of a file that was checked: where each package begins, and the token or what is wrong with it.
pub struct Packages<R> {
    container: Container<R>,
    keys: Option<Keys>,
    now: Timestamp,
}

impl<R: BufRead> Packages<R> {
    pub fn open(file: R, keys: Option<Keys>, now: Timestamp) -> Result<Self> {
        Ok(Self { container: Container::open(file)?, keys, now })
    }

    fn device(&self, line: u64, package: &Element) -> Result<Parsed> {
        match package::device(package, self.keys.as_ref(), self.now) {
            Ok(device) => Ok((line, Ok(device))),
            Err(Failure::Key(reason)) => Ok((line, Err(reason))),
            Err(Failure::File(reason)) => Err(in_line(line, reason)),
        }
    }
}

impl<R: BufRead> Iterator for Packages<R> {
    type Item = Result<Parsed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.container.next_child() {
                Err(error) => return Some(Err(error)),
                Ok(None) => return None,
                Ok(Some((line, element))) if element.name() == "KeyPackage" => {
                    return Some(self.device(line, &element));
                }
                Ok(Some(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
