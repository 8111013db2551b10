//! Proof that what is tested for has happened.

use std::fmt;

macro_rules! marks {
    ($( $(#[doc = $doc:literal])+ $name:ident => $words:literal, )*) => {
        /// Something that a run can meet. A simulator that never meets it proves nothing about it, so each is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Mark {
            $( $(#[doc = $doc])+ $name, )*
        }

        impl Mark {
            /// All of them.
            pub const ALL: &'static [Self] = &[$( Self::$name, )*];
        }

        impl fmt::Display for Mark {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $( Self::$name => $words, )* })
            }
        }
    };
}

marks! {
    /// A connection was made.
    Connected => "connected",
    /// A client connected that had been connected before.
    Reconnected => "connected again",
    /// The server had kept the session.
    Resumed => "connected again, session present",
    /// The server had not.
    SessionLost => "connected again, session lost",
    /// The server had begun a new session for a client that took it for its old one, since it had never heard the answer in between.
    ReplacedUnnoticed => "session replaced unnoticed",
    /// A session was still bound to an old connection when its client came back.
    TakenOver => "session taken over from a live connection",
    /// The server let a session expire.
    Expired => "session expired",
    /// A connection was reset.
    Reset => "connection reset",
    /// A connection was reset inside a packet.
    CutInsidePacket => "connection reset inside a packet",
    /// A connection was reset between two packets.
    CutBetweenPackets => "connection reset between packets",
    /// An end was closed in order.
    Fin => "connection closed in order",
    /// One end was gone, and the other was not told.
    HalfOpen => "connection gone for one end only",
    /// Bytes came for an end that was gone.
    LateBytes => "bytes for an end that is gone",
    /// The same, and its client had connected again already.
    LateBytesAfterReconnect => "bytes of an old connection, after the new one is up",
    /// Bytes of one write came in several pieces.
    Split => "one write came in pieces",
    /// Bytes of several writes came in one piece.
    Coalesced => "several writes came as one",
    /// The wire stood still.
    Stalled => "the wire stood still",
    /// The wire let only a few bytes through.
    Trickled => "the wire trickled",
    /// An end stopped reading.
    NotReading => "an end did not read",
    /// The wire took no more bytes.
    Blocked => "the wire was full",
    /// The wire got slow.
    Slow => "the wire was slow",
    /// A transport was refused.
    Refused => "connect refused by the transport",
    /// A CONNECT was refused.
    RefusedByServer => "connect refused by the server",
    /// A transport was accepted and never answered.
    NeverAnswered => "connect never answered",
    /// A handshake took too long.
    ConnectTimeout => "connect timeout",
    /// Nothing was heard for too long.
    KeepAliveTimeout => "keep alive timeout",
    /// A client crashed.
    ClientCrashed => "client crashed",
    /// A client crashed with messages in flight.
    ClientCrashedInFlight => "client crashed with messages in flight",
    /// The server crashed.
    ServerCrashed => "server crashed",
    /// The server crashed with messages in flight.
    ServerCrashedInFlight => "server crashed with messages in flight",
    /// A client said goodbye.
    SaidGoodbye => "client disconnected in order",
    /// A client asked for a clean start.
    CleanStart => "clean start of a client that had a session",
    /// The server changed what it takes.
    OptionsChanged => "the server changed its limits",
    /// A client met another Receive Maximum than on its connection before.
    ReceiveMaximumChanged => "receive maximum changed between connections",
    /// As many messages were in flight as may be.
    QuotaExhausted => "receive maximum reached",
    /// A PUBLISH was sent again.
    PublishAgain => "publish sent again",
    /// A PUBREL was sent again.
    ReleaseAgain => "pubrel sent again",
    /// A QoS 2 message came that had been received before.
    Qos2Repeated => "qos 2 message repeated and not passed on",
    /// A QoS 1 message was passed on twice.
    Qos1Repeated => "qos 1 message passed on again",
    /// A message was acknowledged later than it was received.
    LateAck => "acknowledged late",
    /// Messages were acknowledged in another order than they came.
    AckOutOfOrder => "acknowledged out of order",
    /// An acknowledgement came after its connection had ended.
    StaleAck => "acknowledged after the connection had ended",
    /// A publish was refused because the queue was full.
    QueueFull => "queue of the client full",
    /// The server had no room for a message.
    ServerQueueFull => "queue of the server full",
    /// A message was too large for the peer.
    TooLarge => "message too large",
    /// A message was above the QoS that the server takes.
    QosNotSupported => "qos above the maximum",
    /// A message left as an alias without its topic.
    Alias => "topic alias instead of a topic",
    /// A message waited for too long.
    MessageExpired => "message expired before it was sent",
    /// A message was dropped for another one.
    DroppedForAnother => "message dropped from a full queue",
    /// A message was given up because connections kept ending on it.
    AttemptsExhausted => "message given up after too many attempts",
    /// A message in flight was none that the peer takes on its next connection.
    NotSentAgain => "message in flight not sent again",
    /// A QoS 2 publish was settled without knowing how it went.
    Unknown => "settled as unknown, session lost",
    /// A request got no answer.
    RequestLost => "request lost",
    /// An old client took part.
    Version311 => "spoken: 3.1.1",
    /// A new client took part.
    Version5 => "spoken: 5.0",
}

/// How often each was met.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marks {
    counts: Vec<u64>,
}

impl Default for Marks {
    fn default() -> Self {
        Self { counts: vec![0; Mark::ALL.len()] }
    }
}

impl Marks {
    /// How often it was met.
    #[must_use]
    pub fn count(&self, mark: Mark) -> u64 {
        self.counts[mark as usize]
    }

    /// Those that never were.
    pub fn missing(&self) -> impl Iterator<Item = Mark> {
        Mark::ALL.iter().copied().filter(|&mark| self.count(mark) == 0)
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    pub(crate) fn hit(&mut self, mark: Mark) {
        self.counts[mark as usize] += 1;
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Mark::ALL.iter().try_for_each(|&mark| writeln!(f, "{mark:<52} {:>10}", self.count(mark)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_met_is_missing() {
        let mut marks = Marks::default();
        assert_eq!(marks.missing().count(), Mark::ALL.len());
        marks.hit(Mark::Reset);
        let mut sum = marks.clone();
        sum.add(&marks);
        assert_eq!(sum.count(Mark::Reset), 2);
        assert!(sum.missing().all(|mark| mark != Mark::Reset));
        assert!(sum.to_string().lines().any(|line| line.starts_with("connection reset ") && line.ends_with(" 2")));
    }
}
