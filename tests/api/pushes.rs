//! Push requests: who is let in by them, and who is not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    oath_fixtures::{add_member, assert_unsaid},
    support::{
        Answer, TestApp,
        authenticator::{Device, Key, begin, call_claims},
        database, on_each_backend, on_each_backend_with_own_clock,
    },
    totp::Token,
};

const USER: &str = "adele@contoso.example";

/// A sign-in of the user whose first factor was right; its address.
async fn sign_in(app: &TestApp) -> String {
    let body = json!({"userPrincipalName": USER, "firstFactor": {"type": "asserted"}});
    let session = app.post("/v1.0/signInSessions", body).await.expect(201).json;
    assert_eq!(session["status"], "mfaRequired", "{session}");
    format!("/v1.0/signInSessions/{}", session["id"].as_str().unwrap())
}

async fn challenge(app: &TestApp, session: &str, device: &Device) -> Answer {
    app.post(&format!("{session}/challenge"), json!({"methodId": device.id})).await
}

/// Sends a push; the number that the sign-in page shows.
async fn push(app: &TestApp, session: &str, device: &Device) -> String {
    let prompt = challenge(app, session, device).await.expect(200).json;
    assert_eq!(prompt["prompt"], "push", "{prompt}");
    prompt["number"].as_str().unwrap().to_owned()
}

fn wrong(number: &str) -> String {
    if number == "10" { "11".into() } else { "10".into() }
}

async fn status(app: &TestApp, session: &str) -> String {
    app.get(session).await.expect(200).json["status"].as_str().unwrap().to_owned()
}

/// A user with one app.
async fn with_app(app: &TestApp, key: Key) -> Device {
    add_member(app, USER).await;
    Device::register(app, USER, key).await
}

#[tokio::test]
async fn the_right_number_lets_the_user_in() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        for key in [Key::p256(), Key::ed25519()] {
            let device = Device::register(&app, USER, key).await;
            let session = sign_in(&app).await;
            let prompt = challenge(&app, &session, &device).await.expect(200).json;
            let number = prompt["number"].as_str().unwrap();
            assert!(number.len() == 2 && (10..=99).contains(&number.parse::<u8>().unwrap()), "{number}");
            assert!(prompt["expirationDateTime"].is_string());
            let request = device.request().await;
            assert_eq!(request["applicationDisplayName"], "Test application");
            assert_eq!(request["ipAddress"], "127.0.0.1");
            assert_eq!(request["expirationDateTime"], prompt["expirationDateTime"]);
            let nonce = URL_SAFE_NO_PAD.decode(request["nonce"].as_str().unwrap()).unwrap();
            assert!(nonce.len() >= 16);
            // The number is for the user to bring; nowhere does the device get it.
            let values: Vec<_> = request.as_object().unwrap().iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(
                values,
                ["id", "nonce", "applicationDisplayName", "ipAddress", "createdDateTime", "expirationDateTime"]
            );
            // Only the app can answer.
            let verify = format!("{session}/verify");
            let body = json!({"methodId": device.id, "verificationCode": number});
            let answer = app.post(&verify, body).await.expect_error(400, "badRequest");
            assert_eq!(answer.json["error"]["target"], "methodId");
            assert_eq!(status(&app, &session).await, "mfaRequired");

            let response = device.response(&request, "approve", Some(number));
            Answer::of(device.send(&request, &response)).await.expect(204);
            let done = app.get(&session).await.expect(200).json;
            assert_eq!(done["status"], "completed", "{done}");
            let claims = done["outcomeToken"].as_str().unwrap().split('.').nth(1).unwrap();
            let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
            assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["mfa", "swk", "user"]), &json!("aal2")));
            // Once.
            assert!(device.requests().await.is_empty());
            Answer::of(device.send(&request, &response)).await.expect_error(404, "resourceNotFound");
            assert_unsaid(&app, request["nonce"].as_str().unwrap()).await;
            app.delete(&format!("/v1.0/users/{USER}/authentication/microsoftAuthenticatorMethods/{}", device.id))
                .await
                .expect(204);
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_number_or_a_denial_ends_the_request() {
    on_each_backend(async |app| {
        let device = with_app(&app, Key::p256()).await;
        let session = sign_in(&app).await;
        let number = push(&app, &session, &device).await;
        let request = device.request().await;
        // To approve takes a number; saying nothing is no answer yet.
        Answer::of(device.send(&request, &device.response(&request, "approve", None)))
            .await
            .expect_error(400, "badRequest");
        let answer = device.approve(&request, &wrong(&number)).await.expect_error(400, "badRequest");
        assert_eq!(answer.json["error"]["target"], "number");
        device.approve(&request, &number).await.expect_error(404, "resourceNotFound");
        assert_eq!(status(&app, &session).await, "mfaRequired");

        let number = push(&app, &session, &device).await;
        let request = device.request().await;
        device.deny(&request).await.expect(204);
        device.approve(&request, &number).await.expect_error(404, "resourceNotFound");
        assert_eq!(status(&app, &session).await, "mfaRequired");
        // Both are in the log: told of the sign-in, not of the phone that answered.
        let rows = app.get("/v1.0/auditLogs/signIns").await.expect(200).json;
        for row in rows["value"].as_array().unwrap().iter().take(2) {
            assert_eq!(row["status"]["errorCode"], 500_121, "{row}");
            assert_eq!((&row["appDisplayName"], &row["userPrincipalName"]), (&json!("Test application"), &json!(USER)));
            assert_eq!(row["ipAddress"], request["ipAddress"]);
        }
        assert_eq!(rows["value"].as_array().unwrap().len(), 2);

        // The session still takes the right answer.
        let number = push(&app, &session, &device).await;
        device.approve(&device.request().await, &number).await.expect(204);
        assert_eq!(status(&app, &session).await, "completed");
    })
    .await;
}

