use proptest::prelude::*;

use super::*;

/// OData text of a tree, with every group in parentheses.
fn print(expression: &Expression, prefix: &str) -> String {
    match expression {
        Expression::And(left, right) => format!("({}) and ({})", print(left, prefix), print(right, prefix)),
        Expression::Or(left, right) => format!("({}) or ({})", print(left, prefix), print(right, prefix)),
        Expression::Not(inner) => format!("not ({})", print(inner, prefix)),
        Expression::Test { path, operator: Operator::StartsWith, value } => {
            format!("startswith({prefix}{path}, {})", print_literal(value))
        }
        Expression::Test { path, operator: Operator::EndsWith, value } => {
            format!("EndsWith({prefix}{path}, {})", print_literal(value))
        }
        Expression::Test { path, operator, value } => {
            format!("{prefix}{path} {} {}", spelling(*operator), print_literal(value))
        }
        Expression::Any { collection, body } => format!("{collection}/any(x: {})", print(body, "x/")),
    }
}

fn print_literal(literal: &Literal) -> String {
    match literal {
        Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Literal::Integer(number) => number.to_string(),
        Literal::Boolean(value) => value.to_string(),
        Literal::DateTime(at) => at.to_iso(),
        Literal::Null => "null".into(),
    }
}

fn literals() -> impl Strategy<Value = Literal> {
    prop_oneof![
        "[^\\p{Cc}]{0,12}".prop_map(Literal::Text),
        any::<i64>().prop_map(Literal::Integer),
        any::<bool>().prop_map(Literal::Boolean),
        // The years 1970 to 9999.
        (0..253_402_300_799_000_000_i64).prop_map(|micros| Literal::DateTime(Timestamp(micros))),
        Just(Literal::Null),
    ]
}

fn paths() -> impl Strategy<Value = String> {
    "[a-z][A-Za-z0-9]{0,8}(/[a-z][A-Za-z0-9]{0,8}){0,2}".prop_filter("'not' is a keyword", |path| path != "not")
}

fn tests() -> impl Strategy<Value = Expression> {
    use Operator::*;
    let operators = prop::sample::select(vec![Eq, Ne, Gt, Ge, Lt, Le]);
    prop_oneof![
        (paths(), operators, literals()).prop_map(|(path, operator, value)| Expression::Test { path, operator, value }),
        (paths(), prop::sample::select(vec![StartsWith, EndsWith]), "[^\\p{Cc}]{0,12}")
            .prop_map(|(path, operator, text)| Expression::Test { path, operator, value: Literal::Text(text) }),
    ]
}

