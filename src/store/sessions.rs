//! Sign-in sessions: one attempt of a user to prove an identity, open to every replica.

use diesel::prelude::*;
use serde::Deserialize;

use super::{Tx, backend::natively, schema::sign_in_sessions as sessions};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{ApplicationId, MethodId, SessionId, TenantId, UserId},
    words,
};

words! {
    /// Where a session stands.
    pub enum SessionStatus {
        /// A second factor is missing.
        MfaRequired = "mfaRequired",
        /// The user must register a method first.
        RegistrationRequired = "registrationRequired",
        /// All is proven, but the password must be replaced first.
        PasswordChangeRequired = "passwordChangeRequired",
        /// All is proven, but the PIN must be replaced first.
        PinChangeRequired = "pinChangeRequired",
        Completed = "completed",
        /// Ended without success: a wrong first factor, or the user's methods were reset.
        Refused = "refused",
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sessions, treat_none_as_null = true)]
pub struct SessionRow {
    pub tenant_id: TenantId,
    pub session_id: SessionId,
    /// The sign-in service that opened it; nobody else sees it.
    pub application_id: ApplicationId,
    /// None when nobody has the name that was given.
    pub user_id: Option<UserId>,
    pub status: SessionStatus,
    /// JSON of what was proven so far (`sign_in.rs`).
    pub state: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub completed_at: Option<Timestamp>,
}

pub fn insert(tx: &mut Tx<'_>, session: &SessionRow) -> Result<()> {
    diesel::insert_into(sessions::table).values(session).execute(tx.conn)?;
    Ok(())
}

/// Writes the session back.
pub fn update(tx: &mut Tx<'_>, session: &SessionRow) -> Result<()> {
    diesel::update(sessions::table.find((&session.tenant_id, &session.session_id))).set(session).execute(tx.conn)?;
    Ok(())
}

/// The session, unless it has expired.
pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>> {
    let query = sessions::table.find((tenant, id)).filter(sessions::expires_at.gt(tx.now));
    Ok(query.select(SessionRow::as_select()).first(tx.conn).optional()?)
}

/// Moves all sessions of a user that stand at `from` to `to`.
pub fn move_all(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    user: &UserId,
    from: SessionStatus,
    to: SessionStatus,
) -> Result<usize> {
    let of_user = sessions::table.filter(sessions::tenant_id.eq(tenant)).filter(sessions::user_id.eq(user));
    Ok(diesel::update(of_user.filter(sessions::status.eq(from))).set(sessions::status.eq(to)).execute(tx.conn)?)
}

/// Ends every session of some users, also the completed ones: none of them shows an outcome any more.
pub fn refuse_all(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId]) -> Result<()> {
    let of_users = sessions::table.filter(sessions::tenant_id.eq(tenant)).filter(sessions::user_id.eq_any(users));
    let refused = diesel::update(of_users).set(sessions::status.eq(SessionStatus::Refused));
    natively!(&mut *tx.conn, |conn| refused.execute(conn)?);
    Ok(())
}

/// What is read here of a session's state.
#[derive(Deserialize)]
struct Proven {
    proofs: Vec<ProvenBy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProvenBy {
    method_id: Option<MethodId>,
}

/// Ends the sessions of a user in which a method was proven, but the one `within` which this happens.
pub fn refuse_proven_by(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    user: &UserId,
    method: &MethodId,
    within: Option<&SessionId>,
) -> Result<()> {
    let of_user = sessions::table.filter(sessions::tenant_id.eq(tenant)).filter(sessions::user_id.eq(user));
    let live = of_user.filter(sessions::expires_at.gt(tx.now)).select((sessions::session_id, sessions::state));
    let live: Vec<(SessionId, String)> = live.load(tx.conn)?;
    for (session, state) in live.iter().filter(|(session, _)| Some(session) != within) {
        let proven: Proven = serde_json::from_str(state).map_err(Error::internal)?;
        if proven.proofs.iter().any(|proof| proof.method_id.as_ref() == Some(method)) {
            let ended = diesel::update(sessions::table.find((tenant, session)));
            ended.set(sessions::status.eq(SessionStatus::Refused)).execute(tx.conn)?;
        }
    }
    Ok(())
}

pub fn purge_expired(tx: &mut Tx<'_>) -> Result<usize> {
    Ok(diesel::delete(sessions::table.filter(sessions::expires_at.le(tx.now))).execute(tx.conn)?)
}
