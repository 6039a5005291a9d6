//! The API, seen from outside: one module per resource.

#[path = "../support/mod.rs"]
mod support;

mod emails;
mod errors;
mod methods;
mod passes;
mod phones;
mod policies;
mod preferences;
mod requirements;
mod reset;
