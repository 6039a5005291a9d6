//! What callers send about tokens of the inventory.

use std::borrow::Cow;

use poem_openapi::{
    Enum, Object,
    registry::MetaSchemaRef,
    types::{Example, MaybeUndefined, ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use secrecy::SecretString;
use serde_json::Value;

use crate::{
    api::{examples, strict_json::text},
    error::{Error, Result},
    hardware_oath::inventory::{DeviceChanges, NewDevice},
    store::devices::{DeviceHash, OtpType},
};

/// The hash of a token's codes (RFC 6238 section 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "HardwareOathTokenHashFunction")]
pub enum HashChoice {
    #[oai(rename = "hmacsha1")]
    Sha1,
    #[oai(rename = "hmacsha256")]
    Sha256,
    #[oai(rename = "hmacsha512")]
    Sha512,
}

impl From<HashChoice> for DeviceHash {
    fn from(choice: HashChoice) -> Self {
        match choice {
            HashChoice::Sha1 => Self::Sha1,
            HashChoice::Sha256 => Self::Sha256,
            HashChoice::Sha512 => Self::Sha512,
        }
    }
}

/// Whether a token's codes change with time (TOTP, RFC 6238) or with every press of its button (HOTP, RFC 4226).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "HardwareOathTokenOtpType")]
pub enum OtpChoice {
    #[oai(rename = "totp")]
    Totp,
    #[oai(rename = "hotp")]
    Hotp,
}

impl From<OtpChoice> for OtpType {
    fn from(choice: OtpChoice) -> Self {
        match choice {
            OtpChoice::Totp => Self::Totp,
            OtpChoice::Hotp => Self::Hotp,
        }
    }
}

/// A user.
#[derive(Debug, Object)]
#[oai(rename = "HardwareOathAssignTo", deny_unknown_fields, example)]
pub struct AssignToBody {
    /// The user's id or userPrincipalName.
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    pub id: String,
}

impl Example for AssignToBody {
    fn example() -> Self {
        Self { id: examples::new_hire() }
    }
}

/// A token to add to the inventory.
#[derive(Object)]
#[oai(rename = "HardwareOathDeviceRequest", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct CreateBody {
    /// As it is printed on the token; unique in the tenant.
    #[oai(validator(max_length = 128), deserialize_with = "text")]
    serial_number: String,
    #[oai(validator(max_length = 128), deserialize_with = "text")]
    manufacturer: String,
    #[oai(validator(max_length = 128), deserialize_with = "text")]
    model: String,
    /// Base32 (A to Z, 2 to 7), 16 to 128 characters. It goes in and never comes out.
    #[oai(validator(max_length = 128), deserialize_with = "text")]
    secret_key: String,
    /// 30 or 60. Needed for TOTP; without meaning for HOTP.
    time_interval_in_seconds: Option<i32>,
    /// Default: hmacsha1.
    hash_function: Option<HashChoice>,
    /// Default: totp.
    otp_type: Option<OtpChoice>,
    /// Digits of a code, 6 or 8. Default: 6.
    digits: Option<i32>,
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: Option<String>,
    /// Who gets it at once.
    assign_to: Option<AssignToBody>,
}

impl Example for CreateBody {
    fn example() -> Self {
        Self {
            serial_number: "GALT11429001".into(),
            manufacturer: "Thales".into(),
            model: "OTP 110 Token".into(),
            secret_key: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into(),
            time_interval_in_seconds: Some(30),
            hash_function: Some(HashChoice::Sha1),
            otp_type: None,
            digits: None,
            display_name: None,
            assign_to: None,
        }
    }
}

impl From<CreateBody> for NewDevice {
    fn from(body: CreateBody) -> Self {
        Self {
            serial_number: body.serial_number,
            manufacturer: body.manufacturer,
            model: body.model,
            secret_key: SecretString::from(body.secret_key),
            time_interval_in_seconds: body.time_interval_in_seconds,
            hash_function: body.hash_function.map_or(DeviceHash::Sha1, Into::into),
            otp_type: body.otp_type.map_or(OtpType::Totp, Into::into),
            digits: body.digits.unwrap_or(6),
            counter: 0,
            drift_steps: 0,
            display_name: body.display_name,
            assign_to: body.assign_to.map(|user| user.id),
        }
    }
}

/// A number of seconds that may come as text too: one of Microsoft's examples of the bulk request sends it so.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(i32);

impl Type for Seconds {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        i32::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        i32::schema_ref()
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for Seconds {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let number = match value {
            Some(Value::String(text)) => text.parse().map_err(|_| ParseError::custom("it is 30 or 60"))?,
            other => i32::parse_from_json(other).map_err(ParseError::propagate)?,
        };
        Ok(Self(number))
    }
}

impl ToJSON for Seconds {
    fn to_json(&self) -> Option<Value> {
        self.0.to_json()
    }
}

/// A token of a bulk request.
#[derive(Object)]
#[oai(rename = "HardwareOathBulkDevice", rename_all = "camelCase", deny_unknown_fields)]
pub struct BulkItem {
    /// The caller's number of the item; the answer keeps the order of the request.
    #[oai(rename = "@contentId", validator(max_length = 64))]
    content_id: Option<String>,
    #[oai(validator(max_length = 128), deserialize_with = "text")]
    serial_number: String,
    #[oai(validator(max_length = 128), deserialize_with = "text")]
    manufacturer: String,
    #[oai(validator(max_length = 128), deserialize_with = "text")]
    model: String,
    #[oai(validator(max_length = 128), deserialize_with = "text")]
    secret_key: String,
    /// 30 or 60. Needed for TOTP; without meaning for HOTP.
    time_interval_in_seconds: Option<Seconds>,
    hash_function: Option<HashChoice>,
    otp_type: Option<OtpChoice>,
    digits: Option<i32>,
    #[oai(validator(max_length = 256), deserialize_with = "text")]
    display_name: Option<String>,
    assign_to: Option<AssignToBody>,
}

impl From<BulkItem> for NewDevice {
    fn from(item: BulkItem) -> Self {
        CreateBody {
            serial_number: item.serial_number,
            manufacturer: item.manufacturer,
            model: item.model,
            secret_key: item.secret_key,
            time_interval_in_seconds: item.time_interval_in_seconds.map(|seconds| seconds.0),
            hash_function: item.hash_function,
            otp_type: item.otp_type,
            digits: item.digits,
            display_name: item.display_name,
            assign_to: item.assign_to,
        }
        .into()
    }
}

/// Tokens to add, all or none.
#[derive(Object)]
#[oai(rename = "HardwareOathBulkRequest", deny_unknown_fields, example)]
pub struct BulkBody {
    /// `#$delta`.
    #[oai(rename = "@context", validator(max_length = 64), deserialize_with = "text")]
    context: Option<String>,
    /// 1 to 100 tokens.
    #[oai(validator(min_items = 1, max_items = 100))]
    value: Vec<BulkItem>,
}

impl Example for BulkBody {
    fn example() -> Self {
        let item = |number: u8| BulkItem {
            content_id: Some(number.to_string()),
            serial_number: format!("GALT1142910{number}"),
            manufacturer: "Thales".into(),
            model: "OTP 110 Token".into(),
            secret_key: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into(),
            time_interval_in_seconds: Some(Seconds(30)),
            hash_function: Some(HashChoice::Sha1),
            otp_type: None,
            digits: None,
            display_name: None,
            assign_to: None,
        };
        Self { context: Some("#$delta".into()), value: vec![item(1), item(2)] }
    }
}

impl From<BulkBody> for Vec<NewDevice> {
    fn from(body: BulkBody) -> Self {
        body.value.into_iter().map(Into::into).collect()
    }
}

/// What to change; what is left out stays as it is.
#[derive(Debug, Object)]
#[oai(rename = "HardwareOathDeviceUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct UpdateBody {
    #[oai(validator(max_length = 128))]
    manufacturer: MaybeUndefined<String>,
    #[oai(validator(max_length = 128))]
    model: MaybeUndefined<String>,
    /// 30 or 60; what was learned of the token's clock is forgotten.
    time_interval_in_seconds: MaybeUndefined<i32>,
    hash_function: MaybeUndefined<HashChoice>,
    /// Null takes the name away.
    #[oai(validator(max_length = 256))]
    display_name: MaybeUndefined<String>,
}

