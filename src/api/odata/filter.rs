//! OData `$filter` as a tree (OData 4.01 part 2, section 5.1.1), as far as Graph's clients use it.
//!
//! Comparisons, `and`, `or`, `not`, parentheses, `startsWith` and the lambda `any`. Keywords and function names are
//! read in any case. What the properties mean is decided later, by `bind`.

use super::lexer::{Token, TokenKind, tokens};
use crate::{clock::Timestamp, store::filter::Operator};

/// The longest filter, in characters.
pub const MAX_LENGTH: usize = 4096;
/// The deepest nesting of parentheses, `not` and `any`.
pub const MAX_DEPTH: usize = 32;
/// The most comparisons.
pub const MAX_TERMS: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    /// `path eq value`, or `startsWith(path,'value')`.
    Test {
        path: String,
        operator: Operator,
        value: Literal,
    },
    /// `collection/any(x:body)`; the paths of the body are relative to an item.
    Any {
        collection: String,
        body: Box<Self>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    Text(String),
    Integer(i64),
    Boolean(bool),
    DateTime(Timestamp),
    Null,
}

impl Literal {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::DateTime(_) => "a date-time",
            Self::Null => "null",
        }
    }
}

/// As OData spells it.
pub fn spelling(operator: Operator) -> &'static str {
    match operator {
        Operator::Eq => "eq",
        Operator::Ne => "ne",
        Operator::Gt => "gt",
        Operator::Ge => "ge",
        Operator::Lt => "lt",
        Operator::Le => "le",
        Operator::StartsWith => "startsWith",
    }
}

fn comparison(word: &str) -> Option<Operator> {
    [Operator::Eq, Operator::Ne, Operator::Gt, Operator::Ge, Operator::Lt, Operator::Le]
        .into_iter()
        .find(|operator| word.eq_ignore_ascii_case(spelling(*operator)))
}

/// Reads a filter. The error is a sentence for the caller.
pub fn parse(text: &str) -> Result<Expression, String> {
    if text.chars().nth(MAX_LENGTH).is_some() {
        return Err(format!("$filter has at most {MAX_LENGTH} characters."));
    }
    let tokens = tokens(text).map_err(|why| format!("$filter cannot be read: {why}."))?;
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), variable: None, depth: 0, terms: 0 };
    let expression = parser.or()?;
    match parser.tokens.next() {
        None => Ok(expression),
        token => Err(expected("'and', 'or' or the end", token)),
    }
}

