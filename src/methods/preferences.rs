//! Graph's `signInPreferences`: which second factor a user is asked for first.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Method, MethodKind, manage::OfUser, phone::PhoneType, policy::MethodsPolicy, temporary_access_pass};
use crate::{
    access::{Action, Caller},
    audit::{self, Activity, Entry, Target},
    clock::Timestamp,
    directory,
    error::{Error, Result},
    id::{MethodId, UserId},
    store::{
        Tx,
        users::{self, Requirements, User},
    },
    words,
};

words! {
    /// Graph's `userDefaultAuthenticationMethodType`: what a user can choose as the default.
    pub enum PreferredMethod {
        Push = "push",
        Oath = "oath",
        VoiceMobile = "voiceMobile",
        VoiceAlternateMobile = "voiceAlternateMobile",
        VoiceOffice = "voiceOffice",
        Sms = "sms",
    }
}

impl PreferredMethod {
    /// Graph's `defaultMfaMethodType`, which names methods instead of ways to ask. Any token's code is an app's there.
    pub const fn default_mfa_method(self) -> &'static str {
        match self {
            Self::Push => "microsoftAuthenticatorPush",
            Self::Oath => "softwareOneTimePasscode",
            Self::VoiceMobile | Self::Sms => "mobilePhone",
            Self::VoiceAlternateMobile => "alternateMobilePhone",
            Self::VoiceOffice => "officePhone",
        }
    }

    /// Whether this method can be used that way.
    fn fits(self, method: &Method) -> bool {
        method.is_complete()
            && match method {
                Method::Phone(phone) => match phone.detail.phone_type {
                    PhoneType::Mobile => matches!(self, Self::Sms | Self::VoiceMobile),
                    PhoneType::AlternateMobile => self == Self::VoiceAlternateMobile,
                    PhoneType::Office => self == Self::VoiceOffice,
                },
                Method::MicrosoftAuthenticator(_) => self == Self::Push,
                Method::SoftwareOath(_) | Method::HardwareOath(_) => self == Self::Oath,
                Method::Password(_)
                | Method::Email(_)
                | Method::Fido2(_)
                | Method::TemporaryAccessPass(_)
                | Method::WindowsHelloForBusiness(_)
                | Method::PlatformCredential(_)
                | Method::ExternalAuthenticationMethod(_)
                | Method::QrCodePin(_) => false,
            }
    }

    /// Whether the tenant lets the user be asked that way. A phone can be used in two ways, which are allowed apart;
    /// for the rest it is the method that is allowed or not.
    fn is_allowed(self, policy: &MethodsPolicy, user: &UserId) -> bool {
        match self {
            Self::Sms => policy.sms.allows(user),
            Self::VoiceMobile | Self::VoiceAlternateMobile | Self::VoiceOffice => policy.voice.common.allows(user),
            Self::Push | Self::Oath => true,
        }
    }
}

/// What the system would ask for, strongest first (Microsoft's order of system-preferred authentication, without the
/// external methods, which cannot be asked for here; within telephony SMS first, as it reaches the mobile only). Also what can never be chosen as the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemPreferred {
    TemporaryAccessPass,
    /// A passkey, or the key of a device.
    Fido2,
    Choosable(PreferredMethod),
}

impl SystemPreferred {
    const ORDER: [Self; 8] = [
        Self::TemporaryAccessPass,
        Self::Fido2,
        Self::Choosable(PreferredMethod::Push),
        Self::Choosable(PreferredMethod::Oath),
        Self::Choosable(PreferredMethod::Sms),
        Self::Choosable(PreferredMethod::VoiceMobile),
        Self::Choosable(PreferredMethod::VoiceAlternateMobile),
        Self::Choosable(PreferredMethod::VoiceOffice),
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TemporaryAccessPass => "temporaryAccessPass",
            Self::Fido2 => "fido2",
            Self::Choosable(method) => method.as_str(),
        }
    }

    fn fits(self, method: &Method, now: Timestamp) -> bool {
        match (self, method) {
            (Self::TemporaryAccessPass, Method::TemporaryAccessPass(pass)) => temporary_access_pass::is_live(pass, now),
            (Self::Fido2, _) => method.kind().is_passwordless() && method.is_complete(),
            (Self::Choosable(preferred), _) => preferred.fits(method),
            (Self::TemporaryAccessPass, _) => false,
        }
    }

    fn is_allowed(self, policy: &MethodsPolicy, user: &UserId) -> bool {
        match self {
            Self::Choosable(preferred) => preferred.is_allowed(policy, user),
            Self::TemporaryAccessPass | Self::Fido2 => true,
        }
    }
}

