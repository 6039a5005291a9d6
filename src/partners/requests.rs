//! The life of a relationship: locked for approval, approved or rejected, terminated.

use super::{Logs, Side, record, span::Span, target, visible, wrong_side};
use crate::{
    access::{self, Action, Caller},
    audit::{Activity, Entry},
    clock::Timestamp,
    error::{Error, Result},
    id::RelationshipRequestId,
    store::{
        Tx,
        relationships::{
            self, AutoExtend, Relationship, Status, StoredStatus,
            requests::{self, RelationshipRequest, RequestAction},
        },
        tenants,
    },
};

/// A relationship is shown as about to end for this much of its duration...
const EXPIRING_PART: i64 = 10;
/// ... but no longer than this, in days.
const EXPIRING_DAYS: i64 = 30;

/// What an attempt is called in the audit log.
pub fn activity(action: RequestAction) -> Activity {
    match action {
        RequestAction::LockForApproval => Activity::LOCK_RELATIONSHIP,
        RequestAction::Approve => Activity::APPROVE_RELATIONSHIP,
        RequestAction::Reject => Activity::REJECT_RELATIONSHIP,
        RequestAction::Terminate => Activity::TERMINATE_RELATIONSHIP,
    }
}

/// Moves a relationship on. It takes effect at once: whatever it gave is gone with the next call after it ended.
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    action: RequestAction,
    logs: &Logs,
) -> Result<RelationshipRequest> {
    let actor = access::authorize(tx, caller, Action::WriteRelationships, None)?;
    let (mut relationship, side) = visible(tx, &caller.tenant, id)?;
    let before = relationship.status_at(tx.now());
    check_side(action, side)?;
    check_status(action, before)?;
    match action {
        RequestAction::LockForApproval => relationship.status = StoredStatus::ApprovalPending,
        RequestAction::Approve => {
            relationship.customer_display_name =
                tenants::find(tx, &caller.tenant)?.map(|customer| customer.display_name);
            relationship.customer_tenant_id = Some(caller.tenant.clone());
            activate(&mut relationship, tx.now())?;
        }
        RequestAction::Reject | RequestAction::Terminate => relationship.status = StoredStatus::Terminated,
    }
    relationship.version += 1;
    relationship.modified_at = tx.now();
    relationships::update(tx, &relationship)?;
    let request = RelationshipRequest {
        tenant_id: relationship.tenant_id.clone(),
        relationship_id: relationship.relationship_id.clone(),
        request_id: RelationshipRequestId::new(tx.time_ordered_guid()),
        action,
        created_at: tx.now(),
    };
    requests::insert(tx, &request)?;
    let after = relationship.status_at(tx.now());
    let entry = Entry::success(activity(action), target(&relationship)).modified("Status", before, after);
    record(tx, &actor, &relationship, logs, entry)?;
    Ok(request)
}

fn check_side(action: RequestAction, side: Side) -> Result<()> {
    match (action, side) {
        (RequestAction::LockForApproval, Side::Partner)
        | (RequestAction::Approve | RequestAction::Reject | RequestAction::Terminate, Side::Customer)
        | (RequestAction::Approve, Side::Candidate)
        | (RequestAction::Terminate, Side::Partner) => Ok(()),
        (RequestAction::LockForApproval, _) => {
            Err(wrong_side("Only the partner locks its proposal; a customer approves or rejects it."))
        }
        (RequestAction::Approve, Side::Partner) => Err(wrong_side(
            "Only the customer approves: give its Global Administrator the id of the relationship, to approve it in the customer's own tenant.",
        )),
        (RequestAction::Reject, Side::Partner) => {
            Err(wrong_side("Only the customer rejects; a partner takes its proposal back with 'terminate'."))
        }
        (RequestAction::Reject | RequestAction::Terminate, Side::Candidate) => Err(wrong_side(
            "The relationship names no customer, so there is nothing to refuse: approve it, or leave it alone.",
        )),
    }
}

