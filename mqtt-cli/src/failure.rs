//! How a command ends if it does not end well: what is said, and the exit status, as of mosquitto's tools.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use mqtt_tokio::{ConnectError, Error, PublishError, ReasonCode, SubscribeError, Version};

/// A message for the standard error, and an exit status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    status: u8,
}

const OTHERWISE: u8 = 1;
const CONNECTION_LOST: u8 = 7;
const TIMED_OUT: u8 = 27;

impl Failure {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), status: OTHERWISE }
    }

    pub(crate) fn timed_out() -> Self {
        Self { message: "timed out".into(), status: TIMED_OUT }
    }

    /// What went wrong with a client that speaks `version`.
    pub(crate) fn of_client(version: Version, error: impl Into<Error>) -> Self {
        let error = error.into();
        let cause = match &error {
            Error::Connect(cause)
            | Error::Publish(PublishError::Closed(cause))
            | Error::Subscribe(SubscribeError::Closed(cause)) => cause,
            _ => return Self::new(error),
        };
        match cause {
            ConnectError::Refused(reason) => Self::refused(version, *reason),
            ConnectError::Io(_) | ConnectError::Lost(_) => Self { message: cause.to_string(), status: CONNECTION_LOST },
            _ => Self::new(cause),
        }
    }

    fn refused(version: Version, reason: ReasonCode) -> Self {
        let hint = match reason {
            ReasonCode::UnsupportedProtocolVersion => " (flag: --protocol-version)",
            ReasonCode::ClientIdentifierNotValid => " (flag: --id)",
            ReasonCode::BadUserNameOrPassword | ReasonCode::NotAuthorized => " (flags: --username, --pw)",
            _ => "",
        };
        let status = if version.acks_carry_reason() { Some(reason.as_u8()) } else { reason.to_return_code() };
        Self {
            message: format!("the server refused the connection: {reason}{hint}"),
            status: status.unwrap_or(OTHERWISE),
        }
    }

    /// Says it.
    pub(crate) fn report(&self) -> ExitCode {
        // Nobody is left to be told if this fails.
        let _ = writeln!(io::stderr(), "mqtt: {}", self.message);
        ExitCode::from(self.status)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn refused(version: Version, reason: ReasonCode) -> Failure {
        Failure::of_client(version, ConnectError::Refused(reason))
    }

    #[test]
    fn a_refusal_ends_with_the_code_of_connack() {
        let failure = refused(Version::V5, ReasonCode::NotAuthorized);
        assert_eq!(failure.status, 0x87);
        assert!(failure.message.ends_with("(flags: --username, --pw)"), "{}", failure.message);
        assert_eq!(refused(Version::V3_1_1, ReasonCode::NotAuthorized).status, 5);
        assert_eq!(refused(Version::V3_1_1, ReasonCode::ClientIdentifierNotValid).status, 2);
    }

    #[test]
    fn a_lost_connection_ends_with_7_whatever_it_kept_from_happening() {
        let lost = || ConnectError::Io(Arc::new(io::ErrorKind::ConnectionReset.into()));
        assert_eq!(Failure::of_client(Version::V5, lost()).status, 7);
        assert_eq!(Failure::of_client(Version::V5, PublishError::Closed(lost())).status, 7);
        assert_eq!(Failure::of_client(Version::V5, SubscribeError::Closed(lost())).status, 7);
    }

    #[test]
    fn everything_else_ends_with_1() {
        assert_eq!(Failure::of_client(Version::V5, PublishError::TooLarge).status, 1);
        assert_eq!(Failure::new("no").status, 1);
    }
}
