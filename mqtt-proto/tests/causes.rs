//! Everything that can be wrong with bytes: at least one vector per cause, with the offset and the reason code that belong to it.

mod common;

use std::collections::BTreeSet;

use common::golden;
use mqtt_proto::Role::{Client, Server};
use mqtt_proto::Version::{V3_1, V3_1_1, V5};
use mqtt_proto::{
    Cause, Codec, Dialect, Frame, PacketType, PropertiesBuf, Property, Role, Text, TopicFilter, TopicName, Version,
    choices,
};

/// Cause, reason code, version, who receives it, offset, bytes.
type Vector = (Cause, u8, Version, Role, u32, &'static str);

#[rustfmt::skip]
const VECTORS: &[Vector] = &[
    // The fixed header.
    (Cause::VarintTooLong, 0x81, V3_1_1, Server, 1, "30 FF FF FF FF 01"),
    (Cause::VarintTooLong, 0x81, V5, Server, 1, "C0 80 80 80 80"),
    (Cause::VarintTooLong, 0x81, V5, Client, 4, "20 06 00 00 80 80 80 80"),
    (Cause::VarintTooLong, 0x81, V5, Server, 6, "30 08 00 01 'a' 04 80 80 80 80"),
    (Cause::VarintNotShortest, 0x81, V5, Server, 1, "C0 80 00"),
    (Cause::VarintNotShortest, 0x81, V3_1_1, Server, 1, "40 82 80 00 00 0A"),
    (Cause::VarintNotShortest, 0x81, V5, Client, 4, "20 04 00 00 80 00"),
    (Cause::VarintNotShortest, 0x81, V5, Server, 6, "30 0A 00 01 'a' 06 A6 00 00 00 00 00"),
    (Cause::VarintNotShortest, 0x81, V5, Server, 6, "82 0A 00 0A 03 0B 81 00 00 01 'a' 00"),
    (Cause::PacketTooLarge, 0x95, V5, Server, 1, "30 FF FF FF 7F"),
    (Cause::PacketTooLarge, 0x95, V3_1_1, Client, 1, "30 FD FF 3F"),
    (Cause::ReservedPacketType, 0x81, V5, Server, 0, "00"),
    (Cause::ReservedPacketType, 0x81, V3_1_1, Server, 0, "F0 00"),
    (Cause::ReservedPacketType, 0x81, V3_1, Client, 0, "F0 06 18 04 15 00 01 'm'"),
    (Cause::ReservedFlags, 0x81, V5, Server, 0, "C1 00"),
    (Cause::ReservedFlags, 0x81, V5, Client, 0, "F1 06 18 04 15 00 01 'm'"),
    (Cause::ReservedFlags, 0x81, V3_1_1, Server, 0, "6A 02 00 0A"),
    (Cause::ReservedFlags, 0x81, V3_1, Server, 0, "60 02 00 0A"),
    (Cause::WrongDirection, 0x82, V5, Server, 0, "90 04 00 0A 00 00"),
    (Cause::WrongDirection, 0x82, V3_1_1, Client, 0, "C0 00"),
    (Cause::WrongDirection, 0x82, V3_1_1, Client, 0, "E0 00"),
    // Lengths that disagree.
    (Cause::UnexpectedEnd, 0x81, V3_1_1, Server, 2, "30 03 00 02 'a'"),
    (Cause::UnexpectedEnd, 0x81, V3_1_1, Server, 2, "40 01 00"),
    (Cause::UnexpectedEnd, 0x81, V3_1_1, Server, 7, "82 05 00 0A 00 01 '#'"),
    (Cause::UnexpectedEnd, 0x81, V5, Client, 4, "20 02 00 00"),
    (Cause::UnexpectedEnd, 0x81, V5, Server, 5, "30 03 00 01 'a'"),
    (Cause::UnexpectedEnd, 0x81, V5, Server, 5, "30 04 00 01 'a' 01"),
    (Cause::UnexpectedEnd, 0x81, V5, Server, 5, "30 04 00 01 'a' 80"),
    (Cause::UnexpectedEnd, 0x81, V5, Server, 7, "30 06 00 01 'a' 02 03 00"),
    (Cause::UnexpectedEnd, 0x81, V5, Server, 7, "30 06 00 01 'a' 02 23 00"),
    (Cause::UnexpectedEnd, 0x81, V5, Server, 7, "30 09 00 01 'a' 02 02 00 00 00 00"),
    (Cause::UnexpectedEnd, 0x81, V5, Client, 3, "F0 01 18"),
    (Cause::UnexpectedEnd, 0x81, V5, Server, 2, "10 00"),
    (Cause::UnexpectedEnd, 0x81, V3_1_1, Server, 12, "10 0A 00 04 'MQTT' 04 02 00 3C"),
    (Cause::UnexpectedEnd, 0x81, V3_1_1, Server, 14, "10 0C 00 04 'MQTT' 04 06 00 3C 00 00"),
    (Cause::UnexpectedEnd, 0x81, V3_1_1, Server, 14, "10 0C 00 04 'MQTT' 04 82 00 3C 00 00"),
    (Cause::UnexpectedEnd, 0x81, V3_1_1, Server, 16, "10 0E 00 04 'MQTT' 04 C2 00 3C 00 00 00 00"),
    (Cause::UnexpectedEnd, 0x81, V5, Server, 15, "10 0D 00 04 'MQTT' 05 06 00 3C 00 00 00"),
    (Cause::UnexpectedEnd, 0x81, V5, Server, 15, "10 0D 00 04 'MQTT' 05 82 00 3C 00 00 00"),
    (Cause::UnexpectedEnd, 0x81, V5, Server, 15, "10 0D 00 04 'MQTT' 05 42 00 3C 00 00 00"),
    (Cause::TrailingBytes, 0x81, V5, Server, 2, "C0 01 00"),
    (Cause::TrailingBytes, 0x81, V5, Client, 2, "D0 01 00"),
    (Cause::TrailingBytes, 0x81, V3_1_1, Server, 4, "40 03 00 0A 00"),
    (Cause::TrailingBytes, 0x81, V5, Server, 6, "40 05 00 0A 00 00 00"),
    (Cause::TrailingBytes, 0x81, V3_1_1, Client, 4, "20 03 00 00 00"),
    (Cause::TrailingBytes, 0x81, V3_1_1, Client, 4, "B0 03 00 0A 00"),
    (Cause::TrailingBytes, 0x81, V3_1_1, Server, 2, "E0 01 00"),
    (Cause::TrailingBytes, 0x81, V5, Server, 4, "E0 03 00 00 00"),
    (Cause::TrailingBytes, 0x81, V3_1_1, Server, 14, "10 0F 00 04 'MQTT' 04 02 00 3C 00 00 00 01 'u'"),
    (Cause::TrailingBytes, 0x81, V3_1, Server, 17, "10 12 00 06 'MQIsdp' 03 02 00 3C 00 01 'a' 00 01 'u'"),
    (Cause::TrailingBytes, 0x81, V5, Server, 15, "10 10 00 04 'MQTT' 05 02 00 3C 00 00 00 00 01 'p'"),
    // Texts.
    (Cause::InvalidUtf8, 0x81, V3_1_1, Server, 2, "30 03 00 01 FF"),
    (Cause::InvalidUtf8, 0x81, V3_1, Server, 2, "30 04 00 02 C0 80"),
    (Cause::InvalidUtf8, 0x81, V3_1_1, Server, 12, "10 0F 00 04 'MQTT' 04 02 00 3C 00 03 ED A0 80"),
    (Cause::InvalidUtf8, 0x81, V3_1_1, Server, 14, "10 11 00 04 'MQTT' 04 06 00 3C 00 00 00 01 80 00 00"),
    (Cause::InvalidUtf8, 0x81, V5, Server, 15, "10 10 00 04 'MQTT' 05 82 00 3C 00 00 00 00 01 80"),
    (Cause::InvalidUtf8, 0x81, V3_1_1, Server, 4, "82 06 00 0A 00 01 80 00"),
    (Cause::InvalidUtf8, 0x81, V3_1_1, Server, 4, "A2 05 00 0A 00 01 80"),
    (Cause::InvalidUtf8, 0x81, V5, Server, 7, "30 08 00 01 'a' 04 03 00 01 80"),
    (Cause::InvalidUtf8, 0x81, V5, Server, 7, "30 08 00 01 'a' 04 08 00 01 80"),
    (Cause::InvalidUtf8, 0x81, V5, Server, 7, "30 0A 00 01 'a' 06 26 00 01 80 00 00"),
    (Cause::InvalidUtf8, 0x81, V5, Server, 9, "30 0A 00 01 'a' 06 26 00 00 00 01 80"),
    (Cause::NulInText, 0x81, V3_1_1, Server, 2, "30 03 00 01 00"),
    (Cause::NulInText, 0x81, V3_1_1, Server, 12, "10 0E 00 04 'MQTT' 04 02 00 3C 00 02 'a' 00"),
    (Cause::NulInText, 0x81, V3_1_1, Server, 4, "82 06 00 0A 00 01 00 00"),
    (Cause::NulInText, 0x81, V5, Client, 7, "40 08 00 0A 00 04 1F 00 01 00"),
    // Packet identifiers.
    (Cause::PacketIdZero, 0x82, V3_1_1, Server, 2, "40 02 00 00"),
    (Cause::PacketIdZero, 0x82, V5, Client, 2, "62 02 00 00"),
    (Cause::PacketIdZero, 0x82, V3_1_1, Server, 5, "32 05 00 01 'a' 00 00"),
    (Cause::PacketIdZero, 0x82, V5, Client, 5, "34 06 00 01 'a' 00 00 00"),
    (Cause::PacketIdZero, 0x82, V3_1_1, Server, 2, "82 06 00 00 00 01 'a' 00"),
    (Cause::PacketIdZero, 0x82, V3_1_1, Server, 2, "A2 05 00 00 00 01 'a'"),
    (Cause::PacketIdZero, 0x82, V3_1_1, Client, 2, "90 03 00 00 00"),
    (Cause::PacketIdZero, 0x82, V3_1_1, Client, 2, "B0 02 00 00"),
    // CONNECT and CONNACK.
    (Cause::ProtocolName, 0x84, V3_1_1, Server, 2, "10 0C 00 04 'MQTX' 04 02 00 3C 00 00"),
    (Cause::ProtocolName, 0x84, V5, Server, 2, "10 0D 00 04 'mqtt' 05 02 00 3C 00 00 00"),
    (Cause::ProtocolLevel, 0x84, V3_1_1, Server, 8, "10 0C 00 04 'MQTT' 06 02 00 3C 00 00"),
    (Cause::ProtocolLevel, 0x84, V3_1_1, Server, 8, "10 0C 00 04 'MQTT' 84 02 00 3C 00 00"),
    (Cause::ProtocolLevel, 0x84, V3_1_1, Server, 8, "10 0C 00 04 'MQTT' 03 02 00 3C 00 00"),
    (Cause::ProtocolLevel, 0x84, V3_1_1, Server, 8, "10 0D 00 04 'MQTT' 05 02 00 3C 00 00 00"),
    (Cause::ProtocolLevel, 0x84, V5, Server, 10, "10 0F 00 06 'MQIsdp' 03 02 00 3C 00 01 'a'"),
    (Cause::ConnectReservedFlag, 0x81, V3_1_1, Server, 9, "10 0C 00 04 'MQTT' 04 03 00 3C 00 00"),
    (Cause::ConnectReservedFlag, 0x81, V5, Server, 9, "10 0D 00 04 'MQTT' 05 03 00 3C 00 00 00"),
    (Cause::WillBitsWithoutWill, 0x81, V3_1_1, Server, 9, "10 0C 00 04 'MQTT' 04 0A 00 3C 00 00"),
    (Cause::WillBitsWithoutWill, 0x81, V3_1_1, Server, 9, "10 0C 00 04 'MQTT' 04 22 00 3C 00 00"),
    (Cause::WillBitsWithoutWill, 0x81, V5, Server, 9, "10 0D 00 04 'MQTT' 05 12 00 3C 00 00 00"),
    (Cause::WillBitsWithoutWill, 0x81, V5, Server, 9, "10 0D 00 04 'MQTT' 05 22 00 3C 00 00 00"),
    (Cause::WillQos, 0x81, V3_1_1, Server, 9, "10 11 00 04 'MQTT' 04 1E 00 3C 00 00 00 01 'w' 00 00"),
    (Cause::WillQos, 0x81, V5, Server, 9, "10 13 00 04 'MQTT' 05 1E 00 3C 00 00 00 00 00 01 'w' 00 00"),
    (Cause::WillQos, 0x81, V3_1, Server, 11, "10 13 00 06 'MQIsdp' 03 1E 00 3C 00 00 00 01 'w' 00 00"),
    (Cause::PasswordWithoutUserName, 0x81, V3_1_1, Server, 9, "10 0F 00 04 'MQTT' 04 42 00 3C 00 00 00 01 'p'"),
    (Cause::PasswordWithoutUserName, 0x81, V3_1, Server, 11, "10 12 00 06 'MQIsdp' 03 42 00 3C 00 01 'a' 00 01 'p'"),
    (Cause::ConnAckFlags, 0x81, V3_1_1, Client, 2, "20 02 02 00"),
    (Cause::ConnAckFlags, 0x81, V5, Client, 2, "20 03 81 00 00"),
    (Cause::SessionPresentOnRefusal, 0x82, V3_1_1, Client, 2, "20 02 01 05"),
    (Cause::SessionPresentOnRefusal, 0x82, V5, Client, 2, "20 03 01 87 00"),
    // PUBLISH.
    (Cause::PublishQos, 0x81, V5, Server, 0, "36 06 00 01 'a' 00 0A 00"),
    (Cause::PublishQos, 0x81, V3_1_1, Client, 0, "3F 05 00 01 'a' 00 0A"),
    (Cause::PublishQos, 0x81, V3_1, Server, 0, "36 05 00 01 'a' 00 0A"),
    (Cause::DupAtQos0, 0x81, V5, Server, 0, "38 04 00 01 'a' 00"),
    (Cause::DupAtQos0, 0x81, V3_1_1, Client, 0, "39 03 00 01 'a'"),
    (Cause::DupAtQos0, 0x81, V3_1, Server, 0, "38 03 00 01 'a'"),
    (Cause::NoTopic, 0x82, V5, Server, 2, "30 03 00 00 00"),
    (Cause::TopicAliasZero, 0x94, V5, Server, 7, "30 07 00 01 'a' 03 23 00 00"),
    // Topic names and filters.
    (Cause::WildcardInTopicName, 0x81, V3_1_1, Server, 2, "30 05 00 03 'a/+'"),
    (Cause::WildcardInTopicName, 0x81, V5, Client, 2, "30 05 00 02 'a#' 00"),
    (Cause::WildcardInTopicName, 0x81, V3_1_1, Server, 14, "10 11 00 04 'MQTT' 04 06 00 3C 00 00 00 01 '#' 00 00"),
    (Cause::WildcardInTopicName, 0x81, V5, Server, 7, "30 08 00 01 'a' 04 08 00 01 '+'"),
    (Cause::EmptyTopic, 0x82, V3_1_1, Server, 2, "30 02 00 00"),
    (Cause::EmptyTopic, 0x82, V3_1_1, Server, 14, "10 10 00 04 'MQTT' 04 06 00 3C 00 00 00 00 00 00"),
    (Cause::EmptyTopic, 0x82, V5, Server, 7, "30 07 00 01 'a' 03 08 00 00"),
    (Cause::EmptyTopic, 0x82, V3_1_1, Server, 4, "82 05 00 0A 00 00 00"),
    (Cause::EmptyTopic, 0x82, V5, Server, 5, "A2 05 00 0A 00 00 00"),
    (Cause::MisplacedWildcard, 0x81, V3_1_1, Server, 4, "82 07 00 0A 00 02 'a#' 00"),
    (Cause::MisplacedWildcard, 0x81, V3_1_1, Server, 4, "82 0A 00 0A 00 05 'a/#/b' 00"),
    (Cause::MisplacedWildcard, 0x81, V3_1_1, Server, 4, "A2 06 00 0A 00 02 'a+'"),
    (Cause::MisplacedWildcard, 0x81, V5, Server, 9, "82 0C 00 0A 00 00 01 'a' 00 00 02 '++' 00"),
    (Cause::MisplacedWildcard, 0x81, V5, Server, 5, "82 11 00 0A 00 00 0B '$share/g/a#' 00"),
    (Cause::SharedFilter, 0x81, V5, Server, 5, "82 0F 00 0A 00 00 09 '$share//a' 00"),
    (Cause::SharedFilter, 0x81, V5, Server, 5, "82 0F 00 0A 00 00 09 '$share/g/' 00"),
    (Cause::SharedFilter, 0x81, V5, Server, 5, "82 10 00 0A 00 00 0A '$share/+/a' 00"),
    (Cause::SharedFilter, 0x81, V5, Server, 5, "A2 0D 00 0A 00 00 08 '$share/g'"),
    // SUBSCRIBE and UNSUBSCRIBE, and their answers.
    (Cause::NoLocalOnShared, 0x82, V5, Server, 5, "82 10 00 0A 00 00 0A '$share/g/a' 04"),
    (Cause::NoFilters, 0x82, V3_1_1, Server, 4, "82 02 00 0A"),
    (Cause::NoFilters, 0x82, V5, Server, 5, "82 03 00 0A 00"),
    (Cause::NoFilters, 0x82, V3_1_1, Server, 4, "A2 02 00 0A"),
    (Cause::NoFilters, 0x82, V5, Server, 5, "A2 03 00 0A 00"),
    (Cause::SubscriptionOptions, 0x81, V3_1_1, Server, 7, "82 06 00 0A 00 01 'a' 04"),
    (Cause::SubscriptionOptions, 0x81, V3_1_1, Server, 7, "82 06 00 0A 00 01 'a' 80"),
    (Cause::SubscriptionOptions, 0x81, V5, Server, 8, "82 07 00 0A 00 00 01 'a' 40"),
    (Cause::SubscriptionOptions, 0x81, V5, Server, 8, "82 07 00 0A 00 00 01 'a' 80"),
    (Cause::SubscriptionQos, 0x82, V3_1, Server, 7, "82 06 00 0A 00 01 'a' 03"),
    (Cause::SubscriptionQos, 0x82, V3_1_1, Server, 7, "82 06 00 0A 00 01 'a' 03"),
    (Cause::SubscriptionQos, 0x82, V5, Server, 8, "82 07 00 0A 00 00 01 'a' 03"),
    (Cause::RetainHandling, 0x82, V5, Server, 8, "82 07 00 0A 00 00 01 'a' 30"),
    (Cause::NoReasonCodes, 0x82, V3_1_1, Client, 4, "90 02 00 0A"),
    (Cause::NoReasonCodes, 0x82, V5, Client, 5, "90 03 00 0A 00"),
    (Cause::NoReasonCodes, 0x82, V5, Client, 5, "B0 03 00 0A 00"),
    // Reason codes; all of them are tried below.
    (Cause::ReasonCode, 0x82, V3_1_1, Client, 3, "20 02 00 06"),
    (Cause::ReasonCode, 0x82, V3_1, Client, 4, "90 03 00 0A 80"),
    (Cause::ReasonCode, 0x82, V5, Server, 4, "40 03 00 0A 10"),
    (Cause::ReasonCode, 0x82, V5, Client, 2, "E0 01 04"),
    (Cause::ReasonCode, 0x82, V5, Client, 2, "F0 06 19 04 15 00 01 'm'"),
    // Properties; all places are tried below.
    (Cause::UnknownProperty, 0x81, V5, Server, 6, "30 06 00 01 'a' 02 04 00"),
    (Cause::UnknownProperty, 0x81, V5, Server, 6, "30 06 00 01 'a' 02 80 01"),
    (Cause::UnknownProperty, 0x81, V5, Server, 6, "30 06 00 01 'a' 02 A6 02"),
    (Cause::MisplacedProperty, 0x81, V5, Server, 6, "30 07 00 01 'a' 03 13 00 01"),
    (Cause::MisplacedProperty, 0x81, V5, Server, 4, "E0 06 00 04 1C 00 01 's'"),
    (Cause::SubscriptionIdFromClient, 0x82, V5, Server, 6, "30 06 00 01 'a' 02 0B 01"),
    (Cause::SessionExpiryFromServer, 0x82, V5, Client, 4, "E0 07 00 05 11 00 00 00 0A"),
    (Cause::RepeatedProperty, 0x82, V5, Client, 8, "20 09 00 00 06 13 00 01 13 00 01"),
    (Cause::RepeatedProperty, 0x82, V5, Server, 8, "30 08 00 01 'a' 04 01 01 01 01"),
    (Cause::RepeatedProperty, 0x82, V5, Server, 7, "82 0B 00 0A 04 0B 01 0B 01 00 01 'a' 00"),
    (Cause::RepeatedProperty, 0x82, V5, Client, 11, "30 0C 00 01 'a' 08 0B 01 23 00 01 23 00 02"),
    (Cause::PropertyValue, 0x82, V5, Server, 7, "30 06 00 01 'a' 02 01 02"),
    (Cause::PropertyValue, 0x82, V5, Server, 14, "10 0F 00 04 'MQTT' 05 02 00 3C 02 17 02 00 00"),
    (Cause::PropertyValue, 0x82, V5, Server, 14, "10 0F 00 04 'MQTT' 05 02 00 3C 02 19 FF 00 00"),
    (Cause::PropertyValue, 0x82, V5, Client, 6, "20 06 00 00 03 21 00 00"),
    (Cause::PropertyValue, 0x82, V5, Client, 6, "20 08 00 00 05 27 00 00 00 00"),
    (Cause::PropertyValue, 0x82, V5, Client, 6, "20 05 00 00 02 24 02"),
    (Cause::PropertyValue, 0x82, V5, Client, 6, "20 05 00 00 02 25 02"),
    (Cause::PropertyValue, 0x82, V5, Client, 6, "20 05 00 00 02 28 02"),
    (Cause::PropertyValue, 0x82, V5, Client, 6, "20 05 00 00 02 29 02"),
    (Cause::PropertyValue, 0x82, V5, Client, 6, "20 05 00 00 02 2A 02"),
    (Cause::PropertyValue, 0x82, V5, Server, 6, "82 09 00 0A 02 0B 00 00 01 'a' 00"),
    (Cause::NoAuthenticationMethod, 0x82, V5, Server, 2, "F0 00"),
    (Cause::NoAuthenticationMethod, 0x82, V5, Client, 3, "F0 02 18 00"),
    (Cause::NoAuthenticationMethod, 0x82, V5, Server, 12, "10 11 00 04 'MQTT' 05 02 00 3C 04 16 00 01 'd' 00 00"),
];

/// v3\[MQTT-3.1.4-1\] v5\[MQTT-3.1.4-1\]
#[test]
fn each_fault_has_its_cause_its_offset_and_its_reason_code() {
    for &(cause, reason_code, version, receiver, offset, written) in VECTORS {
        let bytes = common::bytes(written);
        let mut input = &bytes[..];
        let error = common::codec(version, receiver).decode(&mut input).expect_err(written);
        assert_eq!((error.cause(), error.offset()), (cause, offset), "{written} at a {receiver:?} in {version}");
        assert_eq!(error.reason_code().as_u8(), reason_code, "{written}");
        assert_eq!(input, bytes, "a refused packet was taken");
    }
}

#[test]
fn no_cause_is_without_a_vector() {
    let mut tried: BTreeSet<String> = VECTORS.iter().map(|(cause, ..)| format!("{cause:?}")).collect();
    // The one fault that bytes can't have: see the next test.
    tried.insert("FieldTooLong".into());
    let all: BTreeSet<String> = Cause::ALL.iter().map(|cause| format!("{cause:?}")).collect();
    assert_eq!(all.difference(&tried).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(all.len(), Cause::ALL.len());
}

/// v3\[MQTT-4.7.3-3\] v5\[MQTT-4.7.3-3\]
#[test]
fn what_does_not_fit_into_two_bytes_of_length_is_refused_when_it_is_made() {
    let long = "x".repeat(65_536);
    assert!(Text::new(&long[1..]).is_ok());
    assert_eq!(Text::new(&long), Err(Cause::FieldTooLong));
    assert_eq!(TopicName::new(&long), Err(Cause::FieldTooLong));
    assert_eq!(TopicFilter::new(&long), Err(Cause::FieldTooLong));
    let mut properties = PropertiesBuf::new();
    assert_eq!(properties.push(Property::CorrelationData(long.as_bytes())), Err(Cause::FieldTooLong));
    assert_eq!(properties.push(Property::CorrelationData(&long.as_bytes()[1..])), Ok(()));
}

/// v3\[MQTT-2.2.2-2\] v5\[MQTT-2.1.3-1\] v3\[MQTT-3.6.1-1\] v5\[MQTT-3.6.1-1\] v3\[MQTT-3.8.1-1\] v5\[MQTT-3.8.1-1\] v3\[MQTT-3.10.1-1\]
/// v5\[MQTT-3.10.1-1\] v3\[MQTT-3.14.1-1\] v5\[MQTT-3.14.1-1\] v5\[MQTT-3.15.1-1\]
#[test]
fn no_other_flags_than_those_of_the_packet_type_are_taken() {
    for mut golden in golden::set() {
        if golden.packet.packet_type() == PacketType::Publish || golden.version == V3_1 {
            continue;
        }
        let receiver = common::codec(golden.version, golden.sender.peer());
        let right = golden.bytes[0] & 0x0F;
        for flags in (0..16).filter(|&flags| flags != right) {
            golden.bytes[0] = (golden.bytes[0] & 0xF0) | flags;
            let error = receiver.decode(&mut &golden.bytes[..]).unwrap_err();
            assert_eq!((error.cause(), error.offset()), (Cause::ReservedFlags, 0), "{:x?}", golden.bytes);
        }
    }
}

/// v5\[MQTT-3.2.2-8\] v5\[MQTT-3.4.2-1\] v5\[MQTT-3.5.2-1\] v5\[MQTT-3.6.2-1\] v5\[MQTT-3.7.2-1\] v3\[MQTT-3.9.3-2\] v5\[MQTT-3.9.3-2\]
/// v5\[MQTT-3.11.3-2\] v5\[MQTT-3.14.2-1\] v5\[MQTT-3.15.2-1\]
#[test]
fn of_all_256_reason_codes_only_those_of_the_tables_are_taken() {
    for codec in common::codecs() {
        let sender = codec.role.peer();
        for packet_type in
            PacketType::ALL.into_iter().filter(|packet_type| packet_type.is_sent_by(sender, codec.version))
        {
            for code in 0..=0xFF {
                let v5 = codec.version.has_properties();
                let bytes = match packet_type {
                    PacketType::ConnAck if v5 => vec![0x20, 3, 0, code, 0],
                    PacketType::ConnAck => vec![0x20, 2, 0, code],
                    PacketType::PubAck | PacketType::PubRec | PacketType::PubComp if v5 => {
                        vec![(packet_type as u8) << 4, 3, 0, 10, code]
                    }
                    PacketType::PubRel if v5 => vec![0x62, 3, 0, 10, code],
                    PacketType::SubAck if v5 => vec![0x90, 4, 0, 10, 0, code],
                    PacketType::SubAck => vec![0x90, 3, 0, 10, code],
                    PacketType::UnsubAck if v5 => vec![0xB0, 4, 0, 10, 0, code],
                    PacketType::Disconnect if v5 => vec![0xE0, 1, code],
                    PacketType::Auth => vec![0xF0, 6, code, 4, 0x15, 0, 1, b'm'],
                    _ => break,
                };
                let right = match packet_type {
                    PacketType::ConnAck if !v5 => code <= 5,
                    _ => choices::reason_codes(packet_type, sender, codec.version).contains(&code),
                };
                match codec.decode(&mut &bytes[..]) {
                    Ok(packet) => {
                        assert!(right && packet.is_some(), "{packet_type:?} with {code:#x} in {}", codec.version)
                    }
                    Err(error) => {
                        assert_eq!((error.cause(), right), (Cause::ReasonCode, false), "{packet_type:?} with {code:#x}")
                    }
                }
            }
        }
    }
}

/// v5\[MQTT-3.3.4-6\] v5\[MQTT-3.14.2-2\] and section 2.2.2.2.
#[test]
fn of_all_property_identifiers_only_those_of_the_tables_are_taken() {
    let known: BTreeSet<u8> = [0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x18]
        .into_iter()
        .chain(0x11..=0x13)
        .chain(0x15..=0x17)
        .chain([0x19, 0x1A, 0x1C, 0x1F])
        .chain(0x21..=0x2A)
        .collect();
    assert_eq!(known.len(), 27);
    for (name, sender, before, after, ids) in places() {
        for id in 0..=0x7F {
            let value: &[u8] = match id {
                0x13 | 0x21 | 0x22 | 0x23 => &[0, 1],
                0x02 | 0x11 | 0x18 | 0x27 => &[0, 0, 0, 1],
                0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => &[0, 1, b'x'],
                0x26 => &[0, 0, 0, 0],
                _ => &[1],
            };
            let mut body = common::bytes(before);
            let first = body.remove(0);
            body.push(u8::try_from(1 + value.len()).unwrap());
            body.push(id);
            body.extend(value);
            body.extend(common::bytes(after));
            let bytes = [&[first, u8::try_from(body.len()).unwrap()], &body[..]].concat();
            let found = match common::codec(V5, sender.peer()).decode(&mut &bytes[..]) {
                // Authentication Data alone is another matter.
                Ok(Some(_)) => true,
                Err(error) if error.cause() == Cause::NoAuthenticationMethod => true,
                Err(error) => {
                    let cause = match (known.contains(&id), name, id) {
                        (false, ..) => Cause::UnknownProperty,
                        (true, "PUBLISH", 0x0B) => Cause::SubscriptionIdFromClient,
                        (true, "DISCONNECT", 0x11) => Cause::SessionExpiryFromServer,
                        _ => Cause::MisplacedProperty,
                    };
                    assert_eq!(error.cause(), cause, "{id:#x} in {name} from a {sender:?}");
                    false
                }
                Ok(None) => panic!("{bytes:x?} is not complete"),
            };
            assert_eq!(found, ids.contains(&id), "{id:#x} in {name} from a {sender:?}");
        }
    }
}

/// Where properties may stand: name, sender, the first byte and what follows the Remaining Length, what follows the properties, and which
/// are allowed.
fn places() -> Vec<(&'static str, Role, &'static str, &'static str, &'static [u8])> {
    let mut places = vec![("will", Client, "10 00 04 'MQTT' 05 06 00 00 00 00 00", "00 01 'w' 00 00", choices::WILL)];
    let mut add = |name, senders: &[Role], packet_type, before, after| {
        for &sender in senders {
            places.push((name, sender, before, after, choices::property_ids(packet_type, sender)));
        }
    };
    add("CONNECT", &[Client], PacketType::Connect, "10 00 04 'MQTT' 05 02 00 00", "00 00");
    add("CONNACK", &[Server], PacketType::ConnAck, "20 00 00", "");
    add("PUBLISH", &[Client, Server], PacketType::Publish, "30 00 01 'a'", "");
    add("PUBACK", &[Client, Server], PacketType::PubAck, "40 00 0A 00", "");
    add("PUBREC", &[Client, Server], PacketType::PubRec, "50 00 0A 00", "");
    add("PUBREL", &[Client, Server], PacketType::PubRel, "62 00 0A 00", "");
    add("PUBCOMP", &[Client, Server], PacketType::PubComp, "70 00 0A 00", "");
    add("SUBSCRIBE", &[Client], PacketType::Subscribe, "82 00 0A", "00 01 'a' 00");
    add("SUBACK", &[Server], PacketType::SubAck, "90 00 0A", "00");
    add("UNSUBSCRIBE", &[Client], PacketType::Unsubscribe, "A2 00 0A", "00 01 'a'");
    add("UNSUBACK", &[Server], PacketType::UnsubAck, "B0 00 0A", "00");
    add("DISCONNECT", &[Client, Server], PacketType::Disconnect, "E0 00", "");
    add("AUTH", &[Client, Server], PacketType::Auth, "F0 18", "");
    places
}

/// v3\[MQTT-3.1.2-2\] v5\[MQTT-3.1.2-2\]: a server looks at the version before it chooses how to read the rest.
#[test]
fn the_version_of_a_connect_is_known_before_the_rest_is_read() {
    let version = |written| {
        let bytes = common::bytes(written);
        let frame = Frame::split(&mut &bytes[..], 100).unwrap().unwrap();
        frame.connect_version(&Dialect::STANDARD).map_err(|error| (error.cause(), error.offset()))
    };
    assert_eq!(version("10 09 00 06 'MQIsdp' 03"), Ok(V3_1));
    assert_eq!(version("10 07 00 04 'MQTT' 04"), Ok(V3_1_1));
    assert_eq!(version("10 07 00 04 'MQTT' 05"), Ok(V5));
    assert_eq!(version("10 07 00 04 'MQTT' 06"), Err((Cause::ProtocolLevel, 8)));
    assert_eq!(version("10 09 00 06 'MQIsdp' 04"), Err((Cause::ProtocolLevel, 10)));
    assert_eq!(version("10 07 00 04 'MQTP' 05"), Err((Cause::ProtocolName, 2)));
    assert_eq!(version("10 06 00 04 'MQTT'"), Err((Cause::UnexpectedEnd, 8)));
    assert_eq!(version("C0 00"), Err((Cause::WrongDirection, 0)));
}

/// v3\[MQTT-4.7.3-1\]: before 5.0 no alias stands for a topic, and `$share` is a level like any other.
#[test]
fn what_is_new_in_5_is_no_fault_and_no_excuse_before() {
    let bytes = common::bytes("82 0D 00 0A 00 08 '$share/g' 00");
    assert!(Codec::server(V3_1_1).decode(&mut &bytes[..]).unwrap().is_some());
    let bytes = common::bytes("30 05 00 00 23 00 01");
    assert_eq!(Codec::server(V3_1_1).decode(&mut &bytes[..]).unwrap_err().cause(), Cause::EmptyTopic);
}
