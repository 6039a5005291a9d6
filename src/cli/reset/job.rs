//! One reset as the operator handles it: the same rules as over the API, for `operator` of the tenant in whose log it
//! stands.

use std::process::ExitCode;

use super::{Ending, INTERRUPTED, summary};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    cli::print,
    error::{Error, Result},
    id::MfaResetId,
    mfa_resets::{self, MfaReset},
    store::{
        self, Tx,
        mfa_resets::MfaResetStatus::{self, AwaitingConfirmation},
    },
};

pub struct Job {
    pub app: App,
    pub caller: Caller,
    pub id: MfaResetId,
}

impl Job {
    /// A reset by its id, whosever it is.
    pub async fn find(app: App, id: &str) -> Result<Self> {
        let unknown = || Error::invalid("id", format!("There is no reset '{id}' in this database."));
        let id = MfaResetId::parse(id).ok_or_else(unknown)?;
        let wanted = id.clone();
        let tenant = app.store.read(move |tx| store::mfa_resets::tenant_of(tx, &wanted)).await?.ok_or_else(unknown)?;
        let caller = Caller::operator(tenant, app.store.context().entropy.guid());
        Ok(Self { app, caller, id })
    }

    /// All that can be said of it.
    pub async fn look(&self) -> Result<MfaReset> {
        let id = self.id.clone();
        self.app.read(self.caller.clone(), move |tx, caller| mfa_resets::find(tx, caller, id.as_str())).await
    }

    /// How far it has come.
    pub async fn progress(&self) -> Result<MfaReset> {
        let id = self.id.clone();
        self.app.read(self.caller.clone(), move |tx, caller| mfa_resets::progress(tx, caller, id.as_str())).await
    }

    /// Whether nobody but somebody else can confirm it.
    pub fn needs_another_person(&self, reset: &MfaReset) -> bool {
        reset.created_by_id == self.caller.id() && reset.details.as_ref().is_some_and(|details| details.needs_approval)
    }

    /// `version` is that of the preview that was shown.
    pub async fn confirm(&self, version: i64) -> Result<MfaReset> {
        let id = self.id.clone();
        let confirm =
            move |tx: &mut Tx<'_>, caller: &Caller| mfa_resets::confirm(tx, caller, id.as_str(), Some(version));
        let attempt = Attempt::new(Activity::CONFIRM_MFA_RESET);
        self.app.write(self.caller.clone(), attempt, confirm).await.map_err(|error| match error {
            Error::PreconditionFailed => Error::conflict("It has changed since this summary; look at it again."),
            other => other,
        })
    }

    pub async fn cancel(&self) -> Result<MfaReset> {
        let id = self.id.clone();
        let cancel = move |tx: &mut Tx<'_>, caller: &Caller| mfa_resets::cancel(tx, caller, id.as_str());
        self.app.write(self.caller.clone(), Attempt::new(Activity::CANCEL_MFA_RESET), cancel).await
    }

    pub fn how_to_attach(&self) -> String {
        format!("The reset is {id}; attach to it again with: rekey reset --follow {id}", id = self.id)
    }

    /// Says how it stands, as a sentence and as JSON. The command succeeds when a reset that is over has the status that
    /// was `wanted`.
    pub async fn conclude(&self, ending: Ending, wanted: MfaResetStatus) -> Result<ExitCode> {
        let reset = self.look().await?;
        let attach = self.how_to_attach();
        let code = match ending {
            // Perhaps it ended while somebody pressed Ctrl-C.
            _ if reset.is_over() => {
                eprintln!("The reset {} is {}: {}.", self.id, reset.status, summary::outcome(&reset.counts));
                if reset.status == wanted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            // Somebody lets it run again at this very moment.
            Ending::Over => ExitCode::FAILURE,
            Ending::Unconfirmed(why) => {
                eprintln!("rekey: Nobody was reset. {why}\n{attach}");
                ExitCode::FAILURE
            }
            Ending::Detached => {
                eprintln!("It goes on as long as a server runs on this database. {attach}");
                ExitCode::SUCCESS
            }
            Ending::Interrupted => {
                let state = match reset.status == AwaitingConfirmation {
                    true => "Nobody was reset; it waits to be confirmed.",
                    false => {
                        "Detached, not cancelled: it goes on when a server runs on this database or somebody attaches."
                    }
                };
                eprintln!("\n{state} {attach}");
                ExitCode::from(INTERRUPTED)
            }
        };
        print(&summary::Outcome::from(reset))?;
        Ok(code)
    }
}
