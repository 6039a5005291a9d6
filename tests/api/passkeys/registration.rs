//! Registering: by an administrator and by the user.

use super::*;

#[tokio::test]
async fn a_user_registers_a_passkey_and_signs_in_with_it() {
    on_each_backend(async |app| {
        let id = add_user(&app, USER).await;
        let session = begin_with_password(&app, USER).await;
        assert_eq!(session["status"], "registrationRequired", "{session}");
        let token = session["registrationToken"].as_str().unwrap();
        let mine = "/v1.0/me/authentication/fido2Methods";
        let path = format!("{mine}/creationOptions");
        let answer = as_user(&app, token, Method::GET, &path, json!({})).await.expect(200);
        assert_eq!(answer.headers["cache-control"], "no-store");
        let context = answer.json["@odata.context"].as_str().unwrap();
        assert!(context.ends_with("$metadata#microsoft.graph.webauthnCredentialCreationOptions"), "{context}");
        let options = &answer.json["publicKey"];
        assert_eq!(options["rp"], json!({"id": "localhost", "name": "contoso.example"}));
        assert_eq!((&options["user"]["name"], &options["user"]["displayName"]), (&json!(USER), &json!("Adele Vance")));
        assert_eq!(options["user"]["id"].as_str().unwrap().len(), 43);
        assert_eq!(options["challenge"].as_str().unwrap().len(), 43);
        assert_eq!(options["pubKeyCredParams"][0], json!({"type": "public-key", "alg": -7}));
        let expected = json!({"residentKey": "required", "requireResidentKey": true, "userVerification": "required"});
        assert_eq!(options["authenticatorSelection"], expected);
        assert_eq!((&options["attestation"], &options["timeout"]), (&json!("direct"), &json!(60_000)));
        assert_eq!((&options["excludeCredentials"], &options["extensions"]), (&json!([]), &json!({})));
        let ends = answer.json["challengeTimeoutDateTime"].as_str().unwrap();
        let left = rekey::clock::Timestamp::parse_iso(ends).unwrap().seconds() - Clock::System.now().seconds();
        assert!((290..=300).contains(&left), "{left}");
        let started = last_event(&app).await;
        assert_eq!(started.activity_display_name, "User started security info registration");

        let mut device = VirtualPasskey::at(&app.base).counting();
        let credential = device.create(options).await;
        let body = json!({"displayName": "Blue key", "publicKeyCredential": credential});
        let made = as_user(&app, token, Method::POST, mine, body).await.expect(201);
        let method = made.json["id"].as_str().unwrap().to_owned();
        assert_eq!(
            made.headers["location"].to_str().unwrap(),
            format!("{}{}/{method}", app.base, passkeys(id.as_str()))
        );
        assert_eq!(made.json["displayName"], "Blue key");
        assert_eq!(made.json["aaGuid"], "07070707-0707-0707-0707-070707070707");
        assert_eq!(made.json["model"], "Unknown model");
        assert_eq!(made.json["attestationLevel"], "notAttested");
        assert_eq!(made.json["attestationCertificates"], json!([]));
        assert_eq!(made.json["passkeyType"], "synced");
        assert!(made.json.get("publicKeyCredential").is_none());
        let shown = app.get(&format!("{}/{method}", passkeys(USER))).await.expect(200).json;
        for key in ["id", "displayName", "aaGuid", "model", "createdDateTime", "passkeyType"] {
            assert_eq!(shown[key], made.json[key]);
        }
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "User registered security info");
        assert_unsaid(&app, credential["id"].as_str().unwrap()).await;
        assert_unsaid(&app, options["challenge"].as_str().unwrap()).await;

        // The registration is done, and its token with it.
        as_user(&app, token, Method::GET, &path, json!({})).await.expect(401);
        let done = sign_in(&app, USER, &mut device).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");

        // And as the second factor after the password.
        let session = begin_with_password(&app, USER).await;
        assert_eq!(session["status"], "mfaRequired");
        assert_eq!(session["methods"][0]["id"], method.as_str());
        assert_eq!(session["methods"][0]["@odata.type"], "#microsoft.graph.fido2AuthenticationMethod");
        let asked = challenge(&app, &session).await;
        assert_eq!(asked["allowCredentials"], json!([{"type": "public-key", "id": credential["id"]}]));
        assert_eq!((&asked["rpId"], &asked["userVerification"]), (&json!("localhost"), &json!("required")));
        let answer = device.get(&asked).await;
        let done = verify(&app, &session, &answer).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");
        // With the outcome the user registers another, and the authenticator is told which it has.
        let outcome = done["outcomeToken"].as_str().unwrap();
        let again = as_user(&app, outcome, Method::GET, &path, json!({})).await.expect(200).json;
        assert_eq!(again["publicKey"]["excludeCredentials"][0]["id"], credential["id"]);
        assert_eq!(again["publicKey"]["user"]["id"], options["user"]["id"]);
        as_user(&app, outcome, Method::DELETE, &format!("{mine}/{method}"), json!({})).await.expect(204);
        assert_eq!(count(&app, USER).await, 0);
    })
    .await;
}

