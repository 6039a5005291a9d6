//! Lists of users whose pages cost the same however many users there are.
//!
//! A list is walked along an index: along one that its filter bounds from both sides (`eq`, `startsWith`, a word), or
//! along the ids. A filter that is a choice of such bounds (`or`, `in`) is walked as one branch after the other. Where
//! an `$orderby` is asked for and the filter leads to a [`FEW`] users, those are sorted; otherwise the order's own index
//! is walked. Whatever else the filter demands is tested on the way, and so that a filter that finds next to nothing
//! costs no more than others, a page looks at [`WINDOW`] users at most: it may be short, even empty, while another
//! follows.

mod branch;

use std::collections::BTreeMap;

use diesel::{BoxableExpression, prelude::*, sql_types::Text};
use serde::{Deserialize, Serialize};

use self::branch::{Along, Branch, Range};
use super::{
    Row, User,
    filter::{UserFilter, matching},
    find_by_ids, name_key, words,
};
use crate::{
    error::Result,
    id::{TenantId, UserId},
    store::{
        Tx,
        backend::AnyConnection,
        conditions::{Condition, compare, pair},
        filter::{Operator, end_of},
        registrations,
        schema::users,
    },
};

/// Users that one page looks at, at most.
const WINDOW: i64 = 5_000;

/// Users that are sorted for a page, at most.
const FEW: usize = 1_000;

/// Words that are read in one statement, at most, once the first ones were not enough.
const MAX_BATCH: i64 = 1_000;

/// An attribute with an index that users can be walked along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Id,
    UserPrincipalName,
    DisplayName,
    GivenName,
    Surname,
    Mail,
}

impl Key {
    /// What a user stands under in the index; nothing where the attribute is not set.
    fn of(self, user: &User) -> String {
        match self {
            Self::Id => user.user_id.as_str().to_owned(),
            Self::UserPrincipalName => name_key(&user.user_principal_name),
            Self::DisplayName => name_key(&user.display_name),
            Self::GivenName => user.given_name.as_deref().map(name_key).unwrap_or_default(),
            Self::Surname => user.surname.as_deref().map(name_key).unwrap_or_default(),
            Self::Mail => user.mail.as_deref().map(name_key).unwrap_or_default(),
        }
    }
}

/// What a list of users asks for.
#[derive(Debug, Clone, Default)]
pub struct UserQuery {
    pub filter: Option<UserFilter>,
    /// The order, and whether it is descending; otherwise whichever costs least.
    pub order: Option<(Key, bool)>,
    pub after: Option<Place>,
    /// Users of a page.
    pub size: usize,
}

/// Where a page ended: in which branch, and behind which row of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place(usize, After);

/// Behind a key, and behind a user of those with the same key; `None` for the beginning.
type After = Option<(String, UserId)>;

/// A page, and where the next begins.
#[derive(Debug, Clone, Default)]
pub struct UserPage {
    pub users: Vec<User>,
    pub next: Option<Place>,
}

/// A page of a tenant's present users.
pub fn page(tx: &mut Tx<'_>, tenant: &TenantId, query: &UserQuery) -> Result<UserPage> {
    let branches = branch::all(query);
    if let (Some(order), Some(leading)) = (query.order, branch::leading(query, &branches))
        && let Some(page) = sorted(tx, tenant, query, order, &leading)?
    {
        return Ok(page);
    }
    walk(tx, tenant, &branches, query.after.clone(), query.size)
}

/// The page, sorted here, when the branches that lead to everybody in it end after a few.
fn sorted(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    query: &UserQuery,
    (key, descending): (Key, bool),
    leading: &[Branch],
) -> Result<Option<UserPage>> {
    let everybody = walk(tx, tenant, leading, None, FEW)?;
    if everybody.next.is_some() {
        return Ok(None);
    }
    let place = |user: &User| (key.of(user), user.user_id.clone());
    let mut users: Vec<_> = everybody.users.into_iter().map(|user| (place(&user), user)).collect();
    users.sort_unstable_by(|(left, _), (right, _)| if descending { right.cmp(left) } else { left.cmp(right) });
    if let Some(Place(_, Some(after))) = &query.after {
        users.retain(|(place, _)| if descending { place < after } else { place > after });
    }
    let is_full = users.len() > query.size;
    users.truncate(query.size);
    let last = users.last().map(|(place, _)| place.clone());
    let next = is_full.then_some(Place(0, last));
    Ok(Some(UserPage { users: users.into_iter().map(|(_, user)| user).collect(), next }))
}

