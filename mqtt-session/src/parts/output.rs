//! Encoded bytes on their way to the transport, and how many more there may be.

use mqtt_proto::TransmitBuf;

/// What we owe a peer that does not read may grow to this many bytes; then we stop reading from it.
const OWED_BYTES_MAX: usize = 512 << 10;

/// The output of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Output {
    bytes: TransmitBuf,
    /// Bytes of acknowledgements and answers since the output was last taken.
    owed: usize,
}

impl Output {
    /// Where to encode.
    pub(crate) fn buf(&mut self) -> &mut TransmitBuf {
        &mut self.bytes
    }

    /// Messages may be encoded up to this bound. Acknowledgements, answers and pings are not held back by it.
    pub(crate) fn has_room(&self, output_bytes_max: usize) -> bool {
        // Or nothing would ever go out.
        self.bytes.is_empty() || self.bytes.len() < output_bytes_max
    }

    /// `bytes` of what was encoded answer the peer.
    pub(crate) fn owe(&mut self, bytes: usize) {
        self.owed = self.owed.saturating_add(bytes);
    }

    /// The peer reads its answers, as far as we know. Two ends that wait for each other's messages to be read still answer each other.
    pub(crate) const fn is_read(&self) -> bool {
        self.owed < OWED_BYTES_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Moves everything to the end of `out`.
    pub(crate) fn take(&mut self, out: &mut TransmitBuf) {
        self.owed = 0;
        out.append(&mut self.bytes);
        self.bytes.release();
    }
}
