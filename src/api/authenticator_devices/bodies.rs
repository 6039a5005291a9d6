//! What devices send and get.

use poem_openapi::{
    Object,
    types::{Any, Example, MaybeUndefined},
};
use serde_json::{Value, json};

use crate::{
    access::Origin,
    api::{odata::not_null, strict_json::text},
    app::devices::ActivationRequest,
    demo::authenticator::ACTIVATION_CODE,
    error::Error,
    methods::microsoft_authenticator::{
        activation::RegisteredApp, device::DeviceChange, jws::Activation, push::PushRequest,
    },
};

/// Stands in examples where a device signs.
const SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.e30.signed-by-the-device";

/// What an app tells of itself.
#[derive(Object)]
#[oai(rename = "AuthenticatorActivation", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct ActivationBody {
    /// As the user typed or scanned it; hyphens, blanks and capitals do not matter.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    activation_code: String,
    /// A JWK (RFC 7517) with `kty` EC and `crv` P-256, or OKP and Ed25519. The private key stays in the device.
    public_key: Any<Value>,
    /// What the user recognizes the device by; at most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: String,
    /// Graph's: the platform, like `Android`.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    device_tag: Option<String>,
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    phone_app_version: Option<String>,
    /// Where the app is woken by a POST when there is a request; `https`, at most 2048 characters. Without it the app
    /// asks from time to time.
    #[oai(validator(max_length = 2048), deserialize_with = "text")]
    wake_url: Option<String>,
    /// A JWS in compact form by the private key, over all of this.
    #[oai(validator(max_length = 8192), deserialize_with = "text")]
    proof: String,
}

impl Example for ActivationBody {
    fn example() -> Self {
        Self {
            activation_code: ACTIVATION_CODE.into(),
            public_key: Any(
                json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
            ),
            display_name: "My phone".into(),
            device_tag: Some("Android".into()),
            phone_app_version: Some("1.0".into()),
            wake_url: None,
            proof: SIGNED.into(),
        }
    }
}

impl ActivationBody {
    pub fn request(self, url: String, origin: Origin) -> ActivationRequest {
        ActivationRequest {
            activation: Activation {
                activation_code: self.activation_code,
                display_name: self.display_name,
                device_tag: self.device_tag,
                phone_app_version: self.phone_app_version,
                wake_url: self.wake_url,
            },
            public_key: self.public_key.0,
            proof: self.proof,
            url,
            origin,
        }
    }
}

/// What an app learns when it is registered.
#[derive(Object)]
#[oai(rename = "AuthenticatorDevice", rename_all = "camelCase")]
pub struct RegisteredView {
    /// The id of the device, and of the user's method.
    device_id: String,
    tenant_id: String,
    user_id: String,
    /// For the app's list of accounts.
    user_principal_name: String,
    user_display_name: String,
    tenant_display_name: String,
    /// Where the device calls from now on: this address and those below it.
    device_url: String,
}

impl RegisteredView {
    pub fn new(app: RegisteredApp, device_url: String) -> Self {
        Self {
            device_id: app.device_id.into_string(),
            tenant_id: app.tenant_id.into_string(),
            user_id: app.user_id.into_string(),
            user_principal_name: app.user_principal_name,
            user_display_name: app.user_display_name,
            tenant_display_name: app.tenant_display_name,
            device_url,
        }
    }
}

/// A question to the user.
#[derive(Object)]
#[oai(rename = "PushRequest", rename_all = "camelCase")]
pub struct PushRequestView {
    id: String,
    /// Goes into the answer, so that it fits this request only.
    nonce: String,
    /// The application that signs the user in.
    application_display_name: String,
    /// Where the sign-in was asked for, as far as it is known: a hint for the user, no more.
    #[oai(nullable)]
    ip_address: Option<String>,
    created_date_time: String,
    /// When it is too late.
    expiration_date_time: String,
}

impl From<PushRequest> for PushRequestView {
    fn from(request: PushRequest) -> Self {
        Self {
            id: request.id.into_string(),
            nonce: request.nonce,
            application_display_name: request.application_display_name,
            ip_address: request.ip_address,
            created_date_time: request.created_at.to_iso(),
            expiration_date_time: request.expires_at.to_iso(),
        }
    }
}

/// The user's answer.
#[derive(Object)]
#[oai(rename = "PushAnswer", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct AnswerBody {
    /// A JWS in compact form over `requestId`, `nonce`, `decision` and `number`.
    #[oai(validator(max_length = 8192), deserialize_with = "text")]
    pub response: String,
}

impl Example for AnswerBody {
    fn example() -> Self {
        Self { response: SIGNED.into() }
    }
}

/// What a device may change of itself. What is left out stays.
#[derive(Object)]
#[oai(rename = "AuthenticatorDeviceUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct DeviceBody {
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    phone_app_version: MaybeUndefined<String>,
    /// Where to wake the app; null: nowhere.
    #[oai(validator(max_length = 2048), deserialize_with = "text")]
    wake_url: MaybeUndefined<String>,
}

impl Example for DeviceBody {
    fn example() -> Self {
        Self {
            phone_app_version: MaybeUndefined::Value("1.1".into()),
            wake_url: MaybeUndefined::Value("https://push.contoso.example/wake/7f3a".into()),
        }
    }
}

impl DeviceBody {
    pub fn change(self) -> Result<DeviceChange, Error> {
        Ok(DeviceChange {
            phone_app_version: not_null("phoneAppVersion", self.phone_app_version)?,
            wake_url: match self.wake_url {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(url) => Some(Some(url)),
            },
        })
    }
}
