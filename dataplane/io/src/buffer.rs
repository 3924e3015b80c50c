//! The arena of aligned buffers through which uploads pass.
//!
//! How many buffers an upload may hold is left to its caller. The invariants: a slot belongs to
//! exactly one [`AlignedBuffer`] or one family of [`FrozenBuffer`] clones, and is free otherwise;
//! nobody outside this crate can read a byte that was not put there since the slot was taken; a
//! frozen buffer never changes again.
//!
//! The memory is one private mapping made at start. Only pages that were written to count against
//! the process, and slots are handed out last-freed first, so a quiet service touches few of them.
//! The buffers are not registered with the ring: registering would pin, and so fill, the whole
//! arena at start and need a raised memlock limit in containers.

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use glint_image::limits::{DIRECT_ALIGN_BYTES, WRITE_BUFFER_BYTES};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use tokio::sync::Semaphore;

const _: () =
    assert!(WRITE_BUFFER_BYTES.is_multiple_of(DIRECT_ALIGN_BYTES), "padding stays inside a slot");

/// A fixed number of buffers of [`WRITE_BUFFER_BYTES`] each; clones share them.
#[derive(Clone)]
pub struct Arena(Arc<Inner>);

/// A buffer being filled: the bytes `..len()` are its content, the rest is out of reach.
pub struct AlignedBuffer {
    slot: Slot,
    len: usize,
}

/// A full buffer that cannot change any more; clones share it, the last one gives it back to the
/// arena.
#[derive(Clone)]
pub struct FrozenBuffer(Arc<Frozen>);

/// The arena's memory could not be mapped.
#[derive(Debug, thiserror::Error)]
#[error("cannot map {bytes} bytes for upload buffers")]
pub struct MapError {
    /// How much was asked for.
    pub bytes: usize,
    /// Why not.
    #[source]
    pub source: std::io::Error,
}

struct Inner {
    base: NonNull<u8>,
    count: usize,
    free: Mutex<Vec<usize>>,
    /// One permit for each free slot, so that waiting for a slot needs no list of waiters of our
    /// own.
    permits: Semaphore,
}

struct Slot {
    arena: Arc<Inner>,
    index: usize,
}

struct Frozen {
    slot: Slot,
    len: usize,
}

// === impl Arena ===

impl Arena {
    /// Maps `count` buffers. None of their pages is touched yet.
    ///
    /// # Errors
    /// [`MapError`] when the address space cannot be had.
    pub fn new(count: usize) -> Result<Self, MapError> {
        assert!(count > 0, "an arena without buffers would make every upload wait for ever");
        let bytes = count.checked_mul(WRITE_BUFFER_BYTES).expect("an arena fits the address space");
        // JUSTIFICATION: page-aligned memory that is not touched before use can only be had from
        // mmap.
        // SAFETY: the address is left to the kernel, so no existing mapping is replaced.
        let mapped = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        };
        let address = mapped.map_err(|errno| MapError { bytes, source: errno.into() })?;
        // JUSTIFICATION: huge pages make direct writes cheaper; the advice may only be given by
        // address.
        // SAFETY: the range is the mapping made above; this advice does not change its content. A
        // kernel built without huge pages refuses it, which loses nothing.
        let _ = unsafe { rustix::mm::madvise(address, bytes, Advice::LinuxHugepage) };
        let base = NonNull::new(address.cast()).expect("the kernel maps nothing at address zero");
        Ok(Self(Arc::new(Inner {
            base,
            count,
            free: Mutex::new((0..count).rev().collect()),
            permits: Semaphore::new(count),
        })))
    }

    /// An empty buffer, if one is free.
    #[must_use]
    pub fn try_take(&self) -> Option<AlignedBuffer> {
        let permit = self.0.permits.try_acquire().ok()?;
        permit.forget();
        Some(self.pop())
    }

    /// An empty buffer; waits until one is free. Waiters are served in order.
    pub async fn take(&self) -> AlignedBuffer {
        let permit = self.0.permits.acquire().await.expect("the semaphore is never closed");
        permit.forget();
        self.pop()
    }

    /// How many buffers are free now.
    #[must_use]
    pub fn available(&self) -> usize {
        self.0.permits.available_permits()
    }

    /// How many buffers there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.count
    }

    fn pop(&self) -> AlignedBuffer {
        let mut free = self.0.free.lock().expect("no holder of this lock panics");
        let index = free.pop().expect("a permit was taken, so a slot is free");
        AlignedBuffer { slot: Slot { arena: Arc::clone(&self.0), index }, len: 0 }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} of {} free)", self.available(), self.count())
    }
}

// JUSTIFICATION: `NonNull` is neither `Send` nor `Sync`, though the mapping is tied to no thread.
// SAFETY: the arena itself never reads or writes the memory; access goes through slots, each of
// which has one owner. The free list is behind a mutex.
unsafe impl Send for Inner {}
// JUSTIFICATION: as above.
// SAFETY: as above; nothing is reachable through a shared `Inner` but the mutex, the semaphore and
// plain numbers.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        let bytes = self.count * WRITE_BUFFER_BYTES;
        // JUSTIFICATION: what was mapped by hand must be unmapped by hand.
        // SAFETY: base and length are those of the mapping made in `Arena::new`. Every slot holds
        // an `Arc` of this value, so none is left that could reach the memory.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), bytes) };
        unmapped.expect("the mapping is ours and whole");
    }
}

// === impl Slot ===

impl Slot {
    fn start(&self) -> *mut u8 {
        assert!(self.index < self.arena.count, "a slot lies inside its arena");
        // JUSTIFICATION: slots are carved out of one mapping by address.
        // SAFETY: index < count, so the result lies within the one mapping, whose size does not
        // exceed `isize::MAX`.
        unsafe { self.arena.base.as_ptr().add(self.index * WRITE_BUFFER_BYTES) }
    }

