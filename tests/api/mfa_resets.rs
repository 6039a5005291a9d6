//! Resets of many users: created, previewed, confirmed, run, reported.

use std::time::Duration;

use rekey::{
    audit::Activity,
    id::UserId,
    methods::phone::PhoneType,
    mfa_resets::{
        receipt::verify::{Contents, Unverified, decoding_key},
        work,
    },
    store::{
        keys::{self, PublicKey},
        users::User,
    },
};
use reqwest::{Method, header::HeaderValue};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_each_backend, on_each_backend_with_own_clock, seed};

const PATH: &str = "/v1.0/mfaResets";

/// What a receipt says, if one of these keys signed it.
fn verified(text: &str, keys: &[PublicKey]) -> Result<Contents<Value>, String> {
    let receipt = Unverified::read(text)?;
    let key = keys.iter().find(|key| key.key_id == receipt.key_id).ok_or("another's key")?;
    receipt.verify(&decoding_key(key).unwrap())
}

/// Works until there is nothing left to do.
pub async fn work(app: &TestApp) {
    while work::take_turn(&app.app.store, work::Pace::default()).await.unwrap() {
        // Where time stands still, nothing would be due a second time.
        app.app.store.context().clock.advance_seconds(1);
    }
}

async fn create(app: &TestApp, body: Value) -> Value {
    let created = app.post(PATH, body).await.expect(201);
    let location = created.headers["location"].to_str().unwrap().to_owned();
    assert!(location.ends_with(&format!("{PATH}/{}", created.json["id"].as_str().unwrap())), "{location}");
    assert_eq!(created.json["status"], "previewing");
    created.json
}

fn path(reset: &Value) -> String {
    format!("{PATH}/{}", reset["id"].as_str().unwrap())
}

async fn preview(app: &TestApp, body: Value) -> Value {
    let created = create(app, body).await;
    work(app).await;
    let previewed = app.get(&path(&created)).await.expect(200);
    assert_eq!(previewed.headers["etag"].to_str().unwrap(), previewed.json["@odata.etag"]);
    assert_eq!(previewed.json["status"], "awaitingConfirmation", "{}", previewed.text);
    previewed.json
}

async fn confirm(app: &TestApp, reset: &Value) -> Answer {
    let etag = HeaderValue::from_str(reset["@odata.etag"].as_str().unwrap()).unwrap();
    Answer::of(app.request(Method::POST, &format!("{}/confirm", path(reset))).header("if-match", etag)).await
}

pub async fn run(app: &TestApp, body: Value) -> Value {
    let previewed = preview(app, body).await;
    assert_eq!(confirm(app, &previewed).await.expect(200).json["status"], "running");
    work(app).await;
    app.get(&path(&previewed)).await.expect(200).json
}

async fn items(app: &TestApp, reset: &Value, options: &str) -> Vec<Value> {
    let list = app.get(&format!("{}/items{options}", path(reset))).await.expect(200);
    list.json["value"].as_array().unwrap().clone()
}

/// A user with two phones.
async fn user(app: &TestApp, name: &str) -> User {
    let user = seed::user(app, name).await;
    seed::phone(app, &user, PhoneType::Mobile, "+1 2065550100").await;
    seed::phone(app, &user, PhoneType::Office, "+1 2065550101").await;
    user
}

async fn method_count(app: &TestApp, user: &UserId) -> usize {
    let methods = app.get(&format!("/v1.0/users/{user}/authentication/methods")).await.expect(200);
    methods.json["value"].as_array().unwrap().len()
}

fn resets_of(events: &[rekey::store::audit::AuditEvent], user: &UserId) -> usize {
    let is_reset = |event: &&rekey::store::audit::AuditEvent| {
        event.activity_display_name == Activity::RESET_MFA.display_name
            && event.target_id.as_deref() == Some(user.as_str())
    };
    events.iter().filter(is_reset).count()
}

