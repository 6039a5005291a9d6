//! Directory roles of users.

use diesel::prelude::*;

use super::{Tx, schema::role_assignments};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{TenantId, UserId},
};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
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
    Ok(())
}

/// True when the assignment was there.
pub fn delete(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, role_id: &str) -> Result<bool> {
    Ok(diesel::delete(role_assignments::table.find((tenant, user, role_id))).execute(tx.conn)? == 1)
}

pub fn of_user(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<Vec<RoleAssignment>> {
    let query = role_assignments::table
        .filter(role_assignments::tenant_id.eq(tenant))
        .filter(role_assignments::user_id.eq(user));
    Ok(query.order(role_assignments::role_id).select(RoleAssignment::as_select()).load(tx.conn)?)
}

/// A page of a tenant's assignments in the order of (user, role); `after` is the last pair of the page before.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    after: Option<(&str, &str)>,
    limit: i64,
) -> Result<Vec<RoleAssignment>> {
    let mut query = role_assignments::table
        .filter(role_assignments::tenant_id.eq(tenant))
        .order((role_assignments::user_id, role_assignments::role_id))
        .select(RoleAssignment::as_select())
        .limit(limit)
        .into_boxed();
    if let Some((user, role)) = after {
        let later_role =
            role_assignments::user_id.eq(UserId::new(user)).and(role_assignments::role_id.gt(role.to_owned()));
        query = query.filter(role_assignments::user_id.gt(UserId::new(user)).or(later_role));
    }
    Ok(query.load(tx.conn)?)
}
