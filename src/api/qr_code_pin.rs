//! `qrCodePinMethod`: a user's QR codes and PIN.

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
    odata::{Created, Entity, NoContent, authentication_context, refuse_other_options},
    problem::Problem,
};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    methods::{
        manage::OfUser,
        qr_code_pin::{CodeKind, CodeView, change, code::Span},
    },
    store::Tx,
};

mod bodies;

pub use bodies::QrCodePinMethodView;
use bodies::{CodeBody, PinBody, PinChangeBody, QrCodePinBody, QrCodeView, QrPinView};

const METHOD: &str = "qrCodePinMethod";

/// What became of a code.
#[derive(ApiResponse)]
enum CodeAnswer {
    /// A new code: what it says is shown this once.
    #[oai(status = 201)]
    Made(Json<Entity<QrCodeView>>),
    /// The standard code has another end.
    #[oai(status = 200)]
    Changed(Json<Entity<QrCodeView>>),
}

/// A PIN that was reset.
#[derive(ApiResponse)]
enum PinAnswer {
    /// The new PIN, shown this once.
    #[oai(status = 201)]
    Made(Json<Entity<QrPinView>>),
}

pub struct QrCodePinApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl QrCodePinApi {
    /// Get the QR code method of a user
    ///
    /// Without what the codes say and without the PIN. 404 when the user has none. Needs the permission
    /// `UserAuthMethod-QR.Read.All` or `UserAuthenticationMethod.Read.All`, or the role Global Reader or Authentication
    /// Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod",
        method = "get",
        operation_id = "getQrCodePinMethod"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Entity<QrCodePinMethodView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| change::get(tx, caller, &user)).await?;
        self.entity(&info, METHOD, found.map(QrCodePinMethodView::try_from))
    }

    /// Give a user a QR code and a PIN
    ///
    /// A code to print on a badge, and a PIN that goes with it: together one factor, for people without a phone who sign in
    /// at shared devices; they are no multifactor authentication. **The answer shows both, this once.** The PIN is
    /// `pin/code`, or one that the system makes, and must be changed at the next sign-in. 409 when the user has the
    /// method already. Not for oneself. Needs the permission `UserAuthMethod-QR.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator (Privileged Authentication
    /// Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod",
        method = "put",
        operation_id = "createQrCodePinMethod"
    )]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::new_hire")]
        user: Path<String>,
        body: Json<QrCodePinBody>,
    ) -> Result<Created<QrCodePinMethodView>, Problem> {
        refuse_other_options(&info, &[])?;
        let (span, code) = body.0.into_parts();
        let made = self.0.create_qr_code_pin(guard.0, user.0, span, code.map(SecretString::from)).await?;
        let location = self.0.url(&info, &format!("/users/{}/authentication/{METHOD}", made.user_id));
        Ok(Created::Created(self.entity(&info, METHOD, made.map(QrCodePinMethodView::try_from))?, location))
    }

    /// Delete the QR code method of a user
    ///
    /// Its codes and its PIN stop working at once. Needs the same permission or role as creating it.
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod",
        method = "delete",
        operation_id = "deleteQrCodePinMethod"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::DELETE_METHOD, &user);
        self.0.write(guard.0, attempt, move |tx, caller| change::delete(tx, caller, &user)).await?;
        Ok(NoContent::Done)
    }

    /// Get the standard QR code of a user
    ///
    /// Without what it says. Needs the same permission or role as the method.
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod/standardQRCode",
        method = "get",
        operation_id = "getStandardQrCode"
    )]
    async fn get_standard(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Entity<QrCodeView>>, Problem> {
        self.get_code(guard, info, user.0, CodeKind::Standard).await
    }

    /// Make or extend the standard QR code of a user
    ///
    /// Makes a code when the user has none (201, with the picture to print, this once); otherwise gives the one that is
    /// there another end (200). At most 395 days from its start. Needs the same permission or role as creating the
    /// method.
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod/standardQRCode",
        method = "patch",
        operation_id = "updateStandardQrCode"
    )]
    async fn put_standard(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        body: Json<CodeBody>,
    ) -> Result<CodeAnswer, Problem> {
        self.put_code(guard, info, user.0, CodeKind::Standard, body.0.into()).await
    }

    /// Delete the standard QR code of a user
    ///
    /// The code stops working at once, for a badge that was lost; the PIN stays. Needs the same permission or role as
    /// creating the method.
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod/standardQRCode",
        method = "delete",
        operation_id = "deleteStandardQrCode"
    )]
    async fn delete_standard(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<NoContent, Problem> {
        self.delete_code(guard, user.0, CodeKind::Standard).await
    }

    /// Get the temporary QR code of a user
    ///
    /// Without what it says. Needs the same permission or role as the method.
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod/temporaryQRCode",
        method = "get",
        operation_id = "getTemporaryQrCode"
    )]
    async fn get_temporary(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<Json<Entity<QrCodeView>>, Problem> {
        self.get_code(guard, info, user.0, CodeKind::Temporary).await
    }

    /// Make a temporary QR code for a user
    ///
    /// For a day without the badge: good for 1 to 12 hours, 12 unless the body says. The answer shows the picture to
    /// print, this once. 409 while a temporary code is good: it cannot be changed, only deleted. Needs the same permission
    /// or role as creating the method.
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod/temporaryQRCode",
        method = "patch",
        operation_id = "updateTemporaryQrCode"
    )]
    async fn put_temporary(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::frontline")]
        user: Path<String>,
        body: Json<Option<CodeBody>>,
    ) -> Result<CodeAnswer, Problem> {
        self.put_code(guard, info, user.0, CodeKind::Temporary, body.0.map(Span::from).unwrap_or_default()).await
    }

    /// Delete the temporary QR code of a user
    ///
    /// The code stops working at once. Needs the same permission or role as creating the method.
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod/temporaryQRCode",
        method = "delete",
        operation_id = "deleteTemporaryQrCode"
    )]
    async fn delete_temporary(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
    ) -> Result<NoContent, Problem> {
        self.delete_code(guard, user.0, CodeKind::Temporary).await
    }

    /// Reset the PIN of a user
    ///
    /// To `code`, or to one that the system makes. The answer shows it, this once, and the user must change it at the
    /// next sign-in. Not for oneself. Needs the same permission or role as creating the method.
    #[oai(path = "/v1.0/users/:user/authentication/qrCodePinMethod/pin", method = "patch", operation_id = "resetQrPin")]
    async fn reset_pin(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        body: Json<Option<PinBody>>,
    ) -> Result<PinAnswer, Problem> {
        refuse_other_options(&info, &[])?;
        let code = body.0.and_then(|body| body.code).map(SecretString::from);
        let made = self.0.reset_pin(guard.0, user.0, code).await?;
        let what = authentication_context(made.user_id.as_str(), &format!("{METHOD}/pin/$entity"));
        Ok(PinAnswer::Made(Json(Entity::new(self.0.context(&info, &what), made.found.into()))))
    }

    /// Change the own PIN
    ///
    /// Proves the present PIN and replaces it. A wrong present PIN is 400 and counts as at a sign-in. Needs the
    /// `outcomeToken` of a completed sign-in.
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod/pin/updatePin",
        method = "patch",
        operation_id = "updateQrPin"
    )]
    async fn update_pin(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        body: Json<PinChangeBody>,
    ) -> Result<NoContent, Problem> {
        let PinChangeBody { current_pin, new_pin } = body.0;
        self.0.change_pin(guard.0, user.0, current_pin.into(), new_pin.into()).await?.into_result()?;
        Ok(NoContent::Done)
    }

    /// Change the own PIN, as an action
    ///
    /// The same as by PATCH: Graph's pages say PATCH, and its typed clients send POST.
    #[oai(
        path = "/v1.0/users/:user/authentication/qrCodePinMethod/pin/updatePin",
        method = "post",
        operation_id = "postQrPinUpdate"
    )]
    async fn update_pin_by_post(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<PinChangeBody>,
    ) -> Result<NoContent, Problem> {
        self.update_pin(guard, user, body).await
    }
}

