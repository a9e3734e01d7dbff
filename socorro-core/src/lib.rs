//! What the collector, the crash mover, the processor and the `socorro` command share.
//!
//! * a crash: [`crash_id`], [`raw_crash`], [`dumps`], [`processed_crash`]
//! * where crashes are kept: [`storage`], and how work on a storage is retried: [`retry`]
//! * from a stack to the line by which crashes are counted as the same: [`signature`]
//! * the `socorro` command: [`cli`]
//! * how a program starts, is configured, is watched and stops: [`service`], [`config`],
//!   [`telemetry`], [`http`]

pub mod cli;
pub mod condition;
pub mod config;
pub mod crash_id;
pub mod dumps;
pub mod http;
pub mod processed_crash;
pub mod public_annotations;
pub mod raw_crash;
pub mod retry;
pub mod service;
pub mod signature;
pub mod storage;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
