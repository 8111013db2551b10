//! The server's end of one connection.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use mqtt_proto::{
    Auth, Cause, Codec, ConnAck, Connect, DecodeError, Disconnect, EncodeError, Frame, Opaque, Packet, PacketId,
    PacketType, Properties, PropertiesBuf, Property, ReasonCode, SubAck, Text, TransmitBuf, UnsubAck, Version,
};

use crate::connection::{Announced, Connection, Fit, Handled, Phase, TOO_LARGE, Transmit, only_explains};
use crate::event::DisconnectCause;
use crate::parts::alias::InboundAliases;
use crate::{
    AckError, AckToken, Agreed, AnswerError, Event, Instant, Message, Outgoing, PublishError, Published, RequestError,
    ServerOptions, SessionState, Violation,
};

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
/// server.accept(now, SessionState::default(), &Accept::new("a"))?;
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
    /// Only the host could read CONNECT.
    is_opaque: bool,
    /// It was accepted, and its session has not been taken away.
    has_session: bool,
}

/// The answer to a CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Accept<'a> {
    /// The session given to [`Server::accept`] is one that the client had before.
    pub session_present: bool,
    /// The client's identifier. Where the client left it empty it is announced as assigned.
    pub client_id: &'a str,
    /// Seconds that the session outlives the connection; `None`: what the client asked for.
    pub session_expiry_interval: Option<u32>,
    /// Seconds within which the client must send something, as an opaque CONNECT says it; any other says it to us. Default: 0, no check.
    pub keep_alive: u16,
    /// What stands behind the last field of CONNACK, in a dialect that has something there.
    pub trailing: &'a [u8],
    /// What the authentication method says last, where CONNECT named one.
    pub authentication_data: Option<&'a [u8]>,
    /// Further 5.0 properties.
    pub properties: Properties<'a>,
}

impl<'a> Accept<'a> {
    /// Welcome, with a new session.
    #[must_use]
    pub const fn new(client_id: &'a str) -> Self {
        Self {
            session_present: false,
            client_id,
            session_expiry_interval: None,
            keep_alive: 0,
            trailing: &[],
            authentication_data: None,
            properties: Properties::EMPTY,
        }
    }
}

/// Hides the authentication data, and the trailing bytes.
impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept")
            .field("session_present", &self.session_present)
            .field("client_id", &self.client_id)
            .field("session_expiry_interval", &self.session_expiry_interval)
            .field("keep_alive", &self.keep_alive)
            .field("trailing", &format_args!("({} bytes)", self.trailing.len()))
            .field("authentication_data", &self.authentication_data.map(|_| format_args!("(hidden)")))
            .field("properties", &self.properties)
            .finish()
    }
}

