//! Graph's list of `userRegistrationDetails`.
//!
//! A page is read along one index, chosen by what the filter and the order ask for ([`Source`]), and every user on the
//! way is judged by his class. A filter that only speaks of what classes hold reads only users of fitting classes; any
//! other looks at a bounded number of users for one page, which may then be short.

mod judge;

use std::collections::BTreeMap;

use super::{RegistrationDetails, details};
use crate::{
    access::{self, Action, Caller},
    error::{Error, Result},
    id::{TenantId, UserId},
    methods::policy::MethodsPolicy,
    store::{
        Tx,
        filter::{Filter, Operator},
        registrations::{
            self as classes,
            walk::{self, Candidate, Span},
        },
        users::{self, User, name_key},
    },
};
use judge::Judge;

/// Users who are looked at for one page at most.
const MOST_CANDIDATES: usize = 5_000;
/// Users who are read at once at most.
const STRETCH: usize = 1_000;

/// What the list can be filtered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetailField {
    Id(String),
    /// Names are compared without regard to case.
    UserPrincipalName(String),
    UserDisplayName(String),
    /// `member` or `guest`.
    UserType(String),
    IsAdmin(bool),
    IsMfaRegistered(bool),
    IsMfaCapable(bool),
    IsPasswordlessCapable(bool),
    /// Registered, enabled and capable are the same here: there is no self-service password reset.
    IsSspr(bool),
    IsSystemPreferredEnabled(bool),
    /// One of the `methodsRegistered`.
    Method(String),
}

pub type DetailsFilter = Filter<DetailField>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    UserPrincipalName { descending: bool },
    UserDisplayName { descending: bool },
}

/// What a page of the list asks for.
#[derive(Debug, Clone, Default)]
pub struct DetailsQuery {
    pub filter: Option<DetailsFilter>,
    /// None: in no order that means anything, but in the same one for all pages.
    pub order: Option<Order>,
    pub after: Option<Position>,
    pub size: usize,
}

/// A page, and where the next begins. A page may be short, even empty, while there is a next one.
#[derive(Debug, Clone)]
pub struct DetailsPage {
    pub details: Vec<RegistrationDetails>,
    pub next: Option<Position>,
}

/// Where a page ended: behind this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    Id(UserId),
    Name(String),
    DisplayName(String, UserId),
    /// Among those whom the policy names.
    Named(UserId),
    Class(String, UserId),
}

impl Position {
    /// As a next link has it.
    pub fn to_key(&self) -> String {
        match self {
            Self::Id(id) => format!("i/{id}"),
            Self::Name(name) => format!("u/{name}"),
            Self::DisplayName(name, id) => format!("d/{id}/{name}"),
            Self::Named(id) => format!("n/{id}"),
            Self::Class(class, id) => format!("c/{id}/{class}"),
        }
    }

    /// `None` when it is none of ours.
    pub fn parse(key: &str) -> Option<Self> {
        let (letter, rest) = key.split_once('/')?;
        let pair = || {
            let (id, text) = rest.split_once('/')?;
            Some((text.to_owned(), UserId::parse(id)?))
        };
        match letter {
            "i" => UserId::parse(rest).map(Self::Id),
            "u" => Some(Self::Name(rest.to_owned())),
            "d" => pair().map(|(name, id)| Self::DisplayName(name, id)),
            "n" => UserId::parse(rest).map(Self::Named),
            "c" => pair().map(|(class, id)| Self::Class(class, id)),
            _ => None,
        }
    }
}

/// A page of the details of the caller's tenant's users.
pub fn list(tx: &mut Tx<'_>, caller: &Caller, query: &DetailsQuery) -> Result<DetailsPage> {
    let tenant = access::authorize(tx, caller, Action::ReadAuditLogs, None)?.tenant;
    let policy = MethodsPolicy::of(tx, &tenant)?;
    let mut judge = Judge::new(query.filter.as_ref(), &policy);
    let source = source(tx, &tenant, query, &mut judge)?;
    let (found, next) = page(tx, &tenant, query, &source, &mut judge)?;
    let ids: Vec<&UserId> = found.iter().collect();
    let mut users: BTreeMap<UserId, User> =
        users::find_by_ids(tx, &tenant, &ids)?.into_iter().map(|user| (user.user_id.clone(), user)).collect();
    let in_order = found.iter().filter_map(|id| users.remove(id)).collect();
    Ok(DetailsPage { details: details(tx, &tenant, &policy, in_order)?, next })
}

