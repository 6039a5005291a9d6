//! `/auditLogs/directoryAudits`.

use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{
        Page, Paging,
        bind::{Property, Value, guid},
        link_behind, log, refuse_other_options,
    },
    problem::Problem,
};
use crate::{
    app::App,
    audit::{
        Detail, ModifiedProperty,
        query::{self, Recorded},
    },
    store::{
        audit::{InitiatorKind, list::AuditField},
        filter::{
            LogPage,
            Operator::{Eq, Ge, Gt, Le, Lt, StartsWith},
        },
    },
};

pub struct DirectoryAuditsApi(pub App);

/// What the list can be filtered by. An event has one target, so `any` is about that one.
const FILTERABLE: &[Property<AuditField>] = &[
    Property::text("id", &[Eq], |value| AuditField::Id(guid(value))),
    Property::text("activityDisplayName", &[Eq, StartsWith], AuditField::ActivityDisplayName),
    Property {
        path: "activityDateTime",
        operators: &[Eq, Ge, Gt, Le, Lt],
        value: Value::DateTime(AuditField::ActivityDateTime),
    },
    Property::text("category", &[Eq], AuditField::Category),
    Property::text("loggedByService", &[Eq], AuditField::LoggedByService),
    Property::text("correlationId", &[Eq], AuditField::CorrelationId),
    Property::text("result", &[Eq], AuditField::Result),
    Property::text("initiatedBy/user/id", &[Eq], |value| AuditField::InitiatorId(InitiatorKind::User, guid(value))),
    Property::text("initiatedBy/user/displayName", &[Eq, StartsWith], |value| {
        AuditField::InitiatorDisplayName(InitiatorKind::User, value)
    }),
    Property::text("initiatedBy/user/userPrincipalName", &[Eq, StartsWith], AuditField::InitiatorPrincipalName),
    Property::text("initiatedBy/app/appId", &[Eq], |value| AuditField::InitiatorId(InitiatorKind::App, guid(value))),
    Property::text("initiatedBy/app/displayName", &[Eq, StartsWith], |value| {
        AuditField::InitiatorDisplayName(InitiatorKind::App, value)
    }),
    Property::text("targetResources/any(t:t/id)", &[Eq], |value| AuditField::TargetId(guid(value))),
    Property::text("targetResources/any(t:t/displayName)", &[Eq, StartsWith], AuditField::TargetDisplayName),
];

/// Who did it: a user.
#[derive(Debug, Object)]
#[oai(rename = "UserIdentity", rename_all = "camelCase")]
struct UserIdentityView {
    #[oai(nullable)]
    id: Option<String>,
    #[oai(nullable)]
    display_name: Option<String>,
    #[oai(nullable)]
    user_principal_name: Option<String>,
    /// From where.
    #[oai(nullable)]
    ip_address: Option<String>,
}

/// Who did it: an application.
#[derive(Debug, Object)]
#[oai(rename = "AppIdentity", rename_all = "camelCase")]
struct AppIdentityView {
    /// The client id; null for the server's own command line.
    #[oai(nullable)]
    app_id: Option<String>,
    #[oai(nullable)]
    display_name: Option<String>,
    #[oai(nullable)]
    service_principal_id: Option<String>,
    #[oai(nullable)]
    service_principal_name: Option<String>,
}

/// Who did it: a user or an application, the other is null.
#[derive(Debug, Object)]
#[oai(rename = "AuditActivityInitiator")]
struct InitiatorView {
    #[oai(nullable)]
    user: Option<UserIdentityView>,
    #[oai(nullable)]
    app: Option<AppIdentityView>,
}

/// A property that changed. Values are JSON texts.
#[derive(Debug, Object)]
#[oai(rename = "ModifiedProperty", rename_all = "camelCase")]
struct ModifiedPropertyView {
    display_name: String,
    #[oai(nullable)]
    old_value: Option<String>,
    #[oai(nullable)]
    new_value: Option<String>,
}

impl From<ModifiedProperty> for ModifiedPropertyView {
    fn from(property: ModifiedProperty) -> Self {
        Self { display_name: property.display_name, old_value: property.old_value, new_value: property.new_value }
    }
}

/// What was acted on.
#[derive(Debug, Object)]
#[oai(rename = "TargetResource", rename_all = "camelCase")]
struct TargetResourceView {
    #[oai(nullable)]
    id: Option<String>,
    #[oai(nullable)]
    display_name: Option<String>,
    /// `User`, `Device`, `Application`, `Policy`, ...
    #[oai(rename = "type", nullable)]
    kind: Option<String>,
    #[oai(nullable)]
    user_principal_name: Option<String>,
    #[oai(nullable)]
    group_type: Option<String>,
    modified_properties: Vec<ModifiedPropertyView>,
}

/// More about the event.
#[derive(Debug, Object)]
#[oai(rename = "KeyValue")]
struct KeyValueView {
    key: String,
    #[oai(nullable)]
    value: Option<String>,
}

impl From<Detail> for KeyValueView {
    fn from(detail: Detail) -> Self {
        Self { key: detail.key, value: Some(detail.value) }
    }
}

/// Who did what to whom, when and from where, and how it ended.
#[derive(Debug, Object)]
#[oai(rename = "DirectoryAudit", rename_all = "camelCase")]
struct DirectoryAuditView {
    #[oai(rename = "@odata.context", skip_serializing_if_is_none)]
    context: Option<String>,
    id: String,
    activity_date_time: String,
    activity_display_name: String,
    category: String,
    /// The caller's `client-request-id`.
    correlation_id: String,
    logged_by_service: String,
    /// `Add`, `Assign`, `Update`, `Unassign` or `Delete`.
    operation_type: String,
    /// `success` or `failure`.
    result: String,
    result_reason: String,
    #[oai(nullable)]
    user_agent: Option<String>,
    initiated_by: InitiatorView,
    target_resources: Vec<TargetResourceView>,
    /// What Graph has no property for. `ipAddress` is where an application called from.
    additional_details: Vec<KeyValueView>,
}

