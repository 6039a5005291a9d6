//! QR codes, for what people would otherwise have to type into an app.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::error::{Error, Result};

/// A text as a QR code: a PNG with eight pixels to a module and the quiet zone of four modules (ISO/IEC 18004).
pub fn png(text: &str) -> Result<Vec<u8>> {
    qrcodegen_image::draw_png(text).map_err(Error::internal)
}

/// The same as a `data:` URI (RFC 2397), good for the `src` of an image.
pub fn data_uri(text: &str) -> Result<String> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png(text)?)))
}
