//! Tests against foreign MQTT programs: the tests are in `tests/`, here is what they share. All of it is behind the feature `interop`.
//!
//! With the feature, a program that is missing is a failure. Nothing here waits by the clock: what takes longer than [`PATIENCE`] has failed.
#![cfg(feature = "interop")]

mod mosquitto;
mod ours;
mod process;
mod raw;
mod relay;
mod strace;

pub use mosquitto::{Mosquitto, SPOKEN, mosquitto_pub, mosquitto_sub, paho};
pub use ours::{OurBroker, within};
pub use process::Process;
pub use raw::{Answer, Raw};
pub use relay::Relay;
pub use strace::Strace;

/// What takes longer has failed.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
