//! How hardware tokens are shown.

use poem_openapi::{Object, types::MaybeUndefined};

use super::query::Selection;

use crate::{
    id::UserId,
    store::devices::{Device, OtpType},
};

/// A hardware OATH token that is assigned to a user.
#[derive(Debug, Object)]
#[oai(rename = "HardwareOathAuthenticationMethod", rename_all = "camelCase")]
pub struct HardwareOathView {
    /// Also the id of the device.
    pub id: MaybeUndefined<String>,
    #[oai(nullable)]
    pub display_name: MaybeUndefined<String>,
    /// When the token was assigned.
    #[oai(nullable)]
    pub created_date_time: MaybeUndefined<String>,
    #[oai(nullable)]
    pub last_used_date_time: MaybeUndefined<String>,
    pub device: MaybeUndefined<DeviceView>,
}

impl HardwareOathView {
    /// `owner_name` is the display name of the user the token is assigned to.
    pub fn new(device: Device, owner_name: &str) -> Self {
        Self {
            id: MaybeUndefined::Value(device.device_id.as_str().to_owned()),
            display_name: MaybeUndefined::from_opt_null(device.display_name.clone()),
            created_date_time: MaybeUndefined::from_opt_null(device.assigned_at.map(|at| at.to_iso())),
            last_used_date_time: MaybeUndefined::from_opt_null(device.last_used_at.map(|at| at.to_iso())),
            device: MaybeUndefined::Value(DeviceView::new(device, Some(owner_name))),
        }
    }

    /// The same with only what was selected.
    pub fn only(self, selection: &Selection) -> Self {
        fn pick<T>(selection: &Selection, name: &str, value: MaybeUndefined<T>) -> MaybeUndefined<T> {
            if selection.has(name) { value } else { MaybeUndefined::Undefined }
        }
        Self {
            id: pick(selection, "id", self.id),
            display_name: pick(selection, "displayName", self.display_name),
            created_date_time: pick(selection, "createdDateTime", self.created_date_time),
            last_used_date_time: pick(selection, "lastUsedDateTime", self.last_used_date_time),
            device: pick(selection, "device", self.device),
        }
    }
}

/// A hardware OATH token.
#[derive(Debug, Object)]
#[oai(rename = "HardwareOathTokenAuthenticationMethodDevice", rename_all = "camelCase")]
pub struct DeviceView {
    pub id: String,
    #[oai(nullable)]
    pub display_name: Option<String>,
    pub serial_number: String,
    pub manufacturer: String,
    pub model: String,
    /// Always null: a token's secret goes in and never comes out.
    #[oai(nullable)]
    pub secret_key: Option<String>,
    /// 30 or 60; null for HOTP.
    #[oai(nullable)]
    pub time_interval_in_seconds: Option<i32>,
    /// `hmacsha1`, `hmacsha256` or `hmacsha512`.
    pub hash_function: String,
    /// `totp` (by time, RFC 6238) or `hotp` (by counter, RFC 4226). Not in Graph.
    pub otp_type: String,
    /// Digits of a code: 6 or 8. Not in Graph.
    pub digits: i32,
    /// `available`, `assigned`, `activated` or `failedActivation`.
    pub status: String,
    /// The user who has it.
    #[oai(nullable)]
    pub assigned_to: Option<IdentityView>,
    #[oai(nullable)]
    pub last_used_date_time: Option<String>,
}

impl DeviceView {
    /// `owner_name` is the display name of the user the token is assigned to, where it is known.
    pub fn new(device: Device, owner_name: Option<&str>) -> Self {
        Self {
            id: device.device_id.into_string(),
            display_name: device.display_name,
            serial_number: device.serial_number,
            manufacturer: device.manufacturer,
            model: device.model,
            secret_key: None,
            time_interval_in_seconds: (device.otp_type == OtpType::Totp).then_some(device.time_interval_seconds),
            hash_function: device.hash_function.as_str().into(),
            otp_type: device.otp_type.as_str().into(),
            digits: device.digits,
            status: device.status.as_str().into(),
            assigned_to: device.assigned_to.map(|id| IdentityView::new(id, owner_name)),
            last_used_date_time: device.last_used_at.map(|at| at.to_iso()),
        }
    }
}

/// Somebody, by id and name.
#[derive(Debug, Object)]
#[oai(rename = "Identity", rename_all = "camelCase")]
pub struct IdentityView {
    pub id: String,
    #[oai(nullable)]
    pub display_name: Option<String>,
}

impl IdentityView {
    fn new(id: UserId, display_name: Option<&str>) -> Self {
        Self { id: id.into_string(), display_name: display_name.map(str::to_owned) }
    }
}
