//! Receipts: what a reset did in one tenant, signed with that tenant's key, for whoever keeps it elsewhere.
//!
//! A JWS in compact form (RFC 7515, ES256 of RFC 7518 section 3.4) over a JSON object with the reset's particulars and
//! every user who was reset. It is made and signed in pieces, so that a hundred thousand users take no more memory than
//! one page of them. [`verify`] is the other side.

pub mod verify;

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::json;

use super::{find_row, is_over, items::Item, view};
use crate::{
    access::Caller,
    error::{Error, Result},
    id::{MfaResetId, TenantId, UserId},
    reset::ResetReport,
    store::{
        Tx,
        keys::{self, SigningKey},
        mfa_resets::{
            self,
            items::{self, ItemStatus},
            parts,
        },
    },
};

/// `typ` of a receipt's header.
const TYPE: &str = "rekey-receipt+jwt";
/// Users read at once.
const PAGE: i64 = 500;
/// The statuses of users who were reset, in the order of the receipt.
const RESET: [ItemStatus; 2] = [ItemStatus::Done, ItemStatus::NothingToDo];

/// The tenants of which there are receipts.
pub fn tenants(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Vec<TenantId>> {
    let (_, row) = find_row(tx, caller, id)?;
    check_over(is_over(row.status))?;
    let parts = parts::of_reset(tx, &row.tenant_id, &row.mfa_reset_id)?;
    let with_users = parts.into_iter().filter(|part| part.counts.done + part.counts.nothing_to_do > 0);
    Ok(with_users.map(|part| part.target_tenant_id).collect())
}

fn check_over(is_over: bool) -> Result<()> {
    match is_over {
        true => Ok(()),
        false => Err(Error::conflict("There are receipts once the reset is finished.")),
    }
}

/// One user, as a receipt names him.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResetUser {
    user_id: UserId,
    user_principal_name: String,
    reset_date_time: String,
    /// `kind:id` of every method.
    deleted: Vec<String>,
    /// Serial numbers.
    deactivated: Vec<String>,
    audit_event_id: Option<String>,
}

impl From<ResetReport> for ResetUser {
    fn from(report: ResetReport) -> Self {
        Self {
            deleted: report.deleted.iter().map(|method| format!("{}:{}", method.kind, method.id)).collect(),
            deactivated: report.deactivated.into_iter().filter_map(|method| method.serial_number).collect(),
            user_id: report.user_id,
            user_principal_name: report.user_principal_name,
            reset_date_time: report.reset_date_time.to_iso(),
            audit_event_id: report.audit_event_id.map(|id| id.into_string()),
        }
    }
}

/// A receipt in the making: [`Receipt::next`] until there is nothing more.
pub struct Receipt {
    tenant: TenantId,
    id: MfaResetId,
    target: TenantId,
    key: Arc<SigningKey>,
    /// Over everything that was given out.
    digest: Context,
    /// The header, and how the payload begins.
    head: Option<Vec<u8>>,
    /// Bytes of the payload that do not fill a group of base64 yet.
    rest: Vec<u8>,
    /// Index into [`RESET`], and the last user of that status; none when all is said.
    place: Option<(usize, Option<UserId>)>,
    /// Users so far, of so many.
    given: i64,
    count: i64,
    /// Of the reset when the receipt was begun.
    version: i64,
    is_signed: bool,
}

