//! A peer that says anything: what is right, what is right and out of place, and noise.

use mqtt_proto::choices::{Choices, with_packet};
use mqtt_proto::{
    Ack, ConnAck, Connect, Delivery, Packet, PacketId, PacketType, PropertiesBuf, Property, Publish, QoS, ReasonCode,
    Role, Text, TopicName, TransmitBuf, Version,
};
use mqtt_session::Client;

use super::some_version;
use super::watched::{Machine, Use, Watched, codec};

/// What a peer has to say, on its way.
#[derive(Default)]
pub struct Peer {
    pub line: Vec<u8>,
}

impl Peer {
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        self.line.drain(..count.min(self.line.len())).collect()
    }

    /// Says what its codec can say in some version; else nothing.
    pub fn say(&mut self, version: Version, role: Role, packet: &Packet<'_>) {
        let mut out = TransmitBuf::new();
        if codec(version, role).encode(packet, &mut out).is_ok() {
            out.slices().for_each(|slice| self.line.extend_from_slice(slice));
        }
    }

    /// Accepts a client.
    pub fn welcome(&mut self, watched: &Watched<Client>, choices: &mut Choices<'_>) {
        let version = watched.machine.version();
        let properties = some_properties(version, choices, &[]);
        let mut connack = ConnAck::new(ReasonCode::Success);
        connack.properties = properties.as_properties();
        connack.session_present = version.has_session_present() && choices.byte() % 4 != 1;
        self.say(version, Role::Server, &Packet::ConnAck(connack));
    }

    /// A client comes.
    pub fn hello(&mut self, choices: &mut Choices<'_>) {
        let version = some_version(choices);
        let method = Property::AuthenticationMethod(Text::new("m").unwrap());
        let properties = some_properties(version, choices, &[Property::SessionExpiryInterval(100), method]);
        let mut connect = Connect::new(Text::new("c").unwrap());
        connect.clean_start = false;
        connect.keep_alive = choices.pick(&[0, 1, 60]);
        connect.properties = properties.as_properties();
        self.say(version, Role::Client, &Packet::Connect(connect));
    }

    pub fn speak<M: Machine>(&mut self, watched: &Watched<M>, choices: &mut Choices<'_>) {
        let (version, role) = (watched.machine.version(), M::ROLE.peer());
        match choices.byte() % 8 {
            0..=2 => self.answer(watched, choices),
            3 | 4 => self.publish(version, role, choices),
            5 => {
                let ack = Ack::new(PacketId::new(choices.pick(&[1, 2, 3, 4])).unwrap());
                self.say(version, role, &Packet::PubRel(ack));
            }
            6 => {
                let version = choices.pick(&[version, version, Version::V5, Version::V3_1_1]);
                let all = PacketType::ALL.into_iter().filter(|of| of.is_sent_by(role, version));
                let packet_type = choices.pick(&all.collect::<Vec<_>>());
                let line = &mut self.line;
                with_packet(choices, codec(version, role), packet_type, |packet| {
                    let mut out = TransmitBuf::new();
                    if codec(version, role).encode(packet, &mut out).is_ok() {
                        out.slices().for_each(|slice| line.extend_from_slice(slice));
                    }
                });
            }
            _ => {
                for _ in 0..choices.byte() % 16 {
                    self.line.push(choices.byte());
                }
            }
        }
    }

    /// Answers something that was sent: rightly for the most part.
    fn answer<M: Machine>(&mut self, watched: &Watched<M>, choices: &mut Choices<'_>) {
        let all: Vec<_> = watched.in_use.iter().map(|(&id, &used)| (id, used)).collect();
        if all.is_empty() {
            return;
        }
        let (id, used) = choices.pick(&all);
        let mut ack = Ack::new(PacketId::new(id).expect("it stood in a packet"));
        let (version, role) = (watched.machine.version(), M::ROLE.peer());
        if version.acks_carry_reason() && choices.byte() % 4 == 1 {
            ack.reason_code = choices.pick(&[ReasonCode::QuotaExceeded, ReasonCode::UnspecifiedError]);
        }
        let mut used = used;
        if choices.byte() % 16 == 1 {
            used = choices.pick(&[Use::AwaitPubAck, Use::AwaitPubRec, Use::AwaitPubComp]);
        }
        self.acknowledge(version, role, used, ack);
    }

    /// The answer that is waited for.
    pub fn acknowledge(&mut self, version: Version, role: Role, used: Use, ack: Ack<'_>) {
        let codes = [ack.reason_code];
        match used {
            Use::AwaitPubAck => self.say(version, role, &Packet::PubAck(ack)),
            Use::AwaitPubRec => self.say(version, role, &Packet::PubRec(ack)),
            Use::AwaitPubComp => self.say(version, role, &Packet::PubComp(Ack::new(ack.packet_id))),
            Use::Subscribe => self.say(
                version,
                role,
                &Packet::SubAck(mqtt_proto::SubAck {
                    packet_id: ack.packet_id,
                    properties: mqtt_proto::Properties::EMPTY,
                    reason_codes: codes[..].into(),
                }),
            ),
            Use::Unsubscribe => self.say(
                version,
                role,
                &Packet::UnsubAck(mqtt_proto::UnsubAck {
                    packet_id: ack.packet_id,
                    properties: mqtt_proto::Properties::EMPTY,
                    reason_codes: if version.unsuback_carries_reasons() { codes[..].into() } else { [][..].into() },
                }),
            ),
        }
    }

    fn publish(&mut self, version: Version, role: Role, choices: &mut Choices<'_>) {
        let topic = TopicName::new(choices.pick(&["t", "a/b"])).unwrap();
        let payload = [0; 100];
        let mut publish = Publish::new(topic, &payload[..choices.pick(&[0, 1, 10, 100])]);
        let (packet_id, dup) = (PacketId::new(choices.pick(&[1, 2, 3, 4])).unwrap(), choices.byte() % 2 == 1);
        publish.delivery = match choices.pick(&[QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce]) {
            QoS::AtMostOnce => Delivery::AtMostOnce,
            QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id, dup },
            QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id, dup },
        };
        self.say(version, role, &Packet::Publish(publish));
    }
}

/// Some of the limits that either end may announce, and some of `further`.
fn some_properties(version: Version, choices: &mut Choices<'_>, further: &[Property<'_>]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    if version.has_properties() {
        let limits = [
            Property::ReceiveMaximum(choices.pick(&[2, 1, 5]).try_into().unwrap()),
            Property::MaximumPacketSize(choices.pick(&[1 << 20, 4, 20, 60]).try_into().unwrap()),
            Property::TopicAliasMaximum(choices.pick(&[0, 1, 3])),
        ];
        let chosen = choices.byte();
        for (bit, &property) in limits.iter().chain(further).enumerate() {
            if chosen >> bit & 1 != 0 {
                properties.push(property).unwrap();
            }
        }
    }
    properties
}