fn expected(what: &str, found: Option<Token>) -> String {
    match found {
        Some(Token { kind, position }) => {
            format!("$filter cannot be read at character {position}: {what} is expected, not '{kind}'.")
        }
        None => format!("$filter ends too early: {what} is expected."),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// The name of an item inside `any`.
    variable: Option<String>,
    depth: usize,
    terms: usize,
}

impl Parser {
    fn or(&mut self) -> Result<Expression, String> {
        let mut left = self.and()?;
        while self.takes_word("or") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.unary()?;
        while self.takes_word("and") {
            left = Expression::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        if self.takes_word("not") {
            return self.deeper(|parser| Ok(Expression::Not(Box::new(parser.unary()?))));
        }
        match self.tokens.next() {
            Some(Token { kind: TokenKind::Open, .. }) => self.deeper(|parser| {
                let inner = parser.or()?;
                parser.take(&TokenKind::Close)?;
                Ok(inner)
            }),
            Some(Token { kind: TokenKind::Word(word), .. }) => {
                if self.takes(&TokenKind::Open) {
                    self.call(word)
                } else {
                    self.comparison(word)
                }
            }
            token => Err(expected("a property or a function", token)),
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("$filter is nested more than {MAX_DEPTH} levels deep."));
        }
        let done = read(self)?;
        self.depth -= 1;
        Ok(done)
    }

    fn comparison(&mut self, path: String) -> Result<Expression, String> {
        let operator = match self.tokens.next() {
            Some(Token { kind: TokenKind::Word(word), position }) => comparison(&word).ok_or_else(|| {
                let word = TokenKind::Word(word);
                format!("The operator '{word}' at character {position} is not supported; supported: eq, ne, gt, ge, lt, le, and, or, not.")
            })?,
            token => return Err(expected("an operator such as eq", token)),
        };
        let value = self.literal()?;
        self.term(path, operator, value)
    }

    /// What follows `word(`.
    fn call(&mut self, word: String) -> Result<Expression, String> {
        if let Some((collection, lambda)) = word.rsplit_once('/')
            && lambda.eq_ignore_ascii_case("any")
            && self.variable.is_none()
        {
            return self.any(collection.to_owned());
        }
        if !word.eq_ignore_ascii_case("startsWith") {
            let word = TokenKind::Word(word);
            return Err(format!("The function '{word}' is not supported here; supported: startsWith, any."));
        }
        let path = self.word("a property")?;
        self.take(&TokenKind::Comma)?;
        let prefix = match self.tokens.next() {
            Some(Token { kind: TokenKind::Text(text), .. }) => Literal::Text(text),
            token => return Err(expected("a text in single quotes", token)),
        };
        self.take(&TokenKind::Close)?;
        self.term(path, Operator::StartsWith, prefix)
    }

    /// What follows `collection/any(`.
    fn any(&mut self, collection: String) -> Result<Expression, String> {
        self.variable = Some(self.word("a variable such as t")?);
        self.take(&TokenKind::Colon)?;
        let body = self.deeper(Self::or)?;
        self.take(&TokenKind::Close)?;
        self.variable = None;
        Ok(Expression::Any { collection, body: Box::new(body) })
    }

    fn term(&mut self, path: String, operator: Operator, value: Literal) -> Result<Expression, String> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(format!("$filter has at most {MAX_TERMS} comparisons."));
        }
        let path = match &self.variable {
            None => path,
            Some(variable) => match path.split_once('/') {
                Some((first, rest)) if first == variable => rest.to_owned(),
                _ => return Err(format!("Inside any({variable}:...) every property begins with '{variable}/'.")),
            },
        };
        Ok(Expression::Test { path, operator, value })
    }

    fn literal(&mut self) -> Result<Literal, String> {
        const WHAT: &str = "a value (texts in single quotes)";
        let token = self.tokens.next();
        let value = match &token {
            Some(Token { kind: TokenKind::Text(text), .. }) => Some(Literal::Text(text.clone())),
            Some(Token { kind: TokenKind::Number(text), .. }) => {
                text.parse().ok().map(Literal::Integer).or_else(|| date_time(text).map(Literal::DateTime))
            }
            Some(Token { kind: TokenKind::Word(word), .. }) => match word.to_ascii_lowercase().as_str() {
                "true" => Some(Literal::Boolean(true)),
                "false" => Some(Literal::Boolean(false)),
                "null" => Some(Literal::Null),
                _ => None,
            },
            _ => None,
        };
        value.ok_or_else(|| expected(WHAT, token))
    }

    fn word(&mut self, what: &str) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token { kind: TokenKind::Word(word), .. }) => Ok(word),
            token => Err(expected(what, token)),
        }
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let is_wanted =
            |token: &Token| matches!(&token.kind, TokenKind::Word(word) if word.eq_ignore_ascii_case(wanted));
        self.tokens.next_if(is_wanted).is_some()
    }

    fn takes(&mut self, wanted: &TokenKind) -> bool {
        self.tokens.next_if(|token| token.kind == *wanted).is_some()
    }

    fn take(&mut self, wanted: &TokenKind) -> Result<(), String> {
        match self.tokens.next() {
            Some(token) if token.kind == *wanted => Ok(()),
            token => Err(expected(&format!("'{wanted}'"), token)),
        }
    }
}

/// A date-time with offset, or a date, which means its first moment in UTC.
fn date_time(text: &str) -> Option<Timestamp> {
    Timestamp::parse_iso(text).or_else(|| Timestamp::parse_iso(&format!("{text}T00:00:00Z")))
}

#[cfg(test)]
mod tests {
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
            (paths(), operators, literals()).prop_map(|(path, operator, value)| Expression::Test {
                path,
                operator,
                value
            }),
            (paths(), "[^\\p{Cc}]{0,12}").prop_map(|(path, text)| Expression::Test {
                path,
                operator: StartsWith,
                value: Literal::Text(text)
            }),
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
}
