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
        users::User,
    },
};

pub mod limits;

pub use limits::Owner;

/// What this server can send, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// The channels that have a sender.
    pub channels: Vec<Channel>,
    /// Messages to people that one tenant may send in a day (UTC).
    pub tenant_per_day: i32,
}

impl Default for Sending {
    /// No sender.
    fn default() -> Self {
        Self { channels: vec![], tenant_per_day: limits::TENANT_PER_DAY }
    }
}

impl Sending {
    /// Whether there is a sender for the channel.
    pub fn can(&self, channel: Channel) -> bool {
        self.channels.contains(&channel)
    }
}

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

/// Sends a message to a user, as far as there is a sender and the limits allow.
pub fn send(tx: &mut Tx<'_>, sending: &Sending, user: &User, message: &Message, owner: Owner) -> Result<()> {
    if !sending.can(message.channel) {
        let message = format!(
            "This server has no sender for {0}: its operator must configure one (rekey serve --help names the options \
             for {0}). Nothing was sent.",
            message.channel
        );
        return Err(Error::Conflict { code: "senderNotConfigured", message });
    }
    limits::count(tx, sending, user, message, owner)?;
    enqueue(tx, &user.tenant_id, message)
}
