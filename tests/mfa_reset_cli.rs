//! `rekey reset` and `rekey receipt`, as an operator meets them: the real binary on a database of its own, without a
//! server unless a test starts one.

#[path = "support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Output, Stdio},
};

use serde_json::{Value, json};
use support::{
    Answer, Backend,
    process::{Installation, Server},
};

const TENANTS: [&str; 2] = ["contoso.example", "fabrikam.example"];

/// Two tenants with three users each, of whom the first has a phone and a software token.
struct House {
    installation: Installation,
    /// By domain: id of the tenant, and client id and secret of an application.
    tenants: BTreeMap<&'static str, (String, String, String)>,
}

impl House {
    async fn new() -> Self {
        let mut installation = Installation::new(Backend::Sqlite);
        installation.log = "warn";
        let mut tenants = BTreeMap::new();
        for domain in TENANTS {
            let text = |json: &Value, name: &str| json[name].as_str().unwrap().to_owned();
            installation.run(&["tenant", "create", "--name", domain, "--domain", domain]);
            let create = ["app", "create", "--tenant", domain, "--name", "Test"];
            let permissions = ["MfaReset", "User", "UserAuthenticationMethod"];
            let permissions: Vec<_> = permissions
                .iter()
                .map(|name| format!("{name}.ReadWrite.All"))
                .chain(["AuditLog.Read.All".to_owned()])
                .collect();
            let permissions = permissions.iter().flat_map(|name| ["--permission", name]);
            let made = installation.run(&create.into_iter().chain(permissions).collect::<Vec<_>>());
            let keys = (text(&made, "tenantId"), text(&made, "clientId"), text(&made, "clientSecret"));
            tenants.insert(domain, keys);
        }
        let house = Self { installation, tenants };
        for domain in TENANTS {
            house.import(domain, ["adele", "alex", "bianca"].map(str::to_owned));
        }
        house
    }

    fn import(&self, domain: &str, names: impl IntoIterator<Item = String>) {
        let lines = names.into_iter().map(|name| format!("{name}@{domain},{name}\n"));
        self.write("users.csv", &format!("userPrincipalName,displayName\n{}", lines.collect::<String>()));
        self.installation.run(&["user", "import", "--tenant", domain, "users.csv"]);
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.installation.path().join(name), text).unwrap();
    }

    /// Runs a command with nothing on standard input.
    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.installation.command().args(arguments).output().unwrap())
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.installation.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    async fn serve(&self) -> Api {
        let server = Server::start(&self.installation, None).await;
        let (http, mut tokens) = (reqwest::Client::new(), BTreeMap::new());
        for (domain, (tenant, client_id, secret)) in &self.tenants {
            let form = format!("grant_type=client_credentials&client_id={client_id}&client_secret={secret}");
            let url = format!("{}/{tenant}/oauth2/v2.0/token", server.base);
            let request = http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
            let token = Answer::of(request).await.expect(200).json["access_token"].as_str().unwrap().to_owned();
            tokens.insert(*domain, token);
        }
        Api { server, http, tokens }
    }

    /// Gives the first user of each tenant something to reset.
    async fn equip(&self) {
        let api = self.serve().await;
        for domain in TENANTS {
            let path = format!("/v1.0/users/adele@{domain}/authentication");
            let phone = json!({"phoneNumber": "+1 2065550100", "phoneType": "mobile"});
            api.post(domain, &format!("{path}/phoneMethods"), phone).await.expect(201);
            api.post(domain, &format!("{path}/softwareOathMethods"), json!({})).await.expect(201);
        }
    }
}

/// A server on the house's database, with a token in each tenant.
struct Api {
    server: Server,
    http: reqwest::Client,
    tokens: BTreeMap<&'static str, String>,
}

impl Api {
    async fn get(&self, domain: &str, path: &str) -> Answer {
        let url = format!("{}{path}", self.server.base);
        Answer::of(self.http.get(url).bearer_auth(&self.tokens[domain])).await.expect(200)
    }

