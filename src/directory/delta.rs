//! Which users have changed since somebody last asked (Graph's delta query).

use serde::{Deserialize, Serialize};

use crate::{
    access::{self, Action, Caller},
    error::Result,
    id::UserId,
    store::{
        Tx,
        users::changes::{self, Change, ChangePoint, ChangedUser},
    },
};

/// Which changes a client has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    until: ChangePoint,
    /// In a first round, which walks all users: the tenant's last change when it began. Whoever was deleted before is not
    /// told of.
    begun: Option<i64>,
}

/// Where a round begins or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// With all users.
    Beginning,
    /// With what changes from now on.
    Now,
    Seen(Seen),
}

/// Some changes, the oldest first.
#[derive(Debug, Clone)]
pub struct Delta {
    pub users: Vec<ChangedUser>,
    pub seen: Seen,
    /// The round goes on.
    pub more: bool,
}

/// The next changes, at most `size`, of all users or of `only` these.
pub fn delta(tx: &mut Tx<'_>, caller: &Caller, since: &Since, only: Option<&[UserId]>, size: usize) -> Result<Delta> {
    access::authorize(tx, caller, Action::ReadUsers, None)?;
    let tenant = &caller.tenant;
    let seen = match since {
        Since::Seen(seen) => seen.clone(),
        Since::Beginning => Seen { until: ChangePoint(-1, String::new()), begun: Some(changes::last(tx, tenant)?) },
        Since::Now => {
            let seen = Seen { until: ChangePoint(changes::last(tx, tenant)? + 1, String::new()), begun: None };
            return Ok(Delta { users: vec![], seen, more: false });
        }
    };
    let mut found = changes::behind(tx, tenant, &seen.until, only, size as i64 + 1)?;
    let more = found.len() > size;
    found.truncate(size);
    let until = found.last().map_or(seen.until, |change| change.at.clone());
    let is_news = |change: &Change| match (&change.user, seen.begun) {
        (ChangedUser::Kept(user), Some(begun)) if user.deleted_at.is_some() => change.at.0 > begun,
        (ChangedUser::Purged(_), Some(begun)) => change.at.0 > begun,
        _ => true,
    };
    let users = found.into_iter().filter(is_news).map(|change| change.user).collect();
    let begun = seen.begun.filter(|_| more);
    Ok(Delta { users, seen: Seen { until, begun }, more })
}
