//! Delivery from the outbox: signed, retried, once for every message.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use rekey::{
    clock::Clock,
    delivery::{Delivery, OutboxFile, Reach, Sender, Senders, Signer, Smtp, Wake, Webhook},
    messages::{self, Message},
    store::{Context, Store, messages::Channel},
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    receivers::{MailServer, Received, WebServer},
    support::{Backend, Setup, TestApp, backends, database, on_each_backend},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn signer() -> Signer {
    Signer::parse(&SECRET.into()).unwrap()
}

fn sms_to(receiver: &WebServer) -> Senders {
    let webhook = Webhook::new(receiver.url.parse().unwrap(), signer()).unwrap();
    Senders { sms: Some(Sender::Webhook(webhook)), ..Senders::default() }
}

fn delivery(app: &TestApp, senders: Senders) -> Delivery {
    Delivery::new(app.app.store.clone(), senders).unwrap()
}

/// Puts a message into the outbox that is good for five minutes.
async fn enqueue(app: &TestApp, channel: Channel, to: &str) {
    let (tenant, to) = (app.tenant.clone(), to.to_owned());
    let write = app.app.store.write(&app.tenant, move |tx| {
        let subject = (channel == Channel::Email).then(|| "Für Sie".to_owned());
        let text = "123456 is your code — geheim.".into();
        messages::enqueue(
            tx,
            &tenant,
            &Message { channel, to: to.clone(), subject, text, expires_at: tx.now().plus_minutes(5) },
        )
    });
    write.await.unwrap();
}

fn waiting(app: &TestApp) -> usize {
    database::digest(app)["messages"].len()
}

/// A server whose clock is in the test's hand.
async fn with_manual_clock(backend: Backend) -> TestApp {
    TestApp::start_as(backend, Setup { clock: Clock::manual(Clock::System.now()), ..Setup::default() }).await
}

fn pass(app: &TestApp, seconds: i64) {
    app.app.store.context().clock.advance_seconds(seconds);
}

/// By the specification, not by the code under test.
fn assert_signed(received: &Received) {
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let [id, timestamp] = ["webhook-id", "webhook-timestamp"].map(|name| received.header(name));
    let signed = format!("{id}.{timestamp}.{}", received.body);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
    assert_eq!(received.header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac)));
}

