//! Any packet out of any bytes, for tests: each byte makes a choice, and where they end the simplest choice is made.
//!
//! This is what features `proptest` and `arbitrary` are made of. Use it directly where a test needs the packet as its maker has it, which borrows,
//! and not a [`PacketBuf`], which has been encoded:
//!
//! ```
//! use mqtt_proto::choices::{Choices, sender, with_packet};
//! use mqtt_proto::TransmitBuf;
//!
//! let mut choices = Choices::new(b"whatever a fuzzer has found");
//! let (codec, packet_type) = sender(&mut choices);
//! with_packet(&mut choices, codec, packet_type, |packet| {
//!     assert_eq!(packet.packet_type(), packet_type);
//!     let mut out = TransmitBuf::new();
//!     codec.encode(packet, &mut out).unwrap();
//!     assert_eq!(codec.encoded_len(packet), Ok(out.len()));
//! });
//! ```
//!
//! Texts and payloads are borrowed from the bytes, so that a fuzzer's dictionary works on them. The lists of what may stand where
//! are written out once more here, from the specification: the codec's own tables are what is on trial.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "only tests get here, and a test had better hear of it"
)]

use alloc::vec;
use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;

use crate::{
    Ack, Auth, Codec, ConnAck, Connect, Delivery, Disconnect, Opaque, Packet, PacketBuf, PacketId, PacketType, Payload,
    PropertiesBuf, Property, Publish, QoS, ReasonCode, RetainHandling, Role, SubAck, Subscribe, Subscription,
    SubscriptionId, SubscriptionOptions, Text, TopicAlias, TopicFilter, TopicName, TransmitBuf, UnsubAck, Unsubscribe,
    Version, Will,
};

