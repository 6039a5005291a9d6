//! Delegated administration: which partner administers which customer, with which roles, and who of the partner does.

use diesel::prelude::*;

use super::{
    Tx,
    schema::{access_assignments, relationships},
};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{RelationshipId, TenantId},
    words,
};

diesel::allow_tables_to_appear_in_same_query!(relationships, access_assignments);

words! {
    /// As it is stored. That a relationship is about to end or has ended follows from the clock.
    pub enum StoredStatus {
        Created = "created",
        ApprovalPending = "approvalPending",
        Active = "active",
        Expired = "expired",
        Terminated = "terminated",
    }
}

words! {
    /// Graph's `autoExtendDuration`.
    pub enum AutoExtend {
        Never = "PT0S",
        HalfAYear = "P180D",
    }
}

words! {
    /// Whom an assignment gives roles to.
    pub enum ContainerType {
        Application = "application",
        User = "user",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = relationships, treat_none_as_null = true)]
pub struct Relationship {
    /// The partner.
    pub tenant_id: TenantId,
    pub relationship_id: RelationshipId,
    pub customer_tenant_id: Option<TenantId>,
    pub display_name: String,
    /// ISO 8601, as it was asked for.
    pub duration: String,
    pub auto_extend_duration: AutoExtend,
    /// JSON list of role template ids.
    pub roles: String,
    pub status: StoredStatus,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    pub activated_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    /// Rises with every change.
    pub version: i64,
}

/// What somebody of a partner may use of one relationship: both lists hold role template ids as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub relationship_id: RelationshipId,
    pub relationship_roles: String,
    pub assigned_roles: String,
}

/// True for relationships in force now. One that extends itself is in force even before its end was moved.
macro_rules! in_force {
    ($now:expr) => {{
        let lasts = relationships::ends_at.is_not_null().and(relationships::ends_at.assume_not_null().gt($now));
        let extends = relationships::auto_extend_duration.ne(AutoExtend::Never);
        relationships::status.eq(StoredStatus::Active).and(lasts.or(extends))
    }};
}

/// What the partner's application or user `container` was given in the customer's tenant, in force now.
pub fn grants(tx: &mut Tx<'_>, partner: &TenantId, customer: &TenantId, container: &str) -> Result<Vec<Grant>> {
    let of_container = access_assignments::tenant_id
        .eq(relationships::tenant_id)
        .and(access_assignments::relationship_id.eq(relationships::relationship_id))
        .and(access_assignments::container_id.eq(container));
    let query = relationships::table
        .inner_join(access_assignments::table.on(of_container))
        .filter(relationships::tenant_id.eq(partner))
        .filter(relationships::customer_tenant_id.eq(customer))
        .filter(in_force!(tx.now))
        .order(relationships::relationship_id)
        .select((relationships::relationship_id, relationships::roles, access_assignments::roles));
    let rows: Vec<(RelationshipId, String, String)> = query.load(tx.conn)?;
    let grant = |(relationship_id, relationship_roles, assigned_roles)| Grant {
        relationship_id,
        relationship_roles,
        assigned_roles,
    };
    Ok(rows.into_iter().map(grant).collect())
}

/// Whether anything at all was ever assigned to the partner's application or user.
pub fn has_assignment(tx: &mut Tx<'_>, partner: &TenantId, container: &str) -> Result<bool> {
    let query = access_assignments::table
        .filter(access_assignments::tenant_id.eq(partner))
        .filter(access_assignments::container_id.eq(container));
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}
