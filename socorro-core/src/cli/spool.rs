//! `socorro spool`: what is in the trees on disk, and mending them.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::{Cli, visible};
use super::progress::Progress;
use super::walk::{Interrupted, Walk};
use crate::crash_id::CrashId;
use crate::service::Error;
use crate::storage::filesystem::{Finding, Tree, What};
use crate::storage::open::Spool;
use crate::storage::trees::{ConfiguredTree, Role, trees};
use crate::storage::{CrashStorage, StorageError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Count what is in each tree: the spool's, and the primary storage's where that is on the file
    /// system
    Status,
    /// Look for what nobody would move or finish: crashes without a date link, date links without a
    /// crash, half crashes older than an hour, leftovers of killed processes
    ///
    /// Exit code 1 if something is wrong and was not mended. Crashes that are being written are left
    /// alone.
    Fsck {
        /// Give orphans their date links again, so that they are moved, and remove dangling links
        #[arg(long)]
        repair: bool,
    },
    /// List the crashes that were set aside, with the reasons
    Rejected,
    /// Put crashes that were set aside back to those that wait
    PutBack {
        /// The crashes
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all", value_parser = CrashId::parse_prefixed)]
        ids: Vec<CrashId>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Status => status(cli).await,
        Command::Fsck { repair } => fsck(cli, repair).await,
        Command::Rejected => list_rejected(cli).await,
        Command::PutBack { ids, all } => put_back(cli, ids, all).await,
    }
}

/// The word for something in a tree.
fn word(what: What, role: Role) -> &'static str {
    match what {
        What::Waiting => "waiting",
        What::Taken if role == Role::Spool => "orphans",
        What::Taken => "taken",
        What::Processed => "processed",
        What::Rejected => "rejected",
        What::BeingWritten => "being written",
        What::Half => "half",
        What::Dangling => "dangling",
        What::Staged => "staged",
        What::Leftover => "leftovers",
        What::Foreign => "foreign",
    }
}

/// How many, how large, and since when.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    bytes: u64,
    oldest: Option<SystemTime>,
}

impl Tally {
    fn add(&mut self, finding: &Finding) {
        self.count += 1;
        self.bytes += finding.bytes;
        let oldest = self.oldest.into_iter().chain(finding.modified);
        self.oldest = oldest.min();
    }

    fn age(&self) -> Option<Duration> {
        self.oldest
            .map(|oldest| oldest.elapsed().unwrap_or_default())
    }

    fn to_json(&self) -> Value {
        let Self { count, bytes, .. } = self;
        let age = self.age().map(|age| age.as_secs());
        json!({ "count": count, "bytes": bytes, "oldest_seconds": age })
    }
}

type Tallies = BTreeMap<What, Tally>;

/// What is always told, be there any or not.
const OF_ANY_TREE: [What; 4] = [What::Waiting, What::Taken, What::Rejected, What::Staged];

/// Looks through a tree. Places that could not be read are told, and end in an error.
async fn survey(cli: &Cli, tree: &Arc<Tree>) -> Result<Walk<Finding>, Error> {
    let tree = Arc::clone(tree);
    Walk::start(cli, move || tree.survey()).await
}

/// Prints the tallies of one tree: a line for each kind, or one JSON object.
fn tell(cli: &Cli, named: &ConfiguredTree, tallies: &Tallies) -> Result<(), Error> {
    let root = named.tree.root().display().to_string();
    if cli.json {
        let mut object = serde_json::Map::new();
        object.insert("tree".into(), named.setting.clone().into());
        object.insert("root".into(), root.into());
        for (what, tally) in tallies {
            let key = word(*what, named.role).replace(' ', "_");
            object.insert(key, tally.to_json());
        }
        return cli.print(&Value::Object(object).to_string());
    }
    cli.print(&format!("{} = {root}", named.setting))?;
    for (what, tally) in tallies {
        let Tally { count, bytes, .. } = tally;
        let megabytes = *bytes as f64 / 1e6;
        let age = match tally.age() {
            None => String::new(),
            Some(age) => format!(", oldest {}", in_words(age)),
        };
        let word = word(*what, named.role);
        cli.print(&format!(
            "  {word:<13} {count:>9} {megabytes:>11.1} MB{age}"
        ))?;
    }
    Ok(())
}

