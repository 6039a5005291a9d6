//! The encrypted values of a PSKC file (RFC 6030 section 6): AES-CBC of XML Encryption under a pre-shared key or one
//! that PBKDF2 makes of a password. CBC proves nothing by itself, so every value's MAC is checked before it is decrypted.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{
        AES_128, AES_192, AES_256, AES_CBC_IV_LEN, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
    },
    hmac,
    iv::FixedLength,
    pbkdf2,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use zeroize::Zeroizing;

use super::{Failure, FileKey, xml::Element};

/// The most rounds of PBKDF2 that a file may ask for: some seconds of one core.
const MAX_ITERATIONS: u32 = 10_000_000;
/// The longest salt, in bytes.
const MAX_SALT_BYTES: usize = 1024;
/// What AES takes, in bytes.
const KEY_BYTES: [usize; 3] = [16, 24, 32];

const WRONG_KEY: &str = "The key or password is wrong, or the file was changed.";

/// What opens the values of one file.
pub struct Keys {
    cipher: SecretSlice<u8>,
    mac: hmac::Key,
}

/// A key in hexadecimal; `None` if it is none for AES.
pub fn read_hex(text: &SecretString) -> Option<SecretSlice<u8>> {
    let digits: Zeroizing<String> = Zeroizing::new(text.expose_secret().split_ascii_whitespace().collect());
    let key = Zeroizing::new(HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?);
    KEY_BYTES.contains(&key.len()).then(|| key.to_vec().into())
}

/// `xsd:base64Binary`, which may be broken into lines.
pub fn base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
    STANDARD.decode(text.as_bytes()).ok().map(Zeroizing::new)
}

/// What stands behind the `#` of an algorithm's name: vendors and versions of the standards differ in what is before,
/// and some write the name into the element.
fn algorithm(element: Option<&Element>) -> Option<&str> {
    let element = element?;
    let name = element.attribute("Algorithm").unwrap_or_else(|| element.text());
    name.rsplit('#').next().filter(|name| !name.is_empty())
}

impl Keys {
    /// Makes the keys that a file's `EncryptionKey` and `MACMethod` ask for. `None` for a file that encrypts nothing. The
    /// error is a sentence about the whole file.
    pub(super) fn unlock(
        encryption_key: Option<&Element>,
        mac_method: Option<&Element>,
        key: &FileKey,
    ) -> Result<Option<Self>, &'static str> {
        let Some(encryption_key) = encryption_key else { return Ok(None) };
        let cipher = cipher_key(encryption_key, key)?;
        let mac_method = mac_method
            .ok_or("The file is encrypted without a MACMethod, so nobody can tell whether it was changed.")?;
        let mac_algorithm = match algorithm(Some(mac_method)) {
            Some("hmac-sha1") => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Some("hmac-sha224") => hmac::HMAC_SHA224,
            Some("hmac-sha256") => hmac::HMAC_SHA256,
            Some("hmac-sha384") => hmac::HMAC_SHA384,
            Some("hmac-sha512") => hmac::HMAC_SHA512,
            _ => return Err("The file's MACMethod is not supported; HMAC with SHA-1 or SHA-2 is."),
        };
        let mac = match mac_method.at(&["MACKey"]) {
            Some(mac_key) => {
                let (method, mut value) = encrypted(mac_key).ok_or("The file's MACKey cannot be read.")?;
                let key = decrypt(method, &cipher, &mut value).map_err(|failure| match failure {
                    CannotDecrypt::Unsupported => {
                        "The file's MACKey is encrypted by an algorithm that is not supported; AES-CBC is."
                    }
                    CannotDecrypt::Wrong => WRONG_KEY,
                })?;
                hmac::Key::new(mac_algorithm, key)
            }
            // Then it is the encryption key.
            None => hmac::Key::new(mac_algorithm, cipher.expose_secret()),
        };
        Ok(Some(Self { cipher, mac }))
    }

    /// Opens an `EncryptedValue`, once its `ValueMAC` is found right.
    pub(super) fn open(&self, value: &Element, mac: Option<&Element>) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let (method, mut value) = encrypted(value).ok_or("The encrypted value cannot be read.")?;
        let mac = mac.and_then(|mac| base64(mac.text())).ok_or("The encrypted value has no ValueMAC.")?;
        hmac::verify(&self.mac, &value, &mac).map_err(|_| Failure::File(WRONG_KEY))?;
        match decrypt(method, &self.cipher, &mut value) {
            Ok(plain) => Ok(Zeroizing::new(plain.to_vec())),
            Err(CannotDecrypt::Unsupported) => {
                Err("The value is encrypted by an algorithm that is not supported; AES-CBC is.".into())
            }
            Err(CannotDecrypt::Wrong) => Err("The value cannot be decrypted.".into()),
        }
    }
}

