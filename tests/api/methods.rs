//! All methods of a user, and the collections of the kinds that only list and delete.

use rekey::{methods::MethodKind, roles::Role};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_each_backend, seed, seed::CREATED};

const PASSWORD: &str = "28c10230-6103-485e-b985-444c60001490";
const MOBILE: &str = "3179e48a-750b-4051-897c-87b9720928f7";
const ALTERNATE: &str = "b6332ec1-7057-4abe-9331-3d72feddfe41";
const OFFICE: &str = "e37fc753-ff3b-4958-9484-eaa9425c82bc";
const EMAIL: &str = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f";

async fn get_as(app: &TestApp, token: &str, path: &str) -> Answer {
    Answer::of(app.http.get(format!("{}{path}", app.base)).bearer_auth(token)).await
}

async fn delete_as(app: &TestApp, token: &str, path: &str) -> Answer {
    Answer::of(app.http.delete(format!("{}{path}", app.base)).bearer_auth(token)).await
}

/// The item of a list with this id.
fn item<'a>(list: &'a Value, id: &str) -> &'a Value {
    let items = list["value"].as_array().unwrap();
    items.iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("no {id} in {list}"))
}

#[tokio::test]
async fn every_kind_is_listed_with_its_properties() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let ids = seed::every_kind(&app, &user).await;
        let base = format!("/v1.0/users/{}/authentication", user.user_principal_name);
        let list = app.get(&format!("{base}/methods")).await.expect(200);
        let context = format!("{}/v1.0/$metadata#users('{}')/authentication", app.base, user.user_id);
        assert_eq!(list.json["@odata.context"], format!("{context}/methods"));
        assert!(list.text.starts_with("{\"@odata.context\":"), "{}", list.text);
        assert_eq!(list.json["value"].as_array().unwrap().len(), 12);

        let device = |id: &str, number: u32, status: &str| {
            json!({
                "id": id, "displayName": null, "createdDateTime": format!("2026-01-02T03:04:05.00000{number}Z"),
                "lastUsedDateTime": null,
                "device": {
                    "id": id, "displayName": null, "serialNumber": format!("adele@contoso.example-{number}"),
                    "manufacturer": "Feitian", "model": "c200", "secretKey": null, "timeIntervalInSeconds": 30,
                    "hashFunction": "hmacsha1", "otpType": "totp", "digits": 6, "status": status, "lastUsedDateTime": null,
                    "assignedTo": {"id": user.user_id, "displayName": "User adele"},
                },
            })
        };
        let phone = |id: &str, number: &str, phone_type: &str, state: &str| {
            json!({"id": id, "phoneNumber": number, "phoneType": phone_type, "smsSignInState": state,
                   "status": "activated", "isVerified": true, "createdDateTime": CREATED, "lastUsedDateTime": null})
        };
        let token = |id: &str, name: Value, status: &str| {
            json!({"id": id, "displayName": name, "secretKey": null, "createdDateTime": CREATED,
                   "lastUsedDateTime": null, "status": status, "hashFunction": "hmacsha256", "digits": 6, "timeIntervalInSeconds": 30})
        };
        // The password's and the pass's moments are not fixed; take them as they are.
        let password = json!({"id": PASSWORD, "password": null,
                              "createdDateTime": item(&list.json, PASSWORD)["createdDateTime"],
                              "lastUsedDateTime": null});
        let pass = json!({"id": ids.pass, "temporaryAccessPass": null, "createdDateTime": CREATED,
                          "lastUsedDateTime": null,
                          "startDateTime": item(&list.json, &ids.pass)["startDateTime"], "lifetimeInMinutes": 60,
                          "isUsableOnce": true, "isUsable": true, "methodUsabilityReason": "EnabledByPolicy"});
        let expected = [
            ("password", password),
            ("phone", phone(MOBILE, "+1 2065550100", "mobile", "notEnabled")),
            ("phone", phone(ALTERNATE, "+1 2065550122", "alternateMobile", "notSupported")),
            ("phone", phone(OFFICE, "+1 2065550133x4567", "office", "notSupported")),
            ("email", json!({"id": EMAIL, "emailAddress": "adele@fabrikam.example", "status": "activated", "isVerified": true, "createdDateTime": CREATED, "lastUsedDateTime": null})),
            (
                "microsoftAuthenticator",
                json!({"id": ids.authenticator, "displayName": "Adele's phone",
                       "deviceTag": "SoftwareTokenActivated", "phoneAppVersion": "6.8.15",
                       "clientAppName": "microsoftAuthenticator", "createdDateTime": CREATED,
                       "lastUsedDateTime": null}),
            ),
            ("softwareOath", token(&ids.software, json!("FreeOTP"), "activated")),
            ("softwareOath", token(&ids.unfinished, Value::Null, "pending")),
            ("hardwareOath", device(&ids.activated, 1, "activated")),
            ("hardwareOath", device(&ids.assigned, 2, "assigned")),
            (
                "fido2",
                json!({"id": ids.passkey, "displayName": "Blue key", "createdDateTime": CREATED, "lastUsedDateTime": null,
                       "aaGuid": "ee882879-721c-4913-9775-3dfcce97072a", "model": "YubiKey 5 NFC",
                       "attestationCertificates": ["c479d4e9d1b5bb2b1a4b0d6c5e4a7a0f0d5e4f3b"],
                       "attestationLevel": "attested", "passkeyType": "deviceBound"}),
            ),
            ("temporaryAccessPass", pass),
        ];
        for (kind, bare) in expected {
            let id = bare["id"].as_str().unwrap();
            let mut typed = bare.clone();
            typed["@odata.type"] = json!(format!("#microsoft.graph.{kind}AuthenticationMethod"));
            assert_eq!(*item(&list.json, id), typed);
            // The same alone, with its context.
            typed["@odata.context"] = json!(format!("{context}/methods/$entity"));
            assert_eq!(app.get(&format!("{base}/methods/{id}")).await.expect(200).json, typed);
            // And in the collection of its kind, bare. (The OATH kinds have tests of their own.)
            let collection = format!("{kind}Methods");
            if kind.ends_with("Oath") {
                continue;
            }
            let typed_list = app.get(&format!("{base}/{collection}")).await.expect(200);
            assert_eq!(typed_list.json["@odata.context"], format!("{context}/{collection}"));
            assert_eq!(*item(&typed_list.json, id), bare);
            let mut entity = bare.clone();
            entity["@odata.context"] = json!(format!("{context}/{collection}/$entity"));
            assert_eq!(app.get(&format!("{base}/{collection}/{id}")).await.expect(200).json, entity);
        }

        // The passkey has a credential, which another registration excludes.
        let options = app.get(&format!("{base}/fido2Methods/creationOptions")).await.expect(200).json;
        assert_eq!(options["publicKey"]["excludeCredentials"].as_array().unwrap().len(), 1);

        // By id, on /beta, the same; other contexts.
        let beta = app.get(&format!("/beta/users/{}/authentication/methods", user.user_id)).await.expect(200);
        assert_eq!(beta.json["value"], list.json["value"]);
        let context = format!("{}/beta/$metadata#users('{}')/authentication/methods", app.base, user.user_id);
        assert_eq!(beta.json["@odata.context"], context);
    })
    .await;
}

