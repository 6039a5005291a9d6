//! `/tenantRelationships/delegatedAdminRelationships/{id}/requests`: locking, approving, rejecting, ending.

use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::Example,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Created, Entity, Page, refuse_other_options},
    problem::Problem,
    relationships::COLLECTION,
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    error::Result,
    partners::{Logs, requests},
    store::{
        Tx,
        relationships::requests::{RelationshipRequest, RequestAction},
    },
};

pub struct RelationshipRequestsApi(pub App);

/// What shall become of a relationship.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "DelegatedAdminRelationshipRequestAction", rename_all = "camelCase")]
enum ActionName {
    LockForApproval,
    Approve,
    Reject,
    Terminate,
}

impl From<ActionName> for RequestAction {
    fn from(name: ActionName) -> Self {
        match name {
            ActionName::LockForApproval => Self::LockForApproval,
            ActionName::Approve => Self::Approve,
            ActionName::Reject => Self::Reject,
            ActionName::Terminate => Self::Terminate,
        }
    }
}

impl From<RequestAction> for ActionName {
    fn from(action: RequestAction) -> Self {
        match action {
            RequestAction::LockForApproval => Self::LockForApproval,
            RequestAction::Approve => Self::Approve,
            RequestAction::Reject => Self::Reject,
            RequestAction::Terminate => Self::Terminate,
        }
    }
}

/// The next step of a relationship.
#[derive(Debug, Object)]
#[oai(rename = "NewDelegatedAdminRelationshipRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct RequestBody {
    action: ActionName,
}

impl Example for RequestBody {
    fn example() -> Self {
        Self { action: ActionName::LockForApproval }
    }
}

/// A step in the life of a relationship.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminRelationshipRequest", rename_all = "camelCase")]
struct RequestView {
    id: String,
    action: ActionName,
    /// Always `succeeded`: it took effect at once, or was refused.
    status: String,
    created_date_time: String,
    last_modified_date_time: String,
}

impl From<RelationshipRequest> for RequestView {
    fn from(request: RelationshipRequest) -> Self {
        Self {
            id: request.request_id.into_string(),
            action: request.action.into(),
            status: "succeeded".into(),
            created_date_time: request.created_at.to_iso(),
            last_modified_date_time: request.created_at.to_iso(),
        }
    }
}

#[OpenApi(tag = "Tag::Partners")]
impl RelationshipRequestsApi {
    /// List the requests of a relationship
    ///
    /// Oldest first; there are three at most. Needs the permission `DelegatedAdminRelationship.Read.All` or
    /// `DelegatedAdminRelationship.ReadWrite.All`, or the role Global Reader or Global Administrator.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id/requests",
        method = "get",
        operation_id = "listRelationshipRequests"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::relationship")]
        id: Path<String>,
    ) -> Result<Json<Page<RequestView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let context = self.0.context(&info, &format!("{COLLECTION}('{}')/requests", id.0));
        let found = self.0.read(guard.0, move |tx, caller| requests::list(tx, caller, &id)).await?;
        Ok(Json(Page::whole(context, found.into_iter().map(Into::into).collect())))
    }

    /// Move a relationship on
    ///
    /// | action | who | from | to |
    /// |---|---|---|---|
    /// | `lockForApproval` | the partner | `created` | `approvalPending` |
    /// | `approve` | the customer; whoever knows the id, when no customer is named | `approvalPending` | `active` |
    /// | `reject` | the customer that is named | `approvalPending` | `terminated` |
    /// | `terminate` | either | `approvalPending`, `active`, `expiring` | `terminated` |
    ///
    /// It takes effect at once: every token that a relationship gave is void with the next call after it ended. The wrong
    /// side is answered 403, the wrong status 409. Both parties' audit logs tell of it. Needs the permission
    /// `DelegatedAdminRelationship.ReadWrite.All`, or the role Global Administrator.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id/requests",
        method = "post",
        operation_id = "createRelationshipRequest"
    )]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::draft_relationship")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<RequestBody>,
    ) -> Result<Created<RequestView>, Problem> {
        let (action, named) = (RequestAction::from(body.0.action), id.0.clone());
        let attempt = Attempt::new(requests::activity(action));
        let write =
            move |tx: &mut Tx<'_>, caller: &Caller, logs: &Logs| requests::create(tx, caller, &named, action, logs);
        let request = self.0.write_relationship(guard.0, attempt, &id, write).await?;
        let path = format!("/{COLLECTION}/{}/requests/{}", request.relationship_id, request.request_id);
        let context = self.context(&info, &request);
        Ok(Created::Created(Json(Entity::new(context, request.into())), self.0.url(&info, &path)))
    }

    /// Get a request of a relationship
    ///
    /// Needs the permission `DelegatedAdminRelationship.Read.All` or `DelegatedAdminRelationship.ReadWrite.All`, or the
    /// role Global Reader or Global Administrator.
    #[oai(
        path = "/v1.0/tenantRelationships/delegatedAdminRelationships/:id/requests/:request",
        method = "get",
        operation_id = "getRelationshipRequest"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The relationship's id.
        #[oai(example = "examples::relationship")]
        id: Path<String>,
        /// The request's id.
        #[oai(example = "examples::relationship_request")]
        request: Path<String>,
    ) -> Result<Json<Entity<RequestView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| requests::get(tx, caller, &id, &request)).await?;
        let context = self.context(&info, &found);
        Ok(Json(Entity::new(context, found.into())))
    }
}

impl RelationshipRequestsApi {
    fn context(&self, info: &RequestInfo, request: &RelationshipRequest) -> String {
        self.0.context(info, &format!("{COLLECTION}('{}')/requests/$entity", request.relationship_id))
    }
}
