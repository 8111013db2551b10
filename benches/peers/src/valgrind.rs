//! One contestant at one case under valgrind, which counts every instruction. The program runs itself for that.

use std::path::Path;
use std::process::Command;

use crate::lanes::{Lane, lane};
use crate::{cases, usage};

/// With this as its first argument the program is inside valgrind; the case and the contestant follow.
pub const ALONE: &str = "--alone";

/// Packets that are counted, at least: enough that what happens now and then, as a receive buffer that is replaced, has its share.
const PACKETS: u64 = 1000;

/// Instructions of one contestant, and the packets that it needed them for. Where they went can be read from `profile` afterwards.
pub fn count(case: &str, lane: &Lane, profile: &Path) -> (u64, u64) {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=peers::valgrind::counted"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(std::env::current_exe().expect("the program knows where it is"))
        .args([ALONE, case, lane.name])
        .output()
        .expect("valgrind has to be installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case}, {}: {said}", lane.name);
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).expect(&said).1;
    (collected.trim().parse().expect(collected), u64::from(passes(lane)) * lane.packets)
}

/// What happens inside valgrind.
pub fn alone(case: &str, name: &str) {
    let case = cases::find(case).unwrap_or_else(|| usage());
    let mut lane = lane(&case, name).unwrap_or_else(|| usage());
    lane.run(1);
    counted(&mut lane);
}

/// Only this is counted: valgrind knows it by its name.
#[inline(never)]
fn counted(lane: &mut Lane) {
    lane.run(passes(lane));
}

fn passes(lane: &Lane) -> u32 {
    u32::try_from(PACKETS.div_ceil(lane.packets)).expect("a pass has packets")
}
