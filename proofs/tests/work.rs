//! Twice the input costs about twice the work, counted in instructions, for whatever a peer can make large.
//!
//! A clock would say so only on a quiet machine; valgrind says the same everywhere, so the bound can be narrow.

use std::process::Command;

/// Case, and the larger `n` that is tried; the smaller one is half of it.
const CASES: &[(&str, u64)] = &[
    ("user_properties", 100_000),
    ("subscription_ids", 100_000),
    ("unfinished_properties", 100_000),
    ("topic_levels", 65_534),
    ("topic_beyond_ascii", 32_766),
    ("payload", 1_000_000),
    ("subscriptions", 100_000),
    ("filter_levels", 32_766),
    ("shared_filter_levels", 65_524),
    ("filters", 100_000),
    ("reason_codes", 100_000),
    ("matching", 32_766),
    ("small_packets_whole", 20_000),
    ("small_packets_by_the_byte", 20_000),
    ("large_packet_by_the_byte", 40_000),
    ("large_packet_by_the_byte_without_framer", 65_534),
    ("sent_by_the_byte", 10_000),
    ("sent_by_the_byte_with_references", 20_000),
];

#[test]
fn twice_the_input_is_at_most_about_twice_the_work() {
    let mut faults = Vec::new();
    for &(case, n) in CASES {
        let (half, whole) = (instructions(case, n / 2), instructions(case, n));
        let growth = whole as f64 / half as f64;
        println!("{case}: {half} instructions for {}, {whole} for {n}: {growth:.3} times", n / 2);
        assert!(half > n / 2 / 16, "{case} did nothing");
        if growth > 2.05 {
            faults.push(format!("{case}: {growth:.3} times"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Else the test above would prove nothing.
#[test]
fn what_is_not_linear_is_seen() {
    let (half, whole) = (instructions("not_linear", 500), instructions("not_linear", 1_000));
    assert!(whole as f64 / half as f64 > 3.5, "{half} instructions became {whole}");
}

fn instructions(case: &str, n: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=proofs::measured"])
        .args([env!("CARGO_BIN_EXE_proofs"), case, &n.to_string()])
        .output()
        .expect("valgrind has to be installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case} {n}: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).expect(&said).1;
    collected.trim().parse().expect(collected)
}
