//! `signInSessions`.

mod bodies;

use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path},
    payload::Json,
};
use secrecy::SecretString;

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    methods::sent_code::Via,
    sign_in::{self, SessionView},
};
use bodies::{
    ChallengeBody, ChallengeView, PasswordChangeBody, PinChangeBody, ProofBody, SignInBody, SignInSessionView,
};

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

    /// Change the PIN at a sign-in
    ///
    /// For the status `pinChangeRequired`: all else is proven, and the PIN that was shown with the QR code must be
    /// replaced (somebody else chose it). Completes the session. Needs `SignIn.Verify.All`.
    #[oai(path = "/v1.0/signInSessions/:session/changePin", method = "post", operation_id = "changePinAtSignIn")]
    async fn change_pin(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The session's id.
        #[oai(example = "examples::pin_change_session")]
        session: Path<String>,
        body: Json<PinChangeBody>,
        /// Answers a repeated request with the first answer instead of doing it again, for 24 hours.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<Json<Entity<SignInSessionView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let session = self.0.change_pin_at_sign_in(guard.0, session.0, body.0.new_pin.into()).await?;
        Ok(Json(self.entity(&info, session)))
    }
}

impl SignInSessionsApi {
    fn entity(&self, info: &RequestInfo, session: SessionView) -> Entity<SignInSessionView> {
        Entity::new(self.0.context(info, "signInSessions/$entity"), session.into())
    }
}
