//! What a reset is about and what came of it, in words and as JSON.

use std::fmt::{self, Display, Write};

use serde::Serialize;

use crate::{
    id::{MfaResetId, TenantId},
    methods::MethodKind,
    mfa_resets::{Counts, MfaReset, Part},
    store::mfa_resets::MfaResetStatus,
};

/// `1 user`, `2 users`.
pub fn count(number: i64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// The preview, tenant by tenant, for whoever is to confirm it.
pub fn text(reset: &MfaReset) -> String {
    Preview(reset).to_string()
}

struct Preview<'a>(&'a MfaReset);

impl Display for Preview<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(reset) = self;
        let parts = reset.details.iter().flat_map(|details| &details.parts);
        let tenants = parts.clone().count() as i64;
        writeln!(f, "Reset {}, created by {}:", reset.id, reset.created_by_display_name)?;
        if let Some(reason) = &reset.plan.reason {
            writeln!(f, "  reason: {reason}")?;
        }
        let kinds: Vec<_> = reset.plan.also_delete.iter().map(|kind| kind.as_str()).collect();
        if !kinds.is_empty() {
            writeln!(f, "  also deletes: {}", kinds.join(", "))?;
        }
        let sessions = if reset.plan.revoke_sign_in_sessions { "are ended" } else { "go on" };
        writeln!(f, "  sessions of the users: {sessions}")?;
        for part in parts {
            of_tenant(f, part)?;
        }
        if reset.duplicate_count > 0 {
            writeln!(f, "{} named more than once; each is reset once.", count(reset.duplicate_count, "user"))?;
        }
        writeln!(f, "In all, {} of {} will be reset.", count(reset.counts.pending, "user"), count(tenants, "tenant"))
    }
}

fn of_tenant(f: &mut fmt::Formatter<'_>, part: &Part) -> fmt::Result {
    let summary = &part.summary;
    match &part.display_name {
        Some(name) => writeln!(f, "{name} ({})", part.tenant_id)?,
        // As it was written.
        None => writeln!(f, "{} (unknown tenant)", part.tenant_id)?,
    }
    writeln!(f, "  to reset: {}", count(summary.user_count, "user"))?;
    let deleted = summary.delete_counts.iter().map(|(kind, methods)| format!("{methods} {kind}"));
    let deleted = deleted.collect::<Vec<_>>().join(", ");
    if !deleted.is_empty() {
        writeln!(f, "  to delete: {deleted}")?;
    }
    if summary.deactivate_count > 0 {
        writeln!(f, "  to deactivate: {} {}", summary.deactivate_count, MethodKind::HardwareOath)?;
    }
    if part.counts.not_found > 0 {
        writeln!(f, "  not found: {}", count(part.counts.not_found, "user"))?;
    }
    for refusal in &summary.not_permitted {
        writeln!(f, "  not permitted: {} ({}: {})", count(refusal.user_count, "user"), refusal.code, refusal.message)?;
    }
    if summary.locked_out_count > 0 {
        writeln!(
            f,
            "  locked out: {} will have no way in; give them temporary access passes afterwards",
            count(summary.locked_out_count, "user")
        )?;
    }
    Ok(())
}

/// What became of the users, as a list of numbers.
pub fn outcome(counts: &Counts) -> String {
    let Counts { queued, pending, done, nothing_to_do, not_found, not_permitted, failed, cancelled } = *counts;
    let mut text = format!("{} reset", count(done, "user"));
    for (number, what) in [
        (nothing_to_do, "had nothing to reset"),
        (not_found, "not found"),
        (not_permitted, "not permitted"),
        (failed, "failed"),
        (cancelled, "cancelled"),
        (queued + pending, "left"),
    ] {
        if number > 0 {
            // Writing to a text does not fail.
            let _ = write!(text, ", {number} {what}");
        }
    }
    text
}

/// How a reset stands, as the command prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    id: MfaResetId,
    /// In whose log it stands.
    tenant_id: TenantId,
    status: MfaResetStatus,
    duplicate_count: i64,
    counts: CountsOutcome,
    tenants: Vec<TenantOutcome>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TenantOutcome {
    tenant_id: TenantId,
    display_name: Option<String>,
    counts: CountsOutcome,
}

/// By the names that the API gives them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CountsOutcome {
    total_count: i64,
    queued_count: i64,
    pending_count: i64,
    done_count: i64,
    nothing_to_do_count: i64,
    not_found_count: i64,
    not_permitted_count: i64,
    failed_count: i64,
    cancelled_count: i64,
}

impl From<Counts> for CountsOutcome {
    fn from(counts: Counts) -> Self {
        Self {
            total_count: counts.total(),
            queued_count: counts.queued,
            pending_count: counts.pending,
            done_count: counts.done,
            nothing_to_do_count: counts.nothing_to_do,
            not_found_count: counts.not_found,
            not_permitted_count: counts.not_permitted,
            failed_count: counts.failed,
            cancelled_count: counts.cancelled,
        }
    }
}

impl From<MfaReset> for Outcome {
    fn from(reset: MfaReset) -> Self {
        let parts = reset.details.map(|details| details.parts).unwrap_or_default();
        let tenants = parts.into_iter().map(|part| TenantOutcome {
            tenant_id: part.tenant_id,
            display_name: part.display_name,
            counts: part.counts.into(),
        });
        Self {
            id: reset.id,
            tenant_id: reset.tenant_id,
            status: reset.status,
            duplicate_count: reset.duplicate_count,
            counts: reset.counts.into(),
            tenants: tenants.collect(),
        }
    }
}
