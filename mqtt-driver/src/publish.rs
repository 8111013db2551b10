//! Publishing, from the handle's side.

use std::collections::HashMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use mqtt_proto::{Cause, PropertiesBuf, QoS, ReasonCode, TopicName};
use mqtt_session::{Instant, Outcome, PublishId, Published};

use crate::error::PublishError;
use crate::handle::Client;
use crate::shared::State;
use crate::wake::{Queue, Ticket, Wakes};

/// What is published: text or bytes, borrowed or owned. [`Bytes`] are not copied if there are many of them.
///
/// ```
/// use mqtt_driver::Payload;
///
/// assert_eq!(Payload::from("hello"), Payload::from(vec![b'h', b'e', b'l', b'l', b'o']));
/// ```
#[derive(Clone)]
pub struct Payload<'a>(Form<'a>);

#[derive(Clone)]
enum Form<'a> {
    Borrowed(&'a [u8]),
    Owned(Bytes),
}

impl Payload<'_> {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Form::Borrowed(slice) => slice,
            Form::Owned(bytes) => bytes,
        }
    }

    fn as_proto(&self) -> mqtt_proto::Payload<'_> {
        match &self.0 {
            Form::Borrowed(slice) => (*slice).into(),
            Form::Owned(bytes) => bytes.into(),
        }
    }
}

impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Payload<'_> {}

/// Says how many bytes there are, not what they are.
impl std::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({} bytes)", self.as_slice().len())
    }
}

macro_rules! payload_from {
    ($( $from:ty, $value:ident => $form:expr; )*) => {
        $( impl<'a> From<$from> for Payload<'a> {
            fn from($value: $from) -> Self {
                Self($form)
            }
        } )*
    };
}

payload_from! {
    &'a str, text => Form::Borrowed(text.as_bytes());
    &'a String, text => Form::Borrowed(text.as_bytes());
    &'a [u8], slice => Form::Borrowed(slice);
    &'a Vec<u8>, vec => Form::Borrowed(vec);
    &'a Bytes, bytes => Form::Owned(bytes.clone());
    String, text => Form::Owned(text.into());
    Vec<u8>, vec => Form::Owned(vec.into());
    Bytes, bytes => Form::Owned(bytes);
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(slice: &'a [u8; N]) -> Self {
        Self(Form::Borrowed(slice))
    }
}

/// A message about to be published: say how, and await it. [`Client::publish`] begins one.
///
/// ```
/// use mqtt_driver::{Client, PublishError, QoS};
///
/// async fn report(client: &Client) -> Result<(), PublishError> {
///     client.publish("lab/temperature", "21.5").qos(QoS::AtLeastOnce).retain(true).await?;
///     Ok(())
/// }
/// # let _ = report;
/// ```
#[derive(Debug)]
#[must_use = "nothing is published until it is awaited or sent"]
pub struct Publish<'a> {
    client: &'a Client,
    topic: Result<TopicName<'a>, Cause>,
    payload: Payload<'a>,
    qos: QoS,
    retain: bool,
    properties: PropertiesBuf,
}

impl<'a> Publish<'a> {
    pub(crate) fn new(client: &'a Client, topic: &'a str, payload: Payload<'a>) -> Self {
        Self {
            client,
            topic: TopicName::new(topic),
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            properties: PropertiesBuf::new(),
        }
    }

    /// How hard to try. Default: QoS 0.
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// The server is to keep it for later subscribers. Default: no.
    pub const fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// 5.0 properties. Before 5.0 a message can't have any.
    pub fn properties(mut self, properties: impl Into<PropertiesBuf>) -> Self {
        self.properties = properties.into();
        self
    }

    /// Hands it over without waiting. The settlement can be awaited, or not.
    ///
    /// # Errors
    ///
    /// It can't be sent, or the queue is full: see [`PublishError::is_full`].
    pub fn try_send(self) -> Result<Delivery, PublishError> {
        let stage = match self.offer(&mut None, None)? {
            Offered::Sent => Settlement::Sent,
            Offered::Pending(id) => Settlement::Open(id),
            Offered::Full(error) => return Err(error),
        };
        Ok(Delivery { client: self.client.clone(), settlement: stage })
    }

    /// Gives it to the machine. With a waker: waits in line if the queue is full.
    fn offer(&self, ticket: &mut Option<Ticket>, waker: Option<Waker>) -> Result<Offered, PublishError> {
        let topic = self.topic.map_err(PublishError::Topic)?;
        let mut message = mqtt_session::Message::new(topic, self.payload.as_proto());
        message.qos = self.qos;
        message.retain = self.retain;
        message.properties = self.properties.as_properties();
        // A clock costs as much as encoding a small message, and only what is over after a time needs it to be right.
        let is_timed = !self.properties.is_empty() || self.client.counts_waiting();
        let now = is_timed.then(|| self.client.now());
        self.client.with(|state| {
            let now = state.note_time(now);
            state.publish(now, &message, ticket, waker)
        })
    }
}

