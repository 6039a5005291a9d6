//! Turns the access token of a request into a [`Caller`]. What the caller may do is decided by the rules, in the
//! transaction, not here.

use poem::{Request, http::StatusCode};
use poem_openapi::{OAuthScopes, SecurityScheme, auth::Bearer};

use super::{
    intake::{CallerNote, RequestInfo},
    odata::{etag, links},
    problem::{Problem, in_area},
    rate_limits::RateLimiters,
};
use crate::{access::Caller, app::App};

#[derive(OAuthScopes)]
#[expect(dead_code, reason = "read by the derive, for the document")]
enum Scopes {
    /// All permissions that the application was granted.
    #[oai(rename = ".default")]
    Default,
}

/// OAuth 2.0 client credentials: the client id and secret of an application of the tenant. (`rekey serve --demo`
/// prints a pair.)
#[derive(SecurityScheme)]
#[oai(
    rename = "oauth2",
    ty = "oauth2",
    flows(client_credentials(token_url = "/common/oauth2/v2.0/token", scopes = "Scopes")),
    checker = "check"
)]
pub struct Guard(pub Caller);

async fn check(request: &Request, bearer: Bearer) -> poem::Result<Caller> {
    let (Some(app), Some(info)) = (request.data::<App>(), request.data::<RequestInfo>()) else {
        return Err(poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let called = app.caller_of(bearer.token, info.origin.clone(), info.once.clone());
    let (caller, expires_at) = called.await.map_err(Problem)?;
    info.note(CallerNote {
        tenant: caller.tenant.clone(),
        caller: caller.id().to_owned(),
        expires_at: Some(expires_at),
    });
    if let Some(limiters) = request.data::<RateLimiters>() {
        limiters.charge(request, &caller, info)?;
    }
    links::check_tenant(&info.query, &caller.tenant).map_err(|error| in_area(&info.path, error))?;
    etag::check_condition(request).map_err(Problem)?;
    Ok(caller)
}
