//! Delegated administration: which partner administers which customer, with which roles, and who of the partner does.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Tx,
    schema::{access_assignments, relationship_operations, relationship_requests, relationships},
};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{RelationshipId, TenantId},
    words,
};

pub mod assignments;
pub mod customers;
pub mod requests;

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
    /// Graph's `delegatedAdminRelationshipStatus`, as far as a relationship here ever has one.
    pub enum Status {
        /// The partner is still writing it; only then can it be changed.
        Created = "created",
        ApprovalPending = "approvalPending",
        Active = "active",
        /// Active, and about to end.
        Expiring = "expiring",
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

/// A relationship: the partner's proposal until the customer approves, then what the partner may do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = relationships, treat_none_as_null = true)]
pub struct Relationship {
    /// The partner.
    pub tenant_id: TenantId,
    pub relationship_id: RelationshipId,
    /// Nobody until a customer approves, when the partner named nobody.
    pub customer_tenant_id: Option<TenantId>,
    /// As the partner says until the customer approves, then as the customer is called.
    pub customer_display_name: Option<String>,
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
    /// From when on it is about to end; none while it extends itself.
    pub expiring_at: Option<Timestamp>,
    /// Rises with every change.
    pub version: i64,
}

impl Relationship {
    /// What it is at this moment, whether or not anybody has written down that it ended. [`list`] says the same in SQL.
    pub fn status_at(&self, now: Timestamp) -> Status {
        match self.status {
            StoredStatus::Created => Status::Created,
            StoredStatus::ApprovalPending => Status::ApprovalPending,
            StoredStatus::Expired => Status::Expired,
            StoredStatus::Terminated => Status::Terminated,
            StoredStatus::Active if self.auto_extend_duration != AutoExtend::Never => Status::Active,
            StoredStatus::Active if self.ends_at.is_none_or(|at| at <= now) => Status::Expired,
            StoredStatus::Active if self.expiring_at.is_some_and(|at| at <= now) => Status::Expiring,
            StoredStatus::Active => Status::Active,
        }
    }
}

/// What a list of relationships asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelationshipFilter {
    pub status: Option<Status>,
    pub customer: Option<TenantId>,
}

/// What somebody of a partner may use of one relationship: both lists hold role template ids as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub customer: TenantId,
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
use in_force;

/// The assignments that belong to a relationship.
macro_rules! of_relationship {
    () => {
        access_assignments::tenant_id
            .eq(relationships::tenant_id)
            .and(access_assignments::relationship_id.eq(relationships::relationship_id))
    };
}
use of_relationship;

