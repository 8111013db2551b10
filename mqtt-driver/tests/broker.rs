//! The broker's loop, seen from its wires.

mod world;

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use mqtt_driver::{
    BrokerOptions, ConnectError, Connector, DisconnectCause, HostError, HostMessage, Options, QoS, ReasonCode,
    TopicName, Transport,
};
use world::{End, Network, Quality, World};

fn named(client_id: &str) -> Options {
    let mut options = Options::new("broker");
    options.connect.client_id = client_id.into();
    options
}

/// A wire without a client.
async fn wire(network: &Network) -> End {
    network.clone().connect("broker", 1883).await.unwrap()
}

const CONNECT: &[u8] = &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 0];

#[test]
fn a_fan_out_costs_one_write_per_connection_and_turn() {
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    let mut readers = Vec::new();
    let mut wires = Vec::new();
    for _ in 0..100 {
        let client = world.connect(Options::new("broker"), &network);
        let stream = world.run(async { client.subscribe("news").await.unwrap() });
        readers.push(stream);
        wires.push(network.wire());
    }
    let writer = world.connect(Options::new("broker"), &network);
    let before: Vec<_> = wires.iter().map(|wire| wire.writes(1)).collect();
    world.run(async {
        // They leave in one write, so they arrive in one turn.
        for number in 0..50 {
            writer.publish("news", number.to_string()).await.unwrap();
        }
        for stream in &mut readers {
            for number in 0..50 {
                assert_eq!(stream.next().await.unwrap().payload(), number.to_string().as_bytes());
            }
        }
    });
    for (wire, before) in wires.iter().zip(before) {
        assert_eq!(wire.writes(1) - before, 1);
    }
    assert_eq!(broker.counts().connections, 101);
}

