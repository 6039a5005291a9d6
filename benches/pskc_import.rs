//! How fast a vendor's file of many tokens lands, and how much memory that takes.
//!
//! `cargo bench --bench pskc_import` writes a PSKC file (RFC 6030) to a temporary folder, imports it into a new SQLite
//! database and prints tokens per second and by how much the peak of the process's memory rose. Nothing here fails for
//! being slow.
//!
//! `REKEY_BENCH_TOKENS=100000` sets the size; `TMPDIR` is where file and database are written.

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::Path,
    time::Instant,
};

use data_encoding::BASE64;
use rekey::{
    access::Caller,
    hardware_oath::import::{import_pskc, pskc::FileKey},
};
use support::{Backend, TestApp};

fn write_file(path: &Path, tokens: usize) {
    let mut file = BufWriter::new(File::create(path).expect("the temporary folder is there"));
    let mut write = |text: String| file.write_all(text.as_bytes()).expect("the disk has room");
    write("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<KeyContainer Version=\"1.0\" xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\">\n".into());
    for number in 0..tokens {
        let secret = BASE64.encode(format!("{number:020}").as_bytes());
        write(format!(
            "  <KeyPackage>\n    <DeviceInfo>\n      <Manufacturer>oath.Feitian</Manufacturer>\n      \
             <SerialNo>26001{number:08}</SerialNo>\n      <Model>c200</Model>\n    </DeviceInfo>\n    \
             <CryptoModuleInfo>\n      <Id>CM_ID_001</Id>\n    </CryptoModuleInfo>\n    \
             <Key Id=\"26001{number:08}\" Algorithm=\"urn:ietf:params:xml:ns:keyprov:pskc:totp\">\n      \
             <Issuer>Issuer</Issuer>\n      <AlgorithmParameters>\n        \
             <ResponseFormat Length=\"6\" Encoding=\"DECIMAL\"/>\n      </AlgorithmParameters>\n      <Data>\n        \
             <Secret>\n          <PlainValue>{secret}</PlainValue>\n        </Secret>\n        <Time>\n          \
             <PlainValue>0</PlainValue>\n        </Time>\n        <TimeInterval>\n          \
             <PlainValue>30</PlainValue>\n        </TimeInterval>\n      </Data>\n    </Key>\n  </KeyPackage>\n"
        ));
    }
    write("</KeyContainer>\n".into());
    file.flush().expect("the disk has room");
}

/// The most memory the process ever had resident, in KiB; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or_default()
}

async fn import(app: &TestApp, path: &Path) -> usize {
    let file = BufReader::new(File::open(path).expect("the file was written"));
    let caller = Caller::operator(app.tenant.clone(), "bench".into());
    let report = import_pskc(&app.app, caller, file, FileKey::None).await.expect("the file is good");
    assert!(report.failed.is_empty());
    report.imported
}

#[tokio::main]
async fn main() {
    let tokens = std::env::var("REKEY_BENCH_TOKENS").ok().map_or(100_000, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, small) = (folder.path().join("tokens.pskcxml"), folder.path().join("few.pskcxml"));
    write_file(&path, tokens);
    write_file(&small, 1_000);
    // What every import takes, whatever its size, is taken before anything is measured.
    import(&TestApp::start(Backend::Sqlite).await, &small).await;

    let app = TestApp::start(Backend::Sqlite).await;
    let (before, started) = (peak_memory(), Instant::now());
    let imported = import(&app, &path).await;
    let seconds = started.elapsed().as_secs_f64();
    let size = path.metadata().map_or(0, |metadata| metadata.len()) / 1024;
    println!("{imported} tokens in {seconds:.1} s: {:.0} tokens a second", imported as f64 / seconds);
    println!("peak memory: {before} KiB before, {} KiB after; the file has {size} KiB", peak_memory());
}
