//! Topic names, topic filters, and which filter matches which name (section 4.7).

use core::fmt;

use bytes::Bytes;

use crate::Version;
use crate::error::Cause;
use crate::text::{Text, is_plain};

/// The name that a message is published under: not empty, no wildcards.
///
/// ```
/// use mqtt_proto::{Cause, TopicName};
///
/// let name = TopicName::new("house/kitchen/temperature")?;
/// assert_eq!(name.levels().count(), 3);
/// assert_eq!(TopicName::from_text(name.text()), Ok(name));
/// assert_eq!(TopicName::new("house/+"), Err(Cause::WildcardInTopicName));
/// assert_eq!(TopicName::new(""), Err(Cause::EmptyTopic));
/// # Ok::<(), Cause>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(Text<'a>);

impl<'a> TopicName<'a> {
    /// Checks a string.
    ///
    /// # Errors
    ///
    /// Not a [`Text`], empty, or a wildcard in it.
    pub fn new(name: &'a str) -> Result<Self, Cause> {
        Self::from_text(Text::new(name)?)
    }

    /// Checks a text.
    ///
    /// # Errors
    ///
    /// Empty, or a wildcard in it.
    pub fn from_text(text: Text<'a>) -> Result<Self, Cause> {
        // v3[MQTT-4.7.3-1] v5[MQTT-4.7.3-1]
        if text.is_empty() {
            return Err(Cause::EmptyTopic);
        }
        // v3[MQTT-3.3.2-2] v3[MQTT-4.7.1-1] v5[MQTT-3.3.2-2] v5[MQTT-3.3.2-14] v5[MQTT-4.7.0-1]
        if !is_plain::<true>(text.as_bytes()) && text.as_bytes().iter().any(|&byte| is_wildcard(byte)) {
            return Err(Cause::WildcardInTopicName);
        }
        Ok(Self(text))
    }

    /// Checks bytes from the wire.
    #[inline(always)]
    pub(crate) fn from_bytes(bytes: &'a [u8]) -> Result<Self, Cause> {
        if !bytes.is_empty() && is_plain::<true>(bytes) {
            return Ok(Self(Text::part(bytes)));
        }
        Self::from_unusual(bytes)
    }

    #[cold]
    fn from_unusual(bytes: &'a [u8]) -> Result<Self, Cause> {
        Self::from_text(Text::from_bytes(bytes)?)
    }

    /// A text that has been checked before.
    pub(crate) const fn part(text: Text<'a>) -> Self {
        Self(text)
    }

    /// As a text.
    #[must_use]
    pub const fn text(self) -> Text<'a> {
        self.0
    }

    /// As a string. Costs one pass over the bytes.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0.as_str()
    }

    /// As UTF-8 bytes. Free.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }

    /// The levels between the slashes, some of them empty perhaps.
    pub fn levels(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        levels(self.as_bytes())
    }

    /// It begins with `$`, as the server's own topics do; filters that begin with a wildcard don't match it: v5\[MQTT-4.7.2-1\].
    #[must_use]
    pub fn is_dollar(self) -> bool {
        self.as_bytes().first() == Some(&b'$')
    }
}

/// A topic name that owns its bytes.
///
/// ```
/// use mqtt_proto::{TopicName, TopicNameBuf};
///
/// let kept = TopicNameBuf::from(TopicName::new("a/b")?);
/// assert_eq!(kept.as_name(), "a/b");
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicNameBuf(Bytes);

impl TopicNameBuf {
    /// The name.
    #[must_use]
    pub fn as_name(&self) -> TopicName<'_> {
        TopicName(Text::part(&self.0))
    }
}

impl From<TopicName<'_>> for TopicNameBuf {
    fn from(name: TopicName<'_>) -> Self {
        Self(Bytes::copy_from_slice(name.as_bytes()))
    }
}

