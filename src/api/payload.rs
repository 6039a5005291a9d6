//! Which property of a body is wrong. poem-openapi stops at the first value it cannot read and does not say where; the
//! document does.

use serde_json::{Map, Value};

use crate::error::{Area, Error};

/// How deep a body may be nested for this to look into it; no operation's is half as deep.
const MAX_DEPTH: usize = 16;

/// The schemas of the document, and those of its request bodies.
pub struct Bodies {
    schemas: Map<String, Value>,
}

impl Bodies {
    /// `document` is the OpenAPI document.
    pub fn of(document: &Value) -> Self {
        let schemas = document["components"]["schemas"].as_object().cloned().unwrap_or_default();
        Self { schemas }
    }

    /// The first property of `body` that is missing or has another type than its schema says; `None` when none is.
    pub fn fault(&self, area: Area, schema: &Value, body: &[u8]) -> Option<Error> {
        let body = serde_json::from_slice(body).ok()?;
        let (path, what) = self.find(schema, &body, "", 0)?;
        let message = format!("The property '{path}' {what}.");
        Some(Error::Invalid { area, target: Some(path), message })
    }

    fn find(&self, schema: &Value, value: &Value, path: &str, depth: usize) -> Option<(String, String)> {
        let schema = self.resolved(schema)?;
        if depth > MAX_DEPTH {
            return None;
        }
        let expected = schema["type"].as_str()?;
        let fits = match expected {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            _ => true,
        };
        if !fits {
            let article = if expected.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
            return (!path.is_empty()).then(|| (path.to_owned(), format!("must be {article} {expected}")));
        }
        let words: Vec<_> = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !words.is_empty() && value.as_str().is_some_and(|word| !words.contains(&word)) {
            return Some((path.to_owned(), format!("must be one of {}", words.join(", "))));
        }
        if let Some(items) = value.as_array() {
            let mut items = items.iter().enumerate();
            return items
                .find_map(|(number, item)| self.find(&schema["items"], item, &format!("{path}[{number}]"), depth + 1));
        }
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if let Some(missing) = required.iter().find(|name| value[**name].is_null()) {
            return Some((below(missing), "is missing".into()));
        }
        let properties = schema["properties"].as_object()?;
        let mut present = value.as_object()?.iter().filter(|(_, value)| !value.is_null());
        present.find_map(|(name, value)| self.find(properties.get(name)?, value, &below(name), depth + 1))
    }

    /// Behind a reference, alone or with a description beside it. Choices (`oneOf`) are not looked into.
    fn resolved<'a>(&'a self, schema: &'a Value) -> Option<&'a Value> {
        let all = schema["allOf"].as_array().into_iter().flatten();
        match all.chain([schema]).find_map(|schema| schema["$ref"].as_str()) {
            Some(reference) => self.schemas.get(reference.rsplit('/').next()?),
            None => Some(schema),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_wrong_property_is_named() {
        let document = json!({"components": {"schemas": {
            "User": {"type": "object", "required": ["name", "profile"], "properties": {
                "name": {"type": "string"},
                "kind": {"description": "What.", "allOf": [{"$ref": "#/components/schemas/Kind"}, {"description": "What."}]},
                "profile": {"$ref": "#/components/schemas/Profile"},
                "tags": {"type": "array", "items": {"type": "integer"}},
            }},
            "Profile": {"type": "object", "required": ["password"], "properties": {"password": {"type": "string"}}},
            "Kind": {"type": "string", "enum": ["member", "guest"]},
        }}});
        let (bodies, user) = (Bodies::of(&document), json!({"$ref": "#/components/schemas/User"}));
        let fault = |body: Value| match bodies.fault(Area::Directory, &user, body.to_string().as_bytes()) {
            Some(Error::Invalid { target: Some(target), message, .. }) => Some((target, message)),
            Some(other) => panic!("{other}"),
            None => None,
        };
        for (body, target, what) in [
            (json!({}), "name", "is missing"),
            (json!({"name": null}), "name", "is missing"),
            (json!({"name": 5, "profile": {"password": "x"}}), "name", "must be a string"),
            (json!({"name": "x", "profile": {}}), "profile/password", "is missing"),
            (json!({"name": "x", "profile": []}), "profile", "must be an object"),
            (json!({"name": "x", "profile": {"password": "x"}, "tags": [1, "2"]}), "tags[1]", "must be an integer"),
            (json!({"name": "x", "profile": {"password": "x"}, "kind": "x"}), "kind", "must be one of member, guest"),
        ] {
            assert_eq!(fault(body), Some((target.into(), format!("The property '{target}' {what}."))));
        }
        assert_eq!(fault(json!({"name": "x", "profile": {"password": "x"}, "more": 1})), None);
        assert_eq!(fault(json!([])), None);
        assert!(bodies.fault(Area::Directory, &user, b"{").is_none());
    }
}
