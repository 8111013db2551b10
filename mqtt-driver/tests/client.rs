//! Clients and a broker in a world of their own: what applications see.

mod world;

use std::time::Duration;

use mqtt_driver::{
    BrokerOptions, Client, ConnectError, Options, Outcome, PropertiesBuf, Property, PublishError, QoS, ReasonCode,
    SubscribeError, UnsubscribeError, Version,
};
use world::{Network, Quality, World};

const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn options(client_id: &str, version: Version) -> Options {
    let mut options = Options::new("broker");
    options.connect.client_id = client_id.into();
    options.connect.version = version;
    options
}

/// A client whose session outlives its connections.
fn durable(client_id: &str, version: Version) -> Options {
    let mut options = options(client_id, version);
    options.connect.clean_start = false;
    options.connect.session_expiry_interval = if version.has_session_expiry() { 3600 } else { 0 };
    options
}

fn with_broker() -> (World, Network) {
    let world = World::new();
    let (broker, network) = world.broker(BrokerOptions::default());
    drop(broker);
    (world, network)
}

async fn say(client: &Client, topic: &str, payload: &str, qos: QoS) {
    client.publish(topic, payload).qos(qos).await.unwrap();
}

#[test]
fn messages_arrive_at_every_qos_in_every_version() {
    for version in Version::ALL {
        let (world, network) = with_broker();
        let client = world.connect(options("c", version), &network);
        world.run(async {
            let mut messages = client.subscribe("a/#").await.unwrap();
            for qos in ALL_QOS {
                say(&client, "a/b", "hello", qos).await;
                let message = messages.next().await.unwrap();
                assert_eq!((message.topic(), message.payload(), message.qos()), ("a/b", &b"hello"[..], qos));
                assert!(!message.retain());
            }
            client.disconnect().await.unwrap();
            assert!(messages.next().await.is_none());
        });
    }
}

#[test]
fn a_wire_that_trickles_changes_nothing() {
    for version in Version::ALL {
        let (world, network) = with_broker();
        network.lock().quality = Quality::trickle();
        let client = world.connect(options("c", version), &network);
        world.run(async {
            let mut messages = client.subscribe("a").await.unwrap();
            let large = "x".repeat(10_000);
            for qos in ALL_QOS {
                for payload in ["", "hello", &large] {
                    say(&client, "a", payload, qos).await;
                    assert_eq!(messages.next().await.unwrap().payload(), payload.as_bytes());
                }
            }
            client.disconnect().await.unwrap();
        });
    }
}

#[test]
fn a_large_message_comes_in_many_reads() {
    let (world, network) = with_broker();
    network.lock().quality = Quality { read_max: 1000, write_max: 3000, bytes_max: 10_000 };
    let client = world.connect(options("c", Version::V5), &network);
    world.run(async {
        let mut messages = client.subscribe("a").await.unwrap();
        let payload: Vec<u8> = (0..900_000_u32).map(|byte| byte as u8).collect();
        client.publish("a", &payload).qos(QoS::AtLeastOnce).await.unwrap();
        assert_eq!(messages.next().await.unwrap().payload(), payload);
    });
}

/// One task that receives and publishes, with room for one message everywhere.
#[test]
fn an_echo_with_room_for_one_gets_through() {
    for version in [Version::V3_1_1, Version::V5] {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (world, network) = with_broker();
            let mut tight = options("echo", version);
            tight.stream_messages_max = 1;
            tight.connect.receive_maximum = 1;
            tight.connect.limits.in_flight_max = 1;
            tight.connect.limits.in_flight_before_5_max = tight.connect.limits.in_flight_max;
            tight.connect.limits.queued_messages_max = 1;
            let client = world.connect(tight, &network);
            world.run(async {
                let mut messages = client.subscribe("echo").await.unwrap();
                say(&client, "echo", "0", qos).await;
                for count in 1..=10_000 {
                    let message = messages.next().await.unwrap();
                    assert_eq!(message.payload(), (count - 1).to_string().as_bytes());
                    say(&client, "echo", &count.to_string(), qos).await;
                }
            });
        }
    }
}

#[test]
fn a_resumed_session_loses_nothing_and_repeats_nothing() {
    for version in Version::ALL {
        let (world, network) = with_broker();
        let reader = world.connect(durable("reader", version), &network);
        let wire = network.wire();
        let writer = world.connect(options("writer", version), &network);
        world.run(async {
            let mut messages = reader.subscribe("a").await.unwrap();
            for round in 0..5 {
                // Some have arrived and not been taken when the connection is cut, some come while there is none.
                for number in 0..5 {
                    say(&writer, "a", &format!("{round}.{number}"), QoS::ExactlyOnce).await;
                }
                world.sleep(Duration::from_millis(1)).await;
                if round == 0 {
                    wire.cut()
                } else {
                    network.wire().cut()
                }
                world.sleep(Duration::from_millis(1)).await;
                for number in 5..10 {
                    say(&writer, "a", &format!("{round}.{number}"), QoS::ExactlyOnce).await;
                }
                for number in 0..10 {
                    let message = messages.next().await.unwrap();
                    assert_eq!(message.payload(), format!("{round}.{number}").as_bytes());
                }
            }
            assert!(messages.try_next().is_none());
            assert_eq!(reader.stats().connections, 6);
            let agreed = reader.agreed().unwrap();
            assert!(agreed.is_resumed && agreed.session_present == version.has_session_present());
        });
    }
}

