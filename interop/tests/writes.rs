//! Messages that are sent together go out together: the writes of our programs, counted by strace.

use std::collections::BTreeMap;

use interop::{Mosquitto, Process, Raw, SPOKEN, Strace, mosquitto_sub};

/// How many writes it takes our client to publish 5,000 small messages at QoS 0. All of them arrive, in order.
fn writes_for_five_thousand(version: (&str, &str), threads: &str) -> usize {
    let broker = Mosquitto::start();
    let mut subscriber =
        Process::start(mosquitto_sub(broker.port(), version.0).args(["-d", "-t", "burst", "-F", "> %p"]));
    subscriber.wait_for("Subscribed (mid: 1)");
    let arguments = [&broker.port().to_string(), version.1, "5000", threads];
    let writes = Strace::start(env!("CARGO_BIN_EXE_interop-publisher"), &arguments).finish();
    for number in 0..5000 {
        assert_eq!(subscriber.wait_for("> "), format!("> {number}"));
    }
    println!("{}, {threads} threads: {} writes for 5,000 publishes", version.1, writes.len());
    assert!(writes.len() >= 2, "CONNECT has to be answered: {writes:#?}");
    writes.len()
}

#[test]
fn five_thousand_publishes_take_no_more_writes_than_their_bytes_need() {
    for version in SPOKEN {
        // 64 KiB go out at once.
        assert!(writes_for_five_thousand(version, "1") <= 10);
    }
}

#[test]
fn five_thousand_publishes_beside_the_loop_take_at_most_a_hundred_writes() {
    // What gathers during one write goes out with the next, so it is the faster publisher that needs fewer. Without optimization it is slow.
    let writes_max = if cfg!(debug_assertions) { 400 } else { 100 };
    for version in SPOKEN {
        assert!(writes_for_five_thousand(version, "2") <= writes_max);
    }
}

/// Our broker under strace, and a hundred subscribers.
struct FanOut {
    broker: Strace,
    subscribers: Vec<Raw>,
    publisher: Raw,
}

impl FanOut {
    fn new() -> Self {
        let mut broker = Strace::start(env!("CARGO_BIN_EXE_interop-broker"), &[]);
        let line = broker.process().wait_for("port ");
        let port = line[5..].parse().expect("a number");
        let subscribers = (0..100u8).map(|number| {
            let level = 4 + number % 2;
            let mut subscriber = Raw::connect(port, level, &format!("subscriber-{number}"));
            subscriber.subscribe("fan/out");
            subscriber
        });
        Self { broker, subscribers: subscribers.collect(), publisher: Raw::connect(port, 5, "publisher") }
    }

    /// Publishes so many messages in one write, awaits all deliveries, and returns the writes that brought them: for each connection, how many.
    fn publish(mut self, count: u8) -> BTreeMap<String, usize> {
        let burst: Vec<_> =
            (0..count).flat_map(|number| self.publisher.publish("fan/out", None, &number.to_string())).collect();
        self.publisher.send(&burst);
        for subscriber in &mut self.subscribers {
            for number in 0..count {
                let packet = subscriber.packet().expect("a message");
                assert!(packet.ends_with(number.to_string().as_bytes()), "{packet:?} is not message {number}");
            }
        }
        let mut writes = BTreeMap::new();
        for write in self.broker.finish() {
            // Nothing else that the broker sends names the topic.
            if write.call.contains("fan/out") {
                *writes.entry(write.connection).or_default() += 1;
            }
        }
        assert_eq!(writes.len(), 100, "each subscriber has got something");
        println!("{} writes for {count} messages to 100 subscribers", writes.values().sum::<usize>());
        writes
    }
}

#[test]
fn one_message_to_a_hundred_subscribers_takes_one_write_for_each() {
    let writes = FanOut::new().publish(1);
    assert!(writes.values().all(|&count| count == 1), "{writes:#?}");
}

#[test]
fn a_burst_to_a_hundred_subscribers_takes_one_write_for_each_too() {
    let writes = FanOut::new().publish(50);
    // The broker may find the burst in two pieces, and then two turns are due.
    assert!(writes.values().sum::<usize>() <= 110, "{writes:#?}");
}

#[test]
fn a_burst_is_acknowledged_in_one_write() {
    let FanOut { broker, subscribers, mut publisher } = FanOut::new();
    let burst: Vec<_> = (1..=50).flat_map(|id| publisher.publish("nobody/listens", Some((1, id)), "x")).collect();
    publisher.send(&burst);
    for id in 1..=50 {
        let packet = publisher.packet().expect("an acknowledgement");
        assert_eq!((packet[0], packet[3]), (0x40, id));
    }
    drop(subscribers);
    let writes = broker.finish();
    let acks: Vec<_> = writes
        .iter()
        .filter(|write| write.call.starts_with(", [{iov_base=\"@") || write.call.starts_with(", \"@"))
        .collect();
    println!("{} writes for 50 acknowledgements", acks.len());
    assert!((1..=2).contains(&acks.len()), "{acks:#?}");
}
