//! The traps that implementations of this protocol have fallen into, as far as bytes alone can set them: one entry per trap.
//!
//! An entry holds what has to be refused, or, where the trap is to refuse too much, what has to be taken. What is taken also comes
//! back from the encoder.

mod common;

use common::fuzz::checks;
use common::packets::{field, packet};
use mqtt_proto::Role::{Client, Server};
use mqtt_proto::Version::{V3_1, V3_1_1, V5};
use mqtt_proto::{
    Ack, Cause, Codec, ConnAck, Dialect, Disconnect, Frame, Packet, PacketId, PropertiesBuf, Property, Publish,
    ReasonCode, Role, SubAck, TopicFilter, TopicName, TransmitBuf, Version,
};

/// What is to be done about a trap.
enum Check {
    /// Look at bytes from the wire.
    Bytes(&'static [Case]),
    /// Something that is more than that.
    Code(fn()),
}

/// In these versions, at these ends: the bytes, and what is to become of them.
type Case = (&'static [Version], &'static [Role], &'static str, Outcome);

#[derive(Clone, Copy)]
enum Outcome {
    Refused(Cause),
    Taken,
    /// Not all there; no fault so far.
    Awaited,
}

use Check::{Bytes, Code};
use Outcome::{Awaited, Refused, Taken};

const ALL: &[Version] = &Version::ALL;
const V3: &[Version] = &[V3_1, V3_1_1];
const OLD: &[Version] = &[V3_1];
const V311: &[Version] = &[V3_1_1];
const NEW: &[Version] = &[V5];
const STRICT: &[Version] = &[V3_1_1, V5];
const BOTH: &[Role] = &[Client, Server];
const CLIENT: &[Role] = &[Client];
const SERVER: &[Role] = &[Server];

#[rustfmt::skip]
const TRAPS: &[(&str, Check)] = &[
    // Framing.
    ("a length goes on after its fourth byte", Bytes(&[
        (ALL, BOTH, "30 80 80 80 80", Refused(Cause::VarintTooLong)),
        (ALL, BOTH, "30 FF FF FF FF 01", Refused(Cause::VarintTooLong)),
        (ALL, BOTH, "30 80 80 80 80 80 80 80 80 80 80 01", Refused(Cause::VarintTooLong)),
    ])),
    ("half a length is taken for a fault, or for a packet", Bytes(&[
        (ALL, BOTH, "", Awaited),
        (ALL, BOTH, "30", Awaited),
        (ALL, BOTH, "30 80", Awaited),
        (ALL, BOTH, "30 FF FF", Awaited),
        (ALL, BOTH, "40 02 00", Awaited),
        // Within a packet that is all there, there is nothing to wait for.
        (NEW, BOTH, "30 04 00 01 'a' 80", Refused(Cause::UnexpectedEnd)),
        (ALL, BOTH, "40 01 00", Refused(Cause::UnexpectedEnd)),
    ])),
    ("zero is written in two bytes", Bytes(&[
        (ALL, SERVER, "C0 80 00", Refused(Cause::VarintNotShortest)),
        (ALL, BOTH, "40 82 00 00 0A", Refused(Cause::VarintNotShortest)),
        (NEW, BOTH, "30 05 00 01 'a' 80 00", Refused(Cause::VarintNotShortest)),
        (NEW, BOTH, "30 09 00 01 'a' 05 81 00 01 'x' 00", Refused(Cause::VarintNotShortest)),
        (NEW, SERVER, "82 0A 00 0A 03 0B 81 00 00 01 'a' 00", Refused(Cause::VarintNotShortest)),
    ])),
    ("a length is believed before anything has arrived", Bytes(&[
        (ALL, BOTH, "30 FF FF FF 7F", Refused(Cause::PacketTooLarge)),
        (ALL, SERVER, "10 FF FF FF 7F", Refused(Cause::PacketTooLarge)),
    ])),
    ("the limit is held against the length field, not the packet", Code(the_limit_counts_the_header)),
    ("the low half of the first byte is not looked at", Bytes(&[
        (STRICT, BOTH, "60 02 00 0A", Refused(Cause::ReservedFlags)),
        (STRICT, BOTH, "6A 02 00 0A", Refused(Cause::ReservedFlags)),
        (STRICT, SERVER, "80 06 00 0A 00 01 'a' 00", Refused(Cause::ReservedFlags)),
        (STRICT, SERVER, "A0 05 00 0A 00 01 'a'", Refused(Cause::ReservedFlags)),
        (STRICT, BOTH, "42 02 00 0A", Refused(Cause::ReservedFlags)),
        (STRICT, SERVER, "C1 00", Refused(Cause::ReservedFlags)),
        (STRICT, CLIENT, "D8 00", Refused(Cause::ReservedFlags)),
        (OLD, BOTH, "6A 02 00 0A", Taken),
        (OLD, SERVER, "8A 06 00 0A 00 01 'a' 00", Taken),
        (OLD, SERVER, "AA 05 00 0A 00 01 'a'", Taken),
        (OLD, BOTH, "60 02 00 0A", Refused(Cause::ReservedFlags)),
        (OLD, BOTH, "64 02 00 0A", Refused(Cause::ReservedFlags)),
    ])),
    ("qos 3 is taken for some qos", Bytes(&[
        (V3, BOTH, "36 05 00 01 'a' 00 0A", Refused(Cause::PublishQos)),
        (NEW, BOTH, "3F 06 00 01 'a' 00 0A 00", Refused(Cause::PublishQos)),
    ])),
    ("a qos 0 message says that it was sent before", Bytes(&[
        (V3, BOTH, "38 03 00 01 'a'", Refused(Cause::DupAtQos0)),
        (NEW, BOTH, "39 04 00 01 'a' 00", Refused(Cause::DupAtQos0)),
    ])),
    ("packet identifier 0", Bytes(&[
        (V3, BOTH, "32 05 00 01 'a' 00 00", Refused(Cause::PacketIdZero)),
        (NEW, BOTH, "34 06 00 01 'a' 00 00 00", Refused(Cause::PacketIdZero)),
        (ALL, BOTH, "40 02 00 00", Refused(Cause::PacketIdZero)),
        (ALL, BOTH, "62 02 00 00", Refused(Cause::PacketIdZero)),
        (V3, SERVER, "82 06 00 00 00 01 'a' 00", Refused(Cause::PacketIdZero)),
        (NEW, SERVER, "A2 06 00 00 00 00 01 'a'", Refused(Cause::PacketIdZero)),
        (NEW, CLIENT, "90 04 00 00 00 00", Refused(Cause::PacketIdZero)),
    ])),
    ("a packet identifier is read where qos 0 has none", Bytes(&[
        (V3, BOTH, "30 03 00 01 'a'", Taken),
        (V3, BOTH, "30 05 00 01 'a' 00 00", Taken),
        (NEW, BOTH, "30 04 00 01 'a' 00", Taken),
        (NEW, BOTH, "30 06 00 01 'a' 00 00 00", Taken),
    ])),
    ("bytes behind the last field are left lying", Bytes(&[
        (ALL, SERVER, "C0 01 00", Refused(Cause::TrailingBytes)),
        (ALL, CLIENT, "D0 01 00", Refused(Cause::TrailingBytes)),
        (V3, BOTH, "40 03 00 0A 00", Refused(Cause::TrailingBytes)),
        (NEW, BOTH, "40 05 00 0A 00 00 00", Refused(Cause::TrailingBytes)),
        (V3, CLIENT, "20 03 00 00 00", Refused(Cause::TrailingBytes)),
        (NEW, CLIENT, "20 04 00 00 00 00", Refused(Cause::TrailingBytes)),
        (V3, SERVER, "E0 01 00", Refused(Cause::TrailingBytes)),
        (NEW, BOTH, "E0 03 00 00 00", Refused(Cause::TrailingBytes)),
        (NEW, BOTH, "F0 07 18 04 15 00 01 'm' 00", Refused(Cause::TrailingBytes)),
        (V311, SERVER, "10 0F 00 04 'MQTT' 04 02 00 3C 00 00 00 01 'u'", Refused(Cause::TrailingBytes)),
    ])),
    ("an empty payload, or an empty will, is refused", Bytes(&[
        (V3, BOTH, "31 03 00 01 'a'", Taken),
        (NEW, BOTH, "31 04 00 01 'a' 00", Taken),
        (OLD, SERVER, "10 14 00 06 'MQIsdp' 03 06 00 3C 00 01 'c' 00 01 'w' 00 00", Taken),
        (V311, SERVER, "10 11 00 04 'MQTT' 04 06 00 3C 00 00 00 01 'w' 00 00", Taken),
        (NEW, SERVER, "10 13 00 04 'MQTT' 05 06 00 3C 00 00 00 00 00 01 'w' 00 00", Taken),
    ])),
    ("an acknowledgement without code or properties is refused", Bytes(&[
        (NEW, BOTH, "40 02 00 0A", Taken),
        (NEW, BOTH, "40 03 00 0A 00", Taken),
        (NEW, BOTH, "40 04 00 0A 00 00", Taken),
        (NEW, BOTH, "50 03 00 0A 97", Taken),
        (NEW, BOTH, "62 02 00 0A", Taken),
        (NEW, BOTH, "62 03 00 0A 92", Taken),
        (NEW, BOTH, "70 04 00 0A 92 00", Taken),
    ])),
    ("a disconnect without code or properties is refused", Bytes(&[
        (NEW, BOTH, "E0 00", Taken),
        (NEW, BOTH, "E0 01 00", Taken),
        (NEW, BOTH, "E0 01 81", Taken),
        (NEW, BOTH, "E0 02 00 00", Taken),
    ])),
    ("the length of no properties is left out elsewhere", Bytes(&[
        (NEW, SERVER, "10 0C 00 04 'MQTT' 05 02 00 3C 00 00", Refused(Cause::UnexpectedEnd)),
        (NEW, SERVER, "10 12 00 04 'MQTT' 05 06 00 3C 00 00 00 00 01 'w' 00 00", Refused(Cause::UnexpectedEnd)),
        (NEW, CLIENT, "20 02 00 00", Refused(Cause::UnexpectedEnd)),
        (NEW, BOTH, "30 03 00 01 'a'", Refused(Cause::UnexpectedEnd)),
        (NEW, SERVER, "82 06 00 0A 00 01 'a' 00", Refused(Cause::UnexpectedEnd)),
        (NEW, CLIENT, "90 02 00 0A", Refused(Cause::UnexpectedEnd)),
        (NEW, SERVER, "A2 05 00 0A 00 01 'a'", Refused(Cause::UnexpectedEnd)),
        (NEW, CLIENT, "B0 02 00 0A", Refused(Cause::UnexpectedEnd)),
    ])),
    ("a property crosses the end of the properties", Bytes(&[
        (NEW, BOTH, "30 09 00 01 'a' 02 02 00 00 00 3C", Refused(Cause::UnexpectedEnd)),
        (NEW, BOTH, "30 09 00 01 'a' 03 03 00 02 'xy'", Refused(Cause::UnexpectedEnd)),
        (NEW, BOTH, "30 0A 00 01 'a' 04 26 00 01 'k' 00 00", Refused(Cause::UnexpectedEnd)),
        (NEW, CLIENT, "30 08 00 01 'a' 02 0B 80 01 00", Refused(Cause::UnexpectedEnd)),
        (NEW, BOTH, "40 05 00 0A 00 04 1F", Refused(Cause::UnexpectedEnd)),
        (NEW, SERVER, "82 08 00 0A 7F 00 01 'a' 00 00", Refused(Cause::UnexpectedEnd)),
    ])),
    ("of two properties of a kind the last one wins", Bytes(&[
        (NEW, BOTH, "30 08 00 01 'a' 04 01 01 01 01", Refused(Cause::RepeatedProperty)),
        (NEW, BOTH, "30 0C 00 01 'a' 08 03 00 01 'x' 03 00 01 'x'", Refused(Cause::RepeatedProperty)),
        (NEW, BOTH, "30 0A 00 01 'a' 06 23 00 01 23 00 01", Refused(Cause::RepeatedProperty)),
        (NEW, SERVER, "82 0B 00 0A 04 0B 01 0B 02 00 01 'a' 00", Refused(Cause::RepeatedProperty)),
        (NEW, SERVER, "10 13 00 04 'MQTT' 05 02 00 3C 06 21 00 01 21 00 01 00 00", Refused(Cause::RepeatedProperty)),
        (NEW, SERVER, "10 1D 00 04 'MQTT' 05 06 00 3C 00 00 00 0A 18 00 00 00 01 18 00 00 00 01 00 01 'w' 00 00", Refused(Cause::RepeatedProperty)),
        (NEW, BOTH, "E0 0A 00 08 1F 00 01 'r' 1F 00 01 'r'", Refused(Cause::RepeatedProperty)),
        (NEW, CLIENT, "30 08 00 01 'a' 04 0B 01 0B 01", Taken),
        (NEW, BOTH, "30 0E 00 01 'a' 0A 26 00 00 00 00 26 00 00 00 00", Taken),
        // The will's are counted by themselves.
        (NEW, SERVER, "10 1D 00 04 'MQTT' 05 06 00 3C 05 26 00 00 00 00 00 00 05 26 00 00 00 00 00 01 'w' 00 00", Taken),
    ])),
    ("one list of properties serves all packets", Bytes(&[
        (NEW, BOTH, "30 07 00 01 'a' 03 13 00 01", Refused(Cause::MisplacedProperty)),
        (NEW, SERVER, "10 0F 00 04 'MQTT' 05 02 00 3C 02 01 01 00 00", Refused(Cause::MisplacedProperty)),
        (NEW, CLIENT, "20 07 00 00 04 08 00 01 'r'", Refused(Cause::MisplacedProperty)),
        (NEW, BOTH, "40 09 00 0A 00 05 11 00 00 00 01", Refused(Cause::MisplacedProperty)),
        (NEW, SERVER, "82 0B 00 0A 04 1F 00 01 'r' 00 01 'a' 00", Refused(Cause::MisplacedProperty)),
        (NEW, SERVER, "A2 08 00 0A 02 0B 01 00 01 'a'", Refused(Cause::MisplacedProperty)),
        (NEW, BOTH, "F0 0B 18 09 15 00 01 'm' 11 00 00 00 01", Refused(Cause::MisplacedProperty)),
    ])),
    ("a will has the properties of a publish", Bytes(&[
        (NEW, SERVER, "10 16 00 04 'MQTT' 05 06 00 3C 00 00 00 03 23 00 01 00 01 'w' 00 00", Refused(Cause::MisplacedProperty)),
        (NEW, SERVER, "10 15 00 04 'MQTT' 05 06 00 3C 00 00 00 02 0B 01 00 01 'w' 00 00", Refused(Cause::MisplacedProperty)),
        (NEW, BOTH, "30 09 00 01 'a' 05 18 00 00 00 01", Refused(Cause::MisplacedProperty)),
        (NEW, SERVER, "10 12 00 04 'MQTT' 05 02 00 3C 05 18 00 00 00 01 00 00", Refused(Cause::MisplacedProperty)),
        (NEW, SERVER, "10 18 00 04 'MQTT' 05 06 00 3C 00 00 00 05 18 00 00 00 01 00 01 'w' 00 00", Taken),
    ])),
    ("a maximum qos of 2 is spelled out", Bytes(&[
        (NEW, CLIENT, "20 05 00 00 02 24 02", Refused(Cause::PropertyValue)),
        (NEW, CLIENT, "20 05 00 00 02 24 00", Taken),
        (NEW, CLIENT, "20 05 00 00 02 24 01", Taken),
    ])),
    ("a maximum of 0 is taken for no limit", Bytes(&[
        (NEW, SERVER, "10 10 00 04 'MQTT' 05 02 00 3C 03 21 00 00 00 00", Refused(Cause::PropertyValue)),
        (NEW, CLIENT, "20 06 00 00 03 21 00 00", Refused(Cause::PropertyValue)),
        (NEW, SERVER, "10 12 00 04 'MQTT' 05 02 00 3C 05 27 00 00 00 00 00 00", Refused(Cause::PropertyValue)),
        (NEW, CLIENT, "20 08 00 00 05 27 00 00 00 00", Refused(Cause::PropertyValue)),
        // Of topic aliases there may well be none.
        (NEW, CLIENT, "20 06 00 00 03 22 00 00", Taken),
    ])),
    ("subscription identifier 0, or one from a client", Bytes(&[
        (NEW, SERVER, "82 09 00 0A 02 0B 00 00 01 'a' 00", Refused(Cause::PropertyValue)),
        (NEW, CLIENT, "30 06 00 01 'a' 02 0B 00", Refused(Cause::PropertyValue)),
        (NEW, SERVER, "30 06 00 01 'a' 02 0B 01", Refused(Cause::SubscriptionIdFromClient)),
        (NEW, CLIENT, "30 09 00 01 'a' 05 0B FF FF FF 7F", Taken),
        (NEW, CLIENT, "30 0A 00 01 'a' 06 0B FF FF FF FF 01", Refused(Cause::VarintTooLong)),
    ])),
    ("text is repaired instead of refused", Bytes(&[
        (V3, BOTH, "30 05 00 03 ED A0 80", Refused(Cause::InvalidUtf8)),
        (NEW, BOTH, "30 05 00 02 C0 80 00", Refused(Cause::InvalidUtf8)),
        (NEW, BOTH, "40 09 00 0A 00 05 1F 00 02 C0 AF", Refused(Cause::InvalidUtf8)),
        (V3, BOTH, "30 04 00 02 'a' 00", Refused(Cause::NulInText)),
        (V3, BOTH, "30 05 00 03 EF BB BF", Taken),
        (NEW, BOTH, "30 06 00 03 EF BF BD 00", Taken),
    ])),
    ("what is binary is held to be text", Bytes(&[
        (V311, SERVER, "10 14 00 04 'MQTT' 04 C2 00 3C 00 00 00 01 'u' 00 03 FF 00 80", Taken),
        (V311, SERVER, "10 14 00 04 'MQTT' 04 06 00 3C 00 00 00 01 'w' 00 03 FF 00 80", Taken),
        (NEW, BOTH, "30 0A 00 01 'a' 06 09 00 03 FF 00 80", Taken),
        (NEW, BOTH, "F0 0C 18 0A 15 00 01 'm' 16 00 03 FF 00 80", Taken),
        // A payload may say that it is text and be none: to look is allowed, not asked for.
        (NEW, BOTH, "30 07 00 01 'a' 02 01 01 FF", Taken),
    ])),
    ("a password comes without a user name", Bytes(&[
        (OLD, SERVER, "10 12 00 06 'MQIsdp' 03 42 00 3C 00 01 'a' 00 01 'p'", Refused(Cause::PasswordWithoutUserName)),
        (V311, SERVER, "10 0F 00 04 'MQTT' 04 42 00 3C 00 00 00 01 'p'", Refused(Cause::PasswordWithoutUserName)),
        (NEW, SERVER, "10 10 00 04 'MQTT' 05 42 00 3C 00 00 00 00 01 'p'", Taken),
    ])),
    ("the bits of a will that is not there", Bytes(&[
        (V311, SERVER, "10 0C 00 04 'MQTT' 04 0A 00 3C 00 00", Refused(Cause::WillBitsWithoutWill)),
        (V311, SERVER, "10 0C 00 04 'MQTT' 04 22 00 3C 00 00", Refused(Cause::WillBitsWithoutWill)),
        (NEW, SERVER, "10 0D 00 04 'MQTT' 05 12 00 3C 00 00 00", Refused(Cause::WillBitsWithoutWill)),
        (NEW, SERVER, "10 0D 00 04 'MQTT' 05 22 00 3C 00 00 00", Refused(Cause::WillBitsWithoutWill)),
        (OLD, SERVER, "10 0F 00 06 'MQIsdp' 03 3A 00 3C 00 01 'a'", Taken),
    ])),
    ("the lowest of the connect flags", Bytes(&[
        (V311, SERVER, "10 0C 00 04 'MQTT' 04 03 00 3C 00 00", Refused(Cause::ConnectReservedFlag)),
        (NEW, SERVER, "10 0D 00 04 'MQTT' 05 03 00 3C 00 00 00", Refused(Cause::ConnectReservedFlag)),
        (OLD, SERVER, "10 0F 00 06 'MQIsdp' 03 03 00 3C 00 01 'a'", Taken),
    ])),
    ("reserved bits beside a requested qos", Bytes(&[
        (V311, SERVER, "82 06 00 0A 00 01 'a' 04", Refused(Cause::SubscriptionOptions)),
        (V311, SERVER, "82 06 00 0A 00 01 'a' 81", Refused(Cause::SubscriptionOptions)),
        (NEW, SERVER, "82 07 00 0A 00 00 01 'a' 40", Refused(Cause::SubscriptionOptions)),
        (NEW, SERVER, "82 07 00 0A 00 00 01 'a' 80", Refused(Cause::SubscriptionOptions)),
        (NEW, SERVER, "82 07 00 0A 00 00 01 'a' 2E", Taken),
        (OLD, SERVER, "82 06 00 0A 00 01 'a' FE", Taken),
    ])),
    ("retain handling 3 and a requested qos of 3", Bytes(&[
        (NEW, SERVER, "82 07 00 0A 00 00 01 'a' 30", Refused(Cause::RetainHandling)),
        (NEW, SERVER, "82 07 00 0A 00 00 01 'a' 03", Refused(Cause::SubscriptionQos)),
        (V3, SERVER, "82 06 00 0A 00 01 'a' 03", Refused(Cause::SubscriptionQos)),
    ])),
    ("a request for nothing is answered", Bytes(&[
        (V3, SERVER, "82 02 00 0A", Refused(Cause::NoFilters)),
        (NEW, SERVER, "82 03 00 0A 00", Refused(Cause::NoFilters)),
        (V3, SERVER, "A2 02 00 0A", Refused(Cause::NoFilters)),
        (NEW, SERVER, "A2 03 00 0A 00", Refused(Cause::NoFilters)),
    ])),
    ("codes in an unsuback of 3.1.1, none in one of 5.0", Bytes(&[
        (V3, CLIENT, "B0 02 00 0A", Taken),
        (V3, CLIENT, "B0 03 00 0A 00", Refused(Cause::TrailingBytes)),
        (NEW, CLIENT, "B0 05 00 0A 00 00 11", Taken),
        (NEW, CLIENT, "B0 03 00 0A 00", Refused(Cause::NoReasonCodes)),
    ])),
    ("a refusal that the client can't read", Code(a_refusal_is_written_as_its_reader_reads)),
    ("a packet from the wrong end", Bytes(&[
        (ALL, CLIENT, "10 0C 00 04 'MQTT' 04 02 00 3C 00 00", Refused(Cause::WrongDirection)),
        (ALL, SERVER, "20 02 00 00", Refused(Cause::WrongDirection)),
        (ALL, CLIENT, "82 06 00 0A 00 01 'a' 00", Refused(Cause::WrongDirection)),
        (ALL, SERVER, "90 03 00 0A 00", Refused(Cause::WrongDirection)),
        (ALL, CLIENT, "A2 05 00 0A 00 01 'a'", Refused(Cause::WrongDirection)),
        (ALL, SERVER, "B0 02 00 0A", Refused(Cause::WrongDirection)),
        (ALL, CLIENT, "C0 00", Refused(Cause::WrongDirection)),
        (ALL, SERVER, "D0 00", Refused(Cause::WrongDirection)),
    ])),
    // Connecting.
    ("the codec judges an empty client identifier", Bytes(&[
        (V311, SERVER, "10 0C 00 04 'MQTT' 04 00 00 3C 00 00", Taken),
        (V311, SERVER, "10 0C 00 04 'MQTT' 04 02 00 3C 00 00", Taken),
        (NEW, SERVER, "10 0D 00 04 'MQTT' 05 00 00 3C 00 00 00", Taken),
    ])),
    ("a session is present in a refusal", Bytes(&[
        (V311, CLIENT, "20 02 01 05", Refused(Cause::SessionPresentOnRefusal)),
        (NEW, CLIENT, "20 03 01 87 00", Refused(Cause::SessionPresentOnRefusal)),
        (V311, CLIENT, "20 02 01 00", Taken),
        (NEW, CLIENT, "20 03 01 00 00", Taken),
    ])),
    ("the session expiry of a server's disconnect", Bytes(&[
        (NEW, CLIENT, "E0 07 00 05 11 00 00 00 0A", Refused(Cause::SessionExpiryFromServer)),
        (NEW, SERVER, "E0 07 00 05 11 00 00 00 0A", Taken),
    ])),
    ("the server reference of a client's disconnect", Bytes(&[
        (NEW, SERVER, "E0 06 00 04 1C 00 01 's'", Refused(Cause::MisplacedProperty)),
        (NEW, CLIENT, "E0 06 9C 04 1C 00 01 's'", Taken),
    ])),
    ("a server of 3.1.1 disconnects", Bytes(&[
        (V3, CLIENT, "E0 00", Refused(Cause::WrongDirection)),
        (NEW, CLIENT, "E0 00", Taken),
    ])),
    ("an authentication without a method", Bytes(&[
        (NEW, BOTH, "F0 00", Refused(Cause::NoAuthenticationMethod)),
        (NEW, BOTH, "F0 02 18 00", Refused(Cause::NoAuthenticationMethod)),
        (NEW, SERVER, "10 11 00 04 'MQTT' 05 02 00 3C 04 16 00 01 'd' 00 00", Refused(Cause::NoAuthenticationMethod)),
        (V3, BOTH, "F0 06 18 04 15 00 01 'm'", Refused(Cause::ReservedPacketType)),
        // Its name may well be empty.
        (NEW, BOTH, "F0 05 18 03 15 00 00", Taken),
    ])),
    // Publishing.
    ("a negative acknowledgement before 5.0", Code(nothing_is_refused_before_5)),
    ("no matching subscribers, said by a client or taken for a failure", Bytes(&[
        (NEW, SERVER, "40 03 00 0A 10", Refused(Cause::ReasonCode)),
        (NEW, SERVER, "50 03 00 0A 10", Refused(Cause::ReasonCode)),
        (NEW, CLIENT, "40 03 00 0A 10", Taken),
        (NEW, CLIENT, "50 03 00 0A 10", Taken),
    ])),
    ("an absent reason is unknown", Code(an_absent_reason_is_success)),
    // Topics.
    ("the parent of a # is not matched", Code(|| matches("a/#", &["a", "a/", "a/b", "a/b/c"], &["b", "aa", "/a"]))),
    ("a + does not match an empty level, or matches none", Code(|| matches("sport/+", &["sport/", "sport/a"], &["sport", "sport/a/", "/sport"]))),
    ("a wildcard matches what begins with a dollar", Code(|| {
        matches("#", &["a", "/", "/$SYS"], &["$SYS", "$SYS/a", "$"]);
        matches("+/a", &["b/a"], &["$SYS/a"]);
        matches("$SYS/#", &["$SYS", "$SYS/a"], &["SYS"]);
    })),
    ("topics are made alike before they are compared", Code(|| {
        matches("a/b", &["a/b"], &["A/b", "a//b", "/a/b", "a/b/", "a /b"]);
        matches("é", &["é"], &["e\u{301}", "É"]);
    })),
    ("a wildcard in a topic name", Bytes(&[
        (V3, BOTH, "30 05 00 03 'a/+'", Refused(Cause::WildcardInTopicName)),
        (NEW, BOTH, "30 04 00 01 '#' 00", Refused(Cause::WildcardInTopicName)),
        (V311, SERVER, "10 11 00 04 'MQTT' 04 06 00 3C 00 00 00 01 '#' 00 00", Refused(Cause::WildcardInTopicName)),
        (NEW, SERVER, "10 13 00 04 'MQTT' 05 06 00 3C 00 00 00 00 00 01 '+' 00 00", Refused(Cause::WildcardInTopicName)),
        (NEW, BOTH, "30 08 00 01 'a' 04 08 00 01 '+'", Refused(Cause::WildcardInTopicName)),
        (NEW, SERVER, "10 17 00 04 'MQTT' 05 06 00 3C 00 00 00 04 08 00 01 '#' 00 01 'w' 00 00", Refused(Cause::WildcardInTopicName)),
    ])),
    ("an empty topic, or the alias 0", Bytes(&[
        (V3, BOTH, "30 02 00 00", Refused(Cause::EmptyTopic)),
        (NEW, BOTH, "30 03 00 00 00", Refused(Cause::NoTopic)),
        (NEW, BOTH, "30 06 00 00 03 23 00 00", Refused(Cause::TopicAliasZero)),
        (NEW, BOTH, "30 07 00 01 'a' 03 23 00 00", Refused(Cause::TopicAliasZero)),
        (NEW, BOTH, "30 06 00 00 03 23 FF FF", Taken),
    ])),
    ("user properties are sorted, or made unique", Code(user_properties_stay_as_they_are)),
    // Subscriptions.
    ("codes in a suback of 3.1.1 that only 5.0 knows", Bytes(&[
        (V311, CLIENT, "90 06 00 0A 00 01 02 80", Taken),
        (V311, CLIENT, "90 03 00 0A 03", Refused(Cause::ReasonCode)),
        (V311, CLIENT, "90 03 00 0A 87", Refused(Cause::ReasonCode)),
        (OLD, CLIENT, "90 03 00 0A 80", Refused(Cause::ReasonCode)),
        (NEW, CLIENT, "90 04 00 0A 00 87", Taken),
    ])),
    ("no local on a shared subscription", Bytes(&[
        (NEW, SERVER, "82 10 00 0A 00 00 0A '$share/g/a' 04", Refused(Cause::NoLocalOnShared)),
        (NEW, SERVER, "82 10 00 0A 00 00 0A '$share/g/a' 2A", Taken),
    ])),
    ("a share name stays in what is matched", Code(|| {
        matches("$share/g/#", &["a", "a/b"], &["$SYS/a"]);
        matches("$share/g/$SYS/#", &["$SYS/a"], &["a"]);
        matches("$share/g/a", &["a"], &["$share/g/a"]);
    })),
    ("an empty first level behind a share name is lost", Bytes(&[
        (NEW, SERVER, "82 11 00 0A 00 00 0B '$share/g//a' 00", Taken),
        (NEW, SERVER, "82 10 00 0A 00 00 0A '$share/g//' 00", Taken),
        (NEW, SERVER, "82 0F 00 0A 00 00 09 '$share//a' 00", Refused(Cause::SharedFilter)),
        (NEW, SERVER, "82 0E 00 0A 00 00 08 '$share/g' 00", Refused(Cause::SharedFilter)),
        (NEW, SERVER, "A2 0E 00 0A 00 00 09 '$share/g/'", Refused(Cause::SharedFilter)),
        (NEW, SERVER, "82 10 00 0A 00 00 0A '$share/+/a' 00", Refused(Cause::SharedFilter)),
        (V3, SERVER, "82 0D 00 0A 00 08 '$share/g' 00", Taken),
    ])),
    ("a name that only begins like a share is one", Bytes(&[
        (NEW, SERVER, "82 0C 00 0A 00 00 06 '$share' 04", Taken),
        (NEW, SERVER, "82 0F 00 0A 00 00 09 '$shared/a' 04", Taken),
    ])),
];

#[test]
fn no_trap_catches_us() {
    let mut caught = String::new();
    for (name, check) in TRAPS {
        println!("{name}");
        match check {
            Code(check) => check(),
            Bytes(cases) => cases.iter().flat_map(faults).for_each(|fault| caught += &format!("{name}: {fault}\n")),
        }
    }
    assert!(caught.is_empty(), "{caught}");
}

#[test]
fn each_trap_has_a_name_of_its_own() {
    let mut names: Vec<_> = TRAPS.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), TRAPS.len());
}

