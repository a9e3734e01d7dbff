//! The program itself: its command line, what it answers to odd requests, what memory it takes.

mod cli;
#[path = "../../src/tests/requests.rs"]
mod requests;
mod server;
mod wire;
