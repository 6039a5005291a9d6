//! The users of a reset: how their outcomes are kept and shown.

use serde::{Deserialize, Serialize};

use super::find_row;
use crate::{
    access::{Caller, NO_RELATIONSHIP},
    clock::Timestamp,
    error::{Error, Result},
    id::{MethodId, TenantId, UserId},
    reset::ResetReport,
    store::{
        Tx,
        mfa_resets::{
            items::{self, ItemFilter, ItemRow, ItemStatus},
            parts::{Counts, PartRow},
        },
    },
};

/// Items of one statement that only gives them another status.
pub(super) const SETTLED_AT_ONCE: i64 = 5_000;

/// Why a user was not reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// For programs: `notFound`, `targetTooPrivileged`, `noActiveRelationship`, ...
    pub code: String,
    pub message: String,
    /// Whether trying again may help without anybody changing anything.
    pub is_retryable: bool,
}

impl Problem {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), is_retryable: false }
    }

    /// Why the caller may not.
    pub(super) fn not_permitted(error: &Error) -> Option<Self> {
        match error {
            Error::Denied { inner, message, .. } => Some(Self::new(inner, message)),
            Error::Unauthenticated { message } if message == NO_RELATIONSHIP => {
                Some(Self::new("noActiveRelationship", message))
            }
            Error::Unauthenticated { message } => Some(Self::new("callerWithdrawn", message)),
            _ => None,
        }
    }

    /// A fault with one user, which must not hold up the others.
    pub fn fault(error: &Error) -> Self {
        match error {
            Error::Unavailable { .. } | Error::Contended => Self {
                code: "serviceNotAvailable".into(),
                message: "The database did not answer in time. Retry the reset.".into(),
                is_retryable: true,
            },
            _ => {
                Self::new("generalException", "The data of this user cannot be read; ask the operator of this service.")
            }
        }
    }

    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }
}

/// The methods that the preview saw would go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub deleted: Vec<MethodId>,
    pub deactivated: Vec<MethodId>,
}

impl From<&ResetReport> for Planned {
    fn from(report: &ResetReport) -> Self {
        let ids = |list: &[crate::methods::MethodSummary]| list.iter().map(|method| method.id.clone()).collect();
        Self { deleted: ids(&report.deleted), deactivated: ids(&report.deactivated) }
    }
}

/// One user of a reset.
#[derive(Debug, Clone)]
pub struct Item {
    pub number: i64,
    pub tenant_id: TenantId,
    /// As the caller named the user; nothing when a filter found the user.
    pub named: Option<String>,
    pub user_id: Option<UserId>,
    pub user_principal_name: Option<String>,
    pub status: ItemStatus,
    pub reason: Option<String>,
    pub problem: Option<Problem>,
    pub planned: Option<Planned>,
    pub report: Option<ResetReport>,
    pub finished_at: Option<Timestamp>,
}

impl Item {
    pub(super) fn read(row: ItemRow) -> Result<Self> {
        Ok(Self {
            number: row.item_number,
            tenant_id: row.target_tenant_id,
            named: row.named,
            user_id: row.user_id,
            user_principal_name: row.user_principal_name,
            status: row.status,
            reason: row.reason,
            problem: parse(row.problem)?,
            planned: parse(row.planned)?,
            report: parse(row.report)?,
            finished_at: row.finished_at,
        })
    }

    /// Whether something else went than the preview had announced, because the user changed in between.
    pub fn differs_from_preview(&self) -> bool {
        match (&self.planned, &self.report) {
            (Some(planned), Some(report)) => *planned != Planned::from(report),
            _ => false,
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(json: Option<String>) -> Result<Option<T>> {
    json.map(|json| serde_json::from_str(&json)).transpose().map_err(Error::internal)
}

/// A page of a reset's items in the order of their numbers.
pub fn list(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: &str,
    filter: &ItemFilter,
    after: i64,
    limit: i64,
) -> Result<Vec<Item>> {
    let (_, row) = find_row(tx, caller, id)?;
    let rows = items::list(tx, &row.tenant_id, &row.mfa_reset_id, filter, after, limit)?;
    rows.into_iter().map(Item::read).collect()
}

/// The count of items of a status.
pub(super) fn count_of(counts: &mut Counts, status: ItemStatus) -> &mut i64 {
    match status {
        ItemStatus::Queued => &mut counts.queued,
        ItemStatus::Pending => &mut counts.pending,
        ItemStatus::Done => &mut counts.done,
        ItemStatus::NothingToDo => &mut counts.nothing_to_do,
        ItemStatus::NotFound => &mut counts.not_found,
        ItemStatus::NotPermitted => &mut counts.not_permitted,
        ItemStatus::Failed => &mut counts.failed,
        ItemStatus::Cancelled => &mut counts.cancelled,
    }
}

/// Gives up to `limit` items of a part that have a status another, and counts them over.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    part: &mut PartRow,
    from: ItemStatus,
    to: ItemStatus,
    problem: Option<&Problem>,
    limit: i64,
) -> Result<i64> {
    let problem = problem.map(Problem::to_json).transpose()?;
    let (tenant, id, target) = (&part.tenant_id, &part.mfa_reset_id, &part.target_tenant_id);
    let settled = items::settle(tx, tenant, id, target, from, to, problem.as_deref(), limit)?;
    *count_of(&mut part.counts, from) -= settled;
    *count_of(&mut part.counts, to) += settled;
    Ok(settled)
}

/// Lets the items that failed wait for another run.
pub(super) fn requeue(tx: &mut Tx<'_>, part: &mut PartRow) -> Result<()> {
    while settle(tx, part, ItemStatus::Failed, ItemStatus::Pending, None, SETTLED_AT_ONCE)? > 0 {}
    Ok(())
}
