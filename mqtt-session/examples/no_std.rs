//! A lamp on a board without an operating system: `cargo run -p mqtt-session --example no_std -- 127.0.0.1:1883`.
//!
//! What would run on the board is in `firmware`, on `core` and a small trait; the machine itself needs an allocator. The rest pretends to be a board.

/// Listens at `lamp/set` for `on` and `off`, says at `lamp/state` what it has done, and goes to sleep on `bye`.
pub(crate) mod firmware {
    use core::time::Duration;

    use mqtt_proto::{Properties, QoS, ReasonCode, Subscription, TopicFilter, TopicName, TransmitBuf};
    use mqtt_session::{Client, ConnectOptions, Event, Instant, Message, Transmit};

    /// All that the loop wants of the world.
    pub(crate) trait Board {
        /// Milliseconds since some moment; after the highest comes zero.
        fn ticks(&mut self) -> u32;
        /// Copies what has arrived, and how much that is. `None`: nothing will any more.
        fn receive(&mut self, into: &mut [u8]) -> Option<usize>;
        /// Takes as many of these bytes as there is room for.
        fn send(&mut self, from: &[u8]) -> usize;
        /// Sleeps until something arrives, but not for longer than so many ticks.
        fn sleep(&mut self, ticks: u32);
        fn light(&mut self, is_on: bool);
    }

    /// No packet is larger, so one that has begun always fits.
    const BYTES_MAX: usize = 256;

    pub(crate) fn run(board: &mut impl Board) {
        let mut options = ConnectOptions::new("lamp");
        options.packet_bytes_max = BYTES_MAX as u32;
        options.limits.queued_messages_max = 4;
        let mut client = Client::new(options);
        let (mut held, mut len) = ([0; BYTES_MAX], 0);
        let mut out = TransmitBuf::new();
        let mut clock = Clock { last: board.ticks(), now: Instant::ZERO };
        if client.connect(clock.now).is_err() {
            return;
        }
        loop {
            let now = clock.tell(board.ticks());
            // Input.
            let Some(count) = board.receive(&mut held[len..]) else { return client.handle_closed(now) };
            len += count;
            let mut input = &held[..len];
            while let Some(event) = client.handle_input(now, &mut input) {
                // What is refused here is refused because the connection has ended. That is seen below.
                let _ = handle(board, &mut client, now, &event);
            }
            let left = input.len();
            held.copy_within(len - left..len, 0);
            len = left;
            client.handle_timeout(now);
            // Events. There is nothing to be done about any of them.
            while client.poll_event().is_some() {}
            // Output.
            if !flush(board, &mut client, now, &mut out) {
                return client.handle_closed(now);
            }
            // Deadline.
            let left = client.poll_timeout().map_or(Duration::MAX, |deadline| deadline.since(now));
            let soon = if out.is_empty() { u32::MAX } else { 1 };
            board.sleep(u32::try_from(left.as_millis()).unwrap_or(u32::MAX).min(soon));
        }
    }

    fn handle<B: Board>(board: &mut B, client: &mut Client, now: Instant, event: &Event<'_>) -> Option<()> {
        match event {
            Event::Connected(_) => {
                let wish = Subscription::new(TopicFilter::new("lamp/set").ok()?, QoS::AtLeastOnce);
                client.subscribe(now, &[wish], Properties::EMPTY).ok()?;
            }
            Event::Subscribed { .. } => say(client, now, "ready")?,
            Event::Received(message) => match message.payload() {
                b"on" => {
                    board.light(true);
                    say(client, now, "on")?;
                }
                b"off" => {
                    board.light(false);
                    say(client, now, "off")?;
                }
                b"bye" => client.disconnect(now, ReasonCode::NORMAL_DISCONNECTION, Properties::EMPTY).ok()?,
                _ => {}
            },
            _ => {}
        }
        Some(())
    }

    fn say(client: &mut Client, now: Instant, state: &str) -> Option<()> {
        let mut message = Message::new(TopicName::new("lamp/state").ok()?, state);
        message.qos = QoS::AtLeastOnce;
        client.publish(now, &message).ok().map(drop)
    }

    /// Sends what there is room for. False: that was the last.
    fn flush(board: &mut impl Board, client: &mut Client, now: Instant, out: &mut TransmitBuf) -> bool {
        loop {
            while !out.is_empty() {
                let count = board.send(out.slices().next().unwrap_or_default());
                if count == 0 {
                    return true;
                }
                out.advance(count);
            }
            match client.poll_transmit(now, out) {
                Transmit::Ready => {}
                Transmit::Idle => return true,
                Transmit::Close => return false,
            }
        }
    }

    /// Makes a clock that never goes back of a counter that does.
    struct Clock {
        last: u32,
        now: Instant,
    }

    impl Clock {
        fn tell(&mut self, ticks: u32) -> Instant {
            self.now = self.now + Duration::from_millis(ticks.wrapping_sub(self.last).into());
            self.last = ticks;
            self.now
        }
    }
}

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant as Clock};

/// A board with a socket for a radio. Its counter is about to turn over.
pub(crate) struct Pretended {
    socket: TcpStream,
    start: Clock,
    /// What the lamp was told.
    pub(crate) lamp: Vec<bool>,
}

impl Pretended {
    pub(crate) fn new(address: impl ToSocketAddrs) -> std::io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, start: Clock::now(), lamp: Vec::new() })
    }
}

impl firmware::Board for Pretended {
    fn ticks(&mut self) -> u32 {
        u32::MAX.wrapping_sub(10).wrapping_add(self.start.elapsed().as_millis() as u32)
    }

    fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        match self.socket.read(into) {
            Ok(0) if !into.is_empty() => None,
            Ok(count) => Some(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }

    fn send(&mut self, from: &[u8]) -> usize {
        self.socket.write(from).unwrap_or(0)
    }

    fn sleep(&mut self, ticks: u32) {
        std::thread::sleep(Duration::from_millis(ticks.min(1).into()));
    }

    fn light(&mut self, is_on: bool) {
        self.lamp.push(is_on);
    }
}

#[allow(dead_code, reason = "its test has an address of its own")]
fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let mut board = Pretended::new(address)?;
    firmware::run(&mut board);
    println!("the lamp was told {:?}", board.lamp);
    Ok(())
}
