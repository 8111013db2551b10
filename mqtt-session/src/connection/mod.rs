//! The rules that both ends share. Only this room knows all parts, and only it encodes. It does not know which end it is beyond its [`Codec`].
//!
//! Here is a connection's life; what it receives, what it sends and what it settles by itself are in the files below.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::num::NonZeroU32;

use mqtt_proto::{
    Codec, Disconnect, EncodeError, Framer, Packet, PacketId, Properties, PropertiesBuf, QoS, ReasonCode, Role,
    TransmitBuf, Version,
};

use crate::event::{DisconnectCause, Disconnected};
use crate::parts::alias::{InboundAliases, OutboundAliases};
use crate::parts::inbound::Inbound;
use crate::parts::keep_alive::{Due, KeepAlive};
use crate::parts::output::Output;
use crate::parts::packet_id::PacketIds;
use crate::parts::quota::Quota;
use crate::parts::requests::Requests;
use crate::saved::{SessionOp, SessionState};
use crate::{Acknowledge, Agreed, Event, Instant, Limits};

mod authenticate;
mod explain;
mod receive;
mod send;
mod settle;

pub(crate) use explain::{explains, only_explains};
pub(crate) use receive::Handled;
pub(crate) use send::is_too_large;

/// What [`poll_transmit`](crate::Client::poll_transmit) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle all three")]
pub enum Transmit {
    /// Nothing to send now.
    Idle,
    /// Bytes have been appended. Write them before asking again.
    ///
    /// They are the host's now, also when the transport takes no more. Go on with the clock while it does not: a silent peer is found out by that, and when the connection
    /// [is overdue](crate::Client::is_overdue), close the transport, whatever is unwritten.
    Ready,
    /// Nothing more will be sent: write what is left, then close the transport. If the transport does not take it, it need not be waited for when
    /// [`is_overdue`](crate::Client::is_overdue) says so.
    Close,
}

/// How far a connection has come.
///
/// ```text
///   Idle ---connect()---> AwaitConnAck ---CONNACK---> Open
///                           |      ^
///                 AUTH 0x18 |      | authenticate()
///                           v      |
///                           DueAuth
///
///   Idle -Server::new-> AwaitConnect --CONNECT--> DueConnAck --accept()--> Open
///                                                   |    ^
///                                    authenticate() |    | AUTH 0x18
///                                                   v    |
///                                                  AwaitAuth
///
///   Open ------reauthenticate(), AUTH 0x19---> AwaitReAuth at the client, DueReAuth at the server
///   DueReAuth ---authenticate(), AUTH 0x18---> AwaitReAuth at this end, DueReAuth at the other
///   DueReAuth --------approve(), AUTH 0x00---> Open at both ends
///
///   each but Idle --disconnect(), refuse(), DISCONNECT, error, deadline---> Closing --handle_closed()--> Idle
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// There is no transport.
    Idle,
    /// Client: the server owes CONNACK, or AUTH.
    AwaitConnAck,
    /// Client: the host owes `authenticate`, on the way to CONNACK.
    DueAuth,
    /// Server: the client owes CONNECT.
    AwaitConnect,
    /// Server: the host owes `accept`, `refuse` or `authenticate`.
    DueConnAck,
    /// Server: the client owes AUTH, on the way to CONNACK.
    AwaitAuth,
    /// Both have agreed.
    Open,
    /// The same, and the host owes `authenticate`, or, at the server, `approve` or `disconnect`.
    DueReAuth,
    /// The same, and the peer owes AUTH.
    AwaitReAuth,
    /// Nothing more is read; what is left goes out.
    Closing,
}

/// What we announced to the peer, and therefore enforce.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Announced {
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_qos: QoS,
    pub(crate) retain_available: bool,
    /// Client: reason strings and user properties are welcome everywhere.
    pub(crate) problem_information: bool,
}

/// One end of a connection, and the session behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) session: SessionState,
    pub(crate) link: Link,
    limits: Limits,
    acknowledge: Acknowledge,
    packet_ids: PacketIds,
    /// The name of the next request.
    next_request: u64,
    events: VecDeque<Event<'static>>,
}

