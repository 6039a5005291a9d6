//! The token endpoint (RFC 6749), and the documents that tell clients where it is and how to verify what it issues
//! (OpenID Connect Discovery, RFC 7517).

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use secrecy::ExposeSecret;

use super::{
    Tag, examples,
    intake::{CallerNote, RequestInfo},
    oauth::{Asked, OauthProblem, TokenForm},
};
use crate::{
    app::App,
    error::Result,
    id::TenantId,
    store::keys::PublicKey,
    tokens::{
        client_credentials::{self, Refusal},
        exchange,
    },
};

pub struct TokensApi(pub App);

/// A token, and what it is good for.
#[derive(Object)]
#[oai(rename = "TokenResponse")]
struct TokenView {
    /// Always `Bearer`: send it as `Authorization: Bearer <access_token>`.
    token_type: String,
    /// Seconds until it expires.
    expires_in: i64,
    /// The same.
    ext_expires_in: i64,
    /// The token: a JWT, signed with ES256.
    access_token: String,
    /// After a token exchange: `urn:ietf:params:oauth:token-type:access_token`.
    #[oai(skip_serializing_if_is_none)]
    issued_token_type: Option<String>,
}

#[derive(ApiResponse)]
enum TokenAnswer {
    /// The access token.
    #[oai(status = 200)]
    Issued(
        Json<TokenView>,
        /// `no-store`
        #[oai(header = "Cache-Control")]
        String,
        /// `no-cache`
        #[oai(header = "Pragma")]
        String,
    ),
}

/// What clients need to know of this issuer (OpenID Connect Discovery section 3).
#[derive(Debug, Object)]
#[oai(rename = "OpenidConfiguration")]
struct ConfigurationView {
    /// What `iss` is in every token of this tenant.
    issuer: String,
    /// Required by the standard. Nobody signs in there: tokens come from the token endpoint.
    authorization_endpoint: String,
    token_endpoint: String,
    /// Where the keys are that verify tokens.
    jwks_uri: String,
    response_types_supported: Vec<String>,
    response_modes_supported: Vec<String>,
    grant_types_supported: Vec<String>,
    scopes_supported: Vec<String>,
    subject_types_supported: Vec<String>,
    id_token_signing_alg_values_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Vec<String>,
    /// What a client assertion may be signed with, as the key allows.
    token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    claims_supported: Vec<String>,
    request_uri_parameter_supported: bool,
}

impl ConfigurationView {
    fn new(app: &App, tenant: &TenantId) -> Self {
        let base = format!("{}/{tenant}", app.issuer.public_url);
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Self {
            issuer: app.issuer.of(tenant),
            authorization_endpoint: format!("{base}/oauth2/v2.0/authorize"),
            token_endpoint: format!("{base}/oauth2/v2.0/token"),
            jwks_uri: format!("{base}/discovery/v2.0/keys"),
            response_types_supported: list(&["none"]),
            response_modes_supported: list(&["query"]),
            grant_types_supported: list(&["client_credentials", exchange::GRANT_TYPE]),
            scopes_supported: list(&[".default"]),
            subject_types_supported: list(&["public"]),
            id_token_signing_alg_values_supported: list(&["ES256"]),
            token_endpoint_auth_methods_supported: list(&[
                "client_secret_post",
                "client_secret_basic",
                "private_key_jwt",
            ]),
            token_endpoint_auth_signing_alg_values_supported: list(&["RS256", "PS256", "ES256", "ES384", "EdDSA"]),
            claims_supported: list(&[
                "iss",
                "aud",
                "tid",
                "oid",
                "sub",
                "appid",
                "idtyp",
                "roles",
                "wids",
                "partner_tid",
                "iat",
                "nbf",
                "exp",
                "jti",
            ]),
            request_uri_parameter_supported: false,
        }
    }
}

/// A public key (RFC 7517, RFC 7518 section 6.2).
#[derive(Debug, Object)]
#[oai(rename = "JsonWebKey")]
struct KeyView {
    kty: String,
    #[oai(rename = "use")]
    usage: String,
    alg: String,
    /// The `kid` in the header of every token that this key signed.
    kid: String,
    crv: String,
    x: String,
    y: String,
}

impl KeyView {
    fn new(key: PublicKey) -> Result<Self> {
        let (x, y) = key.coordinates()?;
        Ok(Self {
            kty: "EC".into(),
            usage: "sig".into(),
            alg: "ES256".into(),
            kid: key.key_id,
            crv: "P-256".into(),
            x,
            y,
        })
    }
}

/// The public keys of a tenant.
#[derive(Debug, Object)]
#[oai(rename = "JsonWebKeySet")]
struct KeysView {
    keys: Vec<KeyView>,
}

/// Where a tenant's configuration is.
#[derive(Debug, Object)]
#[oai(rename = "InstanceDiscovery")]
struct InstanceView {
    /// The address of the tenant's configuration.
    tenant_discovery_endpoint: String,
    /// Always `1.1`.
    #[oai(rename = "api-version")]
    api_version: String,
    /// Other names of this host: none.
    metadata: Vec<String>,
}

