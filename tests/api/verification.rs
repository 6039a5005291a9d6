//! Codes that are sent: to verify a phone or an e-mail address, and to sign in with a phone.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rekey::{
    clock::Clock,
    messages::Sending,
    methods::{
        phone::PhoneType,
        policy::{Configuration, MethodsPolicy, State},
    },
    store::messages::Channel,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    oath_fixtures::{assert_unsaid, last_event},
    sign_in_fixtures::{PASSWORD, USER, add_user, as_user, begin, verify},
    support::{Answer, Setup, TestApp, backends, database, on_each_backend, seed},
};

const MOBILE: &str = "3179e48a-750b-4051-897c-87b9720928f7";
const ALTERNATE: &str = "b6332ec1-7057-4abe-9331-3d72feddfe41";
const OFFICE: &str = "e37fc753-ff3b-4958-9484-eaa9425c82bc";
const EMAIL: &str = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f";
const OWN_PHONES: &str = "/v1.0/me/authentication/phoneMethods";
const OWN_EMAILS: &str = "/v1.0/me/authentication/emailMethods";
const NUMBER: &str = "+1 2065550100";

fn phones() -> String {
    format!("/v1.0/users/{USER}/authentication/phoneMethods")
}

fn phone(number: &str, phone_type: &str) -> Value {
    json!({"phoneNumber": number, "phoneType": phone_type})
}