fn cipher_key(encryption_key: &Element, key: &FileKey) -> Result<SecretSlice<u8>, &'static str> {
    match (encryption_key.at(&["DerivedKey"]), key) {
        (_, FileKey::None) => {
            Err("The file is encrypted: import it with 'rekey hardware-oath import' and --key-file or --password-file.")
        }
        (Some(derived), FileKey::Password(password)) => derive(derived, password),
        (Some(_), FileKey::PreShared(_)) => Err("The file is protected by a password: import it with --password-file."),
        (None, _) if encryption_key.at(&["X509Data"]).is_some() => {
            Err("The file is encrypted for a certificate, which is not supported; a pre-shared key or a password is.")
        }
        (None, FileKey::PreShared(key)) => Ok(key.clone()),
        (None, FileKey::Password(_)) => {
            Err("The file is encrypted with a pre-shared key, not with a password: import it with --key-file.")
        }
    }
}

/// PBKDF2 (RFC 8018 section 5.2) as the file describes it.
fn derive(derived: &Element, password: &SecretString) -> Result<SecretSlice<u8>, &'static str> {
    let method = derived.at(&["KeyDerivationMethod"]);
    if algorithm(method) != Some("pbkdf2") {
        return Err("The file's KeyDerivationMethod is not supported; PBKDF2 is.");
    }
    let parameters = method.and_then(|method| method.at(&["PBKDF2-params"])).ok_or("The PBKDF2-params are missing.")?;
    let salt = parameters.text_at(&["Salt", "Specified"]).and_then(base64);
    let salt = salt.filter(|salt| (1..=MAX_SALT_BYTES).contains(&salt.len())).ok_or("The salt cannot be read.")?;
    let iterations = parameters.text_at(&["IterationCount"]).and_then(|text| text.parse::<NonZeroU32>().ok());
    let iterations = iterations
        .filter(|count| count.get() <= MAX_ITERATIONS)
        .ok_or("The IterationCount of PBKDF2 is from 1 to 10000000.")?;
    // RFC 8018 lets it be left out; then it is what the commonest cipher takes, AES-128.
    let length = parameters.text_at(&["KeyLength"]).map_or(Ok(KEY_BYTES[0]), str::parse::<usize>).ok();
    let length =
        length.filter(|length| KEY_BYTES.contains(length)).ok_or("The KeyLength of PBKDF2 is 16, 24 or 32.")?;
    let prf = match algorithm(parameters.at(&["PRF"])) {
        None | Some("hmac-sha1") => pbkdf2::PBKDF2_HMAC_SHA1,
        Some("hmac-sha256") => pbkdf2::PBKDF2_HMAC_SHA256,
        Some("hmac-sha384") => pbkdf2::PBKDF2_HMAC_SHA384,
        Some("hmac-sha512") => pbkdf2::PBKDF2_HMAC_SHA512,
        Some(_) => return Err("The PRF of PBKDF2 is not supported; HMAC with SHA-1, SHA-256, SHA-384 or SHA-512 is."),
    };
    let mut key = Zeroizing::new(vec![0; length]);
    pbkdf2::derive(prf, iterations, &salt, password.expose_secret().as_bytes(), &mut key);
    Ok(key.to_vec().into())
}

/// The method and the bytes (initialization vector and ciphertext) of an `EncryptedDataType` of XML Encryption.
fn encrypted(element: &Element) -> Option<(Option<&str>, Zeroizing<Vec<u8>>)> {
    let value = element.text_at(&["CipherData", "CipherValue"]).and_then(base64)?;
    Some((algorithm(element.at(&["EncryptionMethod"])), value))
}

enum CannotDecrypt {
    Unsupported,
    Wrong,
}

/// In place. The padding of XML Encryption section 5.2: only its last byte, the length, means something.
fn decrypt<'a>(
    method: Option<&str>,
    key: &SecretSlice<u8>,
    value: &'a mut [u8],
) -> Result<&'a mut [u8], CannotDecrypt> {
    let cipher = match method {
        Some("aes128-cbc") => &AES_128,
        Some("aes192-cbc") => &AES_192,
        Some("aes256-cbc") => &AES_256,
        _ => return Err(CannotDecrypt::Unsupported),
    };
    let wrong = |_| CannotDecrypt::Wrong;
    let (iv, ciphertext) = value.split_first_chunk_mut::<AES_CBC_IV_LEN>().ok_or(CannotDecrypt::Wrong)?;
    let context = DecryptionContext::Iv128(FixedLength::from(&*iv));
    let key = UnboundCipherKey::new(cipher, key.expose_secret()).map_err(wrong)?;
    PaddedBlockDecryptingKey::cbc_iso10126(key).and_then(|key| key.decrypt(ciphertext, context)).map_err(wrong)
}
