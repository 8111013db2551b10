//! SUBSCRIBE and SUBACK (sections 3.8 and 3.9).

use crate::error::{Cause, DecodeError, EncodeError};
use crate::list::{Element, List};
use crate::packet::Body;
use crate::property::PropertyPlace;
use crate::reader::Reader;
use crate::reason::ReasonPlace;
use crate::{Codec, Frame, Leniency, PacketId, Properties, QoS, ReasonCode, Role, TopicFilter, TransmitBuf, Version};

/// A client asks for messages.
///
/// ```
/// use mqtt_proto::{Codec, Packet, PacketId, QoS, Subscribe, Subscription, TopicFilter, TransmitBuf, Version};
///
/// let filters = [Subscription::new(TopicFilter::new("a/b")?, QoS::AtLeastOnce)];
/// let subscribe = Subscribe::new(PacketId::new(10).unwrap(), &filters);
/// let mut out = TransmitBuf::new();
/// Codec::client(Version::V5).encode(&Packet::Subscribe(subscribe), &mut out)?;
/// assert_eq!(out.slices().next(), Some(&[0x82, 9, 0, 10, 0, 0, 3, b'a', b'/', b'b', 1][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct Subscribe<'a> {
    /// Names the request until its SUBACK.
    pub packet_id: PacketId,
    /// 5.0 properties.
    pub properties: Properties<'a>,
    /// What is asked for; at least one.
    pub subscriptions: List<'a, Subscription<'a>>,
}

impl<'a> Subscribe<'a> {
    /// A request without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, subscriptions: &'a [Subscription<'a>]) -> Self {
        Self { packet_id, properties: Properties::EMPTY, subscriptions: subscriptions.into() }
    }
}

/// A topic filter, and how its messages are wanted.
///
/// ```
/// use mqtt_proto::{QoS, Subscription, TopicFilter};
///
/// let subscription = Subscription::new(TopicFilter::new("house/+/temperature")?, QoS::AtLeastOnce);
/// assert_eq!(subscription.options.qos, QoS::AtLeastOnce);
/// assert!(!subscription.options.no_local);
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct Subscription<'a> {
    /// Which messages.
    pub filter: TopicFilter<'a>,
    /// How.
    pub options: SubscriptionOptions,
}

impl<'a> Subscription<'a> {
    /// A subscription with the options that older versions have, too.
    #[must_use]
    pub fn new(filter: TopicFilter<'a>, qos: QoS) -> Self {
        Self { filter, options: SubscriptionOptions { qos, ..SubscriptionOptions::default() } }
    }
}

/// How messages are wanted (5.0 section 3.8.3.1). Before 5.0 only the QoS can be said; the others are at their default.
///
/// ```
/// use mqtt_proto::{Codec, EncodeError, Packet, PacketId, QoS, Subscribe, Subscription, TopicFilter, TransmitBuf, Version};
///
/// let mut chat = Subscription::new(TopicFilter::new("chat/#")?, QoS::ExactlyOnce);
/// chat.options.no_local = true;
/// let subscriptions = [chat];
/// let subscribe = Packet::Subscribe(Subscribe::new(PacketId::MIN, &subscriptions));
///
/// let mut out = TransmitBuf::new();
/// Codec::client(Version::V5).encode(&subscribe, &mut out)?;
/// let error = Codec::client(Version::V3_1_1).encode(&subscribe, &mut out).unwrap_err();
/// assert!(matches!(error, EncodeError::NotInVersion { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct SubscriptionOptions {
    /// At most at this QoS.
    pub qos: QoS,
    /// Not those that this client publishes itself.
    pub no_local: bool,
    /// With the retain flag that the publisher set.
    pub retain_as_published: bool,
    /// Which retained messages to send at once.
    pub retain_handling: RetainHandling,
}

/// When retained messages are sent for a new subscription (5.0 section 3.8.3.1).
///
/// ```
/// use mqtt_proto::{QoS, RetainHandling, Subscription, TopicFilter};
///
/// let mut news = Subscription::new(TopicFilter::new("news/#")?, QoS::AtMostOnce);
/// assert_eq!(news.options.retain_handling, RetainHandling::SendAtSubscribe);
/// // Yesterday's stay where they are.
/// news.options.retain_handling = RetainHandling::DoNotSend;
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the specification has three, and the two bits on the wire leave no room")]
pub enum RetainHandling {
    /// Whenever it is subscribed.
    #[default]
    SendAtSubscribe = 0,
    /// If the session did not have the subscription yet.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

impl RetainHandling {
    const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::SendAtSubscribe),
            1 => Some(Self::SendIfNew),
            2 => Some(Self::DoNotSend),
            _ => None,
        }
    }
}

