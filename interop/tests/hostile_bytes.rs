//! Bytes that no client should send: our broker reacts as the specification asks, mosquitto agrees or we know why not, and nobody else notices.

use std::fmt::Write;

use interop::{Answer, Mosquitto, OurBroker, Raw};

/// A line of `hostile_bytes/inputs.txt`.
struct Input {
    /// On a connection on which nothing has been said; else after CONNECT and CONNACK.
    is_first: bool,
    level: u8,
    what: &'static str,
    bytes: Vec<u8>,
    ours: &'static str,
    mosquittos: &'static str,
}

#[test]
fn nonsense_gets_the_answer_that_the_specification_asks_for() {
    let (broker, mosquitto) = (OurBroker::start(), Mosquitto::start());
    let mut bystander = Bystander::new(broker.port());
    let mut faults = Vec::new();
    for input in inputs() {
        let ours = input.send_to(broker.port());
        bystander.has_noticed_nothing(input.what);
        if ours != input.ours {
            faults.push(format!("level {}, {}: `{ours}` instead of `{}`", input.level, input.what, input.ours));
        }
        let theirs = input.send_to(mosquitto.port());
        let known = match input.mosquittos {
            "same" => input.ours,
            "silent" => "closed",
            "lenient" => "open",
            other => other.split_once(": ").map_or("an answer and a reason", |(answer, _)| answer),
        };
        if theirs != known && theirs != input.ours {
            faults.push(format!("level {}, {}: mosquitto answers `{theirs}`", input.level, input.what));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    drop(bystander);
    broker.wait_until_alone();
}

#[test]
fn more_messages_in_flight_than_agreed_end_the_connection() {
    let broker = OurBroker::start();
    let mut raw = Raw::connect(broker.port(), 5, "hostile");
    for id in 1..=101 {
        raw.send(&raw.publish("a", Some((2, id)), "x"));
    }
    for _ in 1..=100 {
        // Nobody is subscribed.
        assert_eq!(raw.answer(), Answer::Packet("PUBREC", Some(0x10)));
    }
    assert_eq!(raw.answer(), Answer::Packet("DISCONNECT", Some(0x93)));
    assert_eq!(raw.answer(), Answer::Closed);
}

#[test]
fn noise_ends_only_the_connection_that_it_is_on() {
    let broker = OurBroker::start();
    let mut bystander = Bystander::new(broker.port());
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for round in 0..300 {
        let level = if noise.next() & 1 == 0 { 4 } else { 5 };
        let mut raw = match round % 3 {
            0 => Raw::open(broker.port(), level),
            _ => Raw::connect(broker.port(), level, "noise"),
        };
        let bytes: Vec<_> = (0..noise.next()).map(|_| noise.next()).collect();
        raw.send(&bytes);
        // Some leave without waiting for an answer.
        if round % 2 == 0 {
            raw.end();
            while raw.answer() != Answer::Closed {}
        }
        bystander.has_noticed_nothing(&format!("{bytes:02x?}"));
    }
    drop(bystander);
    broker.wait_until_alone();
}

#[test]
fn a_conversation_may_break_off_anywhere() {
    let broker = OurBroker::start();
    let mut bystander = Bystander::new(broker.port());
    for level in [4, 5] {
        let raw = Raw::open(broker.port(), level);
        let conversation = [
            raw.connect_packet("half"),
            raw.subscribe_packet("half/#"),
            raw.publish("half/1", Some((1, 7)), "seven"),
            raw.publish("half/2", Some((2, 8)), "eight"),
            vec![0x62, 2, 0, 8],
        ];
        let conversation = conversation.concat();
        for length in 0..=conversation.len() {
            let mut raw = Raw::open(broker.port(), level);
            raw.send(&conversation[..length]);
            raw.end();
            while raw.answer() != Answer::Closed {}
            bystander.has_noticed_nothing(&format!("{length} bytes of a conversation"));
        }
    }
    drop(bystander);
    broker.wait_until_alone();
}

/// A well-behaved client, subscribed to everything.
struct Bystander(Raw);

impl Bystander {
    fn new(port: u16) -> Self {
        let mut raw = Raw::connect(port, 4, "bystander");
        raw.subscribe("#");
        Self(raw)
    }

    /// The next thing that it hears is its own.
    fn has_noticed_nothing(&mut self, of: &str) {
        let own = self.0.publish("bystander", None, "still here");
        self.0.send(&own);
        // What was said in good order, before it broke off, is no nonsense.
        let mut heard = self.0.packet();
        while heard.as_ref().is_some_and(|packet| packet[4..].starts_with(b"half/")) {
            heard = self.0.packet();
        }
        assert_eq!(heard, Some(own), "after {of}");
    }
}

impl Input {
    /// Sends it and a PINGREQ in one piece, and tells what comes back, up to the PINGRESP or the close.
    fn send_to(&self, port: u16) -> String {
        let mut raw =
            if self.is_first { Raw::open(port, self.level) } else { Raw::connect(port, self.level, "hostile") };
        raw.send(&[&self.bytes[..], b"\xc0\0"].concat());
        let mut story = String::new();
        loop {
            match raw.answer() {
                Answer::Packet("PINGRESP", _) => return story + "open",
                Answer::Closed => return story + "closed",
                answer => write!(story, "{answer}, ").expect("a string takes everything"),
            }
        }
    }
}

fn inputs() -> Vec<Input> {
    let mut is_first = false;
    let mut inputs = Vec::new();
    for line in include_str!("hostile_bytes/inputs.txt").lines() {
        let fields: Vec<_> = line.split('|').map(str::trim).collect();
        match fields[..] {
            ["= first"] => is_first = true,
            ["= after CONNECT"] => is_first = false,
            [level, what, bytes, ours, mosquittos] if !line.starts_with('#') => inputs.push(Input {
                is_first,
                level: level.parse().expect(line),
                what,
                bytes: bytes.split(' ').map(|byte| u8::from_str_radix(byte, 16).expect(line)).collect(),
                ours,
                mosquittos,
            }),
            _ => assert!(line.is_empty() || line.starts_with('#'), "{line}"),
        }
    }
    inputs
}

/// Bytes without a pattern, the same on every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u8
    }
}
