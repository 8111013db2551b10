//! A broker on TCP.

use std::net::SocketAddr;

use mqtt_driver::{
    BrokerCounts, BrokerHandle, BrokerOptions, HostError, HostMessage, ListenError, ReasonCode, random_seed,
};

use crate::net::{Clock, Listener, Stream, spawn};

/// A broker that listens for clients. Cheap to clone; clones are the same broker. It lives in tasks of its own, and ends
/// with [`shutdown`](Self::shutdown) or when the last clone is dropped.
///
/// ```no_run
/// # async fn example() -> Result<(), mqtt_async_std::Error> {
/// use mqtt_async_std::{Broker, BrokerOptions};
///
/// let broker = Broker::bind("127.0.0.1:0", BrokerOptions::default()).await?;
/// let client = mqtt_async_std::connect(&format!("mqtt://{}", broker.local_addr())).await?;
/// client.disconnect().await?;
/// broker.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Broker {
    handle: BrokerHandle<Stream>,
    local_addr: SocketAddr,
}

impl Broker {
    /// Listens on an address such as `127.0.0.1:1883`. Port 0 takes one that is free: see [`local_addr`](Self::local_addr).
    ///
    /// There is no encryption and no password: whoever can reach the address can connect.
    ///
    /// # Errors
    ///
    /// The address is not to be had.
    pub async fn bind(address: &str, options: BrokerOptions) -> Result<Self, ListenError> {
        let failed = |error| ListenError::new(address, error);
        let listener = Listener::bind(address).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        let clock = Clock::new();
        let (handle, shard) = mqtt_driver::broker(options, clock.clone(), random_seed());
        spawn(shard.run());
        spawn(handle.listen(listener, clock));
        Ok(Self { handle, local_addr })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Publishes a message to all who are subscribed, without being a client.
    ///
    /// # Errors
    ///
    /// The broker has been shut down, or is very busy.
    pub fn publish(&self, message: &HostMessage<'_>) -> Result<(), HostError> {
        self.handle.publish(message)
    }

    /// Sends a client away, if it is connected.
    ///
    /// # Errors
    ///
    /// The broker has been shut down, or is very busy.
    pub fn disconnect(&self, client_id: &str, reason: ReasonCode) -> Result<(), HostError> {
        self.handle.disconnect(client_id, reason)
    }

    /// How much there is of everything.
    #[must_use]
    pub fn counts(&self) -> BrokerCounts {
        self.handle.counts()
    }

    /// Tells the clients, closes their connections and stops listening. Ready when that has been done, after a few seconds at most.
    pub async fn shutdown(&self) {
        self.handle.shutdown().await;
    }
}
