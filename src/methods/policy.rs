//! Graph's `authenticationMethodsPolicy`: which kinds of methods a tenant's users may register and use.
//!
//! Read in the transaction that asks, so a change takes effect on the next call, on every replica. A kind that is
//! disabled can neither be registered nor used; what is registered already stays, and works again when it is enabled.

mod configuration;

use serde::{Deserialize, Serialize};

pub use configuration::{
    ALL_USERS, AdvancedState, AuthenticationMode, Configuration, EmailConfiguration, EnforcementType,
    ExternalConfiguration, Fido2Configuration, KeyRestrictions, OpenIdConnect, PassConfiguration,
    QrCodePinConfiguration, RegistrationCampaign, State, SystemPreference, Target, TargetType, VoiceConfiguration,
};

use super::{Method, MethodKind, phone::PhoneType};
use crate::{
    clock::Timestamp,
    error::{Area, Error, Result},
    id::{TenantId, UserId},
    store::{Tx, policies, users::User},
    words,
};

words! {
    /// The configurations, by Graph's ids. Ids are compared without regard to case.
    pub enum ConfigurationId {
        Fido2 = "Fido2",
        MicrosoftAuthenticator = "MicrosoftAuthenticator",
        Sms = "Sms",
        Voice = "Voice",
        Email = "Email",
        SoftwareOath = "SoftwareOath",
        HardwareOath = "HardwareOath",
        TemporaryAccessPass = "TemporaryAccessPass",
        QrCodePin = "QRCodePin",
    }
}

impl ConfigurationId {
    /// In any case, as Graph's clients write them.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.as_str().eq_ignore_ascii_case(text))
    }
}

/// The whole policy. What a stored document does not say is as by default, so that an older one stays readable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MethodsPolicy {
    pub fido2: Fido2Configuration,
    pub microsoft_authenticator: Configuration,
    pub sms: Configuration,
    pub voice: VoiceConfiguration,
    pub email: EmailConfiguration,
    pub software_oath: Configuration,
    pub hardware_oath: Configuration,
    pub temporary_access_pass: PassConfiguration,
    pub qr_code_pin: QrCodePinConfiguration,
    /// Providers outside, in the order in which they were added.
    pub external: Vec<ExternalConfiguration>,
    pub system_credential_preferences: SystemPreference,
    pub registration_campaign: RegistrationCampaign,
    /// When it was changed; `None` while it is the default.
    #[serde(skip)]
    pub modified_at: Option<Timestamp>,
}

impl MethodsPolicy {
    pub fn of(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Self> {
        let Some((document, modified_at)) = policies::find(tx, tenant)? else { return Ok(Self::default()) };
        let policy: Self = serde_json::from_str(&document).map_err(Error::internal)?;
        Ok(Self { modified_at: Some(modified_at), ..policy })
    }

    pub fn save(&self, tx: &mut Tx<'_>, tenant: &TenantId) -> Result<()> {
        policies::set(tx, tenant, &serde_json::to_string(self).map_err(Error::internal)?)
    }

    pub fn configuration(&self, id: ConfigurationId) -> &Configuration {
        match id {
            ConfigurationId::Fido2 => &self.fido2.common,
            ConfigurationId::MicrosoftAuthenticator => &self.microsoft_authenticator,
            ConfigurationId::Sms => &self.sms,
            ConfigurationId::Voice => &self.voice.common,
            ConfigurationId::Email => &self.email.common,
            ConfigurationId::SoftwareOath => &self.software_oath,
            ConfigurationId::HardwareOath => &self.hardware_oath,
            ConfigurationId::TemporaryAccessPass => &self.temporary_access_pass.common,
            ConfigurationId::QrCodePin => &self.qr_code_pin.common,
        }
    }

    pub fn configuration_mut(&mut self, id: ConfigurationId) -> &mut Configuration {
        match id {
            ConfigurationId::Fido2 => &mut self.fido2.common,
            ConfigurationId::MicrosoftAuthenticator => &mut self.microsoft_authenticator,
            ConfigurationId::Sms => &mut self.sms,
            ConfigurationId::Voice => &mut self.voice.common,
            ConfigurationId::Email => &mut self.email.common,
            ConfigurationId::SoftwareOath => &mut self.software_oath,
            ConfigurationId::HardwareOath => &mut self.hardware_oath,
            ConfigurationId::TemporaryAccessPass => &mut self.temporary_access_pass.common,
            ConfigurationId::QrCodePin => &mut self.qr_code_pin.common,
        }
    }

    /// One configuration as it was in the beginning.
    pub fn restore(&mut self, id: ConfigurationId) {
        let default = Self::default();
        match id {
            ConfigurationId::Fido2 => self.fido2 = default.fido2,
            ConfigurationId::Voice => self.voice = default.voice,
            ConfigurationId::Email => self.email = default.email,
            ConfigurationId::TemporaryAccessPass => self.temporary_access_pass = default.temporary_access_pass,
            ConfigurationId::QrCodePin => self.qr_code_pin = default.qr_code_pin,
            ConfigurationId::MicrosoftAuthenticator
            | ConfigurationId::Sms
            | ConfigurationId::SoftwareOath
            | ConfigurationId::HardwareOath => *self.configuration_mut(id) = Configuration::default(),
        }
    }

    /// The configurations of which one must allow a kind; none for a kind that is not subject to the policy.
    pub const fn governing(kind: MethodKind, phone: Option<PhoneType>) -> &'static [ConfigurationId] {
        match (kind, phone) {
            // As at Graph, the policy does not speak of what a device brings along.
            (MethodKind::Password | MethodKind::WindowsHelloForBusiness | MethodKind::PlatformCredential, _) => &[],
            // Each has a configuration of its own.
            (MethodKind::ExternalAuthenticationMethod, _) => &[],
            (MethodKind::Phone, Some(PhoneType::AlternateMobile | PhoneType::Office)) => &[ConfigurationId::Voice],
            (MethodKind::Phone, Some(PhoneType::Mobile) | None) => &[ConfigurationId::Sms, ConfigurationId::Voice],
            (MethodKind::Email, _) => &[ConfigurationId::Email],
            (MethodKind::MicrosoftAuthenticator, _) => &[ConfigurationId::MicrosoftAuthenticator],
            (MethodKind::SoftwareOath, _) => &[ConfigurationId::SoftwareOath],
            (MethodKind::HardwareOath, _) => &[ConfigurationId::HardwareOath],
            (MethodKind::Fido2, _) => &[ConfigurationId::Fido2],
            (MethodKind::TemporaryAccessPass, _) => &[ConfigurationId::TemporaryAccessPass],
            (MethodKind::QrCodePin, _) => &[ConfigurationId::QrCodePin],
        }
    }

