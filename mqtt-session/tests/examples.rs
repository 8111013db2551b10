//! The examples of this crate, together over loopback: clients of three kinds against the broker that is written by hand, and the one that is not.

#[path = "../examples/blocking.rs"]
mod blocking;
#[path = "../examples/dialect.rs"]
mod dialect;
#[path = "../examples/no_std.rs"]
mod lamp;
#[path = "../examples/mini_broker.rs"]
mod mini_broker;
#[path = "../examples/mio.rs"]
mod ring;
#[path = "../examples/broker.rs"]
mod whole_broker;

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use blocking::{Heard, Link};
use mqtt_proto::{Properties, QoS, ReasonCode, Subscription, TopicFilter, TopicName, Version};
use mqtt_session::{Client, ConnectOptions, DisconnectCause, Message, Outcome};

/// Brokers in threads of their own, which end with the tests.
fn brokers() -> [SocketAddr; 2] {
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (mini, whole) = (listen(), listen());
    let addresses = [&mini, &whole].map(|listener| listener.local_addr().unwrap());
    thread::spawn(move || mini_broker::serve(&mini).unwrap());
    thread::spawn(move || whole_broker::serve(whole));
    addresses
}

/// What `work` returns. It is not waited for for ever.
fn in_time<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (told, tell) = mpsc::channel();
    let worker = thread::spawn(move || told.send(work()));
    match tell.recv_timeout(Duration::from_secs(120)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it takes too long"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(worker.join().unwrap_err()),
    }
}

fn options(version: Version, client_id: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(client_id);
    options.version = version;
    options
}

/// With a session that outlives its connection.
fn persistent(version: Version, client_id: &str) -> ConnectOptions {
    let mut options = options(version, client_id);
    options.clean_start = false;
    options.session_expiry_interval = 3600;
    options
}

fn message(topic: &str, payload: &str, qos: QoS) -> Heard {
    Heard::Message { topic: topic.into(), payload: payload.into(), qos }
}

impl Link {
    fn tell(&mut self, topic: &str, payload: &str, qos: QoS) {
        let mut message = Message::new(TopicName::new(topic).unwrap(), payload);
        message.qos = qos;
        self.client.publish(self.now(), &message).unwrap();
    }

    fn ask(&mut self, filter: &str, qos: QoS) {
        let wish = Subscription::new(TopicFilter::new(filter).unwrap(), qos);
        self.client.subscribe(self.now(), &[wish], Properties::EMPTY).unwrap();
        assert_eq!(self.next().unwrap(), Some(Heard::Subscribed));
    }

    fn connected(address: SocketAddr, client: Client, session_present: bool) -> Self {
        let mut link = Self::open(address, client).unwrap();
        assert_eq!(link.next().unwrap(), Some(Heard::Connected { session_present }));
        link
    }
}

#[test]
fn a_blocking_client_hears_itself_once_at_each_qos() {
    for address in brokers() {
        let mut heard = in_time(move || blocking::run(address).unwrap());
        heard.sort();
        assert_eq!(heard, [0, 1, 2].map(|qos| format!("blocking/hello: hello (QoS {qos})")));
    }
}

#[test]
fn a_message_goes_round_a_ring_of_clients_in_one_thread() {
    for address in brokers() {
        let passed = in_time(move || ring::run(address, 24).unwrap());
        assert_eq!(passed, (0..24).collect::<Vec<_>>());
    }
}

#[test]
fn a_lamp_without_an_operating_system_does_what_it_is_told() {
    brokers().into_iter().for_each(control_a_lamp);
}