#[tokio::test]
async fn a_webhook_gets_signed_messages_until_it_takes_them() {
    for backend in backends() {
        let app = with_manual_clock(backend).await;
        let receiver = WebServer::start().await;
        let delivery = delivery(&app, sms_to(&receiver));
        assert_eq!(delivery.drain().await.unwrap(), 0);
        enqueue(&app, Channel::Sms, "+1 2065550100").await;
        // Nobody serves this channel here.
        enqueue(&app, Channel::Voice, "+1 2065550100").await;

        // A redirect is not followed, and no success.
        for (status, wait) in [(500, 2), (302, 4), (401, 8)] {
            receiver.answer(status);
            assert_eq!(delivery.drain().await.unwrap(), 1);
            assert_eq!(delivery.drain().await.unwrap(), 0, "not before its time");
            pass(&app, wait - 1);
            assert_eq!(delivery.drain().await.unwrap(), 0, "not before its time");
            pass(&app, 1);
        }
        receiver.answer(204);
        assert_eq!(delivery.drain().await.unwrap(), 1);
        pass(&app, 100);
        assert_eq!(delivery.drain().await.unwrap(), 0);
        assert_eq!(waiting(&app), 1);

        let received = receiver.received();
        assert_eq!(received.len(), 4);
        for one in &received {
            assert_eq!((one.path.as_str(), one.header("content-type")), ("/receive", "application/json"));
            assert_eq!(one.header("webhook-id"), received[0].header("webhook-id"), "a receiver knows it again");
            assert_signed(one);
        }
        let timestamps: BTreeSet<_> = received.iter().map(|one| one.header("webhook-timestamp")).collect();
        assert_eq!(timestamps.len(), 4, "each attempt says when it was made");
        let body: Value = serde_json::from_str(&received[3].body).unwrap();
        assert_eq!(body["id"], received[3].header("webhook-id"));
        assert_eq!(body["tenantId"], app.tenant.as_str());
        assert_eq!(body["channel"], "sms");
        assert_eq!(body["to"], "+1 2065550100");
        assert_eq!(body["text"], "123456 is your code — geheim.");
        assert!(body["expirationDateTime"].as_str().unwrap().ends_with('Z'));
        let count = |result: &str| delivery.attempts.with_label_values(&["sms", result]).get();
        assert_eq!([count("sent"), count("failed"), count("dropped")], [1, 3, 0]);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_in_time_is_given_up() {
    for backend in backends() {
        let app = with_manual_clock(backend).await;
        let receiver = WebServer::start().await;
        let delivery = delivery(&app, sms_to(&receiver));
        receiver.answer(503);
        enqueue(&app, Channel::Sms, "+1 2065550100").await;
        for _ in 0..300 {
            delivery.drain().await.unwrap();
            pass(&app, 1);
        }
        assert_eq!(waiting(&app), 0);
        assert_eq!(receiver.received().len(), 8);

        // Too late already when it is found: not even tried.
        enqueue(&app, Channel::Sms, "+1 2065550100").await;
        pass(&app, 300);
        delivery.drain().await.unwrap();
        // The receiver is gone for good.
        receiver.answer(410);
        enqueue(&app, Channel::Sms, "+1 2065550100").await;
        delivery.drain().await.unwrap();
        assert_eq!((waiting(&app), receiver.received().len()), (0, 9));

        // Without a sender it ends by itself.
        enqueue(&app, Channel::Email, "adele@fabrikam.example").await;
        pass(&app, 300);
        rekey::worker::run_once(&app.app.store).await.unwrap();
        assert_eq!(waiting(&app), 0);
    }
}

#[tokio::test]
async fn workers_share_the_outbox() {
    on_each_backend(async |app| {
        const MESSAGES: usize = 60;
        for number in 0..MESSAGES {
            enqueue(&app, Channel::Sms, &format!("+1 20655501{number:02}")).await;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = OutboxFile::new(folder.path().join("shared.jsonl")).unwrap();
        // Two processes have a store each.
        let context = app.app.store.context();
        let again = Context::new(
            context.clock.clone(),
            context.entropy.clone(),
            context.sealer.clone(),
            rekey::reports::classify,
        );
        let other = Store::open(&app.database, again).unwrap();
        let mine = delivery(&app, Senders::default().otherwise(&file));
        let theirs = Delivery::new(other, Senders::default().otherwise(&file)).unwrap();
        let (here, there) = tokio::join!(mine.drain(), theirs.drain());
        assert_eq!(here.unwrap() + there.unwrap(), MESSAGES);
        let lines = std::fs::read_to_string(file.path()).unwrap();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids: BTreeSet<_> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
        assert_eq!((lines.len(), ids.len()), (MESSAGES, MESSAGES));
        assert_eq!(waiting(&app), 0);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        }
    })
    .await;
}

#[tokio::test]
async fn the_running_worker_finds_new_messages_by_itself() {
    on_each_backend(async |app| {
        let receiver = WebServer::start().await;
        let worker = tokio::spawn(delivery(&app, sms_to(&receiver)).run());
        for round in 1..=40 {
            enqueue(&app, Channel::Sms, "+1 2065550100").await;
            // More than it sends at the same time.
            if round % 20 == 0 {
                for _ in 0..600 {
                    if receiver.received().len() == round && waiting(&app) == 0 {
                        break;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                assert_eq!((receiver.received().len(), waiting(&app)), (round, 0));
            }
        }
        worker.abort();
    })
    .await;
}

#[tokio::test]
async fn whoever_dies_with_a_message_loses_it() {
    for backend in backends() {
        let app = with_manual_clock(backend).await;
        enqueue(&app, Channel::Sms, "+1 2065550100").await;
        let write = app.app.store.write(&app.tenant, |tx| {
            let mut row = rekey::store::messages::due(tx, Channel::Sms, &[], 10)?.remove(0);
            let seen = row.clone();
            let lease = tx.now().plus_seconds(60);
            assert!(rekey::store::messages::claim(tx, &mut row, lease)?);
            assert!(!rekey::store::messages::claim(tx, &mut seen.clone(), lease)?, "claimed twice");
            // What was seen before the claim neither ends nor delays the message.
            rekey::store::messages::delete(tx, &seen)?;
            rekey::store::messages::postpone(tx, &seen, tx.now())
        });
        write.await.unwrap();
        pass(&app, 59);
        assert_eq!(app.sent().await, []);
        pass(&app, 1);
        assert_eq!(app.sent().await.len(), 1);
        pass(&app, 120);
        assert_eq!(app.sent().await.len(), 1);
    }
}

#[tokio::test]
async fn a_mail_server_gets_whole_mails() {
    for backend in backends() {
        let app = with_manual_clock(backend).await;
        let server = MailServer::start().await;
        let smtp = Smtp::new(&server.url.as_str().into(), "Rekey <no-reply@rekey.example>").unwrap();
        let senders = Senders { email: Some(Sender::Smtp(Box::new(smtp))), ..Senders::default() };
        let delivery = delivery(&app, senders);
        enqueue(&app, Channel::Email, "adele@fabrikam.example").await;
        server.answer_recipients("451 4.7.1 <adele@fabrikam.example> greylisted");
        delivery.drain().await.unwrap();
        assert_eq!(server.mails(), []);
        server.answer_recipients("250 OK");
        pass(&app, 2);
        delivery.drain().await.unwrap();
        let mails = server.mails();
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].from.split(' ').nth(1).unwrap(), "FROM:<no-reply@rekey.example>");
        assert_eq!(mails[0].to, "RCPT TO:<adele@fabrikam.example>");
        let (header, body) = mails[0].data.split_once("\n\n").unwrap();
        for wanted in [
            "From: Rekey <no-reply@rekey.example>",
            "To: adele@fabrikam.example",
            "Subject: =?utf-8?b?RsO8cg==?= Sie",
            "Auto-Submitted: auto-generated",
            "@rekey.example>",
            "Content-Type: text/plain; charset=utf-8",
            "MIME-Version: 1.0",
        ] {
            assert!(header.contains(wanted), "{wanted} in {header}");
        }
        assert!(body.starts_with("123456 is your code"), "{body}");

        // Nobody by that name: no second attempt.
        server.answer_recipients("550 5.1.1 no such user");
        enqueue(&app, Channel::Email, "nobody@fabrikam.example").await;
        delivery.drain().await.unwrap();
        assert_eq!(waiting(&app), 0);
        assert_eq!(delivery.attempts.with_label_values(&["email", "dropped"]).get(), 1);
    }
}

#[tokio::test]
async fn a_device_is_woken_at_its_own_address() {
    on_each_backend(async |app| {
        let receiver = WebServer::start().await;
        let to =
            |reach| Senders { push: Some(Sender::Wake(Wake::new(signer(), reach).unwrap())), ..Senders::default() };
        enqueue(&app, Channel::Push, &receiver.url).await;
        delivery(&app, to(Reach::Any)).drain().await.unwrap();
        let received = receiver.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].body, "123456 is your code — geheim.");
        assert_signed(&received[0]);

        // It asks by itself as well: there is one attempt.
        receiver.answer(500);
        enqueue(&app, Channel::Push, &receiver.url).await;
        delivery(&app, to(Reach::Any)).drain().await.unwrap();
        assert_eq!((receiver.received().len(), waiting(&app)), (2, 0));

        // From the internet nobody reaches into this network.
        let port = receiver.url.rsplit(':').next().unwrap().to_owned();
        for host in ["http://127.0.0.1", "https://127.0.0.1", "https://localhost", "https://[::1]"] {
            enqueue(&app, Channel::Push, &format!("{host}:{port}")).await;
        }
        delivery(&app, to(Reach::Public)).drain().await.unwrap();
        assert_eq!(receiver.received().len(), 2);
    })
    .await;
}

