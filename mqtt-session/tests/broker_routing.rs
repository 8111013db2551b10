//! Who gets which message, and how.

mod house;

use house::*;
use mqtt_proto::{
    Packet, Property, Publish, QoS, ReasonCode, Subscription, SubscriptionOptions, Text, TopicAlias, Version,
};
use mqtt_session::{BrokerOptions, Message};

/// v3\[MQTT-3.8.4-6\] v5\[MQTT-3.8.4-8\]
#[test]
fn a_message_arrives_at_the_lower_of_what_was_sent_and_what_was_asked_for() {
    for writer_version in VERSIONS {
        for reader_version in VERSIONS {
            for granted in [Q0, Q1, Q2] {
                let mut house = House::new();
                let writer = house.guest(writer_version, "writer");
                let reader = house.guest(reader_version, "reader");
                house.subscribe(reader, "a/b", granted);
                let mut expected = Vec::new();
                for sent in [Q0, Q1, Q2] {
                    house.publish(writer, "a/b", "x", sent);
                    expected.push(["a/b x", "a/b x q1", "a/b x q2"][usize::from(sent.min(granted).as_u8())]);
                }
                assert_eq!(house.got(reader), expected);
                assert!(house.got(writer).is_empty());
            }
        }
    }
}

/// v3\[MQTT-3.3.2-3\] v5\[MQTT-3.3.2-3\]
#[test]
fn wildcards_reach_what_they_should() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let filters = ["#", "a/+", "a/#", "+/b", "a/b/c", "$SYS/#"];
        let readers: Vec<_> = filters
            .iter()
            .map(|text| {
                let reader = house.guest(version, text);
                house.subscribe(reader, text, Q0);
                reader
            })
            .collect();
        let table: [(&str, &[&str]); 5] = [
            ("a", &["#", "a/#"]),
            ("a/b", &["#", "a/+", "a/#", "+/b"]),
            ("a/b/c", &["#", "a/#", "a/b/c"]),
            ("b", &["#"]),
            ("$b/b", &[]),
        ];
        for (name, expected) in table {
            house.publish(writer, name, "x", Q0);
            let found: Vec<_> =
                (0..filters.len()).filter(|&n| !house.got(readers[n]).is_empty()).map(|n| filters[n]).collect();
            assert_eq!(found, expected, "{name}");
        }
    }
}

/// v3\[MQTT-3.3.5-1\] v5\[MQTT-3.3.4-2\]
#[test]
fn overlapping_subscriptions_yield_one_copy_at_the_highest_qos() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let reader = house.guest(version, "reader");
        house.subscribe(reader, "a/#", Q0);
        house.subscribe(reader, "a/b", Q2);
        house.subscribe(reader, "+/b", Q1);
        house.publish(writer, "a/b", "x", Q2);
        assert_eq!(house.got(reader), ["a/b x q2"]);
        house.publish(writer, "c/b", "y", Q2);
        assert_eq!(house.got(reader), ["c/b y q1"]);
    }
}

/// v3\[MQTT-4.5.0-1\] v5\[MQTT-4.5.0-1\]
#[test]
fn clients_that_share_overlapping_filters_get_one_copy_each() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let readers = ["one", "two", "three"].map(|name| house.join(As::resident(version, name)));
        for reader in readers {
            house.subscribe(reader, "a/#", Q0);
            house.subscribe(reader, "a/b", Q1);
        }
        // Also one who is away.
        house.cut(readers[1]);
        house.publish(writer, "a/b", "x", Q2);
        let back = house.join(As::resident(version, "two"));
        for reader in [readers[0], back, readers[2]] {
            assert_eq!(house.got(reader), ["a/b x q1"]);
        }
    }
}

/// v5\[MQTT-3.3.4-3\] v5\[MQTT-3.3.4-4\]
#[test]
fn one_copy_bears_the_identifiers_of_all_matching_subscriptions() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let reader = house.guest(V5, "reader");
    house.subscribe_with(reader, "a/#", options(Q1), Some(7));
    house.subscribe_with(reader, "a/b", options(Q0), Some(268_435_455));
    house.subscribe_with(reader, "+/b", options(Q0), Some(7));
    house.subscribe_with(reader, "#", options(Q0), None);
    house.publish(writer, "a/b", "x", Q1);
    assert_eq!(house.got(reader), ["a/b x q1 #7 #7 #268435455"]);
    house.publish(writer, "a/c", "x", Q0);
    assert_eq!(house.got(reader), ["a/c x #7"]);
}