/// What belongs to one connection and ends with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    pub(crate) phase: Phase,
    /// The handshake was done.
    pub(crate) was_open: bool,
    pub(crate) codec: Codec,
    pub(crate) agreed: Agreed,
    pub(crate) announced: Announced,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) aliases: InboundAliases,
    pub(crate) requests: Requests,
    /// Reason strings and user properties may be sent in acknowledgements: v5\[MQTT-3.1.2-29\].
    pub(crate) problem_information: bool,
    /// CONNECT asked for a session that ends with the connection, which DISCONNECT may not change: v5 3.14.2.2.2
    pub(crate) is_brief: bool,
    /// The authentication method that CONNECT named: v5\[MQTT-4.12.0-5\].
    pub(crate) method: Option<String>,
    /// Packets of the peer in the present exchange.
    rounds: u16,
    /// When the handshake, or the re-authentication, or the closing must be done. `None` while closing: it should have been.
    deadline: Option<Instant>,
    framer: Framer,
    /// Server: when the first byte of the packet at the front was offered.
    begun: Option<Instant>,
    output: Output,
    quota: Quota,
    inbound: Inbound,
    topics: OutboundAliases,
    /// Room for the properties of one message, used again and again.
    properties: PropertiesBuf,
    /// Counts the acknowledgements of our messages, from one.
    acknowledgements: NonZeroU32,
    /// If the connection has ended, it may be because of a message.
    may_blame: bool,
    /// Whose session it is, and when the connection was opened, in a few bits.
    owner: u32,
    /// Flights of earlier connections, still to be sent again on this one.
    resend: VecDeque<PacketId>,
}

impl Link {
    fn new(phase: Phase, codec: Codec, now: Instant) -> Self {
        Self {
            phase,
            was_open: false,
            codec,
            agreed: Agreed::new(codec.version),
            announced: Announced {
                receive_maximum: u16::MAX,
                maximum_qos: QoS::ExactlyOnce,
                retain_available: true,
                problem_information: true,
            },
            keep_alive: KeepAlive::new(codec.role, now),
            aliases: InboundAliases::default(),
            requests: Requests::default(),
            problem_information: true,
            is_brief: false,
            method: None,
            rounds: 0,
            deadline: None,
            framer: Framer::for_codec(&codec),
            begun: None,
            output: Output::default(),
            quota: Quota::new(0),
            inbound: Inbound::default(),
            topics: OutboundAliases::default(),
            properties: PropertiesBuf::new(),
            acknowledgements: NonZeroU32::MIN,
            may_blame: true,
            owner: 0,
            resend: VecDeque::new(),
        }
    }
}

impl Connection {
    pub(crate) fn new(codec: Codec, limits: Limits, acknowledge: Acknowledge) -> Self {
        Self {
            session: SessionState::default(),
            link: Link::new(Phase::Idle, codec, Instant::ZERO),
            limits,
            acknowledge,
            packet_ids: PacketIds::default(),
            next_request: 0,
            events: VecDeque::new(),
        }
    }

