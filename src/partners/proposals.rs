//! A relationship as the partner writes it down, until it is locked for the customer's approval.

use serde_json::json;

use super::{
    Expected, Logs, Seen, check_version, parse_roles, partners_own, record, see_one, span::Span, target, visible,
};
use crate::{
    access::{self, Action, Actor, Caller},
    audit::{Activity, Entry},
    directory,
    error::{Area, Error, Result},
    id::{RelationshipId, TenantId},
    roles::Role,
    store::{
        Tx,
        relationships::{self, AutoExtend, Relationship, StoredStatus},
        tenants,
    },
};

/// The longest name of a relationship, in characters; Graph's number.
const MAX_NAME: usize = 50;
/// The longest name that a partner may call a customer by, in characters.
const MAX_CUSTOMER_NAME: usize = 256;

/// The customer that a partner has in mind.
#[derive(Debug, Clone)]
pub struct NamedCustomer {
    pub tenant_id: String,
    /// What the partner calls it; the true name is told after the approval only.
    pub display_name: Option<String>,
}

/// What a partner asks for. What is left out stays as it is, or is as little as can be.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    pub display_name: Option<String>,
    /// ISO 8601.
    pub duration: Option<String>,
    /// ISO 8601: none, or 180 days.
    pub auto_extend_duration: Option<String>,
    /// `Some(None)`: whoever is told the id.
    pub customer: Option<Option<NamedCustomer>>,
    /// Role template ids.
    pub roles: Option<Vec<String>>,
}

/// Writes a proposal down. Nobody but the partner sees it yet.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, proposal: &Proposal, logs: &Logs) -> Result<Seen> {
    let actor = access::authorize(tx, caller, Action::WriteRelationships, None)?;
    if !tenants::find(tx, &caller.tenant)?.is_some_and(|tenant| tenant.is_partner) {
        let message = "Only partners propose relationships, and this tenant is none. A customer approves what a partner proposed.";
        return Err(Error::Denied { area: Area::Methods, inner: "notAPartner", message: message.into() });
    }
    let required = |target: &str| Error::invalid(target, format!("{target} is needed."));
    let now = tx.now();
    let mut relationship = Relationship {
        tenant_id: caller.tenant.clone(),
        relationship_id: RelationshipId::new(tx.guid()),
        customer_tenant_id: None,
        customer_display_name: None,
        display_name: String::new(),
        duration: String::new(),
        auto_extend_duration: AutoExtend::Never,
        roles: "[]".into(),
        status: StoredStatus::Created,
        created_at: now,
        modified_at: now,
        activated_at: None,
        ends_at: None,
        expiring_at: None,
        version: 1,
    };
    proposal.display_name.as_ref().ok_or_else(|| required("displayName"))?;
    proposal.duration.as_ref().ok_or_else(|| required("duration"))?;
    proposal.roles.as_ref().ok_or_else(|| required("accessDetails"))?;
    apply(tx, &mut relationship, proposal)?;
    relationships::insert(tx, &relationship)?;
    let none = Relationship { display_name: String::new(), roles: "[]".into(), ..relationship.clone() };
    let entry = describe(Entry::success(Activity::CREATE_RELATIONSHIP, target(&relationship)), &none, &relationship);
    record(tx, &actor, &relationship, logs, entry)?;
    see_one(tx, relationship)
}

/// Changes a proposal that was not locked yet.
pub fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    changes: &Proposal,
    expected: &Expected,
    logs: &Logs,
) -> Result<Seen> {
    let (actor, before) = editable(tx, caller, id, expected)?;
    let mut after = before.clone();
    apply(tx, &mut after, changes)?;
    if after == before {
        return see_one(tx, before);
    }
    after.version += 1;
    after.modified_at = tx.now();
    relationships::update(tx, &after)?;
    let entry = describe(Entry::success(Activity::UPDATE_RELATIONSHIP, target(&after)), &before, &after);
    record(tx, &actor, &after, logs, entry)?;
    see_one(tx, after)
}

/// Throws a proposal away that was not locked yet.
pub fn delete(tx: &mut Tx<'_>, caller: &Caller, id: &str, expected: &Expected, logs: &Logs) -> Result<()> {
    let (actor, relationship) = editable(tx, caller, id, expected)?;
    relationships::delete(tx, &relationship.tenant_id, &relationship.relationship_id)?;
    let entry = Entry::success(Activity::DELETE_RELATIONSHIP, target(&relationship));
    record(tx, &actor, &relationship, logs, entry)
}

