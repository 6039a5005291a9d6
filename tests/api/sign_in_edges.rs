//! Sign-in sessions: who may run them, when they end, and what excuses a user from what.

use rekey::{
    clock::Timestamp,
    id::SessionId,
    methods::phone::PhoneType,
    roles::Role,
    store::{sessions, sessions::SessionRow},
    worker,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::{add_member, last_event},
    sign_in_fixtures::{
        OWN, PASSWORD, SESSIONS, USER, add_registered, add_user, as_user, assert, begin, issue_pass, path, read_own,
        register, require, requirements, reset, set_password, sign_in, switch_security_defaults_off, verify,
    },
    support::{Answer, TestApp, database, on_each_backend, seed},
};

#[tokio::test]
async fn only_applications_with_the_permission_run_sign_ins() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        let others = rekey::access::known_permissions();
        let all_but = |missing: &str| others.iter().filter(|name| *name != missing).cloned().collect::<Vec<_>>();
        let body = |first: &str| json!({"userPrincipalName": USER, "firstFactor": {"type": first}});

        let powerless = app.token_with(&app.tenant, &all_but("SignIn.Verify.All")).await;
        let (_, global) = seed::admin(&app, "global", Role::GlobalAdministrator).await;
        let session = path(&assert(&app, USER).await);
        let requests = [
            (Method::POST, SESSIONS.to_owned(), body("asserted")),
            (Method::POST, SESSIONS.to_owned(), body("passkey")),
            (Method::GET, session.clone(), json!({})),
            (Method::POST, format!("{session}/challenge"), json!({"methodId": "x"})),
            (Method::POST, format!("{session}/verify"), json!({"methodId": "x", "verificationCode": "123456"})),
        ];
        for (method, path, body) in requests {
            let denied = as_user(&app, &powerless, method.clone(), &path, body.clone()).await;
            let denied = denied.expect_error(403, "Authorization_RequestDenied");
            assert!(denied.text.contains("SignIn.Verify.All"), "{}", denied.text);
            let denied = as_user(&app, &global, method.clone(), &path, body.clone()).await;
            denied.expect_error(403, "Authorization_RequestDenied");
            let request = app.http.request(method, format!("{}{path}", app.base));
            Answer::of(request.json(&body)).await.expect_error(401, "InvalidAuthenticationToken");
        }

        // Checking factors is one power, vouching for them another.
        let verifier = app.token_with(&app.tenant, &all_but("SignIn.Assert.All")).await;
        let denied = as_user(&app, &verifier, Method::POST, SESSIONS, body("asserted")).await;
        let denied = denied.expect_error(403, "Authorization_RequestDenied");
        assert!(denied.text.contains("SignIn.Assert.All"), "{}", denied.text);
        let event = seed::events(&app).await.remove(0);
        assert_eq!((event.result.as_str(), event.activity_display_name.as_str()), ("failure", "Begin sign-in"));
        as_user(&app, &verifier, Method::POST, SESSIONS, body("passkey")).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn a_session_is_seen_by_the_application_that_opened_it() {
    on_each_backend(async |app| {
        let (id, token) = add_registered(&app, USER).await;
        let body = json!({"userPrincipalName": USER, "firstFactor": {"type": "asserted"}});
        let opened = app.post(SESSIONS, body.clone()).await.expect(201);
        let session = path(&opened.json);
        assert_eq!(opened.headers["location"], format!("{}{session}", app.base));

        let everything = rekey::access::known_permissions();
        let neighbour = app.token_with(&app.tenant, &everything).await;
        let foreign = app.new_tenant("fabrikam.example").await;
        let foreigner = app.token_with(&foreign, &everything).await;
        for stranger in [&neighbour, &foreigner] {
            as_user(&app, stranger, Method::GET, &session, json!({})).await.expect_error(404, "resourceNotFound");
            for step in ["challenge", "verify"] {
                let mut body = json!({"methodId": id});
                if step == "verify" {
                    body["verificationCode"] = json!(token.next_code());
                }
                let path = format!("{session}/{step}");
                as_user(&app, stranger, Method::POST, &path, body).await.expect_error(404, "resourceNotFound");
            }
        }
        // There the user is nobody.
        let refused = as_user(&app, &foreigner, Method::POST, SESSIONS, body).await.expect(201).json;
        assert_eq!(refused["status"], "refused");
        for nonsense in ["nonsense", "00000000-0000-0000-0000-000000000000"] {
            app.get(&format!("{SESSIONS}/{nonsense}")).await.expect_error(404, "resourceNotFound");
        }
        // Nothing of it used the code up.
        verify(&app, &opened.json, &id, &token.next_code()).await.expect(200);
    })
    .await;
}

