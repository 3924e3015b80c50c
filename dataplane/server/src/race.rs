//! Waiting for the first of two things.
//!
//! Invariant: the loser is dropped before the winner's value is used, and the first is favoured
//! when both are ready.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Which of the two came first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First<A, B> {
    /// The first.
    One(A),
    /// The second.
    Two(B),
}

/// Waits for the first of two futures.
pub(crate) async fn race<A: Future, B: Future>(one: A, two: B) -> First<A::Output, B::Output> {
    let (mut one, mut two) = (pin!(one), pin!(two));
    poll_fn(|cx| {
        if let Poll::Ready(value) = one.as_mut().poll(cx) {
            return Poll::Ready(First::One(value));
        }
        two.as_mut().poll(cx).map(First::Two)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::task::{Context, Waker};

    #[test]
    fn the_ready_one_wins_and_the_first_of_two_ready_ones() {
        let mut cx = Context::from_waker(Waker::noop());
        let check = |polled: Poll<First<i32, i32>>, expected| assert_eq!(polled, expected);
        let one = pin!(race(ready(1), pending())).poll(&mut cx);
        check(one, Poll::Ready(First::One(1)));
        let two = pin!(race(pending(), ready(2))).poll(&mut cx);
        check(two, Poll::Ready(First::Two(2)));
        let both = pin!(race(ready(1), ready(2))).poll(&mut cx);
        check(both, Poll::Ready(First::One(1)));
        let neither = pin!(race(pending(), pending())).poll(&mut cx);
        check(neither, Poll::Pending);
    }
}
