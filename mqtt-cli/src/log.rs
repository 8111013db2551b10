//! What `-d` shows: a line for each event, on the standard error, so that output stays clean.

use std::fmt;
use std::io::{self, Write};

use mqtt_tokio::{Client, QoS};

/// Says what happens, if it was asked to. Never payloads or passwords.
#[derive(Clone, Copy)]
pub(crate) struct Log {
    on: bool,
}

impl Log {
    pub(crate) const fn new(on: bool) -> Self {
        Self { on }
    }

    pub(crate) fn say(self, event: impl fmt::Display) {
        if self.on {
            // Losing a line is better than losing the connection over it.
            let _ = writeln!(io::stderr(), "{event}");
        }
    }

    pub(crate) fn say_connected(self, client: &Client) {
        if let Some(agreed) = client.agreed() {
            let session = if agreed.session_present { "resumed" } else { "new" };
            self.say(format_args!("connected as {:?} ({}, {session} session)", agreed.client_id, agreed.version));
        }
    }

    /// `verb`: what has become of a message.
    pub(crate) fn say_message(self, verb: &str, topic: &str, qos: QoS, retain: bool, bytes: usize) {
        let retained = if retain { ", retained" } else { "" };
        self.say(format_args!("{verb} {topic} (qos {}{retained}, {bytes} bytes)", qos.as_u8()));
    }
}