impl SubscriptionOptions {
    const NO_LOCAL: u8 = 1 << 2;
    const RETAIN_AS_PUBLISHED: u8 = 1 << 3;
    const RETAIN_HANDLING_SHIFT: u8 = 4;

    const fn used_bits(version: Version) -> u8 {
        if version.has_subscription_options() { 0x3F } else { 0x03 }
    }

    const fn has_reserved_bits(byte: u8, version: Version) -> bool {
        byte & !Self::used_bits(version) != 0 && version.reserved_bits_are_checked()
    }

    fn from_u8(byte: u8, version: Version) -> Result<Self, Cause> {
        let byte = byte & Self::used_bits(version);
        Ok(Self {
            qos: QoS::from_u8(byte & 0b11).ok_or(Cause::SubscriptionQos)?,
            no_local: byte & Self::NO_LOCAL != 0,
            retain_as_published: byte & Self::RETAIN_AS_PUBLISHED != 0,
            retain_handling: RetainHandling::from_u8(byte >> Self::RETAIN_HANDLING_SHIFT)
                .ok_or(Cause::RetainHandling)?,
        })
    }

    fn to_u8(self) -> u8 {
        let no_local = if self.no_local { Self::NO_LOCAL } else { 0 };
        let retain_as_published = if self.retain_as_published { Self::RETAIN_AS_PUBLISHED } else { 0 };
        self.qos.as_u8()
            | no_local
            | retain_as_published
            | ((self.retain_handling as u8) << Self::RETAIN_HANDLING_SHIFT)
    }
}

impl<'a> Element<'a> for Subscription<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let filter = TopicFilter::read(reader, codec)?;
        let start = *reader;
        let options = reader.u8()?;
        // v3[MQTT-3.8.3-4] v5[MQTT-3.8.3-5]
        if SubscriptionOptions::has_reserved_bits(options, codec.version)
            && !codec.dialect.allows(Leniency::ReservedBits)
        {
            return Err(start.error(Cause::SubscriptionOptions));
        }
        let options = SubscriptionOptions::from_u8(options, codec.version).map_err(|cause| start.error(cause))?;
        Ok(Self { filter, options })
    }

    #[inline]
    fn read_again(reader: &mut Reader<'a>, version: Version) -> Option<Self> {
        let filter = TopicFilter::read_again(reader, version)?;
        let options = SubscriptionOptions::from_u8(reader.u8().ok()?, version).ok()?;
        Some(Self { filter, options })
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        self.filter.encoded_len().saturating_add(1)
    }

    #[inline]
    fn write(&self, version: Version, out: &mut TransmitBuf) {
        self.filter.write(version, out);
        out.put_u8(self.options.to_u8());
    }
}

impl Subscription<'_> {
    fn check(&self) -> Result<(), Cause> {
        // v5[MQTT-3.8.3-4]; before 5.0 No Local is never set.
        if self.options.no_local && self.filter.shared().is_some() {
            return Err(Cause::NoLocalOnShared);
        }
        Ok(())
    }
}

impl<'a> Body<'a> for Subscribe<'a> {
    fn read(reader: &mut Reader<'a>, _: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let version = codec.version;
        let packet_id = reader.packet_id()?;
        let properties = Properties::read(reader, version, PropertyPlace::Subscribe, Role::Client)?;
        // v3[MQTT-3.8.3-3] v5[MQTT-3.8.3-2]
        if reader.is_empty() {
            return Err(reader.error(Cause::NoFilters));
        }
        let subscriptions = List::read(reader, codec, |subscription: Subscription<'_>, at| {
            subscription.check().map_err(|cause| at.error(cause))
        })?;
        Ok(Self { packet_id, properties, subscriptions })
    }

    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        let version = codec.version;
        self.properties.check(version, PropertyPlace::Subscribe, Role::Client)?;
        if self.subscriptions.is_empty() {
            return Err(Cause::NoFilters.into());
        }
        let subscriptions = self.subscriptions.measure(|subscription| {
            let qos_only = SubscriptionOptions { qos: subscription.options.qos, ..SubscriptionOptions::default() };
            if !version.has_subscription_options() && subscription.options != qos_only {
                return Err(EncodeError::NotInVersion { what: "a subscription option", version });
            }
            subscription.filter.check_share(version)?;
            Ok(subscription.check()?)
        })?;
        Ok(self.properties.encoded_len(version).saturating_add(2).saturating_add(subscriptions))
    }

    fn write(&self, codec: &Codec, out: &mut TransmitBuf) {
        out.put_u16(self.packet_id.get());
        self.properties.write(codec.version, out);
        self.subscriptions.write(codec.version, out);
    }
}

