//! What lies between the ends: two pipes of bytes per connection, and all that can happen to them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mqtt_session::Instant;

use crate::clock::Clock;
use crate::marks::{Mark, Marks};
use crate::random::Random;
use crate::world::Happening;

/// One of the two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two")]
pub enum End {
    /// The client's.
    Client,
    /// The server's.
    Server,
}

impl End {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Names one connection of one world; no two have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u64);

/// How the wire behaves, apart from faults. Each write draws from it anew.
///
/// ```
/// use std::time::Duration;
/// use mqtt_sim::Weather;
///
/// let mut weather = Weather::default();
/// weather.latency_max = Duration::from_secs(2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Weather {
    /// What each piece takes at least. Default: 1 ms.
    pub latency_min: Duration,
    /// And at most. Default: 50 ms.
    pub latency_max: Duration,
    /// In how many of a hundred cases a write is cut in pieces. Default: 30.
    pub split_percent: u64,
    /// In how many of a hundred cases a piece waits for the one before and comes with it. Default: 30.
    pub join_percent: u64,
    /// How many bytes a second get through. Default: 1,000,000.
    pub bytes_per_second: u64,
    /// How many bytes may be on their way in one direction before the sender has to wait. Default: 65,536.
    pub window_bytes: usize,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            latency_min: Duration::from_millis(1),
            latency_max: Duration::from_millis(50),
            split_percent: 30,
            join_percent: 30,
            bytes_per_second: 1_000_000,
            window_bytes: 65_536,
        }
    }
}

/// How an end goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Farewell {
    /// In order: the other end gets all bytes, and then is told.
    Fin,
    /// In anger: the other end gets some of the bytes, and then is told.
    Reset,
    /// Without a word, now or ever.
    Silence,
}

#[derive(Debug)]
enum Parcel {
    Bytes(Vec<u8>),
    Fin,
    Reset,
}

/// What an end finds when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Over {
    Fin,
    Reset,
}

/// So many bytes get through each second until then.
#[derive(Clone, Copy, Debug)]
struct Trickle {
    bytes: usize,
    until: Instant,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    parcels: VecDeque<(Instant, Parcel)>,
    /// Bytes in `parcels`.
    bytes: usize,
    /// Bytes that have arrived and that the end has not consumed.
    arrived: Vec<u8>,
    over: Option<Over>,
    /// When the last parcel arrives: none overtakes another.
    last: Instant,
    stands_until: Instant,
    trickle: Option<Trickle>,
    /// The connection breaks after so many more bytes.
    breaks_after: Option<usize>,
    /// The sender waits for room.
    is_blocked: bool,
    /// Bytes may have been lost: nothing more gets in, or there would be a gap.
    is_broken: bool,
}

/// Where one end is.
#[derive(Debug, Default)]
struct Gate {
    is_closed: bool,
    reads_from: Instant,
}

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Whose.
    pub(crate) client: usize,
    /// Nobody is told of a closed end.
    is_silent: bool,
    /// Towards the client, towards the server.
    pipes: [Pipe; 2],
    gates: [Gate; 2],
}

impl Link {
    fn is_gone(&self) -> bool {
        self.gates.iter().all(|gate| gate.is_closed) && self.pipes.iter().all(|pipe| pipe.parcels.is_empty())
    }
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Wire {
    links: BTreeMap<LinkId, Link>,
    count: u64,
    random: Random,
    pub(crate) weather: Weather,
    /// Until then it is slow.
    pub(crate) slow_until: Instant,
}

impl Wire {
    pub(crate) const fn new(random: Random, weather: Weather) -> Self {
        Self { links: BTreeMap::new(), count: 0, random, weather, slow_until: Instant::ZERO }
    }

    /// A new connection of a client.
    pub(crate) fn open(&mut self, client: usize) -> LinkId {
        self.count += 1;
        let id = LinkId(self.count);
        self.links.insert(id, Link { client, ..Link::default() });
        id
    }

