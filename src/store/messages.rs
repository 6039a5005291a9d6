//! The outbox: messages that wait to be delivered, stored in the transaction that wants them sent.

use diesel::prelude::*;

use super::{Tx, schema::messages};
use crate::{clock::Timestamp, error::Result, id::TenantId, words};

words! {
    /// The way a message takes.
    pub enum Channel {
        Sms = "sms",
        Voice = "voice",
        Email = "email",
        /// Wakes an authenticator app.
        Push = "push",
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = messages)]
pub struct MessageRow {
    pub tenant_id: TenantId,
    pub message_id: String,
    pub channel: Channel,
    /// The recipient and the text, sealed to [`place`].
    pub sealed_message: String,
    pub attempts: i32,
    /// When it is due; moved ahead while a worker has it.
    pub next_attempt_at: Timestamp,
    pub created_at: Timestamp,
    /// After this moment it is of no use to anybody.
    pub expires_at: Timestamp,
}

/// Where a message is sealed to.
pub fn place<'a>(tenant: &'a TenantId, id: &'a str) -> [&'a str; 3] {
    [tenant.as_str(), "message", id]
}

/// The row, as long as nobody else has claimed it since it was read.
macro_rules! as_seen {
    ($row:expr) => {
        messages::table
            .find((&$row.tenant_id, &$row.message_id))
            .filter(messages::next_attempt_at.eq($row.next_attempt_at))
    };
}

pub fn insert(tx: &mut Tx<'_>, row: &MessageRow) -> Result<()> {
    diesel::insert_into(messages::table).values(row).execute(tx.conn)?;
    Ok(())
}

/// The messages of one channel that are due, of every tenant but the `busy` ones, the longest waiting first.
pub fn due(tx: &mut Tx<'_>, channel: Channel, busy: &[TenantId], limit: i64) -> Result<Vec<MessageRow>> {
    let query = messages::table.filter(messages::channel.eq(channel)).filter(messages::next_attempt_at.le(tx.now));
    let query = query.filter(messages::tenant_id.ne_all(busy));
    let query = query.order((messages::next_attempt_at, messages::message_id)).limit(limit);
    Ok(query.select(MessageRow::as_select()).load(tx.conn)?)
}

/// Takes a message that was seen as due until `lease`, and counts the attempt: true for one worker only. Whoever does
/// not finish in time loses it to the next.
pub fn claim(tx: &mut Tx<'_>, row: &mut MessageRow, lease: Timestamp) -> Result<bool> {
    let attempts = row.attempts + 1;
    let set = (messages::next_attempt_at.eq(lease), messages::attempts.eq(attempts));
    let is_mine = diesel::update(as_seen!(row)).set(set).execute(tx.conn)? == 1;
    if is_mine {
        (row.next_attempt_at, row.attempts) = (lease, attempts);
    }
    Ok(is_mine)
}

/// Gives a claimed message back, to be tried again at `at`.
pub fn postpone(tx: &mut Tx<'_>, row: &MessageRow, at: Timestamp) -> Result<()> {
    diesel::update(as_seen!(row)).set(messages::next_attempt_at.eq(at)).execute(tx.conn)?;
    Ok(())
}

/// Removes a claimed message: it is out, or given up.
pub fn delete(tx: &mut Tx<'_>, row: &MessageRow) -> Result<()> {
    diesel::delete(as_seen!(row)).execute(tx.conn)?;
    Ok(())
}

/// Removes what nobody sent in time.
pub fn purge_expired(tx: &mut Tx<'_>) -> Result<usize> {
    Ok(diesel::delete(messages::table.filter(messages::expires_at.le(tx.now))).execute(tx.conn)?)
}
