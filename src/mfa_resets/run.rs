//! The run: resets the users of one part, some hundred in one transaction with the outcomes of their items. Whatever
//! stops the process, a user was reset and his item says so, or neither happened.

use std::collections::BTreeMap;

use super::{
    Counts, Plan, caller_of, is_over,
    items::{Problem, SETTLED_AT_ONCE, count_of, settle},
    preview, record,
};
use crate::{
    access::{self, Action, Actor},
    audit::{self, Activity},
    error::{Error, Result},
    id::{MfaResetId, TenantId, UserId},
    reset::{self, ResetReport},
    store::{
        Tx,
        mfa_resets::{
            self, MfaResetRow, MfaResetStatus,
            items::{self, ItemRow, ItemStatus},
            parts::{self, PartRow, PartStatus},
        },
        users::{self, User},
    },
};

/// What one turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// So many users were reset; the others needed no look-up.
    Worked(i64),
    /// No item of the part waits any more.
    Emptied,
    /// Somebody else has it.
    Lost,
}

/// One turn on one part: at most `most` users. Whoever calls keeps the part as it is then.
pub(super) fn turn(tx: &mut Tx<'_>, row: &MfaResetRow, part: &mut PartRow, most: i64) -> Result<Turn> {
    match row.status {
        MfaResetStatus::Cancelling => cancel(tx, part),
        MfaResetStatus::Running => reset_some(tx, row, part, most),
        _ => Ok(Turn::Emptied),
    }
}

/// What was not begun never is.
fn cancel(tx: &mut Tx<'_>, part: &mut PartRow) -> Result<Turn> {
    let problem = Problem::new("cancelled", "The reset was cancelled before it came to this user.");
    let queued = settle(tx, part, ItemStatus::Queued, ItemStatus::Cancelled, Some(&problem), SETTLED_AT_ONCE)?;
    let left = SETTLED_AT_ONCE - queued;
    let pending = settle(tx, part, ItemStatus::Pending, ItemStatus::Cancelled, Some(&problem), left)?;
    Ok(if queued + pending == 0 { Turn::Emptied } else { Turn::Worked(0) })
}

fn reset_some(tx: &mut Tx<'_>, row: &MfaResetRow, part: &mut PartRow, most: i64) -> Result<Turn> {
    let caller = caller_of(row, &part.target_tenant_id)?;
    let actor = access::identify(tx, &caller)
        .and_then(|actor| access::allow(tx, &actor, Action::ResetMfa, None).map(|()| actor));
    let actor = match actor {
        Ok(actor) => actor,
        // The relationship ended, or the creator lost the right: that is so for everybody who is left.
        Err(error) => {
            let problem = Problem::not_permitted(&error).ok_or(error)?;
            let limit = SETTLED_AT_ONCE;
            let refused = settle(tx, part, ItemStatus::Pending, ItemStatus::NotPermitted, Some(&problem), limit)?;
            return Ok(if refused == 0 { Turn::Emptied } else { Turn::Worked(0) });
        }
    };
    let (tenant, id, target) = (&part.tenant_id, &part.mfa_reset_id, &part.target_tenant_id);
    let mut items = items::of_part(tx, tenant, id, target, ItemStatus::Pending, most)?;
    find_unresolved(tx, part, &mut items)?;
    reset_users(tx, row, &actor, &mut items)?;
    items::replace(tx, &items)?;
    for item in &items {
        *count_of(&mut part.counts, ItemStatus::Pending) -= 1;
        *count_of(&mut part.counts, item.status) += 1;
    }
    Ok(if items.is_empty() { Turn::Emptied } else { Turn::Worked(items.len() as i64) })
}

/// Finds the users with whom the preview failed; now that the reset is retried they are looked at for the first time.
fn find_unresolved(tx: &mut Tx<'_>, part: &PartRow, items: &mut [ItemRow]) -> Result<()> {
    if items.iter().all(|item| item.user_id.is_some()) {
        return Ok(());
    }
    let target = &part.target_tenant_id;
    let found = preview::find_users(tx, target, items)?;
    let ids: Vec<_> = found.iter().map(|user| &user.user_id).collect();
    let mut known = items::known_users(tx, &part.tenant_id, &part.mfa_reset_id, target, &ids)?;
    let by_key = preview::by_key(&found);
    for item in items.iter_mut().filter(|item| item.user_id.is_none()) {
        let user = item.named.as_deref().and_then(|named| by_key.get(&preview::key_of(named)));
        // Whoever is there under another name is reset under that one.
        if let Some(user) = user.filter(|user| known.insert(user.user_id.clone())) {
            item.user_id = Some(user.user_id.clone());
            item.user_principal_name = Some(user.user_principal_name.clone());
        }
    }
    Ok(())
}

