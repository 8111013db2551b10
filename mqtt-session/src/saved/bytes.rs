//! A session as bytes. The format is described at [`SessionState::export`].

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use mqtt_proto::{
    Codec, Delivery, Packet, PacketId, Publish, PublishBuf, QoS, SHARED_BYTES_MIN, SubscriptionId, TransmitBuf, Version,
};

use super::SessionState;
use crate::outgoing::{Accepted, Outgoing, Waiting};
use crate::parts::outbound::{Flight, Outbound, Stage};
use crate::parts::queue::Queue;
use crate::{Instant, PublishId};

const MAGIC: &[u8; 4] = b"MQTS";
const FORMAT: u8 = 1;

const END: u8 = 0;
const SESSION: u8 = 1;
const WAITING: u8 = 2;
const FLIGHT: u8 = 3;
const RELEASE: u8 = 4;
const RECEIVED: u8 = 5;

const RETAIN: u8 = 1 << 4;
const WAS_SENT: u8 = 1 << 5;
const EXPIRES: u8 = 1 << 6;
const GIVE_UP: u8 = 1 << 7;

/// Nobody counts to this.
const COUNT_MAX: u64 = u64::MAX >> 1;

/// Why bytes are no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// They don't begin as one.
    #[error("not an exported session")]
    NotASession,
    /// They are of a version that this one does not know.
    #[error("exported in format {0}, which this version does not know")]
    UnknownFormat(u8),
    /// They end too early.
    #[error("the bytes end before the session does")]
    Truncated,
    /// They hold something that no session has.
    #[error("no session has this at byte {offset}: {what}")]
    Invalid {
        /// Where the record begins.
        offset: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl SessionState {
    /// The session as bytes, to be kept on a disk or sent elsewhere. [`import`](Self::import) takes them back, in this version or a later one.
    ///
    /// Moments are written as distances from `at`, the present one. So they can be taken up on a clock with another epoch.
    ///
    /// There is no checksum: who keeps the bytes knows best what can happen to them. Keep them as you would keep the messages in them.
    ///
    /// ```
    /// use mqtt_session::{Instant, SessionState};
    ///
    /// let now = Instant::from_micros(1_000_000);
    /// let session = SessionState::default();
    /// let bytes = session.export(now);
    /// assert_eq!(bytes[..5], *b"MQTS\x01");
    /// assert_eq!(SessionState::import(now, &bytes), Ok(session));
    /// ```
    ///
    /// # Format 1
    ///
    /// `MQTS`, one byte with the number of the format, and records: one byte that says what it is, four with the length of its body, and the body. All numbers
    /// are big-endian.
    ///
    /// | record | body |
    /// |---|---|
    /// | 1, first | u64 number of the next publish, u64 number of the next flight, u32 generation of the connection |
    /// | 2, a message that waits, in the order of their numbers | message |
    /// | 3, a message in flight | u16 packet identifier, u64 number of the flight, message |
    /// | 4, a PUBREL in flight | u16 packet identifier, u64 number of the flight, nothing or u64 number of its publish |
    /// | 5, QoS 2 messages received and not released | u16 packet identifier, any number of times |
    /// | 0, last | nothing |
    ///
    /// A message: u64 number of its publish, u32 connections that ended on it, u8 flags, u64 microseconds until it expires (if flag 64 is set), u64 microseconds
    /// until it has waited for long enough (flag 128; never in flight), u16 number of subscription identifiers, u32 each of them; then, as a PUBLISH packet of MQTT 5.0 at QoS 0, what
    /// was published. The flags: QoS of the delivery (1, 2), QoS of what was published (4, 8), retain flag of the delivery (16), was sent in a session that the peer
    /// lost (32).
    ///
    /// Publishes and flights are numbered one by one, below 2⁶³, and messages take off in the order in which they were published.
    #[must_use]
    pub fn export(&self, at: Instant) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.push(FORMAT);
        let (next_order, flights) = self.outbound.parts();
        record(&mut out, SESSION, |out| {
            out.extend_from_slice(&self.next_id.to_be_bytes());
            out.extend_from_slice(&next_order.to_be_bytes());
            out.extend_from_slice(&self.generation.to_be_bytes());
        });
        for (packet_id, flight) in flights {
            put_flight(&mut out, at, packet_id, flight);
        }
        for Waiting { accepted, give_up } in self.queue.iter() {
            record(&mut out, WAITING, |out| put_accepted(out, at, accepted, *give_up));
        }
        record(&mut out, RECEIVED, |out| {
            self.received.iter().for_each(|packet_id| out.extend_from_slice(&packet_id.get().to_be_bytes()));
        });
        record(&mut out, END, |_| {});
        out
    }

    /// A session that has been [exported](Self::export). `at` is the moment of the export, on the importing host's clock.
    ///
    /// A host whose clock goes on while it does not run (microseconds since 1970, say) passes the same moment as to `export`: then the time away counts. A host
    /// whose clock begins anew passes the present moment: then it does not. Either way, what is due is dropped when time next passes.
    ///
    /// Bytes from anywhere may be tried: the work and the memory are in proportion to their number, whatever they claim.
    ///
    /// # Errors
    ///
    /// [`ImportError`].
    pub fn import(at: Instant, bytes: &[u8]) -> Result<Self, ImportError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ImportError::NotASession)?;
        match rest.split_first() {
            Some((&FORMAT, rest)) => import_format_1(at, bytes.len(), rest),
            Some((&format, _)) => Err(ImportError::UnknownFormat(format)),
            None => Err(ImportError::Truncated),
        }
    }
}