/// A clean start is for what lay before; what comes after it is kept.
#[test]
fn a_clean_start_does_not_throw_away_what_came_after_it() {
    let (world, network) = with_broker();
    let mut fresh = durable("reader", Version::V5);
    fresh.connect.clean_start = true;
    let reader = world.connect(fresh, &network);
    let wire = network.wire();
    let writer = world.connect(options("writer", Version::V5), &network);
    world.run(async {
        let mut messages = reader.subscribe("a").await.unwrap();
        wire.cut();
        world.sleep(Duration::from_micros(1)).await;
        say(&writer, "a", "while away", QoS::AtLeastOnce).await;
        assert_eq!(messages.next().await.unwrap().payload(), b"while away");
        assert!(reader.agreed().unwrap().session_present);
    });
}

/// The server keeps what was not taken, so the next client of the session gets it, and only that one.
#[test]
fn what_was_not_taken_before_the_end_comes_again() {
    for version in [Version::V3_1_1, Version::V5] {
        let (world, network) = with_broker();
        let writer = world.connect(options("writer", version), &network);
        world.run(async {
            let reader = world.start(durable("reader", version), &network);
            let mut messages = reader.subscribe("a").await.unwrap();
            for payload in ["1", "2", "3"] {
                say(&writer, "a", payload, QoS::ExactlyOnce).await;
            }
            assert_eq!(messages.next().await.unwrap().payload(), b"1");
            reader.disconnect().await.unwrap();
            assert!(messages.next().await.is_none());
            drop((messages, reader));

            let reader = world.start(durable("reader", version), &network);
            let mut messages = reader.subscribe("a").await.unwrap();
            for payload in ["2", "3"] {
                assert_eq!(messages.next().await.unwrap().payload(), payload.as_bytes());
            }
        });
    }
}

#[test]
fn publishes_are_settled_across_reconnects() {
    for version in [Version::V3_1_1, Version::V5] {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (world, network) = with_broker();
            let reader = world.connect(options("reader", version), &network);
            let mut messages = world.run(async { reader.subscribe("a").await }).unwrap();
            let writer = world.connect(durable("writer", version), &network);
            world.run(async {
                network.wire().stall(0, true);
                let mut publishing: Vec<_> = (0..10)
                    .map(|number| writer.publish("a", format!("{number}")).qos(qos).try_send().unwrap())
                    .collect();
                world.sleep(Duration::from_millis(1)).await;
                network.wire().cut();
                for delivery in &mut publishing {
                    assert_eq!(delivery.await.unwrap(), ReasonCode::Success);
                }
                for number in 0..10 {
                    assert_eq!(messages.next().await.unwrap().payload(), format!("{number}").as_bytes());
                }
            });
        }
    }
}

#[test]
fn what_the_server_has_forgotten_is_subscribed_again() {
    for version in [Version::V3_1_1, Version::V5] {
        let (world, network) = with_broker();
        let client = world.connect(options("c", version), &network);
        world.run(async {
            let mut one = client.subscribe("one/+").await.unwrap();
            let mut two = client.subscribe_to(["two", "three"]).await.unwrap();
            for round in 0..3 {
                network.wire().cut();
                world.sleep(Duration::from_millis(1)).await;
                assert!(!client.is_connected() && client.last_error().is_some());
                client.connected().await.unwrap();
                assert_eq!(client.last_error().map(|error| error.to_string()), None);
                assert!(!client.agreed().unwrap().session_present);
                let round = round.to_string();
                say(&client, "one/x", &round, QoS::AtLeastOnce).await;
                say(&client, "three", &round, QoS::AtLeastOnce).await;
                assert_eq!(one.next().await.unwrap().payload(), round.as_bytes());
                assert_eq!(two.next().await.unwrap().payload(), round.as_bytes());
            }
        });
    }
}

#[test]
fn a_first_attempt_that_fails_is_the_last() {
    let (world, network) = with_broker();
    network.lock().refuse = 1;
    let client = world.start(Options::new("broker"), &network);
    let error = world.run(client.connected()).unwrap_err();
    assert!(matches!(&error, ConnectError::Unreachable { host, port: 1883, .. } if host == "broker"), "{error}");
    world.pass(Duration::from_secs(600));
    assert_eq!(network.lock().attempts, 1);
    assert!(matches!(world.run(async { client.subscribe("a").await }), Err(SubscribeError::Closed(_))));
    assert!(matches!(world.run(async { client.publish("a", "").await }), Err(PublishError::Closed(_))));
    assert!(matches!(world.run(client.unsubscribe("a")), Err(UnsubscribeError::Closed(_))));
    assert!(matches!(world.run(client.disconnect()), Err(ConnectError::Unreachable { .. })));
}

