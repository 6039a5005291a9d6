//! Clocks of hardware tokens that are off (RFC 6238 section 6). The server's clock is moved by hand.

use rekey::clock::{Clock, Timestamp};
use serde_json::json;

use crate::{
    oath_fixtures::{DEVICES, SECRET, add_device, add_member},
    support::{Answer, TestApp, backends},
    totp::Token,
};

const ADELE: &str = "adele@contoso.example";

/// A server whose clock stands still, and a token of Adele's.
struct Bench {
    app: TestApp,
    clock: Clock,
    path: String,
    id: String,
}

impl Bench {
    async fn on_each_backend(test: impl AsyncFn(Self)) {
        for backend in backends() {
            // In the middle of a step.
            let now = Clock::System.now().seconds() / 60 * 60 + 15;
            let clock = Clock::manual(Timestamp::from_seconds(now));
            let app = TestApp::start_at(backend, clock.clone()).await;
            add_member(&app, ADELE).await;
            let id = add_device(&app, "1").await;
            let list = format!("/v1.0/users/{ADELE}/authentication/hardwareOathMethods");
            app.post(&list, json!({"device": {"id": id}})).await.expect(201);
            test(Self { path: format!("{list}/{id}"), app, clock, id }).await;
        }
    }

    /// The code of a token whose clock is so many steps ahead.
    fn code(&self, ahead: i64) -> String {
        let at = self.clock.now().seconds() + ahead * 30;
        Token::hardware(SECRET).code_at(at.try_into().unwrap())
    }

    /// Later by so many steps. Access tokens end meanwhile.
    async fn wait(&mut self, steps: i64) {
        self.clock.advance_seconds(steps * 30);
        self.app.token = self.app.token_with(&self.app.tenant, &rekey::access::known_permissions()).await;
    }

    /// Whether a code of such a token is accepted.
    async fn accepts(&self, ahead: i64) -> bool {
        let body = json!({"verificationCode": self.code(ahead)});
        let answer = self.app.post(&format!("{}/activate", self.path), body).await;
        if answer.status.as_u16() == 204 {
            self.app.post(&format!("{}/deactivate", self.path), json!({})).await.expect(204);
            return true;
        }
        answer.expect_error(400, "badRequest");
        false
    }

    async fn resync(&self, ahead: i64) -> Answer {
        let body = json!({"verificationCode": self.code(ahead - 1), "nextVerificationCode": self.code(ahead)});
        self.app.post(&format!("{}/resync", self.path), body).await
    }
}

#[tokio::test]
async fn a_clock_that_wanders_is_followed_step_by_step_up_to_ten() {
    Bench::on_each_backend(async |mut bench| {
        for direction in [1, -1] {
            // Back to a clock that is right.
            bench.wait(1_000).await;
            bench.resync(0).await.expect(204);
            bench.wait(100).await;
            // More than a step at once is too much, and a refused code teaches nothing.
            assert!(!bench.accepts(2 * direction).await);
            assert!(!bench.accepts(2 * direction).await);
            for drift in 1..=10 {
                bench.wait(100).await;
                assert!(bench.accepts(drift * direction).await, "{drift}");
            }
            bench.wait(100).await;
            assert!(!bench.accepts(11 * direction).await, "five minutes are the most");
            assert!(!bench.accepts(8 * direction).await, "the window goes with the clock");
            assert!(bench.accepts(9 * direction).await);
            bench.wait(100).await;
            assert!(bench.accepts(8 * direction).await, "and comes back with it");
        }
    })
    .await;
}

#[tokio::test]
async fn two_codes_find_a_clock_that_is_far_off() {
    Bench::on_each_backend(async |mut bench| {
        for ahead in [101, -102] {
            bench.resync(ahead).await.expect_error(400, "badRequest");
        }
        assert!(!bench.accepts(60).await);
        bench.resync(60).await.expect(204);
        assert!(!bench.accepts(60).await, "both codes are spent");
        bench.wait(1).await;
        assert!(bench.accepts(60).await);
        bench.wait(1).await;
        assert!(!bench.accepts(61).await, "a clock so far off may only come closer");
        assert!(bench.accepts(59 + 1).await);
        bench.wait(2).await;
        assert!(bench.accepts(59).await);
        bench.wait(1).await;
        bench.resync(100).await.expect(204);
        bench.wait(300).await;
        bench.resync(-100).await.expect(204);
        bench.wait(1).await;
        assert!(bench.accepts(-100).await);
        // What was used stays used, whatever two codes say.
        bench.resync(-100).await.expect_error(400, "badRequest");

        // A reset takes nothing of what is known of the clock.
        bench.app.post(&format!("/v1.0/users/{ADELE}/authentication/resetMfa"), json!({})).await.expect(200);
        bench.wait(1).await;
        assert!(bench.accepts(-100).await);

        // Another interval is another count: what was learned means nothing any more.
        bench.app.delete(&bench.path).await.expect(204);
        let device = format!("{DEVICES}/{}", bench.id);
        bench.app.patch(&device, json!({"timeIntervalInSeconds": 60})).await.expect(204);
        let list = format!("/v1.0/users/{ADELE}/authentication/hardwareOathMethods");
        bench.app.post(&list, json!({"device": {"id": bench.id}})).await.expect(201);
        bench.wait(10).await;
        let token = Token::new(SECRET, "hmacsha1", 6, 60);
        let code = token.code_at(bench.clock.now().seconds().try_into().unwrap());
        let body = json!({"verificationCode": code});
        bench.app.post(&format!("{}/activate", bench.path), body).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_teaches_too() {
    Bench::on_each_backend(async |mut bench| {
        let password = "correct horse battery";
        let body = json!({"passwordProfile": {"password": password, "forceChangePasswordNextSignIn": false}});
        bench.app.patch(&format!("/v1.0/users/{ADELE}"), body).await.expect(204);
        let sign_in = async |bench: &Bench, ahead| {
            let body = json!({"userPrincipalName": ADELE, "firstFactor": {"type": "password", "password": password}});
            let session = bench.app.post("/v1.0/signInSessions", body).await.expect(201).json;
            let path = format!("/v1.0/signInSessions/{}/verify", session["id"].as_str().unwrap());
            bench.app.post(&path, json!({"methodId": bench.id, "verificationCode": bench.code(ahead)})).await
        };
        // An assigned token that was not activated proves nothing.
        sign_in(&bench, 0).await.expect(404);
        let body = json!({"verificationCode": bench.code(0)});
        bench.app.post(&format!("{}/activate", bench.path), body).await.expect(204);
        let used = async |bench: &Bench| bench.app.get(&bench.path).await.expect(200).json["lastUsedDateTime"].clone();
        let mut before = used(&bench).await;
        for ahead in [1, 2, 3, 2] {
            bench.wait(10).await;
            assert_eq!(sign_in(&bench, ahead).await.expect(200).json["status"], "completed", "{ahead}");
            sign_in(&bench, ahead).await.expect_error(400, "badRequest");
            assert_ne!(used(&bench).await, before);
            before = used(&bench).await;
        }
        bench.wait(10).await;
        sign_in(&bench, 0).await.expect_error(400, "badRequest");
    })
    .await;
}
