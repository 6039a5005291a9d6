//! `POST /users/{user}/authentication/resetMfa`: the reset of one user.

use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::Example,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::authentication_context,
    problem::Problem,
    strict_json::text,
    temporary_access_pass::{PassBody, TemporaryAccessPassView},
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    methods::{MethodKind, MethodSummary},
    reset::{self, ResetReport, ResetRequest},
};

pub struct ResetApi(pub App);

/// Kinds that a reset keeps unless they are named here. (Phones, authenticator apps and software OATH tokens may be
/// named too; they are deleted anyway.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "camelCase")]
pub enum AlsoDelete {
    Email,
    Fido2,
    TemporaryAccessPass,
    WindowsHelloForBusiness,
    PlatformCredential,
    ExternalAuthenticationMethod,
    QrCodePin,
    Phone,
    MicrosoftAuthenticator,
    SoftwareOath,
}

impl From<AlsoDelete> for MethodKind {
    fn from(kind: AlsoDelete) -> Self {
        match kind {
            AlsoDelete::Email => Self::Email,
            AlsoDelete::Fido2 => Self::Fido2,
            AlsoDelete::TemporaryAccessPass => Self::TemporaryAccessPass,
            AlsoDelete::WindowsHelloForBusiness => Self::WindowsHelloForBusiness,
            AlsoDelete::PlatformCredential => Self::PlatformCredential,
            AlsoDelete::ExternalAuthenticationMethod => Self::ExternalAuthenticationMethod,
            AlsoDelete::QrCodePin => Self::QrCodePin,
            AlsoDelete::Phone => Self::Phone,
            AlsoDelete::MicrosoftAuthenticator => Self::MicrosoftAuthenticator,
            AlsoDelete::SoftwareOath => Self::SoftwareOath,
        }
    }
}

/// How to reset. Everything may be left out.
#[derive(Debug, Object)]
#[oai(rename = "ResetMfaRequest", rename_all = "camelCase", deny_unknown_fields, example)]
struct ResetBody {
    /// Why, for the audit log; at most 1000 characters.
    #[oai(validator(max_length = 1000), deserialize_with = "text")]
    reason: Option<String>,
    /// Also delete methods of these kinds.
    #[oai(validator(max_items = 16))]
    also_delete: Option<Vec<AlsoDelete>>,
    /// End every session of the user too. Default: true.
    revoke_sign_in_sessions: Option<bool>,
    /// Hand out a temporary access pass, shown once in the answer.
    issue_temporary_access_pass: Option<PassBody>,
    /// Only report what would happen; change nothing. Default: false.
    validate_only: Option<bool>,
}

impl Example for ResetBody {
    fn example() -> Self {
        Self {
            reason: Some("Phone lost, ticket 4711".into()),
            also_delete: Some(vec![]),
            revoke_sign_in_sessions: Some(true),
            issue_temporary_access_pass: None,
            validate_only: Some(false),
        }
    }
}

impl From<Option<ResetBody>> for ResetRequest {
    fn from(body: Option<ResetBody>) -> Self {
        let body = body.unwrap_or(ResetBody {
            reason: None,
            also_delete: None,
            revoke_sign_in_sessions: None,
            issue_temporary_access_pass: None,
            validate_only: None,
        });
        Self {
            reason: body.reason,
            also_delete: body.also_delete.unwrap_or_default().into_iter().map(Into::into).collect(),
            revoke_sign_in_sessions: body.revoke_sign_in_sessions.unwrap_or(true),
            issue_temporary_access_pass: body.issue_temporary_access_pass.map(Into::into),
            validate_only: body.validate_only.unwrap_or(false),
        }
    }
}

/// One method in the report.
#[derive(Debug, Object)]
#[oai(rename = "ResetMethod", rename_all = "camelCase")]
pub struct ResetMethodView {
    #[oai(rename = "@odata.type")]
    odata_type: String,
    id: String,
    /// What an admin recognizes it by; numbers are masked.
    display_name: String,
    /// Of a hardware token.
    #[oai(skip_serializing_if_is_none)]
    serial_number: Option<String>,
}

