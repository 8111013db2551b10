//! Which subscriptions are for a topic.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::iter::FusedIterator;

use mqtt_proto::{TopicFilter, TopicName};

/// A map from topic filters to values that can be asked which filters match a topic name (section 4.7).
///
/// What a value is, is up to you: a list of subscribers, usually. Filters are compared exactly, level by level.
///
/// ```
/// use mqtt_proto::{TopicFilter, TopicName};
/// use mqtt_session::SubscriptionTree;
///
/// let mut tree = SubscriptionTree::new();
/// tree.insert(TopicFilter::new("house/+/temperature")?, "heating")?;
/// tree.insert(TopicFilter::new("house/#")?, "log")?;
/// tree.insert(TopicFilter::new("house/door")?, "alarm")?;
///
/// let kitchen = TopicName::new("house/kitchen/temperature")?;
/// let mut found: Vec<_> = tree.matches(kitchen).copied().collect();
/// found.sort_unstable();
/// assert_eq!(found, ["heating", "log"]);
///
/// assert_eq!(tree.remove(TopicFilter::new("house/#")?), Some("log"));
/// assert_eq!(tree.matches(kitchen).count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A shared subscription is kept under the filter behind its share name ([`TopicFilter::shared`]); the tree does not look into `$share/`.
///
/// A match allocates nothing and visits only nodes whose filters fit the beginning of the topic, so that its cost follows the matches and not the
/// number of filters. Nothing recurses, however many levels a topic has. What is removed leaves nothing behind.
#[derive(Clone, Debug)]
pub struct SubscriptionTree<T> {
    nodes: Vec<Node<T>>,
    /// Nodes not in use.
    free: Vec<NodeId>,
    /// The one table: (node, level) → child. Children behind `+` are in their node.
    children: BTreeMap<u64, NodeId>,
    levels: Levels,
    filters: usize,
}

type NodeId = u32;
type LevelId = u32;

const ROOT: NodeId = 0;
/// No such node, no such level.
const NONE: u32 = u32::MAX;

/// What the levels up to here lead to.
#[derive(Clone, Debug)]
struct Node<T> {
    parent: NodeId,
    /// The child behind `+`.
    plus: NodeId,
    /// Children in the table.
    children: u32,
    /// The value of the filter that ends here.
    exact: Option<T>,
    /// The value of the filter that has only `#` behind this.
    below: Option<T>,
}

impl<T> Node<T> {
    const fn new(parent: NodeId) -> Self {
        Self { parent, plus: NONE, children: 0, exact: None, below: None }
    }

    const fn is_unused(&self) -> bool {
        self.plus == NONE && self.children == 0 && self.exact.is_none() && self.below.is_none()
    }

    const fn value(&self, end: End) -> &Option<T> {
        match end {
            End::Here => &self.exact,
            End::Below => &self.below,
        }
    }

    const fn value_mut(&mut self, end: End) -> &mut Option<T> {
        match end {
            End::Here => &mut self.exact,
            End::Below => &mut self.below,
        }
    }
}

/// How a filter ends at its last node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Here,
    /// With `#`.
    Below,
}

/// There are as many nodes as can be numbered, about four thousand million. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the subscription tree is full")]
#[non_exhaustive]
pub struct TreeFull;

