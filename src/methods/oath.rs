//! One-time codes by counter (HOTP, RFC 4226) and by time (TOTP, RFC 6238), for software and hardware tokens alike.

use std::ops::RangeInclusive;

use data_encoding::BASE32_NOPAD;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};
use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

use super::MethodKind;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    store::{Tx, users::User},
    words,
};

words! {
    /// The hash of the HMAC, RFC 6238 section 1.2.
    pub enum HashFunction { Sha1 = "hmacsha1", Sha256 = "hmacsha256", Sha512 = "hmacsha512" }
}

/// Steps before and after the expected one whose codes are accepted (RFC 6238 section 5.2 recommends one).
pub const SKEW_STEPS: i64 = 1;
/// The longest secret in Base32 characters, padding included (Graph: hardwareOathTokenAuthenticationMethodDevice).
pub const MAX_SECRET_CHARACTERS: usize = 128;
/// The shortest secret of a foreign token, in bytes. RFC 4226 section 4 asks for 16; tokens in the field have 10.
pub const MIN_SECRET_BYTES: usize = 10;
/// OATH tokens and authenticator apps that one user may have in total (contract of Graph's hardware tokens).
pub const MAX_PER_USER: usize = 5;

/// The shape of a token's codes.
#[derive(Debug, Clone, Copy)]
pub struct TotpParameters {
    pub hash_function: HashFunction,
    pub digits: u8,
    /// 30 or 60 seconds.
    pub time_interval_in_seconds: u32,
}

fn builder(secret: &SecretSlice<u8>, hash_function: HashFunction, digits: u8) -> Builder {
    let algorithm = match hash_function {
        HashFunction::Sha1 => Algorithm::SHA1,
        HashFunction::Sha256 => Algorithm::SHA256,
        HashFunction::Sha512 => Algorithm::SHA512,
    };
    Builder::new().with_algorithm(algorithm).with_digits(digits).with_secret(secret.expose_secret().to_vec())
}

/// The codes of one secret by counter (RFC 4226 section 5.3); a token with a clock counts time steps (RFC 6238
/// section 4.2).
pub struct Codes(Totp);

impl Codes {
    /// Built without the crate's minimum of 128 secret bits: tokens in the field have shorter ones.
    pub fn new(secret: &SecretSlice<u8>, hash_function: HashFunction, digits: u8) -> Self {
        Self(builder(secret, hash_function, digits).with_step_duration(1).with_skew(0).build_noncompliant())
    }

    /// Compares in constant time. No counter is negative.
    fn is(&self, code: &str, counter: i64) -> bool {
        u64::try_from(counter).is_ok_and(|counter| self.0.check(code, counter).is_some())
    }

    /// The first of `counters` whose code this is. The caller must then take it, or the code could be used twice.
    pub fn find(&self, code: &str, mut counters: RangeInclusive<i64>) -> Option<i64> {
        counters.find(|counter| self.is(code, *counter))
    }

    /// The first of `counters` whose code is `first` while the next counter's is `second`.
    pub fn find_pair(&self, first: &str, second: &str, mut counters: RangeInclusive<i64>) -> Option<i64> {
        counters.find(|counter| self.is(first, *counter) && self.is(second, counter.saturating_add(1)))
    }
}

/// The time step of a moment.
pub fn step_at(now: Timestamp, time_interval_in_seconds: u32) -> i64 {
    now.seconds().div_euclid(i64::from(time_interval_in_seconds.max(1)))
}

/// The time step that `code` belongs to, if it is right now or one step earlier or later. The caller must then take the
/// step, or the code could be used twice.
pub fn matching_step(secret: &SecretSlice<u8>, parameters: TotpParameters, code: &str, now: Timestamp) -> Option<i64> {
    let step = step_at(now, parameters.time_interval_in_seconds);
    let codes = Codes::new(secret, parameters.hash_function, parameters.digits);
    codes.find(code, step.saturating_sub(SKEW_STEPS)..=step.saturating_add(SKEW_STEPS))
}

/// The address that authenticator apps read from a QR code (Google's Key URI format). It carries the secret.
pub fn otpauth_uri(
    secret: &SecretSlice<u8>,
    parameters: TotpParameters,
    issuer: &str,
    account: &str,
) -> Result<Zeroizing<String>> {
    // The format splits issuer and account at a colon.
    let plain = |text: &str| text.replace(':', " ");
    let totp = builder(secret, parameters.hash_function, parameters.digits)
        .with_step_duration(parameters.time_interval_in_seconds.into())
        .with_issuer(Some(plain(issuer)))
        .with_account_name(plain(account))
        .build();
    totp.and_then(|totp| totp.to_url()).map(Zeroizing::new).map_err(Error::internal)
}

/// A secret as authenticator apps take it: Base32 in capitals without padding.
pub fn format_secret(secret: &SecretSlice<u8>) -> Zeroizing<String> {
    Zeroizing::new(BASE32_NOPAD.encode(secret.expose_secret()))
}