fn in_words(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

async fn status(cli: &Cli) -> Result<ExitCode, Error> {
    let mut unreadable = None;
    for named in trees(&cli.settings) {
        let mut tallies: Tallies = OF_ANY_TREE.map(|what| (what, Tally::default())).into();
        let mut findings = survey(cli, &named.tree).await?;
        let mut progress = Progress::new(None);
        let ended = loop {
            match findings.next().await {
                Ok(Some(finding)) => tallies.entry(finding.what).or_default().add(&finding),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            progress.advance();
        };
        drop(progress);
        tell(cli, &named, &tallies)?;
        unreadable = go_on(ended)?.or(unreadable);
    }
    match unreadable {
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Whether to go on with the next tree: yes after an error about places in one tree, which is kept
/// for the end; no when interrupted.
fn go_on(ended: Result<(), Error>) -> Result<Option<Error>, Error> {
    match ended {
        Ok(()) => Ok(None),
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(error) => Ok(Some(error)),
    }
}

/// What was found wrong in one tree, and how much of it was mended.
async fn fsck(cli: &Cli, repair: bool) -> Result<ExitCode, Error> {
    let (mut wrong, mut mended) = (0u64, 0u64);
    let mut unreadable = None;
    let primary = cli.primary().storage;
    for named in trees(&cli.settings) {
        let mut tallies = Tallies::new();
        let mut findings = survey(cli, &named.tree).await?;
        let mut progress = Progress::new(None);
        let ended = loop {
            let finding = match findings.next().await {
                Ok(Some(finding)) => finding,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            progress.advance();
            let is_wrong = match finding.what {
                What::Taken => match named.role {
                    Role::Spool => true,
                    Role::Queue => is_unprocessed(&*primary, &finding).await,
                    Role::Archive => false,
                },
                What::Dangling | What::Half | What::Leftover | What::Foreign => true,
                What::Waiting
                | What::Processed
                | What::Rejected
                | What::BeingWritten
                | What::Staged => false,
            };
            if !is_wrong {
                continue;
            }
            wrong += 1;
            tallies.entry(finding.what).or_default().add(&finding);
            if repair && mend(&named.tree, &finding).await? {
                mended += 1;
            }
        };
        drop(progress);
        if cli.json || !tallies.is_empty() {
            tell(cli, &named, &tallies)?;
        }
        unreadable = go_on(ended)?.or(unreadable);
    }
    if let Some(error) = unreadable {
        return Err(error);
    }
    if !cli.json {
        let advice = match (repair, wrong) {
            (_, 0) => "nothing is wrong".to_owned(),
            (false, _) => {
                "--repair gives orphans their date links and removes dangling ones".into()
            }
            (true, _) => format!("{mended} of {wrong} mended"),
        };
        cli.print(&advice)?;
    }
    match wrong == mended {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

/// Taken off the queue, and never processed.
async fn is_unprocessed(primary: &dyn CrashStorage, finding: &Finding) -> bool {
    match &finding.id {
        Some(id) => primary
            .get_processed(id)
            .await
            .is_err_and(|error| error.is_not_found()),
        None => false,
    }
}

async fn mend(tree: &Tree, finding: &Finding) -> Result<bool, StorageError> {
    match (finding.what, &finding.id) {
        (What::Taken, Some(id)) => tree.relink(id).await,
        (What::Dangling, _) => tree.remove_dangling(finding).await,
        _ => Ok(false),
    }
}

async fn list_rejected(cli: &Cli) -> Result<ExitCode, Error> {
    let spools = trees(&cli.settings).into_iter();
    for ConfiguredTree { setting, tree, .. } in spools.filter(|tree| tree.role == Role::Spool) {
        let mut rejected = Walk::start(cli, move || Ok(tree.rejected())).await?;
        while let Some(crash) = rejected.next().await? {
            let line = match cli.json {
                true => json!({
                    "id": crash.id.as_str(), "tree": setting, "reason": crash.reason,
                    "bytes": crash.bytes, "path": crash.path,
                })
                .to_string(),
                false => format!("{} {setting}: {}", crash.id, visible(&crash.reason)),
            };
            if !cli.write(format!("{line}\n").as_bytes())? {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit code 1 if one of the ids was not set aside.
async fn put_back(cli: &Cli, ids: Vec<CrashId>, all: bool) -> Result<ExitCode, Error> {
    let spool = Spool::new(&cli.settings);
    let (mut done, mut missing) = (0u64, 0u64);
    if all {
        for tree in &spool.trees {
            let walked = Arc::clone(tree);
            let mut rejected = Walk::start(cli, move || Ok(walked.rejected())).await?;
            while let Some(crash) = rejected.next().await? {
                match tree.put_back(&crash.id).await {
                    Ok(()) => done += 1,
                    // Somebody else was first.
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    for id in ids {
        let mut found = false;
        for tree in &spool.trees {
            match tree.put_back(&id).await {
                Ok(()) => found = true,
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        match found {
            true => done += 1,
            false => {
                missing += 1;
                eprintln!("socorro: {id} was not set aside in the spool");
            }
        }
    }
    let text = match missing {
        0 => format!("{done} crashes put back"),
        _ => format!("{done} crashes put back, {missing} not found"),
    };
    cli.answer(&text, &json!({ "put_back": done, "missing": missing }))?;
    match missing {
        0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}
