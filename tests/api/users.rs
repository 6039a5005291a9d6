//! `/users`: making, reading, changing and deleting users, and ending their sessions.

use std::collections::BTreeSet;

use rekey::{
    id::UserId,
    store::audit::{
        AuditEvent,
        list::{self, AuditQuery},
    },
};
use reqwest::{Method, header::LOCATION};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_each_backend};

/// A body that makes a user of the test tenant.
pub fn new_user(alias: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.user",
        "accountEnabled": true,
        "displayName": format!("User {alias}"),
        "userPrincipalName": format!("{alias}@contoso.example"),
        "mailNickname": alias,
        "passwordProfile": {"password": "correct horse battery", "forceChangePasswordNextSignIn": false},
    })
}

/// Makes a user through the API.
pub async fn create(app: &TestApp, alias: &str) -> UserId {
    let made = app.post("/v1.0/users", new_user(alias)).await.expect(201);
    UserId::new(made.json["id"].as_str().unwrap())
}

/// A call with another token than the test application's.
pub async fn call_as(app: &TestApp, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token);
    Answer::of(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

/// The audit events of the test tenant, newest first.
pub async fn events(app: &TestApp) -> Vec<AuditEvent> {
    let tenant = app.tenant.clone();
    let query = AuditQuery { limit: 100, ..AuditQuery::default() };
    app.app.store.read(move |tx| list::list(tx, &tenant, &query)).await.unwrap()
}

#[track_caller]
fn assert_event(event: &AuditEvent, activity: &str, result: &str, user: &UserId) {
    assert_eq!(
        (event.activity_display_name.as_str(), event.result.as_str(), event.target_id.as_deref()),
        (activity, result, Some(user.as_str()))
    );
}

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_user_is_made_and_read() {
    on_each_backend(async |app| {
        let mut body = new_user("adele");
        body["givenName"] = json!("Adele");
        body["businessPhones"] = json!(["+1 425 555 0100"]);
        body["usageLocation"] = json!("us");
        let made = app.post("/v1.0/users", body).await.expect(201);
        let id = UserId::new(made.json["id"].as_str().unwrap());
        assert_eq!(made.headers[LOCATION], format!("{}/v1.0/users/{id}", app.base));
        assert_eq!(made.json["@odata.context"], format!("{}/v1.0/$metadata#users/$entity", app.base));
        assert!(!made.text.contains("battery") && !made.text.contains("argon2"));

        // Graph's default properties, unset ones as null, under both versions and both names.
        let expected = json!({
            "@odata.context": format!("{}/v1.0/$metadata#users/$entity", app.base),
            "id": id.as_str(), "userPrincipalName": "adele@contoso.example", "displayName": "User adele",
            "givenName": "Adele", "surname": null, "mail": null, "jobTitle": null, "mobilePhone": null,
            "businessPhones": ["+1 425 555 0100"], "officeLocation": null, "preferredLanguage": null,
        });
        for name in [id.as_str(), "adele@contoso.example", "ADELE%40Contoso.example"] {
            assert_eq!(app.get(&format!("/v1.0/users/{name}")).await.expect(200).json, expected, "{name}");
        }
        let beta = app.get(&format!("/beta/users/{id}")).await.expect(200);
        assert_eq!(beta.json["@odata.context"], format!("{}/beta/$metadata#users/$entity", app.base));

        let selected = app
            .get(&format!("/v1.0/users/{id}?$select=accountEnabled,department,usageLocation,mailNickname,userType"))
            .await
            .expect(200);
        assert_eq!(
            selected.json,
            json!({
                "@odata.context": format!("{}/v1.0/$metadata#users(accountEnabled,department,usageLocation,mailNickname,userType)/$entity", app.base),
                "accountEnabled": true, "department": null, "usageLocation": "US", "mailNickname": "adele",
                "userType": "Member",
            })
        );

        let events = events(&app).await;
        assert_event(&events[0], "Add user", "success", &id);
        assert!(events[0].modified_properties.contains("adele@contoso.example"));
        assert!(!format!("{events:?}").contains("battery"), "the password is nowhere");
        assert!(!format!("{events:?}").contains("555 01"), "numbers are masked");
    })
    .await;
}

#[tokio::test]
async fn a_bad_new_user_is_refused_and_nothing_is_made() {
    on_each_backend(async |app| {
        create(&app, "taken").await;
        let before = events(&app).await.len();
        let with = |name: &str, value: Value| {
            let mut body = new_user("fresh");
            body[name] = value;
            body
        };
        let long = "x".repeat(257);
        for (body, target) in [
            (with("userPrincipalName", json!("Taken@contoso.example")), "userPrincipalName"),
            (with("userPrincipalName", json!("fresh@fabrikam.example")), "userPrincipalName"),
            (with("userPrincipalName", json!("fresh")), "userPrincipalName"),
            (with("displayName", json!(long)), "displayName"),
            (with("displayName", json!("a\u{1}b")), "displayName"),
            (with("displayName", json!("")), "displayName"),
            (with("mailNickname", json!("a b")), "mailNickname"),
            (with("businessPhones", json!(["1", "2"])), "businessPhones"),
            (with("usageLocation", json!("USA")), "usageLocation"),
            (with("mail", json!("nowhere")), "mail"),
            (with("passwordProfile", json!({"password": "short"})), "passwordProfile/password"),
        ] {
            let refused = app.post("/v1.0/users", body).await.expect_error(400, "Request_BadRequest");
            assert_eq!(refused.json["error"]["target"], target, "{}", refused.text);
        }
        for body in [
            with("id", json!("11111111-1111-1111-1111-111111111111")),
            with("passwordProfile", json!({})),
            with("passwordProfile", Value::Null),
            with("accountEnabled", json!("yes")),
            json!({"displayName": "Only"}),
        ] {
            app.post("/v1.0/users", body).await.expect_error(400, "Request_BadRequest");
        }
        app.get("/v1.0/users/fresh@contoso.example").await.expect_error(404, "Request_ResourceNotFound");
        assert_eq!(events(&app).await.len(), before);
    })
    .await;
}

#[tokio::test]
async fn the_same_creation_is_carried_out_once() {
    on_each_backend(async |app| {
        let send = async || {
            let request = app.request(Method::POST, "/v1.0/users").header("Idempotency-Key", "k1");
            Answer::of(request.json(&new_user("once"))).await.expect(201)
        };
        let (first, second) = (send().await, send().await);
        assert_eq!(first.json, second.json);
        assert_eq!(first.headers[LOCATION], second.headers[LOCATION]);
        assert_eq!(events(&app).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_patch_tells_absent_from_null() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        let path = format!("/v1.0/users/{id}");
        let all = json!({
            "displayName": "Adele", "givenName": "A", "surname": "V", "mail": "a@b.example", "jobTitle": "J",
            "mobilePhone": "+1 425 555 0101", "businessPhones": ["1"], "officeLocation": "O",
            "preferredLanguage": "en-US", "usageLocation": "US", "department": "D", "companyName": "C",
            "employeeId": "E", "otherMails": ["private@b.example"], "userType": "Guest", "mailNickname": "av",
            "accountEnabled": false, "userPrincipalName": "adele.vance@contoso.example",
        });
        let changed = app.patch(&path, all.clone()).await.expect(204);
        assert!(changed.text.is_empty());
        let select: Vec<_> = all.as_object().unwrap().keys().map(String::as_str).collect();
        let read = format!("{path}?$select={}", select.join(","));
        let mut read_back = app.get(&read).await.expect(200).json;
        read_back.as_object_mut().unwrap().remove("@odata.context");
        assert_eq!(read_back, all);
        app.get("/v1.0/users/adele@contoso.example").await.expect_error(404, "Request_ResourceNotFound");
        app.get("/v1.0/users/adele.vance@contoso.example").await.expect(200);
        let event = &events(&app).await[0];
        assert_event(event, "Update user", "success", &id);
        assert!(!event.modified_properties.contains("private@"), "{}", event.modified_properties);

        app.patch(&path, json!({"jobTitle": null, "otherMails": []})).await.expect(204);
        let read_back = app.get(&read).await.expect(200).json;
        assert_eq!((&read_back["jobTitle"], &read_back["otherMails"]), (&Value::Null, &json!([])));
        assert_eq!(read_back["department"], "D", "what is absent stays");

        // What changes nothing is no event; what is refused changes nothing.
        let count = events(&app).await.len();
        app.patch(&path, json!({})).await.expect(204);
        app.patch(&path, json!({"department": "D"})).await.expect(204);
        for (body, target) in [
            (json!({"displayName": null}), "displayName"),
            (json!({"accountEnabled": null}), "accountEnabled"),
            (json!({"businessPhones": null}), "businessPhones"),
            (json!({"passwordProfile": null}), "passwordProfile"),
            (json!({"department": "X", "employeeId": "12345678901234567"}), "employeeId"),
            (json!({"userPrincipalName": "a@fabrikam.example"}), "userPrincipalName"),
        ] {
            let refused = app.patch(&path, body).await.expect_error(400, "Request_BadRequest");
            assert_eq!(refused.json["error"]["target"], target, "{}", refused.text);
        }
        app.patch(&path, json!({"createdDateTime": "2020-01-01T00:00:00Z"})).await.expect(400);
        create(&app, "other").await;
        let taken = app.patch(&path, json!({"userPrincipalName": "OTHER@contoso.example"})).await;
        let taken = taken.expect_error(400, "Request_BadRequest");
        assert!(taken.json["error"]["message"].as_str().unwrap().contains("already exists"));
        assert_eq!(app.get(&read).await.json["department"], "D");
        assert_eq!(events(&app).await.len(), count + 1, "only the other user was made");
    })
    .await;
}

#[tokio::test]
async fn a_password_is_set_and_never_shown() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        let path = format!("/v1.0/users/{id}");
        let token = app.user_token(&id).await;
        call_as(&app, &token, Method::GET, &path, None).await.expect(200);
        app.patch(&path, json!({"passwordProfile": {"forceChangePasswordNextSignIn": true}})).await.expect(204);
        call_as(&app, &token, Method::GET, &path, None).await.expect(200);
        app.patch(&path, json!({"passwordProfile": {"password": "short"}})).await.expect(400);
        app.patch(&path, json!({"passwordProfile": {"password": "another horse battery"}})).await.expect(204);
        let ended = call_as(&app, &token, Method::GET, &path, None).await;
        ended.expect_error(401, "InvalidAuthenticationToken");

        let events = events(&app).await;
        assert_eq!(events.len(), 3);
        assert!(events[0].modified_properties.contains("passwordProfile/password"));
        assert!(events[1].modified_properties.contains("forceChangePasswordNextSignIn"));
        assert!(!format!("{events:?}").contains("battery"));
    })
    .await;
}

