//! Topics and the aliases that stand for them, in each direction (5.0 section 3.3.2.3.4). Forgotten with the connection.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use mqtt_proto::{TopicAlias, TopicName, TopicNameBuf};

use crate::error::Violation;

/// Aliases from the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct InboundAliases {
    maximum: u16,
    topics: BTreeMap<TopicAlias, TopicNameBuf>,
}

impl InboundAliases {
    pub(crate) const fn new(maximum: u16) -> Self {
        Self { maximum, topics: BTreeMap::new() }
    }

    /// A PUBLISH carries `alias`. With a topic, it stands for that from now on; without, the topic it stands for is returned.
    pub(crate) fn resolve(
        &mut self,
        alias: TopicAlias,
        topic: Option<TopicName<'_>>,
    ) -> Result<Option<TopicNameBuf>, Violation> {
        // v5[MQTT-3.3.2-9] v5[MQTT-3.3.2-10] v5[MQTT-3.3.2-11] v5[MQTT-3.3.2-12]
        if alias.get() > self.maximum {
            return Err(Violation::TopicAliasTooHigh);
        }
        match topic {
            Some(topic) => {
                self.topics.insert(alias, topic.into());
                Ok(None)
            }
            None => self.topics.get(&alias).cloned().map(Some).ok_or(Violation::TopicAliasUnknown),
        }
    }
}

/// Aliases towards the peer, for the topics used last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct OutboundAliases {
    maximum: u16,
    by_topic: BTreeMap<Arc<[u8]>, Alias>,
    /// Topics by their last use.
    by_use: BTreeMap<u64, Arc<[u8]>>,
    next_use: u64,
}

/// An alias, and whether the peer knows what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Alias {
    pub(crate) alias: TopicAlias,
    last_use: Option<u64>,
}

impl Alias {
    pub(crate) const fn is_known(self) -> bool {
        self.last_use.is_some()
    }
}

/// What an alias adds to a packet. Topics that are no longer are not worth one.
const ALIAS_BYTES: usize = 3;

impl OutboundAliases {
    pub(crate) const fn new(maximum: u16) -> Self {
        Self { maximum, by_topic: BTreeMap::new(), by_use: BTreeMap::new(), next_use: 0 }
    }

    /// There are none.
    pub(crate) const fn is_off(&self) -> bool {
        self.maximum == 0
    }

    /// The alias to send with `topic`, or instead of it. Nothing has changed before it has been [written](Self::written).
    pub(crate) fn choose(&self, topic: TopicName<'_>) -> Option<Alias> {
        let topic = topic.as_bytes();
        if self.is_off() || topic.len() <= ALIAS_BYTES {
            return None;
        }
        if let Some(known) = self.by_topic.get(topic) {
            return Some(*known);
        }
        // v5[MQTT-3.3.2-8] v5[MQTT-3.3.2-9] v5[MQTT-3.3.2-11]
        let used = u16::try_from(self.by_topic.len()).unwrap_or(u16::MAX);
        if used < self.maximum {
            return TopicAlias::new(used.saturating_add(1)).map(|alias| Alias { alias, last_use: None });
        }
        let (_, oldest) = self.by_use.first_key_value()?;
        self.by_topic.get(oldest).map(|old| Alias { alias: old.alias, last_use: None })
    }

    /// A packet that carries what was chosen is on its way.
    pub(crate) fn written(&mut self, topic: TopicName<'_>, chosen: Alias) {
        let this_use = self.next_use;
        self.next_use = self.next_use.saturating_add(1);
        let topic = match chosen.last_use.and_then(|last_use| self.by_use.remove(&last_use)) {
            Some(topic) => topic,
            None => {
                if self.by_topic.len() >= self.maximum.into()
                    && let Some((_, oldest)) = self.by_use.pop_first()
                {
                    self.by_topic.remove(&oldest);
                }
                topic.as_bytes().into()
            }
        };
        self.by_use.insert(this_use, Arc::clone(&topic));
        self.by_topic.insert(topic, Alias { last_use: Some(this_use), ..chosen });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(aliases: &mut OutboundAliases, topic: &str) -> (u16, bool) {
        let topic = TopicName::new(topic).unwrap();
        let chosen = aliases.choose(topic).unwrap();
        assert_eq!(aliases.choose(topic), Some(chosen));
        aliases.written(topic, chosen);
        (chosen.alias.get(), chosen.is_known())
    }

    #[test]
    fn topics_used_last_keep_their_aliases() {
        let mut aliases = OutboundAliases::new(2);
        assert_eq!(send(&mut aliases, "first"), (1, false));
        assert_eq!(send(&mut aliases, "second"), (2, false));
        assert_eq!(send(&mut aliases, "first"), (1, true));
        assert_eq!(send(&mut aliases, "third"), (2, false));
        assert_eq!(send(&mut aliases, "first"), (1, true));
        assert_eq!(send(&mut aliases, "second"), (2, false));
        assert_eq!(send(&mut aliases, "third"), (1, false));
        assert_eq!((aliases.by_topic.len(), aliases.by_use.len()), (2, 2));
    }

    #[test]
    fn no_alias_where_there_are_none_or_the_topic_is_as_short() {
        let name = |name| TopicName::new(name).unwrap();
        assert_eq!(OutboundAliases::new(0).choose(name("abcd")), None);
        assert_eq!(OutboundAliases::new(1).choose(name("abc")), None);
        assert!(OutboundAliases::new(u16::MAX).choose(name("abcd")).is_some());
    }

    #[test]
    fn an_alias_stands_for_the_topic_it_came_with_last() {
        let mut aliases = InboundAliases::new(2);
        let alias = TopicAlias::new(2).unwrap();
        assert_eq!(aliases.resolve(alias, None), Err(Violation::TopicAliasUnknown));
        for name in ["a", "b"] {
            let topic = TopicName::new(name).unwrap();
            assert_eq!(aliases.resolve(alias, Some(topic)), Ok(None));
            assert_eq!(aliases.resolve(alias, None).unwrap().unwrap().as_name(), name);
        }
    }

    #[test]
    fn the_maximum_is_taken_and_one_more_is_not() {
        let topic = Some(TopicName::new("a").unwrap());
        let mut aliases = InboundAliases::new(2);
        assert!(aliases.resolve(TopicAlias::new(2).unwrap(), topic).is_ok());
        assert_eq!(aliases.resolve(TopicAlias::new(3).unwrap(), topic), Err(Violation::TopicAliasTooHigh));
    }
}
