//! Bodies of relayed requests, within one budget over all nodes.
//!
//! Leaves deadlines to its caller. Invariant: the bytes held for bodies that are being received or
//! answered never exceed [`RELAY_BODIES_BYTES_MAX`]; a body that would is refused instead of
//! waiting, so that half-received bodies cannot lock each other out.

use glint_image::limits::{RELAY_BODIES_BYTES_MAX, RELAY_BODY_BYTES_MAX};
use glint_link::wire::Piece;
use glint_quic::frames::ReadError;
use glint_quic::{RecvStream, read_frame};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Why a body is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    /// Longer than any request of the API may be: the client's fault.
    #[error("the body is longer than {RELAY_BODY_BYTES_MAX} bytes")]
    TooLong,
    /// The budget is used up by others: try again.
    #[error("too many bytes of request bodies are held already")]
    Overload,
    /// The stream broke or carried something else.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The budget.
#[derive(Clone, Debug)]
pub(crate) struct Bodies {
    bytes_free: Arc<Semaphore>,
}

/// A body and its share of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    share: Option<OwnedSemaphorePermit>,
}

// === impl Held ===

impl Held {
    /// A body of nothing.
    pub(crate) fn empty() -> Self {
        Self { bytes: Vec::new(), share: None }
    }

    /// The bytes, and their share of the budget, to be kept until they are dropped.
    pub(crate) fn into_parts(self) -> (Vec<u8>, Option<OwnedSemaphorePermit>) {
        (self.bytes, self.share)
    }
}

// === impl Bodies ===

impl Bodies {
    pub(crate) fn new() -> Self {
        Self { bytes_free: Arc::new(Semaphore::new(RELAY_BODIES_BYTES_MAX)) }
    }

    /// Receives one body.
    pub(crate) async fn take(&self, recv: &mut RecvStream) -> Result<Held, TakeError> {
        let mut held = Held::empty();
        loop {
            let piece: Piece = read_frame(recv).await?;
            self.add(&mut held, &piece.bytes)?;
            if piece.last {
                return Ok(held);
            }
        }
    }

    fn add(&self, held: &mut Held, bytes: &[u8]) -> Result<(), TakeError> {
        if bytes.len() > RELAY_BODY_BYTES_MAX - held.bytes.len() {
            return Err(TakeError::TooLong);
        }
        let count = u32::try_from(bytes.len()).expect("a piece is far below 4 GiB");
        let more = Arc::clone(&self.bytes_free)
            .try_acquire_many_owned(count)
            .map_err(|_| TakeError::Overload)?;
        match &mut held.share {
            Some(share) => share.merge(more),
            none => *none = Some(more),
        }
        held.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_shared_and_given_back() {
        let bodies = Bodies::new();
        let full = vec![0; RELAY_BODY_BYTES_MAX];
        let mut held: Vec<Held> = Vec::new();
        for _ in 0..RELAY_BODIES_BYTES_MAX / RELAY_BODY_BYTES_MAX {
            let mut one = Held::empty();
            bodies.add(&mut one, &full).unwrap();
            held.push(one);
        }
        assert!(matches!(bodies.add(&mut Held::empty(), b"x"), Err(TakeError::Overload)));
        assert!(matches!(bodies.add(&mut held[0], b"x"), Err(TakeError::TooLong)));
        held.pop();
        bodies.add(&mut Held::empty(), b"x").unwrap();
    }
}
