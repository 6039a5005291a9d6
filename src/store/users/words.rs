//! The words of display names, for `$search`: one row for each word of a user.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::name_key;
use crate::{
    error::Result,
    id::{TenantId, UserId},
    store::{Tx, conditions::pair, filter::Operator, schema::user_words},
};

/// Words of one name that are kept.
const MAX_WORDS: usize = 16;
/// The part of a word that is kept, in characters.
const MAX_LENGTH: usize = 64;

/// The words of a text without regard to case: runs of letters and digits, as Graph's `$search` splits names.
pub fn of(text: &str) -> BTreeSet<String> {
    let runs = text.split(|character: char| !character.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.map(|run| name_key(run).chars().take(MAX_LENGTH).collect()).take(MAX_WORDS).collect()
}

/// What every word that begins with `prefix` is less than, and no other greater word is. (U+10FFFF is no letter or digit;
/// no word has it.)
pub fn end_of(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}

/// Keeps the words of a user's new name in place of those of the `old` one.
pub(super) fn replace(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId, old: &str, new: &str) -> Result<()> {
    let (old, new) = (of(old), of(new));
    let gone: Vec<&String> = old.difference(&new).collect();
    if !gone.is_empty() {
        let rows = user_words::table.filter(user_words::tenant_id.eq(tenant)).filter(user_words::user_id.eq(user));
        diesel::delete(rows.filter(user_words::word.eq_any(gone))).execute(tx.conn)?;
    }
    for word in new.difference(&old) {
        let row = (user_words::tenant_id.eq(tenant), user_words::user_id.eq(user), user_words::word.eq(word.as_str()));
        diesel::insert_into(user_words::table).values(row).execute(tx.conn)?;
    }
    Ok(())
}

pub(super) fn delete_all(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<()> {
    let rows = user_words::table.filter(user_words::tenant_id.eq(tenant)).filter(user_words::user_id.eq(user));
    diesel::delete(rows).execute(tx.conn)?;
    Ok(())
}

/// A page of the words that begin with `prefix`, each with its user, behind `after`.
pub(super) fn beginning_with(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    prefix: &str,
    after: Option<(&str, &UserId)>,
    limit: i64,
) -> Result<Vec<(String, UserId)>> {
    let mut rows = user_words::table
        .filter(user_words::tenant_id.eq(tenant))
        .filter(user_words::word.lt(end_of(prefix)))
        .order((user_words::word, user_words::user_id))
        .select((user_words::word, user_words::user_id))
        .limit(limit)
        .into_boxed();
    rows = match after {
        Some((word, user)) => {
            rows.filter(pair(["user_words.word", "user_words.user_id"], Operator::Gt, [word, user.as_str()]))
        }
        None => rows.filter(user_words::word.ge(prefix.to_owned())),
    };
    Ok(rows.load(tx.conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conditions::plan;

    #[tokio::test]
    async fn a_page_costs_the_same_however_many_words_there_are() {
        let (store, _folder) = plan::store();
        let plan = store.read(|tx| {
            let after = UserId::new("u");
            Ok(plan::of(tx, |tx| beginning_with(tx, &TenantId::new("t"), "ana", Some(("anab", &after)), 10)))
        });
        let way = "user_words_by_word (tenant_id=? AND (word,user_id)>(?,?) AND word<?)";
        assert_eq!(plan.await.unwrap(), format!("SEARCH user_words USING COVERING INDEX {way}"));
    }

    #[test]
    fn names_fall_into_words() {
        let words = |text| of(text).into_iter().collect::<Vec<_>>();
        assert_eq!(words("Ana María O'Neil-Löwe 2nd"), ["2nd", "ana", "löwe", "maría", "neil", "o"]);
        assert!(words(" -'. ").is_empty());
        assert_eq!(of(&"a b c d e f g h i j k l m n o p q r".to_uppercase()).len(), MAX_WORDS);
    }

    #[test]
    fn a_prefix_is_a_range() {
        let end = end_of("ana");
        assert!("ana" < end.as_str() && "anaé\u{10FFFD}" < end.as_str() && "anb" > end.as_str());
    }
}
