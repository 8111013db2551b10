//! A connection without manners: any bytes out, and what comes back, told in words.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};

use crate::PATIENCE;

/// A TCP connection to a broker. It knows just enough of MQTT to tell where an answer ends.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    level: u8,
}

/// What a broker says, as far as it is comparable with what another one says.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// A packet: its name, and the code in it, if it has one.
    Packet(&'static str, Option<u8>),
    /// The end of the connection.
    Closed,
}

impl Raw {
    /// Opens a connection on which nothing has been said. `level`: how what comes will be read, 4 as 3.1.1 and 5 as 5.0.
    ///
    /// # Panics
    ///
    /// Nobody listens.
    #[must_use]
    pub fn open(port: u16, level: u8) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a broker listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("the time is not zero");
        stream.set_nodelay(true).expect("this is TCP");
        Self { stream, level }
    }

    /// Opens a connection, and is accepted.
    ///
    /// # Panics
    ///
    /// It is not.
    #[must_use]
    pub fn connect(port: u16, level: u8, client_id: &str) -> Self {
        let mut raw = Self::open(port, level);
        raw.send(&raw.connect_packet(client_id));
        assert_eq!(raw.answer(), Answer::Packet("CONNACK", Some(0)));
        raw
    }

    /// Subscribes a topic filter at QoS 0.
    ///
    /// # Panics
    ///
    /// The broker says no.
    pub fn subscribe(&mut self, filter: &str) {
        self.send(&self.subscribe_packet(filter));
        assert_eq!(self.answer(), Answer::Packet("SUBACK", Some(0)));
    }

    /// A CONNECT with a clean session and a minute's keep alive.
    #[must_use]
    pub fn connect_packet(&self, client_id: &str) -> Vec<u8> {
        let fixed = [0, 4, b'M', b'Q', b'T', b'T', self.level, 2, 0, 60];
        packet(0x10, &[&fixed, self.no_properties(), &text(client_id)].concat())
    }

    /// A SUBSCRIBE at QoS 0.
    #[must_use]
    pub fn subscribe_packet(&self, filter: &str) -> Vec<u8> {
        packet(0x82, &[&[0, 1], self.no_properties(), &text(filter), &[0]].concat())
    }

    /// A PUBLISH, at QoS 0 or at another with a packet identifier.
    #[must_use]
    pub fn publish(&self, topic: &str, qos_and_id: Option<(u8, u8)>, payload: &str) -> Vec<u8> {
        let (qos, id) = qos_and_id.map_or((0, vec![]), |(qos, id)| (qos, vec![0, id]));
        packet(0x30 | qos << 1, &[&text(topic), &id, self.no_properties(), payload.as_bytes()].concat())
    }

    fn no_properties(&self) -> &'static [u8] {
        if self.level == 5 { &[0] } else { &[] }
    }

    /// Sends these bytes, in one write. An end that has been closed is no matter.
    ///
    /// # Panics
    ///
    /// The other end takes none.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
        }
    }

    /// Says that nothing more will come.
    pub fn end(&self) {
        // It may have been closed by the other side.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next answer.
    pub fn answer(&mut self) -> Answer {
        self.packet().map_or(Answer::Closed, |packet| describe(&packet, self.level))
    }

    /// The next packet. `None`: the connection is closed.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn packet(&mut self) -> Option<Vec<u8>> {
        let mut packet = self.bytes(2)?;
        let mut length = u32::from(packet[1] & 0x7f);
        let mut shift = 7;
        while packet.last().is_some_and(|byte| byte & 0x80 != 0) {
            let more = self.bytes(1)?;
            length |= u32::from(more[0] & 0x7f) << shift;
            shift += 7;
            packet.extend(more);
        }
        packet.extend(self.bytes(length as usize)?);
        Some(packet)
    }

    /// `None`: closed before.
    fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        match self.stream.read_exact(&mut bytes) {
            Ok(()) => Some(bytes),
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => None,
            Err(error) => panic!("neither an answer nor a close in {PATIENCE:?}: {error}"),
        }
    }
}

/// A packet of up to 127 bytes behind the fixed header.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).ok().filter(|length| *length < 0x80);
    [&[first, length.expect("one byte tells the length")], body].concat()
}

fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("one byte tells the length");
    [&[0, length], text.as_bytes()].concat()
}

fn describe(packet: &[u8], level: u8) -> Answer {
    let name = NAMES[usize::from(packet[0] >> 4)];
    let acks_have_codes = level == 5;
    let code = match name {
        "CONNACK" => packet.get(3),
        "SUBACK" => packet.last(),
        "UNSUBACK" if acks_have_codes => packet.last(),
        "PUBACK" | "PUBREC" | "PUBREL" | "PUBCOMP" if acks_have_codes => Some(packet.get(4).unwrap_or(&0)),
        "DISCONNECT" => Some(packet.get(2).unwrap_or(&0)),
        _ => None,
    };
    Answer::Packet(name, code.copied())
}

const NAMES: [&str; 16] = [
    "0",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(name, None) => f.write_str(name),
            Self::Packet(name, Some(code)) => write!(f, "{name} {code:02x}"),
            Self::Closed => f.write_str("closed"),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
