//! Packets to bytes and back, for every packet type from every end in every version.

mod common;

use bytes::Bytes;
use common::every_property;
use common::fuzz::checks;
use mqtt_proto::{
    Ack, Auth, Cause, Codec, ConnAck, Connect, Delivery, Disconnect, EncodeError, Frame, PACKET_BYTES_MAX, Packet,
    PacketBuf, PacketId, PacketType, Payload, Properties, PropertiesBuf, Property, Publish, PublishBuf, QoS,
    ReasonCode, RetainHandling, Role, SHARED_BYTES_MIN, SubAck, Subscribe, Subscription, SubscriptionId,
    SubscriptionOptions, Text, TopicFilter, TopicName, TransmitBuf, UnsubAck, Unsubscribe, Version, Will, choices,
};
use proptest::prelude::{ProptestConfig, any};
use proptest::{collection, proptest};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_packet_decodes_to_itself(bytes in collection::vec(any::<u8>(), 0..200)) {
        for (sender, packet_type) in senders() {
            let mut choices = choices::Choices::new(&bytes);
            choices::with_packet(&mut choices, sender, packet_type, |packet| checks::decodes_to_itself(sender, packet));
        }
    }

    /// What one end may send in one version is tried from the other end and in the other versions: it is refused whole, or decodes to itself.
    #[test]
    fn what_would_not_decode_is_not_encoded(bytes in collection::vec(any::<u8>(), 0..200)) {
        for (maker, packet_type) in senders() {
            let mut choices = choices::Choices::new(&bytes);
            choices::with_packet(&mut choices, maker, packet_type, |packet| {
                common::codecs().for_each(|sender| is_refused_or_decodes_to_itself(sender, packet));
            });
        }
    }

    #[test]
    fn any_body_behind_a_right_header_is_refused_or_comes_back(first in any::<u8>(), body in collection::vec(any::<u8>(), 0..127)) {
        let mut bytes = vec![first, u8::try_from(body.len()).unwrap()];
        bytes.extend(body);
        for codec in common::codecs() {
            checks::decode_one(codec, &mut &bytes[..]);
        }
    }
}

/// Every end in every version, with each packet type that it may send.
fn senders() -> impl Iterator<Item = (Codec, PacketType)> {
    common::codecs().flat_map(|mut codec| {
        codec.packet_bytes_max = PACKET_BYTES_MAX;
        let sent =
            PacketType::ALL.into_iter().filter(move |packet_type| packet_type.is_sent_by(codec.role, codec.version));
        sent.map(move |packet_type| (codec, packet_type))
    })
}

fn is_refused_or_decodes_to_itself(mut sender: Codec, packet: &Packet<'_>) {
    sender.packet_bytes_max = PACKET_BYTES_MAX;
    match encode(sender, packet) {
        Err(error) => assert_eq!(sender.encoded_len(packet), Err(error)),
        // The one place where several codes share a value on the wire.
        Ok(_) if matches!(packet, Packet::ConnAck(_)) && !sender.version.has_properties() => {}
        Ok(_) => checks::decodes_to_itself(sender, packet),
    }
}

/// Encodes behind other bytes, which a refusal must leave alone.
fn encode(sender: Codec, packet: &Packet<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut out = TransmitBuf::new();
    out.put_slice(b"sent before");
    out.put_bytes(Bytes::from_static(b"by reference"));
    let before = out.clone();
    match sender.encode(packet, &mut out) {
        Ok(()) => Ok(out.slices().flatten().copied().skip(before.len()).collect()),
        Err(error) => {
            assert_eq!(out, before, "refused, but written");
            Err(error)
        }
    }
}

