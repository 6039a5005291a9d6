//! Partners: tenants that administer others. A *relationship* says which roles a partner has in a customer's tenant and
//! for how long; an *assignment* says which of the partner's applications and users use them.
//!
//! The partner proposes, the customer approves, either may end it. Both see in their own audit log what became of it.
//! What a caller may do by a relationship is decided in `access`, anew on every call.
//!
//! Source: Microsoft Graph, "granular delegated admin privileges (GDAP)".

pub mod assignments;
pub mod customers;
pub mod managed;
pub mod proposals;
pub mod requests;
mod span;
pub mod sweep;

use serde::{Deserialize, Serialize};

use crate::{
    access::{self, Action, Actor, Caller},
    audit::{self, Entry, Target},
    error::{Area, Error, Result},
    id::{RelationshipId, TenantId},
    roles::Role,
    store::{
        Tx,
        relationships::{self, Relationship, RelationshipFilter, Status, StoredStatus, customers as customer_rows},
        tenants::{self, Tenant},
    },
};

/// What a caller's tenant has to do with a relationship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Partner,
    Customer,
    /// The relationship names no customer yet: whoever was told its id may become it.
    Candidate,
}

/// The tenants whose audit logs a transaction may write into.
#[derive(Debug, Clone)]
pub struct Logs(Vec<TenantId>);

impl Logs {
    pub fn new(tenants: Vec<TenantId>) -> Self {
        Self(tenants)
    }
}

/// The parties of a relationship whose logs a change of it is told to, as they are at this moment; none when there is
/// no such relationship.
pub fn parties_of(tx: &mut Tx<'_>, id: &str) -> Result<Vec<TenantId>> {
    let Some(id) = RelationshipId::parse(id) else { return Ok(vec![]) };
    match relationships::find(tx, &id)? {
        Some(relationship) => Ok(parties(tx, &relationship)?.into_iter().map(|tenant| tenant.tenant_id).collect()),
        None => Ok(vec![]),
    }
}

/// The partner, and the customer when one is named and there is such a tenant.
fn parties(tx: &mut Tx<'_>, relationship: &Relationship) -> Result<Vec<Tenant>> {
    let mut ids = vec![relationship.tenant_id.clone()];
    ids.extend(relationship.customer_tenant_id.clone());
    let mut found = vec![];
    for id in ids {
        found.extend(tenants::find(tx, &id)?);
    }
    Ok(found)
}

/// A relationship as it is shown at this moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seen {
    pub relationship: Relationship,
    pub status: Status,
    /// A customer must know whom it lets in.
    pub partner_display_name: String,
}

fn see(tx: &mut Tx<'_>, relationships: Vec<Relationship>) -> Result<Vec<Seen>> {
    let mut partners: Vec<TenantId> = relationships.iter().map(|seen| seen.tenant_id.clone()).collect();
    partners.sort();
    partners.dedup();
    let partners = customer_rows::find_all(tx, &partners)?;
    let now = tx.now();
    let see = |relationship: Relationship| {
        let partner = partners.iter().find(|partner| partner.tenant_id == relationship.tenant_id);
        let partner_display_name = partner.map(|partner| partner.display_name.clone()).unwrap_or_default();
        Seen { status: relationship.status_at(now), partner_display_name, relationship }
    };
    Ok(relationships.into_iter().map(see).collect())
}

fn see_one(tx: &mut Tx<'_>, relationship: Relationship) -> Result<Seen> {
    see(tx, vec![relationship])?.pop().ok_or_else(|| Error::internal("a relationship was lost"))
}

/// A page of the relationships that the caller's tenant sees, in the order of their ids.
pub fn list(
    tx: &mut Tx<'_>,
    caller: &Caller,
    filter: &RelationshipFilter,
    after: Option<&RelationshipId>,
    limit: i64,
) -> Result<Vec<Seen>> {
    access::authorize(tx, caller, Action::ReadRelationships, None)?;
    let page = relationships::list(tx, &caller.tenant, filter, after, limit)?;
    see(tx, page)
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Seen> {
    access::authorize(tx, caller, Action::ReadRelationships, None)?;
    let (relationship, _) = visible(tx, &caller.tenant, id)?;
    see_one(tx, relationship)
}

/// The relationship, if the tenant may know of it: the partner always; the customer once it is no draft any more; and
/// everybody who knows its id while it waits for a customer that it does not name.
fn visible(tx: &mut Tx<'_>, tenant: &TenantId, id: &str) -> Result<(Relationship, Side)> {
    let found = match RelationshipId::parse(id) {
        Some(id) => relationships::find(tx, &id)?,
        None => None,
    };
    let side = found.as_ref().and_then(|relationship| match &relationship.customer_tenant_id {
        _ if relationship.tenant_id == *tenant => Some(Side::Partner),
        Some(customer) if customer == tenant && relationship.status != StoredStatus::Created => Some(Side::Customer),
        None if relationship.status == StoredStatus::ApprovalPending => Some(Side::Candidate),
        _ => None,
    });
    found.zip(side).ok_or_else(|| Error::method_not_found(id))
}

/// What only the partner may see or do.
fn partners_own(side: Side, what: &str) -> Result<()> {
    match side {
        Side::Partner => Ok(()),
        Side::Customer | Side::Candidate => {
            Err(wrong_side(format!("Only the partner {what}; a customer approves, rejects or terminates.")))
        }
    }
}

/// What version of an object a change is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is by now.
    Any,
    /// One that the caller has read.
    OneOf(Vec<i64>),
}

