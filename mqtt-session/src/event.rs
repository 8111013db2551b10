//! What the machines have to say.

use core::fmt;

use mqtt_proto::{
    Auth, ConnAck, Connect, DecodeError, Opaque, OpaqueConnect, Properties, ReasonCode, SubAck, Subscribe, UnsubAck,
    Unsubscribe,
};

use crate::error::Violation;
use crate::{Received, ServerReferences};

/// Something that the host may want to know, or has to answer.
///
/// What comes out of `handle_input` borrows the host's input, so that nothing is copied for a message that is only looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Client: the server said yes. What was agreed is in [`Client::agreed`](crate::Client::agreed).
    Connected(ConnAck<'a>),
    /// Server: a client asks for a connection. Answer with [`Server::accept`](crate::Server::accept), [`Server::refuse`](crate::Server::refuse) or, if it names a method,
    /// [`Server::authenticate`](crate::Server::authenticate); until then nothing else is read. A method that you don't know has to be refused: v5\[MQTT-4.12.0-1\].
    ConnectRequested(Connect<'a>),
    /// Server: the same, in words that only the host understands: a CONNECT under one of the [dialect](crate::ServerOptions::dialect)'s protocols.
    OpaqueConnectRequested(OpaqueConnect<'a>),
    /// A packet of a type that the standard reserves has arrived, while connected. Only in a [dialect](mqtt_proto::Dialect) that has them.
    Opaque(Opaque<'a>),
    /// A message has arrived.
    Received(Received<'a>),
    /// A publish is settled.
    Published {
        /// Which.
        id: PublishId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Server: a client asks for messages. Answer with [`Server::suback`](crate::Server::suback).
    SubscribeRequested(Subscribe<'a>),
    /// Server: a client asks for messages no longer. Answer with [`Server::unsuback`](crate::Server::unsuback).
    UnsubscribeRequested(Unsubscribe<'a>),
    /// Client: the server has answered a subscribe, with one code per filter.
    Subscribed {
        /// Which.
        id: RequestId,
        /// The answer.
        suback: SubAck<'a>,
    },
    /// Client: the server has answered an unsubscribe.
    Unsubscribed {
        /// Which.
        id: RequestId,
        /// The answer.
        unsuback: UnsubAck<'a>,
    },
    /// Client: the connection ended before the server answered a subscribe or unsubscribe; it may or may not have happened.
    RequestLost {
        /// Which.
        id: RequestId,
    },
    /// A step of an enhanced authentication (5.0 section 4.12); its reason code says which:
    ///
    /// * 0x18: the peer has answered, or asks. Answer with [`Client::authenticate`](crate::Client::authenticate) or
    ///   [`Server::authenticate`](crate::Server::authenticate), or end it: the server with what it says to the next two, the client with `disconnect`.
    /// * 0x19, server: the client wants to authenticate again. Answer with `authenticate`, [`Server::approve`](crate::Server::approve) or, if it fails, `disconnect`.
    /// * 0x00, client: the server has approved of that.
    Auth(Auth<'a>),
    /// The connection is over, or will be as soon as what is left has been sent.
    Disconnected(Disconnected<'a>),
}

/// The end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Disconnected<'a> {
    /// Who ended it, and why.
    pub cause: DisconnectCause,
    /// The properties of the packet that the peer ended it with, if it did: of its DISCONNECT, or of the CONNACK that refuses the connection.
    pub properties: Properties<'a>,
    /// What stands behind the last field of the CONNACK that refuses the connection, where the [dialect](mqtt_proto::Dialect::connack_trailing) takes it. Else empty.
    pub trailing: &'a [u8],
}

impl<'a> Disconnected<'a> {
    pub(crate) const fn new(cause: DisconnectCause) -> Self {
        Self { cause, properties: Properties::EMPTY, trailing: &[] }
    }

    /// The servers that the peer says should be used instead, for now ([`UseAnotherServer`](ReasonCode::UseAnotherServer)) or from now on
    /// ([`ServerMoved`](ReasonCode::ServerMoved)). It may give that reason and name none, too (5.0 section 4.11).
    ///
    /// ```
    /// use mqtt_proto::ReasonCode;
    /// use mqtt_session::{Client, ConnectOptions, DisconnectCause, Event, Instant};
    ///
    /// let mut client = Client::new(ConnectOptions::new("c"));
    /// client.connect(Instant::ZERO)?;
    /// let mut connack = &b"\x20\x0F\0\x9C\x0C\x1C\0\x09host:1884"[..];
    /// let Some(Event::Disconnected(end)) = client.handle_input(Instant::ZERO, &mut connack) else { panic!() };
    /// assert_eq!(end.cause, DisconnectCause::Refused(ReasonCode::UseAnotherServer));
    /// let server = end.server_references().next().unwrap();
    /// assert_eq!((server.host, server.port), ("host", Some(1884)));
    /// # Ok::<(), mqtt_session::ConnectError>(())
    /// ```
    #[must_use]
    pub fn server_references(&self) -> ServerReferences<'a> {
        ServerReferences::new(self.properties.server_reference().map_or("", |list| list.as_str()))
    }
}

/// Not the trailing bytes: there may be secrets among them.
impl fmt::Debug for Disconnected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut disconnected = f.debug_struct("Disconnected");
        disconnected.field("cause", &self.cause).field("properties", &self.properties);
        if !self.trailing.is_empty() {
            disconnected.field("trailing", &format_args!("({} bytes)", self.trailing.len()));
        }
        disconnected.finish()
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectCause {
    /// We ended it.
    #[error("disconnected by this end: {0}")]
    Local(ReasonCode),
    /// The peer sent DISCONNECT.
    #[error("disconnected by the peer: {0}")]
    Peer(ReasonCode),
    /// Client: the server refused the connection. Server: we did.
    #[error("connection refused: {0}")]
    Refused(ReasonCode),
    /// The peer sent something that is not a packet.
    #[error("the peer sent a malformed packet: {0}")]
    Malformed(DecodeError),
    /// The peer sent a packet that it may not send now.
    #[error("the peer broke the protocol: {0}")]
    Violation(Violation),
    /// Nothing was heard for too long.
    #[error("keep alive timeout v3[MQTT-3.1.2-24] v5[MQTT-3.1.2-22]")]
    KeepAliveTimeout,
    /// A packet was begun and not finished in time: see [`Limits::packet_timeout`](crate::Limits::packet_timeout).
    #[error("a packet was not complete within the packet timeout")]
    PacketTimeout,
    /// CONNECT, or the answer to it, did not come in time.
    #[error("no connection within the connect timeout")]
    ConnectTimeout,
    /// A re-authentication was not done in time.
    #[error("no re-authentication within the connect timeout")]
    AuthenticationTimeout,
    /// The transport ended without a word.
    #[error("the transport was closed")]
    TransportClosed,
}

impl DisconnectCause {
    /// The reason code that says it best.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::Local(code) | Self::Peer(code) | Self::Refused(code) => code,
            Self::Malformed(error) => error.reason_code(),
            Self::Violation(violation) => violation.reason_code(),
            Self::KeepAliveTimeout => ReasonCode::KeepAliveTimeout,
            Self::PacketTimeout => ReasonCode::QuotaExceeded,
            Self::AuthenticationTimeout => ReasonCode::NotAuthorized,
            Self::ConnectTimeout | Self::TransportClosed => ReasonCode::UnspecifiedError,
        }
    }

    /// A message that the other end can't bear may be the cause of it.
    pub(crate) const fn may_blame(self) -> bool {
        match self {
            Self::Local(_)
            | Self::Refused(_)
            | Self::KeepAliveTimeout
            | Self::PacketTimeout
            | Self::ConnectTimeout
            | Self::AuthenticationTimeout => false,
            Self::Malformed(_) | Self::Violation(_) | Self::TransportClosed => true,
            Self::Peer(code) => {
                code.is_failure()
                    && !matches!(
                        code,
                        ReasonCode::ServerBusy
                            | ReasonCode::ServerShuttingDown
                            | ReasonCode::KeepAliveTimeout
                            | ReasonCode::SessionTakenOver
                            | ReasonCode::AdministrativeAction
                            | ReasonCode::UseAnotherServer
                            | ReasonCode::ServerMoved
                            | ReasonCode::ConnectionRateExceeded
                            | ReasonCode::MaximumConnectTime
                    )
            }
        }
    }

    /// The client left in good order, so that its will is not to be published: v3\[MQTT-3.14.4-3\] v5\[MQTT-3.14.4-3\].
    #[must_use]
    pub const fn drops_will(self) -> bool {
        matches!(self, Self::Peer(ReasonCode::Success))
    }
}

/// Names one accepted publish, until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishId(pub(crate) u64);

/// Names one subscribe or unsubscribe, until it is answered or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

/// What became of a publish that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth")]
pub enum Published {
    /// It is on its way already, at QoS 0: nothing more will be heard of it.
    Sent,
    /// An [`Event::Published`] will settle it.
    Pending(PublishId),
}

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// QoS 0: it went out.
    Sent,
    /// QoS 1 and 2: the peer has it. The code tells whether anybody subscribes, perhaps.
    Delivered(ReasonCode),
    /// The peer refused it.
    Rejected(ReasonCode),
    /// It was too large for the peer, and has been dropped unsent: v5\[MQTT-3.1.2-25\].
    TooLarge,
    /// Its Message Expiry Interval had passed before it could be sent: v5\[MQTT-3.3.2-5\].
    Expired,
    /// It had waited for longer than [`Limits::queued_time_max`](crate::Limits::queued_time_max), and has been dropped unsent.
    WaitedTooLong,
    /// There was no room for it, or for a newer one, and it has been dropped unsent: see [`WhenFull`](crate::WhenFull).
    QueueFull,
    /// It was given up before it was sent: by the host, or, at a server, by a client that asked for a clean start.
    Abandoned,
    /// Nobody knows: the session ended, or the peer lost it, while the message was in flight. One at QoS 2 is not sent again, since it could arrive twice; one at QoS 1 was to be, and has been
    /// dropped before it was.
    SessionLost,
    /// Nobody knows: connection after connection ended after it was sent and before anything was acknowledged. See [`Limits::attempts_max`](crate::Limits::attempts_max).
    AttemptsExhausted,
    /// Nobody knows: it was in flight, and on the next connection the peer took no such message any more: it was too large, or its QoS or retain flag not available.
    NotSentAgain,
    /// Nobody knows: the host gave it up while it was in flight.
    AbandonedInFlight,
}

impl Outcome {
    /// The peer has it; at QoS 0, it went out.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Sent | Self::Delivered(_))
    }

    /// Nobody knows whether the peer has it. If this is false, and [`is_success`](Self::is_success), too, the peer does not have it, or has refused it.
    #[must_use]
    pub const fn is_indeterminate(self) -> bool {
        matches!(self, Self::SessionLost | Self::AttemptsExhausted | Self::NotSentAgain | Self::AbandonedInFlight)
    }
}