#[tokio::test]
async fn a_request_waits_a_minute_and_alone() {
    on_each_backend_with_own_clock(async |app| {
        let device = with_app(&app, Key::ed25519()).await;
        let other = Device::register(&app, USER, Key::p256()).await;
        let clock = app.app.store.context().clock.clone();
        let (first, second) = (sign_in(&app).await, sign_in(&app).await);
        let number = push(&app, &first, &device).await;
        let request = device.request().await;
        clock.advance_seconds(20);
        for (session, device) in [(&first, &device), (&second, &device), (&second, &other)] {
            let refused = challenge(&app, session, device).await.expect_error(429, "TooManyRequests");
            assert_eq!(refused.headers["retry-after"], "40");
        }
        // Another device of the same user has nothing to do with it.
        assert!(other.requests().await.is_empty());
        other.approve(&request, &number).await.expect_error(404, "resourceNotFound");
        clock.advance_seconds(40);
        assert!(device.requests().await.is_empty());
        device.approve(&request, &number).await.expect_error(404, "resourceNotFound");
        assert_eq!(status(&app, &first).await, "mfaRequired");
        let number = push(&app, &second, &other).await;
        clock.advance_seconds(59);
        other.approve(&other.request().await, &number).await.expect(204);
        assert_eq!(status(&app, &second).await, "completed");
        assert_eq!(status(&app, &first).await, "mfaRequired");
    })
    .await;
}

