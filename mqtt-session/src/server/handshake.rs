//! From CONNECT to CONNACK, and AUTH on the way and later.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use mqtt_proto::{
    Auth, Cause, ConnAck, Connect, DecodeError, EncodeError, Frame, Packet, Properties, PropertiesBuf, Property,
    ReasonCode, Text, Version,
};

use super::Server;
use crate::connection::{Announced, Handled, Phase, is_too_large, only_explains};
use crate::event::DisconnectCause;
use crate::parts::alias::InboundAliases;
use crate::{AnswerError, Event, Instant, SessionState, Violation};

/// The answer to a CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Accept<'a> {
    /// The session given to [`Server::accept`] is one that the client had before. After a clean start this counts as false.
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
    /// Further 5.0 properties. Response information goes only to a client that has asked for it.
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
    /// The first packet must be a CONNECT that makes sense.
    pub(super) fn handle_first<'b>(&mut self, frame: &Frame<'b>) -> Handled<'b> {
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
                self.wants_response_information = true;
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
        // v3[MQTT-3.1.3-8]
        let may_be_nameless =
            version.server_assigns_client_id() || (version.client_id_may_be_empty() && connect.clean_start);
        // Any other identifier is the host's to judge: v3[MQTT-3.1.3-5] v5[MQTT-3.1.3-5]
        if self.nameless && !may_be_nameless {
            return self.refuse_with(
                ReasonCode::ClientIdentifierNotValid,
                DisconnectCause::Violation(Violation::EmptyClientId),
            );
        }
        let asked = &connect.properties;
        let link = &mut self.connection.link;
        link.problem_information = asked.request_problem_information().unwrap_or(true);
        self.wants_response_information = asked.request_response_information().unwrap_or(false);
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
        link.is_brief = agreed.session_expiry_interval == 0;
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

    /// Accepts the client, and takes `session`: the one that it had before, or a new one. What the client throws away by a clean start is settled at once and not sent
    /// ([`Outcome::Abandoned`](crate::Outcome::Abandoned), [`Outcome::SessionLost`](crate::Outcome::SessionLost)).
    ///
    /// # Errors
    ///
    /// No client has asked, the answer is no CONNACK, or the client takes none of this size. `session` is as it was then.
    pub fn accept(&mut self, now: Instant, session: &mut SessionState, answer: &Accept<'_>) -> Result<(), AnswerError> {
        if self.connection.link.phase != Phase::DueConnAck {
            return Err(AnswerError::NothingAsked);
        }
        let version = self.version();
        let properties = self.connack(answer)?;
        let link = &self.connection.link;
        let asked_expiry = link.agreed.session_expiry_interval;
        let asked_keep_alive = if self.is_opaque { answer.keep_alive } else { link.agreed.keep_alive };
        let connack = ConnAck {
            // v3[MQTT-3.1.4-3] v3[MQTT-3.2.2-1] v3[MQTT-3.2.2-2] v3[MQTT-3.2.2-3] v5[MQTT-3.1.4-4] v5[MQTT-3.2.2-2] v5[MQTT-3.2.2-3]
            session_present: answer.session_present && !self.clean_start && version.has_session_present(),
            reason_code: ReasonCode::Success,
            properties: properties.as_properties(),
            trailing: answer.trailing,
        };
        // v3[MQTT-3.1.4-4] v5[MQTT-3.1.4-5]
        self.connection.try_answer(&Packet::ConnAck(connack))?;
        // What it says is what holds, from wherever it comes.
        let given = connack.properties;
        let link = &mut self.connection.link;
        link.agreed.client_id = answer.client_id.into();
        link.agreed.session_present = answer.session_present && !self.clean_start;
        link.agreed.is_resumed = link.agreed.session_present;
        if version.has_session_expiry() || self.is_opaque {
            let interval = given.session_expiry_interval().or(answer.session_expiry_interval);
            link.agreed.session_expiry_interval = interval.unwrap_or(asked_expiry);
        }
        if self.is_opaque {
            link.is_brief = link.agreed.session_expiry_interval == 0;
        }
        // Older clients can't be told of another one. v5[MQTT-3.2.2-21] v5[MQTT-3.2.2-22]
        link.agreed.keep_alive = given.server_keep_alive().unwrap_or(asked_keep_alive);
        link.agreed.wildcard_subscription_available = given.wildcard_subscription_available().unwrap_or(true);
        link.agreed.subscription_identifier_available = given.subscription_identifier_available().unwrap_or(true);
        link.agreed.shared_subscription_available = given.shared_subscription_available().unwrap_or(true);
        link.aliases = InboundAliases::new(given.topic_alias_maximum().unwrap_or(0));
        link.announced = Announced {
            receive_maximum: given.receive_maximum().map_or(u16::MAX, NonZeroU16::get),
            // Of these, older clients are not told.
            maximum_qos: given.maximum_qos().unwrap_or(self.options.maximum_qos),
            retain_available: given.retain_available().unwrap_or(self.options.retain_available),
            ..link.announced
        };
        self.connection.session = core::mem::take(session);
        // It may be a copy of one that is connected.
        self.connection.session.clear_marks();
        self.has_session = true;
        self.connection.widen(self.options.packet_bytes_max);
        // v3[MQTT-3.1.2-6] v5[MQTT-3.1.2-4]
        if self.clean_start {
            self.connection.forget(now);
            self.connection.abandon();
        }
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
    ///             server.accept(now, &mut Default::default(), &Accept::new("c"))?;
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
    /// # server.accept(now, &mut Default::default(), &Accept::new("c"))?;
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
        match self.connack_with(answer, |_| true) {
            Err(AnswerError::Invalid(EncodeError::TooLarge { .. })) => {
                self.connack_with(answer, |property| !only_explains(property))
            }
            result => result,
        }
    }

    fn connack_with(
        &self,
        answer: &Accept<'_>,
        wanted: fn(Property<'_>) -> bool,
    ) -> Result<PropertiesBuf, AnswerError> {
        let mut given = PropertiesBuf::new();
        // v5[MQTT-3.1.2-28]
        let is_asked = |property: Property<'_>| {
            self.wants_response_information || !matches!(property, Property::ResponseInformation(_))
        };
        let taken = given.extend_if(answer.properties, |property| wanted(property) && is_asked(property));
        taken.map_err(|cause| AnswerError::Invalid(cause.into()))?;
        let properties = self.connack_properties(answer, given)?;
        let properties_given = properties.as_properties();
        let connack =
            ConnAck { properties: properties_given, trailing: answer.trailing, ..ConnAck::new(ReasonCode::Success) };
        self.connection.link.measure(&Packet::ConnAck(connack))?;
        Ok(properties)
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
        if let Some(maximum) =
            NonZeroU16::new(options.receive_maximum.max(1)).filter(|maximum| *maximum < NonZeroU16::MAX)
        {
            push(Property::ReceiveMaximum(maximum))?;
        }
        // v5[MQTT-3.2.2-9]
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
        // v5[MQTT-3.1.3-7] v5[MQTT-3.2.2-16]
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
        now: Instant,
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
        if is_too_large(&sent) {
            sent = self.connection.try_answer(&Packet::ConnAck(ConnAck::new(reason_code)));
        }
        // Where there is no CONNACK for it, it is only closed: v3[MQTT-3.2.2-6] v5[MQTT-3.1.2-24]
        if !matches!(sent, Err(EncodeError::TooLarge { .. } | EncodeError::NotInVersion { .. })) {
            sent?;
        }
        // v5[MQTT-3.1.3-8]
        let event = self.connection.fail(now, DisconnectCause::Refused(reason_code));
        self.connection.push_event(event);
        Ok(())
    }

    fn refuse_with<'b>(&mut self, reason_code: ReasonCode, cause: DisconnectCause) -> Handled<'b> {
        self.send_refusal(reason_code);
        Err(cause)
    }

    /// CONNACK with a code, or nothing where there is none: v3\[MQTT-3.2.2-6\].
    pub(super) fn send_refusal(&mut self, reason_code: ReasonCode) {
        // An error here only means that the peer is not told.
        let _ = self.connection.try_answer(&Packet::ConnAck(ConnAck::new(reason_code)));
    }

    /// Protocol name or level are none that we speak. The answer is in the form that the client may understand: v3\[MQTT-3.1.2-2\] v5\[MQTT-3.1.2-2\].
    fn refuse_version<'b>(&mut self, frame: &Frame<'b>, error: DecodeError) -> Handled<'b> {
        if error.cause() == Cause::ProtocolLevel {
            // Bridges set the highest bit, and leave it out when they are refused in the form of the level below it.
            let level = frame.as_bytes().get(error.offset() as usize).map(|level| level & 0x7F);
            if level.is_some_and(|level| level < Version::V5.level()) {
                self.connection.link.codec.version = Version::V3_1_1;
            }
            self.send_refusal(ReasonCode::UnsupportedProtocolVersion);
        }
        Err(DisconnectCause::Malformed(error))
    }
}
