//! `operations`: what became of a password reset.

use poem_openapi::{Object, OpenApi, param::Path, payload::Json};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, authentication_context, refuse_other_options},
    problem::Problem,
};
use crate::{app::App, methods::password::change};

/// Something that was begun and may take its time.
#[derive(Debug, Object)]
#[oai(rename = "LongRunningOperation", rename_all = "camelCase")]
struct OperationView {
    id: String,
    created_date_time: String,
    last_action_date_time: String,
    /// The address of what was acted on.
    resource_location: String,
    /// `notStarted`, `running`, `succeeded` or `failed`.
    status: String,
    /// Such as `ResetSuccess`.
    #[oai(nullable)]
    status_detail: Option<String>,
}

pub struct OperationsApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl OperationsApi {
    /// Get an operation on a user's methods
    ///
    /// How a password reset went; kept for 25 hours. Needs the permission `UserAuthMethod-Password.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or a role that may reset the password.
    #[oai(
        path = "/v1.0/users/:user/authentication/operations/:id",
        method = "get",
        operation_id = "getAuthenticationOperation"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The operation's id.
        #[oai(example = "examples::operation")]
        id: Path<String>,
    ) -> Result<Json<Entity<OperationView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| change::operation(tx, caller, &user, &id)).await?;
        let context = self.0.context(&info, &authentication_context(found.user_id.as_str(), "operations/$entity"));
        let view = OperationView {
            id: found.operation_id.into_string(),
            created_date_time: found.created_at.to_iso(),
            last_action_date_time: found.last_action_at.to_iso(),
            resource_location: self.0.url(&info, &found.resource_location),
            status: found.status.as_str().into(),
            status_detail: found.status_detail,
        };
        Ok(Json(Entity::new(context, view)))
    }
}
