//! One piece of work, done once, so that `tests/work.rs` can have valgrind count its instructions: `proofs CASE N`.

use std::hint::black_box;

use bytes::Bytes;
use mqtt_proto::{
    Codec, Delivery, Framer, PACKET_BYTES_MAX, Packet, PacketBuf, PacketId, Properties, PropertiesBuf, Property,
    Publish, PublishBuf, QoS, ReasonCode, SubAck, Subscribe, Subscription, SubscriptionId, Text, TopicFilter,
    TopicName, TransmitBuf, Unsubscribe, Version,
};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(case), Some(n)) = (arguments.next(), arguments.next().and_then(|n| n.parse().ok())) else {
        panic!("usage: proofs CASE N");
    };
    let case = CASES.iter().find(|known| known.0 == case).expect("an unknown case");
    measured(case.2, &case.1(n));
}

/// Valgrind counts what happens in here, and nothing else.
#[inline(never)]
fn measured(work: fn(&[u8]), input: &[u8]) {
    black_box(work)(black_box(input));
}

type Case = (&'static str, fn(usize) -> Vec<u8>, fn(&[u8]));

/// Name, what makes the input for `n`, and the work on it. `tests/work.rs` knows how large each `n` may be.
const CASES: &[Case] = &[
    ("user_properties", |n| publish_with(Property::UserProperty((text("k"), text("v"))), n), publish),
    ("subscription_ids", |n| publish_with(Property::SubscriptionIdentifier(subscription_id()), n), publish),
    ("unfinished_properties", |n| broken(publish_with(Property::UserProperty((text("k"), text("v"))), n)), refused),
    ("topic_levels", |n| publish_to(&"/".repeat(n)), publish),
    ("topic_beyond_ascii", |n| publish_to(&"é".repeat(n)), publish),
    ("payload", |n| encoded(client(), &Packet::Publish(Publish::new(name("t"), &vec![7; n][..]))), publish),
    ("subscriptions", subscriptions, list),
    ("filter_levels", |n| subscription(&"+/".repeat(n)), list),
    ("shared_filter_levels", |n| subscription(&format!("$share/g/{}", "/".repeat(n))), list),
    ("filters", filters, list),
    ("reason_codes", reason_codes, list),
    ("matching", |n| "/".repeat(n).into_bytes(), matching),
    ("small_packets_whole", small_packets, |stream| frames(stream, stream.len())),
    ("small_packets_by_the_byte", small_packets, |stream| frames(stream, 1)),
    (
        "large_packet_by_the_byte",
        |n| publish_with(Property::UserProperty((text("k"), text("v"))), n),
        |stream| {
            frames(stream, 1);
        },
    ),
    ("large_packet_by_the_byte_without_framer", |n| publish_to(&"/".repeat(n)), decode_by_the_byte),
    ("sent_by_the_byte", small_packets, sent_by_the_byte),
    ("sent_by_the_byte_with_references", |n| vec![7; n], sent_by_the_byte_with_references),
    // What a careless receiver does. The measurement has to tell it from the others.
    (
        "not_linear",
        |n| vec![0xC0; n],
        |input| {
            for end in 0..input.len() {
                black_box(black_box(&input[..end]).iter().fold(0_u64, |sum, &byte| sum + u64::from(black_box(byte))));
            }
        },
    ),
];

// --- input -------------------------------------------------------------------------------------------------------------

fn client() -> Codec {
    largest(Codec::client(Version::V5))
}

fn server() -> Codec {
    largest(Codec::server(Version::V5))
}

fn largest(mut codec: Codec) -> Codec {
    codec.packet_bytes_max = PACKET_BYTES_MAX;
    codec
}

fn text(text: &str) -> Text<'_> {
    Text::new(text).expect("it is a text")
}

fn name(name: &str) -> TopicName<'_> {
    TopicName::new(name).expect("it is a name")
}

fn subscription_id() -> SubscriptionId {
    SubscriptionId::new(1_000).expect("it is in range")
}

fn encoded(codec: Codec, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = TransmitBuf::new();
    codec.encode(packet, &mut out).expect("it is a packet");
    out.slices().flatten().copied().collect()
}

fn publish_with(property: Property<'_>, n: usize) -> Vec<u8> {
    let mut properties = PropertiesBuf::new();
    (0..n).for_each(|_| properties.push(property).expect("it may repeat"));
    let publish = Publish { properties: properties.as_properties(), ..Publish::new(name("t"), b"") };
    encoded(server(), &Packet::Publish(publish))
}

fn publish_to(topic: &str) -> Vec<u8> {
    encoded(client(), &Packet::Publish(Publish::new(name(topic), b"")))
}

/// The last user property's value now goes on behind the end of the properties.
fn broken(mut publish: Vec<u8>) -> Vec<u8> {
    let last = publish.len() - 2;
    publish[last] = 2;
    publish
}

fn subscriptions(n: usize) -> Vec<u8> {
    let filter = TopicFilter::new("a/+").expect("it is a filter");
    let subscriptions = vec![Subscription::new(filter, QoS::AtLeastOnce); n];
    encoded(client(), &Packet::Subscribe(Subscribe::new(PacketId::MIN, &subscriptions)))
}

