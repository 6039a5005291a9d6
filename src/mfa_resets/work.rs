//! The workers: take turns on the parts of all resets, whoever has waited longest first.
//!
//! A turn is short and the same for a tenant with five users and one with a hundred thousand, so nobody starves. Any
//! number of workers on any number of replicas may run: a turn's claim is part of its transaction.

use std::time::Duration;

use super::{
    preview,
    run::{self, Turn},
};
use crate::{
    error::{Error, Result},
    store::{
        Store, Tx,
        mfa_resets::{
            self, MfaResetRow,
            parts::{self, PartRow, PartStatus},
        },
    },
};

/// Workers of one process: while one waits for the database, another prepares its turn.
pub const WORKERS: usize = 2;
/// Users that one turn resets: enough to share the transaction's cost, few enough that other writes wait some tens of
/// milliseconds at most.
const USERS_PER_TURN: i64 = 200;
/// How often a worker without work looks for some.
const IDLE: Duration = Duration::from_millis(250);
/// After a fault of the database.
const RECOVERY: Duration = Duration::from_secs(1);
/// Attempts at one user before the reset goes on without him.
const ATTEMPTS: usize = 3;
/// A worker takes one of so many parts that are due, so that several do not all want the same.
const CHOICE: i64 = 8;

/// How fast resets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Users of one tenant that are reset in a second, at most; `None` for as many as can be.
    pub users_per_second: Option<u32>,
}

/// Works without end.
pub async fn run(store: Store, pace: Pace) {
    loop {
        match take_turn(&store, pace).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(IDLE).await,
            Err(error) => {
                tracing::warn!(%error, "a turn on a reset of many users failed; it is tried again");
                tokio::time::sleep(RECOVERY).await;
            }
        }
    }
}

/// One turn; false when no part is due.
pub async fn take_turn(store: &Store, pace: Pace) -> Result<bool> {
    let due = store.read(|tx| parts::due(tx, CHOICE)).await?;
    let [dice] = store.context().entropy.bytes::<1>();
    let Some(part) = due.get(usize::from(dice) % due.len().max(1)) else { return Ok(false) };
    match part.status {
        PartStatus::Previewing => preview_some(store, part).await?,
        _ => run_some(store, part, pace).await?,
    }
    Ok(true)
}

/// The reset and the part as they are now, if the turn is ours.
fn claim(tx: &mut Tx<'_>, seen: &PartRow) -> Result<Option<(MfaResetRow, PartRow)>> {
    if !parts::claim(tx, seen)? {
        return Ok(None);
    }
    let row = mfa_resets::find(tx, &seen.tenant_id, &seen.mfa_reset_id)?;
    let part = parts::find(tx, &seen.tenant_id, &seen.mfa_reset_id, &seen.target_tenant_id)?;
    Ok(row.zip(part))
}

async fn preview_some(store: &Store, seen: &PartRow) -> Result<()> {
    let part = seen.clone();
    let look = move |tx: &mut Tx<'_>| match claim(tx, &part)? {
        Some((row, mut part)) => preview::turn(tx, &row, &mut part),
        None => Ok(()),
    };
    store.write(&seen.tenant_id, look).await
}

async fn run_some(store: &Store, seen: &PartRow, pace: Pace) -> Result<()> {
    match run_turn(store, seen, USERS_PER_TURN, pace).await {
        Err(error) if error.is_fault() => one_by_one(store, seen, pace, &error).await,
        other => other,
    }
}

async fn run_turn(store: &Store, seen: &PartRow, most: i64, pace: Pace) -> Result<()> {
    let part = seen.clone();
    let turn = move |tx: &mut Tx<'_>| {
        let Some((row, mut part)) = claim(tx, &part)? else { return Ok(Turn::Worked(0)) };
        // In case this turn brings nothing to an end: paced by what the turn before has done.
        let turn = run::turn(tx, &row, &mut part, most)?;
        if let (Turn::Worked(users), Some(limit)) = (turn, pace.users_per_second.filter(|limit| *limit > 0)) {
            part.due_at = part.due_at.plus_micros(users * 1_000_000 / i64::from(limit));
            parts::update(tx, &part)?;
        }
        Ok(turn)
    };
    if store.write(&seen.target_tenant_id, turn).await? == Turn::Emptied {
        let part = seen.clone();
        let finish =
            move |tx: &mut Tx<'_>| run::finish(tx, &part.tenant_id, &part.mfa_reset_id, &part.target_tenant_id);
        store.write(&seen.tenant_id, finish).await?;
    }
    Ok(())
}

/// Some user in a turn cannot be reset: finds out who by turns of one, and gives up on him alone.
async fn one_by_one(store: &Store, seen: &PartRow, pace: Pace, first: &Error) -> Result<()> {
    tracing::warn!(error = %first, reset = %seen.mfa_reset_id, "a turn failed; trying each user alone");
    let mut failures = 0;
    for _ in 0..USERS_PER_TURN {
        let key = seen.clone();
        let now =
            store.read(move |tx| parts::find(tx, &key.tenant_id, &key.mfa_reset_id, &key.target_tenant_id)).await?;
        let Some(now) = now.filter(|now| now.status == PartStatus::Running && now.counts.pending > 0) else { break };
        match run_turn(store, &now, 1, pace).await {
            Err(error) if error.is_fault() && failures + 1 < ATTEMPTS && !matches!(error, Error::Internal { .. }) => {
                failures += 1;
                tokio::time::sleep(RECOVERY).await;
            }
            Err(error) if error.is_fault() => {
                failures = 0;
                let give_up = move |tx: &mut Tx<'_>| match claim(tx, &now)? {
                    Some((_, mut part)) => run::give_up(tx, &mut part, &error),
                    None => Ok(()),
                };
                store.write(&seen.target_tenant_id, give_up).await?;
            }
            other => {
                failures = 0;
                other?;
            }
        }
    }
    Ok(())
}
