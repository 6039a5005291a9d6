//! A QR code in an answer.

use base64::{Engine, engine::general_purpose::STANDARD};
use poem_openapi::Object;

use crate::{error::Result, methods::qr};

/// An image to show; it carries the same secret as the text that it stands for.
#[derive(Object)]
#[oai(rename = "QrCode", rename_all = "camelCase")]
pub struct QrCodeView {
    /// `image/png`.
    content_type: String,
    /// The image, base64.
    binary_value: String,
}

impl QrCodeView {
    pub fn of(text: &str) -> Result<Self> {
        Ok(Self { content_type: "image/png".into(), binary_value: STANDARD.encode(qr::png(text)?) })
    }
}
