//! A reset before, between and after.

use super::*;
use crate::support::database;

async fn reset(app: &TestApp, body: Value) {
    app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), body).await.expect(200);
}

#[tokio::test]
async fn a_kept_passkey_opens_a_registration_and_nothing_else() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let mut device = VirtualPasskey::at(&app.base);
        register(&app, USER, &mut device).await;
        reset(&app, json!({})).await;
        assert_eq!(count(&app, USER).await, 1);
        database::execute(&app, "UPDATE tenants SET registration_proof = 'temporaryAccessPass'");
        // The password alone does not open it any more; with the passkey it does.
        let session = begin_with_password(&app, USER).await;
        assert_eq!((&session["status"], session.get("registrationToken")), (&json!("registrationRequired"), None));
        let answer = device.get(&challenge(&app, &session).await).await;
        let opened = verify(&app, &session, &answer).await.expect(200).json;
        assert_eq!((&opened["status"], opened.get("outcomeToken")), (&json!("registrationRequired"), None));
        assert!(opened["registrationToken"].is_string());

        let opened = sign_in(&app, USER, &mut device).await.expect(200).json;
        assert_eq!((&opened["status"], opened.get("outcomeToken")), (&json!("registrationRequired"), None));
        let token = opened["registrationToken"].as_str().unwrap();
        let mine = "/v1.0/me/authentication/fido2Methods";
        let path = format!("{mine}/creationOptions");
        let options = as_user(&app, token, Method::GET, &path, json!({})).await.expect(200).json;
        let mut new = VirtualPasskey::at(&app.base);
        let credential = new.create(&options["publicKey"]).await;
        as_user(&app, token, Method::POST, mine, json!({"publicKeyCredential": credential})).await.expect(201);
        for device in [&mut device, &mut new] {
            assert_eq!(sign_in(&app, USER, device).await.expect(200).json["status"], "completed");
        }
    })
    .await;
}

#[tokio::test]
async fn a_reset_ends_what_was_begun() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let mut device = VirtualPasskey::at(&app.base);
        register(&app, USER, &mut device).await;
        // Between the options and the registration.
        let mut new = VirtualPasskey::at(&app.base);
        let credential = new.create(&options(&app, USER).await).await;
        // Between the challenge and the answer, first factor and second.
        let first = begin_with_passkey(&app, USER).await;
        let first_answer = device.get(&challenge(&app, &first).await).await;
        let second = begin_with_password(&app, USER).await;
        let second_answer = device.get(&challenge(&app, &second).await).await;
        // After the end.
        let done = sign_in(&app, USER, &mut device).await.expect(200).json;
        let outcome = done["outcomeToken"].as_str().unwrap();

        reset(&app, json!({"alsoDelete": ["fido2"]})).await;
        post(&app, USER, &credential).await.expect_error(400, "badRequest");
        verify(&app, &first, &first_answer).await.expect_error(409, "conflict");
        verify(&app, &second, &second_answer).await.expect_error(409, "conflict");
        app.post(&address(&first, "challenge"), json!({})).await.expect_error(409, "conflict");
        as_user(&app, outcome, Method::GET, "/v1.0/me/authentication/methods", json!({})).await.expect(401);
        assert_eq!(count(&app, USER).await, 0);
        sign_in(&app, USER, &mut device).await.expect(404);
        let session = begin_with_password(&app, USER).await;
        assert_eq!(session["status"], "registrationRequired");
        app.post(&address(&session, "challenge"), json!({})).await.expect_error(400, "badRequest");
    })
    .await;
}

/// A key that was stolen opens nothing any more, and what it has opened is over.
#[tokio::test]
async fn a_deleted_passkey_ends_what_it_has_opened() {
    on_each_backend(async |app| {
        add_user(&app, USER).await;
        let (mut stolen, mut own) = (VirtualPasskey::at(&app.base), VirtualPasskey::at(&app.base));
        let id = register(&app, USER, &mut stolen).await;
        register(&app, USER, &mut own).await;
        let outcome = async |device: &mut VirtualPasskey| {
            let done = sign_in(&app, USER, device).await.expect(200).json;
            assert_eq!(done["status"], "completed", "{done}");
            done["outcomeToken"].as_str().unwrap().to_owned()
        };
        let (of_thief, of_owner) = (outcome(&mut stolen).await, outcome(&mut own).await);
        app.delete(&format!("{}/{id}", passkeys(USER))).await.expect(204);
        let mine =
            async |token: &str| as_user(&app, token, Method::GET, "/v1.0/me/authentication/methods", json!({})).await;
        mine(&of_thief).await.expect_error(401, "InvalidAuthenticationToken");
        mine(&of_owner).await.expect(200);
    })
    .await;
}
