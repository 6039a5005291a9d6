//! JSON as strictly as RFC 8259 allows and RFC 7493 (I-JSON) asks: no duplicate keys. Lenient parsers take the last of
//! two equal keys, so a check and an action could see different values. Beyond that, no text may contain U+0000.

use std::fmt;

use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses, refuses duplicate keys, and writes the document again without OData annotations (`@odata.*`).
/// The error is a sentence for the caller.
pub fn normalise(body: &[u8]) -> Result<Vec<u8>, String> {
    let Strict(value) =
        serde_json::from_slice(body).map_err(|error| format!("The body is not acceptable JSON: {error}."))?;
    serde_json::to_vec(&value).map_err(|error| error.to_string())
}

/// The same for a change: a member whose value is `unknownFutureValue` is left out, as Graph's evolvable enumerations ask
/// for. A client that met a value it does not know sends that back, and means no change.
pub fn normalise_change(body: &[u8]) -> Result<Vec<u8>, String> {
    let Strict(mut value) =
        serde_json::from_slice(body).map_err(|error| format!("The body is not acceptable JSON: {error}."))?;
    leave_out_unknown(&mut value);
    serde_json::to_vec(&value).map_err(|error| error.to_string())
}

fn leave_out_unknown(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| member != "unknownFutureValue");
            members.values_mut().for_each(leave_out_unknown);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_unknown),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What a document that was normalised calls itself (`@odata.type`). Read from the body as it came.
pub fn odata_type(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Annotated {
        #[serde(rename = "@odata.type")]
        odata_type: Option<String>,
    }
    serde_json::from_slice::<Annotated>(body).ok()?.odata_type
}

/// For text properties, optional or not (`deserialize_with`): poem-openapi would read numbers and booleans as text,
/// against its own document.
pub fn text<T: ParseFromJSON>(value: Option<Value>) -> ParseResult<T> {
    match value {
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Err(ParseError::expected_type(value)),
        value => T::parse_from_json(value),
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        // PostgreSQL's text cannot hold it, and nobody means it.
        if value.contains('\0') {
            return Err(E::custom("a text contains the character U+0000"));
        }
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut annotations = Vec::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, Strict>()? {
            let duplicate = if key.contains("@odata.") {
                let known = annotations.contains(&key);
                annotations.push(key.clone());
                known
            } else {
                object.insert(key.clone(), value).is_some()
            };
            if duplicate {
                return Err(A::Error::custom(format!("the key \"{}\" appears twice", key.escape_debug())));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn strictness() {
        let text = |body: &str| normalise(body.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(
            text(r##"{"@odata.type":"#x","a":{"@odata.id":1,"b":[1,-2,0.5,null,true,"ü"]}}"##).unwrap(),
            r#"{"a":{"b":[1,-2,0.5,null,true,"ü"]}}"#
        );
        for wrong in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":1}{"#,
            "{",
            "",
            r#"{"a":NaN}"#,
            r#"{"a":1e999}"#,
            r#"{"a":"x\u0000"}"#,
            "\u{feff}{}",
        ] {
            assert!(text(wrong).is_err(), "{wrong}");
        }
        assert!(normalise(b"{\"a\":\"\xff\"}").is_err());
        assert!(normalise("[".repeat(1000).as_bytes()).is_err());
    }
}
