//! How much callers of `rekey serve` may ask for.

use std::num::NonZeroU32;

use clap::{Args, ValueEnum};

use crate::config::RateLimits;

#[derive(Debug, Args)]
pub struct ThrottleOptions {
    /// Limits on the rate of requests, of this process (never the limits on guessing)
    #[arg(long, env = "REKEY_THROTTLE", default_value = "on")]
    throttle: Switch,
    /// Resource units that an application or user may use up in a tenant in ten seconds: one for most requests
    #[arg(long = "throttle-units-per-10s", env = "REKEY_THROTTLE_UNITS_PER_10S", value_name = "N", default_value_t = RateLimits::UNITS_PER_10S)]
    units: NonZeroU32,
    /// Writes of an application or user in a tenant in 150 seconds
    #[arg(long = "throttle-writes-per-150s", env = "REKEY_THROTTLE_WRITES_PER_150S", value_name = "N", default_value_t = RateLimits::WRITES_PER_150S)]
    writes: NonZeroU32,
    /// Writes of everybody in a tenant in five minutes
    #[arg(long = "throttle-tenant-writes-per-5min", env = "REKEY_THROTTLE_TENANT_WRITES_PER_5MIN", value_name = "N", default_value_t = RateLimits::TENANT_WRITES_PER_5MIN)]
    tenant_writes: NonZeroU32,
    /// Requests of an application or user for a tenant's reports and audit logs in ten seconds
    #[arg(long = "throttle-reports-per-10s", env = "REKEY_THROTTLE_REPORTS_PER_10S", value_name = "N", default_value_t = RateLimits::REPORTS_PER_10S)]
    reports: NonZeroU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl ThrottleOptions {
    /// `None` when nobody is limited.
    pub fn limits(&self) -> Option<RateLimits> {
        (self.throttle == Switch::On).then_some(RateLimits {
            units_per_10s: self.units,
            writes_per_150s: self.writes,
            tenant_writes_per_5min: self.tenant_writes,
            reports_per_10s: self.reports,
        })
    }
}
