//! What every adapter must do, over TCP on this machine. Each includes this file, and says beside it what `mqtt` is and how a future is run.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use super::block_on;
use super::mqtt::{
    self, Broker, BrokerOptions, Client, ConnectError, Error, Options, PublishError, QoS, ReasonCode, Version,
};

const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];
const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

async fn broker() -> Broker {
    Broker::bind("127.0.0.1:0", BrokerOptions::default()).await.unwrap()
}

fn options(address: SocketAddr, client_id: &str, version: Version) -> Options {
    let mut options = Options::new(address.ip().to_string());
    options.port = address.port();
    options.connect.client_id = client_id.into();
    options.connect.version = version;
    options.reconnect.delay_max = Duration::from_millis(10);
    options
}

/// A client whose session outlives its connections.
fn durable(address: SocketAddr, client_id: &str, version: Version) -> Options {
    let mut options = options(address, client_id, version);
    options.connect.clean_start = false;
    options.connect.session_expiry_interval = if version.has_session_expiry() { 3600 } else { 0 };
    options
}

async fn say(client: &Client, topic: &str, payload: &[u8], qos: QoS) {
    client.publish(topic, payload).qos(qos).await.unwrap();
}

#[test]
fn the_program_of_the_manual_works() {
    async fn program(url: &str) -> Result<(), Error> {
        let client = mqtt::connect(url).await?;
        let mut greetings = client.subscribe("greetings/#").await?;
        client.publish("greetings/world", "hello").await?;
        if let Some(message) = greetings.next().await {
            assert_eq!((message.topic(), message.payload()), ("greetings/world", &b"hello"[..]));
        }
        Ok(())
    }
    block_on(async {
        let broker = broker().await;
        program(&format!("mqtt://{}", broker.local_addr())).await.unwrap();
        program(&format!("mqtt://localhost:{}/?version=3.1.1", broker.local_addr().port())).await.unwrap();
        broker.shutdown().await;
    });
}

#[test]
fn messages_of_every_size_arrive_at_every_qos_in_both_versions() {
    block_on(async {
        let broker = broker().await;
        for version in VERSIONS {
            let client = mqtt::connect_with(options(broker.local_addr(), "c", version)).await.unwrap();
            let mut messages = client.subscribe("a/+").await.unwrap();
            let large: Vec<u8> = (0..64 << 10).map(|byte: u32| byte as u8).collect();
            for qos in ALL_QOS {
                for payload in [&b""[..], b"hello", &large] {
                    say(&client, "a/b", payload, qos).await;
                    let message = messages.next().await.unwrap();
                    assert_eq!((message.topic(), message.qos(), message.retain()), ("a/b", qos, false));
                    assert!(message.payload() == payload, "{} bytes", payload.len());
                }
            }
            client.disconnect().await.unwrap();
            assert!(messages.next().await.is_none());
        }
    });
}

#[test]
fn a_peer_that_trickles_one_byte_at_a_time_changes_nothing() {
    block_on(async {
        let broker = broker().await;
        let relay = Relay::new(broker.local_addr(), 1);
        for version in VERSIONS {
            let client = mqtt::connect_with(options(relay.address, "c", version)).await.unwrap();
            let mut messages = client.subscribe("a").await.unwrap();
            for qos in ALL_QOS {
                for payload in [&b""[..], &[7; 1000]] {
                    say(&client, "a", payload, qos).await;
                    assert_eq!(messages.next().await.unwrap().payload(), payload);
                }
            }
            client.disconnect().await.unwrap();
        }
    });
}

