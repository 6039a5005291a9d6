//! What the properties in a `$filter` mean: a tree of names and values becomes a tree of a resource's fields.

use super::filter::{Expression, Literal, parse, spelling};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::AuditEventId,
    store::filter::{Filter, Operator},
};

/// One property that a resource can be filtered by. A resource lists all of its own in one table.
pub struct Property<F> {
    /// As a client writes it; for the items of a collection `collection/any(t:t/property)`. A collection can be listed
    /// where a row holds at most one item of it, for then `any` is that item. For a collection of plain values
    /// `collection/any(t:t)`; of those a row may hold many.
    pub path: &'static str,
    pub operators: &'static [Operator],
    pub value: Value<F>,
}

/// What a property is compared with, and the field that makes of it.
pub enum Value<F> {
    Text(fn(String) -> F),
    /// A text or, with `eq` and `ne`, null.
    NullableText(fn(Option<String>) -> F),
    Integer(fn(i64) -> F),
    Boolean(fn(bool) -> F),
    DateTime(fn(Timestamp) -> F),
}

impl<F> Property<F> {
    pub const fn text(path: &'static str, operators: &'static [Operator], field: fn(String) -> F) -> Self {
        Self { path, operators, value: Value::Text(field) }
    }
}

/// GUIDs in any case mean the same; other ids are left alone.
pub fn guid(value: String) -> String {
    AuditEventId::parse(&value).map_or(value, AuditEventId::into_string)
}

/// Reads a `$filter` over these properties. Everything that is not in the table is refused by name.
pub fn read<F>(text: &str, properties: &[Property<F>]) -> Result<Filter<F>> {
    parse(text)
        .and_then(|expression| bind(expression, None, properties))
        .map_err(|message| Error::invalid("$filter", message))
}

fn bind<F>(expression: Expression, collection: Option<&str>, properties: &[Property<F>]) -> Result<Filter<F>, String> {
    let inner = |expression: Box<Expression>| bind(*expression, collection, properties).map(Box::new);
    Ok(match expression {
        Expression::And(left, right) => Filter::And(inner(left)?, inner(right)?),
        Expression::Or(left, right) => Filter::Or(inner(left)?, inner(right)?),
        Expression::Not(negated) => Filter::Not(inner(negated)?),
        Expression::Any { collection, body } => {
            if is_about_values(&body) && !is_disjunction(&body) {
                let message = format!("Inside {collection}/any values are compared and joined by 'or' only.");
                return Err(message);
            }
            bind(*body, Some(&collection), properties)?
        }
        Expression::Test { path, operator, value } => {
            let path = match collection {
                Some(collection) if path.is_empty() => format!("{collection}/any(t:t)"),
                Some(collection) => format!("{collection}/any(t:t/{path})"),
                None => path,
            };
            Filter::Test(field(&path, operator, value, properties)?, operator)
        }
    })
}

/// Whether a part of the body of `any` is about the items themselves.
fn is_about_values(body: &Expression) -> bool {
    match body {
        Expression::And(left, right) | Expression::Or(left, right) => is_about_values(left) || is_about_values(right),
        Expression::Not(inner) => is_about_values(inner),
        Expression::Test { path, .. } => path.is_empty(),
        Expression::Any { .. } => false,
    }
}

/// Of many items each may make another test true, so `any` can be moved inside `or`, but not inside `and` and `not`.
fn is_disjunction(body: &Expression) -> bool {
    match body {
        Expression::Or(left, right) => is_disjunction(left) && is_disjunction(right),
        Expression::Test { .. } => true,
        Expression::And(..) | Expression::Not(_) | Expression::Any { .. } => false,
    }
}

