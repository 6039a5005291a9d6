//! Providers outside and their methods: kept, shown, reported and reset, and never mistaken for a second factor.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::{add_member, last_event},
    sign_in_fixtures::{OWN, USER, as_user, assert, path, register, reset},
    support::{TestApp, on_each_backend, seed},
};

const CONFIGURATIONS: &str = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations";
const TYPE: &str = "#microsoft.graph.externalAuthenticationMethodConfiguration";

fn provider(name: &str) -> Value {
    json!({
        "@odata.type": TYPE,
        "state": "enabled",
        "displayName": name,
        "appId": "55A8A3F5-7F1C-4D2B-9D0E-4A1E0A1F1D7E",
        "openIdConnectSetting": {
            "clientId": "contoso",
            "discoveryUrl": "https://login.adatum.example/.well-known/openid-configuration",
        },
    })
}

async fn add_provider(app: &TestApp, name: &str) -> String {
    app.post(CONFIGURATIONS, provider(name)).await.expect(201).json["id"].as_str().unwrap().to_owned()
}

fn list(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication/externalAuthenticationMethods")
}

#[tokio::test]
async fn providers_are_added_changed_and_removed() {
    on_each_backend(async |app| {
        let mut unsaid = provider("Adatum");
        unsaid.as_object_mut().unwrap().shift_remove("state");
        let made = app.post(CONFIGURATIONS, unsaid).await.expect(201);
        let id = made.json["id"].as_str().unwrap().to_owned();
        let one = format!("{CONFIGURATIONS}/{id}");
        assert_eq!(made.headers["location"].to_str().unwrap(), format!("{}{one}", app.base));
        let mut expected = provider("Adatum");
        expected["id"] = json!(id);
        expected["state"] = json!("disabled");
        expected["appId"] = json!("55a8a3f5-7f1c-4d2b-9d0e-4a1e0a1f1d7e");
        expected["excludeTargets"] = json!([]);
        expected["includeTargets"] =
            json!([{"id": "all_users", "targetType": "group", "isRegistrationRequired": false}]);
        let mut read =
            app.get(&one.to_uppercase().replace(&CONFIGURATIONS.to_uppercase(), CONFIGURATIONS)).await.expect(200).json;
        read.as_object_mut().unwrap().shift_remove("@odata.context");
        assert_eq!(read, expected);
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "Authentication Methods Policy Update");
        assert!(event.modified_properties.contains("Adatum"));
        // In the list and in the policy, behind the kinds.
        let all = app.get(CONFIGURATIONS).await.expect(200).json;
        assert_eq!(*all["value"].as_array().unwrap().last().unwrap(), expected);
        let policy = app.get("/v1.0/policies/authenticationMethodsPolicy").await.json;
        assert_eq!(policy["authenticationMethodConfigurations"], all["value"]);
        // Written back as it is, it changes nothing.
        let events = seed::events(&app).await.len();
        app.patch(&one, expected.clone()).await.expect(204);
        assert_eq!(seed::events(&app).await.len(), events);
        let change = json!({"@odata.type": TYPE, "state": "enabled", "displayName": "Adatum MFA",
                            "openIdConnectSetting": {"clientId": "contoso-2"}});
        app.patch(&one, change).await.expect(204);
        let read = app.get(&one).await.json;
        assert_eq!((&read["state"], &read["displayName"]), (&json!("enabled"), &json!("Adatum MFA")));
        assert_eq!(read["openIdConnectSetting"]["clientId"], "contoso-2");
        assert_eq!(read["openIdConnectSetting"]["discoveryUrl"], expected["openIdConnectSetting"]["discoveryUrl"]);

        add_provider(&app, "Proseware").await;
        let events = seed::events(&app).await.len();
        for wrong in [
            json!({"displayName": "proseware"}),
            json!({"displayName": ""}),
            json!({"appId": "adatum"}),
            json!({"openIdConnectSetting": {"discoveryUrl": "http://login.adatum.example/"}}),
            json!({"openIdConnectSetting": {"clientId": " "}}),
            json!({"isAttestationEnforced": true}),
            json!({"@odata.type": "#microsoft.graph.fido2AuthenticationMethodConfiguration"}),
            json!({"id": "Fido2"}),
        ] {
            app.patch(&one, wrong).await.expect_error(400, "badRequest");
        }
        for (name, value) in [
            ("displayName", json!("Proseware")),
            ("appId", json!(null)),
            ("openIdConnectSetting", json!({"clientId": "x"})),
            ("includeTargets", json!([{"id": "nobody", "targetType": "user"}])),
        ] {
            let mut body = provider("Third");
            body[name] = value;
            app.post(CONFIGURATIONS, body).await.expect_error(400, "badRequest");
        }
        assert_eq!(seed::events(&app).await.len(), events);
        // Whoever may only read does not add.
        let reader = app.token_with(&app.tenant, &["Policy.Read.All"]).await;
        as_user(&app, &reader, Method::POST, CONFIGURATIONS, provider("Third")).await.expect_error(403, "accessDenied");
        app.delete(&one).await.expect(204);
        app.get(&one).await.expect_error(404, "resourceNotFound");
        app.delete(&one).await.expect_error(404, "resourceNotFound");
        for number in 0..19 {
            add_provider(&app, &format!("Provider {number}")).await;
        }
        app.post(CONFIGURATIONS, provider("One too many")).await.expect_error(400, "badRequest");
    })
    .await;
}

