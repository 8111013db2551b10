//! Properties (5.0 section 2.2.2): one table, one validated range of bytes, typed accessors over it.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use alloc::vec::Vec;
use core::fmt;

use crate::error::{Cause, DecodeError, EncodeError};
use crate::reader::Reader;
use crate::varint::{self, VARINT_MAX};
use crate::{QoS, Role, Text, TopicName, TransmitBuf, Version};

/// The packets that carry properties, by the list of properties that each may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PropertyPlace {
    Connect,
    Will,
    ConnAck,
    Publish,
    /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK.
    Ack,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Auth,
}

// One bit per place, and per sender where that matters.
const CONNECT: u16 = 1;
const WILL: u16 = 1 << 1;
const CONNACK: u16 = 1 << 2;
const PUBLISH_C: u16 = 1 << 3;
const PUBLISH_S: u16 = 1 << 4;
const PUBLISH: u16 = PUBLISH_C | PUBLISH_S;
const ACK: u16 = 1 << 5;
const SUBSCRIBE: u16 = 1 << 6;
const UNSUBSCRIBE: u16 = 1 << 7;
const DISCONNECT_C: u16 = 1 << 8;
const DISCONNECT_S: u16 = 1 << 9;
const DISCONNECT: u16 = DISCONNECT_C | DISCONNECT_S;
const AUTH: u16 = 1 << 10;
const ANY: u16 = CONNECT | WILL | CONNACK | PUBLISH | ACK | SUBSCRIBE | UNSUBSCRIBE | DISCONNECT | AUTH;

const fn place_bit(place: PropertyPlace, sender: Role) -> u16 {
    match (place, sender) {
        (PropertyPlace::Connect, _) => CONNECT,
        (PropertyPlace::Will, _) => WILL,
        (PropertyPlace::ConnAck, _) => CONNACK,
        (PropertyPlace::Publish, Role::Client) => PUBLISH_C,
        (PropertyPlace::Publish, Role::Server) => PUBLISH_S,
        (PropertyPlace::Ack, _) => ACK,
        (PropertyPlace::Subscribe, _) => SUBSCRIBE,
        (PropertyPlace::Unsubscribe, _) => UNSUBSCRIBE,
        (PropertyPlace::Disconnect, Role::Client) => DISCONNECT_C,
        (PropertyPlace::Disconnect, Role::Server) => DISCONNECT_S,
        (PropertyPlace::Auth, _) => AUTH,
    }
}

/// How a value stands on the wire and what it may be. Each type is one column entry of the table below.
trait Value<'a>: Copy {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Reads one that has been read before, and need not be checked again.
    #[inline(always)]
    fn read_again(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::read(reader)
    }

    /// Appends the value, or says why the receiver would refuse it and appends nothing.
    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause>;
}

