//! Registration classes: what the reports count users by, as a text.
//!
//! `member/enabled/none/system/email,fido2.deviceBound.{aaGuid},phone.mobile` is an ordinary user's, in the order of the
//! fields of [`Class`]. Everything in it stands in the user's rows; what the policy makes of it is asked when somebody
//! asks. So a class holds whatever the policy judges a method by.

use crate::{
    error::{Error, Result},
    id::UserId,
    methods::{
        Method, MethodKind,
        fido2::{Fido2, SYNCED},
        phone::{Phone, PhoneType},
        policy::MethodsPolicy,
    },
    roles::Role,
    store::{registrations::Facts, users::UserType},
    words,
};

use super::counts;

/// A method as the reports and the policy tell it from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registered {
    kind: MethodKind,
    /// Of a phone.
    phone: Option<PhoneType>,
    /// Of a passkey.
    passkey: Option<Passkey>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Passkey {
    is_synced: bool,
    /// The model, which the policy may restrict.
    aa_guid: Option<String>,
}

impl Passkey {
    fn of(detail: &Fido2) -> Self {
        Self { is_synced: detail.passkey_type == SYNCED, aa_guid: detail.aa_guid.clone() }
    }
}

impl Registered {
    fn plain(kind: MethodKind) -> Self {
        Self { kind, phone: None, passkey: None }
    }

    pub fn of(method: &Method) -> Self {
        let plain = Self::plain(method.kind());
        match method {
            Method::Phone(phone) => Self { phone: Some(phone.detail.phone_type), ..plain },
            Method::Fido2(passkey) => Self { passkey: Some(Passkey::of(&passkey.detail)), ..plain },
            _ => plain,
        }
    }

    /// The same from a method's row. `None` for a row that cannot be read: it counts as nothing, rather than keep
    /// its user from being changed.
    fn of_row(kind: &str, detail: &str) -> Option<Self> {
        let kind = MethodKind::parse(kind)?;
        let plain = Self::plain(kind);
        Some(match kind {
            MethodKind::Phone => {
                let phone: Phone = serde_json::from_str(detail).ok()?;
                Self { phone: Some(phone.phone_type), ..plain }
            }
            MethodKind::Fido2 => {
                let passkey: Fido2 = serde_json::from_str(detail).ok()?;
                Self { passkey: Some(Passkey::of(&passkey)), ..plain }
            }
            _ => plain,
        })
    }

