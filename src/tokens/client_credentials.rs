//! OAuth 2.0 client credentials (RFC 6749 section 4.4): a client id and its secret for an access token.

use secrecy::SecretString;

use super::{Issuer, LIFETIME_SECONDS, shown_secret, usable_keys};
use crate::{
    access::{Actor, Origin, Powers, partner},
    audit::{self, Activity, Entry, Target},
    error::Result,
    id::{ApplicationId, TenantId},
    store::{
        Tx, applications,
        applications::{Application, ApplicationSecret},
        audit as audit_log,
        keys::PublicKey,
        tenants,
    },
};

/// Refusals of one application that are recorded within [`WINDOW_SECONDS`]: enough to see that somebody guesses, too
/// few to fill the disk with it.
const RECORDED_REFUSALS: i64 = 10;
const WINDOW_SECONDS: i64 = 60;
/// In place of a tenant: the one that the application belongs to.
const OWN_TENANT: [&str; 2] = ["common", "organizations"];

/// Who asks for a token, where, and how it is proven.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// A tenant's id or default domain, or `common` or `organizations` for the application's own tenant.
    pub tenant: String,
    pub client_id: String,
    pub client_secret: SecretString,
}

/// A token, and whose it is.
#[derive(Debug)]
pub struct Granted {
    pub tenant: TenantId,
    /// The application's or user's id.
    pub caller: String,
    pub access_token: SecretString,
    /// Seconds.
    pub expires_in: i64,
}

/// Why there is no token, in Entra's words. None of them repeats what the caller sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("The request body must contain the following parameter: '{0}'.")]
    Missing(&'static str),
    #[error("The request is not properly formatted: a parameter is included more than once.")]
    Duplicated,
    #[error("The endpoint only accepts the HTTP methods that the Allow header names.")]
    WrongMethod,
    #[error(
        "The app requested an unsupported grant type; supported are 'client_credentials' and 'urn:ietf:params:oauth:grant-type:token-exchange'."
    )]
    UnsupportedGrant,
    #[error(
        "The provided value for the parameter 'scope' is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
    )]
    InvalidScope,
    #[error("The tenant was not found. Check its id or domain name.")]
    UnknownTenant,
    #[error(
        "The tenant must be named here by its id or default domain; 'common' is served by the token endpoint only."
    )]
    TenantNotNamed,
    #[error("The application was not found in the directory. Check the client_id and the tenant of the address.")]
    UnknownApplication,
    #[error(
        "The client application is missing in this tenant: it needs an active delegated admin relationship between its own tenant and this one, and an access assignment in it."
    )]
    NotAssigned,
    #[error(
        "The user is not known in this tenant: he needs an active delegated admin relationship between his own tenant and this one, and an access assignment in it."
    )]
    UserNotAssigned,
    #[error(
        "The subject_token is not valid here: it must be a living access token of a user, with the user's roles, from the user's own tenant, which is another one than this."
    )]
    InvalidSubject,
    #[error("The application is disabled.")]
    Disabled,
    #[error(
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to the application."
    )]
    WrongSecret,
    #[error("The provided client secret keys for the application are expired. Create a new secret.")]
    ExpiredSecret,
    #[error("The service failed. Try again later, and quote the trace id if it keeps failing.")]
    Fault,
    #[error("The service is temporarily unavailable. Wait for the seconds in Retry-After and try again.")]
    Unavailable,
}

impl Refusal {
    /// The number behind `AADSTS` ("Microsoft Entra authentication and authorization error codes").
    pub fn number(self) -> u32 {
        match self {
            Self::Malformed(_) => 9_002_313,
            Self::Missing(_) => 900_144,
            Self::Duplicated => 9_000_411,
            Self::WrongMethod => 900_561,
            Self::UnsupportedGrant => 70_003,
            Self::InvalidScope => 1_002_012,
            Self::UnknownTenant => 90_002,
            Self::TenantNotNamed => 50_194,
            Self::UnknownApplication => 700_016,
            Self::NotAssigned => 7_000_229,
            Self::UserNotAssigned => 50_020,
            Self::InvalidSubject => 50_013,
            Self::Disabled => 7_000_112,
            Self::WrongSecret => 7_000_215,
            Self::ExpiredSecret => 7_000_222,
            Self::Fault => 90_013,
            Self::Unavailable => 90_033,
        }
    }
}

/// A refusal, and the application to record it for when there is one.
#[derive(Debug)]
pub struct Refused {
    pub refusal: Refusal,
    pub application: Option<Application>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, application: None }
    }
}

/// The tenant whose configuration is asked for.
pub fn named_tenant(tx: &mut Tx<'_>, name: &str) -> Result<Result<TenantId, Refusal>> {
    if OWN_TENANT.contains(&name) {
        return Ok(Err(Refusal::TenantNotNamed));
    }
    Ok(tenants::find_by_name(tx, name)?.map(|tenant| tenant.tenant_id).ok_or(Refusal::UnknownTenant))
}

