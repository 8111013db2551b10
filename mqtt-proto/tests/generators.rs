//! What features `proptest` and `arbitrary` make: everything that there is, and nothing else.

use std::collections::{BTreeSet, HashSet};

use ::arbitrary::{Arbitrary, Unstructured};
use mqtt_proto::choices::{Choices, packet_buf};
use mqtt_proto::{
    Codec, PacketBuf, PacketType, Role, Text, TopicFilter, TopicFilterBuf, TopicName, TopicNameBuf, Version,
};
use proptest::prelude::{Strategy, any};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

#[test]
fn proptest_makes_every_packet_from_every_end_in_every_version() {
    let mut runner = TestRunner::deterministic();
    let strategy = any::<PacketBuf>();
    let made = (0..5_000).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    assert_eq!(kinds(made), every_kind());
}

#[test]
fn arbitrary_makes_every_packet_from_every_end_in_every_version() {
    let made = inputs(5_000).map(|bytes| PacketBuf::arbitrary_take_rest(Unstructured::new(&bytes)).unwrap());
    assert_eq!(kinds(made), every_kind());
    let made = inputs(5_000).map(|bytes| Unstructured::new(&bytes).arbitrary::<PacketBuf>().unwrap());
    assert!(kinds(made).is_subset(&every_kind()));
}

#[test]
fn arbitrary_makes_either_end_in_every_version() {
    let made: HashSet<Codec> =
        inputs(100).map(|bytes| Unstructured::new(&bytes).arbitrary::<Codec>().unwrap()).collect();
    let every = Version::ALL.into_iter().flat_map(|version| [Codec::client(version), Codec::server(version)]);
    assert_eq!(made, every.collect());
}

#[test]
fn packets_for_one_receiver_are_for_no_other() {
    let mut runner = TestRunner::deterministic();
    for version in Version::ALL {
        for receiver in [Codec::client(version), Codec::server(version)] {
            let strategy = mqtt_proto::proptest::packet_buf(receiver);
            for _ in 0..500 {
                let packet = strategy.new_tree(&mut runner).unwrap().current();
                assert_eq!(packet.codec(), receiver);
                let packet_type = packet.packet().packet_type();
                assert!(packet_type.is_sent_by(receiver.role.peer(), version), "{packet:?}");
            }
        }
    }
}

/// The smallest there is fits exactly; one byte less is not to be had.
#[test]
fn a_packet_is_no_larger_than_its_receiver_takes() {
    let mut receiver = Codec::server(Version::V3_1_1);
    let whole = packet_buf(&mut Choices::new(&[]), receiver).unwrap();
    let length = u32::try_from(whole.as_bytes().len()).unwrap();
    receiver.packet_bytes_max = length;
    assert_eq!(packet_buf(&mut Choices::new(&[]), receiver).unwrap().as_bytes(), whole.as_bytes());
    receiver.packet_bytes_max = length - 1;
    assert_eq!(packet_buf(&mut Choices::new(&[]), receiver), None);
    for bytes in inputs(2_000) {
        let made = packet_buf(&mut Choices::new(&bytes), receiver);
        assert!(made.is_none_or(|packet| packet.as_bytes().len() < length as usize));
    }
}

/// A failing test ends with something that can be read, here with the shortest CONNECT.
#[test]
fn a_packet_shrinks_to_a_small_one() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..100 {
        let mut tree = any::<PacketBuf>().new_tree(&mut runner).unwrap();
        while tree.simplify() {}
        assert!(tree.current().as_bytes().len() <= 16, "{:?}", tree.current());
    }
}

#[test]
fn texts_names_and_filters_are_what_they_should_be_and_differ() {
    let mut runner = TestRunner::deterministic();
    let mut seen = [const { BTreeSet::new() }; 3];
    for bytes in inputs(1_000) {
        let mut u = Unstructured::new(&bytes);
        seen[0].insert(u.arbitrary::<Text<'_>>().unwrap().as_str().to_owned());
        seen[1].insert(Unstructured::new(&bytes).arbitrary::<TopicNameBuf>().unwrap().as_name().as_str().to_owned());
        seen[2]
            .insert(Unstructured::new(&bytes).arbitrary::<TopicFilterBuf>().unwrap().as_filter().as_str().to_owned());
        seen[0].insert(mqtt_proto::proptest::text().new_tree(&mut runner).unwrap().current());
        seen[1].insert(any::<TopicNameBuf>().new_tree(&mut runner).unwrap().current().as_name().as_str().to_owned());
        seen[2]
            .insert(any::<TopicFilterBuf>().new_tree(&mut runner).unwrap().current().as_filter().as_str().to_owned());
    }
    let [texts, names, filters] = &seen;
    assert!(texts.iter().all(|text| Text::new(text).is_ok()));
    assert!(names.iter().all(|name| TopicName::new(name).is_ok()));
    assert!(filters.iter().all(|filter| TopicFilter::new(filter).is_ok()));
    assert!(filters.iter().any(|filter| TopicFilter::new(filter).unwrap().shared().is_some()));
    assert!(seen.iter().all(|seen| seen.len() > 100), "{:?}", seen.map(|seen| seen.len()));
}

type Kind = (Version, Role, PacketType);

fn kinds(packets: impl Iterator<Item = PacketBuf>) -> BTreeSet<String> {
    packets.map(|packet| kind((packet.codec().version, packet.codec().role, packet.packet().packet_type()))).collect()
}

fn every_kind() -> BTreeSet<String> {
    let receivers = Version::ALL.into_iter().flat_map(|version| [(version, Role::Client), (version, Role::Server)]);
    receivers
        .flat_map(|(version, role)| PacketType::ALL.map(|packet_type| (version, role, packet_type)))
        .filter(|(version, role, packet_type)| packet_type.is_sent_by(role.peer(), *version))
        .map(kind)
        .collect()
}

fn kind(kind: Kind) -> String {
    format!("{kind:?}")
}

/// The same bytes every time.
fn inputs(count: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 1_u64;
    let mut byte = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(move |_| (0..byte()).map(|_| byte()).collect())
}
