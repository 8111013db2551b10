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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeepAlive {
    role: Role,
    /// Zero: off.
    interval: Duration,
    sent: Instant,
    heard: Instant,
    /// Client: the PINGREQ that has not been answered.
    pinged: Option<Instant>,
}

impl KeepAlive {
    pub(crate) fn new(role: Role, seconds: u16, now: Instant) -> Self {
        Self { role, interval: Duration::from_secs(seconds.into()), sent: now, heard: now, pinged: None }
    }

    /// A packet went out.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// A packet came in.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// PINGREQ went out.
    pub(crate) fn pinged(&mut self, now: Instant) {
        self.pinged = Some(now);
    }

    /// PINGRESP came in.
    pub(crate) fn answered(&mut self) {
        self.pinged = None;
    }

    /// When there will be something due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.interval.is_zero() {
            return None;
        }
        Some(match (self.role, self.pinged) {
            // The answer gets as long as the interval. v3[MQTT-3.1.2-23] v5[MQTT-3.1.2-20]
            (Role::Client, Some(pinged)) => pinged + self.interval,
            (Role::Client, None) => self.sent + self.interval,
            // v3[MQTT-3.1.2-24] v5[MQTT-3.1.2-22]
            (Role::Server, _) => self.heard + self.interval + self.interval / 2,
        })
    }

    pub(crate) fn due(&self, now: Instant) -> Option<Due> {
        self.deadline().filter(|&deadline| deadline <= now)?;
        match (self.role, self.pinged) {
            (Role::Client, None) => Some(Due::Ping),
            (Role::Client, Some(_)) | (Role::Server, _) => Some(Due::Dead),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TICK: Duration = Duration::from_micros(1);

    #[test]
    fn a_client_pings_an_interval_after_it_last_sent_and_not_a_tick_before() {
        let mut keep_alive = KeepAlive::new(Role::Client, 10, Instant::ZERO);
        keep_alive.sent(Instant::ZERO + SECOND);
        keep_alive.heard(Instant::ZERO + 9 * SECOND);
        assert_eq!(keep_alive.due(Instant::ZERO + (11 * SECOND - TICK)), None);
        assert_eq!(keep_alive.due(Instant::ZERO + 11 * SECOND), Some(Due::Ping));
    }

    #[test]
    fn a_client_gives_up_an_interval_after_an_unanswered_ping() {
        let mut keep_alive = KeepAlive::new(Role::Client, 10, Instant::ZERO);
        keep_alive.pinged(Instant::ZERO + 10 * SECOND);
        assert_eq!(keep_alive.due(Instant::ZERO + (20 * SECOND - TICK)), None);
        assert_eq!(keep_alive.due(Instant::ZERO + 20 * SECOND), Some(Due::Dead));
        keep_alive.answered();
        assert_ne!(keep_alive.due(Instant::ZERO + 20 * SECOND), Some(Due::Dead));
    }

    #[test]
    fn a_server_waits_one_and_a_half_intervals_from_what_it_heard() {
        let mut keep_alive = KeepAlive::new(Role::Server, 10, Instant::ZERO);
        keep_alive.sent(Instant::ZERO + 14 * SECOND);
        assert_eq!(keep_alive.due(Instant::ZERO + (15 * SECOND - TICK)), None);
        assert_eq!(keep_alive.due(Instant::ZERO + 15 * SECOND), Some(Due::Dead));
    }

    #[test]
    fn zero_turns_it_off() {
        assert_eq!(KeepAlive::new(Role::Server, 0, Instant::ZERO).deadline(), None);
    }
}
