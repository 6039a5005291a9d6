//! The `$filter` that Graph documents for the inventory: `status eq '...'` and `serialNumber eq '...'`, joined by `and`.

use crate::{
    api::odata::bind::{self, Property},
    error::{Error, Result},
    store::{
        devices::{DeviceFilter, DeviceStatus},
        filter::{Filter, Operator::Eq},
    },
};

enum Field {
    Status(String),
    SerialNumber(String),
}

const FILTERABLE: &[Property<Field>] =
    &[Property::text("status", &[Eq], Field::Status), Property::text("serialNumber", &[Eq], Field::SerialNumber)];

/// Reads the filter; an empty one asks for everything. What is not supported is refused by naming it.
pub fn parse(text: &str) -> Result<DeviceFilter> {
    let mut wanted = DeviceFilter::default();
    if !text.trim().is_empty() {
        collect(bind::read(text, FILTERABLE)?, &mut wanted)?;
    }
    Ok(wanted)
}

fn collect(filter: Filter<Field>, wanted: &mut DeviceFilter) -> Result<()> {
    let refuse = |what: &str| {
        let message =
            format!("{what} is not supported: filter by status eq '...' and serialNumber eq '...', joined by and.");
        Err(Error::invalid("$filter", message))
    };
    match filter {
        Filter::And(left, right) => {
            collect(*left, wanted)?;
            collect(*right, wanted)
        }
        Filter::Or(..) => refuse("'or'"),
        Filter::Not(_) => refuse("'not'"),
        Filter::Test(Field::Status(_), _) if wanted.status.is_some() => refuse("A second status"),
        Filter::Test(Field::SerialNumber(_), _) if wanted.serial_number.is_some() => refuse("A second serialNumber"),
        Filter::Test(Field::Status(value), _) => {
            let words = DeviceStatus::ALL.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", ");
            let status = DeviceStatus::parse(&value);
            wanted.status =
                Some(status.ok_or_else(|| Error::invalid("$filter", format!("status is one of {words}.")))?);
            Ok(())
        }
        Filter::Test(Field::SerialNumber(value), _) => {
            wanted.serial_number = Some(value);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_graph_documents() {
        let read = |text| parse(text).map(|filter| (filter.status, filter.serial_number));
        let serial = |text: &str| Some(text.to_owned());
        assert_eq!(read("").unwrap(), (None, None));
        assert_eq!(read("status eq 'activated'").unwrap(), (Some(DeviceStatus::Activated), None));
        assert_eq!(read("(status EQ 'activated')").unwrap(), (Some(DeviceStatus::Activated), None));
        assert_eq!(read(" serialNumber  eq  'TOTP''s and more' ").unwrap(), (None, serial("TOTP's and more")));
        assert_eq!(
            read("serialNumber eq '1' and status eq 'available'").unwrap(),
            (Some(DeviceStatus::Available), serial("1"))
        );
        for wrong in [
            "status eq activated",
            "status eq 'Activated'",
            "status ne 'activated'",
            "status eq 'activated' or serialNumber eq '1'",
            "status eq 'activated' and",
            "status eq 'activated' and status eq 'activated'",
            "model eq 'x'",
            "startswith(serialNumber,'1')",
            "serialNumber eq '1",
            "not status eq 'activated'",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_serial_number_can_be_asked_for(serial in "\\PC{0,40}") {
            let filter = parse(&format!("serialNumber eq '{}' and status eq 'assigned'", serial.replace('\'', "''")));
            prop_assert_eq!(filter.unwrap().serial_number, Some(serial));
        }
    }
}
