//! An independent authenticator and browser (1Password's `passkey`), each with one passkey.
#![allow(dead_code, reason = "every test binary uses its own part")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use passkey::{
    authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod},
    client::{Client, DefaultClientData},
    crypto::aws_lc_rs::AwsLcRsBackend,
    types::{
        Passkey,
        ctap2::{Aaguid, Ctap2Error},
        webauthn::{CredentialCreationOptions, CredentialRequestOptions},
    },
};
use serde_json::{Value, json};
use url::Url;

/// Somebody's authenticator at one site. A clone is a copy of the key with the counter of that moment.
#[derive(Clone)]
pub struct VirtualPasskey {
    /// The page that asks.
    pub origin: Url,
    pub aa_guid: [u8; 16],
    /// Whether the user shows a PIN or a finger.
    pub verifies: bool,
    /// Whether signatures are counted.
    pub counts: bool,
    pub key: Option<Passkey>,
}

impl VirtualPasskey {
    /// At the server with this address; a page at `127.0.0.1` could not use passkeys.
    pub fn at(base: &str) -> Self {
        let origin = Url::parse(&base.replace("127.0.0.1", "localhost")).unwrap();
        Self { origin, aa_guid: [7; 16], verifies: true, counts: false, key: None }
    }

    pub fn counting(mut self) -> Self {
        self.counts = true;
        self
    }

    /// `navigator.credentials.create` with a server's `PublicKeyCredentialCreationOptionsJSON`; its `toJSON()`.
    pub async fn create(&mut self, options: &Value) -> Value {
        let mut options = json!({ "publicKey": options });
        if !self.verifies {
            options["publicKey"]["authenticatorSelection"]["userVerification"] = json!("discouraged");
        }
        let request: CredentialCreationOptions = serde_json::from_value(options).unwrap();
        let mut client = Client::new(self.authenticator()).allows_insecure_localhost(true);
        let made = client.register(&self.origin, request, DefaultClientData).await.unwrap();
        self.key = client.authenticator().store().clone();
        let response = json!({
            "clientDataJSON": encode(&made.response.client_data_json),
            "attestationObject": encode(&made.response.attestation_object),
            "authenticatorData": encode(&made.response.authenticator_data),
            "transports": ["internal"],
            "publicKey": made.response.public_key.as_ref().map(|key| encode(key)),
            "publicKeyAlgorithm": made.response.public_key_algorithm,
        });
        credential(&made.id, response)
    }

    /// `navigator.credentials.get` with a server's `PublicKeyCredentialRequestOptionsJSON`; its `toJSON()`.
    pub async fn get(&mut self, options: &Value) -> Value {
        let mut options = json!({ "publicKey": options });
        if !self.verifies {
            options["publicKey"]["userVerification"] = json!("discouraged");
        }
        let request: CredentialRequestOptions = serde_json::from_value(options).unwrap();
        let mut client = Client::new(self.authenticator()).allows_insecure_localhost(true);
        let made = client.authenticate(&self.origin, request, DefaultClientData).await.unwrap();
        self.key = client.authenticator().store().clone();
        let response = json!({
            "clientDataJSON": encode(&made.response.client_data_json),
            "authenticatorData": encode(&made.response.authenticator_data),
            "signature": encode(&made.response.signature),
            "userHandle": made.response.user_handle.as_ref().map(|handle| encode(handle)),
        });
        credential(&made.id, response)
    }

    fn authenticator(&self) -> Authenticator<Option<Passkey>, Finger, AwsLcRsBackend> {
        let mut authenticator =
            Authenticator::new(Aaguid::from(self.aa_guid), self.key.clone(), Finger, AwsLcRsBackend);
        authenticator.set_make_credentials_with_signature_counter(self.counts);
        authenticator
    }
}

/// `PublicKeyCredential.toJSON()` around what an authenticator answered.
fn credential(id: &str, response: Value) -> Value {
    json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "response": response,
        "clientExtensionResults": {},
    })
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The user is there, and is verified when asked.
struct Finger;

#[async_trait::async_trait]
impl UserValidationMethod for Finger {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _: UiHint<'a, Passkey>,
        presence: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence, verification })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}
