//! What the host decides beforehand.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use mqtt_proto::{Dialect, PropertiesBuf, Protocol, QoS, Subscribe, Version};

use crate::error::Unavailable;

/// A bound for everything that could grow.
///
/// ```
/// use mqtt_session::Limits;
///
/// let mut limits = Limits::default();
/// limits.queued_messages_max = 10;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// How long CONNECT, or the answer to it, may take, with all rounds of an authentication. A re-authentication may take as long, too. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long what is left to be sent may take when a connection has ended, counted from the end ([`Event::Disconnected`](crate::Event::Disconnected)). Then it is dropped, and
    /// the transport is to be closed. Default: 2 s.
    pub close_timeout: Duration,
    /// Server: how long a packet may take from its first byte to its last, in all, also when keep alive is off; then its sender is disconnected
    /// ([`DisconnectCause::PacketTimeout`](crate::DisconnectCause::PacketTimeout)). It has to be longer than the largest packet takes on the slowest link. Default: 2 minutes.
    pub packet_timeout: Duration,
    /// AUTH packets that we take from the peer in one authentication. Default: 16.
    pub authentication_rounds_max: u16,
    /// Publishes at QoS 1 and 2 that may be unacknowledged by the peer; fewer if it says so (Receive Maximum). Default: 100.
    pub in_flight_max: u16,
    /// The same before 5.0, where the peer can't say how many it takes; common brokers lose messages beyond 20. Default: 20.
    pub in_flight_before_5_max: u16,
    /// Outgoing messages that may wait or be in flight. Default: 1,000.
    pub queued_messages_max: usize,
    /// Their bytes: topics, properties, payloads, and the subscription identifiers of each delivery; a queue that is empty takes one message of any size. What a full queue holds of memory is this and, for
    /// each of [`queued_messages_max`](Self::queued_messages_max), up to 350 bytes. Default: 16 MiB.
    pub queued_bytes_max: usize,
    /// How long a message may wait to be sent; then it is dropped ([`Outcome::WaitedTooLong`](crate::Outcome::WaitedTooLong)). Its own Message Expiry Interval may end
    /// it earlier. One that waits again, because the peer lost the session in which it was sent, has no such limit. Default: no limit.
    pub queued_time_max: Option<Duration>,
    /// What happens to a message for which there is no room. Default: it is refused.
    pub when_full: WhenFull,
    /// Connections that may end on one message at QoS 1 or 2; then it is given up ([`Outcome::AttemptsExhausted`](crate::Outcome::AttemptsExhausted)), so that one which the
    /// peer can't bear does not hold up the others for ever. A connection counts if the other end closed it, or broke the protocol, after the message was sent and before
    /// anything was acknowledged; it counts against the first such message only. After two on the same, messages go out one by one until something is acknowledged, so that the right one is found.
    /// A network that goes silent (keep alive), a goodbye, and what the host ends itself never count. Default: 16; `u32::MAX`: no limit.
    pub attempts_max: u32,
    /// Topics of outgoing messages that are replaced by topic aliases, those used last; fewer if the peer takes fewer (Topic Alias Maximum). A message with a new topic gets three
    /// bytes longer by that, and later ones shorter by the topic. 5.0 only. Default: 0.
    pub topic_aliases_max: u16,
    /// Encoded output up to which messages are encoded at once; above, they stay queued. Default: 64 KiB.
    pub output_bytes_max: usize,
    /// Bytes of messages that we have not acknowledged yet; a peer that sends more is disconnected. Default: 16 MiB.
    pub unacknowledged_bytes_max: usize,
    /// QoS 2 messages of one session that we have taken and that the peer has not released, over all its connections. A 5.0 peer is told so of the next (PUBREC 0x97), which is not
    /// handed out; an older one is disconnected, since it can't be told. Default: 10,000.
    pub unreleased_max: usize,
    /// Client: subscribes and unsubscribes that may be unanswered. Default: 256.
    pub requests_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            packet_timeout: Duration::from_secs(120),
            authentication_rounds_max: 16,
            in_flight_max: 100,
            in_flight_before_5_max: 20,
            queued_messages_max: 1_000,
            queued_bytes_max: 16 << 20,
            queued_time_max: None,
            when_full: WhenFull::default(),
            attempts_max: 16,
            topic_aliases_max: 0,
            output_bytes_max: 64 << 10,
            unacknowledged_bytes_max: 16 << 20,
            unreleased_max: 10_000,
            requests_max: 256,
        }
    }
}

