//! Messages to people and their devices: written into the outbox by the transaction that wants them sent, delivered
//! afterwards, so that nothing is sent for a transaction that came to nothing and nothing is forgotten.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::TenantId,
    store::{
        Tx,
        messages::{self, Channel, MessageRow},
    },
};

/// One message.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub channel: Channel,
    /// A phone number, an e-mail address, or the URL that wakes a device.
    pub to: String,
    /// Only e-mail has one.
    pub subject: Option<String>,
    pub text: String,
    /// After this moment it is of no use to anybody, and is not sent any more.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// Puts a message into the outbox.
pub fn enqueue(tx: &mut Tx<'_>, tenant: &TenantId, message: &Message) -> Result<()> {
    let id = tx.guid();
    let plain = serde_json::to_vec(message).map_err(Error::internal)?;
    let row = MessageRow {
        tenant_id: tenant.clone(),
        sealed_message: tx.seal(&messages::place(tenant, &id), &plain)?,
        message_id: id,
        channel: message.channel,
        attempts: 0,
        next_attempt_at: tx.now(),
        created_at: tx.now(),
        expires_at: message.expires_at,
    };
    messages::insert(tx, &row)
}
