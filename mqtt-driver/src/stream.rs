//! Messages on their way from the loop to the application: one queue per subscription.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use mqtt_proto::{Properties, PublishBuf, QoS, Subscription, SubscriptionOptions, TopicFilter, TopicName};
use mqtt_session::{AckToken, Instant, Received};

use crate::error::{ConnectError, SubscribeError};
use crate::handle::Client;
use crate::options::Options;
use crate::shared::State;
use crate::subscribe::Unsubscribing;
use crate::wake::Wakes;

/// A message that has arrived. It owns its bytes; clones share them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Message(PublishBuf);

impl Message {
    /// Where it was published.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.0.topic().as_str()
    }

    /// What was published.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.0.payload().as_slice()
    }

    /// What was published, by reference count.
    #[must_use]
    pub fn payload_bytes(&self) -> Bytes {
        self.0.payload_bytes()
    }

    /// The QoS that it came with: the lower of what it was published and subscribed with.
    #[must_use]
    pub const fn qos(&self) -> QoS {
        self.0.qos()
    }

    /// The server had kept it, and sent it because of the subscription.
    #[must_use]
    pub const fn retain(&self) -> bool {
        self.0.retain()
    }

    /// 5.0 properties.
    #[must_use]
    pub fn properties(&self) -> Properties<'_> {
        self.0.properties()
    }
}

/// Says how large the payload is, not what it is.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic())
            .field("payload", &self.0.payload())
            .field("qos", &self.qos())
            .field("retain", &self.retain())
            .field("properties", &self.properties())
            .finish()
    }
}

/// The messages of one subscription, in the order in which they arrived. [`Client::subscribe`] gives one.
///
/// ```
/// async fn print(mut messages: mqtt_driver::Messages) {
///     while let Some(message) = messages.next().await {
///         println!("{} {:?}", message.topic(), message.payload());
///     }
/// }
/// # let _ = print;
/// ```
///
/// * A message at QoS 1 or 2 is acknowledged when it is taken from here, so a slow application slows its senders down (they may
///   have `connect.receive_maximum` unacknowledged). Nothing else is held up: other messages are read, publishes go out, and pings.
/// * A message at QoS 0 that finds too many others waiting is dropped: see [`dropped`](Self::dropped), and `stream_messages_max` in
///   [`Options`](crate::Options).
/// * A message that several subscriptions of the client match goes to each of them, and is acknowledged when all have taken it.
/// * It goes on across reconnects; the client subscribes again where the server has forgotten. It ends when the client does.
/// * A client whose session outlives its connections, and a message not yet taken when the connection is lost: the server sends
///   it again, so it waits for that rather than being handed out twice.
///
/// Dropping it unsubscribes what no other subscription of the client shares, unless the session is to outlive the connection: then
/// what the server collects for it is what one wants, and [`unsubscribe`](Self::unsubscribe) is the way to end it. Messages
/// that still wait in it are acknowledged.
#[must_use = "dropping it unsubscribes"]
pub struct Messages {
    client: Client,
    key: StreamKey,
}

impl Messages {
    pub(crate) const fn new(client: Client, key: StreamKey) -> Self {
        Self { client, key }
    }

    pub(crate) const fn key(&self) -> StreamKey {
        self.key
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for the next message. `None`: there will be none.
    ///
    /// Cancel-safe: a message is taken, and acknowledged, in the moment in which this is ready.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), for those who poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let key = self.key;
        if let poll @ Poll::Ready(_) = self.client.with(|state| state.take_message(key)) {
            return poll;
        }
        // Nothing there: look again, and leave a waker in the same moment.
        let waker = cx.waker().clone();
        self.client.with(|state| {
            let poll = state.take_message(key);
            match state.streams.get_mut(key) {
                Some(stream) if poll.is_pending() => state.wakes.replace(&mut stream.waker, waker),
                _ => state.wakes.discard(Some(waker)),
            }
            poll
        })
    }

    /// Takes the next message if there is one already.
    pub fn try_next(&mut self) -> Option<Message> {
        match self.client.with(|state| state.take_message(self.key)) {
            Poll::Ready(message) => message,
            Poll::Pending => None,
        }
    }

