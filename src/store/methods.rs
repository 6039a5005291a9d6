//! Method rows: common columns, a JSON `detail` that only the kind understands, and a sealed secret.
//!
//! A new kind needs no migration. Hardware OATH is not here: it is a device that is assigned (`devices.rs`).

use diesel::{dsl::sql, prelude::*, sql_types::Bool};

use super::{Tx, backend::natively, schema::methods};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{MethodId, TenantId, UserId},
};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = methods, treat_none_as_null = true)]
pub struct MethodRow {
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub method_id: MethodId,
    pub kind: String,
    /// JSON of the kind's own data.
    pub detail: String,
    pub sealed_secret: Option<String>,
    /// Set while the number may be used to sign in; unique in the tenant.
    pub sms_sign_in_number: Option<String>,
    /// The last time step whose one-time code was accepted (RFC 6238): only a greater one is.
    pub last_step: Option<i64>,
    /// Set while the registration is unfinished: it ends at this moment.
    pub pending_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

pub fn insert(tx: &mut Tx<'_>, row: &MethodRow) -> Result<()> {
    diesel::insert_into(methods::table).values(row).execute(tx.conn)?;
    tx.touch(&row.tenant_id, &row.user_id);
    Ok(())
}

pub fn update(tx: &mut Tx<'_>, row: &MethodRow) -> Result<()> {
    diesel::update(methods::table.find((&row.tenant_id, &row.user_id, &row.method_id))).set(row).execute(tx.conn)?;
    tx.touch(&row.tenant_id, &row.user_id);
    Ok(())
}

/// The method was used now, and its use changed its secret: the same row otherwise.
pub fn set_used_secret(tx: &mut Tx<'_>, row: &MethodRow) -> Result<()> {
    let target = methods::table.find((&row.tenant_id, &row.user_id, &row.method_id));
    let set = (methods::sealed_secret.eq(&row.sealed_secret), methods::last_used_at.eq(Some(tx.now)));
    diesel::update(target).set(set).execute(tx.conn)?;
    Ok(())
}

/// All methods of a user (a few dozen at most: each kind is bounded), oldest first.
pub fn of_user(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<Vec<MethodRow>> {
    let query = methods::table.filter(methods::tenant_id.eq(tenant)).filter(methods::user_id.eq(user));
    let query = query.order((methods::created_at, methods::method_id));
    Ok(natively!(&mut *tx.conn, |conn| query.select(MethodRow::as_select()).load(conn)?))
}

/// All methods of some users, each user's oldest first.
pub fn of_users(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId]) -> Result<Vec<MethodRow>> {
    let query = methods::table.filter(methods::tenant_id.eq(tenant)).filter(methods::user_id.eq_any(users));
    let query = query.order((methods::user_id, methods::created_at, methods::method_id));
    Ok(natively!(&mut *tx.conn, |conn| query.select(MethodRow::as_select()).load(conn)?))
}

/// Removes the methods of these kinds, and those whose registration is unfinished, of some users.
pub fn delete_of_users(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId], kinds: &[&str]) -> Result<()> {
    let some = methods::table
        .filter(methods::tenant_id.eq(tenant))
        .filter(methods::user_id.eq_any(users))
        .filter(methods::kind.eq_any(kinds).or(methods::pending_until.is_not_null()));
    natively!(&mut *tx.conn, |conn| diesel::delete(some).execute(conn)?);
    users.iter().for_each(|user| tx.touch(tenant, user));
    Ok(())
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, id: &MethodId) -> Result<Option<MethodRow>> {
    Ok(methods::table.find((tenant, user, id)).select(MethodRow::as_select()).first(tx.conn).optional()?)
}

/// True when the method was there.
pub fn delete(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, id: &MethodId) -> Result<bool> {
    tx.touch(tenant, user);
    Ok(diesel::delete(methods::table.find((tenant, user, id))).execute(tx.conn)? == 1)
}

/// Removes registrations of a user that were not finished in time.
pub fn delete_ended(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<()> {
    let ended = methods::table
        .filter(methods::tenant_id.eq(tenant))
        .filter(methods::user_id.eq(user))
        .filter(methods::pending_until.le(Some(tx.now)));
    diesel::delete(ended).execute(tx.conn)?;
    Ok(())
}

pub fn delete_all(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<()> {
    let all = methods::table.filter(methods::tenant_id.eq(tenant)).filter(methods::user_id.eq(user));
    diesel::delete(all).execute(tx.conn)?;
    tx.touch(tenant, user);
    Ok(())
}

/// True when somebody of the tenant has the passkey, or another key of WebAuthn's, with this id.
pub fn passkey_exists(tx: &mut Tx<'_>, tenant: &TenantId, id: &MethodId) -> Result<bool> {
    // Written out, so that the index of passkeys fits.
    let is_passkey = sql::<Bool>("kind IN ('fido2', 'windowsHelloForBusiness', 'platformCredential')");
    let query =
        methods::table.filter(methods::tenant_id.eq(tenant)).filter(methods::method_id.eq(id)).filter(is_passkey);
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}

/// True when another user of the tenant signs in with this number.
pub fn sms_sign_in_number_is_taken(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, number: &str) -> Result<bool> {
    let query = methods::table
        .filter(methods::tenant_id.eq(tenant))
        .filter(methods::sms_sign_in_number.eq(number))
        .filter(methods::user_id.ne(user));
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}

/// Takes the one-time code of a time step: true exactly once per step, and never for an earlier step (RFC 6238
/// section 5.2). One conditional update, so no concurrency accepts a code twice. Finishes a pending registration.
pub fn take_step(tx: &mut Tx<'_>, row: &MethodRow, step: i64) -> Result<bool> {
    let fresh = methods::last_step.is_null().or(methods::last_step.lt(step));
    let target = methods::table.find((&row.tenant_id, &row.user_id, &row.method_id)).filter(fresh);
    let set = (
        methods::last_step.eq(Some(step)),
        methods::last_used_at.eq(Some(tx.now)),
        methods::pending_until.eq(None::<Timestamp>),
    );
    let taken = diesel::update(target).set(set).execute(tx.conn)? == 1;
    if taken && row.pending_until.is_some() {
        tx.touch(&row.tenant_id, &row.user_id);
    }
    Ok(taken)
}

/// The method was used now.
pub fn set_last_used(tx: &mut Tx<'_>, row: &MethodRow) -> Result<()> {
    let target = methods::table.find((&row.tenant_id, &row.user_id, &row.method_id));
    diesel::update(target).set(methods::last_used_at.eq(Some(tx.now))).execute(tx.conn)?;
    Ok(())
}

/// Removes registrations that nobody finished in time.
pub fn purge_unfinished(tx: &mut Tx<'_>) -> Result<usize> {
    Ok(diesel::delete(methods::table.filter(methods::pending_until.le(tx.now))).execute(tx.conn)?)
}
