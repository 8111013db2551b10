//! CPU time and allocations of all contestants at one case, in turns.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::allocations;
use crate::cases::Case;
use crate::lanes::{Lane, lanes};
use crate::table::Figure;

/// How long to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often everybody has a turn.
    pub rounds: usize,
    /// CPU time of one turn.
    pub turn: Duration,
}

/// All contestants that take part in `case`.
pub fn measure(case: &Case, effort: Effort) -> Vec<Figure> {
    let mut lanes = lanes(case);
    let passes: Vec<u32> = lanes.iter_mut().map(|lane| passes(lane, effort.turn)).collect();
    let allocations: Vec<f64> = lanes.iter_mut().map(allocations_per_packet).collect();
    let mut samples = vec![Vec::new(); lanes.len()];
    for round in 0..effort.rounds {
        for turn in 0..lanes.len() {
            let index = (round + turn) % lanes.len();
            let lane = &mut lanes[index];
            let packets = lane.packets * u64::from(passes[index]);
            samples[index].push(time(lane, passes[index]).as_secs_f64() * 1e9 / packets as f64);
        }
    }
    let figure = |((lane, samples), allocations): ((&Lane, &mut Vec<f64>), f64)| {
        samples.sort_by(f64::total_cmp);
        Figure { name: lane.name, kind: lane.kind, cost: samples[samples.len() / 2], allocations: Some(allocations) }
    };
    lanes.iter().zip(&mut samples).zip(allocations).map(figure).collect()
}

/// Only CPU time of this thread counts, so that a busy machine disturbs less.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn time(lane: &mut Lane, passes: u32) -> Duration {
    let start = cpu_time();
    lane.run(passes);
    cpu_time() - start
}

/// How many passes fill a turn; warms up on the way.
fn passes(lane: &mut Lane, turn: Duration) -> u32 {
    let mut passes = 1;
    loop {
        let time = time(lane, passes);
        if time >= turn / 4 {
            return ((f64::from(passes) * turn.as_secs_f64() / time.as_secs_f64()) as u32).max(1);
        }
        passes *= 2;
    }
}

fn allocations_per_packet(lane: &mut Lane) -> f64 {
    let before = allocations::count();
    lane.run(4);
    (allocations::count() - before) as f64 / (4 * lane.packets) as f64
}
