//! Time, as the host tells it.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use core::ops::Add;
use core::time::Duration;

/// A moment: microseconds since an epoch that the host chooses, on a clock that never goes back.
///
/// Sums saturate, so no interval from a peer can overflow it.
///
/// ```
/// use core::time::Duration;
/// use mqtt_session::Instant;
///
/// let start = Instant::from_micros(5);
/// assert_eq!((start + Duration::from_millis(1)).as_micros(), 1_005);
/// assert_eq!(start.since(Instant::from_micros(9)), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The epoch.
    pub const ZERO: Self = Self(0);

    /// A moment so many microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long it has been since `earlier`; zero if it has not been yet.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}