/// Begins the receipt of one tenant.
pub fn begin(tx: &mut Tx<'_>, caller: &Caller, id: &str, target: &str) -> Result<Receipt> {
    let known = tenants(tx, caller, id)?;
    let named = TenantId::parse(target);
    let target = named.filter(|named| known.contains(named)).ok_or_else(|| Error::method_not_found(target))?;
    let (_, row) = find_row(tx, caller, id)?;
    let reset = view(tx, row)?;
    let part = reset.details.iter().flat_map(|details| &details.parts).find(|part| part.tenant_id == target);
    let part = part.ok_or_else(|| Error::internal("a known part is not there"))?;
    let count = part.counts.done + part.counts.nothing_to_do;
    let not_reset = part.counts.total() - count;
    let key = keys::current(tx, &target)?;
    let header = json!({"alg": "ES256", "typ": TYPE, "kid": key.key_id});
    let particulars = json!({
        "jti": tx.guid(),
        "iat": tx.now().seconds(),
        "tenantId": target,
        "mfaResetId": reset.id,
        "status": reset.status,
        "reason": reset.plan.reason,
        "alsoDelete": reset.plan.also_delete,
        "signInSessionsRevoked": reset.plan.revoke_sign_in_sessions,
        "createdBy": {"tenantId": reset.tenant_id, "id": reset.created_by_id, "displayName": reset.created_by_display_name},
        "confirmedBy": {"id": reset.confirmed_by_id, "displayName": reset.confirmed_by_display_name},
        "createdDateTime": reset.created_at.to_iso(),
        "confirmedDateTime": reset.confirmed_at.map(|at| at.to_iso()),
        "finishedDateTime": reset.finished_at.map(|at| at.to_iso()),
        "resetCount": count,
        "notResetCount": not_reset,
    });
    // The users come last, and piece by piece.
    let mut payload = serde_json::to_vec(&particulars).map_err(Error::internal)?;
    payload.pop();
    payload.extend_from_slice(b",\"users\":[");
    let mut receipt = Receipt {
        tenant: reset.tenant_id,
        id: reset.id,
        target,
        key,
        digest: Context::new(&SHA256),
        head: None,
        rest: vec![],
        place: Some((0, None)),
        given: 0,
        count,
        version: reset.version,
        is_signed: false,
    };
    let header = serde_json::to_vec(&header).map_err(Error::internal)?;
    let mut head = format!("{}.", URL_SAFE_NO_PAD.encode(header)).into_bytes();
    receipt.digest.update(&head);
    head.extend(receipt.encode(&payload, false));
    receipt.head = Some(head);
    Ok(receipt)
}

impl Receipt {
    /// The next piece; none at the end.
    pub fn next(&mut self, tx: &mut Tx<'_>) -> Result<Option<Vec<u8>>> {
        if let Some(head) = self.head.take() {
            return Ok(Some(head));
        }
        if let Some((status, after)) = self.place.take() {
            return self.some_users(tx, status, after).map(Some);
        }
        if std::mem::replace(&mut self.is_signed, true) {
            return Ok(None);
        }
        // Nothing is signed that a retry has made untrue while it was sent.
        let version = mfa_resets::find(tx, &self.tenant, &self.id)?.map(|row| row.version);
        if version != Some(self.version) || self.given != self.count {
            return Err(Error::conflict(
                "The reset was retried while its receipt was sent; ask for the receipt again.",
            ));
        }
        let mut end = self.encode(b"]}", true);
        let digest = std::mem::replace(&mut self.digest, Context::new(&SHA256)).finish();
        end.push(b'.');
        end.extend(self.key.sign_digest(&digest)?.into_bytes());
        Ok(Some(end))
    }

    fn some_users(&mut self, tx: &mut Tx<'_>, status: usize, after: Option<UserId>) -> Result<Vec<u8>> {
        let Some(wanted) = RESET.get(status) else { return Ok(vec![]) };
        let page = items::of_part_after(tx, &self.tenant, &self.id, &self.target, *wanted, after.as_ref(), PAGE)?;
        self.place = match page.last() {
            Some(last) => Some((status, last.user_id.clone())),
            None => Some((status + 1, None)).filter(|(next, _)| *next < RESET.len()),
        };
        let mut text = vec![];
        for row in page {
            let Some(report) = Item::read(row)?.report else { continue };
            if self.given > 0 {
                text.push(b',');
            }
            self.given += 1;
            text.extend(serde_json::to_vec(&ResetUser::from(report)).map_err(Error::internal)?);
        }
        Ok(self.encode(&text, false))
    }

    /// Base64url of the payload's next bytes, as far as they fill groups of three (or all at the `end`).
    fn encode(&mut self, bytes: &[u8], end: bool) -> Vec<u8> {
        self.rest.extend_from_slice(bytes);
        let whole = if end { self.rest.len() } else { self.rest.len() - self.rest.len() % 3 };
        let ready: Vec<u8> = self.rest.drain(..whole).collect();
        let text = URL_SAFE_NO_PAD.encode(ready).into_bytes();
        self.digest.update(&text);
        text
    }
}
