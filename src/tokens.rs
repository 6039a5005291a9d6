//! Access tokens: our own issuer, one key per tenant, ES256 (RFC 7518), OAuth 2.0 client credentials (RFC 6749).

pub mod assertions;
pub mod client_credentials;
pub mod credentials;
pub mod exchange;
pub mod issuer_keys;
pub mod jwt;
pub mod outside;
mod refusals;
mod verified;

use aws_lc_rs::{
    constant_time,
    digest::{SHA256, digest},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

pub use verified::VerifiedTokens;

use crate::{
    access::{Caller, Origin, Scope, Who},
    clock::{Entropy, Timestamp},
    error::{Error, Result},
    id::{ApplicationId, SessionId, TenantId, UserId},
    roles::Role,
    store::{
        Tx,
        applications::{Application, ApplicationSecret},
        keys,
        sessions::SessionRow,
        users::User,
    },
};

/// How long an access token lives, in seconds; Graph's own number.
pub const LIFETIME_SECONDS: i64 = 3599;
/// `scp` of the outcome of a sign-in.
const OWN_METHODS: &str = "UserAuthenticationMethod.ReadWrite";
/// `scp` of a registration token.
const REGISTRATION: &str = "UserAuthenticationMethod.Register";
/// RFC 8176's word for several factors.
pub const MFA: &str = "mfa";
/// How far the clocks of replicas may be apart, in seconds.
pub const CLOCK_SKEW_SECONDS: i64 = 300;
/// Verified tokens that are remembered by their hash, because checking a signature is dear.
const REMEMBERED_TOKENS: usize = 10_000;

/// What an access token says (RFC 9068, with Entra's names).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub tid: TenantId,
    /// The subject: an application's id or a user's.
    pub oid: String,
    pub sub: String,
    /// The application the token was issued to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub appid: Option<ApplicationId>,
    /// What proved the application (the id of a secret or key, or the evidence of a federated credential), or the id of
    /// the sign-in session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sid: Option<String>,
    /// `app` or `user`.
    pub idtyp: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub roles: Option<Vec<String>>,
    /// Template ids of a user's directory roles.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wids: Option<Vec<String>>,
    /// The tenant of the application or user, when it is a partner's that acts in a customer's tenant (`tid`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub partner_tid: Option<TenantId>,
    /// What a sign-in's token is good for; none in a token with the user's roles.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scp: Option<String>,
    /// How the user was authenticated (RFC 8176).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub amr: Option<Vec<String>>,
    /// The authenticator assurance level of NIST SP 800-63B-4: `aal1` or `aal2`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acr: Option<String>,
    /// When the sign-in was completed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub preferred_username: Option<String>,
    /// `iat` in microseconds: a session that was revoked in the same second is told apart.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub iat_us: Option<i64>,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub jti: String,
}

/// Where this server's tokens come from and are meant for.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The server's public URL, without a slash at the end.
    pub public_url: String,
}

impl Issuer {
    pub fn of(&self, tenant: &TenantId) -> String {
        format!("{}/{tenant}/v2.0", self.public_url)
    }

    fn claims(&self, tx: &Tx<'_>, tenant: &TenantId, subject: &str, idtyp: &str) -> Claims {
        let now = tx.now().seconds();
        Claims {
            iss: self.of(tenant),
            aud: self.public_url.clone(),
            tid: tenant.clone(),
            oid: subject.to_owned(),
            sub: subject.to_owned(),
            appid: None,
            sid: None,
            idtyp: idtyp.to_owned(),
            roles: None,
            wids: None,
            partner_tid: None,
            scp: None,
            amr: None,
            acr: None,
            auth_time: None,
            preferred_username: None,
            iat_us: None,
            iat: now,
            nbf: now,
            exp: now + LIFETIME_SECONDS,
            jti: tx.guid(),
        }
    }

    /// A token for an application that showed `secret`.
    pub fn for_application(
        &self,
        tx: &mut Tx<'_>,
        application: &Application,
        secret: &ApplicationSecret,
    ) -> Result<SecretString> {
        self.for_proven_application(tx, application, &secret.id)
    }

