//! The API, seen from outside: one module per resource.

#[path = "../support/mod.rs"]
mod support;

mod audits;
mod deleted_items;
mod edge;
mod errors;
mod roles;
mod tokens;
mod users;