/// The server's answer to SUBSCRIBE: one code per filter, in their order (v5\[MQTT-3.8.4-6\] v5\[MQTT-3.9.3-1\]).
///
/// ```
/// use mqtt_proto::{Codec, Packet, ReasonCode, Version};
///
/// let client = Codec::client(Version::V3_1_1);
/// let Some(Packet::SubAck(suback)) = client.decode(&mut &[0x90, 5, 0, 10, 0, 2, 0x80][..])? else { panic!() };
/// let codes: Vec<_> = suback.reason_codes.iter().collect();
/// assert_eq!(codes, [ReasonCode::Success, ReasonCode::GrantedQos2, ReasonCode::UnspecifiedError]);
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct SubAck<'a> {
    /// The request.
    pub packet_id: PacketId,
    /// 5.0 properties.
    pub properties: Properties<'a>,
    /// The QoS that each filter was granted, or why it was not.
    pub reason_codes: List<'a, ReasonCode>,
}

impl<'a> SubAck<'a> {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reason_codes: &'a [ReasonCode]) -> Self {
        Self { packet_id, properties: Properties::EMPTY, reason_codes: reason_codes.into() }
    }
}

impl<'a> Element<'a> for ReasonCode {
    fn read(reader: &mut Reader<'a>, _: &Codec) -> Result<Self, DecodeError> {
        let start = *reader;
        Self::from_u8(reader.u8()?).ok_or_else(|| start.error(Cause::ReasonCode))
    }

    #[inline]
    fn read_again(reader: &mut Reader<'a>, _: Version) -> Option<Self> {
        Self::from_u8(reader.u8().ok()?)
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        1
    }

    #[inline]
    fn write(&self, _: Version, out: &mut TransmitBuf) {
        out.put_u8(self.as_u8());
    }
}

/// The codes that a SUBACK may carry: v3\[MQTT-3.9.3-2\] v5\[MQTT-3.9.3-2\].
fn is_suback_code(code: ReasonCode, version: Version) -> bool {
    let known = !code.is_failure() || (version.suback_can_refuse() && code == code.for_suback(version));
    known && code.is_allowed(ReasonPlace::SubAck, Role::Server)
}

impl<'a> Body<'a> for SubAck<'a> {
    fn read(reader: &mut Reader<'a>, _: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let version = codec.version;
        let packet_id = reader.packet_id()?;
        let properties = Properties::read(reader, version, PropertyPlace::Ack, Role::Server)?;
        if reader.is_empty() {
            return Err(reader.error(Cause::NoReasonCodes));
        }
        let reason_codes = List::read(reader, codec, |code, at| {
            if is_suback_code(code, version) { Ok(()) } else { Err(at.error(Cause::ReasonCode)) }
        })?;
        Ok(Self { packet_id, properties, reason_codes })
    }

    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        let version = codec.version;
        self.properties.check(version, PropertyPlace::Ack, Role::Server)?;
        if self.reason_codes.is_empty() {
            return Err(Cause::NoReasonCodes.into());
        }
        let reason_codes = self
            .reason_codes
            .measure(|&code| if is_suback_code(code, version) { Ok(()) } else { Err(Cause::ReasonCode.into()) })?;
        Ok(self.properties.encoded_len(version).saturating_add(2).saturating_add(reason_codes))
    }

    fn write(&self, codec: &Codec, out: &mut TransmitBuf) {
        out.put_u16(self.packet_id.get());
        self.properties.write(codec.version, out);
        self.reason_codes.write(codec.version, out);
    }
}
