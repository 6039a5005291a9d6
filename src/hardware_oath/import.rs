//! Imports hardware OATH tokens from the CSV file that Microsoft Entra takes (contract of Graph's hardware tokens):
//! a header and the columns `upn, serial number, secret key, time interval, manufacturer, model`, in any order.
//!
//! Good rows land, bad ones are reported by line and reason. A token that is there already is left alone, so a file
//! can be imported again after it was corrected, or after an import broke off half-way.

use std::{io::Read, sync::Arc};

use serde::{Deserialize, Serialize};

mod file;

use file::Row;

use super::{WRITE, give, inventory};
use crate::{
    access::{self, Action, Actor, Caller},
    app::{App, Attempt},
    audit::{self, Activity, Entry, Target},
    directory,
    error::{Error, Result},
    idempotency::Once,
    store::{
        Tx,
        devices::{self, Device, DeviceStatus},
    },
};

/// Rows of one transaction: few enough that other writers hardly wait.
const CHUNK_ROWS: usize = 200;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Tokens that are new in the inventory.
    pub imported: usize,
    /// Tokens that were assigned to the user the file names.
    pub assigned: usize,
    /// Rows whose token was in the inventory already.
    pub skipped: usize,
    /// What could not be done, in the order of the file.
    pub failed: Vec<FailedRow>,
}

/// A row that was not, or not wholly, carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedRow {
    /// Where the row begins in the file; the header is line 1.
    pub line: u64,
    /// For people; never holds a secret.
    pub reason: String,
}

impl ImportReport {
    fn add(&mut self, part: Self) {
        self.imported += part.imported;
        self.assigned += part.assigned;
        self.skipped += part.skipped;
        self.failed.extend(part.failed);
    }

    fn fail(&mut self, line: u64, reason: impl Into<String>) {
        self.failed.push(FailedRow { line, reason: reason.into() });
    }
}

/// Imports a whole file, a chunk of rows per transaction: rows that landed stay when a later chunk meets a fault. An
/// Idempotency-Key holds for every chunk, so repeating the request goes on where it broke off.
pub async fn import_csv(app: &App, caller: Caller, reader: impl Read + Send + 'static) -> Result<ImportReport> {
    let attempt = Attempt::new(Activity::IMPORT_DEVICES);
    // Who may not import learns that before anything is said about the file.
    app.write(caller.clone(), attempt.clone(), |tx, caller| {
        access::authorize(tx, caller, Action::WriteDevices, None).map(drop)
    })
    .await?;
    // Parsing a long file would keep other requests of this thread waiting.
    let parsed = tokio::task::spawn_blocking(move || file::parse(reader)).await.map_err(Error::internal)?;
    let (rows, mut report) = parsed?;
    let rows: Arc<[Row]> = rows.into();
    for (number, start) in (0..rows.len()).step_by(CHUNK_ROWS).enumerate() {
        let (rows, end) = (rows.clone(), rows.len().min(start + CHUNK_ROWS));
        let caller = Caller { once: caller.once.as_ref().map(|once| once_per_chunk(once, number)), ..caller.clone() };
        let write = app.write(caller, attempt.clone(), move |tx, caller| import_rows(tx, caller, &rows[start..end]));
        report.add(write.await?);
    }
    report.failed.sort_by_key(|row| row.line);
    Ok(report)
}

/// A caller's key is printable, so no key of a caller's equals one of these.
fn once_per_chunk(once: &Once, number: usize) -> Once {
    Once { key: format!("{}\nchunk {number}", once.key), fingerprint: once.fingerprint.clone() }
}

/// Carries a chunk out: one transaction, one audit event for the inventory and one for each user who got a token.
fn import_rows(tx: &mut Tx<'_>, caller: &Caller, rows: &[Row]) -> Result<ImportReport> {
    let actor = access::authorize(tx, caller, Action::WriteDevices, None)?;
    let (mut report, mut serial_numbers) = (ImportReport::default(), Vec::new());
    for row in rows {
        match import_row(tx, caller, &actor, row, &mut report, &mut serial_numbers) {
            Ok(()) => {}
            Err(error) if error.is_fault() => return Err(error),
            Err(error) => report.fail(row.line, reason(error)),
        }
    }
    record(tx, &actor, &report, &serial_numbers)?;
    Ok(report)
}

fn import_row(
    tx: &mut Tx<'_>,
    caller: &Caller,
    actor: &Actor,
    row: &Row,
    report: &mut ImportReport,
    serial_numbers: &mut Vec<String>,
) -> Result<()> {
    let Row { line, device: new } = row;
    let present = devices::find_by_serial(tx, &actor.tenant, &new.serial_number)?;
    let (device, is_new) = match present {
        Some(device) => {
            report.skipped += 1;
            (device, false)
        }
        None => {
            let device = inventory::store_new(tx, actor, new)?;
            report.imported += 1;
            serial_numbers.push(device.serial_number.clone());
            (device, true)
        }
    };
    let Some(named) = &new.assign_to else { return Ok(()) };
    match assign(tx, caller, actor, named, device) {
        Ok(true) => report.assigned += 1,
        Ok(false) => {}
        Err(error) if error.is_fault() => return Err(error),
        Err(error) => {
            let outcome = if is_new { "The token was imported unassigned" } else { "The token was left as it is" };
            report.fail(*line, format!("{outcome}: {}", assignment_reason(named, error)));
        }
    }
    Ok(())
}

/// Gives the token to the user the row names; false when the user has it already.
fn assign(tx: &mut Tx<'_>, caller: &Caller, actor: &Actor, named: &str, device: Device) -> Result<bool> {
    let (_, user) = directory::authorize_on_user(tx, caller, WRITE, named)?;
    if device.status != DeviceStatus::Available && device.assigned_to.as_ref() == Some(&user.user_id) {
        return Ok(false);
    }
    give(tx, actor, &user, device)?;
    Ok(true)
}

fn assignment_reason(named: &str, error: Error) -> String {
    match error {
        Error::NotFound { .. } => {
            let named: String = named.chars().filter(|char| !char.is_control()).collect();
            format!("user {named} does not exist.")
        }
        other => reason(other),
    }
}

/// The sentence for the caller; the errors of rows carry no secret.
fn reason(error: Error) -> String {
    match error {
        Error::Invalid { message, .. } | Error::Conflict { message, .. } | Error::Denied { message, .. } => message,
        other => other.to_string(),
    }
}

fn record(tx: &mut Tx<'_>, actor: &Actor, report: &ImportReport, serial_numbers: &[String]) -> Result<()> {
    if report.imported + report.assigned == 0 {
        return Ok(());
    }
    let target = Target { kind: "Device", display_name: Some("Hardware OATH tokens".into()), ..Target::default() };
    let counts = [
        ("imported", report.imported),
        ("assigned", report.assigned),
        ("skipped", report.skipped),
        ("failed", report.failed.len()),
    ];
    let mut entry = Entry::success(Activity::IMPORT_DEVICES, target)
        .because(format!("{} imported, {} assigned", report.imported, report.assigned));
    for (name, count) in counts {
        entry = entry.detail(name, count.to_string());
    }
    let serial_numbers = serde_json::to_string(serial_numbers).map_err(Error::internal)?;
    audit::record(tx, actor, entry.detail("serialNumbers", serial_numbers)).map(drop)
}
