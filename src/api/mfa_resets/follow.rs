//! What is told of a reset piece by piece: events while it goes on, the report, receipts.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use poem::{Body, web::sse::Event};
use poem_openapi::{Object, payload::EventStream, types::ToJSON};

use super::bodies::ProgressView;
use crate::{
    access::Caller,
    api::intake::RequestInfo,
    app::App,
    clock::Timestamp,
    error::{Error, Result},
    mfa_resets::{self, MfaReset, items::Item, receipt},
    store::{Tx, mfa_resets::items::ItemFilter},
};

/// How often a reset is looked at for somebody who follows it.
const PULSE: Duration = Duration::from_millis(500);
/// A comment keeps proxies from closing a quiet connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Items read at once for a report.
const PAGE: i64 = 500;

/// How far a reset has come.
#[derive(Debug, Object)]
#[oai(rename = "MfaResetEvent", rename_all = "camelCase")]
pub struct ProgressEvent {
    /// What `Last-Event-ID` takes.
    id: String,
    status: String,
    progress: ProgressView,
    /// Nothing will follow.
    is_over: bool,
}

impl From<MfaReset> for ProgressEvent {
    fn from(reset: MfaReset) -> Self {
        Self {
            id: reset.progress_id(),
            status: reset.status.as_str().into(),
            is_over: reset.is_over(),
            progress: reset.counts.into(),
        }
    }
}

pub type Events = Pin<Box<dyn Stream<Item = ProgressEvent> + Send>>;

/// The events from now on; none when whoever asks has seen the last one already.
pub async fn events(
    app: &App,
    caller: Caller,
    info: &RequestInfo,
    id: String,
    last_seen: Option<String>,
) -> Result<Option<EventStream<Events>>> {
    let first = look(app, &caller, &id).await?;
    if first.is_over() && last_seen.as_deref() == Some(&first.progress_id()) {
        return Ok(None);
    }
    struct Follower {
        app: App,
        caller: Caller,
        /// The token's.
        end: Option<Timestamp>,
        id: String,
        seen: Option<String>,
        next: Option<MfaReset>,
    }
    let end = info.caller.get().and_then(|note| note.expires_at);
    let follower = Follower { app: app.clone(), caller, end, id, seen: last_seen, next: Some(first) };
    let events = stream::unfold(Some(follower), |follower| async move {
        let mut follower = follower?;
        loop {
            let now = match follower.next.take() {
                Some(first) => first,
                None => {
                    tokio::time::sleep(PULSE).await;
                    if follower.end.is_some_and(|end| end <= follower.app.store.context().clock.now()) {
                        return None;
                    }
                    // Whoever may not see it any more, or a database that is away, ends the stream; the client comes
                    // again and learns why.
                    look(&follower.app, &follower.caller, &follower.id).await.ok()?
                }
            };
            let id = now.progress_id();
            if follower.seen.as_ref() != Some(&id) {
                follower.seen = Some(id);
                let event = ProgressEvent::from(now);
                let goes_on = !event.is_over;
                return Some((event, goes_on.then_some(follower)));
            }
            if now.is_over() {
                return None;
            }
        }
    });
    let events: Events = Box::pin(events);
    let to_event = |event: ProgressEvent| {
        let kind = if event.is_over { "end" } else { "progress" };
        Event::message(event.to_json_string()).id(event.id).event_type(kind)
    };
    Ok(Some(EventStream::new(events).keep_alive(KEEP_ALIVE).to_event(to_event)))
}

async fn look(app: &App, caller: &Caller, id: &str) -> Result<MfaReset> {
    let id = id.to_owned();
    app.read(caller.clone(), move |tx, caller| mfa_resets::progress(tx, caller, &id)).await
}

