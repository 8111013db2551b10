//! A crowd of clients that publish and subscribe at random, and what happens to them: all of it out of one seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mqtt_proto::{PropertiesBuf, Property, QoS, Subscription, TopicFilter, TopicName, Version};
use mqtt_session::{
    AckToken, Acknowledge, ConnectOptions, Event, Instant, Message, RequestId, ServerOptions, WhenFull,
};

use crate::app::{App, Handle};
use crate::fault::{Fault, TimedFault, offer, random_faults};
use crate::marks::Mark;
use crate::random::Random;
use crate::trial::Step;
use crate::wire::Weather;
use crate::world::World;

const TOPICS: &[&str] = &["a", "a/b", "a/b/c", "b/c", "b/c/d", "$own/x"];
const FILTERS: &[&str] = &["a", "a/b", "a/#", "+/b/#", "b/+", "#", "+/c", "$own/+"];
/// Everybody is subscribed to this one, and at the end everybody says something on it.
const ALL: &str = "all";
const DEEDS_MIN: u64 = 200;

/// Something that a client does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deed {
    /// It publishes something.
    Publish {
        /// What makes the payload another one than all others.
        number: u32,
        /// Where.
        topic: &'static str,
        /// How hard.
        qos: QoS,
        /// How long the payload is.
        bytes: usize,
        /// Seconds after which nobody wants it any more.
        expires: Option<u32>,
    },
    /// It subscribes.
    Subscribe {
        /// To what.
        filter: &'static str,
        /// At most at this QoS.
        qos: QoS,
    },
    /// It unsubscribes.
    Unsubscribe {
        /// From what.
        filter: &'static str,
    },
}

/// Who is in a world, and what happens in it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    seed: u64,
    clients: Vec<ConnectOptions>,
    patience: Vec<Patience>,
    server: ServerOptions,
    weather: Weather,
    /// When the faults end.
    until: Instant,
    pub(crate) steps: Vec<Step>,
}

