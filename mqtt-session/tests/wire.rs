//! Whatever the wire does, messages arrive as often as their quality of service promises, in order.

mod support;

use mqtt_proto::{QoS, Version};
use mqtt_session::Published;
use proptest::prelude::*;
use support::{LEVELS, Pair, Said, message};

#[derive(Clone, Debug)]
enum Step {
    ClientPublishes(QoS),
    ServerPublishes(QoS),
    /// Both ends send what they have.
    Transmit,
    /// So many bytes arrive, at either end.
    ServerGets(usize),
    ClientGets(usize),
    /// The transport breaks, and a new one is opened.
    Cut,
    Subscribe,
}

fn step() -> impl Strategy<Value = Step> {
    let qos = prop::sample::select(&LEVELS[..]);
    prop_oneof![
        3 => qos.clone().prop_map(Step::ClientPublishes),
        3 => qos.prop_map(Step::ServerPublishes),
        4 => Just(Step::Transmit),
        4 => (1..40_usize).prop_map(Step::ServerGets),
        4 => (1..40_usize).prop_map(Step::ClientGets),
        1 => Just(Step::Cut),
        1 => Just(Step::Subscribe),
    ]
}

/// Leaves all but the first `count` bytes of what is on the wire for later.
fn partly(wire: &mut Vec<u8>, count: usize) -> Vec<u8> {
    wire.split_off(count.min(wire.len()))
}

struct Run {
    pair: Pair,
    sent: [Vec<(String, QoS)>; 2],
    /// What each end has received of the packet that is not complete.
    held: [Vec<u8>; 2],
}

impl Run {
    fn apply(&mut self, step: &Step) {
        let pair = &mut self.pair;
        match step {
            Step::ClientPublishes(qos) => {
                let payload = format!("c{}", self.sent[0].len());
                pair.publish("t", &payload, *qos);
                self.sent[0].push((payload, *qos));
            }
            Step::ServerPublishes(qos) => {
                let payload = format!("s{}", self.sent[1].len());
                pair.server.publish(pair.now, &message("t", &payload, *qos)).unwrap();
                self.sent[1].push((payload, *qos));
            }
            Step::Transmit => pair.transmit(),
            Step::ServerGets(count) => {
                let later = partly(&mut pair.to_server, self.held[0].len() + count);
                pair.server_reads();
                self.held[0] = pair.to_server.clone();
                pair.to_server.extend(later);
            }
            Step::ClientGets(count) => {
                let later = partly(&mut pair.to_client, self.held[1].len() + count);
                pair.client_reads();
                self.held[1] = pair.to_client.clone();
                pair.to_client.extend(later);
            }
            Step::Cut => {
                self.held = Default::default();
                pair.cut();
                pair.connect();
            }
            Step::Subscribe => pair.subscribe("t", QoS::ExactlyOnce),
        }
    }

    fn check(&self) {
        let received = [self.pair.server_received(), self.pair.client_received()];
        for (sent, received) in self.sent.iter().zip(received) {
            for qos in LEVELS {
                let sent: Vec<_> =
                    sent.iter().filter(|(_, at)| *at == qos).map(|(payload, _)| payload.as_str()).collect();
                let all: Vec<_> = received.iter().copied().filter(|payload| sent.contains(payload)).collect();
                let mut first = all.clone();
                let mut seen = std::collections::BTreeSet::new();
                first.retain(|payload| seen.insert(*payload));
                match qos {
                    QoS::AtMostOnce => assert!(is_part_of(&all, &sent), "{all:?} of {sent:?}"),
                    QoS::AtLeastOnce => assert_eq!(first, sent),
                    QoS::ExactlyOnce => assert_eq!(all, sent),
                }
            }
        }
    }
}

/// `part` in the order of `whole`, with gaps perhaps.
fn is_part_of(part: &[&str], whole: &[&str]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|wanted| whole.any(|found| found == wanted))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// v3\[MQTT-4.3.2-1\] v3\[MQTT-4.3.3-1\] v5\[MQTT-4.3.2-1\] v5\[MQTT-4.3.3-1\]
    #[test]
    fn every_promise_is_kept_over_a_wire_that_breaks(
        v5 in any::<bool>(),
        window in 1..4_u16,
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut pair = Pair::persistent(if v5 { Version::V5 } else { Version::V3_1_1 });
        pair.server_options.receive_maximum = window;
        pair.cut();
        pair.connect();
        pair.forget_what_was_said();
        let mut run = Run { pair, sent: Default::default(), held: Default::default() };
        for step in &steps {
            run.apply(step);
        }
        // The wire heals: everything must come to rest.
        run.apply(&Step::Cut);
        run.pair.drive();
        run.check();
        prop_assert_eq!((run.pair.client.pending(), run.pair.server.pending()), (0, 0));
        let settled = run.pair.client_said.iter().filter(|said| matches!(said, Said::Published(..))).count();
        prop_assert!(settled <= run.sent[0].len());
        // And it goes on as if nothing had been.
        let published = run.pair.publish("t", "last", QoS::ExactlyOnce);
        run.pair.drive();
        let Published::Pending(id) = published else { panic!() };
        let outcome = mqtt_session::Outcome::Delivered(mqtt_proto::ReasonCode::Success);
        prop_assert!(run.pair.client_said.contains(&Said::Published(id, outcome)));
    }
}
