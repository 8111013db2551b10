//! CONNACK (section 3.2).

use core::fmt;

use crate::error::{Cause, DecodeError, EncodeError};
use crate::packet::Body;
use crate::property::PropertyPlace;
use crate::reader::Reader;
use crate::reason::ReasonPlace;
use crate::{Codec, Frame, Leniency, Properties, ReasonCode, Role, TransmitBuf};

/// The server's answer to CONNECT.
///
/// ```
/// use mqtt_proto::{Codec, ConnAck, Packet, ReasonCode, Version};
///
/// let client = Codec::client(Version::V3_1_1);
/// let Some(Packet::ConnAck(connack)) = client.decode(&mut &[0x20, 0x02, 0x00, 0x05][..])? else { panic!() };
/// assert_eq!(connack, ConnAck::new(ReasonCode::NotAuthorized));
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct ConnAck<'a> {
    /// The server remembers this client's session.
    pub session_present: bool,
    /// Welcome, or why not. Before 5.0 a few codes stand for all: [`ReasonCode::to_return_code`].
    pub reason_code: ReasonCode,
    /// 5.0 properties.
    pub properties: Properties<'a>,
    /// What stands behind the last field, where the [`Dialect`](crate::Dialect) takes it. Else empty.
    pub trailing: &'a [u8],
}

impl ConnAck<'_> {
    /// An answer without a session.
    #[must_use]
    pub const fn new(reason_code: ReasonCode) -> Self {
        Self { session_present: false, reason_code, properties: Properties::EMPTY, trailing: &[] }
    }
}

/// Not the trailing bytes: there may be secrets among them.
impl fmt::Debug for ConnAck<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut connack = f.debug_struct("ConnAck");
        connack
            .field("session_present", &self.session_present)
            .field("reason_code", &self.reason_code)
            .field("properties", &self.properties);
        if !self.trailing.is_empty() {
            connack.field("trailing", &format_args!("({} bytes)", self.trailing.len()));
        }
        connack.finish()
    }
}

impl<'a> Body<'a> for ConnAck<'a> {
    fn read(reader: &mut Reader<'a>, _: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let version = codec.version;
        let start = *reader;
        let flags = reader.u8()?;
        // v5[MQTT-3.2.2-1]; in 3.1 the whole byte is reserved.
        if flags > 1 && version.has_session_present() && !codec.dialect.allows(Leniency::ReservedBits) {
            return Err(start.error(Cause::ConnAckFlags));
        }
        let mut session_present = version.has_session_present() && flags & 1 == 1;
        let code_at = *reader;
        let code = reader.u8()?;
        let mut reason_code = if version.has_properties() {
            // v5[MQTT-3.2.2-8]
            ReasonCode::from_u8(code).filter(|code| code.is_allowed(ReasonPlace::ConnAck, Role::Server))
        } else {
            ReasonCode::from_return_code(code)
        };
        let old_form =
            reason_code.is_none() && reader.is_empty() && codec.dialect.allows(Leniency::ReturnCodeInConnAck);
        if old_form {
            reason_code = ReasonCode::from_return_code(code);
        }
        let reason_code = reason_code.ok_or_else(|| code_at.error(Cause::ReasonCode))?;
        // v3[MQTT-3.2.2-4] v5[MQTT-3.2.2-6]
        if session_present && reason_code != ReasonCode::Success {
            if !codec.dialect.allows(Leniency::SessionPresentOnRefusal) {
                return Err(start.error(Cause::SessionPresentOnRefusal));
            }
            session_present = false;
        }
        let properties = if old_form {
            Properties::EMPTY
        } else {
            Properties::read(reader, version, PropertyPlace::ConnAck, Role::Server)?
        };
        let trailing = if codec.dialect.connack_trailing { reader.take_rest() } else { &[] };
        Ok(Self { session_present, reason_code, properties, trailing })
    }

    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        let version = codec.version;
        self.properties.check(version, PropertyPlace::ConnAck, Role::Server)?;
        if self.session_present && self.reason_code != ReasonCode::Success {
            return Err(Cause::SessionPresentOnRefusal.into());
        }
        if !version.has_properties() && self.reason_code.to_return_code().is_none() {
            return Err(EncodeError::NotInVersion { what: "this reason code in CONNACK", version });
        }
        if !self.reason_code.is_allowed(ReasonPlace::ConnAck, Role::Server) {
            return Err(Cause::ReasonCode.into());
        }
        if self.session_present && !version.has_session_present() {
            return Err(EncodeError::NotInVersion { what: "session present", version });
        }
        if !self.trailing.is_empty() && !codec.dialect.connack_trailing {
            return Err(EncodeError::NotInDialect { what: "bytes behind the last field of CONNACK" });
        }
        Ok(self.properties.encoded_len(version).saturating_add(2).saturating_add(self.trailing.len()))
    }

    fn write(&self, codec: &Codec, out: &mut TransmitBuf) {
        out.put_u8(u8::from(self.session_present));
        let code = if codec.version.has_properties() { None } else { self.reason_code.to_return_code() };
        out.put_u8(code.unwrap_or(self.reason_code.as_u8()));
        self.properties.write(codec.version, out);
        out.put_slice(self.trailing);
    }
}