/// What a subscription asks for: levels, of which `+` stands for any one and a final `#` for any number.
///
/// ```
/// use mqtt_proto::{Cause, TopicFilter, TopicName};
///
/// let filter = TopicFilter::new("house/+/temperature")?;
/// assert!(filter.matches(TopicName::new("house/kitchen/temperature")?));
/// assert!(!filter.matches(TopicName::new("house/temperature")?));
/// assert_eq!(TopicFilter::new("house/#/temperature"), Err(Cause::MisplacedWildcard));
/// # Ok::<(), Cause>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(Text<'a>);

impl<'a> TopicFilter<'a> {
    /// Checks a string, the form of a shared subscription included.
    ///
    /// # Errors
    ///
    /// Not a [`Text`], empty, a misplaced wildcard, or `$share/` without a proper name and filter behind it.
    pub fn new(filter: &'a str) -> Result<Self, Cause> {
        Self::from_text(Text::new(filter)?, Version::V5)
    }

    /// Checks a text. Before 5.0, `$share/` is the beginning of a filter like any other.
    ///
    /// ```
    /// use mqtt_proto::{Cause, Text, TopicFilter, Version};
    ///
    /// let text = Text::new("$share/workers")?;
    /// assert!(TopicFilter::from_text(text, Version::V3_1_1).is_ok());
    /// assert_eq!(TopicFilter::from_text(text, Version::V5), Err(Cause::SharedFilter));
    /// # Ok::<(), Cause>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn from_text(text: Text<'a>, version: Version) -> Result<Self, Cause> {
        check_filter(text.as_bytes())?;
        let filter = Self(text);
        filter.check_share(version)?;
        Ok(filter)
    }

    /// Checks bytes from the wire.
    pub(crate) fn from_bytes(bytes: &'a [u8], version: Version) -> Result<Self, Cause> {
        if is_plain::<true>(bytes) && !bytes.is_empty() && !bytes.starts_with(b"$") {
            return Ok(Self(Text::part(bytes)));
        }
        Self::from_text(Text::from_bytes(bytes)?, version)
    }

    /// A text that has been checked before.
    pub(crate) const fn part(text: Text<'a>) -> Self {
        Self(text)
    }

    /// The one thing about a filter that depends on the version: v5\[MQTT-4.8.2-1\] v5\[MQTT-4.8.2-2\].
    pub(crate) fn check_share(self, version: Version) -> Result<(), Cause> {
        let bytes = self.as_bytes();
        if version.has_shared_subscriptions() && bytes.starts_with(SHARE) && split_share(bytes).is_none() {
            return Err(Cause::SharedFilter);
        }
        Ok(())
    }

    /// As a text.
    #[must_use]
    pub const fn text(self) -> Text<'a> {
        self.0
    }

    /// As a string. Costs one pass over the bytes.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0.as_str()
    }

    /// As UTF-8 bytes. Free.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }

    /// The levels between the slashes.
    pub fn levels(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        levels(self.as_bytes())
    }

    /// There is a wildcard in it.
    #[must_use]
    pub fn has_wildcard(self) -> bool {
        self.as_bytes().iter().any(|&byte| is_wildcard(byte))
    }

    /// The share name and the filter proper, if this is a shared subscription, `$share/{name}/{filter}` (5.0 section 4.8.2).
    /// That filter is one as before 5.0: `$share/` in it has no meaning any more.
    ///
    /// To match, ask the whole filter: [`matches`](Self::matches) looks behind the share name, once.
    ///
    /// ```
    /// use mqtt_proto::TopicFilter;
    ///
    /// let (name, filter) = TopicFilter::new("$share/workers/jobs/#")?.shared().unwrap();
    /// assert_eq!((name.as_str(), filter.as_str()), ("workers", "jobs/#"));
    /// assert!(TopicFilter::new("jobs/#")?.shared().is_none());
    /// # Ok::<(), mqtt_proto::Cause>(())
    /// ```
    #[must_use]
    pub fn shared(self) -> Option<(Text<'a>, TopicFilter<'a>)> {
        let (name, filter) = split_share(self.as_bytes())?;
        Some((Text::part(name), Self(Text::part(filter))))
    }

    /// Whether a message published under `name` is for this subscription.
    ///
    /// Compares level by level, exactly: no case folding, no merging of slashes (section 4.7.3). A `$share/` filter matches by the filter behind its
    /// share name, in every version, since 3.1.1 servers offer it as an extension.
    ///
    /// ```
    /// use mqtt_proto::{Cause, TopicFilter, TopicName};
    ///
    /// let matches = |filter, name| Ok::<_, Cause>(TopicFilter::new(filter)?.matches(TopicName::new(name)?));
    /// // `#` stands for the parent, too; a level may be empty.
    /// assert!(matches("house/#", "house")?);
    /// assert!(matches("house/+", "house/")?);
    /// assert!(!matches("house/+", "house")?);
    /// // The server's own topics have to be asked for by name.
    /// assert!(!matches("#", "$SYS/uptime")?);
    /// assert!(matches("$SYS/#", "$SYS/uptime")?);
    /// assert!(matches("$share/workers/jobs/+", "jobs/1")?);
    /// # Ok::<(), Cause>(())
    /// ```
    #[must_use]
    pub fn matches(self, name: TopicName<'_>) -> bool {
        let filter = self.shared().map_or(self, |(_, filter)| filter);
        // v3[MQTT-4.7.2-1] v5[MQTT-4.7.2-1]
        if name.is_dollar() && filter.as_bytes().first().copied().is_some_and(is_wildcard) {
            return false;
        }
        let mut names = name.levels();
        for level in filter.levels() {
            if level == b"#" {
                return true;
            }
            match names.next() {
                Some(found) if level == b"+" || level == found => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }
}

/// A topic filter that owns its bytes. Clones share them.
///
/// ```
/// use mqtt_proto::{TopicFilter, TopicFilterBuf};
///
/// let kept = TopicFilterBuf::from(TopicFilter::new("a/+")?);
/// assert_eq!(kept.as_filter(), "a/+");
/// # Ok::<(), mqtt_proto::Cause>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilterBuf(Bytes);

impl TopicFilterBuf {
    /// The filter.
    #[must_use]
    pub fn as_filter(&self) -> TopicFilter<'_> {
        TopicFilter(Text::part(&self.0))
    }
}