    async fn post(&self, domain: &str, path: &str, body: Value) -> Answer {
        let url = format!("{}{path}", self.server.base);
        Answer::of(self.http.post(url).bearer_auth(&self.tokens[domain]).json(&body)).await
    }

    /// Names of the users of whom the log tells that they were reset.
    async fn reset_users(&self, domain: &str) -> Vec<String> {
        let events = self.get(domain, "/v1.0/auditLogs/directoryAudits?$top=999").await.json;
        let events = events["value"].as_array().unwrap().iter();
        let of_user = events.filter(|event| event["targetResources"][0]["type"] == "User");
        let resets = of_user.filter(|event| event["activityDisplayName"].as_str().unwrap().contains("eset"));
        let name = |event: &Value| event["targetResources"][0]["userPrincipalName"].as_str().unwrap().to_owned();
        let mut names: Vec<_> = resets.map(name).collect();
        names.sort();
        names
    }
}

/// How a command ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    /// Null when it printed nothing.
    json: Value,
    said: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let printed = String::from_utf8(output.stdout).unwrap();
        Self {
            code: output.status.code(),
            json: if printed.is_empty() { Value::Null } else { serde_json::from_str(&printed).unwrap() },
            said: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    #[track_caller]
    fn expect(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        for text in said {
            assert!(self.said.contains(text), "'{text}' is missing in {self:?}");
        }
        self
    }

    fn id(&self) -> &str {
        self.json["id"].as_str().unwrap()
    }
}

/// An unknown user, one who is named twice in two ways, and a tenant by its id.
fn targets(house: &House) -> String {
    let fabrikam = &house.tenants["fabrikam.example"].0;
    format!(
        "contoso.example,adele@contoso.example,\"Phone lost, ticket 4711\"\ncontoso.example,alex@contoso.example\n\
         contoso.example,ADELE@contoso.example\ncontoso.example,nobody@contoso.example\n\
         {fabrikam},adele@fabrikam.example\n"
    )
}

#[tokio::test]
async fn users_of_two_tenants_are_reset_without_a_server() {
    let house = House::new().await;
    house.equip().await;
    house.write("targets.csv", &targets(&house));
    let reset = ["reset", "--file", "targets.csv", "--reason", "Phishing wave"];
    let ended = house.run(&[&reset[..], &["--yes"]].concat());
    let ended = ended.expect(
        1,
        &[
            "contoso.example (",
            "to reset: 2 users",
            "to delete: 1 phone, 1 softwareOath",
            "not found: 1 user",
            "locked out: 2 users",
            "1 user named more than once",
            "In all, 3 users of 2 tenants",
            "reason: Phishing wave",
            "partiallySucceeded",
        ],
    );
    let (json, id) = (&ended.json, ended.id());
    assert_eq!(json["status"], "partiallySucceeded");
    assert_eq!(json["tenantId"], house.tenants["contoso.example"].0);
    assert_eq!(json["duplicateCount"], 1);
    let counts =
        |json: &Value| ["totalCount", "doneCount", "nothingToDoCount", "notFoundCount"].map(|name| json[name].clone());
    assert_eq!(counts(&json["counts"]), [4, 2, 1, 1].map(Value::from));
    let mut tenants = json["tenants"].as_array().unwrap().clone();
    tenants.sort_by_key(|tenant| tenant["displayName"].to_string());
    assert_eq!(counts(&tenants[0]["counts"]), [3, 1, 1, 1].map(Value::from));
    assert_eq!(counts(&tenants[1]["counts"]), [1, 1, 0, 0].map(Value::from));

    // Once more, of those who are there: nothing is left to do, which is a success.
    house.write(
        "again.csv",
        "user,tenant\nadele@contoso.example,contoso.example\nadele@fabrikam.example,FABRIKAM.example\n",
    );
    let again = house.run(&["reset", "--file", "again.csv", "--tenant", "fabrikam.example", "--yes", "--rate", "0"]);
    let again = again.expect(0, &["succeeded"]);
    assert_eq!(again.json["tenantId"], house.tenants["fabrikam.example"].0);
    assert_eq!(counts(&again.json["counts"]), [2, 0, 2, 0].map(Value::from));

    let api = house.serve().await;
    let names =
        |names: &[&str], domain: &str| -> Vec<_> { names.iter().map(|name| format!("{name}@{domain}")).collect() };
    let of = |domain| api.reset_users(domain);
    assert_eq!(of("contoso.example").await, names(&["adele", "adele", "alex"], "contoso.example"));
    assert_eq!(of("fabrikam.example").await, names(&["adele", "adele"], "fabrikam.example"));
    // An application of one of the tenants has no business with the other's users.
    let url = format!("{}/v1.0/mfaResets/{id}/items", api.server.base);
    let hidden = api.http.get(url).bearer_auth(&api.tokens["contoso.example"]);
    Answer::of(hidden).await.expect_error(404, "resourceNotFound");
    house.installation.run(&["audit", "verify"]);
}