/// Reads a token's secret: Base32 (RFC 4648 section 6) in either case, padded or not, at most 128 characters and at
/// least 10 bytes. Bits that fill up the last character are ignored, as all authenticators do: vendors draw
/// characters, not bytes. The error is a sentence that says what is wrong and repeats nothing of the secret.
pub fn parse_secret(text: &str) -> std::result::Result<SecretSlice<u8>, &'static str> {
    if text.len() > MAX_SECRET_CHARACTERS {
        return Err("A secret key has at most 128 characters.");
    }
    let symbols = text.trim_end_matches('=');
    let padding = text.len() - symbols.len();
    if !symbols.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'2'..=b'7')) {
        return Err("A secret key is Base32: the letters A to Z and the digits 2 to 7.");
    }
    // Whole bytes end after 2, 4, 5, 7 or 8 characters of a group of 8.
    if matches!(symbols.len() % 8, 1 | 3 | 6) || (padding > 0 && (padding > 6 || !text.len().is_multiple_of(8))) {
        return Err("The secret key is cut off: Base32 has no text of this length.");
    }
    let symbols = Zeroizing::new(symbols.to_ascii_uppercase());
    let secret = Secret::try_from_base32(symbols.as_str()).map_err(|_| "The secret key is not Base32.")?;
    if secret.as_bytes().len() < MIN_SECRET_BYTES {
        return Err("The secret key is too short: it has at least 80 bits (16 characters).");
    }
    Ok(secret.as_bytes().to_vec().into())
}

/// Refuses what cannot be a code at all, before it counts as a wrong one.
pub fn check_code(code: &str, digits: u8) -> Result<()> {
    check_code_of("verificationCode", code, digits)
}

/// The same for a code in another property.
pub fn check_code_of(target: &str, code: &str, digits: u8) -> Result<()> {
    if code.len() == usize::from(digits) && code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(Error::invalid(target, format!("This verification code has {digits} digits.")))
}

/// Refuses when the user has as many OATH tokens and authenticator apps as one user may have.
pub fn check_room(tx: &mut Tx<'_>, user: &User) -> Result<()> {
    let counts =
        |kind| matches!(kind, MethodKind::SoftwareOath | MethodKind::HardwareOath | MethodKind::MicrosoftAuthenticator);
    let held = super::of_user(tx, user)?.iter().filter(|method| counts(method.kind())).count();
    if held < MAX_PER_USER {
        return Ok(());
    }
    let message = format!(
        "A user has at most {MAX_PER_USER} OATH tokens and authenticator apps in total; remove one of them first."
    );
    Err(Error::Invalid { area: crate::error::Area::Methods, target: None, message })
}

/// What a code is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// It was right, and is used up now.
    Taken,
    /// It was right once.
    Spent,
    Wrong,
}

/// What became of a code that somebody typed. A refusal is a value and no error, because it must be kept: it is
/// counted and audited in the same transaction, which an error would undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub enum CodeOutcome {
    Accepted,
    Refused { message: String },
}

