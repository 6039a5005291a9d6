//! Tenants: customer organizations and partners.

use diesel::prelude::*;

use super::{Tx, schema::tenants};
use crate::{clock::Timestamp, error::Result, id::TenantId, words};

words! {
    /// What opens a demanded registration.
    pub enum RegistrationProof {
        /// The first factor is enough.
        FirstFactor = "firstFactor",
        /// Only a temporary access pass is (or a passkey that was kept): somebody vouched for the user.
        TemporaryAccessPass = "temporaryAccessPass",
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = tenants)]
pub struct Tenant {
    pub tenant_id: TenantId,
    pub display_name: String,
    /// Lower case.
    pub default_domain: String,
    pub is_partner: bool,
    pub is_demo: bool,
    pub security_defaults_enabled: bool,
    pub created_at: Timestamp,
    pub registration_proof: RegistrationProof,
    /// A reset of this many users or more needs a second person; none: never.
    pub mfa_reset_approval_threshold: Option<i64>,
}

pub fn insert(tx: &mut Tx<'_>, tenant: &Tenant) -> Result<()> {
    diesel::insert_into(tenants::table).values(tenant).execute(tx.conn)?;
    Ok(())
}

pub fn find(tx: &mut Tx<'_>, id: &TenantId) -> Result<Option<Tenant>> {
    Ok(tenants::table.find(id).select(Tenant::as_select()).first(tx.conn).optional()?)
}

/// By id or by default domain, in any case.
pub fn find_by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Tenant>> {
    if let Some(id) = TenantId::parse(name) {
        return find(tx, &id);
    }
    let domain = name.to_lowercase();
    let query = tenants::table.filter(tenants::default_domain.eq(domain)).select(Tenant::as_select());
    Ok(query.first(tx.conn).optional()?)
}

/// A page of tenants in the order of their ids; `after` is the last id of the page before.
pub fn list(tx: &mut Tx<'_>, after: Option<&TenantId>, limit: i64) -> Result<Vec<Tenant>> {
    let mut query = tenants::table.select(Tenant::as_select()).order(tenants::tenant_id).limit(limit).into_boxed();
    if let Some(after) = after {
        query = query.filter(tenants::tenant_id.gt(after));
    }
    Ok(query.load(tx.conn)?)
}

/// The ids of all tenants, in order.
pub fn ids(tx: &mut Tx<'_>) -> Result<Vec<TenantId>> {
    Ok(tenants::table.select(tenants::tenant_id).order(tenants::tenant_id).load(tx.conn)?)
}

pub fn set_security_defaults(tx: &mut Tx<'_>, id: &TenantId, is_enabled: bool) -> Result<()> {
    diesel::update(tenants::table.find(id)).set(tenants::security_defaults_enabled.eq(is_enabled)).execute(tx.conn)?;
    Ok(())
}

/// `None`: no reset of many users needs a second person.
pub fn set_mfa_reset_approval_threshold(tx: &mut Tx<'_>, id: &TenantId, threshold: Option<i64>) -> Result<()> {
    let set = tenants::mfa_reset_approval_threshold.eq(threshold);
    diesel::update(tenants::table.find(id)).set(set).execute(tx.conn)?;
    Ok(())
}

pub fn set_registration_proof(tx: &mut Tx<'_>, id: &TenantId, proof: RegistrationProof) -> Result<()> {
    diesel::update(tenants::table.find(id)).set(tenants::registration_proof.eq(proof)).execute(tx.conn)?;
    Ok(())
}
