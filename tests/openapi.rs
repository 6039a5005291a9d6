//! The document is complete, free of contradictions, and the one that is committed.

#[path = "support/mod.rs"]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};
use support::document::{Document, Operation};

/// The document as the server has it.
fn text() -> String {
    rekey::api::document().unwrap()
}

fn document() -> Document {
    Document::parse(&text())
}

/// Checks every operation and shows all that is wrong at once.
fn check_each(check: impl Fn(&Document, &Operation) -> Vec<String>) {
    let document = document();
    let operations = document.operations();
    assert!(!operations.is_empty());
    let wrong: Vec<String> = operations
        .iter()
        .flat_map(|operation| check(&document, operation).into_iter().map(move |what| format!("{operation}: {what}")))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_committed_document_is_the_servers() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap_or_default();
    if committed.trim_end() != text().trim_end() {
        panic!("openapi.json is not what the server says: run `cargo run -- openapi > openapi.json` and commit it");
    }
}

#[test]
fn no_object_has_a_key_twice() {
    if let Err(error) = serde_json::from_str::<UniqueKeys>(&text()) {
        panic!("{error}; all operations of one path belong into one impl");
    }
    assert!(serde_json::from_str::<UniqueKeys>(r#"{"a": [{"b": 1, "b": 2}]}"#).is_err());
}

#[test]
fn the_reset_and_applications_come_first() {
    let json = document().json;
    assert_eq!(json["tags"][0]["name"], "Reset");
    let schemes: Vec<_> = json["components"]["securitySchemes"].as_object().unwrap().keys().collect();
    assert_eq!(schemes, ["oauth2", "deviceProof", "signIn"]);
}

#[test]
fn operation_ids_are_there_and_unique() {
    check_each(|_, operation| if operation.id.is_empty() { vec!["no operationId".into()] } else { vec![] });
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    document().operations().into_iter().for_each(|operation| *seen.entry(operation.id).or_default() += 1);
    seen.retain(|_, times| *times > 1);
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn every_operation_is_described() {
    let document = document();
    let tags: BTreeSet<_> =
        document.json["tags"].as_array().into_iter().flatten().filter_map(|tag| tag["name"].as_str()).collect();
    check_each(|_, operation| {
        let says = |key: &str| operation.json[key].as_str().is_some_and(|text| !text.trim().is_empty());
        let own: Vec<_> =
            operation.json["tags"].as_array().into_iter().flatten().filter_map(|tag| tag.as_str()).collect();
        let mut wrong = vec![];
        if !says("summary") {
            wrong.push("no summary".into());
        }
        if !says("description") {
            wrong.push("no description".into());
        }
        if own.is_empty() || own.iter().any(|tag| !tags.contains(tag)) {
            wrong.push(format!("tags {own:?} are not among {tags:?}"));
        }
        wrong
    });
}

#[test]
fn every_operation_takes_the_token_that_belongs_to_it() {
    let scheme = document().json["components"]["securitySchemes"]["oauth2"].clone();
    assert_eq!(scheme["type"], "oauth2");
    assert!(scheme["flows"]["clientCredentials"]["tokenUrl"].is_string(), "{scheme}");
    check_each(|_, operation| {
        let security = operation.json["security"].as_array().cloned().unwrap_or_default();
        if operation.is_for_devices() {
            // A device has no key that we know before it is activated.
            let wanted = if operation.path.ends_with("/activate") { vec![] } else { vec![json!({"deviceProof": []})] };
            return if security == wanted { vec![] } else { vec![format!("secured by {security:?}")] };
        }
        // An empty alternative would mean that no token is fine too.
        let scheme = if operation.is_about_the_caller() { "signIn" } else { "oauth2" };
        let is_secured = !security.is_empty() && security.iter().all(|one| one.get(scheme).is_some());
        match (operation.is_public(), is_secured) {
            (false, false) => vec![format!("secured by {security:?} instead of {scheme}")],
            (true, true) => vec!["a token endpoint that needs a token".into()],
            _ => vec![],
        }
    });
}

#[test]
fn every_required_parameter_has_an_example() {
    check_each(|_, operation| {
        let named = operation.path.matches('{').count();
        let in_path = operation.parameters.iter().filter(|it| it.place == "path").count();
        let mut wrong: Vec<String> = operation
            .parameters
            .iter()
            .filter(|it| it.is_required && it.example.as_deref().is_none_or(str::is_empty))
            .map(|it| format!("no example for the {} parameter {}", it.place, it.name))
            .collect();
        if named != in_path {
            wrong.push(format!("the path names {named} parameters, {in_path} are described"));
        }
        wrong
    });
}

#[test]
fn every_body_has_an_example() {
    check_each(|_, operation| match &operation.body {
        // The examples of other media types stand in the description: the generator has no place for them.
        Some(body) if body.media_type.contains("json") && body.example.is_none() => {
            vec![format!("no example for its {} body", body.media_type)]
        }
        _ => vec![],
    });
}

#[test]
fn every_answer_is_documented() {
    check_each(|_, operation| {
        let mut wrong = vec![];
        let responses = operation.json["responses"].as_object().cloned().unwrap_or_default();
        if !responses.keys().any(|status| status.starts_with('2')) {
            wrong.push("no success is documented".into());
        }
        for (status, response) in &responses {
            let schemas: Vec<_> =
                response["content"].as_object().into_iter().flatten().map(|(_, content)| &content["schema"]).collect();
            if status == "204" && !schemas.is_empty() {
                wrong.push("204 has a body".into());
            }
            let is_described = response["description"].as_str().is_some_and(|text| !text.trim().is_empty());
            // A success that is a plain object is told by its schema: the generator has no place for a sentence.
            if !is_described && (!status.starts_with('2') || schemas.is_empty()) {
                wrong.push(format!("{status} is not described"));
            }
            if schemas.iter().any(|schema| schema.is_null()) {
                wrong.push(format!("{status} has a body without a schema"));
            }
        }
        if !operation.is_public() {
            let missing: Vec<_> = ["400", "401", "403", "404", "503"]
                .into_iter()
                .filter(|status| !responses.contains_key(*status))
                .collect();
            if !missing.is_empty() {
                wrong.push(format!("the failures {missing:?} are not documented"));
            }
        }
        wrong
    });
}

#[test]
fn every_reference_leads_somewhere() {
    fn collect(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(entries) => {
                into.extend(entries.get("$ref").and_then(Value::as_str).map(str::to_owned));
                entries.values().for_each(|value| collect(value, into));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            _ => {}
        }
    }
    let document = document();
    let mut references = BTreeSet::new();
    collect(&document.json, &mut references);
    assert!(!references.is_empty());
    references.retain(|reference| document.json.pointer(reference.trim_start_matches('#')).is_none());
    assert!(references.is_empty(), "{references:?}");
}

/// JSON whose objects have no key twice; serde_json would keep the last of two.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, _)) = entries.next_entry::<String, Self>()? {
            if !keys.insert(key.clone()) {
                return Err(de::Error::custom(format!("the key {key:?} appears twice")));
            }
        }
        Ok(self)
    }
}