/// Whoever waits for it hears of it then, not when there is a connection again.
#[test]
fn a_message_without_a_connection_is_over_in_its_time() {
    for own in [true, false] {
        let (world, network) = with_broker();
        let mut options = Options::new("broker");
        options.reconnect.delay_min = Duration::from_secs(1_000);
        options.reconnect.delay_max = Duration::from_secs(1_000);
        options.connect.limits.queued_time_max = (!own).then_some(Duration::from_secs(5));
        let client = world.connect(options, &network);
        network.wire().cut();
        world.pass(Duration::from_secs(20));
        let begin = world.now();
        let mut properties = PropertiesBuf::new();
        if own {
            properties.push(Property::MessageExpiryInterval(5)).unwrap();
        }
        let publish = client.publish("a", "x").qos(QoS::AtLeastOnce).properties(properties);
        let expected = if own { Outcome::Expired } else { Outcome::WaitedTooLong };
        let Err(PublishError::Dropped(outcome)) = world.run(async { publish.await }) else { panic!() };
        assert_eq!(outcome, expected);
        assert_eq!(world.now(), begin + Duration::from_secs(5));
    }
}

#[test]
fn an_attempt_that_gets_nowhere_times_out() {
    let (world, network) = with_broker();
    network.lock().silent = true;
    let client = world.start(Options::new("broker"), &network);
    let error = world.run(client.connected()).unwrap_err();
    assert!(error.to_string().contains("connect_timeout"), "{error}");
    assert_eq!(world.now().as_micros(), 10_000_000);

    // A server that accepts and says nothing is no better; the time counts from the beginning.
    let network = Network::default();
    let client = world.start(Options::new("broker"), &network);
    let error = world.run(client.connected()).unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut(_) | ConnectError::Lost(_)), "{error}");
    assert_eq!(world.now().as_micros(), 20_000_000);
}

#[test]
fn later_attempts_back_off_and_go_on() {
    let (world, network) = with_broker();
    let client = world.connect(Options::new("broker"), &network);
    network.lock().refuse = usize::MAX;
    network.wire().cut();
    world.pass(Duration::from_secs(3600));
    let attempts = network.lock().attempts;
    // With waits of 30 s on average, once the bound is reached.
    assert!((60..300).contains(&attempts), "{attempts}");
    network.lock().refuse = 0;
    world.run(client.connected()).unwrap();
}

#[test]
fn a_refusal_that_no_retry_would_mend_ends_the_client() {
    let world = World::new();
    let network = Network::default();
    let client = world.start(Options::new("broker"), &network);
    world.run(async {
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 0, 0, 0]).await;
        client.connected().await.unwrap();
        drop(server);
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 0, 0x86, 0]).await;
        let error = client.closed().await;
        assert_eq!(error.reason_code(), Some(ReasonCode::BadUserNameOrPassword));
        assert!(error.to_string().contains("connect.password"), "{error}");
    });
    assert_eq!(network.lock().attempts, 2);
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let world = World::new();
    let network = Network::default();
    let client = world.start(Options::new("broker"), &network);
    world.run(async {
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 0, 0, 0]).await;
        client.connected().await.unwrap();
        drop(server);
        for _ in 0..3 {
            let mut server = network.accept(&world).await;
            server.packet().await;
            server.write(&[0x20, 3, 0, 0x89, 0]).await;
        }
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 0, 0, 0]).await;
        client.connected().await.unwrap();
    });
}

#[test]
fn without_reconnecting_a_loss_is_the_end() {
    let (world, network) = with_broker();
    let mut once = Options::new("broker");
    once.reconnect.enabled = false;
    let client = world.connect(once, &network);
    world.run(async {
        let mut messages = client.subscribe("a").await.unwrap();
        network.wire().cut();
        assert!(messages.next().await.is_none());
        assert!(matches!(messages.error(), Some(SubscribeError::Closed(ConnectError::Io(_)))));
        assert!(matches!(client.closed().await, ConnectError::Io(_)));
    });
}

#[test]
fn a_full_queue_is_an_error_or_a_wait() {
    let (world, network) = with_broker();
    let mut tight = Options::new("broker");
    tight.connect.limits.queued_messages_max = 2;
    let client = world.connect(tight, &network);
    world.run(async {
        network.wire().stall(0, true);
        let send = || client.publish("a", "x").qos(QoS::AtLeastOnce);
        let first = send().try_send().unwrap();
        let second = send().try_send().unwrap();
        let error = send().try_send().unwrap_err();
        assert!(error.is_full() && error.to_string().contains("queued_messages_max"), "{error}");

        let mut waiting: Vec<_> = (0..5).map(|_| Box::pin(send().into_future())).collect();
        for publishing in &mut waiting {
            assert!(poll_once(publishing.as_mut()).await.is_none());
        }
        // Those in front give up; the others take their places.
        drop(waiting.drain(..2));
        assert!(send().try_send().unwrap_err().is_full());
        network.wire().stall(0, false);
        for publishing in waiting {
            publishing.await.unwrap();
        }
        first.await.unwrap();
        second.await.unwrap();
    });
}

