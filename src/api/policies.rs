//! `/policies`: what applies to the whole tenant.

use poem_openapi::{
    Object, OpenApi,
    payload::Json,
    types::{Example, MaybeUndefined},
};

use super::{
    Tag,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, NoContent, not_null, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    policy,
};

/// Whether multifactor authentication is required of everybody in the tenant.
#[derive(Debug, Object)]
#[oai(rename = "IdentitySecurityDefaultsEnforcementPolicy", rename_all = "camelCase")]
struct SecurityDefaultsView {
    id: String,
    display_name: String,
    description: String,
    is_enabled: bool,
}

impl SecurityDefaultsView {
    fn new(is_enabled: bool) -> Self {
        Self {
            id: policy::SECURITY_DEFAULTS_ID.into(),
            display_name: policy::SECURITY_DEFAULTS_NAME.into(),
            description: "While this is enabled, every user who is not opted out must do multifactor authentication."
                .into(),
            is_enabled,
        }
    }
}

/// What to change; what is left out stays.
#[derive(Debug, Object)]
#[oai(
    rename = "IdentitySecurityDefaultsEnforcementPolicyUpdate",
    rename_all = "camelCase",
    deny_unknown_fields,
    example
)]
struct SecurityDefaultsPatch {
    is_enabled: MaybeUndefined<bool>,
}

impl Example for SecurityDefaultsPatch {
    fn example() -> Self {
        Self { is_enabled: true.into() }
    }
}

pub struct PoliciesApi(pub App);

#[OpenApi(tag = "Tag::Policies")]
impl PoliciesApi {
    /// Get the security defaults
    ///
    /// Whether multifactor authentication is required of everybody. Needs the permission `Policy.Read.All`, or the
    /// role Global Reader or Authentication Policy Administrator.
    #[oai(
        path = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy",
        method = "get",
        operation_id = "getSecurityDefaults"
    )]
    async fn get(&self, guard: Guard, info: RequestInfo) -> Result<Json<Entity<SecurityDefaultsView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let is_enabled = self.0.read(guard.0, policy::security_defaults).await?;
        let context = self.0.context(&info, "policies/identitySecurityDefaultsEnforcementPolicy/$entity");
        Ok(Json(Entity::new(context, SecurityDefaultsView::new(is_enabled))))
    }

    /// Change the security defaults
    ///
    /// `isEnabled` requires multifactor authentication of every user of the tenant who is not opted out. Needs the
    /// permission `Policy.ReadWrite.SecurityDefaults`, or the role Security Administrator.
    #[oai(
        path = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy",
        method = "patch",
        operation_id = "updateSecurityDefaults"
    )]
    async fn update(&self, guard: Guard, body: Json<SecurityDefaultsPatch>) -> Result<NoContent, Problem> {
        let SecurityDefaultsPatch { is_enabled } = body.0;
        let enabled = not_null("isEnabled", is_enabled)?;
        let attempt = Attempt::new(Activity::CHANGE_SECURITY_DEFAULTS);
        self.0.write(guard.0, attempt, move |tx, caller| policy::set_security_defaults(tx, caller, enabled)).await?;
        Ok(NoContent::Done)
    }
}
