//! One place turns every failure into Graph's error body: our own [`Error`], and whatever poem says before a handler
//! runs (unknown route, wrong method, bad JSON, wrong media type, too large, panic).

use std::any::Any;

use poem::{
    IntoResponse, Response,
    error::{MethodNotAllowedError, NotFoundError},
    http::{HeaderValue, StatusCode, header},
    middleware::PanicHandler,
};
use poem_openapi::{
    ApiResponse, Object,
    error::{AuthorizationError, ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError},
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::{ToJSON, Type},
};

use super::{authenticator_devices, intake::RequestInfo, oauth, rate_limits::Throttled};
use crate::{
    error::{Area, Error},
    tokens::client_credentials::Refusal,
};

/// Seconds after which a caller may try again when the database was away.
const RETRY_AFTER_SECONDS: u32 = 2;

/// Graph's error body.
#[derive(Debug, Object)]
#[oai(rename = "ErrorResponse")]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

/// What went wrong, and what to do about it.
#[derive(Debug, Object)]
#[oai(rename = "MainError", skip_serializing_if_is_none)]
pub struct ErrorDetail {
    /// For programs: one of Graph's codes.
    pub code: String,
    /// For people.
    pub message: String,
    /// The property or parameter that is wrong.
    pub target: Option<String>,
    #[oai(rename = "innerError")]
    pub inner_error: InnerError,
}

/// How to find this request again.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct InnerError {
    /// A narrower code, when there is one.
    pub code: Option<String>,
    /// When it happened, UTC without offset, as Graph writes it.
    pub date: String,
    #[oai(rename = "request-id")]
    pub request_id: String,
    #[oai(rename = "client-request-id")]
    pub client_request_id: String,
}

/// An [`Error`] on its way out of a handler. Documents the failures that every operation shares.
#[derive(Debug)]
pub struct Problem(pub Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let status = describe(&problem.0).status;
        poem::Error::new(problem.0, status)
    }
}

impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        let responses = [
            (400, "The request is malformed or breaks a rule; nothing was changed. `error.target` names the property."),
            (401, "The access token is missing, forged, expired or withdrawn. Request a new one."),
            (403, "The caller lacks the permission or role that `error.message` names."),
            (404, "There is no such object in this tenant."),
            (409, "The object's present state forbids this."),
            (410, "The delta link is too old; begin anew at the address in Location."),
            (412, "The object has changed since the etag in If-Match was read."),
            (413, "The body is too large."),
            (415, "The body's media type or encoding is not supported; send plain JSON."),
            (422, "The Idempotency-Key was used for another request."),
            (428, "The header If-Match is missing."),
            (429, "Too many requests or too many failures in a row; wait for the seconds in Retry-After."),
            (500, "A fault of the service; quote the request-id."),
            (
                503,
                "The database, or the outside issuer of the token, is away; wait for the seconds in Retry-After and try again. Nothing was changed.",
            ),
        ];
        let response = |(status, description)| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: Json::<ErrorBody>::CONTENT_TYPE,
                schema: ErrorBody::schema_ref(),
            }],
            headers: vec![],
        };
        MetaResponses { responses: responses.into_iter().map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        ErrorBody::register(registry);
    }
}

/// A failure in HTTP's and Graph's terms.
struct Description {
    status: StatusCode,
    code: &'static str,
    inner: Option<&'static str>,
    message: String,
    target: Option<String>,
}

impl Description {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, inner: None, message: message.into(), target: None }
    }
}

