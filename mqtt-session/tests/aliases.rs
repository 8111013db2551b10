//! Topic aliases that we give (5.0 section 3.3.2.3.4).

mod support;

use std::sync::Arc;

use mqtt_proto::{Codec, PropertiesBuf, Property, QoS, TopicAlias, Version};
use mqtt_session::{ConnectOptions, DisconnectCause, Event, Outgoing, PublishError, ServerOptions, Violation};
use support::seen::{Seen, publishes};
use support::{LEVELS, Pair, Said, message};

/// Both ends use up to `ours` aliases, and take up to `theirs`.
fn pair(ours: u16, theirs: u16) -> Pair {
    let mut options = ConnectOptions::new("c");
    options.clean_start = false;
    options.session_expiry_interval = 3600;
    options.limits.topic_aliases_max = ours;
    options.topic_alias_maximum = theirs;
    let mut server_options = ServerOptions::default();
    server_options.limits.topic_aliases_max = ours;
    server_options.topic_alias_maximum = theirs;
    let mut pair = Pair::with_server(options, server_options);
    pair.connect();
    pair.forget_what_was_said();
    pair
}

/// What the client sends. It arrives.
fn client_sends(pair: &mut Pair) -> Vec<(Option<String>, Option<u16>)> {
    pair.transmit();
    let seen = topics(publishes(Codec::server(Version::V5), &pair.to_server));
    pair.drive();
    seen
}

fn topics(seen: Vec<Seen>) -> Vec<(Option<String>, Option<u16>)> {
    seen.into_iter().map(|seen| (seen.topic, seen.alias)).collect()
}

fn with(topic: &str, alias: Option<u16>) -> (Option<String>, Option<u16>) {
    (Some(topic.to_owned()), alias)
}

const fn only(alias: u16) -> (Option<String>, Option<u16>) {
    (None, Some(alias))
}

fn received_topics(said: &[Said]) -> Vec<&str> {
    let topics = said.iter().filter_map(|said| match said {
        Said::Received { topic, .. } => Some(topic.as_str()),
        _ => None,
    });
    topics.collect()
}

/// v5\[MQTT-3.1.2-27\] v5\[MQTT-3.2.2-18\]
#[test]
fn there_are_none_unless_they_are_asked_for_and_taken() {
    for (ours, theirs) in [(0, 10), (10, 0)] {
        let mut pair = pair(ours, theirs);
        for _ in 0..2 {
            pair.publish("long/topic", "1", QoS::AtMostOnce);
        }
        assert_eq!(client_sends(&mut pair), [with("long/topic", None), with("long/topic", None)]);
    }
    let mut options = ConnectOptions::new("c");
    options.version = Version::V3_1_1;
    options.limits.topic_aliases_max = 10;
    let mut pair = Pair::new(options);
    pair.connect();
    for _ in 0..2 {
        pair.publish("long/topic", "1", QoS::AtMostOnce);
    }
    pair.drive();
    assert_eq!(received_topics(&pair.server_said), ["long/topic", "long/topic"]);
}

/// v5\[MQTT-3.3.2-7\]
#[test]
fn a_topic_is_sent_once_and_then_its_alias() {
    for qos in LEVELS {
        let mut pair = pair(2, 10);
        for topic in ["first/topic", "second/topic", "first/topic", "abc"] {
            pair.publish(topic, "1", qos);
        }
        assert_eq!(
            client_sends(&mut pair),
            [with("first/topic", Some(1)), with("second/topic", Some(2)), only(1), with("abc", None)]
        );
        assert_eq!(received_topics(&pair.server_said), ["first/topic", "second/topic", "first/topic", "abc"]);
    }
}

