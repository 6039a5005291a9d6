//! `rekey audit ...`.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use super::{database::Database, print};
use crate::{
    audit::verify::{self, Report},
    error::{Error, Result},
};

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Find changed, removed, inserted and truncated records; ends non-zero if there are any. Works beside a running
    /// server and on a copy of the database.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    database: Database,
    /// An earlier report of this command, kept elsewhere: the log must still contain what it contained then. Finds a
    /// database that was put back to an older state
    #[arg(long)]
    since: Option<PathBuf>,
}

impl AuditCommand {
    pub async fn run(self) -> Result<ExitCode> {
        let Self::Verify(command) = self;
        let anchors = match &command.since {
            None => vec![],
            Some(path) => {
                let unreadable = |why: String| Error::invalid("--since", format!("{}: {why}", path.display()));
                let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
                let earlier: Report = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
                earlier.anchors()
            }
        };
        let store = command.database.open_without_key()?;
        let report = verify::verify(&store, &anchors).await?;
        print(&report)?;
        Ok(if report.valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
