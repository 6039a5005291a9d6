//! Limits on the rate of requests, by a clock that stands still until the test moves it.

use std::num::NonZeroU32;

use rekey::{clock::Clock, config::RateLimits, server::Options};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, Backend, Setup, TestApp, backends,
    process::{Installation, Server},
    seed,
};

const USERS: &str = "/v1.0/users";
const AUDITS: &str = "/v1.0/auditLogs/directoryAudits";

fn tokens(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

async fn on_each_backend_with(limits: RateLimits, test: impl AsyncFn(TestApp)) {
    for backend in backends() {
        let options = Options { rate_limits: Some(limits), ..Options::default() };
        let setup = Setup { options, clock: Clock::manual(Clock::System.now()), ..Setup::default() };
        test(TestApp::start_as(backend, setup).await).await;
    }
}

fn advance(app: &TestApp, seconds: i64) {
    app.app.store.context().clock.advance_seconds(seconds);
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

async fn get_as(app: &TestApp, token: &str, path: &str) -> Answer {
    Answer::of(app.http.get(format!("{}{path}", app.base)).bearer_auth(token)).await
}

/// The application's id in a token.
fn caller_of(token: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["appid"].as_str().unwrap().to_owned()
}

#[track_caller]
fn expect_throttled(answer: Answer, wait: &str, scope: &str, information: &str) -> Answer {
    let answer = answer.expect_error(429, "TooManyRequests");
    assert_eq!(answer.json["error"]["innerError"]["code"], "429");
    assert_eq!(header(&answer, "retry-after"), Some(wait));
    assert_eq!(header(&answer, "x-ms-throttle-scope"), Some(scope));
    assert_eq!(header(&answer, "x-ms-throttle-information"), Some(information));
    assert_eq!(header(&answer, "x-ms-resource-unit"), None);
    answer
}

#[tokio::test]
async fn resource_units() {
    let limits = RateLimits { units_per_10s: tokens(10), ..RateLimits::default() };
    on_each_backend_with(limits, async |app| {
        let scope = format!("Tenant_Application/ReadWrite/{}/{}", caller_of(&app.token), app.tenant);
        for (path, units, used) in [
            (USERS, "2", None),
            ("/v1.0/users?$select=id", "1", None),
            ("/beta/users?%24top=5", "1", None),
            (USERS, "2", None),
            ("/v1.0/organization", "1", None),
            ("/v1.0/organization", "1", None),
            ("/v1.0/users/nobody", "1", Some("0.90")),
        ] {
            let answer = app.get(path).await;
            assert_eq!(header(&answer, "x-ms-resource-unit"), Some(units), "{path}");
            assert_eq!(header(&answer, "x-ms-throttle-limit-percentage"), used, "{path}");
        }
        // One is left, a list costs two: a second's worth is missing.
        expect_throttled(app.get(USERS).await, "1", &scope, "ResourceUnitLimitExceeded");
        assert_eq!(
            header(&app.get("/v1.0/organization").await.expect(200), "x-ms-throttle-limit-percentage"),
            Some("1.00")
        );
        expect_throttled(app.get(USERS).await, "2", &scope, "ResourceUnitLimitExceeded");

        // Nobody else waits: neither another application, nor whoever calls in another tenant.
        let other = app.token_with(&app.tenant, &["User.Read.All"]).await;
        get_as(&app, &other, USERS).await.expect(200);
        let stranger = app.new_tenant("stranger.example").await;
        let stranger = app.token_with(&stranger, &["User.Read.All"]).await;
        get_as(&app, &stranger, USERS).await.expect(200);

        advance(&app, 1);
        expect_throttled(app.get(USERS).await, "1", &scope, "ResourceUnitLimitExceeded");
        advance(&app, 1);
        app.get(USERS).await.expect(200);
        advance(&app, 10);
        for _ in 0..5 {
            app.get(USERS).await.expect(200);
        }
        expect_throttled(app.get(USERS).await, "2", &scope, "ResourceUnitLimitExceeded");
    })
    .await;
}

#[tokio::test]
async fn writes() {
    let limits = RateLimits { writes_per_150s: tokens(3), tenant_writes_per_5min: tokens(5), ..RateLimits::default() };
    on_each_backend_with(limits, async |app| {
        let user = seed::user(&app, "adele").await;
        let path = format!("/v1.0/users/{}", user.user_id);
        let rename = |token: &str, name: &str| {
            let request = app.http.patch(format!("{}{path}", app.base)).bearer_auth(token);
            Answer::of(request.json(&json!({"displayName": name})))
        };
        let own = app.token.clone();
        for number in 0..3 {
            rename(&own, &format!("Adele {number}")).await.expect(204);
        }
        let scope = format!("Tenant_Application/Write/{}/{}", caller_of(&own), app.tenant);
        expect_throttled(rename(&own, "Refused").await, "50", &scope, "WriteLimitExceeded");
        // Nothing was done, and reading goes on.
        assert_eq!(app.get(&path).await.expect(200).json["displayName"], "Adele 2");

        // The tenant has two left for everybody.
        let other = app.token_with(&app.tenant, &["User.ReadWrite.All"]).await;
        for number in 3..5 {
            rename(&other, &format!("Adele {number}")).await.expect(204);
        }
        let scope = format!("Tenant/Write/{}/{}", caller_of(&other), app.tenant);
        expect_throttled(rename(&other, "Refused").await, "60", &scope, "WriteLimitExceeded");
        advance(&app, 60);
        rename(&own, "Adele 5").await.expect(204);

        // Signing in is no write.
        for _ in 0..10 {
            let first = json!({"type": "password", "password": "x"});
            let body = json!({"userPrincipalName": "nobody@contoso.example", "firstFactor": first});
            let answer = app.post("/v1.0/signInSessions", body).await;
            assert_ne!(answer.json["error"]["innerError"]["code"], "429", "{}", answer.text);
        }
    })
    .await;
}

#[tokio::test]
async fn reports_and_logs() {
    let limits = RateLimits { reports_per_10s: tokens(2), ..RateLimits::default() };
    on_each_backend_with(limits, async |app| {
        app.get(AUDITS).await.expect(200);
        app.get("/v1.0/auditLogs/signIns").await.expect(200);
        let scope = format!("Tenant_Application/Read/{}/{}", caller_of(&app.token), app.tenant);
        expect_throttled(app.get(AUDITS).await, "5", &scope, "ResourceUnitLimitExceeded");
        app.get(USERS).await.expect(200);
        advance(&app, 5);
        app.get(AUDITS).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn who_is_not_known_is_not_counted() {
    let limits = RateLimits { units_per_10s: tokens(2), ..RateLimits::default() };
    on_each_backend_with(limits, async |app| {
        let forged = format!("{}x", app.token);
        for _ in 0..5 {
            get_as(&app, &forged, USERS).await.expect_error(401, "InvalidAuthenticationToken");
        }
        app.get(USERS).await.expect(200);
        app.get(USERS).await.expect(429);
    })
    .await;
}

#[tokio::test]
async fn items_of_a_batch_are_counted_and_the_batch_is_not() {
    let limits = RateLimits { units_per_10s: tokens(3), ..RateLimits::default() };
    on_each_backend_with(limits, async |app| {
        let items: Vec<_> =
            (0..5).map(|id| json!({"id": id.to_string(), "method": "GET", "url": "/organization"})).collect();
        let request = app.request(Method::POST, "/v1.0/$batch").json(&json!({"requests": items}));
        let answer = Answer::of(request).await.expect(200);
        let responses = answer.json["responses"].as_array().unwrap();
        let (good, throttled): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response["status"] == 200);
        assert_eq!((good.len(), throttled.len()), (3, 2), "{}", answer.text);
        for response in throttled {
            assert_eq!(response["status"], 429);
            assert_eq!(response["headers"]["Retry-After"], "4");
            assert_eq!(response["body"]["error"]["code"], "TooManyRequests");
        }
    })
    .await;
}

/// The limits are on unless they are switched off, and their numbers can be chosen.
#[tokio::test]
async fn the_command_line_sets_them() {
    let mut installation = Installation::new(Backend::Sqlite);
    let tenant = installation.run(&["tenant", "create", "--name", "Contoso", "--domain", "contoso.example"]);
    let tenant = tenant["tenantId"].as_str().unwrap();
    let made =
        installation.run(&["app", "create", "--tenant", tenant, "--name", "Portal", "--permission", "User.Read.All"]);
    for (arguments, statuses) in [
        (vec!["--throttle", "on", "--throttle-units-per-10s", "4"], [200, 200, 429]),
        (vec!["--throttle", "off", "--throttle-units-per-10s", "4"], [200, 200, 200]),
    ] {
        installation.arguments = arguments;
        let server = Server::start(&installation, None).await;
        let http = reqwest::Client::new();
        let form = format!(
            "grant_type=client_credentials&scope=x/.default&client_id={}&client_secret={}",
            made["clientId"].as_str().unwrap(),
            made["clientSecret"].as_str().unwrap()
        );
        let request = http.post(format!("{}/{tenant}/oauth2/v2.0/token", server.base)).body(form);
        let token = Answer::of(request.header("content-type", "application/x-www-form-urlencoded")).await.expect(200);
        let token = token.json["access_token"].as_str().unwrap();
        for status in statuses {
            Answer::of(http.get(format!("{}{USERS}", server.base)).bearer_auth(token)).await.expect(status);
        }
    }
}
