//! What a client is told beforehand.

use std::str::FromStr;
use std::time::Duration;

use mqtt_proto::Version;
use mqtt_session::{Acknowledge, ConnectOptions};

use crate::error::UrlError;
use crate::random::Random;
use crate::reconnect::Reconnect;
use crate::url;

/// The port of MQTT over plain TCP.
pub(crate) const PORT: u16 = 1883;

/// Where a client connects to, how, and what it does when the connection is lost.
///
/// Parse one from a URL, or begin with a host and set the rest by hand:
///
/// ```
/// use mqtt_driver::{Options, UrlError, Version};
///
/// let options: Options = "mqtt://user:secret@example.org/?client_id=thermometer-7&keep_alive=30s&version=3.1.1".parse()?;
/// assert_eq!((options.host.as_str(), options.port), ("example.org", 1883));
/// assert_eq!(options.connect.client_id, "thermometer-7");
/// assert_eq!(options.connect.keep_alive, 30);
/// assert_eq!(options.connect.version, Version::V3_1_1);
///
/// let mut options = Options::new("example.org");
/// options.connect.clean_start = false;
/// options.connect.session_expiry_interval = 3600;
/// # Ok::<(), UrlError>(())
/// ```
///
/// # In a URL
///
/// `mqtt://user:password@host:port/?parameter=value&...`, where everything but the host may be left out. `tcp://` means the same.
/// Characters with a meaning of their own are written as `%` and two hexadecimal digits. An IPv6 address stands in brackets.
///
/// | parameter | value | sets |
/// |---|---|---|
/// | `client_id` | text | [`ConnectOptions::client_id`] |
/// | `version` | `3.1`, `3.1.1`, `5` | [`ConnectOptions::version`] |
/// | `keep_alive` | seconds, or with a unit: `30s`, `5m`, `1h` | [`ConnectOptions::keep_alive`] |
/// | `clean_start` | `true`, `false` | [`ConnectOptions::clean_start`] |
/// | `session_expiry` | as `keep_alive`, or `never` | [`ConnectOptions::session_expiry_interval`] |
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Name or address of the server.
    pub host: String,
    /// Its port. Default: 1883.
    pub port: u16,
    /// What to ask of the server. `acknowledge` means nothing here: messages are acknowledged when they are taken from their
    /// [`Messages`](crate::Messages).
    pub connect: ConnectOptions,
    /// What to do when the connection is lost.
    pub reconnect: Reconnect,
    /// Messages that may wait in one [`Messages`](crate::Messages) when another arrives at QoS 0. Reading pauses then, but for a tenth of a second at
    /// most: a reader that was only not scheduled catches up. What comes after that is dropped, and counted.
    /// (At QoS 1 and 2, `connect.receive_maximum` bounds what waits.) Default: 1,000.
    pub stream_messages_max: usize,
    /// The same for their bytes. Default: 16 MiB.
    pub stream_bytes_max: usize,
    /// A server that resumes a session sends what it kept before anybody has subscribed. Messages at QoS 1 and 2 that nobody
    /// has asked for wait so long for someone who does; then they are acknowledged, and counted. Default: 5 s.
    pub unmatched_hold: Duration,
}

impl Options {
    /// The defaults, for this host.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: PORT,
            connect: ConnectOptions::new(""),
            reconnect: Reconnect::default(),
            stream_messages_max: 1_000,
            stream_bytes_max: 16 << 20,
            unmatched_hold: Duration::from_secs(5),
        }
    }

    /// The server is asked to keep the session when the connection ends.
    #[must_use]
    pub const fn session_outlives_connection(&self) -> bool {
        if self.connect.version.has_session_expiry() {
            self.connect.session_expiry_interval > 0
        } else {
            !self.connect.clean_start
        }
    }

    /// What the machine is to start from.
    pub(crate) fn machine(&self, random: &mut Random) -> ConnectOptions {
        let mut connect = self.connect.clone();
        connect.acknowledge = Acknowledge::Manually;
        if connect.client_id.is_empty() && !server_chooses_client_id(connect.version) {
            connect.client_id = random.client_id();
        }
        connect
    }
}

/// Before 5.0 an empty identifier is only taken together with a clean session, and not by every server.
const fn server_chooses_client_id(version: Version) -> bool {
    version.server_assigns_client_id()
}

impl FromStr for Options {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        url::parse(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_older_versions_get_a_client_identifier() {
        let mut options = Options::new("host");
        assert_eq!(options.machine(&mut Random::new(1)).client_id, "");
        options.connect.version = Version::V3_1_1;
        let id = options.machine(&mut Random::new(1)).client_id;
        assert!(id.starts_with("mqtt") && id != options.machine(&mut Random::new(2)).client_id);
        options.connect.client_id = "mine".into();
        assert_eq!(options.machine(&mut Random::new(1)).client_id, "mine");
    }

    #[test]
    fn what_keeps_a_session_depends_on_the_version() {
        let mut options = Options::new("host");
        assert!(!options.session_outlives_connection());
        options.connect.clean_start = false;
        assert!(!options.session_outlives_connection());
        options.connect.session_expiry_interval = 1;
        assert!(options.session_outlives_connection());
        options.connect.version = Version::V3_1_1;
        assert!(options.session_outlives_connection());
        options.connect.clean_start = true;
        assert!(!options.session_outlives_connection());
    }
}
