//! Hardware tokens that count (RFC 4226), resync, and the limit on wrong codes.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    oath_fixtures::{DEVICES, SECRET, add_device, add_member, add_user, assert_unsaid, events, last_event, status},
    support::{Answer, TestApp, on_each_backend},
    totp::Token,
};

const ADELE: &str = "adele@contoso.example";
const PASSWORD: &str = "correct horse battery";
/// RFC 4226 appendix D: the codes of the counters 0 to 9.
const CODES: [&str; 10] =
    ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];

/// The code of a counter of the RFC's token, from the tests' own implementation.
fn code(counter: u64) -> String {
    Token::new(SECRET, "hmacsha1", 6, 1).code_at(counter)
}

fn methods(user: &str) -> String {
    format!("/v1.0/users/{user}/authentication/hardwareOathMethods")
}

/// Adds a token that counts to the inventory, and gives it to Adele; its id.
async fn add_token(app: &TestApp, serial: &str) -> String {
    let body = json!({"serialNumber": serial, "manufacturer": "Feitian", "model": "c100", "secretKey": SECRET, "otpType": "hotp"});
    let id = app.post(DEVICES, body).await.expect(201).json["id"].as_str().unwrap().to_owned();
    app.post(&methods(ADELE), json!({"device": {"id": id}})).await.expect(201);
    id
}

async fn activate(app: &TestApp, id: &str, code: &str) -> Answer {
    app.post(&format!("{}/{id}/activate", methods(ADELE)), json!({"verificationCode": code})).await
}

async fn deactivate(app: &TestApp, id: &str) {
    app.post(&format!("{}/{id}/deactivate", methods(ADELE)), json!({})).await.expect(204);
}

async fn resync(app: &TestApp, id: &str, first: &str, second: &str) -> Answer {
    let body = json!({"verificationCode": first, "nextVerificationCode": second});
    app.post(&format!("{}/{id}/resync", methods(ADELE)), body).await
}

/// A sign-in that waits for the second factor.
async fn begin(app: &TestApp) -> Value {
    let body = json!({"userPrincipalName": ADELE, "firstFactor": {"type": "password", "password": PASSWORD}});
    app.post("/v1.0/signInSessions", body).await.expect(201).json
}

async fn sign_in(app: &TestApp, id: &str, code: &str) -> Answer {
    let session = begin(app).await;
    let path = format!("/v1.0/signInSessions/{}/verify", session["id"].as_str().unwrap());
    app.post(&path, json!({"methodId": id, "verificationCode": code})).await
}

async fn add_adele(app: &TestApp) -> String {
    let id = add_member(app, ADELE).await;
    let body = json!({"passwordProfile": {"password": PASSWORD, "forceChangePasswordNextSignIn": false}});
    app.patch(&format!("/v1.0/users/{ADELE}"), body).await.expect(204);
    id.to_string()
}

