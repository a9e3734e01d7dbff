//! The whole pipeline on real parts, in the data's order.

mod chapter;
mod containers;
mod counts;
mod deploy_samples;
mod end_to_end;
mod kills;
mod load;
mod mover;
mod outage;
mod power;
mod queue;
mod scale;
mod soak;
mod syncs;

use socorro_tests::client::{Form, Submission};
use socorro_tests::fixtures;
use socorro_tests::site::Site;

/// Runs a test on an installation of each kind.
macro_rules! on_each_storage {
    ($($name:ident)*) => {
        mod on_files {
            $(#[test]
            fn $name() {
                super::$name(&socorro_tests::site::Site::on_files());
            })*
        }
        mod on_hbase {
            $(#[test]
            fn $name() {
                if let Some(site) = socorro_tests::site::Site::on_hbase() {
                    super::$name(&site);
                }
            })*
        }
    };
}
pub(crate) use on_each_storage;

/// The crash `null-write` as its client sends it.
fn null_write() -> Submission {
    Submission::new(fixtures::annotations(), fixtures::dump("null-write"))
}

/// Puts crashes into the spool, each with a dump of that many bytes of noise; returns the ids.
fn fill_spool(
    site: &Site,
    crashes: usize,
    dump_bytes: usize,
) -> Vec<socorro_core::crash_id::CrashId> {
    let (collector, address) = site.collector();
    let ids = (0..crashes)
        .map(|seed| {
            let noise = fixtures::noise(dump_bytes, seed as u64 * 2 + 1);
            Submission::new(fixtures::annotations(), noise).accepted(Form::BreakpadUpload, &address)
        })
        .collect();
    assert!(collector.stop().success());
    ids
}

/// The bytes that [`fill_spool`] gave to the crash at that place.
fn noise_of(place: usize, dump_bytes: usize) -> Vec<u8> {
    fixtures::noise(dump_bytes, place as u64 * 2 + 1)
}
