//! The end of deleted users: who was deleted too long ago to be restored is removed for good, some time later. Nothing
//! waits for it: whoever cannot be restored cannot be by the clock.

use std::{collections::BTreeMap, slice};

use super::users::{lost_until, purge_as};
use crate::{
    access::Actor,
    error::{Error, Result},
    id::{TenantId, UserId},
    store::{
        Store, Tx,
        users::{self, Presence, deleted},
    },
};

/// Users of one round; the next takes more.
const BATCH: i64 = 1000;
/// Users of one transaction: other writes of their tenant wait for it.
const TURN: usize = 30;

/// Removes who is due, tenant by tenant; how many users it was. One who cannot be removed holds nobody up.
pub async fn run_once(store: &Store) -> Result<usize> {
    let due = store.read(|tx| deleted::until(tx, lost_until(tx.now()), BATCH)).await?;
    let mut of_tenants: BTreeMap<TenantId, Vec<UserId>> = BTreeMap::new();
    for (tenant, user) in due {
        of_tenants.entry(tenant).or_default().push(user);
    }
    let mut count = 0;
    for (tenant, users) in &of_tenants {
        for turn in users.chunks(TURN) {
            count += match purge(store, tenant, turn).await {
                Ok(purged) => purged,
                Err(error @ Error::Unavailable { .. }) => return Err(error),
                Err(_) => purge_one_by_one(store, tenant, turn).await?,
            };
        }
    }
    Ok(count)
}

/// A turn that has failed, without the one who made it fail.
async fn purge_one_by_one(store: &Store, tenant: &TenantId, users: &[UserId]) -> Result<usize> {
    let mut count = 0;
    for user in users {
        match purge(store, tenant, slice::from_ref(user)).await {
            Ok(purged) => count += purged,
            Err(error @ Error::Unavailable { .. }) => return Err(error),
            Err(error) => tracing::warn!(%error, %tenant, %user, "a deleted user was not removed for good"),
        }
    }
    Ok(count)
}

/// Another replica may have been faster, or somebody has restored the user: it looks again.
async fn purge(store: &Store, tenant: &TenantId, users: &[UserId]) -> Result<usize> {
    let (owner, ids) = (tenant.clone(), users.to_vec());
    let turn = move |tx: &mut Tx<'_>| {
        let until = lost_until(tx.now());
        let actor = Actor::rekey(owner.clone(), tx.guid());
        let mut count = 0;
        for id in &ids {
            let user = users::find_by_id(tx, &owner, id, Presence::Deleted)?;
            if let Some(user) = user.filter(|user| user.deleted_at.is_some_and(|at| at <= until)) {
                purge_as(tx, &actor, &user)?;
                count += 1;
            }
        }
        Ok(count)
    };
    store.write(tenant, turn).await
}
