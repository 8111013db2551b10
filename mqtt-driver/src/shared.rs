//! What a client's handles share with its loop: the machine, and who waits for what.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use mqtt_proto::{Properties, ReasonCode, TransmitBuf};
use mqtt_session::{AckToken, DisconnectCause, Event, Instant, Received, Transmit};

use crate::error::{ConnectError, Retry};
use crate::options::Options;
use crate::publish::Publishes;
use crate::random::Random;
use crate::reconnect::Reconnect;
use crate::requests::{Requests, Session};
use crate::stream::{Routed, Streams};
use crate::wake::{Queue, Wakes};

/// The machine behind its lock. Everything inside is synchronous, so no future can be dropped in the middle of a change.
pub(crate) struct Shared {
    state: Mutex<State>,
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    /// Messages may not wait for ever.
    counts_waiting: bool,
}

impl Shared {
    pub(crate) fn new(
        options: &Options,
        random: &mut Random,
        clock: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> Self {
        let counts_waiting = options.connect.limits.queued_time_max.is_some();
        Self { state: Mutex::new(State::new(options, random)), clock: Box::new(clock), counts_waiting }
    }

    pub(crate) const fn counts_waiting(&self) -> bool {
        self.counts_waiting
    }

    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Runs `change` under the lock, and what it wants to wake afterwards.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        // A change that panicked is a bug of ours; the others go on with what there is rather than panic, too.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state);
        let wakes = std::mem::take(&mut state.wakes);
        drop(state);
        wakes.run();
        result
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared(..)")
    }
}

/// Everything that changes.
pub(crate) struct State {
    pub(crate) machine: mqtt_session::Client,
    pub(crate) streams: Streams,
    pub(crate) publishes: Publishes,
    pub(crate) requests: Requests,
    pub(crate) wakes: Wakes,
    /// Tasks that wait for the connection to change.
    pub(crate) watchers: Queue,
    link: Link,
    /// Why the last connection ended, or could not be made.
    last_error: Option<ConnectError>,
    /// Why this attempt, or the connection that came of it, has ended.
    ended: Option<ConnectError>,
    /// Wakes the loop; taken when it is woken.
    wake_loop: Option<Waker>,
    /// The loop has something to do and knows it.
    busy: bool,
    /// Somebody waits for what is to be written.
    urgent: bool,
    closing: bool,
    /// The server keeps the session when a connection ends, so what was not acknowledged comes again.
    durable: bool,
    /// When the connection came up; also after it ended, until the next attempt.
    up_since: Option<Instant>,
    connections: u64,
    /// The latest time that anybody has told us.
    now: Instant,
}

/// How far the machine has taken what it was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intake {
    /// All packets that are complete.
    Done,
    /// Not all, and no more until something else has changed.
    Waits,
    /// Not all, and it would take more.
    More,
}

/// What there is between us and the server.
#[derive(Debug)]
enum Link {
    /// The first connection is being made.
    First,
    Up,
    /// Another one will be.
    Down,
    /// None will be.
    Over(ConnectError),
}

impl State {
    fn new(options: &Options, random: &mut Random) -> Self {
        Self {
            machine: mqtt_session::Client::new(options.machine(random)),
            streams: Streams::new(options),
            publishes: Publishes::default(),
            requests: Requests::default(),
            wakes: Wakes::default(),
            watchers: Queue::default(),
            link: Link::First,
            last_error: None,
            ended: None,
            wake_loop: None,
            busy: true,
            urgent: false,
            closing: false,
            durable: options.session_outlives_connection(),
            up_since: None,
            connections: 0,
            now: Instant::ZERO,
        }
    }

    // --- for handles

    /// The latest time that anybody has told us, which may be now.
    pub(crate) fn note_time(&mut self, now: Option<Instant>) -> Instant {
        self.now = now.unwrap_or(self.now).max(self.now);
        self.now
    }

    /// There is something for the loop to do: wakes it, unless somebody has.
    pub(crate) fn nudge(&mut self) {
        self.urgent = true;
        self.nudge_gently();
    }

    /// As [`nudge`](Self::nudge), for something that nobody will answer: it can wait for more of its kind.
    pub(crate) fn nudge_gently(&mut self) {
        if !self.busy {
            self.busy = true;
            self.wakes.wake(self.wake_loop.take());
        }
    }

