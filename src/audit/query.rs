//! Reading the audit log.

use serde::de::DeserializeOwned;

use super::{Detail, ModifiedProperty};
use crate::{
    access::{self, Action, Caller},
    error::{Error, Result},
    id::AuditEventId,
    store::{
        Tx,
        audit::{
            self, AuditEvent,
            list::{self, AuditQuery},
        },
        filter::LogPage,
    },
};

/// An event with its lists read.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub event: AuditEvent,
    pub modified: Vec<ModifiedProperty>,
    pub details: Vec<Detail>,
}

/// A page of the caller's tenant's events.
pub fn list(tx: &mut Tx<'_>, caller: &Caller, query: &AuditQuery) -> Result<LogPage<Recorded, i64>> {
    let actor = access::authorize(tx, caller, Action::ReadAuditLogs, None)?;
    let LogPage { rows, next } = list::page(tx, &actor.tenant, query)?;
    Ok(LogPage { rows: rows.into_iter().map(read).collect(), next })
}

/// One event of the caller's tenant.
pub fn find(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Recorded> {
    let actor = access::authorize(tx, caller, Action::ReadAuditLogs, None)?;
    let event = match AuditEventId::parse(id) {
        Some(id) => audit::find(tx, &actor.tenant, &id)?,
        None => None,
    };
    event.map(read).ok_or_else(|| Error::method_not_found(id))
}

/// A record whose lists were damaged behind our back must not hide the others, so it is shown as it stands.
fn read(event: AuditEvent) -> Recorded {
    let mut details = Vec::new();
    let modified = read_list(&event.modified_properties, "modifiedProperties", &mut details);
    let listed = read_list(&event.additional_details, "additionalDetails", &mut details);
    details.extend(listed);
    Recorded { event, modified, details }
}

fn read_list<T: DeserializeOwned>(json: &str, name: &str, details: &mut Vec<Detail>) -> Vec<T> {
    serde_json::from_str(json).unwrap_or_else(|_| {
        details.push(Detail { key: format!("damaged {name}"), value: json.to_owned() });
        Vec::new()
    })
}
