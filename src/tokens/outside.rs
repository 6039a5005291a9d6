//! Access tokens of outside issuers: which tenant trusts them, and whom of it they speak of.

use std::sync::Arc;

use quick_cache::sync::Cache;
use serde_json::Value;

use super::{MFA, REMEMBERED_TOKENS, issuer_keys::KeySet, jwt::Jwt, refused, sha256};
use crate::{
    access::{Caller, Origin, Scope, Who},
    clock::Timestamp,
    error::Result,
    idempotency::Once,
    store::{
        Tx,
        applications::{self, Application, FederatedCredential},
        trusted_issuers::{self, TrustedIssuer, UserClaim},
        users::{self, User},
    },
};

/// Audiences of one token that are looked at.
const MAX_AUDIENCES: usize = 10;
/// The longest claim that names somebody, in bytes.
const MAX_NAME: usize = 600;

/// What a token of an outside issuer says, once its signature was found good.
#[derive(Debug)]
pub struct OutsideToken {
    pub trust: TrustedIssuer,
    /// The claim that the tenant chose to name its users by.
    user: Option<String>,
    is_mfa: bool,
    /// `sub`: an application, if a federated credential names it.
    subject: Option<String>,
    issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// Until when its issuer need not be asked whether the key that signed it is still good.
    checked_until: Timestamp,
}

/// Tokens whose signature was checked, by their SHA-256.
pub struct OutsideTokens(Cache<[u8; 32], Arc<OutsideToken>>);

impl Default for OutsideTokens {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED_TOKENS))
    }
}

impl OutsideTokens {
    /// What was found good before, has not expired, and was signed by a key that still counts.
    pub fn recall(&self, token: &str, now: Timestamp) -> Option<Arc<OutsideToken>> {
        self.0.get(&sha256(token.as_bytes())).filter(|known| now < known.expires_at.min(known.checked_until))
    }

    pub fn forget(&self, token: &str) {
        self.0.remove(&sha256(token.as_bytes()));
    }

    pub fn remember(&self, token: &str, known: Arc<OutsideToken>) {
        self.0.insert(sha256(token.as_bytes()), known);
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME && !text.contains(char::is_control)
}

/// The issuer that a token names, unless it is this server, whose public URL `ours` is.
pub fn issuer_of(token: &str, ours: &str) -> Option<String> {
    let jwt = Jwt::parse(token)?;
    let issuer = jwt.text("iss").filter(|issuer| is_plain(issuer))?;
    let is_ours = issuer.strip_prefix(ours).is_some_and(|rest| rest.starts_with('/'));
    (!is_ours).then(|| issuer.to_owned())
}

/// Who trusts the token's issuer for one of its audiences: one tenant, or nobody.
pub fn trust(tx: &mut Tx<'_>, issuer: &str, token: &str) -> Result<TrustedIssuer> {
    let stranger = || refused("No tenant trusts the access token's issuer for its audience.");
    let jwt = Jwt::parse(token).ok_or_else(stranger)?;
    let audiences: Vec<_> = jwt.audiences().into_iter().filter(|it| is_plain(it)).take(MAX_AUDIENCES).collect();
    let found = trusted_issuers::find_by_audiences(tx, issuer, &audiences)?;
    // A token may name audiences of several tenants: the first one that anybody trusts counts, so that nobody's trust
    // in a later one keeps him out of the tenant that is meant.
    let place = |trust: &TrustedIssuer| audiences.iter().position(|audience| *audience == trust.audience);
    found.into_iter().min_by_key(place).ok_or_else(stranger)
}

/// Checks signature and times of a token whose issuer `trust` is about, and reads whom it speaks of.
pub fn verify(token: &str, trust: TrustedIssuer, keys: &KeySet, now: Timestamp) -> Result<OutsideToken> {
    let jwt = Jwt::parse(token).ok_or_else(|| refused("The access token is malformed."))?;
    if !keys.signed(&jwt) {
        return Err(refused("The access token's signature is wrong, or by a key that its issuer does not publish."));
    }
    let issued_at = jwt.seconds("iat").ok_or_else(|| refused("The access token does not say when it was issued."))?;
    let expires_at = jwt
        .valid_until(now)
        .ok_or_else(|| refused("The access token has expired, is not valid yet, or lives for more than 24 hours."))?;
    // Also a token that has been living for long is refused: whoever is signed out counts on it.
    if expires_at.seconds().saturating_sub(issued_at) > super::jwt::MAX_LIFETIME_SECONDS {
        return Err(refused("The access token lives for more than 24 hours."));
    }
    let text = |name| jwt.text(name).filter(|text| is_plain(text)).map(str::to_owned);
    let is_verified = || jwt.claim("email_verified").and_then(Value::as_bool) == Some(true);
    if trust.user_claim == UserClaim::Email && jwt.claim("email").is_some() && !is_verified() {
        return Err(refused("The access token does not say that the e-mail address is verified."));
    }
    let amr = jwt.claim("amr").and_then(Value::as_array);
    Ok(OutsideToken {
        user: text(trust.user_claim.as_str()),
        is_mfa: amr.is_some_and(|amr| amr.iter().any(|word| word == MFA)),
        subject: text("sub"),
        trust,
        // An issuer whose clock is ahead does not make its tokens outlive a sign-out.
        issued_at: Timestamp::from_seconds(issued_at).min(now),
        expires_at,
        checked_until: keys.good_until,
    })
}

impl OutsideToken {
    /// The caller of the tenant whom the token speaks of; none when the tenant does not trust its issuer any more.
    pub fn caller(&self, tx: &mut Tx<'_>, origin: Origin, once: Option<Once>) -> Result<Option<Caller>> {
        let (tenant, trust) = (&self.trust.tenant_id, &self.trust.issuer_id);
        if trusted_issuers::find(tx, tenant, trust)?.is_none() {
            return Ok(None);
        }
        let trusted_issuer = Some(trust.clone());
        let who = if let Some(user) = self.user(tx)? {
            let scope = if self.is_mfa { Scope::Roles } else { Scope::Own { mfa: false, session: None } };
            Who::User { id: user.user_id, token_issued_at: self.issued_at, scope, trusted_issuer }
        } else if let Some((application, evidence)) = self.application(tx)? {
            let Application { application_id, permissions, .. } = application;
            Who::Application { id: application_id, secret_id: evidence, permissions, trusted_issuer }
        } else {
            return Err(refused("The access token names neither a user nor an application of this tenant."));
        };
        Ok(Some(Caller { tenant: tenant.clone(), who, origin, once }))
    }

    fn user(&self, tx: &mut Tx<'_>) -> Result<Option<User>> {
        let Some(name) = &self.user else { return Ok(None) };
        let found = users::find(tx, &self.trust.tenant_id, name)?;
        // A claim that people may choose for themselves is never taken for an id.
        let may_be_id = matches!(self.trust.user_claim, UserClaim::Sub | UserClaim::Oid);
        Ok(found.filter(|user| may_be_id || users::name_key(&user.user_principal_name) == users::name_key(name)))
    }

    fn application(&self, tx: &mut Tx<'_>) -> Result<Option<(Application, String)>> {
        let Some(subject) = &self.subject else { return Ok(None) };
        for application in applications::list_federated(tx, &self.trust.tenant_id)? {
            let mut credentials = application.federated_credentials.iter();
            let found = credentials.find(|it| it.issuer == self.trust.issuer && it.subject == *subject);
            if let Some(evidence) = found.map(FederatedCredential::evidence) {
                return Ok(Some((application, evidence)));
            }
        }
        Ok(None)
    }
}
