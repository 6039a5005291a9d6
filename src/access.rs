//! Who calls, and what they may do: the whole decision table in one place.
//!
//! A token only says who calls. What the caller may do is read anew in every transaction, so a withdrawn permission,
//! secret, role or session takes effect on the next call, on every replica.

use std::borrow::Cow;

use crate::{
    clock::Timestamp,
    error::{Area, Error, Result},
    id::{ApplicationId, TenantId, UserId},
    methods::MethodKind,
    roles::Role,
    store::{
        Tx, applications, roles,
        users::{self, Presence, User},
    },
};

/// Where a request comes from; goes into the audit log.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Graph's `request-id`: of our making, unique per request.
    pub request_id: String,
    /// Graph's `client-request-id`: the caller's, or our own again.
    pub client_request_id: String,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
}

/// Who makes a request, as the token (or the command line) says. Nothing is allowed yet.
#[derive(Debug, Clone)]
pub struct Caller {
    pub tenant: TenantId,
    pub who: Who,
    pub origin: Origin,
    /// From the `Idempotency-Key` header of a POST.
    pub once: Option<crate::idempotency::Once>,
}

#[derive(Debug, Clone)]
pub enum Who {
    Application {
        id: ApplicationId,
        /// The client secret that got the token: without it the token is void.
        secret_id: String,
        /// The permissions at the time of the token; what was taken away since is gone.
        permissions: Vec<String>,
    },
    User {
        id: UserId,
        token_issued_at: Timestamp,
    },
    /// Somebody with the server's own command line, database and key.
    Operator,
}

impl Caller {
    pub fn operator(tenant: TenantId, request_id: String) -> Self {
        let origin = Origin { client_request_id: request_id.clone(), request_id, ..Origin::default() };
        Self { tenant, who: Who::Operator, origin, once: None }
    }

    /// A stable name for whoever calls.
    pub fn id(&self) -> &str {
        match &self.who {
            Who::Application { id, .. } => id.as_str(),
            Who::User { id, .. } => id.as_str(),
            Who::Operator => "operator",
        }
    }
}

/// A caller who was found alive, with the permissions or roles of this moment.
#[derive(Debug, Clone)]
pub struct Actor {
    pub tenant: TenantId,
    pub powers: Powers,
    pub display_name: String,
    pub principal_name: Option<String>,
    pub origin: Origin,
}

#[derive(Debug, Clone)]
pub enum Powers {
    Application { id: ApplicationId, permissions: Vec<String> },
    User { id: UserId, roles: Vec<Role> },
    Operator,
}

impl Actor {
    pub fn id(&self) -> Option<&str> {
        match &self.powers {
            Powers::Application { id, .. } => Some(id.as_str()),
            Powers::User { id, .. } => Some(id.as_str()),
            Powers::Operator => None,
        }
    }

    /// An Authentication Administrator reads methods in restricted form: numbers are masked.
    pub fn sees_full_numbers(&self) -> bool {
        match &self.powers {
            Powers::Application { .. } | Powers::Operator => true,
            Powers::User { roles, .. } => roles
                .iter()
                .any(|role| matches!(role, Role::GlobalAdministrator | Role::PrivilegedAuthenticationAdministrator)),
        }
    }
}

/// Everything that can be asked of Rekey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    ReadUsers,
    WriteUsers,
    RevokeSignInSessions,
    ReadRoles,
    WriteRoles,
    /// All methods of a user, whatever their kind.
    ReadMethods,
    ReadKind(MethodKind),
    WriteKind(MethodKind),
    ResetMfa,
    ReadPreferences,
    WritePreferences,
    ReadRequirements,
    WriteRequirements,
    ReadDevices,
    WriteDevices,
    ReadPolicies,
    WriteSecurityDefaults,
    ReadAuditLogs,
    WriteApplications,
}

/// What one action takes: any of the permissions of an application, or any of the roles of a user.
struct Rule {
    permissions: Vec<Cow<'static, str>>,
    roles: &'static [Role],
    area: Area,
    /// Sensitive: a user caller must outrank the target (contract of Graph's roles), and cannot act on himself.
    sensitive: bool,
}

const METHOD_READERS: &[Role] = &[
    Role::GlobalReader,
    Role::AuthenticationAdministrator,
    Role::PrivilegedAuthenticationAdministrator,
    Role::GlobalAdministrator,
];
const METHOD_WRITERS: &[Role] =
    &[Role::AuthenticationAdministrator, Role::PrivilegedAuthenticationAdministrator, Role::GlobalAdministrator];
const POLICY_READERS: &[Role] =
    &[Role::GlobalReader, Role::AuthenticationPolicyAdministrator, Role::GlobalAdministrator];
const POLICY_WRITERS: &[Role] = &[Role::AuthenticationPolicyAdministrator, Role::GlobalAdministrator];

