//! The rules of MQTT, as state machines without I/O.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason
    )
)]

extern crate alloc;

mod client;
mod connection;
mod error;
mod event;
mod message;
mod options;
mod parts;
mod saved;
mod server;
mod time;

pub use client::Client;
pub use connection::Transmit;
pub use error::{AnswerError, ConnectError, PublishError, RequestError, StaleAck, Violation};
pub use event::{DisconnectCause, Disconnected, Event, Outcome, PublishId, Published, RequestId};
pub use message::{AckToken, Message, Received};
pub use options::{Acknowledge, Agreed, ConnectOptions, Limits, ServerOptions, WillOptions};
pub use parts::outbound::Outgoing;
pub use saved::SessionState;
pub use server::{Accept, Server};
pub use time::Instant;
