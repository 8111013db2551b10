//! Packets made by hand, byte by byte, around one field of interest.

use mqtt_proto::Role::{Client, Server};
use mqtt_proto::Version::V5;
use mqtt_proto::{Cause, Packet, Role, Version};

use super::fuzz::checks;

pub fn fault(version: Version, receiver: Role, bytes: &[u8]) -> (Cause, usize) {
    let mut input = bytes;
    match super::codec(version, receiver).decode(&mut input) {
        Err(error) => {
            assert_eq!(input, bytes, "a refused packet was taken");
            (error.cause(), error.offset() as usize)
        }
        Ok(packet) => panic!("{bytes:x?} at a {receiver} in {version} is {packet:?}"),
    }
}

pub fn taken(version: Version, receiver: Role, bytes: &[u8]) -> Packet<'_> {
    let mut input = bytes;
    let packet = checks::decode_one(super::codec(version, receiver), &mut input);
    assert!(input.is_empty(), "{bytes:x?} at a {receiver} in {version} is {packet:?}");
    packet.unwrap_or_else(|| panic!("{bytes:x?} at a {receiver} in {version} is refused"))
}

/// A packet whose one field of interest holds what was asked for.
pub struct Field {
    pub name: String,
    pub version: Version,
    pub receiver: Role,
    pub bytes: Vec<u8>,
}

impl Field {
    pub fn comes_back(&self) {
        let packet = taken(self.version, self.receiver, &self.bytes);
        let encoded = checks::encode(super::codec(self.version, self.receiver.peer()), &packet);
        assert_eq!(encoded, self.bytes, "{} in {}", self.name, self.version);
    }
}

/// Every field of text in every packet of every version, with `text` in it.
pub fn text_fields(text: &[u8]) -> Vec<Field> {
    let text = &field(text)[..];
    let mut fields = Vec::new();
    for version in Version::ALL {
        let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
        let mut add = |name: &str, receivers: &[Role], bytes: Vec<u8>| {
            for &receiver in receivers {
                fields.push(Field { name: name.into(), version, receiver, bytes: bytes.clone() });
            }
        };
        add("client identifier", &[Server], packet(0x10, &[&connect_head(version, 0x02), text]));
        let will = packet(0x10, &[&connect_head(version, 0x06), b"\0\x01c", none, text, b"\0\0"]);
        add("will topic", &[Server], will);
        add("user name", &[Server], packet(0x10, &[&connect_head(version, 0x82), b"\0\x01c", text]));
        add("topic name", &[Client, Server], packet(0x30, &[text, none]));
        add("filter to subscribe to", &[Server], packet(0x82, &[&[0, 10], none, text, &[0]]));
        add("filter to unsubscribe from", &[Server], packet(0xA2, &[&[0, 10], none, text]));
        if version.has_auth() {
            let method = [&[0x15], text].concat();
            add("method in AUTH", &[Client, Server], packet(0xF0, &[&[0x18], &varint(method.len()), &method]));
        }
    }
    for place in places() {
        for &(id, name) in place.texts {
            fields.push(place.with(name, &[&[id], text].concat()));
        }
        fields.push(place.with("name of a user property", &[&[0x26], text, b"\0\0"].concat()));
        fields.push(place.with("value of a user property", &[&[0x26, 0, 0], text].concat()));
    }
    fields
}

/// Every field of bytes, likewise.
pub fn binary_fields(bytes: &[u8]) -> Vec<Field> {
    let bytes = &field(bytes)[..];
    let mut fields = Vec::new();
    for version in Version::ALL {
        let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
        let mut add = |name: &str, bytes| fields.push(Field { name: name.into(), version, receiver: Server, bytes });
        let will = packet(0x10, &[&connect_head(version, 0x06), b"\0\x01c", none, b"\0\x01w", bytes]);
        add("will payload", will);
        add("password", packet(0x10, &[&connect_head(version, 0xC2), b"\0\x01c\0\x01u", bytes]));
        add("payload", packet(0x30, &[b"\0\x01a", none, bytes]));
    }
    for place in places() {
        if ["PUBLISH", "will"].contains(&place.name) {
            fields.push(place.with("correlation data", &[&[0x09], bytes].concat()));
        }
        if ["CONNECT", "CONNACK"].contains(&place.name) {
            fields.push(place.with("authentication data", &[b"\x15\0\x01m\x16", bytes].concat()));
        }
        if place.name == "AUTH" {
            fields.push(place.with("authentication data", &[&[0x16], bytes].concat()));
        }
    }
    fields
}

