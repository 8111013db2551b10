//! A session out of any bytes, and both machines going on with it.

use mqtt_proto::choices::Choices;
use mqtt_proto::{Ack, Delivery, Packet, PacketId, Publish, QoS, TopicName};
use mqtt_session::{Accept, Client, Instant, Server, SessionState};

use super::peer::Peer;
use super::watched::{Heard, Machine, Watched};
use super::{Desk, client_ops, server_ops, some_client_options, some_server_options};

const NOW: Instant = Instant::ZERO;

/// What is imported can be exported and imported again, and both machines go on with it: they keep their promises whatever the peer says, and when it says what
/// is right, everything ends.
///
/// The first byte says how many choices follow; what is behind them is the session.
pub fn session(data: &[u8]) {
    let (choices, bytes) = parts(data);
    if let Some(session) = import(bytes) {
        client_goes_on(session.clone(), &mut Choices::new(choices));
        server_goes_on(session, &mut Choices::new(choices));
    }
}

/// Choices, and what may be a session.
pub fn parts(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return (&[], &[]) };
    rest.split_at(rest.len().min(count.into()))
}

fn import(bytes: &[u8]) -> Option<SessionState> {
    let session = SessionState::import(NOW, bytes).ok()?;
    let again = session.export(NOW);
    assert_eq!(SessionState::import(NOW, &again).as_ref(), Ok(&session));
    assert!(session.pending_bytes() <= bytes.len());
    // The record of what was received is always written, and may be missing.
    assert!(again.len() <= bytes.len() + RECORD_HEAD, "{} bytes out of {}", again.len(), bytes.len());
    let short = &bytes[..bytes.len() - 1];
    assert!(SessionState::import(NOW, short).is_err(), "it has no end");
    assert!(SessionState::import(NOW, &[bytes, &[0]].concat()).is_err(), "something is behind the end");
    Some(session)
}

fn client_goes_on(session: SessionState, choices: &mut Choices<'_>) {
    let mut options = some_client_options(choices);
    options.clean_start = false;
    let mut watched = Watched::new(Client::new(options.clone()), options.limits.clone(), options.receive_maximum);
    watched.inherit(&session);
    watched.replace(Client::with_session(options.clone(), session));
    let mut peer = Peer::default();
    client_ops(&mut watched, &mut peer, &options, choices);

    watched.close();
    watched.machine.connect(watched.now).expect("it is idle");
    watched.settle();
    peer.line.clear();
    peer.welcome(&watched, &mut Choices::new(&[]));
    end_well(&mut watched, &mut peer);
}

fn server_goes_on(session: SessionState, choices: &mut Choices<'_>) {
    let mut options = some_server_options(choices);
    options.maximum_qos = QoS::ExactlyOnce;
    let machine = Server::new(NOW, options.clone());
    let mut watched = Watched::new(machine, options.limits.clone(), options.receive_maximum);
    watched.inherit(&session);
    watched.elsewhere = session.pending();
    let mut desk = Desk::new(options, session);
    let mut peer = Peer::default();
    server_ops(&mut watched, &mut peer, &mut desk, choices);

    desk.next(&mut watched, false);
    peer.line.clear();
    peer.hello(&mut Choices::new(&[]));
    watched.feed(&peer.take(usize::MAX));
    let mut answer = Accept::new("c");
    answer.session_present = true;
    let mut kept = desk.kept.take().expect("no connection has it");
    watched.machine.accept(watched.now, &mut kept, &answer).expect("it has asked");
    watched.elsewhere = 0;
    watched.settle();
    end_well(&mut watched, &mut peer);
}

/// The peer says what is right and no more, until nothing is left.
fn end_well<M: Machine>(watched: &mut Watched<M>, peer: &mut Peer) {
    watched.feed(&peer.take(usize::MAX));
    assert!(watched.machine.is_connected());
    let (version, role) = (watched.machine.version(), M::ROLE.peer());
    for packet_id in received(&watched.machine.session().export(watched.now)) {
        watched.heard.clear();
        let sent = watched.sent.len();
        let mut again = Publish::new(TopicName::new("t").unwrap(), b"");
        again.delivery = Delivery::ExactlyOnce { packet_id, dup: true };
        peer.say(version, role, &Packet::Publish(again));
        watched.feed(&peer.take(usize::MAX));
        assert!(!watched.heard.iter().any(|heard| matches!(heard, Heard::Received { .. })), "it was received");
        assert_eq!(watched.sent.get(sent), Some(&PUBREC), "it is acknowledged");
        peer.say(version, role, &Packet::PubRel(Ack::new(packet_id)));
        watched.feed(&peer.take(usize::MAX));
    }
    for round in 0.. {
        assert!(round < 2_000, "there is no end");
        for (&packet_id, &used) in &watched.in_use {
            peer.acknowledge(version, role, used, Ack::new(PacketId::new(packet_id).expect("it stood in a packet")));
        }
        if peer.line.is_empty() {
            break;
        }
        watched.feed(&peer.take(usize::MAX));
    }
    assert!(watched.machine.is_connected());
    assert_eq!(watched.open.len() + watched.inherited, 0, "all is settled");
    let nothing = SessionState::default().export(watched.now);
    assert_eq!(watched.machine.session().export(watched.now).len(), nothing.len(), "nothing is left");
}

/// Identifiers of the QoS 2 messages that have been received and not been released, as [`SessionState::export`] writes them.
fn received(exported: &[u8]) -> Vec<PacketId> {
    let mut rest = &exported[HEAD..];
    while let Some(([tag, length @ ..], behind)) = rest.split_first_chunk::<RECORD_HEAD>() {
        let (body, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        if *tag == RECEIVED {
            return body.chunks_exact(2).filter_map(|id| PacketId::new(u16::from_be_bytes([id[0], id[1]]))).collect();
        }
        rest = behind;
    }
    Vec::new()
}

const HEAD: usize = 5;
const RECORD_HEAD: usize = 5;
const RECEIVED: u8 = 5;
/// The first byte of the packet.
const PUBREC: u8 = 0x50;
