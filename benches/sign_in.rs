//! What verifying a code costs: against a request that does nothing, and against the least that anything durable costs
//! on this disk, a transaction of one small row, flushed.
//!
//! `cargo bench --bench sign_in` starts the server in this process on SQLite and prints ratios: absolute numbers belong
//! to a machine, ratios belong to the program. Nothing here fails for being slow.
//!
//! `REKEY_BENCH_REQUESTS` sets how many requests each measurement has, `REKEY_BENCH_CONNECTIONS` the connections of
//! the crowd; `TMPDIR` is where the database is written.

mod load;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "../tests/api/totp.rs"]
mod totp;

use std::time::Instant;

use load::{Connection, setting};
use rekey::{
    clock::Clock,
    error::Result,
    id::{ApplicationId, MethodId, SessionId, TenantId, UserId, stable_guid},
    methods::{MethodKind, new_row, oath::HashFunction, secret_place, software_oath::SoftwareOath},
    sign_in::{Proof, State},
    store::{
        Tx,
        guesses::{self, GuessKind},
        methods,
        sessions::{self, SessionRow, SessionStatus},
        users::{self, Profile, Requirements, User, UserType},
    },
};
use secrecy::ExposeSecret;
use support::{Backend, TestApp};
use totp::Token;

/// RFC 6238's seed for SHA-1, in Base32.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// Users in one transaction of the seeding.
const USERS_PER_WRITE: usize = 2_000;

fn id(what: &str, number: usize) -> String {
    stable_guid(&format!("bench/{what}/{number}"))
}

/// A user with a software token, and a session of his that waits for its code.
fn insert(tx: &mut Tx<'_>, tenant: &TenantId, application: &ApplicationId, number: usize) -> Result<()> {
    let user = User {
        tenant_id: tenant.clone(),
        user_id: UserId::new(id("user", number)),
        user_principal_name: format!("user{number}@contoso.example"),
        display_name: format!("User {number}"),
        given_name: None,
        surname: None,
        mail: None,
        user_type: UserType::Member,
        account_enabled: true,
        profile: Profile::default(),
        created_at: tx.now(),
        deleted_at: None,
        sessions_valid_from: tx.now(),
    };
    users::insert(tx, &user, &Requirements::default())?;
    let detail = SoftwareOath {
        display_name: None,
        hash_function: HashFunction::Sha1,
        digits: 6,
        time_interval_in_seconds: 30,
        wrong_codes: 0,
    };
    let method = MethodId::new(id("method", number));
    let mut row = new_row(tx, tenant, &user.user_id, MethodKind::SoftwareOath, method, &detail)?;
    row.sealed_secret = Some(tx.seal(&secret_place(&row), b"12345678901234567890")?);
    methods::insert(tx, &row)?;
    let state = State { proofs: vec![Proof::by_password(tx.now())], ..State::default() };
    let session = SessionRow {
        tenant_id: tenant.clone(),
        session_id: SessionId::new(id("session", number)),
        application_id: application.clone(),
        user_id: Some(user.user_id),
        status: SessionStatus::MfaRequired,
        state: serde_json::to_string(&state).expect("JSON"),
        created_at: tx.now(),
        expires_at: tx.now().plus_minutes(60),
        completed_at: None,
    };
    sessions::insert(tx, &session)
}

async fn seed(app: &TestApp, application: &ApplicationId, users: usize) {
    for first in (0..users).step_by(USERS_PER_WRITE) {
        let (tenant, application, last) = (app.tenant.clone(), application.clone(), users.min(first + USERS_PER_WRITE));
        let write = app.app.store.write(&app.tenant, move |tx| {
            (first..last).try_for_each(|number| insert(tx, &tenant, &application, number))
        });
        write.await.expect("the users are written");
    }
}

/// Seconds of a request over so many connections, each asking again as soon as it was answered.
async fn measure(
    address: &str,
    connections: usize,
    count: usize,
    expected: u16,
    request: impl Fn(usize) -> Vec<u8> + Clone + Send + 'static,
) -> f64 {
    let mut opened = vec![];
    for _ in 0..connections {
        opened.push(Connection::open(address).await);
    }
    let begin = Instant::now();
    let clients = opened.into_iter().enumerate().map(|(first, mut connection)| {
        let request = request.clone();
        tokio::spawn(async move {
            for number in (first..count).step_by(connections) {
                let status = connection.ask(&request(number)).await;
                assert_eq!(status, expected, "{}", String::from_utf8_lossy(&connection.buffer));
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("a client works");
    }
    begin.elapsed().as_secs_f64() / count as f64
}

/// Seconds of a transaction that writes one small row, one after the other: what `synchronous=FULL` costs here.
async fn measure_commits(app: &TestApp, count: usize) -> f64 {
    let begin = Instant::now();
    for number in 0..count {
        let tenant = app.tenant.clone();
        let write =
            move |tx: &mut Tx<'_>| guesses::add(tx, &tenant, &format!("commit {number}"), GuessKind::Push).map(drop);
        app.app.store.write(&app.tenant, write).await.expect("the row is written");
    }
    begin.elapsed().as_secs_f64() / count as f64
}

#[tokio::main]
async fn main() {
    let count: usize = setting("REKEY_BENCH_REQUESTS", 1_000);
    let crowd: usize = setting("REKEY_BENCH_CONNECTIONS", 32);
    let app = TestApp::start(Backend::Sqlite).await;
    let (application, _, secret) = app.new_application(&app.tenant, &["SignIn.Verify.All"]).await;
    let token = app.token_of(&app.tenant, application.as_str(), secret.expose_secret()).await;
    // Each measurement has users of its own: a right code is good once, and wrong ones make users wait.
    seed(&app, &application, 4 * count).await;

    let address = app.base.trim_start_matches("http://").to_owned();
    let nothing = |_| b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n".to_vec();
    let verify = |first: usize, is_right: bool| {
        let (bearer, wrong) = (token.clone(), Token::hardware(SECRET).wrong_code());
        move |number: usize| {
            let number = first + number;
            let now = Clock::System.now().seconds().try_into().expect("a time after 1970");
            let code = if is_right { Token::hardware(SECRET).code_at(now) } else { wrong.clone() };
            let body = format!(r#"{{"methodId":"{}","verificationCode":"{code}"}}"#, id("method", number));
            let path = format!("/v1.0/signInSessions/{}/verify", id("session", number));
            format!(
                "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {bearer}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        }
    };
    // Caches warm up.
    measure(&address, crowd, 10 * count, 200, nothing).await;
    let commit = measure_commits(&app, count).await;
    println!("\none durable commit, alone: {:.0} a second", 1.0 / commit);
    for (round, connections) in [1, crowd].into_iter().enumerate() {
        let empty = measure(&address, connections, 10 * count, 200, nothing).await;
        println!("\nover {connections} connections (requests per second)");
        println!("  GET /healthz      {:>9.0}", 1.0 / empty);
        for (place, (what, is_right, status)) in
            [("a wrong code", false, 400), ("a right code", true, 200)].into_iter().enumerate()
        {
            let first = (2 * round + place) * count;
            let cost = measure(&address, connections, count, status, verify(first, is_right)).await;
            println!(
                "  {what:<16}  {:>9.0}   costs {:.1} times the empty request, {:.2} times the durable commit",
                1.0 / cost,
                cost / empty,
                cost / commit
            );
        }
    }
}
