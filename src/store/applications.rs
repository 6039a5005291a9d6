//! Applications: who may call, with which permissions, proven by which secrets.

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Tx, backend::natively, schema::applications};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{ApplicationId, TenantId},
};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Application {
    pub tenant_id: TenantId,
    pub application_id: ApplicationId,
    pub display_name: String,
    /// Graph's application permission names.
    pub permissions: Vec<String>,
    pub secrets: Vec<ApplicationSecret>,
    pub is_enabled: bool,
    pub created_at: Timestamp,
    pub key_credentials: Vec<KeyCredential>,
    pub federated_credentials: Vec<FederatedCredential>,
}

impl Application {
    /// Whether what obtained a token (a secret's id, or the evidence of a key or federated credential)
    /// is still the application's, and good at this moment.
    pub fn is_proven_by(&self, evidence: &str, now: Timestamp) -> bool {
        self.secrets.iter().any(|secret| secret.id == evidence && secret.is_valid_at(now))
            || self.key_credentials.iter().any(|key| key.evidence() == evidence && key.is_valid_at(now))
            || self.federated_credentials.iter().any(|credential| credential.evidence() == evidence)
    }
}

/// A certificate or public key whose holder may speak for the application (Graph's keyCredential). Nothing in it is
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyCredential {
    pub key_id: String,
    pub display_name: Option<String>,
    /// A certificate in DER, base64.
    pub certificate: Option<String>,
    /// A public key as JWK (RFC 7517), without a certificate.
    pub jwk: Option<serde_json::Value>,
    pub start_date_time: Timestamp,
    pub end_date_time: Timestamp,
}

impl KeyCredential {
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        has_begun(self.start_date_time, now) && now < self.end_date_time
    }
}

/// A subject of an outside issuer who may speak for the application (Graph's federatedIdentityCredential).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedCredential {
    pub id: String,
    pub name: String,
    pub issuer: String,
    pub subject: String,
    pub audiences: Vec<String>,
    pub description: Option<String>,
}

impl FederatedCredential {
    /// What a token that was obtained with it carries in `sid`: another one as soon as issuer, subject or audiences are
    /// others, so that such a change voids the tokens from before.
    pub fn evidence(&self) -> String {
        digest([&self.id, &self.issuer, &self.subject].into_iter().chain(&self.audiences))
    }
}

impl KeyCredential {
    /// What a token that was obtained with it carries in `sid`: another key that is given the same id does not make the
    /// tokens of this one good again.
    pub fn evidence(&self) -> String {
        let jwk = self.jwk.as_ref().map(ToString::to_string);
        digest([Some(&self.key_id), self.certificate.as_ref(), jwk.as_ref()].into_iter().flatten())
    }
}

fn digest<'a>(parts: impl Iterator<Item = &'a String>) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(context.finish())
}

/// A client secret: only its digest is kept. The secret is 32 random bytes, so a fast digest is as good as a slow one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSecret {
    pub id: String,
    /// SHA-256, base64url.
    pub digest: String,
    /// The first characters, to tell secrets apart in a list.
    pub hint: String,
    pub start_date_time: Timestamp,
    pub end_date_time: Timestamp,
    /// What people call it.
    #[serde(default)]
    pub display_name: Option<String>,
}

impl ApplicationSecret {
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        has_begun(self.start_date_time, now) && now < self.end_date_time
    }
}

/// How far the clocks of replicas may be apart, in seconds: what one made a moment ago is good on the others.
const CLOCK_SKEW_SECONDS: i64 = 300;

fn has_begun(start: Timestamp, now: Timestamp) -> bool {
    start <= now.plus_seconds(CLOCK_SKEW_SECONDS)
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = applications)]
struct Row {
    tenant_id: TenantId,
    application_id: ApplicationId,
    display_name: String,
    permissions: String,
    secrets: String,
    is_enabled: bool,
    created_at: Timestamp,
    key_credentials: String,
    federated_credentials: String,
}

