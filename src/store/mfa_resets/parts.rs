//! What a reset does in one tenant. A part is the unit of work: whoever moves `due_at` has its turn.

use std::collections::BTreeMap;

use diesel::{
    dsl::sql,
    expression::SqlLiteral,
    prelude::*,
    sql_types::{BigInt, Bool},
};

use serde::{Deserialize, Serialize};

use super::super::{Tx, schema::mfa_reset_parts as parts};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{MfaResetId, TenantId},
    words,
};

words! {
    pub enum PartStatus {
        /// For the rest of an upload, or for the confirmation.
        Waiting = "waiting",
        Previewing = "previewing",
        Running = "running",
        Finished = "finished",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = parts, treat_none_as_null = true)]
pub struct PartRow {
    pub tenant_id: TenantId,
    pub mfa_reset_id: MfaResetId,
    /// The tenant whose users are reset; as the creator named it when he has nothing to do with it.
    pub target_tenant_id: TenantId,
    /// Null unless the creator may know it.
    pub display_name: Option<String>,
    pub status: PartStatus,
    /// The part with the smallest is worked on next.
    pub due_at: Timestamp,
    /// JSON list of filters that are still to be looked up.
    pub selections: String,
    /// The last user that the first of the filters was tried on.
    pub selected_until: Option<String>,
    /// JSON: the preview.
    pub summary: String,
    #[diesel(embed)]
    pub counts: Counts,
}

/// How many of the part's items have which status.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Queryable, Selectable, Insertable, AsChangeset,
)]
#[diesel(table_name = parts)]
pub struct Counts {
    #[diesel(column_name = queued_count)]
    pub queued: i64,
    #[diesel(column_name = pending_count)]
    pub pending: i64,
    #[diesel(column_name = done_count)]
    pub done: i64,
    #[diesel(column_name = nothing_to_do_count)]
    pub nothing_to_do: i64,
    #[diesel(column_name = not_found_count)]
    pub not_found: i64,
    #[diesel(column_name = not_permitted_count)]
    pub not_permitted: i64,
    #[diesel(column_name = failed_count)]
    pub failed: i64,
    #[diesel(column_name = cancelled_count)]
    pub cancelled: i64,
}

pub fn insert(tx: &mut Tx<'_>, row: &PartRow) -> Result<()> {
    diesel::insert_into(parts::table).values(row).execute(tx.conn)?;
    Ok(())
}

pub fn update(tx: &mut Tx<'_>, row: &PartRow) -> Result<()> {
    let key = (&row.tenant_id, &row.mfa_reset_id, &row.target_tenant_id);
    diesel::update(parts::table.find(key)).set(row).execute(tx.conn)?;
    Ok(())
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId, target: &TenantId) -> Result<Option<PartRow>> {
    Ok(parts::table.find((tenant, id, target)).select(PartRow::as_select()).first(tx.conn).optional()?)
}

/// All parts of a reset, in the order of their tenants: as many as it has tenants, which is bounded.
pub fn of_reset(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId) -> Result<Vec<PartRow>> {
    let query = parts::table.filter(parts::tenant_id.eq(tenant)).filter(parts::mfa_reset_id.eq(id));
    Ok(query.order(parts::target_tenant_id).select(PartRow::as_select()).load(tx.conn)?)
}

/// The counts of some resets, each over all its parts.
pub fn totals(tx: &mut Tx<'_>, tenant: &TenantId, ids: &[&MfaResetId]) -> Result<BTreeMap<MfaResetId, Counts>> {
    let query = parts::table
        .filter(parts::tenant_id.eq(tenant))
        .filter(parts::mfa_reset_id.eq_any(ids))
        .group_by(parts::mfa_reset_id)
        .select((
            parts::mfa_reset_id,
            (
                total("queued_count"),
                total("pending_count"),
                total("done_count"),
                total("nothing_to_do_count"),
                total("not_found_count"),
                total("not_permitted_count"),
                total("failed_count"),
                total("cancelled_count"),
            ),
        ));
    let totals: Vec<(MfaResetId, Counts)> = query.load(tx.conn)?;
    Ok(totals.into_iter().collect())
}

/// A sum in the type of its column; PostgreSQL's own would be wider.
fn total(column: &str) -> SqlLiteral<BigInt> {
    sql(&format!("CAST(SUM({column}) AS BIGINT)"))
}

/// How many parts of a reset have this status.
pub fn count(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId, status: PartStatus) -> Result<i64> {
    let query = parts::table.filter(parts::tenant_id.eq(tenant)).filter(parts::mfa_reset_id.eq(id));
    Ok(query.filter(parts::status.eq(status)).count().get_result(tx.conn)?)
}

/// The parts of every reset that are due, whoever waited longest first.
pub fn due(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<PartRow>> {
    // Written out, so that the index of parts with work fits.
    let has_work = sql::<Bool>("status IN ('previewing', 'running')");
    let query = parts::table.filter(has_work).filter(parts::due_at.le(tx.now)).order(parts::due_at).limit(limit);
    Ok(query.select(PartRow::as_select()).load(tx.conn)?)
}

/// When the next part is due, if any part has work.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    let has_work = sql::<Bool>("status IN ('previewing', 'running')");
    let query = parts::table.filter(has_work).order(parts::due_at).select(parts::due_at);
    Ok(query.first(tx.conn).optional()?)
}

/// Lets everything that is done in a tenant, by whichever reset, wait until `at`.
pub fn postpone(tx: &mut Tx<'_>, target: &TenantId, at: Timestamp) -> Result<()> {
    let is_running = sql::<Bool>("status = 'running'");
    let sooner =
        parts::table.filter(parts::target_tenant_id.eq(target)).filter(is_running).filter(parts::due_at.lt(at));
    diesel::update(sooner).set(parts::due_at.eq(at)).execute(tx.conn)?;
    Ok(())
}

/// Takes a turn: moves the due time of a part that was seen as due. True for one worker only. The claim is part of the
/// turn's own transaction, so a worker that dies leaves nothing claimed.
pub fn claim(tx: &mut Tx<'_>, seen: &PartRow) -> Result<bool> {
    let as_seen = parts::table
        .find((&seen.tenant_id, &seen.mfa_reset_id, &seen.target_tenant_id))
        .filter(parts::status.eq(seen.status))
        .filter(parts::due_at.eq(seen.due_at));
    // Strictly later, whatever the clock says, so that nobody who saw the same has the turn too.
    let later = tx.now.max(seen.due_at.plus_micros(1));
    Ok(diesel::update(as_seen).set(parts::due_at.eq(later)).execute(tx.conn)? == 1)
}

/// Gives every part of a reset that has a status another, due now.
pub fn set_status(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &MfaResetId,
    from: &[PartStatus],
    to: PartStatus,
) -> Result<()> {
    let some = parts::table
        .filter(parts::tenant_id.eq(tenant))
        .filter(parts::mfa_reset_id.eq(id))
        .filter(parts::status.eq_any(from));
    diesel::update(some).set((parts::status.eq(to), parts::due_at.eq(tx.now))).execute(tx.conn)?;
    Ok(())
}

pub fn delete_all(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId) -> Result<()> {
    let all = parts::table.filter(parts::tenant_id.eq(tenant)).filter(parts::mfa_reset_id.eq(id));
    diesel::delete(all).execute(tx.conn)?;
    Ok(())
}
