//! What an answer shows of a user: Graph's eleven default properties, or those that `$select` names.

use poem_openapi::{Object, types::MaybeUndefined};

use crate::{
    error::{Error, Result},
    id::UserId,
    store::users::User,
};

/// What Graph sends unless `$select` says otherwise.
const DEFAULTS: [&str; 11] = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

/// What is sent only when `$select` names it.
const SELECTABLE: [&str; 15] = [
    "accountEnabled",
    "companyName",
    "createdDateTime",
    "deletedDateTime",
    "department",
    "employeeId",
    "externalUserState",
    "identities",
    "mailNickname",
    "onPremisesSyncEnabled",
    "otherMails",
    "proxyAddresses",
    "signInSessionsValidFromDateTime",
    "usageLocation",
    "userType",
];

/// The properties that an answer has.
#[derive(Debug, Clone)]
pub struct Select {
    properties: Vec<&'static str>,
    /// As the answer's context names them.
    named: Option<String>,
}

impl Select {
    /// Reads `$select`: names with commas between them, in any case as Graph takes them.
    pub fn parse(select: Option<&str>) -> Result<Self> {
        let Some(select) = select else { return Ok(Self { properties: DEFAULTS.to_vec(), named: None }) };
        let mut properties = Vec::new();
        for name in select.split(',').map(str::trim) {
            let known = DEFAULTS.iter().chain(&SELECTABLE).find(|known| known.eq_ignore_ascii_case(name));
            let Some(known) = known else {
                let name: String = name.chars().take(64).collect();
                let message = format!(
                    "A user has no property '{name}' here; $select takes {}, {}.",
                    DEFAULTS.join(", "),
                    SELECTABLE.join(", ")
                );
                return Err(Error::invalid_user("$select", message));
            };
            if !properties.contains(known) {
                properties.push(*known);
            }
        }
        let named = Some(properties.join(","));
        Ok(Self { properties, named })
    }

    /// The default properties and one more.
    pub fn defaults_and(property: &'static str) -> Self {
        let mut properties = DEFAULTS.to_vec();
        properties.push(property);
        Self { properties, named: None }
    }

    /// `users` or `users(id,displayName)`, for the context of an answer.
    pub fn context(&self, collection: &str) -> String {
        match &self.named {
            Some(named) => format!("{collection}({named})"),
            None => collection.to_owned(),
        }
    }

    fn pick<T>(&self, property: &str, value: impl Into<Option<T>>) -> MaybeUndefined<T> {
        match self.properties.contains(&property) {
            true => MaybeUndefined::from_opt_null(value.into()),
            false => MaybeUndefined::Undefined,
        }
    }
}

/// A user. Without `$select` an answer has the eleven properties that Graph sends by default; the others are marked
/// "with $select".
#[derive(Debug, Default, Object)]
#[oai(rename = "User", rename_all = "camelCase")]
pub struct UserView {
    #[oai(rename = "@odata.context", skip_serializing_if_is_none)]
    context: Option<String>,
    /// Where directory objects of several types can be: `#microsoft.graph.user`.
    #[oai(rename = "@odata.type", skip_serializing_if_is_none)]
    odata_type: Option<String>,
    id: MaybeUndefined<String>,
    user_principal_name: MaybeUndefined<String>,
    display_name: MaybeUndefined<String>,
    #[oai(nullable)]
    given_name: MaybeUndefined<String>,
    #[oai(nullable)]
    surname: MaybeUndefined<String>,
    #[oai(nullable)]
    mail: MaybeUndefined<String>,
    #[oai(nullable)]
    job_title: MaybeUndefined<String>,
    /// A number of the profile; not an authentication method.
    #[oai(nullable)]
    mobile_phone: MaybeUndefined<String>,
    /// Numbers of the profile; not authentication methods.
    business_phones: MaybeUndefined<Vec<String>>,
    #[oai(nullable)]
    office_location: MaybeUndefined<String>,
    #[oai(nullable)]
    preferred_language: MaybeUndefined<String>,
    /// With $select. False: the user cannot sign in.
    account_enabled: MaybeUndefined<bool>,
    /// With $select: Member or Guest.
    user_type: MaybeUndefined<String>,
    /// With $select.
    #[oai(nullable)]
    mail_nickname: MaybeUndefined<String>,
    /// With $select.
    #[oai(nullable)]
    department: MaybeUndefined<String>,
    /// With $select.
    #[oai(nullable)]
    company_name: MaybeUndefined<String>,
    /// With $select.
    #[oai(nullable)]
    employee_id: MaybeUndefined<String>,
    /// With $select: a country code of two letters.
    #[oai(nullable)]
    usage_location: MaybeUndefined<String>,
    /// With $select.
    other_mails: MaybeUndefined<Vec<String>>,
    /// With $select.
    created_date_time: MaybeUndefined<String>,
    /// With $select, and always of a deleted user.
    #[oai(nullable)]
    deleted_date_time: MaybeUndefined<String>,
    /// With $select: sessions and tokens from before this moment are void.
    sign_in_sessions_valid_from_date_time: MaybeUndefined<String>,
    /// With $select: what the user signs in with here, the userPrincipalName.
    identities: MaybeUndefined<Vec<ObjectIdentity>>,
    /// With $select; empty, as there are no mailboxes here.
    proxy_addresses: MaybeUndefined<Vec<String>>,
    /// With $select; null, as users are not synchronized from anywhere.
    #[oai(nullable)]
    on_premises_sync_enabled: MaybeUndefined<bool>,
    /// With $select; null, as nobody is invited.
    #[oai(nullable)]
    external_user_state: MaybeUndefined<String>,
}

