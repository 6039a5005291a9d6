//! Signing in, as a sign-in service and its users do it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::add_member,
    support::{Answer, TestApp},
    totp::Token,
};

pub const USER: &str = "adele@contoso.example";
pub const PASSWORD: &str = "correct horse battery";
pub const SESSIONS: &str = "/v1.0/signInSessions";
pub const OWN: &str = "/v1.0/me/authentication";

/// A user with a password.
pub async fn add_user(app: &TestApp) {
    add_member(app, USER).await;
    set_password(app, USER, false).await;
}

pub async fn set_password(app: &TestApp, user: &str, must_change: bool) {
    let body = json!({"passwordProfile": {"password": PASSWORD, "forceChangePasswordNextSignIn": must_change}});
    app.patch(&format!("/v1.0/users/{user}"), body).await.expect(204);
}

pub async fn begin_with(app: &TestApp, user: &str, first_factor: Value) -> Answer {
    app.post(SESSIONS, json!({"userPrincipalName": user, "firstFactor": first_factor})).await
}

pub async fn begin(app: &TestApp, user: &str, password: &str) -> Answer {
    begin_with(app, user, json!({"type": "password", "password": password})).await
}

/// A session whose first factor the application vouches for.
pub async fn assert(app: &TestApp, user: &str) -> Value {
    begin_with(app, user, json!({"type": "asserted"})).await.expect(201).json
}

/// The address of a session.
pub fn path(session: &Value) -> String {
    format!("{SESSIONS}/{}", session["id"].as_str().unwrap())
}

pub async fn verify(app: &TestApp, session: &Value, method: &str, code: &str) -> Answer {
    app.post(&format!("{}/verify", path(session)), json!({"methodId": method, "verificationCode": code})).await
}

pub async fn as_user(app: &TestApp, token: &str, method: Method, path: &str, body: Value) -> Answer {
    let request = app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token);
    Answer::of(request.json(&body)).await
}

/// Whether the token still lets its user read his own methods.
pub async fn read_own(app: &TestApp, token: &str) -> Answer {
    as_user(app, token, Method::GET, &format!("{OWN}/methods"), json!({})).await
}

pub async fn reset(app: &TestApp, user: &str, body: Value) -> Value {
    app.post(&format!("/v1.0/users/{user}/authentication/resetMfa"), body).await.expect(200).json
}

/// Registers a software token with the user's own token; the method's id and the token in his hand.
pub async fn register(app: &TestApp, token: &str) -> (String, Token) {
    let list = format!("{OWN}/softwareOathMethods");
    let made = as_user(app, token, Method::POST, &list, json!({})).await.expect(201).json;
    let id = made["id"].as_str().unwrap().to_owned();
    let device = Token::hardware(made["secretKey"].as_str().unwrap());
    let body = json!({"verificationCode": device.code()});
    as_user(app, token, Method::POST, &format!("{list}/{id}/activate"), body).await.expect(204);
    (id, device)
}

/// A user who has registered a software token: its id and the token, whose next code is fresh.
pub async fn add_registered(app: &TestApp, user: &str) -> (String, Token) {
    add_member(app, user).await;
    let session = assert(app, user).await;
    register(app, session["registrationToken"].as_str().unwrap()).await
}

/// A completed sign-in with that token.
pub async fn sign_in(app: &TestApp, user: &str, (id, token): &(String, Token)) -> Value {
    let session = assert(app, user).await;
    let done = verify(app, &session, id, &token.next_code()).await.expect(200).json;
    assert_eq!(done["status"], "completed", "{done}");
    done
}

/// Turns the tenant's demand for MFA off.
pub async fn switch_security_defaults_off(app: &TestApp) {
    let policy = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy";
    app.patch(policy, json!({"isEnabled": false})).await.expect(204);
}

/// A first factor.
pub fn pass(code: &str) -> Value {
    json!({"type": "temporaryAccessPass", "verificationCode": code})
}

/// Hands a pass out; its code.
pub async fn issue_pass(app: &TestApp, user: &str, once: bool) -> String {
    let list = format!("/v1.0/users/{user}/authentication/temporaryAccessPassMethods");
    let made = app.post(&list, json!({"isUsableOnce": once})).await.expect(201).json;
    made["temporaryAccessPass"].as_str().unwrap().to_owned()
}

pub async fn requirements(app: &TestApp, user: &str) -> Value {
    app.get(&format!("/v1.0/users/{user}/authentication/requirements")).await.expect(200).json
}

pub async fn require(app: &TestApp, user: &str, change: Value) {
    app.patch(&format!("/v1.0/users/{user}/authentication/requirements"), change).await.expect(204);
}

/// What a token says, unchecked.
pub fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
