//! The closed set of kinds, and what is true of every method of a kind.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::words;

words! {
    /// What kind of thing proves an identity. The text is what the store, `alsoDelete` and the audit log say.
    pub enum MethodKind {
        Password = "password",
        Phone = "phone",
        Email = "email",
        MicrosoftAuthenticator = "microsoftAuthenticator",
        SoftwareOath = "softwareOath",
        HardwareOath = "hardwareOath",
        Fido2 = "fido2",
        TemporaryAccessPass = "temporaryAccessPass",
        WindowsHelloForBusiness = "windowsHelloForBusiness",
        PlatformCredential = "platformCredential",
        ExternalAuthenticationMethod = "externalAuthenticationMethod",
        QrCodePin = "qrCodePin",
    }
}

/// What a reset does to a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetEffect {
    Delete,
    /// Back to assigned; the user keeps the token and can activate it again.
    Deactivate,
    Keep,
}

impl MethodKind {
    /// `#microsoft.graph....`, as every item of a polymorphic collection carries it.
    pub const fn odata_type(self) -> &'static str {
        match self {
            Self::Password => "#microsoft.graph.passwordAuthenticationMethod",
            Self::Phone => "#microsoft.graph.phoneAuthenticationMethod",
            Self::Email => "#microsoft.graph.emailAuthenticationMethod",
            Self::MicrosoftAuthenticator => "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod",
            Self::SoftwareOath => "#microsoft.graph.softwareOathAuthenticationMethod",
            Self::HardwareOath => "#microsoft.graph.hardwareOathAuthenticationMethod",
            Self::Fido2 => "#microsoft.graph.fido2AuthenticationMethod",
            Self::TemporaryAccessPass => "#microsoft.graph.temporaryAccessPassAuthenticationMethod",
            Self::WindowsHelloForBusiness => "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod",
            Self::PlatformCredential => "#microsoft.graph.platformCredentialAuthenticationMethod",
            Self::ExternalAuthenticationMethod => "#microsoft.graph.externalAuthenticationMethod",
            Self::QrCodePin => "#microsoft.graph.qrCodePinAuthenticationMethod",
        }
    }

    /// For sentences in the audit log: "Admin deleted {} method for user".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::MicrosoftAuthenticator => "authenticator app",
            Self::SoftwareOath => "software OATH token",
            Self::HardwareOath => "hardware OATH token",
            Self::Fido2 => "passkey",
            Self::TemporaryAccessPass => "temporary access pass",
            Self::WindowsHelloForBusiness => "Windows Hello for Business",
            Self::PlatformCredential => "platform credential",
            Self::ExternalAuthenticationMethod => "external authentication",
            Self::QrCodePin => "QR code",
        }
    }

    /// The part of `UserAuthMethod-<Kind>.Read.All` that names the kind.
    pub const fn permission_name(self) -> &'static str {
        match self {
            Self::Password => "Password",
            Self::Phone => "Phone",
            Self::Email => "Email",
            Self::MicrosoftAuthenticator => "MicrosoftAuthApp",
            Self::SoftwareOath => "SoftwareOATH",
            Self::HardwareOath => "HardwareOATH",
            Self::Fido2 => "Passkey",
            Self::TemporaryAccessPass => "TAP",
            Self::WindowsHelloForBusiness => "WindowsHello",
            Self::PlatformCredential => "PlatformCred",
            Self::ExternalAuthenticationMethod => "External",
            Self::QrCodePin => "QR",
        }
    }

    /// What a reset does to every method of this kind.
    pub const fn reset_effect(self) -> ResetEffect {
        match self {
            Self::Phone | Self::MicrosoftAuthenticator | Self::SoftwareOath => ResetEffect::Delete,
            Self::HardwareOath => ResetEffect::Deactivate,
            Self::Password
            | Self::Email
            | Self::Fido2
            | Self::TemporaryAccessPass
            | Self::WindowsHelloForBusiness
            | Self::PlatformCredential
            | Self::ExternalAuthenticationMethod
            | Self::QrCodePin => ResetEffect::Keep,
        }
    }

    /// May a reset be told (`alsoDelete`) to delete this kind? Never the password, and a hardware token stays assigned.
    pub const fn may_also_be_deleted(self) -> bool {
        match self {
            Self::Password | Self::HardwareOath => false,
            Self::Phone
            | Self::MicrosoftAuthenticator
            | Self::SoftwareOath
            | Self::Email
            | Self::Fido2
            | Self::TemporaryAccessPass
            | Self::WindowsHelloForBusiness
            | Self::PlatformCredential
            | Self::ExternalAuthenticationMethod
            | Self::QrCodePin => true,
        }
    }

    /// Whether a complete method of this kind satisfies multifactor authentication. An external one would, at Graph;
    /// here nobody asks its provider, so that it proves nothing and makes nobody capable of MFA.
    pub const fn counts_as_mfa(self) -> bool {
        match self {
            Self::Password | Self::Email | Self::ExternalAuthenticationMethod | Self::QrCodePin => false,
            Self::Phone
            | Self::MicrosoftAuthenticator
            | Self::SoftwareOath
            | Self::HardwareOath
            | Self::Fido2
            | Self::TemporaryAccessPass
            | Self::WindowsHelloForBusiness
            | Self::PlatformCredential => true,
        }
    }

    /// Whether users may register and remove methods of this kind themselves. Passes and QR codes are handed out by
    /// others, external methods are the administrators' affair, and a password has rules of its own.
    pub const fn is_self_service(self) -> bool {
        match self {
            Self::Password | Self::TemporaryAccessPass | Self::ExternalAuthenticationMethod | Self::QrCodePin => false,
            Self::Phone
            | Self::Email
            | Self::MicrosoftAuthenticator
            | Self::SoftwareOath
            | Self::HardwareOath
            | Self::Fido2
            | Self::WindowsHelloForBusiness
            | Self::PlatformCredential => true,
        }
    }

    /// Whether a method of this kind is a key that WebAuthn asks for, with the user verified by its device: both factors
    /// at once, and no password beside it.
    pub const fn is_passwordless(self) -> bool {
        match self {
            Self::Fido2 | Self::WindowsHelloForBusiness | Self::PlatformCredential => true,
            Self::Password
            | Self::Phone
            | Self::Email
            | Self::MicrosoftAuthenticator
            | Self::SoftwareOath
            | Self::HardwareOath
            | Self::TemporaryAccessPass
            | Self::ExternalAuthenticationMethod
            | Self::QrCodePin => false,
        }
    }

    /// Whether proving a method of this kind proves both factors.
    pub const fn proves_both(self) -> bool {
        self.is_passwordless() || matches!(self, Self::TemporaryAccessPass)
    }
}
