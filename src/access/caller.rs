//! Who makes a request, as the token says, before anybody has asked whether that still holds.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id::{ApplicationId, SessionId, TenantId, TrustedIssuerId, UserId},
};

/// Where a request comes from; goes into the audit log.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Graph's `request-id`: of our making, unique per request.
    pub request_id: String,
    /// Graph's `client-request-id`: the caller's, or our own again.
    pub client_request_id: String,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
}

/// Who makes a request, as the token (or the command line) says. Nothing is allowed yet.
#[derive(Debug, Clone)]
pub struct Caller {
    pub tenant: TenantId,
    pub who: Who,
    pub origin: Origin,
    /// From the `Idempotency-Key` header of a POST.
    pub once: Option<crate::idempotency::Once>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Who {
    Application {
        id: ApplicationId,
        /// The secret, key or federated credential that got the token: without it the token is void.
        secret_id: String,
        /// The permissions at the time of the token; what was taken away since is gone.
        permissions: Vec<String>,
        /// The outside issuer of the token, if it is not ours.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        trusted_issuer: Option<TrustedIssuerId>,
    },
    User {
        id: UserId,
        token_issued_at: Timestamp,
        scope: Scope,
        /// The outside issuer of the token, if it is not ours.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        trusted_issuer: Option<TrustedIssuerId>,
    },
    /// Somebody with the server's own command line, database and key.
    Operator,
    /// An application or user of a partner who acts in a customer's tenant, which is the caller's.
    Partner { home: TenantId, who: Box<Who> },
}

/// What a user's token is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// The user's directory roles.
    Roles,
    /// A completed sign-in: the user's own methods.
    Own {
        /// Whether it was completed with multifactor authentication.
        mfa: bool,
        /// The session it was completed in; none when somebody else vouches for the user.
        #[serde(default)]
        session: Option<SessionId>,
    },
    /// The registration token of a sign-in session: registering own methods, until registration is done.
    Registration { session: SessionId },
}

impl Caller {
    pub fn operator(tenant: TenantId, request_id: String) -> Self {
        let origin = Origin { client_request_id: request_id.clone(), request_id, ..Origin::default() };
        Self { tenant, who: Who::Operator, origin, once: None }
    }

    /// A stable name for whoever calls.
    pub fn id(&self) -> &str {
        self.who.id()
    }

    /// The same caller in another tenant, where only what a relationship gives counts.
    pub fn in_tenant(&self, tenant: &TenantId) -> Self {
        let who = match &self.who {
            who if *tenant == self.tenant => who.clone(),
            Who::Operator => Who::Operator,
            Who::Partner { .. } => self.who.clone(),
            who => Who::Partner { home: self.tenant.clone(), who: Box::new(who.clone()) },
        };
        Self { tenant: tenant.clone(), who, ..self.clone() }
    }

    /// The tenants whose audit logs tell of what the caller does.
    pub fn tenants(&self) -> Vec<TenantId> {
        match &self.who {
            Who::Partner { home, .. } => vec![self.tenant.clone(), home.clone()],
            Who::Application { .. } | Who::User { .. } | Who::Operator => vec![self.tenant.clone()],
        }
    }
}

impl Who {
    pub fn id(&self) -> &str {
        match self {
            Self::Application { id, .. } => id.as_str(),
            Self::User { id, .. } => id.as_str(),
            Self::Operator => "operator",
            Self::Partner { who, .. } => who.id(),
        }
    }
}