/// A packet of 5.0 with properties, cut open around them.
pub struct Place {
    pub name: &'static str,
    pub receiver: Role,
    pub first: u8,
    pub before: &'static [u8],
    /// Properties that have to be there.
    pub needed: &'static [u8],
    pub after: &'static [u8],
    pub texts: &'static [(u8, &'static str)],
}

impl Place {
    pub fn with(&self, name: &str, property: &[u8]) -> Field {
        let properties = [self.needed, property].concat();
        let bytes = packet(self.first, &[self.before, &varint(properties.len()), &properties, self.after]);
        Field { name: format!("{name} in {}", self.name), version: V5, receiver: self.receiver, bytes }
    }
}

pub fn places() -> Vec<Place> {
    const REASON: (u8, &str) = (0x1F, "reason string");
    const METHOD: (u8, &str) = (0x15, "authentication method");
    const ABOUT: &[(u8, &str)] = &[(0x03, "content type"), (0x08, "response topic")];
    let mut places = Vec::new();
    let mut add = |name, receivers: &[Role], first, before, needed, after, texts| {
        for &receiver in receivers {
            places.push(Place { name, receiver, first, before, needed, after, texts });
        }
    };
    let both = &[Client, Server][..];
    add("CONNECT", &[Server], 0x10, b"\0\x04MQTT\x05\x02\0\0", b"", b"\0\0", &[METHOD]);
    add("will", &[Server], 0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\0", b"", b"\0\x01w\0\0", ABOUT);
    let told = &[
        (0x12, "assigned client identifier"),
        METHOD,
        (0x1A, "response information"),
        (0x1C, "server reference"),
        REASON,
    ];
    add("CONNACK", &[Client], 0x20, b"\0\0", b"", b"", told);
    add("PUBLISH", both, 0x30, b"\0\x01a", b"", b"", ABOUT);
    for first in [0x40, 0x50, 0x62, 0x70] {
        add("acknowledgement", both, first, b"\0\x0A\0", b"", b"", &[REASON]);
    }
    add("SUBSCRIBE", &[Server], 0x82, b"\0\x0A", b"", b"\0\x01a\0", &[]);
    add("SUBACK", &[Client], 0x90, b"\0\x0A", b"", b"\0", &[REASON]);
    add("UNSUBSCRIBE", &[Server], 0xA2, b"\0\x0A", b"", b"\0\x01a", &[]);
    add("UNSUBACK", &[Client], 0xB0, b"\0\x0A", b"", b"\0", &[REASON]);
    add("DISCONNECT", &[Server], 0xE0, b"\0", b"", b"", &[REASON]);
    add("DISCONNECT", &[Client], 0xE0, b"\0", b"", b"", &[(0x1C, "server reference"), REASON]);
    add("AUTH", both, 0xF0, b"\x18", b"\x15\0\x01m", b"", &[REASON]);
    places
}

/// A CONNECT with these flags and the fields that `fields` would announce.
pub fn connect(version: Version, flags: u8, fields: u8) -> Vec<u8> {
    let mut parts = vec![connect_head(version, flags), field(b"c")];
    if fields & 0x04 != 0 {
        let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
        parts.push([none, &field(b"w"), &field(b"m")].concat());
    }
    if fields & 0x80 != 0 {
        parts.push(field(b"u"));
    }
    if fields & 0x40 != 0 {
        parts.push(field(b"p"));
    }
    packet(0x10, &[&parts.concat()])
}

/// What comes before the client identifier.
pub fn connect_head(version: Version, flags: u8) -> Vec<u8> {
    let none: &[u8] = if version.has_properties() { &[0] } else { &[] };
    [&field(version.protocol_name())[..], &[version.level(), flags, 0, 0], none].concat()
}

pub fn packet(first: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&[first], &varint(body.len())[..], &body].concat()
}

pub fn field(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

pub fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value % 128).unwrap();
        value /= 128;
        bytes.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return bytes;
        }
    }
}
