//! Looks at every packet that an end sends, knowing what that end has read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt_proto::{Codec, Connect, Packet, PacketType, Publish, QoS, ReasonCode, SubAck, TopicAlias, UnsubAck, Version};
use mqtt_session::DisconnectCause;

use super::{Check, Finding};
use crate::marks::{Mark, Marks};
use crate::trace::fingerprint;
use crate::wire::{End, LinkId};

/// An independent observer at both ends of each connection. What an end may send depends on what it has read, not on what is still on its way to it.
#[derive(Debug, Default)]
pub(super) struct Observer {
    taps: BTreeMap<(LinkId, End), Tap>,
    /// By client: what each end has in flight, which outlives connections.
    sessions: BTreeMap<(String, End), Flights>,
    accepted: Vec<Accepted>,
}

/// The server has said yes to a client.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) link: LinkId,
    pub(super) client_id: String,
    pub(super) session_present: bool,
    pub(super) asks_clean: bool,
    pub(super) expiry_interval: u32,
}

/// One end of one connection.
#[derive(Debug)]
struct Tap {
    link: LinkId,
    version: Version,
    client_id: Option<String>,
    has_begun: bool,
    asks_clean: bool,
    expiry_interval: u32,
    /// At a client: it has been told that its session ends with this connection.
    is_brief: bool,
    has_said_goodbye: bool,
    is_resumed: bool,
    peer_receive_maximum: u16,
    peer_packet_bytes_max: u32,
    peer_maximum_qos: QoS,
    /// Than there is: so a message that it took on an earlier connection may be none that it takes.
    peer_takes_less: bool,
    /// PUBLISH packets of this connection that the peer has not done with.
    in_flight: BTreeSet<u16>,
    /// Identifiers of requests.
    asked: BTreeMap<u16, usize>,
    /// Requests of the peer, with their number of filters.
    to_answer: BTreeMap<u16, usize>,
    pings: u64,
    due_puback: VecDeque<u16>,
    due_pubrec: VecDeque<u16>,
    due_pubcomp: VecDeque<u16>,
    /// PUBRECs for what we don't know.
    strange_pubrec: BTreeSet<u16>,
    /// The place of what was last sent again.
    last_again: Option<u64>,
    peer_topic_alias_maximum: u16,
    /// What this end has written.
    aliases: BTreeMap<TopicAlias, String>,
}

#[derive(Debug, Default)]
struct Flights {
    /// The connection that has them.
    link: Option<LinkId>,
    /// QoS 2 messages that this end has said that it has, and that the other has not released.
    received: BTreeSet<u16>,
    /// How many messages in flight have been given up, and may have left their identifiers free.
    given_up: usize,
    flights: BTreeMap<u16, Flight>,
    count: u64,
}

#[derive(Debug)]
struct Flight {
    content: u64,
    qos: QoS,
    bytes: usize,
    /// PUBREC has come.
    is_released: bool,
    has_sent_pubrel: bool,
    /// Its place in the order of first sending. `None`: it was left out once, because the peer took less then, and has come again for one that takes more.
    place: Option<u64>,
}

impl Observer {
    fn tap(&mut self, link: LinkId, end: End) -> (&mut Tap, &mut BTreeMap<(String, End), Flights>) {
        (self.taps.entry((link, end)).or_insert_with(|| Tap::new(link)), &mut self.sessions)
    }

    pub(super) fn closed(&mut self, link: LinkId, end: End) {
        let Some(tap) = self.taps.remove(&(link, end)) else { return };
        // A client knows that its session is over. A server's has been seen to be when it answers the next CONNECT.
        let session = tap.session(end, &mut self.sessions);
        if tap.is_brief && session.link == Some(link) {
            session.received.clear();
            session.flights.clear();
        }
    }

    /// A client's process has died, and what it finds when it starts again is what it had.
    pub(super) fn crashed(&mut self, link: LinkId) {
        self.taps.remove(&(link, End::Client));
    }