fn field<F>(path: &str, operator: Operator, value: Literal, properties: &[Property<F>]) -> Result<F, String> {
    let property = properties.iter().find(|property| property.path == path).ok_or_else(|| {
        let supported: Vec<_> = properties.iter().map(|property| property.path).collect();
        let path: String = path.chars().take(100).collect();
        format!("The property '{path}' cannot be filtered; supported: {}.", supported.join(", "))
    })?;
    if !property.operators.contains(&operator) {
        let supported: Vec<_> = property.operators.iter().map(|operator| spelling(*operator)).collect();
        return Err(format!(
            "The property '{path}' cannot be filtered with '{}'; supported: {}.",
            spelling(operator),
            supported.join(", ")
        ));
    }
    match (&property.value, value) {
        (Value::Text(field), Literal::Text(text)) => Ok(field(text)),
        (Value::NullableText(field), Literal::Text(text)) => Ok(field(Some(text))),
        (Value::NullableText(field), Literal::Null) if matches!(operator, Operator::Eq | Operator::Ne) => {
            Ok(field(None))
        }
        (Value::Integer(field), Literal::Integer(number)) => Ok(field(number)),
        (Value::DateTime(field), Literal::DateTime(at)) => Ok(field(at)),
        (Value::Boolean(field), Literal::Boolean(is)) => Ok(field(is)),
        (Value::Text(_) | Value::NullableText(_), other) => {
            Err(format!("The property '{path}' is compared with a text in single quotes, not with {}.", other.kind()))
        }
        (Value::Integer(_), other) => {
            Err(format!("The property '{path}' is compared with a whole number, not with {}.", other.kind()))
        }
        (Value::Boolean(_), other) => {
            Err(format!("The property '{path}' is compared with true or false, not with {}.", other.kind()))
        }
        (Value::DateTime(_), other) => Err(format!(
            "The property '{path}' is compared with a date-time such as 2026-11-22T08:00:00Z (no quotes), not with {}.",
            other.kind()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Field {
        Name(String),
        Since(Timestamp),
        Item(String),
        Code(i64),
        Word(String),
    }

    const PROPERTIES: &[Property<Field>] = &[
        Property { path: "a/name", operators: &[Operator::Eq, Operator::StartsWith], value: Value::Text(Field::Name) },
        Property { path: "since", operators: &[Operator::Ge], value: Value::DateTime(Field::Since) },
        Property { path: "items/any(t:t/id)", operators: &[Operator::Eq], value: Value::Text(Field::Item) },
        Property { path: "words/any(t:t)", operators: &[Operator::Eq], value: Value::Text(Field::Word) },
        Property { path: "code", operators: &[Operator::Ne], value: Value::Integer(Field::Code) },
    ];

    #[test]
    fn names_become_fields() {
        let filter = read("startswith(a/name,'x') and items/any(i: i/id eq 'y')", PROPERTIES).unwrap();
        let name = Filter::Test(Field::Name("x".into()), Operator::StartsWith);
        let item = Filter::Test(Field::Item("y".into()), Operator::Eq);
        assert_eq!(filter, Filter::And(Box::new(name), Box::new(item)));
        let word = |text: &str| Filter::Test(Field::Word(text.into()), Operator::Eq);
        let filter = read("words/any(w:w eq 'x' or w eq 'y')", PROPERTIES).unwrap();
        assert_eq!(filter, Filter::Or(Box::new(word("x")), Box::new(word("y"))));
        assert_eq!(read("code ne -5", PROPERTIES).unwrap(), Filter::Test(Field::Code(-5), Operator::Ne));
        let filter = read("since ge 2026-11-22T08:00:00Z", PROPERTIES).unwrap();
        let at = Timestamp::parse_iso("2026-11-22T08:00:00Z").unwrap();
        assert_eq!(filter, Filter::Test(Field::Since(at), Operator::Ge));
    }

    #[test]
    fn the_rest_is_refused_by_name() {
        for (text, part) in [
            (
                "b eq 'x'",
                "The property 'b' cannot be filtered; supported: a/name, since, items/any(t:t/id), words/any(t:t), code.",
            ),
            ("items/id eq 'x'", "'items/id'"),
            ("items/any(t:t/b eq 'x')", "'items/any(t:t/b)'"),
            ("a/any(t:t/name eq 'x')", "'a/any(t:t/name)'"),
            ("a/name ne 'x'", "cannot be filtered with 'ne'; supported: eq, startsWith"),
            ("a/name eq 5", "not with a number"),
            ("since ge '2026'", "not with a text"),
            ("since ge null", "not with null"),
            ("words/any(w:w eq 'x' and w eq 'y')", "joined by 'or' only"),
            ("words/any(w:not (w eq 'x'))", "joined by 'or' only"),
            ("items/any(i:i eq 'x')", "'items/any(t:t)'"),
            ("code ne '5'", "a whole number, not with a text"),
        ] {
            let error = read(text, PROPERTIES).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
