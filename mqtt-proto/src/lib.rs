//! The bytes of MQTT: packets in, packets out.
#![no_std]

extern crate alloc;
