//! The same valid answer, sent sixteen times at once: accepted exactly once, every time. Real server processes: one over
//! SQLite, two over one PostgreSQL.
//!
//! `REKEY_RACE_ROUNDS` sets how often each race is run.

#[path = "support/mod.rs"]
mod support;
#[path = "api/totp.rs"]
mod totp;
#[path = "api/virtual_passkey.rs"]
mod virtual_passkey;

use std::{pin::Pin, sync::Arc, time::Duration};

use rekey::clock::Clock;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use support::{
    Answer, Backend,
    authenticator::{Device, Key, call_claims},
    process::{Installation, Server},
};
use tokio::{sync::Barrier, task::JoinSet};
use totp::Token;
use virtual_passkey::VirtualPasskey;

/// How often the same answer is sent at once.
const AT_ONCE: usize = 16;
/// Where the servers put what they would send.
const OUTBOX: &str = "outbox.jsonl";
const DOMAIN: &str = "contoso.example";
/// RFC 6238's seed for SHA-1.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// Races are run one after the other; together they would only wait for each other's turn on the processor.
static ONE_RACE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Something that must be accepted once.
struct Race {
    name: &'static str,
    /// Makes ready what the round's own user shows, and returns the requests that all show it.
    prepare: for<'a> fn(&'a World, User) -> Requests<'a>,
    accepted: fn(&Answer) -> bool,
}

type Requests<'a> = Pin<Box<dyn Future<Output = Vec<RequestBuilder>> + Send + 'a>>;

