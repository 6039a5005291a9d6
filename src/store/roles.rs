//! Directory roles of users.

use diesel::prelude::*;

use serde::{Deserialize, Serialize};

use super::{
    Tx,
    schema::{role_assignments, users},
};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{TenantId, UserId},
};

diesel::allow_tables_to_appear_in_same_query!(role_assignments, users);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Queryable, Selectable, Insertable)]
#[diesel(table_name = role_assignments)]
pub struct RoleAssignment {
    pub tenant_id: TenantId,
    pub user_id: UserId,
    /// The role's template id.
    pub role_id: String,
    pub created_at: Timestamp,
}

pub fn insert(tx: &mut Tx<'_>, assignment: &RoleAssignment) -> Result<()> {
    diesel::insert_into(role_assignments::table).values(assignment).execute(tx.conn)?;
    tx.touch(&assignment.tenant_id, &assignment.user_id);
    Ok(())
}

/// True when the assignment was there.
pub fn delete(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, role_id: &str) -> Result<bool> {
    tx.touch(tenant, user);
    Ok(diesel::delete(role_assignments::table.find((tenant, user, role_id))).execute(tx.conn)? == 1)
}

pub fn delete_all(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<()> {
    let all = role_assignments::table
        .filter(role_assignments::tenant_id.eq(tenant))
        .filter(role_assignments::user_id.eq(user));
    diesel::delete(all).execute(tx.conn)?;
    tx.touch(tenant, user);
    Ok(())
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, role_id: &str) -> Result<Option<RoleAssignment>> {
    let query = role_assignments::table.find((tenant, user, role_id)).select(RoleAssignment::as_select());
    Ok(query.first(tx.conn).optional()?)
}

pub fn of_user(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<Vec<RoleAssignment>> {
    let query = role_assignments::table
        .filter(role_assignments::tenant_id.eq(tenant))
        .filter(role_assignments::user_id.eq(user));
    Ok(query.order(role_assignments::role_id).select(RoleAssignment::as_select()).load(tx.conn)?)
}

/// The assignments of some users.
pub fn of_users(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId]) -> Result<Vec<RoleAssignment>> {
    let query = role_assignments::table
        .filter(role_assignments::tenant_id.eq(tenant))
        .filter(role_assignments::user_id.eq_any(users));
    Ok(query
        .order((role_assignments::user_id, role_assignments::role_id))
        .select(RoleAssignment::as_select())
        .load(tx.conn)?)
}

/// A page of the assignments of present users (of all, or of `principal`) in the order of (user, role); `after` is
/// the last pair of the page before.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    principal: Option<&UserId>,
    after: Option<(&UserId, &str)>,
    limit: i64,
) -> Result<Vec<RoleAssignment>> {
    let present = users::table
        .filter(users::tenant_id.eq(role_assignments::tenant_id))
        .filter(users::user_id.eq(role_assignments::user_id))
        .filter(users::deleted_at.is_null());
    let mut query = role_assignments::table
        .filter(role_assignments::tenant_id.eq(tenant))
        .filter(diesel::dsl::exists(present))
        .order((role_assignments::user_id, role_assignments::role_id))
        .select(RoleAssignment::as_select())
        .limit(limit)
        .into_boxed();
    if let Some(principal) = principal {
        query = query.filter(role_assignments::user_id.eq(principal));
    }
    if let Some((user, role)) = after {
        let later_role = role_assignments::user_id.eq(user).and(role_assignments::role_id.gt(role));
        query = query.filter(role_assignments::user_id.gt(user).or(later_role));
    }
    Ok(query.load(tx.conn)?)
}
