//! The loop of a client.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mqtt_proto::TransmitBuf;
use mqtt_session::{Instant, Transmit};

use crate::error::ConnectError;
use crate::handle::Client;
use crate::input::{Input, READ_BYTES};
use crate::options::Options;
use crate::random::Random;
use crate::reconnect::Backoff;
use crate::shared::{Intake, Shared};
use crate::transport::{Clock, Connector, Timer, Transport};
use crate::write::{Farewell, poll_write};

/// Reads of a turn; then it is the writes' turn, and that of other tasks.
const READS_MAX: usize = 4;

/// Messages of a turn; the lock is not held for longer.
const EVENTS_MAX: usize = 128;

/// A write carries up to about so much.
const WRITE_BYTES: usize = 128 << 10;

/// The loop of one client: spawn [`run`](Self::run) on any executor. [`client`] makes it.
#[must_use = "nothing happens unless it runs"]
pub struct Driver<N: Connector, C: Clock> {
    shared: Arc<Shared>,
    options: Options,
    connector: N,
    clock: C,
    timer: C::Timer,
    backoff: Backoff,
    random: Random,
}

/// A client and its loop, which connects, and connects again, through `connector`.
///
/// The client can be used at once: what needs a connection waits for it. [`Client::connected`] tells whether the first attempt has succeeded.
/// `seed` decides the waits between attempts and invented client identifiers; a clock and a network that repeat themselves make a run that does.
///
/// ```
/// use mqtt_driver::{Client, Clock, Connector, Options, random_seed};
///
/// /// What an adapter does.
/// fn start(options: Options, connector: impl Connector + 'static, clock: impl Clock, spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>)) -> Client {
///     let (client, driver) = mqtt_driver::client(options, connector, clock, random_seed());
///     spawn(Box::pin(driver.run()));
///     client
/// }
/// # #[derive(Clone)] struct NoClock;
/// # impl Clock for NoClock { type Timer = NoTimer; fn now(&self) -> mqtt_driver::Instant { mqtt_driver::Instant::ZERO } fn timer(&self) -> NoTimer { NoTimer } }
/// # struct NoTimer;
/// # impl mqtt_driver::Timer for NoTimer { fn poll_deadline(&mut self, _: &mut std::task::Context<'_>, _: Option<mqtt_driver::Instant>) -> std::task::Poll<()> { std::task::Poll::Pending } }
/// ```
pub fn client<N: Connector, C: Clock>(options: Options, connector: N, clock: C, seed: u64) -> (Client, Driver<N, C>) {
    let mut random = Random::new(seed);
    let now = clock.clone();
    let shared = Arc::new(Shared::new(&options, &mut random, move || now.now()));
    let client = Client::new(Arc::clone(&shared));
    let driver = Driver {
        shared,
        timer: clock.timer(),
        backoff: Backoff::new(&options.reconnect),
        options,
        connector,
        clock,
        random,
    };
    (client, driver)
}

impl<N: Connector, C: Clock> Driver<N, C> {
    /// Runs until the client is over. Dropping it ends the client, too.
    pub async fn run(mut self) {
        let over = loop {
            self.attempt().await;
            if let Some(error) = self.shared.with(|state| state.verdict(&self.options.reconnect)) {
                break error;
            }
            let up_since = self.shared.with(|state| state.up_since());
            let now = self.clock.now();
            let delay = self.backoff.next(&self.options.reconnect, up_since, now, &mut self.random);
            self.wait(now + delay).await;
        };
        self.shared.with(|state| state.finish(over));
    }

    /// One connection, from the attempt to make it to its end.
    async fn attempt(&mut self) {
        let timeout = self.options.connect.limits.connect_timeout;
        let deadline = self.clock.now() + timeout;
        self.shared.with(|state| state.begin_attempt());
        let transport = match self.open(deadline).await {
            Ok(Some(transport)) => transport,
            Ok(None) => return self.closed(Some(ConnectError::TimedOut(timeout))),
            Err(error) => {
                let Options { host, port, .. } = &self.options;
                let error = ConnectError::Unreachable { host: host.clone(), port: *port, error: Arc::new(error) };
                return self.closed(Some(error));
            }
        };
        let now = self.clock.now();
        if let Err(error) = self.shared.with(|state| state.begin(now)) {
            return self.closed(Some(error.into()));
        }
        let mut line = Line::new(transport);
        let timer = &mut self.timer;
        let ending = poll_fn(|cx| line.poll(cx, &self.shared, &self.clock, timer, deadline)).await;
        match ending {
            Ending::Farewell => {
                self.closed(None);
                // For the last bytes, which have been taken from the machine, and for the peer's answer to them.
                let deadline = self.clock.now() + self.options.connect.limits.close_timeout;
                let timer = &mut self.timer;
                poll_fn(|cx| line.poll_farewell(cx, timer, deadline)).await;
            }
            Ending::TimedOut => self.closed(Some(ConnectError::TimedOut(timeout))),
            Ending::Lost(error) => self.closed(error.map(|error| ConnectError::Io(Arc::new(error)))),
        }
    }