    pub(crate) fn client_of(&self, id: LinkId) -> Option<usize> {
        self.links.get(&id).map(|link| link.client)
    }

    pub(crate) fn ids(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    pub(crate) fn is_open(&self, id: LinkId, end: End) -> bool {
        self.links.get(&id).is_some_and(|link| !link.gates[end as usize].is_closed)
    }

    /// The server's end was never there: nothing it gets is answered, not even with a reset.
    pub(crate) fn leave_unanswered(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.is_silent = true;
            link.gates[End::Server as usize].is_closed = true;
        }
    }

    /// The sender at this end may write.
    pub(crate) fn has_room(&mut self, id: LinkId, from: End, marks: &mut Marks) -> bool {
        let window_bytes = self.weather.window_bytes;
        let Some(link) = self.links.get_mut(&id) else { return true };
        let pipe = &mut link.pipes[from.other() as usize];
        pipe.is_blocked = pipe.bytes + pipe.arrived.len() >= window_bytes;
        if pipe.is_blocked {
            marks.hit(Mark::Blocked);
        }
        !pipe.is_blocked
    }

    /// Sends what one end has written, in pieces perhaps.
    pub(crate) fn send(
        &mut self,
        clock: &mut Clock<Happening>,
        id: LinkId,
        from: End,
        bytes: &[u8],
        marks: &mut Marks,
    ) {
        let mut rest = bytes;
        let mut pieces = 0;
        while !rest.is_empty() {
            let is_cut = rest.len() > 1 && pieces < 8 && self.random.percent(self.weather.split_percent);
            let length = if is_cut { self.random.within(1..=rest.len() as u64 - 1) as usize } else { rest.len() };
            let (piece, behind) = rest.split_at(length);
            self.push(clock, id, from.other(), Parcel::Bytes(piece.to_vec()));
            rest = behind;
            pieces += 1;
        }
        if pieces > 1 {
            marks.hit(Mark::Split);
        }
    }

    fn push(&mut self, clock: &mut Clock<Happening>, id: LinkId, to: End, parcel: Parcel) {
        let now = clock.now();
        let is_slow = now < self.slow_until;
        let Some(link) = self.links.get_mut(&id) else { return };
        let pipe = &mut link.pipes[to as usize];
        if pipe.is_broken {
            return;
        }
        let length = if let Parcel::Bytes(bytes) = &parcel { bytes.len() } else { 0 };
        let weather = &self.weather;
        let latency = weather.latency_min.as_micros() as u64..=weather.latency_max.as_micros() as u64;
        let mut micros = self.random.within(latency) + length as u64 * 1_000_000 / weather.bytes_per_second.max(1);
        if is_slow {
            micros *= 20;
        }
        let joins = !pipe.parcels.is_empty() && self.random.percent(weather.join_percent);
        let soonest = if joins { pipe.last } else { now + Duration::from_micros(micros) };
        let when = soonest.max(pipe.last).max(pipe.stands_until).max(now);
        pipe.last = when;
        pipe.bytes += length;
        pipe.parcels.push_back((when, parcel));
        clock.at(when, Happening::Arrive(id, to));
    }

