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
    pub(crate) fn allocate(&mut self, in_use: impl Fn(PacketId) -> bool) -> Option<PacketId> {
        let mut candidate = self.last;
        for _ in 0..=u16::MAX {
            candidate = candidate.wrapping_add(1);
            if let Some(id) = PacketId::new(candidate).filter(|&id| !in_use(id)) {
                self.last = candidate;
                return Some(id);
            }
        }
        None
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
        assert_eq!(ids.allocate(|id| in_use.contains(&id)).unwrap().get(), 65_534);
        assert_eq!(ids.allocate(|id| in_use.contains(&id)).unwrap().get(), 2);
    }

    #[test]
    fn the_last_free_one_is_found_and_then_there_is_none() {
        let mut ids = PacketIds { last: 7 };
        assert_eq!(ids.allocate(|id| id.get() != 7).unwrap().get(), 7);
        assert_eq!(ids.allocate(|_| true), None);
    }
}