    /// `None`: it took too long, or the client is to end.
    async fn open(&mut self, deadline: Instant) -> io::Result<Option<N::Transport>> {
        let Self { shared, options, connector, clock, timer, .. } = self;
        let mut connecting = pin!(connector.connect(&options.host, options.port));
        poll_fn(|cx| {
            if attend(shared, clock, cx) {
                return Poll::Ready(Ok(None));
            }
            if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
                return Poll::Ready(result.map(Some));
            }
            poll_idle(shared, clock, cx, timer, deadline).map(|()| Ok(None))
        })
        .await
    }

    /// Waits before the next attempt, unless the client is to end.
    async fn wait(&mut self, until: Instant) {
        let Self { shared, clock, timer, .. } = self;
        poll_fn(|cx| {
            if attend(shared, clock, cx) {
                return Poll::Ready(());
            }
            poll_idle(shared, clock, cx, timer, until)
        })
        .await;
    }

    fn closed(&self, error: Option<ConnectError>) {
        let now = self.clock.now();
        self.shared.with(|state| state.handle_closed(now, error));
    }
}

impl<N: Connector, C: Clock> Drop for Driver<N, C> {
    fn drop(&mut self) {
        self.shared.with(|state| state.finish(ConnectError::Stopped));
    }
}

impl<N: Connector, C: Clock> fmt::Debug for Driver<N, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Takes notice before looking, so that nothing that comes later is missed. True: the client is to end.
fn attend(shared: &Shared, clock: &impl Clock, cx: &Context<'_>) -> bool {
    let (now, waker) = (clock.now(), cx.waker().clone());
    shared.with(|state| {
        state.attend(now, waker);
        state.is_closing()
    })
}

/// Waits without a connection. Messages that wait, too, may be over before.
fn poll_idle(
    shared: &Shared,
    clock: &impl Clock,
    cx: &mut Context<'_>,
    timer: &mut impl Timer,
    until: Instant,
) -> Poll<()> {
    loop {
        let due = shared.with(|state| state.session_deadline());
        if timer.poll_deadline(cx, Some(due.map_or(until, |due| due.min(until)))).is_pending() {
            return Poll::Pending;
        }
        let now = clock.now();
        if now >= until {
            return Poll::Ready(());
        }
        shared.with(|state| state.handle_timeout(now));
    }
}

/// How a connection ends.
enum Ending {
    /// In words, which are still to be sent.
    Farewell,
    /// The server has not answered CONNECT.
    TimedOut,
    /// The transport is gone.
    Lost(Option<io::Error>),
}

/// An open transport, and bytes on their way in and out.
struct Line<T> {
    transport: T,
    input: Input,
    out: TransmitBuf,
    /// What became of what was read.
    intake: Intake,
    /// The transport has not taken all of `out`.
    blocked: bool,
    patience: Patience,
    unflushed: bool,
    farewell: Farewell,
}

impl<T: Transport> Line<T> {
    fn new(transport: T) -> Self {
        Self {
            transport,
            input: Input::default(),
            out: TransmitBuf::new(),
            intake: Intake::Done,
            blocked: false,
            patience: Patience::default(),
            unflushed: false,
            farewell: Farewell::default(),
        }
    }

