//! Runs: one seed twice, many seeds, and what to say when one fails.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use mqtt_session::Instant;

use crate::checks::{Breach, Check};
use crate::fault::{Fault, TimedFault, random_faults};
use crate::marks::{Mark, Marks};
use crate::minimise::shrink;
use crate::random::Random;
use crate::workload::{Deed, Plan};
use crate::world::World;

/// How often a failing run is tried again with less.
const TRIES_MAX: usize = 600;
/// How much of the end of a failing run is told.
const LINES_MAX: usize = 60;

/// One thing on the list of what happens in a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// A client does something.
    Deed(Instant, usize, Deed),
    /// Something goes wrong.
    Fault(Instant, Fault),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Deed(at, ..) | Self::Fault(at, _)) = self;
        write!(f, "{:>11.6} ", at.as_micros() as f64 / 1e6)?;
        match self {
            Self::Deed(_, client, deed) => write!(f, "client {client}: {deed:?}"),
            Self::Fault(_, fault) => write!(f, "{fault:?}"),
        }
    }
}

/// What came of one run, or of many.
///
/// ```
/// let report = mqtt_sim::simulate(7).unwrap();
/// assert!(report.steps >= 200);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Runs.
    pub schedules: u64,
    /// Deeds and faults.
    pub steps: u64,
    /// Everything that was sent, heard or done.
    pub happenings: u64,
    /// Runs in which a client connected again.
    pub reconnecting: u64,
    /// Runs in which a client or the server crashed.
    pub crashing: u64,
    /// What was met.
    pub marks: Marks,
}

impl Report {
    /// Adds that of other runs.
    pub fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.happenings += other.happenings;
        self.reconnecting += other.reconnecting;
        self.crashing += other.crashing;
        self.marks.add(&other.marks);
    }

    fn of(played: &Played, steps: u64) -> Self {
        let count = |marks: &[Mark]| u64::from(marks.iter().any(|&mark| played.marks.count(mark) > 0));
        let crashes =
            [Mark::ClientCrashed, Mark::ClientCrashedInFlight, Mark::ServerCrashed, Mark::ServerCrashedInFlight];
        Self {
            schedules: 1,
            steps,
            happenings: played.happenings,
            reconnecting: count(&[Mark::Reconnected]),
            crashing: count(&crashes),
            marks: played.marks.clone(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: u64| part as f64 * 100.0 / self.schedules.max(1) as f64;
        writeln!(f, "schedules {}, each run twice", self.schedules)?;
        writeln!(f, "steps {} ({:.0} a schedule)", self.steps, self.steps as f64 / self.schedules.max(1) as f64)?;
        writeln!(f, "happenings {}", self.happenings)?;
        writeln!(f, "with a reconnect {:.1} %, with a crash {:.1} %", share(self.reconnecting), share(self.crashing))?;
        write!(f, "{}", self.marks)
    }
}

/// A run that failed, made as short as it gets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The seed that it came out of.
    pub seed: u64,
    /// What went wrong.
    pub breach: Breach,
    /// Who took part.
    pub setting: String,
    /// What has to happen so that it goes wrong.
    pub steps: Vec<Step>,
    /// The end of that short run.
    pub lines: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} fails: {}", self.seed, self.breach)?;
        writeln!(f, "{}", self.setting)?;
        writeln!(f, "{} steps suffice:", self.steps.len())?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))?;
        writeln!(f, "the last {} lines:", self.lines.len())?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl std::error::Error for Failure {}

/// What is left of a run.
pub(crate) struct Played {
    pub(crate) breach: Option<Breach>,
    pub(crate) hash: u64,
    happenings: u64,
    marks: Marks,
    lines: Vec<String>,
}

pub(crate) fn play(mut world: World, lines_max: usize, drive: impl FnOnce(&mut World)) -> Played {
    world.keep_lines(lines_max);
    let panicked = catch_unwind(AssertUnwindSafe(|| drive(&mut world))).err();
    let breach = match panicked {
        Some(cause) => Some(Breach::new(Check::NoPanic, world.now(), words(&*cause))),
        None => world.breach().cloned(),
    };
    Played {
        breach,
        hash: world.hash(),
        happenings: world.happenings(),
        marks: world.marks().clone(),
        lines: world.into_lines(),
    }
}

fn words(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).into());
    text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Runs twice, compares, and looks for the shortest list of steps that goes wrong in the same way.
fn judge(
    seed: u64,
    steps: &[Step],
    setting: impl FnOnce() -> String,
    play: impl Fn(&[Step], usize) -> Played,
) -> Result<Report, Box<Failure>> {
    let (played, again) = (play(steps, 0), play(steps, 0));
    let differs = |one: &Played, other: &Played| one.hash != other.hash || one.happenings != other.happenings;
    let Some(breach) = played.breach.clone() else {
        if differs(&played, &again) {
            let what = format!("two runs: {:016x} and {:016x}", played.hash, again.hash);
            let breach = Breach::new(Check::Determinism, Instant::ZERO, what);
            return Err(Box::new(Failure { seed, breach, setting: setting(), steps: steps.into(), lines: Vec::new() }));
        }
        return Ok(Report::of(&played, steps.len() as u64));
    };
    let fails = |steps: &[Step]| play(steps, 0).breach.is_some_and(|found| found.check == breach.check);
    let steps = shrink(steps, TRIES_MAX, fails);
    let Played { breach: last, lines, .. } = play(&steps, LINES_MAX);
    Err(Box::new(Failure { seed, breach: last.unwrap_or(breach), setting: setting(), steps, lines }))
}

