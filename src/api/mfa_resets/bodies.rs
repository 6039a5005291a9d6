//! The bodies of `/mfaResets`.

use poem_openapi::{Object, types::Example};

use crate::{
    api::{odata::etag, reset::AlsoDelete, strict_json::text, user_query},
    demo,
    error::{Error, Result},
    methods::MethodKind,
    mfa_resets::{
        Counts, Details, MfaReset, Part, Plan, Summary,
        targets::{NewTarget, Selection},
    },
};

/// Whose MFA to reset, and how.
#[derive(Debug, Object)]
#[oai(rename = "NewMfaReset", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct NewMfaResetBody {
    /// Why, for the audit logs; at most 1000 characters.
    #[oai(validator(max_length = 1000), deserialize_with = "text")]
    reason: Option<String>,
    /// Also delete methods of these kinds.
    #[oai(validator(max_items = 16))]
    also_delete: Option<Vec<AlsoDelete>>,
    /// End every session of the users too. Default: true.
    revoke_sign_in_sessions: Option<bool>,
    /// The users, one by one.
    #[oai(validator(max_items = 10000))]
    targets: Option<Vec<TargetBody>>,
    /// All users whom filters find.
    #[oai(validator(max_items = 1000))]
    selections: Option<Vec<SelectionBody>>,
}

/// One user.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetTarget", rename_all = "camelCase", deny_unknown_fields)]
struct TargetBody {
    /// The id or default domain of the user's tenant. Default: the caller's own.
    #[oai(deserialize_with = "text")]
    tenant_id: Option<String>,
    /// The user's id or userPrincipalName.
    #[oai(deserialize_with = "text")]
    user: String,
    /// Instead of the reason for all.
    #[oai(validator(max_length = 1000), deserialize_with = "text")]
    reason: Option<String>,
}

/// All users of a tenant whom a filter finds.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetSelection", rename_all = "camelCase", deny_unknown_fields)]
struct SelectionBody {
    /// The id or default domain of a tenant. Default: the caller's own.
    #[oai(deserialize_with = "text")]
    tenant_id: Option<String>,
    /// An OData filter, as the list of users takes it.
    /// Without one: all users of the tenant.
    #[oai(validator(max_length = 1000), deserialize_with = "text")]
    filter: Option<String>,
}

impl Example for NewMfaResetBody {
    fn example() -> Self {
        let target = TargetBody { tenant_id: None, user: demo::EXAMPLE_USER.into(), reason: None };
        Self {
            reason: Some("Phishing wave, ticket 4712".into()),
            also_delete: Some(vec![]),
            revoke_sign_in_sessions: Some(true),
            targets: Some(vec![target]),
            selections: Some(vec![SelectionBody {
                tenant_id: Some(demo::EXAMPLE_TENANT.into()),
                filter: Some("startswith(userPrincipalName,'alex')".into()),
            }]),
        }
    }
}

impl NewMfaResetBody {
    pub fn parse(self) -> Result<(Plan, Vec<NewTarget>, Vec<Selection>)> {
        let plan = plan(self.reason, self.also_delete, self.revoke_sign_in_sessions);
        let target =
            |target: TargetBody| NewTarget { tenant: target.tenant_id, user: target.user, reason: target.reason };
        let targets = self.targets.unwrap_or_default().into_iter().map(target).collect();
        let selection = |selection: SelectionBody| {
            let filter = selection.filter.as_deref().filter(|filter| !filter.trim().is_empty());
            let filter = filter.map(user_query::filter).transpose();
            Ok(Selection {
                tenant: selection.tenant_id,
                filter: filter.map_err(|error| Error::invalid("selections", error.message()))?,
            })
        };
        let selections = self.selections.unwrap_or_default().into_iter().map(selection).collect::<Result<_>>()?;
        Ok((plan, targets, selections))
    }
}

pub fn plan(reason: Option<String>, also_delete: Option<Vec<AlsoDelete>>, revoke: Option<bool>) -> Plan {
    Plan {
        reason,
        also_delete: also_delete.unwrap_or_default().into_iter().map(MethodKind::from).collect(),
        revoke_sign_in_sessions: revoke.unwrap_or(true),
    }
}

/// Who did something.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetIdentity", rename_all = "camelCase")]
struct IdentityView {
    /// Id of the application or user.
    id: String,
    display_name: String,
}

/// A reset of many users.
#[derive(Debug, Object)]
#[oai(rename = "MfaReset", rename_all = "camelCase")]
pub struct MfaResetView {
    /// Changes with every change of status; `confirm` takes it in `If-Match`.
    #[oai(rename = "@odata.etag")]
    etag: String,
    id: String,
    /// `previewing`, `awaitingConfirmation`, `running`, `cancelling`; at the end `succeeded`, `partiallySucceeded`,
    /// `failed` (nobody was reset), `cancelled` or `expired` (nobody confirmed it).
    status: String,
    created_date_time: String,
    created_by: IdentityView,
    #[oai(nullable)]
    confirmed_date_time: Option<String>,
    #[oai(nullable)]
    confirmed_by: Option<IdentityView>,
    #[oai(nullable)]
    finished_date_time: Option<String>,
    /// When the preview ends unless somebody confirms it.
    #[oai(skip_serializing_if_is_none)]
    expiration_date_time: Option<String>,
    #[oai(nullable)]
    reason: Option<String>,
    also_delete: Vec<String>,
    revoke_sign_in_sessions: bool,
    /// Users who were named more than once; each is reset once.
    duplicate_count: i64,
    progress: ProgressView,
    /// The creator cannot confirm this himself: so many users take a second person.
    #[oai(skip_serializing_if_is_none)]
    needs_approval: Option<bool>,
    /// One entry per tenant. Not in lists.
    #[oai(skip_serializing_if_is_none)]
    summary: Option<Vec<SummaryView>>,
}