/// Resets the users of the items as far as they are there and the actor may, and writes the outcomes into the items.
fn reset_users(tx: &mut Tx<'_>, row: &MfaResetRow, actor: &Actor, items: &mut [ItemRow]) -> Result<()> {
    let ids: Vec<_> = items.iter().filter_map(|item| item.user_id.as_ref()).collect();
    let people = users::find_by_ids(tx, &actor.tenant, &ids)?;
    let decisions = access::allow_each(tx, actor, Action::ResetMfa, &people)?;
    let plan: Plan = serde_json::from_str(&row.request).map_err(Error::internal)?;
    let reports = reset::plan(tx, &actor.tenant, &people, &plan.request(None))?;
    let outcomes = people.iter().zip(decisions.into_iter().zip(reports));
    let mut outcomes: BTreeMap<&UserId, (&User, (Result<()>, ResetReport))> =
        outcomes.map(|(user, outcome)| (&user.user_id, (user, outcome))).collect();

    // Users with the same reason are reset by the same statements.
    let mut by_reason: BTreeMap<Option<String>, Vec<(&mut ItemRow, &User, ResetReport)>> = BTreeMap::new();
    for item in items {
        item.finished_at = Some(tx.now());
        let outcome = item.user_id.as_ref().and_then(|id| outcomes.remove(id));
        let (status, problem) = match outcome {
            Some((user, (Ok(()), report))) => {
                by_reason.entry(item.reason.clone()).or_default().push((item, user, report));
                continue;
            }
            Some((_, (Err(error), _))) => (ItemStatus::NotPermitted, Problem::not_permitted(&error).ok_or(error)?),
            None => {
                let message = match item.user_id {
                    Some(_) => "The user was deleted after the preview.",
                    None => "There is no such user in this tenant who is not among the others under another name.",
                };
                (ItemStatus::NotFound, Problem::new("notFound", message))
            }
        };
        (item.status, item.problem) = (status, Some(problem.to_json()?));
    }
    for (reason, group) in by_reason {
        let request = plan.request(reason.as_deref());
        let users: Vec<_> = group.iter().map(|(_, user, _)| *user).collect();
        reset::carry_out(tx, actor, &users, &request)?;
        let entries = group.iter().map(|(_, user, report)| {
            let entry = reset::entry(user, &request, report)?;
            Ok(entry.detail("mfaResetId", row.mfa_reset_id.as_str()))
        });
        let entries = entries.collect::<Result<Vec<_>>>()?;
        let events = audit::record_all(tx, actor, entries)?;
        for ((item, _, mut report), event) in group.into_iter().zip(events) {
            report.audit_event_id = Some(event);
            item.status = match report.deleted.is_empty() && report.deactivated.is_empty() {
                true => ItemStatus::NothingToDo,
                false => ItemStatus::Done,
            };
            item.report = Some(serde_json::to_string(&report).map_err(Error::internal)?);
            item.problem = None;
        }
    }
    Ok(())
}

/// Gives up on the one user whom a turn of one could not reset, so that the others go on. False when there was none.
pub(super) fn give_up(tx: &mut Tx<'_>, part: &mut PartRow, error: &Error) -> Result<bool> {
    let given_up = settle(tx, part, ItemStatus::Pending, ItemStatus::Failed, Some(&Problem::fault(error)), 1)?;
    parts::update(tx, part)?;
    Ok(given_up == 1)
}

/// Ends a part that has nothing left to do, and with the last part the whole reset, on behalf of its creator's tenant.
pub(super) fn finish(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId, target: &TenantId) -> Result<()> {
    let (Some(mut row), Some(mut part)) = (mfa_resets::find(tx, tenant, id)?, parts::find(tx, tenant, id, target)?)
    else {
        return Ok(());
    };
    // Asked again, under the lock of the creator's tenant: a cancellation may have come in between.
    let is_cancelled = row.status == MfaResetStatus::Cancelling;
    let waiting: &[_] = if is_cancelled { &[ItemStatus::Pending, ItemStatus::Queued] } else { &[ItemStatus::Pending] };
    for status in waiting {
        if !items::of_part(tx, tenant, id, target, *status, 1)?.is_empty() {
            return Ok(());
        }
    }
    if part.status != PartStatus::Running {
        return Ok(());
    }
    part.status = PartStatus::Finished;
    parts::update(tx, &part)?;
    if parts::count(tx, tenant, id, PartStatus::Running)? > 0 || is_over(row.status) {
        return Ok(());
    }
    let parts = parts::of_reset(tx, tenant, id)?;
    let counts: Counts = parts.iter().map(|part| part.counts).sum();
    let reset = counts.done + counts.nothing_to_do;
    row.status = match row.status {
        // Cancelled after the last user, it came too late.
        MfaResetStatus::Cancelling if counts.cancelled > 0 => MfaResetStatus::Cancelled,
        _ if reset == counts.total() => MfaResetStatus::Succeeded,
        _ if reset > 0 => MfaResetStatus::PartiallySucceeded,
        _ => MfaResetStatus::Failed,
    };
    (row.version, row.finished_at) = (row.version + 1, Some(tx.now()));
    mfa_resets::update(tx, &row)?;
    let actor = actor_of_record(tx, &row)?;
    record(tx, &actor, &row, Activity::FINISH_MFA_RESET, &parts)
}

/// Whoever created the reset, for the record: also when he may do nothing any more.
fn actor_of_record(tx: &mut Tx<'_>, row: &MfaResetRow) -> Result<Actor> {
    let caller = caller_of(row, &row.tenant_id)?;
    match access::identify(tx, &caller) {
        Err(Error::Unauthenticated { .. }) => Ok(access::named(&caller, &row.creator_display_name)),
        other => other,
    }
}
