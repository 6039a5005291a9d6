//! Which of a token's codes are accepted, and what an accepted one teaches: how far the button was pressed ahead
//! (RFC 4226 section 7.4), how far the clock is off (RFC 6238 section 6).

use std::ops::RangeInclusive;

use super::secret_place;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    methods::oath::{self, Codes, HashFunction, SKEW_STEPS},
    store::{
        Tx,
        devices::{self, Device, DeviceHash, OtpType},
    },
};

/// Counters behind the last accepted one that a single code is looked for in (RFC 4226 section 7.4).
const LOOK_AHEAD: i64 = 10;
/// The same for two consecutive codes, which are a million times harder to guess (RFC 4226 appendix E.4).
const RESYNC_LOOK_AHEAD: i64 = 1_000;
/// How far a clock may wander by what single codes show, in steps: five minutes at 30 seconds.
const MAX_DRIFT_STEPS: i64 = 10;
/// How far a clock may be off for two consecutive codes, in steps.
pub const MAX_RESYNC_STEPS: i64 = 100;

/// The token as it is after its code was accepted, or why it was not.
pub type Taken = std::result::Result<Device, Refusal>;

/// A code that was not accepted.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// For whoever typed it.
    pub message: &'static str,
    /// The code was right once, so it was no guess.
    pub is_spent: bool,
}

const fn wrong(message: &'static str) -> Taken {
    Err(Refusal { message, is_spent: false })
}

/// Digits of a token's codes.
pub const fn digits(device: &Device) -> u8 {
    if device.digits == 8 { 8 } else { 6 }
}

/// Checks a code and takes it, so that it is used up.
pub fn take(tx: &mut Tx<'_>, device: &Device, code: &str) -> Result<Taken> {
    let Some(step) = codes(tx, device)?.find(code, window(device, tx.now())) else {
        return Ok(wrong(match device.otp_type {
            OtpType::Totp => "The code is wrong. Enter the code that the token shows now.",
            OtpType::Hotp => "The code is wrong or was used already. Press the token's button for the next code.",
        }));
    };
    spend(tx, device, step..=step)
}

/// Checks two consecutive codes in a wide window and takes both.
pub fn take_pair(tx: &mut Tx<'_>, device: &Device, first: &str, second: &str) -> Result<Taken> {
    let Some(step) = codes(tx, device)?.find_pair(first, second, wide_window(device, tx.now())) else {
        return Ok(wrong(
            "These are not two codes in a row, or they were used already, or the token is too far off. \
                       Enter two new codes, one after the other.",
        ));
    };
    spend(tx, device, step..=step.saturating_add(1))
}

fn codes(tx: &Tx<'_>, device: &Device) -> Result<Codes> {
    let hash_function = match device.hash_function {
        DeviceHash::Sha1 => HashFunction::Sha1,
        DeviceHash::Sha256 => HashFunction::Sha256,
        DeviceHash::Sha512 => HashFunction::Sha512,
    };
    let secret = tx.open(&secret_place(device), &device.sealed_secret)?;
    Ok(Codes::new(&secret, hash_function, digits(device)))
}

fn step_at(device: &Device, now: Timestamp) -> i64 {
    oath::step_at(now, device.time_interval_seconds.try_into().unwrap_or(1))
}

/// The first counter that was not used yet.
fn next_counter(device: &Device) -> i64 {
    device.last_step.map_or(0, |last| last.saturating_add(1))
}

/// Where a single code is looked for: around the step at which the token's clock was last seen. A clock that two codes
/// found beyond the bound may come closer, and wander no further.
fn window(device: &Device, now: Timestamp) -> RangeInclusive<i64> {
    match device.otp_type {
        OtpType::Hotp => next_counter(device)..=next_counter(device).saturating_add(LOOK_AHEAD - 1),
        OtpType::Totp => {
            let (step, drift) = (step_at(device, now), device.drift_steps);
            let bound = MAX_DRIFT_STEPS.max(drift.saturating_abs());
            let earliest = drift.saturating_sub(SKEW_STEPS).max(-bound);
            let latest = drift.saturating_add(SKEW_STEPS).min(bound);
            step.saturating_add(earliest)..=step.saturating_add(latest)
        }
    }
}

/// Where the first of two consecutive codes is looked for. A code that was used already begins no pair.
fn wide_window(device: &Device, now: Timestamp) -> RangeInclusive<i64> {
    let next = next_counter(device);
    match device.otp_type {
        OtpType::Hotp => next..=next.saturating_add(RESYNC_LOOK_AHEAD - 1),
        OtpType::Totp => {
            let step = step_at(device, now);
            let earliest = step.saturating_sub(MAX_RESYNC_STEPS + 1);
            earliest.max(next)..=step.saturating_add(MAX_RESYNC_STEPS - 1)
        }
    }
}

fn spend(tx: &mut Tx<'_>, device: &Device, steps: RangeInclusive<i64>) -> Result<Taken> {
    let last = *steps.end();
    let drift_steps = match device.otp_type {
        OtpType::Hotp => 0,
        OtpType::Totp => {
            last.checked_sub(step_at(device, tx.now())).ok_or_else(|| Error::internal("a step overflows"))?
        }
    };
    if !devices::take_steps(tx, device, &steps, drift_steps)? {
        let message = "The code was used already. Wait for the token's next code.";
        return Ok(Err(Refusal { message, is_spent: true }));
    }
    Ok(Ok(Device { last_step: Some(last), last_used_at: Some(tx.now()), drift_steps, ..device.clone() }))
}
