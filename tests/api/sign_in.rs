//! Sign-in sessions: what lets a user in, and what does not.

use serde_json::{Value, json};

use crate::{
    oath_fixtures::add_member,
    support::{Answer, TestApp, on_each_backend},
    totp::Token,
};

pub const USER: &str = "adele@contoso.example";
pub const PASSWORD: &str = "correct horse battery";

/// A user with a password.
pub async fn add_user(app: &TestApp) {
    add_member(app, USER).await;
    let body = json!({"passwordProfile": {"password": PASSWORD, "forceChangePasswordNextSignIn": false}});
    app.patch(&format!("/v1.0/users/{USER}"), body).await.expect(204);
}

pub async fn begin(app: &TestApp, user: &str, password: &str) -> Answer {
    let first = json!({"type": "password", "password": password});
    app.post("/v1.0/signInSessions", json!({"userPrincipalName": user, "firstFactor": first})).await
}

pub async fn verify(app: &TestApp, session: &Value, method: &str, code: &str) -> Answer {
    let path = format!("/v1.0/signInSessions/{}/verify", session["id"].as_str().unwrap());
    app.post(&path, json!({"methodId": method, "verificationCode": code})).await
}

pub async fn as_user(app: &TestApp, token: &str, method: reqwest::Method, path: &str, body: Value) -> Answer {
    let request = app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token);
    Answer::of(request.json(&body)).await
}

/// Registers a software token with the user's own token; the method's id and the token in his hand.
async fn register(app: &TestApp, token: &str) -> (String, Token) {
    let list = "/v1.0/me/authentication/softwareOathMethods";
    let made = as_user(app, token, reqwest::Method::POST, list, json!({})).await.expect(201).json;
    let id = made["id"].as_str().unwrap().to_owned();
    let device = Token::hardware(made["secretKey"].as_str().unwrap());
    let body = json!({"verificationCode": device.code()});
    as_user(app, token, reqwest::Method::POST, &format!("{list}/{id}/activate"), body).await.expect(204);
    (id, device)
}

#[tokio::test]
async fn a_user_registers_signs_in_is_reset_and_must_register_again() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired", "{session}");
        let registration = session["registrationToken"].as_str().unwrap().to_owned();
        let (id, device) = register(&app, &registration).await;
        // The registration is done, and its token with it.
        as_user(&app, &registration, reqwest::Method::GET, "/v1.0/me/authentication/methods", json!({}))
            .await
            .expect(401);

        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "mfaRequired", "{session}");
        assert_eq!(session["methods"][0]["id"], id);
        assert_eq!(session["methods"][0]["isDefault"], true);
        assert_eq!(session.get("outcomeToken"), None);
        // The activating code is spent.
        verify(&app, &session, &id, &device.code()).await.expect(400);
        let done = verify(&app, &session, &id, &device.next_code()).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");
        let outcome = done["outcomeToken"].as_str().unwrap().to_owned();
        as_user(&app, &outcome, reqwest::Method::GET, "/v1.0/me/authentication/methods", json!({})).await.expect(200);

        app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({})).await.expect(200);
        let session_path = format!("/v1.0/signInSessions/{}", session["id"].as_str().unwrap());
        assert_eq!(app.get(&session_path).await.expect(200).json["status"], "refused");
        as_user(&app, &outcome, reqwest::Method::GET, "/v1.0/me/authentication/methods", json!({})).await.expect(401);
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired", "{session}");
        verify(&app, &session, &id, &device.next_code()).await.expect(404);
        let (id, device) = register(&app, session["registrationToken"].as_str().unwrap()).await;
        let done = verify(&app, &session, &id, &device.next_code()).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_look_alike() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let shape = |mut answer: Value| {
            for varying in ["id", "expirationDateTime"] {
                assert!(answer[varying].is_string());
                answer[varying] = Value::Null;
            }
            answer
        };
        for _ in 0..5 {
            let known = begin(&app, USER, "wrong password").await.expect(201).json;
            let unknown = begin(&app, "nobody@contoso.example", "wrong password").await.expect(201).json;
            assert_eq!(known["status"], "refused");
            assert_eq!(shape(known), shape(unknown));
        }
        // Now both have to wait, even with the right password.
        for (user, password) in [(USER, PASSWORD), ("NOBODY@contoso.example", "wrong password")] {
            let answer = begin(&app, user, password).await.expect_error(429, "TooManyRequests");
            assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        }
    })
    .await;
}
