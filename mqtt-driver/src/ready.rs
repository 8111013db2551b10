//! Which transports of a broker are worth a look.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Which slots are worth a look.
#[derive(Default)]
pub(crate) struct Ready(Mutex<ReadyList>);

#[derive(Default)]
struct ReadyList {
    slots: Vec<usize>,
    /// Wakes the loop; taken when it is woken.
    waker: Option<Waker>,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, ReadyList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, slot: usize) {
        let waker = {
            let mut list = self.lock();
            list.slots.push(slot);
            list.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn wake(&self) {
        let waker = self.lock().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// The loop looks now. Moves the list to `slots`, which is empty.
    pub(crate) fn attend(&self, waker: Waker, slots: &mut Vec<usize>) {
        let old = {
            let mut list = self.lock();
            std::mem::swap(&mut list.slots, slots);
            list.waker.replace(waker)
        };
        drop(old);
    }
}

/// The waker of one slot: a ready transport costs a look at that transport, not at all of them.
pub(crate) struct SlotWaker {
    slot: usize,
    listed: AtomicBool,
    ready: Arc<Ready>,
}

impl SlotWaker {
    /// One that stands in the list already.
    pub(crate) const fn listed(slot: usize, ready: Arc<Ready>) -> Self {
        Self { slot, listed: AtomicBool::new(true), ready }
    }

    /// The loop looks now; what comes later lists the slot anew.
    pub(crate) fn unlist(&self) {
        self.listed.store(false, Ordering::Release);
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.ready.push(self.slot);
        }
    }
}