#[tokio::test]
async fn creation_options_have_three_spellings_and_bounds() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let path = format!("{}/creationOptions", passkeys(USER));
        let minutes = async |call: &str| {
            let answer = app.get(&format!("{path}{call}")).await.expect(200).json;
            let ends = answer["challengeTimeoutDateTime"].as_str().unwrap();
            let seconds = rekey::clock::Timestamp::parse_iso(ends).unwrap().seconds() - Clock::System.now().seconds();
            (seconds + 30) / 60
        };
        for (call, expected) in [
            ("", 5),
            ("()", 5),
            ("(challengeTimeoutInMinutes=10)", 10),
            ("%28challengeTimeoutInMinutes%3D43200%29", 43_200),
            ("?challengeTimeoutInMinutes=6", 6),
        ] {
            assert_eq!(minutes(call).await, expected, "{call}");
        }
        app.get(&format!("/beta{}/creationOptions(challengeTimeoutInMinutes=5)", &passkeys(USER)[5..]))
            .await
            .expect(200);
        for call in ["4", "43201", "-1", "x", "", "99999999999999999999"] {
            let call = format!("{path}(challengeTimeoutInMinutes={call})");
            app.get(&call).await.expect_error(400, "badRequest");
        }
        app.get(&format!("{path}?$select=publicKey")).await.expect_error(400, "badRequest");

        // Users take what they get.
        let session = begin_with_password(&app, USER).await;
        let token = session["registrationToken"].as_str().unwrap();
        let mine = "/v1.0/me/authentication/fido2Methods/creationOptions";
        for (call, status) in
            [("()", 200), ("(challengeTimeoutInMinutes=5)", 200), ("(challengeTimeoutInMinutes=6)", 400)]
        {
            as_user(&app, token, Method::GET, &format!("{mine}{call}"), json!({})).await.expect(status);
        }
        let application_me = app.get(mine).await;
        application_me.expect_error(400, "badRequest");
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    on_each_backend(async |app| {
        let id = add_user(&app, USER).await;
        add_user(&app, OTHER).await;
        let refused = async |credential: &Value, target: &str| {
            let answer = post(&app, USER, credential).await.expect_error(400, "badRequest");
            assert_eq!(answer.json["error"]["target"], target, "{}", answer.text);
            assert_eq!(count(&app, USER).await, 0);
            answer.json["error"]["message"].as_str().unwrap().to_owned()
        };
        let data = "publicKeyCredential/response/clientDataJSON";

        // Another page on the same machine.
        let mut elsewhere = VirtualPasskey::at("http://127.0.0.1:1");
        let credential = elsewhere.create(&options(&app, USER).await).await;
        assert!(refused(&credential, "publicKeyCredential").await.contains("origin"));
        // No PIN, no finger.
        let mut careless = VirtualPasskey { verifies: false, ..VirtualPasskey::at(&app.base) };
        let credential = careless.create(&options(&app, USER).await).await;
        assert!(refused(&credential, "publicKeyCredential").await.contains("verify the user"));
        // Another user's registration.
        let mut device = VirtualPasskey::at(&app.base);
        let credential = device.create(&options(&app, OTHER).await).await;
        refused(&credential, data).await;
        // An expired one.
        let credential = device.create(&options(&app, USER).await).await;
        expire(&app, &id, Purpose::PasskeyRegistration).await;
        refused(&credential, data).await;
        // Broken ones.
        let good = device.create(&options(&app, USER).await).await;
        let broken = |pointer: &str, value: Value| {
            let mut broken = good.clone();
            *broken.pointer_mut(pointer).unwrap() = value;
            broken
        };
        refused(&broken("/id", json!("AAAA")), "publicKeyCredential/id").await;
        refused(&broken("/id", json!("not base64")), "publicKeyCredential/id").await;
        refused(&broken("/response/clientDataJSON", json!("e30")), data).await;
        refused(&broken("/response/clientDataJSON", json!("")), data).await;
        refused(&broken("/response/attestationObject", json!("oA")), "publicKeyCredential").await;
        let mut object = good["response"]["attestationObject"].as_str().unwrap().to_owned();
        object.truncate((object.len() - 8) / 4 * 4);
        refused(&broken("/response/attestationObject", json!(object)), "publicKeyCredential").await;
        for body in [
            json!({}),
            json!({"publicKeyCredential": null}),
            json!({"publicKeyCredential": {"id": "AAAA"}}),
            json!({"publicKeyCredential": good, "aaGuid": "x"}),
            json!({"publicKeyCredential": good, "displayName": "x".repeat(257)}),
            json!({"publicKeyCredential": good, "displayName": "a\u{7}b"}),
            json!([]),
        ] {
            app.post(&passkeys(USER), body).await.expect_error(400, "badRequest");
        }
        assert_eq!(count(&app, USER).await, 0);

        // The good one is still good, once: neither it nor its passkey is taken again, by nobody.
        post(&app, USER, &good).await.expect(201);
        let answer = post(&app, USER, &good).await.expect_error(400, "badRequest");
        assert_eq!(answer.json["error"]["target"], data);
        assert_eq!(count(&app, USER).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_passkey_has_one_owner() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        add_user(&app, OTHER).await;
        let mut device = VirtualPasskey::at(&app.base);
        let id = register(&app, USER, &mut device).await;
        for user in [USER, OTHER] {
            // The same key answers another registration: a copied authenticator.
            let credential = super::attestation::again(&device, &options(&app, user).await).await;
            let answer = post(&app, user, &credential).await;
            answer.expect_error(409, "conflict");
        }
        assert_eq!((count(&app, USER).await, count(&app, OTHER).await), (1, 0));
        // Once it is deleted, it may be somebody's again.
        app.delete(&format!("{}/{id}", passkeys(USER))).await.expect(204);
        let credential = super::attestation::again(&device, &options(&app, OTHER).await).await;
        assert_eq!(post(&app, OTHER, &credential).await.expect(201).json["id"], id.as_str());
    })
    .await;
}

