//! The users of a reset, one item each.

use std::collections::BTreeSet;

use diesel::{
    dsl::{max, min},
    prelude::*,
};

use super::super::{Tx, backend::natively, schema::mfa_reset_items as items};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{MfaResetId, TenantId, UserId},
    words,
};

words! {
    pub enum ItemStatus {
        /// The preview has not come to it.
        Queued = "queued",
        /// Found, permitted, not reset yet.
        Pending = "pending",
        Done = "done",
        /// Reset, but there was nothing to delete or deactivate.
        NothingToDo = "nothingToDo",
        NotFound = "notFound",
        NotPermitted = "notPermitted",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = items, treat_none_as_default_value = false)]
pub struct ItemRow {
    pub tenant_id: TenantId,
    pub mfa_reset_id: MfaResetId,
    /// Counts from 1 in the order of the targets.
    pub item_number: i64,
    pub target_tenant_id: TenantId,
    /// As the caller named the user; null when a filter found the user.
    pub named: Option<String>,
    pub reason: Option<String>,
    pub user_id: Option<UserId>,
    pub user_principal_name: Option<String>,
    pub status: ItemStatus,
    /// JSON: what the preview saw would go.
    pub planned: Option<String>,
    /// JSON: why it did not happen.
    pub problem: Option<String>,
    /// JSON: what was done.
    pub report: Option<String>,
    pub finished_at: Option<Timestamp>,
}

/// What a list of items asks for.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    pub status: Option<ItemStatus>,
    pub target_tenant: Option<TenantId>,
}

macro_rules! of_reset {
    ($tenant:expr, $id:expr) => {
        items::table.filter(items::tenant_id.eq($tenant)).filter(items::mfa_reset_id.eq($id))
    };
}

/// Items of one statement: the databases bound the values that one takes.
const ROWS_PER_INSERT: usize = 1_000;

/// Inserts many items in few statements.
pub fn insert(tx: &mut Tx<'_>, rows: &[ItemRow]) -> Result<()> {
    for rows in rows.chunks(ROWS_PER_INSERT) {
        natively!(&mut *tx.conn, |conn| diesel::insert_into(items::table).values(rows).execute(conn)?);
    }
    Ok(())
}

/// Replaces items of one reset by these, with as many statements for many as for one.
pub fn replace(tx: &mut Tx<'_>, rows: &[ItemRow]) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    delete(tx, &first.tenant_id, &first.mfa_reset_id, rows.iter().map(|row| row.item_number))?;
    insert(tx, rows)
}

pub fn delete(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &MfaResetId,
    numbers: impl IntoIterator<Item = i64>,
) -> Result<()> {
    let numbers: Vec<_> = numbers.into_iter().collect();
    let some = of_reset!(tenant, id).filter(items::item_number.eq_any(&numbers));
    natively!(&mut *tx.conn, |conn| diesel::delete(some).execute(conn)?);
    Ok(())
}

/// The number of the last item; 0 without any.
pub fn last_number(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId) -> Result<i64> {
    let last: Option<i64> = of_reset!(tenant, id).select(max(items::item_number)).first(tx.conn)?;
    Ok(last.unwrap_or_default())
}

/// Some items of one part with a status, in the order of their users, which is also the order of the users' methods on
/// disk.
pub fn of_part(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &MfaResetId,
    target: &TenantId,
    status: ItemStatus,
    limit: i64,
) -> Result<Vec<ItemRow>> {
    let query = of_reset!(tenant, id)
        .filter(items::target_tenant_id.eq(target))
        .filter(items::status.eq(status))
        .order((items::user_id, items::item_number))
        .limit(limit);
    Ok(natively!(&mut *tx.conn, |conn| query.select(ItemRow::as_select()).load(conn)?))
}

/// The next items of one part with a status that only found users have, in the order of their users.
pub fn of_part_after(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &MfaResetId,
    target: &TenantId,
    status: ItemStatus,
    after: Option<&UserId>,
    limit: i64,
) -> Result<Vec<ItemRow>> {
    let mut query = of_reset!(tenant, id)
        .filter(items::target_tenant_id.eq(target))
        .filter(items::status.eq(status))
        .order((items::user_id, items::item_number))
        .limit(limit)
        .select(ItemRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(items::user_id.gt(after));
    }
    Ok(query.load(tx.conn)?)
}

/// Those of some users who are in the part already.
pub fn known_users(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &MfaResetId,
    target: &TenantId,
    users: &[&UserId],
) -> Result<BTreeSet<UserId>> {
    let query = of_reset!(tenant, id)
        .filter(items::target_tenant_id.eq(target))
        // Spelt out, so that the index of parts leads to the users: every status but that of those who wait to be looked at.
        .filter(items::status.eq_any(ItemStatus::ALL.iter().filter(|status| **status != ItemStatus::Queued)))
        .filter(items::user_id.eq_any(users))
        .select(items::user_id.assume_not_null());
    let known: Vec<UserId> = natively!(&mut *tx.conn, |conn| query.load(conn)?);
    Ok(known.into_iter().collect())
}

/// Gives up to `limit` items of one part that have a status another, with a reason; returns how many there were.
#[expect(clippy::too_many_arguments, reason = "one statement, each argument a column of it")]
pub fn settle(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &MfaResetId,
    target: &TenantId,
    from: ItemStatus,
    to: ItemStatus,
    problem: Option<&str>,
    limit: i64,
) -> Result<i64> {
    let query = of_reset!(tenant, id)
        .filter(items::target_tenant_id.eq(target))
        .filter(items::status.eq(from))
        .order((items::user_id, items::item_number))
        .limit(limit)
        .select(items::item_number);
    let numbers: Vec<i64> = natively!(&mut *tx.conn, |conn| query.load(conn)?);
    let some = of_reset!(tenant, id).filter(items::item_number.eq_any(&numbers));
    let finished_at = (to != ItemStatus::Pending).then_some(tx.now);
    let set = (items::status.eq(to), items::problem.eq(problem), items::finished_at.eq(finished_at));
    let settled = natively!(&mut *tx.conn, |conn| diesel::update(some).set(set).execute(conn)?);
    i64::try_from(settled).map_err(crate::error::Error::internal)
}

/// A page of a reset's items in the order of their numbers; `after` is the last number of the page before.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &MfaResetId,
    filter: &ItemFilter,
    after: i64,
    limit: i64,
) -> Result<Vec<ItemRow>> {
    let mut query = of_reset!(tenant, id)
        .filter(items::item_number.gt(after))
        .order(items::item_number)
        .limit(limit)
        .select(ItemRow::as_select())
        .into_boxed();
    if let Some(status) = filter.status {
        query = query.filter(items::status.eq(status));
    }
    if let Some(target) = &filter.target_tenant {
        query = query.filter(items::target_tenant_id.eq(target));
    }
    Ok(query.load(tx.conn)?)
}

/// Removes the first `limit` items of a reset; true when none is left.
pub fn delete_first(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId, limit: i64) -> Result<bool> {
    let first: Option<i64> = of_reset!(tenant, id).select(min(items::item_number)).first(tx.conn)?;
    let Some(first) = first else { return Ok(true) };
    diesel::delete(of_reset!(tenant, id).filter(items::item_number.lt(first + limit))).execute(tx.conn)?;
    Ok(last_number(tx, tenant, id)? == 0)
}
