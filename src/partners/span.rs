//! How long a relationship lasts: an ISO 8601 duration in whole days, counted in the calendar.

use chrono::{Days, Months, NaiveDate};

use crate::clock::Timestamp;

/// Years and months are months, weeks and days are days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    months: u32,
    days: u64,
}

impl Span {
    /// Reads `P[n]Y[n]M[n]W[n]D` with at least one part, each of at most four digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut span = Self { months: 0, days: 0 };
        let mut units = "YMWD".chars();
        let mut rest = text.strip_prefix('P').filter(|rest| !rest.is_empty())?;
        while !rest.is_empty() {
            let end = rest.find(|character: char| !character.is_ascii_digit()).filter(|end| (1..=4).contains(end))?;
            let (number, unit) = rest.split_at(end);
            let number: u32 = number.parse().ok()?;
            let unit = unit.chars().next()?;
            // Each unit once, the larger first.
            units.find(|known| *known == unit)?;
            match unit {
                'Y' => span.months += 12 * number,
                'M' => span.months += number,
                'W' => span.days += 7 * u64::from(number),
                _ => span.days += u64::from(number),
            }
            rest = &rest[end + 1..];
        }
        Some(span)
    }

    /// From a day to two years, counted from the first day of an ordinary year.
    pub(super) fn is_allowed(self) -> bool {
        let date = |year, day| NaiveDate::from_yo_opt(year, day);
        let end = date(2001, 1).and_then(|start| self.after_date(start));
        end.is_some_and(|end| Some(end) >= date(2001, 2) && Some(end) <= date(2003, 1))
    }

    fn after_date(self, start: NaiveDate) -> Option<NaiveDate> {
        start.checked_add_months(Months::new(self.months))?.checked_add_days(Days::new(self.days))
    }

    /// The moment at which a span that begins at `start` ends: at the same time of the day.
    pub(super) fn after(self, start: Timestamp) -> Timestamp {
        let end = start.to_datetime().checked_add_months(Months::new(self.months));
        end.and_then(|end| end.checked_add_days(Days::new(self.days))).map_or(start, Timestamp::from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_to_two_years() {
        for good in ["P1D", "P730D", "P2Y", "P24M", "P104W", "P1Y6M", "P1Y12M", "P1Y1M1W1D", "P0Y1D"] {
            assert!(Span::parse(good).is_some_and(Span::is_allowed), "{good}");
        }
        for bad in ["P0D", "P731D", "P2Y1D", "P25M", "P3Y", "P9999Y", "P9999D"] {
            assert!(!Span::parse(bad).unwrap().is_allowed(), "{bad}");
        }
        for unreadable in [
            "", "P", "1D", "P1", "PD", "P1H", "PT24H", "P1DT1H", "P-1D", "P1D1Y", "P1D1D", "P1.5D", "p1d", "P12345D",
            "P1D ",
        ] {
            assert_eq!(Span::parse(unreadable), None, "{unreadable}");
        }
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        let end =
            |start: &str, span: &str| Span::parse(span).unwrap().after(Timestamp::parse_iso(start).unwrap()).to_iso();
        assert_eq!(end("2026-01-31T08:00:00Z", "P1M"), "2026-02-28T08:00:00Z");
        assert_eq!(end("2028-02-29T08:00:00.5Z", "P1Y"), "2029-02-28T08:00:00.500000Z");
        assert_eq!(end("2026-11-23T08:00:00Z", "P1Y1D"), "2027-11-24T08:00:00Z");
        assert_eq!(end("2026-11-23T08:00:00Z", "P730D"), "2028-11-22T08:00:00Z");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "P?[0-9YMWDTé]{0,12}") {
            if let Some(span) = Span::parse(&text) {
                span.is_allowed();
                span.after(Timestamp::from_seconds(0));
            }
        }
    }
}
