//! Clean-up that no request waits for: answers of idempotency keys after 24 hours, registrations that nobody finished,
//! failures that are long ago, the sign-in log after 30 days, deleted users whom nobody can restore any more; and the end
//! of relationships, which is written down.
//!
//! Nobody waits for any of it, so it does not matter when, how often, or on how many replicas this runs.

use std::time::Duration;

use crate::{
    directory,
    error::Result,
    id::TenantId,
    messages::limits,
    mfa_resets, partners,
    sign_in::log,
    store::{
        Store, challenges, guesses, idempotency, messages, methods, operations, relationships::requests, sessions,
        used_assertions, users::changes,
    },
    throttle,
    tokens::CLOCK_SKEW_SECONDS,
};

/// Time between two rounds.
const PAUSE: Duration = Duration::from_secs(300);

/// After how many minutes without another one failures are forgotten: 30 days.
const FAILURES_MINUTES: i64 = 30 * 24 * 60;
/// How long a caller can ask what became of an operation, in minutes: a little longer than a day.
const OPERATION_MINUTES: i64 = 25 * 60;

/// What one round removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    pub answers: usize,
    pub registrations: usize,
    pub sessions: usize,
    pub challenges: usize,
    pub failures: usize,
    pub operations: usize,
    pub sign_ins: usize,
    pub messages: usize,
    pub send_counts: usize,
    pub mfa_resets: usize,
    pub relationship_operations: usize,
    /// Deleted users who are gone for good now.
    pub users: usize,
    /// Whom a delta remembered as gone for good.
    pub purged_users: usize,
    pub used_assertions: usize,
}

/// One round.
pub async fn run_once(store: &Store) -> Result<Removed> {
    // On behalf of no tenant: nobody can see the rows any more, so nobody has to wait.
    let nobody = TenantId::new("");
    let expired_resets = mfa_resets::expire(store).await?;
    // Whatever keeps users from being removed, or the end of relationships from being written down, keeps nothing else.
    let users = directory::sweep::run_once(store).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "deleted users were not removed for good");
        0
    });
    if let Err(error) = partners::sweep::run_once(store).await {
        tracing::warn!(%error, "the end of relationships was not written down");
    }
    let clean = move |tx: &mut crate::store::Tx<'_>| {
        Ok(Removed {
            answers: idempotency::purge_expired(tx)?,
            registrations: methods::purge_unfinished(tx)?,
            sessions: sessions::purge_expired(tx)?,
            challenges: challenges::purge_expired(tx)?,
            // Whoever was stopped for good stays so until an administrator helps.
            failures: guesses::purge(tx, tx.now().plus_minutes(-FAILURES_MINUTES), throttle::HARD_STOP)?,
            operations: operations::purge(tx, tx.now().plus_minutes(-OPERATION_MINUTES))?,
            sign_ins: log::purge(tx)?,
            messages: messages::purge_expired(tx)?,
            send_counts: limits::purge(tx)?,
            mfa_resets: expired_resets,
            relationship_operations: requests::purge_operations(tx, tx.now().plus_minutes(-OPERATION_MINUTES))?,
            users,
            purged_users: changes::forget_purged(tx)?,
            used_assertions: used_assertions::purge_expired(tx, CLOCK_SKEW_SECONDS)?,
        })
    };
    store.write(&nobody, clean).await
}

/// Rounds without end.
pub async fn run(store: Store) {
    loop {
        tokio::time::sleep(PAUSE).await;
        match run_once(&store).await {
            // An abandoned upload may be so big that it goes in several rounds.
            Ok(Removed { mfa_resets: 1.., .. }) => while run_once(&store).await.is_ok_and(|it| it.mfa_resets > 0) {},
            Ok(removed) => tracing::debug!(?removed, "cleaned up"),
            Err(error) => tracing::warn!(%error, "clean-up failed; the next round tries again"),
        }
    }
}
