//! Which indexes a list of users is walked along.

use super::{Key, UserQuery};
use crate::store::{
    filter::{Filter, Operator},
    users::{
        filter::{UserField, UserFilter},
        name_key,
    },
};

/// What bounds a walk along an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Range {
    All,
    Is(String),
    BeginsWith(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Along {
    Key(Key, Range),
    /// The words that begin like this.
    Words(String),
}

/// One walk.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub along: Along,
    pub descending: bool,
    /// What must be tested on the way, because the range does not say it.
    pub rest: Option<UserFilter>,
}

/// The walks that together find each user of the list once.
pub(super) fn all(query: &UserQuery) -> Vec<Branch> {
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

/// The walks that find each user of an ordered list once, in another order than its own; none when its own index bounds
/// the list as well, or when no index does.
pub(super) fn leading(query: &UserQuery, own: &[Branch]) -> Option<Vec<Branch>> {
    let is_bounded = |branch: &Branch| !matches!(branch.along, Along::Key(_, Range::All));
    if own.iter().all(is_bounded) {
        return None;
    }
    let leading = all(&UserQuery { order: None, ..query.clone() });
    leading.iter().all(is_bounded).then_some(leading)
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
