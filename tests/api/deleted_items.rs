//! `/directory/deletedItems`: what becomes of a deleted user.

use std::collections::BTreeSet;

use rekey::{
    clock::Timestamp,
    id::{DeviceId, MethodId},
    methods::password,
    store::{
        devices::{self, Device, DeviceHash, DeviceStatus},
        methods, roles, users,
    },
    worker,
};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::users::{call_as, create, events, new_user};
use crate::support::{Answer, on_each_backend, on_each_backend_with_own_clock};

const DELETED: &str = "/v1.0/directory/deletedItems";
const DAY: i64 = 24 * 60 * 60;

#[tokio::test]
async fn a_deleted_user_is_hidden_and_comes_back_whole() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        let token = app.user_token(&id).await;
        let role = json!({"principalId": id.as_str(), "roleDefinitionId": "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", "directoryScopeId": "/"});
        app.post("/v1.0/roleManagement/directory/roleAssignments", role).await.expect(201);
        app.delete("/v1.0/users/adele@contoso.example").await.expect(204);
        assert_eq!(events(&app).await[0].activity_display_name, "Delete user");

        for path in [format!("/v1.0/users/{id}"), "/v1.0/users/adele@contoso.example".into()] {
            app.get(&path).await.expect_error(404, "Request_ResourceNotFound");
            app.delete(&path).await.expect_error(404, "Request_ResourceNotFound");
        }
        let void = call_as(&app, &token, Method::GET, "/v1.0/organization", None).await;
        void.expect_error(401, "InvalidAuthenticationToken");
        let held = app.get("/v1.0/roleManagement/directory/roleAssignments").await.expect(200);
        assert_eq!(held.json["value"], json!([]), "a deleted user holds nothing");

        let list = app.get(&format!("{DELETED}/microsoft.graph.user")).await.expect(200);
        assert_eq!(list.json["value"][0]["id"], id.as_str());
        let one = app.get(&format!("{DELETED}/{id}")).await.expect(200);
        assert_eq!(one.json["@odata.type"], "#microsoft.graph.user");
        assert!(one.json["deletedDateTime"].as_str().is_some_and(|at| Timestamp::parse_iso(at).is_some()));

        let restored = app.post(&format!("{DELETED}/{id}/restore"), json!({})).await.expect(200);
        assert_eq!((&restored.json["id"], &restored.json["deletedDateTime"]), (&json!(id.as_str()), &json!(null)));
        assert_eq!(events(&app).await[0].activity_display_name, "Restore user");
        app.get("/v1.0/users/adele@contoso.example").await.expect(200);
        let void = call_as(&app, &token, Method::GET, "/v1.0/organization", None).await;
        void.expect_error(401, "InvalidAuthenticationToken");
        let held = app.get("/v1.0/roleManagement/directory/roleAssignments").await.expect(200);
        assert_eq!(held.json["value"][0]["principalId"], id.as_str());
        app.post(&format!("{DELETED}/{id}/restore"), json!({})).await.expect_error(404, "Request_ResourceNotFound");
        app.get(&format!("{DELETED}/{id}")).await.expect_error(404, "Request_ResourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_prevents_the_restore() {
    on_each_backend(async |app| {
        let old = create(&app, "adele").await;
        app.delete(&format!("/v1.0/users/{old}")).await.expect(204);
        let new = create(&app, "Adele").await;
        let restore = format!("{DELETED}/{old}/restore");
        app.post(&restore, json!({})).await.expect_error(409, "conflict");
        app.patch(&format!("/v1.0/users/{new}"), json!({"userPrincipalName": "a2@contoso.example"})).await.expect(204);
        let minimal = Answer::of(app.request(Method::POST, &restore).header("Prefer", "return=minimal")).await;
        minimal.expect(204);
        assert_eq!(app.get("/v1.0/users/adele@contoso.example").await.expect(200).json["id"], old.as_str());
        app.post("/v1.0/users", new_user("ADELE")).await.expect_error(400, "Request_BadRequest");
    })
    .await;
}

