//! QoS 1 and 2 hold in every order of events: an exhaustive search over the real machines.
//!
//! * `world`: what a state is, what can happen in it, and what must hold at each step;
//! * `search`: all states, breadth first; the shortest way to a failure;
//! * `disk`: what an end finds after a crash, and the rules that are broken on purpose;
//! * `bounds`: how much is tried.
//!
//! Small bounds are tried here. Larger ones take a compiler that tries harder: `cargo run --release -p mqtt-session --example model`.

mod bounds;
mod disk;
mod search;
mod world;

use bounds::{CONTROLS, small};
use search::search;

#[test]
fn small_worlds_are_sound() {
    for bounds in small() {
        match search(&bounds) {
            Ok(figures) => println!("{}: {figures}", bounds.name),
            Err(counterexample) => panic!("{}, {counterexample}", bounds.name),
        }
    }
}

/// A search that finds nothing proves nothing, unless it finds what is there.
#[test]
fn whatever_breaks_a_rule_is_found() {
    for (control, says, depth_min) in CONTROLS {
        let Err(found) = search(&bounds::with(control)) else { panic!("{control:?} goes unnoticed") };
        println!("{control:?}, {found}");
        assert!(found.failure.0.contains(says), "{control:?}, {found}");
        assert!(found.steps.len() >= depth_min, "{control:?}, {found}");
    }
}
