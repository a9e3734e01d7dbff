//! What the processor and a worker say to each other, over a socket pair that is the worker's standard
//! input.
//!
//! A request is one byte with a file descriptor, the dump's. Then come messages: a byte that tells what
//! it is, a length in four bytes, little-endian, and that many bytes. The last of them is the answer.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// What a worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Once, at its start: what the jail lacks, if anything.
    Ready = b'r' as isize,
    /// A symbol file is about to be read; if the worker dies, it may be to blame.
    Symbols = b's' as isize,
    /// The dump again.
    Dump = b'd' as isize,
    /// The answer: a `Walk` as JSON.
    Answer = b'a' as isize,
}

/// Sends a request.
pub(crate) fn send_dump(socket: &UnixStream, dump: &impl AsFd) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [dump.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    // A worker that is gone must be an error, not a signal.
    sendmsg(
        socket,
        &[IoSlice::new(b"w")],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Waits for a request; `None` when the processor is gone.
pub(crate) fn receive_dump(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        flags,
    )?;
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    }))
}

/// Sends a message.
pub(crate) fn send(mut socket: &UnixStream, kind: Kind, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    socket.write_all(&[kind as u8])?;
    socket.write_all(&length.to_le_bytes())?;
    socket.write_all(bytes)
}

/// Waits for a message. `FileTooLarge`: it has more than that many bytes.
pub(crate) fn receive(mut from: impl Read, max_bytes: usize) -> io::Result<(Kind, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let kinds = [Kind::Ready, Kind::Symbols, Kind::Dump, Kind::Answer];
    let kind = kinds.into_iter().find(|known| *known as u8 == kind);
    let length = u32::from_le_bytes(length) as usize;
    let kind = kind.ok_or(io::ErrorKind::InvalidData)?;
    if length > max_bytes {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok((kind, bytes))
}
