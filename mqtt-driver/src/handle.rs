//! The client that applications hold.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};

use mqtt_proto::ReasonCode;
use mqtt_session::{Agreed, Instant};

use crate::error::ConnectError;
use crate::publish::{Payload, Publish};
use crate::shared::{Shared, State};
use crate::stream::Messages;
use crate::subscribe::{Subscribe, Unsubscribing};
use crate::wake::Ticket;

/// A client. Cheap to clone; clones are the same client.
///
/// ```
/// use mqtt_driver::{Client, Error, QoS};
///
/// async fn app(client: Client) -> Result<(), Error> {
///     let mut greetings = client.subscribe("greetings/#").await?;
///     client.publish("greetings/world", "hello").qos(QoS::AtLeastOnce).await?;
///     while let Some(message) = greetings.next().await {
///         println!("{} {:?}", message.topic(), message.payload());
///     }
///     client.disconnect().await?;
///     Ok(())
/// }
/// # let _ = app;
/// ```
///
/// Nothing needs to be polled for it to live: its loop runs in a task of its own. It connects again when the connection is lost, and
/// subscribes again what the server has forgotten. It ends with [`disconnect`](Self::disconnect), with an error that no retry
/// would mend, or when the last handle, the last [`Messages`] and the last [`Delivery`](crate::Delivery) are dropped.
///
/// The loop ends with its runtime, and what it has not written then is lost, as a message at QoS 0 that has just been published may be. A program that is
/// about to end awaits [`disconnect`](Self::disconnect), which waits until everything has been sent.
///
/// Every future of it may be dropped at any time. A task that receives may publish, and wait for it: nothing that the client
/// waits for ever depends on that task taking messages.
#[derive(Clone)]
pub struct Client(Arc<Handles>);

/// Lives as long as anybody holds a handle.
struct Handles(Arc<Shared>);

impl Drop for Handles {
    fn drop(&mut self) {
        let now = self.0.now();
        self.0.with(|state| state.close(now, ReasonCode::NORMAL_DISCONNECTION));
    }
}

