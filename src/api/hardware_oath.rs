//! `hardwareOathMethods`: the hardware tokens of a user.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct HardwareOathApi(pub App);

#[OpenApi(tag = "Tag::HardwareOath")]
impl HardwareOathApi {}