/// Bytes that decide.
///
/// ```
/// use mqtt_proto::Version;
/// use mqtt_proto::choices::Choices;
///
/// let mut choices = Choices::new(&[1, 7]);
/// assert_eq!(choices.pick(&["a", "b", "c"]), "b");
/// assert_eq!([choices.byte(), choices.byte()], [7, 0]);
/// assert_eq!((choices.text().len(), choices.topic().as_str(), choices.filter(Version::V5).as_str()), (0, "t", "#"));
/// ```
#[derive(Clone, Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// All choices that will be made.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte, 0 behind the last one.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    /// One of them. There has to be one.
    ///
    /// # Panics
    ///
    /// `from` is empty.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    fn bytes(&mut self) -> &'a [u8] {
        self.bytes_or(&[127, 128])
    }

    /// Mostly a few of the bytes that are left; now and then about as many as `long` says, where some length takes one byte more.
    fn bytes_or(&mut self, long: &[usize]) -> &'a [u8] {
        match self.byte() {
            few @ ..0xF0 => {
                let (taken, rest) = self.0.split_at(usize::from(few % 32).min(self.0.len()));
                self.0 = rest;
                taken
            }
            0xF0.. => &FILLER[..self.pick(long) - usize::from(self.byte() % 16)],
        }
    }

    fn str(&mut self) -> &'a str {
        if self.byte().is_multiple_of(4) {
            return self.pick(&[
                "",
                "a",
                "température",
                "\u{FEFF}x",
                "\u{10FFFF}",
                "\u{1}\u{7F}",
                "0123456789 abcdef/ghi$",
            ]);
        }
        let bytes = self.bytes();
        let valid = core::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
        let text = core::str::from_utf8(&bytes[..valid]).unwrap_or_default();
        text.split('\0').next().unwrap_or_default()
    }

    /// A text.
    pub fn text(&mut self) -> Text<'a> {
        Text::new(self.str()).expect("it is short and without NUL")
    }

    /// A topic name.
    pub fn topic(&mut self) -> TopicName<'a> {
        let name = self.str().split(['+', '#']).next().unwrap_or_default();
        TopicName::new(if name.is_empty() { "t" } else { name }).expect("wildcards were cut off")
    }

    /// A topic filter.
    pub fn filter(&mut self, version: Version) -> TopicFilter<'a> {
        if let Ok(filter) = TopicFilter::from_text(self.text(), version) {
            return filter;
        }
        let some =
            self.pick(&["#", "+", "a/#", "+/b/#", "/", "é/+/c", "$SYS/#", "$share/g/a", "$share/g//+", "$share/é/#"]);
        TopicFilter::new(some).expect("it is a filter")
    }

    fn packet_id(&mut self) -> PacketId {
        PacketId::new(self.u16()).unwrap_or(PacketId::MAX)
    }

    fn qos(&mut self) -> QoS {
        self.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
    }

    fn reason(&mut self, codes: &[u8]) -> ReasonCode {
        ReasonCode::from_u8(self.pick(codes)).expect("the code is in the table of 5.0")
    }

    /// Some of the properties with these identifiers; a few may stand more than once.
    fn properties(&mut self, version: Version, ids: &[u8]) -> PropertiesBuf {
        let mut properties = PropertiesBuf::new();
        if !version.has_properties() || ids.is_empty() {
            return properties;
        }
        for _ in 0..self.byte() % 6 {
            let id = self.pick(ids);
            let property = self.property(id);
            // A Subscription Identifier may repeat in PUBLISH, which is where a Content Type may stand, too.
            let repeats = id == 0x26 || (id == 0x0B && ids.contains(&0x03));
            if repeats || !properties.as_properties().iter().any(|other| other.id() == id) {
                properties.push(property).expect("it is in range, and may stand here");
            }
        }
        properties
    }

    fn property(&mut self, id: u8) -> Property<'a> {
        let property = match id {
            0x01 => Property::PayloadFormatIndicator(self.flag()),
            0x02 => Property::MessageExpiryInterval(self.u32()),
            0x03 => Property::ContentType(self.text()),
            0x08 => Property::ResponseTopic(self.topic()),
            0x09 => Property::CorrelationData(self.bytes()),
            0x0B => {
                let some = [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455];
                let value = self.maybe(|choices| choices.pick(&some)).unwrap_or_else(|| u32::from(self.u16()));
                Property::SubscriptionIdentifier(SubscriptionId::new(value.max(1)).expect("it is in range"))
            }
            0x11 => Property::SessionExpiryInterval(self.u32()),
            0x12 => Property::AssignedClientIdentifier(self.text()),
            0x13 => Property::ServerKeepAlive(self.u16()),
            0x15 => Property::AuthenticationMethod(self.text()),
            0x16 => Property::AuthenticationData(self.bytes()),
            0x17 => Property::RequestProblemInformation(self.flag()),
            0x18 => Property::WillDelayInterval(self.u32()),
            0x19 => Property::RequestResponseInformation(self.flag()),
            0x1A => Property::ResponseInformation(self.text()),
            0x1C => Property::ServerReference(self.text()),
            0x1F => Property::ReasonString(self.text()),
            0x21 => Property::ReceiveMaximum(NonZeroU16::new(self.u16()).unwrap_or(NonZeroU16::MAX)),
            0x22 => Property::TopicAliasMaximum(self.u16()),
            0x23 => Property::TopicAlias(TopicAlias::new(self.u16().max(1)).expect("it is not zero")),
            0x24 => Property::MaximumQos(self.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce])),
            0x25 => Property::RetainAvailable(self.flag()),
            0x26 => Property::UserProperty((self.text(), self.text())),
            0x27 => Property::MaximumPacketSize(NonZeroU32::new(self.u32()).unwrap_or(NonZeroU32::MAX)),
            0x28 => Property::WildcardSubscriptionAvailable(self.flag()),
            0x29 => Property::SubscriptionIdentifierAvailable(self.flag()),
            0x2A => Property::SharedSubscriptionAvailable(self.flag()),
            _ => unreachable!("no list names {id:#x}"),
        };
        debug_assert_eq!(property.id(), id);
        property
    }

    fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..=self.byte() % 4).map(|_| element(self)).collect()
    }

    fn subscription(&mut self, version: Version) -> Subscription<'a> {
        let mut subscription = Subscription::new(self.filter(version), self.qos());
        if version.has_subscription_options() {
            subscription.options = SubscriptionOptions {
                qos: subscription.options.qos,
                // v5[MQTT-3.8.3-4]
                no_local: self.flag() && !subscription.filter.as_str().starts_with("$share/"),
                retain_as_published: self.flag(),
                retain_handling: self.pick(&[
                    RetainHandling::SendAtSubscribe,
                    RetainHandling::SendIfNew,
                    RetainHandling::DoNotSend,
                ]),
            };
        }
        subscription
    }
}

