//! Whether a filter finds a user, by the user's class and row; and whether it may find anybody of a class.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        class::{Class, RoleClass, Standing},
        population,
    },
    DetailField, DetailsFilter,
};
use crate::{
    error::{Error, Result},
    id::UserId,
    methods::policy::MethodsPolicy,
    store::{
        filter::{Filter, Operator},
        registrations::walk::Candidate,
        users::name_key,
    },
};

/// Says of users, and of whole classes, whether the filter finds them.
pub struct Judge<'a> {
    filter: Option<&'a DetailsFilter>,
    /// Users whom the policy names, who may stand otherwise than their class.
    pub named: BTreeSet<UserId>,
    policy: &'a MethodsPolicy,
    /// Classes that were read before, and how whoever the policy does not name stands in them.
    known: BTreeMap<String, (Class, Standing)>,
}

impl<'a> Judge<'a> {
    pub fn new(filter: Option<&'a DetailsFilter>, policy: &'a MethodsPolicy) -> Self {
        Self { filter, named: population::named(policy), policy, known: BTreeMap::new() }
    }

    fn class(&mut self, text: &str) -> Result<&(Class, Standing)> {
        if !self.known.contains_key(text) {
            let class = Class::read(text)?;
            let standing = class.standing(self.policy, &population::anybody());
            self.known.insert(text.to_owned(), (class, standing));
        }
        self.known.get(text).ok_or_else(|| Error::internal("a class was not kept"))
    }

    /// Whether it may find users of this class whom the policy does not name.
    pub fn may_find(&mut self, class: &str) -> Result<bool> {
        let Some(filter) = self.filter else { return Ok(true) };
        let (class, standing) = self.class(class)?;
        Ok(truth(filter, &|field, _| of_class(field, class, standing)) != Some(false))
    }

    pub fn finds(&mut self, candidate: &Candidate) -> Result<bool> {
        let Some(filter) = self.filter else { return Ok(true) };
        let Some(text) = &candidate.class else { return Ok(false) };
        let is_named = self.named.contains(&candidate.user_id);
        let policy = self.policy;
        let (class, standing) = self.class(text)?;
        let own = if is_named { class.standing(policy, &candidate.user_id) } else { *standing };
        let test = |field: &DetailField, operator| {
            of_user(field, operator, candidate).or_else(|| of_class(field, class, &own))
        };
        Ok(truth(filter, &test) == Some(true))
    }
}

/// The truth of a filter, where `None` is not known (Kleene's logic).
fn truth(filter: &DetailsFilter, test: &impl Fn(&DetailField, Operator) -> Option<bool>) -> Option<bool> {
    match filter {
        Filter::And(left, right) => match (truth(left, test), truth(right, test)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Filter::Or(left, right) => match (truth(left, test), truth(right, test)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Filter::Not(inner) => truth(inner, test).map(|is| !is),
        Filter::Test(field, operator) => test(field, *operator),
    }
}

/// What a class says of a field; `None` where it says nothing.
fn of_class(field: &DetailField, class: &Class, standing: &Standing) -> Option<bool> {
    Some(match field {
        DetailField::Id(_) | DetailField::UserPrincipalName(_) | DetailField::UserDisplayName(_) => return None,
        DetailField::UserType(text) => text.eq_ignore_ascii_case(if class.is_guest { "guest" } else { "member" }),
        DetailField::IsAdmin(is) => *is == (class.role != RoleClass::None),
        DetailField::IsMfaRegistered(is) => *is == standing.is_mfa_registered,
        DetailField::IsMfaCapable(is) => *is == standing.is_mfa_capable,
        DetailField::IsPasswordlessCapable(is) => *is == standing.is_passwordless_capable,
        DetailField::IsSspr(is) => !is,
        DetailField::IsSystemPreferredEnabled(is) => *is == standing.is_system_preferred_enabled,
        // The details leave the password out.
        DetailField::Method(name) => name != "password" && class.names().any(|has| has == name),
    })
}

/// What the user's own row says of a field; `None` where it says nothing.
fn of_user(field: &DetailField, operator: Operator, candidate: &Candidate) -> Option<bool> {
    let compare = |has: &str, text: &str| match operator {
        Operator::StartsWith => has.starts_with(text),
        _ => has == text,
    };
    match field {
        DetailField::Id(id) => Some(candidate.user_id.as_str() == id),
        DetailField::UserPrincipalName(text) => Some(compare(&candidate.name_key, &name_key(text))),
        DetailField::UserDisplayName(text) => Some(compare(&candidate.display_key, &name_key(text))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_stays_so() {
        let test = |value: bool| Box::new(Filter::Test(DetailField::IsAdmin(value), Operator::Eq));
        let unknown = || Box::new(Filter::Test(DetailField::Id(String::new()), Operator::Eq));
        let known = |field: &DetailField, _: Operator| match field {
            DetailField::IsAdmin(is) => Some(*is),
            _ => None,
        };
        for (filter, expected) in [
            (Filter::And(test(true), unknown()), None),
            (Filter::And(unknown(), test(false)), Some(false)),
            (Filter::Or(unknown(), test(true)), Some(true)),
            (Filter::Or(test(false), unknown()), None),
            (Filter::Not(unknown()), None),
            (Filter::Not(test(false)), Some(true)),
        ] {
            assert_eq!(truth(&filter, &known), expected, "{filter:?}");
        }
    }
}