/// The addresses of devices are their own, and one may be made to hang.
#[tokio::test]
async fn a_device_that_never_answers_delays_its_own_tenant_only() {
    on_each_backend(async |mut app| {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", silent.local_addr().unwrap());
        let receiver = WebServer::start().await;
        for _ in 0..200 {
            enqueue(&app, Channel::Push, &address).await;
        }
        let own = app.tenant.clone();
        app.tenant = app.new_tenant("fabrikam.example").await;
        enqueue(&app, Channel::Push, &receiver.url).await;
        app.tenant = own;
        let wake = Wake::new(signer(), Reach::Any).unwrap();
        let senders = Senders { push: Some(Sender::Wake(wake)), ..Senders::default() };
        let worker = tokio::spawn(delivery(&app, senders).run());
        for _ in 0..600 {
            if !receiver.received().is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(receiver.received().len(), 1);
        assert!(waiting(&app) > 1, "what hangs was not waited for");
        worker.abort();
    })
    .await;
}

/// Nor do devices that answer slowly, each in its own time, so that one is always done.
#[tokio::test]
async fn slow_devices_of_one_tenant_leave_room_for_others() {
    on_each_backend(async |mut app| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let slow = format!("http://{}/", listener.local_addr().unwrap());
        let device = tokio::spawn(async move {
            for number in 0_u64.. {
                let (mut connection, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    assert!(connection.read(&mut [0; 4096]).await.unwrap() > 0);
                    tokio::time::sleep(std::time::Duration::from_millis(100 + number % 4 * 130)).await;
                    let done = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    connection.write_all(done).await.unwrap();
                });
            }
        });
        let receiver = WebServer::start().await;
        for _ in 0..200 {
            enqueue(&app, Channel::Push, &slow).await;
        }
        let own = app.tenant.clone();
        app.tenant = app.new_tenant("fabrikam.example").await;
        enqueue(&app, Channel::Push, &receiver.url).await;
        app.tenant = own;
        let wake = Wake::new(signer(), Reach::Any).unwrap();
        let senders = Senders { push: Some(Sender::Wake(wake)), ..Senders::default() };
        let worker = tokio::spawn(delivery(&app, senders).run());
        while receiver.received().is_empty() {
            assert!(waiting(&app) > 0, "the other tenant's wake-up was lost");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        // Many of the older ones still wait.
        assert!(waiting(&app) > 100, "{}", waiting(&app));
        worker.abort();
        device.abort();
    })
    .await;
}

/// The wait begins when an attempt ends: one that takes long is not made again at once.
#[tokio::test]
async fn a_slow_failure_is_waited_for_as_well() {
    for backend in backends() {
        let app = with_manual_clock(backend).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let clock = app.app.store.context().clock.clone();
        let gateway = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                clock.advance_seconds(20);
                let refusal = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                assert!(connection.read(&mut [0; 4096]).await.unwrap() > 0);
                connection.write_all(refusal).await.unwrap();
            }
        });
        let webhook = Webhook::new(url.parse().unwrap(), signer()).unwrap();
        let delivery = delivery(&app, Senders { sms: Some(Sender::Webhook(webhook)), ..Senders::default() });
        enqueue(&app, Channel::Sms, "+1 2065550100").await;
        assert_eq!(delivery.drain().await.unwrap(), 1);
        pass(&app, 1);
        assert_eq!(delivery.drain().await.unwrap(), 0, "not before its time");
        pass(&app, 1);
        assert_eq!(delivery.drain().await.unwrap(), 1);
        gateway.abort();
    }
}