    /// Something has come for this end, perhaps. True: the end should look.
    pub(crate) fn arrive(&mut self, clock: &mut Clock<Happening>, id: LinkId, to: End, marks: &mut Marks) -> bool {
        let now = clock.now();
        let Some(link) = self.links.get_mut(&id) else { return false };
        let is_closed = link.gates[to as usize].is_closed;
        let pipe = &mut link.pipes[to as usize];
        if now < pipe.stands_until {
            clock.at(pipe.stands_until, Happening::Arrive(id, to));
            return false;
        }
        let (mut breaks, mut came, mut came_late) = (false, 0, false);
        let trickle = pipe.trickle.filter(|trickle| now < trickle.until);
        let mut bytes_max = trickle.map_or(usize::MAX, |trickle| trickle.bytes);
        while bytes_max > 0
            && pipe.parcels.front().is_some_and(|(when, _)| *when <= now)
            && let Some((_, parcel)) = pipe.parcels.pop_front()
        {
            match parcel {
                Parcel::Bytes(mut bytes) => {
                    let rest = bytes.split_off(bytes.len().min(bytes_max));
                    if !rest.is_empty() {
                        pipe.parcels.push_front((now, Parcel::Bytes(rest)));
                    }
                    bytes_max -= bytes.len();
                    pipe.bytes -= bytes.len();
                    if let Some(left) = pipe.breaks_after {
                        breaks = bytes.len() >= left;
                        bytes.truncate(left);
                        pipe.breaks_after = Some(left - bytes.len());
                    }
                    came += 1;
                    if is_closed {
                        came_late = true;
                    } else {
                        pipe.arrived.extend(bytes);
                    }
                    if breaks {
                        pipe.over = Some(Over::Reset);
                        pipe.is_broken = true;
                        pipe.parcels.clear();
                        pipe.bytes = 0;
                        pipe.breaks_after = None;
                        break;
                    }
                }
                Parcel::Fin => pipe.over = Some(pipe.over.unwrap_or(Over::Fin)),
                Parcel::Reset => pipe.over = Some(Over::Reset),
            }
        }
        if came > 0 && trickle.is_some() {
            pipe.stands_until = now + Duration::from_secs(1);
            clock.at(pipe.stands_until, Happening::Arrive(id, to));
        }
        if came > 1 {
            marks.hit(Mark::Coalesced);
        }
        let is_silent = link.is_silent;
        if came_late {
            marks.hit(Mark::LateBytes);
        }
        // Nobody is there, and the host says so; or the wire has broken, and the other end hears of it.
        if breaks || (came_late && !is_silent) {
            self.tell_reset(clock, id, to.other());
        }
        self.forget(id);
        !is_closed
    }

    /// The other end hears that the connection has broken, and loses some of what was on its way.
    fn tell_reset(&mut self, clock: &mut Clock<Happening>, id: LinkId, to: End) {
        self.lose_some(id, to);
        self.push(clock, id, to, Parcel::Reset);
        if let Some(link) = self.links.get_mut(&id) {
            link.pipes[to as usize].is_broken = true;
        }
    }

    /// Loses a random number of the last parcels.
    fn lose_some(&mut self, id: LinkId, to: End) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let pipe = &mut link.pipes[to as usize];
        if pipe.is_broken {
            return;
        }
        let kept = self.random.within(0..=pipe.parcels.len() as u64) as usize;
        pipe.parcels.truncate(kept);
        let sizes =
            pipe.parcels.iter().map(|(_, parcel)| if let Parcel::Bytes(bytes) = parcel { bytes.len() } else { 0 });
        pipe.bytes = sizes.sum();
    }

    /// The bytes that this end has not consumed, if it reads at all now.
    pub(crate) fn take_arrived(&mut self, now: Instant, id: LinkId, end: End) -> Option<Vec<u8>> {
        let link = self.links.get_mut(&id)?;
        (link.gates[end as usize].reads_from <= now).then(|| std::mem::take(&mut link.pipes[end as usize].arrived))
    }

    /// What is left of them.
    pub(crate) fn put_back(&mut self, clock: &mut Clock<Happening>, id: LinkId, end: End, rest: Vec<u8>) {
        let window_bytes = self.weather.window_bytes;
        let Some(link) = self.links.get_mut(&id) else { return };
        let client = link.client;
        let pipe = &mut link.pipes[end as usize];
        pipe.arrived = rest;
        if pipe.is_blocked && pipe.bytes + pipe.arrived.len() < window_bytes {
            pipe.is_blocked = false;
            let waiting = match end {
                End::Client => Happening::Writable(id),
                End::Server => Happening::Wake(client),
            };
            clock.at(clock.now(), waiting);
        }
    }

