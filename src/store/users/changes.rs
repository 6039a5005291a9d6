//! Which users have changed: what a delta reads. Every change gives its user the tenant's next number, so that whatever
//! happened behind a number is one walk through an index. Writes of a tenant happen one after the other, so a number
//! never becomes visible before a lower one.

use diesel::{
    dsl::{exists, max, sql},
    prelude::*,
    sql_types::Bool,
};
use serde::{Deserialize, Serialize};

use super::{Row, User};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{TenantId, UserId},
    store::{
        Tx,
        schema::{purged_users, users},
    },
};

diesel::allow_tables_to_appear_in_same_query!(purged_users, users);

/// How long a delta link is good, in days (Graph's own number for directory objects). Users who are gone for good are
/// remembered for a day more, for the round that begins with it.
pub const REMEMBERED_DAYS: i64 = 7;

/// A number, and the last user with it that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChangePoint(pub i64, pub String);

/// What has become of a user.
#[derive(Debug, Clone)]
pub struct Change {
    pub at: ChangePoint,
    pub user: ChangedUser,
}

#[derive(Debug, Clone)]
pub enum ChangedUser {
    /// As the user is now; deleted ones have a `deleted_at`.
    Kept(Box<User>),
    /// Gone for good.
    Purged(UserId),
}

/// The number of a tenant's last change; 0 without any.
pub fn last(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<i64> {
    let kept: Option<i64> =
        users::table.filter(users::tenant_id.eq(tenant)).select(max(users::change_sequence)).first(tx.conn)?;
    let purged: Option<i64> = purged_users::table
        .filter(purged_users::tenant_id.eq(tenant))
        .select(max(purged_users::change_sequence))
        .first(tx.conn)?;
    Ok(kept.max(purged).unwrap_or(0))
}

/// The number of the change that is being made.
pub(super) fn next(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<i64> {
    Ok(last(tx, tenant)? + 1)
}

/// Changes behind `after`, the oldest first: of all users, or of `only` these.
pub fn behind(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    after: &ChangePoint,
    only: Option<&[UserId]>,
    limit: i64,
) -> Result<Vec<Change>> {
    let ChangePoint(number, last) = after;
    let mut kept = users::table
        .filter(users::tenant_id.eq(tenant))
        .filter(users::change_sequence.ge(*number))
        .filter(users::change_sequence.gt(*number).or(users::user_id.gt(last)))
        .order((users::change_sequence, users::user_id))
        .select((users::change_sequence, Row::as_select()))
        .limit(limit)
        .into_boxed();
    let mut purged = purged_users::table
        .filter(purged_users::tenant_id.eq(tenant))
        .filter(purged_users::change_sequence.ge(*number))
        .filter(purged_users::change_sequence.gt(*number).or(purged_users::user_id.gt(last)))
        .order((purged_users::change_sequence, purged_users::user_id))
        .select((purged_users::change_sequence, purged_users::user_id))
        .limit(limit)
        .into_boxed();
    if let Some(only) = only {
        kept = kept.filter(users::user_id.eq_any(only));
        purged = purged.filter(purged_users::user_id.eq_any(only));
    }
    let mut changes = vec![];
    for (number, row) in kept.load::<(i64, Row)>(tx.conn)? {
        let user = row.into_user()?;
        let at = ChangePoint(number, user.user_id.to_string());
        changes.push(Change { at, user: ChangedUser::Kept(Box::new(user)) });
    }
    for (number, id) in purged.load::<(i64, UserId)>(tx.conn)? {
        changes.push(Change { at: ChangePoint(number, id.to_string()), user: ChangedUser::Purged(id) });
    }
    changes.sort_by(|one, other| one.at.cmp(&other.at));
    changes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(changes)
}

/// Remembers that a user is gone for good.
pub(super) fn remember_purged(tx: &mut Tx<'_>, tenant: &TenantId, id: &UserId) -> Result<()> {
    let number = next(tx, tenant)?;
    let row = (
        purged_users::tenant_id.eq(tenant),
        purged_users::change_sequence.eq(number),
        purged_users::user_id.eq(id),
        purged_users::purged_at.eq(tx.now),
    );
    diesel::insert_into(purged_users::table).values(row).execute(tx.conn)?;
    Ok(())
}

/// Forgets, in all tenants, purged users that no delta may ask for any more, except each tenant's last change: its
/// number must not be given again.
pub fn forget_purged(tx: &mut Tx<'_>) -> Result<usize> {
    let until: Timestamp = tx.now.plus_minutes(-(REMEMBERED_DAYS + 1) * 24 * 60);
    let later_purged = sql::<Bool>(
        "EXISTS (SELECT 1 FROM purged_users later WHERE later.tenant_id = purged_users.tenant_id \
         AND later.change_sequence > purged_users.change_sequence)",
    );
    let later_kept = users::table
        .filter(users::tenant_id.eq(purged_users::tenant_id))
        .filter(users::change_sequence.gt(purged_users::change_sequence));
    let old: Vec<(TenantId, i64)> = purged_users::table
        .filter(purged_users::purged_at.lt(until))
        .filter(later_purged.or(exists(later_kept)))
        .select((purged_users::tenant_id, purged_users::change_sequence))
        .limit(1000)
        .load(tx.conn)?;
    let mut forgotten = 0;
    for (tenant, number) in old {
        let row = purged_users::table
            .filter(purged_users::tenant_id.eq(&tenant))
            .filter(purged_users::change_sequence.eq(number));
        forgotten += diesel::delete(row).execute(tx.conn)?;
    }
    Ok(forgotten)
}
