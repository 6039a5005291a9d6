//! One item of a batch: from JSON to a request, and from its answer to JSON.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use poem::{
    Body, Request, Response,
    error::ReadBodyError,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
};
use poem_openapi::types::Any;
use serde_json::Value;
use url::Url;

use super::{Answer, Envelope, Inside, Item, is_batch};
use crate::{
    api::{
        intake::{self, RequestInfo},
        problem::{self, Problem},
    },
    app::App,
    error::{Area, Error, Result},
};

/// The largest body of an answer, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// The bodies of all answers of one batch, in bytes.
const MAX_ANSWERS: usize = 16 * 1024 * 1024;

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// What belongs to a connection and not to a request or answer in a batch.
const OF_CONNECTIONS: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// Answers that are streams or files.
const UNBOUNDED: [&str; 3] = ["text/event-stream", "text/csv", "application/jose"];

/// Sends the items of one batch.
pub struct Sender<'a> {
    pub app: &'a App,
    /// The batch's.
    pub info: &'a RequestInfo,
    pub envelope: &'a Envelope,
    /// How many bytes of answers there is room for.
    room: AtomicUsize,
}

impl<'a> Sender<'a> {
    pub fn new(app: &'a App, info: &'a RequestInfo, envelope: &'a Envelope) -> Self {
        Self { app, info, envelope, room: AtomicUsize::new(MAX_ANSWERS) }
    }

    /// The answer to an item; `failed` is the id of one that it depends on.
    pub async fn perform(&self, item: &Item, failed: Option<&str>) -> Answer {
        let info = self.own_info();
        let response = match (failed, self.request(item)) {
            (Some(failed), _) => {
                let message = format!("The request '{failed}', which this one depends on, failed; it was not begun.");
                let status = StatusCode::FAILED_DEPENDENCY;
                intake::finished(problem::refusal(status, "failedDependency", message, &info), &info)
            }
            (None, Err(error)) => refused(error, &info),
            (None, Ok(request)) => match self.envelope.door.send(request).await {
                Ok(response) => response,
                Err(error) => intake::finished(problem::respond(error, &info), &info),
            },
        };
        self.answer(item, response, &info).await
    }

    /// For answers that are given here: they have an id of their own like any other.
    fn own_info(&self) -> RequestInfo {
        let mut info = self.info.clone();
        info.origin.request_id = self.app.store.context().entropy.guid();
        info
    }

    fn request(&self, item: &Item) -> Result<Request> {
        let method = METHODS.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(&item.method));
        let method = method.ok_or_else(|| wrong("method", "The method is GET, POST, PUT, PATCH or DELETE."))?;
        let uri = self.address(&item.url)?;
        let mut headers = own_headers(item)?;
        let mut inherit = |name: HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.entry(name).or_insert(value);
            }
        };
        inherit(header::AUTHORIZATION, self.envelope.authorization.clone());
        inherit(header::USER_AGENT, self.envelope.user_agent.clone());
        inherit(HeaderName::from_static("client-request-id"), self.envelope.client_request_id.clone());
        if let Some(once) = self.info.once.as_ref().filter(|_| method == Method::POST) {
            let id: String = url::form_urlencoded::byte_serialize(item.id.as_bytes()).collect();
            inherit(
                HeaderName::from_static("idempotency-key"),
                HeaderValue::from_str(&format!("{}/{id}", once.key)).ok(),
            );
        }
        let body = match &item.body {
            Some(Any(json)) => {
                inherit(header::CONTENT_TYPE, Some(HeaderValue::from_static("application/json")));
                Body::from_vec(serde_json::to_vec(json).map_err(Error::internal)?)
            }
            None => Body::empty(),
        };
        let inside = Inside { ip_address: self.info.origin.ip_address.clone() };
        let mut request = Request::builder().method(method).uri(uri).extension(inside).body(body);
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Path and query, with the version.
    fn address(&self, url: &str) -> Result<Uri> {
        let unreadable = || wrong("url", "The url cannot be read; write it like /users/adele@contoso.example.");
        let public = Url::parse(&self.app.issuer.public_url).map_err(Error::internal)?;
        let own_path = public.path().trim_end_matches('/');
        let is_absolute =
            url.split_once("://").is_some_and(|(scheme, _)| scheme.bytes().all(|it| it.is_ascii_alphabetic()));
        let url = if is_absolute {
            let url = Url::parse(url).map_err(|_| unreadable())?;
            if url.origin() != public.origin() || !url.path().starts_with(&format!("{own_path}/")) {
                let message = format!("The url is another server's; this one is {}.", self.app.issuer.public_url);
                return Err(wrong("url", message));
            }
            url
        } else {
            let rest = url.strip_prefix('/').unwrap_or(url);
            let has_version = ["v1.0/", "beta/"].iter().any(|version| rest.starts_with(version));
            let version = if has_version { String::new() } else { format!("{}/", self.info.version) };
            public.join(&format!("{own_path}/{version}{rest}")).map_err(|_| unreadable())?
        };
        let path = url.path().strip_prefix(own_path).unwrap_or(url.path());
        if !["/v1.0/", "/beta/"].iter().any(|version| path.starts_with(version)) {
            return Err(wrong("url", "A batch takes what stands below /v1.0 or /beta."));
        }
        if is_batch(path) {
            return Err(wrong("url", "A batch cannot be part of a batch."));
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{path}{query}").parse().map_err(|_| unreadable())
    }

    async fn answer(&self, item: &Item, response: Response, info: &RequestInfo) -> Answer {
        let is_unbounded = response.header(header::CONTENT_DISPOSITION).is_some()
            || response.content_type().is_some_and(|own| UNBOUNDED.iter().any(|other| own.starts_with(other)));
        let response = if is_unbounded {
            refused(wrong("url", "Streams of events and files are no part of a batch; ask for it by itself."), info)
        } else {
            response
        };
        let (parts, body) = response.into_parts();
        let limit = MAX_ANSWER.min(self.room.load(Ordering::Relaxed));
        let (status, headers, bytes) = match body.into_bytes_limit(limit).await {
            Ok(bytes) => (parts.status, parts.headers, bytes),
            Err(error) => {
                let response = match error {
                    ReadBodyError::PayloadTooLarge => {
                        let message = format!("The answer has more than {limit} bytes; ask for less, or by itself.");
                        problem::refusal(StatusCode::PAYLOAD_TOO_LARGE, "responseTooLarge", message, info)
                    }
                    other => problem::respond(Problem(Error::internal(other)).into(), info),
                };
                let (parts, body) = intake::finished(response, info).into_parts();
                (parts.status, parts.headers, body.into_bytes().await.unwrap_or_default())
            }
        };
        let left = |room: usize| Some(room.saturating_sub(bytes.len()));
        let _ = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        let body = (!bytes.is_empty()).then(|| Any(as_json(&headers, &bytes)));
        Answer { id: item.id.clone(), status: status.as_u16(), headers: as_written(&headers), body }
    }
}

