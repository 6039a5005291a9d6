//! `$batch`: up to twenty requests in one, as Graph takes them (JSON batching).
//!
//! Each item goes through the same gate as any other request: it is authorized, validated, limited, counted and logged
//! by itself, and is repeated safely by its own `Idempotency-Key`. A batch is no transaction.

mod item;
mod order;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, Weak},
};

use poem::{
    FromRequest, Request, RequestBody, Response,
    endpoint::DynEndpoint,
    http::{HeaderValue, header},
};
use poem_openapi::{
    Object, OpenApi,
    param::Header,
    payload::Json,
    types::{Any, Example},
};
use serde_json::{Value, json};

use super::{Tag, examples, guard::Guard, intake::RequestInfo, problem::Problem, strict_json::text};
use crate::{
    app::App,
    error::{Error, Result},
};
use order::Order;

/// How many requests a batch may have.
pub const MAX_ITEMS: usize = 20;
/// How many of them are worked on at a time.
const AT_ONCE: usize = 8;
/// The longest id of an item, in characters.
const MAX_ID: usize = 64;

const PATH: &str = "/v1.0/$batch";
const ENCODED_PATH: &str = "/v1.0/%24batch";

/// The address under which a batch is answered whose `$` is percent-encoded; `None` for any other.
pub fn plain(path_and_query: &str) -> Option<String> {
    let rest = path_and_query.strip_prefix(ENCODED_PATH)?;
    (rest.is_empty() || rest.starts_with('?')).then(|| format!("{PATH}{rest}"))
}

/// True of a batch's path in either version and spelling.
pub fn is_batch(path: &str) -> bool {
    let rest = path.strip_prefix("/v1.0/").or_else(|| path.strip_prefix("/beta/"));
    matches!(rest, Some("$batch" | "%24batch"))
}

/// The way back to the front door, which is there once the server is put together.
#[derive(Clone, Default)]
pub struct Door(Arc<OnceLock<Weak<dyn DynEndpoint<Output = Response>>>>);

impl Door {
    /// Leads to this endpoint from now on, as long as it lives.
    pub fn lead_to(&self, endpoint: &Arc<dyn DynEndpoint<Output = Response>>) {
        let _ = self.0.set(Arc::downgrade(endpoint));
    }

    async fn send(&self, request: Request) -> poem::Result<Response> {
        let endpoint = self.0.get().and_then(Weak::upgrade);
        let Some(endpoint) = endpoint else { return Err(Problem(Error::internal("the server has no door")).into()) };
        endpoint.call(request).await
    }
}

/// Marks a request as an item of a batch, and says from where that came.
#[derive(Debug, Clone)]
pub struct Inside {
    pub ip_address: Option<String>,
}

/// What items inherit from their batch.
struct Envelope {
    door: Door,
    authorization: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    client_request_id: Option<HeaderValue>,
    /// The batch is an item itself, however its address was spelled.
    is_item: bool,
}

impl<'a> FromRequest<'a> for Envelope {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let header = |name| request.headers().get(name).cloned();
        Ok(Self {
            door: request.data::<Door>().cloned().unwrap_or_default(),
            authorization: header(header::AUTHORIZATION.as_str()),
            user_agent: header(header::USER_AGENT.as_str()),
            client_request_id: header("client-request-id"),
            is_item: request.extensions().get::<Inside>().is_some(),
        })
    }
}

/// One request of a batch. What is not named here is ignored.
#[derive(Debug, Object)]
#[oai(rename = "BatchRequestItem", rename_all = "camelCase")]
struct Item {
    /// What the answer is known by: unique in the batch, 1 to 64 characters.
    #[oai(validator(min_length = 1, max_length = 64), deserialize_with = "text")]
    id: String,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    #[oai(deserialize_with = "text")]
    method: String,
    /// Relative (`/users/...`; with the batch's version unless it begins with one), or absolute below this server's
    /// public URL.
    #[oai(deserialize_with = "text")]
    url: String,
    /// The request's own headers. `Authorization` is that of the batch, and the `Content-Type` of a body is
    /// `application/json`, unless they are here.
    headers: Option<BTreeMap<String, String>>,
    /// The request's body, as JSON.
    body: Option<Any<Value>>,
    /// Ids of requests that must have succeeded before this one begins.
    #[oai(validator(max_items = 20))]
    depends_on: Option<Vec<String>>,
}

