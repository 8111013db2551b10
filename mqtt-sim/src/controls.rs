//! Machines that are broken on purpose, one for each check: a check that never sees anything proves nothing.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mqtt_proto::{Frame, PACKET_BYTES_MAX, PacketType, QoS, TopicName, TransmitBuf};
use mqtt_session::{ConnectOptions, Event, Instant, Message, Received, ServerOptions, Transmit};

use crate::app::{App, Handle};
use crate::checks::{Breach, Check};
use crate::fault::Fault;
use crate::hub::Hub;
use crate::node::{Node, Report};
use crate::seam::Seam;
use crate::trial::{Step, Trial, play};
use crate::wire::{End, LinkId};
use crate::workload::Plan;
use crate::world::World;

/// The first thing that is found in one of some crowds with this broken piece in it.
fn found(seam: impl Fn() -> Box<dyn Seam>) -> Option<Check> {
    (0..40).find_map(|seed| {
        let plan = Plan::new(seed);
        let mut world = plan.world(&plan.steps);
        world.set_seam(seam());
        play(world, 0, |world| plan.drive(world)).breach.map(|breach| breach.check)
    })
}

// --- what one end writes, forged ----------------------------------------------------------------------------------------

/// What becomes of a packet: other bytes, or the same.
type Forge = fn(PacketType, &[u8]) -> Option<Vec<u8>>;

struct Forger {
    end: End,
    forge: Forge,
}

impl fmt::Debug for Forger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a forger at the {:?} end", self.end)
    }
}

impl Seam for Forger {
    fn output(&mut self, end: End, bytes: &mut Vec<u8>) {
        if end == self.end {
            let mut rest = &bytes[..];
            let mut out = Vec::new();
            while let Ok(Some(frame)) = Frame::split(&mut rest, PACKET_BYTES_MAX) {
                let own = frame.as_bytes();
                out.extend((self.forge)(frame.packet_type(), own).unwrap_or_else(|| own.to_vec()));
            }
            *bytes = out;
        }
    }
}

fn forged(end: End, forge: Forge) -> Option<Check> {
    found(|| Box::new(Forger { end, forge }))
}

/// Where the packet identifier of a PUBLISH above QoS 0 stands.
fn id_at(publish: &[u8]) -> Option<usize> {
    let header = 1 + publish[1..].iter().position(|byte| byte & 0x80 == 0)? + 1;
    let topic = usize::from(u16::from_be_bytes([publish[header], publish[header + 1]]));
    (publish[0] & 0x06 > 0).then_some(header + 2 + topic)
}

#[test]
fn a_message_that_nobody_published_is_seen() {
    let forge: Forge = |kind, bytes| {
        let mut other = bytes.to_vec();
        *other.last_mut()? ^= 1;
        (kind == PacketType::Publish).then_some(other)
    };
    assert_eq!(forged(End::Server, forge), Some(Check::Provenance));
}

#[test]
fn an_identifier_that_is_used_twice_is_seen() {
    let forge: Forge = |kind, bytes| {
        let mut other = bytes.to_vec();
        *other.last_mut()? ^= 1;
        (kind == PacketType::Publish && id_at(bytes).is_some()).then(|| [bytes, &other].concat())
    };
    assert_eq!(forged(End::Server, forge), Some(Check::PacketIds));
}

#[test]
fn more_in_flight_than_the_peer_takes_is_seen() {
    // 65,535 is no limit, so it takes a client with another one to see it.
    let forge: Forge = |kind, bytes| {
        (kind == PacketType::Publish).then(|| {
            let more = (0..200).flat_map(|id| [0x32, 6, 0, 1, b'a', 0x70, id, 0]);
            bytes.iter().copied().chain(more).collect()
        })
    };
    assert_eq!(forged(End::Server, forge), Some(Check::Quota));
}

#[test]
fn a_packet_larger_than_the_peer_takes_is_seen() {
    let forge: Forge = |kind, bytes| {
        (kind == PacketType::ConnAck).then(|| {
            let mut large = vec![0x30, 0x84, 0x03, 0, 1, b'a', 0];
            large.resize(3 + 0x04 + 0x03 * 128, 0);
            [bytes, &large[..]].concat()
        })
    };
    let mut options = ConnectOptions::new("small");
    options.packet_bytes_max = 200;
    let mut world = World::new(4);
    world.set_seam(Box::new(Forger { end: End::Server, forge }));
    world.add(options, Idle);
    world.run(Duration::from_secs(1));
    assert_eq!(world.breach().unwrap().check, Check::Sizes);
}