macro_rules! properties {
    ($( $(#[doc = $doc:literal])* $name:ident = $id:literal, $accessor:ident: $value:ty, $places:expr; )*) => {
        /// One property with its value.
        ///
        /// ```
        /// use mqtt_proto::{Cause, PropertiesBuf, Property, Text};
        ///
        /// let mut properties = PropertiesBuf::new();
        /// properties.push(Property::MessageExpiryInterval(60))?;
        /// properties.push(Property::UserProperty((Text::new("unit")?, Text::new("°C")?)))?;
        /// assert_eq!(properties.as_properties().message_expiry_interval(), Some(60));
        /// assert_eq!(properties.as_properties().iter().count(), 2);
        /// # Ok::<(), Cause>(())
        /// ```
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Property<'a> {
            $( $(#[doc = $doc])* #[doc = concat!(" (identifier `", stringify!($id), "`)")] $name($value), )*
        }

        impl<'a> Property<'a> {
            /// The identifier on the wire.
            #[must_use]
            pub const fn id(self) -> u8 {
                match self { $( Self::$name(_) => $id, )* }
            }

            /// Checks the value behind an identifier.
            #[inline(always)]
            fn check(id: u8, reader: &mut Reader<'a>) -> Result<(), DecodeError> {
                match id {
                    $( $id => <$value as Value<'a>>::read(reader).map(drop), )*
                    _ => Err(reader.error(Cause::UnknownProperty)),
                }
            }

            /// Reads the value behind an identifier; has been checked.
            #[inline(always)]
            fn read_again(id: u8, reader: &mut Reader<'a>) -> Option<Self> {
                match id {
                    $( $id => Value::read_again(reader).ok().map(Self::$name), )*
                    _ => None,
                }
            }

            fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
                match self { $( Self::$name(value) => Value::write(value, out), )* }
            }
        }

        /// Authentication Data is a secret, and not shown.
        impl fmt::Debug for Property<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if let Self::AuthenticationData(data) = self {
                    return write!(f, "AuthenticationData({} bytes)", data.len());
                }
                match self { $( Self::$name(value) => f.debug_tuple(stringify!($name)).field(value).finish(), )* }
            }
        }

        /// Where the property with this identifier may stand; 0 where there is none.
        const fn places(id: u8) -> u16 {
            match id { $( $id => $places, )* _ => 0 }
        }

        /// The identifiers, as a set, that may stand at the places of `bit`.
        const fn allowed(bit: u16) -> u64 {
            let mut set = 0;
            $( if $places & bit != 0 { set |= 1 << $id; } )*
            set
        }

        impl<'a> Properties<'a> {
            $(
                $(#[doc = $doc])*
                #[doc = ""]
                #[doc = concat!("The first `", stringify!($name), "`, if there is one.")]
                #[must_use]
                pub fn $accessor(&self) -> Option<$value> {
                    if self.present & (1 << $id) == 0 {
                        return None;
                    }
                    self.iter().find_map(|property| match property {
                        Property::$name(value) => Some(value),
                        _ => None,
                    })
                }
            )*
        }
    };
}

properties! {
    /// The payload is UTF-8 text (`true`) or unspecified bytes.
    /// The codec does not look whether it is; it may, says 5.0 section 3.3.2.3.2, and need not.
    PayloadFormatIndicator = 0x01, payload_format_indicator: bool, PUBLISH | WILL;
    /// Seconds after which an undelivered message is dropped.
    MessageExpiryInterval = 0x02, message_expiry_interval: u32, PUBLISH | WILL;
    /// What the payload is, for instance a MIME type.
    ContentType = 0x03, content_type: Text<'a>, PUBLISH | WILL;
    /// Where an answer should be published.
    ResponseTopic = 0x08, response_topic: TopicName<'a>, PUBLISH | WILL;
    /// Tells the requester which request an answer belongs to.
    CorrelationData = 0x09, correlation_data: &'a [u8], PUBLISH | WILL;
    /// A number that the subscriber gave its subscription, and gets back with each message.
    SubscriptionIdentifier = 0x0B, subscription_identifier: SubscriptionId, SUBSCRIBE | PUBLISH_S; // v5[MQTT-3.3.4-6]
    /// Seconds that the session outlives its connection; `u32::MAX` for ever.
    SessionExpiryInterval = 0x11, session_expiry_interval: u32, CONNECT | CONNACK | DISCONNECT_C;
    /// The client identifier that the server chose.
    AssignedClientIdentifier = 0x12, assigned_client_identifier: Text<'a>, CONNACK;
    /// The keep alive, in seconds, that the client must use instead of its own.
    ServerKeepAlive = 0x13, server_keep_alive: u16, CONNACK;
    /// The method of enhanced authentication.
    AuthenticationMethod = 0x15, authentication_method: Text<'a>, CONNECT | CONNACK | AUTH;
    /// What the authentication method sends.
    AuthenticationData = 0x16, authentication_data: &'a [u8], CONNECT | CONNACK | AUTH;
    /// The client wants reason strings and user properties in acknowledgements.
    RequestProblemInformation = 0x17, request_problem_information: bool, CONNECT;
    /// Seconds between the end of a connection and its will.
    WillDelayInterval = 0x18, will_delay_interval: u32, WILL;
    /// The client asks for Response Information.
    RequestResponseInformation = 0x19, request_response_information: bool, CONNECT;
    /// What to build response topics from.
    ResponseInformation = 0x1A, response_information: Text<'a>, CONNACK;
    /// Which server to use instead.
    ServerReference = 0x1C, server_reference: Text<'a>, CONNACK | DISCONNECT_S;
    /// What happened, for people.
    ReasonString = 0x1F, reason_string: Text<'a>, CONNACK | ACK | DISCONNECT | AUTH;
    /// How many QoS 1 and 2 publishes the sender takes before it acknowledges one.
    ReceiveMaximum = 0x21, receive_maximum: core::num::NonZeroU16, CONNECT | CONNACK;
    /// The highest topic alias that the sender takes.
    TopicAliasMaximum = 0x22, topic_alias_maximum: u16, CONNECT | CONNACK;
    /// A number that stands for a topic on this connection.
    TopicAlias = 0x23, topic_alias: TopicAlias, PUBLISH;
    /// The highest QoS that the server takes, if below 2.
    MaximumQos = 0x24, maximum_qos: QoS, CONNACK;
    /// The server keeps retained messages.
    RetainAvailable = 0x25, retain_available: bool, CONNACK;
    /// A name and a value of the application's own.
    UserProperty = 0x26, user_property: (Text<'a>, Text<'a>), ANY;
    /// The largest packet that the sender takes, in bytes.
    MaximumPacketSize = 0x27, maximum_packet_size: core::num::NonZeroU32, CONNECT | CONNACK;
    /// The server takes wildcard subscriptions.
    WildcardSubscriptionAvailable = 0x28, wildcard_subscription_available: bool, CONNACK;
    /// The server takes subscription identifiers.
    SubscriptionIdentifierAvailable = 0x29, subscription_identifier_available: bool, CONNACK;
    /// The server takes shared subscriptions.
    SharedSubscriptionAvailable = 0x2A, shared_subscription_available: bool, CONNACK;
}

const USER_PROPERTY: u8 = 0x26;
const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
/// In the set of identifiers present: there is more than one Subscription Identifier.
const SUBSCRIPTION_IDENTIFIERS: u64 = 1 << 63;

/// A Subscription Identifier: 1 to 268,435,455 (5.0 section 3.8.2.1.2).
///
/// ```
/// use mqtt_proto::SubscriptionId;
///
/// assert_eq!(SubscriptionId::new(7).unwrap().get(), 7);
/// assert!(SubscriptionId::new(0).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(core::num::NonZeroU32);

impl SubscriptionId {
    /// `None` where the value is outside the range.
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        match core::num::NonZeroU32::new(value) {
            Some(nonzero) if value <= VARINT_MAX => Some(Self(nonzero)),
            _ => None,
        }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// A Topic Alias: 1 to 65,535 (5.0 section 3.3.2.3.4).
///
/// ```
/// use mqtt_proto::TopicAlias;
///
/// assert_eq!(TopicAlias::new(3).unwrap().get(), 3);
/// assert!(TopicAlias::new(0).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicAlias(core::num::NonZeroU16);

impl TopicAlias {
    /// `None` for 0: v5\[MQTT-3.3.2-8\].
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        match core::num::NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

/// The properties of a packet: a range of bytes that has been checked, and knows which identifiers are in it.
///
/// Reading one is a walk over the range; encoding copies it. Before 5.0 there are none.
///
/// ```
/// use mqtt_proto::{Codec, Packet, SubscriptionId, Version};
///
/// let bytes = [0x30, 17, 0, 1, b't', 13, 0x01, 1, 0x0B, 1, 0x0B, 7, 0x26, 0, 1, b'k', 0, 1, b'v'];
/// let Some(Packet::Publish(publish)) = Codec::client(Version::V5).decode(&mut &bytes[..])? else { panic!() };
/// let properties = publish.properties;
/// assert_eq!(properties.payload_format_indicator(), Some(true));
/// assert_eq!(properties.content_type(), None);
///
/// // Two properties may stand there more than once.
/// let ids: Vec<_> = properties.subscription_identifiers().map(SubscriptionId::get).collect();
/// assert_eq!(ids, [1, 7]);
/// let (key, value) = properties.user_properties().next().unwrap();
/// assert_eq!((key.as_str(), value.as_str()), ("k", "v"));
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct Properties<'a> {
    bytes: &'a [u8],
    /// A set of identifiers; none is above 0x2A.
    present: u64,
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self { bytes: &[], present: 0 };

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The properties, in the order in which they came.
    #[must_use]
    pub const fn iter(&self) -> PropertiesIter<'a> {
        PropertiesIter { reader: Reader::new(self.bytes, 0) }
    }

    /// All user properties, in order: v5\[MQTT-3.3.2-18\].
    pub fn user_properties(&self) -> impl Iterator<Item = (Text<'a>, Text<'a>)> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(pair) => Some(pair),
            _ => None,
        })
    }

    /// All subscription identifiers of a PUBLISH.
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = SubscriptionId> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(id),
            _ => None,
        })
    }

    /// The property section as it stands on the wire, without its length.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes, and the identifiers in them.
    pub(crate) const fn into_parts(self) -> (&'a [u8], u64) {
        (self.bytes, self.present)
    }

    /// What [`into_parts`](Self::into_parts) took apart.
    pub(crate) const fn from_parts(bytes: &'a [u8], present: u64) -> Self {
        Self { bytes, present }
    }

    /// Reads and checks the section that stands next in a packet from `sender`.
    #[inline]
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        version: Version,
        place: PropertyPlace,
        sender: Role,
    ) -> Result<Self, DecodeError> {
        if !version.has_properties() {
            return Ok(Self::EMPTY);
        }
        let section = reader.section()?; // v5[MQTT-2.2.2-1]
        if section.is_empty() {
            return Ok(Self::EMPTY);
        }
        let present = identifiers(section, place_bit(place, sender))?;
        Ok(Self { bytes: section.rest(), present })
    }

    /// May `sender` send these there?
    #[inline]
    pub(crate) fn check(&self, version: Version, place: PropertyPlace, sender: Role) -> Result<(), EncodeError> {
        if self.present == 0 {
            return Ok(());
        }
        if !version.has_properties() {
            return Err(EncodeError::NotInVersion { what: "a property", version });
        }
        let bit = place_bit(place, sender);
        let foreign = self.present & !SUBSCRIPTION_IDENTIFIERS & !allowed(bit);
        if foreign != 0 {
            let id = u8::try_from(foreign.trailing_zeros()).unwrap_or(0);
            return Err(misplaced(id, places(id), bit).into());
        }
        if self.present & SUBSCRIPTION_IDENTIFIERS != 0 && bit != PUBLISH_S {
            return Err(Cause::RepeatedProperty.into());
        }
        Ok(())
    }

    /// Length of the whole section, its own length included, which is there even when it is 0: v5\[MQTT-2.2.2-1\].
    #[inline]
    pub(crate) fn encoded_len(&self, version: Version) -> usize {
        if version.has_properties() { varint_len(self.bytes.len()).saturating_add(self.bytes.len()) } else { 0 }
    }

    #[inline(always)]
    pub(crate) fn write(&self, version: Version, out: &mut TransmitBuf) {
        if version.has_properties() {
            out.put_varint(self.bytes.len()); // v5[MQTT-2.2.2-1]
            out.put_slice(self.bytes);
        }
    }
}

