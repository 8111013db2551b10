//! The client's end.

use alloc::string::String;

use mqtt_proto::{Codec, Frame, Opaque, Packet, PacketType, Properties, ReasonCode, TransmitBuf};

use crate::connection::{Connection, Handled, Phase, Transmit, explains};
use crate::event::DisconnectCause;
use crate::{
    AckError, AckToken, Agreed, ConnectOptions, Event, Instant, Message, PublishError, Published, RequestError,
    SessionState, Violation,
};

mod handshake;
mod requests;

/// A client: one session, and one connection after another.
///
/// It never touches a socket or a clock. The host gives it bytes, the time and its wishes, and takes events, bytes and a deadline from it:
///
/// ```
/// use mqtt_proto::{Codec, ConnAck, Packet, QoS, ReasonCode, TopicName, TransmitBuf, Version};
/// use mqtt_session::{Client, ConnectOptions, Event, Instant, Message, Transmit};
///
/// let now = Instant::ZERO;
/// let mut client = Client::new(ConnectOptions::new("thermometer-7"));
///
/// // The host has opened a transport.
/// client.connect(now)?;
/// let mut out = TransmitBuf::new();
/// assert_eq!(client.poll_transmit(now, &mut out), Transmit::Ready); // CONNECT: write it
///
/// // The server has answered.
/// let mut input = &[0x20, 0x03, 0x00, 0x00, 0x00][..];
/// assert!(matches!(client.handle_input(now, &mut input), Some(Event::Connected(_))));
/// assert!(client.handle_input(now, &mut input).is_none());
///
/// client.publish(now, &Message::new(TopicName::new("greetings/world")?, "hello"))?;
/// assert_eq!(client.poll_transmit(now, &mut out), Transmit::Ready);
/// assert_eq!(client.poll_transmit(now, &mut out), Transmit::Idle);
/// assert_eq!(client.poll_timeout(), Some(now + core::time::Duration::from_secs(60)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    options: ConnectOptions,
    connection: Connection,
    /// The identifier that a server once assigned, for the next connect: the session is kept under it.
    assigned_client_id: Option<String>,
    /// The present or last CONNECT asked for a clean start.
    clean_start: bool,
}

impl Client {
    /// A client that is not connected.
    #[must_use]
    pub fn new(options: ConnectOptions) -> Self {
        let codec = codec(&options);
        let connection = Connection::new(codec, options.limits.clone(), options.acknowledge);
        Self { options, connection, assigned_client_id: None, clean_start: true }
    }

    /// A client that goes on with what an earlier one left: connect it without a clean start.
    ///
    /// With one, if that session was to end with the connection (see [`handle_closed`](Self::handle_closed)) and the state was exported before the earlier client
    /// heard of that end. What waits goes out all the same.
    #[must_use]
    pub fn with_session(options: ConnectOptions, session: SessionState) -> Self {
        let mut client = Self::new(options);
        client.connection.session = session;
        // It may be a copy of one that is connected.
        client.connection.session.clear_marks();
        client
    }

    /// What it asks for.
    #[must_use]
    pub const fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// What it will ask for when it connects next. The limits, and who acknowledges, stay as they were.
    pub const fn options_mut(&mut self) -> &mut ConnectOptions {
        &mut self.options
    }

