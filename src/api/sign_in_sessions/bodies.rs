//! What applications that run sign-ins send and get.

use poem_openapi::{
    Enum, Object,
    types::{Any, Example},
};
use secrecy::SecretString;
use serde_json::Value;

use crate::{
    api::{examples, strict_json::text, verification::PhoneChannel},
    demo,
    error::Error,
    id::stable_guid,
    methods::{
        preferences::UsableMethod,
        proof::{Evidence, Prompt},
        qr_code_pin::Content,
    },
    sign_in::{FirstFactor, SessionView, SignInRequest},
};

/// What the user shows first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "FirstFactorType", rename_all = "camelCase")]
enum FirstFactorType {
    /// The user's password, in `password`.
    Password,
    /// The calling application checked the first factor itself (permission SignIn.Assert.All).
    Asserted,
    /// A temporary access pass, in `verificationCode`. Counts as both factors.
    TemporaryAccessPass,
    /// A passkey or the key of a device, which counts as both factors: ask for it with `challenge`.
    Passkey,
    /// What a QR code says, in `rawContent`, and its `pin`. The code names its user; it is one factor, like a password.
    QrCodePin,
}

/// The first factor.
#[derive(Object)]
#[oai(rename = "SignInFirstFactor", rename_all = "camelCase", deny_unknown_fields)]
struct FirstFactorBody {
    #[oai(rename = "type")]
    factor_type: FirstFactorType,
    /// Only with the type password.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    password: Option<String>,
    /// Only with the type temporaryAccessPass.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    verification_code: Option<String>,
    /// Only with the type qrCodePin: what a reader read, as it stands.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    raw_content: Option<String>,
    /// Only with the type qrCodePin.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    pin: Option<String>,
}

/// Who wants to sign in, and what he shows first.
#[derive(Object)]
#[oai(rename = "SignInRequest", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct SignInBody {
    /// This or `userId`; with a QR code neither is needed.
    #[oai(validator(max_length = 320), deserialize_with = "text")]
    user_principal_name: Option<String>,
    /// This or `userPrincipalName`.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    user_id: Option<String>,
    first_factor: FirstFactorBody,
}

impl Example for SignInBody {
    fn example() -> Self {
        Self {
            user_principal_name: Some(demo::EXAMPLE_USER.into()),
            user_id: None,
            first_factor: FirstFactorBody {
                factor_type: FirstFactorType::Password,
                password: Some(demo::PASSWORD.into()),
                verification_code: None,
                raw_content: None,
                pin: None,
            },
        }
    }
}

/// Whom a QR code names. What is none of ours names nobody, and always the same nobody, so that failures are counted.
fn named_by(content: &str) -> String {
    Content::parse(content).map_or_else(|| stable_guid(content), |content| content.user.into_string())
}

impl TryFrom<SignInBody> for SignInRequest {
    type Error = Error;

    fn try_from(body: SignInBody) -> Result<Self, Error> {
        let FirstFactorBody { factor_type, password, verification_code, raw_content, pin } = body.first_factor;
        let user = match (body.user_principal_name, body.user_id, &raw_content) {
            (Some(user), None, _) | (None, Some(user), _) => user,
            (None, None, Some(content)) => named_by(content),
            _ => return Err(Error::invalid("userPrincipalName", "Name the user by userPrincipalName or by userId.")),
        };
        let first_factor = match (factor_type, password, verification_code, raw_content, pin) {
            (FirstFactorType::Password, Some(password), None, None, None) => FirstFactor::Password(password.into()),
            (FirstFactorType::TemporaryAccessPass, None, Some(code), None, None) => {
                FirstFactor::TemporaryAccessPass(code.into())
            }
            (FirstFactorType::QrCodePin, None, None, Some(content), Some(pin)) => {
                FirstFactor::QrCodePin { content: content.into(), pin: pin.into() }
            }
            (FirstFactorType::Asserted, None, None, None, None) => FirstFactor::Asserted,
            (FirstFactorType::Passkey, None, None, None, None) => FirstFactor::Passkey,
            _ => {
                let message = "A password comes with the type password, a verificationCode with the type \
                               temporaryAccessPass, a rawContent and a pin with the type qrCodePin, and nothing with \
                               asserted and passkey.";
                return Err(Error::invalid("firstFactor", message));
            }
        };
        Ok(Self { user, first_factor })
    }
}

/// A method that may be proven next.
#[derive(Object)]
#[oai(rename = "SignInMethod", rename_all = "camelCase")]
struct MethodView {
    #[oai(rename = "@odata.type")]
    odata_type: String,
    id: String,
    /// Masked.
    display_name: String,
    /// The one to ask for first.
    is_default: bool,
}

impl From<UsableMethod> for MethodView {
    fn from(method: UsableMethod) -> Self {
        Self {
            odata_type: method.kind.odata_type().into(),
            id: method.id.into_string(),
            display_name: method.display_name,
            is_default: method.is_default,
        }
    }
}