#[tokio::test]
async fn pages_show_each_user_exactly_once() {
    on_each_backend(async |app| {
        let mut expected = BTreeSet::new();
        for number in 0..25 {
            expected.insert(create(&app, &format!("user{number}")).await.into_string());
        }
        let gone = create(&app, "gone").await;
        app.delete(&format!("/v1.0/users/{gone}")).await.expect(204);

        let (mut seen, mut pages) = (Vec::new(), 0);
        let mut next = Some(format!("{}/v1.0/users?$top=7&$select=id,displayName", app.base));
        while let Some(url) = next {
            let page = Answer::of(app.http.get(&url).bearer_auth(&app.token)).await.expect(200);
            pages += 1;
            for user in page.json["value"].as_array().unwrap() {
                assert_eq!(names(user), ["displayName", "id"].into());
                seen.push(user["id"].as_str().unwrap().to_owned());
            }
            assert_eq!(page.json["@odata.context"], format!("{}/v1.0/$metadata#users(id,displayName)", app.base));
            next = page.json["@odata.nextLink"].as_str().map(str::to_owned);
        }
        assert_eq!((pages, seen.len()), (4, 25));
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
        assert!(app.get("/v1.0/users").await.expect(200).json.get("@odata.nextLink").is_none());
        assert_eq!(app.get("/v1.0/users?%24top=25").await.json["value"].as_array().unwrap().len(), 25);
    })
    .await;
}