#[test]
fn a_server_gives_them_too() {
    let mut pair = pair(2, 10);
    for payload in ["1", "2"] {
        pair.server.publish(pair.now, &message("long/topic", payload, QoS::AtLeastOnce)).unwrap();
    }
    let outgoing = Outgoing::new(pair.now, message("long/topic", "3", QoS::AtMostOnce).to_buf().into());
    pair.server.deliver(pair.now, outgoing).unwrap();
    pair.transmit();
    let seen = topics(publishes(Codec::client(Version::V5), &pair.to_client));
    assert_eq!(seen, [with("long/topic", Some(1)), only(1), only(1)]);
    pair.drive();
    assert_eq!(received_topics(&pair.client_said), ["long/topic"; 3]);
}

/// v5\[MQTT-3.2.2-17\] v5\[MQTT-3.1.2-26\] v5\[MQTT-3.3.2-9\] v5\[MQTT-3.3.2-11\]
#[test]
fn the_peer_says_how_many_there_are_at_most() {
    let mut pair = pair(10, 2);
    for topic in ["topic/1", "topic/2", "topic/3", "topic/2", "topic/1"] {
        pair.publish(topic, "1", QoS::AtMostOnce);
    }
    assert_eq!(
        client_sends(&mut pair),
        [
            with("topic/1", Some(1)),
            with("topic/2", Some(2)),
            with("topic/3", Some(1)),
            only(2),
            with("topic/1", Some(1))
        ]
    );
    assert_eq!(received_topics(&pair.server_said), ["topic/1", "topic/2", "topic/3", "topic/2", "topic/1"]);
}

/// v5\[MQTT-3.3.2-7\]
#[test]
fn none_outlives_its_connection_and_what_is_sent_again_has_its_topic() {
    let mut pair = pair(10, 10);
    for payload in ["1", "2"] {
        pair.publish("long/topic", payload, QoS::AtLeastOnce);
    }
    pair.transmit();
    let seen = topics(publishes(Codec::server(Version::V5), &pair.to_server));
    assert_eq!(seen, [with("long/topic", Some(1)), only(1)]);
    pair.cut();
    pair.publish("long/topic", "3", QoS::AtLeastOnce);
    pair.publish("long/topic", "4", QoS::AtLeastOnce);
    pair.server = mqtt_session::Server::new(pair.now, pair.server_options.clone());
    pair.client.connect(pair.now).unwrap();
    for _ in 0..2 {
        pair.transmit();
        pair.server_reads();
        pair.client_reads();
    }
    assert_eq!(
        client_sends(&mut pair),
        [with("long/topic", None), with("long/topic", None), with("long/topic", Some(1)), only(1)]
    );
    assert_eq!(pair.server_received(), ["1", "2", "3", "4"]);
}

/// v5\[MQTT-3.3.2-7\]
#[test]
fn one_from_the_connection_before_stands_for_nothing() {
    let mut pair = pair(0, 10);
    let named = b"\x30\x08\0\x01a\x03\x23\0\x01x";
    let bare = b"\x30\x07\0\0\x03\x23\0\x01x";
    pair.to_client = [&named[..], bare].concat();
    pair.to_server = pair.to_client.clone();
    pair.drive();
    assert_eq!(received_topics(&pair.client_said), ["a", "a"]);
    assert_eq!(received_topics(&pair.server_said), ["a", "a"]);
    pair.cut();
    pair.connect();
    (pair.to_client, pair.to_server) = (bare.into(), bare.into());
    pair.forget_what_was_said();
    pair.drive();
    let end = Said::Disconnected(DisconnectCause::Violation(Violation::TopicAliasUnknown));
    assert_eq!((pair.client_said, pair.server_said), (vec![end.clone()], vec![end]));
}

/// v5\[MQTT-3.2.2-15\]: what has not been written has given no alias.
#[test]
fn a_message_that_only_fits_without_an_alias_goes_without() {
    let mut options = ConnectOptions::new("c");
    options.limits.topic_aliases_max = 10;
    let mut server_options = ServerOptions::default();
    server_options.packet_bytes_max = 30;
    let mut pair = Pair::with_server(options, server_options);
    pair.connect();
    // 2 bytes of header, 2 + 10 of topic, 1 of properties: 15 are left, or 12 beside an alias.
    for (payload, sent) in [
        (15, with("long/topic", None)),
        (13, with("long/topic", None)),
        (12, with("long/topic", Some(1))),
        (15, only(1)),
    ] {
        pair.publish("long/topic", &"x".repeat(payload), QoS::AtMostOnce);
        assert_eq!(client_sends(&mut pair), [sent], "{payload}");
    }
    assert_eq!(received_topics(&pair.server_said).len(), 4);
}

