//! An OpenID provider as small as can be: a discovery document and its keys, on this machine.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use poem::{
    EndpointExt, Request, Response, Route, Server,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
};
use rekey::clock::Entropy;
use serde_json::{Value, json};

use super::signers::Signer;

/// How the provider answers.
#[derive(Default)]
pub struct Answers {
    /// The keys it publishes.
    pub keys: Vec<Value>,
    /// What it calls itself instead of its address.
    pub issuer: Option<String>,
    pub cache_control: Option<String>,
    /// Instead of 200.
    pub status: Option<u16>,
    /// Bytes of nothing behind the keys.
    pub padding: usize,
    /// It takes the request and never answers.
    pub hangs: bool,
    /// How often the keys were asked for.
    pub asked: usize,
}

pub struct OidcIssuer {
    pub url: String,
    pub signer: Signer,
    pub answers: Arc<Mutex<Answers>>,
}

impl OidcIssuer {
    pub async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let url = format!("http://{}/realm", acceptor.local_addr()[0].as_socket_addr().unwrap());
        let signer = Signer::p256();
        let answers = Arc::new(Mutex::new(Answers { keys: vec![signer.jwk()], ..Answers::default() }));
        let (shared, issuer) = (answers.clone(), url.clone());
        let endpoint = poem::endpoint::make(move |request: Request| {
            let (shared, issuer) = (shared.clone(), issuer.clone());
            async move {
                if shared.lock().unwrap().hangs {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                }
                Ok::<_, poem::Error>(answer(&mut shared.lock().unwrap(), &issuer, request.uri().path()))
            }
        });
        tokio::spawn(Server::new_with_acceptor(acceptor).run(Route::new().nest("/", endpoint.boxed())));
        Self { url, signer, answers }
    }

    pub fn set(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.answers.lock().unwrap());
    }

    pub fn asked(&self) -> usize {
        self.answers.lock().unwrap().asked
    }

    /// Claims of a token that lives for an hour from `now` on, with more or other ones.
    pub fn claims(&self, now: i64, audience: &str, more: Value) -> Value {
        let mut claims = json!({
            "iss": self.url, "aud": audience, "sub": "0001", "iat": now, "exp": now + 3600,
            "jti": Entropy::System.guid(),
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    }

    /// Signed by the provider's key.
    pub fn token(&self, claims: &Value) -> String {
        self.signer.sign(&json!({"alg": "ES256", "typ": "at+jwt", "kid": self.signer.kid}), claims)
    }
}

fn answer(answers: &mut Answers, issuer: &str, path: &str) -> Response {
    if let Some(status) = answers.status {
        return Response::builder().status(StatusCode::from_u16(status).unwrap()).header("location", "/keys").finish();
    }
    let mut body = match path {
        "/realm/.well-known/openid-configuration" => {
            let named = answers.issuer.clone().unwrap_or_else(|| issuer.to_owned());
            json!({"issuer": named, "jwks_uri": format!("{issuer}/keys")}).to_string()
        }
        "/realm/keys" => {
            answers.asked += 1;
            json!({"keys": answers.keys}).to_string()
        }
        _ => return Response::builder().status(StatusCode::NOT_FOUND).finish(),
    };
    body.push_str(&" ".repeat(answers.padding));
    let response = Response::builder().content_type("application/json");
    match &answers.cache_control {
        Some(value) => response.header("cache-control", value).body(body),
        None => response.body(body),
    }
}