#[tokio::test]
async fn three_pushes_that_came_to_nothing_pause_further_ones() {
    on_each_backend_with_own_clock(async |app| {
        let device = with_app(&app, Key::p256()).await;
        let clock = app.app.store.context().clock.clone();
        let list = format!("/v1.0/users/{USER}/authentication/softwareOathMethods");
        let made = app.post(&list, json!({})).await.expect(201).json;
        let (id, totp) = (made["id"].as_str().unwrap(), Token::hardware(made["secretKey"].as_str().unwrap()));
        let code = || json!({"methodId": id, "verificationCode": totp.code_at(device.seconds().try_into().unwrap())});
        app.post(&format!("{list}/{id}/activate"), json!({"verificationCode": code()["verificationCode"]}))
            .await
            .expect(204);

        // Three times in a row; an approval in between begins anew.
        let session = sign_in(&app).await;
        for _ in 0..2 {
            push(&app, &session, &device).await;
            device.deny(&device.request().await).await.expect(204);
        }
        let number = push(&app, &session, &device).await;
        device.approve(&device.request().await, &number).await.expect(204);

        let session = sign_in(&app).await;
        push(&app, &session, &device).await;
        clock.advance_seconds(60);
        push(&app, &session, &device).await;
        device.deny(&device.request().await).await.expect(204);
        push(&app, &session, &device).await;
        clock.advance_seconds(60);
        // Nobody has called since, and yet it counts.
        let paused = challenge(&app, &session, &device).await.expect_error(429, "TooManyRequests");
        assert_eq!(paused.headers["retry-after"], "840");
        assert_eq!(challenge(&app, &sign_in(&app).await, &device).await.status, 429);
        // Other methods work, and forgive nothing.
        let answer = app.post(&format!("{session}/verify"), code()).await.expect(200).json;
        assert_eq!(answer["status"], "completed", "{answer}");
        let session = sign_in(&app).await;
        challenge(&app, &session, &device).await.expect(429);

        // Growing: fifteen minutes, then thirty.
        clock.advance_seconds(840);
        let session = sign_in(&app).await;
        push(&app, &session, &device).await;
        clock.advance_seconds(60);
        let paused = challenge(&app, &session, &device).await.expect_error(429, "TooManyRequests");
        assert_eq!(paused.headers["retry-after"], "1740");
        // A reset forgives, as it takes the app away.
        app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({})).await.expect(200);
        let device = Device::register(&app, USER, Key::p256()).await;
        set_registered(&app).await;
        let session = sign_in(&app).await;
        push(&app, &session, &device).await;
    })
    .await;
}

/// As if the user had registered again.
async fn set_registered(app: &TestApp) {
    let tenant = app.tenant.clone();
    let write = app.app.store.write(&app.tenant, move |tx| {
        let user = rekey::store::users::find(tx, &tenant, USER)?.unwrap();
        let mut requirements = rekey::store::users::requirements(tx, &tenant, &user.user_id)?;
        requirements.registration_required_at = None;
        rekey::store::users::set_requirements(tx, &tenant, &user.user_id, &requirements)
    });
    write.await.unwrap();
}

#[tokio::test]
async fn one_answer_is_taken_once() {
    on_each_backend(async |app| {
        let device = with_app(&app, Key::ed25519()).await;
        for _ in 0..3 {
            let session = sign_in(&app).await;
            let number = push(&app, &session, &device).await;
            let request = device.request().await;
            let response = device.response(&request, "approve", Some(&number));
            let mut all = JoinSet::new();
            for _ in 0..16 {
                all.spawn(Answer::of(device.send(&request, &response)));
            }
            let mut statuses: Vec<_> = all.join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
            statuses.sort_unstable();
            assert_eq!(statuses[0], 204);
            assert!(statuses[1..].iter().all(|status| *status == 404), "{statuses:?}");
            assert_eq!(status(&app, &session).await, "completed");
        }
    })
    .await;
}

