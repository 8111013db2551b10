//! Whatever clients, answers and changes of the policy come in which order: nothing is accepted or delivered that the policy forbids at that moment. An auditor who
//! knows the rules, and not how the broker follows them, looks at every message.

mod house;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use house::*;
use mqtt_proto::{Disconnect, Packet, QoS, ReasonCode, Subscription, Version, Will};
use mqtt_session::{Action, AskId, BrokerEvent, BrokerOptions, Policy, Principal, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const NAMES: [&str; 3] = ["ann", "bob", "cyd"];
const PLACES: [&str; 2] = ["p", "q"];
const FILTERS: [&str; 5] = ["p/#", "q/#", "#", "$share/g/p/#", "$share/g/#"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Right {
    Enter,
    Subscribe,
    Publish,
    Store,
}

/// One right of one client, in one place. Entering is the same for all places.
type Key = (usize, Right, usize);

#[derive(Clone, Debug)]
enum Step {
    Connect {
        who: usize,
        version: Version,
        clean: bool,
        will: Option<(usize, QoS, bool)>,
        delay: u32,
    },
    Cut {
        who: usize,
    },
    Leave {
        who: usize,
    },
    Subscribe {
        who: usize,
        filters: Vec<usize>,
        qos: QoS,
    },
    Unsubscribe {
        who: usize,
        filter: usize,
    },
    Publish {
        who: usize,
        place: usize,
        qos: QoS,
        retain: bool,
    },
    /// Stops or begins again to acknowledge what it gets.
    Hold {
        who: usize,
        holds: bool,
    },
    Answer {
        which: usize,
        verdict: Verdict,
    },
    Change {
        rights: Vec<(Key, Verdict)>,
    },
    Wait {
        seconds: u64,
    },
}

/// What is allowed, changed by the test only. Whoever is none of the names may do everything.
#[derive(Debug, Default)]
struct Rules(Mutex<BTreeMap<Key, Verdict>>);

impl Rules {
    fn verdict(&self, who: usize, right: Right, place: usize) -> Verdict {
        let place = if right == Right::Enter { 0 } else { place };
        self.0.lock().unwrap().get(&(who, right, place)).copied().unwrap_or(Verdict::Allow)
    }
}

fn place_of(topic: &str) -> usize {
    PLACES.iter().position(|place| topic.starts_with(place)).unwrap()
}

/// The places that a filter reaches.
fn places_of(filter: &str) -> Vec<usize> {
    PLACES
        .iter()
        .enumerate()
        .filter(|(_, place)| filter == "#" || filter.starts_with(**place))
        .map(|(at, _)| at)
        .collect()
}

impl Policy for Rules {
    fn check(&self, who: &Principal, action: &Action<'_>) -> Verdict {
        let Some(who) = NAMES.iter().position(|name| **name == *who.client_id) else {
            return Verdict::Allow;
        };
        match action {
            Action::Connect(_) | Action::Stay => self.verdict(who, Right::Enter, 0),
            Action::Publish { topic, .. } => self.verdict(who, Right::Publish, place_of(topic.as_str())),
            Action::Store { topic } => self.verdict(who, Right::Store, place_of(topic.as_str())),
            Action::Subscribe { filter, .. } => {
                let all =
                    places_of(filter.as_str()).into_iter().map(|place| self.verdict(who, Right::Subscribe, place));
                let all: Vec<_> = all.collect();
                let worst = all.iter().find(|verdict| matches!(verdict, Verdict::Deny(_)));
                let worst = worst.or_else(|| all.iter().find(|verdict| **verdict == Verdict::Ask));
                worst.copied().unwrap_or(Verdict::Allow)
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What was seen, so that a run in which nothing happens is noticed.
#[derive(Default)]
struct Figures {
    accepted: Cell<usize>,
    delivered: Cell<usize>,
    retained: Cell<usize>,
    repeated: Cell<usize>,
    answered: Cell<usize>,
    refused: Cell<u64>,
}

fn add(figure: &Cell<usize>) {
    figure.set(figure.get() + 1);
}

struct Audit<'a> {
    rules: Arc<Rules>,
    house: House,
    figures: &'a Figures,
    /// Gets everything that is accepted, at once.
    watcher: Who,
    /// Connections that have not been closed, and whose they are.
    clients: Vec<(usize, Who)>,
    /// Questions without an answer, in the epoch in which they were asked.
    questions: Vec<(AskId, Vec<Key>, usize)>,
    /// What has been answered with yes since the last change.
    granted: Vec<Key>,
    epoch: usize,
    /// All that was accepted.
    accepted: Vec<String>,
    serial: usize,
}

impl<'a> Audit<'a> {
    fn new(figures: &'a Figures) -> Self {
        let rules = Arc::new(Rules::default());
        let mut bounds = BrokerOptions::default();
        bounds.answer_timeout = 4 * SECOND;
        let mut house = House::with(bounds);
        house.broker.set_policy(Arc::<Rules>::clone(&rules));
        let watcher = house.guest(V5, "watcher");
        let mut all = options(QoS::AtMostOnce);
        all.retain_as_published = true;
        house.subscribe_with(watcher, "#", all, None);
        Self {
            rules,
            house,
            figures,
            watcher,
            clients: Vec::new(),
            questions: Vec::new(),
            granted: Vec::new(),
            epoch: 0,
            accepted: Vec::new(),
            serial: 0,
        }
    }

    /// It is allowed now, or somebody has said so since the last change.
    fn may(&self, who: usize, right: Right, place: usize) -> bool {
        match self.rules.verdict(who, right, place) {
            Verdict::Allow => true,
            Verdict::Deny(_) => false,
            Verdict::Ask => self.granted.contains(&(who, right, place)),
        }
    }

    fn name(&mut self, who: usize, place: usize) -> String {
        self.serial += 1;
        format!("{}/{}/{}", PLACES[place], NAMES[who], self.serial)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Connect { who, version, clean, will, delay } => {
                let name = will.map(|(place, ..)| self.name(*who, place));
                let mut knocks = As::resident(*version, NAMES[*who]).clean(*clean).keep_alive(0);
                if let (Some(name), Some((_, qos, retain))) = (&name, will) {
                    knocks = knocks.exact_will(Will { qos: *qos, retain: *retain, ..Will::new(topic(name), b"will") });
                    knocks = if *version == V5 { knocks.will_delay(*delay) } else { knocks };
                }
                let peer = self.house.knock(knocks);
                self.clients.push((*who, peer));
            }
            Step::Cut { who } => {
                if let Some(peer) = self.last(*who) {
                    self.house.cut(peer);
                }
            }
            Step::Leave { who } => {
                if let Some(peer) = self.last(*who) {
                    self.house.send(peer, &Packet::Disconnect(Disconnect::new(ReasonCode::NORMAL_DISCONNECTION)));
                }
            }
            Step::Subscribe { who, filters, qos } => {
                if let Some(peer) = self.last(*who) {
                    let filters = filters.iter().map(|&which| filter(FILTERS[which]));
                    let all: Vec<_> = filters.map(|filter| Subscription { filter, options: options(*qos) }).collect();
                    self.house.subscribe_all(peer, &all, None);
                }
            }
            Step::Unsubscribe { who, filter: which } => {
                if let Some(peer) = self.last(*who) {
                    self.house.unsubscribe(peer, &[FILTERS[*which]]);
                }
            }
            Step::Publish { who, place, qos, retain } => {
                let name = self.name(*who, *place);
                if let Some(peer) = self.last(*who) {
                    if *retain {
                        self.house.retain(peer, &name, "x", *qos)
                    } else {
                        self.house.publish(peer, &name, "x", *qos)
                    }
                }
            }
            Step::Hold { who, holds } => {
                if let Some(peer) = self.last(*who) {
                    if *holds { self.house.stop_acknowledging(peer) } else { self.house.acknowledge_all(peer) }
                }
            }
            Step::Answer { which, verdict } => {
                if self.questions.is_empty() {
                    return;
                }
                let (ask, keys, epoch) = self.questions.remove(which % self.questions.len());
                // An answer to an older question is none, and must not count.
                let counts = *verdict == Verdict::Allow && epoch == self.epoch;
                let before = self.granted.len();
                self.granted.extend(keys.iter().filter(|_| counts));
                match self.house.broker.answer(self.house.now, ask, *verdict) {
                    Ok(()) => add(&self.figures.answered),
                    Err(_) => self.granted.truncate(before),
                }
                self.house.drive();
            }
            Step::Change { rights } => {
                self.rules.0.lock().unwrap().extend(rights.iter().copied());
                self.granted.clear();
                self.epoch += 1;
                self.house.broker.policy_changed();
            }
            Step::Wait { seconds } => {
                for _ in 0..*seconds {
                    self.house.advance(SECOND);
                    self.look();
                }
            }
        }
        self.look();
        self.house.offer_rest();
        self.look();
    }

    /// The last connection of a client.
    fn last(&self, who: usize) -> Option<Who> {
        self.clients.iter().rfind(|(client, _)| *client == who).map(|&(_, peer)| peer)
    }

    /// Audits what has been accepted and delivered since the last time.
    fn look(&mut self) {
        for event in std::iter::from_fn(|| self.house.broker.poll_event()) {
            if let BrokerEvent::Asked { ask, question } = event {
                let who = NAMES.iter().position(|name| **name == *question.who().client_id).unwrap();
                let keys = match question.action() {
                    Action::Connect(_) => vec![(who, Right::Enter, 0)],
                    Action::Publish { topic, .. } => vec![(who, Right::Publish, place_of(topic.as_str()))],
                    Action::Store { topic } => vec![(who, Right::Store, place_of(topic.as_str()))],
                    Action::Subscribe { filter, .. } => {
                        places_of(filter.as_str()).into_iter().map(|place| (who, Right::Subscribe, place)).collect()
                    }
                    other => panic!("nobody waits for {other:?}"),
                };
                self.questions.push((ask, keys, self.epoch));
            }
        }
        for message in self.house.got(self.watcher) {
            let words: Vec<_> = message.split(' ').collect();
            let (place, sender) = (place_of(words[0]), words[0].split('/').nth(1).unwrap());
            let sender = NAMES.iter().position(|name| *name == sender).unwrap();
            assert!(self.may(sender, Right::Publish, place), "accepted without the right: {message}");
            assert!(
                !words.contains(&"R") || self.may(sender, Right::Store, place),
                "stored without the right: {message}"
            );
            assert!(!self.accepted.iter().any(|name| name == words[0]), "accepted twice: {message}");
            self.accepted.push(words[0].into());
            add(&self.figures.accepted);
        }
        for (who, peer) in self.clients.clone() {
            for message in self.house.got(peer) {
                let words: Vec<_> = message.split(' ').collect();
                assert!(self.may(who, Right::Subscribe, place_of(words[0])), "{} got {message}", NAMES[who]);
                assert!(
                    self.rules.verdict(who, Right::Enter, 0) != Verdict::DENY,
                    "{} is in, and got {message}",
                    NAMES[who]
                );
                assert!(self.accepted.iter().any(|name| name == words[0]), "never accepted: {message}");
                add(&self.figures.delivered);
                if words.contains(&"R") {
                    add(&self.figures.retained);
                }
                if words.contains(&"D") {
                    add(&self.figures.repeated);
                }
            }
            if self.house.said(peer).iter().any(|said| said == "closed") {
                self.clients.retain(|(_, closed)| *closed != peer);
            }
        }
    }
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(Q0), Just(Q1), Just(Q2)]
}

fn right() -> impl Strategy<Value = (Key, Verdict)> {
    let rights = prop_oneof![
        1 => Just(Right::Enter),
        5 => Just(Right::Subscribe),
        3 => Just(Right::Publish),
        1 => Just(Right::Store)
    ];
    let verdicts = prop_oneof![4 => Just(Verdict::Allow), 2 => Just(Verdict::DENY), 1 => Just(Verdict::Ask)];
    (0..NAMES.len(), rights, 0..PLACES.len(), verdicts)
        .prop_map(|(who, right, place, verdict)| ((who, right, if right == Right::Enter { 0 } else { place }), verdict))
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..NAMES.len();
    let place = || 0..PLACES.len();
    let filters = || 0..FILTERS.len();
    let version = prop_oneof![Just(V3), Just(V5)];
    let will = proptest::option::of((place(), qos(), any::<bool>()));
    let verdict = prop_oneof![3 => Just(Verdict::Allow), 1 => Just(Verdict::DENY)];
    prop_oneof![
        4 => (who(), version, proptest::bool::weighted(0.1), will, 0_u32..4)
            .prop_map(|(who, version, clean, will, delay)| Step::Connect { who, version, clean, will, delay }),
        2 => who().prop_map(|who| Step::Cut { who }),
        1 => who().prop_map(|who| Step::Leave { who }),
        4 => (who(), proptest::collection::vec(filters(), 1..3), qos())
            .prop_map(|(who, filters, qos)| Step::Subscribe { who, filters, qos }),
        1 => (who(), filters()).prop_map(|(who, filter)| Step::Unsubscribe { who, filter }),
        8 => (who(), place(), qos(), proptest::bool::weighted(0.2))
            .prop_map(|(who, place, qos, retain)| Step::Publish { who, place, qos, retain }),
        2 => (who(), any::<bool>()).prop_map(|(who, holds)| Step::Hold { who, holds }),
        3 => (0_usize..8, verdict).prop_map(|(which, verdict)| Step::Answer { which, verdict }),
        3 => proptest::collection::vec(right(), 0..4).prop_map(|rights| Step::Change { rights }),
        1 => (1_u64..5).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

#[test]
fn nothing_is_accepted_or_delivered_that_the_policy_forbids() {
    let figures = Figures::default();
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&proptest::collection::vec(step(), 1..120), |steps| {
        let mut audit = Audit::new(&figures);
        // Everybody is there, and hears everything, so that most of what follows matters.
        for who in 0..NAMES.len() {
            audit.step(&Step::Connect { who, version: V5, clean: true, will: None, delay: 0 });
            audit.step(&Step::Subscribe { who, filters: vec![0, 1], qos: Q2 });
        }
        steps.iter().for_each(|step| audit.step(step));
        figures.refused.set(figures.refused.get() + audit.house.broker.counts().publishes_refused);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let Figures { accepted, delivered, retained, repeated, answered, refused } = figures;
    println!(
        "{} accepted, {} refused, {} delivered ({} retained, {} again), {} answers",
        accepted.get(),
        refused.get(),
        delivered.get(),
        retained.get(),
        repeated.get(),
        answered.get()
    );
    assert!(accepted.get() > 500 && refused.get() > 30 && delivered.get() > 1_500);
    assert!(retained.get() > 50 && repeated.get() > 20 && answered.get() > 20);
}
