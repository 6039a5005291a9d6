//! The one `$filter` that Graph documents for the inventory: `status eq '...'` and `serialNumber eq '...'`, joined by
//! `and`.

use crate::{
    error::{Error, Result},
    store::devices::{DeviceFilter, DeviceStatus},
};

/// Reads the filter; an empty one asks for everything. What cannot be read is refused by naming it.
pub fn parse(text: &str) -> Result<DeviceFilter> {
    let mut filter = DeviceFilter::default();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Ok(filter);
    }
    loop {
        let (property, after) = word(rest);
        let (operator, after) = word(after);
        if operator != "eq" {
            return Err(refuse(rest));
        }
        let (value, after) = quoted(after).ok_or_else(|| refuse(rest))?;
        match property {
            "status" if filter.status.is_none() => {
                let status = DeviceStatus::parse(&value);
                let known = || {
                    let words: Vec<_> = DeviceStatus::ALL.iter().map(|status| status.as_str()).collect();
                    Error::invalid("$filter", format!("status is one of {}.", words.join(", ")))
                };
                filter.status = Some(status.ok_or_else(known)?);
            }
            "serialNumber" if filter.serial_number.is_none() => filter.serial_number = Some(value),
            _ => return Err(refuse(rest)),
        }
        rest = after;
        if rest.is_empty() {
            return Ok(filter);
        }
        let (and, after) = word(rest);
        if and != "and" {
            return Err(refuse(rest));
        }
        rest = after;
    }
}

/// The first word, and what follows it without the blanks between.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// A text in single quotes (a quote within it is doubled), and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None if after.is_empty() || after.starts_with(' ') => return Some((value, after.trim_start())),
            None => return None,
        }
    }
}

fn refuse(part: &str) -> Error {
    let part: String = part.chars().filter(|char| !char.is_control()).take(64).collect();
    Error::invalid(
        "$filter",
        format!("'{part}' is not supported: filter by status eq '...' and serialNumber eq '...', joined by and."),
    )
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
            "status eq 'activated'and serialNumber eq '1'",
            "status eq 'activated' and status eq 'activated'",
            "model eq 'x'",
            "startswith(serialNumber,'1')",
            "serialNumber eq '1",
            "not status eq 'activated'",
            "(status eq 'activated')",
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
        fn any_serial_number_can_be_asked_for(serial in ".{0,40}") {
            let filter = parse(&format!("serialNumber eq '{}' and status eq 'assigned'", serial.replace('\'', "''")));
            prop_assert_eq!(filter.unwrap().serial_number, Some(serial));
        }
    }
}
