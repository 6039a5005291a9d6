//! Every module imports only modules of its own floor and of the floors below, and no two modules import each other.
//!
//! src/lib.rs is the law: each comment there begins a floor, and the modules under it are that floor. Unit tests
//! (`mod tests`) are not bound by it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Imports that close a circle and may stay, each with its reason; they must exist.
const ACCEPTED_CIRCLES: &[(&str, &str, &str)] = &[
    ("access", "idempotency", "a caller carries the key of a request that is to take effect once"),
    ("access", "methods", "permissions are named after the kinds of methods"),
    ("directory", "methods", "a user who is purged takes the methods along"),
    ("methods", "hardware_oath", "removing a method that is a device gives it back to the inventory"),
];

/// Macros that `#[macro_export]` moves to the crate's root, and the module each really lives in.
const MACROS: &[(&str, &str)] = &[("words", "store")];

type Graph = BTreeMap<String, BTreeSet<String>>;

/// One file below src/.
struct Source {
    /// Relative to src/, with slashes.
    file: String,
    /// `methods/phone.rs` is `["methods", "phone"]`.
    module: Vec<String>,
    tokens: TokenStream,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut all) = (vec![root.clone()], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                let module = file.trim_end_matches(".rs").trim_end_matches("/mod").split('/').map(str::to_owned);
                let tokens =
                    fs::read_to_string(&path).unwrap().parse().unwrap_or_else(|error| panic!("{file}: {error}"));
                all.push(Source { module: module.collect(), file, tokens });
            }
        }
    }
    all
}

/// The floors of src/lib.rs from the ground up.
fn floors(lib: &str) -> Vec<Vec<String>> {
    let mut floors: Vec<Vec<String>> = vec![];
    for line in lib.lines().map(str::trim) {
        if line.starts_with("// ") {
            if floors.last().is_none_or(|floor| !floor.is_empty()) {
                floors.push(vec![]);
            }
        } else if let Some(module) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            floors.last_mut().expect("a comment begins the first floor").push(module.to_owned());
        }
    }
    floors
}

fn floors_of_this_crate() -> Vec<Vec<String>> {
    floors(include_str!("../src/lib.rs"))
}

/// The names directly below the crate's root that the code of `module` mentions: `use` trees of any shape and paths in
/// the middle of an expression.
fn mentioned_from_root(tokens: &TokenStream, module: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_mentions(&tokens.clone().into_iter().collect::<Vec<_>>(), &mut module.to_vec(), &mut found);
    found
}

fn collect_mentions(tokens: &[TokenTree], module: &mut Vec<String>, found: &mut BTreeSet<String>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "mod" => {
                // `mod name { .. }`: what is inside lies one module deeper.
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    if name != "tests" {
                        module.push(name.to_string());
                        collect_mentions(&body.stream().into_iter().collect::<Vec<_>>(), module, found);
                        module.pop();
                    }
                    at += 2;
                }
            }
            TokenTree::Ident(word) if (word == "crate" || word == "super") && is_path_separator(tokens, at + 1) => {
                let mut depth = if word == "crate" { 0 } else { module.len() - 1 };
                at += 3;
                while matches!(tokens.get(at), Some(TokenTree::Ident(word)) if word == "super")
                    && is_path_separator(tokens, at + 1)
                {
                    depth = depth.saturating_sub(1);
                    at += 3;
                }
                if depth == 0 {
                    found.extend(first_names(tokens.get(at)));
                }
                continue;
            }
            TokenTree::Group(group) => collect_mentions(&group.stream().into_iter().collect::<Vec<_>>(), module, found),
            _ => {}
        }
        at += 1;
    }
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon(at) && is_colon(at + 1)
}

/// `name`, or each first name in `{name, name::{..}, ..}`, or `*`.
fn first_names(token: Option<&TokenTree>) -> Vec<String> {
    match token {
        Some(TokenTree::Ident(name)) => vec![name.to_string()],
        Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => vec!["*".into()],
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let items: Vec<_> = group.stream().into_iter().collect();
            let items = items.split(|item| matches!(item, TokenTree::Punct(punct) if punct.as_char() == ','));
            items.flat_map(|item| first_names(item.first())).filter(|name| name != "self").collect()
        }
        _ => vec![],
    }
}