fn editable(tx: &mut Tx<'_>, caller: &Caller, id: &str, expected: &Expected) -> Result<(Actor, Relationship)> {
    let actor = access::authorize(tx, caller, Action::WriteRelationships, None)?;
    let (relationship, side) = visible(tx, &caller.tenant, id)?;
    partners_own(side, "changes and deletes what it proposed")?;
    check_version(relationship.version, expected)?;
    if relationship.status != StoredStatus::Created {
        let status = relationship.status_at(tx.now());
        let message = format!(
            "The relationship is {status}; it can be changed or deleted only while it is created. End it with the request 'terminate' and propose another."
        );
        return Err(Error::conflict(message));
    }
    Ok((actor, relationship))
}

/// Writes what is asked for into the row, once all of it was found right.
fn apply(tx: &mut Tx<'_>, relationship: &mut Relationship, asked: &Proposal) -> Result<()> {
    if let Some(name) = &asked.display_name {
        let name = name.trim();
        if name.is_empty() {
            return Err(Error::invalid("displayName", "displayName has 1 to 50 characters."));
        }
        directory::check_text("displayName", name, MAX_NAME)?;
        if relationships::name_is_taken(tx, &relationship.tenant_id, &relationship.relationship_id, name)? {
            let message = "Another relationship of this partner has this displayName; choose another.";
            return Err(Error::Conflict { code: "nameAlreadyExists", message: message.into() });
        }
        relationship.display_name = name.to_owned();
    }
    if let Some(duration) = &asked.duration {
        if !Span::parse(duration).is_some_and(Span::is_allowed) {
            let message = "duration is an ISO 8601 duration in days, weeks, months or years, from P1D to P2Y.";
            return Err(Error::invalid("duration", message));
        }
        relationship.duration = duration.clone();
    }
    if let Some(extension) = &asked.auto_extend_duration {
        relationship.auto_extend_duration = match extension.as_str() {
            "P0D" | "PT0S" => AutoExtend::Never,
            "P180D" => AutoExtend::HalfAYear,
            _ => {
                let message = "autoExtendDuration is P180D, or PT0S for a relationship that simply ends.";
                return Err(Error::invalid("autoExtendDuration", message));
            }
        };
    }
    if let Some(customer) = &asked.customer {
        let (id, name) = read_customer(&relationship.tenant_id, customer.as_ref())?;
        (relationship.customer_tenant_id, relationship.customer_display_name) = (id, name);
    }
    if let Some(roles) = &asked.roles {
        relationship.roles = serde_json::to_string(&parse_roles(roles)?).map_err(Error::internal)?;
    }
    let extends = relationship.auto_extend_duration != AutoExtend::Never;
    if extends && access::partner::parse_roles(&relationship.roles)?.contains(&Role::GlobalAdministrator) {
        let message =
            "A relationship with the role Global Administrator ends by itself: autoExtendDuration must be PT0S.";
        return Err(Error::invalid("autoExtendDuration", message));
    }
    Ok(())
}

/// Whether there is such a tenant is not asked: a partner must not find out who is a customer here.
fn read_customer(partner: &TenantId, customer: Option<&NamedCustomer>) -> Result<(Option<TenantId>, Option<String>)> {
    let Some(customer) = customer else { return Ok((None, None)) };
    let id = TenantId::parse(&customer.tenant_id)
        .ok_or_else(|| Error::invalid("customer/tenantId", "tenantId is the id of the customer's tenant, a GUID."))?;
    if id == *partner {
        return Err(Error::invalid("customer/tenantId", "A partner cannot be its own customer."));
    }
    if let Some(name) = &customer.display_name {
        directory::check_text("customer/displayName", name, MAX_CUSTOMER_NAME)?;
    }
    Ok((Some(id), customer.display_name.clone()))
}

/// The event with every property that differs.
fn describe(entry: Entry, before: &Relationship, after: &Relationship) -> Entry {
    let properties = |relationship: &Relationship| {
        let roles: Vec<Role> = serde_json::from_str(&relationship.roles).unwrap_or_default();
        let roles: Vec<_> = roles.iter().map(|role| role.display_name()).collect();
        [
            ("DisplayName", json!(relationship.display_name)),
            ("Duration", json!(relationship.duration)),
            ("AutoExtendDuration", json!(relationship.auto_extend_duration)),
            ("Customer", json!(relationship.customer_tenant_id)),
            ("Roles", json!(roles)),
        ]
    };
    let pairs = properties(before).into_iter().zip(properties(after));
    pairs
        .filter(|((_, old), (_, new))| old != new)
        .fold(entry, |entry, ((name, old), (_, new))| entry.modified(name, old, new))
}
