//! What the list of a user's hardware tokens is asked with: `$filter` and `$select`. A user has a handful of tokens, so
//! they are picked from what was read.

use crate::{
    api::odata::bind::{self, Property, guid},
    error::{Error, Result},
    store::{
        devices::Device,
        filter::{
            Filter,
            Operator::{self, Eq, StartsWith},
        },
    },
};

/// What the list can be filtered by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TokenField {
    Id(String),
    DisplayName(String),
    SerialNumber(String),
    Status(String),
}

const FILTERABLE: &[Property<TokenField>] = &[
    Property::text("id", &[Eq], |value| TokenField::Id(guid(value))),
    Property::text("displayName", &[Eq, StartsWith], TokenField::DisplayName),
    Property::text("device/serialNumber", &[Eq, StartsWith], TokenField::SerialNumber),
    Property::text("device/status", &[Eq], TokenField::Status),
];

/// Which of a user's tokens are listed.
pub struct TokenFilter(Option<Filter<TokenField>>);

impl TokenFilter {
    pub fn parse(text: Option<&str>) -> Result<Self> {
        text.map(|text| bind::read(text, FILTERABLE)).transpose().map(Self)
    }

    pub fn finds(&self, device: &Device) -> bool {
        self.0.as_ref().is_none_or(|filter| is_true(filter, device))
    }
}

fn is_true(filter: &Filter<TokenField>, device: &Device) -> bool {
    match filter {
        Filter::And(left, right) => is_true(left, device) && is_true(right, device),
        Filter::Or(left, right) => is_true(left, device) || is_true(right, device),
        Filter::Not(inner) => !is_true(inner, device),
        Filter::Test(field, operator) => test(field, *operator, device),
    }
}

fn test(field: &TokenField, operator: Operator, device: &Device) -> bool {
    let compare = |has: Option<&str>, text: &str| match operator {
        StartsWith => has.is_some_and(|has| has.starts_with(text)),
        _ => has == Some(text),
    };
    match field {
        TokenField::Id(id) => compare(Some(device.device_id.as_str()), id),
        TokenField::DisplayName(name) => compare(device.display_name.as_deref(), name),
        TokenField::SerialNumber(serial_number) => compare(Some(&device.serial_number), serial_number),
        TokenField::Status(status) => compare(Some(device.status.as_str()), status),
    }
}

/// The properties of a user's token.
const PROPERTIES: [&str; 5] = ["id", "displayName", "createdDateTime", "lastUsedDateTime", "device"];

/// Which properties an answer has; all unless `$select` says otherwise.
pub struct Selection(Vec<&'static str>);

impl Selection {
    /// Reads `$select`: names with commas between them, in any case as Graph takes them.
    pub fn parse(select: Option<&str>) -> Result<Self> {
        let Some(select) = select else { return Ok(Self(PROPERTIES.to_vec())) };
        let known = |name: &str| {
            let name = name.trim();
            PROPERTIES.iter().copied().find(|known| known.eq_ignore_ascii_case(name)).ok_or_else(|| {
                let name: String = name.chars().take(64).collect();
                let message = format!("There is no property '{name}' here; $select takes {}.", PROPERTIES.join(", "));
                Error::invalid("$select", message)
            })
        };
        select.split(',').map(known).collect::<Result<_>>().map(Self)
    }

    pub fn has(&self, property: &str) -> bool {
        self.0.contains(&property)
    }
}