/// What happens to an outgoing message for which there is no room: [`Limits::queued_messages_max`], [`Limits::queued_bytes_max`].
///
/// Messages in flight are never dropped for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenFull {
    /// The verb returns [`PublishError::QueueFull`](crate::PublishError::QueueFull), and nothing has happened.
    #[default]
    Refuse,
    /// It is accepted, and settled at once with [`Outcome::QueueFull`](crate::Outcome::QueueFull).
    DropNewest,
    /// Those that have waited longest are settled with [`Outcome::QueueFull`](crate::Outcome::QueueFull) until there is room. If there would be none without any of them, it is
    /// dropped itself.
    DropOldest,
}

/// Who says that a message at QoS 1 or 2 has been taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acknowledge {
    /// The machine does, when it hands the message out.
    #[default]
    AtOnce,
    /// The host does, with `acknowledge`. Until then the message counts against Receive Maximum, which is how a slow application
    /// slows its senders down. Acknowledgements go out in the order in which the messages came.
    Manually,
}

/// What a client asks for when it connects.
///
/// ```
/// use mqtt_proto::Version;
/// use mqtt_session::ConnectOptions;
///
/// let mut options = ConnectOptions::new("thermometer-7");
/// options.version = Version::V3_1_1;
/// options.keep_alive = 30;
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Default: 5.0.
    pub version: Version,
    /// Who the client is. Empty: the server chooses (from 3.1.1 on).
    pub client_id: String,
    /// Forget what an earlier connection left behind. Default: yes.
    pub clean_start: bool,
    /// Seconds that the session outlives its connection, `u32::MAX` for ever. 5.0 only. Default: 0.
    pub session_expiry_interval: u32,
    /// Seconds within which the client sends something; 0 turns the check off. A server that is asked whether it is there has as long to answer, and as long again after every byte
    /// that comes from it meanwhile: on a slow link, the answer may be behind a large message. Default: 60.
    pub keep_alive: u16,
    /// Who the user is.
    pub user_name: Option<String>,
    /// The secret that proves it.
    pub password: Option<Vec<u8>>,
    /// A proof in several steps. 5.0 only.
    pub authentication: Option<Authentication>,
    /// How the server departs from the standard. Default: not at all.
    pub dialect: Dialect,
    /// Which of the dialect's protocols to connect under; it stands for [`version`](Self::version). Default: the standard's.
    pub protocol: Option<&'static Protocol>,
    /// What CONNECT says instead of its fields, under a protocol that has a body of its own: none of these options is in it then. What it says of the
    /// session, [`clean_start`](Self::clean_start) and [`session_expiry_interval`](Self::session_expiry_interval) have to say, too: the client goes by them.
    pub opaque_connect: Option<Vec<u8>>,
    /// What the server publishes if the client goes without a word.
    pub will: Option<WillOptions>,
    /// Publishes at QoS 1 and 2 that we take before we acknowledge one. 5.0 only. Default: 100.
    pub receive_maximum: u16,
    /// The largest packet that we take, in bytes. Default: 1 MiB.
    pub packet_bytes_max: u32,
    /// The highest topic alias that we take. 5.0 only. Default: 0.
    pub topic_alias_maximum: u16,
    /// Further 5.0 properties of CONNECT.
    pub properties: PropertiesBuf,
    /// Who acknowledges messages.
    pub acknowledge: Acknowledge,
    /// Bounds.
    pub limits: Limits,
}

impl ConnectOptions {
    /// The defaults, for this client identifier.
    #[must_use]
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            version: Version::V5,
            client_id: client_id.into(),
            clean_start: true,
            session_expiry_interval: 0,
            keep_alive: 60,
            user_name: None,
            password: None,
            authentication: None,
            dialect: Dialect::STANDARD,
            protocol: None,
            opaque_connect: None,
            will: None,
            receive_maximum: 100,
            packet_bytes_max: 1 << 20,
            topic_alias_maximum: 0,
            properties: PropertiesBuf::new(),
            acknowledge: Acknowledge::default(),
            limits: Limits::default(),
        }
    }
}

