//! Imports hardware OATH tokens from the CSV file that Microsoft Entra takes (contract of Graph's hardware tokens):
//! a header and the columns `upn, serial number, secret key, time interval, manufacturer, model`, in any order.
//!
//! Good rows land, bad ones are reported by line and reason. A token that is there already is left alone, so a file
//! can be imported again after it was corrected, or after an import broke off half-way.

use std::{collections::BTreeMap, io::Read, sync::Arc};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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
        devices::{self, Device, DeviceHash, DeviceStatus},
    },
};

/// Rows of one file.
pub const MAX_ROWS: usize = 100_000;
/// Bytes of one file.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The longest field, in characters.
const MAX_FIELD_LENGTH: usize = 1_000;
/// Rows of one transaction: few enough that other writers hardly wait.
const CHUNK_ROWS: usize = 200;

const COLUMNS: [&str; 6] = ["upn", "serial number", "secret key", "time interval", "manufacturer", "model"];

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

/// One row that can be read; whether it is right is seen when it is carried out.
#[derive(Clone)]
struct Row {
    line: u64,
    device: NewDevice,
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
    let parsed = tokio::task::spawn_blocking(move || parse(reader)).await.map_err(Error::internal)?;
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

/// Reads the file. Rows that cannot be read are in the report; a file without the right header is refused whole.
fn parse(reader: impl Read) -> Result<(Vec<Row>, ImportReport)> {
    let unreadable = |error: &dyn std::fmt::Display| refuse(format!("The file cannot be read: {error}."));
    let mut file = Zeroizing::new(Vec::new());
    reader.take(MAX_BYTES as u64 + 1).read_to_end(&mut file).map_err(|error| unreadable(&error))?;
    if file.len() > MAX_BYTES {
        return Err(refuse(format!("A file has at most {MAX_BYTES} bytes; split it.")));
    }
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(file.as_slice());
    let columns = columns(csv.byte_headers().map_err(|error| unreadable(&error))?)?;
    let (mut rows, mut report, mut lines) = (Vec::new(), ImportReport::default(), Lines::new(&file));
    for (index, record) in csv.byte_records().enumerate() {
        if index == MAX_ROWS {
            return Err(refuse(format!("A file has at most {MAX_ROWS} rows; split it.")));
        }
        let record = record.map_err(|error| unreadable(&error))?;
        let line = lines.of_record_at(record.position().map_or(0, csv::Position::byte));
        match read_row(&columns, &record) {
            Ok(device) => rows.push(Row { line, device }),
            Err(reason) => report.fail(line, reason),
        }
    }
    Ok((rows, report))
}

fn refuse(message: String) -> Error {
    Error::invalid("file", message)
}

/// Counts lines as an editor does. (The csv crate's own count names the blank line before a record, and in files with
/// CRLF the line before it.)
struct Lines<'a> {
    file: &'a [u8],
    offset: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(file: &'a [u8]) -> Self {
        Self { file, offset: 0, line: 1 }
    }

    /// The line of the first byte at or after `offset` that belongs to a record. Offsets never go down.
    fn of_record_at(&mut self, offset: u64) -> u64 {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        while let Some(byte) = self.file.get(self.offset) {
            let is_break = matches!(byte, b'\n' | b'\r');
            if self.offset >= offset && !is_break {
                break;
            }
            self.offset += 1;
            let is_first_half = *byte == b'\r' && self.file.get(self.offset) == Some(&b'\n');
            self.line += u64::from(is_break && !is_first_half);
        }
        self.line
    }
}

/// Where in a row each of our columns is.
type Columns = BTreeMap<&'static str, usize>;

