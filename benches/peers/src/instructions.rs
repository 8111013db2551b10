//! Instructions per packet of all contestants at one case: the same in every run, whatever else the machine does.

use std::path::Path;

use crate::cases::{Case, Work};
use crate::lanes::{Lane, lanes};
use crate::table::Figure;
use crate::valgrind;

/// Valgrind takes fifty times as long, so the smallest reads are left out.
const READ_MIN: usize = 1000;

/// `case` doesn't take too long.
pub fn is_countable(case: &Case) -> bool {
    !matches!(case.work, Work::Decode { read, .. } if read < READ_MIN)
}

/// All contestants that take part in `case`.
pub fn count(case: &Case) -> Vec<Figure> {
    let figure = |lane: Lane| {
        let (instructions, packets) = valgrind::count(&case.id(), &lane, Path::new("/dev/null"));
        Figure { name: lane.name, kind: lane.kind, cost: instructions as f64 / packets as f64, allocations: None }
    };
    lanes(case).into_iter().map(figure).collect()
}