/// The methods of a user that the tenant allows at present.
struct Allowed<'a> {
    policy: Cow<'a, MethodsPolicy>,
    user: UserId,
    methods: Vec<Method>,
}

impl<'a> Allowed<'a> {
    fn of(tx: &mut Tx<'_>, user: &User) -> Result<Self> {
        let policy = MethodsPolicy::of(tx, &user.tenant_id)?;
        Ok(Self::by(Cow::Owned(policy), &user.user_id, super::of_user(tx, user)?))
    }

    fn by(policy: Cow<'a, MethodsPolicy>, user: &UserId, mut methods: Vec<Method>) -> Self {
        methods.retain(|method| policy.allows(user, method));
        Self { policy, user: user.clone(), methods }
    }

    fn preferences(&self, requirements: &Requirements, now: Timestamp) -> Preferences {
        Preferences {
            is_system_preferred_enabled: self.system_chooses(requirements),
            user_preferred: self.chosen(requirements),
            system_preferred: self.strongest(now),
        }
    }

    /// The strongest that the user has.
    fn strongest(&self, now: Timestamp) -> Option<SystemPreferred> {
        let has = |candidate: &SystemPreferred| self.methods.iter().any(|method| candidate.fits(method, now));
        let mut candidates = SystemPreferred::ORDER.into_iter();
        candidates.find(|candidate| candidate.is_allowed(&self.policy, &self.user) && has(candidate))
    }

    /// What the user chose, if the method it needs is still there.
    fn chosen(&self, requirements: &Requirements) -> Option<PreferredMethod> {
        chosen(requirements.preferred_method.as_deref(), &self.methods)
            .filter(|preferred| preferred.is_allowed(&self.policy, &self.user))
    }

    /// Whether the strongest method is asked for, whatever the user chose.
    fn system_chooses(&self, requirements: &Requirements) -> bool {
        requirements.system_preferred_enabled && self.policy.system_credential_preferences.applies_to(&self.user)
    }
}

/// Graph's `signInPreferences`.
#[derive(Debug, Clone)]
pub struct Preferences {
    /// True when both the tenant and the user let the system choose.
    pub is_system_preferred_enabled: bool,
    pub user_preferred: Option<PreferredMethod>,
    pub system_preferred: Option<SystemPreferred>,
}

/// What to change; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct PreferencesChange {
    pub is_system_preferred_enabled: Option<bool>,
    /// `Some(None)`: no default any more.
    pub user_preferred: Option<Option<PreferredMethod>>,
}

/// What a user chose, if the method it needs is still there.
fn chosen(preferred: Option<&str>, methods: &[Method]) -> Option<PreferredMethod> {
    preferred.and_then(PreferredMethod::parse).filter(|preferred| methods.iter().any(|method| preferred.fits(method)))
}

pub fn get(tx: &mut Tx<'_>, caller: &Caller, user: &str) -> Result<OfUser<Preferences>> {
    let (_, user) = directory::authorize_on_user(tx, caller, Action::ReadPreferences, user)?;
    let preferences = of(tx, &user)?;
    Ok(OfUser::new(tx, user, preferences))
}

/// The same for rules that have authorized the caller.
pub fn of(tx: &mut Tx<'_>, user: &User) -> Result<Preferences> {
    let requirements = users::requirements(tx, &user.tenant_id, &user.user_id)?;
    Ok(Allowed::of(tx, user)?.preferences(&requirements, tx.now()))
}

/// The same of a user whose methods (all of them) and requirements are known.
pub fn judge(
    policy: &MethodsPolicy,
    user: &UserId,
    methods: Vec<Method>,
    requirements: &Requirements,
    now: Timestamp,
) -> Preferences {
    Allowed::by(Cow::Borrowed(policy), user, methods).preferences(requirements, now)
}

