//! Our codec beside others and beside a floor, in one run.
//!
//! ```text
//! cd benches/peers
//! cargo run --release                          # a few minutes
//! cargo run --release -- --quick               # fewer and shorter rounds, to see that everything works
//! cargo run --release -- encode                # only the cases with this in their names; several words: any of them
//! cargo run --release -- instructions encode   # counted by valgrind instead of timed
//! cargo run --release -- profile 'decode 3.1.1 PUBACK' mqttrs
//! ```
//!
//! It prints Markdown; `../README.md` says how to read it.

#![deny(unsafe_code)]

mod allocations;
mod cases;
mod contestant;
mod floor;
mod instructions;
mod lanes;
mod measure;
mod ours;
mod peers;
mod profile;
mod table;
mod valgrind;

use std::time::Duration;

use cases::Case;
use measure::Effort;
use table::{Figure, Table, Unit};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const FULL: Effort = Effort { rounds: 9, turn: Duration::from_millis(20) };
const QUICK: Effort = Effort { rounds: 3, turn: Duration::from_millis(2) };

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if cfg!(debug_assertions) {
        eprintln!("a build without --release: these figures mean nothing");
    }
    match arguments[..] {
        [valgrind::ALONE, case, name] => valgrind::alone(case, name),
        ["profile", case, peer] => profile::print(case, peer),
        ["profile", ..] => usage(),
        ["instructions", ref words @ ..] => tables(words, Unit::Instructions, |case| {
            instructions::is_countable(case).then(|| instructions::count(case))
        }),
        ["--quick", ref words @ ..] => tables(words, Unit::Nanoseconds, |case| Some(measure::measure(case, QUICK))),
        ref words => tables(words, Unit::Nanoseconds, |case| Some(measure::measure(case, FULL))),
    }
}

fn tables(words: &[&str], unit: Unit, figures: impl Fn(&Case) -> Option<Vec<Figure>>) {
    if words.iter().any(|word| word.starts_with('-')) {
        usage();
    }
    for section in cases::sections() {
        let mut table = Table::new(unit);
        for case in section.cases {
            let id = case.id();
            if words.is_empty() || words.iter().any(|word| id.contains(word)) {
                eprintln!("{id}");
                if let Some(figures) = figures(&case) {
                    table.push(case.name, figures);
                }
            }
        }
        if !table.is_empty() {
            println!("## {}\n", section.title);
            table.print_figures();
            table.print_ratios(section.decoding);
            println!();
        }
    }
}

fn usage() -> ! {
    eprintln!("usage: peers [--quick | instructions] [WORD]...\n       peers profile CASE PEER");
    eprintln!("\ncases:");
    for case in cases::sections().iter().flat_map(|section| &section.cases) {
        eprintln!("  {}", case.id());
    }
    std::process::exit(2);
}
