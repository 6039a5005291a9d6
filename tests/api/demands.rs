//! The demand to register: what answers it, and what does not.

use rekey::clock::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::add_member,
    sign_in_fixtures::{
        OWN, PASSWORD, USER, add_registered, add_user, as_user, assert, begin, begin_with, issue_pass, pass, path,
        read_own, register, require, requirements, reset, set_password, sign_in, switch_security_defaults_off, verify,
    },
    support::on_each_backend,
};

const MOBILE: &str = "3179e48a-750b-4051-897c-87b9720928f7";

/// Where a tenant asks for a pass, an opt-out lets users sign in with the password, and register nothing by it.
#[tokio::test]
async fn a_password_alone_registers_nothing_where_a_pass_is_asked_for() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let policy = "/v1.0/policies/authenticationMethodsPolicy";
        app.patch(policy, json!({"registrationProof": "temporaryAccessPass"})).await.expect(200);
        let until = Clock::System.now().plus_minutes(60).to_iso();
        let opt_out = json!({"mfaOptOut": {"isOptedOut": true, "reason": "New phone", "expirationDateTime": until}});
        require(&app, USER, opt_out).await;
        let tokens = format!("{OWN}/softwareOathMethods");
        for is_demanded in [false, true] {
            if is_demanded {
                reset(&app, USER, json!({})).await;
            }
            let done = begin(&app, USER, PASSWORD).await.expect(201).json;
            assert_eq!(done["status"], "completed", "{done}");
            let outcome = done["outcomeToken"].as_str().unwrap();
            let denied = as_user(&app, outcome, Method::POST, &tokens, json!({})).await;
            let denied = denied.expect_error(403, "accessDenied");
            assert!(denied.text.contains("temporary access pass"), "{}", denied.text);
            assert_eq!(requirements(&app, USER).await["registrationRequired"], is_demanded);
        }
        let code = issue_pass(&app, USER, false).await;
        let done = begin_with(&app, USER, pass(&code)).await.expect(201).json;
        register(&app, done["outcomeToken"].as_str().unwrap()).await;
        assert_eq!(requirements(&app, USER).await["registrationRequired"], false);
    })
    .await;
}

/// What a reset voids stays void when the user has registered again.
#[tokio::test]
async fn an_old_outcome_does_not_come_back_to_life() {
    on_each_backend(async |app| {
        let registered = add_registered(&app, USER).await;
        let old = sign_in(&app, USER, &registered).await;
        let outcome = old["outcomeToken"].as_str().unwrap();
        read_own(&app, outcome).await.expect(200);
        reset(&app, USER, json!({"revokeSignInSessions": false})).await;
        read_own(&app, outcome).await.expect_error(401, "InvalidAuthenticationToken");
        let session = assert(&app, USER).await;
        let registered = register(&app, session["registrationToken"].as_str().unwrap()).await;
        read_own(&app, outcome).await.expect_error(401, "InvalidAuthenticationToken");
        let new = sign_in(&app, USER, &registered).await;
        read_own(&app, new["outcomeToken"].as_str().unwrap()).await.expect(200);
    })
    .await;
}

/// The usual way of a help desk: it adds the new phone itself, and the user shows that it is his.
#[tokio::test]
async fn a_phone_that_the_help_desk_added_since_answers_it_by_its_code() {
    on_each_backend(async |app| {
        switch_security_defaults_off(&app).await;
        add_member(&app, USER).await;
        set_password(&app, USER, false).await;
        let phones = format!("/v1.0/users/{USER}/authentication/phoneMethods");
        let phone = json!({"phoneNumber": "+1 2065550100", "phoneType": "mobile"});
        let own = format!("{OWN}/phoneMethods/{MOBILE}");
        let show = async |token: &str| {
            as_user(&app, token, Method::POST, &format!("{own}/sendVerification"), json!({})).await.expect(202);
            let code = json!({"verificationCode": app.last_sent().await.code()});
            as_user(&app, token, Method::POST, &format!("{own}/verify"), code).await.expect(204);
        };
        let registration = async || {
            let session = begin(&app, USER, PASSWORD).await.expect(201).json;
            assert_eq!(session["status"], "registrationRequired", "{session}");
            session["registrationToken"].as_str().unwrap().to_owned()
        };

        reset(&app, USER, json!({})).await;
        app.post(&phones, phone).await.expect(201);
        assert_eq!(requirements(&app, USER).await["registrationRequired"], true, "an administrator answers nothing");
        let token = registration().await;
        show(&token).await;
        assert_eq!(requirements(&app, USER).await["registrationRequired"], false);
        assert_eq!(begin(&app, USER, PASSWORD).await.expect(201).json["status"], "completed");
        read_own(&app, &token).await.expect_error(401, "InvalidAuthenticationToken");
    })
    .await;
}

