//! `requirements`: whether a user must use MFA, and must register again.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct RequirementsApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl RequirementsApi {}
