//! Many clients in one thread, woken by `mio`: `cargo run -p mqtt-session --example mio -- 127.0.0.1:1883 100`.
//!
//! They stand in a ring. Each listens for what the one before it says, and passes it on at QoS 1 with a count; when the message has gone round, all leave.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant as Clock};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use mqtt_proto::{Properties, QoS, ReasonCode, Subscription, TopicFilter, TopicName, TransmitBuf};
use mqtt_session::{Client, ConnectOptions, Event, Instant, Message, Transmit};

struct Member {
    index: usize,
    client: Client,
    socket: TcpStream,
    /// Bytes that are not a whole packet yet.
    held: Vec<u8>,
    /// Bytes that the socket has not taken yet.
    out: TransmitBuf,
    is_over: bool,
}

/// What they do together.
struct Ring {
    size: usize,
    listening: usize,
    /// Who passed it on, in turn.
    passed: Vec<usize>,
}

/// Returns who passed the message on, in turn.
pub(crate) fn run(address: SocketAddr, size: usize) -> Result<Vec<usize>, Box<dyn Error>> {
    let (mut poll, mut events, start) = (Poll::new()?, Events::with_capacity(256), Clock::now());
    let mut ring = Ring { size, listening: 0, passed: Vec::new() };
    let mut members = Vec::new();
    for index in 0..size {
        let mut socket = TcpStream::connect(address)?;
        poll.registry().register(&mut socket, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        let mut client = Client::new(ConnectOptions::new(format!("ring-{index}")));
        client.connect(Instant::ZERO)?;
        members.push(Member { index, client, socket, held: Vec::new(), out: TransmitBuf::new(), is_over: false });
    }
    // Whose turn it is. A few thousand clients would keep their deadlines in a heap; here they are looked through.
    let mut due: Vec<usize> = Vec::new();
    while members.iter().any(|member| !member.is_over) {
        let now = Instant::ZERO + start.elapsed();
        let (was_listening, was_round) = (ring.listening == size, ring.passed.len() == size);
        for index in due.drain(..) {
            members[index].turn(now, &mut ring)?;
        }
        if !was_listening && ring.listening == size {
            members[0].pass_on(now, &mut ring)?;
            due.push(0);
        }
        if !was_round && ring.passed.len() == size {
            for member in &mut members {
                member.client.disconnect(now, ReasonCode::NORMAL_DISCONNECTION, Properties::EMPTY)?;
            }
            due.extend(0..size);
        }
        let deadline = members.iter().filter_map(|member| member.client.poll_timeout()).min();
        let patience = if due.is_empty() { deadline.map(|deadline| deadline.since(now)) } else { Some(Duration::ZERO) };
        match poll.poll(&mut events, patience) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        due.extend(events.iter().map(|event| event.token().0));
        let now = Instant::ZERO + start.elapsed();
        let late = members.iter().filter(|member| member.client.poll_timeout().is_some_and(|deadline| deadline <= now));
        due.extend(late.map(|member| member.index));
    }
    Ok(ring.passed)
}

impl Member {
    /// Input, events, output and the deadline, for one client.
    fn turn(&mut self, now: Instant, ring: &mut Ring) -> Result<(), Box<dyn Error>> {
        if self.is_over {
            return Ok(());
        }
        let is_gone = !self.read()?;
        let held = std::mem::take(&mut self.held);
        let mut input = &held[..];
        while let Some(event) = self.client.handle_input(now, &mut input) {
            self.handle(now, &event, ring)?;
        }
        self.held = input.to_vec();
        self.client.handle_timeout(now);
        if self.client.is_overdue() {
            // What is left of the connection has had its time.
            self.out.clear();
        }
        if is_gone {
            self.client.handle_closed(now);
            self.is_over = true;
        }
        while let Some(event) = self.client.poll_event() {
            self.handle(now, &event, ring)?;
        }
        self.write(now)
    }

    fn handle(&mut self, now: Instant, event: &Event<'_>, ring: &mut Ring) -> Result<(), Box<dyn Error>> {
        match event {
            Event::Connected(_) => {
                let filter = format!("ring/{}", self.index);
                let wish = Subscription::new(TopicFilter::new(&filter)?, QoS::AtLeastOnce);
                self.client.subscribe(now, &[wish], Properties::EMPTY)?;
            }
            Event::Subscribed { .. } => ring.listening += 1,
            Event::Received(_) if self.index > 0 => self.pass_on(now, ring)?,
            Event::Disconnected(end) if ring.passed.len() < ring.size => return Err(end.cause.into()),
            _ => {}
        }
        Ok(())
    }

    fn pass_on(&mut self, now: Instant, ring: &mut Ring) -> Result<(), Box<dyn Error>> {
        ring.passed.push(self.index);
        let topic = format!("ring/{}", (self.index + 1) % ring.size);
        let mut message = Message::new(TopicName::new(&topic)?, "pass it on");
        message.qos = QoS::AtLeastOnce;
        self.client.publish(now, &message)?;
        Ok(())
    }

    /// Reads all there is: `mio` says so only once. False: there will be no more.
    fn read(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 4096];
        loop {
            match self.socket.read(&mut bytes) {
                Ok(0) => return Ok(false),
                Ok(count) => self.held.extend_from_slice(&bytes[..count]),
                Err(error) if is_for_later(&error) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes until there is nothing left, or the socket has had enough.
    fn write(&mut self, now: Instant) -> Result<(), Box<dyn Error>> {
        while !self.is_over {
            while !self.out.is_empty() {
                let written = self.socket.write(self.out.slices().next().unwrap_or_default());
                match written {
                    Ok(count) => self.out.advance(count),
                    Err(error) if is_for_later(&error) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
            match self.client.poll_transmit(now, &mut self.out) {
                Transmit::Ready => {}
                Transmit::Idle => return Ok(()),
                Transmit::Close => {
                    self.socket.shutdown(std::net::Shutdown::Both)?;
                    self.client.handle_closed(now);
                    self.is_over = true;
                }
            }
        }
        Ok(())
    }
}

/// It will be told when it is time. A socket that is not connected yet says so here, too.
fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted)
}

#[allow(dead_code, reason = "its test has an address of its own")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:1883".into()).parse()?;
    let size = arguments.next().map_or(Ok(100), |size| size.parse())?;
    println!("passed on by {:?}", run(address, size)?);
    Ok(())
}
