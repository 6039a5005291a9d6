//! The demand to register: what answers it, and what does not.

use rekey::clock::Clock;
use reqwest::Method;
use serde_json::json;

use crate::{
    oath_fixtures::add_member,
    sign_in_fixtures::{
        OWN, PASSWORD, USER, add_registered, add_user, as_user, assert, begin, begin_with, issue_pass, pass, read_own,
        register, require, requirements, reset, set_password, sign_in, switch_security_defaults_off,
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