impl CodeOutcome {
    /// For the caller: a refused code is a bad request.
    pub fn into_result(self) -> Result<()> {
        match self {
            Self::Accepted => Ok(()),
            Self::Refused { message } => Err(Error::invalid("verificationCode", message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(bytes: &[u8]) -> SecretSlice<u8> {
        bytes.to_vec().into()
    }

    /// RFC 6238 appendix B (with erratum 2866: the seed is repeated to the length of the hash).
    #[test]
    fn rfc_6238_appendix_b() {
        const SEED: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";
        const VECTORS: [(i64, [&str; 3]); 6] = [
            (59, ["94287082", "46119246", "90693936"]),
            (1_111_111_109, ["07081804", "68084774", "25091201"]),
            (1_111_111_111, ["14050471", "67062674", "99943326"]),
            (1_234_567_890, ["89005924", "91819424", "93441116"]),
            (2_000_000_000, ["69279037", "90698825", "38618901"]),
            (20_000_000_000, ["65353130", "77737706", "47863826"]),
        ];
        let hashes = [(HashFunction::Sha1, 20), (HashFunction::Sha256, 32), (HashFunction::Sha512, 64)];
        for (seconds, codes) in VECTORS {
            for ((hash_function, length), code) in hashes.iter().zip(codes) {
                let parameters =
                    TotpParameters { hash_function: *hash_function, digits: 8, time_interval_in_seconds: 30 };
                let secret = secret(&SEED[..*length]);
                let at = |offset| matching_step(&secret, parameters, code, Timestamp::from_seconds(seconds + offset));
                let step = seconds / 30;
                assert_eq!([at(0), at(30), at(-30)], [Some(step); 3], "{hash_function} {seconds}");
                assert_eq!([at(60), at(-60), at(90)], [None; 3], "{hash_function} {seconds}");
            }
        }
    }

    /// RFC 4226 appendix D: counter n is the step of the seconds 30 n.
    #[test]
    fn rfc_4226_appendix_d() {
        const CODES: [&str; 10] =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        let parameters = TotpParameters { hash_function: HashFunction::Sha1, digits: 6, time_interval_in_seconds: 30 };
        let secret = secret(b"12345678901234567890");
        for (step, code) in (0..).zip(CODES) {
            assert_eq!(matching_step(&secret, parameters, code, Timestamp::from_seconds(step * 30)), Some(step));
        }
        for wrong in ["755225", "75522", "7552240", "+55224", "７55224", ""] {
            assert_eq!(matching_step(&secret, parameters, wrong, Timestamp::from_seconds(0)), None, "{wrong}");
        }
        assert_eq!(matching_step(&secret, parameters, "755224", Timestamp::from_seconds(-90)), None);

        let codes = Codes::new(&secret, HashFunction::Sha1, 6);
        for (counter, pair) in (0..).zip(CODES.windows(2)) {
            assert_eq!(codes.find(pair[0], -5..=1000), Some(counter));
            assert_eq!(codes.find_pair(pair[0], pair[1], -5..=1000), Some(counter));
            assert_eq!(codes.find_pair(pair[1], pair[0], -5..=1000), None);
            assert_eq!(codes.find(pair[0], counter + 1..=1000), None);
        }
        assert_eq!(codes.find("755224", i64::MIN..=i64::MIN + 10), None);
        assert_eq!(codes.find_pair("755224", "287082", i64::MAX - 3..=i64::MAX), None);
    }

    #[test]
    fn sixty_second_tokens_have_sixty_second_steps() {
        let parameters = TotpParameters { hash_function: HashFunction::Sha1, digits: 6, time_interval_in_seconds: 60 };
        let secret = secret(b"12345678901234567890");
        for seconds in [0, 59, 119] {
            assert_eq!(matching_step(&secret, parameters, "755224", Timestamp::from_seconds(seconds)), Some(0));
        }
        assert_eq!(matching_step(&secret, parameters, "755224", Timestamp::from_seconds(120)), None);
    }

    #[test]
    fn secrets_as_vendors_write_them() {
        let bytes = |text| parse_secret(text).map(|secret| secret.expose_secret().to_vec());
        // RFC 6238's seed, in capitals, in small letters, and padded (RFC 4648: 20 bytes need no padding, 11 do).
        assert_eq!(bytes("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap(), b"12345678901234567890");
        assert_eq!(bytes("gezdgnbvgy3tqojqgezdgnbvgy3tqojq").unwrap(), b"12345678901234567890");
        assert_eq!(bytes("GEZDGNBVGY3TQOJQGE======").unwrap(), b"12345678901");
        assert_eq!(bytes("GEZDGNBVGY3TQOJQGE").unwrap(), b"12345678901");
        // Microsoft's own example has stray bits at its end.
        assert_eq!(bytes("2234567abcdef2234567abcdef").unwrap().len(), 16);
        for wrong in [
            "",
            "GEZDGNBVGY3TQOJ",          // 9 bytes
            "GEZDGNBVGY3TQOJQG",        // no whole byte ends here
            "GEZDGNBVGY3TQOJQGE=",      // half padded
            "GEZDGNBVGY3TQOJQ========", // padding of a group that is not there
            "GEZDGNBVGY3TQ0JQ",         // zero
            "GEZDGNBVGY3TQ1JQ",         // one
            "GEZD GNBV GY3T QOJQ",      // blanks
            "GEZDGNBV=GY3TQOJQ",
            "ＧEZDGNBVGY3TQOJQ",
        ] {
            assert!(parse_secret(wrong).is_err(), "{wrong}");
        }
        assert!(parse_secret(&"A".repeat(128)).is_ok());
        assert!(parse_secret(&"A".repeat(136)).is_err());
    }

    #[test]
    fn the_uri_says_everything_an_app_needs() {
        let parameters =
            TotpParameters { hash_function: HashFunction::Sha256, digits: 8, time_interval_in_seconds: 60 };
        let uri = otpauth_uri(&secret(&[7; 20]), parameters, "Contoso: Nord & Süd", "adele@contoso.example").unwrap();
        assert!(uri.starts_with("otpauth://totp/Contoso%20%20Nord%20"), "{}", *uri);
        for part in [
            "adele%40contoso.example",
            "secret=A4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYH",
            "algorithm=SHA256",
            "digits=8",
            "period=60",
        ] {
            assert!(uri.contains(part), "{part} in {}", *uri);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,140}") {
            let _ = parse_secret(&text);
        }

        #[test]
        fn secrets_survive_the_round_trip(bytes in prop::collection::vec(any::<u8>(), 10..=80), lower: bool, padded: bool) {
            let mut text = if padded { data_encoding::BASE32.encode(&bytes) } else { BASE32_NOPAD.encode(&bytes) };
            if lower {
                text.make_ascii_lowercase();
            }
            let read = parse_secret(&text).unwrap();
            prop_assert_eq!(read.expose_secret(), bytes.as_slice());
            prop_assert_eq!(format_secret(&read).to_string(), BASE32_NOPAD.encode(&bytes));
        }

        #[test]
        fn refusals_repeat_nothing(text in "[a-z0-9=]{8,40}") {
            if let Err(message) = parse_secret(&text) {
                prop_assert!(!message.contains(&text));
            }
        }
    }
}
