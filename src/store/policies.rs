//! The authenticationMethodsPolicy of a tenant: one JSON document that only `policy/` understands.

use diesel::prelude::*;

use super::{Tx, backend::natively, schema::authentication_policies as policies};
use crate::{clock::Timestamp, error::Result, id::TenantId};

/// The document and when it was changed; `None` while the tenant has the defaults.
pub fn find(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Option<(String, Timestamp)>> {
    Ok(natively!(&mut *tx.conn, |conn| {
        let query = policies::table.find(tenant).select((policies::document, policies::modified_at));
        query.first(conn).optional()?
    }))
}

pub fn set(tx: &mut Tx<'_>, tenant: &TenantId, document: &str) -> Result<()> {
    let set = (policies::document.eq(document), policies::modified_at.eq(tx.now));
    if diesel::update(policies::table.find(tenant)).set(set).execute(tx.conn)? == 0 {
        diesel::insert_into(policies::table).values((policies::tenant_id.eq(tenant), set)).execute(tx.conn)?;
    }
    Ok(())
}