impl QrCodePinApi {
    /// What a view is made of, or why it cannot be: a picture is drawn for it.
    fn entity<V>(
        &self,
        info: &RequestInfo,
        what: &str,
        found: OfUser<crate::error::Result<V>>,
    ) -> Result<Json<Entity<V>>, Problem> {
        let what = authentication_context(found.user_id.as_str(), &format!("{what}/$entity"));
        Ok(Json(Entity::new(self.0.context(info, &what), found.found?)))
    }

    fn code(
        &self,
        info: &RequestInfo,
        kind: CodeKind,
        found: OfUser<CodeView>,
    ) -> Result<Json<Entity<QrCodeView>>, Problem> {
        self.entity(info, &format!("{METHOD}/{kind}"), found.map(QrCodeView::try_from))
    }

    async fn get_code(
        &self,
        guard: Guard,
        info: RequestInfo,
        user: String,
        kind: CodeKind,
    ) -> Result<Json<Entity<QrCodeView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let found = self.0.read(guard.0, move |tx, caller| change::get_code(tx, caller, &user, kind)).await?;
        self.code(&info, kind, found)
    }

    async fn put_code(
        &self,
        guard: Guard,
        info: RequestInfo,
        user: String,
        kind: CodeKind,
        span: Span,
    ) -> Result<CodeAnswer, Problem> {
        refuse_other_options(&info, &[])?;
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        let write = move |tx: &mut Tx<'_>, caller: &Caller| change::put_code(tx, caller, &user, kind, &span);
        let made = self.0.write(guard.0, attempt, write).await?;
        let is_new = made.found.content.is_some();
        let entity = self.code(&info, kind, made)?;
        Ok(if is_new { CodeAnswer::Made(entity) } else { CodeAnswer::Changed(entity) })
    }

    async fn delete_code(&self, guard: Guard, user: String, kind: CodeKind) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        self.0.write(guard.0, attempt, move |tx, caller| change::delete_code(tx, caller, &user, kind)).await?;
        Ok(NoContent::Done)
    }
}
