//! Failures have Graph's shape, whoever notices them.

use serde_json::json;

use crate::support::{Answer, on_each_backend, seed};

#[tokio::test]
async fn failures_have_graphs_shape() {
    on_each_backend(async |app| {
        app.get("/v1.0/nonsense").await.expect_error(404, "resourceNotFound");
        let reset = format!("{}/v1.0/users/nobody@contoso.example/authentication/resetMfa", app.base);
        let answer = Answer::of(app.http.post(&reset)).await.expect_error(401, "InvalidAuthenticationToken");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        Answer::of(app.http.post(&reset).bearer_auth("x.y.z")).await.expect_error(401, "InvalidAuthenticationToken");
        Answer::of(app.http.post(&reset).bearer_auth(&app.token)).await.expect_error(404, "Request_ResourceNotFound");
        Answer::of(app.http.get(&reset).bearer_auth(&app.token)).await.expect_error(405, "notAllowed");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_told_where() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let phones = format!("/v1.0/users/{}/authentication/phoneMethods", user.user_id);
        for (path, body, code, target) in [
            ("/v1.0/users", json!({}), "Request_BadRequest", "accountEnabled"),
            (
                "/v1.0/users",
                json!({"accountEnabled": "yes", "displayName": "A", "userPrincipalName": "a@contoso.example",
                       "mailNickname": "a", "passwordProfile": {"password": "violet harbor 42"}}),
                "Request_BadRequest",
                "accountEnabled",
            ),
            (
                "/v1.0/users",
                json!({"accountEnabled": true, "displayName": "A", "userPrincipalName": "a@contoso.example",
                       "mailNickname": "a", "passwordProfile": {}}),
                "Request_BadRequest",
                "passwordProfile/password",
            ),
            (phones.as_str(), json!({"phoneType": "mobile"}), "badRequest", "phoneNumber"),
            (phones.as_str(), json!({"phoneNumber": 5, "phoneType": "mobile"}), "badRequest", "phoneNumber"),
            (phones.as_str(), json!({"phoneNumber": "+1 2065550100", "phoneType": "pager"}), "badRequest", "phoneType"),
        ] {
            let refused = app.post(path, body.clone()).await.expect_error(400, code);
            assert_eq!(refused.json["error"]["target"], target, "{path} {body}");
            assert!(refused.json["error"]["message"].as_str().unwrap().contains(target));
        }
        // What was found in place of it may be a secret.
        let password = json!({"passwordProfile": {"password": ["Parse-Secret-1"]}});
        let refused = app.patch(&format!("/v1.0/users/{}", user.user_id), password).await;
        assert!(!refused.expect_error(400, "Request_BadRequest").text.contains("Parse-Secret"));
    })
    .await;
}

/// Objects without an entity tag match no `If-Match` but `*` (RFC 9110 section 13.1.1).
#[tokio::test]
async fn a_condition_that_cannot_hold_stops_a_change() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("/v1.0/users/{}", user.user_id);
        let change = |condition: &'static str| {
            app.request(reqwest::Method::PATCH, &path).header("if-match", condition).json(&json!({"jobTitle": "x"}))
        };
        for stale in ["\"1\"", "W/\"1\"", "\"1\", \"2\"", "nonsense"] {
            Answer::of(change(stale)).await.expect_error(412, "resourceModified");
        }
        assert!(app.get(&format!("{path}?$select=jobTitle")).await.json["jobTitle"].is_null());
        Answer::of(change("*")).await.expect(204);
        let deletion = app.request(reqwest::Method::DELETE, &path).header("if-match", "\"1\"");
        Answer::of(deletion).await.expect_error(412, "resourceModified");
    })
    .await;
}