impl PartialEq for Properties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Properties<'_> {}

impl core::hash::Hash for Properties<'_> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertiesIter<'a>;

    fn into_iter(self) -> PropertiesIter<'a> {
        self.iter()
    }
}

/// Yields the properties of a packet in order. Made by [`Properties::iter`].
///
/// ```
/// use mqtt_proto::{Cause, PropertiesBuf, Property};
///
/// let mut properties = PropertiesBuf::new();
/// properties.push(Property::ServerKeepAlive(30))?;
/// properties.push(Property::TopicAliasMaximum(5))?;
/// let ids: Vec<_> = properties.as_properties().iter().map(Property::id).collect();
/// assert_eq!(ids, [0x13, 0x22]);
/// # Ok::<(), Cause>(())
/// ```
#[derive(Clone, Debug)]
pub struct PropertiesIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for PropertiesIter<'a> {
    type Item = Property<'a>;

    #[inline]
    fn next(&mut self) -> Option<Property<'a>> {
        // The range was checked when it was made, so the only end is the end.
        let id = self.reader.u8().ok()?;
        Property::read_again(id, &mut self.reader)
    }
}

/// Properties to be sent: a range of bytes that grows, checked property by property.
///
/// ```
/// use mqtt_proto::{Cause, PropertiesBuf, Property};
///
/// let mut properties = PropertiesBuf::new();
/// properties.push(Property::ServerKeepAlive(30))?;
/// assert_eq!(properties.push(Property::ServerKeepAlive(40)), Err(Cause::RepeatedProperty));
///
/// properties.clear();
/// assert!(properties.is_empty());
/// # Ok::<(), Cause>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct PropertiesBuf {
    bytes: Vec<u8>,
    present: u64,
}

