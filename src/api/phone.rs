//! `phoneMethods`.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct PhoneApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl PhoneApi {}