#[test]
fn every_refusal_has_its_reason_and_writes_nothing() {
    let (topic, filter) = (TopicName::new("t").unwrap(), TopicFilter::new("t").unwrap());
    let long = vec![0; 65_536];
    let v5_only = buf(&[Property::UserProperty((Text::EMPTY, Text::EMPTY))]);
    let v5_only = v5_only.as_properties();
    let refuses = |version, role, packet: Packet<'_>, error| {
        assert_eq!(encode(common::codec(version, role), &packet), Err(error), "{packet:?}")
    };
    use Role::{Client, Server};
    use Version::{V3_1, V3_1_1, V5};

    // From the wrong end.
    let ping = Packet::PingReq;
    refuses(V5, Server, ping, EncodeError::WrongDirection { packet_type: PacketType::PingReq, role: Server });
    refuses(
        V3_1_1,
        Server,
        Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
        EncodeError::WrongDirection { packet_type: PacketType::Disconnect, role: Server },
    );
    refuses(
        V5,
        Client,
        Packet::UnsubAck(UnsubAck::new(ID, &[ReasonCode::Success])),
        EncodeError::WrongDirection { packet_type: PacketType::UnsubAck, role: Client },
    );

    // 5.0 only.
    let missing = |what, version| EncodeError::NotInVersion { what, version };
    let properties = |version| missing("a property", version);
    let reason = |what| missing(what, V3_1_1);
    let mut connect = Connect::new(Text::EMPTY);
    refuses(
        V3_1_1,
        Client,
        Packet::Auth(Auth::new(ReasonCode::ContinueAuthentication, v5_only)),
        missing("AUTH", V3_1_1),
    );
    refuses(V3_1, Client, Packet::Connect(Connect { properties: v5_only, ..connect }), properties(V3_1));
    connect.will = Some(Will { properties: v5_only, ..Will::new(topic, b"") });
    refuses(V3_1_1, Client, Packet::Connect(connect), properties(V3_1_1));
    refuses(
        V3_1_1,
        Server,
        Packet::Publish(Publish { properties: v5_only, ..Publish::new(topic, b"") }),
        properties(V3_1_1),
    );
    refuses(V3_1_1, Client, Packet::PubRec(Ack { properties: v5_only, ..Ack::new(ID) }), properties(V3_1_1));
    let ack = Ack { reason_code: ReasonCode::NotAuthorized, ..Ack::new(ID) };
    refuses(V3_1_1, Client, Packet::PubAck(ack), reason("a reason code in an acknowledgement"));
    let disconnect = Disconnect::new(ReasonCode::DisconnectWithWill);
    refuses(V3_1_1, Client, Packet::Disconnect(disconnect), reason("a reason code in DISCONNECT"));
    refuses(
        V3_1_1,
        Server,
        Packet::UnsubAck(UnsubAck::new(ID, &[ReasonCode::Success])),
        reason("a reason code in UNSUBACK"),
    );
    refuses(
        V3_1_1,
        Server,
        Packet::ConnAck(ConnAck::new(ReasonCode::MalformedPacket)),
        reason("this reason code in CONNACK"),
    );
    let welcome = ConnAck { session_present: true, ..ConnAck::new(ReasonCode::Success) };
    refuses(V3_1, Server, Packet::ConnAck(welcome), missing("session present", V3_1));
    let mut subscription = Subscription::new(filter, QoS::AtMostOnce);
    let plain = subscription.options;
    for options in [
        SubscriptionOptions { no_local: true, ..plain },
        SubscriptionOptions { retain_as_published: true, ..plain },
        SubscriptionOptions { retain_handling: RetainHandling::SendIfNew, ..plain },
    ] {
        let subscription = Subscription { options, ..subscription };
        refuses(
            V3_1_1,
            Client,
            Packet::Subscribe(Subscribe::new(ID, &[subscription])),
            missing("a subscription option", V3_1_1),
        );
    }

    // What the receiver would refuse.
    let refused = EncodeError::Refused;
    let mut connect = Connect::new(Text::EMPTY);
    connect.password = Some(b"");
    refuses(V3_1_1, Client, Packet::Connect(connect), refused(Cause::PasswordWithoutUserName));
    let data = buf(&[Property::AuthenticationData(b"")]);
    let connect = Connect { properties: data.as_properties(), ..Connect::new(Text::EMPTY) };
    refuses(V5, Client, Packet::Connect(connect), refused(Cause::NoAuthenticationMethod));
    let auth = Auth::new(ReasonCode::ContinueAuthentication, data.as_properties());
    refuses(V5, Client, Packet::Auth(auth), refused(Cause::NoAuthenticationMethod));
    refuses(V5, Client, Packet::Auth(Auth::new(ReasonCode::Success, v5_only)), refused(Cause::ReasonCode));
    let refusal = ConnAck { session_present: true, ..ConnAck::new(ReasonCode::NotAuthorized) };
    refuses(V5, Server, Packet::ConnAck(refusal), refused(Cause::SessionPresentOnRefusal));
    refuses(V5, Server, Packet::ConnAck(ConnAck::new(ReasonCode::SessionTakenOver)), refused(Cause::ReasonCode));
    refuses(V5, Client, Packet::Publish(Publish { topic: None, ..Publish::new(topic, b"") }), refused(Cause::NoTopic));
    refuses(
        V3_1_1,
        Client,
        Packet::Publish(Publish { topic: None, ..Publish::new(topic, b"") }),
        refused(Cause::NoTopic),
    );
    let received = Ack { reason_code: ReasonCode::NoMatchingSubscribers, ..Ack::new(ID) };
    refuses(V5, Client, Packet::PubAck(received), refused(Cause::ReasonCode));
    refuses(
        V5,
        Client,
        Packet::PubRel(Ack { reason_code: ReasonCode::QuotaExceeded, ..received }),
        refused(Cause::ReasonCode),
    );
    refuses(
        V5,
        Server,
        Packet::Disconnect(Disconnect::new(ReasonCode::DisconnectWithWill)),
        refused(Cause::ReasonCode),
    );
    refuses(V5, Client, Packet::Subscribe(Subscribe::new(ID, &[])), refused(Cause::NoFilters));
    refuses(V3_1, Client, Packet::Unsubscribe(Unsubscribe::new(ID, &[])), refused(Cause::NoFilters));
    refuses(V5, Server, Packet::SubAck(SubAck::new(ID, &[])), refused(Cause::NoReasonCodes));
    refuses(V5, Server, Packet::UnsubAck(UnsubAck::new(ID, &[])), refused(Cause::NoReasonCodes));
    refuses(V3_1_1, Server, Packet::SubAck(SubAck::new(ID, &[ReasonCode::NotAuthorized])), refused(Cause::ReasonCode));
    refuses(V3_1, Server, Packet::SubAck(SubAck::new(ID, &[ReasonCode::UnspecifiedError])), refused(Cause::ReasonCode));
    refuses(V5, Server, Packet::UnsubAck(UnsubAck::new(ID, &[ReasonCode::GrantedQos1])), refused(Cause::ReasonCode));
    subscription.filter = TopicFilter::new("$share/g/t").unwrap();
    subscription.options.no_local = true;
    refuses(V5, Client, Packet::Subscribe(Subscribe::new(ID, &[subscription])), refused(Cause::NoLocalOnShared));
    // A filter of 3.1.1 that 5.0 takes for a broken share.
    let old = TopicFilter::from_text(Text::new("$share/g").unwrap(), V3_1_1).unwrap();
    refuses(V5, Client, Packet::Unsubscribe(Unsubscribe::new(ID, &[old])), refused(Cause::SharedFilter));
    refuses(
        V5,
        Client,
        Packet::Subscribe(Subscribe::new(ID, &[Subscription::new(old, QoS::AtMostOnce)])),
        refused(Cause::SharedFilter),
    );

    // Properties that stand elsewhere, or too often.
    let ids = [1, 2].map(|id| Property::SubscriptionIdentifier(SubscriptionId::new(id).unwrap()));
    let (one, two) = (buf(&ids[..1]), buf(&ids));
    let publish = |properties| Packet::Publish(Publish { properties, ..Publish::new(topic, b"") });
    refuses(V5, Client, publish(one.as_properties()), refused(Cause::SubscriptionIdFromClient));
    let subscriptions = [Subscription::new(filter, QoS::AtMostOnce)];
    let subscribe = |properties| Packet::Subscribe(Subscribe { properties, ..Subscribe::new(ID, &subscriptions) });
    refuses(V5, Client, subscribe(two.as_properties()), refused(Cause::RepeatedProperty));
    assert!(encode(Codec::server(V5), &publish(two.as_properties())).is_ok());
    assert!(encode(Codec::client(V5), &subscribe(one.as_properties())).is_ok());
    let expiry = buf(&[Property::SessionExpiryInterval(1)]);
    let disconnect =
        Packet::Disconnect(Disconnect { properties: expiry.as_properties(), ..Disconnect::new(ReasonCode::Success) });
    refuses(V5, Server, disconnect, refused(Cause::SessionExpiryFromServer));
    assert!(encode(Codec::client(V5), &disconnect).is_ok());
    refuses(V5, Client, publish(expiry.as_properties()), refused(Cause::MisplacedProperty));

    // Lengths.
    let mut connect = Connect::new(Text::EMPTY);
    connect.user_name = Some(Text::EMPTY);
    connect.password = Some(&long);
    refuses(V3_1_1, Client, Packet::Connect(connect), EncodeError::FieldTooLong { field: "password" });
    connect.password = Some(&long[1..]);
    assert!(encode(Codec::client(V3_1_1), &Packet::Connect(connect)).is_ok());
    connect.will = Some(Will::new(topic, &long));
    refuses(V5, Client, Packet::Connect(connect), EncodeError::FieldTooLong { field: "will payload" });
    connect.will = Some(Will::new(topic, &long[1..]));
    assert!(encode(Codec::client(V5), &Packet::Connect(connect)).is_ok());
}

