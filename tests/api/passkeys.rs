//! Passkeys: registered by an independent authenticator, and signed in with.

use rekey::{
    clock::Clock,
    id::UserId,
    methods::policy::{EnforcementType, KeyRestrictions, MethodsPolicy, State},
    store::{
        challenges::{self, Purpose},
        methods,
    },
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    oath_fixtures::{add_member, assert_unsaid, last_event},
    support::{Answer, TestApp, on_each_backend},
    virtual_passkey::VirtualPasskey,
};

mod attestation;
mod ceremonies;
mod registration;
mod sign_in;

const USER: &str = "adele@contoso.example";
const OTHER: &str = "alex@contoso.example";
const PASSWORD: &str = "correct horse battery";

fn passkeys(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication/fido2Methods")
}

/// A user with a password.
async fn add_user(app: &TestApp, name: &str) -> UserId {
    let id = add_member(app, name).await;
    let body = json!({"passwordProfile": {"password": PASSWORD, "forceChangePasswordNextSignIn": false}});
    app.patch(&format!("/v1.0/users/{name}"), body).await.expect(204);
    id
}

async fn options(app: &TestApp, user: &str) -> Value {
    app.get(&format!("{}/creationOptions", passkeys(user))).await.expect(200).json["publicKey"].clone()
}

async fn post(app: &TestApp, user: &str, credential: &Value) -> Answer {
    app.post(&passkeys(user), json!({"displayName": "Blue key", "publicKeyCredential": credential})).await
}

/// An administrator registers a passkey for the user, with the user's authenticator; the id of the method.
async fn register(app: &TestApp, user: &str, device: &mut VirtualPasskey) -> String {
    let credential = device.create(&options(app, user).await).await;
    post(app, user, &credential).await.expect(201).json["id"].as_str().unwrap().to_owned()
}

async fn as_user(app: &TestApp, token: &str, method: Method, path: &str, body: Value) -> Answer {
    Answer::of(app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token).json(&body)).await
}

async fn begin(app: &TestApp, user: &str, first_factor: Value) -> Value {
    let body = json!({"userPrincipalName": user, "firstFactor": first_factor});
    app.post("/v1.0/signInSessions", body).await.expect(201).json
}

async fn begin_with_passkey(app: &TestApp, user: &str) -> Value {
    begin(app, user, json!({"type": "passkey"})).await
}

async fn begin_with_password(app: &TestApp, user: &str) -> Value {
    begin(app, user, json!({"type": "password", "password": PASSWORD})).await
}

fn address(session: &Value, action: &str) -> String {
    format!("/v1.0/signInSessions/{}/{action}", session["id"].as_str().unwrap())
}

/// WebAuthn's request options of a session.
async fn challenge(app: &TestApp, session: &Value) -> Value {
    let asked = app.post(&address(session, "challenge"), json!({})).await.expect(200).json;
    assert_eq!(asked["prompt"], "publicKey");
    asked["publicKey"].clone()
}

async fn verify(app: &TestApp, session: &Value, answer: &Value) -> Answer {
    app.post(&address(session, "verify"), json!({"publicKeyCredential": answer})).await
}

/// Begins with a passkey and answers; where the session stands then.
async fn sign_in(app: &TestApp, user: &str, device: &mut VirtualPasskey) -> Answer {
    let session = begin_with_passkey(app, user).await;
    let answer = device.get(&challenge(app, &session).await).await;
    verify(app, &session, &answer).await
}

async fn count(app: &TestApp, user: &str) -> usize {
    app.get(&passkeys(user)).await.expect(200).json["value"].as_array().unwrap().len()
}

async fn change_policy(app: &TestApp, change: impl Fn(&mut MethodsPolicy) + Send + 'static) {
    let tenant = app.tenant.clone();
    let write = app.app.store.write(&app.tenant, move |tx| {
        let mut policy = MethodsPolicy::of(tx, &tenant)?;
        change(&mut policy);
        policy.save(tx, &tenant)
    });
    write.await.unwrap();
}

/// The open challenges of a user end at this moment.
async fn expire(app: &TestApp, user: &UserId, purpose: Purpose) {
    let (tenant, user) = (app.tenant.clone(), user.clone());
    let write = app.app.store.write(&app.tenant, move |tx| {
        for mut open in challenges::of_user(tx, &tenant, &user, purpose)? {
            assert!(challenges::take(tx, &open)?);
            open.expires_at = tx.now();
            challenges::insert(tx, &open)?;
        }
        Ok(())
    });
    write.await.unwrap();
}
