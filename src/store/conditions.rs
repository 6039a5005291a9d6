//! Filters as conditions in SQL; and lists of logs: pages that are read straight out of an index.
//!
//! A list is ordered by a moment and a tie-breaker. Every index on a filtered column goes on with those two, so that a
//! page costs the same however long the log is; [`plan`] lets tests pin that.

use diesel::{
    BoxableExpression,
    dsl::{not, sql},
    prelude::*,
    sql_types::{Bool, Text},
};

use super::{
    backend::AnyConnection,
    filter::{Filter, Operator},
};

pub(super) type Condition<Table> =
    Box<dyn BoxableExpression<Table, <AnyConnection as Connection>::Backend, SqlType = Bool>>;

#[diesel::declare_sql_function]
extern "SQL" {
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
    fn substr(
        text: diesel::sql_types::Text,
        start: diesel::sql_types::Integer,
        length: diesel::sql_types::Integer,
    ) -> diesel::sql_types::Text;
    fn length(text: diesel::sql_types::Text) -> diesel::sql_types::Integer;
}

/// The whole filter; `test` knows the fields.
pub(super) fn condition<Table: 'static, F>(
    filter: &Filter<F>,
    test: &impl Fn(&F, Operator) -> Condition<Table>,
) -> Condition<Table> {
    match filter {
        Filter::And(left, right) => Box::new(condition(left, test).and(condition(right, test))),
        Filter::Or(left, right) => Box::new(condition(left, test).or(condition(right, test))),
        Filter::Not(inner) => Box::new(not(condition(inner, test))),
        Filter::Test(field, operator) => test(field, *operator),
    }
}

/// Compares two columns of an index, both texts, with a pair of values: a row value, which alone bounds a walk through the
/// index, however many rows share the first column.
pub(super) fn pair<Table>(columns: [&str; 2], operator: Operator, values: [&str; 2]) -> Condition<Table> {
    let [first, second] = columns;
    let operator = match operator {
        Operator::Eq => "=",
        Operator::Ne => "<>",
        Operator::Gt => ">",
        Operator::Ge | Operator::StartsWith | Operator::EndsWith => ">=",
        Operator::Lt => "<",
        Operator::Le => "<=",
    };
    let condition = sql::<Bool>(&format!("({first}, {second}) {operator} ("));
    let [one, two] = values.map(str::to_owned);
    Box::new(condition.bind::<Text, _>(one).sql(", ").bind::<Text, _>(two).sql(")"))
}

/// Compares a column with a value of its type.
macro_rules! compare {
    ($column:expr, $operator:expr, $value:expr) => {
        match $operator {
            Operator::Eq => Box::new($column.eq($value)) as Condition<_>,
            Operator::Ne => Box::new($column.ne($value)),
            Operator::Gt => Box::new($column.gt($value)),
            Operator::Ge | Operator::StartsWith | Operator::EndsWith => Box::new($column.ge($value)),
            Operator::Lt => Box::new($column.lt($value)),
            Operator::Le => Box::new($column.le($value)),
        }
    };
}

/// Compares a column of type text. A prefix is compared by `substr`: `LIKE` would read `%` and `_` as wildcards and
/// differs in case between the databases, and a range would depend on PostgreSQL's collation (keys of
/// names, which are compared by bytes, have ranges of their own).
macro_rules! compare_text {
    ($column:expr, $operator:expr, $value:expr) => {
        $crate::store::conditions::compare_text!($column, $operator, $value, $value.clone())
    };
    ($column:expr, $operator:expr, $value:expr, $as_sql:expr) => {
        match $operator {
            Operator::StartsWith => {
                let length = i32::try_from($value.chars().count()).unwrap_or(i32::MAX);
                Box::new($crate::store::conditions::substr($column, 1, length).eq($as_sql)) as Condition<_>
            }
            Operator::EndsWith => {
                let length = i32::try_from($value.chars().count()).unwrap_or(i32::MAX);
                let end = $crate::store::conditions::length($column) - (length - 1);
                // A start before the text means something else to each of the databases.
                let is_long_enough = $crate::store::conditions::length($column).ge(length);
                Box::new(is_long_enough.and($crate::store::conditions::substr($column, end, length).eq($as_sql)))
            }
            operator => $crate::store::conditions::compare!($column, operator, $as_sql),
        }
    };
}

