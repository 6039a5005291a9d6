//! Lists of logs: `$filter`, `$orderby` by the one moment they are ordered by, `$top` and `$skiptoken`.

use std::{fmt::Display, str::FromStr};

use super::{
    Paging,
    bind::{self, Property},
    foreign_skip_token,
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    store::filter::{LogQuery, Position},
};

/// The options of a list that is ordered by `moment`; `properties` is what it can be filtered by.
pub fn query<F, T: FromStr>(
    filter: Option<&str>,
    order_by: Option<&str>,
    paging: &Paging,
    moment: &str,
    properties: &[Property<F>],
) -> Result<LogQuery<F, T>> {
    Ok(LogQuery {
        filter: filter.map(|text| bind::read(text, properties)).transpose()?,
        ascending: order_by.map(|text| is_ascending(text, moment)).transpose()?.unwrap_or(false),
        after: paging.after.as_deref().map(position).transpose()?,
        until: None,
        limit: paging.limit(),
    })
}

/// Where a row stands in its list; [`query`] reads it back out of the next link.
pub fn key(at: Timestamp, tie: impl Display) -> String {
    format!("{}.{tie}", at.micros())
}

fn position<T: FromStr>(key: &str) -> Result<Position<T>> {
    let parts = key.split_once('.').and_then(|(micros, tie)| {
        Some(Position { at: Timestamp::from_micros(micros.parse().ok()?), tie: tie.parse().ok()? })
    });
    parts.ok_or_else(foreign_skip_token)
}

/// Reads `$orderby`; true for ascending, which is OData's own default for a property without a direction.
fn is_ascending(order_by: &str, moment: &str) -> Result<bool> {
    match *order_by.split_whitespace().collect::<Vec<_>>() {
        [property] | [property, "asc"] if property == moment => Ok(true),
        [property, "desc"] if property == moment => Ok(false),
        _ => Err(Error::invalid("$orderby", format!("$orderby is '{moment} asc' or '{moment} desc'."))),
    }
}
