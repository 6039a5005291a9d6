//! Links to where a list goes on. A token holds the whole question and the place in its answer, and is signed: nobody
//! can make the server walk from a place of his own choice, or continue one question with another. It names the tenant
//! that the list was read in: another's list does not go on there.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use url::form_urlencoded;

use crate::{
    api::intake::RequestInfo,
    app::App,
    error::{Error, Result},
    id::TenantId,
    seal::Sealer,
};

/// Goes on with a page of a list.
pub const SKIP_TOKEN: &str = "$skiptoken";
/// Goes on with what changes after a list was read.
pub const DELTA_TOKEN: &str = "$deltatoken";
/// In place of a delta token: what changes from now on.
pub const LATEST: &str = "latest";

/// The longest options that a link repeats beside its token, in bytes.
const MAX_REPEATED: usize = 2 * 1024;

/// A token that nobody here has signed, or for something else.
pub fn foreign(option: &str) -> Error {
    let link = if option == DELTA_TOKEN { "@odata.deltaLink" } else { "@odata.nextLink" };
    Error::invalid(option, format!("{option} is not one of ours; follow {link} as it stands."))
}

/// The address of the same list behind the item with this key.
pub fn link_behind(app: &App, info: &RequestInfo, key: &str) -> String {
    link(app, info, SKIP_TOKEN, key)
}

/// The address of the same question, going on at `key` with a token under this name. The token holds the whole question;
/// the options are repeated for whoever reads it, unless they are long.
pub fn link(app: &App, info: &RequestInfo, option: &str, key: &str) -> String {
    let options = without_tokens(&info.query);
    let tenant = info.caller.get().map(|caller| caller.tenant.as_str()).unwrap_or_default();
    let place = format!("{tenant}\n{key}");
    let token = sign(&app.store.context().sealer, option, &info.path, &options, &place);
    let options = if options.len() > MAX_REPEATED { String::new() } else { options };
    let separator = if options.is_empty() { "" } else { "&" };
    format!("{}{}?{options}{separator}{option}={token}", app.issuer.public_url, info.path)
}

/// The address of the same question from its beginning.
pub fn anew(app: &App, info: &RequestInfo) -> String {
    let options = without_tokens(&info.query);
    let separator = if options.is_empty() { "" } else { "?" };
    format!("{}{}{separator}{options}", app.issuer.public_url, info.path)
}

/// A query with what its token stands for in place of the token: all options of the question, and the tenant and the
/// key, which [`check_tenant`] and [`key`] read. `None` for a query without a token.
pub fn opened(sealer: &Sealer, path: &str, query: &str) -> Result<Option<String>> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let mut tokens = pairs.iter().filter_map(|(name, value)| Some((token_name(name)?, value)));
    let (option, token) = match (tokens.next(), tokens.next()) {
        (None, _) => return Ok(None),
        (Some((DELTA_TOKEN, token)), None) if token == LATEST => return Ok(None),
        (Some(token), None) => token,
        (Some((option, _)), Some(_)) => {
            return Err(Error::invalid(
                option,
                "There is more than one token in the address; follow the link as it stands.",
            ));
        }
    };
    let (options, place) = read(sealer, option, path, token).ok_or_else(|| foreign(option))?;
    let shown = without_tokens(query);
    if !shown.is_empty() && sorted(&shown) != sorted(&options) {
        let message = format!("{option} belongs to other query options; follow the link as it stands.");
        return Err(Error::invalid(option, message));
    }
    let separator = if options.is_empty() { "" } else { "&" };
    Ok(Some(format!("{options}{separator}{option}={}", URL_SAFE_NO_PAD.encode(place))))
}

/// Refuses a query with a token that was opened at the gate, where nobody knew yet who asks, and is another tenant's.
pub fn check_tenant(query: &str, tenant: &TenantId) -> Result<()> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let mut tokens = pairs.filter_map(|(name, opened)| Some((token_name(&name)?, place(&opened)?)));
    match tokens.find(|(_, (of, _))| of != tenant.as_str()) {
        Some((option, _)) => Err(foreign(option)),
        None => Ok(()),
    }
}

/// The key behind an option whose token was opened at the gate.
pub fn key(option: &str, opened: &str) -> Result<String> {
    place(opened).map(|(_, key)| key).ok_or_else(|| foreign(option))
}

/// What stands in place of a token that was opened: the tenant, and the key.
fn place(opened: &str) -> Option<(String, String)> {
    let place = String::from_utf8(URL_SAFE_NO_PAD.decode(opened).ok()?).ok()?;
    let (tenant, key) = place.split_once('\n')?;
    Some((tenant.to_owned(), key.to_owned()))
}

