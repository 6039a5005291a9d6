//! The tables as diesel sees them (`src/store/schema.rs`) are those that the migrations make, on both databases; and
//! every primary key begins with the tenant. And what happens when a database is not to be had.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use diesel::{Connection, PgConnection, SqliteConnection, connection::SimpleConnection};
use rekey::config::DatabaseUrl;
use serde_json::json;
use support::{Backend, TestApp, database::lines, on_each_empty_backend};

/// Table -> its columns as `name type`, in order; its key's first column stands behind `@`.
type Tables = BTreeMap<String, Vec<String>>;

/// Reads diesel's `table!` blocks.
fn declared() -> Tables {
    let mut tables = Tables::new();
    let mut name = String::new();
    for line in include_str!("../src/store/schema.rs").lines().map(str::trim) {
        if let Some((column, kind)) = line.trim_end_matches(',').split_once(" -> ") {
            tables.get_mut(&name).unwrap().push(format!("{column} {kind}"));
        } else if let Some((table, key)) = line.strip_suffix(") {").and_then(|head| head.split_once(" (")) {
            name = table.to_owned();
            tables.insert(name.clone(), vec![format!("@{}", key.split(',').next().unwrap())]);
        }
    }
    tables
}

fn diesel_type(sql: &str, is_nullable: bool) -> String {
    let kind = match sql.to_ascii_lowercase().as_str() {
        "text" => "Text",
        "bigint" => "BigInt",
        "integer" => "Integer",
        "boolean" => "Bool",
        other => panic!("{other} is not one of the portable types"),
    };
    if is_nullable { format!("Nullable<{kind}>") } else { kind.to_owned() }
}

/// What the database really has, as lines `table|column|type|nullable|place in the key`.
fn migrated(app: &TestApp) -> Tables {
    let found = match &app.database {
        DatabaseUrl::Sqlite(path) => lines(
            &mut SqliteConnection::establish(&path.to_string_lossy()).unwrap(),
            "SELECT m.name || '|' || c.name || '|' || c.type || '|' || (1 - c.\"notnull\") || '|' || c.pk AS line \
             FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid",
        ),
        DatabaseUrl::Postgres(url) => lines(
            &mut PgConnection::establish(url).unwrap(),
            "SELECT c.table_name || '|' || c.column_name || '|' || c.data_type || '|' || (c.is_nullable = 'YES')::int \
             || '|' || coalesce(k.ordinal_position, 0) AS line FROM information_schema.columns c \
             LEFT JOIN information_schema.table_constraints t ON t.table_name = c.table_name \
             AND t.constraint_type = 'PRIMARY KEY' LEFT JOIN information_schema.key_column_usage k \
             ON k.constraint_name = t.constraint_name AND k.column_name = c.column_name \
             WHERE c.table_schema = 'public' ORDER BY c.table_name, c.ordinal_position",
        ),
    };
    let mut tables = Tables::new();
    for line in found {
        let parts: Vec<&str> = line.split('|').collect();
        let [table, column, kind, is_nullable, place] = parts[..] else { panic!("{line}") };
        if table.starts_with("__diesel") {
            continue;
        }
        let columns = tables.entry(table.to_owned()).or_default();
        columns.push(format!("{column} {}", diesel_type(kind, is_nullable == "1")));
        if place == "1" {
            columns.insert(0, format!("@{column}"));
        }
    }
    tables
}

#[tokio::test]
async fn the_schema_is_what_the_migrations_make() {
    let declared = declared();
    assert!(declared.len() >= 10, "{declared:?}");
    for (table, columns) in &declared {
        assert_eq!(columns[0], "@tenant_id", "the key of {table}");
    }
    on_each_empty_backend(async |app| assert_eq!(migrated(&app), declared, "{:?}", app.backend)).await;
}

/// Another process holds SQLite's lock for longer than a caller is made to wait.
#[tokio::test]
async fn a_locked_database_is_unavailable_and_nothing_is_changed() {
    let app = TestApp::start(Backend::Sqlite).await;
    let DatabaseUrl::Sqlite(path) = &app.database else { unreachable!("the backend is SQLite") };
    let mut other = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let off = json!({"isEnabled": false});
    let policy = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy";
    let refused = app.patch(policy, off.clone()).await.expect_error(503, "serviceNotAvailable");
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    // Readers do not wait for a writer.
    assert_eq!(app.get(policy).await.expect(200).json["isEnabled"], true);
    other.batch_execute("ROLLBACK").unwrap();
    app.patch(policy, off).await.expect(204);
    assert_eq!(app.get(policy).await.expect(200).json["isEnabled"], false);
}
