//! `/policies`: what applies to the whole tenant.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct PoliciesApi(pub App);

#[OpenApi(tag = "Tag::Policies")]
impl PoliciesApi {}