fn describe(error: &Error) -> Description {
    match error {
        Error::Invalid { area, target, message } => {
            let code = if *area == Area::Directory { "Request_BadRequest" } else { "badRequest" };
            Description { target: target.clone(), ..Description::new(StatusCode::BAD_REQUEST, code, message) }
        }
        Error::Unauthenticated { message } => {
            Description::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
        }
        Error::Denied { area, inner, message } => {
            let code = if *area == Area::Directory { "Authorization_RequestDenied" } else { "accessDenied" };
            Description { inner: Some(inner), ..Description::new(StatusCode::FORBIDDEN, code, message) }
        }
        Error::NotFound { area: Area::Directory, what } => Description::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!(
                "Resource '{what}' does not exist or one of its queried reference-property objects are not present."
            ),
        ),
        Error::NotFound { area: Area::Methods, what } => {
            Description::new(StatusCode::NOT_FOUND, "resourceNotFound", format!("There is no '{what}' here."))
        }
        Error::Conflict { code, message } => Description::new(StatusCode::CONFLICT, code, message),
        Error::PreconditionRequired => Description::new(
            StatusCode::PRECONDITION_REQUIRED,
            "preconditionRequired",
            "Send the header If-Match with the '@odata.etag' of the object as you last read it.",
        ),
        Error::PreconditionFailed => Description {
            inner: Some("entityTagDoesNotMatch"),
            ..Description::new(
                StatusCode::PRECONDITION_FAILED,
                "resourceModified",
                "The object is not the one that If-Match names: it has changed since its '@odata.etag' was read, or has none. Read it again and decide anew.",
            )
        },
        Error::ResyncRequired { .. } => Description::new(
            StatusCode::GONE,
            "resyncRequired",
            "What this link stands for is too long ago. Begin anew at the address in the header Location.",
        ),
        Error::Unprocessable { message } => {
            Description::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessableEntity", message)
        }
        Error::TooManyAttempts { message, retry_after } => Description {
            inner: Some(if retry_after.is_some() { "tooManyAttempts" } else { "lockedOut" }),
            ..Description::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message)
        },
        Error::TooLarge { limit } => Description::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "requestEntityTooLarge",
            format!("The body is too large: this resource takes at most {limit} bytes."),
        ),
        Error::UnsupportedEncoding { encoding } => Description::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupportedMediaType",
            format!("The Content-Encoding '{encoding}' is not supported; send the body as it is."),
        ),
        Error::Unavailable { .. } | Error::Contended => Description::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "serviceNotAvailable",
            "The service cannot reach its database right now and changed nothing. Wait for the seconds in Retry-After and try again.",
        ),
        Error::IssuerAway => Description::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "serviceNotAvailable",
            "The issuer of this access token cannot be asked for its keys right now, so the token cannot be checked. Wait for the seconds in Retry-After and try again.",
        ),
        Error::Internal { .. } => Description::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "generalException",
            "The service failed and changed nothing. Try again, and quote the request-id if it keeps failing.",
        ),
    }
}

/// Which of Graph's services what stands under this path belongs to.
pub fn area(path: &str) -> Area {
    const ROOTS: [&str; 7] =
        ["/users", "/me", "/directory", "/organization", "/roleManagement", "/applications", "/identity/"];
    let below = path.strip_prefix("/v1.0").or_else(|| path.strip_prefix("/beta")).unwrap_or(path);
    let is_directory = ROOTS.iter().any(|root| below.starts_with(root)) && !path.contains("/authentication");
    if is_directory { Area::Directory } else { Area::Methods }
}

/// An error in the words of the service that the path belongs to.
pub fn in_area(path: &str, error: Error) -> Problem {
    Problem(if area(path) == Area::Directory { error.in_directory() } else { error })
}

