//! What one channel is sending right now: bounded as a whole, and for each tenant.

use std::collections::HashMap;

use tokio::task::{Id, JoinSet};

use super::AT_ONCE;
use crate::{id::TenantId, store::messages::MessageRow};

pub(super) struct UnderWay {
    tasks: JoinSet<()>,
    /// Whose message each task sends.
    tenants: HashMap<Id, TenantId>,
    /// Messages of one tenant at the same time.
    share: usize,
}

impl UnderWay {
    pub(super) fn new(share: usize) -> Self {
        Self { tasks: JoinSet::new(), tenants: HashMap::new(), share }
    }

    pub(super) fn spawn(&mut self, tenant: TenantId, sending: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(sending).id();
        self.tenants.insert(id, tenant);
    }

    /// How many more may begin.
    pub(super) fn room(&self) -> usize {
        AT_ONCE.saturating_sub(self.tasks.len())
    }

    pub(super) fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// The tenants that have their share.
    pub(super) fn busy(&self) -> Vec<TenantId> {
        let all = self.count().into_iter();
        all.filter(|(_, count)| *count >= self.share).map(|(tenant, _)| tenant.clone()).collect()
    }

    /// Leaves out what is beyond a tenant's share.
    pub(super) fn keep_shares(&self, due: &mut Vec<MessageRow>) {
        let mut taken: HashMap<TenantId, usize> =
            self.count().into_iter().map(|(tenant, count)| (tenant.clone(), count)).collect();
        due.retain(|row| {
            let count = taken.entry(row.tenant_id.clone()).or_default();
            *count += 1;
            *count <= self.share
        });
    }

    fn count(&self) -> HashMap<&TenantId, usize> {
        let mut count = HashMap::new();
        for tenant in self.tenants.values() {
            *count.entry(tenant).or_default() += 1;
        }
        count
    }

    pub(super) fn forget_done(&mut self) {
        while let Some(done) = self.tasks.try_join_next_with_id() {
            self.forget(done);
        }
    }

    /// Waits until one is done; without end when there is none.
    pub(super) async fn one_done(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(done) => self.forget(done),
            None => std::future::pending().await,
        }
    }

    fn forget(&mut self, done: Result<(Id, ()), tokio::task::JoinError>) {
        let id = done.map_or_else(|error| error.id(), |(id, ())| id);
        self.tenants.remove(&id);
    }
}