impl<'a> IntoFuture for Publish<'a> {
    type Output = Result<ReasonCode, PublishError>;
    type IntoFuture = Publishing<'a>;

    fn into_future(self) -> Publishing<'a> {
        Publishing { publish: self, stage: Stage::New(None) }
    }
}

/// A message on its way. Ready when it is settled: at QoS 0 when it is encoded into the output, at QoS 1 when the server has acknowledged it, at
/// QoS 2 when the server has completed it. The code is the server's; at QoS 0 it is always `Success`.
///
/// Dropped before it was accepted (there was no room in the queue), nothing is published. Dropped later, the message goes its way, across reconnects,
/// only nobody hears how it ended.
#[derive(Debug)]
#[must_use = "nothing is published until it is awaited"]
pub struct Publishing<'a> {
    publish: Publish<'a>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Perhaps with a place in the line for room.
    New(Option<Ticket>),
    Open(PublishId),
    Done,
}

impl Future for Publishing<'_> {
    type Output = Result<ReasonCode, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { publish, stage } = &mut *self;
        let client = publish.client;
        if let Stage::New(ticket) = stage {
            // Most publishes find room; only those that don't have to leave a waker.
            let waker = ticket.is_some().then(|| cx.waker().clone());
            let mut offered = publish.offer(ticket, waker);
            if ticket.is_none() && matches!(offered, Ok(Offered::Full(_))) {
                offered = publish.offer(ticket, Some(cx.waker().clone()));
            }
            match offered {
                Ok(Offered::Full(_)) => return Poll::Pending,
                Ok(Offered::Pending(id)) => *stage = Stage::Open(id),
                Ok(Offered::Sent) => {
                    *stage = Stage::Done;
                    return Poll::Ready(Ok(ReasonCode::Success));
                }
                Err(error) => {
                    *stage = Stage::Done;
                    return Poll::Ready(Err(error));
                }
            }
        }
        let Stage::Open(id) = *stage else {
            return Poll::Pending;
        };
        let settled = poll_settled(client, id, cx);
        if settled.is_ready() {
            *stage = Stage::Done;
        }
        settled
    }
}

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        match self.stage {
            Stage::New(None) | Stage::Done => {}
            Stage::New(ticket) => self.publish.client.with(|state| state.leave_line(ticket)),
            Stage::Open(id) => self.publish.client.with(|state| state.publishes.forget(id, &mut state.wakes)),
        }
    }
}

/// A message that has been handed over, from [`Publish::try_send`]. Await it to hear how it was settled; dropping it changes nothing for the message.
#[derive(Debug)]
#[must_use = "await it to hear how the message was settled, or drop it"]
pub struct Delivery {
    client: Client,
    settlement: Settlement,
}

#[derive(Debug)]
enum Settlement {
    Sent,
    Open(PublishId),
    Done,
}

impl Future for Delivery {
    type Output = Result<ReasonCode, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let settled = match self.settlement {
            Settlement::Sent => Poll::Ready(Ok(ReasonCode::Success)),
            Settlement::Open(id) => poll_settled(&self.client, id, cx),
            Settlement::Done => Poll::Pending,
        };
        if settled.is_ready() {
            self.settlement = Settlement::Done;
        }
        settled
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Settlement::Open(id) = self.settlement {
            self.client.with(|state| state.publishes.forget(id, &mut state.wakes));
        }
    }
}

fn poll_settled(client: &Client, id: PublishId, cx: &mut Context<'_>) -> Poll<Result<ReasonCode, PublishError>> {
    let waker = cx.waker().clone();
    client.with(|state| state.poll_settled(id, waker))
}

/// What became of an offer.
#[derive(Debug)]
pub(crate) enum Offered {
    Sent,
    Pending(PublishId),
    Full(PublishError),
}

/// Publishes that somebody waits for.
#[derive(Debug, Default)]
pub(crate) struct Publishes {
    open: HashMap<PublishId, Open>,
    /// Those that found the queue full.
    room: Queue,
}

#[derive(Debug)]
enum Open {
    Waiting(Option<Waker>),
    Settled(Outcome),
}