    /// A turn: everything that can be read, then everything that is to be written, in one write.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        clock: &impl Clock,
        timer: &mut impl Timer,
        connect_by: Instant,
    ) -> Poll<Ending> {
        let now = clock.now();
        let waker = cx.waker().clone();
        let gives_up = shared.with(|state| {
            state.attend(now, waker);
            state.gives_up()
        });
        if gives_up {
            return Poll::Ready(Ending::Lost(None));
        }
        loop {
            if let Poll::Ready(error) = self.poll_read(cx, shared, now) {
                return Poll::Ready(Ending::Lost(error));
            }
            if let Poll::Ready(ending) = self.poll_write(cx, shared, now) {
                return Poll::Ready(ending);
            }
            // What has been written may be what the input waits for.
            if self.intake == Intake::Waits && shared.with(|state| state.wants_input()) {
                continue;
            }
            let deadline = shared.with(|state| match state.up_since() {
                Some(_) => state.deadline(),
                None => Some(connect_by),
            });
            if timer.poll_deadline(cx, deadline).is_pending() {
                return Poll::Pending;
            }
            let now = clock.now();
            let timed_out = shared.with(|state| {
                state.handle_timeout(now);
                state.up_since().is_none() && now >= connect_by
            });
            if timed_out {
                return Poll::Ready(Ending::TimedOut);
            }
        }
    }

    /// Reads what is there, up to a limit. Ready: the transport is gone.
    fn poll_read(&mut self, cx: &mut Context<'_>, shared: &Shared, now: Instant) -> Poll<Option<io::Error>> {
        let mut events_left = EVENTS_MAX;
        if self.intake != Intake::Done {
            self.offer(shared, now, &mut events_left);
        }
        for _ in 0..READS_MAX {
            match self.intake {
                Intake::Done => {}
                Intake::Waits => return Poll::Pending,
                Intake::More => break,
            }
            let bytes = match self.transport.poll_read(cx, self.input.room(READ_BYTES)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(None),
                Poll::Ready(Ok(bytes)) => bytes,
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Poll::Ready(Err(error)) => return Poll::Ready(Some(error)),
                Poll::Pending => return Poll::Pending,
            };
            self.input.filled(bytes);
            self.offer(shared, now, &mut events_left);
        }
        // There may be more; it is also the others' turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn offer(&mut self, shared: &Shared, now: Instant, events_left: &mut usize) {
        let mut unread = self.input.unread();
        self.intake = shared.with(|state| state.take_input(now, &mut unread, events_left));
        let left = unread.len();
        self.input.keep_last(left);
        self.input.shrink(READ_BYTES);
    }

    /// Writes what has been encoded since the last turn. Ready: nothing more will be.
    fn poll_write(&mut self, cx: &mut Context<'_>, shared: &Shared, now: Instant) -> Poll<Ending> {
        if shared.with(|state| state.has_ended()) {
            // A peer that does not read must not keep us: from here on there is a deadline.
            while shared.with(|state| state.transmit(now, &mut self.out)) == Transmit::Ready {}
            return Poll::Ready(Ending::Farewell);
        }
        loop {
            let mut last = Transmit::Ready;
            if !self.blocked {
                // What has been encoded makes room behind it, so there may be a little more, which need not be a write of its own.
                while last == Transmit::Ready && self.out.len() < WRITE_BYTES {
                    last = shared.with(|state| state.transmit(now, &mut self.out));
                }
                if last == Transmit::Idle && self.is_patient(shared) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                self.unflushed |= !self.out.is_empty();
            }
            self.blocked = true;
            match poll_write(&mut self.transport, cx, &mut self.out) {
                Poll::Ready(Ok(())) => (self.blocked, self.patience) = (false, Patience::default()),
                Poll::Ready(Err(error)) => return Poll::Ready(Ending::Lost(Some(error))),
                Poll::Pending => return Poll::Pending,
            }
            match last {
                Transmit::Ready => {}
                Transmit::Close => return Poll::Ready(Ending::Farewell),
                Transmit::Idle => break,
            }
        }
        if self.unflushed {
            match self.transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.unflushed = false;
                    // An idle connection holds no buffer.
                    self.out.release();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Ending::Lost(Some(error))),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    /// Whoever is about to publish, or to take what has just been read, should come along in the same write.
    fn is_patient(&mut self, shared: &Shared) -> bool {
        self.patience.urgent |= shared.with(|state| state.take_urgency());
        self.patience.takes_a_turn(self.out.len())
    }

    fn poll_farewell(&mut self, cx: &mut Context<'_>, timer: &mut impl Timer, deadline: Instant) -> Poll<()> {
        let Self { transport, out, input, farewell, .. } = self;
        if farewell.poll(cx, transport, out, input.room(1)).is_ready() {
            return Poll::Ready(());
        }
        timer.poll_deadline(cx, Some(deadline))
    }
}

/// How often others may have a turn before what has been encoded is written. A turn costs next to nothing, a write does not.
#[derive(Default)]
struct Patience {
    /// Somebody waits for an answer to what is to be written.
    urgent: bool,
    /// What there was to be written a turn ago.
    bytes: usize,
    turns: usize,
    /// Turns since something was added.
    idle_turns: usize,
}

impl Patience {
    const TURNS_MAX: usize = 32;
    const IDLE_TURNS_MAX: usize = 4;

    fn takes_a_turn(&mut self, bytes: usize) -> bool {
        if bytes == 0 {
            return false;
        }
        if bytes > self.bytes && self.bytes > 0 {
            self.idle_turns = 0;
        }
        let idle_turns_max = if self.urgent { 1 } else { Self::IDLE_TURNS_MAX };
        let waits = self.turns < Self::TURNS_MAX && self.idle_turns < idle_turns_max;
        (self.bytes, self.turns, self.idle_turns) = (bytes, self.turns + 1, self.idle_turns + 1);
        waits
    }
}
