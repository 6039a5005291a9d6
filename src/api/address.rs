//! Addresses as OData and Graph's clients write them, brought to the plain form that the routes have: keys in
//! parentheses (`users('id')`), functions with parentheses and parameters (`creationOptions()`), names with their
//! namespace (`microsoft.graph.delta`), and `$` written as `%24`.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::form_urlencoded;

use super::odata::links::DELTA_TOKEN;

/// What stays as it is in a segment of a path (RFC 3986 section 2.3), and `$`, which names of operations begin with.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'$').remove(b'@');
const NAMESPACE: &str = "microsoft.graph.";
/// A type, by which a collection is narrowed, and no operation.
const CAST: &str = "microsoft.graph.user";
/// The same with the alias that Graph's metadata gives its namespace; typed clients write it so.
const SHORT_CAST: &str = "graph.user";
/// Graph's documentation spells it both ways; the plain form is the one of its links, [`DELTA_TOKEN`].
const OTHER_DELTA_TOKEN: &str = "$deltaToken";
/// Keys by name; the plain form has just the value, as an id or what is as good as one.
const NAMED_KEYS: [&str; 4] = ["id", "appId", "userPrincipalName", "name"];
/// The functions that take arguments, and what these are called. Anything else with arguments is no address here: whoever
/// asks for one object by a key that is not known must not get a list.
const FUNCTIONS: [(&str, &[&str]); 3] = [
    ("creationOptions", &["challengeTimeoutInMinutes"]),
    ("usersRegisteredByFeature", &["includedUserTypes", "includedUserRoles"]),
    ("usersRegisteredByMethod", &["includedUserTypes", "includedUserRoles"]),
];
/// Arguments of one address; no function has nearly as many, and each may be looked up in the query.
const MAX_ARGUMENTS: usize = 16;

/// The plain form; `None` when the address has it already.
pub fn plain(path_and_query: &str) -> Option<String> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let is_odd = path.contains(['(', ')', '\'', '%'])
        || path.contains(NAMESPACE)
        || path.contains(SHORT_CAST)
        || query.split('&').any(is_other_delta_token);
    if !is_odd {
        return None;
    }
    let mut call = Call { query, arguments: vec![], resolved: vec![] };
    let path: String = path.split('/').map(|segment| call.plain(segment)).collect::<Vec<_>>().join("/");
    let query = call.whole_query();
    let plain = if query.is_empty() { path } else { format!("{path}?{query}") };
    (plain != path_and_query).then_some(plain)
}

/// The arguments of functions, which go into the query.
struct Call<'a> {
    query: &'a str,
    arguments: Vec<(String, String)>,
    /// Options of the query that aliases stood for.
    resolved: Vec<String>,
}

