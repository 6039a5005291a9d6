//! `/roleManagement/directory`: directory roles of users.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::Example,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{NoContent, Page, Paging, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    demo,
    directory::role_assignments,
    error::{Error, Result},
    id::UserId,
    roles::Role,
    store::roles::RoleAssignment,
};

pub struct RoleManagementApi(pub App);

/// The only scope there is: the whole tenant.
const WHOLE_TENANT: &str = "/";

/// A directory role.
#[derive(Debug, Object)]
#[oai(rename = "UnifiedRoleDefinition", rename_all = "camelCase")]
struct RoleDefinitionView {
    #[oai(rename = "@odata.context", skip_serializing_if_is_none)]
    context: Option<String>,
    /// The template id, the same in every tenant.
    id: String,
    display_name: String,
    template_id: String,
    /// Always true.
    is_built_in: bool,
    /// Always true.
    is_enabled: bool,
}

impl RoleDefinitionView {
    fn new(context: Option<String>, role: Role) -> Self {
        Self {
            context,
            id: role.as_str().into(),
            display_name: role.display_name().into(),
            template_id: role.as_str().into(),
            is_built_in: true,
            is_enabled: true,
        }
    }
}

/// A role that a user holds.
#[derive(Debug, Object)]
#[oai(rename = "UnifiedRoleAssignment", rename_all = "camelCase")]
struct RoleAssignmentView {
    #[oai(rename = "@odata.context", skip_serializing_if_is_none)]
    context: Option<String>,
    id: String,
    /// The user's id.
    principal_id: String,
    role_definition_id: String,
    /// Always `/`, the whole tenant.
    directory_scope_id: String,
}

impl RoleAssignmentView {
    fn new(context: Option<String>, assignment: RoleAssignment) -> Self {
        Self {
            context,
            id: id_of(&assignment),
            principal_id: assignment.user_id.into_string(),
            role_definition_id: assignment.role_id,
            directory_scope_id: WHOLE_TENANT.into(),
        }
    }
}

fn id_of(assignment: &RoleAssignment) -> String {
    role_assignments::id(&assignment.role_id, &assignment.user_id)
}

/// Which user shall hold which role.
#[derive(Debug, Object)]
#[oai(rename = "NewUnifiedRoleAssignment", rename_all = "camelCase", deny_unknown_fields, example)]
struct NewRoleAssignmentBody {
    /// The user's id.
    principal_id: String,
    /// The role's id.
    role_definition_id: String,
    /// `/`, the whole tenant.
    directory_scope_id: String,
}

impl Example for NewRoleAssignmentBody {
    fn example() -> Self {
        Self {
            principal_id: demo::id("new hire"),
            role_definition_id: Role::HelpdeskAdministrator.as_str().into(),
            directory_scope_id: WHOLE_TENANT.into(),
        }
    }
}

impl NewRoleAssignmentBody {
    fn parse(self) -> Result<(UserId, String)> {
        if self.directory_scope_id != WHOLE_TENANT {
            let message = "directoryScopeId is '/': roles are for the whole tenant.";
            return Err(Error::invalid_user("directoryScopeId", message));
        }
        let user = UserId::parse(&self.principal_id)
            .ok_or_else(|| Error::invalid_user("principalId", "principalId is the id of a user."))?;
        Ok((user, self.role_definition_id))
    }
}

/// Reads `principalId eq '{id}'`, the one filter there is.
fn parse_filter(filter: &str) -> Result<UserId> {
    let quoted = filter.trim().strip_prefix("principalId").and_then(|rest| {
        let value = rest.trim_start().strip_prefix("eq")?;
        // A name goes on until a space.
        let separated = rest.starts_with(' ') && value.starts_with(' ');
        value.trim_start().strip_prefix('\'')?.strip_suffix('\'').filter(|_| separated)
    });
    quoted
        .and_then(UserId::parse)
        .ok_or_else(|| Error::invalid_user("$filter", "$filter here is exactly: principalId eq '{the id of a user}'."))
}

#[derive(ApiResponse)]
enum CreatedAssignment {
    /// The user holds the role.
    #[oai(status = 201)]
    Created(
        Json<RoleAssignmentView>,
        /// The address of the new assignment.
        #[oai(header = "Location")]
        String,
    ),
}

