//! `/roleManagement/directory`: directory roles of users.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct RoleManagementApi(pub App);

#[OpenApi(tag = "Tag::Roles")]
impl RoleManagementApi {}
