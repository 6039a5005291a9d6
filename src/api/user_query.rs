//! What lists of users are asked with: `$filter`, `$search` and `$orderby` over Graph's properties.

use super::odata::bind::{self, Property, Value};
use crate::{
    error::{Error, Result},
    store::{
        filter::{
            Filter,
            Operator::{self, EndsWith, Eq, Ge, Gt, Le, Lt, Ne, StartsWith},
        },
        users::{UserField, UserFilter, UserType, walk::Key},
    },
};

const NAMES: &[Operator] = &[Eq, Ne, Ge, Gt, Le, Lt, StartsWith];
const ADDRESSES: &[Operator] = &[Eq, Ne, Ge, Gt, Le, Lt, StartsWith, EndsWith];

/// What users can be filtered by.
const PROPERTIES: &[Property<UserField>] = &[
    Property { path: "id", operators: &[Eq, Ne], value: Value::Text(|id| UserField::Id(bind::guid(id))) },
    Property::text("userPrincipalName", ADDRESSES, UserField::UserPrincipalName),
    Property::text("displayName", NAMES, UserField::DisplayName),
    Property { path: "givenName", operators: NAMES, value: Value::NullableText(UserField::GivenName) },
    Property { path: "surname", operators: NAMES, value: Value::NullableText(UserField::Surname) },
    Property { path: "mail", operators: ADDRESSES, value: Value::NullableText(UserField::Mail) },
    Property::text("userType", &[Eq, Ne], user_type),
    Property { path: "accountEnabled", operators: &[Eq, Ne], value: Value::Boolean(UserField::AccountEnabled) },
    Property {
        path: "createdDateTime",
        operators: &[Eq, Ne, Ge, Gt, Le, Lt],
        value: Value::DateTime(UserField::CreatedDateTime),
    },
];

/// A type of users in any case; one that there is not is nobody's.
fn user_type(text: String) -> UserField {
    let known = UserType::ALL.iter().find(|known| known.as_str().eq_ignore_ascii_case(&text));
    UserField::UserType(known.map_or(text, |known| known.as_str().to_owned()))
}

/// Reads `$filter`.
pub fn filter(text: &str) -> Result<UserFilter> {
    bind::read(text, PROPERTIES).map_err(Error::in_directory)
}

/// Reads `$filter` and `$search` together: who meets both.
pub fn condition(filter: Option<&str>, search: Option<&str>) -> Result<Option<UserFilter>> {
    let filter = filter.map(self::filter).transpose()?;
    let search = search.map(self::search).transpose()?;
    Ok(match (filter, search) {
        (Some(filter), Some(search)) => Some(Filter::And(Box::new(search), Box::new(filter))),
        (filter, search) => filter.or(search),
    })
}

/// Reads `$orderby`: one property and a direction; true for descending.
pub fn order(text: &str) -> Result<(Key, bool)> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (property, descending) = match words[..] {
        [property] | [property, "asc"] => (property, false),
        [property, "desc"] => (property, true),
        _ => ("", false),
    };
    let key = match property {
        "displayName" => Key::DisplayName,
        "userPrincipalName" => Key::UserPrincipalName,
        _ => {
            let message = "$orderby is 'displayName' or 'userPrincipalName', with 'asc' or 'desc' behind it.";
            return Err(Error::invalid_user("$orderby", message));
        }
    };
    Ok((key, descending))
}

/// The longest `$search`, in characters, and the most clauses in it.
const MAX_SEARCH: usize = 1000;
const MAX_CLAUSES: usize = 10;

/// Reads `$search`: clauses in double quotes, `"property:text"`, joined by AND and OR (AND binds tighter). In display
/// names every word of the text must begin a word of the name; the other properties must begin with the text.
fn search(text: &str) -> Result<UserFilter> {
    let refuse = |message: String| Error::invalid_user("$search", message);
    if text.chars().nth(MAX_SEARCH).is_some() {
        return Err(refuse(format!("$search has at most {MAX_SEARCH} characters.")));
    }
    let mut rest = text.trim();
    let mut clauses = 0;
    // A disjunction of conjunctions.
    let mut any: Option<UserFilter> = None;
    let mut all: Option<UserFilter> = None;
    loop {
        let (inside, behind) = clause(rest).ok_or_else(|| {
            refuse("$search is written like \"displayName:ana\" AND \"mail:ana\", with the double quotes.".into())
        })?;
        clauses += 1;
        if clauses > MAX_CLAUSES {
            return Err(refuse(format!("$search has at most {MAX_CLAUSES} clauses.")));
        }
        all = Some(both(all, meaning(&inside)?));
        rest = behind.trim_start();
        if rest.is_empty() {
            break;
        }
        if let Some(next) = keyword(rest, "OR") {
            any = Some(either(any, all.take()));
            rest = next;
        } else {
            // Clauses side by side mean AND, as in Graph.
            rest = keyword(rest, "AND").unwrap_or(rest);
        }
    }
    Ok(either(any, all))
}

