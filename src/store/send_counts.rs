//! How many messages went out in one window of time, by whatever is counted.

use diesel::prelude::*;

use super::{Tx, schema::send_counts};
use crate::{clock::Timestamp, error::Result, id::TenantId};

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = send_counts)]
struct SendCount<'a> {
    tenant_id: &'a TenantId,
    scope: &'a str,
    window_start: Timestamp,
    sent: i32,
}

/// Counts one more message in this window: false, and nothing counted, when there are `most` already. One conditional
/// update, so no concurrency counts past the limit.
pub fn take(tx: &mut Tx<'_>, tenant: &TenantId, scope: &str, window_start: Timestamp, most: i32) -> Result<bool> {
    let row = send_counts::table.find((tenant, scope, window_start));
    let set = send_counts::sent.eq(send_counts::sent + 1);
    if diesel::update(row.filter(send_counts::sent.lt(most))).set(set).execute(tx.conn)? == 1 {
        return Ok(true);
    }
    if most < 1 || diesel::select(diesel::dsl::exists(row)).get_result(tx.conn)? {
        return Ok(false);
    }
    let first = SendCount { tenant_id: tenant, scope, window_start, sent: 1 };
    diesel::insert_into(send_counts::table).values(&first).execute(tx.conn)?;
    Ok(true)
}

/// Forgets the windows that began before `before`.
pub fn purge(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize> {
    Ok(diesel::delete(send_counts::table.filter(send_counts::window_start.lt(before))).execute(tx.conn)?)
}
