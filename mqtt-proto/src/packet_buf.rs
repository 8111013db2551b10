//! A packet that owns its bytes.

use core::fmt;
use core::ops::Range;

use bytes::Bytes;

use crate::error::{Cause, DecodeError};
use crate::{Codec, Delivery, Frame, Packet, Properties, Publish, Text, TopicName};

/// A packet with its bytes, to be kept, sent to another task, or forwarded as it is.
///
/// Cloning it counts a reference; [`packet`](Self::packet) gives the view.
///
/// ```
/// use bytes::Bytes;
/// use mqtt_proto::{Codec, Frame, Packet, PacketBuf, Version};
///
/// let server = Codec::server(Version::V5);
/// let kept = PacketBuf::new(server, Bytes::from_static(&[0xC0, 0x00]))?;
/// assert_eq!(kept.packet(), Packet::PingReq);
///
/// // Off the front of a stream it takes a copy.
/// let frame = Frame::split(&mut &[0xC0, 0x00, 0xE0][..], 1024)?.unwrap();
/// assert_eq!(PacketBuf::copy(server, &frame)?, kept);
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PacketBuf {
    bytes: Bytes,
    codec: Codec,
    /// The one kind of packet of which there are so many that it is worth while to decode each only once.
    publish: Option<PublishAt>,
}

/// Where the parts of a PUBLISH stand in its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct PublishAt {
    topic: usize,
    topic_end: usize,
    properties: usize,
    properties_present: u64,
    payload: usize,
    delivery: Delivery,
    retain: bool,
}

impl PublishAt {
    fn find(frame: &Frame<'_>, publish: &Publish<'_>) -> Self {
        let (properties, properties_present) = publish.properties.into_parts();
        let topic = frame.body_offset().saturating_add(2);
        let payload = frame.as_bytes().len().saturating_sub(publish.payload.len());
        Self {
            topic,
            topic_end: topic.saturating_add(publish.topic.map_or(0, |topic| topic.as_bytes().len())),
            properties: payload.saturating_sub(properties.len()),
            properties_present,
            payload,
            delivery: publish.delivery,
            retain: publish.retain,
        }
    }

    fn publish<'a>(&self, bytes: &'a [u8]) -> Publish<'a> {
        let part = |range: Range<usize>| bytes.get(range).unwrap_or_default();
        let topic = part(self.topic..self.topic_end);
        Publish {
            topic: if topic.is_empty() { None } else { Some(TopicName::part(Text::part(topic))) },
            delivery: self.delivery,
            retain: self.retain,
            properties: Properties::from_parts(part(self.properties..self.payload), self.properties_present),
            payload: part(self.payload..bytes.len()).into(),
        }
    }
}

impl PacketBuf {
    /// Checks `bytes`, which hold exactly one packet.
    ///
    /// # Errors
    ///
    /// Not a packet that `codec` takes, an unfinished one, or more than one.
    pub fn new(codec: Codec, bytes: Bytes) -> Result<Self, DecodeError> {
        let publish = Self::check(&codec, &bytes)?;
        Ok(Self { bytes, codec, publish })
    }

    /// Copies the bytes of `frame`.
    ///
    /// # Errors
    ///
    /// Not a packet that `codec` takes.
    pub fn copy(codec: Codec, frame: &Frame<'_>) -> Result<Self, DecodeError> {
        // Cut again: it may have been cut under a larger limit than the codec's, or in another dialect.
        let publish = Self::check(&codec, frame.as_bytes())?;
        Ok(Self { bytes: Bytes::copy_from_slice(frame.as_bytes()), codec, publish })
    }

    fn check(codec: &Codec, bytes: &[u8]) -> Result<Option<PublishAt>, DecodeError> {
        let mut rest = bytes;
        let Some(frame) = Frame::split_in(&codec.dialect, &mut rest, codec.packet_bytes_max)? else {
            return Err(DecodeError::new(Cause::UnexpectedEnd, bytes.len()));
        };
        let publish = match &codec.decode_frame(&frame) {
            Ok(Packet::Publish(publish)) => Some(PublishAt::find(&frame, publish)),
            Ok(_) => None,
            Err(error) => return Err(*error),
        };
        if rest.is_empty() { Ok(publish) } else { Err(DecodeError::new(Cause::TrailingBytes, frame.as_bytes().len())) }
    }

    /// The view. A PUBLISH is only looked up; any other packet is decoded again.
    #[must_use]
    pub fn packet(&self) -> Packet<'_> {
        if let Some(publish) = &self.publish {
            return Packet::Publish(publish.publish(&self.bytes));
        }
        let decoded = self.codec.decode(&mut &self.bytes[..]);
        debug_assert!(matches!(decoded, Ok(Some(_))), "the bytes were checked: {decoded:?}");
        decoded.ok().flatten().unwrap_or(Packet::PingReq)
    }

    /// How the bytes are to be read.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The packet as it stands on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl fmt::Debug for PacketBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketBuf").field("version", &self.codec.version).field("packet", &self.packet()).finish()
    }
}