/// Walks until the page is full, the users are at an end, or enough were looked at.
fn page(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    query: &DetailsQuery,
    source: &Source,
    judge: &mut Judge<'_>,
) -> Result<(Vec<UserId>, Option<Position>)> {
    let (mut found, mut looked_at, mut position) = (vec![], 0, query.after.clone());
    // Most of those who are looked at are found, or else few: then more are read at once.
    let mut most = query.size + 1;
    loop {
        let room = MOST_CANDIDATES - looked_at;
        if room == 0 {
            return Ok((found, position));
        }
        let stretch = source.read(tx, tenant, position.as_ref(), room.min(most))?;
        most = (most * 2).min(STRETCH);
        if stretch.is_empty() {
            return Ok((found, None));
        }
        for (next, candidate) in stretch {
            if found.len() == query.size {
                return Ok((found, position));
            }
            looked_at += 1;
            position = Some(next);
            if judge.finds(&candidate)? {
                found.push(candidate.user_id);
            }
        }
    }
}

/// Which users are looked at, and in which order.
enum Source {
    One(UserId),
    Ids,
    Names {
        span: Span,
        descending: bool,
    },
    DisplayNames {
        span: Span,
        descending: bool,
    },
    /// Users whom the policy names, whatever their class; then the others of these classes, in order.
    Classes {
        named: Vec<UserId>,
        classes: Vec<String>,
    },
}

fn source(tx: &mut Tx<'_>, tenant: &TenantId, query: &DetailsQuery, judge: &mut Judge<'_>) -> Result<Source> {
    let Some(filter) = &query.filter else {
        return Ok(match query.order {
            None => Source::Ids,
            Some(Order::UserPrincipalName { descending }) => Source::Names { span: Span::All, descending },
            Some(Order::UserDisplayName { descending }) => Source::DisplayNames { span: Span::All, descending },
        });
    };
    let mut name = Span::All;
    let mut display_name = Span::All;
    for (field, operator) in filter.demanded() {
        match (field, operator) {
            (DetailField::Id(id), _) => {
                return Ok(Source::One(UserId::new(id.clone())));
            }
            (DetailField::UserPrincipalName(text), operator) => name = span(name_key(text), operator),
            (DetailField::UserDisplayName(text), operator) => display_name = span(name_key(text), operator),
            _ => {}
        }
    }
    Ok(match query.order {
        // Nobody shares a userPrincipalName, so any order will do.
        _ if matches!(name, Span::Equal(_)) => Source::Names { span: name, descending: false },
        Some(Order::UserPrincipalName { descending }) => Source::Names { span: name, descending },
        Some(Order::UserDisplayName { descending }) => Source::DisplayNames { span: display_name, descending },
        None if name != Span::All => Source::Names { span: name, descending: false },
        None if display_name != Span::All => Source::DisplayNames { span: display_name, descending: false },
        None => {
            let mut fitting = vec![];
            for (class, _) in classes::classes(tx, tenant)? {
                if judge.may_find(&class)? {
                    fitting.push(class);
                }
            }
            Source::Classes { named: judge.named.iter().cloned().collect(), classes: fitting }
        }
    })
}

fn span(text: String, operator: Operator) -> Span {
    match operator {
        Operator::StartsWith => Span::StartingWith(text),
        _ => Span::Equal(text),
    }
}

