//! What is measured: packets of one kind, a mixed stream, encoding.

use std::num::NonZeroU16;
use std::rc::Rc;

use bytes::Bytes;
use mqtt_proto::{
    Ack, Codec, Connect, Delivery, Packet, PacketId, PropertiesBuf, Property, Publish, QoS, ReasonCode, Subscribe,
    Subscription, Text, TopicFilter, TopicName, TransmitBuf, Unsubscribe, Version, Will,
};

use crate::contestant::Message;
use crate::ours::six;

/// A table of its own.
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Packets are decoded, not encoded.
    pub decoding: bool,
    /// Its rows.
    pub cases: Vec<Case>,
}

/// A row.
pub struct Case {
    /// What there is to do, in a word.
    pub verb: &'static str,
    /// What the table calls it.
    pub name: String,
    /// For this version.
    pub version: Version,
    /// What there is to do.
    pub work: Work,
}

impl Case {
    /// No other case is called so.
    pub fn id(&self) -> String {
        format!("{} {}", self.verb, self.name)
    }
}

/// What there is to do.
pub enum Work {
    /// Decode a stream that arrives in reads of one size.
    Decode {
        /// All of it.
        stream: Rc<[u8]>,
        /// Bytes per read.
        read: usize,
    },
    /// Encode this packet, which each contestant has built before.
    Encode {
        /// The packet on the wire.
        wire: &'static [u8],
    },
    /// Build a PUBLISH and encode it.
    Build {
        /// What it is built from.
        message: Message,
    },
}

/// Everything.
pub fn sections() -> Vec<Section> {
    let section = |title, decoding, cases| Section { title, decoding, cases };
    vec![
        section("Decode, one kind of packet, reads of 64 KiB", true, decode()),
        section("Decode, a mixed stream of 1 MiB, by bytes per read", true, mixed()),
        section("Encode a packet that is already built", false, encode()),
        section("Build a PUBLISH from its parts and encode it", false, build()),
    ]
}

/// The case that is called `id`.
pub fn find(id: &str) -> Option<Case> {
    sections().into_iter().flat_map(|section| section.cases).find(|case| case.id() == id)
}

const VERSIONS: [(Version, &str); 2] = [(Version::V3_1_1, "3.1.1"), (Version::V5, "5.0")];
const READ: usize = 64 * 1024;
const STREAM: usize = 1 << 20;
/// Of one kind: small enough to stay in the processor's caches, so that the decoders are measured and not the memory.
const BLOCK: usize = 256 * 1024;

fn decode() -> Vec<Case> {
    let mut cases = Vec::new();
    for (version, label) in VERSIONS {
        for (kind, wire) in kinds(version) {
            let stream = wire.repeat((BLOCK / wire.len()).min(5000)).into();
            let work = Work::Decode { stream, read: READ };
            cases.push(Case { verb: "decode", name: format!("{label} {kind}"), version, work });
        }
    }
    cases
}

fn mixed() -> Vec<Case> {
    let mut cases = Vec::new();
    for (version, label) in VERSIONS {
        let stream: Rc<[u8]> = mixed_stream(version).into();
        for read in [READ, 1460, 7, 1] {
            let work = Work::Decode { stream: stream.clone(), read };
            cases.push(Case { verb: "mixed", name: format!("{label} {read}"), version, work });
        }
    }
    cases
}

fn encode() -> Vec<Case> {
    let mut cases = Vec::new();
    for (version, label) in VERSIONS {
        for (kind, wire) in kinds(version) {
            let work = Work::Encode { wire: wire.leak() };
            cases.push(Case { verb: "encode", name: format!("{label} {kind}"), version, work });
        }
    }
    cases
}

fn build() -> Vec<Case> {
    let mut cases = Vec::new();
    for (version, label) in VERSIONS {
        let message = |packet_id, payload: usize, six_properties| Message {
            topic: TOPIC,
            payload: Bytes::from(vec![b'x'; payload]),
            packet_id,
            six_properties,
        };
        let mut messages = vec![
            ("PUBLISH QoS 0, 16 B", message(None, 16, false)),
            ("PUBLISH QoS 1, 256 B", message(Some(10), 256, false)),
            ("PUBLISH QoS 0, 16 KiB", message(None, 16 * 1024, false)),
        ];
        if version.has_properties() {
            messages.push((SIX_PROPERTIES, message(Some(10), 256, true)));
        }
        for (kind, message) in messages {
            let work = Work::Build { message };
            cases.push(Case { verb: "build", name: format!("{label} {kind}"), version, work });
        }
    }
    cases
}

const TOPIC: &str = "building/7/room/12/t";
const ID: Option<PacketId> = PacketId::new(10);
const SIX_PROPERTIES: &str = "PUBLISH QoS 1, 256 B, 6 properties";

