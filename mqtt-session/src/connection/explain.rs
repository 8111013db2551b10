//! Reason strings and user properties: sent where the peer wants them and has room for them, and else left out.

use mqtt_proto::{EncodeError, Packet, Properties, PropertiesBuf, Property};

use super::{Connection, is_too_large};

impl Connection {
    /// Sends an answer. What in it only explains is left out if the peer does not want that, or would not take a packet of that size, or speaks a version
    /// that has no place for it.
    pub(crate) fn answer_explained(&mut self, packet: Packet<'_>) -> Result<(), EncodeError> {
        if !explains(packet) {
            return self.try_answer(&packet);
        }
        let is_wanted = match packet {
            Packet::ConnAck(_) | Packet::Disconnect(_) => true,
            // v5[MQTT-3.1.2-29]
            _ => self.link.problem_information,
        };
        if is_wanted && self.version().has_properties() {
            let sent = self.try_answer(&packet);
            if !is_too_large(&sent) {
                return sent;
            }
        }
        // v5[MQTT-3.4.2-2] v5[MQTT-3.4.2-3] v5[MQTT-3.5.2-2] v5[MQTT-3.5.2-3] v5[MQTT-3.9.2-1] v5[MQTT-3.9.2-2] v5[MQTT-3.11.2-1] v5[MQTT-3.11.2-2]
        // v5[MQTT-3.14.2-3] v5[MQTT-3.14.2-4] v5[MQTT-3.15.2-2] v5[MQTT-3.15.2-3]
        let mut needed = PropertiesBuf::new();
        let mut packet = packet;
        if let Some(properties) = properties_mut(&mut packet) {
            needed.extend_if(*properties, |property| !only_explains(property))?;
            *properties = needed.as_properties();
        }
        self.try_answer(&packet)
    }
}

/// There is a reason string or a user property in it.
pub(crate) fn explains(mut packet: Packet<'_>) -> bool {
    properties_mut(&mut packet).is_some_and(|properties| properties.iter().any(only_explains))
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
