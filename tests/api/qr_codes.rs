//! QR codes with a PIN: one factor, made by administrators, shown once.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::{add_member, last_event},
    sign_in_fixtures::{
        SESSIONS, USER, as_user, begin_with, claims, path, read_own, register, reset, switch_security_defaults_off,
        verify,
    },
    support::{Answer, TestApp, on_each_backend, seed},
};

const POLICY: &str = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/QRCodePin";
const PIN: &str = "27182818";
const NEW_PIN: &str = "31415926";

fn method(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication/qrCodePinMethod")
}

async fn put(app: &TestApp, user: &str, body: Value) -> Answer {
    as_user(app, &app.token, Method::PUT, &method(user), body).await
}

/// A user with a badge; what its code says.
async fn add_badge(app: &TestApp, user: &str) -> String {
    add_member(app, user).await;
    let made = put(app, user, json!({"pin": {"code": PIN}})).await.expect(201).json;
    made["standardQRCode"]["image"]["rawContent"].as_str().unwrap().to_owned()
}

async fn show(app: &TestApp, content: &str, pin: &str) -> Answer {
    let first = json!({"type": "qrCodePin", "rawContent": content, "pin": pin});
    app.post(SESSIONS, json!({"firstFactor": first})).await
}

/// Signs in with the badge and replaces the PIN that somebody else chose.
async fn settle(app: &TestApp, content: &str) {
    let session = show(app, content, PIN).await.expect(201).json;
    assert_eq!(session["status"], "pinChangeRequired", "{session}");
    let change = format!("{}/changePin", path(&session));
    let done = app.post(&change, json!({"newPin": NEW_PIN})).await.expect(200).json;
    assert_eq!(done["status"], "completed");
}

/// Seconds between two moments.
fn seconds(from: &Value, to: &Value) -> i64 {
    let at = |value: &Value| rekey::clock::Timestamp::parse_iso(value.as_str().unwrap()).unwrap().seconds();
    at(to) - at(from)
}