/// Hides the password.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("clean_start", &self.clean_start)
            .field("session_expiry_interval", &self.session_expiry_interval)
            .field("keep_alive", &self.keep_alive)
            .field("user_name", &self.user_name)
            .field("password", &self.password.as_ref().map(|_| format_args!("(hidden)")))
            .field("authentication", &self.authentication)
            .field("dialect", &self.dialect)
            .field("protocol", &self.protocol)
            .field("opaque_connect", &self.opaque_connect.as_ref().map(|_| format_args!("(hidden)")))
            .field("will", &self.will)
            .field("receive_maximum", &self.receive_maximum)
            .field("packet_bytes_max", &self.packet_bytes_max)
            .field("topic_alias_maximum", &self.topic_alias_maximum)
            .field("properties", &self.properties)
            .field("acknowledge", &self.acknowledge)
            .field("limits", &self.limits)
            .finish()
    }
}

/// How a client begins an enhanced authentication (5.0 section 4.12): what both ends say after that is the method's business, and comes and goes as
/// [`Event::Auth`](crate::Event::Auth) and [`Client::authenticate`](crate::Client::authenticate).
///
/// ```
/// use mqtt_session::{Authentication, ConnectOptions};
///
/// let mut authentication = Authentication::new("SCRAM-SHA-256");
/// authentication.data = Some(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL".to_vec());
/// let mut options = ConnectOptions::new("thermometer-7");
/// options.authentication = Some(authentication);
/// assert!(!format!("{options:?}").contains("n=user"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Authentication {
    /// Its name, which both ends have to know.
    pub method: String,
    /// What the method sends first, if it does.
    pub data: Option<Vec<u8>>,
}

impl Authentication {
    /// A method that lets the server speak first.
    #[must_use]
    pub fn new(method: impl Into<String>) -> Self {
        Self { method: method.into(), data: None }
    }
}

/// Hides the data.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("method", &self.method)
            .field("data", &self.data.as_ref().map(|_| format_args!("(hidden)")))
            .finish()
    }
}

/// A will (section 3.1.2.5).
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WillOptions {
    /// Where.
    pub topic: String,
    /// What; at most 65,535 bytes.
    pub payload: Bytes,
    /// How hard. Default: QoS 0.
    pub qos: QoS,
    /// As a retained message. Default: no.
    pub retain: bool,
    /// 5.0 properties.
    pub properties: PropertiesBuf,
}

impl WillOptions {
    /// A will at QoS 0, not retained.
    #[must_use]
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: PropertiesBuf::new(),
        }
    }
}

impl fmt::Debug for WillOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WillOptions")
            .field("topic", &self.topic)
            .field("payload", &format_args!("({} bytes)", self.payload.len()))
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .finish()
    }
}

/// What a server offers. Everything that is announced to a 5.0 client is enforced, too: one that asks for more is disconnected, and its packet is not handed out.
///
/// Older clients are told nothing. Beyond the highest QoS and retained messages, what they may subscribe to is the host's to judge, which can refuse it
/// ([`Server::suback`](crate::Server::suback)).
///
/// ```
/// use mqtt_session::ServerOptions;
///
/// let mut options = ServerOptions::default();
/// options.receive_maximum = 20;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Publishes at QoS 1 and 2 that we take before we acknowledge one. Default: 100.
    pub receive_maximum: u16,
    /// The largest packet that we take, in bytes. Default: 1 MiB.
    pub packet_bytes_max: u32,
    /// The largest packet that we take, in bytes, from somebody who has not been accepted: CONNECT, and AUTH before CONNACK. A larger one is not waited for; if it is a CONNECT of 5.0, it is
    /// refused with 0x95. Never more than [`packet_bytes_max`](Self::packet_bytes_max). Default: 128 KiB, which leaves room for a large will.
    pub connect_bytes_max: u32,
    /// The highest topic alias that we take. Default: 10.
    pub topic_alias_maximum: u16,
    /// The keep alive, in seconds, that clients must use instead of their own. One from which no packet has come for one and a half times as long is disconnected: v5\[MQTT-3.1.2-22\],
    /// and before 5.0 v3\[MQTT-3.1.2-24\]. Only complete packets count, so it has to be longer than the largest takes on the slowest link.
    pub server_keep_alive: Option<u16>,
    /// The highest QoS that we take. Default: 2.
    pub maximum_qos: QoS,
    /// We keep retained messages. Default: yes.
    pub retain_available: bool,
    /// Subscriptions may have wildcards. Default: yes.
    pub wildcard_subscription_available: bool,
    /// Subscriptions may have identifiers. Default: yes.
    pub subscription_identifier_available: bool,
    /// Subscriptions may be shared. Default: no.
    pub shared_subscription_available: bool,
    /// How clients may depart from the standard. Default: not at all. [`Broker`](crate::Broker) refuses a CONNECT with an opaque body, which only its maker
    /// can read, and passes over packets of reserved types.
    pub dialect: Dialect,
    /// Who acknowledges messages.
    pub acknowledge: Acknowledge,
    /// Bounds. [`Limits::queued_messages_max`] is 100,000 here: a burst for one client comes from many.
    pub limits: Limits,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            receive_maximum: 100,
            packet_bytes_max: 1 << 20,
            connect_bytes_max: 128 << 10,
            topic_alias_maximum: 10,
            server_keep_alive: None,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscription_available: true,
            subscription_identifier_available: true,
            shared_subscription_available: false,
            dialect: Dialect::STANDARD,
            acknowledge: Acknowledge::default(),
            limits: Limits { queued_messages_max: 100_000, ..Limits::default() },
        }
    }
}

