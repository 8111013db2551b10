//! A small part of what the example `simulate` runs, for every `cargo test`.

use mqtt_sim::{Report, simulate};

fn run(seeds: std::ops::Range<u64>) -> Report {
    let mut report = Report::default();
    for seed in seeds {
        match simulate(seed) {
            Ok(one) => report.add(&one),
            Err(failure) => panic!("{failure}"),
        }
    }
    report
}

#[test]
fn a_crowd_gets_what_it_was_promised() {
    let report = run(0..150);
    assert!(report.steps >= 200 * report.schedules);
    assert!(report.reconnecting * 100 >= 80 * report.schedules);
    assert!(report.crashing * 100 >= 30 * report.schedules);
}

/// Each of these has found something: in `mqtt-session`, or in what was thought to be promised.
#[test]
fn seeds_that_once_failed_fail_no_more() {
    // 22: a QoS 2 message that had been acknowledged out of turn came again. 3,049,019: it was at rest before all clients knew that their session had expired.
    // 10,011,545: a message for which there had been no room came when it was sent again, after later ones.
    for seed in [22, 90, 99, 149, 203, 669, 1_497, 1_768, 5_795, 6_219, 8_416, 14_260, 3_049_019, 10_011_545] {
        run(seed..seed + 1);
    }
}
