//! `phoneMethods/{id}/sendVerification`, `verify`, and the same for `emailMethods`: proving a number or an address by a
//! code that is sent there.

use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::Example,
};

use super::{Tag, examples, guard::Guard, odata::NoContent, problem::Problem, strict_json::text};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    methods::{
        MethodKind,
        sent_code::{Sent, Via},
        verification,
    },
    store::messages::Channel,
};

/// How a phone gets its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "PhoneChannel", rename_all = "camelCase")]
pub enum PhoneChannel {
    /// Only the mobile takes SMS.
    Sms,
    /// A call that tells the code.
    Voice,
}

impl From<PhoneChannel> for Channel {
    fn from(channel: PhoneChannel) -> Self {
        match channel {
            PhoneChannel::Sms => Self::Sms,
            PhoneChannel::Voice => Self::Voice,
        }
    }
}

/// How to send the code.
#[derive(Debug, Object)]
#[oai(rename = "SendVerificationRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct SendBody {
    /// Default: sms where the phone takes it and the policy allows it, else voice.
    channel: Option<PhoneChannel>,
}

impl Example for SendBody {
    fn example() -> Self {
        Self { channel: Some(PhoneChannel::Sms) }
    }
}

/// The code that arrived.
#[derive(Object)]
#[oai(rename = "VerificationRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct VerifyBody {
    /// Six digits.
    #[oai(validator(max_length = 16), deserialize_with = "text")]
    verification_code: String,
}

impl Example for VerifyBody {
    fn example() -> Self {
        Self { verification_code: "123456".into() }
    }
}

/// A code that is on its way.
#[derive(Debug, Object)]
#[oai(rename = "VerificationSent", rename_all = "camelCase")]
struct SentView {
    /// The number or address, masked.
    sent_to: String,
    /// Until when the code is good.
    expiration_date_time: String,
}

#[derive(ApiResponse)]
enum Accepted {
    /// The code is on its way.
    #[oai(status = 202)]
    Sent(Json<SentView>),
}

pub struct VerificationApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl VerificationApi {
    /// Send a code to a phone
    ///
    /// Six digits, good for five minutes, three tries and one use; a new code replaces the old. The mobile takes `sms`
    /// and `voice`, the other phones `voice` only, as far as the tenant's policy allows. 409 `senderNotConfigured` when
    /// this server has no sender for the channel; 429 when too many codes went to the number, to the user or out of the
    /// tenant. Needs the same permission or role as adding a phone.
    #[oai(
        path = "/v1.0/users/:user/authentication/phoneMethods/:id/sendVerification",
        method = "post",
        operation_id = "sendPhoneVerification"
    )]
    async fn send_to_phone(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id: one for each type of phone, the same for every user.
        #[oai(example = "examples::mobile_phone")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<Option<SendBody>>,
    ) -> Result<Accepted, Problem> {
        let channel = body.0.and_then(|body| body.channel).map(Into::into);
        self.send(guard, MethodKind::Phone, user.0, id.0, channel).await
    }

    /// Verify a phone
    ///
    /// Takes the code that was sent. The right one verifies the number and completes a phone that the user added, which
    /// answers the demand to register. A wrong one is 400; three of them end the code. Needs the same permission or
    /// role as adding a phone.
    #[oai(
        path = "/v1.0/users/:user/authentication/phoneMethods/:id/verify",
        method = "post",
        operation_id = "verifyPhoneMethod"
    )]
    async fn verify_phone(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id: one for each type of phone, the same for every user.
        #[oai(example = "examples::mobile_phone")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<VerifyBody>,
    ) -> Result<NoContent, Problem> {
        self.verify(guard, MethodKind::Phone, user.0, id.0, body.0).await
    }

    /// Send a code to an e-mail address
    ///
    /// As to a phone, by e-mail. Needs the same permission or role as adding an e-mail address.
    #[oai(
        path = "/v1.0/users/:user/authentication/emailMethods/:id/sendVerification",
        method = "post",
        operation_id = "sendEmailVerification"
    )]
    async fn send_to_email(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id, the same for every user.
        #[oai(example = "examples::email")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<Accepted, Problem> {
        self.send(guard, MethodKind::Email, user.0, id.0, None).await
    }

    /// Verify an e-mail address
    ///
    /// Takes the code that was sent. An e-mail address is never a second factor, so this does not answer the demand to
    /// register. Needs the same permission or role as adding an e-mail address.
    #[oai(
        path = "/v1.0/users/:user/authentication/emailMethods/:id/verify",
        method = "post",
        operation_id = "verifyEmailMethod"
    )]
    async fn verify_email(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The method's id, the same for every user.
        #[oai(example = "examples::email")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<VerifyBody>,
    ) -> Result<NoContent, Problem> {
        self.verify(guard, MethodKind::Email, user.0, id.0, body.0).await
    }
}

impl VerificationApi {
    async fn send(
        &self,
        guard: Guard,
        kind: MethodKind,
        user: String,
        id: String,
        channel: Option<Channel>,
    ) -> Result<Accepted, Problem> {
        let sending = self.0.sending.clone();
        let attempt = Attempt::on_user(Activity::SEND_VERIFICATION, &user);
        let write = self.0.write(guard.0, attempt, move |tx, caller| {
            verification::send(tx, caller, &user, kind, &id, Via { sending: &sending, channel })
        });
        let Sent { to, expires_at } = write.await?;
        Ok(Accepted::Sent(Json(SentView { sent_to: to, expiration_date_time: expires_at.to_iso() })))
    }

    async fn verify(
        &self,
        guard: Guard,
        kind: MethodKind,
        user: String,
        id: String,
        body: VerifyBody,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::VERIFY_METHOD, &user);
        let write = self.0.write(guard.0, attempt, move |tx, caller| {
            verification::verify(tx, caller, &user, kind, &id, &body.verification_code)
        });
        write.await?.into_result()?;
        Ok(NoContent::Done)
    }
}
