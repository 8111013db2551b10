//! Topic names, filters and matching against section 4.7 in the plainest words.

mod common;

use common::fuzz::{checks, topics};
use mqtt_proto::{TopicFilter, TopicName};

/// v3\[MQTT-4.7.1-1\] v5\[MQTT-4.7.0-1\] v3\[MQTT-4.7.1-2\] v5\[MQTT-4.7.1-1\] v3\[MQTT-4.7.1-3\] v5\[MQTT-4.7.1-2\] v3\[MQTT-4.7.2-1\]
/// v5\[MQTT-4.7.2-1\] v3\[MQTT-4.7.3-1\] v5\[MQTT-4.7.3-1\] v3\[MQTT-4.7.3-4\] v5\[MQTT-4.7.3-4\] v5\[MQTT-4.8.2-1\] v5\[MQTT-4.8.2-2\]
#[test]
fn every_short_filter_matches_what_the_plain_words_say() {
    let words = words("a$/+#", 5);
    assert_eq!(words.len(), 1 + 5 + 25 + 125 + 625 + 3125);
    let names: Vec<_> = words.iter().filter_map(|word| TopicName::new(word).ok()).collect();
    let filters: Vec<String> = words.iter().cloned().chain(words.iter().map(|word| format!("$share/{word}"))).collect();
    assert_eq!(names.len(), words.iter().filter(|word| topics::is_name(word)).count());
    let mut matched = 0;
    for text in &filters {
        let filter = TopicFilter::new(text);
        assert_eq!(filter.is_ok(), topics::is_filter(text), "{text}");
        let Ok(filter) = filter else { continue };
        assert_eq!(filter.has_wildcard(), text.contains(['+', '#']));
        for &name in &names {
            let matches = filter.matches(name);
            assert_eq!(matches, topics::matches(text, name.as_str()), "{text} and {name}");
            matched += usize::from(matches);
        }
    }
    assert!(matched > names.len(), "more than `#` alone would");
}

#[test]
fn a_filter_without_wildcards_matches_its_own_name_and_no_other() {
    let words = words("aé/$", 4);
    for filter in words.iter().filter_map(|word| TopicFilter::new(word).ok()) {
        for name in words.iter().filter_map(|word| TopicName::new(word).ok()) {
            assert_eq!(filter.matches(name), filter.as_str() == name.as_str(), "{filter} and {name}");
        }
    }
}

#[test]
fn nothing_is_folded_or_merged() {
    for pair in ["é\0e\u{301}", "a//b\0a/b", "/a\0a", "a/\0a", "A\0a", "\u{FEFF}a\0a", "a \0a"] {
        checks::topic_match(pair.as_bytes());
        let (filter, name) = pair.split_once('\0').unwrap();
        assert!(!TopicFilter::new(filter).unwrap().matches(TopicName::new(name).unwrap()), "{pair:?}");
    }
}

/// Every word of up to `length` of these letters.
fn words(letters: &str, length: usize) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut from = 0;
    for _ in 0..length {
        let longer: Vec<String> = words[from..]
            .iter()
            .flat_map(|word| letters.chars().map(move |letter| format!("{word}{letter}")))
            .collect();
        from = words.len();
        words.extend(longer);
    }
    words
}