impl Source {
    /// The next users behind `after`, each with where he stands; none at the end.
    fn read(
        &self,
        tx: &mut Tx<'_>,
        tenant: &TenantId,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Vec<(Position, Candidate)>> {
        let limit = most as i64;
        let foreign =
            || Error::invalid("$skiptoken", "$skiptoken is of another list; follow @odata.nextLink as it stands.");
        let (found, position): (_, fn(&Candidate) -> Position) = match (self, after) {
            (Self::One(_), Some(Position::Id(_))) => (vec![], by_id),
            (Self::One(id), None) => (walk::these(tx, tenant, std::slice::from_ref(id))?, by_id),
            (Self::Ids, None) => (walk::by_id(tx, tenant, None, limit)?, by_id),
            (Self::Ids, Some(Position::Id(id))) => (walk::by_id(tx, tenant, Some(id), limit)?, by_id),
            (Self::Names { span, descending }, None) => {
                (walk::by_name(tx, tenant, span, *descending, None, limit)?, by_name)
            }
            (Self::Names { span, descending }, Some(Position::Name(name))) => {
                (walk::by_name(tx, tenant, span, *descending, Some(name), limit)?, by_name)
            }
            (Self::DisplayNames { span, descending }, None) => {
                (walk::by_display_name(tx, tenant, span, *descending, None, limit)?, by_display_name)
            }
            (Self::DisplayNames { span, descending }, Some(Position::DisplayName(name, id))) => {
                let after = Some((name.as_str(), id));
                (walk::by_display_name(tx, tenant, span, *descending, after, limit)?, by_display_name)
            }
            (Self::Classes { named, classes }, None | Some(Position::Named(_) | Position::Class(..))) => {
                return of_classes(tx, tenant, named, classes, after, most);
            }
            _ => return Err(foreign()),
        };
        Ok(found.into_iter().map(|candidate| (position(&candidate), candidate)).collect())
    }
}

fn by_id(candidate: &Candidate) -> Position {
    Position::Id(candidate.user_id.clone())
}

fn by_name(candidate: &Candidate) -> Position {
    Position::Name(candidate.name_key.clone())
}

fn by_display_name(candidate: &Candidate) -> Position {
    Position::DisplayName(candidate.display_key.clone(), candidate.user_id.clone())
}

/// The next of those whom the policy names, then of the classes. Every class has users, so there are never more
/// statements than users asked for.
fn of_classes(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    named: &[UserId],
    classes: &[String],
    after: Option<&Position>,
    most: usize,
) -> Result<Vec<(Position, Candidate)>> {
    let left = match after {
        None => named,
        Some(Position::Named(id)) => named.get(named.partition_point(|named| named <= id)..).unwrap_or_default(),
        Some(_) => &[],
    };
    for some in left.chunks(most) {
        let found = walk::these(tx, tenant, some)?;
        if !found.is_empty() {
            let place = |candidate: Candidate| (Position::Named(candidate.user_id.clone()), candidate);
            return Ok(found.into_iter().map(place).collect());
        }
    }
    let mut all: Vec<(Position, Candidate)> = vec![];
    let (begun, mut behind) = match after {
        Some(Position::Class(class, id)) => (Some(class), Some(id.clone())),
        _ => (None, None),
    };
    for class in classes.iter().filter(|class| begun.is_none_or(|begun| *class >= begun)) {
        // The place behind which to go on is one of its own class only.
        let mut last = behind.take().filter(|_| begun == Some(class));
        while all.len() < most {
            let found = walk::of_class(tx, tenant, class, last.as_ref(), (most - all.len()) as i64)?;
            let Some(end) = found.last() else { break };
            last = Some(end.user_id.clone());
            let others = found.into_iter().filter(|candidate| named.binary_search(&candidate.user_id).is_err());
            all.extend(others.map(|candidate| (Position::Class(class.clone(), candidate.user_id.clone()), candidate)));
        }
        if all.len() >= most {
            break;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_a_link() {
        let id = UserId::new("5c7f1f0e-6d0c-4b6e-8a53-0b0a53b7c6a1");
        for position in [
            Position::Id(id.clone()),
            Position::Name("a/b@contoso.example".into()),
            Position::DisplayName("Adele / Vance".into(), id.clone()),
            Position::Named(id.clone()),
            Position::Class("member/enabled/none/system/email".into(), id),
        ] {
            assert_eq!(Position::parse(&position.to_key()), Some(position));
        }
        for foreign in ["", "i", "i/x", "x/y", "c/x", "d/x/y", "n/"] {
            assert_eq!(Position::parse(foreign), None, "{foreign}");
        }
    }
}