/// A registration token is good for what is due now, not for what was due when it was handed out.
#[tokio::test]
async fn a_registration_that_is_due_no_more_registers_nothing() {
    on_each_backend(async |app| {
        let (id, token) = add_registered(&app, USER).await;
        set_password(&app, USER, false).await;
        let kind = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/SoftwareOath";
        let switch = async |state: &str| app.patch(kind, json!({"state": state})).await.expect(204);
        switch("disabled").await;
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired", "{session}");
        let registration = session["registrationToken"].as_str().unwrap().to_owned();
        read_own(&app, &registration).await.expect(200);
        switch("enabled").await;

        read_own(&app, &registration).await.expect_error(401, "InvalidAuthenticationToken");
        let own = format!("{OWN}/softwareOathMethods");
        let refused = as_user(&app, &registration, Method::POST, &own, json!({})).await;
        refused.expect_error(401, "InvalidAuthenticationToken");
        let seen = app.get(&path(&session)).await.expect(200).json;
        assert_eq!((&seen["status"], &seen["registrationToken"]), (&json!("mfaRequired"), &Value::Null), "{seen}");
        // What is asked for is the token that the user has again.
        let wrong = verify(&app, &session, &id, &token.wrong_code()).await;
        wrong.expect_error(400, "badRequest");
        assert_eq!(app.get(&path(&session)).await.expect(200).json["outcomeToken"], Value::Null);
        let done = sign_in(&app, USER, &(id, token)).await;
        read_own(&app, done["outcomeToken"].as_str().unwrap()).await.expect(200);
    })
    .await;
}

/// A policy that asks for more asks those as well who have their token already.
#[tokio::test]
async fn a_stricter_proof_voids_registration_tokens() {
    on_each_backend(async |app| {
        add_user(&app).await;
        reset(&app, USER, json!({})).await;
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        let token = session["registrationToken"].as_str().unwrap();
        read_own(&app, token).await.expect(200);
        let policy = "/v1.0/policies/authenticationMethodsPolicy";
        app.patch(policy, json!({"registrationProof": "temporaryAccessPass"})).await.expect(200);
        read_own(&app, token).await.expect_error(401, "InvalidAuthenticationToken");
        let code = issue_pass(&app, USER, false).await;
        let session = begin_with(&app, USER, pass(&code)).await.expect(201).json;
        register(&app, session["registrationToken"].as_str().unwrap()).await;
    })
    .await;
}

/// Whom an opt-out excused is not excused when it ends, whatever session he has.
#[tokio::test]
async fn an_outcome_ends_with_the_opt_out_that_it_stands_on() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let until = Clock::System.now().plus_minutes(60).to_iso();
        let opt_out = json!({"mfaOptOut": {"isOptedOut": true, "reason": "New phone", "expirationDateTime": until}});
        require(&app, USER, opt_out).await;
        reset(&app, USER, json!({})).await;
        let done = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(done["status"], "completed", "{done}");
        let outcome = done["outcomeToken"].as_str().unwrap();
        read_own(&app, outcome).await.expect(200);
        require(&app, USER, json!({"mfaOptOut": {"isOptedOut": false}})).await;
        read_own(&app, outcome).await.expect_error(401, "InvalidAuthenticationToken");
        let seen = app.get(&path(&done)).await.expect(200).json;
        assert_eq!((&seen["status"], &seen["outcomeToken"]), (&json!("refused"), &Value::Null), "{seen}");
    })
    .await;
}

/// Nothing outlives the factor that it was proven by.
#[tokio::test]
async fn a_sign_in_ends_with_the_method_that_proved_it() {
    on_each_backend(async |app| {
        let registered = add_registered(&app, USER).await;
        let theirs = sign_in(&app, USER, &registered).await;
        read_own(&app, theirs["outcomeToken"].as_str().unwrap()).await.expect(200);
        app.delete(&format!("/v1.0/users/{USER}/authentication/softwareOathMethods/{}", registered.0))
            .await
            .expect(204);
        let ended = read_own(&app, theirs["outcomeToken"].as_str().unwrap()).await;
        ended.expect_error(401, "InvalidAuthenticationToken");
        assert_eq!(app.get(&path(&theirs)).await.expect(200).json["status"], "refused");
    })
    .await;
}

/// Who shows a code again that was right has guessed at nothing.
#[tokio::test]
async fn a_code_that_is_used_up_is_no_guess() {
    on_each_backend(async |app| {
        let (id, token) = add_registered(&app, USER).await;
        let code = token.next_code();
        let first = assert(&app, USER).await;
        verify(&app, &first, &id, &code).await.expect(200);
        let session = assert(&app, USER).await;
        for _ in 0..8 {
            verify(&app, &session, &id, &code).await.expect_error(400, "badRequest");
        }
        assert_eq!(requirements(&app, USER).await["lockouts"], json!([]));
    })
    .await;
}
