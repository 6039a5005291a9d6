//! What README.md tells newcomers to paste works as it stands there.

#[path = "support/mod.rs"]
mod support;

use std::process::{Command, Stdio};

use support::{
    Backend,
    process::{Installation, Server},
};

const README: &str = include_str!("../README.md");

/// The first fenced block in this language below this heading.
fn block(heading: &str, language: &str) -> &'static str {
    let below = README.split_once(&format!("### {heading}\n")).expect("the heading is there").1;
    let begin = format!("```{language}\n");
    let block = below.split_once(&begin).and_then(|(_, rest)| rest.split_once("```\n"));
    block.unwrap_or_else(|| panic!("no {language} block below {heading}")).0
}

#[test]
fn the_script_is_the_one_in_docs() {
    assert_eq!(block("A reset from both sides", "bash"), include_str!("../docs/reset-from-both-sides.sh"));
}

/// Where `oathtool` is missing there is no app to type codes from; `REKEY_TEST_OATHTOOL=required` makes that a failure.
#[tokio::test]
async fn a_reset_from_both_sides() {
    let is_there = Command::new("oathtool").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !is_there {
        assert!(std::env::var("REKEY_TEST_OATHTOOL").is_err(), "oathtool is required and missing");
        return;
    }
    let mut installation = Installation::new(Backend::Sqlite);
    installation.arguments = vec!["--demo"];
    let server = Server::start(&installation, None).await;
    let announced = server.log();
    let printed = |label: &str| announced.lines().find_map(|line| line.strip_prefix(label)).unwrap().trim().to_owned();
    let output = Command::new("bash")
        .arg("-c")
        .arg(block("A reset from both sides", "bash"))
        .env("CLIENT_ID", printed("Client id:"))
        .env("CLIENT_SECRET", printed("Client secret:"))
        .env("REKEY", &server.base)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}{err}\n{}", output.status, server.log());
    assert_eq!(out, block("A reset from both sides", "text"), "{err}\n{}", server.log());
}