impl PropertiesBuf {
    /// No properties; holds no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), present: 0 }
    }

    /// No properties, and room for `bytes` of them as they stand on the wire.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), present: 0 }
    }

    /// Drops all, and keeps the memory for the next packet's.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.present = 0;
    }

    /// Appends one.
    ///
    /// # Errors
    ///
    /// Repeats one that may stand once, or has a value outside its range. Nothing is appended then.
    pub fn push(&mut self, property: Property<'_>) -> Result<(), Cause> {
        let present = with(self.present, property.id(), PUBLISH_S)?;
        let before = self.bytes.len();
        self.bytes.push(property.id());
        if let Err(cause) = property.write(&mut self.bytes) {
            self.bytes.truncate(before);
            return Err(cause);
        }
        self.present = present;
        Ok(())
    }

    /// Appends those of `properties` that `keep` says yes to.
    ///
    /// ```
    /// use mqtt_proto::{Cause, PropertiesBuf, Property, Text, TopicAlias};
    ///
    /// let mut received = PropertiesBuf::new();
    /// received.push(Property::TopicAlias(TopicAlias::new(3).unwrap()))?;
    /// received.push(Property::ContentType(Text::new("text/plain")?))?;
    /// // An alias is good for one connection only.
    /// let mut forwarded = PropertiesBuf::new();
    /// forwarded.extend_if(received.as_properties(), |property| !matches!(property, Property::TopicAlias(_)))?;
    /// assert_eq!(forwarded.as_properties().topic_alias(), None);
    /// assert_eq!(forwarded.as_properties().content_type().unwrap(), "text/plain");
    /// # Ok::<(), Cause>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push); what came before the one at fault has been appended.
    pub fn extend_if(
        &mut self,
        properties: Properties<'_>,
        mut keep: impl FnMut(Property<'_>) -> bool,
    ) -> Result<(), Cause> {
        properties.iter().filter(|&property| keep(property)).try_for_each(|property| self.push(property))
    }

    /// What to put into a packet.
    #[must_use]
    pub fn as_properties(&self) -> Properties<'_> {
        Properties { bytes: &self.bytes, present: self.present }
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl From<Properties<'_>> for PropertiesBuf {
    fn from(properties: Properties<'_>) -> Self {
        Self { bytes: properties.bytes.into(), present: properties.present }
    }
}

