//! CONNECT (section 3.1).

use core::fmt;

use crate::error::{Cause, DecodeError, EncodeError};
use crate::packet::Body;
use crate::property::PropertyPlace;
use crate::reader::Reader;
use crate::{Codec, Dialect, Frame, Leniency, Properties, Protocol, QoS, Role, Text, TopicName, TransmitBuf, Version};

/// A client asks for a connection.
///
/// ```
/// use mqtt_proto::{Codec, Connect, Packet, Text, TransmitBuf, Version};
///
/// let mut connect = Connect::new(Text::new("thermometer-7")?);
/// connect.keep_alive = 60;
/// let mut out = TransmitBuf::new();
/// Codec::client(Version::V3_1_1).encode(&Packet::Connect(connect), &mut out)?;
/// assert_eq!(out.len(), 27);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct Connect<'a> {
    /// The dialect's protocol. `None`: the standard's, by the name and level of the codec's version.
    pub protocol: Option<&'static Protocol>,
    /// Forget what an earlier connection left behind (Clean Start; Clean Session before 5.0).
    pub clean_start: bool,
    /// Seconds within which the client sends something; 0 turns the check off.
    pub keep_alive: u16,
    /// Who the client is.
    pub client_id: Text<'a>,
    /// What to publish if the client goes without a word.
    pub will: Option<Will<'a>>,
    /// Who the user is.
    pub user_name: Option<Text<'a>>,
    /// The secret that proves it. Never printed.
    pub password: Option<&'a [u8]>,
    /// 5.0 properties.
    pub properties: Properties<'a>,
}

impl<'a> Connect<'a> {
    /// A clean start, with nothing else asked for.
    #[must_use]
    pub const fn new(client_id: Text<'a>) -> Self {
        Self {
            protocol: None,
            clean_start: true,
            keep_alive: 0,
            client_id,
            will: None,
            user_name: None,
            password: None,
            properties: Properties::EMPTY,
        }
    }

    fn flags(&self) -> u8 {
        let will =
            self.will.map_or(0, |will| WILL | (will.qos.as_u8() << WILL_QOS_SHIFT) | flag(will.retain, WILL_RETAIN));
        flag(self.clean_start, CLEAN_START)
            | will
            | flag(self.password.is_some(), PASSWORD)
            | flag(self.user_name.is_some(), USER_NAME)
    }
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut connect = f.debug_struct("Connect");
        if let Some(protocol) = self.protocol {
            connect.field("protocol", protocol);
        }
        connect
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password", &self.password.map(|_| format_args!("(hidden)")))
            .field("properties", &self.properties)
            .finish()
    }
}

/// The message that the server publishes when the client's connection ends without DISCONNECT (section 3.1.2.5).
///
/// ```
/// use mqtt_proto::{Codec, Connect, Packet, QoS, Text, TopicName, TransmitBuf, Version, Will};
///
/// let mut will = Will::new(TopicName::new("status/thermometer-7")?, b"gone");
/// will.qos = QoS::AtLeastOnce;
/// will.retain = true;
/// let mut connect = Connect::new(Text::new("thermometer-7")?);
/// connect.will = Some(will);
///
/// let mut out = TransmitBuf::new();
/// Codec::client(Version::V5).encode(&Packet::Connect(connect), &mut out)?;
/// let bytes: Vec<u8> = out.slices().flatten().copied().collect();
/// let Some(Packet::Connect(connect)) = Codec::server(Version::V5).decode(&mut &bytes[..])? else { panic!() };
/// assert_eq!(connect.will, Some(will));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct Will<'a> {
    /// Where.
    pub topic: TopicName<'a>,
    /// What; at most 65,535 bytes.
    pub payload: &'a [u8],
    /// How hard.
    pub qos: QoS,
    /// As a retained message.
    pub retain: bool,
    /// 5.0 properties.
    pub properties: Properties<'a>,
}

impl<'a> Will<'a> {
    /// A will at QoS 0, not retained.
    #[must_use]
    pub const fn new(topic: TopicName<'a>, payload: &'a [u8]) -> Self {
        Self { topic, payload, qos: QoS::AtMostOnce, retain: false, properties: Properties::EMPTY }
    }