fn code(code: &str) -> Value {
    json!({"verificationCode": code})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The user has a password and a phone that an administrator added.
async fn add_user_with_phone(app: &TestApp) {
    add_user(app).await;
    app.post(&phones(), phone(NUMBER, "mobile")).await.expect(201);
}

/// A sign-in of the user that waits for the second factor.
async fn session(app: &TestApp) -> Value {
    let session = begin(app, USER, PASSWORD).await.expect(201).json;
    assert_eq!(session["status"], "mfaRequired", "{session}");
    session
}

async fn challenge(app: &TestApp, session: &Value, body: Value) -> Answer {
    app.post(&format!("/v1.0/signInSessions/{}/challenge", session["id"].as_str().unwrap()), body).await
}

async fn registration_token(app: &TestApp) -> (Value, String) {
    let session = begin(app, USER, PASSWORD).await.expect(201).json;
    assert_eq!(session["status"], "registrationRequired", "{session}");
    let token = text(&session["registrationToken"]);
    (session, token)
}

/// `amr` of an outcome token.
fn amr(done: &Value) -> Value {
    let token = text(&done["outcomeToken"]);
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["amr"].clone()
}

async fn set_policy(app: &TestApp, change: impl Fn(&mut MethodsPolicy) + Send + 'static) {
    let tenant = app.tenant.clone();
    let write = app.app.store.write(&app.tenant, move |tx| {
        let mut policy = MethodsPolicy::of(tx, &tenant)?;
        change(&mut policy);
        policy.save(tx, &tenant)
    });
    write.await.unwrap();
}

fn disabled() -> Configuration {
    Configuration { state: State::Disabled, ..Configuration::default() }
}

#[tokio::test]
async fn a_user_registers_a_phone_by_a_code_and_signs_in_with_another() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let (_, token) = registration_token(&app).await;
        let mine = format!("{OWN_PHONES}/{MOBILE}");
        let send = format!("{mine}/sendVerification");
        let check = format!("{mine}/verify");
        let made = as_user(&app, &token, Method::POST, OWN_PHONES, phone(NUMBER, "mobile")).await.expect(201).json;
        assert_eq!((&made["status"], &made["isVerified"]), (&json!("pending"), &json!(false)));
        // Nothing was sent yet, so nothing is right.
        as_user(&app, &token, Method::POST, &check, code("000000")).await.expect_error(400, "badRequest");
        let sent = as_user(&app, &token, Method::POST, &send, json!({})).await.expect(202);
        assert_eq!(sent.json["sentTo"], "••00");
        assert!(sent.json["expirationDateTime"].as_str().unwrap().ends_with('Z'));
        let first = app.last_sent().await;
        assert_eq!((first.channel.as_str(), first.to.as_str()), ("sms", NUMBER));
        assert!(first.text.contains("contoso.example"), "{first:?}");
        assert!(!sent.text.contains(&first.code()) && !sent.text.contains("2065550100"));
        let event = last_event(&app).await;
        assert_eq!(event.activity_display_name, "User sent verification code");

        // A phone that was never verified is no second factor, and opens nothing.
        assert_eq!(begin(&app, USER, PASSWORD).await.json["status"], "registrationRequired");
        let wrong = as_user(&app, &token, Method::POST, &check, code(&first.wrong_code())).await;
        assert_eq!(wrong.expect_error(400, "badRequest").json["error"]["target"], "verificationCode");
        assert_eq!(last_event(&app).await.result, "failure");

        // A reset in the middle ends the phone and its code.
        app.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({})).await.expect(200);
        as_user(&app, &token, Method::POST, &check, code(&first.code())).await.expect(401);
        let (session, token) = registration_token(&app).await;
        as_user(&app, &token, Method::POST, &check, code(&first.code())).await.expect_error(404, "resourceNotFound");
        as_user(&app, &token, Method::POST, OWN_PHONES, phone(NUMBER, "mobile")).await.expect(201);
        as_user(&app, &token, Method::POST, &check, code(&first.code())).await.expect_error(400, "badRequest");

        as_user(&app, &token, Method::POST, &send, json!({"channel": "sms"})).await.expect(202);
        let second = app.last_sent().await;
        let verified = as_user(&app, &token, Method::POST, &check, code(&second.code())).await;
        assert_eq!(verified.expect(204).text, "");
        let shown = app.get(&format!("{}/{MOBILE}", phones())).await.expect(200).json;
        assert_eq!((&shown["status"], &shown["isVerified"]), (&json!("activated"), &json!(true)));
        // The registration is done: the demand is answered, and the token is worth nothing any more.
        let requirements = app.get(&format!("/v1.0/users/{USER}/authentication/requirements")).await.json;
        assert_eq!(requirements["registrationRequired"], false, "{requirements}");
        as_user(&app, &token, Method::POST, &send, json!({})).await.expect(401);

        // The same session goes on with the new phone.
        let sent = challenge(&app, &session, json!({"methodId": MOBILE})).await.expect(200).json;
        assert_eq!((&sent["prompt"], &sent["sentTo"]), (&json!("codeSent"), &json!("••00")), "{sent}");
        let third = app.last_sent().await;
        verify(&app, &session, MOBILE, &third.wrong_code()).await.expect_error(400, "badRequest");
        let done = verify(&app, &session, MOBILE, &third.code()).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{done}");
        assert_eq!(amr(&done), json!(["mfa", "pwd", "sms"]));
        assert_eq!(app.sent().await.len(), 3);
        for message in app.sent().await {
            assert_unsaid(&app, &message.code()).await;
        }
        assert_unsaid(&app, "2065550100").await;
    })
    .await;
}

#[tokio::test]
async fn a_call_tells_a_code_too() {
    on_each_backend(async |app| {
        add_user_with_phone(&app).await;
        let session = session(&app).await;
        let sent = challenge(&app, &session, json!({"methodId": MOBILE, "channel": "voice"})).await.expect(200);
        let call = app.last_sent().await;
        assert_eq!((call.channel.as_str(), call.to.as_str()), ("voice", NUMBER));
        assert!(!sent.text.contains(&call.code()));
        let done = verify(&app, &session, MOBILE, &call.code()).await.expect(200).json;
        assert_eq!(amr(&done), json!(["mfa", "pwd", "tel"]));
    })
    .await;
}

