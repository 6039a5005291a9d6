//! What a batch costs against the same requests one by one.
//!
//! `cargo bench --bench batch` starts the server in this process on SQLite and asks, over one kept connection, for the
//! methods of twenty users: twenty requests, then one batch of twenty, in turn. It prints the medians of the rounds and
//! their ratio: absolute numbers belong to a machine, the ratio belongs to the program. Nothing here fails for being slow.
//!
//! `REKEY_BENCH_ROUNDS=200` sets the rounds.

mod load;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use load::{Connection, setting};
use serde_json::{Value, json};
use support::{Backend, TestApp, seed};

const ITEMS: usize = 20;

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

#[tokio::main]
async fn main() {
    let app = TestApp::start(Backend::Sqlite).await;
    let mut urls = vec![];
    for number in 0..ITEMS {
        let user = seed::user(&app, &format!("user{number}")).await;
        urls.push(format!("/users/{}/authentication/methods", user.user_id));
    }
    let head = |method: &str, path: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n", app.token)
    };
    let single: Vec<Vec<u8>> =
        urls.iter().map(|url| format!("{}\r\n", head("GET", &format!("/v1.0{url}"))).into_bytes()).collect();
    let items: Vec<Value> =
        urls.iter().enumerate().map(|(id, url)| json!({"id": id.to_string(), "method": "GET", "url": url})).collect();
    let body = json!({"requests": items}).to_string();
    let batch = format!(
        "{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        head("POST", "/v1.0/$batch"),
        body.len()
    );

    let mut connection = Connection::open(app.base.trim_start_matches("http://")).await;
    let (mut one_by_one, mut together) = (vec![], vec![]);
    for round in 0..setting("REKEY_BENCH_ROUNDS", 200usize) + 10 {
        let begin = Instant::now();
        for request in &single {
            assert_eq!(connection.ask(request).await, 200);
        }
        let middle = Instant::now();
        assert_eq!(connection.ask(batch.as_bytes()).await, 200);
        let end = Instant::now();
        // The first rounds warm caches up.
        if round >= 10 {
            one_by_one.push(middle - begin);
            together.push(end - middle);
        }
    }
    let text = String::from_utf8_lossy(&connection.buffer);
    assert_eq!(text.matches("\"status\":200").count(), ITEMS, "{text}");
    let (one_by_one, together) = (median(one_by_one), median(together));
    println!("{ITEMS} requests one by one  {one_by_one:>10.2?}");
    println!("one batch of {ITEMS}        {together:>10.2?}");
    println!("a batch takes {:.2} of the time", together.as_secs_f64() / one_by_one.as_secs_f64());
}
