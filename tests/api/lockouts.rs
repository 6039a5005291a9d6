//! The limits on guessing: what they stop, what they leave alone, and who lifts them.

use rekey::{
    clock::{Clock, Entropy},
    id::UserId,
    roles::Role,
    seal::Sealer,
    store::{
        Context, Store,
        guesses::{self, GuessKind},
    },
    throttle::HARD_STOP,
    worker,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::last_event,
    sign_in_fixtures::{PASSWORD, USER, add_user, as_user, begin, register, verify},
    support::{TestApp, on_each_backend, seed},
};

fn unlock_path(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication/unlock")
}

/// Puts failures into the store, so that nobody has to wait for them.
async fn fail(app: &TestApp, user: &UserId, kind: GuessKind, times: i32) {
    let (tenant, user) = (app.tenant.clone(), user.clone());
    let write = app.app.store.write(&app.tenant, move |tx| {
        for _ in 0..times {
            guesses::add(tx, &tenant, user.as_str(), kind)?;
        }
        Ok(())
    });
    write.await.unwrap();
}

async fn lockouts(app: &TestApp) -> Value {
    let path = format!("/v1.0/users/{USER}/authentication/requirements");
    app.get(&path).await.expect(200).json["lockouts"].clone()
}

async fn user_id(app: &TestApp) -> UserId {
    UserId::new(app.get(&format!("/v1.0/users/{USER}")).await.expect(200).json["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_locked_user_is_unlocked() {
    on_each_backend(async |app| {
        add_user(&app).await;
        assert_eq!(lockouts(&app).await, json!([]));
        for _ in 0..5 {
            assert_eq!(begin(&app, USER, "wrong password").await.expect(201).json["status"], "refused");
        }
        begin(&app, USER, PASSWORD).await.expect_error(429, "TooManyRequests");
        let shown = lockouts(&app).await;
        assert_eq!((&shown[0]["kind"], &shown[0]["failures"]), (&json!("password"), &json!(5)), "{shown}");
        assert_eq!(shown[0]["isLockedOut"], false);
        assert!(shown[0]["retryAfterDateTime"].is_string());
        assert_eq!(shown.as_array().unwrap().len(), 1);

        app.post(&unlock_path(USER), json!({})).await.expect(204);
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "Admin unlocked user");
        assert_eq!(seed::modified(&event), [("Failures password".into(), json!(5), json!(0))]);
        assert_eq!(lockouts(&app).await, json!([]));
        assert_eq!(begin(&app, USER, PASSWORD).await.expect(201).json["status"], "registrationRequired");
        app.post(&unlock_path(USER), json!({})).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn a_hundred_failures_stop_until_somebody_helps() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let user = user_id(&app).await;
        fail(&app, &user, GuessKind::Password, HARD_STOP).await;
        let answer = begin(&app, USER, PASSWORD).await.expect_error(429, "TooManyRequests");
        assert_eq!(answer.headers.get("retry-after"), None, "there is nothing to wait for");
        let shown = lockouts(&app).await;
        let expected = json!([{"kind": "password", "failures": 100, "retryAfterDateTime": null, "isLockedOut": true}]);
        assert_eq!(shown, expected);
        // A reset of the methods is no help to whoever guessed the password; a new password is.
        app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({})).await.expect(200);
        begin(&app, USER, PASSWORD).await.expect_error(429, "TooManyRequests");
        let reset = format!("/v1.0/users/{USER}/authentication/methods/{}/resetPassword", rekey::methods::password::ID);
        app.post(&reset, json!({"newPassword": "amber lantern 58 river"})).await.expect(202);
        assert_eq!(lockouts(&app).await, json!([]));
        let session = begin(&app, USER, "amber lantern 58 river").await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired");
    })
    .await;
}

