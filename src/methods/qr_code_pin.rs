//! A QR code on paper and a PIN: how people without a phone sign in at shared devices. A reset leaves them alone unless it is
//! told to delete them.
//!
//! Both together are one factor, as at Entra: whoever reads the badge over somebody's shoulder needs the PIN, and nobody
//! keeps either for himself alone. So this is a first factor beside the password, and no multifactor authentication.
//!
//! The PIN is hashed like a password; of the codes' contents only digests are kept. Both are sealed in the row, so that
//! whoever can write to the database cannot slip a badge in.

use aws_lc_rs::constant_time;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{
    Method, MethodKind, Stored, manage,
    password::{Known, PasswordCheck, PasswordDigest},
    policy::MethodsPolicy,
    secret_place,
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::MethodId,
    store::{
        Tx,
        methods::{self, MethodRow},
        users::User,
    },
};

pub mod change;
pub mod code;
pub mod pin;

pub use code::{CodeKind, Content};

/// Graph's `qrCodePinAuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QrCodePin {
    pub standard_qr_code: Option<QrCode>,
    pub temporary_qr_code: Option<QrCode>,
    pub pin: Pin,
}

/// Graph's `qrCode`, without what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QrCode {
    pub id: String,
    pub start_date_time: Timestamp,
    pub expire_date_time: Timestamp,
    pub created_date_time: Timestamp,
    pub last_used_date_time: Option<Timestamp>,
}

/// Graph's `qrPin`, without the PIN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    pub id: String,
    /// Somebody else chose it: its user replaces it at the next sign-in.
    pub force_change_pin_next_sign_in: bool,
    pub created_date_time: Timestamp,
    pub updated_date_time: Option<Timestamp>,
}

/// What is sealed in the row.
#[derive(Serialize, Deserialize)]
pub struct Secrets {
    /// argon2id in PHC form.
    pin: String,
    /// SHA-256 of the tokens in the codes, base64url.
    standard: Option<String>,
    temporary: Option<String>,
}

impl Secrets {
    /// For a method whose codes are made later.
    pub fn new(pin: &PasswordDigest) -> Self {
        Self { pin: pin.as_str().to_owned(), standard: None, temporary: None }
    }

    pub fn digest_mut(&mut self, kind: CodeKind) -> &mut Option<String> {
        match kind {
            CodeKind::Standard => &mut self.standard,
            CodeKind::Temporary => &mut self.temporary,
        }
    }

    pub fn seal(&self, tx: &Tx<'_>, row: &mut MethodRow) -> Result<()> {
        let json = serde_json::to_vec(self).map_err(Error::internal)?;
        row.sealed_secret = Some(tx.seal(&secret_place(row), &json)?);
        Ok(())
    }

    fn open(tx: &Tx<'_>, row: &MethodRow) -> Result<Self> {
        let sealed = row.sealed_secret.as_deref().ok_or_else(|| Error::internal("a QR code method has secrets"))?;
        let json = tx.open(&secret_place(row), sealed)?;
        serde_json::from_slice(json.expose_secret()).map_err(Error::internal)
    }
}

impl QrCodePin {
    pub fn code(&self, kind: CodeKind) -> Option<&QrCode> {
        match kind {
            CodeKind::Standard => self.standard_qr_code.as_ref(),
            CodeKind::Temporary => self.temporary_qr_code.as_ref(),
        }
    }

    fn code_mut(&mut self, kind: CodeKind) -> &mut Option<QrCode> {
        match kind {
            CodeKind::Standard => &mut self.standard_qr_code,
            CodeKind::Temporary => &mut self.temporary_qr_code,
        }
    }

    /// Why no code can be shown at `now`, whatever the tenant allows.
    fn lapse(&self, now: Timestamp) -> Option<&'static str> {
        let codes: Vec<_> = CodeKind::ALL.iter().filter_map(|kind| self.code(*kind)).collect();
        if codes.iter().any(|code| code.is_live(now)) {
            None
        } else if codes.iter().any(|code| now < code.start_date_time) {
            Some("NotYetValid")
        } else {
            Some("Expired")
        }
    }
}

impl QrCode {
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.start_date_time <= now && now < self.expire_date_time
    }
}

/// A method as it is shown, with its secrets only in the answer that makes them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QrCodePinView {
    pub id: MethodId,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub is_usable: bool,
    /// `EnabledByPolicy`, `DisabledByPolicy`, `Expired` or `NotYetValid`.
    pub method_usability_reason: String,
    pub standard: Option<CodeView>,
    pub temporary: Option<CodeView>,
    pub pin: PinView,
}