impl Server {
    /// The end of a transport that was just accepted. A CONNECT must come within [`Limits::connect_timeout`](crate::Limits::connect_timeout).
    #[must_use]
    pub fn new(now: Instant, options: ServerOptions) -> Self {
        let codec = codec(&options, Version::V5);
        let mut connection = Connection::new(codec, options.limits.clone(), options.acknowledge);
        connection.begin(now, Phase::AwaitConnect, codec);
        Self { options, connection, clean_start: true, nameless: false, is_opaque: false, has_session: false }
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

    /// What outlives the connection, for the next one of the same client. Nothing can be published here after that. What this settles
    /// ([`Outcome::AttemptsExhausted`](crate::Outcome::AttemptsExhausted)) is left for [`poll_event`](Self::poll_event).
    pub fn take_session(&mut self) -> SessionState {
        self.connection.part();
        self.has_session = false;
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
                    return Some(self.connection.fail(cause));
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
        self.connection.next_frame(now, input)
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
            // v3[MQTT-3.8.4-1] v5[MQTT-3.8.4-1]: the host answers.
            Packet::Subscribe(subscribe) => Ok(Some(Event::SubscribeRequested(subscribe))),
            Packet::Unsubscribe(unsubscribe) => Ok(Some(Event::UnsubscribeRequested(unsubscribe))),
            Packet::PingReq => {
                // v3[MQTT-3.12.4-1] v5[MQTT-3.12.4-1]
                self.connection.answer(&Packet::PingResp);
                Ok(None)
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(now, disconnect),
            packet => self.connection.handle_packet(now, packet, frame.as_bytes().len()),
        }
    }

    /// The first packet must be a CONNECT that makes sense.
    fn handle_first<'b>(&mut self, frame: &Frame<'b>) -> Handled<'b> {
        let version = match frame.connect_version(&self.connection.link.codec.dialect) {
            Ok(version) => version,
            Err(error) => return self.refuse_version(frame, error),
        };
        self.connection.link.codec.version = version;
        match self.connection.decode(frame) {
            Ok(Packet::Connect(connect)) => self.handle_connect(connect),
            Ok(Packet::OpaqueConnect(connect)) => {
                // What it asks for is the host's to know.
                self.clean_start = false;
                self.is_opaque = true;
                self.connection.link.agreed.version = version;
                self.connection.link.phase = Phase::DueConnAck;
                Ok(Some(Event::OpaqueConnectRequested(connect)))
            }
            Ok(_) => Err(DisconnectCause::Violation(Violation::FirstPacket)),
            // A 5.0 client is told what was wrong with its CONNECT; older ones are not: v3[MQTT-3.1.4-1]
            Err(cause) if version.has_properties() => self.refuse_with(cause.reason_code(), cause),
            Err(cause) => Err(cause),
        }
    }

    fn handle_connect<'b>(&mut self, connect: Connect<'b>) -> Handled<'b> {
        let version = self.version();
        self.nameless = connect.client_id.is_empty();
        self.clean_start = connect.clean_start;
        // v3[MQTT-3.1.3-7] v3[MQTT-3.1.3-8]
        let may_be_nameless =
            version.server_assigns_client_id() || (version.client_id_may_be_empty() && connect.clean_start);
        if self.nameless && !may_be_nameless {
            return self.refuse_with(
                ReasonCode::ClientIdentifierNotValid,
                DisconnectCause::Violation(Violation::EmptyClientId),
            );
        }
        let asked = &connect.properties;
        let link = &mut self.connection.link;
        link.problem_information = asked.request_problem_information().unwrap_or(true);
        let agreed = &mut link.agreed;
        agreed.version = version;
        agreed.keep_alive = connect.keep_alive;
        agreed.session_expiry_interval = if version.has_session_expiry() {
            asked.session_expiry_interval().unwrap_or(0)
        } else if connect.clean_start {
            0
        } else {
            u32::MAX
        };
        agreed.receive_maximum = asked.receive_maximum().map_or(u16::MAX, NonZeroU16::get);
        agreed.packet_bytes_max = asked.maximum_packet_size().map_or(agreed.packet_bytes_max, NonZeroU32::get);
        agreed.topic_alias_maximum = asked.topic_alias_maximum().unwrap_or(0);
        // A will beyond what we offer: v5[MQTT-3.2.2-12] v5[MQTT-3.2.2-13]
        if let Some(will) = &connect.will {
            if will.qos > self.options.maximum_qos {
                return self
                    .refuse_with(ReasonCode::QosNotSupported, DisconnectCause::Violation(Violation::QosTooHigh));
            }
            if will.retain && !self.options.retain_available {
                return self.refuse_with(
                    ReasonCode::RetainNotSupported,
                    DisconnectCause::Violation(Violation::RetainNotAvailable),
                );
            }
        }
        self.connection.link.method = asked.authentication_method().map(|method| method.as_str().into());
        self.connection.link.phase = Phase::DueConnAck;
        Ok(Some(Event::ConnectRequested(connect)))
    }

    fn handle_disconnect<'b>(&mut self, now: Instant, disconnect: Disconnect<'b>) -> Handled<'b> {
        let agreed = &mut self.connection.link.agreed;
        if let Some(interval) = disconnect.properties.session_expiry_interval() {
            // v5 3.14.2.2.2
            if interval > 0 && agreed.session_expiry_interval == 0 {
                return Err(DisconnectCause::Violation(Violation::SessionExpiryRaised));
            }
            agreed.session_expiry_interval = interval;
        }
        self.connection.handle_packet(now, Packet::Disconnect(disconnect), 0)
    }

    /// Seconds that the session outlives the connection, also when that is over: DISCONNECT may have changed it.
    #[must_use]
    pub const fn session_expiry_interval(&self) -> u32 {
        self.connection.link.agreed.session_expiry_interval
    }

    /// Accepts the client, with the session that it had before, or a new one.
    ///
    /// # Errors
    ///
    /// No client has asked, the answer is no CONNACK, or the client takes none of this size.
    pub fn accept(&mut self, now: Instant, session: SessionState, answer: &Accept<'_>) -> Result<(), AnswerError> {
        if self.connection.link.phase != Phase::DueConnAck {
            return Err(AnswerError::NothingAsked);
        }
        let version = self.version();
        let properties = self.connack(answer)?;
        let link = &self.connection.link;
        let asked_expiry = link.agreed.session_expiry_interval;
        let asked_keep_alive = if self.is_opaque { answer.keep_alive } else { link.agreed.keep_alive };
        let connack = ConnAck {
            // v5[MQTT-3.2.2-2]
            session_present: answer.session_present && !self.clean_start && version.has_session_present(),
            reason_code: ReasonCode::Success,
            properties: properties.as_properties(),
            trailing: answer.trailing,
        };
        self.connection.try_answer(&Packet::ConnAck(connack))?;
        let link = &mut self.connection.link;
        link.agreed.client_id = answer.client_id.into();
        link.agreed.session_present = answer.session_present && !self.clean_start;
        if version.has_session_expiry() || self.is_opaque {
            link.agreed.session_expiry_interval = answer.session_expiry_interval.unwrap_or(asked_expiry);
        }
        // Older clients can't be told of another one. v5[MQTT-3.2.2-21] v5[MQTT-3.2.2-22]
        let server_keep_alive = self.options.server_keep_alive.filter(|_| version.has_properties());
        link.agreed.keep_alive = server_keep_alive.unwrap_or(asked_keep_alive);
        if version.has_properties() {
            let options = &self.options;
            link.agreed.wildcard_subscription_available = options.wildcard_subscription_available;
            link.agreed.subscription_identifier_available = options.subscription_identifier_available;
            link.agreed.shared_subscription_available = options.shared_subscription_available;
        }
        link.aliases = InboundAliases::new(self.options.topic_alias_maximum);
        link.announced = Announced {
            receive_maximum: if version.has_receive_maximum() { self.options.receive_maximum.max(1) } else { u16::MAX },
            maximum_qos: self.options.maximum_qos,
            retain_available: self.options.retain_available,
            ..link.announced
        };
        self.connection.session = session;
        self.has_session = true;
        self.connection.open(now);
        Ok(())
    }

    /// Asks a client that named an authentication method for more: AUTH 0x18 with `data` and further properties (5.0 section 4.12). It answers with an
    /// [`Event::Auth`]. On the way to [`accept`](Self::accept) or [`refuse`](Self::refuse), and between the beginning of a re-authentication and
    /// [`approve`](Self::approve) or [`disconnect`](Self::disconnect).
    ///
    /// How long all of that may take is in [`Limits::connect_timeout`](crate::Limits::connect_timeout), and how many answers are taken in
    /// [`Limits::authentication_rounds_max`](crate::Limits::authentication_rounds_max).
    ///
    /// ```
    /// use mqtt_proto::{Properties, TransmitBuf};
    /// use mqtt_session::{Accept, Authentication, Client, ConnectOptions, Event, Instant, Server, ServerOptions, Transmit};
    ///
    /// let now = Instant::ZERO;
    /// let mut options = ConnectOptions::new("c");
    /// options.authentication = Some(Authentication::new("riddles"));
    /// let mut client = Client::new(options);
    /// let mut server = Server::new(now, ServerOptions::default());
    /// client.connect(now)?;
    ///
    /// # fn bytes(mut poll: impl FnMut(&mut TransmitBuf) -> Transmit) -> Vec<u8> {
    /// #     let mut out = TransmitBuf::new();
    /// #     while poll(&mut out) == Transmit::Ready {}
    /// #     out.slices().flatten().copied().collect()
    /// # }
    /// loop {
    ///     // A transport: what the one sends, the other gets.
    ///     let sent = bytes(|out| client.poll_transmit(now, out));
    ///     match server.handle_input(now, &mut &sent[..]) {
    ///         Some(Event::ConnectRequested(_)) => server.authenticate(now, Some(b"6 * 9?"), Properties::EMPTY)?,
    ///         Some(Event::Auth(auth)) if auth.properties.authentication_data() == Some(b"54") => {
    ///             server.accept(now, Default::default(), &Accept::new("c"))?;
    ///         }
    ///         event => panic!("{event:?}"),
    ///     }
    ///     let sent = bytes(|out| server.poll_transmit(now, out));
    ///     match client.handle_input(now, &mut &sent[..]) {
    ///         Some(Event::Auth(_)) => client.authenticate(now, Some(b"54"), Properties::EMPTY)?,
    ///         Some(Event::Connected(_)) => break,
    ///         event => panic!("{event:?}"),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The client named no method, it is not our turn, this is no AUTH, or the client takes none of this size.
    pub fn authenticate(
        &mut self,
        now: Instant,
        data: Option<&[u8]>,
        properties: Properties<'_>,
    ) -> Result<(), AnswerError> {
        let next = match self.connection.link.phase {
            // v5[MQTT-4.12.0-6]
            Phase::DueConnAck if self.connection.link.method.is_some() => Phase::AwaitAuth,
            Phase::DueReAuth => Phase::AwaitReAuth,
            _ => return Err(AnswerError::NothingAsked),
        };
        // v5[MQTT-4.12.0-2]
        let auth = Auth::new(ReasonCode::ContinueAuthentication, properties);
        Ok(self.connection.send_auth(now, auth, data, next)?)
    }

    /// Says that a re-authentication has succeeded: AUTH 0x00 with `data` and further properties (5.0 section 4.12.1). One that has failed ends with
    /// [`disconnect`](Self::disconnect): v5\[MQTT-4.12.1-2\].
    ///
    /// ```
    /// use mqtt_proto::{Properties, TransmitBuf};
    /// use mqtt_session::{Accept, Authentication, Client, ConnectOptions, Event, Instant, Server, ServerOptions, Transmit};
    ///
    /// let now = Instant::ZERO;
    /// let mut options = ConnectOptions::new("c");
    /// options.authentication = Some(Authentication::new("token"));
    /// let mut client = Client::new(options);
    /// let mut server = Server::new(now, ServerOptions::default());
    /// # fn bytes(mut poll: impl FnMut(&mut TransmitBuf) -> Transmit) -> Vec<u8> {
    /// #     let mut out = TransmitBuf::new();
    /// #     while poll(&mut out) == Transmit::Ready {}
    /// #     out.slices().flatten().copied().collect()
    /// # }
    /// # client.connect(now)?;
    /// # server.handle_input(now, &mut &bytes(|out| client.poll_transmit(now, out))[..]);
    /// # server.accept(now, Default::default(), &Accept::new("c"))?;
    /// # client.handle_input(now, &mut &bytes(|out| server.poll_transmit(now, out))[..]);
    /// // Both are connected, and the client's token is about to expire.
    /// client.reauthenticate(now, Some(b"a new token"), Properties::EMPTY)?;
    /// let sent = bytes(|out| client.poll_transmit(now, out));
    /// let Some(Event::Auth(auth)) = server.handle_input(now, &mut &sent[..]) else { panic!() };
    /// assert_eq!(auth.properties.authentication_data(), Some(&b"a new token"[..]));
    /// server.approve(now, None, Properties::EMPTY)?;
    /// let sent = bytes(|out| server.poll_transmit(now, out));
    /// assert!(matches!(client.handle_input(now, &mut &sent[..]), Some(Event::Auth(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The client does not wait for this, this is no AUTH, or the client takes none of this size.
    pub fn approve(
        &mut self,
        now: Instant,
        data: Option<&[u8]>,
        properties: Properties<'_>,
    ) -> Result<(), AnswerError> {
        if self.connection.link.phase != Phase::DueReAuth {
            return Err(AnswerError::NothingAsked);
        }
        let auth = Auth::new(ReasonCode::Success, properties);
        Ok(self.connection.send_auth(now, auth, data, Phase::Open)?)
    }

    /// The client takes a CONNACK of the size that [`accept`](Self::accept) would send.
    pub(crate) fn takes(&self, answer: &Accept<'_>) -> bool {
        self.connack(answer).is_ok()
    }

    /// The properties of CONNACK, without those that a client with little room can do without: v5\[MQTT-3.2.2-19\] v5\[MQTT-3.2.2-20\].
    fn connack(&self, answer: &Accept<'_>) -> Result<PropertiesBuf, AnswerError> {
        for wanted in [|_: Property<'_>| true, |property: Property<'_>| !only_explains(property)] {
            let mut given = PropertiesBuf::new();
            given.extend_if(answer.properties, wanted).map_err(|cause| AnswerError::Invalid(cause.into()))?;
            let properties = self.connack_properties(answer, given)?;
            let properties_given = properties.as_properties();
            let connack = ConnAck {
                properties: properties_given,
                trailing: answer.trailing,
                ..ConnAck::new(ReasonCode::Success)
            };
            if self.connection.measure(&Packet::ConnAck(connack))? == Fit::Fits {
                return Ok(properties);
            }
        }
        Err(AnswerError::Invalid(TOO_LARGE))
    }

    /// All that is announced, so that it can be enforced, behind what is there already.
    fn connack_properties(
        &self,
        answer: &Accept<'_>,
        mut properties: PropertiesBuf,
    ) -> Result<PropertiesBuf, AnswerError> {
        if !self.version().has_properties() {
            return Ok(properties);
        }
        let options = &self.options;
        let mut push = |property| properties.push(property).map_err(|cause| AnswerError::Invalid(cause.into()));
        let asked_expiry = self.session_expiry_interval();
        if let Some(interval) = answer.session_expiry_interval.filter(|&interval| interval != asked_expiry) {
            push(Property::SessionExpiryInterval(interval))?;
        }
        if let Some(maximum) = NonZeroU16::new(options.receive_maximum).filter(|maximum| maximum.get() < u16::MAX) {
            push(Property::ReceiveMaximum(maximum))?;
        }
        if options.maximum_qos < mqtt_proto::QoS::ExactlyOnce {
            push(Property::MaximumQos(options.maximum_qos))?;
        }
        if let Some(maximum) =
            NonZeroU32::new(options.packet_bytes_max).filter(|maximum| maximum.get() < mqtt_proto::PACKET_BYTES_MAX)
        {
            push(Property::MaximumPacketSize(maximum))?;
        }
        if options.topic_alias_maximum > 0 {
            push(Property::TopicAliasMaximum(options.topic_alias_maximum))?;
        }
        if let Some(seconds) = options.server_keep_alive {
            push(Property::ServerKeepAlive(seconds))?;
        }
        // v5[MQTT-3.2.2-16]
        if self.nameless {
            let client_id = Text::new(answer.client_id).map_err(|cause| AnswerError::Invalid(cause.into()))?;
            push(Property::AssignedClientIdentifier(client_id))?;
        }
        let offers = [
            (options.retain_available, Property::RetainAvailable(false)),
            (options.wildcard_subscription_available, Property::WildcardSubscriptionAvailable(false)),
            (options.subscription_identifier_available, Property::SubscriptionIdentifierAvailable(false)),
            (options.shared_subscription_available, Property::SharedSubscriptionAvailable(false)),
        ];
        offers.into_iter().filter(|(available, _)| !available).try_for_each(|(_, property)| push(property))?;
        // v5[MQTT-4.12.0-5]
        if let Some(method) = &self.connection.link.method {
            push(Property::AuthenticationMethod(
                Text::new(method).map_err(|cause| AnswerError::Invalid(cause.into()))?,
            ))?;
        }
        if let Some(data) = answer.authentication_data {
            push(Property::AuthenticationData(data))?;
        }
        // v5[MQTT-4.12.0-6]
        if !self.connection.is_method(&properties.as_properties()) {
            return Err(AnswerError::Invalid(Cause::MisplacedProperty.into()));
        }
        Ok(properties)
    }

    /// Refuses the client, also in the middle of an authentication: CONNACK with `reason_code` and 5.0 properties, where its version has a code for that, then close. What
    /// its version has no place for is left out.
    ///
    /// ```
    /// use mqtt_proto::{PropertiesBuf, Property, ReasonCode, Text};
    /// use mqtt_session::{Event, Instant, Server, ServerOptions};
    ///
    /// let now = Instant::ZERO;
    /// let mut server = Server::new(now, ServerOptions::default());
    /// let mut input = &b"\x10\x0E\0\x04MQTT\x05\x02\0\x3C\0\0\x01a"[..];
    /// assert!(matches!(server.handle_input(now, &mut input), Some(Event::ConnectRequested(_))));
    ///
    /// let mut properties = PropertiesBuf::new();
    /// properties.push(Property::ServerReference(Text::new("b.example.org")?))?;
    /// server.refuse(now, ReasonCode::UseAnotherServer, properties.as_properties())?;
    /// assert!(matches!(server.poll_event(), Some(Event::Disconnected(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// No client has asked, or this is no refusal.
    pub fn refuse(
        &mut self,
        _: Instant,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), AnswerError> {
        // v5[MQTT-4.12.0-1] v5[MQTT-4.12.0-4]
        if !matches!(self.connection.link.phase, Phase::DueConnAck | Phase::AwaitAuth) {
            return Err(AnswerError::NothingAsked);
        }
        if !reason_code.is_failure() {
            return Err(AnswerError::Invalid(Cause::ReasonCode.into()));
        }
        let properties = if self.version().has_properties() { properties } else { Properties::EMPTY };
        let refusal = ConnAck { properties, ..ConnAck::new(reason_code) };
        let mut sent = self.connection.answer_explained(Packet::ConnAck(refusal));
        if sent == Err(TOO_LARGE) {
            sent = self.connection.try_answer(&Packet::ConnAck(ConnAck::new(reason_code)));
        }
        // Where there is no CONNACK for it, it is only closed: v3[MQTT-3.2.2-6] v5[MQTT-3.1.2-24]
        if !matches!(sent, Err(TOO_LARGE | EncodeError::NotInVersion { .. })) {
            sent?;
        }
        let event = self.connection.fail(DisconnectCause::Refused(reason_code));
        self.connection.push_event(event);
        Ok(())
    }

    fn refuse_with<'b>(&mut self, reason_code: ReasonCode, cause: DisconnectCause) -> Handled<'b> {
        self.send_refusal(reason_code);
        Err(cause)
    }

    /// CONNACK with a code, or nothing where there is none: v3\[MQTT-3.2.2-6\].
    fn send_refusal(&mut self, reason_code: ReasonCode) {
        // An error here only means that the peer is not told.
        let _ = self.connection.try_answer(&Packet::ConnAck(ConnAck::new(reason_code)));
    }

    /// Protocol name or level are none that we speak. The answer is in the form that the client may understand: v3\[MQTT-3.1.2-2\] v5\[MQTT-3.1.2-2\].
    fn refuse_version<'b>(&mut self, frame: &Frame<'b>, error: DecodeError) -> Handled<'b> {
        if error.cause() == Cause::ProtocolLevel {
            let level = frame.as_bytes().get(error.offset() as usize).copied();
            if level.is_some_and(|level| level < Version::V5.level()) {
                self.connection.link.codec.version = Version::V3_1_1;
            }
            self.send_refusal(ReasonCode::UnsupportedProtocolVersion);
        }
        Err(DisconnectCause::Malformed(error))
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
        self.answer(Packet::UnsubAck(UnsubAck { packet_id, properties, reason_codes: reason_codes.into() }))
    }

    fn answer(&mut self, packet: Packet<'_>) -> Result<(), AnswerError> {
        if !self.is_connected() {
            return Err(AnswerError::NothingAsked);
        }
        Ok(self.connection.answer_explained(packet)?)
    }

    /// Says that a message has been taken, or why not, and explains it (5.0; older versions have no place for that). Acknowledgements go out in the order in which
    /// the messages came.
    ///
    /// # Errors
    ///
    /// The connection that brought the message has ended, or it was acknowledged before, or these are no reason and properties for it.
    pub fn acknowledge(
        &mut self,
        _: Instant,
        token: AckToken,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), AckError> {
        self.connection.take(token, reason_code, properties)
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
        _: Instant,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), AnswerError> {
        if !self.is_connected() {
            return Err(AnswerError::NothingAsked);
        }
        Ok(self.connection.disconnect(reason_code, properties)?)
    }
}

fn codec(options: &ServerOptions, version: Version) -> Codec {
    let mut codec = Codec::server(version);
    codec.packet_bytes_max = options.packet_bytes_max;
    codec.dialect = options.dialect;
    codec
}
