//! What the host of a broker decides beforehand, and what it is told.

use alloc::sync::Arc;
use core::time::Duration;

use mqtt_proto::{PublishBuf, Version};

use super::ask::{AskId, Question};
use super::connections::ConnectionId;
use super::policy::Principal;
use crate::{DisconnectCause, ServerOptions};

/// How a [`Broker`](crate::Broker) behaves. The defaults are safe on a machine with some gigabytes of memory.
///
/// ```
/// use mqtt_session::BrokerOptions;
///
/// let mut options = BrokerOptions::default();
/// options.connections_max = 100;
/// options.server.receive_maximum = 20;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BrokerOptions {
    /// What each connection offers, and its bounds. The broker acknowledges messages by itself, whatever this says. Shared subscriptions are
    /// on here.
    pub server: ServerOptions,
    /// Connections at a time, those included that have not sent CONNECT. Default: 10,000.
    pub connections_max: usize,
    /// Sessions, those included that have no connection. Default: 100,000.
    pub sessions_max: usize,
    /// Subscriptions of one session. Default: 1,000.
    pub subscriptions_per_session_max: usize,
    /// Retained messages. Default: 100,000.
    pub retained_messages_max: usize,
    /// Bytes of retained messages. Default: 256 MiB.
    pub retained_bytes_max: usize,
    /// Levels of a topic filter, and of a topic name that a client publishes to, or has its will published to. What is deeper is refused with 0x8F and 0x90; where that can't be said of one message, its client is
    /// disconnected. The host's own messages are not bounded. Default: 128.
    pub topic_levels_max: usize,
    /// Bytes of a client identifier. Default: 1,024.
    pub client_id_bytes_max: usize,
    /// Seconds that a session may outlive its connection, `u32::MAX` for ever; also for clients before 5.0, which can't say: without an end, each name that was ever used
    /// would hold its place among [`sessions_max`](Self::sessions_max). Default: 7 days.
    pub session_expiry_max: u32,
    /// How often the broker publishes figures about itself, as retained messages below `$SYS/broker`; those that have not changed are not. Default: never.
    pub figures_interval: Option<Duration>,
    /// How long a question to the policy ([`Verdict::Ask`](crate::Verdict::Ask)) may stay unanswered; then it is refused. Default: 10 seconds.
    pub answer_timeout: Duration,
    /// Events that wait for the host; later ones are dropped and counted. Default: 10,000.
    pub events_max: usize,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            server: ServerOptions { shared_subscription_available: true, ..ServerOptions::default() },
            connections_max: 10_000,
            sessions_max: 100_000,
            subscriptions_per_session_max: 1_000,
            retained_messages_max: 100_000,
            retained_bytes_max: 256 << 20,
            topic_levels_max: 128,
            client_id_bytes_max: 1_024,
            session_expiry_max: 7 * 24 * 60 * 60,
            figures_interval: None,
            answer_timeout: Duration::from_secs(10),
            events_max: 10_000,
        }
    }
}

/// Why a connection is not taken. Close its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There are as many as there may be.
    #[error("{connections} connections are open (limit: connections_max)")]
    TooManyConnections {
        /// How many.
        connections: usize,
    },
    /// [`Broker::shutdown`](crate::Broker::shutdown) has been called.
    #[error("the broker is shutting down")]
    ShuttingDown,
}

/// Something that the host of a broker may want to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BrokerEvent {
    /// A client has connected.
    Connected {
        /// On which connection.
        connection: ConnectionId,
        /// Who, by its own name or one that the broker gave it.
        client_id: Arc<str>,
        /// The version that it speaks.
        version: Version,
        /// It had a session before.
        session_present: bool,
    },
    /// A client has gone, or been sent away.
    Disconnected {
        /// Which connection it had. What is left may still have to be sent on it.
        connection: ConnectionId,
        /// Who.
        client_id: Arc<str>,
        /// Why.
        cause: DisconnectCause,
    },
    /// A message that the host [listens](crate::Broker::listen) to has been published.
    Published {
        /// By whom; `None`: the host, or the will of a session that is over.
        publisher: Option<Arc<Principal>>,
        /// What.
        message: Arc<PublishBuf>,
    },
    /// A connection has ended before anybody was let in on it: a client was [refused](DisconnectCause::Refused), or none asked.
    Refused {
        /// Which connection. What is left may still have to be sent on it.
        connection: ConnectionId,
        /// Why.
        cause: DisconnectCause,
    },
    /// The [policy](crate::Policy) could not answer a question at once, and its connection rests until the host says what it has found out.
    Asked {
        /// What to [answer](crate::Broker::answer) with.
        ask: AskId,
        /// Who wants to do what.
        question: Question,
    },
}