    /// What Graph's reports call it.
    pub fn name(&self) -> &'static str {
        match self.kind {
            MethodKind::Password => "password",
            MethodKind::Phone => match self.phone {
                Some(PhoneType::Mobile) | None => "mobilePhone",
                Some(PhoneType::AlternateMobile) => "alternateMobilePhone",
                Some(PhoneType::Office) => "officePhone",
            },
            MethodKind::Email => "email",
            MethodKind::MicrosoftAuthenticator => "microsoftAuthenticatorPush",
            MethodKind::SoftwareOath => "softwareOneTimePasscode",
            MethodKind::HardwareOath => "hardwareOneTimePasscode",
            MethodKind::Fido2 if self.passkey.as_ref().is_some_and(|passkey| passkey.is_synced) => "passKeySynced",
            MethodKind::Fido2 => "passKeyDeviceBound",
            MethodKind::TemporaryAccessPass => "temporaryAccessPass",
            MethodKind::WindowsHelloForBusiness => "windowsHelloForBusiness",
            MethodKind::PlatformCredential => "platformCredential",
            MethodKind::ExternalAuthenticationMethod => "externalAuthMethod",
            MethodKind::QrCodePin => "qrCodePin",
        }
    }

    /// All that the reports tell apart, so that a report names also what nobody has.
    pub fn every() -> Vec<Self> {
        let variants = |kind: MethodKind| {
            let plain = Self::plain(kind);
            let phone = |phone: &PhoneType| Self { phone: Some(*phone), ..plain.clone() };
            let passkey = |is_synced| Self { passkey: Some(Passkey { is_synced, aa_guid: None }), ..plain.clone() };
            match kind {
                MethodKind::Phone => PhoneType::ALL.iter().map(phone).collect(),
                MethodKind::Fido2 => vec![passkey(false), passkey(true)],
                _ => vec![plain],
            }
        };
        MethodKind::ALL.iter().flat_map(|kind| variants(*kind)).collect()
    }

    /// Whether this user may use it: what [`MethodsPolicy::allows`] says of the method itself.
    fn is_allowed(&self, policy: &MethodsPolicy, user: &UserId) -> bool {
        let model = self.passkey.as_ref().map(|passkey| passkey.aa_guid.as_deref());
        policy.allows_kind(user, self.kind, self.phone)
            && model.is_none_or(|model| policy.fido2.key_restrictions.allow(model))
    }

    fn to_text(&self) -> String {
        match (&self.phone, &self.passkey) {
            (Some(phone), _) => format!("{}.{phone}", self.kind),
            (None, Some(Passkey { is_synced, aa_guid })) => {
                let passkey_type = if *is_synced { SYNCED } else { crate::methods::fido2::DEVICE_BOUND };
                format!("{}.{passkey_type}.{}", self.kind, aa_guid.as_deref().unwrap_or_default())
            }
            (None, None) => self.kind.to_string(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, variant) = text.split_once('.').unwrap_or((text, ""));
        let plain = Self::plain(MethodKind::parse(kind)?);
        Some(match plain.kind {
            MethodKind::Phone => Self { phone: Some(PhoneType::parse(variant)?), ..plain },
            MethodKind::Fido2 => {
                let (passkey_type, aa_guid) = variant.split_once('.')?;
                let aa_guid = Some(aa_guid.to_owned()).filter(|aa_guid| !aa_guid.is_empty());
                Self { passkey: Some(Passkey { is_synced: passkey_type == SYNCED, aa_guid }), ..plain }
            }
            _ => plain,
        })
    }
}

words! {
    /// What a user's directory roles count as.
    pub enum RoleClass {
        None = "none",
        Admin = "admin",
        /// Holds one of the roles that Graph's reports call privileged.
        PrivilegedAdmin = "privilegedAdmin",
    }
}

impl RoleClass {
    /// Of Graph's nine roles those that Rekey has; the others are Conditional Access, Exchange, SharePoint and Billing
    /// Administrator.
    const PRIVILEGED: [Role; 5] = [
        Role::GlobalAdministrator,
        Role::SecurityAdministrator,
        Role::HelpdeskAdministrator,
        Role::UserAdministrator,
        Role::AuthenticationAdministrator,
    ];

    fn of(roles: &[String]) -> Self {
        let is_privileged = |role: &String| Self::PRIVILEGED.iter().any(|privileged| privileged.as_str() == role);
        match roles {
            [] => Self::None,
            roles if roles.iter().any(is_privileged) => Self::PrivilegedAdmin,
            _ => Self::Admin,
        }
    }
}

/// What the reports count a user by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    pub is_guest: bool,
    pub is_enabled: bool,
    pub role: RoleClass,
    /// The user lets the system choose the second factor.
    lets_system_choose: bool,
    /// In order, each once.
    methods: Vec<Registered>,
}

/// What the policy makes of a class, or of one user of it whom the policy names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub is_mfa_registered: bool,
    pub is_mfa_capable: bool,
    pub is_passwordless_capable: bool,
    pub is_system_preferred_enabled: bool,
}

/// The class of a user with these rows.
pub fn classify(facts: &Facts) -> String {
    let mut methods: Vec<_> =
        facts.methods.iter().filter_map(|(kind, detail)| Registered::of_row(kind, detail)).collect();
    methods.extend(facts.has_activated_device.then(|| Registered::plain(MethodKind::HardwareOath)));
    methods.sort_unstable();
    methods.dedup();
    let class = Class {
        is_guest: facts.user_type == UserType::Guest,
        is_enabled: facts.account_enabled,
        role: RoleClass::of(&facts.roles),
        lets_system_choose: facts.system_preferred_enabled,
        methods,
    };
    class.to_text()
}

