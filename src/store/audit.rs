//! The audit log: append-only, a hash chain per tenant with a signed head.
//!
//! Event n holds the hash of event n-1 and a hash over all its own columns. The head names the last event and is
//! signed with the tenant's key in the same transaction, so no record can be changed, removed, inserted or cut off
//! at either end without `verify` (in the rules above) seeing it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel::{dsl::sql, prelude::*, sql_types::Bool};
use serde::Serialize;

use super::{
    Tx,
    backend::natively,
    keys,
    schema::{audit_events, audit_heads},
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{AuditEventId, TenantId},
};

pub mod list;

/// One event as it is stored. Its JSON (all columns but `hash`, in this order) is what the hash covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
pub struct AuditEvent {
    pub tenant_id: TenantId,
    pub sequence: i64,
    pub event_id: AuditEventId,
    pub activity_at: Timestamp,
    pub activity_display_name: String,
    pub category: String,
    pub logged_by_service: String,
    pub operation_type: String,
    pub result: String,
    pub result_reason: String,
    pub correlation_id: String,
    /// `app` or `user`, as Graph's `initiatedBy` has it.
    pub initiator_kind: String,
    pub initiator_id: Option<String>,
    pub initiator_display_name: Option<String>,
    pub initiator_principal_name: Option<String>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub target_type: Option<String>,
    pub target_id: Option<String>,
    pub target_display_name: Option<String>,
    pub target_principal_name: Option<String>,
    /// JSON: `[{displayName, oldValue, newValue}]`.
    pub modified_properties: String,
    /// JSON: `[{key, value}]`.
    pub additional_details: String,
    pub previous_hash: String,
    #[serde(skip)]
    pub hash: String,
}

impl AuditEvent {
    /// SHA-256 over the JSON of every other column, base64url.
    pub fn compute_hash(&self) -> Result<String> {
        let json = serde_json::to_vec(self).map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode(digest(&SHA256, &json)))
    }
}

/// The last event of a tenant's chain, signed.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = audit_heads)]
pub struct AuditHead {
    pub tenant_id: TenantId,
    pub sequence: i64,
    pub hash: String,
    pub key_id: String,
    /// ECDSA P-256 over [`AuditHead::message`], base64url.
    pub signature: String,
}

impl AuditHead {
    pub fn message(&self) -> Vec<u8> {
        format!("rekey audit head\n{}\n{}\n{}\n{}", self.tenant_id, self.sequence, self.hash, self.key_id).into_bytes()
    }
}

/// Where a tenant's chain begins: the "hash" before its first event.
pub fn genesis(tenant: &TenantId) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("rekey audit genesis\n{tenant}").as_bytes()))
}

/// Appends events of one tenant: fills in their places in the chain and moves the signed head, once for all.
pub fn append(tx: &mut Tx<'_>, mut events: Vec<AuditEvent>) -> Result<()> {
    let Some(tenant) = events.first().map(|event| event.tenant_id.clone()) else { return Ok(()) };
    let head = head(tx, &tenant)?;
    let (mut sequence, mut hash) = match &head {
        Some(head) => (head.sequence, head.hash.clone()),
        None => (0, genesis(&tenant)),
    };
    for event in &mut events {
        sequence = sequence.checked_add(1).ok_or_else(|| Error::internal("an audit head is damaged"))?;
        (event.sequence, event.previous_hash) = (sequence, hash);
        event.hash = event.compute_hash()?;
        hash = event.hash.clone();
    }
    let key = keys::current(tx, &tenant)?;
    let mut moved =
        AuditHead { tenant_id: tenant, sequence, hash, key_id: key.key_id.clone(), signature: String::new() };
    moved.signature = key.sign(&moved.message())?;
    natively!(&mut *tx.conn, |conn| diesel::insert_into(audit_events::table).values(&events).execute(conn)?);
    match head {
        Some(_) => diesel::update(audit_heads::table.find(&moved.tenant_id)).set(&moved).execute(tx.conn)?,
        None => diesel::insert_into(audit_heads::table).values(&moved).execute(tx.conn)?,
    };
    Ok(())
}

