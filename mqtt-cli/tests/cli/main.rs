//! The command, run as its users run it, against itself.

mod broker;
mod publish;
mod sessions;
mod subscribe;
mod support;
mod wills;
