//! What a worker may still do once it has started: compute, and read symbols, as long as the processor
//! lives.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    path_beneath_rules,
};
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};
use rustix::time::{ClockId, clock_gettime};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

use crate::walk::WalkOptions;

/// Shuts this process in, for good. Gives what could not be shut, in words: kernels differ.
pub(crate) fn lock(options: &WalkOptions) -> Vec<String> {
    // It can't fail: there is such a signal. A processor that is gone already is noticed by its socket.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    limit(Resource::As, options.memory_bytes);
    // No core files: they would hold what the dump holds.
    limit(Resource::Core, 0);
    limit(Resource::Fsize, 0);
    let mut open = Vec::new();
    match only_symbols(&options.symbols) {
        Ok(RulesetStatus::FullyEnforced) => {}
        Ok(status) => open.push(format!("files and network by landlock: {status:?}")),
        Err(error) => open.push(format!("files and network by landlock: {error}")),
    }
    if let Err(error) = no_calls() {
        open.push(format!("system calls by seccomp: {error}"));
    }
    open
}

/// Gives this process that much more processor time; it is killed when that is spent.
pub(crate) fn grant_cpu_time(seconds: u64) {
    let spent = clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs();
    let hard = getrlimit(Resource::Cpu).maximum;
    let limit = Rlimit {
        current: Some(spent + seconds + 1),
        maximum: hard,
    };
    // It can't fail: the hard limit is as it was.
    let _ = setrlimit(Resource::Cpu, limit);
}

fn limit(resource: Resource, bytes: u64) {
    let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let bytes = Some(bytes.min(hard));
    // It can't fail: it is not above the hard limit.
    let _ = setrlimit(
        resource,
        Rlimit {
            current: bytes,
            maximum: bytes,
        },
    );
}

/// Nothing to read but symbols, nothing to write, no TCP.
fn only_symbols(symbols: &[PathBuf]) -> Result<RulesetStatus, landlock::RulesetError> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V4))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .create()?
        .add_rules(path_beneath_rules(symbols, AccessFs::from_read(ABI::V4)))?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// No sockets, no programs, no other process.
fn no_calls() -> Result<(), seccompiler::Error> {
    let denied = [
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_accept4,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_clone3,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_io_uring_setup,
        libc::SYS_keyctl,
    ];
    let rules: BTreeMap<_, _> = denied.into_iter().map(|call| (call, Vec::new())).collect();
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch)?;
    apply_filter(&BpfProgram::try_from(filter)?)
}