/// Some version, one end of the connection, and a packet type that this end may send.
///
/// ```
/// use mqtt_proto::choices::{Choices, sender};
/// use mqtt_proto::{PacketType, Role, Version};
///
/// let (codec, packet_type) = sender(&mut Choices::new(&[2, 1, 0]));
/// assert_eq!((codec.version, codec.role), (Version::V5, Role::Server));
/// assert_eq!(packet_type, PacketType::ConnAck);
/// ```
pub fn sender(choices: &mut Choices<'_>) -> (Codec, PacketType) {
    let version = choices.pick(&Version::ALL);
    let role = choices.pick(&[Role::Client, Role::Server]);
    let mut codec = Codec::client(version);
    codec.role = role;
    codec.packet_bytes_max = crate::PACKET_BYTES_MAX;
    (codec, packet_type(choices, codec))
}

/// Either end in some version, as what [`packet_buf`] needs.
///
/// ```
/// use mqtt_proto::choices::{Choices, receiver};
/// use mqtt_proto::{Role, Version};
///
/// let codec = receiver(&mut Choices::new(&[1, 1]));
/// assert_eq!((codec.version, codec.role), (Version::V3_1_1, Role::Client));
/// ```
pub fn receiver(choices: &mut Choices<'_>) -> Codec {
    let version = choices.pick(&Version::ALL);
    let role = choices.pick(&[Role::Server, Role::Client]);
    let mut codec = Codec::client(version);
    codec.role = role;
    codec
}

/// A packet that `receiver` may get. `None`: this one is larger than `receiver` takes; none has 20,000 bytes.
///
/// ```
/// use mqtt_proto::choices::{Choices, packet_buf};
/// use mqtt_proto::{Codec, Packet, Version};
///
/// let server = Codec::server(Version::V3_1_1);
/// let simplest = packet_buf(&mut Choices::new(&[]), server).unwrap();
/// assert!(matches!(simplest.packet(), Packet::Connect(_)));
/// ```
#[must_use]
pub fn packet_buf(choices: &mut Choices<'_>, receiver: Codec) -> Option<PacketBuf> {
    let mut sender = receiver;
    sender.role = receiver.role.peer();
    let packet_type = packet_type(choices, sender);
    let mut out = TransmitBuf::new();
    let encoded = with_packet(choices, sender, packet_type, |packet| sender.encode(packet, &mut out));
    encoded.expect("its sender may send it");
    PacketBuf::new(receiver, out.slices().flatten().copied().collect()).ok()
}

fn packet_type(choices: &mut Choices<'_>, sender: Codec) -> PacketType {
    let sent: Vec<_> =
        PacketType::ALL.into_iter().filter(|packet_type| packet_type.is_sent_by(sender.role, sender.version)).collect();
    choices.pick(&sent)
}