impl From<MethodSummary> for ResetMethodView {
    fn from(method: MethodSummary) -> Self {
        Self {
            odata_type: method.kind.odata_type().into(),
            id: method.id.into_string(),
            display_name: method.display_name,
            serial_number: method.serial_number,
        }
    }
}

/// What the reset did. All keys are always present.
#[derive(Debug, Object)]
#[oai(rename = "ResetMfaReport", rename_all = "camelCase")]
struct ResetView {
    #[oai(rename = "@odata.context")]
    context: String,
    user_id: String,
    user_principal_name: String,
    reset_date_time: String,
    validate_only: bool,
    /// Gone.
    deleted: Vec<ResetMethodView>,
    /// Hardware tokens that stay assigned and must be activated again with a code.
    deactivated: Vec<ResetMethodView>,
    /// Untouched. They do not spare the user the registration.
    kept: Vec<ResetMethodView>,
    /// The user must register at the next sign-in.
    registration_required: bool,
    sign_in_sessions_revoked: bool,
    /// The pass with its code, this once; or null.
    #[oai(nullable)]
    temporary_access_pass: Option<TemporaryAccessPassView>,
    /// The event in /auditLogs/directoryAudits; null when nothing was changed (validateOnly).
    #[oai(nullable)]
    audit_event_id: Option<String>,
}

impl ResetView {
    fn new(context: String, report: ResetReport) -> Self {
        let list = |methods: Vec<MethodSummary>| methods.into_iter().map(Into::into).collect();
        Self {
            context,
            user_id: report.user_id.into_string(),
            user_principal_name: report.user_principal_name,
            reset_date_time: report.reset_date_time.to_iso(),
            validate_only: report.validate_only,
            deleted: list(report.deleted),
            deactivated: list(report.deactivated),
            kept: list(report.kept),
            registration_required: report.registration_required,
            sign_in_sessions_revoked: report.sign_in_sessions_revoked,
            temporary_access_pass: report.temporary_access_pass.map(Into::into),
            audit_event_id: report.audit_event_id.map(|id| id.into_string()),
        }
    }
}

#[derive(ApiResponse)]
#[expect(clippy::large_enum_variant, reason = "made once per request and written at once")]
enum ResetAnswer {
    /// The reset is done (or, with validateOnly, would do this).
    #[oai(status = 200)]
    Report(Json<ResetView>),
    /// The reset is done; `Prefer: return=minimal` asked for no report.
    #[oai(status = 204)]
    Done,
}

#[OpenApi(tag = "Tag::Reset")]
impl ResetApi {
    /// Reset all MFA of a user
    ///
    /// Use this when somebody lost a phone or may have been phished. In one step it
    ///
    /// * **deletes** every phone, authenticator app and software OATH token, unfinished registrations included,
    /// * **deactivates** hardware OATH tokens: they stay assigned and work again after activation with a code,
    /// * **keeps** passkeys, keys of devices, QR codes, external methods, e-mail addresses and passes unless `alsoDelete`
    ///   names them, and the password always,
    /// * makes the user **register again** at the next sign-in, and ends the user's sessions.
    ///
    /// MFA is never turned off. Either all of it happens or nothing; it is recorded in the audit log; doing it again
    /// is harmless. Needs the permission `MfaReset.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the
    /// role Authentication Administrator (Privileged Authentication Administrator for administrators).
    #[oai(path = "/v1.0/users/:user/authentication/resetMfa", method = "post", operation_id = "resetMfa")]
    async fn reset_mfa(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// `return=minimal` to be answered 204 without a report.
        #[oai(name = "Prefer")]
        _prefer: Header<Option<String>>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<Option<ResetBody>>,
    ) -> Result<ResetAnswer, Problem> {
        let request = ResetRequest::from(body.0);
        let attempt = Attempt::on_user(Activity::RESET_MFA, &user);
        let report =
            self.0.write(guard.0, attempt, move |tx, caller| reset::reset_mfa(tx, caller, &user, &request)).await?;
        if info.prefers_minimal {
            return Ok(ResetAnswer::Done);
        }
        let context = self.0.context(&info, &authentication_context(report.user_id.as_str(), "resetMfa"));
        Ok(ResetAnswer::Report(Json(ResetView::new(context, report))))
    }
}
