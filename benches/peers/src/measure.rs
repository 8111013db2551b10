//! One case for all contestants: checked first, then timed in turns.

use std::hint::black_box;
use std::time::Duration;

use mqtt_proto::Version;
use rustix::time::{ClockId, clock_gettime};

use crate::cases::{Case, Work};
use crate::contestant::{Contestant, Kind, Output, Seen};
use crate::{allocations, floor, ours, peers};

/// How long to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often everybody has a turn.
    pub rounds: usize,
    /// CPU time of one turn.
    pub turn: Duration,
}

/// What one contestant needed.
pub struct Figure {
    /// Who.
    pub name: &'static str,
    /// Whom it is compared with.
    pub kind: Kind,
    /// CPU time per packet, the median of all rounds.
    pub nanoseconds: f64,
    /// Allocations per packet.
    pub allocations: f64,
}

/// All contestants that take part in `case`.
pub fn measure(case: &Case, effort: Effort) -> Vec<Figure> {
    let mut lanes = lanes(case);
    let passes: Vec<u32> = lanes.iter_mut().map(|lane| lane.passes(effort.turn)).collect();
    let allocations: Vec<f64> = lanes.iter_mut().map(Lane::allocations).collect();
    let mut samples = vec![Vec::new(); lanes.len()];
    for round in 0..effort.rounds {
        for turn in 0..lanes.len() {
            let index = (round + turn) % lanes.len();
            let lane = &mut lanes[index];
            let packets = lane.packets * u64::from(passes[index]);
            samples[index].push(lane.time(passes[index]).as_secs_f64() * 1e9 / packets as f64);
        }
    }
    let figure = |((lane, samples), allocations): ((&Lane, &mut Vec<f64>), f64)| {
        samples.sort_by(f64::total_cmp);
        Figure { name: lane.name, kind: lane.kind, nanoseconds: samples[samples.len() / 2], allocations }
    };
    lanes.iter().zip(&mut samples).zip(allocations).map(figure).collect()
}

/// Only CPU time of this thread counts, so that a busy machine disturbs less.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// A contestant with its work.
struct Lane {
    name: &'static str,
    kind: Kind,
    /// Packets in one pass.
    packets: u64,
    run: Box<dyn FnMut(u32)>,
}

impl Lane {
    fn time(&mut self, passes: u32) -> Duration {
        let start = cpu_time();
        (self.run)(passes);
        cpu_time() - start
    }

    /// How many passes fill a turn; warms up on the way.
    fn passes(&mut self, turn: Duration) -> u32 {
        let mut passes = 1;
        loop {
            let time = self.time(passes);
            if time >= turn / 4 {
                return ((f64::from(passes) * turn.as_secs_f64() / time.as_secs_f64()) as u32).max(1);
            }
            passes *= 2;
        }
    }

    fn allocations(&mut self) -> f64 {
        let before = allocations::count();
        (self.run)(4);
        (allocations::count() - before) as f64 / (4 * self.packets) as f64
    }
}

fn lanes(case: &Case) -> Vec<Lane> {
    let mut entries = Entries { case, expected: None, lanes: Vec::new() };
    let version = case.version;
    entries.add(floor::View::new(version));
    entries.add(floor::Owned::new(version));
    entries.add(ours::View::new(version));
    entries.add(ours::Copied::new(version));
    entries.add(ours::Shared::new(version));
    if version == Version::V5 {
        entries.add(peers::rumqttc::V5::default());
        entries.add(peers::rumqttc_next::V5::default());
        entries.add(peers::mqtt5_protocol::Any::v5());
        entries.add(peers::rmqtt_codec::V5::default());
        entries.add(peers::mqtt_proto_peer::V5::default());
        entries.add(peers::mqtt_protocol_core::Any::v5());
        entries.add(peers::flowsdk::Any::v5());
        entries.add(peers::mqrstt::V5::default());
    } else {
        entries.add(peers::mqttrs::V3::default());
        entries.add(peers::rumqttc::V3::default());
        entries.add(peers::rumqttc_next::V3::default());
        entries.add(peers::mqtt5_protocol::Any::v3());
        entries.add(peers::rmqtt_codec::V3::default());
        entries.add(peers::mqtt_proto_peer::V3::default());
        entries.add(peers::mqtt_protocol_core::Any::v3());
        entries.add(peers::flowsdk::Any::v3());
    }
    entries.lanes
}

struct Entries<'a> {
    case: &'a Case,
    /// What the first one saw; all must see the same.
    expected: Option<Seen>,
    lanes: Vec<Lane>,
}

/// Packets of one pass of an encoder.
const ENCODED: u64 = 256;

impl Entries<'_> {
    fn add<C: Contestant>(&mut self, contestant: C) {
        let lane = match &self.case.work {
            Work::Decode { stream, read } => {
                let (stream, read) = (stream.clone(), *read);
                Some(self.decoder(contestant, move |take| stream.chunks(read).for_each(take)))
            }
            Work::Encode { wire } => self.encoder(contestant, wire),
            Work::Build { message } => {
                let message = message.clone();
                self.builder(contestant, move |contestant, out| contestant.publish(black_box(&message), out))
            }
        };
        self.lanes.extend(lane);
    }

    fn decoder<C: Contestant>(&mut self, mut contestant: C, reads: impl Fn(&mut dyn FnMut(&[u8])) + 'static) -> Lane {
        let mut pass = move || {
            let mut seen = Seen::default();
            reads(&mut |read| contestant.receive(read, &mut seen));
            seen
        };
        let expected = self.expect::<C>(pass());
        let run = move |passes| (0..passes).for_each(|_| assert_eq!(pass(), expected, "{} lost something", C::NAME));
        Lane { name: C::NAME, kind: C::KIND, packets: expected.packets(), run: Box::new(run) }
    }

    fn encoder<C: Contestant>(&mut self, mut contestant: C, wire: &'static [u8]) -> Option<Lane> {
        let packet = contestant.packet(wire)?;
        self.builder(contestant, move |contestant, out| {
            contestant.encode(black_box(&packet), out);
            true
        })
    }

    fn builder<C: Contestant>(
        &mut self,
        mut contestant: C,
        put: impl Fn(&mut C, &mut C::Output) -> bool + 'static,
    ) -> Option<Lane> {
        let mut out = C::Output::default();
        if !put(&mut contestant, &mut out) {
            return None;
        }
        // What came out has to be the packet that was asked for.
        let mut seen = Seen::default();
        ours::View::new(self.case.version).receive(&out.flat(), &mut seen);
        self.expect::<C>(seen);
        out.clear();
        let run = move |passes| {
            for _ in 0..u64::from(passes) * ENCODED {
                put(&mut contestant, &mut out);
                black_box(out.len());
                out.clear();
            }
        };
        Some(Lane { name: C::NAME, kind: C::KIND, packets: ENCODED, run: Box::new(run) })
    }

    fn expect<C: Contestant>(&mut self, seen: Seen) -> Seen {
        let expected = *self.expected.get_or_insert(seen);
        assert_eq!(seen, expected, "{} sees something else in {}", C::NAME, self.case.name);
        expected
    }
}