impl Publishes {
    pub(crate) fn settle(&mut self, id: PublishId, outcome: Outcome, wakes: &mut Wakes) {
        if let Some(open) = self.open.get_mut(&id)
            && let Open::Waiting(waker) = std::mem::replace(open, Open::Settled(outcome))
        {
            wakes.wake(waker);
        }
        self.room.call_one(wakes);
    }

    /// Nobody waits for it any more.
    fn forget(&mut self, id: PublishId, wakes: &mut Wakes) {
        if let Some(Open::Waiting(waker)) = self.open.remove(&id) {
            wakes.discard(waker);
        }
    }

    /// There may be room.
    pub(crate) fn call_room(&mut self, wakes: &mut Wakes) {
        self.room.call_one(wakes);
    }

    pub(crate) fn wake_all(&mut self, wakes: &mut Wakes) {
        for open in self.open.values_mut() {
            if let Open::Waiting(waker) = open {
                wakes.wake(waker.take());
            }
        }
        self.room.call_all(wakes);
    }
}

impl State {
    fn publish(
        &mut self,
        now: Instant,
        message: &mqtt_session::Message<'_>,
        ticket: &mut Option<Ticket>,
        waker: Option<Waker>,
    ) -> Result<Offered, PublishError> {
        let result = self.try_publish(now, message, *ticket);
        match (&result, waker) {
            (Ok(Offered::Full(_)), Some(waker)) => self.publishes.room.wait(ticket, waker, &mut self.wakes),
            (Ok(Offered::Full(_)), None) => {}
            (_, waker) => {
                self.wakes.discard(waker);
                self.leave_line(ticket.take());
            }
        }
        result
    }

    fn try_publish(
        &mut self,
        now: Instant,
        message: &mqtt_session::Message<'_>,
        ticket: Option<Ticket>,
    ) -> Result<Offered, PublishError> {
        if let Some(over) = self.over() {
            return Err(PublishError::Closed(over.clone()));
        }
        if self.publishes.room.is_ahead_of(ticket) {
            return Ok(Offered::Full(self.full()));
        }
        match self.machine.publish(now, message) {
            Ok(Published::Sent) => {
                self.nudge_gently();
                Ok(Offered::Sent)
            }
            Ok(Published::Pending(id)) => {
                self.publishes.open.insert(id, Open::Waiting(None));
                self.nudge();
                Ok(Offered::Pending(id))
            }
            Err(error @ mqtt_session::PublishError::QueueFull { .. }) => Ok(Offered::Full(error.into())),
            Err(error) => Err(error.into()),
        }
    }

    fn full(&self) -> PublishError {
        let session = self.machine.session();
        mqtt_session::PublishError::QueueFull { messages: session.pending(), bytes: session.pending_bytes() }.into()
    }

    /// Leaves the line for room. If it was this one's turn, it is the next one's now.
    fn leave_line(&mut self, ticket: Option<Ticket>) {
        if self.publishes.room.leave(ticket, &mut self.wakes) {
            self.publishes.room.call_one(&mut self.wakes);
        }
    }

    fn poll_settled(&mut self, id: PublishId, waker: Waker) -> Poll<Result<ReasonCode, PublishError>> {
        let over = self.over().cloned();
        match (self.publishes.open.get_mut(&id), over) {
            (Some(Open::Waiting(place)), None) => {
                self.wakes.replace(place, waker);
                Poll::Pending
            }
            (Some(Open::Settled(outcome)), _) => {
                let outcome = *outcome;
                self.publishes.open.remove(&id);
                self.wakes.discard(Some(waker));
                Poll::Ready(settled(outcome))
            }
            (_, Some(over)) => {
                self.publishes.forget(id, &mut self.wakes);
                self.wakes.discard(Some(waker));
                Poll::Ready(Err(PublishError::Closed(over)))
            }
            (None, None) => {
                self.wakes.discard(Some(waker));
                Poll::Ready(Err(PublishError::Unknown))
            }
        }
    }
}

fn settled(outcome: Outcome) -> Result<ReasonCode, PublishError> {
    match outcome {
        Outcome::Sent => Ok(ReasonCode::Success),
        Outcome::Delivered(reason_code) => Ok(reason_code),
        Outcome::Rejected(reason_code) => Err(PublishError::Rejected(reason_code)),
        Outcome::TooLarge => Err(PublishError::TooLarge),
        Outcome::SessionLost => Err(PublishError::SessionLost),
        outcome if outcome.is_indeterminate() => Err(PublishError::Indeterminate(outcome)),
        Outcome::Expired | Outcome::WaitedTooLong | Outcome::QueueFull | Outcome::Abandoned => {
            Err(PublishError::Dropped(outcome))
        }
        _ => Err(PublishError::Unknown),
    }
}
