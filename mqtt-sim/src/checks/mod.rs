//! What must hold in every world, whatever happens in it.

mod bounds;
mod delivery;
mod packets;
mod sessions;
mod settlement;

use std::collections::BTreeMap;
use std::fmt;

use mqtt_proto::{Subscription, TopicFilter};
use mqtt_session::{
    AckToken, Agreed, Client, DisconnectCause, Event, Instant, Message, Outcome, Published, Received, RequestId,
};

use crate::marks::{Mark, Marks};
use crate::wire::{End, LinkId};
use delivery::Deliveries;
use packets::Observer;
use sessions::Sessions;
use settlement::Settlements;

macro_rules! checks {
    ($( $(#[doc = $doc:literal])+ $name:ident => $words:literal, )*) => {
        /// A promise that is checked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Check {
            $( $(#[doc = $doc])+ $name, )*
        }

        impl Check {
            /// All of them.
            pub const ALL: &'static [Self] = &[$( Self::$name, )*];
        }

        impl fmt::Display for Check {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $( Self::$name => $words, )* })
            }
        }
    };
}

checks! {
    /// Nothing panics.
    NoPanic => "no panic",
    /// A message at QoS 1 that was accepted comes to everybody who was subscribed all the while.
    AtLeastOnce => "at least once",
    /// A message at QoS 2 comes once, neither less nor more; no message at QoS 0 comes twice.
    ExactlyOnce => "exactly once",
    /// Nothing comes that nobody has published, or that was not asked for.
    Provenance => "provenance",
    /// Messages of one publisher, topic and QoS come in their order; what is sent again is sent in the order of the first time, and acknowledged in the order in
    /// which it came.
    Order => "order",
    /// A packet identifier in flight is not used for anything else.
    PacketIds => "packet identifiers",
    /// No more is in flight than the peer takes.
    Quota => "quota",
    /// No packet is larger than the peer takes.
    Sizes => "sizes",
    /// Each packet is one that this end may send now: CONNECT and CONNACK first, nothing after DISCONNECT, PUBREL after PUBREC, no answer without a question, DUP only
    /// on what is sent again.
    Sequence => "sequence of packets",
    /// No honest end is accused of anything.
    Peace => "peace",
    /// Each request that was accepted is settled, once, and for a reason.
    Settlement => "settlement",
    /// A session lasts as long as was agreed, and what belonged to a connection ends with it.
    Sessions => "sessions",
    /// What waits is within its limits, and gone in the end.
    Memory => "memory",
    /// Work is bounded by what there is to do.
    Work => "work",
    /// No deadline lies in the past.
    Time => "time",
    /// Once the faults are over, everything comes to rest.
    Liveness => "liveness",
    /// A seed is the whole story.
    Determinism => "determinism",
    /// What the application itself has to say.
    Application => "application",
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Breach {
    /// Which.
    pub check: Check,
    /// When it was seen.
    pub at: Instant,
    /// What was seen.
    pub what: String,
}

impl Breach {
    pub(crate) fn new(check: Check, at: Instant, what: impl Into<String>) -> Self {
        Self { check, at, what: what.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:.6} s): {}", self.check, self.at.as_micros() as f64 / 1e6, self.what)
    }
}

impl std::error::Error for Breach {}

/// What a single check has to say: nothing, or what it was and how it was broken.
type Finding = Result<(), (Check, String)>;

/// All checks, and the first breach that they saw.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    breach: Option<Breach>,
    packets: Observer,
    deliveries: Deliveries,
    settlements: Settlements,
    sessions: Sessions,
    /// By client: the Receive Maximum that it was told last.
    connected_before: BTreeMap<usize, u16>,
    /// Whether messages are told apart by what is in them.
    pub(crate) payloads_are_unique: bool,
}

impl Checks {
    /// A client has been added.
    pub(crate) fn add_client(&mut self, client: &Client) {
        self.deliveries.add_client(client);
        self.settlements.add_client();
    }

    pub(crate) const fn breach(&self) -> Option<&Breach> {
        self.breach.as_ref()
    }

    fn find(&mut self, now: Instant, finding: Finding) {
        if let (Err((check, what)), None) = (finding, &self.breach) {
            self.breach = Some(Breach::new(check, now, what));
        }
    }

    /// Somebody else has seen something.
    pub(crate) fn report(&mut self, now: Instant, check: Check, what: impl Into<String>) {
        self.find(now, Err((check, what.into())));
    }

    // --- what the application does ---------------------------------------------------------------------------------------

    pub(crate) fn accepted(&mut self, now: Instant, client: usize, message: &Message<'_>, published: Published) {
        let finding = self.settlements.accepted(client, published);
        self.find(now, finding);
        if self.payloads_are_unique {
            self.deliveries.accepted(client, message, published);
        }
    }

