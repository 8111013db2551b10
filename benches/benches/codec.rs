//! The codec: packets to bytes and back, one case per question.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mqtt_proto::{
    Ack, Codec, Connect, Delivery, Framer, Packet, PacketId, PropertiesBuf, Property, Publish, QoS, Subscribe,
    Subscription, Text, TopicAlias, TopicFilter, TopicName, TransmitBuf, Version, Will,
};

criterion_group!(benches, decode, stream, encode, topics);
criterion_main!(benches);

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let properties = six_properties();
    let subscriptions = subscriptions();
    let with_properties = Publish { properties: properties.as_properties(), ..small_publish() };
    let (connect, subscribe) = (Packet::Connect(full_connect()), Packet::Subscribe(Subscribe::new(ID, &subscriptions)));
    let cases = [
        ("publish_qos0_16B_v311", Version::V3_1_1, Packet::Publish(small_publish())),
        ("publish_qos0_16B_v5", Version::V5, Packet::Publish(small_publish())),
        ("publish_6_properties_v5", Version::V5, Packet::Publish(with_properties)),
        ("puback_v311", Version::V3_1_1, Packet::PubAck(Ack::new(ID))),
        ("puback_v5", Version::V5, Packet::PubAck(Ack::new(ID))),
        ("connect_full_v311", Version::V3_1_1, connect),
        ("connect_full_v5", Version::V5, connect),
        ("subscribe_8_v311", Version::V3_1_1, subscribe),
        ("subscribe_8_v5", Version::V5, subscribe),
    ];
    for (case, version, packet) in cases {
        let bytes = encoded(&Codec::client(version), &[packet]);
        let server = Codec::server(version);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(case, |b| b.iter(|| black_box(server.decode(&mut black_box(&bytes[..])))));
    }
    group.finish();
}

/// A mixed stream in pieces of various sizes; the host keeps what is unfinished.
fn stream(c: &mut Criterion) {
    let mut group = c.benchmark_group("stream");
    for version in [Version::V3_1_1, Version::V5] {
        let bytes = mixed_stream(version);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        for read in [65_536, 1460, 7, 1] {
            group.bench_function(format!("reads_of_{read}_{}", name(version)), |b| {
                let mut held = Vec::with_capacity(65_536 + 4096);
                b.iter(|| read_in_pieces(version, &bytes, read, &mut held));
            });
        }
    }
    group.finish();
}

fn read_in_pieces(version: Version, bytes: &[u8], read: usize, held: &mut Vec<u8>) -> usize {
    let server = Codec::server(version);
    let mut framer = Framer::new(server.packet_bytes_max);
    let mut packets = 0;
    for piece in bytes.chunks(read) {
        held.extend_from_slice(piece);
        let mut input = &held[..];
        while let Some(frame) = framer.next(&mut input).expect("the stream is good") {
            let _ = black_box(server.decode_frame(&frame).expect("the stream is good"));
            packets += 1;
        }
        let taken = held.len() - input.len();
        held.drain(..taken);
    }
    assert!(held.is_empty());
    packets
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    let properties = six_properties();
    let (medium, large) = (Bytes::from(vec![7; 256]), Bytes::from(vec![7; 16 * 1024]));
    for version in [Version::V3_1_1, Version::V5] {
        let at_qos1 = Delivery::AtLeastOnce { packet_id: ID, dup: false };
        let mut cases = vec![
            ("publish_qos0_16B", small_publish()),
            ("publish_qos1_256B", Publish { delivery: at_qos1, ..Publish::new(topic(), &medium) }),
            ("publish_16KiB_by_reference", Publish::new(topic(), &large)),
        ];
        if version.has_properties() {
            cases.push(("publish_6_properties", Publish { properties: properties.as_properties(), ..small_publish() }));
        }
        let client = Codec::client(version);
        for (case, publish) in cases {
            let packet = Packet::Publish(publish);
            group.throughput(Throughput::Bytes(client.encoded_len(&packet).expect("the packet is right") as u64));
            group.bench_function(format!("{case}_{}", name(version)), |b| {
                let mut out = TransmitBuf::new();
                b.iter(|| encode_and_send(&client, black_box(&packet), &mut out));
            });
        }
    }
    group.throughput(Throughput::Elements(1));
    for version in [Version::V3_1_1, Version::V5] {
        group.bench_function(format!("build_and_encode_publish_{}", name(version)), |b| {
            let (client, mut out) = (Codec::client(version), TransmitBuf::new());
            b.iter(|| {
                let topic = TopicName::new(black_box(TOPIC)).expect("it is a name");
                encode_and_send(&client, &Packet::Publish(Publish::new(topic, black_box(&[7; 16]))), &mut out);
            });
        });
    }
    group.bench_function("build_and_encode_6_properties_v5", |b| {
        let (client, mut out) = (Codec::client(Version::V5), TransmitBuf::new());
        b.iter(|| {
            let properties = six_properties();
            let publish = Publish { properties: properties.as_properties(), ..small_publish() };
            encode_and_send(&client, &Packet::Publish(publish), &mut out);
        });
    });
    // What a buffer of its own costs a packet.
    group.bench_function("publish_qos0_16B_new_buffer_v5", |b| {
        let (client, packet) = (Codec::client(Version::V5), Packet::Publish(small_publish()));
        b.iter_batched_ref(TransmitBuf::new, |out| client.encode(black_box(&packet), out), BatchSize::SmallInput);
    });
    group.finish();
}