/// Rewrites a stored session.
async fn change_session(app: &TestApp, session: &Value, change: impl Fn(&mut SessionRow) + Send + 'static) {
    let (tenant, id) = (app.tenant.clone(), SessionId::new(session["id"].as_str().unwrap()));
    let write = app.app.store.write(&app.tenant, move |tx| {
        let mut row = sessions::find(tx, &tenant, &id)?.unwrap();
        change(&mut row);
        sessions::update(tx, &row)
    });
    write.await.unwrap();
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    on_each_backend(async |app| {
        let (id, token) = add_registered(&app, USER).await;
        let session = assert(&app, USER).await;
        let end = Timestamp::parse_iso(session["expirationDateTime"].as_str().unwrap()).unwrap();
        change_session(&app, &session, move |row| {
            assert_eq!((row.expires_at, row.created_at.plus_minutes(15)), (end, end));
            row.expires_at = row.created_at;
        })
        .await;
        verify(&app, &session, &id, &token.next_code()).await.expect_error(404, "resourceNotFound");
        app.get(&path(&session)).await.expect_error(404, "resourceNotFound");

        add_member(&app, "new@contoso.example").await;
        let session = assert(&app, "new@contoso.example").await;
        let registration = session["registrationToken"].as_str().unwrap();
        read_own(&app, registration).await.expect(200);
        change_session(&app, &session, |row| row.expires_at = row.created_at).await;
        read_own(&app, registration).await.expect_error(401, "InvalidAuthenticationToken");

        let before = database::digest(&app)["sign_in_sessions"].len();
        worker::run_once(&app.app.store).await.unwrap();
        assert_eq!(database::digest(&app)["sign_in_sessions"].len(), before - 2);
    })
    .await;
}

#[tokio::test]
async fn whoever_is_disabled_deleted_or_signed_out_is_out() {
    on_each_backend(async |app| {
        let user = format!("/v1.0/users/{USER}");
        let (id, token) = add_registered(&app, USER).await;
        set_password(&app, USER, false).await;
        let open = begin(&app, USER, PASSWORD).await.expect(201).json;
        let done = sign_in(&app, USER, &(id.clone(), token)).await;
        let outcome = done["outcomeToken"].as_str().unwrap();
        let is_over = async |session: &Value| {
            assert_eq!(app.get(&path(session)).await.expect(200).json["status"], "refused");
            let view = app.get(&path(session)).await.expect(200).json;
            assert_eq!((view.get("outcomeToken"), view.get("registrationToken")), (None, None));
            assert_eq!(view["methods"], json!([]));
        };

        // Signed out, in the same second as everything else here.
        read_own(&app, outcome).await.expect(200);
        app.post(&format!("{user}/revokeSignInSessions"), json!({})).await.expect(200);
        read_own(&app, outcome).await.expect_error(401, "InvalidAuthenticationToken");
        is_over(&open).await;
        is_over(&done).await;
        verify(&app, &open, &id, "123456").await.expect_error(409, "conflict");
        // A new sign-in is not kept waiting.
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "mfaRequired");

        app.patch(&user, json!({"accountEnabled": false})).await.expect(204);
        is_over(&session).await;
        verify(&app, &session, &id, "123456").await.expect_error(404, "resourceNotFound");
        assert_eq!(begin(&app, USER, PASSWORD).await.expect(201).json["status"], "refused");
        assert_eq!(assert(&app, USER).await["status"], "refused");
        app.patch(&user, json!({"accountEnabled": true})).await.expect(204);
        is_over(&session).await;

        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "mfaRequired");
        app.delete(&user).await.expect(204);
        is_over(&session).await;
        assert_eq!(begin(&app, USER, PASSWORD).await.expect(201).json["status"], "refused");

        // A registration token goes the same way.
        add_member(&app, "new@contoso.example").await;
        let session = assert(&app, "new@contoso.example").await;
        let registration = session["registrationToken"].as_str().unwrap();
        read_own(&app, registration).await.expect(200);
        app.post("/v1.0/users/new@contoso.example/revokeSignInSessions", json!({})).await.expect(200);
        read_own(&app, registration).await.expect_error(401, "InvalidAuthenticationToken");
        is_over(&session).await;
    })
    .await;
}