/// Which top-level module mentions which.
fn imports(sources: &[Source], modules: &BTreeSet<String>) -> Graph {
    let mut graph = Graph::new();
    for source in sources {
        let own = &source.module[0];
        // The crate's root, the command line and whatever else is the binary's own stand above all floors.
        if !modules.contains(own) {
            continue;
        }
        for name in mentioned_from_root(&source.tokens, &source.module) {
            let name =
                MACROS.iter().find(|(exported, _)| *exported == name).map_or(name, |(_, home)| (*home).to_owned());
            assert!(modules.contains(&name), "{} imports crate::{name}, which is no module of src/lib.rs", source.file);
            if name != *own {
                graph.entry(own.clone()).or_default().insert(name);
            }
        }
    }
    graph
}

/// Imports that lead upwards.
fn upward(graph: &Graph, floors: &[Vec<String>]) -> Vec<String> {
    let floor_of = |module: &String| floors.iter().position(|floor| floor.contains(module));
    let edges = graph.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to)));
    edges.filter(|(from, to)| floor_of(from) < floor_of(to)).map(|(from, to)| format!("{from} imports {to}")).collect()
}

/// A circle of imports, if there is one, as the modules along it.
fn circle(graph: &Graph) -> Option<Vec<String>> {
    fn visit(at: &str, graph: &Graph, path: &mut Vec<String>, done: &mut BTreeSet<String>) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|module| module == at) {
            let mut circle = path[start..].to_vec();
            circle.push(at.to_owned());
            return Some(circle);
        }
        if !done.contains(at) {
            path.push(at.to_owned());
            for next in graph.get(at).into_iter().flatten() {
                if let Some(circle) = visit(next, graph, path, done) {
                    return Some(circle);
                }
            }
            path.pop();
            done.insert(at.to_owned());
        }
        None
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|start| visit(start, graph, &mut vec![], &mut done))
}

/// Whether the code (not its unit tests) says `word::` or imports it; attributes do not count unless asked for.
fn mentions_crate(tokens: &TokenStream, word: &str, in_attributes: bool) -> bool {
    let tokens: Vec<_> = tokens.clone().into_iter().collect();
    (0..tokens.len()).any(|at| match &tokens[at] {
        TokenTree::Ident(name) => {
            let after_use = at > 0 && matches!(&tokens[at - 1], TokenTree::Ident(before) if before == "use");
            *name == word && (after_use || is_path_separator(&tokens, at + 1))
        }
        TokenTree::Group(group) => {
            let before = |n: usize| at.checked_sub(n).map(|at| tokens[at].to_string()).unwrap_or_default();
            let is_attribute =
                group.delimiter() == Delimiter::Bracket && (before(1) == "#" || before(1) == "!" && before(2) == "#");
            let is_tests = before(1) == "tests" && before(2) == "mod";
            !is_tests && (in_attributes || !is_attribute) && mentions_crate(&group.stream(), word, in_attributes)
        }
        _ => false,
    })
}

fn says_word(tokens: &TokenStream, word: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(name) => name == word,
        TokenTree::Group(group) => says_word(&group.stream(), word),
        _ => false,
    })
}

fn graph_of_this_crate() -> (Vec<Vec<String>>, Graph) {
    let floors = floors_of_this_crate();
    let graph = imports(&sources(), &floors.iter().flatten().cloned().collect());
    (floors, graph)
}

#[test]
fn lib_rs_tells_the_floors() {
    let floors = floors_of_this_crate();
    let floor_of = |module: &str| {
        let floor = floors.iter().position(|floor| floor.iter().any(|other| other == module));
        floor.unwrap_or_else(|| panic!("{module} is not in src/lib.rs"))
    };
    assert!(["clock", "config", "error", "id", "seal"].iter().all(|module| floor_of(module) == 0));
    assert_eq!(floors[floor_of("store")], ["store"]);
    assert_eq!(floor_of("store"), 1);
    assert!(["access", "audit", "methods", "reset"].iter().all(|module| floor_of(module) == 2));
    assert!(floor_of("api") > 2 && floor_of("server") > floor_of("api"));
}

#[test]
fn nothing_imports_what_stands_above_it() {
    let (floors, graph) = graph_of_this_crate();
    assert!(graph["api"].contains("app") && graph["reset"].contains("store"), "the graph is read: {graph:?}");
    assert_eq!(upward(&graph, &floors), Vec::<String>::new());
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let (_, mut graph) = graph_of_this_crate();
    for (from, to, _) in ACCEPTED_CIRCLES {
        let removed = graph.get_mut(*from).is_some_and(|all| all.remove(*to));
        assert!(removed, "{from} does not import {to} any more; it needs no exception");
    }
    if let Some(circle) = circle(&graph) {
        panic!("a circle of imports: {}", circle.join(" -> "));
    }
}

