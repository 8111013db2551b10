//! Our codec beside others and beside a floor, in one run.
//!
//! ```text
//! cd benches/peers
//! cargo run --release              # a few minutes
//! cargo run --release -- --quick   # fewer and shorter rounds, to see that everything works
//! cargo run --release -- 6         # only the cases with a `6` in their names; several words: any of them
//! ```
//!
//! It prints Markdown. Everybody has a turn in every round and the order rotates, so that a change of the machine's speed hits all; what counts
//! is CPU time of the thread, and of all rounds the median. Only ratios within one run mean anything.
//!
//! * Each decoded packet is looked at (the lengths of topics, payloads and user properties are summed), and all have to see the same, so that a
//!   lazy decoder pays for what it reads. Each encoded packet is decoded by us and looked at in the same way.
//! * Everybody copies what a read brings into a receive buffer, as reading from a socket would.
//! * Allocations count reallocations, too.
//! * Encoded packets go into a buffer that is reused, except where a peer returns a new one.
//! * The *floor* is not a codec: it does not check what a receiver must. See `floor`.
//! * *ours* borrows; *ours, copied* keeps each packet in an allocation of its own (`PublishBuf`, `PacketBuf::copy`); *ours, shared* keeps a
//!   reference to the receive buffer (`PacketBuf::new`), and its large payloads leave by reference.
//!
//! Left out: ntex-mqtt 9.0.0, which does not build with the ntex-bytes that cargo resolves; it encodes large payloads by reference, as we do.
//! mqrstt only decodes, for its encoder is private.
//!
//! Whoever checks less is faster; the table does not say who checks what.

#![deny(unsafe_code)]

mod allocations;
mod cases;
mod contestant;
mod floor;
mod measure;
mod ours;
mod peers;
mod table;

use std::time::Duration;

use measure::Effort;
use table::Table;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const FULL: Effort = Effort { rounds: 9, turn: Duration::from_millis(20) };
const QUICK: Effort = Effort { rounds: 3, turn: Duration::from_millis(2) };

fn main() {
    let (flags, words): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
    let effort = match flags.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => FULL,
        ["--quick"] => QUICK,
        _ => {
            eprintln!("usage: peers [--quick] [WORD]...");
            std::process::exit(2);
        }
    };
    if cfg!(debug_assertions) {
        eprintln!("a build without --release: these figures mean nothing");
    }
    for section in cases::sections() {
        let mut table = Table::new();
        for case in section.cases {
            if words.is_empty() || words.iter().any(|word| case.name.contains(word)) {
                eprintln!("{}: {}", section.title, case.name);
                let figures = measure::measure(&case, effort);
                table.push(case.name, figures);
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
