//! Where a machine could be replaced by one that is broken. The tests do that, to see whether the checks see it.

use std::fmt::Debug;

use mqtt_session::{Instant, Received, SessionState};

use crate::wire::End;

/// What stands between the machines and the world. Honest, unless a test says otherwise.
pub(crate) trait Seam: Debug {
    /// An end has written these bytes: whole packets.
    fn output(&mut self, _: End, _: &mut Vec<u8>) {}

    /// How often an application is given a message that has come for it.
    fn handed_out(&mut self, _: &Received<'_>) -> usize {
        1
    }

    /// How often it is told that a publish is settled.
    fn settled(&mut self) -> usize {
        1
    }

    /// What is left of a session after a crash.
    fn restored(&mut self, session: SessionState) -> SessionState {
        session
    }

    /// When the client wants to be woken.
    fn deadline(&mut self, _: Instant, real: Option<Instant>) -> Option<Instant> {
        real
    }

    /// How much the client holds.
    fn pending(&mut self, real: usize) -> usize {
        real
    }

    /// Something that should be the same on every run.
    fn whim(&mut self) -> u64 {
        0
    }
}

/// Every machine is what it is.
#[derive(Debug)]
pub(crate) struct Honest;

impl Seam for Honest {}