#[tokio::test]
async fn nothing_runs_unconfirmed() {
    let house = House::new().await;
    let lines = targets(&house);
    house.write("targets.csv", &lines);
    let refused = house.run(&["reset", "--file", "targets.csv"]);
    let refused = refused.expect(1, &["--yes", "Nobody was reset", "to reset: 2 users", "rekey reset --follow "]);
    assert_eq!(refused.json["status"], "awaitingConfirmation");
    assert!(refused.said.contains(refused.id()));
    let still = house.run(&["reset", "--follow", refused.id()]).expect(1, &["--yes"]);
    assert_eq!(still.json["counts"]["pendingCount"], 3);

    // Anybody with the database may pick it up; what is over is only told.
    let done = house.run(&["reset", "--follow", refused.id(), "--yes"]).expect(1, &["partiallySucceeded"]);
    assert_eq!(done.json["counts"]["nothingToDoCount"], 3);
    let told = house.run(&["reset", "--follow", refused.id(), "--yes"]).expect(1, &["partiallySucceeded"]);
    assert_eq!(told.json, done.json);
    house.run(&["reset", "--cancel", refused.id()]).expect(1, &["only one that is"]);

    // From standard input, and given up.
    let mut child = house.spawn(&["reset", "--file", "-"]);
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let piped = Ended::from(child.wait_with_output().unwrap()).expect(1, &["--yes"]);
    let cancelled = house.run(&["reset", "--cancel", piped.id()]).expect(0, &["cancelled"]);
    assert_eq!(
        (&cancelled.json["status"], &cancelled.json["counts"]["cancelledCount"]),
        (&json!("cancelled"), &json!(3))
    );

    // Confirmed, and left to a server.
    house.write("one.csv", "contoso.example,bianca@contoso.example\n");
    let left = house.run(&["reset", "--file", "one.csv", "--yes", "--detach"]).expect(0, &["server", "--follow"]);
    assert_eq!((&left.json["status"], &left.json["counts"]["pendingCount"]), (&json!("running"), &json!(1)));
    let api = house.serve().await;
    house.run(&["reset", "--follow", left.id()]).expect(0, &["succeeded"]);
    assert!(api.reset_users("contoso.example").await.contains(&"bianca@contoso.example".to_owned()));

    // With a threshold of one user, the operator who created a reset is not the one who confirms it.
    let id = &house.tenants["contoso.example"].0;
    let database = house.installation.path().join("rekey.db");
    let mut conn = diesel_connection(&database);
    let sql = format!("UPDATE tenants SET mfa_reset_approval_threshold = 1 WHERE tenant_id = '{id}'");
    diesel::connection::SimpleConnection::batch_execute(&mut conn, &sql).unwrap();
    let waits = house.run(&["reset", "--file", "one.csv", "--yes"]).expect(1, &["second person", "/confirm"]);
    assert_eq!(waits.json["status"], "awaitingConfirmation");
}

