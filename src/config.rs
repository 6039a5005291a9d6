//! Settings, parsed once and refused when doubtful.

use std::{num::NonZeroU32, path::PathBuf, str::FromStr};

/// `sqlite:rekey.db`, `sqlite:/absolute/path` or `postgres://user:password@host/database`. Anything else is refused
/// instead of guessed: SQLite would happily create a file named like a misspelt URL.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(String),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with(':') || path.contains(['?', '#']) {
                return Err(
                    "a SQLite database is named sqlite:FILE; options and in-memory databases are not supported".into(),
                );
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        Err("a database is named sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE".into())
    }
}

impl DatabaseUrl {
    /// Where the demo writes the messages that it does not send.
    pub fn default_outbox_file(&self) -> PathBuf {
        match self {
            Self::Sqlite(path) => path.with_extension("outbox.jsonl"),
            Self::Postgres(_) => PathBuf::from("rekey.outbox.jsonl"),
        }
    }

    /// Where the sealing key lives unless told otherwise: beside the SQLite file, or in the working directory.
    pub fn default_key_file(&self) -> PathBuf {
        match self {
            Self::Sqlite(path) => path.with_extension("key"),
            Self::Postgres(_) => PathBuf::from("rekey.key"),
        }
    }
}

/// Never shows the password in a PostgreSQL URL.
impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => write!(f, "postgres://…@{}", url.rsplit('@').next().unwrap_or_default()),
        }
    }
}

/// How much callers may ask for before they are told to wait (429). Each number is the size of a token bucket that fills
/// up again evenly over its time: whoever was silent may ask for all of it at once. The defaults are Microsoft Graph's
/// for identity, except for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Resource units of one application or user in one tenant in ten seconds.
    pub units_per_10s: NonZeroU32,
    /// Writes of one application or user in one tenant in 150 seconds.
    pub writes_per_150s: NonZeroU32,
    /// Writes of everybody in one tenant in five minutes.
    pub tenant_writes_per_5min: NonZeroU32,
    /// Requests for reports and logs of one application or user in one tenant in ten seconds. Graph allows five, which is
    /// less than a page needs that follows a log.
    pub reports_per_10s: NonZeroU32,
}

impl RateLimits {
    pub const UNITS_PER_10S: NonZeroU32 = NonZeroU32::new(3500).unwrap();
    pub const WRITES_PER_150S: NonZeroU32 = NonZeroU32::new(3000).unwrap();
    pub const TENANT_WRITES_PER_5MIN: NonZeroU32 = NonZeroU32::new(18_000).unwrap();
    pub const REPORTS_PER_10S: NonZeroU32 = NonZeroU32::new(100).unwrap();
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            units_per_10s: Self::UNITS_PER_10S,
            writes_per_150s: Self::WRITES_PER_150S,
            tenant_writes_per_5min: Self::TENANT_WRITES_PER_5MIN,
            reports_per_10s: Self::REPORTS_PER_10S,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_urls() {
        assert_eq!("sqlite:rekey.db".parse(), Ok(DatabaseUrl::Sqlite("rekey.db".into())));
        assert_eq!("sqlite:/var/lib/rekey.db".parse(), Ok(DatabaseUrl::Sqlite("/var/lib/rekey.db".into())));
        for wrong in ["", "rekey.db", "mysql://x", "sqlite:", "sqlite::memory:", "postgress://x"] {
            assert!(wrong.parse::<DatabaseUrl>().is_err(), "{wrong}");
        }
        let url: DatabaseUrl = "postgres://rekey:hunter2@db/rekey".parse().unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
