//! Packets to bytes and back, for one version and one end.

use crate::ack::check_reason;
use crate::error::{Cause, DecodeError, EncodeError};
use crate::header::PacketType;
use crate::packet::Body;
use crate::property::varint_len;
use crate::varint::VARINT_MAX;
use crate::{Dialect, Frame, Leniency, OpaqueConnect, Packet, Role, TransmitBuf, Version};

/// What is needed to read and write packets: version, our end, the largest packet that we take, and how far from the standard we go.
///
/// It decodes what the *other* end may send, and encodes what *we* may send; everything else is an error.
///
/// ```
/// use mqtt_proto::{Cause, Codec, EncodeError, Packet, PacketType, Role, TransmitBuf, Version};
///
/// let client = Codec::client(Version::V3_1_1);
/// assert_eq!(client.decode(&mut &[0xD0, 0x00][..])?, Some(Packet::PingResp));
/// assert_eq!(client.decode(&mut &[0xC0, 0x00][..]).unwrap_err().cause(), Cause::WrongDirection);
///
/// let mut out = TransmitBuf::new();
/// client.encode(&Packet::PingReq, &mut out)?;
/// assert_eq!(client.encoded_len(&Packet::PingReq)?, out.len());
/// let error = client.encode(&Packet::PingResp, &mut out).unwrap_err();
/// assert_eq!(error, EncodeError::WrongDirection { packet_type: PacketType::PingResp, role: Role::Client });
/// # Ok::<(), Box<dyn std::error::Error>>(())
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
    /// How the protocol departs from the standard.
    pub dialect: Dialect,
}

impl Codec {
    /// A client's codec, which takes the standard's packets of up to 1 MiB.
    #[must_use]
    pub const fn client(version: Version) -> Self {
        Self { version, role: Role::Client, packet_bytes_max: 1 << 20, dialect: Dialect::STANDARD }
    }

    /// A server's codec, which takes the standard's packets of up to 1 MiB.
    #[must_use]
    pub const fn server(version: Version) -> Self {
        Self { version, role: Role::Server, packet_bytes_max: 1 << 20, dialect: Dialect::STANDARD }
    }

