//! Authenticator apps: registered by an activation code and a key of their own.

use rekey::store::users::UserType;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    oath_fixtures::{add_member, add_user, assert_unsaid, events, last_event},
    software_oath::read_qr_code,
    support::{
        Answer, TestApp,
        authenticator::{Device, Key, activate, activate_url, begin, seconds},
        on_each_backend, on_each_backend_with_own_clock, seed,
    },
    totp::Token,
};

const USER: &str = "adele@contoso.example";

fn apps(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication/microsoftAuthenticatorMethods")
}

fn about(code: &str) -> Value {
    json!({"activationCode": code, "displayName": "Pixel 9", "deviceTag": "Android", "phoneAppVersion": "1.2.3",
        "wakeUrl": "https://push.example/wake?token=very-secret"})
}

async fn as_user(app: &TestApp, token: &str, method: Method, path: &str, body: Value) -> Answer {
    Answer::of(app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token).json(&body)).await
}

/// The registration token of a user who must register.
async fn registration_token(app: &TestApp, user: &str) -> String {
    let body = json!({"userPrincipalName": user, "firstFactor": {"type": "asserted"}});
    let session = app.post("/v1.0/signInSessions", body).await.expect(201).json;
    session["registrationToken"].as_str().unwrap_or_else(|| panic!("{session}")).to_owned()
}

#[tokio::test]
async fn an_app_is_registered_by_its_code() {
    on_each_backend(async |app| {
        let user = add_member(&app, USER).await;
        for key in [Key::p256(), Key::ed25519()] {
            let answer = app.post(&apps(USER), json!({})).await.expect(201);
            let begun = &answer.json;
            let id = begun["id"].as_str().unwrap();
            assert_eq!(begun["status"], "pending");
            assert_eq!(answer.headers["location"], format!("{}{}/{id}", app.base, apps(user.as_str())));
            // 80 bits in Base32, in groups that people can type.
            let code = begun["activationCode"].as_str().unwrap();
            let groups: Vec<_> = code.split('-').collect();
            assert!(groups.len() == 4 && groups.iter().all(|group| group.len() == 4), "{code}");
            assert!(code.replace('-', "").bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')), "{code}");
            let uri = reqwest::Url::parse(begun["activationUri"].as_str().unwrap()).unwrap();
            let query: Vec<_> = uri.query_pairs().into_owned().collect();
            assert_eq!((uri.scheme(), uri.host_str()), ("rekey-authenticator", Some("activate")));
            assert_eq!(query, [("url".to_owned(), app.base.clone()), ("code".to_owned(), code.to_owned())]);
            assert_eq!(read_qr_code(begun["qrCode"].as_str().unwrap()), uri.as_str());
            assert_unsaid(&app, code).await;
            // Nothing is registered before the app has come.
            app.get(&format!("{}/{id}", apps(USER))).await.expect_error(404, "resourceNotFound");

            // Typed as people type.
            let typed = code.to_lowercase().replace('-', " ");
            let device = activate(&app, &key, &about(&typed)).await.expect(201);
            let url = format!("{}/v1.0/authenticatorDevices/{}/{user}/{id}", app.base, app.tenant);
            assert_eq!(
                (&device.json["deviceUrl"], &device.headers["location"].to_str().unwrap()),
                (&json!(url), &url.as_str())
            );
            assert_eq!(device.json["userPrincipalName"], USER);
            assert_eq!(device.json["tenantDisplayName"], "contoso.example");
            let event = last_event(&app).await;
            assert_eq!(
                (event.activity_display_name.as_str(), event.result.as_str()),
                ("Admin updated security info", "success")
            );

            let shown = app.get(&format!("{}/{id}", apps(USER))).await.expect(200);
            assert_eq!(shown.json["displayName"], "Pixel 9");
            assert_eq!(
                (&shown.json["deviceTag"], &shown.json["phoneAppVersion"]),
                (&json!("Android"), &json!("1.2.3"))
            );
            for secret in ["very-secret", key.jwk()["x"].as_str().unwrap()] {
                assert!(!shown.text.contains(secret), "{}", shown.text);
                assert_unsaid(&app, secret).await;
            }
            // The code is spent.
            let again = activate(&app, &Key::p256(), &about(code)).await.expect_error(400, "badRequest");
            assert_eq!(again.json["error"]["target"], "activationCode");
            assert_eq!(Device::at(&app, key, &url).requests().await, [json!(null); 0]);
        }
        assert_eq!(app.get(&apps(USER)).await.expect(200).json["value"].as_array().unwrap().len(), 2);
        // What the administrator calls it is what it is called.
        let begun = app.post(&apps(USER), json!({"displayName": "Adele's work phone"})).await.expect(201).json;
        Device::activated(&app, Key::ed25519(), &about(begun["activationCode"].as_str().unwrap())).await;
        let path = format!("{}/{}", apps(USER), begun["id"].as_str().unwrap());
        assert_eq!(app.get(&path).await.expect(200).json["displayName"], "Adele's work phone");
        // No body at all is fine too.
        Answer::of(app.request(Method::POST, &apps(USER))).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn users_register_their_own_app_and_are_done() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({})).await.expect(200);
        // What an administrator begins does not answer the demand.
        let device = Device::register(&app, USER, Key::p256()).await;
        assert!(seed::requirements(&app, &user).await.registration_required_at.is_some());
        app.delete(&format!("{}/{}", apps(USER), device.id)).await.expect(204);

        let token = registration_token(&app, USER).await;
        let own = "/v1.0/me/authentication/microsoftAuthenticatorMethods";
        let begun = as_user(&app, &token, Method::POST, own, json!({})).await.expect(201).json;
        Device::activated(&app, Key::ed25519(), &about(begun["activationCode"].as_str().unwrap())).await;
        assert!(seed::requirements(&app, &user).await.registration_required_at.is_none());
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "User registered all required security info");
        assert_eq!(event.initiator_id.as_deref(), Some(user.user_id.as_str()));
        as_user(&app, &token, Method::GET, own, json!({})).await.expect(401);
    })
    .await;
}

