//! `/users`: Graph's subset of user properties and operations.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct UsersApi(pub App);

#[OpenApi(tag = "Tag::Users")]
impl UsersApi {}