    #[inline(always)]
    fn read(reader: &mut Reader<'a>, qos: QoS, retain: bool, version: Version) -> Result<Self, DecodeError> {
        Ok(Self {
            properties: Properties::read(reader, version, PropertyPlace::Will, Role::Client)?,
            topic: reader.topic_name()?, // v3[MQTT-3.1.3-10] v5[MQTT-3.1.3-11]
            payload: reader.binary()?,
            qos,
            retain,
        })
    }
}

impl fmt::Debug for Will<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("topic", &self.topic)
            .field("payload", &format_args!("({} bytes)", self.payload.len()))
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .finish()
    }
}

const RESERVED: u8 = 1;
const CLEAN_START: u8 = 1 << 1;
const WILL: u8 = 1 << 2;
const WILL_QOS: u8 = 0b11 << WILL_QOS_SHIFT;
const WILL_QOS_SHIFT: u8 = 3;
const WILL_RETAIN: u8 = 1 << 5;
const PASSWORD: u8 = 1 << 6;
const USER_NAME: u8 = 1 << 7;

const fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

/// Protocol name and level: the version that they stand for, and the protocol where it is not the standard's.
#[inline(always)]
pub(crate) fn read_protocol(
    reader: &mut Reader<'_>,
    dialect: &Dialect,
) -> Result<(Version, Option<&'static Protocol>), DecodeError> {
    let start = *reader;
    let name = reader.binary()?;
    let level_at = *reader;
    let level = reader.u8()?;
    dialect.resolve(name, level).ok_or_else(|| {
        if dialect.knows_name(name) {
            // v3[MQTT-3.1.2-2] v5[MQTT-3.1.2-2]
            level_at.error(Cause::ProtocolLevel)
        } else {
            // v3[MQTT-3.1.2-1] v5[MQTT-3.1.2-1]
            start.error(Cause::ProtocolName)
        }
    })
}

impl<'a> Body<'a> for Connect<'a> {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>, _: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let version = codec.version;
        let (spoken, protocol) = read_protocol(reader, &codec.dialect)?;
        if spoken != version {
            let level_at = reader.offset().saturating_sub(1);
            return Err(DecodeError::new(Cause::ProtocolLevel, level_at));
        }
        let flags_at = *reader;
        let flags = reader.u8()?;
        let will_qos = check_flags(flags, codec).map_err(|cause| flags_at.error(cause))?;
        let keep_alive = reader.u16()?;
        let properties_at = *reader;
        let properties = Properties::read(reader, version, PropertyPlace::Connect, Role::Client)?;
        if properties.authentication_data().is_some() && properties.authentication_method().is_none() {
            return Err(properties_at.error(Cause::NoAuthenticationMethod));
        }
        // v3[MQTT-3.1.3-1] v5[MQTT-3.1.3-1]: each field where its flag says so, in this order.
        // v3[MQTT-3.1.3-3] v3[MQTT-3.1.3-4] v5[MQTT-3.1.3-3] v5[MQTT-3.1.3-4]
        let client_id = reader.text()?;
        // v3[MQTT-3.1.2-9] v5[MQTT-3.1.2-9]
        let will = match will_qos {
            Some(qos) => Some(Will::read(reader, qos, flags & WILL_RETAIN != 0, version)?),
            None => None,
        };
        // In 3.1 the Remaining Length wins over the flags: a field that they announce may be missing.
        let announced = |flag: u8, reader: &Reader<'_>| {
            flags & flag != 0 && (version.reserved_bits_are_checked() || !reader.is_empty())
        };
        // v3[MQTT-3.1.2-18] v3[MQTT-3.1.2-19] v5[MQTT-3.1.2-16] v5[MQTT-3.1.2-17]; text: v3[MQTT-3.1.3-11] v5[MQTT-3.1.3-12]
        let user_name = if announced(USER_NAME, reader) { Some(reader.text()?) } else { None };
        // v3[MQTT-3.1.2-20] v3[MQTT-3.1.2-21] v5[MQTT-3.1.2-18] v5[MQTT-3.1.2-19]
        let password = if announced(PASSWORD, reader) { Some(reader.binary()?) } else { None };
        Ok(Self {
            protocol,
            clean_start: flags & CLEAN_START != 0,
            keep_alive,
            client_id,
            will,
            // Only a leniency lets a password come alone here.
            user_name: if password_stands_alone(user_name, password, version) { Some(Text::EMPTY) } else { user_name },
            password,
            properties,
        })
    }

    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        let version = codec.version;
        self.properties.check(version, PropertyPlace::Connect, Role::Client)?;
        if self.properties.authentication_data().is_some() && self.properties.authentication_method().is_none() {
            return Err(Cause::NoAuthenticationMethod.into());
        }
        // v3[MQTT-3.1.2-22]
        if password_stands_alone(self.user_name, self.password, version) {
            return Err(Cause::PasswordWithoutUserName.into());
        }
        let name = match self.protocol {
            Some(protocol) => {
                protocol.check(codec, false)?;
                protocol.name
            }
            None => version.protocol_name(),
        };
        // Name, level, flags, keep alive; then the payload.
        let mut len = field_len(name).saturating_add(4);
        len = len
            .saturating_add(self.properties.encoded_len(version))
            .saturating_add(field_len(self.client_id.as_bytes()));
        if let Some(will) = &self.will {
            will.properties.check(version, PropertyPlace::Will, Role::Client)?;
            short("will payload", will.payload)?;
            len = len
                .saturating_add(will.properties.encoded_len(version))
                .saturating_add(field_len(will.topic.as_bytes()))
                .saturating_add(field_len(will.payload));
        }
        if let Some(user_name) = self.user_name {
            len = len.saturating_add(field_len(user_name.as_bytes()));
        }
        if let Some(password) = self.password {
            short("password", password)?;
            len = len.saturating_add(field_len(password));
        }
        Ok(len)
    }

    fn write(&self, codec: &Codec, out: &mut TransmitBuf) {
        let version = codec.version;
        match self.protocol {
            Some(protocol) => protocol.write(out),
            None => {
                out.put_binary(version.protocol_name());
                out.put_u8(version.level());
            }
        }
        out.put_u8(self.flags());
        out.put_u16(self.keep_alive);
        self.properties.write(version, out);
        out.put_binary(self.client_id.as_bytes());
        if let Some(will) = &self.will {
            will.properties.write(version, out);
            out.put_binary(will.topic.as_bytes());
            out.put_binary(will.payload);
        }
        if let Some(user_name) = self.user_name {
            out.put_binary(user_name.as_bytes());
        }
        if let Some(password) = self.password {
            out.put_binary(password);
        }
    }
}

