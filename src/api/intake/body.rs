//! The bodies of requests: bounded in size and time, and read strictly, once for all operations.

use std::time::Duration;

use poem::{
    Request,
    error::ReadBodyError,
    http::{HeaderValue, Method, StatusCode, header},
};
use tokio::time::timeout;

use super::{RequestInfo, refuse};
use crate::{
    api::{batch, problem, strict_json},
    app::App,
    error::Error,
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

const IDEMPOTENCY_KEY: &str = "idempotency-key";
pub(super) const CSV: &str = "text/csv";

/// An upload that its handler takes in piece by piece, and bounds itself. Its handler also completes the fingerprint of
/// its `Idempotency-Key`.
pub(super) fn is_streamed(request: &Request, info: &RequestInfo) -> bool {
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

pub(super) fn refuse_encodings(request: &Request) -> poem::Result<()> {
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    if let Some(encoding) = encodings.find(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let encoding = encoding.to_str().unwrap_or("?").chars().take(32).collect();
        return Err(problem::Problem(Error::UnsupportedEncoding { encoding }).into());
    }
    Ok(())
}

/// Reads a whole body; strictly, when it is JSON.
pub(super) async fn read(request: &mut Request, info: &mut RequestInfo) -> poem::Result<Vec<u8>> {
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
        Ok(Err(_)) => return Err(problem::Problem(refuse(&info.path, "The body ended before it was complete.")).into()),
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
    let is_change = request.method() == Method::PATCH;
    let normalise = if is_change { strict_json::normalise_change } else { strict_json::normalise };
    let normalised = normalise(&body).map_err(|message| problem::Problem(refuse(&info.path, message)))?;
    if batch::is_batch(&info.path) {
        // Strict already here, as parsing keeps one of two equal keys; but the annotations are the items'.
        return Ok(body.to_vec());
    }
    if is_change {
        info.odata_type = strict_json::odata_type(&body);
    }
    Ok(normalised)
}

/// What makes the request one that is carried out once, if it asks for that.
pub(super) fn once(app: &App, request: &Request, info: &RequestInfo, body: &[u8]) -> Result<Option<Once>, Error> {
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
