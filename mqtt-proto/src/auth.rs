//! AUTH (5.0 section 3.15).

use crate::error::{Cause, DecodeError, EncodeError};
use crate::packet::Body;
use crate::property::PropertyPlace;
use crate::reader::Reader;
use crate::reason::ReasonPlace;
use crate::{Codec, Frame, Properties, ReasonCode, TransmitBuf};

/// One step of an enhanced authentication. Always names its method, in [`Properties::authentication_method`].
///
/// ```
/// use mqtt_proto::{Auth, Codec, Packet, PropertiesBuf, Property, ReasonCode, Text, TransmitBuf, Version};
///
/// let mut properties = PropertiesBuf::new();
/// properties.push(Property::AuthenticationMethod(Text::new("GS2-KRB5")?))?;
/// let auth = Auth::new(ReasonCode::ContinueAuthentication, properties.as_properties());
/// let mut out = TransmitBuf::new();
/// Codec::server(Version::V5).encode(&Packet::Auth(auth), &mut out)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification fixes the fields")]
pub struct Auth<'a> {
    /// Go on, begin anew, or done.
    pub reason_code: ReasonCode,
    /// Method and data, and the usual.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    /// A step.
    #[must_use]
    pub const fn new(reason_code: ReasonCode, properties: Properties<'a>) -> Self {
        Self { reason_code, properties }
    }
}

impl<'a> Body<'a> for Auth<'a> {
    fn read(reader: &mut Reader<'a>, _: &Frame<'a>, codec: &Codec) -> Result<Self, DecodeError> {
        let start = *reader;
        let sender = codec.role.peer();
        // A Remaining Length of 0 is allowed and means Success, but then the method is missing.
        if reader.is_empty() {
            return Err(start.error(Cause::NoAuthenticationMethod));
        }
        // v5[MQTT-3.15.2-1]
        let reason_code = ReasonCode::from_u8(reader.u8()?)
            .filter(|code| code.is_allowed(ReasonPlace::Auth, sender))
            .ok_or_else(|| start.error(Cause::ReasonCode))?;
        let properties_at = *reader;
        let properties = Properties::read(reader, codec.version, PropertyPlace::Auth, sender)?;
        if properties.authentication_method().is_none() {
            return Err(properties_at.error(Cause::NoAuthenticationMethod));
        }
        Ok(Self { reason_code, properties })
    }

    fn measure(&self, codec: &Codec) -> Result<usize, EncodeError> {
        self.properties.check(codec.version, PropertyPlace::Auth, codec.role)?;
        if !self.reason_code.is_allowed(ReasonPlace::Auth, codec.role) {
            return Err(Cause::ReasonCode.into());
        }
        if self.properties.authentication_method().is_none() {
            return Err(Cause::NoAuthenticationMethod.into());
        }
        Ok(self.properties.encoded_len(codec.version).saturating_add(1))
    }

    fn write(&self, codec: &Codec, out: &mut TransmitBuf) {
        out.put_u8(self.reason_code.as_u8());
        self.properties.write(codec.version, out);
    }
}
