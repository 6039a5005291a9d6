//! JSON Web Tokens that others sign (RFC 7519), read as RFC 8725 wants it: the key says which algorithms it may be used
//! with, never the token.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::CLOCK_SKEW_SECONDS;
use crate::clock::Timestamp;

/// No token is longer, in bytes.
pub const MAX_LENGTH: usize = 16 * 1024;
/// No token lives longer from now on, in seconds.
pub const MAX_LIFETIME_SECONDS: i64 = 24 * 60 * 60;
/// RSA moduli, in bytes: 2048 to 8192 bits.
const RSA_MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// With padding or without.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A public key that checks signatures.
#[derive(Clone)]
pub struct PublicKey {
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

const RSA: &[Algorithm] = &[Algorithm::RS256, Algorithm::PS256];
const P256: &[Algorithm] = &[Algorithm::ES256];
const P384: &[Algorithm] = &[Algorithm::ES384];
const ED25519: &[Algorithm] = &[Algorithm::EdDSA];

impl PublicKey {
    fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let modulus = &modulus[modulus.iter().position(|byte| *byte != 0)?..];
        let exponent = &exponent[exponent.iter().position(|byte| *byte != 0)?..];
        let is_usual = RSA_MODULUS.contains(&modulus.len()) && exponent.len() <= 8;
        is_usual.then(|| Self { algorithms: RSA, key: DecodingKey::from_rsa_raw_components(modulus, exponent) })
    }

    /// `point` is uncompressed (SEC 1 section 2.3.3).
    fn elliptic(point: &[u8]) -> Option<Self> {
        let algorithms = match (point.first(), point.len()) {
            (Some(4), 65) => P256,
            (Some(4), 97) => P384,
            _ => return None,
        };
        Some(Self { algorithms, key: DecodingKey::from_ec_der(point) })
    }

    fn ed25519(key: &[u8]) -> Option<Self> {
        (key.len() == 32).then(|| Self { algorithms: ED25519, key: DecodingKey::from_ed_der(key) })
    }

    /// Reads a JWK (RFC 7517): RSA of 2048 bits or more, P-256, P-384 or Ed25519, meant for signatures, public only.
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        let is_public = ["d", "p", "q", "k"].iter().all(|name| jwk.get(name).is_none());
        let is_for_signatures = jwk.get("use").is_none_or(|usage| usage == "sig");
        if !is_public || !is_for_signatures {
            return None;
        }
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
        let key = match (jwk["kty"].as_str()?, jwk["crv"].as_str()) {
            ("RSA", _) => Self::rsa(&bytes("n")?, &bytes("e")?),
            ("EC", Some(curve @ ("P-256" | "P-384"))) => {
                let (x, y, size) = (bytes("x")?, bytes("y")?, if curve == "P-256" { 32 } else { 48 });
                let is_whole = x.len() == size && y.len() == size;
                Self::elliptic(&[&[4][..], &x, &y].concat()).filter(|_| is_whole)
            }
            ("OKP", Some("Ed25519")) => Self::ed25519(&bytes("x")?),
            _ => None,
        }?;
        // A key that says for which algorithm it is (RFC 7517 section 4.4) is for no other.
        match jwk["alg"].as_str() {
            None => Some(key),
            Some(name) => {
                let place = key.algorithms.iter().position(|algorithm| name_of(*algorithm) == name)?;
                Some(Self { algorithms: &key.algorithms[place..=place], ..key })
            }
        }
    }

    /// The key of a certificate (RFC 5280), in DER.
    pub fn from_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.public_key();
        match subject.algorithm.algorithm.to_id_string().as_str() {
            // rsaEncryption, id-ecPublicKey, id-Ed25519.
            "1.2.840.113549.1.1.1" => match subject.parsed().ok()? {
                x509_parser::public_key::PublicKey::RSA(key) => Self::rsa(key.modulus, key.exponent),
                _ => None,
            },
            "1.2.840.10045.2.1" => {
                let curve = subject.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
                let size = match curve.as_str() {
                    "1.2.840.10045.3.1.7" => 65,
                    "1.3.132.0.34" => 97,
                    _ => return None,
                };
                let point = &subject.subject_public_key.data;
                Self::elliptic(point).filter(|_| point.len() == size)
            }
            "1.3.101.112" => Self::ed25519(&subject.subject_public_key.data),
            _ => None,
        }
    }
}

const fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::PS256 => "PS256",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
        // None of our keys is used with another.
        _ => "",
    }
}

