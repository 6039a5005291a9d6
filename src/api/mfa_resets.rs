//! `/mfaResets`: the reset of many users of many customers.

mod bodies;
mod follow;
mod items;
mod upload;

use poem::Body;
use poem_openapi::{
    ApiRequest, ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::{Binary, EventStream, Json},
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, Page, Paging, etag, foreign_skip_token, refuse_other_options},
    problem::Problem,
    reset::AlsoDelete,
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    clock::Timestamp,
    error::Result,
    id::{MfaResetId, TenantId},
    mfa_resets::{self, MfaReset, targets},
    store::Tx,
};
use bodies::{MfaResetView, NewMfaResetBody};
use items::{ItemView, item_filter};

pub struct MfaResetsApi(pub App);

/// The users, in JSON or in CSV.
#[derive(ApiRequest)]
enum NewMfaReset {
    Json(Json<NewMfaResetBody>),
    /// Lines of `tenant,user[,reason]`, with or without a heading. The tenant may be empty: the caller's own.
    Csv(upload::Csv),
}

/// The reset as it stands now, and its tag.
#[derive(ApiResponse)]
enum MfaResetAnswer {
    /// The reset as it stands now.
    #[oai(status = 200)]
    Found(Json<Entity<MfaResetView>>, #[oai(header = "ETag")] String),
}

#[derive(ApiResponse)]
enum CreatedMfaReset {
    /// Created; its preview is being worked on.
    #[oai(status = 201)]
    Created(Json<Entity<MfaResetView>>, #[oai(header = "Location")] String, #[oai(header = "ETag")] String),
}

#[derive(ApiResponse)]
enum EventsAnswer {
    /// A stream of events; the last one is of the type `end`.
    #[oai(status = 200)]
    Events(EventStream<follow::Events>, #[oai(header = "X-Accel-Buffering")] String),
    /// Nothing has happened since, and nothing will: do not connect again.
    #[oai(status = 204)]
    Over,
}

#[derive(ApiResponse)]
enum ReportAnswer {
    /// One line per user.
    #[oai(status = 200, content_type = "text/csv")]
    Csv(Binary<Body>, #[oai(header = "Content-Disposition")] String),
}

#[derive(ApiResponse)]
enum ReceiptAnswer {
    /// A JWS in compact form.
    #[oai(status = 200, content_type = "application/jose")]
    Jws(Binary<Body>),
}

/// A receipt that can be fetched.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetReceipt", rename_all = "camelCase")]
struct ReceiptView {
    /// The tenant whose users it is about, and whose key signs it.
    tenant_id: String,
    /// Where it is.
    receipt: String,
}

impl MfaResetsApi {
    fn answer(&self, info: &RequestInfo, reset: MfaReset) -> MfaResetAnswer {
        let tag = etag::of_version(reset.version);
        let context = self.0.context(info, "mfaResets/$entity");
        MfaResetAnswer::Found(Json(Entity::new(context, reset.into())), tag)
    }
}

#[OpenApi(tag = "Tag::Reset")]
impl MfaResetsApi {
    /// Reset all MFA of many users
    ///
    /// Creates a reset of many users, also of many customers at once, and begins its **preview**. Nobody is reset before
    /// the preview is complete (`awaitingConfirmation`) and somebody confirms it. Users are named in `targets`, found by
    /// filters in `selections`, or both; or sent as `text/csv`, up to a million lines of `tenant,user[,reason]`, with
    /// the other properties in the query.
    ///
    /// Each user is reset exactly as by `resetMfa`. Who is named twice is reset once; who is not found or may not be
    /// reset by the caller is reported. Needs the permission `MfaReset.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator, for the own tenant; for the
    /// users of a customer, a role from an active relationship that allows `resetMfa` there.
    #[oai(path = "/v1.0/mfaResets", method = "post", operation_id = "createMfaReset")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// With CSV only: why, for the users whose line does not say.
        #[oai(validator(max_length = 1000))]
        reason: Query<Option<String>>,
        /// With CSV only: also delete methods of this kind; may be repeated.
        #[oai(name = "alsoDelete", default, validator(max_items = 16))]
        also_delete: Query<Vec<AlsoDelete>>,
        /// With CSV only: end every session of the users too. Default: true.
        #[oai(name = "revokeSignInSessions")]
        revoke: Query<Option<bool>>,
        /// Any text of your choice; the same request with the same key makes one reset.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: NewMfaReset,
    ) -> Result<CreatedMfaReset, Problem> {
        let attempt = Attempt::new(Activity::CREATE_MFA_RESET);
        let reset = match body {
            NewMfaReset::Json(Json(body)) => {
                let (plan, named, selections) = body.parse()?;
                let create = move |tx: &mut Tx<'_>, caller: &Caller| {
                    let id = targets::open(tx, caller, &plan)?;
                    targets::add(tx, caller, &id, &named)?;
                    targets::select(tx, caller, &id, &selections)?;
                    targets::complete(tx, caller, &id)
                };
                self.0.write(guard.0, attempt, create).await?
            }
            NewMfaReset::Csv(upload::Csv(body)) => {
                let plan = bodies::plan(reason.0, Some(also_delete.0), revoke.0);
                upload::create(&self.0, guard.0, &info, attempt, plan, body).await?
            }
        };
        let location = self.0.url(&info, &format!("/mfaResets/{}", reset.id));
        let tag = etag::of_version(reset.version);
        let context = self.0.context(&info, "mfaResets/$entity");
        Ok(CreatedMfaReset::Created(Json(Entity::new(context, reset.into())), location, tag))
    }