#[tokio::test]
async fn a_user_without_methods_has_empty_lists() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "new").await;
        for collection in [
            "methods",
            "passwordMethods",
            "phoneMethods",
            "emailMethods",
            "microsoftAuthenticatorMethods",
            "fido2Methods",
            "temporaryAccessPassMethods",
        ] {
            let list = app.get(&format!("/v1.0/users/{}/authentication/{collection}", user.user_id)).await.expect(200);
            assert_eq!(list.json["value"], json!([]));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let ids = seed::every_kind(&app, &user).await;
        let other = app.new_tenant("fabrikam.example").await;
        let stranger = seed::user_of(&app, &other, "stranger").await;
        let strange = seed::every_kind(&app, &stranger).await;
        let base = format!("/v1.0/users/{}/authentication", user.user_id);

        for user in ["nobody@contoso.example", stranger.user_id.as_str(), "%20"] {
            let path = format!("/v1.0/users/{user}/authentication/methods");
            app.get(&path).await.expect_error(404, "Request_ResourceNotFound");
            app.get(&format!("{path}/{MOBILE}")).await.expect_error(404, "Request_ResourceNotFound");
        }
        for id in [strange.passkey.as_str(), strange.activated.as_str(), "nonsense"] {
            app.get(&format!("{base}/methods/{id}")).await.expect_error(404, "resourceNotFound");
            app.get(&format!("{base}/fido2Methods/{id}")).await.expect_error(404, "resourceNotFound");
            app.delete(&format!("{base}/fido2Methods/{id}")).await.expect_error(404, "resourceNotFound");
        }
        // The databases disagree about this character; callers do not see it.
        app.get("/v1.0/users/x%00y/authentication/methods").await.expect_error(400, "badRequest");
        app.get(&format!("{base}/methods/x%00y")).await.expect_error(400, "badRequest");
        // The id of a method of another kind.
        app.get(&format!("{base}/fido2Methods/{}", ids.software)).await.expect_error(404, "resourceNotFound");
        app.delete(&format!("{base}/fido2Methods/{}", ids.software)).await.expect_error(404, "resourceNotFound");
        app.delete(&format!("{base}/phoneMethods/{EMAIL}")).await.expect_error(404, "resourceNotFound");

        // What Graph does not support either.
        app.delete(&format!("{base}/methods/{MOBILE}")).await.expect_error(405, "notAllowed");
        app.delete(&format!("{base}/passwordMethods/{PASSWORD}")).await.expect_error(405, "notAllowed");
        app.get(&format!("{base}/methods?$select=id")).await.expect_error(400, "badRequest");
        app.get(&format!("{base}/fido2Methods?%24top=1")).await.expect_error(400, "badRequest");
        app.get(&format!("{base}/methods?tracking=1")).await.expect(200);
        assert_eq!(app.get(&format!("{base}/methods")).await.json["value"].as_array().unwrap().len(), 12);
    })
    .await;
}

