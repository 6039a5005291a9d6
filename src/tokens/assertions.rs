//! Client assertions (RFC 7523 section 2.2): an application proves itself by a JWT that it signed with one of its keys, or
//! that an outside issuer signed about a subject which the application names (Graph's federatedIdentityCredential).

use secrecy::{ExposeSecret, SecretString};

use super::{
    Issuer,
    client_credentials::{OWN_TENANT, Refusal, TokenRequest},
    credentials,
    issuer_keys::KeySet,
    jwt::Jwt,
    sha256_text,
};
use crate::{
    error::Result,
    id::{ApplicationId, TenantId},
    store::{
        Tx,
        applications::{self, Application, FederatedCredential},
        tenants,
        used_assertions::UsedAssertion,
    },
};

/// The only type of assertion that is taken (RFC 7523 section 2.2).
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The longest `jti`, in bytes.
const MAX_JTI: usize = 512;

/// What an assertion proves.
pub(super) struct Proven {
    /// The id of the key, or the evidence of the federated credential.
    pub evidence: String,
    /// What makes it good only once; a token of an outside issuer may be shown again while it lives, as the software
    /// that hands it out (Kubernetes, for one) hands out the same one for an hour.
    pub once: Option<UsedAssertion>,
}

/// The client id of an assertion that comes without one: RFC 7521 section 4.2 lets `sub` name it.
pub fn client_id(assertion: &SecretString) -> Option<String> {
    Some(Jwt::parse(assertion.expose_secret())?.text("sub")?.to_owned())
}

/// An outside issuer whose keys are needed to check a request: the application has a credential that fits what the
/// assertion says of itself. Nobody makes this server ask an issuer that no application names.
pub fn issuer_to_ask(tx: &mut Tx<'_>, request: &TokenRequest) -> Result<Option<String>> {
    let Some(jwt) = request.assertion().and_then(|text| Jwt::parse(text.expose_secret())) else { return Ok(None) };
    let Some(id) = ApplicationId::parse(&request.client_id) else { return Ok(None) };
    let Some(tenant) = applications::tenant_of(tx, &id)? else { return Ok(None) };
    let Some(application) = applications::find(tx, &tenant, &id)? else { return Ok(None) };
    if !application.is_enabled {
        return Ok(None);
    }
    Ok(matching(&application, &jwt).map(|credential| credential.issuer.clone()))
}

/// The federated credential that names issuer, subject and audience of a token.
fn matching<'a>(application: &'a Application, jwt: &Jwt<'_>) -> Option<&'a FederatedCredential> {
    let (issuer, subject, audiences) = (jwt.text("iss")?, jwt.text("sub")?, jwt.audiences());
    let mut credentials = application.federated_credentials.iter();
    credentials.find(|credential| {
        credential.issuer == issuer
            && credential.subject == subject
            && credential.audiences.iter().any(|audience| audiences.contains(&audience.as_str()))
    })
}

/// Checks an assertion at the token endpoint of `tenant`, which the address calls `named`. Who cannot sign learns
/// nothing of the application: the signature comes first.
pub(super) fn check(
    tx: &mut Tx<'_>,
    issuer: &Issuer,
    tenant: &TenantId,
    application: &Application,
    assertion: &SecretString,
    outside: Option<&KeySet>,
) -> Result<Result<Proven, Refusal>> {
    let Some(jwt) = Jwt::parse(assertion.expose_secret()) else { return Ok(Err(Refusal::MalformedAssertion)) };
    let client = |name| jwt.text(name).and_then(ApplicationId::parse);
    if client("iss").is_none() {
        return Ok(check_federated(tx, application, &jwt, outside));
    }
    if [client("iss"), client("sub")].iter().any(|named| named.as_ref() != Some(&application.application_id)) {
        return Ok(Err(Refusal::AssertionOfAnother));
    }
    let Some(key) = credentials::signer(application, &jwt) else { return Ok(Err(Refusal::AssertionUnsigned)) };
    let now = tx.now();
    if !application.is_enabled {
        return Ok(Err(Refusal::Disabled));
    }
    if !key.is_valid_at(now) {
        return Ok(Err(Refusal::KeyExpired));
    }
    if !is_for(tx, issuer, tenant, &jwt)? {
        return Ok(Err(Refusal::AssertionAudience));
    }
    let Some(expires_at) = jwt.valid_until(now) else { return Ok(Err(Refusal::AssertionTimes)) };
    let Some(jti) = jwt.text("jti").filter(|jti| !jti.is_empty() && jti.len() <= MAX_JTI) else {
        return Ok(Err(Refusal::AssertionWithoutId));
    };
    let used = UsedAssertion {
        tenant_id: application.tenant_id.clone(),
        application_id: application.application_id.clone(),
        jti_digest: sha256_text(jti),
        expires_at,
    };
    Ok(Ok(Proven { evidence: key.evidence(), once: Some(used) }))
}

fn check_federated(
    tx: &Tx<'_>,
    application: &Application,
    jwt: &Jwt<'_>,
    outside: Option<&KeySet>,
) -> Result<Proven, Refusal> {
    // No keys were fetched when no credential fitted.
    let (Some(credential), Some(keys)) = (matching(application, jwt), outside) else {
        return Err(Refusal::NotFederated);
    };
    if !keys.signed(jwt) {
        return Err(Refusal::AssertionUnsigned);
    }
    if !application.is_enabled {
        return Err(Refusal::Disabled);
    }
    jwt.valid_until(tx.now()).ok_or(Refusal::AssertionTimes)?;
    Ok(Proven { evidence: credential.evidence(), once: None })
}

/// Whether the only audience of an assertion is this token endpoint: its address or the issuer's, with the tenant by its
/// id, its domain, or as `common`.
fn is_for(tx: &mut Tx<'_>, issuer: &Issuer, tenant: &TenantId, jwt: &Jwt<'_>) -> Result<bool> {
    let [audience] = jwt.audiences()[..] else { return Ok(false) };
    let rest = audience.strip_prefix(issuer.public_url.as_str()).and_then(|rest| rest.strip_prefix('/'));
    let named = rest.and_then(|rest| {
        ["/oauth2/v2.0/token", "/v2.0"]
            .iter()
            .find_map(|end| rest.strip_suffix(end))
            .filter(|name| !name.contains('/') && !name.contains(char::is_control))
    });
    Ok(match named {
        None => false,
        Some(name) if OWN_TENANT.contains(&name) => true,
        Some(name) => tenants::find_by_name(tx, name)?.is_some_and(|found| found.tenant_id == *tenant),
    })
}
