//! `softwareOathMethods`.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct SoftwareOathApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl SoftwareOathApi {}
