//! Client assertions that bought a token: each is good once, until it expires.

use diesel::prelude::*;

use super::{Tx, backend::natively, schema::used_assertions};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{ApplicationId, TenantId},
};

#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = used_assertions)]
pub struct UsedAssertion {
    /// The application's own tenant.
    pub tenant_id: TenantId,
    pub application_id: ApplicationId,
    /// SHA-256 of the assertion's `jti`, base64url.
    pub jti_digest: String,
    /// When the assertion expires.
    pub expires_at: Timestamp,
}

/// Uses the assertion up: true exactly once. One conditional insert, so no concurrency uses it twice.
pub fn take(tx: &mut Tx<'_>, used: &UsedAssertion) -> Result<bool> {
    let inserted: usize = natively!(&mut *tx.conn, |conn| {
        diesel::insert_into(used_assertions::table).values(used).on_conflict_do_nothing().execute(conn)?
    });
    Ok(inserted == 1)
}

/// Forgets assertions that have expired, also by a clock that is `skew` seconds behind ours.
pub fn purge_expired(tx: &mut Tx<'_>, skew: i64) -> Result<usize> {
    let until = tx.now.plus_seconds(-skew);
    Ok(diesel::delete(used_assertions::table.filter(used_assertions::expires_at.le(until))).execute(tx.conn)?)
}
