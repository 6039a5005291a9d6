//! `/auditLogs/signIns`.

use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Any,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{
        Entity, Page, Paging,
        bind::{Property, Value, guid},
        link_behind, log as log_list, refuse_other_options,
    },
    problem::Problem,
};
use crate::{
    app::App,
    demo,
    id::SignInId,
    methods::MethodKind,
    sign_in::log::{self, SignIn, Step},
    store::{
        filter::{
            LogPage,
            Operator::{Eq, Ge, Gt, Le, Lt, Ne, StartsWith},
            Position,
        },
        sign_ins::SignInField,
    },
};

pub struct SignInsApi(pub App);

/// What the list can be filtered by.
const FILTERABLE: &[Property<SignInField>] = &[
    Property::text("id", &[Eq], |value| SignInField::Id(guid(value))),
    Property {
        path: "createdDateTime",
        operators: &[Eq, Ge, Gt, Le, Lt],
        value: Value::DateTime(SignInField::CreatedDateTime),
    },
    Property::text("userId", &[Eq], |value| SignInField::UserId(guid(value))),
    Property::text("userPrincipalName", &[Eq, StartsWith], SignInField::UserPrincipalName),
    Property::text("userDisplayName", &[Eq, StartsWith], SignInField::UserDisplayName),
    Property::text("appId", &[Eq], |value| SignInField::AppId(guid(value))),
    Property::text("appDisplayName", &[Eq, StartsWith], SignInField::AppDisplayName),
    Property::text("ipAddress", &[Eq, StartsWith], SignInField::IpAddress),
    Property::text("correlationId", &[Eq], |value| SignInField::CorrelationId(guid(value))),
    Property { path: "status/errorCode", operators: &[Eq, Ne], value: Value::Integer(error_code) },
];

/// No code is as big as what does not fit.
fn error_code(number: i64) -> SignInField {
    SignInField::ErrorCode(i32::try_from(number).unwrap_or(i32::MAX))
}

/// How it ended.
#[derive(Debug, Object)]
#[oai(rename = "SignInStatus", rename_all = "camelCase")]
struct StatusView {
    /// 0 for a success, else one of Entra's numbers: 50126 wrong first factor, 500121 wrong second factor, 50072 the
    /// user must register.
    error_code: i32,
    #[oai(nullable)]
    failure_reason: Option<String>,
    #[oai(nullable)]
    additional_details: Option<String>,
}

/// One step of a sign-in.
#[derive(Debug, Object)]
#[oai(rename = "AuthenticationDetail", rename_all = "camelCase")]
struct StepView {
    authentication_step_date_time: String,
    /// Such as `Password` or `OATH verification code`.
    authentication_method: String,
    /// Which one, masked.
    #[oai(nullable)]
    authentication_method_detail: Option<String>,
    succeeded: bool,
    /// `Primary authentication` or `Multifactor authentication`.
    authentication_step_requirement: String,
}

/// What proved the second factor.
#[derive(Debug, Object)]
#[oai(rename = "MfaDetail", rename_all = "camelCase")]
struct MfaView {
    auth_method: String,
    #[oai(nullable)]
    auth_detail: Option<String>,
}

/// An attempt to sign in that came to an end.
#[derive(Debug, Object)]
#[oai(rename = "SignIn", rename_all = "camelCase")]
struct SignInView {
    id: String,
    created_date_time: String,
    /// Null when nobody has the name that was given.
    #[oai(nullable)]
    user_id: Option<String>,
    #[oai(nullable)]
    user_display_name: Option<String>,
    #[oai(nullable)]
    user_principal_name: Option<String>,
    app_id: String,
    app_display_name: String,
    /// Where the application called from.
    #[oai(nullable)]
    ip_address: Option<String>,
    /// Null: only the application knows.
    #[oai(nullable)]
    client_app_used: Option<String>,
    #[oai(nullable)]
    user_agent: Option<String>,
    /// The sign-in session's id.
    correlation_id: String,
    /// Always `notApplied`.
    conditional_access_status: String,
    /// Always true.
    is_interactive: bool,
    /// Null: the application knows the device, Rekey does not.
    #[oai(nullable)]
    device_detail: Option<Any<serde_json::Value>>,
    /// Null: Rekey knows addresses and no places.
    #[oai(nullable)]
    location: Option<Any<serde_json::Value>>,
    /// Null: what the application signs its users in for is its own.
    #[oai(nullable)]
    resource_id: Option<String>,
    #[oai(nullable)]
    resource_display_name: Option<String>,
    /// Always `none`: Rekey does not judge risk.
    risk_detail: String,
    /// Always `none`.
    risk_state: String,
    status: StatusView,
    authentication_details: Vec<StepView>,
    #[oai(nullable)]
    mfa_detail: Option<MfaView>,
}

/// As Entra's log names what was shown.
fn method_name(kind: Option<MethodKind>) -> &'static str {
    match kind {
        None => "Asserted by the application",
        Some(MethodKind::Password) => "Password",
        Some(MethodKind::Phone) => "Text message",
        Some(MethodKind::Email) => "Email",
        Some(MethodKind::MicrosoftAuthenticator) => "Mobile app notification",
        Some(MethodKind::SoftwareOath) => "OATH software token",
        Some(MethodKind::HardwareOath) => "OATH hardware token",
        Some(MethodKind::Fido2) => "Passkey",
        Some(MethodKind::TemporaryAccessPass) => "Temporary Access Pass",
        Some(MethodKind::WindowsHelloForBusiness) => "Windows Hello for Business",
        Some(MethodKind::PlatformCredential) => "Platform Credential",
        Some(MethodKind::ExternalAuthenticationMethod) => "External authentication method",
        Some(MethodKind::QrCodePin) => "QR code",
    }
}

