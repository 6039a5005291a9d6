//! The API, seen from outside: one module per resource.

#[path = "../support/mod.rs"]
mod support;

mod audits;
mod deleted_items;
mod devices;
mod edge;
mod errors;
mod hardware_oath;
mod import;
mod oath_fixtures;
mod roles;
mod software_oath;
mod tokens;
mod totp;
mod users;
