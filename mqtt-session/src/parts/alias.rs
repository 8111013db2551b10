//! The topics that the peer's aliases stand for (5.0 section 3.3.2.3.4). Forgotten with the connection: v5\[MQTT-3.3.2-7\].

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use alloc::collections::BTreeMap;

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
        // v5[MQTT-3.3.2-9] v5[MQTT-3.3.2-11]
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

#[cfg(test)]
mod tests {
    use super::*;

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
