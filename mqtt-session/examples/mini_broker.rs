//! A small broker, written by hand on [`Server`] alone: `cargo run -p mqtt-session --example mini_broker -- 127.0.0.1:1883`.
//!
//! One thread looks after everybody in turn. It routes at QoS 0 to 2, keeps sessions, and lets a client's next connection take over from the one before; it
//! refuses wills and clients without a name, and offers no retained messages. `mqtt_session::Broker` has all of that; this shows what there is to build upon.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use mqtt_proto::{Connect, Properties, PublishBuf, QoS, ReasonCode, SubscriptionOptions, TopicFilterBuf, TransmitBuf};
use mqtt_session::{Accept, Event, Instant, Limits, Outgoing, Server, ServerOptions, SessionState, Transmit};

/// A connection.
struct Peer {
    socket: TcpStream,
    server: Server,
    held: Vec<u8>,
    out: TransmitBuf,
    /// Whose it is; empty while it is nobody's.
    client_id: String,
    is_over: bool,
}

#[derive(Default)]
struct MiniBroker {
    peers: Vec<Peer>,
    /// What each client asks for.
    wishes: BTreeMap<String, BTreeMap<TopicFilterBuf, SubscriptionOptions>>,
    /// Clients that may come back: until when, and what their connections have left.
    away: BTreeMap<String, (Instant, SessionState)>,
}

pub(crate) fn serve(listener: &TcpListener) -> io::Result<()> {
    let (start, mut broker, mut options) = (Clock::now(), MiniBroker::default(), ServerOptions::default());
    (options.retain_available, options.subscription_identifier_available) = (false, false);
    listener.set_nonblocking(true)?;
    loop {
        let now = Instant::ZERO + start.elapsed();
        while let Ok((socket, _)) = listener.accept() {
            socket.set_nonblocking(true)?;
            let (server, client_id) = (Server::new(now, options.clone()), String::new());
            let (held, out, is_over) = (Vec::new(), TransmitBuf::new(), false);
            broker.peers.push(Peer { socket, server, held, out, client_id, is_over });
        }
        broker.turn(now);
        std::thread::sleep(Duration::from_millis(1)); // Others wait for their sockets here.
    }
}

impl MiniBroker {
    /// One turn for each connection: input, events, the deadline; then output for all.
    fn turn(&mut self, now: Instant) {
        for index in 0..self.peers.len() {
            self.peers[index].read();
            let held = std::mem::take(&mut self.peers[index].held);
            let mut input = &held[..];
            while let Some(event) = self.peers[index].server.handle_input(now, &mut input) {
                self.handle(now, index, event);
            }
            self.peers[index].held = input.to_vec();
            let Peer { server, out, .. } = &mut self.peers[index];
            server.handle_timeout(now);
            if server.is_overdue() {
                out.clear(); // What is left of the connection has had its time.
            }
            while self.peers[index].server.poll_event().is_some() {} // Deliveries, which nobody here waits for.
        }
        for index in (0..self.peers.len()).rev() {
            self.peers[index].write(now);
            if self.peers[index].is_over {
                self.leave(now, index);
                self.peers.swap_remove(index);
            }
        }
    }

    /// An answer fails only if the connection has ended meanwhile, or the client takes none of its size. It is dropped then.
    fn handle(&mut self, now: Instant, index: usize, event: Event<'_>) {
        let peer = &mut self.peers[index];
        match (event, self.wishes.get_mut(&peer.client_id)) {
            (Event::ConnectRequested(connect), _) => self.connect(now, index, &connect),
            (Event::Received(message), _) => self.route(now, index, &Arc::new(message.to_buf())),
            (Event::SubscribeRequested(subscribe), Some(wishes)) => {
                let new = subscribe.subscriptions.iter();
                let codes = new.clone().map(|wish| ReasonCode::granted(wish.options.qos)).collect::<Vec<_>>();
                wishes.extend(new.map(|wish| (wish.filter.into(), wish.options)));
                let _ = peer.server.suback(now, subscribe.packet_id, &codes, Properties::EMPTY);
            }
            (Event::UnsubscribeRequested(unsubscribe), Some(wishes)) => {
                let removed = unsubscribe.filters.iter().map(|filter| wishes.remove(&filter.into()));
                let codes = removed.map(|had| had.map_or(ReasonCode::NoSubscriptionExisted, |_| ReasonCode::Success));
                let _ = peer.server.unsuback(now, unsubscribe.packet_id, &codes.collect::<Vec<_>>(), Properties::EMPTY);
            }
            _ => {}
        }
    }

