//! Challenges: whatever was asked of a user and is to be answered once. Taken by deleting the row.

use diesel::prelude::*;

use super::{Tx, backend::natively, schema::challenges};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{ChallengeId, MethodId, SessionId, TenantId, UserId},
    words,
};

words! {
    pub enum Purpose {
        /// A code that was sent to prove that a number or address is the user's.
        Verification = "verification",
        /// A code that was sent to sign in with.
        SentCode = "sentCode",
        PasskeyRegistration = "passkeyRegistration",
        PasskeyAssertion = "passkeyAssertion",
        /// The activation code of an authenticator app.
        AppActivation = "appActivation",
        /// A question on the screen of an authenticator app.
        Push = "push",
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = challenges)]
pub struct Challenge {
    pub tenant_id: TenantId,
    pub challenge_id: ChallengeId,
    pub user_id: UserId,
    pub purpose: Purpose,
    pub method_id: Option<MethodId>,
    pub session_id: Option<SessionId>,
    /// What the answer is found by when whoever answers does not name the challenge: unique on the whole server.
    pub lookup: Option<String>,
    /// The kind's own data, sealed to [`place`].
    pub sealed_state: String,
    /// Wrong answers that are still allowed.
    pub tries_left: i32,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Where a challenge's state is sealed to.
pub fn place<'a>(tenant: &'a TenantId, user: &'a UserId, id: &'a ChallengeId) -> [&'a str; 4] {
    [tenant.as_str(), user.as_str(), "challenge", id.as_str()]
}

pub fn insert(tx: &mut Tx<'_>, challenge: &Challenge) -> Result<()> {
    diesel::insert_into(challenges::table).values(challenge).execute(tx.conn)?;
    Ok(())
}

/// The open challenge with this id.
pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, id: &ChallengeId) -> Result<Option<Challenge>> {
    let query = challenges::table.find((tenant, id)).filter(challenges::expires_at.gt(tx.now));
    Ok(query.select(Challenge::as_select()).first(tx.conn).optional()?)
}

/// The open challenge that an answer names by `lookup`, of whatever tenant.
pub fn find_by_lookup(tx: &mut Tx<'_>, purpose: Purpose, lookup: &str) -> Result<Option<Challenge>> {
    let query = challenges::table
        .filter(challenges::lookup.eq(lookup))
        .filter(challenges::purpose.eq(purpose))
        .filter(challenges::expires_at.gt(tx.now));
    Ok(query.select(Challenge::as_select()).first(tx.conn).optional()?)
}

/// The open challenges of a user for one purpose, oldest first; a handful.
pub fn of_user(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, purpose: Purpose) -> Result<Vec<Challenge>> {
    let query = challenges::table
        .filter(challenges::tenant_id.eq(tenant))
        .filter(challenges::user_id.eq(user))
        .filter(challenges::purpose.eq(purpose))
        .filter(challenges::expires_at.gt(tx.now));
    Ok(query.order((challenges::created_at, challenges::challenge_id)).select(Challenge::as_select()).load(tx.conn)?)
}

/// Takes the answer: true exactly once per challenge, and never after it expired. One conditional delete, so no
/// concurrency accepts an answer twice.
pub fn take(tx: &mut Tx<'_>, challenge: &Challenge) -> Result<bool> {
    let open = challenges::table
        .find((&challenge.tenant_id, &challenge.challenge_id))
        .filter(challenges::expires_at.gt(tx.now))
        .filter(challenges::tries_left.gt(0));
    Ok(diesel::delete(open).execute(tx.conn)? == 1)
}

/// Counts a wrong answer; the last one that is allowed ends the challenge. Returns the tries that are left.
pub fn miss(tx: &mut Tx<'_>, challenge: &Challenge) -> Result<i32> {
    let row = challenges::table.find((&challenge.tenant_id, &challenge.challenge_id));
    if challenge.tries_left <= 1 {
        diesel::delete(row).execute(tx.conn)?;
        return Ok(0);
    }
    let left = challenge.tries_left - 1;
    diesel::update(row).set(challenges::tries_left.eq(left)).execute(tx.conn)?;
    Ok(left)
}

/// Ends the user's challenges for one purpose, so that only the newest counts.
pub fn delete_of_user(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, purpose: Purpose) -> Result<()> {
    let all = challenges::table
        .filter(challenges::tenant_id.eq(tenant))
        .filter(challenges::user_id.eq(user))
        .filter(challenges::purpose.eq(purpose));
    diesel::delete(all).execute(tx.conn)?;
    Ok(())
}

/// Ends what one sign-in asked for one purpose, so that only the newest counts.
pub fn delete_of_session(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    user: &UserId,
    session: &SessionId,
    purpose: Purpose,
) -> Result<()> {
    let all = challenges::table
        .filter(challenges::tenant_id.eq(tenant))
        .filter(challenges::user_id.eq(user))
        .filter(challenges::purpose.eq(purpose))
        .filter(challenges::session_id.eq(session));
    diesel::delete(all).execute(tx.conn)?;
    Ok(())
}

/// Ends what was asked for by a method.
pub fn delete_of_method(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, method: &MethodId) -> Result<()> {
    let all = challenges::table
        .filter(challenges::tenant_id.eq(tenant))
        .filter(challenges::user_id.eq(user))
        .filter(challenges::method_id.eq(method));
    diesel::delete(all).execute(tx.conn)?;
    Ok(())
}

/// Ends everything that waits for an answer of these users.
pub fn delete_all(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId]) -> Result<()> {
    let all = challenges::table.filter(challenges::tenant_id.eq(tenant)).filter(challenges::user_id.eq_any(users));
    natively!(&mut *tx.conn, |conn| diesel::delete(all).execute(conn)?);
    Ok(())
}

pub fn purge_expired(tx: &mut Tx<'_>) -> Result<usize> {
    Ok(diesel::delete(challenges::table.filter(challenges::expires_at.le(tx.now))).execute(tx.conn)?)
}
