//! Clean-up that no request waits for: answers of idempotency keys after 24 hours, registrations that nobody finished,
//! the sign-in log after 30 days.
//!
//! Nobody waits for expired rows to go, so it does not matter when, how often, or on how many replicas this runs.

use std::time::Duration;

use crate::{
    error::Result,
    id::TenantId,
    sign_in::log,
    store::{Store, challenges, idempotency, methods, sessions},
};

/// Time between two rounds.
const PAUSE: Duration = Duration::from_secs(300);

/// What one round removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    pub answers: usize,
    pub registrations: usize,
    pub sessions: usize,
    pub challenges: usize,
    pub sign_ins: usize,
}

/// One round.
pub async fn run_once(store: &Store) -> Result<Removed> {
    // On behalf of no tenant: nobody can see the rows any more, so nobody has to wait.
    let nobody = TenantId::new("");
    let clean = |tx: &mut crate::store::Tx<'_>| {
        Ok(Removed {
            answers: idempotency::purge_expired(tx)?,
            registrations: methods::purge_unfinished(tx)?,
            sessions: sessions::purge_expired(tx)?,
            challenges: challenges::purge_expired(tx)?,
            sign_ins: log::purge(tx)?,
        })
    };
    store.write(&nobody, clean).await
}

/// Rounds without end.
pub async fn run(store: Store) {
    loop {
        tokio::time::sleep(PAUSE).await;
        match run_once(&store).await {
            Ok(removed) => tracing::debug!(?removed, "cleaned up"),
            Err(error) => tracing::warn!(%error, "clean-up failed; the next round tries again"),
        }
    }
}