const RACES: &[Race] = &[
    Race {
        name: "a software token's code in one session",
        prepare: |world, user| {
            Box::pin(async move {
                let (method, token) = world.add_software_token(&user).await;
                let session = world.begin(&user, 1).await.remove(0);
                let proof = json!({"methodId": method, "verificationCode": token.next_code()});
                world.sixteen(|n| world.verify(n, &session, &proof))
            })
        },
        accepted: |answer| answer.json["status"] == "completed",
    },
    Race {
        name: "a software token's code in as many sessions",
        prepare: |world, user| {
            Box::pin(async move {
                let (method, token) = world.add_software_token(&user).await;
                let sessions = world.begin(&user, AT_ONCE).await;
                let proof = json!({"methodId": method, "verificationCode": token.next_code()});
                world.sixteen(|n| world.verify(n, &sessions[n], &proof))
            })
        },
        accepted: |answer| answer.json["status"] == "completed",
    },
    Race {
        name: "a hardware token's code in as many sessions",
        prepare: |world, user| {
            Box::pin(async move {
                let (method, token) = world.add_hardware_token(&user).await;
                let sessions = world.begin(&user, AT_ONCE).await;
                let proof = json!({"methodId": method, "verificationCode": token.next_code()});
                world.sixteen(|n| world.verify(n, &sessions[n], &proof))
            })
        },
        accepted: |answer| answer.json["status"] == "completed",
    },
    Race {
        name: "a temporary access pass for one use",
        prepare: |world, user| {
            Box::pin(async move {
                world.add_software_token(&user).await;
                let list = user.methods("temporaryAccessPassMethods");
                let pass = world.post(&list, json!({"isUsableOnce": true})).await.expect(201).json;
                let first = json!({"type": "temporaryAccessPass", "verificationCode": pass["temporaryAccessPass"]});
                let body = json!({"userPrincipalName": user.name, "firstFactor": first});
                world.sixteen(|n| world.request(n, "/v1.0/signInSessions", &body))
            })
        },
        accepted: |answer| answer.json["status"] == "completed",
    },
    Race {
        name: "the code that activates a software token",
        prepare: |world, user| {
            Box::pin(async move {
                let (path, token) = world.create_software_token(&user).await;
                let body = json!({"verificationCode": token.code()});
                world.sixteen(|n| world.request(n, &format!("{path}/activate"), &body))
            })
        },
        accepted: |answer| answer.status == 204,
    },
    Race {
        name: "the code that activates an authenticator app",
        prepare: |world, user| {
            Box::pin(async move {
                let body = world.activation(&user, &Key::p256()).await;
                world.sixteen(|n| world.request(n, ACTIVATE, &body))
            })
        },
        accepted: |answer| answer.status == 201,
    },
    Race {
        name: "the answer to a push request",
        prepare: |world, user| {
            Box::pin(async move {
                let device = world.add_device(&user).await;
                let session = world.begin(&user, 1).await.remove(0);
                let body = json!({"methodId": device.id});
                let path = format!("/v1.0/signInSessions/{session}/challenge");
                let prompt = world.post(&path, body).await.expect(200).json;
                let request = device.request().await;
                let body = json!({"response": device.response(&request, "approve", prompt["number"].as_str())});
                let url = format!("{}/requests/{}/answer", device.url, request["id"].as_str().unwrap());
                let proof = device.key.dpop(&call_claims("POST", &url, device.seconds()));
                let path = url.strip_prefix(&world.servers[0].base).unwrap();
                world.sixteen(|n| world.request(n, path, &body).header("DPoP", &proof))
            })
        },
        accepted: |answer| answer.status == 204,
    },
    Race {
        name: "a code sent by SMS",
        prepare: |world, user| {
            Box::pin(async move {
                let number = user.number();
                let phone = json!({"phoneNumber": number, "phoneType": "mobile"});
                let method = world.post(&user.methods("phoneMethods"), phone).await.expect(201).json["id"].clone();
                let session = world.begin(&user, 1).await.remove(0);
                world.challenge(&session, &method).await;
                let proof = json!({"methodId": method, "verificationCode": world.code_sent_to(&number).await});
                world.sixteen(|n| world.verify(n, &session, &proof))
            })
        },
        accepted: |answer| answer.json["status"] == "completed",
    },
    Race {
        name: "a passkey's assertion",
        prepare: |world, user| {
            Box::pin(async move {
                let mut device = VirtualPasskey::at(&world.servers[0].base);
                let list = user.methods("fido2Methods");
                let options = world.get(&format!("{list}/creationOptions")).await;
                let credential = device.create(&options["publicKey"]).await;
                let body = json!({"displayName": "Laptop", "publicKeyCredential": credential});
                let method = world.post(&list, body).await.expect(201).json["id"].clone();
                let session = world.begin(&user, 1).await.remove(0);
                let prompt = world.challenge(&session, &method).await;
                let proof = json!({"publicKeyCredential": device.get(&prompt["publicKey"]).await});
                world.sixteen(|n| world.verify(n, &session, &proof))
            })
        },
        accepted: |answer| answer.json["status"] == "completed",
    },
];

const ACTIVATE: &str = "/v1.0/authenticatorDevices/activate";

fn rounds() -> usize {
    std::env::var("REKEY_RACE_ROUNDS").map_or(10, |text| text.parse().expect("a number of rounds"))
}

/// The user of one round.
struct User {
    name: String,
}

impl User {
    fn new(race: usize, round: usize) -> Self {
        Self { name: format!("user{race}-{round}@{DOMAIN}") }
    }

    /// A number of this user's own.
    fn number(&self) -> String {
        let round = self.name.split(['-', '@']).nth(1).expect("the name says the round");
        format!("+1 206555{round:0>4}")
    }

    fn methods(&self, kind: &str) -> String {
        format!("/v1.0/users/{}/authentication/{kind}", self.name)
    }
}

/// A tenant with users and an application, served by one or more processes.
struct World {
    servers: Vec<Server>,
    token: String,
    http: reqwest::Client,
    installation: Installation,
}

