//! Whatever is done to the audit log behind the server's back, verification sees it.

#[path = "support/mod.rs"]
mod support;

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
    sql_types::Text,
};
use rekey::{
    access::{self, Caller},
    audit::{
        self, Activity, Entry, Target,
        verify::{Anchor, Report, verify},
    },
    clock::{Clock, Entropy},
    config::DatabaseUrl,
    id::{TenantId, UserId},
    roles::Role,
    seal::Sealer,
    store::{
        Context, Store, keys,
        roles::{self, RoleAssignment},
        users::{self, Profile, Requirements, User, UserType},
    },
};
use serde_json::json;

use support::{Answer, Backend, TestApp, on_each_backend};

/// A second connection, past the server.
enum Intruder {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

impl Column {
    fn is_text(&self) -> bool {
        self.kind.eq_ignore_ascii_case("text")
    }
}

impl Intruder {
    fn at(app: &TestApp) -> Self {
        match &app.database {
            DatabaseUrl::Sqlite(path) => {
                let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
                conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
                Self::Sqlite(conn)
            }
            DatabaseUrl::Postgres(url) => Self::Postgres(PgConnection::establish(url).unwrap()),
        }
    }

    /// Runs one statement; how many rows it changed.
    fn run(&mut self, sql: &str) -> usize {
        let done = match self {
            Self::Sqlite(conn) => sql_query(sql).execute(conn),
            Self::Postgres(conn) => sql_query(sql).execute(conn),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn columns(&mut self, table: &str) -> Vec<Column> {
        let columns: Vec<Column> = match self {
            Self::Sqlite(conn) => {
                sql_query(format!("SELECT name, type AS kind FROM pragma_table_info('{table}')")).load(conn).unwrap()
            }
            Self::Postgres(conn) => sql_query(format!(
                "SELECT CAST(column_name AS TEXT) AS name, CAST(data_type AS TEXT) AS kind
                 FROM information_schema.columns WHERE table_name = '{table}'"
            ))
            .load(conn)
            .unwrap(),
        };
        assert!(!columns.is_empty());
        columns
    }

    /// Remembers the log as it stands now.
    fn save(&mut self) {
        for table in ["audit_events", "audit_heads", "signing_keys"] {
            self.run(&format!("DROP TABLE IF EXISTS saved_{table}"));
            self.run(&format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}"));
        }
    }

    /// Puts it back.
    fn restore(&mut self) {
        for table in ["audit_events", "audit_heads", "signing_keys"] {
            self.run(&format!("DELETE FROM {table}"));
            self.run(&format!("INSERT INTO {table} SELECT * FROM saved_{table}"));
        }
    }
}

async fn new_user(app: &TestApp, tenant: &TenantId, name: &str) -> UserId {
    let user = User {
        tenant_id: tenant.clone(),
        user_id: UserId::new(Entropy::System.guid()),
        user_principal_name: format!("{name}@contoso.example"),
        display_name: name.into(),
        given_name: None,
        surname: None,
        mail: None,
        user_type: UserType::Member,
        account_enabled: true,
        profile: Profile::default(),
        created_at: Clock::System.now(),
        deleted_at: None,
        sessions_valid_from: Clock::System.now().plus_seconds(-3600),
    };
    let id = user.user_id.clone();
    app.app.store.write(tenant, move |tx| users::insert(tx, &user, &Requirements::default())).await.unwrap();
    id
}

async fn reset(app: &TestApp, token: &str, user: &UserId) {
    let path = format!("{}/v1.0/users/{user}/authentication/resetMfa", app.base);
    Answer::of(app.http.post(path).bearer_auth(token).header("user-agent", "chain/1").json(&json!({"reason": "Test"})))
        .await
        .expect(200);
}

/// Two tenants with a log each: twenty events, number 7 with a value in every column, and three.
async fn fill(app: &TestApp) -> (UserId, TenantId) {
    let user = new_user(app, &app.tenant, "adele").await;
    let admin = new_user(app, &app.tenant, "admin").await;
    let role = RoleAssignment {
        tenant_id: app.tenant.clone(),
        user_id: admin.clone(),
        role_id: Role::GlobalAdministrator.as_str().into(),
        created_at: Clock::System.now(),
    };
    app.app.store.write(&app.tenant, move |tx| roles::insert(tx, &role)).await.unwrap();
    let admin_token = app.user_token(&admin).await;
    for number in 1..=20 {
        reset(app, if number == 7 { &admin_token } else { &app.token }, &user).await;
    }
    let other = app.new_tenant("fabrikam.example").await;
    let token = app.token_with(&other, &["MfaReset.ReadWrite.All"]).await;
    let other_user = new_user(app, &other, "bob").await;
    for _ in 0..3 {
        reset(app, &token, &other_user).await;
    }
    (user, other)
}

async fn report(app: &TestApp, expected: &[Anchor]) -> Report {
    verify(&app.app.store, expected).await.unwrap()
}

#[track_caller]
fn assert_valid(report: &Report) {
    assert!(report.valid, "{report:#?}");
    assert!(report.tenants.iter().all(|tenant| tenant.problems.is_empty()));
}

#[track_caller]
fn assert_invalid(report: &Report, what: &str) {
    assert!(!report.valid, "{what} went unnoticed");
    let told = report.tenants.iter().any(|tenant| !tenant.problems.is_empty()) || !report.problems.is_empty();
    assert!(told, "{what}");
}

#[tokio::test]
async fn an_untouched_log_is_valid() {
    on_each_backend(async |app| {
        fill(&app).await;
        let report = report(&app, &[]).await;
        assert_valid(&report);
        assert_eq!(report.tenants.len(), 2);
        let own = report.tenants.iter().find(|tenant| tenant.tenant_id == app.tenant).unwrap();
        assert_eq!((own.events, own.head_sequence, own.key_checked), (20, Some(20), true));
        // The report's form is a promise to scripts, and a later verification reads it again.
        let json = serde_json::to_value(&report).unwrap();
        let tenant = &json["tenants"][0];
        for key in ["tenantId", "events", "headHash", "headSequence", "keyChecked", "problems"] {
            assert!(tenant.get(key).is_some(), "{key}: {tenant}");
        }
        let read: Report = serde_json::from_value(json).unwrap();
        let again = verify(&app.app.store, &read.anchors()).await.unwrap();
        assert_valid(&again);
    })
    .await;
}

#[tokio::test]
async fn every_column_is_covered() {
    on_each_backend(async |app| {
        fill(&app).await;
        let mut intruder = Intruder::at(&app);
        intruder.save();
        let full: Vec<_> =
            intruder.columns("audit_events").iter().map(|column| format!("{} IS NOT NULL", column.name)).collect();
        let touched = format!("UPDATE audit_events SET result = result WHERE sequence = 7 AND {}", full.join(" AND "));
        assert_eq!(intruder.run(&touched), 1, "event 7 must have a value in every column to show anything");
        for table in ["audit_events", "audit_heads"] {
            for column in intruder.columns(table) {
                let name = &column.name;
                let mut values = match column.is_text() {
                    true => vec![format!("coalesce({name}, '') || 'x'")],
                    false => vec![format!("{name} + 1000000"), format!("{name} - 1000000")],
                };
                // SQLite takes values of other types, and reads them as if they were the old ones.
                if app.backend == Backend::Sqlite {
                    values.push(format!("CAST(coalesce({name}, 'x') AS BLOB)"));
                    values.push("CAST(x'ff' AS TEXT)".into());
                    if !column.is_text() {
                        values.push(format!("{name} || 'x'"));
                        values.push(format!("{name} + 0.5"));
                        values.push("'x'".into());
                    }
                }
                let row = match table {
                    "audit_events" => format!("tenant_id = '{}' AND sequence = 7", app.tenant),
                    _ => format!("tenant_id = '{}'", app.tenant),
                };
                for value in values {
                    let tampering = format!("UPDATE {table} SET {name} = {value} WHERE {row}");
                    assert_eq!(intruder.run(&tampering), 1);
                    assert_invalid(&report(&app, &[]).await, &tampering);
                    intruder.restore();
                }
            }
        }
        for nullable in ["initiator_id", "initiator_display_name", "ip_address", "target_type", "target_id"] {
            let tampering = format!("UPDATE audit_events SET {nullable} = NULL WHERE sequence = 7");
            assert_eq!(intruder.run(&tampering), 1);
            assert_invalid(&report(&app, &[]).await, &tampering);
            intruder.restore();
        }
        let tampering = "UPDATE audit_events SET initiator_principal_name = '' WHERE sequence = 8";
        assert_eq!(intruder.run(tampering), 1);
        assert_invalid(&report(&app, &[]).await, tampering);
        intruder.restore();
        assert_valid(&report(&app, &[]).await);
    })
    .await;
}

#[tokio::test]
async fn records_cannot_come_go_or_change_places() {
    on_each_backend(async |app| {
        let (_, other) = fill(&app).await;
        let mut intruder = Intruder::at(&app);
        intruder.save();
        let names: Vec<_> = intruder.columns("audit_events").into_iter().map(|column| column.name).collect();
        let tenant = &app.tenant;
        let own = format!("tenant_id = '{tenant}'");
        // A row like number 3 in another place, with another id.
        let copy = |to: &str, tenant: &str| {
            let values = names.iter().map(|name| match name.as_str() {
                "sequence" => to.to_owned(),
                "event_id" => "'inserted'".to_owned(),
                "tenant_id" => format!("'{tenant}'"),
                name => name.to_owned(),
            });
            let values: Vec<_> = values.collect();
            format!("INSERT INTO audit_events ({}) SELECT {} FROM audit_events WHERE {own} AND sequence = 3", names.join(", "), values.join(", "))
        };
        let delete = |rows: &str| format!("DELETE FROM audit_events WHERE {own} AND {rows}");
        let shift = |rows: &str, by: i64| format!("UPDATE audit_events SET sequence = sequence + {by} WHERE {own} AND {rows}");
        let roll_back = format!(
            "UPDATE audit_heads SET sequence = 15,
             hash = (SELECT hash FROM audit_events WHERE {own} AND sequence = 15) WHERE {own}"
        );
        let tamperings: Vec<(&str, Vec<String>)> = vec![
            ("the first removed", vec![delete("sequence = 1")]),
            ("one in the middle removed", vec![delete("sequence = 10")]),
            ("the last removed", vec![delete("sequence = 20")]),
            ("the tail removed", vec![delete("sequence > 15")]),
            ("the tail removed and the head rolled back", vec![delete("sequence > 15"), roll_back.clone()]),
            ("the head rolled back", vec![roll_back]),
            ("the beginning removed", vec![delete("sequence < 5")]),
            ("the beginning removed and the gap closed", vec![delete("sequence = 1"), shift("sequence > 1", 1000), shift("sequence > 1000", -1001)]),
            ("one inserted in front", vec![copy("0", tenant.as_str())]),
            ("one inserted far in front", vec![copy("-9223372036854775807 - 1", tenant.as_str())]),
            ("one inserted behind", vec![copy("21", tenant.as_str())]),
            ("one inserted far behind", vec![copy("9223372036854775807", tenant.as_str())]),
            ("one inserted between", vec![shift("sequence > 10", 1000), shift("sequence > 1000", -999), copy("11", tenant.as_str())]),
            ("one inserted into another tenant's log", vec![copy("4", other.as_str())]),
            ("one inserted into no tenant's log", vec![copy("1", "nobody")]),
            ("two swapped", vec![
                format!("UPDATE audit_events SET sequence = 1000 WHERE {own} AND sequence = 5"),
                format!("UPDATE audit_events SET sequence = 5 WHERE {own} AND sequence = 6"),
                format!("UPDATE audit_events SET sequence = 6 WHERE {own} AND sequence = 1000"),
            ]),
            ("the head removed", vec![format!("DELETE FROM audit_heads WHERE {own}")]),
            ("all events removed", vec![delete("1 = 1")]),
            ("everything of a tenant removed", vec![delete("1 = 1"), format!("DELETE FROM audit_heads WHERE {own}")]),
            ("another tenant's head", vec![
                format!("UPDATE audit_heads SET signature = (SELECT signature FROM audit_heads WHERE tenant_id = '{other}') WHERE {own}"),
            ]),
            ("the keys removed", vec![format!("DELETE FROM signing_keys WHERE {own}")]),
            ("another public key", vec![
                format!("UPDATE signing_keys SET public_key = (SELECT public_key FROM signing_keys WHERE tenant_id = '{other}') WHERE {own}"),
            ]),
            ("another private key", vec![
                format!("UPDATE signing_keys SET sealed_private_key = (SELECT sealed_private_key FROM signing_keys WHERE tenant_id = '{other}') WHERE {own}"),
            ]),
        ];
        for (what, statements) in tamperings {
            for statement in statements {
                assert!(intruder.run(&statement) > 0, "{what}: {statement}");
            }
            assert_invalid(&report(&app, &[]).await, what);
            intruder.restore();
            assert_valid(&report(&app, &[]).await);
        }
    })
    .await;
}

#[tokio::test]
async fn problems_name_the_event_and_are_bounded() {
    on_each_backend(async |app| {
        fill(&app).await;
        let mut intruder = Intruder::at(&app);
        intruder.run(&format!(
            "UPDATE audit_events SET result = 'failure' WHERE tenant_id = '{}' AND sequence = 7",
            app.tenant
        ));
        let found = report(&app, &[]).await;
        let own = found.tenants.iter().find(|tenant| tenant.tenant_id == app.tenant).unwrap();
        assert_eq!(own.problems.iter().map(|problem| problem.sequence).collect::<Vec<_>>(), [Some(7)]);
        assert!(own.problems[0].problem.contains("changed"), "{own:?}");
        let others = found.tenants.iter().filter(|tenant| tenant.tenant_id != app.tenant);
        assert!(others.into_iter().all(|tenant| tenant.problems.is_empty()));

        let user = the_user(&app).await;
        for _ in 0..90 {
            reset(&app, &app.token, &user).await;
        }
        intruder.run("UPDATE audit_events SET result = 'x', previous_hash = 'x'");
        let found = report(&app, &[]).await;
        let own = found.tenants.iter().find(|tenant| tenant.tenant_id == app.tenant).unwrap();
        assert_eq!(own.problems.len(), 100);
        assert_eq!(own.problem_count, 220);
    })
    .await;
}

async fn the_user(app: &TestApp) -> UserId {
    let tenant = app.tenant.clone();
    let user = app.app.store.read(move |tx| users::find(tx, &tenant, "adele@contoso.example")).await.unwrap();
    user.unwrap().user_id
}

/// Verification reads a thousand events at a time.
#[tokio::test]
async fn a_long_log_is_walked_to_its_end() {
    on_each_backend(async |app| {
        let tenant = app.tenant.clone();
        let write = app.app.store.write(&app.tenant, move |tx| {
            let actor = access::identify(tx, &Caller::operator(tenant.clone(), "many".into()))?;
            for number in 1..=2001 {
                let target = Target::object("Device", number, "Token");
                audit::record(tx, &actor, Entry::success(Activity::CREATE_DEVICE, target))?;
            }
            Ok(())
        });
        write.await.unwrap();
        let untouched = report(&app, &[]).await;
        assert_valid(&untouched);
        assert_eq!((untouched.tenants[0].events, untouched.tenants[0].head_sequence), (2001, Some(2001)));
        let mut intruder = Intruder::at(&app);
        for sequence in [1000, 1001, 2000, 2001] {
            intruder.run(&format!("UPDATE audit_events SET result_reason = 'x' WHERE sequence = {sequence}"));
            let found = report(&app, &[]).await;
            assert_eq!(found.tenants[0].problems.last().and_then(|problem| problem.sequence), Some(sequence));
        }
    })
    .await;
}

#[tokio::test]
async fn an_earlier_report_shows_what_was_put_back() {
    on_each_backend(async |app| {
        let (user, _) = fill(&app).await;
        let mut intruder = Intruder::at(&app);
        intruder.save();
        let before = report(&app, &[]).await;
        for _ in 0..5 {
            reset(&app, &app.token, &user).await;
        }
        let after = report(&app, &before.anchors()).await;
        assert_valid(&after);
        // The old log with its old head is a valid log; only the later report knows better.
        intruder.restore();
        assert_valid(&report(&app, &[]).await);
        assert_valid(&report(&app, &before.anchors()).await);
        assert_invalid(&report(&app, &after.anchors()).await, "an old log put back");
        // The same number of other events do not help.
        for _ in 0..5 {
            reset(&app, &app.token, &user).await;
        }
        assert_valid(&report(&app, &[]).await);
        assert_invalid(&report(&app, &after.anchors()).await, "a log written anew");
        // Nor does removing the tenant without a trace.
        for table in ["audit_events", "audit_heads", "signing_keys", "tenants"] {
            intruder.run(&format!("DELETE FROM {table} WHERE tenant_id = '{}'", app.tenant));
        }
        assert_valid(&report(&app, &[]).await);
        assert_invalid(&report(&app, &before.anchors()).await, "a tenant removed without a trace");
    })
    .await;
}

fn with_fresh_sealer() -> Context {
    Context::new(Clock::System, Entropy::System, Sealer::generate(&Entropy::System).unwrap(), rekey::reports::classify)
}

/// Somebody with the database but without the sealing key signs a log of his own with a key of his own.
#[tokio::test]
async fn a_log_signed_with_a_strange_key_is_noticed() {
    on_each_backend(async |app| {
        fill(&app).await;
        let mut intruder = Intruder::at(&app);
        for table in ["audit_events", "audit_heads", "signing_keys"] {
            intruder.run(&format!("DELETE FROM {table} WHERE tenant_id = '{}'", app.tenant));
        }
        let forger = Store::open(&app.database, with_fresh_sealer()).unwrap();
        let tenant = app.tenant.clone();
        let forgery = forger.write(&app.tenant, move |tx| {
            keys::create(tx, &tenant)?;
            let actor = access::identify(tx, &Caller::operator(tenant.clone(), "forged".into()))?;
            let target = Target::object("User", "1", "Nobody");
            audit::record(tx, &actor, Entry::success(Activity::CREATE_USER, target))
        });
        forgery.await.unwrap();
        let found = report(&app, &[]).await;
        assert_invalid(&found, "a strange key");
        let own = found.tenants.iter().find(|tenant| tenant.tenant_id == app.tenant).unwrap();
        assert!(!own.key_checked && own.problems[0].problem.contains("sealing key"), "{own:?}");
    })
    .await;
}

#[tokio::test]
async fn a_tenant_without_any_record_is_a_finding() {
    on_each_backend(async |app| {
        fill(&app).await;
        let silent = app.new_tenant("silent.example").await;
        let found = report(&app, &[]).await;
        assert_invalid(&found, "a tenant without a record");
        let silent = found.tenants.iter().find(|tenant| tenant.tenant_id == silent).unwrap();
        assert!(silent.problems[0].problem.contains("no audit record"), "{silent:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_valid_at_every_moment_of_its_growth() {
    on_each_backend(async |app| {
        let (user, _) = fill(&app).await;
        let write = async {
            for _ in 0..60 {
                reset(&app, &app.token, &user).await;
            }
        };
        let check = async {
            let mut anchors = vec![];
            let mut events = 0;
            while events < 80 {
                let found = report(&app, &anchors).await;
                assert_valid(&found);
                anchors = found.anchors();
                events = found.tenants.iter().map(|tenant| tenant.events).max().unwrap();
            }
        };
        tokio::join!(write, check);
    })
    .await;
}

#[tokio::test]
async fn a_copy_is_verified_without_its_key() {
    let app = TestApp::start(Backend::Sqlite).await;
    fill(&app).await;
    let anchors = report(&app, &[]).await.anchors();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    let mut intruder = Intruder::at(&app);
    intruder.run(&format!("VACUUM INTO '{}'", path.display()));
    let copy = Store::open(&DatabaseUrl::Sqlite(path.clone()), with_fresh_sealer()).unwrap();
    let found = verify(&copy, &anchors).await.unwrap();
    assert_valid(&found);
    assert_eq!(found.tenants.len(), 2);
    assert!(found.tenants.iter().all(|tenant| !tenant.key_checked));
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    sql_query("UPDATE audit_events SET result_reason = 'x' WHERE sequence = 2").execute(&mut conn).unwrap();
    assert_invalid(&verify(&copy, &[]).await.unwrap(), "a change in the copy");
}
