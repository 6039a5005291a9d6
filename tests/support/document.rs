//! The OpenAPI document as tests walk it: every operation, and for each a request made of nothing but its examples.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

pub struct Document {
    pub json: Value,
}

/// One operation of the document.
pub struct Operation {
    /// Its operationId, or empty.
    pub id: String,
    pub method: Method,
    /// As the document has it, with `{parameters}`.
    pub path: String,
    pub json: Value,
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
}

pub struct Parameter {
    pub name: String,
    /// `path`, `query` or `header`.
    pub place: String,
    pub is_required: bool,
    pub example: Option<String>,
}

/// What an operation takes as its body.
pub struct Body {
    pub media_type: String,
    pub example: Option<Value>,
}

impl Document {
    pub fn parse(text: &str) -> Self {
        Self { json: serde_json::from_str(text).expect("the document is JSON") }
    }

    /// What a `$ref` stands for; anything else is itself.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self
                .json
                .pointer(reference.trim_start_matches('#'))
                .unwrap_or_else(|| panic!("{reference} is not in the document")),
            None => value,
        }
    }

    pub fn operations(&self) -> Vec<Operation> {
        let mut all = vec![];
        for (path, methods) in self.json["paths"].as_object().expect("the document has paths") {
            for (method, json) in methods.as_object().expect("a path is an object") {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                all.push(self.operation(path, method, json));
            }
        }
        all
    }

    fn operation(&self, path: &str, method: Method, json: &Value) -> Operation {
        let parameters = json["parameters"].as_array().into_iter().flatten().map(|parameter| {
            let example = match &parameter["example"] {
                Value::Null => &self.resolve(&parameter["schema"])["example"],
                example => example,
            };
            Parameter {
                name: parameter["name"].as_str().unwrap_or_default().to_owned(),
                place: parameter["in"].as_str().unwrap_or_default().to_owned(),
                is_required: parameter["required"] == true,
                example: match example {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                },
            }
        });
        // The first media type is the one that clients and Swagger UI choose.
        let content = json["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
        let body = content.map(|(media_type, content)| {
            let example = match &content["example"] {
                Value::Null => &self.resolve(&content["schema"])["example"],
                example => example,
            };
            Body {
                media_type: media_type.split(';').next().unwrap_or_default().to_owned(),
                example: Some(example.clone()).filter(|example| !example.is_null()),
            }
        });
        Operation {
            id: json["operationId"].as_str().unwrap_or_default().to_owned(),
            parameters: parameters.collect(),
            path: path.to_owned(),
            json: json.clone(),
            method,
            body,
        }
    }
}

impl Operation {
    /// The token endpoint and what one needs to know before having a token; and whatever no token is good for.
    pub fn is_public(&self) -> bool {
        ["/{tenant}/", "/common/"].iter().any(|prefix| self.path.starts_with(prefix)) || self.is_for_devices()
    }

    /// What authenticator apps ask for: each call is signed by the device's own key instead of bearing a token.
    pub fn is_for_devices(&self) -> bool {
        self.path.starts_with("/v1.0/authenticatorDevices/")
    }

    /// Operations on whoever calls.
    pub fn is_about_the_caller(&self) -> bool {
        self.path == "/v1.0/me" || self.path.starts_with("/v1.0/me/")
    }

    /// What the demo's partner may do, and not the tenant of the other examples.
    pub fn is_for_partners(&self) -> bool {
        ["/v1.0/tenantRelationships/", "/v1.0/contracts"].iter().any(|below| self.path.starts_with(below))
    }

    /// The headers that have an example: those that are needed (If-Match among them, whose absence has its own answer).
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.parameters.iter().filter(|it| it.place == "header");
        headers.filter_map(|header| Some((header.name.as_str(), header.example.as_deref()?)))
    }

    pub fn reads(&self) -> bool {
        self.method == Method::GET
    }

    pub fn path_values(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().filter(|it| it.place == "path").filter_map(|it| it.example.as_deref())
    }

    /// Path and required query, with the examples filled in.
    pub fn target(&self) -> String {
        let mut target = self.path.clone();
        for parameter in &self.parameters {
            let value = encode(parameter.example.as_deref().unwrap_or_default());
            match parameter.place.as_str() {
                "path" => target = target.replace(&format!("{{{}}}", parameter.name), &value),
                "query" if parameter.is_required => {
                    let separator = if target.contains('?') { '&' } else { '?' };
                    target = format!("{target}{separator}{}={value}", encode(&parameter.name));
                }
                _ => {}
            }
        }
        target
    }

    /// The body's example as it is sent.
    pub fn body_text(&self) -> String {
        match self.body.as_ref().and_then(|body| body.example.as_ref()) {
            None => String::new(),
            Some(Value::String(text)) if self.body.as_ref().is_some_and(|it| !it.media_type.contains("json")) => {
                text.clone()
            }
            Some(json) => json.to_string(),
        }
    }

    /// The request that the examples make, without a token.
    pub fn request(&self, http: &reqwest::Client, base: &str) -> RequestBuilder {
        let mut request = http.request(self.method.clone(), format!("{base}{}", self.target()));
        for (name, value) in self.headers() {
            request = request.header(name, value);
        }
        match &self.body {
            Some(body) => request.header("content-type", &body.media_type).body(self.body_text()),
            None => request,
        }
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.method, self.path, self.id)
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded =
        text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    encoded.collect()
}
