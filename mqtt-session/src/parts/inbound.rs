//! What we owe the peer for its publishes at QoS 1 and 2, on one connection.

use alloc::collections::{BTreeSet, VecDeque};

use mqtt_proto::{PacketId, PropertiesBuf, QoS, ReasonCode};

/// Messages that came in and are not acknowledged, in the order in which they came.
///
/// ```text
///             QoS 1:  PUBLISH --> DueTaken --taken--> PUBACK, done
///
///             QoS 2:  PUBLISH --> DueTaken --taken--> PUBREC, AwaitRelease --PUBREL--> PUBCOMP, done
/// ```
///
/// `DueTaken` is ours: the host takes the message. `AwaitRelease` is theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Inbound {
    due_taken: VecDeque<Owed>,
    /// Serial number of the first in `due_taken`; they are numbered without gaps.
    first: u64,
    /// Bytes in `due_taken`.
    bytes: usize,
    /// Identifiers of the QoS 2 messages in `due_taken`.
    due_released: BTreeSet<PacketId>,
    /// QoS 2 messages of this connection between PUBREC and PUBREL.
    await_release: BTreeSet<PacketId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Owed {
    packet_id: PacketId,
    qos: QoS,
    bytes: usize,
    /// What to answer, once the message has been taken.
    answer: Option<(ReasonCode, PropertiesBuf)>,
}

/// An acknowledgement that may go out now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledgement {
    pub(crate) packet_id: PacketId,
    pub(crate) qos: QoS,
    pub(crate) reason_code: ReasonCode,
    pub(crate) properties: PropertiesBuf,
}

impl Inbound {
    /// How many publishes count against our Receive Maximum.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.due_taken.len().saturating_add(self.await_release.len())
    }

    /// Bytes of messages that have not been taken.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// A QoS 2 message with this identifier has been handed out, and its PUBREC has not gone out.
    pub(crate) fn is_due(&self, packet_id: PacketId) -> bool {
        self.due_released.contains(&packet_id)
    }

    /// QoS 2 messages that have been handed out and not been taken.
    pub(crate) fn untaken(&self) -> usize {
        let waiting = self.due_taken.iter().filter(|owed| owed.qos == QoS::ExactlyOnce && owed.answer.is_none());
        if self.due_released.is_empty() { 0 } else { waiting.count() }
    }

    /// A new message. Its serial number takes it.
    pub(crate) fn receive(&mut self, packet_id: PacketId, qos: QoS, bytes: usize) -> u64 {
        let serial = self.first.saturating_add(self.due_taken.len() as u64);
        self.bytes = self.bytes.saturating_add(bytes);
        if qos == QoS::ExactlyOnce {
            self.due_released.insert(packet_id);
        }
        self.due_taken.push_back(Owed { packet_id, qos, bytes, answer: None });
        serial
    }

    /// The host has taken a message, which is returned. `None`: it had been taken before.
    pub(crate) fn take(
        &mut self,
        serial: u64,
        reason_code: ReasonCode,
        properties: PropertiesBuf,
    ) -> Option<(PacketId, QoS)> {
        let index = serial.checked_sub(self.first).and_then(|index| usize::try_from(index).ok())?;
        let owed = self.due_taken.get_mut(index).filter(|owed| owed.answer.is_none())?;
        owed.answer = Some((reason_code, properties));
        Some((owed.packet_id, owed.qos))
    }

    /// The next acknowledgement that may go out: in the order of the messages, so one that is not taken holds back those behind it
    /// (v3\[MQTT-4.6.0-2\] v3\[MQTT-4.6.0-3\] v5\[MQTT-4.6.0-2\] v5\[MQTT-4.6.0-3\]).
    pub(crate) fn next(&mut self) -> Option<Acknowledgement> {
        let (reason_code, properties) = self.due_taken.front_mut()?.answer.take()?;
        let owed = self.due_taken.pop_front()?;
        self.first = self.first.saturating_add(1);
        self.bytes = self.bytes.saturating_sub(owed.bytes);
        if owed.qos == QoS::ExactlyOnce {
            self.due_released.remove(&owed.packet_id);
            if !reason_code.is_failure() {
                self.await_release.insert(owed.packet_id);
            }
        }
        Some(Acknowledgement { packet_id: owed.packet_id, qos: owed.qos, reason_code, properties })
    }

    /// PUBREL.
    pub(crate) fn release(&mut self, packet_id: PacketId) {
        self.await_release.remove(&packet_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    fn acknowledgements_keep_the_order_of_the_messages() {
        let mut inbound = Inbound::default();
        let first = inbound.receive(id(9), QoS::AtLeastOnce, 10);
        let second = inbound.receive(id(4), QoS::AtLeastOnce, 10);
        assert_eq!(inbound.take(second, ReasonCode::Success, PropertiesBuf::new()), Some((id(4), QoS::AtLeastOnce)));
        assert_eq!(inbound.next(), None);
        assert!(inbound.take(first, ReasonCode::Success, PropertiesBuf::new()).is_some());
        assert_eq!(inbound.next().unwrap().packet_id, id(9));
        assert_eq!(inbound.next().unwrap().packet_id, id(4));
        assert_eq!((inbound.unacknowledged(), inbound.bytes()), (0, 0));
    }

    #[test]
    fn a_message_is_taken_once() {
        let mut inbound = Inbound::default();
        let serial = inbound.receive(id(1), QoS::AtLeastOnce, 0);
        assert!(inbound.take(serial, ReasonCode::Success, PropertiesBuf::new()).is_some());
        assert!(inbound.take(serial, ReasonCode::Success, PropertiesBuf::new()).is_none());
        inbound.next();
        assert!(inbound.take(serial, ReasonCode::Success, PropertiesBuf::new()).is_none());
        assert!(inbound.take(serial + 1, ReasonCode::Success, PropertiesBuf::new()).is_none());
    }

    #[test]
    fn a_qos_2_message_counts_until_its_release_unless_it_was_refused() {
        let mut inbound = Inbound::default();
        let first = inbound.receive(id(1), QoS::ExactlyOnce, 5);
        let second = inbound.receive(id(2), QoS::ExactlyOnce, 5);
        assert!(inbound.is_due(id(1)));
        inbound.take(first, ReasonCode::Success, PropertiesBuf::new());
        inbound.take(second, ReasonCode::QuotaExceeded, PropertiesBuf::new());
        assert!(inbound.next().is_some() && inbound.next().is_some());
        assert_eq!(inbound.unacknowledged(), 1);
        inbound.release(id(1));
        assert_eq!(inbound.unacknowledged(), 0);
    }
}
