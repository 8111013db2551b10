//! Packets and their bytes, written by hand: every packet type from every end in every version, and every property.

use std::num::{NonZeroU16, NonZeroU32};

use mqtt_proto::{
    Ack, Auth, ConnAck, Connect, Delivery, Disconnect, Packet, PacketId, Properties, PropertiesBuf, Property, Publish,
    QoS, ReasonCode, RetainHandling, Role, SubAck, Subscribe, Subscription, SubscriptionId, SubscriptionOptions, Text,
    TopicAlias, TopicFilter, TopicName, UnsubAck, Unsubscribe, Version, Will,
};

/// A packet, who sends it, and what it looks like.
pub struct Golden {
    pub version: Version,
    pub sender: Role,
    pub bytes: Vec<u8>,
    pub packet: Packet<'static>,
}

/// The whole set. The bytes are those that we send; other forms of the same packets are no part of it.
pub fn set() -> Vec<Golden> {
    let mut set = Set(Vec::new());
    connects(&mut set);
    connacks(&mut set);
    publishes(&mut set);
    acks(&mut set);
    subscriptions(&mut set);
    endings(&mut set);
    set.0
}

struct Set(Vec<Golden>);

impl Set {
    fn add(&mut self, versions: &[Version], senders: &[Role], written: &str, packet: Packet<'static>) {
        for &version in versions {
            for &sender in senders {
                self.0.push(Golden { version, sender, bytes: super::bytes(written), packet });
            }
        }
    }
}

const V3: &[Version] = &[Version::V3_1, Version::V3_1_1];
const V3_1: &[Version] = &[Version::V3_1];
const V3_1_1: &[Version] = &[Version::V3_1_1];
const V5: &[Version] = &[Version::V5];
const ALL: &[Version] = &Version::ALL;
const CLIENT: &[Role] = &[Role::Client];
const SERVER: &[Role] = &[Role::Server];
const BOTH: &[Role] = &[Role::Client, Role::Server];

fn connects(set: &mut Set) {
    let mut connect = Connect::new(text(""));
    connect.keep_alive = 60;
    set.add(V3_1_1, CLIENT, "10 0C 00 04 'MQTT' 04 02 00 3C 00 00", Packet::Connect(connect));
    set.add(V5, CLIENT, "10 0D 00 04 'MQTT' 05 02 00 3C 00 00 00", Packet::Connect(connect));
    connect.client_id = text("a");
    set.add(V3_1, CLIENT, "10 0F 00 06 'MQIsdp' 03 02 00 3C 00 01 'a'", Packet::Connect(connect));

    let mut connect = Connect::new(text("dev"));
    connect.clean_start = false;
    connect.will = Some(Will { qos: QoS::AtLeastOnce, retain: true, ..Will::new(name("a/b"), &[0xFF, 0x00]) });
    connect.user_name = Some(text("u"));
    connect.password = Some(&[0x00, 0xFF]);
    let payload = "00 00 00 03 'dev' 00 03 'a/b' 00 02 FF 00 00 01 'u' 00 02 00 FF";
    set.add(V3_1, CLIENT, &format!("10 21 00 06 'MQIsdp' 03 EC {payload}"), Packet::Connect(connect));
    set.add(V3_1_1, CLIENT, &format!("10 1F 00 04 'MQTT' 04 EC {payload}"), Packet::Connect(connect));

    let mut connect = Connect::new(text(""));
    connect.user_name = Some(text(""));
    set.add(V3_1_1, CLIENT, "10 0E 00 04 'MQTT' 04 82 00 00 00 00 00 00", Packet::Connect(connect));
    let mut connect = Connect::new(text(""));
    connect.password = Some(b"p");
    set.add(V5, CLIENT, "10 10 00 04 'MQTT' 05 42 00 00 00 00 00 00 01 'p'", Packet::Connect(connect));

    let mut connect = Connect::new(text(""));
    let mut will = Will::new(name("a/b"), b"");
    will.qos = QoS::ExactlyOnce;
    will.retain = true;
    will.properties = properties(&[
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(60),
        Property::ContentType(text("t")),
        Property::ResponseTopic(name("r")),
        Property::CorrelationData(&[0x00]),
        Property::WillDelayInterval(5),
        Property::UserProperty((text(""), text(""))),
    ]);
    connect.will = Some(will);
    connect.user_name = Some(text("u"));
    connect.password = Some(b"p");
    connect.properties = properties(&[
        Property::SessionExpiryInterval(10),
        Property::AuthenticationMethod(text("m")),
        Property::AuthenticationData(&[0x00, 0xFF]),
        Property::RequestProblemInformation(false),
        Property::RequestResponseInformation(true),
        Property::ReceiveMaximum(NonZeroU16::new(20).unwrap()),
        Property::TopicAliasMaximum(5),
        Property::UserProperty((text("k"), text("v"))),
        Property::MaximumPacketSize(NonZeroU32::new(4096).unwrap()),
    ]);
    set.add(
        V5,
        CLIENT,
        "10 5C 00 04 'MQTT' 05 F6 00 00
            24 11 00 00 00 0A 15 00 01 'm' 16 00 02 00 FF 17 00 19 01 21 00 14 22 00 05 26 00 01 'k' 00 01 'v' 27 00 00 10 00
            00 00
            1D 01 01 02 00 00 00 3C 03 00 01 't' 08 00 01 'r' 09 00 01 00 18 00 00 00 05 26 00 00 00 00
            00 03 'a/b' 00 00 00 01 'u' 00 01 'p'",
        Packet::Connect(connect),
    );
}

