//! The gate every request passes: who asked, under which version, with which body; and the headers of every answer.
//!
//! JSON bodies are read strictly here, once for all operations: bounded, UTF-8, no duplicate keys. OData annotations
//! (`@odata.type` and the like), which Graph's own clients put into every object, are taken out.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use poem::{
    Endpoint, FromRequest, IntoResponse, Middleware, PathPattern, Request, RequestBody, Response,
    error::{MethodNotAllowedError, ReadBodyError},
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
};
use poem_openapi::OperationId;
use tokio::time::timeout;

use super::{
    address, batch, me,
    observe::{Metrics, Routes},
    odata::links,
    problem::{self, Panicked},
    rate_limits::ChargeNote,
    strict_json,
};
use crate::{
    access::Origin,
    app::App,
    clock::Timestamp,
    error::{Area, Error},
    id::TenantId,
    idempotency::{MAX_KEY_LENGTH, Once},
};

/// The largest body of an ordinary request, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// The largest body of an import, in bytes.
const MAX_IMPORT_BODY: usize = 16 * 1024 * 1024;
/// The largest list of users to reset as JSON, in bytes; CSV is streamed.
const MAX_TARGETS_BODY: usize = 4 * 1024 * 1024;
/// The largest batch, in bytes: as many ordinary bodies as it has items.
const MAX_BATCH_BODY: usize = batch::MAX_ITEMS * MAX_BODY;
/// How long the body of a request may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
const IMPORT_PATIENCE: Duration = Duration::from_secs(120);
/// The longest path and query, in bytes.
const MAX_URI: usize = 16 * 1024;
/// The longest caller's header that is kept, in characters.
const MAX_HEADER: usize = 256;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const CSV: &str = "text/csv";

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

/// The middleware.
pub struct Intake {
    pub app: App,
    pub metrics: Metrics,
    pub routes: Arc<Routes>,
}

impl<E: Endpoint> Middleware<E> for Intake {
    type Output = IntakeEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        let Self { app, metrics, routes } = self;
        IntakeEndpoint { inner, app: app.clone(), metrics: metrics.clone(), routes: routes.clone() }
    }
}

pub struct IntakeEndpoint<E> {
    inner: E,
    app: App,
    metrics: Metrics,
    routes: Arc<Routes>,
}

impl<E: Endpoint> Endpoint for IntakeEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let method = request.method().clone();
        let mut info = describe(&self.app, &request);
        let mut outcome = match prepare(&self.app, &mut request, &mut info).await {
            Ok(()) => {
                request.set_data(info.clone());
                let again = info.prefers_representation.then(|| reading(&request, &info)).flatten();
                let outcome = self.inner.call(request).await.map(IntoResponse::into_response);
                self.represented(outcome, again, &info).await
            }
            Err(error) => Err(error),
        };
        if outcome.as_ref().is_ok_and(|response| response.data::<Panicked>().is_some()) {
            outcome = Err(problem::Problem(Error::internal("a handler panicked")).into());
        }
        let (route, operation) = match &outcome {
            Ok(response) => (response.data::<PathPattern>(), response.data::<OperationId>()),
            Err(error) => (error.data::<PathPattern>(), error.data::<OperationId>()),
        };
        let (route, operation) = (route.cloned(), operation.copied());
        let mut response = outcome.unwrap_or_else(|error| problem::respond(error, &info));
        let route = route.as_ref().map(|pattern| &*pattern.0);
        let documented = route.and_then(|route| self.routes.find(route));
        if let Some(operation) = operation {
            response.set_data(operation);
        }
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            let allow = documented.map_or(HeaderValue::from_static("GET, HEAD"), |documented| documented.allow.clone());
            response.headers_mut().insert(header::ALLOW, allow);
        }
        let route = documented.map(|documented| documented.path.as_str()).or(route);
        finish(&mut response, &info);
        self.metrics.note(&method, route, &response, &info, started.elapsed());
        Ok(response)
    }
}

impl<E: Endpoint> IntakeEndpoint<E> {
    /// After a change that has no body to show: the object as it is now, if the caller asked for it and may read it.
    async fn represented(
        &self,
        outcome: poem::Result<Response>,
        reading: Option<Request>,
        info: &RequestInfo,
    ) -> poem::Result<Response> {
        let is_bare = outcome.as_ref().is_ok_and(|response| response.status() == StatusCode::NO_CONTENT);
        let Some(reading) = reading.filter(|_| is_bare) else { return outcome };
        match self.inner.call(reading).await.map(IntoResponse::into_response) {
            Ok(representation) if representation.status() == StatusCode::OK => {
                let _ = info.applied.set("return=representation".into());
                Ok(representation)
            }
            _ => outcome,
        }
    }
}

