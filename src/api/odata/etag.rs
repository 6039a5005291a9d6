//! Entity tags (RFC 9110 section 8.8.3): the version of an object, and the condition that nobody changed it since.

use poem::{
    Request,
    http::{Method, header},
};

use crate::{
    error::{Error, Result},
    partners::Expected,
};

/// The tag of a version, weak as Graph's are.
pub fn of_version(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// The version that `If-Match` names. `None` when it names something that no object of ours ever had; then it matches
/// nothing. The header must be there: without it the caller has not said what he saw.
pub fn required_version(if_match: Option<&str>) -> Result<Option<i64>> {
    let tag = if_match.map(str::trim).filter(|tag| !tag.is_empty()).ok_or(Error::PreconditionRequired)?;
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    Ok(tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|version| version.parse().ok()))
}

/// The versions that `If-Match` names: one of a list, or any, which only says that the object is there. The header must
/// be there.
pub fn expected_versions(if_match: Option<&str>) -> Result<Expected> {
    let tags = if_match.map(str::trim).filter(|tags| !tags.is_empty()).ok_or(Error::PreconditionRequired)?;
    if tags == "*" {
        return Ok(Expected::Any);
    }
    let versions = tags.split(',').map(|tag| required_version(Some(tag)).ok().flatten());
    Ok(Expected::OneOf(versions.flatten().collect()))
}

/// Refuses a change of an object without a tag when its condition names one: such an object matches `*` and nothing else
/// (RFC 9110 section 13.1.1). What has tags is compared in the transaction that changes it.
pub fn check_condition(request: &Request) -> Result<()> {
    const TAGGED: [&str; 2] = ["/v1.0/tenantRelationships/delegatedAdminRelationships/", "/v1.0/mfaResets/"];
    let is_change = matches!(*request.method(), Method::PATCH | Method::PUT | Method::DELETE);
    if !is_change || TAGGED.iter().any(|tagged| request.uri().path().starts_with(tagged)) {
        return Ok(());
    }
    let mut conditions = request.headers().get_all(header::IF_MATCH).iter();
    if conditions.all(|condition| condition.as_bytes().trim_ascii() == b"*") {
        return Ok(());
    }
    Err(Error::PreconditionFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags() {
        let of = |text| expected_versions(Some(text)).unwrap();
        assert_eq!(of("*"), Expected::Any);
        assert_eq!(of("W/\"7\""), Expected::OneOf(vec![7]));
        assert_eq!(of("\"abc\", W/\"7\" ,\"8\""), Expected::OneOf(vec![7, 8]));
        assert_eq!(of("W/7,"), Expected::OneOf(vec![]));
        assert!(matches!(expected_versions(Some(" ")), Err(Error::PreconditionRequired)));
    }

    #[test]
    fn tags() {
        assert_eq!(required_version(Some(&of_version(7))).unwrap(), Some(7));
        assert_eq!(required_version(Some("\"7\"")).unwrap(), Some(7));
        assert_eq!(required_version(Some("W/7")).unwrap(), None);
        assert!(matches!(required_version(Some(" ")), Err(Error::PreconditionRequired)));
        assert!(matches!(required_version(None), Err(Error::PreconditionRequired)));
    }
}
