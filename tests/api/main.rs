//! The API, seen from outside: one module per resource.

#[path = "../support/mod.rs"]
mod support;

mod audits;
mod deleted_items;
mod devices;
mod drift;
mod edge;
mod emails;
mod errors;
mod hardware_oath;
mod hotp;
mod import;
mod methods;
mod oath_fixtures;
mod passes;
mod phones;
mod policies;
mod preferences;
mod pskc;
mod requirements;
mod reset;
mod roles;
mod sign_in;
mod software_oath;
mod tokens;
mod totp;
mod users;
