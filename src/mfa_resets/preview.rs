//! The preview: finds the users, asks whether the creator may reset them, and says what would go. Changes nothing but
//! the reset's own items.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CONFIRMATION_HOURS, NotPermitted, Plan, Summary,
    items::{Planned, Problem, SETTLED_AT_ONCE, count_of, settle},
    targets::MAX_TARGETS,
};
use crate::{
    access::{self, Action, Caller},
    error::{Error, Result},
    id::{TenantId, UserId},
    methods::MethodKind,
    reset::{self, ResetReport},
    store::{
        Tx,
        mfa_resets::{
            self, MfaResetRow, MfaResetStatus,
            items::{self, ItemRow, ItemStatus},
            parts::{self, PartRow, PartStatus},
        },
        tenants::{self, RegistrationProof, Tenant},
        users::{self, User, UserFilter},
    },
};

/// Users that a filter finds in one turn.
const FOUND_AT_ONCE: i64 = 500;

/// One turn on one part: at most `most` users are looked at. The last turn of the last part ends the preview.
pub(super) fn turn(tx: &mut Tx<'_>, row: &MfaResetRow, part: &mut PartRow, most: i64) -> Result<()> {
    let caller = super::caller_of(row, &part.target_tenant_id)?;
    let outcome = access::identify(tx, &caller)
        .and_then(|actor| access::allow(tx, &actor, Action::ResetMfa, None).map(|()| actor));
    if outcome.is_ok() && part.display_name.is_none() {
        part.display_name = tenants::find(tx, &part.target_tenant_id)?.map(|tenant| tenant.display_name);
    }
    match outcome {
        Ok(_) if part.selections != "[]" => select(tx, part)?,
        Ok(_) => {
            let (tenant, id, target) = (&part.tenant_id, &part.mfa_reset_id, &part.target_tenant_id);
            let queued = items::of_part(tx, tenant, id, target, ItemStatus::Queued, most)?;
            if queued.is_empty() {
                part.counts.queued = 0;
            }
            look_at(tx, row, part, &caller, queued)?;
        }
        Err(error) => match Problem::not_permitted(&error) {
            Some(problem) => {
                let to = ItemStatus::NotPermitted;
                let refused = settle(tx, part, ItemStatus::Queued, to, Some(&problem), SETTLED_AT_ONCE)?;
                refuse(part, &problem, refused)?;
            }
            None => return Err(error),
        },
    }
    end_if_last(tx, row, part)
}

/// Gives up on the one user whom a turn of one could not look at, so that the others go on. False when there was none.
pub(super) fn give_up(tx: &mut Tx<'_>, row: &MfaResetRow, part: &mut PartRow, error: &Error) -> Result<bool> {
    let given_up = settle(tx, part, ItemStatus::Queued, ItemStatus::Failed, Some(&Problem::fault(error)), 1)?;
    end_if_last(tx, row, part)?;
    Ok(given_up == 1)
}

/// Nothing more is selected: the tenant is closed to the creator, or the reset is full.
fn refuse(part: &mut PartRow, problem: &Problem, users: i64) -> Result<()> {
    let mut summary: Summary = serde_json::from_str(&part.summary).map_err(Error::internal)?;
    part.selections = "[]".into();
    count_refusal(&mut summary, problem, users);
    part.summary = serde_json::to_string(&summary).map_err(Error::internal)?;
    Ok(())
}