/// What the peer has agreed to, for one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Agreed {
    /// The version spoken.
    pub version: Version,
    /// The client identifier in use: the client's own, or the one that the server assigned.
    pub client_id: String,
    /// The server is known to have resumed a session, so that it still has its subscriptions. It can't tell a 3.1 client, where this is always false.
    pub session_present: bool,
    /// This end goes on with its session: what was in flight is sent again, and what was not acknowledged comes again. The same as
    /// [`session_present`](Self::session_present), but a 3.1 client, which is not told, goes on whenever it has not asked for a clean start.
    pub is_resumed: bool,
    /// Seconds that the session outlives the connection; before 5.0, 0 after a clean start, and else `u32::MAX`, for ever.
    pub session_expiry_interval: u32,
    /// Seconds within which the client sends something; 0: no check.
    pub keep_alive: u16,
    /// Publishes at QoS 1 and 2 that the peer takes before it acknowledges one.
    pub receive_maximum: u16,
    /// The largest packet that the peer takes, in bytes.
    pub packet_bytes_max: u32,
    /// The highest topic alias that the peer takes.
    pub topic_alias_maximum: u16,
    /// The highest QoS that the server takes.
    pub maximum_qos: QoS,
    /// The server keeps retained messages.
    pub retain_available: bool,
    /// The server takes subscriptions with wildcards.
    pub wildcard_subscription_available: bool,
    /// The server takes subscriptions with identifiers.
    pub subscription_identifier_available: bool,
    /// The server takes shared subscriptions.
    pub shared_subscription_available: bool,
    /// Client: what the server says that response topics should be built from, if it was asked (Request Response Information, 5.0 section 3.1.2.11.6).
    pub response_information: Option<String>,
}

impl Agreed {
    pub(crate) const fn new(version: Version) -> Self {
        Self {
            version,
            client_id: String::new(),
            session_present: false,
            is_resumed: false,
            session_expiry_interval: 0,
            keep_alive: 0,
            receive_maximum: u16::MAX,
            packet_bytes_max: mqtt_proto::PACKET_BYTES_MAX,
            topic_alias_maximum: 0,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscription_available: true,
            subscription_identifier_available: true,
            shared_subscription_available: true,
            response_information: None,
        }
    }

    /// The first thing in a SUBSCRIBE that the server has announced not to take.
    pub(crate) fn unavailable(&self, subscribe: &Subscribe<'_>) -> Option<Unavailable> {
        // v5 3.2.2.3.12
        if !self.subscription_identifier_available && subscribe.properties.subscription_identifier().is_some() {
            return Some(Unavailable::Identifier);
        }
        subscribe.subscriptions.iter().find_map(|subscription| {
            let filter = subscription.filter;
            // v5 3.2.2.3.13
            if !self.shared_subscription_available && filter.shared().is_some() {
                Some(Unavailable::Shared)
            // v5 3.2.2.3.11
            } else if !self.wildcard_subscription_available && filter.has_wildcard() {
                Some(Unavailable::Wildcard)
            } else {
                None
            }
        })
    }
}
