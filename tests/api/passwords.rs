//! Passwords: reset by an administrator, changed by the user, and never a weak one.

use rekey::{methods::password, roles::Role};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::{add_member, assert_unsaid, last_event},
    sign_in_fixtures::{PASSWORD, USER, add_user, as_user, begin, path, read_own, register, set_password, verify},
    support::{Answer, TestApp, on_each_backend, seed},
    totp::Token,
};

const NEW: &str = "amber lantern 58 river";
const NEWER: &str = "velvet compass 31 thunder";

fn reset_path(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication/methods/{}/resetPassword", password::ID)
}

async fn change_in(app: &TestApp, session: &Value, new: &str) -> Answer {
    app.post(&format!("{}/changePassword", path(session)), json!({"newPassword": new})).await
}

/// A user with a software token: its id, and the token, whose next code is fresh.
async fn registered(app: &TestApp) -> (String, Token) {
    add_user(app).await;
    let session = begin(app, USER, PASSWORD).await.expect(201).json;
    register(app, session["registrationToken"].as_str().unwrap()).await
}

/// A session that has come as far as the change of the password.
async fn waiting_for_change(app: &TestApp, id: &str, device: &Token, password: &str) -> Value {
    let session = begin(app, USER, password).await.expect(201).json;
    assert_eq!(session["status"], "mfaRequired", "{session}");
    change_in(app, &session, NEWER).await.expect_error(409, "conflict");
    let proven = verify(app, &session, id, &device.next_code()).await.expect(200).json;
    assert_eq!(proven["status"], "passwordChangeRequired", "{proven}");
    assert_eq!(proven.get("outcomeToken"), None);
    proven
}

#[tokio::test]
async fn a_reset_password_is_changed_at_the_next_sign_in() {
    on_each_backend(async |app| {
        let (id, device) = registered(&app).await;
        let open = begin(&app, USER, PASSWORD).await.expect(201).json;
        let answer = app.post(&reset_path(USER), json!({})).await.expect(202);
        let generated = answer.json["newPassword"].as_str().unwrap().to_owned();
        assert_eq!(generated.len(), 16);
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "Reset user password");
        assert_unsaid(&app, &generated).await;

        let location = answer.headers["location"].to_str().unwrap();
        let operation = app.get(location.strip_prefix(&app.base).unwrap()).await.expect(200);
        assert_eq!(
            (&operation.json["status"], &operation.json["statusDetail"]),
            (&json!("succeeded"), &json!("ResetSuccess"))
        );
        let resource = operation.json["resourceLocation"].as_str().unwrap();
        assert_eq!(app.get(resource.strip_prefix(&app.base).unwrap()).await.expect(200).json["id"], password::ID);
        assert!(!operation.text.contains(&generated));
        assert_eq!(operation.json["id"], location.rsplit('/').next().unwrap());

        // Sessions with the old password are over, and so is the old password.
        verify(&app, &open, &id, &device.next_code()).await.expect_error(409, "conflict");
        assert_eq!(begin(&app, USER, PASSWORD).await.expect(201).json["status"], "refused");

        let session = waiting_for_change(&app, &id, &device, &generated).await;
        verify(&app, &session, &id, "123456").await.expect_error(409, "conflict");
        for (wrong, target) in [
            ("short", "newPassword"),
            ("password2026", "newPassword"),
            ("Adele-Vance1", "newPassword"),
            (generated.as_str(), "newPassword"),
        ] {
            let refused = change_in(&app, &session, wrong).await.expect_error(400, "badRequest");
            assert_eq!(refused.json["error"]["target"], target, "{}", refused.text);
        }
        let done = change_in(&app, &session, NEW).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");
        let event = last_event(&app).await;
        assert_eq!((event.activity_display_name.as_str(), event.result.as_str()), ("Change user password", "success"));
        assert_eq!(event.initiator_principal_name.as_deref(), Some(USER));
        assert_unsaid(&app, NEW).await;
        read_own(&app, done["outcomeToken"].as_str().unwrap()).await.expect(200);
        change_in(&app, &session, NEWER).await.expect_error(409, "conflict");

        assert_eq!(begin(&app, USER, &generated).await.expect(201).json["status"], "refused");
        let session = begin(&app, USER, NEW).await.expect(201).json;
        assert_eq!(session["status"], "mfaRequired", "{session}");
    })
    .await;
}

