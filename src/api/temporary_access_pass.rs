//! `temporaryAccessPassMethods`.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::Example,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    methods::{created, delete, entity, page},
    odata::{Created, Entity, NoContent, Page, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    clock::Timestamp,
    methods::{
        MethodKind,
        temporary_access_pass::{self, PassRequest, PassView},
    },
};

const COLLECTION: &str = "temporaryAccessPassMethods";

/// What to issue. Everything may be left out; the tenant's policy fills it in.
#[derive(Debug, Object)]
#[oai(rename = "TemporaryAccessPassRequest", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct PassBody {
    /// 60 to 480 minutes by the default policy.
    pub lifetime_in_minutes: Option<i32>,
    /// True: good for one sign-in.
    pub is_usable_once: Option<bool>,
    /// When it begins; now, or a moment within the next 30 days.
    pub start_date_time: Option<chrono::DateTime<chrono::Utc>>,
}

impl Example for PassBody {
    fn example() -> Self {
        Self { lifetime_in_minutes: Some(60), is_usable_once: Some(true), start_date_time: None }
    }
}

impl From<PassBody> for PassRequest {
    fn from(body: PassBody) -> Self {
        Self {
            lifetime_in_minutes: body.lifetime_in_minutes,
            is_usable_once: body.is_usable_once,
            start_date_time: body.start_date_time.map(Timestamp::from),
        }
    }
}

/// A temporary access pass.
#[derive(Object)]
#[oai(rename = "TemporaryAccessPassAuthenticationMethod", rename_all = "camelCase")]
pub struct TemporaryAccessPassView {
    id: String,
    /// The code: only in the answer that creates it, null ever after.
    #[oai(nullable)]
    temporary_access_pass: Option<String>,
    created_date_time: String,
    #[oai(nullable)]
    last_used_date_time: Option<String>,
    start_date_time: String,
    lifetime_in_minutes: i32,
    is_usable_once: bool,
    is_usable: bool,
    /// EnabledByPolicy, DisabledByPolicy, Expired, NotYetValid or OneTimeUsed.
    method_usability_reason: String,
}

impl From<PassView> for TemporaryAccessPassView {
    fn from(pass: PassView) -> Self {
        Self {
            id: pass.id.into_string(),
            temporary_access_pass: pass.temporary_access_pass,
            created_date_time: pass.created_date_time.to_iso(),
            last_used_date_time: pass.last_used_date_time.map(|at| at.to_iso()),
            start_date_time: pass.start_date_time.to_iso(),
            lifetime_in_minutes: pass.lifetime_in_minutes,
            is_usable_once: pass.is_usable_once,
            is_usable: pass.is_usable,
            method_usability_reason: pass.method_usability_reason,
        }
    }
}

impl std::fmt::Debug for TemporaryAccessPassView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TemporaryAccessPassView").field("id", &self.id).finish_non_exhaustive()
    }
}

pub struct TemporaryAccessPassApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl TemporaryAccessPassApi {
    /// List the temporary access pass of a user
    ///
    /// At most one, without its code. Needs the permission `UserAuthMethod-TAP.Read.All` or
    /// `UserAuthenticationMethod.Read.All`, or the role Global Reader or Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/temporaryAccessPassMethods",
        method = "get",
        operation_id = "listTemporaryAccessPassMethods"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Page<TemporaryAccessPassView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let passes = self.0.read(guard.0, move |tx, caller| temporary_access_pass::list(tx, caller, &user)).await?;
        Ok(page(&self.0, &info, passes, COLLECTION))
    }

    /// Issue a temporary access pass to a user
    ///
    /// A code that lets the user sign in for a while and register other methods. **The answer shows the code, this
    /// once.** It replaces a pass that the user has. Needs the permission `UserAuthMethod-TAP.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator (Privileged Authentication
    /// Administrator for administrators); not for oneself.
    #[oai(
        path = "/v1.0/users/:user/authentication/temporaryAccessPassMethods",
        method = "post",
        operation_id = "createTemporaryAccessPassMethod"
    )]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::new_hire")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<Option<PassBody>>,
    ) -> Result<Created<TemporaryAccessPassView>, Problem> {
        let request = body.0.map(PassRequest::from).unwrap_or_default();
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        let made = self
            .0
            .write(guard.0, attempt, move |tx, caller| temporary_access_pass::create(tx, caller, &user, &request))
            .await?;
        let id = made.found.id.to_string();
        Ok(created(&self.0, &info, made, COLLECTION, &id))
    }

    /// Get the temporary access pass of a user
    ///
    /// Without its code. Needs the same permission or role as the list.
    #[oai(
        path = "/v1.0/users/:user/authentication/temporaryAccessPassMethods/:id",
        method = "get",
        operation_id = "getTemporaryAccessPassMethod"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::temporary_access_pass")]
        id: Path<String>,
    ) -> Result<Json<Entity<TemporaryAccessPassView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let pass = self.0.read(guard.0, move |tx, caller| temporary_access_pass::get(tx, caller, &user, &id)).await?;
        Ok(entity(&self.0, &info, pass, COLLECTION))
    }

    /// Delete the temporary access pass of a user
    ///
    /// Its code stops working at once. Needs the same permission or role as issuing one.
    #[oai(
        path = "/v1.0/users/:user/authentication/temporaryAccessPassMethods/:id",
        method = "delete",
        operation_id = "deleteTemporaryAccessPassMethod"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id.
        #[oai(example = "examples::temporary_access_pass")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        delete(&self.0, guard, MethodKind::TemporaryAccessPass, user.0, id.0).await
    }
}
