//! Reason strings and user properties: sent where the peer wants them and has room for them, and else left out.

use mqtt_proto::{EncodeError, Packet, Properties, PropertiesBuf, Property};

use super::{Connection, TOO_LARGE};

impl Connection {
    /// Sends an answer. What in it only explains is left out if the peer has said that it does not want that (v5\[MQTT-3.1.2-29\]), or would not take the
    /// packet with it (v5\[MQTT-3.1.2-24\]), or speaks a version that has no place for it.
    pub(crate) fn answer_explained(&mut self, packet: Packet<'_>) -> Result<(), EncodeError> {
        let is_wanted = match packet {
            Packet::ConnAck(_) | Packet::Disconnect(_) => true,
            _ => self.link.problem_information,
        };
        if is_wanted && self.version().has_properties() {
            let sent = self.try_answer(&packet);
            if sent != Err(TOO_LARGE) {
                return sent;
            }
        }
        let mut needed = PropertiesBuf::new();
        let mut packet = packet;
        if let Some(properties) = properties_mut(&mut packet) {
            needed.extend_if(*properties, |property| !only_explains(property))?;
            *properties = needed.as_properties();
        }
        self.try_answer(&packet)
    }
}

/// It is for people, and nothing goes wrong without it.
pub(crate) const fn only_explains(property: Property<'_>) -> bool {
    matches!(property, Property::ReasonString(_) | Property::UserProperty(_))
}

const fn properties_mut<'p, 'a>(packet: &'p mut Packet<'a>) -> Option<&'p mut Properties<'a>> {
    match packet {
        Packet::Connect(packet) => Some(&mut packet.properties),
        Packet::ConnAck(packet) => Some(&mut packet.properties),
        Packet::Publish(packet) => Some(&mut packet.properties),
        Packet::PubAck(packet) | Packet::PubRec(packet) | Packet::PubRel(packet) | Packet::PubComp(packet) => {
            Some(&mut packet.properties)
        }
        Packet::Subscribe(packet) => Some(&mut packet.properties),
        Packet::SubAck(packet) => Some(&mut packet.properties),
        Packet::Unsubscribe(packet) => Some(&mut packet.properties),
        Packet::UnsubAck(packet) => Some(&mut packet.properties),
        Packet::Disconnect(packet) => Some(&mut packet.properties),
        Packet::Auth(packet) => Some(&mut packet.properties),
        Packet::PingReq | Packet::PingResp | Packet::Opaque(_) | Packet::OpaqueConnect(_) => None,
    }
}