/// The same for a column that may be null, as OData has it: null differs from every text and has no other relation to
/// one. The answer itself is never null, so that `not` turns it around.
macro_rules! compare_nullable {
    ($column:expr, $operator:expr, $value:expr) => {
        $crate::store::conditions::or_null!(
            $column,
            $operator,
            $crate::store::conditions::compare_text!($column.assume_not_null(), $operator, $value)
        )
    };
}

/// The same without regard to case.
macro_rules! compare_any_case {
    ($column:expr, $operator:expr, $value:expr) => {{
        use $crate::store::conditions::lower;
        let column = lower($column.assume_not_null());
        let test = $crate::store::conditions::compare_text!(column, $operator, $value, lower($value.clone()));
        $crate::store::conditions::or_null!($column, $operator, test)
    }};
}

macro_rules! or_null {
    ($column:expr, $operator:expr, $test:expr) => {
        match $operator {
            Operator::Ne => Box::new($column.is_null().or($test)) as Condition<_>,
            _ => Box::new($column.is_not_null().and($test)),
        }
    };
}

/// Reads the page of `$rows` (a boxed query) that a [`LogQuery`](super::filter::LogQuery) asks for.
macro_rules! load_page {
    ($tx:expr, $rows:expr, $query:expr, $test:expr, ($time:expr, $tie:expr)) => {{
        let mut rows = $rows.limit($query.limit);
        if let Some(filter) = &$query.filter {
            rows = rows.filter($crate::store::conditions::condition(filter, &$test));
        }
        // The first half alone bounds the walk through the index; the second settles rows of the same moment.
        rows = match ($query.ascending, $query.after.clone()) {
            (true, Some(after)) => rows.filter($time.ge(after.at)).filter($time.gt(after.at).or($tie.gt(after.tie))),
            (false, Some(after)) => rows.filter($time.le(after.at)).filter($time.lt(after.at).or($tie.lt(after.tie))),
            (_, None) => rows,
        };
        rows = match (&$query.until, $query.ascending) {
            (Some(until), true) => {
                rows.filter($time.le(until.at)).filter($time.lt(until.at).or($tie.le(until.tie.clone())))
            }
            (Some(until), false) => {
                rows.filter($time.ge(until.at)).filter($time.gt(until.at).or($tie.ge(until.tie.clone())))
            }
            (None, _) => rows,
        };
        rows = match $query.ascending {
            true => rows.order(($time.asc(), $tie.asc())),
            false => rows.order(($time.desc(), $tie.desc())),
        };
        Ok(rows.load($tx.conn)?)
    }};
}

/// Rows that are looked at for one page where no index leads to those that are found.
pub(super) const MOST_ROWS: i64 = 20_000;

pub(super) use {compare, compare_any_case, compare_nullable, compare_text, load_page, or_null};

/// For tests: a fresh SQLite database, and how SQLite goes about the last query of `run`.
#[cfg(test)]
pub(super) mod plan {
    use std::sync::{Arc, Mutex};

    use diesel::{
        QueryableByName, RunQueryDsl,
        connection::{Connection, InstrumentationEvent, InstrumentationEvent::StartQuery},
        sql_query,
        sql_types::Text,
    };

    use crate::{
        clock::{Clock, Entropy},
        config::DatabaseUrl,
        error::Result,
        seal::Sealer,
        store::{Context, Store, Tx},
    };

    #[derive(QueryableByName)]
    struct PlanStep {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    pub fn of<T>(tx: &mut Tx<'_>, run: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> String {
        let seen = Arc::new(Mutex::new(String::new()));
        let sink = seen.clone();
        tx.conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let StartQuery { query, .. } = event {
                *sink.lock().unwrap() = query.to_string();
            }
        });
        run(tx).unwrap();
        tx.conn.set_instrumentation(|_: InstrumentationEvent<'_>| ());
        let debug = seen.lock().unwrap().clone();
        let (sql, _binds) = debug.split_once(" -- binds").unwrap();
        let steps: Vec<PlanStep> = sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(tx.conn).unwrap();
        steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("; ")
    }

    /// A store over a file in a folder that goes when the second is dropped.
    pub fn store() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let entropy = Entropy::System;
        let context = Context::new(Clock::System, entropy.clone(), Sealer::generate(&entropy).unwrap(), |facts| {
            format!("{facts:?}")
        });
        let store = Store::open(&DatabaseUrl::Sqlite(folder.path().join("rekey.db")), context).unwrap();
        (store, folder)
    }
}
