//! Verification of the audit log: has anything been changed, removed, inserted or cut off?
//!
//! Each event's hash covers all its columns and the hash before it, and the signed head names the last one, so an
//! unbroken walk from the tenant's own first hash to the head proves the whole log. What a walk alone cannot see is a
//! log that was put back, head and all, to an earlier state of its own: for that keep a report, and give its anchors
//! to the next verification.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::{
    error::{Error, Result},
    id::TenantId,
    store::{
        Store, Tx,
        audit::{self, AuditEvent, AuditHead},
        keys::{self, Genuineness, PublicKey},
        tenants,
    },
};

/// Events that are in memory at a time.
const PAGE: i64 = 1_000;
/// Problems of one tenant that are told in full; the others are counted.
const MAX_PROBLEMS: usize = 100;

/// What verification found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// True when no problem was found.
    pub valid: bool,
    /// Those that belong to no tenant.
    pub problems: Vec<Problem>,
    pub tenants: Vec<TenantReport>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantReport {
    pub tenant_id: TenantId,
    /// How many there are.
    pub events: u64,
    pub head_hash: Option<String>,
    pub head_sequence: Option<i64>,
    /// True when the tenant's public key was found to belong to its sealed private key. False without the sealing
    /// key: then somebody who could write to the database might have signed a log of his own with a key of his own.
    pub key_checked: bool,
    /// The first hundred.
    pub problems: Vec<Problem>,
    pub problem_count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Of the event it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sequence: Option<i64>,
    pub problem: String,
}

/// A place in a tenant's log that an earlier report vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Anchor {
    pub tenant_id: TenantId,
    pub sequence: i64,
    pub hash: String,
}

impl Report {
    /// What a later verification can hold the log to.
    pub fn anchors(&self) -> Vec<Anchor> {
        let anchor = |tenant: &TenantReport| {
            Some(Anchor {
                tenant_id: tenant.tenant_id.clone(),
                sequence: tenant.head_sequence?,
                hash: tenant.head_hash.clone()?,
            })
        };
        self.tenants.iter().filter_map(anchor).collect()
    }
}

/// Verifies the logs of all tenants as they stand at one moment, while others go on writing. Each log must still hold
/// the `expected` anchors. Reads every event once, in pages; a damaged database is a finding, not an error.
pub async fn verify(store: &Store, expected: &[Anchor]) -> Result<Report> {
    let (store, expected) = (store.clone(), expected.to_vec());
    // Reads of SQLite run on the thread that asks, and this one may take minutes.
    let walk = move || Handle::current().block_on(store.read(move |tx| verify_all(tx, &expected)));
    tokio::task::spawn_blocking(walk).await.map_err(Error::internal)?
}

fn verify_all(tx: &mut Tx<'_>, expected: &[Anchor]) -> Result<Report> {
    let mut problems = Vec::new();
    let mut readable = |ids: Result<Vec<TenantId>>| match ids {
        Err(Error::Internal { context }) => {
            problems.push(Problem { sequence: None, problem: format!("A tenant's id cannot be read: {context}.") });
            Ok(BTreeSet::new())
        }
        ids => ids.map(BTreeSet::from_iter),
    };
    let existing = readable(tenants::ids(tx))?;
    let mut mentioned = readable(audit::tenants(tx))?;
    mentioned.extend(existing.iter().cloned());
    mentioned.extend(expected.iter().map(|anchor| anchor.tenant_id.clone()));
    let mut reports = Vec::new();
    for tenant in mentioned {
        let mut findings = Findings::new(tenant, expected);
        if !existing.contains(&findings.report.tenant_id) {
            findings.add(None, "There is no such tenant, and there should be no trace of it in the audit log.");
        }
        findings.walk(tx)?;
        reports.push(findings.report);
    }
    // One sealing key seals all: keys that it does not open among keys that it does were not made here.
    if reports.iter().any(|report| report.key_checked) {
        for report in reports.iter_mut().filter(|report| !report.key_checked && report.problem_count == 0) {
            report.add(
                None,
                "The signing key is sealed with a sealing key that is not here, unlike other tenants' keys.",
            );
        }
    }
    let valid = problems.is_empty() && reports.iter().all(|report| report.problem_count == 0);
    Ok(Report { valid, problems, tenants: reports })
}

impl TenantReport {
    fn add(&mut self, sequence: Option<i64>, problem: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { sequence, problem: problem.into() });
        }
    }
}

/// The walk along one tenant's log.
struct Findings {
    report: TenantReport,
    /// Not yet met.
    anchors: Vec<Anchor>,
    /// Sequence and hash of the event before.
    last: Option<(i64, String)>,
}

impl Findings {
    fn new(tenant_id: TenantId, expected: &[Anchor]) -> Self {
        let anchors = expected.iter().filter(|anchor| anchor.tenant_id == tenant_id).cloned().collect();
        let report = TenantReport {
            tenant_id,
            events: 0,
            head_hash: None,
            head_sequence: None,
            key_checked: false,
            problems: vec![],
            problem_count: 0,
        };
        Self { report, anchors, last: None }
    }

    fn add(&mut self, sequence: Option<i64>, problem: impl Into<String>) {
        self.report.add(sequence, problem);
    }

