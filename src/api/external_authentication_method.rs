//! `externalAuthenticationMethods`.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::Example,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    methods::{created, delete, entity, page},
    odata::{Created, Entity, NoContent, Page, refuse_other_options},
    problem::Problem,
    strict_json::text,
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    methods::{
        MethodKind, Stored,
        external_authentication_method::{self, ExternalEntry, ExternalMethod, NewExternalMethod},
        manage,
    },
    store::Tx,
};

const COLLECTION: &str = "externalAuthenticationMethods";

/// A method that a provider outside would prove.
#[derive(Debug, Object)]
#[oai(rename = "ExternalAuthenticationMethod", rename_all = "camelCase")]
pub struct ExternalMethodView {
    id: String,
    /// The provider's configuration in the tenant's policy.
    configuration_id: String,
    display_name: String,
    created_date_time: String,
    /// Null: sign-in sessions do not ask providers.
    #[oai(nullable)]
    last_used_date_time: Option<String>,
}

impl From<ExternalEntry> for ExternalMethodView {
    fn from(ExternalEntry { id, created_at, last_used_at, detail }: ExternalEntry) -> Self {
        Self {
            id: id.into_string(),
            configuration_id: detail.configuration_id,
            display_name: detail.display_name,
            created_date_time: created_at.to_iso(),
            last_used_date_time: last_used_at.map(|at| at.to_iso()),
        }
    }
}

impl From<Stored<ExternalMethod>> for ExternalMethodView {
    fn from(stored: Stored<ExternalMethod>) -> Self {
        ExternalEntry::from(stored).into()
    }
}

/// An external method to register.
#[derive(Debug, Object)]
#[oai(rename = "ExternalAuthenticationMethodRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct ExternalMethodBody {
    /// The id of a configuration in the tenant's policy that is enabled for the user.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    configuration_id: String,
    /// At most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: String,
}

impl Example for ExternalMethodBody {
    fn example() -> Self {
        Self { configuration_id: examples::provider(), display_name: "Adatum".into() }
    }
}

pub struct ExternalAuthenticationMethodApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl ExternalAuthenticationMethodApi {
    /// List the external authentication methods of a user
    ///
    /// Needs the permission `UserAuthMethod-External.Read.All` or `UserAuthenticationMethod.Read.All`, or the role
    /// Global Reader or Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/externalAuthenticationMethods",
        method = "get",
        operation_id = "listExternalAuthenticationMethods"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<ExternalMethodView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let read = move |tx: &mut Tx<'_>, caller: &Caller| manage::list::<ExternalMethod>(tx, caller, &user);
        Ok(page(&self.0, &info, self.0.read(guard.0, read).await?, COLLECTION))
    }

    /// Register an external authentication method for a user
    ///
    /// Of a provider that the tenant's policy names and that is enabled for the user; one of each provider. Sign-in
    /// sessions do not ask providers: the method is listed, reported and reset, but proves nobody and is no second
    /// factor here. Not for oneself. Needs the permission `UserAuthMethod-External.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator (Privileged Authentication
    /// Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/externalAuthenticationMethods",
        method = "post",
        operation_id = "createExternalAuthenticationMethod"
    )]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::new_hire")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<ExternalMethodBody>,
    ) -> Result<Created<ExternalMethodView>, Problem> {
        refuse_other_options(&info, &[])?;
        let ExternalMethodBody { configuration_id, display_name } = body.0;
        let new = NewExternalMethod { configuration_id, display_name };
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        let write =
            move |tx: &mut Tx<'_>, caller: &Caller| external_authentication_method::create(tx, caller, &user, &new);
        let made = self.0.write(guard.0, attempt, write).await?;
        let id = made.found.id.to_string();
        Ok(created(&self.0, &info, made, COLLECTION, &id))
    }

    /// Get an external authentication method of a user
    ///
    /// Needs the same permission or role as the list.
    #[oai(
        path = "/v1.0/users/:user/authentication/externalAuthenticationMethods/:id",
        method = "get",
        operation_id = "getExternalAuthenticationMethod"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::external_authentication_method")]
        id: Path<String>,
    ) -> Result<Json<Entity<ExternalMethodView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let read = move |tx: &mut Tx<'_>, caller: &Caller| manage::get::<ExternalMethod>(tx, caller, &user, &id);
        Ok(entity(&self.0, &info, self.0.read(guard.0, read).await?, COLLECTION))
    }

    /// Delete an external authentication method of a user
    ///
    /// Needs the same permission or role as registering one.
    #[oai(
        path = "/v1.0/users/:user/authentication/externalAuthenticationMethods/:id",
        method = "delete",
        operation_id = "deleteExternalAuthenticationMethod"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::external_authentication_method")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        delete(&self.0, guard, MethodKind::ExternalAuthenticationMethod, user.0, id.0).await
    }
}