fn both(left: Option<UserFilter>, right: UserFilter) -> UserFilter {
    match left {
        Some(left) => Filter::And(Box::new(left), Box::new(right)),
        None => right,
    }
}

/// One of them; with neither, nobody.
fn either(left: Option<UserFilter>, right: Option<UserFilter>) -> UserFilter {
    match (left, right) {
        (Some(left), Some(right)) => Filter::Or(Box::new(left), Box::new(right)),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => Filter::Test(UserField::Id(String::new()), Eq),
    }
}

fn keyword<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    rest.starts_with([' ', '"']).then(|| rest.trim_start())
}

/// What stands between the quotes that `text` begins with (a backslash takes the next character as it is), and what is
/// behind them.
fn clause(text: &str) -> Option<(String, &str)> {
    let mut inside = String::new();
    let mut characters = text.strip_prefix('"')?.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((inside, &text[index + 2..])),
            '\\' => inside.push(characters.next()?.1),
            _ => inside.push(character),
        }
    }
    None
}

fn meaning(clause: &str) -> Result<UserFilter> {
    let (property, text) = clause.split_once(':').unwrap_or(("", clause));
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        return Err(Error::invalid_user("$search", "A clause of $search says what is searched, behind the colon."));
    }
    let begins = |field: UserField| Ok(Filter::Test(field, StartsWith));
    match property.trim() {
        "displayName" => {
            let words = UserField::words(text).into_iter().map(|word| Filter::Test(UserField::Word(word), StartsWith));
            let all = words.reduce(|left, right| Filter::And(Box::new(left), Box::new(right)));
            // A text without a letter or digit has no word that a name could begin with.
            Ok(either(all, None))
        }
        "mail" => begins(UserField::Mail(Some(text.into()))),
        "userPrincipalName" => begins(UserField::UserPrincipalName(text.into())),
        "givenName" => begins(UserField::GivenName(Some(text.into()))),
        "surname" => begins(UserField::Surname(Some(text.into()))),
        other => {
            let other: String = other.chars().take(64).collect();
            let message = format!(
                "The property '{other}' cannot be searched; supported: displayName, givenName, mail, surname, userPrincipalName."
            );
            Err(Error::invalid_user("$search", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> UserFilter {
        Filter::Test(UserField::Word(text.into()), StartsWith)
    }

    #[test]
    fn searches() {
        assert_eq!(search("\"displayName:Ana\"").unwrap(), word("ana"));
        let both = Filter::And(Box::new(word("ana")), Box::new(word("li")));
        assert_eq!(search("\"displayName:Ana Li\"").unwrap(), both);
        assert_eq!(search(" \"displayName:ana\" \"displayName:li\" ").unwrap(), both);
        let mail = Filter::Test(UserField::Mail(Some("a\"b".into())), StartsWith);
        let or = Filter::Or(Box::new(both), Box::new(mail));
        assert_eq!(search(r#""displayName:ana" AND "displayName:li" OR "mail:a\"b""#).unwrap(), or);
        assert_eq!(search("\"displayName:'\"").unwrap(), Filter::Test(UserField::Id(String::new()), Eq));
        for wrong in ["", "displayName:ana", "\"ana\"", "\"age:3\"", "\"displayName:\"", "\"displayName:a\" OR", "\"a"]
        {
            assert!(search(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn orders() {
        assert_eq!(order("displayName").unwrap(), (Key::DisplayName, false));
        assert_eq!(order(" userPrincipalName  desc ").unwrap(), (Key::UserPrincipalName, true));
        for wrong in ["", "mail", "displayName up", "displayName,mail"] {
            assert!(order(wrong).is_err(), "{wrong}");
        }
    }
}
