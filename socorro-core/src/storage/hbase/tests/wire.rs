//! Connections: what is done when they stall, break, or rest for long.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// A way to the server that can be stalled and cut.
#[derive(Debug)]
struct Wire {
    address: String,
    connections: Arc<AtomicUsize>,
    stalled: Arc<AtomicBool>,
    cut: Arc<AtomicBool>,
}

impl Wire {
    fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stalled, cut) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let connections = Arc::new(AtomicUsize::new(0));
        let wire = Self {
            address,
            connections: connections.clone(),
            stalled: stalled.clone(),
            cut: cut.clone(),
        };
        let server = server.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(std::io::Result::ok) {
                connections.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(&server).unwrap();
                let ways = [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server, client),
                ];
                for (from, to) in ways {
                    let (stalled, cut) = (stalled.clone(), cut.clone());
                    std::thread::spawn(move || carry(from, to, &stalled, &cut));
                }
            }
        });
        wire
    }
}

/// Bytes that are on the wire when it stalls arrive when it does no more.
fn carry(mut from: TcpStream, mut to: TcpStream, stalled: &AtomicBool, cut: &AtomicBool) {
    from.set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    let mut buffer = [0; 4096];
    while !cut.load(Ordering::Relaxed) {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        };
        while stalled.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[tokio::test]
async fn the_late_answer_of_a_call_that_timed_out_is_not_taken_for_the_next_ones() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let Some(direct) = shared().await else { return };
    let prefix = direct
        .pool
        .run(|c| Ok::<_, CallError>(c.prefix().to_owned()))
        .await
        .unwrap();
    let wire = Wire::to(&address);
    let mut options = options(&wire.address, &prefix);
    options.connections = 1;
    options.socket_timeout = Period::from(Duration::from_millis(300));
    let store = HBaseCrashStorage::new(&options, "web1");
    let (one, raw_one, dumps) = crash(ThrottleResult::Accept);
    let (two, mut raw_two, _) = crash(ThrottleResult::Accept);
    raw_two.set("ProductName", "Lobby");
    direct.save_raw_crash(&one, &raw_one, &dumps).await.unwrap();
    direct.save_raw_crash(&two, &raw_two, &dumps).await.unwrap();

    assert_eq!(store.get_raw_crash(&one).await.unwrap(), raw_one);
    wire.stalled.store(true, Ordering::Relaxed);
    assert_eq!(
        store.get_raw_crash(&one).await.unwrap_err().blame(),
        Blame::Moment
    );
    wire.stalled.store(false, Ordering::Relaxed);
    assert_eq!(store.get_raw_crash(&two).await.unwrap(), raw_two);
}

#[tokio::test]
async fn a_kept_connection_that_the_other_side_has_closed_is_replaced_unnoticed() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let Some(direct) = shared().await else { return };
    let prefix = direct
        .pool
        .run(|c| Ok::<_, CallError>(c.prefix().to_owned()))
        .await
        .unwrap();
    let wire = Wire::to(&address);
    let store = HBaseCrashStorage::new(&options(&wire.address, &prefix), "web1");
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    wire.cut.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(100)).await;
    wire.cut.store(false, Ordering::Relaxed);
    assert_eq!(store.get_raw_crash(&id).await.unwrap(), raw);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_call_unless_it_was_idle_for_long() {
    let Some(address) = testing::hbase() else {
        return;
    };
    for (idle_limit, connections) in [(Duration::from_secs(45), 1), (Duration::from_millis(1), 3)] {
        let wire = Wire::to(&address);
        let mut options = options(&wire.address, "nowhere_");
        options.idle_limit = Period::from(idle_limit);
        let store = HBaseCrashStorage::new(&options, "web1");
        for _ in 0..3 {
            store.missing_tables().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(wire.connections.load(Ordering::Relaxed), connections);
    }
}
