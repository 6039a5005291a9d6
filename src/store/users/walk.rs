//! Lists of users whose pages cost the same however many users there are.
//!
//! A list is walked along an index: along the one that its `$orderby` names, along one that its filter bounds from
//! both sides (`eq`, `startsWith`, a word), or along the ids. A filter that is a choice of such bounds (`or`, `in`) is
//! walked as one branch after the other. Whatever else the filter demands is tested on the way, and so that a filter
//! that finds next to nothing costs no more than others, a page looks at [`WINDOW`] users at most: it may be short, even
//! empty, while another follows.

use std::collections::BTreeMap;

use diesel::{BoxableExpression, prelude::*, sql_types::Text};
use serde::{Deserialize, Serialize};

use super::{
    Row, User,
    filter::{UserField, UserFilter, matching},
    find_by_ids, name_key, words,
};
use crate::{
    error::Result,
    id::{TenantId, UserId},
    store::{
        Tx,
        backend::AnyConnection,
        filter::{Filter, Operator},
        registrations,
        schema::users,
    },
};

/// Users that one page looks at, at most.
const WINDOW: i64 = 5_000;

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

/// What bounds a walk along an index.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Range {
    All,
    Is(String),
    BeginsWith(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Along {
    Key(Key, Range),
    /// The words that begin like this.
    Words(String),
}

/// One walk.
#[derive(Debug, Clone)]
struct Branch {
    along: Along,
    descending: bool,
    /// What must be tested on the way, because the range does not say it.
    rest: Option<UserFilter>,
}

/// A page of a tenant's present users.
pub fn page(tx: &mut Tx<'_>, tenant: &TenantId, query: &UserQuery) -> Result<UserPage> {
    let branches = branches(query);
    let (first, mut after) = match &query.after {
        Some(Place(branch, after)) => (*branch, after.clone()),
        None => (0, None),
    };
    let mut page = UserPage::default();
    for (number, branch) in branches.iter().enumerate().skip(first) {
        let room = query.size - page.users.len();
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

/// The walks that together find each user of the list once.
fn branches(query: &UserQuery) -> Vec<Branch> {
    if let Some((key, descending)) = query.order {
        let range = query.filter.as_ref().and_then(|filter| bound(filter, Some(key)));
        let along = range.unwrap_or(Along::Key(key, Range::All));
        return vec![Branch { along, descending, rest: query.filter.clone() }];
    }
    let Some(filter) = &query.filter else {
        return vec![Branch { along: Along::Key(Key::Id, Range::All), descending: false, rest: None }];
    };
    let mut choices = vec![];
    choices_of(filter, &mut choices);
    let bounds: Option<Vec<Along>> = choices.iter().map(|choice| bound(choice, None)).collect();
    let Some(bounds) = bounds else {
        let along = Along::Key(Key::Id, Range::All);
        return vec![Branch { along, descending: false, rest: Some(filter.clone()) }];
    };
    let mut before: Option<UserFilter> = None;
    let mut branches = vec![];
    for (choice, along) in choices.into_iter().zip(bounds) {
        // A single comparison is all that the range says.
        let own = match choice {
            Filter::Test(UserField::Word(_), _) => None,
            Filter::Test(_, Operator::Eq | Operator::StartsWith) => None,
            _ => Some(choice.clone()),
        };
        // Whom an earlier branch has found is not found again.
        let new = before.clone().map(|before| Filter::Not(Box::new(before)));
        let rest = match (own, new) {
            (Some(own), Some(new)) => Some(Filter::And(Box::new(own), Box::new(new))),
            (own, new) => own.or(new),
        };
        before = Some(match before {
            Some(before) => Filter::Or(Box::new(before), Box::new(choice.clone())),
            None => choice.clone(),
        });
        branches.push(Branch { along, descending: false, rest });
    }
    branches
}

fn choices_of<'a>(filter: &'a UserFilter, choices: &mut Vec<&'a UserFilter>) {
    match filter {
        Filter::Or(left, right) => {
            choices_of(left, choices);
            choices_of(right, choices);
        }
        other => choices.push(other),
    }
}

/// The index range that everybody whom the filter finds lies in; along `only`, if there is one. `eq` is narrower than a
/// word, and a word than a prefix.
fn bound(filter: &UserFilter, only: Option<Key>) -> Option<Along> {
    let rank = |along: &Along| match along {
        Along::Key(Key::Id, Range::Is(_)) => 0,
        Along::Key(_, Range::Is(_)) => 1,
        Along::Words(_) => 2,
        Along::Key(..) => 3,
    };
    match filter {
        Filter::And(left, right) => {
            let bounds = [bound(left, only), bound(right, only)];
            bounds.into_iter().flatten().min_by_key(rank)
        }
        Filter::Test(UserField::Word(prefix), _) => only.is_none().then(|| Along::Words(prefix.clone())),
        Filter::Test(field, operator) => {
            let (key, text) = match field {
                UserField::Id(id) => (Key::Id, id.clone()),
                UserField::UserPrincipalName(text) => (Key::UserPrincipalName, name_key(text)),
                UserField::DisplayName(text) => (Key::DisplayName, name_key(text)),
                UserField::GivenName(Some(text)) => (Key::GivenName, name_key(text)),
                UserField::Surname(Some(text)) => (Key::Surname, name_key(text)),
                UserField::Mail(Some(text)) => (Key::Mail, name_key(text)),
                _ => return None,
            };
            if only.is_some_and(|only| only != key) {
                return None;
            }
            match operator {
                Operator::Eq => Some(Along::Key(key, Range::Is(text))),
                Operator::StartsWith => Some(Along::Key(key, Range::BeginsWith(text))),
                _ => None,
            }
        }
        Filter::Or(..) | Filter::Not(_) => None,
    }
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

/// Rows of the walk behind `after`, up to `until` (included), in the walk's order.
macro_rules! walked {
    ($tenant:expr, $key:expr, $range:expr, $descending:expr, $after:expr, $until:expr) => {{
        let mut rows =
            users::table.filter(users::tenant_id.eq($tenant)).filter(users::deleted_at.is_null()).into_boxed();
        rows = match $range {
            Range::All => rows,
            Range::Is(text) => rows.filter(column($key).eq(text.clone())),
            Range::BeginsWith(text) => {
                rows.filter(column($key).ge(text.clone())).filter(column($key).lt(words::end_of(text)))
            }
        };
        // The first half alone bounds the walk through the index; the second settles rows with the same key.
        if let Some((text, user)) = $after {
            let (text, user) = (text.clone(), user.clone());
            rows = match $descending {
                false => {
                    rows.filter(column($key).ge(text.clone())).filter(column($key).gt(text).or(users::user_id.gt(user)))
                }
                true => {
                    rows.filter(column($key).le(text.clone())).filter(column($key).lt(text).or(users::user_id.lt(user)))
                }
            };
        }
        if let Some((text, user)) = $until {
            let (text, user) = (text.clone(), user.clone());
            rows = match $descending {
                false => {
                    rows.filter(column($key).le(text.clone())).filter(column($key).lt(text).or(users::user_id.le(user)))
                }
                true => {
                    rows.filter(column($key).ge(text.clone())).filter(column($key).gt(text).or(users::user_id.ge(user)))
                }
            };
        }
        match $descending {
            false => rows.order(column($key).asc()).then_order_by(users::user_id.asc()),
            true => rows.order(column($key).desc()).then_order_by(users::user_id.desc()),
        }
    }};
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
        Some(_) => walked!(tenant, key, range, descending, &after, &None::<(String, UserId)>)
            .select((column(key), users::user_id))
            .offset(WINDOW - 1)
            .limit(1)
            .first(tx.conn)
            .optional()?,
    };
    let mut rows = walked!(tenant, key, range, descending, &after, &until);
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
