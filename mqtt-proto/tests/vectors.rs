//! The specification's worked examples and others written by hand, in both directions.

mod common;

use common::fuzz::checks;
use common::golden::{self, Golden};
use mqtt_proto::{
    Cause, Codec, Frame, PACKET_BYTES_MAX, Packet, PacketBuf, PacketType, Properties, Role, TransmitBuf, VARINT_MAX,
    Version,
};

/// v3\[MQTT-2.2.2-1\] v5\[MQTT-2.1.3-1\] v3\[MQTT-3.1.3-1\] v5\[MQTT-3.1.3-1\] v5\[MQTT-2.2.2-1\]
#[test]
fn the_worked_examples_read_as_their_packets_and_write_as_their_bytes() {
    for Golden { version, sender, bytes, packet } in golden::set() {
        let mut input = &bytes[..];
        let decoded = common::codec(version, sender.peer()).decode(&mut input);
        assert_eq!(decoded, Ok(Some(packet)), "{version}: {bytes:x?}");
        assert!(input.is_empty());
        assert_eq!(checks::encode(common::codec(version, sender), &packet), bytes, "{version}: {packet:?}");
    }
}

#[test]
fn the_examples_hold_every_packet_that_either_end_may_send_in_every_version() {
    let set = golden::set();
    for codec in common::codecs() {
        for packet_type in PacketType::ALL {
            let found = set.iter().any(|golden| {
                golden.version == codec.version
                    && golden.sender == codec.role
                    && golden.packet.packet_type() == packet_type
            });
            assert_eq!(
                found,
                packet_type.is_sent_by(codec.role, codec.version),
                "{packet_type:?} from {:?} in {}",
                codec.role,
                codec.version
            );
        }
    }
}

/// A stream is the packets one after the other.
#[test]
fn packets_follow_one_another_without_a_gap() {
    for codec in common::codecs() {
        let set: Vec<_> =
            golden::set().into_iter().filter(|one| one.version == codec.version && one.sender == codec.role).collect();
        let mut out = TransmitBuf::new();
        for golden in &set {
            codec.encode(&golden.packet, &mut out).unwrap();
        }
        let stream: Vec<u8> = out.slices().flatten().copied().collect();
        assert_eq!(stream, set.iter().flat_map(|golden| golden.bytes.clone()).collect::<Vec<_>>());
        let (mut input, mut packets) = (&stream[..], Vec::new());
        while let Some(packet) = checks::other_end(codec).decode(&mut input).unwrap() {
            packets.push(packet);
        }
        assert_eq!(packets, set.iter().map(|golden| golden.packet).collect::<Vec<_>>());
    }
}

/// The same packet may be written longer, and 3.1 forgives what later versions don't. We send the first form.
#[test]
fn other_forms_of_a_packet_are_read_too() {
    use Role::{Client, Server};
    use Version::{V3_1, V5};
    let table = [
        // An absent reason code is 0, an absent Property Length too.
        (V5, Client, "40 02 00 0A", &["40 03 00 0A 00", "40 04 00 0A 00 00"][..]),
        (V5, Server, "40 03 00 0A 10", &["40 04 00 0A 10 00"]),
        (V5, Client, "50 02 00 0A", &["50 03 00 0A 00", "50 04 00 0A 00 00"]),
        (V5, Client, "62 02 00 0A", &["62 03 00 0A 00", "62 04 00 0A 00 00"]),
        (V5, Client, "70 02 00 0A", &["70 03 00 0A 00", "70 04 00 0A 00 00"]),
        (V5, Client, "E0 00", &["E0 01 00", "E0 02 00 00"]),
        (V5, Server, "E0 01 8E", &["E0 02 8E 00"]),
        // Flags of the fixed header that 3.1 leaves open, DUP above all.
        (V3_1, Client, "62 02 00 0A", &["6A 02 00 0A"]),
        (V3_1, Client, "82 06 00 0A 00 01 'a' 01", &["8A 06 00 0A 00 01 'a' 01"]),
        (V3_1, Client, "A2 05 00 0A 00 01 'a'", &["AA 05 00 0A 00 01 'a'"]),
        (V3_1, Client, "C0 00", &["C1 00", "CF 00"]),
        // Unused bits of 3.1: in the CONNECT flags (0, and the will's without a will), the CONNACK, the subscription options.
        (
            V3_1,
            Client,
            "10 0F 00 06 'MQIsdp' 03 02 00 3C 00 01 'a'",
            &[
                "10 0F 00 06 'MQIsdp' 03 03 00 3C 00 01 'a'",
                "10 0F 00 06 'MQIsdp' 03 3A 00 3C 00 01 'a'",
                // The Remaining Length wins over the flags.
                "10 0F 00 06 'MQIsdp' 03 C2 00 3C 00 01 'a'",
            ],
        ),
        (V3_1, Server, "20 02 00 00", &["20 02 01 00", "20 02 FF 00"]),
        (V3_1, Client, "82 06 00 0A 00 01 'a' 02", &["82 06 00 0A 00 01 'a' FE"]),
    ];
    for (version, sender, ours, others) in table {
        let (ours, receiver) = (common::bytes(ours), common::codec(version, sender.peer()));
        let packet = receiver.decode(&mut &ours[..]).unwrap().unwrap();
        assert_eq!(checks::encode(checks::other_end(receiver), &packet), ours);
        for other in others {
            let other = common::bytes(other);
            assert_eq!(receiver.decode(&mut &other[..]), Ok(Some(packet)), "{other:x?}");
        }
    }
}

