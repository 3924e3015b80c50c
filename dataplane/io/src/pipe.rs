//! Pipes that carry cold windows: the bulk engine splices file → pipe, the shard drains pipe →
//! socket inline.
//!
//! When to use one is left to the caller. The invariant: a pipe handed out is empty. One that still
//! holds bytes when it is dropped (the client went away, the splice outlived its request) is
//! closed, never used again, so bytes of one download cannot reach another.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use glint_image::limits::PIPE_BYTES;
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, SpliceFlags};
use tokio::sync::Semaphore;

use crate::socket::{Socket, SocketError};

/// A bounded number of pipes; clones share them. Pipes are made when first needed.
#[derive(Clone)]
pub struct PipePool(Arc<Inner>);

/// A pipe, empty when taken.
pub struct Pipe {
    ends: Option<Ends>,
    held: usize,
    pool: Arc<Inner>,
}

/// What came of draining a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drained {
    /// So many bytes went to the socket; [`Pipe::held`] says what is left.
    Bytes(usize),
    /// None went: wait until the socket is writable.
    WouldBlock,
}

struct Inner {
    idle: Mutex<Vec<Ends>>,
    permits: Semaphore,
}

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
}

// === impl PipePool ===

impl PipePool {
    /// A pool of at most `count_max` pipes.
    #[must_use]
    pub fn new(count_max: usize) -> Self {
        assert!(count_max > 0, "a pool without pipes would make every cold window wait for ever");
        Self(Arc::new(Inner { idle: Mutex::new(Vec::new()), permits: Semaphore::new(count_max) }))
    }

    /// An empty pipe; waits while all are in use.
    ///
    /// # Errors
    /// The system's, when a new pipe is needed and cannot be made (out of descriptors).
    pub async fn take(&self) -> std::io::Result<Pipe> {
        let permit = self.0.permits.acquire().await.expect("the semaphore is never closed");
        let idle = self.0.idle.lock().expect("no holder of this lock panics").pop();
        let ends = match idle {
            Some(ends) => ends,
            None => Ends::make()?,
        };
        permit.forget();
        Ok(Pipe { ends: Some(ends), held: 0, pool: Arc::clone(&self.0) })
    }

    /// How many more pipes can be taken without waiting.
    #[must_use]
    pub fn available(&self) -> usize {
        self.0.permits.available_permits()
    }
}

impl fmt::Debug for PipePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PipePool({} available)", self.available())
    }
}

impl Ends {
    fn make() -> std::io::Result<Self> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        // An unprivileged user over its pipe budget is refused the larger size; the default of 64
        // KiB works too, only in more steps.
        let _ = rustix::pipe::fcntl_setpipe_size(&write, PIPE_BYTES);
        let capacity = rustix::pipe::fcntl_getpipe_size(&write)?;
        Ok(Self { read, write, capacity })
    }
}

// === impl Pipe ===

impl Pipe {
    /// How many bytes are in the pipe.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// How many bytes fit at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ends().capacity
    }

    /// Moves bytes from the pipe to the socket, as many as it takes now.
    ///
    /// # Errors
    /// [`SocketError`]
    pub fn drain(&mut self, socket: &impl Socket) -> Result<Drained, SocketError> {
        assert!(self.held > 0, "an empty pipe would block its reader");
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let ends = self.ends();
        let held = self.held;
        let spliced = retry_on_intr(|| {
            rustix::pipe::splice(&ends.read, None, socket.fd(), None, held, flags)
        });
        match spliced {
            Ok(count) => {
                assert!(0 < count && count <= self.held, "a pipe gives what it holds");
                self.held -= count;
                Ok(Drained::Bytes(count))
            }
            Err(Errno::AGAIN) => Ok(Drained::WouldBlock),
            Err(errno) => Err(SocketError::of(errno)),
        }
    }

    /// The end to splice into.
    pub(crate) fn inlet(&self) -> BorrowedFd<'_> {
        self.ends().write.as_fd()
    }

    /// Counts bytes that were spliced in.
    pub(crate) fn filled(&mut self, count: usize) {
        self.held += count;
    }

    fn ends(&self) -> &Ends {
        self.ends.as_ref().expect("the ends are taken out only when the pipe is dropped")
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let ends = self.ends.take().expect("a pipe is dropped once");
        if self.held == 0 {
            self.pool.idle.lock().expect("no holder of this lock panics").push(ends);
        }
        self.pool.permits.add_permits(1);
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pipe({} bytes held)", self.held)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::bulk::block_on;

    fn fill(pipe: &mut Pipe, bytes: &[u8]) {
        assert_eq!(rustix::io::write(pipe.inlet(), bytes), Ok(bytes.len()));
        pipe.filled(bytes.len());
    }

    fn take(pool: &PipePool) -> Pipe {
        block_on(pool.take()).expect("a pipe")
    }

    #[test]
    fn a_pipe_is_used_again_only_when_it_is_empty() {
        let pool = PipePool::new(2);
        let check = |idle: usize, available: usize| {
            assert_eq!(pool.0.idle.lock().expect("lock").len(), idle);
            assert_eq!(pool.available(), available);
        };
        check(0, 2);
        let mut first = take(&pool);
        let second = take(&pool);
        check(0, 0);
        fill(&mut first, b"left over");
        drop(first);
        check(0, 1);
        drop(second);
        check(1, 2);
        assert_eq!(take(&pool).held(), 0);
    }

    #[test]
    fn a_pipe_drains_into_a_socket_as_far_as_that_goes() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("a listener");
        let (mut far, _) = listener.accept().expect("a connection");
        crate::socket::prepare(&near).expect("a TCP socket");
        let pool = PipePool::new(1);
        let (mut sent, mut blocked) = (0, false);
        let mut pipe = take(&pool);
        let piece = vec![5; pipe.capacity().min(32 * 1024)];
        while !blocked {
            fill(&mut pipe, &piece);
            while pipe.held() > 0 && !blocked {
                match pipe.drain(&near).expect("open") {
                    Drained::Bytes(count) => sent += count,
                    Drained::WouldBlock => blocked = true,
                }
            }
        }
        assert!(pipe.held() > 0, "what the socket did not take is still there");
        drop((pipe, near));
        let mut received = Vec::new();
        far.read_to_end(&mut received).expect("the bytes");
        assert_eq!(received, vec![5; sent]);
    }
}
