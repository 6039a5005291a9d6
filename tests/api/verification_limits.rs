//! The limits on sending: per number, per user, per tenant.

use rekey::{
    access::known_permissions,
    clock::{Clock, Timestamp},
    messages::Sending,
    methods::phone::PhoneType,
    store::users::User,
};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    oath_fixtures::add_member,
    sign_in_fixtures::{OWN, as_user, assert},
    support::{Answer, Backend, Setup, TestApp, backends, database, on_each_backend, seed},
};

const DAY: i64 = 24 * 3600;
const MOBILE: &str = "3179e48a-750b-4051-897c-87b9720928f7";
const OFFICE: &str = "e37fc753-ff3b-4958-9484-eaa9425c82bc";

/// A server at the beginning of an hour, whose clock is in the test's hand.
async fn on_the_hour(backend: Backend, tenant_per_day: i32) -> (TestApp, Clock) {
    let now = Clock::System.now().seconds();
    let clock = Clock::manual(Timestamp::from_seconds(now - now % 3600));
    let default = Setup::default();
    let sending = Sending { tenant_per_day, ..default.sending };
    (TestApp::start_as(backend, Setup { clock: clock.clone(), sending, ..default }).await, clock)
}

async fn send(app: &TestApp, user: &User, phone: &str) -> Answer {
    let path = format!("/v1.0/users/{}/authentication/phoneMethods/{phone}/sendVerification", user.user_id);
    app.post(&path, json!({})).await
}

