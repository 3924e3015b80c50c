//! One client's socket: waiting with a deadline, and the direct calls of `dataplane/io` between the
//! waits.
//!
//! What the bytes mean is left to the caller. Invariants: a call is tried before it is waited for;
//! no wait is without a deadline.

use crate::input::Input;
use dataplane_io::socket::{self, Received, Sent, SocketError};
use glint_image::limits::SEND_WINDOW_MS_MAX;
use monoio::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

/// How long a client may take none of a response's bytes.
pub(crate) const SEND_WAIT: Duration = Duration::from_millis(SEND_WINDOW_MS_MAX);

/// A client's socket with what was received from it.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The socket; shared with the shard, which shuts it down when the process ends.
    pub(crate) socket: Rc<TcpStream>,
    /// Bytes received ahead.
    pub(crate) input: Input,
}

/// Why nothing more can be received or sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The client did not move for as long as it may.
    #[error("the client is too slow")]
    Slow,
    /// The socket is of no further use.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// What came of receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// So many bytes.
    Bytes(usize),
    /// The client has sent its last byte.
    End,
}

// === impl Stream ===

impl Stream {
    pub(crate) fn new(socket: Rc<TcpStream>) -> Self {
        Self { socket, input: Input::default() }
    }

    /// Waits until there is something to receive (or the end).
    pub(crate) async fn readable(&self, within: Duration) -> Result<(), Stop> {
        match monoio::time::timeout(within, self.socket.readable(false)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SocketError::Failed(error).into()),
            Err(_) => Err(Stop::Slow),
        }
    }

    /// Waits until something can be sent.
    pub(crate) async fn writable(&self, within: Duration) -> Result<(), Stop> {
        match monoio::time::timeout(within, self.socket.writable(false)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SocketError::Failed(error).into()),
            Err(_) => Err(Stop::Slow),
        }
    }

    /// Receives behind what is unread.
    pub(crate) async fn fill(&mut self, within: Duration) -> Result<Filled, Stop> {
        loop {
            match socket::recv(&*self.socket, self.input.spare())? {
                Received::Bytes(count) => {
                    self.input.received(count);
                    return Ok(Filled::Bytes(count));
                }
                Received::End => return Ok(Filled::End),
                Received::WouldBlock => self.readable(within).await?,
            }
        }
    }

    /// Receives a large piece of a body; everything received before was consumed.
    pub(crate) async fn fill_large(&mut self, within: Duration) -> Result<Filled, Stop> {
        loop {
            match socket::recv(&*self.socket, self.input.spare_large())? {
                Received::Bytes(count) => {
                    self.input.received(count);
                    return Ok(Filled::Bytes(count));
                }
                Received::End => return Ok(Filled::End),
                Received::WouldBlock => self.readable(within).await?,
            }
        }
    }

    /// Sends everything; `more` says that the caller sends on at once.
    pub(crate) async fn send_all(&self, bytes: &[u8], more: bool) -> Result<(), Stop> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match socket::send(&*self.socket, rest, more)? {
                Sent::Bytes(count) => rest = &rest[count..],
                Sent::WouldBlock => self.writable(SEND_WAIT).await?,
            }
        }
        Ok(())
    }

    /// Sends a head and a body as one, where they fit one segment.
    pub(crate) async fn send_response(&self, head: &[u8], body: &[u8]) -> Result<(), Stop> {
        self.send_all(head, !body.is_empty()).await?;
        self.send_all(body, false).await
    }
}
