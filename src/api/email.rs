//! `emailMethods`.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct EmailApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl EmailApi {}
