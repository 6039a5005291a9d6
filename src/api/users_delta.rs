//! `/users/delta`: which users have changed since a client last asked (Graph's "Use delta query to track changes").

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Query},
    payload::Json,
};
use serde::{Deserialize, Serialize};

use super::{
    Tag,
    guard::Guard,
    intake::RequestInfo,
    odata::{
        DEFAULT_PAGE, MAX_PAGE,
        links::{self, DELTA_TOKEN, LATEST, SKIP_TOKEN},
        refuse_other_options,
    },
    problem::Problem,
    user_query,
    user_view::{Select, UserView},
};
use crate::{
    access::Caller,
    app::App,
    clock::Timestamp,
    directory::delta::{Seen, Since, delta},
    error::{Error, Result},
    id::UserId,
    store::{
        Tx,
        filter::{Filter, Operator},
        users::{
            UserField, UserFilter,
            changes::{ChangedUser, REMEMBERED_DAYS},
        },
    },
};

/// Why a user is not among the present ones any more.
#[derive(Debug, Object)]
#[oai(rename = "RemovedReason")]
struct RemovedView {
    /// `changed`: deleted, and can be restored. `deleted`: gone for good.
    reason: String,
}

/// A user who was made or changed, or what is left of one who was deleted.
#[derive(Debug, Object)]
#[oai(rename = "UserDelta")]
struct UserDeltaView {
    #[oai(flatten)]
    user: UserView,
    /// Only of users who were deleted.
    #[oai(rename = "@removed", skip_serializing_if_is_none)]
    removed: Option<RemovedView>,
}

/// A page of changes.
#[derive(Debug, Object)]
struct DeltaPage {
    /// Where the shape of this answer is described.
    #[oai(rename = "@odata.context")]
    context: String,
    /// The address of the next page; absent on the last.
    #[oai(rename = "@odata.nextLink", skip_serializing_if_is_none)]
    next_link: Option<String>,
    /// On the last page: where to ask for what changes from now on; good for seven days.
    #[oai(rename = "@odata.deltaLink", skip_serializing_if_is_none)]
    delta_link: Option<String>,
    /// The changes of this page.
    value: Vec<UserDeltaView>,
}

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Token {
    seen: Seen,
    /// When the round began that it belongs to.
    begun: Timestamp,
}

/// How long a round may last, in minutes: purged users are remembered for so much longer than delta links are good.
const ROUND_MINUTES: i64 = 24 * 60;

pub struct UsersDeltaApi(pub App);

#[OpenApi(tag = "Tag::Users")]
impl UsersDeltaApi {
    /// List users who have changed
    ///
    /// The first round, without a token, walks all users; follow `@odata.nextLink` to its end. The last page has an
    /// `@odata.deltaLink`: ask there later for what has changed since, and so on. A user who changes while a round lasts
    /// may appear twice: the later one counts. Deleted users appear with `@removed`. A changed authentication method is
    /// no change of its user. A round may last a day, and a delta link is good for seven; later they are answered 410, and the header Location
    /// says where to begin anew. Needs the permission `User.Read.All` or `User.ReadWrite.All`, or a role that reads the
    /// directory.
    #[oai(path = "/v1.0/users/delta", method = "get", operation_id = "deltaUsers")]
    #[expect(clippy::too_many_arguments, reason = "one for each option of the query")]
    async fn delta(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Properties to send, with commas between them; Graph's eleven default ones unless given.
        #[oai(name = "$select")]
        select: Query<Option<String>>,
        /// Only these users: `id eq '..'`, joined by `or`, at most 50.
        #[oai(name = "$filter")]
        filter: Query<Option<String>>,
        /// `latest` for what changes from now on, without the users of today; otherwise part of `@odata.deltaLink`.
        #[oai(name = "$deltatoken")]
        delta_token: Query<Option<String>>,
        /// Where the page before ended; part of `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
        /// `odata.maxpagesize=50` for pages of at most 50 users.
        #[oai(name = "Prefer")]
        _prefer: Header<Option<String>>,
    ) -> Result<Json<DeltaPage>, Problem> {
        refuse_other_options(&info, &["$select", "$filter", DELTA_TOKEN, SKIP_TOKEN]).map_err(Error::in_directory)?;
        let select = Select::parse(select.as_deref())?;
        let only = filter.as_deref().map(ids).transpose()?;
        let (since, begun) = match (skip_token.0, delta_token.0) {
            (Some(token), _) => {
                let Token { seen, begun } = self.fresh(&info, SKIP_TOKEN, &token, ROUND_MINUTES)?;
                (Since::Seen(seen), begun)
            }
            (None, Some(token)) if token == LATEST => (Since::Now, info.received),
            (None, Some(token)) => {
                let Token { seen, .. } = self.fresh(&info, DELTA_TOKEN, &token, REMEMBERED_DAYS * 24 * 60)?;
                (Since::Seen(seen), info.received)
            }
            (None, None) => (Since::Beginning, info.received),
        };
        let size = info.page_size(None, DEFAULT_PAGE, MAX_PAGE) as usize;
        let read = move |tx: &mut Tx<'_>, caller: &Caller| delta(tx, caller, &since, only.as_deref(), size);
        let delta = self.0.read(guard.0, read).await?;
        let token = Token { seen: delta.seen, begun };
        let key = serde_json::to_string(&token).map_err(Error::internal)?;
        let link = |option| Some(links::link(&self.0, &info, option, &key));
        let (next_link, delta_link) = if delta.more { (link(SKIP_TOKEN), None) } else { (None, link(DELTA_TOKEN)) };
        let value = delta.users.into_iter().map(|user| view(user, &select)).collect();
        let context = self.0.context(&info, &format!("{}/$delta", select.context("users")));
        Ok(Json(DeltaPage { context, next_link, delta_link, value }))
    }

    /// What a link says, unless its round began longer ago than so many minutes.
    fn fresh(&self, info: &RequestInfo, option: &str, opened: &str, minutes: i64) -> Result<Token> {
        let token = read(option, opened)?;
        if token.begun.plus_minutes(minutes) <= info.received {
            return Err(Error::ResyncRequired { location: links::anew(&self.0, info) });
        }
        Ok(token)
    }
}

fn read(option: &str, opened: &str) -> Result<Token> {
    let key = links::key(option, opened)?;
    serde_json::from_str(&key).map_err(|_| links::foreign(option))
}

/// The ids that a filter names; a delta takes no other filter.
fn ids(filter: &str) -> Result<Vec<UserId>> {
    fn collect(filter: UserFilter, ids: &mut Vec<UserId>) -> bool {
        match filter {
            Filter::Or(left, right) => collect(*left, ids) && collect(*right, ids),
            Filter::Test(UserField::Id(id), Operator::Eq) => {
                ids.push(UserId::new(id));
                true
            }
            _ => false,
        }
    }
    let mut ids = vec![];
    match collect(user_query::filter(filter)?, &mut ids) {
        true => Ok(ids),
        false => Err(Error::invalid_user("$filter", "A delta is filtered by ids only: id eq '..' or id eq '..'.")),
    }
}

fn view(changed: ChangedUser, select: &Select) -> UserDeltaView {
    let removed = |id: UserId, reason: &str| UserDeltaView {
        user: UserView::only_id(id),
        removed: Some(RemovedView { reason: reason.into() }),
    };
    match changed {
        ChangedUser::Kept(user) if user.deleted_at.is_some() => removed(user.user_id, "changed"),
        ChangedUser::Kept(user) => UserDeltaView { user: UserView::with_id(select, *user), removed: None },
        ChangedUser::Purged(id) => removed(id, "deleted"),
    }
}
