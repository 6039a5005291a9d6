//! `$batch`: many requests in one, each as if it had come alone.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_each_backend, seed};

const BATCH: &str = "/v1.0/$batch";

/// Sends items; their answers by id.
async fn batch(app: &TestApp, items: Value) -> Value {
    let answer = app.post(BATCH, json!({"requests": items})).await.expect(200).json;
    let responses = answer["responses"].as_array().unwrap();
    responses.iter().map(|response| (response["id"].as_str().unwrap().to_owned(), response.clone())).collect()
}

fn get(id: &str, url: &str) -> Value {
    json!({"id": id, "method": "GET", "url": url})
}

#[tokio::test]
async fn items_are_answered_as_if_they_had_come_alone() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("/users/{}", user.user_id);
        let alone = app.get(&format!("/v1.0{path}")).await.expect(200).json;
        let in_beta = app.get(&format!("/beta{path}")).await.expect(200).json;
        let responses = batch(
            &app,
            json!([
                get("relative", &path),
                get("without slash", &path[1..]),
                get("with version", &format!("/v1.0{path}")),
                get("beta", &format!("/beta{path}")),
                get("absolute", &format!("{}/v1.0{path}", app.base)),
                get("select", &format!("{path}?$select=id,displayName")),
                get("space", "/auditLogs/directoryAudits?$filter=activityDisplayName eq 'No such thing'"),
                get("unknown", "/users/nobody@contoso.example"),
                get("nowhere", "/nonsense"),
            ]),
        )
        .await;
        for id in ["relative", "without slash", "with version", "absolute"] {
            assert_eq!((&responses[id]["status"], &responses[id]["body"]), (&json!(200), &alone), "{id}");
        }
        assert_eq!(responses["beta"]["body"], in_beta);
        assert_eq!(responses["select"]["body"]["displayName"], "User adele");
        assert_eq!(responses["select"]["body"]["userPrincipalName"], Value::Null);
        assert_eq!(responses["space"]["body"]["value"], json!([]), "{}", responses["space"]);
        assert_eq!(responses["unknown"]["status"], 404);
        assert_eq!(responses["unknown"]["body"]["error"]["code"], "Request_ResourceNotFound");
        assert_eq!(responses["nowhere"]["status"], 404);

        // Header names as clients look for them, and an id for each request.
        let headers = |id: &str| responses[id]["headers"].as_object().unwrap().clone();
        assert!(headers("relative")["Content-Type"].as_str().unwrap().starts_with("application/json"));
        let ids: std::collections::BTreeSet<_> =
            responses.as_object().unwrap().keys().map(|id| headers(id)["request-id"].to_string()).collect();
        assert_eq!(ids.len(), 9);
        let error = &responses["unknown"]["body"]["error"]["innerError"];
        assert_eq!(error["request-id"], headers("unknown")["request-id"]);

        // The other spelling, and a batch in beta, where relative addresses are beta's.
        let body = json!({"requests": [get("1", &path)]});
        let answer = app.post("/beta/%24batch", body).await.expect(200).json;
        assert_eq!(answer["responses"][0]["body"], in_beta);
    })
    .await;
}

#[tokio::test]
async fn writes_in_order() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("/users/{}", user.user_id);
        let responses = batch(
            &app,
            json!([
                {"id": "3", "method": "DELETE", "url": path, "dependsOn": ["2"]},
                {"id": "2", "method": "patch", "url": path, "dependsOn": ["1"], "headers": {"content-type": "application/json"},
                 "body": {"@odata.type": "#microsoft.graph.user", "displayName": "Adele Vance"}},
                {"id": "1", "method": "POST", "url": format!("{path}/authentication/phoneMethods"), "depends_on": ["3"],
                 "body": {"phoneNumber": "+1 4255550199", "phoneType": "mobile"}},
                {"id": "4", "method": "GET", "url": path, "dependsOn": ["3"]},
                {"id": "5", "method": "GET", "url": path, "dependsOn": ["4", "1"]},
                {"id": "6", "method": "GET", "url": "/organization", "dependsOn": ["5"]},
            ]),
        )
        .await;
        assert_eq!(responses["1"]["status"], 201, "{responses}");
        assert_eq!(responses["1"]["body"]["phoneNumber"], "+1 4255550199");
        assert_eq!(responses["2"]["status"], 204);
        assert_eq!(responses["3"]["status"], 204);
        assert!(responses["3"].get("body").is_none(), "{}", responses["3"]);
        assert_eq!(responses["4"]["status"], 404);
        for failed in ["5", "6"] {
            assert_eq!(responses[failed]["status"], 424);
            assert_eq!(responses[failed]["body"]["error"]["code"], "failedDependency");
            assert!(responses[failed]["body"]["error"]["innerError"]["request-id"].is_string());
        }
    })
    .await;
}

