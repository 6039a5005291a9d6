//! Microsoft's own clients, unmodified, and an API fuzzer, against the real server on each database.
//!
//! Their packages are not Rust's, so the tests are skipped where they are missing; `REKEY_TEST_CONTRACT=required` makes
//! that a failure. To install them, with the target folder of cargo:
//!
//! ```sh
//! python3 -m venv target/contract/venv
//! target/contract/venv/bin/pip install --require-hashes -r tests/contract/python/requirements.txt
//! (cd tests/contract/javascript && npm ci)
//! ```
//!
//! `REKEY_CONTRACT_FUZZ_SECONDS` bounds the fuzzer on each database (30).

#[path = "support/mod.rs"]
mod support;

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use support::{
    Backend, backends,
    process::{Installation, Server},
};

const README: &str = include_str!("../README.md");
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract");
const TENANT: &str = "contoso.example";
const PARTNER_TENANT: &str = "fabrikam.example";

#[test]
fn python() {
    let Some(python) = python_with_packages() else { return };
    for backend in backends() {
        let server = SecureDemo::start(backend);
        // Later files find what earlier ones left; nothing else orders them.
        let tests = server.run(Command::new(&python).args(["-m", "pytest"]).current_dir(format!("{SCRIPTS}/python")));
        show(backend, "Python", &tests);
    }
}

#[test]
fn javascript() {
    let Some(folder) = javascript_with_packages() else { return };
    for backend in backends() {
        let server = SecureDemo::start(backend);
        // With a relative folder, node's test runner of any version finds the files by their names.
        let tests = server.run(Command::new("node").arg("--test").current_dir(&folder));
        show(backend, "JavaScript", &tests);
    }
}

/// What README shows is what runs here, and prints what README says.
#[test]
fn the_snippets_of_readme() {
    let python = fs::read_to_string(format!("{SCRIPTS}/python/readme.py")).unwrap();
    let javascript = fs::read_to_string(format!("{SCRIPTS}/javascript/readme.mjs")).unwrap();
    assert_eq!(snippet("python"), python);
    assert_eq!(snippet("js"), javascript);
    let (Some(interpreter), Some(folder)) = (python_with_packages(), javascript_with_packages()) else { return };
    let server = SecureDemo::start(Backend::Sqlite);
    for (program, script, folder) in
        [(interpreter, "readme.py", format!("{SCRIPTS}/python").into()), (PathBuf::from("node"), "readme.mjs", folder)]
    {
        let output = server.run(Command::new(program).arg(script).current_dir(folder));
        assert_eq!(text(&output.stdout), snippet("text"), "{script}");
    }
}

/// Thousands of requests made from the document: none may end in a fault of the server, in a status, media type, header
/// or body that the document does not tell, nor may a method that it does not name be answered.
#[tokio::test]
async fn the_fuzzer_finds_nothing() {
    let Some(python) = python_with_packages() else { return };
    let seconds = std::env::var("REKEY_CONTRACT_FUZZ_SECONDS").unwrap_or("30".into());
    for backend in backends() {
        let mut installation = Installation::new(backend);
        installation.arguments = vec!["--demo"];
        installation.log = "rekey=warn,error";
        let server = Server::start(&installation, None).await;
        let token = token(&server.base, &server.log()).await;
        let run = Command::new(&python)
            .args(["-m", "schemathesis.cli", "--config-file"])
            .arg(format!("{SCRIPTS}/schemathesis.toml"))
            .args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), "--url", &server.base])
            .args(["--header", &format!("Authorization: Bearer {token}"), "--max-time", &seconds])
            .current_dir(installation.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = text(&run.stdout);
        assert!(run.status.success(), "{backend:?}: {}\n{said}{}\n{}", run.status, text(&run.stderr), server.log());
        // A run that reached nothing must not pass for one that found nothing.
        let generated: u32 = said.lines().find_map(cases).unwrap_or_else(|| panic!("{said}"));
        assert!(generated > 1000, "{said}");
        eprintln!("{backend:?}: {generated} cases");
    }
}

/// `  10489 generated, 36 found 74 unique failures` -> `10489`
fn cases(line: &str) -> Option<u32> {
    line.trim().split_once(" generated").and_then(|(number, _)| number.parse().ok())
}