#[test]
fn a_packet_out_of_sequence_is_seen() {
    let unasked: Forge = |kind, bytes| (kind == PacketType::ConnAck).then(|| [bytes, &[0xD0, 0]].concat());
    assert_eq!(forged(End::Server, unasked), Some(Check::Sequence));
    let released: Forge = |kind, bytes| (kind == PacketType::PubAck).then(|| [bytes, &[0x62, 2, 0x70, 0]].concat());
    assert_eq!(forged(End::Client, released), Some(Check::Sequence));
    let repeated: Forge = |kind, bytes| {
        let mut other = bytes.to_vec();
        other[0] |= 8;
        (kind == PacketType::Publish && id_at(bytes).is_some()).then_some(other)
    };
    assert_eq!(forged(End::Client, repeated), Some(Check::Sequence));
    let twice: Forge = |kind, bytes| (kind == PacketType::Connect).then(|| bytes.repeat(2));
    assert_eq!(forged(End::Client, twice), Some(Check::Sequence));
    let aliased: Forge =
        |kind, _| (kind == PacketType::Publish).then(|| vec![0x30, 7, 0, 1, b'a', 3, 0x23, 0xFF, 0xFF]);
    assert_eq!(forged(End::Client, aliased), Some(Check::Sequence));
    let onward: Forge = |kind, bytes| (kind == PacketType::Disconnect).then(|| [bytes, &[0xC0, 0]].concat());
    assert_eq!(forged(End::Client, onward), Some(Check::Sequence));
}

#[test]
fn an_acknowledgement_out_of_order_is_seen() {
    #[derive(Debug)]
    struct Backwards;
    impl Seam for Backwards {
        fn output(&mut self, end: End, bytes: &mut Vec<u8>) {
            // Two PUBACKs without a reason, one behind the other.
            if let (End::Client, [0x40, 2, _, one, 0x40, 2, _, other]) = (end, &mut bytes[..]) {
                std::mem::swap(one, other);
            }
        }
    }
    assert_eq!(found(|| Box::new(Backwards)), Some(Check::Order));
}

#[test]
fn an_accusation_is_seen() {
    // DISCONNECT with Protocol Error; a 3.1.1 client never gets to see it as such.
    let forge: Forge =
        |kind, bytes| (kind == PacketType::SubAck && bytes.len() > 5).then(|| [bytes, &[0xE0, 1, 0x82]].concat());
    assert!(matches!(forged(End::Server, forge), Some(Check::Peace | Check::Sequence)));
    let mut world = World::new(3);
    world.set_seam(Box::new(Forger {
        end: End::Server,
        forge: |kind, bytes| (kind == PacketType::ConnAck).then(|| [bytes, &[0xE0, 1, 0x82]].concat()),
    }));
    world.add(ConnectOptions::new("accused"), Idle);
    world.run(Duration::from_secs(1));
    assert_eq!(world.breach().unwrap().check, Check::Peace);
}

#[test]
fn acknowledgements_that_never_come_are_seen() {
    let forge: Forge = |kind, _| (kind == PacketType::PubAck).then(Vec::new);
    assert_eq!(forged(End::Server, forge), Some(Check::Liveness));
}

#[test]
fn a_client_that_never_notices_that_its_server_is_gone_is_seen() {
    /// It sleeps for ever, so nothing is ever due.
    #[derive(Debug)]
    struct Asleep;
    impl Seam for Asleep {
        fn deadline(&mut self, _: Instant, _: Option<Instant>) -> Option<Instant> {
            None
        }
    }
    let found =
        |world: fn(u64) -> World| (0..10).find_map(|seed| half_open(world(seed)).err().map(|breach| breach.check));
    let asleep = |seed| {
        let mut world = World::new(seed);
        world.set_seam(Box::new(Asleep));
        world
    };
    assert_eq!(found(asleep), Some(Check::Liveness));
    assert_eq!(found(World::new), None);
}

/// Peace after the server's end of a connection has gone without a word. The network tells the client in about half of the worlds; else only its keep alive can.
fn half_open(mut world: World) -> Result<(), Breach> {
    let mut options = ConnectOptions::new("idle");
    options.keep_alive = 5;
    let client = world.add(options, Idle);
    world.run(Duration::from_secs(1));
    world.strike(&Fault::Vanish { client, end: End::Server });
    world.rest(Duration::from_secs(60))
}

// --- what the application is told, forged --------------------------------------------------------------------------------------

/// Hands out messages of one QoS so many times, instead of once.
#[derive(Debug)]
struct Hands(QoS, usize);

impl Seam for Hands {
    fn handed_out(&mut self, received: &Received<'_>) -> usize {
        // Where an application acknowledges by hand, it is the acknowledgement that counts.
        if received.qos() == self.0 && received.token().is_none() { self.1 } else { 1 }
    }
}