#[tokio::test]
async fn each_kind_has_its_own_permissions() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let ids = seed::every_kind(&app, &user).await;
        let base = format!("/v1.0/users/{}/authentication", user.user_id);
        let kinds = [
            (MethodKind::Password, "Password", PASSWORD),
            (MethodKind::Phone, "Phone", OFFICE),
            (MethodKind::Email, "Email", EMAIL),
            (MethodKind::MicrosoftAuthenticator, "MicrosoftAuthApp", &ids.authenticator),
            (MethodKind::Fido2, "Passkey", &ids.passkey),
            (MethodKind::TemporaryAccessPass, "TAP", &ids.pass),
        ];
        let none = app.token_with(&app.tenant, &["User.Read.All"]).await;
        let reset = app.token_with(&app.tenant, &["MfaReset.ReadWrite.All"]).await;
        for token in [&none, &reset] {
            get_as(&app, token, &format!("{base}/methods")).await.expect_error(403, "accessDenied");
            // Nor do they learn who exists.
            get_as(&app, token, "/v1.0/users/nobody/authentication/methods").await.expect_error(403, "accessDenied");
        }
        for (kind, name, id) in kinds {
            let path = format!("{base}/{kind}Methods");
            let read = app.token_with(&app.tenant, &[format!("UserAuthMethod-{name}.Read.All")]).await;
            get_as(&app, &read, &path).await.expect(200);
            get_as(&app, &read, &format!("{path}/{id}")).await.expect(200);
            get_as(&app, &none, &path).await.expect_error(403, "accessDenied");
            get_as(&app, &read, &format!("{base}/methods")).await.expect_error(403, "accessDenied");
            let others = if kind == MethodKind::Phone { "emailMethods" } else { "phoneMethods" };
            get_as(&app, &read, &format!("{base}/{others}")).await.expect_error(403, "accessDenied");
            if kind == MethodKind::Password {
                continue;
            }
            let refused = delete_as(&app, &read, &format!("{path}/{id}")).await.expect_error(403, "accessDenied");
            assert!(refused.text.contains(&format!("UserAuthMethod-{name}.ReadWrite.All")), "{}", refused.text);
            let event = seed::events(&app).await.remove(0);
            assert_eq!((event.result.as_str(), event.target_id.as_deref()), ("failure", Some(user.user_id.as_str())));
            assert_eq!(event.activity_display_name, "Admin deleted security info");

            let write = app.token_with(&app.tenant, &[format!("UserAuthMethod-{name}.ReadWrite.All")]).await;
            let deleted = delete_as(&app, &write, &format!("{path}/{id}")).await.expect(204);
            assert_eq!(deleted.text, "");
            delete_as(&app, &write, &format!("{path}/{id}")).await.expect_error(404, "resourceNotFound");
            let event = seed::events(&app).await.remove(0);
            assert_eq!(event.activity_display_name, "Admin deleted security info");
            assert_eq!(event.result, "success");
            assert_eq!(event.target_id.as_deref(), Some(user.user_id.as_str()));
            assert_eq!(seed::detail(&event, "methodId").as_deref(), Some(id));
            assert_eq!(seed::detail(&event, "kind").as_deref(), Some(kind.as_str()));
            let (property, old, new) = seed::modified(&event).remove(0);
            assert_eq!((property.as_str(), &old["id"], new), ("StrongAuthenticationMethod", &json!(id), Value::Null));
            // Masked, whatever it was.
            for secret in ["2065550133", "adele@fabrikam"] {
                assert!(!event.additional_details.contains(secret) && !event.modified_properties.contains(secret));
            }
        }
        let left = app.get(&format!("{base}/methods")).await.expect(200);
        assert_eq!(left.json["value"].as_array().unwrap().len(), 12 - 5);
    })
    .await;
}

