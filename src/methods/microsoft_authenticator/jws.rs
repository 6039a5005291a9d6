//! What devices sign: JSON Web Signatures (RFC 7515) in compact form, by the device's own key.
//!
//! The stored key fixes the algorithm (RFC 8725 section 3.1), and `typ` says what a signature is for, so that none
//! serves another purpose (section 3.11).

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::clock::Timestamp;

/// `typ` of the proof that a device makes a call (RFC 9449 section 4.2).
pub const DPOP: &str = "dpop+jwt";
/// `typ` of the proof of an activation.
pub const ACTIVATION: &str = "rekey-activation+jwt";
/// `typ` of the answer to a push request.
pub const ANSWER: &str = "rekey-push-answer+jwt";

/// How far a device's clock may be off, in seconds.
pub const MAX_SKEW_SECONDS: i64 = 60;
/// The longest signature, in characters.
pub const MAX_LENGTH: usize = 8 * 1024;

/// A public key as a JWK (RFC 7517), with what its kind needs and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum DeviceKey {
    /// ECDSA with P-256 and SHA-256: RFC 7518 section 6.2.
    #[serde(rename = "EC")]
    P256 { crv: P256, x: String, y: String },
    /// EdDSA with Ed25519: RFC 8037 section 2.
    #[serde(rename = "OKP")]
    Ed25519 { crv: Ed25519, x: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum P256 {
    #[serde(rename = "P-256")]
    Curve,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ed25519 {
    #[serde(rename = "Ed25519")]
    Curve,
}

impl DeviceKey {
    /// Reads a JWK. Members that are not needed are ignored (RFC 7517 section 4), a private one is refused. The error
    /// is a sentence for whoever sent it.
    pub fn parse(jwk: &Value) -> Result<Self, &'static str> {
        if jwk.get("d").is_some() {
            return Err("This is a private key: make a new one and send its public half only.");
        }
        let key =
            Self::deserialize(jwk).map_err(|_| "A key is a JWK with kty EC and crv P-256, or OKP and Ed25519.")?;
        let is_coordinate = |text: &str| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
        let is_whole = match &key {
            Self::P256 { x, y, .. } => is_coordinate(x) && is_coordinate(y),
            Self::Ed25519 { x, .. } => is_coordinate(x),
        };
        if is_whole { Ok(key) } else { Err("The coordinates of a key are 32 bytes each, base64url without padding.") }
    }

    /// The key with these 32 bytes.
    pub fn ed25519(public_key: &[u8]) -> Self {
        Self::Ed25519 { crv: Ed25519::Curve, x: URL_SAFE_NO_PAD.encode(public_key) }
    }

    /// The only algorithm that this key signs with.
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256 { .. } => Algorithm::ES256,
            Self::Ed25519 { .. } => Algorithm::EdDSA,
        }
    }

    fn decoding(&self) -> jsonwebtoken::errors::Result<DecodingKey> {
        match self {
            Self::P256 { x, y, .. } => DecodingKey::from_ec_components(x, y),
            Self::Ed25519 { x, .. } => DecodingKey::from_ed_components(x),
        }
    }
}

/// What a proof of a call says (RFC 9449 section 4.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DpopClaims {
    pub jti: String,
    /// The method of the call.
    pub htm: String,
    /// The address of the call, without the query.
    pub htu: String,
    /// Unix time in whole seconds.
    pub iat: i64,
}

/// What an app tells of itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activation {
    pub activation_code: String,
    pub display_name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phone_app_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wake_url: Option<String>,
}

/// What the proof of an activation says: all that the app tells of itself, and to whom.
#[derive(Clone, Serialize, Deserialize)]
pub struct ActivationClaims {
    pub htu: String,
    pub iat: i64,
    #[serde(flatten)]
    pub activation: Activation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    Approve,
    Deny,
}

/// What the answer to a push request says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerClaims {
    pub request_id: String,
    /// The request's own, so that an answer fits nothing else.
    pub nonce: String,
    pub decision: Decision,
    /// What the user typed; needed to approve.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub number: Option<String>,
}

/// The claims, if this key signed them for this purpose.
pub fn verify<T: DeserializeOwned>(key: &DeviceKey, typ: &str, token: &str) -> Option<T> {
    let header = header(token)?;
    // Nothing that a header may ask to be understood is (RFC 7515 section 4.1.11).
    if header["typ"] != typ || header.get("crit").is_some() {
        return None;
    }
    let mut validation = Validation::new(key.algorithm());
    // Times are compared elsewhere, with our own clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims = HashSet::new();
    jsonwebtoken::decode(token, &key.decoding().ok()?, &validation).ok().map(|decoded| decoded.claims)
}

/// The key that the proof of a call carries in its header.
pub fn key_in_header(token: &str) -> Option<DeviceKey> {
    DeviceKey::parse(header(token)?.get("jwk")?).ok()
}

fn header(token: &str) -> Option<Value> {
    let text = token.split('.').next().filter(|_| token.len() <= MAX_LENGTH)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// Whether something was signed just now.
pub fn is_fresh(iat: i64, now: Timestamp) -> bool {
    now.seconds().abs_diff(iat) <= MAX_SKEW_SECONDS.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 8037 appendix A.2 and RFC 7515 appendix A.3.1.
    const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const P256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const P256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    #[test]
    fn keys_are_read_or_refused() {
        let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X});
        let p256 = json!({"kty": "EC", "crv": "P-256", "x": P256_X, "y": P256_Y, "kid": "1", "ext": true, "key_ops": ["verify"]});
        assert_eq!(DeviceKey::parse(&ed25519).unwrap().algorithm(), Algorithm::EdDSA);
        assert_eq!(DeviceKey::parse(&p256).unwrap().algorithm(), Algorithm::ES256);
        for (change, value) in [
            ("kty", json!("RSA")),
            ("kty", json!("oct")),
            ("kty", json!("EC")),
            ("kty", json!(null)),
            ("crv", json!("X25519")),
            ("crv", json!("Ed448")),
            ("x", json!("")),
            ("x", json!(P256_X[1..])),
            ("x", json!(format!("{ED25519_X}="))),
            ("x", json!(1)),
            ("d", json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")),
        ] {
            let mut jwk = ed25519.clone();
            jwk[change] = value;
            assert!(DeviceKey::parse(&jwk).is_err(), "{jwk}");
        }
        for jwk in
            [json!(null), json!([]), json!("key"), json!({"kty": "EC", "crv": "P-384", "x": P256_X, "y": P256_Y})]
        {
            assert!(DeviceKey::parse(&jwk).is_err(), "{jwk}");
        }
    }

    /// RFC 8037 appendix A.4: a good signature, but for no purpose of ours.
    #[test]
    fn a_signature_serves_one_purpose() {
        let key = DeviceKey::parse(&json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X})).unwrap();
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(verify::<Value>(&key, DPOP, token).is_none());
        assert!(verify::<Value>(&key, "", "").is_none());
    }

    #[test]
    fn a_minute_is_now() {
        let now = Timestamp::from_seconds(1_000_000);
        assert!([999_940, 1_000_000, 1_000_060].iter().all(|iat| is_fresh(*iat, now)));
        assert!([999_939, 1_000_061, 0, i64::MIN, i64::MAX].iter().all(|iat| !is_fresh(*iat, now)));
    }
}
