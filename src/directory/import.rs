//! Import of users from CSV. Good rows land, bad rows are reported by line and reason, and the same file again adds
//! nothing.

use std::io::Read;

use csv::StringRecord;
use serde::Serialize;

use super::{attributes::Changes, users};
use crate::{
    access::Caller,
    error::{Error, Result},
    store::{self, Store, Tx, users::UserType},
};

/// Rows of one transaction: enough to share the disk's flush, few enough not to hold other writers up.
const CHUNK: usize = 200;
/// Bad rows that are named; the rest is only counted.
const MAX_NAMED: usize = 1_000;

/// What an import did.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    pub imported: usize,
    /// Users who were there already.
    pub skipped: usize,
    pub failed_count: usize,
    /// The first thousand bad rows.
    pub failed: Vec<FailedRow>,
}

/// A row that did not land. Lines are counted as an editor does, the header being line 1.
#[derive(Debug, Clone, Serialize)]
pub struct FailedRow {
    pub line: u64,
    pub reason: String,
}

/// Reads a file whose header names Graph's properties; only userPrincipalName and displayName are needed.
pub async fn import_users(store: &Store, caller: &Caller, file: impl Read) -> Result<ImportReport> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(file);
    let columns = columns(reader.headers().map_err(unreadable)?)?;
    let mut report = ImportReport::default();
    let mut chunk = Vec::with_capacity(CHUNK);
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                match parse(&columns, &record) {
                    Ok(changes) => chunk.push((line, changes)),
                    Err(reason) => report.fail(line, reason),
                }
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                report.fail(line, "the row is no valid UTF-8 CSV");
                if error.is_io_error() {
                    return Err(unreadable(error));
                }
            }
        }
        if chunk.len() == CHUNK {
            land(store, caller, std::mem::take(&mut chunk), &mut report).await?;
        }
    }
    land(store, caller, chunk, &mut report).await?;
    report.failed.sort_by_key(|row| row.line);
    Ok(report)
}

impl ImportReport {
    fn fail(&mut self, line: u64, reason: impl Into<String>) {
        self.failed_count += 1;
        if self.failed.len() < MAX_NAMED {
            self.failed.push(FailedRow { line, reason: reason.into() });
        }
    }
}

fn unreadable(error: csv::Error) -> Error {
    Error::invalid_user("file", format!("The file cannot be read as CSV: {error}."))
}

/// The properties a file may have, and how each is read.
type Setter = fn(&mut Changes, String) -> Result<(), String>;
const COLUMNS: &[(&str, Setter)] = &[
    ("userPrincipalName", |changes, value| set(&mut changes.user_principal_name, value)),
    ("displayName", |changes, value| set(&mut changes.display_name, value)),
    ("mailNickname", |changes, value| set(&mut changes.mail_nickname, value)),
    ("givenName", |changes, value| set(&mut changes.given_name, Some(value))),
    ("surname", |changes, value| set(&mut changes.surname, Some(value))),
    ("mail", |changes, value| set(&mut changes.mail, Some(value))),
    ("jobTitle", |changes, value| set(&mut changes.job_title, Some(value))),
    ("mobilePhone", |changes, value| set(&mut changes.mobile_phone, Some(value))),
    ("officeLocation", |changes, value| set(&mut changes.office_location, Some(value))),
    ("preferredLanguage", |changes, value| set(&mut changes.preferred_language, Some(value))),
    ("usageLocation", |changes, value| set(&mut changes.usage_location, Some(value))),
    ("department", |changes, value| set(&mut changes.department, Some(value))),
    ("companyName", |changes, value| set(&mut changes.company_name, Some(value))),
    ("employeeId", |changes, value| set(&mut changes.employee_id, Some(value))),
    ("accountEnabled", |changes, value| match value.to_ascii_lowercase().as_str() {
        "true" => set(&mut changes.account_enabled, true),
        "false" => set(&mut changes.account_enabled, false),
        _ => Err("accountEnabled is true or false".into()),
    }),
    ("userType", |changes, value| match UserType::parse(&value) {
        Some(user_type) => set(&mut changes.user_type, user_type),
        None => Err("userType is Member or Guest".into()),
    }),
];

fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), String> {
    *slot = Some(value);
    Ok(())
}

/// Which setter each column of the file has. Names are compared without regard to case; an unknown one is refused, for
/// silently dropping what somebody typed would be worse.
fn columns(header: &StringRecord) -> Result<Vec<Setter>> {
    let mut columns = Vec::new();
    let mut seen = Vec::new();
    for name in header {
        let name = name.trim_start_matches('\u{feff}');
        let Some((known, setter)) = COLUMNS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            let known: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
            let message = format!("The column '{}' is unknown; known: {}.", name.escape_debug(), known.join(", "));
            return Err(Error::invalid_user("file", message));
        };
        if seen.contains(known) {
            return Err(Error::invalid_user("file", format!("The column {known} appears twice.")));
        }
        seen.push(*known);
        columns.push(*setter);
    }
    for needed in ["userPrincipalName", "displayName"] {
        if !seen.contains(&needed) {
            return Err(Error::invalid_user("file", format!("The header lacks the column {needed}.")));
        }
    }
    Ok(columns)
}

/// Empty fields say nothing.
fn parse(columns: &[Setter], record: &StringRecord) -> Result<Changes, String> {
    if record.len() != columns.len() {
        return Err(format!("the row has {} fields, the header {}", record.len(), columns.len()));
    }
    let mut changes = Changes::default();
    for (setter, value) in columns.iter().zip(record).filter(|(_, value)| !value.is_empty()) {
        setter(&mut changes, value.to_owned())?;
    }
    Ok(changes)
}

enum Landed {
    Imported,
    Skipped,
    Failed(String),
}

async fn land(store: &Store, caller: &Caller, rows: Vec<(u64, Changes)>, report: &mut ImportReport) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let again = caller.clone();
    let outcomes = store
        .write(&caller.tenant, move |tx| {
            rows.iter().map(|(line, changes)| Ok((*line, land_row(tx, &again, changes)?))).collect::<Result<Vec<_>>>()
        })
        .await?;
    for (line, outcome) in outcomes {
        match outcome {
            Landed::Imported => report.imported += 1,
            Landed::Skipped => report.skipped += 1,
            Landed::Failed(reason) => report.fail(line, reason),
        }
    }
    Ok(())
}

/// A refusal comes before the first change of a row, so it leaves its neighbours alone.
fn land_row(tx: &mut Tx<'_>, caller: &Caller, changes: &Changes) -> Result<Landed> {
    if let Some(name) = &changes.user_principal_name
        && store::users::find(tx, &caller.tenant, name)?.is_some()
    {
        return Ok(Landed::Skipped);
    }
    match users::create(tx, caller, changes) {
        Ok(_) => Ok(Landed::Imported),
        Err(fault) if fault.is_fault() => Err(fault),
        Err(refusal) => Ok(Landed::Failed(refusal.message())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let header = |text: &str| columns(&StringRecord::from(text.split(',').collect::<Vec<_>>())).map(|it| it.len());
        assert_eq!(header("userPrincipalName,displayName").unwrap(), 2);
        assert_eq!(header("\u{feff}DISPLAYNAME,userprincipalname,jobTitle").unwrap(), 3);
        for wrong in ["userPrincipalName", "userPrincipalName,displayName,shoeSize", "displayName,displayName"] {
            assert!(header(wrong).is_err(), "{wrong}");
        }
    }
}