#[tokio::test]
async fn what_is_made_is_shown_once() {
    on_each_backend(async |app| {
        add_member(&app, USER).await;
        app.get(&method(USER)).await.expect_error(404, "resourceNotFound");
        let made = put(&app, USER, json!({})).await.expect(201);
        assert!(made.headers["location"].to_str().unwrap().ends_with("/authentication/qrCodePinMethod"));
        let made = made.json;
        let (code, pin) = (&made["standardQRCode"], made["pin"]["code"].as_str().unwrap());
        assert!(pin.len() == 8 && pin.bytes().all(|byte| byte.is_ascii_digit()), "{pin}");
        assert_eq!(made["pin"]["forceChangePinNextSignIn"], true);
        assert_eq!((&made["isUsable"], &made["methodUsabilityReason"]), (&json!(true), &json!("EnabledByPolicy")));
        assert_eq!(made["temporaryQRCode"], Value::Null);
        assert_eq!(seconds(&code["startDateTime"], &code["expireDateTime"]), 365 * 86_400);
        assert_eq!(code["lastUsedDateTime"], "0001-01-01T00:00:00Z");
        let image = &code["image"];
        let content = image["rawContent"].as_str().unwrap();
        let png = STANDARD.decode(image["binaryValue"].as_str().unwrap()).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
        // 86 bytes at level M take version 6 (ISO/IEC 18004 table 7: 106 bytes; version 5 holds 84).
        assert_eq!((&image["version"], &image["errorCorrectionLevel"]), (&json!(6), &json!("m")));

        // Afterwards nobody sees what it says, nor the PIN.
        for path in [
            method(USER),
            format!("{}/standardQRCode", method(USER)),
            format!("/v1.0/users/{USER}/authentication/methods"),
        ] {
            let read = app.get(&path).await.expect(200);
            assert!(!read.text.contains(content) && !read.text.contains(&format!("\"{pin}\"")), "{}", read.text);
        }
        let mut read = app.get(&method(USER)).await.expect(200).json;
        assert_eq!((&read["pin"]["code"], &read["standardQRCode"]["image"]), (&Value::Null, &Value::Null));
        assert_eq!(read["id"], made["id"]);
        read.as_object_mut().unwrap().shift_remove("@odata.context");
        read["@odata.type"] = json!("#microsoft.graph.qrCodePinAuthenticationMethod");
        let all = app.get(&format!("/v1.0/users/{USER}/authentication/methods")).await.json;
        assert_eq!(all["value"], json!([read]));
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "Admin registered security info");
        assert_eq!(seed::detail(&event, "kind").as_deref(), Some("qrCodePin"));
        for text in [&event.additional_details, &event.modified_properties] {
            assert!(!text.contains(content) && !text.contains(pin));
        }

        // One of each user's.
        put(&app, USER, json!({})).await.expect_error(409, "conflict");
        app.delete(&method(USER)).await.expect(204);
        app.delete(&method(USER)).await.expect_error(404, "resourceNotFound");
        put(&app, USER, json!({"pin": {"code": PIN}})).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn both_together_are_one_factor() {
    on_each_backend(async |app| {
        let content = add_badge(&app, USER).await;
        // Where MFA is required they are as much as a password: they open the registration that is due.
        let session = show(&app, &content, PIN).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired");
        let (id, token) = register(&app, session["registrationToken"].as_str().unwrap()).await;
        let report = format!("/v1.0/reports/authenticationMethods/userRegistrationDetails/{USER}");
        let details = app.get(&report).await.expect(200).json;
        assert_eq!(details["methodsRegistered"], json!(["qrCodePin", "softwareOneTimePasscode"]));
        assert_eq!(details["isPasswordlessCapable"], false);
        // Then the second factor is asked for, and last the PIN that somebody else chose.
        let session = show(&app, &content, PIN).await.expect(201).json;
        assert_eq!(session["status"], "mfaRequired");
        assert_eq!(session["methods"].as_array().unwrap().len(), 1);
        let session = verify(&app, &session, &id, &token.next_code()).await.expect(200).json;
        assert_eq!(session["status"], "pinChangeRequired");
        let change = format!("{}/changePin", path(&session));
        for wrong in [PIN, "1234567", "11111111", "abcdefgh"] {
            app.post(&change, json!({"newPin": wrong})).await.expect_error(400, "badRequest");
        }
        app.post(&format!("{}/changePassword", path(&session)), json!({"newPassword": "amber lantern 58 river"}))
            .await
            .expect_error(409, "conflict");
        let done = app.post(&change, json!({"newPin": NEW_PIN})).await.expect(200).json;
        assert_eq!(done["status"], "completed");
        let amr = claims(&done["outcomeToken"])["amr"].clone();
        assert_eq!(amr, json!(["mfa", "otp", "pin"]));
        app.post(&change, json!({"newPin": "16180339"})).await.expect_error(409, "conflict");
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "User updated security info");
        assert!(!event.modified_properties.contains(NEW_PIN));

        // The old PIN is over. Without MFA the badge alone signs in, as a single factor.
        switch_security_defaults_off(&app).await;
        assert_eq!(show(&app, &content, PIN).await.expect(201).json["status"], "refused");
        let done = show(&app, &content, NEW_PIN).await.expect(201).json;
        assert_eq!((&done["status"], &claims(&done["outcomeToken"])["amr"]), (&json!("completed"), &json!(["pin"])));
        let read = app.get(&method(USER)).await.json;
        assert_ne!(read["standardQRCode"]["lastUsedDateTime"], "0001-01-01T00:00:00Z");
        assert_eq!(read["pin"]["forceChangePinNextSignIn"], false);
        let log = app.get("/v1.0/auditLogs/signIns?$top=1").await.expect(200).json;
        assert_eq!(log["value"][0]["authenticationDetails"][0]["authenticationMethod"], "QR code");
    })
    .await;
}

#[tokio::test]
async fn wrong_ones_look_alike_and_are_counted() {
    on_each_backend(async |app| {
        switch_security_defaults_off(&app).await;
        let content = add_badge(&app, USER).await;
        let alex = add_badge(&app, "alex@contoso.example").await;
        let mut forged = STANDARD.decode(&content).unwrap();
        *forged.last_mut().unwrap() ^= 1;
        let forged = STANDARD.encode(forged);
        let shape = |mut session: Value| {
            for varying in ["id", "expirationDateTime"] {
                session.as_object_mut().unwrap().remove(varying);
            }
            session
        };
        let mut seen = vec![];
        for (content, pin) in
            [(content.as_str(), "16180339"), (forged.as_str(), PIN), ("nonsense", PIN), (&content[..80], PIN)]
        {
            seen.push(shape(show(&app, content, pin).await.expect(201).json));
        }
        // Somebody's name with somebody else's code, and a name that nobody has.
        for user in ["alex@contoso.example", "nobody@contoso.example"] {
            let first = json!({"type": "qrCodePin", "rawContent": content, "pin": PIN});
            seen.push(shape(begin_with(&app, user, first).await.expect(201).json));
        }
        assert!(seen.iter().all(|session| session["status"] == "refused" && *session == seen[0]), "{seen:?}");
        // Another tenant's code is nobody's here.
        let other = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&other, &rekey::access::known_permissions()).await;
        let body = json!({"firstFactor": {"type": "qrCodePin", "rawContent": content, "pin": PIN}});
        let theirs = as_user(&app, &stranger, Method::POST, SESSIONS, body).await.expect(201).json;
        assert_eq!(theirs["status"], "refused");
        for body in [
            json!({"type": "qrCodePin", "rawContent": content}),
            json!({"type": "qrCodePin", "pin": PIN}),
            json!({"type": "qrCodePin", "rawContent": content, "pin": PIN, "password": "x"}),
            json!({"type": "password", "rawContent": content, "pin": PIN}),
            json!({"type": "qrCodePin", "rawContent": content, "pin": 27182818}),
            json!({"type": "qrCodePin", "rawContent": "x".repeat(257), "pin": PIN}),
        ] {
            app.post(SESSIONS, json!({"firstFactor": body})).await.expect(400);
        }

        // Two failures stand against the user; three more, and everybody has to wait, also with the right ones.
        for _ in 0..3 {
            show(&app, &content, "16180339").await.expect(201);
        }
        let waiting = show(&app, &content, PIN).await.expect(429);
        assert!(waiting.headers.contains_key("retry-after"));
        // The others, and the other kinds of guesses, are not held up.
        assert_eq!(show(&app, &alex, PIN).await.expect(201).json["status"], "pinChangeRequired");
        let requirements = app.get(&format!("/v1.0/users/{USER}/authentication/requirements")).await.expect(200);
        assert!(requirements.text.contains("qrCodePin"), "{}", requirements.text);
        app.post(&format!("/v1.0/users/{USER}/authentication/unlock"), json!({})).await.expect(204);
        assert_eq!(show(&app, &content, PIN).await.expect(201).json["status"], "pinChangeRequired");
    })
    .await;
}

