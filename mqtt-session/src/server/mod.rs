//! The server's end of one connection.

use mqtt_proto::{
    Cause, Codec, Disconnect, Frame, Opaque, Packet, PacketId, PacketType, Properties, ReasonCode, SubAck, TransmitBuf,
    UnsubAck, Version,
};

use crate::connection::{Connection, Handled, Phase, Transmit};
use crate::event::DisconnectCause;
use crate::{
    AckError, AckToken, Agreed, AnswerError, Event, Instant, Message, Outgoing, PublishError, Published, RequestError,
    ServerOptions, SessionState, Violation,
};

mod handshake;

pub use handshake::Accept;

/// One connection of a server, from CONNECT to the end. It knows the rules between two ends; who may do what, and who gets which message, is the broker's business.
///
/// ```
/// use mqtt_proto::{Codec, Connect, Packet, Text, TransmitBuf, Version};
/// use mqtt_session::{Accept, Event, Instant, Server, ServerOptions, SessionState, Transmit};
///
/// let now = Instant::ZERO;
/// let mut server = Server::new(now, ServerOptions::default());
///
/// let mut input = &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'a'][..];
/// let Some(Event::ConnectRequested(connect)) = server.handle_input(now, &mut input) else { panic!() };
/// assert_eq!(connect.client_id, "a");
/// server.accept(now, &mut SessionState::default(), &Accept::new("a"))?;
///
/// let mut out = TransmitBuf::new();
/// assert_eq!(server.poll_transmit(now, &mut out), Transmit::Ready);
/// assert_eq!(out.slices().next(), Some(&[0x20, 2, 0, 0][..]));
/// # Ok::<(), mqtt_session::AnswerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    options: ServerOptions,
    connection: Connection,
    /// The client asked for a clean start.
    clean_start: bool,
    /// The client left it to us to name it.
    nameless: bool,
    /// The client asked for response information, or only the host knows whether it did.
    wants_response_information: bool,
    /// Only the host could read CONNECT.
    is_opaque: bool,
    /// It was accepted, and its session has not been taken away.
    has_session: bool,
}

impl Server {
    /// The end of a transport that was just accepted. A CONNECT must come within [`Limits::connect_timeout`](crate::Limits::connect_timeout).
    #[must_use]
    pub fn new(now: Instant, options: ServerOptions) -> Self {
        let mut codec = codec(&options, Version::V5);
        codec.packet_bytes_max = options.packet_bytes_max.min(options.connect_bytes_max);
        let mut connection = Connection::new(codec, options.limits.clone(), options.acknowledge);
        connection.begin(now, Phase::AwaitConnect, codec);
        Self {
            options,
            connection,
            clean_start: true,
            nameless: false,
            wants_response_information: false,
            is_opaque: false,
            has_session: false,
        }
    }