/// v5\[MQTT-3.8.4-3\]
#[test]
fn subscribing_again_replaces_options_and_identifier() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let reader = house.guest(V5, "reader");
    house.subscribe_with(reader, "a", options(Q2), Some(7));
    house.subscribe_with(reader, "a", options(Q1), None);
    house.publish(writer, "a", "x", Q2);
    assert_eq!(house.got(reader), ["a x q1"]);
    assert_eq!(house.broker.counts().subscriptions, 1);
}

/// v5\[MQTT-3.8.3-3\]
#[test]
fn no_local_keeps_a_clients_own_messages_from_it() {
    let mut house = House::new();
    let both = house.guest(V5, "both");
    let other = house.guest(V5, "other");
    let not_mine = SubscriptionOptions { no_local: true, ..options(Q2) };
    house.subscribe_with(both, "a/#", not_mine, Some(1));
    house.subscribe_with(other, "a/#", not_mine, Some(1));
    house.publish(both, "a/b", "x", Q0);
    assert!(house.got(both).is_empty());
    assert_eq!(house.got(other), ["a/b x #1"]);

    // Another subscription of the same client still delivers, by its own rules.
    house.subscribe_with(both, "a/b", options(Q1), Some(2));
    house.publish(both, "a/b", "y", Q2);
    assert_eq!(house.got(both), ["a/b y q1 #2"]);
}

/// v3\[MQTT-3.3.1-9\] v5\[MQTT-3.3.1-12\] v5\[MQTT-3.3.1-13\]
#[test]
fn live_messages_are_not_marked_as_retained_unless_that_was_asked_for() {
    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let old = house.guest(V3, "old");
    let new = house.guest(V5, "new");
    let bridge = house.guest(V5, "bridge");
    house.subscribe(old, "a", Q0);
    house.subscribe(new, "a", Q0);
    house.subscribe_with(bridge, "a", SubscriptionOptions { retain_as_published: true, ..options(Q0) }, None);
    house.retain(writer, "a", "kept", Q0);
    house.publish(writer, "a", "not", Q0);
    house.retain(writer, "a", "", Q0);
    assert_eq!(house.got(old), ["a kept", "a not", "a "]);
    assert_eq!(house.got(new), ["a kept", "a not", "a "]);
    house.said(bridge);
    assert_eq!(house.got(bridge), ["a kept R", "a not", "a  R"]);
}

/// v5\[MQTT-3.3.2-4\] v5\[MQTT-3.3.2-15\] v5\[MQTT-3.3.2-16\] v5\[MQTT-3.3.2-17\] v5\[MQTT-3.3.2-18\] v5\[MQTT-3.3.2-20\]
#[test]
fn what_belongs_to_the_message_travels_and_what_belongs_to_the_connection_does_not() {
    let text = |text| Text::new(text).unwrap();
    let travels = [
        Property::UserProperty((text("b"), text("1"))),
        Property::PayloadFormatIndicator(true),
        Property::ContentType(text("text/plain")),
        Property::UserProperty((text("a"), text("2"))),
        Property::ResponseTopic(topic("answers/here")),
        Property::CorrelationData(&[0, 255]),
        Property::MessageExpiryInterval(3600),
        Property::UserProperty((text("b"), text("1"))),
    ];
    let mut sent = properties(travels);
    sent.push(Property::TopicAlias(TopicAlias::new(3).unwrap())).unwrap();

    let mut house = House::new();
    let writer = house.guest(V5, "writer");
    let reader = house.guest(V5, "reader");
    let old = house.guest(V3, "old");
    house.subscribe(reader, "a", Q0);
    house.subscribe(old, "a", Q0);
    house.publish_with(writer, "a", "x", &sent);
    assert_eq!(house.got(reader), ["a x expires 3600"]);
    assert_eq!(house.got(old), ["a x"]);

    // The alias has been understood, and works for the next one.
    let alias = properties([Property::TopicAlias(TopicAlias::new(3).unwrap())]);
    let by_alias =
        Publish { topic: None, properties: alias.as_properties(), ..Publish::new(topic("unused"), "by alias") };
    house.send(writer, &Packet::Publish(by_alias));
    assert_eq!(house.got(reader), ["a by alias"]);

    // To the byte: a retained copy shows what was kept.
    let kept = Publish { retain: true, properties: sent.as_properties(), ..Publish::new(topic("a"), "x") };
    house.send(writer, &Packet::Publish(kept));
    let kept = house.broker.retained().get(house.now, topic("a")).unwrap().clone();
    assert_eq!(kept.message().properties(), properties(travels).as_properties());
}