/// What happens otherwise than it should.
fn faults(&(versions, receivers, written, outcome): &Case) -> Vec<String> {
    let bytes = common::bytes(written);
    let mut faults = Vec::new();
    for &version in versions {
        for &receiver in receivers {
            let codec = common::codec(version, receiver);
            let mut input = &bytes[..];
            let decoded = codec.decode(&mut input);
            let right = match (outcome, decoded) {
                (Refused(cause), Err(error)) => error.cause() == cause,
                (Awaited, Ok(None)) => true,
                (Taken, Ok(Some(packet))) => {
                    input.is_empty() && checks::decode_one(codec, &mut &bytes[..]) == Some(packet)
                }
                _ => false,
            };
            if !right {
                faults.push(format!("{written} at a {receiver} in {version} is {decoded:?}"));
            }
        }
    }
    faults
}

fn matches(filter: &str, yes: &[&str], no: &[&str]) {
    let filter = TopicFilter::new(filter).unwrap();
    for name in yes {
        assert!(filter.matches(TopicName::new(name).unwrap()), "{filter} should match {name}");
    }
    for name in no {
        assert!(!filter.matches(TopicName::new(name).unwrap()), "{filter} should not match {name}");
    }
}

fn the_limit_counts_the_header() {
    let bytes = packet(0x30, &[b"\0\x01a", &[0; 125]]);
    assert_eq!(bytes.len(), 131);
    for receiver in [Client, Server] {
        let mut codec = common::codec(V3_1_1, receiver);
        codec.packet_bytes_max = 131;
        assert!(codec.decode(&mut &bytes[..]).unwrap().is_some());
        for limit in 128..131 {
            codec.packet_bytes_max = limit;
            let error = codec.decode(&mut &bytes[..3]).unwrap_err();
            assert_eq!(error.cause(), Cause::PacketTooLarge, "{limit}");
        }
    }
}