#[test]
fn a_session_is_resumed_after_a_cut() {
    block_on(async {
        let broker = broker().await;
        for version in VERSIONS {
            let relay = Relay::new(broker.local_addr(), usize::MAX);
            let reader = mqtt::connect_with(durable(relay.address, "reader", version)).await.unwrap();
            let writer = mqtt::connect_with(options(broker.local_addr(), "writer", version)).await.unwrap();
            let mut messages = reader.subscribe("a").await.unwrap();
            for round in 0..3_u8 {
                let before = reader.stats().connections;
                say(&writer, "a", &[round, 0], QoS::ExactlyOnce).await;
                relay.cut();
                // The broker may notice later than we do; nothing is lost either way.
                for number in 1..5 {
                    say(&writer, "a", &[round, number], QoS::ExactlyOnce).await;
                }
                for number in 0..5 {
                    assert_eq!(messages.next().await.unwrap().payload(), [round, number]);
                }
                assert!(reader.stats().connections > before);
                assert!(reader.agreed().is_some_and(|agreed| agreed.session_present));
            }
            assert!(messages.try_next().is_none());
            reader.disconnect().await.unwrap();
        }
    });
}

#[test]
fn publishes_are_settled_across_a_cut() {
    block_on(async {
        let broker = broker().await;
        for version in VERSIONS {
            let relay = Relay::new(broker.local_addr(), usize::MAX);
            let reader = mqtt::connect_with(options(broker.local_addr(), "reader", version)).await.unwrap();
            let mut messages = reader.subscribe("a").await.unwrap();
            let writer = mqtt::connect_with(durable(relay.address, "writer", version)).await.unwrap();
            for round in 0..3_u8 {
                let deliveries: Vec<_> = (0..100)
                    .map(|number| writer.publish("a", vec![round, number]).qos(QoS::ExactlyOnce).try_send().unwrap())
                    .collect();
                relay.cut();
                for delivery in deliveries {
                    assert_eq!(delivery.await.unwrap(), ReasonCode::Success);
                }
                for number in 0..100 {
                    assert_eq!(messages.next().await.unwrap().payload(), [round, number]);
                }
            }
        }
    });
}

#[test]
fn a_session_that_is_gone_is_subscribed_again() {
    block_on(async {
        let broker = broker().await;
        for version in VERSIONS {
            let relay = Relay::new(broker.local_addr(), usize::MAX);
            let client = mqtt::connect_with(options(relay.address, "c", version)).await.unwrap();
            let mut messages = client.subscribe("a").await.unwrap();
            relay.cut();
            client.lost().await;
            client.connected().await.unwrap();
            // It may not be subscribed yet when the first of these is published.
            loop {
                say(&client, "a", b"again", QoS::AtLeastOnce).await;
                if messages.try_next().is_some() {
                    break;
                }
            }
        }
    });
}

/// Each future is dropped when it is pending for the first, the second, .. time, and the same is asked for again.
#[test]
fn futures_may_be_dropped() {
    block_on(async {
        let broker = broker().await;
        for version in VERSIONS {
            for polls in 1..4 {
                let client = mqtt::start(options(broker.local_addr(), "c", version));
                give_up_after(polls, client.connected()).await;
                client.connected().await.unwrap();
                give_up_after(polls, client.subscribe("a").into_future()).await;
                let mut messages = client.subscribe("a").await.unwrap();
                for number in 0..10 {
                    for qos in ALL_QOS {
                        give_up_after(polls, client.publish("a", [number, 0].as_slice()).qos(qos).into_future()).await;
                        give_up_after(polls, messages.next()).await;
                        say(&client, "a", &[number, 1], qos).await;
                        while messages.next().await.unwrap().payload() != [number, 1] {}
                    }
                }
                give_up_after(polls, client.unsubscribe("a")).await;
                client.unsubscribe("a").await.unwrap();
                give_up_after(polls, client.disconnect()).await;
                client.disconnect().await.unwrap();
            }
        }
        give_up_after(1, broker.shutdown()).await;
        broker.shutdown().await;
    });
}

async fn give_up_after<F: Future>(mut polls: usize, future: F) {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        polls -= 1;
        let poll = future.as_mut().poll(cx).map(drop);
        if polls == 0 { Poll::Ready(()) } else { poll }
    })
    .await;
}

