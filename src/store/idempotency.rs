//! Answers that were given to requests with an `Idempotency-Key`, sealed because they may hold a one-time secret.

use diesel::prelude::*;

use super::{Tx, schema::idempotency_keys};
use crate::{clock::Timestamp, error::Result, id::TenantId};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency_keys)]
pub struct IdempotentAnswer {
    pub tenant_id: TenantId,
    pub caller_id: String,
    pub idempotency_key: String,
    /// Digest of method, path and body: the same key with another request is refused.
    pub fingerprint: String,
    pub sealed_answer: String,
    pub expires_at: Timestamp,
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, caller: &str, key: &str) -> Result<Option<IdempotentAnswer>> {
    let query = idempotency_keys::table.find((tenant, caller, key)).filter(idempotency_keys::expires_at.gt(tx.now));
    Ok(query.select(IdempotentAnswer::as_select()).first(tx.conn).optional()?)
}

/// Keeps an answer, in place of one that has expired.
pub fn insert(tx: &mut Tx<'_>, answer: &IdempotentAnswer) -> Result<()> {
    let same = idempotency_keys::table.find((&answer.tenant_id, &answer.caller_id, &answer.idempotency_key));
    diesel::delete(same).execute(tx.conn)?;
    diesel::insert_into(idempotency_keys::table).values(answer).execute(tx.conn)?;
    Ok(())
}

/// Forgets what has expired.
pub fn purge_expired(tx: &mut Tx<'_>) -> Result<usize> {
    let expired = idempotency_keys::table.filter(idempotency_keys::expires_at.le(tx.now));
    Ok(diesel::delete(expired).execute(tx.conn)?)
}