/// A token as it says itself to be: nothing of it is true before [`Jwt::is_signed_by`] says so.
#[derive(Debug)]
pub struct Jwt<'a> {
    text: &'a str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'a> Jwt<'a> {
    /// Reads a token in compact form. None when it is no such thing, too long, or asks to be understood in a way that
    /// is not (`crit`, RFC 7515 section 4.1.11). The standard wants no padding; Microsoft's asynchronous token library for
    /// Python writes it, and what was signed is the text as it came.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('.');
        let (header, claims) = (parts.next()?, parts.next()?);
        if text.len() > MAX_LENGTH || parts.next().is_none_or(str::is_empty) || parts.next().is_some() {
            return None;
        }
        let object = |part: &str| serde_json::from_slice(&BASE64_URL.decode(part).ok()?).ok();
        let this = Self { text, header: object(header)?, claims: object(claims)? };
        (!this.header.contains_key("crit")).then_some(this)
    }

    /// A text in the header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// A claim.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// A claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str()
    }

    /// A claim that is a moment, in whole seconds.
    pub fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.claim(name)?;
        // A moment may have fractions; far ones saturate.
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
    }

    /// `aud`: one text or several.
    pub fn audiences(&self) -> Vec<&str> {
        match self.claim("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        }
    }

    /// Whether the key signed the token, with an algorithm that fits the key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let named = self.header("alg").unwrap_or_default();
        let Some(algorithm) = key.algorithms.iter().find(|algorithm| name_of(**algorithm) == named) else {
            return false;
        };
        // Everything but the signature is compared elsewhere, times with our own clock.
        let Some((message, signature)) = self.text.rsplit_once('.') else { return false };
        crypto::verify(signature.trim_end_matches('='), message.as_bytes(), &key.key, *algorithm).unwrap_or(false)
    }

    /// When the token expires, if it may be used at this moment: it has not expired, lives no longer than
    /// [`MAX_LIFETIME_SECONDS`] from now, and was neither made nor meant for later than other clocks may be ahead.
    pub fn valid_until(&self, now: Timestamp) -> Option<Timestamp> {
        let (now, exp) = (now.seconds(), self.seconds("exp")?);
        let is_near = exp > now && exp.saturating_sub(now) <= MAX_LIFETIME_SECONDS;
        let has_begun = |name| match self.claim(name) {
            None => true,
            Some(_) => self.seconds(name).is_some_and(|at| at <= now.saturating_add(CLOCK_SKEW_SECONDS)),
        };
        (is_near && has_begun("nbf") && has_begun("iat")).then(|| Timestamp::from_seconds(exp))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn token(header: &Value, claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    #[test]
    fn only_public_keys_for_signatures_are_read() {
        // RFC 7517 appendix A.1 and RFC 8037 appendix A.2.
        let elliptic = json!({"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                              "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"});
        let edwards = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        assert_eq!(PublicKey::from_jwk(&elliptic).unwrap().algorithms, P256);
        assert_eq!(PublicKey::from_jwk(&edwards).unwrap().algorithms, ED25519);
        let modulus = URL_SAFE_NO_PAD.encode([0xc1; 256]);
        let rsa = json!({"kty": "RSA", "n": modulus, "e": "AQAB"});
        assert_eq!(PublicKey::from_jwk(&rsa).unwrap().algorithms, RSA);
        for (key, name, value) in [
            (&elliptic, "use", "enc"),
            (&elliptic, "alg", "HS256"),
            (&elliptic, "alg", "ES384"),
            (&elliptic, "crv", "P-384"),
            (&elliptic, "crv", "secp256k1"),
            (&elliptic, "d", "x"),
            (&elliptic, "x", "AAAA"),
            (&edwards, "crv", "X25519"),
            (&rsa, "n", "AQAB"),
            (&rsa, "e", ""),
            (&rsa, "kty", "oct"),
            (&rsa, "alg", "RSA-OAEP"),
        ] {
            let mut changed = key.clone();
            changed[name] = value.into();
            assert!(PublicKey::from_jwk(&changed).is_none(), "{changed}");
        }
        let mut one = rsa.clone();
        one["alg"] = "PS256".into();
        assert_eq!(PublicKey::from_jwk(&one).unwrap().algorithms, [Algorithm::PS256]);
    }

    #[test]
    fn times_are_ours_to_judge() {
        let now = Timestamp::from_seconds(1_000_000);
        let until = |claims: Value| {
            let text = token(&json!({"alg": "ES256"}), &claims);
            Jwt::parse(&text).unwrap().valid_until(now).map(Timestamp::seconds)
        };
        assert_eq!(until(json!({"exp": 1_000_001})), Some(1_000_001));
        assert_eq!(until(json!({"exp": 1_000_600.5, "nbf": 1_000_300, "iat": 1_000_300})), Some(1_000_600));
        assert_eq!(until(json!({"exp": 1_086_400})), Some(1_086_400));
        for wrong in [
            json!({}),
            json!({"exp": "1000600"}),
            json!({"exp": 1_000_000}),
            json!({"exp": 1_086_401}),
            json!({"exp": 1e300}),
            json!({"exp": 1_000_600, "nbf": 1_000_301}),
            json!({"exp": 1_000_600, "iat": 1_000_301}),
            json!({"exp": 1_000_600, "iat": "then"}),
        ] {
            assert_eq!(until(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_refused() {
        assert!(Jwt::parse(&token(&json!({"alg": "ES256", "crit": ["b64"]}), &json!({}))).is_none());
        for wrong in ["", "a.b", "e30.e30.", "e30.e30.x.y", "e30.W10.x", "W10.e30.x"] {
            assert!(Jwt::parse(wrong).is_none(), "{wrong}");
        }
        assert!(Jwt::parse("e30.e30.x").is_some());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", header in "[A-Za-z0-9_-]{0,40}", claims in "[A-Za-z0-9_-]{0,40}") {
            let _ = Jwt::parse(&text);
            let _ = Jwt::parse(&format!("{header}.{claims}.x"));
        }

        #[test]
        fn no_certificate_panics(der in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = PublicKey::from_certificate(&der);
        }
    }
}
