//! What a peer can do wrong beyond bytes, and what a caller can.

use core::fmt;

use mqtt_proto::{Cause, EncodeError, ReasonCode};

macro_rules! violations {
    ($( $(#[doc = $doc:literal])* $name:ident => $reason:ident, $statement:literal, $message:literal; )*) => {
        /// A packet that is well-formed, but that the peer may not send now.
        ///
        /// ```
        /// use mqtt_proto::ReasonCode;
        /// use mqtt_session::Violation;
        ///
        /// let violation = Violation::ReceiveMaximumExceeded;
        /// assert_eq!(violation.reason_code(), ReasonCode::ReceiveMaximumExceeded);
        /// assert!(violation.to_string().ends_with(violation.statement()));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Violation {
            $( $(#[doc = $doc])* #[doc = concat!(" (", $statement, ")")] $name, )*
        }

        impl Violation {
            /// What to tell the peer, where its version lets us tell it anything.
            #[must_use]
            pub const fn reason_code(self) -> ReasonCode {
                match self { $( Self::$name => ReasonCode::$reason, )* }
            }

            /// The statement of the specification that the peer broke.
            #[must_use]
            pub const fn statement(self) -> &'static str {
                match self { $( Self::$name => $statement, )* }
            }

            const fn message(self) -> &'static str {
                match self { $( Self::$name => $message, )* }
            }
        }
    };
}

violations! {
    /// The first packet of a connection is not CONNECT.
    FirstPacket => ProtocolError, "v3[MQTT-3.1.0-1] v5[MQTT-3.1.0-1]", "the first packet is not connect";
    /// A second CONNECT.
    SecondConnect => ProtocolError, "v3[MQTT-3.1.0-2] v5[MQTT-3.1.0-2]", "a second connect";
    /// The server sends something else before CONNACK.
    BeforeConnAck => ProtocolError, "v3[MQTT-3.2.0-1] v5[MQTT-3.2.0-1]", "a packet before connack";
    /// A second CONNACK.
    SecondConnAck => ProtocolError, "v5[MQTT-3.2.0-2]", "a second connack";
    /// The server has a session although a clean start was asked for.
    UnexpectedSession => ProtocolError, "v3[MQTT-3.2.2-1] v5[MQTT-3.2.2-2] v5[MQTT-3.2.2-4]", "session present after a clean start";
    /// An empty client identifier without a clean session, before 5.0.
    EmptyClientId => ClientIdentifierNotValid, "v3[MQTT-3.1.3-7] v3[MQTT-3.1.3-8]", "empty client identifier without a clean session";
    /// More publishes are unacknowledged than we said we take.
    ReceiveMaximumExceeded => ReceiveMaximumExceeded, "v5[MQTT-3.3.4-7] v5[MQTT-3.3.4-9]", "receive maximum exceeded";
    /// More bytes are unacknowledged than we hold. Older versions can't say how much that is, so this is a limit of ours.
    UnacknowledgedBytes => QuotaExceeded, "v3 4.3", "too many unacknowledged bytes";
    /// More QoS 2 messages have been taken and not released than we remember, and the peer's version can't be told so of one.
    UnreleasedMessages => QuotaExceeded, "v3 4.3.3", "too many unreleased messages";
    /// A Topic Alias above the maximum that we announced.
    TopicAliasTooHigh => TopicAliasInvalid, "v5[MQTT-3.3.2-9] v5[MQTT-3.3.2-11]", "topic alias is above the maximum";
    /// A Topic Alias that no PUBLISH has given a topic.
    TopicAliasUnknown => ProtocolError, "v5 3.3.4", "topic alias has no topic";
    /// A QoS above the maximum that we announced.
    QosTooHigh => QosNotSupported, "v5[MQTT-3.2.2-11]", "qos is above the maximum";
    /// A retained message although we announced that we keep none.
    RetainNotAvailable => RetainNotSupported, "v5[MQTT-3.2.2-14]", "retained messages are not available";
    /// A subscription with a wildcard although we announced that we take none.
    WildcardNotAvailable => WildcardSubscriptionsNotSupported, "v5 3.2.2.3.11", "subscriptions with wildcards are not available";
    /// A subscription with an identifier although we announced that we take none.
    IdentifierNotAvailable => SubscriptionIdentifiersNotSupported, "v5 3.2.2.3.12", "subscriptions with identifiers are not available";
    /// A shared subscription although we announced that we take none.
    SharedNotAvailable => SharedSubscriptionsNotSupported, "v5 3.2.2.3.13", "shared subscriptions are not available";
    /// A SUBACK or UNSUBACK that answers nothing, or with the wrong number of codes.
    UnexpectedAnswer => ProtocolError, "v3[MQTT-3.8.4-5] v5[MQTT-3.8.4-6] v5[MQTT-3.11.3-1]", "answer does not fit a request";
    /// DISCONNECT raises a Session Expiry Interval of 0.
    SessionExpiryRaised => ProtocolError, "v5 3.14.2.2.2", "session expiry interval raised from zero";
    /// AUTH, although CONNECT named no method.
    AuthWithoutMethod => ProtocolError, "v5[MQTT-4.12.0-6] v5[MQTT-4.12.0-7]", "auth without an authentication method";
    /// AUTH when it is not the peer's turn, or with a code that is not for now.
    UnexpectedAuth => ProtocolError, "v5[MQTT-4.12.0-2] v5[MQTT-4.12.0-3]", "unexpected auth";
    /// AUTH or CONNACK does not name the method that CONNECT named.
    AuthenticationMethod => ProtocolError, "v5[MQTT-4.12.0-5] v5[MQTT-4.12.0-6] v5[MQTT-4.12.1-1]", "authentication method is not that of connect";
    /// More packets in one authentication than [`Limits::authentication_rounds_max`](crate::Limits::authentication_rounds_max).
    AuthenticationRounds => QuotaExceeded, "v5 4.12", "too many rounds of authentication";
    /// The client sends something else than AUTH or DISCONNECT while it is being authenticated.
    DuringAuthentication => ProtocolError, "v5[MQTT-3.1.2-30]", "neither auth nor disconnect during authentication";
    /// A reason string or user property in a packet of the server, although the client asked for none.
    UnwantedExplanation => ProtocolError, "v5[MQTT-3.1.2-29]", "an explanation that was not asked for";
    /// The server accepts although it has asked for more.
    EarlyConnAck => ProtocolError, "v5 4.12", "connack while the server awaits auth";
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.message(), self.statement())
    }
}

