//! The tokens that sign-in sessions give away: what they say, and all that they cannot do.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rekey::{access::known_permissions, clock::Clock, demo};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    sign_in_fixtures::{
        PASSWORD, USER, add_registered, add_user, as_user, assert, begin, path, read_own, reset, sign_in,
        switch_security_defaults_off, verify,
    },
    support::{
        Answer, Backend, TestApp,
        document::{Document, Operation},
        on_each_backend,
    },
    totp::Token,
};

/// The claims of a token, checked as somebody would who has nothing but the issuer's published keys: RFC 7515 section
/// 5.2 by hand, with RFC 7518's ES256.
async fn checked(app: &TestApp, token: &str) -> Value {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{token}") };
    let json = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    let (header, read) = (json(header), json(claims));
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("JWT")));

    let get = async |url: &str| Answer::of(app.http.get(url)).await.expect(200).json;
    let discovery = get(&format!("{}/{}/v2.0/.well-known/openid-configuration", app.base, app.tenant)).await;
    assert_eq!(read["iss"], discovery["issuer"]);
    let keys = get(discovery["jwks_uri"].as_str().unwrap()).await;
    let key =
        keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).expect("the key is there");
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    // SEC 1 section 2.3.3: an uncompressed point.
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let (message, _) = token.rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    key.verify(message.as_bytes(), &signature).expect("the signature is right");
    signature[5] ^= 1;
    key.verify(message.as_bytes(), &signature).expect_err("the check can fail");
    read
}

#[tokio::test]
async fn the_outcome_says_how_the_user_signed_in() {
    on_each_backend(async |app| {
        let registered = add_registered(&app, USER).await;
        let user = app.get(&format!("/v1.0/users/{USER}")).await.expect(200).json;
        let done = sign_in(&app, USER, &registered).await;
        let token = done["outcomeToken"].as_str().unwrap();
        let claims = checked(&app, token).await;
        for (name, value) in [
            ("aud", json!(app.base)),
            ("tid", json!(app.tenant)),
            ("sub", user["id"].clone()),
            ("oid", user["id"].clone()),
            ("preferred_username", json!(USER)),
            ("sid", done["id"].clone()),
            ("amr", json!(["mfa", "otp"])),
            ("acr", json!("aal2")),
        ] {
            assert_eq!(claims[name], value, "{name}");
        }
        let (now, time) = (Clock::System.now().seconds(), |name: &str| claims[name].as_i64().unwrap());
        assert!((time("exp") - time("iat")) <= 3600 && time("exp") > now, "{claims}");
        assert!(time("nbf") <= now && (now - time("auth_time")).abs() < 60, "{claims}");
        assert!(claims.get("roles").is_none() && claims.get("wids").is_none(), "{claims}");

        // Asking again gives the same outcome, however often; another sign-in gives another.
        let again = app.get(&path(&done)).await.expect(200).json;
        let again = checked(&app, again["outcomeToken"].as_str().unwrap()).await;
        assert_eq!(again, claims);
    })
    .await;
}

#[tokio::test]
async fn a_password_alone_is_said_to_be_just_that() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let waiting = begin(&app, USER, PASSWORD).await.expect(201).json;
        let registration = checked(&app, waiting["registrationToken"].as_str().unwrap()).await;
        assert_eq!((registration.get("amr"), registration.get("acr")), (None, None));
        switch_security_defaults_off(&app).await;
        let done = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(done["status"], "completed", "{done}");
        let claims = checked(&app, done["outcomeToken"].as_str().unwrap()).await;
        assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["pwd"]), &json!("aal1")));
    })
    .await;
}

#[tokio::test]
async fn a_reset_voids_the_outcome_also_when_it_leaves_other_sessions_alone() {
    on_each_backend(async |app| {
        let registered = add_registered(&app, USER).await;
        let done = sign_in(&app, USER, &registered).await;
        let outcome = done["outcomeToken"].as_str().unwrap();
        reset(&app, USER, json!({"revokeSignInSessions": false})).await;
        read_own(&app, outcome).await.expect_error(401, "InvalidAuthenticationToken");
        assert_eq!(app.get(&path(&done)).await.expect(200).json["status"], "refused");
        assert_eq!(assert(&app, USER).await["status"], "registrationRequired");
    })
    .await;
}

