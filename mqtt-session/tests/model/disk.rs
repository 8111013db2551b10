//! What an end finds when it begins again, and the ways to break that on purpose.
//!
//! An end writes its [`SessionState`] after each step, before anything that the step has to send gets to the wire. The four rules R1 to R4 say what would go wrong
//! otherwise; a [`Control`] breaks one of them.

use std::collections::BTreeSet;

use mqtt_session::{Instant, SessionState};

/// An exported session. Empty: there is none yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Disk(Vec<u8>);

/// What is broken on purpose, so that it is known that the search would see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Control {
    /// R1 is broken in one way: that a message was accepted is written late, after the application was told.
    AcceptedLate,
    /// R1 is broken in another way: under which packet identifier a message is sent is written late, after its PUBLISH.
    LaunchedLate,
    /// R2 is broken: that PUBREC came is written late, after PUBREL.
    ReleasedLate,
    /// R3 is broken: that a QoS 2 message came is written late, after PUBREC.
    ReceivedLate,
    /// R4 is broken: that PUBREL came is written late, after PUBCOMP.
    CompletedLate,
    /// A server that forgets with each connection which QoS 2 messages it has received.
    ServerForgetsReceived,
    /// A server that has forgotten the session and says that it has not.
    ServerHidesThatItForgot,
    /// A server that keeps a new session in which nothing has come from the client.
    ServerKeepsUnheard,
    /// A wire that loses a packet now and then, and no others.
    WireLoses,
    /// A wire that brings a PUBLISH again, later.
    WireRepeats,
}

impl Control {
    /// The change from one to the other does not get to the disk. Later ones bring it there.
    pub(crate) fn keeps_back(self, before: &Disk, after: &Disk) -> bool {
        let is_new = |tag| !after.packet_ids(tag).is_subset(&before.packet_ids(tag));
        match self {
            Self::AcceptedLate => before.next_publish() != after.next_publish(),
            Self::LaunchedLate => is_new(FLIGHT),
            Self::ReleasedLate => is_new(RELEASE),
            Self::ReceivedLate => is_new(RECEIVED),
            Self::CompletedLate => !before.packet_ids(RECEIVED).is_subset(&after.packet_ids(RECEIVED)),
            Self::ServerForgetsReceived
            | Self::ServerHidesThatItForgot
            | Self::ServerKeepsUnheard
            | Self::WireLoses
            | Self::WireRepeats => false,
        }
    }
}

impl Disk {
    pub(crate) fn of(session: &SessionState) -> Self {
        Self(session.export(Instant::ZERO))
    }

    pub(crate) fn session(&self) -> SessionState {
        if self.0.is_empty() { SessionState::default() } else { SessionState::import(Instant::ZERO, &self.0).unwrap() }
    }

    /// Nothing waits, nothing is in flight, and no identifier is remembered.
    pub(crate) fn holds_nothing(&self) -> bool {
        self.records().all(|(tag, body)| matches!(tag, SESSION | END) || body.is_empty())
    }

    pub(crate) fn without_received(&self) -> Self {
        let mut bytes = self.0[..HEAD].to_vec();
        for (tag, body) in self.records().filter(|(tag, _)| *tag != RECEIVED) {
            bytes.push(tag);
            bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(body);
        }
        Self(bytes)
    }

    fn next_publish(&self) -> Option<&[u8]> {
        self.records().find(|(tag, _)| *tag == SESSION).map(|(_, body)| &body[..8])
    }

    /// The packet identifiers in records of this kind.
    fn packet_ids(&self, tag: u8) -> BTreeSet<[u8; 2]> {
        let of_kind = self.records().filter(|(found, _)| *found == tag);
        let body = of_kind.map(|(tag, body)| if tag == RECEIVED { body } else { &body[..2] });
        body.flat_map(|body| body.chunks_exact(2).map(|id| [id[0], id[1]])).collect()
    }

    /// Kinds and bodies, as [`SessionState::export`] describes them.
    fn records(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = self.0.get(HEAD..).unwrap_or_default();
        std::iter::from_fn(move || {
            let ([tag, length @ ..], behind) = rest.split_first_chunk::<5>()?;
            let (body, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
            rest = behind;
            Some((*tag, body))
        })
    }
}

const HEAD: usize = 5;
const END: u8 = 0;
const SESSION: u8 = 1;
const FLIGHT: u8 = 3;
const RELEASE: u8 = 4;
const RECEIVED: u8 = 5;