#[tokio::test]
async fn from_creation_to_receipt() {
    on_each_backend(async |app| {
        let (anna, ben, cleo) = (user(&app, "anna").await, user(&app, "ben").await, seed::user(&app, "cleo").await);
        let every = seed::every_kind(&app, &cleo).await;
        let dora = seed::user(&app, "dora").await;
        let elsewhere = app.new_tenant("fabrikam.example").await;
        let stranger = seed::user_of(&app, &elsewhere, "stranger").await;
        let previewed = preview(
            &app,
            json!({
                "reason": "Phishing wave",
                "targets": [
                    {"user": anna.user_id},
                    {"user": anna.user_principal_name.to_uppercase(), "reason": "Named twice"},
                    {"tenantId": "contoso.example", "user": ben.user_principal_name, "reason": "Clicked the link"},
                    {"tenantId": app.tenant, "user": cleo.user_id},
                    {"user": "nobody@contoso.example"},
                    {"user": dora.user_id},
                    {"tenantId": elsewhere, "user": stranger.user_id},
                    {"tenantId": "fabrikam.example", "user": "ghost@fabrikam.example"},
                ],
            }),
        )
        .await;
        assert_eq!(previewed["duplicateCount"], 1);
        assert_eq!(previewed["progress"]["totalCount"], 7);
        assert_eq!(previewed["progress"]["pendingCount"], 4);
        assert_eq!(previewed["needsApproval"], false);
        assert!(previewed["expirationDateTime"].is_string());
        let summary = previewed["summary"].as_array().unwrap();
        // The id and the domain of a tenant one has nothing to do with stay what they were: two unknown names.
        assert_eq!(summary.len(), 3, "{previewed}");
        let own = summary.iter().find(|part| part["tenantId"] == json!(app.tenant)).unwrap();
        assert_eq!(own["displayName"], "contoso.example");
        assert_eq!((&own["userCount"], &own["notFoundCount"]), (&json!(4), &json!(1)));
        // Two phones each of two users; of the one with every kind: three phones, the app, two software tokens.
        assert_eq!(own["deleteCounts"]["microsoftAuthenticator"], 1);
        assert_eq!(own["deactivateCount"], 1);
        for part in summary.iter().filter(|part| part["tenantId"] != json!(app.tenant)) {
            assert_eq!(part["notPermitted"][0]["code"], "noActiveRelationship", "{part}");
            assert_eq!((&part["displayName"], &part["userCount"]), (&Value::Null, &json!(0)));
        }
        // Nothing has happened yet.
        assert_eq!(method_count(&app, &anna.user_id).await, 2);
        assert_eq!(resets_of(&seed::events(&app).await, &anna.user_id), 0);

        // The confirmation names what was seen.
        app.post(&format!("{}/confirm", path(&previewed)), Value::Null).await.expect_error(428, "preconditionRequired");
        let stale = app.request(Method::POST, &format!("{}/confirm", path(&previewed))).header("if-match", "W/\"1\"");
        Answer::of(stale).await.expect_error(412, "resourceModified");
        assert_eq!(confirm(&app, &previewed).await.expect(200).json["status"], "running");
        confirm(&app, &previewed).await.expect_error(409, "conflict");
        work(&app).await;

        let done = app.get(&path(&previewed)).await.expect(200).json;
        assert_eq!(done["status"], "partiallySucceeded", "{done}");
        let progress = &done["progress"];
        assert_eq!((&progress["doneCount"], &progress["nothingToDoCount"]), (&json!(3), &json!(1)));
        assert_eq!((&progress["notFoundCount"], &progress["notPermittedCount"]), (&json!(1), &json!(2)));
        assert_eq!(done["confirmedBy"]["id"], done["createdBy"]["id"]);
        assert!(done["finishedDateTime"].is_string());

        // Each user as by a single reset.
        assert_eq!(method_count(&app, &anna.user_id).await, 0);
        for user in [&anna, &ben, &cleo, &dora] {
            assert_eq!(resets_of(&seed::events(&app).await, &user.user_id), 1);
            assert!(seed::requirements(&app, user).await.registration_required_at.is_some());
        }
        assert_eq!(
            seed::requirements(&app, &ben).await.registration_required_reason.as_deref(),
            Some("Clicked the link")
        );
        assert_eq!(
            seed::requirements(&app, &anna).await.registration_required_reason.as_deref(),
            Some("Phishing wave")
        );
        let left = app.get(&format!("/v1.0/users/{}/authentication/methods", cleo.user_id)).await.json;
        let left: Vec<_> = left["value"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
        assert!(left.contains(&every.activated.as_str()) && left.contains(&every.passkey.as_str()));
        assert!(!left.contains(&every.software.as_str()) && !left.contains(&every.unfinished.as_str()));

        // What became of each.
        let all = items(&app, &previewed, "").await;
        assert_eq!(all.len(), 7);
        assert_eq!((&all[0]["id"], &all[0]["status"]), (&json!("1"), &json!("done")));
        assert_eq!(all[0]["report"]["deleted"].as_array().unwrap().len(), 2);
        assert_eq!(all[0]["differsFromPreview"], false);
        let event = all[0]["report"]["auditEventId"].as_str().unwrap();
        let event = app.get(&format!("/v1.0/auditLogs/directoryAudits/{event}")).await.expect(200).json;
        assert_eq!(event["targetResources"][0]["id"], json!(anna.user_id));
        let missing = items(&app, &previewed, "?$filter=status eq 'notFound'").await;
        assert_eq!((missing.len(), &missing[0]["target"]), (1, &json!("nobody@contoso.example")));
        assert_eq!(missing[0]["reason"]["code"], "notFound");
        let own = format!("?$filter=tenantId eq '{}' and status eq 'done'", app.tenant);
        assert_eq!(items(&app, &previewed, &own).await.len(), 3);
        for wrong in ["status eq 'x'", "status ne 'done'", "not (status eq 'done')", "userId eq 'x'"] {
            let list = app.get(&format!("{}/items?$filter={wrong}", path(&previewed))).await;
            list.expect_error(400, "badRequest");
        }

        // The report has a line for each.
        let report = app.get(&format!("{}/report.csv", path(&previewed))).await.expect(200);
        assert!(report.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
        assert_eq!(report.text.lines().count(), 8, "{}", report.text);
        assert!(report.text.lines().nth(1).unwrap().contains(anna.user_id.as_str()), "{}", report.text);

        // The receipt can be checked with the tenant's public keys alone.
        let receipts = app.get(&format!("{}/receipts", path(&previewed))).await.expect(200).json;
        assert_eq!(receipts["value"].as_array().unwrap().len(), 1, "{receipts}");
        let signed = app.get(&format!("{}/receipts/{}", path(&previewed), app.tenant)).await.expect(200);
        let tenant = app.tenant.clone();
        let keys = app.app.store.read(move |tx| keys::list_public(tx, &tenant)).await.unwrap();
        let receipt = verified(&signed.text, &keys).unwrap();
        assert_eq!(receipt.users.len(), 4);
        let said = |name: &str| receipt.particulars[name].clone();
        assert_eq!((said("resetCount"), said("reason")), (json!(4), json!("Phishing wave")));
        let other = app.app.store.read(move |tx| keys::list_public(tx, &elsewhere)).await.unwrap();
        assert!(verified(&signed.text, &other).is_err());
        let (head, rest) = signed.text.split_at(signed.text.len() / 2);
        let changed = format!("{head}{}{}", if rest.starts_with('A') { 'B' } else { 'A' }, &rest[1..]);
        assert!(verified(&changed, &keys).is_err());

        // Doing it again is harmless.
        let again = run(&app, json!({"targets": [{"user": anna.user_id}]})).await;
        assert_eq!((&again["status"], &again["progress"]["nothingToDoCount"]), (&json!("succeeded"), &json!(1)));
        let list = app.get(&format!("{PATH}?$top=1")).await.expect(200).json;
        assert_eq!(list["value"][0]["id"], again["id"]);
        let next = list["@odata.nextLink"].as_str().unwrap().strip_prefix(&app.base).unwrap();
        let next = app.get(next).await.expect(200).json;
        assert_eq!(next["value"][0]["id"], previewed["id"]);
        assert_eq!(next["value"][0]["progress"]["doneCount"], 3);
    })
    .await;
}

#[tokio::test]
async fn users_are_selected_by_filters() {
    on_each_backend(async |app| {
        for name in ["anna", "annette", "ben"] {
            user(&app, name).await;
        }
        let selected = async |filter: &str| {
            let previewed = preview(&app, json!({"selections": [{"filter": filter}]})).await;
            previewed["progress"]["pendingCount"].as_i64().unwrap()
        };
        assert_eq!(selected("startswith(userPrincipalName,'ann')").await, 2);
        assert_eq!(selected("startswith(userPrincipalName,'ANN') and accountEnabled eq true").await, 2);
        assert_eq!(selected("accountEnabled eq false").await, 0);
        assert_eq!(selected("userType eq 'Member'").await, 3);
        assert_eq!(selected("").await, 3);
        // Named and selected is still once.
        let body = json!({"targets": [{"user": "ben@contoso.example"}], "selections": [{}, {"filter": "not (userType eq 'Guest')"}]});
        let previewed = preview(&app, body).await;
        assert_eq!((&previewed["progress"]["pendingCount"], &previewed["duplicateCount"]), (&json!(3), &json!(4)));
        for wrong in ["department eq 'x'", "accountEnabled eq 'true'", "userType", "createdDateTime ge 5"] {
            app.post(PATH, json!({"selections": [{"filter": wrong}]})).await.expect_error(400, "badRequest");
        }
    })
    .await;
}

async fn upload(app: &TestApp, csv: &str, key: Option<&str>) -> Answer {
    let mut request = app.request(Method::POST, &format!("{PATH}?reason=From%20a%20file"));
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    Answer::of(request.header("content-type", "text/csv; charset=utf-8").body(csv.to_owned())).await
}

#[tokio::test]
async fn users_come_as_csv() {
    on_each_backend(async |app| {
        let (anna, ben) = (user(&app, "anna").await, user(&app, "ben").await);
        for csv in [
            format!("tenant,user,reason\ncontoso.example,{},\"Lost, stolen\"\n,{}\n", anna.user_id, ben.user_id),
            format!("{0},{1}\r\n{0},{2}\r\n{0},{1}\r\n", app.tenant, anna.user_id, ben.user_id),
            format!("\u{feff}user\n{}\n{}", anna.user_id, ben.user_principal_name),
        ] {
            let created = upload(&app, &csv, None).await.expect(201).json;
            assert_eq!(created["reason"], "From a file");
            work(&app).await;
            let previewed = app.get(&path(&created)).await.json;
            assert_eq!(previewed["progress"]["pendingCount"], 2, "{csv}: {previewed}");
        }
        let before = app.get(PATH).await.json["value"].as_array().unwrap().len();
        for (csv, part) in [
            ("", "at least one user"),
            ("tenant,user\n", "at least one user"),
            ("contoso.example\n", "A line is"),
            ("contoso.example,anna\ncontoso.example,\n", "A line is"),
            ("contoso.example,\u{1}\n", "control characters"),
            ("domain,user\ncontoso.example,anna\n", "The column 'domain' is unknown"),
            ("user,reason\n\nanna,\"lost\nben\ncleo\n", "quotation mark"),
        ] {
            let refused = upload(&app, csv, None).await.expect_error(400, "badRequest");
            assert!(refused.text.contains(part), "{csv}: {}", refused.text);
        }
        let not_text = app.request(Method::POST, PATH).header("content-type", "text/csv").body(vec![b'a', b',', 0xff]);
        Answer::of(not_text).await.expect_error(400, "badRequest");
        // What was refused left nothing behind.
        assert_eq!(app.get(PATH).await.json["value"].as_array().unwrap().len(), before);

        // A portal that asks twice gets one reset.
        let csv = format!("user\n{}\n", anna.user_id);
        let first = upload(&app, &csv, Some("ticket 1")).await.expect(201).json;
        assert_eq!(upload(&app, &csv, Some("ticket 1")).await.expect(201).json["id"], first["id"]);
        upload(&app, "user\nsomebody@else.example\n", Some("ticket 1")).await.expect_error(422, "unprocessableEntity");
        assert_eq!(app.get(PATH).await.json["value"].as_array().unwrap().len(), before + 1);
        let body = json!({"targets": [{"user": anna.user_id}]});
        let request = || app.request(Method::POST, PATH).header("idempotency-key", "ticket 2").json(&body);
        let (one, two) = (Answer::of(request()).await.expect(201), Answer::of(request()).await.expect(201));
        assert_eq!(one.json["id"], two.json["id"]);
    })
    .await;
}

#[tokio::test]
async fn what_breaks_a_rule_makes_no_reset() {
    on_each_backend(async |app| {
        let many: Vec<_> = (0..10_001).map(|number| json!({"user": format!("u{number}")})).collect();
        for body in [
            json!({}),
            json!({"targets": []}),
            json!({"targets": [{"tenantId": "x"}]}),
            json!({"targets": [{"user": ""}]}),
            json!({"targets": [{"user": "x".repeat(257)}]}),
            json!({"targets": [{"user": "anna", "reason": "x".repeat(1001)}]}),
            json!({"targets": [{"user": "anna"}], "alsoDelete": ["password"]}),
            json!({"targets": [{"user": "anna"}], "issueTemporaryAccessPass": {}}),
            json!({"targets": many}),
            json!([]),
        ] {
            app.post(PATH, body).await.expect_error(400, "badRequest");
        }
        assert_eq!(app.get(PATH).await.json["value"], json!([]));
        // Nobody without the right, and nobody of another tenant, sees anything.
        let anna = user(&app, "anna").await;
        let reset = preview(&app, json!({"targets": [{"user": anna.user_id}]})).await;
        let reader = app.token_with(&app.tenant, &["User.ReadWrite.All", "AuditLog.Read.All"]).await;
        let other = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&other, &["MfaReset.ReadWrite.All"]).await;
        for tail in ["", "/items", "/report.csv", "/events", "/receipts"] {
            let url = format!("{}{}{tail}", app.base, path(&reset));
            Answer::of(app.http.get(&url).bearer_auth(&reader)).await.expect_error(403, "accessDenied");
            Answer::of(app.http.get(&url).bearer_auth(&stranger)).await.expect_error(404, "resourceNotFound");
        }
        for tail in ["confirm", "cancel", "retry"] {
            let url = format!("{}{}/{tail}", app.base, path(&reset));
            let ask = |token: &str| app.http.post(&url).header("if-match", "W/\"2\"").bearer_auth(token);
            Answer::of(ask(&reader)).await.expect_error(403, "accessDenied");
            Answer::of(ask(&stranger)).await.expect_error(404, "resourceNotFound");
        }
        assert_eq!(method_count(&app, &anna.user_id).await, 2);
        app.get(&format!("{}/receipts", path(&reset))).await.expect_error(409, "conflict");
    })
    .await;
}

#[tokio::test]
async fn as_many_as_the_document_says_may_be_named_at_once() {
    on_each_backend(async |app| {
        let anna = user(&app, "anna").await;
        let mut targets: Vec<_> = (1..10_000).map(|number| json!({"user": format!("nobody{number}")})).collect();
        targets.push(json!({"user": anna.user_id}));
        let previewed = preview(&app, json!({"targets": targets})).await;
        let progress = &previewed["progress"];
        assert_eq!((&progress["pendingCount"], &progress["notFoundCount"]), (&json!(1), &json!(9_999)));
    })
    .await;
}

#[tokio::test]
async fn users_change_after_the_preview() {
    on_each_backend(async |app| {
        let (anna, ben, cleo) = (user(&app, "anna").await, user(&app, "ben").await, user(&app, "cleo").await);
        let targets = json!([{"user": anna.user_id}, {"user": ben.user_id}, {"user": cleo.user_id}]);
        let previewed = preview(&app, json!({"targets": targets})).await;
        seed::phone(&app, &anna, PhoneType::AlternateMobile, "+1 2065550102").await;
        app.delete(&format!("/v1.0/users/{}", ben.user_id)).await.expect(204);
        confirm(&app, &previewed).await.expect(200);
        work(&app).await;
        let all = items(&app, &previewed, "").await;
        assert_eq!((&all[0]["status"], &all[0]["differsFromPreview"]), (&json!("done"), &json!(true)));
        assert_eq!(all[0]["previewedMethodIds"].as_array().unwrap().len(), 2);
        assert_eq!(all[0]["report"]["deleted"].as_array().unwrap().len(), 3);
        assert_eq!(all[1]["status"], "notFound");
        assert!(all[1]["reason"]["message"].as_str().unwrap().contains("after the preview"));
        assert_eq!((&all[2]["status"], &all[2]["differsFromPreview"]), (&json!("done"), &json!(false)));
    })
    .await;
}

#[tokio::test]
async fn whoever_lost_the_right_resets_nobody_any_more() {
    on_each_backend(async |app| {
        let anna = user(&app, "anna").await;
        let mut app = app;
        let all = app.token.clone();
        let (client, _, secret) = app.new_application(&app.tenant, &["MfaReset.ReadWrite.All"]).await;
        app.token = app.token_of(&app.tenant, client.as_str(), secrecy::ExposeSecret::expose_secret(&secret)).await;
        let previewed = preview(&app, json!({"targets": [{"user": anna.user_id}]})).await;
        confirm(&app, &previewed).await.expect(200);
        let (tenant, id) = (app.tenant.clone(), client.clone());
        let disable = app.app.store.write(&app.tenant, move |tx| {
            let mut found = rekey::store::applications::find(tx, &tenant, &id)?.unwrap();
            found.is_enabled = false;
            rekey::store::applications::update(tx, &found)
        });
        disable.await.unwrap();
        work(&app).await;
        app.token = all;
        let done = app.get(&path(&previewed)).await.expect(200).json;
        assert_eq!(done["status"], "failed", "{done}");
        let item = items(&app, &previewed, "").await.remove(0);
        assert_eq!((&item["status"], &item["reason"]["code"]), (&json!("notPermitted"), &json!("callerWithdrawn")));
        app.token = app.token_with(&app.tenant, &rekey::access::known_permissions()).await;
        assert_eq!(method_count(&app, &anna.user_id).await, 2);
    })
    .await;
}

/// Makes one method of the user unreadable, or readable again.
async fn damage(app: &TestApp, user: &User, detail: &'static str) {
    let user = user.clone();
    let write = app.app.store.write(&app.tenant, move |tx| {
        for mut row in rekey::store::methods::of_user(tx, &user.tenant_id, &user.user_id)? {
            row.detail = detail.into();
            rekey::store::methods::update(tx, &row)?;
        }
        Ok(())
    });
    write.await.unwrap();
}

#[tokio::test]
async fn one_bad_user_does_not_hold_up_the_others() {
    on_each_backend(async |app| {
        let (anna, ben, cleo) = (user(&app, "anna").await, user(&app, "ben").await, user(&app, "cleo").await);
        let targets = json!([{"user": anna.user_id}, {"user": ben.user_id}, {"user": cleo.user_id}]);
        let previewed = preview(&app, json!({"targets": targets})).await;
        damage(&app, &ben, "{").await;
        confirm(&app, &previewed).await.expect(200);
        work(&app).await;
        let done = app.get(&path(&previewed)).await.expect(200).json;
        assert_eq!(done["status"], "partiallySucceeded", "{done}");
        let all = items(&app, &previewed, "").await;
        let statuses: Vec<_> = all.iter().map(|item| item["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["done", "failed", "done"]);
        assert_eq!(all[1]["reason"]["code"], "generalException");

        // Repaired, and only this one is tried again.
        damage(&app, &ben, r#"{"phoneNumber":"+1 2065550100","phoneType":"mobile","isVerified":true}"#).await;
        let retry = format!("{}/retry", path(&previewed));
        assert_eq!(app.post(&retry, Value::Null).await.expect(200).json["status"], "running");
        work(&app).await;
        let done = app.get(&path(&previewed)).await.expect(200).json;
        assert_eq!((&done["status"], &done["progress"]["doneCount"]), (&json!("succeeded"), &json!(3)), "{done}");
        let events = seed::events(&app).await;
        for user in [&anna, &ben, &cleo] {
            assert_eq!(resets_of(&events, &user.user_id), 1);
        }
        app.post(&retry, Value::Null).await.expect_error(409, "conflict");
    })
    .await;
}

#[tokio::test]
async fn a_bad_user_fails_alone_in_the_preview_too() {
    on_each_backend(async |app| {
        let (anna, ben) = (user(&app, "anna").await, user(&app, "ben").await);
        damage(&app, &ben, "{").await;
        // Named twice: what he is called is known only once he can be read.
        let named = json!([{"user": anna.user_id}, {"user": ben.user_id}, {"user": ben.user_principal_name}]);
        let done = run(&app, json!({"targets": named})).await;
        assert_eq!(done["status"], "partiallySucceeded", "{done}");
        let all = items(&app, &done, "").await;
        assert_eq!((&all[0]["status"], &all[1]["status"]), (&json!("done"), &json!("failed")));

        // Repaired, he is looked up and reset by the retry.
        damage(&app, &ben, r#"{"phoneNumber":"+1 2065550100","phoneType":"mobile","isVerified":true}"#).await;
        app.post(&format!("{}/retry", path(&done)), Value::Null).await.expect(200);
        work(&app).await;
        let done = app.get(&path(&done)).await.expect(200).json;
        assert_eq!(
            (&done["progress"]["doneCount"], &done["progress"]["notFoundCount"]),
            (&json!(2), &json!(1)),
            "{done}"
        );
        assert!(items(&app, &done, "").await[2]["reason"]["message"].as_str().unwrap().contains("another name"));
        assert_eq!(resets_of(&seed::events(&app).await, &ben.user_id), 1);
        assert_eq!(method_count(&app, &ben.user_id).await, 0);
    })
    .await;
}

#[tokio::test]
async fn cancelled_at_every_stage() {
    on_each_backend(async |app| {
        let anna = user(&app, "anna").await;
        let targets = json!({"targets": [{"user": anna.user_id}]});
        let cancel = async |reset: &Value| app.post(&format!("{}/cancel", path(reset)), Value::Null).await;
        let (created, previewed) = (create(&app, targets.clone()).await, preview(&app, targets.clone()).await);
        // The worker has previewed both; make one that it has not.
        let fresh = create(&app, targets.clone()).await;
        let confirmed = preview(&app, targets.clone()).await;
        confirm(&app, &confirmed).await.expect(200);
        for reset in [&created, &previewed, &fresh, &confirmed] {
            assert_eq!(cancel(reset).await.expect(200).json["status"], "cancelling");
        }
        work(&app).await;
        for reset in [&created, &previewed, &fresh, &confirmed] {
            let now = app.get(&path(reset)).await.json;
            assert_eq!((&now["status"], &now["progress"]["cancelledCount"]), (&json!("cancelled"), &json!(1)), "{now}");
            assert_eq!(cancel(reset).await.expect(200).json["status"], "cancelled");
            confirm(&app, &now).await.expect_error(409, "conflict");
        }
        assert_eq!(method_count(&app, &anna.user_id).await, 2);
        let done = run(&app, targets).await;
        cancel(&done).await.expect_error(409, "conflict");
    })
    .await;
}

#[tokio::test]
async fn a_preview_waits_a_day() {
    on_each_backend_with_own_clock(async |app| {
        let anna = user(&app, "anna").await;
        let previewed = preview(&app, json!({"targets": [{"user": anna.user_id}]})).await;
        let mut app = app;
        app.app.store.context().clock.advance_seconds(24 * 60 * 60);
        app.token = app.token_with(&app.tenant, &rekey::access::known_permissions()).await;
        let expired = app.get(&path(&previewed)).await.expect(200).json;
        assert_eq!(expired["status"], "expired");
        let end = events(&app.get(&format!("{}/events", path(&previewed))).await.expect(200).text);
        assert_eq!((end.len(), end[0].1.as_str(), &end[0].2["status"]), (1, "end", &json!("expired")));
        confirm(&app, &previewed).await.expect_error(409, "conflict");
        rekey::worker::run_once(&app.app.store).await.unwrap();
        let expired = app.get(&path(&previewed)).await.expect(200).json;
        assert_eq!(expired["status"], "expired");
        assert!(expired["finishedDateTime"].is_string());
        work(&app).await;
        assert_eq!(method_count(&app, &anna.user_id).await, 2);
    })
    .await;
}

#[tokio::test]
async fn no_tenant_starves_another() {
    on_each_backend_with_own_clock(async |app| {
        let small = app.new_tenant("fabrikam.example").await;
        for number in 0..250 {
            seed::user(&app, &format!("user{number}")).await;
        }
        for number in 0..3 {
            seed::user_of(&app, &small, &format!("user{number}")).await;
        }
        let mut app = app;
        let big = preview(&app, json!({"selections": [{}]})).await;
        let (tenant, token) = (app.tenant.clone(), app.token.clone());
        app.token = app.token_with(&small, &["MfaReset.ReadWrite.All"]).await;
        let few = preview(&app, json!({"selections": [{}]})).await;
        let of_few = std::mem::replace(&mut app.token, token);
        confirm(&app, &big).await.expect(200);
        let of_big = std::mem::replace(&mut app.token, of_few);
        confirm(&app, &few).await.expect(200);
        assert_ne!(tenant, small);

        // In one moment each tenant gets one turn, and no more than its rate allows.
        let pace = work::Pace::users_per_second(200);
        while work::take_turn(&app.app.store, pace).await.unwrap() {}
        let progress = app.get(&path(&few)).await.json["progress"].clone();
        assert_eq!((&progress["nothingToDoCount"], &progress["pendingCount"]), (&json!(3), &json!(0)));
        let of_few = std::mem::replace(&mut app.token, of_big);
        let progress = app.get(&path(&big)).await.json["progress"].clone();
        assert_eq!((&progress["nothingToDoCount"], &progress["pendingCount"]), (&json!(200), &json!(50)));
        for _ in 0..2 {
            app.app.store.context().clock.advance_seconds(2);
            while work::take_turn(&app.app.store, pace).await.unwrap() {}
        }
        assert_eq!(app.get(&path(&big)).await.json["status"], "succeeded");
        app.token = of_few;
        assert_eq!(app.get(&path(&few)).await.json["status"], "succeeded");
    })
    .await;
}

/// The events of one answer, as (id, type, data).
fn events(text: &str) -> Vec<(String, String, Value)> {
    let field = |event: &str, name: &str| {
        let value = event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        value.trim_start_matches(':').trim().to_owned()
    };
    let all = text.split("\n\n").filter(|event| event.contains("data:"));
    all.map(|event| (field(event, "id"), field(event, "event"), serde_json::from_str(&field(event, "data")).unwrap()))
        .collect()
}

#[tokio::test]
async fn events_are_followed_and_resumed() {
    on_each_backend(async |app| {
        let anna = user(&app, "anna").await;
        let previewed = preview(&app, json!({"targets": [{"user": anna.user_id}]})).await;
        let url = format!("{}/events", path(&previewed));
        let follow = app.request(Method::GET, &url);
        let following = tokio::spawn(async move { Answer::of(follow).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        confirm(&app, &previewed).await.expect(200);
        work(&app).await;
        let all = following.await.unwrap().expect(200);
        assert!(all.headers["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        let all = events(&all.text);
        let (first, last) = (all.first().unwrap(), all.last().unwrap());
        assert_eq!((first.1.as_str(), &first.2["status"]), ("progress", &json!("awaitingConfirmation")));
        assert_eq!((last.1.as_str(), &last.2["status"]), ("end", &json!("succeeded")));
        assert_eq!(last.2["progress"]["doneCount"], 1);

        // Whoever saw the first gets the last; whoever saw the last need not come again.
        let resume = async |id: &str| Answer::of(app.request(Method::GET, &url).header("last-event-id", id)).await;
        let rest = events(&resume(&first.0).await.expect(200).text);
        assert_eq!((rest.len(), &rest[0].0), (1, &last.0));
        resume(&last.0).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    on_each_backend_with_own_clock(async |app| {
        let anna = user(&app, "anna").await;
        let previewed = preview(&app, json!({"targets": [{"user": anna.user_id}]})).await;
        let follow = app.request(Method::GET, &format!("{}/events", path(&previewed)));
        let following = tokio::spawn(async move { Answer::of(follow).await });
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(!following.is_finished());
        app.app.store.context().clock.advance_seconds(60 * 60);
        let all = events(&following.await.unwrap().expect(200).text);
        assert_eq!((all.len(), all[0].1.as_str()), (1, "progress"));
    })
    .await;
}
