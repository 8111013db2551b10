//! The subscription tree and the retained store against oracles that compare every filter with every topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use mqtt_proto::{Publish, PublishBuf, TopicFilter, TopicName};
use mqtt_session::{Instant, RetainedStore, SubscriptionTree};
use proptest::prelude::*;

const NOW: Instant = Instant::ZERO;

/// Few words, so that they meet; some that stand around `/` in byte order, some that begin with `$`.
fn level() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        4 => Just("a".to_owned()),
        4 => Just("b".to_owned()),
        1 => Just("a!".to_owned()),
        1 => Just("a0".to_owned()),
        1 => Just("$a".to_owned()),
        1 => Just("é".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(level(), 1..5).prop_map(|levels| not_empty(levels.join("/")))
}

fn not_empty(text: String) -> String {
    if text.is_empty() { "/".to_owned() } else { text }
}

fn filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![3 => level(), 2 => Just("+".to_owned())];
    (prop::collection::vec(level, 0..5), any::<bool>()).prop_map(|(mut levels, hash)| {
        if hash {
            levels.push("#".to_owned());
        }
        not_empty(levels.join("/"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// v3\[MQTT-4.7.1-2\] v3\[MQTT-4.7.1-3\] v3\[MQTT-4.7.2-1\] v5\[MQTT-4.7.1-1\] v5\[MQTT-4.7.1-2\] v5\[MQTT-4.7.2-1\]
    #[test]
    fn the_tree_finds_what_a_comparison_of_all_filters_finds(
        steps in prop::collection::vec((any::<bool>(), filter()), 1..60),
        names in prop::collection::vec(name(), 1..20),
    ) {
        let mut tree = SubscriptionTree::new();
        let mut oracle = BTreeMap::new();
        for (value, (insert, text)) in steps.iter().enumerate() {
            let filter = TopicFilter::new(text).unwrap();
            if *insert {
                prop_assert_eq!(tree.insert(filter, value), Ok(oracle.insert(text, value)));
            } else {
                prop_assert_eq!(tree.remove(filter), oracle.remove(text));
            }
            prop_assert_eq!(tree.len(), oracle.len());
            prop_assert_eq!(tree.get(filter), oracle.get(text));
        }
        for name in &names {
            let topic = TopicName::new(name).unwrap();
            let mut found: Vec<usize> = tree.matches(topic).copied().collect();
            found.sort_unstable();
            let mut expected: Vec<usize> = oracle
                .iter()
                .filter(|(text, _)| TopicFilter::new(text).unwrap().matches(topic))
                .map(|(_, value)| *value)
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected, "{}", name);
        }
    }

    #[test]
    fn the_store_finds_what_a_comparison_of_all_topics_finds(
        names in prop::collection::vec((name(), any::<bool>()), 1..60),
        filters in prop::collection::vec(filter(), 1..20),
        from in name(),
    ) {
        let mut store = RetainedStore::new(1_000, 1_000_000);
        let mut oracle = BTreeMap::new();
        for (name, keep) in &names {
            let topic = TopicName::new(name).unwrap();
            let payload = if *keep { "kept" } else { "" };
            let message = Arc::new(PublishBuf::new(topic, &Publish::new(topic, payload)));
            let before = if *keep {
                oracle.insert(name.as_str(), Arc::clone(&message))
            } else {
                oracle.remove(name.as_str())
            };
            prop_assert_eq!(store.insert(NOW, message), Ok(before));
        }
        prop_assert_eq!(store.len(), oracle.len());
        prop_assert_eq!(store.bytes(), oracle.values().map(|message| message.len()).sum::<usize>());
        for text in &filters {
            let filter = TopicFilter::new(text).unwrap();
            let found: Vec<&str> = store.matches(NOW, filter).map(|message| message.topic().as_str()).collect();
            let expected: Vec<&str> = oracle
                .keys()
                .copied()
                .filter(|name| filter.matches(TopicName::new(name).unwrap()))
                .collect();
            prop_assert_eq!(&found, &expected, "{}", text);

            let after = TopicName::new(&from).unwrap();
            let found: Vec<&str> = store.matches_after(NOW, filter, after).map(|message| message.topic().as_str()).collect();
            let expected: Vec<&str> = expected.into_iter().filter(|name| *name > from.as_str()).collect();
            prop_assert_eq!(found, expected, "{} after {}", text, from);
        }
    }
}
