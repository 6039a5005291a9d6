//! A token request: a form, whose client may show itself by HTTP Basic.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use poem::{
    Request, RequestBody,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef},
};
use secrecy::SecretString;

use crate::{
    api::examples,
    tokens::{
        assertions,
        client_credentials::{ClientProof, Refusal, TokenRequest},
        exchange::{self, ExchangeRequest},
    },
};

const FORM: &str = "application/x-www-form-urlencoded";

/// What a token request consists of, for the document. Swagger UI fills a form from the example of each field.
fn form_schema() -> MetaSchema {
    let fields = [
        (
            "grant_type",
            "`client_credentials`, or `urn:ietf:params:oauth:grant-type:token-exchange` with `subject_token` and \
             `subject_token_type` instead of client id and secret.",
            Some("client_credentials".to_owned()),
        ),
        ("client_id", "The application's id; left out with HTTP Basic.", Some(examples::application())),
        (
            "client_secret",
            "One of the application's secrets; left out with HTTP Basic.",
            Some("put the secret that rekey serve --demo prints here".to_owned()),
        ),
        (
            "client_assertion_type",
            "With `client_assertion`: `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.",
            None,
        ),
        (
            "client_assertion",
            "In place of a secret: a JWT that one of the application's keys signed (RFC 7523), or a token of an outside \
             issuer that one of its federated credentials names.",
            None,
        ),
        (
            "scope",
            "`.default` or `<anything>/.default`: all permissions that the application was granted.",
            Some(".default".to_owned()),
        ),
        ("subject_token", "For a token exchange: the user's access token of the partner's own tenant.", None),
        ("subject_token_type", "For a token exchange: `urn:ietf:params:oauth:token-type:access_token`.", None),
    ];
    let example = fields.iter().filter_map(|(name, _, example)| Some(((*name).to_owned(), example.clone()?.into())));
    let example = serde_json::Value::Object(example.collect());
    let property = |(name, description, example): (_, _, Option<String>)| {
        let example = example.map(Into::into);
        let schema = MetaSchema { description: Some(description), example, ..MetaSchema::new("string") };
        (name, MetaSchemaRef::Inline(Box::new(schema)))
    };
    MetaSchema {
        required: vec!["grant_type"],
        properties: fields.into_iter().map(property).collect(),
        example: Some(example),
        ..MetaSchema::new("object")
    }
}

/// A token request as it came: the fields of the form, and the credentials of HTTP Basic.
pub struct TokenForm {
    fields: Result<Vec<(String, String)>, Refusal>,
    basic: Result<Option<(String, SecretString)>, Refusal>,
}

impl<'a> ApiExtractor<'a> for TokenForm {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let schema = MetaSchemaRef::Inline(Box::new(form_schema()));
        let content = vec![MetaMediaType { content_type: FORM, schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let body = body.take()?.into_vec().await?;
        let media_type = request.content_type().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let fields = if body.is_empty() || media_type.eq_ignore_ascii_case(FORM) {
            parse_form(&body)
        } else {
            return Err(poem::Error::from_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        };
        let basic = match request.headers().get(header::AUTHORIZATION).map(HeaderValue::to_str) {
            Some(Ok(value)) => parse_basic(value),
            Some(Err(_)) => Err(MALFORMED_BASIC),
            None => Ok(None),
        };
        Ok(Self { fields, basic })
    }
}

const MALFORMED_FORM: Refusal = Refusal::Malformed("The body is not a form in UTF-8.");
const MALFORMED_BASIC: Refusal =
    Refusal::Malformed("The header Authorization is not 'Basic', a space, and base64 of 'client_id:client_secret'.");
const TWO_PROOFS: Refusal =
    Refusal::Malformed("Send the client's credentials in the body or in the header Authorization, not in both.");
const SECRET_AND_ASSERTION: Refusal = Refusal::Malformed("Send 'client_assertion' or 'client_secret', not both.");
const UNSUPPORTED_ASSERTION: Refusal =
    Refusal::Malformed("The client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer.");

/// One name or value of a form (RFC 6749 appendix B).
fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(Into::into)
}

/// The fields of a form that have a value; those without count as omitted (RFC 6749 section 3.2).
fn parse_form(body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| MALFORMED_FORM)?;
    let mut fields: Vec<(String, String)> = Vec::new();
    for field in text.split('&').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let (name, value) = (decode(name).ok_or(MALFORMED_FORM)?, decode(value).ok_or(MALFORMED_FORM)?);
        if fields.len() == MAX_FIELDS {
            return Err(MALFORMED_FORM);
        }
        if fields.iter().any(|(known, _)| *known == name) {
            return Err(Refusal::Duplicated);
        }
        fields.push((name, value));
    }
    fields.retain(|(_, value)| !value.is_empty());
    Ok(fields)
}