/// Every way in which the proof of an activation can be wrong. The code survives all of them.
#[tokio::test]
async fn a_wrong_proof_registers_nothing() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        let code = begin(&app, USER).await;
        let before = events(&app).await.len();
        let (url, now) = (activate_url(&app), seconds(&app));
        for key in [Key::p256(), Key::ed25519()] {
            let other = if key.algorithm() == "ES256" { Key::p256() } else { Key::ed25519() };
            let good = about(&code);
            let claims = |change: &dyn Fn(&mut Value)| {
                let mut claims = good.clone();
                claims["htu"] = url.clone().into();
                claims["iat"] = now.into();
                change(&mut claims);
                claims
            };
            let right = claims(&|_| ());
            let typ = "rekey-activation+jwt";
            let signed = |change: &dyn Fn(&mut Value)| key.sign(typ, &claims(change));
            let header = |change: &dyn Fn(&mut Value)| {
                let mut header = json!({"typ": typ, "alg": key.algorithm()});
                change(&mut header);
                key.jws(&header, &right)
            };
            let swapped = if key.algorithm() == "ES256" { "EdDSA" } else { "ES256" };
            let proofs = [
                ("nothing", String::new()),
                ("no JWS", "a.b.c".into()),
                ("another key", other.sign(typ, &right)),
                ("no type", header(&|header| drop(header.as_object_mut().unwrap().remove("typ")))),
                ("another type", key.sign("rekey-push-answer+jwt", &right)),
                ("a proof of a call", key.dpop(&right)),
                ("no algorithm", header(&|header| header["alg"] = "none".into())),
                ("another algorithm", header(&|header| header["alg"] = swapped.into())),
                ("a symmetric algorithm", header(&|header| header["alg"] = "HS256".into())),
                ("a critical header", header(&|header| header["crit"] = json!(["b64"]))),
                ("no signature", signed(&|_| ()).rsplit_once('.').unwrap().0.to_owned() + "."),
                ("yesterday", signed(&|claims| claims["iat"] = (now - 61 - 60).into())),
                ("tomorrow", signed(&|claims| claims["iat"] = (now + 121).into())),
                ("no time", signed(&|claims| drop(claims.as_object_mut().unwrap().remove("iat")))),
                ("another server", signed(&|claims| claims["htu"] = "https://other.example/activate".into())),
                ("another code", signed(&|claims| claims["activationCode"] = "AAAA-AAAA-AAAA-AAAA".into())),
                ("another name", signed(&|claims| claims["displayName"] = "Mallory's phone".into())),
                ("another address", signed(&|claims| claims["wakeUrl"] = "https://mallory.example/".into())),
                ("something left out", signed(&|claims| drop(claims.as_object_mut().unwrap().remove("wakeUrl")))),
            ];
            for (name, proof) in proofs {
                let mut body = good.clone();
                body["publicKey"] = key.jwk();
                body["proof"] = proof.into();
                let answer = Answer::of(app.http.post(&url).json(&body)).await;
                assert_eq!(answer.status, 400, "{} {name}: {}", key.algorithm(), answer.text);
                assert_eq!(answer.json["error"]["target"], "proof", "{name}: {}", answer.text);
            }
        }
        for jwk in [
            json!(null),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
            json!({"kty": "oct", "k": "c2VjcmV0"}),
            json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}),
        ] {
            let mut body = Key::p256().activation(&url, now, &about(&code));
            body["publicKey"] = jwk;
            let answer = Answer::of(app.http.post(&url).json(&body)).await.expect_error(400, "badRequest");
            assert!(!answer.text.contains("nWGxne"), "{}", answer.text);
        }
        for (name, change) in [
            ("displayName", json!("")),
            ("displayName", json!("a\u{7}b")),
            ("displayName", json!("x".repeat(257))),
            ("phoneAppVersion", json!("x".repeat(65))),
            ("wakeUrl", json!("http://push.example/")),
            ("wakeUrl", json!("push.example")),
            ("activationCode", json!("x".repeat(65))),
            ("activationCode", json!("AAAA-AAAA-AAAA-AAAA")),
            ("activationCode", json!("")),
            ("color", json!("red")),
        ] {
            let mut about = about(&code);
            about[name] = change;
            activate(&app, &Key::ed25519(), &about).await.expect_error(400, "badRequest");
        }
        assert_eq!(events(&app).await.len(), before);
        assert_eq!(app.get(&apps(USER)).await.expect(200).json["value"], json!([]));
        Device::activated(&app, Key::p256(), &about(&code)).await;
    })
    .await;
}