/// What the partner's application or user `container` was given in the tenants of these customers, in force now.
pub fn grants(tx: &mut Tx<'_>, partner: &TenantId, customers: &[TenantId], container: &str) -> Result<Vec<Grant>> {
    let query = relationships::table
        .inner_join(access_assignments::table.on(of_relationship!()))
        .filter(access_assignments::container_id.eq(container))
        .filter(relationships::tenant_id.eq(partner))
        .filter(relationships::customer_tenant_id.eq_any(customers))
        .filter(in_force!(tx.now))
        .order((relationships::customer_tenant_id, relationships::relationship_id))
        .select((
            relationships::customer_tenant_id.assume_not_null(),
            relationships::relationship_id,
            relationships::roles,
            access_assignments::roles,
        ));
    let rows: Vec<(TenantId, RelationshipId, String, String)> = query.load(tx.conn)?;
    let grant = |(customer, relationship_id, relationship_roles, assigned_roles)| Grant {
        customer,
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

pub fn insert(tx: &mut Tx<'_>, relationship: &Relationship) -> Result<()> {
    diesel::insert_into(relationships::table).values(relationship).execute(tx.conn)?;
    Ok(())
}

/// Writes the whole row back.
pub fn update(tx: &mut Tx<'_>, relationship: &Relationship) -> Result<()> {
    let row = relationships::table.find((&relationship.tenant_id, &relationship.relationship_id));
    diesel::update(row).set(relationship).execute(tx.conn)?;
    Ok(())
}

/// Removes a relationship and everything that hangs on it.
pub fn delete(tx: &mut Tx<'_>, partner: &TenantId, id: &RelationshipId) -> Result<()> {
    macro_rules! delete_from {
        ($table:ident) => {
            let of_it = $table::table.filter($table::tenant_id.eq(partner)).filter($table::relationship_id.eq(id));
            diesel::delete(of_it).execute(tx.conn)?;
        };
    }
    delete_from!(access_assignments);
    delete_from!(relationship_requests);
    delete_from!(relationship_operations);
    delete_from!(relationships);
    Ok(())
}

/// By id alone, which is unique over all partners: it is for the rules to say who may see it.
pub fn find(tx: &mut Tx<'_>, id: &RelationshipId) -> Result<Option<Relationship>> {
    let query = relationships::table.filter(relationships::relationship_id.eq(id));
    Ok(query.select(Relationship::as_select()).first(tx.conn).optional()?)
}

/// True when another relationship of the partner has this name.
pub fn name_is_taken(tx: &mut Tx<'_>, partner: &TenantId, id: &RelationshipId, name: &str) -> Result<bool> {
    let query = relationships::table
        .filter(relationships::tenant_id.eq(partner))
        .filter(relationships::display_name.eq(name))
        .filter(relationships::relationship_id.ne(id));
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}

/// A page of the relationships that a tenant sees, in the order of their ids: its own as a partner, and those that
/// name it as the customer and are no drafts any more. `after` is the last id of the page before.
pub fn list(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    filter: &RelationshipFilter,
    after: Option<&RelationshipId>,
    limit: i64,
) -> Result<Vec<Relationship>> {
    let now = tx.now;
    // Two questions, each answered in the order of its index; one with an OR would read and sort everything.
    macro_rules! page {
        ($($whose:tt)*) => {{
            let mut query = relationships::table
                .filter($($whose)*)
                .order(relationships::relationship_id)
                .select(Relationship::as_select())
                .limit(limit)
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(relationships::relationship_id.gt(after));
            }
            if let Some(customer) = &filter.customer {
                query = query.filter(relationships::customer_tenant_id.eq(customer));
            }
            let is_active = relationships::status.eq(StoredStatus::Active);
            let never = relationships::auto_extend_duration.eq(AutoExtend::Never);
            let extends = relationships::auto_extend_duration.ne(AutoExtend::Never);
            query = match filter.status {
                None => query,
                Some(Status::Created) => query.filter(relationships::status.eq(StoredStatus::Created)),
                Some(Status::ApprovalPending) => {
                    query.filter(relationships::status.eq(StoredStatus::ApprovalPending))
                }
                Some(Status::Active) => {
                    query.filter(is_active.and(extends.or(relationships::expiring_at.assume_not_null().gt(now))))
                }
                Some(Status::Expiring) => query
                    .filter(is_active.and(never))
                    .filter(relationships::expiring_at.le(now))
                    .filter(relationships::ends_at.gt(now)),
                Some(Status::Expired) => {
                    let ended = is_active.and(never).and(relationships::ends_at.assume_not_null().le(now));
                    query.filter(relationships::status.eq(StoredStatus::Expired).or(ended))
                }
                Some(Status::Terminated) => query.filter(relationships::status.eq(StoredStatus::Terminated)),
            };
            let page: Vec<Relationship> = query.load(tx.conn)?;
            page
        }};
    }
    let mut found = page!(relationships::tenant_id.eq(tenant));
    found.extend(page!(
        relationships::customer_tenant_id.eq(tenant).and(relationships::status.ne(StoredStatus::Created))
    ));
    found.sort_by(|left, right| left.relationship_id.cmp(&right.relationship_id));
    found.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(found)
}

/// Relationships whose end has come and that nobody has dealt with yet, the longest ended first.
pub fn ended(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Relationship>> {
    // Written out, so that the index of ends fits.
    let is_active = diesel::dsl::sql::<diesel::sql_types::Bool>("status = 'active'");
    let query = relationships::table.filter(is_active).filter(relationships::ends_at.le(tx.now));
    Ok(query.order(relationships::ends_at).limit(limit).select(Relationship::as_select()).load(tx.conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_seconds(day * 86_400)
    }

    fn relationship(status: StoredStatus, auto_extend_duration: AutoExtend) -> Relationship {
        Relationship {
            tenant_id: TenantId::new("partner"),
            relationship_id: RelationshipId::new("id"),
            customer_tenant_id: Some(TenantId::new("customer")),
            customer_display_name: None,
            display_name: "Name".into(),
            duration: "P100D".into(),
            auto_extend_duration,
            roles: "[]".into(),
            status,
            created_at: at(0),
            modified_at: at(0),
            activated_at: Some(at(0)),
            ends_at: Some(at(100)),
            expiring_at: (auto_extend_duration == AutoExtend::Never).then(|| at(90)),
            version: 1,
        }
    }

    #[test]
    fn the_clock_moves_what_is_active() {
        let once = relationship(StoredStatus::Active, AutoExtend::Never);
        for (day, status) in [
            (0, Status::Active),
            (89, Status::Active),
            (90, Status::Expiring),
            (99, Status::Expiring),
            (100, Status::Expired),
        ] {
            assert_eq!(once.status_at(at(day)), status, "day {day}");
        }
        let again = relationship(StoredStatus::Active, AutoExtend::HalfAYear);
        assert_eq!(again.status_at(at(500)), Status::Active);
    }

    #[test]
    fn the_clock_does_not_move_the_rest() {
        for status in StoredStatus::ALL.iter().filter(|status| **status != StoredStatus::Active) {
            let shown = relationship(*status, AutoExtend::Never).status_at(at(500));
            assert_eq!(shown.as_str(), status.as_str());
        }
    }
}
