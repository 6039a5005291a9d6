//! The import of PSKC (RFC 6030), over HTTP and at the command line.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oath_fixtures::{DEVICES, SECRET, add_member, assert_unsaid, events, last_event},
    support::{Answer, TestApp, backends, on_each_backend, process::Installation},
    totp::Token,
};

const ADELE: &str = "adele@contoso.example";
/// Files of an independent tool; see tests/fixtures/README.md.
const PLAIN: &str = include_str!("../fixtures/pskc/plain.pskcxml");
const PRESHARED: &str = include_str!("../fixtures/pskc/preshared.pskcxml");
const PASSWORD: &str = include_str!("../fixtures/pskc/password-sha256.pskcxml");

async fn import(app: &TestApp, token: &str, file: impl Into<String>) -> Answer {
    let request = app.http.request(Method::POST, format!("{}{DEVICES}/import", app.base)).bearer_auth(token);
    Answer::of(request.header("content-type", "application/pskc+xml").body(file.into())).await
}

fn counts(report: &Value) -> [usize; 4] {
    let count = |name| usize::try_from(report[name].as_u64().unwrap()).unwrap();
    [count("imported"), count("assigned"), count("skipped"), report["failed"].as_array().unwrap().len()]
}

async fn activate(app: &TestApp, serial: &str, code: &str) -> Answer {
    let path = format!("/v1.0/users/{ADELE}/authentication/hardwareOathMethods/assignAndActivateBySerialNumber");
    app.post(&path, json!({"serialNumber": serial, "verificationCode": code})).await
}

fn now() -> u64 {
    rekey::clock::Clock::System.now().seconds().try_into().unwrap()
}

/// A file of so many tokens.
fn long_file(tokens: usize) -> String {
    let package = |number| {
        format!(
            "<KeyPackage><DeviceInfo><SerialNo>S{number}</SerialNo></DeviceInfo><Key Algorithm=\"\
             urn:ietf:params:xml:ns:keyprov:pskc:totp\"><Data><Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=\
             </PlainValue></Secret></Data></Key></KeyPackage>\n"
        )
    };
    let packages: String = (0..tokens).map(package).collect();
    format!("<KeyContainer xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\">\n{packages}</KeyContainer>")
}

