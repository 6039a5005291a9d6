//! One-time codes by time (TOTP, RFC 6238), for software and hardware tokens alike.

use secrecy::{ExposeSecret, SecretSlice};
use totp_rs::{Algorithm, Builder, Totp};

use crate::{clock::Timestamp, words};

words! {
    /// The hash of the HMAC, RFC 6238 section 1.2.
    pub enum HashFunction { Sha1 = "hmacsha1", Sha256 = "hmacsha256", Sha512 = "hmacsha512" }
}

/// Steps before and after the current one whose codes are accepted (RFC 6238 section 5.2 recommends one).
const SKEW_STEPS: u16 = 1;

/// The shape of a token's codes.
#[derive(Debug, Clone, Copy)]
pub struct TotpParameters {
    pub hash_function: HashFunction,
    pub digits: u8,
    /// 30 or 60 seconds.
    pub time_interval_in_seconds: u32,
}

fn totp(secret: &SecretSlice<u8>, parameters: TotpParameters) -> Builder {
    let algorithm = match parameters.hash_function {
        HashFunction::Sha1 => Algorithm::SHA1,
        HashFunction::Sha256 => Algorithm::SHA256,
        HashFunction::Sha512 => Algorithm::SHA512,
    };
    Builder::new()
        .with_algorithm(algorithm)
        .with_digits(parameters.digits)
        .with_skew(SKEW_STEPS)
        .with_step_duration(parameters.time_interval_in_seconds.into())
        .with_secret(secret.expose_secret().to_vec())
}

/// The time step that `code` belongs to, if it is right now or one step earlier or later. Compares in constant time.
/// The caller must then take the step, or the code could be used twice.
///
/// Built without the crate's minimum of 128 secret bits: tokens in the field have shorter ones.
pub fn matching_step(secret: &SecretSlice<u8>, parameters: TotpParameters, code: &str, now: Timestamp) -> Option<i64> {
    let seconds = u64::try_from(now.seconds()).ok()?;
    let totp: Totp = totp(secret, parameters).build_noncompliant();
    totp.check(code, seconds).and_then(|step| i64::try_from(step).ok())
}