fn columns(header: &csv::ByteRecord) -> Result<Columns> {
    let expected = || format!("The first line of the file names the columns {}.", COLUMNS.join(","));
    let mut columns = Columns::new();
    for (index, name) in header.iter().enumerate() {
        let name = String::from_utf8_lossy(name);
        let name = name.trim_start_matches('\u{feff}').trim();
        let Some(known) = COLUMNS.into_iter().find(|column| column.eq_ignore_ascii_case(name)) else {
            let name: String = name.chars().filter(|char| !char.is_control()).take(64).collect();
            return Err(refuse(format!("The column '{name}' is not known. {}", expected())));
        };
        if columns.insert(known, index).is_some() {
            return Err(refuse(format!("The column '{known}' is there twice. {}", expected())));
        }
    }
    match COLUMNS.into_iter().find(|column| !columns.contains_key(column)) {
        Some(missing) => Err(refuse(format!("The column '{missing}' is missing. {}", expected()))),
        None => Ok(columns),
    }
}

fn read_row(columns: &Columns, record: &csv::ByteRecord) -> std::result::Result<NewDevice, String> {
    if record.len() > columns.len() {
        return Err(format!("The row has {} fields, the header {}.", record.len(), columns.len()));
    }
    let field = |name: &'static str| {
        let bytes = columns.get(name).and_then(|index| record.get(*index));
        let bytes = bytes.ok_or_else(|| format!("The field '{name}' is missing."))?;
        let text = std::str::from_utf8(bytes).map_err(|_| format!("The field '{name}' is not UTF-8."))?;
        // A quote that is never closed makes a field of all the rest of the file.
        if text.chars().nth(MAX_FIELD_LENGTH).is_some() {
            return Err(format!(
                "The field '{name}' is longer than {MAX_FIELD_LENGTH} characters; perhaps a quote is not closed."
            ));
        }
        Ok(text)
    };
    let time_interval_in_seconds = match field("time interval")? {
        "30" => 30,
        "60" => 60,
        _ => return Err("The time interval is 30 or 60.".into()),
    };
    Ok(NewDevice {
        serial_number: field("serial number")?.to_owned(),
        manufacturer: field("manufacturer")?.to_owned(),
        model: field("model")?.to_owned(),
        secret_key: SecretString::from(field("secret key")?),
        time_interval_in_seconds,
        hash_function: DeviceHash::Sha1,
        display_name: None,
        assign_to: Some(field("upn")?.to_owned()).filter(|upn| !upn.is_empty()),
    })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "upn,serial number,secret key,time interval,manufacturer,model";

    fn read(file: impl AsRef<[u8]>) -> Result<(Vec<NewDevice>, Vec<FailedRow>)> {
        let (rows, report) = parse(std::io::Cursor::new(file.as_ref().to_vec()))?;
        Ok((rows.into_iter().map(|row| row.device).collect(), report.failed))
    }

    #[test]
    fn files_as_spreadsheets_write_them() {
        let files = [
            format!("{HEADER}\nhelga@contoso.com,1234567,2234567abcdef2234567abcdef,60,Contoso,HardwareKey\n"),
            format!("\u{feff}{HEADER}\r\nhelga@contoso.com,1234567,2234567abcdef2234567abcdef,60,Contoso,HardwareKey"),
            "MODEL,Manufacturer,Time Interval,\"Secret Key\",Serial Number,UPN\n\
             HardwareKey , Contoso,60,2234567abcdef2234567abcdef,\"1234567\",helga@contoso.com\n\n"
                .into(),
            "\u{feff}\"upn\",serial number,secret key,time interval,manufacturer,model\n\
             helga@contoso.com,1234567,2234567abcdef2234567abcdef,60,Contoso,HardwareKey"
                .into(),
        ];
        for file in files {
            let (rows, failed) = read(&file).unwrap();
            assert!(failed.is_empty(), "{file}: {failed:?}");
            assert_eq!(rows.len(), 1, "{file}");
            assert_eq!(rows[0].assign_to.as_deref(), Some("helga@contoso.com"));
            assert_eq!(rows[0].serial_number, "1234567");
            assert_eq!(rows[0].time_interval_in_seconds, 60);
            assert_eq!((rows[0].manufacturer.as_str(), rows[0].model.as_str()), ("Contoso", "HardwareKey"));
        }
    }

    #[test]
    fn a_wrong_header_is_refused_whole() {
        for file in [
            "",
            "\n",
            "upn,serial number,secret key,time interval,manufacturer\n",
            "upn;serial number;secret key;time interval;manufacturer;model\n",
            "upn,serial number,secret key,time interval,manufacturer,model,model\n",
            "upn,serial number,secret key,time interval,manufacturer,model,color\n",
            "helga@contoso.com,1234567,2234567abcdef2234567abcdef,60,Contoso,HardwareKey\n",
        ] {
            assert!(matches!(read(file), Err(Error::Invalid { .. })), "{file}");
        }
    }

    #[test]
    fn bad_rows_are_named_by_their_line() {
        let file = format!(
            "{HEADER}\na@b,1,2234567abcdef2234567abcdef,60,C,K\na@b,2,2234567abcdef2234567abcdef,45,C,K\n\n\
             a@b,3\n\"a\n@b\",4,2234567abcdef2234567abcdef,30,C,K,extra\n,5,2234567abcdef2234567abcdef,30,C,K\n"
        );
        for file in [&file, &file.replace("\n", "\r\n"), &file.replace('\n', "\r"), &format!("\u{feff}{file}")] {
            let (_, failed) = read(file).unwrap();
            assert_eq!(failed.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 5, 6], "{file:?}");
        }
        let (rows, _) = read(&file).unwrap();
        assert_eq!(rows.iter().map(|row| row.serial_number.as_str()).collect::<Vec<_>>(), ["1", "5"]);
        assert_eq!(rows[1].assign_to, None);
        let (rows, failed) = read(format!("{HEADER}\n,1,\"{}", "A".repeat(5000))).unwrap();
        assert!(rows.is_empty());
        assert!(failed[0].reason.contains("'time interval'") || failed[0].reason.contains("quote"), "{failed:?}");
    }

    #[test]
    fn a_file_has_a_limit() {
        let row = ",1,2234567abcdef2234567abcdef,30,C,K\n";
        assert_eq!(read(format!("{HEADER}\n{}", row.repeat(MAX_ROWS))).unwrap().0.len(), MAX_ROWS);
        assert!(read(format!("{HEADER}\n{}", row.repeat(MAX_ROWS + 1))).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), with_header: bool) {
            let mut file = if with_header { format!("{HEADER}\n").into_bytes() } else { vec![] };
            file.extend(bytes);
            if let Ok((_, failed)) = read(file) {
                prop_assert!(failed.iter().all(|row| row.line > 1));
            }
        }

        #[test]
        fn every_row_of_a_right_file_is_read(
            rows in prop::collection::vec(("[a-z.]{1,20}@[a-z]{1,10}", "[A-Za-z0-9 ,\"\n-]{0,20}", "[A-Za-z2-7]{16}", prop::bool::ANY), 0..40),
            order in Just([0, 1, 2, 3, 4, 5]).prop_shuffle(),
            crlf: bool,
        ) {
            let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut file = csv::WriterBuilder::new().terminator(terminator).from_writer(vec![]);
            let mut write = |fields: [String; 6]| file.write_record(order.map(|index| fields[index].clone())).unwrap();
            write(COLUMNS.map(str::to_owned));
            for (index, (upn, model, secret, long)) in rows.iter().enumerate() {
                let interval = if *long { "60" } else { "30" };
                let serial = format!("serial {index}");
                write([upn.clone(), serial, secret.clone(), interval.into(), "Contoso".into(), format!("m{model}")]);
            }
            let (read, failed) = read(file.into_inner().unwrap()).unwrap();
            prop_assert!(failed.is_empty());
            prop_assert_eq!(read.len(), rows.len());
            for (index, (read, row)) in read.iter().zip(&rows).enumerate() {
                prop_assert_eq!(read.assign_to.as_deref(), Some(row.0.as_str()));
                prop_assert_eq!(&read.serial_number, &format!("serial {index}"));
                prop_assert_eq!(read.model.clone(), format!("m{}", row.1).trim().to_owned());
            }
        }
    }
}