    /// The same for one that was proven by a secret, a key or a federated credential; see [`Application::is_proven_by`].
    fn for_proven_application(
        &self,
        tx: &mut Tx<'_>,
        application: &Application,
        evidence: &str,
    ) -> Result<SecretString> {
        let tenant = &application.tenant_id;
        let mut claims = self.claims(tx, tenant, application.application_id.as_str(), "app");
        claims.appid = Some(application.application_id.clone());
        claims.sid = Some(evidence.to_owned());
        claims.roles = Some(application.permissions.clone());
        sign(tx, tenant, &claims)
    }

    /// A token for an application of a partner that was proven by `evidence`, in the tenant of a customer who gave it `roles`.
    pub fn for_application_of_partner(
        &self,
        tx: &mut Tx<'_>,
        customer: &TenantId,
        application: &Application,
        evidence: &str,
        roles: &[Role],
    ) -> Result<SecretString> {
        let mut claims = self.claims(tx, customer, application.application_id.as_str(), "app");
        claims.appid = Some(application.application_id.clone());
        claims.sid = Some(evidence.to_owned());
        claims.wids = Some(template_ids(roles));
        claims.partner_tid = Some(application.tenant_id.clone());
        sign(tx, customer, &claims)
    }

    /// A token for the user of a partner who showed the token `own`, in the tenant of a customer who gave him `roles`;
    /// and for how many seconds it is good. It dies with the sessions that `own` belongs to.
    pub fn for_user_of_partner(
        &self,
        tx: &mut Tx<'_>,
        customer: &TenantId,
        own: &Claims,
        roles: &[Role],
    ) -> Result<(SecretString, i64)> {
        let mut claims = self.claims(tx, customer, &own.oid, "user");
        claims.wids = Some(template_ids(roles));
        claims.partner_tid = Some(own.tid.clone());
        claims.iat_us = Some(own.issued_at().micros());
        claims.exp = claims.exp.min(own.exp);
        let lifetime = claims.exp - claims.iat;
        Ok((sign(tx, customer, &claims)?, lifetime))
    }

    /// A token for a user, as a sign-in ends with it.
    pub fn for_user(&self, tx: &mut Tx<'_>, user: &User, roles: Vec<String>) -> Result<SecretString> {
        let mut claims = self.claims(tx, &user.tenant_id, user.user_id.as_str(), "user");
        claims.wids = Some(roles);
        claims.iat_us = Some(tx.now().micros());
        sign(tx, &user.tenant_id, &claims)
    }

    /// What a completed sign-in ends with: proof for the sign-in service, and the user's key to his own methods.
    pub fn for_outcome(&self, tx: &mut Tx<'_>, user: &User, outcome: &Outcome<'_>) -> Result<SecretString> {
        let mut claims = self.of_session(tx, user, outcome.session, OWN_METHODS, outcome.completed_at);
        claims.exp = outcome.session.expires_at.seconds();
        claims.amr = Some(outcome.amr.clone());
        claims.acr = Some(if outcome.amr.iter().any(|word| word == MFA) { "aal2" } else { "aal1" }.into());
        claims.auth_time = Some(outcome.completed_at.seconds());
        // The same sign-in has the same outcome, however often it is asked for.
        claims.jti = outcome.session.session_id.to_string();
        sign(tx, &user.tenant_id, &claims)
    }

    /// Lets the user of a session register methods, and nothing else, as long as the session waits for that.
    pub fn for_registration(&self, tx: &mut Tx<'_>, user: &User, session: &SessionRow) -> Result<SecretString> {
        let mut claims = self.of_session(tx, user, session, REGISTRATION, tx.now());
        claims.exp = session.expires_at.seconds();
        sign(tx, &user.tenant_id, &claims)
    }

    fn of_session(&self, tx: &Tx<'_>, user: &User, session: &SessionRow, scope: &str, issued_at: Timestamp) -> Claims {
        let mut claims = self.claims(tx, &user.tenant_id, user.user_id.as_str(), "user");
        (claims.iat, claims.nbf) = (issued_at.seconds(), issued_at.seconds());
        claims.iat_us = Some(issued_at.micros());
        claims.appid = Some(session.application_id.clone());
        claims.sid = Some(session.session_id.to_string());
        claims.scp = Some(scope.into());
        claims.preferred_username = Some(user.user_principal_name.clone());
        claims
    }
}

/// How a sign-in was completed.
#[derive(Debug)]
pub struct Outcome<'a> {
    pub session: &'a SessionRow,
    /// RFC 8176 values.
    pub amr: Vec<String>,
    pub completed_at: Timestamp,
}