/// Refused for so many seconds.
fn wait(answer: Answer) -> i64 {
    answer.expect_error(429, "TooManyRequests").headers["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_number_and_a_user_get_so_many_codes() {
    for backend in backends() {
        let (mut app, clock) = on_the_hour(backend, 10_000).await;
        let (adele, other) = (seed::user(&app, "adele").await, seed::user(&app, "other").await);
        for (user, office) in [(&adele, "+1 2065550100x1"), (&other, "+1 2065550133")] {
            seed::phone(&app, user, PhoneType::Mobile, "+1 2065550100").await;
            seed::phone(&app, user, PhoneType::Office, office).await;
        }
        // The number counts, whoever has it.
        for (user, phone) in [(&adele, MOBILE), (&other, MOBILE), (&adele, MOBILE), (&other, MOBILE), (&adele, MOBILE)]
        {
            send(&app, user, phone).await.expect(202);
        }
        let before = database::digest(&app);
        for user in [&adele, &other] {
            assert_eq!(wait(send(&app, user, MOBILE).await), 600);
        }
        // What was refused is neither counted nor sent, nor does it end the code before it.
        assert_eq!(database::digest(&app), before);
        assert_eq!(app.sent().await.len(), 5);
        // A switchboard has many users: each extension counts for itself.
        send(&app, &adele, OFFICE).await.expect(202);

        clock.advance_seconds(599);
        assert_eq!(wait(send(&app, &adele, MOBILE).await), 1);
        clock.advance_seconds(1);
        for _ in 0..5 {
            send(&app, &adele, MOBILE).await.expect(202);
        }
        assert_eq!(wait(send(&app, &adele, MOBILE).await), 600);
        clock.advance_seconds(600);
        send(&app, &adele, MOBILE).await.expect(202);
        // The user's tenth in this hour was that; a new number does not help.
        let list = format!("/v1.0/users/{}/authentication/phoneMethods", adele.user_id);
        app.patch(&format!("{list}/{MOBILE}"), json!({"phoneNumber": "+1 2065550155"})).await.expect(204);
        assert_eq!(wait(send(&app, &adele, MOBILE).await), 3600 - 1200);
        clock.advance_seconds(3600 - 1200);
        app.token = app.token_with(&app.tenant, &known_permissions()).await;
        send(&app, &adele, MOBILE).await.expect(202);

        // Old windows go; what still counts stays.
        clock.advance_seconds(DAY);
        app.token = app.token_with(&app.tenant, &known_permissions()).await;
        send(&app, &adele, MOBILE).await.expect(202);
        rekey::worker::run_once(&app.app.store).await.unwrap();
        assert_eq!(database::digest(&app)["send_counts"].len(), 4);
    }
}

/// Whoever types somebody else's number in does not use up the codes that the other needs to sign in.
#[tokio::test]
async fn a_number_that_is_only_claimed_counts_for_itself() {
    for backend in backends() {
        let (app, _) = on_the_hour(backend, 10_000).await;
        let owner = seed::user(&app, "owner").await;
        seed::phone(&app, &owner, PhoneType::Mobile, "+1 2065550100").await;
        let numbers = ["+1 2065550100", "+1 2065550100x1", "+1 02065550100"];
        let mut claims = vec![];
        for (index, number) in numbers.into_iter().enumerate() {
            let name = format!("mallory{index}@contoso.example");
            add_member(&app, &name).await;
            let session = assert(&app, &name).await;
            let token = session["registrationToken"].as_str().unwrap().to_owned();
            let phone_type = if number.contains('x') { "office" } else { "mobile" };
            let body = json!({"phoneNumber": number, "phoneType": phone_type});
            let made = as_user(&app, &token, Method::POST, &format!("{OWN}/phoneMethods"), body).await.expect(201).json;
            claims.push((token, format!("{OWN}/phoneMethods/{}/sendVerification", made["id"].as_str().unwrap())));
        }
        // With whatever extension.
        for (token, path) in claims.iter().cycle().take(5) {
            as_user(&app, token, Method::POST, path, json!({})).await.expect(202);
        }
        for (token, path) in &claims {
            assert_eq!(wait(as_user(&app, token, Method::POST, path, json!({})).await), 600);
        }
        for _ in 0..5 {
            send(&app, &owner, MOBILE).await.expect(202);
        }
        assert_eq!(wait(send(&app, &owner, MOBILE).await), 600);
    }
}

#[tokio::test]
async fn a_number_gets_twenty_codes_in_a_day() {
    for backend in backends() {
        let now = Clock::System.now().seconds();
        let clock = Clock::manual(Timestamp::from_seconds(now - now % DAY + DAY));
        let app = TestApp::start_as(backend, Setup { clock: clock.clone(), ..Setup::default() }).await;
        let users = [seed::user(&app, "one").await, seed::user(&app, "two").await, seed::user(&app, "three").await];
        for user in &users {
            seed::phone(&app, user, PhoneType::Mobile, "+1 2065550100").await;
        }
        for number in 0..20 {
            send(&app, &users[number % 3], MOBILE).await.expect(202);
            if number % 5 == 4 {
                clock.advance_seconds(600);
            }
        }
        assert_eq!(wait(send(&app, &users[0], MOBILE).await), DAY - 2400);
    }
}

#[tokio::test]
async fn a_tenant_gets_so_many_codes_in_a_day() {
    for backend in backends() {
        let (app, _) = on_the_hour(backend, 3).await;
        let tenant = app.tenant.clone();
        for number in 0..4 {
            let user = seed::user_of(&app, &tenant, &format!("user{number}")).await;
            seed::phone(&app, &user, PhoneType::Mobile, &format!("+1 206555010{number}")).await;
            let answer = send(&app, &user, MOBILE).await;
            if number < 3 {
                answer.expect(202);
            } else {
                assert!(wait(answer) > 0);
            }
        }
        // Signing in counts as well, and another tenant has its own limit.
        let other = app.new_tenant("fabrikam.example").await;
        let user = seed::user_of(&app, &other, "stranger").await;
        seed::phone(&app, &user, PhoneType::Mobile, "+1 2065550100").await;
        let token = app.token_with(&other, &["UserAuthMethod-Phone.ReadWrite.All"]).await;
        let path =
            format!("{}/v1.0/users/{}/authentication/phoneMethods/{MOBILE}/sendVerification", app.base, user.user_id);
        Answer::of(app.http.post(path).bearer_auth(token)).await.expect(202);
        assert_eq!(app.sent().await.len(), 4);
    }
}

#[tokio::test]
async fn nobody_gets_past_a_limit_by_haste_and_nothing_is_kept_in_clear() {
    for backend in backends() {
        let (app, _) = on_the_hour(backend, 10_000).await;
        let user = seed::user(&app, "adele").await;
        let list = format!("/v1.0/users/{}/authentication/phoneMethods", user.user_id);
        app.post(&list, json!({"phoneNumber": "+1 2065550100", "phoneType": "mobile"})).await.expect(201);
        let path = format!("{list}/{MOBILE}/sendVerification");
        let requests = (0..16).map(|_| Answer::of(app.request(Method::POST, &path)));
        let mut statuses: Vec<u16> =
            requests.collect::<JoinSet<_>>().join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [vec![202; 5], vec![429; 11]].concat());

        let tables = database::digest(&app);
        let sent = app.sent().await;
        assert_eq!((sent.len(), tables["messages"].len()), (5, 5));
        assert_eq!(tables["challenges"].len(), 1, "the newest only");
        for table in ["messages", "challenges", "send_counts"] {
            let content = tables[table].join("\n");
            assert!(!content.contains("2065550100") && !content.contains("verification code"), "{content}");
        }
    }
}

#[tokio::test]
async fn a_key_sends_once() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "adele").await;
        seed::phone(&app, &user, PhoneType::Mobile, "+1 2065550100").await;
        let path = format!("/v1.0/users/{}/authentication/phoneMethods/{MOBILE}/sendVerification", user.user_id);
        let again = async || Answer::of(app.request(Method::POST, &path).header("idempotency-key", "one")).await;
        assert_eq!(again().await.expect(202).json, again().await.expect(202).json);
        assert_eq!(app.sent().await.len(), 1);
    })
    .await;
}