impl fmt::Debug for PropertiesBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_properties().fmt(f)
    }
}

/// Checks a section that stands at a place. The identifiers in it, as a set.
fn identifiers(mut section: Reader<'_>, bit: u16) -> Result<u64, DecodeError> {
    let mut present = 0;
    while !section.is_empty() {
        let start = section;
        let id = section.varint()?;
        let id = u8::try_from(id).map_err(|_| start.error(Cause::UnknownProperty))?;
        let places = places(id);
        if places & bit == 0 {
            return Err(start.error(misplaced(id, places, bit)));
        }
        Property::check(id, &mut section).map_err(|error| at_topic_alias(id, error))?;
        present = with(present, id, bit).map_err(|cause| start.error(cause))?;
    }
    Ok(present)
}

/// `present` with one more identifier, if it may stand there (again).
fn with(present: u64, id: u8, bit: u16) -> Result<u64, Cause> {
    let mask = 1 << (id & 0x3F);
    if present & mask == 0 {
        return Ok(present | mask);
    }
    match id {
        USER_PROPERTY => Ok(present),
        SUBSCRIPTION_IDENTIFIER if bit == PUBLISH_S => Ok(present | SUBSCRIPTION_IDENTIFIERS),
        _ => Err(Cause::RepeatedProperty),
    }
}