#[tokio::test]
async fn unknown_options_are_refused_by_name() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        for (query, target) in [
            ("?$select=id,passwordProfile", "$select"),
            ("?$select=", "$select"),
            ("?$top=0", "$top"),
            ("?$top=1000", "$top"),
            ("?$skiptoken=!", "$skiptoken"),
            ("?$skiptoken=AA", "$skiptoken"),
            ("?$filter=true", "$filter"),
            ("?%24search=x", "$search"),
            ("?$orderby=mail", "$orderby"),
        ] {
            let refused = app.get(&format!("/v1.0/users{query}")).await.expect_error(400, "Request_BadRequest");
            assert_eq!(refused.json["error"]["target"], target, "{query}: {}", refused.text);
        }
        let unknown = app.get(&format!("/v1.0/users/{id}?$select=shoeSize")).await.expect(400);
        assert!(unknown.json["error"]["message"].as_str().unwrap().contains("'shoeSize'"));
        app.get(&format!("/v1.0/users/{id}?$expand=manager")).await.expect_error(400, "Request_BadRequest");
    })
    .await;
}

#[tokio::test]
async fn another_tenants_user_does_not_exist() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        let other = app.new_tenant("fabrikam.example").await;
        let token = app.token_with(&other, &["User.ReadWrite.All"]).await;
        for name in [id.as_str(), "adele@contoso.example"] {
            let path = format!("/v1.0/users/{name}");
            for (method, path, body) in [
                (Method::GET, path.clone(), None),
                (Method::PATCH, path.clone(), Some(json!({"jobTitle": "x"}))),
                (Method::DELETE, path.clone(), None),
                (Method::POST, format!("{path}/revokeSignInSessions"), None),
            ] {
                call_as(&app, &token, method, &path, body).await.expect_error(404, "Request_ResourceNotFound");
            }
        }
        let list = call_as(&app, &token, Method::GET, "/v1.0/users", None).await.expect(200);
        assert_eq!(list.json["value"], json!([]));
        let own = call_as(&app, &token, Method::GET, "/v1.0/organization", None).await.expect(200);
        let domains = json!([{"name": "fabrikam.example", "isDefault": true}]);
        assert_eq!(
            (&own.json["value"][0]["id"], &own.json["value"][0]["verifiedDomains"]),
            (&json!(other.as_str()), &domains)
        );
        assert_eq!(own.json["value"].as_array().unwrap().len(), 1);
        app.get(&format!("/v1.0/users/{id}")).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn permissions_are_asked_for() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        let (path, revoke) = (format!("/v1.0/users/{id}"), format!("/v1.0/users/{id}/revokeSignInSessions"));
        let reader = app.token_with(&app.tenant, &["User.Read.All"]).await;
        call_as(&app, &reader, Method::GET, &path, None).await.expect(200);
        for (method, path, body) in [
            (Method::POST, "/v1.0/users", Some(new_user("x"))),
            (Method::PATCH, &path, Some(json!({"jobTitle": "x"}))),
            (Method::DELETE, &path, None),
            (Method::POST, &revoke, None),
        ] {
            let denied = call_as(&app, &reader, method, path, body).await;
            let denied = denied.expect_error(403, "Authorization_RequestDenied");
            assert!(denied.json["error"]["message"].as_str().unwrap().contains("User.ReadWrite.All"));
            assert_eq!(events(&app).await[0].result, "failure");
        }
        // Asked before the password is looked at, and recorded once.
        let mut weak = new_user("x");
        weak["passwordProfile"] = json!({"password": "short"});
        let before = events(&app).await.len();
        let denied = call_as(&app, &reader, Method::POST, "/v1.0/users", Some(weak)).await;
        denied.expect_error(403, "Authorization_RequestDenied");
        assert_eq!(events(&app).await.len(), before + 1);
        let auditor = app.token_with(&app.tenant, &["AuditLog.Read.All"]).await;
        for path in [path.as_str(), "/v1.0/users", "/v1.0/users/nobody@contoso.example"] {
            call_as(&app, &auditor, Method::GET, path, None).await.expect_error(403, "Authorization_RequestDenied");
        }
    })
    .await;
}

