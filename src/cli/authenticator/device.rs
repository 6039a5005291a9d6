//! The device's side of the protocol.

use std::{path::Path, time::Duration};

use reqwest::{Method, RequestBuilder, redirect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::key::{self, SecretKey};
use crate::{
    clock::{Clock, Entropy},
    error::{Error, Result},
    methods::microsoft_authenticator::jws::{
        ACTIVATION, ANSWER, Activation, ActivationClaims, AnswerClaims, DPOP, Decision, DpopClaims,
    },
};

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whose device this is, as the server said at the activation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub device_id: String,
    pub tenant_id: String,
    pub user_id: String,
    pub user_principal_name: String,
    pub device_url: String,
}

/// An open push request.
pub struct Question {
    pub id: String,
    nonce: String,
    /// All that the server says of it.
    pub json: Value,
}

impl Question {
    /// For the user.
    pub fn text(&self) -> String {
        let of = |name: &str| self.json[name].as_str().unwrap_or("an unknown place").to_owned();
        format!("{} asks whether it is you who signs in, from {}.", of("applicationDisplayName"), of("ipAddress"))
    }
}

pub struct Device {
    key: SecretKey,
    pub account: Account,
    http: reqwest::Client,
}

fn client() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(redirect::Policy::none());
    client.build().map_err(Error::internal)
}

/// Registers a key by its activation code.
pub async fn activate(url: &str, key: &SecretKey, activation: &Activation) -> Result<Account> {
    let htu = format!("{}/v1.0/authenticatorDevices/activate", url.trim_end_matches('/'));
    let iat = Clock::System.now().seconds();
    let proof =
        key.sign(ACTIVATION, false, &ActivationClaims { htu: htu.clone(), iat, activation: activation.clone() })?;
    let mut body = serde_json::to_value(activation).map_err(Error::internal)?;
    body["publicKey"] = serde_json::to_value(key.jwk()?).map_err(Error::internal)?;
    body["proof"] = proof.into();
    let answer = send(client()?.post(htu).json(&body)).await?;
    serde_json::from_value(answer).map_err(|error| Error::internal(format!("the server's answer: {error}")))
}

impl Device {
    pub fn open(path: &Path) -> Result<Self> {
        let (key, account) = key::load(path)?;
        Ok(Self { key, account, http: client()? })
    }

    /// A call below the device's address, signed.
    fn call(&self, method: Method, below: &str) -> Result<RequestBuilder> {
        let htu = format!("{}{below}", self.account.device_url);
        let claims = DpopClaims {
            jti: Entropy::System.guid(),
            htm: method.to_string(),
            htu: htu.clone(),
            iat: Clock::System.now().seconds(),
        };
        let proof = self.key.sign(DPOP, true, &claims)?;
        Ok(self.http.request(method, htu).header("DPoP", proof))
    }

    pub async fn requests(&self) -> Result<Vec<Question>> {
        let answer = send(self.call(Method::GET, "/requests")?).await?;
        let question = |json: &Value| {
            let text = |name: &str| json[name].as_str().map(str::to_owned);
            Some(Question { id: text("id")?, nonce: text("nonce")?, json: json.clone() })
        };
        Ok(answer["value"].as_array().into_iter().flatten().filter_map(question).collect())
    }

    pub async fn answer(&self, question: &Question, decision: Decision, number: Option<String>) -> Result<()> {
        let Question { id, nonce, .. } = question;
        let claims = AnswerClaims { request_id: id.clone(), nonce: nonce.clone(), decision, number };
        let response = self.key.sign(ANSWER, false, &claims)?;
        let call = self.call(Method::POST, &format!("/requests/{id}/answer"))?;
        send(call.json(&json!({"response": response}))).await.map(drop)
    }

    pub async fn remove(&self) -> Result<()> {
        send(self.call(Method::DELETE, "")?).await.map(drop)
    }
}

/// The answer's JSON, or what the server says is wrong.
async fn send(request: RequestBuilder) -> Result<Value> {
    let unreachable = |error: reqwest::Error| Error::invalid("--url", format!("The server cannot be reached: {error}"));
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let text = answer.text().await.map_err(unreachable)?;
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return Ok(json);
    }
    let message = json["error"]["message"].as_str().unwrap_or("The server gives no reason.");
    Err(Error::invalid("request", format!("{message} ({status})")))
}
