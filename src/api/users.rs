//! `/users`: Graph's subset of user properties and operations.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::{Json, PlainText},
    types::{ParseFromJSON, ToJSON, Type},
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{
        DEFAULT_PAGE, MAX_PAGE, NoContent, Page, Paging, foreign_skip_token, link_behind, links, refuse_other_options,
    },
    problem::Problem,
    user_bodies::{NewUserBody, UserUpdateBody},
    user_query,
    user_view::{Select, UserView},
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    directory::users,
    error::{Error, Result},
    store::{
        Tx,
        users::walk::{Place, UserQuery},
    },
};

/// What a list of users can be asked with.
const LIST_OPTIONS: &[&str] = &["$select", "$filter", "$search", "$orderby", "$count", "$top", links::SKIP_TOKEN];

/// Where a page of users ended, as its link carries it.
fn key(place: &Place) -> Result<String> {
    serde_json::to_string(place).map_err(Error::internal)
}

fn place(key: &str) -> Result<Place> {
    serde_json::from_str(key).map_err(|_| foreign_skip_token().in_directory())
}

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
    /// The users of this tenant. Names are compared without regard to case. A page may be short, even empty, while there
    /// is an `@odata.nextLink`: follow it to the end. Needs the permission `User.Read.All` or `User.ReadWrite.All`, or a
    /// role that reads the directory, such as Directory Readers or Helpdesk Administrator.
    #[oai(path = "/v1.0/users", method = "get", operation_id = "listUsers")]
    #[expect(clippy::too_many_arguments, reason = "one for each option of the query")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Properties to send, with commas between them; Graph's eleven default ones unless given.
        #[oai(name = "$select")]
        select: Query<Option<String>>,
        /// A condition over id, userPrincipalName, displayName, givenName, surname, mail, userType, accountEnabled and
        /// createdDateTime: eq, ne, gt, ge, lt, le, in, and, or, not, startsWith, endsWith (of mail and
        /// userPrincipalName).
        #[oai(name = "$filter")]
        filter: Query<Option<String>>,
        /// Clauses such as `"displayName:ana" AND "mail:ana"`, with the double quotes.
        #[oai(name = "$search")]
        search: Query<Option<String>>,
        /// `displayName` or `userPrincipalName`, with `asc` or `desc`.
        #[oai(name = "$orderby")]
        order_by: Query<Option<String>>,
        /// `true` for `@odata.count` on the first page. With a filter every user is looked at for it.
        #[oai(name = "$count")]
        count: Query<Option<bool>>,
        /// Users of a page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// Where the page before ended; part of `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
        /// `odata.maxpagesize=50` for pages of at most 50 users, unless `$top` is there.
        #[oai(name = "Prefer")]
        _prefer: Header<Option<String>>,
    ) -> Result<Json<Page<UserView>>, Problem> {
        refuse_other_options(&info, LIST_OPTIONS).map_err(Error::in_directory)?;
        let select = Select::parse(select.as_deref())?;
        let top = info.page_size(top.0, DEFAULT_PAGE, MAX_PAGE);
        let paging = Paging::new(Some(top), skip_token.0).map_err(Error::in_directory)?;
        let query = UserQuery {
            filter: user_query::condition(filter.as_deref(), search.as_deref())?,
            order: order_by.as_deref().map(user_query::order).transpose()?,
            after: paging.after.as_deref().map(place).transpose()?,
            size: paging.size,
        };
        let counted = count.0.unwrap_or(false) && query.after.is_none();
        let read = move |tx: &mut Tx<'_>, caller: &Caller| {
            let count = if counted { Some(users::count(tx, caller, query.filter.as_ref())?) } else { None };
            Ok((users::page(tx, caller, &query)?, count))
        };
        let (page, count) = self.0.read(guard.0, read).await?;
        let link = |next: Place| Ok::<_, Error>(link_behind(&self.0, &info, &key(&next)?));
        let next_link = page.next.map(link).transpose()?;
        let value = page.users.into_iter().map(|user| UserView::new(None, &select, user)).collect();
        let context = self.0.context(&info, &select.context("users"));
        Ok(Json(Page { count, ..Page::part(context, next_link, value) }))
    }

    /// Count the users
    ///
    /// As plain text. Needs the permission `User.Read.All` or `User.ReadWrite.All`, or a role that reads the directory.
    #[oai(path = "/v1.0/users/$count", method = "get", operation_id = "countUsers")]
    async fn count(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// As for the list. Every user is looked at for it.
        #[oai(name = "$filter")]
        filter: Query<Option<String>>,
        /// As for the list.
        #[oai(name = "$search")]
        search: Query<Option<String>>,
    ) -> Result<PlainText<String>, Problem> {
        refuse_other_options(&info, &["$filter", "$search"]).map_err(Error::in_directory)?;
        let condition = user_query::condition(filter.as_deref(), search.as_deref())?;
        let count = self.0.read(guard.0, move |tx, caller| users::count(tx, caller, condition.as_ref())).await?;
        Ok(PlainText(count.to_string()))
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
