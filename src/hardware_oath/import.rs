//! Imports hardware OATH tokens from the CSV file that Microsoft Entra takes ([`file`]) or from a vendor's PSKC file
//! (RFC 6030, [`pskc`]).
//!
//! Good rows land, bad ones are reported by line and reason. A token that is there already is left alone, so a file
//! can be imported again after it was corrected, or after an import broke off half-way.

use std::{
    collections::BTreeMap,
    io::{BufRead, Seek},
};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

mod file;
pub mod pskc;

use pskc::FileKey;

use super::{
    WRITE, give,
    inventory::{self, NewDevice},
};
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

/// What was read: the line it begins in, and the token or what is wrong with it.
type Parsed = (u64, std::result::Result<NewDevice, String>);

/// One row that can be read; whether it is right is seen when it is carried out.
#[derive(Clone)]
struct Row {
    /// Where it begins in the file.
    line: u64,
    device: NewDevice,
}

/// Imports a file of either kind: PSKC is XML, and no CSV begins like that.
pub async fn import(
    app: &App,
    caller: Caller,
    mut file: impl BufRead + Seek + Send + 'static,
    key: FileKey,
) -> Result<ImportReport> {
    let start =
        file.fill_buf().map_err(|error| Error::invalid("file", format!("The file cannot be read: {error}.")))?;
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    match (start.trim_ascii_start().first(), key) {
        (Some(b'<'), key) => import_pskc(app, caller, file, key).await,
        (_, FileKey::None) => import_csv(app, caller, file).await,
        _ => Err(Error::invalid("file", "Only a PSKC file is opened with a key or password; this is none.")),
    }
}

/// Imports a CSV file. It is read twice and never held in memory: first it is checked from end to end, so that a file
/// that is none imports nothing; then its rows land while the next ones are read.
pub async fn import_csv(
    app: &App,
    caller: Caller,
    mut file: impl BufRead + Seek + Send + 'static,
) -> Result<ImportReport> {
    let import = Import::begin(app, caller).await?;
    let check = move || file::check(&mut file).and_then(|()| rewound(file));
    let file = tokio::task::spawn_blocking(check).await.map_err(Error::internal)??;
    import.land_all(move || file::Rows::open(file)).await
}

/// Imports a PSKC file. It is read twice and never held in memory: first it is checked from end to end, so that a wrong
/// key, a changed value or a file that breaks off imports nothing; then its keys land while the next ones are read.
pub async fn import_pskc(
    app: &App,
    caller: Caller,
    mut file: impl BufRead + Seek + Send + 'static,
    key: FileKey,
) -> Result<ImportReport> {
    let import = Import::begin(app, caller).await?;
    let now = app.store.context().clock.now();
    let check = move || {
        let keys = pskc::check(&mut file, &key, now)?;
        Ok::<_, Error>((rewound(file)?, keys))
    };
    let (file, keys) = tokio::task::spawn_blocking(check).await.map_err(Error::internal)??;
    import.land_all(move || pskc::Packages::open(file, keys, now)).await
}

/// Back at its beginning.
fn rewound<F: Seek>(mut file: F) -> Result<F> {
    file.rewind().map_err(|error| Error::invalid("file", format!("The file cannot be read twice: {error}.")))?;
    Ok(file)
}

/// An import that goes on, a chunk of rows per transaction: rows that landed stay when a later chunk meets a fault. An
/// Idempotency-Key holds for every chunk, so repeating the request goes on where it broke off.
struct Import {
    app: App,
    caller: Caller,
    attempt: Attempt,
    chunks: usize,
    report: ImportReport,
}

impl Import {
    /// Who may not import learns that before anything is said about the file.
    async fn begin(app: &App, caller: Caller) -> Result<Self> {
        let attempt = Attempt::new(Activity::IMPORT_DEVICES);
        app.write(caller.clone(), attempt.clone(), |tx, caller| {
            access::authorize(tx, caller, Action::WriteDevices, None).map(drop)
        })
        .await?;
        Ok(Self { app: app.clone(), caller, attempt, chunks: 0, report: ImportReport::default() })
    }