/// Nobody locks another's password by guessing his codes, or the other way round.
#[tokio::test]
async fn each_kind_of_guess_counts_for_itself() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let user = user_id(&app).await;
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        let (id, device) = register(&app, session["registrationToken"].as_str().unwrap()).await;
        let waiting = begin(&app, USER, PASSWORD).await.expect(201).json;

        fail(&app, &user, GuessKind::Otp, HARD_STOP).await;
        verify(&app, &waiting, &id, &device.next_code()).await.expect_error(429, "TooManyRequests");
        // The password is as good as before.
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "mfaRequired", "{session}");
        app.post(&unlock_path(USER), json!({})).await.expect(204);

        fail(&app, &user, GuessKind::Password, HARD_STOP).await;
        begin(&app, USER, PASSWORD).await.expect_error(429, "TooManyRequests");
        // The codes are as good as before, in a session that was open already.
        let done = verify(&app, &waiting, &id, &device.next_code()).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");
        // The success was the code's and forgives no password.
        begin(&app, USER, PASSWORD).await.expect_error(429, "TooManyRequests");
    })
    .await;
}

#[tokio::test]
async fn unlocking_takes_the_right() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        fail(&app, &user.user_id, GuessKind::Password, 7).await;
        let path = unlock_path(user.user_id.as_str());
        let reader = app.token_with(&app.tenant, &["UserAuthenticationMethod.Read.All"]).await;
        let (_, helpdesk) = seed::admin(&app, "helpdesk", Role::HelpdeskAdministrator).await;
        let own = app.user_token(&user.user_id).await;
        for token in [&reader, &helpdesk, &own] {
            as_user(&app, token, Method::POST, &path, json!({})).await.expect_error(403, "accessDenied");
            assert_eq!(last_event(&app).await.result, "failure");
        }
        let other = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&other, &rekey::access::known_permissions()).await;
        as_user(&app, &stranger, Method::POST, &path, json!({})).await.expect_error(404, "Request_ResourceNotFound");
        assert_eq!(lockouts_of(&app, &user.user_id).await, [7]);
        let (_, admin) = seed::admin(&app, "admin", Role::AuthenticationAdministrator).await;
        as_user(&app, &admin, Method::POST, &path, json!({})).await.expect(204);
        assert_eq!(lockouts_of(&app, &user.user_id).await, [0; 0]);
    })
    .await;
}

async fn lockouts_of(app: &TestApp, user: &UserId) -> Vec<i32> {
    let (tenant, user) = (app.tenant.clone(), user.clone());
    let found = app.app.store.read(move |tx| guesses::of_subject(tx, &tenant, user.as_str())).await.unwrap();
    found.into_iter().map(|one| one.failures).collect()
}

/// What is a month old is forgotten, but nobody who was stopped for good; what a day old operation did as well.
#[tokio::test]
async fn the_worker_forgets_what_is_long_ago() {
    on_each_backend(async |app| {
        let (slow, stopped) = (seed::user(&app, "slow").await, seed::user(&app, "stopped").await);
        fail(&app, &slow.user_id, GuessKind::Otp, 99).await;
        fail(&app, &stopped.user_id, GuessKind::Otp, HARD_STOP).await;
        let user = seed::user(&app, "adele").await;
        seed::every_kind(&app, &user).await;
        let reset = format!(
            "/v1.0/users/{}/authentication/methods/{}/resetPassword",
            user.user_id,
            rekey::methods::password::ID
        );
        let operation = app.post(&reset, json!({})).await.expect(202).headers["location"].to_str().unwrap().to_owned();
        let operation = operation.strip_prefix(&app.base).unwrap().to_owned();

        let later = async |hours: i64| {
            let clock = Clock::manual(Clock::System.now().plus_minutes(hours * 60));
            let context = Context::new(
                clock,
                Entropy::System,
                Sealer::generate(&Entropy::System).unwrap(),
                rekey::reports::classify,
            );
            let store = Store::open(&app.database, context).unwrap();
            worker::run_once(&store).await.unwrap()
        };
        later(24).await;
        app.get(&operation).await.expect(200);
        later(26).await;
        app.get(&operation).await.expect_error(404, "resourceNotFound");
        assert_eq!(lockouts_of(&app, &slow.user_id).await, [99]);
        later(29 * 24).await;
        assert_eq!(lockouts_of(&app, &slow.user_id).await, [99]);
        later(31 * 24).await;
        assert_eq!(lockouts_of(&app, &slow.user_id).await, [0; 0]);
        assert_eq!(lockouts_of(&app, &stopped.user_id).await, [HARD_STOP]);
    })
    .await;
}
