//! The authentication methods policy: what it says, and that every kind of method keeps to it.

use rekey::{
    methods::phone::PhoneType,
    roles::Role,
    store::users::{User, UserType},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::{self, DEVICES, SECRET, add_device, add_member},
    sign_in_fixtures::{OWN, PASSWORD, USER, add_user, as_user, assert, begin, begin_with, path, register, verify},
    support::{Answer, TestApp, on_each_backend, seed},
    totp::Token,
};

const POLICY: &str = "/v1.0/policies/authenticationMethodsPolicy";

fn configuration(id: &str) -> String {
    format!("{POLICY}/authenticationMethodConfigurations/{id}")
}

async fn set_state(app: &TestApp, id: &str, state: &str) {
    app.patch(&configuration(id), json!({"state": state})).await.expect(204);
}

fn methods(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication")
}

fn campaign(body: Value) -> Value {
    json!({"registrationEnforcement": {"authenticationMethodsRegistrationCampaign": body}})
}

async fn details(app: &TestApp, user: &str) -> Value {
    let path = format!("/v1.0/reports/authenticationMethods/userRegistrationDetails/{user}");
    app.get(&path).await.expect(200).json
}

#[tokio::test]
async fn the_policy_is_as_graph_shows_it() {
    on_each_backend(async |app| {
        let policy = app.get(POLICY).await.expect(200).json;
        assert_eq!(policy["id"], "authenticationMethodsPolicy");
        assert_eq!(policy["lastModifiedDateTime"], Value::Null);
        assert_eq!(policy["registrationProof"], "firstFactor");
        assert_eq!(policy["policyMigrationState"], "migrationComplete");
        assert_eq!(policy["registrationEnforcement"]["authenticationMethodsRegistrationCampaign"]["state"], "disabled");
        let everybody = json!([{"id": "all_users", "targetType": "group"}]);
        let system = json!({"state": "default", "includeTargets": everybody, "excludeTargets": []});
        assert_eq!(policy["systemCredentialPreferences"], system);
        let all = policy["authenticationMethodConfigurations"].as_array().unwrap();
        let list = app.get(&format!("{POLICY}/authenticationMethodConfigurations")).await.expect(200).json;
        assert_eq!(list["value"].as_array().unwrap(), all);
        let ids: Vec<_> = all.iter().map(|one| one["id"].as_str().unwrap()).collect();
        let expected = [
            "Fido2",
            "MicrosoftAuthenticator",
            "Sms",
            "Voice",
            "Email",
            "SoftwareOath",
            "HardwareOath",
            "TemporaryAccessPass",
            "QRCodePin",
        ];
        assert_eq!(ids, expected);
        for one in all {
            let id = one["id"].as_str().unwrap();
            let mut read = app.get(&configuration(&id.to_uppercase())).await.expect(200).json;
            let context = read.as_object_mut().unwrap().shift_remove("@odata.context").unwrap();
            assert!(context.as_str().unwrap().ends_with("authenticationMethodConfigurations/$entity"));
            assert_eq!(read, *one);
            assert_eq!((&one["state"], &one["excludeTargets"]), (&json!("enabled"), &json!([])), "{one}");
            let name = match id {
                "QRCodePin" => "qrCodePin".to_owned(),
                _ => format!("{}{}", id[..1].to_lowercase(), &id[1..]),
            };
            assert_eq!(one["@odata.type"], format!("#microsoft.graph.{name}AuthenticationMethodConfiguration"));
            // What was read can be written back as it is, and that changes nothing.
            app.patch(&configuration(&id.to_lowercase()), one.clone()).await.expect(204);
        }
        assert_eq!(seed::events(&app).await.len(), 0);
        assert_eq!(app.get(POLICY).await.json["lastModifiedDateTime"], Value::Null);
        let pass = &all[7];
        for (property, expected) in [
            ("defaultLifetimeInMinutes", json!(60)),
            ("minimumLifetimeInMinutes", json!(60)),
            ("maximumLifetimeInMinutes", json!(480)),
            ("defaultLength", json!(8)),
            ("isUsableOnce", json!(false)),
        ] {
            assert_eq!(pass[property], expected);
            assert_eq!(all[2].get(property), None);
        }
        assert_eq!(all[2]["includeTargets"][0]["isUsableForSignIn"], true);
        assert_eq!(all[0]["keyRestrictions"]["enforcementType"], "block");
        assert_eq!((&all[3]["isOfficePhoneAllowed"], &all[1]["isSoftwareOathEnabled"]), (&json!(true), &json!(false)));
        assert_eq!((&all[8]["standardQRCodeLifetimeInDays"], &all[8]["pinLength"]), (&json!(365), &json!(8)));
        let nobody = json!({"id": "00000000-0000-0000-0000-000000000000", "targetType": "group"});
        for (feature, state) in [
            ("numberMatchingRequiredState", "enabled"),
            ("displayAppInformationRequiredState", "enabled"),
            ("displayLocationInformationRequiredState", "disabled"),
            ("companionAppAllowedState", "disabled"),
        ] {
            let expected = json!({"state": state, "includeTarget": everybody[0], "excludeTarget": nobody});
            assert_eq!(all[1]["featureSettings"][feature], expected);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_changed_is_kept_told_and_restored() {
    on_each_backend(async |app| {
        let user = add_member(&app, USER).await;
        let fido2 = configuration("fido2");
        let body = json!({
            "@odata.type": "#microsoft.graph.fido2AuthenticationMethodConfiguration",
            "isAttestationEnforced": true,
            "keyRestrictions": {"isEnforced": true, "enforcementType": "allow",
                                "aaGuids": ["EE882879-721C-4913-9775-3DFCCE97072A"]},
            "excludeTargets": [{"id": user.as_str().to_uppercase(), "targetType": "user"}],
        });
        app.patch(&fido2, body).await.expect(204);
        let read = app.get(&fido2).await.expect(200).json;
        assert_eq!(read["isAttestationEnforced"], true);
        assert_eq!(read["keyRestrictions"]["aaGuids"], json!(["ee882879-721c-4913-9775-3dfcce97072a"]));
        assert_eq!(read["excludeTargets"], json!([{"id": user.as_str(), "targetType": "user"}]));
        let event = seed::events(&app).await.remove(0);
        assert_eq!(event.activity_display_name, "Authentication Methods Policy Update");
        assert_eq!(event.category, "Policy");
        assert_eq!(event.target_id.as_deref(), Some("authenticationMethodsPolicy"));
        let mut changed: Vec<_> = seed::modified(&event).into_iter().map(|(name, ..)| name).collect();
        changed.sort();
        assert_eq!(changed, ["Fido2/excludeTargets", "Fido2/isAttestationEnforced", "Fido2/keyRestrictions"]);
        assert!(app.get(POLICY).await.json["lastModifiedDateTime"].is_string());

        // Whoever was deleted since does not keep the list from being written back; nobody unknown gets in.
        app.delete(&format!("/v1.0/users/{user}")).await.expect(204);
        app.patch(&fido2, json!({"excludeTargets": read["excludeTargets"], "state": "disabled"})).await.expect(204);
        app.delete(&fido2).await.expect(204);
        let restored = app.get(&fido2).await.expect(200).json;
        assert_eq!((&restored["state"], &restored["excludeTargets"]), (&json!("enabled"), &json!([])));
        assert_eq!(seed::events(&app).await[0].activity_display_name, "Authentication Methods Policy Reset");
        app.patch(&fido2, json!({"excludeTargets": read["excludeTargets"]})).await.expect_error(400, "badRequest");

        // The policy itself.
        let before = seed::events(&app).await.len();
        let system = json!({"state": "disabled", "excludeTargets": [{"id": "all_users", "targetType": "group"}]});
        let body = json!({"registrationProof": "temporaryAccessPass", "systemCredentialPreferences": system});
        let changed = app.patch(POLICY, body.clone()).await.expect(200).json;
        assert_eq!(changed, app.get(POLICY).await.json);
        assert_eq!(changed["registrationProof"], "temporaryAccessPass");
        assert_eq!(changed["systemCredentialPreferences"]["state"], "disabled");
        assert_eq!(changed["systemCredentialPreferences"]["excludeTargets"][0]["id"], "all_users");
        let names: Vec<_> = seed::modified(&seed::events(&app).await[0]).into_iter().map(|(name, ..)| name).collect();
        let expected =
            ["registrationProof", "systemCredentialPreferences/state", "systemCredentialPreferences/excludeTargets"];
        assert_eq!(names, expected);
        app.patch(POLICY, body).await.expect(200);
        app.patch(POLICY, json!({})).await.expect(200);
        assert_eq!(seed::events(&app).await.len(), before + 1);

        // Another tenant's is its own.
        let other = app.new_tenant("fabrikam.example").await;
        let token = app.token_with(&other, &["Policy.Read.All"]).await;
        let theirs = Answer::of(app.http.get(format!("{}{POLICY}", app.base)).bearer_auth(token)).await.expect(200);
        assert_eq!(theirs.json["registrationProof"], "firstFactor");
    })
    .await;
}

#[tokio::test]
async fn an_app_is_for_any_mode_or_for_push() {
    on_each_backend(async |app| {
        let apps = configuration("MicrosoftAuthenticator");
        let everybody = |mode: &str| {
            let mut target = json!({"id": "all_users", "targetType": "group"});
            if !mode.is_empty() {
                target["authenticationMode"] = json!(mode);
            }
            json!({"includeTargets": [target]})
        };
        // What says nothing is Graph's default.
        for (sent, kept) in [("", "any"), ("push", "push"), ("any", "any"), ("push", "push"), ("", "any")] {
            app.patch(&apps, everybody(sent)).await.expect(204);
            assert_eq!(app.get(&apps).await.json["includeTargets"][0]["authenticationMode"], kept, "{sent}");
        }
        assert_eq!(seed::events(&app).await.len(), 4);
        let refused = app.patch(&apps, everybody("deviceBasedPush")).await.expect_error(400, "badRequest");
        assert_eq!(refused.json["error"]["target"], "includeTargets/authenticationMode");
        assert!(refused.json["error"]["message"].as_str().unwrap().contains("deviceBasedPush"), "{}", refused.text);
        app.patch(&apps, everybody("passwordless")).await.expect_error(400, "badRequest");
        assert_eq!(app.get(&configuration("Sms")).await.json["includeTargets"][0].get("authenticationMode"), None);
    })
    .await;
}

#[tokio::test]
async fn a_campaign_is_kept_for_the_sign_in_page() {
    on_each_backend(async |app| {
        let user = add_member(&app, USER).await;
        let include = json!([{"id": "all_users", "targetType": "group", "targetedAuthenticationMethod": "microsoftAuthenticator"}]);
        let exclude = json!([{"id": user.as_str(), "targetType": "user"}]);
        let body = json!({"state": "enabled", "snoozeDurationInDays": 0, "includeTargets": include, "excludeTargets": exclude});
        let mut whole = campaign(body.clone());
        whole["policyMigrationState"] = json!("migrationComplete");
        let changed = app.patch(POLICY, whole).await.expect(200).json;
        assert_eq!(changed["registrationEnforcement"]["authenticationMethodsRegistrationCampaign"], body);
        assert_eq!(app.get(POLICY).await.json, changed);
        let names: Vec<_> = seed::modified(&seed::events(&app).await[0]).into_iter().map(|(name, ..)| name).collect();
        let part = "registrationEnforcement/authenticationMethodsRegistrationCampaign";
        let parts = ["state", "snoozeDurationInDays", "includeTargets", "excludeTargets"];
        assert_eq!(names, parts.map(|name| format!("{part}/{name}")));
    })
    .await;
}

#[tokio::test]
async fn office_phones_can_be_left_out() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let phones = format!("{}/phoneMethods", methods(user.user_id.as_str()));
        let voice = configuration("Voice");
        app.patch(&voice, json!({"isOfficePhoneAllowed": false})).await.expect(204);
        let office = json!({"phoneNumber": "+1 2065550133", "phoneType": "office"});
        app.post(&phones, office.clone()).await.expect_error(400, "badRequest");
        app.post(&phones, json!({"phoneNumber": "+1 2065550100", "phoneType": "mobile"})).await.expect(201);
        app.delete(&voice).await.expect(204);
        app.post(&phones, office).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn nonsense_is_refused_and_changes_nothing() {
    on_each_backend(async |app| {
        let stranger = app.new_tenant("fabrikam.example").await;
        let stranger = oath_fixtures::add_user(&app, &stranger, "adele@fabrikam.example", UserType::Member).await;
        let before = app.get(POLICY).await.expect(200).json;
        let user = |id: &str| json!([{"id": id, "targetType": "user"}]);
        let many: Vec<_> = (0..501).map(|_| json!({"id": "all_users", "targetType": "group"})).collect();
        for (id, body) in [
            ("Sms", json!({"state": "off"})),
            ("Sms", json!({"state": null, "id": "Voice"})),
            ("Sms", json!({"id": "Voice"})),
            ("Sms", json!({"@odata.type": "#microsoft.graph.voiceAuthenticationMethodConfiguration"})),
            ("Sms", json!({"displayName": "SMS"})),
            ("Sms", json!({"includeTargets": [{"id": "all_users", "targetType": "user"}]})),
            ("Sms", json!({"includeTargets": [{"id": "3d5d7b1c-0000-0000-0000-000000000000", "targetType": "group"}]})),
            ("Sms", json!({"includeTargets": user("3d5d7b1c-0000-0000-0000-000000000000")})),
            ("Sms", json!({"includeTargets": user("adele@contoso.example")})),
            ("Sms", json!({"includeTargets": user(stranger.as_str())})),
            ("Sms", json!({"excludeTargets": user(stranger.as_str())})),
            ("Sms", json!({"excludeTargets": [{"id": "all_users", "targetType": "group", "isUsableForSignIn": true}]})),
            ("Sms", json!({"includeTargets": many})),
            ("Sms", json!({"isUsableOnce": true})),
            ("Sms", json!({"isOfficePhoneAllowed": false})),
            ("Sms", json!({"pinLength": 8})),
            ("Sms", json!({"appId": "55a8a3f5-7f1c-4d2b-9d0e-4a1e0a1f1d7e"})),
            ("MicrosoftAuthenticator", json!({"isSoftwareOathEnabled": true})),
            ("MicrosoftAuthenticator", json!({"featureSettings": {"displayAppInformationRequiredState": {"state": "disabled"}}})),
            ("MicrosoftAuthenticator", json!({"featureSettings": {"numberMatchingRequiredState": {"state": "enabled", "includeTarget": {"id": "x", "targetType": "group"}}}})),
            ("Sms", json!({"isAttestationEnforced": true})),
            ("Voice", json!({"includeTargets": [{"id": "all_users", "targetType": "group", "isUsableForSignIn": true}]})),
            ("Sms", json!({"includeTargets": [{"id": "all_users", "targetType": "group", "authenticationMode": "push"}]})),
            ("MicrosoftAuthenticator", json!({"includeTargets": [{"id": "all_users", "targetType": "group", "authenticationMode": "deviceBasedPush"}]})),
            ("MicrosoftAuthenticator", json!({"featureSettings": {"numberMatchingRequiredState": {"state": "disabled"}}})),
            ("MicrosoftAuthenticator", json!({"featureSettings": {"companionAppAllowedState": {"state": "enabled"}}})),
            ("Fido2", json!({"keyRestrictions": {"isEnforced": true, "enforcementType": "allow", "aaGuids": ["yubikey"]}})),
            ("Email", json!({"allowExternalIdToUseEmailOtp": "on"})),
            ("TemporaryAccessPass", json!({"defaultLength": 7})),
            ("TemporaryAccessPass", json!({"defaultLength": 49})),
            ("TemporaryAccessPass", json!({"minimumLifetimeInMinutes": 9})),
            ("TemporaryAccessPass", json!({"maximumLifetimeInMinutes": 43_201})),
            ("TemporaryAccessPass", json!({"maximumLifetimeInMinutes": 59})),
            ("TemporaryAccessPass", json!({"minimumLifetimeInMinutes": 61})),
            ("TemporaryAccessPass", json!({"defaultLifetimeInMinutes": 481})),
            ("TemporaryAccessPass", json!({"defaultLifetimeInMinutes": 60.5})),
        ] {
            app.patch(&configuration(id), body).await.expect_error(400, "badRequest");
        }
        for body in [
            json!({"registrationProof": "password"}),
            json!({"policyMigrationState": "preMigration"}),
            json!({"systemCredentialPreferences": {"state": "on"}}),
            campaign(json!({"snoozeDurationInDays": 15})),
            campaign(json!({"snoozeDurationInDays": -1})),
            campaign(json!({"includeTargets": user(stranger.as_str())})),
            campaign(json!({"includeTargets": [{"id": "all_users", "targetType": "group", "targetedAuthenticationMethod": "sms"}]})),
            json!({"systemCredentialPreferences": {"includeTargets": user(stranger.as_str())}}),
            json!([]),
        ] {
            app.patch(POLICY, body).await.expect_error(400, "badRequest");
        }
        for id in ["X509Certificate", "55a8a3f5-7f1c-4d2b-9d0e-4a1e0a1f1d7e", "nonsense", "Fido2x"] {
            app.get(&configuration(id)).await.expect_error(404, "resourceNotFound");
            app.patch(&configuration(id), json!({"state": "disabled"})).await.expect_error(404, "resourceNotFound");
            app.delete(&configuration(id)).await.expect_error(404, "resourceNotFound");
        }
        assert_eq!(app.get(POLICY).await.json, before);
        assert_eq!(seed::events(&app).await.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn it_takes_the_right() {
    on_each_backend(async |app| {
        let sms = configuration("Sms");
        let reader = app.token_with(&app.tenant, &["Policy.Read.All"]).await;
        let none = app.token_with(&app.tenant, &["UserAuthenticationMethod.ReadWrite.All"]).await;
        let (_, global) = seed::admin(&app, "reader", Role::GlobalReader).await;
        let (_, helper) = seed::admin(&app, "helper", Role::AuthenticationAdministrator).await;
        let (_, policies) = seed::admin(&app, "policies", Role::AuthenticationPolicyAdministrator).await;
        for (token, may_read, may_write) in [
            (&reader, true, false),
            (&none, false, false),
            (&global, true, false),
            (&helper, false, false),
            (&policies, true, true),
        ] {
            for path in [POLICY, sms.as_str()] {
                let read = as_user(&app, token, Method::GET, path, json!({})).await;
                assert_eq!(read.status.as_u16(), if may_read { 200 } else { 403 }, "{}", read.text);
            }
            for (method, path, body) in [
                (Method::PATCH, POLICY, json!({"registrationProof": "temporaryAccessPass"})),
                (Method::PATCH, sms.as_str(), json!({"state": "disabled"})),
                (Method::DELETE, sms.as_str(), json!({})),
            ] {
                let write = as_user(&app, token, method, path, body).await;
                if may_write {
                    assert!(write.status.is_success(), "{}", write.text);
                } else {
                    write.expect_error(403, "accessDenied");
                    assert_eq!(seed::events(&app).await[0].result, "failure");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_disabled_kind_is_neither_registered_nor_used_and_comes_back() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        let (id, device) = register(&app, session["registrationToken"].as_str().unwrap()).await;
        let list = format!("{}/softwareOathMethods", methods(USER));
        let unfinished = app.post(&list, json!({})).await.expect(201).json;
        let capable = async |expected: bool| {
            let details = details(&app, USER).await;
            assert_eq!((&details["isMfaRegistered"], &details["isMfaCapable"]), (&json!(true), &json!(expected)));
        };
        capable(true).await;
        let waiting = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!(waiting["status"], "mfaRequired");

        set_state(&app, "SoftwareOath", "disabled").await;
        capable(false).await;
        let refused = app.post(&list, json!({})).await.expect_error(400, "badRequest");
        assert!(refused.json["error"]["message"].as_str().unwrap().contains("SoftwareOath"), "{}", refused.text);
        // A registration that was begun before is not finished now, and its code is not spent.
        let other = Token::hardware(unfinished["secretKey"].as_str().unwrap());
        let activate = format!("{list}/{}/activate", unfinished["id"].as_str().unwrap());
        let body = json!({"verificationCode": other.code()});
        app.post(&activate, body.clone()).await.expect_error(400, "badRequest");
        // The method is there, and proves nothing: in a session that waits for it just as little.
        app.get(&format!("{list}/{id}")).await.expect(200);
        verify(&app, &waiting, &id, &device.next_code()).await.expect_error(404, "resourceNotFound");
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        assert_eq!((&session["status"], &session["methods"]), (&json!("registrationRequired"), &json!([])));
        let own = format!("{OWN}/softwareOathMethods");
        let token = session["registrationToken"].as_str().unwrap();
        as_user(&app, token, Method::POST, &own, json!({})).await.expect_error(400, "badRequest");

        set_state(&app, "SoftwareOath", "enabled").await;
        capable(true).await;
        let done = verify(&app, &waiting, &id, &device.next_code()).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");
        app.post(&activate, body).await.expect(204);
    })
    .await;
}

/// One user is excluded; the other notices nothing.
#[tokio::test]
async fn a_user_can_be_excluded() {
    on_each_backend(async |app| {
        let adele = add_member(&app, USER).await;
        add_member(&app, "alex@contoso.example").await;
        let body = json!({"excludeTargets": [{"id": adele.as_str(), "targetType": "user"}]});
        app.patch(&configuration("SoftwareOath"), body).await.expect(204);
        app.post(&format!("{}/softwareOathMethods", methods(USER)), json!({})).await.expect_error(400, "badRequest");
        app.post(&format!("{}/softwareOathMethods", methods("alex@contoso.example")), json!({})).await.expect(201);
        // Nobody is included any more but her, and she is excluded still.
        let body = json!({"includeTargets": [{"id": adele.as_str(), "targetType": "user"}]});
        app.patch(&configuration("SoftwareOath"), body).await.expect(204);
        for user in [USER, "alex@contoso.example"] {
            app.post(&format!("{}/softwareOathMethods", methods(user)), json!({}))
                .await
                .expect_error(400, "badRequest");
        }
    })
    .await;
}

#[tokio::test]
async fn every_kind_asks_the_policy() {
    on_each_backend(async |app| {
        let adele = add_member(&app, USER).await;
        let user = methods(USER);
        for id in ["Sms", "Voice", "Email", "HardwareOath", "TemporaryAccessPass"] {
            set_state(&app, id, "disabled").await;
        }
        let phones = format!("{user}/phoneMethods");
        let phone = |number: &str, phone_type: &str| json!({"phoneNumber": number, "phoneType": phone_type});
        let refused = async |path: &str, body: Value| {
            let before = app.get(&format!("{user}/methods")).await.expect(200).json;
            app.post(path, body).await.expect_error(400, "badRequest");
            assert_eq!(app.get(&format!("{user}/methods")).await.expect(200).json, before);
        };
        refused(&phones, phone("+1 2065550100", "mobile")).await;
        refused(&phones, phone("+1 2065550100", "office")).await;
        // A mobile is good for SMS or for calls; an office phone for calls only.
        set_state(&app, "Sms", "enabled").await;
        app.post(&phones, phone("+1 2065550100", "mobile")).await.expect(201);
        refused(&phones, phone("+1 2065550133", "office")).await;
        refused(&format!("{user}/emailMethods"), json!({"emailAddress": "adele@example.com"})).await;
        refused(&format!("{user}/temporaryAccessPassMethods"), json!({})).await;
        refused(&format!("{user}/resetMfa"), json!({"issueTemporaryAccessPass": {}})).await;
        let validate = json!({"issueTemporaryAccessPass": {}, "validateOnly": true});
        refused(&format!("{user}/resetMfa"), validate).await;

        // A hardware token can be handed out before its kind is enabled, and not be used before.
        let device = add_device(&app, "A-1").await;
        let token = Token::hardware(SECRET);
        let tokens = format!("{user}/hardwareOathMethods");
        let body = json!({"device": {"id": device}, "verificationCode": token.code()});
        app.post(&format!("{tokens}/assignAndActivate"), body).await.expect_error(400, "badRequest");
        assert_eq!(oath_fixtures::status(&app, &device).await, "available");
        app.post(&tokens, json!({"device": {"id": device}})).await.expect(201);
        let assigned = json!({"serialNumber": "A-2", "manufacturer": "T", "model": "M", "secretKey": SECRET,
                              "timeIntervalInSeconds": 30, "assignTo": {"id": adele.as_str()}});
        app.post(DEVICES, assigned).await.expect(201);
        let activate = format!("{tokens}/{device}/activate");
        let body = json!({"verificationCode": token.code()});
        app.post(&activate, body.clone()).await.expect_error(400, "badRequest");
        assert_eq!(oath_fixtures::status(&app, &device).await, "assigned");
        set_state(&app, "HardwareOath", "enabled").await;
        app.post(&activate, body).await.expect(204);

        // Changing a number or an address is a registration too.
        set_state(&app, "Email", "enabled").await;
        app.post(&format!("{user}/emailMethods"), json!({"emailAddress": "adele@example.com"})).await.expect(201);
        for id in ["Sms", "Email"] {
            set_state(&app, id, "disabled").await;
        }
        let mobile = format!("{phones}/{}", PhoneType::Mobile.method_id());
        app.patch(&mobile, json!({"phoneNumber": "+1 2065550199"})).await.expect_error(400, "badRequest");
        let email = format!("{user}/emailMethods/{}", rekey::methods::email::ID);
        app.patch(&email, json!({"emailAddress": "eve@example.com"})).await.expect_error(400, "badRequest");
        assert_eq!(app.get(&email).await.json["emailAddress"], "adele@example.com");
        app.delete(&mobile).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn sms_sign_in_asks_the_policy() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        seed::phone(&app, &user, PhoneType::Mobile, "+1 2065550100").await;
        let mobile = format!("{}/phoneMethods/{}", methods(user.user_id.as_str()), PhoneType::Mobile.method_id());
        let target = |usable: bool| json!([{"id": "all_users", "targetType": "group", "isUsableForSignIn": usable}]);
        app.patch(&configuration("Sms"), json!({"includeTargets": target(false)})).await.expect(204);
        app.post(&format!("{mobile}/enableSmsSignIn"), json!({})).await.expect_error(400, "badRequest");
        app.patch(&configuration("Sms"), json!({"includeTargets": target(true)})).await.expect(204);
        app.post(&format!("{mobile}/enableSmsSignIn"), json!({})).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn passes_keep_to_the_tenants_bounds() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        let passes = format!("{}/temporaryAccessPassMethods", methods(USER));
        let body = json!({"minimumLifetimeInMinutes": 10, "defaultLifetimeInMinutes": 15, "maximumLifetimeInMinutes": 20,
                          "defaultLength": 48, "isUsableOnce": true});
        app.patch(&configuration("TemporaryAccessPass"), body).await.expect(204);
        for wrong in [
            json!({"lifetimeInMinutes": 9}),
            json!({"lifetimeInMinutes": 21}),
            json!({"lifetimeInMinutes": 60}),
            json!({"isUsableOnce": false}),
        ] {
            app.post(&passes, wrong.clone()).await.expect_error(400, "badRequest");
            let reset = json!({"issueTemporaryAccessPass": wrong});
            app.post(&format!("{}/resetMfa", methods(USER)), reset).await.expect_error(400, "badRequest");
        }
        let pass = app.post(&passes, json!({})).await.expect(201).json;
        assert_eq!((&pass["lifetimeInMinutes"], &pass["isUsableOnce"]), (&json!(15), &json!(true)));
        let code = pass["temporaryAccessPass"].as_str().unwrap();
        assert_eq!(code.len(), 48);

        // Disabled, it is there and opens nothing; enabled, it is good again.
        set_state(&app, "TemporaryAccessPass", "disabled").await;
        let one = format!("{passes}/{}", pass["id"].as_str().unwrap());
        let any = format!("{}/methods/{}", methods(USER), pass["id"].as_str().unwrap());
        for path in [&one, &any] {
            let read = app.get(path).await.expect(200).json;
            assert_eq!(
                (&read["isUsable"], &read["methodUsabilityReason"]),
                (&json!(false), &json!("DisabledByPolicy"))
            );
        }
        let list = app.get(&passes).await.expect(200).json;
        assert_eq!(list["value"][0]["methodUsabilityReason"], "DisabledByPolicy");
        let first = json!({"type": "temporaryAccessPass", "verificationCode": code});
        assert_eq!(begin_with(&app, USER, first.clone()).await.expect(201).json["status"], "refused");
        set_state(&app, "TemporaryAccessPass", "enabled").await;
        let session = begin_with(&app, USER, first).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired", "{session}");
        assert_eq!(app.get(&one).await.json["methodUsabilityReason"], "OneTimeUsed");
    })
    .await;
}

/// After a reset a password is not enough where the tenant asks for a pass; with the pass, registration goes on.
#[tokio::test]
async fn a_registration_can_take_a_pass() {
    on_each_backend(async |app| {
        add_user(&app).await;
        app.patch(POLICY, json!({"registrationProof": "temporaryAccessPass"})).await.expect(200);
        let reset = json!({"issueTemporaryAccessPass": {}});
        let report = app.post(&format!("{}/resetMfa", methods(USER)), reset).await.expect(200).json;
        let code = report["temporaryAccessPass"]["temporaryAccessPass"].as_str().unwrap();
        let pass = report["temporaryAccessPass"]["id"].as_str().unwrap();

        for session in [begin(&app, USER, PASSWORD).await.expect(201).json, assert(&app, USER).await] {
            assert_eq!(session["status"], "registrationRequired", "{session}");
            assert_eq!(session.get("registrationToken"), None, "{session}");
            assert_eq!(session["methods"][0]["id"], pass);
            assert_eq!(app.get(&path(&session)).await.json.get("registrationToken"), None);
        }
        let session = begin(&app, USER, PASSWORD).await.expect(201).json;
        verify(&app, &session, pass, "wrong-code").await.expect_error(400, "badRequest");
        let proven = verify(&app, &session, pass, code).await.expect(200).json;
        assert_eq!(proven["status"], "registrationRequired", "{proven}");
        let (id, device) = register(&app, proven["registrationToken"].as_str().unwrap()).await;
        let done = verify(&app, &session, &id, &device.next_code()).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");

        // By the pass alone as well.
        app.post(&format!("{}/resetMfa", methods(USER)), json!({})).await.expect(200);
        let first = json!({"type": "temporaryAccessPass", "verificationCode": code});
        let session = begin_with(&app, USER, first).await.expect(201).json;
        assert!(session["registrationToken"].is_string(), "{session}");
        // And by the password, where the tenant leaves it at that.
        app.patch(POLICY, json!({"registrationProof": "firstFactor"})).await.expect(200);
        assert!(begin(&app, USER, PASSWORD).await.expect(201).json["registrationToken"].is_string());
    })
    .await;
}

#[tokio::test]
async fn preferences_follow_the_policy() {
    on_each_backend(async |app| {
        let user: User = seed::user(&app, "adele").await;
        seed::every_kind(&app, &user).await;
        let preferences = format!("{}/signInPreferences", methods(user.user_id.as_str()));
        let strongest =
            async || app.get(&preferences).await.expect(200).json["systemPreferredAuthenticationMethod"].clone();
        let order =
            [("TemporaryAccessPass", "temporaryAccessPass"), ("Fido2", "fido2"), ("MicrosoftAuthenticator", "push")];
        for (id, word) in order {
            assert_eq!(strongest().await, word);
            set_state(&app, id, "disabled").await;
        }
        assert_eq!(strongest().await, "oath");
        set_state(&app, "SoftwareOath", "disabled").await;
        set_state(&app, "HardwareOath", "disabled").await;
        assert_eq!(strongest().await, "sms");
        let preferred = "userPreferredMethodForSecondaryAuthentication";
        app.patch(&preferences, json!({preferred: "sms"})).await.expect(204);
        set_state(&app, "Sms", "disabled").await;
        assert_eq!(strongest().await, "voiceMobile");
        assert_eq!(app.get(&preferences).await.json[preferred], Value::Null);
        app.patch(&preferences, json!({preferred: "sms"})).await.expect_error(400, "badRequest");
        set_state(&app, "Voice", "disabled").await;
        assert_eq!(strongest().await, Value::Null);
        let report = details(&app, user.user_id.as_str()).await;
        assert_eq!((&report["isMfaRegistered"], &report["isMfaCapable"]), (&json!(true), &json!(false)));

        // What was chosen is not forgotten, only out of use.
        set_state(&app, "Sms", "enabled").await;
        assert_eq!(app.get(&preferences).await.json[preferred], "sms");

        // The tenant can leave the choice to the users.
        set_state(&app, "MicrosoftAuthenticator", "enabled").await;
        let first = async || {
            let session = assert(&app, user.user_id.as_str()).await;
            let first = session["methods"][0].clone();
            assert_eq!(first["isDefault"], true, "{session}");
            first["@odata.type"].as_str().unwrap().to_owned()
        };
        assert_eq!(first().await, "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod");
        let named = json!([{"id": user.user_id.as_str(), "targetType": "user"}]);
        for system in [json!({"state": "disabled"}), json!({"state": "enabled", "excludeTargets": named})] {
            app.patch(POLICY, json!({"systemCredentialPreferences": system})).await.expect(200);
            assert_eq!(first().await, "#microsoft.graph.phoneAuthenticationMethod");
            let read = app.get(&preferences).await.expect(200).json;
            assert_eq!(read["isSystemPreferredAuthenticationMethodEnabled"], false);
        }
        app.patch(POLICY, json!({"systemCredentialPreferences": {"excludeTargets": []}})).await.expect(200);
        assert_eq!(first().await, "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod");
    })
    .await;
}