fn wrong(target: &str, message: impl Into<String>) -> Error {
    Error::Invalid { area: Area::Methods, target: Some(target.into()), message: message.into() }
}

fn refused(error: Error, info: &RequestInfo) -> Response {
    intake::finished(problem::respond(Problem(error).into(), info), info)
}

fn own_headers(item: &Item) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in item.headers.iter().flatten() {
        let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
        let (name, value) =
            pair.ok_or_else(|| wrong("headers", "The headers have names and values that HTTP allows."))?;
        if OF_CONNECTIONS.contains(&name) {
            continue;
        }
        if headers.insert(name, value).is_some() {
            return Err(wrong("headers", "Two headers have the same name; names do not differ by case."));
        }
    }
    Ok(headers)
}

/// JSON as it is, text as a string, anything else in Base64.
fn as_json(headers: &HeaderMap, body: &[u8]) -> Value {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = (media_type == "application/json" || media_type.ends_with("+json"))
        .then(|| serde_json::from_slice(body).ok())
        .flatten();
    let text = || media_type.starts_with("text/").then(|| std::str::from_utf8(body).ok()).flatten();
    json.unwrap_or_else(|| Value::String(text().map_or_else(|| STANDARD.encode(body), str::to_owned)))
}

fn as_written(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut written = BTreeMap::<String, String>::new();
    for (name, value) in headers.iter().filter(|(name, _)| !OF_CONNECTIONS.contains(name)) {
        let Ok(value) = value.to_str() else { continue };
        let all = written.entry(spelling(name.as_str())).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(value);
    }
    written
}

/// Headers as the standards spell them: clients look these up by case.
fn spelling(name: &str) -> String {
    match name {
        "etag" => "ETag".into(),
        "www-authenticate" => "WWW-Authenticate".into(),
        "odata-version" => "OData-Version".into(),
        "request-id" | "client-request-id" => name.into(),
        other if other.starts_with("x-ms-") => other.into(),
        other => {
            let word = |word: &str| {
                let (first, rest) = word.split_at(word.len().min(1));
                first.to_ascii_uppercase() + rest
            };
            other.split('-').map(word).collect::<Vec<_>>().join("-")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let wanted =
            ["Content-Type", "ETag", "Location", "Retry-After", "request-id", "WWW-Authenticate", "x-ms-resource-unit"];
        for name in wanted {
            assert_eq!(spelling(&name.to_ascii_lowercase()), name);
        }
    }

    #[test]
    fn bodies() {
        let of = |media_type: &str, body: &[u8]| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media_type.parse().unwrap())]);
            as_json(&headers, body)
        };
        assert_eq!(of("application/json; charset=utf-8", b"{\"a\":1}"), serde_json::json!({"a": 1}));
        assert_eq!(of("text/plain", b"27"), "27");
        assert_eq!(of("image/png", b"\x89PNG"), "iVBORw==");
    }
}