/// Changes the default method, to one that the user has.
pub fn update(tx: &mut Tx<'_>, caller: &Caller, user: &str, change: &PreferencesChange) -> Result<()> {
    let (actor, user) = directory::authorize_on_user(tx, caller, Action::WritePreferences, user)?;
    let allowed = Allowed::of(tx, &user)?;
    let before = users::requirements(tx, &user.tenant_id, &user.user_id)?;
    let mut after = before.clone();
    let PreferencesChange { is_system_preferred_enabled, user_preferred } = change;
    if let Some(enabled) = is_system_preferred_enabled {
        after.system_preferred_enabled = *enabled;
    }
    if let Some(preferred) = user_preferred {
        let is_there = |preferred: &PreferredMethod| {
            preferred.is_allowed(&allowed.policy, &user.user_id)
                && allowed.methods.iter().any(|method| preferred.fits(method))
        };
        if let Some(preferred) = preferred.filter(|preferred| !is_there(preferred)) {
            let message = format!(
                "The user has no method that can be used as {preferred}, or the tenant's policy does not allow it; \
                 register one first."
            );
            return Err(Error::invalid("userPreferredMethodForSecondaryAuthentication", message));
        }
        after.preferred_method = preferred.map(|preferred| preferred.as_str().to_owned());
    }
    if after == before {
        return Ok(());
    }
    users::set_requirements(tx, &user.tenant_id, &user.user_id, &after)?;
    let entry = Entry::success(Activity::CHANGE_DEFAULT_METHOD, Target::user(&user))
        .because("Admin changed the default security info for user")
        .modified("DefaultMethod", before.preferred_method, after.preferred_method)
        .modified(
            "SystemPreferredAuthenticationMethodEnabled",
            before.system_preferred_enabled,
            after.system_preferred_enabled,
        );
    audit::record(tx, &actor, entry).map(drop)
}

/// Methods to choose from at a sign-in, the one to be asked for first in front: the system's choice while the user lets
/// the system choose, else the user's.
pub fn in_order(tx: &mut Tx<'_>, user: &User, methods: Vec<Method>) -> Result<Vec<UsableMethod>> {
    let requirements = users::requirements(tx, &user.tenant_id, &user.user_id)?;
    let policy = MethodsPolicy::of(tx, &user.tenant_id)?;
    let allowed = Allowed { policy: Cow::Owned(policy), user: user.user_id.clone(), methods };
    let chosen = allowed.chosen(&requirements).map(SystemPreferred::Choosable);
    let system = allowed.strongest(tx.now());
    let first = if allowed.system_chooses(&requirements) { system.or(chosen) } else { chosen.or(system) };
    let place = |method: &Method| {
        let fits = |candidate: &SystemPreferred| candidate.fits(method, tx.now());
        SystemPreferred::ORDER.iter().position(fits).unwrap_or(SystemPreferred::ORDER.len())
    };
    let is_first = |method: &Method| first.is_some_and(|first| first.fits(method, tx.now()));
    let mut ordered: Vec<_> = allowed.methods.iter().map(|method| (!is_first(method), place(method), method)).collect();
    ordered.sort_by_key(|(other, place, _)| (*other, *place));
    let usable = |(at, (other, _, method)): (usize, &(bool, usize, &Method))| UsableMethod {
        id: method.id(),
        kind: method.kind(),
        display_name: method.label(),
        is_default: at == 0 && !other,
    };
    Ok(ordered.iter().enumerate().map(usable).collect())
}

/// A method that may prove the user next.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsableMethod {
    pub id: MethodId,
    pub kind: MethodKind,
    /// Masked; what the user recognizes the method by.
    pub display_name: String,
    pub is_default: bool,
}

/// Whether the user chose calls to the mobile.
pub fn prefers_calls(tx: &mut Tx<'_>, user: &User) -> Result<bool> {
    let requirements = users::requirements(tx, &user.tenant_id, &user.user_id)?;
    Ok(requirements.preferred_method.as_deref() == Some(PreferredMethod::VoiceMobile.as_str()))
}

/// Forgets the default when the method it needs is gone; says which one it was. Every rule that takes a method away
/// calls this.
pub fn forget_unfit(tx: &mut Tx<'_>, user: &User) -> Result<Option<String>> {
    let mut requirements = users::requirements(tx, &user.tenant_id, &user.user_id)?;
    if requirements.preferred_method.is_none()
        || chosen(requirements.preferred_method.as_deref(), &super::of_user(tx, user)?).is_some()
    {
        return Ok(None);
    }
    let forgotten = requirements.preferred_method.take();
    users::set_requirements(tx, &user.tenant_id, &user.user_id, &requirements)?;
    Ok(forgotten)
}