/// One task that receives and publishes, with room for one message everywhere.
#[test]
fn an_echo_with_room_for_one_gets_through() {
    block_on(async {
        let broker = broker().await;
        for version in VERSIONS {
            for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let mut tight = options(broker.local_addr(), "echo", version);
                tight.stream_messages_max = 1;
                tight.connect.receive_maximum = 1;
                tight.connect.limits.in_flight_max = 1;
                tight.connect.limits.in_flight_before_5_max = tight.connect.limits.in_flight_max;
                tight.connect.limits.queued_messages_max = 1;
                let client = mqtt::connect_with(tight).await.unwrap();
                let mut messages = client.subscribe("echo").await.unwrap();
                say(&client, "echo", &0_u32.to_be_bytes(), qos).await;
                for count in 0..10_000_u32 {
                    let message = messages.next().await.unwrap();
                    assert_eq!(message.payload(), count.to_be_bytes());
                    say(&client, "echo", &(count + 1).to_be_bytes(), qos).await;
                }
                client.disconnect().await.unwrap();
            }
        }
    });
}

#[test]
fn what_fails_says_why() {
    block_on(async {
        let error = mqtt::connect("mqtt://127.0.0.1:1").await.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { port: 1, .. }), "{error}");
        assert!(matches!(mqtt::connect("localhost").await, Err(ConnectError::Url(_))));

        let broker = broker().await;
        let taken = broker.local_addr().to_string();
        let error = Broker::bind(&taken, BrokerOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains(&taken), "{error}");

        let client = mqtt::connect(&format!("mqtt://{taken}")).await.unwrap();
        broker.shutdown().await;
        client.lost().await;
        assert!(mqtt::connect(&format!("mqtt://{taken}")).await.is_err());
        client.disconnect().await.unwrap();
        let error = client.publish("a", "").await.unwrap_err();
        assert!(matches!(error, PublishError::Closed(ConnectError::Disconnected)), "{error}");
    });
}

#[test]
fn a_dropped_broker_frees_its_port() {
    block_on(async {
        let broker = broker().await;
        let address = broker.local_addr();
        let client = mqtt::connect(&format!("mqtt://{address}")).await.unwrap();
        drop(broker);
        client.lost().await;
        // Its tasks end as soon as they run; there is nothing to wait for but that.
        while mqtt::connect(&format!("mqtt://{address}")).await.is_ok() {}
        let again = Broker::bind(&address.to_string(), BrokerOptions::default()).await.unwrap();
        client.connected().await.unwrap();
        again.shutdown().await;
    });
}

#[test]
fn many_clients_share_a_broker() {
    block_on(async {
        let broker = broker().await;
        let mut clients = Vec::new();
        for number in 0..50 {
            let version = VERSIONS[number % 2];
            let client = mqtt::connect_with(options(broker.local_addr(), &number.to_string(), version)).await.unwrap();
            let messages = client.subscribe("news").await.unwrap();
            clients.push((client, messages));
        }
        for (client, _) in &clients {
            say(client, "news", b"hello", QoS::AtLeastOnce).await;
        }
        for (_, messages) in &mut clients {
            for _ in 0..50 {
                assert_eq!(messages.next().await.unwrap().payload(), b"hello");
            }
        }
        broker.shutdown().await;
    });
}

/// Stands between a client and a broker.
struct Relay {
    address: SocketAddr,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    /// Passes on at most so many bytes at a time.
    fn new(to: SocketAddr, bytes_max: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&streams);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(to)) else { continue };
                let ends = [&client, &server].map(|stream| {
                    stream.set_nodelay(true).unwrap();
                    [stream.try_clone().unwrap(), stream.try_clone().unwrap()]
                });
                let [[client_in, client_out], [server_in, server_out]] = ends;
                kept.lock().unwrap().extend([client, server]);
                std::thread::spawn(move || pass_on(client_in, server_out, bytes_max));
                std::thread::spawn(move || pass_on(server_in, client_out, bytes_max));
            }
        });
        Self { address, streams }
    }

    /// Ends all connections.
    fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, bytes_max: usize) {
    let mut bytes = vec![0; 65_536.min(bytes_max)];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