/// Queues the next users of the part's first filter.
fn select(tx: &mut Tx<'_>, part: &mut PartRow) -> Result<()> {
    let mut filters: Vec<Option<UserFilter>> = serde_json::from_str(&part.selections).map_err(Error::internal)?;
    let after = part.selected_until.clone().map(UserId::new);
    let target = part.target_tenant_id.clone();
    let filter = filters.first().and_then(Option::as_ref);
    let found = users::ids(tx, &target, filter, after.as_ref(), FOUND_AT_ONCE)?;
    let first = items::last_number(tx, &part.tenant_id, &part.mfa_reset_id)? + 1;
    if first + found.len() as i64 > MAX_TARGETS {
        let message =
            format!("One reset is about at most {MAX_TARGETS} users; the rest of the selection was left out.");
        return refuse(part, &Problem::new("tooManyUsers", message), found.len() as i64);
    }
    part.selected_until = found.last().map(|user| user.to_string());
    if (found.len() as i64) < FOUND_AT_ONCE {
        filters.remove(0);
        part.selected_until = None;
    }
    part.selections = serde_json::to_string(&filters).map_err(Error::internal)?;
    part.counts.queued += found.len() as i64;
    let rows = (first..).zip(found).map(|(item_number, user_id)| ItemRow {
        tenant_id: part.tenant_id.clone(),
        mfa_reset_id: part.mfa_reset_id.clone(),
        item_number,
        target_tenant_id: target.clone(),
        named: None,
        reason: None,
        user_id: Some(user_id),
        user_principal_name: None,
        status: ItemStatus::Queued,
        planned: None,
        problem: None,
        report: None,
        finished_at: None,
    });
    items::insert(tx, &rows.collect::<Vec<_>>())
}

/// Settles queued items: not found, named twice, not permitted, or pending with what would go.
fn look_at(
    tx: &mut Tx<'_>,
    row: &MfaResetRow,
    part: &mut PartRow,
    caller: &Caller,
    queued: Vec<ItemRow>,
) -> Result<()> {
    let target = part.target_tenant_id.clone();
    let found = find_users(tx, &target, &queued)?;
    let ids: Vec<_> = found.iter().map(|user| &user.user_id).collect();
    let mut seen = items::known_users(tx, &part.tenant_id, &part.mfa_reset_id, &target, &ids)?;
    let by_key = by_key(&found);

    // Who is whose item.
    let (mut settled, mut repeated, mut candidates) = (vec![], vec![], vec![]);
    for mut item in queued {
        *count_of(&mut part.counts, ItemStatus::Queued) -= 1;
        let key = item.user_id.as_ref().map(|id| id.to_string()).or_else(|| item.named.as_deref().map(key_of));
        match key.and_then(|key| by_key.get(&key).copied()) {
            Some(user) if !seen.insert(user.user_id.clone()) => repeated.push(item.item_number),
            Some(user) => candidates.push((item, user.clone())),
            None => {
                item.status = ItemStatus::NotFound;
                let problem = Problem::new("notFound", "There is no such user in this tenant.");
                (item.problem, item.finished_at) = (Some(problem.to_json()?), Some(tx.now()));
                settled.push(item);
            }
        }
    }

    // What would become of them.
    let actor = access::identify(tx, caller)?;
    let (mut candidates, people): (Vec<_>, Vec<_>) = candidates.into_iter().unzip();
    let decisions = access::allow_each(tx, &actor, Action::ResetMfa, &people)?;
    let plan: Plan = serde_json::from_str(&row.request).map_err(Error::internal)?;
    let reports = reset::plan(tx, &target, &people, &plan.request(None))?;
    let proof = tenants::find(tx, &target)?;
    let mut summary: Summary = serde_json::from_str(&part.summary).map_err(Error::internal)?;
    for (((item, user), decision), report) in candidates.iter_mut().zip(&people).zip(decisions).zip(&reports) {
        item.user_id = Some(user.user_id.clone());
        item.user_principal_name = Some(user.user_principal_name.clone());
        if let Err(error) = decision {
            let problem = Problem::not_permitted(&error).ok_or(error)?;
            count_refusal(&mut summary, &problem, 1);
            item.status = ItemStatus::NotPermitted;
            (item.problem, item.finished_at) = (Some(problem.to_json()?), Some(tx.now()));
            continue;
        }
        item.status = ItemStatus::Pending;
        item.planned = Some(serde_json::to_string(&Planned::from(report)).map_err(Error::internal)?);
        count_plan(&mut summary, report, proof.as_ref());
    }
    settled.append(&mut candidates);
    for item in &settled {
        *count_of(&mut part.counts, item.status) += 1;
    }
    items::replace(tx, &settled)?;
    if !repeated.is_empty() {
        mfa_resets::add_duplicates(tx, &part.tenant_id, &part.mfa_reset_id, repeated.len() as i64)?;
        items::delete(tx, &part.tenant_id, &part.mfa_reset_id, repeated)?;
    }
    part.summary = serde_json::to_string(&summary).map_err(Error::internal)?;
    Ok(())
}