/// What a user signs in with.
#[derive(Debug, Object)]
#[oai(rename = "ObjectIdentity", rename_all = "camelCase")]
pub struct ObjectIdentity {
    /// userPrincipalName.
    sign_in_type: String,
    /// The domain.
    issuer: String,
    issuer_assigned_id: String,
}

impl ObjectIdentity {
    fn of(user_principal_name: &str) -> Self {
        let issuer = user_principal_name.rsplit('@').next().unwrap_or_default();
        Self {
            sign_in_type: "userPrincipalName".into(),
            issuer: issuer.into(),
            issuer_assigned_id: user_principal_name.into(),
        }
    }
}

impl UserView {
    pub fn new(context: Option<String>, select: &Select, user: User) -> Self {
        let User { profile, .. } = user;
        Self {
            context,
            odata_type: None,
            id: select.pick("id", user.user_id.into_string()),
            identities: select.pick("identities", vec![ObjectIdentity::of(&user.user_principal_name)]),
            proxy_addresses: select.pick("proxyAddresses", vec![]),
            on_premises_sync_enabled: select.pick("onPremisesSyncEnabled", None),
            external_user_state: select.pick("externalUserState", None),
            user_principal_name: select.pick("userPrincipalName", user.user_principal_name),
            display_name: select.pick("displayName", user.display_name),
            given_name: select.pick("givenName", user.given_name),
            surname: select.pick("surname", user.surname),
            mail: select.pick("mail", user.mail),
            job_title: select.pick("jobTitle", profile.job_title),
            mobile_phone: select.pick("mobilePhone", profile.mobile_phone),
            business_phones: select.pick("businessPhones", profile.business_phones),
            office_location: select.pick("officeLocation", profile.office_location),
            preferred_language: select.pick("preferredLanguage", profile.preferred_language),
            account_enabled: select.pick("accountEnabled", user.account_enabled),
            user_type: select.pick("userType", user.user_type.to_string()),
            mail_nickname: select.pick("mailNickname", profile.mail_nickname),
            department: select.pick("department", profile.department),
            company_name: select.pick("companyName", profile.company_name),
            employee_id: select.pick("employeeId", profile.employee_id),
            usage_location: select.pick("usageLocation", profile.usage_location),
            other_mails: select.pick("otherMails", profile.other_mails),
            created_date_time: select.pick("createdDateTime", user.created_at.to_iso()),
            deleted_date_time: select.pick("deletedDateTime", user.deleted_at.map(|at| at.to_iso())),
            sign_in_sessions_valid_from_date_time: select
                .pick("signInSessionsValidFromDateTime", user.sessions_valid_from.to_iso()),
        }
    }

    /// Nothing but who it is.
    pub fn only_id(id: UserId) -> Self {
        Self { id: MaybeUndefined::Value(id.into_string()), ..Self::default() }
    }

    /// A user among changes: with the id, whatever is selected.
    pub fn with_id(select: &Select, user: User) -> Self {
        let id = MaybeUndefined::Value(user.user_id.to_string());
        Self { id, ..Self::new(None, select, user) }
    }

    /// The same user among directory objects of other types.
    pub fn typed(self) -> Self {
        Self { odata_type: Some("#microsoft.graph.user".into()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;
    use serde_json::Value;

    use super::*;
    use crate::{
        clock::Timestamp,
        id::{TenantId, UserId},
        store::users::{Profile, UserType},
    };

    fn sent(select: Option<&str>) -> Vec<String> {
        let user = User {
            tenant_id: TenantId::new("t"),
            user_id: UserId::new("u"),
            user_principal_name: "a@contoso.example".into(),
            display_name: "A".into(),
            given_name: None,
            surname: None,
            mail: None,
            user_type: UserType::Member,
            account_enabled: true,
            profile: Profile::default(),
            created_at: Timestamp::default(),
            deleted_at: None,
            sessions_valid_from: Timestamp::default(),
        };
        let view = UserView::new(None, &Select::parse(select).unwrap(), user).to_json();
        let Some(Value::Object(properties)) = view else { panic!("{view:?}") };
        properties.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn exactly_the_selected_properties_are_sent() {
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        assert_eq!(sorted(sent(None)), DEFAULTS);
        for property in DEFAULTS.iter().chain(&SELECTABLE) {
            assert_eq!(sent(Some(property)), [*property]);
        }
        assert_eq!(sorted(sent(Some("Mail, ID,mail"))), ["id", "mail"]);
        for wrong in ["", "id,", "passwordProfile", "id;mail"] {
            assert!(Select::parse(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