fn check_status(action: RequestAction, status: Status) -> Result<()> {
    let what_to_do = match (action, status) {
        (RequestAction::LockForApproval, Status::Created)
        | (RequestAction::Approve | RequestAction::Reject, Status::ApprovalPending)
        | (RequestAction::Terminate, Status::ApprovalPending | Status::Active | Status::Expiring) => return Ok(()),
        (_, Status::Expired | Status::Terminated) => "it has ended, and the partner must propose another",
        (RequestAction::LockForApproval, _) => "it was locked already",
        (RequestAction::Terminate, _) => "delete it instead",
        (RequestAction::Approve | RequestAction::Reject, Status::Created) => "the partner must lock it first",
        (RequestAction::Approve, _) => "it was approved already",
        (RequestAction::Reject, _) => "it was approved already; end it with 'terminate'",
    };
    Err(Error::conflict(format!("The relationship is {status}: {what_to_do}.")))
}

/// From now on, for as long as was agreed.
fn activate(relationship: &mut Relationship, now: Timestamp) -> Result<()> {
    let span = Span::parse(&relationship.duration).ok_or_else(|| Error::internal("a stored duration is unreadable"))?;
    let ends_at = span.after(now);
    let warning = ((ends_at.micros() - now.micros()) / EXPIRING_PART).min(EXPIRING_DAYS * 24 * 60 * 60 * 1_000_000);
    relationship.status = StoredStatus::Active;
    relationship.activated_at = Some(now);
    relationship.ends_at = Some(ends_at);
    relationship.expiring_at = match relationship.auto_extend_duration {
        AutoExtend::Never => Some(Timestamp::from_micros(ends_at.micros() - warning)),
        AutoExtend::HalfAYear => None,
    };
    Ok(())
}

/// All requests of a relationship, oldest first.
pub fn list(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Vec<RelationshipRequest>> {
    access::authorize(tx, caller, Action::ReadRelationships, None)?;
    let (relationship, _) = visible(tx, &caller.tenant, id)?;
    requests::list(tx, &relationship.tenant_id, &relationship.relationship_id)
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, id: &str, request: &str) -> Result<RelationshipRequest> {
    access::authorize(tx, caller, Action::ReadRelationships, None)?;
    let (relationship, _) = visible(tx, &caller.tenant, id)?;
    let found = match RelationshipRequestId::parse(request) {
        Some(id) => requests::find(tx, &relationship.tenant_id, &relationship.relationship_id, &id)?,
        None => None,
    };
    found.ok_or_else(|| Error::method_not_found(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activated(duration: &str, auto_extend_duration: AutoExtend) -> [Option<String>; 2] {
        let now = Timestamp::parse_iso("2026-11-23T08:00:00Z").unwrap();
        let mut relationship = Relationship {
            tenant_id: crate::id::TenantId::new("partner"),
            relationship_id: crate::id::RelationshipId::new("id"),
            customer_tenant_id: None,
            customer_display_name: None,
            display_name: "Name".into(),
            duration: duration.into(),
            auto_extend_duration,
            roles: "[]".into(),
            status: StoredStatus::ApprovalPending,
            created_at: now,
            modified_at: now,
            activated_at: None,
            ends_at: None,
            expiring_at: None,
            version: 1,
        };
        activate(&mut relationship, now).unwrap();
        [relationship.ends_at, relationship.expiring_at].map(|at| at.map(Timestamp::to_iso))
    }

    #[test]
    fn the_last_tenth_but_at_most_thirty_days() {
        let pair = |ends: &str, expiring: &str| [Some(ends.to_owned()), Some(expiring.to_owned())];
        assert_eq!(activated("P1D", AutoExtend::Never), pair("2026-11-24T08:00:00Z", "2026-11-24T05:36:00Z"));
        assert_eq!(activated("P100D", AutoExtend::Never), pair("2027-03-03T08:00:00Z", "2027-02-21T08:00:00Z"));
        assert_eq!(activated("P2Y", AutoExtend::Never), pair("2028-11-23T08:00:00Z", "2028-10-24T08:00:00Z"));
        assert_eq!(activated("P1Y", AutoExtend::HalfAYear), [Some("2027-11-23T08:00:00Z".into()), None]);
    }
}
