//! The API, seen from outside: one module per resource.

#[path = "../support/mod.rs"]
mod support;

mod devices;
mod errors;
mod hardware_oath;
mod import;
mod oath_fixtures;
mod software_oath;
mod totp;