impl Client {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Handles(shared)))
    }

    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        self.0.0.with(change)
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.0.now()
    }

    pub(crate) fn counts_waiting(&self) -> bool {
        self.0.0.counts_waiting()
    }

    /// Publishes a message: at QoS 0 and not retained, unless said otherwise before it is awaited.
    ///
    /// If the queue is full ([`Limits`](mqtt_session::Limits)), awaiting it waits for room; [`Publish::try_send`] does not.
    /// Without a connection messages are queued.
    pub fn publish<'a>(&'a self, topic: &'a str, payload: impl Into<Payload<'a>>) -> Publish<'a> {
        Publish::new(self, topic, payload.into())
    }

    /// Subscribes a topic filter. Ready when the server has said yes; the messages come through what it returns.
    ///
    /// If the filter is subscribed already, both get the messages from now on, and the server goes by the later options.
    pub fn subscribe(&self, filter: &str) -> Subscribe<'_> {
        Subscribe::new(self, [filter])
    }

    /// Subscribes several topic filters, whose messages come through one [`Messages`]. If the server refuses one, none is kept.
    pub fn subscribe_to<'f>(&self, filters: impl IntoIterator<Item = &'f str>) -> Subscribe<'_> {
        Subscribe::new(self, filters)
    }

    /// Unsubscribes a topic filter, for all [`Messages`] that have it. One that has no other ends.
    pub fn unsubscribe(&self, filter: &str) -> Unsubscribing {
        Unsubscribing::of_filter(self, filter)
    }

    /// What arrives and matches no subscription of this client: messages of a resumed session, above all.
    ///
    /// Without it they are acknowledged and counted, at QoS 1 and 2 after a while (`unmatched_hold`).
    pub fn unmatched(&self) -> Messages {
        let key = self.with(|state| state.streams.open(Vec::new()));
        Messages::new(self.clone(), key)
    }

    /// Waits until there is a connection.
    ///
    /// # Errors
    ///
    /// There won't be one: why.
    pub fn connected(&self) -> impl Future<Output = Result<(), ConnectError>> + Send + Sync {
        self.watch(|state| match state.over() {
            Some(error) => Some(Err(error.clone())),
            None => state.is_up().then_some(Ok(())),
        })
    }

    /// Waits until there is no connection, and says why the last one ended. The client makes another one, unless it is over. In turn with
    /// [`connected`](Self::connected) it tells how a client fares:
    ///
    /// ```
    /// async fn watch(client: &mqtt_driver::Client) -> Result<(), mqtt_driver::ConnectError> {
    ///     loop {
    ///         client.connected().await?;
    ///         println!("connected");
    ///         println!("{}", client.lost().await);
    ///     }
    /// }
    /// # let _ = watch;
    /// ```
    pub fn lost(&self) -> impl Future<Output = ConnectError> + Send + Sync {
        self.watch(|state| {
            let last = if state.is_up() { None } else { state.last_error() };
            state.over().or(last).cloned()
        })
    }

    /// Waits until the client is over, and says why.
    pub fn closed(&self) -> impl Future<Output = ConnectError> + Send + Sync {
        self.watch(|state| state.over().cloned())
    }

    /// Ends the client in good order: tells the server, waits until that has been sent, and stops the loop. The will is not published. Publishes that
    /// are not settled fail; [`Messages`] end once what has arrived has been taken; if the session outlives the connection, what is not acknowledged comes again with
    /// the next one.
    ///
    /// Dropped before it is ready, it goes on.
    ///
    /// # Errors
    ///
    /// The client had ended before, for another reason.
    pub async fn disconnect(&self) -> Result<(), ConnectError> {
        self.disconnect_with(ReasonCode::NORMAL_DISCONNECTION).await
    }

    /// As [`disconnect`](Self::disconnect), with a reason code, which only 5.0 has. [`ReasonCode::DisconnectWithWill`] has the will published.
    ///
    /// # Errors
    ///
    /// The client had ended before, for another reason.
    pub async fn disconnect_with(&self, reason: ReasonCode) -> Result<(), ConnectError> {
        let now = self.now();
        self.with(|state| state.close(now, reason));
        match self.closed().await {
            ConnectError::Disconnected => Ok(()),
            error => Err(error),
        }
    }

    /// There is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.with(|state| state.is_up())
    }

    /// What the server has agreed to, if there is a connection.
    #[must_use]
    pub fn agreed(&self) -> Option<Agreed> {
        self.with(|state| state.machine.agreed().cloned())
    }

    /// Why the last connection ended, or the last attempt failed. `None` while there is a connection.
    #[must_use]
    pub fn last_error(&self) -> Option<ConnectError> {
        self.with(|state| state.last_error().cloned())
    }

    /// What has been counted since the client began.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.with(|state| ClientStats {
            connections: state.connections(),
            unmatched: state.streams.unmatched(),
            dropped: state.streams.dropped(),
        })
    }

    /// Waits until `look` finds something.
    fn watch<R>(&self, look: impl Fn(&State) -> Option<R> + Send + Sync) -> impl Future<Output = R> + Send + Sync {
        let mut watching = Watching { client: self, ticket: None };
        poll_fn(move |cx| watching.poll(&look, cx))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

/// What a client has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ClientStats {
    /// Connections that the server accepted.
    pub connections: u64,
    /// Messages that matched no subscription.
    pub unmatched: u64,
    /// Messages that found their queue full: at QoS 0, or with a session that the server has lost.
    pub dropped: u64,
}

/// Waits for the connection to change.
struct Watching<'a> {
    client: &'a Client,
    ticket: Option<Ticket>,
}

impl Watching<'_> {
    fn poll<R>(&mut self, look: impl Fn(&State) -> Option<R>, cx: &mut Context<'_>) -> Poll<R> {
        let waker = cx.waker().clone();
        let ticket = &mut self.ticket;
        self.client.with(|state| match look(state) {
            Some(found) => {
                state.wakes.discard(Some(waker));
                Poll::Ready(found)
            }
            None => {
                state.watchers.wait(ticket, waker, &mut state.wakes);
                Poll::Pending
            }
        })
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.client.with(|state| state.watchers.leave(self.ticket, &mut state.wakes));
        }
    }
}
