//! What the last pages of a long list of users cost against the first ones.
//!
//! `cargo bench --bench paging` starts the server in this process on SQLite with 100,000 users and walks them to the end
//! by id, by name, through filters, changes and the report of registrations, and prints for each the median time of a page in the last tenth against one in
//! the first tenth, in the same run. Nothing here fails for being slow.
//!
//! `REKEY_BENCH_USERS` sets the size, `REKEY_BENCH_BACKEND=postgres` takes PostgreSQL; `TMPDIR` is where the database is
//! written.

mod load;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use load::setting;
use rekey::{
    id::{UserId, stable_guid},
    store::users::{self, Requirements, User},
};
use serde_json::Value;
use support::{Backend, TestApp, seed::member};

/// Users in one transaction of the seeding.
const USERS_PER_WRITE: usize = 5_000;

async fn seed(app: &TestApp, count: usize) {
    for first in (0..count).step_by(USERS_PER_WRITE) {
        let (tenant, last) = (app.tenant.clone(), count.min(first + USERS_PER_WRITE));
        let write = app.app.store.write(&app.tenant, move |tx| {
            (first..last).try_for_each(|number| {
                let id = UserId::new(stable_guid(&format!("bench/{number}")));
                // Names in no order; every fourth is like the others, and all have the same surname.
                let name = if number % 4 == 0 { "Test".into() } else { stable_guid(&format!("name/{number}")) };
                let principal = format!("user{number}@contoso.example");
                let user =
                    User { surname: Some("Smith".into()), ..member(&tenant, id, principal, format!("User {name}")) };
                users::insert(tx, &user, &Requirements::default())
            })
        });
        write.await.expect("the users are written");
    }
}

/// How long each page took, in milliseconds, and how many users there were.
async fn walk(app: &TestApp, query: &str) -> (Vec<f64>, usize) {
    let mut url = format!("{}/v1.0/{query}", app.base);
    let (mut times, mut users) = (vec![], 0);
    loop {
        let begin = Instant::now();
        let answer = app.http.get(&url).bearer_auth(&app.token).send().await.expect("the server answers");
        let text = answer.text().await.expect("a whole answer");
        times.push(begin.elapsed().as_secs_f64() * 1_000.0);
        let page: Value = serde_json::from_str(&text).expect("JSON");
        users += page["value"].as_array().expect("a page").len();
        match page["@odata.nextLink"].as_str() {
            Some(next) => url = next.to_owned(),
            None => return (times, users),
        }
    }
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let backend = match setting("REKEY_BENCH_BACKEND", "sqlite".to_owned()).as_str() {
        "postgres" => Backend::Postgres,
        _ => Backend::Sqlite,
    };
    let app = TestApp::start(backend).await;
    let users = setting("REKEY_BENCH_USERS", 100_000usize);
    let begin = Instant::now();
    seed(&app, users).await;
    println!("{users} users on {backend:?}, written in {:.1} s", begin.elapsed().as_secs_f64());
    for query in [
        "users?$top=100",
        "users?$top=999",
        "users?$top=7",
        "users?$top=100&$orderby=displayName",
        "users?$top=100&$orderby=userPrincipalName%20desc",
        "users?$top=100&$filter=startsWith(displayName,'User')",
        "users?$top=100&$filter=startsWith(displayName,'User')&$orderby=displayName%20desc",
        "users?$top=100&$filter=surname%20eq%20'Smith'",
        "users?$top=100&$search=%22displayName:user%22",
        "users?$top=100&$filter=accountEnabled%20eq%20true",
        "users?$top=100&$filter=accountEnabled%20eq%20false",
        "users/delta",
        "reports/authenticationMethods/userRegistrationDetails?$top=100",
        "reports/authenticationMethods/userRegistrationDetails?$top=100&$filter=startsWith(userDisplayName,'User')",
    ] {
        let (times, found) = walk(&app, query).await;
        let tenth = (times.len() / 10).max(1);
        let (first, last) = (median(&times[..tenth]), median(&times[times.len() - tenth..]));
        println!(
            "{query:<90} {:>6} pages, {found:>6} users: {first:>6.2} ms first, {last:>6.2} ms last, {:.2} times",
            times.len(),
            last / first
        );
    }
}
