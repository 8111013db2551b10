//! An exhaustive search over both machines: QoS 1 and 2 in every order of events, with connections that break and ends that crash.
//!
//! ```sh
//! cargo run --release -p mqtt-session --example model             # what the gate tries
//! cargo run --release -p mqtt-session --example model -- large    # minutes, and gigabytes
//! ```
//!
//! What is tried is described in `tests/model/main.rs`, which tries the same in small.

#[path = "../tests/model/bounds.rs"]
mod bounds;
#[path = "../tests/model/disk.rs"]
mod disk;
#[path = "../tests/model/search.rs"]
mod search;
#[path = "../tests/model/world.rs"]
mod world;

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let worlds = match std::env::args().nth(1).as_deref() {
        None => bounds::medium(),
        Some("small") => bounds::small(),
        Some("large") => bounds::large(),
        Some(other) => {
            eprintln!("{other} is neither small nor large");
            return ExitCode::FAILURE;
        }
    };
    let begin = Instant::now();
    for (control, _, _) in bounds::CONTROLS {
        match search::search(&bounds::with(control)) {
            Ok(_) => {
                eprintln!("{control:?} goes unnoticed");
                return ExitCode::FAILURE;
            }
            Err(found) => println!("{control:?}: found in {} steps: {}", found.steps.len(), found.failure),
        }
    }
    println!("{:.1} s", begin.elapsed().as_secs_f64());
    for bounds in worlds {
        let begin = Instant::now();
        match search::search(&bounds) {
            Ok(figures) => println!("{}: {figures}, {:.1} s", bounds.name, begin.elapsed().as_secs_f64()),
            Err(found) => {
                eprintln!("{}, {found}", bounds.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
