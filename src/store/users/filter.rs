//! What users can be filtered by, as conditions in SQL. Texts are compared without regard to case, as Graph does.

use diesel::{dsl::exists, prelude::*};
use serde::{Deserialize, Serialize};

use super::{name_key, words};
use crate::{
    clock::Timestamp,
    store::{
        conditions::{Condition, compare, compare_nullable, compare_text, condition},
        filter::{Filter, Operator},
        schema::{user_words, users},
    },
};

diesel::allow_tables_to_appear_in_same_query!(user_words, users);

/// One property, and what it is compared with. (Kept in resets of many users: the names must not change.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserField {
    Id(String),
    UserPrincipalName(String),
    DisplayName(String),
    GivenName(Option<String>),
    Surname(Option<String>),
    Mail(Option<String>),
    UserType(String),
    AccountEnabled(bool),
    CreatedDateTime(Timestamp),
    /// A word of the display name begins like this; whatever the operator.
    Word(String),
}

impl UserField {
    /// The words of a text that is searched for, for [`Self::Word`].
    pub fn words(text: &str) -> Vec<String> {
        words::of(text).into_iter().collect()
    }
}

pub type UserFilter = Filter<UserField>;

/// Users are present, and meet the filter.
pub(super) fn matching(filter: &UserFilter) -> Condition<users::table> {
    condition(filter, &test)
}

fn test(field: &UserField, operator: Operator) -> Condition<users::table> {
    match field {
        UserField::Id(text) => compare_text!(users::user_id, operator, text),
        UserField::UserPrincipalName(text) => {
            let key = name_key(text);
            compare_text!(users::user_principal_name_key, operator, key)
        }
        UserField::DisplayName(text) => {
            let key = name_key(text);
            compare_text!(users::display_name_key.assume_not_null(), operator, key)
        }
        UserField::GivenName(text) => nullable(Column::GivenName, operator, text.as_deref()),
        UserField::Surname(text) => nullable(Column::Surname, operator, text.as_deref()),
        UserField::Mail(text) => nullable(Column::Mail, operator, text.as_deref()),
        UserField::UserType(text) => {
            let word: diesel::expression::SqlLiteral<diesel::sql_types::Text> = diesel::dsl::sql("user_type");
            compare!(word, operator, text.clone())
        }
        UserField::AccountEnabled(is_enabled) => compare!(users::account_enabled, operator, *is_enabled),
        UserField::CreatedDateTime(at) => compare!(users::created_at, operator, *at),
        UserField::Word(prefix) => {
            let of_user = user_words::table
                .filter(user_words::tenant_id.eq(users::tenant_id))
                .filter(user_words::user_id.eq(users::user_id))
                .filter(user_words::word.ge(prefix.clone()))
                .filter(user_words::word.lt(words::end_of(prefix)));
            Box::new(exists(of_user))
        }
    }
}

#[derive(Clone, Copy)]
enum Column {
    GivenName,
    Surname,
    Mail,
}

fn nullable(column: Column, operator: Operator, text: Option<&str>) -> Condition<users::table> {
    macro_rules! compared {
        ($column:expr) => {
            match (text, operator) {
                (None, Operator::Ne) => Box::new($column.is_not_null()) as Condition<users::table>,
                (None, _) => Box::new($column.is_null()),
                (Some(text), _) => {
                    let key = name_key(text);
                    compare_nullable!($column, operator, key)
                }
            }
        };
    }
    match column {
        Column::GivenName => compared!(users::given_name_key),
        Column::Surname => compared!(users::surname_key),
        Column::Mail => compared!(users::mail_key),
    }
}
