//! What a long list is asked for: a condition on rows (an OData `$filter` once it has been parsed and its fields are
//! known), an order, and where the page before ended.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// How a field is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    StartsWith,
    EndsWith,
}

/// A tree over the fields `F` that a list knows; `F` carries the typed value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter<F> {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Test(F, Operator),
}

impl<F> Filter<F> {
    /// The tests that must all be true, whatever else must be.
    pub fn demanded(&self) -> Vec<(&F, Operator)> {
        match self {
            Self::And(left, right) => left.demanded().into_iter().chain(right.demanded()).collect(),
            Self::Test(field, operator) => vec![(field, *operator)],
            Self::Or(..) | Self::Not(_) => vec![],
        }
    }

    fn is_conjunction(&self) -> bool {
        match self {
            Self::And(left, right) => left.is_conjunction() && right.is_conjunction(),
            Self::Test(..) => true,
            Self::Or(..) | Self::Not(_) => false,
        }
    }
}

/// How far the rows of a log can lie apart that have one value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is the moment that the log is ordered by.
    Moment,
    /// A value has few rows, which its index holds together.
    Few,
    /// A value may have most of the log.
    Many,
}

impl<F> Filter<F> {
    /// Whether an index leads to the rows that are found, so that few others are read on the way.
    pub fn is_led(&self, reach: impl Fn(&F) -> Reach) -> bool {
        let demanded = self.demanded();
        let others: Vec<_> = demanded.iter().filter(|(field, _)| reach(field) != Reach::Moment).collect();
        let is_few = |(field, operator): &(&F, Operator)| *operator == Operator::Eq && reach(field) == Reach::Few;
        let is_one = match others.as_slice() {
            [] => true,
            [(_, operator)] => *operator == Operator::Eq,
            _ => false,
        };
        demanded.iter().any(is_few) || (self.is_conjunction() && is_one)
    }
}

/// Where a page ended: its last row's moment, and what settles the order of rows of the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<T> {
    pub at: Timestamp,
    pub tie: T,
}

/// What a list of a log asks for: newest first unless `ascending`.
#[derive(Debug, Clone)]
pub struct LogQuery<F, T> {
    pub filter: Option<Filter<F>>,
    pub ascending: bool,
    pub after: Option<Position<T>>,
    /// Rows behind this one are not looked at.
    pub until: Option<Position<T>>,
    pub limit: i64,
}

impl<F, T> Default for LogQuery<F, T> {
    fn default() -> Self {
        Self { filter: None, ascending: false, after: None, until: None, limit: 0 }
    }
}

impl<F: Clone, T: Clone> LogQuery<F, T> {
    /// Asks along the moments alone for the last row that a page may look at, behind `most - 1` others; `None` when the
    /// filter is led by an index, so that there need be no such row.
    pub fn window(&self, reach: impl Fn(&F) -> Reach) -> Option<Self> {
        let filter = self.filter.as_ref().filter(|filter| !filter.is_led(&reach))?;
        let moments = filter.demanded().into_iter().filter(|(field, _)| reach(field) == Reach::Moment);
        let moments = moments.map(|(field, operator)| Filter::Test(field.clone(), operator));
        let filter = moments.reduce(|left, right| Filter::And(Box::new(left), Box::new(right)));
        Some(Self { filter, limit: 1, ..self.clone() })
    }
}

/// A page of a log, and where the next begins although this one is not full.
#[derive(Debug, Clone)]
pub struct LogPage<R, T> {
    pub rows: Vec<R>,
    pub next: Option<Position<T>>,
}

impl<R, T> LogPage<R, T> {
    /// What was read for `query` as far as `until`. A full page ends with its own last row.
    pub fn new<F>(query: &LogQuery<F, T>, rows: Vec<R>, until: Option<Position<T>>) -> Self {
        let is_full = rows.len() as i64 >= query.limit;
        Self { rows, next: until.filter(|_| !is_full) }
    }
}

/// The first text behind all that begin with `prefix`, in the order of bytes; `None` when there is none.
pub fn end_of(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // Surrogates are no characters, and are stepped over.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::end_of;

    proptest! {
        #[test]
        fn a_prefix_is_a_range(prefix in "\\PC{1,4}", rest in "\\PC{0,3}", other in "\\PC{0,6}") {
            let is_within = |text: &str| {
                text >= prefix.as_str() && end_of(&prefix).is_none_or(|end| text < end.as_str())
            };
            let text = format!("{prefix}{rest}");
            prop_assert!(is_within(&text));
            prop_assert_eq!(is_within(&other), other.starts_with(&prefix));
        }
    }
}