fn subscription(filter: &str) -> Vec<u8> {
    let filter = TopicFilter::new(filter).expect("it is a filter");
    let subscriptions = [Subscription::new(filter, QoS::AtLeastOnce)];
    encoded(client(), &Packet::Subscribe(Subscribe::new(PacketId::MIN, &subscriptions)))
}

fn filters(n: usize) -> Vec<u8> {
    let filters = vec![TopicFilter::new("#").expect("it is a filter"); n];
    encoded(client(), &Packet::Unsubscribe(Unsubscribe::new(PacketId::MIN, &filters)))
}

fn reason_codes(n: usize) -> Vec<u8> {
    encoded(server(), &Packet::SubAck(SubAck::new(PacketId::MIN, &vec![ReasonCode::QuotaExceeded; n])))
}

fn small_packets(n: usize) -> Vec<u8> {
    publish_to("a/b").repeat(n)
}

// --- work --------------------------------------------------------------------------------------------------------------

/// Reads it, looks at everything in it, keeps it, and sends it on.
fn publish(mut input: &[u8]) {
    let kept = PacketBuf::new(client(), Bytes::copy_from_slice(input)).expect("it is a packet");
    let Ok(Some(Packet::Publish(publish))) = client().decode(&mut input) else { panic!("it is a PUBLISH") };
    assert_eq!(kept.packet(), Packet::Publish(publish));
    look_at(publish.properties);
    let topic = publish.topic.expect("there is one");
    black_box(topic.levels().count());
    let mut rebuilt = PropertiesBuf::new();
    for property in &publish.properties {
        rebuilt.push(property).expect("it stood in a packet");
    }
    black_box(PublishBuf::new(topic, &publish).publish(Delivery::AtMostOnce));
    black_box(encoded(server(), &Packet::Publish(publish)));
}

fn look_at(properties: Properties<'_>) {
    black_box(properties.iter().count());
    black_box(properties.user_properties().count());
    black_box(properties.subscription_identifiers().count());
    black_box(properties.content_type());
    black_box(properties.topic_alias());
}

fn refused(mut input: &[u8]) {
    black_box(client().decode(&mut input)).expect_err("it is broken");
}

fn list(input: &[u8]) {
    for codec in [client(), server()] {
        match codec.decode(&mut &input[..]) {
            Ok(Some(Packet::Subscribe(body))) => {
                black_box(body.subscriptions.iter().filter(|one| one.filter.shared().is_some()).count());
                black_box(encoded(client(), &Packet::Subscribe(body)));
            }
            Ok(Some(Packet::Unsubscribe(body))) => {
                black_box(body.filters.iter().filter(|filter| filter.has_wildcard()).count());
                black_box(encoded(client(), &Packet::Unsubscribe(body)));
            }
            Ok(Some(Packet::SubAck(body))) => {
                black_box(body.reason_codes.iter().filter(|code| code.is_failure()).count());
                black_box(encoded(server(), &Packet::SubAck(body)));
            }
            // It is for the other end.
            other => assert!(other.is_err(), "{other:?}"),
        }
    }
}

fn matching(levels: &[u8]) {
    let name_text = std::str::from_utf8(levels).expect("it is a text");
    let filter_text = format!("{}#", name_text.replace('/', "+/"));
    assert!(TopicFilter::new(&filter_text).expect("it is a filter").matches(name(name_text)));
    assert!(TopicFilter::new(name_text).expect("it is a filter").matches(name(name_text)));
}

/// The host's part as the documentation of `Framer` describes it.
fn frames(stream: &[u8], step: usize) {
    let mut framer = Framer::new(PACKET_BYTES_MAX);
    let (mut from, mut to, mut count) = (0, 0, 0);
    while to < stream.len() {
        to = stream.len().min(to + step);
        let mut held = &stream[from..to];
        while let Some(frame) = framer.next(&mut held).expect("it is well-formed") {
            black_box(client().decode_frame(&frame)).expect("it is a packet");
            count += 1;
        }
        from = to - held.len();
        black_box(framer.missing(held.len()));
    }
    assert!(count > 0 && from == stream.len());
}

fn decode_by_the_byte(packet: &[u8]) {
    for end in 0..packet.len() {
        assert_eq!(black_box(client().decode(&mut &packet[..end])), Ok(None));
    }
    assert!(client().decode(&mut &packet[..]).is_ok());
}

fn sent_by_the_byte(stream: &[u8]) {
    let mut out = TransmitBuf::new();
    let mut rest = stream;
    while let Ok(Some(packet)) = client().decode(&mut rest) {
        server().encode(&packet, &mut out).expect("it is a packet");
    }
    assert_eq!(out.len(), stream.len());
    drain(out);
}

fn sent_by_the_byte_with_references(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut out = TransmitBuf::new();
    for index in 0..bytes.len() {
        out.put_slice(b"copied");
        out.put_bytes(bytes.slice(index..=index));
    }
    drain(out);
}

fn drain(mut out: TransmitBuf) {
    while !out.is_empty() {
        black_box(out.slices().next());
        out.advance(1);
    }
}