/// A token of the demo's application, which may do everything.
async fn token(base: &str, announced: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", printed(announced, "Client id:")),
        ("client_secret", printed(announced, "Client secret:")),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let answer = reqwest::Client::new()
        .post(format!("{base}/{TENANT}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["access_token"].as_str().expect("a token").to_owned()
}

/// `rekey serve --demo` over HTTPS, with its limits on the rate of requests: fewer reports than Graph allows, so that
/// clients written in any language meet the limit. Dropping it kills it.
struct SecureDemo {
    child: Child,
    installation: Installation,
    base: String,
    log: PathBuf,
}

impl SecureDemo {
    fn start(backend: Backend) -> Self {
        let installation = Installation::new(backend);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // A name and no address: passkeys belong to domains.
        let base = format!("https://localhost:{port}");
        let log = installation.path().join("server.log");
        let file = File::create(&log).unwrap();
        let child = installation
            .command()
            .args(["serve", "--demo", "--tls-self-signed", "tls"])
            .args(["--listen", &format!("127.0.0.1:{port}"), "--public-url", &base])
            .args(["--throttle-reports-per-10s", "10"])
            .env("REKEY_THROTTLE", "on")
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut demo = Self { child, installation, base, log };
        // It listens before it introduces itself.
        for _ in 0..1200 {
            if demo.said().contains("Reset a user") {
                return demo;
            }
            assert!(demo.child.try_wait().unwrap().is_none(), "the server ended:\n{}", demo.said());
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the server did not introduce itself:\n{}", demo.said());
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Runs a script that talks to this server; it must succeed.
    #[track_caller]
    fn run(&self, command: &mut Command) -> Output {
        let said = self.said();
        let partner = said.split_once("Partner:").expect("the demo has a partner").1;
        let authority = self.installation.path().join("tls/ca.pem");
        let output = command
            .env("REKEY_URL", &self.base)
            .env("REKEY_TENANT", TENANT)
            .env("REKEY_CLIENT_ID", printed(&said, "Client id:"))
            .env("REKEY_CLIENT_SECRET", printed(&said, "Client secret:"))
            .env("REKEY_PARTNER_TENANT", PARTNER_TENANT)
            .env("REKEY_PARTNER_ID", printed(partner, "client id:"))
            .env("REKEY_PARTNER_SECRET", printed(partner, "client secret:"))
            // For those who run the command on the same database.
            .env("REKEY_BIN", env!("CARGO_BIN_EXE_rekey"))
            .env("REKEY_DATABASE", &self.installation.database)
            .env("REKEY_KEY_FILE", self.installation.path().join("rekey.key"))
            // What README's readers set.
            .env("REKEY", &self.base)
            .env("CLIENT_ID", printed(&said, "Client id:"))
            .env("CLIENT_SECRET", printed(&said, "Client secret:"))
            // Who trusts by which of them: httpx and aiohttp, requests, node.
            .env("SSL_CERT_FILE", &authority)
            .env("REQUESTS_CA_BUNDLE", &authority)
            .env("NODE_EXTRA_CA_CERTS", &authority)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // The server is on this machine, wherever the machine's proxy is.
            .env("NO_PROXY", "localhost,127.0.0.1")
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{}\n{out}{err}\n{}", output.status, last(&self.said(), 40));
        output
    }
}

impl Drop for SecureDemo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the demo printed behind a label.
fn printed<'a>(said: &'a str, label: &str) -> &'a str {
    let found = said.lines().find_map(|line| line.trim_start().strip_prefix(label));
    found.unwrap_or_else(|| panic!("no {label} in:\n{said}")).trim()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn last(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// The runner's own last words, for whoever runs this with `--nocapture`.
fn show(backend: Backend, what: &str, output: &Output) {
    eprintln!("{what} on {backend:?}:\n{}", last(&text(&output.stdout), 10));
}

/// The first fenced block in this language of README's section on these clients.
fn snippet(language: &str) -> &'static str {
    let below = README.split_once("## Microsoft's own clients\n").expect("the heading is there").1;
    let block = below.split_once(&format!("```{language}\n")).and_then(|(_, rest)| rest.split_once("```\n"));
    block.unwrap_or_else(|| panic!("no {language} block")).0
}

/// The interpreter of `REKEY_CONTRACT_PYTHON`, or of the environment beside the build.
fn python_with_packages() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("contract").join("venv/bin/python");
    let python = std::env::var_os("REKEY_CONTRACT_PYTHON").map_or(beside, PathBuf::from);
    let imports = "import azure.identity, msal, msgraph, msgraph_beta, pytest, schemathesis";
    let has_packages = Command::new(&python).args(["-c", imports]).output().is_ok_and(|it| it.status.success());
    present(has_packages, &format!("Microsoft's clients for Python ({})", python.display())).then_some(python)
}

fn javascript_with_packages() -> Option<PathBuf> {
    let folder = Path::new(SCRIPTS).join("javascript");
    let packages = ["@azure/msal-node", "@microsoft/microsoft-graph-client"];
    let is_there = packages.iter().all(|package| folder.join("node_modules").join(package).is_dir());
    present(is_there, "Microsoft's clients for JavaScript (tests/contract/javascript/node_modules)").then_some(folder)
}

/// Says what is skipped, unless it must not be.
fn present(is_there: bool, what: &str) -> bool {
    let required = std::env::var("REKEY_TEST_CONTRACT").is_ok_and(|value| value == "required");
    assert!(is_there || !required, "{what} are required and not installed");
    if !is_there {
        eprintln!("skipped: {what} are not installed; see the top of tests/contract.rs");
    }
    is_there
}
