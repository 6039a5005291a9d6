//! What a QR code says, and how long it may be shown.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use uuid::Uuid;

use super::QrCode;
use crate::{
    clock::{Entropy, Timestamp},
    error::{Error, Result},
    id::{TenantId, UserId},
    words,
};

/// Bytes of a GUID.
const ID: usize = 16;
/// Random bytes of a code: too many to guess, so that a fast digest keeps them.
const TOKEN: usize = 32;
/// The longest that a standard code is good for, in days; Graph's number.
pub const MAX_STANDARD_DAYS: i64 = 395;
/// What a temporary code may be good for, in hours; Graph's numbers.
const TEMPORARY_HOURS: std::ops::RangeInclusive<i64> = 1..=12;
/// How far ahead a code may begin, in days.
const MAX_DAYS_AHEAD: i64 = 30;
const MICROS_PER_HOUR: i64 = 3_600_000_000;

words! {
    /// Which of a user's codes, by the name of its property.
    pub enum CodeKind {
        Standard = "standardQRCode",
        /// For a day without the badge.
        Temporary = "temporaryQRCode",
    }
}

/// What a code says: whose it is, and what makes it his. Opaque to whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub tenant: TenantId,
    pub user: UserId,
    /// SHA-256 of the token, base64url.
    pub digest: String,
}

impl Content {
    /// Makes the content of a new code, and what is kept of it.
    pub fn generate(entropy: &Entropy, tenant: &TenantId, user: &UserId) -> Result<(String, String)> {
        Self::of(tenant, user, &entropy.bytes::<TOKEN>())
    }

    /// The content with this token, and what is kept of it.
    pub fn of(tenant: &TenantId, user: &UserId, token: &[u8; TOKEN]) -> Result<(String, String)> {
        let mut bytes = Vec::with_capacity(2 * ID + TOKEN);
        for id in [tenant.as_str(), user.as_str()] {
            bytes.extend_from_slice(Uuid::try_parse(id).map_err(Error::internal)?.as_bytes());
        }
        bytes.extend_from_slice(token);
        Ok((STANDARD.encode(bytes), kept(token)))
    }

    /// Reads a code; `None` when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok().filter(|bytes| bytes.len() == 2 * ID + TOKEN)?;
        let (tenant, rest) = bytes.split_at(ID);
        let (user, token) = rest.split_at(ID);
        let id = |bytes: &[u8]| Uuid::from_slice(bytes).ok().map(|id| id.to_string());
        Some(Self { tenant: TenantId::new(id(tenant)?), user: UserId::new(id(user)?), digest: kept(token) })
    }
}

fn kept(token: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token))
}

/// From when until when a code may be shown, as somebody asks for it.
#[derive(Debug, Clone, Default)]
pub struct Span {
    pub start: Option<Timestamp>,
    pub expire: Option<Timestamp>,
}

impl Span {
    /// A new code of this kind. `days` is how long a standard one is good for unless the span says.
    pub fn code(&self, kind: CodeKind, id: String, now: Timestamp, days: i64) -> Result<QrCode> {
        let start = self.start.unwrap_or(now);
        if start < now.plus_minutes(-5) || start > now.plus_minutes(MAX_DAYS_AHEAD * 24 * 60) {
            let message = format!("A code begins now or within the next {MAX_DAYS_AHEAD} days.");
            return Err(Error::invalid(format!("{kind}/startDateTime"), message));
        }
        let hours = match kind {
            CodeKind::Standard => days * 24,
            CodeKind::Temporary => *TEMPORARY_HOURS.end(),
        };
        let expire = self.expire.unwrap_or_else(|| start.plus_minutes(hours * 60));
        check(kind, start, expire, now)?;
        Ok(QrCode {
            id,
            start_date_time: start,
            expire_date_time: expire,
            created_date_time: now,
            last_used_date_time: None,
        })
    }
}

/// Refuses a life that Graph would not allow either.
pub fn check(kind: CodeKind, start: Timestamp, expire: Timestamp, now: Timestamp) -> Result<()> {
    let micros = expire.micros().saturating_sub(start.micros());
    let (is_right, limits) = match kind {
        CodeKind::Standard => (
            micros > 0 && micros <= MAX_STANDARD_DAYS * 24 * MICROS_PER_HOUR,
            format!("at most {MAX_STANDARD_DAYS} days"),
        ),
        CodeKind::Temporary => (
            (TEMPORARY_HOURS.start() * MICROS_PER_HOUR..=TEMPORARY_HOURS.end() * MICROS_PER_HOUR).contains(&micros),
            format!("{} to {} hours", TEMPORARY_HOURS.start(), TEMPORARY_HOURS.end()),
        ),
    };
    if is_right && expire > now {
        return Ok(());
    }
    let message = format!("This code is good for {limits} from its start, and ends in the future.");
    Err(Error::invalid(format!("{kind}/expireDateTime"), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_names_its_user() {
        let (tenant, user) = (
            TenantId::new("0b1fd1b5-51a7-4c4f-a7cf-6a4a2f0b3d11"),
            UserId::new("6a59ea83-02bd-468f-a40b-f2c3d1821983"),
        );
        let (content, kept) = Content::generate(&Entropy::seeded(1), &tenant, &user).unwrap();
        assert_eq!(content.len(), 88);
        assert_eq!(Content::parse(&content), Some(Content { tenant: tenant.clone(), user, digest: kept.clone() }));
        assert!(!content.contains(&kept));
        for wrong in ["", "x", &content[1..], &format!("{content}A"), &format!("{content}=")] {
            assert_eq!(Content::parse(wrong), None, "{wrong}");
        }
        assert!(Content::generate(&Entropy::seeded(1), &tenant, &UserId::new("adele")).is_err());
    }

    #[test]
    fn codes_live_as_long_as_graphs() {
        let now = Timestamp::from_seconds(1_000_000);
        let hours = |kind, start: i64, hours: i64| {
            let start = now.plus_minutes(start * 60);
            let span = Span { start: Some(start), expire: Some(start.plus_minutes(hours * 60)) };
            span.code(kind, "id".into(), now, 365).is_ok()
        };
        assert!(hours(CodeKind::Temporary, 0, 1) && hours(CodeKind::Temporary, 0, 12));
        assert!(!hours(CodeKind::Temporary, 0, 0) && !hours(CodeKind::Temporary, 0, 13));
        assert!(hours(CodeKind::Standard, 0, 395 * 24) && !hours(CodeKind::Standard, 0, 395 * 24 + 1));
        assert!(!hours(CodeKind::Standard, 0, -1) && !hours(CodeKind::Standard, -1, 24));
        assert!(hours(CodeKind::Standard, 30 * 24, 24) && !hours(CodeKind::Standard, 30 * 24 + 1, 24));
        let usual = Span::default().code(CodeKind::Standard, "id".into(), now, 365).unwrap();
        assert_eq!(usual.expire_date_time, now.plus_minutes(365 * 24 * 60));
    }
}
