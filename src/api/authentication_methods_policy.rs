//! `/policies/authenticationMethodsPolicy`: which methods the tenant's users may register and use.

use poem_openapi::{
    OpenApi,
    param::{Header, Path},
    payload::Json,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Created, Entity, NoContent, Page, refuse_other_options},
    problem::Problem,
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    policy::authentication_methods::{self, ConfigurationChange, Named, NewExternal, PolicyChange},
    store::Tx,
};

mod bodies;
mod features;
mod provider;
mod targets;
mod whole;

use bodies::{ConfigurationBody, ConfigurationView};
use provider::ExternalBody;
use whole::{PolicyBody, PolicyView};

const CONTEXT: &str = "policies/authenticationMethodsPolicy";

pub struct AuthenticationMethodsPolicyApi(pub App);

#[OpenApi(tag = "Tag::Policies")]
impl AuthenticationMethodsPolicyApi {
    /// Get the authentication methods policy
    ///
    /// Which kinds of methods the users may register and use, with every configuration. Needs the permission
    /// `Policy.Read.All`, or the role Global Reader or Authentication Policy Administrator.
    #[oai(
        path = "/v1.0/policies/authenticationMethodsPolicy",
        method = "get",
        operation_id = "getAuthenticationMethodsPolicy"
    )]
    async fn get(&self, guard: Guard, info: RequestInfo) -> Result<Json<Entity<PolicyView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let policy = self.0.read(guard.0, authentication_methods::get).await?;
        Ok(Json(Entity::new(self.0.context(&info, &format!("{CONTEXT}/$entity")), policy.into())))
    }

    /// Change the authentication methods policy
    ///
    /// `registrationProof` `temporaryAccessPass` asks more than a password of whoever registers or must register again: a
    /// pass that a help desk handed out, or a second factor that was kept (to answer a reset, a passkey). `mfaResetApproval` says from how many users on a reset of many
    /// must be confirmed by somebody else than its creator; a partner's counts for all users of its resets, a customer's
    /// for the customer's own. Changes take effect at once. Needs the permission
    /// `Policy.ReadWrite.AuthenticationMethod`, or the role Authentication Policy Administrator.
    #[oai(
        path = "/v1.0/policies/authenticationMethodsPolicy",
        method = "patch",
        operation_id = "updateAuthenticationMethodsPolicy"
    )]
    async fn update(
        &self,
        guard: Guard,
        info: RequestInfo,
        body: Json<PolicyBody>,
    ) -> Result<Json<Entity<PolicyView>>, Problem> {
        let change = PolicyChange::try_from(body.0)?;
        let attempt = Attempt::new(Activity::UPDATE_METHODS_POLICY);
        let write = move |tx: &mut Tx<'_>, caller: &Caller| authentication_methods::update(tx, caller, &change);
        let policy = self.0.write(guard.0, attempt, write).await?;
        Ok(Json(Entity::new(self.0.context(&info, &format!("{CONTEXT}/$entity")), policy.into())))
    }

    /// List the configurations of the authentication methods policy
    ///
    /// One for each kind of method, then one for each provider outside. Needs the same permission or role as the policy.
    #[oai(
        path = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations",
        method = "get",
        operation_id = "listAuthenticationMethodConfigurations"
    )]
    async fn list_configurations(
        &self,
        guard: Guard,
        info: RequestInfo,
    ) -> Result<Json<Page<ConfigurationView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let policy = self.0.read(guard.0, authentication_methods::get).await?.policy;
        let context = self.0.context(&info, &format!("{CONTEXT}/authenticationMethodConfigurations"));
        Ok(Json(Page::whole(context, ConfigurationView::all(&policy))))
    }

    /// Add an external configuration to the authentication methods policy
    ///
    /// A provider outside whose methods users may have (`externalAuthenticationMethods`), at most 20 of them:
    /// `#microsoft.graph.externalAuthenticationMethodConfiguration`, the only sort of configuration that is added. Its
    /// `id` is a GUID. Needs the same permission or role as changing a configuration.
    #[oai(
        path = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations",
        method = "post",
        operation_id = "createAuthenticationMethodConfiguration"
    )]
    async fn create_configuration(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<ExternalBody>,
    ) -> Result<Created<ConfigurationView>, Problem> {
        refuse_other_options(&info, &[])?;
        let new = NewExternal::from(body.0);
        let attempt = Attempt::new(Activity::UPDATE_METHODS_POLICY);
        let write = move |tx: &mut Tx<'_>, caller: &Caller| authentication_methods::create_external(tx, caller, &new);
        let (id, policy) = self.0.write(guard.0, attempt, write).await?;
        let location = self.0.url(&info, &format!("/{CONTEXT}/authenticationMethodConfigurations/{id}"));
        let context = self.0.context(&info, &format!("{CONTEXT}/authenticationMethodConfigurations/$entity"));
        let view = ConfigurationView::new(&policy, &Named::External(id))?;
        Ok(Created::Created(Json(Entity::new(context, view)), location))
    }

    /// Get a configuration of the authentication methods policy
    ///
    /// Who may register and use methods of one kind. Needs the same permission or role as the policy.
    #[oai(
        path = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/:id",
        method = "get",
        operation_id = "getAuthenticationMethodConfiguration"
    )]
    async fn get_configuration(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The configuration's id, in any case.
        #[oai(example = "examples::configuration")]
        id: Path<String>,
    ) -> Result<Json<Entity<ConfigurationView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let read = move |tx: &mut Tx<'_>, caller: &Caller| authentication_methods::configuration(tx, caller, &id);
        let (named, policy) = self.0.read(guard.0, read).await?;
        let context = self.0.context(&info, &format!("{CONTEXT}/authenticationMethodConfigurations/$entity"));
        Ok(Json(Entity::new(context, ConfigurationView::new(&policy, &named)?)))
    }

    /// Change a configuration of the authentication methods policy
    ///
    /// `state` `disabled` takes a kind of method out of use at once: it can neither be registered nor used at a
    /// sign-in. Methods that are registered stay, and work again when the kind is enabled. `includeTargets` and
    /// `excludeTargets` say for whom the configuration is. Graph's clients send its `@odata.type`; it may be left out, but
    /// must not be another's. Needs the permission
    /// `Policy.ReadWrite.AuthenticationMethod`, or the role Authentication Policy Administrator.
    #[oai(
        path = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/:id",
        method = "patch",
        operation_id = "updateAuthenticationMethodConfiguration"
    )]
    async fn update_configuration(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The configuration's id, in any case.
        #[oai(example = "examples::configuration")]
        id: Path<String>,
        body: Json<ConfigurationBody>,
    ) -> Result<NoContent, Problem> {
        let (change, odata_type) = (ConfigurationChange::try_from(body.0)?, info.odata_type);
        let attempt = Attempt::new(Activity::UPDATE_METHODS_POLICY);
        let write = move |tx: &mut Tx<'_>, caller: &Caller| {
            authentication_methods::update_configuration(tx, caller, &id, odata_type.as_deref(), &change)
        };
        self.0.write(guard.0, attempt, write).await?;
        Ok(NoContent::Done)
    }

    /// Restore a configuration of the authentication methods policy
    ///
    /// The configuration is as it was in the beginning. A provider's goes: the methods that users have of it stay, and are
    /// not allowed any more. Needs the same permission or role as changing it.
    #[oai(
        path = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/:id",
        method = "delete",
        operation_id = "resetAuthenticationMethodConfiguration"
    )]
    async fn reset_configuration(
        &self,
        guard: Guard,
        /// The configuration's id, in any case.
        #[oai(example = "examples::configuration")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::new(Activity::RESET_METHODS_POLICY);
        let write =
            move |tx: &mut Tx<'_>, caller: &Caller| authentication_methods::reset_configuration(tx, caller, &id);
        self.0.write(guard.0, attempt, write).await?;
        Ok(NoContent::Done)
    }
}