#[test]
fn a_message_that_gets_lost_is_seen() {
    assert_eq!(found(|| Box::new(Hands(QoS::AtLeastOnce, 0))), Some(Check::AtLeastOnce));
    assert_eq!(found(|| Box::new(Hands(QoS::ExactlyOnce, 0))), Some(Check::ExactlyOnce));
}

#[test]
fn a_message_that_comes_twice_is_seen_and_allowed_at_qos_1_only() {
    assert_eq!(found(|| Box::new(Hands(QoS::ExactlyOnce, 2))), Some(Check::ExactlyOnce));
    assert_eq!(found(|| Box::new(Hands(QoS::AtMostOnce, 2))), Some(Check::ExactlyOnce));
    let mut world = World::new(5);
    world.payloads_are_unique();
    world.set_seam(Box::new(Hands(QoS::AtLeastOnce, 2)));
    world.add(ConnectOptions::new("talker"), Talker(QoS::AtLeastOnce));
    assert_eq!(world.rest(Duration::from_secs(30)), Ok(()));
}

#[test]
fn messages_out_of_order_are_seen() {
    // The first PUBLISH of a write at QoS 0 changes places with the second.
    #[derive(Debug)]
    struct Backwards;
    impl Seam for Backwards {
        fn output(&mut self, end: End, bytes: &mut Vec<u8>) {
            let mut rest = &bytes[..];
            let mut packets = Vec::new();
            while let Ok(Some(frame)) = Frame::split(&mut rest, PACKET_BYTES_MAX) {
                packets.push((frame.packet_type(), frame.as_bytes().to_vec()));
            }
            if end == End::Server {
                packets.sort_by_key(|(kind, bytes)| {
                    (*kind == PacketType::Publish).then(|| std::cmp::Reverse(bytes[bytes.len() - 1]))
                });
                *bytes = packets.into_iter().flat_map(|(_, bytes)| bytes).collect();
            }
        }
    }
    let mut world = World::new(1);
    world.payloads_are_unique();
    world.set_seam(Box::new(Backwards));
    world.add(ConnectOptions::new("talker"), Talker(QoS::AtMostOnce));
    assert_eq!(world.rest(Duration::from_secs(30)).unwrap_err().check, Check::Order);
}

#[derive(Debug)]
struct SettlesTwice;

impl Seam for SettlesTwice {
    fn settled(&mut self) -> usize {
        2
    }
}

#[derive(Debug)]
struct NeverSettles;

impl Seam for NeverSettles {
    fn settled(&mut self) -> usize {
        0
    }
}

#[test]
fn a_publish_that_is_settled_twice_or_never_is_seen() {
    assert_eq!(found(|| Box::new(SettlesTwice)), Some(Check::Settlement));
    assert_eq!(found(|| Box::new(NeverSettles)), Some(Check::Liveness));
}

// --- what machines hold, do and want, forged -------------------------------------------------------------------------------

#[test]
fn memory_without_bounds_is_seen() {
    #[derive(Debug)]
    struct Hoards;
    impl Seam for Hoards {
        fn pending(&mut self, real: usize) -> usize {
            real + 1_000
        }
    }
    assert_eq!(found(|| Box::new(Hoards)), Some(Check::Memory));
}

#[test]
fn a_deadline_in_the_past_is_seen() {
    #[derive(Debug)]
    struct Impatient;
    impl Seam for Impatient {
        fn deadline(&mut self, now: Instant, real: Option<Instant>) -> Option<Instant> {
            real.map(|_| now)
        }
    }
    assert_eq!(found(|| Box::new(Impatient)), Some(Check::Time));
}

#[test]
fn work_without_end_is_seen() {
    struct Restless;
    impl App for Restless {
        fn on_start(&mut self, client: &mut Handle<'_>) {
            client.wake_at(client.now());
        }

        fn on_event(&mut self, _: &Event<'_>, _: &mut Handle<'_>) {}

        fn on_wake(&mut self, client: &mut Handle<'_>) {
            client.wake_at(client.now());
        }
    }
    let mut world = World::new(0);
    world.add(ConnectOptions::new("restless"), Restless);
    world.run(Duration::from_secs(1));
    assert_eq!(world.breach().unwrap().check, Check::Work);
}

