//! Outside issuers of access tokens that a tenant trusts.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Tx, backend::natively, schema::trusted_issuers};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{TenantId, TrustedIssuerId},
    words,
};

words! {
    /// The claim of a token that names the user.
    pub enum UserClaim {
        PreferredUsername = "preferred_username",
        Email = "email",
        Upn = "upn",
        Sub = "sub",
        Oid = "oid",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Queryable, Selectable, Insertable)]
#[diesel(table_name = trusted_issuers)]
pub struct TrustedIssuer {
    pub tenant_id: TenantId,
    pub issuer_id: TrustedIssuerId,
    pub display_name: String,
    /// `iss` of its tokens, exactly.
    pub issuer: String,
    /// `aud` of its tokens for this tenant. Issuer and audience together are one tenant's only.
    pub audience: String,
    /// Where its keys are; otherwise its discovery document says.
    pub jwks_uri: Option<String>,
    pub user_claim: UserClaim,
    pub created_at: Timestamp,
}

/// False when a tenant has this issuer with this audience already, this one or another.
pub fn insert(tx: &mut Tx<'_>, row: &TrustedIssuer) -> Result<bool> {
    let inserted: usize = natively!(&mut *tx.conn, |conn| {
        diesel::insert_into(trusted_issuers::table).values(row).on_conflict_do_nothing().execute(conn)?
    });
    Ok(inserted == 1)
}

/// True when it was there.
pub fn delete(tx: &mut Tx<'_>, tenant: &TenantId, id: &TrustedIssuerId) -> Result<bool> {
    Ok(diesel::delete(trusted_issuers::table.find((tenant, id))).execute(tx.conn)? == 1)
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, id: &TrustedIssuerId) -> Result<Option<TrustedIssuer>> {
    let query = trusted_issuers::table.find((tenant, id)).select(TrustedIssuer::as_select());
    Ok(query.first(tx.conn).optional()?)
}

/// Whoever trusts this issuer for one of these audiences, of whatever tenant.
pub fn find_by_audiences(tx: &mut Tx<'_>, issuer: &str, audiences: &[&str]) -> Result<Vec<TrustedIssuer>> {
    let query = trusted_issuers::table
        .filter(trusted_issuers::issuer.eq(issuer))
        .filter(trusted_issuers::audience.eq_any(audiences));
    Ok(query.order(trusted_issuers::issuer_id).select(TrustedIssuer::as_select()).load(tx.conn)?)
}

pub fn count(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<i64> {
    Ok(trusted_issuers::table.filter(trusted_issuers::tenant_id.eq(tenant)).count().get_result(tx.conn)?)
}

/// A page of a tenant's trusted issuers in the order of their ids; `after` is the last id of the page before.
pub fn page(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    after: Option<&TrustedIssuerId>,
    limit: i64,
) -> Result<Vec<TrustedIssuer>> {
    let mut query = trusted_issuers::table
        .filter(trusted_issuers::tenant_id.eq(tenant))
        .order(trusted_issuers::issuer_id)
        .select(TrustedIssuer::as_select())
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(trusted_issuers::issuer_id.gt(after));
    }
    Ok(query.load(tx.conn)?)
}