/// How late a client acknowledges, where it does that itself.
#[derive(Clone, Copy, Debug)]
struct Patience {
    millis_max: u64,
    in_order: bool,
    /// Then it acknowledges at once, or a slow one would still be at it when all others have come to rest.
    until: Instant,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5EED);
        let count = random.within(2..=4) as usize;
        let only_v5 = random.percent(50);
        let clients: Vec<_> = (0..count).map(|index| client(&mut random, index, only_v5)).collect();
        let all_can_be_told = clients.iter().all(|options| options.version.has_properties());
        let mut server =
            if random.percent(50) { ServerOptions::default() } else { offer(&mut random, all_can_be_told) };
        server.limits.attempts_max = u32::MAX;
        let until = Instant::from_micros(random.within(10_000_000..=40_000_000));
        let patience = (0..count)
            .map(|_| Patience { millis_max: random.pick(&[0, 100, 8_000]), in_order: random.percent(70), until })
            .collect();
        let faults_max = if random.percent(4) { 0 } else { random.within(6..=40) };
        let faults = random_faults(&mut random, count, faults_max as usize, until);
        let mut steps: Vec<_> = faults
            .into_iter()
            .map(|TimedFault { at, fault }| match fault {
                Fault::Offer(_) => Step::Fault(at, Fault::Offer(Box::new(offer(&mut random, all_can_be_told)))),
                fault => Step::Fault(at, fault),
            })
            .collect();
        let deeds = DEEDS_MIN + random.within(0..=100);
        for number in 0..deeds {
            // A burst at times.
            let at = Instant::from_micros(random.within(0..=until.as_micros()));
            let at = if random.percent(30) { Instant::from_micros(at.as_micros() / 4_000_000 * 4_000_000) } else { at };
            steps.push(Step::Deed(at, random.index(count), deed(&mut random, number as u32)));
        }
        for index in 0..count {
            for (nth, qos) in [QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().enumerate() {
                let deed = Deed::Publish {
                    number: (deeds as usize + 2 * index + nth) as u32,
                    topic: ALL,
                    qos,
                    bytes: 16,
                    expires: None,
                };
                steps.push(Step::Deed(until + Duration::from_secs(2), index, deed));
            }
        }
        let weather = Weather {
            latency_max: Duration::from_millis(random.pick(&[2, 20, 200, 900])),
            split_percent: random.pick(&[0, 30, 80]),
            join_percent: random.pick(&[0, 30, 80]),
            bytes_per_second: random.pick(&[20_000, 100_000, 10_000_000]),
            window_bytes: random.pick(&[100, 2_000, 65_536]),
            ..Weather::default()
        };
        Self { seed, clients, patience, server, weather, until, steps }
    }

    /// The world in which these steps happen.
    pub(crate) fn world(&self, steps: &[Step]) -> World {
        let mut world = World::new(self.seed);
        world.payloads_are_unique();
        world.offer(self.server.clone());
        *world.weather_mut() = self.weather.clone();
        for (index, (options, patience)) in self.clients.iter().zip(&self.patience).enumerate() {
            let mut deeds: Vec<_> = steps
                .iter()
                .filter_map(|step| match step {
                    Step::Deed(at, client, deed) if *client == index => Some((*at, deed.clone())),
                    _ => None,
                })
                .collect();
            deeds.sort_by_key(|(at, _)| *at);
            let random = Random::new(self.seed.wrapping_add(index as u64));
            world.add(options.clone(), Worker::new(deeds.into(), random, *patience));
        }
        let faults: Vec<_> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Fault(at, fault) => Some(TimedFault { at: *at, fault: fault.clone() }),
                Step::Deed(..) => None,
            })
            .collect();
        world.schedule(&faults);
        world
    }

    /// Lets it all happen.
    pub(crate) fn drive(&self, world: &mut World) {
        world.run_until(self.until);
        // The breach stays with the world.
        let _ = world.rest(Duration::from_secs(180));
    }

    /// Who takes part, in words.
    pub(crate) fn describe(&self) -> String {
        let clients: Vec<_> = self
            .clients
            .iter()
            .zip(&self.patience)
            .map(|(options, patience)| {
                format!(
                    "{} {} clean {} expiry {} keep alive {} receive maximum {} packets {} {:?} {patience:?} limits {:?}",
                    options.client_id,
                    options.version,
                    options.clean_start,
                    options.session_expiry_interval,
                    options.keep_alive,
                    options.receive_maximum,
                    options.packet_bytes_max,
                    options.acknowledge,
                    options.limits,
                )
            })
            .collect();
        format!("clients: {}\nserver: {:?}\nweather: {:?}", clients.join("\n         "), self.server, self.weather)
    }
}

fn client(random: &mut Random, index: usize, only_v5: bool) -> ConnectOptions {
    let mut options = ConnectOptions::new(format!("c{index}"));
    options.version = if only_v5 { Version::V5 } else { random.pick(&[Version::V5, Version::V3_1_1]) };
    options.clean_start = random.percent(15);
    if options.version.has_session_expiry() && !options.clean_start {
        options.session_expiry_interval = random.pick(&[u32::MAX, u32::MAX, 3_600, 5, 1]);
    }
    options.keep_alive = random.pick(&[0, 2, 5, 20]);
    options.receive_maximum = random.pick(&[1, 2, 5, 100]);
    if options.version.has_properties() {
        options.packet_bytes_max = random.pick(&[200, 1 << 20, 1 << 20]);
    }
    options.acknowledge = random.pick(&[Acknowledge::AtOnce, Acknowledge::Manually]);
    options.limits.connect_timeout = Duration::from_secs(random.within(1..=10));
    options.topic_alias_maximum = random.pick(&[0, 1, 10]);
    options.limits.topic_aliases_max = random.pick(&[0, 2, 100]);
    options.limits.attempts_max = random.pick(&[1, 3, u32::MAX, u32::MAX, u32::MAX]);
    options.limits.queued_time_max = random.pick(&[None, None, None, Some(Duration::from_secs(2))]);
    options.limits.when_full = random.pick(&[WhenFull::Refuse, WhenFull::DropOldest, WhenFull::DropNewest]);
    options.limits.in_flight_max = random.pick(&[1, 3, 100]);
    options.limits.in_flight_before_5_max = random.pick(&[1, 3, 20]);
    options.limits.queued_messages_max = random.pick(&[10, 1_000, 1_000]);
    options.limits.queued_bytes_max = random.pick(&[2_000, 1 << 20, 1 << 20]);
    options.limits.output_bytes_max = random.pick(&[1, 200, 64 << 10]);
    options
}