#[tokio::test]
async fn codes_are_extended_and_replaced() {
    on_each_backend(async |app| {
        switch_security_defaults_off(&app).await;
        let content = add_badge(&app, USER).await;
        settle(&app, &content).await;
        let standard = format!("{}/standardQRCode", method(USER));
        let temporary = format!("{}/temporaryQRCode", method(USER));
        let now = app.get(&standard).await.expect(200).json;
        let start = now["startDateTime"].as_str().unwrap().to_owned();
        let after = |hours: i64| rekey::clock::Timestamp::parse_iso(&start).unwrap().plus_minutes(hours * 60).to_iso();
        // Another end for the standard code, and nothing but that.
        let changed = app.patch(&standard, json!({"expireDateTime": after(395 * 24)})).await.expect(200).json;
        assert_eq!((&changed["expireDateTime"], &changed["image"]), (&json!(after(395 * 24)), &Value::Null));
        assert_eq!(changed["id"], now["id"]);
        for wrong in [
            json!({"expireDateTime": after(395 * 24 + 1)}),
            json!({"expireDateTime": after(-1)}),
            json!({"startDateTime": after(24)}),
            json!({"expireDateTime": "tomorrow"}),
            json!({"image": null, "id": "x"}),
        ] {
            app.patch(&standard, wrong).await.expect_error(400, "badRequest");
        }
        assert_eq!(show(&app, &content, NEW_PIN).await.expect(201).json["status"], "completed");

        // A temporary one beside it; it cannot be changed.
        app.get(&temporary).await.expect_error(404, "resourceNotFound");
        for wrong in
            [json!({"expireDateTime": after(13)}), json!({"startDateTime": after(1), "expireDateTime": after(1)})]
        {
            app.patch(&temporary, wrong).await.expect_error(400, "badRequest");
        }
        let made = app.patch(&temporary, json!({})).await.expect(201).json;
        assert_eq!(seconds(&made["startDateTime"], &made["expireDateTime"]), 12 * 3600);
        let day = made["image"]["rawContent"].as_str().unwrap();
        assert_eq!(show(&app, day, NEW_PIN).await.expect(201).json["status"], "completed");
        assert_eq!(show(&app, &content, NEW_PIN).await.expect(201).json["status"], "completed");
        app.patch(&temporary, json!({"expireDateTime": after(2)})).await.expect_error(409, "conflict");
        app.delete(&temporary).await.expect(204);
        assert_eq!(show(&app, day, NEW_PIN).await.expect(201).json["status"], "refused");
        app.delete(&temporary).await.expect_error(404, "resourceNotFound");

        // A badge that was lost: its code goes, the PIN stays, and the next code is another.
        app.delete(&standard).await.expect(204);
        assert_eq!(show(&app, &content, NEW_PIN).await.expect(201).json["status"], "refused");
        let read = app.get(&method(USER)).await.expect(200).json;
        assert_eq!((&read["isUsable"], &read["methodUsabilityReason"]), (&json!(false), &json!("Expired")));
        let later = app.patch(&standard, json!({"startDateTime": after(24)})).await.expect(201).json;
        let next = later["image"]["rawContent"].as_str().unwrap();
        assert_ne!(next, content);
        assert_eq!(app.get(&method(USER)).await.json["methodUsabilityReason"], "NotYetValid");
        assert_eq!(show(&app, next, NEW_PIN).await.expect(201).json["status"], "refused");
        app.delete(&standard).await.expect(204);
        let made = app.patch(&standard, json!({})).await.expect(201).json;
        let next = made["image"]["rawContent"].as_str().unwrap();
        assert_eq!(show(&app, next, NEW_PIN).await.expect(201).json["status"], "completed");
    })
    .await;
}

