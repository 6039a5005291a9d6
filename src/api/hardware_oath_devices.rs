//! `/directory/authenticationMethodDevices/hardwareOathDevices`: the inventory.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct HardwareOathDevicesApi(pub App);

#[OpenApi(tag = "Tag::HardwareOath")]
impl HardwareOathDevicesApi {}
