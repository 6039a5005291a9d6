//! What can be written of a user, and the bounds of each property (Graph, "user resource type").

use serde_json::Value;

use super::check_text;
use crate::{
    error::{Error, Result},
    methods::{email, password::PasswordDigest, phone},
    store::users::{User, UserType},
};

/// What a caller writes. `None` leaves a property as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub display_name: Option<String>,
    pub user_principal_name: Option<String>,
    pub mail_nickname: Option<String>,
    pub account_enabled: Option<bool>,
    pub user_type: Option<UserType>,
    pub given_name: Option<Option<String>>,
    pub surname: Option<Option<String>>,
    pub mail: Option<Option<String>>,
    pub job_title: Option<Option<String>>,
    pub mobile_phone: Option<Option<String>>,
    pub business_phones: Option<Vec<String>>,
    pub office_location: Option<Option<String>>,
    pub preferred_language: Option<Option<String>>,
    pub usage_location: Option<Option<String>>,
    pub department: Option<Option<String>>,
    pub company_name: Option<Option<String>>,
    pub employee_id: Option<Option<String>>,
    pub other_mails: Option<Vec<String>>,
    pub password: PasswordChange,
}

/// Graph's `passwordProfile`.
#[derive(Debug, Clone, Default)]
pub struct PasswordChange {
    /// The new password.
    pub digest: Option<PasswordDigest>,
    /// Whether the user must choose another at the next sign-in. A new password without a word about it: no.
    pub force_change_next_sign_in: Option<bool>,
}

/// The most entries of `otherMails`.
const MAX_OTHER_MAILS: usize = 250;

impl Changes {
    /// Refuses whatever cannot be stored as it is. `domain` is the tenant's.
    pub fn check(&self, domain: &str) -> Result<()> {
        // Taken apart, so that a new property cannot be forgotten here.
        let Self {
            display_name,
            user_principal_name,
            mail_nickname,
            account_enabled: _,
            user_type: _,
            given_name,
            surname,
            mail,
            job_title,
            mobile_phone,
            business_phones,
            office_location,
            preferred_language,
            usage_location,
            department,
            company_name,
            employee_id,
            other_mails,
            password: _,
        } = self;
        if let Some(name) = display_name {
            check_filled("displayName", name, 256)?;
        }
        if let Some(name) = user_principal_name {
            check_principal_name(name, domain)?;
        }
        if let Some(alias) = mail_nickname {
            check_alias(alias)?;
        }
        for (target, change, max_characters) in [
            ("givenName", given_name, 64),
            ("surname", surname, 64),
            ("jobTitle", job_title, 128),
            ("mobilePhone", mobile_phone, 64),
            ("officeLocation", office_location, 128),
            ("preferredLanguage", preferred_language, 64),
            ("department", department, 64),
            ("companyName", company_name, 64),
            ("employeeId", employee_id, 16),
        ] {
            if let Some(Some(text)) = change {
                check_filled(target, text, max_characters)?;
            }
        }
        if let Some(Some(address)) = mail {
            check_address("mail", address)?;
        }
        if let Some(Some(country)) = usage_location {
            check_country(country)?;
        }
        if let Some(numbers) = business_phones {
            check_count("businessPhones", numbers.len(), 1)?;
            numbers.iter().try_for_each(|number| check_filled("businessPhones", number, 64))?;
        }
        if let Some(addresses) = other_mails {
            check_count("otherMails", addresses.len(), MAX_OTHER_MAILS)?;
            addresses.iter().try_for_each(|address| check_address("otherMails", address))?;
        }
        Ok(())
    }

    /// The user with these changes. The password is not an attribute and stays out.
    pub fn applied_to(&self, mut user: User) -> User {
        let Self {
            display_name,
            user_principal_name,
            mail_nickname,
            account_enabled,
            user_type,
            given_name,
            surname,
            mail,
            job_title,
            mobile_phone,
            business_phones,
            office_location,
            preferred_language,
            usage_location,
            department,
            company_name,
            employee_id,
            other_mails,
            password: _,
        } = self.clone();
        let profile = &mut user.profile;
        set(&mut user.display_name, display_name);
        set(&mut user.user_principal_name, user_principal_name);
        set(&mut profile.mail_nickname, mail_nickname.map(Some));
        set(&mut user.account_enabled, account_enabled);
        set(&mut user.user_type, user_type);
        set(&mut user.given_name, given_name);
        set(&mut user.surname, surname);
        set(&mut user.mail, mail);
        set(&mut profile.job_title, job_title);
        set(&mut profile.mobile_phone, mobile_phone);
        set(&mut profile.business_phones, business_phones);
        set(&mut profile.office_location, office_location);
        set(&mut profile.preferred_language, preferred_language);
        set(&mut profile.usage_location, usage_location.map(|country| country.map(|text| text.to_ascii_uppercase())));
        set(&mut profile.department, department);
        set(&mut profile.company_name, company_name);
        set(&mut profile.employee_id, employee_id);
        set(&mut profile.other_mails, other_mails);
        user
    }
}