    /// The version that the client speaks, once CONNECT has come.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.connection.version()
    }

    /// The client was accepted, and the connection is not over.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_open()
    }

    /// What was agreed with the client, while connected.
    #[must_use]
    pub fn agreed(&self) -> Option<&Agreed> {
        self.is_connected().then_some(&self.connection.link.agreed)
    }

    /// Publishes that are not settled.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.connection.session.pending()
    }

    /// A message would go out at once, and not wait behind others.
    pub(crate) fn has_room(&self) -> bool {
        self.connection.may_send_at_once()
    }

    /// The same, also at QoS 1 and 2.
    pub(crate) fn is_ready(&self) -> bool {
        self.connection.may_take_off_at_once()
    }

    /// What outlives the connection, for the next one of the same client, if that comes within [`session_expiry_interval`](Self::session_expiry_interval): drop it then, and
    /// at once if the interval is 0. A server's end knows no time when there is no connection. Nothing can be published here after that. What this settles
    /// ([`Outcome::AttemptsExhausted`](crate::Outcome::AttemptsExhausted)) is left for [`poll_event`](Self::poll_event).
    pub fn take_session(&mut self) -> SessionState {
        self.connection.part();
        self.has_session = false;
        // v3[MQTT-4.1.0-1] v5[MQTT-3.1.2-23]
        core::mem::take(&mut self.connection.session)
    }

    /// Takes packets from the front of `input` until one has something to say.
    ///
    /// `None`: nothing complete is left, or what is left must wait ([`wants_input`](Self::wants_input) tells which): for an answer of the host to
    /// [`Event::ConnectRequested`], or for the peer to read what we owe it.
    pub fn handle_input<'b>(&mut self, now: Instant, input: &mut &'b [u8]) -> Option<Event<'b>> {
        loop {
            let handled = match self.next_frame(now, input) {
                Ok(Some(frame)) => self.handle_frame(now, &frame),
                Ok(None) => return None,
                Err(cause) => Err(cause),
            };
            match handled {
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
                Err(cause) => {
                    *input = &[];
                    if self.connection.link.phase == Phase::AwaitAuth {
                        // v5[MQTT-4.12.0-4]
                        self.send_refusal(cause.reason_code());
                    }
                    return Some(self.connection.fail(now, cause));
                }
            }
        }
    }

    /// The first packet has to be CONNECT, which its first byte tells, so a peer with another protocol is not waited for.
    fn next_frame<'b>(&mut self, now: Instant, input: &mut &'b [u8]) -> Result<Option<Frame<'b>>, DisconnectCause> {
        let is_connect = |first: &u8| PacketType::from_u8(first >> 4) == Some(PacketType::Connect);
        // v3[MQTT-3.1.0-1] v5[MQTT-3.1.0-1]
        if self.connection.link.phase == Phase::AwaitConnect && !input.first().is_none_or(is_connect) {
            return Err(DisconnectCause::Violation(Violation::FirstPacket));
        }
        let frame = self.connection.next_frame(now, input);
        if let Err(DisconnectCause::Malformed(error)) = frame
            && error.cause() == Cause::PacketTooLarge
            && self.connection.link.phase == Phase::AwaitConnect
        {
            match begins_v5(input) {
                Some(true) => self.send_refusal(error.reason_code()),
                Some(false) => {}
                // A few bytes more, and we know how to say it.
                None => return Ok(None),
            }
        }
        frame
    }

    fn handle_frame<'b>(&mut self, now: Instant, frame: &Frame<'b>) -> Handled<'b> {
        if self.connection.link.phase == Phase::AwaitConnect {
            return self.handle_first(frame);
        }
        let packet = self.connection.decode(frame)?;
        // v5[MQTT-3.1.2-30]
        if self.connection.link.phase == Phase::AwaitAuth && !matches!(packet, Packet::Auth(_) | Packet::Disconnect(_))
        {
            return Err(DisconnectCause::Violation(Violation::DuringAuthentication));
        }
        match packet {
            // The host answers, and grants what there is: v3[MQTT-3.8.4-1] v5[MQTT-3.8.4-1] v5[MQTT-3.2.2-10]
            Packet::Subscribe(subscribe) => match self.connection.link.agreed.unavailable(&subscribe) {
                None => Ok(Some(Event::SubscribeRequested(subscribe))),
                Some(unavailable) => Err(DisconnectCause::Violation(unavailable.into())),
            },
            // What has begun goes on: v3[MQTT-3.10.4-3] v3[MQTT-3.10.4-4] v5[MQTT-3.10.4-3] v5[MQTT-3.10.4-4]
            Packet::Unsubscribe(unsubscribe) => Ok(Some(Event::UnsubscribeRequested(unsubscribe))),
            Packet::PingReq => {
                // v3[MQTT-3.12.4-1] v5[MQTT-3.12.4-1]
                self.connection.answer(now, &Packet::PingResp);
                Ok(None)
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(now, disconnect),
            packet => self.connection.handle_packet(now, packet, frame.as_bytes().len()),
        }
    }

    fn handle_disconnect<'b>(&mut self, now: Instant, disconnect: Disconnect<'b>) -> Handled<'b> {
        let link = &mut self.connection.link;
        if let Some(interval) = disconnect.properties.session_expiry_interval() {
            // v5 3.14.2.2.2
            if interval > 0 && link.is_brief {
                return Err(DisconnectCause::Violation(Violation::SessionExpiryRaised));
            }
            link.agreed.session_expiry_interval = interval;
        }
        self.connection.handle_packet(now, Packet::Disconnect(disconnect), 0)
    }

    /// Seconds that the session outlives the connection, also when that is over: DISCONNECT may have changed it.
    #[must_use]
    pub const fn session_expiry_interval(&self) -> u32 {
        self.connection.link.agreed.session_expiry_interval
    }

    /// Time has passed. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
    }

    /// The transport is gone.
    pub fn handle_closed(&mut self, _: Instant) {
        let session_expiry_interval = self.session_expiry_interval();
        self.connection.handle_closed();
        self.connection.link.agreed.session_expiry_interval = session_expiry_interval;
    }

    /// What there is to say that no input caused.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        self.connection.poll_event()
    }

    /// Appends what there is to send to `out`: about [`Limits::output_bytes_max`](crate::Limits::output_bytes_max) at most, so write it before asking again.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Transmit {
        self.connection.poll_transmit(now, out)
    }

    /// The connection is over, and what was left to be sent has had its time ([`Limits::close_timeout`](crate::Limits::close_timeout)): close the transport, whatever is unwritten. It begins with a
    /// [`handle_timeout`](Self::handle_timeout), for which [`poll_timeout`](Self::poll_timeout) asks, and ends with [`handle_closed`](Self::handle_closed).
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.connection.is_overdue()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// Input would be handled now.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.connection.wants_input()
    }

    /// Publishes a message to the client.
    ///
    /// # Errors
    ///
    /// No client has been accepted, the queue is full, or the message is none that this client takes. It has not been accepted then.
    pub fn publish(&mut self, now: Instant, message: &Message<'_>) -> Result<Published, PublishError> {
        if !self.has_session {
            return Err(PublishError::NoSession);
        }
        self.connection.publish(now, message)
    }

    /// Publishes a message that is kept already, perhaps for many clients.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish).
    pub fn deliver(&mut self, now: Instant, outgoing: Outgoing) -> Result<Published, PublishError> {
        if !self.has_session {
            return Err(PublishError::NoSession);
        }
        self.connection.deliver(now, outgoing)
    }

    /// Gives up every publish that is not settled: each is settled now, for [`poll_event`](Self::poll_event) to say. What has not been sent won't be
    /// ([`Outcome::Abandoned`](crate::Outcome::Abandoned)); what is in flight may arrive ([`Outcome::AbandonedInFlight`](crate::Outcome::AbandonedInFlight)).
    pub fn abandon(&mut self, _: Instant) {
        self.connection.abandon();
    }

    /// Answers [`Event::SubscribeRequested`], with one code per filter in their order: v5\[MQTT-3.8.4-6\].
    ///
    /// # Errors
    ///
    /// There is no connection, this is no SUBACK, or the client takes none of this size. Before 5.0 every refusal is sent as 0x80.
    pub fn suback(
        &mut self,
        _: Instant,
        packet_id: PacketId,
        reason_codes: &[ReasonCode],
        properties: Properties<'_>,
    ) -> Result<(), AnswerError> {
        let version = self.version();
        let reason_codes: alloc::vec::Vec<_> = reason_codes.iter().map(|code| code.for_suback(version)).collect();
        // v3[MQTT-2.3.1-7] v3[MQTT-3.8.4-2] v5[MQTT-2.2.1-6] v5[MQTT-3.8.4-2]
        self.answer(Packet::SubAck(SubAck { packet_id, properties, reason_codes: reason_codes[..].into() }))
    }

    /// Answers [`Event::UnsubscribeRequested`], with one code per filter in their order. Before 5.0 no codes are sent.
    ///
    /// # Errors
    ///
    /// There is no connection, this is no UNSUBACK, or the client takes none of this size.
    pub fn unsuback(
        &mut self,
        _: Instant,
        packet_id: PacketId,
        reason_codes: &[ReasonCode],
        properties: Properties<'_>,
    ) -> Result<(), AnswerError> {
        let reason_codes = if self.version().unsuback_carries_reasons() { reason_codes } else { &[] };
        // v3[MQTT-2.3.1-7] v3[MQTT-3.10.4-5] v5[MQTT-2.2.1-6] v5[MQTT-3.10.4-5]
        self.answer(Packet::UnsubAck(UnsubAck { packet_id, properties, reason_codes: reason_codes.into() }))
    }

    fn answer(&mut self, packet: Packet<'_>) -> Result<(), AnswerError> {
        if !self.is_connected() {
            return Err(AnswerError::NothingAsked);
        }
        Ok(self.connection.answer_explained(packet)?)
    }

    /// Gives up the messages that are unwanted, as [`abandon`](Self::abandon) gives up all: what has not been sent won't be, and what is in flight is not sent again.
    pub fn abandon_if(&mut self, _: Instant, is_unwanted: impl FnMut(&Outgoing) -> bool) {
        self.connection.abandon_if(is_unwanted);
    }

    pub(crate) const fn session(&self) -> &SessionState {
        &self.connection.session
    }

    pub(crate) fn session_mut(&mut self) -> &mut SessionState {
        &mut self.connection.session
    }

    /// The connection has rested since `since`, because of us: for it, no time has passed.
    pub(crate) fn rested(&mut self, now: Instant, since: Instant) {
        self.connection.rested(now, since);
    }

    /// Says that a message has been taken, or why not, and explains it (5.0; older versions have no place for that). Acknowledgements go out in the order in which
    /// the messages came.
    ///
    /// # Errors
    ///
    /// The connection that brought the message has ended, or it was acknowledged before, or these are no reason and properties for it.
    pub fn acknowledge(
        &mut self,
        now: Instant,
        token: AckToken,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), AckError> {
        self.connection.take(now, token, reason_code, properties)
    }

    /// Sends a packet of a type that the standard reserves, where the [dialect](mqtt_proto::Dialect) has it. It goes out at once or not at all, and nothing is heard of it.
    ///
    /// As [`Client::send_opaque`](crate::Client::send_opaque) does.
    ///
    /// # Errors
    ///
    /// There is no connection, too much output waits, the dialect has no such packet, or the peer takes none of this size.
    pub fn send_opaque(&mut self, _: Instant, opaque: Opaque<'_>) -> Result<(), RequestError> {
        self.connection.send_opaque(opaque)
    }

    /// Ends the connection: DISCONNECT (5.0; older versions have none for servers), then close.
    ///
    /// # Errors
    ///
    /// There is no connection, or this is no DISCONNECT that a server may send.
    pub fn disconnect(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), AnswerError> {
        if !self.is_connected() {
            return Err(AnswerError::NothingAsked);
        }
        Ok(self.connection.disconnect(now, reason_code, properties)?)
    }
}

/// The CONNECT at the front is one of 5.0. `None`: there is too little of it to tell.
fn begins_v5(input: &[u8]) -> Option<bool> {
    const PROTOCOL: &[u8] = b"\0\x04MQTT\x05";
    let length = input.iter().skip(1).position(|byte| byte & 0x80 == 0)?;
    let body = input.get(length.saturating_add(2)..)?;
    let is_same = body.iter().zip(PROTOCOL).all(|(one, other)| one == other);
    (!is_same || body.len() >= PROTOCOL.len()).then_some(is_same)
}

fn codec(options: &ServerOptions, version: Version) -> Codec {
    let mut codec = Codec::server(version);
    codec.packet_bytes_max = options.packet_bytes_max;
    codec.dialect = options.dialect;
    codec
}