/// 5.0 section 2.2.2.2, v5\[MQTT-3.3.4-6\] v5\[MQTT-3.14.2-2\]: what the receiver would refuse is not sent.
#[test]
fn of_all_properties_only_those_of_the_tables_are_encoded() {
    let subscriptions = [Subscription::new(TopicFilter::new("t").unwrap(), QoS::AtMostOnce)];
    let method = Property::AuthenticationMethod(Text::EMPTY);
    for (sender, packet_type) in senders().filter(|(sender, _)| sender.version == Version::V5) {
        if matches!(packet_type, PacketType::PingReq | PacketType::PingResp) {
            continue;
        }
        for property in every_property() {
            let id = property.id();
            let mut properties = buf(&[property]);
            // Authentication Data never stands without its method, nor does AUTH.
            if id == 0x16 || (packet_type == PacketType::Auth && id != 0x15) {
                properties.push(method).unwrap();
            }
            let properties = properties.as_properties();
            let check = |packet: Packet<'_>, ids: &[u8]| {
                let refusal = EncodeError::Refused(match (packet_type, id) {
                    (PacketType::Publish, 0x0B) => Cause::SubscriptionIdFromClient,
                    (PacketType::Disconnect, 0x11) => Cause::SessionExpiryFromServer,
                    _ => Cause::MisplacedProperty,
                });
                let expected = if ids.contains(&id) { Ok(()) } else { Err(refusal) };
                assert_eq!(encode(sender, &packet).map(|_| ()), expected, "{packet:?} from a {}", sender.role);
            };
            check(carrying(packet_type, properties, &subscriptions), choices::property_ids(packet_type, sender.role));
            if packet_type == PacketType::Connect {
                let will = Will { properties, ..Will::new(TopicName::new("t").unwrap(), b"") };
                check(Packet::Connect(Connect { will: Some(will), ..Connect::new(Text::EMPTY) }), choices::WILL);
            }
        }
    }
}

