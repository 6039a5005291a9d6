//! The sign-in log: one row per attempt that came to an end.

use diesel::prelude::*;

use super::{Tx, schema::sign_ins};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{ApplicationId, TenantId, UserId},
};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = sign_ins)]
pub struct SignInRow {
    pub tenant_id: TenantId,
    pub sign_in_id: String,
    pub created_at: Timestamp,
    pub user_id: Option<UserId>,
    pub user_display_name: Option<String>,
    pub user_principal_name: Option<String>,
    pub application_id: ApplicationId,
    pub application_display_name: String,
    /// 0 for a success, else one of Entra's AADSTS numbers.
    pub error_code: i32,
    pub failure_reason: Option<String>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub correlation_id: String,
    /// JSON: the steps, Graph's `authenticationDetails`.
    pub details: String,
}

pub fn insert(tx: &mut Tx<'_>, row: &SignInRow) -> Result<()> {
    diesel::insert_into(sign_ins::table).values(row).execute(tx.conn)?;
    Ok(())
}