    pub(crate) const fn version(&self) -> Version {
        self.link.codec.version
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.link.phase, Phase::Open | Phase::DueReAuth | Phase::AwaitReAuth)
    }

    /// A transport is there. The handshake gets its deadline.
    pub(crate) fn begin(&mut self, now: Instant, phase: Phase, codec: Codec) {
        // Nothing of the connection before it is left, aliases for one: v5[MQTT-3.3.2-7]
        self.link = Link::new(phase, codec, now);
        self.link.deadline = Some(now + self.limits.connect_timeout);
    }

    /// From now on packets of this size are taken. Between two packets.
    pub(crate) fn widen(&mut self, packet_bytes_max: u32) {
        self.link.codec.packet_bytes_max = packet_bytes_max;
        self.link.framer = Framer::for_codec(&self.link.codec);
    }

    /// The handshake is done, and `agreed` says with what result.
    pub(crate) fn open(&mut self, now: Instant) {
        let link = &mut self.link;
        link.phase = Phase::Open;
        link.was_open = true;
        link.deadline = None;
        link.keep_alive.start(link.agreed.keep_alive, now);
        // v5[MQTT-3.3.4-7] v5[MQTT-3.3.4-9] v5[MQTT-4.9.0-1]
        let limits = &self.limits;
        let told = link.codec.version.has_receive_maximum();
        let own_maximum = if told { limits.in_flight_max } else { limits.in_flight_before_5_max };
        link.quota = Quota::new(link.agreed.receive_maximum.min(own_maximum).max(1));
        // v5[MQTT-3.1.2-26] v5[MQTT-3.1.2-27] v5[MQTT-3.2.2-17] v5[MQTT-3.2.2-18]
        link.topics = OutboundAliases::new(link.agreed.topic_alias_maximum.min(limits.topic_aliases_max));
        link.owner = few_bits(&link.agreed.client_id, now);
        self.session.commit(SessionOp::Open);
        if self.link.agreed.is_resumed {
            // v3[MQTT-4.4.0-1] v5[MQTT-4.4.0-1]
            self.link.resend = self.session.flights();
        } else {
            self.forget(now);
        }
        if self.session.is_suspicious() {
            self.link.quota.narrow();
        }
        self.pump(now);
    }

    /// Ends the connection for `cause`, telling the peer where its version has a way. Returns what to tell the host.
    pub(crate) fn fail<'b>(&mut self, now: Instant, cause: DisconnectCause) -> Event<'b> {
        // v5[MQTT-3.14.0-1]
        if self.is_open() && !matches!(cause, DisconnectCause::Peer(_) | DisconnectCause::TransportClosed) {
            self.say_goodbye(cause.reason_code());
        }
        // v3[MQTT-3.2.2-5] v5[MQTT-3.2.2-7] v5[MQTT-4.13.1-1] v5[MQTT-4.13.2-1]
        self.close(now, cause.may_blame());
        Event::Disconnected(Disconnected::new(cause))
    }

    /// Nothing more is read, and what is left has a deadline, too.
    fn close(&mut self, now: Instant, may_blame: bool) {
        self.link.phase = Phase::Closing;
        self.link.may_blame = may_blame;
        self.link.deadline = Some(now + self.limits.close_timeout);
    }

    /// What was left has had its time.
    pub(crate) fn is_overdue(&self) -> bool {
        self.link.phase == Phase::Closing && self.link.deadline.is_none()
    }

    /// DISCONNECT, with a code that our end may send. Before 5.0 it has none, and says that all is well: a client's will would be lost with it
    /// (v3\[MQTT-3.14.4-3\]), so the connection is only closed (v3\[MQTT-4.8.0-1\]).
    fn say_goodbye(&mut self, reason_code: ReasonCode) {
        if !self.version().acks_carry_reason() {
            return;
        }
        for code in [reason_code, ReasonCode::UnspecifiedError] {
            // One that does not fit is left out, as is a code that is not ours to send: v5[MQTT-3.1.2-24]
            if matches!(
                self.try_answer(&Packet::Disconnect(Disconnect::new(code))),
                Ok(()) | Err(EncodeError::TooLarge { .. })
            ) {
                return;
            }
        }
    }

    /// Our end has had enough: DISCONNECT, then close.
    pub(crate) fn disconnect(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), EncodeError> {
        let codec = self.link.codec;
        if codec.role == Role::Client || codec.version.server_may_disconnect() {
            // v5[MQTT-3.14.2-3] v5[MQTT-3.14.2-4]
            let mut sent = self.answer_explained(Packet::Disconnect(Disconnect { reason_code, properties }));
            if sent.is_ok() {
                self.change_session_expiry(properties);
            }
            if is_too_large(&sent) {
                sent = self.try_answer(&Packet::Disconnect(Disconnect::new(reason_code)));
            }
            // One that still does not fit is left out: v5[MQTT-3.1.2-24]
            if !is_too_large(&sent) {
                sent?;
            }
        }
        // v3[MQTT-3.14.4-1] v5[MQTT-3.14.4-2]
        self.close(now, false);
        self.events.push_back(Event::Disconnected(Disconnected::new(DisconnectCause::Local(reason_code))));
        Ok(())
    }

    /// What a client's DISCONNECT says of how long the session stays.
    fn change_session_expiry(&mut self, properties: Properties<'_>) {
        if let Some(interval) = properties.session_expiry_interval() {
            self.link.agreed.session_expiry_interval = interval;
        }
    }

    pub(crate) fn handle_closed(&mut self) {
        if !matches!(self.link.phase, Phase::Idle | Phase::Closing) {
            self.events.push_back(Event::Disconnected(Disconnected::new(DisconnectCause::TransportClosed)));
        }
        for id in self.link.requests.lose() {
            self.events.push_back(Event::RequestLost { id });
        }
        self.part();
        self.link = Link::new(Phase::Idle, self.link.codec, Instant::ZERO);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.drop_over(now);
        if self.link_timeout().is_none_or(|deadline| now < deadline) {
            return;
        }
        if self.link.phase == Phase::Closing {
            self.link.deadline = None;
            self.link.output = Output::default();
            return;
        }
        let is_late = self.link.deadline.is_some_and(|deadline| deadline <= now);
        let cause = match self.link.keep_alive.due(now) {
            _ if is_late && self.is_open() => DisconnectCause::AuthenticationTimeout,
            _ if is_late => DisconnectCause::ConnectTimeout,
            Some(Due::Dead) => DisconnectCause::KeepAliveTimeout,
            Some(Due::Ping) => {
                self.link.keep_alive.pinged(now);
                return self.answer(now, &Packet::PingReq);
            }
            None if self.packet_deadline().is_some_and(|deadline| deadline <= now) => {
                if !self.wants_input() {
                    // The rest of it may be there, and has not been looked at.
                    self.link.begun = Some(now);
                    return;
                }
                DisconnectCause::PacketTimeout
            }
            None => return,
        };
        let event = self.fail(now, cause);
        self.events.push_back(event);
    }

    /// Our end has done nothing since `since`. That is no fault of the peer.
    pub(crate) fn rested(&mut self, now: Instant, since: Instant) {
        self.link.keep_alive.rested(now, since);
        self.link.begun = self.link.begun.map(|begun| begun + now.since(since));
        if self.link.phase != Phase::Closing {
            self.link.deadline = self.link.deadline.map(|deadline| deadline + now.since(since));
        }
    }

    /// When something is due on the connection, as opposed to in the session.
    fn link_timeout(&self) -> Option<Instant> {
        match self.link.phase {
            Phase::Idle => None,
            Phase::Closing => self.link.deadline,
            Phase::AwaitConnAck
            | Phase::DueAuth
            | Phase::AwaitConnect
            | Phase::DueConnAck
            | Phase::AwaitAuth
            | Phase::Open
            | Phase::DueReAuth
            | Phase::AwaitReAuth => {
                let silence = self.link.keep_alive.deadline();
                self.link.deadline.into_iter().chain(silence).chain(self.packet_deadline()).min()
            }
        }
    }

    /// When the packet at the front has to be complete.
    fn packet_deadline(&self) -> Option<Instant> {
        self.link.begun.map(|begun| begun + self.limits.packet_timeout)
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event<'static>> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            // An idle connection holds no buffers.
            self.events = VecDeque::new();
        }
        event
    }

    pub(crate) fn push_event(&mut self, event: Event<'static>) {
        self.events.push_back(event);
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Transmit {
        self.pump(now);
        self.link.properties = PropertiesBuf::new();
        if !self.link.output.is_empty() {
            self.link.output.take(out);
            self.link.keep_alive.sent(now);
            Transmit::Ready
        } else if self.link.phase == Phase::Closing {
            Transmit::Close
        } else {
            Transmit::Idle
        }
    }
}

/// FNV-1a.
fn few_bits(text: &str, at: Instant) -> u32 {
    text.bytes()
        .chain(at.as_micros().to_be_bytes())
        .fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
