//! `/users/delta`: a client that only ever asks what changed knows what the list says.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    support::{Answer, TestApp, on_each_backend, on_each_backend_with_own_clock, seed},
    users::{call_as, create, new_user},
};

/// One round: every change in order, and where to ask next.
async fn round(app: &TestApp, url: &str) -> (Vec<Value>, String) {
    let mut url = match url.strip_prefix('/') {
        Some(_) => format!("{}{url}", app.base),
        None => url.to_owned(),
    };
    let mut changes = vec![];
    loop {
        let request = app.http.get(&url).bearer_auth(&app.token).header("Prefer", "odata.maxpagesize=3");
        let page = Answer::of(request).await.expect(200);
        assert!(page.json["value"].as_array().unwrap().len() <= 3);
        changes.extend(page.json["value"].as_array().unwrap().iter().cloned());
        match (page.json["@odata.nextLink"].as_str(), page.json["@odata.deltaLink"].as_str()) {
            (Some(next), None) => url = next.to_owned(),
            (None, Some(delta)) => return (changes, delta.to_owned()),
            _ => panic!("one link, and not both: {}", page.text),
        }
    }
}

/// What a client keeps.
fn apply(known: &mut BTreeMap<String, Value>, changes: Vec<Value>) {
    for change in changes {
        let id = change["id"].as_str().unwrap().to_owned();
        match change.get("@removed") {
            Some(_) => drop(known.remove(&id)),
            None => drop(known.insert(id, change["displayName"].clone())),
        }
    }
}

async fn listed(app: &TestApp) -> BTreeMap<String, Value> {
    let list = app.get("/v1.0/users?$top=999").await.expect(200);
    let users = list.json["value"].as_array().unwrap().iter();
    users.map(|user| (user["id"].as_str().unwrap().to_owned(), user["displayName"].clone())).collect()
}

#[tokio::test]
async fn a_client_that_follows_changes_knows_the_list() {
    on_each_backend(async |app| {
        let mut ids = vec![];
        for number in 0..8 {
            ids.push(seed::user(&app, &format!("user{number}")).await.user_id.to_string());
        }
        app.delete(&format!("/v1.0/users/{}", ids[0])).await.expect(204);
        let mut known = BTreeMap::new();
        let (changes, mut link) = round(&app, "/v1.0/users/delta").await;
        assert!(changes.iter().all(|change| change.get("@removed").is_none()), "who was deleted before is no news");
        apply(&mut known, changes);
        assert_eq!(known, listed(&app).await);
        let (changes, same) = round(&app, &link).await;
        assert_eq!(changes, Vec::<Value>::new());
        link = same;

        let rename = async |id: &str, name: &str| {
            app.patch(&format!("/v1.0/users/{id}"), json!({"displayName": name})).await.expect(204);
        };
        for step in 0..6 {
            match step {
                0 => rename(&ids[1], "One").await,
                1 => {
                    app.delete(&format!("/v1.0/users/{}", ids[2])).await.expect(204);
                    create(&app, "newcomer").await;
                }
                2 => drop(
                    app.post(&format!("/v1.0/directory/deletedItems/{}/restore", ids[2]), json!({})).await.expect(200),
                ),
                3 => {
                    app.delete(&format!("/v1.0/users/{}", ids[3])).await.expect(204);
                    app.delete(&format!("/v1.0/directory/deletedItems/{}", ids[3])).await.expect(204);
                }
                4 => {
                    for id in &ids[4..8] {
                        rename(id, "Again").await;
                        rename(id, "And again").await;
                    }
                }
                _ => {
                    drop(app.post(&format!("/v1.0/users/{}/revokeSignInSessions", ids[5]), json!({})).await.expect(200))
                }
            }
            let (changes, next) = round(&app, &link).await;
            let reasons: Vec<_> = changes.iter().filter_map(|change| change["@removed"]["reason"].as_str()).collect();
            let expected: &[&str] = match step {
                1 => &["changed"],
                3 => &["deleted"],
                _ => &[],
            };
            assert_eq!(reasons, expected, "step {step}");
            assert!(!changes.is_empty(), "step {step}");
            apply(&mut known, changes);
            assert_eq!(known, listed(&app).await, "step {step}");
            link = next;
        }
        // A method is no property of its user.
        let phone = json!({"phoneNumber": "+1 2065550177", "phoneType": "mobile"});
        app.post(&format!("/v1.0/users/{}/authentication/phoneMethods", ids[5]), phone).await.expect(201);
        assert_eq!(round(&app, &link).await.0, Vec::<Value>::new());
    })
    .await;
}

