//! `temporaryAccessPassMethods`.

use poem_openapi::{Object, OpenApi, types::Example};

use super::Tag;
use crate::{
    app::App,
    clock::Timestamp,
    methods::temporary_access_pass::{PassRequest, PassView},
};

/// What to issue. Everything may be left out; the tenant's policy fills it in.
#[derive(Debug, Object)]
#[oai(rename = "TemporaryAccessPassRequest", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct PassBody {
    /// 60 to 480 minutes by the default policy.
    pub lifetime_in_minutes: Option<i32>,
    /// True: good for one sign-in.
    pub is_usable_once: Option<bool>,
    /// When it begins; now, or a moment within the next 30 days.
    pub start_date_time: Option<chrono::DateTime<chrono::Utc>>,
}

impl Example for PassBody {
    fn example() -> Self {
        Self { lifetime_in_minutes: Some(60), is_usable_once: Some(true), start_date_time: None }
    }
}

impl From<PassBody> for PassRequest {
    fn from(body: PassBody) -> Self {
        Self {
            lifetime_in_minutes: body.lifetime_in_minutes,
            is_usable_once: body.is_usable_once,
            start_date_time: body.start_date_time.map(Timestamp::from),
        }
    }
}

/// A temporary access pass.
#[derive(Object)]
#[oai(rename = "TemporaryAccessPassAuthenticationMethod", rename_all = "camelCase")]
pub struct TemporaryAccessPassView {
    id: String,
    /// The code: only in the answer that creates it, null ever after.
    temporary_access_pass: Option<String>,
    created_date_time: String,
    start_date_time: String,
    lifetime_in_minutes: i32,
    is_usable_once: bool,
    is_usable: bool,
    /// EnabledByPolicy, Expired, NotYetValid or OneTimeUsed.
    method_usability_reason: String,
}

impl From<PassView> for TemporaryAccessPassView {
    fn from(pass: PassView) -> Self {
        Self {
            id: pass.id.into_string(),
            temporary_access_pass: pass.temporary_access_pass,
            created_date_time: pass.created_date_time.to_iso(),
            start_date_time: pass.start_date_time.to_iso(),
            lifetime_in_minutes: pass.lifetime_in_minutes,
            is_usable_once: pass.is_usable_once,
            is_usable: pass.is_usable,
            method_usability_reason: pass.method_usability_reason,
        }
    }
}

impl std::fmt::Debug for TemporaryAccessPassView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TemporaryAccessPassView").field("id", &self.id).finish_non_exhaustive()
    }
}

pub struct TemporaryAccessPassApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl TemporaryAccessPassApi {}