#[tokio::test]
async fn a_vendors_file_lands_and_its_tokens_work() {
    on_each_backend(async |app| {
        add_member(&app, ADELE).await;
        let report = import(&app, &app.token, PLAIN).await.expect(200);
        assert_eq!(counts(&report.json), [5, 1, 0, 3], "{}", report.text);
        let failed: Vec<_> = report.json["failed"].as_array().unwrap().iter().collect();
        let line = |serial| PLAIN.lines().position(|line| line.contains(serial)).unwrap() - 2;
        let lines: Vec<_> = failed.iter().map(|row| row["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, [line(">TOTP-60-SHA256<"), line(">OCRA<"), line(">EXPIRED<")].map(|line| line as u64));
        for (row, word) in failed.iter().zip(["nobody@contoso.example does not exist", "algorithm", "expired"]) {
            assert!(row["reason"].as_str().unwrap().contains(word), "{row}");
        }
        for secret in [SECRET, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="] {
            assert!(!report.text.contains(secret), "{}", report.text);
            assert_unsaid(&app, secret).await;
        }
        let named: Vec<_> = events(&app).await.into_iter().map(|event| event.activity_display_name).collect();
        assert_eq!(named, ["Admin registered security info", "Bulk upload Hardware Oath Tokens"]);
        let again = import(&app, &app.token, PLAIN).await.expect(200);
        assert_eq!(counts(&again.json), [0, 0, 5, 3], "{}", again.text);
        assert_eq!(events(&app).await.len(), 2);

        let device = app.get(&format!("{DEVICES}?$filter=serialNumber eq 'HOTP-6'")).await.expect(200).json;
        let device = &device["value"][0];
        assert_eq!((&device["displayName"], &device["manufacturer"]), (&json!("Blue & small"), &json!("oath.Feitian")));
        assert_eq!((&device["otpType"], &device["model"]), (&json!("hotp"), &json!("c200")));
        // The file says that the counter is 5 (RFC 4226 appendix D has its code): 4 is spent.
        activate(&app, "HOTP-6", "338314").await.expect_error(400, "badRequest");
        activate(&app, "HOTP-6", "254676").await.expect(204);
        // The file says that this clock is two steps behind; it belongs to Adele already.
        let code = Token::hardware(SECRET).code_at(now() - 60);
        let list = format!("/v1.0/users/{ADELE}/authentication/hardwareOathMethods");
        let all = app.get(&list).await.expect(200).json;
        let all = all["value"].as_array().unwrap();
        let id = all.iter().find(|it| it["device"]["serialNumber"] == "TOTP-30").unwrap()["id"].as_str().unwrap();
        app.post(&format!("{list}/{id}/activate"), json!({"verificationCode": code})).await.expect(204);
        let seed = data_encoding::BASE32.encode(b"12345678901234567890123456789012");
        let token = Token::new(&seed, "hmacsha256", 8, 60);
        activate(&app, "TOTP-60-SHA256", &token.code()).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_trusted_imports_nothing() {
    on_each_backend(async |app| {
        let good = long_file(250);
        for (file, word) in [
            (PRESHARED.to_owned(), "--key-file"),
            (PASSWORD.to_owned(), "--password-file"),
            (good[..good.len() - 20].to_owned(), "breaks off"),
            (good.replace("S249</SerialNo>", "S249</Serial>"), "well-formed"),
            (good.replace("S249", &"9".repeat(70_000)), "does not end"),
            (format!("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{good}"), "Document types"),
            (good.replace("S249", "&x;"), "entities"),
            ("upn,serial number\n".into(), "KeyContainer"),
            (String::new(), "KeyContainer"),
        ] {
            let answer = import(&app, &app.token, file).await.expect_error(400, "badRequest");
            assert!(answer.text.contains(word), "{word}: {}", answer.text);
        }
        let request = app.request(Method::POST, &format!("{DEVICES}/import")).header("content-type", "application/xml");
        Answer::of(request.body(good)).await.expect_error(415, "unsupportedMediaType");
        let reader = app.token_with(&app.tenant, &["Policy.Read.All"]).await;
        for file in [PLAIN, "nonsense"] {
            import(&app, &reader, file).await.expect_error(403, "accessDenied");
            assert_eq!(last_event(&app).await.result, "failure");
        }
        assert_eq!(app.get(DEVICES).await.expect(200).json["value"], json!([]));
        assert!(events(&app).await.iter().all(|event| event.result == "failure"));
    })
    .await;
}

#[tokio::test]
async fn long_files_land_in_pieces() {
    on_each_backend(async |app| {
        let send = |body: String| {
            let request = app.request(Method::POST, &format!("{DEVICES}/import"));
            let request = request.header("content-type", "Application/PSKC+XML; charset=utf-8");
            Answer::of(request.header("idempotency-key", "long").body(body))
        };
        // A duplicate, a token without a serial number and one without a secret among them.
        let file = long_file(450)
            .replace("<SerialNo>S440<", "<SerialNo>S1<")
            .replace("<SerialNo>S2</SerialNo>", "")
            .replace("<SerialNo>S3<", "<SerialNo> <");
        let answer = send(file.clone()).await.expect(200);
        assert_eq!(counts(&answer.json), [447, 0, 1, 2], "{}", answer.text);
        assert_eq!(answer.json["failed"][0]["line"], 4);
        assert_eq!(events(&app).await.len(), 3, "one for each piece");
        assert_eq!(send(file.clone()).await.expect(200).json, answer.json);
        send(long_file(1)).await.expect(422);
        let list = app.get(&format!("{DEVICES}?$top=999")).await.expect(200).json;
        assert_eq!(list["value"].as_array().unwrap().len(), 447);
    })
    .await;
}

#[test]
fn encrypted_files_are_imported_at_the_command_line() {
    for backend in backends() {
        let installation = Installation::new(backend);
        let tenant = ["--tenant", "contoso.example"];
        installation.run(&["tenant", "create", "--name", "Contoso", "--domain", tenant[1]]);
        let write = |name: &str, text: &str| {
            let path = installation.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let import = |file: &str, more: &[&str]| {
            let arguments = [["hardware-oath", "import"].as_slice(), &tenant, more, &[file]].concat();
            installation.try_run(&arguments)
        };
        let (plain, preshared) = (write("plain.xml", PLAIN), write("preshared.pskc", PRESHARED));
        let password = write("password.xml", PASSWORD);
        let csv = write("tokens.csv", "upn,serial number,secret key,time interval,manufacturer,model\n");
        let key = write("key", "000102030405060708090A0B0C0D0E0F\n");
        let other = write("other", "000102030405060708090A0B0C0D0E00\n");
        let (phrase, wrong) = (write("phrase", "correct horse battery staple\n"), write("wrong", "wrong\n"));
        let (long, no_hex) = (write("long", &"0".repeat(10_000)), write("no hex", "correct"));

        for (file, more) in [
            (&preshared, vec![]),
            (&preshared, vec!["--key-file", &other]),
            (&preshared, vec!["--key-file", &no_hex]),
            (&preshared, vec!["--key-file", &long]),
            (&preshared, vec!["--key-file", "/nowhere"]),
            (&preshared, vec!["--password-file", &phrase]),
            (&preshared, vec!["--password-file", &phrase, "--key-file", &key]),
            (&password, vec!["--password-file", &wrong]),
            (&password, vec!["--key-file", &key]),
            (&csv, vec!["--key-file", &key]),
        ] {
            let message = import(file, &more).expect_err("refused");
            assert!(!message.is_empty() && !message.contains("correct horse"), "{message}");
        }
        // Nothing of those landed; what lands is the same whichever way it is protected.
        let report = import(&preshared, &["--key-file", &key]).unwrap();
        assert_eq!(counts(&report), [5, 0, 0, 4], "{report}");
        let report = import(&password, &["--password-file", &phrase]).unwrap();
        assert_eq!(counts(&report), [0, 0, 5, 4], "{report}");
        assert_eq!(counts(&import(&plain, &[]).unwrap()), [0, 0, 5, 4]);
        assert_eq!(counts(&import(&csv, &[]).unwrap()), [0; 4]);
    }
}
