//! `/auditLogs/signIns`.

use std::collections::BTreeSet;

use rekey::{
    clock::Clock,
    id::{ApplicationId, SignInId, UserId},
    roles::Role,
    store::sign_ins::{self, SignInRow},
    worker,
};
use reqwest::Url;
use serde_json::{Value, json};

use crate::{
    sign_in_fixtures::{PASSWORD, USER, add_registered, add_user, assert, begin, begin_with, path, verify},
    support::{Answer, TestApp, on_each_backend, seed},
};

const LIST: &str = "/v1.0/auditLogs/signIns";

async fn list(app: &TestApp, options: &[(&str, &str)]) -> Answer {
    let url = Url::parse_with_params(&format!("{}{LIST}", app.base), options).unwrap();
    Answer::of(app.http.get(url).bearer_auth(&app.token)).await
}

/// All rows, newest first.
async fn all(app: &TestApp) -> Vec<Value> {
    list(app, &[]).await.expect(200).json["value"].as_array().unwrap().clone()
}

async fn newest(app: &TestApp) -> Value {
    all(app).await.remove(0)
}

fn ids(page: &Value) -> Vec<String> {
    page["value"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_end_of_a_sign_in_is_a_row() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let session = begin(&app, USER, "wrong password").await.expect(201).json;
        let row = newest(&app).await;
        let at = row["createdDateTime"].as_str().unwrap().to_owned();
        assert!(at.ends_with('Z'));
        let user = app.get(&format!("/v1.0/users/{USER}")).await.expect(200).json;
        for (name, value) in [
            ("userId", &user["id"]),
            ("userPrincipalName", &json!(USER)),
            ("userDisplayName", &json!("Adele Vance")),
            ("appDisplayName", &json!("Test application")),
            ("ipAddress", &json!("127.0.0.1")),
            ("clientAppUsed", &Value::Null),
            ("correlationId", &session["id"]),
            ("conditionalAccessStatus", &json!("notApplied")),
            ("isInteractive", &json!(true)),
            ("deviceDetail", &Value::Null),
            ("location", &Value::Null),
            ("resourceId", &Value::Null),
            ("resourceDisplayName", &Value::Null),
            ("riskDetail", &json!("none")),
            ("riskState", &json!("none")),
            ("mfaDetail", &Value::Null),
        ] {
            assert_eq!(row.get(name), Some(value), "{name}");
        }
        assert!(row["appId"].is_string());
        let failed = json!({"errorCode": 50126, "failureReason": "Invalid username or password or other first factor.",
            "additionalDetails": "The password was refused."});
        assert_eq!(row["status"], failed);
        let password = json!({"authenticationStepDateTime": at, "authenticationMethod": "Password",
            "authenticationMethodDetail": null, "succeeded": false,
            "authenticationStepRequirement": "Primary authentication"});
        assert_eq!(row["authenticationDetails"], json!([password]));
        let entity = app.get(&format!("{LIST}/{}", row["id"].as_str().unwrap())).await.expect(200).json;
        assert_eq!(entity["@odata.context"], format!("{}/v1.0/$metadata#auditLogs/signIns/$entity", app.base));
        assert_eq!(entity["status"], failed);

        // People type their password where the name belongs.
        begin(&app, "my secret password", "x").await.expect(201);
        let answer = list(&app, &[]).await.expect(200);
        assert!(!answer.text.contains("my secret"), "{}", answer.text);
        let row = &answer.json["value"][0];
        assert_eq!((&row["userId"], &row["userPrincipalName"]), (&Value::Null, &Value::Null));
        assert_eq!(row["status"]["errorCode"], 50126);

        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired");
        let row = newest(&app).await;
        assert_eq!((&row["status"]["errorCode"], &row["correlationId"]), (&json!(50072), &session["id"]));
        assert_eq!(row["authenticationDetails"][0]["succeeded"], true);
        assert_eq!(row["status"]["additionalDetails"], Value::Null);

        let pass = json!({"type": "temporaryAccessPass", "verificationCode": "wrong"});
        begin_with(&app, USER, pass).await.expect(201);
        let row = newest(&app).await;
        assert_eq!(row["authenticationDetails"][0]["authenticationMethod"], "Temporary Access Pass");
        assert_eq!(row["status"]["additionalDetails"], "The temporary access pass was refused.");
    })
    .await;
}

