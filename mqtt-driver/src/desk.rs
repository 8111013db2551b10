//! What a broker's handles share with its loop: a desk where they leave what it picks up.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use mqtt_proto::{PublishBuf, ReasonCode};
use mqtt_session::{BrokerCounts, Message};

use crate::error::HostError;
use crate::ready::Ready;
use crate::transport::{Clock, Listener, Timer};
use crate::wake::{Queue, Ticket, Wakes};

/// How long to wait after a failed accept; it doubles from the one to the other.
const ACCEPT_DELAY_MIN: Duration = Duration::from_millis(5);
const ACCEPT_DELAY_MAX: Duration = Duration::from_secs(1);

/// What the host has said and the loop has not heard yet.
const HOST_MESSAGES_MAX: usize = 1_000;

/// The broker that applications hold. Cheap to clone; clones are the same broker.
///
/// It ends with [`shutdown`](Self::shutdown), or when the last handle is dropped.
pub struct BrokerHandle<T>(Arc<Hands<T>>);

/// Lives as long as anybody holds a handle.
struct Hands<T>(Arc<Desk<T>>);

impl<T> Drop for Hands<T> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl<T> BrokerHandle<T> {
    pub(crate) fn new(desk: Arc<Desk<T>>) -> Self {
        Self(Arc::new(Hands(desk)))
    }

    fn desk(&self) -> &Desk<T> {
        &self.0.0
    }

    /// Hands an accepted transport over. If there are too many already, or the broker is shutting down, it is closed.
    pub fn add(&self, transport: T) {
        self.desk().add(transport);
    }

    /// Accepts connections until the broker ends. Spawn it beside the [`Shard`](crate::Shard); it does not keep the broker alive.
    ///
    /// What can't be accepted now, because too many files are open for example, is tried again a little later.
    pub fn listen<L, C>(&self, mut listener: L, clock: C) -> impl Future<Output = ()> + use<L, C, T>
    where
        L: Listener<Transport = T>,
        C: Clock,
    {
        let desk = Arc::clone(&self.0.0);
        async move {
            let mut timer = clock.timer();
            let mut delay = ACCEPT_DELAY_MIN;
            while let Some(accepted) = desk.unless_stopped(listener.accept()).await {
                match accepted {
                    Ok(transport) => {
                        delay = ACCEPT_DELAY_MIN;
                        desk.add(transport);
                    }
                    Err(_) => {
                        let until = clock.now() + delay;
                        delay = (delay * 2).min(ACCEPT_DELAY_MAX);
                        let wait = poll_fn(|cx| timer.poll_deadline(cx, Some(until)));
                        desk.unless_stopped(wait).await;
                    }
                }
            }
        }
    }

    /// Publishes a message to all who are subscribed, without being a client.
    ///
    /// # Errors
    ///
    /// The loop is over, or 1,000 messages wait for it.
    pub fn publish(&self, message: &Message<'_>) -> Result<(), HostError> {
        self.ask(Request::Publish(message.to_buf()))
    }

    /// Sends a client away, if it is connected.
    ///
    /// # Errors
    ///
    /// The loop is over, or 1,000 messages wait for it.
    pub fn disconnect(&self, client_id: &str, reason: ReasonCode) -> Result<(), HostError> {
        self.ask(Request::Disconnect(client_id.into(), reason))
    }

    fn ask(&self, request: Request) -> Result<(), HostError> {
        {
            let mut state = self.desk().lock();
            if state.over {
                return Err(HostError::Stopped);
            }
            if state.requests.len() >= HOST_MESSAGES_MAX {
                return Err(HostError::Full);
            }
            state.requests.push(request);
        }
        self.desk().ready.wake();
        Ok(())
    }

    /// Ends the broker in good order: clients are told, what is left is sent, and all transports are closed. Ready when that has been done, after a few seconds at most.
    ///
    /// Dropped before it is ready, it goes on.
    pub async fn shutdown(&self) {
        self.desk().stop();
        self.desk().watch(|state| state.over).await;
    }

    /// How much there is of everything, as of the last turn of the loop.
    #[must_use]
    pub fn counts(&self) -> BrokerCounts {
        self.desk().lock().counts
    }
}

impl<T> Clone for BrokerHandle<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for BrokerHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrokerHandle(..)")
    }
}

/// Where handles leave what the loop picks up.
pub(crate) struct Desk<T> {
    state: Mutex<DeskState<T>>,
    pub(crate) ready: Arc<Ready>,
}

pub(crate) struct DeskState<T> {
    pub(crate) added: Vec<T>,
    pub(crate) requests: Vec<Request>,
    pub(crate) stop: bool,
    pub(crate) over: bool,
    pub(crate) watchers: Queue,
    pub(crate) counts: BrokerCounts,
}

pub(crate) enum Request {
    Publish(PublishBuf),
    Disconnect(String, ReasonCode),
}

impl<T> Default for DeskState<T> {
    fn default() -> Self {
        Self {
            added: Vec::new(),
            requests: Vec::new(),
            stop: false,
            over: false,
            watchers: Queue::default(),
            counts: BrokerCounts::default(),
        }
    }
}

impl<T> Desk<T> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(DeskState::default()), ready: Arc::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, DeskState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, transport: T) {
        let refused = {
            let mut state = self.lock();
            if state.over {
                Some(transport)
            } else {
                state.added.push(transport);
                None
            }
        };
        drop(refused);
        self.ready.wake();
    }

    fn stop(&self) {
        let mut wakes = Wakes::default();
        {
            let mut state = self.lock();
            state.stop = true;
            state.watchers.call_all(&mut wakes);
        }
        wakes.run();
        self.ready.wake();
    }

    /// Waits until `look` says yes.
    async fn watch(&self, look: impl Fn(&DeskState<T>) -> bool) {
        let mut watching = Watching { desk: self, ticket: None };
        poll_fn(|cx| watching.poll(&look, cx)).await;
    }

    /// What `future` yields, unless the broker is stopped before.
    async fn unless_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut watching = Watching { desk: self, ticket: None };
        poll_fn(|cx| {
            if watching.poll(|state| state.stop || state.over, cx).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

/// Waits for a change of the desk.
struct Watching<'a, T> {
    desk: &'a Desk<T>,
    ticket: Option<Ticket>,
}

impl<T> Watching<'_, T> {
    fn poll(&mut self, look: impl Fn(&DeskState<T>) -> bool, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut wakes = Wakes::default();
        let found = {
            let mut state = self.desk.lock();
            let found = look(&state);
            if found {
                wakes.discard(Some(waker));
            } else {
                state.watchers.wait(&mut self.ticket, waker, &mut wakes);
            }
            found
        };
        wakes.run();
        if found { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<T> Drop for Watching<'_, T> {
    fn drop(&mut self) {
        let mut wakes = Wakes::default();
        self.desk.lock().watchers.leave(self.ticket, &mut wakes);
        wakes.run();
    }
}
