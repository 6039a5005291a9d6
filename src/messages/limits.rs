//! The limits on sending: every SMS and every call costs somebody money, and toll fraud lives of services that send as
//! many as they are asked for. Counted in the database in fixed windows before anything is sent, so every replica knows.

use super::{Message, Sending};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    store::{Tx, messages::Channel, send_counts, users::User},
};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Messages to one number or address in ten minutes, to its owner and to those who claim it each: a person who mistypes
/// now and then needs no more.
pub const ADDRESS_PER_TEN_MINUTES: i32 = 5;
/// The same in a day.
pub const ADDRESS_PER_DAY: i32 = 20;
/// Messages to one user in an hour, whatever the number or address.
pub const USER_PER_HOUR: i32 = 10;
/// Messages of one tenant in a day, unless the operator says otherwise.
pub const TENANT_PER_DAY: i32 = 10_000;

/// One limit: how many in how many seconds, and of whom.
struct Limit {
    scope: String,
    seconds: i64,
    most: i32,
    whose: &'static str,
}

/// Whether a number or address is the user's. Codes to those that anybody may have typed in are counted apart, so that
/// nobody uses up the codes that the owner of a number needs to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Known,
    Claimed,
}

/// Counts a message, or refuses it: when one limit is reached, nothing is counted, as the transaction is undone.
pub fn count(tx: &mut Tx<'_>, sending: &Sending, user: &User, message: &Message, owner: Owner) -> Result<()> {
    let address = match owner {
        Owner::Known => tx.fingerprint(&[b"sent to", message.to.to_lowercase().as_bytes()]),
        Owner::Claimed => tx.fingerprint(&[b"sent to whoever claims", bare(message).as_bytes()]),
    };
    let limit = |scope, seconds, most, whose| Limit { scope, seconds, most, whose };
    let all = [
        limit(format!("10m/{address}"), 10 * MINUTE, ADDRESS_PER_TEN_MINUTES, "this number or address"),
        limit(format!("1d/{address}"), DAY, ADDRESS_PER_DAY, "this number or address"),
        limit(format!("user/{}", user.user_id), HOUR, USER_PER_HOUR, "this user"),
        limit("tenant".into(), DAY, sending.tenant_per_day, "this organization"),
    ];
    for Limit { scope, seconds, most, whose } in all {
        let window_start = start(tx.now(), seconds);
        if !send_counts::take(tx, &user.tenant_id, &scope, window_start, most)? {
            let wait = window_start.plus_seconds(seconds).seconds() - tx.now().seconds();
            let message = format!("Too many codes were sent to {whose}: try again in {wait} seconds.");
            return Err(Error::TooManyAttempts { message, retry_after: Some(wait) });
        }
    }
    Ok(())
}

/// What counts as the same number or address as long as nobody has proven it: extensions of one number do, zeros that
/// networks drop, and capitals in an address. (Of a switchboard whose extensions are known, every extension has its own
/// codes.)
fn bare(message: &Message) -> String {
    match message.channel {
        Channel::Sms | Channel::Voice => super::dialled(&message.to),
        Channel::Email | Channel::Push => message.to.to_lowercase(),
    }
}

/// When the window of this length began that holds `now`.
fn start(now: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_seconds(now.seconds().div_euclid(seconds) * seconds)
}

/// Forgets windows that no limit looks at any more.
pub fn purge(tx: &mut Tx<'_>) -> Result<usize> {
    let before = start(tx.now(), DAY);
    send_counts::purge(tx, before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_where_the_clock_says() {
        let at = |text| Timestamp::parse_iso(text).unwrap();
        let now = at("2026-11-23T14:37:59.999999Z");
        assert_eq!(start(now, 10 * MINUTE), at("2026-11-23T14:30:00Z"));
        assert_eq!(start(now, HOUR), at("2026-11-23T14:00:00Z"));
        assert_eq!(start(now, DAY), at("2026-11-23T00:00:00Z"));
        assert_eq!(start(at("2026-11-23T14:40:00Z"), 10 * MINUTE), at("2026-11-23T14:40:00Z"));
    }
}