fn diesel_connection(path: &std::path::Path) -> diesel::SqliteConnection {
    diesel::Connection::establish(&path.to_string_lossy()).unwrap()
}

#[tokio::test]
async fn what_cannot_be_created_leaves_nothing() {
    let house = House::new().await;
    for (file, arguments, said) in [
        ("contoso.example,adele@contoso.example\ncontoso.example\n", &[][..], "bad.csv, line 2: A line is"),
        ("contoso.example,adele@contoso.example\n,\"\u{7}\"\n", &[], "bad.csv, line 2: "),
        ("contoso.example,\"adele", &["--tenant", "nowhere.example"], "no tenant 'nowhere.example'"),
        ("nowhere.example,adele@contoso.example\n", &[], "rekey tenant list"),
        (",adele@contoso.example\n", &[], "--tenant"),
        ("", &[], "--tenant"),
        ("", &["--tenant", "contoso.example"], "at least one user"),
        ("contoso.example,adele@contoso.example\n", &["--also-delete", "password"], "fido2"),
        ("contoso.example,adele@contoso.example\n", &["--follow", "x"], "cannot be used with"),
    ] {
        house.write("bad.csv", file);
        let ended = house.run(&[&["reset", "--file", "bad.csv", "--yes"], arguments].concat());
        assert!(ended.code != Some(0) && ended.json.is_null() && ended.said.contains(said), "{file}: {ended:?}");
    }
    house.run(&["reset", "--file", "missing.csv"]).expect(1, &["missing.csv"]);
    house.run(&["reset"]).expect(2, &["--file"]);
    for unknown in ["x", "1b0c7b56-24a7-4a7c-9b66-b8c4a1a2f0a3"] {
        house.run(&["reset", "--follow", unknown]).expect(1, &["There is no reset", unknown]);
    }
    let api = house.serve().await;
    assert_eq!(api.get("contoso.example", "/v1.0/mfaResets").await.json["value"], json!([]));
}

/// Ctrl-C lets go of a reset and stops nobody.
#[cfg(unix)]
#[tokio::test]
async fn a_reset_that_is_let_go_of_goes_on() {
    const USERS: i64 = 500;
    let house = House::new().await;
    house.import("contoso.example", (0..USERS).map(|number| format!("user{number}")));
    let lines = (0..USERS).map(|number| format!("contoso.example,user{number}@contoso.example\n"));
    house.write("targets.csv", &lines.collect::<String>());
    // So slow that the second turn begins seconds after the first.
    let mut child = house.spawn(&["reset", "--file", "targets.csv", "--yes", "--rate", "50"]);
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("In all") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the summary is missing");
    }
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    let detached = Ended { said: rest, ..child.wait_with_output().unwrap().into() };
    let detached = detached.expect(130, &["not cancelled", "rekey reset --follow "]);
    assert!(detached.said.contains(detached.id()));
    assert_eq!(detached.json["status"], "running");
    let open = detached.json["counts"]["pendingCount"].as_i64().unwrap();
    assert!(open > 0 && open <= USERS, "{detached:?}");

    let followed = house.run(&["reset", "--follow", detached.id(), "--rate", "0"]).expect(0, &["succeeded"]);
    assert_eq!(followed.json["counts"]["nothingToDoCount"], USERS);
}