    /// Lands all that `open` reads, each chunk while the next one is read.
    async fn land_all<Rows>(mut self, open: impl FnOnce() -> Result<Rows> + Send + 'static) -> Result<ImportReport>
    where
        Rows: Iterator<Item = Result<Parsed>>,
    {
        let (chunks, mut landing) = mpsc::channel(1);
        // Parsing a long file would keep other requests of this thread waiting.
        let reading = tokio::task::spawn_blocking(move || {
            let mut all = open()?;
            loop {
                let mut chunk: (Vec<Row>, ImportReport) = Default::default();
                for row in all.by_ref().take(CHUNK_ROWS) {
                    match row? {
                        (line, Ok(device)) => chunk.0.push(Row { line, device }),
                        (line, Err(reason)) => chunk.1.fail(line, reason),
                    }
                }
                // Nobody receives any more after a fault of the database.
                if (chunk.0.is_empty() && chunk.1.failed.is_empty()) || chunks.blocking_send(chunk).is_err() {
                    return Ok::<_, Error>(());
                }
            }
        });
        while let Some((rows, unreadable)) = landing.recv().await {
            self.report.add(unreadable);
            self.land(rows).await?;
        }
        reading.await.map_err(Error::internal)??;
        self.report.failed.sort_by_key(|row| row.line);
        Ok(self.report)
    }

    async fn land(&mut self, rows: Vec<Row>) -> Result<()> {
        let once = self.caller.once.as_ref().map(|once| once_per_chunk(once, self.chunks));
        let caller = Caller { once, ..self.caller.clone() };
        self.chunks += 1;
        let write = self.app.write(caller, self.attempt.clone(), move |tx, caller| import_rows(tx, caller, &rows));
        self.report.add(write.await?);
        Ok(())
    }
}

/// A caller's key is printable, so no key of a caller's equals one of these.
fn once_per_chunk(once: &Once, number: usize) -> Once {
    Once { key: format!("{}\nchunk {number}", once.key), fingerprint: once.fingerprint.clone() }
}

/// Carries a chunk out: one transaction, one audit event for the inventory and one for each user who got a token.
fn import_rows(tx: &mut Tx<'_>, caller: &Caller, rows: &[Row]) -> Result<ImportReport> {
    let actor = access::authorize(tx, caller, Action::WriteDevices, None)?;
    let named = rows.iter().map(|row| row.device.serial_number.trim());
    // Others are refused when they are carried out, and no database needs to see them.
    let named: Vec<_> = named.filter(|serial| !serial.chars().any(char::is_control)).collect();
    let mut chunk = Chunk { present: devices::with_serials(tx, &actor.tenant, &named)?, ..Chunk::default() };
    for row in rows {
        match import_row(tx, caller, &actor, row, &mut chunk) {
            Ok(()) => {}
            Err(error) if error.is_fault() => return Err(error),
            Err(error) => chunk.report.fail(row.line, reason(error)),
        }
    }
    record(tx, &actor, &chunk)?;
    Ok(chunk.report)
}

/// What is known of a chunk while it is carried out.
#[derive(Default)]
struct Chunk {
    /// Tokens of the chunk that are in the inventory, by serial number.
    present: BTreeMap<String, Device>,
    /// Serial numbers of those that are new.
    new: Vec<String>,
    report: ImportReport,
}

fn import_row(tx: &mut Tx<'_>, caller: &Caller, actor: &Actor, row: &Row, chunk: &mut Chunk) -> Result<()> {
    let Row { line, device: new } = row;
    let (device, is_new) = match chunk.present.get(new.serial_number.trim()) {
        Some(device) => {
            chunk.report.skipped += 1;
            (device.clone(), false)
        }
        None => {
            let device = inventory::store_new(tx, actor, new)?;
            chunk.report.imported += 1;
            chunk.new.push(device.serial_number.clone());
            chunk.present.insert(device.serial_number.clone(), device.clone());
            (device, true)
        }
    };
    let Some(named) = &new.assign_to else { return Ok(()) };
    match assign(tx, caller, actor, named, device) {
        Ok(Some(device)) => {
            chunk.report.assigned += 1;
            chunk.present.insert(device.serial_number.clone(), device);
        }
        Ok(None) => {}
        Err(error) if error.is_fault() => return Err(error),
        Err(error) => {
            let outcome = if is_new { "The token was imported unassigned" } else { "The token was left as it is" };
            chunk.report.fail(*line, format!("{outcome}: {}", assignment_reason(named, error)));
        }
    }
    Ok(())
}

/// Gives the token to the user the row names; `None` when the user has it already.
fn assign(tx: &mut Tx<'_>, caller: &Caller, actor: &Actor, named: &str, device: Device) -> Result<Option<Device>> {
    let (_, user) = directory::authorize_on_user(tx, caller, WRITE, named)?;
    if device.status != DeviceStatus::Available && device.assigned_to.as_ref() == Some(&user.user_id) {
        return Ok(None);
    }
    give(tx, actor, &user, device).map(Some)
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

fn record(tx: &mut Tx<'_>, actor: &Actor, chunk: &Chunk) -> Result<()> {
    let report = &chunk.report;
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
    let serial_numbers = serde_json::to_string(&chunk.new).map_err(Error::internal)?;
    audit::record(tx, actor, entry.detail("serialNumbers", serial_numbers)).map(drop)
}
