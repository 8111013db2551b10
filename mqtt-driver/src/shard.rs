//! The loop of a broker.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mqtt_proto::TransmitBuf;
use mqtt_session::{Broker, BrokerOptions, ConnectionId, Instant, Message, Transmit};

use crate::desk::{BrokerHandle, Desk, Request};
use crate::input::{Input, READ_BYTES};
use crate::ready::SlotWaker;
use crate::transport::{Clock, Timer, Transport};
use crate::wake::Wakes;
use crate::write::{Farewell, poll_write};

/// A peer that takes not a single byte for so long is given up.
const STALL_MAX: Duration = Duration::from_secs(60);

/// An unfinished packet of at most so many bytes is read on in the common buffer; a larger one gets a buffer of its own.
const TAIL_BYTES_MAX: usize = 4 << 10;

/// Room to read the rest of a larger one into.
const ROOM_BYTES_MIN: usize = 4 << 10;

/// A broker and its loop. Transports come in through the handle; nothing happens unless the [`Shard`] runs, on any executor.
///
/// `seed` decides what depends on chance: invented client identifiers, for one.
///
/// ```
/// use mqtt_driver::{BrokerHandle, BrokerOptions, Clock, Transport, random_seed};
///
/// /// What an adapter does, besides accepting connections and [`BrokerHandle::add`]ing them.
/// fn start<T: Transport + 'static>(clock: impl Clock, spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>)) -> BrokerHandle<T> {
///     let (handle, shard) = mqtt_driver::broker(BrokerOptions::default(), clock, random_seed());
///     spawn(Box::pin(shard.run()));
///     handle
/// }
/// ```
pub fn broker<T: Transport, C: Clock>(options: BrokerOptions, clock: C, seed: u64) -> (BrokerHandle<T>, Shard<T, C>) {
    let desk = Arc::new(Desk::new());
    let shard = Shard {
        transports_max: options.connections_max,
        close_timeout: options.server.limits.close_timeout,
        broker: Broker::new(options, seed),
        timer: clock.timer(),
        clock,
        desk: Arc::clone(&desk),
        slots: Vec::new(),
        free: Vec::new(),
        by_id: HashMap::new(),
        deadlines: BTreeSet::new(),
        waiting: Vec::new(),
        ended: Vec::new(),
        scratch: Vec::new(),
        out: TransmitBuf::new(),
        listed: Vec::new(),
        stopping: false,
    };
    (BrokerHandle::new(desk), shard)
}

/// One transport.
struct Slot<T> {
    transport: T,
    stage: Stage,
    bell: Arc<SlotWaker>,
    waker: Waker,
    /// Holds memory only while a packet is unfinished.
    input: Input,
    /// Holds memory only while the peer does not take it.
    out: TransmitBuf,
    unflushed: bool,
    /// The broker does not want its input now; it stands in `waiting`.
    waits: bool,
    deadline: Option<Instant>,
    /// What was left to be sent when the deadline was set.
    left: usize,
}

enum Stage {
    /// The broker knows it.
    Open(ConnectionId),
    /// It does not any more; what is left is being sent.
    Leaving(Farewell),
}

/// The loop of one broker: spawn [`run`](Self::run) on any executor. [`broker`] makes it.
///
/// A turn reads each transport that is ready, up to a limit, then writes once to each connection that has something to send.
#[must_use = "nothing happens unless it runs"]
pub struct Shard<T: Transport, C: Clock> {
    broker: Broker,
    /// Those included that are being left.
    transports_max: usize,
    /// How long the peer's answer to the end may take.
    close_timeout: Duration,
    clock: C,
    timer: C::Timer,
    desk: Arc<Desk<T>>,
    slots: Vec<Option<Slot<T>>>,
    free: Vec<usize>,
    by_id: HashMap<ConnectionId, usize>,
    deadlines: BTreeSet<(Instant, usize)>,
    /// Slots whose input the broker does not want now.
    waiting: Vec<usize>,
    /// Slots whose peer sends nothing more.
    ended: Vec<usize>,
    /// Where all transports read into; there while there are transports.
    scratch: Vec<u8>,
    out: TransmitBuf,
    /// The slots of this turn; kept for its memory.
    listed: Vec<usize>,
    stopping: bool,
}

