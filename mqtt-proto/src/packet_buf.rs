//! A packet that owns its bytes.

use core::fmt;

use bytes::Bytes;

use crate::error::DecodeError;
use crate::{Codec, Frame, Packet};

/// A packet with its bytes, to be kept, sent to another task, or forwarded as it is.
///
/// Cloning it counts a reference; [`packet`](Self::packet) gives the view.
///
/// ```
/// use bytes::Bytes;
/// use mqtt_proto::{Codec, Packet, PacketBuf, Version};
///
/// let server = Codec::server(Version::V5);
/// let kept = PacketBuf::new(server, Bytes::from_static(&[0xC0, 0x00]))?;
/// assert_eq!(kept.packet(), Packet::PingReq);
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PacketBuf {
    bytes: Bytes,
    codec: Codec,
}

impl PacketBuf {
    /// Checks `bytes`, which hold exactly one packet.
    ///
    /// # Errors
    ///
    /// Not a packet that `codec` takes, an unfinished one, or more than one.
    pub fn new(codec: Codec, bytes: Bytes) -> Result<Self, DecodeError> {
        use crate::Cause::{TrailingBytes, UnexpectedEnd};
        let mut rest = &bytes[..];
        if codec.decode(&mut rest)?.is_none() {
            return Err(DecodeError::new(UnexpectedEnd, bytes.len()));
        }
        if !rest.is_empty() {
            return Err(DecodeError::new(TrailingBytes, bytes.len().saturating_sub(rest.len())));
        }
        Ok(Self { bytes, codec })
    }

    /// Copies the bytes of `frame`.
    ///
    /// # Errors
    ///
    /// Not a packet that `codec` takes.
    pub fn copy(codec: Codec, frame: &Frame<'_>) -> Result<Self, DecodeError> {
        // Not `decode_frame`: a frame may have been cut under a larger limit than the codec's, which `packet` would not take.
        codec.decode(&mut frame.as_bytes())?;
        Ok(Self { bytes: Bytes::copy_from_slice(frame.as_bytes()), codec })
    }

    /// The view. Costs one decoding.
    #[must_use]
    pub fn packet(&self) -> Packet<'_> {
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
