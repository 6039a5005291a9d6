//! A partner, and relationships with customers in whatever state a test needs.

use rekey::{
    access::known_permissions,
    id::{ApplicationId, TenantId},
    roles::Role,
};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

pub const RELATIONSHIPS: &str = "/v1.0/tenantRelationships/delegatedAdminRelationships";

/// A tenant with a token of an application that has every permission in it.
#[derive(Clone)]
pub struct Party {
    pub tenant: TenantId,
    pub token: String,
}

/// The test tenant, as a customer.
pub fn customer(app: &TestApp) -> Party {
    Party { tenant: app.tenant.clone(), token: app.token.clone() }
}

pub async fn new_customer(app: &TestApp, domain: &str) -> Party {
    let tenant = app.new_tenant(domain).await;
    Party { token: app.token_with(&tenant, &known_permissions()).await, tenant }
}

pub async fn new_partner(app: &TestApp) -> Party {
    let tenant = app.new_partner("fabrikam.example").await;
    Party { token: app.token_with(&tenant, &known_permissions()).await, tenant }
}

impl Party {
    /// A new token: after the clock was moved the old one has expired.
    pub async fn refresh(&mut self, app: &TestApp) {
        self.token = app.token_with(&self.tenant, &known_permissions()).await;
    }

    pub async fn call(&self, app: &TestApp, method: Method, path: &str, body: Option<Value>) -> Answer {
        call_with(app, &self.token, method, path, None, body).await
    }

    pub async fn get(&self, app: &TestApp, path: &str) -> Answer {
        self.call(app, Method::GET, path, None).await
    }

    pub async fn post(&self, app: &TestApp, path: &str, body: Value) -> Answer {
        self.call(app, Method::POST, path, Some(body)).await
    }

    /// Asks for the next step of a relationship.
    pub async fn request(&self, app: &TestApp, id: &str, action: &str) -> Answer {
        self.post(app, &format!("{RELATIONSHIPS}/{id}/requests"), json!({"action": action})).await
    }

    /// What the party sees of a relationship.
    pub async fn status(&self, app: &TestApp, id: &str) -> String {
        let seen = self.get(app, &format!("{RELATIONSHIPS}/{id}")).await.expect(200).json;
        seen["status"].as_str().unwrap().to_owned()
    }

    /// The party's audit events, newest first: `(activity, result, details)`.
    pub async fn events(&self, app: &TestApp) -> Vec<Value> {
        let answer = self.get(app, "/v1.0/auditLogs/directoryAudits?$top=999").await.expect(200);
        answer.json["value"].as_array().unwrap().clone()
    }

    pub async fn activities(&self, app: &TestApp) -> Vec<String> {
        let name = |event: &Value| event["activityDisplayName"].as_str().unwrap().to_owned();
        self.events(app).await.iter().map(name).collect()
    }
}

/// Any request, with the header If-Match when there is one.
pub async fn call_with(
    app: &TestApp,
    token: &str,
    method: Method,
    path: &str,
    if_match: Option<&str>,
    body: Option<Value>,
) -> Answer {
    let mut request = app.http.request(method, format!("{}{path}", app.base)).bearer_auth(token);
    if let Some(tag) = if_match {
        request = request.header("if-match", tag);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    Answer::of(request).await
}

pub fn access_details(roles: &[Role]) -> Value {
    let roles: Vec<_> = roles.iter().map(|role| json!({"roleDefinitionId": role.as_str()})).collect();
    json!({"unifiedRoles": roles})
}

/// A valid proposal; its name is made of a fresh id.
pub fn proposal(customer: Option<&TenantId>, roles: &[Role], duration: &str) -> Value {
    let name = rekey::clock::Entropy::System.guid();
    let mut body = json!({"displayName": name, "duration": duration, "accessDetails": access_details(roles)});
    if let Some(customer) = customer {
        body["customer"] = json!({"tenantId": customer.as_str()});
    }
    body
}

/// The id of a new proposal.
pub async fn propose(
    app: &TestApp,
    partner: &Party,
    customer: Option<&TenantId>,
    roles: &[Role],
    duration: &str,
) -> String {
    let made = partner.post(app, RELATIONSHIPS, proposal(customer, roles, duration)).await.expect(201);
    made.json["id"].as_str().unwrap().to_owned()
}

/// The id of a new relationship that the customer has approved.
pub async fn activate(app: &TestApp, partner: &Party, customer: &Party, roles: &[Role], duration: &str) -> String {
    let id = propose(app, partner, Some(&customer.tenant), roles, duration).await;
    partner.request(app, &id, "lockForApproval").await.expect(201);
    customer.request(app, &id, "approve").await.expect(201);
    id
}

/// Gives roles of a relationship to one of the partner's applications or users; the new assignment.
pub async fn assign(app: &TestApp, partner: &Party, id: &str, kind: &str, container: &str, roles: &[Role]) -> Value {
    let body = json!({
        "accessContainer": {"accessContainerId": container, "accessContainerType": kind},
        "accessDetails": access_details(roles),
    });
    partner.post(app, &format!("{RELATIONSHIPS}/{id}/accessAssignments"), body).await.expect(201).json
}

/// An application of the partner without any permission in its own tenant.
#[derive(Clone)]
pub struct Client {
    pub id: ApplicationId,
    pub secret: SecretString,
}

pub async fn new_client(app: &TestApp, partner: &Party) -> Client {
    let (id, _, secret) = app.new_application(&partner.tenant, &[""; 0]).await;
    Client { id, secret }
}

impl Client {
    /// Asks a tenant's token endpoint.
    pub async fn ask(&self, app: &TestApp, tenant: &TenantId) -> Answer {
        self.ask_with(app, tenant, self.secret.expose_secret()).await
    }

    pub async fn ask_with(&self, app: &TestApp, tenant: &TenantId, secret: &str) -> Answer {
        let form = format!("grant_type=client_credentials&client_id={}&client_secret={secret}", self.id);
        post_form(app, tenant.as_str(), form).await
    }

    /// A token in a tenant.
    pub async fn token(&self, app: &TestApp, tenant: &TenantId) -> String {
        access_token(&self.ask(app, tenant).await.expect(200))
    }
}

pub fn access_token(answer: &Answer) -> String {
    answer.json["access_token"].as_str().unwrap().to_owned()
}

pub async fn post_form(app: &TestApp, tenant: &str, form: String) -> Answer {
    let url = format!("{}/{tenant}/oauth2/v2.0/token", app.base);
    let request = app.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
    Answer::of(request).await
}
