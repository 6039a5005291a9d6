//! Signing in: what lets a user in, and what does not.

use super::*;

#[tokio::test]
async fn nobody_learns_who_has_a_passkey() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        add_user(&app, OTHER).await;
        let mut device = VirtualPasskey::at(&app.base);
        register(&app, USER, &mut device).await;
        let shape = |mut asked: Value| {
            for varying in ["id", "expirationDateTime"] {
                asked.as_object_mut().unwrap().remove(varying);
            }
            if asked["publicKey"].is_object() {
                assert_eq!(asked["publicKey"]["challenge"].as_str().unwrap().len(), 43);
                asked["publicKey"]["challenge"] = Value::Null;
            }
            asked
        };
        let mut seen = vec![];
        // Somebody with a passkey, somebody without, nobody.
        for user in [USER, OTHER, "nobody@contoso.example"] {
            let session = begin_with_passkey(&app, user).await;
            let asked = app.post(&address(&session, "challenge"), json!({})).await.expect(200).json;
            assert_eq!(asked["publicKey"]["allowCredentials"], json!([]));
            let mut stranger = VirtualPasskey::at(&app.base);
            stranger.create(&options(&app, OTHER).await).await;
            let mut answer = stranger.get(&asked["publicKey"]).await;
            answer["id"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
            let mut refused = verify(&app, &session, &answer).await.expect(404).json;
            refused["error"]["innerError"] = Value::Null;
            seen.push((shape(session), shape(asked), refused));
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0], seen[2]);
    })
    .await;
}