#[tokio::test]
async fn a_second_factor_says_which_it_was() {
    on_each_backend(async |app| {
        let (id, token) = add_registered(&app, USER).await;
        let before = all(&app).await.len();
        let session = assert(&app, USER).await;
        assert_eq!(all(&app).await.len(), before, "a session that goes on has no end yet");
        verify(&app, &session, &id, &token.wrong_code()).await.expect(400);
        let row = newest(&app).await;
        assert_eq!(row["status"]["errorCode"], 500121);
        assert_eq!(row["status"]["additionalDetails"], "The software OATH token was refused.");
        let step = |at: usize| {
            let step = &row["authenticationDetails"][at];
            (step["authenticationMethod"].clone(), step["succeeded"].clone())
        };
        assert_eq!(step(0), (json!("Asserted by the application"), json!(true)));
        assert_eq!(step(1), (json!("OATH software token"), json!(false)));
        assert_eq!(row["authenticationDetails"][1]["authenticationStepRequirement"], "Multifactor authentication");
        assert_eq!(row["mfaDetail"], Value::Null);

        verify(&app, &session, &id, &token.next_code()).await.expect(200);
        let row = newest(&app).await;
        let succeeded = json!({"errorCode": 0, "failureReason": null, "additionalDetails": null});
        assert_eq!(row["status"], succeeded);
        assert_eq!(row["mfaDetail"], json!({"authMethod": "OATH software token", "authDetail": "software token"}));
        assert_eq!(row["authenticationDetails"].as_array().unwrap().len(), 2);
        // Whatever is refused because the session is over is no attempt.
        let before = all(&app).await.len();
        verify(&app, &session, &id, &token.next_code()).await.expect(409);
        app.get(&path(&session)).await.expect(200);
        assert_eq!(all(&app).await.len(), before);
    })
    .await;
}

/// Whoever goes on guessing while he has to wait writes nothing.
#[tokio::test]
async fn waiting_fills_no_disk() {
    on_each_backend(async |app| {
        add_user(&app).await;
        for _ in 0..5 {
            begin(&app, USER, "wrong password").await.expect(201);
        }
        for _ in 0..5 {
            begin(&app, USER, "wrong password").await.expect(429);
        }
        assert_eq!(all(&app).await.len(), 5);
    })
    .await;
}

/// A row, `minutes` after the first one; the n-th of its kind.
async fn insert(app: &TestApp, minutes: i64, n: i64, change: impl Fn(&mut SignInRow) + Send + 'static) -> String {
    let tenant = app.tenant.clone();
    let id = format!("00000000-0000-4000-8000-0000{minutes:04}{n:04}");
    let row_id = SignInId::new(&id);
    let write = app.app.store.write(&app.tenant, move |tx| {
        let mut row = SignInRow {
            tenant_id: tenant.clone(),
            sign_in_id: row_id.clone(),
            created_at: seed::created().plus_minutes(minutes),
            user_id: Some(UserId::new("10000000-0000-4000-8000-000000000000")),
            user_display_name: Some("Adele".into()),
            user_principal_name: Some("Adele@contoso.example".into()),
            application_id: ApplicationId::new("20000000-0000-4000-8000-000000000000"),
            application_display_name: "Portal".into(),
            error_code: 0,
            failure_reason: None,
            ip_address: Some("198.51.100.7".into()),
            user_agent: None,
            correlation_id: "30000000-0000-4000-8000-000000000000".into(),
            details: "[]".into(),
        };
        change(&mut row);
        sign_ins::insert(tx, &row)
    });
    write.await.unwrap();
    id
}

