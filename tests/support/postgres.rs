//! A throw-away PostgreSQL cluster, one per test process, on a Unix socket and a loopback port of the system's choice.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use diesel::{Connection, PgConnection, connection::SimpleConnection};

pub struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
}

/// The cluster, started on first use; `None` when PostgreSQL is not installed and not required.
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let required = std::env::var("REKEY_TEST_POSTGRES").is_ok_and(|value| value == "required");
    let cluster = CLUSTER.get_or_init(|| binaries().map(Cluster::start)).as_ref();
    assert!(cluster.is_some() || !required, "PostgreSQL is required but initdb was not found");
    cluster
}

/// Debian keeps them out of the PATH.
fn binaries() -> Option<PathBuf> {
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let debian =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    on_path.chain(debian).find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

impl Cluster {
    fn start(bin: PathBuf) -> Self {
        let folder = tempfile::Builder::new().prefix("rekey-postgres-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { bin, folder, port, databases: AtomicU32::new(0) };
        if is_root() {
            run(Command::new("chown").arg("-R").arg("nobody").arg(&cluster.folder));
        }
        let data = cluster.folder.join("data");
        run(cluster
            .command("initdb")
            .args(["--auth=trust", "--username=rekey", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data));
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c max_connections=400 -c fsync=off",
            cluster.folder.display()
        );
        run(cluster
            .command("pg_ctl")
            .args(["--wait", "--timeout=60", "-l"])
            .arg(cluster.folder.join("log"))
            .arg("-D")
            .arg(&data)
            .arg("-o")
            .arg(options)
            .arg("start"));
        stop_with_this_process(&cluster);
        cluster
    }

    /// PostgreSQL refuses to run as root, so as root its programs run as `nobody`.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(Path::new("/"));
        command
    }

    /// A fresh, empty database; its URL.
    pub fn create_database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let server = format!("postgres://rekey@127.0.0.1:{}", self.port);
        let mut conn = PgConnection::establish(&format!("{server}/postgres")).unwrap();
        conn.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        format!("{server}/{name}")
    }
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A watcher process waits until this one is gone, however it ends, then stops the cluster and removes its files.
#[expect(clippy::zombie_processes, reason = "the watcher outlives this process")]
fn stop_with_this_process(cluster: &Cluster) {
    let script = r#"while kill -0 "$1" 2>/dev/null; do sleep 0.5; done; kill -INT "$(head -1 "$2/data/postmaster.pid")"; sleep 1; rm -rf "$2""#;
    Command::new("sh")
        .args(["-c", script, "sh", &std::process::id().to_string()])
        .arg(&cluster.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
}
