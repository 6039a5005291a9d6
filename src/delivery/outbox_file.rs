//! The development outbox: a file with one JSON line per message. The only place where codes stand in clear.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Failure, Outgoing, webhook::Body};
use crate::error::{Error, Result};

/// Appends messages to a file that only its owner may read.
#[derive(Debug, Clone)]
pub struct OutboxFile {
    path: PathBuf,
}

impl OutboxFile {
    /// Makes the file when it is not there.
    pub fn new(path: PathBuf) -> Result<Self> {
        open(&path).map_err(|error| {
            Error::internal(format!("the outbox file {} cannot be written: {error}", path.display()))
        })?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn send(&self, outgoing: &Outgoing<'_>) -> Result<(), Failure> {
        let line = line(&Body::of(outgoing)).map_err(|error| Failure::lasting(error.to_string()))?;
        let path = self.path.clone();
        // One write at the end of the file, so that lines of several processes do not mix.
        let write = move || open(&path).and_then(|mut file| file.write_all(&line));
        let written = tokio::task::spawn_blocking(write).await;
        let written = written.map_err(|error| Failure::passing(error.to_string()))?;
        written.map_err(|error| Failure::passing(error.to_string()))
    }
}

fn line(body: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(body)?;
    line.push(b'\n');
    Ok(line)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
