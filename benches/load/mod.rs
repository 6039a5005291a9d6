//! What benchmarks load a server with: connections that cost next to nothing themselves.
#![allow(dead_code, reason = "every benchmark uses its own part")]

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The value of an environment variable.
pub fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// One keep-alive connection that asks, reads the whole answer and asks again.
pub struct Connection {
    stream: TcpStream,
    pub buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream, buffer: Vec::with_capacity(16 * 1024) }
    }

    /// The status of the answer.
    pub async fn ask(&mut self, request: &[u8]) -> u16 {
        self.stream.write_all(request).await.expect("the server reads");
        self.buffer.clear();
        let (status, length) = loop {
            self.fill().await;
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.buffer[..end]).expect("headers are ASCII").to_ascii_lowercase();
                let status = head.get(9..12).and_then(|text| text.parse().ok()).expect("a status line");
                let body = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                let body: usize = body.map_or(0, |text| text.trim().parse().expect("a length"));
                assert!(!head.contains("transfer-encoding"), "answers announce their length");
                break (status, end + 4 + body);
            }
        };
        while self.buffer.len() < length {
            self.fill().await;
        }
        status
    }

    async fn fill(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.expect("the server answers");
        assert!(read > 0, "the server closed the connection");
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
