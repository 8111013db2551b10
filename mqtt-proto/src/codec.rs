//! Packets to bytes and back, for one version and one end.

use bytes::Bytes;

use crate::error::{Cause, DecodeError, EncodeError};
use crate::header::PacketType;
use crate::packet::Body;
use crate::property::varint_len;
use crate::varint::VARINT_MAX;
use crate::{
    Ack, Auth, ConnAck, Connect, Disconnect, Frame, Packet, Publish, Role, SubAck, Subscribe, TransmitBuf, UnsubAck,
    Unsubscribe, Version,
};

/// What is needed to read and write packets: version, our end, and the largest packet that we take.
///
/// It decodes what the *other* end may send, and encodes what *we* may send; everything else is an error.
///
/// ```
/// use mqtt_proto::{Cause, Codec, Packet, Version};
///
/// let client = Codec::client(Version::V3_1_1);
/// assert_eq!(client.decode(&mut &[0xD0, 0x00][..])?, Some(Packet::PingResp));
/// assert_eq!(client.decode(&mut &[0xC0, 0x00][..]).unwrap_err().cause(), Cause::WrongDirection);
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Codec {
    /// The version spoken on the connection.
    pub version: Version,
    /// Our end of it.
    pub role: Role,
    /// The largest packet that we take, fixed header included.
    pub packet_bytes_max: u32,
}

impl Codec {
    /// A client's codec, which takes packets of up to 1 MiB.
    #[must_use]
    pub const fn client(version: Version) -> Self {
        Self { version, role: Role::Client, packet_bytes_max: 1 << 20 }
    }

    /// A server's codec, which takes packets of up to 1 MiB.
    #[must_use]
    pub const fn server(version: Version) -> Self {
        Self { version, role: Role::Server, packet_bytes_max: 1 << 20 }
    }

