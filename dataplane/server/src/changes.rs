//! Waking the tasks of one shard that wait for its view to change.
//!
//! What they wait for is the waiters' matter: each probes again at every change. Invariants: a
//! waiter is registered at most once and not at all after it was dropped, so there are never more
//! wakers than tasks; nothing changes between a probe and the registration, because both happen on
//! the shard's one thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// The waiters of one shard.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    next: Cell<u64>,
    waiters: RefCell<BTreeMap<u64, Waker>>,
}

/// Waits until a probe gives a value.
pub(crate) struct Until<'a, P> {
    changes: &'a Changes,
    id: u64,
    probe: P,
}

impl Changes {
    /// Something changed: every waiter probes again.
    pub(crate) fn ring(&self) {
        let waiters = std::mem::take(&mut *self.waiters.borrow_mut());
        for waker in waiters.into_values() {
            waker.wake();
        }
    }

    /// Waits until `probe`, called now and after every change, gives a value.
    pub(crate) fn until<T, P: FnMut() -> Option<T> + Unpin>(&self, probe: P) -> Until<'_, P> {
        let id = self.next.get();
        self.next.set(id + 1);
        Until { changes: self, id, probe }
    }
}

impl<T, P: FnMut() -> Option<T> + Unpin> Future for Until<'_, P> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(value) = (self.probe)() {
            return Poll::Ready(value);
        }
        self.changes.waiters.borrow_mut().insert(self.id, cx.waker().clone());
        Poll::Pending
    }
}

impl<P> Drop for Until<'_, P> {
    fn drop(&mut self) {
        self.changes.waiters.borrow_mut().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_sees_the_change_and_leaves_nothing_behind() {
        let changes = Changes::default();
        let value = Cell::new(0);
        let mut cx = Context::from_waker(Waker::noop());
        let probe = || Some(value.get()).filter(|value| *value == 2);
        let mut waiting = Box::pin(changes.until(probe));
        let check = |polled: Poll<i32>, expected: Poll<i32>, waiters: usize| {
            assert_eq!(polled, expected);
            assert_eq!(changes.waiters.borrow().len(), waiters);
        };
        check(waiting.as_mut().poll(&mut cx), Poll::Pending, 1);
        check(waiting.as_mut().poll(&mut cx), Poll::Pending, 1);
        value.set(1);
        changes.ring();
        check(waiting.as_mut().poll(&mut cx), Poll::Pending, 1);
        value.set(2);
        changes.ring();
        check(waiting.as_mut().poll(&mut cx), Poll::Ready(2), 0);
        let mut other = Box::pin(changes.until(|| None::<i32>));
        check(other.as_mut().poll(&mut cx), Poll::Pending, 1);
        drop(other);
        assert_eq!(changes.waiters.borrow().len(), 0);
    }
}