    /// There is no connection: [`connect`](Self::connect) may be called.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.connection.link.phase == Phase::Idle
    }

    /// The server has accepted the connection, and it is not over.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_open()
    }

    /// What was agreed with the server, while connected.
    #[must_use]
    pub fn agreed(&self) -> Option<&Agreed> {
        self.is_connected().then_some(&self.connection.link.agreed)
    }

    /// Publishes that are not settled.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.connection.session.pending()
    }

    /// What has outlived the connections so far, and will outlive the present one.
    #[must_use]
    pub const fn session(&self) -> &SessionState {
        &self.connection.session
    }

    /// Takes packets from the front of `input` until one has something to say.
    ///
    /// `None`: nothing complete is left, or what is left must wait ([`wants_input`](Self::wants_input) tells which). The host keeps what is not consumed and
    /// offers it again, with more behind it.
    pub fn handle_input<'b>(&mut self, now: Instant, input: &mut &'b [u8]) -> Option<Event<'b>> {
        loop {
            let handled = match self.next_frame(now, input) {
                Ok(Some(frame)) => self
                    .connection
                    .decode(&frame)
                    .and_then(|packet| self.handle_packet(now, packet, frame.as_bytes().len())),
                Ok(None) => return None,
                Err(cause) => Err(cause),
            };
            match handled {
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
                Err(cause) => {
                    *input = &[];
                    return Some(self.connection.fail(now, cause));
                }
            }
        }
    }

    /// The first packet has to be CONNACK or AUTH, which its first byte tells, so a server with another protocol is not waited for.
    fn next_frame<'b>(&mut self, now: Instant, input: &mut &'b [u8]) -> Result<Option<Frame<'b>>, DisconnectCause> {
        let is_awaited = |first: &u8| match PacketType::from_u8(first >> 4) {
            Some(PacketType::Auth) => self.options.version.has_auth(),
            first => first == Some(PacketType::ConnAck),
        };
        // v3[MQTT-3.2.0-1] v5[MQTT-3.2.0-1]
        if self.connection.link.phase == Phase::AwaitConnAck && !input.first().is_none_or(is_awaited) {
            return Err(DisconnectCause::Violation(Violation::BeforeConnAck));
        }
        self.connection.next_frame(now, input)
    }

    fn handle_packet<'b>(&mut self, now: Instant, packet: Packet<'b>, bytes: usize) -> Handled<'b> {
        let connection = &mut self.connection;
        // v5[MQTT-3.1.2-29]
        if !connection.link.announced.problem_information && is_to_be_terse(&packet) && explains(packet) {
            return Err(DisconnectCause::Violation(Violation::UnwantedExplanation));
        }
        if !connection.is_open() {
            return match packet {
                Packet::ConnAck(connack) => self.handle_connack(now, connack),
                Packet::Auth(auth) => connection.handle_auth(now, auth),
                // v3[MQTT-3.2.0-1] v5[MQTT-3.2.0-1]
                _ => Err(DisconnectCause::Violation(Violation::BeforeConnAck)),
            };
        }
        match packet {
            Packet::SubAck(suback) => self.handle_suback(suback),
            Packet::UnsubAck(unsuback) => self.handle_unsuback(unsuback),
            Packet::PingResp => {
                connection.link.keep_alive.answered();
                Ok(None)
            }
            packet => connection.handle_packet(now, packet, bytes),
        }
    }

    /// Time has passed. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
    }

    /// The transport is gone. What outlives the connection waits for the next one.
    ///
    /// A session that ends with its connection has ended now (3.1.1: after a clean start; 5.0: with a Session Expiry Interval of 0): what was in flight at QoS 1
    /// waits to be sent as new, and at QoS 2 it is settled ([`Outcome::SessionLost`](crate::Outcome::SessionLost)).
    pub fn handle_closed(&mut self, now: Instant) {
        // Not to wait for the next CONNACK to say so: that may be lost, and the one behind it speak of a newer session, in which the packet identifiers
        // remembered here are those of other messages. v3[MQTT-3.1.2-6] v5[MQTT-3.1.2-23]
        //
        // Without a CONNACK nothing was agreed and nothing exchanged, and the server has the session that it had, or none, or a fresh one. Ours may still be the
        // other half of the first, so it is kept: the next CONNACK tells.
        let is_over = self.connection.link.was_open && self.connection.link.agreed.session_expiry_interval == 0;
        self.connection.handle_closed();
        if is_over {
            self.connection.forget(now);
        }
    }

    /// What there is to say that no input caused.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        self.connection.poll_event()
    }

    /// Appends what there is to send to `out`: about [`Limits::output_bytes_max`](crate::Limits::output_bytes_max) at most, so write it before asking again.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Transmit {
        self.connection.poll_transmit(now, out)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// The connection is over, and what was left to be sent has had its time ([`Limits::close_timeout`](crate::Limits::close_timeout)): close the transport, whatever is unwritten. It begins with a
    /// [`handle_timeout`](Self::handle_timeout), for which [`poll_timeout`](Self::poll_timeout) asks, and ends with [`handle_closed`](Self::handle_closed).
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.connection.is_overdue()
    }

    /// Input would be handled now. If not, the peer does not read what we owe it; write first.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.connection.wants_input()
    }

    /// Publishes a message. Without a connection it waits for one.
    ///
    /// # Errors
    ///
    /// The queue is full, or the message is none that this server takes. It has not been accepted then.
    pub fn publish(&mut self, now: Instant, message: &Message<'_>) -> Result<Published, PublishError> {
        self.connection.publish(now, message)
    }

    /// Gives up everything that is not settled: each publish and each request is settled now, for [`poll_event`](Self::poll_event) to say. What has not been sent won't be
    /// ([`Outcome::Abandoned`](crate::Outcome::Abandoned)); what is in flight may arrive ([`Outcome::AbandonedInFlight`](crate::Outcome::AbandonedInFlight)); of a request, nobody
    /// knows ([`Event::RequestLost`]). A connection goes on, and its end may be awaited before this, after it, or not at all.
    ///
    /// ```
    /// use mqtt_proto::{QoS, TopicName};
    /// use mqtt_session::{Client, ConnectOptions, Event, Instant, Message, Outcome, Published};
    ///
    /// let now = Instant::ZERO;
    /// let mut client = Client::new(ConnectOptions::new("thermometer-7"));
    /// let Published::Pending(id) = client.publish(now, &Message::new(TopicName::new("a/b")?, "20"))? else { panic!() };
    /// client.abandon(now);
    /// assert_eq!(client.poll_event(), Some(Event::Published { id, outcome: Outcome::Abandoned }));
    /// assert_eq!(client.pending(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abandon(&mut self, _: Instant) {
        self.connection.abandon();
    }

    /// Says that a message has been taken, or why not, and explains it (5.0; older versions have no place for that). Acknowledgements go out in the order in which
    /// the messages came.
    ///
    /// # Errors
    ///
    /// The connection that brought the message has ended, so that it will come again, or it was acknowledged before, or these are no reason and properties for it.
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
    /// ```
    /// use mqtt_proto::{Opaque, PacketType, TransmitBuf, Version};
    /// use mqtt_session::{Client, ConnectOptions, Instant};
    ///
    /// let mut options = ConnectOptions::new("c");
    /// options.dialect.reserved_packet_types = true;
    /// let mut client = Client::new(options);
    /// # client.connect(Instant::ZERO)?;
    /// # client.handle_input(Instant::ZERO, &mut &[0x20, 3, 0, 0, 0][..]);
    /// # client.poll_transmit(Instant::ZERO, &mut TransmitBuf::new());
    /// let own = Opaque::new(PacketType::Reserved, 0, b"own").unwrap();
    /// client.send_opaque(Instant::ZERO, own)?;
    /// let mut out = TransmitBuf::new();
    /// client.poll_transmit(Instant::ZERO, &mut out);
    /// assert_eq!(out.slices().next(), Some(&b"\x00\x03own"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There is no connection, too much output waits, the dialect has no such packet, or the peer takes none of this size.
    pub fn send_opaque(&mut self, _: Instant, opaque: Opaque<'_>) -> Result<(), RequestError> {
        self.connection.send_opaque(opaque)
    }

    /// Ends the connection in good order, or gives up to get one: DISCONNECT, then close.
    ///
    /// # Errors
    ///
    /// There is no connection, this is no DISCONNECT that a client may send, or it asks for a session to stay that was to end with the connection.
    pub fn disconnect(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), RequestError> {
        if matches!(self.connection.link.phase, Phase::Idle | Phase::Closing) {
            return Err(RequestError::NotConnected);
        }
        if self.connection.link.is_brief && properties.session_expiry_interval().is_some_and(|interval| interval > 0) {
            return Err(RequestError::SessionExpiryRaised);
        }
        Ok(self.connection.disconnect(now, reason_code, properties)?)
    }
}

fn codec(options: &ConnectOptions) -> Codec {
    let mut codec = Codec::client(options.version);
    codec.packet_bytes_max = options.packet_bytes_max;
    codec.dialect = options.dialect;
    codec
}

/// A client may ask for no reason strings and user properties in it.
const fn is_to_be_terse(packet: &Packet<'_>) -> bool {
    !matches!(packet, Packet::Publish(_) | Packet::ConnAck(_) | Packet::Disconnect(_))
}
