//! Delivery: takes what the rules have put into the outbox to the world, outside of every transaction.
//!
//! A message is claimed by one conditional update with a lease, so any number of replicas may deliver from one
//! database; whoever dies with a message in hand loses it to the next when the lease is over. So a message is sent at
//! least once, and its id lets receivers drop what they have seen. Each channel has a loop of its own: a gateway that
//! hangs delays nothing but its own channel. Devices are woken at addresses of their own, so there a tenant has no more
//! than its share: one that never answers delays its own tenant, and only several tenants of that kind delay others.

mod outbox_file;
mod smtp;
mod under_way;
mod wake;
mod webhook;

use std::{sync::Arc, time::Duration};

use prometheus::{IntCounterVec, Opts};
use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use under_way::UnderWay;

use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::TenantId,
    messages::Message,
    store::{
        Store, Tx,
        messages::{self, Channel, MessageRow},
    },
};

pub use crate::reach::Reach;
pub use outbox_file::OutboxFile;
pub use smtp::Smtp;
pub use wake::Wake;
pub use webhook::{Signer, Webhook};

/// How long an idle channel waits before it looks again.
const PAUSE: Duration = Duration::from_millis(500);
/// The same when the database does not answer.
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// Messages of one channel that one process sends at the same time.
const AT_ONCE: usize = 16;
/// Wake-ups of one tenant that one process sends at the same time.
const WAKES_OF_A_TENANT_AT_ONCE: usize = 4;
/// How long one attempt may take, whatever the sender's own limits are.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for a wake-up: a hint to a device that asks by itself as well, and tried once.
const WAKE_PATIENCE: Duration = Duration::from_secs(3);
/// How long a claimed message is left to its worker, in seconds; longer than an attempt may take.
const LEASE_SECONDS: i64 = 60;
/// Attempts after which a message is given up, if it does not expire before.
const MOST_ATTEMPTS: i32 = 8;
/// The wait after the first failure, in seconds; each one doubles it.
const FIRST_DELAY_SECONDS: i64 = 2;
/// The longest wait, in seconds.
const LONGEST_DELAY_SECONDS: i64 = 60;

/// Why an attempt failed. The reason goes into the log, so it names neither the recipient nor the text.
#[derive(Debug)]
pub struct Failure {
    pub reason: String,
    /// Trying again is of no use.
    pub is_final: bool,
}

impl Failure {
    fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_final: false }
    }

    fn lasting(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_final: true }
    }
}

/// A message on its way out.
pub struct Outgoing<'a> {
    /// The same in every attempt.
    pub id: &'a str,
    pub tenant: &'a TenantId,
    pub created_at: Timestamp,
    /// The moment of this attempt.
    pub now: Timestamp,
    pub message: &'a Message,
}

/// Whoever takes the messages of a channel.
pub enum Sender {
    Webhook(Webhook),
    Smtp(Box<Smtp>),
    Wake(Wake),
    File(OutboxFile),
}

impl Sender {
    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<(), Failure> {
        match self {
            Self::Webhook(webhook) => webhook.send(outgoing).await,
            Self::Smtp(smtp) => smtp.send(outgoing).await,
            Self::Wake(wake) => wake.send(outgoing).await,
            Self::File(file) => file.send(outgoing).await,
        }
    }
}

/// The senders of this server; a channel without one is not served.
#[derive(Default)]
pub struct Senders {
    pub sms: Option<Sender>,
    pub voice: Option<Sender>,
    pub email: Option<Sender>,
    pub push: Option<Sender>,
}

impl Senders {
    fn of(&self, channel: Channel) -> Option<&Sender> {
        match channel {
            Channel::Sms => self.sms.as_ref(),
            Channel::Voice => self.voice.as_ref(),
            Channel::Email => self.email.as_ref(),
            Channel::Push => self.push.as_ref(),
        }
    }

    /// The channels that have a sender.
    pub fn channels(&self) -> Vec<Channel> {
        Channel::ALL.iter().copied().filter(|channel| self.of(*channel).is_some()).collect()
    }

    /// Every channel that has no sender yet writes into this file.
    pub fn otherwise(mut self, file: &OutboxFile) -> Self {
        for sender in [&mut self.sms, &mut self.voice, &mut self.email, &mut self.push] {
            sender.get_or_insert_with(|| Sender::File(file.clone()));
        }
        self
    }
}

/// A message that this worker has claimed, and when.
struct Claimed {
    row: MessageRow,
    now: Timestamp,
}

/// The worker that empties the outbox. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    store: Store,
    senders: Arc<Senders>,
    /// Attempts by channel and result.
    pub attempts: IntCounterVec,
}

impl Delivery {
    pub fn new(store: Store, senders: Senders) -> Result<Self> {
        let opts = Opts::new("rekey_messages_total", "Attempts to deliver a message, and what came of them.");
        let attempts = IntCounterVec::new(opts, &["channel", "result"]).map_err(Error::internal)?;
        Ok(Self { store, senders: Arc::new(senders), attempts })
    }

    /// Delivers without end.
    pub async fn run(self) {
        let mut loops: JoinSet<()> =
            self.senders.channels().into_iter().map(|channel| self.clone().run_channel(channel)).collect();
        while loops.join_next().await.is_some() {}
    }

