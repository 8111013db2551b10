//! SUBSCRIBE and UNSUBSCRIBE, and their answers.

use mqtt_proto::{Packet, PacketId, Properties, SubAck, Subscribe, Subscription, TopicFilter, UnsubAck, Unsubscribe};

use super::Client;
use crate::connection::Handled;
use crate::event::DisconnectCause;
use crate::parts::requests::Question;
use crate::{Event, Instant, RequestError, RequestId, Violation};

impl Client {
    /// Asks for messages. The answer is an [`Event::Subscribed`], or [`Event::RequestLost`] if the connection ends before.
    ///
    /// # Errors
    ///
    /// There is no connection, too many requests are open, this is no SUBSCRIBE, or the server has announced that it takes none of this kind.
    pub fn subscribe(
        &mut self,
        _: Instant,
        subscriptions: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<RequestId, RequestError> {
        let subscribe = Subscribe { packet_id: PacketId::MIN, properties, subscriptions: subscriptions.into() };
        if let Some(unavailable) = self.agreed().and_then(|agreed| agreed.unavailable(&subscribe)) {
            return Err(unavailable.into());
        }
        self.request(Question::Subscribe, subscriptions.len(), |packet_id| {
            Packet::Subscribe(Subscribe { packet_id, ..subscribe })
        })
    }

    /// Asks for messages no longer. The answer is an [`Event::Unsubscribed`], or [`Event::RequestLost`] if the connection ends before.
    ///
    /// # Errors
    ///
    /// There is no connection, too many requests are open, or this is no UNSUBSCRIBE.
    pub fn unsubscribe(
        &mut self,
        _: Instant,
        filters: &[TopicFilter<'_>],
        properties: Properties<'_>,
    ) -> Result<RequestId, RequestError> {
        self.request(Question::Unsubscribe, filters.len(), |packet_id| {
            Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters: filters.into() })
        })
    }

    fn request<'p>(
        &mut self,
        question: Question,
        filters: usize,
        packet: impl FnOnce(PacketId) -> Packet<'p>,
    ) -> Result<RequestId, RequestError> {
        let connection = &mut self.connection;
        if !connection.is_open() {
            return Err(RequestError::NotConnected);
        }
        if connection.link.requests.len() >= connection.limits().requests_max {
            return Err(RequestError::TooMany);
        }
        let packet_id = connection.next_packet_id().ok_or(RequestError::TooMany)?;
        connection.try_answer(&packet(packet_id))?;
        connection.take_packet_id(packet_id);
        let id = connection.name_request();
        connection.link.requests.open(packet_id, id, question, filters);
        Ok(id)
    }

    pub(super) fn handle_suback<'b>(&mut self, suback: SubAck<'b>) -> Handled<'b> {
        let codes = suback.reason_codes.len();
        let id = self.answered(suback.packet_id, Question::Subscribe, Some(codes))?;
        Ok(id.map(|id| Event::Subscribed { id, suback }))
    }

    pub(super) fn handle_unsuback<'b>(&mut self, unsuback: UnsubAck<'b>) -> Handled<'b> {
        let codes = self.connection.version().unsuback_carries_reasons().then(|| unsuback.reason_codes.len());
        let id = self.answered(unsuback.packet_id, Question::Unsubscribe, codes)?;
        Ok(id.map(|id| Event::Unsubscribed { id, unsuback }))
    }

    /// `None`: it has been given up.
    fn answered(
        &mut self,
        packet_id: PacketId,
        question: Question,
        codes: Option<usize>,
    ) -> Result<Option<RequestId>, DisconnectCause> {
        let id = self.connection.link.requests.answer(packet_id, question, codes);
        id.ok_or(DisconnectCause::Violation(Violation::UnexpectedAnswer))
    }
}