#[tokio::test]
async fn a_code_ends() {
    on_each_backend_with_own_clock(async |app| {
        add_member(&app, USER).await;
        let clock = app.app.store.context().clock.clone();
        let refused = async |code: &str| {
            activate(&app, &Key::ed25519(), &about(code)).await.expect_error(400, "badRequest");
        };
        // By time.
        let code = begin(&app, USER).await;
        clock.advance_seconds(600);
        refused(&code).await;
        // By a newer one.
        let older = begin(&app, USER).await;
        let code = begin(&app, USER).await;
        refused(&older).await;
        clock.advance_seconds(599);
        Device::activated(&app, Key::p256(), &about(&code)).await;
        // By a reset, which leaves nothing behind.
        let code = begin(&app, USER).await;
        app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({})).await.expect(200);
        refused(&code).await;
        // By another method that the user registered with the same token.
        let token = registration_token(&app, USER).await;
        let own = "/v1.0/me/authentication/microsoftAuthenticatorMethods";
        let begun = as_user(&app, &token, Method::POST, own, json!({})).await.expect(201).json;
        let list = "/v1.0/me/authentication/softwareOathMethods";
        let made = as_user(&app, &token, Method::POST, list, json!({})).await.expect(201).json;
        let at = u64::try_from(seconds(&app)).unwrap();
        let totp = Token::hardware(made["secretKey"].as_str().unwrap());
        let path = format!("{list}/{}/activate", made["id"].as_str().unwrap());
        as_user(&app, &token, Method::POST, &path, json!({"verificationCode": totp.code_at(at)})).await.expect(204);
        refused(begun["activationCode"].as_str().unwrap()).await;
        assert_eq!(app.get(&apps(USER)).await.expect(200).json["value"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_code_ends_with_the_right_of_whoever_began() {
    on_each_backend(async |app| {
        let user = add_member(&app, USER).await;
        let permissions = ["UserAuthMethod-MicrosoftAuthApp.ReadWrite.All"];
        let (id, application, _) = app.new_application(&app.tenant, &permissions).await;
        let issuer = app.app.issuer.clone();
        let made = application.clone();
        let token = app.app.store.read(move |tx| issuer.for_application(tx, &made, &made.secrets[0])).await.unwrap();
        let token = secrecy::ExposeSecret::expose_secret(&token).to_owned();
        let begun = as_user(&app, &token, Method::POST, &apps(USER), json!({})).await.expect(201).json;
        let disabled = rekey::store::applications::Application { is_enabled: false, ..application };
        let tenant = app.tenant.clone();
        app.app.store.write(&tenant, move |tx| rekey::store::applications::update(tx, &disabled)).await.unwrap();
        activate(&app, &Key::p256(), &about(begun["activationCode"].as_str().unwrap()))
            .await
            .expect_error(400, "badRequest");

        // And with the tenant's leave.
        let code = begin(&app, USER).await;
        let tenant = app.tenant.clone();
        let disable = app.app.store.write(&app.tenant, move |tx| {
            let mut policy = rekey::methods::policy::MethodsPolicy::of(tx, &tenant)?;
            policy.microsoft_authenticator.state = rekey::methods::policy::State::Disabled;
            policy.save(tx, &tenant)
        });
        disable.await.unwrap();
        activate(&app, &Key::p256(), &about(&code)).await.expect_error(400, "badRequest");
        app.post(&apps(USER), json!({})).await.expect_error(400, "badRequest");
        let _ = (user, id);
    })
    .await;
}

#[tokio::test]
async fn one_code_registers_one_app() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        let code = begin(&app, USER).await;
        let (url, now) = (activate_url(&app), seconds(&app));
        let mut all = JoinSet::new();
        for _ in 0..16 {
            let body = Key::ed25519().activation(&url, now, &about(&code));
            all.spawn(Answer::of(app.http.post(&url).json(&body)));
        }
        let mut statuses: Vec<_> = all.join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses[0], 201);
        assert!(statuses[1..].iter().all(|status| *status == 400), "{statuses:?}");
        assert_eq!(app.get(&apps(USER)).await.expect(200).json["value"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_user_has_five_at_most_in_total() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        for _ in 0..4 {
            Device::register(&app, USER, Key::ed25519()).await;
        }
        let code = begin(&app, USER).await;
        app.post(&format!("/v1.0/users/{USER}/authentication/softwareOathMethods"), json!({})).await.expect(201);
        let full = activate(&app, &Key::p256(), &about(&code)).await.expect_error(400, "badRequest");
        assert!(full.text.contains("at most 5"), "{}", full.text);
        app.post(&apps(USER), json!({})).await.expect_error(400, "badRequest");
    })
    .await;
}

#[tokio::test]
async fn who_may_not_begins_nothing() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        let reader = app.token_with(&app.tenant, &["UserAuthMethod-MicrosoftAuthApp.Read.All"]).await;
        as_user(&app, &reader, Method::POST, &apps(USER), json!({})).await.expect_error(403, "accessDenied");
        assert_eq!(last_event(&app).await.result, "failure");
        let other = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&other, &rekey::access::known_permissions()).await;
        as_user(&app, &stranger, Method::POST, &apps(USER), json!({}))
            .await
            .expect_error(404, "Request_ResourceNotFound");
        for body in [
            json!({"displayName": "a\u{7}b"}),
            json!({"displayName": "x".repeat(257)}),
            json!({"activationCode": "A"}),
            json!([]),
        ] {
            app.post(&apps(USER), body).await.expect_error(400, "badRequest");
        }
        // A code of one tenant registers in that tenant only, whatever else has the same name there.
        let theirs = add_user(&app, &other, "adele@fabrikam.example", UserType::Member).await;
        let begun = as_user(&app, &stranger, Method::POST, &apps(theirs.as_str()), json!({})).await.expect(201).json;
        let device =
            activate(&app, &Key::p256(), &about(begun["activationCode"].as_str().unwrap())).await.expect(201).json;
        assert_eq!((&device["tenantId"], &device["userId"]), (&json!(other), &json!(theirs)));
    })
    .await;
}

