//! Every future, dropped at every await at which it can be: nothing is lost, nothing is stuck.

mod world;

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use mqtt_driver::{BrokerOptions, Options, QoS, Version};
use world::{Quality, World};

/// Drops the future that is the n-th to be pending, and makes another one.
struct Cancel {
    left: Cell<usize>,
    /// One has been dropped.
    done: Cell<bool>,
}

impl Cancel {
    fn at(n: usize) -> Self {
        Self { left: Cell::new(n), done: Cell::new(false) }
    }

    /// What `make`'s future yields, and whether one had been dropped before.
    async fn run<T>(&self, mut make: impl AsyncFnMut() -> T) -> (T, bool) {
        let mut repeated = false;
        loop {
            let mut future = pin!(make());
            let output = poll_fn(|cx| {
                let poll = future.as_mut().poll(cx);
                if poll.is_ready() {
                    return poll.map(Some);
                }
                if self.done.get() {
                    return Poll::Pending;
                }
                match self.left.get().checked_sub(1) {
                    Some(left) => {
                        self.left.set(left);
                        Poll::Pending
                    }
                    None => {
                        self.done.set(true);
                        Poll::Ready(None)
                    }
                }
            })
            .await;
            match output {
                Some(output) => return (output, repeated),
                None => repeated = true,
            }
        }
    }
}

fn options(version: Version) -> Options {
    let mut options = Options::new("broker");
    options.connect.client_id = "c".into();
    options.connect.version = version;
    options.connect.clean_start = false;
    options.connect.session_expiry_interval = if version.has_session_expiry() { 60 } else { 0 };
    // Little room, so that there is much waiting.
    options.connect.receive_maximum = 2;
    options.connect.limits.in_flight_max = 1;
    options.connect.limits.in_flight_before_5_max = options.connect.limits.in_flight_max;
    options.connect.limits.queued_messages_max = 1;
    options
}

/// Connects, subscribes, publishes, loses the connection, receives, unsubscribes, disconnects, with one future dropped on the way.
/// False: there were not that many to drop.
fn whole_life(version: Version, quality: Quality, n: usize) -> bool {
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    network.lock().quality = quality;
    let client = world.start(options(version), &network);
    let cancel = Cancel::at(n);
    world.run(async {
        cancel.run(async || client.connected().await).await.0.unwrap();
        let mut stream = cancel.run(async || client.subscribe("a/#").await).await.0.unwrap();
        for number in 0..6_u8 {
            let qos = QoS::from_u8(number % 3).unwrap();
            let payload = [number; 3];
            // Somebody else has taken the only place.
            let other = client.publish("other", "").qos(QoS::ExactlyOnce).try_send().unwrap();
            let (result, repeated) = cancel.run(async || client.publish("a/b", &payload).qos(qos).await).await;
            result.unwrap();
            other.await.unwrap();
            if number == 2 {
                network.wire().cut();
            }
            // What was sent at QoS 0 when the wire was cut may be gone; nothing else may.
            let mut copies = 0;
            while copies == 0 {
                let message = cancel.run(async || stream.next().await).await.0.unwrap();
                if message.payload()[0] == number {
                    copies += 1;
                }
            }
            world.sleep(Duration::from_millis(200)).await;
            while let Some(message) = stream.try_next() {
                assert_eq!(message.payload()[0], number, "an old message has come again");
                copies += 1;
            }
            let most = if repeated { 2 } else { 1 };
            assert!(qos == QoS::AtLeastOnce || copies <= most, "{number}: {copies} copies");
        }
        cancel.run(async || client.unsubscribe("a/#").await).await.0.unwrap();
        assert!(cancel.run(async || stream.next().await).await.0.is_none());
        cancel.run(async || client.disconnect().await).await.0.unwrap();
        cancel.run(async || client.closed().await).await;
        assert_eq!(broker.counts().subscriptions, 0);
        cancel.run(async || broker.shutdown().await).await;
        assert_eq!(broker.counts().connections, 0);
    });
    cancel.done.get()
}

#[test]
fn any_future_may_be_dropped_at_any_await() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut n = 0;
        while whole_life(version, Quality::default(), n) {
            n += 1;
        }
        assert!(n >= 12, "only {n} awaits");
    }
}

#[test]
fn any_future_may_be_dropped_at_any_await_on_a_slow_wire() {
    let mut n = 0;
    while whole_life(Version::V5, Quality::trickle(), n) {
        n += 1;
    }
    assert!(n >= 12, "only {n} awaits");
}

/// The loop is dropped after n turns, as happens when a runtime ends. Whoever waits gets an answer.
#[test]
fn the_loop_may_be_dropped_at_any_await() {
    for n in 0.. {
        let world = World::new();
        let (_broker, network) = world.broker(BrokerOptions::default());
        let (client, driver) = mqtt_driver::client(options(Version::V5), network.clone(), world.clock(), 1);
        let mut left: usize = n;
        let mut driver = Some(Box::pin(driver.run()));
        let (stopped, is_stopped) = std::sync::mpsc::channel();
        world.spawn(poll_fn(move |cx| {
            if left == 0 {
                driver = None;
                let _ = stopped.send(());
            }
            left = left.saturating_sub(1);
            match &mut driver {
                Some(driver) => driver.as_mut().poll(cx),
                None => Poll::Ready(()),
            }
        }));
        world.run(async {
            let _ = client.connected().await;
            if let Ok(mut stream) = client.subscribe("a").await {
                for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                    if client.publish("a", "x").qos(qos).await.is_err() || stream.next().await.is_none() {
                        break;
                    }
                }
                let _ = stream.unsubscribe().await;
            }
            let _ = client.disconnect().await;
            client.closed().await;
        });
        if is_stopped.try_recv().is_err() {
            assert!(n > 5, "only {n} turns");
            return;
        }
    }
}

/// The server's messages that were on their way when a subscribe was given up are nobody's, and acknowledged.
#[test]
fn a_subscribe_that_is_given_up_is_taken_back() {
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    let mut plain = Options::new("broker");
    plain.connect.receive_maximum = 1;
    let client = world.connect(plain, &network);
    world.run(async {
        let mut subscribing = Box::pin(client.subscribe("a").into_future());
        poll_fn(|cx| {
            assert!(subscribing.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(subscribing);
        for _ in 0..10 {
            client.publish("a", "x").qos(QoS::ExactlyOnce).await.unwrap();
        }
        world.sleep(Duration::from_millis(1)).await;
        assert_eq!(broker.counts().subscriptions, 0);
        // Nothing of it stands in the way of another.
        let mut stream = client.subscribe("a").await.unwrap();
        client.publish("a", "y").qos(QoS::ExactlyOnce).await.unwrap();
        assert_eq!(stream.next().await.unwrap().payload(), b"y");
    });
}