    /// A client has given up a message in flight.
    pub(super) fn give_up(&mut self, client_id: &str) {
        self.sessions.entry((client_id.into(), End::Client)).or_default().given_up += 1;
    }

    pub(super) fn in_flight(&self) -> Option<String> {
        self.sessions.iter().find(|(_, flights)| flights.flights.len() > flights.given_up).map(
            |((client, end), flights)| {
                format!("{end:?} end of {client}: {:?} in flight", flights.flights.keys().collect::<Vec<_>>())
            },
        )
    }

    /// Whom the server has accepted since this was asked last.
    pub(super) fn take_accepted(&mut self) -> Vec<Accepted> {
        std::mem::take(&mut self.accepted)
    }

    /// An end has read these bytes: whole packets, and it has handled them.
    pub(super) fn consumed(&mut self, link: LinkId, end: End, mut bytes: &[u8], marks: &mut Marks) {
        let (tap, sessions) = self.tap(link, end);
        while let Some(packet) = tap.decode(end, &mut bytes) {
            tap.read(&packet, end, sessions, marks);
        }
    }

    /// An end has written these bytes: whole packets.
    pub(super) fn sent(&mut self, link: LinkId, end: End, mut bytes: &[u8], marks: &mut Marks) -> Finding {
        let Self { taps, sessions, accepted } = self;
        let tap = taps.entry((link, end)).or_insert_with(|| Tap::new(link));
        while !bytes.is_empty() {
            let before = bytes.len();
            let Some(packet) = tap.decode(end.other(), &mut bytes) else {
                return Err((
                    Check::Sequence,
                    format!("{end:?} end of {link:?} wrote what is no packet: {bytes:02x?}"),
                ));
            };
            let length = before - bytes.len();
            let kind = packet.packet_type();
            if let (Packet::ConnAck(connack), Some(client_id)) = (&packet, &tap.client_id)
                && connack.reason_code == ReasonCode::Success
            {
                accepted.push(Accepted {
                    link,
                    client_id: client_id.clone(),
                    session_present: connack.session_present,
                    asks_clean: tap.asks_clean,
                    expiry_interval: connack.properties.session_expiry_interval().unwrap_or(tap.expiry_interval),
                });
            }
            tap.write(&packet, length, end, sessions, marks).map_err(|(check, what)| {
                let client = tap.client_id.as_deref().unwrap_or("?");
                (check, format!("{end:?} end of {client} on {link:?}, {kind:?}: {what}"))
            })?;
        }
        Ok(())
    }
}

impl Tap {
    const fn new(link: LinkId) -> Self {
        Self {
            link,
            version: Version::V5,
            client_id: None,
            has_begun: false,
            asks_clean: false,
            expiry_interval: 0,
            is_brief: false,
            has_said_goodbye: false,
            is_resumed: false,
            peer_receive_maximum: u16::MAX,
            peer_packet_bytes_max: u32::MAX,
            peer_maximum_qos: QoS::ExactlyOnce,
            peer_takes_less: false,
            in_flight: BTreeSet::new(),
            asked: BTreeMap::new(),
            to_answer: BTreeMap::new(),
            pings: 0,
            due_puback: VecDeque::new(),
            due_pubrec: VecDeque::new(),
            due_pubcomp: VecDeque::new(),
            strange_pubrec: BTreeSet::new(),
            last_again: None,
            peer_topic_alias_maximum: 0,
            aliases: BTreeMap::new(),
        }
    }

