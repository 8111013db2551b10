//! Hands out packet identifiers.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use mqtt_proto::PacketId;

/// Goes round all identifiers. Which of them are in use is not remembered here but asked: what holds them knows it best.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PacketIds {
    last: u16,
}

impl PacketIds {
    /// The next identifier that is not in use; `None` if all are. Never one in use: v3\[MQTT-2.3.1-2\] v5\[MQTT-2.2.1-3\].
    pub(crate) fn next(&self, in_use: impl Fn(PacketId) -> bool) -> Option<PacketId> {
        (1..=u16::MAX)
            .chain([0])
            .filter_map(|steps| PacketId::new(self.last.wrapping_add(steps)))
            .find(|&id| !in_use(id))
    }

    /// It is in use now.
    pub(crate) fn take(&mut self, id: PacketId) {
        self.last = id.get();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn identifiers_go_round_and_skip_those_in_use() {
        let mut ids = PacketIds { last: 65_533 };
        let in_use = BTreeSet::from([PacketId::MAX, PacketId::MIN]);
        let next = ids.next(|id| in_use.contains(&id)).unwrap();
        assert_eq!(next.get(), 65_534);
        ids.take(next);
        assert_eq!(ids.next(|id| in_use.contains(&id)).unwrap().get(), 2);
    }

    #[test]
    fn the_last_free_one_is_found_and_then_there_is_none() {
        let ids = PacketIds { last: 7 };
        assert_eq!(ids.next(|id| id.get() != 7).unwrap().get(), 7);
        assert_eq!(ids.next(|_| true), None);
    }
}
