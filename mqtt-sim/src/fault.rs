//! What can go wrong, as values: so that a run can be had again without this or that.

use std::time::Duration;

use mqtt_proto::QoS;
use mqtt_session::{Instant, ServerOptions};

use crate::random::Random;
use crate::wire::End;

/// Something that goes wrong. Clients are named by the number that [`World::add`](crate::World::add) gave them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The connection breaks, once so many more bytes have come to this end: inside a packet, most often.
    Break {
        /// Whose.
        client: usize,
        /// The end that the bytes come to.
        to: End,
        /// How many still do.
        bytes: usize,
    },
    /// An end resets the connection. Some of what was on its way still comes.
    Reset {
        /// Whose.
        client: usize,
        /// The end that resets it.
        end: End,
    },
    /// An end closes the connection in order, without having said goodbye.
    Close {
        /// Whose.
        client: usize,
        /// The end that closes it.
        end: End,
    },
    /// An end is gone, and the other does not hear of it: a cable is pulled.
    Vanish {
        /// Whose.
        client: usize,
        /// The end that is gone.
        end: End,
    },
    /// Nothing comes through in one direction for a while.
    Stall {
        /// Whose.
        client: usize,
        /// The end that gets nothing.
        to: End,
        /// How long.
        time: Duration,
    },
    /// Only a few bytes come through in one direction for a while: a packet can take longer than the keep alive.
    Trickle {
        /// Whose.
        client: usize,
        /// The end that they come to.
        to: End,
        /// How many each second; at least one.
        bytes: usize,
        /// How long.
        time: Duration,
    },
    /// Everything takes twenty times as long for a while.
    Slow {
        /// How long.
        time: Duration,
    },
    /// An end reads nothing for a while.
    StopReading {
        /// Whose.
        client: usize,
        /// The end that does not read.
        end: End,
        /// How long.
        time: Duration,
    },
    /// A client's process dies, and is started again after a while.
    CrashClient {
        /// Which.
        client: usize,
        /// How long it is down.
        time: Duration,
    },
    /// The server's process dies, and is started again after a while.
    CrashServer {
        /// How long it is down.
        time: Duration,
    },
    /// No transport is accepted for a while.
    RefuseTransports {
        /// How long.
        time: Duration,
    },
    /// Transports are accepted, and nobody answers on them.
    NeverAnswer {
        /// How long this is so for new ones.
        time: Duration,
    },
    /// The server says no to each CONNECT for a while.
    RefuseConnects {
        /// How long.
        time: Duration,
    },
    /// The server offers something else to those who connect from now on.
    Offer(
        /// What.
        Box<ServerOptions>,
    ),
    /// A client says goodbye, and stays away for a while.
    Leave {
        /// Which.
        client: usize,
        /// How long.
        time: Duration,
    },
    /// A client forgets its session when it connects next.
    StartClean {
        /// Which.
        client: usize,
    },
}

impl Fault {
    /// Anything at all, for one of so many clients.
    #[must_use]
    pub fn random(random: &mut Random, clients: usize) -> Self {
        let client = random.index(clients);
        let end = random.pick(&[End::Client, End::Server]);
        let short = Duration::from_millis(random.within(1..=4_000));
        let long = Duration::from_millis(random.within(100..=15_000));
        match random.within(0..=99) {
            0..=19 => Self::Break { client, to: end, bytes: random.within(0..=300) as usize },
            20..=21 => Self::Trickle { client, to: end, bytes: random.within(1..=50) as usize, time: long },
            22..=29 => Self::Reset { client, end },
            30..=34 => Self::Close { client, end },
            35..=44 => Self::Vanish { client, end },
            45..=52 => Self::Stall { client, to: end, time: short },
            53..=56 => Self::Slow { time: short },
            57..=64 => Self::StopReading { client, end, time: long },
            65..=76 => Self::CrashClient { client, time: short },
            77..=81 => Self::CrashServer { time: short },
            82..=83 => Self::RefuseTransports { time: short },
            84..=85 => Self::NeverAnswer { time: short },
            86..=87 => Self::RefuseConnects { time: short },
            88..=93 => Self::Offer(Box::new(offer(random, false))),
            94..=97 => Self::Leave { client, time: long },
            _ => Self::StartClean { client },
        }
    }
}

/// A fault and its time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is a pair with names")]
pub struct TimedFault {
    /// When.
    pub at: Instant,
    /// What.
    pub fault: Fault,
}

/// So many faults, in the order of their times.
#[must_use]
pub fn random_faults(random: &mut Random, clients: usize, count: usize, until: Instant) -> Vec<TimedFault> {
    let mut faults: Vec<_> = (0..count)
        .map(|_| TimedFault {
            at: Instant::from_micros(random.within(0..=until.as_micros())),
            fault: Fault::random(random, clients),
        })
        .collect();
    faults.sort_by_key(|timed| timed.at);
    faults
}

/// Limits that make life interesting. Some of them only 5.0 can tell a client: others would run into them again and again.
pub(crate) fn offer(random: &mut Random, all_can_be_told: bool) -> ServerOptions {
    let mut options = ServerOptions::default();
    options.receive_maximum = random.pick(&[1, 2, 3, 10, 100]);
    if all_can_be_told {
        options.packet_bytes_max = random.pick(&[128, 600, 4_096, 1 << 20]);
        options.maximum_qos = random.pick(&[QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::AtLeastOnce]);
    }
    options.server_keep_alive = random.pick(&[None, None, Some(3)]);
    options.limits.attempts_max = u32::MAX;
    options.limits.topic_aliases_max = random.pick(&[0, 2, 100]);
    options.topic_alias_maximum = random.pick(&[0, 1, 10]);
    options.limits.in_flight_max = random.pick(&[1, 5, 100]);
    options.limits.output_bytes_max = random.pick(&[64, 1_024, 64 << 10]);
    options.limits.queued_messages_max = random.pick(&[30, 10_000, 10_000, 10_000]);
    options
}