    /// Whether the user may register this kind and use it.
    pub fn allows_kind(&self, user: &UserId, kind: MethodKind, phone: Option<PhoneType>) -> bool {
        if kind == MethodKind::ExternalAuthenticationMethod {
            return self.external.iter().any(|configuration| configuration.common.allows(user));
        }
        if phone == Some(PhoneType::Office) && !self.voice.is_office_phone_allowed {
            return false;
        }
        let governing = Self::governing(kind, phone);
        governing.is_empty() || governing.iter().any(|id| self.configuration(*id).allows(user))
    }

    /// The provider with this id, a GUID in any case.
    pub fn provider(&self, id: &str) -> Option<&ExternalConfiguration> {
        self.external.iter().find(|configuration| configuration.id.eq_ignore_ascii_case(id))
    }

    /// Whether the user may sign in by SMS with the number of the mobile.
    pub fn allows_sms_sign_in(&self, user: &UserId) -> bool {
        let usable = |target: &Target| target.names(user) && target.is_usable_for_sign_in;
        self.sms.allows(user) && self.sms.include_targets.iter().any(usable)
    }

    /// Whether the user may use this method.
    pub fn allows(&self, user: &UserId, method: &Method) -> bool {
        match method {
            Method::Phone(phone) => self.allows_kind(user, MethodKind::Phone, Some(phone.detail.phone_type)),
            Method::Fido2(passkey) => {
                self.fido2.common.allows(user) && self.fido2.key_restrictions.allow(passkey.detail.aa_guid.as_deref())
            }
            Method::ExternalAuthenticationMethod(external) => self
                .provider(&external.detail.configuration_id)
                .is_some_and(|configuration| configuration.common.allows(user)),
            Method::Password(_)
            | Method::Email(_)
            | Method::MicrosoftAuthenticator(_)
            | Method::SoftwareOath(_)
            | Method::HardwareOath(_)
            | Method::TemporaryAccessPass(_)
            | Method::WindowsHelloForBusiness(_)
            | Method::PlatformCredential(_)
            | Method::QrCodePin(_) => self.allows_kind(user, method.kind(), None),
        }
    }
}

/// Refuses to register a kind that the tenant does not allow this user. Every rule that adds a method asks.
pub fn check_registration(
    tx: &mut Tx<'_>,
    user: &User,
    kind: MethodKind,
    phone: Option<PhoneType>,
) -> Result<MethodsPolicy> {
    let policy = MethodsPolicy::of(tx, &user.tenant_id)?;
    if policy.allows_kind(&user.user_id, kind, phone) {
        return Ok(policy);
    }
    let names: Vec<_> = MethodsPolicy::governing(kind, phone).iter().map(|id| id.as_str()).collect();
    let message = format!(
        "The tenant's authentication methods policy does not allow creating or updating this method for this user: \
         enable the configuration {} for the user.",
        names.join(" or ")
    );
    Err(Error::Invalid { area: Area::Methods, target: None, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_document_is_readable() {
        let policy: MethodsPolicy = serde_json::from_str(r#"{"sms":{"state":"disabled"}}"#).unwrap();
        let mut expected = MethodsPolicy::default();
        expected.sms.state = State::Disabled;
        assert_eq!(policy, expected);
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<MethodsPolicy>(&text).unwrap(), policy);
    }
}