#[tokio::test]
async fn an_opt_out_excuses_from_what_the_tenant_demands() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        set_password(&app, USER, false).await;
        let until = rekey::clock::Clock::System.now().plus_minutes(60).to_iso();
        require(
            &app,
            USER,
            json!({"mfaOptOut": {"isOptedOut": true, "reason": "New phone", "expirationDateTime": until}}),
        )
        .await;
        let done = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(done["status"], "completed", "{done}");
        assert!(done["outcomeToken"].is_string());
        // Also from the registration that a reset demands; the sessions end all the same.
        reset(&app, USER, json!({})).await;
        assert_eq!(app.get(&path(&done)).await.expect(200).json["status"], "refused");
        assert_eq!(begin(&app, USER, PASSWORD).await.expect(201).json["status"], "completed");
        assert_eq!(requirements(&app, USER).await["registrationRequired"], true);
        // Not from what is required of the user himself.
        require(&app, USER, json!({"perUserMfaState": "enforced"})).await;
        assert_eq!(begin(&app, USER, PASSWORD).await.expect(201).json["status"], "registrationRequired");
        require(&app, USER, json!({"perUserMfaState": "disabled"})).await;
        assert_eq!(begin(&app, USER, PASSWORD).await.expect(201).json["status"], "completed");
        // And not when it is over.
        seed::set_requirements(&app, &user, |it| it.opt_out_expires_at = Some(seed::created())).await;
        let due = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(due["status"], "registrationRequired");
        assert!(due["registrationToken"].is_string());
    })
    .await;
}

#[tokio::test]
async fn registering_turns_enabled_into_enforced() {
    on_each_backend(async |app| {
        switch_security_defaults_off(&app).await;
        add_member(&app, USER).await;
        require(&app, USER, json!({"perUserMfaState": "enabled"})).await;
        let session = assert(&app, USER).await;
        assert_eq!(session["status"], "registrationRequired");
        assert_eq!(requirements(&app, USER).await["perUserMfaState"], "enabled");
        let (id, token) = register(&app, session["registrationToken"].as_str().unwrap()).await;
        assert_eq!(requirements(&app, USER).await["perUserMfaState"], "enforced");
        // The session that was waiting goes on.
        assert_eq!(app.get(&path(&session)).await.expect(200).json["status"], "mfaRequired");
        verify(&app, &session, &id, &token.next_code()).await.expect(200);
        // What an administrator registers for him does too.
        require(&app, USER, json!({"perUserMfaState": "enabled"})).await;
        let methods = format!("/v1.0/users/{USER}/authentication/phoneMethods");
        app.post(&methods, json!({"phoneNumber": "+1 2065550100", "phoneType": "mobile"})).await.expect(201);
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "Admin changed authentication requirements");
        assert!(event.modified_properties.contains("StrongAuthenticationRequirement"));
        assert_eq!(requirements(&app, USER).await["perUserMfaState"], "enforced");
    })
    .await;
}