#[tokio::test]
async fn roles_decide_for_users() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let ids = seed::every_kind(&app, &user).await;
        let base = format!("/v1.0/users/{}/authentication", user.user_id);
        let (_, reader) = seed::admin(&app, "reader", Role::GlobalReader).await;
        let (lesser, admin) = seed::admin(&app, "admin", Role::AuthenticationAdministrator).await;
        let (_, chief) = seed::admin(&app, "chief", Role::PrivilegedAuthenticationAdministrator).await;
        let plain = app.user_token(&seed::user(&app, "plain").await.user_id).await;
        let own = app.user_token(&user.user_id).await;

        get_as(&app, &plain, &format!("{base}/methods")).await.expect_error(403, "accessDenied");
        get_as(&app, &plain, &format!("{base}/phoneMethods")).await.expect_error(403, "accessDenied");
        // Numbers in full for the privileged administrator, applications and the user; masked for others.
        for (token, number) in [
            (&chief, "+1 2065550100"),
            (&app.token, "+1 2065550100"),
            (&own, "+1 2065550100"),
            (&admin, "••00"),
            (&reader, "••00"),
        ] {
            for path in ["methods", "phoneMethods"] {
                let list = get_as(&app, token, &format!("{base}/{path}")).await.expect(200);
                assert_eq!(item(&list.json, MOBILE)["phoneNumber"], number);
                let one = get_as(&app, token, &format!("{base}/{path}/{MOBILE}")).await.expect(200);
                assert_eq!(one.json["phoneNumber"], number);
            }
        }

        let passkey = format!("{base}/fido2Methods/{}", ids.passkey);
        for token in [&reader, &plain, &own] {
            delete_as(&app, token, &passkey).await.expect_error(403, "accessDenied");
        }
        // A lesser administrator stops at administrators above him; the chief does not.
        seed::grant(&app, &user, Role::GlobalAdministrator).await;
        delete_as(&app, &admin, &passkey).await.expect_error(403, "accessDenied");
        delete_as(&app, &chief, &passkey).await.expect(204);
        seed::every_kind(&app, &lesser).await;
        let email = format!("/v1.0/users/{}/authentication/emailMethods/{EMAIL}", lesser.user_id);
        delete_as(&app, &admin, &email).await.expect_error(403, "accessDenied");
    })
    .await;
}

#[tokio::test]
async fn if_match_any_is_accepted() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let ids = seed::every_kind(&app, &user).await;
        let path =
            format!("/beta/users/{}/authentication/microsoftAuthenticatorMethods/{}", user.user_id, ids.authenticator);
        Answer::of(app.request(reqwest::Method::DELETE, &path).header("If-Match", "*")).await.expect(204);
    })
    .await;
}