/// Encodes and sends, so that the buffer is empty again.
fn encode_and_send(client: &Codec, packet: &Packet<'_>, out: &mut TransmitBuf) {
    client.encode(packet, out).expect("the packet is right");
    black_box(out.slices().count());
    out.advance(out.len());
}

fn topics(c: &mut Criterion) {
    let mut group = c.benchmark_group("topic");
    let cases = [
        ("match_exact", TOPIC, true),
        ("match_plus", "building/+/room/+/temperature", true),
        ("match_hash", "building/#", true),
        ("mismatch_in_the_last_level", "building/7/room/12/humidity", false),
        ("match_shared", "$share/workers/building/+/room/#", true),
    ];
    for (case, filter, matches) in cases {
        let (filter, name) = (TopicFilter::new(filter).expect("it is a filter"), topic());
        assert_eq!(filter.matches(name), matches);
        group.bench_function(case, |b| b.iter(|| black_box(filter).matches(black_box(name))));
    }
    group.bench_function("check_name", |b| b.iter(|| TopicName::new(black_box(TOPIC)).is_ok()));
    group.bench_function("check_filter", |b| b.iter(|| TopicFilter::new(black_box("building/+/room/#")).is_ok()));
    group.finish();
}

const TOPIC: &str = "building/7/room/12/temperature";
const ID: PacketId = PacketId::MAX;

fn topic() -> TopicName<'static> {
    TopicName::new(TOPIC).expect("it is a name")
}

fn text(text: &'static str) -> Text<'static> {
    Text::new(text).expect("it is a text")
}

fn name(version: Version) -> &'static str {
    if version.has_properties() { "v5" } else { "v311" }
}

fn small_publish() -> Publish<'static> {
    Publish::new(topic(), b"0123456789abcdef")
}

fn six_properties() -> PropertiesBuf {
    let list = [
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(60),
        Property::ContentType(text("application/json")),
        Property::CorrelationData(&[1, 2, 3, 4, 5, 6, 7, 8]),
        Property::TopicAlias(TopicAlias::new(3).expect("it is not zero")),
        Property::UserProperty((text("origin"), text("sensor-12"))),
    ];
    let mut properties = PropertiesBuf::new();
    for property in list {
        properties.push(property).expect("each stands once");
    }
    properties
}

fn full_connect() -> Connect<'static> {
    let mut connect = Connect::new(text("sensor-0123456789"));
    connect.clean_start = false;
    connect.keep_alive = 60;
    connect.will = Some(Will { qos: QoS::AtLeastOnce, retain: true, ..Will::new(topic(), b"offline") });
    connect.user_name = Some(text("sensor"));
    connect.password = Some(b"correct horse battery staple");
    connect
}

fn subscriptions() -> Vec<Subscription<'static>> {
    let filters = ["a/b", "building/+/room/#", "#", "+", TOPIC, "x/y/z", "alarms/#", "status/+"];
    let filters = filters.map(|filter| TopicFilter::new(filter).expect("it is a filter"));
    filters.iter().map(|&filter| Subscription::new(filter, QoS::AtLeastOnce)).collect()
}

/// Publishes of all sizes and kinds with acknowledgements between them, about 200 KiB.
fn mixed_stream(version: Version) -> Vec<u8> {
    let payload = [7; 2048];
    let properties = six_properties();
    let mut packets = Vec::new();
    for turn in 0..450 {
        let mut publish = Publish::new(topic(), &payload[..[16, 64, 16, 256, 16, 2048][turn % 6]]);
        if turn % 3 == 0 {
            publish.delivery = Delivery::AtLeastOnce { packet_id: ID, dup: false };
        }
        if version.has_properties() && turn % 4 == 0 {
            publish.properties = properties.as_properties();
        }
        packets.extend([Packet::Publish(publish), Packet::PubAck(Ack::new(ID))]);
        if turn % 50 == 0 {
            packets.push(Packet::PingReq);
        }
    }
    encoded(&Codec::client(version), &packets)
}

fn encoded(codec: &Codec, packets: &[Packet<'_>]) -> Vec<u8> {
    let mut out = TransmitBuf::new();
    for packet in packets {
        codec.encode(packet, &mut out).expect("the packet is right");
    }
    out.slices().flatten().copied().collect()
}
