//! `$filter`, `$search`, `$orderby`, `$count` and paging over users, against an oracle that reads the same trees.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use rekey::{
    clock::{Entropy, Timestamp},
    id::UserId,
    store::users::{self, Requirements, User, UserType},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_each_backend, seed};

/// Users with awkward names, some attributes missing. Fast: put into the store in one transaction.
async fn people(app: &TestApp, count: usize) -> Vec<User> {
    const NAMES: [&str; 8] = ["Ana", "ana maría", "Bo", "Boris O'Neil", "Łukasz", "100%_sure", "Zoë Ana-Bo", "bo b"];
    let person = |number: usize| {
        let name = format!("{}{number}@contoso.example", ["a", "B", "ab", "zz"][number % 4]);
        let display_name = format!("{}{}", NAMES[number % NAMES.len()], ["", " Li", "x"][number % 3]);
        User {
            given_name: (!number.is_multiple_of(5)).then(|| NAMES[number % 5].to_owned()),
            surname: (!number.is_multiple_of(3)).then(|| ["Li", "LIND", "o'x"][number % 3].to_owned()),
            mail: (!number.is_multiple_of(4))
                .then(|| format!("{}{number}@fabrikam.example", ["A", "b", "c"][number % 3])),
            user_type: if number.is_multiple_of(7) { UserType::Guest } else { UserType::Member },
            account_enabled: !number.is_multiple_of(6),
            created_at: Timestamp::from_seconds(1_700_000_000 + number as i64 * 86_400),
            ..seed::member(&app.tenant, UserId::new(Entropy::System.guid()), name, display_name)
        }
    };
    let made: Vec<User> = (0..count).map(person).collect();
    insert(app, made.clone()).await;
    made
}

async fn insert(app: &TestApp, people: Vec<User>) {
    for some in people.chunks(500) {
        let some = some.to_vec();
        let write = app.app.store.write(&app.tenant, move |tx| {
            some.iter().try_for_each(|user| users::insert(tx, user, &Requirements::default()))
        });
        write.await.unwrap();
    }
}

/// Follows a list to its end: the ids, page by page.
async fn walk(app: &TestApp, query: &[(&str, &str)]) -> Vec<Vec<String>> {
    let mut url = reqwest::Url::parse_with_params(&format!("{}/v1.0/users", app.base), query).unwrap();
    let mut pages = vec![];
    loop {
        let page = Answer::of(app.http.get(url).bearer_auth(&app.token)).await.expect(200);
        let users = page.json["value"].as_array().unwrap();
        pages.push(users.iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect());
        match page.json["@odata.nextLink"].as_str() {
            Some(next) => url = next.parse().unwrap(),
            None => return pages,
        }
    }
}

