//! Lists of audit events: what they can be filtered by, and how a page is read.
//!
//! A list is ordered by (activity_at, sequence). Every index on a filtered column goes on with those two, so that a
//! page is read straight out of the index, however long the log is.

use diesel::{BoxableExpression, dsl::not, prelude::*, sql_types::Bool};

use super::{AuditEvent, InitiatorKind};
use crate::{
    clock::Timestamp,
    error::Result,
    id::TenantId,
    store::{
        Tx,
        backend::AnyConnection,
        filter::{Filter, Operator},
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub activity_at: Timestamp,
    pub sequence: i64,
}

/// What a list asks for: newest first unless `ascending`.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    pub filter: Option<Filter<AuditField>>,
    pub ascending: bool,
    pub after: Option<Position>,
    pub limit: i64,
}

pub fn list(tx: &mut Tx<'_>, tenant: &TenantId, query: &AuditQuery) -> Result<Vec<AuditEvent>> {
    let mut rows = events::table
        .filter(events::tenant_id.eq(tenant))
        .select(AuditEvent::as_select())
        .limit(query.limit)
        .into_boxed();
    if let Some(filter) = &query.filter {
        rows = rows.filter(condition(filter));
    }
    // The first half alone bounds the walk through the index; the second settles events of the same moment.
    rows = match (query.ascending, query.after) {
        (true, Some(Position { activity_at, sequence })) => rows
            .filter(events::activity_at.ge(activity_at))
            .filter(events::activity_at.gt(activity_at).or(events::sequence.gt(sequence))),
        (false, Some(Position { activity_at, sequence })) => rows
            .filter(events::activity_at.le(activity_at))
            .filter(events::activity_at.lt(activity_at).or(events::sequence.lt(sequence))),
        (_, None) => rows,
    };
    rows = match query.ascending {
        true => rows.order((events::activity_at.asc(), events::sequence.asc())),
        false => rows.order((events::activity_at.desc(), events::sequence.desc())),
    };
    Ok(rows.load(tx.conn)?)
}

type Backend = <AnyConnection as Connection>::Backend;
type Condition = Box<dyn BoxableExpression<events::table, Backend, SqlType = Bool>>;

#[diesel::declare_sql_function]
extern "SQL" {
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
    fn substr(
        text: diesel::sql_types::Text,
        start: diesel::sql_types::Integer,
        length: diesel::sql_types::Integer,
    ) -> diesel::sql_types::Text;
}

fn condition(filter: &Filter<AuditField>) -> Condition {
    match filter {
        Filter::And(left, right) => Box::new(condition(left).and(condition(right))),
        Filter::Or(left, right) => Box::new(condition(left).or(condition(right))),
        Filter::Not(inner) => Box::new(not(condition(inner))),
        Filter::Test(field, operator) => test(field, *operator),
    }
}

/// Compares an expression of type text. A prefix is compared by `substr`: `LIKE` would read `%` and `_` as wildcards
/// and differs in case between the databases, and a range would depend on PostgreSQL's collation.
macro_rules! text_test {
    ($column:expr, $operator:expr, $value:expr, $length:expr) => {
        match $operator {
            Operator::Eq => Box::new($column.eq($value)) as Condition,
            Operator::Ne => Box::new($column.ne($value)),
            Operator::Gt => Box::new($column.gt($value)),
            Operator::Ge => Box::new($column.ge($value)),
            Operator::Lt => Box::new($column.lt($value)),
            Operator::Le => Box::new($column.le($value)),
            Operator::StartsWith => Box::new(substr($column, 1, $length).eq($value)),
        }
    };
}

/// The same for a column that may be null, as OData has it: null differs from every text and has no other relation to
/// one. The answer itself is never null, so that `not` turns it around.
macro_rules! nullable_test {
    ($column:expr, $operator:expr, $test:expr) => {
        match $operator {
            Operator::Ne => Box::new($column.is_null().or($test)) as Condition,
            _ => Box::new($column.is_not_null().and($test)),
        }
    };
}