    /// List resets of many users
    ///
    /// The newest first: those that the caller created and, if he may reset users of the own tenant, those that are about
    /// no other tenant. Somebody else's reset of customers' users is found by its id, by whoever may reset users there.
    #[oai(path = "/v1.0/mfaResets", method = "get", operation_id = "listMfaResets")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Resets of a page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// Where the page before ended; part of `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<MfaResetView>>, Problem> {
        refuse_other_options(&info, &["$top", "$skiptoken"])?;
        let paging = Paging::new(top.0, skip_token.0)?;
        let after = paging.after.as_deref().map(position).transpose()?;
        let limit = paging.limit();
        let resets =
            self.0.read(guard.0, move |tx, caller| mfa_resets::list(tx, caller, after.as_ref(), limit)).await?;
        let key = |reset: &MfaReset| format!("{}.{}", reset.created_at.micros(), reset.id);
        Ok(Json(paging.page(&self.0, &info, "mfaResets", resets, key, MfaResetView::from)))
    }

    /// Get a reset of many users
    ///
    /// With the preview of every tenant, and how far the run has come.
    #[oai(path = "/v1.0/mfaResets/:id", method = "get", operation_id = "getMfaReset")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The reset's id.
        #[oai(example = "examples::mfa_reset")]
        id: Path<String>,
    ) -> Result<MfaResetAnswer, Problem> {
        refuse_other_options(&info, &[])?;
        let reset = self.0.read(guard.0, move |tx, caller| mfa_resets::find(tx, caller, &id)).await?;
        Ok(self.answer(&info, reset))
    }

    /// Confirm a reset of many users
    ///
    /// Lets a previewed reset run. `If-Match` names the preview that was seen. Where the tenant's policy
    /// (`mfaResetApproval`) or a customer's asks for it, somebody else than the creator must confirm.
    #[oai(path = "/v1.0/mfaResets/:id/confirm", method = "post", operation_id = "confirmMfaReset")]
    async fn confirm(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The reset's id.
        #[oai(example = "examples::mfa_reset")]
        id: Path<String>,
        /// The `@odata.etag` of the reset as it was read.
        #[oai(name = "If-Match", example = "examples::mfa_reset_etag")]
        if_match: Header<Option<String>>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<MfaResetAnswer, Problem> {
        let version = etag::required_version(if_match.as_deref())?;
        let attempt = Attempt::new(Activity::CONFIRM_MFA_RESET);
        let confirm = move |tx: &mut Tx<'_>, caller: &Caller| mfa_resets::confirm(tx, caller, &id, version);
        let reset = self.0.write(guard.0, attempt, confirm).await?;
        Ok(self.answer(&info, reset))
    }

    /// Cancel a reset of many users
    ///
    /// Stops it at the next user. Whoever was reset stays reset; the others' items become `cancelled`.
    #[oai(path = "/v1.0/mfaResets/:id/cancel", method = "post", operation_id = "cancelMfaReset")]
    async fn cancel(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The reset's id.
        #[oai(example = "examples::cancelled_mfa_reset")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<MfaResetAnswer, Problem> {
        let attempt = Attempt::new(Activity::CANCEL_MFA_RESET);
        let cancel = move |tx: &mut Tx<'_>, caller: &Caller| mfa_resets::cancel(tx, caller, &id);
        let reset = self.0.write(guard.0, attempt, cancel).await?;
        Ok(self.answer(&info, reset))
    }

    /// Retry a reset of many users
    ///
    /// Runs a finished reset again for the users whose items are `failed`, and only for them.
    #[oai(path = "/v1.0/mfaResets/:id/retry", method = "post", operation_id = "retryMfaReset")]
    async fn retry(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The reset's id.
        #[oai(example = "examples::failed_mfa_reset")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<MfaResetAnswer, Problem> {
        let attempt = Attempt::new(Activity::RETRY_MFA_RESET);
        let retry = move |tx: &mut Tx<'_>, caller: &Caller| mfa_resets::retry(tx, caller, &id);
        let reset = self.0.write(guard.0, attempt, retry).await?;
        Ok(self.answer(&info, reset))
    }

    /// List the users of a reset
    ///
    /// What became of each, in the order in which they were named.
    #[oai(path = "/v1.0/mfaResets/:id/items", method = "get", operation_id = "listMfaResetItems")]
    async fn items(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The reset's id.
        #[oai(example = "examples::mfa_reset")]
        id: Path<String>,
        /// `status eq '...'`, `tenantId eq '...'`, or both joined by `and`.
        #[oai(name = "$filter")]
        filter: Query<Option<String>>,
        /// Items of a page, 1 to 999. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// Where the page before ended; part of `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<ItemView>>, Problem> {
        refuse_other_options(&info, &["$filter", "$top", "$skiptoken"])?;
        let filter = filter.as_deref().map(item_filter).transpose()?.unwrap_or_default();
        let paging = Paging::new(top.0, skip_token.0)?;
        let after = paging.after.as_deref().map(|key| key.parse().map_err(|_| foreign_skip_token())).transpose()?;
        let (after, limit, reset) = (after.unwrap_or(0), paging.limit(), id.0.clone());
        let list =
            move |tx: &mut Tx<'_>, caller: &Caller| mfa_resets::items::list(tx, caller, &reset, &filter, after, limit);
        let items = self.0.read(guard.0, list).await?;
        let what = format!("mfaResets('{}')/items", id.0.replace(['\'', '#', '%'], ""));
        Ok(Json(paging.page(&self.0, &info, &what, items, |item| item.number.to_string(), ItemView::from)))
    }

    /// Download what became of every user
    ///
    /// CSV with one line per user: tenant, user, status, reason, what was deleted and deactivated, the audit event.
    #[oai(path = "/v1.0/mfaResets/:id/report.csv", method = "get", operation_id = "downloadMfaResetReport")]
    async fn report(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The reset's id.
        #[oai(example = "examples::mfa_reset")]
        id: Path<String>,
    ) -> Result<ReportAnswer, Problem> {
        refuse_other_options(&info, &[])?;
        let body = follow::report(&self.0, guard.0, id.0.clone()).await?;
        let name: String = id.0.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '-').collect();
        Ok(ReportAnswer::Csv(Binary(body), format!("attachment; filename=\"mfa-reset-{name}.csv\"")))
    }

