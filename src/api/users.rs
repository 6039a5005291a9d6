//! `/users`: Graph's subset of user properties and operations.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::{ParseFromJSON, ToJSON, Type},
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{NoContent, Page, Paging, refuse_other_options},
    problem::Problem,
    user_bodies::{NewUserBody, UserUpdateBody},
    user_view::{Select, UserView},
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    directory::users,
    error::Error,
    id::UserId,
    store::users::Presence,
};

pub struct UsersApi(pub App);

/// A value that is no object.
#[derive(Debug, Object)]
pub struct Primitive<T: Type + ParseFromJSON + ToJSON> {
    #[oai(rename = "@odata.context")]
    context: String,
    value: T,
}

#[derive(ApiResponse)]
enum CreatedUser {
    /// The user was made.
    #[oai(status = 201)]
    Created(
        Json<UserView>,
        /// The address of the new user.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Revoked {
    /// Done.
    #[oai(status = 200)]
    Done(Json<Primitive<bool>>),
    /// Done; `Prefer: return=minimal` asked for no body.
    #[oai(status = 204)]
    Minimal,
}

#[OpenApi(tag = "Tag::Users")]
impl UsersApi {
    /// List users
    ///
    /// The users of this tenant, in the order of their ids. Needs the permission `User.Read.All` or
    /// `User.ReadWrite.All`, or a role that reads the directory, such as Directory Readers or Helpdesk Administrator.
    #[oai(path = "/v1.0/users", method = "get", operation_id = "listUsers")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Properties to send, with commas between them; Graph's eleven default ones unless given.
        #[oai(name = "$select")]
        select: Query<Option<String>>,
        /// Users of a page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// Where the page before ended; part of `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<UserView>>, Problem> {
        refuse_other_options(&info, &["$select", "$top", "$skiptoken"]).map_err(Error::in_directory)?;
        let select = Select::parse(select.as_deref())?;
        let paging = Paging::new(top.0, skip_token.0).map_err(Error::in_directory)?;
        let (after, limit) = (paging.after.clone().map(UserId::new), paging.limit());
        let users = self
            .0
            .read(guard.0, move |tx, caller| users::list(tx, caller, Presence::Present, after.as_ref(), limit))
            .await?;
        let view = |user| UserView::new(None, &select, user);
        let what = select.context("users");
        Ok(Json(paging.page(&self.0, &info, &what, users, |user| user.user_id.to_string(), view)))
    }

    /// Create a user
    ///
    /// The new user has only a password and registers authentication methods at the first sign-in. Needs the
    /// permission `User.ReadWrite.All`, or the role User Administrator.
    #[oai(path = "/v1.0/users", method = "post", operation_id = "createUser")]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<NewUserBody>,
    ) -> Result<CreatedUser, Problem> {
        let changes = body.0.into_changes(&self.0, &guard.0).await?;
        let attempt = Attempt::new(Activity::CREATE_USER);
        let user = self.0.write(guard.0, attempt, move |tx, caller| users::create(tx, caller, &changes)).await?;
        let location = self.0.url(&info, &format!("/users/{}", user.user_id));
        let context = self.0.context(&info, "users/$entity");
        let view = UserView::new(Some(context), &Select::parse(None)?, user);
        Ok(CreatedUser::Created(Json(view), location))
    }

    /// Get a user
    ///
    /// Needs the permission `User.Read.All` or `User.ReadWrite.All`, or a role that reads the directory. Every user
    /// may read himself.
    #[oai(path = "/v1.0/users/:user", method = "get", operation_id = "getUser")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// Properties to send, with commas between them; Graph's eleven default ones unless given.
        #[oai(name = "$select")]
        select: Query<Option<String>>,
    ) -> Result<Json<UserView>, Problem> {
        refuse_other_options(&info, &["$select"]).map_err(Error::in_directory)?;
        let select = Select::parse(select.as_deref())?;
        let user = self.0.read(guard.0, move |tx, caller| users::get(tx, caller, &user)).await?;
        let context = self.0.context(&info, &format!("{}/$entity", select.context("users")));
        Ok(Json(UserView::new(Some(context), &select, user)))
    }

    /// Change a user
    ///
    /// A new password and `accountEnabled: false` end the user's sessions. Needs the permission `User.ReadWrite.All`,
    /// or the role User Administrator (Global Administrator for most administrators).
    #[oai(path = "/v1.0/users/:user", method = "patch", operation_id = "updateUser")]
    async fn update(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        body: Json<UserUpdateBody>,
    ) -> Result<NoContent, Problem> {
        let changes = body.0.into_changes(&self.0, &guard.0, &user).await?;
        let attempt = Attempt::on_user(Activity::UPDATE_USER, &user);
        self.0.write(guard.0, attempt, move |tx, caller| users::update(tx, caller, &user, &changes)).await?;
        Ok(NoContent::Done)
    }

    /// Delete a user
    ///
    /// The user's sessions end and the name is free at once. For 30 days the user can be restored, with all methods,
    /// hardware tokens and roles, from /directory/deletedItems. Needs the permission `User.ReadWrite.All`, or the role
    /// User Administrator (Global Administrator for most administrators).
    #[oai(path = "/v1.0/users/:user", method = "delete", operation_id = "deleteUser")]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::leaver")]
        user: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::DELETE_USER, &user);
        self.0.write(guard.0, attempt, move |tx, caller| users::delete(tx, caller, &user)).await?;
        Ok(NoContent::Done)
    }

    /// End all sessions of a user
    ///
    /// Every session and token of the user from before this moment is void at the next call. Needs the permission
    /// `User.ReadWrite.All`, or the role Helpdesk, Authentication or User Administrator (Privileged Authentication
    /// Administrator for most administrators).
    #[oai(path = "/v1.0/users/:user/revokeSignInSessions", method = "post", operation_id = "revokeSignInSessions")]
    async fn revoke_sign_in_sessions(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// `return=minimal` to be answered 204 without a body.
        #[oai(name = "Prefer")]
        _prefer: Header<Option<String>>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<Revoked, Problem> {
        let attempt = Attempt::on_user(Activity::REVOKE_SESSIONS, &user);
        self.0.write(guard.0, attempt, move |tx, caller| users::revoke_sign_in_sessions(tx, caller, &user)).await?;
        if info.prefers_minimal {
            return Ok(Revoked::Minimal);
        }
        Ok(Revoked::Done(Json(Primitive { context: self.0.context(&info, "Edm.Boolean"), value: true })))
    }
}
