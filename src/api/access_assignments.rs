//! `/tenantRelationships/delegatedAdminRelationships/{id}/accessAssignments` and `/operations`: who of the partner uses
//! which roles, and what became of changes of that.

use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

mod bodies;

use bodies::{AssignmentBody, AssignmentUpdateBody, AssignmentView, OperationView};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, NoContent, Page, Paging, etag, refuse_other_options},
    problem::Problem,
    relationships::{COLLECTION, MAX_PAGE},
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    error::Result,
    id::{AccessAssignmentId, OperationId},
    partners::{Logs, assignments},
    store::{Tx, relationships::assignments::AccessAssignment},
};

pub struct AccessAssignmentsApi(pub App);

#[derive(ApiResponse)]
enum CreatedAssignment {
    /// The application or user has the roles.
    #[oai(status = 201)]
    Created(
        Json<Entity<AssignmentView>>,
        /// The address of the assignment.
        #[oai(header = "Location")]
        String,
        /// The same as `@odata.etag`.
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum FoundAssignment {
    /// The assignment as it is now.
    #[oai(status = 200)]
    Found(
        Json<Entity<AssignmentView>>,
        /// The same as `@odata.etag`.
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on its way out")]
enum UpdatedAssignment {
    /// Nothing was to be changed: the assignment has these roles.
    #[oai(status = 200)]
    Unchanged(
        Json<Entity<AssignmentView>>,
        /// The same as `@odata.etag`.
        #[oai(header = "ETag")]
        String,
    ),
    /// Changed. As in Graph the answer names an operation; here it has succeeded already.
    #[oai(status = 202)]
    Accepted(
        /// The address of the operation.
        #[oai(header = "Location")]
        String,
    ),
}

#[OpenApi(tag = "Tag::Partners")]
impl AccessAssignmentsApi {
    /// List the access assignments of a relationship
    ///
    /// Who of the partner uses which of the relationship's roles; only the partner sees it. Needs the permission
    /// `DelegatedAdminRelationship.Read.All` or `DelegatedAdminRelationship.ReadWrite.All`, or the role Global Reader or
    /// Global Administrator, in the partner's tenant.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id/accessAssignments",
        method = "get",
        operation_id = "listAccessAssignments"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::relationship")]
        id: Path<String>,
        /// Items per page, 1 to 300. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// From `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<AssignmentView>>, Problem> {
        refuse_other_options(&info, &["$top", "$skiptoken"])?;
        let paging = Paging::up_to(MAX_PAGE, top.0, skip_token.0)?;
        let what = format!("{COLLECTION}('{}')/accessAssignments", id.0);
        let (after, limit) = (paging.after.clone().map(AccessAssignmentId::new), paging.limit());
        let read = self.0.read(guard.0, move |tx, caller| assignments::list(tx, caller, &id, after.as_ref(), limit));
        let views: Result<Vec<_>> = read.await?.into_iter().map(AssignmentView::try_from).collect();
        Ok(Json(paging.page(&self.0, &info, &what, views?, AssignmentView::id, |view| view)))
    }

    /// Give roles to an application or user of the partner
    ///
    /// Roles of the relationship, to one of the partner's own applications or users; at most 100 for each relationship.
    /// They count while the relationship is active. There are no groups here, so `securityGroup` is refused. Both
    /// parties' audit logs tell of it. Needs the permission `DelegatedAdminRelationship.ReadWrite.All`, or the role Global
    /// Administrator, in the partner's tenant.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id/accessAssignments",
        method = "post",
        operation_id = "createAccessAssignment"
    )]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::relationship")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<AssignmentBody>,
    ) -> Result<CreatedAssignment, Problem> {
        let (new, named) = (body.0.into(), id.0.clone());
        let attempt = Attempt::new(Activity::CREATE_ACCESS_ASSIGNMENT);
        let write =
            move |tx: &mut Tx<'_>, caller: &Caller, logs: &Logs| assignments::create(tx, caller, &named, &new, logs);
        let assignment = self.0.write_relationship(guard.0, attempt, &id, write).await?;
        let path =
            format!("/{COLLECTION}/{}/accessAssignments/{}", assignment.relationship_id, assignment.assignment_id);
        let (entity, etag) = self.entity(&info, assignment)?;
        Ok(CreatedAssignment::Created(Json(entity), self.0.url(&info, &path), etag))
    }