#[test]
fn every_accessor_finds_its_property_and_only_that() {
    let set = golden::set();
    let with_most = |packet_type| {
        let all =
            set.iter().filter(|golden| golden.version == Version::V5 && golden.packet.packet_type() == packet_type);
        all.max_by_key(|golden| golden.bytes.len()).unwrap().packet
    };
    let Packet::Connect(connect) = with_most(PacketType::Connect) else { panic!() };
    let Packet::ConnAck(connack) = with_most(PacketType::ConnAck) else { panic!() };
    let Packet::Publish(publish) = with_most(PacketType::Publish) else { panic!() };
    let (will, connect, connack, publish) =
        (connect.will.unwrap().properties, connect.properties, connack.properties, publish.properties);

    // What each accessor says about the properties of the will, CONNECT, CONNACK and PUBLISH.
    let all = [will, connect, connack, publish];
    let seen = |accessor: &dyn Fn(&Properties<'_>) -> Option<String>| {
        all.each_ref().map(accessor).map(Option::unwrap_or_default)
    };
    macro_rules! says {
        ($accessor:ident: $($value:literal),*) => {
            assert_eq!(seen(&|properties| properties.$accessor().map(|value| format!("{value:?}"))), [$($value),*], stringify!($accessor))
        };
    }
    says!(payload_format_indicator: "true", "", "", "true");
    says!(message_expiry_interval: "60", "", "", "10");
    says!(content_type: "\"t\"", "", "", "\"t\"");
    says!(response_topic: "\"r\"", "", "", "\"r\"");
    says!(correlation_data: "[0]", "", "", "[0, 255]");
    says!(subscription_identifier: "", "", "", "SubscriptionId(1)");
    says!(session_expiry_interval: "", "10", "10", "");
    says!(assigned_client_identifier: "", "", "\"a\"", "");
    says!(server_keep_alive: "", "", "30", "");
    says!(authentication_method: "", "\"m\"", "\"m\"", "");
    says!(authentication_data: "", "[0, 255]", "[100]", "");
    says!(request_problem_information: "", "false", "", "");
    says!(will_delay_interval: "5", "", "", "");
    says!(request_response_information: "", "true", "", "");
    says!(response_information: "", "", "\"i\"", "");
    says!(server_reference: "", "", "\"s\"", "");
    says!(reason_string: "", "", "\"r\"", "");
    says!(receive_maximum: "", "20", "10", "");
    says!(topic_alias_maximum: "", "5", "10", "");
    says!(topic_alias: "", "", "", "TopicAlias(1)");
    says!(maximum_qos: "", "", "AtLeastOnce", "");
    says!(retain_available: "", "", "false", "");
    says!(user_property: "(\"\", \"\")", "(\"k\", \"v\")", "(\"k\", \"v\")", "(\"k\", \"v\")");
    says!(maximum_packet_size: "", "4096", "1024", "");
    says!(wildcard_subscription_available: "", "", "false", "");
    says!(subscription_identifier_available: "", "", "false", "");
    says!(shared_subscription_available: "", "", "false", "");

    let pairs: Vec<_> = publish.user_properties().map(|(_, value)| value.as_str()).collect();
    assert_eq!(pairs, ["v", "w"]);
    let ids: Vec<_> = publish.subscription_identifiers().map(mqtt_proto::SubscriptionId::get).collect();
    assert_eq!(ids, [1, 128]);
}

#[test]
fn secrets_do_not_show() {
    let set = golden::set();
    let longest = set
        .iter()
        .filter(|golden| golden.packet.packet_type() == PacketType::Connect)
        .max_by_key(|golden| golden.bytes.len());
    let Packet::Connect(mut connect) = longest.unwrap().packet else { panic!() };
    assert_eq!(connect.properties.authentication_data(), Some(&[0x00, 0xFF][..]));
    connect.password = Some(b"opensesame");
    let mut out = TransmitBuf::new();
    Codec::client(Version::V5).encode(&Packet::Connect(connect), &mut out).unwrap();
    let bytes: Vec<u8> = out.slices().flatten().copied().collect();
    let frame = Frame::split(&mut &bytes[..], 1000).unwrap().unwrap();
    let kept = PacketBuf::copy(Codec::server(Version::V5), &frame).unwrap();
    let properties = connect.properties;
    let each: Vec<_> = properties.iter().collect();
    let shown = format!("{connect:?} {properties:?} {each:?} {:?} {out:?} {frame:?} {kept:?}", properties.iter());
    assert!(shown.contains("AuthenticationData(2 bytes)"), "{shown}");
    for secret in ["opensesame", "111, 112, 101, 110", "0, 255"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// v3 2.2.3, v5\[MQTT-1.5.5-1\]: the boundaries of the Remaining Length, and of the limit.
#[test]
fn a_packet_is_as_long_as_its_remaining_length_says() {
    for (payload, header) in [
        (124, "30 7F"),
        (125, "30 80 01"),
        (16_380, "30 FF 7F"),
        (16_381, "30 80 80 01"),
        (2_097_149, "30 80 80 80 01"),
    ] {
        let mut bytes = common::bytes(header);
        bytes.extend([0, 1, b'a']);
        bytes.resize(bytes.len() + payload, 7);
        let mut codec = Codec::server(Version::V3_1_1);
        codec.packet_bytes_max = u32::try_from(bytes.len()).unwrap();
        let packet = codec.decode(&mut &bytes[..]).unwrap().unwrap();
        assert_eq!(checks::encode(checks::other_end(codec), &packet), bytes);
        codec.packet_bytes_max -= 1;
        assert_eq!(codec.decode(&mut &bytes[..]).unwrap_err().cause(), Cause::PacketTooLarge);
    }
    assert_eq!(PACKET_BYTES_MAX - 5, VARINT_MAX);
}
