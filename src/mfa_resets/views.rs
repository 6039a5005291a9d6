//! What is shown of a reset of many users.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{MfaResetId, TenantId},
    methods::MethodKind,
    store::mfa_resets::{MfaResetRow, MfaResetStatus, parts::Counts},
};

/// What the preview found in one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Users who will be reset.
    pub user_count: i64,
    /// Methods that will be deleted.
    pub delete_counts: BTreeMap<MethodKind, i64>,
    /// Hardware tokens that will be deactivated.
    pub deactivate_count: i64,
    /// Users whom the caller may not reset, by reason.
    pub not_permitted: Vec<NotPermitted>,
    /// Users who are left with nothing that would let them in to register again.
    pub locked_out_count: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotPermitted {
    pub code: String,
    pub message: String,
    pub user_count: i64,
}

/// One tenant's share of a reset, as its creator may see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    pub tenant_id: TenantId,
    pub display_name: Option<String>,
    pub summary: Summary,
    pub counts: Counts,
}

impl Counts {
    pub fn total(&self) -> i64 {
        self.queued + self.pending + self.settled()
    }

    /// Users about whom nothing will change any more.
    pub fn settled(&self) -> i64 {
        self.done + self.nothing_to_do + self.not_found + self.not_permitted + self.failed + self.cancelled
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, next| Self {
            queued: sum.queued + next.queued,
            pending: sum.pending + next.pending,
            done: sum.done + next.done,
            nothing_to_do: sum.nothing_to_do + next.nothing_to_do,
            not_found: sum.not_found + next.not_found,
            not_permitted: sum.not_permitted + next.not_permitted,
            failed: sum.failed + next.failed,
            cancelled: sum.cancelled + next.cancelled,
        })
    }
}

/// A reset of many users, as whoever may see it sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MfaReset {
    pub tenant_id: TenantId,
    pub id: MfaResetId,
    pub status: MfaResetStatus,
    pub version: i64,
    pub plan: Plan,
    pub created_by_id: String,
    pub created_by_display_name: String,
    pub confirmed_by_id: Option<String>,
    pub confirmed_by_display_name: Option<String>,
    pub duplicate_count: i64,
    pub created_at: Timestamp,
    pub confirmed_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub expires_at: Timestamp,
    pub counts: Counts,
    /// What is said of one reset only, not in a list of many.
    pub details: Option<Details>,
}

/// The longer part of what is said of a reset.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Details {
    /// The creator cannot confirm it.
    pub needs_approval: bool,
    pub parts: Vec<Part>,
}

impl MfaReset {
    /// A name of how far it has come: another whenever anything has changed.
    pub fn progress_id(&self) -> String {
        let Counts { queued, pending, .. } = self.counts;
        format!("{}-{}-{queued}-{pending}-{}", self.version, self.status, self.counts.settled())
    }

    /// Whether nothing will change any more, unless somebody asks for it.
    pub fn is_over(&self) -> bool {
        is_over(self.status)
    }
}

pub(super) fn is_over(status: MfaResetStatus) -> bool {
    use MfaResetStatus::*;
    match status {
        Receiving | Previewing | AwaitingConfirmation | Running | Cancelling => false,
        Succeeded | PartiallySucceeded | Failed | Cancelled | Expired => true,
    }
}

pub(super) fn shown(row: MfaResetRow, now: Timestamp, counts: Counts, details: Option<Details>) -> Result<MfaReset> {
    Ok(MfaReset {
        status: status_at(&row, now),
        plan: serde_json::from_str(&row.request).map_err(Error::internal)?,
        tenant_id: row.tenant_id,
        id: row.mfa_reset_id,
        version: row.version,
        created_by_id: row.creator_id,
        created_by_display_name: row.creator_display_name,
        confirmed_by_id: row.confirmed_by_id,
        confirmed_by_display_name: row.confirmed_by_display_name,
        duplicate_count: row.duplicate_count,
        created_at: row.created_at,
        confirmed_at: row.confirmed_at,
        finished_at: row.finished_at,
        expires_at: row.expires_at,
        counts,
        details,
    })
}

/// A preview that nobody confirmed in time has ended, whether or not the clean-up has come to it.
pub(super) fn status_at(row: &MfaResetRow, now: Timestamp) -> MfaResetStatus {
    match row.status {
        MfaResetStatus::AwaitingConfirmation if row.expires_at <= now => MfaResetStatus::Expired,
        status => status,
    }
}