    /// Get an access assignment
    ///
    /// Needs the permission `DelegatedAdminRelationship.Read.All` or `DelegatedAdminRelationship.ReadWrite.All`, or the
    /// role Global Reader or Global Administrator, in the partner's tenant.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id/accessAssignments/:assignment",
        method = "get",
        operation_id = "getAccessAssignment"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::relationship")]
        id: Path<String>,
        /// The assignment's id.
        #[oai(example = "examples::access_assignment")]
        assignment: Path<String>,
    ) -> Result<FoundAssignment, Problem> {
        refuse_other_options(&info, &[])?;
        let read = self.0.read(guard.0, move |tx, caller| assignments::get(tx, caller, &id, &assignment));
        let (entity, etag) = self.entity(&info, read.await?)?;
        Ok(FoundAssignment::Found(Json(entity), etag))
    }

    /// Change the roles of an access assignment
    ///
    /// Replaces them; the next call has the new ones. Needs the permission
    /// `DelegatedAdminRelationship.ReadWrite.All`, or the role Global Administrator, in the partner's tenant.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id/accessAssignments/:assignment",
        method = "patch",
        operation_id = "updateAccessAssignment"
    )]
    async fn update(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::relationship")]
        id: Path<String>,
        /// The assignment's id.
        #[oai(example = "examples::access_assignment")]
        assignment: Path<String>,
        /// The `@odata.etag` of the assignment as you read it. Needed.
        #[oai(name = "If-Match", example = "examples::etag")]
        if_match: Header<Option<String>>,
        body: Json<AssignmentUpdateBody>,
    ) -> Result<UpdatedAssignment, Problem> {
        let expected = etag::expected_versions(if_match.as_deref())?;
        let (roles, named) = (body.0.into_ids(), id.0.clone());
        let attempt = Attempt::new(Activity::UPDATE_ACCESS_ASSIGNMENT);
        let write = move |tx: &mut Tx<'_>, caller: &Caller, logs: &Logs| {
            assignments::update(tx, caller, [&named, &assignment], &roles, &expected, logs)
        };
        let updated = self.0.write_relationship(guard.0, attempt, &id, write).await?;
        Ok(match updated.operation {
            Some(operation) => {
                let path = format!("/{COLLECTION}/{}/operations/{}", operation.relationship_id, operation.operation_id);
                UpdatedAssignment::Accepted(self.0.url(&info, &path))
            }
            None => {
                let (entity, etag) = self.entity(&info, updated.assignment)?;
                UpdatedAssignment::Unchanged(Json(entity), etag)
            }
        })
    }

    /// Take the roles away again
    ///
    /// From the next call on. Needs the permission `DelegatedAdminRelationship.ReadWrite.All`, or the role Global
    /// Administrator, in the partner's tenant.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id/accessAssignments/:assignment",
        method = "delete",
        operation_id = "deleteAccessAssignment"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The relationship's id.
        #[oai(example = "examples::relationship")]
        id: Path<String>,
        /// The assignment's id.
        #[oai(example = "examples::access_assignment")]
        assignment: Path<String>,
        /// The `@odata.etag` of the assignment as you read it. Needed.
        #[oai(name = "If-Match", example = "examples::etag")]
        if_match: Header<Option<String>>,
    ) -> Result<NoContent, Problem> {
        let expected = etag::expected_versions(if_match.as_deref())?;
        let (attempt, named) = (Attempt::new(Activity::DELETE_ACCESS_ASSIGNMENT), id.0.clone());
        let write = move |tx: &mut Tx<'_>, caller: &Caller, logs: &Logs| {
            assignments::delete(tx, caller, [&named, &assignment], &expected, logs)
        };
        self.0.write_relationship(guard.0, attempt, &id, write).await?;
        Ok(NoContent::Done)
    }

    /// List the operations of a relationship
    ///
    /// What became of changes of its access assignments; kept for 25 hours. Needs the permission
    /// `DelegatedAdminRelationship.Read.All` or `DelegatedAdminRelationship.ReadWrite.All`, or the role Global Reader or
    /// Global Administrator, in the partner's tenant.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id/operations",
        method = "get",
        operation_id = "listRelationshipOperations"
    )]
    async fn operations(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::relationship")]
        id: Path<String>,
        /// Items per page, 1 to 300. Default: 100.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// From `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<OperationView>>, Problem> {
        refuse_other_options(&info, &["$top", "$skiptoken"])?;
        let paging = Paging::up_to(MAX_PAGE, top.0, skip_token.0)?;
        let what = format!("{COLLECTION}('{}')/operations", id.0);
        let (after, limit) = (paging.after.clone().map(OperationId::new), paging.limit());
        let read =
            self.0.read(guard.0, move |tx, caller| assignments::operations(tx, caller, &id, after.as_ref(), limit));
        let key = |operation: &OperationView| operation.id();
        let found = read.await?.into_iter().map(OperationView::from).collect();
        Ok(Json(paging.page(&self.0, &info, &what, found, key, |view| view)))
    }

    /// Get an operation of a relationship
    ///
    /// Needs the permission `DelegatedAdminRelationship.Read.All` or `DelegatedAdminRelationship.ReadWrite.All`, or the
    /// role Global Reader or Global Administrator, in the partner's tenant.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id/operations/:operation",
        method = "get",
        operation_id = "getRelationshipOperation"
    )]
    async fn operation(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::relationship")]
        id: Path<String>,
        /// The operation's id.
        #[oai(example = "examples::relationship_operation")]
        operation: Path<String>,
    ) -> Result<Json<Entity<OperationView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let read = self.0.read(guard.0, move |tx, caller| assignments::operation(tx, caller, &id, &operation));
        let found = read.await?;
        let what = format!("{COLLECTION}('{}')/operations/$entity", found.relationship_id);
        Ok(Json(Entity::new(self.0.context(&info, &what), found.into())))
    }
}

impl AccessAssignmentsApi {
    fn entity(&self, info: &RequestInfo, assignment: AccessAssignment) -> Result<(Entity<AssignmentView>, String)> {
        let what = format!("{COLLECTION}('{}')/accessAssignments/$entity", assignment.relationship_id);
        let etag = etag::of_version(assignment.version);
        Ok((Entity::new(self.0.context(info, &what), assignment.try_into()?), etag))
    }
}
