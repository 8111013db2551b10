//! The fuzz targets' seeds, each through its equation, without a fuzzer.

mod common;

use std::fs;
use std::path::Path;

use common::fuzz::checks;

#[test]
fn every_seed_of_every_fuzz_target_holds() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let targets: Vec<&str> =
        manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/")?.strip_suffix(".rs\"")).collect();
    assert_eq!(manifest.lines().filter(|line| *line == "[[bin]]").count(), targets.len());
    for target in targets {
        let check = match target {
            "decode" => checks::decode,
            "round_trip" => checks::round_trip,
            "chunks" => checks::chunks,
            "dialect" => checks::dialect,
            "topic_match" => checks::topic_match,
            // Replayed by mqtt-session.
            "client" | "server" | "pair" | "session" => continue,
            other => panic!("{other} is not replayed here"),
        };
        let mut seeds = 0;
        for seed in fs::read_dir(fuzz.join("seeds").join(target)).unwrap() {
            let path = seed.unwrap().path();
            println!("{}", path.display());
            check(&fs::read(path).unwrap());
            seeds += 1;
        }
        assert!(seeds > 0, "{target} has no seeds");
    }
}
