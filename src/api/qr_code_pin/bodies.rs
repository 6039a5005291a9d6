//! QR codes and PINs as they are sent and shown.

use base64::{Engine, engine::general_purpose::STANDARD};
use poem_openapi::{Object, types::Example};

use crate::{
    api::strict_json::text,
    clock::Timestamp,
    demo,
    error::{Error, Result},
    methods::{
        qr::{self, Picture},
        qr_code_pin::{CodeView, PinView, QrCode, QrCodePinView, code::Span},
    },
};

/// What Graph shows instead of no moment at all.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A QR code to print.
#[derive(Object)]
#[oai(rename = "QrCodeImageDetails", rename_all = "camelCase")]
pub struct ImageView {
    /// A PNG, base64.
    binary_value: String,
    /// The version of the code (ISO/IEC 18004): its size.
    version: i32,
    /// `l`, `m`, `q` or `h`.
    error_correction_level: String,
    /// What the code says: what a reader of QR codes gives to the sign-in.
    raw_content: String,
}

/// A QR code of a user.
#[derive(Object)]
#[oai(rename = "QrCode", rename_all = "camelCase")]
pub struct QrCodeView {
    id: String,
    start_date_time: String,
    expire_date_time: String,
    created_date_time: String,
    /// `0001-01-01T00:00:00Z` until it is used.
    last_used_date_time: String,
    /// Only in the answer that makes the code, null ever after.
    #[oai(nullable)]
    image: Option<ImageView>,
}

impl ImageView {
    fn draw(raw_content: String) -> Result<Self> {
        let Picture { png, version, level } = qr::picture(&raw_content)?;
        Ok(Self { binary_value: STANDARD.encode(png), version, error_correction_level: level.into(), raw_content })
    }
}

impl From<QrCode> for QrCodeView {
    fn from(code: QrCode) -> Self {
        Self {
            id: code.id,
            start_date_time: code.start_date_time.to_iso(),
            expire_date_time: code.expire_date_time.to_iso(),
            created_date_time: code.created_date_time.to_iso(),
            last_used_date_time: code.last_used_date_time.map_or_else(|| NEVER.into(), Timestamp::to_iso),
            image: None,
        }
    }
}

impl TryFrom<CodeView> for QrCodeView {
    type Error = Error;

    fn try_from(CodeView { code, content }: CodeView) -> Result<Self> {
        Ok(Self { image: content.map(ImageView::draw).transpose()?, ..code.into() })
    }
}

/// A user's PIN.
#[derive(Object)]
#[oai(rename = "QrPin", rename_all = "camelCase")]
pub struct QrPinView {
    id: String,
    /// The PIN: only in the answer that makes it, null ever after.
    #[oai(nullable)]
    code: Option<String>,
    force_change_pin_next_sign_in: bool,
    created_date_time: String,
    /// When its user changed it.
    #[oai(nullable)]
    updated_date_time: Option<String>,
}

impl From<PinView> for QrPinView {
    fn from(PinView { pin, code }: PinView) -> Self {
        Self {
            id: pin.id,
            code,
            force_change_pin_next_sign_in: pin.force_change_pin_next_sign_in,
            created_date_time: pin.created_date_time.to_iso(),
            updated_date_time: pin.updated_date_time.map(Timestamp::to_iso),
        }
    }
}

/// A QR code with a PIN: one factor for people who sign in at shared devices.
#[derive(Object)]
#[oai(rename = "QrCodePinAuthenticationMethod", rename_all = "camelCase")]
pub struct QrCodePinMethodView {
    id: String,
    created_date_time: String,
    #[oai(nullable)]
    last_used_date_time: Option<String>,
    is_usable: bool,
    /// EnabledByPolicy, DisabledByPolicy, Expired or NotYetValid.
    method_usability_reason: String,
    #[oai(rename = "standardQRCode", nullable)]
    standard_qr_code: Option<QrCodeView>,
    #[oai(rename = "temporaryQRCode", nullable)]
    temporary_qr_code: Option<QrCodeView>,
    pin: QrPinView,
}

impl QrCodePinMethodView {
    /// As it is listed: nothing is drawn.
    pub fn listed(method: QrCodePinView) -> Self {
        Self {
            id: method.id.into_string(),
            created_date_time: method.created_at.to_iso(),
            last_used_date_time: method.last_used_at.map(Timestamp::to_iso),
            is_usable: method.is_usable,
            method_usability_reason: method.method_usability_reason,
            standard_qr_code: method.standard.map(|standard| standard.code.into()),
            temporary_qr_code: method.temporary.map(|temporary| temporary.code.into()),
            pin: method.pin.into(),
        }
    }
}

impl TryFrom<QrCodePinView> for QrCodePinMethodView {
    type Error = Error;

    fn try_from(method: QrCodePinView) -> Result<Self> {
        let standard = method.standard.clone().map(QrCodeView::try_from).transpose()?;
        Ok(Self { standard_qr_code: standard, ..Self::listed(method) })
    }
}

impl std::fmt::Debug for QrCodePinMethodView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QrCodePinMethodView").field("id", &self.id).finish_non_exhaustive()
    }
}

/// From when until when a code is good.
#[derive(Debug, Object)]
#[oai(rename = "QrCodeRequest", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct CodeBody {
    /// Default: now. At most 30 days ahead.
    start_date_time: Option<chrono::DateTime<chrono::Utc>>,
    /// Default: as many days as the tenant's policy says, or 12 hours for a temporary code.
    expire_date_time: Option<chrono::DateTime<chrono::Utc>>,
}

impl Example for CodeBody {
    fn example() -> Self {
        Self { start_date_time: None, expire_date_time: None }
    }
}

impl From<CodeBody> for Span {
    fn from(body: CodeBody) -> Self {
        Self { start: body.start_date_time.map(Timestamp::from), expire: body.expire_date_time.map(Timestamp::from) }
    }
}

/// A PIN; without `code` the system makes one.
#[derive(Object)]
#[oai(rename = "QrPinRequest", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct PinBody {
    /// 8 to 20 digits, as many as the tenant's policy asks for.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    pub code: Option<String>,
}

impl Example for PinBody {
    fn example() -> Self {
        Self { code: Some("27182818".into()) }
    }
}

/// A QR code and a PIN to give to a user. Everything may be left out.
#[derive(Object)]
#[oai(rename = "QrCodePinRequest", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct QrCodePinBody {
    #[oai(rename = "standardQRCode")]
    standard_qr_code: Option<CodeBody>,
    pin: Option<PinBody>,
}

impl Example for QrCodePinBody {
    fn example() -> Self {
        Self { standard_qr_code: Some(CodeBody::example()), pin: Some(PinBody::example()) }
    }
}

impl QrCodePinBody {
    /// When the code is good, and the PIN.
    pub fn into_parts(self) -> (Span, Option<String>) {
        (self.standard_qr_code.map(Span::from).unwrap_or_default(), self.pin.and_then(|pin| pin.code))
    }
}

/// The present PIN and the one that replaces it.
#[derive(Object)]
#[oai(rename = "QrPinChangeRequest", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct PinChangeBody {
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    pub current_pin: String,
    /// 8 to 20 digits, as many as the tenant's policy asks for, none that is guessed first.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    pub new_pin: String,
}

impl Example for PinChangeBody {
    fn example() -> Self {
        Self { current_pin: demo::PIN.into(), new_pin: "31415926".into() }
    }
}