fn import_format_1(at: Instant, len: usize, mut rest: &[u8]) -> Result<SessionState, ImportError> {
    let mut head = None;
    let mut flights = Vec::new();
    let mut session = SessionState::default();
    loop {
        let offset = len.saturating_sub(rest.len());
        let invalid = |what| ImportError::Invalid { offset, what };
        let (tag, mut body) = take_record(&mut rest).ok_or(ImportError::Truncated)?;
        let is_valid = match (tag, head) {
            (SESSION, None) => {
                head = Some((take_u64(&mut body), take_u64(&mut body), take_u32(&mut body)));
                body.is_empty()
            }
            (FLIGHT | RELEASE, Some(_)) => take_flight(&mut body, at, tag).map(|flight| flights.push(flight)).is_some(),
            (WAITING, Some(_)) => take_waiting(&mut body, at)
                .filter(|waiting| is_next(&session.queue, &waiting.accepted))
                .map(|waiting| session.queue.push(waiting))
                .is_some(),
            (RECEIVED, Some(_)) => {
                while let Some(packet_id) = take_u16(&mut body).and_then(PacketId::new) {
                    session.received.insert(packet_id);
                }
                body.is_empty()
            }
            (END, Some(head)) => {
                let (Some(next_id), Some(next_order), Some(generation)) = head else {
                    return Err(ImportError::Truncated);
                };
                (session.next_id, session.generation) = (next_id, generation);
                session.outbound = Outbound::from_parts(next_order, flights).ok_or(invalid("flights"))?;
                let is_whole = body.is_empty() && rest.is_empty() && is_possible(&session);
                return if is_whole { Ok(session) } else { Err(invalid("the end")) };
            }
            _ => return Err(invalid("record")),
        };
        if !is_valid {
            return Err(invalid("body"));
        }
    }
}

fn is_next(queue: &Queue, accepted: &Accepted) -> bool {
    queue.last().is_none_or(|last| last < accepted.id)
}

/// Every publish has a number of its own, below the next one; what is in flight was there before what waits. Flights began one after the other, their messages in the
/// order of their numbers. No number is so high that counting could end.
fn is_possible(session: &SessionState) -> bool {
    let (next_order, flights) = session.outbound.parts();
    let mut flights: Vec<_> = flights.map(|(_, flight)| flight).collect();
    flights.sort_unstable_by_key(|flight| flight.order);
    let messages = flights.iter().filter_map(|flight| Some(flight.stage.accepted()?.id));
    let mut ids: Vec<_> = flights.iter().filter_map(|flight| flight.stage.id()).collect();
    ids.sort_unstable();
    ids.extend(session.queue.iter().map(|waiting| waiting.accepted.id));
    flights.is_sorted_by(|one, next| one.order < next.order)
        && messages.is_sorted()
        && ids.is_sorted_by(|one, next| one < next)
        && ids.last().is_none_or(|last| last.0 < session.next_id)
        && session.next_id.max(next_order) <= COUNT_MAX
}

// --- writing -------------------------------------------------------------------------------------------------------------

fn record(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    // A message is smaller than a packet may be.
    let length = u32::try_from(out.len().saturating_sub(at + 4)).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

fn put_flight(out: &mut Vec<u8>, at: Instant, packet_id: PacketId, flight: &Flight) {
    let head = |out: &mut Vec<u8>| {
        out.extend_from_slice(&packet_id.get().to_be_bytes());
        out.extend_from_slice(&flight.order.to_be_bytes());
    };
    match &flight.stage {
        Stage::AwaitPubAck(Some(accepted)) | Stage::AwaitPubRec(Some(accepted)) => record(out, FLIGHT, |out| {
            head(out);
            put_accepted(out, at, accepted, None);
        }),
        Stage::AwaitPubComp(id) => record(out, RELEASE, |out| {
            head(out);
            out.extend_from_slice(id.map(|id| id.0.to_be_bytes()).as_ref().map_or(&[], |bytes| &bytes[..]));
        }),
        // Given up. As at the end of the connection, QoS 1 is done, and QoS 2 goes on with PUBREL.
        Stage::AwaitPubRec(None) => record(out, RELEASE, head),
        Stage::AwaitPubAck(None) => {}
    }
}

fn put_accepted(out: &mut Vec<u8>, at: Instant, accepted: &Accepted, give_up: Option<Instant>) {
    let outgoing = &accepted.outgoing;
    let message = &outgoing.message;
    let flags = [(outgoing.retain, RETAIN), (outgoing.was_sent, WAS_SENT)];
    let moments = [(outgoing.expires, EXPIRES), (give_up, GIVE_UP)];
    out.extend_from_slice(&accepted.id.0.to_be_bytes());
    out.extend_from_slice(&outgoing.failures.to_be_bytes());
    out.push(
        outgoing.qos.as_u8()
            | message.qos().as_u8() << 2
            | flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag)
            | moments.iter().filter(|(moment, _)| moment.is_some()).fold(0, |all, (_, flag)| all | flag),
    );
    for moment in moments.iter().filter_map(|(moment, _)| *moment) {
        out.extend_from_slice(&moment.as_micros().saturating_sub(at.as_micros()).to_be_bytes());
    }
    let ids = u16::try_from(outgoing.subscription_ids.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&ids.to_be_bytes());
    for id in outgoing.subscription_ids.iter().take(ids.into()) {
        out.extend_from_slice(&id.get().to_be_bytes());
    }
    let mut packet = TransmitBuf::new();
    let encoded = codec(Codec::server).encode(&Packet::Publish(message.publish(Delivery::AtMostOnce)), &mut packet);
    debug_assert!(encoded.is_ok(), "it was checked when it was accepted: {encoded:?}");
    packet.slices().for_each(|slice| out.extend_from_slice(slice));
}