/// Makes a packet of this type that `codec` may send, and shows it to `check`. Whether it may send a reserved type is up to its dialect.
///
/// ```
/// use mqtt_proto::choices::{Choices, with_packet};
/// use mqtt_proto::{Codec, Packet, PacketType, Version};
///
/// let server = Codec::server(Version::V5);
/// with_packet(&mut Choices::new(b"any bytes"), server, PacketType::SubAck, |packet| {
///     let Packet::SubAck(suback) = packet else { panic!() };
///     assert!(!suback.reason_codes.is_empty());
/// });
/// ```
pub fn with_packet<R>(
    choices: &mut Choices<'_>,
    codec: Codec,
    packet_type: PacketType,
    check: impl FnOnce(&Packet<'_>) -> R,
) -> R {
    let version = codec.version;
    let codes = reason_codes(packet_type, codec.role, version);
    let mut buf = choices.properties(version, property_ids(packet_type, codec.role));
    match packet_type {
        PacketType::Connect => return with_connect(choices, version, buf, check),
        PacketType::Publish => return with_publish(choices, version, buf, check),
        PacketType::Auth => name_method(choices, &mut buf),
        _ => {}
    }
    let properties = buf.as_properties();
    match packet_type {
        PacketType::Connect | PacketType::Publish => unreachable!("done above"),
        PacketType::ConnAck => {
            let reason_code = choices.reason(codes);
            let session_present = choices.flag() && version.has_session_present() && reason_code == ReasonCode::Success;
            check(&Packet::ConnAck(ConnAck { session_present, reason_code, properties, trailing: &[] }))
        }
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            let ack = Ack { packet_id: choices.packet_id(), reason_code: choices.reason(codes), properties };
            check(&match packet_type {
                PacketType::PubAck => Packet::PubAck(ack),
                PacketType::PubRec => Packet::PubRec(ack),
                PacketType::PubRel => Packet::PubRel(ack),
                _ => Packet::PubComp(ack),
            })
        }
        PacketType::Subscribe => {
            let subscriptions = choices.list(|choices| choices.subscription(version));
            let subscriptions = subscriptions[..].into();
            check(&Packet::Subscribe(Subscribe { packet_id: choices.packet_id(), properties, subscriptions }))
        }
        PacketType::SubAck => {
            let codes = choices.list(|choices| choices.reason(codes));
            check(&Packet::SubAck(SubAck {
                packet_id: choices.packet_id(),
                properties,
                reason_codes: codes[..].into(),
            }))
        }
        PacketType::Unsubscribe => {
            let filters = choices.list(|choices| choices.filter(version));
            check(&Packet::Unsubscribe(Unsubscribe {
                packet_id: choices.packet_id(),
                properties,
                filters: filters[..].into(),
            }))
        }
        PacketType::UnsubAck => {
            let codes = if codes.is_empty() { vec![] } else { choices.list(|choices| choices.reason(codes)) };
            check(&Packet::UnsubAck(UnsubAck {
                packet_id: choices.packet_id(),
                properties,
                reason_codes: codes[..].into(),
            }))
        }
        PacketType::PingReq => check(&Packet::PingReq),
        PacketType::PingResp => check(&Packet::PingResp),
        PacketType::Disconnect => {
            check(&Packet::Disconnect(Disconnect { reason_code: choices.reason(codes), properties }))
        }
        PacketType::Auth => check(&Packet::Auth(Auth::new(choices.reason(codes), properties))),
        PacketType::Reserved => {
            let opaque = Opaque::new(packet_type, choices.byte() & 0x0F, choices.bytes());
            check(&Packet::Opaque(opaque.expect("the type is reserved, and there are four flags")))
        }
    }
}

fn with_connect<R>(
    choices: &mut Choices<'_>,
    version: Version,
    mut buf: PropertiesBuf,
    check: impl FnOnce(&Packet<'_>) -> R,
) -> R {
    if buf.as_properties().authentication_data().is_some() {
        name_method(choices, &mut buf);
    }
    let will_buf = choices.properties(version, WILL);
    let mut connect = Connect::new(choices.text());
    connect.clean_start = choices.flag();
    connect.keep_alive = choices.u16();
    connect.will = choices.maybe(|choices| {
        let mut will = Will::new(choices.topic(), choices.bytes());
        will.qos = choices.qos();
        will.retain = choices.flag();
        will.properties = will_buf.as_properties();
        will
    });
    connect.user_name = choices.maybe(Choices::text);
    if connect.user_name.is_some() || version.password_may_stand_alone() {
        connect.password = choices.maybe(Choices::bytes);
    }
    connect.properties = buf.as_properties();
    check(&Packet::Connect(connect))
}

fn with_publish<R>(
    choices: &mut Choices<'_>,
    version: Version,
    mut buf: PropertiesBuf,
    check: impl FnOnce(&Packet<'_>) -> R,
) -> R {
    let mut topic = Some(choices.topic());
    if version.has_properties() && choices.flag() {
        topic = None;
        if buf.as_properties().topic_alias().is_none() {
            buf.push(choices.property(0x23)).expect("there is none yet");
        }
    }
    let (packet_id, dup) = (choices.packet_id(), choices.flag());
    let delivery = match choices.qos() {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id, dup },
        QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id, dup },
    };
    let (retain, payload) = (choices.flag(), choices.bytes_or(&[127, 128, 4_095, 4_096, 16_383, 16_384]));
    let shared = choices.maybe(|_| Bytes::copy_from_slice(payload));
    let payload = shared.as_ref().map_or(Payload::from(payload), Payload::from);
    check(&Packet::Publish(Publish { topic, delivery, retain, properties: buf.as_properties(), payload }))
}

