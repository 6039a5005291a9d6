//! Failures in a row of one subject, apart for every kind of guess.

use diesel::prelude::*;

use super::{Tx, backend::natively, schema::guesses};
use crate::{
    clock::Timestamp,
    error::Result,
    id::{TenantId, UserId},
    words,
};

words! {
    /// What is guessed. Each is counted for itself, so that nobody locks another's password by guessing his codes.
    pub enum GuessKind {
        Password = "password",
        /// One-time codes of every kind: OATH tokens, codes that were sent.
        Otp = "otp",
        TemporaryAccessPass = "temporaryAccessPass",
        /// PINs that go with a QR code.
        QrCodePin = "qrCodePin",
        /// Push requests that were denied or not answered.
        Push = "push",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = guesses)]
pub struct Guesses {
    pub tenant_id: TenantId,
    /// A user's id, or the hash of a name that nobody has.
    pub subject: String,
    pub kind: GuessKind,
    pub failures: i32,
    pub last_failure_at: Timestamp,
}

pub fn find(tx: &mut Tx<'_>, tenant: &TenantId, subject: &str, kind: GuessKind) -> Result<Option<Guesses>> {
    let query = guesses::table.find((tenant, subject, kind));
    Ok(query.select(Guesses::as_select()).first(tx.conn).optional()?)
}

/// Every kind of failure of one subject.
pub fn of_subject(tx: &mut Tx<'_>, tenant: &TenantId, subject: &str) -> Result<Vec<Guesses>> {
    let query = guesses::table.filter(guesses::tenant_id.eq(tenant)).filter(guesses::subject.eq(subject));
    Ok(query.order(guesses::kind).select(Guesses::as_select()).load(tx.conn)?)
}

/// Counts one more failure, and returns how many there are now.
pub fn add(tx: &mut Tx<'_>, tenant: &TenantId, subject: &str, kind: GuessKind) -> Result<i32> {
    let row = guesses::table.find((tenant, subject, kind));
    let set = (guesses::failures.eq(guesses::failures + 1), guesses::last_failure_at.eq(tx.now));
    if diesel::update(row).set(set).execute(tx.conn)? == 0 {
        let first = Guesses {
            tenant_id: tenant.clone(),
            subject: subject.to_owned(),
            kind,
            failures: 1,
            last_failure_at: tx.now,
        };
        diesel::insert_into(guesses::table).values(&first).execute(tx.conn)?;
        return Ok(1);
    }
    Ok(row.select(guesses::failures).first(tx.conn)?)
}

pub fn clear(tx: &mut Tx<'_>, tenant: &TenantId, subject: &str, kind: GuessKind) -> Result<()> {
    diesel::delete(guesses::table.find((tenant, subject, kind))).execute(tx.conn)?;
    Ok(())
}

/// The same of some users, for several kinds.
pub fn clear_of_users(tx: &mut Tx<'_>, tenant: &TenantId, users: &[&UserId], kinds: &[GuessKind]) -> Result<()> {
    let subjects: Vec<_> = users.iter().map(|user| user.as_str()).collect();
    let some = guesses::table
        .filter(guesses::tenant_id.eq(tenant))
        .filter(guesses::subject.eq_any(subjects))
        .filter(guesses::kind.eq_any(kinds));
    natively!(&mut *tx.conn, |conn| diesel::delete(some).execute(conn)?);
    Ok(())
}

/// Forgets every kind of guess of one subject.
pub fn clear_all(tx: &mut Tx<'_>, tenant: &TenantId, subject: &str) -> Result<()> {
    let all = guesses::table.filter(guesses::tenant_id.eq(tenant)).filter(guesses::subject.eq(subject));
    diesel::delete(all).execute(tx.conn)?;
    Ok(())
}

/// Forgets the failures of whoever made none since a moment, except those of at least `hard_stop`.
pub fn purge(tx: &mut Tx<'_>, before: Timestamp, hard_stop: i32) -> Result<usize> {
    let old = guesses::table.filter(guesses::last_failure_at.lt(before)).filter(guesses::failures.lt(hard_stop));
    Ok(diesel::delete(old).execute(tx.conn)?)
}