impl Row {
    fn from(application: &Application) -> Result<Self> {
        Ok(Self {
            tenant_id: application.tenant_id.clone(),
            application_id: application.application_id.clone(),
            display_name: application.display_name.clone(),
            permissions: serde_json::to_string(&application.permissions).map_err(Error::internal)?,
            secrets: serde_json::to_string(&application.secrets).map_err(Error::internal)?,
            is_enabled: application.is_enabled,
            created_at: application.created_at,
            key_credentials: serde_json::to_string(&application.key_credentials).map_err(Error::internal)?,
            federated_credentials: serde_json::to_string(&application.federated_credentials)
                .map_err(Error::internal)?,
        })
    }

    fn into_application(self) -> Result<Application> {
        Ok(Application {
            permissions: serde_json::from_str(&self.permissions).map_err(Error::internal)?,
            secrets: serde_json::from_str(&self.secrets).map_err(Error::internal)?,
            key_credentials: serde_json::from_str(&self.key_credentials).map_err(Error::internal)?,
            federated_credentials: serde_json::from_str(&self.federated_credentials).map_err(Error::internal)?,
            tenant_id: self.tenant_id,
            application_id: self.application_id,
            display_name: self.display_name,
            is_enabled: self.is_enabled,
            created_at: self.created_at,
        })
    }
}

pub fn insert(tx: &mut Tx<'_>, application: &Application) -> Result<()> {
    diesel::insert_into(applications::table).values(Row::from(application)?).execute(tx.conn)?;
    Ok(())
}

pub fn update(tx: &mut Tx<'_>, application: &Application) -> Result<()> {
    let row = applications::table.find((&application.tenant_id, &application.application_id));
    diesel::update(row).set(Row::from(application)?).execute(tx.conn)?;
    Ok(())
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, id: &ApplicationId) -> Result<Option<Application>> {
    let row: Option<Row> = natively!(&mut *tx.conn, |conn| {
        applications::table.find((tenant, id)).select(Row::as_select()).get_result(conn).optional()?
    });
    row.map(Row::into_application).transpose()
}

/// The tenant that an application belongs to: client ids are unique over all tenants.
pub fn tenant_of(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<Option<TenantId>> {
    let query = applications::table.filter(applications::application_id.eq(id)).select(applications::tenant_id);
    Ok(query.first(tx.conn).optional()?)
}

/// True when the application was there.
pub fn delete(tx: &mut Tx<'_>, tenant: &TenantId, id: &ApplicationId) -> Result<bool> {
    Ok(diesel::delete(applications::table.find((tenant, id))).execute(tx.conn)? == 1)
}

/// A page of a tenant's applications in the order of their ids; `after` is the last id of the page before.
pub fn page(tx: &mut Tx<'_>, tenant: &TenantId, after: Option<&ApplicationId>, limit: i64) -> Result<Vec<Application>> {
    let mut query = applications::table
        .filter(applications::tenant_id.eq(tenant))
        .order(applications::application_id)
        .select(Row::as_select())
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(applications::application_id.gt(after));
    }
    query.load(tx.conn)?.into_iter().map(Row::into_application).collect()
}

/// How many applications a tenant has.
pub fn count(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<i64> {
    Ok(applications::table.filter(applications::tenant_id.eq(tenant)).count().get_result(tx.conn)?)
}

/// The applications of a tenant that have federated credentials (a handful), in the order of their ids; at most 999.
pub fn list_federated(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Application>> {
    let query = applications::table
        .filter(applications::tenant_id.eq(tenant))
        .filter(applications::federated_credentials.ne("[]"))
        .order(applications::application_id);
    query.limit(999).select(Row::as_select()).load(tx.conn)?.into_iter().map(Row::into_application).collect()
}

/// All applications of a tenant (a handful), in the order of their ids; at most 999.
pub fn list(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Application>> {
    let query = applications::table.filter(applications::tenant_id.eq(tenant)).order(applications::application_id);
    query.limit(999).select(Row::as_select()).load(tx.conn)?.into_iter().map(Row::into_application).collect()
}