    fn connect(&mut self, now: Instant, index: usize, connect: &Connect<'_>) {
        let client_id = connect.client_id.as_str();
        if client_id.is_empty() || connect.will.is_some() {
            let server = &mut self.peers[index].server;
            return server.refuse(now, ReasonCode::NotAuthorized, Properties::EMPTY).unwrap_or_default();
        }
        if let Some(old) = self.peers.iter().position(|peer| peer.client_id == client_id) {
            let _ = self.peers[old].server.disconnect(now, ReasonCode::SessionTakenOver, Properties::EMPTY);
            self.leave(now, old);
        }
        self.away.retain(|_, (until, _)| now < *until);
        let kept = self.away.remove(client_id).filter(|_| !connect.clean_start);
        if kept.is_none() {
            self.wishes.insert(client_id.into(), BTreeMap::new());
        }
        let answer = &mut Accept::new(client_id);
        answer.session_present = kept.is_some();
        let (until, mut session) = kept.unwrap_or_default();
        if self.peers[index].server.accept(now, &mut session, answer).is_ok() {
            self.peers[index].client_id = client_id.into();
        } else if answer.session_present {
            self.away.insert(client_id.into(), (until, session));
        }
    }

    /// The session leaves its connection.
    fn leave(&mut self, now: Instant, index: usize) {
        let peer = &mut self.peers[index];
        if !peer.client_id.is_empty() {
            let until = now + Duration::from_secs(peer.server.session_expiry_interval().into());
            self.away.insert(std::mem::take(&mut peer.client_id), (until, peer.server.take_session()));
        }
    }

    /// Each client gets one copy, at the highest QoS that its subscriptions ask for. Whoever has no room for it goes without.
    fn route(&mut self, now: Instant, from: usize, message: &Arc<PublishBuf>) {
        for (client_id, wishes) in &self.wishes {
            let matching = wishes.iter().filter(|(filter, _)| filter.as_filter().matches(message.topic()));
            let wanted =
                matching.filter(|(_, options)| !(options.no_local && self.peers[from].client_id == *client_id));
            let Some(qos) = wanted.map(|(_, options)| options.qos).max() else { continue };
            let mut outgoing = Outgoing::new(now, Arc::clone(message));
            outgoing.qos = qos.min(message.qos());
            if let Some(peer) = self.peers.iter_mut().find(|peer| peer.client_id == *client_id) {
                let _ = peer.server.deliver(now, outgoing);
            } else if let Some((_, state)) = self.away.get_mut(client_id).filter(|_| outgoing.qos > QoS::AtMostOnce) {
                let _ = state.enqueue(now, &Limits::default(), outgoing);
            }
        }
    }
}

impl Peer {
    fn read(&mut self) {
        // Whoever does not read what it is owed is not read from.
        let mut bytes = vec![0; if self.server.wants_input() { 4096 } else { 0 }];
        match self.socket.read(&mut bytes) {
            Ok(count @ 1..) => self.held.extend_from_slice(&bytes[..count]),
            Ok(_) => self.is_over |= self.server.wants_input(),
            Err(error) => self.is_over |= error.kind() != ErrorKind::WouldBlock,
        }
    }

    fn write(&mut self, now: Instant) {
        loop {
            while !self.out.is_empty() {
                let written = self.socket.write(self.out.slices().next().unwrap_or_default());
                match written {
                    Ok(count) => self.out.advance(count),
                    Err(error) => return self.is_over |= error.kind() != ErrorKind::WouldBlock,
                }
            }
            match self.server.poll_transmit(now, &mut self.out) {
                Transmit::Ready => {}
                end => return self.is_over |= end == Transmit::Close,
            }
        }
    }
}

#[allow(dead_code, reason = "its test has an address of its own")]
fn main() -> io::Result<()> {
    serve(&TcpListener::bind(std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into()))?)
}