fn test(field: &AuditField, operator: Operator) -> Condition {
    use events as e;
    let length = |value: &str| i32::try_from(value.chars().count()).unwrap_or(i32::MAX);
    macro_rules! text {
        ($column:expr, $value:expr) => {
            text_test!($column, operator, $value.clone(), length($value))
        };
    }
    macro_rules! nullable {
        ($column:expr, $value:expr) => {
            nullable_test!($column, operator, text!($column.assume_not_null(), $value))
        };
    }
    let initiated_by = |kind: InitiatorKind| e::initiator_kind.eq(kind.as_str());
    match field {
        AuditField::Id(value) => text!(e::event_id, value),
        AuditField::ActivityDisplayName(value) => text!(e::activity_display_name, value),
        AuditField::Category(value) => text!(e::category, value),
        AuditField::LoggedByService(value) => text!(e::logged_by_service, value),
        AuditField::CorrelationId(value) => text!(e::correlation_id, value),
        AuditField::Result(value) => text!(e::result, value),
        AuditField::InitiatorId(kind, value) => Box::new(initiated_by(*kind).and(nullable!(e::initiator_id, value))),
        AuditField::InitiatorDisplayName(kind, value) => {
            Box::new(initiated_by(*kind).and(nullable!(e::initiator_display_name, value)))
        }
        AuditField::InitiatorPrincipalName(value) => {
            let column = e::initiator_principal_name;
            let test = text_test!(lower(column.assume_not_null()), operator, lower(value.clone()), length(value));
            nullable_test!(column, operator, test)
        }
        AuditField::TargetId(value) => nullable!(e::target_id, value),
        AuditField::TargetDisplayName(value) => nullable!(e::target_display_name, value),
        AuditField::ActivityDateTime(at) => match operator {
            Operator::Eq => Box::new(e::activity_at.eq(*at)),
            Operator::Ne => Box::new(e::activity_at.ne(*at)),
            Operator::Gt => Box::new(e::activity_at.gt(*at)),
            Operator::Ge | Operator::StartsWith => Box::new(e::activity_at.ge(*at)),
            Operator::Lt => Box::new(e::activity_at.lt(*at)),
            Operator::Le => Box::new(e::activity_at.le(*at)),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use diesel::{
        QueryableByName,
        connection::InstrumentationEvent::{self, StartQuery},
        sql_query,
        sql_types::Text,
    };

    use super::*;
    use crate::{
        clock::{Clock, Entropy},
        config::DatabaseUrl,
        seal::Sealer,
        store::{Context, Store},
    };

    #[derive(QueryableByName)]
    struct PlanStep {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    /// How SQLite goes about a page of this list.
    fn plan(tx: &mut Tx<'_>, filter: Option<Filter<AuditField>>, ascending: bool, after: Option<Position>) -> String {
        let seen = Arc::new(Mutex::new(String::new()));
        let sink = seen.clone();
        tx.conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let StartQuery { query, .. } = event {
                *sink.lock().unwrap() = query.to_string();
            }
        });
        list(tx, &TenantId::new("tenant"), &AuditQuery { filter, ascending, after, limit: 101 }).unwrap();
        tx.conn.set_instrumentation(|_: InstrumentationEvent<'_>| ());
        let debug = seen.lock().unwrap().clone();
        let (sql, _binds) = debug.split_once(" -- binds").unwrap();
        let steps: Vec<PlanStep> = sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(tx.conn).unwrap();
        steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("; ")
    }

    #[tokio::test]
    async fn a_page_costs_the_same_however_long_the_log_is() {
        let folder = tempfile::tempdir().unwrap();
        let entropy = Entropy::System;
        let context = Context::new(Clock::System, entropy.clone(), Sealer::generate(&entropy).unwrap());
        let store = Store::open(&DatabaseUrl::Sqlite(folder.path().join("rekey.db")), context).unwrap();
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
            let after = Some(Position { activity_at: Timestamp(1), sequence: 1 });
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
