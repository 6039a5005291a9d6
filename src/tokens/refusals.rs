//! Why the token endpoint issues no token.

/// Why there is no token, in Entra's words. None of them repeats what the caller sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("The request body must contain the following parameter: '{0}'.")]
    Missing(&'static str),
    #[error("The request is not properly formatted: a parameter is included more than once.")]
    Duplicated,
    #[error("The endpoint only accepts the HTTP methods that the Allow header names.")]
    WrongMethod,
    #[error(
        "The app requested an unsupported grant type; supported are 'client_credentials' and 'urn:ietf:params:oauth:grant-type:token-exchange'."
    )]
    UnsupportedGrant,
    #[error(
        "The provided value for the parameter 'scope' is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
    )]
    InvalidScope,
    #[error("The tenant was not found. Check its id or domain name.")]
    UnknownTenant,
    #[error(
        "The tenant must be named here by its id or default domain; 'common' is served by the token endpoint only."
    )]
    TenantNotNamed,
    #[error("The application was not found in the directory. Check the client_id and the tenant of the address.")]
    UnknownApplication,
    #[error(
        "The client application is missing in this tenant: it needs an active delegated admin relationship between its own tenant and this one, and an access assignment in it."
    )]
    NotAssigned,
    #[error(
        "The user is not known in this tenant: he needs an active delegated admin relationship between his own tenant and this one, and an access assignment in it."
    )]
    UserNotAssigned,
    #[error(
        "The subject_token is not valid here: it must be a living access token of a user, with the user's roles, from the user's own tenant, which is another one than this."
    )]
    InvalidSubject,
    #[error("The application is disabled.")]
    Disabled,
    #[error(
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to the application."
    )]
    WrongSecret,
    #[error("The provided client secret keys for the application are expired. Create a new secret.")]
    ExpiredSecret,
    #[error("The client assertion is not a JWT that can be read: three parts, JSON, and no critical header.")]
    MalformedAssertion,
    #[error("The client assertion has no usable 'jti': give every assertion a fresh one of at most 512 bytes.")]
    AssertionWithoutId,
    #[error("Client assertion contains an invalid signature. [Reason - The key was not found, or did not sign it.]")]
    AssertionUnsigned,
    #[error("Client assertion contains an invalid signature. [Reason - The key used is expired, or not valid yet.]")]
    KeyExpired,
    #[error(
        "Client assertion application identifier doesn't match 'client_id' parameter; both 'iss' and 'sub' are the client id."
    )]
    AssertionOfAnother,
    #[error(
        "Client assertion audience claim does not match Realm issuer; it is the address of this token endpoint, and nothing else."
    )]
    AssertionAudience,
    #[error("Client assertion is not within its valid time range; it has to expire within the next 24 hours.")]
    AssertionTimes,
    #[error("The client assertion was used before. Make a new one, with another 'jti', for every request.")]
    AssertionReplayed,
    #[error(
        "No matching federated identity record found for presented assertion: issuer, subject and audience must all be those of one of the application's federated credentials."
    )]
    NotFederated,
    #[error(
        "The request to the external OIDC endpoint failed: the keys of the assertion's issuer cannot be read at the moment. Try again later."
    )]
    IssuerAway,
    #[error("The service failed. Try again later, and quote the trace id if it keeps failing.")]
    Fault,
    #[error("The service is temporarily unavailable. Wait for the seconds in Retry-After and try again.")]
    Unavailable,
}

impl Refusal {
    /// The number behind `AADSTS` ("Microsoft Entra authentication and authorization error codes").
    pub fn number(self) -> u32 {
        match self {
            Self::Malformed(_) => 9_002_313,
            Self::Missing(_) => 900_144,
            Self::Duplicated => 9_000_411,
            Self::WrongMethod => 900_561,
            Self::UnsupportedGrant => 70_003,
            Self::InvalidScope => 1_002_012,
            Self::UnknownTenant => 90_002,
            Self::TenantNotNamed => 50_194,
            Self::UnknownApplication => 700_016,
            Self::NotAssigned => 7_000_229,
            Self::UserNotAssigned => 50_020,
            Self::InvalidSubject => 50_013,
            Self::Disabled => 7_000_112,
            Self::WrongSecret => 7_000_215,
            Self::ExpiredSecret => 7_000_222,
            Self::MalformedAssertion | Self::AssertionWithoutId => 50_027,
            Self::AssertionUnsigned | Self::KeyExpired => 700_027,
            Self::AssertionOfAnother => 700_021,
            Self::AssertionAudience => 700_023,
            Self::AssertionTimes => 700_024,
            Self::AssertionReplayed => 50_013,
            Self::NotFederated => 70_021,
            Self::IssuerAway => 50_166,
            Self::Fault => 90_013,
            Self::Unavailable => 90_033,
        }
    }
}
