//! Looks into the database behind the server's back.

use std::collections::BTreeMap;

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
    sql_types::Text,
};
use rekey::config::DatabaseUrl;

use super::TestApp;

#[derive(QueryableByName)]
pub struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The content of every table but the audit log and diesel's own, by table.
pub fn digest(app: &TestApp) -> BTreeMap<String, Vec<String>> {
    let wanted = |table: &String| !table.starts_with("audit_") && !table.starts_with("__");
    match &app.database {
        DatabaseUrl::Sqlite(path) => {
            let conn = &mut SqliteConnection::establish(&path.to_string_lossy()).unwrap();
            let tables =
                lines(conn, "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
            let content = |table: String| {
                let columns = lines(conn, &format!("SELECT name AS line FROM pragma_table_info('{table}')"));
                let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
                let rows = lines(conn, &format!("SELECT {} AS line FROM {table} ORDER BY 1", quoted.join("||','||")));
                (table, rows)
            };
            tables.into_iter().filter(wanted).map(content).collect()
        }
        DatabaseUrl::Postgres(url) => {
            let conn = &mut PgConnection::establish(url).unwrap();
            let tables = lines(conn, "SELECT tablename::text AS line FROM pg_tables WHERE schemaname = 'public'");
            let content = |table: String| {
                let rows = lines(conn, &format!("SELECT t::text AS line FROM {table} t ORDER BY 1"));
                (table, rows)
            };
            tables.into_iter().filter(wanted).map(content).collect()
        }
    }
}

/// Changes the database behind the server's back.
pub fn execute(app: &TestApp, sql: &str) {
    match &app.database {
        DatabaseUrl::Sqlite(path) => {
            SqliteConnection::establish(&path.to_string_lossy()).unwrap().batch_execute(sql).unwrap();
        }
        DatabaseUrl::Postgres(url) => PgConnection::establish(url).unwrap().batch_execute(sql).unwrap(),
    }
}

/// The column `line` of a query of our own.
pub fn lines<C>(conn: &mut C, sql: &str) -> Vec<String>
where
    C: Connection,
    for<'query> diesel::query_builder::SqlQuery: diesel::query_dsl::LoadQuery<'query, C, Line>,
{
    let rows: Vec<Line> = sql_query(sql).load(conn).unwrap();
    rows.into_iter().map(|row| row.line).collect()
}
