//! Typed ids. All are opaque text to clients; ours are lower-case GUIDs, except method ids that Graph fixes.
//!
//! The derives let them be columns; nothing else here knows SQL.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
                 diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)]
        #[diesel(sql_type = diesel::sql_types::Text)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Trusts `text`: for ids of our own making or out of the database.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Reads a GUID in any case; `None` for anything else.
            pub fn parse(text: &str) -> Option<Self> {
                (text.len() == 36).then(|| uuid::Uuid::try_parse(text).ok()).flatten().map(|id| Self(id.to_string()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                Self::parse(text).ok_or(())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// One customer organization.
    TenantId,
    /// One user of one tenant.
    UserId,
    /// One authentication method of one user. Fixed ids (password, phones, email) are the same for every user.
    MethodId,
    /// One hardware OATH token of a tenant's inventory; once assigned, also its method id.
    DeviceId,
    /// One application (OAuth 2.0 client id).
    ApplicationId,
    /// One audit event.
    AuditEventId,
    /// One attempt of a user to sign in.
    SessionId,
    /// One row of the sign-in log.
    SignInId,
    /// One question that waits for its answer.
    ChallengeId,
    /// One thing that was begun for a user and may take its time.
    OperationId,
    /// One delegated administration of a customer by a partner.
    RelationshipId,
    /// One step that was asked for in the life of a relationship.
    RelationshipRequestId,
    /// What one application or user of a partner may use of a relationship.
    AccessAssignmentId,
    /// One reset of many users.
    MfaResetId,
    /// One outside issuer of access tokens that a tenant trusts.
    TrustedIssuerId,
}

impl From<DeviceId> for MethodId {
    fn from(id: DeviceId) -> Self {
        Self(id.0)
    }
}

/// An id that is the same on every machine and in every run, for seeded data.
pub fn stable_guid(name: &str) -> String {
    /// A random namespace of our own (RFC 9562 section 6.6).
    const NAMESPACE: uuid::Uuid = uuid::uuid!("6f1d7a52-6a0b-4a40-9a36-0f6f0b1c7c11");
    uuid::Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}
