//! A client and a server with nothing but memory between them: what a message costs both ends together, until it is settled.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mqtt_proto::{QoS, TopicName, TransmitBuf, Version};
use mqtt_session::{
    Accept, Client, ConnectOptions, Event, Instant, Message, Server, ServerOptions, SessionState, Transmit,
};

criterion_group!(benches, messages);
criterion_main!(benches);

/// Messages that the client publishes before anybody reads.
const BURST: u64 = 100;

fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("message");
    group.throughput(Throughput::Elements(BURST));
    for (level, qos) in [("qos0", QoS::AtMostOnce), ("qos1", QoS::AtLeastOnce), ("qos2", QoS::ExactlyOnce)] {
        group.bench_function(level, |b| {
            let mut pair = Pair::connected();
            b.iter(|| pair.burst(black_box(qos)));
        });
    }
    group.finish();
}

struct Pair {
    client: Client,
    server: Server,
    to_server: TransmitBuf,
    to_client: TransmitBuf,
}

const NOW: Instant = Instant::ZERO;

impl Pair {
    fn connected() -> Self {
        let mut options = ConnectOptions::new("c");
        options.version = Version::V5;
        let mut pair = Self {
            client: Client::new(options),
            server: Server::new(NOW, ServerOptions::default()),
            to_server: TransmitBuf::new(),
            to_client: TransmitBuf::new(),
        };
        pair.client.connect(NOW).expect("it is idle");
        pair.drive();
        assert!(pair.client.is_connected());
        pair
    }

    /// What valgrind counts: see the README.
    #[inline(never)]
    fn burst(&mut self, qos: QoS) {
        self.publish(qos);
        self.drive();
        assert_eq!(self.client.pending(), 0);
    }

    #[inline(never)]
    fn publish(&mut self, qos: QoS) {
        let topic = TopicName::new("building/7/room/12/temperature").expect("it is a name");
        let mut message = Message::new(topic, b"0123456789abcdef");
        message.qos = qos;
        for _ in 0..BURST {
            black_box(self.client.publish(NOW, black_box(&message))).expect("there is room");
        }
    }

    /// Until neither has anything to send.
    fn drive(&mut self) {
        while self.client_turn() | self.server_turn() {}
    }

    #[inline(never)]
    fn client_turn(&mut self) -> bool {
        let mut slices = self.to_client.slices();
        let mut input = slices.next().unwrap_or_default();
        while let Some(event) = self.client.handle_input(NOW, &mut input) {
            black_box(event);
        }
        assert!(input.is_empty() && slices.next().is_none());
        drop(slices);
        self.to_client.clear();
        while let Some(event) = self.client.poll_event() {
            black_box(event);
        }
        self.client.poll_transmit(NOW, &mut self.to_server) == Transmit::Ready
    }

    #[inline(never)]
    fn server_turn(&mut self) -> bool {
        let mut slices = self.to_server.slices();
        let mut input = slices.next().unwrap_or_default();
        while let Some(event) = self.server.handle_input(NOW, &mut input) {
            if let Event::ConnectRequested(connect) = &event {
                let accept = Accept::new(connect.client_id.as_str());
                self.server.accept(NOW, &mut SessionState::default(), &accept).expect("it has asked");
            }
            black_box(event);
        }
        assert!(input.is_empty() && slices.next().is_none());
        drop(slices);
        self.to_server.clear();
        while let Some(event) = self.server.poll_event() {
            black_box(event);
        }
        self.server.poll_transmit(NOW, &mut self.to_client) == Transmit::Ready
    }
}
