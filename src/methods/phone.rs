//! Phones: one per type, under Graph's fixed ids. A reset deletes them.

use serde::{Deserialize, Serialize};

use crate::words;

words! {
    /// Graph's `authenticationPhoneType`.
    pub enum PhoneType { Mobile = "mobile", AlternateMobile = "alternateMobile", Office = "office" }
}

impl PhoneType {
    /// Graph's fixed method id, the same for every user.
    pub const fn method_id(self) -> &'static str {
        match self {
            Self::Mobile => "3179e48a-750b-4051-897c-87b9720928f7",
            Self::AlternateMobile => "b6332ec1-7057-4abe-9331-3d72feddfe41",
            Self::Office => "e37fc753-ff3b-4958-9484-eaa9425c82bc",
        }
    }
}

/// Graph's `phoneAuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Phone {
    /// Normalised: `+{country code} {number}[x{extension}]`.
    pub phone_number: String,
    pub phone_type: PhoneType,
}

/// All but the last two digits hidden.
pub fn mask(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    format!("••{}", digits[digits.len().saturating_sub(2)..].iter().collect::<String>())
}
