//! DISCONNECT (section 3.14).

use crate::ack::{short_form_len, write_short_form};
use crate::error::{Cause, DecodeError, EncodeError};
use crate::packet::Body;
use crate::property::PropertyPlace;
use crate::reader::Reader;
use crate::reason::ReasonPlace;
use crate::{Codec, Frame, Properties, ReasonCode, TransmitBuf};

/// The last packet on a connection. Before 5.0 only a client sends it, and it says nothing more.
///
/// ```
/// use mqtt_proto::{Codec, Disconnect, Packet, ReasonCode, Version};
///
/// let client = Codec::client(Version::V5);
/// let packet = client.decode(&mut &[0xE0, 0x02, 0x8E, 0x00][..])?;
/// assert_eq!(packet, Some(Packet::Disconnect(Disconnect::new(ReasonCode::SessionTakenOver))));
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct Disconnect<'a> {
    /// Why.
    pub reason_code: ReasonCode,
    /// 5.0 properties.
    pub properties: Properties<'a>,
}

impl Disconnect<'_> {
    /// A disconnect without properties.
    #[must_use]
    pub const fn new(reason_code: ReasonCode) -> Self {
        Self { reason_code, properties: Properties::EMPTY }
    }
}

impl<'a> Body<'a> for Disconnect<'a> {
    fn read(reader: &mut Reader<'a>, _: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let mut disconnect = Self::new(ReasonCode::NORMAL_DISCONNECTION);
        if !codec.version.acks_carry_reason() || reader.is_empty() {
            return Ok(disconnect);
        }
        let start = *reader;
        let sender = codec.role.peer();
        // v5[MQTT-3.14.2-1]
        disconnect.reason_code = ReasonCode::from_u8(reader.u8()?)
            .filter(|code| code.is_allowed(ReasonPlace::Disconnect, sender))
            .ok_or_else(|| start.error(Cause::ReasonCode))?;
        if !reader.is_empty() {
            // v5[MQTT-3.14.2-2]
            disconnect.properties = Properties::read(reader, codec.version, PropertyPlace::Disconnect, sender)?;
        }
        Ok(disconnect)
    }

    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        let version = codec.version;
        if self.reason_code != ReasonCode::NORMAL_DISCONNECTION && !version.acks_carry_reason() {
            return Err(EncodeError::NotInVersion { what: "a reason code in DISCONNECT", version });
        }
        if !self.reason_code.is_allowed(ReasonPlace::Disconnect, codec.role) {
            return Err(Cause::ReasonCode.into());
        }
        self.properties.check(version, PropertyPlace::Disconnect, codec.role)?;
        Ok(short_form_len(self.reason_code, &self.properties))
    }

    fn write(&self, codec: &Codec, out: &mut TransmitBuf) {
        write_short_form(self.reason_code, &self.properties, codec, out);
    }
}
