//! Questions to the policy, one after the other, and connections that rest until somebody has answered.
//!
//! ```text
//!   packet --check: Allow--> next question, or done as asked
//!            check: Deny---> done as refused
//!            check: Ask----> the connection rests --answer(), or too late--> next question, or done
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mqtt_proto::{
    PacketId, PropertiesBuf, PublishBuf, QoS, ReasonCode, Subscribe, Subscription, SubscriptionOptions, TopicFilterBuf,
    TopicNameBuf,
};

use super::connections::ConnectionId;
use super::policy::{Action, Credentials, Principal, Verdict};
use super::wills::StoredWill;
use super::{Broker, BrokerEvent};
use crate::{AckToken, Instant, Message};

/// Names one question. Good for one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AskId {
    connection: ConnectionId,
    number: u64,
}

/// What a policy could not answer at once, to be kept for as long as it takes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Question {
    who: Arc<Principal>,
    wish: Wish,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Wish {
    Connect { password: Option<Vec<u8>>, properties: PropertiesBuf },
    Publish { topic: TopicNameBuf, qos: QoS },
    Store { topic: TopicNameBuf },
    Subscribe { filter: TopicFilterBuf, share: Option<Arc<str>>, qos: QoS },
}

impl Question {
    /// `None`: a question that is not waited for.
    fn new(who: &Arc<Principal>, action: &Action<'_>) -> Option<Self> {
        let wish = match *action {
            Action::Connect(Credentials { password, properties }) => {
                Wish::Connect { password: password.map(Into::into), properties: properties.into() }
            }
            Action::Publish { topic, qos } => Wish::Publish { topic: topic.into(), qos },
            Action::Store { topic } => Wish::Store { topic: topic.into() },
            Action::Subscribe { filter, share, qos } => {
                Wish::Subscribe { filter: filter.into(), share: share.map(Into::into), qos }
            }
            Action::Stay => return None,
        };
        Some(Self { who: Arc::clone(who), wish })
    }

    /// Who wants it.
    #[must_use]
    pub fn who(&self) -> &Principal {
        &self.who
    }

    /// What.
    #[must_use]
    pub fn action(&self) -> Action<'_> {
        match &self.wish {
            Wish::Connect { password, properties } => {
                Action::Connect(Credentials { password: password.as_deref(), properties: properties.as_properties() })
            }
            Wish::Publish { topic, qos } => Action::Publish { topic: topic.as_name(), qos: *qos },
            Wish::Store { topic } => Action::Store { topic: topic.as_name() },
            Wish::Subscribe { filter, share, qos } => {
                Action::Subscribe { filter: filter.as_filter(), share: share.as_deref(), qos: *qos }
            }
        }
    }
}

/// Hides the password.
impl core::fmt::Debug for Question {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Question").field("who", &self.who).field("action", &self.action()).finish()
    }
}

/// Hides the credentials.
impl core::fmt::Debug for Job {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Connect(newcomer, ..) => f.debug_tuple("Connect").field(newcomer).finish_non_exhaustive(),
            Self::Publish(message, _) => f.debug_tuple("Publish").field(message).finish_non_exhaustive(),
            Self::Subscribe(.., filters) => f.debug_tuple("Subscribe").field(filters).finish_non_exhaustive(),
        }
    }
}

/// There is nobody who waits for this answer any more: it came too late, or for the second time, or the connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody waits for this answer")]
#[non_exhaustive]
pub struct NotAsked;

/// Somebody who wants to connect.
#[derive(Clone, Debug)]
pub(super) struct Newcomer {
    pub(super) principal: Arc<Principal>,
    pub(super) clean_start: bool,
    pub(super) will: Option<StoredWill>,
}