/// The request that reads what a PATCH changes.
fn reading(request: &Request, info: &RequestInfo) -> Option<Request> {
    if request.method() != Method::PATCH {
        return None;
    }
    let mut reading = Request::builder().method(Method::GET).uri(request.uri().clone()).finish();
    if let Some(token) = request.headers().get(header::AUTHORIZATION) {
        reading.headers_mut().insert(header::AUTHORIZATION, token.clone());
    }
    reading.set_data(info.clone());
    Some(reading)
}

fn describe(app: &App, request: &Request) -> RequestInfo {
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

fn refuse(message: impl Into<String>) -> Error {
    Error::Invalid { area: Area::Methods, target: None, message: message.into() }
}

async fn prepare(app: &App, request: &mut Request, info: &mut RequestInfo) -> poem::Result<()> {
    // CONNECT names a host instead of a path; this is no proxy.
    let Some(whole) = request.uri().path_and_query().filter(|_| request.method() != Method::CONNECT) else {
        return Err(MethodNotAllowedError.into());
    };
    if whole.as_str().len() > MAX_URI {
        return Err(poem::Error::from_status(StatusCode::URI_TOO_LONG));
    }
    if hides_control_characters(whole.as_str()) {
        return Err(problem::Problem(refuse("The address contains control characters.")).into());
    }
    // The same routes serve both versions.
    if let Some(rest) = whole.as_str().strip_prefix("/beta/") {
        let uri = format!("/v1.0/{rest}").parse::<Uri>();
        *request.uri_mut() = uri.map_err(|_| problem::Problem(refuse("The path cannot be read.")))?;
    }
    // One after the other: what clients spell in many ways becomes what the routes know.
    for plain in [address::plain, me::rewritten] {
        if let Some(plain) = request.uri().path_and_query().and_then(|whole| plain(whole.as_str())) {
            move_to(request, &plain)?;
        }
    }
    info.query = request.uri().query().unwrap_or_default().to_owned();
    // Only what reads has pages; for anything else its route says what is wrong.
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        open_token(app, request, info)?;
    }
    if let Some(plain) = request.uri().path_and_query().and_then(|whole| batch::plain(whole.as_str())) {
        let uri = plain.parse::<Uri>();
        *request.uri_mut() = uri.map_err(|_| problem::Problem(refuse("The path cannot be read.")))?;
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    if is_streamed(request, info) {
        // Bare, as the operation's document has it.
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CSV));
        info.once = once(app, request, info, &[]).map_err(problem::Problem)?;
        return refuse_encodings(request);
    }
    let body = read_body(request, info).await?;
    info.once = once(app, request, info, &body).map_err(problem::Problem)?;
    request.set_body(body);
    Ok(())
}

fn move_to(request: &mut Request, address: &str) -> poem::Result<()> {
    let uri = address.parse::<Uri>();
    *request.uri_mut() = uri.map_err(|_| problem::Problem(refuse("The path cannot be read.")))?;
    Ok(())
}

/// Puts the question that a `$skiptoken` or `$deltatoken` carries in its place, so that handlers see whole options.
fn open_token(app: &App, request: &mut Request, info: &mut RequestInfo) -> poem::Result<()> {
    let opened = links::opened(&app.store.context().sealer, &info.path, &info.query).map_err(|error| {
        let is_directory = problem::is_directory(request.uri().path());
        problem::Problem(if is_directory { error.in_directory() } else { error })
    })?;
    if let Some(query) = opened {
        move_to(request, &format!("{}?{query}", request.uri().path()))?;
        info.query = query;
    }
    Ok(())
}

/// True for `%00` to `%1F` and `%7F` anywhere in a path or query: no name has them, and PostgreSQL takes no U+0000.
fn hides_control_characters(address: &str) -> bool {
    address.as_bytes().windows(3).any(|three| match three {
        [b'%', b'0' | b'1', low] => low.is_ascii_hexdigit(),
        [b'%', b'7', b'f' | b'F'] => true,
        _ => false,
    })
}

