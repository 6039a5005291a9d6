//! Every operation's example works when it is executed as it stands against the demo data, as Swagger UI's
//! "Try it out" and "Execute" do. Codes of tokens change every 30 seconds, so those are typed in, as a person would; an
//! authenticator makes the passkey, and what an app signs is signed at that moment.

#[path = "support/mod.rs"]
mod support;
#[path = "api/totp.rs"]
mod totp;
#[path = "api/virtual_passkey.rs"]
mod virtual_passkey;

use aws_lc_rs::digest::{SHA256, digest};
use rekey::demo;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use support::{
    Answer, Backend, TestApp,
    authenticator::{Device, Key},
    document::{Document, Operation},
};
use totp::Token;
use virtual_passkey::VirtualPasskey;

/// A server with the demo data, and a token of the application that the demo prints.
async fn demo_app() -> TestApp {
    let mut app = TestApp::empty(Backend::Sqlite).await;
    let demo = demo::seed(&app.app).await.unwrap();
    app.tenant = demo.tenant_id;
    app.token = app.token_of(&app.tenant, demo.client_id.as_str(), demo.client_secret.expose_secret()).await;
    app
}

/// A token of the demo's partner, for what only partners do.
async fn partner_token(app: &TestApp) -> String {
    let partner = demo::seed(&app.app).await.unwrap().partner;
    app.token_of(&partner.tenant_id, partner.client_id.as_str(), partner.client_secret.expose_secret()).await
}

async fn begin_sign_in(app: &TestApp, user: &str) -> Value {
    let first = json!({"type": "password", "password": demo::PASSWORD});
    app.post("/v1.0/signInSessions", json!({"userPrincipalName": user, "firstFactor": first})).await.expect(201).json
}

/// The new hire must register: his registration token.
async fn registration_token(app: &TestApp) -> String {
    begin_sign_in(app, demo::NEW_HIRE).await["registrationToken"].as_str().unwrap().to_owned()
}

/// The outcome of a sign-in of the example user with password and code.
async fn outcome_token(app: &TestApp) -> String {
    let session = begin_sign_in(app, demo::EXAMPLE_USER).await;
    let proof =
        json!({"methodId": demo::id("softwareOath"), "verificationCode": Token::hardware(demo::TOTP_SECRET).code()});
    let path = format!("/v1.0/signInSessions/{}/verify", session["id"].as_str().unwrap());
    let done = app.post(&path, proof).await.expect(200).json;
    done["outcomeToken"].as_str().unwrap().to_owned()
}

/// The path with every example filled in, optional query options too: Swagger UI fills in all of them.
fn target(operation: &Operation) -> String {
    let mut url = reqwest::Url::parse("http://host").unwrap();
    for parameter in operation.parameters.iter().filter(|parameter| parameter.place == "query") {
        if let Some(example) = &parameter.example {
            url.query_pairs_mut().append_pair(&parameter.name, example);
        }
    }
    let whole = operation.target();
    let path = whole.split('?').next().unwrap();
    url.query().map_or(path.to_owned(), |query| format!("{path}?{query}"))
}

/// The tokens of somebody who has nothing yet and of somebody who has something. A code is good once, so that the
/// latter is asked for once on a server.
async fn own_tokens(app: &TestApp) -> Vec<String> {
    vec![registration_token(app).await, outcome_token(app).await]
}

/// What was sent to the example user, for the operations that ask for it.
async fn sent_code(app: &TestApp, operation: &Operation) -> Option<String> {
    let path = operation.target();
    let path = path.strip_suffix("/verify").filter(|path| path.contains("/authentication/"))?;
    let path = path.replace("/v1.0/me/", &format!("/v1.0/users/{}/", demo::EXAMPLE_USER));
    app.post(&format!("{path}/sendVerification"), json!({})).await.expect(202);
    Some(app.last_sent().await.code())
}

/// The demo token whose code is asked for.
fn demo_token(operation: &Operation, body: &Value) -> Token {
    let addressed = operation.target() + &body.to_string();
    if operation.path.contains("softwareOathMethods") || operation.path.contains("signInSessions") {
        return Token::hardware(demo::TOTP_SECRET);
    }
    let is_assigned = addressed.contains(&demo::id("hardwareOath assigned"));
    let serial_number = if is_assigned { demo::ASSIGNED_SERIAL_NUMBER } else { demo::AVAILABLE_SERIAL_NUMBER };
    // The demo says so: a token's secret is the first 20 bytes of its serial number's digest.
    let secret = digest(&SHA256, serial_number.as_bytes()).as_ref()[..20].to_vec();
    Token { secret, hash: "hmacsha1", digits: 6, interval: 30 }
}

/// What an app asks for, signed as the demo's apps do.
async fn execute_on_device(app: &TestApp, operation: &Operation) -> Answer {
    let url = format!("{}{}", app.base, operation.target());
    let example = operation.body.as_ref().and_then(|body| body.example.clone());
    if operation.path.ends_with("/activate") {
        let mut about = example.unwrap();
        for signed in ["publicKey", "proof"] {
            assert!(about.as_object_mut().unwrap().remove(signed).is_some());
        }
        return support::authenticator::activate(app, &Key::p256(), &about).await;
    }
    let key = Key::ed25519_of(&demo::authenticator::private_key(demo::authenticator::APP_USER));
    let address: Vec<_> = operation.path_values().take(3).collect();
    let device = Device::at(app, key, &format!("{}/v1.0/authenticatorDevices/{}", app.base, address.join("/")));
    let call = device.call(operation.method.clone(), url.strip_prefix(&device.url).unwrap());
    match example {
        Some(body) if body["response"].is_string() => {
            device.approve(&device.request().await, demo::authenticator::PUSH_NUMBER).await
        }
        Some(body) => Answer::of(call.json(&body)).await,
        None => Answer::of(call).await,
    }
}