fn name_method(choices: &mut Choices<'_>, buf: &mut PropertiesBuf) {
    if buf.as_properties().authentication_method().is_none() {
        buf.push(choices.property(0x15)).expect("there is none yet");
    }
}

/// The properties that `sender` may put into a packet of this type (5.0 section 2.2.2.2).
///
/// ```
/// use mqtt_proto::choices::property_ids;
/// use mqtt_proto::{PacketType, Role};
///
/// assert_eq!(property_ids(PacketType::Subscribe, Role::Client), [0x0B, 0x26]);
/// ```
pub fn property_ids(packet_type: PacketType, sender: Role) -> &'static [u8] {
    match (packet_type, sender) {
        (PacketType::Connect, _) => &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
        (PacketType::ConnAck, _) => {
            &[0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A]
        }
        (PacketType::Publish, Role::Client) => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26],
        (PacketType::Publish, Role::Server) => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26],
        (PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp, _) => &[0x1F, 0x26],
        (PacketType::Subscribe, _) => &[0x0B, 0x26],
        (PacketType::SubAck | PacketType::UnsubAck, _) => &[0x1F, 0x26],
        (PacketType::Unsubscribe, _) => &[0x26],
        (PacketType::PingReq | PacketType::PingResp | PacketType::Reserved, _) => &[],
        (PacketType::Disconnect, Role::Client) => &[0x11, 0x1F, 0x26],
        (PacketType::Disconnect, Role::Server) => &[0x1C, 0x1F, 0x26],
        (PacketType::Auth, _) => &[0x15, 0x16, 0x1F, 0x26],
    }
}

/// The properties that a will may have.
pub const WILL: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26];

/// The reason codes that `sender` may put into a packet of this type (the tables of 5.0's packets). Before 5.0: those that stand there in
/// the specification, and of CONNACK's return codes the six that stand for themselves.
///
/// ```
/// use mqtt_proto::choices::reason_codes;
/// use mqtt_proto::{PacketType, Role, Version};
///
/// assert_eq!(reason_codes(PacketType::PubRel, Role::Client, Version::V5), [0x00, 0x92]);
/// assert_eq!(reason_codes(PacketType::SubAck, Role::Server, Version::V3_1), [0, 1, 2]);
/// ```
pub fn reason_codes(packet_type: PacketType, sender: Role, version: Version) -> &'static [u8] {
    if !version.has_properties() {
        return match packet_type {
            PacketType::ConnAck => &[0x00, 0x84, 0x85, 0x88, 0x86, 0x87],
            PacketType::SubAck if version.suback_can_refuse() => &[0x00, 0x01, 0x02, 0x80],
            PacketType::SubAck => &[0x00, 0x01, 0x02],
            PacketType::UnsubAck => &[],
            _ => &[0x00],
        };
    }
    match (packet_type, sender) {
        (PacketType::ConnAck, _) => &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A,
            0x9B, 0x9C, 0x9D, 0x9F,
        ],
        (PacketType::PubAck | PacketType::PubRec, Role::Client) => &[0x00, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        (PacketType::PubAck | PacketType::PubRec, Role::Server) => {
            &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
        }
        (PacketType::PubRel | PacketType::PubComp, _) => &[0x00, 0x92],
        (PacketType::SubAck, _) => &[0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2],
        (PacketType::UnsubAck, _) => &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91],
        (PacketType::Disconnect, Role::Client) => {
            &[0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9B]
        }
        (PacketType::Disconnect, Role::Server) => &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97,
            0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
        ],
        (PacketType::Auth, Role::Client) => &[0x18, 0x19],
        (PacketType::Auth, Role::Server) => &[0x00, 0x18],
        _ => &[],
    }
}

/// Readable as text and as a topic name.
static FILLER: [u8; 16_384] = [b'x'; 16_384];
