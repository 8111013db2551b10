//! The three adapters are one program: but for the runtime's name, little differs outside the file that holds the runtime's own types.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// How many lines of two adapters may differ; a changed line counts twice.
const DIFFERING_LINES_MAX: usize = 80;

/// The file that holds the runtime's own types.
const RUNTIMES_OWN: &str = "src/net.rs";

/// As their crates and their modules are called.
const TOKIO: [&str; 2] = ["tokio", "tokio"];
const SMOL: [&str; 2] = ["smol", "smol"];
const ASYNC_STD: [&str; 2] = ["async-std", "async_std"];

#[test]
fn tokio_and_smol_are_alike() {
    assert_alike(TOKIO, SMOL);
}

#[test]
fn tokio_and_async_std_are_alike() {
    assert_alike(TOKIO, ASYNC_STD);
}

#[test]
fn smol_and_async_std_are_alike() {
    assert_alike(SMOL, ASYNC_STD);
}

#[test]
fn only_one_file_names_the_runtimes_own_types() {
    for runtime in [TOKIO, SMOL, ASYNC_STD] {
        for file in files(runtime).iter().filter(|file| file.starts_with("src/") && *file != RUNTIMES_OWN) {
            let text = read(runtime, file);
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let naming: Vec<&str> = code.filter(|line| line.contains(runtime[1])).collect();
            assert!(naming.is_empty(), "mqtt-{}/{file} names its runtime: {naming:#?}", runtime[0]);
        }
    }
}

#[test]
fn differing_lines_are_those_of_a_diff() {
    assert!(differing("a\nb\nc", "a\nb\nc").is_empty());
    assert_eq!(differing("a\nb\nc", "a\nx\nc"), ["-b", "+x"]);
    assert_eq!(differing("a\nc", "a\nb\nc\nd"), ["+b", "+d"]);
    assert_eq!(differing("a\nb", "b\na"), ["-a", "+a"]);
    assert_eq!(differing("", "a"), ["+a"]);
}

fn assert_alike(left: [&str; 2], right: [&str; 2]) {
    assert_eq!(files(left), files(right), "mqtt-{} and mqtt-{} have other files", left[0], right[0]);
    let mut differing_lines = Vec::new();
    for file in files(left).iter().filter(|file| *file != RUNTIMES_OWN) {
        let lines = differing(&unnamed(left, file), &unnamed(right, file));
        differing_lines.extend(lines.into_iter().map(|line| format!("{file}: {line}")));
    }
    let count = differing_lines.len();
    let list = differing_lines.join("\n");
    assert!(count <= DIFFERING_LINES_MAX, "mqtt-{} and mqtt-{} differ in {count} lines:\n{list}", left[0], right[0]);
}

/// The sources and examples of an adapter.
fn files(runtime: [&str; 2]) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for folder in ["src", "examples"] {
        for entry in fs::read_dir(path(runtime, folder)).expect("every adapter has this folder") {
            let name = entry.expect("a folder can be listed").file_name();
            files.insert(format!("{folder}/{}", name.to_string_lossy()));
        }
    }
    assert!(files.contains(RUNTIMES_OWN) && files.len() > 1, "mqtt-{} has only {files:?}", runtime[0]);
    files
}

/// A file without the name of the runtime.
fn unnamed(runtime: [&str; 2], file: &str) -> String {
    runtime.iter().fold(read(runtime, file), |text, name| text.replace(name, "runtime"))
}

fn read(runtime: [&str; 2], file: &str) -> String {
    fs::read_to_string(path(runtime, file)).expect("a listed file can be read")
}

fn path(runtime: [&str; 2], file: &str) -> PathBuf {
    let adapter = format!("../mqtt-{}", runtime[0]);
    [env!("CARGO_MANIFEST_DIR"), &adapter, file].iter().collect()
}

/// The lines that are only on the left, and those that are only on the right: as few as can be.
fn differing(left: &str, right: &str) -> Vec<String> {
    let left: Vec<&str> = left.lines().collect();
    let right: Vec<&str> = right.lines().collect();
    // How many lines what follows two places has in common.
    let mut common = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
    for (i, a) in left.iter().enumerate().rev() {
        for (j, b) in right.iter().enumerate().rev() {
            common[i][j] = if a == b { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let mut lines = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == right.len() || i < left.len() && common[i + 1][j] >= common[i][j + 1] {
            lines.push(format!("-{}", left[i]));
            i += 1;
        } else {
            lines.push(format!("+{}", right[j]));
            j += 1;
        }
    }
    lines
}
