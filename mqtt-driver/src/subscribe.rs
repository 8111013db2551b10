//! Subscribing and unsubscribing, from the handle's side.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use mqtt_proto::{Cause, QoS, RetainHandling, SubscriptionOptions, TopicFilter};
use mqtt_session::RequestError;

use crate::error::{SubscribeError, UnsubscribeError};
use crate::handle::Client;
use crate::requests::JobKey;
use crate::stream::{Filter, Messages, Status};

/// A subscription about to be made: say how, and await it. [`Client::subscribe`] begins one.
///
/// ```
/// use mqtt_driver::{Client, Messages, QoS, RetainHandling, SubscribeError};
///
/// async fn alarms(client: &Client) -> Result<Messages, SubscribeError> {
///     client.subscribe("alarms/#").qos(QoS::AtLeastOnce).retain_handling(RetainHandling::DoNotSend).await
/// }
/// # let _ = alarms;
/// ```
#[derive(Debug)]
#[must_use = "nothing is subscribed until it is awaited"]
pub struct Subscribe<'a> {
    client: &'a Client,
    filters: Result<Vec<String>, SubscribeError>,
    options: SubscriptionOptions,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn new<'f>(client: &'a Client, filters: impl IntoIterator<Item = &'f str>) -> Self {
        let filters = filters.into_iter().map(checked).collect::<Result<Vec<_>, _>>();
        Self {
            client,
            filters: match filters {
                // A queue without filters is something else: `Client::unmatched`.
                Ok(filters) if filters.is_empty() => {
                    Err(SubscribeError::NotAccepted(RequestError::Invalid(Cause::NoFilters.into())))
                }
                Ok(filters) => Ok(filters),
                Err((filter, cause)) => Err(SubscribeError::Filter { filter, cause }),
            },
            options: SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() },
        }
    }

    /// At most at this QoS; each message comes at the lower one of this and its publisher's. Default: QoS 2, so the publisher decides.
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.options.qos = qos;
        self
    }

    /// Not those that this client publishes itself. 5.0 only.
    pub const fn no_local(mut self, no_local: bool) -> Self {
        self.options.no_local = no_local;
        self
    }

    /// With the retain flag that the publisher set. 5.0 only.
    pub const fn retain_as_published(mut self, retain_as_published: bool) -> Self {
        self.options.retain_as_published = retain_as_published;
        self
    }

    /// Which retained messages to send at once. 5.0 only. Default: all.
    pub const fn retain_handling(mut self, retain_handling: RetainHandling) -> Self {
        self.options.retain_handling = retain_handling;
        self
    }
}

impl<'a> IntoFuture for Subscribe<'a> {
    type Output = Result<Messages, SubscribeError>;
    type IntoFuture = Subscribing<'a>;

    fn into_future(self) -> Subscribing<'a> {
        Subscribing { client: self.client, stage: Stage::New(self.filters, self.options) }
    }
}

/// A subscription on its way. Ready when the server has answered; while there is no connection it waits for one.
///
/// Dropping it takes the subscription back, as dropping its [`Messages`] does.
#[derive(Debug)]
#[must_use = "nothing is subscribed until it is awaited"]
pub struct Subscribing<'a> {
    client: &'a Client,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    New(Result<Vec<String>, SubscribeError>, SubscriptionOptions),
    Asked(Messages),
    Done,
}