#[tokio::test]
async fn pins_are_reset_by_others_and_changed_by_their_users() {
    on_each_backend(async |app| {
        switch_security_defaults_off(&app).await;
        let content = add_badge(&app, USER).await;
        settle(&app, &content).await;
        let session = show(&app, &content, NEW_PIN).await.expect(201).json;
        let own = session["outcomeToken"].as_str().unwrap();
        let update = "/v1.0/me/authentication/qrCodePinMethod/pin/updatePin";
        let change = async |current: &str, new: &str| {
            as_user(&app, own, Method::PATCH, update, json!({"currentPin": current, "newPin": new})).await
        };
        let refused = change(PIN, "16180339").await.expect_error(400, "badRequest");
        assert_eq!(refused.json["error"]["target"], "currentPin");
        assert_eq!(last_event(&app).await.result, "failure");
        for new in [NEW_PIN, "1234", "88888888"] {
            let refused = change(NEW_PIN, new).await.expect_error(400, "badRequest");
            assert_eq!(refused.json["error"]["target"], "newPin");
        }
        // Microsoft's typed clients send it as an action.
        let wrong = json!({"currentPin": PIN, "newPin": "16180339"});
        as_user(&app, own, Method::POST, update, wrong).await.expect_error(400, "badRequest");
        let right = json!({"currentPin": NEW_PIN, "newPin": "27182818"});
        as_user(&app, own, Method::POST, update, right).await.expect(204);
        change("27182818", "16180339").await.expect(204);
        assert_eq!(show(&app, &content, "16180339").await.expect(201).json["status"], "completed");
        assert!(app.get(&method(USER)).await.json["pin"]["updatedDateTime"].is_string());
        // No administrator does that in the user's name, and the user makes no badge for himself.
        let by_id = format!("{}/pin/updatePin", method(USER));
        app.patch(&by_id, json!({"currentPin": "16180339", "newPin": NEW_PIN})).await.expect_error(403, "accessDenied");
        for (what, method) in
            [("", Method::DELETE), ("", Method::PUT), ("/pin", Method::PATCH), ("/standardQRCode", Method::PATCH)]
        {
            let path = format!("/v1.0/me/authentication/qrCodePinMethod{what}");
            as_user(&app, own, method, &path, json!({})).await.expect_error(403, "accessDenied");
        }
        as_user(&app, own, Method::GET, "/v1.0/me/authentication/qrCodePinMethod", json!({})).await.expect(200);

        // A reset of the PIN shows the new one, once, and it must be changed.
        let pin = format!("{}/pin", method(USER));
        app.patch(&pin, json!({"code": "12345678"})).await.expect_error(400, "badRequest");
        let made = app.patch(&pin, json!({"code": PIN})).await.expect(201).json;
        assert_eq!((&made["code"], &made["forceChangePinNextSignIn"]), (&json!(PIN), &json!(true)));
        assert_eq!(show(&app, &content, "16180339").await.expect(201).json["status"], "refused");
        settle(&app, &content).await;
        app.patch(POLICY, json!({"pinLength": 12})).await.expect(204);
        let made = app.patch(&pin, json!({})).await.expect(201).json;
        assert_eq!(made["code"].as_str().unwrap().len(), 12);
        app.patch(&pin, json!({"code": PIN})).await.expect_error(400, "badRequest");

        // Whoever may read does not write.
        let read = app.token_with(&app.tenant, &["UserAuthMethod-QR.Read.All"]).await;
        let write = app.token_with(&app.tenant, &["UserAuthMethod-QR.ReadWrite.All"]).await;
        as_user(&app, &read, Method::GET, &method(USER), json!({})).await.expect(200);
        for (what, verb) in
            [("", Method::DELETE), ("", Method::PUT), ("/pin", Method::PATCH), ("/temporaryQRCode", Method::PATCH)]
        {
            let path = format!("{}{what}", method(USER));
            as_user(&app, &read, verb, &path, json!({})).await.expect_error(403, "accessDenied");
        }
        as_user(&app, &write, Method::DELETE, &method(USER), json!({})).await.expect(204);
        app.patch(&pin, json!({})).await.expect_error(404, "resourceNotFound");
    })
    .await;
}