impl From<TopicFilter<'_>> for TopicFilterBuf {
    fn from(filter: TopicFilter<'_>) -> Self {
        Self(Bytes::copy_from_slice(filter.as_bytes()))
    }
}

macro_rules! text_impls {
    ($name:ident) => {
        impl PartialEq<str> for $name<'_> {
            fn eq(&self, other: &str) -> bool {
                self.0 == *other
            }
        }

        impl PartialEq<&str> for $name<'_> {
            fn eq(&self, other: &&str) -> bool {
                self.0 == **other
            }
        }

        impl<'a> TryFrom<&'a str> for $name<'a> {
            type Error = Cause;

            fn try_from(text: &'a str) -> Result<Self, Cause> {
                Self::new(text)
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

text_impls!(TopicName);
text_impls!(TopicFilter);

macro_rules! buf_impls {
    ($name:ident, $view:ident) => {
        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.$view() == *other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self == *other
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.$view(), f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.$view(), f)
            }
        }
    };
}

buf_impls!(TopicNameBuf, as_name);
buf_impls!(TopicFilterBuf, as_filter);

const SHARE: &[u8] = b"$share/";

const fn is_wildcard(byte: u8) -> bool {
    matches!(byte, b'+' | b'#')
}

fn levels(topic: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    topic.split(|&byte| byte == b'/')
}