/// A page of so many users, of one branch after the other.
fn walk(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    branches: &[Branch],
    after: Option<Place>,
    size: usize,
) -> Result<UserPage> {
    let Place(first, mut after) = after.unwrap_or(Place(0, None));
    let mut page = UserPage::default();
    for (number, branch) in branches.iter().enumerate().skip(first) {
        let room = size - page.users.len();
        let step = match &branch.along {
            Along::Key(key, range) => along_key(tx, tenant, branch, (*key, range), after.take(), room)?,
            Along::Words(prefix) => along_words(tx, tenant, branch, prefix, after.take(), room)?,
        };
        page.users.extend(step.users);
        if step.more {
            page.next = Some(Place(number, step.last));
            return Ok(page);
        }
    }
    Ok(page)
}

/// How many of a tenant's present users meet the filter; with none, what is counted anyway. Looks at each of them, or at
/// each that an index bounds.
pub fn count(tx: &mut Tx<'_>, tenant: &TenantId, filter: Option<&UserFilter>) -> Result<i64> {
    let Some(filter) = filter else {
        return Ok(registrations::classes(tx, tenant)?.into_iter().map(|(_, users)| users).sum());
    };
    let present = users::table.filter(users::tenant_id.eq(tenant)).filter(users::deleted_at.is_null());
    Ok(present.filter(matching(filter)).count().get_result(tx.conn)?)
}

/// What one branch gave.
#[derive(Default)]
struct Step {
    users: Vec<User>,
    /// Whether the branch goes on, and where.
    more: bool,
    last: After,
}

type KeyColumn = Box<dyn BoxableExpression<users::table, <AnyConnection as Connection>::Backend, SqlType = Text>>;

fn column(key: Key) -> KeyColumn {
    match key {
        Key::Id => Box::new(users::user_id),
        Key::UserPrincipalName => Box::new(users::user_principal_name_key),
        Key::DisplayName => Box::new(users::display_name_key.assume_not_null()),
        Key::GivenName => Box::new(users::given_name_key.assume_not_null()),
        Key::Surname => Box::new(users::surname_key.assume_not_null()),
        Key::Mail => Box::new(users::mail_key.assume_not_null()),
    }
}

/// The column's name, for [`pair`].
fn column_name(key: Key) -> &'static str {
    match key {
        Key::Id => "users.user_id",
        Key::UserPrincipalName => "users.user_principal_name_key",
        Key::DisplayName => "users.display_name_key",
        Key::GivenName => "users.given_name_key",
        Key::Surname => "users.surname_key",
        Key::Mail => "users.mail_key",
    }
}

/// Rows of the walk behind `after`, up to `until` (included), in the walk's order. Each end of the walk has one bound
/// only: an index is entered at one place, and a database given two may take the wider one.
fn walked<'a>(
    tenant: &'a TenantId,
    (key, range): (Key, &Range),
    descending: bool,
    after: &After,
    until: &After,
) -> users::BoxedQuery<'a, <AnyConnection as Connection>::Backend> {
    let (from, to) = match descending {
        false => (after.as_ref().map(|after| (Operator::Gt, after)), until.as_ref().map(|until| (Operator::Le, until))),
        true => (until.as_ref().map(|until| (Operator::Ge, until)), after.as_ref().map(|after| (Operator::Lt, after))),
    };
    let mut rows = users::table.filter(users::tenant_id.eq(tenant)).filter(users::deleted_at.is_null()).into_boxed();
    match range {
        Range::All => {}
        Range::Is(text) => rows = rows.filter(column(key).eq(text.clone())),
        Range::BeginsWith(text) => {
            if from.is_none() {
                rows = rows.filter(column(key).ge(text.clone()));
            }
            if let Some(end) = end_of(text).filter(|_| to.is_none()) {
                rows = rows.filter(column(key).lt(end));
            }
        }
    }
    for (operator, (text, user)) in [from, to].into_iter().flatten() {
        rows = match (key, range) {
            // All have the same key, or the id is the key.
            (Key::Id, _) | (_, Range::Is(_)) => rows.filter(compare!(users::user_id, operator, user.clone())),
            _ => rows.filter(pair([column_name(key), "users.user_id"], operator, [text, user.as_str()])),
        };
    }
    match (key, descending) {
        // Named twice, the id would be sorted by, unless the index is unique.
        (Key::Id, false) => rows.order(users::user_id.asc()),
        (Key::Id, true) => rows.order(users::user_id.desc()),
        (_, false) => rows.order(column(key).asc()).then_order_by(users::user_id.asc()),
        (_, true) => rows.order(column(key).desc()).then_order_by(users::user_id.desc()),
    }
}

