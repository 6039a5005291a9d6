//! The API, seen from outside: one module per resource.

#[path = "../support/mod.rs"]
mod support;

mod edge;
mod errors;
mod tokens;
