//! `/directory/deletedItems`: users that were deleted and can be restored.

use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{NoContent, Page, Paging, refuse_other_options},
    problem::Problem,
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

pub struct DeletedItemsApi(pub App);

#[derive(ApiResponse)]
#[expect(clippy::large_enum_variant, reason = "one per request, and not kept")]
enum Restored {
    /// The user is back.
    #[oai(status = 200)]
    User(Json<UserView>),
    /// The user is back; `Prefer: return=minimal` asked for no body.
    #[oai(status = 204)]
    Minimal,
}

/// A deleted user as a directory object, which could be of any type.
fn view(app: &App, info: &RequestInfo, user: crate::store::users::User) -> UserView {
    let context = app.context(info, "directoryObjects/$entity");
    UserView::new(Some(context), &Select::defaults_and("deletedDateTime"), user).typed()
}

#[OpenApi(tag = "Tag::Users")]
impl DeletedItemsApi {
    /// List deleted users
    ///
    /// In the order of their ids. Needs the permission `User.Read.All` or `User.ReadWrite.All`, or a role that reads
    /// the directory.
    #[oai(
        path = "/v1.0/directory/deletedItems/microsoft.graph.user",
        method = "get",
        operation_id = "listDeletedUsers"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Users of a page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// Where the page before ended; part of `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<UserView>>, Problem> {
        refuse_other_options(&info, &["$top", "$skiptoken"]).map_err(Error::in_directory)?;
        let paging = Paging::new(top.0, skip_token.0).map_err(Error::in_directory)?;
        let (after, limit) = (paging.after.clone().map(UserId::new), paging.limit());
        let users = self
            .0
            .read(guard.0, move |tx, caller| users::list(tx, caller, Presence::Deleted, after.as_ref(), limit))
            .await?;
        let select = Select::defaults_and("deletedDateTime");
        let view = |user| UserView::new(None, &select, user);
        Ok(Json(paging.page(&self.0, &info, "users", users, |user| user.user_id.to_string(), view)))
    }

    /// Get a deleted user
    ///
    /// Needs the permission `User.Read.All` or `User.ReadWrite.All`, or a role that reads the directory.
    #[oai(path = "/v1.0/directory/deletedItems/:id", method = "get", operation_id = "getDeletedUser")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The deleted user's id.
        #[oai(example = "examples::deleted_user")]
        id: Path<String>,
    ) -> Result<Json<UserView>, Problem> {
        refuse_other_options(&info, &[]).map_err(Error::in_directory)?;
        let user = self.0.read(guard.0, move |tx, caller| users::get_deleted(tx, caller, &id)).await?;
        Ok(Json(view(&self.0, &info, user)))
    }

    /// Remove a deleted user for good
    ///
    /// All methods and roles of the user go; hardware tokens return to the inventory. This cannot be undone. Needs the
    /// permission `User.ReadWrite.All`, or the role User Administrator (Global Administrator for most administrators).
    #[oai(path = "/v1.0/directory/deletedItems/:id", method = "delete", operation_id = "purgeDeletedUser")]
    async fn purge(
        &self,
        guard: Guard,
        /// The deleted user's id.
        #[oai(example = "examples::purgeable_user")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::PURGE_USER, &id);
        self.0.write(guard.0, attempt, move |tx, caller| users::purge(tx, caller, &id)).await?;
        Ok(NoContent::Done)
    }

    /// Restore a deleted user
    ///
    /// Within 30 days, and while nobody else has the name. Methods, hardware tokens and roles come back; sessions do
    /// not, and a number that was enabled for SMS sign-in must be enabled again. Needs the permission
    /// `User.ReadWrite.All`, or the role User Administrator (Global Administrator for most administrators).
    #[oai(path = "/v1.0/directory/deletedItems/:id/restore", method = "post", operation_id = "restoreDeletedUser")]
    async fn restore(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The deleted user's id.
        #[oai(example = "examples::deleted_user")]
        id: Path<String>,
        /// `return=minimal` to be answered 204 without a body.
        #[oai(name = "Prefer")]
        _prefer: Header<Option<String>>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<Restored, Problem> {
        let attempt = Attempt::on_user(Activity::RESTORE_USER, &id);
        let user = self.0.write(guard.0, attempt, move |tx, caller| users::restore(tx, caller, &id)).await?;
        if info.prefers_minimal {
            return Ok(Restored::Minimal);
        }
        Ok(Restored::User(Json(view(&self.0, &info, user))))
    }
}