impl World {
    async fn start(backend: Backend, replicas: usize) -> Self {
        let mut installation = Installation::new(backend);
        installation.log = "warn";
        installation.arguments = vec!["--outbox-file", OUTBOX];
        let made = installation.run(&["tenant", "create", "--name", "Contoso", "--domain", DOMAIN]);
        let tenant = made["tenantId"].as_str().unwrap();
        let mut arguments = vec!["app", "create", "--tenant", tenant, "--name", "Races"];
        for permission in [
            "UserAuthenticationMethod.ReadWrite.All",
            "Policy.ReadWrite.AuthenticationMethod",
            "SignIn.Verify.All",
            "SignIn.Assert.All",
        ] {
            arguments.extend(["--permission", permission]);
        }
        let application = installation.run(&arguments);
        let file = installation.path().join("users.csv");
        let users = (0..RACES.len()).flat_map(|race| (0..rounds()).map(move |round| User::new(race, round)));
        let rows: String = users.map(|user| format!("{0},{0}\n", user.name)).collect();
        std::fs::write(&file, format!("userPrincipalName,displayName\n{rows}")).unwrap();
        installation.run(&["user", "import", "--tenant", tenant, file.to_str().unwrap()]);

        let mut servers = vec![Server::start(&installation, None).await];
        while servers.len() < replicas {
            let public_url = servers[0].base.clone();
            servers.push(Server::start(&installation, Some(&public_url)).await);
        }
        let http = reqwest::Client::new();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            application["clientId"].as_str().unwrap(),
            application["clientSecret"].as_str().unwrap()
        );
        let request = http
            .post(format!("{}/{tenant}/oauth2/v2.0/token", servers[0].base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let token = Answer::of(request).await.expect(200).json["access_token"].as_str().unwrap().to_owned();
        Self { servers, token, http, installation }
    }

    /// The n-th of several requests: the replicas take turns.
    fn request(&self, n: usize, path: &str, body: &Value) -> RequestBuilder {
        let base = &self.servers[n % self.servers.len()].base;
        self.http.request(Method::POST, format!("{base}{path}")).bearer_auth(&self.token).json(body)
    }

    fn sixteen(&self, request: impl Fn(usize) -> RequestBuilder) -> Vec<RequestBuilder> {
        (0..AT_ONCE).map(request).collect()
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.servers[0].base)).bearer_auth(&self.token);
        Answer::of(request).await.expect(200).json
    }

    async fn challenge(&self, session: &str, method: &Value) -> Value {
        let path = format!("/v1.0/signInSessions/{session}/challenge");
        self.post(&path, json!({"methodId": method})).await.expect(200).json
    }

    /// The code of the SMS to this number, once it is out.
    async fn code_sent_to(&self, number: &str) -> String {
        let file = self.installation.path().join(OUTBOX);
        let of_number = |line: &str| {
            let message: Value = serde_json::from_str(line).ok()?;
            (message["to"] == number).then(|| message["text"].as_str().unwrap().to_owned())
        };
        for _ in 0..600 {
            let text = std::fs::read_to_string(&file).unwrap_or_default().lines().find_map(of_number);
            if let Some(text) = text {
                return text.chars().filter(char::is_ascii_digit).take(6).collect();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no SMS to {number}: {}", self.servers[0].log());
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(0, path, &body)).await
    }

    /// Sessions that wait for a second factor; their ids.
    async fn begin(&self, user: &User, count: usize) -> Vec<String> {
        let body = json!({"userPrincipalName": user.name, "firstFactor": {"type": "asserted"}});
        let requests = (0..count).map(|n| self.request(n, "/v1.0/signInSessions", &body));
        let sessions = at_once(requests.collect()).await.into_iter().map(|answer| {
            let session = answer.expect(201).json;
            assert_eq!(session["status"], "mfaRequired", "{session}");
            session["id"].as_str().unwrap().to_owned()
        });
        sessions.collect()
    }

    fn verify(&self, n: usize, session: &str, proof: &Value) -> RequestBuilder {
        self.request(n, &format!("/v1.0/signInSessions/{session}/verify"), proof)
    }

    /// A software token that waits for its first code: its address, and the token in the user's hand.
    async fn create_software_token(&self, user: &User) -> (String, Token) {
        let list = user.methods("softwareOathMethods");
        let made = self.post(&list, json!({})).await.expect(201).json;
        let path = format!("{list}/{}", made["id"].as_str().unwrap());
        (path, Token::hardware(made["secretKey"].as_str().unwrap()))
    }

    /// A software token in use, whose next code is fresh: its id, and the token in the user's hand.
    async fn add_software_token(&self, user: &User) -> (String, Token) {
        let (path, token) = self.create_software_token(user).await;
        self.post(&format!("{path}/activate"), json!({"verificationCode": token.code()})).await.expect(204);
        (path.rsplit('/').next().unwrap().to_owned(), token)
    }

    /// The same with a hardware token.
    async fn add_hardware_token(&self, user: &User) -> (String, Token) {
        let device = json!({"serialNumber": user.name, "manufacturer": "Thales", "model": "OTP 110",
            "secretKey": SECRET, "timeIntervalInSeconds": 30});
        let inventory = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices";
        let made = self.post(inventory, device).await.expect(201).json;
        let token = Token::hardware(SECRET);
        let body = json!({"device": {"id": made["id"]}, "verificationCode": token.code()});
        self.post(&user.methods("hardwareOathMethods/assignAndActivate"), body).await.expect(204);
        (made["id"].as_str().unwrap().to_owned(), token)
    }

    /// What an app brings to be registered.
    async fn activation(&self, user: &User, key: &Key) -> Value {
        let begun = self.post(&user.methods("microsoftAuthenticatorMethods"), json!({})).await.expect(201).json;
        let about = json!({"activationCode": begun["activationCode"], "displayName": "Phone"});
        key.activation(&format!("{}{ACTIVATE}", self.servers[0].base), Clock::System.now().seconds(), &about)
    }

    /// A registered app.
    async fn add_device(&self, user: &User) -> Device {
        let key = Key::ed25519();
        let made = self.post(ACTIVATE, self.activation(user, &key).await).await.expect(201).json;
        Device::new(self.http.clone(), Clock::System, key, made["deviceUrl"].as_str().unwrap())
    }
}

