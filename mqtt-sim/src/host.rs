//! A client of this world: its machine, its application, and the loop around them.

use std::fmt;
use std::time::Duration;

use mqtt_proto::TransmitBuf;
use mqtt_session::{Client, ConnectOptions, Event, Instant, SessionState, Transmit};

use crate::app::{App, Handle};
use crate::checks::Check;
use crate::marks::Mark;
use crate::wire::{End, Farewell, LinkId, Over, Wire};
use crate::world::{Context, Happening};

/// More turns of one loop than these, and it has gone wild.
const ROUNDS_MAX: usize = 20_000;

pub(crate) struct Host {
    index: usize,
    pub(crate) client: Client,
    pub(crate) app: Box<dyn App>,
    pub(crate) link: Option<LinkId>,
    /// When it tries to connect.
    connects_at: Instant,
    /// Its process is not there until then.
    down_until: Option<Instant>,
    app_wakes_at: Option<Instant>,
    /// For when a wake-up is on the agenda.
    armed: Option<Instant>,
    /// The server has said yes on this link.
    was_connected: bool,
    starts_clean: bool,
    asks_clean: bool,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("index", &self.index).field("client", &self.client).finish_non_exhaustive()
    }
}

impl Host {
    pub(crate) fn new(index: usize, options: ConnectOptions, app: Box<dyn App>) -> Self {
        Self {
            index,
            asks_clean: options.clean_start,
            client: Client::new(options),
            app,
            link: None,
            connects_at: Instant::ZERO,
            down_until: None,
            app_wakes_at: None,
            armed: None,
            was_connected: false,
            starts_clean: false,
        }
    }

    pub(crate) fn start(&mut self, cx: &mut Context) {
        self.with_app(cx, |app, handle| app.on_start(handle));
    }

