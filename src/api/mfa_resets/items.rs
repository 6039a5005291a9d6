//! The users of a reset: how they are shown, and what they can be filtered by.

use poem_openapi::{Enum, Object};

use crate::{
    api::{
        odata::bind::{self, Property, Value},
        reset::ResetMethodView,
    },
    error::{Error, Result},
    id::TenantId,
    mfa_resets::items::{Item, Planned},
    store::{
        filter::{Filter, Operator},
        mfa_resets::items::{ItemFilter, ItemStatus},
    },
};

/// One user of a reset.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetItem", rename_all = "camelCase")]
pub struct ItemView {
    /// The number of the item, from 1.
    id: String,
    tenant_id: String,
    /// As the user was named; null when a filter found the user.
    #[oai(nullable)]
    target: Option<String>,
    #[oai(nullable)]
    user_id: Option<String>,
    #[oai(nullable)]
    user_principal_name: Option<String>,
    status: ItemStatusName,
    /// Why the user was not reset.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<ItemProblemView>,
    /// What was done.
    #[oai(skip_serializing_if_is_none)]
    report: Option<ItemReportView>,
    /// The user changed after the preview: what went is not what it had announced.
    differs_from_preview: bool,
    /// The methods that the preview saw would go.
    #[oai(skip_serializing_if_is_none)]
    previewed_method_ids: Option<Vec<String>>,
    #[oai(nullable)]
    finished_date_time: Option<String>,
}

/// How far one user has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "MfaResetItemStatus", rename_all = "camelCase")]
pub enum ItemStatusName {
    Queued,
    Pending,
    Done,
    NothingToDo,
    NotFound,
    NotPermitted,
    Failed,
    Cancelled,
}

impl From<ItemStatus> for ItemStatusName {
    fn from(status: ItemStatus) -> Self {
        match status {
            ItemStatus::Queued => Self::Queued,
            ItemStatus::Pending => Self::Pending,
            ItemStatus::Done => Self::Done,
            ItemStatus::NothingToDo => Self::NothingToDo,
            ItemStatus::NotFound => Self::NotFound,
            ItemStatus::NotPermitted => Self::NotPermitted,
            ItemStatus::Failed => Self::Failed,
            ItemStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// Why a user was not reset.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetItemReason", rename_all = "camelCase")]
struct ItemProblemView {
    code: String,
    message: String,
    /// Whether `retry` may help without anybody changing anything.
    is_retryable: bool,
}

/// What was done to one user.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetItemReport", rename_all = "camelCase")]
struct ItemReportView {
    reset_date_time: String,
    deleted: Vec<ResetMethodView>,
    deactivated: Vec<ResetMethodView>,
    kept: Vec<ResetMethodView>,
    registration_required: bool,
    sign_in_sessions_revoked: bool,
    /// The event in the directoryAudits of the user's tenant.
    #[oai(nullable)]
    audit_event_id: Option<String>,
}

impl From<Item> for ItemView {
    fn from(item: Item) -> Self {
        let differs_from_preview = item.differs_from_preview();
        let ids = |planned: Planned| {
            planned.deleted.into_iter().chain(planned.deactivated).map(|id| id.into_string()).collect()
        };
        Self {
            id: item.number.to_string(),
            tenant_id: item.tenant_id.into_string(),
            target: item.named,
            user_id: item.user_id.map(|id| id.into_string()),
            user_principal_name: item.user_principal_name,
            status: item.status.into(),
            reason: item.problem.map(|problem| ItemProblemView {
                code: problem.code,
                message: problem.message,
                is_retryable: problem.is_retryable,
            }),
            report: item.report.map(|report| ItemReportView {
                reset_date_time: report.reset_date_time.to_iso(),
                deleted: report.deleted.into_iter().map(Into::into).collect(),
                deactivated: report.deactivated.into_iter().map(Into::into).collect(),
                kept: report.kept.into_iter().map(Into::into).collect(),
                registration_required: report.registration_required,
                sign_in_sessions_revoked: report.sign_in_sessions_revoked,
                audit_event_id: report.audit_event_id.map(|id| id.into_string()),
            }),
            differs_from_preview,
            previewed_method_ids: item.planned.map(ids),
            finished_date_time: item.finished_at.map(|at| at.to_iso()),
        }
    }
}

/// What items can be filtered by.
enum ItemField {
    Status(String),
    Tenant(String),
}

const ITEM_PROPERTIES: &[Property<ItemField>] = &[
    Property::text("status", &[Operator::Eq], ItemField::Status),
    Property {
        path: "tenantId",
        operators: &[Operator::Eq],
        value: Value::Text(|id| ItemField::Tenant(bind::guid(id))),
    },
];

/// Equalities joined by `and`: what the index of items can answer.
pub fn item_filter(text: &str) -> Result<ItemFilter> {
    fn collect(filter: Filter<ItemField>, into: &mut ItemFilter) -> Result<()> {
        match filter {
            Filter::And(left, right) => {
                collect(*left, into)?;
                collect(*right, into)
            }
            Filter::Test(ItemField::Status(status), _) if into.status.is_none() => {
                into.status = Some(ItemStatus::parse(&status).ok_or_else(|| {
                    let known: Vec<_> = ItemStatus::ALL.iter().map(|status| status.as_str()).collect();
                    Error::invalid("$filter", format!("The status of an item is one of {}.", known.join(", ")))
                })?);
                Ok(())
            }
            Filter::Test(ItemField::Tenant(tenant), _) if into.target_tenant.is_none() => {
                into.target_tenant = Some(TenantId::new(tenant));
                Ok(())
            }
            Filter::Or(..) | Filter::Not(_) | Filter::Test(..) => {
                let message =
                    "Items are filtered by status eq '...', by tenantId eq '...', or by both joined by 'and'.";
                Err(Error::invalid("$filter", message))
            }
        }
    }
    let mut filter = ItemFilter::default();
    collect(bind::read(text, ITEM_PROPERTIES)?, &mut filter)?;
    Ok(filter)
}
