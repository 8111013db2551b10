//! Both ends, honest, with bad luck in between.

use std::collections::BTreeMap;
use std::hash::Hasher;

use mqtt_proto::choices::Choices;
use mqtt_proto::{Properties, QoS, ReasonCode, Version};
use mqtt_session::{
    Accept, Client, ConnectOptions, Instant, Outcome, PublishId, Published, Server, ServerOptions, SessionState,
};

use super::watched::{Heard, Machine, Watched};
use super::{CODES, OPS_MAX, TIMES, publish, request, some_client_options, some_server_options};

/// What is published arrives as often as it should, and everything ends.
pub fn pair(data: &[u8]) {
    assert_eq!(run(data), run(data), "the same calls have the same results");
}

/// What became of a message.
#[derive(Debug, Default)]
struct Story {
    from_server: bool,
    qos: Option<QoS>,
    id: Option<PublishId>,
    outcome: Option<Outcome>,
    received: usize,
    taken: usize,
}

struct Pair {
    client: Watched<Client>,
    server: Watched<Server>,
    client_options: ConnectOptions,
    server_options: ServerOptions,
    /// The server's memory of the client, while no connection has it.
    kept: Option<SessionState>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    stories: Vec<Story>,
    /// Which message each token stands for; that of the client's end first.
    handed: [Vec<usize>; 2],
    /// The last new one that each end has got, at each QoS.
    newest: BTreeMap<(bool, u8), usize>,
}

fn run(data: &[u8]) -> (u64, u64) {
    let mut choices = Choices::new(data);
    let choices = &mut choices;
    let mut client_options = some_client_options(choices);
    let mut server_options = some_server_options(choices);
    // Both ends take everything that the other may say, or there would be no end.
    client_options.clean_start = false;
    client_options.session_expiry_interval = u32::MAX;
    client_options.packet_bytes_max = client_options.packet_bytes_max.max(600);
    server_options.packet_bytes_max = server_options.packet_bytes_max.max(600);
    if client_options.version < Version::V5 {
        (server_options.maximum_qos, server_options.retain_available) = (QoS::ExactlyOnce, true);
    }
    client_options.limits.unacknowledged_bytes_max = 1 << 20;
    server_options.limits.unacknowledged_bytes_max = 1 << 20;
    let server = Server::new(Instant::ZERO, server_options.clone());
    let mut pair = Pair {
        client: Watched::new(
            Client::new(client_options.clone()),
            client_options.limits.clone(),
            client_options.receive_maximum,
        ),
        server: Watched::new(server, server_options.limits.clone(), server_options.receive_maximum),
        client_options,
        server_options,
        kept: Some(SessionState::default()),
        to_server: Vec::new(),
        to_client: Vec::new(),
        stories: Vec::new(),
        handed: [Vec::new(), Vec::new()],
        newest: BTreeMap::new(),
    };
    for _ in 0..OPS_MAX {
        match choices.byte() {
            0 => break,
            op => pair.op(choices, op),
        }
    }
    pair.heal();
    (pair.client.transcript.finish(), pair.server.transcript.finish())
}

impl Pair {
    fn op(&mut self, choices: &mut Choices<'_>, op: u8) {
        match op % 32 {
            0..=4 => self.publish(choices, false),
            5..=9 => self.publish(choices, true),
            10..=13 => self.server_reads(choices.pick(&[usize::MAX, 1, 2, 5])),
            14..=17 => self.client_reads(choices.pick(&[usize::MAX, 1, 2, 5])),
            18 | 19 => self.take(choices, false),
            20 | 21 => self.take(choices, true),
            22 | 23 => self.connect(),
            24 => self.cut(),
            25 => {
                self.cut();
                let bytes = self.client.machine.session().export(self.client.now);
                let session = SessionState::import(self.client.now, &bytes).expect("it has been exported");
                self.client.replace(Client::with_session(self.client_options.clone(), session));
            }
            26 => {
                self.cut();
                if let Some(kept) = &mut self.kept {
                    let bytes = kept.export(self.server.now);
                    *kept = SessionState::import(self.server.now, &bytes).expect("it has been exported");
                }
            }
            27 => {
                let time = choices.pick(&TIMES);
                self.client.advance(time, false);
                self.server.advance(time, false);
            }
            28 => self.client.disconnect(ReasonCode::Success),
            29 => request(&mut self.client, choices),
            30 if choices.byte().is_multiple_of(4) => self.client.abandon(),
            _ => self.client.check_copies(),
        }
        self.listen();
    }

    fn connect(&mut self) {
        if self.client.is_closed || self.server.is_closed {
            self.cut();
        }
        if self.client.machine.connect(self.client.now).is_ok() {
            self.server.replace(Server::new(self.server.now, self.server_options.clone()));
            self.client.settle();
        }
    }

    fn cut(&mut self) {
        self.client.close();
        self.server.close();
        if self.kept.is_none() {
            let session = self.server.machine.take_session();
            self.server.elsewhere = session.pending();
            self.server.settle();
            self.kept = Some(session);
        }
        self.to_client.clear();
        self.to_server.clear();
        self.listen();
        self.handed = [Vec::new(), Vec::new()];
        self.server.replace(Server::new(self.server.now, self.server_options.clone()));
    }

