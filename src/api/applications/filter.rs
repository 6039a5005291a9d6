//! The `$filter` of the list of applications. A tenant has at most 999 of them, so they are picked from what was read.

use crate::{
    api::odata::bind::{self, Property, guid},
    error::{Error, Result},
    store::{
        applications::Application,
        filter::{
            Filter,
            Operator::{self, Eq, StartsWith},
        },
    },
};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Id(String),
    /// In lower case: names are compared without regard to it, as everywhere.
    DisplayName(String),
}

const FILTERABLE: &[Property<Field>] = &[
    Property::text("id", &[Eq], |value| Field::Id(guid(value))),
    Property::text("appId", &[Eq], |value| Field::Id(guid(value))),
    Property::text("displayName", &[Eq, StartsWith], |value| Field::DisplayName(value.to_lowercase())),
];

/// Which applications are listed; all without a filter.
pub struct ApplicationFilter(Option<Filter<Field>>);

impl ApplicationFilter {
    pub fn parse(text: Option<&str>) -> Result<Self> {
        text.map(|text| bind::read(text, FILTERABLE)).transpose().map(Self).map_err(Error::in_directory)
    }

    /// Whether every application is listed, so that a page can be read as one.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub fn finds(&self, application: &Application) -> bool {
        self.0.as_ref().is_none_or(|filter| is_true(filter, application))
    }
}

fn is_true(filter: &Filter<Field>, application: &Application) -> bool {
    match filter {
        Filter::And(left, right) => is_true(left, application) && is_true(right, application),
        Filter::Or(left, right) => is_true(left, application) || is_true(right, application),
        Filter::Not(inner) => !is_true(inner, application),
        Filter::Test(field, operator) => test(field, *operator, application),
    }
}

fn test(field: &Field, operator: Operator, application: &Application) -> bool {
    match field {
        Field::Id(id) => application.application_id.as_str() == id,
        Field::DisplayName(name) if operator == StartsWith => {
            application.display_name.to_lowercase().starts_with(name.as_str())
        }
        Field::DisplayName(name) => application.display_name.to_lowercase() == *name,
    }
}