#[tokio::test]
async fn revoked_sessions_are_void_at_the_next_call() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        let (path, revoke) = (format!("/v1.0/users/{id}"), format!("/v1.0/users/{id}/revokeSignInSessions"));
        let token = app.user_token(&id).await;
        call_as(&app, &token, Method::GET, &path, None).await.expect(200);

        let done = Answer::of(app.request(Method::POST, &revoke)).await.expect(200);
        let context = format!("{}/v1.0/$metadata#Edm.Boolean", app.base);
        assert_eq!(done.json, json!({"@odata.context": context, "value": true}));
        assert_event(&events(&app).await[0], "Revoke sign-in sessions", "success", &id);
        let void = call_as(&app, &token, Method::GET, &path, None).await;
        void.expect_error(401, "InvalidAuthenticationToken");

        let minimal = Answer::of(app.request(Method::POST, &revoke).header("Prefer", "return=minimal")).await;
        assert!(minimal.expect(204).text.is_empty());
        app.post("/v1.0/users/nobody@contoso.example/revokeSignInSessions", json!({})).await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn users_end_their_own_sessions() {
    on_each_backend(async |app| {
        let (own, other) = (create(&app, "adele").await, create(&app, "other").await);
        let token = app.user_token(&own).await;
        let of_other = format!("/v1.0/users/{other}/revokeSignInSessions");
        call_as(&app, &token, Method::POST, &of_other, None).await.expect(403);
        call_as(&app, &token, Method::POST, "/v1.0/me/revokeSignInSessions", None).await.expect(200);
        let void = call_as(&app, &token, Method::GET, "/v1.0/me", None).await;
        void.expect_error(401, "InvalidAuthenticationToken");
    })
    .await;
}

