//! A world in one thread: tasks, a clock that only moves when nothing else does, and wires that can be slow, cut or stalled.

#![allow(dead_code, reason = "each test file uses its part of it")]

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use mqtt_driver::{BrokerHandle, BrokerOptions, Client, Instant, Options};

type Task = (Pin<Box<dyn Future<Output = ()> + Send>>, Arc<TaskWaker>);

/// Longer than anything that a test waits for.
const DAY: Duration = Duration::from_secs(86_400);

/// Tasks and time.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Inner>);

#[derive(Default)]
struct Inner {
    tasks: Mutex<Vec<Option<Task>>>,
    clock: Clock,
}

struct TaskWaker(AtomicBool);

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn clock(&self) -> Clock {
        self.0.clock.clone()
    }

    pub(crate) fn now(&self) -> Instant {
        mqtt_driver::Clock::now(&self.0.clock)
    }

    /// Runs a future beside the others. The number stops it.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> usize {
        let mut tasks = self.0.tasks.lock().unwrap();
        tasks.push(Some((Box::pin(future), Arc::new(TaskWaker(AtomicBool::new(true))))));
        tasks.len() - 1
    }

    /// Drops a task.
    pub(crate) fn abort(&self, task: usize) {
        let dropped = self.0.tasks.lock().unwrap()[task].take();
        drop(dropped);
    }

    /// Runs everything until `future` is ready. Time passes when nothing else can happen; if not even that helps, the test is stuck, and fails.
    #[track_caller]
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        let waker = Arc::new(TaskWaker(AtomicBool::new(true)));
        loop {
            self.run_tasks();
            if waker.0.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&Waker::from(waker.clone())))
                {
                    return output;
                }
                continue;
            }
            assert!(self.0.clock.pass(None), "stuck: nothing can happen any more");
            assert!(self.now() < Instant::ZERO + DAY, "stuck: a day has passed");
        }
    }

    /// Runs everything for so long.
    pub(crate) fn pass(&self, time: Duration) {
        let end = self.now() + time;
        loop {
            self.run_tasks();
            if !self.0.clock.pass(Some(end)) {
                return;
            }
        }
    }

    /// Runs everything that can run without time passing.
    pub(crate) fn run_tasks(&self) {
        let mut steps = 0;
        loop {
            let mut idle = true;
            let count = self.0.tasks.lock().unwrap().len();
            for index in 0..count {
                let Some((mut task, waker)) = self.0.tasks.lock().unwrap()[index].take() else { continue };
                if waker.0.swap(false, Ordering::SeqCst) {
                    idle = false;
                    if task.as_mut().poll(&mut Context::from_waker(&Waker::from(waker.clone()))).is_ready() {
                        continue;
                    }
                }
                self.0.tasks.lock().unwrap()[index] = Some((task, waker));
            }
            if idle {
                return;
            }
            steps += 1;
            assert!(steps < 1_000_000, "a task wakes itself for ever");
        }
    }

    /// Lets everything else run once.
    pub(crate) async fn step(&self) {
        let mut stepped = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut stepped, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    pub(crate) async fn sleep(&self, time: Duration) {
        let deadline = self.now() + time;
        let mut timer = mqtt_driver::Clock::timer(&self.0.clock);
        poll_fn(|cx| mqtt_driver::Timer::poll_deadline(&mut timer, cx, Some(deadline))).await;
    }

    /// A broker, and the network through which it can be reached.
    pub(crate) fn broker(&self, options: BrokerOptions) -> (BrokerHandle<End>, Network) {
        let (handle, shard) = mqtt_driver::broker(options, self.clock(), 1);
        self.spawn(shard.run());
        let network = Network::default();
        network.lock().broker = Some(handle.clone());
        (handle, network)
    }

    /// A client, not yet connected.
    pub(crate) fn start(&self, options: Options, network: &Network) -> Client {
        let (client, driver) = mqtt_driver::client(options, network.clone(), self.clock(), 7);
        self.spawn(driver.run());
        client
    }

    /// A client, connected.
    #[track_caller]
    pub(crate) fn connect(&self, options: Options, network: &Network) -> Client {
        let client = self.start(options, network);
        self.run(client.connected()).unwrap();
        client
    }
}

/// Time that is moved by hand.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<Mutex<ClockState>>);

#[derive(Default)]
struct ClockState {
    now: Instant,
    alarms: Vec<(Instant, u64, Waker)>,
    next: u64,
}

