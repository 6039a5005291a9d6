//! `rekey reset`: the reset of many users from the terminal, by the operator of the database.
//!
//! It works without a server: the command takes the workers' turns itself while it waits, and so does every server on the
//! same database. Whoever stops it stops nobody else, and whatever was begun goes on with the next one that works.

mod create;
mod follow;
mod job;
mod summary;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode, time::Duration};

use clap::{ArgGroup, Args};
use tokio::{sync::oneshot, task::JoinSet};

use super::{RATE, database::Database};
use crate::{
    error::{Error, Result},
    methods::MethodKind,
    mfa_resets::{
        MfaReset,
        work::{self, Pace},
    },
    store::{Store, mfa_resets::MfaResetStatus},
};
use job::Job;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["file", "follow", "cancel"])))]
pub struct Reset {
    #[command(flatten)]
    database: Database,
    /// Whom to reset: CSV with the lines tenant,user[,reason], with or without a heading; - for standard input
    #[arg(long)]
    file: Option<PathBuf>,
    /// Attach to a reset that exists: ask for its confirmation if it has none, and wait for its end
    #[arg(long, value_name = "ID")]
    follow: Option<String>,
    /// Stop a reset at the next user; who was reset stays reset
    #[arg(long, value_name = "ID")]
    cancel: Option<String>,
    #[command(flatten)]
    new: New,
    /// Confirm without asking
    #[arg(long, conflicts_with = "cancel")]
    yes: bool,
    /// Confirm, and leave the work to a server on the same database
    #[arg(long, conflicts_with = "cancel")]
    detach: bool,
    /// Users of one tenant that are reset in a second, at most; 0 for as many as can be
    #[arg(long, env = "REKEY_MFA_RESET_RATE", default_value_t = RATE)]
    rate: u32,
}

/// What is said of a new reset only.
#[derive(Debug, Args)]
struct New {
    /// Id or default domain of the tenant in whose log the reset as a whole stands, and whose the users are whose lines
    /// name no tenant [default: the tenant of the first line]
    #[arg(long, requires = "file")]
    tenant: Option<String>,
    /// Why, for the users whose line does not say
    #[arg(long, requires = "file")]
    reason: Option<String>,
    /// Also delete methods of this kind, such as fido2, email or temporaryAccessPass; repeat for more
    #[arg(long, requires = "file", value_name = "KIND", value_parser = kind)]
    also_delete: Vec<MethodKind>,
    /// Do not end the users' sessions
    #[arg(long, requires = "file")]
    keep_sessions: bool,
}

fn kind(name: &str) -> Result<MethodKind, String> {
    let kinds = MethodKind::ALL.iter().filter(|kind| kind.may_also_be_deleted());
    kinds.clone().find(|kind| kind.as_str().eq_ignore_ascii_case(name)).copied().ok_or_else(|| {
        let names: Vec<_> = kinds.map(|kind| kind.as_str()).collect();
        format!("a reset can be told to delete {}", names.join(", "))
    })
}

/// How the command leaves a reset.
enum Ending {
    /// Nothing will change any more.
    Over,
    /// It waits for somebody to confirm it; why, and what to do.
    Unconfirmed(String),
    /// It is confirmed and goes on elsewhere.
    Detached,
    /// By Ctrl-C.
    Interrupted,
}

/// As shells have it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

impl Reset {
    pub async fn run(mut self) -> Result<ExitCode> {
        super::log_to_standard_error("warn");
        let app = self.database.app("")?;
        let job = match (self.file.take(), &self.follow, &self.cancel) {
            (Some(file), ..) => create::create(app, &file, &self.new).await?,
            (None, Some(id), _) | (None, None, Some(id)) => Job::find(app, id).await?,
            (None, None, None) => return Err(Error::invalid("--file", "Say whom to reset with --file.")),
        };
        if self.cancel.is_some() {
            job.cancel().await?;
        }
        // Until here Ctrl-C ends the process, and nothing has begun.
        let ending = tokio::select! {
            ending = self.carry_through(&job) => ending,
            Ok(()) = tokio::signal::ctrl_c() => Ok(Ending::Interrupted),
        };
        if ending.is_err() {
            eprintln!("{}", job.how_to_attach());
        }
        let wanted = match self.cancel {
            Some(_) => MfaResetStatus::Cancelled,
            None => MfaResetStatus::Succeeded,
        };
        job.conclude(ending?, wanted).await
    }

    /// From the preview to the end, as far as it may go.
    async fn carry_through(&self, job: &Job) -> Result<Ending> {
        let workers = Workers::start(&job.app.store, Pace::users_per_second(self.rate));
        let previewed = |reset: &MfaReset| reset.status != MfaResetStatus::Previewing;
        let mut status =
            follow::until(job, "Looking", |counts| counts.total() - counts.queued, previewed).await?.status;
        if status == MfaResetStatus::AwaitingConfirmation {
            let reset = job.look().await?;
            eprint!("{}", summary::text(&reset));
            if let Some(why) = self.withheld(job, &reset).await? {
                return Ok(Ending::Unconfirmed(why));
            }
            if self.detach {
                // Before it is confirmed, so that nothing begins here.
                drop(workers);
            }
            status = job.confirm(reset.version).await?.status;
        }
        if self.detach && status == MfaResetStatus::Running {
            return Ok(Ending::Detached);
        }
        follow::until(job, "Resetting", |counts| counts.settled(), MfaReset::is_over).await?;
        Ok(Ending::Over)
    }

    /// Why the reset that was shown is not confirmed now, if it is not.
    async fn withheld(&self, job: &Job, reset: &MfaReset) -> Result<Option<String>> {
        let users = reset.counts.pending;
        if users == 0 {
            return Ok(Some("There is nobody to reset, so there is nothing to confirm.".into()));
        }
        if job.needs_another_person(reset) {
            let why = format!(
                "So many users are reset only when a second person confirms: somebody else who may reset users does so \
                 with POST /mfaResets/{}/confirm.",
                job.id
            );
            return Ok(Some(why));
        }
        if self.yes {
            return Ok(None);
        }
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Ok(Some(
                "Nobody can be asked without a terminal: add --yes to confirm without being asked.".into(),
            ));
        }
        eprint!("Reset {} now? This cannot be undone. Type yes to go on: ", summary::count(users, "user"));
        Ok(match answer().await?.trim() {
            "yes" => None,
            _ => Some("It was not confirmed.".into()),
        })
    }
}

/// The line that is typed, on a thread of its own: the runtime would wait for one of its own threads even after Ctrl-C.
async fn answer() -> Result<String> {
    let (reply, typed) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        // Nobody waits after Ctrl-C.
        let _ = reply.send(read.map(|_| line));
    });
    typed.await.map_err(Error::internal)?.map_err(Error::internal)
}

/// After every turn, so that a server on the same SQLite file gets at it too.
const BREATH: Duration = Duration::from_millis(20);

/// This process takes turns on whatever is due until this is dropped.
struct Workers {
    _tasks: JoinSet<()>,
}

impl Workers {
    fn start(store: &Store, pace: Pace) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(work::run(store.clone(), pace, BREATH));
        Self { _tasks: tasks }
    }
}