#[tokio::test]
async fn the_same_key_begins_once() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        let begin =
            || Answer::of(app.request(Method::POST, &apps(USER)).header("idempotency-key", "one").json(&json!({})));
        let (first, again) = (begin().await.expect(201), begin().await.expect(201));
        assert_eq!(first.json, again.json);
        assert_eq!(events(&app).await.len(), 1);
        Device::activated(&app, Key::p256(), &about(first.json["activationCode"].as_str().unwrap())).await;
    })
    .await;
}

#[tokio::test]
async fn a_device_updates_and_removes_itself() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        let device = Device::register(&app, USER, Key::p256()).await;
        let path = format!("{}/{}", apps(USER), device.id);
        let update = |body: Value| Answer::of(device.call(Method::PATCH, "").json(&body));
        let before = events(&app).await.len();
        for body in [
            json!({"phoneAppVersion": null}),
            json!({"phoneAppVersion": "x".repeat(65)}),
            json!({"wakeUrl": "http://push.example/"}),
            json!({"displayName": "Mine"}),
            json!({"publicKey": Key::p256().jwk()}),
        ] {
            update(body).await.expect_error(400, "badRequest");
        }
        update(json!({})).await.expect(204);
        assert_eq!(events(&app).await.len(), before);
        update(json!({"phoneAppVersion": "2.0", "wakeUrl": "https://push.example/very-secret"})).await.expect(204);
        assert_eq!(app.get(&path).await.expect(200).json["phoneAppVersion"], "2.0");
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "User updated security info");
        assert_eq!(
            seed::modified(&event),
            [("PhoneAppVersion".into(), Value::Null, json!("2.0")), ("WakeUrl".into(), Value::Null, json!("set"))]
        );
        update(json!({"wakeUrl": null})).await.expect(204);
        assert_unsaid(&app, "very-secret").await;

        Answer::of(device.call(Method::DELETE, "")).await.expect(204);
        assert_eq!(last_event(&app).await.activity_display_name, "User deleted security info");
        app.get(&path).await.expect_error(404, "resourceNotFound");
        Answer::of(device.call(Method::DELETE, "")).await.expect_error(401, "InvalidAuthenticationToken");
    })
    .await;
}
