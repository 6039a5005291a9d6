//! Outside issuers of access tokens that a tenant trusts: an OpenID provider whose tokens, for one audience, are good here.
//!
//! Whoever may add one can be anybody in the tenant, so it takes a Global Administrator or a permission of its own.

use crate::{
    access::{self, Action, Caller},
    audit::{self, Activity, Entry, Target},
    directory,
    error::{Error, Result},
    id::TrustedIssuerId,
    reach::{self, Reach},
    store::{
        Tx, trusted_issuers,
        trusted_issuers::{TrustedIssuer, UserClaim},
    },
};

/// Issuers that a tenant may trust.
const MAX_ISSUERS: i64 = 20;
/// The longest issuer and audience, in characters.
const MAX_TEXT: usize = 600;

/// Where outside issuers may be, and which issuer is this server itself.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub reach: Reach,
    pub public_url: String,
}

#[derive(Debug, Clone)]
pub struct NewTrustedIssuer {
    pub display_name: String,
    pub issuer: String,
    pub audience: String,
    pub jwks_uri: Option<String>,
    /// Default: `preferred_username`.
    pub user_claim: Option<String>,
}

/// A page of the issuers that the tenant trusts.
pub fn list(tx: &mut Tx<'_>, caller: &Caller, after: Option<&str>, limit: i64) -> Result<Vec<TrustedIssuer>> {
    access::authorize(tx, caller, Action::ReadTrustedIssuers, None)?;
    trusted_issuers::page(tx, &caller.tenant, after.map(TrustedIssuerId::new).as_ref(), limit)
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<TrustedIssuer> {
    access::authorize(tx, caller, Action::ReadTrustedIssuers, None)?;
    find(tx, caller, id)
}

fn find(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<TrustedIssuer> {
    let found = match TrustedIssuerId::parse(id) {
        Some(id) => trusted_issuers::find(tx, &caller.tenant, &id)?,
        None => None,
    };
    found.ok_or_else(|| Error::user_not_found(id))
}

/// Trusts an issuer from now on.
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Caller,
    new: &NewTrustedIssuer,
    around: &Surroundings,
) -> Result<TrustedIssuer> {
    let actor = access::authorize(tx, caller, Action::WriteTrustedIssuers, None)?;
    for (target, text, max) in [("displayName", &new.display_name, 256), ("audience", &new.audience, MAX_TEXT)] {
        if text.trim().is_empty() {
            return Err(Error::invalid_user(target, format!("{target} must not be empty.")));
        }
        directory::check_text(target, text, max).map_err(Error::in_directory)?;
    }
    check_issuer("issuer", &new.issuer, around)?;
    if let Some(uri) = &new.jwks_uri {
        check_address("jwksUri", uri, around)?;
    }
    let claims = || UserClaim::ALL.iter().map(|claim| claim.as_str()).collect::<Vec<_>>().join(", ");
    let user_claim = match &new.user_claim {
        None => UserClaim::PreferredUsername,
        Some(name) => UserClaim::parse(name)
            .ok_or_else(|| Error::invalid_user("userClaim", format!("userClaim is one of {}.", claims())))?,
    };
    if trusted_issuers::count(tx, &caller.tenant)? >= MAX_ISSUERS {
        return Err(Error::conflict(format!("A tenant trusts at most {MAX_ISSUERS} issuers; delete one first.")));
    }
    let row = TrustedIssuer {
        tenant_id: caller.tenant.clone(),
        issuer_id: TrustedIssuerId::new(tx.guid()),
        display_name: new.display_name.clone(),
        issuer: new.issuer.clone(),
        audience: new.audience.clone(),
        jwks_uri: new.jwks_uri.clone(),
        user_claim,
        created_at: tx.now(),
    };
    if !trusted_issuers::insert(tx, &row)? {
        let message = "This issuer is trusted for this audience already; an audience of an issuer stands for one tenant. Ask the issuer for another audience.";
        return Err(Error::conflict(message));
    }
    let entry = Entry::success(Activity::CREATE_TRUSTED_ISSUER, target(&row))
        .modified("Issuer", None::<()>, &row.issuer)
        .modified("Audience", None::<()>, &row.audience)
        .modified("JwksUri", None::<()>, &row.jwks_uri)
        .modified("UserClaim", None::<()>, row.user_claim);
    audit::record(tx, &actor, entry)?;
    Ok(row)
}

/// Trusts an issuer no more: its tokens are void on their next use.
pub fn delete(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<()> {
    let actor = access::authorize(tx, caller, Action::WriteTrustedIssuers, None)?;
    let row = find(tx, caller, id)?;
    trusted_issuers::delete(tx, &row.tenant_id, &row.issuer_id)?;
    let entry = Entry::success(Activity::DELETE_TRUSTED_ISSUER, target(&row))
        .modified("Issuer", &row.issuer, None::<()>)
        .modified("Audience", &row.audience, None::<()>);
    audit::record(tx, &actor, entry).map(drop)
}

fn target(row: &TrustedIssuer) -> Target {
    Target::object("Policy", &row.issuer_id, &row.display_name)
}

/// An issuer's name as OpenID Connect has it: the URL that its discovery document is found below.
pub(crate) fn check_issuer(target: &str, issuer: &str, around: &Surroundings) -> Result<()> {
    check_address(target, issuer, around)?;
    if issuer.contains(['?', '#']) {
        let message =
            format!("{target} is an https URL without query and fragment (OpenID Connect Discovery section 3).");
        return Err(Error::invalid_user(target, message));
    }
    let is_ours =
        issuer.strip_prefix(around.public_url.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if is_ours {
        return Err(Error::invalid_user(target, format!("{target} is this server itself.")));
    }
    Ok(())
}

fn check_address(target: &str, text: &str, around: &Surroundings) -> Result<()> {
    directory::check_text(target, text, MAX_TEXT).map_err(Error::in_directory)?;
    reach::check(text, around.reach).map(drop).map_err(|why| Error::invalid_user(target, format!("{target} {why}.")))
}