impl core::error::Error for Violation {}

/// Why a connection can't be begun. The machine is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The connection before is not over.
    #[error("already connected or connecting")]
    NotIdle,
    /// Before 5.0 only a client that asks for a clean start may leave it to the server to name it; before 3.1.1 none may.
    #[error("empty client identifier without a clean session (options: client_id, clean_start) v3[MQTT-3.1.3-7]")]
    ClientId,
    /// The options don't make a CONNECT.
    #[error("invalid connect options: {0}")]
    Invalid(#[from] EncodeError),
}

impl From<Cause> for ConnectError {
    fn from(cause: Cause) -> Self {
        Self::Invalid(cause.into())
    }
}

/// Why a message is not accepted. Nothing has been sent or queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The queue is full: see `Limits::queued_messages_max` and `Limits::queued_bytes_max`.
    #[error("queue is full: {messages} messages, {bytes} bytes (limits: queued_messages_max, queued_bytes_max)")]
    QueueFull {
        /// Messages that wait or are in flight.
        messages: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// The peer does not take packets of this size.
    #[error("packet of {bytes} bytes is larger than the peer's maximum of {maximum} v5[MQTT-3.2.2-15]")]
    TooLarge {
        /// Size of the packet.
        bytes: usize,
        /// What the peer takes.
        maximum: u32,
    },
    /// Topic aliases are not the caller's: see `Limits::topic_aliases_max`.
    #[error("topic alias in the properties of a message (option: topic_aliases_max)")]
    TopicAlias,
    /// Server: no client has been accepted, or its session has been taken away.
    #[error("no session")]
    NoSession,
    /// The server takes no messages at this QoS.
    #[error("qos is above the server's maximum v5[MQTT-3.2.2-11]")]
    QosNotSupported,
    /// The server keeps no messages.
    #[error("retained messages are not available v5[MQTT-3.2.2-14]")]
    RetainNotSupported,
    /// It has no correct form in this version.
    #[error("invalid message: {0}")]
    Invalid(#[source] EncodeError),
}

impl From<EncodeError> for PublishError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooLarge { bytes, maximum } => Self::TooLarge { bytes, maximum },
            error => Self::Invalid(error),
        }
    }
}