#[tokio::test]
async fn what_changes_while_the_first_round_lasts_is_not_missed() {
    on_each_backend(async |app| {
        let mut ids = vec![];
        for number in 0..7 {
            ids.push(seed::user(&app, &format!("user{number}")).await.user_id.to_string());
        }
        let first = Answer::of(app.request(Method::GET, "/v1.0/users/delta").header("Prefer", "odata.maxpagesize=3"))
            .await
            .expect(200);
        let mut known = BTreeMap::new();
        let page = first.json["value"].as_array().unwrap().clone();
        let (seen, unseen): (Vec<_>, Vec<_>) =
            ids.iter().partition(|id| page.iter().any(|user| user["id"] == id.as_str()));
        apply(&mut known, page);
        // One of those already told, one of those to come.
        for id in [seen[0], unseen[0]] {
            app.delete(&format!("/v1.0/users/{id}")).await.expect(204);
        }
        app.delete(&format!("/v1.0/directory/deletedItems/{}", unseen[0])).await.expect(204);
        app.patch(&format!("/v1.0/users/{}", seen[1]), json!({"displayName": "Late"})).await.expect(204);
        let (changes, _) = round(&app, first.json["@odata.nextLink"].as_str().unwrap()).await;
        apply(&mut known, changes);
        assert_eq!(known, listed(&app).await);
    })
    .await;
}

#[tokio::test]
async fn a_delta_may_begin_now_or_be_about_some_users() {
    on_each_backend(async |app| {
        let one = create(&app, "one").await;
        let two = create(&app, "two").await;
        let (nothing, link) = round(&app, "/v1.0/users/delta?$deltatoken=latest&$select=displayName").await;
        assert_eq!(nothing, Vec::<Value>::new());
        let filter = format!("/v1.0/users/delta()?$filter=id%20eq%20'{two}'%20or%20id%20eq%20'nobody'&$select=surname");
        let (some, of_two) = round(&app, &filter).await;
        assert_eq!(some, [json!({"id": two.as_str(), "surname": null})]);
        for user in [&one, &two] {
            app.patch(&format!("/v1.0/users/{user}"), json!({"surname": "Li"})).await.expect(204);
        }
        let (both, _) = round(&app, &link).await;
        assert_eq!(both.len(), 2);
        assert_eq!(both[0], json!({"id": one.as_str(), "displayName": "User one"}), "only what was selected");
        assert_eq!(round(&app, &of_two).await.0, [json!({"id": two.as_str(), "surname": "Li"})]);

        for wrong in ["$filter=accountEnabled%20eq%20true", "$top=5", "$orderby=id", "$deltatoken=x", "$select=shoe"] {
            app.get(&format!("/v1.0/users/delta?{wrong}")).await.expect_error(400, "Request_BadRequest");
        }
        let stranger = app.token_with(&app.tenant, &["AuditLog.Read.All"]).await;
        let denied = call_as(&app, &stranger, Method::GET, "/v1.0/users/delta", None).await;
        denied.expect_error(403, "Authorization_RequestDenied");
    })
    .await;
}

