//! `passwordMethods`.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct PasswordApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl PasswordApi {}
