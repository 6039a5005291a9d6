//! What is sent and shown of applications.

use poem_openapi::{
    Object,
    types::{Example, MaybeUndefined},
};
use serde_json::Value;

use crate::{
    api::{odata::not_null, strict_json::text},
    applications::{
        Change, NewApplication,
        key_credentials::{KeyInput, Material},
        secrets::RevealedSecret,
    },
    clock::Timestamp,
    error::{Error, Result},
    id::ApplicationId,
    store::applications::{Application, ApplicationSecret, KeyCredential},
    tokens::credentials,
};

const CERTIFICATE: &str = "AsymmetricX509Cert";
const JSON_WEB_KEY: &str = "JsonWebKey";
const VERIFY: &str = "Verify";

pub(super) type Moment = Option<chrono::DateTime<chrono::Utc>>;

/// A client secret. Its text is shown once, in the answer that creates it.
#[derive(Object)]
#[oai(rename = "PasswordCredential", rename_all = "camelCase")]
pub struct PasswordCredentialView {
    #[oai(nullable)]
    display_name: Option<String>,
    end_date_time: String,
    /// The first characters.
    hint: String,
    key_id: String,
    /// Only in the answer that creates it, null ever after.
    #[oai(nullable)]
    secret_text: Option<String>,
    start_date_time: String,
}

impl From<ApplicationSecret> for PasswordCredentialView {
    fn from(secret: ApplicationSecret) -> Self {
        Self {
            display_name: secret.display_name,
            end_date_time: secret.end_date_time.to_iso(),
            hint: secret.hint,
            key_id: secret.id,
            secret_text: None,
            start_date_time: secret.start_date_time.to_iso(),
        }
    }
}

impl From<RevealedSecret> for PasswordCredentialView {
    fn from(revealed: RevealedSecret) -> Self {
        Self { secret_text: Some(revealed.text), ..Self::from(revealed.record) }
    }
}

impl std::fmt::Debug for PasswordCredentialView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordCredentialView").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A certificate, or a public key, whose holder may speak for the application.
#[derive(Debug, Object)]
#[oai(rename = "KeyCredential", rename_all = "camelCase")]
pub struct KeyCredentialView {
    /// The certificate's SHA-1 thumbprint, in hexadecimal; null for a key without a certificate.
    #[oai(nullable)]
    custom_key_identifier: Option<String>,
    #[oai(nullable)]
    display_name: Option<String>,
    end_date_time: String,
    /// The certificate in DER, base64: null in lists.
    #[oai(nullable)]
    key: Option<String>,
    /// **+** The public key as JWK, when the type is `JsonWebKey`: null in lists.
    #[oai(nullable)]
    jwk: Option<Value>,
    key_id: String,
    start_date_time: String,
    /// `AsymmetricX509Cert`, or **+** `JsonWebKey`.
    #[oai(rename = "type")]
    kind: String,
    /// Always `Verify`.
    usage: String,
}

impl KeyCredentialView {
    pub fn whole(key: KeyCredential) -> Self {
        Self {
            custom_key_identifier: credentials::certificate(&key).map(|der| credentials::thumbprint(&der)),
            display_name: key.display_name,
            end_date_time: key.end_date_time.to_iso(),
            kind: if key.certificate.is_some() { CERTIFICATE } else { JSON_WEB_KEY }.into(),
            key: key.certificate,
            jwk: key.jwk,
            key_id: key.key_id,
            start_date_time: key.start_date_time.to_iso(),
            usage: VERIFY.into(),
        }
    }

    fn in_list(key: KeyCredential) -> Self {
        Self { key: None, jwk: None, ..Self::whole(key) }
    }
}

/// An application: something that calls by itself.
#[derive(Debug, Object)]
#[oai(rename = "Application", rename_all = "camelCase")]
pub struct ApplicationView {
    id: String,
    /// The client id: the same as `id`.
    app_id: String,
    display_name: String,
    created_date_time: String,
    /// True: it gets no tokens, and those it has are void.
    is_disabled: bool,
    /// **+** What it may do, by the names of Graph's permissions.
    permissions: Vec<String>,
    /// Its secrets, without their texts.
    password_credentials: Vec<PasswordCredentialView>,
    key_credentials: Vec<KeyCredentialView>,
}

impl ApplicationView {
    pub fn whole(application: Application) -> Self {
        Self::of(application, KeyCredentialView::whole)
    }

    pub fn in_list(application: Application) -> Self {
        Self::of(application, KeyCredentialView::in_list)
    }

    fn of(application: Application, key: fn(KeyCredential) -> KeyCredentialView) -> Self {
        Self {
            id: application.application_id.to_string(),
            app_id: application.application_id.into_string(),
            display_name: application.display_name,
            created_date_time: application.created_at.to_iso(),
            is_disabled: !application.is_enabled,
            permissions: application.permissions,
            password_credentials: application.secrets.into_iter().map(Into::into).collect(),
            key_credentials: application.key_credentials.into_iter().map(key).collect(),
        }
    }
}

