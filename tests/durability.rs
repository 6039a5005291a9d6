//! What was acknowledged is there, what is there was recorded, and the record is whole: under many clients at once,
//! and when the server is killed in the middle.
//!
//! The oracle is the audit log. Every request carries a `client-request-id` of its own, which the log keeps as the
//! event's correlation id; replaying the log in order must lead to exactly the methods that are stored.
//!
//! `REKEY_STORM_SECONDS` sets how long each storm blows.

#[path = "support/mod.rs"]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rekey::{
    audit::Activity,
    clock::Entropy,
    methods::{email, phone::PhoneType},
};
use reqwest::Method;
use serde_json::{Value, json};
use support::{
    Backend,
    process::{Installation, Server},
};

const CLIENTS: u64 = 32;
const USERS: usize = 10;
const DOMAIN: &str = "contoso.example";
/// Times that a storm's servers are killed, at least.
const KILLS: u32 = 4;
/// After this long without an answer a server is taken for dead.
const PATIENCE: Duration = Duration::from_secs(300);
/// Storms blow one after the other; together they would only wait for each other's turn on the processor.
static ONE_STORM: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn storm_length() -> Duration {
    let seconds = std::env::var("REKEY_STORM_SECONDS").map_or(10.0, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs_f64(seconds)
}

fn principal_name(user: usize) -> String {
    format!("user{user}@{DOMAIN}")
}

/// A tenant with users and an application, made by the command line.
struct World {
    installation: Installation,
    tenant: String,
    client_id: String,
    client_secret: String,
}

impl World {
    fn new(backend: Backend) -> Self {
        let installation = Installation::new(backend);
        let text =
            |value: &Value, key: &str| value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}")).to_owned();
        let made = installation.run(&["tenant", "create", "--name", "Contoso", "--domain", DOMAIN]);
        let tenant = text(&made, "tenantId");
        let mut arguments = vec!["app", "create", "--tenant", &tenant, "--name", "Storm"];
        for permission in
            ["User.Read.All", "UserAuthenticationMethod.ReadWrite.All", "MfaReset.ReadWrite.All", "AuditLog.Read.All"]
        {
            arguments.extend(["--permission", permission]);
        }
        let made = installation.run(&arguments);
        let (client_id, client_secret) = (text(&made, "clientId"), text(&made, "clientSecret"));
        let file = installation.path().join("users.csv");
        let rows: String = (0..USERS).map(|user| format!("{},User {user}\n", principal_name(user))).collect();
        std::fs::write(&file, format!("userPrincipalName,displayName\n{rows}")).unwrap();
        installation.run(&["user", "import", "--tenant", &tenant, file.to_str().unwrap()]);
        Self { installation, tenant, client_id, client_secret }
    }

    async fn token(&self, base: &str) -> String {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=https%3A%2F%2Frekey%2F.default",
            self.client_id, self.client_secret
        );
        let request = reqwest::Client::new()
            .post(format!("{base}/{}/oauth2/v2.0/token", self.tenant))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer = support::Answer::of(request).await.expect(200);
        answer.json["access_token"].as_str().expect("an access token").to_owned()
    }
}

/// What one client asked for, and what it was told.
#[derive(Debug, Clone)]
struct Request {
    /// The activity that a success is recorded as.
    activity: &'static str,
    user: usize,
    /// `None`: the connection broke, so nobody knows.
    status: Option<u16>,
    text: String,
}

/// What all clients of a storm share.
#[derive(Default)]
struct Sea {
    /// All that was asked, by `client-request-id`.
    requests: Mutex<HashMap<String, Request>>,
    acknowledged: AtomicU64,
    calm: AtomicBool,
}

fn any_request(random: [u8; 8], user: usize) -> (Method, String, Value, &'static str) {
    let authentication = format!("/v1.0/users/{}/authentication", principal_name(user));
    let number = u32::from_be_bytes([0, random[2], random[3], random[4]]) % 10_000;
    let phone_type = PhoneType::ALL[usize::from(random[1]) % PhoneType::ALL.len()];
    let (register, delete) = (Activity::REGISTER_METHOD.display_name, Activity::DELETE_METHOD.display_name);
    let post = |path: &str, body, activity| (Method::POST, format!("{authentication}/{path}"), body, activity);
    match random[0] % 16 {
        0..4 => post("resetMfa", json!({"reason": "storm"}), Activity::RESET_MFA.display_name),
        4..8 => {
            let number = format!("+1 206555{number:04}");
            post("phoneMethods", json!({"phoneNumber": number, "phoneType": phone_type.as_str()}), register)
        }
        8..11 => post("emailMethods", json!({"emailAddress": format!("u{number}@mail.example")}), register),
        11..14 => post("softwareOathMethods", json!({"displayName": "Storm"}), register),
        14 => {
            (Method::DELETE, format!("{authentication}/phoneMethods/{}", phone_type.method_id()), Value::Null, delete)
        }
        _ => (Method::DELETE, format!("{authentication}/emailMethods/{}", email::ID), Value::Null, delete),
    }
}