#[tokio::test]
async fn a_chosen_password_is_not_said_again() {
    on_each_backend(async |app| {
        let (id, device) = registered(&app).await;
        let by_kind = reset_path(USER).replace("/methods/", "/passwordMethods/");
        let answer = app.post(&by_kind, json!({"newPassword": NEW})).await.expect(202);
        assert_eq!(answer.json, json!({}));
        assert!(answer.headers["location"].to_str().unwrap().starts_with(&app.base));
        assert_unsaid(&app, NEW).await;
        waiting_for_change(&app, &id, &device, NEW).await;
        // Without a body as without a password in it.
        let bare = Answer::of(app.request(Method::POST, &reset_path(USER))).await.expect(202);
        assert!(bare.json["newPassword"].is_string());
    })
    .await;
}

#[tokio::test]
async fn weak_passwords_are_refused_wherever_they_come_from() {
    on_each_backend(async |app| {
        let (id, device) = registered(&app).await;
        let user = |password: &str| {
            json!({"displayName": "Megan Bowen", "userPrincipalName": "megan.bowen@contoso.example", "mailNickname": "megan",
                   "accountEnabled": true, "passwordProfile": {"password": password}})
        };
        let long = "x".repeat(257);
        for weak in ["1234567", "12345678", "qwertyuiop", "Passw0rd!", "contoso2026", long.as_str()] {
            let patch = json!({"passwordProfile": {"password": weak}});
            app.patch(&format!("/v1.0/users/{USER}"), patch).await.expect_error(400, "Request_BadRequest");
            app.post("/v1.0/users", user(weak)).await.expect_error(400, "Request_BadRequest");
            let refused = app.post(&reset_path(USER), json!({"newPassword": weak})).await;
            assert_eq!(refused.expect_error(400, "badRequest").json["error"]["target"], "newPassword");
        }
        // The own name, of whoever it is.
        app.post("/v1.0/users", user("Megan.Bowen1")).await.expect_error(400, "Request_BadRequest");
        app.post("/v1.0/users", user("Adele.Vance1")).await.expect(201);
        let patch = json!({"passwordProfile": {"password": "Adele.Vance1"}});
        app.patch(&format!("/v1.0/users/{USER}"), patch).await.expect_error(400, "Request_BadRequest");
        app.post(&reset_path(USER), json!({"newPassword": "VanceAdele!"})).await.expect_error(400, "badRequest");
        for body in [json!({"newPassword": 12_345_678}), json!({"password": NEW}), json!([])] {
            app.post(&reset_path(USER), body).await.expect_error(400, "badRequest");
        }
        // Nothing of it changed anything.
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        let done = verify(&app, &session, &id, &device.next_code()).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");
    })
    .await;
}

