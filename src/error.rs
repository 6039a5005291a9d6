//! What can go wrong in the domain. Knows no HTTP: `api/problem.rs` turns it into Graph's error body.
//!
//! Every variant keeps what a caller may read apart from what only the operator may see (`Internal` and
//! `Unavailable` carry context that is logged, never answered).

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Characters of an unknown id that a refusal repeats.
const MAX_ID_REPEATED: usize = 256;

/// Which of Graph's services an error belongs to; they spell the same failure with different codes
/// (contract of Graph's error responses: `Request_BadRequest` against `badRequest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Users, roles, applications.
    Directory,
    /// Authentication methods, the device inventory, policies and logs.
    Methods,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The request cannot be understood or breaks a rule; nothing was changed. `target` names the property.
    #[error("invalid {target:?}: {message}")]
    Invalid { area: Area, target: Option<String>, message: String },

    /// No token, or one that is forged, expired or withdrawn.
    #[error("unauthenticated: {message}")]
    Unauthenticated { message: String },

    /// The caller is known and may not do this. `missing` names the permission or role that would be needed.
    #[error("denied: {message}")]
    Denied { area: Area, inner: &'static str, message: String },

    /// The object is not there, or is another tenant's (existence is secret).
    #[error("not found: {what}")]
    NotFound { area: Area, what: String },

    /// The object is in a state that forbids this. `code` is one of Graph's (`conflict`, `phoneNumberNotUnique`, ...).
    #[error("conflict ({code}): {message}")]
    Conflict { code: &'static str, message: String },

    /// The change needs an If-Match with the object's present etag, and there was none.
    #[error("precondition required")]
    PreconditionRequired,

    /// The object has changed since the etag in If-Match was read.
    #[error("precondition failed")]
    PreconditionFailed,

    /// What a delta token stands for is forgotten; the whole list is to be read again, from `location` on.
    #[error("resync required")]
    ResyncRequired { location: String },

    /// Well-formed, but cannot be carried out as asked (an idempotency key used for another request).
    #[error("unprocessable: {message}")]
    Unprocessable { message: String },

    /// Too many failures in a row. `retry_after` in seconds; `None` when only an administrator can lift it.
    #[error("too many attempts: {message}")]
    TooManyAttempts { message: String, retry_after: Option<i64> },

    /// The body is larger than this resource takes, in bytes.
    #[error("larger than {limit} bytes")]
    TooLarge { limit: usize },

    /// The body's Content-Encoding is none that is read here.
    #[error("content encoding {encoding}")]
    UnsupportedEncoding { encoding: String },

    /// The database is away, locked or full; nothing was changed and the caller may try again.
    #[error("unavailable: {context}")]
    Unavailable { context: String },

    /// The keys of a trusted outside issuer cannot be read now, so its tokens cannot be checked; the caller may try
    /// again.
    #[error("the issuer of a token is away")]
    IssuerAway,

    /// Two transactions met (deadlock); the store tries again, callers never see it.
    #[error("contended")]
    Contended,

    /// A fault of ours.
    #[error("internal: {context}")]
    Internal { context: String },
}

impl Error {
    pub fn invalid(target: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { area: Area::Methods, target: Some(target.into()), message: message.into() }
    }

    pub fn invalid_user(target: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { area: Area::Directory, target: Some(target.into()), message: message.into() }
    }

    /// The same refusal with the code of Graph's directory service.
    pub fn in_directory(self) -> Self {
        match self {
            Self::Invalid { target, message, .. } => Self::Invalid { area: Area::Directory, target, message },
            other => other,
        }
    }

    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::Unauthenticated { message: message.into() }
    }

    pub fn user_not_found(user: impl fmt::Display) -> Self {
        Self::not_found(Area::Directory, user)
    }

    pub fn method_not_found(id: impl fmt::Display) -> Self {
        Self::not_found(Area::Methods, id)
    }

    /// `id` is what the caller asked for; only its beginning is repeated, as it may be of any length.
    fn not_found(area: Area, id: impl fmt::Display) -> Self {
        Self::NotFound { area, what: id.to_string().chars().take(MAX_ID_REPEATED).collect() }
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict { code: "conflict", message: message.into() }
    }

    pub fn internal(context: impl fmt::Display) -> Self {
        Self::Internal { context: context.to_string() }
    }

    pub fn unavailable(context: impl fmt::Display) -> Self {
        Self::Unavailable { context: context.to_string() }
    }

    /// What went wrong, in words for whoever sits at the command line (who may see the context of a fault).
    pub fn message(&self) -> String {
        match self {
            Self::Invalid { message, .. }
            | Self::Unauthenticated { message }
            | Self::Denied { message, .. }
            | Self::Conflict { message, .. }
            | Self::TooManyAttempts { message, .. }
            | Self::Unprocessable { message } => message.clone(),
            Self::NotFound { what, .. } => format!("'{what}' does not exist."),
            Self::PreconditionRequired
            | Self::PreconditionFailed
            | Self::ResyncRequired { .. }
            | Self::TooLarge { .. }
            | Self::UnsupportedEncoding { .. }
            | Self::Unavailable { .. }
            | Self::IssuerAway
            | Self::Contended
            | Self::Internal { .. } => self.to_string(),
        }
    }

    /// True for faults of the database or of ours, after which a transaction cannot be trusted any more.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Contended | Self::Internal { .. })
    }
}
