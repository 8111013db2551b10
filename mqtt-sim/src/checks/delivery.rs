//! Which messages have to come, how often, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_proto::{QoS, ReasonCode, Subscription, TopicFilter, TopicFilterBuf, TopicName};
use mqtt_session::{AckToken, Acknowledge, Client, Message, Outcome, PublishId, Published, Received, RequestId};

use super::{Check, Finding};
use crate::marks::{Mark, Marks};
use crate::trace::fingerprint;

/// Room for everything in a PUBLISH that is neither topic nor payload.
const OVERHEAD_BYTES: usize = 32;

/// A model of who has to get what, by what clients see alone. It believes nobody: not the server's router, and no machine.
///
/// Messages are told apart by topic and payload. Moments are numbers that grow: two things in one turn still have an order.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    moment: u64,
    clients: Vec<Party>,
    messages: Vec<Tracked>,
    by_content: BTreeMap<u64, usize>,
    /// Messages that the server says it had no room for, by client.
    dropped: BTreeSet<(usize, usize)>,
}

#[derive(Debug)]
struct Party {
    id: String,
    packet_bytes_max: u32,
    acknowledges: bool,
    pending: BTreeMap<PublishId, usize>,
    windows: Vec<Window>,
    asked: BTreeMap<RequestId, Vec<(TopicFilterBuf, QoS)>>,
    /// Filters that were ever asked for.
    filters: BTreeSet<Vec<u8>>,
    /// Messages handed out on this connection, to be acknowledged.
    owed: Vec<(AckToken, usize)>,
    /// The server has begun a new session, and the client has not connected since.
    is_forgotten: bool,
    /// It has taken a new session for its old one. So it may take a new QoS 2 message for a repeat of an old one with the same identifier.
    is_mistaken: bool,
    /// What came last for the first time, by publisher, topic and both QoS.
    last_first: BTreeMap<(usize, u64, QoS, QoS), u64>,
    got: BTreeMap<usize, Got>,
}

/// A time during which a client was subscribed for certain.
#[derive(Debug)]
struct Window {
    filter: TopicFilterBuf,
    qos: QoS,
    from: u64,
    until: Option<u64>,
    /// It ended with the session: what was on its way may be lost.
    is_lost: bool,
    /// The client may miss messages at QoS 2.
    is_doubtful: bool,
}

/// A message that somebody has published.
#[derive(Debug)]
struct Tracked {
    publisher: usize,
    /// Among those of its publisher.
    number: u64,
    topic: String,
    bytes: usize,
    qos: QoS,
    accepted: u64,
    /// It has a Message Expiry Interval, and may be dropped anywhere.
    may_expire: bool,
    /// When the server had it.
    delivered: Option<u64>,
    /// Its publisher's session was replaced while it was in flight.
    may_come_twice: bool,
}

/// How a client got a message.
#[derive(Debug, Default)]
struct Got {
    times: u32,
    taken: u32,
    qos: QoS,
}

impl Deliveries {
    pub(super) fn add_client(&mut self, client: &Client) {
        let options = client.options();
        self.clients.push(Party {
            id: options.client_id.clone(),
            packet_bytes_max: options.packet_bytes_max,
            acknowledges: options.acknowledge == Acknowledge::Manually,
            pending: BTreeMap::new(),
            windows: Vec::new(),
            asked: BTreeMap::new(),
            filters: BTreeSet::new(),
            owed: Vec::new(),
            is_forgotten: false,
            is_mistaken: false,
            last_first: BTreeMap::new(),
            got: BTreeMap::new(),
        });
    }

    pub(super) fn client_id(&self, client: usize) -> &str {
        &self.clients[client].id
    }

    fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    pub(super) fn accepted(&mut self, client: usize, message: &Message<'_>, published: Published) {
        let accepted = self.tick();
        let index = self.messages.len();
        let topic = message.topic.as_str();
        self.by_content.insert(content(topic, &message.payload), index);
        self.messages.push(Tracked {
            publisher: client,
            number: index as u64,
            topic: topic.into(),
            bytes: topic.len() + message.payload.len() + OVERHEAD_BYTES,
            qos: message.qos,
            accepted,
            may_expire: message.properties.message_expiry_interval().is_some(),
            delivered: None,
            may_come_twice: false,
        });
        if let Published::Pending(id) = published {
            self.clients[client].pending.insert(id, index);
        }
    }

    pub(super) fn settled(&mut self, client: usize, id: PublishId, outcome: Outcome) {
        let now = self.tick();
        if let Some(index) = self.clients[client].pending.remove(&id)
            && matches!(outcome, Outcome::Delivered(_))
        {
            self.messages[index].delivered = Some(now);
        }
    }