fn deed(random: &mut Random, number: u32) -> Deed {
    let qos = random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce]);
    match random.within(0..=99) {
        0..=84 => {
            let bytes = random.pick(&[4, 4, 20, 20, 80, 400, 2_000]);
            let expires = random.pick(&[None, None, None, None, None, Some(1)]);
            Deed::Publish { number, topic: random.pick(TOPICS), qos, bytes, expires }
        }
        85..=95 => Deed::Subscribe { filter: random.pick(FILTERS), qos },
        _ => Deed::Unsubscribe { filter: random.pick(FILTERS) },
    }
}

/// The application of everybody in it: does what it is told, wants its subscriptions kept, acknowledges late.
#[derive(Debug)]
struct Worker {
    deeds: VecDeque<(Instant, Deed)>,
    random: Random,
    patience: Patience,
    wanted: BTreeMap<&'static str, QoS>,
    /// Those of them that the server is known to have.
    confirmed: BTreeSet<&'static str>,
    unwanted: BTreeSet<&'static str>,
    asked: BTreeMap<RequestId, Vec<&'static str>>,
    /// To be acknowledged, and when.
    owed: Vec<(Instant, AckToken)>,
    /// Tokens of connections that have ended.
    stale: Option<AckToken>,
    is_connected: bool,
}

impl Worker {
    fn new(deeds: VecDeque<(Instant, Deed)>, random: Random, patience: Patience) -> Self {
        Self {
            deeds,
            random,
            patience,
            wanted: BTreeMap::from([(ALL, QoS::ExactlyOnce)]),
            confirmed: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            asked: BTreeMap::new(),
            owed: Vec::new(),
            stale: None,
            is_connected: false,
        }
    }

    fn act(&mut self, deed: Deed, client: &mut Handle<'_>) {
        match deed {
            Deed::Publish { number, topic, qos, bytes, expires } => {
                let mut payload = number.to_be_bytes().to_vec();
                payload.resize(bytes.max(payload.len()), b'.');
                let Ok(topic) = TopicName::new(topic) else { return };
                let mut message = Message::new(topic, &payload[..]);
                message.qos = qos;
                let mut properties = PropertiesBuf::new();
                if let Some(seconds) = expires.filter(|_| client.client().options().version.has_properties()) {
                    // Without an alias or another property there is nothing that it could clash with.
                    let _ = properties.push(Property::MessageExpiryInterval(seconds));
                }
                message.properties = properties.as_properties();
                // What was refused was counted, and is none of ours any more.
                let _ = client.publish(&message);
            }
            Deed::Subscribe { filter, qos } => {
                self.wanted.insert(filter, qos);
                self.confirmed.remove(filter);
                self.unwanted.remove(filter);
                self.ask(client);
            }
            Deed::Unsubscribe { filter } => {
                if self.wanted.remove(filter).is_some() {
                    self.confirmed.remove(filter);
                    self.unwanted.insert(filter);
                    self.ask(client);
                }
            }
        }
    }

