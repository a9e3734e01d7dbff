//! A primary spool that is taken away or dies, and comes back.

use std::sync::Mutex;

use super::*;

#[tokio::test]
async fn a_primary_that_is_gone_is_replaced_by_the_fallback_until_it_is_back() {
    let dir = TempDir::new().unwrap();
    let [primary, fallback] = ["primary", "fallback"].map(|name| dir.path().join(name));
    let away = dir.path().join("away");
    let collector = start_on(dir, primary.clone(), fallback, |_| {}).await;
    collector.takes(&GOOD.concat()).await;
    std::fs::rename(&primary, &away).unwrap();
    std::fs::write(&primary, "a file where the spool should be").unwrap();
    for _ in 0..3 {
        collector.takes(&GOOD.concat()).await;
        collector.takes(&large(1 << 20)).await;
    }
    assert_eq!(collector.in_tree(1), 6);
    assert_eq!(collector.heartbeat().await, 200);
    std::fs::remove_file(&primary).unwrap();
    std::fs::rename(&away, &primary).unwrap();
    collector.takes(&large(1 << 20)).await;
    assert_eq!((collector.in_tree(0), collector.in_tree(1)), (2, 6));

    std::fs::remove_dir_all(&primary).unwrap();
    for _ in 0..3 {
        collector.takes(&GOOD.concat()).await;
        collector.takes(&large(1 << 20)).await;
    }
    assert_eq!(collector.in_tree(0) + collector.in_tree(1), 12);
    assert!(collector.in_tree(0) >= 5, "the directory is made again");
}

#[tokio::test]
async fn below_the_mount_point_of_a_disk_that_is_gone_nothing_is_written() {
    let Some(disks) = two_disks() else { return };
    let collector = on_two(&disks, |_| {}).await;
    collector.takes(&GOOD.concat()).await;
    disks[0].unmount_under_its_users();
    for _ in 0..3 {
        collector.takes(&GOOD.concat()).await;
        collector.takes(&large(1 << 20)).await;
    }
    assert_eq!(std::fs::read_dir(disks[0].path()).unwrap().count(), 0);
    assert_eq!(collector.in_tree(1), 6);
    let (status, text) = collector.send(HEARTBEAT).await;
    assert_eq!(status, 200);
    assert!(text.contains("mount that again"), "{text}");
    disks[0].mount();
    collector.takes(&large(1 << 20)).await;
    assert_eq!((collector.in_tree(0), collector.in_tree(1)), (2, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_notices_that_the_primary_dies_on_ext4() {
    the_primary_dies_under_uploads("ext4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_notices_that_the_primary_dies_on_xfs() {
    the_primary_dies_under_uploads("xfs").await;
}

async fn the_primary_dies_under_uploads(kind: &str) {
    // The least that mkfs.xfs takes.
    let Some(disks) = two_disks_of(kind, 300) else {
        return;
    };
    let collector = Arc::new(on_two(&disks, |_| {}).await);
    // Dumps of which the most has come, and is on the disk.
    let mut halves = Vec::new();
    for size in [300_001, 2_000_001, 4_000_001] {
        let body = large(size);
        let head = head("/submit", MULTIPART, body.len());
        let mut stream = TcpStream::connect(&collector.address).await.unwrap();
        let (one, two) = body.split_at(size * 9 / 10);
        stream
            .write_all(&[head.as_bytes(), one].concat())
            .await
            .unwrap();
        halves.push((size, stream, two.to_vec()));
    }
    let staged = || {
        let files = walkdir(&disks[0].path().join("spool"));
        let sizes = files
            .iter()
            .filter_map(|file| Some(file.metadata().ok()?.len()));
        sizes.sum::<u64>() > 5_000_000
    };
    until(async || staged()).await;

    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let over = CancellationToken::new();
    let clients = [1_000, 200_000, 400_000, 1_500_000].map(|size| {
        let (collector, acknowledged) = (collector.clone(), acknowledged.clone());
        let over = over.clone();
        tokio::spawn(async move {
            for size in (size..).take_while(|_| !over.is_cancelled()) {
                let (status, answer) = collector.post(MULTIPART, &large(size)).await;
                assert_eq!(status, 200, "{answer}");
                acknowledged.lock().unwrap().push((answer, size));
            }
        })
    });
    let so_far = || acknowledged.lock().unwrap().len();
    until(async || so_far() >= 20).await;
    disks[0].die();
    let before = so_far();
    for (size, mut stream, rest) in halves {
        stream.write_all(&rest).await.unwrap();
        let (status, answer) = read_answer(&mut stream).await;
        assert_eq!(status, 200, "{size}: {answer}");
        acknowledged.lock().unwrap().push((answer, size));
    }
    until(async || so_far() >= before + 20).await;
    over.cancel();
    for client in clients {
        client.await.unwrap();
    }
    let on_fallback = collector.in_tree(1);

    disks[0].unmount();
    disks[0].mount();
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    assert_eq!(collector.waiting(), acknowledged.len());
    for (answer, size) in &acknowledged {
        let id = answer.trim_end().strip_prefix("CrashID=bp-").unwrap();
        let dumps = collector
            .spool
            .storage
            .get_dumps(&id.parse().unwrap())
            .await;
        let dump = dumps.unwrap()["upload_file_minidump"].read().unwrap();
        assert!(dump == noise(*size), "{id}: {size}");
    }
    collector.takes(&GOOD.concat()).await;
    assert_eq!(
        collector.in_tree(1),
        on_fallback,
        "the primary is used again"
    );
}