    pub(super) fn subscribing(&mut self, client: usize, id: RequestId, subscriptions: &[Subscription<'_>]) {
        let now = self.tick();
        let party = &mut self.clients[client];
        for subscription in subscriptions {
            party.close(subscription.filter, now);
            party.filters.insert(subscription.filter.as_bytes().into());
        }
        let asked = subscriptions.iter().map(|one| (one.filter.into(), one.options.qos)).collect();
        party.asked.insert(id, asked);
    }

    pub(super) fn subscribed(&mut self, client: usize, id: RequestId, codes: &[ReasonCode]) {
        let from = self.tick();
        let party = &mut self.clients[client];
        for ((filter, _), code) in party.asked.remove(&id).unwrap_or_default().into_iter().zip(codes) {
            if let Some(qos) = QoS::from_u8(code.as_u8()) {
                let is_doubtful = party.is_mistaken;
                // The answer may be one from before the server began anew.
                let is_lost = party.is_forgotten;
                party.windows.push(Window { filter, qos, from, until: None, is_lost, is_doubtful });
            }
        }
    }

    pub(super) fn unsubscribing(&mut self, client: usize, filters: &[TopicFilter<'_>]) {
        let now = self.tick();
        filters.iter().for_each(|&filter| self.clients[client].close(filter, now));
    }

    /// The server has begun a new session for this client. If the client never hears of it, it will take that one for the old one: then its subscriptions are gone,
    /// and what it sends again may come twice. MQTT has no remedy, so nobody is blamed.
    pub(super) fn forgotten(&mut self, client_id: &str) {
        let now = self.tick();
        let Some(party) = self.clients.iter_mut().find(|party| party.id == client_id) else { return };
        party.is_forgotten = true;
        for window in &mut party.windows {
            window.is_lost = true;
            window.until.get_or_insert(now);
        }
        for &index in party.pending.values() {
            self.messages[index].may_come_twice = true;
        }
    }

    pub(super) fn connected(&mut self, client: usize, session_present: bool, marks: &mut Marks) {
        let party = &mut self.clients[client];
        if std::mem::take(&mut party.is_forgotten) && session_present {
            marks.hit(Mark::ReplacedUnnoticed);
            party.is_mistaken = true;
        }
        party.is_mistaken &= session_present;
    }

    /// Answers will not come any more, and acknowledgements are stale.
    pub(super) fn disconnected(&mut self, client: usize) {
        self.clients[client].asked.clear();
        self.clients[client].owed.clear();
    }

    pub(super) fn dropped(&mut self, client_id: &str, topic: &str, payload: &[u8]) {
        let client = self.clients.iter().position(|party| party.id == client_id);
        if let (Some(client), Some(&index)) = (client, self.by_content.get(&content(topic, payload))) {
            self.dropped.insert((client, index));
        }
    }

    pub(super) fn received(&mut self, client: usize, received: &Received<'_>, marks: &mut Marks) -> Finding {
        let topic = received.topic();
        let Some(&index) = self.by_content.get(&content(topic.as_str(), received.payload())) else {
            return Err((Check::Provenance, format!("client {client} got what nobody has published, on {topic}")));
        };
        let message = &self.messages[index];
        let party = &mut self.clients[client];
        if received.qos() > message.qos {
            let what =
                format!("client {client} got message {index} at {}, published at {}", received.qos(), message.qos);
            return Err((Check::Provenance, what));
        }
        if !party.filters.iter().any(|filter| matches(filter, &message.topic)) {
            return Err((
                Check::Provenance,
                format!("client {client} got message {index} on {topic}, and never asked"),
            ));
        }
        let got = party.got.entry(index).or_default();
        got.times += 1;
        got.qos = received.qos();
        if let Some(token) = received.token() {
            party.owed.push((token, index));
        } else {
            got.taken += 1;
        }
        if got.times > 1 {
            marks.hit(Mark::Qos1Repeated);
        }
        if got.taken > 1 && message.comes_once(got.qos) {
            return Err((Check::ExactlyOnce, format!("client {client} got message {index} at {} again", got.qos)));
        }
        if got.times == 1 {
            let stream = (message.publisher, fingerprint(&message.topic), message.qos, received.qos());
            let last = party.last_first.insert(stream, message.number);
            // What is sent again at QoS 1 may be new to somebody: who has subscribed in between, or whose first copy was lost at QoS 0, had expired or found no room.
            let is_served =
                |window: &Window| window.until.is_none() && window.qos > QoS::AtMostOnce && window.precedes(message);
            let comes_anew = message.qos == QoS::AtLeastOnce || message.may_come_twice;
            let was_left_out = message.may_expire || self.dropped.contains(&(client, index));
            let may_be_late = comes_anew && (was_left_out || !party.windows.iter().any(is_served));
            if let Some(last) = last.filter(|&last| last > message.number && !may_be_late) {
                let what = format!("client {client} got message {} on {topic} only after {last}", message.number);
                return Err((Check::Order, what));
            }
        }
        Ok(())
    }

    pub(super) fn acknowledged(&mut self, client: usize, token: AckToken, worked: bool, marks: &mut Marks) -> Finding {
        let party = &mut self.clients[client];
        let place = party.owed.iter().position(|(owed, _)| *owed == token);
        let Some(place) = place.filter(|_| worked) else {
            marks.hit(Mark::StaleAck);
            return match (place, worked) {
                (Some(_), _) => Err((Check::Sessions, format!("client {client}: a fresh acknowledgement was refused"))),
                (None, true) => Err((Check::Sessions, format!("client {client}: a stale acknowledgement was taken"))),
                (None, false) => Ok(()),
            };
        };
        if place > 0 {
            marks.hit(Mark::AckOutOfOrder);
        }
        let (_, index) = party.owed.remove(place);
        let (message, got) = (&self.messages[index], party.got.entry(index).or_default());
        got.taken += 1;
        if got.taken > 1 && message.comes_once(got.qos) {
            return Err((Check::ExactlyOnce, format!("client {client} took message {index} at {} again", got.qos)));
        }
        Ok(())
    }

    /// Whoever was subscribed while a message went through has it now.
    pub(super) fn at_rest(&self) -> Finding {
        for (index, message) in self.messages.iter().enumerate() {
            let must_come = message.qos > QoS::AtMostOnce && !message.may_expire;
            let Some(delivered) = message.delivered.filter(|_| must_come) else { continue };
            for (client, party) in self.clients.iter().enumerate() {
                let mut windows = party.windows.iter().filter(|window| window.covers(message, delivered));
                let is_owed = windows.clone().next().is_some()
                    && !(message.qos == QoS::ExactlyOnce && windows.any(|window| window.is_doubtful));
                let is_excused =
                    message.bytes > party.packet_bytes_max as usize || self.dropped.contains(&(client, index));
                let taken = party.got.get(&index).map_or(0, |got| got.taken);
                if is_owed && !is_excused && taken == 0 {
                    let check = if message.qos == QoS::ExactlyOnce { Check::ExactlyOnce } else { Check::AtLeastOnce };
                    let (topic, qos, publisher) = (&message.topic, message.qos, message.publisher);
                    let handed = party.got.get(&index).map_or(0, |got| got.times);
                    let acknowledges = party.acknowledges;
                    let what = format!(
                        "client {client} never took message {index} of client {publisher} on {topic} at {qos} (handed out {handed} times, acknowledges by hand: {acknowledges})"
                    );
                    return Err((check, what));
                }
            }
        }
        Ok(())
    }
}

impl Party {
    /// From now on it is not certain that the client is subscribed.
    fn close(&mut self, filter: TopicFilter<'_>, now: u64) {
        for window in self.windows.iter_mut().filter(|window| window.filter.as_filter() == filter) {
            window.until.get_or_insert(now);
        }
    }
}

impl Window {
    /// The subscription was there before the message, and it is one for it.
    fn precedes(&self, message: &Tracked) -> bool {
        !self.is_lost && self.from < message.accepted && matches(self.filter.as_filter().as_bytes(), &message.topic)
    }

    /// And it was there when the server had the message.
    fn covers(&self, message: &Tracked, delivered: u64) -> bool {
        self.qos > QoS::AtMostOnce && self.until.is_none_or(|until| delivered < until) && self.precedes(message)
    }
}

impl Tracked {
    /// Received at this QoS, it comes once at most. At QoS 1 a repeat may come before a hop at QoS 0.
    fn comes_once(&self, received: QoS) -> bool {
        !self.may_come_twice && self.qos != QoS::AtLeastOnce && received != QoS::AtLeastOnce
    }
}

fn matches(filter: &[u8], topic: &str) -> bool {
    let filter = std::str::from_utf8(filter).ok().and_then(|filter| TopicFilter::new(filter).ok());
    filter.zip(TopicName::new(topic).ok()).is_some_and(|(filter, topic)| filter.matches(topic))
}

fn content(topic: &str, payload: &[u8]) -> u64 {
    fingerprint(&(topic, payload))
}
