//! SUBSCRIBEs and UNSUBSCRIBEs that the server has not answered. They end with the connection.

use alloc::collections::BTreeMap;

use mqtt_proto::PacketId;

use crate::RequestId;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    Subscribe,
    Unsubscribe,
}

/// Open requests, by packet identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Requests(BTreeMap<PacketId, Request>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Request {
    /// None: it has been given up.
    id: Option<RequestId>,
    question: Question,
    filters: usize,
}

impl Requests {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_open(&self, packet_id: PacketId) -> bool {
        self.0.contains_key(&packet_id)
    }

    pub(crate) fn open(&mut self, packet_id: PacketId, id: RequestId, question: Question, filters: usize) {
        self.0.insert(packet_id, Request { id: Some(id), question, filters });
    }

    /// The server answers with so many codes (`None`: its version has none). `None`: nothing of the kind was asked. `Some(None)`: it has been given up.
    pub(crate) fn answer(
        &mut self,
        packet_id: PacketId,
        question: Question,
        codes: Option<usize>,
    ) -> Option<Option<RequestId>> {
        let request = self.0.get(&packet_id)?;
        // v3[MQTT-3.8.4-5] v5[MQTT-3.8.4-6] v5[MQTT-3.11.3-1]
        if request.question != question || codes.is_some_and(|codes| codes != request.filters) {
            return None;
        }
        self.0.remove(&packet_id).map(|request| request.id)
    }

    /// The connection has ended: all that will get no answer.
    pub(crate) fn lose(&mut self) -> impl Iterator<Item = RequestId> + use<> {
        core::mem::take(&mut self.0).into_values().filter_map(|request| request.id)
    }

    /// Nobody waits for the answers any more, though they may come.
    pub(crate) fn give_up(&mut self) -> impl Iterator<Item = RequestId> {
        self.0.values_mut().filter_map(|request| request.id.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_may_still_be_answered() {
        let mut requests = Requests::default();
        requests.open(PacketId::MIN, RequestId(7), Question::Subscribe, 2);
        assert!(requests.give_up().eq([RequestId(7)]));
        assert!(requests.is_open(PacketId::MIN));
        assert_eq!(requests.answer(PacketId::MIN, Question::Subscribe, Some(2)), Some(None));
        requests.open(PacketId::MIN, RequestId(8), Question::Subscribe, 2);
        assert_eq!(requests.give_up().count() + requests.lose().count(), 1);
    }

    /// v3\[MQTT-3.8.4-5\] v5\[MQTT-3.8.4-6\] v5\[MQTT-3.11.3-1\]
    #[test]
    fn an_answer_must_fit_its_question() {
        let mut requests = Requests::default();
        requests.open(PacketId::MIN, RequestId(7), Question::Subscribe, 2);
        assert_eq!(requests.answer(PacketId::MAX, Question::Subscribe, Some(2)), None);
        assert_eq!(requests.answer(PacketId::MIN, Question::Unsubscribe, Some(2)), None);
        assert_eq!(requests.answer(PacketId::MIN, Question::Subscribe, Some(1)), None);
        assert_eq!(requests.answer(PacketId::MIN, Question::Subscribe, Some(2)), Some(Some(RequestId(7))));
        assert_eq!(requests.answer(PacketId::MIN, Question::Subscribe, Some(2)), None);
    }
}