/// v3\[MQTT-4.6.0-5\] v3\[MQTT-4.6.0-6\] v5\[MQTT-4.6.0-5\] v5\[MQTT-4.6.0-6\]
#[test]
fn messages_of_one_publisher_stay_in_order() {
    for version in VERSIONS {
        for qos in [Q0, Q1, Q2] {
            let mut house = House::new();
            let writer = house.guest(version, "writer");
            let reader = house.guest(version, "reader");
            house.subscribe(reader, "a", Q2);
            // More than fits into the window or the output: some go out at once, others wait.
            house.block(reader);
            let long = "x".repeat(1_000);
            for number in 0..300 {
                house.publish(writer, "a", &format!("{number} {long}"), qos);
            }
            house.unblock(reader);
            for number in 300..400 {
                house.publish(writer, "a", &format!("{number} {long}"), qos);
            }
            let numbers: Vec<_> = house
                .got(reader)
                .iter()
                .map(|words| words.split(' ').nth(1).unwrap().parse::<u32>().unwrap())
                .collect();
            assert_eq!(numbers, (0..400).collect::<Vec<_>>());
            assert_eq!(house.broker.counts().deliveries_dropped(), 0);
        }
    }
}

/// Whatever has waited, for its client or for its turn: v3\[MQTT-4.6.0-5\] v3\[MQTT-4.6.0-6\] v5\[MQTT-4.6.0-5\] v5\[MQTT-4.6.0-6\]
#[test]
fn messages_stay_in_order_across_topics_qos_and_connections() {
    let mut limits = BrokerOptions::default();
    limits.server.limits.in_flight_max = 2;
    limits.server.limits.in_flight_before_5_max = 2;
    for version in VERSIONS {
        let mut house = House::with(limits.clone());
        let writer = house.guest(version, "writer");
        let reader = house.join(As::resident(version, "reader"));
        house.subscribe(reader, "+", Q2);
        house.stop_acknowledging(reader);
        let publish = |house: &mut House, numbers: std::ops::Range<usize>| {
            for number in numbers {
                // QoS 0 does not wait for acknowledgements, and yet overtakes nothing.
                let (name, qos) = (["a", "b", "c"][number % 3], [Q1, Q2, Q0, Q1][number % 4]);
                house.publish(writer, name, &number.to_string(), qos);
            }
        };
        let numbers = |got: Vec<String>| -> Vec<usize> {
            got.iter().map(|words| words.split(' ').nth(1).unwrap().parse().unwrap()).collect()
        };
        publish(&mut house, 0..8);
        assert_eq!(numbers(house.got(reader)), [0, 1, 2]);
        house.acknowledge_all(reader);
        assert_eq!(numbers(house.got(reader)), [3, 4, 5, 6, 7]);
        house.stop_acknowledging(reader);
        publish(&mut house, 8..14);
        assert_eq!(numbers(house.got(reader)), [8, 9, 10]);
        house.cut(reader);
        publish(&mut house, 14..18);
        // What is published at QoS 0 while it is away is not for it.
        let reader = house.join(As::resident(version, "reader"));
        publish(&mut house, 18..20);
        assert_eq!(numbers(house.got(reader)), [8, 9, 11, 12, 13, 15, 16, 17, 18, 19]);
    }
}

/// v3\[MQTT-4.7.3-4\] v5\[MQTT-4.7.3-4\]
#[test]
fn topics_are_compared_byte_for_byte() {
    let all = ["a/b", "A/b", "/a/b", "a//b", "a/b/", "a/b ", "caf\u{e9}", "cafe\u{301}", "\u{feff}a/b", "a/%62"];
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let readers = all.map(|text| {
            let reader = house.guest(version, text);
            house.subscribe(reader, text, Q0);
            reader
        });
        for (name, its_own) in all.iter().zip(readers) {
            house.retain(writer, name, "x", Q0);
            assert_eq!(house.got(its_own), [format!("{name} x")]);
            assert!(readers.iter().all(|&reader| house.got(reader).is_empty()), "{name}");
        }
        for name in all {
            let late = house.guest(version, "late");
            house.subscribe(late, name, Q0);
            assert_eq!(house.got(late), [format!("{name} x R")]);
        }
    }
}