    fn bytes(&self, len: usize) -> &[u8] {
        assert!(len <= WRITE_BUFFER_BYTES, "a slice stays inside its slot");
        // JUSTIFICATION: see `start`.
        // SAFETY: the range lies within the slot and so within the mapping, which lives as long as
        // `self.arena`; mapped memory is initialised (zero until written). `&self` of a slot with
        // one owner rules out a writer: the only writer is `bytes_mut`, which takes `&mut self`.
        unsafe { std::slice::from_raw_parts(self.start(), len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // JUSTIFICATION: see `start`.
        // SAFETY: as in `bytes`; `&mut self` of the slot's one owner rules out any other access.
        unsafe { std::slice::from_raw_parts_mut(self.start(), WRITE_BUFFER_BYTES) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.arena.free.lock().expect("no holder of this lock panics").push(self.index);
        self.arena.permits.add_permits(1);
    }
}

// === impl AlignedBuffer ===

impl AlignedBuffer {
    /// How many bytes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes still fit.
    #[must_use]
    pub fn remaining(&self) -> usize {
        WRITE_BUFFER_BYTES - self.len
    }

    /// Appends as much of `bytes` as fits and says how much that was.
    pub fn extend(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.remaining());
        self.spare()[..count].copy_from_slice(&bytes[..count]);
        self.advance(count);
        count
    }

    /// Ends the filling. What lies between the end and the next multiple of [`DIRECT_ALIGN_BYTES`]
    /// is set to zero, so that a direct write of the padded length carries nothing of an earlier
    /// user of the slot.
    #[must_use]
    pub fn freeze(mut self) -> FrozenBuffer {
        let len = self.len;
        self.slot.bytes_mut()[len..padded(len)].fill(0);
        FrozenBuffer(Arc::new(Frozen { slot: self.slot, len }))
    }

    /// The part behind the content, to be written by this crate only: it may hold bytes of an
    /// earlier user.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        let len = self.len;
        &mut self.slot.bytes_mut()[len..]
    }

    /// Counts `count` bytes of the spare part, just written, as content.
    pub(crate) fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "only what was written becomes content");
        self.len += count;
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.slot.bytes(self.len)
    }
}

impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBuffer({} bytes)", self.len)
    }
}

// === impl FrozenBuffer ===

impl FrozenBuffer {
    /// The content and the zeros behind it up to a multiple of [`DIRECT_ALIGN_BYTES`].
    pub(crate) fn padded(&self) -> &[u8] {
        self.0.slot.bytes(padded(self.0.len))
    }
}

impl Deref for FrozenBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.slot.bytes(self.0.len)
    }
}

impl AsRef<[u8]> for FrozenBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for FrozenBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrozenBuffer({} bytes)", self.0.len)
    }
}

fn padded(len: usize) -> usize {
    len.next_multiple_of(DIRECT_ALIGN_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_shows_what_was_put_in_and_nothing_older() {
        let arena = Arena::new(1).expect("memory");
        let mut first = arena.take_now();
        assert_eq!(first.extend(&vec![0xAA; WRITE_BUFFER_BYTES + 1]), WRITE_BUFFER_BYTES);
        drop(first);
        let check = |len: usize, padded_len: usize| {
            let mut buffer = arena.take_now();
            assert!(buffer.is_empty());
            assert_eq!(buffer.extend(&vec![0x55; len]), len);
            let frozen = buffer.freeze();
            assert_eq!(&*frozen, vec![0x55; len]);
            assert_eq!(frozen.padded().len(), padded_len);
            assert!(
                frozen.padded()[len..].iter().all(|byte| *byte == 0),
                "old bytes in the padding"
            );
            assert_eq!(frozen.padded().as_ptr().addr() % DIRECT_ALIGN_BYTES, 0);
        };
        check(0, 0);
        check(1, 4096);
        check(4096, 4096);
        check(4097, 8192);
        check(WRITE_BUFFER_BYTES - 1, WRITE_BUFFER_BYTES);
        check(WRITE_BUFFER_BYTES, WRITE_BUFFER_BYTES);
    }

    #[test]
    fn a_slot_comes_back_when_its_last_holder_is_gone() {
        let arena = Arena::new(2).expect("memory");
        let check = |free: usize| {
            assert_eq!(arena.available(), free);
            assert_eq!(arena.0.free.lock().expect("lock").len(), free);
        };
        let held = arena.take_now();
        check(1);
        let frozen = held.freeze();
        let other = frozen.clone();
        drop(frozen);
        check(1);
        let last = arena.take_now();
        check(0);
        assert!(arena.try_take().is_none());
        drop(other);
        check(1);
        drop(last);
        check(2);
    }

    #[test]
    fn a_waiter_is_woken_by_the_slot_that_comes_back() {
        let arena = Arena::new(1).expect("memory");
        let held = arena.take_now();
        let waiter = {
            let arena = arena.clone();
            std::thread::spawn(move || block_on(arena.take()).len())
        };
        drop(held);
        assert_eq!(waiter.join().expect("the waiter ends"), 0);
        assert_eq!(arena.available(), 1);
    }

    #[test]
    fn buffers_outlive_their_arena() {
        let mut buffer = Arena::new(1).expect("memory").take_now();
        buffer.extend(b"still here");
        assert_eq!(&*buffer, b"still here");
    }

    impl Arena {
        fn take_now(&self) -> AlignedBuffer {
            self.try_take().expect("a slot is free")
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        crate::bulk::block_on(future)
    }
}