    /// Follow a reset of many users
    ///
    /// Server-sent events: one whenever the reset has come further, the last of the type `end`. After a broken
    /// connection, `Last-Event-ID` (which browsers send by themselves) leaves out what was seen; when nothing can follow
    /// any more, the answer is 204. A stream ends with the access token that opened it.
    #[oai(path = "/v1.0/mfaResets/:id/events", method = "get", operation_id = "followMfaReset")]
    async fn events(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The reset's id.
        #[oai(example = "examples::finished_mfa_reset")]
        id: Path<String>,
        /// The id of the last event that was seen.
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<String>>,
    ) -> Result<EventsAnswer, Problem> {
        refuse_other_options(&info, &[])?;
        let events = follow::events(&self.0, guard.0, &info, id.0, last_event_id.0).await?;
        // A proxy must not hold events back.
        Ok(match events {
            Some(events) => EventsAnswer::Events(events, "no".into()),
            None => EventsAnswer::Over,
        })
    }

    /// List the receipts of a finished reset
    ///
    /// One for every tenant that the caller knows.
    #[oai(path = "/v1.0/mfaResets/:id/receipts", method = "get", operation_id = "listMfaResetReceipts")]
    async fn receipts(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The reset's id.
        #[oai(example = "examples::finished_mfa_reset")]
        id: Path<String>,
    ) -> Result<Json<Page<ReceiptView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let reset = id.0.clone();
        let tenants = self.0.read(guard.0, move |tx, caller| mfa_resets::receipt::tenants(tx, caller, &reset)).await?;
        let view = |tenant: TenantId| ReceiptView {
            receipt: self.0.url(&info, &format!("/mfaResets/{}/receipts/{tenant}", id.0)),
            tenant_id: tenant.into_string(),
        };
        let context = self.0.context(&info, &format!("mfaResets('{}')/receipts", id.0));
        Ok(Json(Page::whole(context, tenants.into_iter().map(view).collect())))
    }

    /// Download a receipt
    ///
    /// Who reset whom, when, and what went, of one tenant, as a JWS (RFC 7515) signed with that tenant's key. Whoever has
    /// the tenant's JWKS (`/{tenant}/discovery/v2.0/keys`) can check it without this service; `rekey receipt verify`
    /// does.
    #[oai(path = "/v1.0/mfaResets/:id/receipts/:tenant", method = "get", operation_id = "downloadMfaResetReceipt")]
    async fn receipt(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The reset's id.
        #[oai(example = "examples::finished_mfa_reset")]
        id: Path<String>,
        /// The tenant's id.
        #[oai(example = "examples::tenant_id")]
        tenant: Path<String>,
    ) -> Result<ReceiptAnswer, Problem> {
        refuse_other_options(&info, &[])?;
        let body = follow::receipt(&self.0, guard.0, id.0, tenant.0).await?;
        Ok(ReceiptAnswer::Jws(Binary(body)))
    }
}

/// Where a page of resets ended.
fn position(key: &str) -> Result<(Timestamp, MfaResetId)> {
    let parts = key
        .split_once('.')
        .and_then(|(micros, id)| Some((Timestamp::from_micros(micros.parse().ok()?), MfaResetId::parse(id)?)));
    parts.ok_or_else(foreign_skip_token)
}