fn template_ids(roles: &[Role]) -> Vec<String> {
    roles.iter().map(|role| role.as_str().to_owned()).collect()
}

fn sign(tx: &mut Tx<'_>, tenant: &TenantId, claims: &Claims) -> Result<SecretString> {
    let key = keys::current(tx, tenant)?;
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key.key_id.clone());
    let encoding = EncodingKey::from_ec_der(key.pkcs8.expose_secret());
    jsonwebtoken::encode(&header, claims, &encoding).map(SecretString::from).map_err(Error::internal)
}

fn refused(why: &str) -> Error {
    Error::unauthenticated(format!("{why} Request a new token from this tenant's token endpoint."))
}

/// SHA-256 in base64url.
fn sha256_text(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(text.as_bytes()))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

impl Claims {
    pub fn caller(&self, origin: Origin, once: Option<crate::idempotency::Once>) -> Result<Caller> {
        let who = match (self.idtyp.as_str(), &self.appid, &self.sid) {
            ("app", Some(id), Some(secret_id)) => Who::Application {
                id: id.clone(),
                secret_id: secret_id.clone(),
                permissions: self.roles.clone().unwrap_or_default(),
                trusted_issuer: None,
            },
            ("user", _, session) => Who::User {
                id: UserId::new(self.oid.clone()),
                token_issued_at: self.issued_at(),
                trusted_issuer: None,
                scope: match (self.scp.as_deref(), session) {
                    (None, _) => Scope::Roles,
                    (Some(OWN_METHODS), Some(session)) => Scope::Own {
                        mfa: self.amr.as_ref().is_some_and(|amr| amr.iter().any(|word| word == MFA)),
                        session: Some(SessionId::new(session.clone())),
                    },
                    (Some(REGISTRATION), Some(session)) => {
                        Scope::Registration { session: SessionId::new(session.clone()) }
                    }
                    _ => return Err(refused("The access token has an unknown scope.")),
                },
            },
            _ => return Err(refused("The access token is for neither an application nor a user.")),
        };
        let who = match self.partner_tid.clone() {
            Some(home) => Who::Partner { home, who: Box::new(who) },
            None => who,
        };
        Ok(Caller { tenant: self.tid.clone(), who, origin, once })
    }

    fn issued_at(&self) -> Timestamp {
        self.iat_us.map_or(Timestamp::from_seconds(self.iat), Timestamp::from_micros)
    }
}

/// A fresh client secret: 32 random bytes, and the record that remembers it.
pub fn new_secret(entropy: &Entropy, now: Timestamp, lifetime_days: i64) -> (SecretString, ApplicationSecret) {
    secret_of(entropy.guid(), URL_SAFE_NO_PAD.encode(entropy.bytes::<32>()).into(), now, lifetime_days)
}

/// The record of a given client secret.
pub fn secret_of(
    id: String,
    secret: SecretString,
    now: Timestamp,
    lifetime_days: i64,
) -> (SecretString, ApplicationSecret) {
    let record = ApplicationSecret {
        id,
        digest: sha256_text(secret.expose_secret()),
        hint: secret.expose_secret().chars().take(3).collect(),
        start_date_time: now,
        end_date_time: now.plus_minutes(lifetime_days * 24 * 60),
        display_name: None,
    };
    (secret, record)
}

/// The secret of the application that `shown` is, compared in constant time, whether or not it has expired.
pub fn shown_secret<'a>(application: &'a Application, shown: &SecretString) -> Option<&'a ApplicationSecret> {
    let digest = sha256_text(shown.expose_secret());
    let is_shown = |secret: &&ApplicationSecret| {
        constant_time::verify_slices_are_equal(secret.digest.as_bytes(), digest.as_bytes()).is_ok()
    };
    application.secrets.iter().find(is_shown)
}

/// The tenant's keys that a token may be signed with now: the current one, and those that were retired so recently
/// that one of their tokens may still live.
fn usable_keys(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<keys::PublicKey>> {
    let now = tx.now();
    Ok(keys::list_public(tx, tenant)?.into_iter().filter(|key| is_usable(key, now)).collect())
}

/// A process learns of a new key within [`keys::MEMORY_SECONDS`] and signs with the old one until then.
fn is_usable(key: &keys::PublicKey, now: Timestamp) -> bool {
    key.retired_at.is_none_or(|at| now < at.plus_seconds(LIFETIME_SECONDS + keys::MEMORY_SECONDS))
}