/// One packet of each kind on the wire.
fn kinds(version: Version) -> Vec<(&'static str, Vec<u8>)> {
    let (payload, six) = ([b'x'; 16 * 1024], six());
    let id = ID.expect("it is not zero");
    let filters = FILTERS.map(|filter| TopicFilter::new(filter).expect("it is a filter"));
    let subscriptions = filters.map(|filter| Subscription::new(filter, QoS::AtLeastOnce));
    let at_qos_1 = publish(&payload[..256], Some(id));
    let connect_properties = connect_properties(version);
    let mut kinds = vec![
        ("PUBLISH QoS 0, 16 B", Packet::Publish(publish(&payload[..16], None))),
        ("PUBLISH QoS 1, 256 B", Packet::Publish(at_qos_1)),
        ("PUBLISH QoS 0, 16 KiB", Packet::Publish(publish(&payload, None))),
        ("PUBACK", Packet::PubAck(Ack::new(id))),
        ("CONNECT, full", Packet::Connect(connect(&connect_properties))),
        ("SUBSCRIBE, 8 filters", Packet::Subscribe(Subscribe::new(id, &subscriptions))),
    ];
    if version.has_properties() {
        kinds.push((SIX_PROPERTIES, Packet::Publish(Publish { properties: six.as_properties(), ..at_qos_1 })));
        let refused = Ack { reason_code: ReasonCode::NotAuthorized, ..Ack::new(id) };
        kinds.push(("PUBACK with a reason", Packet::PubAck(refused)));
    }
    kinds.into_iter().map(|(kind, packet)| (kind, encoded(version, &[packet]))).collect()
}

const FILTERS: [&str; 8] = [
    "building/7/room/12/t",
    "building/+/room/+/t",
    "building/7/#",
    "alarms/fire",
    "alarms/+/level",
    "status/sensor-12",
    "config/sensor-12/#",
    "x/y/z",
];

fn text(text: &'static str) -> Text<'static> {
    Text::new(text).expect("it is text")
}

fn publish(payload: &[u8], packet_id: Option<PacketId>) -> Publish<'_> {
    let mut publish = Publish::new(TopicName::new(TOPIC).expect("it is a name"), payload);
    if let Some(packet_id) = packet_id {
        publish.delivery = Delivery::AtLeastOnce { packet_id, dup: false };
    }
    publish
}

fn connect_properties(version: Version) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    if version.has_properties() {
        let list = [
            Property::SessionExpiryInterval(3600),
            Property::ReceiveMaximum(NonZeroU16::MIN.saturating_add(99)),
            Property::TopicAliasMaximum(10),
            Property::UserProperty((text("origin"), text("sensor-12"))),
        ];
        list.into_iter().for_each(|property| properties.push(property).expect("each stands once"));
    }
    properties
}

fn connect(properties: &PropertiesBuf) -> Connect<'_> {
    let mut connect = Connect::new(text("sensor-0123456789"));
    connect.keep_alive = 60;
    let topic = TopicName::new("status/sensor-12").expect("it is a name");
    connect.will = Some(Will { qos: QoS::AtLeastOnce, retain: true, ..Will::new(topic, b"offline") });
    connect.user_name = Some(text("sensor"));
    connect.password = Some(b"correct horse battery staple");
    connect.properties = properties.as_properties();
    connect
}

/// What a server reads: of 100 packets 60 PUBLISH (30 % of them at QoS 1, in 5.0 every fifth with 6 properties), 26
/// acknowledgements, 5 SUBSCRIBE, 4 UNSUBSCRIBE and 5 PINGREQ, in an order that is always the same.
fn mixed_stream(version: Version) -> Vec<u8> {
    let (payload, six) = ([b'x'; 2048], six());
    let id = ID.expect("it is not zero");
    let filters = FILTERS.map(|filter| TopicFilter::new(filter).expect("it is a filter"));
    let subscriptions = filters.map(|filter| Subscription::new(filter, QoS::AtLeastOnce));
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut below = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 32) % bound
    };
    let mut stream = Vec::new();
    while stream.len() < STREAM {
        let packet = match below(100) {
            0..60 => {
                let size = [16, 16, 32, 64, 64, 128, 256, 256, 512, 1024, 2048][below(11) as usize];
                let mut publish = publish(&payload[..size], (below(10) < 3).then_some(id));
                if version.has_properties() && below(5) == 0 {
                    publish.properties = six.as_properties();
                }
                Packet::Publish(publish)
            }
            60..80 => Packet::PubAck(Ack::new(id)),
            80..82 => Packet::PubRec(Ack::new(id)),
            82..84 => Packet::PubRel(Ack::new(id)),
            84..86 => Packet::PubComp(Ack::new(id)),
            86..91 => Packet::Subscribe(Subscribe::new(id, &subscriptions[..1 + below(4) as usize])),
            91..95 => Packet::Unsubscribe(Unsubscribe::new(id, &filters[..1 + below(4) as usize])),
            _ => Packet::PingReq,
        };
        stream.extend(encoded(version, &[packet]));
    }
    stream
}

fn encoded(version: Version, packets: &[Packet<'_>]) -> Vec<u8> {
    let mut out = TransmitBuf::new();
    for packet in packets {
        Codec::client(version).encode(packet, &mut out).expect("the packet is right");
    }
    out.slices().flatten().copied().collect()
}
