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

/// What a network dials for a number in Graph's form: without the extension, and without zeros in front of the national
/// number, which many networks drop (`+44 07700 900123` rings where `+44 7700 900123` does). Two numbers that differ here
/// ring at different phones; it is for comparing, not for dialling, as Italy's zeros are part of the number.
pub fn dialled(number: &str) -> String {
    let bare = number.split('x').next().unwrap_or_default();
    match bare.split_once(' ') {
        Some((country_code, national)) => format!("{country_code} {}", national.trim_start_matches('0')),
        None => bare.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_and_extensions_ring_at_the_same_phone() {
        for number in ["+44 7700900123", "+44 07700900123", "+44 0007700900123", "+44 7700900123x12"] {
            assert_eq!(dialled(number), "+44 7700900123");
        }
        assert_eq!(dialled("+1 2065550100"), "+1 2065550100");
    }
}
