//! Asking a user for a method and checking what comes back: one signature for every kind.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Method, MethodKind, Stored,
    fido2::{self, relying_party::RelyingParty},
    microsoft_authenticator,
    policy::MethodsPolicy,
    sent_code::{self, Checked},
    software_oath, temporary_access_pass,
};
use crate::{
    access::Actor,
    clock::Timestamp,
    error::{Error, Result},
    hardware_oath,
    id::{SessionId, TenantId, UserId},
    store::{Tx, guesses::GuessKind, messages::Channel, users::User},
};

/// What somebody shows to prove a method.
pub enum Evidence {
    /// A code that was typed.
    Code(SecretString),
    /// WebAuthn's answer (an `AuthenticationResponseJSON`).
    PublicKeyCredential(Value),
}

impl Evidence {
    /// The property of a request that holds it.
    pub const fn target(&self) -> &'static str {
        match self {
            Self::Code(_) => "verificationCode",
            Self::PublicKeyCredential(_) => "publicKeyCredential",
        }
    }

    pub fn code(&self) -> Result<&str> {
        match self {
            Self::Code(code) => Ok(code.expose_secret()),
            Self::PublicKeyCredential(_) => {
                Err(Error::invalid("verificationCode", "This method is proven by a verificationCode."))
            }
        }
    }

    pub fn public_key_credential(&self) -> Result<&Value> {
        match self {
            Self::PublicKeyCredential(credential) => Ok(credential),
            Self::Code(_) => {
                Err(Error::invalid("publicKeyCredential", "This method is proven by a publicKeyCredential."))
            }
        }
    }
}

/// What came of it. A refusal is a value and no error: it is counted and logged in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    Proven,
    /// Proven by a code that was told in a call (RFC 8176 `tel`).
    ProvenByCall,
    /// Why, for whoever typed it.
    Refused(&'static str),
    /// Right once, or an answer to nothing: refused, and no guess that counts.
    Spent(&'static str),
}

/// What the user is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Prompt {
    /// Type the code that the token shows, or the pass.
    TypeCode,
    /// A code is on its way to a masked number or address.
    CodeSent { to: String, expires_at: Timestamp },
    /// WebAuthn's request options (a `PublicKeyCredentialRequestOptionsJSON`).
    PublicKey { options: Value, expires_at: Timestamp },
    /// The app asks for this number.
    Push { number: String, expires_at: Timestamp },
}

/// The user's methods that can prove him as a second factor at this moment: complete, allowed by the tenant, usable.
pub fn usable(tx: &mut Tx<'_>, user: &User) -> Result<Vec<Method>> {
    usable_of(tx, &user.tenant_id, &user.user_id)
}