#[tokio::test]
async fn who_may_reset_whose_password() {
    on_each_backend(async |app| {
        let with_password = async |name: &str, role: Option<Role>| {
            let user = seed::user(&app, name).await;
            if let Some(role) = role {
                seed::grant(&app, &user, role).await;
            }
            set_password(&app, user.user_id.as_str(), false).await;
            user.user_id
        };
        let nobody = with_password("nobody", None).await;
        let harmless = with_password("harmless", Some(Role::DirectoryReaders)).await;
        let reader = with_password("reports", Some(Role::ReportsReader)).await;
        let helpdesk = with_password("colleague", Some(Role::HelpdeskAdministrator)).await;
        let users = with_password("users", Some(Role::UserAdministrator)).await;
        let methods = with_password("methods", Some(Role::AuthenticationAdministrator)).await;
        let global = with_password("global", Some(Role::GlobalAdministrator)).await;
        let targets = [&nobody, &harmless, &reader, &helpdesk, &users, &methods, &global];
        // The rows of Entra's table "who can reset passwords".
        for (name, role, may) in [
            ("a", Role::PasswordAdministrator, [true, true, false, false, false, false, false]),
            ("b", Role::HelpdeskAdministrator, [true, true, true, true, false, false, false]),
            ("c", Role::UserAdministrator, [true, true, true, true, true, false, false]),
            ("d", Role::AuthenticationAdministrator, [true, true, true, false, false, true, false]),
            ("e", Role::PrivilegedAuthenticationAdministrator, [true; 7]),
            ("f", Role::GlobalAdministrator, [true; 7]),
            ("g", Role::GlobalReader, [false; 7]),
            ("h", Role::AuthenticationPolicyAdministrator, [false; 7]),
        ] {
            let (_, token) = seed::admin(&app, name, role).await;
            for (target, may) in targets.iter().zip(may) {
                let path = reset_path(target.as_str());
                let answer = as_user(&app, &token, Method::POST, &path, json!({"newPassword": NEW})).await;
                assert_eq!(
                    answer.status.as_u16(),
                    if may { 202 } else { 403 },
                    "{role:?} on {target}: {}",
                    answer.text
                );
                if may {
                    let location = answer.headers["location"].to_str().unwrap().to_owned();
                    let operation = location.strip_prefix(&app.base).unwrap();
                    as_user(&app, &token, Method::GET, operation, json!({})).await.expect(200);
                } else {
                    assert_eq!(last_event(&app).await.result, "failure");
                }
            }
        }

        // A role counts for what it allows: a helpdesk's password is not a helpdesk's methods.
        let (both, _) = seed::admin(&app, "both", Role::HelpdeskAdministrator).await;
        seed::grant(&app, &both, Role::AuthenticationAdministrator).await;
        let token = app.user_token(&both.user_id).await;
        as_user(&app, &token, Method::POST, &reset_path(helpdesk.as_str()), json!({"newPassword": NEW}))
            .await
            .expect(202);
        let reset_mfa = format!("/v1.0/users/{helpdesk}/authentication/resetMfa");
        as_user(&app, &token, Method::POST, &reset_mfa, json!({})).await.expect_error(403, "accessDenied");
        // Not oneself.
        set_password(&app, both.user_id.as_str(), false).await;
        let token = app.user_token(&both.user_id).await;
        as_user(&app, &token, Method::POST, &reset_path(both.user_id.as_str()), json!({}))
            .await
            .expect_error(403, "accessDenied");

        let writer = app.token_with(&app.tenant, &["UserAuthMethod-Password.ReadWrite.All"]).await;
        as_user(&app, &writer, Method::POST, &reset_path(nobody.as_str()), json!({})).await.expect(202);
        let other = app.token_with(&app.tenant, &["UserAuthMethod-Phone.ReadWrite.All"]).await;
        as_user(&app, &other, Method::POST, &reset_path(nobody.as_str()), json!({}))
            .await
            .expect_error(403, "accessDenied");
        let tenant = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&tenant, &rekey::access::known_permissions()).await;
        as_user(&app, &stranger, Method::POST, &reset_path(nobody.as_str()), json!({}))
            .await
            .expect_error(404, "Request_ResourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn only_a_password_is_reset_and_only_one_that_is_there() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "alex").await;
        app.post(&reset_path(user.user_id.as_str()), json!({})).await.expect_error(404, "resourceNotFound");
        seed::every_kind(&app, &user).await;
        let email = reset_path(user.user_id.as_str()).replace(password::ID, rekey::methods::email::ID);
        app.post(&email, json!({})).await.expect_error(404, "resourceNotFound");
        let made = app.post(&reset_path(user.user_id.as_str()), json!({})).await.expect(202);
        // Another user's operation is not found under this one.
        let other = add_member(&app, USER).await;
        let location = made.headers["location"].to_str().unwrap().strip_prefix(&app.base).unwrap().to_owned();
        let theirs = location.replace(user.user_id.as_str(), other.as_str());
        app.get(&theirs).await.expect_error(404, "resourceNotFound");
        app.get(&format!("{location}x")).await.expect_error(404, "resourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn the_same_key_resets_once() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let reset = |key: &'static str| {
            Answer::of(app.request(Method::POST, &reset_path(USER)).header("idempotency-key", key).json(&json!({})))
        };
        let (first, again) = (reset("one").await.expect(202), reset("one").await.expect(202));
        assert_eq!((&first.json, &first.headers["location"]), (&again.json, &again.headers["location"]));
        let other = reset("two").await.expect(202);
        assert_ne!(first.json["newPassword"], other.json["newPassword"]);
        let session = begin(&app, USER, other.json["newPassword"].as_str().unwrap()).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired");
    })
    .await;
}