/// Whoever knew the old PIN, or has the old badge, gets nowhere with a session that was opened before.
#[tokio::test]
async fn a_session_opened_with_what_is_taken_away_is_over() {
    on_each_backend(async |app| {
        switch_security_defaults_off(&app).await;
        let mut content = add_badge(&app, USER).await;
        // The user is faster.
        let [own, other] = [(); 2].map(|()| show(&app, &content, PIN));
        let (own, other) = (own.await.expect(201).json, other.await.expect(201).json);
        let change = |session: &Value| format!("{}/changePin", path(session));
        let done = app.post(&change(&own), json!({"newPin": NEW_PIN})).await.expect(200).json;
        app.post(&change(&other), json!({"newPin": "16180339"})).await.expect_error(409, "conflict");
        assert_eq!(show(&app, &content, NEW_PIN).await.expect(201).json["status"], "completed");
        read_own(&app, done["outcomeToken"].as_str().unwrap()).await.expect(200);
        app.patch(&format!("{}/pin", method(USER)), json!({"code": PIN})).await.expect(201);
        read_own(&app, done["outcomeToken"].as_str().unwrap()).await.expect_error(401, "InvalidAuthenticationToken");

        for taken_away in ["pin", "standardQRCode", ""] {
            let session = show(&app, &content, PIN).await.expect(201).json;
            assert_eq!(session["status"], "pinChangeRequired", "{session}");
            let what = format!("{}/{taken_away}", method(USER));
            match taken_away {
                "pin" => app.patch(&what, json!({"code": PIN})).await.expect(201),
                _ => app.delete(what.trim_end_matches('/')).await.expect(204),
            };
            if taken_away == "standardQRCode" {
                let end = rekey::clock::Clock::System.now().plus_minutes(30 * 24 * 60).to_iso();
                let made = app.patch(&what, json!({"expireDateTime": end})).await.expect(201).json;
                content = made["image"]["rawContent"].as_str().unwrap().to_owned();
            }
            let change = format!("{}/changePin", path(&session));
            app.post(&change, json!({"newPin": NEW_PIN})).await.expect_error(409, "conflict");
            assert_eq!(app.get(&path(&session)).await.expect(200).json["status"], "refused", "{taken_away}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_policy_and_the_reset_reach_it() {
    on_each_backend(async |app| {
        switch_security_defaults_off(&app).await;
        let content = add_badge(&app, USER).await;
        settle(&app, &content).await;
        add_member(&app, "alex@contoso.example").await;
        app.patch(POLICY, json!({"standardQRCodeLifetimeInDays": 30, "state": "disabled"})).await.expect(204);
        assert_eq!(app.get(&method(USER)).await.json["methodUsabilityReason"], "DisabledByPolicy");
        assert_eq!(show(&app, &content, NEW_PIN).await.expect(201).json["status"], "refused");
        put(&app, "alex@contoso.example", json!({})).await.expect_error(400, "badRequest");
        app.patch(POLICY, json!({"state": "enabled"})).await.expect(204);
        assert_eq!(show(&app, &content, NEW_PIN).await.expect(201).json["status"], "completed");
        let made = put(&app, "alex@contoso.example", json!({})).await.expect(201).json["standardQRCode"].clone();
        assert_eq!(seconds(&made["startDateTime"], &made["expireDateTime"]), 30 * 86_400);
        for wrong in [
            json!({"pinLength": 7}),
            json!({"pinLength": 21}),
            json!({"standardQRCodeLifetimeInDays": 0}),
            json!({"standardQRCodeLifetimeInDays": 396}),
        ] {
            app.patch(POLICY, wrong).await.expect_error(400, "badRequest");
        }

        let kept = reset(&app, USER, json!({})).await;
        assert_eq!(kept["kept"][0]["@odata.type"], "#microsoft.graph.qrCodePinAuthenticationMethod");
        // Registration is due, and the badge opens it as a password would, unless more is asked for.
        let session = show(&app, &content, NEW_PIN).await.expect(201).json;
        assert_eq!(session["status"], "registrationRequired");
        assert!(session["registrationToken"].is_string());
        let whole = "/v1.0/policies/authenticationMethodsPolicy";
        app.patch(whole, json!({"registrationProof": "temporaryAccessPass"})).await.expect(200);
        let session = show(&app, &content, NEW_PIN).await.expect(201).json;
        assert_eq!((&session["status"], session.get("registrationToken")), (&json!("registrationRequired"), None));
        let gone = reset(&app, USER, json!({"alsoDelete": ["qrCodePin"]})).await;
        assert_eq!(gone["deleted"][0]["displayName"], "QR code");
        assert_eq!(show(&app, &content, NEW_PIN).await.expect(201).json["status"], "refused");
        // Somebody who is disabled is nobody.
        let alex = app.get("/v1.0/users/alex@contoso.example").await.json["id"].clone();
        let reset = app.patch(&format!("{}/pin", method("alex@contoso.example")), json!({"code": PIN})).await;
        reset.expect(201);
        let standard = format!("{}/standardQRCode", method("alex@contoso.example"));
        app.delete(&standard).await.expect(204);
        let content = app.patch(&standard, json!({})).await.expect(201).json["image"]["rawContent"].clone();
        app.patch(&format!("/v1.0/users/{}", alex.as_str().unwrap()), json!({"accountEnabled": false}))
            .await
            .expect(204);
        assert_eq!(show(&app, content.as_str().unwrap(), PIN).await.expect(201).json["status"], "refused");
    })
    .await;
}