    fn publish(&mut self, choices: &mut Choices<'_>, from_server: bool) {
        let number = self.stories.len();
        let payload = u16::try_from(number).unwrap().to_be_bytes().to_vec();
        self.stories.push(Story { from_server, ..Story::default() });
        let published = if from_server {
            publish(&mut self.server, choices, payload)
        } else {
            publish(&mut self.client, choices, payload)
        };
        let story = &mut self.stories[number];
        match published {
            Some((qos, Published::Pending(id))) => (story.qos, story.id) = (Some(qos), Some(id)),
            Some((qos, Published::Sent)) => (story.qos, story.outcome) = (Some(qos), Some(Outcome::Sent)),
            None => {}
        }
    }

    fn server_reads(&mut self, count: usize) {
        self.to_server.append(&mut self.client.sent);
        let bytes: Vec<u8> = self.to_server.drain(..count.min(self.to_server.len())).collect();
        self.server.feed(&bytes);
        self.listen();
    }

    fn client_reads(&mut self, count: usize) {
        self.to_client.append(&mut self.server.sent);
        let bytes: Vec<u8> = self.to_client.drain(..count.min(self.to_client.len())).collect();
        self.client.feed(&bytes);
        self.listen();
    }

    fn take(&mut self, choices: &mut Choices<'_>, at_server: bool) {
        let count = if at_server { self.server.tokens.len() } else { self.client.tokens.len() };
        if count == 0 {
            return;
        }
        let index = usize::from(choices.byte()) % count;
        let code = choices.pick(&CODES);
        let number = self.handed[usize::from(at_server)].remove(index);
        let (taken, version) = if at_server {
            (self.server.acknowledge(index, code), self.server.machine.version())
        } else {
            (self.client.acknowledge(index, code), self.client.machine.version())
        };
        if taken && (!code.is_failure() || !version.acks_carry_reason()) {
            self.taken(number);
        }
    }

    fn taken(&mut self, number: usize) {
        let story = &mut self.stories[number];
        story.taken += 1;
        assert!(story.taken == 1 || story.qos == Some(QoS::AtLeastOnce), "{number}: {story:?}");
    }

    /// Hosts listen, and answer.
    fn listen(&mut self) {
        for heard in std::mem::take(&mut self.client.heard) {
            self.hear(heard, false);
        }
        loop {
            let all = std::mem::take(&mut self.server.heard);
            if all.is_empty() {
                break;
            }
            for heard in all {
                match heard {
                    Heard::ConnectRequested(client_id, _) => {
                        let mut answer = Accept::new(&client_id);
                        let session = self.kept.take();
                        answer.session_present = session.is_some();
                        let accepted =
                            self.server.machine.accept(self.server.now, &mut session.unwrap_or_default(), &answer);
                        assert_eq!(accepted, Ok(()));
                        self.server.elsewhere = 0;
                        self.server.settle();
                        self.server.feed(&[]);
                    }
                    Heard::Asked(id, filters, is_subscribe) => {
                        let codes = vec![ReasonCode::Success; filters];
                        let (server, now) = (&mut self.server.machine, self.server.now);
                        let _ = if is_subscribe {
                            server.suback(now, id, &codes, Properties::EMPTY)
                        } else {
                            server.unsuback(now, id, &codes, Properties::EMPTY)
                        };
                        self.server.settle();
                    }
                    heard => self.hear(heard, true),
                }
            }
        }
    }

    fn hear(&mut self, heard: Heard, at_server: bool) {
        match heard {
            Heard::Received { payload, qos, token } => {
                let number = usize::from(u16::from_be_bytes([payload[0], payload[1]]));
                let story = &mut self.stories[number];
                assert!(story.from_server != at_server && story.qos == Some(qos), "{number}: {story:?}");
                assert!(story.taken == 0 || qos == QoS::AtLeastOnce, "it was taken, and comes again: {story:?}");
                story.received += 1;
                if story.received == 1 {
                    let before = self.newest.insert((at_server, qos.as_u8()), number);
                    assert!(before.is_none_or(|before| before < number), "{number} after {before:?}");
                }
                match token {
                    Some(_) => self.handed[usize::from(at_server)].push(number),
                    None => self.taken(number),
                }
            }
            Heard::Published(id, outcome) => {
                let is_it = |story: &&mut Story| story.from_server == at_server && story.id == Some(id);
                let story = self.stories.iter_mut().find(is_it).expect("it was published");
                story.outcome = Some(outcome);
            }
            _ => {}
        }
    }

    /// No more bad luck: everything that is under way arrives, and everything is settled.
    fn heal(&mut self) {
        self.cut();
        self.connect();
        for round in 0.. {
            assert!(round < 2_000, "there is no end");
            self.server_reads(usize::MAX);
            self.client_reads(usize::MAX);
            while !self.client.tokens.is_empty() {
                self.take(&mut Choices::new(&[]), false);
            }
            while !self.server.tokens.is_empty() {
                self.take(&mut Choices::new(&[]), true);
            }
            self.listen();
            if self.client.sent.is_empty() && self.server.sent.is_empty() {
                break;
            }
        }
        assert!(self.client.machine.is_connected() && self.server.machine.is_connected(), "both are healthy");
        assert!(self.client.open.is_empty() && self.server.open.is_empty(), "all is settled");
        for (number, story) in self.stories.iter().enumerate() {
            let (Some(qos), Some(outcome)) = (story.qos, story.outcome) else {
                assert!(story.qos.is_none() && story.received == 0, "{number}: {story:?}");
                continue;
            };
            let is_at_least_once = story.taken >= 1;
            let holds = match outcome {
                Outcome::Sent => qos == QoS::AtMostOnce,
                Outcome::Delivered(_) => is_at_least_once,
                outcome if outcome.is_indeterminate() => true,
                Outcome::Rejected(_) => true,
                _ => story.received == 0,
            };
            assert!(holds, "{number}: {story:?}");
        }
    }
}
