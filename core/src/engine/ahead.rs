//! Decode steps that are queued before it is known here what the one before them chose.
//!
//! A token is chosen on the device and goes to the next step there; its id comes back behind. While it is on
//! its way the device does the next step, and the one after that is being queued, so that neither the way
//! back nor the queueing is waited for. At a completion's end the steps behind it are waited for in vain; what
//! they put into the cache is forgotten with everything that was generated.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use burn::tensor::{Int, Tensor};

/// Steps queued behind the one that is waited for, on a GPU that no processor plays: as many are computed in
/// vain at a completion's end.
pub(super) const STEPS_AHEAD: usize = 1;

/// A step that was queued.
pub(super) struct Queued<T> {
    /// What it chooses, on the device.
    pub(super) ids: Tensor<1, Int>,
    /// The same, on its way here.
    pub(super) chosen: Begun<T>,
}

/// A future that has begun.
pub(super) enum Begun<T> {
    /// It is over already.
    Over(T),
    /// It is to be waited for.
    Waiting(Pin<Box<dyn Future<Output = T>>>),
}

impl<T> Begun<T> {
    /// Polls a future once. What a device is to do for it is then queued before all that comes later.
    pub(super) fn new(future: impl Future<Output = T> + 'static) -> Self {
        let mut future: Pin<Box<dyn Future<Output = T>>> = Box::pin(future);
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Self::Over(value),
            Poll::Pending => Self::Waiting(future),
        }
    }

    /// What it gives.
    pub(super) async fn value(self) -> T {
        match self {
            Self::Over(value) => value,
            Self::Waiting(future) => future.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    #[test]
    fn a_future_begins_at_once_and_ends_when_it_is_waited_for() {
        let polled = Rc::new(Cell::new(0));
        let counted = |ready_at: usize| {
            let polled = Rc::clone(&polled);
            std::future::poll_fn(move |context| {
                polled.set(polled.get() + 1);
                context.waker().wake_by_ref();
                if polled.get() >= ready_at { Poll::Ready("done") } else { Poll::Pending }
            })
        };
        let begun = Begun::new(counted(3));
        assert_eq!(polled.get(), 1);
        assert_eq!(pollster::block_on(begun.value()), "done");
        assert_eq!(polled.replace(0), 3);
        let over = Begun::new(counted(1));
        assert_eq!((pollster::block_on(over.value()), polled.get()), ("done", 1), "not polled again");
    }
}