    fn walk(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        self.events(tx)?;
        let head = self.readable(audit::stored_head(tx, &self.report.tenant_id), "The head")?.flatten();
        self.head(tx, head)?;
        for anchor in std::mem::take(&mut self.anchors) {
            self.add(
                Some(anchor.sequence),
                "The expected event is gone: the log was cut off or put back to an earlier state.",
            );
        }
        Ok(())
    }

    /// An answer of the database, or nothing and a finding when what it holds cannot be read. Only a database that is
    /// away is an error.
    fn readable<T>(&mut self, answer: Result<T>, what: &str) -> Result<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::Internal { context }) => {
                self.add(None, format!("{what} cannot be read: {context}."));
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    fn events(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let mut size = PAGE;
        loop {
            let after = self.last.as_ref().map(|(sequence, _)| *sequence);
            let page = audit::chain(tx, &self.report.tenant_id, after, size);
            if matches!(page, Err(Error::Internal { .. })) && size > 1 {
                // One event cannot be read; go up to it one by one.
                size = 1;
                continue;
            }
            let what = format!(
                "The event behind {}, where the walk ends,",
                after.map_or("the beginning".into(), |last| last.to_string())
            );
            let page = match self.readable(page, &what)? {
                Some(page) if !page.is_empty() => page,
                _ => return Ok(()),
            };
            for (event, is_well_typed) in page {
                // SQLite stores what it is given, so a damaged sequence could lead round in circles.
                if self.last.as_ref().is_some_and(|(last, _)| event.sequence <= *last) {
                    self.add(Some(event.sequence), "The sequence is no number, and the walk ends here.");
                    return Ok(());
                }
                self.event(event, is_well_typed)?;
            }
        }
    }

    fn event(&mut self, event: AuditEvent, is_well_typed: bool) -> Result<()> {
        let sequence = Some(event.sequence);
        self.report.events += 1;
        if !is_well_typed {
            self.add(sequence, "A column holds a value of another type.");
        }
        let (expected_sequence, expected_hash) = match &self.last {
            Some((last, hash)) => (last.checked_add(1), hash.clone()),
            None => (Some(1), audit::genesis(&self.report.tenant_id)),
        };
        if expected_sequence != sequence {
            let expected = expected_sequence.map_or("no event".into(), |expected| format!("sequence {expected}"));
            self.add(
                sequence,
                format!("Records were removed or inserted before this one: {expected} should come here."),
            );
        }
        if event.previous_hash != expected_hash {
            self.add(sequence, "It does not follow the event before it.");
        }
        if event.compute_hash()? != event.hash {
            self.add(sequence, "It was changed: its hash is not that of its columns.");
        }
        let (due, later) = self.anchors.drain(..).partition::<Vec<_>, _>(|anchor| anchor.sequence == event.sequence);
        self.anchors = later;
        if due.iter().any(|anchor| anchor.hash != event.hash) {
            self.add(sequence, "It is not the event that was expected here: the log was rewritten.");
        }
        self.last = Some((event.sequence, event.hash));
        Ok(())
    }

    fn head(&mut self, tx: &mut Tx<'_>, head: Option<audit::Stored<AuditHead>>) -> Result<()> {
        let tenant = self.report.tenant_id.clone();
        let tested = self.readable(keys::test_all(tx, &tenant), "A signing key")?.unwrap_or_default();
        self.report.key_checked = !tested.is_empty() && tested.iter().all(|(_, test)| *test != Genuineness::Unknown);
        for (key, _) in tested.iter().filter(|(_, test)| *test == Genuineness::Forged) {
            self.add(None, format!("The public key {} does not belong to the sealed private key.", key.key_id));
        }
        let Some((head, is_well_typed)) = head else {
            let problem = match self.last {
                Some(_) => "The head is missing.",
                None => "There is no audit record at all; at least the creation of the tenant should be there.",
            };
            self.add(None, problem);
            return Ok(());
        };
        self.report.head_hash = Some(head.hash.clone());
        self.report.head_sequence = Some(head.sequence);
        if !is_well_typed {
            self.add(None, "A column of the head holds a value of another type.");
        }
        self.compare_with_last(&head);
        self.check_signature(&head, tested.iter().map(|(key, _)| key).find(|key| key.key_id == head.key_id));
        Ok(())
    }

    fn compare_with_last(&mut self, head: &AuditHead) {
        let last = self.last.clone().unwrap_or((0, audit::genesis(&self.report.tenant_id)));
        let problem = match last.0.cmp(&head.sequence) {
            std::cmp::Ordering::Less => format!("The log is cut off: the head says {} events.", head.sequence),
            std::cmp::Ordering::Greater => format!("There are events beyond the head, which says {}.", head.sequence),
            std::cmp::Ordering::Equal if last.1 != head.hash => "The head has not the hash of the last event.".into(),
            std::cmp::Ordering::Equal => return,
        };
        self.add(Some(last.0), problem);
    }

    fn check_signature(&mut self, head: &AuditHead, key: Option<&PublicKey>) {
        let problem = match key {
            None => "The head is signed with a key that the tenant does not have.",
            Some(key) if !key.verify(&head.message(), &head.signature) => "The head's signature is wrong.",
            Some(_) => return,
        };
        self.add(None, problem);
    }
}