/// One client: asks without a pause until told to stop, of any of the servers.
async fn client(seed: u64, bases: Vec<String>, token: String, sea: Arc<Sea>) {
    let (entropy, http) = (Entropy::seeded(seed), reqwest::Client::new());
    while !sea.calm.load(Ordering::Relaxed) {
        let random = entropy.bytes::<8>();
        let user = usize::from(random[5]) % USERS;
        let (method, path, body, activity) = any_request(random, user);
        let id = entropy.guid();
        let request = Request { activity, user, status: None, text: String::new() };
        sea.requests.lock().unwrap().insert(id.clone(), request);
        let base = &bases[usize::from(random[6]) % bases.len()];
        let mut call =
            http.request(method, format!("{base}{path}")).bearer_auth(&token).header("client-request-id", &id);
        if !body.is_null() {
            call = call.json(&body);
        }
        let answer = async {
            let answer = call.send().await?;
            let status = answer.status().as_u16();
            // An answer counts when it has arrived as a whole.
            Ok::<_, reqwest::Error>((status, answer.text().await?))
        };
        match answer.await {
            Ok((status, text)) => {
                let mut requests = sea.requests.lock().unwrap();
                let request = requests.get_mut(&id).unwrap();
                (request.status, request.text) = (Some(status), text);
                sea.acknowledged.fetch_add(u64::from(status < 300), Ordering::Relaxed);
            }
            // The server is being killed or started.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Lets all clients loose, killing the servers in turn if told to, and returns what was asked.
async fn storm(world: &World, servers: &mut [Server], kill: bool) -> HashMap<String, Request> {
    let token = world.token(&servers[0].base).await;
    let sea = Arc::new(Sea::default());
    let bases: Vec<String> = servers.iter().map(|server| server.base.clone()).collect();
    let clients: Vec<_> =
        (0..CLIENTS).map(|seed| tokio::spawn(client(seed, bases.clone(), token.clone(), sea.clone()))).collect();
    let (begin, length) = (Instant::now(), storm_length());
    if kill {
        let mut kills = 0;
        while kills < KILLS || begin.elapsed() < length {
            let before = sea.acknowledged.load(Ordering::Relaxed);
            tokio::time::sleep(length / (KILLS + 1)).await;
            // Each life of a server must have something to lose, however slow the machine is.
            while sea.acknowledged.load(Ordering::Relaxed) < before + CLIENTS {
                assert!(begin.elapsed() < PATIENCE, "nothing is acknowledged any more:\n{}", servers[0].log());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let server = &mut servers[kills as usize % bases.len()];
            server.kill();
            server.restart(&world.installation).await;
            kills += 1;
        }
    } else {
        tokio::time::sleep(length).await;
    }
    sea.calm.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    std::mem::take(&mut *sea.requests.lock().unwrap())
}

/// Follows `@odata.nextLink` to the end. The links name the public URL, which is another replica's.
async fn all_pages(base: &str, token: &str, path: &str) -> Vec<Value> {
    let http = reqwest::Client::new();
    let (mut items, mut next) = (vec![], Some(format!("{base}{path}")));
    while let Some(address) = next {
        let answer = support::Answer::of(http.get(&address).bearer_auth(token)).await.expect(200);
        items.extend(answer.json["value"].as_array().expect("a page").iter().cloned());
        next = answer.json["@odata.nextLink"].as_str().map(|link| {
            let at = link.find("/v1.0").expect("links keep the version");
            format!("{base}{}", &link[at..])
        });
    }
    items
}

/// The value of an event's additional detail.
fn detail<'a>(event: &'a Value, key: &str) -> Option<&'a str> {
    let details = event["additionalDetails"].as_array()?;
    details.iter().find(|detail| detail["key"] == key)?["value"].as_str()
}

/// The methods of each user that the log's successes, oldest first, add up to.
fn replay(events: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["result"] == "success") {
        let activity = event["activityDisplayName"].as_str().unwrap();
        let user = event["targetResources"][0]["userPrincipalName"].as_str().unwrap_or_default().to_owned();
        let methods = users.entry(user).or_default();
        let id = || detail(event, "methodId").unwrap_or_else(|| panic!("no methodId in {event}")).to_owned();
        if activity == Activity::REGISTER_METHOD.display_name {
            assert!(methods.insert(id()), "registered twice: {event}");
        } else if activity == Activity::DELETE_METHOD.display_name {
            assert!(methods.remove(&id()), "deleted what was not there: {event}");
        } else if activity == Activity::RESET_MFA.display_name {
            let deleted: Vec<Value> =
                serde_json::from_str(detail(event, "deletedMethods").expect("what was deleted")).unwrap();
            for method in deleted {
                assert!(methods.remove(method["id"].as_str().unwrap()), "reset what was not there: {event}");
            }
        }
    }
    users
}

/// The methods of a user as the API lists them, without the password, unfinished software tokens included.
async fn visible(base: &str, token: &str, user: usize) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for kind in ["phoneMethods", "emailMethods", "softwareOathMethods"] {
        let path = format!("/v1.0/users/{}/authentication/{kind}", principal_name(user));
        let page = all_pages(base, token, &path).await;
        ids.extend(page.iter().map(|method| method["id"].as_str().unwrap().to_owned()));
    }
    ids
}

