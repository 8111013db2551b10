//! Where the instructions of two contestants go: by function, and by the file that the code was inlined from.

use std::process::Command;

use crate::lanes::{Lane, lane};
use crate::{cases, usage, valgrind};

/// As many functions are told apart; the others are added up.
const TOLD: usize = 10;

/// Prints ours and a peer side by side.
pub fn print(case: &str, peer: &str) {
    let found = cases::find(case).unwrap_or_else(|| usage());
    let sides = ["ours", peer].map(|name| {
        let Some(lane) = lane(&found, name) else {
            eprintln!("{name} takes no part in {case}; the tables say who does");
            std::process::exit(2);
        };
        Profile::take(case, &lane)
    });
    println!("## {case}\n");
    println!("Self instructions per packet, by function and by the file that the code comes from\n");
    for side in &sides {
        print!("| {:.1} | {} ", side.total(), side.name);
    }
    println!("|\n|{}", "---:|---|".repeat(sides.len()));
    let rows = sides.each_ref().map(Profile::rows);
    for index in 0..rows.iter().map(Vec::len).max().unwrap_or(0) {
        for rows in &rows {
            match rows.get(index) {
                Some((cost, place)) => print!("| {cost:.1} | {place} "),
                None => print!("| | "),
            }
        }
        println!("|");
    }
    println!();
}

/// Places with what they cost per packet, the most costly first.
struct Profile {
    name: &'static str,
    places: Vec<(f64, String)>,
}

impl Profile {
    fn take(case: &str, lane: &Lane) -> Self {
        let file = std::env::temp_dir().join(format!("peers-{}.callgrind", std::process::id()));
        let (_, packets) = valgrind::count(case, lane, &file);
        let output = Command::new("callgrind_annotate")
            .args(["--threshold=100", "--auto=no"])
            .arg(&file)
            .output()
            .expect("callgrind_annotate comes with valgrind");
        std::fs::remove_file(&file).expect("valgrind has written it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut places: Vec<(f64, String)> = Vec::new();
        for (cost, place) in String::from_utf8_lossy(&output.stdout).lines().filter_map(place) {
            let cost = cost as f64 / packets as f64;
            // Two instances of a generic function can have one name.
            match places.iter_mut().find(|(_, known)| *known == place) {
                Some((sum, _)) => *sum += cost,
                None => places.push((cost, place)),
            }
        }
        places.sort_by(|(left, _), (right, _)| right.total_cmp(left));
        Self { name: lane.name, places }
    }

    fn total(&self) -> f64 {
        self.places.iter().map(|(cost, _)| cost).sum()
    }

    fn rows(&self) -> Vec<(f64, String)> {
        let (told, others) = self.places.split_at(TOLD.min(self.places.len()));
        let mut rows = told.to_vec();
        if !others.is_empty() {
            rows.push((others.iter().map(|(cost, _)| cost).sum(), format!("{} others", others.len())));
        }
        rows
    }
}

/// `12,345 (6.7%)  FILE:FUNCTION [OBJECT]`
fn place(line: &str) -> Option<(u64, String)> {
    let (cost, rest) = line.trim_start().split_once(" (")?;
    let cost = cost.replace(',', "").parse().ok()?;
    let (file, function) = rest.split_once("%)")?.1.trim_start().split_once(':')?;
    let function = function.split_once(" [").map_or(function, |(function, _)| function);
    Some((cost, format!("`{}`, {}", short(function), short_file(file))))
}

/// Without the modules.
fn short(mut path: &str) -> String {
    let mut short = String::new();
    while let Some(first) = path.chars().next() {
        let is_word = |other: char| other.is_alphanumeric() || other == '_';
        let (word, rest) = path.split_at(path.find(|other| !is_word(other)).unwrap_or(path.len()));
        if word.is_empty() {
            short.push(first);
            path = &path[first.len_utf8()..];
        } else if first.is_lowercase() && rest.starts_with("::") {
            path = &rest[2..];
        } else {
            short.push_str(word);
            path = rest;
        }
    }
    short
}

/// From the folder of the crate on.
fn short_file(file: &str) -> String {
    match file.rfind("/src/") {
        Some(end) => file[file[..end].rfind('/').map_or(0, |slash| slash + 1)..].into(),
        None if file.starts_with("src/") => format!("peers/{file}"),
        None if file == "???" => "no source".into(),
        None => file.rsplit('/').next().unwrap_or(file).into(),
    }
}