/// An upload that its handler takes in piece by piece, and bounds itself. Its handler also completes the fingerprint of
/// its `Idempotency-Key`.
fn is_streamed(request: &Request, info: &RequestInfo) -> bool {
    let is_utf8 = request.content_type().is_some_and(|media_type| {
        let mut charset = media_type.split(';').filter_map(|part| part.trim().split_once('='));
        charset.all(|(name, value)| {
            !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    });
    info.path.ends_with("/mfaResets") && media_type(request).as_deref() == Some(CSV) && is_utf8
}

/// The body's media type without parameters, in lower case.
fn media_type(request: &Request) -> Option<String> {
    let media_type = request.content_type()?.split(';').next().unwrap_or_default();
    Some(media_type.trim().to_ascii_lowercase())
}

fn refuse_encodings(request: &Request) -> poem::Result<()> {
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    if let Some(encoding) = encodings.find(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let encoding = encoding.to_str().unwrap_or("?").chars().take(32).collect();
        return Err(problem::Problem(Error::UnsupportedEncoding { encoding }).into());
    }
    Ok(())
}

async fn read_body(request: &mut Request, info: &mut RequestInfo) -> poem::Result<Vec<u8>> {
    refuse_encodings(request)?;
    let (limit, patience) = match info.path.rsplit('/').next() {
        Some("import") => (MAX_IMPORT_BODY, IMPORT_PATIENCE),
        Some("mfaResets") => (MAX_TARGETS_BODY, BODY_PATIENCE),
        _ if batch::is_batch(&info.path) => (MAX_BATCH_BODY, BODY_PATIENCE),
        _ => (MAX_BODY, BODY_PATIENCE),
    };
    let too_large = || poem::Error::from(problem::Problem(Error::TooLarge { limit }));
    let announced = request.header("content-length").and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let body = match timeout(patience, request.take_body().into_bytes_limit(limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(ReadBodyError::PayloadTooLarge)) => return Err(too_large()),
        Ok(Err(_)) => return Err(problem::Problem(refuse("The body ended before it was complete.")).into()),
        Err(_) => return Err(poem::Error::from_status(StatusCode::REQUEST_TIMEOUT)),
    };
    if body.is_empty() {
        // Actions without a body come with or without a media type; both mean the same.
        request.headers_mut().entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        return Ok(Vec::new());
    }
    let is_json =
        media_type(request).is_some_and(|media_type| media_type == "application/json" || media_type.ends_with("+json"));
    if !is_json {
        return Ok(body.to_vec());
    }
    let normalised = strict_json::normalise(&body).map_err(|message| problem::Problem(refuse(message)))?;
    if batch::is_batch(&info.path) {
        // Strict already here, as parsing keeps one of two equal keys; but the annotations are the items'.
        return Ok(body.to_vec());
    }
    if request.method() == Method::PATCH {
        info.odata_type = strict_json::odata_type(&body);
    }
    Ok(normalised)
}

fn once(app: &App, request: &Request, info: &RequestInfo, body: &[u8]) -> Result<Option<Once>, Error> {
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY).filter(|_| request.method() == Method::POST) else {
        return Ok(None);
    };
    let key = key.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > MAX_KEY_LENGTH || request.headers().get_all(IDEMPOTENCY_KEY).iter().count() > 1 {
        let message = format!("An Idempotency-Key is one header of 1 to {MAX_KEY_LENGTH} printable ASCII characters.");
        return Err(Error::invalid("Idempotency-Key", message));
    }
    let parts = [info.path.as_bytes(), info.query.as_bytes(), body];
    let fingerprint = app.store.context().sealer.fingerprint(&parts);
    Ok(Some(Once { key: key.to_owned(), fingerprint }))
}

/// An answer that is given without a request's way through the gate, with the headers that the gate sets.
pub fn finished(mut response: Response, info: &RequestInfo) -> Response {
    finish(&mut response, info);
    response
}

fn finish(response: &mut Response, info: &RequestInfo) {
    let status = response.status();
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(REQUEST_ID, &info.origin.request_id);
    set(CLIENT_REQUEST_ID, &info.origin.client_request_id);
    let applied = info.applied.get().filter(|_| status.is_success());
    let minimal = "return=minimal".to_owned();
    let applied = applied.or_else(|| (info.prefers_minimal && status == StatusCode::NO_CONTENT).then_some(&minimal));
    if let Some(applied) = applied {
        set(HeaderName::from_static("preference-applied"), applied);
    }
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if let Some(charge) = info.charge.get() {
        charge.add_headers(headers);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
