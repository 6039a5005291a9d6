//! `/applications`: who may call, with which permissions, proven by which secrets and keys.

mod bodies;
mod credentials;
mod filter;

use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

use self::{
    bodies::{ApplicationUpdateBody, ApplicationView, KeyCredentialView, NewApplicationBody, PasswordCredentialView},
    credentials::{AddKeyBody, AddPasswordBody, RemoveKeyBody, RemovePasswordBody},
    filter::ApplicationFilter,
};
use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Created, Entity, NoContent, Page, Paging, refuse_other_options},
    problem::Problem,
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    applications::{self, key_credentials, secrets},
    audit::Activity,
    error::Error,
    id::ApplicationId,
    store::{Tx, applications::Application},
};

pub struct ApplicationsApi(pub App);

#[derive(ApiResponse)]
enum SecretAnswer {
    /// The secret: its text is shown this once.
    #[oai(status = 200)]
    Revealed(
        Json<Entity<PasswordCredentialView>>,
        /// `no-store`
        #[oai(header = "Cache-Control")]
        String,
    ),
}

#[OpenApi(tag = "Tag::Applications")]
impl ApplicationsApi {
    /// List applications
    ///
    /// Without the keys themselves (`key` is null). Needs the permission `Application.Read.All` or
    /// `Application.ReadWrite.All`, or the role Global Reader or Global Administrator.
    #[oai(path = "/v1.0/applications", method = "get", operation_id = "listApplications")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Applications of a page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// By `id`, `appId` and `displayName` with `eq`, and `startsWith(displayName,'...')`.
        #[oai(name = "$filter", example = "examples::application_filter")]
        filter: Query<Option<String>>,
        /// Where the page before ended; part of `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<ApplicationView>>, Problem> {
        refuse_other_options(&info, &["$top", "$filter", "$skiptoken"]).map_err(Error::in_directory)?;
        let paging = Paging::new(top.0, skip_token.0).map_err(Error::in_directory)?;
        let filter = ApplicationFilter::parse(filter.0.as_deref())?;
        let (after, limit) = (paging.after.clone(), paging.limit());
        let rows = if filter.is_empty() { limit } else { applications::MAX_APPLICATIONS };
        let read = move |tx: &mut Tx<'_>, caller: &Caller| applications::list(tx, caller, after.as_deref(), rows);
        let mut found = self.0.read(guard.0, read).await?;
        found.retain(|application| filter.finds(application));
        found.truncate(limit.try_into().unwrap_or(usize::MAX));
        let key = |it: &Application| it.application_id.to_string();
        Ok(Json(paging.page(&self.0, &info, "applications", found, key, ApplicationView::in_list)))
    }

    /// Create an application
    ///
    /// `id` and `appId` (the client id) are the same. A secret is added by `addPassword`; keys can come along. An
    /// application that calls this can give only permissions that it holds itself. Needs the permission
    /// `Application.ReadWrite.All`, or the role Global Administrator.
    #[oai(path = "/v1.0/applications", method = "post", operation_id = "createApplication")]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<NewApplicationBody>,
    ) -> Result<Created<ApplicationView>, Problem> {
        let new = body.0.parse(ApplicationId::new(self.0.store.context().entropy.guid()))?;
        let attempt = Attempt::new(Activity::CREATE_APPLICATION);
        let made = self.0.write(guard.0, attempt, move |tx, caller| applications::create(tx, caller, &new)).await?;
        let location = self.0.url(&info, &format!("/applications/{}", made.application_id));
        let context = self.0.context(&info, "applications/$entity");
        Ok(Created::Created(Json(Entity::new(context, ApplicationView::whole(made))), location))
    }

    /// Get an application
    ///
    /// Needs the same permission or role as the list.
    #[oai(path = "/v1.0/applications/:id", method = "get", operation_id = "getApplication")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        id: Path<String>,
    ) -> Result<Json<Entity<ApplicationView>>, Problem> {
        refuse_other_options(&info, &[]).map_err(Error::in_directory)?;
        let found = self.0.read(guard.0, move |tx, caller| applications::get(tx, caller, &id)).await?;
        let context = self.0.context(&info, "applications/$entity");
        Ok(Json(Entity::new(context, ApplicationView::whole(found))))
    }

    /// Update an application
    ///
    /// Also for tokens already issued: a permission or key that is taken away has no effect left on the next call.
    /// `keyCredentials` is the whole list from now on; a key that shall stay is named by its `keyId` alone. An
    /// application that calls this must hold every permission of the other one, before and after. Needs the permission
    /// `Application.ReadWrite.All`, or the role Global Administrator.
    #[oai(path = "/v1.0/applications/:id", method = "patch", operation_id = "updateApplication")]
    async fn update(
        &self,
        guard: Guard,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        id: Path<String>,
        body: Json<ApplicationUpdateBody>,
    ) -> Result<NoContent, Problem> {
        let change = body.0.parse()?;
        let attempt = Attempt::new(Activity::UPDATE_APPLICATION);
        self.0.write(guard.0, attempt, move |tx, caller| applications::update(tx, caller, &id, &change)).await?;
        Ok(NoContent::Done)
    }

    /// Delete an application
    ///
    /// For good. Its tokens are void at once. Needs the same as updating it.
    #[oai(path = "/v1.0/applications/:id", method = "delete", operation_id = "deleteApplication")]
    async fn delete(
        &self,
        guard: Guard,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::new(Activity::DELETE_APPLICATION);
        self.0.write(guard.0, attempt, move |tx, caller| applications::delete(tx, caller, &id)).await?;
        Ok(NoContent::Done)
    }

    /// Add a client secret
    ///
    /// **The answer shows the secret in `secretText`, this once.** An application has at most ten. Needs the same as
    /// updating the application.
    #[oai(path = "/v1.0/applications/:id/addPassword", method = "post", operation_id = "addApplicationPassword")]
    async fn add_password(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<Option<AddPasswordBody>>,
    ) -> Result<SecretAnswer, Problem> {
        let request = body.0.map(AddPasswordBody::parse).unwrap_or_default();
        let attempt = Attempt::new(Activity::UPDATE_APPLICATION);
        let made = self.0.write(guard.0, attempt, move |tx, caller| secrets::make(tx, caller, &id, &request)).await?;
        let context = self.0.context(&info, "microsoft.graph.passwordCredential");
        Ok(SecretAnswer::Revealed(Json(Entity::new(context, made.into())), "no-store".into()))
    }

    /// Remove a client secret
    ///
    /// Every token that it obtained is void at once. Needs the same as updating the application.
    #[oai(path = "/v1.0/applications/:id/removePassword", method = "post", operation_id = "removeApplicationPassword")]
    async fn remove_password(
        &self,
        guard: Guard,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<RemovePasswordBody>,
    ) -> Result<NoContent, Problem> {
        let (attempt, key) = (Attempt::new(Activity::UPDATE_APPLICATION), body.0.key_id.to_lowercase());
        self.0.write(guard.0, attempt, move |tx, caller| secrets::remove(tx, caller, &id, &key)).await?;
        Ok(NoContent::Done)
    }

    /// Add a key, proven by another
    ///
    /// What an application does to roll its keys: for itself it needs no permission, only a proof that it holds one of
    /// its present keys. (The first key is added by PATCH.) For others it needs the same as updating them. The proof is
    /// made anew for each call, so the example has to be replaced.
    #[oai(path = "/v1.0/applications/:id/addKey", method = "post", operation_id = "addApplicationKey")]
    async fn add_key(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<AddKeyBody>,
    ) -> Result<Json<Entity<KeyCredentialView>>, Problem> {
        let ((key, proof), url) = (body.0.parse()?, self.0.issuer.public_url.clone());
        let attempt = Attempt::new(Activity::UPDATE_APPLICATION);
        let write = move |tx: &mut Tx<'_>, caller: &Caller| key_credentials::add(tx, caller, &id, &key, &proof, &url);
        let made = self.0.write(guard.0, attempt, write).await?;
        let context = self.0.context(&info, "microsoft.graph.keyCredential");
        Ok(Json(Entity::new(context, KeyCredentialView::whole(made))))
    }

    /// Remove a key, proven by one that is there
    ///
    /// Every token that it obtained is void at once. Needs the same as adding one.
    #[oai(path = "/v1.0/applications/:id/removeKey", method = "post", operation_id = "removeApplicationKey")]
    async fn remove_key(
        &self,
        guard: Guard,
        /// The application's id.
        #[oai(example = "examples::other_application")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<RemoveKeyBody>,
    ) -> Result<NoContent, Problem> {
        let (body, url) = (body.0, self.0.issuer.public_url.clone());
        let attempt = Attempt::new(Activity::UPDATE_APPLICATION);
        let write = move |tx: &mut Tx<'_>, caller: &Caller| {
            key_credentials::remove(tx, caller, &id, &body.key_id.to_lowercase(), &body.proof, &url)
        };
        self.0.write(guard.0, attempt, write).await?;
        Ok(NoContent::Done)
    }
}
