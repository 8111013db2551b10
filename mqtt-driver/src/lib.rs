//! The async loop around `mqtt-session`, written once, without a runtime.
