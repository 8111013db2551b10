//! An encoder refuses exactly what the decoder at the other end would refuse, before it writes a byte.
//!
//! Packets are put together here from parts that are valid each by itself, with no regard for whether they go together. Beside the
//! encoder stands a writer that checks nothing: the encoder has to take a packet if, and only if, the bytes of that writer decode to it.

mod common;

use bytes::Bytes;
use common::packets::{packet, varint};
use common::{every_property, golden};
use mqtt_proto::choices::Choices;
use mqtt_proto::{
    Ack, Auth, Codec, ConnAck, Connect, Delivery, Disconnect, EncodeError, List, PACKET_BYTES_MAX, Packet, PacketId,
    PacketType, Properties, PropertiesBuf, Property, Publish, QoS, ReasonCode, RetainHandling, SubAck, Subscribe,
    Subscription, SubscriptionOptions, Text, TopicFilter, TopicName, TransmitBuf, UnsubAck, Unsubscribe, Version, Will,
};
use proptest::prelude::{ProptestConfig, any};
use proptest::{collection, proptest};

/// All of them, everywhere: what is refused is what has no place there.
#[test]
fn each_property_goes_where_it_may_and_nowhere_else() {
    let mut taken = 0;
    for property in every_property() {
        let mut one = PropertiesBuf::new();
        one.push(property).unwrap();
        let mut two = one.clone();
        for packet in packets_with(one.as_properties()) {
            taken += everywhere(&packet);
        }
        if two.push(property).is_ok() {
            for packet in packets_with(two.as_properties()) {
                everywhere(&packet);
            }
        }
    }
    // The table of properties of 5.0's section 2.2.2.2, counted by packet type and sender; without Authentication Data in CONNECT, which
    // asks for a method beside it, and in AUTH without all but the method, without which there is none.
    assert_eq!(taken, 8 + 7 + 17 + 7 + 8 + 8 * 2 + 2 + 2 + 1 + 2 + 3 + 3 + 2);
}

/// All of them, everywhere.
#[test]
fn each_reason_code_goes_where_it_may_and_nowhere_else() {
    let method = properties(&[Property::AuthenticationMethod(Text::EMPTY)]);
    let mut taken = 0;
    for &reason_code in ReasonCode::ALL {
        let ack = Ack { reason_code, ..Ack::new(ID) };
        let codes = [ReasonCode::Success, reason_code];
        for packet in [
            Packet::ConnAck(ConnAck::new(reason_code)),
            Packet::ConnAck(ConnAck { session_present: true, ..ConnAck::new(reason_code) }),
            Packet::PubAck(ack),
            Packet::PubRec(ack),
            Packet::PubRel(ack),
            Packet::PubComp(ack),
            Packet::SubAck(SubAck::new(ID, &codes)),
            Packet::UnsubAck(UnsubAck::new(ID, &codes)),
            Packet::Disconnect(Disconnect::new(reason_code)),
            Packet::Auth(Auth::new(reason_code, method.as_properties())),
        ] {
            taken += everywhere(&packet);
        }
    }
    let in_5 = (22 + 1) + 2 * (8 + 9) + 2 * (2 + 2) + 12 + 7 + (15 + 29) + (2 + 2);
    // Of old: twelve codes in CONNACK, with the six that share a value, and a session for one of them in 3.1.1; success elsewhere.
    let in_3_1_1 = (12 + 1) + 4 * 2 + 4 + 1;
    let in_3_1 = 12 + 4 * 2 + 3 + 1;
    assert_eq!(taken, in_5 + in_3_1_1 + in_3_1);
}

/// The longest field of bytes, and one byte more.
#[test]
fn each_field_of_bytes_has_room_for_65535() {
    let long = vec![0xFF; 65_536];
    for (bytes, fits) in [(&long[1..], true), (&long[..], false)] {
        let mut connect = Connect::new(Text::EMPTY);
        connect.user_name = Some(Text::EMPTY);
        connect.password = Some(bytes);
        assert_eq!(everywhere(&Packet::Connect(connect)), if fits { 3 } else { 0 });
        connect.password = None;
        connect.will = Some(Will::new(name("w"), bytes));
        assert_eq!(everywhere(&Packet::Connect(connect)), if fits { 3 } else { 0 });
        for property in [Property::CorrelationData(bytes), Property::AuthenticationData(bytes)] {
            let mut properties = PropertiesBuf::new();
            assert_eq!(properties.push(property).is_ok(), fits);
            assert_eq!(properties.is_empty(), !fits);
        }
        // A payload has no length of its own.
        assert_eq!(everywhere(&Packet::Publish(Publish::new(name("t"), bytes))), 6);
    }
    let text = "x".repeat(65_536);
    assert!(
        Text::new(&text[1..]).is_ok() && TopicName::new(&text[1..]).is_ok() && TopicFilter::new(&text[1..]).is_ok()
    );
    assert!(Text::new(&text).is_err() && TopicName::new(&text).is_err() && TopicFilter::new(&text).is_err());
}

