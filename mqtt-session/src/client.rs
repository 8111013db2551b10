//! The client's end.

use alloc::string::String;
use core::num::{NonZeroU16, NonZeroU32};

use mqtt_proto::{
    Auth, Codec, ConnAck, Connect, EncodeError, Frame, Opaque, OpaqueConnect, Packet, PacketId, PacketType, Properties,
    PropertiesBuf, Property, ReasonCode, Subscribe, Subscription, Text, TopicFilter, TopicName, TransmitBuf,
    Unsubscribe, Will,
};

use crate::connection::{Announced, Connection, Fit, Handled, Phase, Transmit, explains};
use crate::event::{DisconnectCause, Disconnected};
use crate::parts::alias::InboundAliases;
use crate::parts::requests::Question;
use crate::{
    AckError, AckToken, Agreed, AnswerError, ConnectError, ConnectOptions, Event, Instant, Message, PublishError,
    Published, RequestError, RequestId, SessionState, Violation,
};

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
        client
    }

    /// What it asks for.
    #[must_use]
    pub const fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// What it will ask for when it connects next. The limits stay as they were.
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

    /// Begins a connection on a transport that the host has just opened.
    ///
    /// # Errors
    ///
    /// The connection before is not over, or the options don't make a CONNECT.
    pub fn connect(&mut self, now: Instant) -> Result<(), ConnectError> {
        if !self.is_idle() {
            return Err(ConnectError::NotIdle);
        }
        let mut hello = TransmitBuf::new();
        let properties = match self.options.opaque_connect {
            Some(_) => PropertiesBuf::new(),
            None => connect_properties(&self.options)?,
        };
        self.encode_connect(&mut hello, properties.as_properties())?;
        self.connection.begin(now, Phase::AwaitConnAck, codec(&self.options));
        let link = &mut self.connection.link;
        let is_told = self.options.opaque_connect.is_none();
        if is_told {
            link.aliases = InboundAliases::new(self.options.topic_alias_maximum);
        }
        self.clean_start = self.options.clean_start;
        link.agreed.session_expiry_interval = match self.clean_start {
            _ if link.codec.version.has_session_expiry() && is_told => {
                properties.as_properties().session_expiry_interval().unwrap_or(0)
            }
            _ if link.codec.version.has_session_expiry() => self.options.session_expiry_interval,
            true => 0,
            false => u32::MAX,
        };
        link.method = properties.as_properties().authentication_method().map(|method| method.as_str().into());
        if is_told && self.options.version.has_receive_maximum() {
            link.announced = Announced {
                receive_maximum: self.options.receive_maximum.max(1),
                problem_information: properties.as_properties().request_problem_information().unwrap_or(true),
                ..link.announced
            };
        }
        self.connection.send(&mut hello);
        Ok(())
    }

    fn encode_connect(&self, out: &mut TransmitBuf, properties: Properties<'_>) -> Result<(), ConnectError> {
        let options = &self.options;
        if let Some(body) = &options.opaque_connect {
            let protocol =
                options.protocol.ok_or(EncodeError::NotInDialect { what: "an opaque CONNECT without a protocol" })?;
            codec(options).encode(&Packet::OpaqueConnect(OpaqueConnect { protocol, body }), out)?;
            return Ok(());
        }
        let client_id =
            self.assigned_client_id.as_ref().filter(|_| options.client_id.is_empty()).unwrap_or(&options.client_id);
        let version = options.version;
        // v3[MQTT-3.1.3-7]
        let may_be_nameless =
            version.server_assigns_client_id() || (version.client_id_may_be_empty() && options.clean_start);
        if client_id.is_empty() && !may_be_nameless {
            return Err(ConnectError::ClientId);
        }
        let mut connect = Connect::new(Text::new(client_id)?);
        connect.protocol = options.protocol;
        connect.clean_start = options.clean_start;
        connect.keep_alive = options.keep_alive;
        connect.user_name = options.user_name.as_deref().map(Text::new).transpose()?;
        connect.password = options.password.as_deref();
        connect.properties = properties;
        if let Some(will) = &options.will {
            connect.will = Some(Will {
                topic: TopicName::new(&will.topic)?,
                payload: &will.payload,
                qos: will.qos,
                retain: will.retain,
                properties: will.properties.as_properties(),
            });
        }
        codec(options).encode(&Packet::Connect(connect), out)?;
        Ok(())
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
            Packet::SubAck(suback) => {
                let codes = suback.reason_codes.len();
                let id = answered(connection.link.requests.answer(suback.packet_id, Question::Subscribe, Some(codes)))?;
                Ok(id.map(|id| Event::Subscribed { id, suback }))
            }
            Packet::UnsubAck(unsuback) => {
                let codes = connection.version().unsuback_carries_reasons().then(|| unsuback.reason_codes.len());
                let id = answered(connection.link.requests.answer(unsuback.packet_id, Question::Unsubscribe, codes))?;
                Ok(id.map(|id| Event::Unsubscribed { id, unsuback }))
            }
            Packet::PingResp => {
                connection.link.keep_alive.answered();
                Ok(None)
            }
            packet => connection.handle_packet(now, packet, bytes),
        }
    }

    fn handle_connack<'b>(&mut self, now: Instant, connack: ConnAck<'b>) -> Handled<'b> {
        if connack.reason_code.is_failure() {
            let cause = DisconnectCause::Refused(connack.reason_code);
            let end = Disconnected { cause, properties: connack.properties, trailing: connack.trailing };
            return Ok(Some(self.connection.ended(now, end)));
        }
        // v5[MQTT-3.2.2-4]; a client that does not ask for a clean start has said that it can go on with any session.
        if connack.session_present && self.clean_start {
            return Err(DisconnectCause::Violation(Violation::UnexpectedSession));
        }
        if self.connection.link.phase == Phase::DueAuth {
            return Err(DisconnectCause::Violation(Violation::EarlyConnAck));
        }
        let given = &connack.properties;
        // v5[MQTT-4.12.0-5] v5[MQTT-4.12.0-6]
        if !self.connection.is_method(given) {
            return Err(DisconnectCause::Violation(Violation::AuthenticationMethod));
        }
        if let Some(id) = given.assigned_client_identifier() {
            self.assigned_client_id = Some(id.as_str().into());
        }
        let version = self.connection.version();
        let agreed = &mut self.connection.link.agreed;
        agreed.client_id = self
            .assigned_client_id
            .clone()
            .filter(|_| self.options.client_id.is_empty())
            .unwrap_or_else(|| self.options.client_id.clone());
        agreed.session_present = connack.session_present;
        // Where no flag tells, it may only be hoped that the server has kept the session. To forget it at every reconnect would break QoS 2 for sure.
        agreed.is_resumed = connack.session_present || (!version.has_session_present() && !self.clean_start);
        agreed.session_expiry_interval = given.session_expiry_interval().unwrap_or(agreed.session_expiry_interval);
        // v5[MQTT-3.1.2-21] v5[MQTT-3.2.2-21]
        agreed.keep_alive = given.server_keep_alive().unwrap_or(self.options.keep_alive);
        agreed.receive_maximum = given.receive_maximum().map_or(u16::MAX, NonZeroU16::get);
        agreed.packet_bytes_max = given.maximum_packet_size().map_or(agreed.packet_bytes_max, NonZeroU32::get);
        agreed.topic_alias_maximum = given.topic_alias_maximum().unwrap_or(0);
        agreed.maximum_qos = given.maximum_qos().unwrap_or(agreed.maximum_qos);
        agreed.retain_available = given.retain_available().unwrap_or(true);
        agreed.wildcard_subscription_available = given.wildcard_subscription_available().unwrap_or(true);
        agreed.subscription_identifier_available = given.subscription_identifier_available().unwrap_or(true);
        agreed.shared_subscription_available = given.shared_subscription_available().unwrap_or(true);
        agreed.response_information = given.response_information().map(|text| text.as_str().into());
        self.connection.open(now);
        Ok(Some(Event::Connected(connack)))
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

    /// Asks for messages. The answer is an [`Event::Subscribed`], or [`Event::RequestLost`] if the connection ends before.
    ///
    /// # Errors
    ///
    /// There is no connection, too many requests are open, this is no SUBSCRIBE, or the server has announced that it takes none of this kind.
    pub fn subscribe(
        &mut self,
        _: Instant,
        subscriptions: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<RequestId, RequestError> {
        let subscribe = Subscribe { packet_id: PacketId::MIN, properties, subscriptions: subscriptions.into() };
        if let Some(unavailable) = self.agreed().and_then(|agreed| agreed.unavailable(&subscribe)) {
            return Err(unavailable.into());
        }
        self.request(Question::Subscribe, subscriptions.len(), |packet_id| {
            Packet::Subscribe(Subscribe { packet_id, ..subscribe })
        })
    }

    /// Asks for messages no longer. The answer is an [`Event::Unsubscribed`], or [`Event::RequestLost`] if the connection ends before.
    ///
    /// # Errors
    ///
    /// There is no connection, too many requests are open, or this is no UNSUBSCRIBE.
    pub fn unsubscribe(
        &mut self,
        _: Instant,
        filters: &[TopicFilter<'_>],
        properties: Properties<'_>,
    ) -> Result<RequestId, RequestError> {
        self.request(Question::Unsubscribe, filters.len(), |packet_id| {
            Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters: filters.into() })
        })
    }

    fn request<'p>(
        &mut self,
        question: Question,
        filters: usize,
        packet: impl FnOnce(PacketId) -> Packet<'p>,
    ) -> Result<RequestId, RequestError> {
        let connection = &mut self.connection;
        if !connection.is_open() {
            return Err(RequestError::NotConnected);
        }
        if connection.link.requests.len() >= connection.limits().requests_max {
            return Err(RequestError::TooMany);
        }
        let packet_id = connection.allocate().ok_or(RequestError::TooMany)?;
        let packet = packet(packet_id);
        if let Fit::TooLarge { bytes, maximum } = connection.measure(&packet)? {
            return Err(RequestError::TooLarge { bytes, maximum });
        }
        connection.try_answer(&packet)?;
        let id = connection.name_request();
        connection.link.requests.open(packet_id, id, question, filters);
        Ok(id)
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

    /// Answers an [`Event::Auth`] with reason code 0x18: AUTH with `data` and further properties (5.0 section 4.12). The method is that of
    /// [`ConnectOptions::authentication`].
    ///
    /// A client that doesn't go on [disconnects](Self::disconnect).
    ///
    /// ```
    /// use mqtt_proto::{Properties, TransmitBuf};
    /// use mqtt_session::{Authentication, Client, ConnectOptions, Event, Instant, Transmit};
    ///
    /// let now = Instant::ZERO;
    /// let mut options = ConnectOptions::new("thermometer-7");
    /// options.authentication = Some(Authentication::new("M"));
    /// let mut client = Client::new(options);
    /// client.connect(now)?;
    ///
    /// // AUTH 0x18 with the method and a challenge.
    /// let mut input = &b"\xF0\x0A\x18\x08\x15\x00\x01M\x16\x00\x01?"[..];
    /// let Some(Event::Auth(auth)) = client.handle_input(now, &mut input) else { panic!() };
    /// assert_eq!(auth.properties.authentication_data(), Some(&b"?"[..]));
    /// client.authenticate(now, Some(b"!"), Properties::EMPTY)?;
    /// # assert_eq!(client.poll_transmit(now, &mut TransmitBuf::new()), Transmit::Ready);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The server does not wait for an answer, this is no AUTH, or it takes none of this size.
    pub fn authenticate(
        &mut self,
        now: Instant,
        data: Option<&[u8]>,
        properties: Properties<'_>,
    ) -> Result<(), AnswerError> {
        let next = match self.connection.link.phase {
            Phase::DueAuth => Phase::AwaitConnAck,
            Phase::DueReAuth => Phase::AwaitReAuth,
            _ => return Err(AnswerError::NothingAsked),
        };
        // v5[MQTT-4.12.0-3]
        let auth = Auth::new(ReasonCode::ContinueAuthentication, properties);
        Ok(self.connection.send_auth(now, auth, data, next)?)
    }

    /// Authenticates anew while connected: AUTH 0x19 (5.0 section 4.12.1). Messages go on as before. The server answers with an [`Event::Auth`]: 0x18 asks
    /// for more, 0x00 says that it is done; or it disconnects.
    ///
    /// It must be done within [`Limits::connect_timeout`](crate::Limits::connect_timeout).
    ///
    /// # Errors
    ///
    /// There is no connection, [`ConnectOptions::authentication`] named no method, a re-authentication is not done, this is no AUTH, or the server takes none
    /// of this size.
    pub fn reauthenticate(
        &mut self,
        now: Instant,
        data: Option<&[u8]>,
        properties: Properties<'_>,
    ) -> Result<(), RequestError> {
        if !self.is_connected() {
            return Err(RequestError::NotConnected);
        }
        // v5[MQTT-4.12.0-7] v5[MQTT-4.12.1-1]
        if self.connection.link.method.is_none() {
            return Err(RequestError::NoAuthenticationMethod);
        }
        if self.connection.link.phase != Phase::Open {
            return Err(RequestError::Authenticating);
        }
        let auth = Auth::new(ReasonCode::ReAuthenticate, properties);
        Ok(self.connection.send_auth(now, auth, data, Phase::AwaitReAuth)?)
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
    /// There is no connection, or this is no DISCONNECT that a client may send.
    pub fn disconnect(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), RequestError> {
        if matches!(self.connection.link.phase, Phase::Idle | Phase::Closing) {
            return Err(RequestError::NotConnected);
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

fn answered(id: Option<Option<RequestId>>) -> Result<Option<RequestId>, DisconnectCause> {
    id.ok_or(DisconnectCause::Violation(Violation::UnexpectedAnswer))
}

/// The properties of CONNECT that are options of their own, and the others. Before 5.0 there are none.
fn connect_properties(options: &ConnectOptions) -> Result<PropertiesBuf, ConnectError> {
    let mut properties = options.properties.clone();
    // Older versions have no place for it, and it must not be forgotten: the encoder says so.
    if let Some(authentication) = &options.authentication {
        properties.push(Property::AuthenticationMethod(Text::new(&authentication.method)?))?;
        if let Some(data) = &authentication.data {
            properties.push(Property::AuthenticationData(data))?;
        }
    }
    if options.version.has_properties() {
        if options.session_expiry_interval > 0 {
            properties.push(Property::SessionExpiryInterval(options.session_expiry_interval))?;
        }
        if let Some(maximum) = NonZeroU16::new(options.receive_maximum).filter(|maximum| maximum.get() < u16::MAX) {
            properties.push(Property::ReceiveMaximum(maximum))?;
        }
        if let Some(maximum) = NonZeroU32::new(options.packet_bytes_max) {
            properties.push(Property::MaximumPacketSize(maximum))?;
        }
        if options.topic_alias_maximum > 0 {
            properties.push(Property::TopicAliasMaximum(options.topic_alias_maximum))?;
        }
    }
    Ok(properties)
}