/// Users by what they may be named by, see [`key_of`].
pub(super) fn by_key(found: &[User]) -> BTreeMap<String, &User> {
    let keys = |user: &User| [user.user_id.to_string(), users::name_key(&user.user_principal_name)];
    found.iter().flat_map(|user| keys(user).map(|key| (key, user))).collect()
}

/// How a named user is looked up: an id in its own spelling, a userPrincipalName in any case.
pub(super) fn key_of(named: &str) -> String {
    match UserId::parse(named.trim()) {
        Some(id) => id.into_string(),
        None => users::name_key(named.trim()),
    }
}

/// The users of items, as far as they are there.
pub(super) fn find_users(tx: &mut Tx<'_>, tenant: &TenantId, queued: &[ItemRow]) -> Result<Vec<User>> {
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for item in queued {
        let named = item.named.as_deref().unwrap_or_default().trim();
        match item.user_id.clone().or_else(|| UserId::parse(named)) {
            Some(id) => drop(ids.insert(id)),
            None => drop(names.insert(users::name_key(named))),
        }
    }
    let mut found = users::find_by_ids(tx, tenant, &ids.iter().collect::<Vec<_>>())?;
    found.extend(users::find_by_names(tx, tenant, &names.into_iter().collect::<Vec<_>>())?);
    Ok(found)
}

fn count_refusal(summary: &mut Summary, problem: &Problem, users: i64) {
    match summary.not_permitted.iter_mut().find(|known| known.code == problem.code && known.message == problem.message)
    {
        Some(known) => known.user_count += users,
        None => summary.not_permitted.push(NotPermitted {
            code: problem.code.clone(),
            message: problem.message.clone(),
            user_count: users,
        }),
    }
}

fn count_plan(summary: &mut Summary, report: &ResetReport, tenant: Option<&Tenant>) {
    summary.user_count += 1;
    for method in &report.deleted {
        *summary.delete_counts.entry(method.kind).or_default() += 1;
    }
    summary.deactivate_count += report.deactivated.len() as i64;
    let proof = tenant.map_or(RegistrationProof::FirstFactor, |tenant| tenant.registration_proof);
    let opens = |kind: MethodKind| {
        let is_first = matches!(kind, MethodKind::Password | MethodKind::QrCodePin);
        kind.proves_both() || (is_first && proof == RegistrationProof::FirstFactor)
    };
    if !report.kept.iter().any(|method| opens(method.kind)) {
        summary.locked_out_count += 1;
    }
}

/// Keeps the part as it is now. The preview is complete when no part is worked on any more.
fn end_if_last(tx: &mut Tx<'_>, row: &MfaResetRow, part: &mut PartRow) -> Result<()> {
    if part.counts.queued == 0 && part.selections == "[]" {
        part.status = PartStatus::Waiting;
    }
    parts::update(tx, part)?;
    if parts::count(tx, &row.tenant_id, &row.mfa_reset_id, PartStatus::Previewing)? > 0 {
        return Ok(());
    }
    // Read again: duplicates may have been counted in this very transaction.
    let row = mfa_resets::find(tx, &row.tenant_id, &row.mfa_reset_id)?;
    let row = row.ok_or_else(|| Error::internal("a reset went while it was previewed"))?;
    let previewed = MfaResetRow {
        status: MfaResetStatus::AwaitingConfirmation,
        version: row.version + 1,
        expires_at: tx.now().plus_minutes(CONFIRMATION_HOURS * 60),
        ..row
    };
    mfa_resets::update(tx, &previewed)
}
