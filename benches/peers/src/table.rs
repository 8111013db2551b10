//! Figures as Markdown.

use crate::contestant::Kind;

/// What one contestant needed.
pub struct Figure {
    /// Who.
    pub name: &'static str,
    /// Whom it is compared with.
    pub kind: Kind,
    /// What one packet costs.
    pub cost: f64,
    /// Allocations per packet, where they are counted.
    pub allocations: Option<f64>,
}

/// What a cost is counted in.
#[derive(Clone, Copy)]
pub enum Unit {
    /// CPU time.
    Nanoseconds,
    /// Instructions.
    Instructions,
}

/// The figures of one section: a row per case.
pub struct Table {
    unit: Unit,
    rows: Vec<(String, Vec<Figure>)>,
}

impl Table {
    /// An empty one.
    pub fn new(unit: Unit) -> Self {
        Self { unit, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, case: String, figures: Vec<Figure>) {
        self.rows.push((case, figures));
    }

    /// Everybody's figures.
    pub fn print_figures(&self) {
        let head = match self.unit {
            Unit::Nanoseconds => "CPU time in ns / allocations, per packet",
            Unit::Instructions => "Instructions per packet",
        };
        println!("{head}\n");
        let names = self.names(|_| true);
        print_head("case", &names);
        for (case, figures) in &self.rows {
            print!("| {case} |");
            for name in &names {
                match find(figures, name) {
                    Some(figure) => print!(" {}{} |", self.cost(figure), allocations(figure)),
                    None => print!(" – |"),
                }
            }
            println!();
        }
    }

    /// How we stand: to the best peer (more than 1: we need less), and to the floor (1: no less is possible). What is owned is compared
    /// with what is owned, where packets are decoded.
    pub fn print_ratios(&self, decoding: bool) {
        let head = match self.unit {
            Unit::Nanoseconds => "Times faster than the best peer / times slower than the floor",
            Unit::Instructions => "Times fewer than the best peer / times more than the floor",
        };
        println!("\n{head}\n");
        let names = self.names(|kind| matches!(kind, Kind::Ours { .. }));
        let mut columns = vec!["best peer"];
        if decoding {
            columns.push("best owned peer");
        }
        columns.extend(&names);
        print_head("case", &columns);
        for (case, figures) in &self.rows {
            let peer = best(figures, |kind| matches!(kind, Kind::Peer { .. }));
            let owned_peer = best(figures, |kind| kind == Kind::Peer { owned: true });
            print!("| {case} | {} |", self.label(peer));
            if decoding {
                print!(" {} |", self.label(owned_peer));
            }
            for name in &names {
                let Some(figure) = find(figures, name) else {
                    print!(" – |");
                    continue;
                };
                let owned = decoding && figure.kind.is_owned();
                let peer = if owned { owned_peer } else { peer };
                let floor = best(figures, |kind| kind == Kind::Floor { owned });
                print!(" {} / {} |", ratio(peer, Some(figure)), ratio(Some(figure), floor));
            }
            println!();
        }
    }

    /// Columns: the floor, we, the peers.
    fn names(&self, wanted: impl Fn(Kind) -> bool) -> Vec<&'static str> {
        let mut columns: Vec<(Kind, &'static str)> = Vec::new();
        for figure in self.rows.iter().flat_map(|(_, figures)| figures) {
            if wanted(figure.kind) && !columns.iter().any(|&(_, name)| name == figure.name) {
                columns.push((figure.kind, figure.name));
            }
        }
        columns.sort_by_key(|(kind, _)| match kind {
            Kind::Floor { .. } => 0,
            Kind::Ours { .. } => 1,
            Kind::Peer { .. } => 2,
        });
        columns.into_iter().map(|(_, name)| name).collect()
    }

    fn label(&self, figure: Option<&Figure>) -> String {
        figure.map_or("–".into(), |figure| format!("{}, {}", figure.name, self.cost(figure)))
    }

    fn cost(&self, figure: &Figure) -> String {
        let digits = match self.unit {
            Unit::Nanoseconds if figure.cost < 100.0 => 1,
            Unit::Nanoseconds | Unit::Instructions => 0,
        };
        format!("{:.digits$}", figure.cost)
    }

    /// There is nothing to print.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn print_head(first: &str, columns: &[&str]) {
    println!("| {first} | {} |", columns.join(" | "));
    println!("|---|{}", "---:|".repeat(columns.len()));
}

fn find<'a>(figures: &'a [Figure], name: &str) -> Option<&'a Figure> {
    figures.iter().find(|figure| figure.name == name)
}

fn best(figures: &[Figure], wanted: impl Fn(Kind) -> bool) -> Option<&Figure> {
    figures.iter().filter(|figure| wanted(figure.kind)).min_by(|left, right| left.cost.total_cmp(&right.cost))
}

fn ratio(over: Option<&Figure>, under: Option<&Figure>) -> String {
    over.zip(under).map_or("–".into(), |(over, under)| format!("{:.2}", over.cost / under.cost))
}

fn allocations(figure: &Figure) -> String {
    let Some(allocations) = figure.allocations else { return String::new() };
    // What happens once in thousands of packets is not the packet's.
    let digits = if (allocations - allocations.round()).abs() < 0.05 { 0 } else { 1 };
    format!(" / {allocations:.digits$}")
}
