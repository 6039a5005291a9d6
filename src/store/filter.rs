//! A condition on rows: what an OData `$filter` means once it has been parsed and its fields are known.

/// How a field is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    StartsWith,
}

/// A tree over the fields `F` that a list knows; `F` carries the typed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter<F> {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Test(F, Operator),
}