#[OpenApi(tag = "Tag::Roles")]
impl RoleManagementApi {
    /// List roles
    ///
    /// The directory roles that can be given to users. Needs the permission `RoleManagement.Read.Directory` or
    /// `RoleManagement.ReadWrite.Directory`, or the role Directory Readers, Global Reader or Privileged Role
    /// Administrator.
    #[oai(
        path = "/v1.0/roleManagement/directory/roleDefinitions",
        method = "get",
        operation_id = "listRoleDefinitions"
    )]
    async fn definitions(&self, guard: Guard, info: RequestInfo) -> Result<Json<Page<RoleDefinitionView>>, Problem> {
        refuse_other_options(&info, &[]).map_err(Error::in_directory)?;
        let roles = self.0.read(guard.0, role_assignments::definitions).await?;
        let context = self.0.context(&info, "roleManagement/directory/roleDefinitions");
        Ok(Json(Page::whole(context, roles.iter().map(|role| RoleDefinitionView::new(None, *role)).collect())))
    }

    /// Get a role
    ///
    /// Needs the permission `RoleManagement.Read.Directory` or `RoleManagement.ReadWrite.Directory`, or the role
    /// Directory Readers, Global Reader or Privileged Role Administrator.
    #[oai(
        path = "/v1.0/roleManagement/directory/roleDefinitions/:id",
        method = "get",
        operation_id = "getRoleDefinition"
    )]
    async fn definition(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The role's id.
        #[oai(example = "examples::role")]
        id: Path<String>,
    ) -> Result<Json<RoleDefinitionView>, Problem> {
        refuse_other_options(&info, &[]).map_err(Error::in_directory)?;
        let role = self.0.read(guard.0, move |tx, caller| role_assignments::definition(tx, caller, &id)).await?;
        let context = self.0.context(&info, "roleManagement/directory/roleDefinitions/$entity");
        Ok(Json(RoleDefinitionView::new(Some(context), role)))
    }

    /// List who holds which role
    ///
    /// Of all users, or with `$filter=principalId eq '{id}'` of one. Needs the permission
    /// `RoleManagement.Read.Directory` or `RoleManagement.ReadWrite.Directory`, or the role Directory Readers, Global
    /// Reader or Privileged Role Administrator.
    #[oai(
        path = "/v1.0/roleManagement/directory/roleAssignments",
        method = "get",
        operation_id = "listRoleAssignments"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// `principalId eq '{the id of a user}'`, and nothing else.
        #[oai(name = "$filter")]
        filter: Query<Option<String>>,
        /// Assignments of a page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// Where the page before ended; part of `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<RoleAssignmentView>>, Problem> {
        refuse_other_options(&info, &["$filter", "$top", "$skiptoken"]).map_err(Error::in_directory)?;
        let principal = filter.as_deref().map(parse_filter).transpose()?;
        let paging = Paging::new(top.0, skip_token.0).map_err(Error::in_directory)?;
        let (after, limit) = (paging.after.clone(), paging.limit());
        let assignments = self
            .0
            .read(guard.0, move |tx, caller| {
                role_assignments::list(tx, caller, principal.as_ref(), after.as_deref(), limit)
            })
            .await?;
        let (what, view) = ("roleManagement/directory/roleAssignments", |it| RoleAssignmentView::new(None, it));
        Ok(Json(paging.page(&self.0, &info, what, assignments, id_of, view)))
    }

    /// Give a user a role
    ///
    /// It takes effect on the user's next call. Needs the permission `RoleManagement.ReadWrite.Directory`, or the role
    /// Privileged Role Administrator.
    #[oai(
        path = "/v1.0/roleManagement/directory/roleAssignments",
        method = "post",
        operation_id = "createRoleAssignment"
    )]
    async fn add(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<NewRoleAssignmentBody>,
    ) -> Result<CreatedAssignment, Problem> {
        let (user, role) = body.0.parse()?;
        let attempt = Attempt::on_user(Activity::ADD_ROLE, user.as_str());
        let assignment =
            self.0.write(guard.0, attempt, move |tx, caller| role_assignments::add(tx, caller, &user, &role)).await?;
        let path = format!("/roleManagement/directory/roleAssignments/{}", id_of(&assignment));
        let context = self.0.context(&info, "roleManagement/directory/roleAssignments/$entity");
        let view = RoleAssignmentView::new(Some(context), assignment);
        Ok(CreatedAssignment::Created(Json(view), self.0.url(&info, &path)))
    }

    /// Get one assignment of a role
    ///
    /// Needs the permission `RoleManagement.Read.Directory` or `RoleManagement.ReadWrite.Directory`, or the role
    /// Directory Readers, Global Reader or Privileged Role Administrator.
    #[oai(
        path = "/v1.0/roleManagement/directory/roleAssignments/:id",
        method = "get",
        operation_id = "getRoleAssignment"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The assignment's id.
        #[oai(example = "examples::role_assignment")]
        id: Path<String>,
    ) -> Result<Json<RoleAssignmentView>, Problem> {
        refuse_other_options(&info, &[]).map_err(Error::in_directory)?;
        let assignment = self.0.read(guard.0, move |tx, caller| role_assignments::get(tx, caller, &id)).await?;
        let context = self.0.context(&info, "roleManagement/directory/roleAssignments/$entity");
        Ok(Json(RoleAssignmentView::new(Some(context), assignment)))
    }

    /// Take a role from a user
    ///
    /// It takes effect on the user's next call. Needs the permission `RoleManagement.ReadWrite.Directory`, or the role
    /// Privileged Role Administrator.
    #[oai(
        path = "/v1.0/roleManagement/directory/roleAssignments/:id",
        method = "delete",
        operation_id = "deleteRoleAssignment"
    )]
    async fn remove(
        &self,
        guard: Guard,
        /// The assignment's id.
        #[oai(example = "examples::role_assignment")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::new(Activity::REMOVE_ROLE);
        self.0.write(guard.0, attempt, move |tx, caller| role_assignments::remove(tx, caller, &id)).await?;
        Ok(NoContent::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_has_one_form() {
        let id = "ace08ec9-aa11-4ada-9145-addf0398233e";
        for good in [format!("principalId eq '{id}'"), format!(" principalId  eq  '{id}' ")] {
            assert_eq!(parse_filter(&good).unwrap().as_str(), id, "{good}");
        }
        for bad in [
            String::new(),
            "principalId eq".into(),
            "principalId eq 'x'".into(),
            format!("principalIdeq'{id}'"),
            format!("principalId ne '{id}'"),
            format!("principalId eq {id}"),
            format!("principalId eq '{id}' or true"),
            format!("roleDefinitionId eq '{id}'"),
        ] {
            assert!(parse_filter(&bad).is_err(), "{bad}");
        }
    }
}
