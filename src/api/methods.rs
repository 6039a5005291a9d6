//! `/users/{user}/authentication/methods`: all methods of a user, whatever their kind.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct MethodsApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl MethodsApi {}