    /// Decodes one packet from the front of `input` and moves `input` behind it. `None`: it is not all there yet, and `input` is as it was.
    ///
    /// # Errors
    ///
    /// The bytes are not a packet that we may get. `input` is not moved; the stream can't be read any further.
    pub fn decode<'a>(&self, input: &mut &'a [u8]) -> Result<Option<Packet<'a>>, DecodeError> {
        let mut rest = *input;
        let Some(frame) = Frame::split(&mut rest, self.packet_bytes_max)? else {
            return Ok(None);
        };
        let packet = self.decode_frame(&frame)?;
        *input = rest;
        Ok(Some(packet))
    }

    /// Decodes a packet that has been cut off already.
    ///
    /// # Errors
    ///
    /// The bytes are not a packet that we may get.
    #[inline]
    pub fn decode_frame<'a>(&self, frame: &Frame<'a>) -> Result<Packet<'a>, DecodeError> {
        let packet_type = frame.packet_type();
        if !packet_type.is_sent_by(self.role.peer(), self.version) {
            let unknown = packet_type == PacketType::Auth;
            return Err(DecodeError::new(if unknown { Cause::ReservedPacketType } else { Cause::WrongDirection }, 0));
        }
        // v3[MQTT-2.2.2-2] v5[MQTT-2.1.3-1]
        if !packet_type.takes_flags(frame.flags(), self.version) {
            return Err(DecodeError::new(Cause::ReservedFlags, 0));
        }
        match packet_type {
            PacketType::Connect => self.body::<Connect<'_>>(frame).map(Packet::Connect),
            PacketType::ConnAck => self.body::<ConnAck<'_>>(frame).map(Packet::ConnAck),
            PacketType::Publish => self.body::<Publish<'_>>(frame).map(Packet::Publish),
            PacketType::PubAck => self.body::<Ack<'_>>(frame).map(Packet::PubAck),
            PacketType::PubRec => self.body::<Ack<'_>>(frame).map(Packet::PubRec),
            PacketType::PubRel => self.body::<Ack<'_>>(frame).map(Packet::PubRel),
            PacketType::PubComp => self.body::<Ack<'_>>(frame).map(Packet::PubComp),
            PacketType::Subscribe => self.body::<Subscribe<'_>>(frame).map(Packet::Subscribe),
            PacketType::SubAck => self.body::<SubAck<'_>>(frame).map(Packet::SubAck),
            PacketType::Unsubscribe => self.body::<Unsubscribe<'_>>(frame).map(Packet::Unsubscribe),
            PacketType::UnsubAck => self.body::<UnsubAck<'_>>(frame).map(Packet::UnsubAck),
            PacketType::PingReq => frame.body().finish().map(|()| Packet::PingReq),
            PacketType::PingResp => frame.body().finish().map(|()| Packet::PingResp),
            PacketType::Disconnect => self.body::<Disconnect<'_>>(frame).map(Packet::Disconnect),
            PacketType::Auth => self.body::<Auth<'_>>(frame).map(Packet::Auth),
        }
    }

    #[inline]
    fn body<'a, B: Body<'a>>(&self, frame: &Frame<'a>) -> Result<B, DecodeError> {
        let mut reader = frame.body();
        let body = B::read(&mut reader, frame, self)?;
        reader.finish()?;
        Ok(body)
    }

    /// How many bytes `packet` takes on the wire.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode).
    pub fn encoded_len(&self, packet: &Packet<'_>) -> Result<usize, EncodeError> {
        let remaining = self.remaining_len(packet)?;
        Ok(remaining.saturating_add(varint_len(remaining)).saturating_add(1))
    }

    fn remaining_len(&self, packet: &Packet<'_>) -> Result<usize, EncodeError> {
        let packet_type = packet.packet_type();
        if !packet_type.is_sent_by(self.role, self.version) {
            return Err(match packet_type {
                PacketType::Auth => EncodeError::NotInVersion { what: "AUTH", version: self.version },
                _ => EncodeError::WrongDirection { role: self.role },
            });
        }
        let remaining = match packet {
            Packet::Connect(body) => body.measure(self)?,
            Packet::ConnAck(body) => body.measure(self)?,
            Packet::Publish(body) => body.measure(self)?,
            Packet::PubAck(body) | Packet::PubRec(body) | Packet::PubRel(body) | Packet::PubComp(body) => {
                body.check_reason(packet_type, self.role)?;
                body.measure(self)?
            }
            Packet::Subscribe(body) => body.measure(self)?,
            Packet::SubAck(body) => body.measure(self)?,
            Packet::Unsubscribe(body) => body.measure(self)?,
            Packet::UnsubAck(body) => body.measure(self)?,
            Packet::PingReq | Packet::PingResp => 0,
            Packet::Disconnect(body) => body.measure(self)?,
            Packet::Auth(body) => body.measure(self)?,
        };
        if remaining > VARINT_MAX as usize { Err(EncodeError::PacketTooLong) } else { Ok(remaining) }
    }

    /// Appends `packet` to `out`.
    ///
    /// # Errors
    ///
    /// The packet has no correct form in this version, or from this end. `out` is as it was.
    pub fn encode(&self, packet: &Packet<'_>, out: &mut TransmitBuf) -> Result<(), EncodeError> {
        let remaining = self.remaining_len(packet)?;
        let by_reference = match packet {
            Packet::Publish(publish) => publish.payload.by_reference().map_or(0, Bytes::len),
            _ => 0,
        };
        out.reserve(remaining.saturating_sub(by_reference).saturating_add(5));
        let flags = match packet {
            Packet::Publish(publish) => publish.flags(),
            _ => packet.packet_type().flags(),
        };
        out.put_u8(packet.packet_type().first_byte(flags));
        out.put_varint(remaining);
        let before = out.len();
        match packet {
            Packet::Connect(body) => body.write(self, out),
            Packet::ConnAck(body) => body.write(self, out),
            Packet::Publish(body) => body.write(self, out),
            Packet::PubAck(body) | Packet::PubRec(body) | Packet::PubRel(body) | Packet::PubComp(body) => {
                body.write(self, out)
            }
            Packet::Subscribe(body) => body.write(self, out),
            Packet::SubAck(body) => body.write(self, out),
            Packet::Unsubscribe(body) => body.write(self, out),
            Packet::UnsubAck(body) => body.write(self, out),
            Packet::PingReq | Packet::PingResp => {}
            Packet::Disconnect(body) => body.write(self, out),
            Packet::Auth(body) => body.write(self, out),
        }
        debug_assert_eq!(
            out.len().saturating_sub(before),
            remaining,
            "measured and written lengths differ: {packet:?}"
        );
        Ok(())
    }
}