    /// Asks for what is wanted and not known to be there.
    fn ask(&mut self, client: &mut Handle<'_>) {
        if !self.is_connected {
            return;
        }
        let asked: BTreeSet<_> = self.asked.values().flatten().copied().collect();
        let is_missing = |filter: &&'static str| !self.confirmed.contains(filter) && !asked.contains(filter);
        let missing: Vec<_> = self.wanted.keys().copied().filter(is_missing).collect();
        for filter in missing {
            let Ok(parsed) = TopicFilter::new(filter) else { continue };
            if let Ok(id) = client.subscribe(&[Subscription::new(parsed, self.wanted[filter])]) {
                self.asked.insert(id, vec![filter]);
            }
        }
        let unwanted: Vec<_> = self.unwanted.iter().copied().filter(|filter| !asked.contains(filter)).collect();
        let parsed: Vec<_> = unwanted.iter().filter_map(|&filter| TopicFilter::new(filter).ok()).collect();
        if !parsed.is_empty()
            && let Ok(id) = client.unsubscribe(&parsed)
        {
            self.asked.insert(id, unwanted);
        }
    }

    fn owe(&mut self, token: AckToken, client: &mut Handle<'_>) {
        let is_patient = client.now() < self.patience.until;
        let millis = if is_patient { self.random.within(0..=self.patience.millis_max) } else { 0 };
        if millis == 0 {
            // An error means that the message will come again.
            let _ = client.acknowledge(token);
        } else {
            self.owed.push((client.now() + Duration::from_millis(millis), token));
        }
    }

    /// Acknowledges what it is time for; in the order of arrival, or in any.
    fn acknowledge(&mut self, client: &mut Handle<'_>) {
        let now = client.now();
        while let Some(place) = self.owed.iter().position(|(at, _)| *at <= now) {
            if self.patience.in_order && place > 0 {
                self.owed[0].0 = now;
            }
            let (_, token) = self.owed.remove(if self.patience.in_order { 0 } else { place });
            client.marks.hit(Mark::LateAck);
            let _ = client.acknowledge(token);
        }
        if let Some(token) = self.stale.take() {
            let _ = client.acknowledge(token);
        }
    }

    fn sleep(&self, client: &mut Handle<'_>) {
        let deed = self.deeds.front().map(|(at, _)| *at);
        if let Some(at) = self.owed.iter().map(|(at, _)| *at).chain(deed).min() {
            client.wake_at(at);
        }
    }
}

impl App for Worker {
    fn on_start(&mut self, client: &mut Handle<'_>) {
        self.sleep(client);
    }

    fn on_event(&mut self, event: &Event<'_>, client: &mut Handle<'_>) {
        match event {
            Event::Connected(connack) => {
                self.is_connected = true;
                self.asked.clear();
                if !connack.session_present {
                    self.confirmed.clear();
                    self.unwanted.clear();
                }
                self.ask(client);
            }
            Event::Subscribed { id, .. } => {
                let filters = self.asked.remove(id).unwrap_or_default();
                self.confirmed.extend(filters.iter().filter(|filter| self.wanted.contains_key(*filter)));
                self.ask(client);
            }
            Event::Unsubscribed { id, .. } => {
                for filter in self.asked.remove(id).unwrap_or_default() {
                    self.unwanted.remove(filter);
                }
                self.ask(client);
            }
            Event::Received(received) => {
                if let Some(token) = received.token() {
                    self.owe(token, client);
                }
            }
            Event::Disconnected(_) => {
                self.is_connected = false;
                self.stale = self.owed.first().map(|(_, token)| *token);
                self.owed.clear();
            }
            _ => {}
        }
        self.sleep(client);
    }

    fn on_wake(&mut self, client: &mut Handle<'_>) {
        self.acknowledge(client);
        while self.deeds.front().is_some_and(|(at, _)| *at <= client.now())
            && let Some((_, deed)) = self.deeds.pop_front()
        {
            self.act(deed, client);
        }
        self.sleep(client);
    }

    fn on_crash(&mut self) {
        self.is_connected = false;
        self.owed.clear();
        self.stale = None;
        self.asked.clear();
    }

    fn is_done(&self) -> bool {
        self.deeds.is_empty()
            && self.owed.is_empty()
            && self.unwanted.is_empty()
            && self.confirmed.len() == self.wanted.len()
    }
}