/// Whoever prefers calls is called, unless he says otherwise or the server cannot call.
#[tokio::test]
async fn a_preferred_call_is_made_where_it_can_be() {
    for channels in [vec![Channel::Sms, Channel::Voice], vec![Channel::Sms]] {
        for backend in backends() {
            let sending = Sending { channels: channels.clone(), ..Sending::default() };
            let app = TestApp::start_as(backend, Setup { sending, ..Setup::default() }).await;
            add_user_with_phone(&app).await;
            let preferences = format!("/v1.0/users/{USER}/authentication/signInPreferences");
            let prefer = json!({"userPreferredMethodForSecondaryAuthentication": "voiceMobile"});
            app.patch(&preferences, prefer).await.expect(204);
            let session = session(&app).await;
            challenge(&app, &session, json!({"methodId": MOBILE})).await.expect(200);
            assert_eq!(app.last_sent().await.channel, if channels.len() == 2 { "voice" } else { "sms" });
            challenge(&app, &session, json!({"methodId": MOBILE, "channel": "sms"})).await.expect(200);
            assert_eq!(app.last_sent().await.channel, "sms");
        }
    }
}

#[tokio::test]
async fn three_wrong_codes_end_a_code_and_a_new_one_replaces_it() {
    on_each_backend(async |app| {
        add_user_with_phone(&app).await;
        let one = format!("{}/{MOBILE}", phones());
        let send = async || {
            app.post(&format!("{one}/sendVerification"), json!({})).await.expect(202);
            app.last_sent().await
        };
        let check = async |text: &str| app.post(&format!("{one}/verify"), code(text)).await;

        let first = send().await;
        // What is no code at all costs nothing.
        for malformed in ["", "12345", "1234567", "12345x", "１２３４５６"] {
            let refused = check(malformed).await.expect_error(400, "badRequest");
            assert_eq!(refused.json["error"]["target"], "verificationCode");
        }
        for _ in 0..2 {
            check(&first.wrong_code()).await.expect_error(400, "badRequest");
        }
        check(&first.code()).await.expect(204);
        check(&first.code()).await.expect_error(400, "badRequest");

        let second = send().await;
        for _ in 0..3 {
            check(&second.wrong_code()).await.expect_error(400, "badRequest");
        }
        check(&second.code()).await.expect_error(400, "badRequest");
        let (third, fourth) = (send().await, send().await);
        if third.code() != fourth.code() {
            check(&third.code()).await.expect_error(400, "badRequest");
        }
        check(&fourth.code()).await.expect(204);
    })
    .await;
}