#[tokio::test]
async fn receipts_are_genuine_or_refused() {
    let house = House::new().await;
    house.equip().await;
    let [contoso, fabrikam] = TENANTS.map(|domain| house.tenants[domain].0.clone());
    let mut resets = vec![];
    for domain in TENANTS {
        let lines: Vec<_> = targets(&house).lines().filter(|line| line.contains(domain)).map(str::to_owned).collect();
        house.write("targets.csv", &lines.join("\n"));
        // One of the first tenant's is not there.
        let code = i32::from(domain == TENANTS[0]);
        resets.push(house.run(&["reset", "--file", "targets.csv", "--yes"]).expect(code, &[]));
    }
    let ended = &resets[0];
    let api = house.serve().await;
    for ((domain, tenant), reset) in TENANTS.iter().zip([&contoso, &fabrikam]).zip(&resets) {
        let path = format!("/v1.0/mfaResets/{}/receipts/{tenant}", reset.id());
        house.write(&format!("{domain}.jws"), &api.get(domain, &path).await.text);
        let keys = Answer::of(api.http.get(format!("{}/{tenant}/discovery/v2.0/keys", api.server.base))).await;
        house.write(&format!("{domain}.jwks"), &keys.expect(200).text);
    }
    drop(api);

    let verify = |file: &str, more: &[&str]| house.run(&[&["receipt", "verify", file], more].concat());
    let offline = ["--jwks", "contoso.example.jwks", "--database", "postgres://nobody@127.0.0.1:1/none"];
    for more in [&offline[..], &[]] {
        let genuine = verify("contoso.example.jws", more).expect(0, &[]);
        assert_eq!(genuine.json["tenantId"], contoso);
        assert_eq!(genuine.json["mfaResetId"], ended.id());
        assert_eq!((&genuine.json["userCount"], &genuine.json["resetCount"]), (&json!(2), &json!(2)));
        assert_eq!(genuine.json.get("users"), None);
    }
    let users = verify("fabrikam.example.jws", &["--users"]).expect(0, &[]).json["users"].clone();
    assert_eq!(users[0]["userPrincipalName"], "adele@fabrikam.example");

    // Another tenant's keys.
    verify("fabrikam.example.jws", &offline).expect(1, &["None of the 1 keys"]);
    // A user taken out, and another signature.
    let read = |name: &str| std::fs::read_to_string(house.installation.path().join(name)).unwrap();
    let receipt = read("contoso.example.jws");
    let [header, payload, signature] = receipt.trim().split('.').collect::<Vec<_>>()[..] else { panic!("{receipt}") };
    let decode = |part: &str| base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, part).unwrap();
    let encode = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
    let said = String::from_utf8(decode(payload)).unwrap();
    let forge = |from: &str, to: &str| {
        assert!(said.contains(from), "{said}");
        format!("{header}.{}.{signature}", encode(&said.replace(from, to)))
    };
    let other = read("fabrikam.example.jws");
    let foreign = other.trim().rsplit('.').next().unwrap();
    for (forged, why) in [
        (forge("adele@", "alice@"), "The signature is wrong"),
        (format!("{header}.{payload}.{foreign}"), "The signature is wrong"),
        // Contoso's key cannot speak for Fabrikam.
        (forge(&contoso, &fabrikam), "has no key"),
        (
            format!("{}.{payload}.{signature}", encode(r#"{"alg":"none","typ":"rekey-receipt+jwt","kid":"x"}"#)),
            "no receipt",
        ),
        (
            format!("{}.{payload}.{signature}", encode(r#"{"alg":"HS256","typ":"rekey-receipt+jwt","kid":"x"}"#)),
            "no receipt",
        ),
        (format!("{}.{payload}.{signature}", encode(r#"{"alg":"ES256","typ":"JWT","kid":"x"}"#)), "something else"),
        (payload.to_owned(), "no receipt"),
        (String::new(), "no receipt"),
    ] {
        house.write("forged.jws", &forged);
        let refused = verify("forged.jws", &[]).expect(1, &["forged.jws: ", why]);
        assert!(refused.json.is_null());
    }
    verify("contoso.example.jws", &["--jwks", "targets.csv"]).expect(1, &["This is no JWKS"]);
    verify("missing.jws", &[]).expect(1, &["missing.jws"]);
}