const READ_METHODS: &str = "UserAuthenticationMethod.Read.All";
const WRITE_METHODS: &str = "UserAuthenticationMethod.ReadWrite.All";
const RESET_MFA: &str = "MfaReset.ReadWrite.All";
const READ_POLICY: &str = "Policy.Read.All";
const WRITE_POLICY: &str = "Policy.ReadWrite.AuthenticationMethod";

/// The permissions that are not derived from a method kind.
const PERMISSIONS: &[&str] = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
    READ_METHODS,
    WRITE_METHODS,
    RESET_MFA,
    READ_POLICY,
    WRITE_POLICY,
    "Policy.ReadWrite.SecurityDefaults",
    "AuditLog.Read.All",
    "Application.ReadWrite.All",
    "DelegatedAdminRelationship.Read.All",
    "DelegatedAdminRelationship.ReadWrite.All",
    "SignIn.Verify.All",
    "SignIn.Assert.All",
];

/// Every permission an application can be given, the least privileged of a pair first.
pub fn known_permissions() -> Vec<String> {
    let kinds = MethodKind::ALL
        .iter()
        .flat_map(|kind| ["Read", "ReadWrite"].map(|access| kind_permission(*kind, access).into_owned()));
    PERMISSIONS.iter().map(|name| (*name).to_owned()).chain(kinds).collect()
}

fn kind_permission(kind: MethodKind, access: &str) -> Cow<'static, str> {
    format!("UserAuthMethod-{}.{access}.All", kind.permission_name()).into()
}

/// The decision table. The first permission is the least privileged; messages name it.
fn rule(action: Action) -> Rule {
    use Role::*;
    let directory = |permissions: &[&'static str], roles, sensitive| Rule {
        permissions: permissions.iter().map(|name| Cow::Borrowed(*name)).collect(),
        roles,
        area: Area::Directory,
        sensitive,
    };
    let methods = |permissions: &[&'static str], roles, sensitive| Rule {
        area: Area::Methods,
        ..directory(permissions, roles, sensitive)
    };
    match action {
        Action::ReadUsers => directory(
            &["User.Read.All", "User.ReadWrite.All"],
            &[
                DirectoryReaders,
                GlobalReader,
                HelpdeskAdministrator,
                PasswordAdministrator,
                AuthenticationAdministrator,
                PrivilegedAuthenticationAdministrator,
                UserAdministrator,
                GlobalAdministrator,
            ],
            false,
        ),
        Action::WriteUsers => directory(&["User.ReadWrite.All"], &[UserAdministrator, GlobalAdministrator], true),
        Action::RevokeSignInSessions => directory(
            &["User.ReadWrite.All"],
            &[
                HelpdeskAdministrator,
                AuthenticationAdministrator,
                PrivilegedAuthenticationAdministrator,
                UserAdministrator,
                GlobalAdministrator,
            ],
            true,
        ),
        Action::ReadRoles => directory(
            &["RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory"],
            &[DirectoryReaders, GlobalReader, PrivilegedRoleAdministrator, GlobalAdministrator],
            false,
        ),
        Action::WriteRoles => directory(
            &["RoleManagement.ReadWrite.Directory"],
            &[PrivilegedRoleAdministrator, GlobalAdministrator],
            false,
        ),
        Action::ReadMethods | Action::ReadPreferences => methods(&[READ_METHODS, WRITE_METHODS], METHOD_READERS, false),
        Action::WritePreferences => methods(&[WRITE_METHODS], METHOD_WRITERS, true),
        Action::ReadKind(kind) => Rule {
            permissions: vec![
                kind_permission(kind, "Read"),
                kind_permission(kind, "ReadWrite"),
                READ_METHODS.into(),
                WRITE_METHODS.into(),
            ],
            ..methods(&[], METHOD_READERS, false)
        },
        Action::WriteKind(kind) => Rule {
            permissions: vec![kind_permission(kind, "ReadWrite"), WRITE_METHODS.into()],
            ..methods(&[], METHOD_WRITERS, true)
        },
        Action::ResetMfa => methods(&[RESET_MFA, WRITE_METHODS], METHOD_WRITERS, true),
        Action::ReadRequirements => methods(
            &[READ_METHODS, WRITE_METHODS, RESET_MFA, READ_POLICY, WRITE_POLICY],
            &[
                GlobalReader,
                AuthenticationAdministrator,
                PrivilegedAuthenticationAdministrator,
                AuthenticationPolicyAdministrator,
                GlobalAdministrator,
            ],
            false,
        ),
        Action::WriteRequirements => methods(&[WRITE_POLICY], POLICY_WRITERS, false),
        Action::ReadDevices => methods(&[READ_POLICY, WRITE_POLICY], POLICY_READERS, false),
        Action::WriteDevices => methods(&[WRITE_POLICY], POLICY_WRITERS, false),
        Action::ReadPolicies => {
            methods(&[READ_POLICY, WRITE_POLICY, "Policy.ReadWrite.SecurityDefaults"], POLICY_READERS, false)
        }
        Action::WriteSecurityDefaults => methods(
            &["Policy.ReadWrite.SecurityDefaults"],
            &[SecurityAdministrator, AuthenticationPolicyAdministrator, GlobalAdministrator],
            false,
        ),
        Action::WriteApplications => directory(&["Application.ReadWrite.All"], &[GlobalAdministrator], false),
        Action::ReadAuditLogs => directory(
            &["AuditLog.Read.All"],
            &[ReportsReader, SecurityReader, SecurityAdministrator, GlobalReader, GlobalAdministrator],
            false,
        ),
    }
}

