//! Phone numbers as Graph wants them: `+{country code} {number}[x{extension}]`.
//!
//! Accepted is what people type: separators between the digits are dropped, and the country code is told from the
//! number by the numbering plan (libphonenumber's metadata), so `+4915112345678` and `+49 151 123-45678` are one
//! number. Nothing is guessed: a missing `+`, a national `(0)` or an unknown country code is refused.

use std::{fmt, str::FromStr};

use phonenumber::metadata::DATABASE;

use crate::error::{Error, Result};

/// ITU-T E.164 section 6.2.1: at most 15 digits, of which 1 to 3 are the country code.
const MAX_DIGITS: usize = 15;
const MAX_COUNTRY_CODE_DIGITS: usize = 3;
/// The shortest national numbers in use (Niue, Saint Helena) have four digits.
const MIN_NATIONAL_DIGITS: usize = 4;
/// Longer ones are typing errors: libphonenumber reads as many behind a bare `x`.
const MAX_EXTENSION_DIGITS: usize = 7;
/// Longer text than any way to write 15 digits and an extension.
const MAX_TEXT: usize = 64;

/// A phone number with its country code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneNumber {
    country_code: String,
    national: String,
    extension: Option<String>,
}

impl PhoneNumber {
    pub fn has_extension(&self) -> bool {
        self.extension.is_some()
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{} {}", self.country_code, self.national)?;
        self.extension.iter().try_for_each(|extension| write!(f, "x{extension}"))
    }
}

impl FromStr for PhoneNumber {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let message = format!(
                "{why} Write +{{country code}} {{number}}, with x{{extension}} where there is one: +1 2065550100 or +1 2065550100x123."
            );
            Error::invalid("phoneNumber", message)
        };
        if text.len() > MAX_TEXT {
            return Err(wrong("The phone number is too long."));
        }
        let rest = text.trim_matches(' ').strip_prefix('+').ok_or_else(|| wrong("The phone number has no '+'."))?;
        let (number, extension) = match rest.split_once(['x', 'X']) {
            Some((number, extension)) => (number, Some(extension.trim_matches(' ').to_owned())),
            None => (rest, None),
        };
        let well_formed = |extension: &String| {
            (1..=MAX_EXTENSION_DIGITS).contains(&extension.len()) && extension.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !extension.iter().all(well_formed) {
            return Err(wrong("The extension is not 1 to 7 digits."));
        }
        if number.contains("(0)") {
            return Err(wrong("Leave out the (0), which is not dialled from abroad."));
        }
        if number.chars().any(|c| !c.is_ascii_digit() && !matches!(c, ' ' | '-' | '.' | '(' | ')')) {
            return Err(wrong(
                "The phone number has characters other than digits, spaces, hyphens, dots and brackets.",
            ));
        }
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        if digits.len() > MAX_DIGITS {
            return Err(wrong("The phone number has more than 15 digits."));
        }
        let (country_code, national) =
            split_country_code(&digits).ok_or_else(|| wrong("The country code is unknown."))?;
        if national.len() < MIN_NATIONAL_DIGITS {
            return Err(wrong("The phone number is too short."));
        }
        Ok(Self { country_code: country_code.to_owned(), national: national.to_owned(), extension })
    }
}

/// Country codes are prefix-free, so the first that matches is the one.
fn split_country_code(digits: &str) -> Option<(&str, &str)> {
    (1..=MAX_COUNTRY_CODE_DIGITS).filter_map(|length| digits.split_at_checked(length)).find(|(code, _)| {
        !code.starts_with('0') && code.parse::<u16>().is_ok_and(|code| DATABASE.region(&code).is_some())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normalised(text: &str) -> Option<String> {
        text.parse::<PhoneNumber>().ok().map(|number| number.to_string())
    }

    /// Country codes by ITU-T's "List of Recommendation ITU-T E.164 assigned country codes"; numbers out of the ranges
    /// that regulators keep for fiction (NANPA 555-01XX, Ofcom, ACMA, BNetzA, ARCEP, PTS) or as ITU-T E.123 prints them.
    #[test]
    fn numbers_of_many_countries() {
        for (text, expected) in [
            ("+1 5555551234", "+1 5555551234"),
            ("+1 5555551234x123", "+1 5555551234x123"),
            ("+12065550100", "+1 2065550100"),
            ("+1 (206) 555-0100", "+1 2065550100"),
            ("+1.264.235.0100", "+1 2642350100"),
            ("+447700900123", "+44 7700900123"),
            ("+61 491 570 156", "+61 491570156"),
            ("+49 (171) 39-200-99", "+49 1713920099"),
            ("+33 6 39 98 01 23", "+33 639980123"),
            ("+46 70-174 06 05", "+46 701740605"),
            ("+390669812345", "+39 0669812345"),
            ("+79161234567", "+7 9161234567"),
            ("+77011234567", "+7 7011234567"),
            ("+41446681800", "+41 446681800"),
            ("+423 232 66 66", "+423 2326666"),
            ("+35312345678", "+353 12345678"),
            ("+6834002", "+683 4002"),
            ("+29022158", "+290 22158"),
            ("+88163123456", "+881 63123456"),
            ("+80012345678", "+800 12345678"),
            ("+8613912345678", "+86 13912345678"),
            ("+919876543210", "+91 9876543210"),
            ("+22607112233 X 0042", "+226 07112233x0042"),
            ("  +41 44 668 18 00  ", "+41 446681800"),
        ] {
            assert_eq!(normalised(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn whatever_is_doubtful_is_refused() {
        for text in [
            "",
            "+",
            "+1",
            "2065550100",
            "0012065550100",
            "+0 12345678",
            "+999 12345678",
            "+210 12345678",
            "+49 (0) 171 3920099",
            "+49 (0)171 3920099",
            "+1 206555CALL",
            "+1 2065550100x",
            "+1 2065550100x12345678",
            "+1 2065550100x12x3",
            "+1 2065550100;ext=5",
            "+1 2065550100,5",
            "+1 206\u{a0}5550100",
            "+1 206\t5550100",
            "+1 2065550100\0",
            "+1 ２０６５５５０１００",
            "+٤٤ ٧٧٠٠٩٠٠١٢٣",
            "++1 2065550100",
            "+1 +2065550100",
            "+1 206/555/0100",
            "+1 123",
            "+1 234567890123456",
            "••00",
        ] {
            assert_eq!(normalised(text), None, "{text:?}");
        }
        assert_eq!(normalised(&format!("+1{}2065550100", " ".repeat(80))), None);
        let message = "2065550100".parse::<PhoneNumber>().unwrap_err().to_string();
        assert!(message.contains("+1 2065550100"), "{message}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}|\\+[0-9 ().xX-]{0,70}|[\\x00-\\x7f]{0,40}") {
            if let Some(once) = normalised(&text) {
                prop_assert_eq!(normalised(&once), Some(once.clone()));
                // The same digits in the same order: nothing was lost or made up.
                let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
                prop_assert_eq!(digits(&once), digits(&text));
            }
        }

        /// How digits are grouped does not matter.
        #[test]
        fn separators_do_not_matter(gaps in proptest::collection::vec("[ .-]{0,2}", 11)) {
            let spaced: String = "44770090012".chars().zip(&gaps).map(|(digit, gap)| format!("{digit}{gap}")).collect();
            prop_assert_eq!(normalised(&format!("+{spaced}3")), Some("+44 7700900123".into()));
        }
    }
}
