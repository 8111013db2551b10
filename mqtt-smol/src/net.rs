//! What is smol's own: sockets, time and tasks.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mqtt_driver::Instant;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::{TcpListener, TcpStream};

/// Runs a loop in a task of its own.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    smol::spawn(future).detach();
}

/// A TCP connection.
pub(crate) struct Stream(TcpStream);

impl Stream {
    fn new(stream: TcpStream) -> io::Result<Self> {
        // What belongs together is written together already.
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }
}

impl mqtt_driver::Transport for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, from)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// Connects over TCP.
pub(crate) struct Connector;

impl mqtt_driver::Connector for Connector {
    type Transport = Stream;

    async fn connect(&mut self, host: &str, port: u16) -> io::Result<Stream> {
        Stream::new(TcpStream::connect((host, port)).await?)
    }
}

/// Accepts TCP connections.
pub(crate) struct Listener(TcpListener);

impl Listener {
    pub(crate) async fn bind(address: &str) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl mqtt_driver::Listener for Listener {
    type Transport = Stream;

    async fn accept(&mut self) -> io::Result<Stream> {
        Stream::new(self.0.accept().await?.0)
    }
}

/// Time since the clock was made.
#[derive(Clone)]
pub(crate) struct Clock(std::time::Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(std::time::Instant::now())
    }
}

impl mqtt_driver::Clock for Clock {
    type Timer = Timer;

    fn now(&self) -> Instant {
        Instant::ZERO + self.0.elapsed()
    }

    fn timer(&self) -> Timer {
        Timer { clock: self.clone(), alarm: None }
    }
}

/// One alarm, and when it rings: at the deadline, or earlier.
pub(crate) struct Timer {
    clock: Clock,
    alarm: Option<(Instant, smol::Timer)>,
}

impl mqtt_driver::Timer for Timer {
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        loop {
            match &mut self.alarm {
                // Deadlines are put off all the time, which would cost a system call each. To let the old alarm ring costs one wake.
                Some((at, alarm)) if *at <= deadline => {
                    ready!(Pin::new(alarm).poll(cx));
                    let due = *at == deadline;
                    self.alarm = None;
                    if due {
                        return Poll::Ready(());
                    }
                }
                _ => {
                    let after = Duration::from_micros(deadline.as_micros());
                    let alarm = self.clock.0.checked_add(after).map_or_else(smol::Timer::never, smol::Timer::at);
                    self.alarm = Some((deadline, alarm));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use mqtt_driver::{Clock as _, Timer as _};

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LATER: Duration = Duration::from_millis(60);
    const NOT_TODAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn another_deadline_replaces_the_one_before() {
        smol::block_on(async {
            let clock = Clock::new();
            let mut timer = clock.timer();
            for [before, after] in [[SOON, LATER], [LATER, SOON], [NOT_TODAY, SOON], [SOON, SOON]] {
                let start = clock.now();
                poll_fn(|cx| {
                    assert!(timer.poll_deadline(cx, Some(start + before)).is_pending());
                    assert!(timer.poll_deadline(cx, None).is_pending());
                    Poll::Ready(())
                })
                .await;
                poll_fn(|cx| timer.poll_deadline(cx, Some(start + after))).await;
                let took = clock.now().since(start);
                assert!(took >= after && took < NOT_TODAY, "{before:?}, {after:?}: {took:?}");
                // What is over stays over.
                poll_fn(|cx| timer.poll_deadline(cx, Some(start + after))).await;
            }
        });
    }
}