impl<T> SubscriptionTree<T> {
    /// No filters.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: vec![Node::new(NONE)],
            free: Vec::new(),
            children: BTreeMap::new(),
            levels: Levels::default(),
            filters: 0,
        }
    }

    /// How many filters have a value.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.filters
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.filters == 0
    }

    /// Gives a filter a value, and returns the one that it had.
    ///
    /// # Errors
    ///
    /// [`TreeFull`].
    pub fn insert(&mut self, filter: TopicFilter<'_>, value: T) -> Result<Option<T>, TreeFull> {
        self.slot(filter.as_bytes())
            .map(|slot| slot.replace(value))
            .inspect(|before| self.filters += usize::from(before.is_none()))
    }

    /// The value of a filter, which it gets now if it has none.
    ///
    /// ```
    /// use mqtt_proto::TopicFilter;
    /// use mqtt_session::SubscriptionTree;
    ///
    /// let mut tree: SubscriptionTree<Vec<&str>> = SubscriptionTree::new();
    /// let filter = TopicFilter::new("a/+")?;
    /// tree.get_or_insert_with(filter, Vec::new)?.push("first");
    /// tree.get_or_insert_with(filter, Vec::new)?.push("second");
    /// assert_eq!(tree.get(filter), Some(&vec!["first", "second"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TreeFull`].
    pub fn get_or_insert_with(
        &mut self,
        filter: TopicFilter<'_>,
        value: impl FnOnce() -> T,
    ) -> Result<&mut T, TreeFull> {
        if self.get(filter).is_none() {
            self.insert(filter, value())?;
        }
        self.get_mut(filter).ok_or(TreeFull)
    }

    /// The value of exactly this filter.
    #[must_use]
    pub fn get(&self, filter: TopicFilter<'_>) -> Option<&T> {
        let (node, end) = self.find(filter.as_bytes())?;
        self.node(node)?.value(end).as_ref()
    }

    /// The value of exactly this filter.
    #[must_use]
    pub fn get_mut(&mut self, filter: TopicFilter<'_>) -> Option<&mut T> {
        let (node, end) = self.find(filter.as_bytes())?;
        self.node_mut(node)?.value_mut(end).as_mut()
    }

    /// Takes the value of exactly this filter: v3\[MQTT-3.10.4-1\] v5\[MQTT-3.10.4-1\].
    pub fn remove(&mut self, filter: TopicFilter<'_>) -> Option<T> {
        let filter = filter.as_bytes();
        let (node, end) = self.find(filter)?;
        let value = self.node_mut(node)?.value_mut(end).take()?;
        self.filters -= 1;
        self.prune(filter, node, end);
        Some(value)
    }

    /// The values of all filters that match `topic`, each filter once, in an order that depends only on the filters.
    ///
    /// Filters that begin with a wildcard don't match topics that begin with `$`: v3\[MQTT-4.7.2-1\] v5\[MQTT-4.7.2-1\].
    #[must_use]
    pub fn matches<'a>(&'a self, topic: TopicName<'a>) -> Matches<'a, T> {
        Matches {
            tree: self,
            topic: topic.as_bytes(),
            is_dollar: topic.is_dollar(),
            known: [None; KNOWN],
            node: ROOT,
            depth: 0,
            at: 0,
            step: Step::Below,
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node<T>> {
        self.nodes.get(usize::try_from(id).ok()?)
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node<T>> {
        self.nodes.get_mut(usize::try_from(id).ok()?)
    }

    /// Where a filter ends, if it is in the tree.
    fn find(&self, filter: &[u8]) -> Option<(NodeId, End)> {
        let mut node = ROOT;
        for level in levels(filter) {
            node = match level {
                b"#" => return Some((node, End::Below)),
                b"+" => self.node(node)?.plus,
                name => *self.children.get(&edge(node, self.levels.id(name)))?,
            };
        }
        Some((node, End::Here))
    }

    /// The place for the value of a filter, with all nodes on the way.
    fn slot(&mut self, filter: &[u8]) -> Result<&mut Option<T>, TreeFull> {
        let used = self.nodes.len() - self.free.len();
        if used.saturating_add(levels(filter).count()) >= NONE as usize {
            return Err(TreeFull);
        }
        let mut node = ROOT;
        let mut end = End::Here;
        for level in levels(filter) {
            match level {
                b"#" => end = End::Below,
                b"+" => node = self.plus(node),
                name => node = self.child(node, name),
            }
        }
        self.node_mut(node).map(|node| node.value_mut(end)).ok_or(TreeFull)
    }

    fn plus(&mut self, parent: NodeId) -> NodeId {
        if let Some(node) = self.node(parent)
            && node.plus != NONE
        {
            return node.plus;
        }
        let id = self.add(parent);
        if let Some(node) = self.node_mut(parent) {
            node.plus = id;
        }
        id
    }

    fn child(&mut self, parent: NodeId, name: &[u8]) -> NodeId {
        if let Some(&id) = self.children.get(&edge(parent, self.levels.id(name))) {
            return id;
        }
        let id = self.add(parent);
        let level = self.levels.acquire(name);
        self.children.insert(edge(parent, level), id);
        if let Some(node) = self.node_mut(parent) {
            node.children += 1;
        }
        id
    }

    fn add(&mut self, parent: NodeId) -> NodeId {
        let node = Node::new(parent);
        if let Some(id) = self.free.pop()
            && let Some(place) = self.node_mut(id)
        {
            *place = node;
            return id;
        }
        let id = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(node);
        id
    }

    /// Removes what nobody needs any more, from a filter's last node upwards.
    fn prune(&mut self, filter: &[u8], mut id: NodeId, end: End) {
        let hash = usize::from(end == End::Below);
        for level in levels(filter).rev().skip(hash) {
            let Some(parent) = self.node(id).filter(|node| node.is_unused()) else {
                return;
            };
            let parent = parent.parent;
            if level == b"+" {
                if let Some(node) = self.node_mut(parent) {
                    node.plus = NONE;
                }
            } else {
                let level = self.levels.release(level);
                self.children.remove(&edge(parent, level));
                if let Some(node) = self.node_mut(parent) {
                    node.children -= 1;
                }
            }
            self.free.push(id);
            id = parent;
        }
        if self.filters == 0 {
            *self = Self::new();
        }
    }
}

impl<T> Default for SubscriptionTree<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Yields the values of the filters that match a topic. Made by [`SubscriptionTree::matches`].
///
/// ```
/// use mqtt_proto::{TopicFilter, TopicName};
/// use mqtt_session::SubscriptionTree;
///
/// let mut tree = SubscriptionTree::new();
/// tree.insert(TopicFilter::new("sport/#")?, 1)?;
/// assert_eq!(tree.matches(TopicName::new("sport")?).next(), Some(&1));
/// assert_eq!(tree.matches(TopicName::new("sports")?).next(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Matches<'a, T> {
    tree: &'a SubscriptionTree<T>,
    topic: &'a [u8],
    is_dollar: bool,
    /// The topic's first levels, as far as they have been looked up.
    known: [Option<LevelId>; KNOWN],
    node: NodeId,
    /// Levels of the topic above `node`.
    depth: usize,
    /// Where the topic's next level begins; behind its end if there is none.
    at: usize,
    step: Step,
}

/// Levels that are looked up once per topic. Deeper ones are looked up at each node.
const KNOWN: usize = 16;

/// What to try next at a node. It needs no stack: a node knows its parent, and which of its parent's branches it is tells what comes after it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Below,
    Here,
    Child,
    Plus,
    Up,
    Done,
}

