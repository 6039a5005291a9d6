//! What callers send about hardware tokens of users.

use poem_openapi::{Object, types::Example};

use crate::{
    api::{examples, strict_json::text},
    hardware_oath::Activation,
};

/// A token of the inventory.
#[derive(Debug, Object)]
#[oai(rename = "HardwareOathDeviceReference", deny_unknown_fields, example)]
pub struct DeviceReference {
    /// The id of the device.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    pub id: String,
}

impl Example for DeviceReference {
    fn example() -> Self {
        Self { id: examples::available_device() }
    }
}

/// Which token to assign.
#[derive(Debug, Object)]
#[oai(rename = "HardwareOathAssignment", deny_unknown_fields, example)]
pub struct AssignBody {
    pub device: DeviceReference,
}

impl Example for AssignBody {
    fn example() -> Self {
        Self { device: DeviceReference::example() }
    }
}

/// A code from the token.
#[derive(Object)]
#[oai(rename = "HardwareOathActivation", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct ActivateBody {
    /// The 6 or 8 digits that the token shows now.
    #[oai(validator(max_length = 16), deserialize_with = "text")]
    pub verification_code: String,
    /// A new name for the token; at most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    pub display_name: Option<String>,
}

impl Example for ActivateBody {
    fn example() -> Self {
        Self { verification_code: "123456".into(), display_name: Some("Blue token".into()) }
    }
}

impl From<ActivateBody> for Activation {
    fn from(body: ActivateBody) -> Self {
        Self { verification_code: body.verification_code, display_name: body.display_name }
    }
}

/// Two codes that the token showed one after the other.
#[derive(Object)]
#[oai(rename = "HardwareOathResync", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct ResyncBody {
    /// The code that the token showed first.
    #[oai(validator(max_length = 16), deserialize_with = "text")]
    pub verification_code: String,
    /// The code that it showed next.
    #[oai(validator(max_length = 16), deserialize_with = "text")]
    pub next_verification_code: String,
}

impl Example for ResyncBody {
    fn example() -> Self {
        Self { verification_code: "123456".into(), next_verification_code: "654321".into() }
    }
}

/// Which token to assign, and a code from it.
#[derive(Object)]
#[oai(rename = "HardwareOathAssignmentAndActivation", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct AssignAndActivateBody {
    pub device: DeviceReference,
    /// The 6 or 8 digits that the token shows now.
    #[oai(validator(max_length = 16), deserialize_with = "text")]
    pub verification_code: String,
    /// A new name for the token; at most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    pub display_name: Option<String>,
}

impl Example for AssignAndActivateBody {
    fn example() -> Self {
        Self { device: DeviceReference::example(), verification_code: "123456".into(), display_name: None }
    }
}

/// The serial number of the token to assign, and a code from it.
#[derive(Object)]
#[oai(rename = "HardwareOathActivationBySerialNumber", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct BySerialNumberBody {
    /// As it is printed on the token.
    #[oai(validator(max_length = 128), deserialize_with = "text")]
    pub serial_number: String,
    /// The 6 or 8 digits that the token shows now.
    #[oai(validator(max_length = 16), deserialize_with = "text")]
    pub verification_code: String,
    /// A new name for the token; at most 256 characters.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    pub display_name: Option<String>,
}

impl Example for BySerialNumberBody {
    fn example() -> Self {
        Self {
            serial_number: examples::available_serial_number(),
            verification_code: "123456".into(),
            display_name: None,
        }
    }
}