    async fn run_channel(self, channel: Channel) {
        let mut sending = UnderWay::new(if channel == Channel::Push { WAKES_OF_A_TENANT_AT_ONCE } else { AT_ONCE });
        loop {
            sending.forget_done();
            let pause = match self.claim(channel, &sending).await {
                Ok(claimed) => {
                    let none_due = claimed.is_empty();
                    for message in claimed {
                        let (this, tenant) = (self.clone(), message.row.tenant_id.clone());
                        sending.spawn(tenant, async move { this.deliver(message).await });
                    }
                    if !none_due && !sending.is_full() {
                        // Behind those that are beyond a tenant's share there may be others.
                        continue;
                    }
                    PAUSE
                }
                Err(error) => {
                    tracing::warn!(%error, %channel, "the outbox cannot be read");
                    LONG_PAUSE
                }
            };
            if sending.is_full() {
                sending.one_done().await;
            } else {
                // There may be more as soon as there is room; and there may be new ones.
                drop(tokio::time::timeout(pause, sending.one_done()).await);
            }
        }
    }

    /// Delivers what is due now, one after the other, and returns how many messages it tried.
    pub async fn drain(&self) -> Result<usize> {
        let mut tried = 0;
        for channel in self.senders.channels() {
            loop {
                let claimed = self.claim(channel, &UnderWay::new(AT_ONCE)).await?;
                if claimed.is_empty() {
                    break;
                }
                tried += claimed.len();
                for message in claimed {
                    self.deliver(message).await;
                }
            }
        }
        Ok(tried)
    }

    /// Claims messages that are due, as many as there is room for. An idle look is one read by index, and no write.
    async fn claim(&self, channel: Channel, sending: &UnderWay) -> Result<Vec<Claimed>> {
        let (limit, busy) = (i64::try_from(sending.room()).map_err(Error::internal)?, sending.busy());
        let mut due = self.store.read(move |tx| messages::due(tx, channel, &busy, limit)).await?;
        sending.keep_shares(&mut due);
        if due.is_empty() {
            return Ok(vec![]);
        }
        let claim = move |tx: &mut Tx<'_>| {
            let (now, mut claimed) = (tx.now(), vec![]);
            for mut row in due.iter().cloned() {
                if messages::claim(tx, &mut row, now.plus_seconds(LEASE_SECONDS))? {
                    claimed.push(Claimed { row, now });
                }
            }
            Ok(claimed)
        };
        self.store.write(&nobody(), claim).await
    }

    /// One attempt, and what follows from it.
    async fn deliver(&self, Claimed { row, now }: Claimed) {
        let outcome =
            if row.expires_at <= now { Err(Failure::lasting("it has expired")) } else { self.attempt(&row, now).await };
        let (result, retry_at) = match outcome {
            Ok(()) => ("sent", None),
            Err(Failure { reason, is_final }) => {
                // From the end of the attempt: one that takes long must not be due again at once.
                let retry_at = self.store.context().clock.now().plus_seconds(delay(row.attempts));
                let most_attempts = if row.channel == Channel::Push { 1 } else { MOST_ATTEMPTS };
                let gives_up = is_final || row.attempts >= most_attempts || retry_at >= row.expires_at;
                let (channel, id, attempts) = (row.channel, &row.message_id, row.attempts);
                if gives_up {
                    tracing::warn!(%channel, id, attempts, reason, "a message was given up");
                    ("dropped", None)
                } else {
                    tracing::info!(%channel, id, attempts, reason, "a message could not be sent; trying again");
                    ("failed", Some(retry_at))
                }
            }
        };
        self.attempts.with_label_values(&[row.channel.as_str(), result]).inc();
        let finish = move |tx: &mut Tx<'_>| match retry_at {
            Some(at) => messages::postpone(tx, &row, at),
            None => messages::delete(tx, &row),
        };
        if let Err(error) = self.store.write(&nobody(), finish).await {
            tracing::warn!(%error, "the outbox could not be written; the message will be sent once more");
        }
    }

    async fn attempt(&self, row: &MessageRow, now: Timestamp) -> Result<(), Failure> {
        let sender = self.senders.of(row.channel).ok_or_else(|| Failure::passing("no sender"))?;
        let place = messages::place(&row.tenant_id, &row.message_id);
        // Without the key that sealed it, another replica may have it. (A wake-up has one attempt, and is only a hint.)
        let opened = self.store.context().sealer.open(&place, &row.sealed_message);
        let opened = opened.map_err(|error| Failure::passing(error.to_string()))?;
        let message: Message =
            serde_json::from_slice(opened.expose_secret()).map_err(|_| Failure::lasting("it cannot be read"))?;
        let outgoing = Outgoing {
            id: &row.message_id,
            tenant: &row.tenant_id,
            created_at: row.created_at,
            now,
            message: &message,
        };
        let patience = if row.channel == Channel::Push { WAKE_PATIENCE } else { PATIENCE };
        match tokio::time::timeout(patience, sender.send(&outgoing)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::passing("it took too long")),
        }
    }
}

/// On behalf of no tenant: nothing of what a tenant sees changes, so nobody has to wait.
fn nobody() -> TenantId {
    TenantId::new("")
}

/// Seconds to wait after this many attempts.
fn delay(attempts: i32) -> i64 {
    let doublings = u32::try_from(attempts - 1).unwrap_or_default();
    FIRST_DELAY_SECONDS.saturating_mul(2_i64.saturating_pow(doublings)).min(LONGEST_DELAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_minute() {
        assert_eq!([1, 2, 3, 5, 6, 8, i32::MAX].map(delay), [2, 4, 8, 32, 60, 60, 60]);
    }
}