#[test]
fn what_is_dropped_has_given_no_alias() {
    let mut pair = pair(10, 10);
    pair.cut();
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(1)).unwrap();
    let mut expiring = message("long/topic", "1", QoS::AtLeastOnce);
    expiring.properties = properties.as_properties();
    pair.client.publish(pair.now, &expiring).unwrap();
    pair.publish("long/topic", "2", QoS::AtLeastOnce);
    pair.now = pair.now + std::time::Duration::from_secs(1);
    pair.connect();
    assert_eq!(pair.server_received(), ["2"]);
    assert_eq!(received_topics(&pair.server_said), ["long/topic"]);
}

#[test]
fn an_alias_of_the_callers_own_is_refused() {
    let mut pair = pair(0, 10);
    let mut properties = PropertiesBuf::new();
    properties.push(Property::TopicAlias(TopicAlias::new(1).unwrap())).unwrap();
    for qos in LEVELS {
        let mut aliased = message("long/topic", "1", qos);
        aliased.properties = properties.as_properties();
        assert_eq!(pair.client.publish(pair.now, &aliased), Err(PublishError::TopicAlias));
        let outgoing = Outgoing::new(pair.now, aliased.to_buf().into());
        assert_eq!(pair.server.deliver(pair.now, outgoing), Err(PublishError::TopicAlias));
    }
}

/// The other properties of a message stay, in front of ours: v5\[MQTT-3.3.2-17\] v5\[MQTT-3.3.2-18\] v5\[MQTT-3.3.2-20\].
#[test]
fn other_properties_stay_as_they_are() {
    let mut pair = pair(10, 10);
    let mut properties = PropertiesBuf::new();
    properties.push(Property::ContentType(support::talk::text("text/plain"))).unwrap();
    properties.push(Property::UserProperty((support::talk::text("k"), support::talk::text("v")))).unwrap();
    let mut typed = message("long/topic", "1", QoS::AtMostOnce);
    typed.properties = properties.as_properties();
    for _ in 0..2 {
        pair.client.publish(pair.now, &typed).unwrap();
    }
    pair.transmit();
    let bytes = std::mem::take(&mut pair.to_server);
    let mut input = &bytes[..];
    while let Some(event) = pair.server.handle_input(pair.now, &mut input) {
        let mqtt_session::Event::Received(received) = event else { panic!() };
        assert_eq!(received.properties().content_type().unwrap(), "text/plain");
        assert_eq!(received.properties().user_properties().count(), 1);
    }
}

/// An alias is its connection's. What is kept goes to others as it is.
#[test]
fn what_is_kept_of_a_message_has_its_topic_and_not_its_alias() {
    let mut pair = pair(2, 10);
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(60)).unwrap();
    for _ in 0..2 {
        let mut message = message("long/topic", "1", QoS::AtLeastOnce);
        message.properties = properties.as_properties();
        pair.client.publish(pair.now, &message).unwrap();
    }
    pair.transmit();
    let bytes = std::mem::take(&mut pair.to_server);
    let mut input = &bytes[..];
    for _ in 0..2 {
        let Some(Event::Received(received)) = pair.server.handle_input(pair.now, &mut input) else { panic!() };
        assert!(received.properties().topic_alias().is_some());
        let kept = received.to_buf();
        assert_eq!((kept.topic(), kept.qos()), (received.topic(), QoS::AtLeastOnce));
        let left: Vec<_> = kept.properties().iter().collect();
        assert_eq!(left, [Property::MessageExpiryInterval(60)]);
        pair.server.deliver(pair.now, Outgoing::new(pair.now, Arc::new(kept))).unwrap();
    }
}
