//! Creating a reset of many users: whom it is about, as JSON, as lines of CSV, or by filters.
//!
//! A reset is opened, filled in batches, and completed; until then nobody sees it and nobody works on it.

use std::{collections::BTreeMap, io::Read};

use serde::{Deserialize, Serialize};

use super::{MfaReset, Plan, UPLOAD_HOURS, authorize, creator_json, record, view};
use crate::{
    access::{Caller, Who, partner},
    audit::Activity,
    directory,
    error::{Error, Result},
    id::{MfaResetId, TenantId},
    reset::{self, MAX_REASON_LENGTH},
    store::{
        Tx,
        mfa_resets::{
            self, MfaResetRow, MfaResetStatus,
            items::{self, ItemRow, ItemStatus},
            parts::{self, Counts, PartRow, PartStatus},
        },
        tenants,
        users::UserFilter,
    },
};

/// The most users that one reset names.
pub const MAX_TARGETS: i64 = 1_000_000;
/// The most tenants that one reset spans.
pub const MAX_TENANTS: usize = 5_000;
/// Targets that are stored in one transaction.
pub const BATCH: usize = 1_000;
/// The longest name of a user or tenant, in characters.
const MAX_NAME_LENGTH: usize = 256;

/// One user to reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTarget {
    /// Id or default domain; the caller's own without.
    pub tenant: Option<String>,
    /// Id or userPrincipalName.
    pub user: String,
    /// Instead of the reset's own.
    pub reason: Option<String>,
}

/// All users of a tenant that a filter finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    pub tenant: Option<String>,
    /// All users without.
    pub filter: Option<UserFilter>,
}

/// Begins a reset that is not complete yet.
pub fn open(tx: &mut Tx<'_>, caller: &Caller, plan: &Plan) -> Result<MfaResetId> {
    let (actor, _) = authorize(tx, caller)?;
    reset::check(&plan.request(None))?;
    let row = MfaResetRow {
        tenant_id: caller.tenant.clone(),
        mfa_reset_id: MfaResetId::new(tx.guid()),
        status: MfaResetStatus::Receiving,
        version: 1,
        request: serde_json::to_string(plan).map_err(Error::internal)?,
        creator: creator_json(&caller.who, &caller.origin)?,
        creator_id: caller.id().to_owned(),
        creator_display_name: actor.display_name,
        confirmed_by_id: None,
        confirmed_by_display_name: None,
        has_customers: false,
        duplicate_count: 0,
        created_at: tx.now(),
        confirmed_at: None,
        finished_at: None,
        expires_at: tx.now().plus_minutes(UPLOAD_HOURS * 60),
    };
    mfa_resets::insert(tx, &row)?;
    Ok(row.mfa_reset_id)
}

/// Adds targets.
pub fn add(tx: &mut Tx<'_>, caller: &Caller, id: &MfaResetId, targets: &[NewTarget]) -> Result<()> {
    let row = receiving(tx, caller, id)?;
    let last = items::last_number(tx, &row.tenant_id, id)?;
    if last + targets.len() as i64 > MAX_TARGETS {
        return Err(Error::invalid("targets", format!("One reset names at most {MAX_TARGETS} users; make several.")));
    }
    let mut parts = Parts::default();
    let mut rows = Vec::with_capacity(targets.len());
    for (item_number, target) in (last + 1..).zip(targets) {
        check_target(target).map_err(|problem| Error::invalid(format!("targets, {item_number}"), problem))?;
        let part = parts.of(tx, caller, id, target.tenant.as_deref())?;
        part.counts.queued += 1;
        rows.push(ItemRow {
            tenant_id: row.tenant_id.clone(),
            mfa_reset_id: id.clone(),
            item_number,
            target_tenant_id: part.target_tenant_id.clone(),
            named: Some(target.user.clone()),
            reason: target.reason.clone(),
            user_id: None,
            user_principal_name: None,
            status: ItemStatus::Queued,
            planned: None,
            problem: None,
            report: None,
            finished_at: None,
        });
    }
    items::insert(tx, &rows)?;
    parts.save(tx, caller, id)
}

/// Adds everybody whom the filters find; they are looked up with the preview.
pub fn select(tx: &mut Tx<'_>, caller: &Caller, id: &MfaResetId, selections: &[Selection]) -> Result<()> {
    receiving(tx, caller, id)?;
    let mut parts = Parts::default();
    for selection in selections {
        check_name("selections", selection.tenant.as_deref().unwrap_or_default())
            .map_err(|problem| Error::invalid("selections", problem))?;
        let part = parts.of(tx, caller, id, selection.tenant.as_deref())?;
        let mut filters: Vec<Option<UserFilter>> = serde_json::from_str(&part.selections).map_err(Error::internal)?;
        if filters.contains(&selection.filter) {
            continue;
        }
        filters.push(selection.filter.clone());
        part.selections = serde_json::to_string(&filters).map_err(Error::internal)?;
    }
    parts.save(tx, caller, id)
}