/// A filter as a test makes it: printed for the server, and evaluated here over the user.
#[derive(Debug, Clone)]
enum Tree {
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
    Text(&'static str, &'static str, Option<String>),
    OneOf(&'static str, Vec<String>),
    Enabled(bool),
    Created(&'static str, i64),
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Tree {
    fn print(&self) -> String {
        match self {
            Self::And(left, right) => format!("({}) and ({})", left.print(), right.print()),
            Self::Or(left, right) => format!("({}) or ({})", left.print(), right.print()),
            Self::Not(inner) => format!("not ({})", inner.print()),
            Self::Text(property, operator @ ("startsWith" | "endsWith"), Some(text)) => {
                format!("{operator}({property},{})", literal(text))
            }
            Self::Text(property, operator, Some(text)) => format!("{property} {operator} {}", literal(text)),
            Self::Text(property, operator, None) => format!("{property} {operator} null"),
            Self::OneOf(property, texts) => {
                format!("{property} in ({})", texts.iter().map(|text| literal(text)).collect::<Vec<_>>().join(","))
            }
            Self::Enabled(is) => format!("accountEnabled eq {is}"),
            Self::Created(operator, seconds) => {
                format!("createdDateTime {operator} {}", Timestamp::from_seconds(*seconds).to_iso())
            }
        }
    }

    /// As OData has it: null equals nothing but null, and has no order.
    fn holds(&self, user: &User) -> bool {
        let attribute = |property: &str| match property {
            "displayName" => Some(user.display_name.clone()),
            "userPrincipalName" => Some(user.user_principal_name.clone()),
            "givenName" => user.given_name.clone(),
            "surname" => user.surname.clone(),
            _ => user.mail.clone(),
        };
        match self {
            Self::And(left, right) => left.holds(user) && right.holds(user),
            Self::Or(left, right) => left.holds(user) || right.holds(user),
            Self::Not(inner) => !inner.holds(user),
            Self::OneOf(property, texts) => {
                let own = attribute(property).map(|own| own.to_lowercase());
                texts.iter().any(|text| own.as_deref() == Some(&*text.to_lowercase()))
            }
            Self::Enabled(is) => user.account_enabled == *is,
            Self::Created(operator, seconds) => {
                let (own, other) = (user.created_at.seconds(), *seconds);
                match *operator {
                    "ge" => own >= other,
                    "lt" => own < other,
                    _ => own == other,
                }
            }
            Self::Text(property, operator, text) => {
                let own = attribute(property).map(|own| own.to_lowercase());
                let text = text.as_ref().map(|text| text.to_lowercase());
                match (*operator, own, text) {
                    ("eq", own, text) => own == text,
                    ("ne", own, text) => own != text,
                    (operator, Some(own), Some(text)) => match operator {
                        "startsWith" => own.starts_with(&text),
                        "endsWith" => own.ends_with(&text),
                        // Bytes: the order of code points.
                        "ge" => own.as_bytes() >= text.as_bytes(),
                        "gt" => own.as_bytes() > text.as_bytes(),
                        "le" => own.as_bytes() <= text.as_bytes(),
                        _ => own.as_bytes() < text.as_bytes(),
                    },
                    _ => false,
                }
            }
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    let known =
        ["Ana", "ANA", "a", "b", "B1", "ana maría li", "O'X", "100%", "_", "Łu", "li", "", "c5@fabrikam.example"];
    let ends = [".example", "Example", "fabrikam.example", "7@contoso.example"];
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => prop::sample::select(ends.to_vec()).prop_map(str::to_owned),
        1 => "[^\\p{Cc}]{0,4}",
    ]
}

fn leaves() -> impl Strategy<Value = Tree> {
    let names = prop::sample::select(vec!["displayName", "givenName", "surname", "mail", "userPrincipalName"]);
    let operators = prop::sample::select(vec!["eq", "ne", "ge", "gt", "le", "lt", "startsWith"]);
    let addresses = prop::sample::select(vec!["mail", "userPrincipalName"]);
    let nullable = prop::sample::select(vec!["givenName", "surname", "mail"]);
    prop_oneof![
        6 => (names.clone(), operators, texts()).prop_map(|(name, operator, text)| Tree::Text(name, operator, Some(text))),
        2 => (addresses, texts()).prop_map(|(name, text)| Tree::Text(name, "endsWith", Some(text))),
        1 => (nullable, prop::sample::select(vec!["eq", "ne"])).prop_map(|(name, operator)| Tree::Text(name, operator, None)),
        1 => (names, prop::collection::vec(texts(), 1..5)).prop_map(|(name, texts)| Tree::OneOf(name, texts)),
        1 => any::<bool>().prop_map(Tree::Enabled),
        1 => (prop::sample::select(vec!["ge", "lt", "eq"]), 0..90_i64)
            .prop_map(|(operator, day)| Tree::Created(operator, 1_700_000_000 + day * 86_400)),
    ]
}

fn trees() -> impl Strategy<Value = Tree> {
    leaves().prop_recursive(3, 10, 2, |inner| {
        let pair = || (inner.clone(), inner.clone()).prop_map(|(left, right)| (Box::new(left), Box::new(right)));
        prop_oneof![
            pair().prop_map(|(left, right)| Tree::And(left, right)),
            pair().prop_map(|(left, right)| Tree::Or(left, right)),
            inner.clone().prop_map(|inner| Tree::Not(Box::new(inner))),
        ]
    })
}

#[tokio::test]
async fn a_filter_finds_what_its_tree_means_and_nothing_else() {
    on_each_backend(async |app| {
        let people = people(&app, 90).await;
        let mut runner = TestRunner::default();
        for round in 0..150 {
            let tree = trees().new_tree(&mut runner).unwrap().current();
            let filter = tree.print();
            let expected: BTreeSet<&str> =
                people.iter().filter(|user| tree.holds(user)).map(|user| user.user_id.as_str()).collect();
            // Every filter also with an order, and in pages of all sizes.
            let size = ["1", "7", "100"][round % 3];
            let mut query = vec![("$filter", filter.as_str()), ("$top", size), ("$select", "id")];
            let order = ["", "displayName desc", "userPrincipalName", ""][round % 4];
            query.extend(Some(("$orderby", order)).filter(|_| !order.is_empty()));
            let found: Vec<String> = walk(&app, &query).await.concat();
            if !order.is_empty() {
                assert_eq!(found, in_order(&people, order, |user| tree.holds(user)), "{order}: {filter}");
            }
            assert_eq!(found.len(), expected.len(), "once each: {filter}");
            assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{filter}");
            let url = format!("{}/v1.0/users/$count", app.base);
            let url = reqwest::Url::parse_with_params(&url, [("$filter", &filter)]).unwrap();
            let count = Answer::of(app.http.get(url).bearer_auth(&app.token)).await.expect(200);
            assert_eq!(count.text, expected.len().to_string(), "{filter}");
        }
    })
    .await;
}

/// The ids of those who are meant, as `$orderby` wants them.
fn in_order(people: &[User], order: &str, is_meant: impl Fn(&User) -> bool) -> Vec<String> {
    let key = |user: &User| match order.starts_with("displayName") {
        true => user.display_name.to_lowercase(),
        false => user.user_principal_name.to_lowercase(),
    };
    let meant = people.iter().filter(|user| is_meant(user));
    let mut keys: Vec<_> = meant.map(|user| (key(user), user.user_id.to_string())).collect();
    keys.sort();
    if order.ends_with(" desc") {
        keys.reverse();
    }
    keys.into_iter().map(|(_, id)| id).collect()
}

#[tokio::test]
async fn an_order_holds_over_all_pages() {
    on_each_backend(async |app| {
        let people = people(&app, 60).await;
        for order in ["displayName", "displayName desc", "userPrincipalName", "userPrincipalName desc"] {
            let found = walk(&app, &[("$orderby", order), ("$top", "7")]).await.concat();
            assert_eq!(found, in_order(&people, order, |_| true), "{order}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_search_finds_words_of_names() {
    on_each_backend(async |app| {
        let people = people(&app, 90).await;
        let words = |name: &str| -> Vec<String> {
            name.to_lowercase().split(|letter: char| !letter.is_alphanumeric()).map(str::to_owned).collect()
        };
        let begins = |user: &User, prefix: &str| words(&user.display_name).iter().any(|word| word.starts_with(prefix));
        let mail =
            |user: &User, prefix: &str| user.mail.as_ref().is_some_and(|it| it.to_lowercase().starts_with(prefix));
        type Oracle<'a> = Box<dyn Fn(&User) -> bool + 'a>;
        let cases: Vec<(&str, Oracle<'_>)> = vec![
            ("\"displayName:ana\"", Box::new(|user| begins(user, "ana"))),
            ("\"displayName:AN\"", Box::new(|user| begins(user, "an"))),
            ("\"displayName:b\"", Box::new(|user| begins(user, "b"))),
            ("\"displayName:li bo\"", Box::new(|user| begins(user, "li") && begins(user, "bo"))),
            ("\"displayName:mar\" OR \"mail:b\"", Box::new(|user| begins(user, "mar") || mail(user, "b"))),
            ("\"displayName:bo\" AND \"mail:c\"", Box::new(|user| begins(user, "bo") && mail(user, "c"))),
            ("\"displayName:nobody\"", Box::new(|_| false)),
            ("\"displayName:!\"", Box::new(|_| false)),
        ];
        for (search, oracle) in cases {
            let expected: BTreeSet<String> =
                people.iter().filter(|user| oracle(user)).map(|user| user.user_id.to_string()).collect();
            for size in ["1", "7", "100"] {
                let found = walk(&app, &[("$search", search), ("$top", size)]).await.concat();
                assert_eq!(found.len(), expected.len(), "once each: {search}");
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{search}");
                for order in ["displayName", "userPrincipalName desc"] {
                    let found = walk(&app, &[("$search", search), ("$orderby", order), ("$top", size)]).await.concat();
                    assert_eq!(found, in_order(&people, order, &oracle), "{search}");
                }
            }
            let expected: BTreeSet<_> = people
                .iter()
                .filter(|user| oracle(user) && !user.account_enabled)
                .map(|user| user.user_id.to_string())
                .collect();
            let both = [("$search", search), ("$filter", "accountEnabled eq false"), ("$top", "2")];
            assert_eq!(walk(&app, &both).await.concat().into_iter().collect::<BTreeSet<_>>(), expected, "{search}");
        }
        // A new name has new words.
        let path = format!("/v1.0/users/{}", people[0].user_id);
        app.patch(&path, serde_json::json!({"displayName": "Quentin Ana"})).await.expect(204);
        assert_eq!(walk(&app, &[("$search", "\"displayName:quen\"")]).await.concat(), [people[0].user_id.to_string()]);
        app.delete(&path).await.expect(204);
        assert!(walk(&app, &[("$search", "\"displayName:quen\"")]).await.concat().is_empty());
    })
    .await;
}

#[tokio::test]
async fn counts_come_with_the_first_page_only() {
    on_each_backend(async |app| {
        people(&app, 30).await;
        let first = app.get("/v1.0/users?$count=true&$top=20").await.expect(200);
        assert_eq!(first.json["@odata.count"], 30);
        let next = first.json["@odata.nextLink"].as_str().unwrap().to_owned();
        let second = Answer::of(app.http.get(next).bearer_auth(&app.token)).await.expect(200);
        assert!(second.json.get("@odata.count").is_none() && second.json.get("@odata.nextLink").is_none());
        assert!(app.get("/v1.0/users?$count=false").await.expect(200).json.get("@odata.count").is_none());
        let count = app.get("/v1.0/users/%24count").await.expect(200);
        assert_eq!(count.text, "30");
        assert!(count.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
        let guests = app.get("/v1.0/users/$count?$filter=userType%20eq%20'Guest'").await.expect(200);
        assert_eq!(guests.text, "5");
    })
    .await;
}

#[tokio::test]
async fn links_carry_the_question_and_are_no_bodys_but_ours() {
    on_each_backend(async |app| {
        people(&app, 30).await;
        let first = app.get("/v1.0/users?$top=20&$filter=accountEnabled%20eq%20true").await.expect(200);
        let next = first.json["@odata.nextLink"].as_str().unwrap().to_owned();
        let get = async |url: &str| Answer::of(app.http.get(url).bearer_auth(&app.token)).await;
        let whole = get(&next).await.expect(200).json["value"].clone();
        let (path, token) =
            next.split_once('?').map(|(path, query)| (path, query.rsplit('&').next().unwrap())).unwrap();
        // Alone, the token still knows the filter and the size.
        assert_eq!(get(&format!("{path}?{token}")).await.expect(200).json["value"], whole);
        assert_eq!(get(&format!("{path}?{}", token.replace('$', "%24"))).await.expect(200).json["value"], whole);
        for wrong in [
            format!("{path}?$top=10&{token}"),
            format!("{path}?{token}x"),
            format!("{path}?{token}&{token}"),
            format!("{}/v1.0/auditLogs/directoryAudits?{token}", app.base),
        ] {
            let refused = get(&wrong).await.expect(400);
            assert_eq!(refused.json["error"]["target"], "$skiptoken", "{wrong}");
        }
    })
    .await;
}

/// Whoever may ask a long question may follow its links.
#[tokio::test]
async fn a_long_question_is_walked_to_its_end() {
    on_each_backend(async |app| {
        let names: Vec<String> = (10..50).map(|number| format!("{}{number}", "Длинноеимя".repeat(2))).collect();
        for (index, name) in names.iter().take(3).enumerate() {
            let user = seed::user(&app, &format!("long{index}")).await;
            app.patch(&format!("/v1.0/users/{}", user.user_id), json!({"displayName": name})).await.expect(204);
        }
        let list = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(",");
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("$filter", &format!("displayName in ({list})")).append_pair("$top", "1");
        let query = query.finish();
        assert!(query.len() > 5_000, "{}", query.len());
        let mut page = app.get(&format!("/v1.0/users?{query}")).await.expect(200);
        let mut found = vec![];
        loop {
            found.extend(page.json["value"].as_array().unwrap().iter().map(|user| user["displayName"].clone()));
            let Some(next) = page.json["@odata.nextLink"].as_str() else { break };
            page = Answer::of(app.http.get(next).bearer_auth(&app.token)).await.expect(200);
        }
        found.sort_by_key(|name| name.to_string());
        assert_eq!(json!(found), json!(names[..3]));
    })
    .await;
}

#[tokio::test]
async fn preferences_are_honoured_and_acknowledged() {
    on_each_backend(async |app| {
        let people = people(&app, 12).await;
        let list = |query: &str| app.request(Method::GET, &format!("/v1.0/users{query}"));
        let page = Answer::of(list("").header("Prefer", "odata.maxpagesize=5")).await.expect(200);
        assert_eq!(page.json["value"].as_array().unwrap().len(), 5);
        assert_eq!(page.headers["preference-applied"], "odata.maxpagesize=5");
        let page = Answer::of(list("?$top=7").header("Prefer", "odata.maxpagesize=5")).await.expect(200);
        assert_eq!(page.json["value"].as_array().unwrap().len(), 7);
        assert!(page.headers.get("preference-applied").is_none());

        let path = format!("/v1.0/users/{}", people[0].user_id);
        let patch = app.request(Method::PATCH, &path).json(&serde_json::json!({"jobTitle": "Chef"}));
        let changed = Answer::of(patch.header("Prefer", "respond-async, return=representation")).await.expect(200);
        assert_eq!(changed.json["jobTitle"], "Chef");
        assert_eq!(changed.headers["preference-applied"], "return=representation");
        let patch = app.request(Method::PATCH, &path).json(&serde_json::json!({"accountEnabled": "perhaps"}));
        Answer::of(patch.header("Prefer", "return=representation")).await.expect(400);
    })
    .await;
}

#[tokio::test]
async fn keys_and_functions_may_stand_in_parentheses() {
    on_each_backend(async |app| {
        let user = seed::user(&app, "o-neil").await;
        for address in [
            format!("/v1.0/users('{}')", user.user_id),
            format!("/v1.0/users(%27{}%27)", user.user_principal_name.replace('@', "%40")),
            format!("/beta/users('{}')", user.user_principal_name),
        ] {
            assert_eq!(app.get(&address).await.expect(200).json["id"], user.user_id.as_str(), "{address}");
        }
        let methods = format!("/v1.0/users('{}')/authentication/methods", user.user_id);
        app.get(&methods).await.expect(200);
        app.get("/v1.0/users/delta()").await.expect(200);
        app.get("/v1.0/users/microsoft.graph.delta()").await.expect(200);
        let revoke = format!("/v1.0/users('{}')/microsoft.graph.revokeSignInSessions", user.user_id);
        app.post(&revoke, serde_json::json!({})).await.expect(200);
        app.get("/v1.0/users('nobody''s@contoso.example')").await.expect(404);
    })
    .await;
}

/// 25,000 users, walked in large and in tiny pages while others come and go: whoever is not touched is seen once.
#[tokio::test]
async fn who_is_not_touched_is_seen_exactly_once() {
    on_each_backend(async |app| {
        let steady = people(&app, 25_000).await;
        let (app, stop) = (&app, std::sync::atomic::AtomicBool::new(false));
        let walks = async {
            for (size, order) in [("999", None), ("7", None), ("999", Some("displayName"))] {
                let mut query = vec![("$top", size), ("$select", "id")];
                query.extend(order.map(|order| ("$orderby", order)));
                let mut seen: BTreeMap<String, usize> = BTreeMap::new();
                for id in walk(app, &query).await.concat() {
                    *seen.entry(id).or_default() += 1;
                }
                assert!(seen.values().all(|times| *times == 1), "nobody twice, in pages of {size}");
                let missing = steady.iter().find(|user| !seen.contains_key(user.user_id.as_str()));
                assert!(missing.is_none(), "{missing:?} in pages of {size}");
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        };
        let churn = async {
            let mut number = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                number += 1;
                let user = seed::user(app, &format!("churn{number}")).await;
                if number % 2 == 0 {
                    app.delete(&format!("/v1.0/users/{}", user.user_id)).await.expect(204);
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            number
        };
        let ((), changes) = tokio::join!(walks, churn);
        assert!(changes > 10, "somebody came and went: {changes}");
    })
    .await;
}

#[tokio::test]
async fn a_filter_that_finds_nobody_looks_at_so_many_users_a_page() {
    on_each_backend(async |app| {
        let steady = people(&app, 5_500).await;
        // No index knows the end of a name: pages are short, and there is an end.
        let pages = walk(&app, &[("$filter", "endsWith(mail,'@nowhere.example')")]).await;
        assert!(pages.concat().is_empty() && pages.len() == 2, "{}", pages.len());
        let last = steady.iter().max_by_key(|user| user.user_id.to_string()).unwrap();
        let filter = format!("not (id ne '{}')", last.user_id);
        assert_eq!(walk(&app, &[("$filter", &filter)]).await.concat(), [last.user_id.to_string()]);
        // A few whom another index leads to are not looked for along the order.
        let order = ("$orderby", "displayName");
        let pages = walk(&app, &[("$search", "\"displayName:zoë\""), order, ("$top", "999")]).await;
        let expected = in_order(&steady, order.1, |user| user.display_name.starts_with("Zoë"));
        assert!(pages.len() == 1 && pages.concat() == expected && expected.len() > 600, "{}", expected.len());
        // More than a few are.
        let filter = ("$filter", "startsWith(mail,'a')");
        let expected = in_order(&steady, order.1, |user| user.mail.as_ref().is_some_and(|mail| mail.starts_with('A')));
        assert!(expected.len() > 1_000, "{}", expected.len());
        assert_eq!(walk(&app, &[filter, order, ("$top", "500")]).await.concat(), expected);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_name() {
    on_each_backend(async |app| {
        for (option, value, part) in [
            ("$filter", "department eq 'x'", "'department'"),
            ("$filter", "contains(displayName,'x')", "function 'contains'"),
            ("$filter", "endsWith(displayName,'x')", "'endsWith'"),
            ("$filter", "displayName has 'x'", "operator 'has'"),
            ("$filter", "id gt 'x'", "'gt'"),
            ("$filter", "accountEnabled eq 'true'", "true or false"),
            ("$filter", "displayName eq null", "not with null"),
            ("$filter", "mail gt null", "not with null"),
            ("$filter", "assignedLicenses/any(x:x/skuId eq 'a')", "'assignedLicenses/any"),
            ("$filter", "displayName in ()", "a value"),
            ("$search", "ana", "double quotes"),
            ("$search", "\"department:x\"", "'department'"),
            ("$orderby", "createdDateTime", "displayName"),
            ("$expand", "manager", "$expand"),
            ("$skip", "5", "$skip"),
            ("$format", "xml", "$format"),
        ] {
            let url = reqwest::Url::parse_with_params(&format!("{}/v1.0/users", app.base), [(option, value)]).unwrap();
            let refused = Answer::of(app.http.get(url).bearer_auth(&app.token)).await;
            let refused = refused.expect_error(400, "Request_BadRequest");
            assert_eq!(refused.json["error"]["target"], option, "{value}");
            let message = refused.json["error"]["message"].as_str().unwrap();
            assert!(message.contains(part), "{value}: {message}");
        }
        let nothing: Vec<Value> = vec![];
        let nobody = app.get("/v1.0/users?$filter=displayName%20eq%20'O''Neil'").await.expect(200);
        assert_eq!(nobody.json["value"], Value::from(nothing));
    })
    .await;
}