impl From<MfaReset> for MfaResetView {
    fn from(reset: MfaReset) -> Self {
        let waits = reset.confirmed_at.is_none() && !reset.is_over();
        let confirmed_by = reset.confirmed_by_id.zip(reset.confirmed_by_display_name);
        let (needs_approval, parts) = match reset.details {
            Some(Details { needs_approval, parts }) => (Some(needs_approval), Some(parts)),
            None => (None, None),
        };
        Self {
            etag: etag::of_version(reset.version),
            id: reset.id.into_string(),
            status: reset.status.as_str().into(),
            created_date_time: reset.created_at.to_iso(),
            created_by: IdentityView { id: reset.created_by_id, display_name: reset.created_by_display_name },
            confirmed_date_time: reset.confirmed_at.map(|at| at.to_iso()),
            confirmed_by: confirmed_by.map(|(id, display_name)| IdentityView { id, display_name }),
            finished_date_time: reset.finished_at.map(|at| at.to_iso()),
            expiration_date_time: waits.then(|| reset.expires_at.to_iso()),
            reason: reset.plan.reason,
            also_delete: reset.plan.also_delete.iter().map(|kind| kind.as_str().to_owned()).collect(),
            revoke_sign_in_sessions: reset.plan.revoke_sign_in_sessions,
            duplicate_count: reset.duplicate_count,
            progress: reset.counts.into(),
            needs_approval,
            summary: parts.map(|parts| parts.into_iter().map(SummaryView::from).collect()),
        }
    }
}

/// How many users have come how far.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetProgress", rename_all = "camelCase")]
pub struct ProgressView {
    total_count: i64,
    /// The preview has not come to them.
    queued_count: i64,
    /// Previewed, not reset yet.
    pending_count: i64,
    done_count: i64,
    /// Reset, but they had nothing to delete or deactivate.
    nothing_to_do_count: i64,
    not_found_count: i64,
    not_permitted_count: i64,
    failed_count: i64,
    cancelled_count: i64,
}

impl From<Counts> for ProgressView {
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

/// What the preview found in one tenant, and how far the run has come there.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetSummary", rename_all = "camelCase")]
struct SummaryView {
    tenant_id: String,
    /// Null for a tenant that the creator has nothing to do with.
    #[oai(nullable)]
    display_name: Option<String>,
    /// Users who will be reset.
    user_count: i64,
    /// Methods that will be deleted, by kind.
    delete_counts: std::collections::HashMap<String, i64>,
    /// Hardware tokens that will be deactivated.
    deactivate_count: i64,
    not_found_count: i64,
    /// Users whom the creator may not reset, by reason.
    not_permitted: Vec<NotPermittedView>,
    /// Users who are left with nothing that would let them in to register again.
    locked_out_count: i64,
    /// What to think of before confirming.
    warnings: Vec<String>,
    progress: ProgressView,
}

/// Users whom the creator may not reset.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetNotPermitted", rename_all = "camelCase")]
struct NotPermittedView {
    code: String,
    message: String,
    user_count: i64,
}

impl From<Part> for SummaryView {
    fn from(part: Part) -> Self {
        let warnings = warnings(&part);
        let Summary { user_count, delete_counts, deactivate_count, not_permitted, locked_out_count } = part.summary;
        Self {
            tenant_id: part.tenant_id.into_string(),
            display_name: part.display_name,
            user_count,
            delete_counts: delete_counts.into_iter().map(|(kind, count)| (kind.as_str().to_owned(), count)).collect(),
            deactivate_count,
            not_found_count: part.counts.not_found,
            not_permitted: not_permitted
                .into_iter()
                .map(|it| NotPermittedView { code: it.code, message: it.message, user_count: it.user_count })
                .collect(),
            locked_out_count,
            warnings,
            progress: part.counts.into(),
        }
    }
}

fn warnings(part: &Part) -> Vec<String> {
    let mut warnings = vec![];
    if part.summary.locked_out_count > 0 {
        warnings.push(format!(
            "{} users will have no way in: they keep no password, passkey or pass that opens a registration. Give them temporary access passes.",
            part.summary.locked_out_count
        ));
    }
    if part.counts.not_found > 0 {
        warnings.push(format!("{} users are not in this tenant.", part.counts.not_found));
    }
    if part.counts.not_permitted > 0 {
        warnings.push(format!("{} users will not be reset; notPermitted says why.", part.counts.not_permitted));
    }
    warnings
}
