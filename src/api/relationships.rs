//! `/tenantRelationships/delegatedAdminRelationships`: what partners may do in their customers' tenants.

use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

pub mod bodies;

use bodies::{RelationshipBody, RelationshipUpdateBody, RelationshipView, parse_filter};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, NoContent, Page, Paging, etag, refuse_other_options},
    problem::Problem,
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    error::Result,
    id::RelationshipId,
    partners::{
        self, Logs, Seen,
        proposals::{self, Proposal},
    },
    store::Tx,
};

/// Where relationships are, in contexts and addresses.
pub const COLLECTION: &str = "tenantRelationships/delegatedAdminRelationships";
/// The largest page of what partners list; Graph's number.
pub const MAX_PAGE: u32 = 300;

pub struct RelationshipsApi(pub App);

#[derive(ApiResponse)]
enum CreatedRelationship {
    /// The proposal was written down; lock it for the customer's approval with a request.
    #[oai(status = 201)]
    Created(
        Json<Entity<RelationshipView>>,
        /// The address of the relationship.
        #[oai(header = "Location")]
        String,
        /// The same as `@odata.etag`.
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum FoundRelationship {
    /// The relationship as it is now.
    #[oai(status = 200)]
    Found(
        Json<Entity<RelationshipView>>,
        /// The same as `@odata.etag`.
        #[oai(header = "ETag")]
        String,
    ),
}

#[OpenApi(tag = "Tag::Partners")]
impl RelationshipsApi {
    /// List relationships
    ///
    /// Those of this tenant as a partner, and those that name it as the customer (but no drafts of others). Needs the
    /// permission `DelegatedAdminRelationship.Read.All` or `DelegatedAdminRelationship.ReadWrite.All`, or the role Global
    /// Reader or Global Administrator.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships",
        method = "get",
        operation_id = "listRelationships"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// `status eq '...'`, `customer/tenantId eq '...'`, or both joined by `and`.
        #[oai(name = "$filter", example = "examples::relationship_filter")]
        filter: Query<Option<String>>,
        /// Items per page, 1 to 300. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// From `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<RelationshipView>>, Problem> {
        refuse_other_options(&info, &["$filter", "$top", "$skiptoken"])?;
        let paging = Paging::up_to(MAX_PAGE, top.0, skip_token.0)?;
        let filter = parse_filter(filter.as_deref())?;
        let (after, limit) = (paging.after.clone().map(RelationshipId::new), paging.limit());
        let read = self.0.read(guard.0, move |tx, caller| partners::list(tx, caller, &filter, after.as_ref(), limit));
        let views: Result<Vec<_>> = read.await?.into_iter().map(RelationshipView::try_from).collect();
        Ok(Json(paging.page(&self.0, &info, COLLECTION, views?, RelationshipView::id, |view| view)))
    }

    /// Propose a relationship
    ///
    /// A partner writes down which roles it asks for in a customer's tenant, and for how long. Nobody else sees it until
    /// the request `lockForApproval`; until then it can be changed. Whether the customer's tenant exists is not told.
    /// Needs the permission `DelegatedAdminRelationship.ReadWrite.All`, or the role Global Administrator; in a tenant
    /// that is a partner.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships",
        method = "post",
        operation_id = "createRelationship"
    )]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<RelationshipBody>,
    ) -> Result<CreatedRelationship, Problem> {
        let proposal = Proposal::from(body.0);
        let logs = Logs::new(guard.0.tenants());
        let attempt = Attempt::new(Activity::CREATE_RELATIONSHIP);
        let write = self.0.write(guard.0, attempt, move |tx, caller| proposals::create(tx, caller, &proposal, &logs));
        let seen = write.await?;
        let location = self.0.url(&info, &format!("/{COLLECTION}/{}", seen.relationship.relationship_id));
        let (entity, etag) = self.entity(&info, seen)?;
        Ok(CreatedRelationship::Created(Json(entity), location, etag))
    }

    /// Get a relationship
    ///
    /// The partner's, or one that names this tenant as the customer; and, for whoever was told its id, one that waits
    /// for a customer it does not name. Needs the permission `DelegatedAdminRelationship.Read.All` or
    /// `DelegatedAdminRelationship.ReadWrite.All`, or the role Global Reader or Global Administrator.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id",
        method = "get",
        operation_id = "getRelationship"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::relationship")]
        id: Path<String>,
    ) -> Result<FoundRelationship, Problem> {
        refuse_other_options(&info, &[])?;
        let seen = self.0.read(guard.0, move |tx, caller| partners::get(tx, caller, &id)).await?;
        let (entity, etag) = self.entity(&info, seen)?;
        Ok(FoundRelationship::Found(Json(entity), etag))
    }

    /// Change a proposal
    ///
    /// Only while it is `created` (409 afterwards). Needs the permission `DelegatedAdminRelationship.ReadWrite.All`, or
    /// the role Global Administrator, in the partner's tenant.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id",
        method = "patch",
        operation_id = "updateRelationship"
    )]
    async fn update(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::draft_relationship")]
        id: Path<String>,
        /// The `@odata.etag` of the relationship as you read it. Needed.
        #[oai(name = "If-Match", example = "examples::etag")]
        if_match: Header<Option<String>>,
        body: Json<RelationshipUpdateBody>,
    ) -> Result<FoundRelationship, Problem> {
        let expected = etag::expected_versions(if_match.as_deref())?;
        let (changes, named) = (body.0.changes()?, id.0.clone());
        let attempt = Attempt::new(Activity::UPDATE_RELATIONSHIP);
        let update = move |tx: &mut Tx<'_>, caller: &Caller, logs: &Logs| {
            proposals::update(tx, caller, &named, &changes, &expected, logs)
        };
        let (entity, etag) = self.entity(&info, self.0.write_relationship(guard.0, attempt, &id, update).await?)?;
        Ok(FoundRelationship::Found(Json(entity), etag))
    }

    /// Delete a proposal
    ///
    /// Only while it is `created` (409 afterwards; then end it with the request `terminate`). Needs the permission
    /// `DelegatedAdminRelationship.ReadWrite.All`, or the role Global Administrator, in the partner's tenant.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id",
        method = "delete",
        operation_id = "deleteRelationship"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The relationship's id.
        #[oai(example = "examples::draft_relationship")]
        id: Path<String>,
        /// The `@odata.etag` of the relationship as you read it. Needed.
        #[oai(name = "If-Match", example = "examples::etag")]
        if_match: Header<Option<String>>,
    ) -> Result<NoContent, Problem> {
        let expected = etag::expected_versions(if_match.as_deref())?;
        let (attempt, named) = (Attempt::new(Activity::DELETE_RELATIONSHIP), id.0.clone());
        let delete =
            move |tx: &mut Tx<'_>, caller: &Caller, logs: &Logs| proposals::delete(tx, caller, &named, &expected, logs);
        self.0.write_relationship(guard.0, attempt, &id, delete).await?;
        Ok(NoContent::Done)
    }
}

impl RelationshipsApi {
    fn entity(&self, info: &RequestInfo, seen: Seen) -> Result<(Entity<RelationshipView>, String)> {
        let view = RelationshipView::try_from(seen)?;
        let etag = view.etag();
        Ok((Entity::new(self.0.context(info, &format!("{COLLECTION}/$entity")), view), etag))
    }
}