/// The answers to a level that nobody speaks, before and behind the change of the format.
fn a_refusal_is_written_as_its_reader_reads() {
    for (level, version, answer) in [(3, V3_1_1, "20 02 00 01"), (6, V3_1_1, "20 02 00 01"), (6, V5, "20 03 00 84 00")]
    {
        let bytes = packet(0x10, &[&field(b"MQTT"), &[level, 2, 0, 0, 0, 0, 0]]);
        let frame = Frame::split(&mut &bytes[..], 100).unwrap().unwrap();
        let error = frame.connect_version(&Dialect::STANDARD).unwrap_err();
        assert_eq!(
            (error.cause(), error.reason_code()),
            (Cause::ProtocolLevel, ReasonCode::UnsupportedProtocolVersion)
        );
        let refusal = Packet::ConnAck(ConnAck::new(error.reason_code()));
        assert_eq!(checks::encode(Codec::server(version), &refusal), common::bytes(answer));
    }
}

fn nothing_is_refused_before_5() {
    for version in [V3_1, V3_1_1] {
        for receiver in [Client, Server] {
            for first in [0x40, 0x50, 0x70] {
                let error = common::codec(version, receiver).decode(&mut &[first, 3, 0, 10, 0x87][..]).unwrap_err();
                assert_eq!(error.cause(), Cause::TrailingBytes);
            }
            let mut ack = Ack::new(PacketId::MIN);
            ack.reason_code = ReasonCode::NotAuthorized;
            for packet in [
                Packet::PubAck(ack),
                Packet::PubRec(ack),
                Packet::Disconnect(Disconnect::new(ReasonCode::NotAuthorized)),
            ] {
                let mut out = TransmitBuf::new();
                assert!(common::codec(version, receiver).encode(&packet, &mut out).is_err());
                assert!(out.is_empty());
            }
        }
        let refusal = ReasonCode::NotAuthorized.for_suback(version);
        assert_eq!(refusal, ReasonCode::UnspecifiedError);
        let codes = [refusal];
        let mut out = TransmitBuf::new();
        let encoded = Codec::server(version).encode(&Packet::SubAck(SubAck::new(PacketId::MIN, &codes)), &mut out);
        assert_eq!(encoded.is_ok(), version.suback_can_refuse());
    }
}

