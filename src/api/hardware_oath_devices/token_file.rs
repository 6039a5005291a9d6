//! The body of an import: a file of the media type `text/csv` or `application/pskc+xml`.

use poem::{FromRequest, Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    error::ContentTypeError,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef},
};

use crate::api::examples;

/// The bytes of a file; whether they are text at all is for the import to say, line by line.
pub enum TokenFile {
    Csv(Vec<u8>),
    Pskc(Vec<u8>),
}

const CSV: &str = "text/csv";
/// RFC 6030 section 12.1.
const PSKC: &str = "application/pskc+xml";

impl<'a> ApiExtractor<'a> for TokenFile {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let media_type = |content_type, example: String| {
            let schema = MetaSchema { example: Some(example.into()), ..MetaSchema::new("string") };
            MetaMediaType { content_type, schema: MetaSchemaRef::Inline(Box::new(schema)) }
        };
        Some(MetaRequest {
            description: None,
            content: vec![
                media_type(CSV, examples::hardware_oath_csv()),
                media_type(PSKC, examples::hardware_oath_pskc()),
            ],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let content_type = request.content_type().ok_or(ContentTypeError::ExpectContentType)?;
        // With or without parameters such as `charset`.
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let kind = if media_type.eq_ignore_ascii_case(CSV) {
            Self::Csv
        } else if media_type.eq_ignore_ascii_case(PSKC) {
            Self::Pskc
        } else {
            return Err(ContentTypeError::NotSupported { content_type: content_type.to_owned() }.into());
        };
        Ok(kind(<Vec<u8> as FromRequest>::from_request(request, body).await?))
    }
}
