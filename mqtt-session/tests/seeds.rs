//! The seeds of the fuzz targets that are about sessions, and some bytes more, without a fuzzer.

#[path = "../../fuzz/src/sessions/mod.rs"]
mod sessions;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

type Check = fn(&[u8]);

const TARGETS: [(&str, Check); 4] = [
    ("client", sessions::client),
    ("server", sessions::server),
    ("pair", sessions::pair),
    ("session", sessions::session),
];

#[test]
fn every_seed_of_every_target_holds() {
    for (target, check) in TARGETS {
        let mut seeds = 0;
        for seed in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target)).unwrap() {
            let path = seed.unwrap().path();
            println!("{}", path.display());
            check(&fs::read(path).unwrap());
            seeds += 1;
        }
        assert!(seeds > 0, "{target} has no seeds");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_hold(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        TARGETS.iter().for_each(|(_, check)| check(&bytes));
    }
}
