//! The audit log: what is recorded of every change and of every attempt that matters.

use serde::{Deserialize, Serialize};

use crate::{
    access::{Actor, Partner, Powers},
    error::{Error, Result},
    id::AuditEventId,
    store::{
        Tx,
        audit::{self, AuditEvent},
        tenants,
        users::User,
    },
};

pub mod query;
pub mod verify;

/// What somebody does, in the words of Graph's directoryAudits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    pub display_name: &'static str,
    pub category: &'static str,
    pub service: &'static str,
    pub operation: &'static str,
}

macro_rules! activities {
    ($($name:ident = ($text:literal, $category:ident, $service:ident, $operation:literal);)*) => {
        impl Activity {
            $(pub const $name: Self = Self { display_name: $text, category: $category, service: $service, operation: $operation };)*
        }
    };
}

const USERS: &str = "UserManagement";
const ROLES: &str = "RoleManagement";
const APPLICATIONS: &str = "ApplicationManagement";
const DIRECTORY: &str = "DirectoryManagement";
const PARTNERS: &str = "PartnerManagement";
const POLICY: &str = "Policy";
const DEVICES: &str = "Device";
const CORE: &str = "Core Directory";
const METHODS: &str = "Authentication Methods";

activities! {
    RESET_MFA = ("Admin reset multifactor authentication", USERS, METHODS, "Delete");
    CREATE_MFA_RESET = ("Create multifactor authentication reset of many users", USERS, METHODS, "Add");
    CONFIRM_MFA_RESET = ("Confirm multifactor authentication reset of many users", USERS, METHODS, "Update");
    CANCEL_MFA_RESET = ("Cancel multifactor authentication reset of many users", USERS, METHODS, "Update");
    RETRY_MFA_RESET = ("Retry multifactor authentication reset of many users", USERS, METHODS, "Update");
    FINISH_MFA_RESET = ("Finish multifactor authentication reset of many users", USERS, METHODS, "Update");
    START_REGISTRATION = ("Admin started security info registration", USERS, METHODS, "Add");
    REGISTER_METHOD = ("Admin registered security info", USERS, METHODS, "Add");
    UPDATE_METHOD = ("Admin updated security info", USERS, METHODS, "Update");
    SEND_VERIFICATION = ("Admin sent verification code", USERS, METHODS, "Update");
    VERIFY_METHOD = ("Admin verified security info", USERS, METHODS, "Update");
    DELETE_METHOD = ("Admin deleted security info", USERS, METHODS, "Delete");
    COMPLETE_REGISTRATION = ("User registered all required security info", USERS, METHODS, "Update");
    CHANGE_DEFAULT_METHOD = ("Admin changed default security info", USERS, METHODS, "Update");
    CHANGE_REQUIREMENTS = ("Admin changed authentication requirements", USERS, METHODS, "Update");
    REVOKE_SESSIONS = ("Revoke sign-in sessions", USERS, CORE, "Update");
    BEGIN_SIGN_IN = ("Begin sign-in", USERS, METHODS, "Update");
    CONTINUE_SIGN_IN = ("Continue sign-in", USERS, METHODS, "Update");
    CREATE_USER = ("Add user", USERS, CORE, "Add");
    UPDATE_USER = ("Update user", USERS, CORE, "Update");
    DELETE_USER = ("Delete user", USERS, CORE, "Delete");
    RESTORE_USER = ("Restore user", USERS, CORE, "Update");
    PURGE_USER = ("Hard delete user", USERS, CORE, "Delete");
    ADD_ROLE = ("Add member to role", ROLES, CORE, "Assign");
    REMOVE_ROLE = ("Remove member from role", ROLES, CORE, "Unassign");
    CREATE_DEVICE = ("Create Hardware Oath Token", DEVICES, METHODS, "Add");
    UPDATE_DEVICE = ("Update Hardware Oath Token", DEVICES, METHODS, "Update");
    DELETE_DEVICE = ("Delete Hardware Oath Token", DEVICES, METHODS, "Delete");
    IMPORT_DEVICES = ("Bulk upload Hardware Oath Tokens", DEVICES, METHODS, "Add");
    CHANGE_SECURITY_DEFAULTS = ("Update security defaults", POLICY, METHODS, "Update");
    UPDATE_METHODS_POLICY = ("Authentication Methods Policy Update", POLICY, METHODS, "Update");
    RESET_METHODS_POLICY = ("Authentication Methods Policy Reset", POLICY, METHODS, "Update");
    RESET_PASSWORD = ("Reset user password", USERS, CORE, "Update");
    CHANGE_PASSWORD = ("Change user password", USERS, CORE, "Update");
    UNLOCK = ("Admin unlocked user", USERS, METHODS, "Update");
    CREATE_TENANT = ("Create organization", DIRECTORY, CORE, "Add");
    CREATE_APPLICATION = ("Add application", APPLICATIONS, CORE, "Add");
    UPDATE_APPLICATION = ("Update application", APPLICATIONS, CORE, "Update");
    DELETE_APPLICATION = ("Delete application", APPLICATIONS, CORE, "Delete");
    CREATE_TRUSTED_ISSUER = ("Add trusted issuer", POLICY, CORE, "Add");
    DELETE_TRUSTED_ISSUER = ("Delete trusted issuer", POLICY, CORE, "Delete");
    CREATE_RELATIONSHIP = ("Add delegated admin relationship", PARTNERS, CORE, "Add");
    UPDATE_RELATIONSHIP = ("Update delegated admin relationship", PARTNERS, CORE, "Update");
    DELETE_RELATIONSHIP = ("Delete delegated admin relationship", PARTNERS, CORE, "Delete");
    LOCK_RELATIONSHIP = ("Lock delegated admin relationship for approval", PARTNERS, CORE, "Update");
    APPROVE_RELATIONSHIP = ("Approve delegated admin relationship", PARTNERS, CORE, "Update");
    REJECT_RELATIONSHIP = ("Reject delegated admin relationship", PARTNERS, CORE, "Update");
    TERMINATE_RELATIONSHIP = ("Terminate delegated admin relationship", PARTNERS, CORE, "Update");
    EXPIRE_RELATIONSHIP = ("Expire delegated admin relationship", PARTNERS, CORE, "Update");
    EXTEND_RELATIONSHIP = ("Extend delegated admin relationship", PARTNERS, CORE, "Update");
    CREATE_ACCESS_ASSIGNMENT = ("Add delegated admin access assignment", PARTNERS, CORE, "Add");
    UPDATE_ACCESS_ASSIGNMENT = ("Update delegated admin access assignment", PARTNERS, CORE, "Update");
    DELETE_ACCESS_ASSIGNMENT = ("Delete delegated admin access assignment", PARTNERS, CORE, "Delete");
    OBTAIN_TOKEN = ("Obtain application token", APPLICATIONS, CORE, "Update");
}