#[tokio::test]
async fn a_registration_is_finished_once() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let credential = VirtualPasskey::at(&app.base).create(&options(&app, USER).await).await;
        let mut all = JoinSet::new();
        for _ in 0..16 {
            let body = json!({"publicKeyCredential": credential});
            all.spawn(Answer::of(app.request(Method::POST, &passkeys(USER)).json(&body)));
        }
        let mut statuses: Vec<_> = all.join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses[0], 201);
        assert!(statuses[1..].iter().all(|status| (400..500).contains(status)), "{statuses:?}");
        assert_eq!(count(&app, USER).await, 1);
    })
    .await;
}

#[tokio::test]
async fn ten_passkeys_and_no_more() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        for _ in 0..9 {
            register(&app, USER, &mut VirtualPasskey::at(&app.base)).await;
        }
        let (mut tenth, mut eleventh) = (VirtualPasskey::at(&app.base), VirtualPasskey::at(&app.base));
        let (first, second) = (options(&app, USER).await, options(&app, USER).await);
        let (first, second) = (tenth.create(&first).await, eleventh.create(&second).await);
        let id = post(&app, USER, &first).await.expect(201).json["id"].as_str().unwrap().to_owned();
        let full = post(&app, USER, &second).await.expect_error(400, "badRequest");
        assert!(full.text.contains("at most 10"), "{}", full.text);
        app.get(&format!("{}/creationOptions", passkeys(USER))).await.expect_error(400, "badRequest");
        app.delete(&format!("{}/{id}", passkeys(USER))).await.expect(204);
        post(&app, USER, &second).await.expect(201);
        assert_eq!(count(&app, USER).await, 10);
    })
    .await;
}

