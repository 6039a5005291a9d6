//! Resets of many users, possibly of many tenants: created, previewed, confirmed, run, reported.
//!
//! A reset has one part per tenant and one item per user. The preview resolves the items and says what would go; the
//! run does to every item what [`crate::reset`] does to one user, in the transaction that records the item's outcome.
//! Both are done by [`work`], in turns: one turn is one transaction over a few hundred items of one part, so workers on
//! any number of replicas share the work, and one that dies leaves no trace.

use serde::{Deserialize, Serialize};

use crate::{
    access::{self, Action, Actor, Caller, Origin, Scope, Who},
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    error::{Area, Error, Result},
    id::{MfaResetId, TenantId},
    methods::MethodKind,
    reset::ResetRequest,
    store::{
        Store, Tx,
        mfa_resets::{
            self, Listed, MfaResetRow, MfaResetStatus,
            parts::{self, PartRow, PartStatus},
        },
        relationships, tenants,
    },
};

pub mod items;
mod preview;
pub mod receipt;

mod run;
pub mod targets;
mod views;
pub mod work;

pub use crate::store::mfa_resets::parts::Counts;
pub use views::{Details, MfaReset, NotPermitted, Part, Summary};
use views::{is_over, shown, status_at};

/// How long a preview waits for its confirmation, in hours.
pub const CONFIRMATION_HOURS: i64 = 24;
/// How long an upload may take, in hours.
const UPLOAD_HOURS: i64 = 1;

/// What is done to every user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// For the users that have no reason of their own.
    pub reason: Option<String>,
    /// Kinds that a reset keeps, to be deleted this time.
    pub also_delete: Vec<MethodKind>,
    pub revoke_sign_in_sessions: bool,
}

impl Plan {
    /// The reset of one user.
    pub fn request(&self, reason: Option<&str>) -> ResetRequest {
        ResetRequest {
            reason: reason.map(str::to_owned).or_else(|| self.reason.clone()),
            also_delete: self.also_delete.clone(),
            revoke_sign_in_sessions: self.revoke_sign_in_sessions,
            issue_temporary_access_pass: None,
            validate_only: false,
        }
    }
}

/// Who created a reset: enough to act in his name later, with the powers he then has.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Creator {
    who: Who,
    origin: Origin,
}

/// The creator, as a reset keeps him.
pub fn creator_json(who: &Who, origin: &Origin) -> Result<String> {
    let creator = Creator { who: who.clone(), origin: origin.clone() };
    serde_json::to_string(&creator).map_err(Error::internal)
}

/// Whoever created the reset, acting in one of its tenants.
fn caller_of(row: &MfaResetRow, target: &TenantId) -> Result<Caller> {
    let Creator { who, origin } = serde_json::from_str(&row.creator).map_err(Error::internal)?;
    Ok(Caller { tenant: row.tenant_id.clone(), who, origin, once: None }.in_tenant(target))
}

/// Whoever may reset users of the tenant, or has been given roles in some customer's tenant, may make a reset of many
/// users; true for the former. What may be done to each user is decided user by user.
fn authorize(tx: &mut Tx<'_>, caller: &Caller) -> Result<(Actor, bool)> {
    if let Who::Partner { .. } = &caller.who {
        let message = "A reset of many users is made with a token of the partner's own tenant.";
        return Err(Error::Denied { area: Area::Methods, inner: "ownTenantOnly", message: message.into() });
    }
    let actor = access::identify(tx, caller)?;
    let Err(denied) = access::allow(tx, &actor, Action::ResetMfa, None) else { return Ok((actor, true)) };
    let has_roles_scope = match &caller.who {
        Who::User { scope, .. } => *scope == Scope::Roles,
        Who::Application { .. } | Who::Operator | Who::Partner { .. } => true,
    };
    if has_roles_scope && relationships::has_assignment(tx, &caller.tenant, caller.id())? {
        return Ok((actor, false));
    }
    Err(denied)
}