/// The turn of a waiter that has been called and is dropped before it can go is the next one's.
#[test]
fn a_turn_that_is_not_taken_is_passed_on() {
    let (world, network) = with_broker();
    let mut tight = Options::new("broker");
    tight.connect.limits.queued_messages_max = 1;
    let client = world.connect(tight, &network);
    world.run(async {
        network.wire().stall(0, true);
        let send = || client.publish("a", "x").qos(QoS::AtLeastOnce);
        let first = send().try_send().unwrap();
        let mut called = Box::pin(send().into_future());
        assert!(poll_once(called.as_mut()).await.is_none());
        let mut next = Box::pin(send().into_future());
        assert!(poll_once(next.as_mut()).await.is_none());
        network.wire().stall(0, false);
        first.await.unwrap();
        drop(called);
        next.await.unwrap();
    });
}

async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn a_slow_stream_holds_up_neither_publishes_nor_pings() {
    let (world, network) = with_broker();
    let mut hurried = Options::new("broker");
    hurried.connect.receive_maximum = 2;
    hurried.connect.keep_alive = 10;
    let client = world.connect(hurried, &network);
    world.run(async {
        let mut slow = client.subscribe("slow").await.unwrap();
        for number in 0..10 {
            say(&client, "slow", &number.to_string(), QoS::ExactlyOnce).await;
        }
        world.sleep(Duration::from_secs(600)).await;
        for qos in ALL_QOS {
            say(&client, "elsewhere", "hello", qos).await;
        }
        for number in 0..10 {
            assert_eq!(slow.next().await.unwrap().payload(), number.to_string().as_bytes());
        }
        assert_eq!(client.stats().connections, 1);
    });
}

/// Reading pauses for a reader that is only not scheduled, but not for one that is slow.
#[test]
fn messages_at_qos_0_beyond_the_bound_are_dropped_and_counted() {
    let (world, network) = with_broker();
    let mut small = Options::new("broker");
    small.stream_messages_max = 4;
    let client = world.connect(small, &network);
    let writer = world.connect(Options::new("broker"), &network);
    world.run(async {
        let mut messages = client.subscribe("a").await.unwrap();
        let mut others = client.subscribe("b").await.unwrap();
        let payloads = |from: u8, to: u8| (from..to).map(|number| [number]);
        // Five are there when it pauses; the pause ends when half of its room is free,
        for payload in payloads(0, 10) {
            say(&writer, "a", std::str::from_utf8(&payload).unwrap(), QoS::AtMostOnce).await;
        }
        world.sleep(Duration::from_millis(99)).await;
        for payload in payloads(0, 10) {
            assert_eq!(messages.next().await.unwrap().payload(), payload);
        }
        // or when it has lasted for too long; the rest is dropped then, and others go their way.
        for payload in payloads(0, 10) {
            say(&writer, "a", std::str::from_utf8(&payload).unwrap(), QoS::AtMostOnce).await;
        }
        let before = world.now();
        say(&writer, "b", "other", QoS::AtMostOnce).await;
        assert_eq!(others.next().await.unwrap().payload(), b"other");
        assert_eq!(world.now().since(before), Duration::from_millis(100));
        say(&writer, "a", "again", QoS::AtMostOnce).await;
        say(&writer, "a", "certain", QoS::AtLeastOnce).await;
        world.sleep(Duration::from_millis(1)).await;
        assert_eq!(world.now().since(before), Duration::from_millis(101), "it has paused again");
        for payload in payloads(0, 5) {
            assert_eq!(messages.next().await.unwrap().payload(), payload);
        }
        assert_eq!(messages.next().await.unwrap().payload(), b"certain");
        assert_eq!((messages.dropped(), client.stats().dropped), (6, 6));
        // With room, it begins anew.
        say(&writer, "a", "welcome", QoS::AtMostOnce).await;
        assert_eq!(messages.next().await.unwrap().payload(), b"welcome");
    });
}

/// Dropping a stream that reading pauses for ends the pause.
#[test]
fn a_pause_ends_with_its_stream() {
    let (world, network) = with_broker();
    let mut small = Options::new("broker");
    small.stream_messages_max = 1;
    let client = world.connect(small, &network);
    world.run(async {
        let full = client.subscribe("a").await.unwrap();
        for _ in 0..5 {
            say(&client, "a", "x", QoS::AtMostOnce).await;
        }
        world.sleep(Duration::from_millis(50)).await;
        drop(full);
        let before = world.now();
        say(&client, "a", "x", QoS::AtLeastOnce).await;
        assert_eq!(world.now(), before);
    });
}

/// Not even if they arrive faster than a queue could hold them: the reader has its turn between two of the loop's.
#[test]
fn a_burst_is_not_dropped_from_a_stream_that_somebody_reads() {
    let world = World::new();
    let network = Network::default();
    network.lock().quality = Quality { bytes_max: 4 << 20, ..Quality::default() };
    let client = world.start(Options::new("broker"), &network);
    let (count, counted) = std::sync::mpsc::channel();
    let reader = client.clone();
    world.spawn(async move {
        let mut messages = reader.subscribe("a").await.unwrap();
        for _ in 0..100_000 {
            messages.next().await.unwrap();
        }
        count.send(messages.dropped()).unwrap();
    });
    world.run(async {
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 0, 0, 0]).await;
        let subscribe = server.packet().await;
        server.write(&[0x90, 4, subscribe[2], subscribe[3], 0, 2]).await;
        server.write(&[0x30, 4, 0, 1, b'a', 0].repeat(100_000)).await;
        world.sleep(Duration::from_millis(1)).await;
        assert_eq!(counted.try_recv(), Ok(0));
    });
}

#[test]
fn a_message_goes_to_every_stream_that_it_matches_and_is_acknowledged_when_all_have_taken_it() {
    let world = World::new();
    let network = Network::default();
    let client = world.start(Options::new("broker"), &network);
    world.run(async {
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 0, 0, 0]).await;
        let mut narrow = Box::pin(client.subscribe("a/b").into_future());
        let mut wide = Box::pin(client.subscribe("a/#").into_future());
        assert!(poll_once(narrow.as_mut()).await.is_none() && poll_once(wide.as_mut()).await.is_none());
        for _ in 0..2 {
            let subscribe = server.packet().await;
            assert_eq!(subscribe[0], 0x82);
            server.write(&[0x90, 4, subscribe[2], subscribe[3], 0, 2]).await;
        }
        let (mut narrow, mut wide) = (narrow.await.unwrap(), wide.await.unwrap());

        server.write(&[0x32, 9, 0, 3, b'a', b'/', b'b', 0, 7, 0, b'1']).await;
        assert_eq!(narrow.next().await.unwrap().payload(), b"1");
        client.publish("x", "").await.unwrap();
        assert_eq!(server.packet().await[0], 0x30, "it was acknowledged too early");
        assert_eq!(wide.next().await.unwrap().payload(), b"1");
        assert_eq!(server.packet().await, [0x40, 2, 0, 7]);

        // A stream that is dropped counts as having taken it.
        server.write(&[0x32, 9, 0, 3, b'a', b'/', b'b', 0, 8, 0, b'2']).await;
        assert_eq!(narrow.next().await.unwrap().payload(), b"2");
        drop(wide);
        assert_eq!(server.packet().await, [0x40, 2, 0, 8]);
        assert_eq!(server.packet().await[..2], [0xA2, 8]);

        // Nobody wants this one.
        server.write(&[0x32, 7, 0, 1, b'z', 0, 9, 0, b'3']).await;
        assert_eq!(server.packet().await, [0x40, 2, 0, 9]);
        assert_eq!(client.stats().unmatched, 1);
        let mut others = client.unmatched();
        server.write(&[0x32, 7, 0, 1, b'z', 0, 10, 0, b'4']).await;
        assert_eq!(others.next().await.unwrap().topic(), "z");
        assert_eq!(server.packet().await, [0x40, 2, 0, 10]);
    });
}

/// A server that resumes a session sends what it has before the application can have subscribed.
#[test]
fn messages_of_a_resumed_session_wait_for_their_subscription() {
    for version in [Version::V3_1_1, Version::V5] {
        let (world, network) = with_broker();
        let writer = world.connect(options("writer", version), &network);
        let reader = world.connect(durable("reader", version), &network);
        world.run(async {
            let stays = reader.subscribe_to(["wanted", "forgotten"]).await.unwrap();
            reader.disconnect().await.unwrap();
            drop(stays);
            say(&writer, "wanted", "1", QoS::AtLeastOnce).await;
            say(&writer, "forgotten", "2", QoS::AtLeastOnce).await;
            say(&writer, "wanted", "3", QoS::AtLeastOnce).await;
        });
        let reader = world.connect(durable("reader", version), &network);
        world.run(async {
            world.sleep(Duration::from_secs(1)).await;
            let mut wanted = reader.subscribe("wanted").await.unwrap();
            for expected in ["1", "3"] {
                assert_eq!(wanted.next().await.unwrap().payload(), expected.as_bytes());
            }
            assert_eq!(reader.stats().unmatched, 0);
            world.sleep(Duration::from_secs(5)).await;
            assert_eq!(reader.stats().unmatched, 1);
            // From now on nothing is held.
            say(&writer, "forgotten", "4", QoS::AtLeastOnce).await;
            world.sleep(Duration::from_millis(1)).await;
            assert_eq!(reader.stats().unmatched, 2);
        });
    }
}