/// A wildcard fills its level, and nothing follows `#`.
fn check_filter(filter: &[u8]) -> Result<(), Cause> {
    if filter.is_empty() {
        return Err(Cause::EmptyTopic);
    }
    let mut before = b'/';
    for &byte in filter {
        let follows = match before {
            // v3[MQTT-4.7.1-2] v5[MQTT-4.7.1-1]
            b'#' => false,
            b'/' => true,
            // v3[MQTT-4.7.1-3] v5[MQTT-4.7.1-2]
            b'+' => byte == b'/',
            _ => !is_wildcard(byte),
        };
        if !follows {
            return Err(Cause::MisplacedWildcard);
        }
        before = byte;
    }
    Ok(())
}

/// Share name and filter of a well-formed shared subscription.
fn split_share(filter: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = filter.strip_prefix(SHARE)?;
    let slash = rest.iter().position(|&byte| byte == b'/')?;
    let (name, filter) = rest.split_at_checked(slash)?;
    let filter = filter.strip_prefix(b"/")?;
    let well_formed = !name.is_empty() && !name.iter().any(|&byte| is_wildcard(byte)) && !filter.is_empty();
    well_formed.then_some((name, filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(filter: &str, name: &str) -> bool {
        TopicFilter::new(filter).unwrap().matches(TopicName::new(name).unwrap())
    }

    #[test]
    fn the_matching_table_of_the_specification() {
        let table: [(&str, &[&str], &[&str]); 12] = [
            ("sport/#", &["sport", "sport/", "sport/a/b"], &["sports"]),
            ("sport/+", &["sport/", "sport/a"], &["sport", "sport/a/b"]),
            ("+/+", &["/finance", "a/b"], &["finance"]),
            ("/+", &["/finance"], &["finance"]),
            ("+", &["finance"], &["/finance", "$SYS"]),
            ("#", &["a", "/", "a//b"], &["$SYS/x"]),
            ("+/monitor/Clients", &["a/monitor/Clients"], &["$SYS/monitor/Clients"]),
            ("$SYS/#", &["$SYS", "$SYS/monitor/Clients"], &["SYS/x"]),
            ("$SYS/monitor/+", &["$SYS/monitor/Clients"], &["$SYS/monitor"]),
            ("a/+/c", &["a/b/c", "a//c"], &["a/c", "a/b/d"]),
            ("$share/g/#", &["a", "a/b"], &["$SYS/x"]),
            ("$share/g//a", &["/a"], &["a"]),
        ];
        for (filter, yes, no) in table {
            for name in yes {
                assert!(matches(filter, name), "{filter} should match {name}");
            }
            for name in no {
                assert!(!matches(filter, name), "{filter} should not match {name}");
            }
        }
    }

    #[test]
    fn filters_of_the_right_shape_are_taken() {
        for filter in [
            "#",
            "+",
            "/",
            "a/#",
            "+/b/#",
            "a/+/c",
            "/+",
            "a//b",
            "+/+",
            "$share/g/a",
            "$share/g//a",
            "$SYS/#",
            "$share",
        ] {
            assert!(TopicFilter::new(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn filters_of_the_wrong_shape_are_refused() {
        for filter in ["a#", "a/#/c", "a+", "a/b+", "#/a", "##", "++", "+a", "#a", "#/#"] {
            assert_eq!(TopicFilter::new(filter), Err(Cause::MisplacedWildcard), "{filter}");
        }
        assert_eq!(TopicFilter::new(""), Err(Cause::EmptyTopic));
        for filter in ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/#"] {
            assert_eq!(TopicFilter::new(filter), Err(Cause::SharedFilter), "{filter}");
        }
    }

    #[test]
    fn before_5_a_dollar_share_filter_is_a_filter_like_any_other() {
        let text = Text::new("$share/g").unwrap();
        assert!(TopicFilter::from_text(text, Version::V3_1_1).is_ok());
        assert!(TopicFilter::from_text(text, Version::V5).is_err());
    }

    #[test]
    fn dollar_matters_only_at_the_beginning() {
        assert!(matches("+/b", "a/b"));
        assert!(matches("a/+", "a/$b"));
        assert!(matches("#", "a/$b"));
    }
}
