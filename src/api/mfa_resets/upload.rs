//! A reset's users as an upload of CSV: written to a temporary file as it arrives, then read from there in batches.

use std::{
    fs::File,
    io::{BufReader, Seek, SeekFrom, Write},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::{StreamExt, pin_mut};
use poem::{Body, Request, RequestBody};
use poem_openapi::{
    payload::{ParsePayload, Payload},
    registry::{MetaSchema, MetaSchemaRef},
};
use tokio::time::timeout;

use crate::{
    access::Caller,
    api::intake::RequestInfo,
    app::{App, Attempt},
    demo,
    error::{Area, Error, Result},
    idempotency::Once,
    mfa_resets::{MfaReset, Plan, targets::CsvTargets},
};

/// The largest upload, in bytes: a million lines of a usual length.
pub const MAX_UPLOAD: usize = 128 * 1024 * 1024;
/// How long an upload may pause.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body of an upload, as it arrives.
pub struct Csv(pub Body);

impl Payload for Csv {
    const CONTENT_TYPE: &'static str = "text/csv";

    fn schema_ref() -> MetaSchemaRef {
        let example = format!("tenant,user,reason\n{},{},Phone lost\n", demo::EXAMPLE_TENANT, demo::EXAMPLE_USER);
        MetaSchemaRef::Inline(Box::new(MetaSchema { example: Some(example.into()), ..MetaSchema::new("string") }))
    }
}

impl ParsePayload for Csv {
    const IS_REQUIRED: bool = true;

    async fn from_request(_: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(body.take()?))
    }
}

/// Creates the reset from an upload.
pub async fn create(
    app: &App,
    mut caller: Caller,
    info: &RequestInfo,
    attempt: Attempt,
    plan: Plan,
    body: Body,
) -> Result<MfaReset> {
    let once = caller.once.take();
    let lines = async move {
        let (file, digest) = spool(body).await?;
        let fingerprint = || {
            let parts = [info.path.as_bytes(), info.query.as_bytes(), digest.as_slice()];
            app.store.context().sealer.fingerprint(&parts)
        };
        let once = once.map(|once| Once { fingerprint: fingerprint(), ..once });
        Ok((CsvTargets::new(BufReader::new(file))?, once))
    };
    app.create_mfa_reset(caller, attempt, plan, lines).await
}

/// Takes the body into a file that nobody else sees, and its SHA-256.
async fn spool(body: Body) -> Result<(File, Vec<u8>)> {
    let cannot = |error: std::io::Error| Error::unavailable(format!("an upload cannot be kept: {error}"));
    let ended = || Error::Invalid {
        area: Area::Methods,
        target: None,
        message: "The body ended before it was complete, or paused too long.".into(),
    };
    let mut file = tempfile::tempfile().map_err(cannot)?;
    let (mut hash, mut size) = (Context::new(&SHA256), 0);
    let chunks = body.into_bytes_stream();
    pin_mut!(chunks);
    while let Some(chunk) = timeout(PATIENCE, chunks.next()).await.map_err(|_| ended())? {
        let chunk = chunk.map_err(|_| ended())?;
        size += chunk.len();
        if size > MAX_UPLOAD {
            return Err(Error::TooLarge { limit: MAX_UPLOAD });
        }
        hash.update(&chunk);
        file.write_all(&chunk).map_err(cannot)?;
    }
    file.seek(SeekFrom::Start(0)).map_err(cannot)?;
    Ok((file, hash.finish().as_ref().to_vec()))
}
