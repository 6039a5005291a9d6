//! What the operator sees of a request: one log line, and numbers for Prometheus.
//!
//! Neither holds what the caller typed: the path appears as its route pattern (paths hold user names), and the caller
//! as ids.

use std::{collections::HashMap, time::Duration};

use poem::{
    Response,
    http::{HeaderValue, Method},
};
use poem_openapi::OperationId;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder, core::Collector};
use serde_json::Value;

use super::{intake::RequestInfo, payload::Bodies};
use crate::error::{Area, Error, Result};

/// The media type of Prometheus's text format.
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;
/// Upper bounds of the duration histogram, in seconds: a reset takes a few milliseconds.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What the document says of a path.
pub struct Documented {
    /// `/v1.0/users/{user}/...`
    pub path: String,
    /// The methods it takes, as the header `Allow` lists them.
    pub allow: HeaderValue,
    /// What the bodies of its methods look like, by the method in lower case.
    bodies: HashMap<String, Value>,
}

/// The documented paths, by the route pattern that poem knows them under.
pub struct Routes {
    paths: HashMap<String, Documented>,
    bodies: Bodies,
}

impl Routes {
    /// Reads them out of the OpenAPI document, so that no route can be forgotten.
    pub fn of(document: &str) -> Result<Self> {
        let document: Value = serde_json::from_str(document).map_err(Error::internal)?;
        let mut paths = HashMap::new();
        for (path, operations) in document["paths"].as_object().into_iter().flatten() {
            let mut methods: Vec<String> =
                operations.as_object().into_iter().flatten().map(|(method, _)| method.to_ascii_uppercase()).collect();
            if methods.iter().any(|method| method == "GET") {
                methods.push("HEAD".into());
            }
            let allow = HeaderValue::from_str(&methods.join(", ")).map_err(Error::internal)?;
            let bodies = operations.as_object().into_iter().flatten().filter_map(|(method, operation)| {
                let content = operation["requestBody"]["content"].as_object()?;
                let (_, json) = content.iter().find(|(media_type, _)| media_type.starts_with("application/json"))?;
                Some((method.clone(), json["schema"].clone()))
            });
            let bodies = bodies.collect();
            paths.insert(pattern(path), Documented { path: path.clone(), allow, bodies });
        }
        Ok(Self { paths, bodies: Bodies::of(&document) })
    }

    /// Which property of a body is wrong, when the body could not be read.
    pub fn fault(&self, pattern: &str, method: &Method, area: Area, body: &[u8]) -> Option<Error> {
        let schema = self.find(pattern)?.bodies.get(&method.as_str().to_ascii_lowercase())?;
        self.bodies.fault(area, schema, body)
    }

    pub fn find(&self, pattern: &str) -> Option<&Documented> {
        self.paths.get(pattern)
    }
}

/// poem-openapi numbers the parameters of a path: `/{a}/b/{c}` becomes `/:param0/b/:param1`.
fn pattern(path: &str) -> String {
    let mut pattern = String::new();
    for (number, part) in path.split('{').enumerate() {
        match (number, part.split_once('}')) {
            (1.., Some((_, rest))) => pattern.push_str(&format!(":param{}{rest}", number - 1)),
            _ => pattern.push_str(part),
        }
    }
    pattern
}

/// The numbers of one server. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    /// Open connections.
    pub connections: IntGauge,
}

impl Metrics {
    pub fn new(others: Vec<Box<dyn Collector>>) -> Result<Self> {
        let opts = HistogramOpts::new("rekey_http_request_duration_seconds", "Time to answer, without the body's way.");
        let make = || -> prometheus::Result<Self> {
            let this = Self {
                registry: Registry::new(),
                requests: IntCounterVec::new(
                    Opts::new("rekey_http_requests_total", "Answered requests."),
                    &["method", "route", "status"],
                )?,
                durations: HistogramVec::new(opts.buckets(SECONDS.to_vec()), &["method", "route"])?,
                connections: IntGauge::new("rekey_http_connections", "Open connections.")?,
            };
            this.registry.register(Box::new(this.requests.clone()))?;
            this.registry.register(Box::new(this.durations.clone()))?;
            this.registry.register(Box::new(this.connections.clone()))?;
            for other in others {
                this.registry.register(other)?;
            }
            Ok(this)
        };
        make().map_err(Error::internal)
    }

    pub fn to_text(&self) -> Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(Error::internal)
    }

    /// Counts and logs one answered request.
    pub fn note(&self, method: &Method, route: Option<&str>, response: &Response, info: &RequestInfo, took: Duration) {
        let method = method_name(method);
        let route = route.filter(|route| !route.is_empty()).unwrap_or("unmatched");
        let status = response.status();
        self.requests.with_label_values(&[method, route, status.as_str()]).inc();
        self.durations.with_label_values(&[method, route]).observe(took.as_secs_f64());
        let note = info.caller.get();
        tracing::info!(
            method,
            route,
            operation = response.data::<OperationId>().map(|operation| operation.0),
            status = status.as_u16(),
            milliseconds = took.as_micros() as f64 / 1000.0,
            request_id = info.origin.request_id,
            tenant = note.map(|note| note.tenant.as_str()),
            caller = note.map(|note| note.caller.as_str()),
            "request"
        );
    }
}

/// Methods as a label: callers may invent any number of them.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