#[tokio::test]
async fn each_item_is_authorized_by_itself() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let url = format!("/users/{}/authentication/methods", user.user_id);
        let reader = app.token_with(&app.tenant, &["User.Read.All"]).await;
        let stranger = app.new_tenant("stranger.example").await;
        let stranger = app.token_with(&stranger, &rekey::access::known_permissions()).await;
        let bearer = |token: &str| json!({"authorization": format!("Bearer {token}")});
        let responses = batch(
            &app,
            json!([
                get("ours", &url),
                {"id": "reader", "method": "GET", "url": url, "headers": bearer(&reader)},
                {"id": "stranger", "method": "GET", "url": url, "headers": bearer(&stranger)},
                {"id": "nobody", "method": "GET", "url": url, "headers": {"Authorization": "Bearer x.y.z"}},
            ]),
        )
        .await;
        for (id, status) in [("ours", 200), ("reader", 403), ("stranger", 404), ("nobody", 401)] {
            assert_eq!(responses[id]["status"], status, "{id}: {}", responses[id]);
        }
        assert_eq!(responses["nobody"]["headers"]["WWW-Authenticate"], "Bearer");

        // Without a token of its own no batch is opened, whatever its items bring.
        let items = json!([{"id": "1", "method": "GET", "url": url, "headers": bearer(&app.token)}]);
        let request = app.http.post(format!("{}{BATCH}", app.base)).json(&json!({"requests": items}));
        Answer::of(request).await.expect_error(401, "InvalidAuthenticationToken");
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_safe_to_repeat() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let url = format!("/users/{}/authentication/temporaryAccessPassMethods", user.user_id);
        let body = json!({"requests": [
            {"id": "ä 1", "method": "POST", "url": url, "body": {"lifetimeInMinutes": 60}},
            {"id": "2", "method": "GET", "url": url, "dependsOn": ["ä 1"]},
        ]});
        let send = |body: Value| app.request(Method::POST, BATCH).header("Idempotency-Key", "lost answer").json(&body);
        let first = Answer::of(send(body.clone())).await.expect(200).json;
        assert_eq!(first["responses"][0]["status"], 201, "{first}");
        let again = Answer::of(send(body.clone())).await.expect(200).json;
        assert_eq!(again["responses"][0]["body"], first["responses"][0]["body"]);
        assert_eq!(again["responses"][1]["body"]["value"].as_array().unwrap().len(), 1);
        let mut other = body;
        other["requests"][0]["body"] = json!({"lifetimeInMinutes": 120});
        let other = Answer::of(send(other)).await.expect(200).json;
        assert_eq!(other["responses"][0]["status"], 422);

        // An item's own key holds whatever its id is.
        let phone = json!({"phoneNumber": "+1 4255550199", "phoneType": "mobile"});
        let url = format!("/users/{}/authentication/phoneMethods", user.user_id);
        let keyed = |id: &str| json!([{"id": id, "method": "POST", "url": url, "headers": {"idempotency-key": "own"}, "body": phone}]);
        let made = batch(&app, keyed("1")).await;
        assert_eq!(made["1"]["status"], 201);
        assert_eq!(batch(&app, keyed("2")).await["2"]["body"], made["1"]["body"]);
    })
    .await;
}

#[tokio::test]
async fn batches_that_make_no_sense_are_refused_whole() {
    on_each_backend(async |app| {
        let item =
            |id: Value, depends: Value| json!({"id": id, "method": "GET", "url": "/users", "dependsOn": depends});
        let many: Vec<_> = (0..21).map(|number| item(json!(number.to_string()), json!([]))).collect();
        let wrong = [
            json!({}),
            json!({"requests": []}),
            json!({"requests": many}),
            json!({"requests": [item(json!("a"), json!([])), item(json!("a"), json!([]))]}),
            json!({"requests": [item(json!(""), json!([]))]}),
            json!({"requests": [item(json!(7), json!([]))]}),
            json!({"requests": [item(json!("x".repeat(65)), json!([]))]}),
            json!({"requests": [item(json!("a"), json!(["b"]))]}),
            json!({"requests": [item(json!("a"), json!(["a"]))]}),
            json!({"requests": [item(json!("a"), json!(["b"])), item(json!("b"), json!(["a"]))]}),
            json!({"requests": [{"id": "1", "url": "/users"}]}),
            json!({"requests": [{"id": "1", "method": "GET"}]}),
            json!({"requests": [{"id": "1", "method": "GET", "url": "/users", "headers": ["x"]}]}),
        ];
        for body in wrong {
            app.post(BATCH, body).await.expect_error(400, "badRequest");
        }
        let twice = r#"{"requests":[{"id":"1","method":"GET","method":"DELETE","url":"/users"}]}"#;
        let request = app.request(Method::POST, BATCH).header("content-type", "application/json").body(twice);
        Answer::of(request).await.expect_error(400, "badRequest");
        let huge = json!({"requests": [get("1", "/users")], "x": "y".repeat(1_400_000)});
        app.post(BATCH, huge).await.expect_error(413, "requestEntityTooLarge");
        app.get(BATCH).await.expect_error(405, "notAllowed");
    })
    .await;
}

