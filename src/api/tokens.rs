//! The token endpoint and the discovery documents.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct TokensApi(pub App);

#[OpenApi(tag = "Tag::Tokens")]
impl TokensApi {}
