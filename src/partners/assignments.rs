//! Who of a partner uses which roles of a relationship.

use serde::{Deserialize, Serialize};

use super::{Expected, Logs, check_version, parse_roles, partners_own, record, visible};
use crate::{
    access::{self, Action, Actor, Caller, partner},
    audit::{Activity, Entry, Target},
    error::{Error, Result},
    id::{AccessAssignmentId, ApplicationId, OperationId, UserId},
    roles::Role,
    store::{
        Tx, applications,
        relationships::{
            ContainerType, Relationship, Status,
            assignments::{self, AccessAssignment},
            requests::{self, RelationshipOperation},
        },
        users::{self, Presence},
    },
};

/// Assignments that a relationship may have at once.
const MAX_ASSIGNMENTS: i64 = 100;
/// Graph's name of the one kind of operation there is here.
pub const UPDATE: &str = "delegatedAdminAccessAssignmentUpdate";

/// Who shall use which roles.
#[derive(Debug, Clone)]
pub struct NewAssignment {
    pub container_id: String,
    /// Graph's `accessContainerType`.
    pub container_type: String,
    /// Role template ids.
    pub roles: Vec<String>,
}

/// A changed assignment, and the operation that did it; none when nothing was to be changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Updated {
    pub assignment: AccessAssignment,
    pub operation: Option<RelationshipOperation>,
}

/// A page of a relationship's assignments, in the order of their ids.
pub fn list(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    after: Option<&AccessAssignmentId>,
    limit: i64,
) -> Result<Vec<AccessAssignment>> {
    let (_, relationship) = of_partner(tx, caller, id, Action::ReadRelationships)?;
    assignments::list(tx, &relationship.tenant_id, &relationship.relationship_id, after, limit)
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, id: &str, assignment: &str) -> Result<AccessAssignment> {
    let (_, relationship) = of_partner(tx, caller, id, Action::ReadRelationships)?;
    find(tx, &relationship, assignment)
}

/// Gives roles of the relationship to one of the partner's applications or users. They count while the relationship is
/// in force.
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    new: &NewAssignment,
    logs: &Logs,
) -> Result<AccessAssignment> {
    let (actor, relationship) = of_partner(tx, caller, id, Action::WriteRelationships)?;
    check_open(tx, &relationship)?;
    let (container_type, container_id, name) = find_container(tx, &relationship, new)?;
    let roles = agreed_roles(&relationship, &new.roles)?;
    let (partner, id) = (&relationship.tenant_id, &relationship.relationship_id);
    if assignments::is_assigned(tx, partner, id, &container_id)? {
        let message = format!("This {container_type} has an assignment in this relationship already; change that one.");
        return Err(Error::conflict(message));
    }
    if assignments::count(tx, partner, id)? >= MAX_ASSIGNMENTS {
        let message = format!("A relationship has at most {MAX_ASSIGNMENTS} access assignments; delete one first.");
        return Err(Error::conflict(message));
    }
    let assignment = AccessAssignment {
        tenant_id: partner.clone(),
        relationship_id: id.clone(),
        assignment_id: AccessAssignmentId::new(tx.guid()),
        container_type,
        container_id,
        roles: to_json(&roles)?,
        created_at: tx.now(),
        modified_at: tx.now(),
        version: 1,
    };
    assignments::insert(tx, &assignment)?;
    let target = Target { display_name: Some(name), ..target(&assignment) };
    let entry = Entry::success(Activity::CREATE_ACCESS_ASSIGNMENT, target).modified("Roles", None::<()>, names(&roles));
    record(tx, &actor, &relationship, logs, entry)?;
    Ok(assignment)
}

/// Replaces the roles of an assignment.
pub fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    [id, assignment]: [&str; 2],
    roles: &[String],
    expected: &Expected,
    logs: &Logs,
) -> Result<Updated> {
    let (actor, relationship) = of_partner(tx, caller, id, Action::WriteRelationships)?;
    let mut assignment = find(tx, &relationship, assignment)?;
    check_version(assignment.version, expected)?;
    check_open(tx, &relationship)?;
    let (before, after) = (partner::parse_roles(&assignment.roles)?, agreed_roles(&relationship, roles)?);
    if before == after {
        return Ok(Updated { assignment, operation: None });
    }
    assignment.roles = to_json(&after)?;
    assignment.version += 1;
    assignment.modified_at = tx.now();
    assignments::update(tx, &assignment)?;
    let operation = RelationshipOperation {
        tenant_id: assignment.tenant_id.clone(),
        relationship_id: assignment.relationship_id.clone(),
        operation_id: OperationId::new(tx.time_ordered_guid()),
        operation_type: UPDATE.into(),
        data: serde_json::json!({"id": assignment.assignment_id, "unifiedRoles": after}).to_string(),
        created_at: tx.now(),
    };
    requests::insert_operation(tx, &operation)?;
    let entry = Entry::success(Activity::UPDATE_ACCESS_ASSIGNMENT, target(&assignment));
    let entry = entry.modified("Roles", names(&before), names(&after));
    record(tx, &actor, &relationship, logs, entry)?;
    Ok(Updated { assignment, operation: Some(operation) })
}