impl<'a, T> Iterator for Matches<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            let node = self.tree.node(self.node)?;
            // v3[MQTT-4.7.2-1] v5[MQTT-4.7.2-1]
            let wild = !(self.is_dollar && self.node == ROOT);
            let is_end = self.at > self.topic.len();
            match self.step {
                Step::Below => {
                    self.step = Step::Here;
                    if let Some(value) = &node.below
                        && wild
                    {
                        return Some(value);
                    }
                }
                Step::Here if is_end => {
                    self.step = Step::Up;
                    if let Some(value) = &node.exact {
                        return Some(value);
                    }
                }
                Step::Here if node.children == 0 => self.step = Step::Plus,
                Step::Here => self.step = Step::Child,
                Step::Child => {
                    self.step = Step::Plus;
                    let edge = edge(self.node, self.level());
                    if let Some(&child) = self.tree.children.get(&edge) {
                        self.down(child);
                    }
                }
                Step::Plus => {
                    self.step = Step::Up;
                    if node.plus != NONE && wild {
                        self.down(node.plus);
                    }
                }
                Step::Up if self.node == ROOT => self.step = Step::Done,
                Step::Up => self.up(node.parent),
                Step::Done => return None,
            }
        }
    }
}

impl<T> FusedIterator for Matches<'_, T> {}

impl<T> Matches<'_, T> {
    /// The topic's next level.
    fn level(&mut self) -> LevelId {
        if let Some(&Some(level)) = self.known.get(self.depth) {
            return level;
        }
        let rest = self.topic.get(self.at..).unwrap_or_default();
        let name = levels(rest).next().unwrap_or_default();
        let level = self.tree.levels.id(name);
        if let Some(known) = self.known.get_mut(self.depth) {
            *known = Some(level);
        }
        level
    }

    fn down(&mut self, child: NodeId) {
        let rest = self.topic.get(self.at..).unwrap_or_default();
        let slash = rest.iter().position(|&byte| byte == b'/');
        self.at += slash.unwrap_or(rest.len()) + 1;
        self.depth += 1;
        self.node = child;
        self.step = Step::Below;
    }

    fn up(&mut self, parent: NodeId) {
        let before = self.topic.get(..self.at - 1).unwrap_or_default();
        let slash = before.iter().rposition(|&byte| byte == b'/');
        self.at = slash.map_or(0, |slash| slash + 1);
        self.depth -= 1;
        let plus = self.tree.node(parent).map_or(NONE, |node| node.plus);
        self.step = if self.node == plus { Step::Up } else { Step::Plus };
        self.node = parent;
    }
}