    fn with_app(&mut self, cx: &mut Context, call: impl FnOnce(&mut dyn App, &mut Handle<'_>)) {
        let mut handle = Handle {
            now: cx.clock.now(),
            index: self.index,
            client: &mut self.client,
            checks: &mut cx.checks,
            marks: &mut cx.marks,
            wakes_at: &mut self.app_wakes_at,
        };
        call(&mut *self.app, &mut handle);
    }

    /// One turn of the loop: read, listen, write, sleep.
    pub(crate) fn turn(&mut self, cx: &mut Context) {
        let now = cx.clock.now();
        if self.down_until.is_some_and(|until| now < until) {
            return;
        }
        if self.down_until.take().is_some() {
            cx.trace.note(now, self.index, "starts again");
        }
        self.read(cx);
        self.client.handle_timeout(now);
        self.listen(cx);
        if self.app_wakes_at.is_some_and(|at| at <= now) {
            self.app_wakes_at = None;
            self.with_app(cx, |app, handle| app.on_wake(handle));
        }
        self.write(cx);
        if self.link.is_none() && self.connects_at <= now {
            self.connect(cx);
            self.write(cx);
        }
        self.sleep(cx);
    }

    fn read(&mut self, cx: &mut Context) {
        let now = cx.clock.now();
        let Some(link) = self.link else { return };
        let Some(bytes) = cx.wire.take_arrived(now, link, End::Client) else { return };
        let mut input = &bytes[..];
        let mut answers = 0;
        loop {
            let offered = input;
            let is_closing = self.was_connected && !self.client.is_connected();
            let event = self.client.handle_input(now, &mut input);
            if !is_closing {
                let consumed = &offered[..offered.len() - input.len()];
                cx.checks.consumed(link, End::Client, consumed, &mut cx.marks);
            }
            let Some(event) = event else { break };
            answers += 1;
            if answers > ROUNDS_MAX {
                break;
            }
            self.hear(cx, &event);
        }
        cx.checks.worked(now, "a client", bytes.len(), answers);
        let rest = input.to_vec();
        let is_all = rest.is_empty();
        cx.wire.put_back(&mut cx.clock, link, End::Client, rest);
        if let Some(over) = cx.wire.over(now, link, End::Client).filter(|_| is_all || self.client.wants_input()) {
            if over == Over::Reset {
                cx.marks.hit(if is_all { Mark::CutBetweenPackets } else { Mark::CutInsidePacket });
            }
            self.close(cx, Farewell::Fin);
        }
    }

    fn hear(&mut self, cx: &mut Context, event: &Event<'_>) {
        let now = cx.clock.now();
        cx.trace.note(now, (self.index, cx.seam.whim()), event);
        let times = match event {
            Event::Received(received) => cx.seam.handed_out(received),
            Event::Published { .. } => cx.seam.settled(),
            _ => 1,
        };
        if matches!(event, Event::Connected(_)) {
            self.was_connected = true;
            self.starts_clean = false;
        }
        for _ in 0..times {
            cx.checks.heard(now, self.index, event, self.client.agreed(), &mut cx.marks);
            self.with_app(cx, |app, handle| app.on_event(event, handle));
        }
    }

    fn listen(&mut self, cx: &mut Context) {
        let mut answers = 0;
        while let Some(event) = self.client.poll_event() {
            answers += 1;
            if answers > ROUNDS_MAX {
                break;
            }
            self.hear(cx, &event);
        }
        cx.checks.worked(cx.clock.now(), "a client", 0, answers);
    }

    fn write(&mut self, cx: &mut Context) {
        let now = cx.clock.now();
        let mut rounds = 0;
        while let Some(link) = self.link {
            let mut out = TransmitBuf::new();
            // What is left of a connection that ends goes out in any case, since somebody has to be told.
            if !cx.wire.has_room(link, End::Client, &mut cx.marks) && self.client.is_connected() {
                break;
            }
            match self.client.poll_transmit(now, &mut out) {
                Transmit::Idle => break,
                Transmit::Ready => cx.send(link, End::Client, &out),
                Transmit::Close => self.close(cx, Farewell::Fin),
            }
            self.listen(cx);
            rounds += 1;
            if rounds > ROUNDS_MAX {
                cx.checks.report(now, Check::Work, format!("client {} never stops writing", self.index));
                break;
            }
        }
        self.listen(cx);
    }

    fn connect(&mut self, cx: &mut Context) {
        let now = cx.clock.now();
        if now < cx.refuses_transports_until {
            cx.marks.hit(Mark::Refused);
            self.connects_at = now + cx.backoff();
            return;
        }
        let clean_start = self.asks_clean || self.starts_clean;
        if self.starts_clean && !self.asks_clean {
            cx.marks.hit(Mark::CleanStart);
        }
        self.client.options_mut().clean_start = clean_start;
        if let Err(error) = self.client.connect(now) {
            cx.checks.report(now, Check::Sequence, format!("client {} can't connect: {error}", self.index));
            return;
        }
        self.was_connected = false;
        let link = cx.wire.open(self.index);
        self.link = Some(link);
        cx.trace.note(now, self.index, ("connects", link));
        if now < cx.never_answers_until {
            cx.marks.hit(Mark::NeverAnswered);
            cx.wire.leave_unanswered(link);
        } else {
            cx.clock.at(now, Happening::Accept(link));
        }
    }

    fn sleep(&mut self, cx: &mut Context) {
        let now = cx.clock.now();
        let real = self.client.poll_timeout();
        let deadline = cx.seam.deadline(now, real);
        let pending = cx.seam.pending(self.client.pending());
        cx.checks.client_turned(now, self.index, &self.client, pending, deadline);
        let connects_at = self.link.is_none().then_some(self.connects_at);
        let wakes_at = [deadline, connects_at, self.app_wakes_at].into_iter().flatten().min();
        if let Some(at) = wakes_at.filter(|&at| self.armed.is_none_or(|armed| at < armed || armed <= now)) {
            self.armed = Some(at);
            cx.clock.at(at, Happening::Wake(self.index));
        }
    }

    /// The transport is gone, for this end at least.
    fn close(&mut self, cx: &mut Context, how: Farewell) {
        let now = cx.clock.now();
        let Some(link) = self.link.take() else { return };
        cx.wire.close(&mut cx.clock, link, End::Client, how);
        cx.checks.closed(link, End::Client);
        self.client.handle_closed(now);
        self.listen(cx);
        self.connects_at = now + cx.backoff();
    }

    // --- faults -----------------------------------------------------------------------------------------------------------

    /// Its end of the wire goes, and it knows.
    pub(crate) fn lose(&mut self, cx: &mut Context, how: Farewell) {
        self.close(cx, how);
        self.turn(cx);
    }

    /// It says goodbye and stays away.
    pub(crate) fn leave(&mut self, cx: &mut Context, time: Duration) {
        self.with_app(cx, |_, handle| {
            // Without a connection there is nobody to say it to.
            let _ = handle.disconnect();
        });
        self.listen(cx);
        self.write(cx);
        if self.link.is_none() {
            self.connects_at = cx.clock.now() + time;
        }
        self.turn(cx);
    }

    /// It forgets its session when it connects next.
    pub(crate) const fn start_clean(&mut self) {
        self.starts_clean = true;
    }

    /// The process dies. What comes up again later knows what the session knew after the last turn, and no more.
    pub(crate) fn crash(&mut self, cx: &mut Context, time: Duration) {
        let now = cx.clock.now();
        cx.marks.hit(if self.client.pending() > 0 { Mark::ClientCrashedInFlight } else { Mark::ClientCrashed });
        // What a real one would have on a disk.
        let session = match SessionState::import(now, &self.client.session().export(now)) {
            Ok(session) => cx.seam.restored(session),
            Err(error) => {
                let what = format!("the session of client {} can't be read: {error}", self.index);
                return cx.checks.report(now, Check::Sessions, what);
            }
        };
        self.client = Client::with_session(self.client.options().clone(), session);
        cx.checks.crashed(self.index, self.link);
        if let Some(link) = self.link.take() {
            let how = if cx.random.percent(50) { Farewell::Reset } else { Farewell::Silence };
            cx.wire.close(&mut cx.clock, link, End::Client, how);
        }
        self.app.on_crash();
        self.connects_at = now + time;
        self.down_until = Some(now + time);
        self.armed = None;
        cx.clock.at(now + time, Happening::Wake(self.index));
        // Who asked to be woken is gone; the application is woken when it starts again.
        self.app_wakes_at = Some(now + time);
    }

    /// All faults are over: it connects at once.
    pub(crate) fn heal(&mut self, cx: &mut Context) {
        let now = cx.clock.now();
        self.down_until = self.down_until.map(|_| now);
        self.connects_at = self.connects_at.min(now);
        self.armed = None;
        self.turn(cx);
    }

    /// What keeps it from rest.
    pub(crate) fn unrest(&self, wire: &Wire) -> Option<String> {
        let index = self.index;
        if !self.client.is_connected() {
            Some(format!("client {index} is not connected"))
        } else if !self.link.is_some_and(|link| wire.is_open(link, End::Server)) {
            // Until it comes back nobody knows whether its session is still there, and so what it is owed.
            Some(format!("client {index} has not noticed that the server is gone"))
        } else if self.client.pending() > 0 {
            Some(format!("client {index} has {} messages pending", self.client.pending()))
        } else if !self.app.is_done() {
            Some(format!("the application of client {index} is not done"))
        } else {
            None
        }
    }
}
