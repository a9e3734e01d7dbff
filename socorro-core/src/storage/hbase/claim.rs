//! The claim on a crash: the cell `flags:claim` of its row.
//!
//! ```text
//! free              nobody works on it; written by the save
//! free 2 NONCE      nobody works on it any more; two owners have died over it
//! OWNER NONCE 3     OWNER works on it, this is the third attempt; renewed by a new NONCE
//! saving ...        the same, and the result is being written
//! ```
//!
//! No value comes back: who read `free` before somebody else claimed and finished can't claim any more.
//! Every change is a `checkAndPut` that expects the exact last value. A claim is dead when *one*
//! observer's monotonic clock has seen the cell unchanged for a whole lease, in looks at most half a
//! lease apart: no clock is compared with another's, and an outage kills no claim. Rows that Socorro 2.x wrote have no such cell, which reads as `free`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::crash_id::CrashId;

pub(super) const FREE: &str = "free";
const SAVING: &str = "saving ";

/// What a claim cell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClaimCell {
    /// Nobody works on the crash; so many attempts were begun and not ended. The nonce is empty in
    /// what a save wrote.
    Free { attempts: u32, nonce: String },
    /// Somebody works on the crash.
    Owned {
        owner: String,
        nonce: String,
        attempt: u32,
        saving: bool,
    },
}

impl ClaimCell {
    /// Reads a cell; an absent or empty one is free.
    pub(super) fn parse(cell: Option<&[u8]>) -> Self {
        let text = String::from_utf8_lossy(cell.unwrap_or_default());
        let (saving, rest) = match text.strip_prefix(SAVING) {
            Some(rest) => (true, rest),
            None => (false, &*text),
        };
        let words: Vec<&str> = rest.split(' ').collect();
        match words.as_slice() {
            ["" | FREE] => Self::Free {
                attempts: 0,
                nonce: String::new(),
            },
            [FREE, attempts, nonce] => Self::Free {
                attempts: attempts.parse().unwrap_or(0),
                nonce: (*nonce).to_owned(),
            },
            [owner, nonce, attempt] => Self::Owned {
                owner: (*owner).to_owned(),
                nonce: (*nonce).to_owned(),
                attempt: attempt.parse().unwrap_or(1),
                saving,
            },
            // Not ours to judge: it is taken over like any claim that nobody renews.
            _ => Self::Owned {
                owner: text.into_owned(),
                nonce: "?".into(),
                attempt: 1,
                saving,
            },
        }
    }

    pub(super) fn to_cell(&self) -> Vec<u8> {
        match self {
            Self::Free { nonce, .. } if nonce.is_empty() => FREE.into(),
            Self::Free { attempts, nonce } => format!("{FREE} {attempts} {nonce}").into(),
            Self::Owned {
                owner,
                nonce,
                attempt,
                saving,
            } => {
                let saving = if *saving { SAVING } else { "" };
                format!("{saving}{owner} {nonce} {attempt}").into()
            }
        }
    }

    /// What stands there when an owner is done, of whose attempts so many were not ended.
    pub(super) fn freed(attempts: u32) -> Self {
        Self::Free {
            attempts,
            nonce: nonce(),
        }
    }

    /// A new claim of `owner`, the attempt after that many.
    pub(super) fn owned(owner: &str, attempt: u32) -> Self {
        Self::Owned {
            owner: owner.to_owned(),
            nonce: nonce(),
            attempt,
            saving: false,
        }
    }

    /// The same claim with a new nonce.
    pub(super) fn renewed(&self) -> Self {
        let mut next = self.clone();
        if let Self::Owned { nonce: old, .. } = &mut next {
            *old = nonce();
        }
        next
    }

    /// The same claim while its result is being written.
    pub(super) fn saving(&self) -> Self {
        let mut next = self.clone();
        if let Self::Owned { saving, .. } = &mut next {
            *saving = true;
        }
        next
    }

    /// How many attempts were begun so far.
    pub(super) fn attempts(&self) -> u32 {
        match self {
            Self::Free { attempts, .. } => *attempts,
            Self::Owned { attempt, .. } => *attempt,
        }
    }

    pub(super) fn is_free(&self) -> bool {
        matches!(self, Self::Free { .. })
    }
}

fn nonce() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// What one process has seen of the claims of others.
#[derive(Debug)]
pub(super) struct Observed {
    lease: Duration,
    seen: HashMap<CrashId, Sight>,
}

#[derive(Debug)]
struct Sight {
    cell: Vec<u8>,
    last: Instant,
    /// For how long it was seen unchanged.
    unchanged: Duration,
}

impl Observed {
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            lease,
            seen: HashMap::new(),
        }
    }

    /// Notes a claim of another owner; says whether it has not changed for a whole lease. Between
    /// two looks no more than half a lease counts: in a longer time there may have been an outage, in
    /// which nobody could renew.
    pub(super) fn is_dead(&mut self, id: &CrashId, cell: &[u8], now: Instant) -> bool {
        match self.seen.get_mut(id) {
            Some(sight) if sight.cell == cell => {
                let since = now.duration_since(sight.last);
                sight.unchanged += since.min(self.lease / 2);
                sight.last = now;
                sight.unchanged >= self.lease
            }
            _ => {
                self.forget_old(now);
                let sight = Sight {
                    cell: cell.to_owned(),
                    last: now,
                    unchanged: Duration::ZERO,
                };
                self.seen.insert(*id, sight);
                false
            }
        }
    }

    /// Claims that we met long ago and never again were ended by their owners.
    fn forget_old(&mut self, now: Instant) {
        let limit = self.lease * 10;
        if self.seen.len() > 1000 {
            self.seen
                .retain(|_, sight| now.duration_since(sight.last) < limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_as_they_are_written() {
        for cell in [
            "free",
            "free 2 00ff",
            "web1-7 00ff 3",
            "saving web1-7 00ff 3",
        ] {
            assert_eq!(
                ClaimCell::parse(Some(cell.as_bytes())).to_cell(),
                cell.as_bytes()
            );
        }
        assert_eq!(ClaimCell::parse(None), ClaimCell::parse(Some(b"free")));
        assert!(!ClaimCell::parse(Some(b"\xff what is this")).is_free());
    }

    #[test]
    fn a_claim_is_dead_after_a_whole_lease_without_change() {
        let id = CrashId::new(jiff::civil::date(2026, 11, 3));
        let mut observed = Observed::new(Duration::from_secs(60));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!observed.is_dead(&id, b"a", at(0)));
        assert!(!observed.is_dead(&id, b"a", at(30)));
        assert!(!observed.is_dead(&id, b"a", at(59)));
        assert!(!observed.is_dead(&id, b"b", at(61)), "it was renewed");
        assert!(!observed.is_dead(&id, b"b", at(91)));
        assert!(!observed.is_dead(&id, b"b", at(120)));
        assert!(observed.is_dead(&id, b"b", at(121)));
    }

    #[test]
    fn a_claim_that_could_not_be_renewed_in_an_outage_is_not_dead_right_after_it() {
        let id = CrashId::new(jiff::civil::date(2026, 11, 3));
        let mut observed = Observed::new(Duration::from_secs(60));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!observed.is_dead(&id, b"a", at(0)));
        assert!(!observed.is_dead(&id, b"a", at(600)));
        assert!(!observed.is_dead(&id, b"a", at(615)));
        assert!(observed.is_dead(&id, b"a", at(630)));
    }
}