/// v3\[MQTT-4.7.2-1\] v5\[MQTT-4.7.2-1\]
#[test]
fn the_servers_own_topics_are_closed_to_clients() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let reader = house.guest(version, "reader");
        house.subscribe(reader, "$SYS/#", Q2);
        for qos in [Q0, Q1, Q2] {
            house.retain(writer, "$SYS/uptime", "forged", qos);
        }
        assert!(house.got(reader).is_empty());
        assert_eq!(house.broker.counts().retained_messages, 0);
        // It was taken without a word, and the writer goes on.
        assert!(house.said(writer).is_empty());
        let neighbour = house.guest(version, "neighbour");
        house.subscribe(neighbour, "$SYSTEM", Q0);
        house.publish(writer, "$SYSTEM", "x", Q0);
        assert_eq!(house.got(neighbour), ["$SYSTEM x"]);

        let mut message = Message::new(topic("$SYS/uptime"), "12 seconds");
        message.qos = Q1;
        house.broadcast(&message);
        assert_eq!(house.got(reader), ["$SYS/uptime 12 seconds q1"]);
    }
}

#[test]
fn the_host_publishes_like_everybody_else() {
    let mut house = House::new();
    let reader = house.guest(V5, "reader");
    house.subscribe_with(reader, "a/#", SubscriptionOptions { no_local: true, ..options(Q1) }, Some(5));
    let mut message = Message::new(topic("a/b"), "x");
    message.qos = Q2;
    message.retain = true;
    house.broadcast(&message);
    assert_eq!(house.got(reader), ["a/b x q1 #5"]);
    assert_eq!(house.broker.counts().retained_messages, 1);
}

/// v3\[MQTT-3.8.4-4\] v3\[MQTT-3.8.4-5\] v5\[MQTT-3.8.4-5\] v5\[MQTT-3.8.4-6\] v5\[MQTT-3.8.4-7\]
#[test]
fn every_filter_of_a_subscribe_gets_its_own_answer() {
    for version in VERSIONS {
        let mut options = BrokerOptions::default();
        options.server.maximum_qos = Q1;
        options.topic_levels_max = 3;
        options.subscriptions_per_session_max = 3;
        let mut house = House::with(options);
        let reader = house.guest(version, "reader");
        let all = [
            Subscription::new(filter("a"), Q0),
            Subscription::new(filter("b"), Q1),
            Subscription::new(filter("a/b/c"), Q2),
            Subscription::new(filter("a/b/c/d"), Q0),
            Subscription::new(filter("d"), Q0),
            Subscription::new(filter("a"), Q1),
        ];
        house.subscribe_all(reader, &all, None);
        let (deep, many) = if version == V5 { ("8F", "97") } else { ("80", "80") };
        assert_eq!(house.said(reader), [format!("SubAck 00 01 01 {deep} {many} 01")]);
        assert_eq!(house.broker.counts().subscriptions, 3);
    }
}

/// v3\[MQTT-3.10.4-1\] v3\[MQTT-3.10.4-2\] v3\[MQTT-3.10.4-5\] v3\[MQTT-3.10.4-6\] v5\[MQTT-3.10.4-1\] v5\[MQTT-3.10.4-2\] v5\[MQTT-3.10.4-5\]
/// v5\[MQTT-3.10.4-6\]
#[test]
fn unsubscribing_takes_exactly_the_filter_named() {
    for version in VERSIONS {
        let mut house = House::new();
        let writer = house.guest(version, "writer");
        let reader = house.guest(version, "reader");
        house.subscribe(reader, "a/+", Q0);
        house.subscribe(reader, "b", Q0);
        house.unsubscribe(reader, &["a/b", "#", "b", "b"]);
        let codes = if version == V5 { "UnsubAck 11 11 00 11" } else { "UnsubAck" };
        assert_eq!(house.said(reader), [codes]);
        house.publish(writer, "a/b", "x", Q0);
        house.publish(writer, "b", "x", Q0);
        assert_eq!(house.got(reader), ["a/b x"]);
        assert_eq!(house.broker.counts().subscriptions, 1);
    }
}