#[tokio::test]
async fn only_so_many_registrations_are_open() {
    on_each_backend(async |app| {
        let id = add_user(&app, USER).await;
        let mut device = VirtualPasskey::at(&app.base);
        let first = device.create(&options(&app, USER).await).await;
        for _ in 0..9 {
            options(&app, USER).await;
        }
        let mut other = VirtualPasskey::at(&app.base);
        let last = other.create(&options(&app, USER).await).await;
        post(&app, USER, &first).await.expect_error(400, "badRequest");
        post(&app, USER, &last).await.expect(201);
        let tenant = app.tenant.clone();
        let open = app.app.store.read(move |tx| challenges::of_user(tx, &tenant, &id, Purpose::PasskeyRegistration));
        assert_eq!(open.await.unwrap().len(), 9);
    })
    .await;
}

#[tokio::test]
async fn the_policy_decides() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let session = begin_with_password(&app, USER).await;
        let token = session["registrationToken"].as_str().unwrap();
        let mine = "/v1.0/me/authentication/fido2Methods";
        let mut device = VirtualPasskey::at(&app.base);
        let own = as_user(&app, token, Method::GET, &format!("{mine}/creationOptions"), json!({})).await.expect(200);
        let credential = device.create(&own.json["publicKey"]).await;
        let body = json!({"publicKeyCredential": credential});

        // Only administrators: at the beginning and at the end.
        change_policy(&app, |policy| policy.fido2.is_self_service_registration_allowed = false).await;
        let path = format!("{mine}/creationOptions");
        as_user(&app, token, Method::GET, &path, json!({})).await.expect_error(403, "accessDenied");
        as_user(&app, token, Method::POST, mine, body.clone()).await.expect_error(403, "accessDenied");
        assert_eq!(last_event(&app).await.result, "failure");
        options(&app, USER).await;
        change_policy(&app, |policy| policy.fido2.is_self_service_registration_allowed = true).await;

        // Switched off.
        change_policy(&app, |policy| policy.fido2.common.state = State::Disabled).await;
        for path in [path.as_str(), &format!("{}/creationOptions", passkeys(USER))] {
            let token = if path.contains("/me/") { token } else { &app.token };
            as_user(&app, token, Method::GET, path, json!({})).await.expect_error(400, "badRequest");
        }
        app.post(&passkeys(USER), body.clone()).await.expect_error(400, "badRequest");
        change_policy(&app, |policy| policy.fido2.common.state = State::Enabled).await;

        // By model.
        let restrict = |enforcement_type, aa_guid: &str| {
            let aa_guids = vec![aa_guid.to_owned()];
            let restrictions = KeyRestrictions { is_enforced: true, enforcement_type, aa_guids };
            change_policy(&app, move |policy| policy.fido2.key_restrictions = restrictions.clone())
        };
        let (ours, another) = ("07070707-0707-0707-0707-070707070707", "ee882879-721c-4913-9775-3dfcce97072a");
        for (enforcement_type, aa_guid) in [(EnforcementType::Block, ours), (EnforcementType::Allow, another)] {
            restrict(enforcement_type, aa_guid).await;
            let refused = app.post(&passkeys(USER), body.clone()).await.expect_error(400, "badRequest");
            assert!(refused.text.contains(ours), "{}", refused.text);
        }
        restrict(EnforcementType::Allow, ours).await;
        as_user(&app, token, Method::POST, mine, body).await.expect(201);
        assert_eq!(sign_in(&app, USER, &mut device).await.expect(200).json["status"], "completed");

        // What was registered before cannot be used while the policy is against it, and can again.
        for against in ["model", "kind"] {
            match against {
                "model" => restrict(EnforcementType::Block, ours).await,
                _ => change_policy(&app, |policy| policy.fido2.common.state = State::Disabled).await,
            }
            sign_in(&app, USER, &mut device).await.expect(404);
            let session = begin_with_password(&app, USER).await;
            assert_eq!(session["status"], "registrationRequired", "{against}");
            change_policy(&app, |policy| policy.fido2 = Default::default()).await;
        }
        assert_eq!(sign_in(&app, USER, &mut device).await.expect(200).json["status"], "completed");
    })
    .await;
}

