//! The table: what users do, step by step, and what stays when they are reset.

use std::pin::Pin;

use rekey::methods::MethodKind;
use reqwest::Method;
use serde_json::json;

use super::case::Case;
use crate::{
    oath_fixtures::{SECRET, add_device},
    sign_in_fixtures::{SESSIONS, as_user, assert, begin_with, pass, path, register, verify},
    support::{
        Answer,
        authenticator::{Device, Key, activate},
    },
    totp::Token,
};

/// What users do to have and to show a method of one kind.
pub struct Row {
    pub kind: MethodKind,
    pub name: &'static str,
    /// What an administrator does before.
    pub prepare: Option<Go>,
    /// A registration, from the first request to the last; the user is let in by a registration token.
    pub registration: &'static [Step],
    /// Proving the method at a sign-in, from the first request to the last; none where it is no second factor.
    pub proof: &'static [Step],
}

pub struct Step {
    pub name: &'static str,
    pub go: Go,
}

pub type Go = for<'a> fn(&'a mut Case<'_>) -> Pin<Box<dyn Future<Output = Answer> + 'a>>;

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

pub const ROWS: &[Row] = &[
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
pub const KEPT: &[MethodKind] = &[
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
pub const ROWLESS: &[(MethodKind, &str)] = &[
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

/// A sign-in that begins with something other than a password.
pub struct Opening {
    pub name: &'static str,
    /// What is registered before: the kind of a row.
    pub kind: MethodKind,
    /// What an administrator hands out for it.
    pub prepare: Option<Go>,
    pub open: Go,
    /// From the first request after that to the last.
    pub steps: &'static [Step],
    /// Where the sign-in stands after so many steps.
    pub statuses: &'static [&'static str],
}

pub const OPENINGS: &[Opening] = &[
    Opening {
        name: "passkey",
        kind: MethodKind::Fido2,
        prepare: None,
        open: go!(case => begin_with(case.app, &case.user, json!({"type": "passkey"})).await),
        steps: KEY,
        statuses: &["mfaRequired", "mfaRequired", "completed"],
    },
    Opening {
        name: "temporary access pass",
        kind: MethodKind::TemporaryAccessPass,
        prepare: None,
        open: go!(case => {
            let code = case.code.clone().expect("a pass was issued");
            begin_with(case.app, &case.user, pass(&code)).await
        }),
        steps: &[],
        statuses: &["completed"],
    },
    Opening {
        name: "QR code",
        kind: MethodKind::SoftwareOath,
        prepare: Some(go!(case => {
            let path = format!("/v1.0/users/{}/authentication/qrCodePinMethod", case.user);
            let made = as_user(case.app, &case.app.token, Method::PUT, &path, json!({"pin": {"code": PIN}})).await;
            case.request = made.json["standardQRCode"]["image"]["rawContent"].clone();
            made
        })),
        open: go!(case => {
            let first = json!({"type": "qrCodePin", "rawContent": case.request, "pin": PIN});
            case.app.post(SESSIONS, json!({"firstFactor": first})).await
        }),
        steps: &[
            step!("verify", case => {
                let code = case.fresh_code();
                verify(case.app, &case.session, &case.id, &code).await
            }),
            step!("change the PIN", case => {
                case.app.post(&format!("{}/changePin", path(&case.session)), json!({"newPin": "31415926"})).await
            }),
        ],
        statuses: &["mfaRequired", "pinChangeRequired", "completed"],
    },
];

const PIN: &str = "27182818";

/// What follows when all is proven and the password must be replaced.
pub const CHANGE_PASSWORD: Step = step!("change the password", case => {
    let new = json!({"newPassword": "amber lantern 58 river"});
    case.app.post(&format!("{}/changePassword", path(&case.session)), new).await
});