/// Completes a reset: from now on it is seen, and its preview is worked on.
pub fn complete(tx: &mut Tx<'_>, caller: &Caller, id: &MfaResetId) -> Result<MfaReset> {
    let (actor, _) = authorize(tx, caller)?;
    let mut row = receiving(tx, caller, id)?;
    let parts = parts::of_reset(tx, &row.tenant_id, id)?;
    if parts.is_empty() {
        return Err(Error::invalid(
            "targets",
            "Name at least one user, in 'targets', in a line of CSV, or by a filter in 'selections'.",
        ));
    }
    row.status = MfaResetStatus::Previewing;
    row.has_customers = parts.iter().any(|part| part.target_tenant_id != row.tenant_id);
    mfa_resets::update(tx, &row)?;
    parts::set_status(tx, &row.tenant_id, id, &[PartStatus::Waiting], PartStatus::Previewing)?;
    record(tx, &actor, &row, Activity::CREATE_MFA_RESET, &parts)?;
    view(tx, row)
}

/// Gives up a reset that was not completed; the clean-up removes it.
pub fn abandon(tx: &mut Tx<'_>, caller: &Caller, id: &MfaResetId) -> Result<()> {
    match mfa_resets::find(tx, &caller.tenant, id)? {
        Some(row) if row.status == MfaResetStatus::Receiving => {
            let expires_at = tx.now();
            mfa_resets::update(tx, &MfaResetRow { expires_at, ..row })
        }
        _ => Ok(()),
    }
}

fn receiving(tx: &mut Tx<'_>, caller: &Caller, id: &MfaResetId) -> Result<MfaResetRow> {
    let row = mfa_resets::find(tx, &caller.tenant, id)?;
    row.filter(|row| row.status == MfaResetStatus::Receiving && row.expires_at > tx.now())
        .ok_or_else(|| Error::conflict("The upload took too long and was ended; start again."))
}

/// The parts that a batch adds to, each read once.
#[derive(Default)]
struct Parts {
    by_name: BTreeMap<String, TenantId>,
    by_target: BTreeMap<TenantId, (PartRow, bool)>,
}

impl Parts {
    /// The part of the tenant that is called `name` (the caller's own without a name).
    fn of(&mut self, tx: &mut Tx<'_>, caller: &Caller, id: &MfaResetId, name: Option<&str>) -> Result<&mut PartRow> {
        let name = name.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(caller.tenant.as_str());
        let name = name.to_lowercase();
        let target = match self.by_name.get(&name) {
            Some(target) => target.clone(),
            None => {
                let target = resolve(tx, caller, &name)?;
                self.by_name.insert(name, target.clone());
                target
            }
        };
        if !self.by_target.contains_key(&target) {
            let found = match parts::find(tx, &caller.tenant, id, &target)? {
                Some(part) => (part, false),
                None => (new_part(tx, caller, id, &target)?, true),
            };
            self.by_target.insert(target.clone(), found);
        }
        self.by_target
            .get_mut(&target)
            .map(|(part, _)| part)
            .ok_or_else(|| Error::internal("a part was just put there"))
    }

    fn save(self, tx: &mut Tx<'_>, caller: &Caller, id: &MfaResetId) -> Result<()> {
        for (part, is_new) in self.by_target.into_values() {
            if is_new { parts::insert(tx, &part)? } else { parts::update(tx, &part)? }
        }
        if parts::count(tx, &caller.tenant, id, PartStatus::Waiting)? > MAX_TENANTS as i64 {
            let message = format!("One reset spans at most {MAX_TENANTS} tenants; make several.");
            return Err(Error::invalid("targets", message));
        }
        Ok(())
    }
}

fn new_part(tx: &Tx<'_>, caller: &Caller, id: &MfaResetId, target: &TenantId) -> Result<PartRow> {
    Ok(PartRow {
        tenant_id: caller.tenant.clone(),
        mfa_reset_id: id.clone(),
        target_tenant_id: target.clone(),
        display_name: None,
        status: PartStatus::Waiting,
        due_at: tx.now(),
        selections: "[]".into(),
        selected_until: None,
        summary: serde_json::to_string(&super::Summary::default()).map_err(Error::internal)?,
        counts: Counts::default(),
    })
}

/// The id of the tenant that the caller names by id or domain. A domain of a tenant that the caller has nothing to do
/// with stays as it was written, so that nobody learns which domains are customers here.
fn resolve(tx: &mut Tx<'_>, caller: &Caller, name: &str) -> Result<TenantId> {
    if let Some(id) = TenantId::parse(name) {
        return Ok(id);
    }
    let Some(tenant) = tenants::find_by_name(tx, name)? else { return Ok(TenantId::new(name)) };
    let may_know = tenant.tenant_id == caller.tenant
        || matches!(caller.who, Who::Operator)
        || !partner::granted(tx, &caller.tenant, &tenant.tenant_id, caller.id())?.roles.is_empty();
    Ok(if may_know { tenant.tenant_id } else { TenantId::new(name) })
}