/// v3\[MQTT-3.8.3-2\] v5\[MQTT-4.13.1-1\]
#[test]
fn what_is_not_offered_is_refused() {
    let mut no_wildcards = BrokerOptions::default();
    no_wildcards.server.wildcard_subscription_available = false;
    let mut no_identifiers = BrokerOptions::default();
    no_identifiers.server.subscription_identifier_available = false;
    let mut no_shares = BrokerOptions::default();
    no_shares.server.shared_subscription_available = false;
    let table = [
        (no_shares, "$share/group/a", None, "Disconnect 9E"),
        (no_wildcards, "a/+", None, "Disconnect A2"),
        (no_identifiers, "a", Some(1), "Disconnect A1"),
    ];
    for (options_, text, id, answer) in table {
        let mut house = House::with(options_.clone());
        let reader = house.guest(V5, "reader");
        house.subscribe_with(reader, text, options(Q0), id);
        assert_eq!(house.said(reader), [answer, "closed"]);
        assert_eq!(house.broker.counts().subscriptions, 0);

        // An older client can't have known, and is told for each filter.
        if id.is_none() {
            let old = house.guest(V3, "old");
            house.subscribe_with(old, text, options(Q0), None);
            assert_eq!(house.said(old), ["SubAck 80"]);
            // 3.1 knows no such answer.
            let oldest = house.guest(Version::V3_1, "oldest");
            house.subscribe_with(oldest, text, options(Q0), None);
            assert_eq!(house.said(oldest), ["closed"]);
        }
    }
}

#[test]
fn a_receiver_that_takes_no_large_packets_misses_only_the_large_ones() {
    for qos in [Q0, Q1, Q2] {
        let mut house = House::new();
        let writer = house.guest(V5, "writer");
        let reader = house.open(V5);
        let maximum = properties([Property::MaximumPacketSize(100.try_into().unwrap())]);
        let mut connect = mqtt_proto::Connect::new(Text::new("reader").unwrap());
        connect.properties = maximum.as_properties();
        house.send(reader, &Packet::Connect(connect));
        let other = house.guest(V3, "other");
        house.said(reader);
        house.subscribe(reader, "a", qos);
        house.subscribe(other, "a", Q0);
        let large = "x".repeat(200);
        house.block(reader);
        for payload in ["1", &large, "2"] {
            house.publish(writer, "a", payload, qos);
        }
        assert_eq!(house.broker.counts().deliveries_dropped(), 1);
        house.unblock(reader);
        let suffix = ["", " q1", " q2"][usize::from(qos.as_u8())];
        assert_eq!(house.got(reader), [format!("a 1{suffix}"), format!("a 2{suffix}")]);
        assert_eq!(house.got(other).len(), 3);
        assert_eq!(house.broker.counts().deliveries_dropped(), 1);
    }
}

#[test]
fn a_receiver_that_reads_nothing_costs_no_more_than_its_limits() {
    let mut options = BrokerOptions::default();
    options.server.limits.queued_messages_max = 10;
    options.server.limits.output_bytes_max = 1_000;
    for qos in [Q0, QoS::AtLeastOnce] {
        let mut house = House::with(options.clone());
        let writer = house.guest(V5, "writer");
        let reader = house.guest(V5, "reader");
        let other = house.guest(V5, "other");
        house.subscribe(reader, "a", qos);
        house.subscribe(other, "a", qos);
        house.block(reader);
        for number in 0..1_000 {
            house.publish(writer, "a", &format!("{number}"), qos);
        }
        assert_eq!(house.got(other).len(), 1_000);
        house.unblock(reader);
        let got = house.got(reader);
        assert!(got.len() < 250, "{}", got.len());
        assert_eq!(house.broker.counts().deliveries_dropped(), 1_000 - got.len() as u64);
    }
}

/// A publisher is told that nobody is subscribed, where its version has a way (5.0 sections 3.4.2.1 and 3.5.2.1).
#[test]
fn a_message_for_nobody_is_acknowledged_as_such() {
    let mut house = House::new();
    for (version, answer) in [(V3, ReasonCode::Success), (V5, ReasonCode::NoMatchingSubscribers)] {
        let writer = house.guest(version, "writer");
        house.publish(writer, "nobody/listens", "x", Q1);
        house.publish(writer, "nobody/listens", "x", Q2);
        assert_eq!(house.answered(writer), [answer, answer]);
        // One that is kept is for those who come later.
        house.retain(writer, "nobody/listens", "x", Q1);
        assert_eq!(house.answered(writer), [ReasonCode::Success]);
        house.subscribe(writer, "nobody/#", Q0);
        house.publish(writer, "nobody/listens", "x", Q1);
        assert_eq!(house.answered(writer), [ReasonCode::Success]);
    }
}
