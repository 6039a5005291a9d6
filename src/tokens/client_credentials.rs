//! OAuth 2.0 client credentials (RFC 6749 section 4.4): a client id and its secret or assertion for an access token.

use secrecy::SecretString;

pub use super::refusals::Refusal;
use super::{Issuer, LIFETIME_SECONDS, assertions, issuer_keys::KeySet, shown_secret, usable_keys};
use crate::{
    access::{Actor, Origin, Powers, partner},
    audit::{self, Activity, Entry, Target},
    error::Result,
    id::{ApplicationId, TenantId},
    store::{
        Tx, applications,
        applications::Application,
        audit as audit_log,
        keys::PublicKey,
        tenants,
        used_assertions::{self, UsedAssertion},
    },
};

/// Refusals of one application that are recorded within [`WINDOW_SECONDS`]: enough to see that somebody guesses, too
/// few to fill the disk with it.
const RECORDED_REFUSALS: i64 = 10;
const WINDOW_SECONDS: i64 = 60;
/// In place of a tenant: the one that the application belongs to.
pub(super) const OWN_TENANT: [&str; 2] = ["common", "organizations"];

/// Who asks for a token, where, and how it is proven.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// A tenant's id or default domain, or `common` or `organizations` for the application's own tenant.
    pub tenant: String,
    pub client_id: String,
    pub proof: ClientProof,
}

/// What an application shows.
#[derive(Debug, Clone)]
pub enum ClientProof {
    Secret(SecretString),
    /// A JWT (RFC 7523).
    Assertion(SecretString),
}

impl TokenRequest {
    pub(crate) fn assertion(&self) -> Option<&SecretString> {
        match &self.proof {
            ClientProof::Secret(_) => None,
            ClientProof::Assertion(text) => Some(text),
        }
    }
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
    /// What must be used up before the token is handed out: see [`take`].
    pub once: Option<UsedAssertion>,
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

/// Issues a token to an application that shows a valid secret or assertion: in its own tenant, or in the tenant of a
/// customer when it is a partner's. Changes nothing. `outside` are the keys of [`assertions::issuer_to_ask`].
pub fn obtain(
    tx: &mut Tx<'_>,
    issuer: &Issuer,
    request: &TokenRequest,
    outside: Option<&KeySet>,
) -> Result<Result<Granted, Refused>> {
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
    // The proof comes first: who has none learns nothing else of the application.
    let proven = match &request.proof {
        ClientProof::Secret(shown) => {
            check_secret(tx, &application, shown).map(|evidence| assertions::Proven { evidence, once: None })
        }
        ClientProof::Assertion(text) => assertions::check(tx, issuer, &tenant, &application, text, outside)?,
    };
    let refusal = match proven {
        Err(refusal) => refusal,
        Ok(proven) => match issue(tx, issuer, &tenant, &application, &proven.evidence)? {
            Some(access_token) => {
                let (caller, once) = (application.application_id.into_string(), proven.once);
                return Ok(Ok(Granted { tenant, caller, access_token, expires_in: LIFETIME_SECONDS, once }));
            }
            None => Refusal::NotAssigned,
        },
    };
    Ok(Err(Refused { refusal, application: Some(application) }))
}

/// The id of the secret, if it is one of the application's and good.
fn check_secret(tx: &Tx<'_>, application: &Application, shown: &SecretString) -> Result<String, Refusal> {
    match shown_secret(application, shown) {
        None => Err(Refusal::WrongSecret),
        Some(_) if !application.is_enabled => Err(Refusal::Disabled),
        Some(secret) if !secret.is_valid_at(tx.now()) => Err(Refusal::ExpiredSecret),
        Some(secret) => Ok(secret.id.clone()),
    }
}

/// Uses an assertion up, once; when it was used before, that is a refusal, and recorded.
pub fn take(tx: &mut Tx<'_>, used: &UsedAssertion, origin: &Origin) -> Result<Result<(), Refusal>> {
    if used_assertions::take(tx, used)? {
        return Ok(Ok(()));
    }
    if let Some(application) = applications::find(tx, &used.tenant_id, &used.application_id)? {
        record_refusal(tx, &application, origin, Refusal::AssertionReplayed)?;
    }
    Ok(Err(Refusal::AssertionReplayed))
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
    evidence: &str,
) -> Result<Option<SecretString>> {
    if *tenant == application.tenant_id {
        return issuer.for_proven_application(tx, application, evidence).map(Some);
    }
    let granted = partner::granted(tx, &application.tenant_id, tenant, application.application_id.as_str())?;
    if granted.roles.is_empty() {
        return Ok(None);
    }
    issuer.for_application_of_partner(tx, tenant, application, evidence, &granted.roles).map(Some)
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
