//! From CONNECT to CONNACK, and AUTH on the way and later.

use core::num::{NonZeroU16, NonZeroU32};

use mqtt_proto::{
    Auth, ConnAck, Connect, EncodeError, OpaqueConnect, Packet, Properties, PropertiesBuf, Property, ReasonCode, Text,
    TopicName, TransmitBuf, Will,
};

use super::{Client, codec};
use crate::connection::{Announced, Handled, Phase};
use crate::event::{DisconnectCause, Disconnected};
use crate::parts::alias::InboundAliases;
use crate::{AnswerError, ConnectError, ConnectOptions, Event, Instant, RequestError, Violation};

impl Client {
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
            link.aliases = InboundAliases::new(properties.as_properties().topic_alias_maximum().unwrap_or(0));
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
        link.is_brief = link.agreed.session_expiry_interval == 0;
        link.agreed.keep_alive = self.options.keep_alive;
        link.agreed.client_id = self.options.client_id.clone();
        link.method = properties.as_properties().authentication_method().map(|method| method.as_str().into());
        if is_told && self.options.version.has_receive_maximum() {
            link.announced = Announced {
                receive_maximum: properties.as_properties().receive_maximum().map_or(u16::MAX, NonZeroU16::get),
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

    pub(super) fn handle_connack<'b>(&mut self, now: Instant, connack: ConnAck<'b>) -> Handled<'b> {
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
        if let Some(id) = self.assigned_client_id.as_ref().filter(|_| agreed.client_id.is_empty()) {
            agreed.client_id.clone_from(id);
        }
        agreed.session_present = connack.session_present;
        // Where no flag tells, it may only be hoped that the server has kept the session. To forget it at every reconnect would break QoS 2 for sure.
        agreed.is_resumed = connack.session_present || (!version.has_session_present() && !self.clean_start);
        agreed.session_expiry_interval = given.session_expiry_interval().unwrap_or(agreed.session_expiry_interval);
        // v5[MQTT-3.1.2-21] v5[MQTT-3.2.2-21]
        agreed.keep_alive = given.server_keep_alive().unwrap_or(agreed.keep_alive);
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
        if let Some(maximum) =
            NonZeroU16::new(options.receive_maximum.max(1)).filter(|maximum| *maximum < NonZeroU16::MAX)
        {
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
