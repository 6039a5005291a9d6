//! The end of relationships: written down, and told to both parties, some time after it came. Nothing waits for this:
//! what a relationship gives ends by the clock.

use super::{Logs, parties_of, record, target};
use crate::{
    access::Actor,
    audit::{Activity, Entry},
    error::Result,
    id::RelationshipId,
    store::{
        Store, Tx,
        relationships::{self, AutoExtend, Relationship, Status, StoredStatus},
    },
};

/// By how much a relationship extends itself, in minutes: 180 days.
const EXTENSION_MINUTES: i64 = 180 * 24 * 60;
/// Relationships of one round; the next takes more.
const BATCH: i64 = 1000;

/// Ends or extends what is due; how many relationships it was. One that cannot be holds nobody up.
pub async fn run_once(store: &Store) -> Result<usize> {
    let due = store.read(|tx| relationships::ended(tx, BATCH)).await?;
    let mut count = 0;
    for relationship in due {
        let id = relationship.relationship_id;
        match end(store, &id).await {
            Ok(()) => count += 1,
            Err(error) => tracing::warn!(%error, relationship = %id, "the end of a relationship was not written down"),
        }
    }
    Ok(count)
}

async fn end(store: &Store, id: &RelationshipId) -> Result<()> {
    let (named, id) = (id.to_string(), id.clone());
    let parties = store.read(move |tx| parties_of(tx, &named)).await?;
    let logs = Logs::new(parties.clone());
    let settle = move |tx: &mut Tx<'_>| match relationships::find(tx, &id)? {
        Some(relationship) => settle(tx, relationship, &logs),
        None => Ok(()),
    };
    store.write_for(&parties, settle).await
}

/// Another replica may have been faster, so it looks again.
fn settle(tx: &mut Tx<'_>, mut relationship: Relationship, logs: &Logs) -> Result<()> {
    let now = tx.now();
    let Some(mut end) = relationship.ends_at.filter(|at| *at <= now) else { return Ok(()) };
    if relationship.status != StoredStatus::Active {
        return Ok(());
    }
    let before = relationship.ends_at;
    let entry = match relationship.auto_extend_duration {
        AutoExtend::Never => {
            relationship.status = StoredStatus::Expired;
            Entry::success(Activity::EXPIRE_RELATIONSHIP, target(&relationship)).modified(
                "Status",
                Status::Active,
                Status::Expired,
            )
        }
        AutoExtend::HalfAYear => {
            while end <= now {
                end = end.plus_minutes(EXTENSION_MINUTES);
            }
            relationship.ends_at = Some(end);
            Entry::success(Activity::EXTEND_RELATIONSHIP, target(&relationship)).modified("EndDateTime", before, end)
        }
    };
    relationship.version += 1;
    relationship.modified_at = now;
    relationships::update(tx, &relationship)?;
    let actor = Actor::rekey(relationship.tenant_id.clone(), tx.guid());
    record(tx, &actor, &relationship, logs, entry)
}