/// The reset with this id, if the caller may see it: who created it, or who may himself reset users of every tenant that
/// it is about.
fn find_row(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<(Actor, MfaResetRow)> {
    let (actor, may_at_home) = authorize(tx, caller)?;
    let row = MfaResetId::parse(id).map(|id| mfa_resets::find(tx, &caller.tenant, &id)).transpose()?.flatten();
    let row = row.filter(|row| row.status != MfaResetStatus::Receiving);
    let row = row.ok_or_else(|| Error::method_not_found(id))?;
    if row.creator_id == caller.id()
        || matches!(caller.who, Who::Operator)
        || may_handle(tx, caller, may_at_home, &row)?
    {
        return Ok((actor, row));
    }
    Err(Error::method_not_found(id))
}

/// Whether somebody else than the creator may reset users of every tenant where the creator may.
fn may_handle(tx: &mut Tx<'_>, caller: &Caller, may_at_home: bool, row: &MfaResetRow) -> Result<bool> {
    if !row.has_customers {
        return Ok(may_at_home);
    }
    let parts = parts::of_reset(tx, &row.tenant_id, &row.mfa_reset_id)?;
    let is_open = |part: &PartRow| part.counts.total() > part.counts.not_permitted || part.selections != "[]";
    let tenants: Vec<_> = parts.into_iter().filter(is_open).map(|part| part.target_tenant_id).collect();
    let actors = access::partner::actors_in(tx, caller, &tenants)?;
    for tenant in &tenants {
        let Some(actor) = actors.get(tenant) else { return Ok(false) };
        match access::allow(tx, actor, Action::ResetMfa, None) {
            Ok(()) => {}
            Err(Error::Denied { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

pub fn find(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<MfaReset> {
    let (_, row) = find_row(tx, caller, id)?;
    view(tx, row)
}

/// A page of the tenant's resets, the newest first: those that the caller created, and if he may reset users of the
/// tenant, those that are about no others. (Other people's about customers are found by id only.)
pub fn list(
    tx: &mut Tx<'_>,
    caller: &Caller,
    after: Option<&(Timestamp, MfaResetId)>,
    limit: i64,
) -> Result<Vec<MfaReset>> {
    let (_, may_at_home) = authorize(tx, caller)?;
    let listed = match caller.who {
        Who::Operator => Listed::All,
        _ if may_at_home => Listed::CreatedByOrWithoutCustomers(caller.id()),
        _ => Listed::CreatedBy(caller.id()),
    };
    let rows = mfa_resets::list(tx, &caller.tenant, listed, after, limit)?;
    let ids: Vec<_> = rows.iter().map(|row| &row.mfa_reset_id).collect();
    let mut counts = parts::totals(tx, &caller.tenant, &ids)?;
    let brief = |row: MfaResetRow| {
        let counts = counts.remove(&row.mfa_reset_id).unwrap_or_default();
        shown(row, tx.now(), counts, None)
    };
    rows.into_iter().map(brief).collect()
}

/// How far a reset has come: cheaper than all that can be said of it.
pub fn progress(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<MfaReset> {
    let (_, row) = find_row(tx, caller, id)?;
    let counts = parts::totals(tx, &row.tenant_id, &[&row.mfa_reset_id])?.remove(&row.mfa_reset_id);
    shown(row, tx.now(), counts.unwrap_or_default(), None)
}

fn view(tx: &mut Tx<'_>, row: MfaResetRow) -> Result<MfaReset> {
    let parts = parts::of_reset(tx, &row.tenant_id, &row.mfa_reset_id)?;
    let needs_approval = needs_approval(tx, &row, &parts)?;
    let counts = parts.iter().map(|part| part.counts).sum();
    let parts = parts.into_iter().map(|part| {
        Ok(Part {
            summary: serde_json::from_str(&part.summary).map_err(Error::internal)?,
            tenant_id: part.target_tenant_id,
            display_name: part.display_name,
            counts: part.counts,
        })
    });
    let details = Details { needs_approval, parts: parts.collect::<Result<_>>()? };
    shown(row, tx.now(), counts, Some(details))
}

/// Whether a policy asks for a second person: that of the creator's tenant about all users, or that of a customer about
/// its own.
fn needs_approval(tx: &mut Tx<'_>, row: &MfaResetRow, parts: &[PartRow]) -> Result<bool> {
    if row.status != MfaResetStatus::AwaitingConfirmation {
        return Ok(false);
    }
    let all = parts.iter().map(|part| part.counts.pending).sum::<i64>();
    let mut asked = vec![(&row.tenant_id, all)];
    asked.extend(parts.iter().map(|part| (&part.target_tenant_id, part.counts.pending)));
    for (tenant, users) in asked.into_iter().filter(|(_, users)| *users > 0) {
        let threshold = tenants::find(tx, tenant)?.and_then(|tenant| tenant.mfa_reset_approval_threshold);
        if threshold.is_some_and(|threshold| users >= threshold) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lets a previewed reset run. `etag_version` is the version of the preview that was seen.
pub fn confirm(tx: &mut Tx<'_>, caller: &Caller, id: &str, etag_version: Option<i64>) -> Result<MfaReset> {
    let (actor, mut row) = find_row(tx, caller, id)?;
    check_status(&row, tx.now(), &[MfaResetStatus::AwaitingConfirmation], "confirmed")?;
    if etag_version != Some(row.version) {
        return Err(Error::PreconditionFailed);
    }
    let parts = parts::of_reset(tx, &row.tenant_id, &row.mfa_reset_id)?;
    if row.creator_id == caller.id() && needs_approval(tx, &row, &parts)? {
        let message = "So many users are reset only when a second person confirms: ask somebody else who may reset users to confirm it.";
        return Err(Error::Denied { area: Area::Methods, inner: "approvalRequired", message: message.into() });
    }
    (row.status, row.version, row.confirmed_at) = (MfaResetStatus::Running, row.version + 1, Some(tx.now()));
    (row.confirmed_by_id, row.confirmed_by_display_name) =
        (Some(caller.id().to_owned()), Some(actor.display_name.clone()));
    mfa_resets::update(tx, &row)?;
    parts::set_status(tx, &row.tenant_id, &row.mfa_reset_id, &[PartStatus::Waiting], PartStatus::Running)?;
    record(tx, &actor, &row, Activity::CONFIRM_MFA_RESET, &parts)?;
    view(tx, row)
}

/// Stops a reset at the next user. What was done stays done.
pub fn cancel(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<MfaReset> {
    use MfaResetStatus::*;
    let (actor, mut row) = find_row(tx, caller, id)?;
    if matches!(row.status, Cancelling | Cancelled) {
        return view(tx, row);
    }
    check_status(&row, tx.now(), &[Previewing, AwaitingConfirmation, Running], "cancelled")?;
    (row.status, row.version) = (Cancelling, row.version + 1);
    mfa_resets::update(tx, &row)?;
    let open = [PartStatus::Waiting, PartStatus::Previewing, PartStatus::Running];
    parts::set_status(tx, &row.tenant_id, &row.mfa_reset_id, &open, PartStatus::Running)?;
    let parts = parts::of_reset(tx, &row.tenant_id, &row.mfa_reset_id)?;
    record(tx, &actor, &row, Activity::CANCEL_MFA_RESET, &parts)?;
    view(tx, row)
}

/// Runs a finished reset again for the users with whom it failed, and only for them.
pub fn retry(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<MfaReset> {
    use MfaResetStatus::*;
    let (actor, mut row) = find_row(tx, caller, id)?;
    check_status(&row, tx.now(), &[PartiallySucceeded, Failed], "retried")?;
    let mut parts = parts::of_reset(tx, &row.tenant_id, &row.mfa_reset_id)?;
    if parts.iter().all(|part| part.counts.failed == 0) {
        return Err(Error::conflict("There is nothing to retry: with no user did it fail."));
    }
    for part in parts.iter_mut().filter(|part| part.counts.failed > 0) {
        items::requeue(tx, part)?;
        (part.status, part.due_at) = (PartStatus::Running, tx.now());
        parts::update(tx, part)?;
    }
    (row.status, row.version, row.finished_at) = (Running, row.version + 1, None);
    mfa_resets::update(tx, &row)?;
    record(tx, &actor, &row, Activity::RETRY_MFA_RESET, &parts)?;
    view(tx, row)
}

fn check_status(row: &MfaResetRow, now: Timestamp, fit: &[MfaResetStatus], verb: &str) -> Result<()> {
    let status = status_at(row, now);
    if fit.contains(&status) {
        return Ok(());
    }
    let fit: Vec<_> = fit.iter().map(|status| status.as_str()).collect();
    Err(Error::conflict(format!("This reset is {status}; only one that is {} can be {verb}.", fit.join(" or "))))
}

/// Records what happens to the reset as a whole, in the log of its creator's tenant. It names every tenant concerned.
fn record(tx: &mut Tx<'_>, actor: &Actor, row: &MfaResetRow, activity: Activity, parts: &[PartRow]) -> Result<()> {
    let counts: Counts = parts.iter().map(|part| part.counts).sum();
    let mut entry = Entry::success(activity, Target::object("MfaReset", &row.mfa_reset_id, "Reset of many users"))
        .because(format!("{} users of {} tenants; {}", counts.total(), parts.len(), row.status))
        .detail("mfaResetId", row.mfa_reset_id.as_str())
        .detail("status", row.status.as_str());
    if let Some(reason) = serde_json::from_str::<Plan>(&row.request).map_err(Error::internal)?.reason {
        entry = entry.detail("reason", reason);
    }
    for part in parts {
        let Counts { done, nothing_to_do, .. } = part.counts;
        entry = entry
            .detail("customerTenantId", part.target_tenant_id.as_str())
            .detail("customerUsersReset", (done + nothing_to_do).to_string());
    }
    audit::record(tx, actor, entry).map(drop)
}

/// Ends uploads that were never completed and previews that nobody confirmed. Returns how many it saw; big ones take
/// several calls.
pub async fn expire(store: &Store) -> Result<usize> {
    const RESETS_AT_ONCE: i64 = 10;
    let expired = store.read(|tx| mfa_resets::expired(tx, RESETS_AT_ONCE)).await?;
    for row in &expired {
        let (tenant, id) = (row.tenant_id.clone(), row.mfa_reset_id.clone());
        // On behalf of the tenant, so that nobody confirms it at the same time.
        store.write(&row.tenant_id, move |tx| expire_one(tx, &tenant, &id)).await?;
    }
    Ok(expired.len())
}

fn expire_one(tx: &mut Tx<'_>, tenant: &TenantId, id: &MfaResetId) -> Result<()> {
    const ITEMS_AT_ONCE: i64 = 5_000;
    let row = mfa_resets::find(tx, tenant, id)?.filter(|row| row.expires_at <= tx.now());
    match row {
        Some(row) if row.status == MfaResetStatus::Receiving => {
            mfa_resets::delete(tx, tenant, id, ITEMS_AT_ONCE).map(drop)
        }
        Some(row) if row.status == MfaResetStatus::AwaitingConfirmation => {
            let (version, finished_at) = (row.version + 1, Some(tx.now()));
            mfa_resets::update(tx, &MfaResetRow { status: MfaResetStatus::Expired, version, finished_at, ..row })
        }
        _ => Ok(()),
    }
}
