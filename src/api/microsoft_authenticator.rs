//! `microsoftAuthenticatorMethods`.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct MicrosoftAuthenticatorApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl MicrosoftAuthenticatorApi {}
