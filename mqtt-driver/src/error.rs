//! What can go wrong, one enum per question.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mqtt_proto::{Cause, ReasonCode};
use mqtt_session::{DisconnectCause, RequestError};

/// Any of the errors of this crate, for callers who only want to pass it on.
///
/// ```
/// use mqtt_driver::{Error, Options};
///
/// fn options() -> Result<Options, Error> {
///     Ok("mqtt://localhost".parse::<Options>()?)
/// }
/// # assert!(options().is_ok());
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A publish failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A subscribe failed.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// An unsubscribe failed.
    #[error(transparent)]
    Unsubscribe(#[from] UnsubscribeError),
    /// A broker can't listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Self::Connect(error.into())
    }
}

/// Why there is no connection, or none any more.
///
/// ```
/// use mqtt_driver::{ConnectError, ReasonCode, Retry};
///
/// assert_eq!(ConnectError::Refused(ReasonCode::ServerBusy).retry(), Retry::Later);
/// assert_eq!(ConnectError::Refused(ReasonCode::BadUserNameOrPassword).retry(), Retry::Never);
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL says nothing that we understand.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The options don't make a CONNECT.
    #[error(transparent)]
    Invalid(#[from] mqtt_session::ConnectError),
    /// The server can't be reached.
    #[error("cannot connect to {host}:{port}: {error}")]
    Unreachable {
        /// The host of the options.
        host: String,
        /// The port of the options.
        port: u16,
        /// What the system says.
        error: Arc<io::Error>,
    },
    /// It took too long to be connected, all included.
    #[error("not connected within {0:?} (setting: connect.limits.connect_timeout)")]
    TimedOut(Duration),
    /// The server answered, and said no.
    #[error("{}", Refusal(*.0))]
    Refused(ReasonCode),
    /// The transport failed.
    #[error("connection lost: {0}")]
    Io(Arc<io::Error>),
    /// The connection ended otherwise.
    #[error("connection lost: {0}")]
    Lost(DisconnectCause),
    /// The application has disconnected this client.
    #[error("the client has been disconnected")]
    Disconnected,
    /// The loop that runs this client was dropped, as happens when its runtime ends.
    #[error("the client's loop has been stopped")]
    Stopped,
}

/// Whether it is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// After a while, which should grow from try to try.
    Later,
    /// Not before something has been changed.
    Never,
}

impl ConnectError {
    /// Whether it is worth another try, without any change.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. } | Self::TimedOut(_) | Self::Io(_) => Retry::Later,
            Self::Refused(reason) | Self::Lost(DisconnectCause::Refused(reason) | DisconnectCause::Peer(reason)) => {
                retry_after(*reason)
            }
            Self::Lost(_) => Retry::Later,
            Self::Url(_) | Self::Invalid(_) | Self::Disconnected | Self::Stopped => Retry::Never,
        }
    }

    /// What the server said, if it said something.
    #[must_use]
    pub const fn reason_code(&self) -> Option<ReasonCode> {
        match self {
            Self::Refused(reason) | Self::Lost(DisconnectCause::Peer(reason)) => Some(*reason),
            _ => None,
        }
    }
}

impl From<DisconnectCause> for ConnectError {
    fn from(cause: DisconnectCause) -> Self {
        match cause {
            DisconnectCause::Refused(reason) => Self::Refused(reason),
            cause => Self::Lost(cause),
        }
    }
}

/// The same answer will come again to the same CONNECT, or (`SessionTakenOver`) two clients with one identifier would push each
/// other out for ever.
const fn retry_after(reason: ReasonCode) -> Retry {
    match reason {
        ReasonCode::UnsupportedProtocolVersion
        | ReasonCode::ClientIdentifierNotValid
        | ReasonCode::BadUserNameOrPassword
        | ReasonCode::NotAuthorized
        | ReasonCode::Banned
        | ReasonCode::BadAuthenticationMethod
        | ReasonCode::SessionTakenOver
        | ReasonCode::ServerMoved => Retry::Never,
        _ => Retry::Later,
    }
}

