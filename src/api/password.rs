//! `passwordMethods`, `resetPassword` and `changePassword`.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::Example,
};
use secrecy::SecretString;

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    methods::{entity, page},
    odata::{Entity, NoContent, Page, authentication_context, refuse_other_options},
    problem::Problem,
    strict_json::text,
};
use crate::{
    app::App,
    demo,
    methods::{
        Stored, manage,
        password::{Password, change::PasswordReset},
    },
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
    /// Always null: its use is not noted.
    #[oai(nullable)]
    last_used_date_time: Option<String>,
}

impl From<Stored<Password>> for PasswordView {
    fn from(password: Stored<Password>) -> Self {
        Self {
            id: password.row.method_id.into_string(),
            password: None,
            created_date_time: password.row.created_at.to_iso(),
            last_used_date_time: password.row.last_used_at.map(|at| at.to_iso()),
        }
    }
}

/// The new password; without it the system makes one.
#[derive(Object)]
#[oai(rename = "PasswordResetRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct ResetBody {
    /// 8 to 256 characters, none that is guessed first.
    #[oai(validator(max_length = 1024), deserialize_with = "text")]
    new_password: Option<String>,
}

impl Example for ResetBody {
    fn example() -> Self {
        Self { new_password: Some("amber lantern 58 river".into()) }
    }
}

/// The present password and the one that replaces it.
#[derive(Object)]
#[oai(rename = "PasswordChangeRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct ChangeBody {
    #[oai(validator(max_length = 1024), deserialize_with = "text")]
    current_password: String,
    /// 8 to 256 characters, none that is guessed first.
    #[oai(validator(max_length = 1024), deserialize_with = "text")]
    new_password: String,
}

impl Example for ChangeBody {
    fn example() -> Self {
        Self { current_password: demo::PASSWORD.into(), new_password: "amber lantern 58 river".into() }
    }
}

/// What came of a reset.
#[derive(Object)]
#[oai(rename = "PasswordResetResponse", rename_all = "camelCase", skip_serializing_if_is_none)]
struct ResetView {
    #[oai(rename = "@odata.context")]
    context: Option<String>,
    /// The password, when the system made it: only in this answer.
    new_password: Option<String>,
}

#[derive(ApiResponse)]
enum ResetAnswer {
    /// The password is reset; how it went can be asked for at `Location`.
    #[oai(status = 202)]
    Accepted(
        Json<ResetView>,
        /// The address of the operation.
        #[oai(header = "Location")]
        String,
    ),
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

    /// Reset the password of a user
    ///
    /// To `newPassword`, or to one that the system makes and shows in this answer, once. The user must change it at
    /// the next sign-in; the user's sessions and the count of wrong passwords end. Authentication methods stay as they
    /// are: for those there is `resetMfa`. Needs the permission `UserAuthMethod-Password.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Password, Helpdesk, User or Authentication Administrator
    /// (Privileged Authentication Administrator for most administrators); not for oneself.
    #[oai(
        path = "/v1.0/users/:user/authentication/methods/:id/resetPassword",
        method = "post",
        operation_id = "resetPassword"
    )]
    async fn reset(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The password's id, the same for every user.
        #[oai(example = "examples::password")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<Option<ResetBody>>,
    ) -> Result<ResetAnswer, Problem> {
        self.reset_password(guard, &info, user.0, id.0, body.0).await
    }

    /// Reset the password of a user, by its kind
    ///
    /// The same as `resetPassword` under `methods`, where older clients look for it.
    #[oai(
        path = "/v1.0/users/:user/authentication/passwordMethods/:id/resetPassword",
        method = "post",
        operation_id = "resetPasswordMethod"
    )]
    async fn reset_by_kind(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The password's id, the same for every user.
        #[oai(example = "examples::password")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<Option<ResetBody>>,
    ) -> Result<ResetAnswer, Problem> {
        self.reset_password(guard, &info, user.0, id.0, body.0).await
    }

    /// Change the own password
    ///
    /// Proves the present password and replaces it. Ends every session of the user, also the one that asks: sign in
    /// again. A wrong present password is 400 and counts as at a sign-in. Needs the `outcomeToken` of a completed
    /// sign-in.
    #[oai(path = "/v1.0/users/:user/changePassword", method = "post", operation_id = "changePassword")]
    async fn change(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<ChangeBody>,
    ) -> Result<NoContent, Problem> {
        let ChangeBody { current_password, new_password } = body.0;
        let (current, new) = (SecretString::from(current_password), SecretString::from(new_password));
        self.0.change_password(guard.0, user.0, current, new).await?.into_result()?;
        Ok(NoContent::Done)
    }
}

impl PasswordApi {
    async fn reset_password(
        &self,
        guard: Guard,
        info: &RequestInfo,
        user: String,
        id: String,
        body: Option<ResetBody>,
    ) -> Result<ResetAnswer, Problem> {
        let new = body.and_then(|body| body.new_password).map(SecretString::from);
        let PasswordReset { user_id, operation_id, new_password } =
            self.0.reset_password(guard.0, user, id, new).await?;
        let location = self.0.url(info, &format!("/users/{user_id}/authentication/operations/{operation_id}"));
        let context = new_password.is_some().then(|| {
            self.0.context(info, &authentication_context(user_id.as_str(), "microsoft.graph.passwordResetResponse"))
        });
        Ok(ResetAnswer::Accepted(Json(ResetView { context, new_password }), location))
    }
}
