//! Lists of audit events: what they can be filtered by.

use diesel::prelude::*;

use super::{AuditEvent, InitiatorKind};
use crate::{
    clock::Timestamp,
    error::Result,
    id::TenantId,
    store::{
        Tx,
        conditions::{Condition, MOST_ROWS, compare, compare_any_case, compare_nullable, compare_text, load_page},
        filter::{self, LogPage, LogQuery, Operator, Reach},
        schema::audit_events as events,
    },
};

/// The fields that a list of events can be filtered by, each with the value it is compared to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditField {
    Id(String),
    ActivityDisplayName(String),
    ActivityDateTime(Timestamp),
    Category(String),
    LoggedByService(String),
    CorrelationId(String),
    Result(String),
    /// `initiatedBy/user/...` and `initiatedBy/app/...` share columns; the kind tells them apart.
    InitiatorId(InitiatorKind, String),
    InitiatorDisplayName(InitiatorKind, String),
    /// Compared without regard to case.
    InitiatorPrincipalName(String),
    TargetId(String),
    TargetDisplayName(String),
}

/// Where a page ended: the event's time and sequence.
pub type Position = filter::Position<i64>;
pub type AuditQuery = LogQuery<AuditField, i64>;

pub fn list(tx: &mut Tx<'_>, tenant: &TenantId, query: &AuditQuery) -> Result<Vec<AuditEvent>> {
    let rows = events::table.filter(events::tenant_id.eq(tenant)).select(AuditEvent::as_select()).into_boxed();
    load_page!(tx, rows, query, test, (events::activity_at, events::sequence))
}

/// The same, but looks at a bounded number of events where no index leads to those that are asked for.
pub fn page(tx: &mut Tx<'_>, tenant: &TenantId, query: &AuditQuery) -> Result<LogPage<AuditEvent, i64>> {
    let until = last_place(tx, tenant, query)?;
    let rows = list(tx, tenant, &AuditQuery { until, ..query.clone() })?;
    Ok(LogPage::new(query, rows, until))
}

/// The event behind which this page looks at no other.
fn last_place(tx: &mut Tx<'_>, tenant: &TenantId, query: &AuditQuery) -> Result<Option<Position>> {
    let Some(window) = query.window(reach) else { return Ok(None) };
    let places = events::table.filter(events::tenant_id.eq(tenant)).select((events::activity_at, events::sequence));
    let places = places.into_boxed().offset(MOST_ROWS - 1);
    let last: Result<Vec<(Timestamp, i64)>> =
        load_page!(tx, places, window, test, (events::activity_at, events::sequence));
    Ok(last?.pop().map(|(at, tie)| Position { at, tie }))
}

fn reach(field: &AuditField) -> Reach {
    match field {
        AuditField::ActivityDateTime(_) => Reach::Moment,
        AuditField::Id(_)
        | AuditField::CorrelationId(_)
        | AuditField::InitiatorId(..)
        | AuditField::InitiatorDisplayName(..)
        | AuditField::InitiatorPrincipalName(_)
        | AuditField::TargetId(_)
        | AuditField::TargetDisplayName(_) => Reach::Few,
        AuditField::ActivityDisplayName(_)
        | AuditField::Category(_)
        | AuditField::LoggedByService(_)
        | AuditField::Result(_) => Reach::Many,
    }
}