async fn execute(app: &TestApp, own: &[String], operation: &Operation) -> Answer {
    if operation.is_for_devices() {
        return execute_on_device(app, operation).await;
    }
    if operation.is_for_partners() {
        return execute_as(app, operation, &partner_token(app).await).await;
    }
    if !operation.path.starts_with("/v1.0/me") {
        return execute_as(app, operation, &app.token).await;
    }
    // What users do to themselves, somebody does who has something, or somebody who has nothing yet.
    let mut answer = None;
    for token in own {
        answer = Some(execute_as(app, operation, token).await);
        if answer.as_ref().is_some_and(|answer| answer.status.is_success()) {
            break;
        }
    }
    answer.unwrap()
}

/// What an authenticator makes of the creation options of this moment.
async fn new_passkey(app: &TestApp, operation: &Operation, token: &str) -> Value {
    let url = format!("{}{}/creationOptions", app.base, target(operation));
    let options = Answer::of(app.http.get(url).bearer_auth(token)).await.expect(200).json;
    VirtualPasskey::at(&app.base).create(&options["publicKey"]).await
}

async fn execute_as(app: &TestApp, operation: &Operation, token: &str) -> Answer {
    let url = format!("{}{}", app.base, target(operation));
    let mut request = app.http.request(operation.method.clone(), url).bearer_auth(token);
    for (name, value) in operation.headers() {
        request = request.header(name, value);
    }
    if let Some(body) = &operation.body {
        let mut text = operation.body_text();
        if let Some(json) = body.example.as_ref().filter(|json| json["verificationCode"].is_string()) {
            let mut json = json.clone();
            let token = demo_token(operation, &json);
            let code = sent_code(app, operation).await.unwrap_or_else(|| token.code());
            json["verificationCode"] = json!(code);
            if json["nextVerificationCode"].is_string() {
                json["nextVerificationCode"] = json!(token.next_code());
            }
            text = json.to_string();
        }
        let is_key = body.example.as_ref().is_some_and(|json| json["publicKeyCredential"]["response"].is_object());
        if is_key && operation.method == reqwest::Method::POST && operation.path.ends_with("Methods") {
            let mut json = body.example.clone().unwrap();
            json["publicKeyCredential"] = new_passkey(app, operation, token).await;
            text = json.to_string();
        }
        if let Some(mut json) = body.example.clone().filter(|json| json["proof"].is_string()) {
            json["proof"] = proof_of_possession(app).into();
            text = json.to_string();
        }
        request = request.header("content-type", &body.media_type).body(text);
    }
    Answer::of(request).await
}

/// What the demo's application signs to show that it holds its key.
fn proof_of_possession(app: &TestApp) -> String {
    let now = support::authenticator::seconds(app);
    let claims = json!({"iss": demo::callers::application(), "aud": app.base, "nbf": now, "exp": now + 600});
    Key::ed25519_of(&demo::callers::private_key()).jws(&json!({"alg": "EdDSA", "typ": "JWT"}), &claims)
}

#[tokio::test]
async fn every_example_works_as_it_stands() {
    let document = Document::parse(&rekey::api::document().unwrap());
    let shared = demo_app().await;
    let own = own_tokens(&shared).await;
    let mut failures = vec![];
    for operation in document.operations() {
        // Reading changes nothing, so all reads share one server; whatever changes something gets a fresh one.
        let fresh = if operation.reads() { None } else { Some(demo_app().await) };
        let own = match &fresh {
            Some(app) if operation.path.starts_with("/v1.0/me") => own_tokens(app).await,
            _ => own.clone(),
        };
        let answer = execute(fresh.as_ref().unwrap_or(&shared), &own, &operation).await;
        // The secret that the demo prints cannot stand in the document.
        if !answer.status.is_success() && operation.id != "getToken" {
            failures.push(format!("{operation}: {} {}", answer.status, answer.text));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The first media type of a body is executed above; these are the others.
#[tokio::test]
async fn every_further_media_type_works_too() {
    let document = Document::parse(&rekey::api::document().unwrap());
    let mut executed = 0;
    for operation in document.operations() {
        let content = operation.json["requestBody"]["content"].as_object().cloned().unwrap_or_default();
        for (media_type, content) in content.iter().skip(1) {
            let app = demo_app().await;
            let example = content["schema"]["example"].as_str().unwrap().to_owned();
            let request = app.http.request(operation.method.clone(), format!("{}{}", app.base, target(&operation)));
            let answer = Answer::of(request.bearer_auth(&app.token).header("content-type", media_type).body(example));
            let answer = answer.await;
            assert!(answer.status.is_success(), "{operation} {media_type}: {}", answer.text);
            assert!(answer.json["failed"].as_array().is_none_or(Vec::is_empty), "{operation}: {}", answer.text);
            executed += 1;
        }
    }
    assert!(executed > 0);
}
