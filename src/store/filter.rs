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
    pub limit: i64,
}

impl<F, T> Default for LogQuery<F, T> {
    fn default() -> Self {
        Self { filter: None, ascending: false, after: None, limit: 0 }
    }
}