/// Up to twenty requests.
#[derive(Debug, Object)]
#[oai(rename = "BatchRequest", example)]
struct Batch {
    #[oai(validator(min_items = 1, max_items = 20))]
    requests: Vec<Item>,
}

impl Example for Batch {
    fn example() -> Self {
        let address = |what: &str| format!("/users/{}/authentication/{what}", examples::user());
        let preview = Item {
            id: "2".into(),
            method: "POST".into(),
            url: address("resetMfa"),
            headers: Some([("Content-Type".to_owned(), "application/json".to_owned())].into()),
            body: Some(Any(json!({"validateOnly": true}))),
            depends_on: Some(vec!["1".into()]),
        };
        let list = Item {
            id: "1".into(),
            method: "GET".into(),
            url: address("methods"),
            headers: None,
            body: None,
            depends_on: None,
        };
        Self { requests: vec![list, preview] }
    }
}

/// One answer of a batch.
#[derive(Debug, Clone, Object)]
#[oai(rename = "BatchResponseItem", skip_serializing_if_is_none)]
struct Answer {
    /// The request's.
    id: String,
    status: u16,
    headers: BTreeMap<String, String>,
    /// JSON as it is, text as a string, anything else in Base64; not there when the answer has no body.
    body: Option<Any<Value>>,
}

/// The answers, in the order of the requests.
#[derive(Debug, Object)]
#[oai(rename = "BatchResponse")]
struct Answers {
    responses: Vec<Answer>,
}

pub struct BatchApi(pub App);

#[OpenApi(tag = "Tag::Batch")]
impl BatchApi {
    /// Send many requests at once
    ///
    /// Carries out up to twenty requests and answers 200 with the answer of each, in their order. They run side by side,
    /// except that a request waits for those it depends on, and is answered 424 when one of them failed. Each is
    /// authorized, limited and logged by itself, as if it had come alone; the batch is no transaction. An
    /// `Idempotency-Key` of the batch holds, together with the item's id, for every POST in it that has none of its own.
    ///
    /// A batch that cannot be understood is answered 400 as a whole: ids that are not unique, a dependency on an unknown
    /// id or in a circle. An item that cannot be part of one is answered 400 by itself: another batch, another server's
    /// address, a stream of events or a file. An answer of more than 4 MiB, or that makes all of them more than 16 MiB, is
    /// replaced by 413. Needs a valid token and nothing more.
    #[oai(path = "/v1.0/$batch", method = "post", operation_id = "batch")]
    async fn batch(
        &self,
        _guard: Guard,
        info: RequestInfo,
        envelope: Envelope,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        batch: Json<Batch>,
    ) -> Result<Json<Answers>, Problem> {
        if envelope.is_item {
            return Err(Error::invalid("url", "A batch cannot be part of a batch.").into());
        }
        let items = batch.0.requests;
        let named = |item: &Item| (item.id.clone(), item.depends_on.clone().unwrap_or_default());
        let order = Order::of(&items.iter().map(named).collect::<Vec<_>>())?;
        let sender = item::Sender::new(&self.0, &info, &envelope);
        let perform = |number: usize, failed: Option<usize>| {
            let (item, sender) = (&items[number], &sender);
            let failed = failed.map(|failed| items[failed].id.as_str());
            async move { sender.perform(item, failed).await }
        };
        Ok(Json(Answers { responses: order.run(AT_ONCE, perform, |answer| answer.status >= 400).await }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_the_batch() {
        assert_eq!(plain("/v1.0/%24batch").as_deref(), Some(PATH));
        assert_eq!(plain("/v1.0/%24batch?x=1").as_deref(), Some("/v1.0/$batch?x=1"));
        assert_eq!(plain("/v1.0/%24batches"), None);
        assert!(["/v1.0/$batch", "/beta/%24batch"].into_iter().all(is_batch));
        assert!(!["/v1.0/users/$batch", "/$batch", "/v1.0/$batch/"].into_iter().any(is_batch));
    }
}