/// Sends all requests at the same moment.
async fn at_once(requests: Vec<RequestBuilder>) -> Vec<Answer> {
    let barrier = Arc::new(Barrier::new(requests.len()));
    let mut all = JoinSet::new();
    for request in requests {
        let barrier = barrier.clone();
        all.spawn(async move {
            barrier.wait().await;
            Answer::of(request).await
        });
    }
    all.join_all().await
}

async fn run(backend: Backend, replicas: usize) {
    if !support::backends().contains(&backend) {
        return;
    }
    let _alone = ONE_RACE.lock().await;
    let world = World::start(backend, replicas).await;
    for (number, race) in RACES.iter().enumerate() {
        for round in 0..rounds() {
            let requests = (race.prepare)(&world, User::new(number, round)).await;
            assert_eq!(requests.len(), AT_ONCE);
            let answers = at_once(requests).await;
            let accepted = answers.iter().filter(|answer| (race.accepted)(answer)).count();
            let texts =
                || answers.iter().map(|answer| format!("{} {}", answer.status, answer.text)).collect::<Vec<_>>();
            assert_eq!(accepted, 1, "{}, round {round}:\n{}", race.name, texts().join("\n"));
            // The others are told so, and nothing broke.
            let is_refusal = |answer: &&Answer| answer.status.is_client_error() || answer.json["status"] == "refused";
            let refused = answers.iter().filter(is_refusal).count();
            assert_eq!(refused, AT_ONCE - 1, "{}, round {round}:\n{}", race.name, texts().join("\n"));
        }
        println!("{backend:?}: {} was accepted once in each of {} rounds", race.name, rounds());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_over_sqlite() {
    run(Backend::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_over_postgres() {
    run(Backend::Postgres, 2).await;
}