/// Every way in which the proof of a call can be wrong.
#[tokio::test]
async fn only_the_device_itself_is_answered() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        for (key, other, swapped) in [(Key::p256(), Key::p256(), "EdDSA"), (Key::ed25519(), Key::ed25519(), "ES256")] {
            let device = Device::register(&app, USER, key).await;
            let session = sign_in(&app).await;
            let number = push(&app, &session, &device).await;
            let request = device.request().await;
            let answer_path = format!("/requests/{}/answer", request["id"].as_str().unwrap());
            let body = json!({"response": device.response(&request, "approve", Some(&number))});
            let before = database::digest(&app);
            for (method, below) in [
                (Method::GET, "/requests"),
                (Method::POST, answer_path.as_str()),
                (Method::PATCH, ""),
                (Method::DELETE, ""),
            ] {
                let url = format!("{}{below}", device.url);
                let now = device.seconds();
                let right = call_claims(method.as_str(), &url, now);
                let claims = |name: &str, value: Value| {
                    let mut claims = right.clone();
                    claims[name] = value;
                    device.key.dpop(&claims)
                };
                let header = |name: &str, value: Value| {
                    let mut header = json!({"typ": "dpop+jwt", "alg": device.key.algorithm(), "jwk": device.key.jwk()});
                    header[name] = value;
                    device.key.jws(&header, &right)
                };
                let good = device.key.dpop(&right);
                let foreign =
                    other.jws(&json!({"typ": "dpop+jwt", "alg": other.algorithm(), "jwk": device.key.jwk()}), &right);
                let proofs = [
                    ("nothing", String::new()),
                    ("no JWS", "a.b.c".into()),
                    ("another key", other.dpop(&right)),
                    ("another key that claims to be ours", foreign),
                    ("no key", header("jwk", Value::Null)),
                    ("another key in the header", header("jwk", other.jwk())),
                    ("another type", header("typ", json!("rekey-push-answer+jwt"))),
                    ("no algorithm", header("alg", json!("none"))),
                    ("another algorithm", header("alg", json!(swapped))),
                    ("a symmetric algorithm", header("alg", json!("HS256"))),
                    ("a critical header", header("crit", json!(["exp"]))),
                    ("no signature", good.rsplit_once('.').unwrap().0.to_owned() + "."),
                    ("the access token", app.token.clone()),
                    ("too old", claims("iat", (now - 90).into())),
                    ("from the future", claims("iat", (now + 90).into())),
                    ("no time", claims("iat", Value::Null)),
                    ("another method", claims("htm", json!("PUT"))),
                    ("another address", claims("htu", json!(format!("{url}/other")))),
                    ("another server", claims("htu", json!(url.replace("127.0.0.1", "localhost")))),
                    ("no name", claims("jti", json!(""))),
                    ("a long name", claims("jti", json!("x".repeat(257)))),
                    ("a long proof", claims("jti", json!("x".repeat(9000)))),
                ];
                let send = |url: &str, headers: &[(&str, &str)]| {
                    let mut call = app.http.request(method.clone(), url);
                    for (name, value) in headers {
                        call = call.header(*name, *value);
                    }
                    if method == Method::GET || method == Method::DELETE {
                        call
                    } else {
                        call.json(if below.is_empty() { &Value::Null } else { &body })
                    }
                };
                let refused = async |name: &str, url: &str, headers: &[(&str, &str)]| {
                    let call = if below.is_empty() && method == Method::PATCH {
                        send(url, headers).json(&json!({"phoneAppVersion": "9"}))
                    } else {
                        send(url, headers)
                    };
                    let answer = Answer::of(call).await;
                    assert_eq!(answer.status, 401, "{method} {below} {name}: {}", answer.text);
                    assert_eq!(answer.headers["www-authenticate"], "DPoP algs=\"ES256 EdDSA\"", "{name}");
                    assert_eq!(answer.json["error"]["code"], "InvalidAuthenticationToken", "{name}");
                    answer.json["error"]["message"].as_str().unwrap().to_owned()
                };
                refused("no proof", &url, &[]).await;
                refused("a bearer token", &url, &[("authorization", &format!("Bearer {}", app.token))]).await;
                refused("two proofs", &url, &[("DPoP", &good), ("DPoP", &good)]).await;
                for (name, proof) in &proofs {
                    refused(name, &url, &[("DPoP", proof)]).await;
                }
                // An unknown device and a wrong signature are told alike.
                let nobody = device.url.replace(&device.id, "00000000-0000-0000-0000-000000000000");
                let claims = call_claims(method.as_str(), &format!("{nobody}{below}"), now);
                let unknown =
                    refused("unknown", &format!("{nobody}{below}"), &[("DPoP", &device.key.dpop(&claims))]).await;
                let forged = refused("forged", &url, &[("DPoP", &other.dpop(&right))]).await;
                assert_eq!(unknown, forged);
                let odd = format!(
                    "{}/x'y/{}{below}",
                    device.url.rsplit_once('/').unwrap().0.rsplit_once('/').unwrap().0,
                    device.id
                );
                assert_eq!(refused("no id", &odd, &[("DPoP", &good)]).await, forged);
            }
            assert_eq!(database::digest(&app), before, "a refused call changed the database");

            // What is signed must be signed by the device, for this request.
            let claims =
                json!({"requestId": request["id"], "nonce": request["nonce"], "decision": "approve", "number": number});
            let send = |response: String| Answer::of(device.send(&request, &response));
            send(other.sign("rekey-push-answer+jwt", &claims)).await.expect_error(401, "InvalidAuthenticationToken");
            send(device.key.sign("rekey-activation+jwt", &claims))
                .await
                .expect_error(401, "InvalidAuthenticationToken");
            for (name, value) in [("decision", json!("maybe")), ("decision", Value::Null), ("number", json!(42))] {
                let mut claims = claims.clone();
                claims[name] = value;
                send(device.key.sign("rekey-push-answer+jwt", &claims))
                    .await
                    .expect_error(401, "InvalidAuthenticationToken");
            }
            for (name, value) in
                [("requestId", json!("00000000-0000-0000-0000-000000000000")), ("nonce", json!("AAAA"))]
            {
                let mut claims = claims.clone();
                claims[name] = value;
                send(device.key.sign("rekey-push-answer+jwt", &claims)).await.expect_error(400, "badRequest");
            }
            assert_eq!(database::digest(&app), before, "a refused answer changed the database");
            Answer::of(device.send(&request, body["response"].as_str().unwrap())).await.expect(204);

            // Yesterday's answer does not fit today's request.
            let session = sign_in(&app).await;
            let number = push(&app, &session, &device).await;
            let new = device.request().await;
            Answer::of(device.send(&new, body["response"].as_str().unwrap())).await.expect_error(400, "badRequest");
            device.approve(&new, &number).await.expect(204);
            app.delete(&format!("/v1.0/users/{USER}/authentication/microsoftAuthenticatorMethods/{}", device.id))
                .await
                .expect(204);
        }
    })
    .await;
}