/// A packet of this type in which nothing can be wrong but its properties.
fn carrying<'a>(
    packet_type: PacketType,
    properties: Properties<'a>,
    subscriptions: &'a [Subscription<'a>],
) -> Packet<'a> {
    let ack = Ack { properties, ..Ack::new(ID) };
    let codes = &[ReasonCode::Success];
    match packet_type {
        PacketType::Connect => Packet::Connect(Connect { properties, ..Connect::new(Text::EMPTY) }),
        PacketType::ConnAck => Packet::ConnAck(ConnAck { properties, ..ConnAck::new(ReasonCode::Success) }),
        PacketType::Publish => {
            Packet::Publish(Publish { properties, ..Publish::new(TopicName::new("t").unwrap(), b"") })
        }
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        PacketType::PubComp => Packet::PubComp(ack),
        PacketType::Subscribe => Packet::Subscribe(Subscribe { properties, ..Subscribe::new(ID, subscriptions) }),
        PacketType::SubAck => Packet::SubAck(SubAck { properties, ..SubAck::new(ID, codes) }),
        PacketType::Unsubscribe => {
            let filters = std::slice::from_ref(&subscriptions[0].filter);
            Packet::Unsubscribe(Unsubscribe { properties, ..Unsubscribe::new(ID, filters) })
        }
        PacketType::UnsubAck => Packet::UnsubAck(UnsubAck { properties, ..UnsubAck::new(ID, codes) }),
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Disconnect => Packet::Disconnect(Disconnect { properties, ..Disconnect::new(ReasonCode::Success) }),
        PacketType::Auth => Packet::Auth(Auth::new(ReasonCode::ContinueAuthentication, properties)),
        PacketType::Reserved => unreachable!("it has no properties"),
    }
}