/// Runs the schedule of one seed, twice: a crowd of clients, a [`Hub`](crate::Hub), more than 200 deeds and faults, then peace.
///
/// # Errors
///
/// A promise was not kept, or the two runs differ.
pub fn simulate(seed: u64) -> Result<Report, Box<Failure>> {
    let plan = Plan::new(seed);
    judge(
        seed,
        &plan.steps,
        || plan.describe(),
        |steps, lines_max| play(plan.world(steps), lines_max, |world| plan.drive(world)),
    )
}

/// Your own program in this world: clients and applications of yours, faults by chance, and what must hold in the end.
///
/// ```
/// use std::time::Duration;
/// use mqtt_proto::{QoS, TopicName};
/// use mqtt_session::{ConnectOptions, Event, Message, Outcome};
/// use mqtt_sim::{App, Handle, Trial};
///
/// /// Reports that the door is open, and wants to be sure that it was heard.
/// #[derive(Default)]
/// struct Door {
///     is_reported: bool,
/// }
///
/// impl App for Door {
///     fn on_start(&mut self, client: &mut Handle<'_>) {
///         let mut message = Message::new(TopicName::new("door").unwrap(), "open");
///         message.qos = QoS::AtLeastOnce;
///         client.publish(&message).unwrap();
///     }
///
///     fn on_event(&mut self, event: &Event<'_>, _: &mut Handle<'_>) {
///         self.is_reported |= matches!(event, Event::Published { outcome: Outcome::Delivered(_), .. });
///     }
/// }
///
/// let trial = Trial::new(|world| {
///     world.add(ConnectOptions::new("door"), Door::default());
/// })
/// .must_hold(|world| {
///     let door = world.app::<Door>(0).unwrap();
///     if door.is_reported { Ok(()) } else { Err("nobody heard of the door".into()) }
/// });
/// let report = trial.run(0..20)?;
/// assert_eq!(report.schedules, 20);
/// # Ok::<(), Box<mqtt_sim::Failure>>(())
/// ```
pub struct Trial<B, V> {
    build: B,
    verify: V,
    faults: usize,
    time: Duration,
}

impl<B> fmt::Debug for Trial<B, Verify> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("faults", &self.faults).field("time", &self.time).finish_non_exhaustive()
    }
}

type Verify = Box<dyn Fn(&World) -> Result<(), String>>;

impl<B: Fn(&mut World)> Trial<B, Verify> {
    /// A trial of what `build` adds to a world, with 20 faults within 20 seconds.
    pub fn new(build: B) -> Self {
        Self { build, verify: Box::new(|_| Ok(())), faults: 20, time: Duration::from_secs(20) }
    }

    /// What must hold when all is over; the words say what does not.
    #[must_use]
    pub fn must_hold(mut self, verify: impl Fn(&World) -> Result<(), String> + 'static) -> Self {
        self.verify = Box::new(verify);
        self
    }

    /// So many faults, within so much time.
    #[must_use]
    pub const fn faults(mut self, count: usize, time: Duration) -> Self {
        self.faults = count;
        self.time = time;
        self
    }

    /// Runs these seeds, each twice.
    ///
    /// # Errors
    ///
    /// The first that fails, with as few faults as it takes.
    pub fn run(&self, seeds: Range<u64>) -> Result<Report, Box<Failure>> {
        let mut report = Report::default();
        for seed in seeds {
            report.add(&self.run_seed(seed)?);
        }
        Ok(report)
    }

    fn run_seed(&self, seed: u64) -> Result<Report, Box<Failure>> {
        let mut empty = World::new(seed);
        (self.build)(&mut empty);
        let until = Instant::ZERO + self.time;
        let faults = match empty.clients() {
            0 => Vec::new(),
            clients => random_faults(&mut Random::new(seed ^ 0xFA17), clients, self.faults, until),
        };
        let steps: Vec<_> = faults.into_iter().map(|timed| Step::Fault(timed.at, timed.fault)).collect();
        let setting = || format!("{} clients", empty.clients());
        judge(seed, &steps, setting, |steps, lines_max| {
            let mut world = World::new(seed);
            (self.build)(&mut world);
            let faults = steps.iter().filter_map(|step| match step {
                Step::Fault(at, fault) => Some(TimedFault { at: *at, fault: fault.clone() }),
                Step::Deed(..) => None,
            });
            world.schedule(&faults.collect::<Vec<_>>());
            play(world, lines_max, |world| {
                world.run_until(until);
                if world.rest(Duration::from_secs(180)).is_ok()
                    && let Err(what) = (self.verify)(world)
                {
                    let now = world.now();
                    world.cx.checks.report(now, Check::Application, what);
                }
            })
        })
    }
}
