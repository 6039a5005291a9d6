//! Limits on the rate of requests, as Graph throttles its callers: token buckets for resource units, writes and reports.
//! (The limits on guessing are rules and stand in the database; these here know nothing of them.)
//!
//! A caller is counted when the token has been verified, so nobody pays for what others do with bad tokens, and before
//! any work is done. Buckets are this process's own: with N replicas behind a balancer a caller gets up to N times as much.

mod cost;

use std::{
    fmt,
    hash::Hash,
    num::NonZeroU32,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{self, Clock as _},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use poem::{
    Request, Response,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};

use super::{batch, intake::RequestInfo};
use crate::{access::Caller, clock::Clock, config::RateLimits, id::TenantId};
use cost::Cost;

/// Buckets that are full again are forgotten every so many requests.
const CLEAN_EVERY: u32 = 4096;
/// More callers than these are not remembered: until some are forgotten, nobody is limited.
const MAX_CALLERS: usize = 1_000_000;
/// From this share of a limit on, answers say how much of it is used.
const WORTH_SAYING: f64 = 0.8;

const RESOURCE_UNIT: HeaderName = HeaderName::from_static("x-ms-resource-unit");
const LIMIT_PERCENTAGE: HeaderName = HeaderName::from_static("x-ms-throttle-limit-percentage");
const SCOPE: HeaderName = HeaderName::from_static("x-ms-throttle-scope");
const INFORMATION: HeaderName = HeaderName::from_static("x-ms-throttle-information");

/// The limits of one process. Cheap to clone.
#[derive(Clone, Default)]
pub struct RateLimiters(Option<Arc<Buckets>>);

/// An application or user, and the tenant that is asked about.
type CallerKey = (TenantId, String);

struct Buckets {
    units: Bucket<CallerKey>,
    writes: Bucket<CallerKey>,
    tenant_writes: Bucket<TenantId>,
    reports: Bucket<CallerKey>,
    /// Requests until the next cleaning.
    uncleaned: AtomicU32,
    is_full: AtomicBool,
}

/// What a request was charged, for the headers of its answer.
#[derive(Debug, Clone, Copy)]
pub struct Charge {
    units: u32,
    /// How much of the fullest limit is used now, 0 to 1.
    used: f64,
}

/// Where a request keeps its [`Charge`] until it is answered.
pub type ChargeNote = Arc<OnceLock<Charge>>;

/// Refused: too much was asked for already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("throttled in {scope}")]
pub struct Throttled {
    /// Whole seconds, at least one.
    retry_after: u64,
    scope: String,
    information: &'static str,
}

impl RateLimiters {
    /// `None` limits nobody.
    pub fn new(limits: Option<RateLimits>, clock: &Clock) -> Self {
        let buckets = |limits: RateLimits| {
            let ticks = Ticks::of(clock);
            Arc::new(Buckets {
                units: Bucket::new(limits.units_per_10s, Duration::from_secs(10), &ticks),
                writes: Bucket::new(limits.writes_per_150s, Duration::from_secs(150), &ticks),
                tenant_writes: Bucket::new(limits.tenant_writes_per_5min, Duration::from_secs(300), &ticks),
                reports: Bucket::new(limits.reports_per_10s, Duration::from_secs(10), &ticks),
                uncleaned: AtomicU32::new(0),
                is_full: AtomicBool::new(false),
            })
        };
        Self(limits.map(buckets))
    }

    /// Charges a request to its caller, or refuses it. A batch is free: its items are charged.
    pub fn charge(&self, request: &Request, caller: &Caller, info: &RequestInfo) -> Result<(), Throttled> {
        let Some(buckets) = self.0.as_ref().filter(|_| !batch::is_batch(&info.path)) else { return Ok(()) };
        let cost = Cost::of(request.method(), request.uri().path(), &info.query);
        if let Some(charge) = buckets.charge(cost, &caller.tenant, caller.id())? {
            let _ = info.charge.set(charge);
        }
        Ok(())
    }
}

impl Buckets {
    fn charge(&self, cost: Cost, tenant: &TenantId, caller: &str) -> Result<Option<Charge>, Throttled> {
        if self.uncleaned.fetch_add(1, Ordering::Relaxed) % CLEAN_EVERY == CLEAN_EVERY - 1 {
            self.clean();
        }
        if self.is_full.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let key = (tenant.clone(), caller.to_owned());
        let of_caller = |limit: &str, information, retry_after| {
            let scope = format!("Tenant_Application/{limit}/{caller}/{tenant}");
            Throttled { retry_after, scope, information }
        };
        const UNITS: &str = "ResourceUnitLimitExceeded";
        const WRITES: &str = "WriteLimitExceeded";
        let (units, used) = match cost {
            Cost::Report => (1, self.reports.take(&key, 1).map_err(|wait| of_caller("Read", UNITS, wait))?),
            Cost::Read { units } => {
                (units, self.units.take(&key, units).map_err(|wait| of_caller("ReadWrite", UNITS, wait))?)
            }
            Cost::Write { units } => {
                let all = self.units.take(&key, units).map_err(|wait| of_caller("ReadWrite", UNITS, wait))?;
                let own = self.writes.take(&key, 1).map_err(|wait| of_caller("Write", WRITES, wait))?;
                let shared = self.tenant_writes.take(tenant, 1).map_err(|retry_after| Throttled {
                    retry_after,
                    scope: format!("Tenant/Write/{caller}/{tenant}"),
                    information: WRITES,
                })?;
                (units, all.max(own).max(shared))
            }
        };
        Ok(Some(Charge { units, used }))
    }

    /// Forgets callers whose buckets are full again.
    fn clean(&self) {
        self.tenant_writes.clean();
        let callers = [&self.units, &self.writes, &self.reports].map(Bucket::clean).into_iter().max();
        let is_full = callers.is_some_and(|callers| callers >= MAX_CALLERS);
        if is_full && !self.is_full.load(Ordering::Relaxed) {
            tracing::warn!("too many callers to remember; nobody is limited until some are silent");
        }
        self.is_full.store(is_full, Ordering::Relaxed);
    }
}

struct Bucket<K: Hash + Eq + Clone> {
    size: NonZeroU32,
    limiter: RateLimiter<K, DashMapStateStore<K>, Ticks, StateInformationMiddleware>,
}

impl<K: Hash + Eq + Clone> Bucket<K> {
    /// `size` tokens, filled up evenly over `period`.
    fn new(size: NonZeroU32, period: Duration, ticks: &Ticks) -> Self {
        // Not less than a nanosecond for a token: no quota is without an end.
        let each = (period / size.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(each).unwrap_or(Quota::per_second(size)).allow_burst(size);
        let limiter = RateLimiter::dashmap_with_clock(quota, ticks.clone()).with_middleware();
        Self { size, limiter }
    }

    /// Takes tokens, and says which share of the bucket is gone; or for how many seconds to wait.
    fn take(&self, key: &K, tokens: u32) -> Result<f64, u64> {
        // Who may have one may have it, however dear it is.
        let tokens = NonZeroU32::new(tokens).unwrap_or(NonZeroU32::MIN).min(self.size);
        match self.limiter.check_key_n(key, tokens) {
            Ok(Ok(state)) => Ok(1.0 - f64::from(state.remaining_burst_capacity()) / f64::from(self.size.get())),
            Ok(Err(until)) => Err(self.seconds(&until)),
            // The size is what was compared with.
            Err(_) => Err(1),
        }
    }

    fn seconds(&self, until: &NotUntil<Instant>) -> u64 {
        let wait = until.wait_time_from(self.limiter.clock().now());
        wait.as_secs() + u64::from(wait.subsec_nanos() > 0).max(u64::from(wait.is_zero()))
    }

    /// How many are left.
    fn clean(&self) -> usize {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        self.limiter.len()
    }
}

/// The program's clock as the limits read it: one that is never put back, unless it is a test's hand that moves it.
#[derive(Debug, Clone)]
struct Ticks {
    begin: Instant,
    hand: Option<(Clock, i64)>,
}

impl Ticks {
    fn of(clock: &Clock) -> Self {
        let hand = match clock {
            Clock::System => None,
            Clock::Manual(_) => Some((clock.clone(), clock.now().micros())),
        };
        Self { begin: Instant::now(), hand }
    }
}

impl clock::Clock for Ticks {
    type Instant = Instant;

    fn now(&self) -> Instant {
        match &self.hand {
            None => Instant::now(),
            Some((clock, begin)) => {
                let passed = u64::try_from(clock.now().micros() - begin).unwrap_or_default();
                self.begin + Duration::from_micros(passed)
            }
        }
    }
}

impl From<Throttled> for poem::Error {
    fn from(throttled: Throttled) -> Self {
        poem::Error::new(throttled, StatusCode::TOO_MANY_REQUESTS)
    }
}

impl Throttled {
    /// For whoever reads the answer.
    pub fn message(&self) -> String {
        let whose =
            if self.scope.starts_with("Tenant/") { "in this tenant" } else { "from this caller in this tenant" };
        format!("Too many requests {whose}. Wait {} seconds and try again.", self.retry_after)
    }

    /// `Retry-After`, and which limit it was.
    pub fn add_headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, self.retry_after.into());
        headers.insert(INFORMATION, HeaderValue::from_static(self.information));
        if let Ok(scope) = HeaderValue::from_str(&self.scope) {
            headers.insert(SCOPE, scope);
        }
    }
}

