//! OData `$filter` as a tree (OData 4.01 part 2, section 5.1.1), as far as Graph's clients use it.
//!
//! Comparisons, `in`, `and`, `or`, `not`, parentheses, `startsWith`, `endsWith` and the lambda `any`. Keywords and function names are
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
    /// `collection/any(x:body)`; the paths of the body are relative to an item, the item itself has an empty one.
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
        Operator::EndsWith => "endsWith",
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
        if self.takes_word("in") {
            return self.one_of(path);
        }
        let operator = match self.tokens.next() {
            Some(Token { kind: TokenKind::Word(word), position }) => comparison(&word).ok_or_else(|| {
                let word = TokenKind::Word(word);
                format!("The operator '{word}' at character {position} is not supported; supported: eq, ne, gt, ge, lt, le, in, and, or, not.")
            })?,
            token => return Err(expected("an operator such as eq", token)),
        };
        let value = self.literal()?;
        self.term(path, operator, value)
    }

    /// What follows `path in`: a list, which means equal to one of them.
    fn one_of(&mut self, path: String) -> Result<Expression, String> {
        self.take(&TokenKind::Open)?;
        let first = self.literal()?;
        let mut any = self.term(path.clone(), Operator::Eq, first)?;
        while self.takes(&TokenKind::Comma) {
            let next = self.literal()?;
            any = Expression::Or(Box::new(any), Box::new(self.term(path.clone(), Operator::Eq, next)?));
        }
        self.take(&TokenKind::Close)?;
        Ok(any)
    }

    /// What follows `word(`.
    fn call(&mut self, word: String) -> Result<Expression, String> {
        if let Some((collection, lambda)) = word.rsplit_once('/')
            && lambda.eq_ignore_ascii_case("any")
            && self.variable.is_none()
        {
            return self.any(collection.to_owned());
        }
        let functions = [Operator::StartsWith, Operator::EndsWith];
        let Some(function) = functions.into_iter().find(|function| word.eq_ignore_ascii_case(spelling(*function)))
        else {
            let word = TokenKind::Word(word);
            return Err(format!("The function '{word}' is not supported here; supported: startsWith, endsWith, any."));
        };
        let path = self.word("a property")?;
        self.take(&TokenKind::Comma)?;
        let text = match self.tokens.next() {
            Some(Token { kind: TokenKind::Text(text), .. }) => Literal::Text(text),
            token => return Err(expected("a text in single quotes", token)),
        };
        self.take(&TokenKind::Close)?;
        self.term(path, function, text)
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
            // The item itself, of a collection of plain values.
            Some(variable) if path == *variable => String::new(),
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
mod tests;