/// How what was published is written, and read.
fn codec(end: impl FnOnce(Version) -> Codec) -> Codec {
    let mut codec = end(Version::V5);
    codec.packet_bytes_max = mqtt_proto::PACKET_BYTES_MAX;
    codec
}

// --- reading -------------------------------------------------------------------------------------------------------------

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn take_u16(bytes: &mut &[u8]) -> Option<u16> {
    take_array(bytes).map(u16::from_be_bytes)
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    take_array(bytes).map(u32::from_be_bytes)
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take_array(bytes).map(u64::from_be_bytes)
}

fn take_record<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let [tag] = take_array(bytes)?;
    let length = usize::try_from(take_u32(bytes)?).ok()?;
    let (body, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((tag, body))
}

fn take_flight(body: &mut &[u8], at: Instant, tag: u8) -> Option<(PacketId, Flight)> {
    let packet_id = PacketId::new(take_u16(body)?)?;
    let order = take_u64(body)?;
    let stage = if tag == RELEASE {
        let id = if body.is_empty() { None } else { Some(PublishId(take_u64(body)?)) };
        body.is_empty().then_some(Stage::AwaitPubComp(id))?
    } else {
        let Waiting { accepted, give_up: None } = take_waiting(body, at)? else { return None };
        match accepted.outgoing.qos {
            QoS::AtMostOnce => return None,
            QoS::AtLeastOnce => Stage::AwaitPubAck(Some(accepted)),
            QoS::ExactlyOnce => Stage::AwaitPubRec(Some(accepted)),
        }
    };
    Some((packet_id, Flight { stage, order, sent: None }))
}

/// A message: the whole body.
fn take_waiting(body: &mut &[u8], at: Instant) -> Option<Waiting> {
    let id = PublishId(take_u64(body)?);
    let failures = take_u32(body)?;
    let [flags] = take_array(body)?;
    let expires = take_moment(body, at, flags & EXPIRES != 0)?;
    let give_up = take_moment(body, at, flags & GIVE_UP != 0)?;
    let mut subscription_ids = Vec::new();
    for _ in 0..take_u16(body)? {
        subscription_ids.push(SubscriptionId::new(take_u32(body)?)?);
    }
    let message = Arc::new(take_message(body)?.with_qos(QoS::from_u8(flags >> 2 & 0b11)?));
    let outgoing = Outgoing {
        message,
        qos: QoS::from_u8(flags & 0b11)?,
        retain: flags & RETAIN != 0,
        was_sent: flags & WAS_SENT != 0,
        failures,
        subscription_ids,
        share: None,
        expires,
    };
    outgoing.check().ok()?;
    Some(Waiting { accepted: Accepted { id, outgoing }, give_up })
}

/// A moment, if there is to be one. `None`: it is missing.
fn take_moment(body: &mut &[u8], at: Instant, is_set: bool) -> Option<Option<Instant>> {
    if !is_set {
        return Some(None);
    }
    let left = take_u64(body)?;
    Some(Some(Instant::from_micros(at.as_micros().saturating_add(left))))
}

fn take_message(body: &mut &[u8]) -> Option<PublishBuf> {
    let Ok(Some(Packet::Publish(publish))) = codec(Codec::client).decode(body) else {
        return None;
    };
    if !body.is_empty() || publish.delivery != Delivery::AtMostOnce {
        return None;
    }
    let topic = publish.topic?;
    // As it was when it was kept.
    if publish.payload.len() >= SHARED_BYTES_MIN {
        let payload = Bytes::copy_from_slice(&publish.payload);
        return Some(PublishBuf::new(topic, &Publish { payload: (&payload).into(), ..publish }));
    }
    Some(PublishBuf::new(topic, &publish))
}