#[tokio::test]
async fn permissions_and_tenants_are_kept_apart() {
    on_each_backend(async |app| {
        let id = add_user(&app, USER).await;
        let mut device = VirtualPasskey::at(&app.base);
        let credential = device.create(&options(&app, USER).await).await;
        let body = json!({"publicKeyCredential": credential});
        let begin = format!("{}/creationOptions", passkeys(USER));
        let reader = app
            .token_with(&app.tenant, &["UserAuthMethod-Passkey.Read.All", "UserAuthMethod-Phone.ReadWrite.All"])
            .await;
        for (method, path) in [(Method::GET, &begin), (Method::POST, &passkeys(USER))] {
            as_user(&app, &reader, method, path, body.clone()).await.expect_error(403, "accessDenied");
            let event = last_event(&app).await;
            assert_eq!((event.result.as_str(), event.target_id.as_deref()), ("failure", Some(id.as_str())));
        }
        let other = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&other, &rekey::access::known_permissions()).await;
        for (method, path) in [(Method::GET, &begin), (Method::POST, &passkeys(USER))] {
            as_user(&app, &stranger, method, path, body.clone()).await.expect_error(404, "Request_ResourceNotFound");
        }
        // A namesake in another tenant does not get the registration either.
        crate::oath_fixtures::add_user(&app, &other, USER, rekey::store::users::UserType::Member).await;
        as_user(&app, &stranger, Method::POST, &passkeys(USER), body.clone()).await.expect_error(400, "badRequest");
        // What an administrator registers for a user does not lift a reset's demand.
        app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({})).await.expect(200);
        register(&app, USER, &mut device).await;
        let standing = app.get(&format!("/v1.0/users/{USER}/authentication/requirements")).await.expect(200).json;
        assert_eq!(standing["registrationRequired"], true);
    })
    .await;
}

#[tokio::test]
async fn the_same_key_registers_once() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let credential = VirtualPasskey::at(&app.base).create(&options(&app, USER).await).await;
        let send = || {
            let request = app.request(Method::POST, &passkeys(USER)).header("idempotency-key", "one");
            Answer::of(request.json(&json!({"publicKeyCredential": credential})))
        };
        let first = send().await.expect(201);
        let again = send().await.expect(201);
        assert_eq!((&first.json, &first.headers["location"]), (&again.json, &again.headers["location"]));
    })
    .await;
}