/// Many properties and a payload, each of them short enough, are too much together. By reference, so that nobody copies 256 MiB.
#[test]
fn what_is_too_long_in_all_is_refused_whatever_makes_it_long() {
    let text = "x".repeat(65_535);
    let mut many = PropertiesBuf::new();
    for _ in 0..3 {
        many.push(Property::UserProperty((Text::new(&text).unwrap(), Text::new(&text).unwrap()))).unwrap();
    }
    let properties = many.as_properties();
    let head = 3 + varint(properties.as_bytes().len()).len() + properties.as_bytes().len();
    let payload = Bytes::from(vec![0; 268_435_455 - head + 1]);
    let fits = payload.slice(1..);
    let client = Codec::client(Version::V5);
    let mut out = TransmitBuf::new();
    let publish = Publish { properties, ..Publish::new(name("t"), &payload) };
    assert_eq!(client.encode(&Packet::Publish(publish), &mut out), Err(EncodeError::PacketTooLong));
    assert_eq!(client.encoded_len(&Packet::Publish(publish)), Err(EncodeError::PacketTooLong));
    assert_eq!(out, TransmitBuf::new());
    let publish = Publish { properties, ..Publish::new(name("t"), &fits) };
    assert_eq!(client.encode(&Packet::Publish(publish), &mut out), Ok(()));
    assert_eq!(out.len(), PACKET_BYTES_MAX as usize);
    // The same filter many times over.
    let filter = TopicFilter::new(&text).unwrap();
    let (subscriptions, filters) = (vec![Subscription::new(filter, QoS::AtMostOnce); 4_096], vec![filter; 4_096]);
    for version in Version::ALL {
        let (client, mut out) = (Codec::client(version), TransmitBuf::new());
        let too_long = [
            Packet::Subscribe(Subscribe::new(ID, &subscriptions)),
            Packet::Unsubscribe(Unsubscribe::new(ID, &filters)),
        ];
        for packet in too_long {
            assert_eq!(client.encode(&packet, &mut out), Err(EncodeError::PacketTooLong));
            assert_eq!(out, TransmitBuf::new());
        }
        assert!(client.encoded_len(&Packet::Unsubscribe(Unsubscribe::new(ID, &filters[1..]))).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_does_not_go_together_is_refused_and_what_does_is_not(bytes in collection::vec(any::<u8>(), 0..80)) {
        with_any_packet(&mut Choices::new(&bytes), |packet| {
            everywhere(packet);
        });
    }
}

#[test]
fn packets_at_random_are_taken_and_refused_about_as_often() {
    let mut state = 1_u64;
    let mut byte = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let mut taken = 0;
    for _ in 0..RANDOM {
        let bytes: Vec<u8> = (0..60).map(|_| byte()).collect();
        with_any_packet(&mut Choices::new(&bytes), |packet| taken += everywhere(packet));
    }
    assert!(taken > RANDOM / 2, "{taken}");
}

/// What was decoded in one version, or at one end, is tried in all others. Its lists and properties are bytes then, and have been checked
/// by other rules.
#[test]
fn a_packet_that_came_in_goes_out_only_where_it_may() {
    let mut taken = 0;
    for golden in golden::set() {
        let receiver = common::codec(golden.version, golden.sender.peer());
        let packet = receiver.decode(&mut &golden.bytes[..]).unwrap().unwrap();
        let count = everywhere(&packet);
        assert!(count > 0, "not even where it came from: {packet:?}");
        taken += count;
    }
    assert!(taken > golden::set().len());
    let old = [
        // Filters that are none in 5.0, and options of which 3.1 does not look at most bits.
        (Version::V3_1_1, "82 0D 00 0A 00 08 '$share/g' 01", 2),
        (Version::V3_1_1, "A2 0C 00 0A 00 08 '$share/g'", 2),
        (Version::V3_1, "82 0F 00 0A 00 0A '$share/g/a' FE", 3),
        (Version::V3_1, "82 06 00 0A 00 01 'a' FD", 3),
    ];
    for (version, written, count) in old {
        let bytes = common::bytes(written);
        let packet = Codec::server(version).decode(&mut &bytes[..]).unwrap().unwrap();
        assert_eq!(everywhere(&packet), count, "{written}");
    }
}

/// Tries `packet` from both ends in every version, and counts where it is taken.
fn everywhere(packet: &Packet<'_>) -> usize {
    common::codecs().filter(|&sender| is_taken(sender, packet)).count()
}

fn is_taken(sender: Codec, packet: &Packet<'_>) -> bool {
    let bytes = written_without_a_look(sender.version, packet);
    let mut receiver = common::codec(sender.version, sender.role.peer());
    receiver.packet_bytes_max = PACKET_BYTES_MAX;
    let mut input = &bytes[..];
    let right = match receiver.decode(&mut input) {
        // Before 5.0 several reasons share a return code.
        Ok(Some(Packet::ConnAck(found))) if !sender.version.has_properties() => {
            let Packet::ConnAck(wanted) = packet else { panic!("{packet:?} became {found:?}") };
            let code = wanted.reason_code.to_return_code();
            code.is_some() && ConnAck { reason_code: wanted.reason_code, ..found } == *wanted
        }
        Ok(Some(found)) => found == *packet,
        _ => false,
    } && input.is_empty();

    let mut out = TransmitBuf::new();
    out.put_slice(b"sent before");
    out.put_bytes(Bytes::from_static(b"by reference"));
    let before = out.clone();
    match sender.encode(packet, &mut out) {
        Ok(()) => {
            assert!(right, "{packet:?} is taken from a {} in {}", sender.role, sender.version);
            assert_eq!(sender.encoded_len(packet), Ok(out.len() - before.len()));
        }
        Err(error) => {
            assert!(!right, "{packet:?} is refused from a {} in {}: {error}", sender.role, sender.version);
            assert_eq!(out, before, "refused, but written");
            assert_eq!(sender.encoded_len(packet), Err(error));
        }
    }
    right
}

/// What `packet` looks like if nobody asks whether it may. What a version has no room for is left out, or stands where it does not belong.
fn written_without_a_look(version: Version, body: &Packet<'_>) -> Vec<u8> {
    let v5 = version.has_properties();
    let section = |properties: &Properties<'_>| match properties.as_bytes() {
        bytes if v5 => [&varint(bytes.len())[..], bytes].concat(),
        _ => vec![],
    };
    let with_reason = |reason_code: ReasonCode, properties| {
        if v5 { [&[reason_code.as_u8()][..], &section(properties)].concat() } else { vec![] }
    };
    let codes = |codes: &List<'_, ReasonCode>| codes.iter().map(ReasonCode::as_u8).collect::<Vec<_>>();
    let first = (body.packet_type() as u8) << 4;
    match body {
        Packet::Connect(connect) => packet(first, &[&without_a_look_connect(version, connect, section)]),
        Packet::ConnAck(connack) => {
            let code = if v5 { None } else { connack.reason_code.to_return_code() };
            let code = code.unwrap_or(connack.reason_code.as_u8());
            packet(first, &[&[u8::from(connack.session_present), code], &section(&connack.properties)])
        }
        Packet::Publish(publish) => {
            let delivery = publish.delivery;
            let flags = u8::from(delivery.dup()) << 3 | delivery.qos().as_u8() << 1 | u8::from(publish.retain);
            let topic = field(publish.topic.map_or(&[], TopicName::as_bytes));
            let id = delivery.packet_id().map_or(vec![], |id| id.get().to_be_bytes().to_vec());
            packet(first | flags, &[&topic, &id, &section(&publish.properties), &publish.payload])
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            let flags = if body.packet_type() == PacketType::PubRel { 2 } else { 0 };
            let id = ack.packet_id.get().to_be_bytes();
            packet(first | flags, &[&id, &with_reason(ack.reason_code, &ack.properties)])
        }
        Packet::Subscribe(subscribe) => {
            let id = subscribe.packet_id.get().to_be_bytes();
            let list = subscribe.subscriptions.iter().flat_map(|subscription| {
                let options = subscription.options;
                let mut bytes = field(subscription.filter.as_bytes());
                let flags = u8::from(options.no_local) << 2 | u8::from(options.retain_as_published) << 3;
                bytes.push(options.qos.as_u8() | flags | (options.retain_handling as u8) << 4);
                bytes
            });
            packet(first | 2, &[&id, &section(&subscribe.properties), &list.collect::<Vec<_>>()])
        }
        Packet::SubAck(suback) => {
            let id = suback.packet_id.get().to_be_bytes();
            packet(first, &[&id, &section(&suback.properties), &codes(&suback.reason_codes)])
        }
        Packet::Unsubscribe(unsubscribe) => {
            let id = unsubscribe.packet_id.get().to_be_bytes();
            let list: Vec<u8> = unsubscribe.filters.iter().flat_map(|filter| field(filter.as_bytes())).collect();
            packet(first | 2, &[&id, &section(&unsubscribe.properties), &list])
        }
        Packet::UnsubAck(unsuback) => {
            let id = unsuback.packet_id.get().to_be_bytes();
            packet(first, &[&id, &section(&unsuback.properties), &codes(&unsuback.reason_codes)])
        }
        Packet::PingReq | Packet::PingResp => packet(first, &[]),
        Packet::Disconnect(disconnect) => {
            packet(first, &[&with_reason(disconnect.reason_code, &disconnect.properties)])
        }
        Packet::Auth(auth) => packet(first, &[&[auth.reason_code.as_u8()], &section(&auth.properties)]),
        Packet::Opaque(_) | Packet::OpaqueConnect(_) => unreachable!("the standard has none"),
    }
}

fn without_a_look_connect(
    version: Version,
    connect: &Connect<'_>,
    section: impl Fn(&Properties<'_>) -> Vec<u8>,
) -> Vec<u8> {
    let will_flags = |will: Will<'_>| 4 | will.qos.as_u8() << 3 | u8::from(will.retain) << 5;
    let flags = u8::from(connect.clean_start) << 1
        | connect.will.map_or(0, will_flags)
        | u8::from(connect.password.is_some()) << 6
        | u8::from(connect.user_name.is_some()) << 7;
    let mut bytes = field(version.protocol_name());
    bytes.extend([version.level(), flags]);
    bytes.extend(connect.keep_alive.to_be_bytes());
    bytes.extend(section(&connect.properties));
    bytes.extend(field(connect.client_id.as_bytes()));
    if let Some(will) = connect.will {
        bytes.extend(section(&will.properties));
        bytes.extend(field(will.topic.as_bytes()));
        bytes.extend(field(will.payload));
    }
    bytes.extend(connect.user_name.map_or(vec![], |user_name| field(user_name.as_bytes())));
    bytes.extend(connect.password.map_or(vec![], field));
    bytes
}

/// A length of 65,536 and more does not fit, and nobody asks here.
fn field(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// Every packet that can carry properties, with these.
fn packets_with(properties: Properties<'_>) -> Vec<Packet<'_>> {
    let filter = TopicFilter::new("f").unwrap();
    let subscriptions: &'static [Subscription<'static>] = vec![Subscription::new(filter, QoS::AtMostOnce)].leak();
    let filters: &'static [TopicFilter<'static>] = vec![filter].leak();
    let mut with_will = Connect::new(Text::EMPTY);
    with_will.will = Some(Will { properties, ..Will::new(name("w"), b"") });
    let ack = Ack { properties, ..Ack::new(ID) };
    vec![
        Packet::Connect(Connect { properties, ..Connect::new(Text::EMPTY) }),
        Packet::Connect(with_will),
        Packet::ConnAck(ConnAck { properties, ..ConnAck::new(ReasonCode::Success) }),
        Packet::Publish(Publish { properties, ..Publish::new(name("t"), b"") }),
        Packet::PubAck(ack),
        Packet::PubRec(ack),
        Packet::PubRel(ack),
        Packet::PubComp(ack),
        Packet::Subscribe(Subscribe { properties, ..Subscribe::new(ID, subscriptions) }),
        Packet::SubAck(SubAck { properties, ..SubAck::new(ID, &[ReasonCode::Success]) }),
        Packet::Unsubscribe(Unsubscribe { properties, ..Unsubscribe::new(ID, filters) }),
        Packet::UnsubAck(UnsubAck { properties, ..UnsubAck::new(ID, &[ReasonCode::Success]) }),
        Packet::Disconnect(Disconnect { properties, ..Disconnect::new(ReasonCode::Success) }),
        Packet::Auth(Auth::new(ReasonCode::ContinueAuthentication, properties)),
    ]
}

/// A packet with no regard for versions, ends, or what else stands in it.
fn with_any_packet(choices: &mut Choices<'_>, check: impl FnOnce(&Packet<'_>)) {
    let packet_type = choices.pick(&PacketType::ALL);
    let (buf, will_buf) = (any_properties(choices), any_properties(choices));
    let properties = buf.as_properties();
    let packet_id = PacketId::new(1 + u16::from(choices.byte())).unwrap();
    let reason_code = any_reason(choices);
    let ack = Ack { packet_id, reason_code, properties };
    let reason_codes: Vec<_> = (0..choices.byte() % 4).map(|_| any_reason(choices)).collect();
    let subscriptions: Vec<_> = (0..choices.byte() % 3).map(|_| any_subscription(choices)).collect();
    let filters: Vec<_> = subscriptions.iter().map(|subscription| subscription.filter).collect();
    let flags = choices.byte();
    let flag = |bit: u8| flags >> bit & 1 == 1;
    let packet = match packet_type {
        PacketType::Connect => {
            let mut will = Will::new(choices.topic(), choices.text().as_bytes());
            (will.qos, will.retain, will.properties) = (any_qos(choices), flag(0), will_buf.as_properties());
            Packet::Connect(Connect {
                protocol: None,
                clean_start: flag(1),
                keep_alive: u16::from(flags),
                client_id: choices.text(),
                will: flag(2).then_some(will),
                user_name: flag(3).then(|| choices.text()),
                password: flag(4).then_some(&[0xFF]),
                properties,
            })
        }
        PacketType::ConnAck => {
            Packet::ConnAck(ConnAck { session_present: flag(0), reason_code, properties, trailing: &[] })
        }
        PacketType::Publish => {
            let mut publish = Publish::new(choices.topic(), choices.text().as_bytes());
            publish.topic = publish.topic.filter(|_| flag(0));
            publish.retain = flag(1);
            publish.properties = properties;
            publish.delivery = choices.pick(&[
                Delivery::AtMostOnce,
                Delivery::AtLeastOnce { packet_id, dup: flag(2) },
                Delivery::ExactlyOnce { packet_id, dup: flag(2) },
            ]);
            Packet::Publish(publish)
        }
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        PacketType::PubComp => Packet::PubComp(ack),
        PacketType::Subscribe => {
            Packet::Subscribe(Subscribe { packet_id, properties, subscriptions: subscriptions[..].into() })
        }
        PacketType::SubAck => Packet::SubAck(SubAck { packet_id, properties, reason_codes: reason_codes[..].into() }),
        PacketType::Unsubscribe => {
            Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters: filters[..].into() })
        }
        PacketType::UnsubAck => {
            Packet::UnsubAck(UnsubAck { packet_id, properties, reason_codes: reason_codes[..].into() })
        }
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Disconnect => Packet::Disconnect(Disconnect { reason_code, properties }),
        PacketType::Auth => Packet::Auth(Auth { reason_code, properties }),
        PacketType::Reserved => unreachable!("it is none of the fifteen"),
    };
    check(&packet);
}

