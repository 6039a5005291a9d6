//! How fast many users of many customers are reset, what that costs in memory, and what it leaves to everybody else.
//!
//! `cargo bench --bench mfa_resets` starts the server in this process on SQLite with 100,000 users of 50 customers,
//! previews and runs one reset of all of them, and prints users per second, the growth of the process's memory, and how
//! long a list takes meanwhile beside how long it takes on an idle server. Nothing here fails for being slow.
//!
//! `REKEY_BENCH_USERS` and `REKEY_BENCH_CUSTOMERS` set the size; `REKEY_BENCH_BACKEND=postgres` takes PostgreSQL;
//! `TMPDIR` is where the database is written.

mod load;
#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use load::{Connection, setting};
use rekey::{
    access::Caller,
    error::Result,
    id::{MethodId, TenantId, UserId, stable_guid},
    methods::{
        MethodKind,
        email::{self, Email},
        new_row,
        phone::{Phone, PhoneType},
    },
    mfa_resets::{
        self, MfaReset, Plan,
        targets::{self, Selection},
        work::{self, Pace},
    },
    store::{
        Tx, methods,
        mfa_resets::MfaResetStatus,
        users::{self, Requirements},
    },
};
use support::{Backend, TestApp, seed::member};

/// Users in one transaction of the seeding.
const USERS_PER_WRITE: usize = 5_000;

fn insert_user(tx: &mut Tx<'_>, tenant: &TenantId, number: usize) -> Result<()> {
    let (id, name) =
        (UserId::new(stable_guid(&format!("bench/{tenant}/{number}"))), format!("user{number}@{tenant}.example"));
    let user = member(tenant, id, name, format!("User {number}"));
    users::insert(tx, &user, &Requirements::default())?;
    for phone_type in [PhoneType::Mobile, PhoneType::Office] {
        let phone = Phone { phone_number: format!("+1 206555{:04}", number % 10_000), phone_type, is_verified: true };
        let id = MethodId::new(phone_type.method_id());
        methods::insert(tx, &new_row(tx, tenant, &user.user_id, MethodKind::Phone, id, &phone)?)?;
    }
    let email = Email { email_address: format!("user{number}@mail.example"), is_verified: true };
    let row = new_row(tx, tenant, &user.user_id, MethodKind::Email, MethodId::new(email::ID), &email)?;
    methods::insert(tx, &row)
}

async fn seed(app: &TestApp, tenant: &TenantId, users: usize) {
    for first in (0..users).step_by(USERS_PER_WRITE) {
        let (of, last) = (tenant.clone(), users.min(first + USERS_PER_WRITE));
        let write = move |tx: &mut Tx<'_>| (first..last).try_for_each(|number| insert_user(tx, &of, number));
        app.app.store.write(tenant, write).await.expect("the users are written");
    }
}

/// A line of /proc/self/status, in KiB; 0 where the system does not tell.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or_default()
}

/// Asks for a list every ten milliseconds until told to stop; how long each took, in milliseconds, sorted.
async fn watch(address: String, token: String, stop: Arc<AtomicBool>) -> Vec<f64> {
    let mut connection = Connection::open(&address).await;
    let request = format!("GET /v1.0/users?$top=20 HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut all = vec![];
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        assert_eq!(connection.ask(request.as_bytes()).await, 200);
        all.push(begin.elapsed().as_secs_f64() * 1_000.0);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    all.sort_by(f64::total_cmp);
    all
}

fn p99(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default()
}

async fn watched<T>(app: &TestApp, work: impl Future<Output = T>) -> (T, f64) {
    let stop = Arc::new(AtomicBool::new(false));
    let address = app.base.trim_start_matches("http://").to_owned();
    let watcher = tokio::spawn(watch(address, app.token.clone(), stop.clone()));
    let done = work.await;
    stop.store(true, Ordering::Relaxed);
    (done, p99(&watcher.await.expect("the watcher works")))
}

async fn wait_for(app: &TestApp, caller: &Caller, id: &str, over: impl Fn(&MfaReset) -> bool) -> MfaReset {
    loop {
        let (caller, id) = (caller.clone(), id.to_owned());
        let now = app.app.store.read(move |tx| mfa_resets::find(tx, &caller, &id)).await.expect("the reset is there");
        if over(&now) {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::main]
async fn main() {
    let (users, customers) = (setting("REKEY_BENCH_USERS", 100_000usize), setting("REKEY_BENCH_CUSTOMERS", 50usize));
    let backend = match setting("REKEY_BENCH_BACKEND", "sqlite".to_owned()).as_str() {
        "postgres" => Backend::Postgres,
        _ => Backend::Sqlite,
    };
    let app = TestApp::start(backend).await;
    let mut tenants = vec![];
    for number in 0..customers {
        let tenant = app.new_tenant(&format!("customer{number}.example")).await;
        seed(&app, &tenant, users / customers).await;
        tenants.push(tenant);
    }
    println!("{users} users of {customers} customers on {backend:?}");
    for _ in 0..2 {
        tokio::spawn(work::run(app.app.store.clone(), Pace::default(), Duration::ZERO));
    }
    let (_, idle) = watched(&app, tokio::time::sleep(Duration::from_secs(5))).await;
    let before = memory("VmRSS:");

    let caller = Caller::operator(app.tenant.clone(), "bench".into());
    let begin = Instant::now();
    let (creator, asked) = (caller.clone(), tenants.clone());
    let create = move |tx: &mut Tx<'_>| {
        let id = targets::open(tx, &creator, &Plan { revoke_sign_in_sessions: true, ..Plan::default() })?;
        let selection = |tenant: &TenantId| Selection { tenant: Some(tenant.to_string()), filter: None };
        targets::select(tx, &creator, &id, &asked.iter().map(selection).collect::<Vec<_>>())?;
        targets::complete(tx, &creator, &id)
    };
    let reset = app.app.store.write(&app.tenant, create).await.expect("the reset is created");
    let id = reset.id.to_string();
    let previewed = wait_for(&app, &caller, &id, |now| now.status == MfaResetStatus::AwaitingConfirmation).await;
    let seconds = begin.elapsed().as_secs_f64();
    let found = previewed.counts.pending;
    println!("previewed {found} users in {seconds:.1} s: {:.0} a second", found as f64 / seconds);

    let (confirmer, version, of) = (caller.clone(), previewed.version, id.clone());
    let confirm = move |tx: &mut Tx<'_>| mfa_resets::confirm(tx, &confirmer, &of, Some(version));
    let begin = Instant::now();
    app.app.store.write(&app.tenant, confirm).await.expect("the reset is confirmed");
    let (done, busy) = watched(&app, wait_for(&app, &caller, &id, MfaReset::is_over)).await;
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{}: {} users in {seconds:.1} s: {:.0} a second",
        done.status,
        done.counts.done,
        done.counts.done as f64 / seconds
    );
    println!("a list at p99: {busy:.1} ms meanwhile, {idle:.1} ms idle: {:.1} times", busy / idle);
    println!("memory: {before} KiB before, {} KiB after, {} KiB at most", memory("VmRSS:"), memory("VmHWM:"));
}