/// Whether an object still has a version that the caller read.
fn check_version(version: i64, expected: &Expected) -> Result<()> {
    match expected {
        Expected::Any => Ok(()),
        Expected::OneOf(versions) if versions.contains(&version) => Ok(()),
        Expected::OneOf(_) => Err(Error::PreconditionFailed),
    }
}

fn wrong_side(message: impl Into<String>) -> Error {
    Error::Denied { area: Area::Methods, inner: "wrongSide", message: message.into() }
}

/// Reads role ids as they are written in a body: known ones, at least one, none twice.
fn parse_roles(ids: &[String]) -> Result<Vec<Role>> {
    const TARGET: &str = "accessDetails/unifiedRoles";
    let mut roles = vec![];
    for id in ids {
        let role = Role::parse(&id.to_lowercase()).ok_or_else(|| {
            let message = "roleDefinitionId is the id of a role in /roleManagement/directory/roleDefinitions.";
            Error::invalid(format!("{TARGET}/roleDefinitionId"), message)
        })?;
        if roles.contains(&role) {
            return Err(Error::invalid(TARGET, format!("The role {} is there twice.", role.display_name())));
        }
        roles.push(role);
    }
    if roles.is_empty() {
        return Err(Error::invalid(TARGET, "At least one role is needed."));
    }
    Ok(roles)
}

/// Writes an event about a relationship into the logs of both its parties, as far as they are known; about a draft into
/// the partner's only, whose own affair it is. The other party's copy says who it was, but not from where.
pub(crate) fn record(
    tx: &mut Tx<'_>,
    actor: &Actor,
    relationship: &Relationship,
    logs: &Logs,
    entry: Entry,
) -> Result<()> {
    let mut parties = parties(tx, relationship)?;
    // Whom the partner lets at what is not the customer's affair before it has agreed to anything.
    let is_about_itself = entry.target.kind == RELATIONSHIP;
    if relationship.status == StoredStatus::Created || (!is_about_itself && relationship.activated_at.is_none()) {
        parties.retain(|party| party.tenant_id == relationship.tenant_id);
    }
    let mut entry = entry.detail("delegatedAdminRelationshipId", relationship.relationship_id.as_str());
    if let Some(partner) = parties.iter().find(|party| party.tenant_id == relationship.tenant_id) {
        entry = entry
            .detail("partnerTenantId", partner.tenant_id.as_str())
            .detail("partnerDisplayName", partner.display_name.as_str());
    }
    if let Some(customer) = &relationship.customer_tenant_id {
        // Until it has approved, a customer is called what the partner calls it, whether or not there is such a tenant.
        entry = entry.detail("customerTenantId", customer.as_str());
        if let Some(name) = &relationship.customer_display_name {
            entry = entry.detail("customerDisplayName", name);
        }
    }
    audit::record(tx, actor, entry.clone())?;
    for party in parties.into_iter().filter(|party| party.tenant_id != actor.tenant) {
        if !logs.0.contains(&party.tenant_id) {
            return Err(Error::conflict("The relationship was changed at this very moment; read it and try again."));
        }
        let mut abroad = Actor { tenant: party.tenant_id, principal_name: None, ..actor.clone() };
        (abroad.origin.ip_address, abroad.origin.user_agent) = (None, None);
        audit::record(tx, &abroad, entry.clone())?;
    }
    Ok(())
}

/// What an event about a relationship itself is about.
const RELATIONSHIP: &str = "DelegatedAdminRelationship";

pub(crate) fn target(relationship: &Relationship) -> Target {
    Target::object(RELATIONSHIP, &relationship.relationship_id, &relationship.display_name)
}