fn along_key(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    branch: &Branch,
    (key, range): (Key, &Range),
    after: After,
    room: usize,
) -> Result<Step> {
    let descending = branch.descending;
    // Without a test on the way every row that is looked at is a row of the page.
    let until: After = match &branch.rest {
        None => None,
        Some(_) => walked(tenant, (key, range), descending, &after, &None)
            .select((column(key), users::user_id))
            .offset(WINDOW - 1)
            .limit(1)
            .first(tx.conn)
            .optional()?,
    };
    let mut rows = walked(tenant, (key, range), descending, &after, &until);
    if let Some(rest) = &branch.rest {
        rows = rows.filter(matching(rest));
    }
    let mut found: Vec<(String, Row)> =
        rows.select((column(key), Row::as_select())).limit(room as i64 + 1).load(tx.conn)?;
    let is_full = found.len() > room;
    found.truncate(room);
    let last = match (found.last(), is_full) {
        (Some((text, row)), true) => Some((text.clone(), row.user_id.clone())),
        // Without room the next page begins where this one would have.
        (None, true) => after,
        (_, false) => until.clone(),
    };
    let users = found.into_iter().map(|(_, row)| row.into_user()).collect::<Result<_>>()?;
    Ok(Step { users, more: is_full || until.is_some(), last })
}

fn along_words(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    branch: &Branch,
    prefix: &str,
    mut after: After,
    room: usize,
) -> Result<Step> {
    let mut step = Step::default();
    let (mut looked_at, mut batch) = (0, room as i64 + 1);
    loop {
        let behind = after.as_ref().map(|(word, user)| (word.as_str(), user));
        let pairs = words::beginning_with(tx, tenant, prefix, behind, batch)?;
        let ids: Vec<&UserId> = pairs.iter().map(|(_, user)| user).collect();
        let met = match &branch.rest {
            None => find_by_ids(tx, tenant, &ids)?,
            Some(rest) => meeting(tx, tenant, &ids, rest)?,
        };
        let met: BTreeMap<&UserId, &User> = met.iter().map(|user| (&user.user_id, user)).collect();
        for (word, id) in &pairs {
            // Somebody with two such words is met at the first of them.
            let user = met.get(id).filter(|user| {
                let words = words::of(&user.display_name);
                words.iter().find(|word| word.as_str() >= prefix) == Some(word)
            });
            if let Some(user) = user {
                if step.users.len() == room {
                    return Ok(Step { more: true, last: after, ..step });
                }
                step.users.push(User::clone(user));
            }
            after = Some((word.clone(), id.clone()));
        }
        looked_at += batch;
        if (pairs.len() as i64) < batch {
            return Ok(step);
        }
        // Few of them meet the rest: more at once.
        batch = (batch * 2).min(MAX_BATCH);
        if looked_at >= WINDOW {
            return Ok(Step { more: true, last: after, ..step });
        }
    }
}

/// Those of the users that are present and meet the filter.
fn meeting(tx: &mut Tx<'_>, tenant: &TenantId, ids: &[&UserId], filter: &UserFilter) -> Result<Vec<User>> {
    let some = users::table.filter(users::tenant_id.eq(tenant)).filter(users::user_id.eq_any(ids));
    let met = some.filter(users::deleted_at.is_null()).filter(matching(filter)).select(Row::as_select());
    met.load(tx.conn)?.into_iter().map(Row::into_user).collect()
}

#[cfg(test)]
mod tests;
