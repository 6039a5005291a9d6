//! The keys of an application: how a signed text names one, and which of them signed it.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use super::jwt::{Jwt, PublicKey};
use crate::store::applications::{Application, KeyCredential};

/// A key as it is looked for and used.
struct Held<'a> {
    credential: &'a KeyCredential,
    der: Option<Vec<u8>>,
}

/// The SHA-1 thumbprint of a certificate in DER: its usual name, in upper-case hexadecimal.
pub fn thumbprint(der: &[u8]) -> String {
    data_encoding::HEXUPPER.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref())
}

/// The certificate of a credential, in DER.
pub fn certificate(credential: &KeyCredential) -> Option<Vec<u8>> {
    STANDARD.decode(credential.certificate.as_ref()?).ok()
}

impl Held<'_> {
    /// Whether the header of a text names this key: by the certificate's thumbprints (RFC 7515 sections 4.1.7 and
    /// 4.1.8), or by the id of the credential, of the JWK, or the thumbprint in `kid`. A text that names none may be
    /// signed by any.
    fn is_named_in(&self, jwt: &Jwt<'_>) -> bool {
        // Some libraries pad.
        let name = |name| jwt.header(name).map(|text| text.trim_end_matches('='));
        if let Some(x5t) = name("x5t#S256") {
            return self.der.as_ref().is_some_and(|der| URL_SAFE_NO_PAD.encode(digest(&SHA256, der)) == x5t);
        }
        let sha1 = |der: &Vec<u8>| URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, der));
        if let Some(x5t) = name("x5t") {
            return self.der.as_ref().is_some_and(|der| sha1(der) == x5t);
        }
        let Some(kid) = name("kid") else { return true };
        let in_jwk = self.credential.jwk.as_ref().and_then(|jwk| jwk["kid"].as_str());
        self.credential.key_id == kid
            || in_jwk.is_some_and(|held| held.trim_end_matches('=') == kid)
            || self.der.as_ref().is_some_and(|der| thumbprint(der).eq_ignore_ascii_case(kid) || sha1(der) == kid)
    }

    fn public_key(&self) -> Option<PublicKey> {
        match (&self.der, &self.credential.jwk) {
            (Some(der), _) => PublicKey::from_certificate(der),
            (None, Some(jwk)) => PublicKey::from_jwk(jwk),
            (None, None) => None,
        }
    }
}

/// The application's key that signed the text, whether or not the key is valid at this moment.
pub fn signer<'a>(application: &'a Application, jwt: &Jwt<'_>) -> Option<&'a KeyCredential> {
    let held = application.key_credentials.iter().map(|it| Held { credential: it, der: certificate(it) });
    let mut named = held.filter(|held| held.is_named_in(jwt));
    named.find(|held| held.public_key().is_some_and(|key| jwt.is_signed_by(&key))).map(|held| held.credential)
}
