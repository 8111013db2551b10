//! What every implementation has to do, ours and the floor included.

use bytes::{Bytes, BytesMut};
use mqtt_proto::TransmitBuf;

/// One implementation for one version of MQTT.
pub trait Contestant: 'static {
    /// What the table calls it.
    const NAME: &'static str;
    /// Whom it is compared with.
    const KIND: Kind;
    /// A packet that is ready to be encoded.
    type Packet;
    /// Where encoded bytes go; reused from packet to packet.
    type Output: Output;

    /// Takes what one read from a socket brought, decodes the packets that are complete now, and looks at each as an application would.
    fn receive(&mut self, read: &[u8], seen: &mut Seen);

    /// The packet that `wire` holds. `None`: it takes no part in this case.
    fn packet(&mut self, wire: &'static [u8]) -> Option<Self::Packet>;

    /// Appends a packet to `out`.
    fn encode(&mut self, packet: &Self::Packet, out: &mut Self::Output);

    /// Builds a PUBLISH from its parts and appends it to `out`. `false`: it takes no part.
    fn publish(&mut self, message: &Message, out: &mut Self::Output) -> bool;
}

/// Where a contestant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The least work that still does the job.
    Floor {
        /// What it decodes outlives the receive buffer.
        owned: bool,
    },
    /// This project.
    Ours {
        /// What it decodes outlives the receive buffer.
        owned: bool,
    },
    /// Somebody else.
    Peer {
        /// What it decodes outlives the receive buffer.
        owned: bool,
    },
}

impl Kind {
    /// What it decodes outlives the receive buffer.
    pub fn is_owned(self) -> bool {
        match self {
            Self::Floor { owned } | Self::Ours { owned } | Self::Peer { owned } => owned,
        }
    }
}

/// What an application has looked at; the same for all, or somebody has not done the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    packets: u64,
    topics: u64,
    payloads: u64,
    user_properties: u64,
}

impl Seen {
    /// A packet has been decoded.
    pub fn packet(&mut self) {
        self.packets += 1;
    }

    /// Bytes of a topic, a filter or a client identifier.
    pub fn topic(&mut self, bytes: usize) {
        self.topics += bytes as u64;
    }

    /// Bytes of a payload, a will's included.
    pub fn payload(&mut self, bytes: usize) {
        self.payloads += bytes as u64;
    }

    /// Bytes of a user property.
    pub fn user_property(&mut self, name: usize, value: usize) {
        self.user_properties += (name + value) as u64;
    }

    /// How many packets.
    pub fn packets(&self) -> u64 {
        self.packets
    }
}

/// The parts of a PUBLISH, as an application has them at hand.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where it goes.
    pub topic: &'static str,
    /// What it says.
    pub payload: Bytes,
    /// The packet identifier at QoS 1; `None` at QoS 0.
    pub packet_id: Option<u16>,
    /// With [`SIX`].
    pub six_properties: bool,
}

/// Six properties of a PUBLISH. Each contestant writes them in its own order.
pub const SIX: Six = Six {
    message_expiry_interval: 3600,
    content_type: "application/json",
    response_topic: "building/7/answers",
    correlation_data: b"\x01\x02\x03\x04\x05\x06\x07\x08",
    user_properties: [("origin", "sensor-12"), ("unit", "kelvin")],
};

/// The type of [`SIX`].
pub struct Six {
    pub message_expiry_interval: u32,
    pub content_type: &'static str,
    pub response_topic: &'static str,
    pub correlation_data: &'static [u8],
    pub user_properties: [(&'static str, &'static str); 2],
}

/// A buffer of encoded bytes.
pub trait Output: Default + 'static {
    /// Everything in it has been sent.
    fn clear(&mut self);
    /// Everything in it, in one piece.
    fn flat(&self) -> Vec<u8>;
    /// How many bytes there are in it.
    fn len(&self) -> usize;
}

impl Output for Vec<u8> {
    fn clear(&mut self) {
        self.clear();
    }

    fn flat(&self) -> Vec<u8> {
        self.clone()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

impl Output for BytesMut {
    fn clear(&mut self) {
        self.clear();
    }

    fn flat(&self) -> Vec<u8> {
        self.to_vec()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

impl Output for TransmitBuf {
    fn clear(&mut self) {
        self.clear();
    }

    fn flat(&self) -> Vec<u8> {
        self.slices().flatten().copied().collect()
    }

    fn len(&self) -> usize {
        self.len()
    }
}
