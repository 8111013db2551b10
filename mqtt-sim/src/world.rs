//! The world: one clock, one wire, one server, any number of clients.

use std::any::Any;
use std::time::Duration;

use mqtt_proto::TransmitBuf;
use mqtt_session::{Client, ConnectOptions, Instant, ServerOptions, Transmit};

use crate::app::App;
use crate::checks::{Breach, Check, Checks};
use crate::clock::Clock;
use crate::fault::{Fault, TimedFault};
use crate::host::Host;
use crate::hub::Hub;
use crate::marks::{Mark, Marks};
use crate::node::{Node, Report};
use crate::random::Random;
use crate::seam::{Honest, Seam};
use crate::trace::{Trace, fingerprint};
use crate::wire::{End, Farewell, LinkId, Over, Weather, Wire};

/// More turns than these in one run, and it has gone wild.
const TURNS_MAX: u64 = 2_000_000;

/// What can be next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Happening {
    /// Something has come to this end, perhaps.
    Arrive(LinkId, End),
    /// The server gets a new transport.
    Accept(LinkId),
    /// The server may write again.
    Writable(LinkId),
    /// A client's deadline, or another reason to look.
    Wake(usize),
    /// The server's deadline.
    WakeServer,
    /// A fault, by its number.
    Fault(usize),
    /// The server says yes again.
    StopRefusing,
}

/// What all in the world have in common.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) clock: Clock<Happening>,
    pub(crate) wire: Wire,
    pub(crate) random: Random,
    pub(crate) trace: Trace,
    pub(crate) marks: Marks,
    pub(crate) checks: Checks,
    pub(crate) seam: Box<dyn Seam>,
    pub(crate) refuses_transports_until: Instant,
    pub(crate) never_answers_until: Instant,
    is_healed: bool,
}

impl Context {
    /// An end has written something.
    pub(crate) fn send(&mut self, link: LinkId, end: End, out: &TransmitBuf) {
        let now = self.clock.now();
        let mut bytes = out.slices().collect::<Vec<_>>().concat();
        self.seam.output(end, &mut bytes);
        self.trace.note(now, (end, link), &bytes[..]);
        self.checks.sent(now, link, end, &bytes, &mut self.marks);
        self.wire.send(&mut self.clock, link, end, &bytes, &mut self.marks);
    }

    /// How long a client waits before it connects again.
    pub(crate) fn backoff(&mut self) -> Duration {
        let millis = if self.is_healed { 10..=100 } else { 1..=1_500 };
        Duration::from_millis(self.random.within(millis))
    }
}

/// A small world, with its own time and its own chance. The same seed, clients and faults make the same world, byte for byte.
///
/// ```
/// use std::time::Duration;
/// use mqtt_proto::{QoS, Subscription, TopicFilter, TopicName};
/// use mqtt_session::{ConnectOptions, Event, Message};
/// use mqtt_sim::{App, End, Fault, Handle, World};
///
/// /// Adds up what it hears.
/// #[derive(Default)]
/// struct Counter {
///     sum: u32,
/// }
///
/// impl App for Counter {
///     fn on_event(&mut self, event: &Event<'_>, client: &mut Handle<'_>) {
///         match event {
///             // The server has no session for us, or has lost it: so it does not know what we want, either.
///             Event::Connected(connack) if !connack.session_present => {
///                 let numbers = TopicFilter::new("numbers").unwrap();
///                 client.subscribe(&[Subscription::new(numbers, QoS::ExactlyOnce)]).unwrap();
///             }
///             Event::Subscribed { .. } => {
///                 for number in 1..=4_u32 {
///                     let payload = number.to_string();
///                     let mut message = Message::new(TopicName::new("numbers").unwrap(), payload.as_bytes());
///                     message.qos = QoS::ExactlyOnce;
///                     client.publish(&message).unwrap();
///                 }
///             }
///             Event::Received(message) => {
///                 self.sum += std::str::from_utf8(message.payload()).unwrap().parse::<u32>().unwrap();
///             }
///             _ => {}
///         }
///     }
/// }
///
/// let mut options = ConnectOptions::new("counter");
/// options.clean_start = false;
/// options.session_expiry_interval = u32::MAX;
///
/// let mut world = World::new(42);
/// let counter = world.add(options, Counter::default());
/// world.run(Duration::from_millis(200));
/// world.strike(&Fault::Reset { client: counter, end: End::Server });
/// world.rest(Duration::from_secs(60))?;
/// assert_eq!(world.app::<Counter>(counter).unwrap().sum, 1 + 2 + 3 + 4);
/// # Ok::<(), mqtt_sim::Breach>(())
/// ```
#[derive(Debug)]
pub struct World {
    hosts: Vec<Host>,
    node: Box<dyn Node>,
    node_armed: Option<Instant>,
    node_down_until: Option<Instant>,
    is_started: bool,
    faults: Vec<Fault>,
    turns: u64,
    pub(crate) cx: Context,
}