impl Example for UpdateBody {
    fn example() -> Self {
        Self {
            manufacturer: MaybeUndefined::Undefined,
            model: MaybeUndefined::Undefined,
            time_interval_in_seconds: MaybeUndefined::Undefined,
            hash_function: MaybeUndefined::Undefined,
            display_name: MaybeUndefined::Value("Spare token".into()),
        }
    }
}

impl TryFrom<UpdateBody> for DeviceChanges {
    type Error = Error;

    fn try_from(body: UpdateBody) -> Result<Self> {
        let UpdateBody { manufacturer, model, time_interval_in_seconds, hash_function, display_name } = body;
        Ok(Self {
            manufacturer: not_null("manufacturer", manufacturer)?,
            model: not_null("model", model)?,
            time_interval_in_seconds: not_null("timeIntervalInSeconds", time_interval_in_seconds)?,
            hash_function: not_null("hashFunction", hash_function)?.map(Into::into),
            display_name: match display_name {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(name) => Some(Some(name)),
            },
        })
    }
}

fn not_null<T>(target: &str, value: MaybeUndefined<T>) -> Result<Option<T>> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Null => Err(Error::invalid(target, format!("{target} cannot be null."))),
        MaybeUndefined::Value(value) => Ok(Some(value)),
    }
}