fn set<T>(place: &mut T, change: Option<T>) {
    if let Some(value) = change {
        *place = value;
    }
}

/// The part of a userPrincipalName before the `@`.
pub fn alias(user_principal_name: &str) -> &str {
    user_principal_name.split('@').next().unwrap_or_default()
}

/// Bounded text with something in it; a property is cleared with null, not with blanks.
fn check_filled(target: &str, text: &str, max_characters: usize) -> Result<()> {
    check_text(target, text, max_characters).map_err(Error::in_directory)?;
    if text.trim().is_empty() {
        return Err(Error::invalid_user(
            target,
            format!("{target} must not be empty; null clears a property that may be."),
        ));
    }
    Ok(())
}

/// `alias@domain`. Entra, "Username policies": letters, digits and `' . - _ ! # ^ ~`, at most 64 characters before
/// the `@`, and no dot at either end of them. A tenant has one domain, the default one.
fn check_principal_name(name: &str, domain: &str) -> Result<()> {
    let refuse = |message: String| Err(Error::invalid_user("userPrincipalName", message));
    let Some((alias, of)) = name.split_once('@') else {
        return refuse("userPrincipalName is written alias@domain.".into());
    };
    if !of.eq_ignore_ascii_case(domain) {
        return refuse(format!(
            "The domain portion of the userPrincipalName property is invalid: users of this tenant are named alias@{domain}."
        ));
    }
    let allowed = |character: char| character.is_ascii_alphanumeric() || "'.-_!#^~".contains(character);
    if !(1..=64).contains(&alias.chars().count()) || !alias.chars().all(allowed) {
        return refuse("Before the @, userPrincipalName has 1 to 64 letters, digits or characters of '.-_!#^~.".into());
    }
    if alias.starts_with('.') || alias.ends_with('.') {
        return refuse("Before the @, userPrincipalName neither begins nor ends with a dot.".into());
    }
    Ok(())
}

/// Graph, `mailNickname`: ASCII without `@ ( ) \ [ ] " ; : < > ,` and space, at most 64 characters.
fn check_alias(alias: &str) -> Result<()> {
    check_filled("mailNickname", alias, 64)?;
    if !alias.chars().all(|character| character.is_ascii_graphic() && !r#"@()\[]";:<>,"#.contains(character)) {
        let message = r#"mailNickname is ASCII without spaces and without @ ( ) \ [ ] " ; : < > ,"#;
        return Err(Error::invalid_user("mailNickname", message));
    }
    Ok(())
}

/// `local@domain` without spaces; whether it reaches anybody is not known here.
fn check_address(target: &str, address: &str) -> Result<()> {
    check_filled(target, address, 250)?;
    let is_address = address.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !address.contains(char::is_whitespace)
    });
    if !is_address {
        return Err(Error::invalid_user(target, format!("{target} holds e-mail addresses, written local@domain.")));
    }
    Ok(())
}

/// ISO 3166-1 alpha-2, in any case.
fn check_country(country: &str) -> Result<()> {
    if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(Error::invalid_user(
            "usageLocation",
            "usageLocation is a country code of two letters, such as US.",
        ));
    }
    Ok(())
}

fn check_count(target: &str, count: usize, max: usize) -> Result<()> {
    if count > max {
        return Err(Error::invalid_user(target, format!("{target} has at most {max} entries.")));
    }
    Ok(())
}

/// Properties whose values the audit log shows masked.
const NUMBERS: [&str; 2] = ["mobilePhone", "businessPhones"];
const ADDRESSES: [&str; 1] = ["otherMails"];