fn token_name(name: &str) -> Option<&'static str> {
    [SKIP_TOKEN, DELTA_TOKEN].into_iter().find(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a query goes on with a list.
pub fn has_token(query: &str) -> bool {
    query.split('&').any(is_token)
}

fn is_token(option: &str) -> bool {
    let name = option.split('=').next().unwrap_or_default();
    form_urlencoded::parse(name.as_bytes()).next().is_some_and(|(name, _)| token_name(&name).is_some())
}

fn without_tokens(query: &str) -> String {
    query.split('&').filter(|option| !option.is_empty() && !is_token(option)).collect::<Vec<_>>().join("&")
}

/// The options of a query however they are encoded and ordered.
fn sorted(query: &str) -> Vec<(String, String)> {
    let mut options: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    options.sort();
    options
}

/// `base64url(options, place).signature`; the signature binds them to the list and the kind of token.
fn sign(sealer: &Sealer, option: &str, path: &str, options: &str, place: &str) -> String {
    let content = URL_SAFE_NO_PAD.encode(format!("{options}\n{place}"));
    let signature = sealer.fingerprint(&[option.as_bytes(), path.as_bytes(), content.as_bytes()]);
    format!("{content}.{signature}")
}

fn read(sealer: &Sealer, option: &str, path: &str, token: &str) -> Option<(String, String)> {
    let (content, signature) = token.split_once('.')?;
    let expected = sealer.fingerprint(&[option.as_bytes(), path.as_bytes(), content.as_bytes()]);
    // Nothing that a token says is secret from its holder, who could not use the time a comparison takes.
    if signature != expected {
        return None;
    }
    let content = String::from_utf8(URL_SAFE_NO_PAD.decode(content).ok()?).ok()?;
    let (options, place) = content.split_once('\n')?;
    Some((options.to_owned(), place.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Entropy;

    const PATH: &str = "/v1.0/users";

    fn opened_by(sealer: &Sealer, query: &str) -> Option<String> {
        opened(sealer, PATH, query).unwrap()
    }

    #[test]
    fn an_opened_token_is_one_tenants() {
        let query = format!("$top=5&$skiptoken={}", URL_SAFE_NO_PAD.encode("one\nkey"));
        assert!(check_tenant(&query, &TenantId::new("one")).is_ok());
        assert!(check_tenant(&query, &TenantId::new("two")).is_err());
        assert!(check_tenant("$top=5&$deltatoken=latest", &TenantId::new("two")).is_ok());
        let opened = query.strip_prefix("$top=5&$skiptoken=").unwrap();
        assert_eq!(key(SKIP_TOKEN, opened).unwrap(), "key");
    }

    #[test]
    fn a_token_carries_the_question() {
        let sealer = Sealer::generate(&Entropy::System).unwrap();
        let options = "$top=5&$filter=startsWith(displayName,'a')";
        let token = sign(&sealer, SKIP_TOKEN, PATH, options, "key");
        let whole = format!("{options}&$skiptoken={}", URL_SAFE_NO_PAD.encode("key"));
        assert_eq!(opened_by(&sealer, &format!("$skiptoken={token}")), Some(whole.clone()));
        assert_eq!(opened_by(&sealer, &format!("%24skiptoken={token}")), Some(whole.clone()));
        // The same options, encoded and ordered as a client likes it.
        let shown = format!("%24filter=startsWith%28displayName%2C%27a%27%29&$skiptoken={token}&%24top=5");
        assert_eq!(opened_by(&sealer, &shown), Some(whole));
        assert_eq!(opened_by(&sealer, options), None);
        for wrong in [
            format!("$top=6&$skiptoken={token}"),
            format!("$skiptoken={token}x"),
            format!("$skiptoken=x{token}"),
            format!("$deltatoken={token}"),
            format!("$skiptoken={token}&$skiptoken={token}"),
            format!("$skiptoken={}", URL_SAFE_NO_PAD.encode("key")),
        ] {
            assert!(opened(&sealer, PATH, &wrong).is_err(), "{wrong}");
        }
        assert!(opened(&sealer, "/v1.0/auditLogs/signIns", &format!("$skiptoken={token}")).is_err());
        let other = Sealer::generate(&Entropy::System).unwrap();
        assert!(opened(&other, PATH, &format!("$skiptoken={token}")).is_err());
    }
}
