//! The command line: one file per family of commands. Results are JSON on standard output, messages go to standard
//! error, and a failure ends non-zero.

mod admin;
mod audit;
mod authenticator;
mod database;
mod import;
mod receipt;
mod reset;
mod sending;
mod serve;

use std::{
    io::{ErrorKind, IsTerminal, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::error::{Error, Result};

/// Rekey: an authentication-method directory with a Microsoft-Graph-style API that resets all MFA of a user safely.
#[derive(Debug, Parser)]
#[command(name = "rekey", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and its documentation.
    Serve(Box<serve::Serve>),
    /// Bring the database up to date and stop.
    Migrate(database::Database),
    /// Tenants: customer organizations and partners.
    #[command(subcommand)]
    Tenant(admin::TenantCommand),
    /// Applications: who may call the API, with which permissions.
    #[command(subcommand)]
    App(admin::AppCommand),
    /// Users.
    #[command(subcommand)]
    User(import::UserCommand),
    /// The inventory of hardware OATH tokens.
    #[command(subcommand)]
    HardwareOath(import::HardwareOathCommand),
    /// Reset all MFA of many users, named in a CSV file.
    Reset(Box<reset::Reset>),
    /// Receipts of finished resets.
    #[command(subcommand)]
    Receipt(receipt::ReceiptCommand),
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// A small authenticator app for the terminal: docs/authenticator-protocol.md, spoken from the other side.
    #[command(subcommand)]
    Authenticator(authenticator::AuthenticatorCommand),
    /// Print the OpenAPI document.
    Openapi,
}

pub async fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(command) => command.run().await,
        Command::Migrate(database) => database.open().map(|_| ExitCode::SUCCESS),
        Command::Tenant(command) => command.run().await,
        Command::App(command) => command.run().await,
        Command::User(command) => command.run().await,
        Command::HardwareOath(command) => command.run().await,
        Command::Reset(command) => command.run().await,
        Command::Receipt(command) => command.run().await,
        Command::Audit(command) => command.run().await,
        Command::Authenticator(command) => command.run().await,
        Command::Openapi => openapi(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("rekey: {}", error.message());
        ExitCode::FAILURE
    })
}

/// `RUST_LOG` chooses what is logged, or else `default`.
fn log_to_standard_error(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}

/// Users of one tenant that a reset of many users resets in a second, unless another rate is asked for.
const RATE: u32 = 5_000;

/// The result of a command, on standard output.
fn print(result: &impl Serialize) -> Result<ExitCode> {
    let text = serde_json::to_string_pretty(result).map_err(Error::internal)?;
    say(&text)
}

/// Writes to standard output. Whoever stopped listening (`rekey openapi | head`) has what he wanted.
fn say(text: &str) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::internal(error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn openapi() -> Result<ExitCode> {
    say(&crate::api::document()?)
}
