//! Temporary access passes.

use rekey::{clock::Clock, roles::Role};
use serde_json::{Value, json};

use crate::support::{Answer, on_each_backend, seed};

#[tokio::test]
async fn the_code_is_shown_once() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let base = format!("/v1.0/users/{}/authentication/temporaryAccessPassMethods", user.user_id);
        let body = json!({"@odata.type": "#microsoft.graph.temporaryAccessPassAuthenticationMethod",
                          "lifetimeInMinutes": 90, "isUsableOnce": true});
        let made = app.post(&base, body).await.expect(201);
        let code = made.json["temporaryAccessPass"].as_str().unwrap();
        assert_eq!(code.len(), 8);
        assert_eq!(made.json["lifetimeInMinutes"], 90);
        assert_eq!(made.json["isUsableOnce"], true);
        assert_eq!(made.json["isUsable"], true);
        assert_eq!(made.json["methodUsabilityReason"], "EnabledByPolicy");
        assert_eq!(made.headers["cache-control"], "no-store");
        let one = format!("{base}/{}", made.json["id"].as_str().unwrap());
        assert_eq!(made.headers["location"], format!("{}{one}", app.base).as_str());

        let mut hidden = made.json.clone();
        hidden["temporaryAccessPass"] = Value::Null;
        let read = app.get(&one).await.expect(200);
        assert_eq!(read.json, hidden);
        for path in [&base, &format!("/v1.0/users/{}/authentication/methods", user.user_id)] {
            let list = app.get(path).await.expect(200);
            assert_eq!(list.json["value"].as_array().unwrap().len(), 1);
            assert!(!list.text.contains(code));
        }
        let event = seed::events(&app).await.remove(0);
        assert_eq!(event.activity_display_name, "Admin registered security info");
        assert_eq!(seed::detail(&event, "methodId").as_deref(), made.json["id"].as_str());
        assert!(!format!("{event:?}").contains(code));

        // A new one replaces it; everything may be left out.
        let second = app.post(&base, json!({})).await.expect(201);
        assert_eq!(second.json["lifetimeInMinutes"], 60);
        assert_eq!(second.json["isUsableOnce"], false);
        assert_ne!(second.json["temporaryAccessPass"], code);
        app.get(&one).await.expect_error(404, "resourceNotFound");
        let bare = app.request(reqwest::Method::POST, &base);
        let third = Answer::of(bare).await.expect(201);
        assert_eq!(app.get(&base).await.json["value"].as_array().unwrap().len(), 1);

        let one = format!("{base}/{}", third.json["id"].as_str().unwrap());
        app.delete(&one).await.expect(204);
        app.delete(&one).await.expect_error(404, "resourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn a_pass_keeps_to_the_policy() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let base = format!("/v1.0/users/{}/authentication/temporaryAccessPassMethods", user.user_id);
        let later = |days: i64| Clock::System.now().plus_minutes(days * 24 * 60).to_iso();
        for body in [
            json!({"lifetimeInMinutes": 59}),
            json!({"lifetimeInMinutes": 481}),
            json!({"lifetimeInMinutes": -1}),
            json!({"lifetimeInMinutes": "60"}),
            json!({"lifetimeInMinutes": 1e12}),
            json!({"startDateTime": later(-1)}),
            json!({"startDateTime": later(31)}),
            json!({"startDateTime": "tomorrow"}),
            json!({"temporaryAccessPass": "letmein1"}),
            json!({"isUsable": true}),
            json!([]),
        ] {
            app.post(&base, body).await.expect_error(400, "badRequest");
        }
        assert_eq!(app.get(&base).await.json["value"], json!([]));
        assert!(seed::events(&app).await.is_empty());

        let start = later(1);
        let made = app.post(&base, json!({"startDateTime": start, "lifetimeInMinutes": 480})).await.expect(201);
        assert_eq!(made.json["startDateTime"], start);
        assert_eq!(made.json["isUsable"], false);
        assert_eq!(made.json["methodUsabilityReason"], "NotYetValid");
    })
    .await;
}

#[tokio::test]
async fn issuing_takes_the_right() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let (admin, token) = seed::admin(&app, "admin", Role::AuthenticationAdministrator).await;
        let path = |user: &str| format!("{}/v1.0/users/{user}/authentication/temporaryAccessPassMethods", app.base);
        for permission in
            ["UserAuthMethod-TAP.Read.All", "UserAuthMethod-Phone.ReadWrite.All", "MfaReset.ReadWrite.All"]
        {
            let token = app.token_with(&app.tenant, &[permission]).await;
            let issue = app.http.post(path(user.user_id.as_str())).bearer_auth(token);
            Answer::of(issue).await.expect_error(403, "accessDenied");
            assert_eq!(seed::events(&app).await[0].result, "failure");
        }
        Answer::of(app.http.post(path(user.user_id.as_str())).bearer_auth(&token)).await.expect(201);
        // Not to oneself.
        let own = app.http.post(path(admin.user_id.as_str())).bearer_auth(&token);
        Answer::of(own).await.expect_error(403, "accessDenied");
    })
    .await;
}