#[OpenApi(tag = "Tag::Tokens")]
impl TokensApi {
    /// Get an access token
    ///
    /// OAuth 2.0 client credentials: an application shows its id and one of its secrets, and gets a token that says
    /// what it may do, for an hour. Send them in the form, or as HTTP Basic in the header `Authorization`, not both.
    ///
    /// Instead of a secret an application may show a *client assertion* (RFC 7523): a JWT signed by one of its keys, with
    /// `iss` and `sub` the client id, `aud` the address of this endpoint, a `jti` that is used once, and `exp` within
    /// the next 24 hours; the header names the key by `x5t`, `x5t#S256` or `kid`. Or a token of an outside issuer that
    /// one of its federated identity credentials names. Removing the key or credential voids what it obtained.
    ///
    /// The `tenant` is the tenant's id or domain; `common` stands for the tenant that the application belongs to. The
    /// scope is `.default` or `<anything>/.default`. Unknown fields are ignored.
    ///
    /// **Partners.** An application of a partner asks at the token endpoint of a *customer*, with its own id and secret:
    /// while an active relationship and an access assignment cover it, it gets a token of that tenant with the roles in
    /// `wids` and the partner's tenant in `partner_tid`. It dies with the relationship. A *user* of a partner exchanges
    /// his own access token there (RFC 8693: `grant_type=urn:ietf:params:oauth:grant-type:token-exchange`,
    /// `subject_token`, `subject_token_type=urn:ietf:params:oauth:token-type:access_token`); the new one never lives
    /// longer than the one that was shown.
    ///
    /// The example cannot hold a real secret: put in the one that `rekey serve --demo` prints. (*Authorize* at the top
    /// of this page does all of this for you.)
    #[oai(path = "/:tenant/oauth2/v2.0/token", method = "post", operation_id = "getToken")]
    async fn token(
        &self,
        info: RequestInfo,
        /// The tenant's id or default domain, or `common`.
        #[oai(example = "examples::tenant")]
        tenant: Path<String>,
        form: TokenForm,
    ) -> Result<TokenAnswer, OauthProblem> {
        let (granted, issued_token_type) = match form.into_request(tenant.0)? {
            Asked::ClientCredentials(request) => (self.0.obtain_token(request, info.origin.clone()).await??, None),
            Asked::Exchange(request) => (self.0.exchange_token(request).await??, Some(exchange::ACCESS_TOKEN.into())),
        };
        info.note(CallerNote { tenant: granted.tenant, caller: granted.caller, expires_at: None });
        let view = TokenView {
            token_type: "Bearer".into(),
            expires_in: granted.expires_in,
            ext_expires_in: granted.expires_in,
            access_token: granted.access_token.expose_secret().to_owned(),
            issued_token_type,
        };
        Ok(TokenAnswer::Issued(Json(view), "no-store".into(), "no-cache".into()))
    }

    /// Get the configuration of a tenant's issuer
    ///
    /// Where a tenant's tokens come from and how they are verified (OpenID Connect Discovery). Client libraries read
    /// this by themselves.
    #[oai(
        path = "/:tenant/v2.0/.well-known/openid-configuration",
        method = "get",
        operation_id = "getOpenidConfiguration"
    )]
    async fn configuration(
        &self,
        /// The tenant's id or default domain.
        #[oai(example = "examples::tenant")]
        tenant: Path<String>,
    ) -> Result<Json<ConfigurationView>, OauthProblem> {
        let tenant = self.0.store.read(move |tx| client_credentials::named_tenant(tx, &tenant)).await??;
        Ok(Json(ConfigurationView::new(&self.0, &tenant)))
    }

    /// Get the keys that verify a tenant's tokens
    ///
    /// A JSON Web Key Set. A key stays in it as long as a token that it signed may live.
    #[oai(path = "/:tenant/discovery/v2.0/keys", method = "get", operation_id = "getSigningKeys")]
    async fn keys(
        &self,
        /// The tenant's id or default domain.
        #[oai(example = "examples::tenant")]
        tenant: Path<String>,
    ) -> Result<Json<KeysView>, OauthProblem> {
        let keys = self.0.store.read(move |tx| client_credentials::keys_of(tx, &tenant)).await??;
        let keys: Result<Vec<KeyView>> = keys.into_iter().map(KeyView::new).collect();
        Ok(Json(KeysView { keys: keys? }))
    }

    /// Find a tenant's configuration
    ///
    /// Some client libraries ask here first where the configuration of an authority is.
    #[oai(path = "/common/discovery/instance", method = "get", operation_id = "discoverInstance")]
    async fn instance(
        &self,
        /// The address that the client library made of its authority: `https://<host>/<tenant>/oauth2/v2.0/authorize`.
        /// Only the tenant matters.
        #[oai(example = "examples::authorization_endpoint")]
        authorization_endpoint: Query<String>,
        /// Whatever version the client library asks for: all are answered alike.
        #[oai(name = "api-version")]
        _api_version: Query<Option<String>>,
    ) -> Result<Json<InstanceView>, OauthProblem> {
        let named = tenant_of_endpoint(&authorization_endpoint).ok_or(Refusal::UnknownTenant)?;
        let tenant = self.0.store.read(move |tx| client_credentials::named_tenant(tx, &named)).await??;
        Ok(Json(InstanceView {
            tenant_discovery_endpoint: format!(
                "{}/{tenant}/v2.0/.well-known/openid-configuration",
                self.0.issuer.public_url
            ),
            api_version: "1.1".into(),
            metadata: vec![],
        }))
    }
}

/// The first segment of an absolute address's path.
fn tenant_of_endpoint(address: &str) -> Option<String> {
    let path: poem::http::Uri = address.parse().ok()?;
    path.path().split('/').nth(1).filter(|tenant| !tenant.is_empty()).map(str::to_owned)
}
