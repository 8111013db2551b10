//! UNSUBSCRIBE and UNSUBACK (sections 3.10 and 3.11).

use crate::error::{Cause, DecodeError, EncodeError};
use crate::list::{Element, List};
use crate::packet::Body;
use crate::property::PropertyPlace;
use crate::reader::Reader;
use crate::reason::ReasonPlace;
use crate::{Codec, Frame, PacketId, Properties, ReasonCode, Role, Text, TopicFilter, TransmitBuf, Version};

/// A client no longer asks for messages.
///
/// ```
/// use mqtt_proto::{Codec, Packet, PacketId, TopicFilter, TransmitBuf, Unsubscribe, Version};
///
/// let filters = [TopicFilter::new("a/b")?];
/// let unsubscribe = Unsubscribe::new(PacketId::new(10).unwrap(), &filters);
/// let mut out = TransmitBuf::new();
/// Codec::client(Version::V3_1_1).encode(&Packet::Unsubscribe(unsubscribe), &mut out)?;
/// assert_eq!(out.slices().next(), Some(&[0xA2, 7, 0, 10, 0, 3, b'a', b'/', b'b'][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct Unsubscribe<'a> {
    /// Names the request until its UNSUBACK.
    pub packet_id: PacketId,
    /// 5.0 properties.
    pub properties: Properties<'a>,
    /// What is no longer asked for; at least one.
    pub filters: List<'a, TopicFilter<'a>>,
}

impl<'a> Unsubscribe<'a> {
    /// A request without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, filters: &'a [TopicFilter<'a>]) -> Self {
        Self { packet_id, properties: Properties::EMPTY, filters: filters.into() }
    }
}

impl<'a> Element<'a> for TopicFilter<'a> {
    fn read(reader: &mut Reader<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let start = *reader;
        // v3[MQTT-3.8.3-1] v3[MQTT-3.10.3-1] v5[MQTT-3.8.3-1] v5[MQTT-3.10.3-1]
        Self::from_bytes(reader.binary()?, codec.version).map_err(|cause| start.error(cause))
    }

    fn read_again(reader: &mut Reader<'a>, _: Version) -> Option<Self> {
        Some(Self::part(Text::part(reader.binary().ok()?)))
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        self.as_bytes().len().saturating_add(2)
    }

    #[inline]
    fn write(&self, _: Version, out: &mut TransmitBuf) {
        out.put_binary(self.as_bytes());
    }
}

impl<'a> Body<'a> for Unsubscribe<'a> {
    fn read(reader: &mut Reader<'a>, _: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_id()?;
        let properties = Properties::read(reader, codec.version, PropertyPlace::Unsubscribe, Role::Client)?;
        // v3[MQTT-3.10.3-2] v5[MQTT-3.10.3-2]
        if reader.is_empty() {
            return Err(reader.error(Cause::NoFilters));
        }
        Ok(Self { packet_id, properties, filters: List::read(reader, codec, |_, _| Ok(()))? })
    }

    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        let version = codec.version;
        self.properties.check(version, PropertyPlace::Unsubscribe, Role::Client)?;
        if self.filters.is_empty() {
            return Err(Cause::NoFilters.into());
        }
        let filters = self.filters.measure(|filter| Ok(filter.check_share(version)?))?;
        Ok(self.properties.encoded_len(version).saturating_add(2).saturating_add(filters))
    }

    fn write(&self, codec: &Codec, out: &mut TransmitBuf) {
        out.put_u16(self.packet_id.get());
        self.properties.write(codec.version, out);
        self.filters.write(codec.version, out);
    }
}

/// The server's answer to UNSUBSCRIBE. Before 5.0 it has no codes; in 5.0 one per filter (v5\[MQTT-3.11.3-1\]).
///
/// ```
/// use mqtt_proto::{Codec, Packet, ReasonCode, Version};
///
/// let client = Codec::client(Version::V5);
/// let Some(Packet::UnsubAck(unsuback)) = client.decode(&mut &[0xB0, 4, 0, 10, 0, 0x11][..])? else { panic!() };
/// assert_eq!(unsuback.reason_codes.iter().next(), Some(ReasonCode::NoSubscriptionExisted));
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct UnsubAck<'a> {
    /// The request.
    pub packet_id: PacketId,
    /// 5.0 properties.
    pub properties: Properties<'a>,
    /// How each went; empty before 5.0.
    pub reason_codes: List<'a, ReasonCode>,
}

impl<'a> UnsubAck<'a> {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reason_codes: &'a [ReasonCode]) -> Self {
        Self { packet_id, properties: Properties::EMPTY, reason_codes: reason_codes.into() }
    }
}

impl<'a> Body<'a> for UnsubAck<'a> {
    fn read(reader: &mut Reader<'a>, _: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let version = codec.version;
        let packet_id = reader.packet_id()?;
        let properties = Properties::read(reader, version, PropertyPlace::Ack, Role::Server)?;
        if !version.unsuback_carries_reasons() {
            return Ok(Self::new(packet_id, &[]));
        }
        if reader.is_empty() {
            return Err(reader.error(Cause::NoReasonCodes));
        }
        let reason_codes = List::read(reader, codec, |code: ReasonCode, at| {
            // v5[MQTT-3.11.3-2]
            if code.is_allowed(ReasonPlace::UnsubAck, Role::Server) { Ok(()) } else { Err(at.error(Cause::ReasonCode)) }
        })?;
        Ok(Self { packet_id, properties, reason_codes })
    }

    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        let version = codec.version;
        self.properties.check(version, PropertyPlace::Ack, Role::Server)?;
        if self.reason_codes.is_empty() && version.unsuback_carries_reasons() {
            return Err(Cause::NoReasonCodes.into());
        }
        if !self.reason_codes.is_empty() && !version.unsuback_carries_reasons() {
            return Err(EncodeError::NotInVersion { what: "a reason code in UNSUBACK", version });
        }
        let reason_codes = self.reason_codes.measure(|code| {
            let fine = code.is_allowed(ReasonPlace::UnsubAck, Role::Server);
            if fine { Ok(()) } else { Err(Cause::ReasonCode.into()) }
        })?;
        Ok(self.properties.encoded_len(version).saturating_add(2).saturating_add(reason_codes))
    }

    fn write(&self, codec: &Codec, out: &mut TransmitBuf) {
        out.put_u16(self.packet_id.get());
        self.properties.write(codec.version, out);
        self.reason_codes.write(codec.version, out);
    }
}
