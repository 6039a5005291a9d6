//! What was proven in a session: the proofs, and the words that an outcome says of them.

use serde::{Deserialize, Serialize};

use super::{Method, MethodKind, password};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::MethodId,
    store::{sessions::SessionRow, tenants::RegistrationProof},
    tokens::MFA,
};

/// What was proven in a session so far; the row's JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub proofs: Vec<Proof>,
    /// True while the password that was shown must be replaced.
    #[serde(default)]
    pub password_must_change: bool,
    /// True while the PIN that was shown must be replaced.
    #[serde(default)]
    pub pin_must_change: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    pub factor: Factor,
    pub method_id: Option<MethodId>,
    /// None when the application vouched for the user.
    #[serde(default)]
    pub kind: Option<MethodKind>,
    /// What the user recognizes the method by; masked.
    #[serde(default)]
    pub label: Option<String>,
    /// RFC 8176 words.
    pub amr: Vec<String>,
    pub at: Timestamp,
    /// What a temporary access pass opens ends with it.
    #[serde(default)]
    pub good_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Factor {
    Password,
    /// A QR code and its PIN: a first factor, both together.
    QrCodePin,
    /// The application vouched for the first factor.
    Asserted,
    /// A second factor.
    Possession,
    /// A passkey with user verification, or a temporary access pass: both factors at once.
    Both,
}

impl Proof {
    pub fn new(at: Timestamp, factor: Factor, amr: &[&str]) -> Self {
        let amr = amr.iter().map(|word| (*word).to_owned()).collect();
        Self { factor, method_id: None, kind: None, label: None, amr, at, good_until: None }
    }

    pub fn by_password(at: Timestamp) -> Self {
        let (method_id, kind) = (Some(MethodId::new(password::ID)), Some(MethodKind::Password));
        Self { method_id, kind, ..Self::new(at, Factor::Password, &["pwd"]) }
    }

    pub fn by(at: Timestamp, factor: Factor, method: &Method, amr: &[&str]) -> Self {
        let (method_id, kind, label) = (Some(method.id()), Some(method.kind()), Some(method.label()));
        let good_until = if let Method::TemporaryAccessPass(pass) = method { Some(pass.good_until(at)) } else { None };
        Self { method_id, kind, label, good_until, ..Self::new(at, factor, amr) }
    }
}

impl State {
    pub fn of(session: &SessionRow) -> Result<Self> {
        serde_json::from_str(&session.state).map_err(Error::internal)
    }

    /// Whether this proves enough to open a registration that is due.
    pub fn opens_registration(&self, policy: RegistrationProof) -> bool {
        match policy {
            RegistrationProof::FirstFactor => !self.proofs.is_empty(),
            RegistrationProof::TemporaryAccessPass => self.has(&[Factor::Both]),
        }
    }

    pub fn has(&self, wanted: &[Factor]) -> bool {
        self.proofs.iter().any(|proof| wanted.contains(&proof.factor))
    }

    /// When what this session leads to must end, if a proof says so.
    pub fn good_until(&self) -> Option<Timestamp> {
        self.proofs.iter().filter_map(|proof| proof.good_until).min()
    }

    /// RFC 8176 words of the whole sign-in.
    pub fn amr(&self) -> Vec<String> {
        let mut amr: Vec<String> = self.proofs.iter().flat_map(|proof| proof.amr.clone()).collect();
        if self.has(&[Factor::Possession, Factor::Both]) {
            amr.push(MFA.into());
        }
        amr.sort();
        amr.dedup();
        amr
    }
}
