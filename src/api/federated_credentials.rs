//! `/applications/{id}/federatedIdentityCredentials`: subjects of outside issuers who may speak for an application.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::{Example, MaybeUndefined},
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Created, Entity, NoContent, Page, not_null, refuse_other_options},
    problem::Problem,
    strict_json::text,
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    applications::federated::{self, Change},
    audit::Activity,
    error::{Error, Result},
    store::{Tx, applications::FederatedCredential},
};

pub struct FederatedCredentialsApi(pub App);

/// A subject of an outside issuer who may speak for the application.
#[derive(Debug, Object)]
#[oai(rename = "FederatedIdentityCredential", rename_all = "camelCase")]
struct FederatedCredentialView {
    id: String,
    name: String,
    issuer: String,
    subject: String,
    audiences: Vec<String>,
    #[oai(nullable)]
    description: Option<String>,
}

impl From<FederatedCredential> for FederatedCredentialView {
    fn from(credential: FederatedCredential) -> Self {
        let FederatedCredential { id, name, issuer, subject, audiences, description } = credential;
        Self { id, name, issuer, subject, audiences, description }
    }
}

/// A credential to be.
#[derive(Debug, Object)]
#[oai(rename = "NewFederatedIdentityCredential", rename_all = "camelCase", deny_unknown_fields, example)]
struct NewCredentialBody {
    /// Unique in the application; 1 to 120 letters, digits, `-` and `_`. Never changes.
    #[oai(validator(max_length = 120), deserialize_with = "text")]
    name: String,
    /// What `iss` is in the issuer's tokens: an https URL, below which its discovery document is.
    #[oai(validator(max_length = 600), deserialize_with = "text")]
    issuer: String,
    /// What `sub` is.
    #[oai(validator(max_length = 600), deserialize_with = "text")]
    subject: String,
    /// What `aud` is: one, usually `api://AzureADTokenExchange`.
    #[oai(validator(max_items = 10))]
    audiences: Vec<String>,
    #[oai(validator(max_length = 600))]
    description: Option<String>,
}

impl Example for NewCredentialBody {
    fn example() -> Self {
        Self {
            name: "deployments".into(),
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: "repo:contoso/portal:environment:production".into(),
            audiences: vec!["api://AzureADTokenExchange".into()],
            description: None,
        }
    }
}

/// What shall be otherwise; what is left out stays.
#[derive(Debug, Object)]
#[oai(rename = "FederatedIdentityCredentialUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
struct UpdateBody {
    #[oai(validator(max_length = 600))]
    issuer: MaybeUndefined<String>,
    #[oai(validator(max_length = 600))]
    subject: MaybeUndefined<String>,
    #[oai(validator(max_items = 10))]
    audiences: MaybeUndefined<Vec<String>>,
    /// Null: none.
    #[oai(validator(max_length = 600))]
    description: MaybeUndefined<String>,
}

impl Example for UpdateBody {
    fn example() -> Self {
        Self {
            issuer: MaybeUndefined::Undefined,
            subject: MaybeUndefined::Value("system:serviceaccount:contoso:hourly-job".into()),
            audiences: MaybeUndefined::Undefined,
            description: MaybeUndefined::Null,
        }
    }
}

impl UpdateBody {
    fn parse(self) -> Result<Change> {
        Ok(Change {
            issuer: not_null("issuer", self.issuer).map_err(Error::in_directory)?,
            subject: not_null("subject", self.subject).map_err(Error::in_directory)?,
            audiences: not_null("audiences", self.audiences).map_err(Error::in_directory)?,
            description: match self.description {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(description) => Some(Some(description)),
            },
        })
    }
}

fn context_of(id: &str, what: &str) -> String {
    format!("applications('{}')/federatedIdentityCredentials{what}", id.to_ascii_lowercase())
}