fn check_target(target: &NewTarget) -> Result<(), String> {
    check_name("tenant", target.tenant.as_deref().unwrap_or_default())?;
    check_name("user", &target.user)?;
    if target.user.trim().is_empty() {
        return Err("The user is missing: name an id or a userPrincipalName.".into());
    }
    match &target.reason {
        Some(reason) => directory::check_text("reason", reason, MAX_REASON_LENGTH).map_err(|error| error.message()),
        None => Ok(()),
    }
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    directory::check_text(what, name, MAX_NAME_LENGTH).map_err(|error| error.message())
}

/// Reads targets out of CSV (RFC 4180): `tenant,user[,reason]`, with or without a line that names the columns. Nothing
/// is kept but the line that is read.
pub struct CsvTargets<R> {
    records: csv::StringRecordsIntoIter<R>,
    columns: Columns,
    /// A first line that was no heading.
    first: Option<csv::StringRecord>,
}

#[derive(Clone, Copy)]
struct Columns {
    tenant: Option<usize>,
    user: usize,
    reason: Option<usize>,
}

/// Without a heading.
const POSITIONS: Columns = Columns { tenant: Some(0), user: 1, reason: Some(2) };

impl<R: Read> CsvTargets<R> {
    pub fn new(input: R) -> Result<Self> {
        let reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(input);
        let mut records = reader.into_records();
        let first = records.next().transpose().map_err(malformed)?;
        let (columns, first) = match first.as_ref().map(heading).transpose()?.flatten() {
            Some(columns) => (columns, None),
            None => (POSITIONS, first),
        };
        Ok(Self { records, columns, first })
    }

    /// Whose user the first line names, without taking the line away; `None` when it names no tenant, or nothing is there.
    pub fn first_tenant(&mut self) -> Result<Option<String>> {
        if self.first.is_none() {
            self.first = self.records.next().transpose().map_err(malformed)?;
        }
        let field = self.columns.tenant.zip(self.first.as_ref()).and_then(|(column, first)| first.get(column));
        Ok(field.filter(|name| !name.is_empty()).map(str::to_owned))
    }

    /// The next targets, `most` of them at most; none at the end.
    pub fn batch(&mut self, most: usize) -> Result<Vec<NewTarget>> {
        let mut batch = Vec::new();
        while batch.len() < most {
            let record = match self.first.take() {
                Some(first) => first,
                None => match self.records.next() {
                    Some(record) => record.map_err(malformed)?,
                    None => break,
                },
            };
            let line = record.position().map_or(0, csv::Position::line);
            let wrong = |message: String| Error::invalid(format!("line {line}"), message);
            // An opening quote too many makes one field of all that follows; nobody shall be lost in it.
            if record.iter().any(|field| field.contains(['\n', '\r'])) {
                return Err(wrong(
                    "A field of this line goes on in the next; is there a quotation mark too many?".into(),
                ));
            }
            let field = |column: usize| record.get(column).filter(|text| !text.is_empty()).map(str::to_owned);
            let user = field(self.columns.user);
            let user = user.ok_or_else(|| wrong("A line is 'tenant,user' or 'tenant,user,reason'.".into()))?;
            let target = NewTarget {
                tenant: self.columns.tenant.and_then(field),
                user,
                reason: self.columns.reason.and_then(field),
            };
            check_target(&target).map_err(wrong)?;
            batch.push(target);
        }
        Ok(batch)
    }
}

/// What a first line names, if it names columns. A column that nobody knows may be a tenant's under another name, so it is
/// refused instead of ignored.
fn heading(record: &csv::StringRecord) -> Result<Option<Columns>> {
    let names: Vec<_> = record.iter().map(|name| name.trim_start_matches('\u{feff}').to_lowercase()).collect();
    let place = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
    let Some(user) = place(USER) else { return Ok(None) };
    if let Some(unknown) = names.iter().find(|name| ![TENANT, USER, REASON].concat().contains(&name.as_str())) {
        let unknown: String = unknown.chars().take(40).collect();
        let message = format!("The column '{unknown}' is unknown; there are tenant, user and reason.");
        return Err(Error::invalid("line 1", message));
    }
    Ok(Some(Columns { tenant: place(TENANT), user, reason: place(REASON) }))
}

const TENANT: &[&str] = &["tenant", "tenantid"];
const USER: &[&str] = &["user", "userid", "userprincipalname"];
const REASON: &[&str] = &["reason"];

fn malformed(error: csv::Error) -> Error {
    let line = error.position().map_or(0, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => format!("Line {line} is not UTF-8."),
        csv::ErrorKind::Io(_) => return Error::unavailable(format!("the upload cannot be read: {error}")),
        _ => format!("Line {line} is no CSV (RFC 4180)."),
    };
    Error::invalid("targets", message)
}
