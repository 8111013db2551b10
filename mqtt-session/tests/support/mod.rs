//! A client and a server with a wire of memory between them, in virtual time.
#![allow(dead_code, reason = "each scenario file uses its part")]

pub(crate) mod seen;
pub(crate) mod talk;

use std::time::Duration;

use mqtt_proto::{
    Codec, Delivery, Packet, Properties, QoS, ReasonCode, Subscription, TopicFilter, TopicName, TransmitBuf, Version,
};
use mqtt_session::{
    Accept, Client, ConnectOptions, Event, Instant, Message, Outcome, PublishId, Published, Server, ServerOptions,
    SessionState, Transmit,
};

pub(crate) const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];
pub(crate) const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

pub(crate) fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

pub(crate) fn message<'a>(name: &'a str, payload: &'a str, qos: QoS) -> Message<'a> {
    let mut message = Message::new(topic(name), payload);
    message.qos = qos;
    message
}

/// What an end has said, without what it borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Connected { session_present: bool },
    ConnectRequested(String),
    Received { topic: String, payload: String, qos: QoS, dup: bool },
    Published(PublishId, Outcome),
    SubscribeRequested(Vec<String>),
    Subscribed(Vec<ReasonCode>),
    Unsubscribed(Vec<ReasonCode>),
    RequestLost,
    Disconnected(mqtt_session::DisconnectCause),
    Other(String),
}

impl From<Event<'_>> for Said {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Connected(connack) => Self::Connected { session_present: connack.session_present },
            Event::ConnectRequested(connect) => Self::ConnectRequested(connect.client_id.as_str().into()),
            Event::Received(message) => Self::Received {
                topic: message.topic().as_str().into(),
                payload: String::from_utf8(message.payload().into()).unwrap(),
                qos: message.qos(),
                dup: message.dup(),
            },
            Event::Published { id, outcome } => Self::Published(id, outcome),
            Event::SubscribeRequested(subscribe) => Self::SubscribeRequested(
                subscribe.subscriptions.iter().map(|subscription| subscription.filter.as_str().into()).collect(),
            ),
            Event::Subscribed { suback, .. } => Self::Subscribed(suback.reason_codes.iter().collect()),
            Event::Unsubscribed { unsuback, .. } => Self::Unsubscribed(unsuback.reason_codes.iter().collect()),
            Event::RequestLost { .. } => Self::RequestLost,
            Event::Disconnected(disconnected) => Self::Disconnected(disconnected.cause),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

/// Both ends. The server says yes to everything; what they say is collected.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) server_options: ServerOptions,
    /// The server's memory of the client while it is away.
    pub(crate) kept: Option<SessionState>,
    pub(crate) client_said: Vec<Said>,
    pub(crate) server_said: Vec<Said>,
    /// Bytes on the wire.
    pub(crate) to_server: Vec<u8>,
    pub(crate) to_client: Vec<u8>,
    /// Packets that went over it, by name.
    pub(crate) trace: Vec<String>,
}

impl Pair {
    pub(crate) fn new(options: ConnectOptions) -> Self {
        Self::with_server(options, ServerOptions::default())
    }

    pub(crate) fn with_server(options: ConnectOptions, server_options: ServerOptions) -> Self {
        Self {
            now: Instant::ZERO,
            client: Client::new(options),
            server: Server::new(Instant::ZERO, server_options.clone()),
            server_options,
            kept: None,
            client_said: Vec::new(),
            server_said: Vec::new(),
            to_server: Vec::new(),
            to_client: Vec::new(),
            trace: Vec::new(),
        }
    }

    /// A pair that is connected, with nothing said yet.
    pub(crate) fn connected(version: Version) -> Self {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        let mut pair = Self::new(options);
        pair.connect();
        pair.forget_what_was_said();
        pair
    }

    /// One whose session outlives its connections.
    pub(crate) fn persistent(version: Version) -> Self {
        let mut options = ConnectOptions::new("c");
        options.version = version;
        options.clean_start = false;
        options.session_expiry_interval = 3600;
        let mut pair = Self::new(options);
        pair.connect();
        pair.forget_what_was_said();
        pair
    }

    pub(crate) fn forget_what_was_said(&mut self) {
        self.client_said.clear();
        self.server_said.clear();
        self.trace.clear();
    }

    /// A new transport, and the handshake on it.
    pub(crate) fn connect(&mut self) {
        self.server = Server::new(self.now, self.server_options.clone());
        self.client.connect(self.now).unwrap();
        self.drive();
    }

    /// The transport breaks; what is on the wire is lost.
    pub(crate) fn cut(&mut self) {
        self.to_server.clear();
        self.to_client.clear();
        self.client.handle_closed(self.now);
        self.server.handle_closed(self.now);
        self.kept = Some(self.server.take_session());
        self.collect_events();
    }