/// What poem itself refuses.
fn describe_poem(error: &poem::Error, info: &RequestInfo) -> Description {
    let bad_request = if area(&info.path) == Area::Directory { "Request_BadRequest" } else { "badRequest" };
    if let Some(error) = error.downcast_ref::<Error>() {
        return describe(error);
    }
    if let Some(Refusal::IssuerAway) = error.downcast_ref() {
        return describe(&Error::IssuerAway);
    }
    if let Some(throttled) = error.downcast_ref::<Throttled>() {
        let message = throttled.message();
        let description = Description::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        return Description { inner: Some("429"), ..description };
    }
    if error.is::<AuthorizationError>() && authenticator_devices::speaks(&info.path) {
        let message = "A proof is needed: sign the call with the device's key, in the header DPoP.";
        return Description::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message);
    }
    if error.is::<AuthorizationError>() {
        let message = "An access token is needed: send 'Authorization: Bearer <token>' with a token from this tenant's token endpoint.";
        return Description::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message);
    }
    if error.is::<NotFoundError>() {
        let message =
            format!("No HTTP resource was found that matches the path '{}'. /docs lists all of them.", info.path);
        return Description::new(StatusCode::NOT_FOUND, "resourceNotFound", message);
    }
    if error.is::<MethodNotAllowedError>() {
        return Description::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "notAllowed",
            "This resource does not support this HTTP method; /docs lists those it does.",
        );
    }
    if let Some(error) = error.downcast_ref::<ParseRequestPayloadError>() {
        return Description::new(
            StatusCode::BAD_REQUEST,
            bad_request,
            // What was found instead may be a secret.
            format!("The body cannot be read: {}", error.reason.split(", found ").next().unwrap_or_default()),
        );
    }
    if let Some(error) = error.downcast_ref::<ParseParamError>() {
        let target = Some(error.name.to_owned());
        return Description {
            target,
            ..Description::new(
                StatusCode::BAD_REQUEST,
                bad_request,
                format!("The parameter {} is wrong: {}", error.name, error.reason),
            )
        };
    }
    if let Some(error) = error.downcast_ref::<ParsePathError>() {
        let target = Some(error.name.to_owned());
        return Description {
            target,
            ..Description::new(
                StatusCode::BAD_REQUEST,
                bad_request,
                format!("The path's {} is wrong: {}", error.name, error.reason),
            )
        };
    }
    if error.is::<ContentTypeError>() {
        let message = if info.path.ends_with("/import") {
            "Send the body as CSV or PSKC, with 'Content-Type: text/csv' or 'Content-Type: application/pskc+xml'."
        } else {
            "Send the body as JSON, with 'Content-Type: application/json'."
        };
        return Description::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupportedMediaType", message);
    }
    match error.status() {
        StatusCode::REQUEST_TIMEOUT => {
            Description::new(StatusCode::REQUEST_TIMEOUT, "requestTimeout", "The body did not arrive in time.")
        }
        StatusCode::URI_TOO_LONG => Description::new(
            StatusCode::URI_TOO_LONG,
            "uriTooLong",
            "The address is too long; ask for less, or in several requests.",
        ),
        status if status.is_client_error() => Description::new(status, bad_request, error.to_string()),
        _ => describe(&Error::internal(error)),
    }
}

/// The outermost word on every failure. Faults are logged here, once, with what the caller does not see.
pub fn respond(error: poem::Error, info: &RequestInfo) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    let description = describe_poem(&error, info);
    if description.status.is_server_error() {
        tracing::error!(request_id = %info.origin.request_id, error = %error, "request failed");
    }
    let mut response = if oauth::speaks(&info.path) {
        oauth::respond(&error, description.status, info)
    } else {
        graph_body(description, info)
    };
    if let Some(Error::TooManyAttempts { retry_after: Some(seconds), .. }) = error.downcast_ref() {
        response.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
    }
    if let Some(Error::ResyncRequired { location }) = error.downcast_ref()
        && let Ok(location) = HeaderValue::from_str(location)
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if let Some(throttled) = error.downcast_ref::<Throttled>() {
        throttled.add_headers(&mut response);
    }
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
    }
    response
}

/// A refusal that is no [`Error`] of the domain's: what HTTP or Graph says of requests among each other.
pub fn refusal(status: StatusCode, code: &'static str, message: String, info: &RequestInfo) -> Response {
    graph_body(Description::new(status, code, message), info)
}

fn graph_body(description: Description, info: &RequestInfo) -> Response {
    let body = ErrorBody {
        error: ErrorDetail {
            code: description.code.into(),
            message: description.message,
            target: description.target,
            inner_error: InnerError {
                code: description.inner.map(str::to_owned),
                date: info.received.to_datetime().format("%Y-%m-%dT%H:%M:%S").to_string(),
                request_id: info.origin.request_id.clone(),
                client_request_id: info.origin.client_request_id.clone(),
            },
        },
    };
    let mut response = poem::web::Json(body.to_json()).with_status(description.status).into_response();
    if description.status == StatusCode::UNAUTHORIZED {
        let is_device = authenticator_devices::speaks(&info.path);
        let challenge = if is_device { authenticator_devices::CHALLENGE } else { "Bearer" };
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// Stands where a handler panicked, until [`respond`] says it in Graph's words.
#[derive(Clone)]
pub struct Panicked;

impl PanicHandler for Panicked {
    type Response = Response;

    fn get_response(&self, _: Box<dyn Any + Send + 'static>) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.set_data(Self);
        response
    }
}