#[test]
fn two_runs_that_differ_are_seen() {
    static WHIM: AtomicU64 = AtomicU64::new(0);
    #[derive(Debug)]
    struct Moody;
    impl App for Moody {
        fn on_event(&mut self, _: &Event<'_>, client: &mut Handle<'_>) {
            client.wake_at(client.now() + Duration::from_micros(WHIM.fetch_add(1, Ordering::Relaxed)));
        }

        fn on_wake(&mut self, client: &mut Handle<'_>) {
            say(client, QoS::AtMostOnce, &client.now().as_micros().to_string());
        }
    }
    let trial = Trial::new(|world| {
        world.add(ConnectOptions::new("moody"), Moody);
    });
    assert_eq!(trial.run(0..1).unwrap_err().breach.check, Check::Determinism);
}

#[test]
fn a_panic_is_seen_with_the_fault_that_it_takes() {
    struct Brittle(u32);
    impl App for Brittle {
        fn on_event(&mut self, event: &Event<'_>, _: &mut Handle<'_>) {
            self.0 += u32::from(matches!(event, Event::Connected(_)));
            assert!(self.0 < 2, "connected once more");
        }
    }
    let trial = Trial::new(|world| {
        world.add(ConnectOptions::new("brittle"), Brittle(0));
    });
    let failure = trial.run(0..1).unwrap_err();
    assert_eq!(failure.breach.check, Check::NoPanic);
    assert_eq!(failure.breach.what, "connected once more");
    assert!(matches!(failure.steps[..], [Step::Fault(..)]), "{failure}");
}

#[test]
fn an_application_that_is_not_content_is_heard() {
    let trial = Trial::new(|world| {
        world.add(ConnectOptions::new("idle"), Idle);
    })
    .must_hold(|_| Err("it is never content".into()));
    let failure = trial.run(7..8).unwrap_err();
    assert_eq!((failure.seed, failure.breach.check, failure.steps.len()), (7, Check::Application, 0));
}

/// A server that comes back without its memory.
#[derive(Debug)]
struct Forgetful(Hub);

impl Node for Forgetful {
    fn open(&mut self, now: Instant, link: LinkId) {
        self.0.open(now, link);
    }
    fn wants_input(&self, link: LinkId) -> bool {
        self.0.wants_input(link)
    }
    fn handle_input(&mut self, now: Instant, link: LinkId, input: &mut &[u8]) {
        self.0.handle_input(now, link, input);
    }
    fn handle_closed(&mut self, now: Instant, link: LinkId) {
        self.0.handle_closed(now, link);
    }
    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }
    fn handle_blocked(&mut self, link: LinkId) {
        self.0.handle_blocked(link);
    }
    fn handle_writable(&mut self, link: LinkId) {
        self.0.handle_writable(link);
    }
    fn poll_transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Option<(LinkId, Transmit)> {
        self.0.poll_transmit(now, out)
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }
    fn poll_report(&mut self) -> Option<Report> {
        self.0.poll_report()
    }
    fn crash(&mut self, _: Instant) {
        self.0 = Hub::new(ServerOptions::default());
    }
    fn offer(&mut self, options: ServerOptions) {
        self.0.offer(options);
    }
    fn refuse(&mut self, refuses: bool) {
        self.0.refuse(refuses);
    }
    fn pending(&self) -> usize {
        self.0.pending()
    }
}

#[test]
fn a_session_that_is_lost_too_early_is_seen() {
    let mut options = ConnectOptions::new("keeper");
    options.clean_start = false;
    options.session_expiry_interval = 3_600;
    let mut world = World::with_node(11, Forgetful(Hub::new(ServerOptions::default())));
    world.add(options, Idle);
    world.run(Duration::from_secs(1));
    world.strike(&Fault::CrashServer { time: Duration::from_millis(10) });
    assert_eq!(world.rest(Duration::from_secs(30)).unwrap_err().check, Check::Sessions);
}

// --- applications --------------------------------------------------------------------------------------------------------------

struct Idle;

impl App for Idle {
    fn on_event(&mut self, _: &Event<'_>, _: &mut Handle<'_>) {}
}

/// Says a few things at once, and listens to itself.
struct Talker(QoS);

impl App for Talker {
    fn on_event(&mut self, event: &Event<'_>, client: &mut Handle<'_>) {
        match event {
            Event::Connected(_) => {
                let topic = mqtt_proto::TopicFilter::new("talk").unwrap();
                client.subscribe(&[mqtt_proto::Subscription::new(topic, self.0)]).unwrap();
            }
            Event::Subscribed { .. } => (0..5).for_each(|number| say(client, self.0, &number.to_string())),
            _ => {}
        }
    }
}

fn say(client: &mut Handle<'_>, qos: QoS, what: &str) {
    let mut message = Message::new(TopicName::new("talk").unwrap(), what.as_bytes());
    message.qos = qos;
    client.publish(&message).unwrap();
}
