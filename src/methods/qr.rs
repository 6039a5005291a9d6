//! QR codes, for what people would otherwise have to type into an app.

use base64::{Engine, engine::general_purpose::STANDARD};
use qrcodegen_image::qrcodegen::{QrCode, QrCodeEcc};

use crate::error::{Error, Result};

/// A text as a QR code: a PNG with eight pixels to a module and the quiet zone of four modules (ISO/IEC 18004).
pub fn png(text: &str) -> Result<Vec<u8>> {
    qrcodegen_image::draw_png(text).map_err(Error::internal)
}

/// The same as a `data:` URI (RFC 2397), good for the `src` of an image.
pub fn data_uri(text: &str) -> Result<String> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png(text)?)))
}

/// A QR code with what is to be said of it.
pub struct Picture {
    pub png: Vec<u8>,
    /// 1 to 40: the code's size (ISO/IEC 18004 section 5.3.1).
    pub version: i32,
    /// `l`, `m`, `q` or `h`.
    pub level: &'static str,
}

/// A text as a QR code, described.
pub fn picture(text: &str) -> Result<Picture> {
    // As the picture is made.
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).map_err(Error::internal)?;
    let level = match code.error_correction_level() {
        QrCodeEcc::Low => "l",
        QrCodeEcc::Medium => "m",
        QrCodeEcc::Quartile => "q",
        QrCodeEcc::High => "h",
    };
    Ok(Picture { png: png(text)?, version: code.version().value().into(), level })
}
