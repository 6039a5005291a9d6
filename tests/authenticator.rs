//! The authenticator protocol as others meet it: its document, and the device for the terminal.

#[path = "support/mod.rs"]
mod support;

use std::{io::Write, process::Stdio};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rekey::methods::microsoft_authenticator::jws::{self, DeviceKey};
use serde_json::{Value, json};
use support::{
    Answer, Backend,
    authenticator::Key,
    process::{Installation, Server},
};

const PROTOCOL: &str = include_str!("../docs/authenticator-protocol.md");

/// What a vector signs: its name, `typ`, and claims.
fn vectors() -> [(&'static str, &'static str, Value); 3] {
    let device = "https://rekey.example/v1.0/authenticatorDevices/aa9f1f2e-3f4c-4c0a-8d3b-3f1f5a1f9d10/1b0c7b56-24a7-4a7c-9b66-b8c4a1a2f0a3/7d0a3c1e-6a53-4c7e-8f0e-2b9a4d1c5e6f";
    [
        (
            "An activation",
            "rekey-activation+jwt",
            json!({"activationCode": "K7QX-2MNB-PLRD-4WZA", "displayName": "Adele's phone", "deviceTag": "Android",
                "htu": "https://rekey.example/v1.0/authenticatorDevices/activate", "iat": 1_795_428_000}),
        ),
        (
            "A call",
            "dpop+jwt",
            json!({"jti": "5f0d3c6a", "htm": "GET", "htu": format!("{device}/requests"), "iat": 1_795_428_000}),
        ),
        (
            "An answer",
            "rekey-push-answer+jwt",
            json!({"requestId": "b1c9a4f0-0c58-4c55-9a39-53d0c0b1a7d2", "nonce": "q83vEjRWeJCrze8SNFZ4kA",
                "decision": "approve", "number": "42"}),
        ),
    ]
}

/// RFC 8037 appendix A.1.
fn ed25519() -> Key {
    Key::ed25519_of(&URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap())
}

/// RFC 7515 appendix A.3.1.
const P256_PRIVATE: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
const P256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const P256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

fn p256() -> Key {
    let decode = |text| URL_SAFE_NO_PAD.decode(text).unwrap();
    let point = [vec![4], decode(P256_X), decode(P256_Y)].concat();
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair =
        aws_lc_rs::signature::EcdsaKeyPair::from_private_key_and_public_key(algorithm, &decode(P256_PRIVATE), &point);
    Key::P256(pair.unwrap())
}

/// The texts of the document, each between its heading and the next.
fn sections() -> Vec<(String, Vec<String>)> {
    let (_, text) = PROTOCOL.split_once("<!-- vectors -->").expect("the document has vectors");
    let mut sections = vec![];
    for section in text.split("\n### ").skip(1) {
        let (heading, rest) = section.split_once('\n').unwrap();
        let blocks =
            rest.split("```").skip(1).step_by(2).map(|block| block.trim_start_matches("json").trim().to_owned());
        sections.push((heading.trim().to_owned(), blocks.collect()));
    }
    sections
}

/// As the document must be, for whoever changes it.
fn expected() -> String {
    let mut text = String::new();
    for key in [ed25519(), p256()] {
        for (name, typ, claims) in vectors() {
            let token = if typ == "dpop+jwt" { key.dpop(&claims) } else { key.sign(typ, &claims) };
            let header = String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
            let block = format!("```json\n{header}\n```\n```json\n{claims}\n```\n```\n{token}\n```\n");
            text += &format!("\n### {name}, {}\n\n{block}", key.algorithm());
        }
    }
    text
}

