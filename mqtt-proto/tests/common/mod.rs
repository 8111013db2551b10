//! What several tests share.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part, and the fuzz targets are a crate of their own")]

pub mod golden;
pub mod packets;

/// The fuzz targets' equations, and their packets out of any bytes.
#[path = "../../../fuzz/src/lib.rs"]
pub mod fuzz;

use mqtt_proto::{Codec, Role, Version};

/// Both ends of a connection, in every version.
pub fn codecs() -> impl Iterator<Item = Codec> {
    Version::ALL.into_iter().flat_map(|version| [Codec::client(version), Codec::server(version)])
}

/// One end of a connection.
pub fn codec(version: Version, role: Role) -> Codec {
    match role {
        Role::Client => Codec::client(version),
        Role::Server => Codec::server(version),
    }
}

/// Bytes as they are written in this house: hexadecimal, and text in quotes.
pub fn bytes(written: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in written.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend(part.as_bytes());
        } else {
            bytes.extend(part.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect(byte)));
        }
    }
    bytes
}