/// Why a subscribe, an unsubscribe or another request is not accepted. Nothing has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no connection to send it on.
    #[error("not connected")]
    NotConnected,
    /// Too many are unanswered: see `Limits::requests_max`.
    #[error("too many unanswered requests (limit: requests_max)")]
    TooMany,
    /// More output waits than may: see `Limits::output_bytes_max`.
    #[error("too much output waits (limit: output_bytes_max)")]
    OutputFull,
    /// The server takes no subscriptions with wildcards.
    #[error("the server takes no subscriptions with wildcards v5 3.2.2.3.11")]
    WildcardSubscriptionsNotSupported,
    /// The server takes no subscriptions with identifiers.
    #[error("the server takes no subscriptions with identifiers v5 3.2.2.3.12")]
    SubscriptionIdentifiersNotSupported,
    /// The server takes no shared subscriptions.
    #[error("the server takes no shared subscriptions v5 3.2.2.3.13")]
    SharedSubscriptionsNotSupported,
    /// A Session Expiry Interval can be changed in DISCONNECT, unless it was 0.
    #[error("the session was to end with the connection, and DISCONNECT may not change that v5 3.14.2.2.2")]
    SessionExpiryRaised,
    /// The connection was begun without `ConnectOptions::authentication`.
    #[error("no authentication method (option: authentication) v5[MQTT-4.12.0-7]")]
    NoAuthenticationMethod,
    /// A re-authentication is not done.
    #[error("authenticating already")]
    Authenticating,
    /// The peer does not take packets of this size.
    #[error("packet of {bytes} bytes is larger than the peer's maximum of {maximum} v5[MQTT-3.2.2-15]")]
    TooLarge {
        /// Size of the packet.
        bytes: usize,
        /// What the peer takes.
        maximum: u32,
    },
    /// It has no correct form in this version.
    #[error("invalid request: {0}")]
    Invalid(#[source] EncodeError),
}

impl From<EncodeError> for RequestError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooLarge { bytes, maximum } => Self::TooLarge { bytes, maximum },
            error => Self::Invalid(error),
        }
    }
}

/// What of a SUBSCRIBE the server has announced not to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    Wildcard,
    Identifier,
    Shared,
}

impl From<Unavailable> for Violation {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Wildcard => Self::WildcardNotAvailable,
            Unavailable::Identifier => Self::IdentifierNotAvailable,
            Unavailable::Shared => Self::SharedNotAvailable,
        }
    }
}

impl From<Unavailable> for RequestError {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Wildcard => Self::WildcardSubscriptionsNotSupported,
            Unavailable::Identifier => Self::SubscriptionIdentifiersNotSupported,
            Unavailable::Shared => Self::SharedSubscriptionsNotSupported,
        }
    }
}

/// Why a message is not acknowledged. Nothing has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// Nobody waits for it: its connection has ended, or it has been given already.
    #[error("stale acknowledgement: the connection has ended since, or it was acknowledged before")]
    Stale,
    /// The reason code or the properties are none of an acknowledgement.
    #[error("invalid acknowledgement: {0}")]
    Invalid(#[from] EncodeError),
}

/// A server's answer that does not fit what the client asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// No such question is open.
    #[error("nothing to answer")]
    NothingAsked,
    /// It has no correct form in this version.
    #[error("invalid answer: {0}")]
    Invalid(#[from] EncodeError),
}
