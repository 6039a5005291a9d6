//! Signing in with a temporary access pass, and how long what it opens is good.

use rekey::clock::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::{
    sign_in_fixtures::{
        PASSWORD, USER, add_registered, assert, begin, begin_with, claims, issue_pass, pass, path, read_own, register,
        reset, set_password, verify,
    },
    support::{TestApp, on_each_backend},
};

fn passes(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication/temporaryAccessPassMethods")
}

fn end_of(view: &Value) -> Timestamp {
    Timestamp::parse_iso(view["expirationDateTime"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_pass_is_both_factors() {
    on_each_backend(async |app| {
        add_registered(&app, USER).await;
        let code = issue_pass(&app, USER, true).await;
        let almost = format!("{}{}", if code.starts_with('A') { 'B' } else { 'A' }, &code[1..]);
        assert_eq!(begin_with(&app, USER, pass("wrong")).await.expect(201).json["status"], "refused");
        assert_eq!(begin_with(&app, USER, pass(&almost)).await.expect(201).json["status"], "refused");
        let done = begin_with(&app, USER, pass(&code)).await.expect(201).json;
        assert_eq!(done["status"], "completed", "{done}");
        assert_eq!(begin_with(&app, USER, pass(&code)).await.expect(201).json["status"], "refused", "it has one use");
        let code = issue_pass(&app, USER, false).await;
        for _ in 0..2 {
            assert_eq!(begin_with(&app, USER, pass(&code)).await.expect(201).json["status"], "completed");
        }
        // As a second factor as well.
        let session = assert(&app, USER).await;
        let id = session["methods"][0]["id"].as_str().unwrap();
        verify(&app, &session, id, "wrong").await.expect_error(400, "badRequest");
        assert_eq!(verify(&app, &session, id, &code).await.expect(200).json["status"], "completed");

        // Guessing passes locks passes, and neither the password nor the tokens.
        set_password(&app, USER, false).await;
        for _ in 0..5 {
            begin_with(&app, USER, pass("wrong")).await.expect(201);
        }
        begin_with(&app, USER, pass(&code)).await.expect_error(429, "TooManyRequests");
        assert_eq!(begin(&app, USER, PASSWORD).await.expect(201).json["status"], "mfaRequired");
    })
    .await;
}

#[tokio::test]
async fn a_pass_opens_the_registration_that_a_reset_demands() {
    on_each_backend(async |app| {
        add_registered(&app, USER).await;
        let report = reset(&app, USER, json!({"issueTemporaryAccessPass": {"isUsableOnce": true}})).await;
        let code = report["temporaryAccessPass"]["temporaryAccessPass"].as_str().unwrap();
        let session = begin_with(&app, USER, pass(code)).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired", "{session}");
        assert_eq!(session.get("outcomeToken"), None);
        assert_eq!(session["methods"], json!([]), "both factors are proven");
        let (id, token) = register(&app, session["registrationToken"].as_str().unwrap()).await;
        let session = app.get(&path(&session)).await.expect(200).json;
        assert_eq!((&session["status"], &session["methods"][0]["id"]), (&json!("mfaRequired"), &json!(id)));
        assert_eq!(verify(&app, &session, &id, &token.next_code()).await.expect(200).json["status"], "completed");
        assert_eq!(begin_with(&app, USER, pass(code)).await.expect(201).json["status"], "refused");
    })
    .await;
}

/// Microsoft: tokens obtained with a pass expire with it, and one for one use registers for ten minutes.
#[tokio::test]
async fn what_a_pass_opens_ends_with_it() {
    on_each_backend(async |app| {
        add_registered(&app, USER).await;
        shorten_passes(&app).await;
        let began = Clock::System.now().plus_minutes(-1);
        let request = json!({"startDateTime": began.to_iso(), "lifetimeInMinutes": 10});
        let end = began.plus_minutes(10).seconds();
        let code = async || {
            let made = app.post(&passes(USER), request.clone()).await.expect(201).json;
            made["temporaryAccessPass"].as_str().unwrap().to_owned()
        };
        let done = begin_with(&app, USER, pass(&code().await)).await.expect(201).json;
        assert_eq!((end_of(&done).seconds(), &claims(&done["outcomeToken"])["exp"]), (end, &json!(end)));

        reset(&app, USER, json!({})).await;
        let waiting = begin_with(&app, USER, pass(&code().await)).await.expect(201).json;
        assert_eq!((end_of(&waiting).seconds(), &claims(&waiting["registrationToken"])["exp"]), (end, &json!(end)));

        // As the second proof of a session it ends that too.
        let (id, token) = register(&app, waiting["registrationToken"].as_str().unwrap()).await;
        let session = assert(&app, USER).await;
        assert!(end_of(&session).seconds() > end);
        let code = code().await;
        let given = app.get(&passes(USER)).await.expect(200).json["value"][0]["id"].clone();
        let done = verify(&app, &session, given.as_str().unwrap(), &code).await.expect(200).json;
        assert_eq!((&done["status"], end_of(&done).seconds()), (&json!("completed"), end));
        // Without the pass a sign-in is as long as ever.
        let session = assert(&app, USER).await;
        let done = verify(&app, &session, &id, &token.next_code()).await.expect(200).json;
        let outcome = claims(&done["outcomeToken"]);
        assert_eq!(outcome["exp"].as_i64().unwrap() - outcome["iat"].as_i64().unwrap(), 15 * 60);

        // For one use: ten minutes, however long the pass.
        reset(&app, USER, json!({})).await;
        let code = issue_pass(&app, USER, true).await;
        let before = Clock::System.now();
        let waiting = begin_with(&app, USER, pass(&code)).await.expect(201).json;
        let after = Clock::System.now();
        assert_eq!(waiting["status"], "registrationRequired");
        let ten_minutes = before.plus_minutes(10)..=after.plus_minutes(10);
        assert!(ten_minutes.contains(&end_of(&waiting)), "{waiting}");
    })
    .await;
}

/// A help desk that handed a pass to the wrong person takes it back.
#[tokio::test]
async fn what_a_deleted_pass_has_opened_is_over() {
    on_each_backend(async |app| {
        add_registered(&app, USER).await;
        let delete = async || {
            let id = app.get(&passes(USER)).await.expect(200).json["value"][0]["id"].clone();
            app.delete(&format!("{}/{}", passes(USER), id.as_str().unwrap())).await.expect(204);
        };
        let code = issue_pass(&app, USER, false).await;
        let other = assert(&app, USER).await;
        let done = begin_with(&app, USER, pass(&code)).await.expect(201).json;
        read_own(&app, done["outcomeToken"].as_str().unwrap()).await.expect(200);
        delete().await;
        read_own(&app, done["outcomeToken"].as_str().unwrap()).await.expect_error(401, "InvalidAuthenticationToken");
        assert_eq!(app.get(&path(&done)).await.expect(200).json["status"], "refused");
        assert_eq!(
            app.get(&path(&other)).await.expect(200).json["status"],
            "mfaRequired",
            "the pass has not opened it"
        );

        reset(&app, USER, json!({})).await;
        let code = issue_pass(&app, USER, false).await;
        let waiting = begin_with(&app, USER, pass(&code)).await.expect(201).json;
        let registration = waiting["registrationToken"].as_str().unwrap();
        read_own(&app, registration).await.expect(200);
        delete().await;
        read_own(&app, registration).await.expect_error(401, "InvalidAuthenticationToken");
        assert_eq!(app.get(&path(&waiting)).await.expect(200).json["status"], "refused");
    })
    .await;
}

/// Nobody spoils a pass before it is handed out by guessing at none.
#[tokio::test]
async fn a_new_pass_is_good_whatever_was_guessed_before() {
    on_each_backend(async |app| {
        add_registered(&app, USER).await;
        for _ in 0..5 {
            assert_eq!(begin_with(&app, USER, pass("wrong")).await.expect(201).json["status"], "refused");
        }
        begin_with(&app, USER, pass("wrong")).await.expect_error(429, "TooManyRequests");
        let code = issue_pass(&app, USER, false).await;
        assert_eq!(begin_with(&app, USER, pass(&code)).await.expect(201).json["status"], "completed");
    })
    .await;
}

/// Passes of ten minutes.
async fn shorten_passes(app: &TestApp) {
    let configurations = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations";
    let change = json!({"minimumLifetimeInMinutes": 10});
    app.patch(&format!("{configurations}/TemporaryAccessPass"), change).await.expect(204);
}