    /// Nothing more will come for this end, and what has come has been looked at.
    pub(crate) fn over(&self, now: Instant, id: LinkId, end: End) -> Option<Over> {
        let link = self.links.get(&id)?;
        let reads = link.gates[end as usize].reads_from <= now;
        link.pipes[end as usize].over.filter(|_| reads)
    }

    /// This end goes. What is on its way to the other may still arrive.
    pub(crate) fn close(&mut self, clock: &mut Clock<Happening>, id: LinkId, end: End, how: Farewell) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.gates[end as usize].is_closed {
            return;
        }
        link.gates[end as usize].is_closed = true;
        let own = &mut link.pipes[end as usize];
        own.arrived = Vec::new();
        match how {
            Farewell::Fin => self.push(clock, id, end.other(), Parcel::Fin),
            Farewell::Reset => self.tell_reset(clock, id, end.other()),
            Farewell::Silence => {
                link.is_silent = true;
                self.lose_some(id, end.other());
            }
        }
        self.forget(id);
    }

    /// No trace is kept of a connection that has come to its end.
    fn forget(&mut self, id: LinkId) {
        if self.links.get(&id).is_some_and(Link::is_gone) {
            self.links.remove(&id);
        }
    }

    /// An end whose other end is gone without a word hears of it at last.
    pub(crate) fn disclose(&mut self, clock: &mut Clock<Happening>, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.is_silent = false;
        for end in [End::Client, End::Server] {
            let Some(link) = self.links.get(&id) else { return };
            if link.gates[end as usize].is_closed && !link.gates[end.other() as usize].is_closed {
                self.push(clock, id, end.other(), Parcel::Reset);
            }
        }
    }

    // --- faults ------------------------------------------------------------------------------------------------------

    /// The connection breaks when so many more bytes have come to this end.
    pub(crate) fn break_after(&mut self, id: LinkId, to: End, bytes: usize) {
        if let Some(link) = self.links.get_mut(&id) {
            link.pipes[to as usize].breaks_after = Some(bytes);
        }
    }

    /// Nothing comes to this end until then.
    pub(crate) fn stall(&mut self, id: LinkId, to: End, until: Instant) {
        if let Some(link) = self.links.get_mut(&id) {
            link.pipes[to as usize].stands_until = until;
        }
    }

    /// So many bytes come to this end each second until then.
    pub(crate) fn trickle(&mut self, id: LinkId, to: End, bytes: usize, until: Instant) {
        if let Some(link) = self.links.get_mut(&id) {
            link.pipes[to as usize].trickle = Some(Trickle { bytes: bytes.max(1), until });
        }
    }

    /// This end reads nothing until then.
    pub(crate) fn stop_reading(&mut self, clock: &mut Clock<Happening>, id: LinkId, end: End, until: Instant) {
        if let Some(link) = self.links.get_mut(&id) {
            link.gates[end as usize].reads_from = until;
            clock.at(until, Happening::Arrive(id, end));
        }
    }

    /// Everything that was in the way is out of it.
    pub(crate) fn heal(&mut self, clock: &mut Clock<Happening>) {
        self.slow_until = Instant::ZERO;
        for (&id, link) in &mut self.links {
            for end in [End::Client, End::Server] {
                link.gates[end as usize].reads_from = Instant::ZERO;
                link.pipes[end as usize].stands_until = Instant::ZERO;
                link.pipes[end as usize].trickle = None;
                link.pipes[end as usize].breaks_after = None;
                clock.at(clock.now(), Happening::Arrive(id, end));
            }
        }
    }

    /// What is still on its way.
    pub(crate) fn unrest(&self) -> Option<String> {
        self.links.iter().find_map(|(id, link)| {
            [End::Client, End::Server].into_iter().find_map(|end| {
                let pipe = &link.pipes[end as usize];
                let (coming, come) = (pipe.parcels.len(), pipe.arrived.len());
                (coming + come > 0).then(|| {
                    format!("{id:?} has {coming} parcels on their way to the {end:?} end, and {come} bytes that it does not read")
                })
            })
        })
    }
}