/// Wrong codes count like those at a sign-in; one that is used up already is no guess.
#[tokio::test]
async fn guessing_makes_one_wait() {
    on_each_backend(async |app| {
        add_user_with_phone(&app).await;
        let one = format!("{}/{MOBILE}", phones());
        let check = async |text: &str| app.post(&format!("{one}/verify"), code(text)).await;
        let mut sent = vec![];
        for wrong in [0, 3, 2] {
            app.post(&format!("{one}/sendVerification"), json!({})).await.expect(202);
            sent.push(app.last_sent().await);
            let last = sent.last().unwrap();
            for _ in 0..wrong {
                check(&last.wrong_code()).await.expect_error(400, "badRequest");
            }
            if wrong == 0 {
                check(&last.code()).await.expect(204);
                for _ in 0..8 {
                    check(&last.code()).await.expect_error(400, "badRequest");
                }
            }
        }
        let waiting = check(&sent[2].code()).await.expect_error(429, "TooManyRequests");
        assert!(waiting.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        app.post(&format!("/v1.0/users/{USER}/authentication/unlock"), json!({})).await.expect(204);
        check(&sent[2].code()).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn codes_and_registrations_end_by_themselves() {
    for backend in backends() {
        let clock = Clock::manual(Clock::System.now());
        let app = TestApp::start_as(backend, Setup { clock: clock.clone(), ..Setup::default() }).await;
        add_user(&app).await;
        let (session, token) = registration_token(&app).await;
        let mine = format!("{OWN_PHONES}/{MOBILE}");
        let send = async || {
            as_user(&app, &token, Method::POST, &format!("{mine}/sendVerification"), json!({})).await.expect(202);
            app.last_sent().await.code()
        };
        let check = async |text: &str| as_user(&app, &token, Method::POST, &format!("{mine}/verify"), code(text)).await;
        as_user(&app, &token, Method::POST, OWN_PHONES, phone(NUMBER, "mobile")).await.expect(201);
        let sent = send().await;
        clock.advance_seconds(300);
        check(&sent).await.expect_error(400, "badRequest");
        // Ten minutes after it was added the phone is gone, whatever was sent meanwhile.
        clock.advance_seconds(299);
        let sent = send().await;
        clock.advance_seconds(1);
        check(&sent).await.expect_error(404, "resourceNotFound");
        as_user(&app, &token, Method::POST, OWN_PHONES, phone(NUMBER, "mobile")).await.expect(201);
        check(&send().await).await.expect(204);

        challenge(&app, &session, json!({"methodId": MOBILE})).await.expect(200);
        let sent = app.last_sent().await.code();
        clock.advance_seconds(300);
        verify(&app, &session, MOBILE, &sent).await.expect_error(404, "resourceNotFound");
    }
}

#[tokio::test]
async fn a_code_is_good_for_what_it_was_asked_for_only() {
    on_each_backend(async |app| {
        add_user_with_phone(&app).await;
        app.post(&phones(), phone("+1 2065550122", "alternateMobile")).await.expect(201);
        let one = format!("{}/{MOBILE}", phones());
        let (first, second) = (session(&app).await, session(&app).await);
        challenge(&app, &first, json!({"methodId": MOBILE})).await.expect(200);
        let code_of_first = app.last_sent().await.code();
        challenge(&app, &second, json!({"methodId": ALTERNATE})).await.expect(200);
        app.post(&format!("{one}/sendVerification"), json!({})).await.expect(202);
        let code_of_verification = app.last_sent().await.code();

        // Another session, another method, another purpose.
        verify(&app, &second, MOBILE, &code_of_first).await.expect_error(400, "badRequest");
        verify(&app, &second, ALTERNATE, &code_of_first).await.expect_error(400, "badRequest");
        verify(&app, &first, MOBILE, &code_of_verification).await.expect_error(400, "badRequest");
        app.post(&format!("{one}/verify"), code(&code_of_first)).await.expect_error(400, "badRequest");

        // A code that went to one number says nothing of another.
        app.patch(&one, json!({"phoneNumber": "+1 2065550177"})).await.expect(204);
        assert_eq!(app.get(&one).await.json["isVerified"], false);
        app.post(&format!("{one}/verify"), code(&code_of_verification)).await.expect_error(400, "badRequest");
        verify(&app, &first, MOBILE, &code_of_first).await.expect_error(400, "badRequest");
        assert_eq!(app.get(&one).await.json["isVerified"], false);
    })
    .await;
}

#[tokio::test]
async fn one_code_is_accepted_once() {
    on_each_backend(async |app| {
        add_user_with_phone(&app).await;
        let one = format!("{}/{MOBILE}", phones());
        app.post(&format!("{one}/sendVerification"), json!({})).await.expect(202);
        let body = code(&app.last_sent().await.code());
        assert_eq!(accepted_of_sixteen(&app, &format!("{one}/verify"), &body, 204).await, 1);

        let session = session(&app).await;
        challenge(&app, &session, json!({"methodId": MOBILE})).await.expect(200);
        let body = json!({"methodId": MOBILE, "verificationCode": app.last_sent().await.code()});
        let path = format!("/v1.0/signInSessions/{}/verify", session["id"].as_str().unwrap());
        assert_eq!(accepted_of_sixteen(&app, &path, &body, 200).await, 1);
    })
    .await;
}

/// Sends the same sixteen times at once, and counts the successes.
async fn accepted_of_sixteen(app: &TestApp, path: &str, body: &Value, success: u16) -> usize {
    let requests = (0..16).map(|_| Answer::of(app.request(Method::POST, path).json(body)));
    let statuses: Vec<u16> =
        requests.collect::<JoinSet<_>>().join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
    assert!(statuses.iter().all(|status| *status == success || (400..500).contains(status)), "{statuses:?}");
    statuses.iter().filter(|status| **status == success).count()
}

#[tokio::test]
async fn an_email_address_is_verified_and_is_no_second_factor() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let (session, token) = registration_token(&app).await;
        let mine = format!("{OWN_EMAILS}/{EMAIL}");
        let address = json!({"emailAddress": "adele@fabrikam.example"});
        let made = as_user(&app, &token, Method::POST, OWN_EMAILS, address).await.expect(201).json;
        assert_eq!((&made["status"], &made["isVerified"]), (&json!("pending"), &json!(false)));
        let sent = as_user(&app, &token, Method::POST, &format!("{mine}/sendVerification"), json!({})).await;
        assert_eq!(sent.expect(202).json["sentTo"], "a••@fabrikam.example");
        let mail = app.last_sent().await;
        assert_eq!((mail.channel.as_str(), mail.to.as_str()), ("email", "adele@fabrikam.example"));
        let subject = mail.subject.clone().unwrap();
        assert!(subject.contains("contoso.example") && !subject.contains(&mail.code()), "{subject}");
        let (check, last) = (format!("{mine}/verify"), mail);
        as_user(&app, &token, Method::POST, &check, code(&last.wrong_code())).await.expect_error(400, "badRequest");
        as_user(&app, &token, Method::POST, &check, code(&last.code())).await.expect(204);
        let shown = as_user(&app, &token, Method::GET, &mine, json!({})).await.expect(200).json;
        assert_eq!((&shown["status"], &shown["isVerified"]), (&json!("activated"), &json!(true)));
        let path = format!("/v1.0/signInSessions/{}", session["id"].as_str().unwrap());
        assert_eq!(app.get(&path).await.json["status"], "registrationRequired");
        // Users do not change what they verified.
        let changed = as_user(&app, &token, Method::PATCH, &mine, json!({"emailAddress": "x@fabrikam.example"})).await;
        changed.expect_error(403, "accessDenied");
        assert_unsaid(&app, &last.code()).await;
    })
    .await;
}

#[tokio::test]
async fn what_an_administrator_adds_is_complete_and_can_be_verified() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        let list = format!("/v1.0/users/{}/authentication", user.user_id);
        let address = json!({"emailAddress": "adele@fabrikam.example"});
        for (collection, id, body, change) in [
            ("phoneMethods", MOBILE, phone(NUMBER, "mobile"), json!({"phoneNumber": "+1 2065550101"})),
            ("emailMethods", EMAIL, address, json!({"emailAddress": "vance@fabrikam.example"})),
        ] {
            let one = format!("{list}/{collection}/{id}");
            let made = app.post(&format!("{list}/{collection}"), body).await.expect(201).json;
            assert_eq!((&made["status"], &made["isVerified"]), (&json!("activated"), &json!(false)));
            // Without a body as well.
            Answer::of(app.request(Method::POST, &format!("{one}/sendVerification"))).await.expect(202);
            app.post(&format!("{one}/verify"), code(&app.last_sent().await.code())).await.expect(204);
            assert_eq!(app.get(&one).await.json["isVerified"], true);
            app.patch(&one, change).await.expect(204);
            let shown = app.get(&one).await.json;
            assert_eq!((&shown["status"], &shown["isVerified"]), (&json!("activated"), &json!(false)));
        }
    })
    .await;
}

