//! The audit log: append-only, a hash chain per tenant with a signed head.
//!
//! Event n holds the hash of event n-1 and a hash over all its own columns. The head names the last event and is
//! signed with the tenant's key in the same transaction, so no record can be changed, removed, inserted or cut off
//! at either end without `verify` (in the rules above) seeing it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel::{BoxableExpression, helper_types::AssumeNotNull, prelude::*, sql_types::Bool};
use serde::{Deserialize, Serialize};

use super::{
    Tx,
    backend::AnyConnection,
    filter::{Filter, Operator},
    keys,
    schema::{audit_events, audit_heads},
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{AuditEventId, TenantId},
};

/// One event as it is stored. Its JSON (all columns but `hash`, in this order) is what the hash covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_events)]
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

/// Appends an event: fills in its place in the chain and moves the signed head.
pub fn append(tx: &mut Tx<'_>, mut event: AuditEvent) -> Result<AuditEventId> {
    let head = head(tx, &event.tenant_id)?;
    (event.sequence, event.previous_hash) = match &head {
        Some(head) => (head.sequence + 1, head.hash.clone()),
        None => (1, genesis(&event.tenant_id)),
    };
    event.hash = event.compute_hash()?;
    let key = keys::current(tx, &event.tenant_id)?;
    let mut moved = AuditHead {
        tenant_id: event.tenant_id.clone(),
        sequence: event.sequence,
        hash: event.hash.clone(),
        key_id: key.key_id.clone(),
        signature: String::new(),
    };
    moved.signature = key.sign(&moved.message())?;
    diesel::insert_into(audit_events::table).values(&event).execute(tx.conn)?;
    match head {
        Some(_) => diesel::update(audit_heads::table.find(&event.tenant_id)).set(&moved).execute(tx.conn)?,
        None => diesel::insert_into(audit_heads::table).values(&moved).execute(tx.conn)?,
    };
    Ok(event.event_id)
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

/// Events with a sequence greater than `after`, oldest first, as verification walks them.
pub fn chain(tx: &mut Tx<'_>, tenant: &TenantId, after: i64, limit: i64) -> Result<Vec<AuditEvent>> {
    let query = audit_events::table.filter(audit_events::tenant_id.eq(tenant)).filter(audit_events::sequence.gt(after));
    Ok(query.order(audit_events::sequence).limit(limit).select(AuditEvent::as_select()).load(tx.conn)?)
}

/// Ids of every tenant that the audit tables mention, whether or not the tenant (still) exists.
pub fn tenants(tx: &mut Tx<'_>) -> Result<Vec<TenantId>> {
    let mut ids: Vec<TenantId> = audit_heads::table.select(audit_heads::tenant_id).load(tx.conn)?;
    ids.extend(audit_events::table.select(audit_events::tenant_id).distinct().load::<TenantId>(tx.conn)?);
    ids.sort();
    ids.dedup();
    Ok(ids)
}

/// The fields that a list of events can be filtered by, each with the value it is compared to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditField {
    Id(String),
    ActivityDisplayName(String),
    ActivityDateTime(Timestamp),
    Category(String),
    LoggedByService(String),
    CorrelationId(String),
    Result(String),
    /// `initiatedBy/user/...` and `initiatedBy/app/...` share columns; the kind tells them apart.
    InitiatorId(InitiatorKind, String),
    InitiatorDisplayName(InitiatorKind, String),
    InitiatorPrincipalName(String),
    TargetId(String),
    TargetDisplayName(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

type Backend = <AnyConnection as Connection>::Backend;
type Condition = Box<dyn BoxableExpression<audit_events::table, Backend, SqlType = Bool>>;

/// What a list asks for: newest first unless `ascending`; `after` is the sequence at which the page before ended.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    pub filter: Option<Filter<AuditField>>,
    pub ascending: bool,
    pub after: Option<i64>,
    pub limit: i64,
}

/// Events in the order they were written, which is the order of `activityDateTime`.
pub fn list(tx: &mut Tx<'_>, tenant: &TenantId, query: &AuditQuery) -> Result<Vec<AuditEvent>> {
    let mut rows = audit_events::table
        .filter(audit_events::tenant_id.eq(tenant))
        .select(AuditEvent::as_select())
        .limit(query.limit)
        .into_boxed();
    if let Some(filter) = &query.filter {
        rows = rows.filter(condition(filter));
    }
    rows = match (query.ascending, query.after) {
        (true, Some(after)) => rows.filter(audit_events::sequence.gt(after)),
        (false, Some(after)) => rows.filter(audit_events::sequence.lt(after)),
        (_, None) => rows,
    };
    rows = match query.ascending {
        true => rows.order(audit_events::sequence.asc()),
        false => rows.order(audit_events::sequence.desc()),
    };
    Ok(rows.load(tx.conn)?)
}

fn condition(filter: &Filter<AuditField>) -> Condition {
    match filter {
        Filter::And(left, right) => Box::new(condition(left).and(condition(right))),
        Filter::Or(left, right) => Box::new(condition(left).or(condition(right))),
        Filter::Not(inner) => Box::new(diesel::dsl::not(condition(inner))),
        Filter::Test(field, operator) => test(field, *operator),
    }
}

/// Compares one text column. `LIKE` would read `%` and `_` in the value as wildcards, so a prefix is a range instead:
/// from the text itself to the text followed by the greatest character.
macro_rules! text_test {
    ($column:expr, $operator:expr, $value:expr) => {{
        let value: String = $value.clone();
        match $operator {
            Operator::Eq => Box::new($column.eq(value)) as Condition,
            Operator::Ne => Box::new($column.ne(value)),
            Operator::Gt => Box::new($column.gt(value)),
            Operator::Ge => Box::new($column.ge(value)),
            Operator::Lt => Box::new($column.lt(value)),
            Operator::Le => Box::new($column.le(value)),
            Operator::StartsWith => {
                let end = format!("{value}\u{10FFFF}");
                Box::new($column.ge(value).and($column.lt(end)))
            }
        }
    }};
}

fn test(field: &AuditField, operator: Operator) -> Condition {
    use audit_events as e;
    fn present<C: diesel::expression_methods::NullableExpressionMethods + Expression>(column: C) -> AssumeNotNull<C>
    where
        AssumeNotNull<C>: Expression,
    {
        column.assume_not_null()
    }
    let initiated_by = |kind: InitiatorKind| e::initiator_kind.eq(kind.as_str());
    match field {
        AuditField::Id(value) => text_test!(e::event_id, operator, value),
        AuditField::ActivityDisplayName(value) => text_test!(e::activity_display_name, operator, value),
        AuditField::Category(value) => text_test!(e::category, operator, value),
        AuditField::LoggedByService(value) => text_test!(e::logged_by_service, operator, value),
        AuditField::CorrelationId(value) => text_test!(e::correlation_id, operator, value),
        AuditField::Result(value) => text_test!(e::result, operator, value),
        AuditField::InitiatorId(kind, value) => {
            Box::new(initiated_by(*kind).and(text_test!(present(e::initiator_id), operator, value)))
        }
        AuditField::InitiatorDisplayName(kind, value) => {
            Box::new(initiated_by(*kind).and(text_test!(present(e::initiator_display_name), operator, value)))
        }
        AuditField::InitiatorPrincipalName(value) => text_test!(present(e::initiator_principal_name), operator, value),
        AuditField::TargetId(value) => text_test!(present(e::target_id), operator, value),
        AuditField::TargetDisplayName(value) => text_test!(present(e::target_display_name), operator, value),
        AuditField::ActivityDateTime(at) => match operator {
            Operator::Eq => Box::new(e::activity_at.eq(*at)),
            Operator::Ne => Box::new(e::activity_at.ne(*at)),
            Operator::Gt => Box::new(e::activity_at.gt(*at)),
            Operator::Ge | Operator::StartsWith => Box::new(e::activity_at.ge(*at)),
            Operator::Lt => Box::new(e::activity_at.lt(*at)),
            Operator::Le => Box::new(e::activity_at.le(*at)),
        },
    }
}