impl Class {
    fn to_text(&self) -> String {
        let methods: Vec<_> = self.methods.iter().map(Registered::to_text).collect();
        [
            if self.is_guest { "guest" } else { "member" },
            if self.is_enabled { "enabled" } else { "blocked" },
            self.role.as_str(),
            if self.lets_system_choose { "system" } else { "own" },
            &methods.join(","),
        ]
        .join("/")
    }

    /// Reads a text that [`classify`] made.
    pub fn read(text: &str) -> Result<Self> {
        Self::parse(text).ok_or_else(|| Error::internal(format!("{text} is no registration class")))
    }

    fn parse(text: &str) -> Option<Self> {
        let [user_type, state, role, choice, methods] = text.split('/').collect::<Vec<_>>().try_into().ok()?;
        let methods = methods.split(',').filter(|method| !method.is_empty()).map(Registered::parse);
        Some(Self {
            is_guest: user_type == "guest",
            is_enabled: state == "enabled",
            role: RoleClass::parse(role)?,
            lets_system_choose: choice == "system",
            methods: methods.collect::<Option<_>>()?,
        })
    }

    /// What the reports call the methods of such a user; a name may be there twice.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.methods.iter().map(Registered::name)
    }

    /// Whether such a user has a second factor, allowed or not.
    pub fn is_mfa_registered(&self) -> bool {
        self.methods.iter().any(|method| counts(method.kind))
    }

    /// How `user`, who is of this class, stands.
    pub fn standing(&self, policy: &MethodsPolicy, user: &UserId) -> Standing {
        let capable = || self.methods.iter().filter(|method| counts(method.kind) && method.is_allowed(policy, user));
        Standing {
            is_mfa_registered: self.is_mfa_registered(),
            is_mfa_capable: capable().next().is_some(),
            is_passwordless_capable: capable().any(|method| method.kind.is_passwordless()),
            is_system_preferred_enabled: self.lets_system_choose
                && policy.system_credential_preferences.applies_to(user),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let phone = |phone_type: &str| {
            let detail = format!(r#"{{"phoneNumber": "+1 5555550100", "phoneType": "{phone_type}"}}"#);
            ("phone".to_owned(), detail)
        };
        let passkey = |passkey_type: &str, aa_guid: &str| {
            let detail = format!(
                r#"{{"displayName": "key", "aaGuid": {aa_guid}, "model": null, "attestationLevel": "notAttested", "passkeyType": "{passkey_type}"}}"#
            );
            ("fido2".to_owned(), detail)
        };
        Facts {
            user_type: UserType::Member,
            account_enabled: true,
            system_preferred_enabled: false,
            roles: vec![Role::GlobalReader.as_str().into(), Role::HelpdeskAdministrator.as_str().into()],
            methods: vec![
                phone("office"),
                passkey("synced", "null"),
                passkey("deviceBound", r#""ee88""#),
                phone("mobile"),
                ("phone".into(), "damaged".into()),
                ("password".into(), "{}".into()),
                passkey("deviceBound", r#""ee88""#),
            ],
            has_activated_device: true,
        }
    }

    #[test]
    fn a_class_does_not_depend_on_the_order_of_rows_and_can_be_read() {
        let text = classify(&facts());
        assert_eq!(
            text,
            "member/enabled/privilegedAdmin/own/password,phone.mobile,phone.office,hardwareOath,fido2.deviceBound.ee88,fido2.synced."
        );
        let mut turned = facts();
        turned.methods.reverse();
        turned.roles.reverse();
        assert_eq!(classify(&turned), text);
        let class = Class::read(&text).unwrap();
        assert_eq!(class.to_text(), text);
        assert_eq!(
            class.names().collect::<Vec<_>>(),
            [
                "password",
                "mobilePhone",
                "officePhone",
                "hardwareOneTimePasscode",
                "passKeyDeviceBound",
                "passKeySynced"
            ]
        );
        for foreign in
            ["", "member/enabled/none/system", "member/enabled/king/system/", "member/enabled/none/own/teeth"]
        {
            assert!(Class::read(foreign).is_err(), "{foreign}");
        }
    }

    #[test]
    fn every_method_is_read_back() {
        for registered in Registered::every() {
            assert_eq!(Registered::parse(&registered.to_text()).as_ref(), Some(&registered));
        }
    }
}
