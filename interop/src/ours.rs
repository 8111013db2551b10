//! Our own side.

use std::panic::Location;
use std::thread;
use std::time::Instant;

use mqtt_tokio::{Broker, BrokerOptions};
use tokio::runtime::Runtime;

use crate::PATIENCE;

/// Our broker, on a free port of the loopback interface, with the options that nobody has touched.
#[derive(Debug)]
pub struct OurBroker {
    broker: Broker,
    _runtime: Runtime,
}

impl OurBroker {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// It does not start.
    #[must_use]
    pub fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let broker = runtime.block_on(Broker::bind("127.0.0.1:0", BrokerOptions::default())).expect("a free port");
        Self { broker, _runtime: runtime }
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.broker.local_addr().port()
    }

    /// Waits until it has no connection any more.
    ///
    /// # Panics
    ///
    /// It keeps one.
    pub fn wait_until_alone(&self) {
        let begun = Instant::now();
        while self.broker.counts().connections > 0 {
            assert!(begun.elapsed() < PATIENCE, "a connection is left behind: {:?}", self.broker.counts());
            thread::yield_now();
        }
    }
}

/// Awaits what has to come.
///
/// # Panics
///
/// It has not come in time.
#[track_caller]
pub fn within<F: IntoFuture>(future: F) -> impl Future<Output = F::Output> {
    let place = Location::caller();
    async move {
        let timeout = tokio::time::timeout(PATIENCE, future);
        timeout.await.unwrap_or_else(|_| panic!("{place}: nothing has come of it in {PATIENCE:?}"))
    }
}
