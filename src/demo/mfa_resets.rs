//! Resets of many users at every stage that the examples of the document ask for, each with one user.

use super::{APPLICATION_NAME, LEAVER};
use crate::{
    access::{Origin, Who},
    error::{Error, Result},
    id::{ApplicationId, AuditEventId, MfaResetId, TenantId},
    mfa_resets::{Plan, Summary, creator_json, items::Planned, items::Problem},
    reset,
    store::{
        self, Tx,
        mfa_resets::{
            self, MfaResetRow,
            MfaResetStatus::{self, AwaitingConfirmation, PartiallySucceeded, Succeeded},
            items::{self, ItemRow, ItemStatus},
            parts::{self, Counts, PartRow, PartStatus},
        },
        users,
    },
};

/// How long the previews wait, in minutes: as long as anybody tries the demo.
const WAITING_MINUTES: i64 = 10 * 365 * 24 * 60;

/// The id of a seeded reset: the same on every machine.
pub fn id(name: &str) -> String {
    super::id(&format!("mfaReset {name}"))
}

pub(super) fn seed(tx: &mut Tx<'_>, tenant: &TenantId, application: &ApplicationId) -> Result<()> {
    seed_one(tx, tenant, application, "waiting", AwaitingConfirmation, ItemStatus::Pending)?;
    seed_one(tx, tenant, application, "to cancel", AwaitingConfirmation, ItemStatus::Pending)?;
    seed_one(tx, tenant, application, "failed", PartiallySucceeded, ItemStatus::Failed)?;
    seed_one(tx, tenant, application, "finished", Succeeded, ItemStatus::Done)
}

fn seed_one(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    application: &ApplicationId,
    name: &str,
    status: MfaResetStatus,
    item_status: ItemStatus,
) -> Result<()> {
    let reset_id = MfaResetId::new(id(name));
    if mfa_resets::find(tx, tenant, &reset_id)?.is_some() {
        return Ok(());
    }
    let secret_id =
        store::applications::find(tx, tenant, application)?.and_then(|found| found.secrets.first().cloned());
    let who = Who::Application {
        id: application.clone(),
        secret_id: secret_id.map(|secret| secret.id).unwrap_or_default(),
        permissions: crate::access::known_permissions(),
        trusted_issuer: None,
    };
    let Some(user) = users::find(tx, tenant, LEAVER)? else { return Ok(()) };
    let plan = Plan { reason: Some("Demo".into()), revoke_sign_in_sessions: true, ..Plan::default() };
    let json = |value: Result<String, serde_json::Error>| value.map_err(Error::internal);
    let was_confirmed = status != AwaitingConfirmation;
    let (now, at) = (tx.now(), was_confirmed.then_some(tx.now()));
    mfa_resets::insert(
        tx,
        &MfaResetRow {
            tenant_id: tenant.clone(),
            mfa_reset_id: reset_id.clone(),
            status,
            version: if was_confirmed { 4 } else { 2 },
            request: json(serde_json::to_string(&plan))?,
            creator: creator_json(&who, &Origin::default())?,
            creator_id: application.to_string(),
            creator_display_name: APPLICATION_NAME.into(),
            confirmed_by_id: was_confirmed.then(|| application.to_string()),
            confirmed_by_display_name: was_confirmed.then(|| APPLICATION_NAME.into()),
            has_customers: false,
            duplicate_count: 0,
            created_at: now,
            confirmed_at: at,
            finished_at: at,
            expires_at: now.plus_minutes(WAITING_MINUTES),
        },
    )?;
    let mut report = reset::plan(tx, tenant, std::slice::from_ref(&user), &plan.request(None))?.remove(0);
    report.audit_event_id = Some(AuditEventId::new(super::id("audit event")));
    let display_name = store::tenants::find(tx, tenant)?.map(|tenant| tenant.display_name);
    let count = |wanted| i64::from(item_status == wanted);
    parts::insert(
        tx,
        &PartRow {
            tenant_id: tenant.clone(),
            mfa_reset_id: reset_id.clone(),
            target_tenant_id: tenant.clone(),
            display_name,
            status: if was_confirmed { PartStatus::Finished } else { PartStatus::Waiting },
            due_at: now,
            selections: "[]".into(),
            selected_until: None,
            summary: json(serde_json::to_string(&Summary { user_count: 1, ..Summary::default() }))?,
            counts: Counts {
                pending: count(ItemStatus::Pending),
                done: count(ItemStatus::Done),
                failed: count(ItemStatus::Failed),
                ..Counts::default()
            },
        },
    )?;
    let failure = Problem::fault(&Error::unavailable("demo"));
    let item = ItemRow {
        tenant_id: tenant.clone(),
        mfa_reset_id: reset_id,
        item_number: 1,
        target_tenant_id: tenant.clone(),
        named: Some(LEAVER.into()),
        reason: None,
        user_id: Some(user.user_id.clone()),
        user_principal_name: Some(user.user_principal_name.clone()),
        status: item_status,
        planned: Some(json(serde_json::to_string(&Planned::from(&report)))?),
        problem: (item_status == ItemStatus::Failed).then(|| json(serde_json::to_string(&failure))).transpose()?,
        report: (item_status == ItemStatus::Done).then(|| json(serde_json::to_string(&report))).transpose()?,
        finished_at: at,
    };
    items::insert(tx, &[item])
}