    /// Reads a packet as the end that gets it. The version is that of CONNECT.
    fn decode<'b>(&mut self, reader: End, bytes: &mut &'b [u8]) -> Option<Packet<'b>> {
        if reader == End::Server && !self.has_begun && self.client_id.is_none() {
            let codec = [Version::V5, Version::V3_1_1].map(Codec::server);
            let (codec, packet) = codec.into_iter().find_map(|codec| {
                let mut rest = *bytes;
                let packet = codec.decode(&mut rest).ok().flatten()?;
                *bytes = rest;
                Some((codec, packet))
            })?;
            self.version = codec.version;
            return Some(packet);
        }
        let mut codec = if reader == End::Server { Codec::server(self.version) } else { Codec::client(self.version) };
        codec.packet_bytes_max = u32::MAX;
        codec.decode(bytes).ok().flatten()
    }

    fn session<'s>(&self, end: End, sessions: &'s mut BTreeMap<(String, End), Flights>) -> &'s mut Flights {
        sessions.entry((self.client_id.clone().unwrap_or_default(), end)).or_default()
    }

    // --- what an end reads ---------------------------------------------------------------------------------------------

    fn read(
        &mut self,
        packet: &Packet<'_>,
        end: End,
        sessions: &mut BTreeMap<(String, End), Flights>,
        marks: &mut Marks,
    ) {
        match packet {
            Packet::Connect(connect) => {
                self.client_id = Some(connect.client_id.as_str().into());
                let properties = &connect.properties;
                self.peer_topic_alias_maximum = properties.topic_alias_maximum().unwrap_or(0);
                self.asks_clean = connect.clean_start;
                self.expiry_interval = asked_expiry(self.version, connect);
                self.peer_receive_maximum = properties.receive_maximum().map_or(u16::MAX, |maximum| maximum.get());
                self.peer_packet_bytes_max = properties.maximum_packet_size().map_or(u32::MAX, |maximum| maximum.get());
            }
            Packet::ConnAck(connack) if connack.reason_code == ReasonCode::Success => {
                let properties = &connack.properties;
                self.peer_receive_maximum = properties.receive_maximum().map_or(u16::MAX, |maximum| maximum.get());
                self.peer_packet_bytes_max = properties.maximum_packet_size().map_or(u32::MAX, |maximum| maximum.get());
                self.peer_topic_alias_maximum = properties.topic_alias_maximum().unwrap_or(0);
                self.peer_maximum_qos = properties.maximum_qos().unwrap_or(QoS::ExactlyOnce);
                self.peer_takes_less =
                    self.peer_maximum_qos < QoS::ExactlyOnce || properties.maximum_packet_size().is_some();
                self.is_brief = properties.session_expiry_interval().unwrap_or(self.expiry_interval) == 0;
                self.begin(connack.session_present, end, sessions);
            }
            Packet::Publish(publish) => match (publish.delivery.qos(), publish.delivery.packet_id()) {
                (QoS::AtLeastOnce, Some(id)) => self.due_puback.push_back(id.get()),
                (QoS::ExactlyOnce, Some(id)) => {
                    self.due_pubrec.push_back(id.get());
                    if self.session(end, sessions).received.contains(&id.get()) {
                        marks.hit(Mark::Qos2Repeated);
                    }
                }
                _ => {}
            },
            Packet::PubAck(ack) => self.land(ack.packet_id.get(), end, sessions),
            Packet::PubRec(ack) if ack.reason_code.is_failure() => self.land(ack.packet_id.get(), end, sessions),
            Packet::PubRec(ack) => match self.session(end, sessions).flights.get_mut(&ack.packet_id.get()) {
                Some(flight) => flight.is_released = true,
                None => drop(self.strange_pubrec.insert(ack.packet_id.get())),
            },
            Packet::PubRel(ack) => {
                self.due_pubcomp.push_back(ack.packet_id.get());
                self.session(end, sessions).received.remove(&ack.packet_id.get());
            }
            Packet::PubComp(ack) => self.land(ack.packet_id.get(), end, sessions),
            Packet::Subscribe(packet) => {
                self.to_answer.insert(packet.packet_id.get(), packet.subscriptions.len());
            }
            Packet::Unsubscribe(packet) => {
                self.to_answer.insert(packet.packet_id.get(), packet.filters.len());
            }
            Packet::SubAck(SubAck { packet_id, .. }) | Packet::UnsubAck(UnsubAck { packet_id, .. }) => {
                self.asked.remove(&packet_id.get());
            }
            Packet::PingReq => self.pings += 1,
            _ => {}
        }
    }

    /// Both ends agree on what they have in common.
    fn begin(&mut self, session_present: bool, end: End, sessions: &mut BTreeMap<(String, End), Flights>) {
        self.is_resumed = session_present;
        let (bytes_max, maximum_qos) = (self.peer_packet_bytes_max as usize, self.peer_maximum_qos);
        let session = self.session(end, sessions);
        session.link = Some(self.link);
        if !session_present {
            session.received.clear();
        }
        session.flights.retain(|_, flight| {
            // What the peer took on an earlier connection, and takes no more, can't be sent again. At QoS 2 a PUBREL still ends it.
            let may_come_again = flight.bytes <= bytes_max && flight.qos <= maximum_qos;
            session_present && (may_come_again || flight.qos == QoS::ExactlyOnce)
        });
    }

    fn land(&mut self, id: u16, end: End, sessions: &mut BTreeMap<(String, End), Flights>) {
        let link = self.link;
        let session = self.session(end, sessions);
        if session.link == Some(link) {
            session.flights.remove(&id);
        }
        self.in_flight.remove(&id);
    }

    // --- what it writes ------------------------------------------------------------------------------------------------

    fn write(
        &mut self,
        packet: &Packet<'_>,
        length: usize,
        end: End,
        sessions: &mut BTreeMap<(String, End), Flights>,
        marks: &mut Marks,
    ) -> Finding {
        let first = if end == End::Client { PacketType::Connect } else { PacketType::ConnAck };
        if self.has_begun == (packet.packet_type() == first) {
            return sequence(format!("{first:?} comes first, and once"));
        }
        if self.has_said_goodbye {
            return sequence("after disconnect");
        }
        self.has_begun = true;
        if length > self.peer_packet_bytes_max as usize {
            return Err((Check::Sizes, format!("{length} bytes; the peer takes {}", self.peer_packet_bytes_max)));
        }
        match packet {
            Packet::Connect(connect) => {
                self.client_id = Some(connect.client_id.as_str().into());
                self.expiry_interval = asked_expiry(self.version, connect);
                marks.hit(if self.version == Version::V5 { Mark::Version5 } else { Mark::Version311 });
                Ok(())
            }
            Packet::ConnAck(connack) => {
                if connack.reason_code == ReasonCode::Success {
                    self.begin(connack.session_present, end, sessions);
                }
                Ok(())
            }
            Packet::Publish(publish) => self.write_publish(publish, length, end, sessions, marks),
            Packet::PubAck(ack) => in_turn(&mut self.due_puback, ack.packet_id.get()),
            Packet::PubRec(ack) => {
                if !ack.reason_code.is_failure() {
                    self.session(end, sessions).received.insert(ack.packet_id.get());
                }
                in_turn(&mut self.due_pubrec, ack.packet_id.get())
            }
            Packet::PubComp(ack) => in_turn(&mut self.due_pubcomp, ack.packet_id.get()),
            Packet::PubRel(ack) => self.write_pubrel(ack.packet_id.get(), end, sessions, marks),
            Packet::Subscribe(packet) => self.ask(packet.packet_id.get(), packet.subscriptions.len(), end, sessions),
            Packet::Unsubscribe(packet) => self.ask(packet.packet_id.get(), packet.filters.len(), end, sessions),
            Packet::SubAck(ack) => self.answer(ack.packet_id.get(), Some(ack.reason_codes.len())),
            Packet::UnsubAck(ack) => {
                let count = self.version.unsuback_carries_reasons().then(|| ack.reason_codes.len());
                self.answer(ack.packet_id.get(), count)
            }
            Packet::PingResp => match self.pings.checked_sub(1) {
                Some(left) => {
                    self.pings = left;
                    Ok(())
                }
                None => sequence("nobody has asked"),
            },
            Packet::Disconnect(_) => {
                self.has_said_goodbye = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn write_publish(
        &mut self,
        publish: &Publish<'_>,
        bytes: usize,
        end: End,
        sessions: &mut BTreeMap<(String, End), Flights>,
        marks: &mut Marks,
    ) -> Finding {
        let topic = self.topic_of(publish, marks)?;
        let Some(id) = publish.delivery.packet_id().map(|id| id.get()) else { return Ok(()) };
        let (qos, dup) = (publish.delivery.qos(), publish.delivery.dup());
        let content = fingerprint(&(topic, publish.payload));
        if self.asked.contains_key(&id) {
            return Err((Check::PacketIds, format!("#{id} belongs to a request")));
        }
        let (link, is_resumed) = (self.link, self.is_resumed);
        let flights = sessions.entry((self.client_id.clone().unwrap_or_default(), end)).or_default();
        if flights.link != Some(link) {
            // The session has gone to another connection. What this one had encoded before may still go out.
            return Ok(());
        }
        let is_another = flights.flights.get(&id).is_some_and(|flight| flight.content != content || flight.qos != qos);
        if !dup || is_another {
            flights.reuse(id, is_resumed && !self.in_flight.contains(&id));
        }
        if let Some(flight) = flights.flights.get(&id) {
            if !dup || flight.content != content || flight.qos != qos {
                return Err((Check::PacketIds, format!("#{id} is in flight")));
            }
            if flight.is_released {
                return sequence(format!("#{id} has been received by the peer; it must not come again"));
            }
        }
        if dup && !is_resumed {
            return sequence(format!("#{id} is a repeat, but there is no earlier connection"));
        }
        let place = flights.flights.get(&id).map(|flight| flight.place);
        if place.is_none() {
            flights.count += 1;
            let place = (!dup).then_some(flights.count);
            let flight = Flight { content, qos, bytes, is_released: false, has_sent_pubrel: false, place };
            flights.flights.insert(id, flight);
        }
        if dup {
            marks.hit(Mark::PublishAgain);
        }
        if let Some(place) = place {
            if self.in_flight.contains(&id) {
                return sequence(format!("#{id} is sent twice on one connection"));
            }
            if place.is_some_and(|place| self.last_again.is_some_and(|last| last > place)) {
                return Err((Check::Order, format!("#{id} is sent again out of its order")));
            }
            self.last_again = place.or(self.last_again);
        }
        self.in_flight.insert(id);
        let maximum = usize::from(self.peer_receive_maximum);
        if self.in_flight.len() > maximum {
            return Err((Check::Quota, format!("{} in flight; the peer takes {maximum}", self.in_flight.len())));
        }
        if self.in_flight.len() == maximum {
            marks.hit(Mark::QuotaExhausted);
        }
        Ok(())
    }

    /// The topic that the peer will take it for: v5\[MQTT-3.3.2-9\] v5\[MQTT-3.3.2-11\].
    fn topic_of(&mut self, publish: &Publish<'_>, marks: &mut Marks) -> Result<String, (Check, String)> {
        let topic = publish.topic.map(|topic| String::from(topic.as_str()));
        let Some(alias) = publish.properties.topic_alias() else { return Ok(topic.unwrap_or_default()) };
        if alias.get() > self.peer_topic_alias_maximum {
            let maximum = self.peer_topic_alias_maximum;
            return Err((Check::Sequence, format!("topic alias {alias:?}; the peer takes {maximum}")));
        }
        match (topic, self.aliases.get(&alias)) {
            (Some(topic), _) => {
                self.aliases.insert(alias, topic.clone());
                Ok(topic)
            }
            (None, Some(topic)) => {
                marks.hit(Mark::Alias);
                Ok(topic.clone())
            }
            (None, None) => Err((Check::Sequence, format!("topic alias {alias:?} stands for nothing"))),
        }
    }

    fn write_pubrel(
        &mut self,
        id: u16,
        end: End,
        sessions: &mut BTreeMap<(String, End), Flights>,
        marks: &mut Marks,
    ) -> Finding {
        if self.strange_pubrec.remove(&id) {
            return Ok(());
        }
        let session = sessions.entry((self.client_id.clone().unwrap_or_default(), end)).or_default();
        if session.link != Some(self.link) {
            return Ok(());
        }
        // One of an earlier connection that is given up is released without PUBREC, or its identifier could never be used again.
        let may_give_up = self.is_resumed && !self.in_flight.contains(&id);
        match session.flights.get_mut(&id) {
            Some(flight) if flight.is_released || may_give_up => {
                flight.is_released = true;
                if flight.has_sent_pubrel {
                    marks.hit(Mark::ReleaseAgain);
                }
                flight.has_sent_pubrel = true;
                Ok(())
            }
            Some(_) => sequence(format!("#{id} has not been received by the peer")),
            // It was given up, and its PUBLISH had never got as far as the wire.
            None if may_give_up && (self.peer_takes_less || session.given_up > 0) => Ok(()),
            None => sequence(format!("#{id} is not in flight")),
        }
    }

    fn ask(&mut self, id: u16, count: usize, end: End, sessions: &mut BTreeMap<(String, End), Flights>) -> Finding {
        let is_of_old = self.is_resumed && !self.in_flight.contains(&id);
        let session = self.session(end, sessions);
        session.reuse(id, is_of_old);
        let is_used = session.flights.contains_key(&id);
        if is_used || self.asked.insert(id, count).is_some() {
            return Err((Check::PacketIds, format!("#{id} is in use")));
        }
        Ok(())
    }

    fn answer(&mut self, id: u16, count: Option<usize>) -> Finding {
        match self.to_answer.remove(&id) {
            Some(asked) if count.is_none_or(|count| count == asked) => Ok(()),
            Some(asked) => sequence(format!("{count:?} codes for {asked} filters")),
            None => sequence(format!("nobody has asked #{id}")),
        }
    }
}

impl Flights {
    /// An identifier is used for something new. That of a message of an earlier connection may have been given up before.
    fn reuse(&mut self, id: u16, is_of_old: bool) {
        if is_of_old && self.given_up > 0 && self.flights.remove(&id).is_some() {
            self.given_up -= 1;
        }
    }
}

fn sequence(what: impl Into<String>) -> Finding {
    Err((Check::Sequence, what.into()))
}

/// Seconds that a client asks its session to outlive the connection.
fn asked_expiry(version: Version, connect: &Connect<'_>) -> u32 {
    let unsaid = if version.has_session_expiry() || connect.clean_start { 0 } else { u32::MAX };
    connect.properties.session_expiry_interval().unwrap_or(unsaid)
}

/// An acknowledgement comes in the order of what it acknowledges.
fn in_turn(due: &mut VecDeque<u16>, id: u16) -> Finding {
    match due.iter().position(|&due| due == id) {
        Some(0) => {
            due.pop_front();
            Ok(())
        }
        Some(_) => Err((Check::Order, format!("#{id} before {:?}", due.front()))),
        None => sequence(format!("#{id} has not come")),
    }
}

/// What one end says of the other when a connection ends, if it is an accusation. All ends here are honest.
pub(super) fn accusation(cause: DisconnectCause, marks: &mut Marks) -> Option<String> {
    match cause {
        DisconnectCause::Malformed(_) | DisconnectCause::Violation(_) => Some(cause.to_string()),
        DisconnectCause::Peer(code) if is_accusation(code) => Some(cause.to_string()),
        DisconnectCause::ConnectTimeout => {
            marks.hit(Mark::ConnectTimeout);
            None
        }
        DisconnectCause::KeepAliveTimeout => {
            marks.hit(Mark::KeepAliveTimeout);
            None
        }
        _ => None,
    }
}

fn is_accusation(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::MalformedPacket
            | ReasonCode::ProtocolError
            | ReasonCode::ReceiveMaximumExceeded
            | ReasonCode::TopicAliasInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::QosNotSupported
            | ReasonCode::RetainNotSupported
    )
}
