//! Progress of long work: how much, how fast, how long still. On standard error, and only if that is
//! a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is drawn anew.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// A line that tells how far the work is. It vanishes when dropped.
#[derive(Debug)]
pub(super) struct Progress {
    total: Option<u64>,
    done: u64,
    started: Instant,
    drawn: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    /// Nothing done yet, of so many where that is known.
    pub(super) fn new(total: Option<u64>) -> Self {
        Self {
            total,
            done: 0,
            started: Instant::now(),
            drawn: None,
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// One more done.
    pub(super) fn advance(&mut self) {
        self.done += 1;
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= DRAW_EVERY);
        if self.is_terminal && is_due {
            self.drawn = Some(Instant::now());
            let line = line(self.done, self.total, self.started.elapsed());
            // A terminal that went away is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{line}\u{1b}[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

fn line(done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    match total {
        None => format!("{done} crashes, {rate:.0} a second"),
        Some(total) => {
            let left = total.saturating_sub(done) as f64 / rate.max(0.001);
            format!("{done} of {total} crashes, {rate:.0} a second, {left:.0} s left")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_told_where_the_total_is_known() {
        let elapsed = Duration::from_secs(10);
        assert_eq!(line(100, None, elapsed), "100 crashes, 10 a second");
        assert_eq!(
            line(100, Some(400), elapsed),
            "100 of 400 crashes, 10 a second, 30 s left"
        );
    }
}