impl World {
    /// A world with a [`Hub`] and nobody in it.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_node(seed, Hub::new(ServerOptions::default()))
    }

    /// A world with another server.
    #[must_use]
    pub fn with_node(seed: u64, node: impl Node + 'static) -> Self {
        let mut random = Random::new(seed);
        let cx = Context {
            clock: Clock::default(),
            wire: Wire::new(random.fork(), Weather::default()),
            random,
            trace: Trace::new(0),
            marks: Marks::default(),
            checks: Checks::default(),
            seam: Box::new(Honest),
            refuses_transports_until: Instant::ZERO,
            never_answers_until: Instant::ZERO,
            is_healed: false,
        };
        Self {
            hosts: Vec::new(),
            node: Box::new(node),
            node_armed: None,
            node_down_until: None,
            is_started: false,
            faults: Vec::new(),
            turns: 0,
            cx,
        }
    }

    // --- before it begins ---------------------------------------------------------------------------------------------------

    /// Adds a client and its application. Returns its number.
    pub fn add(&mut self, options: ConnectOptions, app: impl App) -> usize {
        let index = self.hosts.len();
        let host = Host::new(index, options, Box::new(app));
        self.cx.checks.add_client(&host.client);
        self.hosts.push(host);
        index
    }

    /// How the wire behaves from now on.
    pub const fn weather_mut(&mut self) -> &mut Weather {
        &mut self.cx.wire.weather
    }

    /// What the server offers to those who connect from now on.
    pub fn offer(&mut self, options: ServerOptions) {
        self.node.offer(options);
    }

    /// No two messages have the same topic and payload. So it can be checked who gets which of them, how often, and in which order.
    pub const fn payloads_are_unique(&mut self) {
        self.cx.checks.payloads_are_unique = true;
    }

    /// Faults that happen when their time comes.
    pub fn schedule(&mut self, faults: &[TimedFault]) {
        for TimedFault { at, fault } in faults {
            self.cx.clock.at(*at, Happening::Fault(self.faults.len()));
            self.faults.push(fault.clone());
        }
    }

    /// Keeps the last lines of what happens, for [`into_lines`](Self::into_lines).
    pub fn keep_lines(&mut self, lines_max: usize) {
        self.cx.trace = Trace::new(lines_max);
    }

    #[cfg(test)]
    pub(crate) fn set_seam(&mut self, seam: Box<dyn Seam>) {
        self.cx.seam = seam;
    }

    // --- looking at it --------------------------------------------------------------------------------------------------------

    /// How late it is.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.cx.clock.now()
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.hosts.len()
    }

    /// A client's machine.
    #[must_use]
    pub fn client(&self, client: usize) -> Option<&Client> {
        self.hosts.get(client).map(|host| &host.client)
    }

    /// A client's application, if it is a `T`.
    #[must_use]
    pub fn app<T: App>(&self, client: usize) -> Option<&T> {
        let app: &dyn Any = &*self.hosts.get(client)?.app;
        app.downcast_ref()
    }

    /// What has been met so far.
    #[must_use]
    pub const fn marks(&self) -> &Marks {
        &self.cx.marks
    }

    /// The first promise that was not kept.
    #[must_use]
    pub const fn breach(&self) -> Option<&Breach> {
        self.cx.checks.breach()
    }

    /// How many things have happened.
    #[must_use]
    pub const fn happenings(&self) -> u64 {
        self.cx.trace.happenings()
    }

    /// A number that stands for everything that has happened, and for the machines as they are now.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let clients: Vec<_> = self.hosts.iter().map(|host| fingerprint(&host.client)).collect();
        fingerprint(&(self.cx.trace.hash(), clients))
    }

    /// The last lines of what happened: see [`keep_lines`](Self::keep_lines).
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.cx.trace.into_lines()
    }

    // --- letting it go on -----------------------------------------------------------------------------------------------------

    /// Lets so much time pass, or stops at a breach.
    pub fn run(&mut self, time: Duration) {
        let until = self.now() + time;
        self.run_until(until);
    }

    /// Lets time pass until then, or stops at a breach.
    pub fn run_until(&mut self, until: Instant) {
        self.start();
        while self.breach().is_none()
            && let Some(happening) = self.cx.clock.next(until)
        {
            self.happen(happening);
        }
    }

    fn start(&mut self) {
        if !std::mem::replace(&mut self.is_started, true) {
            for host in &mut self.hosts {
                host.start(&mut self.cx);
                host.turn(&mut self.cx);
            }
        }
    }

    /// Ends all faults, and lets time pass until everything has come to rest: all clients are connected, and to a server that knows of it; everything is settled
    /// and delivered, and nothing is on its way.
    ///
    /// # Errors
    ///
    /// A promise was not kept; or it took longer than `within`, which is a breach of [`Check::Liveness`].
    pub fn rest(&mut self, within: Duration) -> Result<(), Breach> {
        self.start();
        self.heal();
        let until = self.now() + within;
        let mut unrest = self.unrest();
        while self.breach().is_none() && unrest.is_some() && self.now() < until {
            self.run((until.since(self.now())).min(Duration::from_millis(250)));
            unrest = self.unrest();
        }
        let now = self.now();
        match unrest {
            Some(what) => self.cx.checks.report(now, Check::Liveness, what),
            None => self.cx.checks.at_rest(now),
        }
        self.breach().map_or(Ok(()), |breach| Err(breach.clone()))
    }

    /// What keeps the world from rest.
    fn unrest(&self) -> Option<String> {
        let hosts = self.hosts.iter().find_map(|host| host.unrest(&self.cx.wire));
        let wire = || self.cx.wire.unrest();
        let node = || Some(self.node.pending()).filter(|&pending| pending > 0);
        hosts
            .or_else(|| node().map(|pending| format!("the server has {pending} messages pending")))
            .or_else(wire)
            .or_else(|| self.cx.checks.unrest())
    }

    /// All faults are over.
    fn heal(&mut self) {
        let now = self.now();
        let cx = &mut self.cx;
        cx.is_healed = true;
        cx.refuses_transports_until = Instant::ZERO;
        cx.never_answers_until = Instant::ZERO;
        cx.wire.heal(&mut cx.clock);
        let weather = &mut cx.wire.weather;
        weather.latency_max = weather.latency_min;
        self.faults.clear();
        self.node.refuse(false);
        self.node_down_until = self.node_down_until.map(|_| now);
        // The keep alive finds the others.
        for id in cx.wire.ids() {
            let client = cx.wire.client_of(id).and_then(|client| self.hosts.get(client));
            let is_watched = client.is_some_and(|host| host.client.options().keep_alive > 0);
            if !is_watched || cx.random.percent(50) {
                cx.wire.disclose(&mut cx.clock, id);
            }
        }
        self.hosts.iter_mut().for_each(|host| host.heal(&mut self.cx));
        self.turn_node();
    }

    fn happen(&mut self, happening: Happening) {
        let cx = &mut self.cx;
        let now = cx.clock.now();
        match happening {
            Happening::Arrive(link, to) => {
                if to == End::Client {
                    self.arrive_at_client(link);
                } else if self.node_down_until.is_none() && cx.wire.arrive(&mut cx.clock, link, to, &mut cx.marks) {
                    self.read_node(link);
                } else if self.node_down_until.is_some() {
                    // Nobody is there.
                    cx.wire.arrive(&mut cx.clock, link, to, &mut cx.marks);
                }
            }
            Happening::Accept(link) => {
                if self.node_down_until.is_some_and(|until| now < until) {
                    cx.wire.close(&mut cx.clock, link, End::Server, Farewell::Reset);
                } else if cx.wire.is_open(link, End::Server) {
                    self.node.open(now, link);
                    self.turn_node();
                }
            }
            Happening::Writable(link) => {
                self.node.handle_writable(link);
                self.turn_node();
            }
            Happening::Wake(client) => self.hosts[client].turn(cx),
            Happening::WakeServer => {
                if self.node_down_until.is_some_and(|until| until <= now) {
                    self.node_down_until = None;
                    cx.trace.note(now, "server", "starts again");
                }
                self.turn_node();
            }
            Happening::Fault(number) => {
                if let Some(fault) = self.faults.get(number).cloned() {
                    self.strike(&fault);
                }
            }
            Happening::StopRefusing => self.node.refuse(false),
        }
        self.turns += 1;
        if self.turns > TURNS_MAX {
            self.cx.checks.report(now, Check::Work, "the world does not stop");
        }
    }

    fn arrive_at_client(&mut self, link: LinkId) {
        let cx = &mut self.cx;
        let late_before = cx.marks.count(Mark::LateBytes);
        let is_wanted = cx.wire.arrive(&mut cx.clock, link, End::Client, &mut cx.marks);
        self.mark_late(link, late_before);
        let host = self.hosts.iter_mut().find(|host| host.link == Some(link));
        if let Some(host) = host.filter(|_| is_wanted) {
            host.turn(&mut self.cx);
        }
    }

    fn mark_late(&mut self, link: LinkId, late_before: u64) {
        let cx = &mut self.cx;
        let is_late = cx.marks.count(Mark::LateBytes) > late_before;
        let host = cx.wire.client_of(link).and_then(|client| self.hosts.get(client));
        if is_late
            && host.is_some_and(|host| host.link.is_some_and(|newer| newer != link) && host.client.is_connected())
        {
            cx.marks.hit(Mark::LateBytesAfterReconnect);
        }
    }

    // --- the server -------------------------------------------------------------------------------------------------------

    fn read_node(&mut self, link: LinkId) {
        let cx = &mut self.cx;
        let now = cx.clock.now();
        let Some(bytes) = cx.wire.take_arrived(now, link, End::Server) else { return };
        let mut input = &bytes[..];
        if self.node.wants_input(link) {
            self.node.handle_input(now, link, &mut input);
            let consumed = &bytes[..bytes.len() - input.len()];
            cx.checks.consumed(link, End::Server, consumed, &mut cx.marks);
        }
        let rest = input.to_vec();
        let is_all = rest.is_empty();
        cx.wire.put_back(&mut cx.clock, link, End::Server, rest);
        // It writes before it sees that nobody will read it, so that what it has decided is seen.
        self.turn_node();
        let cx = &mut self.cx;
        if let Some(over) = cx.wire.over(now, link, End::Server) {
            if over == Over::Reset {
                cx.marks.hit(if is_all { Mark::CutBetweenPackets } else { Mark::CutInsidePacket });
            }
            self.close_node(link, Farewell::Fin);
        }
        self.turn_node();
    }

    /// The server's end of a connection is gone.
    fn close_node(&mut self, link: LinkId, how: Farewell) {
        let cx = &mut self.cx;
        let now = cx.clock.now();
        cx.checks.server_closed(now, link);
        self.node.handle_closed(now, link);
        cx.wire.close(&mut cx.clock, link, End::Server, how);
        cx.checks.closed(link, End::Server);
    }

    fn turn_node(&mut self) {
        let now = self.now();
        if self.node_down_until.is_some_and(|until| now < until) {
            return;
        }
        self.node_down_until = None;
        self.node.handle_timeout(now);
        let mut out = TransmitBuf::new();
        while let Some((link, transmit)) = self.node.poll_transmit(now, &mut out) {
            let cx = &mut self.cx;
            match transmit {
                Transmit::Ready => {
                    cx.send(link, End::Server, &out);
                    out.clear();
                    if !cx.wire.has_room(link, End::Server, &mut cx.marks) {
                        self.node.handle_blocked(link);
                    }
                }
                Transmit::Close => self.close_node(link, Farewell::Fin),
                Transmit::Idle => {}
            }
        }
        self.hear_node();
        let deadline = self.node.poll_timeout();
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.cx.checks.report(now, Check::Time, "the server was just told the time, and wants to be woken before");
        }
        if let Some(at) = deadline.filter(|&at| self.node_armed.is_none_or(|armed| at < armed || armed <= now)) {
            self.node_armed = Some(at);
            self.cx.clock.at(at, Happening::WakeServer);
        }
    }

    fn hear_node(&mut self) {
        let now = self.now();
        let cx = &mut self.cx;
        while let Some(report) = self.node.poll_report() {
            cx.trace.note(now, "server", &report);
            match report {
                Report::Ended { cause, .. } => cx.checks.server_heard(now, cause, &mut cx.marks),
                Report::TakenOver => cx.marks.hit(Mark::TakenOver),
                Report::Unreadable { client_id, error } => {
                    cx.checks.report(
                        now,
                        Check::Sessions,
                        format!("the session of {client_id} can't be read: {error}"),
                    );
                }
                Report::Mistake { what } => cx.checks.report(now, Check::Peace, format!("server: {what}")),
                Report::Refused => cx.marks.hit(Mark::RefusedByServer),
                Report::Dropped { client_id, topic, payload, is_too_large } => {
                    cx.marks.hit(if is_too_large { Mark::TooLarge } else { Mark::ServerQueueFull });
                    cx.checks.dropped(&client_id, &topic, &payload);
                }
            }
        }
    }

    // --- faults ---------------------------------------------------------------------------------------------------------------

    /// Something goes wrong now. A fault of a connection that is not there is none.
    pub fn strike(&mut self, fault: &Fault) {
        self.start();
        let now = self.now();
        let cx = &mut self.cx;
        cx.trace.note(now, "fault", fault);
        let link = |client: usize| self.hosts.get(client).and_then(|host| host.link);
        match *fault {
            Fault::Break { client, to, bytes } => {
                if let Some(link) = link(client) {
                    cx.wire.break_after(link, to, bytes);
                }
            }
            Fault::Reset { client, end } => self.lose(client, end, Farewell::Reset, Mark::Reset),
            Fault::Close { client, end } => self.lose(client, end, Farewell::Fin, Mark::Fin),
            Fault::Vanish { client, end } => self.lose(client, end, Farewell::Silence, Mark::HalfOpen),
            Fault::Stall { client, to, time } => {
                if let Some(link) = link(client) {
                    cx.wire.stall(link, to, now + time);
                    cx.marks.hit(Mark::Stalled);
                }
            }
            Fault::Trickle { client, to, bytes, time } => {
                if let Some(link) = link(client) {
                    cx.wire.trickle(link, to, bytes, now + time);
                    cx.marks.hit(Mark::Trickled);
                }
            }
            Fault::Slow { time } => {
                cx.wire.slow_until = now + time;
                cx.marks.hit(Mark::Slow);
            }
            Fault::StopReading { client, end, time } => {
                if let Some(link) = link(client) {
                    cx.wire.stop_reading(&mut cx.clock, link, end, now + time);
                    cx.marks.hit(Mark::NotReading);
                }
            }
            Fault::CrashClient { client, time } => {
                if let Some(host) = self.hosts.get_mut(client) {
                    host.crash(cx, time);
                }
            }
            Fault::CrashServer { time } => self.crash_server(time),
            Fault::RefuseTransports { time } => cx.refuses_transports_until = now + time,
            Fault::NeverAnswer { time } => cx.never_answers_until = now + time,
            Fault::RefuseConnects { time } => {
                self.node.refuse(true);
                cx.clock.at(now + time, Happening::StopRefusing);
            }
            Fault::Offer(ref options) => {
                cx.marks.hit(Mark::OptionsChanged);
                self.node.offer((**options).clone());
            }
            Fault::Leave { client, time } => {
                if let Some(host) = self.hosts.get_mut(client) {
                    host.leave(cx, time);
                }
            }
            Fault::StartClean { client } => {
                if let Some(host) = self.hosts.get_mut(client) {
                    host.start_clean();
                }
            }
        }
    }

    fn lose(&mut self, client: usize, end: End, how: Farewell, mark: Mark) {
        let Some(host) = self.hosts.get_mut(client) else { return };
        let Some(link) = host.link else { return };
        self.cx.marks.hit(mark);
        if end == End::Client {
            host.lose(&mut self.cx, how);
        } else if self.cx.wire.is_open(link, End::Server) {
            self.close_node(link, how);
            self.turn_node();
        }
    }

    fn crash_server(&mut self, time: Duration) {
        let cx = &mut self.cx;
        let now = cx.clock.now();
        if self.node_down_until.is_some() {
            return;
        }
        cx.marks.hit(if self.node.pending() > 0 { Mark::ServerCrashedInFlight } else { Mark::ServerCrashed });
        self.node.crash(now);
        for link in cx.wire.ids() {
            if cx.wire.is_open(link, End::Server) {
                cx.checks.server_closed(now, link);
                let how = if cx.random.percent(50) { Farewell::Reset } else { Farewell::Silence };
                cx.wire.close(&mut cx.clock, link, End::Server, how);
                cx.checks.closed(link, End::Server);
            }
        }
        self.node_down_until = Some(now + time);
        self.node_armed = None;
        cx.clock.at(now + time, Happening::WakeServer);
    }
}