#[test]
fn the_documents_vectors_are_what_the_server_accepts() {
    let sections = sections();
    let mut checked = 0;
    for key in [ed25519(), p256()] {
        let stored = DeviceKey::parse(&key.jwk()).unwrap();
        for (name, typ, claims) in vectors() {
            let heading = format!("{name}, {}", key.algorithm());
            let Some((_, blocks)) = sections.iter().find(|(found, _)| *found == heading) else {
                panic!("the document lacks '{heading}'; it must end with\n{}", expected());
            };
            let [header, said, token] = blocks.as_slice() else { panic!("{heading}: {blocks:?}") };
            let parts: Vec<_> = token.split('.').collect();
            let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
            assert_eq!((&text(parts[0]), &text(parts[1])), (header, said), "{heading}");
            assert_eq!(serde_json::from_str::<Value>(said).unwrap(), claims, "{heading}");
            // By the server.
            assert_eq!(jws::verify::<Value>(&stored, typ, token).as_ref(), Some(&claims), "{heading}");
            assert_eq!(jws::key_in_header(token), (typ == jws::DPOP).then(|| stored.clone()), "{heading}");
            // And by whoever does not trust it.
            let signed = format!("{}.{}", parts[0], parts[1]);
            let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
            match &key {
                Key::Ed25519(pair) => {
                    let public = aws_lc_rs::signature::KeyPair::public_key(pair);
                    UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &signature).unwrap();
                    assert_eq!(key.signature(signed.as_bytes()), signature, "{heading}");
                }
                Key::P256(pair) => {
                    let public = aws_lc_rs::signature::KeyPair::public_key(pair);
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
                        .verify(signed.as_bytes(), &signature)
                        .unwrap();
                }
            }
            checked += 1;
        }
    }
    assert_eq!(checked, sections.len(), "a vector that nobody checks");
    // The keys that section 8 names.
    assert_eq!(ed25519().jwk()["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert!(PROTOCOL.contains("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
}

/// A server with one user who has one session after the other.
struct House {
    installation: Installation,
    server: Server,
    http: reqwest::Client,
    token: String,
}

const USER: &str = "adele@contoso.example";

impl House {
    async fn new() -> Self {
        let installation = Installation::new(Backend::Sqlite);
        let run = |arguments: &[&str]| installation.run(arguments);
        run(&["tenant", "create", "--name", "Contoso", "--domain", "contoso.example"]);
        let mut create = vec!["app", "create", "--tenant", "contoso.example", "--name", "Sign-in page"];
        for permission in
            ["SignIn.Verify.All", "SignIn.Assert.All", "User.ReadWrite.All", "UserAuthenticationMethod.ReadWrite.All"]
        {
            create.extend(["--permission", permission]);
        }
        let application = run(&create);
        std::fs::write(
            installation.path().join("users.csv"),
            format!("userPrincipalName,displayName\n{USER},Adele Vance\n"),
        )
        .unwrap();
        run(&["user", "import", "--tenant", "contoso.example", "users.csv"]);
        let server = Server::start(&installation, None).await;
        let http = reqwest::Client::new();
        let text = |name: &str| application[name].as_str().unwrap().to_owned();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            text("clientId"),
            text("clientSecret")
        );
        let url = format!("{}/{}/oauth2/v2.0/token", server.base, text("tenantId"));
        let request = http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
        let token = Answer::of(request).await.expect(200).json["access_token"].as_str().unwrap().to_owned();
        Self { installation, server, http, token }
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.http.post(format!("{}{path}", self.server.base)).bearer_auth(&self.token).json(&body)).await
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.server.base)).bearer_auth(&self.token);
        Answer::of(request).await.expect(200).json
    }

    /// An activation code.
    async fn code(&self) -> String {
        let path = format!("/v1.0/users/{USER}/authentication/microsoftAuthenticatorMethods");
        self.post(&path, json!({})).await.expect(201).json["activationCode"].as_str().unwrap().to_owned()
    }

    /// A sign-in that asks the app; its address and number.
    async fn push(&self, device: &str) -> (String, String) {
        let body = json!({"userPrincipalName": USER, "firstFactor": {"type": "asserted"}});
        let session = self.post("/v1.0/signInSessions", body).await.expect(201).json;
        let path = format!("/v1.0/signInSessions/{}", session["id"].as_str().unwrap());
        let prompt = self.post(&format!("{path}/challenge"), json!({"methodId": device})).await.expect(200).json;
        (path, prompt["number"].as_str().unwrap().to_owned())
    }

    fn authenticator(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rekey"));
        // In a folder of its own, with nothing of the server's at hand.
        command.current_dir(self.installation.path()).env_clear().arg("authenticator").args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// A command of the device that succeeds; what it prints.
    #[track_caller]
    fn device(&self, arguments: &[&str]) -> Value {
        let output = self.authenticator(arguments).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {err}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A command of the device that fails; what it says.
    #[track_caller]
    fn device_fails(&self, arguments: &[&str]) -> String {
        let output = self.authenticator(arguments).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test]
async fn the_terminal_is_a_device() {
    for algorithm in ["ES256", "EdDSA"] {
        let house = House::new().await;
        let base = house.server.base.clone();
        let file = &*format!("{algorithm}.key");
        let code = house.code().await;
        let activate = |code: &str| {
            ["activate", "--url", &base, "--code", code, "--algorithm", algorithm, "--key-file", file]
                .map(str::to_owned)
        };
        let wrong = activate("AAAA-AAAA-AAAA-AAAA");
        let said = house.device_fails(&wrong.each_ref().map(String::as_str));
        assert!(said.contains("activation code"), "{said}");
        assert!(!house.installation.path().join(file).exists(), "a failed activation leaves no key");
        let right = activate(&code);
        let device = house.device(&right.each_ref().map(String::as_str));
        let id = device["deviceId"].as_str().unwrap();
        assert_eq!(device["userPrincipalName"], USER);
        let kept = house.installation.path().join(file);
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&kept).unwrap().permissions()) & 0o777,
            0o600
        );
        // The key of another account is never written over.
        let again = activate(&house.code().await);
        house.device_fails(&again.each_ref().map(String::as_str));

        assert_eq!(house.device(&["list", "--key-file", file]), json!([]));
        house.device_fails(&["answer", "--deny", "--key-file", file]);
        let (session, number) = house.push(id).await;
        let open = house.device(&["list", "--key-file", file]);
        assert_eq!(open[0]["applicationDisplayName"], "Sign-in page");
        for wrong in [
            &["answer", "--approve"][..],
            &["answer"],
            &["answer", "--deny", "--number", "42"],
            &["answer", "--deny", "--approve"],
        ] {
            house.device_fails(&[wrong, &["--key-file", file]].concat());
        }
        let answered = house.device(&["answer", "--approve", "--number", &number, "--key-file", file]);
        assert_eq!(answered, json!({"requestId": open[0]["id"], "decision": "approve"}));
        assert_eq!(house.get(&session).await["status"], "completed");

        let (session, _) = house.push(id).await;
        assert_eq!(house.device(&["answer", "--deny", "--key-file", file])["decision"], "deny");
        assert_eq!(house.get(&session).await["status"], "mfaRequired");
        let (session, _) = house.push(id).await;
        let said = house.device_fails(&["answer", "--approve", "--number", "00", "--key-file", file]);
        assert!(said.contains("number"), "{said}");
        assert_eq!(house.get(&session).await["status"], "mfaRequired");
        house.post(&format!("/v1.0/users/{USER}/authentication/resetMfa"), json!({})).await.expect(200);
        let said = house.device_fails(&["list", "--key-file", file]);
        assert!(said.contains("401"), "{said}");
    }
}

#[tokio::test]
async fn the_terminal_asks_its_user() {
    let house = House::new().await;
    let code = house.code().await;
    let device = house.device(&["activate", "--url", &house.server.base, "--code", &code]);
    let (session, number) = house.push(device["deviceId"].as_str().unwrap()).await;
    let mut watch = house.authenticator(&["watch", "--once"]);
    let mut watching = watch.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    watching.stdin.take().unwrap().write_all(format!("{number}\n").as_bytes()).unwrap();
    let output = watching.wait_with_output().unwrap();
    let asked = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && asked.contains("Sign-in page asks"), "{asked}");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["decision"], "approve");
    assert_eq!(house.get(&session).await["status"], "completed");

    assert_eq!(house.device(&["remove"])["removed"], true);
    assert!(!house.installation.path().join("rekey-authenticator.key").exists());
    house.device_fails(&["list"]);
}
