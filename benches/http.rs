//! What a request costs against one that does nothing, and what a bigger directory costs against a small one.
//!
//! `cargo bench --bench http` starts the server in this process on SQLite, once per size, and prints ratios: absolute
//! numbers belong to a machine, ratios belong to the program. Nothing here fails for being slow.
//!
//! `REKEY_BENCH_METHODS=10000,1000000` sets the sizes, `REKEY_BENCH_SECONDS` the length of each measurement and
//! `REKEY_BENCH_CONNECTIONS` the connections; `TMPDIR` is where the databases are written.

mod load;
#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use load::{Connection, setting};
use rekey::{
    error::Result,
    id::{MethodId, TenantId, UserId, stable_guid},
    methods::{
        MethodKind,
        email::{self, Email},
        new_row,
        phone::{Phone, PhoneType},
    },
    store::{
        Tx, methods,
        users::{self, Requirements},
    },
};
use support::{Backend, TestApp, seed::member};

/// Methods of each user.
const METHODS_PER_USER: usize = 4;
/// Users in one transaction of the seeding.
const USERS_PER_WRITE: usize = 5_000;

fn user_id(number: usize) -> UserId {
    UserId::new(stable_guid(&format!("bench/{number}")))
}

fn principal_name(number: usize) -> String {
    format!("user{number}@contoso.example")
}

fn insert_user(tx: &mut Tx<'_>, tenant: &TenantId, number: usize) -> Result<()> {
    let user = member(tenant, user_id(number), principal_name(number), format!("User {number}"));
    users::insert(tx, &user, &Requirements::default())?;
    let id = user.user_id;
    for phone_type in PhoneType::ALL {
        let phone = Phone {
            phone_number: format!("+1 206555{:04}", number % 10_000),
            phone_type: *phone_type,
            is_verified: true,
        };
        let row = new_row(tx, tenant, &id, MethodKind::Phone, MethodId::new(phone_type.method_id()), &phone)?;
        methods::insert(tx, &row)?;
    }
    let email = Email { email_address: format!("user{number}@mail.example"), is_verified: true };
    let row = new_row(tx, tenant, &id, MethodKind::Email, MethodId::new(email::ID), &email)?;
    methods::insert(tx, &row)
}

async fn seed(app: &TestApp, users: usize) {
    for first in (0..users).step_by(USERS_PER_WRITE) {
        let (tenant, last) = (app.tenant.clone(), users.min(first + USERS_PER_WRITE));
        let write = app
            .app
            .store
            .write(&app.tenant, move |tx| (first..last).try_for_each(|number| insert_user(tx, &tenant, number)));
        write.await.expect("the users are written");
    }
}

/// What is asked, for the n-th request of all.
type Request = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// Answers per second over all connections, each asking again as soon as it was answered.
async fn measure(address: &str, expected: u16, request: Request) -> f64 {
    let (count, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let connections: Vec<_> = (0..setting("REKEY_BENCH_CONNECTIONS", 32u64))
        .map(|_| {
            let (address, request) = (address.to_owned(), request.clone());
            let (count, stop) = (count.clone(), stop.clone());
            tokio::spawn(async move {
                let mut connection = Connection::open(&address).await;
                while !stop.load(Ordering::Relaxed) {
                    let request = request(count.fetch_add(1, Ordering::Relaxed));
                    let status = connection.ask(&request).await;
                    assert_eq!(status, expected, "{}", String::from_utf8_lossy(&connection.buffer));
                }
            })
        })
        .collect();
    let length = Duration::from_secs_f64(setting("REKEY_BENCH_SECONDS", 5.0));
    // Caches warm up, connections open.
    tokio::time::sleep(length / 4).await;
    let (before, begin) = (count.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(length).await;
    let rate = (count.load(Ordering::Relaxed) - before) as f64 / begin.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for connection in connections {
        connection.await.expect("a client works");
    }
    rate
}

struct Rates {
    methods: usize,
    nothing: f64,
    list: f64,
    reset: f64,
}

async fn run(methods: usize) -> Rates {
    let users = methods / METHODS_PER_USER;
    let app = TestApp::start(Backend::Sqlite).await;
    let begin = Instant::now();
    seed(&app, users).await;
    eprintln!("{methods} methods of {users} users written in {:.1} s", begin.elapsed().as_secs_f64());

    let address = app.base.trim_start_matches("http://").to_owned();
    let request = |method: &'static str, path: fn(usize) -> String| -> Request {
        let token = app.token.clone();
        Arc::new(move |number| {
            // Every user in turn, in an order that has nothing to do with where the rows lie.
            let user = (number as usize).wrapping_mul(7_919) % users;
            let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
            let path = path(user);
            format!("{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n{length}\r\n").into()
        })
    };
    let nothing = request("GET", |_| "/healthz".into());
    let list = request("GET", |user| format!("/v1.0/users/{}/authentication/methods", user_id(user)));
    let reset = request("POST", |user| format!("/v1.0/users/{}/authentication/resetMfa", user_id(user)));
    Rates {
        methods,
        nothing: measure(&address, 200, nothing).await,
        list: measure(&address, 200, list).await,
        reset: measure(&address, 200, reset).await,
    }
}

#[tokio::main]
async fn main() {
    let sizes: String = setting("REKEY_BENCH_METHODS", "10000,1000000".into());
    let mut all = vec![];
    for size in sizes.split(',') {
        let rates = run(size.trim().parse().expect("a number of methods")).await;
        println!("\nwith {} methods (requests per second)", rates.methods);
        println!("  GET  /healthz                                {:>9.0}", rates.nothing);
        let line = |what: &str, rate: f64| {
            println!("  {what:<44} {rate:>9.0}   costs {:.2} times the empty request", rates.nothing / rate);
        };
        line("GET  /users/{id}/authentication/methods", rates.list);
        line("POST /users/{id}/authentication/resetMfa", rates.reset);
        all.push(rates);
    }
    if let [small, .., big] = all.as_slice() {
        println!("\n{} methods against {}", big.methods, small.methods);
        // Each against the empty request of the same run, so that the machine's mood cancels out.
        let against = |cost: fn(&Rates) -> f64| cost(big) / cost(small);
        println!("  a list of methods costs {:.2} times as much", against(|rates| rates.nothing / rates.list));
        println!("  a reset costs {:.2} times as much", against(|rates| rates.nothing / rates.reset));
    }
}