/// What a packet asks for.
pub(super) enum Task<'a> {
    Connect(Newcomer, Credentials<'a>),
    Publish(Message<'a>, Option<AckToken>),
    Subscribe(Subscribe<'a>),
}

/// The same, to be kept.
#[derive(Clone)]
enum Job {
    Connect(Newcomer, Option<Vec<u8>>, PropertiesBuf),
    Publish(PublishBuf, Option<AckToken>),
    Subscribe(PacketId, PropertiesBuf, Vec<(TopicFilterBuf, SubscriptionOptions)>),
}

/// A place in the questions about a task, and why it is not allowed.
pub(super) type Refusal = (usize, ReasonCode);

/// A connection that rests.
#[derive(Clone, Debug)]
pub(super) struct Parked {
    number: u64,
    job: Job,
    /// The question that is asked, and what was refused before.
    place: usize,
    refusals: Vec<Refusal>,
    epoch: u32,
    since: Instant,
    pub(super) deadline: Instant,
}

impl Task<'_> {
    /// What the policy has to be asked.
    fn questions(&self) -> impl Iterator<Item = Action<'_>> {
        let mut fixed = [None; 3];
        let mut filters = None;
        match self {
            Self::Connect(newcomer, credentials) => {
                let will = newcomer.will.as_ref().map(StoredWill::message);
                let [publish, store] = will.as_ref().map_or([None; 2], about);
                fixed = [Some(Action::Connect(*credentials)), publish, store];
            }
            Self::Publish(message, _) => {
                let [publish, store] = about(message);
                fixed = [publish, store, None];
            }
            Self::Subscribe(subscribe) => filters = Some(subscribe.subscriptions.iter()),
        }
        let filters = filters.into_iter().flatten();
        let filters = filters.map(|wanted| Action::subscribe(wanted.filter, wanted.options.qos));
        fixed.into_iter().flatten().chain(filters)
    }

    /// One refusal is enough.
    const fn is_whole(&self) -> bool {
        !matches!(self, Self::Subscribe(_))
    }

    fn keep(self) -> Job {
        match self {
            Self::Connect(newcomer, credentials) => {
                Job::Connect(newcomer, credentials.password.map(Into::into), credentials.properties.into())
            }
            Self::Publish(message, token) => Job::Publish(message.to_buf(), token),
            Self::Subscribe(subscribe) => {
                let filters = subscribe.subscriptions.iter().map(|wanted| (wanted.filter.into(), wanted.options));
                Job::Subscribe(subscribe.packet_id, subscribe.properties.into(), filters.collect())
            }
        }
    }
}

/// What a message needs.
pub(super) fn about<'a>(message: &Message<'a>) -> [Option<Action<'a>>; 2] {
    let Message { topic, qos, retain, .. } = *message;
    [Some(Action::Publish { topic, qos }), retain.then_some(Action::Store { topic })]
}

impl Broker {
    /// Does what a packet asks for as far as the policy allows it, at once or when that has been asked.
    pub(super) fn consider(&mut self, now: Instant, id: ConnectionId, task: Task<'_>) {
        if self.policy.is_some() {
            self.ask_on(now, id, task, 0, Vec::new());
        } else {
            self.perform(now, id, task, &[]);
        }
    }

    /// Asks what is to be asked from one place on.
    fn ask_on(&mut self, now: Instant, id: ConnectionId, task: Task<'_>, from: usize, mut refusals: Vec<Refusal>) {
        let who = match &task {
            Task::Connect(newcomer, _) => Some(Arc::clone(&newcomer.principal)),
            Task::Publish(..) | Task::Subscribe(_) => self.publisher(id).map(|publisher| publisher.principal),
        };
        let (Some(policy), Some(who)) = (self.policy.clone(), who) else {
            return;
        };
        let mut asked = None;
        for (place, action) in task.questions().enumerate().skip(from) {
            if task.is_whole() && !refusals.is_empty() {
                break;
            }
            match policy.check(&who, &action) {
                Verdict::Allow => {}
                Verdict::Deny(reason_code) => refusals.push((place, reason_code)),
                Verdict::Ask => {
                    // If nobody could be told that there is a question, there would be no answer.
                    asked =
                        Question::new(&who, &action).filter(|_| self.has_room_for_events()).map(|asked| (place, asked));
                    if asked.is_some() {
                        break;
                    }
                    refusals.push((place, ReasonCode::NotAuthorized));
                }
            }
        }
        let Some((place, question)) = asked else {
            return self.perform(now, id, task, &refusals);
        };
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        self.questions = self.questions.wrapping_add(1);
        let number = self.questions;
        let deadline = now + self.options.answer_timeout;
        let (job, epoch) = (task.keep(), self.epoch);
        connection.parked = Some(Box::new(Parked { number, job, place, refusals, epoch, since: now, deadline }));
        self.push_event(BrokerEvent::Asked { ask: AskId { connection: id, number }, question });
    }