#[tokio::test]
async fn what_a_user_never_has_can_be_selected() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        let names = "identities,proxyAddresses,onPremisesSyncEnabled,externalUserState";
        let shown = app.get(&format!("/v1.0/users/{id}?$select={names}")).await.expect(200).json;
        let identity = json!({"signInType": "userPrincipalName", "issuer": "contoso.example",
                              "issuerAssignedId": "adele@contoso.example"});
        assert_eq!((&shown["identities"], &shown["proxyAddresses"]), (&json!([identity]), &json!([])));
        assert_eq!((&shown["onPremisesSyncEnabled"], &shown["externalUserState"]), (&Value::Null, &Value::Null));
        assert_eq!(shown.as_object().unwrap().len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_disabled_user_is_out_and_old_tokens_stay_void() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        let path = format!("/v1.0/users/{id}");
        let token = app.user_token(&id).await;
        let me = async || call_as(&app, &token, Method::GET, &path, None).await;
        me().await.expect(200);
        call_as(&app, &token, Method::GET, "/v1.0/users", None).await.expect_error(403, "Authorization_RequestDenied");
        app.patch(&path, json!({"accountEnabled": false})).await.expect(204);
        me().await.expect_error(401, "InvalidAuthenticationToken");
        app.patch(&path, json!({"accountEnabled": true})).await.expect(204);
        me().await.expect_error(401, "InvalidAuthenticationToken");
    })
    .await;
}
