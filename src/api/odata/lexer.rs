//! The words of a `$filter`.

use std::{fmt, iter::Peekable, str::CharIndices};

/// One word, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub kind: TokenKind,
    /// In characters, from 1.
    pub position: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    Open,
    Close,
    Comma,
    Colon,
    /// A property path, an operator, a function, `true`, `false` or `null`.
    Word(String),
    /// Between single quotes; doubled quotes are undoubled.
    Text(String),
    /// Anything that begins like a number: integers and date-times.
    Number(String),
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("("),
            Self::Close => f.write_str(")"),
            Self::Comma => f.write_str(","),
            Self::Colon => f.write_str(":"),
            Self::Word(text) | Self::Text(text) | Self::Number(text) => {
                text.chars().take(40).try_for_each(|character| write!(f, "{character}"))
            }
        }
    }
}

/// Splits `text` into words. The error says what is wrong and where.
pub fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut rest = text.char_indices().peekable();
    let mut tokens = Vec::new();
    let mut position = 0;
    let mut last_index = 0;
    while let Some((index, first)) = rest.next() {
        position += text.get(last_index..index).unwrap_or_default().chars().count();
        last_index = index;
        let kind = match first {
            ' ' | '\t' => continue,
            '(' => TokenKind::Open,
            ')' => TokenKind::Close,
            ',' => TokenKind::Comma,
            ':' => TokenKind::Colon,
            '\'' => TokenKind::Text(quoted(&mut rest).map_err(|why| format!("{why} at character {}", position + 1))?),
            _ if first.is_ascii_alphabetic() || first == '_' => {
                TokenKind::Word(run(first, &mut rest, |next| next.is_ascii_alphanumeric() || "_/.".contains(next)))
            }
            _ if first.is_ascii_digit() || first == '-' => {
                TokenKind::Number(run(first, &mut rest, |next| next.is_ascii_alphanumeric() || "+-:.".contains(next)))
            }
            _ => return Err(format!("an unexpected character at character {}", position + 1)),
        };
        tokens.push(Token { kind, position: position + 1 });
    }
    Ok(tokens)
}

fn run(first: char, rest: &mut Peekable<CharIndices<'_>>, belongs: impl Fn(char) -> bool) -> String {
    let mut text = String::from(first);
    while let Some((_, next)) = rest.next_if(|(_, next)| belongs(*next)) {
        text.push(next);
    }
    text
}

/// The rest of a text whose opening quote was read.
fn quoted(rest: &mut Peekable<CharIndices<'_>>) -> Result<String, &'static str> {
    let mut text = String::new();
    while let Some((_, next)) = rest.next() {
        match next {
            '\'' if rest.next_if(|(_, after)| *after == '\'').is_some() => text.push('\''),
            '\'' => return Ok(text),
            // No stored text holds one, and PostgreSQL cannot even be asked for NUL.
            _ if next.is_control() => return Err("a control character in the text that begins"),
            _ => text.push(next),
        }
    }
    Err("there is no closing quote for the text that begins")
}
