//! Rules about topics, in the order in which they are written.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use mqtt_proto::{TopicFilter, TopicFilterBuf};

use super::policy::{Action, Policy, Principal, Verdict};

/// A [`Policy`] made of rules: the first that speaks of what a client wants decides, and without one it is refused. Whoever connects may stay.
///
/// ```
/// use mqtt_proto::TopicName;
/// use mqtt_session::{Access, AccessRules, Action, Policy, Principal, Verdict};
///
/// let mut rules = AccessRules::new();
/// rules.deny(None, Access::All, "secret/#")?;
/// rules.allow(Some("admin"), Access::All, "#")?;
/// rules.allow(None, Access::All, "devices/%c/#")?;
/// rules.allow(None, Access::Subscribe, "news/#")?;
///
/// let lamp = Principal::new("lamp", None);
/// let publish = |topic| Action::Publish { topic: TopicName::new(topic).unwrap(), qos: Default::default() };
/// assert_eq!(rules.check(&lamp, &publish("devices/lamp/state")), Verdict::Allow);
/// assert_eq!(rules.check(&lamp, &publish("devices/door/state")), Verdict::DENY);
/// assert_eq!(rules.check(&lamp, &publish("news/today")), Verdict::DENY);
/// # Ok::<(), mqtt_session::RuleError>(())
/// ```
///
/// A rule is about a pattern: a topic filter, in which `%c` stands for the client identifier and `%u` for the user name. A client whose name would be more than
/// one level there, or a wildcard, is not meant by the rule if that allows, and meant by it if that denies.
///
/// A subscription is for everything that its filter matches. It is allowed by a rule whose pattern matches all of that, and denied by one whose pattern
/// matches any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AccessRules {
    rules: Vec<Rule>,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// To publish, and to keep as a retained message.
    Publish,
    /// To keep as a retained message.
    Store,
    /// To subscribe.
    Subscribe,
    /// All of that.
    All,
}

impl Access {
    const fn covers(self, action: &Action<'_>) -> bool {
        match action {
            Action::Publish { .. } => matches!(self, Self::Publish | Self::All),
            Action::Store { .. } => matches!(self, Self::Publish | Self::Store | Self::All),
            Action::Subscribe { .. } => matches!(self, Self::Subscribe | Self::All),
            Action::Connect(_) | Action::Stay => false,
        }
    }
}

/// A pattern is no topic filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is no topic filter")]
#[non_exhaustive]
pub struct RuleError {
    /// What was given.
    pub pattern: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Rule {
    allows: bool,
    user_name: Option<String>,
    access: Access,
    pattern: TopicFilterBuf,
}

impl AccessRules {
    /// No rules: nothing is allowed.
    #[must_use]
    pub const fn new() -> Self {
        Self { rules: Vec::new() }
    }

    /// Allows it to this user, or to everybody, unless an earlier rule denies it.
    ///
    /// # Errors
    ///
    /// The pattern is no topic filter.
    pub fn allow(&mut self, user_name: Option<&str>, access: Access, pattern: &str) -> Result<(), RuleError> {
        self.add(true, user_name, access, pattern)
    }

    /// Denies it to this user, or to everybody, unless an earlier rule allows it.
    ///
    /// # Errors
    ///
    /// The pattern is no topic filter.
    pub fn deny(&mut self, user_name: Option<&str>, access: Access, pattern: &str) -> Result<(), RuleError> {
        self.add(false, user_name, access, pattern)
    }

