//! The real binary: its command line, and servers that are killed without a warning.

use std::{
    fs::File,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{Backend, postgres};

/// A database and its sealing key, for any number of processes one after the other or at once.
pub struct Installation {
    pub folder: TempDir,
    /// As `--database` takes it.
    pub database: String,
    /// What `serve` is told beyond where to listen.
    pub arguments: Vec<&'static str>,
    /// How much servers log.
    pub log: &'static str,
}

impl Installation {
    pub fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match backend {
            Backend::Sqlite => format!("sqlite:{}", folder.path().join("rekey.db").display()),
            Backend::Postgres => postgres::cluster().unwrap().create_database(),
        };
        Self { folder, database, arguments: vec![], log: "info" }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The command on this installation, to be run as a test likes.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekey"));
        command
            .current_dir(self.path())
            .env("REKEY_DATABASE", &self.database)
            .env("REKEY_KEY_FILE", self.path().join("rekey.key"))
            .env("REKEY_THROTTLE", "off")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command; its standard output as JSON (null when it says nothing).
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Value {
        self.try_run(arguments).unwrap_or_else(|message| panic!("rekey {arguments:?}: {message}"))
    }

    /// The same, or what the command said when it failed.
    #[track_caller]
    pub fn try_run(&self, arguments: &[&str]) -> Result<Value, String> {
        let output = self.command().args(arguments).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            return Err(format!("{}\n{out}{err}", output.status));
        }
        Ok(match out.trim() {
            "" => Value::Null,
            json => serde_json::from_str(json).unwrap_or_else(|error| panic!("rekey {arguments:?}: {error}\n{out}")),
        })
    }
}

/// A running `rekey serve`. Dropping it kills it.
pub struct Server {
    child: Child,
    pub base: String,
    port: u16,
    public_url: String,
    log: std::path::PathBuf,
}

impl Server {
    /// Starts a server and waits until it is ready. Replicas of one installation share one `public_url`; without one
    /// the server's own address is it.
    pub async fn start(installation: &Installation, public_url: Option<&str>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = format!("http://127.0.0.1:{port}");
        let public_url = public_url.unwrap_or(&base).to_owned();
        let log = installation.path().join(format!("server-{port}.log"));
        let child = spawn(installation, port, &public_url, &log);
        let mut server = Self { child, base, port, public_url, log };
        server.wait_until_ready().await;
        server
    }

    /// SIGKILL: no destructor, no flush, no goodbye.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again at the same address, after [`Server::kill`].
    pub async fn restart(&mut self, installation: &Installation) {
        self.child = spawn(installation, self.port, &self.public_url, &self.log);
        self.wait_until_ready().await;
    }

    async fn wait_until_ready(&mut self) {
        let http = reqwest::Client::new();
        for _ in 0..1200 {
            if http.get(format!("{}/readyz", self.base)).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended ({status}):\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server did not become ready:\n{}", self.log());
    }

    /// What the server said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(installation: &Installation, port: u16, public_url: &str, log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log).unwrap();
    installation
        .command()
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--public-url", public_url])
        .args(&installation.arguments)
        .env("RUST_LOG", installation.log)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