fn test(field: &AuditField, operator: Operator) -> Condition<events::table> {
    use events as e;
    let initiated_by = |kind: InitiatorKind| e::initiator_kind.eq(kind.as_str());
    match field {
        AuditField::Id(value) => compare_text!(e::event_id, operator, value),
        AuditField::ActivityDisplayName(value) => compare_text!(e::activity_display_name, operator, value),
        AuditField::ActivityDateTime(at) => compare!(e::activity_at, operator, *at),
        AuditField::Category(value) => compare_text!(e::category, operator, value),
        AuditField::LoggedByService(value) => compare_text!(e::logged_by_service, operator, value),
        AuditField::CorrelationId(value) => compare_text!(e::correlation_id, operator, value),
        AuditField::Result(value) => compare_text!(e::result, operator, value),
        AuditField::InitiatorId(kind, value) => {
            Box::new(initiated_by(*kind).and(compare_nullable!(e::initiator_id, operator, value)))
        }
        AuditField::InitiatorDisplayName(kind, value) => {
            Box::new(initiated_by(*kind).and(compare_nullable!(e::initiator_display_name, operator, value)))
        }
        AuditField::InitiatorPrincipalName(value) => {
            compare_any_case!(e::initiator_principal_name, operator, value)
        }
        AuditField::TargetId(value) => compare_nullable!(e::target_id, operator, value),
        AuditField::TargetDisplayName(value) => compare_nullable!(e::target_display_name, operator, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{conditions::plan, filter::Filter};

    /// How SQLite goes about a page of this list.
    fn plan(tx: &mut Tx<'_>, filter: Option<Filter<AuditField>>, ascending: bool, after: Option<Position>) -> String {
        plan::of(tx, |tx| {
            list(tx, &TenantId::new("tenant"), &AuditQuery { filter, ascending, after, limit: 101, until: None })
        })
    }

    #[tokio::test]
    async fn a_page_costs_the_same_however_long_the_log_is() {
        let (store, _folder) = plan::store();
        let plans = store.read(|tx| {
            let text = String::new;
            let from = |at| Filter::Test(AuditField::ActivityDateTime(Timestamp(at)), Operator::Ge);
            let eq = |field| Filter::Test(field, Operator::Eq);
            let both = |left, right| Filter::And(Box::new(left), Box::new(right));
            let indexed = [
                (eq(AuditField::ActivityDisplayName(text())), "by_activity"),
                (eq(AuditField::Category(text())), "by_category"),
                (eq(AuditField::LoggedByService(text())), "by_service"),
                (eq(AuditField::Result(text())), "by_result"),
                (eq(AuditField::CorrelationId(text())), "by_correlation"),
                (eq(AuditField::InitiatorId(InitiatorKind::User, text())), "by_initiator"),
                (eq(AuditField::InitiatorDisplayName(InitiatorKind::App, text())), "by_initiator_name"),
                (eq(AuditField::InitiatorPrincipalName(text())), "by_principal"),
                (eq(AuditField::TargetId(text())), "by_target"),
                (eq(AuditField::TargetDisplayName(text())), "by_target_name"),
                (from(0), "by_time"),
                (both(from(0), eq(AuditField::TargetId(text()))), "by_target"),
                (both(eq(AuditField::ActivityDisplayName(text())), eq(AuditField::TargetId(text()))), "by_target"),
                (
                    both(eq(AuditField::ActivityDisplayName(text())), eq(AuditField::CorrelationId(text()))),
                    "by_correlation",
                ),
                (both(eq(AuditField::Result(text())), eq(AuditField::TargetDisplayName(text()))), "by_target_name"),
                // Free text is looked for along the list, not in an index of its own.
                (Filter::Test(AuditField::TargetDisplayName(text()), Operator::StartsWith), "by_time"),
            ];
            let mut plans = Vec::new();
            let after = Some(Position { at: Timestamp(1), tie: 1 });
            for (filter, index) in indexed {
                for (ascending, after) in [(false, None), (true, None), (false, after), (true, after)] {
                    plans.push((plan(tx, Some(filter.clone()), ascending, after), index));
                }
            }
            plans.push((plan(tx, None, false, after), "by_time"));
            let by_id = plan(tx, Some(eq(AuditField::Id(text()))), false, None);
            assert!(by_id.starts_with("SEARCH audit_events USING INDEX audit_events_by_id "), "{by_id}");
            Ok(plans)
        });
        for (plan, index) in plans.await.unwrap() {
            assert!(
                plan.starts_with(&format!("SEARCH audit_events USING INDEX audit_events_{index} ")),
                "{index}: {plan}"
            );
            assert!(!plan.contains("TEMP B-TREE"), "{index}: {plan}");
        }
    }
}
