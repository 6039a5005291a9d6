//! The XML of a PSKC file, a child of its `KeyContainer` at a time. No DTD, no entities but XML's own five, and bounds
//! on everything: what is not closed in time is refused, not collected.

use std::io::{self, BufRead, Read};

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_xml_entity,
    events::{BytesStart, Event},
};
use zeroize::Zeroizing;

use super::refuse;
use crate::error::{Error, Result};

/// The longest child of the container, in bytes; a package has about a thousand.
const MAX_CHILD_BYTES: usize = 64 * 1024;
/// Elements within elements.
const MAX_DEPTH: usize = 32;

/// An element with all that is in it. Holds secrets, so it cannot be printed.
pub struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: Zeroizing<String>,
    children: Vec<Element>,
}

impl Element {
    /// Without its prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }

    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.children.iter()
    }

    /// The first child of that name of the first child of that name, and so on.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.children.iter().find(|child| child.name == *name))
    }

    /// Its own text without the blanks around it.
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    /// The text of [`Element::at`], unless it is empty.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(Self::text).filter(|text| !text.is_empty())
    }
}

/// An input that ends with an error once more was read than was allowed, and that counts lines.
struct Bounded<R> {
    inner: R,
    left: usize,
    line: u64,
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer.iter_mut().zip(available).for_each(|(to, from)| *to = *from);
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let available = self.inner.fill_buf()?;
        if self.left == 0 && !available.is_empty() {
            return Err(io::Error::other("it goes on for too long"));
        }
        Ok(available.get(..self.left).unwrap_or(available))
    }

    fn consume(&mut self, length: usize) {
        if let Ok(buffered) = self.inner.fill_buf() {
            self.line += buffered.iter().take(length).filter(|byte| **byte == b'\n').count() as u64;
        }
        self.left = self.left.saturating_sub(length);
        self.inner.consume(length);
    }
}

/// A `KeyContainer` that is being read.
pub struct Container<R> {
    reader: Reader<Bounded<R>>,
    buffer: Zeroizing<Vec<u8>>,
    is_closed: bool,
}

impl<R: BufRead> Container<R> {
    /// Reads up to the children.
    pub fn open(file: R) -> Result<Self> {
        let reader = Reader::from_reader(Bounded { inner: file, left: MAX_CHILD_BYTES, line: 1 });
        let mut this = Self { reader, buffer: Zeroizing::default(), is_closed: false };
        let is_empty = loop {
            match this.event()? {
                Event::Decl(declaration) => {
                    let encoding = declaration.encoding().transpose().ok().flatten();
                    let is_utf8 = |name: &[u8]| {
                        [b"utf-8".as_slice(), b"us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known))
                    };
                    if encoding.is_some_and(|name| !is_utf8(&name)) {
                        return Err(refuse("The file is not UTF-8; convert it."));
                    }
                }
                Event::Start(tag) => {
                    check_root(&tag)?;
                    break false;
                }
                Event::Empty(tag) => {
                    check_root(&tag)?;
                    break true;
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::DocType(_) => return Err(no_dtd()),
                _ => return Err(refuse("The file is no PSKC: it does not begin with a KeyContainer.")),
            }
        };
        if is_empty {
            this.close()?;
        }
        Ok(this)
    }

    /// The next child and the line it begins in; `None` behind the last one, when the file has ended well.
    pub fn next_child(&mut self) -> Result<Option<(u64, Element)>> {
        if self.is_closed {
            return Ok(None);
        }
        self.reader.get_mut().left = MAX_CHILD_BYTES;
        loop {
            let line = self.reader.get_ref().line;
            let is_last = match self.event()? {
                Event::Start(tag) => {
                    let child = element(&tag, line)?;
                    return Ok(Some((line, self.fill(child)?)));
                }
                Event::Empty(tag) => return Ok(Some((line, element(&tag, line)?))),
                Event::End(_) => true,
                Event::Comment(_) | Event::PI(_) => false,
                Event::Text(text) if text.trim_ascii().is_empty() => false,
                Event::DocType(_) => return Err(no_dtd()),
                Event::Eof => return Err(refuse("The file breaks off: its KeyContainer does not end.")),
                Event::Text(_) | Event::CData(_) | Event::Decl(_) | Event::GeneralRef(_) => {
                    return Err(malformed(line));
                }
            };
            if is_last {
                self.close()?;
                return Ok(None);
            }
        }
    }

    /// Reads the rest of an element.
    fn fill(&mut self, element_begun: Element) -> Result<Element> {
        let (mut parents, mut open) = (Vec::new(), element_begun);
        loop {
            let line = self.reader.get_ref().line;
            match self.event()? {
                Event::Start(_) if parents.len() >= MAX_DEPTH => {
                    return Err(refuse(format!("Line {line}: elements are nested more than {MAX_DEPTH} deep.")));
                }
                Event::Start(tag) => parents.push(std::mem::replace(&mut open, element(&tag, line)?)),
                Event::Empty(tag) => open.children.push(element(&tag, line)?),
                Event::End(_) => match parents.pop() {
                    Some(parent) => {
                        let done = std::mem::replace(&mut open, parent);
                        open.children.push(done);
                    }
                    None => return Ok(open),
                },
                Event::Text(text) => open.text.push_str(&text.xml10_content().map_err(|_| not_utf8(line))?),
                Event::CData(text) => open.text.push_str(&text.xml10_content().map_err(|_| not_utf8(line))?),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(char)) => open.text.push(char),
                    Ok(None) => {
                        let name = reference.decode().map_err(|_| not_utf8(line))?;
                        open.text.push_str(resolve_xml_entity(&name).ok_or_else(no_dtd)?);
                    }
                    Err(_) => return Err(malformed(line)),
                },
                Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(no_dtd()),
                Event::Decl(_) => return Err(malformed(line)),
                Event::Eof => return Err(refuse("The file breaks off in the middle of an element.")),
            }
        }
    }