#[tokio::test]
async fn after_thirty_days_nothing_is_restored() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        app.delete(&format!("/v1.0/users/{id}")).await.expect(204);
        let (tenant, user) = (app.tenant.clone(), id.clone());
        let age = app.app.store.write(&app.tenant, move |tx| {
            let mut deleted = users::find_by_id(tx, &tenant, &user, users::Presence::Deleted)?.unwrap();
            deleted.deleted_at = Some(tx.now().plus_minutes(-30 * 24 * 60));
            users::update(tx, &deleted)
        });
        age.await.unwrap();
        app.post(&format!("{DELETED}/{id}/restore"), json!({})).await.expect_error(409, "conflict");
        app.delete(&format!("{DELETED}/{id}")).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn after_thirty_days_a_deleted_user_goes_for_good_by_himself() {
    on_each_backend_with_own_clock(async |app| {
        let clock = app.app.store.context().clock.clone();
        let fresh = async || app.token_with(&app.tenant, &["User.ReadWrite.All"]).await;
        let listed = async |token: &str| {
            let path = format!("{DELETED}/microsoft.graph.user");
            let list = call_as(&app, token, Method::GET, &path, None).await.expect(200);
            let users = list.json["value"].as_array().unwrap().iter();
            users.map(|user| user["id"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        let swept = async || worker::run_once(&app.app.store).await.unwrap().users;
        let (old, young) = (create(&app, "old").await, create(&app, "young").await);
        let (old_path, young_path) = (format!("{DELETED}/{old}"), format!("{DELETED}/{young}"));
        let both = BTreeSet::from([old.to_string(), young.to_string()]);
        create(&app, "present").await;
        app.delete(&format!("/v1.0/users/{old}")).await.expect(204);
        clock.advance_seconds(2 * DAY);
        let token = fresh().await;
        call_as(&app, &token, Method::DELETE, &format!("/v1.0/users/{young}"), None).await.expect(204);

        clock.advance_seconds(27 * DAY);
        let token = fresh().await;
        let latest = call_as(&app, &token, Method::GET, "/v1.0/users/delta?$deltatoken=latest", None).await.expect(200);
        assert_eq!(swept().await, 0, "29 days ago is not long ago");
        assert_eq!(listed(&token).await, both);

        clock.advance_seconds(2 * DAY);
        let token = fresh().await;
        assert_eq!((swept().await, swept().await), (1, 0));
        assert_eq!(listed(&token).await, BTreeSet::from([young.to_string()]));
        call_as(&app, &token, Method::GET, &old_path, None).await.expect_error(404, "Request_ResourceNotFound");
        let link = latest.json["@odata.deltaLink"].as_str().unwrap();
        let changes = Answer::of(app.http.get(link).bearer_auth(&token)).await.expect(200);
        let changes = changes.json["value"].as_array().unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!((&changes[0]["id"], &changes[0]["@removed"]["reason"]), (&json!(old.as_str()), &json!("deleted")));
        let event = &events(&app).await[0];
        assert_eq!(event.activity_display_name, "Hard delete user");
        assert_eq!(event.target_id.as_deref(), Some(old.as_str()));
        assert_eq!(event.initiator_display_name.as_deref(), Some("Rekey"));
        let (tenant, user) = (app.tenant.clone(), old.clone());
        let left = app.app.store.read(move |tx| methods::find(tx, &tenant, &user, &MethodId::new(password::ID)));
        assert!(left.await.unwrap().is_none());

        let restore = call_as(&app, &token, Method::POST, &format!("{young_path}/restore"), Some(json!({}))).await;
        restore.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_user_removed_for_good_leaves_nothing_but_the_log() {
    on_each_backend(async |app| {
        let id = create(&app, "adele").await;
        let role = json!({"principalId": id.as_str(), "roleDefinitionId": "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", "directoryScopeId": "/"});
        app.post("/v1.0/roleManagement/directory/roleAssignments", role).await.expect(201);
        let device = DeviceId::new("5f0f1a4e-2a54-4f0e-9c57-0d2f9a0b1c2d");
        let (tenant, user, token) = (app.tenant.clone(), id.clone(), device.clone());
        let assign = app.app.store.write(&app.tenant, move |tx| {
            let sealed_secret = tx.seal(&[tenant.as_str(), token.as_str()], b"12345678901234567890")?;
            let device = Device {
                tenant_id: tenant.clone(),
                device_id: token.clone(),
                serial_number: "GALT-1".into(),
                manufacturer: "Hardly".into(),
                model: "200".into(),
                display_name: None,
                time_interval_seconds: 30,
                hash_function: DeviceHash::Sha1,
                sealed_secret,
                status: DeviceStatus::Activated,
                assigned_to: Some(user.clone()),
                assigned_at: Some(tx.now()),
                last_step: Some(1),
                last_used_at: None,
                created_at: tx.now(),
                otp_type: rekey::store::devices::OtpType::Totp,
                digits: 6,
                drift_steps: 0,
            };
            devices::insert(tx, &device)
        });
        assign.await.unwrap();

        // Only who is deleted can be removed for good, and only by who may.
        app.delete(&format!("{DELETED}/{id}")).await.expect_error(404, "Request_ResourceNotFound");
        app.delete(&format!("/v1.0/users/{id}")).await.expect(204);
        let reader = app.token_with(&app.tenant, &["User.Read.All"]).await;
        let path = format!("{DELETED}/{id}");
        call_as(&app, &reader, Method::DELETE, &path, None).await.expect_error(403, "Authorization_RequestDenied");
        let foreign = app.new_tenant("fabrikam.example").await;
        let foreign = app.token_with(&foreign, &["User.ReadWrite.All"]).await;
        for (method, path) in
            [(Method::GET, path.clone()), (Method::DELETE, path.clone()), (Method::POST, format!("{path}/restore"))]
        {
            let hidden = call_as(&app, &foreign, method, &path, None).await;
            hidden.expect_error(404, "Request_ResourceNotFound");
        }

        app.delete(&path).await.expect(204);
        app.get(&path).await.expect_error(404, "Request_ResourceNotFound");
        assert_eq!(app.delete(&path).await.status, StatusCode::NOT_FOUND);
        let (tenant, user) = (app.tenant.clone(), id.clone());
        let left = app.app.store.read(move |tx| {
            let password = methods::find(tx, &tenant, &user, &MethodId::new(password::ID))?;
            let roles = roles::of_user(tx, &tenant, &user)?;
            let device = devices::find(tx, &tenant, &device)?.unwrap();
            Ok((password, roles, device.status, device.assigned_to, device.last_step))
        });
        assert_eq!(left.await.unwrap(), (None, vec![], DeviceStatus::Available, None, Some(1)));
        let event = &events(&app).await[0];
        assert_eq!((event.activity_display_name.as_str(), event.target_id.as_deref()), ("Hard delete user", Some(id.as_str())));
        assert!(event.additional_details.contains("GALT-1"));
        app.post("/v1.0/users", new_user("adele")).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn deleted_users_come_in_pages() {
    on_each_backend(async |app| {
        for number in 0..5 {
            let id = create(&app, &format!("user{number}")).await;
            app.delete(&format!("/v1.0/users/{id}")).await.expect(204);
        }
        create(&app, "present").await;
        let mut seen = BTreeSet::new();
        let mut next = Some(format!("{}{DELETED}/microsoft.graph.user?$top=2", app.base));
        let mut pages = 0;
        while let Some(url) = next {
            let page = Answer::of(app.http.get(&url).bearer_auth(&app.token)).await.expect(200);
            pages += 1;
            for user in page.json["value"].as_array().unwrap() {
                assert!(user["deletedDateTime"].is_string() && seen.insert(user["id"].to_string()));
            }
            next = page.json["@odata.nextLink"].as_str().map(str::to_owned);
        }
        assert_eq!((pages, seen.len()), (3, 5));
        let refused = app.get(&format!("{DELETED}/microsoft.graph.user?$filter=x")).await;
        refused.expect_error(400, "Request_BadRequest");
    })
    .await;
}
