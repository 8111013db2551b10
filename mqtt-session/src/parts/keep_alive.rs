//! Notices that the other end is gone (section 3.1.2.10).

use core::time::Duration;

use mqtt_proto::Role;

use crate::Instant;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Client: nothing was sent for the interval, so say that we live.
    Ping,
    /// Nothing was heard for too long.
    Dead,
}

/// A client watches what it sends, a server what it hears. Both only note the time; it is compared when somebody asks.
///
/// A server counts packets that are complete, as the standard has it. A client that waits for an answer counts bytes: on a slow link, the answer may be behind a
/// packet that takes longer than an interval.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeepAlive {
    role: Role,
    /// Zero: off.
    interval: Duration,
    sent: Instant,
    heard: Instant,
    /// Client: the first PINGREQ that has not been answered.
    pinged: Option<Instant>,
    /// Client: bytes behind the last packet that have been heard already; they are offered again, with more behind them.
    seen: usize,
}

impl KeepAlive {
    /// It watches nothing before it is started.
    pub(crate) const fn new(role: Role, now: Instant) -> Self {
        Self { role, interval: Duration::ZERO, sent: now, heard: now, pinged: None, seen: 0 }
    }

    pub(crate) fn start(&mut self, seconds: u16, now: Instant) {
        self.interval = Duration::from_secs(seconds.into());
        // What was sent last is CONNECT or AUTH, of which the server counts, too.
        self.heard = now;
    }

    /// Nobody listened since `since`, so that what the peer may have sent could not be heard.
    pub(crate) fn rested(&mut self, now: Instant, since: Instant) {
        self.heard = self.heard + now.since(since);
    }

    /// A packet went out.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// So many bytes are there, some of them perhaps for the first time.
    pub(crate) fn offered(&mut self, now: Instant, bytes: usize) {
        if self.role == Role::Client {
            if bytes > self.seen {
                self.heard = now;
            }
            self.seen = bytes;
        }
    }

    /// A packet was taken, and so many bytes are behind it.
    pub(crate) fn heard(&mut self, now: Instant, left: usize) {
        match self.role {
            Role::Client => self.seen = left,
            Role::Server => self.heard = now,
        }
    }

    /// PINGREQ goes out.
    pub(crate) fn pinged(&mut self, now: Instant) {
        self.sent = now;
        self.pinged = self.pinged.or(Some(now));
    }

    /// PINGRESP came in.
    pub(crate) fn answered(&mut self) {
        self.pinged = None;
    }

    /// When there will be something due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.dead().into_iter().chain(self.ping()).min()
    }

    pub(crate) fn due(&self, now: Instant) -> Option<Due> {
        if self.dead().is_some_and(|dead| dead <= now) {
            Some(Due::Dead)
        } else {
            self.ping().filter(|&ping| ping <= now).map(|_| Due::Ping)
        }
    }

    fn dead(&self) -> Option<Instant> {
        match self.role {
            _ if self.interval.is_zero() => None,
            // The answer gets as long as the interval, and so does whatever comes before it.
            Role::Client => self.pinged.map(|pinged| pinged.max(self.heard) + self.interval),
            // v3[MQTT-3.1.2-24] v5[MQTT-3.1.2-22]
            Role::Server => Some(self.heard + self.interval + self.interval / 2),
        }
    }

    /// Also while an answer is awaited: the server counts, too. v3\[MQTT-3.1.2-23\] v5\[MQTT-3.1.2-20\]
    fn ping(&self) -> Option<Instant> {
        (self.role == Role::Client && !self.interval.is_zero()).then(|| self.sent + self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TICK: Duration = Duration::from_micros(1);

    fn started(role: Role) -> KeepAlive {
        let mut keep_alive = KeepAlive::new(role, Instant::ZERO);
        keep_alive.start(10, Instant::ZERO);
        keep_alive
    }

    /// The last tick before so many seconds have passed, and the first after them.
    fn around(seconds: u32) -> [Instant; 2] {
        [Instant::ZERO + (seconds * SECOND - TICK), Instant::ZERO + seconds * SECOND]
    }

    #[test]
    fn a_client_pings_an_interval_after_it_last_sent_and_not_a_tick_before() {
        let mut keep_alive = started(Role::Client);
        keep_alive.sent(Instant::ZERO + SECOND);
        keep_alive.offered(Instant::ZERO + 9 * SECOND, 1);
        assert_eq!(around(11).map(|now| keep_alive.due(now)), [None, Some(Due::Ping)]);
    }

    #[test]
    fn a_client_gives_up_an_interval_after_an_unanswered_ping() {
        let mut keep_alive = started(Role::Client);
        keep_alive.offered(Instant::ZERO + 10 * SECOND, 1);
        keep_alive.pinged(Instant::ZERO + 10 * SECOND);
        assert_eq!(around(20).map(|now| keep_alive.due(now)), [None, Some(Due::Dead)]);
        keep_alive.answered();
        assert_ne!(keep_alive.due(Instant::ZERO + 20 * SECOND), Some(Due::Dead));
    }

    #[test]
    fn bytes_that_are_new_give_an_unanswered_ping_another_interval() {
        let mut keep_alive = started(Role::Client);
        keep_alive.pinged(Instant::ZERO + 10 * SECOND);
        keep_alive.offered(Instant::ZERO + 12 * SECOND, 5);
        keep_alive.offered(Instant::ZERO + 13 * SECOND, 6);
        // The same once more, and without a packet that was at the front.
        keep_alive.offered(Instant::ZERO + 14 * SECOND, 6);
        keep_alive.heard(Instant::ZERO + 15 * SECOND, 4);
        keep_alive.offered(Instant::ZERO + 16 * SECOND, 4);
        assert_eq!(keep_alive.deadline(), Some(Instant::ZERO + 20 * SECOND));
        assert_eq!(around(20).map(|now| keep_alive.due(now)), [None, Some(Due::Ping)]);
        keep_alive.pinged(Instant::ZERO + 20 * SECOND);
        assert_eq!(around(23).map(|now| keep_alive.due(now)), [None, Some(Due::Dead)]);
        keep_alive.offered(Instant::ZERO + 22 * SECOND, 5);
        assert_eq!(around(30).map(|now| keep_alive.due(now)), [None, Some(Due::Ping)]);
        assert_eq!(keep_alive.due(Instant::ZERO + 32 * SECOND), Some(Due::Dead), "whatever else is due");
    }

    #[test]
    fn a_server_waits_one_and_a_half_intervals_from_what_it_heard() {
        let mut keep_alive = started(Role::Server);
        keep_alive.sent(Instant::ZERO + 14 * SECOND);
        assert_eq!(around(15).map(|now| keep_alive.due(now)), [None, Some(Due::Dead)]);
    }

    #[test]
    fn a_server_hears_whole_packets() {
        let mut keep_alive = started(Role::Server);
        keep_alive.offered(Instant::ZERO + 14 * SECOND, 5);
        assert_eq!(keep_alive.deadline(), Some(Instant::ZERO + 15 * SECOND));
        keep_alive.heard(Instant::ZERO + 14 * SECOND, 0);
        assert_eq!(keep_alive.deadline(), Some(Instant::ZERO + 29 * SECOND));
    }

    #[test]
    fn zero_turns_it_off() {
        for role in [Role::Client, Role::Server] {
            let mut keep_alive = KeepAlive::new(role, Instant::ZERO);
            assert_eq!(keep_alive.deadline(), None);
            keep_alive.start(0, Instant::ZERO);
            assert_eq!(keep_alive.deadline(), None);
        }
    }
}
