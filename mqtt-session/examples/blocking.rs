//! A client on a socket of the standard library that blocks, without anything asynchronous: `cargo run -p mqtt-session --example blocking -- 127.0.0.1:1883`.
//!
//! It asks for a topic, says something there at each QoS, and leaves when it has heard all of it. Any broker will do.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant as Clock};

use mqtt_proto::{Properties, QoS, ReasonCode, Subscription, TopicFilter, TopicName, TransmitBuf};
use mqtt_session::{Client, ConnectOptions, DisconnectCause, Event, Instant, Message, Outcome, Transmit};

/// What an application wants to know, in its own words. (An [`Event`] borrows the bytes that it came in.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Connected { session_present: bool },
    Subscribed,
    Message { topic: String, payload: String, qos: QoS },
    Published(Outcome),
    Disconnected(DisconnectCause),
}

/// A client, its socket and what lies between them.
pub(crate) struct Link {
    pub(crate) client: Client,
    socket: Option<TcpStream>,
    start: Clock,
    /// Bytes that are not a whole packet yet.
    held: Vec<u8>,
    heard: VecDeque<Heard>,
}

impl Link {
    pub(crate) fn open(address: impl ToSocketAddrs, mut client: Client) -> Result<Self, Box<dyn Error>> {
        client.connect(Instant::ZERO)?;
        let socket = Some(TcpStream::connect(address)?);
        Ok(Self { client, socket, start: Clock::now(), held: Vec::new(), heard: VecDeque::new() })
    }

    /// Waits for the next piece of news. `None`: the connection is over, and everything has been told.
    pub(crate) fn next(&mut self) -> Result<Option<Heard>, Box<dyn Error>> {
        while self.heard.is_empty() && self.socket.is_some() {
            self.turn()?;
        }
        Ok(self.heard.pop_front())
    }

    /// Input, events, output; then it waits for more input or the deadline.
    fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        let now = self.now();
        let mut input = &self.held[..];
        while let Some(event) = self.client.handle_input(now, &mut input) {
            self.heard.extend(heard(event));
        }
        self.held = input.to_vec();
        self.client.handle_timeout(now);
        let mut out = TransmitBuf::new();
        let Some(socket) = &mut self.socket else { return Ok(()) };
        loop {
            while let Some(event) = self.client.poll_event() {
                self.heard.extend(heard(event));
            }
            match self.client.poll_transmit(now, &mut out) {
                Transmit::Ready => {
                    out.slices().try_for_each(|slice| socket.write_all(slice))?;
                    out.clear();
                }
                Transmit::Idle => break,
                Transmit::Close => {
                    self.close(now);
                    return Ok(());
                }
            }
        }
        // News first: the application may have something to say to them.
        if self.heard.is_empty() { self.wait(now) } else { Ok(()) }
    }

    fn wait(&mut self, now: Instant) -> Result<(), Box<dyn Error>> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        let patience = self.client.poll_timeout().map(|deadline| deadline.since(now).max(Duration::from_millis(1)));
        socket.set_read_timeout(patience)?;
        let mut bytes = [0; 4096];
        match socket.read(&mut bytes) {
            Ok(0) => self.close(now),
            Ok(count) => self.held.extend_from_slice(&bytes[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.close(now),
        }
        Ok(())
    }

    /// The socket is gone. What outlives it stays in the client.
    pub(crate) fn close(&mut self, now: Instant) {
        self.socket = None;
        self.client.handle_closed(now);
        while let Some(event) = self.client.poll_event() {
            self.heard.extend(heard(event));
        }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }
}

fn heard(event: Event<'_>) -> Option<Heard> {
    Some(match event {
        Event::Connected(connack) => Heard::Connected { session_present: connack.session_present },
        Event::Subscribed { .. } => Heard::Subscribed,
        Event::Received(message) => Heard::Message {
            topic: message.topic().as_str().into(),
            payload: String::from_utf8_lossy(message.payload()).into(),
            qos: message.qos(),
        },
        Event::Published { outcome, .. } => Heard::Published(outcome),
        Event::Disconnected(end) => Heard::Disconnected(end.cause),
        _ => return None,
    })
}

/// Returns what it has heard from itself.
pub(crate) fn run(address: impl ToSocketAddrs) -> Result<Vec<String>, Box<dyn Error>> {
    let mut link = Link::open(address, Client::new(ConnectOptions::new("blocking")))?;
    let mut messages = Vec::new();
    while let Some(heard) = link.next()? {
        let now = link.now();
        match heard {
            Heard::Connected { .. } => {
                let wish = Subscription::new(TopicFilter::new("blocking/#")?, QoS::ExactlyOnce);
                link.client.subscribe(now, &[wish], Properties::EMPTY)?;
            }
            Heard::Subscribed => {
                for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                    let mut message = Message::new(TopicName::new("blocking/hello")?, "hello");
                    message.qos = qos;
                    link.client.publish(now, &message)?;
                }
            }
            Heard::Message { topic, payload, qos } => {
                messages.push(format!("{topic}: {payload} (QoS {})", qos.as_u8()));
                if messages.len() == 3 {
                    link.client.disconnect(now, ReasonCode::NORMAL_DISCONNECTION, Properties::EMPTY)?;
                }
            }
            Heard::Published(outcome) => assert!(outcome.is_success(), "{outcome:?}"),
            Heard::Disconnected(DisconnectCause::Local(_)) => {}
            Heard::Disconnected(cause) => return Err(cause.into()),
        }
    }
    Ok(messages)
}

#[allow(dead_code, reason = "its test has an address of its own")]
fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    run(address)?.iter().for_each(|line| println!("{line}"));
    Ok(())
}