#[OpenApi(tag = "Tag::Applications")]
impl FederatedCredentialsApi {
    /// List the federated identity credentials of an application
    ///
    /// At most twenty. Needs the permission `Application.Read.All` or `Application.ReadWrite.All`, or the role Global
    /// Reader or Global Administrator.
    #[oai(
        path = "/v1.0/applications/:application/federatedIdentityCredentials",
        method = "get",
        operation_id = "listFederatedIdentityCredentials"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        application: Path<String>,
    ) -> Result<Json<Page<FederatedCredentialView>>, Problem> {
        refuse_other_options(&info, &[]).map_err(Error::in_directory)?;
        let context = self.0.context(&info, &context_of(&application, ""));
        let all = self.0.read(guard.0, move |tx, caller| federated::list(tx, caller, &application)).await?;
        Ok(Json(Page::whole(context, all.into_iter().map(Into::into).collect())))
    }

    /// Add a federated identity credential to an application
    ///
    /// From now on a token of this issuer about this subject is good as the application's client assertion at the token
    /// endpoint: no secret has to be kept. Needs the permission `Application.ReadWrite.All` (and, for an application
    /// that calls, every permission of the other one), or the role Global Administrator.
    #[oai(
        path = "/v1.0/applications/:application/federatedIdentityCredentials",
        method = "post",
        operation_id = "createFederatedIdentityCredential"
    )]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        application: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<NewCredentialBody>,
    ) -> Result<Created<FederatedCredentialView>, Problem> {
        let NewCredentialBody { name, issuer, subject, audiences, description } = body.0;
        let new = FederatedCredential { id: String::new(), name, issuer, subject, audiences, description };
        let (around, named) = (self.0.surroundings(), application.0.clone());
        let attempt = Attempt::new(Activity::UPDATE_APPLICATION);
        let write = move |tx: &mut Tx<'_>, caller: &Caller| federated::create(tx, caller, &named, &new, &around);
        let made = self.0.write(guard.0, attempt, write).await?;
        let path =
            format!("/applications/{}/federatedIdentityCredentials/{}", application.to_ascii_lowercase(), made.id);
        let context = self.0.context(&info, &context_of(&application, "/$entity"));
        Ok(Created::Created(Json(Entity::new(context, made.into())), self.0.url(&info, &path)))
    }

    /// Get a federated identity credential of an application
    ///
    /// Needs the same permission or role as the list.
    #[oai(
        path = "/v1.0/applications/:application/federatedIdentityCredentials/:id",
        method = "get",
        operation_id = "getFederatedIdentityCredential"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        application: Path<String>,
        /// The credential's id or name.
        #[oai(example = "examples::federated_credential")]
        id: Path<String>,
    ) -> Result<Json<Entity<FederatedCredentialView>>, Problem> {
        refuse_other_options(&info, &[]).map_err(Error::in_directory)?;
        let context = self.0.context(&info, &context_of(&application, "/$entity"));
        let found = self.0.read(guard.0, move |tx, caller| federated::get(tx, caller, &application, &id)).await?;
        Ok(Json(Entity::new(context, found.into())))
    }

    /// Update a federated identity credential of an application
    ///
    /// Tokens that it obtained as it was are void at once. Needs the same permission or role as adding one.
    #[oai(
        path = "/v1.0/applications/:application/federatedIdentityCredentials/:id",
        method = "patch",
        operation_id = "updateFederatedIdentityCredential"
    )]
    async fn update(
        &self,
        guard: Guard,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        application: Path<String>,
        /// The credential's id or name.
        #[oai(example = "examples::federated_credential")]
        id: Path<String>,
        body: Json<UpdateBody>,
    ) -> Result<NoContent, Problem> {
        let (change, around) = (body.0.parse()?, self.0.surroundings());
        let attempt = Attempt::new(Activity::UPDATE_APPLICATION);
        let write =
            move |tx: &mut Tx<'_>, caller: &Caller| federated::update(tx, caller, &application, &id, &change, &around);
        self.0.write(guard.0, attempt, write).await?;
        Ok(NoContent::Done)
    }

    /// Delete a federated identity credential of an application
    ///
    /// Tokens that it obtained are void at once. Needs the same permission or role as adding one.
    #[oai(
        path = "/v1.0/applications/:application/federatedIdentityCredentials/:id",
        method = "delete",
        operation_id = "deleteFederatedIdentityCredential"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        application: Path<String>,
        /// The credential's id or name.
        #[oai(example = "examples::federated_credential")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::new(Activity::UPDATE_APPLICATION);
        self.0.write(guard.0, attempt, move |tx, caller| federated::delete(tx, caller, &application, &id)).await?;
        Ok(NoContent::Done)
    }
}
