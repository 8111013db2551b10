//! How many publishes the peer still takes before it acknowledges one (5.0 section 4.9).

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

/// The send quota of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quota {
    maximum: u16,
    used: u16,
    /// One at a time.
    narrow: bool,
}

impl Quota {
    pub(crate) const fn new(maximum: u16) -> Self {
        Self { maximum, used: 0, narrow: false }
    }

    /// One at a time, until [`widen`](Self::widen).
    pub(crate) fn narrow(&mut self) {
        self.narrow = true;
    }

    pub(crate) fn widen(&mut self) {
        self.narrow = false;
    }

    pub(crate) const fn is_free(&self) -> bool {
        self.used < if self.narrow { 1 } else { self.maximum }
    }

    /// A delivery has begun. A resumed release counts, too, though it needs no room.
    pub(crate) fn take(&mut self) {
        self.used = self.used.saturating_add(1);
    }

    /// A delivery that had been counted has ended. Never above the maximum: v5\[MQTT-4.9.0-1\].
    pub(crate) fn give(&mut self) {
        debug_assert!(self.used > 0, "given back more than was taken");
        self.used = self.used.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_is_used_up_at_the_maximum() {
        let mut quota = Quota::new(2);
        quota.take();
        assert!(quota.is_free());
        quota.take();
        assert!(!quota.is_free());
        quota.give();
        assert!(quota.is_free());
    }

    #[test]
    fn a_narrow_quota_is_one_until_it_is_widened() {
        let mut quota = Quota::new(2);
        quota.narrow();
        assert!(quota.is_free());
        quota.take();
        assert!(!quota.is_free());
        quota.widen();
        assert!(quota.is_free());
    }

    #[test]
    fn resumed_releases_may_use_more_than_there_is() {
        let mut quota = Quota::new(1);
        quota.take();
        quota.take();
        quota.give();
        assert!(!quota.is_free());
        quota.give();
        assert!(quota.is_free());
    }
}