impl<T: Transport, C: Clock> Shard<T, C> {
    /// Runs until the broker is shut down. Dropping it closes all transports.
    pub async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.clock.now();
        let mut listed = std::mem::take(&mut self.listed);
        self.desk.ready.attend(cx.waker().clone(), &mut listed);
        self.attend_desk(now, &mut listed);
        for index in listed.drain(..) {
            self.turn(now, index);
        }
        self.listed = listed;
        self.handle_deadlines(now);
        self.transmit(now);
        if self.end(now) {
            // Whose wills are for others.
            self.transmit(now);
        }
        self.resume(now);
        self.desk.lock().counts = self.broker.counts();
        if self.is_over() {
            return Poll::Ready(());
        }
        let slots = self.deadlines.first().map(|&(deadline, _)| deadline);
        let deadline = slots.into_iter().chain(self.broker.poll_timeout()).min();
        if self.timer.poll_deadline(cx, deadline).is_ready() {
            // With a fresh look at everything that has become ready meanwhile.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn is_over(&mut self) -> bool {
        let empty = self.slots.len() == self.free.len();
        if empty {
            self.scratch = Vec::new();
        }
        self.stopping && empty
    }

    /// Takes what the handles have left.
    fn attend_desk(&mut self, now: Instant, listed: &mut Vec<usize>) {
        let (added, requests, stop) = {
            let mut state = self.desk.lock();
            (std::mem::take(&mut state.added), std::mem::take(&mut state.requests), state.stop)
        };
        for transport in added {
            // Dropping it is all that can be said to one that there is no room for.
            let Ok(id) = self.broker.open(now) else { continue };
            if self.slots.len() - self.free.len() >= self.transports_max {
                self.end_a_farewell(now);
            }
            listed.push(self.insert(transport, id));
        }
        for request in requests {
            match request {
                Request::Publish(message) => self.broker.publish(now, &Message::from(&message)),
                // It may have gone meanwhile.
                Request::Disconnect(client_id, reason) => drop(self.broker.disconnect(now, &client_id, reason)),
            }
        }
        if stop && !self.stopping {
            self.stopping = true;
            self.broker.shutdown(now);
            for index in 0..self.slots.len() {
                self.set_deadline(index, Some(now + self.close_timeout));
            }
        }
    }

