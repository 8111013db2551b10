//! What the loops need from the outside: bytes, time, and a way to the server.

use std::future::Future;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use mqtt_session::Instant;

/// Both directions of an open connection: a TCP stream, or a layer above one.
///
/// All methods follow the rules of [`Future::poll`]: what is `Pending` wakes the task of `cx` when it is worth another try. Nothing is lost when
/// nobody tries again.
///
/// ```
/// use std::collections::VecDeque;
/// use std::io::{self, IoSlice};
/// use std::task::{Context, Poll};
///
/// use mqtt_driver::Transport;
///
/// /// Reads back what was written to it.
/// struct Echo(VecDeque<u8>);
///
/// impl Transport for Echo {
///     fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
///         Poll::Ready(io::Read::read(&mut self.0, into))
///     }
///     fn poll_write_vectored(&mut self, _: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
///         Poll::Ready(io::Write::write_vectored(&mut self.0, from))
///     }
///     fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(Ok(()))
///     }
///     fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(Ok(()))
///     }
/// }
/// ```
pub trait Transport: Send {
    /// Reads into the front of `into`. `Ok(0)`: the peer will send nothing more.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes from the front of `from`, and says how many bytes it took.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Sees to it that everything written leaves.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Tells the peer that nothing more will be written. It can still be read from.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// What time it is, and how to wait for a later one.
///
/// The epoch is the implementor's choice; the clock never goes back. Clones agree.
pub trait Clock: Clone + Send + Sync + 'static {
    /// What waits for a moment.
    type Timer: Timer;

    /// Now.
    fn now(&self) -> Instant;

    /// A new timer on this clock.
    fn timer(&self) -> Self::Timer;
}

/// Waits for one moment at a time.
pub trait Timer: Send {
    /// Ready as soon as it is `deadline`. Another deadline replaces the one before; `None`: there is nothing to wait for.
    ///
    /// It is called often with the same deadline, which should cost next to nothing.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()>;
}

/// Opens the client's connections, one for each attempt.
pub trait Connector: Send {
    /// What it opens.
    type Transport: Transport;

    /// Looks the host up and connects to it. Dropping the future gives the attempt up.
    fn connect(&mut self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Transport>> + Send;
}

/// Accepts the broker's connections.
pub trait Listener: Send {
    /// What it accepts.
    type Transport: Transport;

    /// The next connection. Dropping the future loses none.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Transport>> + Send;
}