#[tokio::test]
async fn users_begin_again_and_change_nothing() {
    on_each_backend(async |app| {
        add_user(&app).await;
        let (_, token) = registration_token(&app).await;
        let call = async |method: Method, path: &str, body: Value| as_user(&app, &token, method, path, body).await;
        let mine = format!("{OWN_PHONES}/{MOBILE}");
        call(Method::POST, OWN_PHONES, phone(NUMBER, "mobile")).await.expect(201);
        call(Method::POST, &format!("{mine}/sendVerification"), json!({})).await.expect(202);
        let stale = app.last_sent().await.code();
        // Mistyped: the same type again, with another number.
        call(Method::POST, OWN_PHONES, phone("+1 2065550101", "mobile")).await.expect(201);
        call(Method::POST, &format!("{mine}/verify"), code(&stale)).await.expect_error(400, "badRequest");
        // An alternate needs a mobile that is verified.
        call(Method::POST, OWN_PHONES, phone("+1 2065550122", "alternateMobile")).await.expect_error(400, "badRequest");
        // Not even an administrator lets somebody sign in with a number that nobody verified.
        app.post(&format!("{}/{MOBILE}/enableSmsSignIn", phones()), json!({})).await.expect_error(409, "conflict");
        call(Method::POST, &format!("{mine}/sendVerification"), json!({})).await.expect(202);
        let sent = app.last_sent().await;
        assert_eq!(sent.to, "+1 2065550101");
        call(Method::POST, &format!("{mine}/verify"), code(&sent.code())).await.expect(204);

        let session = session(&app).await;
        challenge(&app, &session, json!({"methodId": MOBILE})).await.expect(200);
        let done = verify(&app, &session, MOBILE, &app.last_sent().await.code()).await.expect(200).json;
        let outcome = text(&done["outcomeToken"]);
        let call = async |method: Method, path: &str, body: Value| as_user(&app, &outcome, method, path, body).await;
        let changed = call(Method::PATCH, &mine, json!({"phoneNumber": "+1 2065550199"})).await;
        changed.expect_error(403, "accessDenied");
        assert_eq!(last_event(&app).await.result, "failure");
        assert_eq!(call(Method::GET, &mine, json!({})).await.json["phoneNumber"], "+1 2065550101");
        // What is verified does not make room.
        call(Method::POST, OWN_PHONES, phone("+1 2065550199", "mobile")).await.expect_error(400, "badRequest");
        call(Method::DELETE, &mine, json!({})).await.expect(204);
        assert_eq!(call(Method::POST, OWN_PHONES, phone("+1 2065550199", "mobile")).await.json["status"], "pending");
    })
    .await;
}

