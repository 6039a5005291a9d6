//! The gate every request passes: who asked, under which version, with which body; and the headers of every answer.
//!
//! JSON bodies are read strictly here, once for all operations: bounded, UTF-8, no duplicate keys. OData annotations
//! (`@odata.type` and the like), which Graph's own clients put into every object, are taken out.

mod body;
mod info;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use poem::{
    Endpoint, IntoResponse, Middleware, PathPattern, Request, Response,
    error::MethodNotAllowedError,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
};
use poem_openapi::{OperationId, error::ParseRequestPayloadError};

pub use self::info::{CallerNote, RequestInfo};
use super::{
    address, batch, me,
    observe::{Metrics, Routes},
    odata::links,
    problem::{self, Panicked},
};
use crate::{app::App, error::Error};

/// The longest path and query, in bytes.
const MAX_URI: usize = 16 * 1024;
/// The same of our own links: they hold a whole address, in Base64.
const MAX_LINK: usize = MAX_URI + MAX_URI / 2;
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

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
        let mut info = info::describe(&self.app, &request);
        let mut body = Bytes::new();
        let mut outcome = match prepare(&self.app, &mut request, &mut info).await {
            Ok(read) => {
                body = read;
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
        let route = route.as_ref().map(|pattern| &*pattern.0);
        let mut response = outcome.unwrap_or_else(|error| {
            let fault = route
                .filter(|_| error.is::<ParseRequestPayloadError>())
                .and_then(|route| self.routes.fault(route, &method, problem::area(&info.path), &body));
            problem::respond(fault.map_or(error, |fault| problem::Problem(fault).into()), &info)
        });
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

fn refuse(path: &str, message: impl Into<String>) -> Error {
    Error::Invalid { area: problem::area(path), target: None, message: message.into() }
}

/// Brings the request to the form that the routes know; the body, as they will read it.
async fn prepare(app: &App, request: &mut Request, info: &mut RequestInfo) -> poem::Result<Bytes> {
    // CONNECT names a host instead of a path; this is no proxy.
    let Some(whole) = request.uri().path_and_query().filter(|_| request.method() != Method::CONNECT) else {
        return Err(MethodNotAllowedError.into());
    };
    let is_link = whole.query().is_some_and(links::has_token);
    if whole.as_str().len() > if is_link { MAX_LINK } else { MAX_URI } {
        return Err(poem::Error::from_status(StatusCode::URI_TOO_LONG));
    }
    if hides_control_characters(whole.as_str()) {
        return Err(problem::Problem(refuse(request.uri().path(), "The address contains control characters.")).into());
    }
    // The same routes serve both versions.
    if let Some(rest) = whole.as_str().strip_prefix("/beta/") {
        let address = format!("/v1.0/{rest}");
        move_to(request, &address)?;
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
        move_to(request, &plain)?;
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(Bytes::new());
    }
    if body::is_streamed(request, info) {
        // Bare, as the operation's document has it.
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(body::CSV));
        info.once = body::once(app, request, info, &[]).map_err(|error| problem::in_area(&info.path, error))?;
        return body::refuse_encodings(request).map(|()| Bytes::new());
    }
    let body = Bytes::from(body::read(request, info).await?);
    info.once = body::once(app, request, info, &body).map_err(|error| problem::in_area(&info.path, error))?;
    request.set_body(body.clone());
    Ok(body)
}

fn move_to(request: &mut Request, address: &str) -> poem::Result<()> {
    let uri = address.parse::<Uri>();
    *request.uri_mut() = uri.map_err(|_| problem::Problem(refuse(address, "The path cannot be read.")))?;
    Ok(())
}

/// Puts the question that a `$skiptoken` or `$deltatoken` carries in its place, so that handlers see whole options.
fn open_token(app: &App, request: &mut Request, info: &mut RequestInfo) -> poem::Result<()> {
    let opened = links::opened(&app.store.context().sealer, &info.path, &info.query)
        .map_err(|error| problem::in_area(request.uri().path(), error))?;
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