fn control_a_lamp(address: SocketAddr) {
    let board = thread::spawn(move || {
        // Who listens first misses nothing.
        let mut switch = Link::connected(address, Client::new(ConnectOptions::new("switch")), false);
        switch.ask("lamp/state", QoS::AtLeastOnce);
        let lamp = thread::spawn(move || {
            let mut board = lamp::Pretended::new(address).unwrap();
            lamp::firmware::run(&mut board);
            board.lamp
        });
        let mut states = Vec::new();
        let mut wishes = ["on", "off", "on", "bye"].into_iter();
        while let Some(heard) = switch.next().unwrap() {
            if let Heard::Message { topic, payload, qos: QoS::AtLeastOnce } = heard {
                assert_eq!(topic, "lamp/state");
                states.push(payload);
                let Some(wish) = wishes.next() else { break };
                switch.tell("lamp/set", wish, QoS::AtLeastOnce);
                if wish == "bye" {
                    break;
                }
            }
        }
        assert_eq!(switch.next().unwrap(), Some(Heard::Published(Outcome::Delivered(ReasonCode::Success))));
        (states, lamp.join().unwrap())
    });
    let (states, lamp) = in_time(|| board.join().unwrap());
    assert_eq!(states, ["ready", "on", "off", "on"]);
    assert_eq!(lamp, [true, false, true]);
}

#[test]
fn the_next_connection_of_a_client_takes_over_from_the_one_before() {
    for (version, address) in
        [Version::V3_1_1, Version::V5].into_iter().flat_map(|version| brokers().map(|address| (version, address)))
    {
        in_time(move || {
            let persistent = persistent(version, "c");
            let mut old = Link::connected(address, Client::new(persistent.clone()), false);
            old.ask("a/#", QoS::ExactlyOnce);

            let mut new = Link::connected(address, Client::new(persistent), true);
            let mut other = Link::connected(address, Client::new(options(version, "other")), false);
            other.tell("a/b", "hello", QoS::ExactlyOnce);
            assert_eq!(other.next().unwrap(), Some(Heard::Published(Outcome::Delivered(ReasonCode::Success))));
            assert_eq!(new.next().unwrap(), Some(message("a/b", "hello", QoS::ExactlyOnce)));

            // Before 5.0 a server closes without a word.
            let cause = match version {
                Version::V5 => DisconnectCause::Peer(ReasonCode::SessionTakenOver),
                _ => DisconnectCause::TransportClosed,
            };
            assert_eq!(old.next().unwrap(), Some(Heard::Disconnected(cause)));
            assert_eq!(old.next().unwrap(), None);
        });
    }
}

#[test]
fn what_a_client_misses_while_it_is_away_waits_for_it() {
    for (version, address) in
        [Version::V3_1_1, Version::V5].into_iter().flat_map(|version| brokers().map(|address| (version, address)))
    {
        in_time(move || {
            let persistent = persistent(version, "c");
            let mut away = Link::connected(address, Client::new(persistent.clone()), false);
            away.ask("a/+", QoS::AtLeastOnce);
            // What it publishes meanwhile waits, too, and in bytes.
            away.close(away.now());
            away.tell("b", "from afar", QoS::ExactlyOnce);
            let session = away.client.session().export(away.now());

            let mut other = Link::connected(address, Client::new(options(version, "other")), false);
            other.ask("b", QoS::ExactlyOnce);
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                other.tell("a/b", &format!("{qos:?}"), qos);
            }
            for _ in 0..2 {
                assert_eq!(other.next().unwrap(), Some(Heard::Published(Outcome::Delivered(ReasonCode::Success))));
            }

            let session = mqtt_session::SessionState::import(mqtt_session::Instant::ZERO, &session).unwrap();
            let mut back = Link::connected(address, Client::with_session(persistent, session), true);
            let mut heard: Vec<_> = (0..3).map(|_| back.next().unwrap().unwrap()).collect();
            heard.retain(|heard| !matches!(heard, Heard::Published(Outcome::Delivered(_))));
            let missed = ["AtLeastOnce", "ExactlyOnce"];
            assert_eq!(heard, missed.map(|payload| message("a/b", payload, QoS::AtLeastOnce)));
            assert_eq!(other.next().unwrap(), Some(message("b", "from afar", QoS::ExactlyOnce)));
        });
    }
}

#[test]
fn a_product_speaks_its_dialect() {
    dialect::main().unwrap();
}
