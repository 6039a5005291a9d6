//! Whoever takes messages at the other end: a web server and a mail server, each as small as can be.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, Ordering},
};

use poem::{
    EndpointExt, Request, Response, Route, Server,
    http::{HeaderMap, StatusCode},
    listener::{Acceptor, Listener, TcpListener},
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// A web server that keeps what it gets, and answers as it is told.
pub struct WebServer {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    status: Arc<AtomicU16>,
}

impl WebServer {
    pub async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let url = format!("http://{}/receive", acceptor.local_addr()[0].as_socket_addr().unwrap());
        let (received, status) = (Arc::<Mutex<Vec<Received>>>::default(), Arc::new(AtomicU16::new(200)));
        let (into, answer) = (received.clone(), status.clone());
        let endpoint = poem::endpoint::make(move |mut request: Request| {
            let (into, answer) = (into.clone(), answer.clone());
            async move {
                let body = request.take_body().into_string().await.unwrap();
                let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
                into.lock().unwrap().push(Received { path, headers, body });
                let status = StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap();
                Ok::<_, poem::Error>(Response::builder().status(status).header("location", "/elsewhere").finish())
            }
        });
        tokio::spawn(Server::new_with_acceptor(acceptor).run(Route::new().nest("/", endpoint.boxed())));
        Self { url, received, status }
    }

    /// From now on.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: String,
    /// Header and body.
    pub data: String,
}

/// A mail server (RFC 5321 section 4.5.1, the least of it) that keeps what it gets.
pub struct MailServer {
    pub url: String,
    mails: Arc<Mutex<Vec<Mail>>>,
    /// What it answers to RCPT.
    recipient: Arc<Mutex<String>>,
}

impl MailServer {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let mails = Arc::<Mutex<Vec<Mail>>>::default();
        let recipient = Arc::new(Mutex::new("250 OK".to_owned()));
        let (into, answer) = (mails.clone(), recipient.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = converse(stream, &into, &answer).await;
            }
        });
        Self { url, mails, recipient }
    }

    pub fn answer_recipients(&self, line: &str) {
        line.clone_into(&mut self.recipient.lock().unwrap());
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }
}

async fn converse(
    mut stream: tokio::net::TcpStream,
    mails: &Mutex<Vec<Mail>>,
    recipient: &Mutex<String>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    let mut mail = Mail::default();
    write.write_all(b"220 mail.example ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => "250 mail.example".to_owned(),
            "MAIL" => {
                mail.from = line;
                "250 OK".into()
            }
            "RCPT" => {
                mail.to = line;
                recipient.lock().unwrap().clone()
            }
            "DATA" => {
                write.write_all(b"354 Go on\r\n").await?;
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    mail.data += &format!("{line}\n");
                }
                mails.lock().unwrap().push(std::mem::take(&mut mail));
                "250 Taken".into()
            }
            "QUIT" => {
                write.write_all(b"221 Bye\r\n").await?;
                return Ok(());
            }
            _ => "250 OK".into(),
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
