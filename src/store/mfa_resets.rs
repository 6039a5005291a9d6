//! Resets of many users: the job, its parts (one per tenant) and its items (one per user).

use diesel::{dsl::sql, prelude::*, sql_types::Bool};

use super::{Tx, schema::mfa_resets};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{MfaResetId, TenantId},
    words,
};

pub mod items;
pub mod parts;

words! {
    pub enum MfaResetStatus {
        /// The list of users is still being uploaded; nobody sees the job yet.
        Receiving = "receiving",
        Previewing = "previewing",
        AwaitingConfirmation = "awaitingConfirmation",
        Running = "running",
        /// What is left is being marked as cancelled.
        Cancelling = "cancelling",
        /// Every user was reset or had nothing to reset.
        Succeeded = "succeeded",
        PartiallySucceeded = "partiallySucceeded",
        /// Nobody was reset.
        Failed = "failed",
        Cancelled = "cancelled",
        /// Nobody confirmed the preview in time.
        Expired = "expired",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = mfa_resets, treat_none_as_null = true)]
pub struct MfaResetRow {
    /// The tenant of whoever created it.
    pub tenant_id: TenantId,
    pub mfa_reset_id: MfaResetId,
    pub status: MfaResetStatus,
    /// Rises with every change of status.
    pub version: i64,
    /// JSON: what is asked for.
    pub request: String,
    /// JSON: who asked, as the rules need it to act in his name.
    pub creator: String,
    pub creator_id: String,
    pub creator_display_name: String,
    pub confirmed_by_id: Option<String>,
    pub confirmed_by_display_name: Option<String>,
    /// Whether users of other tenants are among them.
    pub has_customers: bool,
    /// Users who were named more than once are counted here and kept once.
    pub duplicate_count: i64,
    pub created_at: Timestamp,
    pub confirmed_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// When an upload that is not complete, or a preview that nobody confirmed, ends.
    pub expires_at: Timestamp,
}

pub fn insert(tx: &mut Tx<'_>, row: &MfaResetRow) -> Result<()> {
    diesel::insert_into(mfa_resets::table).values(row).execute(tx.conn)?;
    Ok(())
}

pub fn update(tx: &mut Tx<'_>, row: &MfaResetRow) -> Result<()> {
    diesel::update(mfa_resets::table.find((&row.tenant_id, &row.mfa_reset_id))).set(row).execute(tx.conn)?;
    Ok(())
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId) -> Result<Option<MfaResetRow>> {
    let query = mfa_resets::table.find((tenant, id)).select(MfaResetRow::as_select());
    Ok(query.first(tx.conn).optional()?)
}

/// In whose log a reset stands, for whoever knows no more than its id: nobody but the operator.
pub fn tenant_of(tx: &mut Tx<'_>, id: &MfaResetId) -> Result<Option<TenantId>> {
    let query = mfa_resets::table.filter(mfa_resets::mfa_reset_id.eq(id)).select(mfa_resets::tenant_id);
    Ok(query.first(tx.conn).optional()?)
}

/// Counts users who were named again.
pub fn add_duplicates(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId, count: i64) -> Result<()> {
    let row = mfa_resets::table.find((tenant, id));
    diesel::update(row).set(mfa_resets::duplicate_count.eq(mfa_resets::duplicate_count + count)).execute(tx.conn)?;
    Ok(())
}

/// Which resets of a tenant a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed<'a> {
    All,
    /// Those of one creator.
    CreatedBy(&'a str),
    /// Those too that are about users of the tenant itself only.
    CreatedByOrWithoutCustomers(&'a str),
}

/// A page of a tenant's resets, the newest first. `after` is the last row of the page before.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    listed: Listed<'_>,
    after: Option<&(Timestamp, MfaResetId)>,
    limit: i64,
) -> Result<Vec<MfaResetRow>> {
    let mut query = mfa_resets::table
        .filter(mfa_resets::tenant_id.eq(tenant))
        .filter(mfa_resets::status.ne(MfaResetStatus::Receiving))
        .order((mfa_resets::created_at.desc(), mfa_resets::mfa_reset_id.desc()))
        .limit(limit)
        .select(MfaResetRow::as_select())
        .into_boxed();
    query = match listed {
        Listed::All => query,
        Listed::CreatedBy(creator) => query.filter(mfa_resets::creator_id.eq(creator)),
        Listed::CreatedByOrWithoutCustomers(creator) => {
            query.filter(mfa_resets::creator_id.eq(creator).or(mfa_resets::has_customers.eq(false)))
        }
    };
    if let Some((at, id)) = after {
        let earlier = mfa_resets::created_at.lt(at).or(mfa_resets::mfa_reset_id.lt(id));
        query = query.filter(mfa_resets::created_at.le(at)).filter(earlier);
    }
    Ok(query.load(tx.conn)?)
}

/// Uploads that were never completed and previews that nobody confirmed in time, the oldest first.
pub fn expired(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<MfaResetRow>> {
    // Written out, so that the index of those that can expire fits.
    let may_expire = sql::<Bool>("status IN ('receiving', 'awaitingConfirmation')");
    let query = mfa_resets::table
        .filter(mfa_resets::expires_at.le(tx.now))
        .filter(may_expire)
        .order(mfa_resets::expires_at)
        .limit(limit);
    Ok(query.select(MfaResetRow::as_select()).load(tx.conn)?)
}

/// Forgets a reset that never was complete, up to `limit` of its users at once; true when nothing is left of it.
pub fn delete(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId, limit: i64) -> Result<bool> {
    if !items::delete_first(tx, tenant, id, limit)? {
        return Ok(false);
    }
    parts::delete_all(tx, tenant, id)?;
    diesel::delete(mfa_resets::table.find((tenant, id))).execute(tx.conn)?;
    Ok(true)
}
