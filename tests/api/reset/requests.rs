//! How the reset is asked for: with a pass, once, without a report, with the right to.

use rekey::{methods::phone::PhoneType, roles::Role, store::users::User};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, MOBILE, event, ids};
use crate::support::{Answer, on_each_backend, seed};

#[tokio::test]
async fn a_pass_comes_with_the_reset() {
    on_each_backend(async |app| {
        let case = Case::new(&app, "adele").await;
        let body = json!({"issueTemporaryAccessPass": {"lifetimeInMinutes": 120, "isUsableOnce": true}});
        let done = case.reset(&app, body).await.expect(200);
        let pass = &done.json["temporaryAccessPass"];
        let code = pass["temporaryAccessPass"].as_str().unwrap();
        assert_eq!((code.len(), &pass["lifetimeInMinutes"], &pass["isUsable"]), (8, &json!(120), &json!(true)));
        // It replaces the one that was there.
        assert!(ids(&done.json["deleted"]).contains(&case.ids.pass));
        assert!(!case.left(&app).await.contains(&case.ids.pass));
        let read = app.get(&format!("{}/temporaryAccessPassMethods/{}", case.base, pass["id"].as_str().unwrap())).await;
        let mut hidden = pass.clone();
        hidden["temporaryAccessPass"] = Value::Null;
        let mut read = read.expect(200).json;
        read.as_object_mut().unwrap().remove("@odata.context");
        assert_eq!(read, hidden);
        let event = event(&app, &done.json).await;
        assert_eq!(seed::detail(&event, "temporaryAccessPassId").as_deref(), pass["id"].as_str());
        assert!(!format!("{event:?}").contains(code));

        // To take away is one power, to hand out another.
        let token = app.token_with(&app.tenant, &["MfaReset.ReadWrite.All"]).await;
        let other = Case::new(&app, "other").await;
        let all = other.all(&app).await;
        let path = format!("{}{}/resetMfa", app.base, other.base);
        let reset = |body: Value| Answer::of(app.http.post(&path).bearer_auth(&token).json(&body));
        let refused = reset(json!({"issueTemporaryAccessPass": {}})).await.expect_error(403, "accessDenied");
        assert!(refused.text.contains("UserAuthMethod-TAP.ReadWrite.All"), "{}", refused.text);
        assert_eq!(other.left(&app).await, all);
        assert_eq!(seed::events(&app).await[0].result, "failure");
        reset(json!({"issueTemporaryAccessPass": null})).await.expect(200);
        let both = app.token_with(&app.tenant, &["MfaReset.ReadWrite.All", "UserAuthMethod-TAP.ReadWrite.All"]).await;
        let body = json!({"issueTemporaryAccessPass": {}});
        let issued = Answer::of(app.http.post(&path).bearer_auth(&both).json(&body)).await.expect(200);
        assert!(issued.json["temporaryAccessPass"]["temporaryAccessPass"].is_string());
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_resets_once() {
    on_each_backend(async |app| {
        let case = Case::new(&app, "adele").await;
        let path = format!("{}/resetMfa", case.base);
        let reset = |key: &str, body: Value| {
            Answer::of(app.request(Method::POST, &path).header("Idempotency-Key", key).json(&body))
        };
        let body = json!({"issueTemporaryAccessPass": {}});
        let first = reset("ticket-4711", body.clone()).await.expect(200);
        assert!(first.json["temporaryAccessPass"]["temporaryAccessPass"].is_string());
        seed::phone(&app, &case.user, PhoneType::Mobile, "+1 2065550199").await;
        let again = reset("ticket-4711", body.clone()).await.expect(200);
        assert_eq!(again.text, first.text);
        assert!(case.left(&app).await.contains(&MOBILE.to_owned()));
        assert_eq!(seed::events(&app).await.len(), 1);
        reset("ticket-4711", json!({})).await.expect_error(422, "unprocessableEntity");
        // The same key for another user is another request.
        let other = Case::new(&app, "other").await;
        let elsewhere = app.request(Method::POST, &format!("{}/resetMfa", other.base));
        let elsewhere = elsewhere.header("Idempotency-Key", "ticket-4711").json(&body);
        Answer::of(elsewhere).await.expect_error(422, "unprocessableEntity");
        other.all(&app).await;
        // Another caller's keys are its own, and a caller whose rights are gone learns nothing.
        let token = app.token_with(&app.tenant, &["MfaReset.ReadWrite.All"]).await;
        let theirs = app.http.post(format!("{}{path}", app.base)).bearer_auth(token);
        let theirs = theirs.header("Idempotency-Key", "ticket-4711").json(&json!({}));
        let theirs = Answer::of(theirs).await.expect(200);
        assert_eq!(ids(&theirs.json["deleted"]), [MOBILE]);
        reset("ticket-4712", body).await.expect(200);
        assert_eq!(seed::events(&app).await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn prefer_minimal_asks_for_no_report() {
    on_each_backend(async |app| {
        let case = Case::new(&app, "adele").await;
        let path = format!("{}/resetMfa", case.base);
        let request = app.request(Method::POST, &path).header("Prefer", "return=minimal").json(&json!({}));
        let done = Answer::of(request).await.expect(204);
        assert_eq!(done.text, "");
        assert_eq!(done.headers["preference-applied"], "return=minimal");
        assert!(done.headers.contains_key("request-id"));
        assert_eq!(case.left(&app).await.len(), 6);
        let bad = app.request(Method::POST, &path).header("Prefer", "return=minimal").json(&json!({"x": 1}));
        Answer::of(bad).await.expect_error(400, "badRequest");
    })
    .await;
}

#[tokio::test]
async fn it_takes_the_right() {
    on_each_backend(async |app| {
        let case = Case::new(&app, "adele").await;
        let all = case.all(&app).await;
        let path = format!("{}{}/resetMfa", app.base, case.base);
        let reset = |token: &str| Answer::of(app.http.post(&path).bearer_auth(token).json(&json!({"reason": "Test"})));
        let reader = app.token_with(&app.tenant, &["UserAuthenticationMethod.Read.All", "User.ReadWrite.All"]).await;
        let refused = reset(&reader).await.expect_error(403, "accessDenied");
        assert!(refused.text.contains("MfaReset.ReadWrite.All"), "{}", refused.text);
        let event = seed::events(&app).await.remove(0);
        assert_eq!(
            (event.activity_display_name.as_str(), event.result.as_str()),
            ("Admin reset multifactor authentication", "failure")
        );
        assert_eq!(event.initiator_display_name.as_deref(), Some("Test application"));
        assert_eq!(event.target_id.as_deref(), Some(case.user.user_id.as_str()));

        // Another tenant's user does not exist, whatever the right.
        let other = app.new_tenant("fabrikam.example").await;
        let foreign = app.token_with(&other, &["MfaReset.ReadWrite.All"]).await;
        reset(&foreign).await.expect_error(404, "Request_ResourceNotFound");

        let (chief, chief_token) = seed::admin(&app, "chief", Role::PrivilegedAuthenticationAdministrator).await;
        let (_, admin) = seed::admin(&app, "admin", Role::AuthenticationAdministrator).await;
        let (_, helpdesk) = seed::admin(&app, "helpdesk", Role::HelpdeskAdministrator).await;
        let own = app.user_token(&case.user.user_id).await;
        for token in [&helpdesk, &own] {
            reset(token).await.expect_error(403, "accessDenied");
        }
        let on = |user: &User, token: &str| {
            let path = format!("{}/v1.0/users/{}/authentication/resetMfa", app.base, user.user_id);
            Answer::of(app.http.post(path).bearer_auth(token))
        };
        // Nobody resets himself, nor a stronger administrator.
        on(&chief, &chief_token).await.expect_error(403, "accessDenied");
        on(&chief, &admin).await.expect_error(403, "accessDenied");
        assert_eq!(case.left(&app).await, all);
        reset(&admin).await.expect(200);
        let event = seed::events(&app).await.remove(0);
        assert_eq!(event.initiator_principal_name.as_deref(), Some("admin@contoso.example"));
        assert_eq!(event.initiator_kind, "user");
        let (lesser, _) = seed::admin(&app, "lesser", Role::AuthenticationAdministrator).await;
        on(&lesser, &chief_token).await.expect(200);
    })
    .await;
}
