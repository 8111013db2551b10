//! Wires that break, stall and trickle at random, from a seed. Whatever happens, what was promised holds.

mod world;

use std::time::Duration;

use mqtt_driver::{BrokerOptions, Options, QoS, Version};
use world::{Network, Quality, World};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

const MESSAGES: u32 = 40;

fn options(client_id: &str, version: Version, random: &mut Random) -> Options {
    let mut options = Options::new("broker");
    options.connect.client_id = client_id.into();
    options.connect.version = version;
    options.connect.clean_start = false;
    options.connect.session_expiry_interval = if version.has_session_expiry() { u32::MAX } else { 0 };
    options.connect.receive_maximum = 1 + random.below(5) as u16;
    options.connect.limits.in_flight_max = 1 + random.below(5) as u16;
    options.connect.limits.in_flight_before_5_max = options.connect.limits.in_flight_max;
    options.connect.limits.queued_messages_max = 1 + random.below(10) as usize;
    options
}

fn quality(random: &mut Random) -> Quality {
    let piece = |random: &mut Random| [1, 7, 100, usize::MAX][random.below(4) as usize];
    Quality { read_max: piece(random), write_max: piece(random), bytes_max: 1 + random.below(500) as usize }
}

/// Breaks wires for a while, then lets everything heal.
async fn trouble(world: World, networks: [Network; 2], mut random: Random) {
    for _ in 0..random.below(30) {
        world.sleep(Duration::from_micros(random.below(300_000))).await;
        let network = &networks[random.below(2) as usize];
        let wire = network.lock().wire.clone();
        let Some(wire) = wire else { continue };
        match random.below(4) {
            0 | 1 => wire.cut(),
            2 => wire.stall(random.below(2) as usize, true),
            _ => network.lock().refuse = random.below(3) as usize,
        }
        network.lock().quality = quality(&mut random);
    }
    for network in networks {
        network.lock().quality = Quality::default();
        // A wire that was stalled stays so, and is found out by the keep alive.
        network.lock().refuse = 0;
    }
}

fn run(seed: u64) -> u64 {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let version = [Version::V3_1_1, Version::V5][random.below(2) as usize];
    let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][random.below(2) as usize];
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    let network_of = || {
        let other = Network::default();
        other.lock().broker = Some(broker.clone());
        other
    };
    let networks = [network, network_of()];
    let reader = world.connect(options("reader", version, &mut random), &networks[0]);
    let mut messages = world.run(async { reader.subscribe("a").await }).unwrap();
    let writer = world.start(options("writer", version, &mut random), &networks[1]);
    world.run(writer.connected()).unwrap();
    world.spawn(trouble(world.clone(), networks, Random(seed | 1)));

    let publisher = writer.clone();
    let (clock, pause) = (world.clone(), random.below(50_000));
    world.spawn(async move {
        for number in 0..MESSAGES {
            publisher.publish("a", &number.to_be_bytes()).qos(qos).await.unwrap();
            clock.sleep(Duration::from_micros(pause)).await;
        }
    });
    world.run(async {
        let mut next = 0;
        while next < MESSAGES {
            let message = messages.next().await.unwrap();
            let number = u32::from_be_bytes(message.payload().try_into().unwrap());
            match qos {
                QoS::ExactlyOnce => assert_eq!(number, next),
                // May come again, but never in another order than before.
                _ => assert!(number <= next, "{number} instead of {next}"),
            }
            next = next.max(number + 1);
            world.sleep(Duration::from_micros(random.below(20_000))).await;
        }
        world.sleep(Duration::from_secs(200)).await;
        if qos == QoS::ExactlyOnce {
            assert!(messages.try_next().is_none());
        }
        messages.unsubscribe().await.unwrap();
        reader.disconnect().await.unwrap();
        writer.disconnect().await.unwrap();
        broker.shutdown().await;
    });
    reader.stats().connections + writer.stats().connections - 2
}

#[test]
fn what_was_promised_holds_whatever_happens() {
    let mut reconnects = 0;
    for seed in 0..300 {
        reconnects += std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(reconnects > 1000, "only {reconnects} reconnects: these wires are too good");
}