#[test]
fn sql_stays_in_the_store() {
    for source in sources().iter().filter(|source| source.module[0] != "store") {
        // Ids and moments derive what lets them be columns; nothing else there knows SQL.
        let in_attributes = !["id.rs", "clock.rs"].contains(&source.file.as_str());
        for name in ["diesel", "diesel_migrations"] {
            assert!(!mentions_crate(&source.tokens, name, in_attributes), "{} mentions {name}", source.file);
        }
    }
}

#[test]
fn one_room_tells_the_databases_apart() {
    for source in sources().iter().filter(|source| !source.file.starts_with("store/backend")) {
        for name in ["PgConnection", "SqliteConnection"] {
            assert!(!says_word(&source.tokens, name), "{} mentions {name}", source.file);
        }
        let text = source.tokens.to_string().replace(' ', "");
        for name in ["AnyConnection::Sqlite", "AnyConnection::Postgres"] {
            assert!(!text.contains(name), "{} mentions {name}", source.file);
        }
    }
}

#[test]
fn http_stays_upstairs() {
    // The command line starts the server, so it stands above it.
    let may = ["api", "portal", "server", "cli"];
    for source in sources().iter().filter(|source| !may.contains(&source.module[0].as_str())) {
        for name in ["poem", "poem_openapi"] {
            assert!(!mentions_crate(&source.tokens, name, true), "{} mentions {name}", source.file);
        }
    }
}

#[test]
fn imports_are_found_however_they_are_written() {
    let found = |code: &str, module: &[&str]| {
        let module: Vec<_> = module.iter().map(|name| (*name).to_owned()).collect();
        mentioned_from_root(&code.parse().unwrap(), &module).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(found("use crate::a::B;", &["x"]), ["a"]);
    assert_eq!(found("use crate::{\n  a::{self, B, c::{D, e::*}},\n  f as g,\n h,\n};", &["x"]), ["a", "f", "h"]);
    assert_eq!(found("use {crate::a, std::fmt};", &["x"]), ["a"]);
    assert_eq!(found("fn f() -> crate::a::B { g(|| [crate::b::C; 1]) }", &["x"]), ["a", "b"]);
    assert_eq!(found("macro_rules! m { () => { $crate::a::b!() } }", &["x"]), ["a"]);
    assert_eq!(found("pub(crate) fn f() {}", &["x"]), [""; 0]);
    // `super` of a top-level module is the root; deeper it is not.
    assert_eq!(found("use super::{a, b::C};", &["x"]), ["a", "b"]);
    assert_eq!(found("use super::a;", &["x", "y"]), [""; 0]);
    assert_eq!(found("use super::super::a;", &["x", "y"]), ["a"]);
    assert_eq!(found("mod inner { use super::a; use crate::b; }", &["x"]), ["b"]);
    assert_eq!(found("use crate::*;", &["x"]), ["*"]);
    // Neither comments nor texts nor unit tests are code.
    assert_eq!(found("/// crate::a\n// crate::b\nconst C: &str = \"crate::c\";", &["x"]), [""; 0]);
    assert_eq!(found("mod tests { use crate::a; }", &["x"]), [""; 0]);
}

#[test]
fn breaches_are_found() {
    let floors = floors("// One\npub mod a;\npub mod b;\n// Two\npub mod c;\n");
    assert_eq!(floors, [vec!["a".to_owned(), "b".into()], vec!["c".into()]]);
    let graph = |edges: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*from).into()).or_default().insert((*to).into());
        }
        graph
    };
    assert_eq!(upward(&graph(&[("a", "c"), ("c", "b"), ("a", "b")]), &floors), ["a imports c"]);
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c"), ("c", "b")])).unwrap(), ["b", "c", "b"]);

    let mentions = |code: &str| mentions_crate(&code.parse().unwrap(), "diesel", false);
    assert!(
        mentions("use diesel::prelude::*;")
            && mentions("fn f() { diesel::insert_into(t); }")
            && mentions("use diesel;")
    );
    assert!(!mentions("#[derive(diesel::Queryable)] struct A;") && !mentions("mod tests { use diesel::prelude::*; }"));
    assert!(mentions_crate(&"#[derive(diesel::Queryable)] struct A;".parse().unwrap(), "diesel", true));
}