/// What differs between two states of a user (before the first there is none), by Graph's names: (property, old, new),
/// numbers and private addresses masked.
pub fn differences(before: Option<&User>, after: &User) -> Result<Vec<(String, Value, Value)>> {
    let read = |user: &User| match serde_json::to_value(user) {
        Ok(Value::Object(attributes)) => Ok(attributes),
        Ok(_) => Err(Error::internal("a user is an object")),
        Err(error) => Err(Error::internal(error)),
    };
    let mut old = before.map(read).transpose()?.unwrap_or_default();
    let mut differences = Vec::new();
    for (name, new) in read(after)? {
        // Who the user is, the event says anyway.
        if name == "id" || name == "tenantId" {
            continue;
        }
        let old = old.remove(&name).unwrap_or_default();
        let both_empty = old.is_null() && new.as_array().is_some_and(Vec::is_empty);
        if old != new && !both_empty {
            let (old, new) = (mask(&name, old), mask(&name, new));
            differences.push((name, old, new));
        }
    }
    Ok(differences)
}

fn mask(name: &str, value: Value) -> Value {
    let hide: fn(&str) -> String = match name {
        _ if NUMBERS.contains(&name) => phone::mask,
        _ if ADDRESSES.contains(&name) => email::mask,
        _ => return value,
    };
    match value {
        Value::String(text) => Value::String(hide(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| mask(name, item)).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(changes: Changes) -> String {
        match changes.check("contoso.example") {
            Err(Error::Invalid { area: crate::error::Area::Directory, target, .. }) => target.unwrap_or_default(),
            other => panic!("{other:?}"),
        }
    }

    fn named(name: &str) -> Changes {
        Changes { user_principal_name: Some(name.into()), ..Changes::default() }
    }

    #[test]
    fn principal_names_are_of_the_tenants_domain() {
        for name in
            ["adele.vance@contoso.example", "a@CONTOSO.example", "o'neil@contoso.example", "x#EXT#@contoso.example"]
        {
            named(name).check("contoso.example").unwrap();
        }
        let long = format!("{}@contoso.example", "a".repeat(65));
        for name in [
            "",
            "adele",
            "@contoso.example",
            "adele@",
            "adele@fabrikam.example",
            "adele@sub.contoso.example",
            "a b@contoso.example",
            "a@b@contoso.example",
            ".a@contoso.example",
            "a.@contoso.example",
            "a\0@contoso.example",
            "ädele@contoso.example",
            &long,
        ] {
            assert_eq!(refused(named(name)), "userPrincipalName", "{name:?}");
        }
    }

    /// Sets one property.
    type With = fn(Option<Option<String>>) -> Changes;

    #[test]
    fn every_property_is_bounded() {
        let text = |length: usize| Some(Some("x".repeat(length)));
        let bounds: [(usize, With); 9] = [
            (64, |v| Changes { given_name: v, ..Changes::default() }),
            (64, |v| Changes { surname: v, ..Changes::default() }),
            (128, |v| Changes { job_title: v, ..Changes::default() }),
            (64, |v| Changes { mobile_phone: v, ..Changes::default() }),
            (128, |v| Changes { office_location: v, ..Changes::default() }),
            (64, |v| Changes { preferred_language: v, ..Changes::default() }),
            (64, |v| Changes { department: v, ..Changes::default() }),
            (64, |v| Changes { company_name: v, ..Changes::default() }),
            (16, |v| Changes { employee_id: v, ..Changes::default() }),
        ];
        for (max, with) in bounds {
            with(text(max)).check("contoso.example").unwrap();
            with(Some(None)).check("contoso.example").unwrap();
            refused(with(text(max + 1)));
            refused(with(Some(Some("  ".into()))));
            refused(with(Some(Some("a\u{7}".into()))));
        }
        assert_eq!(refused(Changes { mail_nickname: Some("a@b".into()), ..Changes::default() }), "mailNickname");
        assert_eq!(
            refused(Changes { usage_location: Some(Some("USA".into())), ..Changes::default() }),
            "usageLocation"
        );
        let two = Some(vec!["1".to_owned(), "2".to_owned()]);
        assert_eq!(refused(Changes { business_phones: two, ..Changes::default() }), "businessPhones");
        let nowhere = Some(vec!["nowhere".to_owned()]);
        assert_eq!(refused(Changes { other_mails: nowhere, ..Changes::default() }), "otherMails");
    }

    proptest! {
        /// What passes is safe wherever a name goes: a path segment, an audit event, a column of either database.
        #[test]
        fn an_accepted_name_is_plain(name in r"[ -~\n\u{e4}\u{0}]{0,80}(@contoso\.example)?") {
            if named(&name).check("contoso.example").is_ok() {
                prop_assert!(name.is_ascii() && name.matches('@').count() == 1 && name.len() <= 64 + 16);
                prop_assert!(!name.contains(['/', '?', '%', ' ', '\n', '\0', '"']));
            }
        }
    }
}
