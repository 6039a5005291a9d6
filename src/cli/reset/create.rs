//! `rekey reset --file`: from the lines of a file to a reset.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{New, job::Job};
use crate::{
    access::Caller,
    app::{App, Attempt},
    audit::Activity,
    cli::database::find_tenant,
    error::{Error, Result},
    mfa_resets::{Plan, targets::CsvTargets},
};

/// Creates the reset; its preview is not begun.
pub async fn create(app: App, file: &Path, new: &New) -> Result<Job> {
    let (name, input): (_, Box<dyn Read + Send>) = match file.as_os_str() == "-" {
        true => ("standard input".to_owned(), Box::new(io::stdin())),
        false => {
            let name = file.display().to_string();
            let input = File::open(file).map_err(|error| Error::invalid("--file", format!("{name}: {error}")))?;
            (name, Box::new(input))
        }
    };
    let mut lines = CsvTargets::new(input).map_err(|error| in_file(&name, error))?;
    let tenant = match &new.tenant {
        Some(tenant) => tenant.clone(),
        None => lines.first_tenant().map_err(|error| in_file(&name, error))?.ok_or_else(|| {
            let message = "The first line names no tenant; say with --tenant whose users these are.";
            in_file(&name, Error::invalid("line 1", message))
        })?,
    };
    let tenant = find_tenant(&app.store, &tenant).await.map_err(|error| match error {
        Error::NotFound { what, .. } => {
            let message = format!(
                "There is no tenant '{what}' in this database. 'rekey tenant list' prints those that are; name one by \
                 its id or domain, in the first line or with --tenant."
            );
            Error::invalid("--tenant", message)
        }
        other => other,
    })?;
    let caller = Caller::operator(tenant, app.store.context().entropy.guid());
    let plan = Plan {
        reason: new.reason.clone(),
        also_delete: new.also_delete.clone(),
        revoke_sign_in_sessions: !new.keep_sessions,
    };
    let attempt = Attempt::new(Activity::CREATE_MFA_RESET);
    let reset = app.create_mfa_reset(caller.clone(), attempt, plan, async { Ok((lines, None)) }).await;
    Ok(Job { app, caller, id: reset.map_err(|error| in_file(&name, error))?.id })
}

/// The same refusal with the place in the file, which a caller of the API is told apart from the message.
fn in_file(name: &str, error: Error) -> Error {
    match error {
        Error::Invalid { area, target: Some(target), message } => {
            let place = target.replace("targets, ", "line ").replace("targets", "");
            let separator = if place.is_empty() { "" } else { ", " };
            Error::Invalid { area, message: format!("{name}{separator}{place}: {message}"), target: Some(target) }
        }
        other => other,
    }
}
