//! An outage of both spools, and the memory that it takes.

use std::path::PathBuf;

use socorro_core::testing::disk::{self, Disk};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::files;
use crate::requests::*;
use crate::server::Server;

const UPLOADS: usize = 40;
/// What all uploads may hold in memory; and what the buffers of a connection may take besides.
const MEMORY: usize = 24 << 20;
const BUFFERS: usize = 256 << 10;
const DUMP_BYTES: usize = 4 << 20;

#[tokio::test]
async fn while_no_spool_takes_crashes_memory_is_bounded_clients_are_told_and_nothing_is_left() {
    if !disk::can_be_mounted() {
        return;
    }
    let disks = [(); 2].map(|()| Disk::mounted("ext4", 400));
    let spools = disks.each_ref().map(|disk| disk.path().join("spool"));
    let dir = TempDir::new().unwrap();
    let server = Server::start(
        dir.path(),
        &[
            &format!("spool.primary={}", spools[0].display()),
            &format!("spool.fallback={}", spools[1].display()),
            &format!("collector.max_bytes_in_flight={MEMORY}"),
            "collector.refuse_after=700ms",
        ],
    );
    let all_files = || -> Vec<PathBuf> { spools.iter().flat_map(|spool| files(spool)).collect() };
    // Whatever code and buffers it needs in peace, it has then.
    assert_eq!(upload(&server).await, [200; UPLOADS]);
    let (before, files_before) = (server.peak_bytes(), all_files());

    disks.iter().for_each(|disk| disk.remount("ro"));
    for _ in 0..3 {
        assert_eq!(upload(&server).await, [503; UPLOADS]);
    }
    assert_eq!(all_files(), files_before);
    disks[1].remount("rw");
    assert_eq!(upload(&server).await, [200; UPLOADS]);
    disks.iter().for_each(Disk::die);
    assert_eq!(upload(&server).await, [503; UPLOADS]);

    let more = server.peak_bytes() - before;
    println!("{before} bytes before the outage, {more} more in it");
    let bound = MEMORY + UPLOADS * BUFFERS;
    assert!(more <= bound as u64, "{more} bytes more, over {bound}");
}

/// Uploads large crashes at the same time; the statuses of the answers.
async fn upload(server: &Server) -> [u16; UPLOADS] {
    let body = [
        PRODUCT,
        &file("upload_file_minidump", &vec![7; DUMP_BYTES]),
        END,
    ]
    .concat();
    let request = [head("/submit", MULTIPART, body.len()).as_bytes(), &body].concat();
    let (request, address) = (std::sync::Arc::new(request), server.address);
    let uploads = [(); UPLOADS].map(|()| {
        let request = std::sync::Arc::clone(&request);
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // It may be refused before all is sent.
            let _ = stream.write_all(&request).await;
            try_read_answer(&mut stream).await.expect("an answer").0
        })
    });
    let mut statuses = [0; UPLOADS];
    for (status, upload) in statuses.iter_mut().zip(uploads) {
        *status = upload.await.unwrap();
    }
    statuses
}