#[tokio::test]
async fn wrong_answers_are_refused() {
    on_each_backend(async |app| {
        let id = add_user(&app, USER).await;
        let other = add_user(&app, OTHER).await;
        let mut device = VirtualPasskey::at(&app.base);
        register(&app, USER, &mut device).await;
        let mut others = VirtualPasskey::at(&app.base);
        register(&app, OTHER, &mut others).await;
        let session = begin_with_passkey(&app, USER).await;
        let refused = async |answer: &Value, what: &str| {
            let refused = verify(&app, &session, answer).await.expect_error(400, "badRequest");
            assert!(refused.text.contains(what), "{}", refused.text);
            assert_eq!(refused.json["error"]["target"], "publicKeyCredential");
            let stands = app.get(address(&session, "").trim_end_matches('/')).await.expect(200).json;
            assert_eq!(stands["status"], "mfaRequired");
        };

        let mut elsewhere = VirtualPasskey { origin: "http://localhost:1".parse().unwrap(), ..device.clone() };
        refused(&elsewhere.get(&challenge(&app, &session).await).await, "origin").await;
        let mut careless = VirtualPasskey { verifies: false, ..device.clone() };
        refused(&careless.get(&challenge(&app, &session).await).await, "verify the user").await;
        // A wrong signature uses the challenge up, too.
        let good = device.get(&challenge(&app, &session).await).await;
        let mut wrong = good.clone();
        let signature = wrong["response"]["signature"].as_str().unwrap();
        wrong["response"]["signature"] = json!(format!("{}AA", &signature[..signature.len() - 2]));
        refused(&wrong, "signature").await;
        refused(&good, "new challenge").await;
        // Somebody else's passkey is not found; and not under this user's id either.
        let mut answer = others.get(&challenge(&app, &session).await).await;
        verify(&app, &session, &answer).await.expect(404);
        answer["id"] = good["id"].clone();
        refused(&answer, "somebody else's").await;
        answer = device.get(&challenge(&app, &session).await).await;
        answer["response"]["userHandle"] = Value::Null;
        refused(&answer, "somebody else's").await;
        // Another session's challenge, an older one of this session, and an expired one.
        let another = begin_with_passkey(&app, USER).await;
        let theirs = device.get(&challenge(&app, &another).await).await;
        refused(&theirs, "new challenge").await;
        let old = device.get(&challenge(&app, &session).await).await;
        let new = challenge(&app, &session).await;
        refused(&old, "new challenge").await;
        let late = device.get(&new).await;
        expire(&app, &UserId::new(session["id"].as_str().unwrap()), Purpose::PasskeyAssertion).await;
        refused(&late, "new challenge").await;
        // Not WebAuthn's.
        for answer in [json!({}), json!([]), json!({"id": good["id"]}), json!("x"), json!({"id": "?"})] {
            verify(&app, &session, &answer).await.expect(400);
        }
        // All that hurt neither the other session nor this one.
        assert_eq!(verify(&app, &another, &theirs).await.expect(200).json["status"], "completed");
        let right = device.get(&challenge(&app, &session).await).await;
        assert_eq!(verify(&app, &session, &right).await.expect(200).json["status"], "completed");
        verify(&app, &session, &right).await.expect_error(409, "conflict");
        let tenant = app.tenant.clone();
        let used = app
            .app
            .store
            .read(move |tx| Ok((methods::of_user(tx, &tenant, &id)?, methods::of_user(tx, &tenant, &other)?)));
        let (used, unused) = used.await.unwrap();
        let is_used =
            |rows: &[methods::MethodRow]| rows.iter().any(|row| row.last_used_at.is_some() && row.kind == "fido2");
        assert!(is_used(&used) && !is_used(&unused));
        for (user, is_used) in [(USER, true), (OTHER, false)] {
            let shown = app.get(&passkeys(user)).await.expect(200).json;
            assert_eq!(shown["value"][0]["lastUsedDateTime"].is_string(), is_used, "{shown}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_challenge_for_one_passkey_takes_no_other() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let (mut blue, mut red) = (VirtualPasskey::at(&app.base), VirtualPasskey::at(&app.base));
        let blue_id = register(&app, USER, &mut blue).await;
        let red_id = register(&app, USER, &mut red).await;
        let session = begin_with_password(&app, USER).await;
        assert_eq!(challenge(&app, &session).await["allowCredentials"].as_array().unwrap().len(), 2);
        let ask = async |method: &str| {
            let asked = app.post(&address(&session, "challenge"), json!({"methodId": method})).await.expect(200).json;
            let allowed = asked["publicKey"]["allowCredentials"].as_array().unwrap();
            assert_eq!(allowed.len(), 1);
            asked["publicKey"].clone()
        };
        let mut asked = ask(&blue_id).await;
        asked["allowCredentials"] = json!([]);
        let answer = red.get(&asked).await;
        verify(&app, &session, &answer).await.expect_error(400, "badRequest");
        let answer = red.get(&ask(&red_id).await).await;
        let body = json!({"methodId": blue_id, "publicKeyCredential": answer});
        app.post(&address(&session, "verify"), body).await.expect_error(400, "badRequest");
        let body = json!({"methodId": red_id, "verificationCode": "123456"});
        app.post(&address(&session, "verify"), body).await.expect_error(400, "badRequest");
        let body = json!({"methodId": red_id, "publicKeyCredential": answer});
        assert_eq!(app.post(&address(&session, "verify"), body).await.expect(200).json["status"], "completed");
    })
    .await;
}

#[tokio::test]
async fn a_copied_passkey_is_noticed() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let mut device = VirtualPasskey::at(&app.base).counting();
        register(&app, USER, &mut device).await;
        let mut copy = device.clone();
        for _ in 0..2 {
            assert_eq!(sign_in(&app, USER, &mut device).await.expect(200).json["status"], "completed");
        }
        let refused = sign_in(&app, USER, &mut copy).await.expect_error(400, "badRequest");
        assert!(refused.text.contains("copied"), "{}", refused.text);
        assert_eq!(sign_in(&app, USER, &mut device).await.expect(200).json["status"], "completed");
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_accepted_once() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let mut device = VirtualPasskey::at(&app.base);
        register(&app, USER, &mut device).await;
        let session = begin_with_passkey(&app, USER).await;
        let answer = device.get(&challenge(&app, &session).await).await;
        let mut all = JoinSet::new();
        for _ in 0..16 {
            let body = json!({"publicKeyCredential": answer});
            all.spawn(Answer::of(app.request(Method::POST, &address(&session, "verify")).json(&body)));
        }
        let mut statuses: Vec<_> = all.join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200);
        assert!(statuses[1..].iter().all(|status| (400..500).contains(status)), "{statuses:?}");
    })
    .await;
}

#[tokio::test]
async fn a_disabled_user_is_nobody() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let mut device = VirtualPasskey::at(&app.base);
        register(&app, USER, &mut device).await;
        let session = begin_with_passkey(&app, USER).await;
        let answer = device.get(&challenge(&app, &session).await).await;
        app.patch(&format!("/v1.0/users/{USER}"), json!({"accountEnabled": false})).await.expect(204);
        verify(&app, &session, &answer).await.expect(404);
        sign_in(&app, USER, &mut device).await.expect(404);
    })
    .await;
}