#[tokio::test]
async fn a_method_takes_a_provider_that_is_enabled_for_the_user() {
    on_each_backend(async |app| {
        let user = add_member(&app, USER).await;
        let adatum = add_provider(&app, "Adatum").await;
        let one = format!("{CONFIGURATIONS}/{adatum}");
        let list = list(USER);
        let body = json!({"configurationId": adatum.to_uppercase(), "displayName": "Adatum"});
        app.patch(&one, json!({"state": "disabled"})).await.expect(204);
        app.post(&list, body.clone()).await.expect_error(400, "badRequest");
        let excluded = json!({"state": "enabled", "excludeTargets": [{"id": user.as_str(), "targetType": "user"}]});
        app.patch(&one, excluded).await.expect(204);
        app.post(&list, body.clone()).await.expect_error(400, "badRequest");
        app.patch(&one, json!({"excludeTargets": []})).await.expect(204);
        for wrong in [
            json!({"configurationId": "Fido2", "displayName": "Adatum"}),
            json!({"configurationId": "6a59ea83-02bd-468f-a40b-f2c3d1821983", "displayName": "Adatum"}),
            json!({"configurationId": adatum, "displayName": ""}),
            json!({"configurationId": adatum}),
        ] {
            app.post(&list, wrong).await.expect_error(400, "badRequest");
        }
        let made = app.post(&list, body.clone()).await.expect(201).json;
        let bare = json!({"id": made["id"], "configurationId": adatum, "displayName": "Adatum",
                          "createdDateTime": made["createdDateTime"], "lastUsedDateTime": null});
        assert_eq!(app.get(&list).await.expect(200).json["value"], json!([bare]));
        let mut typed = bare.clone();
        typed["@odata.type"] = json!("#microsoft.graph.externalAuthenticationMethod");
        let all = app.get(&format!("/v1.0/users/{USER}/authentication/methods")).await.expect(200).json;
        assert_eq!(all["value"], json!([typed]));
        let one_method = format!("{list}/{}", made["id"].as_str().unwrap());
        assert_eq!(app.get(&one_method).await.expect(200).json["configurationId"], json!(adatum));
        app.post(&list, body).await.expect_error(409, "conflict");
        assert_eq!(seed::detail(&last_event(&app).await, "configurationId"), Some(adatum.clone()));

        // The provider goes; the method stays, as at Graph, until somebody deletes it.
        app.delete(&one).await.expect(204);
        app.get(&one_method).await.expect(200);
        app.delete(&one_method).await.expect(204);
        app.get(&one_method).await.expect_error(404, "resourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn it_proves_nobody_and_makes_nobody_capable() {
    on_each_backend(async |app| {
        let adatum = add_provider(&app, "Adatum").await;
        add_member(&app, USER).await;
        let body = json!({"configurationId": adatum, "displayName": "Adatum"});
        let made = app.post(&list(USER), body.clone()).await.expect(201).json;
        let report = format!("/v1.0/reports/authenticationMethods/userRegistrationDetails/{USER}");
        let details = app.get(&report).await.expect(200).json;
        assert_eq!(details["methodsRegistered"], json!(["externalAuthMethod"]));
        for property in ["isMfaRegistered", "isMfaCapable", "isPasswordlessCapable"] {
            assert_eq!(details[property], false, "{property}");
        }
        // Whoever has nothing else must register; nobody registers or removes such a method himself.
        let session = assert(&app, USER).await;
        assert_eq!(session["status"], "registrationRequired");
        let token = session["registrationToken"].as_str().unwrap();
        let own = format!("{OWN}/externalAuthenticationMethods");
        as_user(&app, token, Method::POST, &own, body).await.expect_error(403, "accessDenied");
        as_user(&app, token, Method::GET, &own, json!({})).await.expect(200);
        register(&app, token).await;
        let mine = format!("{own}/{}", made["id"].as_str().unwrap());
        as_user(&app, token, Method::DELETE, &mine, json!({})).await.expect(401);

        // Beside another method it is not among those to choose from, and says why.
        let session = assert(&app, USER).await;
        assert_eq!(session["methods"].as_array().unwrap().len(), 1);
        let challenge = format!("{}/challenge", path(&session));
        let refused = app.post(&challenge, json!({"methodId": made["id"]})).await.expect_error(400, "badRequest");
        assert!(refused.text.contains("external provider"), "{}", refused.text);
        let verify = json!({"methodId": made["id"], "verificationCode": "123456"});
        app.post(&format!("{}/verify", path(&session)), verify).await.expect_error(400, "badRequest");

        let kept = reset(&app, USER, json!({})).await;
        assert_eq!(kept["kept"][0]["id"], made["id"]);
        let gone = reset(&app, USER, json!({"alsoDelete": ["externalAuthenticationMethod"]})).await;
        assert_eq!(gone["deleted"][0]["@odata.type"], "#microsoft.graph.externalAuthenticationMethod");
    })
    .await;
}
