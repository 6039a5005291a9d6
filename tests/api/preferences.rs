//! The default method of a user.

use rekey::{methods::phone::PhoneType, roles::Role};
use serde_json::{Value, json};

use crate::support::{Answer, on_each_backend, seed};

const MOBILE: &str = "3179e48a-750b-4051-897c-87b9720928f7";
const ALTERNATE: &str = "b6332ec1-7057-4abe-9331-3d72feddfe41";
const OFFICE: &str = "e37fc753-ff3b-4958-9484-eaa9425c82bc";
const PREFERRED: &str = "userPreferredMethodForSecondaryAuthentication";

#[tokio::test]
async fn the_default_is_one_that_the_user_has() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("/v1.0/users/{}/authentication/signInPreferences", user.user_id);
        let context = format!("{}/v1.0/$metadata#users('{}')/authentication/signInPreferences", app.base, user.user_id);
        let expected = json!({"@odata.context": context, "isSystemPreferredAuthenticationMethodEnabled": true,
                              PREFERRED: null, "systemPreferredAuthenticationMethod": null});
        assert_eq!(app.get(&path).await.expect(200).json, expected);
        for word in ["push", "oath", "voiceMobile", "voiceAlternateMobile", "voiceOffice", "sms"] {
            let refused = app.patch(&path, json!({PREFERRED: word})).await.expect_error(400, "badRequest");
            assert_eq!(refused.json["error"]["target"], PREFERRED);
        }
        seed::phone(&app, &user, PhoneType::Mobile, "+1 2065550100").await;
        for word in ["sms", "voiceMobile"] {
            app.patch(&path, json!({PREFERRED: word})).await.expect(204);
            assert_eq!(app.get(&path).await.json[PREFERRED], word);
        }
        let event = seed::events(&app).await.remove(0);
        assert_eq!(event.activity_display_name, "Admin changed default security info");
        assert_eq!(seed::modified(&event)[0], ("DefaultMethod".into(), json!("sms"), json!("voiceMobile")));
        app.patch(&path, json!({PREFERRED: "voiceOffice"})).await.expect_error(400, "badRequest");

        let before = seed::events(&app).await.len();
        for body in [
            json!({PREFERRED: "carrierPigeon"}),
            json!({PREFERRED: "none"}),
            json!({PREFERRED: "SMS"}),
            json!({PREFERRED: ["sms"]}),
            json!({"isSystemPreferredAuthenticationMethodEnabled": null}),
            json!({"isSystemPreferredAuthenticationMethodEnabled": "true"}),
            json!({"systemPreferredAuthenticationMethod": "sms"}),
        ] {
            app.patch(&path, body).await.expect_error(400, "badRequest");
        }
        app.patch(&path, json!({})).await.expect(204);
        // What a client does not know it sends back like that, and means no change.
        app.patch(&path, json!({PREFERRED: "unknownFutureValue"})).await.expect(204);
        assert_eq!(seed::events(&app).await.len(), before);

        app.patch(&path, json!({"isSystemPreferredAuthenticationMethodEnabled": false})).await.expect(204);
        let read = app.get(&path).await.json;
        assert_eq!(
            (&read["isSystemPreferredAuthenticationMethodEnabled"], &read[PREFERRED]),
            (&json!(false), &json!("voiceMobile"))
        );
        app.patch(&path, json!({PREFERRED: null})).await.expect(204);
        assert_eq!(app.get(&path).await.json[PREFERRED], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn the_default_moves_when_it_is_deleted() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let ids = seed::every_kind(&app, &user).await;
        let base = format!("/v1.0/users/{}/authentication", user.user_id);
        let path = format!("{base}/signInPreferences");
        for (word, collection, id) in [
            ("voiceAlternateMobile", "phoneMethods", ALTERNATE),
            ("voiceOffice", "phoneMethods", OFFICE),
            ("push", "microsoftAuthenticatorMethods", ids.authenticator.as_str()),
            ("sms", "phoneMethods", MOBILE),
        ] {
            app.patch(&path, json!({PREFERRED: word})).await.expect(204);
            // Another method's end does not touch it.
            assert_eq!(app.get(&path).await.json[PREFERRED], word);
            app.delete(&format!("{base}/{collection}/{id}")).await.expect(204);
            assert_eq!(app.get(&path).await.json[PREFERRED], Value::Null);
            assert_eq!(seed::requirements(&app, &user).await.preferred_method, None);
            let event = seed::events(&app).await.remove(0);
            assert!(seed::modified(&event).contains(&("DefaultMethod".into(), json!(word), Value::Null)));
        }
        app.patch(&path, json!({PREFERRED: "oath"})).await.expect(204);
        app.delete(&format!("{base}/fido2Methods/{}", ids.passkey)).await.expect(204);
        assert_eq!(app.get(&path).await.json[PREFERRED], "oath");
    })
    .await;
}