    /// How many messages were dropped because too many waited: at QoS 0, or with a session that the server has lost.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.client.with(|state| state.streams.get_mut(self.key).map_or(0, |stream| stream.dropped))
    }

    /// Why it has ended, or will as soon as the last message has been taken. `None`: it goes on.
    #[must_use]
    pub fn error(&self) -> Option<SubscribeError> {
        self.client.with(|state| {
            let over = state.over().cloned().map(SubscribeError::Closed);
            state.streams.get_mut(self.key).and_then(|stream| stream.status.error()).or(over)
        })
    }

    /// Ends the subscription, and waits until the server has said so. Messages that arrived before are gone.
    pub fn unsubscribe(self) -> Unsubscribing {
        Unsubscribing::of_stream(self)
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Messages({})", self.key.0)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        let now = self.client.now();
        self.client.with(|state| {
            let filters = state.close_stream(self.key);
            if !state.is_durable() {
                state.unsubscribe(now, filters, false);
            }
        });
    }
}

/// Names a queue, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamKey(u64);

/// All queues of a client.
pub(crate) struct Streams {
    list: BTreeMap<StreamKey, Stream>,
    next: u64,
    /// Messages that nobody has asked for yet.
    held: VecDeque<Waiting>,
    held_until: Option<Instant>,
    hold: Duration,
    messages_max: usize,
    bytes_max: usize,
    /// The connection is gone and the session perhaps not: what was not acknowledged may come again.
    in_doubt: bool,
    /// The first of those moments up to which a queue pauses.
    crowded_until: Option<Instant>,
    unmatched: u64,
    dropped: u64,
    /// Keys of the streams that a message goes to; kept for its memory.
    targets: Vec<StreamKey>,
}

/// One queue.
pub(crate) struct Stream {
    /// Empty: it ends as soon as it is.
    pub(crate) filters: Vec<Filter>,
    pub(crate) status: Status,
    pub(crate) waker: Option<Waker>,
    /// It takes what no other does.
    catch_all: bool,
    queue: VecDeque<Waiting>,
    bytes: usize,
    crowd: Crowd,
    dropped: u64,
}

/// What becomes of a message at QoS 0.
///
/// ```text
///             the queue is full              nobody has made room
///   Welcome -------------------> Pausing ---------------------------> Unwelcome
///      ^                            |                                      |
///      +----------------------------+--------------------------------------+
///                            half of it is free
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crowd {
    /// It is kept.
    Welcome,
    /// Nothing is read, up to this moment: a reader that was only not scheduled catches up.
    Pausing(Instant),
    /// It is dropped. The reader is slow, and nothing that is none of its business shall wait for it.
    Unwelcome,
}

/// What was subscribed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) text: String,
    pub(crate) options: SubscriptionOptions,
}

impl Filter {
    /// `None` never happens: the text was checked when the filter was made.
    pub(crate) fn subscription(&self) -> Option<Subscription<'_>> {
        Some(Subscription { filter: self.as_filter()?, options: self.options })
    }

    fn as_filter(&self) -> Option<TopicFilter<'_>> {
        TopicFilter::new(&self.text).ok()
    }
}

/// How far a subscription is.
#[derive(Clone, Debug)]
pub(crate) enum Status {
    /// The server does not know of it.
    Due,
    /// The server has been asked.
    Asked,
    /// The server has said yes. It may have forgotten since, and be asked again.
    Live,
    /// The server has said no, or can't be asked.
    Failed(SubscribeError),
}

impl Status {
    pub(crate) fn error(&self) -> Option<SubscribeError> {
        match self {
            Self::Failed(error) => Some(error.clone()),
            Self::Due | Self::Asked | Self::Live => None,
        }
    }
}

/// A message in a queue.
#[derive(Clone)]
struct Waiting {
    message: PublishBuf,
    owed: Option<Owed>,
}

/// An acknowledgement that is due when the message has been taken.
#[derive(Clone)]
enum Owed {
    Alone(AckToken),
    /// So many queues have not.
    Together(AckToken, Arc<AtomicUsize>),
}

impl Owed {
    /// One more has taken it. The last one acknowledges.
    fn take(self) -> Option<AckToken> {
        match self {
            Self::Alone(token) => Some(token),
            Self::Together(token, left) => (left.fetch_sub(1, Ordering::Relaxed) == 1).then_some(token),
        }
    }
}

/// Where a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routed {
    /// Into a queue, which will acknowledge it; or it was dropped, and needs no acknowledgement.
    Kept,
    /// Nowhere.
    Unmatched,
}

