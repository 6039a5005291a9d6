//! A reset in the middle of everything: after every step of every registration and of every sign-in, the user must
//! register again, nothing half-registered is left, what was interrupted goes no further, and the old session is dead.
//!
//! The cases are generated from [`ROWS`]: a kind is a list of named steps. A new kind is one more row; the table is
//! held against `MethodKind::ALL`, so none can be forgotten.

use std::{collections::BTreeSet, pin::Pin};

use rekey::methods::MethodKind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::{SECRET, add_device, add_member},
    sign_in_fixtures::{OWN, PASSWORD, as_user, assert, begin, path, read_own, register, reset, set_password, verify},
    support::{
        Answer, TestApp,
        authenticator::{Device, Key, activate},
        on_each_backend,
    },
    totp::Token,
    virtual_passkey::VirtualPasskey,
};

/// What users do to have and to show a method of one kind.
struct Row {
    kind: MethodKind,
    name: &'static str,
    /// What an administrator does before.
    prepare: Option<Go>,
    /// A registration, from the first request to the last; the user is let in by a registration token.
    registration: &'static [Step],
    /// Proving the method at a sign-in, from the first request to the last; none where it is no second factor.
    proof: &'static [Step],
}

struct Step {
    name: &'static str,
    go: Go,
}

type Go = for<'a> fn(&'a mut Case<'_>) -> Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// Writes a step: `step!("name", case => request)`.
macro_rules! go {
    ($case:ident => $request:expr) => {
        |$case| Box::pin(async move { $request })
    };
}
macro_rules! step {
    ($name:literal, $case:ident => $request:expr) => {
        Step { name: $name, go: go!($case => $request) }
    };
}

/// How a browser makes a key for one of the collections.
macro_rules! key_registration {
    ($list:literal) => {
        &[
            step!("options", case => {
                let options = case.own(Method::GET, concat!($list, "/creationOptions"), json!({})).await;
                case.request = options.json["publicKey"].clone();
                options
            }),
            step!("register", case => {
                let credential = case.passkey.create(&case.request).await;
                let body = json!({"displayName": "Laptop", "publicKeyCredential": credential});
                let made = case.own(Method::POST, $list, body).await;
                case.keep_id(made)
            }),
        ]
    };
}

const ROWS: &[Row] = &[
    Row {
        kind: MethodKind::SoftwareOath,
        name: "software OATH token",
        prepare: None,
        registration: &[
            step!("create", case => {
                let made = case.own(Method::POST, "softwareOathMethods", json!({})).await;
                case.token = made.json["secretKey"].as_str().map(Token::hardware);
                case.keep_id(made)
            }),
            step!("activate", case => case.activate("softwareOathMethods").await),
        ],
        proof: CODE,
    },
    Row {
        kind: MethodKind::HardwareOath,
        name: "assigned hardware OATH token",
        prepare: Some(go!(case => {
            let device = add_device(case.app, &case.user).await;
            case.token = Some(Token::hardware(SECRET));
            let list = format!("/v1.0/users/{}/authentication/hardwareOathMethods", case.user);
            let assigned = case.app.post(&list, json!({"device": {"id": device}})).await;
            case.keep_id(assigned)
        })),
        registration: &[step!("activate", case => case.activate("hardwareOathMethods").await)],
        proof: CODE,
    },
    Row {
        kind: MethodKind::HardwareOath,
        name: "hardware OATH token by its serial number",
        prepare: Some(go!(case => {
            case.id = add_device(case.app, &case.user).await;
            case.token = Some(Token::hardware(SECRET));
            case.app.get("/v1.0/organization").await
        })),
        registration: &[step!("assign and activate", case => {
            let code = case.fresh_code();
            let body = json!({"serialNumber": case.user, "verificationCode": code});
            case.own(Method::POST, "hardwareOathMethods/assignAndActivateBySerialNumber", body).await
        })],
        proof: CODE,
    },
    Row {
        kind: MethodKind::TemporaryAccessPass,
        name: "temporary access pass",
        // A pass is no method of its own; this is whom it is handed to.
        prepare: Some(go!(case => {
            let session = assert(case.app, &case.user).await;
            register(case.app, session["registrationToken"].as_str().unwrap()).await;
            let list = format!("/v1.0/users/{}/authentication/temporaryAccessPassMethods", case.user);
            let pass = case.app.post(&list, json!({})).await;
            case.code = pass.json["temporaryAccessPass"].as_str().map(str::to_owned);
            case.keep_id(pass)
        })),
        registration: &[],
        proof: CODE,
    },
    Row {
        kind: MethodKind::MicrosoftAuthenticator,
        name: "authenticator app",
        prepare: None,
        registration: &[
            step!("begin", case => {
                let begun = case.own(Method::POST, "microsoftAuthenticatorMethods", json!({})).await;
                case.code = begun.json["activationCode"].as_str().map(str::to_owned);
                case.keep_id(begun)
            }),
            step!("activate", case => {
                let (key, code) = (Key::ed25519(), case.code.clone().expect("the registration was begun"));
                let activated = activate(case.app, &key, &json!({"activationCode": code, "displayName": "Phone"})).await;
                case.device = activated.json["deviceUrl"].as_str().map(|url| Device::at(case.app, key, url));
                activated
            }),
        ],
        proof: &[
            step!("challenge", case => {
                let prompt = case.challenge().await;
                if prompt.status.is_success() {
                    case.code = prompt.json["number"].as_str().map(str::to_owned);
                    case.request = case.device.as_ref().expect("the app was activated").request().await;
                }
                prompt
            }),
            step!("answer", case => {
                let number = case.code.clone().expect("the app was asked");
                case.device.as_ref().expect("the app was activated").approve(&case.request, &number).await
            }),
        ],
    },
    Row {
        kind: MethodKind::Phone,
        name: "phone",
        prepare: None,
        registration: &[
            step!("add", case => {
                let body = json!({"phoneNumber": case.number(), "phoneType": "mobile"});
                let made = case.own(Method::POST, "phoneMethods", body).await;
                case.keep_id(made)
            }),
            step!("send a code", case => case.send_code("phoneMethods").await),
            step!("verify it", case => case.verify_code("phoneMethods").await),
        ],
        proof: &[
            step!("challenge", case => {
                let prompt = case.challenge().await;
                case.keep_code(prompt).await
            }),
            step!("verify", case => {
                let code = case.code.clone().expect("a code was sent");
                verify(case.app, &case.session, &case.id, &code).await
            }),
        ],
    },
    Row {
        kind: MethodKind::Email,
        name: "email",
        prepare: None,
        registration: &[
            step!("add", case => {
                let body = json!({"emailAddress": case.user.replace("contoso", "fabrikam")});
                let made = case.own(Method::POST, "emailMethods", body).await;
                case.keep_id(made)
            }),
            step!("send a code", case => case.send_code("emailMethods").await),
            step!("verify it", case => case.verify_code("emailMethods").await),
        ],
        proof: &[],
    },
    Row {
        kind: MethodKind::Fido2,
        name: "passkey",
        prepare: None,
        registration: key_registration!("fido2Methods"),
        proof: KEY,
    },
    Row {
        kind: MethodKind::WindowsHelloForBusiness,
        name: "Windows Hello for Business",
        prepare: None,
        registration: key_registration!("windowsHelloForBusinessMethods"),
        proof: KEY,
    },
    Row {
        kind: MethodKind::PlatformCredential,
        name: "platform credential",
        prepare: None,
        registration: key_registration!("platformCredentialMethods"),
        proof: KEY,
    },
];