/// Takes the roles away; possible at any time, as nobody gains by it.
pub fn delete(
    tx: &mut Tx<'_>,
    caller: &Caller,
    [id, assignment]: [&str; 2],
    expected: &Expected,
    logs: &Logs,
) -> Result<()> {
    let (actor, relationship) = of_partner(tx, caller, id, Action::WriteRelationships)?;
    let assignment = find(tx, &relationship, assignment)?;
    check_version(assignment.version, expected)?;
    assignments::delete(tx, &assignment)?;
    let roles = partner::parse_roles(&assignment.roles)?;
    let entry = Entry::success(Activity::DELETE_ACCESS_ASSIGNMENT, target(&assignment));
    record(tx, &actor, &relationship, logs, entry.modified("Roles", names(&roles), None::<()>))
}

/// A page of what became of changes of a relationship's assignments, in the order of their ids.
pub fn operations(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    after: Option<&OperationId>,
    limit: i64,
) -> Result<Vec<RelationshipOperation>> {
    let (_, relationship) = of_partner(tx, caller, id, Action::ReadRelationships)?;
    requests::list_operations(tx, &relationship.tenant_id, &relationship.relationship_id, after, limit)
}

pub fn operation(tx: &mut Tx<'_>, caller: &Caller, id: &str, operation: &str) -> Result<RelationshipOperation> {
    let (_, relationship) = of_partner(tx, caller, id, Action::ReadRelationships)?;
    let found = match OperationId::parse(operation) {
        Some(id) => requests::find_operation(tx, &relationship.tenant_id, &relationship.relationship_id, &id)?,
        None => None,
    };
    found.ok_or_else(|| Error::method_not_found(operation))
}

/// Which of the partner's people use what is the partner's to list. (The customer's log tells of each change.)
fn of_partner(tx: &mut Tx<'_>, caller: &Caller, id: &str, action: Action) -> Result<(Actor, Relationship)> {
    let actor = access::authorize(tx, caller, action, None)?;
    let (relationship, side) = visible(tx, &caller.tenant, id)?;
    partners_own(side, "sees and makes access assignments")?;
    Ok((actor, relationship))
}

fn find(tx: &mut Tx<'_>, relationship: &Relationship, assignment: &str) -> Result<AccessAssignment> {
    let found = match AccessAssignmentId::parse(assignment) {
        Some(id) => assignments::find(tx, &relationship.tenant_id, &relationship.relationship_id, &id)?,
        None => None,
    };
    found.ok_or_else(|| Error::method_not_found(assignment))
}

fn check_open(tx: &Tx<'_>, relationship: &Relationship) -> Result<()> {
    let status = relationship.status_at(tx.now());
    let what_to_do = match status {
        Status::ApprovalPending | Status::Active | Status::Expiring => return Ok(()),
        Status::Created => "lock it for approval first",
        Status::Expired | Status::Terminated => "it has ended; propose another",
    };
    Err(Error::conflict(format!("The relationship is {status}: {what_to_do}.")))
}

/// The application or user of the partner that is named; its id and name.
fn find_container(
    tx: &mut Tx<'_>,
    relationship: &Relationship,
    new: &NewAssignment,
) -> Result<(ContainerType, String, String)> {
    let Some(kind) = ContainerType::parse(&new.container_type) else {
        let message = match new.container_type.as_str() {
            "securityGroup" => "There are no groups here: name an application (its client id) or a user.",
            _ => "accessContainerType is 'application' or 'user'.",
        };
        return Err(Error::invalid("accessContainer/accessContainerType", message));
    };
    let partner = &relationship.tenant_id;
    let found = match kind {
        ContainerType::Application => match ApplicationId::parse(&new.container_id) {
            Some(id) => applications::find(tx, partner, &id)?
                .map(|application| (application.application_id.into_string(), application.display_name)),
            None => None,
        },
        ContainerType::User => match UserId::parse(&new.container_id) {
            Some(id) => users::find_by_id(tx, partner, &id, Presence::Present)?
                .map(|user| (user.user_id.into_string(), user.display_name)),
            None => None,
        },
    };
    let (id, name) = found.ok_or_else(|| {
        let message = format!("accessContainerId is the id of one of the partner's own {kind}s.");
        Error::invalid("accessContainer/accessContainerId", message)
    })?;
    Ok((kind, id, name))
}

/// The roles, if the relationship gives all of them; in one order, so that two lists can be compared.
fn agreed_roles(relationship: &Relationship, ids: &[String]) -> Result<Vec<Role>> {
    let agreed = partner::parse_roles(&relationship.roles)?;
    let mut roles = parse_roles(ids)?;
    if let Some(more) = roles.iter().find(|role| !agreed.contains(role)) {
        let message = format!("The relationship does not give the role {}.", more.display_name());
        return Err(Error::invalid("accessDetails/unifiedRoles", message));
    }
    roles.sort();
    Ok(roles)
}

fn to_json(roles: &[Role]) -> Result<String> {
    serde_json::to_string(roles).map_err(Error::internal)
}

fn names(roles: &[Role]) -> Vec<&'static str> {
    roles.iter().map(|role| role.display_name()).collect()
}

fn target(assignment: &AccessAssignment) -> Target {
    let kind = match assignment.container_type {
        ContainerType::Application => "Application",
        ContainerType::User => "User",
    };
    Target { kind, id: Some(assignment.container_id.clone()), ..Target::default() }
}