/// v3 2.2.3, v5\[MQTT-1.5.5-1\]. By reference, so that nobody copies 256 MiB.
#[test]
fn the_longest_packet_can_be_sent_and_one_byte_more_can_not() {
    let (topic, payload) = (TopicName::new("t").unwrap(), Bytes::from(vec![0; 268_435_453]));
    let longest = payload.slice(1..);
    let mut out = TransmitBuf::new();
    let client = Codec::client(Version::V3_1_1);
    assert_eq!(
        client.encode(&Packet::Publish(Publish::new(topic, &payload)), &mut out),
        Err(EncodeError::PacketTooLong)
    );
    assert!(out.is_empty());
    assert_eq!(client.encode(&Packet::Publish(Publish::new(topic, &longest)), &mut out), Ok(()));
    assert_eq!(out.len(), PACKET_BYTES_MAX as usize);
    let head: Vec<&[u8]> = out.slices().take(1).collect();
    assert_eq!(head, [[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b't']]);
}

#[test]
fn a_large_payload_goes_out_by_reference_and_a_small_one_is_copied() {
    let topic = TopicName::new("t").unwrap();
    for (length, slices) in [(0, 1), (SHARED_BYTES_MIN - 1, 1), (SHARED_BYTES_MIN, 2)] {
        let payload = Bytes::from(vec![7; length]);
        let mut out = TransmitBuf::new();
        let publish = Publish::new(topic, &payload);
        Codec::client(Version::V3_1_1).encode(&Packet::Publish(publish), &mut out).unwrap();
        assert_eq!(out.slices().count(), slices, "{length} bytes");
        let last = out.slices().last().unwrap();
        assert_eq!(last.as_ptr() == payload.as_ptr(), slices == 2);

        let slice = Publish { payload: Payload::from(&payload[..]), ..publish };
        let mut copied = TransmitBuf::new();
        Codec::client(Version::V3_1_1).encode(&Packet::Publish(slice), &mut copied).unwrap();
        assert_eq!(copied.slices().count(), 1);
        assert!(copied.slices().flatten().eq(out.slices().flatten()));
    }
}

/// A payload by reference stands last, behind everything that was copied.
#[test]
fn a_large_packet_is_sent_in_pieces_to_its_last_byte() {
    let payload: Bytes = (0..=250).cycle().take(SHARED_BYTES_MIN).collect();
    let publish = Packet::Publish(Publish::new(TopicName::new("t").unwrap(), &payload));
    let mut whole = TransmitBuf::new();
    Codec::client(Version::V3_1_1).encode(&publish, &mut whole).unwrap();
    let bytes: Vec<u8> = whole.slices().flatten().copied().collect();
    let head = bytes.len() - payload.len();
    for step in [1, head - 1, head, head + 1, payload.len() - 1, payload.len(), bytes.len() - 1] {
        let (mut out, mut sent) = (whole.clone(), 0);
        while !out.is_empty() {
            out.advance(step);
            sent = bytes.len().min(sent + step);
            assert_eq!(out.len(), bytes.len() - sent, "in steps of {step}");
            assert!(out.slices().flatten().eq(&bytes[sent..]), "in steps of {step}");
        }
        assert_eq!(sent, bytes.len(), "in steps of {step}");
    }
}

#[test]
fn an_empty_buffer_takes_the_memory_of_what_is_appended() {
    let waiting = || {
        let mut out = TransmitBuf::new();
        out.put_slice(b"gone left");
        out.put_bytes(Bytes::from_static(b"by reference"));
        out.advance(5);
        out
    };
    for (before, moved) in [(&b""[..], true), (b"before ", false)] {
        let (mut out, mut other) = (TransmitBuf::new(), waiting());
        let memory = other.slices().next().unwrap().as_ptr();
        out.put_slice(before);
        out.append(&mut other);
        assert_eq!(out.slices().next().unwrap().as_ptr() == memory, moved);
        assert_eq!(out.slices().collect::<Vec<_>>(), [&[before, b"left"].concat()[..], b"by reference"]);
        assert_eq!(out.len(), before.len() + 16);
        assert!(other.is_empty() && other.slices().next().is_none());
    }
}