impl From<Recorded> for DirectoryAuditView {
    fn from(Recorded { event, modified, details }: Recorded) -> Self {
        let mut additional_details: Vec<_> = details.into_iter().map(KeyValueView::from).collect();
        let initiated_by = if event.initiator_kind == InitiatorKind::User.as_str() {
            let user = UserIdentityView {
                id: event.initiator_id,
                display_name: event.initiator_display_name,
                user_principal_name: event.initiator_principal_name,
                ip_address: event.ip_address,
            };
            InitiatorView { user: Some(user), app: None }
        } else {
            if let Some(address) = event.ip_address {
                additional_details.push(KeyValueView { key: "ipAddress".into(), value: Some(address) });
            }
            let app = AppIdentityView {
                app_id: event.initiator_id,
                display_name: event.initiator_display_name,
                service_principal_id: None,
                service_principal_name: None,
            };
            InitiatorView { user: None, app: Some(app) }
        };
        let target = TargetResourceView {
            id: event.target_id,
            display_name: event.target_display_name,
            kind: event.target_type,
            user_principal_name: event.target_principal_name,
            group_type: None,
            modified_properties: modified.into_iter().map(Into::into).collect(),
        };
        Self {
            context: None,
            id: event.event_id.into_string(),
            activity_date_time: event.activity_at.to_iso(),
            activity_display_name: event.activity_display_name,
            category: event.category,
            correlation_id: event.correlation_id,
            logged_by_service: event.logged_by_service,
            operation_type: event.operation_type,
            result: event.result,
            result_reason: event.result_reason,
            user_agent: event.user_agent,
            initiated_by,
            target_resources: vec![target],
            additional_details,
        }
    }
}

fn example_filter() -> Option<String> {
    Some("activityDisplayName eq 'Admin reset multifactor authentication'".into())
}

fn example_order() -> Option<String> {
    Some("activityDateTime desc".into())
}

#[OpenApi(tag = "Tag::Audit")]
impl DirectoryAuditsApi {
    /// List audit events
    ///
    /// Every change and every refused attempt in this tenant, newest first. Filter with
    ///
    /// * `activityDisplayName eq 'Admin reset multifactor authentication'`, or `startsWith(activityDisplayName,'Admin')`
    /// * `activityDateTime ge 2026-11-22T00:00:00Z and activityDateTime le 2026-11-23T00:00:00Z`
    /// * `targetResources/any(t:t/id eq '{user id}')`, or `t/displayName` with `eq` and `startsWith`
    /// * `initiatedBy/user/id`, `initiatedBy/user/displayName`, `initiatedBy/user/userPrincipalName`,
    ///   `initiatedBy/app/appId`, `initiatedBy/app/displayName`
    /// * `result eq 'failure'`, `category`, `loggedByService`, `correlationId` (the `client-request-id` of the request), `id`
    ///
    /// joined by `and`, `or`, `not` and parentheses. Texts are compared exactly, userPrincipalName in any case.
    /// Events written while you read do not disturb the pages. A page may be short, even empty, while there is an
    /// `@odata.nextLink`: follow it to the end. Needs the permission `AuditLog.Read.All`, or the role
    /// Reports Reader, Security Reader, Security Administrator or Global Reader.
    #[oai(path = "/v1.0/auditLogs/directoryAudits", method = "get", operation_id = "listDirectoryAudits")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Which events; see above.
        #[oai(name = "$filter", example = "example_filter")]
        filter: Query<Option<String>>,
        /// `activityDateTime desc` (the default) or `activityDateTime asc`.
        #[oai(name = "$orderby", example = "example_order")]
        order_by: Query<Option<String>>,
        /// Events per page, 1 to 999; 100 unless given.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// Where the next page begins; follow `@odata.nextLink` instead of making one.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<DirectoryAuditView>>, Problem> {
        refuse_other_options(&info, &["$filter", "$orderby", "$top", "$skiptoken"])?;
        let paging = Paging::new(top.0, skip_token.0)?;
        let query = log::query(filter.as_deref(), order_by.as_deref(), &paging, "activityDateTime", FILTERABLE)?;
        let LogPage { rows, next } = self.0.read(guard.0, move |tx, caller| query::list(tx, caller, &query)).await?;
        let key = |Recorded { event, .. }: &Recorded| log::key(event.activity_at, event.sequence);
        let mut page = paging.page(&self.0, &info, "auditLogs/directoryAudits", rows, key, Into::into);
        page.next_link = page.next_link.or(next.map(|next| link_behind(&self.0, &info, &log::key(next.at, next.tie))));
        Ok(Json(page))
    }

    /// Get an audit event
    ///
    /// A reset's report names its event in `auditEventId`. Needs the permission `AuditLog.Read.All`, or the role
    /// Reports Reader, Security Reader, Security Administrator or Global Reader.
    #[oai(path = "/v1.0/auditLogs/directoryAudits/:id", method = "get", operation_id = "getDirectoryAudit")]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The event's id.
        #[oai(example = "examples::audit_event")]
        id: Path<String>,
    ) -> Result<Json<DirectoryAuditView>, Problem> {
        refuse_other_options(&info, &[])?;
        let event = self.0.read(guard.0, move |tx, caller| query::find(tx, caller, &id)).await?;
        let context = self.0.context(&info, "auditLogs/directoryAudits/$entity");
        Ok(Json(DirectoryAuditView { context: Some(context), ..event.into() }))
    }
}
