//! An independent authenticator app: docs/authenticator-protocol.md, written from the text over aws-lc-rs and nothing of
//! the server's.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rekey::clock::{Clock, Entropy};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, TestApp};

pub enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    pub fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    /// RFC 8032's private key.
    pub fn ed25519_of(seed: &[u8]) -> Self {
        Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(seed).unwrap())
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    pub fn jwk(&self) -> Value {
        match self {
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
                json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
            }
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key())})
            }
        }
    }

    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// RFC 7515 section 7.1.
    pub fn jws(&self, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(self.signature(input.as_bytes())))
    }

    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        self.jws(&json!({"typ": typ, "alg": self.algorithm()}), claims)
    }

    /// The proof of a call.
    pub fn dpop(&self, claims: &Value) -> String {
        self.jws(&json!({"typ": "dpop+jwt", "alg": self.algorithm(), "jwk": self.jwk()}), claims)
    }

    /// The body of an activation.
    pub fn activation(&self, url: &str, seconds: i64, about: &Value) -> Value {
        let mut claims = about.clone();
        claims["htu"] = url.into();
        claims["iat"] = seconds.into();
        let mut body = about.clone();
        body["publicKey"] = self.jwk();
        body["proof"] = self.sign("rekey-activation+jwt", &claims).into();
        body
    }
}

/// The claims of the proof of a call made now.
pub fn call_claims(method: &str, url: &str, seconds: i64) -> Value {
    json!({"jti": Entropy::System.guid(), "htm": method, "htu": url, "iat": seconds})
}

/// A registered app.
pub struct Device {
    pub key: Key,
    pub id: String,
    pub url: String,
    http: reqwest::Client,
    clock: Clock,
}

pub fn activate_url(app: &TestApp) -> String {
    format!("{}/v1.0/authenticatorDevices/activate", app.base)
}

pub fn seconds(app: &TestApp) -> i64 {
    app.app.store.context().clock.now().seconds()
}

/// Begins a registration by an administrator; the activation code.
pub async fn begin(app: &TestApp, user: &str) -> String {
    let path = format!("/v1.0/users/{user}/authentication/microsoftAuthenticatorMethods");
    let begun = app.post(&path, json!({})).await.expect(201).json;
    begun["activationCode"].as_str().unwrap().to_owned()
}

/// Brings an activation code.
pub async fn activate(app: &TestApp, key: &Key, about: &Value) -> Answer {
    let url = activate_url(app);
    let body = key.activation(&url, seconds(app), about);
    Answer::of(app.http.post(url).json(&body)).await
}

impl Device {
    /// Registers a new app of a user.
    pub async fn register(app: &TestApp, user: &str, key: Key) -> Self {
        let about = json!({"activationCode": begin(app, user).await, "displayName": "Adele's phone"});
        Self::activated(app, key, &about).await
    }

    /// Registers a new app by its code.
    pub async fn activated(app: &TestApp, key: Key, about: &Value) -> Self {
        let device = activate(app, &key, about).await.expect(201).json;
        Self::at(app, key, device["deviceUrl"].as_str().unwrap())
    }

    /// An app that is registered already.
    pub fn at(app: &TestApp, key: Key, url: &str) -> Self {
        Self::new(app.http.clone(), app.app.store.context().clock.clone(), key, url)
    }

    pub fn new(http: reqwest::Client, clock: Clock, key: Key, url: &str) -> Self {
        let id = url.rsplit('/').next().unwrap().to_owned();
        Self { key, id, url: url.to_owned(), http, clock }
    }

    pub fn seconds(&self) -> i64 {
        self.clock.now().seconds()
    }

    /// A call below the device's address, with its proof.
    pub fn call(&self, method: Method, below: &str) -> RequestBuilder {
        let url = format!("{}{below}", self.url);
        let proof = self.key.dpop(&call_claims(method.as_str(), &url, self.seconds()));
        self.http.request(method, url).header("DPoP", proof)
    }

    /// The open requests.
    pub async fn requests(&self) -> Vec<Value> {
        let answer = Answer::of(self.call(Method::GET, "/requests")).await.expect(200);
        answer.json["value"].as_array().unwrap().clone()
    }

    /// The only open request.
    pub async fn request(&self) -> Value {
        let open = self.requests().await;
        assert_eq!(open.len(), 1, "{open:?}");
        open[0].clone()
    }

    /// What the device signs to answer.
    pub fn response(&self, request: &Value, decision: &str, number: Option<&str>) -> String {
        let mut claims = json!({"requestId": request["id"], "nonce": request["nonce"], "decision": decision});
        if let Some(number) = number {
            claims["number"] = number.into();
        }
        self.key.sign("rekey-push-answer+jwt", &claims)
    }

    pub fn send(&self, request: &Value, response: &str) -> RequestBuilder {
        let call = self.call(Method::POST, &format!("/requests/{}/answer", request["id"].as_str().unwrap()));
        call.json(&json!({"response": response}))
    }

    pub async fn approve(&self, request: &Value, number: &str) -> Answer {
        Answer::of(self.send(request, &self.response(request, "approve", Some(number)))).await
    }

    pub async fn deny(&self, request: &Value) -> Answer {
        Answer::of(self.send(request, &self.response(request, "deny", None))).await
    }
}
