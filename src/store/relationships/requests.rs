//! The steps that were asked for in the life of a relationship, and what became of changes of its assignments.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    super::schema::{relationship_operations as operations, relationship_requests as requests},
    Tx,
};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{OperationId, RelationshipId, RelationshipRequestId, TenantId},
    words,
};

words! {
    /// Graph's `delegatedAdminRelationshipRequestAction`.
    pub enum RequestAction {
        LockForApproval = "lockForApproval",
        Approve = "approve",
        Reject = "reject",
        Terminate = "terminate",
    }
}

/// Graph's `delegatedAdminRelationshipRequest`: it was carried out, otherwise there would be no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Queryable, Selectable, Insertable)]
#[diesel(table_name = requests)]
pub struct RelationshipRequest {
    /// The partner.
    pub tenant_id: TenantId,
    pub relationship_id: RelationshipId,
    pub request_id: RelationshipRequestId,
    pub action: RequestAction,
    pub created_at: Timestamp,
}

pub fn insert(tx: &mut Tx<'_>, request: &RelationshipRequest) -> Result<()> {
    diesel::insert_into(requests::table).values(request).execute(tx.conn)?;
    Ok(())
}

pub fn find(
    tx: &mut Tx<'_>,
    partner: &TenantId,
    relationship: &RelationshipId,
    id: &RelationshipRequestId,
) -> Result<Option<RelationshipRequest>> {
    let query = requests::table.find((partner, relationship, id)).select(RelationshipRequest::as_select());
    Ok(query.first(tx.conn).optional()?)
}

/// All requests of a relationship, oldest first; each moves it on, so there are three at most.
pub fn list(tx: &mut Tx<'_>, partner: &TenantId, relationship: &RelationshipId) -> Result<Vec<RelationshipRequest>> {
    let query = requests::table
        .filter(requests::tenant_id.eq(partner))
        .filter(requests::relationship_id.eq(relationship))
        .order(requests::request_id);
    Ok(query.limit(10).select(RelationshipRequest::as_select()).load(tx.conn)?)
}

/// Graph's `delegatedAdminRelationshipOperation`: it succeeded, otherwise there would be no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Queryable, Selectable, Insertable)]
#[diesel(table_name = operations)]
pub struct RelationshipOperation {
    /// The partner.
    pub tenant_id: TenantId,
    pub relationship_id: RelationshipId,
    pub operation_id: OperationId,
    /// Graph's `delegatedAdminRelationshipOperationType`.
    pub operation_type: String,
    /// JSON: the assignment as it was asked for.
    pub data: String,
    pub created_at: Timestamp,
}

pub fn insert_operation(tx: &mut Tx<'_>, operation: &RelationshipOperation) -> Result<()> {
    diesel::insert_into(operations::table).values(operation).execute(tx.conn)?;
    Ok(())
}

pub fn find_operation(
    tx: &mut Tx<'_>,
    partner: &TenantId,
    relationship: &RelationshipId,
    id: &OperationId,
) -> Result<Option<RelationshipOperation>> {
    let query = operations::table.find((partner, relationship, id)).select(RelationshipOperation::as_select());
    Ok(query.first(tx.conn).optional()?)
}

/// A page of a relationship's operations in the order of their ids; `after` is the last id of the page before.
pub fn list_operations(
    tx: &mut Tx<'_>,
    partner: &TenantId,
    relationship: &RelationshipId,
    after: Option<&OperationId>,
    limit: i64,
) -> Result<Vec<RelationshipOperation>> {
    let mut query = operations::table
        .filter(operations::tenant_id.eq(partner))
        .filter(operations::relationship_id.eq(relationship))
        .order(operations::operation_id)
        .select(RelationshipOperation::as_select())
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(operations::operation_id.gt(after));
    }
    Ok(query.load(tx.conn)?)
}

/// Removes operations from before `moment`; how many.
pub fn purge_operations(tx: &mut Tx<'_>, moment: Timestamp) -> Result<usize> {
    Ok(diesel::delete(operations::table.filter(operations::created_at.lt(moment))).execute(tx.conn)?)
}