impl Call<'_> {
    fn plain<'s>(&mut self, segment: &'s str) -> Cow<'s, str> {
        let Ok(decoded) = percent_decode_str(segment).decode_utf8() else { return segment.into() };
        if decoded == SHORT_CAST {
            return CAST.into();
        }
        // Only an operation has a namespace: a user may be called microsoft.graph.somebody@contoso.example.
        let is_operation = |name: &&str| {
            let bare = name.split('(').next().unwrap_or_default();
            is_name(bare) && !bare.contains('.') || *name == "$count"
        };
        let unqualified = decoded.strip_prefix(NAMESPACE).filter(|_| decoded != CAST).filter(is_operation);
        let name = unqualified.unwrap_or(&decoded);
        if name.starts_with('$') && ["$count", "$batch"].contains(&name) {
            return name.to_owned().into();
        }
        let call = name.strip_suffix(')').and_then(|call| call.split_once('('));
        let Some((name, inner)) = call.filter(|(name, _)| is_name(name)) else {
            return if name.len() == decoded.len() { segment.into() } else { encoded(name).into() };
        };
        let inner = inner.trim();
        match arguments(inner) {
            _ if inner.is_empty() => name.to_owned().into(),
            Some(arguments) => match &arguments[..] {
                [(key, value)] if NAMED_KEYS.contains(&key.as_str()) => {
                    format!("{name}/{}", encoded(&unquoted(value))).into()
                }
                many if !takes(name, many) => segment.into(),
                many if many.len() + self.arguments.len() > MAX_ARGUMENTS => segment.into(),
                _ => {
                    for (parameter, value) in arguments {
                        let value = self.value_of(&value);
                        self.arguments.push((parameter, value));
                    }
                    name.to_owned().into()
                }
            },
            None => format!("{name}/{}", encoded(&unquoted(inner))).into(),
        }
    }

    /// A literal, or what the query says for an alias (OData 4.01 part 2, section 5.3.1.2). Clients have been seen to
    /// leave the alias's `@` out there.
    fn value_of(&mut self, value: &str) -> String {
        let Some(alias) = value.strip_prefix('@') else { return unquoted(value) };
        let found = form_urlencoded::parse(self.query.as_bytes()).find(|(name, _)| name == value || name == alias);
        let Some((name, value)) = found else { return String::new() };
        self.resolved.push(name.into_owned());
        unquoted(&value)
    }

    /// The arguments, and whatever else the query holds.
    fn whole_query(&self) -> String {
        let is_taken = |option: &&str| {
            let option = form_urlencoded::parse(option.as_bytes()).next();
            option.is_some_and(|(name, _)| self.resolved.iter().any(|resolved| *resolved == name))
        };
        let rest = self.query.split('&').filter(|option| !option.is_empty() && !is_taken(option));
        let own = self.arguments.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        let rest = rest.map(|option| match option.split_once('=') {
            Some((_, token)) if is_other_delta_token(option) => format!("{DELTA_TOKEN}={token}"),
            _ => option.to_owned(),
        });
        own.chain(rest).collect::<Vec<_>>().join("&")
    }
}

fn takes(name: &str, arguments: &[(String, String)]) -> bool {
    let function = FUNCTIONS.iter().find(|(function, _)| *function == name);
    function.is_some_and(|(_, known)| arguments.iter().all(|(argument, _)| known.contains(&argument.as_str())))
}

/// However its name is encoded.
fn is_other_delta_token(option: &str) -> bool {
    let name = option.split('=').next().unwrap_or_default();
    form_urlencoded::parse(name.as_bytes()).next().is_some_and(|(name, _)| name == OTHER_DELTA_TOKEN)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|next| next.is_ascii_alphanumeric() || "._".contains(next))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// A text without its quotes, doubled ones inside undoubled; anything else as it is.
fn unquoted(literal: &str) -> String {
    match literal.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(text) => text.replace("''", "'"),
        None => literal.to_owned(),
    }
}

/// `a='x',b=3` as pairs; `None` when it is a key, which has no name.
fn arguments(inner: &str) -> Option<Vec<(String, String)>> {
    let mut arguments = vec![];
    let mut rest = inner;
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').filter(|(name, _)| is_name(name.trim()))?;
        let end = end_of_literal(value);
        arguments.push((name.trim().to_owned(), value[..end].trim().to_owned()));
        rest = value[end..].trim_start_matches(',');
    }
    Some(arguments)
}