impl Streams {
    pub(crate) const fn new(options: &Options) -> Self {
        Self {
            list: BTreeMap::new(),
            next: 0,
            held: VecDeque::new(),
            held_until: None,
            hold: options.unmatched_hold,
            messages_max: options.stream_messages_max,
            bytes_max: options.stream_bytes_max,
            in_doubt: false,
            crowded_until: None,
            unmatched: 0,
            dropped: 0,
            targets: Vec::new(),
        }
    }

    pub(crate) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        self.list.get_mut(&key)
    }

    /// The queues that the server has to know of.
    pub(crate) fn subscribed(&self) -> impl Iterator<Item = StreamKey> {
        self.list.iter().filter(|(_, stream)| !stream.is_ending() && !stream.catch_all).map(|(&key, _)| key)
    }

    pub(crate) const fn unmatched(&self) -> u64 {
        self.unmatched
    }

    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A new queue; no filters: for what no other queue takes. It gets those held messages that are for it.
    pub(crate) fn open(&mut self, filters: Vec<Filter>) -> StreamKey {
        let key = StreamKey(self.next);
        self.next += 1;
        let catch_all = filters.is_empty();
        let mut stream = Stream {
            filters,
            status: if catch_all { Status::Live } else { Status::Due },
            waker: None,
            catch_all,
            queue: VecDeque::new(),
            bytes: 0,
            crowd: Crowd::Welcome,
            dropped: 0,
        };
        let (for_it, held) =
            std::mem::take(&mut self.held).into_iter().partition(|waiting| stream.wants(waiting.message.topic()));
        self.held = held;
        stream.queue = for_it;
        stream.bytes = stream.queue.iter().map(|waiting| waiting.message.len()).sum();
        self.list.insert(key, stream);
        key
    }

    /// Some queue has this filter.
    fn has_filter(&self, text: &str) -> bool {
        self.list.values().flat_map(|stream| &stream.filters).any(|filter| filter.text == text)
    }

    /// Some queue other than `key` has this filter.
    pub(crate) fn is_wanted_besides(&self, key: StreamKey, text: &str) -> bool {
        let others = self.list.iter().filter(|&(&other, stream)| other != key && !stream.is_ending());
        others.flat_map(|(_, stream)| &stream.filters).any(|filter| filter.text == text)
    }

    /// Forgets a filter everywhere: the application has unsubscribed it.
    pub(crate) fn remove_filter(&mut self, text: &str, wakes: &mut Wakes) {
        for stream in self.list.values_mut().filter(|stream| !stream.catch_all) {
            stream.filters.retain(|filter| filter.text != text);
            if stream.filters.is_empty() {
                wakes.wake(stream.waker.take());
            }
        }
    }

    /// Puts a message into each queue that wants it.
    pub(crate) fn route(&mut self, now: Instant, received: &Received<'_>, wakes: &mut Wakes) -> Routed {
        let topic = received.topic();
        self.targets.clear();
        self.targets.extend(self.list.iter().filter(|(_, stream)| stream.matches(topic)).map(|(&key, _)| key));
        if self.targets.is_empty() {
            self.targets.extend(self.list.iter().filter(|(_, stream)| stream.catch_all).map(|(&key, _)| key));
        }
        let owed = match (received.token(), self.targets.len()) {
            (None, _) => None,
            (Some(token), 0 | 1) => Some(Owed::Alone(token)),
            (Some(token), count) => Some(Owed::Together(token, Arc::new(AtomicUsize::new(count)))),
        };
        if self.targets.is_empty() {
            if owed.is_some() && self.held_until.is_some_and(|until| now < until) {
                self.held.push_back(Waiting { message: received.to_buf(), owed });
                return Routed::Kept;
            }
            self.unmatched += 1;
            return Routed::Unmatched;
        }
        let targets = std::mem::take(&mut self.targets);
        let mut message = None;
        for (index, &key) in targets.iter().enumerate() {
            if owed.is_none() && !self.has_room(now, key) {
                continue;
            }
            // Copied once, and only for somebody; the last one gets the copy itself.
            let kept = message.take().unwrap_or_else(|| received.to_buf());
            if index + 1 < targets.len() {
                message = Some(kept.clone());
            }
            self.push(key, Waiting { message: kept, owed: owed.clone() }, wakes);
        }
        self.targets = targets;
        Routed::Kept
    }

    /// There is room for another message at QoS 0, or there may be in a moment. If not, it is dropped.
    fn has_room(&mut self, now: Instant, key: StreamKey) -> bool {
        let Some(stream) = self.list.get_mut(&key) else { return false };
        if stream.queue.len() < self.messages_max && stream.bytes < self.bytes_max {
            return true;
        }
        if stream.crowd == Crowd::Welcome {
            stream.crowd = Crowd::Pausing(now + PAUSE_MAX);
            self.crowded_until.get_or_insert(now + PAUSE_MAX);
            return true;
        }
        stream.dropped += 1;
        self.dropped += 1;
        false
    }

    fn push(&mut self, key: StreamKey, waiting: Waiting, wakes: &mut Wakes) {
        if let Some(stream) = self.list.get_mut(&key) {
            stream.bytes += waiting.message.len();
            stream.queue.push_back(waiting);
            wakes.wake(stream.waker.take());
        }
    }

    /// Takes the first message of a queue, with the acknowledgement that goes out for it.
    fn take(&mut self, key: StreamKey) -> Poll<Option<(Message, Option<AckToken>)>> {
        let Some(stream) = self.list.get_mut(&key) else {
            return Poll::Ready(None);
        };
        match stream.queue.front() {
            Some(waiting) if self.in_doubt && waiting.owed.is_some() => Poll::Pending,
            None if stream.is_ending() => Poll::Ready(None),
            None => Poll::Pending,
            Some(_) => {
                let waiting = stream.queue.pop_front();
                if stream.queue.is_empty() {
                    // An idle subscription holds no memory for the burst that it once had.
                    if stream.queue.capacity() > QUEUE_KEPT {
                        stream.queue = VecDeque::new();
                    }
                }
                stream.bytes -= waiting.as_ref().map_or(0, |waiting| waiting.message.len());
                if stream.crowd != Crowd::Welcome
                    && stream.queue.len() <= self.messages_max / 2
                    && stream.bytes <= self.bytes_max / 2
                {
                    stream.crowd = Crowd::Welcome;
                    self.look_at_crowds();
                }
                Poll::Ready(waiting.map(|waiting| (Message(waiting.message), waiting.owed.and_then(Owed::take))))
            }
        }
    }

    /// Nothing is to be read for the moment.
    pub(crate) const fn is_crowded(&self) -> bool {
        self.crowded_until.is_some()
    }

    pub(crate) const fn crowded_until(&self) -> Option<Instant> {
        self.crowded_until
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.crowded_until.is_some_and(|until| until <= now) {
            for stream in self.list.values_mut() {
                if matches!(stream.crowd, Crowd::Pausing(until) if until <= now) {
                    stream.crowd = Crowd::Unwelcome;
                }
            }
            self.look_at_crowds();
        }
    }

    fn look_at_crowds(&mut self) {
        let pauses = self.list.values().filter_map(|stream| match stream.crowd {
            Crowd::Pausing(until) => Some(until),
            Crowd::Welcome | Crowd::Unwelcome => None,
        });
        self.crowded_until = pauses.min();
    }

    /// Removes a queue. What waits in it counts as taken.
    fn close(&mut self, key: StreamKey, wakes: &mut Wakes) -> Option<(Stream, Vec<AckToken>)> {
        let mut stream = self.list.remove(&key)?;
        wakes.discard(stream.waker.take());
        self.look_at_crowds();
        let tokens = std::mem::take(&mut stream.queue).into_iter().filter_map(|waiting| waiting.owed?.take()).collect();
        Some((stream, tokens))
    }

    /// Whether messages that are not acknowledged may come again, so that they are not to be handed out now.
    pub(crate) fn doubt(&mut self, in_doubt: bool, wakes: &mut Wakes) {
        self.in_doubt = in_doubt;
        if !in_doubt {
            self.wake_all(wakes);
        }
    }

    /// A new connection is up.
    pub(crate) fn handle_up(&mut self, is_resumed: bool, wakes: &mut Wakes) {
        self.forget_owed(is_resumed);
        self.drop_excess();
        self.doubt(false, wakes);
    }

    /// From now on, messages that nobody has asked for wait for a while.
    pub(crate) fn hold(&mut self, now: Instant) {
        if !self.list.values().any(|stream| stream.catch_all) {
            self.held_until = Some(now + self.hold);
        }
    }

    pub(crate) const fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Nobody has asked for them.
    pub(crate) fn give_up_held(&mut self) -> Vec<AckToken> {
        self.held_until = None;
        let held = std::mem::take(&mut self.held);
        self.unmatched += held.len() as u64;
        held.into_iter().filter_map(|waiting| waiting.owed?.take()).collect()
    }

    pub(crate) fn wake_all(&mut self, wakes: &mut Wakes) {
        for stream in self.list.values_mut() {
            wakes.wake(stream.waker.take());
        }
    }

    /// The client is over, and no queue will get another message. What was not acknowledged is the server's to send again, if it keeps the session.
    pub(crate) fn end(&mut self, error: &ConnectError, session_kept: bool, wakes: &mut Wakes) {
        for stream in self.list.values_mut() {
            if stream.status.error().is_none() {
                stream.status = Status::Failed(SubscribeError::Closed(error.clone()));
            }
        }
        self.forget_owed(session_kept);
        self.doubt(false, wakes);
    }

    /// The connection is gone, and its acknowledgements with it. What was not acknowledged will come again, or never.
    fn forget_owed(&mut self, comes_again: bool) {
        let queues = self.list.values_mut().map(|stream| &mut stream.queue).chain([&mut self.held]);
        for queue in queues {
            if comes_again {
                queue.retain(|waiting| waiting.owed.is_none());
            } else {
                queue.iter_mut().for_each(|waiting| waiting.owed = None);
            }
        }
        for stream in self.list.values_mut() {
            stream.bytes = stream.queue.iter().map(|waiting| waiting.message.len()).sum();
        }
    }

    /// What nobody is owed an acknowledgement for is not bounded by what the server may leave unacknowledged, and each connection could bring more of it.
    fn drop_excess(&mut self) {
        for stream in self.list.values_mut() {
            while stream.queue.len() > self.messages_max || stream.bytes > self.bytes_max {
                let Some(waiting) = stream.queue.back().filter(|waiting| waiting.owed.is_none()) else { break };
                stream.bytes -= waiting.message.len();
                stream.queue.pop_back();
                stream.dropped += 1;
                self.dropped += 1;
            }
        }
    }

    /// The connection is gone: nothing is read that could pause for a reader.
    pub(crate) fn stop_pausing(&mut self) {
        for stream in self.list.values_mut().filter(|stream| matches!(stream.crowd, Crowd::Pausing(_))) {
            stream.crowd = Crowd::Unwelcome;
        }
        self.crowded_until = None;
    }
}

