//! `fido2Methods`.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct Fido2Api(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl Fido2Api {}
