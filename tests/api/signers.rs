//! Whoever signs JSON Web Tokens: written from RFC 7515, 7517 and 7518 over aws-lc-rs, and nothing of the server's.

use aws_lc_rs::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
    date_time_ymd,
};
use serde_json::{Value, json};

pub struct Signer {
    pair: KeyPair,
    /// Of the JWK.
    pub kid: String,
}

impl Signer {
    fn new(algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        Self { pair: KeyPair::generate_for(algorithm).unwrap(), kid: rekey::clock::Entropy::System.guid() }
    }

    pub fn rsa() -> Self {
        Self::new(&PKCS_RSA_SHA256)
    }

    pub fn p256() -> Self {
        Self::new(&PKCS_ECDSA_P256_SHA256)
    }

    pub fn p384() -> Self {
        Self::new(&PKCS_ECDSA_P384_SHA384)
    }

    pub fn ed25519() -> Self {
        Self::new(&PKCS_ED25519)
    }

    /// A self-signed certificate in DER, valid from the first day of the one year until that of the other.
    pub fn certificate(&self, from: i32, until: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.self_signed(&self.pair).unwrap().der().to_vec()
    }

    /// The public half.
    pub fn jwk(&self) -> Value {
        let raw = self.pair.public_key_raw();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = if self.pair.is_compatible(&PKCS_RSA_SHA256) {
            // RFC 8017 appendix A.1.1: a modulus of 256 bytes behind 9 bytes, and the exponent 65537 at the end.
            assert_eq!(raw.len(), 270);
            json!({"kty": "RSA", "n": text(&raw[9..265]), "e": text(&raw[267..])})
        } else if self.pair.is_compatible(&PKCS_ED25519) {
            json!({"kty": "OKP", "crv": "Ed25519", "x": text(raw)})
        } else {
            let size = raw.len() / 2;
            let curve = if size == 32 { "P-256" } else { "P-384" };
            json!({"kty": "EC", "crv": curve, "x": text(&raw[1..=size]), "y": text(&raw[size + 1..])})
        };
        jwk["kid"] = self.kid.as_str().into();
        jwk
    }

    /// A JWS by the algorithm that the header names.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = self.signature(header["alg"].as_str().unwrap(), input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn signature(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let (der, random) = (self.pair.serialized_der(), SystemRandom::new());
        let rsa = |padding: &'static dyn aws_lc_rs::signature::RsaEncoding| {
            let pair = rsa::KeyPair::from_pkcs8(der).unwrap();
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &random, message, &mut signature).unwrap();
            signature
        };
        match algorithm {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "ES256" => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).unwrap();
                pair.sign(&random, message).unwrap().as_ref().to_vec()
            }
            "ES384" => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der).unwrap();
                pair.sign(&random, message).unwrap().as_ref().to_vec()
            }
            "EdDSA" => Ed25519KeyPair::from_pkcs8(der).unwrap().sign(message).as_ref().to_vec(),
            // What a forger has: the public key, taken for a secret.
            "HS256" => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.pair.public_key_pem().as_bytes());
                hmac::sign(&key, message).as_ref().to_vec()
            }
            "none" => vec![],
            other => panic!("{other}"),
        }
    }
}

/// RFC 7515 section 4.1.7.
pub fn x5t(certificate: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate))
}

/// RFC 7515 section 4.1.8.
pub fn x5t_s256(certificate: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate))
}