    pub(crate) fn subscribing(&mut self, now: Instant, client: usize, id: RequestId, filters: &[Subscription<'_>]) {
        let finding = self.settlements.requested(client, id);
        self.find(now, finding);
        self.deliveries.subscribing(client, id, filters);
    }

    pub(crate) fn unsubscribing(&mut self, now: Instant, client: usize, id: RequestId, filters: &[TopicFilter<'_>]) {
        let finding = self.settlements.requested(client, id);
        self.find(now, finding);
        self.deliveries.unsubscribing(client, filters);
    }

    pub(crate) fn acknowledged(
        &mut self,
        now: Instant,
        client: usize,
        token: AckToken,
        worked: bool,
        marks: &mut Marks,
    ) {
        let finding = self.deliveries.acknowledged(client, token, worked, marks);
        self.find(now, finding);
    }

    // --- what it is told ---------------------------------------------------------------------------------------------------

    /// A client has said something.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        client: usize,
        event: &Event<'_>,
        agreed: Option<&Agreed>,
        marks: &mut Marks,
    ) {
        let finding = match event {
            Event::Connected(_) => agreed.map_or(Ok(()), |agreed| self.connected(client, agreed, marks)),
            Event::Received(received) => self.received(client, received, marks),
            Event::Published { id, outcome } => {
                if *outcome == Outcome::AttemptsExhausted {
                    self.packets.give_up(self.deliveries.client_id(client));
                }
                self.deliveries.settled(client, *id, *outcome);
                self.settlements.settled(client, *id, *outcome, marks)
            }
            Event::Subscribed { id, suback } => {
                let codes: Vec<_> = suback.reason_codes.iter().collect();
                self.deliveries.subscribed(client, *id, &codes);
                self.settlements.answered(client, *id)
            }
            Event::Unsubscribed { id, .. } => self.settlements.answered(client, *id),
            Event::RequestLost { id } => {
                marks.hit(Mark::RequestLost);
                self.settlements.answered(client, *id)
            }
            Event::Disconnected(disconnected) => self.disconnected(client, disconnected.cause, marks),
            _ => Ok(()),
        };
        self.find(now, finding);
    }

    fn connected(&mut self, client: usize, agreed: &Agreed, marks: &mut Marks) -> Finding {
        self.deliveries.connected(client, agreed.session_present, marks);
        self.settlements.connected(client, agreed);
        let reconnecting = self.connected_before.insert(client, agreed.receive_maximum);
        marks.hit(Mark::Connected);
        if let Some(receive_maximum) = reconnecting {
            marks.hit(Mark::Reconnected);
            marks.hit(if agreed.session_present { Mark::Resumed } else { Mark::SessionLost });
            if receive_maximum != agreed.receive_maximum {
                marks.hit(Mark::ReceiveMaximumChanged);
            }
        }
        Ok(())
    }

    fn received(&mut self, client: usize, received: &Received<'_>, marks: &mut Marks) -> Finding {
        if self.payloads_are_unique { self.deliveries.received(client, received, marks) } else { Ok(()) }
    }

    fn disconnected(&mut self, client: usize, cause: DisconnectCause, marks: &mut Marks) -> Finding {
        self.deliveries.disconnected(client);
        self.settlements.disconnected(client);
        packets::accusation(cause, marks).map_or(Ok(()), |what| Err((Check::Peace, format!("client {client}: {what}"))))
    }

    /// A client's process has died: nobody waits for its answers any more.
    pub(crate) fn crashed(&mut self, client: usize, link: Option<LinkId>) {
        if let Some(link) = link {
            self.packets.crashed(link);
        }
        self.settlements.crashed(client);
        self.deliveries.disconnected(client);
    }

    /// The server's end of a connection is gone.
    pub(crate) fn server_closed(&mut self, now: Instant, link: LinkId) {
        self.sessions.closed(now, link);
    }

    /// The server accuses a client.
    pub(crate) fn server_heard(&mut self, now: Instant, cause: DisconnectCause, marks: &mut Marks) {
        if let Some(what) = packets::accusation(cause, marks) {
            self.report(now, Check::Peace, format!("server: {what}"));
        }
    }

    /// The server had no room for a message for this client, or may not send it.
    pub(crate) fn dropped(&mut self, client_id: &str, topic: &str, payload: &[u8]) {
        self.deliveries.dropped(client_id, topic, payload);
    }

    // --- what goes over the wire ---------------------------------------------------------------------------------------------

    pub(crate) fn sent(&mut self, now: Instant, link: LinkId, end: End, bytes: &[u8], marks: &mut Marks) {
        let finding = self.packets.sent(link, end, bytes, marks);
        self.find(now, finding);
        for accepted in self.packets.take_accepted() {
            if !accepted.session_present {
                self.deliveries.forgotten(&accepted.client_id);
            }
            let finding = self.sessions.accepted(now, &accepted, marks);
            self.find(now, finding);
        }
    }

    pub(crate) fn consumed(&mut self, link: LinkId, end: End, bytes: &[u8], marks: &mut Marks) {
        self.packets.consumed(link, end, bytes, marks);
    }

    /// Nothing more will be seen at this end.
    pub(crate) fn closed(&mut self, link: LinkId, end: End) {
        self.packets.closed(link, end);
    }

    // --- bounds, and the end -----------------------------------------------------------------------------------------------------

    pub(crate) fn client_turned(
        &mut self,
        now: Instant,
        client: usize,
        machine: &Client,
        pending: usize,
        deadline: Option<Instant>,
    ) {
        let finding = bounds::client(now, client, machine, pending, deadline);
        self.find(now, finding);
    }

    pub(crate) fn worked(&mut self, now: Instant, who: &str, bytes: usize, answers: usize) {
        let finding = bounds::work(who, bytes, answers);
        self.find(now, finding);
    }

    /// What still stands in the way of rest, if anything does.
    pub(crate) fn unrest(&self) -> Option<String> {
        self.settlements.unsettled().or_else(|| self.packets.in_flight())
    }

    /// All is quiet: what had to happen has happened.
    pub(crate) fn at_rest(&mut self, now: Instant) {
        if let Some(what) = self.packets.in_flight() {
            self.report(now, Check::PacketIds, what);
        }
        let finding = self.deliveries.at_rest();
        self.find(now, finding);
    }
}