fn compound(leaf: impl Strategy<Value = Expression> + 'static) -> impl Strategy<Value = Expression> {
    leaf.prop_recursive(5, 24, 2, |inner| {
        let pair = || (inner.clone(), inner.clone()).prop_map(|(left, right)| (Box::new(left), Box::new(right)));
        prop_oneof![
            pair().prop_map(|(left, right)| Expression::And(left, right)),
            pair().prop_map(|(left, right)| Expression::Or(left, right)),
            inner.clone().prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

fn expressions() -> impl Strategy<Value = Expression> {
    let any = (paths(), compound(tests()))
        .prop_map(|(collection, body)| Expression::Any { collection, body: Box::new(body) });
    compound(prop_oneof![4 => tests(), 1 => any])
}

/// Like filters, but wrong in arbitrary places.
fn nearly_filters() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "(",
        ")",
        ",",
        ":",
        "'",
        "''",
        "'a'",
        " ",
        "a",
        "a/b",
        "a/any(",
        "t:t/id",
        "eq",
        "and",
        "or",
        "not",
        "startswith(",
        "in",
        "2026-01-01T00:00:00Z",
        "-1",
        "null",
        "true",
        "é",
        "\0",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn a_printed_tree_parses_to_itself(expression in expressions()) {
        prop_assert_eq!(parse(&print(&expression, "")), Ok(expression));
    }

    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![any::<String>(), nearly_filters()]) {
        let _ = parse(&text);
    }
}

fn eq(path: &str, value: &str) -> Expression {
    Expression::Test { path: path.into(), operator: Operator::Eq, value: Literal::Text(value.into()) }
}

#[test]
fn and_binds_tighter_than_or_and_not_tighter_than_both() {
    let (a, b, c) = (|| Box::new(eq("a", "1")), || Box::new(eq("b", "2")), || Box::new(eq("c", "3")));
    let parsed = |text: &str| parse(text).unwrap();
    let expected = Expression::Or(a(), Box::new(Expression::And(b(), c())));
    assert_eq!(parsed("a eq '1' or b eq '2' and c eq '3'"), expected);
    let expected = Expression::And(Box::new(Expression::Not(a())), b());
    assert_eq!(parsed("NOT a eq '1' AND b EQ '2'"), expected);
    let expected = Expression::And(Box::new(Expression::And(a(), b())), c());
    assert_eq!(parsed("a eq '1' and b eq '2' and c eq '3'"), expected);
}

#[test]
fn one_of_a_list_is_equal_to_one_of_them() {
    let expected = Expression::Or(Box::new(eq("a", "1")), Box::new(eq("a", "2")));
    assert_eq!(parse("a in ('1', '2')"), Ok(expected.clone()));
    assert_eq!(parse("not (a IN ('1','2'))"), Ok(Expression::Not(Box::new(expected))));
    assert_eq!(parse("a in ('1')"), Ok(eq("a", "1")));
    for wrong in ["a in", "a in '1'", "a in ()", "a in ('1',)", "a in ('1'", "a in (b)"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn values_have_types() {
    let value = |text: &str| match parse(&format!("a eq {text}")) {
        Ok(Expression::Test { value, .. }) => Some(value),
        _ => None,
    };
    assert_eq!(value("'O''Neil'"), Some(Literal::Text("O'Neil".into())));
    assert_eq!(value("-5"), Some(Literal::Integer(-5)));
    assert_eq!(value("TRUE"), Some(Literal::Boolean(true)));
    let noon = Timestamp::parse_iso("2026-11-22T12:00:00Z").map(Literal::DateTime);
    assert_eq!(value("2026-11-22T12:00:00Z"), noon);
    assert_eq!(value("2026-11-22T14:00:00.0000000+02:00"), noon);
    assert_eq!(value("2026-11-22"), Timestamp::parse_iso("2026-11-22T00:00:00Z").map(Literal::DateTime));
    for wrong in ["", "abc", "2026-13-01", "1.5", "'open", "'a'b'", "'a\0b'", "\"a\""] {
        assert_eq!(value(wrong), None, "{wrong}");
    }
}

#[test]
fn bounds() {
    let terms = |count: usize| vec!["a eq 'b'"; count].join(" and ");
    assert!(parse(&terms(MAX_TERMS)).is_ok());
    assert!(parse(&terms(MAX_TERMS + 1)).unwrap_err().contains("50 comparisons"));
    let nested = |depth: usize| format!("{}a eq 'b'{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert!(parse(&nested(MAX_DEPTH + 1)).unwrap_err().contains("32 levels"));
    assert!(parse(&format!("{}a eq 'b'", "not ".repeat(1000))).unwrap_err().contains("32 levels"));
    let long = |length: usize| format!("a eq '{}'", "é".repeat(length - "a eq ''".len()));
    assert!(parse(&long(MAX_LENGTH)).is_ok());
    assert!(parse(&long(MAX_LENGTH + 1)).unwrap_err().contains("4096 characters"));
}

#[test]
fn errors_name_the_part() {
    for (text, part) in [
        ("", "ends too early"),
        ("a eq", "ends too early"),
        ("a eq 'b' c", "at character 10"),
        ("é eq 'b'", "at character 1"),
        ("a eq 'é' x", "at character 10: 'and', 'or' or the end is expected, not 'x'"),
        ("a has 'b'", "operator 'has'"),
        ("contains(a,'b')", "function 'contains'"),
        ("a/all(x:x/b eq 'c')", "function 'a/all'"),
        ("a/any(x:b eq 'c')", "begins with 'x/'"),
        ("a/any(x:x/b/any(y:y/c eq 'd'))", "function 'x/b/any'"),
        ("a/any()", "a variable"),
        ("a eq b", "single quotes"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}
