//! What a broker counts: how much there is, what it did not deliver, and whom it did not take.

use crate::{Outcome, PublishError};

/// How much there is of everything, at one moment, and how much was lost or refused so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BrokerCounts {
    /// Open connections, those included that have not sent CONNECT.
    pub connections: usize,
    /// Sessions, those included that have no connection.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained_messages: usize,
    /// Their bytes.
    pub retained_bytes: usize,
    /// Transports for which there was no room: [`OpenError`](crate::OpenError).
    pub opens_refused: u64,
    /// Clients that asked to be let in, and were refused.
    pub connects_refused: u64,
    /// Connections that ended otherwise before anybody was let in: nothing came in time, or something else than CONNECT, or the transport was closed.
    pub connects_failed: u64,
    /// Filters that were not subscribed to.
    pub filters_refused: u64,
    /// Messages that a receiver did not get, by their reasons.
    pub drops: Drops,
    /// Messages and wills that their clients were not allowed to publish, and messages whose topics were too deep.
    pub publishes_refused: u64,
    /// Retained messages that were not kept, because the store was full.
    pub retained_dropped: u64,
    /// Events that the host did not fetch in time.
    pub events_dropped: u64,
}

impl BrokerCounts {
    /// Messages that a receiver did not get, for whatever reason.
    #[must_use]
    pub const fn deliveries_dropped(&self) -> u64 {
        self.drops.total()
    }
}

/// Messages that a receiver did not get, by their reasons. Each receiver counts. Messages at QoS 0 for a session without a connection don't: they never wait.
///
/// ```
/// use mqtt_session::{Broker, BrokerOptions};
///
/// let broker = Broker::new(BrokerOptions::default(), 42);
/// assert_eq!(broker.counts().drops.queue_full, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Drops {
    /// The receiver's queue had no room, for it or for a newer one: see [`WhenFull`](crate::WhenFull).
    pub queue_full: u64,
    /// They expired while they waited.
    pub expired: u64,
    /// They had waited for longer than [`Limits::queued_time_max`](crate::Limits::queued_time_max).
    pub waited_too_long: u64,
    /// The receiver takes no packets of that size.
    pub too_large: u64,
    /// Connection after connection ended on them.
    pub attempts_exhausted: u64,
    /// The receiver was not allowed to have them any more.
    pub not_authorized: u64,
    /// The session that they waited for ended, and nobody shared them with it.
    pub session_ended: u64,
    /// They have no correct form.
    pub invalid: u64,
}

impl Drops {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        let Self {
            queue_full,
            expired,
            waited_too_long,
            too_large,
            attempts_exhausted,
            not_authorized,
            session_ended,
            invalid,
        } = *self;
        queue_full
            .saturating_add(expired)
            .saturating_add(waited_too_long)
            .saturating_add(too_large)
            .saturating_add(attempts_exhausted)
            .saturating_add(not_authorized)
            .saturating_add(session_ended)
            .saturating_add(invalid)
    }

    /// A message was settled.
    pub(super) const fn note(&mut self, outcome: Outcome) {
        let reason = match outcome {
            // The receiver had it, and may not have wanted it.
            Outcome::Sent | Outcome::Delivered(_) | Outcome::Rejected(_) => return,
            Outcome::TooLarge | Outcome::NotSentAgain => &mut self.too_large,
            Outcome::Expired => &mut self.expired,
            Outcome::WaitedTooLong => &mut self.waited_too_long,
            Outcome::QueueFull => &mut self.queue_full,
            Outcome::AttemptsExhausted => &mut self.attempts_exhausted,
            // By us, because of the policy.
            Outcome::Abandoned | Outcome::AbandonedInFlight => &mut self.not_authorized,
            Outcome::SessionLost => &mut self.session_ended,
        };
        *reason = reason.saturating_add(1);
    }

    /// A message was not accepted.
    pub(super) const fn note_error(&mut self, error: PublishError) {
        let reason = match error {
            PublishError::QueueFull { .. } => &mut self.queue_full,
            PublishError::TooLarge { .. } => &mut self.too_large,
            PublishError::NoSession => &mut self.session_ended,
            PublishError::TopicAlias
            | PublishError::QosNotSupported
            | PublishError::RetainNotSupported
            | PublishError::Invalid(_) => &mut self.invalid,
        };
        *reason = reason.saturating_add(1);
    }
}