/// A refusal, with what to change where there is something.
struct Refusal(ReasonCode);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server refused the connection: {}", self.0)?;
        f.write_str(match self.0 {
            ReasonCode::UnsupportedProtocolVersion => " (setting: connect.version)",
            ReasonCode::ClientIdentifierNotValid => " (setting: connect.client_id)",
            ReasonCode::BadUserNameOrPassword => " (settings: connect.user_name, connect.password)",
            _ => "",
        })
    }
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It has no scheme.
    #[error("url has no scheme: mqtt://host expected")]
    NoScheme,
    /// It is meant for something else.
    #[error("url scheme {0:?} is unknown: mqtt://host expected")]
    UnknownScheme(String),
    /// Encrypted connections and WebSocket.
    #[error("url scheme {0:?} is not supported yet: only mqtt:// and tcp:// are")]
    NotSupportedYet(String),
    /// The host is missing, or is not an IPv6 address although it stands in brackets.
    #[error("url has no valid host")]
    Host,
    /// Not a number up to 65,535.
    #[error("url has no valid port")]
    Port,
    /// MQTT over TCP has no paths.
    #[error("url has a path, which means nothing over tcp: parameters go behind a ?")]
    Path,
    /// MQTT has no fragments; most likely a `#` that should have been escaped.
    #[error("url has a #: write it as %23")]
    Fragment,
    /// A `%` without two hexadecimal digits, or text that is not UTF-8.
    #[error("url has a % that does not stand for a character: write % itself as %25")]
    Escape,
    /// A parameter that there isn't.
    #[error("url parameter {0:?} is unknown: there are client_id, version, keep_alive, clean_start and session_expiry")]
    UnknownParameter(String),
    /// A value that a parameter can't have.
    #[error("url parameter {name} must be {expected}")]
    Value {
        /// The parameter.
        name: String,
        /// What it may be.
        expected: &'static str,
    },
}

/// Why a publish failed. Unless it says otherwise, nothing has been sent.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Not a topic name.
    #[error("invalid topic name: {0}")]
    Topic(Cause),
    /// It can't be sent as it is, or (from [`try_send`](crate::Publish::try_send) only) the queue is full.
    #[error(transparent)]
    NotAccepted(#[from] mqtt_session::PublishError),
    /// The server refused it.
    #[error("the server refused the message: {0}")]
    Rejected(ReasonCode),
    /// It was accepted while there was no connection, and is too large for the server that there is now.
    #[error("the message is larger than the server takes v5[MQTT-3.1.2-25]")]
    TooLarge,
    /// The server lost the session while the message was in flight at QoS 2: it may have arrived, and is not sent again.
    #[error("the server lost the session: the message may or may not have arrived")]
    SessionLost,
    /// It may have arrived, and is not sent again.
    #[error("the message may or may not have arrived: {0:?}")]
    Indeterminate(mqtt_session::Outcome),
    /// It was accepted, and dropped before it was sent: its time was over, or the queue too full.
    #[error("the message was dropped unsent: {0:?}")]
    Dropped(mqtt_session::Outcome),
    /// Its settlement is one that this version does not know.
    #[error("the message was settled in an unknown way")]
    Unknown,
    /// The client ended before the message was settled. At QoS 1 and 2 it may have arrived.
    #[error("the client ended before the message was settled: {0}")]
    Closed(ConnectError),
}

impl PublishError {
    /// The queue is full; the same publish may succeed later.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::NotAccepted(mqtt_session::PublishError::QueueFull { .. }))
    }
}

/// Why a subscribe failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// Not a topic filter.
    #[error("invalid topic filter {filter:?}: {cause}")]
    Filter {
        /// What was asked for.
        filter: String,
        /// What is wrong with it.
        cause: Cause,
    },
    /// It can't be sent as it is.
    #[error(transparent)]
    NotAccepted(#[from] RequestError),
    /// The server refused it.
    #[error("the server refused to subscribe {filter:?}: {reason_code}")]
    Refused {
        /// What was asked for.
        filter: String,
        /// Why not.
        reason_code: ReasonCode,
    },
    /// The client ended first.
    #[error("the client ended before it was subscribed: {0}")]
    Closed(ConnectError),
}

/// Why an unsubscribe failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnsubscribeError {
    /// Not a topic filter.
    #[error("invalid topic filter {filter:?}: {cause}")]
    Filter {
        /// What was to be unsubscribed.
        filter: String,
        /// What is wrong with it.
        cause: Cause,
    },
    /// It can't be sent as it is.
    #[error(transparent)]
    NotAccepted(#[from] RequestError),
    /// The server refused it.
    #[error("the server refused to unsubscribe {filter:?}: {reason_code}")]
    Refused {
        /// What was to be unsubscribed.
        filter: String,
        /// Why not.
        reason_code: ReasonCode,
    },
    /// The client ended first.
    #[error("the client ended before it was unsubscribed: {0}")]
    Closed(ConnectError),
}

/// Why a broker can't listen.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}")]
#[non_exhaustive]
pub struct ListenError {
    /// Where.
    pub address: String,
    /// What the system says.
    pub error: Arc<io::Error>,
}

impl ListenError {
    /// For adapters.
    #[must_use]
    pub fn new(address: impl ToString, error: io::Error) -> Self {
        Self { address: address.to_string(), error: Arc::new(error) }
    }
}

/// Why a broker does not take what its host says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Too much waits for the loop already.
    #[error("too much waits for the broker's loop")]
    Full,
    /// The loop is over.
    #[error("the broker has been shut down")]
    Stopped,
}
