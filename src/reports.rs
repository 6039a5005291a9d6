//! Who has registered what: Graph's `userRegistrationDetails`, computed from the methods and the policy of this moment.

use crate::{
    access::{Action, Caller},
    clock::Timestamp,
    directory,
    error::Result,
    methods::{
        self, Method, MethodKind,
        phone::PhoneType,
        policy::MethodsPolicy,
        preferences::{self, Preferences},
    },
    store::{Tx, roles, users::User},
};

/// Graph's `userRegistrationDetails` of one user.
#[derive(Debug, Clone)]
pub struct RegistrationDetails {
    pub user: User,
    pub is_admin: bool,
    /// The user has a second factor, allowed at present or not.
    pub is_mfa_registered: bool,
    /// The user has a second factor that the tenant allows.
    pub is_mfa_capable: bool,
    /// One of them is a passkey, which needs no password beside it.
    pub is_passwordless_capable: bool,
    pub methods_registered: Vec<&'static str>,
    pub preferences: Preferences,
    pub read_at: Timestamp,
}

pub fn registration_details(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<RegistrationDetails> {
    let (_, user) = directory::authorize_on_user(tx, caller, Action::ReadAuditLogs, user)?;
    let policy = MethodsPolicy::of(tx, &user.tenant_id)?;
    let mut complete = methods::of_user(tx, &user)?;
    complete.retain(Method::is_complete);
    let strong = |method: &&Method| counts(method.kind());
    let capable = || complete.iter().filter(strong).filter(|method| policy.allows(&user.user_id, method));
    let mut methods_registered: Vec<_> = complete.iter().filter_map(name).collect();
    methods_registered.sort_unstable();
    methods_registered.dedup();
    Ok(RegistrationDetails {
        is_admin: !roles::of_user(tx, &user.tenant_id, &user.user_id)?.is_empty(),
        is_mfa_registered: complete.iter().any(|method| strong(&method)),
        is_mfa_capable: capable().next().is_some(),
        is_passwordless_capable: capable().any(|method| method.kind().is_passwordless()),
        methods_registered,
        preferences: preferences::of(tx, &user)?,
        read_at: tx.now(),
        user,
    })
}

/// Whether somebody who has such a method is registered for MFA. A pass is no registration: it ends.
pub fn counts(kind: MethodKind) -> bool {
    kind.counts_as_mfa() && kind != MethodKind::TemporaryAccessPass
}

/// What Graph's report calls a method; it leaves the password out.
fn name(method: &Method) -> Option<&'static str> {
    Some(match method {
        Method::Password(_) => return None,
        Method::Phone(phone) => match phone.detail.phone_type {
            PhoneType::Mobile => "mobilePhone",
            PhoneType::AlternateMobile => "alternateMobilePhone",
            PhoneType::Office => "officePhone",
        },
        Method::Email(_) => "email",
        Method::MicrosoftAuthenticator(_) => "microsoftAuthenticatorPush",
        Method::SoftwareOath(_) => "softwareOneTimePasscode",
        Method::HardwareOath(_) => "hardwareOneTimePasscode",
        Method::Fido2(passkey) if passkey.detail.passkey_type == "synced" => "passKeySynced",
        Method::Fido2(_) => "passKeyDeviceBound",
        Method::TemporaryAccessPass(_) => "temporaryAccessPass",
        Method::WindowsHelloForBusiness(_) => "windowsHelloForBusiness",
        Method::PlatformCredential(_) => "platformCredential",
        Method::ExternalAuthenticationMethod(_) => "externalAuthMethod",
    })
}
