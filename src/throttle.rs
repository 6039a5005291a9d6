//! The limits on guessing (NIST SP 800-63B-4 section 3.2.2): growing delays after five failures in a row, a hard stop
//! at a hundred. Counted in the database per user and kind of guess, so every replica knows, and never switched off.

use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::TenantId,
    store::{
        Tx,
        guesses::{self, GuessKind, Guesses},
    },
};

/// Failures in a row that cost nothing.
const FREE_FAILURES: i32 = 5;
/// Failures in a row after which only an administrator can help.
pub const HARD_STOP: i32 = 100;
/// The first delay, in seconds; each failure doubles it.
const FIRST_DELAY_SECONDS: i64 = 15;
/// The longest delay, in seconds.
const LONGEST_DELAY_SECONDS: i64 = 15 * 60;

/// Seconds to wait after this many failures in a row; `None` for ever.
fn delay(failures: i32) -> Option<i64> {
    if failures >= HARD_STOP {
        return None;
    }
    let doublings = match u32::try_from(failures - FREE_FAILURES) {
        Ok(doublings) => doublings,
        Err(_) => return Some(0),
    };
    let delay = FIRST_DELAY_SECONDS.saturating_mul(2_i64.saturating_pow(doublings));
    Some(delay.min(LONGEST_DELAY_SECONDS))
}

/// Refuses while the subject has to wait. What is shown meanwhile is neither checked nor counted: the answer says
/// nothing about it.
pub fn check(tx: &mut Tx<'_>, tenant: &TenantId, subject: &str, kind: GuessKind) -> Result<()> {
    let Some(guesses) = guesses::find(tx, tenant, subject, kind)? else { return Ok(()) };
    blocked(guesses.failures, guesses.last_failure_at, tx.now()).map_or(Ok(()), Err)
}

fn blocked(failures: i32, last_failure_at: Timestamp, now: Timestamp) -> Option<Error> {
    let Some(delay) = delay(failures) else {
        return Some(Error::TooManyAttempts {
            message: "Too many failures in a row: an administrator must unlock the user.".into(),
            retry_after: None,
        });
    };
    let left = last_failure_at.plus_seconds(delay).micros() - now.micros();
    let seconds = (left + 999_999).div_euclid(1_000_000);
    (seconds > 0).then(|| Error::TooManyAttempts {
        message: format!("Too many failures in a row: try again in {seconds} seconds."),
        retry_after: Some(seconds),
    })
}

/// How many failures of one kind stand against a subject, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lockout {
    pub kind: GuessKind,
    pub failures: i32,
    /// When the next try is allowed; `None` when it is now, or never.
    pub retry_at: Option<Timestamp>,
    /// True when only an administrator can help.
    pub is_locked_out: bool,
}

/// Where a subject stands.
pub fn lockouts(tx: &mut Tx<'_>, tenant: &TenantId, subject: &str) -> Result<Vec<Lockout>> {
    let mut lockouts = vec![];
    for Guesses { kind, failures, .. } in guesses::of_subject(tx, tenant, subject)? {
        let (retry_at, is_locked_out) = match check(tx, tenant, subject, kind) {
            Ok(()) => (None, false),
            Err(Error::TooManyAttempts { retry_after: Some(seconds), .. }) => {
                (Some(tx.now().plus_seconds(seconds)), false)
            }
            Err(Error::TooManyAttempts { retry_after: None, .. }) => (None, true),
            Err(error) => return Err(error),
        };
        lockouts.push(Lockout { kind, failures, retry_at, is_locked_out });
    }
    Ok(lockouts)
}

/// Counts a failure.
pub fn failed(tx: &mut Tx<'_>, tenant: &TenantId, subject: &str, kind: GuessKind) -> Result<()> {
    guesses::add(tx, tenant, subject, kind).map(drop)
}

/// A success forgets the failures before it.
pub fn succeeded(tx: &mut Tx<'_>, tenant: &TenantId, subject: &str, kind: GuessKind) -> Result<()> {
    guesses::clear(tx, tenant, subject, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_end_at_a_hundred() {
        assert_eq!([0, 4, 5, 6, 7, 10, 11, 99].map(delay), [0, 0, 15, 30, 60, 480, 900, 900].map(Some));
        assert_eq!([100, i32::MAX].map(delay), [None, None]);
    }

    #[test]
    fn waiting_ends_to_the_microsecond() {
        let (at, delay) = (Timestamp::from_seconds(1_000), 15);
        let after = |micros| blocked(5, at, Timestamp::from_micros(at.plus_seconds(delay).micros() + micros));
        assert!(after(0).is_none() && after(1).is_none());
        assert!(matches!(after(-1), Some(Error::TooManyAttempts { retry_after: Some(1), .. })));
        assert!(blocked(4, at, at).is_none());
        assert!(matches!(
            blocked(100, at, at.plus_seconds(1 << 40)),
            Some(Error::TooManyAttempts { retry_after: None, .. })
        ));
    }
}