impl From<(usize, Step)> for StepView {
    fn from((place, step): (usize, Step)) -> Self {
        let requirement = if place == 0 { "Primary authentication" } else { "Multifactor authentication" };
        Self {
            authentication_step_date_time: step.at.to_iso(),
            authentication_method: method_name(step.kind).into(),
            authentication_method_detail: step.label,
            succeeded: step.succeeded,
            authentication_step_requirement: requirement.into(),
        }
    }
}

impl From<SignIn> for SignInView {
    fn from(SignIn { row, steps }: SignIn) -> Self {
        let refused = steps.iter().find(|step| !step.succeeded).and_then(|step| step.kind);
        let is_mfa = |step: &&Step| step.succeeded && step.kind.is_some_and(MethodKind::counts_as_mfa);
        let mfa_detail = steps
            .iter()
            .find(is_mfa)
            .map(|step| MfaView { auth_method: method_name(step.kind).into(), auth_detail: step.label.clone() });
        Self {
            id: row.sign_in_id.into_string(),
            created_date_time: row.created_at.to_iso(),
            user_id: row.user_id.map(|id| id.into_string()),
            user_display_name: row.user_display_name,
            user_principal_name: row.user_principal_name,
            app_id: row.application_id.into_string(),
            app_display_name: row.application_display_name,
            ip_address: row.ip_address,
            client_app_used: None,
            user_agent: row.user_agent,
            correlation_id: row.correlation_id,
            conditional_access_status: "notApplied".into(),
            is_interactive: true,
            device_detail: None,
            location: None,
            resource_id: None,
            resource_display_name: None,
            risk_detail: "none".into(),
            risk_state: "none".into(),
            status: StatusView {
                error_code: row.error_code,
                failure_reason: row.failure_reason,
                additional_details: refused.map(|kind| format!("The {} was refused.", kind.in_words())),
            },
            authentication_details: steps.into_iter().enumerate().map(Into::into).collect(),
            mfa_detail,
        }
    }
}

fn example_filter() -> Option<String> {
    Some(format!("userPrincipalName eq '{}' and status/errorCode ne 0", demo::EXAMPLE_USER))
}

fn example_order() -> Option<String> {
    Some("createdDateTime desc".into())
}

#[OpenApi(tag = "Tag::Audit")]
impl SignInsApi {
    /// List sign-ins
    ///
    /// Every sign-in of the last 30 days that came to an end, good or bad, newest first. Filter with
    ///
    /// * `userPrincipalName eq 'adele.vance@contoso.example'` (in any case) or `startsWith(userPrincipalName,'adele')`
    /// * `userId eq '{user id}'`, `appId eq '{client id}'`; `userDisplayName`, `appDisplayName` and `ipAddress` with `eq` and
    ///   `startsWith`
    /// * `status/errorCode eq 0`, or `ne`: 50126 is a wrong first factor, 500121 a wrong second factor, 50072 a
    ///   registration that is due
    /// * `createdDateTime ge 2026-11-22T00:00:00Z and createdDateTime le 2026-11-23T00:00:00Z`
    /// * `correlationId eq '{session id}'`, `id`
    ///
    /// joined by `and`, `or`, `not` and parentheses. What is tried while a user has to wait after too many failures is
    /// neither checked nor logged. A page may be short, even empty, while there is an `@odata.nextLink`: follow it to the
    /// end. Needs the permission `AuditLog.Read.All`, or the role Reports Reader, Security
    /// Reader, Security Administrator or Global Reader.
    #[oai(path = "/v1.0/auditLogs/signIns", method = "get", operation_id = "listSignIns")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Which sign-ins; see above.
        #[oai(name = "$filter", example = "example_filter")]
        filter: Query<Option<String>>,
        /// `createdDateTime desc` (the default) or `createdDateTime asc`.
        #[oai(name = "$orderby", example = "example_order")]
        order_by: Query<Option<String>>,
        /// Sign-ins per page, 1 to 999; 100 unless given.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// Where the next page begins; follow `@odata.nextLink` instead of making one.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<SignInView>>, Problem> {
        refuse_other_options(&info, &["$filter", "$orderby", "$top", "$skiptoken"])?;
        let paging = Paging::new(top.0, skip_token.0)?;
        let query = log_list::query(filter.as_deref(), order_by.as_deref(), &paging, "createdDateTime", FILTERABLE)?;
        let LogPage { rows, next } = self.0.read(guard.0, move |tx, caller| log::list(tx, caller, &query)).await?;
        let key = |SignIn { row, .. }: &SignIn| log_list::key(row.created_at, &row.sign_in_id);
        let mut page = paging.page(&self.0, &info, "auditLogs/signIns", rows, key, Into::into);
        let link = |next: Position<SignInId>| link_behind(&self.0, &info, &log_list::key(next.at, &next.tie));
        page.next_link = page.next_link.or(next.map(link));
        Ok(Json(page))
    }

    /// Get a sign-in
    ///
    /// Needs the permission `AuditLog.Read.All`, or the role Reports Reader, Security Reader, Security Administrator
    /// or Global Reader.
    #[oai(path = "/v1.0/auditLogs/signIns/:id", method = "get", operation_id = "getSignIn")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The sign-in's id.
        #[oai(example = "examples::sign_in")]
        id: Path<String>,
    ) -> Result<Json<Entity<SignInView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let sign_in = self.0.read(guard.0, move |tx, caller| log::find(tx, caller, &id)).await?;
        let context = self.0.context(&info, "auditLogs/signIns/$entity");
        Ok(Json(Entity::new(context, sign_in.into())))
    }
}