fn misplaced(id: u8, places: u16, bit: u16) -> Cause {
    if places == 0 {
        Cause::UnknownProperty
    } else if id == SUBSCRIPTION_IDENTIFIER && bit == PUBLISH_C {
        Cause::SubscriptionIdFromClient
    } else if id == SESSION_EXPIRY_INTERVAL && bit == DISCONNECT_S {
        Cause::SessionExpiryFromServer
    } else {
        Cause::MisplacedProperty
    }
}

/// The one property whose bad value has a reason code of its own.
fn at_topic_alias(id: u8, error: DecodeError) -> DecodeError {
    if id == 0x23 && error.cause() == Cause::PropertyValue {
        DecodeError::new(Cause::TopicAliasZero, error.offset() as usize)
    } else {
        error
    }
}

pub(crate) fn varint_len(value: usize) -> usize {
    varint::len(u32::try_from(value).unwrap_or(u32::MAX))
}

/// Reads with `read`, and takes what `check` takes.
#[inline(always)]
fn checked<'a, T, V>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    check: impl FnOnce(T) -> Option<V>,
) -> Result<V, DecodeError> {
    let start = *reader;
    check(read(reader)?).ok_or_else(|| start.error(Cause::PropertyValue))
}

impl<'a> Value<'a> for bool {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        checked(reader, Reader::u8, |byte| match byte {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        out.push(u8::from(self));
        Ok(())
    }
}

impl<'a> Value<'a> for u16 {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.u16()
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        out.extend_from_slice(&self.to_be_bytes());
        Ok(())
    }
}

impl<'a> Value<'a> for u32 {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.u32()
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        out.extend_from_slice(&self.to_be_bytes());
        Ok(())
    }
}

impl<'a> Value<'a> for core::num::NonZeroU16 {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        checked(reader, Reader::u16, Self::new)
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        self.get().write(out)
    }
}

impl<'a> Value<'a> for core::num::NonZeroU32 {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        checked(reader, Reader::u32, Self::new)
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        self.get().write(out)
    }
}

impl<'a> Value<'a> for TopicAlias {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        checked(reader, Reader::u16, Self::new)
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        self.get().write(out)
    }
}

impl<'a> Value<'a> for SubscriptionId {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        checked(reader, Reader::varint, Self::new)
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        varint::write(self.get(), out);
        Ok(())
    }
}

/// Maximum QoS: 0 or 1; that 2 is possible is said by saying nothing.
impl<'a> Value<'a> for QoS {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        checked(reader, Reader::u8, |byte| Self::from_u8(byte).filter(|&qos| qos < Self::ExactlyOnce))
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        if self == Self::ExactlyOnce {
            return Err(Cause::PropertyValue);
        }
        out.push(self.as_u8());
        Ok(())
    }
}