#[tokio::test]
async fn items_that_are_no_part_of_a_batch_are_refused_alone() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let reset = json!({"reason": "lost", "targets": [{"user": user.user_id}]});
        let reset = app.post("/v1.0/mfaResets", reset).await.expect(201).json["id"].as_str().unwrap().to_owned();
        let responses = batch(
            &app,
            json!([
                get("good", "/users"),
                {"id": "nested", "method": "POST", "url": "/$batch", "body": {"requests": []}},
                {"id": "encoded", "method": "POST", "url": "/beta/%24batch", "body": {"requests": []}},
                {"id": "hidden", "method": "POST", "url": "/%24%62atch", "body": {"requests": [get("1", "/users")]}},
                get("elsewhere", "https://graph.example/v1.0/users"),
                get("other port", "http://127.0.0.1:1/v1.0/users"),
                get("upwards", "/../metrics"),
                get("not the API", &format!("{}/metrics", app.base)),
                get("events", &format!("/mfaResets/{reset}/events")),
                get("file", &format!("/mfaResets/{reset}/report.csv")),
                {"id": "method", "method": "TRACE", "url": "/users"},
                {"id": "header", "method": "GET", "url": "/users", "headers": {"x y": "z"}},
                {"id": "value", "method": "GET", "url": "/users", "headers": {"prefer": "a\r\nb: c"}},
                {"id": "twice", "method": "GET", "url": "/users", "headers": {"Prefer": "a", "prefer": "b"}},
                get("control", "/users/%00"),
                {"id": "body", "method": "POST", "url": "/users", "body": [1]},
            ]),
        )
        .await;
        assert_eq!(responses["good"]["status"], 200);
        for (id, response) in responses.as_object().unwrap().iter().filter(|(id, _)| *id != "good") {
            assert_eq!(response["status"], 400, "{id}: {response}");
            let error = &response["body"]["error"];
            assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{id}: {response}");
            assert_eq!(error["innerError"]["request-id"], response["headers"]["request-id"], "{id}");
        }
    })
    .await;
}

#[tokio::test]
async fn answers_are_bounded() {
    on_each_backend(async |app| {
        // As many users with the longest names as make more than four megabytes.
        for _ in 0..4 {
            let tenant = app.tenant.clone();
            let write = app.app.store.write(&app.tenant, move |tx| {
                use rekey::{
                    id::UserId,
                    store::users::{self, Profile, Requirements, User, UserType},
                };
                for _ in 0..250 {
                    let id = tx.guid();
                    let profile = Profile { department: Some("d".repeat(5000)), ..Profile::default() };
                    let user = User {
                        tenant_id: tenant.clone(),
                        user_id: UserId::new(id.clone()),
                        user_principal_name: format!("{id}@contoso.example"),
                        display_name: "Long".into(),
                        given_name: None,
                        surname: None,
                        mail: None,
                        user_type: UserType::Member,
                        account_enabled: true,
                        profile,
                        created_at: tx.now(),
                        deleted_at: None,
                        sessions_valid_from: tx.now(),
                    };
                    users::insert(tx, &user, &Requirements::default())?;
                }
                Ok(())
            });
            write.await.unwrap();
        }
        let responses =
            batch(&app, json!([get("1", "/users?$top=999&$select=department"), get("2", "/users?$top=1")])).await;
        assert_eq!(responses["1"]["status"], 413);
        assert_eq!(responses["1"]["body"]["error"]["code"], "responseTooLarge");
        assert_eq!(responses["2"]["status"], 200);
    })
    .await;
}

#[tokio::test]
async fn items_are_seen_by_the_operator() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let url = format!("/users/{}/authentication/methods", user.user_id);
        let request =
            app.request(Method::POST, BATCH).header("client-request-id", "ticket-4711").header("user-agent", "portal");
        let reset =
            json!({"id": "3", "method": "POST", "url": format!("/users/{}/authentication/resetMfa", user.user_id)});
        let items = json!({"requests": [get("1", &url), get("2", &url), reset]});
        let answer = Answer::of(request.json(&items)).await.expect(200).json;
        assert_eq!(answer["responses"][0]["headers"]["client-request-id"], "ticket-4711");

        let metrics = app.get("/metrics").await.expect(200).text;
        let count = |method: &str, route: &str| {
            let line = format!("rekey_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"200\"}} ");
            metrics.lines().find_map(|found| found.strip_prefix(&line)).map(str::to_owned)
        };
        assert_eq!(count("GET", "/v1.0/users/{user}/authentication/methods").as_deref(), Some("2"), "{metrics}");
        assert_eq!(count("POST", BATCH).as_deref(), Some("1"), "{metrics}");

        // The audit log knows from where it was done.
        let events = app.get("/v1.0/auditLogs/directoryAudits?$top=1").await.expect(200).json;
        let event = events["value"][0].to_string();
        assert!(event.contains("127.0.0.1") && event.contains("portal"), "{event}");
    })
    .await;
}
