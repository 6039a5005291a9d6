//! Providers outside as they are sent and received.

use poem_openapi::{Object, types::Example};

use super::targets::{IncludeBody, PlainBody, StateName, requests};
use crate::{api::strict_json::text, policy::authentication_methods::NewExternal};

/// How a provider is asked (OpenID Connect).
#[derive(Debug, Object)]
#[oai(rename = "OpenIdConnectSetting", rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenIdConnectBody {
    /// Who the tenant is at the provider; at most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    pub client_id: String,
    /// The https address of the provider's discovery document.
    #[oai(validator(max_length = 2048), deserialize_with = "text")]
    pub discovery_url: String,
}

/// How a provider is asked; what is left out stays.
#[derive(Debug, Object)]
#[oai(rename = "OpenIdConnectSettingUpdate", rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenIdConnectPatch {
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    pub client_id: Option<String>,
    #[oai(validator(max_length = 2048), deserialize_with = "text")]
    pub discovery_url: Option<String>,
}

/// A provider outside that would prove users. Sign-in sessions do not ask it: its methods are kept, shown and reset.
#[derive(Debug, Object)]
#[oai(
    rename = "ExternalAuthenticationMethodConfigurationRequest",
    rename_all = "camelCase",
    deny_unknown_fields,
    example
)]
pub struct ExternalBody {
    /// Default: disabled.
    state: Option<StateName>,
    /// Default: everybody.
    #[oai(validator(max_items = 500))]
    include_targets: Option<Vec<IncludeBody>>,
    /// Default: nobody.
    #[oai(validator(max_items = 500))]
    exclude_targets: Option<Vec<PlainBody>>,
    /// Unlike every other configuration's; at most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: String,
    /// The GUID of the provider's application.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    app_id: String,
    open_id_connect_setting: OpenIdConnectBody,
}

impl Example for ExternalBody {
    fn example() -> Self {
        Self {
            state: Some(StateName::Enabled),
            include_targets: None,
            exclude_targets: None,
            display_name: "Proseware".into(),
            app_id: "55a8a3f5-7f1c-4d2b-9d0e-4a1e0a1f1d7e".into(),
            open_id_connect_setting: OpenIdConnectBody {
                client_id: "contoso".into(),
                discovery_url: "https://login.proseware.example/.well-known/openid-configuration".into(),
            },
        }
    }
}

impl From<ExternalBody> for NewExternal {
    fn from(body: ExternalBody) -> Self {
        let OpenIdConnectBody { client_id, discovery_url } = body.open_id_connect_setting;
        Self {
            state: body.state.map(Into::into),
            include_targets: requests(body.include_targets),
            exclude_targets: requests(body.exclude_targets),
            display_name: body.display_name,
            app_id: body.app_id,
            client_id,
            discovery_url,
        }
    }
}