/// A code as it is shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeView {
    pub code: QrCode,
    /// What is printed: only in the answer that makes it.
    pub content: Option<String>,
}

/// A PIN as it is shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PinView {
    pub pin: Pin,
    /// The digits: only in the answer that makes them.
    pub code: Option<String>,
}

impl std::fmt::Debug for CodeView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeView").field("code", &self.code).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PinView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PinView").field("pin", &self.pin).finish_non_exhaustive()
    }
}

/// How the method stands at `now`.
pub fn view(method: &Stored<QrCodePin>, policy: &MethodsPolicy, now: Timestamp) -> QrCodePinView {
    let reason = if policy.allows_kind(&method.row.user_id, MethodKind::QrCodePin, None) {
        method.detail.lapse(now).unwrap_or("EnabledByPolicy")
    } else {
        "DisabledByPolicy"
    };
    let code = |kind| method.detail.code(kind).map(|code| CodeView { code: code.clone(), content: None });
    QrCodePinView {
        id: method.row.method_id.clone(),
        created_at: method.row.created_at,
        last_used_at: method.row.last_used_at,
        is_usable: reason == "EnabledByPolicy",
        method_usability_reason: reason.into(),
        standard: code(CodeKind::Standard),
        temporary: code(CodeKind::Temporary),
        pin: PinView { pin: method.detail.pin.clone(), code: None },
    }
}

/// The user's method, for rules that have authorized the caller.
fn of(tx: &mut Tx<'_>, user: &User) -> Result<Option<Stored<QrCodePin>>> {
    Ok(manage::of_kind::<QrCodePin>(tx, user)?.pop())
}

/// Reads what a PIN is compared with. Somebody who has none has a digest too: of nobody.
pub fn known(tx: &mut Tx<'_>, user: Option<&User>) -> Result<Known> {
    let Some(user) = user else { return Ok(Known::nothing()) };
    let Some(method) = of(tx, user)? else { return Ok(Known::nothing()) };
    let digest = PasswordDigest::stored(Secrets::open(tx, &method.row)?.pin);
    let must_change = method.detail.pin.force_change_pin_next_sign_in;
    Ok(Known::new(digest, method.row.sealed_secret.unwrap_or_default(), must_change))
}

/// The user's method, when the code is one of its codes in force and the PIN that was compared is still its PIN; and notes
/// that it was used. `None` for everything else.
pub fn verify(tx: &mut Tx<'_>, user: &User, content: &Content, check: &PasswordCheck) -> Result<Option<Method>> {
    let Some(mut method) = of(tx, user)? else { return Ok(None) };
    let is_allowed = MethodsPolicy::of(tx, &user.tenant_id)?.allows_kind(&user.user_id, MethodKind::QrCodePin, None);
    let is_own = content.tenant == user.tenant_id && content.user == user.user_id;
    let mut secrets = Secrets::open(tx, &method.row)?;
    let now = tx.now();
    let shown = CodeKind::ALL.iter().copied().find(|kind| {
        let is_live = method.detail.code(*kind).is_some_and(|code| code.is_live(now));
        let digest = secrets.digest_mut(*kind).as_deref().unwrap_or_default();
        let is_same = constant_time::verify_slices_are_equal(digest.as_bytes(), content.digest.as_bytes()).is_ok();
        is_live && is_same
    });
    let Some(kind) = shown.filter(|_| is_allowed && is_own && check.matches && check.is_of(Some(&method.row))) else {
        return Ok(None);
    };
    if let Some(code) = method.detail.code_mut(kind) {
        code.last_used_date_time = Some(now);
    }
    method.row.last_used_at = Some(now);
    method.save(tx)?;
    Ok(Some(Method::QrCodePin(method)))
}

/// The same for rules that make no sense without one.
fn required(tx: &mut Tx<'_>, user: &User) -> Result<Stored<QrCodePin>> {
    of(tx, user)?.ok_or_else(|| Error::method_not_found("qrCodePinMethod"))
}

/// Stores the method with other secrets.
fn store(tx: &mut Tx<'_>, method: &mut Stored<QrCodePin>, secrets: &Secrets) -> Result<()> {
    secrets.seal(tx, &mut method.row)?;
    method.save(tx)
}

/// Stores a new method.
fn insert(tx: &mut Tx<'_>, method: &mut Stored<QrCodePin>, secrets: &Secrets) -> Result<()> {
    secrets.seal(tx, &mut method.row)?;
    method.row.detail = serde_json::to_string(&method.detail).map_err(Error::internal)?;
    methods::insert(tx, &method.row)
}
