//! All states that a [`World`] can get into, breadth first, so that the first failure found has the fewest steps.
//!
//! A state is remembered as 128 bits of hash. Two among n that share them would hide one: the chance is about n² / 2¹²⁹, for a hundred million states 10⁻²³.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::world::{Bounds, Failure, Step, World};

/// What a search that found nothing wrong has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    /// Steps to the state that is furthest away.
    pub(crate) depth: usize,
    /// States in which all is done.
    pub(crate) ends: usize,
}

/// The shortest way to a state in which something is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Counterexample {
    pub(crate) steps: Vec<Step>,
    pub(crate) failure: Failure,
}

/// Tries everything within `bounds`. What holds then:
///
/// * what [`World`] checks at each step,
/// * where nothing but bad luck can happen any more, all is done ([`World::check_end`]),
/// * every way gets there: no state can be come back to.
pub(crate) fn search(bounds: &Bounds) -> Result<Figures, Counterexample> {
    let mut seen = Seen::default();
    let first = World::new(bounds);
    seen.index(&first, None);
    let (mut level, mut next) = (vec![first], Vec::new());
    let mut figures = Figures { states: 0, transitions: 0, depth: 0, ends: 0 };
    let mut index = 0;
    while !level.is_empty() {
        for world in level.drain(..) {
            let mut goes_on = false;
            let mut failed = None;
            world.successors(bounds, |step, reached| {
                goes_on |= !matches!(step, Step::Cut | Step::Crash(_) | Step::Forget);
                match reached {
                    Ok(reached) => {
                        if seen.index(&reached, Some((index, step))) {
                            next.push(reached);
                        }
                    }
                    Err(failure) => failed = failed.take().or(Some((Some(step), failure))),
                }
            });
            if !goes_on {
                figures.ends += 1;
                failed = failed.or(world.check_end(bounds).err().map(|failure| (None, failure)));
            }
            if let Some((last, failure)) = failed {
                let steps = seen.way_to(index).into_iter().chain(last).collect();
                return Err(Counterexample { steps, failure });
            }
            seen.edges_until.push(seen.edges.len());
            index += 1;
        }
        std::mem::swap(&mut level, &mut next);
        figures.depth += usize::from(!level.is_empty());
    }
    (figures.states, figures.transitions) = (seen.ways.len(), seen.edges.len());
    if let Some(index) = seen.on_a_circle() {
        return Err(Counterexample { steps: seen.way_to(index), failure: Failure("this comes round again".into()) });
    }
    Ok(figures)
}

/// The states found, numbered in the order in which they were.
#[derive(Default)]
struct Seen {
    by_hash: HashMap<u128, u32, BuildHasherDefault<Hashed>>,
    /// From where each was found first, and by which step.
    ways: Vec<Option<(u32, Step)>>,
    /// Where all steps lead, those of each state up to its entry in `edges_until`.
    edges: Vec<u32>,
    edges_until: Vec<usize>,
}

impl Seen {
    /// True: it is new.
    fn index(&mut self, world: &World, way: Option<(u32, Step)>) -> bool {
        let mut hasher = Wide::default();
        world.hash(&mut hasher);
        let new = u32::try_from(self.ways.len()).expect("fewer states than 2^32");
        let (index, is_new) = match self.by_hash.entry(hasher.0) {
            Entry::Occupied(known) => (*known.get(), false),
            Entry::Vacant(place) => (*place.insert(new), true),
        };
        if is_new {
            self.ways.push(way);
        }
        if way.is_some() {
            self.edges.push(index);
        }
        is_new
    }

    fn way_to(&self, mut index: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some((before, step)) = self.ways[index as usize] {
            steps.push(step);
            index = before;
        }
        steps.reverse();
        steps
    }

    /// Takes away, again and again, what nothing leads to. What is left then is on a circle, or behind one.
    fn on_a_circle(&self) -> Option<u32> {
        let mut leads_here = vec![0_u32; self.ways.len()];
        self.edges.iter().for_each(|&to| leads_here[to as usize] += 1);
        let mut free: Vec<u32> = vec![0];
        while let Some(index) = free.pop() {
            let index = index as usize;
            let from = if index == 0 { 0 } else { self.edges_until[index - 1] };
            for &to in &self.edges[from..self.edges_until[index]] {
                leads_here[to as usize] -= 1;
                if leads_here[to as usize] == 0 {
                    free.push(to);
                }
            }
        }
        leads_here.iter().position(|&left| left > 0).and_then(|index| u32::try_from(index).ok())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, depth, ends } = self;
        write!(f, "{states} states, {transitions} transitions, depth {depth}, {ends} ends")
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "after {} steps: {}", self.steps.len(), self.failure)?;
        self.steps.iter().enumerate().try_for_each(|(number, step)| writeln!(f, "{:4}  {step:?}", number + 1))
    }
}

/// FNV's idea with 128 bits of state and words of 64; each step can be undone, so nothing gets lost on the way.
struct Wide(u128);

impl Default for Wide {
    fn default() -> Self {
        Self(0x6C62_272E_07BB_0142_62B8_2175_6295_C58D)
    }
}

impl Wide {
    fn add(&mut self, word: u64) {
        let mixed = (self.0 ^ u128::from(word)).wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645);
        self.0 = mixed ^ mixed >> 67;
    }
}

impl Hasher for Wide {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
        self.add(bytes.len() as u64);
    }

    fn write_u8(&mut self, word: u8) {
        self.add(word.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.add(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.add(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0 as u64
    }
}

/// What is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| hash << 8 ^ hash >> 56 ^ u64::from(byte));
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64 ^ (hash >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(edges: &[u32], edges_until: &[usize]) -> Option<u32> {
        let ways = vec![None; edges_until.len()];
        Seen { by_hash: HashMap::default(), ways, edges: edges.into(), edges_until: edges_until.into() }.on_a_circle()
    }

    #[test]
    fn what_comes_round_is_found_and_what_meets_again_is_not() {
        assert_eq!(circle(&[1, 2, 2, 3, 3], &[2, 4, 5, 5]), None);
        assert_eq!(circle(&[1, 2, 3, 2], &[1, 2, 3, 4]), Some(2));
    }
}
