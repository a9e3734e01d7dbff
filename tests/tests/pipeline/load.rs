//! Clients that keep submitting, what they were told, and whether it is true.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use socorro_core::crash_id::CrashId;
use socorro_tests::client::{FORMS, Form, Submission, acknowledged};
use socorro_tests::http::try_send;
use socorro_tests::site::Site;
use socorro_tests::{fixtures, wait_for};

/// The annotation that tells one submission from all others.
const SEED: &str = "LoadSeed";
/// What a client rests that got no crash in: the server may be gone for a moment.
const REST: Duration = Duration::from_millis(20);

/// What the clients were told.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    next_seed: AtomicU64,
    acknowledged: Mutex<BTreeMap<CrashId, u64>>,
    /// For ids that the clients bring along.
    token: Option<String>,
}

impl Ledger {
    /// For clients of which every other submission is sent anew, with an id of a past day; they show that
    /// token.
    pub(crate) fn of_past_days(token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::default()
        }
    }

    /// The crash of a seed as it is sent this time.
    fn sent(&self, seed: u64) -> (Form, Submission) {
        let (form, mut crash) = crash(seed);
        if seed.is_multiple_of(2) && self.token.is_some() {
            let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
            let id = CrashId::new(today - (3 + seed as i64 / 2 % 3).days());
            crash.annotations.insert("uuid".into(), id.as_str().into());
            crash.token.clone_from(&self.token);
        }
        (form, crash)
    }

    /// How many crashes were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Checks that each acknowledged crash is in the site's primary storage byte for byte, once the
    /// mover has brought there what it found in the spool.
    pub(crate) fn verify(&self, site: &Site) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _entered = runtime.enter();
        let storage = site.primary().storage;
        let acknowledged = self.acknowledged.lock().unwrap();
        let lost: Vec<_> = acknowledged
            .iter()
            .filter_map(|(id, seed)| {
                let raw = match runtime.block_on(storage.get_raw_crash(id)) {
                    Ok(raw) => raw,
                    Err(error) => return Some(format!("{id}: {error}")),
                };
                let (_, sent) = crash(*seed);
                for (name, value) in &sent.annotations {
                    assert_eq!(raw.get_str(name), value.as_str(), "{id}: {name}");
                }
                let dumps = runtime.block_on(storage.get_dumps(id)).unwrap();
                let dumps: Vec<_> = dumps
                    .into_iter()
                    .map(|(name, dump)| (name.as_str().to_owned(), dump.read().unwrap().to_vec()))
                    .collect();
                assert!(dumps == sent.dumps, "{id}: other dumps");
                None
            })
            .collect();
        let all = acknowledged.len();
        assert!(lost.is_empty(), "lost {} of {all}: {lost:#?}", lost.len());
    }
}

/// Clients at work on one server.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    ledger: Arc<Ledger>,
    address: Mutex<String>,
    over: AtomicBool,
    /// Submissions that were refused or got no answer.
    failed: AtomicU64,
}

impl Load {
    /// Starts so many clients.
    pub(crate) fn start(clients: usize, address: &str, ledger: &Arc<Ledger>) -> Self {
        let shared = Arc::new(Shared {
            ledger: Arc::clone(ledger),
            address: Mutex::new(address.to_owned()),
            over: AtomicBool::new(false),
            failed: AtomicU64::new(0),
        });
        let client = |_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.submit_until_over())
        };
        let clients = (0..clients).map(client).collect();
        Self { shared, clients }
    }

    /// The server is at another address now.
    pub(crate) fn moves_to(&self, address: &str) {
        address.clone_into(&mut self.shared.address.lock().unwrap());
    }

    /// Waits until so many more crashes are acknowledged.
    pub(crate) fn wait_for_more(&self, crashes: usize) {
        let enough = self.shared.ledger.acknowledged() + crashes;
        wait_for("crashes to be acknowledged", || {
            (self.shared.ledger.acknowledged() >= enough).then_some(())
        });
    }

    /// No client begins another submission.
    pub(crate) fn ends(&self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }

    /// Waits for the last answers; returns how many submissions failed.
    pub(crate) fn join(self) -> u64 {
        self.ends();
        for client in self.clients {
            client.join().unwrap();
        }
        self.shared.failed.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn submit_until_over(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let seed = self.ledger.next_seed.fetch_add(1, Ordering::Relaxed);
            let address = self.address.lock().unwrap().clone();
            let (form, crash) = self.ledger.sent(seed);
            let answer = try_send(&address, &crash.request(form, &address));
            if let Some(id) = answer.ok().as_ref().and_then(acknowledged) {
                let earlier = self.ledger.acknowledged.lock().unwrap().insert(id, seed);
                assert_eq!(earlier, None, "two crashes got the id {id}");
            } else {
                self.failed.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(REST);
            }
        }
    }
}

/// The crash of that seed: all about it follows from the seed.
fn crash(seed: u64) -> (Form, Submission) {
    let mut annotations = fixtures::annotations();
    annotations.insert(SEED.into(), seed.to_string().into());
    let size = 1_000 + 3_000 * (seed as usize % 40);
    let form = FORMS[seed as usize % FORMS.len()];
    let dump = fixtures::noise(size, seed);
    (form, Submission::new(annotations, dump))
}

/// Sleeps for a random time up to that.
pub(crate) fn random_moment(at_most: Duration) {
    let random = uuid::Uuid::new_v4().as_u128() % 1_000;
    std::thread::sleep(at_most * random as u32 / 1_000);
}

/// A number from the environment, for tests that can take longer.
pub(crate) fn times(variable: &str, default: usize) -> usize {
    let set = std::env::var(variable).ok();
    set.map_or(default, |text| text.parse().expect("a number"))
}
