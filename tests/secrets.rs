//! No secret in a log line or in any answer but the one that reveals it: every operation of the document is executed
//! against the real binary, logging as much as it can, and everything it said is searched for every secret there is.

#[path = "support/mod.rs"]
mod support;

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER};
use rekey::demo;
use serde_json::Value;
use support::{
    Answer, Backend,
    document::Document,
    postgres,
    process::{Installation, Server},
};

/// Something that must not be said, and the only operation whose answer may say it.
struct Secret {
    name: &'static str,
    text: String,
    revealed_by: Option<&'static str>,
}

impl Secret {
    fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, text: text.into(), revealed_by: None }
    }
}

/// A binary secret in the spellings in which it might slip out.
fn spellings(name: &'static str, bytes: &[u8]) -> Vec<Secret> {
    let list = format!("{bytes:?}");
    [BASE32_NOPAD.encode(bytes), HEXLOWER.encode(bytes), BASE64.encode(bytes), BASE64URL_NOPAD.encode(bytes), list]
        .map(|text| Secret::new(name, text))
        .into()
}

async fn nothing_slips_out(backend: Backend) {
    let mut installation = Installation::new(backend);
    installation.arguments = vec!["--demo"];
    installation.log = "trace";
    let server = Server::start(&installation, None).await;
    let http = reqwest::Client::new();
    let announced = server.log();
    let printed = |label: &str| {
        let line = announced.lines().find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("no {label} in {announced}")).trim().to_owned()
    };
    let (client_id, client_secret) = (printed("Client id:"), printed("Client secret:"));
    let form = format!("grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}");
    let token_url = format!("{}/{}/oauth2/v2.0/token", server.base, demo::EXAMPLE_TENANT);
    let request = http.post(&token_url).header("content-type", "application/x-www-form-urlencoded").body(form);
    let token = Answer::of(request).await.expect(200).json["access_token"].as_str().unwrap().to_owned();

    // Reads, then changes, then deletions: each finds what it needs as far as possible, and refusals are read too.
    let document = Document::parse(&rekey::api::document().unwrap());
    let mut operations = document.operations();
    operations.sort_by_key(|operation| match operation.method.as_str() {
        "GET" => 0,
        "DELETE" => 2,
        _ => 1,
    });
    let mut answers = vec![];
    for operation in &operations {
        let answer = Answer::of(operation.request(&http, &server.base).bearer_auth(&token)).await;
        assert!(answer.status.as_u16() < 500, "{operation}: {}", answer.text);
        answers.push((operation.id.clone(), answer));
    }

    let key_file = std::fs::read_to_string(installation.path().join("rekey.key")).unwrap();
    let sealing_key = key_file.trim().split(':').nth(1).unwrap();
    let mut secrets = vec![
        Secret::new("the client secret", &client_secret),
        Secret::new("the access token", &token),
        Secret::new("the demo password", demo::PASSWORD),
        Secret::new("a password's hash", "$argon2"),
        Secret::new("a private key", "BEGIN PRIVATE KEY"),
        Secret::new("a sealed secret", format!("{}.", key_file.split(':').next().unwrap())),
    ];
    secrets.extend(spellings("the sealing key", &HEXLOWER.decode(sealing_key.as_bytes()).unwrap()));
    secrets.extend(spellings("the TOTP secret", &BASE32_NOPAD.decode(demo::TOTP_SECRET.as_bytes()).unwrap()));
    for (id, answer) in &answers {
        for property in [
            "temporaryAccessPass",
            "secretKey",
            "otpauthUri",
            "qrCode",
            "newPassword",
            "activationCode",
            "activationUri",
        ] {
            if let Some(text) = answer.json[property].as_str() {
                let revealed_by = Some(operations.iter().find(|it| it.id == *id).unwrap().id.clone().leak() as &str);
                secrets.push(Secret { name: "a revealed secret", text: text.into(), revealed_by });
            }
        }
    }
    assert!(secrets.iter().filter(|secret| secret.revealed_by.is_some()).count() >= 3, "nothing was revealed");
    // What was sent to people.
    let path = installation.path().join("rekey.outbox.jsonl");
    let mut outbox = String::new();
    for _ in 0..600 {
        outbox = std::fs::read_to_string(&path).unwrap();
        if !outbox.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let texts =
        outbox.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_owned());
    secrets.extend(texts.map(|text| Secret::new("a message", text)));
    assert!(secrets.iter().any(|secret| secret.name == "a message"), "nothing was sent");
    // What callers sent: secrets of tokens and passwords of users.
    for operation in &operations {
        let example = operation.body.as_ref().and_then(|body| body.example.clone()).unwrap_or_default();
        for pointer in [
            "/secretKey",
            "/passwordProfile/password",
            "/value/0/secretKey",
            "/newPassword",
            "/currentPassword",
            "/firstFactor/password",
            "/activationCode",
        ] {
            if let Some(text) = example.pointer(pointer).and_then(Value::as_str) {
                secrets.push(Secret::new("a secret that was sent", text));
            }
        }
    }

    let log = server.log();
    let log = &log[announced.len()..];
    assert!(log.lines().count() >= operations.len(), "the log is too short to mean anything");
    for secret in &secrets {
        assert!(
            secret.text.len() >= 8
                || secret.revealed_by.is_some()
                || secret.text.ends_with('.')
                || secret.text.starts_with('$')
        );
        assert!(!log.contains(&secret.text), "the log holds {}", secret.name);
        for (id, answer) in &answers {
            let may = secret.revealed_by == Some(id.as_str());
            let said = answer.text.contains(&secret.text) || format!("{:?}", answer.headers).contains(&secret.text);
            assert!(may || !said, "the answer of {id} holds {}: {}", secret.name, answer.text);
        }
    }
}

#[tokio::test]
async fn nothing_slips_out_on_sqlite() {
    nothing_slips_out(Backend::Sqlite).await;
}

#[tokio::test]
async fn nothing_slips_out_on_postgres() {
    if postgres::cluster().is_some() {
        nothing_slips_out(Backend::Postgres).await;
    }
}
