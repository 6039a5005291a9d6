//! The limits on guessing (NIST SP 800-63B-4 section 3.2.2): growing delays after a few failures in a row, a hard stop
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

/// Failures in a row after which only an administrator can help.
pub const HARD_STOP: i32 = 100;

/// How patient we are with one kind of guess.
struct Patience {
    /// The failure in a row that brings the first delay.
    first_failure: i32,
    /// The first delay, in seconds; each further failure doubles it.
    first_delay: i64,
    /// The longest delay, in seconds.
    longest_delay: i64,
}

/// Whoever mistypes is made to wait for seconds. A push disturbs somebody who may have asked for nothing, so pushes
/// pause after three that came to nothing, and for long.
const fn patience(kind: GuessKind) -> Patience {
    match kind {
        GuessKind::Password | GuessKind::Otp | GuessKind::TemporaryAccessPass | GuessKind::QrCodePin => {
            Patience { first_failure: 5, first_delay: 15, longest_delay: 15 * 60 }
        }
        GuessKind::Push => Patience { first_failure: 3, first_delay: 15 * 60, longest_delay: 24 * 60 * 60 },
    }
}

/// Seconds to wait after this many failures in a row; `None` for ever.
fn delay(kind: GuessKind, failures: i32) -> Option<i64> {
    if failures >= HARD_STOP {
        return None;
    }
    let patience = patience(kind);
    let doublings = match u32::try_from(failures - patience.first_failure) {
        Ok(doublings) => doublings,
        Err(_) => return Some(0),
    };
    let delay = patience.first_delay.saturating_mul(2_i64.saturating_pow(doublings));
    Some(delay.min(patience.longest_delay))
}

/// Refuses while the subject has to wait. What is shown meanwhile is neither checked nor counted: the answer says
/// nothing about it.
pub fn check(tx: &mut Tx<'_>, tenant: &TenantId, subject: &str, kind: GuessKind) -> Result<()> {
    let Some(guesses) = guesses::find(tx, tenant, subject, kind)? else { return Ok(()) };
    blocked(kind, guesses.failures, guesses.last_failure_at, tx.now()).map_or(Ok(()), Err)
}

fn blocked(kind: GuessKind, failures: i32, last_failure_at: Timestamp, now: Timestamp) -> Option<Error> {
    let Some(delay) = delay(kind, failures) else {
        return Some(Error::TooManyAttempts {
            message: "Too many failures in a row: an administrator must unlock the user.".into(),
            retry_after: None,
        });
    };
    let seconds = seconds_until(last_failure_at.plus_seconds(delay), now);
    (seconds > 0).then(|| Error::TooManyAttempts {
        message: format!("Too many failures in a row: try again in {seconds} seconds."),
        retry_after: Some(seconds),
    })
}

/// Whole seconds from `now` until a moment, rounded up, for `Retry-After`.
pub fn seconds_until(at: Timestamp, now: Timestamp) -> i64 {
    (at.micros() - now.micros() + 999_999).div_euclid(1_000_000)
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
        let delays = |kind, failures: &[i32]| failures.iter().map(|n| delay(kind, *n)).collect::<Vec<_>>();
        for kind in [GuessKind::Password, GuessKind::Otp, GuessKind::TemporaryAccessPass, GuessKind::QrCodePin] {
            assert_eq!(delays(kind, &[0, 4, 5, 6, 7, 10, 11, 99]), [0, 0, 15, 30, 60, 480, 900, 900].map(Some));
        }
        assert_eq!(
            delays(GuessKind::Push, &[0, 2, 3, 4, 9, 10, 99]),
            [0, 0, 900, 1800, 57_600, 86_400, 86_400].map(Some)
        );
        for kind in GuessKind::ALL {
            assert_eq!(delays(*kind, &[100, i32::MAX]), [None, None]);
        }
    }

    #[test]
    fn waiting_ends_to_the_microsecond() {
        let (at, delay) = (Timestamp::from_seconds(1_000), 15);
        let after =
            |micros| blocked(GuessKind::Otp, 5, at, Timestamp::from_micros(at.plus_seconds(delay).micros() + micros));
        assert!(after(0).is_none() && after(1).is_none());
        assert!(matches!(after(-1), Some(Error::TooManyAttempts { retry_after: Some(1), .. })));
        assert!(blocked(GuessKind::Otp, 4, at, at).is_none());
        assert!(matches!(
            blocked(GuessKind::Otp, 100, at, at.plus_seconds(1 << 40)),
            Some(Error::TooManyAttempts { retry_after: None, .. })
        ));
    }
}