#[tokio::test]
async fn what_ends_the_sign_in_ends_the_request() {
    on_each_backend(async |app| {
        // A reset.
        let device = with_app(&app, Key::p256()).await;
        let session = sign_in(&app).await;
        let number = push(&app, &session, &device).await;
        let request = device.request().await;
        app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({})).await.expect(200);
        device.approve(&request, &number).await.expect_error(401, "InvalidAuthenticationToken");
        Answer::of(device.call(Method::GET, "/requests")).await.expect_error(401, "InvalidAuthenticationToken");
        assert_eq!(status(&app, &session).await, "refused");
        set_registered(&app).await;

        // A sign-out everywhere.
        let device = Device::register(&app, USER, Key::ed25519()).await;
        let session = sign_in(&app).await;
        let number = push(&app, &session, &device).await;
        let request = device.request().await;
        app.post(&format!("/v1.0/users/{USER}/revokeSignInSessions"), json!({})).await.expect(200);
        device.approve(&request, &number).await.expect_error(409, "conflict");
        assert_eq!(status(&app, &session).await, "refused");
        forget_pushes(&app).await;

        // The tenant does not allow apps any more.
        let session = sign_in(&app).await;
        let number = push(&app, &session, &device).await;
        let request = device.request().await;
        let set_policy = async |state| {
            let tenant = app.tenant.clone();
            let write = app.app.store.write(&app.tenant, move |tx| {
                let mut policy = rekey::methods::policy::MethodsPolicy::of(tx, &tenant)?;
                policy.microsoft_authenticator.state = state;
                policy.save(tx, &tenant)
            });
            write.await.unwrap();
        };
        set_policy(rekey::methods::policy::State::Disabled).await;
        device.approve(&request, &number).await.expect_error(409, "conflict");
        challenge(&app, &session, &device).await.expect_error(404, "resourceNotFound");
        set_policy(rekey::methods::policy::State::Enabled).await;

        // The session was completed another way.
        let list = format!("/v1.0/users/{USER}/authentication/softwareOathMethods");
        let made = app.post(&list, json!({})).await.expect(201).json;
        let totp = Token::hardware(made["secretKey"].as_str().unwrap());
        let id = made["id"].as_str().unwrap();
        app.post(&format!("{list}/{id}/activate"), json!({"verificationCode": totp.code()})).await.expect(204);
        let proof = json!({"methodId": id, "verificationCode": totp.next_code()});
        app.post(&format!("{session}/verify"), proof).await.expect(200);
        device.approve(&request, &number).await.expect_error(409, "conflict");
        forget_pushes(&app).await;

        // A disabled user, and then an app that is gone.
        let session = sign_in(&app).await;
        let number = push(&app, &session, &device).await;
        let request = device.request().await;
        app.patch(&format!("/v1.0/users/{USER}"), json!({"accountEnabled": false})).await.expect(204);
        device.approve(&request, &number).await.expect_error(401, "InvalidAuthenticationToken");
        app.patch(&format!("/v1.0/users/{USER}"), json!({"accountEnabled": true})).await.expect(204);
        app.delete(&format!("/v1.0/users/{USER}/authentication/microsoftAuthenticatorMethods/{}", device.id))
            .await
            .expect(204);
        device.approve(&request, &number).await.expect_error(401, "InvalidAuthenticationToken");
    })
    .await;
}