    /// Nothing but blanks and comments follows the container.
    fn close(&mut self) -> Result<()> {
        self.is_closed = true;
        self.reader.get_mut().left = MAX_CHILD_BYTES;
        loop {
            let line = self.reader.get_ref().line;
            match self.event()? {
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                _ => return Err(malformed(line)),
            }
        }
    }

    /// The parser's own words may repeat what the file holds, so they are not passed on.
    fn event(&mut self) -> Result<Event<'_>> {
        self.buffer.clear();
        let line = self.reader.get_ref().line;
        let is_spent = |reader: &Reader<Bounded<R>>| reader.get_ref().left == 0;
        match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => Ok(event),
            Err(quick_xml::Error::Io(_)) if is_spent(&self.reader) => {
                Err(refuse(format!("What stands in line {line} does not end within {MAX_CHILD_BYTES} bytes.")))
            }
            Err(quick_xml::Error::Io(error)) => Err(refuse(format!("The file cannot be read: {error}."))),
            Err(quick_xml::Error::Syntax(_)) => Err(refuse(format!("The file breaks off in or behind line {line}."))),
            Err(_) => Err(malformed(line)),
        }
    }
}

fn check_root(tag: &BytesStart<'_>) -> Result<()> {
    if tag.local_name().as_ref() != b"KeyContainer" {
        return Err(refuse("The file is no PSKC: it does not begin with a KeyContainer."));
    }
    match element(tag, 1)?.attribute("Version") {
        None | Some("1.0") => Ok(()),
        Some(_) => Err(refuse("Only version 1.0 of PSKC is known here.")),
    }
}

fn element(tag: &BytesStart<'_>, line: u64) -> Result<Element> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| not_utf8(line));
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| malformed(line))?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| malformed(line))?;
        attributes.push((text(attribute.key.local_name().as_ref())?, value.into_owned()));
    }
    Ok(Element { name: text(tag.local_name().as_ref())?, attributes, text: Zeroizing::default(), children: Vec::new() })
}

fn malformed(line: u64) -> Error {
    refuse(format!("The file is no well-formed XML in or near line {line}."))
}

fn not_utf8(line: u64) -> Error {
    refuse(format!("Line {line} is not UTF-8."))
}

fn no_dtd() -> Error {
    refuse("Document types and entities are not read here; PSKC needs none.")
}