/// What a reset leaves alone.
const KEPT: &[MethodKind] = &[
    MethodKind::Password,
    MethodKind::Email,
    MethodKind::Fido2,
    MethodKind::WindowsHelloForBusiness,
    MethodKind::PlatformCredential,
    MethodKind::ExternalAuthenticationMethod,
    MethodKind::QrCodePin,
    MethodKind::TemporaryAccessPass,
];

/// Kinds without a row, and why.
const ROWLESS: &[(MethodKind, &str)] = &[
    (MethodKind::Password, "administrators set it, and a reset never touches it"),
    (MethodKind::ExternalAuthenticationMethod, "administrators name it, and sign-in sessions ask no provider"),
    (MethodKind::QrCodePin, "administrators hand it out, and it is a first factor like the password"),
];

/// What a browser asks a key to sign.
const KEY: &[Step] = &[
    step!("challenge", case => {
        let prompt = case.challenge().await;
        case.request = prompt.json["publicKey"].clone();
        prompt
    }),
    step!("verify", case => {
        let answer = case.passkey.get(&case.request).await;
        let verify = format!("{}/verify", path(&case.session));
        case.app.post(&verify, json!({"publicKeyCredential": answer})).await
    }),
];

/// A method that shows codes by itself.
const CODE: &[Step] = &[
    step!("challenge", case => case.challenge().await),
    step!("verify", case => {
        let code = case.code.clone().unwrap_or_else(|| case.fresh_code());
        verify(case.app, &case.session, &case.id, &code).await
    }),
];

/// One user on the way through one row.
struct Case<'a> {
    app: &'a TestApp,
    user: String,
    /// The session that a reset is to end.
    session: Value,
    registration_token: Option<String>,
    /// The method's id.
    id: String,
    token: Option<Token>,
    /// How many of the token's codes were used.
    codes: u64,
    /// What is typed instead of a token's code.
    code: Option<String>,
    /// The app.
    device: Option<Device>,
    /// What a browser makes and shows passkeys with.
    passkey: VirtualPasskey,
    /// What the app or the browser is asked.
    request: Value,
}