/// Where a sign-in stands.
#[derive(Object)]
#[oai(rename = "SignInSession", rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct SignInSessionView {
    id: String,
    /// `mfaRequired`, `registrationRequired`, `passwordChangeRequired`, `pinChangeRequired`, `completed` or
    /// `refused`.
    status: String,
    /// What may be proven next.
    methods: Vec<MethodView>,
    /// Lets the user register methods under `/me/authentication`, and nothing else, until one is registered.
    registration_token: Option<String>,
    /// A signed JWT with `amr` and `acr`; good for 15 minutes. Also the user's key to his own methods under `/me`.
    outcome_token: Option<String>,
    /// When the session ends by itself.
    expiration_date_time: String,
}

impl From<SessionView> for SignInSessionView {
    fn from(session: SessionView) -> Self {
        Self {
            id: session.id.into_string(),
            status: session.status.as_str().into(),
            methods: session.methods.into_iter().map(Into::into).collect(),
            registration_token: session.registration_token,
            outcome_token: session.outcome_token,
            expiration_date_time: session.expires_at.to_iso(),
        }
    }
}

/// The method to ask for.
#[derive(Object)]
#[oai(rename = "SignInChallengeRequest", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct ChallengeBody {
    /// One of the session's `methods`. Without it any passkey of the user is asked for.
    #[oai(validator(max_length = 1024), deserialize_with = "text")]
    pub method_id: Option<String>,
    /// How a phone gets its code. Default: sms where the phone takes it and the policy allows it, else voice.
    pub channel: Option<PhoneChannel>,
}

impl Example for ChallengeBody {
    fn example() -> Self {
        Self { method_id: Some(examples::software_oath()), channel: None }
    }
}

/// What to ask the user.
#[derive(Object)]
#[oai(rename = "SignInChallenge", rename_all = "camelCase", skip_serializing_if_is_none)]
pub struct ChallengeView {
    /// `typeCode`, `codeSent`, `publicKey` or `push`.
    prompt: String,
    /// Where the code was sent to, masked.
    sent_to: Option<String>,
    /// The number to show; the user types it into the app.
    number: Option<String>,
    /// WebAuthn's `PublicKeyCredentialRequestOptionsJSON`.
    public_key: Option<Any<Value>>,
    expiration_date_time: Option<String>,
}

impl From<Prompt> for ChallengeView {
    fn from(prompt: Prompt) -> Self {
        let nothing = Self {
            prompt: "typeCode".into(),
            sent_to: None,
            number: None,
            public_key: None,
            expiration_date_time: None,
        };
        match prompt {
            Prompt::TypeCode => nothing,
            Prompt::CodeSent { to, expires_at } => Self {
                prompt: "codeSent".into(),
                sent_to: Some(to),
                expiration_date_time: Some(expires_at.to_iso()),
                ..nothing
            },
            Prompt::PublicKey { options, expires_at } => Self {
                prompt: "publicKey".into(),
                public_key: Some(Any(options)),
                expiration_date_time: Some(expires_at.to_iso()),
                ..nothing
            },
            Prompt::Push { number, expires_at } => Self {
                prompt: "push".into(),
                number: Some(number),
                expiration_date_time: Some(expires_at.to_iso()),
                ..nothing
            },
        }
    }
}

/// The proof: a code, or WebAuthn's answer.
#[derive(Object)]
#[oai(rename = "SignInProof", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct ProofBody {
    /// One of the session's `methods`; may be left out with a publicKeyCredential.
    #[oai(validator(max_length = 1024), deserialize_with = "text")]
    method_id: Option<String>,
    /// A code that the user typed.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    verification_code: Option<String>,
    /// WebAuthn's `AuthenticationResponseJSON`.
    public_key_credential: Option<Any<Value>>,
}

impl Example for ProofBody {
    fn example() -> Self {
        Self {
            method_id: Some(examples::software_oath()),
            verification_code: Some("123456".into()),
            public_key_credential: None,
        }
    }
}

impl ProofBody {
    pub fn evidence(self) -> Result<(Option<String>, Evidence), Error> {
        match (self.verification_code, self.public_key_credential) {
            (Some(code), None) => Ok((self.method_id, Evidence::Code(SecretString::from(code)))),
            (None, Some(Any(credential))) => Ok((self.method_id, Evidence::PublicKeyCredential(credential))),
            _ => Err(Error::invalid("verificationCode", "Send a verificationCode or a publicKeyCredential.")),
        }
    }
}

/// The PIN that replaces the one that must be changed.
#[derive(Object)]
#[oai(rename = "SignInPinChange", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct PinChangeBody {
    /// 8 to 20 digits, as many as the tenant's policy asks for, none that is guessed first, and not the present one.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    pub new_pin: String,
}

impl Example for PinChangeBody {
    fn example() -> Self {
        Self { new_pin: "31415926".into() }
    }
}

/// The password that replaces the one that must be changed.
#[derive(Object)]
#[oai(rename = "SignInPasswordChange", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct PasswordChangeBody {
    /// 8 to 256 characters, none that is guessed first, and not the present one.
    #[oai(validator(max_length = 1024), deserialize_with = "text")]
    pub new_password: String,
}

impl Example for PasswordChangeBody {
    fn example() -> Self {
        Self { new_password: "amber lantern 58 river".into() }
    }
}