#[tokio::test]
async fn a_code_takes_the_channel_that_the_phone_and_the_policy_allow() {
    on_each_backend(async |app| {
        add_user_with_phone(&app).await;
        app.post(&phones(), phone("+1 2065550133x12", "office")).await.expect(201);
        let send = async |id: &str, body: Value| app.post(&format!("{}/{id}/sendVerification", phones()), body).await;
        send(OFFICE, json!({})).await.expect(202);
        let call = app.last_sent().await;
        assert_eq!((call.channel.as_str(), call.to.as_str()), ("voice", "+1 2065550133x12"));
        let refused = send(OFFICE, json!({"channel": "sms"})).await.expect_error(400, "badRequest");
        assert_eq!(refused.json["error"]["target"], "channel");
        for body in [json!({"channel": "email"}), json!({"channel": 1}), json!({"to": NUMBER}), json!([])] {
            send(MOBILE, body).await.expect_error(400, "badRequest");
        }

        set_policy(&app, |policy| policy.sms = disabled()).await;
        send(MOBILE, json!({"channel": "sms"})).await.expect_error(400, "badRequest");
        send(MOBILE, json!({})).await.expect(202);
        assert_eq!(app.last_sent().await.channel, "voice");
        let session = session(&app).await;
        challenge(&app, &session, json!({"methodId": MOBILE, "channel": "sms"})).await.expect_error(400, "badRequest");
        challenge(&app, &session, json!({"methodId": MOBILE})).await.expect(200);
        let sent = app.last_sent().await;
        assert_eq!(sent.channel, "voice");
        // Disabled altogether, a code that was sent before is worth nothing.
        set_policy(&app, |policy| policy.voice.common = disabled()).await;
        verify(&app, &session, MOBILE, &sent.code()).await.expect_error(404, "resourceNotFound");
        challenge(&app, &session, json!({"methodId": MOBILE})).await.expect_error(404, "resourceNotFound");
        send(MOBILE, json!({})).await.expect_error(400, "badRequest");
        app.post(&format!("{}/{MOBILE}/verify", phones()), code(&sent.code())).await.expect_error(400, "badRequest");
        let user = format!("/v1.0/users/{USER}/authentication");
        set_policy(&app, |policy| policy.email.common = disabled()).await;
        app.post(&format!("{user}/emailMethods"), json!({"emailAddress": "a@b.example"}))
            .await
            .expect_error(400, "badRequest");
        app.post(&phones(), phone("+1 2065550122", "alternateMobile")).await.expect_error(400, "badRequest");
        assert_eq!(app.sent().await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn without_a_sender_nothing_is_sent() {
    for backend in backends() {
        let sending = Sending { channels: vec![Channel::Voice], ..Sending::default() };
        let app = TestApp::start_as(backend, Setup { sending, ..Setup::default() }).await;
        add_user_with_phone(&app).await;
        let one = format!("{}/{MOBILE}", phones());
        let email = format!("/v1.0/users/{USER}/authentication/emailMethods");
        app.post(&email, json!({"emailAddress": "adele@fabrikam.example"})).await.expect(201);
        let session = session(&app).await;
        let before = database::digest(&app);
        let sms = json!({"channel": "sms"});
        let refused = app.post(&format!("{one}/sendVerification"), sms).await.expect_error(409, "senderNotConfigured");
        assert!(refused.json["error"]["message"].as_str().unwrap().contains("sms"), "{}", refused.text);
        app.post(&format!("{email}/{EMAIL}/sendVerification"), json!({}))
            .await
            .expect_error(409, "senderNotConfigured");
        let sms = json!({"methodId": MOBILE, "channel": "sms"});
        challenge(&app, &session, sms).await.expect_error(409, "senderNotConfigured");
        assert_eq!(database::digest(&app), before);
        // What works is taken when nothing else is wished for.
        app.post(&format!("{one}/sendVerification"), json!({})).await.expect(202);
        assert_eq!(app.last_sent().await.channel, "voice");
    }
}

#[tokio::test]
async fn only_phones_have_channels_and_only_codes_are_sent() {
    on_each_backend(async |app| {
        add_user_with_phone(&app).await;
        let session = session(&app).await;
        let unknown = json!({"methodId": OFFICE});
        challenge(&app, &session, unknown).await.expect_error(404, "resourceNotFound");
        let made = app.post(&format!("/v1.0/users/{USER}/authentication/softwareOathMethods"), json!({})).await.json;
        let software = text(&made["id"]);
        let device = crate::totp::Token::hardware(made["secretKey"].as_str().unwrap());
        let activate = format!("/v1.0/users/{USER}/authentication/softwareOathMethods/{software}/activate");
        app.post(&activate, code(&device.code())).await.expect(204);
        let body = json!({"methodId": software, "channel": "voice"});
        assert_eq!(
            challenge(&app, &session, body).await.expect_error(400, "badRequest").json["error"]["target"],
            "channel"
        );
        // Ids of other kinds are not phones.
        for id in [EMAIL, software.as_str(), "nothing"] {
            app.post(&format!("{}/{id}/sendVerification", phones()), json!({}))
                .await
                .expect_error(404, "resourceNotFound");
            app.post(&format!("{}/{id}/verify", phones()), code("123456")).await.expect_error(404, "resourceNotFound");
        }
        assert_eq!(app.sent().await, []);
    })
    .await;
}

#[tokio::test]
async fn sending_takes_the_right_to_register() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        seed::phone(&app, &user, PhoneType::Mobile, NUMBER).await;
        let one = format!("{}/v1.0/users/{}/authentication/phoneMethods/{MOBILE}", app.base, user.user_id);
        for permission in ["UserAuthMethod-Phone.Read.All", "UserAuthMethod-Email.ReadWrite.All", "SignIn.Verify.All"] {
            let token = app.token_with(&app.tenant, &[permission]).await;
            for (path, body) in [("sendVerification", json!({})), ("verify", code("123456"))] {
                let request = app.http.post(format!("{one}/{path}")).json(&body).bearer_auth(&token);
                Answer::of(request).await.expect_error(403, "accessDenied");
                assert_eq!(seed::events(&app).await[0].result, "failure");
            }
        }
        let stranger = app.new_tenant("fabrikam.example").await;
        let token = app.token_with(&stranger, &rekey::access::known_permissions()).await;
        for (path, body) in [("sendVerification", json!({})), ("verify", code("123456"))] {
            let request = app.http.post(format!("{one}/{path}")).json(&body).bearer_auth(&token);
            Answer::of(request).await.expect_error(404, "Request_ResourceNotFound");
        }
        assert_eq!(app.sent().await, []);
        let token = app.token_with(&app.tenant, &["UserAuthMethod-Phone.ReadWrite.All"]).await;
        let request = app.http.post(format!("{one}/sendVerification")).bearer_auth(&token);
        Answer::of(request).await.expect(202);
    })
    .await;
}