fn connacks(set: &mut Set) {
    let table = [
        (0, ReasonCode::Success),
        (1, ReasonCode::UnsupportedProtocolVersion),
        (2, ReasonCode::ClientIdentifierNotValid),
        (3, ReasonCode::ServerUnavailable),
        (4, ReasonCode::BadUserNameOrPassword),
        (5, ReasonCode::NotAuthorized),
    ];
    for (return_code, reason_code) in table {
        set.add(V3, SERVER, &format!("20 02 00 0{return_code}"), Packet::ConnAck(ConnAck::new(reason_code)));
    }
    let mut connack = ConnAck::new(ReasonCode::Success);
    connack.session_present = true;
    set.add(V3_1_1, SERVER, "20 02 01 00", Packet::ConnAck(connack));
    set.add(V5, SERVER, "20 03 01 00 00", Packet::ConnAck(connack));
    set.add(V5, SERVER, "20 03 00 87 00", Packet::ConnAck(ConnAck::new(ReasonCode::NotAuthorized)));
    let mut connack = ConnAck::new(ReasonCode::Success);
    connack.properties = properties(&[
        Property::SessionExpiryInterval(10),
        Property::AssignedClientIdentifier(text("a")),
        Property::ServerKeepAlive(30),
        Property::AuthenticationMethod(text("m")),
        Property::AuthenticationData(b"d"),
        Property::ResponseInformation(text("i")),
        Property::ServerReference(text("s")),
        Property::ReasonString(text("r")),
        Property::ReceiveMaximum(NonZeroU16::new(10).unwrap()),
        Property::TopicAliasMaximum(10),
        Property::MaximumQos(QoS::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::UserProperty((text("k"), text("v"))),
        Property::MaximumPacketSize(NonZeroU32::new(1024).unwrap()),
        Property::WildcardSubscriptionAvailable(false),
        Property::SubscriptionIdentifierAvailable(false),
        Property::SharedSubscriptionAvailable(false),
    ]);
    set.add(
        V5,
        SERVER,
        "20 3F 00 00
            3C 11 00 00 00 0A 12 00 01 'a' 13 00 1E 15 00 01 'm' 16 00 01 'd' 1A 00 01 'i' 1C 00 01 's' 1F 00 01 'r' 21 00 0A 22 00 0A
            24 01 25 00 26 00 01 'k' 00 01 'v' 27 00 00 04 00 28 00 29 00 2A 00",
        Packet::ConnAck(connack),
    );
}

fn publishes(set: &mut Set) {
    let publish = Publish::new(name("a/b"), b"");
    set.add(V3, BOTH, "30 05 00 03 'a/b'", Packet::Publish(publish));
    let mut publish = Publish::new(name("a/b"), b"xyz");
    publish.delivery = Delivery::ExactlyOnce { packet_id: id(10), dup: true };
    publish.retain = true;
    set.add(V3, BOTH, "3D 0A 00 03 'a/b' 00 0A 'xyz'", Packet::Publish(publish));
    // At QoS 0 there is no packet identifier: v3[MQTT-2.3.1-5] v5[MQTT-2.2.1-2]
    let publish = Publish::new(name("a"), &[0x00, 0x05]);
    set.add(V3, BOTH, "30 05 00 01 'a' 00 05", Packet::Publish(publish));
    set.add(V5, BOTH, "30 06 00 01 'a' 00 00 05", Packet::Publish(publish));
    // v3[MQTT-1.5.3-3] v5[MQTT-1.5.4-3]
    let publish = Publish::new(name("\u{FEFF}a"), b"");
    set.add(V3, BOTH, "30 06 00 04 EF BB BF 'a'", Packet::Publish(publish));
    set.add(V5, BOTH, "30 07 00 04 EF BB BF 'a' 00", Packet::Publish(publish));

    let mut publish = Publish::new(name("a/b"), b"");
    publish.delivery = Delivery::AtLeastOnce { packet_id: id(10), dup: false };
    set.add(V5, BOTH, "32 08 00 03 'a/b' 00 0A 00", Packet::Publish(publish));
    let mut publish = Publish::new(name("a"), b"");
    publish.topic = None;
    publish.properties = properties(&[Property::TopicAlias(TopicAlias::new(5).unwrap())]);
    set.add(V5, BOTH, "30 06 00 00 03 23 00 05", Packet::Publish(publish));
    let mut publish = Publish::new(name("a/b"), b"!");
    publish.delivery = Delivery::ExactlyOnce { packet_id: id(65_535), dup: false };
    publish.properties = properties(&[
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(10),
        Property::ContentType(text("t")),
        Property::ResponseTopic(name("r")),
        Property::CorrelationData(&[0x00, 0xFF]),
        Property::SubscriptionIdentifier(SubscriptionId::new(1).unwrap()),
        Property::SubscriptionIdentifier(SubscriptionId::new(128).unwrap()),
        Property::TopicAlias(TopicAlias::new(1).unwrap()),
        Property::UserProperty((text("k"), text("v"))),
        Property::UserProperty((text("k"), text("w"))),
    ]);
    set.add(
        V5,
        SERVER,
        "34 33 00 03 'a/b' FF FF
            2A 01 01 02 00 00 00 0A 03 00 01 't' 08 00 01 'r' 09 00 02 00 FF 0B 01 0B 80 01 23 00 01
            26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'w'
            '!'",
        Packet::Publish(publish),
    );
}

fn acks(set: &mut Set) {
    let ack = Ack::new(id(10));
    set.add(ALL, BOTH, "40 02 00 0A", Packet::PubAck(ack));
    set.add(ALL, BOTH, "50 02 00 0A", Packet::PubRec(ack));
    set.add(ALL, BOTH, "62 02 00 0A", Packet::PubRel(ack));
    set.add(ALL, BOTH, "70 02 00 0A", Packet::PubComp(ack));
    let with = |reason_code| Ack { reason_code, ..ack };
    set.add(V5, SERVER, "40 03 00 0A 10", Packet::PubAck(with(ReasonCode::NoMatchingSubscribers)));
    set.add(V5, BOTH, "50 03 00 0A 97", Packet::PubRec(with(ReasonCode::QuotaExceeded)));
    set.add(V5, BOTH, "62 03 00 0A 92", Packet::PubRel(with(ReasonCode::PacketIdentifierNotFound)));
    set.add(V5, BOTH, "70 03 00 0A 92", Packet::PubComp(with(ReasonCode::PacketIdentifierNotFound)));
    let mut ack = Ack::new(id(10));
    ack.properties = properties(&[Property::ReasonString(text("r"))]);
    set.add(V5, BOTH, "40 08 00 0A 00 04 1F 00 01 'r'", Packet::PubAck(ack));
}

fn subscriptions(set: &mut Set) {
    static TWO: [(&str, QoS); 2] = [("a/b", QoS::AtLeastOnce), ("c/d", QoS::ExactlyOnce)];
    let two: Vec<_> = TWO.iter().map(|&(text, qos)| Subscription::new(filter(text), qos)).collect();
    let two: &'static [Subscription<'static>] = two.leak();
    set.add(V3, CLIENT, "82 0E 00 0A 00 03 'a/b' 01 00 03 'c/d' 02", Packet::Subscribe(Subscribe::new(id(10), two)));
    set.add(V5, CLIENT, "82 09 00 0A 00 00 03 'a/b' 01", Packet::Subscribe(Subscribe::new(id(10), &two[..1])));
    let options = SubscriptionOptions {
        qos: QoS::ExactlyOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let two = vec![Subscription { filter: filter("a/b"), options }, Subscription::new(filter("#"), QoS::AtLeastOnce)];
    let mut subscribe = Subscribe::new(id(10), two.leak());
    subscribe.properties = properties(&[Property::SubscriptionIdentifier(SubscriptionId::new(7).unwrap())]);
    set.add(V5, CLIENT, "82 0F 00 0A 02 0B 07 00 03 'a/b' 2E 00 01 '#' 01", Packet::Subscribe(subscribe));
    let options = SubscriptionOptions { retain_handling: RetainHandling::SendIfNew, ..SubscriptionOptions::default() };
    let shared = vec![Subscription { filter: filter("$share/g/#"), options }];
    set.add(
        V5,
        CLIENT,
        "82 10 FF FF 00 00 0A '$share/g/#' 10",
        Packet::Subscribe(Subscribe::new(id(65_535), shared.leak())),
    );

    use ReasonCode::{
        GrantedQos1, GrantedQos2, NoSubscriptionExisted, PacketIdentifierInUse, Success, UnspecifiedError,
    };
    set.add(
        V3_1,
        SERVER,
        "90 05 00 0A 00 01 02",
        Packet::SubAck(SubAck::new(id(10), &[Success, GrantedQos1, GrantedQos2])),
    );
    set.add(
        V3_1_1,
        SERVER,
        "90 05 00 0A 00 02 80",
        Packet::SubAck(SubAck::new(id(10), &[Success, GrantedQos2, UnspecifiedError])),
    );
    set.add(V5, SERVER, "90 04 00 0A 00 01", Packet::SubAck(SubAck::new(id(10), &[GrantedQos1])));
    let mut suback = SubAck::new(id(10), &[PacketIdentifierInUse, PacketIdentifierInUse]);
    suback.properties = properties(&[Property::ReasonString(text("r"))]);
    set.add(V5, SERVER, "90 09 00 0A 04 1F 00 01 'r' 91 91", Packet::SubAck(suback));

    let filters = vec![filter("a/b"), filter("+/#")].leak();
    set.add(V3, CLIENT, "A2 0C 00 0A 00 03 'a/b' 00 03 '+/#'", Packet::Unsubscribe(Unsubscribe::new(id(10), filters)));
    let mut unsubscribe = Unsubscribe::new(id(10), &filters[..1]);
    unsubscribe.properties = properties(&[Property::UserProperty((text(""), text("")))]);
    set.add(V5, CLIENT, "A2 0D 00 0A 05 26 00 00 00 00 00 03 'a/b'", Packet::Unsubscribe(unsubscribe));
    set.add(V3, SERVER, "B0 02 00 0A", Packet::UnsubAck(UnsubAck::new(id(10), &[])));
    set.add(
        V5,
        SERVER,
        "B0 05 00 0A 00 00 11",
        Packet::UnsubAck(UnsubAck::new(id(10), &[Success, NoSubscriptionExisted])),
    );
}

fn endings(set: &mut Set) {
    set.add(ALL, CLIENT, "C0 00", Packet::PingReq);
    set.add(ALL, SERVER, "D0 00", Packet::PingResp);
    let disconnect = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
    set.add(ALL, CLIENT, "E0 00", Packet::Disconnect(disconnect));
    set.add(V5, SERVER, "E0 00", Packet::Disconnect(disconnect));
    set.add(V5, CLIENT, "E0 01 04", Packet::Disconnect(Disconnect::new(ReasonCode::DisconnectWithWill)));
    set.add(V5, SERVER, "E0 01 8E", Packet::Disconnect(Disconnect::new(ReasonCode::SessionTakenOver)));
    let mut disconnect = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
    disconnect.properties = properties(&[Property::SessionExpiryInterval(10)]);
    set.add(V5, CLIENT, "E0 07 00 05 11 00 00 00 0A", Packet::Disconnect(disconnect));
    let mut disconnect = Disconnect::new(ReasonCode::UseAnotherServer);
    disconnect.properties = properties(&[Property::ServerReference(text("s"))]);
    set.add(V5, SERVER, "E0 06 9C 04 1C 00 01 's'", Packet::Disconnect(disconnect));

    let method = properties(&[Property::AuthenticationMethod(text("m"))]);
    set.add(V5, BOTH, "F0 06 18 04 15 00 01 'm'", Packet::Auth(Auth::new(ReasonCode::ContinueAuthentication, method)));
    set.add(V5, CLIENT, "F0 06 19 04 15 00 01 'm'", Packet::Auth(Auth::new(ReasonCode::ReAuthenticate, method)));
    let data = properties(&[Property::AuthenticationMethod(text("m")), Property::AuthenticationData(&[0x00])]);
    set.add(V5, SERVER, "F0 0A 00 08 15 00 01 'm' 16 00 01 00", Packet::Auth(Auth::new(ReasonCode::Success, data)));
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

fn text(text: &'static str) -> Text<'static> {
    Text::new(text).unwrap()
}

fn name(name: &'static str) -> TopicName<'static> {
    TopicName::new(name).unwrap()
}

fn filter(filter: &'static str) -> TopicFilter<'static> {
    TopicFilter::new(filter).unwrap()
}

fn properties(list: &[Property<'static>]) -> Properties<'static> {
    let mut properties = PropertiesBuf::new();
    for &property in list {
        properties.push(property).unwrap();
    }
    Box::leak(Box::new(properties)).as_properties()
}