/// A key to be. One that exists already is named by `keyId` alone.
#[derive(Debug, Object)]
#[oai(rename = "NewKeyCredential", rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyCredentialBody {
    /// `AsymmetricX509Cert` with `key`, or **+** `JsonWebKey` with `jwk`.
    #[oai(rename = "type")]
    kind: Option<String>,
    /// `Verify`.
    usage: Option<String>,
    /// An X.509 certificate in DER, base64.
    #[oai(validator(max_length = 16384))]
    key: Option<String>,
    /// **+** A public key as JWK (RFC 7517).
    jwk: Option<Value>,
    /// A GUID; chosen by the server when it is left out.
    #[oai(validator(max_length = 64))]
    key_id: Option<String>,
    #[oai(validator(max_length = 256))]
    display_name: Option<String>,
    /// Default: when the certificate becomes valid.
    start_date_time: Moment,
    /// Default: when the certificate expires; after a year for a key without one.
    end_date_time: Moment,
    /// The thumbprint, as Graph's clients send it back. Ignored: it is worked out.
    #[oai(validator(max_length = 256))]
    custom_key_identifier: Option<String>,
}

impl KeyCredentialBody {
    pub(super) fn public_key() -> Self {
        // RFC 8037 appendix A.2.
        let jwk =
            serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        Self {
            kind: Some(JSON_WEB_KEY.into()),
            usage: Some(VERIFY.into()),
            key: None,
            jwk: Some(jwk),
            key_id: None,
            display_name: Some("CI runner".into()),
            start_date_time: None,
            end_date_time: None,
            custom_key_identifier: None,
        }
    }

    pub fn parse(self) -> Result<KeyInput> {
        let wrong = |message: &str| Err(Error::invalid_user("keyCredentials", message));
        if self.usage.is_some_and(|usage| usage != VERIFY) {
            return wrong("usage is 'Verify'.");
        }
        let material = match (self.kind.as_deref(), self.key, self.jwk) {
            (Some(CERTIFICATE), Some(key), None) => Some(Material::Certificate(key)),
            (Some(JSON_WEB_KEY), None, Some(jwk)) => Some(Material::Jwk(jwk)),
            (_, None, None) => None,
            _ => return wrong("type is 'AsymmetricX509Cert' with 'key', or 'JsonWebKey' with 'jwk'."),
        };
        Ok(KeyInput {
            key_id: self.key_id.map(|id| id.to_ascii_lowercase()),
            display_name: self.display_name,
            material,
            start_date_time: self.start_date_time.map(Timestamp::from),
            end_date_time: self.end_date_time.map(Timestamp::from),
        })
    }
}

fn parse_keys(keys: Vec<KeyCredentialBody>) -> Result<Vec<KeyInput>> {
    keys.into_iter().map(KeyCredentialBody::parse).collect()
}

/// An application to be.
#[derive(Debug, Object)]
#[oai(rename = "NewApplication", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct NewApplicationBody {
    /// What people call it.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: String,
    /// **+** What it may do, by the names of Graph's permissions; nothing by default.
    #[oai(validator(max_items = 100))]
    permissions: Option<Vec<String>>,
    is_disabled: Option<bool>,
    #[oai(validator(max_items = 10))]
    key_credentials: Option<Vec<KeyCredentialBody>>,
}

impl Example for NewApplicationBody {
    fn example() -> Self {
        Self {
            display_name: "Help desk portal".into(),
            permissions: Some(vec!["User.Read.All".into(), "MfaReset.ReadWrite.All".into()]),
            is_disabled: None,
            key_credentials: Some(vec![KeyCredentialBody::public_key()]),
        }
    }
}

impl NewApplicationBody {
    pub fn parse(self, id: ApplicationId) -> Result<NewApplication> {
        Ok(NewApplication {
            application_id: id,
            display_name: self.display_name,
            permissions: self.permissions.unwrap_or_default(),
            is_enabled: !self.is_disabled.unwrap_or(false),
            secret: None,
            keys: parse_keys(self.key_credentials.unwrap_or_default())?,
        })
    }
}

/// What shall be otherwise; what is left out stays.
#[derive(Debug, Object)]
#[oai(rename = "ApplicationUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct ApplicationUpdateBody {
    #[oai(validator(max_length = 256))]
    display_name: MaybeUndefined<String>,
    /// **+** All permissions from now on.
    #[oai(validator(max_items = 100))]
    permissions: MaybeUndefined<Vec<String>>,
    is_disabled: MaybeUndefined<bool>,
    /// All keys from now on; those that shall stay are named by their `keyId`.
    #[oai(validator(max_items = 10))]
    key_credentials: MaybeUndefined<Vec<KeyCredentialBody>>,
}

impl Example for ApplicationUpdateBody {
    fn example() -> Self {
        Self {
            display_name: MaybeUndefined::Value("Nightly job".into()),
            permissions: MaybeUndefined::Undefined,
            is_disabled: MaybeUndefined::Undefined,
            key_credentials: MaybeUndefined::Value(vec![KeyCredentialBody::public_key()]),
        }
    }
}

impl ApplicationUpdateBody {
    pub fn parse(self) -> Result<Change> {
        let change = || -> Result<Change> {
            Ok(Change {
                display_name: not_null("displayName", self.display_name)?,
                permissions: not_null("permissions", self.permissions)?,
                is_enabled: not_null("isDisabled", self.is_disabled)?.map(|is_disabled| !is_disabled),
                keys: not_null("keyCredentials", self.key_credentials)?.map(parse_keys).transpose()?,
            })
        };
        change().map_err(Error::in_directory)
    }
}
