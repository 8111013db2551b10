//! What an application is to this world, and what it can do in it.

use std::any::Any;

use mqtt_proto::{Properties, ReasonCode, Subscription, TopicFilter};
use mqtt_session::{
    AckError, AckToken, Client, Event, Instant, Message, PublishError, Published, RequestError, RequestId,
};

use crate::checks::Checks;
use crate::marks::{Mark, Marks};

/// An application: a value that is called when something has happened to its client.
///
/// It has no clock, no thread and no randomness of its own. What it keeps in fields survives a crash only if
/// [`on_crash`](Self::on_crash) leaves it there: so that is where a program says what it had written down.
///
/// ```
/// use mqtt_proto::{QoS, TopicName};
/// use mqtt_session::{Event, Message};
/// use mqtt_sim::{App, Handle};
///
/// /// Says once that it is there, and wants to know that it was heard.
/// #[derive(Default)]
/// struct Greeter {
///     heard: bool,
/// }
///
/// impl App for Greeter {
///     fn on_start(&mut self, client: &mut Handle<'_>) {
///         let mut hello = Message::new(TopicName::new("greetings/world").unwrap(), "hello");
///         hello.qos = QoS::AtLeastOnce;
///         client.publish(&hello).unwrap();
///     }
///
///     fn on_event(&mut self, event: &Event<'_>, _: &mut Handle<'_>) {
///         self.heard |= matches!(event, Event::Published { .. });
///     }
///
///     fn is_done(&self) -> bool {
///         self.heard
///     }
/// }
/// ```
pub trait App: Any {
    /// The world begins.
    fn on_start(&mut self, client: &mut Handle<'_>) {
        let _ = client;
    }

    /// Something has happened.
    fn on_event(&mut self, event: &Event<'_>, client: &mut Handle<'_>);

    /// The time has come that it asked for with [`Handle::wake_at`].
    fn on_wake(&mut self, client: &mut Handle<'_>) {
        let _ = client;
    }

    /// Its process has died and is started again. The session is what it was after the last step; what else is forgotten is for the application to say.
    fn on_crash(&mut self) {}

    /// It has nothing left to do. A world comes to rest only when all are done.
    fn is_done(&self) -> bool {
        true
    }
}

/// An application's hold of its [`Client`]. What it does is written down, so that the world can check what comes of it.
#[derive(Debug)]
pub struct Handle<'a> {
    pub(crate) now: Instant,
    pub(crate) index: usize,
    pub(crate) client: &'a mut Client,
    pub(crate) checks: &'a mut Checks,
    pub(crate) marks: &'a mut Marks,
    pub(crate) wakes_at: &'a mut Option<Instant>,
}

impl Handle<'_> {
    /// How late it is.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The machine, to be looked at.
    #[must_use]
    pub const fn client(&self) -> &Client {
        self.client
    }

    /// Asks for [`App::on_wake`] at that moment, instead of any asked for before.
    pub const fn wake_at(&mut self, when: Instant) {
        *self.wakes_at = Some(when);
    }

    /// Publishes: see [`Client::publish`].
    ///
    /// # Errors
    ///
    /// Those of the client.
    pub fn publish(&mut self, message: &Message<'_>) -> Result<Published, PublishError> {
        let published = self.client.publish(self.now, message);
        match &published {
            Ok(published) => self.checks.accepted(self.now, self.index, message, *published),
            Err(PublishError::QueueFull { .. }) => self.marks.hit(Mark::QueueFull),
            Err(PublishError::TooLarge { .. }) => self.marks.hit(Mark::TooLarge),
            Err(PublishError::QosNotSupported) => self.marks.hit(Mark::QosNotSupported),
            Err(_) => {}
        }
        published
    }

    /// Subscribes: see [`Client::subscribe`].
    ///
    /// # Errors
    ///
    /// Those of the client.
    pub fn subscribe(&mut self, subscriptions: &[Subscription<'_>]) -> Result<RequestId, RequestError> {
        let id = self.client.subscribe(self.now, subscriptions, Properties::EMPTY)?;
        self.checks.subscribing(self.now, self.index, id, subscriptions);
        Ok(id)
    }

    /// Unsubscribes: see [`Client::unsubscribe`].
    ///
    /// # Errors
    ///
    /// Those of the client.
    pub fn unsubscribe(&mut self, filters: &[TopicFilter<'_>]) -> Result<RequestId, RequestError> {
        let id = self.client.unsubscribe(self.now, filters, Properties::EMPTY)?;
        self.checks.unsubscribing(self.now, self.index, id, filters);
        Ok(id)
    }

    /// Says that a message has been taken: see [`Client::acknowledge`].
    ///
    /// # Errors
    ///
    /// Those of the client.
    pub fn acknowledge(&mut self, token: AckToken) -> Result<(), AckError> {
        let result = self.client.acknowledge(self.now, token, ReasonCode::Success, Properties::EMPTY);
        self.checks.acknowledged(self.now, self.index, token, result.is_ok(), self.marks);
        result
    }

    /// Says goodbye: see [`Client::disconnect`]. The world connects it again after a while.
    ///
    /// # Errors
    ///
    /// Those of the client.
    pub fn disconnect(&mut self) -> Result<(), RequestError> {
        self.client.disconnect(self.now, ReasonCode::Success, Properties::EMPTY)?;
        self.marks.hit(Mark::SaidGoodbye);
        Ok(())
    }
}
