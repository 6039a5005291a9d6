//! Windows Hello for Business and platform credentials: registered by an independent authenticator, and signed in with.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::{add_member, last_event},
    sign_in_fixtures::{OWN, USER, as_user, assert, begin_with, path, reset},
    support::{Answer, TestApp, on_each_backend, seed},
    virtual_passkey::VirtualPasskey,
};

/// The collections, their kinds, and the names of their permissions.
const KINDS: [(&str, &str, &str); 2] = [
    ("windowsHelloForBusinessMethods", "windowsHelloForBusiness", "WindowsHello"),
    ("platformCredentialMethods", "platformCredential", "PlatformCred"),
];

fn list(user: &str, collection: &str) -> String {
    format!("/v1.0/users/{user}/authentication/{collection}")
}

async fn options(app: &TestApp, list: &str) -> Value {
    app.get(&format!("{list}/creationOptions")).await.expect(200).json["publicKey"].clone()
}

/// An administrator registers a key of the user's device; the answer.
async fn register(app: &TestApp, list: &str, device: &mut VirtualPasskey, more: Value) -> Answer {
    let credential = device.create(&options(app, list).await).await;
    let mut body = json!({"displayName": "Laptop", "publicKeyCredential": credential});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post(list, body).await
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_key_is_registered_shown_and_deleted() {
    on_each_backend(async |app| {
        let user = add_member(&app, USER).await;
        for (collection, kind, name) in KINDS {
            let list = list(USER, collection);
            let asked = options(&app, &list).await;
            assert_eq!(asked["authenticatorSelection"]["authenticatorAttachment"], "platform");
            assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
            let device = json!({"id": "6a59ea83-02bd-468f-a40b-f2c3d1821983", "displayName": "ADELE-LAPTOP"});
            let mut more = json!({"keyStrength": "normal", "device": device});
            if kind == "platformCredential" {
                more["platform"] = json!("macOS");
            }
            let made = register(&app, &list, &mut VirtualPasskey::at(&app.base), more).await.expect(201);
            let id = made.json["id"].as_str().unwrap();
            assert_eq!(
                made.headers["location"].to_str().unwrap(),
                format!("{}/v1.0/users/{user}/authentication/{collection}/{id}", app.base)
            );
            let event = last_event(&app).await;
            assert_eq!(event.activity_display_name, "Admin registered security info");
            assert_eq!(seed::detail(&event, "kind").as_deref(), Some(kind));
            assert_eq!(seed::detail(&event, "deviceId").as_deref(), device["id"].as_str());

            let context = format!("{}/v1.0/$metadata#users('{user}')/authentication", app.base);
            let mut bare = json!({"id": id, "displayName": "Laptop", "createdDateTime": made.json["createdDateTime"],
                                  "lastUsedDateTime": null, "keyStrength": "normal"});
            if kind == "platformCredential" {
                bare["platform"] = json!("macOS");
            }
            assert_eq!(app.get(&list).await.expect(200).json["value"], json!([bare]));
            let mut typed = bare.clone();
            typed["@odata.type"] = json!(format!("#microsoft.graph.{kind}AuthenticationMethod"));
            let all = app.get(&format!("/v1.0/users/{USER}/authentication/methods")).await.expect(200).json;
            assert!(all["value"].as_array().unwrap().contains(&typed), "{all}");
            // The device only where it is asked for, and only of one method.
            let mut entity = bare.clone();
            entity["@odata.context"] = json!(format!("{context}/{collection}/$entity"));
            assert_eq!(app.get(&format!("{list}/{id}")).await.expect(200).json, entity);
            entity["device"] = device;
            assert_eq!(app.get(&format!("{list}/{id}?$expand=device")).await.expect(200).json, entity);
            app.get(&format!("{list}/{id}?$expand=user")).await.expect_error(400, "badRequest");
            app.get(&format!("{list}?$expand=device")).await.expect_error(400, "badRequest");
            // Nobody said which device the second is of.
            let second = register(&app, &list, &mut VirtualPasskey::at(&app.base), json!({})).await.expect(201).json;
            let second = app.get(&format!("{list}/{}?$expand=device", second["id"].as_str().unwrap())).await.json;
            assert_eq!((&second["device"], &second["keyStrength"]), (&Value::Null, &json!("unknown")));
            assert!(second.as_object().unwrap().contains_key("device"));

            // The other kind's path does not find it; each kind has its own permissions.
            let others = KINDS.iter().find(|other| other.1 != kind).unwrap();
            let elsewhere = format!("/v1.0/users/{USER}/authentication/{}/{id}", others.0);
            app.get(&elsewhere).await.expect_error(404, "resourceNotFound");
            app.delete(&elsewhere).await.expect_error(404, "resourceNotFound");
            let one = format!("{list}/{id}");
            let read = app.token_with(&app.tenant, &[format!("UserAuthMethod-{name}.Read.All")]).await;
            let write = app.token_with(&app.tenant, &[format!("UserAuthMethod-{name}.ReadWrite.All")]).await;
            let other = app.token_with(&app.tenant, &[format!("UserAuthMethod-{}.ReadWrite.All", others.2)]).await;
            as_user(&app, &read, Method::GET, &one, json!({})).await.expect(200);
            as_user(&app, &other, Method::GET, &one, json!({})).await.expect_error(403, "accessDenied");
            for token in [&read, &other] {
                let options = format!("{list}/creationOptions");
                as_user(&app, token, Method::GET, &options, json!({})).await.expect_error(403, "accessDenied");
                as_user(&app, token, Method::DELETE, &one, json!({})).await.expect_error(403, "accessDenied");
            }
            as_user(&app, &write, Method::DELETE, &one, json!({})).await.expect(204);
            app.get(&one).await.expect_error(404, "resourceNotFound");
        }
    })
    .await;
}

#[tokio::test]
async fn it_signs_in_as_both_factors_and_makes_capable() {
    on_each_backend(async |app| {
        for (number, (collection, kind, _)) in KINDS.into_iter().enumerate() {
            let user = format!("user{number}@contoso.example");
            add_member(&app, &user).await;
            let mut device = VirtualPasskey::at(&app.base);
            let id =
                register(&app, &list(&user, collection), &mut device, json!({})).await.expect(201).json["id"].clone();
            let details = app.get(&format!("/v1.0/reports/authenticationMethods/userRegistrationDetails/{user}")).await;
            assert_eq!(details.json["methodsRegistered"], json!([kind]));
            for property in ["isMfaRegistered", "isMfaCapable", "isPasswordlessCapable"] {
                assert_eq!(details.json[property], true, "{property}");
            }
            assert_eq!(details.json["systemPreferredAuthenticationMethods"], json!(["fido2"]));
            // First, when nothing is known of the user; and second, by its id.
            for (first, body) in [("passkey", json!({})), ("asserted", json!({"methodId": id}))] {
                let session = begin_with(&app, &user, json!({"type": first})).await.expect(201).json;
                let asked = app.post(&format!("{}/challenge", path(&session)), body).await.expect(200).json;
                let answer = device.get(&asked["publicKey"]).await;
                let verify = format!("{}/verify", path(&session));
                let done = app.post(&verify, json!({"publicKeyCredential": answer})).await.expect(200).json;
                assert_eq!(done["status"], "completed", "{done}");
                let amr = claims(&done["outcomeToken"])["amr"].clone();
                assert!(amr.as_array().unwrap().contains(&json!("mfa")), "{amr}");
                app.post(&verify, json!({"publicKeyCredential": answer})).await.expect_error(409, "conflict");
            }
            // A reset keeps it, and it opens the registration that is due; named, it goes.
            let kept = reset(&app, &user, json!({})).await;
            assert_eq!((&kept["kept"][0]["id"], &kept["deleted"]), (&id, &json!([])));
            let gone = reset(&app, &user, json!({"alsoDelete": [kind]})).await;
            assert_eq!(gone["deleted"][0]["@odata.type"], format!("#microsoft.graph.{kind}AuthenticationMethod"));
            assert_eq!(gone["deleted"][0]["id"], id);
        }
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        add_member(&app, "alex@contoso.example").await;
        let hello = list(USER, KINDS[0].0);
        let platform = list(USER, KINDS[1].0);
        // Options of one kind are good for no other.
        let mut device = VirtualPasskey::at(&app.base);
        for (asked, answered) in
            [(&hello, platform.clone()), (&platform, hello.clone()), (&hello, list(USER, "fido2Methods"))]
        {
            let credential = device.clone().create(&options(&app, asked).await).await;
            let body = json!({"displayName": "Laptop", "publicKeyCredential": credential});
            let refused = app.post(&answered, body).await.expect_error(400, "badRequest");
            assert!(refused.text.contains("another kind"), "{}", refused.text);
        }
        // Not a device's own authenticator, or nobody says so.
        for said in [json!("cross-platform"), Value::Null] {
            let mut credential = device.clone().create(&options(&app, &hello).await).await;
            credential["authenticatorAttachment"] = said;
            let body = json!({"displayName": "Laptop", "publicKeyCredential": credential});
            let refused = app.post(&hello, body).await.expect_error(400, "badRequest");
            assert_eq!(refused.json["error"]["target"], "publicKeyCredential/authenticatorAttachment");
        }
        for more in [
            json!({"displayName": " "}),
            json!({"displayName": "x".repeat(257)}),
            json!({"keyStrength": "strong"}),
            json!({"platform": "macOS"}),
            json!({"device": {"id": ""}}),
            json!({"device": {"id": "x".repeat(65)}}),
        ] {
            register(&app, &hello, &mut device.clone(), more).await.expect_error(400, "badRequest");
        }
        register(&app, &platform, &mut device.clone(), json!({"platform": "macos"}))
            .await
            .expect_error(400, "badRequest");
        // A key is one user's and of one kind.
        let credential = device.create(&options(&app, &hello).await).await;
        let body = json!({"displayName": "Laptop", "publicKeyCredential": credential});
        app.post(&hello, body.clone()).await.expect(201);
        app.post(&hello, body).await.expect_error(400, "badRequest");
        let excluded = options(&app, &platform).await["excludeCredentials"].clone();
        assert_eq!(excluded[0]["id"], credential["id"]);
        assert_eq!(app.get(&hello).await.json["value"].as_array().unwrap().len(), 1);
        assert_eq!(app.get(&platform).await.json["value"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn users_register_their_own_unless_passkeys_are_restricted() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        let session = assert(&app, USER).await;
        let token = session["registrationToken"].as_str().unwrap();
        let fido2 = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/Fido2";
        let own = format!("{OWN}/{}", KINDS[1].0);
        let ask = async || as_user(&app, token, Method::GET, &format!("{own}/creationOptions"), json!({})).await;
        for restriction in [
            json!({"state": "disabled"}),
            json!({"isSelfServiceRegistrationAllowed": false}),
            json!({"isAttestationEnforced": true}),
            json!({"keyRestrictions": {"isEnforced": true, "enforcementType": "block", "aaGuids": []}}),
        ] {
            app.patch(fido2, restriction).await.expect(204);
            ask().await.expect_error(403, "accessDenied");
            // An administrator knows the device.
            options(&app, &list(USER, KINDS[1].0)).await;
            app.delete(fido2).await.expect(204);
        }
        let mut device = VirtualPasskey::at(&app.base);
        let credential = device.create(&ask().await.expect(200).json["publicKey"]).await;
        let body = json!({"displayName": "My Mac", "publicKeyCredential": credential});
        app.patch(fido2, json!({"isAttestationEnforced": true})).await.expect(204);
        as_user(&app, token, Method::POST, &own, body.clone()).await.expect_error(403, "accessDenied");
        app.delete(fido2).await.expect(204);
        as_user(&app, token, Method::POST, &own, body).await.expect(201);
        // That was the registration that was due.
        let session = app.get(&path(&session)).await.expect(200).json;
        assert_eq!(session["status"], "mfaRequired");
    })
    .await;
}
