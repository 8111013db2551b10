//! Runs the simulator over many seeds and says what it met.
//!
//! `cargo run --release -p mqtt-sim --example simulate -- [--seeds A..B] [--fresh N]`
//!
//! Without arguments: seeds 0..1000. Fresh seeds follow from the time of day, and are printed, so that a failure can be had again with `--seeds`. Each seed runs
//! in one thread; the seeds are shared out to as many threads as there are processors.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mqtt_sim::{Failure, Report, simulate};

/// Fewer than these are no sample, and not every mark has to be met.
const SAMPLE_MIN: u64 = 2_000;

fn main() -> ExitCode {
    let ranges = match ranges() {
        Ok(ranges) => ranges,
        Err(what) => {
            eprintln!("{what}\nusage: simulate [--seeds A..B] [--fresh N]");
            return ExitCode::from(2);
        }
    };
    let begin = Instant::now();
    let mut report = Report::default();
    for range in ranges {
        println!("seeds {}..{}", range.start, range.end);
        match run(range) {
            Ok(part) => report.add(&part),
            Err(failure) => {
                println!("{failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    print!("{report}");
    println!("{:.1} s", begin.elapsed().as_secs_f64());
    match complaints(&report) {
        complaints if complaints.is_empty() => ExitCode::SUCCESS,
        complaints => {
            complaints.iter().for_each(|complaint| println!("{complaint}"));
            ExitCode::FAILURE
        }
    }
}

/// What the arguments ask for.
fn ranges() -> Result<Vec<Range<u64>>, String> {
    let mut ranges = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{name} {value}: {error}"));
        match name.as_str() {
            "--seeds" => {
                let (from, to) = value.split_once("..").ok_or_else(|| format!("{name} {value}: no range"))?;
                ranges.push(number(from)?..number(to)?);
            }
            "--fresh" => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
                // Far above all that anybody would name.
                let from = now.as_micros() as u64;
                ranges.push(from..from.saturating_add(number(&value)?));
            }
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    if ranges.is_empty() {
        ranges.push(0..1_000);
    }
    Ok(ranges)
}

/// All seeds of a range, or the lowest that was found to fail.
fn run(seeds: Range<u64>) -> Result<Report, Box<Failure>> {
    let next = AtomicU64::new(seeds.start);
    let work = || -> Result<Report, Box<Failure>> {
        let mut report = Report::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(report);
            }
            match simulate(seed) {
                Ok(one) => report.add(&one),
                Err(failure) => {
                    next.store(seeds.end, Ordering::Relaxed);
                    return Err(failure);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    let mut report = Report::default();
    let mut failures = Vec::new();
    for part in parts {
        match part {
            Ok(part) => report.add(&part),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.into_iter().min_by_key(|failure| failure.seed) {
        Some(failure) => Err(failure),
        None => Ok(report),
    }
}

/// What was not met, though it should have been.
fn complaints(report: &Report) -> Vec<String> {
    if report.schedules < SAMPLE_MIN {
        return Vec::new();
    }
    let mut complaints: Vec<_> = report.marks.missing().map(|mark| format!("never met: {mark}")).collect();
    for (what, count, percent_min) in [("a reconnect", report.reconnecting, 80), ("a crash", report.crashing, 30)] {
        if count * 100 < report.schedules * percent_min {
            complaints.push(format!("fewer than {percent_min} % of the schedules with {what}"));
        }
    }
    complaints
}