/// The same, asked for nobody: there is nothing, but it takes as long to find out, so that a name that nobody has is not
/// told by the clock.
pub fn usable_of_nobody(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Method>> {
    usable_of(tx, tenant, &UserId::new("nobody"))
}

fn usable_of(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<Vec<Method>> {
    let policy = MethodsPolicy::of(tx, tenant)?;
    let now = tx.now();
    let mut all = super::of_id(tx, tenant, user)?;
    all.retain(|method| {
        method.kind().counts_as_mfa()
            && method.is_complete()
            && policy.allows(user, method)
            && match method {
                Method::TemporaryAccessPass(pass) => temporary_access_pass::is_live(pass, now),
                // Without a key it has nothing to answer with.
                Method::MicrosoftAuthenticator(app) => app.detail.public_key.is_some(),
                Method::Phone(_) | Method::SoftwareOath(_) | Method::HardwareOath(_) => true,
                Method::Password(_)
                | Method::Email(_)
                | Method::ExternalAuthenticationMethod(_)
                | Method::QrCodePin(_) => false,
                // Seeded ones have no key to be proven with.
                Method::Fido2(Stored { row, .. })
                | Method::WindowsHelloForBusiness(Stored { row, .. })
                | Method::PlatformCredential(Stored { row, .. }) => row.sealed_secret.is_some(),
            }
    });
    Ok(all)
}

/// Where and by whom a user is asked.
pub struct Occasion<'a> {
    /// The application that signs the user in.
    pub actor: &'a Actor,
    pub session: &'a SessionId,
    pub party: &'a RelyingParty,
    pub via: sent_code::Via<'a>,
}

/// Asks the user for a method.
pub fn challenge(tx: &mut Tx<'_>, user: &User, method: &Method, occasion: &Occasion<'_>) -> Result<Prompt> {
    let Occasion { actor, session, party, via } = occasion;
    if via.channel.is_some() && method.kind() != MethodKind::Phone {
        return Err(Error::invalid("channel", "Only codes for a phone have a channel: leave it out."));
    }
    match method {
        Method::Phone(_) => {
            let sent_code::Sent { to, expires_at } = sent_code::send(tx, user, method, Some(session), *via)?;
            Ok(Prompt::CodeSent { to, expires_at })
        }
        Method::SoftwareOath(_) | Method::HardwareOath(_) | Method::TemporaryAccessPass(_) => Ok(Prompt::TypeCode),
        Method::Fido2(Stored { row, .. })
        | Method::WindowsHelloForBusiness(Stored { row, .. })
        | Method::PlatformCredential(Stored { row, .. }) => fido2::challenge_one(tx, party, user, row, session),
        Method::MicrosoftAuthenticator(app) => microsoft_authenticator::push::challenge(tx, actor, user, app, session),
        Method::Password(_) | Method::Email(_) | Method::ExternalAuthenticationMethod(_) | Method::QrCodePin(_) => {
            Err(unfit(method))
        }
    }
}

/// Checks what came back, and takes it, so that it is accepted once.
pub fn verify(
    tx: &mut Tx<'_>,
    party: &RelyingParty,
    user: &User,
    method: &Method,
    session: &SessionId,
    evidence: &Evidence,
) -> Result<Verdict> {
    match method {
        Method::Phone(_) => {
            let right = sent_code::check(tx, user, method, Some(session), evidence.code()?)?;
            Ok(match right {
                Checked::Right(Channel::Voice) => Verdict::ProvenByCall,
                Checked::Right(Channel::Sms | Channel::Email | Channel::Push) => Verdict::Proven,
                Checked::Nothing => Verdict::Spent(sent_code::REFUSED),
                Checked::Wrong => Verdict::Refused(sent_code::REFUSED),
            })
        }
        Method::SoftwareOath(token) => software_oath::verify(tx, token, evidence.code()?),
        Method::HardwareOath(device) => hardware_oath::verify(tx, device, evidence.code()?),
        Method::TemporaryAccessPass(pass) => temporary_access_pass::verify(tx, pass, evidence.code()?),
        Method::Fido2(Stored { row, .. })
        | Method::WindowsHelloForBusiness(Stored { row, .. })
        | Method::PlatformCredential(Stored { row, .. }) => {
            fido2::verify(tx, party, user, row, session, evidence.public_key_credential()?)
        }
        Method::MicrosoftAuthenticator(_) => {
            let message = "The app answers by itself: send it a push by challenge, then get the session until its status changes.";
            Err(Error::invalid("methodId", message))
        }
        Method::Password(_) | Method::Email(_) | Method::ExternalAuthenticationMethod(_) | Method::QrCodePin(_) => {
            Err(unfit(method))
        }
    }
}

/// Why a method that the user has is not asked for.
pub fn unfit(method: &Method) -> Error {
    let message = if method.kind() == MethodKind::ExternalAuthenticationMethod {
        "An external provider would have to prove this method, and sign-in sessions ask none: choose another method."
            .into()
    } else {
        format!("The method {} cannot be used to sign in this way.", method.id())
    };
    Error::invalid("methodId", message)
}

/// Which failures a wrong answer of this kind is counted with; a signature cannot be guessed, and a push counts
/// itself when it is sent.
pub const fn guess_kind(kind: MethodKind) -> Option<GuessKind> {
    match kind {
        MethodKind::Password => Some(GuessKind::Password),
        MethodKind::Phone | MethodKind::SoftwareOath | MethodKind::HardwareOath => Some(GuessKind::Otp),
        MethodKind::TemporaryAccessPass => Some(GuessKind::TemporaryAccessPass),
        MethodKind::QrCodePin => Some(GuessKind::QrCodePin),
        MethodKind::Fido2
        | MethodKind::WindowsHelloForBusiness
        | MethodKind::PlatformCredential
        | MethodKind::MicrosoftAuthenticator
        | MethodKind::Email
        | MethodKind::ExternalAuthenticationMethod => None,
    }
}

/// RFC 8176's words for a proof by this method.
pub fn amr(method: &Method) -> &'static [&'static str] {
    match method {
        Method::Password(_) => &["pwd"],
        Method::Phone(_) => &["sms"],
        Method::Email(_) | Method::ExternalAuthenticationMethod(_) => &[],
        Method::QrCodePin(_) => &["pin"],
        Method::MicrosoftAuthenticator(_) => &["swk", "user"],
        Method::SoftwareOath(_) | Method::TemporaryAccessPass(_) => &["otp"],
        Method::HardwareOath(_) => &["otp", "hwk"],
        Method::Fido2(passkey) if passkey.detail.passkey_type == fido2::SYNCED => &["swk", "user"],
        Method::Fido2(_) => &["hwk", "user"],
        Method::WindowsHelloForBusiness(method) => method.detail.key.amr(),
        Method::PlatformCredential(method) => method.detail.key.amr(),
    }
}