    /// Answers a question. [`Verdict::Ask`] is no answer, and refuses.
    ///
    /// ```
    /// use mqtt_session::{Broker, BrokerEvent, BrokerOptions, Instant, Verdict};
    ///
    /// let mut broker = Broker::new(BrokerOptions::default(), 42);
    /// while let Some(event) = broker.poll_event() {
    ///     if let BrokerEvent::Asked { ask, question } = event {
    ///         // Elsewhere, and later:
    ///         println!("{question:?}");
    ///         broker.answer(Instant::ZERO, ask, Verdict::Allow)?;
    ///     }
    /// }
    /// # Ok::<(), mqtt_session::NotAsked>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Nobody waits for it any more. Nothing has happened.
    pub fn answer(&mut self, now: Instant, ask: AskId, verdict: Verdict) -> Result<(), NotAsked> {
        let id = ask.connection;
        self.check_stay(now, id);
        let connection = self.connections.get_mut(id).ok_or(NotAsked)?;
        let parked = connection.parked.take_if(|parked| parked.number == ask.number).ok_or(NotAsked)?;
        self.go_on(now, id, *parked, verdict);
        Ok(())
    }

    /// The answer has come, or won't.
    pub(super) fn go_on(&mut self, now: Instant, id: ConnectionId, parked: Parked, verdict: Verdict) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.server.rested(now, parked.since);
        }
        let Parked { place, mut refusals, .. } = parked;
        let refused = match verdict {
            Verdict::Allow => None,
            Verdict::Deny(reason_code) => Some(reason_code),
            Verdict::Ask => Some(ReasonCode::NotAuthorized),
        };
        let from = if parked.epoch == self.epoch {
            refusals.extend(refused.map(|reason_code| (place, reason_code)));
            place + 1
        } else {
            // It may be about rules that don't hold any more.
            refusals.clear();
            0
        };
        match &parked.job {
            Job::Connect(newcomer, password, properties) => {
                let (password, properties) = (password.as_deref(), properties.as_properties());
                let task = Task::Connect(newcomer.clone(), Credentials { password, properties });
                self.ask_on(now, id, task, from, refusals);
            }
            Job::Publish(message, token) => {
                self.ask_on(now, id, Task::Publish(Message::from(message), *token), from, refusals);
            }
            Job::Subscribe(packet_id, properties, filters) => {
                let all = filters
                    .iter()
                    .map(|(filter, options)| Subscription { filter: filter.as_filter(), options: *options });
                let all: Vec<_> = all.collect();
                let (packet_id, properties) = (*packet_id, properties.as_properties());
                let task = Task::Subscribe(Subscribe { packet_id, properties, subscriptions: all[..].into() });
                self.ask_on(now, id, task, from, refusals);
            }
        }
        self.connections.mark(id);
        self.settle(now, id);
    }

    fn perform(&mut self, now: Instant, id: ConnectionId, task: Task<'_>, refusals: &[Refusal]) {
        // Only a failure says no.
        let reason = |code: ReasonCode| if code.is_failure() { code } else { ReasonCode::NotAuthorized };
        let refused = refusals.first().map(|&(_, reason_code)| reason(reason_code));
        match (task, refused) {
            (Task::Connect(newcomer, _), None) => self.welcome(now, id, newcomer),
            (Task::Connect(..), Some(reason_code)) => self.refuse(now, id, reason_code),
            (Task::Publish(message, token), None) => {
                let publisher = self.publisher(id);
                let reason_code = self.route_from_client(now, &message, publisher.as_ref());
                self.acknowledge(now, id, token, reason_code);
            }
            // v3[MQTT-3.3.5-2]
            (Task::Publish(_, token), Some(reason_code)) => {
                self.publishes_refused = self.publishes_refused.saturating_add(1);
                self.acknowledge(now, id, token, reason_code);
            }
            (Task::Subscribe(subscribe), _) => self.subscribe(now, id, &subscribe, refusals),
        }
    }
}