    fn add(&mut self, allows: bool, user_name: Option<&str>, access: Access, pattern: &str) -> Result<(), RuleError> {
        let filter = TopicFilter::new(pattern).map_err(|_| RuleError { pattern: pattern.into() })?;
        self.rules.push(Rule { allows, user_name: user_name.map(Into::into), access, pattern: filter.into() });
        Ok(())
    }
}

impl Policy for AccessRules {
    fn check(&self, who: &Principal, action: &Action<'_>) -> Verdict {
        let (wanted, is_filter) = match action {
            Action::Connect(_) | Action::Stay => return Verdict::Allow,
            Action::Publish { topic, .. } | Action::Store { topic } => (topic.as_bytes(), false),
            Action::Subscribe { filter, .. } => (filter.as_bytes(), true),
        };
        let decides = |rule: &&Rule| rule.access.covers(action) && rule.speaks(who, wanted, is_filter);
        if self.rules.iter().find(decides).is_some_and(|rule| rule.allows) { Verdict::Allow } else { Verdict::DENY }
    }
}

impl Rule {
    fn speaks(&self, who: &Principal, wanted: &[u8], is_filter: bool) -> bool {
        if self.user_name.is_some() && self.user_name.as_deref() != who.user_name.as_deref() {
            return false;
        }
        let pattern: Option<Vec<_>> = self.pattern.as_filter().levels().map(|level| substitute(level, who)).collect();
        match pattern {
            // Nobody can tell what it would mean.
            None => !self.allows,
            Some(pattern) if self.allows => covers(&pattern, wanted, is_filter),
            Some(pattern) => overlaps(&pattern, wanted, is_filter),
        }
    }
}

/// A level with the client's names in it. `None`: one that it has not, or that is no part of a level.
fn substitute<'a>(level: &'a [u8], who: &Principal) -> Option<Cow<'a, [u8]>> {
    if !level.contains(&b'%') {
        return Some(Cow::Borrowed(level));
    }
    let mut replaced = Vec::new();
    let mut rest = level;
    while let Some((&first, others)) = rest.split_first() {
        let name = match others.first() {
            Some(b'c') if first == b'%' => Some(&*who.client_id),
            Some(b'u') if first == b'%' => Some(who.user_name.as_deref()?),
            _ => None,
        };
        rest = others;
        if let Some(name) = name {
            if name.is_empty() || name.contains(['/', '+', '#']) {
                return None;
            }
            replaced.extend_from_slice(name.as_bytes());
            rest = others.get(1..).unwrap_or_default();
        } else {
            replaced.push(first);
        }
    }
    Some(Cow::Owned(replaced))
}

/// Wildcards in the first level stand for no topic that begins with `$`: v3\[MQTT-4.7.2-1\] v5\[MQTT-4.7.2-1\].
fn is_wild(level: &[u8]) -> bool {
    level == b"+" || level == b"#"
}