/// As if the minute of every open request were over, and nobody remembered it.
async fn forget_pushes(app: &TestApp) {
    let tenant = app.tenant.clone();
    let write = app.app.store.write(&app.tenant, move |tx| {
        use rekey::store::{challenges, guesses};
        let user = rekey::store::users::find(tx, &tenant, USER)?.unwrap();
        guesses::clear(tx, &tenant, user.user_id.as_str(), guesses::GuessKind::Push)?;
        challenges::delete_of_user(tx, &tenant, &user.user_id, challenges::Purpose::Push)
    });
    write.await.unwrap();
}

#[tokio::test]
async fn an_app_is_woken_and_told_nothing() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        let wake_url = "https://push.example/wake?token=very-secret";
        let code = begin(&app, USER).await;
        let about = json!({"activationCode": code, "displayName": "Phone", "wakeUrl": wake_url});
        let device = Device::activated(&app, Key::p256(), &about).await;
        let session = sign_in(&app).await;
        push(&app, &session, &device).await;
        let request = device.request().await;
        let rows = &database::digest(&app)["messages"];
        assert_eq!(rows.len(), 1, "{rows:?}");
        // tenant, id, channel, sealed message, ...
        let columns: Vec<_> = rows[0].trim_start_matches('(').split(',').map(|text| text.trim_matches('\'')).collect();
        assert_eq!((columns[0], columns[2]), (app.tenant.as_str(), "push"));
        assert!(!rows[0].contains("push.example"), "{}", rows[0]);
        let (tenant, id, sealed) = (app.tenant.clone(), columns[1].to_owned(), columns[3].to_owned());
        let open = app.app.store.read(move |tx| tx.open(&rekey::store::messages::place(&tenant, &id), &sealed));
        let message: Value = serde_json::from_slice(open.await.unwrap().expose_secret()).unwrap();
        assert_eq!((&message["to"], &message["expiresAt"]), (&json!(wake_url), &request["expirationDateTime"]));
        let text: Value = serde_json::from_str(message["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, json!({"type": "pushRequest", "deviceId": device.id, "requestId": request["id"]}));
        for (table, rows) in database::digest(&app) {
            assert!(rows.iter().all(|row| !row.contains("very-secret")), "{table}");
        }
    })
    .await;
}
