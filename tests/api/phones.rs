//! Phones: adding, changing, deleting, and signing in by SMS.

use rekey::{methods::phone::PhoneType, roles::Role};
use serde_json::json;

use crate::support::{Answer, on_each_backend, seed};

const MOBILE: &str = "3179e48a-750b-4051-897c-87b9720928f7";
const ALTERNATE: &str = "b6332ec1-7057-4abe-9331-3d72feddfe41";
const OFFICE: &str = "e37fc753-ff3b-4958-9484-eaa9425c82bc";

#[tokio::test]
async fn a_phone_is_added_changed_and_deleted() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let base = format!("/v1.0/users/{}/authentication/phoneMethods", user.user_principal_name);
        let body = json!({"@odata.type": "#microsoft.graph.phoneAuthenticationMethod",
                          "phoneNumber": "+1 (206) 555-0100", "phoneType": "mobile"});
        let made = app.post(&base, body).await.expect(201);
        let path = format!("/users/{}/authentication/phoneMethods/{MOBILE}", user.user_id);
        assert_eq!(made.headers["location"], format!("{}/v1.0{path}", app.base).as_str());
        assert_eq!(made.json["id"], MOBILE);
        assert_eq!(made.json["phoneNumber"], "+1 2065550100");
        assert_eq!(made.json["phoneType"], "mobile");
        assert_eq!(made.json["smsSignInState"], "notEnabled");
        let context =
            format!("{}/v1.0/$metadata#users('{}')/authentication/phoneMethods/$entity", app.base, user.user_id);
        assert_eq!(made.json["@odata.context"], context);
        let location = made.headers["location"].to_str().unwrap().strip_prefix(&app.base).unwrap();
        assert_eq!(app.get(location).await.expect(200).json, made.json);
        let event = seed::events(&app).await.remove(0);
        assert_eq!(event.activity_display_name, "Admin registered security info");
        assert_eq!(event.result_reason, "Admin registered phone method for user");
        assert_eq!(event.target_id.as_deref(), Some(user.user_id.as_str()));
        assert_eq!(seed::detail(&event, "displayName").unwrap(), "mobile ••00");

        let one = format!("{base}/{MOBILE}");
        app.patch(&one, json!({"phoneNumber": "+44 7700 900123"})).await.expect(204);
        assert_eq!(app.get(&one).await.json["phoneNumber"], "+44 7700900123");
        let event = seed::events(&app).await.remove(0);
        assert_eq!(event.activity_display_name, "Admin updated security info");
        assert_eq!(seed::modified(&event), [("PhoneNumber".into(), json!("••00"), json!("••23"))]);
        app.patch(&one, json!({"phoneNumber": "+1 2065550101x5", "phoneType": "mobile"})).await.expect(204);
        assert_eq!(app.get(&one).await.json["phoneNumber"], "+1 2065550101x5");

        // What changes nothing is a success without an event.
        let before = seed::events(&app).await.len();
        app.patch(&one, json!({"phoneNumber": "+12065550101 x5"})).await.expect(204);
        app.patch(&one, json!({})).await.expect(204);
        assert_eq!(seed::events(&app).await.len(), before);

        app.delete(&one).await.expect(204);
        app.get(&one).await.expect_error(404, "resourceNotFound");
        app.patch(&one, json!({"phoneNumber": "+1 2065550101"})).await.expect_error(404, "resourceNotFound");
        assert!(seed::events(&app).await.iter().all(|event| !format!("{event:?}").contains("206555010")));
    })
    .await;
}