impl<'a> Value<'a> for Text<'a> {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.text() // v5[MQTT-3.3.2-19]
    }

    #[inline(always)]
    fn read_again(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.binary().map(Self::part)
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        self.as_bytes().write(out)
    }
}

impl<'a> Value<'a> for TopicName<'a> {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.topic_name() // v5[MQTT-3.3.2-13]
    }

    #[inline(always)]
    fn read_again(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Text::read_again(reader).map(Self::part)
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        self.as_bytes().write(out)
    }
}

impl<'a> Value<'a> for &'a [u8] {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.binary()
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        let length = u16::try_from(self.len()).map_err(|_| Cause::FieldTooLong)?;
        length.write(out)?;
        out.extend_from_slice(self);
        Ok(())
    }
}

impl<'a> Value<'a> for (Text<'a>, Text<'a>) {
    /// v5\[MQTT-1.5.7-1\]
    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok((reader.text()?, reader.text()?))
    }

    #[inline(always)]
    fn read_again(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok((Text::read_again(reader)?, Text::read_again(reader)?))
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Cause> {
        self.0.write(out)?;
        self.1.write(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], place: PropertyPlace, sender: Role) -> Result<Properties<'_>, Cause> {
        let mut section = alloc::vec![u8::try_from(bytes.len()).unwrap()];
        section.extend_from_slice(bytes);
        let section: &'static [u8] = section.leak();
        Properties::read(&mut Reader::new(section, 0), Version::V5, place, sender).map_err(DecodeError::cause)
    }

    #[test]
    fn the_allow_lists_of_the_specification() {
        let list = |place, sender| -> Vec<u8> {
            (0..=0x7F).filter(|&id| places(id) & place_bit(place, sender) != 0).collect()
        };
        use PropertyPlace::*;
        assert_eq!(list(Connect, Role::Client), [0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]);
        assert_eq!(list(Will, Role::Client), [0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]);
        assert_eq!(
            list(ConnAck, Role::Server),
            [0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A]
        );
        assert_eq!(list(Publish, Role::Server), [0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26]);
        assert_eq!(list(Publish, Role::Client), [0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26]);
        assert_eq!(list(Ack, Role::Client), [0x1F, 0x26]);
        assert_eq!(list(Subscribe, Role::Client), [0x0B, 0x26]);
        assert_eq!(list(Unsubscribe, Role::Client), [0x26]);
        assert_eq!(list(Disconnect, Role::Client), [0x11, 0x1F, 0x26]);
        assert_eq!(list(Disconnect, Role::Server), [0x1C, 0x1F, 0x26]);
        assert_eq!(list(Auth, Role::Client), [0x15, 0x16, 0x1F, 0x26]);
    }

    #[test]
    fn values_outside_their_range_are_refused() {
        use PropertyPlace::*;
        let table: [(&[u8], PropertyPlace, Role, Cause); 9] = [
            (&[0x01, 2], Publish, Role::Client, Cause::PropertyValue),
            (&[0x0B, 0], Subscribe, Role::Client, Cause::PropertyValue),
            (&[0x17, 2], Connect, Role::Client, Cause::PropertyValue),
            (&[0x21, 0, 0], Connect, Role::Client, Cause::PropertyValue),
            (&[0x23, 0, 0], Publish, Role::Client, Cause::TopicAliasZero),
            (&[0x24, 2], ConnAck, Role::Server, Cause::PropertyValue),
            (&[0x27, 0, 0, 0, 0], Connect, Role::Client, Cause::PropertyValue),
            (&[0x08, 0, 1, b'#'], Publish, Role::Client, Cause::WildcardInTopicName),
            (&[0x08, 0, 0], Publish, Role::Client, Cause::EmptyTopic),
        ];
        for (bytes, place, sender, cause) in table {
            assert_eq!(read(bytes, place, sender), Err(cause), "{bytes:x?}");
        }
    }

    #[test]
    fn a_property_stands_once_unless_it_may_repeat() {
        use PropertyPlace::*;
        assert_eq!(read(&[0x13, 0, 1, 0x13, 0, 1], ConnAck, Role::Server), Err(Cause::RepeatedProperty));
        assert_eq!(read(&[0x0B, 1, 0x0B, 1], Subscribe, Role::Client), Err(Cause::RepeatedProperty));
        let both = read(&[0x0B, 1, 0x0B, 1], Publish, Role::Server).unwrap();
        assert_eq!(both.subscription_identifiers().count(), 2);
        let user = [0x26, 0, 1, b'a', 0, 1, b'b', 0x26, 0, 1, b'a', 0, 1, b'c'];
        let values: Vec<_> =
            read(&user, Ack, Role::Client).unwrap().user_properties().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["b", "c"]);
    }

    #[test]
    fn unknown_and_misplaced_identifiers_are_told_apart() {
        use PropertyPlace::*;
        assert_eq!(read(&[0x04, 0], Publish, Role::Client), Err(Cause::UnknownProperty));
        assert_eq!(read(&[0x80, 0x01], Publish, Role::Client), Err(Cause::UnknownProperty));
        assert_eq!(read(&[0xA6, 0x02], Publish, Role::Client), Err(Cause::UnknownProperty));
        assert_eq!(read(&[0x13, 0, 1], Publish, Role::Client), Err(Cause::MisplacedProperty));
        assert_eq!(read(&[0x0B, 1], Publish, Role::Client), Err(Cause::SubscriptionIdFromClient));
    }

    #[test]
    fn a_value_may_not_cross_the_end_of_the_section() {
        assert_eq!(read(&[0x02, 0, 0, 0], PropertyPlace::Publish, Role::Client), Err(Cause::UnexpectedEnd));
        assert_eq!(read(&[0x03, 0, 2, b'a'], PropertyPlace::Publish, Role::Client), Err(Cause::UnexpectedEnd));
    }

    #[test]
    fn a_buffer_may_only_be_encoded_where_its_properties_belong() {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::ServerKeepAlive(1)).unwrap();
        let properties = properties.as_properties();
        assert_eq!(properties.check(Version::V5, PropertyPlace::ConnAck, Role::Server), Ok(()));
        assert_eq!(
            properties.check(Version::V5, PropertyPlace::Publish, Role::Server),
            Err(EncodeError::Refused(Cause::MisplacedProperty))
        );
        assert!(matches!(
            properties.check(Version::V3_1_1, PropertyPlace::ConnAck, Role::Server),
            Err(EncodeError::NotInVersion { .. })
        ));
    }

    #[test]
    fn a_cleared_buffer_is_as_new_and_keeps_its_memory() {
        let mut buf = PropertiesBuf::with_capacity(100);
        let memory = buf.bytes.as_ptr();
        for _ in 0..2 {
            buf.push(Property::ServerKeepAlive(30)).unwrap();
            assert_eq!(buf.as_properties().server_keep_alive(), Some(30));
            buf.clear();
            assert_eq!(buf, PropertiesBuf::new());
            assert_eq!(buf.as_properties().server_keep_alive(), None);
        }
        assert_eq!(buf.bytes.as_ptr(), memory);
    }

    #[test]
    fn a_refused_value_leaves_the_buffer_as_it_was() {
        let mut properties = PropertiesBuf::new();
        assert_eq!(properties.push(Property::MaximumQos(QoS::ExactlyOnce)), Err(Cause::PropertyValue));
        let long = alloc::vec![0; 65_536];
        assert_eq!(properties.push(Property::CorrelationData(&long)), Err(Cause::FieldTooLong));
        assert!(properties.is_empty());
        assert_eq!(properties.push(Property::MaximumQos(QoS::AtLeastOnce)), Ok(()));
    }
}