/// The pattern matches everything that is wanted: one topic, or all that a filter matches.
fn covers(pattern: &[Cow<'_, [u8]>], wanted: &[u8], is_filter: bool) -> bool {
    // Every topic has a first level.
    let wanted = if is_filter && wanted == b"#" { b"+/#" } else { wanted };
    let mut wanted = wanted.split(|&byte| byte == b'/');
    for (depth, level) in pattern.iter().enumerate() {
        let found = wanted.next();
        if depth == 0 && is_wild(level) && found.is_some_and(|found| found.starts_with(b"$")) {
            return false;
        }
        match (&**level, found) {
            (b"#", _) => return true,
            (_, None) => return false,
            (_, Some(b"#")) if is_filter => return false,
            (b"+", Some(_)) => {}
            (level, Some(found)) if level == found => {}
            _ => return false,
        }
    }
    // `a/#` is more than `a`.
    wanted.next().is_none()
}

/// There is a topic that both match.
fn overlaps(pattern: &[Cow<'_, [u8]>], wanted: &[u8], is_filter: bool) -> bool {
    let mut pattern = pattern.iter().map(|level| &**level);
    let mut wanted = wanted.split(|&byte| byte == b'/');
    let mut is_first = true;
    loop {
        let (level, found) = (pattern.next(), wanted.next());
        if core::mem::take(&mut is_first)
            && let (Some(level), Some(found)) = (level, found)
            && (is_wild(level) && found.starts_with(b"$") || is_filter && is_wild(found) && level.starts_with(b"$"))
        {
            return false;
        }
        match (level, found) {
            (Some(b"#"), _) | (None, None) => return true,
            (_, Some(b"#")) if is_filter => return true,
            (None, _) | (_, None) => return false,
            (Some(b"+"), Some(_)) => {}
            (Some(_), Some(b"+")) if is_filter => {}
            (Some(level), Some(found)) if level == found => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use mqtt_proto::{QoS, TopicName};

    fn all(symbols: &[&str], levels: usize) -> Vec<String> {
        let mut all: Vec<String> = symbols.iter().map(ToString::to_string).collect();
        let mut last = all.clone();
        for _ in 1..levels {
            last = last.iter().flat_map(|text| symbols.iter().map(move |symbol| format!("{text}/{symbol}"))).collect();
            all.extend(last.clone());
        }
        all
    }

    fn split(text: &str) -> Vec<Cow<'_, [u8]>> {
        text.as_bytes().split(|&byte| byte == b'/').map(Cow::Borrowed).collect()
    }

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::new(text).unwrap()
    }

    /// Against the definition, over all topics of four levels and filters of three.
    #[test]
    fn what_filters_have_in_common_is_what_their_topics_have() {
        let names = all(&["a", "b", "", "$"], 4);
        let topics: Vec<_> = names.iter().filter_map(|name| TopicName::new(name).ok()).collect();
        let texts = all(&["a", "", "$", "+", "#"], 3);
        let filters: Vec<_> = texts.iter().filter_map(|text| TopicFilter::new(text).ok()).collect();
        assert!(filters.len() > 80 && topics.len() > 100);
        for wanted in &filters {
            let their: Vec<_> = topics.iter().filter(|topic| wanted.matches(**topic)).collect();
            for pattern in &filters {
                let both = their.iter().filter(|topic| pattern.matches(***topic)).count();
                let levels = split(pattern.as_str());
                let what = format!("{} in {}", wanted.as_str(), pattern.as_str());
                // The parent of `/#` is the empty topic, which is none. That is not looked at, to be on the safe side.
                let is_exact = *wanted != filter("/#") && *pattern != filter("/#");
                if is_exact {
                    assert_eq!(overlaps(&levels, wanted.as_bytes(), true), both > 0, "{what}");
                    assert_eq!(covers(&levels, wanted.as_bytes(), true), both == their.len(), "{what}");
                } else {
                    assert!(overlaps(&levels, wanted.as_bytes(), true) || both == 0, "{what}");
                    assert!(!covers(&levels, wanted.as_bytes(), true) || both == their.len(), "{what}");
                }
            }
        }
        for pattern in &filters {
            for topic in &topics {
                let levels = split(pattern.as_str());
                assert_eq!(covers(&levels, topic.as_bytes(), false), pattern.matches(*topic));
                assert_eq!(overlaps(&levels, topic.as_bytes(), false), pattern.matches(*topic));
            }
        }
    }

    fn subscribe(rules: &AccessRules, who: &Principal, text: &str) -> bool {
        let Ok(filter) = TopicFilter::new(text) else { return false };
        let action = Action::Subscribe { filter, share: None, qos: QoS::AtMostOnce };
        rules.check(who, &action).is_allowed()
    }

    #[test]
    fn a_subscription_that_is_wider_than_what_is_allowed_is_refused() {
        let mut rules = AccessRules::new();
        rules.allow(None, Access::Subscribe, "open/secret/door").unwrap();
        rules.deny(None, Access::All, "+/secret/#").unwrap();
        rules.allow(None, Access::All, "open/#").unwrap();
        let who = Principal::new("c", None);
        for text in ["open/secret/door", "open/x", "open/x/#", "open/x/+"] {
            assert!(subscribe(&rules, &who, text), "{text}");
        }
        for text in ["#", "+/x", "open/#", "open/+/x", "open/+/#", "open/secret/#", "+/+", "$SYS/#", "/"] {
            assert!(!subscribe(&rules, &who, text), "{text}");
        }
    }

    #[test]
    fn names_stand_for_one_level_and_nothing_else() {
        let mut rules = AccessRules::new();
        rules.deny(None, Access::All, "banned/%u/#").unwrap();
        rules.allow(None, Access::All, "of-%c/%u/#").unwrap();
        rules.allow(None, Access::Subscribe, "banned/#").unwrap();
        let good = Principal::new("lamp", Some("ann"));
        assert!(subscribe(&rules, &good, "of-lamp/ann/state"));
        assert!(!subscribe(&rules, &good, "of-lamp/bob/state"));
        assert!(!subscribe(&rules, &good, "banned/ann/x"));
        assert!(subscribe(&rules, &good, "banned/bob/x"));
        for (client_id, user_name) in [("+", "ann"), ("#", "ann"), ("a/b", "ann"), ("lamp", "+"), ("lamp", "")] {
            let bad = Principal::new(client_id, Some(user_name));
            for text in ["of-lamp/ann/x", "of-+/ann/x", "of-a/b/ann", "of-lamp/+/x", "+/+/x", "of-lamp//x"] {
                assert!(!subscribe(&rules, &bad, text), "{client_id} {user_name} {text}");
            }
        }
        let nobody = Principal::new("lamp", None);
        assert!(!subscribe(&rules, &nobody, "of-lamp/ann/x"));
        // It can't be told who is meant.
        assert!(!subscribe(&rules, &nobody, "banned/bob/x"));
    }
}