/// Microsoft's order: pass, passkey, push, codes, telephony.
#[tokio::test]
async fn the_system_prefers_the_strongest() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let ids = seed::every_kind(&app, &user).await;
        let base = format!("/v1.0/users/{}/authentication", user.user_id);
        let preferred = async || {
            app.get(&format!("{base}/signInPreferences")).await.json["systemPreferredAuthenticationMethod"].clone()
        };
        assert_eq!(preferred().await, "temporaryAccessPass");
        app.delete(&format!("{base}/temporaryAccessPassMethods/{}", ids.pass)).await.expect(204);
        assert_eq!(preferred().await, "fido2");
        app.delete(&format!("{base}/fido2Methods/{}", ids.passkey)).await.expect(204);
        assert_eq!(preferred().await, "push");
        app.delete(&format!("{base}/microsoftAuthenticatorMethods/{}", ids.authenticator)).await.expect(204);
        assert_eq!(preferred().await, "oath");
        // A pass that is not usable yet is not asked for.
        let later = rekey::clock::Clock::System.now().plus_minutes(60).to_iso();
        app.post(&format!("{base}/temporaryAccessPassMethods"), json!({"startDateTime": later})).await.expect(201);
        assert_eq!(preferred().await, "oath");
        // A reset takes the tokens away: unfinished and deactivated ones count for nothing.
        app.post(&format!("{base}/resetMfa"), json!({})).await.expect(200);
        assert_eq!(preferred().await, Value::Null);
        seed::phone(&app, &user, PhoneType::Office, "+1 2065550133").await;
        assert_eq!(preferred().await, "voiceOffice");
        seed::phone(&app, &user, PhoneType::AlternateMobile, "+1 2065550122").await;
        assert_eq!(preferred().await, "voiceAlternateMobile");
        seed::phone(&app, &user, PhoneType::Mobile, "+1 2065550100").await;
        assert_eq!(preferred().await, "sms");
    })
    .await;
}

#[tokio::test]
async fn it_takes_the_right() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("{}/v1.0/users/{}/authentication/signInPreferences", app.base, user.user_id);
        let read = app.token_with(&app.tenant, &["UserAuthenticationMethod.Read.All"]).await;
        let phone = app.token_with(&app.tenant, &["UserAuthMethod-Phone.ReadWrite.All"]).await;
        let body = json!({"isSystemPreferredAuthenticationMethodEnabled": false});
        Answer::of(app.http.get(&path).bearer_auth(&read)).await.expect(200);
        Answer::of(app.http.get(&path).bearer_auth(&phone)).await.expect_error(403, "accessDenied");
        for token in [&read, &phone] {
            let change = app.http.patch(&path).json(&body).bearer_auth(token);
            Answer::of(change).await.expect_error(403, "accessDenied");
            let event = seed::events(&app).await.remove(0);
            assert_eq!(
                (event.activity_display_name.as_str(), event.result.as_str()),
                ("Admin changed default security info", "failure")
            );
        }
        let (_, admin) = seed::admin(&app, "admin", Role::AuthenticationAdministrator).await;
        Answer::of(app.http.patch(&path).json(&body).bearer_auth(&admin)).await.expect(204);
        app.get("/v1.0/users/nobody/authentication/signInPreferences")
            .await
            .expect_error(404, "Request_ResourceNotFound");
    })
    .await;
}
