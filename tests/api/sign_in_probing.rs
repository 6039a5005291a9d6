//! What a stranger learns of users by trying: nothing. (Passkeys and first factors have tests of their own.)

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    sign_in_fixtures::{PASSWORD, USER, add_user, begin, begin_with, path},
    support::{Answer, TestApp, on_each_backend},
};

const NOBODY: &str = "nobody@contoso.example";

/// Status and body without what varies by itself.
fn shape(answer: Answer) -> (u16, Value) {
    let (status, mut body) = (answer.status.as_u16(), answer.json);
    for varying in ["date", "request-id", "client-request-id"] {
        body["error"]["innerError"].as_object_mut().unwrap().remove(varying);
    }
    (status, body)
}

/// A session that nothing was shown in yet.
async fn bare_session(app: &TestApp, user: &str) -> String {
    path(&begin_with(app, user, json!({"type": "passkey"})).await.expect(201).json)
}

#[tokio::test]
async fn a_session_says_nothing_about_who_it_is_for() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let user = app.get(&format!("/v1.0/users/{USER}")).await.expect(200).json;
        app.patch(&format!("/v1.0/users/{USER}"), json!({"givenName": "Adelheid", "surname": "Lindgren"}))
            .await
            .expect(204);
        let policy = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/QRCodePin";
        app.patch(policy, json!({"pinLength": 12})).await.expect(204);
        let (id, long) = (user["id"].as_str().unwrap(), "x".repeat(900));
        let probes = [
            ("changePassword", json!({"newPassword": "Adelheid-2026"})),
            ("changePassword", json!({"newPassword": "Lindgren-2026"})),
            ("changePassword", json!({"newPassword": "short"})),
            ("changePassword", json!({"newPassword": "amber lantern 58 river"})),
            ("changePin", json!({"newPin": "27182818"})),
            ("changePin", json!({"newPin": "271828182845"})),
            ("challenge", json!({"methodId": id})),
            ("challenge", json!({"methodId": long})),
            ("verify", json!({"methodId": id, "verificationCode": "123456"})),
            ("verify", json!({"methodId": long, "verificationCode": "123456"})),
        ];
        for (step, body) in probes {
            let mut answers = vec![];
            for user in [USER, NOBODY] {
                let session = bare_session(&app, user).await;
                let mut answer = shape(app.post(&format!("{session}/{step}"), body.clone()).await);
                // An id of a session is all that may differ.
                let text = answer.1.to_string().replace(session.rsplit('/').next().unwrap(), "");
                answer.1 = serde_json::from_str(&text).unwrap();
                answers.push(answer);
            }
            assert!((400..500).contains(&answers[0].0), "{step} {body}: {answers:?}");
            assert_eq!(answers[0], answers[1], "{step} {body}");
        }
        // Refused sessions neither.
        for body in [json!({"newPassword": "Adelheid-2026"}), json!({"newPassword": "amber lantern 58 river"})] {
            let mut answers = vec![];
            for user in [USER, NOBODY] {
                let session = begin(&app, user, "wrong password").await.expect(201).json;
                answers.push(shape(app.post(&format!("{}/changePassword", path(&session)), body.clone()).await));
            }
            assert_eq!(answers[0], answers[1], "{body}");
        }
    })
    .await;
}

/// The right password of a disabled account is as wrong as any other.
#[tokio::test]
async fn nobody_learns_the_password_of_a_disabled_account() {
    on_each_backend(async |app| {
        add_user(&app).await;
        app.patch(&format!("/v1.0/users/{USER}"), json!({"accountEnabled": false})).await.expect(204);
        for password in [PASSWORD, "wrong password"] {
            app.post(&format!("/v1.0/users/{USER}/authentication/unlock"), json!({})).await.expect(204);
            for _ in 0..5 {
                assert_eq!(begin(&app, USER, password).await.expect(201).json["status"], "refused");
            }
            begin(&app, USER, password).await.expect_error(429, "TooManyRequests");
        }
        let list = app.request(Method::GET, &format!("/v1.0/users/{USER}/authentication/requirements"));
        assert_eq!(Answer::of(list).await.expect(200).json["lockouts"][0]["failures"], 5);
    })
    .await;
}
