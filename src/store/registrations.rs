//! Registration classes: what reports count users by.
//!
//! Every present user has a class, a text that the rules make of the user's rows ([`Classify`]), and each tenant has a
//! row with the number of users of each of its classes. Classes are few however many the users are, so a report adds up
//! classes instead of walking the directory. Whatever changes such a row *touches* its user, and the end of the
//! transaction ([`settle`]) writes what differs.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::{
    Tx,
    backend::natively,
    devices::DeviceStatus,
    schema::{hardware_oath_devices as devices, methods, registration_counts as counts, role_assignments, users},
    users::{Requirements, UserType},
};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{TenantId, UserId},
};

pub mod walk;

/// Users who are read and written in one statement.
const CHUNK: usize = 500;

/// What the rows say of a present user, as far as reports count by it. None of it changes with time alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub user_type: UserType,
    pub account_enabled: bool,
    /// The user lets the system choose the second factor.
    pub system_preferred_enabled: bool,
    /// Template ids of the directory roles.
    pub roles: Vec<String>,
    /// Kind and detail of every method whose registration is finished.
    pub methods: Vec<(String, String)>,
    /// A hardware token of the user is activated.
    pub has_activated_device: bool,
}

/// The rule that makes a class of a user's rows. Equal facts in any order make equal texts.
pub type Classify = fn(&Facts) -> String;

/// How many users a class gains or loses.
type Moves = BTreeMap<String, i64>;

/// A user's class as it stands, and what it is made of; `None` when the user is deleted.
struct Standing {
    class: Option<String>,
    facts: Option<Facts>,
}

/// Counts anew whatever the transaction changed about users: reads the touched users' rows, writes the classes that
/// differ, and moves the counts by what that changes. A few statements for each tenant and class, however many users.
pub(super) fn settle(tx: &mut Tx<'_>) -> Result<()> {
    let mut of_tenants: BTreeMap<TenantId, Vec<UserId>> = BTreeMap::new();
    for (tenant, user) in std::mem::take(&mut tx.touched) {
        of_tenants.entry(tenant).or_default().push(user);
    }
    for (tenant, touched) in of_tenants {
        let mut moves = Moves::new();
        for some in touched.chunks(CHUNK) {
            reclassify(tx, &tenant, some, &mut moves)?;
        }
        count(tx, &tenant, &moves)?;
    }
    Ok(())
}