#[tokio::test]
async fn users_change_their_own_password() {
    on_each_backend(async |app| {
        let (id, device) = registered(&app).await;
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        let done = verify(&app, &session, &id, &device.next_code()).await.expect(200).json;
        let token = done["outcomeToken"].as_str().unwrap();
        let change = async |token: &str, current: &str, new: &str| {
            let body = json!({"currentPassword": current, "newPassword": new});
            as_user(&app, token, Method::POST, "/v1.0/me/changePassword", body).await
        };
        for (current, new, target) in [
            (PASSWORD, "short", "newPassword"),
            (PASSWORD, "iloveyou1", "newPassword"),
            (PASSWORD, "Adele.Vance1", "newPassword"),
            (PASSWORD, PASSWORD, "newPassword"),
            ("wrong password", NEW, "currentPassword"),
        ] {
            let refused = change(token, current, new).await.expect_error(400, "badRequest");
            assert_eq!(refused.json["error"]["target"], target, "{}", refused.text);
        }
        let event = last_event(&app).await;
        assert_eq!((event.activity_display_name.as_str(), event.result.as_str()), ("Change user password", "failure"));
        // Only the user, and only after a sign-in.
        app.post(
            &format!("/v1.0/users/{USER}/changePassword"),
            json!({"currentPassword": PASSWORD, "newPassword": NEW}),
        )
        .await
        .expect_error(403, "accessDenied");
        let admin = seed::admin(&app, "admin", Role::GlobalAdministrator).await;
        let body = json!({"currentPassword": PASSWORD, "newPassword": NEW});
        as_user(&app, &admin.1, Method::POST, &format!("/v1.0/users/{USER}/changePassword"), body)
            .await
            .expect_error(403, "accessDenied");
        change(&admin.1, PASSWORD, NEW).await.expect_error(403, "accessDenied");

        change(token, PASSWORD, NEW).await.expect(204);
        assert_unsaid(&app, NEW).await;
        let event = last_event(&app).await;
        assert_eq!(event.initiator_principal_name.as_deref(), Some(USER));
        // Every session is over, this one too.
        read_own(&app, token).await.expect(401);
        assert_eq!(app.get(&path(&done)).await.expect(200).json["status"], "refused");
        assert_eq!(begin(&app, USER, PASSWORD).await.expect(201).json["status"], "refused");
        assert_eq!(begin(&app, USER, NEW).await.expect(201).json["status"], "mfaRequired");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_present_password_counts_like_one_at_a_sign_in() {
    on_each_backend(async |app| {
        let (id, device) = registered(&app).await;
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        let done = verify(&app, &session, &id, &device.next_code()).await.expect(200).json;
        let token = done["outcomeToken"].as_str().unwrap();
        let change = async |current: &str| {
            let body = json!({"currentPassword": current, "newPassword": NEW});
            as_user(&app, token, Method::POST, "/v1.0/me/changePassword", body).await
        };
        for _ in 0..5 {
            change("wrong password").await.expect_error(400, "badRequest");
        }
        change(PASSWORD).await.expect_error(429, "TooManyRequests");
        begin(&app, USER, PASSWORD).await.expect_error(429, "TooManyRequests");
        app.post(&format!("/v1.0/users/{USER}/authentication/unlock"), json!({})).await.expect(204);
        change(PASSWORD).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn a_registration_token_changes_no_password() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        let token = session["registrationToken"].as_str().unwrap();
        let body = json!({"currentPassword": PASSWORD, "newPassword": NEW});
        as_user(&app, token, Method::POST, "/v1.0/me/changePassword", body).await.expect_error(403, "accessDenied");
        change_in(&app, &session, NEW).await.expect_error(409, "conflict");
    })
    .await;
}

/// Whatever happens in the middle, nobody gets in with the password that was to be changed.
#[tokio::test]
async fn a_reset_in_the_middle_ends_the_change() {
    on_each_backend(async |app| {
        let (id, device) = registered(&app).await;
        app.post(&reset_path(USER), json!({"newPassword": NEW})).await.expect(202);
        let session = waiting_for_change(&app, &id, &device, NEW).await;
        app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({"revokeSignInSessions": false}))
            .await
            .expect(200);
        change_in(&app, &session, NEWER).await.expect_error(409, "conflict");
        assert_eq!(app.get(&path(&session)).await.expect(200).json["status"], "refused");

        let session = begin(&app, USER, NEW).await.expect(201).json;
        let (id, device) = register(&app, session["registrationToken"].as_str().unwrap()).await;
        let session = waiting_for_change(&app, &id, &device, NEW).await;
        app.post(&reset_path(USER), json!({"newPassword": "copper meadow 77 signal"})).await.expect(202);
        change_in(&app, &session, NEWER).await.expect_error(409, "conflict");
        assert_eq!(begin(&app, USER, NEWER).await.expect(201).json["status"], "refused");
    })
    .await;
}

#[tokio::test]
async fn of_many_changes_at_once_one_is_made() {
    on_each_backend(async |app| {
        let (id, device) = registered(&app).await;
        app.post(&reset_path(USER), json!({"newPassword": NEW})).await.expect(202);
        let session = waiting_for_change(&app, &id, &device, NEW).await;
        let address = format!("{}{}/changePassword", app.base, path(&session));
        let tries: Vec<_> = (0..16)
            .map(|number| {
                let body = json!({"newPassword": format!("velvet compass {number} thunder")});
                tokio::spawn(Answer::of(app.http.post(&address).bearer_auth(&app.token).json(&body)))
            })
            .collect();
        let mut statuses = vec![];
        for one in tries {
            statuses.push(one.await.unwrap().status.as_u16());
        }
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200);
        assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    })
    .await;
}

/// The password of one session is not changed in another application's, nor by whoever may not run sign-ins.
#[tokio::test]
async fn a_session_belongs_to_its_application() {
    on_each_backend(async |app| {
        let (id, device) = registered(&app).await;
        app.post(&reset_path(USER), json!({"newPassword": NEW})).await.expect(202);
        let session = waiting_for_change(&app, &id, &device, NEW).await;
        let address = format!("{}/changePassword", path(&session));
        let body = json!({"newPassword": NEWER});
        let other = app.token_with(&app.tenant, &["SignIn.Verify.All"]).await;
        as_user(&app, &other, Method::POST, &address, body.clone()).await.expect_error(404, "resourceNotFound");
        let none = app.token_with(&app.tenant, &["UserAuthenticationMethod.ReadWrite.All"]).await;
        as_user(&app, &none, Method::POST, &address, body.clone())
            .await
            .expect_error(403, "Authorization_RequestDenied");
        assert_eq!(last_event(&app).await.result, "failure");
        app.post(&address, body).await.expect(200);
    })
    .await;
}
