//! What is known of a request before its handler runs.

use std::sync::{Arc, OnceLock};

use poem::{FromRequest, Request, RequestBody};

use crate::{
    access::Origin,
    api::{batch, rate_limits::ChargeNote},
    app::App,
    clock::Timestamp,
    id::TenantId,
    idempotency::Once,
};

/// The longest caller's header that is kept, in characters.
const MAX_HEADER: usize = 256;

/// What is known of a request before its handler runs.
#[derive(Debug, Clone, Default)]
pub struct RequestInfo {
    pub origin: Origin,
    pub received: Timestamp,
    /// `v1.0` or `beta`: what the caller wrote, and what answers name.
    pub version: &'static str,
    /// The path as the caller wrote it, without the query.
    pub path: String,
    pub query: String,
    pub once: Option<Once>,
    /// What the body of a PATCH calls itself (`@odata.type`); it says which kind of object is changed.
    pub odata_type: Option<String>,
    /// `Prefer: return=minimal`.
    pub prefers_minimal: bool,
    /// `Prefer: return=representation`.
    pub prefers_representation: bool,
    /// `Prefer: odata.maxpagesize=50`.
    pub max_page_size: Option<u32>,
    /// What an answer says it honoured of that.
    pub applied: Arc<OnceLock<String>>,
    /// A script in a browser asks.
    pub is_script: bool,
    /// Who turned out to call, for the log.
    pub caller: Arc<OnceLock<CallerNote>>,
    /// What the request was charged, for its answer.
    pub charge: ChargeNote,
}

/// Whose token a request carries.
#[derive(Debug)]
pub struct CallerNote {
    pub tenant: TenantId,
    /// The application's or user's id.
    pub caller: String,
    /// When the token ends, if it is one that ends by the clock.
    pub expires_at: Option<Timestamp>,
}

impl RequestInfo {
    /// Items of a page: `$top`, or else what the caller prefers, or else `default`; a preference is never refused.
    pub fn page_size(&self, top: Option<u32>, default: u32, max: u32) -> u32 {
        match (top, self.max_page_size) {
            (Some(top), _) => top,
            (None, Some(preferred)) => {
                let size = preferred.clamp(1, max);
                let _ = self.applied.set(format!("odata.maxpagesize={size}"));
                size
            }
            (None, None) => default,
        }
    }

    /// Keeps who calls for the log; the first word counts.
    pub fn note(&self, note: CallerNote) {
        let _ = self.caller.set(note);
    }
}

impl<'a> FromRequest<'a> for RequestInfo {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(request.data::<Self>().cloned().unwrap_or_default())
    }
}

pub(super) fn describe(app: &App, request: &Request) -> RequestInfo {
    let context = app.store.context();
    let request_id = context.entropy.guid();
    let plain = |text: &&str| {
        !text.is_empty() && text.len() <= MAX_HEADER && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
    };
    let header = |name: &str| request.header(name).filter(plain).map(str::to_owned);
    let path = request.uri().path();
    RequestInfo {
        origin: Origin {
            client_request_id: header("client-request-id").unwrap_or_else(|| request_id.clone()),
            request_id,
            ip_address: match request.data::<batch::Inside>() {
                Some(inside) => inside.ip_address.clone(),
                None => request.remote_addr().as_socket_addr().map(|address| address.ip().to_string()),
            },
            user_agent: header("user-agent"),
        },
        received: context.clock.now(),
        version: if path.starts_with("/beta/") { "beta" } else { "v1.0" },
        path: path.to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        once: None,
        odata_type: None,
        prefers_minimal: prefers(request, "return").as_deref() == Some("minimal"),
        prefers_representation: prefers(request, "return").as_deref() == Some("representation"),
        max_page_size: prefers(request, "odata.maxpagesize")
            .or_else(|| prefers(request, "maxpagesize"))
            .and_then(|size| size.parse().ok()),
        applied: Arc::default(),
        is_script: request.header("x-requested-with") == Some("XMLHttpRequest")
            || request.header("sec-fetch-mode").is_some_and(|mode| mode != "navigate"),
        caller: Arc::default(),
        charge: Arc::default(),
    }
}

/// The value of a preference (RFC 7240 section 2), in lower case; the first one counts.
fn prefers(request: &Request, name: &str) -> Option<String> {
    let mut headers = request.headers().get_all("prefer").iter().filter_map(|header| header.to_str().ok());
    headers.find_map(|header| {
        header.split([',', ';']).find_map(|part| {
            let (preference, value) = part.split_once('=')?;
            let is_named = preference.trim().eq_ignore_ascii_case(name);
            is_named.then(|| value.trim().trim_matches('"').to_ascii_lowercase())
        })
    })
}
