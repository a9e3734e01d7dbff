//! A running program, its log, and how to stop or kill it.

use std::fs::DirEntry;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait_for;

/// The path of one of our programs.
pub fn path(name: &str) -> PathBuf {
    // target/debug/deps/pipeline-... -> target/debug
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build` first",
        path.display()
    );
    path
}

/// A program that runs until it is stopped, killed or dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts a command and gathers its standard error.
    pub fn start(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, stderr) = (Arc::clone(&log), child.stderr.take().unwrap());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        Self {
            name,
            child,
            log,
            reader: Some(reader),
        }
    }

    /// The lines logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Waits for a line of the log that has this in it.
    pub fn wait_for_log(&mut self, part: &str) -> String {
        let what = format!("{part:?} in the log of {}", self.name);
        let (log, child) = (Arc::clone(&self.log), &mut self.child);
        wait_for(&what, || {
            let found = log
                .lock()
                .unwrap()
                .iter()
                .find(|line| line.contains(part))
                .cloned();
            let ended = found.is_none().then(|| child.try_wait().unwrap()).flatten();
            assert!(
                ended.is_none(),
                "{what}: it ended\n{}",
                log.lock().unwrap().join("\n")
            );
            found
        })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processes that it has started and that still run.
    pub fn children(&self) -> Vec<Pid> {
        let parent = format!("PPid:\t{}\n", self.child.id());
        let of_parent = |entry: DirEntry| {
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let runs = status.contains(&parent) && !status.contains("State:\tZ");
            Pid::from_raw(pid).filter(|_| runs)
        };
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(of_parent).collect()
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Kills it with `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.wait();
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended already is just what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}\n---", self.name, self.log());
        }
    }
}
