//! Sign-in sessions: what lets a user in, and what does not.

use serde_json::{Value, json};

use crate::{
    sign_in_fixtures::{PASSWORD, USER, add_user, begin, read_own, register, verify},
    support::on_each_backend,
};

#[tokio::test]
async fn a_user_registers_signs_in_is_reset_and_must_register_again() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired", "{session}");
        let registration = session["registrationToken"].as_str().unwrap().to_owned();
        let (id, device) = register(&app, &registration).await;
        // The registration is done, and its token with it.
        read_own(&app, &registration).await.expect(401);

        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "mfaRequired", "{session}");
        assert_eq!(session["methods"][0]["id"], id);
        assert_eq!(session["methods"][0]["isDefault"], true);
        assert_eq!(session.get("outcomeToken"), None);
        // The activating code is spent.
        verify(&app, &session, &id, &device.code()).await.expect(400);
        let done = verify(&app, &session, &id, &device.next_code()).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");
        let outcome = done["outcomeToken"].as_str().unwrap().to_owned();
        read_own(&app, &outcome).await.expect(200);

        app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({})).await.expect(200);
        let session_path = format!("/v1.0/signInSessions/{}", session["id"].as_str().unwrap());
        assert_eq!(app.get(&session_path).await.expect(200).json["status"], "refused");
        read_own(&app, &outcome).await.expect(401);
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired", "{session}");
        verify(&app, &session, &id, &device.next_code()).await.expect(404);
        let (id, device) = register(&app, session["registrationToken"].as_str().unwrap()).await;
        let done = verify(&app, &session, &id, &device.next_code()).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_look_alike() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let shape = |mut answer: Value| {
            for varying in ["id", "expirationDateTime"] {
                assert!(answer[varying].is_string());
                answer[varying] = Value::Null;
            }
            answer
        };
        for _ in 0..5 {
            let known = begin(&app, USER, "wrong password").await.expect(201).json;
            let unknown = begin(&app, "nobody@contoso.example", "wrong password").await.expect(201).json;
            assert_eq!(known["status"], "refused");
            assert_eq!(shape(known), shape(unknown));
        }
        // Now both have to wait, even with the right password.
        for (user, password) in [(USER, PASSWORD), ("NOBODY@contoso.example", "wrong password")] {
            let answer = begin(&app, user, password).await.expect_error(429, "TooManyRequests");
            assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        }
    })
    .await;
}
