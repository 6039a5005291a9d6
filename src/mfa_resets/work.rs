//! The workers: take turns on the parts of all resets, those first that have waited longest.
//!
//! A turn is short and the same for a tenant with five users and one with a hundred thousand, so nobody starves. Any
//! number of workers on any number of replicas may run: a turn's claim is part of its transaction.

use std::{num::NonZeroU32, time::Duration};

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
/// How often a worker without work looks for some, at least.
const IDLE: Duration = Duration::from_millis(250);
/// And at most.
const SHORTEST_IDLE: Duration = Duration::from_millis(5);
/// After a fault of the database.
const RECOVERY: Duration = Duration::from_secs(1);
/// Attempts at one user before the reset goes on without him.
const ATTEMPTS: usize = 3;
/// A worker takes one of so many parts that are due, so that several do not all want the same.
const CHOICE: i64 = 8;

/// How fast resets go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Users of one tenant that are reset in a second, at most; `None` for as many as can be.
    users_per_second: Option<NonZeroU32>,
}

impl Pace {
    /// At most so many users of one tenant in a second; 0 for as many as can be.
    pub fn users_per_second(limit: u32) -> Self {
        Self { users_per_second: NonZeroU32::new(limit) }
    }

    /// Users of one turn: no more than a second's worth.
    fn users_per_turn(self) -> i64 {
        self.users_per_second.map_or(USERS_PER_TURN, |limit| USERS_PER_TURN.min(i64::from(limit.get())))
    }

    /// How long so many users take, in microseconds.
    fn pause(self, users: i64) -> i64 {
        self.users_per_second.map_or(0, |limit| users * 1_000_000 / i64::from(limit.get()))
    }
}

/// Works without end, with a pause after every turn for whoever else writes to the database (a process of its own must
/// wait for the file of SQLite; the turns of one process stand in a queue anyway).
pub async fn run(store: Store, pace: Pace, pause: Duration) {
    loop {
        match take_turn(&store, pace).await {
            Ok(true) => tokio::time::sleep(pause).await,
            Ok(false) => tokio::time::sleep(until_next(&store).await).await,
            Err(error) => {
                tracing::warn!(%error, "a turn on a reset of many users failed; it is tried again");
                tokio::time::sleep(RECOVERY).await;
            }
        }
    }
}

/// How long to wait before there may be a turn.
async fn until_next(store: &Store) -> Duration {
    let next = store.read(|tx| Ok((parts::next_due(tx)?, tx.now()))).await;
    let Ok((Some(due), now)) = next else { return IDLE };
    let micros = u64::try_from(due.micros() - now.micros()).unwrap_or_default();
    Duration::from_micros(micros).clamp(SHORTEST_IDLE, IDLE)
}

/// One turn; false when no part is due.
pub async fn take_turn(store: &Store, pace: Pace) -> Result<bool> {
    let due = store.read(|tx| parts::due(tx, CHOICE)).await?;
    let [dice] = store.context().entropy.bytes::<1>();
    let Some(part) = due.get(usize::from(dice) % due.len().max(1)) else { return Ok(false) };
    let most = match part.status {
        PartStatus::Previewing => USERS_PER_TURN,
        _ => pace.users_per_turn(),
    };
    match take(store, part, most, pace).await {
        Err(error) if error.is_fault() => one_by_one(store, part, pace, &error).await?,
        other => other?,
    }
    Ok(true)
}

/// A turn with at most `most` users.
async fn take(store: &Store, seen: &PartRow, most: i64, pace: Pace) -> Result<()> {
    match seen.status {
        PartStatus::Previewing => preview_some(store, seen, most).await,
        _ => run_some(store, seen, most, pace).await,
    }
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

async fn preview_some(store: &Store, seen: &PartRow, most: i64) -> Result<()> {
    let part = seen.clone();
    let look = move |tx: &mut Tx<'_>| match claim(tx, &part)? {
        Some((row, mut part)) => preview::turn(tx, &row, &mut part, most),
        None => Ok(()),
    };
    store.write(&seen.tenant_id, look).await
}

async fn run_some(store: &Store, seen: &PartRow, most: i64, pace: Pace) -> Result<()> {
    let part = seen.clone();
    let turn = move |tx: &mut Tx<'_>| {
        let Some((row, mut part)) = claim(tx, &part)? else { return Ok(Turn::Lost) };
        let turn = run::turn(tx, &row, &mut part, most)?;
        if let Turn::Worked(users) = turn {
            // The tenant's next turn is due when so many users have had their time.
            let pause = pace.pause(users);
            part.due_at = part.due_at.plus_micros(pause);
            parts::update(tx, &part)?;
            if pause > 0 {
                parts::postpone(tx, &part.target_tenant_id, part.due_at)?;
            }
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

/// Some user in a turn makes it fail: finds out who by turns of one, and gives up on him alone.
async fn one_by_one(store: &Store, seen: &PartRow, pace: Pace, first: &Error) -> Result<()> {
    tracing::warn!(error = %first, reset = %seen.mfa_reset_id, "a turn failed; trying each user alone");
    let mut failures = 0;
    for _ in 0..USERS_PER_TURN {
        let key = seen.clone();
        let find = move |tx: &mut Tx<'_>| parts::find(tx, &key.tenant_id, &key.mfa_reset_id, &key.target_tenant_id);
        let Some(now) = store.read(find).await?.filter(|now| now.status == seen.status) else { break };
        match take(store, &now, 1, pace).await {
            Err(error) if error.is_fault() => {
                failures += 1;
                let may_pass = !matches!(error, Error::Internal { .. });
                if may_pass && failures < ATTEMPTS {
                    tokio::time::sleep(RECOVERY).await;
                    continue;
                }
                failures = 0;
                give_up(store, now, error).await?;
            }
            other => {
                failures = 0;
                other?;
            }
        }
    }
    Ok(())
}

async fn give_up(store: &Store, seen: PartRow, error: Error) -> Result<()> {
    let tenant = match seen.status {
        PartStatus::Previewing => seen.tenant_id.clone(),
        _ => seen.target_tenant_id.clone(),
    };
    let first = error.clone();
    let give_up = move |tx: &mut Tx<'_>| match claim(tx, &seen)? {
        Some((row, mut part)) if part.status == PartStatus::Previewing => preview::give_up(tx, &row, &mut part, &error),
        Some((_, mut part)) => run::give_up(tx, &mut part, &error),
        None => Ok(true),
    };
    match store.write(&tenant, give_up).await? {
        true => Ok(()),
        // It was no user's fault; whoever waits a little may find it gone.
        false => Err(first),
    }
}