/// What was acted on.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Graph's resource type: `User`, `Device`, `Application`, `Policy`, ...
    pub kind: &'static str,
    pub id: Option<String>,
    pub display_name: Option<String>,
    pub principal_name: Option<String>,
}

impl Target {
    pub fn user(user: &User) -> Self {
        Self {
            kind: "User",
            id: Some(user.user_id.to_string()),
            display_name: Some(user.display_name.clone()),
            principal_name: Some(user.user_principal_name.clone()),
        }
    }

    pub fn object(kind: &'static str, id: impl ToString, display_name: impl Into<String>) -> Self {
        Self { kind, id: Some(id.to_string()), display_name: Some(display_name.into()), principal_name: None }
    }
}

/// A property that changed. Values are JSON texts, as Graph has them; never a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModifiedProperty {
    pub display_name: String,
    pub old_value: Option<String>,
    pub new_value: Option<String>,
}

impl ModifiedProperty {
    pub fn new(name: &str, old: impl Serialize, new: impl Serialize) -> Self {
        let text = |value: Result<String, _>| value.ok().filter(|text| text != "null");
        Self {
            display_name: name.into(),
            old_value: text(serde_json::to_string(&old)),
            new_value: text(serde_json::to_string(&new)),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Detail {
    pub key: String,
    pub value: String,
}

/// An event in the making.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Set only for seeded data; otherwise a fresh random id.
    pub id: Option<AuditEventId>,
    pub activity: Activity,
    pub failure: bool,
    pub reason: String,
    pub target: Target,
    pub modified: Vec<ModifiedProperty>,
    pub details: Vec<Detail>,
}

impl Entry {
    pub fn success(activity: Activity, target: Target) -> Self {
        Self { id: None, activity, failure: false, reason: String::new(), target, modified: vec![], details: vec![] }
    }

    pub fn failure(activity: Activity, target: Target, reason: impl Into<String>) -> Self {
        Self { failure: true, reason: reason.into(), ..Self::success(activity, target) }
    }

    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    pub fn modified(mut self, name: &str, old: impl Serialize, new: impl Serialize) -> Self {
        self.modified.push(ModifiedProperty::new(name, old, new));
        self
    }

    pub fn detail(mut self, key: &str, value: impl Into<String>) -> Self {
        self.details.push(Detail { key: key.into(), value: value.into() });
        self
    }
}

/// What users do to themselves is told of the user: "Admin registered ..." becomes "User registered ...", as Graph's
/// activities have it.
fn in_own_words(text: &str, actor: &Actor, target: &Target) -> String {
    let is_own = matches!(&actor.powers, Powers::User { id, .. } if target.id.as_deref() == Some(id.as_str()));
    match text.strip_prefix("Admin ") {
        Some(rest) if is_own => format!("User {rest}"),
        _ => text.to_owned(),
    }
}

/// Writes the event into the actor's tenant, in the transaction of the change it speaks of. What a partner does for a
/// customer stands in the partner's log too.
pub fn record(tx: &mut Tx<'_>, actor: &Actor, entry: Entry) -> Result<AuditEventId> {
    let event = event(tx, actor, entry)?;
    if let Powers::Partner(partner) = &actor.powers {
        record_at_home(tx, partner, &event)?;
    }
    let id = event.event_id.clone();
    audit::append(tx, vec![event])?;
    Ok(id)
}

/// Writes many events of the actor's tenant, as one change of the chain's head; in that log only.
pub fn record_all(tx: &mut Tx<'_>, actor: &Actor, entries: Vec<Entry>) -> Result<Vec<AuditEventId>> {
    let events = entries.into_iter().map(|entry| event(tx, actor, entry)).collect::<Result<Vec<_>>>()?;
    let ids = events.iter().map(|event| event.event_id.clone()).collect();
    audit::append(tx, events)?;
    Ok(ids)
}

/// The same event in the partner's own log, where it names the customer.
fn record_at_home(tx: &mut Tx<'_>, partner: &Partner, event: &AuditEvent) -> Result<()> {
    let customer = tenants::find(tx, &event.tenant_id)?.map(|tenant| tenant.display_name);
    let mut details: Vec<Detail> = serde_json::from_str(&event.additional_details).map_err(Error::internal)?;
    details.push(Detail { key: "customerTenantId".into(), value: event.tenant_id.to_string() });
    details.extend(customer.map(|value| Detail { key: "customerDisplayName".into(), value }));
    let copy = AuditEvent {
        tenant_id: partner.home.clone(),
        event_id: AuditEventId::new(tx.time_ordered_guid()),
        additional_details: serde_json::to_string(&details).map_err(Error::internal)?,
        ..event.clone()
    };
    audit::append(tx, vec![copy])
}

fn event(tx: &mut Tx<'_>, actor: &Actor, mut entry: Entry) -> Result<AuditEvent> {
    let json = |value: Result<String, serde_json::Error>| value.map_err(Error::internal);
    if let Powers::Partner(partner) = &actor.powers {
        entry = entry
            .detail("partnerTenantId", partner.home.as_str())
            .detail("partnerDisplayName", partner.home_display_name.as_str());
        for relationship in &partner.relationships {
            entry = entry.detail("delegatedAdminRelationshipId", relationship.as_str());
        }
    }
    Ok(AuditEvent {
        tenant_id: actor.tenant.clone(),
        sequence: 0,
        event_id: entry.id.unwrap_or_else(|| AuditEventId::new(tx.time_ordered_guid())),
        activity_at: tx.now(),
        activity_display_name: in_own_words(entry.activity.display_name, actor, &entry.target),
        category: entry.activity.category.into(),
        logged_by_service: entry.activity.service.into(),
        operation_type: entry.activity.operation.into(),
        result: if entry.failure { "failure" } else { "success" }.into(),
        result_reason: in_own_words(&entry.reason, actor, &entry.target),
        correlation_id: actor.origin.client_request_id.clone(),
        initiator_kind: match actor.powers.is_user() {
            true => audit::InitiatorKind::User,
            false => audit::InitiatorKind::App,
        }
        .as_str()
        .into(),
        initiator_id: actor.id().map(str::to_owned),
        initiator_display_name: Some(actor.display_name.clone()),
        initiator_principal_name: actor.principal_name.clone(),
        ip_address: actor.origin.ip_address.clone(),
        user_agent: actor.origin.user_agent.clone(),
        target_type: Some(entry.target.kind.into()),
        target_id: entry.target.id,
        target_display_name: entry.target.display_name,
        target_principal_name: entry.target.principal_name,
        modified_properties: json(serde_json::to_string(&entry.modified))?,
        additional_details: json(serde_json::to_string(&entry.details))?,
        previous_hash: String::new(),
        hash: String::new(),
    })
}
