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

pub fn insert(tx: &mut Tx<'_>, row: &MessageRow) -> Result<()> {
    diesel::insert_into(messages::table).values(row).execute(tx.conn)?;
    Ok(())
}
