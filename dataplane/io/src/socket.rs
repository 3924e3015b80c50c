//! Direct, non-blocking system calls on sockets whose readiness the runtime watches.
//!
//! The runtime (monoio, on either of its drivers) says when a socket is readable or writable; the
//! bytes move here, by one path for both drivers. Waiting, deadlines and fairness are left to the
//! caller. The invariant: no call here blocks on the socket, and a socket that is not ready is an
//! outcome, not an error.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags};

use crate::buffer::AlignedBuffer;
use crate::file::BulkFile;

/// What came of a receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing now: wait until the socket is readable.
    WouldBlock,
    /// The peer has sent its last byte.
    End,
}

/// What came of a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// So many bytes were taken, perhaps fewer than offered.
    Bytes(usize),
    /// None were taken: wait until the socket is writable.
    WouldBlock,
}

/// What came of sending from a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SentFile {
    /// So many bytes were taken, at least one.
    Bytes(usize),
    /// None were taken: wait until the socket is writable.
    WouldBlock,
    /// The file ends at or before the offset: it is shorter than its record says.
    FileEnded,
}

/// Why a socket can do no more.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The client went away; nothing is wrong here.
    #[error("the client is gone")]
    Gone(#[source] io::Error),
    /// The file behind a `sendfile` cannot be read, or the kernel is out of something.
    #[error("the transfer failed")]
    Failed(#[source] io::Error),
}

/// A socket whose descriptor may be borrowed for direct calls.
///
/// `AsRawFd` alone would not do: it is implemented for plain numbers, which prove nothing. The
/// trait is sealed, and its implementors keep their descriptor open for as long as they are
/// borrowed, so the borrow cannot outlive the socket nor reach a number that the system has given
/// to another file since.
pub trait Socket: sealed::Sealed {
    /// Borrows the descriptor.
    fn fd(&self) -> BorrowedFd<'_>;
}

impl Socket for monoio::net::TcpStream {
    fn fd(&self) -> BorrowedFd<'_> {
        // JUSTIFICATION: monoio's stream has no `AsFd`.
        // SAFETY: the stream holds a counted reference to its descriptor, which monoio closes only
        // after the last reference is dropped; the stream is borrowed for the life of the result.
        // It is not -1.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

impl Socket for std::net::TcpStream {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for monoio::net::TcpStream {}
    impl Sealed for std::net::TcpStream {}
}

/// Makes an accepted socket ready for this module: non-blocking, and small writes leave at once.
///
/// # Errors
/// The system's, when the socket is no TCP socket or was reset already.
pub fn prepare(socket: &impl Socket) -> io::Result<()> {
    rustix::io::ioctl_fionbio(socket.fd(), true)?;
    rustix::net::sockopt::set_tcp_nodelay(socket.fd(), true)?;
    Ok(())
}

/// Ends a connection in both directions: whoever waits for it, or uses it, learns of the end at
/// once.
///
/// # Errors
/// The system's, when the connection was gone already.
pub fn shut_down(socket: &impl Socket) -> io::Result<()> {
    Ok(rustix::net::shutdown(socket.fd(), rustix::net::Shutdown::Both)?)
}

/// Tells the client that nothing more will be sent, while receiving goes on.
///
/// # Errors
/// The system's, when the connection was gone already.
pub fn finish_sending(socket: &impl Socket) -> io::Result<()> {
    Ok(rustix::net::shutdown(socket.fd(), rustix::net::Shutdown::Write)?)
}

/// Receives into a slice.
///
/// # Errors
/// [`SocketError`]
pub fn recv(socket: &impl Socket, into: &mut [u8]) -> Result<Received, SocketError> {
    assert!(!into.is_empty(), "an empty receive cannot be told from the end of the stream");
    match retry_on_intr(|| rustix::net::recv(socket.fd(), &mut *into, RecvFlags::DONTWAIT)) {
        Ok((0, _)) => Ok(Received::End),
        Ok((count, _)) => Ok(Received::Bytes(count)),
        Err(Errno::AGAIN) => Ok(Received::WouldBlock),
        Err(errno) => Err(SocketError::of(errno)),
    }
}

/// Receives behind the content of an arena buffer, at most `count_max` bytes.
///
/// # Errors
/// [`SocketError`]
pub fn recv_into(
    socket: &impl Socket,
    buffer: &mut AlignedBuffer,
    count_max: usize,
) -> Result<Received, SocketError> {
    let room = buffer.remaining().min(count_max);
    let received = recv(socket, &mut buffer.spare()[..room])?;
    if let Received::Bytes(count) = received {
        buffer.advance(count);
    }
    Ok(received)
}

/// Sends from a slice. With `more` the kernel holds back a last partial segment, because the caller
/// sends on at once.
///
/// # Errors
/// [`SocketError`]
pub fn send(socket: &impl Socket, bytes: &[u8], more: bool) -> Result<Sent, SocketError> {
    let mut flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    flags.set(SendFlags::MORE, more);
    match retry_on_intr(|| rustix::net::send(socket.fd(), bytes, flags)) {
        Ok(count) => Ok(Sent::Bytes(count)),
        Err(Errno::AGAIN) => Ok(Sent::WouldBlock),
        Err(errno) => Err(SocketError::of(errno)),
    }
}

/// Sends `len` bytes of a file from `offset` on without copying them. Blocks on the disk when they
/// are not in the page cache: ask [`crate::Prober`] first.
///
/// # Errors
/// [`SocketError`]; `Failed` may be the file's fault.
pub fn sendfile(
    socket: &impl Socket,
    file: &BulkFile,
    offset: u64,
    len: usize,
) -> Result<SentFile, SocketError> {
    assert!(len > 0, "an empty send cannot be told from the end of the file");
    let mut at = offset;
    match retry_on_intr(|| rustix::fs::sendfile(socket.fd(), file, Some(&mut at), len)) {
        Ok(0) => Ok(SentFile::FileEnded),
        Ok(count) => Ok(SentFile::Bytes(count)),
        Err(Errno::AGAIN) => Ok(SentFile::WouldBlock),
        Err(errno) => Err(SocketError::of(errno)),
    }
}

impl SocketError {
    /// Sorts an errno of a socket call by what the caller can do.
    pub(crate) fn of(errno: Errno) -> Self {
        match errno {
            Errno::PIPE
            | Errno::CONNRESET
            | Errno::CONNABORTED
            | Errno::NOTCONN
            | Errno::TIMEDOUT
            | Errno::HOSTUNREACH
            | Errno::NETUNREACH
            | Errno::NETDOWN => Self::Gone(errno.into()),
            _ => Self::Failed(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::buffer::Arena;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("a listener");
        let (far, _) = listener.accept().expect("a connection");
        prepare(&near).expect("a TCP socket");
        (near, far)
    }

    /// Tries until the socket is ready, as the runtime's readiness would have it.
    fn ready<T: PartialEq>(blocked: T, mut attempt: impl FnMut() -> T) -> T {
        loop {
            let outcome = attempt();
            if outcome != blocked {
                return outcome;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_receive_reports_bytes_nothing_and_the_end() {
        let (near, far) = pair();
        let arena = Arena::new(1).expect("memory");
        let mut buffer = arena.try_take().expect("a buffer");
        let mut check = |count_max: usize, expected: Received, content: &[u8]| {
            let received = ready(Received::WouldBlock, || {
                recv_into(&near, &mut buffer, count_max).expect("the socket works")
            });
            assert_eq!((received, &*buffer), (expected, content));
        };
        assert_eq!(recv(&near, &mut [0; 1]).expect("open"), Received::WouldBlock);
        send(&far, b"abcdef", false).expect("room");
        check(4, Received::Bytes(4), b"abcd");
        check(1000, Received::Bytes(2), b"abcdef");
        drop(far);
        check(1000, Received::End, b"abcdef");
    }

    #[test]
    fn a_full_socket_blocks_nobody_and_a_closed_one_is_gone() {
        let (near, far) = pair();
        let bytes = vec![1; 1 << 20];
        let mut rounds = 0;
        while let Sent::Bytes(count) = send(&near, &bytes, false).expect("open") {
            assert!(count > 0);
            rounds += 1;
            assert!(rounds < 1000, "some bound is reached");
        }
        drop(far);
        let ended = loop {
            match send(&near, &bytes, true) {
                Ok(_) => std::thread::yield_now(),
                Err(error) => break error,
            }
        };
        assert!(matches!(ended, SocketError::Gone(_)), "{ended:?}");
    }

    #[test]
    fn a_file_is_sent_from_an_offset_to_its_end() {
        let path = std::env::temp_dir().join(format!("glint-sendfile-{}", std::process::id()));
        std::fs::write(&path, b"0123456789").expect("a file");
        let file = BulkFile::new(std::fs::File::open(&path).expect("the file"));
        std::fs::remove_file(&path).expect("the name is not needed any more");
        let (near, far) = pair();
        let check = |offset: u64, len: usize, expected: SentFile| {
            assert_eq!(sendfile(&near, &file, offset, len).expect("open"), expected);
        };
        check(3, 4, SentFile::Bytes(4));
        check(8, 4, SentFile::Bytes(2));
        check(10, 4, SentFile::FileEnded);
        drop(near);
        let mut received = Vec::new();
        std::io::Read::read_to_end(&mut { far }, &mut received).expect("the bytes");
        assert_eq!(received, b"345689");
    }

    #[test]
    fn a_stream_of_the_runtime_can_be_borrowed() {
        let (near, far) = pair();
        let runtime = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().build();
        runtime.expect("a runtime").block_on(async {
            let stream = monoio::net::TcpStream::from_std(near).expect("registered");
            assert_eq!(send(&stream, b"hello", false).expect("open"), Sent::Bytes(5));
        });
        let mut received = Vec::new();
        std::io::Read::read_to_end(&mut { far }, &mut received).expect("the bytes");
        assert_eq!(received, b"hello");
    }
}
