//! `signInSessions`.

use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::{Any, Example},
};
use secrecy::SecretString;
use serde_json::Value;

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, refuse_other_options},
    problem::Problem,
    strict_json::text,
    verification::PhoneChannel,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    demo,
    error::Error,
    methods::{
        preferences::UsableMethod,
        proof::{Evidence, Prompt},
        sent_code::Via,
    },
    sign_in::{self, FirstFactor, SessionView, SignInRequest},
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
    /// A passkey, which counts as both factors: ask for it with `challenge`.
    Passkey,
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
}

/// Who wants to sign in, and what he shows first.
#[derive(Object)]
#[oai(rename = "SignInRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct SignInBody {
    /// This or `userId`.
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
            },
        }
    }
}

impl TryFrom<SignInBody> for SignInRequest {
    type Error = Error;

    fn try_from(body: SignInBody) -> Result<Self, Error> {
        let user = match (body.user_principal_name, body.user_id) {
            (Some(user), None) | (None, Some(user)) => user,
            _ => return Err(Error::invalid("userPrincipalName", "Name the user by userPrincipalName or by userId.")),
        };
        let FirstFactorBody { factor_type, password, verification_code } = body.first_factor;
        let first_factor = match (factor_type, password, verification_code) {
            (FirstFactorType::Password, Some(password), None) => FirstFactor::Password(password.into()),
            (FirstFactorType::TemporaryAccessPass, None, Some(code)) => FirstFactor::TemporaryAccessPass(code.into()),
            (FirstFactorType::Asserted, None, None) => FirstFactor::Asserted,
            (FirstFactorType::Passkey, None, None) => FirstFactor::Passkey,
            _ => {
                let message = "A password comes with the type password, a verificationCode with the type \
                               temporaryAccessPass, and nothing with asserted and passkey.";
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
struct SignInSessionView {
    id: String,
    /// `mfaRequired`, `registrationRequired`, `passwordChangeRequired`, `completed` or `refused`.
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
struct ChallengeBody {
    /// One of the session's `methods`. Without it any passkey of the user is asked for.
    #[oai(validator(max_length = 1024), deserialize_with = "text")]
    method_id: Option<String>,
    /// How a phone gets its code. Default: sms where the phone takes it and the policy allows it, else voice.
    channel: Option<PhoneChannel>,
}

impl Example for ChallengeBody {
    fn example() -> Self {
        Self { method_id: Some(examples::software_oath()), channel: None }
    }
}

/// What to ask the user.
#[derive(Object)]
#[oai(rename = "SignInChallenge", rename_all = "camelCase", skip_serializing_if_is_none)]
struct ChallengeView {
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
struct ProofBody {
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
    fn evidence(self) -> Result<(Option<String>, Evidence), Error> {
        match (self.verification_code, self.public_key_credential) {
            (Some(code), None) => Ok((self.method_id, Evidence::Code(SecretString::from(code)))),
            (None, Some(Any(credential))) => Ok((self.method_id, Evidence::PublicKeyCredential(credential))),
            _ => Err(Error::invalid("verificationCode", "Send a verificationCode or a publicKeyCredential.")),
        }
    }
}

/// The password that replaces the one that must be changed.
#[derive(Object)]
#[oai(rename = "SignInPasswordChange", rename_all = "camelCase", deny_unknown_fields, example)]
struct PasswordChangeBody {
    /// 8 to 256 characters, none that is guessed first, and not the present one.
    #[oai(validator(max_length = 1024), deserialize_with = "text")]
    new_password: String,
}

impl Example for PasswordChangeBody {
    fn example() -> Self {
        Self { new_password: "amber lantern 58 river".into() }
    }
}

#[derive(ApiResponse)]
enum Opened {
    /// The session. A wrong first factor opens one as well: its status is `refused`.
    #[oai(status = 201)]
    Session(
        Json<Entity<SignInSessionView>>,
        /// The address of the session.
        #[oai(header = "Location")]
        String,
    ),
}

pub struct SignInSessionsApi(pub App);

#[OpenApi(tag = "Tag::SignIn")]
impl SignInSessionsApi {
    /// Begin a sign-in
    ///
    /// Opens a session with the user's first factor. `status` says what is missing: `mfaRequired` names the `methods`
    /// to choose from, `registrationRequired` comes with a `registrationToken` (or, when the tenant asks for it, only
    /// after a temporary access pass or a passkey was proven), `completed` comes with the `outcomeToken`. A user who
    /// must register is let nowhere else, whatever was proven. A wrong first factor, a disabled user and a name that
    /// nobody has are `refused` alike. Needs `SignIn.Verify.All`, and `SignIn.Assert.All` for `asserted`.
    #[oai(path = "/v1.0/signInSessions", method = "post", operation_id = "beginSignIn")]
    async fn begin(
        &self,
        guard: Guard,
        info: RequestInfo,
        body: Json<SignInBody>,
        /// Answers a repeated request with the first answer instead of doing it again, for 24 hours.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<Opened, Problem> {
        refuse_other_options(&info, &[])?;
        let session = self.0.begin_sign_in(guard.0, body.0.try_into()?).await?;
        let location = self.0.url(&info, &format!("/signInSessions/{}", session.id));
        Ok(Opened::Session(Json(self.entity(&info, session)), location))
    }

    /// Get a sign-in session
    ///
    /// Where a sign-in stands: for asking whether a push request was answered, and for the outcome. Needs
    /// `SignIn.Verify.All`; a session is seen by the application that opened it.
    #[oai(path = "/v1.0/signInSessions/:session", method = "get", operation_id = "getSignInSession")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The session's id.
        #[oai(example = "examples::sign_in_session")]
        session: Path<String>,
    ) -> Result<Json<Entity<SignInSessionView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let issuer = self.0.issuer.clone();
        let session = self.0.read(guard.0, move |tx, caller| sign_in::get(tx, &issuer, caller, &session)).await?;
        Ok(Json(self.entity(&info, session)))
    }

    /// Ask for a method
    ///
    /// Sends a code (a new one replaces the old, and is good for five minutes and three tries), sends a push request and
    /// returns the `number` to show, or returns WebAuthn's request options. 409 when the server has no sender for the
    /// channel, 429 when too many codes were sent.
    /// Tokens that show codes by themselves, and passes, need no challenge. Needs `SignIn.Verify.All`.
    #[oai(path = "/v1.0/signInSessions/:session/challenge", method = "post", operation_id = "challengeSignIn")]
    async fn challenge(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The session's id.
        #[oai(example = "examples::sign_in_session")]
        session: Path<String>,
        body: Json<ChallengeBody>,
        /// Answers a repeated request with the first answer instead of doing it again, for 24 hours.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<Json<Entity<ChallengeView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let ChallengeBody { method_id: method, channel } = body.0;
        let (host, sending, channel) = (self.0.host(), self.0.sending.clone(), channel.map(Into::into));
        let attempt = Attempt::new(Activity::CONTINUE_SIGN_IN);
        let write = move |tx: &mut crate::store::Tx<'_>, caller: &crate::access::Caller| {
            let via = Via { sending: &sending, channel };
            sign_in::challenge(tx, &host, caller, &session, method.as_deref(), via)
        };
        let prompt = self.0.write(guard.0, attempt, write).await?;
        let context = self.0.context(&info, "microsoft.graph.signInChallenge");
        Ok(Json(Entity::new(context, prompt.into())))
    }

    /// Verify a method
    ///
    /// Checks a code or a WebAuthn answer; each is accepted once. A wrong one is 400, and after five in a row every
    /// further try has to wait (429). Needs `SignIn.Verify.All`.
    #[oai(path = "/v1.0/signInSessions/:session/verify", method = "post", operation_id = "verifySignIn")]
    async fn verify(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The session's id.
        #[oai(example = "examples::sign_in_session")]
        session: Path<String>,
        body: Json<ProofBody>,
        /// Answers a repeated request with the first answer instead of doing it again, for 24 hours.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<Json<Entity<SignInSessionView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let (method, evidence) = body.0.evidence()?;
        let target = evidence.target();
        let host = self.0.host();
        let attempt = Attempt::new(Activity::CONTINUE_SIGN_IN);
        let write = move |tx: &mut crate::store::Tx<'_>, caller: &crate::access::Caller| {
            sign_in::verify(tx, &host, caller, &session, method.as_deref(), &evidence)
        };
        let session = self.0.write(guard.0, attempt, write).await?.into_result(target)?;
        Ok(Json(self.entity(&info, session)))
    }

    /// Change the password at a sign-in
    ///
    /// For the status `passwordChangeRequired`: all else is proven, and the password that was shown must be replaced
    /// (somebody reset it). Completes the session; every other session of the user ends. Needs `SignIn.Verify.All`.
    #[oai(
        path = "/v1.0/signInSessions/:session/changePassword",
        method = "post",
        operation_id = "changePasswordAtSignIn"
    )]
    async fn change_password(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The session's id.
        #[oai(example = "examples::password_change_session")]
        session: Path<String>,
        body: Json<PasswordChangeBody>,
        /// Answers a repeated request with the first answer instead of doing it again, for 24 hours.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<Json<Entity<SignInSessionView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let new = SecretString::from(body.0.new_password);
        let session = self.0.change_password_at_sign_in(guard.0, session.0, new).await?;
        Ok(Json(self.entity(&info, session)))
    }
}

impl SignInSessionsApi {
    fn entity(&self, info: &RequestInfo, session: SessionView) -> Entity<SignInSessionView> {
        Entity::new(self.0.context(info, "signInSessions/$entity"), session.into())
    }
}
