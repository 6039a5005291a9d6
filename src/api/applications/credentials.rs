//! What is sent of single secrets and keys: how they are added and removed.

use poem_openapi::{Object, types::Example};

use super::bodies::{KeyCredentialBody, Moment};
use crate::{
    api::{examples, strict_json::text},
    applications::{key_credentials::KeyInput, secrets::SecretRequest},
    clock::Timestamp,
    error::{Error, Result},
};

/// What to call the secret, and how long it shall work.
#[derive(Debug, Object)]
#[oai(rename = "PasswordCredentialRequest", rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordCredentialBody {
    #[oai(validator(max_length = 256))]
    display_name: Option<String>,
    /// Default: now.
    start_date_time: Moment,
    /// Default: after 180 days. At most 730 days ahead.
    end_date_time: Moment,
}

/// A secret to be.
#[derive(Debug, Object)]
#[oai(rename = "AddPassword", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct AddPasswordBody {
    password_credential: Option<PasswordCredentialBody>,
}

impl Example for AddPasswordBody {
    fn example() -> Self {
        let display_name = Some("CI runner".into());
        Self {
            password_credential: Some(PasswordCredentialBody {
                display_name,
                start_date_time: None,
                end_date_time: None,
            }),
        }
    }
}

impl AddPasswordBody {
    pub fn parse(self) -> SecretRequest {
        let Some(asked) = self.password_credential else { return SecretRequest::default() };
        SecretRequest {
            display_name: asked.display_name,
            start_date_time: asked.start_date_time.map(Timestamp::from),
            end_date_time: asked.end_date_time.map(Timestamp::from),
        }
    }
}

/// Which secret shall go.
#[derive(Debug, Object)]
#[oai(rename = "RemovePassword", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct RemovePasswordBody {
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    pub key_id: String,
}

impl Example for RemovePasswordBody {
    fn example() -> Self {
        Self { key_id: examples::application_secret() }
    }
}

/// What a proof looks like: three parts of base64url. It is signed anew for every call.
const PROOF: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiIuLi4iLCJhdWQiOiIuLi4iLCJleHAiOjB9.c2lnbmF0dXJl";

/// A key to be, and the proof that the caller holds one.
#[derive(Debug, Object)]
#[oai(rename = "AddKey", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct AddKeyBody {
    pub key_credential: KeyCredentialBody,
    /// Always null: the types of keys that need a password are not known here.
    password_credential: Option<PasswordCredentialBody>,
    /// A JWT signed by one of the application's keys: `iss` the application's id, `aud`
    /// `00000002-0000-0000-c000-000000000000` or the URL of this server, `exp` within ten minutes.
    #[oai(validator(max_length = 16384), deserialize_with = "text")]
    pub proof: String,
}

impl Example for AddKeyBody {
    fn example() -> Self {
        Self { key_credential: KeyCredentialBody::public_key(), password_credential: None, proof: PROOF.into() }
    }
}

impl AddKeyBody {
    pub fn parse(self) -> Result<(KeyInput, String)> {
        if self.password_credential.is_some() {
            return Err(Error::invalid_user("passwordCredential", "passwordCredential is null for this type of key."));
        }
        Ok((self.key_credential.parse()?, self.proof))
    }
}

/// Which key shall go, and the proof that the caller holds one.
#[derive(Debug, Object)]
#[oai(rename = "RemoveKey", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct RemoveKeyBody {
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    pub key_id: String,
    /// As in `addKey`.
    #[oai(validator(max_length = 16384), deserialize_with = "text")]
    pub proof: String,
}

impl Example for RemoveKeyBody {
    fn example() -> Self {
        Self { key_id: examples::application_key(), proof: PROOF.into() }
    }
}