#[test]
fn one_connection_can_not_keep_the_others_waiting() {
    let world = World::new();
    let (_broker, network) = world.broker(BrokerOptions::default());
    network.lock().quality = Quality { bytes_max: 8 << 20, ..Quality::default() };
    let (loud, quiet) = (world.connect(named("loud"), &network), world.connect(named("quiet"), &network));
    let (settled, before_quiet) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(usize::MAX)));
    let (count, seen) = (Arc::clone(&settled), Arc::clone(&before_quiet));
    world.spawn(async move {
        let payload = vec![0; 60_000];
        let flood: Vec<_> =
            (0..100).map(|_| loud.publish("x", &payload).qos(QoS::AtLeastOnce).try_send().unwrap()).collect();
        for delivery in flood {
            delivery.await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    world.spawn(async move {
        quiet.publish("y", "").qos(QoS::AtLeastOnce).await.unwrap();
        seen.store(settled.load(Ordering::SeqCst), Ordering::SeqCst);
    });
    world.run_tasks();
    let before_quiet = before_quiet.load(Ordering::SeqCst);
    assert!(before_quiet < 20, "{before_quiet} of one before a single one of the other");
}

#[test]
fn bad_bytes_end_their_own_connection_only() {
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    let good = world.connect(Options::new("broker"), &network);
    world.run(async {
        let mut stream = good.subscribe("a").await.unwrap();
        let cases: [(&[u8], &[u8]); 5] = [
            (b"GET / HTTP/1.1\r\n\r\n", &[]),
            (&[0xC0, 0], &[]),
            (&[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], &[]),
            // A level that there isn't: an answer that all can read.
            (&[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 9, 2, 0, 0, 0, 0], &[0x20, 3, 0, 0x84, 0]),
            (&[], &[]),
        ];
        for (bytes, answer) in cases {
            let mut bad = wire(&network).await;
            bad.write(bytes).await;
            if bytes.is_empty() {
                drop(bad);
            } else {
                let rest = bad.rest().await;
                assert!(rest.starts_with(answer), "{bytes:x?}: {rest:x?}");
            }
        }
        // Connected first, then bad: DISCONNECT says why.
        let mut bad = wire(&network).await;
        bad.write(CONNECT).await;
        assert_eq!(bad.packet().await[0], 0x20);
        bad.write(&[0x30, 2, 0, 5]).await;
        let rest = bad.rest().await;
        assert_eq!((rest[0], rest[2]), (0xE0, 0x81), "{rest:x?}");

        good.publish("a", "still here").qos(QoS::AtLeastOnce).await.unwrap();
        assert_eq!(stream.next().await.unwrap().payload(), b"still here");
        assert_eq!(good.stats().connections, 1);
    });
    world.pass(Duration::from_secs(3));
    assert_eq!(broker.counts().connections, 1);
}

#[test]
fn a_peer_that_never_reads_is_given_up() {
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    let writer = world.connect(Options::new("broker"), &network);
    let mut deaf = Options::new("broker");
    deaf.connect.keep_alive = 0;
    deaf.reconnect.enabled = false;
    let deaf = world.connect(deaf, &network);
    let wire = network.wire();
    world.run(async {
        let _stream = deaf.subscribe("a").await.unwrap();
        wire.stall(1, true);
        // More than the broker holds for it: what it can't get is dropped, at QoS 0.
        for _ in 0..100 {
            writer.publish("a", vec![0; 60_000]).qos(QoS::AtMostOnce).await.unwrap();
        }
        world.sleep(Duration::from_secs(59)).await;
        assert_eq!(broker.counts().connections, 2);
        world.sleep(Duration::from_secs(2)).await;
        assert_eq!(broker.counts().connections, 1);
    });
}

#[test]
fn a_peer_that_is_sent_away_and_does_not_read_is_waited_for_as_long_as_the_limit_says() {
    let world = World::new();
    let mut options = BrokerOptions::default();
    options.server.limits.close_timeout = Duration::from_secs(5);
    let (broker, network) = world.broker(options);
    let writer = world.connect(named("writer"), &network);
    let mut deaf = named("deaf");
    deaf.reconnect.enabled = false;
    let deaf = world.connect(deaf, &network);
    let wire = network.wire();
    world.run(async {
        let _stream = deaf.subscribe("a").await.unwrap();
        wire.stall(1, true);
        writer.publish("a", vec![0; 600_000]).await.unwrap();
        world.sleep(Duration::from_millis(1)).await;
        broker.disconnect("deaf", ReasonCode::AdministrativeAction).unwrap();
        broker.disconnect("nobody", ReasonCode::AdministrativeAction).unwrap();
        let before = world.now();
        deaf.closed().await;
        assert_eq!(world.now().since(before), Duration::from_secs(5));
        world.sleep(Duration::from_millis(1)).await;
        assert_eq!(broker.counts().connections, 1);
    });
}

#[test]
fn a_client_that_is_sent_away_hears_why() {
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    let mut once = named("c");
    once.reconnect.enabled = false;
    let client = world.connect(once, &network);
    world.run(async {
        broker.disconnect("c", ReasonCode::AdministrativeAction).unwrap();
        let error = client.closed().await;
        assert!(
            matches!(error, ConnectError::Lost(DisconnectCause::Peer(ReasonCode::AdministrativeAction))),
            "{error}"
        );
    });
}

#[test]
fn a_client_whose_session_is_taken_over_does_not_fight_back() {
    let world = World::new();
    let (_broker, network) = world.broker(BrokerOptions::default());
    let first = world.connect(named("c"), &network);
    let second = world.connect(named("c"), &network);
    let error = world.run(first.closed());
    assert_eq!(error.reason_code(), Some(ReasonCode::SessionTakenOver));
    world.pass(Duration::from_secs(100));
    assert_eq!((network.lock().attempts, second.stats().connections), (2, 1));
}

#[test]
fn shutting_down_tells_all_clients_and_waits_for_none_that_do_not_listen() {
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    let mut once = Options::new("broker");
    once.reconnect.enabled = false;
    let clients: Vec<_> = (0..3).map(|_| world.connect(once.clone(), &network)).collect();
    network.wire().stall(1, true);
    world.run(async {
        let mute = wire(&network).await;
        let before = world.now();
        broker.shutdown().await;
        assert!(world.now().since(before) <= Duration::from_secs(2));
        for client in &clients[..2] {
            assert_eq!(client.closed().await.reason_code(), Some(ReasonCode::ServerShuttingDown));
        }
        assert!(matches!(broker.disconnect("c", ReasonCode::ServerBusy), Err(HostError::Stopped)));
        // Whoever comes now is closed.
        assert!(wire(&network).await.rest().await.is_empty());
        drop(mute);
        broker.shutdown().await;
    });
}

#[test]
fn the_host_can_publish() {
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    let client = world.connect(Options::new("broker"), &network);
    world.run(async {
        let mut stream = client.subscribe("#").await.unwrap();
        let mut message = HostMessage::new(TopicName::new("news").unwrap(), "rain");
        message.qos = QoS::ExactlyOnce;
        message.retain = true;
        broker.publish(&message).unwrap();
        let message = stream.next().await.unwrap();
        assert_eq!((message.topic(), message.payload(), message.qos()), ("news", &b"rain"[..], QoS::ExactlyOnce));
        assert_eq!(broker.counts().retained_messages, 1);
    });
    // The loop does not run between these, so they wait, and there is a bound.
    let message = HostMessage::new(TopicName::new("news").unwrap(), "rain");
    let full = (0..2000).find(|_| broker.publish(&message).is_err());
    assert_eq!(full, Some(1000));
}

#[test]
fn input_that_had_to_wait_for_its_answers_to_be_read_is_handled_later() {
    let world = World::new();
    let (_broker, network) = world.broker(BrokerOptions::default());
    network.lock().quality = Quality { bytes_max: 4 << 20, ..Quality::default() };
    world.run(async {
        let mut greedy = wire(&network).await;
        greedy.write(CONNECT).await;
        assert_eq!(greedy.packet().await[0], 0x20);
        network.wire().stall(1, true);
        // Each asks for an answer of two bytes.
        const PINGS: usize = 600_000;
        greedy.write(&[0xC0, 0].repeat(PINGS)).await;
        world.sleep(Duration::from_secs(1)).await;
        network.wire().stall(1, false);
        let answers = greedy.read(2 * PINGS).await;
        assert!(answers.chunks(2).all(|answer| answer == [0xD0, 0]));
        greedy.write(&[0xC0, 0]).await;
        assert_eq!(greedy.packet().await, [0xD0, 0]);
    });
}

#[test]
fn a_large_packet_in_small_pieces_arrives() {
    let world = World::new();
    let (_broker, network) = world.broker(BrokerOptions::default());
    let client = world.connect(Options::new("broker"), &network);
    world.run(async {
        let mut stream = client.subscribe("a").await.unwrap();
        for piece in [1, 100, 5000] {
            let mut slow = wire(&network).await;
            slow.write(CONNECT).await;
            slow.packet().await;
            let payload = vec![7; 100_000];
            // 100,004 bytes follow: topic, no properties, payload. Two of them at a time, so that one always follows another.
            let mut packet = vec![0x30, 0xA4, 0x8D, 0x06, 0, 1, b'a', 0];
            packet.extend(&payload);
            let packets = packet.repeat(2);
            for bytes in packets.chunks(piece) {
                slow.write(bytes).await;
                if piece > 1 {
                    world.step().await;
                }
            }
            for _ in 0..2 {
                assert_eq!(stream.next().await.unwrap().payload(), payload);
            }
        }
    });
}

#[test]
fn too_many_connections_are_closed_at_once() {
    let world = World::new();
    let mut options = BrokerOptions::default();
    options.connections_max = 2;
    let (broker, network) = world.broker(options);
    world.run(async {
        let (_a, b) = (wire(&network).await, wire(&network).await);
        assert!(wire(&network).await.rest().await.is_empty());
        assert_eq!(broker.counts().connections, 2);
        drop(b);
        world.sleep(Duration::from_millis(1)).await;
        let mut c = wire(&network).await;
        c.write(CONNECT).await;
        assert_eq!(c.packet().await[0], 0x20);
    });
}

#[test]
fn a_connection_that_says_nothing_is_closed_in_time() {
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    world.run(async {
        let mut mute = wire(&network).await;
        assert!(mute.rest().await.is_empty());
        assert_eq!(world.now().as_micros(), 10_000_000);
    });
    world.pass(Duration::from_secs(3));
    assert_eq!(broker.counts().connections, 0);
}

/// Fails a few times, as when too many files are open, then works.
struct Troubled {
    network: Network,
    attempts: Arc<AtomicUsize>,
}

impl mqtt_driver::Listener for Troubled {
    type Transport = End;

    async fn accept(&mut self) -> io::Result<End> {
        match self.attempts.fetch_add(1, Ordering::SeqCst) {
            0..5 | 6..10 => Err(io::Error::other("too many open files")),
            5 => Ok(wire(&self.network).await),
            _ => std::future::pending().await,
        }
    }
}

#[test]
fn accepting_goes_on_after_errors_and_ends_with_the_broker() {
    let world = World::new();
    let (broker, _) = world.broker(BrokerOptions::default());
    let network = Network::default();
    let attempts = Arc::new(AtomicUsize::new(0));
    let troubled = Troubled { network: network.clone(), attempts: Arc::clone(&attempts) };
    let listening = broker.listen(troubled, world.clock());
    let (ended, has_ended) = std::sync::mpsc::channel();
    world.spawn(async move {
        listening.await;
        ended.send(()).unwrap();
    });
    world.pass(Duration::from_millis(100));
    assert!(attempts.load(Ordering::SeqCst) < 6, "it does not wait");
    world.pass(Duration::from_millis(400));
    assert_eq!(attempts.load(Ordering::SeqCst), 11);
    world.run(async {
        let mut accepted = network.accept(&world).await;
        accepted.write(CONNECT).await;
    });
    assert!(has_ended.try_recv().is_err());
    // It does not keep the broker alive.
    drop(broker);
    world.run_tasks();
    has_ended.try_recv().unwrap();
}

/// A transport that fails in the middle of a write.
struct Breaking(usize);

impl Transport for Breaking {
    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.0) == 0 {
            return Poll::Pending;
        }
        into[..CONNECT.len()].copy_from_slice(CONNECT);
        Poll::Ready(Ok(CONNECT.len()))
    }

    fn poll_write_vectored(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_write_that_fails_ends_its_connection() {
    let world = World::new();
    let (broker, shard) = mqtt_driver::broker(BrokerOptions::default(), world.clock(), 1);
    world.spawn(shard.run());
    broker.add(Breaking(1));
    broker.add(Breaking(0));
    world.run_tasks();
    assert_eq!(broker.counts().connections, 1);
}

/// A transport whose peer says something wrong, and then neither reads nor goes.
struct Lingering {
    has_spoken: bool,
    /// Counts them.
    _alive: Arc<()>,
}

impl Transport for Lingering {
    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if std::mem::replace(&mut self.has_spoken, true) {
            return Poll::Pending;
        }
        into[0] = 0;
        Poll::Ready(Ok(1))
    }

    fn poll_write_vectored(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn peers_that_are_told_to_go_and_stay_take_no_more_room_than_others() {
    let world = World::new();
    let mut options = BrokerOptions::default();
    options.connections_max = 3;
    let (broker, shard) = mqtt_driver::broker(options, world.clock(), 1);
    world.spawn(shard.run());
    let alive = Arc::new(());
    for number in 1..=10 {
        broker.add(Lingering { has_spoken: false, _alive: Arc::clone(&alive) });
        world.run_tasks();
        assert_eq!(Arc::strong_count(&alive) - 1, number.min(3));
        assert_eq!(broker.counts().connections, 0);
    }
    // A peer that stays is not waited for longer than that.
    world.pass(Duration::from_secs(3));
    assert_eq!(Arc::strong_count(&alive) - 1, 0);
}
