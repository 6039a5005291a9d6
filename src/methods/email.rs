//! E-mail addresses for self-service password reset; never multifactor authentication. A reset keeps them.

use serde::{Deserialize, Serialize};

/// Graph's fixed id of every user's e-mail method.
pub const ID: &str = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f";

/// Graph's `emailAuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Email {
    pub email_address: String,
}

/// The first letter and the domain.
pub fn mask(address: &str) -> String {
    match address.split_once('@') {
        Some((local, domain)) => format!("{}••@{domain}", local.chars().take(1).collect::<String>()),
        None => "••".into(),
    }
}
