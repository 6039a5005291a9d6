//! What every OData answer shares: contexts, pages, next links. And what lists are asked with: `$filter`.

pub mod bind;
pub mod etag;
mod filter;
mod lexer;
pub mod links;
pub mod log;

pub use links::link_behind;

use std::borrow::Cow;

use poem_openapi::{
    ApiResponse, Object,
    payload::Json,
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{MaybeUndefined, ParseFromJSON, ToJSON, Type},
};
use serde_json::Value;

use super::intake::RequestInfo;
use crate::{
    app::App,
    error::{Error, Result},
};

/// Items of a page unless `$top` says otherwise.
pub const DEFAULT_PAGE: u32 = 100;
/// The largest page.
pub const MAX_PAGE: u32 = 999;

/// A page of a collection.
#[derive(Debug, Object)]
pub struct Page<T: Type + ParseFromJSON + ToJSON> {
    /// Where the shape of this answer is described.
    #[oai(rename = "@odata.context")]
    pub context: String,
    /// With `$count=true`, on the first page: how many items there are in all.
    #[oai(rename = "@odata.count", skip_serializing_if_is_none)]
    pub count: Option<i64>,
    /// The address of the next page; absent on the last.
    #[oai(rename = "@odata.nextLink", skip_serializing_if_is_none)]
    pub next_link: Option<String>,
    /// The items of this page.
    pub value: Vec<T>,
}

impl<T: Type + ParseFromJSON + ToJSON> Page<T> {
    /// A collection that is never longer than one page.
    pub fn whole(context: String, value: Vec<T>) -> Self {
        Self { context, count: None, next_link: None, value }
    }

    /// A page of a longer collection.
    pub fn part(context: String, next_link: Option<String>, value: Vec<T>) -> Self {
        Self { context, count: None, next_link, value }
    }
}

/// One object as an answer of its own: the object's properties, and where their shape is described.
#[derive(Debug)]
pub struct Entity<T> {
    context: String,
    object: T,
}

impl<T> Entity<T> {
    pub fn new(context: String, object: T) -> Self {
        Self { context, object }
    }
}

const CONTEXT: &str = "@odata.context";

impl<T: Type> Type for Entity<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        format!("Entity_{}", T::name()).into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let context = MetaSchema {
            description: Some("Where the shape of this answer is described."),
            ..MetaSchema::new("string")
        };
        let envelope = MetaSchema {
            required: vec![CONTEXT],
            properties: vec![(CONTEXT, MetaSchemaRef::Inline(Box::new(context)))],
            ..MetaSchema::new("object")
        };
        let both = vec![MetaSchemaRef::Inline(Box::new(envelope)), T::schema_ref()];
        MetaSchemaRef::Inline(Box::new(MetaSchema { all_of: both, ..MetaSchema::ANY }))
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: ToJSON> ToJSON for Entity<T> {
    fn to_json(&self) -> Option<Value> {
        let mut value = self.object.to_json()?;
        value.as_object_mut()?.shift_insert(0, CONTEXT.to_owned(), Value::String(self.context.clone()));
        Some(value)
    }
}

/// A new object, and where it is from now on.
#[derive(ApiResponse)]
pub enum Created<T: Type + ToJSON + Send> {
    /// Created.
    #[oai(status = 201)]
    Created(Json<Entity<T>>, #[oai(header = "Location")] String),
}

/// Nothing to tell but that it is done.
#[derive(ApiResponse)]
pub enum NoContent {
    /// Done.
    #[oai(status = 204)]
    Done,
}

impl App {
    /// `{public url}/{version}/$metadata#{what}`.
    pub fn context(&self, info: &RequestInfo, what: &str) -> String {
        format!("{}/{}/$metadata#{what}", self.issuer.public_url, info.version)
    }

    /// The absolute address of something below the version segment.
    pub fn url(&self, info: &RequestInfo, path: &str) -> String {
        format!("{}/{}{path}", self.issuer.public_url, info.version)
    }
}

/// The context of something below one user's `authentication`.
pub fn authentication_context(user: &str, what: &str) -> String {
    // Characters that would end the quoted key or the fragment.
    let user = user.replace('%', "%25").replace('@', "%40").replace('#', "%23").replace('\'', "''");
    format!("users('{user}')/authentication/{what}")
}

/// A property of a PATCH that may be left out but has no empty state.
pub fn not_null<T>(target: &str, value: MaybeUndefined<T>) -> Result<Option<T>> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => {
            Err(Error::invalid(target, format!("{target} cannot be null; leave it out to leave it as it is.")))
        }
    }
}

pub fn foreign_skip_token() -> Error {
    links::foreign(links::SKIP_TOKEN)
}

/// How much of a list is asked for, and where it goes on.
#[derive(Debug, Clone)]
pub struct Paging {
    /// Items of this page.
    pub size: usize,
    /// The key of the last item of the page before.
    pub after: Option<String>,
}

impl Paging {
    /// Reads `$top` and `$skiptoken`.
    pub fn new(top: Option<u32>, skip_token: Option<String>) -> Result<Self> {
        Self::up_to(MAX_PAGE, top, skip_token)
    }

    /// The same for lists whose pages are smaller: at most `max` items.
    pub fn up_to(max: u32, top: Option<u32>, skip_token: Option<String>) -> Result<Self> {
        let size = top.unwrap_or(DEFAULT_PAGE.min(max));
        if !(1..=max).contains(&size) {
            return Err(Error::invalid("$top", format!("$top is 1 to {max}.")));
        }
        let after = skip_token.map(|opened| links::key(links::SKIP_TOKEN, &opened)).transpose()?;
        Ok(Self { size: size as usize, after })
    }

    /// What to ask the store for: one item more than the page holds tells whether there is another page.
    pub fn limit(&self) -> i64 {
        self.size as i64 + 1
    }

    /// The page of these items: cuts off what is too much for it, and links to what comes behind the last one that is
    /// left. `what` is the context; `key` tells where an item stands in the list.
    pub fn page<T, V: Type + ParseFromJSON + ToJSON>(
        &self,
        app: &App,
        info: &RequestInfo,
        what: &str,
        mut items: Vec<T>,
        key: impl Fn(&T) -> String,
        view: impl Fn(T) -> V,
    ) -> Page<V> {
        let next_link = self.next_link(app, info, &mut items, key);
        Page::part(app.context(info, what), next_link, items.into_iter().map(view).collect())
    }

    fn next_link<T>(
        &self,
        app: &App,
        info: &RequestInfo,
        items: &mut Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Option<String> {
        if items.len() <= self.size {
            return None;
        }
        items.truncate(self.size);
        Some(link_behind(app, info, &key(items.last()?)))
    }
}

/// Options that a list does not know, or that come twice, are refused by name instead of silently ignored.
pub fn refuse_other_options(info: &RequestInfo, known: &[&str]) -> Result<()> {
    let mut seen = Vec::new();
    for option in info.query.split('&') {
        let name = option.split('=').next().unwrap_or_default();
        let name = name.replace("%24", "$");
        if name.starts_with('$') && !known.contains(&name.as_str()) {
            let name: String = name.chars().take(32).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("The query option {name} is not supported here; supported: {known}.");
            return Err(Error::invalid(name, message));
        }
        if name.starts_with('$') && seen.contains(&name) {
            return Err(Error::invalid(name.clone(), format!("The query option {name} is there twice.")));
        }
        seen.push(name);
    }
    Ok(())
}