#[test]
fn a_kept_packet_is_one_whole_packet_that_its_codec_takes() {
    let fault = |codec, bytes: &'static [u8]| {
        let error = PacketBuf::new(codec, Bytes::from_static(bytes)).unwrap_err();
        (error.cause(), error.offset())
    };
    let server = Codec::server(Version::V3_1_1);
    assert_eq!(fault(server, &[0xC0]), (Cause::UnexpectedEnd, 1));
    assert_eq!(fault(server, &[]), (Cause::UnexpectedEnd, 0));
    assert_eq!(fault(server, &[0xC0, 0, 0xC0, 0]), (Cause::TrailingBytes, 2));
    assert_eq!(fault(server, &[0xD0, 0]), (Cause::WrongDirection, 0));

    // A frame may have been cut under a larger limit.
    let bytes = [0x30, 5, 0, 1, b't', 1, 2];
    let frame = Frame::split(&mut &bytes[..], 7).unwrap().unwrap();
    let mut codec = server;
    codec.packet_bytes_max = 7;
    let kept = PacketBuf::copy(codec, &frame).unwrap();
    assert_eq!(kept.packet(), Packet::Publish(Publish::new(TopicName::new("t").unwrap(), &[1, 2])));
    assert_eq!((kept.codec(), &kept.as_bytes()[..]), (codec, &bytes[..]));
    codec.packet_bytes_max = 6;
    assert_eq!(PacketBuf::copy(codec, &frame).unwrap_err().cause(), Cause::PacketTooLarge);
}

#[test]
fn a_kept_message_is_delivered_as_it_came() {
    let (topic, payload) = (TopicName::new("a/b").unwrap(), Bytes::from(vec![1; SHARED_BYTES_MIN]));
    let properties = buf(&[Property::ContentType(Text::new("c").unwrap())]);
    for payload in [Payload::from(b"small"), Payload::from(&payload), Payload::default()] {
        let mut publish = Publish::new(topic, payload);
        publish.properties = properties.as_properties();
        publish.delivery = Delivery::ExactlyOnce { packet_id: ID, dup: true };
        let kept = PublishBuf::new(topic, &publish);
        assert_eq!(kept.publish(publish.delivery), publish);
        assert_eq!((kept.qos(), kept.len()), (QoS::ExactlyOnce, 3 + 4 + payload.len()));
        let aliased = PublishBuf::new(topic, &Publish { topic: None, ..publish });
        assert_eq!(aliased.publish(publish.delivery), publish);
        assert_eq!(kept.with_qos(QoS::AtMostOnce).qos(), QoS::AtMostOnce);
    }
}

/// 3.1.1 table 3.1: what can't be said is said as the nearest thing that can.
#[test]
fn before_5_several_reasons_share_a_return_code() {
    for &reason_code in ReasonCode::ALL {
        let packet = Packet::ConnAck(ConnAck::new(reason_code));
        match (reason_code.to_return_code(), encode(Codec::server(Version::V3_1_1), &packet)) {
            (Some(code), bytes) => assert_eq!(bytes, Ok(vec![0x20, 2, 0, code])),
            (None, error) => assert!(matches!(error, Err(EncodeError::NotInVersion { .. })), "{reason_code}"),
        }
    }
}

#[test]
fn only_some_properties_are_copied_where_only_some_may_travel() {
    let all =
        buf(&[Property::MessageExpiryInterval(1), Property::TopicAliasMaximum(2), Property::ContentType(Text::EMPTY)]);
    let mut some = PropertiesBuf::new();
    some.extend_if(all.as_properties(), |property| property.id() != 0x22).unwrap();
    assert_eq!(some, buf(&[Property::MessageExpiryInterval(1), Property::ContentType(Text::EMPTY)]));
    assert_eq!(some.extend_if(all.as_properties(), |_| true), Err(Cause::RepeatedProperty));
    assert_eq!(PropertiesBuf::from(all.as_properties()), all);
    assert_eq!(Properties::default(), Properties::EMPTY);
}

const ID: PacketId = PacketId::MIN;

fn buf(list: &[Property<'_>]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for &property in list {
        properties.push(property).unwrap();
    }
    properties
}