impl Charge {
    /// What the request cost, and how close its caller is to a limit.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        headers.insert(RESOURCE_UNIT, self.units.into());
        if self.used > WORTH_SAYING
            && let Ok(used) = HeaderValue::from_str(&format!("{:.2}", self.used))
        {
            headers.insert(LIMIT_PERCENTAGE, used);
        }
    }
}

impl fmt::Debug for RateLimiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimiters").field(&self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_who_are_silent_are_forgotten() {
        let clock = Clock::manual(Clock::System.now());
        let limiters = RateLimiters::new(Some(RateLimits::default()), &clock);
        let buckets = limiters.0.unwrap();
        let tenant = TenantId::new("t");
        for number in 0..CLEAN_EVERY {
            buckets.charge(Cost::Write { units: 1 }, &tenant, &number.to_string()).unwrap();
        }
        assert!(buckets.units.limiter.len() > 100);
        clock.advance_seconds(301);
        for _ in 0..CLEAN_EVERY {
            buckets.charge(Cost::Report, &tenant, "one").unwrap_or_default();
        }
        assert_eq!(buckets.units.limiter.len(), 0);
        assert_eq!(buckets.writes.limiter.len(), 0);
        assert_eq!(buckets.tenant_writes.limiter.len(), 0);
    }

    #[test]
    fn a_request_that_costs_more_than_the_limit_waits_for_a_full_bucket() {
        let clock = Clock::manual(Clock::System.now());
        let bucket = Bucket::new(NonZeroU32::MIN, Duration::from_secs(10), &Ticks::of(&clock));
        assert_eq!(bucket.take(&1, 2), Ok(1.0));
        assert_eq!(bucket.take(&1, 2), Err(10));
        clock.advance_seconds(9);
        assert_eq!(bucket.take(&1, 2), Err(1));
        clock.advance_seconds(1);
        assert_eq!(bucket.take(&1, 2), Ok(1.0));
    }
}
