//! Users who were deleted: whom nobody can restore any more, and their end.

use diesel::prelude::*;

use super::{changes, words};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{TenantId, UserId},
    store::{Tx, registrations, schema::users},
};

/// Users of all tenants who were deleted at this moment or before, the earliest first.
pub fn until(tx: &mut Tx<'_>, at: Timestamp, limit: i64) -> Result<Vec<(TenantId, UserId)>> {
    let deleted = users::table.filter(users::deleted_at.le(at)).order(users::deleted_at);
    Ok(deleted.select((users::tenant_id, users::user_id)).limit(limit).load(tx.conn)?)
}

/// Removes a user for good. The caller removes what hangs on the user first.
pub fn purge(tx: &mut Tx<'_>, tenant: &TenantId, id: &UserId) -> Result<()> {
    words::delete_all(tx, tenant, id)?;
    changes::remember_purged(tx, tenant, id)?;
    registrations::forget(tx, tenant, id)?;
    diesel::delete(users::table.find((tenant, id))).execute(tx.conn)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        conditions::plan,
        users::{Presence, ids, list},
    };

    #[tokio::test]
    async fn deleted_users_are_found_without_a_look_at_the_present_ones() {
        let (store, _folder) = plan::store();
        let plans = store.read(|tx| {
            let (tenant, id) = (TenantId::new("t"), UserId::new("u"));
            let due = plan::of(tx, |tx| until(tx, Timestamp(1), 9));
            let mut plans = vec![(due, "users_by_deletion (deleted_at<?)".to_owned())];
            for (after, way) in [(None, "(tenant_id=?)"), (Some(&id), "(tenant_id=? AND user_id>?)")] {
                let deleted = plan::of(tx, |tx| list(tx, &tenant, Presence::Deleted, after, 9));
                plans.push((deleted, format!("users_deleted {way}")));
                let present = plan::of(tx, |tx| list(tx, &tenant, Presence::Present, after, 9));
                plans.push((present, format!("users_present {way}")));
                let present = plan::of(tx, |tx| ids(tx, &tenant, None, after, 9));
                plans.push((present, format!("users_present {way}")));
            }
            Ok(plans)
        });
        for (plan, way) in plans.await.unwrap() {
            assert_eq!(plan.replace("COVERING INDEX", "INDEX"), format!("SEARCH users USING INDEX {way}"));
        }
    }
}
