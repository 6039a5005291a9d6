//! Rekey: an authentication-method directory with a Microsoft-Graph-style API that resets all MFA of a user safely.
//!
//! The modules in floor order; each imports only floors below its own (`tests/floors.rs` keeps it so).

// Floor 1: no HTTP, no SQL.
pub mod clock;
pub mod config;
pub mod error;
pub mod id;
pub mod reach;
pub mod seal;
// The only way to the database.
pub mod store;
// Floor 2: rules. Plain synchronous functions over a transaction; no HTTP, no SQL.
pub mod access;
pub mod app;
pub mod applications;
pub mod audit;
pub mod demo;
pub mod directory;
pub mod hardware_oath;
pub mod idempotency;
pub mod messages;
pub mod methods;
pub mod mfa_resets;
pub mod partners;
pub mod policy;
pub mod reports;
pub mod reset;
pub mod roles;
pub mod sign_in;
pub mod tenants;
pub mod throttle;
pub mod tokens;
pub mod trusted_issuers;
pub mod worker;
// Sending what the rules have put into the outbox.
pub mod delivery;
// Floor 3: HTTP.
pub mod api;
// Above all.
pub mod cli;
pub mod server;