pub fn head(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Option<AuditHead>> {
    Ok(audit_heads::table.find(tenant).select(AuditHead::as_select()).first(tx.conn).optional()?)
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, id: &AuditEventId) -> Result<Option<AuditEvent>> {
    let query = audit_events::table.filter(audit_events::tenant_id.eq(tenant)).filter(audit_events::event_id.eq(id));
    Ok(query.select(AuditEvent::as_select()).first(tx.conn).optional()?)
}

/// When the n-th newest event of one activity about one object was written; `None` when there are fewer.
pub fn nth_newest_about(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    target_id: &str,
    activity: &str,
    n: i64,
) -> Result<Option<Timestamp>> {
    let query = audit_events::table
        .filter(audit_events::tenant_id.eq(tenant))
        .filter(audit_events::target_id.eq(target_id))
        .filter(audit_events::activity_display_name.eq(activity))
        .order(audit_events::sequence.desc())
        .offset(n - 1);
    Ok(query.select(audit_events::activity_at).first(tx.conn).optional()?)
}

/// True where every column of the row holds a value of its own type. PostgreSQL keeps it so by itself; SQLite lets a
/// BLOB stand in a TEXT column and reads it as the same text, though no comparison finds it any more.
const EVENT_IS_WELL_TYPED: &str = "\
    tenant_id = CAST(tenant_id AS TEXT) AND sequence = CAST(sequence AS BIGINT) AND event_id = CAST(event_id AS TEXT) \
    AND activity_at = CAST(activity_at AS BIGINT) AND activity_display_name = CAST(activity_display_name AS TEXT) \
    AND category = CAST(category AS TEXT) AND logged_by_service = CAST(logged_by_service AS TEXT) \
    AND operation_type = CAST(operation_type AS TEXT) AND result = CAST(result AS TEXT) \
    AND result_reason = CAST(result_reason AS TEXT) AND correlation_id = CAST(correlation_id AS TEXT) \
    AND initiator_kind = CAST(initiator_kind AS TEXT) \
    AND (initiator_id IS NULL OR initiator_id = CAST(initiator_id AS TEXT)) \
    AND (initiator_display_name IS NULL OR initiator_display_name = CAST(initiator_display_name AS TEXT)) \
    AND (initiator_principal_name IS NULL OR initiator_principal_name = CAST(initiator_principal_name AS TEXT)) \
    AND (ip_address IS NULL OR ip_address = CAST(ip_address AS TEXT)) \
    AND (user_agent IS NULL OR user_agent = CAST(user_agent AS TEXT)) \
    AND (target_type IS NULL OR target_type = CAST(target_type AS TEXT)) \
    AND (target_id IS NULL OR target_id = CAST(target_id AS TEXT)) \
    AND (target_display_name IS NULL OR target_display_name = CAST(target_display_name AS TEXT)) \
    AND (target_principal_name IS NULL OR target_principal_name = CAST(target_principal_name AS TEXT)) \
    AND modified_properties = CAST(modified_properties AS TEXT) \
    AND additional_details = CAST(additional_details AS TEXT) \
    AND previous_hash = CAST(previous_hash AS TEXT) AND hash = CAST(hash AS TEXT)";

const HEAD_IS_WELL_TYPED: &str = "\
    tenant_id = CAST(tenant_id AS TEXT) AND sequence = CAST(sequence AS BIGINT) AND hash = CAST(hash AS TEXT) \
    AND key_id = CAST(key_id AS TEXT) AND signature = CAST(signature AS TEXT)";

/// A row as verification reads it, and whether its columns have their own types.
pub type Stored<T> = (T, bool);

/// Events behind the sequence `after` (from the very first, however numbered, with `None`), in the order of their
/// sequence, as verification walks them.
pub fn chain(tx: &mut Tx<'_>, tenant: &TenantId, after: Option<i64>, limit: i64) -> Result<Vec<Stored<AuditEvent>>> {
    let mut query = audit_events::table
        .filter(audit_events::tenant_id.eq(tenant))
        .order(audit_events::sequence)
        .limit(limit)
        .select((AuditEvent::as_select(), sql::<Bool>(EVENT_IS_WELL_TYPED)))
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(audit_events::sequence.gt(after));
    }
    Ok(query.load(tx.conn)?)
}

/// The head, as verification reads it.
pub fn stored_head(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Option<Stored<AuditHead>>> {
    let query = audit_heads::table.find(tenant).select((AuditHead::as_select(), sql::<Bool>(HEAD_IS_WELL_TYPED)));
    Ok(query.first(tx.conn).optional()?)
}

/// Ids of every tenant that the audit tables mention, whether or not the tenant (still) exists.
pub fn tenants(tx: &mut Tx<'_>) -> Result<Vec<TenantId>> {
    let mut ids: Vec<TenantId> = audit_heads::table.select(audit_heads::tenant_id).load(tx.conn)?;
    ids.extend(audit_events::table.select(audit_events::tenant_id).distinct().load::<TenantId>(tx.conn)?);
    ids.sort();
    ids.dedup();
    Ok(ids)
}

/// Who initiated an event, as Graph's `initiatedBy` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitiatorKind {
    User,
    App,
}

impl InitiatorKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::App => "app",
        }
    }
}