impl Future for Subscribing<'_> {
    type Output = Result<Messages, SubscribeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let messages = match std::mem::replace(&mut this.stage, Stage::Done) {
            Stage::New(filters, options) => begin(this.client, filters?, options)?,
            Stage::Asked(messages) => messages,
            Stage::Done => return Poll::Pending,
        };
        let waker = cx.waker().clone();
        let key = messages.key();
        let status = this.client.with(|state| {
            let Some(stream) = state.streams.get_mut(key) else {
                state.wakes.discard(Some(waker));
                return Status::Live;
            };
            let status = match stream.status.clone() {
                // Somebody has unsubscribed it meanwhile, so that nobody will ask the server any more.
                Status::Due | Status::Asked if stream.filters.is_empty() => Status::Live,
                status => status,
            };
            match status {
                Status::Due | Status::Asked => state.wakes.replace(&mut stream.waker, waker),
                Status::Live | Status::Failed(_) => state.wakes.discard(Some(waker)),
            }
            status
        });
        match status {
            Status::Live => Poll::Ready(Ok(messages)),
            Status::Failed(error) => Poll::Ready(Err(error)),
            Status::Due | Status::Asked => {
                this.stage = Stage::Asked(messages);
                Poll::Pending
            }
        }
    }
}

/// The queue is there before the server hears of it, so that not even the first message is missed.
fn begin(client: &Client, filters: Vec<String>, options: SubscriptionOptions) -> Result<Messages, SubscribeError> {
    let filters = filters.into_iter().map(|text| Filter { text, options }).collect();
    let now = client.now();
    let key = client.with(|state| {
        if let Some(over) = state.over() {
            return Err(SubscribeError::Closed(over.clone()));
        }
        let key = state.streams.open(filters);
        state.requests.subscribe(key);
        state.ask(now);
        Ok(key)
    })?;
    Ok(Messages::new(client.clone(), key))
}

/// An unsubscribe: [`Client::unsubscribe`] or [`Messages::unsubscribe`]. Ready when the server has answered; while there is no connection it waits for one.
///
/// It begins when it is polled first. Dropped later, it goes on, only nobody hears how it ends.
#[must_use = "nothing is unsubscribed until it is awaited"]
pub struct Unsubscribing {
    client: Client,
    step: Step,
}

enum Step {
    Filters(Result<Vec<String>, UnsubscribeError>),
    Stream(Messages),
    Asked(JobKey),
    Done,
}

impl Unsubscribing {
    pub(crate) fn of_filter(client: &Client, filter: &str) -> Self {
        let filters = checked(filter)
            .map(|filter| vec![filter])
            .map_err(|(filter, cause)| UnsubscribeError::Filter { filter, cause });
        Self { client: client.clone(), step: Step::Filters(filters) }
    }

    pub(crate) fn of_stream(messages: Messages) -> Self {
        Self { client: messages.client().clone(), step: Step::Stream(messages) }
    }
}

impl Future for Unsubscribing {
    type Output = Result<(), UnsubscribeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let now = this.client.now();
        let job = match std::mem::replace(&mut this.step, Step::Done) {
            Step::Filters(filters) => {
                let filters = filters?;
                this.client.with(|state| {
                    for filter in &filters {
                        state.streams.remove_filter(filter, &mut state.wakes);
                    }
                    state.begin_unsubscribe(now, filters)
                })?
            }
            Step::Stream(messages) => this.client.with(|state| {
                let filters = state.close_stream(messages.key());
                state.begin_unsubscribe(now, filters)
            })?,
            Step::Asked(job) => Some(job),
            Step::Done => return Poll::Pending,
        };
        let Some(job) = job else {
            return Poll::Ready(Ok(()));
        };
        let waker = cx.waker().clone();
        let poll = this.client.with(|state| state.poll_unsubscribed(job, waker));
        if poll.is_pending() {
            this.step = Step::Asked(job);
        }
        poll
    }
}

impl Drop for Unsubscribing {
    fn drop(&mut self) {
        if let Step::Asked(job) = self.step {
            self.client.with(|state| state.abandon_unsubscribe(job));
        }
    }
}

impl fmt::Debug for Unsubscribing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unsubscribing(..)")
    }
}

fn checked(filter: &str) -> Result<String, (String, Cause)> {
    match TopicFilter::new(filter) {
        Ok(_) => Ok(filter.into()),
        Err(cause) => Err((filter.into(), cause)),
    }
}