    /// Decodes one packet from the front of `input` and moves `input` behind it. `None`: it is not all there yet, and `input` is as it was.
    ///
    /// ```
    /// use mqtt_proto::{Codec, Packet, Version};
    ///
    /// let server = Codec::server(Version::V3_1_1);
    /// let mut input = &[0xC0, 0x00, 0xE0][..];
    /// assert_eq!(server.decode(&mut input)?, Some(Packet::PingReq));
    /// // Half a packet is left, and stays where it is.
    /// assert_eq!(server.decode(&mut input)?, None);
    /// assert_eq!(input, [0xE0]);
    /// # Ok::<(), mqtt_proto::DecodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The bytes are not a packet that we may get. `input` is not moved; the stream can't be read any further.
    pub fn decode<'a>(&self, input: &mut &'a [u8]) -> Result<Option<Packet<'a>>, DecodeError> {
        let mut rest = *input;
        let Some(frame) = Frame::split_in(&self.dialect, &mut rest, self.packet_bytes_max)? else {
            return Ok(None);
        };
        let packet = self.decode_frame(&frame)?;
        *input = rest;
        Ok(Some(packet))
    }

    /// Decodes a packet that has been cut off already. How large it may be and how its length may be written was up to who cut it:
    /// `packet_bytes_max` is not asked again, nor is [`Leniency::PaddedRemainingLength`].
    ///
    /// ```
    /// use mqtt_proto::{Codec, Dialect, Framer, Packet, Version};
    ///
    /// let mut framer = Framer::new(1024);
    /// let mut input = &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 0][..];
    /// let frame = framer.next(&mut input)?.unwrap();
    /// // A CONNECT says itself how it is to be read.
    /// let server = Codec::server(frame.connect_version(&Dialect::STANDARD)?);
    /// let Packet::Connect(connect) = server.decode_frame(&frame)? else { panic!() };
    /// assert_eq!(connect.keep_alive, 60);
    /// # Ok::<(), mqtt_proto::DecodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The bytes are not a packet that we may get.
    pub fn decode_frame<'a>(&self, frame: &Frame<'a>) -> Result<Packet<'a>, DecodeError> {
        let packet_type = frame.packet_type();
        if !packet_type.is_sent_by(self.role.peer(), self.version) {
            return self.decode_unsent(frame);
        }
        // v3[MQTT-2.2.2-2] v5[MQTT-2.1.3-1]
        if !packet_type.takes_flags(frame.flags(), self.version) && !self.dialect.allows(Leniency::ReservedBits) {
            return Err(DecodeError::new(Cause::ReservedFlags, 0));
        }
        match packet_type {
            PacketType::Connect => match self.opaque_connect(frame) {
                Some(connect) => Ok(Packet::OpaqueConnect(connect)),
                None => self.packet(frame, Packet::Connect),
            },
            PacketType::ConnAck => self.packet(frame, Packet::ConnAck),
            PacketType::Publish => self.body(frame).map(Packet::Publish),
            PacketType::PubAck => self.packet(frame, Packet::PubAck),
            PacketType::PubRec => self.packet(frame, Packet::PubRec),
            PacketType::PubRel => self.packet(frame, Packet::PubRel),
            PacketType::PubComp => self.packet(frame, Packet::PubComp),
            PacketType::Subscribe => self.packet(frame, Packet::Subscribe),
            PacketType::SubAck => self.packet(frame, Packet::SubAck),
            PacketType::Unsubscribe => self.packet(frame, Packet::Unsubscribe),
            PacketType::UnsubAck => self.packet(frame, Packet::UnsubAck),
            PacketType::PingReq => self.packet(frame, |()| Packet::PingReq),
            PacketType::PingResp => self.packet(frame, |()| Packet::PingResp),
            PacketType::Disconnect => self.packet(frame, Packet::Disconnect),
            PacketType::Auth => self.packet(frame, Packet::Auth),
            PacketType::Reserved => self.decode_unsent(frame),
        }
    }

    /// A packet that the other end does not send, unless the dialect lets it.
    #[cold]
    fn decode_unsent<'a>(&self, frame: &Frame<'a>) -> Result<Packet<'a>, DecodeError> {
        if frame.packet_type().is_reserved(self.version) {
            self.packet(frame, Packet::Opaque)
        } else {
            Err(DecodeError::new(Cause::WrongDirection, 0))
        }
    }

    /// A CONNECT that does not show its fields. What is none is judged as one that does.
    fn opaque_connect<'a>(&self, frame: &Frame<'a>) -> Option<OpaqueConnect<'a>> {
        if self.dialect.protocols.is_empty() { None } else { self.body(frame).ok() }
    }

    /// Reads one kind of packet. Each kind has a function of its own, which writes its fields straight to where the packet is wanted; in one
    /// function for all they would gather in a place that fits any, and be moved from there. PUBLISH, as the most frequent, is spared the call.
    #[inline(never)]
    fn packet<'a, B: Body<'a>>(
        &self,
        frame: &Frame<'a>,
        wrap: impl FnOnce(B) -> Packet<'a>,
    ) -> Result<Packet<'a>, DecodeError> {
        self.body(frame).map(wrap)
    }

    #[inline(always)]
    fn body<'a, B: Body<'a>>(&self, frame: &Frame<'a>) -> Result<B, DecodeError> {
        let mut reader = frame.body();
        let body = B::read(&mut reader, frame, self)?;
        // v3[MQTT-3.1.4-1] v5[MQTT-3.1.4-1]
        if !reader.is_empty() && !self.dialect.allows(Leniency::TrailingBytes) {
            return Err(reader.error(Cause::TrailingBytes));
        }
        Ok(body)
    }

    /// How many bytes `packet` takes on the wire.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode).
    pub fn encoded_len(&self, packet: &Packet<'_>) -> Result<usize, EncodeError> {
        self.put_packet(packet, u32::MAX, None)
    }

    /// Appends `packet` to `out`.
    ///
    /// # Errors
    ///
    /// The packet has no correct form in this version, or from this end. `out` is as it was.
    pub fn encode(&self, packet: &Packet<'_>, out: &mut TransmitBuf) -> Result<(), EncodeError> {
        self.encode_within(packet, u32::MAX, out).map(drop)
    }

    /// Appends `packet` to `out` if it takes at most `maximum` bytes, the fixed header included. Returns how many it takes.
    ///
    /// The maximum is what the *receiver* has announced (5.0 sections 3.1.2.11.4 and 3.2.2.3.6); `packet_bytes_max` is ours.
    ///
    /// ```
    /// use mqtt_proto::{Codec, EncodeError, Packet, Publish, TopicName, TransmitBuf, Version};
    ///
    /// let packet = Packet::Publish(Publish::new(TopicName::new("a/b")?, b"hello"));
    /// let (client, mut out) = (Codec::client(Version::V3_1_1), TransmitBuf::new());
    /// assert_eq!(client.encode_within(&packet, 11, &mut out), Err(EncodeError::TooLarge { bytes: 12, maximum: 11 }));
    /// assert!(out.is_empty());
    /// assert_eq!(client.encode_within(&packet, 12, &mut out), Ok(12));
    /// # Ok::<(), mqtt_proto::Cause>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode), and [`EncodeError::TooLarge`]. `out` is as it was.
    pub fn encode_within(
        &self,
        packet: &Packet<'_>,
        maximum: u32,
        out: &mut TransmitBuf,
    ) -> Result<usize, EncodeError> {
        self.put_packet(packet, maximum, Some(out))
    }

    /// Measures a packet, and appends it if there is an `out`.
    fn put_packet(
        &self,
        packet: &Packet<'_>,
        maximum: u32,
        out: Option<&mut TransmitBuf>,
    ) -> Result<usize, EncodeError> {
        let packet_type = packet.packet_type();
        if !packet_type.is_sent_by(self.role, self.version) && !matches!(packet, Packet::Opaque(_)) {
            return Err(match packet_type {
                PacketType::Auth => EncodeError::NotInVersion { what: "AUTH", version: self.version },
                _ => EncodeError::WrongDirection { packet_type, role: self.role },
            });
        }
        let first = packet_type.first_byte(packet_type.flags());
        match packet {
            Packet::Publish(body) => self.put(packet_type.first_byte(body.flags()), body, maximum, out),
            Packet::PubAck(body) | Packet::PubRec(body) | Packet::PubRel(body) | Packet::PubComp(body) => {
                check_reason(body.reason_code, packet_type, self.role)?;
                self.put(first, body, maximum, out)
            }
            Packet::Connect(body) => self.put(first, body, maximum, out),
            Packet::ConnAck(body) => self.put(first, body, maximum, out),
            Packet::Subscribe(body) => self.put(first, body, maximum, out),
            Packet::SubAck(body) => self.put(first, body, maximum, out),
            Packet::Unsubscribe(body) => self.put(first, body, maximum, out),
            Packet::UnsubAck(body) => self.put(first, body, maximum, out),
            Packet::PingReq | Packet::PingResp => self.put(first, &(), maximum, out),
            Packet::Disconnect(body) => self.put(first, body, maximum, out),
            Packet::Auth(body) => self.put(first, body, maximum, out),
            Packet::Opaque(body) => self.put(packet_type.first_byte(body.flags()), body, maximum, out),
            Packet::OpaqueConnect(body) => self.put(first, body, maximum, out),
        }
    }

    /// Measures a body, and appends it behind its fixed header if there is an `out`.
    #[inline(never)]
    fn put<'a, B: Body<'a>>(
        &self,
        first: u8,
        body: &B,
        maximum: u32,
        out: Option<&mut TransmitBuf>,
    ) -> Result<usize, EncodeError> {
        let remaining = body.measure(self)?;
        if remaining > VARINT_MAX as usize {
            return Err(EncodeError::PacketTooLong);
        }
        let len = remaining.saturating_add(varint_len(remaining)).saturating_add(1);
        // v5[MQTT-3.1.2-24] v5[MQTT-3.2.2-15]
        if len > maximum as usize {
            return Err(EncodeError::TooLarge { bytes: len, maximum });
        }
        if let Some(out) = out {
            let before = out.len();
            out.reserve(len.saturating_sub(body.by_reference()));
            out.put_u8(first);
            out.put_varint(remaining);
            body.write(self, out);
            debug_assert_eq!(out.len().saturating_sub(before), len, "measured and written lengths differ");
        }
        Ok(len)
    }
}
