//! `/identity/trustedIssuers`: outside issuers whose access tokens are good in this tenant.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::Example,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Created, Entity, NoContent, Page, Paging, refuse_other_options},
    problem::Problem,
    strict_json::text,
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    error::Error,
    store::{Tx, trusted_issuers::TrustedIssuer},
    trusted_issuers::{self, NewTrustedIssuer},
};

pub struct TrustedIssuersApi(pub App);

const COLLECTION: &str = "identity/trustedIssuers";

/// An outside issuer of access tokens that the tenant trusts.
#[derive(Debug, Object)]
#[oai(rename = "TrustedIssuer", rename_all = "camelCase")]
struct TrustedIssuerView {
    id: String,
    display_name: String,
    /// What `iss` is in its tokens.
    issuer: String,
    /// What `aud` is in its tokens for this tenant.
    audience: String,
    /// Where its keys are; null when its discovery document says.
    #[oai(nullable)]
    jwks_uri: Option<String>,
    /// The claim that holds a user's userPrincipalName.
    user_claim: String,
    created_date_time: String,
}

impl From<TrustedIssuer> for TrustedIssuerView {
    fn from(row: TrustedIssuer) -> Self {
        Self {
            id: row.issuer_id.into_string(),
            display_name: row.display_name,
            issuer: row.issuer,
            audience: row.audience,
            jwks_uri: row.jwks_uri,
            user_claim: row.user_claim.as_str().into(),
            created_date_time: row.created_at.to_iso(),
        }
    }
}

/// An issuer to trust.
#[derive(Debug, Object)]
#[oai(rename = "NewTrustedIssuer", rename_all = "camelCase", deny_unknown_fields, example)]
struct NewIssuerBody {
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: String,
    /// What `iss` is in its tokens, exactly: an https URL.
    #[oai(validator(max_length = 600), deserialize_with = "text")]
    issuer: String,
    /// What `aud` is in its tokens for this tenant. Issuer and audience together stand for one tenant.
    #[oai(validator(max_length = 600), deserialize_with = "text")]
    audience: String,
    /// Where its keys are; by default its discovery document (`{issuer}/.well-known/openid-configuration`) says.
    #[oai(validator(max_length = 600))]
    jwks_uri: Option<String>,
    /// The claim that holds a user's userPrincipalName: `preferred_username` (default), `upn`, `email` (only with
    /// `email_verified`), or `sub` or `oid`, which may also be the user's id. Choose one that people cannot change
    /// themselves.
    #[oai(validator(max_length = 64))]
    user_claim: Option<String>,
}

impl Example for NewIssuerBody {
    fn example() -> Self {
        Self {
            display_name: "Staff sign-in".into(),
            issuer: "https://login.contoso.example/realms/staff".into(),
            audience: "api://rekey-contoso".into(),
            jwks_uri: None,
            user_claim: Some("upn".into()),
        }
    }
}

#[OpenApi(tag = "Tag::Applications")]
impl TrustedIssuersApi {
    /// List trusted issuers
    ///
    /// Needs the permission `IdentityProvider.Read.All` or `IdentityProvider.ReadWrite.All`, or the role Global Reader
    /// or Global Administrator.
    #[oai(path = "/v1.0/identity/trustedIssuers", method = "get", operation_id = "listTrustedIssuers")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Issuers of a page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// Where the page before ended; part of `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<TrustedIssuerView>>, Problem> {
        refuse_other_options(&info, &["$top", "$skiptoken"]).map_err(Error::in_directory)?;
        let paging = Paging::new(top.0, skip_token.0).map_err(Error::in_directory)?;
        let (after, limit) = (paging.after.clone(), paging.limit());
        let read = move |tx: &mut Tx<'_>, caller: &Caller| trusted_issuers::list(tx, caller, after.as_deref(), limit);
        let found = self.0.read(guard.0, read).await?;
        let key = |it: &TrustedIssuer| it.issuer_id.to_string();
        Ok(Json(paging.page(&self.0, &info, COLLECTION, found, key, TrustedIssuerView::from)))
    }

    /// Trust an issuer
    ///
    /// **+** From now on access tokens of this OpenID provider for this audience are good here, in place of ours. The
    /// caller is the user whose userPrincipalName the chosen claim holds, with his directory roles if `amr` holds `mfa`
    /// (otherwise the token is worth a sign-in without a second factor: it reads the user's own methods); or, when it
    /// names no user, the application that has a federated identity credential with this issuer and the token's `sub`.
    /// Tokens live 24 hours at most and are signed with RS256, PS256, ES256, ES384 or EdDSA. A user who must register is
    /// refused until he has.
    ///
    /// **Whoever may do this can be anybody in the tenant.** Needs the permission `IdentityProvider.ReadWrite.All`, or
    /// the role Global Administrator.
    #[oai(path = "/v1.0/identity/trustedIssuers", method = "post", operation_id = "createTrustedIssuer")]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<NewIssuerBody>,
    ) -> Result<Created<TrustedIssuerView>, Problem> {
        let NewIssuerBody { display_name, issuer, audience, jwks_uri, user_claim } = body.0;
        let new = NewTrustedIssuer { display_name, issuer, audience, jwks_uri, user_claim };
        let (attempt, around) = (Attempt::new(Activity::CREATE_TRUSTED_ISSUER), self.0.surroundings());
        let write = move |tx: &mut Tx<'_>, caller: &Caller| trusted_issuers::create(tx, caller, &new, &around);
        let made = self.0.write(guard.0, attempt, write).await?;
        let location = self.0.url(&info, &format!("/{COLLECTION}/{}", made.issuer_id));
        let context = self.0.context(&info, &format!("{COLLECTION}/$entity"));
        Ok(Created::Created(Json(Entity::new(context, made.into())), location))
    }

    /// Get a trusted issuer
    ///
    /// Needs the same permission or role as the list.
    #[oai(path = "/v1.0/identity/trustedIssuers/:id", method = "get", operation_id = "getTrustedIssuer")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The trusted issuer's id.
        #[oai(example = "examples::trusted_issuer")]
        id: Path<String>,
    ) -> Result<Json<Entity<TrustedIssuerView>>, Problem> {
        refuse_other_options(&info, &[]).map_err(Error::in_directory)?;
        let found = self.0.read(guard.0, move |tx, caller| trusted_issuers::get(tx, caller, &id)).await?;
        let context = self.0.context(&info, &format!("{COLLECTION}/$entity"));
        Ok(Json(Entity::new(context, found.into())))
    }

    /// Trust an issuer no more
    ///
    /// Its tokens are void on their next use. Needs the same permission or role as trusting one.
    #[oai(path = "/v1.0/identity/trustedIssuers/:id", method = "delete", operation_id = "deleteTrustedIssuer")]
    async fn delete(
        &self,
        guard: Guard,
        /// The trusted issuer's id.
        #[oai(example = "examples::trusted_issuer")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::new(Activity::DELETE_TRUSTED_ISSUER);
        self.0.write(guard.0, attempt, move |tx, caller| trusted_issuers::delete(tx, caller, &id)).await?;
        Ok(NoContent::Done)
    }
}