/// Names of levels, each once, with the number of edges that bear it.
#[derive(Clone, Debug, Default)]
struct Levels {
    names: BTreeMap<Box<[u8]>, Level>,
    free: Vec<LevelId>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    id: LevelId,
    edges: u32,
}

impl Levels {
    /// `NONE` for a name that no edge bears, byte for byte: v3\[MQTT-4.7.3-4\] v5\[MQTT-4.7.3-4\].
    fn id(&self, name: &[u8]) -> LevelId {
        self.names.get(name).map_or(NONE, |level| level.id)
    }

    /// One more edge bears it.
    fn acquire(&mut self, name: &[u8]) -> LevelId {
        if let Some(level) = self.names.get_mut(name) {
            level.edges += 1;
            return level.id;
        }
        let fresh = u32::try_from(self.names.len()).unwrap_or(NONE);
        let id = self.free.pop().unwrap_or(fresh);
        self.names.insert(name.into(), Level { id, edges: 1 });
        id
    }

    /// One edge less bears it.
    fn release(&mut self, name: &[u8]) -> LevelId {
        let Some(level) = self.names.get_mut(name) else {
            return NONE;
        };
        let id = level.id;
        level.edges -= 1;
        if level.edges == 0 {
            self.names.remove(name);
            self.free.push(id);
        }
        id
    }
}

fn edge(node: NodeId, level: LevelId) -> u64 {
    (u64::from(node) << 32) | u64::from(level)
}

fn levels(topic: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    topic.split(|&byte| byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::new(text).unwrap()
    }

    fn topic(text: &str) -> TopicName<'_> {
        TopicName::new(text).unwrap()
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let filters = ["a/b/c", "a/+/c", "a/#", "+/+/#", "#", "+", "/", "a/b"];
        let mut tree = SubscriptionTree::new();
        tree.insert(filter("stays/+/here"), "stays").unwrap();
        let nodes = tree.nodes.len();
        for text in filters {
            tree.insert(filter(text), text).unwrap();
        }
        for text in filters {
            assert_eq!(tree.remove(filter(text)), Some(text));
            assert_eq!(tree.remove(filter(text)), None);
        }
        assert_eq!(tree.nodes.len() - tree.free.len(), nodes);
        assert_eq!(tree.children.len(), 2);
        assert_eq!(tree.levels.names.len(), 2);

        tree.remove(filter("stays/+/here")).unwrap();
        assert!(tree.children.is_empty() && tree.levels.names.is_empty());
        assert_eq!((tree.nodes.len(), tree.free.len()), (1, 0));
    }

    #[test]
    fn numbers_are_used_again() {
        let mut tree = SubscriptionTree::new();
        tree.insert(filter("stays"), 0).unwrap();
        for round in 0..100 {
            let text = alloc::format!("a/{round}/c");
            tree.insert(filter(&text), round).unwrap();
            assert_eq!(tree.matches(topic(&text)).collect::<Vec<_>>(), [&round]);
            tree.remove(filter(&text)).unwrap();
        }
        assert_eq!(tree.nodes.len(), 5);
        assert_eq!(tree.levels.free.len() + tree.levels.names.len(), 4);
    }

    #[test]
    fn the_deepest_topic_needs_no_stack() {
        let deep: String = "/".repeat(65_535);
        let mut tree = SubscriptionTree::new();
        tree.insert(filter(&deep), "exact").unwrap();
        let wild = alloc::format!("{}#", "+/".repeat(32_766));
        tree.insert(filter(&wild), "wild").unwrap();
        assert_eq!(tree.matches(topic(&deep)).count(), 2);
        tree.remove(filter(&deep)).unwrap();
        assert_eq!(tree.matches(topic(&deep)).collect::<Vec<_>>(), [&"wild"]);
    }

    #[test]
    fn levels_beyond_the_known_ones_are_found() {
        let mut tree = SubscriptionTree::new();
        let long: Vec<String> = (0..KNOWN + 2).map(|level| alloc::format!("{level}")).collect();
        let text = long.join("/");
        tree.insert(filter(&text), 0).unwrap();
        for replaced in 0..long.len() {
            let mut levels = long.clone();
            levels[replaced] = "+".into();
            tree.insert(filter(&levels.join("/")), replaced).unwrap();
        }
        assert_eq!(tree.matches(topic(&text)).count(), long.len() + 1);
    }
}
