//! Software OATH tokens: a TOTP secret in an authenticator app. A reset deletes them.

use serde::{Deserialize, Serialize};

use super::oath::HashFunction;

/// Graph's `softwareOathAuthenticationMethod`, and the parameters of its TOTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoftwareOath {
    pub display_name: Option<String>,
    pub hash_function: HashFunction,
    /// Digits of a code: 6 or 8.
    pub digits: u8,
    pub time_interval_in_seconds: u8,
}