/// No client sends more.
const MAX_FIELDS: usize = 100;

/// `Authorization: Basic` (RFC 7617; the parts are form-encoded, RFC 6749 section 2.3.1). Other schemes are none of
/// ours and ignored.
fn parse_basic(header: &str) -> Result<Option<(String, SecretString)>, Refusal> {
    let Some((scheme, credentials)) = header.split_once(' ') else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let parse = || {
        let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((decode(id)?, SecretString::from(decode(secret)?)))
    };
    parse().map(Some).ok_or(MALFORMED_BASIC)
}

const UNSUPPORTED_EXCHANGE: Refusal = Refusal::Malformed(
    "Only tokens of the type urn:ietf:params:oauth:token-type:access_token are exchanged, and for no other actor.",
);

/// What a token request asks for.
#[derive(Debug)]
pub enum Asked {
    ClientCredentials(TokenRequest),
    Exchange(ExchangeRequest),
}

impl TokenForm {
    /// What is asked for, once every field is there and makes sense.
    pub fn into_request(self, tenant: String) -> Result<Asked, Refusal> {
        let mut fields = self.fields?;
        let mut take = |name: &'static str| {
            let place = fields.iter().position(|(known, _)| known == name)?;
            Some(fields.swap_remove(place).1)
        };
        let grant_type = take("grant_type").ok_or(Refusal::Missing("grant_type"))?;
        if grant_type == exchange::GRANT_TYPE {
            let subject_token = take("subject_token").ok_or(Refusal::Missing("subject_token"))?.into();
            let types = [take("subject_token_type"), take("requested_token_type")];
            if types[0].is_none() {
                return Err(Refusal::Missing("subject_token_type"));
            }
            if types.into_iter().flatten().any(|name| name != exchange::ACCESS_TOKEN) || take("actor_token").is_some() {
                return Err(UNSUPPORTED_EXCHANGE);
            }
            return Ok(Asked::Exchange(ExchangeRequest { tenant, subject_token }));
        }
        if grant_type != "client_credentials" {
            return Err(Refusal::UnsupportedGrant);
        }
        let assertion = match (take("client_assertion"), take("client_assertion_type")) {
            (None, None) => None,
            (None, Some(_)) => return Err(Refusal::Missing("client_assertion")),
            (Some(_), None) => return Err(Refusal::Missing("client_assertion_type")),
            (Some(_), Some(name)) if name != assertions::TYPE => return Err(UNSUPPORTED_ASSERTION),
            (Some(text), Some(_)) => Some(SecretString::from(text)),
        };
        let in_body = (take("client_id"), take("client_secret"), assertion);
        let (client_id, proof) = match (self.basic?, in_body) {
            (_, (_, Some(_), Some(_))) => return Err(SECRET_AND_ASSERTION),
            (Some(_), (_, Some(_), _) | (_, _, Some(_))) => return Err(TWO_PROOFS),
            (Some((id, _)), (Some(other), ..)) if id != other => return Err(TWO_PROOFS),
            (Some((id, secret)), _) => (id, ClientProof::Secret(secret)),
            (None, (id, _, Some(text))) => {
                let id = id.or_else(|| assertions::client_id(&text)).ok_or(Refusal::Missing("client_id"))?;
                (id, ClientProof::Assertion(text))
            }
            (None, (id, secret, None)) => {
                let id = id.ok_or(Refusal::Missing("client_id"))?;
                (id, ClientProof::Secret(secret.ok_or(Refusal::Missing("client_secret"))?.into()))
            }
        };
        let scope = take("scope").unwrap_or_default();
        let scope = scope.trim();
        let is_default = (scope == ".default" || scope.ends_with("/.default")) && !scope.contains(char::is_whitespace);
        if !scope.is_empty() && !is_default {
            return Err(Refusal::InvalidScope);
        }
        Ok(Asked::ClientCredentials(TokenRequest { tenant, client_id, proof }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn secret(asked: &TokenRequest) -> &str {
        match &asked.proof {
            ClientProof::Secret(secret) => secret.expose_secret(),
            ClientProof::Assertion(_) => panic!("it is a secret"),
        }
    }

    #[test]
    fn assertions_are_another_proof() {
        let grant = "grant_type=client_credentials";
        let typed = format!("&client_assertion_type={}", assertions::TYPE.replace(':', "%3A"));
        let asked = request(&format!("{grant}&client_id=a&client_assertion=x.y.z{typed}"), None).unwrap();
        assert!(matches!(&asked.proof, ClientProof::Assertion(text) if text.expose_secret() == "x.y.z"));
        // {"sub":"app"} names the client by itself (RFC 7521 section 4.2).
        let asked = request(&format!("{grant}&client_assertion=e30.eyJzdWIiOiJhcHAifQ.x{typed}"), None).unwrap();
        assert_eq!(asked.client_id, "app");
        let refused = |body: String, basic| request(&body, basic).unwrap_err();
        let both = format!("{grant}&client_id=a&client_assertion=x&client_secret=y{typed}");
        assert_eq!(refused(both, None), SECRET_AND_ASSERTION);
        let basic = Some("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
        assert_eq!(refused(format!("{grant}&client_assertion=x{typed}"), basic), TWO_PROOFS);
        let untyped = format!("{grant}&client_id=a&client_assertion=x");
        assert_eq!(refused(untyped.clone(), None), Refusal::Missing("client_assertion_type"));
        assert_eq!(refused(format!("{untyped}&client_assertion_type=x"), None), UNSUPPORTED_ASSERTION);
        assert_eq!(refused(format!("{grant}&client_id=a{typed}"), None), Refusal::Missing("client_assertion"));
        assert_eq!(refused(format!("{grant}&client_assertion=x{typed}"), None), Refusal::Missing("client_id"));
    }

    fn request(body: &str, authorization: Option<&str>) -> Result<TokenRequest, Refusal> {
        let basic = authorization.map_or(Ok(None), parse_basic);
        match (TokenForm { fields: parse_form(body.as_bytes()), basic }).into_request("t".into())? {
            Asked::ClientCredentials(request) => Ok(request),
            Asked::Exchange(request) => panic!("{request:?}"),
        }
    }

    #[test]
    fn exchanges() {
        let grant = format!("grant_type={}&subject_token=a.b.c", exchange::GRANT_TYPE);
        let ask = |rest: &str| {
            let body = format!("{grant}{rest}");
            TokenForm { fields: parse_form(body.as_bytes()), basic: Ok(None) }.into_request("t".into())
        };
        let typed = format!("&subject_token_type={}", exchange::ACCESS_TOKEN);
        let Ok(Asked::Exchange(asked)) = ask(&typed) else { panic!("it is an exchange") };
        assert_eq!((asked.tenant.as_str(), asked.subject_token.expose_secret()), ("t", "a.b.c"));
        assert!(ask(&format!("{typed}&requested_token_type={}", exchange::ACCESS_TOKEN)).is_ok());
        assert_eq!(ask("").unwrap_err(), Refusal::Missing("subject_token_type"));
        for wrong in
            ["&subject_token_type=x", &format!("{typed}&actor_token=x"), &format!("{typed}&requested_token_type=x")]
        {
            assert_eq!(ask(wrong).unwrap_err(), UNSUPPORTED_EXCHANGE, "{wrong}");
        }
    }

    #[test]
    fn forms() {
        let asked =
            request("grant_type=client_credentials&client_id=a%20b&client_secret=c%2Bd+e&scope=", None).unwrap();
        assert_eq!((asked.client_id.as_str(), secret(&asked)), ("a b", "c+d e"));
        for scope in [".default", "https%3A%2F%2Fgraph.microsoft.com%2F.default", "http://127.0.0.1/.default"] {
            let body = format!("grant_type=client_credentials&client_id=a&client_secret=b&scope={scope}&client_info=1");
            assert!(request(&body, None).is_ok(), "{scope}");
        }
        let refused = |body: &str| request(body, None).unwrap_err();
        assert_eq!(refused(""), Refusal::Missing("grant_type"));
        assert_eq!(refused("grant_type="), Refusal::Missing("grant_type"));
        assert_eq!(refused("grant_type=password"), Refusal::UnsupportedGrant);
        assert_eq!(refused("grant_type=client_credentials"), Refusal::Missing("client_id"));
        assert_eq!(refused("grant_type=client_credentials&client_id=a"), Refusal::Missing("client_secret"));
        assert_eq!(refused("a=1&%61=2"), Refusal::Duplicated);
        assert_eq!(refused("a=%ff"), MALFORMED_FORM);
        for scope in ["User.Read", "a/.default+b/.default", "x.default", "a/.default/"] {
            let body = format!("grant_type=client_credentials&client_id=a&client_secret=b&scope={scope}");
            assert_eq!(refused(&body), Refusal::InvalidScope, "{scope}");
        }
    }

    #[test]
    fn basic_credentials() {
        // RFC 6749 section 2.3.1 gives this header for the client s6BhdRkqt3.
        let header = "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW";
        let asked = request("grant_type=client_credentials", Some(header)).unwrap();
        assert_eq!((asked.client_id.as_str(), secret(&asked)), ("s6BhdRkqt3", "gX1fBat3bV"));
        assert!(request("grant_type=client_credentials&client_id=s6BhdRkqt3", Some(header)).is_ok());
        for body in ["grant_type=client_credentials&client_id=x", "grant_type=client_credentials&client_secret=x"] {
            assert_eq!(request(body, Some(header)).unwrap_err(), TWO_PROOFS);
        }
        let encoded = format!("basic {}", STANDARD.encode("a%3Ab:c%25d"));
        let asked = request("grant_type=client_credentials", Some(&encoded)).unwrap();
        assert_eq!((asked.client_id.as_str(), secret(&asked)), ("a:b", "c%d"));
        for wrong in ["Basic !", "Basic ", "Basic YQ==", "Basic gDpi"] {
            assert_eq!(request("grant_type=client_credentials", Some(wrong)).unwrap_err(), MALFORMED_BASIC, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_a_form(id in "\\PC{1,20}", secret in "\\PC{1,20}") {
            let mut form = reqwest::Url::parse("http://x/").unwrap();
            form.query_pairs_mut()
                .append_pair("grant_type", "client_credentials")
                .append_pair("client_id", &id)
                .append_pair("client_secret", &secret);
            let asked = request(form.query().unwrap(), None).unwrap();
            prop_assert_eq!(super::tests::secret(&asked), secret);
            prop_assert_eq!(asked.client_id, id);
        }

        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200), header in "\\PC{0,40}") {
            let _ = parse_form(&body);
            let _ = parse_basic(&header);
        }
    }
}