/// Holds every answer of the storm against the audit log, and the log against the methods.
async fn check(world: &World, base: &str, requests: HashMap<String, Request>) {
    let token = world.token(base).await;
    let mut events = all_pages(base, &token, "/v1.0/auditLogs/directoryAudits?$top=999").await;
    // Newest first, as Graph lists them.
    events.reverse();

    let mut recorded: HashMap<&str, &Value> = HashMap::new();
    for event in events.iter().filter(|event| event["result"] == "success") {
        let before = recorded.insert(event["correlationId"].as_str().unwrap(), event);
        assert!(before.is_none_or(|before| !requests.contains_key(before["correlationId"].as_str().unwrap())));
    }
    let (mut acknowledged, mut unknown) = (0, 0);
    for (id, request) in &requests {
        let event = recorded.get(id.as_str());
        match request.status {
            Some(200..=299) => {
                acknowledged += 1;
                let event = event.unwrap_or_else(|| panic!("acknowledged and lost: {id} {request:?}"));
                assert_eq!(event["activityDisplayName"], request.activity);
                assert_eq!(event["targetResources"][0]["userPrincipalName"], principal_name(request.user));
            }
            Some(400 | 404 | 409) => assert!(event.is_none(), "refused and done: {request:?}"),
            Some(_) => panic!("neither a success nor a clear refusal: {request:?}"),
            // Nobody was told: done with its record, or not done.
            None => unknown += 1,
        }
    }
    println!("{} requests, {acknowledged} acknowledged, {unknown} cut off", requests.len());
    assert!(acknowledged > 0, "the storm did something");

    let replayed = replay(&events);
    for user in 0..USERS {
        let expected = replayed.get(&principal_name(user)).cloned().unwrap_or_default();
        assert_eq!(visible(base, &token, user).await, expected, "the methods of user {user} are what the log says");
    }
    world.installation.run(&["audit", "verify"]);
}

async fn survive(backend: Backend, replicas: usize, kill: bool) {
    let _alone = ONE_STORM.lock().await;
    let world = World::new(backend);
    let mut servers = vec![Server::start(&world.installation, None).await];
    while servers.len() < replicas {
        let public_url = servers[0].base.clone();
        servers.push(Server::start(&world.installation, Some(&public_url)).await);
    }
    let requests = storm(&world, &mut servers, kill).await;
    assert!(kill || requests.values().all(|request| request.status.is_some()), "no connection broke by itself");
    // What counts is what a fresh process finds.
    if kill {
        for server in &mut servers {
            server.kill();
            server.restart(&world.installation).await;
        }
    }
    check(&world, &servers.last().unwrap().base, requests).await;
    drop(servers);
    world.installation.run(&["audit", "verify"]);
}

#[tokio::test]
async fn many_clients_on_sqlite() {
    survive(Backend::Sqlite, 1, false).await;
}

#[tokio::test]
async fn killed_in_the_middle_on_sqlite() {
    survive(Backend::Sqlite, 1, true).await;
}

#[tokio::test]
async fn many_clients_on_two_replicas_over_postgres() {
    if support::backends().contains(&Backend::Postgres) {
        survive(Backend::Postgres, 2, false).await;
    }
}

#[tokio::test]
async fn replicas_killed_in_the_middle_over_postgres() {
    if support::backends().contains(&Backend::Postgres) {
        survive(Backend::Postgres, 2, true).await;
    }
}