    fn insert(&mut self, transport: T, id: ConnectionId) -> usize {
        if self.scratch.is_empty() {
            self.scratch = vec![0; READ_BYTES];
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let bell = Arc::new(SlotWaker::listed(index, Arc::clone(&self.desk.ready)));
        self.slots[index] = Some(Slot {
            transport,
            stage: Stage::Open(id),
            waker: Arc::clone(&bell).into(),
            bell,
            input: Input::default(),
            out: TransmitBuf::new(),
            unflushed: false,
            waits: false,
            deadline: None,
            left: 0,
        });
        self.by_id.insert(id, index);
        index
    }

    fn remove(&mut self, now: Instant, index: usize) {
        self.set_deadline(index, None);
        let Some(slot) = self.slots[index].take() else { return };
        self.free.push(index);
        if let Stage::Open(id) = slot.stage {
            self.by_id.remove(&id);
            self.broker.handle_closed(now, id);
        }
    }

    fn set_deadline(&mut self, index: usize, deadline: Option<Instant>) {
        let Some(slot) = &mut self.slots[index] else { return };
        if let Some(old) = slot.deadline.take() {
            self.deadlines.remove(&(old, index));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, index));
        }
        slot.deadline = deadline;
        slot.left = slot.out.len();
    }

    /// A transport may be ready for something.
    fn turn(&mut self, now: Instant, index: usize) {
        let Some(slot) = &mut self.slots[index] else { return };
        // Before the first look, so that what comes later is noticed.
        slot.bell.unlist();
        match &slot.stage {
            Stage::Open(id) => {
                let id = *id;
                self.write_rest(now, index, id);
                self.read(now, index, id);
            }
            Stage::Leaving(_) => self.leave(now, index),
        }
    }

    /// Writes what an earlier turn could not.
    fn write_rest(&mut self, now: Instant, index: usize, id: ConnectionId) {
        let Some(slot) = &mut self.slots[index] else { return };
        let mut cx = Context::from_waker(&slot.waker);
        if !slot.out.is_empty() {
            match poll_write(&mut slot.transport, &mut cx, &mut slot.out) {
                Poll::Pending => return,
                Poll::Ready(Err(_)) => return self.remove(now, index),
                Poll::Ready(Ok(())) => {
                    slot.out.release();
                    self.broker.handle_writable(id);
                    self.set_deadline(index, self.stopping.then(|| now + self.close_timeout));
                }
            }
        }
        self.flush(now, index);
    }

    fn flush(&mut self, now: Instant, index: usize) {
        let Some(slot) = &mut self.slots[index] else { return };
        if slot.unflushed {
            match slot.transport.poll_flush(&mut Context::from_waker(&slot.waker)) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => slot.unflushed = false,
                Poll::Ready(Err(_)) => self.remove(now, index),
            }
        }
    }

    /// Reads what is there, up to a limit: no connection keeps the others waiting.
    fn read(&mut self, now: Instant, index: usize, id: ConnectionId) {
        let mut budget = READ_BYTES;
        while let Some(slot) = &mut self.slots[index] {
            if !self.broker.wants_input(id) {
                if !std::mem::replace(&mut slot.waits, true) {
                    self.waiting.push(index);
                }
                return;
            }
            if budget == 0 {
                return slot.waker.wake_by_ref();
            }
            let mut cx = Context::from_waker(&slot.waker);
            let kept = slot.input.unread().len();
            let own = kept > TAIL_BYTES_MAX;
            let room = if own {
                slot.input.room(ROOM_BYTES_MIN)
            } else {
                self.scratch[..kept].copy_from_slice(slot.input.unread());
                &mut self.scratch[kept..]
            };
            let bytes = match slot.transport.poll_read(&mut cx, room) {
                Poll::Pending => return,
                Poll::Ready(Ok(0)) => return self.ended.push(index),
                Poll::Ready(Ok(bytes)) => bytes,
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Poll::Ready(Err(_)) => return self.remove(now, index),
            };
            budget = budget.saturating_sub(bytes);
            if own {
                slot.input.filled(bytes);
                let mut unread = slot.input.unread();
                self.broker.handle_input(now, id, &mut unread);
                let left = unread.len();
                slot.input.keep_last(left);
            } else {
                let mut unread = &self.scratch[..kept + bytes];
                self.broker.handle_input(now, id, &mut unread);
                slot.input.store(unread);
            }
            slot.input.shrink(0);
        }
    }

    /// Offers input again that had to wait.
    fn resume(&mut self, now: Instant) {
        for index in std::mem::take(&mut self.waiting) {
            let Some(slot) = &mut self.slots[index] else { continue };
            let Stage::Open(id) = slot.stage else { continue };
            // The place may be another's by now.
            if !slot.waits {
                continue;
            }
            if !self.broker.wants_input(id) {
                self.waiting.push(index);
                continue;
            }
            slot.waits = false;
            let mut unread = slot.input.unread();
            self.broker.handle_input(now, id, &mut unread);
            let left = unread.len();
            slot.input.keep_last(left);
            slot.input.shrink(0);
            // For the answers, and to read on.
            slot.waker.wake_by_ref();
        }
    }

    /// Writes once to each connection that has something to send.
    fn transmit(&mut self, now: Instant) {
        while let Some((id, transmit)) = self.broker.poll_transmit(now, &mut self.out) {
            let found = self.by_id.get(&id).copied();
            let Some((index, slot)) = found.and_then(|index| Some((index, self.slots[index].as_mut()?))) else {
                self.out.clear();
                continue;
            };
            if transmit == Transmit::Close && !slot.out.is_empty() {
                // It was blocked, and what it has not taken has had its time.
                self.remove(now, index);
                continue;
            }
            if transmit == Transmit::Close {
                slot.stage = Stage::Leaving(Farewell::default());
                self.by_id.remove(&id);
                self.broker.handle_closed(now, id);
                self.set_deadline(index, Some(now + self.close_timeout));
                self.leave(now, index);
                continue;
            }
            slot.unflushed = true;
            let mut cx = Context::from_waker(&slot.waker);
            match poll_write(&mut slot.transport, &mut cx, &mut self.out) {
                Poll::Ready(Ok(())) => self.flush(now, index),
                Poll::Ready(Err(_)) => {
                    self.out.clear();
                    self.remove(now, index);
                }
                Poll::Pending => {
                    slot.out.append(&mut self.out);
                    self.broker.handle_blocked(id);
                    if slot.deadline.is_none() {
                        self.set_deadline(index, Some(now + STALL_MAX));
                    }
                }
            }
        }
        self.out.release();
        while self.broker.poll_event().is_some() {}
    }

    fn leave(&mut self, now: Instant, index: usize) {
        let Some(slot) = &mut self.slots[index] else { return };
        let Stage::Leaving(farewell) = &mut slot.stage else { return };
        let mut cx = Context::from_waker(&slot.waker);
        let scratch = &mut self.scratch[..];
        if farewell.poll(&mut cx, &mut slot.transport, &mut slot.out, scratch).is_ready() {
            self.remove(now, index);
        }
    }

    /// There is no room for peers that have been told to go and don't: the one that has had the longest time is left.
    fn end_a_farewell(&mut self, now: Instant) {
        let is_leaving =
            |index: usize| self.slots[index].as_ref().is_some_and(|slot| matches!(slot.stage, Stage::Leaving(_)));
        if let Some(&(_, index)) = self.deadlines.iter().find(|&&(_, index)| is_leaving(index)) {
            self.remove(now, index);
        }
    }

    /// Peers that send nothing more have had their answers by now. False: there are none.
    fn end(&mut self, now: Instant) -> bool {
        let ended = std::mem::take(&mut self.ended);
        for &index in &ended {
            self.remove(now, index);
        }
        !ended.is_empty()
    }

    fn handle_deadlines(&mut self, now: Instant) {
        self.broker.handle_timeout(now);
        while let Some(&(deadline, index)) = self.deadlines.first() {
            if deadline > now {
                return;
            }
            let slot = self.slots[index].as_ref();
            let moves = slot.is_some_and(|slot| matches!(slot.stage, Stage::Open(_)) && slot.out.len() < slot.left);
            if moves && !self.stopping {
                self.set_deadline(index, Some(now + STALL_MAX));
            } else {
                self.deadlines.remove(&(deadline, index));
                self.remove(now, index);
            }
        }
    }
}

impl<T: Transport, C: Clock> Drop for Shard<T, C> {
    fn drop(&mut self) {
        let mut wakes = Wakes::default();
        let added = {
            let mut state = self.desk.lock();
            state.over = true;
            state.watchers.call_all(&mut wakes);
            std::mem::take(&mut state.added)
        };
        drop(added);
        wakes.run();
    }
}

impl<T: Transport, C: Clock> fmt::Debug for Shard<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("transports", &(self.slots.len() - self.free.len())).finish_non_exhaustive()
    }
}
