//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7), which look the same.

use crate::error::{Cause, DecodeError, EncodeError};
use crate::header::PacketType;
use crate::packet::Body;
use crate::property::{PropertyPlace, varint_len};
use crate::reader::Reader;
use crate::reason::ReasonPlace;
use crate::{Codec, Frame, PacketId, Properties, ReasonCode, Role, TransmitBuf};

/// One step in the acknowledgement of a PUBLISH.
///
/// ```
/// use mqtt_proto::{Ack, Codec, Packet, PacketId, Version};
///
/// let server = Codec::server(Version::V5);
/// let Some(Packet::PubAck(ack)) = server.decode(&mut &[0x40, 0x02, 0x00, 0x0A][..])? else { panic!() };
/// assert_eq!(ack, Ack::new(PacketId::new(10).unwrap()));
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct Ack<'a> {
    /// The delivery.
    pub packet_id: PacketId,
    /// How it went; before 5.0 always [`ReasonCode::Success`].
    pub reason_code: ReasonCode,
    /// 5.0 properties.
    pub properties: Properties<'a>,
}

impl Ack<'_> {
    /// Success.
    #[must_use]
    pub const fn new(packet_id: PacketId) -> Self {
        Self { packet_id, reason_code: ReasonCode::Success, properties: Properties::EMPTY }
    }
}

/// The reason code must be one that `sender` may use in this kind of acknowledgement.
#[inline(always)]
pub(crate) fn check_reason(reason_code: ReasonCode, packet_type: PacketType, sender: Role) -> Result<(), Cause> {
    // v5[MQTT-3.4.2-1] v5[MQTT-3.5.2-1] v5[MQTT-3.6.2-1] v5[MQTT-3.7.2-1]
    let place = match packet_type {
        PacketType::PubAck | PacketType::PubRec => ReasonPlace::PubAck,
        _ => ReasonPlace::PubRel,
    };
    let fine = reason_code == ReasonCode::Success || reason_code.is_allowed(place, sender);
    if fine { Ok(()) } else { Err(Cause::ReasonCode) }
}

impl<'a> Body<'a> for Ack<'a> {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>, frame: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_id()?;
        // The short forms: an absent code is Success, an absent length means no properties.
        if !codec.version.acks_carry_reason() || reader.is_empty() {
            return Ok(Self::new(packet_id));
        }
        let start = *reader;
        let reason_code = ReasonCode::from_u8(reader.u8()?).ok_or_else(|| start.error(Cause::ReasonCode))?;
        check_reason(reason_code, frame.packet_type(), codec.role.peer()).map_err(|cause| start.error(cause))?;
        let properties = if reader.is_empty() {
            Properties::EMPTY
        } else {
            Properties::read(reader, codec.version, PropertyPlace::Ack, codec.role.peer())?
        };
        Ok(Self { packet_id, reason_code, properties })
    }

    #[inline(always)]
    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        let version = codec.version;
        if self.reason_code != ReasonCode::Success && !version.acks_carry_reason() {
            return Err(EncodeError::NotInVersion { what: "a reason code in an acknowledgement", version });
        }
        self.properties.check(version, PropertyPlace::Ack, codec.role)?;
        Ok(short_form_len(self.reason_code, &self.properties).saturating_add(2))
    }

    #[inline(always)]
    fn write(&self, codec: &Codec, out: &mut TransmitBuf) {
        out.put_u16(self.packet_id.get());
        write_short_form(self.reason_code, &self.properties, codec, out);
    }
}

/// Length of a reason code with properties where the specification lets both be left out (also in DISCONNECT).
#[inline(always)]
pub(crate) fn short_form_len(reason_code: ReasonCode, properties: &Properties<'_>) -> usize {
    let properties_len = properties.as_bytes().len();
    if properties_len > 0 {
        varint_len(properties_len).saturating_add(properties_len).saturating_add(1)
    } else {
        usize::from(reason_code != ReasonCode::Success)
    }
}

#[inline(always)]
pub(crate) fn write_short_form(
    reason_code: ReasonCode,
    properties: &Properties<'_>,
    codec: &Codec,
    out: &mut TransmitBuf,
) {
    if !properties.is_empty() || reason_code != ReasonCode::Success {
        out.put_u8(reason_code.as_u8());
    }
    if !properties.is_empty() {
        properties.write(codec.version, out);
    }
}