/// Counts a user out whose row is about to go.
pub(super) fn forget(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<()> {
    let class = users::table.find((tenant, user)).select(users::registration_class);
    match class.first::<Option<String>>(tx.conn).optional()?.flatten() {
        Some(class) => count(tx, tenant, &Moves::from([(class, -1)])),
        None => Ok(()),
    }
}

fn reclassify(tx: &mut Tx<'_>, tenant: &TenantId, ids: &[UserId], moves: &mut Moves) -> Result<()> {
    let mut changed: BTreeMap<Option<String>, Vec<UserId>> = BTreeMap::new();
    for (user, standing) in standings(tx, tenant, ids)? {
        let class = standing.facts.as_ref().map(tx.context.classify);
        if class == standing.class {
            continue;
        }
        if let Some(old) = standing.class {
            *moves.entry(old).or_default() -= 1;
        }
        if let Some(new) = &class {
            *moves.entry(new.clone()).or_default() += 1;
        }
        changed.entry(class).or_default().push(user);
    }
    for (class, of_class) in changed {
        let some = users::table.filter(users::tenant_id.eq(tenant)).filter(users::user_id.eq_any(&of_class));
        let set = diesel::update(some).set(users::registration_class.eq(class));
        natively!(&mut *tx.conn, |conn| set.execute(conn)?);
    }
    Ok(())
}

fn standings(tx: &mut Tx<'_>, tenant: &TenantId, ids: &[UserId]) -> Result<BTreeMap<UserId, Standing>> {
    type Row = (UserId, Option<Timestamp>, Option<String>, UserType, bool, bool);
    let query = users::table.filter(users::tenant_id.eq(tenant)).filter(users::user_id.eq_any(ids)).select((
        users::user_id,
        users::deleted_at,
        users::registration_class,
        users::user_type,
        users::account_enabled,
        users::system_preferred_enabled,
    ));
    let rows: Vec<Row> = natively!(&mut *tx.conn, |conn| query.load(conn)?);
    let standing = |(user, deleted_at, class, user_type, account_enabled, system_preferred_enabled): Row| {
        let facts = Facts {
            user_type,
            account_enabled,
            system_preferred_enabled,
            roles: vec![],
            methods: vec![],
            has_activated_device: false,
        };
        (user, Standing { class, facts: deleted_at.is_none().then_some(facts) })
    };
    let mut all: BTreeMap<UserId, Standing> = rows.into_iter().map(standing).collect();
    if all.values().all(|standing| standing.facts.is_none()) {
        return Ok(all);
    }
    let mut note = |user: &UserId, write: &mut dyn FnMut(&mut Facts)| {
        if let Some(facts) = all.get_mut(user).and_then(|standing| standing.facts.as_mut()) {
            write(facts);
        }
    };
    let query = methods::table
        .filter(methods::tenant_id.eq(tenant))
        .filter(methods::user_id.eq_any(ids))
        .filter(methods::pending_until.is_null())
        .select((methods::user_id, methods::kind, methods::detail));
    let rows: Vec<(UserId, String, String)> = natively!(&mut *tx.conn, |conn| query.load(conn)?);
    for (user, kind, detail) in rows {
        note(&user, &mut |facts| facts.methods.push((kind.clone(), detail.clone())));
    }
    let query = devices::table
        .filter(devices::tenant_id.eq(tenant))
        .filter(devices::assigned_to.eq_any(ids))
        .filter(devices::status.eq(DeviceStatus::Activated))
        .select(devices::assigned_to.assume_not_null());
    let owners: Vec<UserId> = natively!(&mut *tx.conn, |conn| query.load(conn)?);
    for user in owners {
        note(&user, &mut |facts| facts.has_activated_device = true);
    }
    let query = role_assignments::table
        .filter(role_assignments::tenant_id.eq(tenant))
        .filter(role_assignments::user_id.eq_any(ids))
        .select((role_assignments::user_id, role_assignments::role_id));
    let roles: Vec<(UserId, String)> = natively!(&mut *tx.conn, |conn| query.load(conn)?);
    for (user, role) in roles {
        note(&user, &mut |facts| facts.roles.push(role.clone()));
    }
    Ok(all)
}

/// Moves the counts of a tenant; a class that nobody is in any more has no row. The tenant's writes happen one after
/// the other, so nobody counts between the two statements.
fn count(tx: &mut Tx<'_>, tenant: &TenantId, moves: &Moves) -> Result<()> {
    for (class, change) in moves.iter().filter(|(_, change)| **change != 0) {
        let row = counts::table.find((tenant, class));
        let set = diesel::update(row).set(counts::users.eq(counts::users + *change));
        let known = natively!(&mut *tx.conn, |conn| set.execute(conn)?);
        if known == 0 && *change > 0 {
            let first = (counts::tenant_id.eq(tenant), counts::class.eq(class), counts::users.eq(*change));
            diesel::insert_into(counts::table).values(first).execute(tx.conn)?;
        } else if *change < 0 {
            diesel::delete(row.filter(counts::users.le(0))).execute(tx.conn)?;
        }
    }
    Ok(())
}

/// The classes of a tenant's present users, with the number of users of each, in the order of their texts.
pub fn classes(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(String, i64)>> {
    let query = counts::table.filter(counts::tenant_id.eq(tenant)).order(counts::class);
    Ok(query.select((counts::class, counts::users)).load(tx.conn)?)
}

/// The same of several tenants; one without users is left out.
pub fn classes_of_tenants(tx: &mut Tx<'_>, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, Vec<(String, i64)>>> {
    let query = counts::table.filter(counts::tenant_id.eq_any(tenants)).order((counts::tenant_id, counts::class));
    let rows: Vec<(TenantId, String, i64)> =
        query.select((counts::tenant_id, counts::class, counts::users)).load(tx.conn)?;
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (tenant, class, users) in rows {
        all.entry(tenant).or_default().push((class, users));
    }
    Ok(all)
}

/// The classes of those of these users who are present.
pub fn classes_of_users(tx: &mut Tx<'_>, tenant: &TenantId, ids: &[UserId]) -> Result<BTreeMap<UserId, String>> {
    let mut all = BTreeMap::new();
    for some in ids.chunks(CHUNK) {
        let query = users::table
            .filter(users::tenant_id.eq(tenant))
            .filter(users::user_id.eq_any(some))
            .filter(users::deleted_at.is_null())
            .filter(users::registration_class.is_not_null())
            .select((users::user_id, users::registration_class.assume_not_null()));
        let rows: Vec<(UserId, String)> = natively!(&mut *tx.conn, |conn| query.load(conn)?);
        all.extend(rows);
    }
    Ok(all)
}

/// What must happen when these users sign in.
pub fn requirements_of_users(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    ids: &[UserId],
) -> Result<BTreeMap<UserId, Requirements>> {
    let query = users::table.filter(users::tenant_id.eq(tenant)).filter(users::user_id.eq_any(ids));
    let rows: Vec<(UserId, Requirements)> = query.select((users::user_id, Requirements::as_select())).load(tx.conn)?;
    Ok(rows.into_iter().collect())
}
