//! Every normative statement has a row in `ledger.tsv`, and what the row says is true: a label that stands for "tested" is on a line that enforces it and
//! on a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Statements that a machine has to keep and no test would miss. This number may only shrink.
const UNTESTED: usize = 0;

#[derive(Debug)]
struct Row {
    who: &'static str,
    disposition: &'static str,
}

fn ledger() -> BTreeMap<&'static str, Row> {
    let mut all = BTreeMap::new();
    for line in include_str!("ledger.tsv").lines().filter(|line| !line.starts_with('#')).skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let [label, who, disposition, words] = columns[..] else { panic!("four columns: {line}") };
        assert_eq!(labels(label).count(), 1, "{line}");
        assert!(["client", "server", "both"].contains(&who), "{line}");
        assert!(["tested", "untested", "codec", "host", "none"].contains(&disposition), "{line}");
        assert!(!words.is_empty(), "{line}");
        assert!(all.insert(label, Row { who, disposition }).is_none(), "twice: {label}");
    }
    all
}

/// As in `v5[MQTT-3.1.2-24]`. In documentation the brackets are escaped.
fn labels(text: &str) -> impl Iterator<Item = String> {
    let text = text.replace('\\', "");
    let starts: Vec<_> = text.match_indices("[MQTT-").filter_map(|(at, _)| at.checked_sub(2)).collect();
    starts.into_iter().filter_map(move |start| {
        let end = start + text.get(start..)?.find(']')?;
        text.get(start..=end).map(str::to_owned)
    })
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all
}

#[derive(Default)]
struct Used {
    enforced: BTreeSet<String>,
    tested: BTreeSet<String>,
}

/// The labels of a crate. In a test they count where they say what it proves: in its documentation, or in a table.
fn used(krate: &str) -> Used {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(krate);
    let mut used = Used::default();
    let mut test = |text: &str| {
        let told = text.lines().filter(|line| line.trim_start().starts_with("///") || line.contains('"'));
        told.for_each(|line| used.tested.extend(labels(line)));
    };
    for path in rust_files(&root.join("tests")) {
        if !path.ends_with("ledger.rs") {
            test(&fs::read_to_string(path).unwrap());
        }
    }
    for path in rust_files(&root.join("src")) {
        let text = fs::read_to_string(path).unwrap();
        let (code, tests) = text.split_at(text.find("#[cfg(test)]").unwrap_or(text.len()));
        used.enforced.extend(labels(code));
        test(tests);
    }
    used
}

#[test]
fn the_ledger_holds_all_statements_of_both_versions() {
    let ledger = ledger();
    let count = |version| ledger.keys().filter(|label| label.starts_with(version)).count();
    assert_eq!((count("v3["), count("v5[")), (141, 251));
}

#[test]
fn what_is_tested_is_enforced_somewhere_and_tried_somewhere() {
    let (session, proto) = (used("mqtt-session"), used("mqtt-proto"));
    for (label, row) in ledger() {
        let is_enforced = session.enforced.contains(label) || proto.enforced.contains(label);
        match row.disposition {
            "tested" => assert!(is_enforced && session.tested.contains(label), "{label} of the {}", row.who),
            "codec" => assert!(proto.enforced.contains(label) && proto.tested.contains(label), "{label}"),
            "untested" | "host" | "none" => {
                assert!(
                    !(is_enforced && session.tested.contains(label)),
                    "{label} is tested, and the ledger does not know"
                );
            }
            other => panic!("{label}: {other}"),
        }
    }
}

#[test]
fn every_label_in_use_is_in_the_ledger() {
    let ledger = ledger();
    for krate in ["mqtt-session", "mqtt-proto"] {
        let used = used(krate);
        assert!(!used.enforced.is_empty() && !used.tested.is_empty());
        for label in used.enforced.union(&used.tested) {
            assert!(ledger.contains_key(label.as_str()), "{label} in {krate} is no statement");
        }
    }
}

#[test]
fn the_untested_only_become_fewer() {
    let untested: Vec<_> = ledger().into_iter().filter(|(_, row)| row.disposition == "untested").collect();
    assert_eq!(untested.len(), UNTESTED, "{untested:?}");
}