/// The demo tenant, with a token of every permission.
async fn demo_app() -> TestApp {
    let mut app = TestApp::empty(Backend::Sqlite).await;
    app.tenant = demo::seed(&app.app).await.unwrap().tenant_id;
    app.token = app.token_with(&app.tenant, &known_permissions()).await;
    app
}

/// Does every operation of the document with this token; the statuses, by operation. Reads come first and
/// registrations last, as a registration that is done ends its token.
async fn walk(app: &TestApp, token: &str) -> BTreeMap<String, (Operation, u16)> {
    let mut operations = Document::parse(&rekey::api::document().unwrap()).operations();
    operations.retain(|operation| !operation.is_public());
    operations.sort_by_key(|operation| (!operation.reads(), registers_or_reads(operation)));
    let mut found = BTreeMap::new();
    for operation in operations {
        let answer = Answer::of(operation.request(&app.http, &app.base).bearer_auth(token)).await;
        assert!(answer.status.as_u16() < 500, "{operation}: {}", answer.text);
        found.insert(operation.to_string(), (operation, answer.status.as_u16()));
    }
    found
}

/// Whether this is about the caller's own methods and adds one or reads.
fn registers_or_reads(operation: &Operation) -> bool {
    let Some(own) = operation.path.strip_prefix("/v1.0/me/authentication/") else { return false };
    let removes = operation.path.ends_with("/deactivate") || operation.path.ends_with("/resetPassword");
    own.split('/').next().is_some_and(|kind| kind.to_lowercase().ends_with("methods"))
        && (operation.reads() || (operation.method == Method::POST && !removes))
}

const REFUSED: [u16; 3] = [401, 403, 404];
/// Anybody may send one: each of its items is refused by itself.
const BATCH: &str = "batch";

#[tokio::test]
async fn a_registration_token_registers_and_does_nothing_else() {
    let app = demo_app().await;
    // Nobody whom an example names, so every other operation is about others.
    let user = "pradeep.gupta@contoso.example";
    reset(&app, user, json!({})).await;
    let session = begin(&app, user, demo::PASSWORD).await.expect(201).json;
    assert_eq!(session["status"], "registrationRequired", "{session}");
    let token = session["registrationToken"].as_str().unwrap();
    let found = walk(&app, token).await;
    let wrong: Vec<_> = found
        .values()
        .filter(|(operation, _)| operation.id != BATCH)
        .filter(|(operation, status)| !registers_or_reads(operation) && !REFUSED.contains(status))
        .map(|(operation, status)| format!("{operation}: {status}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // It does what it is for.
    let of = |id: &str| found.values().find(|(operation, _)| operation.id == id).map(|(_, status)| *status);
    assert_eq!([of("myListMethods"), of("myCreateSoftwareOathMethod")], [Some(200), Some(201)]);
    assert!(found.len() > 60, "{}", found.len());
    // Under his own address too, and only there.
    for (who, expected) in [(user, 200), (demo::EXAMPLE_USER, 403)] {
        let path = format!("/v1.0/users/{who}/authentication/methods");
        as_user(&app, token, Method::GET, &path, json!({})).await.expect(expected);
    }
}

#[tokio::test]
async fn an_outcome_cannot_act_on_others() {
    let app = demo_app().await;
    let user = "henrietta.mueller@contoso.example";
    let session = begin(&app, user, demo::PASSWORD).await.expect(201).json;
    let methods = session["methods"].as_array().unwrap();
    let oath = methods.iter().find(|method| method["@odata.type"].as_str().unwrap().contains("softwareOath")).unwrap();
    let code = Token::hardware(demo::TOTP_SECRET).code();
    let done = verify(&app, &session, oath["id"].as_str().unwrap(), &code).await.expect(200).json;
    let found = walk(&app, done["outcomeToken"].as_str().unwrap()).await;
    let wrong: Vec<_> = found
        .values()
        .filter(|(operation, _)| !operation.is_about_the_caller() && operation.id != "listOrganization")
        .filter(|(operation, _)| operation.id != BATCH)
        .filter(|(_, status)| !REFUSED.contains(status))
        .map(|(operation, status)| format!("{operation}: {status}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let of = |id: &str| found.values().find(|(operation, _)| operation.id == id).map(|(_, status)| *status);
    assert_eq!([of("myGetUser"), of("myGetSignInPreferences")], [Some(200), Some(200)]);
}
