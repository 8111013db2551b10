//! What stands at the server's end of the wire.

use std::fmt::Debug;

use mqtt_proto::TransmitBuf;
use mqtt_session::{DisconnectCause, Instant, ServerOptions, Transmit};

use crate::wire::LinkId;

/// A server of this world: a machine for all its connections, with the manners of the machines of `mqtt-session`.
///
/// [`Hub`](crate::Hub) is one. Yours may be another: the world gives it bytes and time, and takes bytes and a deadline from it.
pub trait Node: Debug {
    /// A transport has been accepted.
    fn open(&mut self, now: Instant, link: LinkId);

    /// Input of this connection would be handled now.
    fn wants_input(&self, link: LinkId) -> bool;

    /// Bytes have come. What is not consumed is offered again, with more behind it.
    fn handle_input(&mut self, now: Instant, link: LinkId, input: &mut &[u8]);

    /// The transport is gone.
    fn handle_closed(&mut self, now: Instant, link: LinkId);

    /// Time has passed.
    fn handle_timeout(&mut self, now: Instant);

    /// The transport takes no more for now: leave this connection out of [`poll_transmit`](Self::poll_transmit).
    fn handle_blocked(&mut self, link: LinkId);

    /// It takes more.
    fn handle_writable(&mut self, link: LinkId);

    /// Appends what one connection has to send, and says which one; or that it is to be closed. `None`: nothing is left to do.
    fn poll_transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Option<(LinkId, Transmit)>;

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else happens before.
    fn poll_timeout(&self) -> Option<Instant>;

    /// What there is to say.
    fn poll_report(&mut self) -> Option<Report>;

    /// The process dies and starts again: no connection is left, and of everything else what was written down after the last call.
    fn crash(&mut self, now: Instant);

    /// What connections from now on are offered.
    fn offer(&mut self, options: ServerOptions);

    /// Refuse whoever asks, until told otherwise.
    fn refuse(&mut self, refuses: bool);

    /// Messages that wait or are in flight, of all sessions.
    fn pending(&self) -> usize;
}

/// Something that a [`Node`] wants the world to know, for its checks and its marks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Report {
    /// A connection is over.
    Ended {
        /// Which.
        link: LinkId,
        /// And why.
        cause: DisconnectCause,
    },
    /// A session was bound to a connection that lived, when its client came back on another.
    TakenOver,
    /// A client was refused.
    Refused,
    /// A session that had been written down can't be read.
    Unreadable {
        /// Whose it was.
        client_id: String,
        /// What is wrong with it, in words.
        error: String,
    },
    /// The node did something that it should not have tried.
    Mistake {
        /// What, in words.
        what: String,
    },
    /// There was no room for a message at QoS 1 or 2, or its receiver does not take one of this size.
    Dropped {
        /// Whose it was.
        client_id: String,
        /// Its topic.
        topic: String,
        /// And what was in it.
        payload: Vec<u8>,
        /// It was too large, and not one too many.
        is_too_large: bool,
    },
}
