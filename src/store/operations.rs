//! Graph's `longRunningOperation`: what became of a password reset.

use diesel::prelude::*;

use super::{Tx, schema::operations};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{OperationId, TenantId, UserId},
    words,
};

words! {
    /// Graph's `longRunningOperationStatus`.
    pub enum OperationStatus {
        NotStarted = "notStarted",
        Running = "running",
        Succeeded = "succeeded",
        Failed = "failed",
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = operations)]
pub struct Operation {
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub operation_id: OperationId,
    pub status: OperationStatus,
    /// Such as `ResetSuccess`.
    pub status_detail: Option<String>,
    /// What was acted on, as a path below the version segment.
    pub resource_location: String,
    pub created_at: Timestamp,
    pub last_action_at: Timestamp,
}

pub fn insert(tx: &mut Tx<'_>, operation: &Operation) -> Result<()> {
    diesel::insert_into(operations::table).values(operation).execute(tx.conn)?;
    Ok(())
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, id: &OperationId) -> Result<Option<Operation>> {
    let query = operations::table.find((tenant, user, id));
    Ok(query.select(Operation::as_select()).first(tx.conn).optional()?)
}

/// Removes the operations from before a moment.
pub fn purge(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize> {
    Ok(diesel::delete(operations::table.filter(operations::created_at.lt(before))).execute(tx.conn)?)
}
