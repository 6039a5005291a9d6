//! Waiting for a reset: a bar on a terminal, a line now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::job::Job;
use crate::{
    error::Result,
    mfa_resets::{Counts, MfaReset},
};

/// How often the reset is looked at.
const PULSE: Duration = Duration::from_millis(250);
/// How often a line is written where no bar can be drawn.
const LINE: Duration = Duration::from_secs(10);

/// Waits until the reset `is_there`. `place` is how many of its users are done with on the way.
pub async fn until(
    job: &Job,
    what: &'static str,
    place: impl Fn(&Counts) -> i64,
    is_there: impl Fn(&MfaReset) -> bool,
) -> Result<MfaReset> {
    let mut progress = Progress::new(what);
    loop {
        let reset = job.progress().await?;
        if is_there(&reset) {
            return Ok(reset);
        }
        progress.show(place(&reset.counts), reset.counts.total());
        tokio::time::sleep(PULSE).await;
    }
}

/// Goes away when it is dropped.
struct Progress {
    what: &'static str,
    /// Hidden unless standard error is a terminal.
    bar: ProgressBar,
    last_line: Instant,
}

impl Progress {
    fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(what);
        let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} users, {eta} left");
        let bar = style.map_or(bar.clone(), |style| bar.with_style(style));
        Self { what, bar, last_line: Instant::now() }
    }

    fn show(&mut self, place: i64, total: i64) {
        // No bar has less than nothing.
        let (place, total) = (place.unsigned_abs(), total.unsigned_abs());
        self.bar.set_length(total);
        self.bar.set_position(place);
        if self.bar.is_hidden() && self.last_line.elapsed() >= LINE {
            self.last_line = Instant::now();
            eprintln!("{}: {place} of {total} users", self.what);
        }
    }
}