impl<'a> Case<'a> {
    async fn new(app: &'a TestApp, name: &str, row: &Row) -> Self {
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
    async fn own(&self, method: Method, what: &str, body: Value) -> Answer {
        let token = self.registration_token.as_deref().expect("a registration was begun");
        as_user(self.app, token, method, &format!("{OWN}/{what}"), body).await
    }

    async fn activate(&mut self, list: &str) -> Answer {
        let code = self.fresh_code();
        let activate = format!("{list}/{}/activate", self.id);
        self.own(Method::POST, &activate, json!({"verificationCode": code})).await
    }

    /// Asks for the method at a sign-in.
    async fn challenge(&self) -> Answer {
        self.app.post(&format!("{}/challenge", path(&self.session)), json!({"methodId": self.id})).await
    }

    /// A number of this user's own, so that the limits on sending to one number are not met.
    fn number(&self) -> String {
        let number: u32 = self.user.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
        let exchange = if self.user.starts_with("registering") { 555 } else { 556 };
        format!("+1 206{exchange}{number:04}")
    }

    async fn send_code(&mut self, list: &str) -> Answer {
        let sent = self.own(Method::POST, &format!("{list}/{}/sendVerification", self.id), json!({})).await;
        self.keep_code(sent).await
    }

    async fn verify_code(&self, list: &str) -> Answer {
        let code = self.code.as_deref().expect("a code was sent");
        self.own(Method::POST, &format!("{list}/{}/verify", self.id), json!({"verificationCode": code})).await
    }

    async fn keep_code(&mut self, sent: Answer) -> Answer {
        if sent.status.is_success() {
            self.code = Some(self.app.last_sent().await.code());
        }
        sent
    }

    fn keep_id(&mut self, made: Answer) -> Answer {
        self.id = made.json["id"].as_str().unwrap_or_default().to_owned();
        made
    }

    /// A code that was not used: this step's, then the next one's.
    fn fresh_code(&mut self) -> String {
        let token = self.token.as_ref().expect("the row has a token");
        self.codes += 1;
        match self.codes {
            1 => token.code(),
            _ => token.next_code(),
        }
    }

    /// A session that waits for a registration.
    async fn begin_registration(&mut self) {
        self.session = assert(self.app, &self.user).await;
        assert_eq!(self.session["status"], "registrationRequired", "{}", self.session);
        self.registration_token = self.session["registrationToken"].as_str().map(str::to_owned);
    }

    async fn take(&mut self, steps: &[Step], at: &str) {
        for step in steps {
            let answer = (step.go)(self).await;
            assert!(answer.status.is_success(), "{at}, step {}: {} {}", step.name, answer.status, answer.text);
        }
    }

    /// Resets the user; then all that must hold, whatever was going on. `next` is what was to come.
    async fn reset_and_check(&mut self, next: Option<&Step>, at: &str) {
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

#[test]
fn no_kind_is_forgotten() {
    let rows: BTreeSet<_> = ROWS.iter().map(|row| row.kind).collect();
    let rowless: BTreeSet<_> = ROWLESS.iter().map(|(kind, _)| *kind).collect();
    assert!(rows.is_disjoint(&rowless));
    assert_eq!(&rows | &rowless, MethodKind::ALL.iter().copied().collect());
    for row in ROWS.iter().filter(|row| row.proof.is_empty()) {
        assert!(!row.kind.counts_as_mfa(), "{} is a second factor without a proof", row.name);
    }
}

#[tokio::test]
async fn in_the_middle_of_a_registration() {
    on_each_backend(async |app| {
        let mut number = 0;
        for row in ROWS.iter().filter(|row| !row.registration.is_empty()) {
            for done in 0..=row.registration.len() {
                number += 1;
                let at = format!("{:?}: {} after {done} steps of its registration", app.backend, row.name);
                let mut case = Case::new(&app, &format!("registering{number}"), row).await;
                case.begin_registration().await;
                case.take(&row.registration[..done], &at).await;
                case.reset_and_check(row.registration.get(done), &at).await;
            }
        }
        assert!(number > 8, "{number}");
    })
    .await;
}

#[tokio::test]
async fn in_the_middle_of_a_sign_in() {
    on_each_backend(async |app| {
        let mut number = 0;
        for row in ROWS.iter().filter(|row| !row.proof.is_empty()) {
            // With a password that is good, and with one that must be replaced when all is proven.
            for must_change in [false, true] {
                for done in 0..=row.proof.len() {
                    number += 1;
                    let change = if must_change { " of a password to be replaced" } else { "" };
                    let at = format!("{:?}: {} after {done} steps of a sign-in{change}", app.backend, row.name);
                    let mut case = Case::new(&app, &format!("signing-in{number}"), row).await;
                    if !row.registration.is_empty() {
                        case.begin_registration().await;
                        case.take(row.registration, &at).await;
                    }
                    set_password(&app, &case.user, must_change).await;
                    case.session = begin(&app, &case.user, PASSWORD).await.expect(201).json;
                    assert_eq!(case.session["status"], "mfaRequired", "{at}: {}", case.session);
                    case.take(&row.proof[..done], &at).await;
                    let expected = match (done == row.proof.len(), must_change) {
                        (false, _) => "mfaRequired",
                        (true, false) => "completed",
                        (true, true) => "passwordChangeRequired",
                    };
                    let session = app.get(&path(&case.session)).await.expect(200).json;
                    assert_eq!(session["status"], expected, "{at}: {session}");
                    case.reset_and_check(row.proof.get(done), &at).await;
                }
            }
        }
        assert!(number >= 24, "{number}");
    })
    .await;
}