    pub(crate) fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        self.collect_events();
    }

    /// Everything goes back and forth until nothing is left.
    pub(crate) fn drive(&mut self) {
        while self.step() {}
    }

    /// Both ends send, then both receive.
    pub(crate) fn step(&mut self) -> bool {
        self.transmit();
        let moved = !self.to_server.is_empty() || !self.to_client.is_empty();
        self.server_reads();
        self.client_reads();
        moved
    }

    /// Both ends send.
    pub(crate) fn transmit(&mut self) {
        let mut out = TransmitBuf::new();
        while self.client.poll_transmit(self.now, &mut out) == Transmit::Ready {}
        let sent: Vec<u8> = out.slices().flatten().copied().collect();
        self.note("C", Codec::server(self.client.options().version), &sent);
        self.to_server.extend(sent);
        out.clear();
        while self.server.poll_transmit(self.now, &mut out) == Transmit::Ready {}
        let sent: Vec<u8> = out.slices().flatten().copied().collect();
        self.note("S", Codec::client(self.client.options().version), &sent);
        self.to_client.extend(sent);
        self.collect_events();
    }

    fn note(&mut self, who: &str, codec: Codec, mut bytes: &[u8]) {
        while let Ok(Some(packet)) = codec.decode(&mut bytes) {
            let detail = match packet {
                Packet::Publish(publish) => match publish.delivery {
                    Delivery::AtMostOnce => String::new(),
                    Delivery::AtLeastOnce { packet_id, dup } | Delivery::ExactlyOnce { packet_id, dup } => {
                        format!(" {packet_id}{}", if dup { " dup" } else { "" })
                    }
                },
                Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                    let code = if ack.reason_code == ReasonCode::Success {
                        String::new()
                    } else {
                        format!(" {:02X}", ack.reason_code.as_u8())
                    };
                    format!(" {}{code}", ack.packet_id)
                }
                Packet::Disconnect(disconnect) => {
                    format!(" {:02X}", disconnect.reason_code.as_u8())
                }
                _ => String::new(),
            };
            self.trace.push(format!("{who} {:?}{detail}", packet.packet_type()));
        }
    }

    pub(crate) fn server_reads(&mut self) {
        let bytes = std::mem::take(&mut self.to_server);
        let mut input = &bytes[..];
        while let Some(event) = self.server.handle_input(self.now, &mut input) {
            match &event {
                Event::ConnectRequested(connect) => {
                    let session = if connect.clean_start { None } else { self.kept.take() };
                    let mut answer =
                        Accept::new(if connect.client_id.is_empty() { "assigned" } else { connect.client_id.as_str() });
                    answer.session_present = session.is_some();
                    self.server.accept(self.now, &mut session.unwrap_or_default(), &answer).unwrap();
                }
                Event::SubscribeRequested(subscribe) => {
                    let codes: Vec<_> = subscribe
                        .subscriptions
                        .iter()
                        .map(|subscription| ReasonCode::granted(subscription.options.qos))
                        .collect();
                    self.server.suback(self.now, subscribe.packet_id, &codes, Properties::EMPTY).unwrap();
                }
                Event::UnsubscribeRequested(unsubscribe) => {
                    let codes = vec![ReasonCode::Success; unsubscribe.filters.len()];
                    self.server.unsuback(self.now, unsubscribe.packet_id, &codes, Properties::EMPTY).unwrap();
                }
                _ => {}
            }
            self.server_said.push(event.into());
        }
        self.to_server = input.to_vec();
        self.collect_events();
    }

    pub(crate) fn client_reads(&mut self) {
        let bytes = std::mem::take(&mut self.to_client);
        let mut input = &bytes[..];
        while let Some(event) = self.client.handle_input(self.now, &mut input) {
            self.client_said.push(event.into());
        }
        self.to_client = input.to_vec();
        self.collect_events();
    }

    fn collect_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.client_said.push(event.into());
        }
        while let Some(event) = self.server.poll_event() {
            self.server_said.push(event.into());
        }
    }

    pub(crate) fn publish(&mut self, name: &str, payload: &str, qos: QoS) -> Published {
        self.client.publish(self.now, &message(name, payload, qos)).unwrap()
    }

    pub(crate) fn subscribe(&mut self, filter: &str, qos: QoS) {
        let subscription = Subscription::new(TopicFilter::new(filter).unwrap(), qos);
        self.client.subscribe(self.now, &[subscription], Properties::EMPTY).unwrap();
    }

    /// Payloads that the server has received, in order.
    pub(crate) fn server_received(&self) -> Vec<&str> {
        received(&self.server_said)
    }

    pub(crate) fn client_received(&self) -> Vec<&str> {
        received(&self.client_said)
    }
}

fn received(said: &[Said]) -> Vec<&str> {
    said.iter()
        .filter_map(|said| match said {
            Said::Received { payload, .. } => Some(payload.as_str()),
            _ => None,
        })
        .collect()
}
