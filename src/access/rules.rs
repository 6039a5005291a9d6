//! The decision table: what each action takes, of an application and of a user.

use std::borrow::Cow;

use crate::{error::Area, methods::MethodKind, roles::Role};

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
    /// Adding a method and proving it.
    RegisterKind(MethodKind),
    /// Changing or removing one.
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
    ReadApplications,
    /// Changing applications; `applications::authority` says which.
    WriteApplications,
    /// Which outside issuers the tenant trusts.
    ReadTrustedIssuers,
    WriteTrustedIssuers,
    /// Running a user's sign-in: only for applications.
    RunSignIn,
    /// Vouching that the first factor was checked elsewhere.
    AssertFirstFactor,
    WriteAuthenticationPolicy,
    /// Replacing the own password; the present one is proven with it.
    ChangeOwnPassword,
    ResetPassword,
    /// Lifting the limits on guessing.
    Unlock,
    /// Which partners administer which customers.
    ReadRelationships,
    /// Proposing, approving and ending that.
    WriteRelationships,
}

/// What one action takes: any of the permissions of an application, or any of the roles of a user.
pub(super) struct Rule {
    pub(super) permissions: Vec<Cow<'static, str>>,
    pub(super) roles: &'static [Role],
    pub(super) area: Area,
    /// Sensitive: a user caller must outrank the target (contract of Graph's roles), and cannot act on himself.
    pub(super) sensitive: bool,
    /// Only for the tenant's own people and applications, never for a partner who acts in it.
    pub(super) own_tenant_only: bool,
}

const METHOD_READERS: &[Role] = &[
    Role::GlobalReader,
    Role::AuthenticationAdministrator,
    Role::PrivilegedAuthenticationAdministrator,
    Role::GlobalAdministrator,
];
const METHOD_WRITERS: &[Role] =
    &[Role::AuthenticationAdministrator, Role::PrivilegedAuthenticationAdministrator, Role::GlobalAdministrator];
const PASSWORD_RESETTERS: &[Role] = &[
    Role::PasswordAdministrator,
    Role::HelpdeskAdministrator,
    Role::UserAdministrator,
    Role::AuthenticationAdministrator,
    Role::PrivilegedAuthenticationAdministrator,
    Role::GlobalAdministrator,
];
const POLICY_READERS: &[Role] =
    &[Role::GlobalReader, Role::AuthenticationPolicyAdministrator, Role::GlobalAdministrator];
const POLICY_WRITERS: &[Role] = &[Role::AuthenticationPolicyAdministrator, Role::GlobalAdministrator];

const READ_METHODS: &str = "UserAuthenticationMethod.Read.All";
const WRITE_METHODS: &str = "UserAuthenticationMethod.ReadWrite.All";
const RESET_MFA: &str = "MfaReset.ReadWrite.All";
const READ_POLICY: &str = "Policy.Read.All";
const WRITE_POLICY: &str = "Policy.ReadWrite.AuthenticationMethod";
const READ_APPLICATIONS: &str = "Application.Read.All";
const WRITE_APPLICATIONS: &str = "Application.ReadWrite.All";
const READ_ISSUERS: &str = "IdentityProvider.Read.All";
const WRITE_ISSUERS: &str = "IdentityProvider.ReadWrite.All";
const READ_RELATIONSHIPS: &str = "DelegatedAdminRelationship.Read.All";
const WRITE_RELATIONSHIPS: &str = "DelegatedAdminRelationship.ReadWrite.All";

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
    READ_APPLICATIONS,
    WRITE_APPLICATIONS,
    READ_ISSUERS,
    WRITE_ISSUERS,
    READ_RELATIONSHIPS,
    WRITE_RELATIONSHIPS,
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
pub(super) fn rule(action: Action) -> Rule {
    use Role::*;
    let directory = |permissions: &[&'static str], roles, sensitive| Rule {
        permissions: permissions.iter().map(|name| Cow::Borrowed(*name)).collect(),
        roles,
        area: Area::Directory,
        sensitive,
        own_tenant_only: false,
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
        Action::RegisterKind(kind) | Action::WriteKind(kind) => Rule {
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
        Action::ReadApplications => {
            directory(&[READ_APPLICATIONS, WRITE_APPLICATIONS], &[GlobalReader, GlobalAdministrator], false)
        }
        // Applications and trusted issuers outlive a relationship: a partner must not leave one behind.
        Action::WriteApplications => {
            Rule { own_tenant_only: true, ..directory(&[WRITE_APPLICATIONS], &[GlobalAdministrator], false) }
        }
        Action::ReadTrustedIssuers => {
            directory(&[READ_ISSUERS, WRITE_ISSUERS], &[GlobalReader, GlobalAdministrator], false)
        }
        Action::WriteTrustedIssuers => {
            Rule { own_tenant_only: true, ..directory(&[WRITE_ISSUERS], &[GlobalAdministrator], false) }
        }
        Action::RunSignIn => directory(&["SignIn.Verify.All"], &[], false),
        Action::AssertFirstFactor => directory(&["SignIn.Assert.All"], &[], false),
        Action::WriteAuthenticationPolicy => methods(&[WRITE_POLICY], POLICY_WRITERS, false),
        // No permission and no administrator's role: only the user, see `own::may_on_own`.
        Action::ChangeOwnPassword => methods(&[], &[], true),
        Action::ResetPassword => Rule {
            permissions: vec![kind_permission(MethodKind::Password, "ReadWrite"), WRITE_METHODS.into()],
            ..methods(&[], PASSWORD_RESETTERS, true)
        },
        // A partner must not widen or keep its own powers.
        Action::ReadRelationships => Rule {
            own_tenant_only: true,
            ..methods(&[READ_RELATIONSHIPS, WRITE_RELATIONSHIPS], &[GlobalReader, GlobalAdministrator], false)
        },
        Action::WriteRelationships => {
            Rule { own_tenant_only: true, ..methods(&[WRITE_RELATIONSHIPS], &[GlobalAdministrator], false) }
        }
        Action::Unlock => methods(&[RESET_MFA, WRITE_METHODS], METHOD_WRITERS, true),
        Action::ReadAuditLogs => directory(
            &["AuditLog.Read.All"],
            &[ReportsReader, SecurityReader, SecurityAdministrator, GlobalReader, GlobalAdministrator],
            false,
        ),
    }
}