#[tokio::test]
async fn a_link_is_good_in_its_own_tenant_only() {
    on_each_backend(async |app| {
        for name in ["one", "two"] {
            create(&app, name).await;
        }
        let next = async |path: &str| {
            let page = Answer::of(app.request(Method::GET, path).header("Prefer", "odata.maxpagesize=1")).await;
            page.expect(200).json["@odata.nextLink"].as_str().unwrap().to_owned()
        };
        let links = [
            (round(&app, "/v1.0/users/delta").await.1, "Request_BadRequest"),
            (next("/v1.0/users/delta").await, "Request_BadRequest"),
            (next("/v1.0/users?$select=id").await, "Request_BadRequest"),
            (next("/beta/users").await, "Request_BadRequest"),
            (next("/v1.0/auditLogs/directoryAudits?$top=1").await, "badRequest"),
        ];
        let permissions = ["User.Read.All", "AuditLog.Read.All"];
        let own = app.token_with(&app.tenant, &permissions).await;
        let other = app.new_tenant("fabrikam.example").await;
        let other = app.token_with(&other, &permissions).await;
        for (link, code) in links {
            let refused = Answer::of(app.http.get(&link).bearer_auth(&other)).await.expect_error(400, code);
            let message = refused.json["error"]["message"].as_str().unwrap();
            assert!(message.contains("is not one of ours"), "{link}: {message}");
            Answer::of(app.http.get(&link).bearer_auth(&own)).await.expect(200);
        }
        // Begins anew in whatever tenant.
        call_as(&app, &other, Method::GET, "/v1.0/users/delta?$deltatoken=latest", None).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn an_old_link_says_where_to_begin_anew() {
    on_each_backend_with_own_clock(async |app| {
        create(&app, "one").await;
        let (_, link) = round(&app, "/v1.0/users/delta?$select=displayName").await;
        app.app.store.context().clock.advance_seconds(6 * 24 * 3600);
        let token = app.token_with(&app.tenant, &["User.Read.All"]).await;
        Answer::of(app.http.get(&link).bearer_auth(&token)).await.expect(200);
        app.app.store.context().clock.advance_seconds(24 * 3600);
        let token = app.token_with(&app.tenant, &["User.Read.All"]).await;
        let gone = Answer::of(app.http.get(&link).bearer_auth(&token)).await.expect_error(410, "resyncRequired");
        let anew = gone.headers["location"].to_str().unwrap().to_owned();
        assert_eq!(anew, format!("{}/v1.0/users/delta?$select=displayName", app.base));
        Answer::of(app.http.get(anew).bearer_auth(&token)).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn users_who_are_gone_for_good_are_forgotten_but_their_numbers_are_not_given_again() {
    on_each_backend_with_own_clock(async |app| {
        for name in ["one", "two"] {
            let id = create(&app, name).await;
            app.delete(&format!("/v1.0/users/{id}")).await.expect(204);
            app.delete(&format!("/v1.0/directory/deletedItems/{id}")).await.expect(204);
        }
        let forgotten = async || rekey::worker::run_once(&app.app.store).await.unwrap().purged_users;
        assert_eq!(forgotten().await, 0);
        let days = 9 * 24 * 3600;
        app.app.store.context().clock.advance_seconds(days);
        // The last change of the tenant is kept: whoever has seen it asks for what is behind it.
        assert_eq!((forgotten().await, forgotten().await), (1, 0));
        let token = app.token_with(&app.tenant, &["User.Read.All"]).await;
        // As Graph's pages and HTTP libraries spell it.
        for option in ["$deltaToken", "%24deltaToken", "%24deltatoken", "$deltatoken"] {
            let latest = format!("{}/v1.0/users/delta?{option}=latest", app.base);
            Answer::of(app.http.get(latest).bearer_auth(&token)).await.expect(200);
        }
        let latest = format!("{}/v1.0/users/delta?$deltatoken=latest", app.base);
        let latest = Answer::of(app.http.get(latest).bearer_auth(&token)).await.expect(200);
        let link = latest.json["@odata.deltaLink"].as_str().unwrap();
        let token = app.token_with(&app.tenant, &["User.ReadWrite.All"]).await;
        let made = call_as(&app, &token, Method::POST, "/v1.0/users", Some(new_user("three"))).await.expect(201);
        let changes = Answer::of(app.http.get(link).bearer_auth(&token)).await.expect(200);
        let ids: Vec<_> = changes.json["value"].as_array().unwrap().iter().map(|user| &user["id"]).collect();
        assert_eq!(ids, [&made.json["id"]]);
        assert_eq!(forgotten().await, 1);
    })
    .await;
}
