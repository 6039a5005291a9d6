//! Which of the partner's applications and users use which of a relationship's roles.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{super::schema::access_assignments, ContainerType, Tx};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{AccessAssignmentId, RelationshipId, TenantId},
};

/// Graph's `delegatedAdminAccessAssignment`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = access_assignments)]
pub struct AccessAssignment {
    /// The partner.
    pub tenant_id: TenantId,
    pub relationship_id: RelationshipId,
    pub assignment_id: AccessAssignmentId,
    pub container_type: ContainerType,
    /// An application's or user's id.
    pub container_id: String,
    /// JSON list of role template ids.
    pub roles: String,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    /// Rises with every change.
    pub version: i64,
}

pub fn insert(tx: &mut Tx<'_>, assignment: &AccessAssignment) -> Result<()> {
    diesel::insert_into(access_assignments::table).values(assignment).execute(tx.conn)?;
    Ok(())
}

/// Writes the whole row back.
pub fn update(tx: &mut Tx<'_>, assignment: &AccessAssignment) -> Result<()> {
    let key = (&assignment.tenant_id, &assignment.relationship_id, &assignment.assignment_id);
    diesel::update(access_assignments::table.find(key)).set(assignment).execute(tx.conn)?;
    Ok(())
}

pub fn delete(tx: &mut Tx<'_>, assignment: &AccessAssignment) -> Result<()> {
    let key = (&assignment.tenant_id, &assignment.relationship_id, &assignment.assignment_id);
    diesel::delete(access_assignments::table.find(key)).execute(tx.conn)?;
    Ok(())
}

pub fn find(
    tx: &mut Tx<'_>,
    partner: &TenantId,
    relationship: &RelationshipId,
    id: &AccessAssignmentId,
) -> Result<Option<AccessAssignment>> {
    let query = access_assignments::table.find((partner, relationship, id));
    Ok(query.select(AccessAssignment::as_select()).first(tx.conn).optional()?)
}

/// True when the application or user has an assignment in this relationship already.
pub fn is_assigned(
    tx: &mut Tx<'_>,
    partner: &TenantId,
    relationship: &RelationshipId,
    container: &str,
) -> Result<bool> {
    let query = access_assignments::table
        .filter(access_assignments::tenant_id.eq(partner))
        .filter(access_assignments::container_id.eq(container))
        .filter(access_assignments::relationship_id.eq(relationship));
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}

/// True when the application or user has an assignment in any relationship.
pub fn has_any(tx: &mut Tx<'_>, partner: &TenantId, container: &str) -> Result<bool> {
    let query = access_assignments::table
        .filter(access_assignments::tenant_id.eq(partner))
        .filter(access_assignments::container_id.eq(container));
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}

pub fn count(tx: &mut Tx<'_>, partner: &TenantId, relationship: &RelationshipId) -> Result<i64> {
    let query = access_assignments::table
        .filter(access_assignments::tenant_id.eq(partner))
        .filter(access_assignments::relationship_id.eq(relationship));
    Ok(query.count().get_result(tx.conn)?)
}

/// A page of a relationship's assignments in the order of their ids; `after` is the last id of the page before.
pub fn list(
    tx: &mut Tx<'_>,
    partner: &TenantId,
    relationship: &RelationshipId,
    after: Option<&AccessAssignmentId>,
    limit: i64,
) -> Result<Vec<AccessAssignment>> {
    let mut query = access_assignments::table
        .filter(access_assignments::tenant_id.eq(partner))
        .filter(access_assignments::relationship_id.eq(relationship))
        .order(access_assignments::assignment_id)
        .select(AccessAssignment::as_select())
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(access_assignments::assignment_id.gt(after));
    }
    Ok(query.load(tx.conn)?)
}
