//! The API, seen from outside: one module per resource.

#[path = "../support/mod.rs"]
mod support;

mod audits;
mod authenticators;
mod deleted_items;
mod delivery;
mod devices;
mod drift;
mod edge;
mod emails;
mod errors;
mod hardware_oath;
mod hotp;
mod import;
mod lockouts;
mod methods;
mod methods_policy;
mod mfa_reset_approval;
mod oath_fixtures;
mod passes;
mod passkeys;
mod passwords;
mod phones;
mod policies;
mod preferences;
mod pskc;
mod pushes;
mod receivers;
mod registration_details;
mod requirements;
mod reset;
mod reset_matrix;
mod roles;
mod sign_in;
mod sign_in_edges;
mod sign_in_fixtures;
mod sign_in_log;
mod sign_in_tokens;
mod software_oath;
mod tokens;
mod totp;
mod users;
mod verification;
mod verification_limits;
mod virtual_passkey;
