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
fn the_scripts_are_those_in_docs() {
    assert_eq!(block("A reset from both sides", "bash"), include_str!("../docs/reset-from-both-sides.sh"));
    assert_eq!(block("A reset of three customers", "bash"), include_str!("../docs/reset-many-customers.sh"));
}

/// Pastes the block below a heading, with the pair that the demo printed after `id` and `secret`.
async fn paste(heading: &str, options: &[&'static str], pair: [(&str, &str); 2]) {
    let mut installation = Installation::new(Backend::Sqlite);
    installation.arguments = [&["--demo"], options].concat();
    let server = Server::start(&installation, None).await;
    let announced = server.log();
    let printed = |label: &str| announced.lines().find_map(|line| line.strip_prefix(label)).unwrap().trim().to_owned();
    let output = Command::new("bash")
        .arg("-c")
        .arg(block(heading, "bash"))
        .envs(pair.map(|(variable, label)| (variable, printed(label))))
        .env("REKEY", &server.base)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}{err}\n{}", output.status, server.log());
    assert_eq!(out, block(heading, "text"), "{err}\n{}", server.log());
}

/// Where `oathtool` is missing there is no app to type codes from; `REKEY_TEST_OATHTOOL=required` makes that a failure.
#[tokio::test]
async fn a_reset_from_both_sides() {
    let is_there = Command::new("oathtool").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !is_there {
        assert!(std::env::var("REKEY_TEST_OATHTOOL").is_err(), "oathtool is required and missing");
        return;
    }
    let pair = [("CLIENT_ID", "Client id:"), ("CLIENT_SECRET", "Client secret:")];
    paste("A reset from both sides", &[], pair).await;
}

#[tokio::test]
async fn a_reset_of_three_customers() {
    let pair = [("PARTNER_ID", "  client id:"), ("PARTNER_SECRET", "  client secret:")];
    paste("A reset of three customers", &["--mfa-reset-rate", "1"], pair).await;
}