#[test]
fn a_dropped_stream_is_unsubscribed_unless_another_has_its_filter() {
    let (world, network) = with_broker();
    let client = world.connect(Options::new("broker"), &network);
    world.run(async {
        let first = client.subscribe("a").await.unwrap();
        let second = client.subscribe("a").await.unwrap();
        let mut other = client.subscribe("b").await.unwrap();
        drop(first);
        world.sleep(Duration::from_millis(1)).await;
        let broker = network.lock().broker.clone().unwrap();
        assert_eq!(broker.counts().subscriptions, 2);
        drop(second);
        world.sleep(Duration::from_millis(1)).await;
        assert_eq!(broker.counts().subscriptions, 1);
        client.unsubscribe("b").await.unwrap();
        assert!(other.next().await.is_none());
        assert_eq!(broker.counts().subscriptions, 0);
        let again = client.subscribe("b").await.unwrap();
        assert_eq!(broker.counts().subscriptions, 1);
        again.unsubscribe().await.unwrap();
        assert_eq!(broker.counts().subscriptions, 0);
    });
}

#[test]
fn a_refused_filter_is_an_error_that_names_it() {
    let world = World::new();
    let network = Network::default();
    let client = world.start(Options::new("broker"), &network);
    world.run(async {
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 0, 0, 0]).await;
        let mut subscribing = Box::pin(client.subscribe_to(["yes", "no"]).into_future());
        assert!(poll_once(subscribing.as_mut()).await.is_none());
        let subscribe = server.packet().await;
        server.write(&[0x90, 5, subscribe[2], subscribe[3], 0, 2, 0x87]).await;
        match subscribing.await {
            Err(SubscribeError::Refused { filter, reason_code }) => {
                assert_eq!((filter.as_str(), reason_code), ("no", ReasonCode::NotAuthorized));
            }
            other => panic!("{other:?}"),
        }
        // The one that was granted is given back.
        assert_eq!(server.packet().await[0], 0xA2);
    });
}

#[test]
fn what_is_no_topic_is_an_error_at_once() {
    let (world, network) = with_broker();
    let client = world.connect(Options::new("broker"), &network);
    world.run(async {
        assert!(matches!(client.publish("a/#", "").await, Err(PublishError::Topic(_))));
        assert!(matches!(client.subscribe("a#").await, Err(SubscribeError::Filter { filter, .. }) if filter == "a#"));
        assert!(matches!(client.unsubscribe("").await, Err(UnsubscribeError::Filter { .. })));
    });
}

#[test]
fn subscriptions_made_before_or_between_connections_wait_for_one() {
    let (world, network) = with_broker();
    let client = world.start(options("c", Version::V5), &network);
    world.run(async {
        let mut early = client.subscribe("early").await.unwrap();
        network.wire().cut();
        world.sleep(Duration::from_millis(1)).await;
        let mut late = client.subscribe("late").await.unwrap();
        say(&client, "early", "1", QoS::AtLeastOnce).await;
        say(&client, "late", "2", QoS::AtLeastOnce).await;
        assert_eq!(early.next().await.unwrap().payload(), b"1");
        assert_eq!(late.next().await.unwrap().payload(), b"2");
    });
}

/// The SUBSCRIBE was sent, and the connection ended before the answer.
#[test]
fn a_request_that_was_lost_is_made_again() {
    let world = World::new();
    let network = Network::default();
    let client = world.start(durable("c", Version::V5), &network);
    world.run(async {
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 0, 0, 0]).await;
        let mut subscribing = Box::pin(client.subscribe("a").into_future());
        assert!(poll_once(subscribing.as_mut()).await.is_none());
        assert_eq!(server.packet().await[0], 0x82);
        drop(server);
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 1, 0, 0]).await;
        let subscribe = server.packet().await;
        assert_eq!(subscribe[0], 0x82);
        server.write(&[0x90, 4, subscribe[2], subscribe[3], 0, 2]).await;
        let stream = subscribing.await.unwrap();

        let mut unsubscribing = Box::pin(stream.unsubscribe());
        assert!(poll_once(unsubscribing.as_mut()).await.is_none());
        assert_eq!(server.packet().await[0], 0xA2);
        drop(server);
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 1, 0, 0]).await;
        let unsubscribe = server.packet().await;
        assert_eq!(unsubscribe[0], 0xA2);
        server.write(&[0xB0, 4, unsubscribe[2], unsubscribe[3], 0, 0]).await;
        unsubscribing.await.unwrap();
    });
}