fn an_absent_reason_is_success() {
    for receiver in [Client, Server] {
        let codec = common::codec(V5, receiver);
        for first in [0x40, 0x50, 0x62, 0x70] {
            let bytes = [first, 2, 0, 10];
            let packet = codec.decode(&mut &bytes[..]).unwrap().unwrap();
            let (Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack)) = packet
            else {
                panic!()
            };
            assert_eq!(ack.reason_code, ReasonCode::Success);
            assert_eq!(checks::encode(common::codec(V5, receiver.peer()), &packet), bytes);
        }
        let packet = codec.decode(&mut &[0xE0, 0][..]).unwrap().unwrap();
        assert_eq!(packet, Packet::Disconnect(Disconnect::new(ReasonCode::NORMAL_DISCONNECTION)));
    }
    assert!(!ReasonCode::NoMatchingSubscribers.is_failure());
}

fn user_properties_stay_as_they_are() {
    let pairs = [("b", "2"), ("a", "1"), ("b", "2"), ("", ""), ("b", "1")];
    let mut properties = PropertiesBuf::new();
    for (name, value) in pairs {
        properties.push(Property::UserProperty((name.try_into().unwrap(), value.try_into().unwrap()))).unwrap();
    }
    let topic = TopicName::new("t").unwrap();
    let publish = Publish { properties: properties.as_properties(), ..Publish::new(topic, b"") };
    let bytes = checks::encode(Codec::client(V5), &Packet::Publish(publish));
    let Some(Packet::Publish(publish)) = Codec::server(V5).decode(&mut &bytes[..]).unwrap() else { panic!() };
    let kept = mqtt_proto::PublishBuf::new(topic, &publish);
    for properties in [publish.properties, kept.properties()] {
        let found: Vec<_> = properties.user_properties().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, pairs);
    }
}
