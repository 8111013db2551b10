//! What is tokio's own: sockets, time and tasks.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mqtt_driver::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

/// Runs a loop in a task of its own.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    // The loops bound what they do in a turn themselves. Tokio's own bound would cut a turn into pieces, each with writes of its own.
    drop(tokio::spawn(tokio::task::unconstrained(future)));
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
        let mut buf = ReadBuf::new(into);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, from)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
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
pub(crate) struct Clock(tokio::time::Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl mqtt_driver::Clock for Clock {
    type Timer = Timer;

    fn now(&self) -> Instant {
        Instant::ZERO + self.0.elapsed()
    }

    fn timer(&self) -> Timer {
        Timer { clock: self.clone(), deadline: None, sleep: None }
    }
}

/// One alarm.
pub(crate) struct Timer {
    clock: Clock,
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl mqtt_driver::Timer for Timer {
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        if self.deadline != deadline {
            self.deadline = deadline;
            let after = deadline.map(|deadline| Duration::from_micros(deadline.as_micros()));
            let at = after.and_then(|after| self.clock.0.checked_add(after));
            match (&mut self.sleep, at) {
                (Some(sleep), Some(at)) => sleep.as_mut().reset(at),
                (sleep, at) => *sleep = at.map(|at| Box::pin(tokio::time::sleep_until(at))),
            }
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
