//! When to try again.

use std::time::Duration;

use mqtt_session::Instant;

use crate::random::Random;

/// What to do when a connection is lost. Each wait is random between zero and a bound that doubles ("full jitter"), so that
/// many clients of one server don't come back at once.
///
/// ```
/// use std::time::Duration;
/// use mqtt_driver::Options;
///
/// let mut options = Options::new("localhost");
/// options.reconnect.delay_max = Duration::from_secs(10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Reconnect {
    /// Connect again after a connection was lost. The first connection is never tried twice. Default: yes.
    pub enabled: bool,
    /// Bound of the first wait. Default: 0.5 s.
    pub delay_min: Duration,
    /// Bound that is not exceeded. Default: 60 s.
    pub delay_max: Duration,
    /// A connection that lasted so long sets the bound back. Default: 60 s.
    pub stable_after: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            enabled: true,
            delay_min: Duration::from_millis(500),
            delay_max: Duration::from_secs(60),
            stable_after: Duration::from_secs(60),
        }
    }
}

/// The waits, one after another.
#[derive(Debug)]
pub(crate) struct Backoff {
    bound: Duration,
}

impl Backoff {
    pub(crate) const fn new(policy: &Reconnect) -> Self {
        Self { bound: policy.delay_min }
    }

    /// A connection that was up from `since` on has ended `now`: how long to wait before the next attempt.
    pub(crate) fn next(
        &mut self,
        policy: &Reconnect,
        since: Option<Instant>,
        now: Instant,
        random: &mut Random,
    ) -> Duration {
        if since.is_some_and(|since| now.since(since) >= policy.stable_after) {
            self.bound = policy.delay_min;
        }
        let bound = self.bound.min(policy.delay_max);
        self.bound = bound.saturating_mul(2).min(policy.delay_max);
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random.next() % micros.saturating_add(1).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_its_maximum() {
        let policy = Reconnect::default();
        let mut backoff = Backoff::new(&policy);
        let mut bounds = Vec::new();
        for _ in 0..10 {
            bounds.push(backoff.bound.as_millis());
            backoff.next(&policy, None, Instant::ZERO, &mut Random::new(1));
        }
        assert_eq!(bounds, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    }

    #[test]
    fn waits_spread_over_the_whole_range() {
        let policy = Reconnect { delay_max: Duration::from_millis(500), ..Reconnect::default() };
        let mut random = Random::new(7);
        let mut backoff = Backoff::new(&policy);
        let waits: Vec<u128> =
            (0..200).map(|_| backoff.next(&policy, None, Instant::ZERO, &mut random).as_millis()).collect();
        assert!(waits.iter().all(|&wait| wait <= 500));
        assert!(waits.iter().any(|&wait| wait < 50) && waits.iter().any(|&wait| wait > 450));
    }

    #[test]
    fn a_stable_minute_sets_the_bound_back_and_a_shorter_connection_does_not() {
        let policy = Reconnect::default();
        let mut random = Random::new(1);
        let mut backoff = Backoff::new(&policy);
        for _ in 0..5 {
            backoff.next(&policy, None, Instant::ZERO, &mut random);
        }
        let up = Some(Instant::ZERO);
        backoff.next(&policy, up, Instant::ZERO + Duration::from_secs(59), &mut random);
        assert_eq!(backoff.bound.as_secs(), 32);
        backoff.next(&policy, up, Instant::ZERO + Duration::from_secs(60), &mut random);
        assert_eq!(backoff.bound.as_secs(), 1);
    }

    #[test]
    fn no_wait_at_all_can_be_asked_for() {
        let policy = Reconnect { delay_max: Duration::ZERO, ..Reconnect::default() };
        let wait = Backoff::new(&policy).next(&policy, None, Instant::ZERO, &mut Random::new(1));
        assert_eq!(wait, Duration::ZERO);
    }
}