/// How long reading may pause for the reader of a full queue.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Room that an empty queue keeps, in messages.
const QUEUE_KEPT: usize = 64;

impl Stream {
    fn matches(&self, topic: TopicName<'_>) -> bool {
        self.filters.iter().any(|filter| filter.as_filter().is_some_and(|filter| filter.matches(topic)))
    }

    /// As [`matches`](Self::matches), for a message that no other queue takes.
    fn wants(&self, topic: TopicName<'_>) -> bool {
        self.catch_all || self.matches(topic)
    }

    fn is_ending(&self) -> bool {
        matches!(self.status, Status::Failed(_)) || (self.filters.is_empty() && !self.catch_all)
    }
}

impl State {
    /// The next message of a queue, acknowledged. Pending: none yet; `None`: none any more.
    pub(crate) fn take_message(&mut self, key: StreamKey) -> Poll<Option<Message>> {
        let crowded = self.streams.is_crowded();
        let taken = self.streams.take(key);
        if crowded && !self.streams.is_crowded() {
            self.nudge();
        }
        taken.map(|taken| {
            let (message, token) = taken?;
            if let Some(token) = token {
                self.acknowledge(token);
            }
            Some(message)
        })
    }

    /// Removes a queue. Returns those of its filters that the server may know and no other queue uses.
    pub(crate) fn close_stream(&mut self, key: StreamKey) -> Vec<String> {
        let Some((stream, tokens)) = self.streams.close(key, &mut self.wakes) else {
            return Vec::new();
        };
        self.nudge();
        for token in tokens {
            self.acknowledge(token);
        }
        if matches!(stream.status, Status::Due) {
            self.requests.forget(key);
            return Vec::new();
        }
        let filters = stream.filters.into_iter().map(|filter| filter.text);
        filters.filter(|text| !self.streams.has_filter(text)).collect()
    }
}