/// Finds the caller alive: the application enabled and its secret valid, the user enabled and not signed out since.
pub fn identify(tx: &mut Tx<'_>, caller: &Caller) -> Result<Actor> {
    let actor = |powers, display_name, principal_name| Actor {
        tenant: caller.tenant.clone(),
        powers,
        display_name,
        principal_name,
        origin: caller.origin.clone(),
    };
    match &caller.who {
        Who::Operator => Ok(actor(Powers::Operator, "rekey command line".into(), None)),
        Who::Application { id, secret_id, permissions } => {
            let withdrawn = || {
                Error::unauthenticated(
                    "The application or the secret that obtained this token was removed, disabled or has expired.",
                )
            };
            let application =
                applications::find(tx, &caller.tenant, id)?.filter(|found| found.is_enabled).ok_or_else(withdrawn)?;
            let now = tx.now();
            if !application.secrets.iter().any(|secret| secret.id == *secret_id && secret.end_date_time > now) {
                return Err(withdrawn());
            }
            let permissions =
                permissions.iter().filter(|name| application.permissions.contains(name)).cloned().collect();
            Ok(actor(Powers::Application { id: id.clone(), permissions }, application.display_name, None))
        }
        Who::User { id, token_issued_at } => {
            let user = users::find_by_id(tx, &caller.tenant, id, Presence::Present)?
                .filter(|user| user.account_enabled && *token_issued_at >= user.sessions_valid_from)
                .ok_or_else(|| {
                    Error::unauthenticated("The user was removed, disabled or signed out since this token was issued.")
                })?;
            let roles = roles_of(tx, &caller.tenant, id)?;
            Ok(actor(Powers::User { id: id.clone(), roles }, user.display_name, Some(user.user_principal_name)))
        }
    }
}

/// The one gate: every rule passes here before it reads or changes anything. `target` is the user acted on.
pub fn authorize(tx: &mut Tx<'_>, caller: &Caller, action: Action, target: Option<&User>) -> Result<Actor> {
    let actor = identify(tx, caller)?;
    allow(tx, &actor, action, target)?;
    Ok(actor)
}

/// The decision itself, for an actor who was already identified.
pub fn allow(tx: &mut Tx<'_>, actor: &Actor, action: Action, target: Option<&User>) -> Result<()> {
    let rule = rule(action);
    match &actor.powers {
        Powers::Operator => Ok(()),
        Powers::Application { permissions, .. } => {
            if rule.permissions.iter().any(|name| permissions.iter().any(|held| held == name)) {
                return Ok(());
            }
            let message = format!(
                "Application '{}' lacks a permission for this: grant it {} and request a new token.",
                actor.display_name,
                rule.permissions.join(" or ")
            );
            Err(Error::Denied { area: rule.area, inner: "missingPermission", message })
        }
        Powers::User { id, roles } => {
            let is_self = target.is_some_and(|target| target.user_id == *id);
            if is_self
                && !rule.sensitive
                && matches!(action, Action::ReadUsers | Action::ReadMethods | Action::ReadKind(_))
            {
                return Ok(());
            }
            let denied = |inner, message| Err(Error::Denied { area: rule.area, inner, message });
            if !roles.iter().any(|role| rule.roles.contains(role)) {
                let names: Vec<_> = rule.roles.iter().map(|role| role.display_name()).collect();
                return denied("missingRole", format!("One of these roles is needed: {}.", names.join(", ")));
            }
            let (true, Some(target)) = (rule.sensitive, target) else { return Ok(()) };
            if is_self {
                return denied(
                    "notOnYourself",
                    "Administrators cannot do this to themselves; ask another administrator.".into(),
                );
            }
            let target_roles = roles_of(tx, &actor.tenant, &target.user_id)?;
            match target_roles.iter().find(|held| !roles.iter().any(|role| role.may_manage(**held))) {
                None => Ok(()),
                Some(held) => denied(
                    "targetTooPrivileged",
                    format!(
                        "The user holds the role {}; only a Privileged Authentication Administrator or Global Administrator may do this.",
                        held.display_name()
                    ),
                ),
            }
        }
    }
}

fn roles_of(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<Vec<Role>> {
    let assigned = roles::of_user(tx, tenant, user)?;
    Ok(assigned.iter().filter_map(|assignment| Role::parse(&assignment.role_id)).collect())
}
