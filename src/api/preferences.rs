//! `signInPreferences`: which method a user is asked for first.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct PreferencesApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl PreferencesApi {}
