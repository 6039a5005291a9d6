//! The `rekey` command: parse, call, exit code.

use std::process::ExitCode;

use clap::Parser;
use rekey::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    rekey::cli::run(Cli::parse()).await
}