/// A password without a user name, in a version where that can't be.
const fn password_stands_alone(user_name: Option<Text<'_>>, password: Option<&[u8]>, version: Version) -> bool {
    password.is_some() && user_name.is_none() && !version.password_may_stand_alone()
}

/// The QoS of the will, if there is to be one.
fn check_flags(flags: u8, codec: &Codec) -> Result<Option<QoS>, Cause> {
    let (version, dialect) = (codec.version, &codec.dialect);
    if version.reserved_bits_are_checked() {
        // v3[MQTT-3.1.2-3] v5[MQTT-3.1.2-3]
        if flags & RESERVED != 0 && !dialect.allows(Leniency::ReservedBits) {
            return Err(Cause::ConnectReservedFlag);
        }
        // v3[MQTT-3.1.2-11] v3[MQTT-3.1.2-13] v3[MQTT-3.1.2-15] v5[MQTT-3.1.2-11] v5[MQTT-3.1.2-13]
        let will_bits = flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0;
        if will_bits && !dialect.allows(Leniency::WillBitsWithoutWill) {
            return Err(Cause::WillBitsWithoutWill);
        }
    }
    // v3[MQTT-3.1.2-14] v5[MQTT-3.1.2-12]
    let will_qos = if flags & WILL != 0 {
        Some(QoS::from_u8((flags & WILL_QOS) >> WILL_QOS_SHIFT).ok_or(Cause::WillQos)?)
    } else {
        None
    };
    // v3[MQTT-3.1.2-22]
    let alone = flags & PASSWORD != 0 && flags & USER_NAME == 0 && !version.password_may_stand_alone();
    if alone && !dialect.allows(Leniency::PasswordWithoutUserName) {
        return Err(Cause::PasswordWithoutUserName);
    }
    Ok(will_qos)
}

pub(crate) const fn field_len(bytes: &[u8]) -> usize {
    bytes.len().saturating_add(2)
}

fn short(field: &'static str, bytes: &[u8]) -> Result<(), EncodeError> {
    if bytes.len() > usize::from(u16::MAX) { Err(EncodeError::FieldTooLong { field }) } else { Ok(()) }
}
