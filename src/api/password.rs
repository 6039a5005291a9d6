//! `passwordMethods`.

use poem_openapi::{Object, OpenApi, param::Path, payload::Json};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    methods::{entity, page},
    odata::{Entity, Page, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::App,
    methods::{Stored, manage, password::Password},
};

/// The password; nothing of it is ever shown.
#[derive(Debug, Object)]
#[oai(rename = "PasswordAuthenticationMethod", rename_all = "camelCase")]
pub struct PasswordView {
    id: String,
    /// Always null.
    #[oai(nullable)]
    password: Option<String>,
    created_date_time: String,
}

impl From<Stored<Password>> for PasswordView {
    fn from(password: Stored<Password>) -> Self {
        Self {
            id: password.row.method_id.into_string(),
            password: None,
            created_date_time: password.row.created_at.to_iso(),
        }
    }
}

pub struct PasswordApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl PasswordApi {
    /// List the password of a user
    ///
    /// One item, or none for a user who has no password. Needs the permission `UserAuthMethod-Password.Read.All` or
    /// `UserAuthenticationMethod.Read.All`, or the role Global Reader or Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/passwordMethods",
        method = "get",
        operation_id = "listPasswordMethods"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<PasswordView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| manage::list::<Password>(tx, caller, &user)).await?;
        Ok(page(&self.0, &info, found, "passwordMethods"))
    }

    /// Get the password of a user
    ///
    /// The `password` itself is always null. Needs the same permission or role as the list.
    #[oai(
        path = "/v1.0/users/:user/authentication/passwordMethods/:id",
        method = "get",
        operation_id = "getPasswordMethod"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id, the same for every user.
        #[oai(example = "examples::password")]
        id: Path<String>,
    ) -> Result<Json<Entity<PasswordView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| manage::get::<Password>(tx, caller, &user, &id)).await?;
        Ok(entity(&self.0, &info, found, "passwordMethods"))
    }
}