/// Mostly none.
fn any_properties(choices: &mut Choices<'_>) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for _ in 0..choices.pick(&[0, 0, 0, 1, 1, 2, 3]) {
        // What may not repeat is not taken twice.
        let _ = properties.push(choices.pick(&every_property()));
    }
    properties
}

/// Mostly success.
fn any_reason(choices: &mut Choices<'_>) -> ReasonCode {
    if choices.byte().is_multiple_of(2) { ReasonCode::Success } else { choices.pick(ReasonCode::ALL) }
}

fn any_qos(choices: &mut Choices<'_>) -> QoS {
    choices.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn any_subscription<'a>(choices: &mut Choices<'a>) -> Subscription<'a> {
    // Some are filters only before 5.0.
    let some = ["a/+", "#", "$share", "$share/g/a", "$share/g/#", "$share/g", "$share//a", "$share/g/", "$share/+/a"];
    let text = Text::new(choices.pick(&some)).unwrap();
    let mut options = SubscriptionOptions { qos: any_qos(choices), ..SubscriptionOptions::default() };
    if choices.byte().is_multiple_of(2) {
        let flags = choices.byte();
        (options.no_local, options.retain_as_published) = (flags & 1 != 0, flags & 2 != 0);
        let handling = [RetainHandling::SendAtSubscribe, RetainHandling::SendIfNew, RetainHandling::DoNotSend];
        options.retain_handling = choices.pick(&handling);
    }
    Subscription { filter: TopicFilter::from_text(text, Version::V3_1_1).unwrap(), options }
}

fn name(name: &'static str) -> TopicName<'static> {
    TopicName::new(name).unwrap()
}

fn properties(list: &[Property<'static>]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for &property in list {
        properties.push(property).unwrap();
    }
    properties
}

const ID: PacketId = PacketId::MIN;
const RANDOM: usize = 5_000;