#[test]
fn a_stalled_write_does_not_stop_reading() {
    let (world, network) = with_broker();
    let reader = world.connect(Options::new("broker"), &network);
    let wire = network.wire();
    let writer = world.connect(Options::new("broker"), &network);
    world.run(async {
        let mut messages = reader.subscribe("a").await.unwrap();
        wire.stall(0, true);
        let stuck: Vec<_> =
            (0..10).map(|_| reader.publish("b", vec![0; 20_000]).qos(QoS::AtLeastOnce).try_send().unwrap()).collect();
        for number in 0..10 {
            say(&writer, "a", &number.to_string(), QoS::AtMostOnce).await;
            assert_eq!(messages.next().await.unwrap().payload(), number.to_string().as_bytes());
        }
        wire.stall(0, false);
        for delivery in stuck {
            delivery.await.unwrap();
        }
    });
}

#[test]
fn an_end_in_the_middle_of_a_write_costs_nothing() {
    for cut_after in [1, 10, 1000, 60_000, 100_000] {
        let (world, network) = with_broker();
        let mut options = durable("c", Version::V5);
        options.connect.limits.in_flight_max = 10;
        options.connect.limits.in_flight_before_5_max = options.connect.limits.in_flight_max;
        let client = world.connect(options, &network);
        world.run(async {
            let mut messages = client.subscribe("a").await.unwrap();
            network.lock().quality = Quality { bytes_max: cut_after, ..Quality::default() };
            network.wire().cut();
            client.connected().await.unwrap();
            network.wire().stall(1, true);
            let mut deliveries: Vec<_> = (0..20)
                .map(|number: u32| {
                    let payload = [number as u8; 9000];
                    client.publish("a", &payload).qos(QoS::ExactlyOnce).try_send().unwrap()
                })
                .collect();
            world.sleep(Duration::from_millis(1)).await;
            network.lock().quality = Quality::default();
            network.wire().cut();
            for delivery in &mut deliveries {
                delivery.await.unwrap();
            }
            for number in 0..20 {
                assert_eq!(messages.next().await.unwrap().payload(), [number; 9000]);
            }
            assert!(messages.try_next().is_none());
        });
    }
}

#[test]
fn thousands_of_publishes_cost_a_few_writes() {
    let (world, network) = with_broker();
    let client = world.connect(Options::new("broker"), &network);
    world.run(async {
        let before = network.wire().writes(0);
        for _ in 0..5000 {
            client.publish("sensors/temperature", [0; 64].as_slice()).await.unwrap();
        }
        world.sleep(Duration::from_millis(1)).await;
        let writes = network.wire().writes(0) - before;
        assert!(writes <= 8, "{writes}");
    });
}

#[test]
fn disconnecting_sends_what_was_published_before() {
    let (world, network) = with_broker();
    network.lock().quality = Quality { bytes_max: 100, ..Quality::default() };
    let reader = world.connect(Options::new("broker"), &network);
    let writer = world.connect(Options::new("broker"), &network);
    world.run(async {
        let mut messages = reader.subscribe("a").await.unwrap();
        for number in 0..100 {
            say(&writer, "a", &number.to_string(), QoS::AtMostOnce).await;
        }
        writer.disconnect().await.unwrap();
        for number in 0..100 {
            assert_eq!(messages.next().await.unwrap().payload(), number.to_string().as_bytes());
        }
    });
}

/// The server is told in good order in both cases, so the will is not published.
#[test]
fn dropping_the_last_handle_ends_the_client_in_good_order() {
    for disconnect in [false, true] {
        let (world, network) = with_broker();
        let watcher = world.connect(Options::new("broker"), &network);
        let mut options = Options::new("broker");
        options.connect.will = Some(mqtt_driver::WillOptions::new("gone", "without a word"));
        let client = world.connect(options, &network);
        world.run(async {
            let mut wills = watcher.subscribe("gone").await.unwrap();
            let stream = client.subscribe("a").await.unwrap();
            if disconnect {
                client.disconnect().await.unwrap();
            }
            drop(client);
            let broker = network.lock().broker.clone().unwrap();
            world.sleep(Duration::from_millis(1)).await;
            if !disconnect {
                assert_eq!(broker.counts().connections, 2, "the stream keeps it alive");
            }
            drop(stream);
            world.sleep(Duration::from_millis(1)).await;
            assert_eq!(broker.counts().connections, 1);
            assert!(wills.try_next().is_none());
        });
    }
}

#[test]
fn a_client_can_be_disconnected_at_any_time() {
    let (world, network) = with_broker();
    // While the first attempt is going on,
    network.lock().silent = true;
    let client = world.start(Options::new("broker"), &network);
    world.pass(Duration::from_secs(1));
    world.run(client.disconnect()).unwrap();
    assert!(matches!(world.run(client.connected()), Err(ConnectError::Disconnected)));

    // before the loop has run at all, and again,
    let client = world.start(Options::new("broker"), &network);
    world.run(client.disconnect()).unwrap();
    world.run(client.disconnect()).unwrap();

    // between two attempts,
    network.lock().silent = false;
    let client = world.connect(Options::new("broker"), &network);
    network.lock().refuse = usize::MAX;
    network.wire().cut();
    world.pass(Duration::from_secs(100));
    let before = world.now();
    world.run(client.disconnect()).unwrap();
    assert_eq!(world.now(), before);

    // and while the server has not answered.
    let network = Network::default();
    let client = world.start(Options::new("broker"), &network);
    world.pass(Duration::from_secs(1));
    world.run(client.disconnect()).unwrap();
    assert!(world.now().since(before) < Duration::from_secs(2));
}

