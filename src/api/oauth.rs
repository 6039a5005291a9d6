//! What the token endpoint and the discovery documents share: errors in OAuth's shape (RFC 6749 section 5.2 with Entra's
//! additions) instead of Graph's, and the request's form.

mod form;

use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::{ToJSON, Type},
};

pub use form::{Asked, TokenForm};

use super::intake::RequestInfo;
use crate::{error::Error, tokens::client_credentials::Refusal};

/// True for the paths whose callers expect OAuth's errors.
pub fn speaks(path: &str) -> bool {
    ["/oauth2/v2.0/token", "/v2.0/.well-known/openid-configuration", "/discovery/v2.0/keys", "/discovery/instance"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// OAuth's error body, as Entra fills it.
#[derive(Debug, Object)]
#[oai(rename = "TokenErrorResponse")]
struct OauthErrorBody {
    /// For programs: one of OAuth's codes, such as `invalid_client`.
    error: String,
    /// For people. Begins with `AADSTS` and a number.
    error_description: String,
    /// The numbers behind `AADSTS`.
    error_codes: Vec<u32>,
    /// When it happened, UTC.
    timestamp: String,
    /// The `request-id` of this answer.
    trace_id: String,
    /// The `client-request-id` of the request, or the `request-id` again.
    correlation_id: String,
}

/// A [`Refusal`] on its way out of a handler.
#[derive(Debug)]
pub struct OauthProblem(pub poem::Error);

impl From<Refusal> for OauthProblem {
    fn from(refusal: Refusal) -> Self {
        Self(poem::Error::new(refusal, status(refusal)))
    }
}

impl From<Error> for OauthProblem {
    fn from(error: Error) -> Self {
        Self(super::problem::Problem(error).into())
    }
}

impl From<OauthProblem> for poem::Error {
    fn from(problem: OauthProblem) -> Self {
        problem.0
    }
}

impl ApiResponse for OauthProblem {
    fn meta() -> MetaResponses {
        let responses = [
            (400, "The request is malformed, or names a tenant or application that is not there."),
            (401, "The client secret or assertion is wrong or has expired."),
            (405, "The path takes another method; the header Allow names it."),
            (413, "The body is too large."),
            (415, "The body is compressed or not a form."),
            (500, "A fault of the service; quote the trace_id."),
            (
                503,
                "The database, or the issuer of a federated assertion, is away; wait for the seconds in Retry-After and try again.",
            ),
        ];
        let response = |(status, description)| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: Json::<OauthErrorBody>::CONTENT_TYPE,
                schema: OauthErrorBody::schema_ref(),
            }],
            headers: vec![],
        };
        MetaResponses { responses: responses.into_iter().map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        OauthErrorBody::register(registry);
    }
}

fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        refusal if is_wrong_proof(refusal) => StatusCode::UNAUTHORIZED,
        Refusal::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::Fault => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::Unavailable | Refusal::IssuerAway => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// RFC 6749 section 5.2: what the client showed is not good.
fn is_wrong_proof(refusal: Refusal) -> bool {
    code(refusal) == "invalid_client"
}

/// OAuth's own code (RFC 6749 sections 4.1.2.1 and 5.2; RFC 8693 section 2.2.2).
fn code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed(_)
        | Refusal::Missing(_)
        | Refusal::Duplicated
        | Refusal::WrongMethod
        | Refusal::UnknownTenant
        | Refusal::InvalidSubject
        | Refusal::TenantNotNamed => "invalid_request",
        Refusal::UnsupportedGrant => "unsupported_grant_type",
        Refusal::InvalidScope => "invalid_scope",
        Refusal::UnknownApplication | Refusal::Disabled | Refusal::NotAssigned => "unauthorized_client",
        Refusal::UserNotAssigned => "invalid_target",
        Refusal::WrongSecret
        | Refusal::ExpiredSecret
        | Refusal::MalformedAssertion
        | Refusal::AssertionWithoutId
        | Refusal::AssertionUnsigned
        | Refusal::KeyExpired
        | Refusal::AssertionOfAnother
        | Refusal::AssertionAudience
        | Refusal::AssertionTimes
        | Refusal::AssertionReplayed
        | Refusal::NotFederated => "invalid_client",
        Refusal::Fault => "server_error",
        Refusal::Unavailable | Refusal::IssuerAway => "temporarily_unavailable",
    }
}

/// The answer to any failure on a path that [`speaks`] OAuth, whoever noticed it.
pub fn respond(error: &poem::Error, status: StatusCode, info: &RequestInfo) -> Response {
    let refusal = match (error.downcast_ref::<Refusal>(), status) {
        (Some(refusal), _) => *refusal,
        (None, StatusCode::METHOD_NOT_ALLOWED) => Refusal::WrongMethod,
        (None, StatusCode::PAYLOAD_TOO_LARGE) => Refusal::Malformed("The body is too large."),
        (None, StatusCode::UNSUPPORTED_MEDIA_TYPE) => {
            Refusal::Malformed("Send the body as it is, as application/x-www-form-urlencoded.")
        }
        (None, StatusCode::SERVICE_UNAVAILABLE) => Refusal::Unavailable,
        (None, status) if status.is_server_error() => Refusal::Fault,
        (None, _) => Refusal::Malformed("The request is malformed or invalid."),
    };
    let timestamp = info.received.to_datetime().format("%Y-%m-%d %H:%M:%SZ").to_string();
    let body = OauthErrorBody {
        error: code(refusal).into(),
        error_description: format!(
            "AADSTS{}: {refusal} Trace ID: {} Correlation ID: {} Timestamp: {timestamp}",
            refusal.number(),
            info.origin.request_id,
            info.origin.client_request_id
        ),
        error_codes: vec![refusal.number()],
        timestamp,
        trace_id: info.origin.request_id.clone(),
        correlation_id: info.origin.client_request_id.clone(),
    };
    let mut response = poem::web::Json(body.to_json()).with_status(status).into_response();
    let headers = response.headers_mut();
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    // A browser would answer the challenge with a dialog of its own in front of Swagger UI's.
    if status == StatusCode::UNAUTHORIZED && !info.is_script {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"rekey\", charset=\"UTF-8\""));
    }
    response
}