fn assert_once(answers: Vec<Answer>, success: u16) {
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], success, "{statuses:?}");
    assert!(statuses[1..].iter().all(|status| (400..500).contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn rfc_4226_appendix_d() {
    assert_eq!((0..10).map(code).collect::<Vec<_>>(), CODES);
    on_each_backend(async |app| {
        add_adele(&app).await;
        let id = add_token(&app, "1").await;
        let device = app.get(&format!("{DEVICES}/{id}")).await.expect(200).json;
        assert_eq!(
            [&device["otpType"], &device["digits"], &device["timeIntervalInSeconds"]],
            [&json!("hotp"), &json!(6), &Value::Null]
        );
        activate(&app, &id, CODES[0]).await.expect(204);
        // One after the other, then with codes that nobody typed between them.
        for used in [1, 2, 3, 5, 9] {
            let done = sign_in(&app, &id, CODES[used]).await.expect(200).json;
            assert_eq!(done["status"], "completed", "{used}: {done}");
            // This one and those before it are spent.
            for spent in &CODES[used - 1..=used] {
                sign_in(&app, &id, spent).await.expect_error(400, "badRequest");
            }
        }
        let method = app.get(&format!("{}/{id}", methods(ADELE))).await.expect(200).json;
        assert!(method["lastUsedDateTime"].is_string());
        assert_unsaid(&app, SECRET).await;
    })
    .await;
}

#[tokio::test]
async fn ten_codes_ahead_are_found_and_a_thousand_by_two() {
    on_each_backend(async |app| {
        add_adele(&app).await;
        let id = add_token(&app, "1").await;
        activate(&app, &id, &code(10)).await.expect_error(400, "badRequest");
        activate(&app, &id, &code(9)).await.expect(204);
        sign_in(&app, &id, &code(20)).await.expect_error(400, "badRequest");
        assert_eq!(sign_in(&app, &id, &code(19)).await.expect(200).json["status"], "completed");

        // The button was pressed in somebody's pocket: 20 is the next one, 1019 the last that begins a pair.
        resync(&app, &id, &code(1020), &code(1021)).await.expect_error(400, "badRequest");
        for (first, second) in [(500, 500), (501, 500), (500, 502), (18, 19), (19, 20)] {
            let refused = resync(&app, &id, &code(first), &code(second)).await;
            let status = refused.status.as_u16();
            assert!(matches!(status, 400 | 429), "{first} {second}: {}", refused.text);
        }
        app.post(&format!("/v1.0/users/{ADELE}/authentication/resetMfa"), json!({})).await.expect(200);
        assert_eq!(status(&app, &id).await, "assigned");
        resync(&app, &id, &code(1019), &code(1020)).await.expect(204);
        let event = last_event(&app).await;
        assert_eq!((event.result.as_str(), event.operation_type.as_str()), ("success", "Update"));
        assert!(event.result_reason.contains("synchronized"), "{}", event.result_reason);
        // Both are spent, and the token still waits for its activation.
        assert_eq!(status(&app, &id).await, "assigned");
        resync(&app, &id, &code(1019), &code(1020)).await.expect_error(400, "badRequest");
        activate(&app, &id, &code(1020)).await.expect_error(400, "badRequest");
        activate(&app, &id, &code(1021)).await.expect(204);
        // An activated token is synchronized as well, and stays activated.
        resync(&app, &id, &code(1500), &code(1501)).await.expect(204);
        assert_eq!(status(&app, &id).await, "activated");
    })
    .await;
}

#[tokio::test]
async fn wrong_codes_are_limited_together() {
    on_each_backend(async |app| {
        add_adele(&app).await;
        let id = add_token(&app, "1").await;
        let free = add_device(&app, "2").await;
        let assign_and_activate = async |code: &str| {
            let body = json!({"device": {"id": free}, "verificationCode": code});
            app.post(&format!("{}/assignAndActivate", methods(ADELE)), body).await
        };
        // What is no code is neither checked nor counted.
        for _ in 0..6 {
            activate(&app, &id, "12345").await.expect_error(400, "badRequest");
            resync(&app, &id, &code(0), "1234567").await.expect_error(400, "badRequest");
        }
        // A right one forgets the wrong ones before it.
        for _ in 0..4 {
            activate(&app, &id, "000000").await.expect_error(400, "badRequest");
        }
        activate(&app, &id, &code(0)).await.expect(204);
        deactivate(&app, &id).await;

        activate(&app, &id, "000000").await.expect_error(400, "badRequest");
        resync(&app, &id, "000000", "000001").await.expect_error(400, "badRequest");
        assign_and_activate("00000x").await.expect_error(400, "badRequest");
        let wrong = Token::hardware(SECRET).wrong_code();
        assign_and_activate(&wrong).await.expect_error(400, "badRequest");
        activate(&app, &id, "000000").await.expect_error(400, "badRequest");
        assert_eq!(status(&app, &id).await, "failedActivation", "a wrong code is kept although the answer is 400");
        resync(&app, &id, "000000", "000001").await.expect_error(400, "badRequest");
        // Now everybody waits, whatever is typed, and nothing is spent.
        let count = events(&app).await.len();
        let answer = activate(&app, &id, &code(1)).await.expect_error(429, "TooManyRequests");
        assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        resync(&app, &id, &code(1), &code(2)).await.expect_error(429, "TooManyRequests");
        assign_and_activate(&Token::hardware(SECRET).code()).await.expect_error(429, "TooManyRequests");
        // Nor may anybody go on asking which serial numbers there are.
        let body = json!({"serialNumber": "nothing", "verificationCode": "123456"});
        let by_serial = format!("{}/assignAndActivateBySerialNumber", methods(ADELE));
        app.post(&by_serial, body).await.expect_error(429, "TooManyRequests");
        assert_eq!(events(&app).await.len(), count);
        // A reset takes the methods and with them the failures.
        app.post(&format!("/v1.0/users/{ADELE}/authentication/resetMfa"), json!({})).await.expect(200);
        activate(&app, &id, &code(1)).await.expect(204);
        assert_unsaid(&app, &code(1)).await;
    })
    .await;
}

#[tokio::test]
async fn a_default_goes_with_its_token() {
    on_each_backend(async |app| {
        add_adele(&app).await;
        let path = format!("/v1.0/users/{ADELE}/authentication/signInPreferences");
        let preferred =
            async || app.get(&path).await.expect(200).json["userPreferredMethodForSecondaryAuthentication"].clone();
        let (first, second) = (add_token(&app, "1").await, add_token(&app, "2").await);
        for id in [&first, &second] {
            activate(&app, id, &code(0)).await.expect(204);
        }
        let prefer = json!({"userPreferredMethodForSecondaryAuthentication": "oath"});
        app.patch(&path, prefer.clone()).await.expect(204);
        deactivate(&app, &first).await;
        assert_eq!(preferred().await, "oath", "there is another token");
        deactivate(&app, &second).await;
        assert_eq!(preferred().await, Value::Null);
        assert!(last_event(&app).await.modified_properties.contains("DefaultMethod"));
        // It is forgotten, not hidden.
        activate(&app, &second, &code(1)).await.expect(204);
        assert_eq!(preferred().await, Value::Null);
        app.patch(&path, prefer).await.expect(204);
        app.delete(&format!("{}/{second}", methods(ADELE))).await.expect(204);
        assert!(last_event(&app).await.modified_properties.contains("DefaultMethod"));
        assert_eq!(preferred().await, Value::Null);
    })
    .await;
}

#[tokio::test]
async fn a_code_is_accepted_once() {
    on_each_backend(async |app| {
        add_adele(&app).await;
        let id = add_token(&app, "1").await;
        activate(&app, &id, &code(0)).await.expect(204);
        let mut sessions = vec![];
        for _ in 0..16 {
            sessions.push(begin(&app).await["id"].as_str().unwrap().to_owned());
        }
        let mut all = JoinSet::new();
        for session in sessions {
            let request = app.request(Method::POST, &format!("/v1.0/signInSessions/{session}/verify"));
            all.spawn(Answer::of(request.json(&json!({"methodId": id, "verificationCode": code(4)}))));
        }
        assert_once(all.join_all().await, 200);
        app.post(&format!("/v1.0/users/{ADELE}/authentication/resetMfa"), json!({})).await.expect(200);

        let mut all = JoinSet::new();
        for _ in 0..16 {
            let request = app.request(Method::POST, &format!("{}/{id}/resync", methods(ADELE)));
            let body = json!({"verificationCode": code(700), "nextVerificationCode": code(701)});
            all.spawn(Answer::of(request.json(&body)));
        }
        assert_once(all.join_all().await, 204);
        let synchronized =
            events(&app).await.into_iter().filter(|event| event.result_reason.contains("synchronized")).count();
        assert_eq!(synchronized, 1);
    })
    .await;
}

#[tokio::test]
async fn every_shape_of_token_works() {
    on_each_backend(async |app| {
        add_adele(&app).await;
        let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA";
        let shapes = [("hotp", "hmacsha256", 8), ("totp", "hmacsha512", 8), ("hotp", "hmacsha512", 6)];
        for (serial, (otp_type, hash, digits)) in shapes.into_iter().enumerate() {
            let item = json!({"serialNumber": serial.to_string(), "manufacturer": "M", "model": "X", "secretKey": seed,
                "timeIntervalInSeconds": 30, "hashFunction": hash, "otpType": otp_type, "digits": digits,
                "assignTo": {"id": ADELE}});
            let answer = app.patch(DEVICES, json!({"value": [item]})).await.expect(201);
            let device = &answer.json["value"][0];
            assert_eq!((&device["otpType"], &device["hashFunction"]), (&json!(otp_type), &json!(hash)));
            assert_eq!(device["digits"], digits);
            let id = device["id"].as_str().unwrap();
            let width = usize::try_from(digits).unwrap();
            let short = activate(&app, id, &"1".repeat(14 - width)).await.expect_error(400, "badRequest");
            assert!(short.text.contains(&format!("{digits} digits")), "{}", short.text);
            let code = match otp_type {
                "hotp" => Token::new(seed, hash, digits, 1).code_at(0),
                _ => Token::new(seed, hash, digits, 30).code(),
            };
            activate(&app, id, &code).await.expect(204);
        }
        let body = |changes: Value| {
            let mut body = json!({"serialNumber": "9", "manufacturer": "M", "model": "X", "secretKey": seed});
            body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            body
        };
        for (wrong, target) in [
            (json!({}), "timeIntervalInSeconds"),
            (json!({"otpType": "totp"}), "timeIntervalInSeconds"),
            (json!({"otpType": "hotp", "timeIntervalInSeconds": 31}), "timeIntervalInSeconds"),
            (json!({"otpType": "hotp", "digits": 7}), "digits"),
            (json!({"otpType": "hotp", "digits": -1}), "digits"),
        ] {
            let answer = app.post(DEVICES, body(wrong)).await.expect_error(400, "badRequest");
            assert_eq!(answer.json["error"]["target"], target);
        }
        for wrong in [json!({"otpType": "ocra"}), json!({"otpType": "HOTP"}), json!({"otpType": "hotp", "digits": "6"})]
        {
            app.post(DEVICES, body(wrong)).await.expect_error(400, "badRequest");
        }
        assert_eq!(app.get(DEVICES).await.expect(200).json["value"].as_array().unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_file_may_hold_tokens_that_count() {
    on_each_backend(async |app| {
        add_adele(&app).await;
        let file = format!(
            "upn,serial number,secret key,time interval,manufacturer,model,otp type,digits,hash function\n\
             {ADELE},1,{SECRET},,Feitian,c100,hotp,6,\n,2,{SECRET},30,Feitian,c200,totp,8,hmacsha256\n\
             ,3,{SECRET},,Feitian,c200,totp,6,\n"
        );
        let request = app.request(Method::POST, &format!("{DEVICES}/import")).header("content-type", "text/csv");
        let report = Answer::of(request.body(file)).await.expect(200).json;
        assert_eq!((&report["imported"], &report["assigned"]), (&json!(2), &json!(1)), "{report}");
        assert_eq!(report["failed"][0]["line"], 4);
        let all = app.get(&methods(ADELE)).await.expect(200).json;
        activate(&app, all["value"][0]["id"].as_str().unwrap(), &code(3)).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn resync_is_for_whoever_may_register() {
    on_each_backend(async |app| {
        let user = add_adele(&app).await;
        let id = add_token(&app, "1").await;
        let path = format!("{}/{id}/resync", methods(ADELE));
        let body = json!({"verificationCode": code(100), "nextVerificationCode": code(101)});
        let call = |path: String, token: &str, body: Value| {
            Answer::of(app.http.post(format!("{}{path}", app.base)).bearer_auth(token).json(&body))
        };
        let reader = app.token_with(&app.tenant, &["UserAuthMethod-HardwareOATH.Read.All"]).await;
        call(path.clone(), &reader, body.clone()).await.expect_error(403, "accessDenied");
        let event = last_event(&app).await;
        assert_eq!((event.result.as_str(), event.target_id.as_deref()), ("failure", Some(user.as_str())));
        let other = app.new_tenant("fabrikam.example").await;
        let stranger = app.token_with(&other, &rekey::access::known_permissions()).await;
        call(path.clone(), &stranger, body.clone()).await.expect_error(404, "Request_ResourceNotFound");
        add_user(&app, &app.tenant, "bob@contoso.example", rekey::store::users::UserType::Member).await;
        let theirs = format!("{}/{id}/resync", methods("bob@contoso.example"));
        app.post(&theirs, body.clone()).await.expect_error(404, "resourceNotFound");
        for wrong in [
            json!({}),
            json!({"verificationCode": code(100)}),
            json!({"verificationCode": code(100), "nextVerificationCode": code(101), "x": 1}),
            json!({"verificationCode": code(100), "nextVerificationCode": "12345a"}),
            json!({"verificationCode": 755224, "nextVerificationCode": 287082}),
        ] {
            app.post(&path, wrong).await.expect_error(400, "badRequest");
        }
        let wrong = json!({"verificationCode": code(100), "nextVerificationCode": ""});
        let answer = app.post(&path, wrong).await.expect_error(400, "badRequest");
        assert_eq!(answer.json["error"]["target"], "nextVerificationCode");

        // The user himself, with what he got for his password: he has no method yet.
        let session = begin(&app).await;
        let registration = session["registrationToken"].as_str().unwrap().to_owned();
        let own = format!("/v1.0/me/authentication/hardwareOathMethods/{id}");
        call(format!("{own}/resync"), &registration, body).await.expect(204);
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "User updated security info");
        let body = json!({"verificationCode": code(102)});
        call(format!("{own}/activate"), &registration, body).await.expect(204);
        assert_eq!(sign_in(&app, &id, &code(103)).await.expect(200).json["status"], "completed");
    })
    .await;
}