impl Clock {
    /// Moves on to the next alarm, but not beyond `end`. False: there was none.
    fn pass(&self, end: Option<Instant>) -> bool {
        let waker = {
            let mut state = self.0.lock().unwrap();
            state.alarms.sort_by_key(|&(at, key, _)| (at, key));
            let due = state.alarms.first().map(|alarm| alarm.0).filter(|&at| end.is_none_or(|end| at <= end));
            let Some(at) = due else {
                state.now = end.unwrap_or(state.now).max(state.now);
                return false;
            };
            state.now = state.now.max(at);
            state.alarms.remove(0).2
        };
        waker.wake();
        true
    }
}

impl mqtt_driver::Clock for Clock {
    type Timer = Timer;

    fn now(&self) -> Instant {
        self.0.lock().unwrap().now
    }

    fn timer(&self) -> Timer {
        let mut state = self.0.lock().unwrap();
        state.next += 1;
        Timer { clock: self.clone(), key: state.next }
    }
}

pub(crate) struct Timer {
    clock: Clock,
    key: u64,
}

impl mqtt_driver::Timer for Timer {
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let mut state = self.clock.0.lock().unwrap();
        let key = self.key;
        state.alarms.retain(|alarm| alarm.1 != key);
        match deadline {
            Some(deadline) if deadline <= state.now => Poll::Ready(()),
            Some(deadline) => {
                state.alarms.push((deadline, key, cx.waker().clone()));
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let key = self.key;
        self.clock.0.lock().unwrap().alarms.retain(|alarm| alarm.1 != key);
    }
}

/// The way from clients to a broker, or to a test that plays one.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<Mutex<NetworkState>>);

#[derive(Default)]
pub(crate) struct NetworkState {
    pub(crate) broker: Option<BrokerHandle<End>>,
    /// How wires are made.
    pub(crate) quality: Quality,
    /// How many attempts are to fail.
    pub(crate) refuse: usize,
    /// Attempts neither succeed nor fail.
    pub(crate) silent: bool,
    pub(crate) attempts: usize,
    /// The latest wire.
    pub(crate) wire: Option<Wire>,
    /// Servers' ends that nobody has taken, where there is no broker.
    pub(crate) accepted: VecDeque<End>,
}

/// What a wire does to bytes.
#[derive(Clone, Copy)]
pub(crate) struct Quality {
    /// Bytes on their way, in one direction.
    pub(crate) bytes_max: usize,
    /// Bytes of one read.
    pub(crate) read_max: usize,
    /// Bytes of one write.
    pub(crate) write_max: usize,
}

impl Default for Quality {
    fn default() -> Self {
        Self { bytes_max: 256 << 10, read_max: usize::MAX, write_max: usize::MAX }
    }
}

impl Quality {
    /// One byte at a time.
    pub(crate) fn trickle() -> Self {
        Self { read_max: 1, write_max: 1, bytes_max: 64 }
    }
}

impl Network {
    pub(crate) fn lock(&self) -> MutexGuard<'_, NetworkState> {
        self.0.lock().unwrap()
    }

    /// The latest wire.
    pub(crate) fn wire(&self) -> Wire {
        self.lock().wire.clone().expect("nobody has connected yet")
    }

    /// The server's end of the next connection, where the test plays the server.
    pub(crate) async fn accept(&self, world: &World) -> End {
        loop {
            if let Some(end) = self.lock().accepted.pop_front() {
                return end;
            }
            world.sleep(Duration::from_millis(1)).await;
        }
    }
}

impl mqtt_driver::Connector for Network {
    type Transport = End;

    async fn connect(&mut self, _: &str, _: u16) -> io::Result<End> {
        let silent = self.lock().silent;
        if silent {
            std::future::pending::<()>().await;
        }
        let (client, server) = {
            let mut state = self.lock();
            state.attempts += 1;
            if state.refuse > 0 {
                state.refuse -= 1;
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let wire = Wire::new(state.quality);
            state.wire = Some(wire.clone());
            (End { wire: wire.clone(), side: 0 }, End { wire, side: 1 })
        };
        let broker = self.lock().broker.clone();
        match broker {
            Some(broker) => broker.add(server),
            None => self.lock().accepted.push_back(server),
        }
        Ok(client)
    }
}

/// Two pipes. Side 0 is the client's.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Mutex<WireState>>);

struct WireState {
    quality: Quality,
    pipes: [Pipe; 2],
    cut: bool,
}

/// What one side has written and the other has not read.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// Nothing comes behind them.
    ended: bool,
    /// Nothing is taken.
    stalled: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    writes: usize,
}

