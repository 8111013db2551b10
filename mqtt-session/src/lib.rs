//! The rules of MQTT, as state machines without I/O.
#![no_std]

extern crate alloc;