#[tokio::test]
async fn every_filter_finds_its_rows_and_no_other() {
    on_each_backend(async |app| {
        let a = &*insert(&app, 0, 0, |_| ()).await;
        let b = &*insert(&app, 1, 0, |row| {
            row.user_id = None;
            row.user_principal_name = None;
            row.error_code = 50_126;
            row.application_display_name = "Portal_2".into();
            row.ip_address = None;
        })
        .await;
        let c = &*insert(&app, 2, 0, |row| {
            row.user_id = Some(UserId::new("1000000a-0000-4000-8000-000000000001"));
            row.user_principal_name = Some("bob@contoso.example".into());
            row.user_display_name = Some("Bob O'Neil".into());
            row.application_id = ApplicationId::new("20000000-0000-4000-8000-000000000001");
            row.error_code = 500_121;
            row.correlation_id = "30000000-0000-4000-8000-000000000001".into();
            row.ip_address = Some("2001:db8::1".into());
        })
        .await;
        let at = |minutes| seed::created().plus_minutes(minutes).to_iso();
        let filters: Vec<(String, Vec<&str>)> = vec![
            (format!("id eq '{a}'"), vec![a]),
            (format!("createdDateTime eq {}", at(1)), vec![b]),
            (format!("createdDateTime ge {}", at(1)), vec![b, c]),
            (format!("createdDateTime gt {} and createdDateTime lt {}", at(0), at(2)), vec![b]),
            (format!("createdDateTime le {}", at(1)), vec![a, b]),
            ("userId eq '1000000A-0000-4000-8000-000000000001'".into(), vec![c]),
            ("userPrincipalName eq 'ADELE@contoso.example'".into(), vec![a]),
            ("startsWith(userPrincipalName,'adel')".into(), vec![a]),
            ("startswith(userPrincipalName,'%')".into(), vec![]),
            ("userDisplayName eq 'Bob O''Neil'".into(), vec![c]),
            ("startsWith(userDisplayName,'Bob ')".into(), vec![c]),
            ("startsWith(userDisplayName,'bob')".into(), vec![]),
            ("appId eq '20000000-0000-4000-8000-000000000001'".into(), vec![c]),
            ("appDisplayName eq 'Portal'".into(), vec![a, c]),
            ("startsWith(appDisplayName,'Portal_')".into(), vec![b]),
            ("ipAddress eq '198.51.100.7'".into(), vec![a]),
            ("startsWith(ipAddress,'2001:db8:')".into(), vec![c]),
            ("correlationId eq '30000000-0000-4000-8000-000000000001'".into(), vec![c]),
            ("status/errorCode eq 0".into(), vec![a]),
            ("status/errorCode ne 0".into(), vec![b, c]),
            ("status/errorCode eq 99999999999".into(), vec![]),
            ("status/errorCode eq 50126 or userPrincipalName eq 'bob@contoso.example'".into(), vec![b, c]),
            ("not (status/errorCode eq 0) and not ipAddress eq '2001:db8::1'".into(), vec![b]),
            ("not userId eq '1000000a-0000-4000-8000-000000000001'".into(), vec![a, b]),
        ];
        for (filter, expected) in filters {
            let page = list(&app, &[("$filter", &filter), ("$orderby", "createdDateTime")]).await.expect(200).json;
            assert_eq!(ids(&page), expected, "{filter}");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_are_whole_also_where_many_rows_have_one_moment() {
    on_each_backend(async |app| {
        let mut written = vec![];
        for n in 0..11 {
            written.push(insert(&app, n / 4, n, |_| ()).await);
        }
        for (order, expected) in [
            ("createdDateTime asc", written.clone()),
            ("createdDateTime desc", written.iter().rev().cloned().collect()),
        ] {
            let options = [("$top", "3"), ("$orderby", order), ("$filter", "status/errorCode eq 0")];
            let mut answer = list(&app, &options).await.expect(200);
            let mut found = ids(&answer.json);
            while let Some(next) = answer.json["@odata.nextLink"].as_str() {
                answer = Answer::of(app.http.get(next).bearer_auth(&app.token)).await.expect(200);
                found.extend(ids(&answer.json));
            }
            assert_eq!(found, expected, "{order}");
        }
        assert_eq!(ids(&list(&app, &[("$top", "999")]).await.expect(200).json).len(), 11);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name() {
    on_each_backend(async |app| {
        for (option, value, part) in [
            ("$filter", "riskState eq 'x'", "'riskState'"),
            ("$filter", "userId ne 'x'", "'ne'"),
            ("$filter", "status/errorCode eq '0'", "a whole number"),
            ("$filter", "status/errorCode gt 0", "'gt'"),
            ("$filter", "createdDateTime ge '2026'", "'createdDateTime'"),
            ("$filter", "contains(userPrincipalName,'x')", "'contains'"),
            ("$orderby", "activityDateTime", "createdDateTime"),
            ("$top", "1000", "1 to 999"),
            ("$skiptoken", "MS4y", "@odata.nextLink"),
            ("$select", "id", "$select"),
        ] {
            let answer = list(&app, &[(option, value)]).await.expect_error(400, "badRequest");
            assert!(answer.json["error"]["message"].as_str().unwrap().contains(part), "{value}: {}", answer.text);
        }
        for nonsense in ["nonsense", "00000000-0000-0000-0000-000000000000"] {
            app.get(&format!("{LIST}/{nonsense}")).await.expect_error(404, "resourceNotFound");
        }
    })
    .await;
}

#[tokio::test]
async fn only_who_may_reads_and_only_the_own_tenants_log() {
    on_each_backend(async |app| {
        let entity = format!("{LIST}/{}", insert(&app, 0, 0, |_| ()).await);
        let get = async |path: &str, token: &str| {
            Answer::of(app.http.get(format!("{}{path}", app.base)).bearer_auth(token)).await
        };
        let powerless = app.token_with(&app.tenant, &["SignIn.Verify.All", "User.Read.All"]).await;
        let reader = seed::user(&app, "reader").await;
        let token = app.user_token(&reader.user_id).await;
        for path in [LIST, &entity] {
            let denied = get(path, &powerless).await.expect_error(403, "Authorization_RequestDenied");
            assert!(denied.text.contains("AuditLog.Read.All"), "{}", denied.text);
            get(path, &token).await.expect_error(403, "Authorization_RequestDenied");
        }
        seed::grant(&app, &reader, Role::ReportsReader).await;
        for path in [LIST, &entity] {
            get(path, &token).await.expect(200);
        }
        let foreign = app.new_tenant("fabrikam.example").await;
        let foreign = app.token_with(&foreign, &["AuditLog.Read.All"]).await;
        assert_eq!(get(LIST, &foreign).await.expect(200).json["value"], json!([]));
        get(&entity, &foreign).await.expect_error(404, "resourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn rows_go_after_thirty_days() {
    on_each_backend(async |app| {
        let now = Clock::System.now();
        let days = move |days: i64| now.plus_minutes(-days * 24 * 60);
        let young = insert(&app, 0, 0, move |row| row.created_at = days(29)).await;
        insert(&app, 1, 0, move |row| row.created_at = days(31)).await;
        worker::run_once(&app.app.store).await.unwrap();
        let left: BTreeSet<_> = all(&app).await.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(left, BTreeSet::from([young]));
    })
    .await;
}