/// The keys that verify the tokens of a tenant now.
pub fn keys_of(tx: &mut Tx<'_>, name: &str) -> Result<Result<Vec<PublicKey>, Refusal>> {
    match named_tenant(tx, name)? {
        Ok(tenant) => usable_keys(tx, &tenant).map(Ok),
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// Issues a token to an application that shows a valid secret: in its own tenant, or in the tenant of a customer when it
/// is a partner's. Changes nothing.
pub fn obtain(tx: &mut Tx<'_>, issuer: &Issuer, request: &TokenRequest) -> Result<Result<Granted, Refused>> {
    let application_id = ApplicationId::parse(&request.client_id);
    let tenant = if OWN_TENANT.contains(&request.tenant.as_str()) {
        match &application_id {
            Some(id) => applications::tenant_of(tx, id)?,
            None => None,
        }
    } else {
        match tenants::find_by_name(tx, &request.tenant)? {
            Some(tenant) => Some(tenant.tenant_id),
            None => return Ok(Err(Refusal::UnknownTenant.into())),
        }
    };
    let found = match (&tenant, &application_id) {
        (Some(tenant), Some(id)) => applications::find(tx, tenant, id)?,
        _ => None,
    };
    let found = match (found, application_id) {
        (None, Some(id)) => of_partner(tx, &id)?,
        (found, _) => found,
    };
    let (Some(application), Some(tenant)) = (found, tenant) else {
        return Ok(Err(Refusal::UnknownApplication.into()));
    };
    // The secret comes first: who does not know it learns nothing else of the application.
    let refusal = match shown_secret(&application, &request.client_secret) {
        None => Refusal::WrongSecret,
        Some(_) if !application.is_enabled => Refusal::Disabled,
        Some(secret) if secret.end_date_time <= tx.now() => Refusal::ExpiredSecret,
        Some(secret) => match issue(tx, issuer, &tenant, &application, secret)? {
            Some(access_token) => {
                let caller = application.application_id.into_string();
                return Ok(Ok(Granted { tenant, caller, access_token, expires_in: LIFETIME_SECONDS }));
            }
            None => Refusal::NotAssigned,
        },
    };
    Ok(Err(Refused { refusal, application: Some(application) }))
}

/// An application of a partner: the only kind that may ask for a token in another tenant than its own.
fn of_partner(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<Option<Application>> {
    let Some(home) = applications::tenant_of(tx, id)? else { return Ok(None) };
    match tenants::find(tx, &home)?.is_some_and(|home| home.is_partner) {
        true => applications::find(tx, &home, id),
        false => Ok(None),
    }
}

/// A token in the application's own tenant, or in the tenant of a customer; none when the customer gave it nothing.
fn issue(
    tx: &mut Tx<'_>,
    issuer: &Issuer,
    tenant: &TenantId,
    application: &Application,
    secret: &ApplicationSecret,
) -> Result<Option<SecretString>> {
    if *tenant == application.tenant_id {
        return issuer.for_application(tx, application, secret).map(Some);
    }
    let granted = partner::granted(tx, &application.tenant_id, tenant, application.application_id.as_str())?;
    if granted.roles.is_empty() {
        return Ok(None);
    }
    issuer.for_application_of_partner(tx, tenant, application, secret, &granted.roles).map(Some)
}

/// True while fewer refusals of the application than [`RECORDED_REFUSALS`] stand in the log of the last minute.
pub fn is_worth_recording(tx: &mut Tx<'_>, application: &Application) -> Result<bool> {
    let (tenant, id) = (&application.tenant_id, application.application_id.as_str());
    let activity = Activity::OBTAIN_TOKEN.display_name;
    let oldest = audit_log::nth_newest_about(tx, tenant, id, activity, RECORDED_REFUSALS)?;
    Ok(oldest.is_none_or(|at| at.plus_seconds(WINDOW_SECONDS) <= tx.now()))
}

/// Records that somebody asked for a token in the application's name and was refused; not every time when it keeps
/// happening.
pub fn record_refusal(tx: &mut Tx<'_>, application: &Application, origin: &Origin, refusal: Refusal) -> Result<()> {
    if !is_worth_recording(tx, application)? {
        return Ok(());
    }
    let actor = Actor {
        tenant: application.tenant_id.clone(),
        powers: Powers::Application { id: application.application_id.clone(), permissions: vec![] },
        display_name: application.display_name.clone(),
        principal_name: None,
        origin: origin.clone(),
    };
    let target = Target::object("Application", &application.application_id, &application.display_name);
    let reason = format!("AADSTS{}: {refusal}", refusal.number());
    audit::record(tx, &actor, Entry::failure(Activity::OBTAIN_TOKEN, target, reason)).map(drop)
}
