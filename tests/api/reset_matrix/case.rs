//! One user on the way through a row of the table.

use rekey::methods::MethodKind;
use reqwest::Method;
use serde_json::{Value, json};

use super::rows::{KEPT, Row, Step};
use crate::{
    oath_fixtures::add_member,
    sign_in_fixtures::{OWN, as_user, assert, path, read_own, register, reset, verify},
    support::{Answer, TestApp, authenticator::Device},
    totp::Token,
    virtual_passkey::VirtualPasskey,
};
/// One user on the way through one row.
pub struct Case<'a> {
    pub app: &'a TestApp,
    pub user: String,
    /// The session that a reset is to end.
    pub session: Value,
    pub registration_token: Option<String>,
    /// The method's id.
    pub id: String,
    pub token: Option<Token>,
    /// How many of the token's codes were used.
    pub codes: u64,
    /// What is typed instead of a token's code.
    pub code: Option<String>,
    /// The app.
    pub device: Option<Device>,
    /// What a browser makes and shows passkeys with.
    pub passkey: VirtualPasskey,
    /// What the app or the browser is asked.
    pub request: Value,
}

impl<'a> Case<'a> {
    pub async fn new(app: &'a TestApp, name: &str, row: &Row) -> Self {
        let user = format!("{name}@contoso.example");
        add_member(app, &user).await;
        let (session, id) = (Value::Null, String::new());
        let mut case = Self {
            app,
            user,
            session,
            registration_token: None,
            id,
            token: None,
            codes: 0,
            code: None,
            device: None,
            passkey: VirtualPasskey::at(&app.base),
            request: Value::Null,
        };
        if let Some(prepare) = row.prepare {
            let answer = prepare(&mut case).await;
            assert!(answer.status.is_success(), "{}: {}", row.name, answer.text);
        }
        case
    }

    /// Something that users do to themselves.
    pub async fn own(&self, method: Method, what: &str, body: Value) -> Answer {
        let token = self.registration_token.as_deref().expect("a registration was begun");
        as_user(self.app, token, method, &format!("{OWN}/{what}"), body).await
    }

    pub async fn activate(&mut self, list: &str) -> Answer {
        let code = self.fresh_code();
        let activate = format!("{list}/{}/activate", self.id);
        self.own(Method::POST, &activate, json!({"verificationCode": code})).await
    }

    /// Asks for the method at a sign-in.
    pub async fn challenge(&self) -> Answer {
        self.app.post(&format!("{}/challenge", path(&self.session)), json!({"methodId": self.id})).await
    }

    /// A number of this user's own, so that the limits on sending to one number are not met.
    pub fn number(&self) -> String {
        let number: u32 = self.user.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
        let exchange = if self.user.starts_with("registering") { 555 } else { 556 };
        format!("+1 206{exchange}{number:04}")
    }

    pub async fn send_code(&mut self, list: &str) -> Answer {
        let sent = self.own(Method::POST, &format!("{list}/{}/sendVerification", self.id), json!({})).await;
        self.keep_code(sent).await
    }

    pub async fn verify_code(&self, list: &str) -> Answer {
        let code = self.code.as_deref().expect("a code was sent");
        self.own(Method::POST, &format!("{list}/{}/verify", self.id), json!({"verificationCode": code})).await
    }

    pub async fn keep_code(&mut self, sent: Answer) -> Answer {
        if sent.status.is_success() {
            self.code = Some(self.app.last_sent().await.code());
        }
        sent
    }

    pub fn keep_id(&mut self, made: Answer) -> Answer {
        self.id = made.json["id"].as_str().unwrap_or_default().to_owned();
        made
    }

    /// A code that was not used: this step's, then the next one's.
    pub fn fresh_code(&mut self) -> String {
        let token = self.token.as_ref().expect("the row has a token");
        self.codes += 1;
        match self.codes {
            1 => token.code(),
            _ => token.next_code(),
        }
    }

    /// A session that waits for a registration.
    pub async fn begin_registration(&mut self) {
        self.session = assert(self.app, &self.user).await;
        assert_eq!(self.session["status"], "registrationRequired", "{}", self.session);
        self.registration_token = self.session["registrationToken"].as_str().map(str::to_owned);
    }

    pub async fn take(&mut self, steps: &[Step], at: &str) {
        for step in steps {
            let answer = (step.go)(self).await;
            assert!(answer.status.is_success(), "{at}, step {}: {} {}", step.name, answer.status, answer.text);
        }
    }

    /// Resets the user; then all that must hold, whatever was going on. `next` is what was to come.
    pub async fn reset_and_check(&mut self, next: Option<&Step>, at: &str) {
        let outcome = self.app.get(&path(&self.session)).await.expect(200).json["outcomeToken"].clone();
        // Sessions are not revoked on top, so nothing of what must end can hide behind that.
        reset(self.app, &self.user, json!({"reason": at, "revokeSignInSessions": false})).await;
        self.check_reset(at).await;
        if let Some(step) = next {
            let answer = (step.go)(self).await;
            let status = answer.status.as_u16();
            assert!([400, 401, 404, 409].contains(&status), "{at}, then {}: {status} {}", step.name, answer.text);
            self.check_reset(&format!("{at}, after {} was refused", step.name)).await;
        }
        for token in [outcome.as_str(), self.registration_token.as_deref()].into_iter().flatten() {
            assert_eq!(read_own(self.app, token).await.status, 401, "{at}: a token lives on");
        }
        // The way back in is open, and it is the only one.
        let session = assert(self.app, &self.user).await;
        assert_eq!(session["status"], "registrationRequired", "{at}: {session}");
        assert_eq!(session.get("outcomeToken"), None, "{at}");
        let (id, token) = register(self.app, session["registrationToken"].as_str().unwrap()).await;
        let done = verify(self.app, &session, &id, &token.next_code()).await.expect(200).json;
        assert_eq!(done["status"], "completed", "{at}: {done}");
    }

    async fn check_reset(&self, at: &str) {
        let authentication = format!("/v1.0/users/{}/authentication", self.user);
        let requirements = self.app.get(&format!("{authentication}/requirements")).await.expect(200).json;
        assert_eq!(requirements["registrationRequired"], true, "{at}: {requirements}");
        let session = self.app.get(&path(&self.session)).await.expect(200).json;
        assert_eq!(session["status"], "refused", "{at}: {session}");
        for gone in ["outcomeToken", "registrationToken"] {
            assert_eq!(session.get(gone), None, "{at}: {session}");
        }
        let methods = self.app.get(&format!("{authentication}/methods")).await.expect(200).json;
        for method in methods["value"].as_array().unwrap() {
            let of = |kind: MethodKind| method["@odata.type"] == kind.odata_type();
            let is_kept = KEPT.iter().copied().any(of);
            let is_inactive = of(MethodKind::HardwareOath) && method["device"]["status"] != "activated";
            assert!((is_kept && method["status"] != "pending") || is_inactive, "{at}: {method} is left");
        }
    }
}
