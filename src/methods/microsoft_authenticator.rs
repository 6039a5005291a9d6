//! Microsoft Authenticator and other push apps. A reset deletes them.

use serde::{Deserialize, Serialize};

/// Graph's `microsoftAuthenticatorAuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MicrosoftAuthenticator {
    /// The name of the device it runs on.
    pub display_name: String,
    pub device_tag: Option<String>,
    pub phone_app_version: Option<String>,
    /// `microsoftAuthenticator` or `outlookMobile`.
    pub client_app_name: Option<String>,
}