/// The peer is gone, and the system has taken as many bytes for it as it will.
#[test]
fn a_dead_peer_that_takes_no_bytes_is_left() {
    let (world, network) = with_broker();
    let mut hurried = durable("c", Version::V5);
    hurried.connect.keep_alive = 10;
    hurried.connect.limits.close_timeout = Duration::from_secs(5);
    let client = world.connect(hurried, &network);
    world.run(async {
        let wire = network.wire();
        wire.stall(0, true);
        wire.stall(1, true);
        let delivery = client.publish("a", vec![0; 1000]).qos(QoS::AtLeastOnce).try_send().unwrap();
        delivery.await.unwrap();
        assert_eq!(client.stats().connections, 2);
        assert!(world.now().since(mqtt_driver::Instant::ZERO) < Duration::from_secs(40));

        network.wire().stall(0, true);
        let stuck = client.publish("a", vec![0; 1000]).qos(QoS::AtLeastOnce).try_send().unwrap();
        world.sleep(Duration::from_millis(1)).await;
        let before = world.now();
        client.disconnect().await.unwrap();
        assert_eq!(world.now().since(before), Duration::from_secs(5));
        assert!(matches!(stuck.await, Err(PublishError::Closed(ConnectError::Disconnected))));
    });
}

#[test]
fn futures_can_be_sent_to_other_threads() {
    fn check<F: Future + Send>(_: F) {}
    let (world, network) = with_broker();
    let client = world.start(Options::new("broker"), &network);
    let mut messages = client.unmatched();
    check(client.publish("a", "").into_future());
    check(client.subscribe("a").into_future());
    check(client.unsubscribe("a"));
    check(client.connected());
    check(client.lost());
    check(client.disconnect());
    check(messages.next());
    check(messages.unsubscribe());
    let broker = network.lock().broker.clone().unwrap();
    check(broker.shutdown());
}

#[test]
fn a_server_that_never_closes_does_not_keep_us() {
    let world = World::new();
    let network = Network::default();
    let client = world.start(Options::new("broker"), &network);
    world.run(async {
        let mut server = network.accept(&world).await;
        server.packet().await;
        server.write(&[0x20, 3, 0, 0, 0]).await;
        client.connected().await.unwrap();
        let before = world.now();
        client.disconnect().await.unwrap();
        assert_eq!(world.now().since(before), Duration::from_secs(2));
        assert_eq!(server.rest().await, [0xE0, 0]);
    });
}

#[test]
fn a_loop_that_is_dropped_takes_nobody_with_it() {
    let (world, network) = with_broker();
    let (client, driver) = mqtt_driver::client(Options::new("broker"), network.clone(), world.clock(), 1);
    let task = world.spawn(driver.run());
    world.run(client.connected()).unwrap();
    world.run(async {
        let mut messages = client.subscribe("a").await.unwrap();
        say(&client, "a", "last", QoS::AtLeastOnce).await;
        world.sleep(Duration::from_millis(1)).await;
        network.wire().stall(0, true);
        let delivery = client.publish("a", "x").qos(QoS::AtLeastOnce).try_send().unwrap();
        world.abort(task);
        assert!(matches!(delivery.await, Err(PublishError::Closed(ConnectError::Stopped))));
        // What has arrived is still there.
        assert_eq!(messages.next().await.unwrap().payload(), b"last");
        assert!(messages.next().await.is_none());
        assert!(matches!(client.publish("a", "x").await, Err(PublishError::Closed(ConnectError::Stopped))));
        assert!(matches!(client.disconnect().await, Err(ConnectError::Stopped)));
    });
    // One that never runs is no different.
    let (client, driver) = mqtt_driver::client(Options::new("broker"), network, world.clock(), 1);
    drop(driver);
    assert!(matches!(world.run(client.connected()), Err(ConnectError::Stopped)));
}

#[test]
fn a_message_larger_than_the_limit_ends_the_connection_with_a_name() {
    let (world, network) = with_broker();
    let mut small = Options::new("broker");
    small.connect.packet_bytes_max = 100;
    let client = world.connect(small, &network);
    world.run(async {
        // Our own broker respects the limit; the message is not for this client.
        let mut messages = client.subscribe("a").await.unwrap();
        let error = client.publish("a", vec![0; 2 << 20]).qos(QoS::AtLeastOnce).await.unwrap_err();
        assert!(error.to_string().contains("1048576"), "{error}");
        say(&client, "a", &"x".repeat(200), QoS::AtLeastOnce).await;
        say(&client, "a", "short", QoS::AtLeastOnce).await;
        assert_eq!(messages.next().await.unwrap().payload(), b"short");
    });
}