#[tokio::test]
async fn without_mfa_a_user_reads_and_begins_and_removes_nothing() {
    on_each_backend(async |app| {
        let registered = add_registered(&app, USER).await;
        switch_security_defaults_off(&app).await;
        let tokens = format!("{OWN}/softwareOathMethods");
        let done = assert(&app, USER).await;
        assert_eq!(done["status"], "completed", "{done}");
        let outcome = done["outcomeToken"].as_str().unwrap();
        read_own(&app, outcome).await.expect(200);
        let own = format!("{tokens}/{}", registered.0);
        let denied = as_user(&app, outcome, Method::DELETE, &own, json!({})).await.expect_error(403, "accessDenied");
        assert!(denied.text.contains("second factor"), "{}", denied.text);
        as_user(&app, outcome, Method::POST, &tokens, json!({})).await.expect_error(403, "accessDenied");
        let preferences = format!("{OWN}/signInPreferences");
        let change = json!({"isSystemPreferredAuthenticationMethodEnabled": false});
        as_user(&app, outcome, Method::PATCH, &preferences, change.clone()).await.expect_error(403, "accessDenied");
        app.get(&format!("/v1.0/users/{USER}/authentication/softwareOathMethods/{}", registered.0)).await.expect(200);

        // Whoever has no second factor may register the first one.
        add_member(&app, "new@contoso.example").await;
        let first = assert(&app, "new@contoso.example").await;
        register(&app, first["outcomeToken"].as_str().unwrap()).await;
        as_user(&app, first["outcomeToken"].as_str().unwrap(), Method::POST, &tokens, json!({})).await.expect(403);

        // With the second factor all of it works.
        require(&app, USER, json!({"perUserMfaState": "enforced"})).await;
        let done = sign_in(&app, USER, &registered).await;
        let outcome = done["outcomeToken"].as_str().unwrap();
        as_user(&app, outcome, Method::PATCH, &preferences, change).await.expect(204);
        as_user(&app, outcome, Method::POST, &tokens, json!({})).await.expect(201);
        as_user(&app, outcome, Method::DELETE, &own, json!({})).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn the_method_to_ask_for_comes_first() {
    on_each_backend(async |app| {
        let (oath, _) = add_registered(&app, USER).await;
        let user = app.get(&format!("/v1.0/users/{USER}")).await.expect(200).json["id"].as_str().unwrap().to_owned();
        let (tenant, id) = (app.tenant.clone(), user.clone());
        let user = app.app.store.read(move |tx| rekey::store::users::find(tx, &tenant, &id)).await.unwrap().unwrap();
        seed::phone(&app, &user, PhoneType::Mobile, "+1 2065550100").await;
        issue_pass(&app, USER, false).await;
        let preferences = format!("/v1.0/users/{USER}/authentication/signInPreferences");
        let order = async || {
            let session = assert(&app, USER).await;
            let methods = session["methods"].as_array().unwrap();
            let defaults: Vec<_> = methods.iter().map(|method| method["isDefault"] == true).collect();
            assert_eq!(defaults, [true, false, false], "{session}");
            let kinds = methods.iter().map(|method| {
                let kind = method["@odata.type"].as_str().unwrap();
                kind.trim_start_matches("#microsoft.graph.").trim_end_matches("AuthenticationMethod").to_owned()
            });
            assert!(methods.iter().any(|method| method["id"] == oath));
            assert!(!session.to_string().contains("2065550100"), "numbers are masked: {session}");
            kinds.collect::<Vec<_>>()
        };
        let set = async |change: Value| app.patch(&preferences, change).await.expect(204);
        let (pass, oath_kind, phone) = ("temporaryAccessPass", "softwareOath", "phone");
        assert_eq!(order().await, [pass, oath_kind, phone], "the strongest first");
        set(json!({"userPreferredMethodForSecondaryAuthentication": "sms"})).await;
        assert_eq!(order().await, [pass, oath_kind, phone], "while the system chooses, it chooses");
        set(json!({"isSystemPreferredAuthenticationMethodEnabled": false})).await;
        assert_eq!(order().await, [phone, pass, oath_kind]);
        set(json!({"userPreferredMethodForSecondaryAuthentication": "oath"})).await;
        assert_eq!(order().await, [oath_kind, pass, phone]);
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again() {
    on_each_backend(async |app| {
        let (id, token) = add_registered(&app, USER).await;
        let send = async |path: &str, body: &Value| {
            Answer::of(app.request(Method::POST, path).header("idempotency-key", path).json(body)).await
        };
        let body = json!({"userPrincipalName": USER, "firstFactor": {"type": "asserted"}});
        let session = send(SESSIONS, &body).await.expect(201).json;
        assert_eq!(send(SESSIONS, &body).await.expect(201).json, session);
        let proof = json!({"methodId": id, "verificationCode": token.next_code()});
        let path = format!("{}/verify", path(&session));
        let done = send(&path, &proof).await.expect(200).json;
        assert_eq!(done["status"], "completed");
        assert_eq!(send(&path, &proof).await.expect(200).json, done);
    })
    .await;
}

#[tokio::test]
async fn bad_input_is_refused_and_changes_nothing() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let (id, token) = add_registered(&app, "bob@contoso.example").await;
        let session = assert(&app, "bob@contoso.example").await;
        let (challenge, verify) = (format!("{}/challenge", path(&session)), format!("{}/verify", path(&session)));
        let begin = |first: Value| json!({"userPrincipalName": USER, "firstFactor": first});
        let long = "x".repeat(1025);
        let bodies = [
            (SESSIONS, json!({})),
            (SESSIONS, json!([])),
            (SESSIONS, json!({"userPrincipalName": USER})),
            (SESSIONS, json!({"firstFactor": {"type": "asserted"}})),
            (SESSIONS, json!({"userPrincipalName": USER, "userId": USER, "firstFactor": {"type": "asserted"}})),
            (SESSIONS, json!({"userPrincipalName": 5, "firstFactor": {"type": "asserted"}})),
            (SESSIONS, json!({"userPrincipalName": long, "firstFactor": {"type": "asserted"}})),
            (SESSIONS, json!({"userId": "x".repeat(65), "firstFactor": {"type": "asserted"}})),
            (SESSIONS, begin(json!("password"))),
            (SESSIONS, begin(json!({"type": "Password", "password": PASSWORD}))),
            (SESSIONS, begin(json!({"type": "voice"}))),
            (SESSIONS, begin(json!({"type": "password"}))),
            (SESSIONS, begin(json!({"type": "password", "password": null}))),
            (SESSIONS, begin(json!({"type": "password", "password": 12345678}))),
            (SESSIONS, begin(json!({"type": "password", "password": "x".repeat(257)}))),
            (SESSIONS, begin(json!({"type": "password", "password": PASSWORD, "verificationCode": "1"}))),
            (SESSIONS, begin(json!({"type": "password", "password": PASSWORD, "extra": 1}))),
            (SESSIONS, begin(json!({"type": "asserted", "password": PASSWORD}))),
            (SESSIONS, begin(json!({"type": "passkey", "verificationCode": "1"}))),
            (SESSIONS, begin(json!({"type": "temporaryAccessPass"}))),
            (SESSIONS, begin(json!({"type": "temporaryAccessPass", "password": "x"}))),
            (SESSIONS, begin(json!({"type": "temporaryAccessPass", "verificationCode": "x".repeat(65)}))),
            (&challenge, json!([])),
            (&challenge, json!({"methodId": 5})),
            (&challenge, json!({"methodId": long})),
            (&challenge, json!({"method": id})),
            (&verify, json!({})),
            (&verify, json!({"methodId": id})),
            (&verify, json!({"verificationCode": token.next_code()})),
            (&verify, json!({"methodId": id, "verificationCode": 123456})),
            (&verify, json!({"methodId": id, "verificationCode": ""})),
            (&verify, json!({"methodId": id, "verificationCode": "12345"})),
            (&verify, json!({"methodId": id, "verificationCode": "１２３４５６"})),
            (&verify, json!({"methodId": id, "verificationCode": "0".repeat(65)})),
            (&verify, json!({"methodId": id, "publicKeyCredential": {}})),
            (&verify, json!({"publicKeyCredential": {}})),
            (&verify, json!({"methodId": id, "verificationCode": token.next_code(), "publicKeyCredential": {}})),
            (&verify, json!({"methodId": id, "verificationCode": token.next_code(), "remember": true})),
        ];
        let missing = [
            (&challenge, json!({"methodId": "00000000-0000-0000-0000-000000000000"})),
            (&verify, json!({"methodId": "nonsense", "verificationCode": "123456"})),
            (&verify, json!({"methodId": "28c10230-6103-485e-b985-444c60001490", "verificationCode": PASSWORD})),
            (&verify, json!({"publicKeyCredential": {"id": "bm9ib2R5"}})),
        ];
        let before = database::digest(&app);
        for (path, body) in bodies {
            let answer = app.post(path, body.clone()).await;
            assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text);
            answer.expect_error(400, "badRequest");
        }
        for (path, body) in missing {
            app.post(path, body).await.expect_error(404, "resourceNotFound");
        }
        assert_eq!(database::digest(&app), before, "a refused request changed the database");
        app.post(&verify, json!({"methodId": id, "verificationCode": token.next_code()})).await.expect(200);
    })
    .await;
}