#[tokio::test]
async fn what_breaks_a_rule_changes_nothing() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let base = format!("/v1.0/users/{}/authentication/phoneMethods", user.user_id);
        let add = |number: &str, phone_type: &str| json!({"phoneNumber": number, "phoneType": phone_type});
        // An alternate needs a mobile.
        app.post(&base, add("+1 2065550100", "alternateMobile")).await.expect_error(400, "badRequest");
        app.post(&base, add("+1 2065550100", "mobile")).await.expect(201);
        app.post(&base, add("+1 2065550122", "alternateMobile")).await.expect(201);
        app.post(&base, add("+1 2065550133x12", "office")).await.expect(201);
        let before = (app.get(&base).await.text, seed::events(&app).await.len());

        for phone_type in ["mobile", "alternateMobile", "office"] {
            app.post(&base, add("+1 2065550199", phone_type)).await.expect_error(400, "badRequest");
        }
        for body in [
            json!({}),
            json!({"phoneNumber": "+1 2065550199"}),
            json!({"phoneType": "mobile"}),
            json!({"phoneNumber": null, "phoneType": "mobile"}),
            json!({"phoneNumber": 12065550199_i64, "phoneType": "mobile"}),
            add("+1 2065550199", "Mobile"),
            add("+1 2065550199", "unknownFutureValue"),
            json!({"phoneNumber": "+1 2065550199", "phoneType": "mobile", "smsSignInState": "ready"}),
            json!([]),
        ] {
            app.post(&base, body).await.expect_error(400, "badRequest");
        }
        for number in ["2065550199", "+1 206555CALL", "+999 1234567", "+1 2345678901234567", "+1\u{1}2065550199", ""] {
            let refused = app.patch(&format!("{base}/{MOBILE}"), json!({"phoneNumber": number})).await;
            let refused = refused.expect_error(400, "badRequest");
            assert_eq!(refused.json["error"]["target"], "phoneNumber");
            assert!(
                refused.json["error"]["message"].as_str().unwrap().contains("+1 2065550100x123"),
                "{}",
                refused.text
            );
        }
        for body in [
            json!({"phoneType": "office"}),
            json!({"phoneNumber": "+1 2065550199", "phoneType": "office"}),
            json!({"phoneNumber": null}),
            json!({"phoneType": null}),
            json!({"id": OFFICE}),
        ] {
            app.patch(&format!("{base}/{MOBILE}"), body).await.expect_error(400, "badRequest");
        }
        // The mobile stays while there is an alternate.
        app.delete(&format!("{base}/{MOBILE}")).await.expect_error(400, "badRequest");
        assert_eq!((app.get(&base).await.text, seed::events(&app).await.len()), before);

        app.delete(&format!("{base}/{ALTERNATE}")).await.expect(204);
        app.delete(&format!("{base}/{MOBILE}")).await.expect(204);
        assert_eq!(app.get(&base).await.json["value"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_adds_once() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let base = format!("/v1.0/users/{}/authentication/phoneMethods", user.user_id);
        let add = |number: &str| {
            let body = json!({"phoneNumber": number, "phoneType": "mobile"});
            Answer::of(app.request(reqwest::Method::POST, &base).header("Idempotency-Key", "k1").json(&body))
        };
        let first = add("+1 2065550100").await.expect(201);
        let again = add("+1 2065550100").await.expect(201);
        assert_eq!((first.text, &first.headers["location"]), (again.text, &again.headers["location"]));
        add("+1 2065550101").await.expect_error(422, "unprocessableEntity");
        assert_eq!(seed::events(&app).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_number_signs_in_one_user_only() {
    on_each_backend(async |app| {
        let (first, second) = (seed::user(&app, "first").await, seed::user(&app, "second").await);
        for user in [&first, &second] {
            seed::phone(&app, user, PhoneType::Mobile, "+1 2065550100").await;
            seed::phone(&app, user, PhoneType::Office, "+1 2065550133").await;
        }
        let phone = |user: &rekey::store::users::User, id: &str| {
            format!("/v1.0/users/{}/authentication/phoneMethods/{id}", user.user_id)
        };
        let (mine, other) = (phone(&first, MOBILE), phone(&second, MOBILE));
        let act = async |path: &str, action: &str| app.post(&format!("{path}/{action}"), json!({})).await;

        act(&mine, "enableSmsSignIn").await.expect(204);
        assert_eq!(app.get(&mine).await.json["smsSignInState"], "ready");
        let event = seed::events(&app).await.remove(0);
        assert_eq!(seed::modified(&event), [("SmsSignInEnabled".into(), json!(false), json!(true))]);
        // Again is a success that changes nothing; without a body too.
        let count = seed::events(&app).await.len();
        let bare = app.request(reqwest::Method::POST, &format!("{mine}/enableSmsSignIn"));
        assert_eq!(Answer::of(bare).await.expect(204).text, "");
        assert_eq!(seed::events(&app).await.len(), count);

        act(&other, "enableSmsSignIn").await.expect_error(409, "phoneNumberNotUnique");
        assert_eq!(app.get(&other).await.json["smsSignInState"], "notEnabled");
        // Another number is free, and cannot become the taken one while it signs in.
        app.patch(&other, json!({"phoneNumber": "+1 2065550101"})).await.expect(204);
        act(&other, "enableSmsSignIn").await.expect(204);
        app.patch(&other, json!({"phoneNumber": "+1 206 555 0100"})).await.expect_error(409, "phoneNumberNotUnique");
        app.patch(&other, json!({"phoneNumber": "+1 2065550102x9"})).await.expect_error(400, "badRequest");
        assert_eq!(app.get(&other).await.json["phoneNumber"], "+1 2065550101");
        // The number moves along with a change, and frees the old one.
        app.patch(&mine, json!({"phoneNumber": "+1 2065550103"})).await.expect(204);
        assert_eq!(app.get(&mine).await.json["smsSignInState"], "ready");
        app.patch(&other, json!({"phoneNumber": "+1 2065550100"})).await.expect(204);
        app.patch(&mine, json!({"phoneNumber": "+1 2065550100"})).await.expect_error(409, "phoneNumberNotUnique");
        act(&other, "disableSmsSignIn").await.expect(204);
        act(&other, "disableSmsSignIn").await.expect(204);
        assert_eq!(app.get(&other).await.json["smsSignInState"], "notEnabled");
        app.patch(&mine, json!({"phoneNumber": "+1 2065550100"})).await.expect(204);
        // Deleting frees it as well.
        app.delete(&mine).await.expect(204);
        act(&other, "enableSmsSignIn").await.expect(204);

        // Another tenant's numbers do not matter.
        let tenant = app.new_tenant("fabrikam.example").await;
        let stranger = seed::user_of(&app, &tenant, "stranger").await;
        seed::phone(&app, &stranger, PhoneType::Mobile, "+1 2065550100").await;
        let token = app.token_with(&tenant, &["UserAuthMethod-Phone.ReadWrite.All"]).await;
        let enable = format!("{}{}/enableSmsSignIn", app.base, phone(&stranger, MOBILE));
        Answer::of(app.http.post(enable).bearer_auth(token)).await.expect(204);

        act(&phone(&first, OFFICE), "enableSmsSignIn").await.expect_error(400, "badRequest");
        act(&phone(&first, MOBILE), "enableSmsSignIn").await.expect_error(404, "resourceNotFound");
    })
    .await;
}

#[tokio::test]
async fn the_policy_says_who_may_sign_in_by_sms() {
    on_each_backend(async |app| {
        let (first, second) = (seed::user(&app, "first").await, seed::user(&app, "second").await);
        for (user, number) in [(&first, "+1 2065550100"), (&second, "+1 2065550101")] {
            seed::phone(&app, user, PhoneType::Mobile, number).await;
            seed::phone(&app, user, PhoneType::Office, "+1 2065550133").await;
        }
        let phones =
            |user: &rekey::store::users::User| format!("/v1.0/users/{}/authentication/phoneMethods", user.user_id);
        let (mine, other) = (format!("{}/{MOBILE}", phones(&first)), format!("{}/{MOBILE}", phones(&second)));
        app.post(&format!("{mine}/enableSmsSignIn"), json!({})).await.expect(204);
        let sms = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/Sms";
        let targets = |usable: bool| {
            let target =
                |id: &str, kind: &str, usable: bool| json!({"id": id, "targetType": kind, "isUsableForSignIn": usable});
            let one = target(second.user_id.as_str(), "user", true);
            json!({"includeTargets": [target("all_users", "group", usable), one]})
        };
        let excluded = json!({"excludeTargets": [{"id": first.user_id, "targetType": "user"}]});
        for (change, expected) in [
            (targets(true), ["ready", "notEnabled"]),
            (targets(false), ["notAllowedByPolicy", "notEnabled"]),
            (targets(true), ["ready", "notEnabled"]),
            (excluded, ["notAllowedByPolicy", "notEnabled"]),
            (json!({"excludeTargets": []}), ["ready", "notEnabled"]),
            (json!({"state": "disabled"}), ["notAllowedByPolicy", "notAllowedByPolicy"]),
        ] {
            app.patch(sms, change).await.expect(204);
            for (path, state) in [&mine, &other].into_iter().zip(expected) {
                assert_eq!(app.get(path).await.expect(200).json["smsSignInState"], state);
                let any = path.replace("phoneMethods", "methods");
                assert_eq!(app.get(&any).await.expect(200).json["smsSignInState"], state);
            }
        }
        // The same in the lists; another type of phone is none to sign in with.
        let all = format!("/v1.0/users/{}/authentication/methods", first.user_id);
        for list in [phones(&first), all] {
            let list = app.get(&list).await.expect(200).json;
            let state = |id: &str| {
                let phone = list["value"].as_array().unwrap().iter().find(|phone| phone["id"] == id).unwrap();
                phone["smsSignInState"].as_str().unwrap().to_owned()
            };
            assert_eq!([state(MOBILE), state(OFFICE)], ["notAllowedByPolicy", "notSupported"]);
        }
        app.post(&format!("{other}/enableSmsSignIn"), json!({})).await.expect_error(400, "badRequest");
        // What is not allowed can still be ended, and calls still let a mobile be added.
        app.post(&format!("{mine}/disableSmsSignIn"), json!({})).await.expect(204);
        app.delete(&mine).await.expect(204);
        let body = json!({"phoneNumber": "+1 2065550100", "phoneType": "mobile"});
        assert_eq!(app.post(&phones(&first), body).await.expect(201).json["smsSignInState"], "notAllowedByPolicy");
        app.delete(sms).await.expect(204);
        assert_eq!(app.get(&mine).await.expect(200).json["smsSignInState"], "notEnabled");
    })
    .await;
}

#[tokio::test]
async fn writing_takes_the_right() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        seed::phone(&app, &user, PhoneType::Mobile, "+1 2065550100").await;
        let base = format!("{}/v1.0/users/{}/authentication/phoneMethods", app.base, user.user_id);
        let office = json!({"phoneNumber": "+1 2065550133", "phoneType": "office"});
        for permission in ["UserAuthMethod-Phone.Read.All", "UserAuthMethod-Email.ReadWrite.All", "MfaReset.ReadWrite.All"] {
            let token = app.token_with(&app.tenant, &[permission]).await;
            let one = format!("{base}/{MOBILE}");
            for (request, activity) in [
                (app.http.post(&base).json(&office), "Admin registered security info"),
                (app.http.patch(&one).json(&json!({"phoneNumber": "+1 2065550199"})), "Admin updated security info"),
                (app.http.post(format!("{one}/enableSmsSignIn")), "Admin updated security info"),
                (app.http.post(format!("{one}/disableSmsSignIn")), "Admin updated security info"),
                (app.http.delete(&one), "Admin deleted security info"),
            ] {
                Answer::of(request.bearer_auth(&token)).await.expect_error(403, "accessDenied");
                let event = seed::events(&app).await.remove(0);
                assert_eq!((event.activity_display_name.as_str(), event.result.as_str()), (activity, "failure"));
            }
        }
        let (_, admin) = seed::admin(&app, "admin", Role::AuthenticationAdministrator).await;
        let made = Answer::of(app.http.post(&base).json(&office).bearer_auth(&admin)).await.expect(201);
        assert_eq!(made.json["phoneNumber"], "••33");
        assert_eq!(app.get(&format!("/v1.0/users/{}/authentication/phoneMethods/{OFFICE}", user.user_id)).await.json["phoneNumber"], "+1 2065550133");
    })
    .await;
}