/// Where a literal ends: at a comma that is not between quotes, or where the name of the next argument follows the
/// closing quote at once, as Microsoft's client for Python writes it.
fn end_of_literal(text: &str) -> usize {
    let (mut quoted, mut closed) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            ',' if !quoted => return index,
            letter if closed && letter.is_ascii_alphabetic() => return index,
            _ => {}
        }
        closed = character == '\'' && !quoted;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clients_spellings_become_plain() {
        for (written, expected) in [
            ("/v1.0/users('a@b.example')/authentication/methods", "/v1.0/users/a@b.example/authentication/methods"),
            ("/v1.0/users(%27a%40b%27)?$select=id", "/v1.0/users/a@b?$select=id"),
            ("/v1.0/users('O''Neil#@b')", "/v1.0/users/O%27Neil%23@b"),
            ("/v1.0/users('$x@y')", "/v1.0/users/$x@y"),
            ("/v1.0/users/%24count?$filter=a", "/v1.0/users/$count?$filter=a"),
            ("/v1.0/users/delta()?$select=id", "/v1.0/users/delta?$select=id"),
            ("/v1.0/users/delta?$deltaToken=latest", "/v1.0/users/delta?$deltatoken=latest"),
            ("/v1.0/users/microsoft.graph.delta()", "/v1.0/users/delta"),
            ("/v1.0/users/1/microsoft.graph.revokeSignInSessions", "/v1.0/users/1/revokeSignInSessions"),
            ("/v1.0/applications(appId='1-2')/addPassword", "/v1.0/applications/1-2/addPassword"),
            ("/v1.0/users(id='1')/x", "/v1.0/users/1/x"),
            ("/v1.0/users(userPrincipalName='a@b')", "/v1.0/users/a@b"),
            (
                "/v1.0/r/usersRegisteredByMethod(includedUserTypes='all',includedUserRoles='a,b')",
                "/v1.0/r/usersRegisteredByMethod?includedUserTypes=all&includedUserRoles=a%2Cb",
            ),
            (
                "/v1.0/r/usersRegisteredByMethod(includedUserTypes='all'includedUserRoles='o''a')",
                "/v1.0/r/usersRegisteredByMethod?includedUserTypes=all&includedUserRoles=o%27a",
            ),
            (
                "/v1.0/directory/deletedItems/graph.user?$top=1",
                "/v1.0/directory/deletedItems/microsoft.graph.user?$top=1",
            ),
            (
                "/v1.0/r/usersRegisteredByFeature(includedUserTypes=@t)?@t='x'&$top=1",
                "/v1.0/r/usersRegisteredByFeature?includedUserTypes=x&$top=1",
            ),
            (
                "/v1.0/f/creationOptions(challengeTimeoutInMinutes=10)",
                "/v1.0/f/creationOptions?challengeTimeoutInMinutes=10",
            ),
            (
                "/v1.0/f/creationOptions(challengeTimeoutInMinutes=@challengeTimeoutInMinutes)?challengeTimeoutInMinutes=5",
                "/v1.0/f/creationOptions?challengeTimeoutInMinutes=5",
            ),
            (
                "/v1.0/f/creationOptions%28challengeTimeoutInMinutes%3D10%29",
                "/v1.0/f/creationOptions?challengeTimeoutInMinutes=10",
            ),
        ] {
            assert_eq!(plain(written).as_deref(), Some(expected), "{written}");
        }
        for same in [
            "/v1.0/users/a@b",
            "/v1.0/users/graph.user@b",
            "/v1.0/users/microsoft.graph.ceo@contoso.example",
            "/v1.0/users/microsoft.graph.ceo%40contoso.example",
            "/v1.0/users/a%40b/authentication",
            "/v1.0/directory/deletedItems/microsoft.graph.user",
            "/v1.0/users?$filter=startsWith(displayName,'a')",
            "/v1.0/users/a(b",
            "/v1.0/users/%ff('x')",
            "/v1.0/users(mail='a@b')",
            "/v1.0/users(id='1',mail='a@b')",
            "/v1.0/r/usersRegisteredByMethod(includedUsers='all')",
        ] {
            assert_eq!(plain(same), None, "{same}");
        }
        // What nobody writes is not worked on.
        assert_eq!(
            plain(&format!("/v1.0/creationOptions({})?b=1", vec!["challengeTimeoutInMinutes=@z"; 1000].join(","))),
            None
        );
    }

    proptest! {
        /// Whatever the key is, the plain form names it and nothing else.
        #[test]
        fn keys_survive(key in "[^\\p{Cc}/]{1,20}") {
            let written = format!("/v1.0/users('{}')/x", encoded(&key.replace('\'', "''")));
            let expected = format!("/v1.0/users/{}/x", encoded(&key));
            prop_assert_eq!(plain(&written), Some(expected));
        }

        #[test]
        fn nothing_panics(address in "[/(),'=@%a-z$?&.]{0,40}") {
            let _ = plain(&address);
        }
    }
}