impl Wire {
    fn new(quality: Quality) -> Self {
        Self(Arc::new(Mutex::new(WireState { quality, pipes: Default::default(), cut: false })))
    }

    fn change(&self, change: impl FnOnce(&mut WireState)) {
        let wakers: Vec<Waker> = {
            let mut state = self.0.lock().unwrap();
            change(&mut state);
            state.pipes.iter_mut().flat_map(|pipe| [pipe.reader.take(), pipe.writer.take()]).flatten().collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Both ends see an error; what was on its way is lost.
    pub(crate) fn cut(&self) {
        self.change(|state| state.cut = true);
    }

    /// What `side` writes is not taken any more, or is again.
    pub(crate) fn stall(&self, side: usize, stalled: bool) {
        self.change(|state| state.pipes[side].stalled = stalled);
    }

    /// How often `side` has written.
    pub(crate) fn writes(&self, side: usize) -> usize {
        self.0.lock().unwrap().pipes[side].writes
    }
}

/// One end of a wire.
pub(crate) struct End {
    wire: Wire,
    side: usize,
}

impl mqtt_driver::Transport for End {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let (result, writer) = {
            let mut state = self.wire.0.lock().unwrap();
            if state.cut {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let read_max = state.quality.read_max;
            let pipe = &mut state.pipes[1 - self.side];
            if pipe.bytes.is_empty() {
                if pipe.ended {
                    return Poll::Ready(Ok(0));
                }
                pipe.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let count = into.len().min(read_max).min(pipe.bytes.len());
            for (place, byte) in into.iter_mut().zip(pipe.bytes.drain(..count)) {
                *place = byte;
            }
            (count, pipe.writer.take())
        };
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(result))
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let (count, reader) = {
            let mut state = self.wire.0.lock().unwrap();
            let Quality { bytes_max, write_max, .. } = state.quality;
            if state.cut {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let pipe = &mut state.pipes[self.side];
            if pipe.ended {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let room = bytes_max.saturating_sub(pipe.bytes.len()).min(write_max);
            if room == 0 || pipe.stalled {
                pipe.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            pipe.writes += 1;
            let before = pipe.bytes.len();
            pipe.bytes.extend(from.iter().flat_map(|slice| slice.iter()).take(room));
            (pipe.bytes.len() - before, pipe.reader.take())
        };
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let side = self.side;
        self.wire.change(|state| state.pipes[side].ended = true);
        Poll::Ready(Ok(()))
    }
}

/// The other end sees that this one is gone.
impl Drop for End {
    fn drop(&mut self) {
        let side = self.side;
        self.wire.change(|state| state.pipes[side].ended = true);
    }
}

impl End {
    /// Reads until there are `count` bytes.
    pub(crate) async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            let read = poll_fn(|cx| mqtt_driver::Transport::poll_read(self, cx, &mut bytes[filled..])).await.unwrap();
            assert_ne!(read, 0, "the wire ended after {filled} of {count} bytes: {bytes:x?}");
            filled += read;
        }
        bytes
    }

    /// Reads one packet.
    pub(crate) async fn packet(&mut self) -> Vec<u8> {
        let mut bytes = self.read(2).await;
        let mut length = usize::from(bytes[1] & 0x7F);
        let mut shift = 7;
        while bytes[bytes.len() - 1] & 0x80 != 0 {
            let next = self.read(1).await[0];
            length |= usize::from(next & 0x7F) << shift;
            shift += 7;
            bytes.push(next);
        }
        bytes.extend(self.read(length).await);
        bytes
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let slices = [IoSlice::new(rest)];
            let count = poll_fn(|cx| mqtt_driver::Transport::poll_write_vectored(self, cx, &slices)).await.unwrap();
            rest = &rest[count..];
        }
    }

    /// Reads to the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut bytes = [0; 1024];
        loop {
            match poll_fn(|cx| mqtt_driver::Transport::poll_read(self, cx, &mut bytes)).await {
                Ok(0) | Err(_) => return all,
                Ok(count) => all.extend_from_slice(&bytes[..count]),
            }
        }
    }
}
