//! Connecting.

use mqtt_driver::{Client, ConnectError, Options, random_seed};

use crate::net::{Clock, Connector, spawn};

/// Connects to a server. Ready when the server has accepted; the client then lives in a task of its own, and connects again when the connection is lost.
///
/// What a URL can say stands at [`Options`].
///
/// ```no_run
/// # async fn example() -> Result<(), mqtt_async_std::Error> {
/// let client = mqtt_async_std::connect("mqtt://user:secret@localhost:1883/?keep_alive=30s").await?;
/// client.publish("greetings/world", "hello").await?;
/// client.disconnect().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The URL is wrong, the server can't be reached or has refused. Nothing is tried again then.
pub async fn connect(url: &str) -> Result<Client, ConnectError> {
    connect_with(url.parse()?).await
}

/// As [`connect`], with more to be said than fits into a URL.
///
/// ```no_run
/// # async fn example() -> Result<(), mqtt_async_std::Error> {
/// use mqtt_async_std::{Options, WillOptions};
///
/// let mut options = Options::new("localhost");
/// options.connect.client_id = "thermometer-7".into();
/// options.connect.will = Some(WillOptions::new("thermometers/7/state", "gone"));
/// let client = mqtt_async_std::connect_with(options).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The server can't be reached or has refused. Nothing is tried again then.
pub async fn connect_with(options: Options) -> Result<Client, ConnectError> {
    let client = start(options);
    client.connected().await?;
    Ok(client)
}

/// As [`connect_with`], without waiting. What needs a connection waits for it, so subscriptions can be made before the first message of a
/// resumed session can arrive.
///
/// ```no_run
/// # async fn example() -> Result<(), mqtt_async_std::Error> {
/// use mqtt_async_std::Options;
///
/// let client = mqtt_async_std::start(Options::new("localhost"));
/// let mut alarms = client.subscribe("alarms/#").await?;
/// # Ok(())
/// # }
/// ```
pub fn start(options: Options) -> Client {
    let (client, driver) = mqtt_driver::client(options, Connector, Clock::new(), random_seed());
    spawn(driver.run());
    client
}
