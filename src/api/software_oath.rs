//! `softwareOathMethods`.

use poem_openapi::{Object, OpenApi};

use super::Tag;
use crate::{
    app::App,
    methods::{Stored, software_oath::SoftwareOath},
};

/// A software OATH token: a secret in an authenticator app.
#[derive(Debug, Object)]
#[oai(rename = "SoftwareOathAuthenticationMethod", rename_all = "camelCase")]
pub struct SoftwareOathView {
    pub id: String,
    #[oai(nullable)]
    pub display_name: Option<String>,
    /// Always null: the secret is shown once, when the token is created.
    #[oai(nullable)]
    pub secret_key: Option<String>,
    pub created_date_time: String,
    /// `pending` until the first code was verified, then `activated`.
    pub status: String,
    /// `hmacsha1`, `hmacsha256` or `hmacsha512`.
    pub hash_function: String,
    /// Digits of a code.
    pub digits: u8,
    pub time_interval_in_seconds: u8,
}

impl From<Stored<SoftwareOath>> for SoftwareOathView {
    fn from(token: Stored<SoftwareOath>) -> Self {
        Self {
            id: token.row.method_id.into_string(),
            display_name: token.detail.display_name,
            secret_key: None,
            created_date_time: token.row.created_at.to_iso(),
            status: if token.row.pending_until.is_some() { "pending" } else { "activated" }.into(),
            hash_function: token.detail.hash_function.as_str().into(),
            digits: token.detail.digits,
            time_interval_in_seconds: token.detail.time_interval_in_seconds,
        }
    }
}

pub struct SoftwareOathApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl SoftwareOathApi {}