/// The report as CSV, read page by page while it is sent.
pub async fn report(app: &App, caller: Caller, id: String) -> Result<Body> {
    let first = page(app, &caller, &id, 0).await?;
    let heading = write_csv(&[[
        "id",
        "tenantId",
        "target",
        "userId",
        "userPrincipalName",
        "status",
        "reasonCode",
        "reason",
        "deleted",
        "deactivated",
        "differsFromPreview",
        "auditEventId",
        "finishedDateTime",
    ]
    .map(str::to_owned)])?;
    let pages = stream::try_unfold(Some((app.clone(), caller, id, Some(first), 0)), |state| async move {
        let Some((app, caller, id, first, after)) = state else { return Ok(None) };
        let items = match first {
            Some(first) => first,
            None => page(&app, &caller, &id, after).await?,
        };
        let last = items.last().map(|item| item.number);
        let lines: Vec<_> = items.into_iter().map(line).collect();
        let text = write_csv(&lines)?;
        Ok(Some((text, last.map(|last| (app, caller, id, None, last)))))
    });
    let whole = stream::iter([Ok(heading)]).chain(pages);
    Ok(Body::from_bytes_stream(whole.map(|text: Result<Vec<u8>>| text.map_err(std::io::Error::other))))
}

async fn page(app: &App, caller: &Caller, id: &str, after: i64) -> Result<Vec<Item>> {
    let id = id.to_owned();
    let read = move |tx: &mut Tx<'_>, caller: &Caller| {
        mfa_resets::items::list(tx, caller, &id, &ItemFilter::default(), after, PAGE)
    };
    app.read(caller.clone(), read).await
}

fn line(item: Item) -> [String; 13] {
    let differs = item.differs_from_preview();
    let (code, reason) = item.problem.map(|problem| (problem.code, problem.message)).unwrap_or_default();
    let report = item.report.as_ref();
    let deleted = report.iter().flat_map(|report| &report.deleted).map(|it| format!("{}:{}", it.kind, it.id));
    let deleted: Vec<_> = deleted.collect();
    let serials = |list: &[crate::methods::MethodSummary]| {
        list.iter().map(|it| it.serial_number.clone().unwrap_or_else(|| it.id.to_string())).collect::<Vec<_>>()
    };
    [
        item.number.to_string(),
        item.tenant_id.into_string(),
        item.named.unwrap_or_default(),
        item.user_id.map(|id| id.into_string()).unwrap_or_default(),
        item.user_principal_name.unwrap_or_default(),
        item.status.as_str().into(),
        code,
        reason,
        deleted.join(" "),
        report.map(|report| serials(&report.deactivated).join(" ")).unwrap_or_default(),
        differs.to_string(),
        report.and_then(|report| report.audit_event_id.as_ref()).map(ToString::to_string).unwrap_or_default(),
        item.finished_at.map(|at| at.to_iso()).unwrap_or_default(),
    ]
}

fn write_csv<const N: usize>(lines: &[[String; N]]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(vec![]);
    for line in lines {
        writer.write_record(line.iter().map(|field| inert(field))).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(Error::internal)
}

/// A spreadsheet takes what begins so for a formula (OWASP, CSV injection); an apostrophe makes it text.
fn inert(field: &str) -> String {
    match field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{field}"),
        false => field.to_owned(),
    }
}

/// The receipt of one tenant, signed while it is sent.
pub async fn receipt(app: &App, caller: Caller, id: String, tenant: String) -> Result<Body> {
    let begin = move |tx: &mut Tx<'_>, caller: &Caller| receipt::begin(tx, caller, &id, &tenant);
    let receipt = app.read(caller, begin).await?;
    let pieces = stream::try_unfold((app.clone(), receipt), |(app, mut receipt)| async move {
        let read = move |tx: &mut Tx<'_>| receipt.next(tx).map(|piece| (piece, receipt));
        let (piece, receipt) = app.store.read(read).await?;
        Ok::<_, Error>(piece.map(|piece| (piece, (app, receipt))))
    });
    Ok(Body::from_bytes_stream(pieces.map(|piece: Result<Vec<u8>>| piece.map_err(std::io::Error::other))))
}