    pub(crate) const fn over(&self) -> Option<&ConnectError> {
        match &self.link {
            Link::Over(error) => Some(error),
            Link::First | Link::Up | Link::Down => None,
        }
    }

    pub(crate) const fn is_durable(&self) -> bool {
        self.durable
    }

    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.link, Link::Up)
    }

    pub(crate) const fn connections(&self) -> u64 {
        self.connections
    }

    pub(crate) const fn last_error(&self) -> Option<&ConnectError> {
        self.last_error.as_ref()
    }

    /// Ends the client: DISCONNECT goes out if there is a connection, and the loop stops.
    pub(crate) fn close(&mut self, now: Instant, reason: ReasonCode) {
        if self.closing || self.over().is_some() {
            return;
        }
        self.closing = true;
        for reason in [reason, ReasonCode::NORMAL_DISCONNECTION] {
            // A reason that this version can't say is no reason to stay. Without a connection there is nobody to tell.
            if self.machine.disconnect(now, reason, Properties::EMPTY).is_ok() {
                break;
            }
        }
        self.settle(now);
        self.nudge();
    }

    /// An application has taken a message.
    pub(crate) fn acknowledge(&mut self, token: AckToken) {
        // A token of an earlier connection acknowledges nothing; the message comes again if the server still has it.
        if self.machine.acknowledge(self.now, token, ReasonCode::Success, Properties::EMPTY).is_ok() {
            self.nudge();
        }
    }

    /// Asks the server what is due to be asked.
    pub(crate) fn ask(&mut self, now: Instant) {
        if self.is_up() && self.requests.ask(now, &mut self.machine, &mut self.streams, &mut self.wakes) {
            self.nudge();
        }
    }

    // --- for the loop

    /// The loop looks now, and wants to be woken for whatever comes later.
    pub(crate) fn attend(&mut self, now: Instant, waker: Waker) {
        self.busy = false;
        self.note_time(Some(now));
        self.wakes.replace(&mut self.wake_loop, waker);
    }

    /// This connection is over, but for its last words.
    pub(crate) const fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether somebody waits for what has come to be written since the last time.
    pub(crate) const fn take_urgency(&mut self) -> bool {
        std::mem::replace(&mut self.urgent, false)
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing
    }

    /// The connection is not worth waiting for: the client is to end, and the server has not even answered.
    pub(crate) fn gives_up(&self) -> bool {
        self.closing && self.up_since.is_none()
    }

    /// When the connection came up that is there, or that was there last.
    pub(crate) const fn up_since(&self) -> Option<Instant> {
        self.up_since
    }

    /// There is going to be another connection, or another error.
    pub(crate) fn begin_attempt(&mut self) {
        (self.up_since, self.ended) = (None, None);
    }

    /// A transport is open.
    pub(crate) fn begin(&mut self, now: Instant) -> Result<(), mqtt_session::ConnectError> {
        self.machine.connect(now)
    }

    /// Feeds the machine; what it does not take stays.
    pub(crate) fn take_input(&mut self, now: Instant, input: &mut &[u8], events_left: &mut usize) -> Intake {
        self.urgent = true;
        while *events_left > 0 && !self.streams.is_crowded() {
            let Some(event) = self.machine.handle_input(now, input) else { break };
            self.handle(now, event);
            *events_left -= 1;
        }
        self.settle(now);
        match *events_left {
            0 => Intake::More,
            _ if self.wants_input() => Intake::Done,
            _ => Intake::Waits,
        }
    }

    /// Input would be taken now.
    pub(crate) fn wants_input(&self) -> bool {
        self.machine.wants_input() && !self.streams.is_crowded()
    }

    /// Appends what is to be written.
    pub(crate) fn transmit(&mut self, now: Instant, out: &mut TransmitBuf) -> Transmit {
        let transmit = self.machine.poll_transmit(now, out);
        // What has been encoded makes room behind it.
        self.settle(now);
        transmit
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let machine = self.machine.poll_timeout();
        let streams = [self.streams.held_until(), self.streams.crowded_until()];
        machine.into_iter().chain(streams.into_iter().flatten()).min()
    }

    /// When a message that waits for a connection is over.
    pub(crate) fn session_deadline(&self) -> Option<Instant> {
        self.machine.session().poll_timeout()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.machine.handle_timeout(now);
        self.streams.handle_timeout(now);
        if self.streams.held_until().is_some_and(|until| until <= now) {
            self.give_up_held();
        }
        self.settle(now);
    }

    /// The transport is gone, or there never was one.
    pub(crate) fn handle_closed(&mut self, now: Instant, error: Option<ConnectError>) {
        if let Some(error) = error {
            self.note_end(error);
        }
        if !self.machine.is_idle() {
            self.machine.handle_closed(now);
        }
        self.settle(now);
    }

    /// Why there is to be no further connection, if so.
    pub(crate) fn verdict(&self, policy: &Reconnect) -> Option<ConnectError> {
        if self.closing {
            return Some(ConnectError::Disconnected);
        }
        let error = self.ended.as_ref()?;
        let first = matches!(self.link, Link::First);
        (first || !policy.enabled || error.retry() == Retry::Never).then(|| error.clone())
    }

    /// The loop ends: so does everything that waits.
    pub(crate) fn finish(&mut self, error: ConnectError) {
        if self.over().is_some() {
            return;
        }
        self.streams.end(&error, self.durable, &mut self.wakes);
        self.link = Link::Over(error);
        self.publishes.wake_all(&mut self.wakes);
        self.requests.wake_all(&mut self.wakes);
        self.watchers.call_all(&mut self.wakes);
        let waker = self.wake_loop.take();
        self.wakes.discard(waker);
    }

    /// Takes in what the machine has to say by itself.
    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.machine.poll_event() {
            self.handle(now, event);
        }
    }

    fn handle(&mut self, now: Instant, event: Event<'_>) {
        match event {
            Event::Received(received) => self.receive(now, &received),
            Event::Published { id, outcome } => self.publishes.settle(id, outcome, &mut self.wakes),
            Event::Connected(_) => self.handle_up(now),
            Event::Subscribed { id, suback } => {
                self.requests.handle_suback(id, &suback, &mut self.streams, &mut self.wakes);
                self.ask(now);
            }
            Event::Unsubscribed { id, unsuback } => {
                self.requests.handle_unsuback(id, &unsuback, &mut self.wakes);
                self.ask(now);
            }
            // It is asked again on the next connection.
            Event::RequestLost { .. } => {}
            Event::Disconnected(disconnected) => self.handle_down(disconnected.cause),
            // Those for servers don't come; enhanced authentication is not offered.
            _ => {}
        }
    }

    fn receive(&mut self, now: Instant, received: &Received<'_>) {
        match self.streams.route(now, received, &mut self.wakes) {
            Routed::Kept => {}
            Routed::Unmatched => {
                if let Some(token) = received.token() {
                    self.acknowledge(token);
                }
            }
        }
    }

    fn handle_up(&mut self, now: Instant) {
        let session = self.machine.agreed().map_or(Session::Lost, Session::of);
        let first = matches!(self.link, Link::First);
        self.link = Link::Up;
        self.last_error = None;
        self.up_since = Some(now);
        self.connections += 1;
        if self.durable && self.machine.options().version.has_session_expiry() {
            // A clean start was for what lay before this client, not for what it has collected since.
            self.machine.options_mut().clean_start = false;
        }
        self.streams.handle_up(session != Session::Lost, &mut self.wakes);
        if first && session != Session::Lost {
            self.streams.hold(now);
        }
        self.requests.handle_up(session, &mut self.streams, &mut self.wakes);
        self.ask(now);
        self.publishes.call_room(&mut self.wakes);
        self.watchers.call_all(&mut self.wakes);
    }

    /// The first reason is the one that counts.
    fn note_end(&mut self, error: ConnectError) {
        if self.ended.is_none() {
            self.last_error = Some(error.clone());
            self.ended = Some(error);
        }
    }

    fn handle_down(&mut self, cause: DisconnectCause) {
        self.note_end(cause.into());
        self.streams.stop_pausing();
        if self.is_up() {
            self.link = Link::Down;
            let resumable = self.durable && !self.closing;
            self.streams.doubt(resumable, &mut self.wakes);
            self.watchers.call_all(&mut self.wakes);
        }
    }

    /// Nobody has asked for the messages that came first.
    pub(crate) fn give_up_held(&mut self) {
        for token in self.streams.give_up_held() {
            self.acknowledge(token);
        }
    }
}
