//! An independent TOTP: RFC 6238 and RFC 4226 section 5.3, written from the text over another HMAC than the server's.
//! Where Debian's `oathtool` is installed, it must agree.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::process::Command;

use aws_lc_rs::hmac;

/// A token in somebody's hand.
pub struct Token {
    pub secret: Vec<u8>,
    pub hash: &'static str,
    pub digits: u32,
    pub interval: u64,
}

impl Token {
    pub fn new(base32: &str, hash: &'static str, digits: u32, interval: u64) -> Self {
        Self { secret: decode(base32), hash, digits, interval }
    }

    /// A hardware token as most are: SHA-1, 6 digits, 30 seconds.
    pub fn hardware(base32: &str) -> Self {
        Self::new(base32, "hmacsha1", 6, 30)
    }

    pub fn code_at(&self, seconds: u64) -> String {
        let algorithm = match self.hash {
            "hmacsha256" => hmac::HMAC_SHA256,
            "hmacsha512" => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        };
        let counter = (seconds / self.interval).to_be_bytes();
        let tag = hmac::sign(&hmac::Key::new(algorithm, &self.secret), &counter);
        let tag = tag.as_ref();
        let offset = usize::from(tag[tag.len() - 1] & 0x0f);
        let number = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:0width$}", number % 10_u32.pow(self.digits), width = self.digits as usize)
    }

    /// The code of this moment.
    pub fn code(&self) -> String {
        let (now, code) = (now(), self.code_at(now()));
        if let Some(theirs) = self.oathtool(now) {
            assert_eq!(self.code_at(now), theirs, "oathtool disagrees");
        }
        code
    }

    /// The code after that.
    pub fn next_code(&self) -> String {
        self.code_at(now() + self.interval)
    }

    /// A code that is wrong now and in the next minutes.
    pub fn wrong_code(&self) -> String {
        let right: Vec<_> =
            (0..12).map(|step| self.code_at(now() - 4 * self.interval + step * self.interval)).collect();
        let width = self.digits as usize;
        (0..).map(|number| format!("{number:0width$}")).find(|code| !right.contains(code)).unwrap()
    }

    fn oathtool(&self, seconds: u64) -> Option<String> {
        let hex: String = self.secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let output = Command::new("oathtool")
            .arg(format!("--totp={}", self.hash.trim_start_matches("hmac")))
            .args(["-d", &self.digits.to_string(), "-s", &self.interval.to_string()])
            .args(["--now", &format!("@{seconds}"), &hex])
            .output()
            .ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }
}

fn now() -> u64 {
    rekey::clock::Clock::System.now().seconds().try_into().unwrap()
}

/// RFC 4648 section 6, as a number in base 32.
fn decode(base32: &str) -> Vec<u8> {
    let digit = |char: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(char.to_ascii_uppercase()).unwrap() as u8;
    let bits: Vec<u8> = base32
        .chars()
        .filter(|char| *char != '=')
        .flat_map(|char| (0..5).rev().map(move |bit| digit(char) >> bit & 1))
        .collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

#[test]
fn rfc_6238_appendix_b() {
    let seed = |length| b"1234567890".iter().copied().cycle().take(length).collect::<Vec<u8>>();
    for (hash, length, code) in
        [("hmacsha1", 20, "94287082"), ("hmacsha256", 32, "46119246"), ("hmacsha512", 64, "90693936")]
    {
        let token = Token { secret: seed(length), hash, digits: 8, interval: 30 };
        assert_eq!(token.code_at(59), code);
    }
    assert_eq!(decode("gezdgnbvGY3TQOJQ"), b"1234567890");
}
