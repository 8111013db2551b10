//! What a policy allows and what it forbids: at the door, and with each packet.

mod house;

use house::*;
use mqtt_proto::{Delivery, Packet, PacketId, Publish, QoS, ReasonCode, Subscription, Version, Will};
use mqtt_session::{BrokerOptions, Verdict};

/// What somebody hears who may not come in. The house writes the codes of all versions in 5.0's way.
const REFUSED: [&str; 2] = ["ConnAck 87", "closed"];

/// What somebody hears who may not stay.
fn sent_away(version: Version) -> &'static [&'static str] {
    if version == V5 { &["Disconnect 87", "closed"] } else { &["closed"] }
}

// --- at the door ---------------------------------------------------------------------------------------------------------

/// v3\[MQTT-3.2.2-4\] v5\[MQTT-3.1.4-2\]
#[test]
fn whoever_is_refused_touches_nothing_of_anybody() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let listener = house.guest(V5, "listener");
        house.subscribe(listener, "will/#", Q1);
        let owner = house.join(As::resident(version, "ann").user("ann", "right").will("will/ann", "gone"));
        house.subscribe(owner, "a/b", Q1);
        house.events();
        let counts = house.broker.counts();

        script.say("ann(eve)", Verdict::DENY);
        script.say("ann(ann) connect wrong", Verdict::DENY);
        for clean in [false, true] {
            for (user, password) in [("eve", "right"), ("ann", "wrong")] {
                let knock = As::resident(version, "ann").user(user, password).clean(clean).will("will/eve", "boo");
                let eve = house.knock(knock);
                assert_eq!(house.said(eve), REFUSED);
            }
        }
        // Nobody came, nobody went, no will was published; the connection, its session and its subscription are there.
        assert_eq!(house.events(), ["somebody went 87"; 4]);
        assert!(house.got(listener).is_empty() && house.said(owner).is_empty());
        let mut expected = counts;
        expected.connects_refused += 4;
        assert_eq!(house.broker.counts(), expected);
        house.publish(listener, "a/b", "live", Q1);
        assert_eq!(house.got(owner), ["a/b live q1"]);

        // Nor is a session touched that waits without a connection.
        house.leave_after_looking(owner);
        house.publish(listener, "a/b", "queued", Q1);
        let mut counts = house.broker.counts();
        counts.connects_refused += 1;
        let eve = house.knock(As::guest(version, "ann").user("eve", "x"));
        assert_eq!((house.said(eve), house.broker.counts()), (REFUSED.map(Into::into).to_vec(), counts));
        let owner = house.knock(As::resident(version, "ann").user("ann", "right"));
        assert_eq!(house.said(owner), ["ConnAck 00 present"]);
        assert_eq!(house.got(owner), ["a/b queued q1"]);
    }
}

/// v3\[MQTT-3.1.4-2\] v5\[MQTT-3.1.4-3\]: whoever may have the name may have the session.
#[test]
fn a_session_that_changes_hands_is_judged_anew() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let host = house.guest(V5, "host");
        script.say("shared(bob) subscribe secret/", Verdict::DENY);
        let ann = house.join(As::resident(version, "shared").user("ann", ""));
        house.subscribe(ann, "secret/#", Q1);
        house.subscribe(ann, "open/#", Q1);
        house.leave_after_looking(ann);
        house.publish(host, "secret/x", "1", Q1);
        house.publish(host, "open/x", "2", Q1);
        let bob = house.knock(As::resident(version, "shared").user("bob", ""));
        assert_eq!(house.said(bob), ["ConnAck 00 present"]);
        house.publish(host, "secret/x", "3", Q1);
        assert_eq!(house.got(bob), ["open/x 2 q1"]);
        // What was dropped is gone, and the subscription is hers again.
        let ann = house.knock(As::resident(version, "shared").user("ann", ""));
        house.publish(host, "secret/x", "4", Q1);
        assert_eq!(house.got(ann), ["secret/x 4 q1"]);
    }
}

#[test]
fn a_refused_client_is_told_why_as_far_as_its_version_can() {
    // Of the return codes of 3.1.1, several codes share one, and some have none: v3[MQTT-3.2.2-6]
    let cases = [
        (ReasonCode::NotAuthorized, Some("87"), "87"),
        (ReasonCode::BadUserNameOrPassword, Some("86"), "86"),
        (ReasonCode::ClientIdentifierNotValid, Some("85"), "85"),
        (ReasonCode::ServerBusy, Some("88"), "89"),
        (ReasonCode::Banned, Some("88"), "8A"),
        (ReasonCode::TopicNameInvalid, None, "90"),
        // These are none for CONNACK.
        (ReasonCode::Success, Some("87"), "87"),
        (ReasonCode::GrantedQos2, Some("87"), "87"),
        (ReasonCode::NoMatchingSubscribers, Some("87"), "87"),
        (ReasonCode::TopicFilterInvalid, None, "87"),
        (ReasonCode::KeepAliveTimeout, None, "87"),
    ];
    for (reason_code, v3, v5) in cases {
        let script = Script::new();
        script.say("ann", Verdict::Deny(reason_code));
        let mut house = House::guarded(&script);
        for (version, code) in [(V3, v3), (V5, Some(v5))] {
            let ann = house.knock(As::guest(version, "ann"));
            let connack = code.map(|code| format!("ConnAck {code}"));
            let expected: Vec<_> = connack.into_iter().chain(["closed".into()]).collect();
            assert_eq!(house.said(ann), expected, "{version:?} {reason_code}");
        }
        assert_eq!(house.broker.counts().sessions, 0);
    }
}

/// Both rights that a will needs, before the client is in.
#[test]
fn a_will_is_asked_for_at_the_door() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let will = Will { qos: Q1, ..Will::new(topic("will/ann"), b"gone") };
        let ann = As::guest(version, "ann").user("a", "pw").exact_will(will);
        house.join(ann);
        assert_eq!(script.asked(), ["ann(a) connect pw", "ann(a) publish will/ann q1"]);
        let retained = Will { retain: true, ..will };
        let bob = As::guest(version, "bob").exact_will(retained);
        let bob_was = house.join(bob);
        assert_eq!(script.asked(), ["bob connect", "bob publish will/ann q1", "bob store will/ann"]);

        for (right, asked) in [
            ("bob connect", &["bob connect"][..]),
            ("bob publish", &["bob connect", "bob publish will/ann q1"]),
            ("bob store", &["bob connect", "bob publish will/ann q1", "bob store will/ann"]),
        ] {
            script.say(right, Verdict::DENY);
            let again = house.knock(bob);
            assert_eq!(house.said(again), REFUSED);
            assert_eq!(script.asked(), asked, "one refusal is enough");
            assert!(house.said(bob_was).is_empty());
            script.say(right, Verdict::Allow);
        }
    }
}

// --- each packet ---------------------------------------------------------------------------------------------------------

#[test]
fn each_action_is_asked_once_and_of_whoever_wants_it() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let ann = house.join(As::guest(version, "ann").user("a", "pw"));
        let bob = house.guest(version, "bob");
        assert_eq!(script.asked(), ["ann(a) connect pw", "bob connect"]);

        let wanted = ["a/#", "+/b", "a/b"].map(|text| Subscription { filter: filter(text), options: options(Q2) });
        house.subscribe_all(bob, &wanted, None);
        assert_eq!(script.asked(), ["bob subscribe a/# q2", "bob subscribe +/b q2", "bob subscribe a/b q2"]);

        for qos in [Q0, Q1, Q2] {
            house.publish(ann, "a/b", "x", qos);
            assert_eq!(script.asked(), [format!("ann(a) publish a/b q{}", qos.as_u8())]);
            house.retain(ann, "a/b", "x", qos);
            let asked = script.asked();
            assert_eq!(asked, [format!("ann(a) publish a/b q{}", qos.as_u8()), "ann(a) store a/b".into()]);
            house.got(bob);
        }
        // To delete what is retained takes the same right.
        house.retain(ann, "a/b", "", Q0);
        assert_eq!(script.asked(), ["ann(a) publish a/b q0", "ann(a) store a/b"]);
        // Deliveries, UNSUBSCRIBE and DISCONNECT ask nothing.
        house.unsubscribe(bob, &["a/b"]);
        house.leave_after_looking(bob);
        assert!(script.asked().is_empty());

        // After a change, once for each client, and for each filter that it has.
        let bob = house.guest(version, "bob");
        house.subscribe(bob, "a/b", Q1);
        script.asked();
        house.policy_changed();
        let mut asked = script.asked();
        asked.sort();
        assert_eq!(asked, ["ann(a) stay", "bob stay", "bob subscribe a/b q1"]);
        house.publish(ann, "a/b", "x", Q0);
        assert_eq!(script.asked(), ["ann(a) publish a/b q0"]);
        assert_eq!(house.got(bob), ["a/b x"]);
    }
}

/// A repeat at QoS 2 that has been taken is not asked for again.
#[test]
fn a_repeat_is_not_asked_for_again() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let ann = house.guest(version, "ann");
        script.asked();
        house.stop_acknowledging(ann);
        let packet_id = PacketId::new(9).unwrap();
        for dup in [false, true] {
            let delivery = Delivery::ExactlyOnce { packet_id, dup };
            house.send(ann, &Packet::Publish(Publish { delivery, ..Publish::new(topic("a"), "x") }));
        }
        assert_eq!(house.answered(ann).len(), 2);
        assert_eq!(script.asked(), ["ann publish a q2"]);
    }
}

/// The prefix of a shared subscription is no part of what is asked for.
#[test]
fn a_share_name_is_split_off() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let ann = house.guest(version, "ann");
        script.say("ann subscribe no", Verdict::DENY);
        script.asked();
        let all = ["$share/group/a/#", "$share/group/no/#", "a/#"];
        let all = all.map(|text| Subscription { filter: filter(text), options: options(Q1) });
        house.subscribe_all(ann, &all, None);
        assert_eq!(
            script.asked(),
            ["ann subscribe a/# q1 of group", "ann subscribe no/# q1 of group", "ann subscribe a/# q1"]
        );
        assert_eq!(house.said(ann), [if version == V5 { "SubAck 01 87 01" } else { "SubAck 01 80 01" }]);
        house.policy_changed();
        let mut asked = script.asked();
        asked.sort();
        assert_eq!(asked, ["ann stay", "ann subscribe a/# q1", "ann subscribe a/# q1 of group"]);
    }
}

/// v3\[MQTT-3.3.5-2\]; 5.0 section 3.3.5
#[test]
fn what_may_not_be_published_is_dropped_and_its_identifier_is_free() {
    for version in VERSIONS {
        for retain in [false, true] {
            let script = Script::new();
            let mut house = House::guarded(&script);
            let listener = house.guest(V5, "listener");
            house.subscribe(listener, "#", Q2);
            let ann = house.guest(version, "ann");
            script.say(if retain { "ann store no/" } else { "ann publish no/" }, Verdict::DENY);

            for (count, qos) in [Q0, Q1, Q2].into_iter().enumerate() {
                let packet_id = PacketId::new(7).unwrap();
                let delivery = match qos {
                    QoS::AtMostOnce => Delivery::AtMostOnce,
                    QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id, dup: false },
                    QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id, dup: false },
                };
                house.send(ann, &Packet::Publish(Publish { delivery, retain, ..Publish::new(topic("no/x"), "no") }));
                let told = if version == V5 { ReasonCode::NotAuthorized } else { ReasonCode::Success };
                let acks = usize::from(qos > Q0);
                assert_eq!(house.answered(ann), vec![told; acks], "{version:?} {qos:?}");
                assert_eq!(house.broker.counts().publishes_refused, count as u64 + 1);
                assert_eq!(house.broker.counts().retained_messages, 0);
                assert!(house.got(listener).is_empty());

                // The same identifier is that of a new message.
                house.send(ann, &Packet::Publish(Publish { delivery, ..Publish::new(topic("yes"), "yes") }));
                assert_eq!(house.answered(ann), vec![ReasonCode::Success; acks]);
                assert_eq!(house.got(listener).len(), 1);
                assert!(house.said(ann).is_empty(), "and the connection goes on");
            }
        }
    }
}

/// v3\[MQTT-3.9.3-1\] v3\[MQTT-3.9.3-2\] v5\[MQTT-3.9.3-1\]
#[test]
fn each_filter_has_its_own_answer() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let ann = house.guest(version, "ann");
        script.say("ann subscribe no", Verdict::DENY);
        script.say("ann subscribe no/quota", Verdict::Deny(ReasonCode::QuotaExceeded));
        script.say("ann subscribe no/odd", Verdict::Deny(ReasonCode::GrantedQos1));
        let all =
            [("no/a", Q0), ("yes/a", Q1), ("no/quota", Q0), ("yes/b", Q0), ("no/odd", Q2), ("yes/c", Q2), ("no/b", Q1)];
        let all = all.map(|(text, qos)| Subscription { filter: filter(text), options: options(qos) });
        house.subscribe_all(ann, &all, None);
        let codes = if version == V5 { "87 01 97 00 87 02 87" } else { "80 01 80 00 80 02 80" };
        assert_eq!(house.said(ann), [format!("SubAck {codes}")]);
        assert_eq!(house.broker.counts().subscriptions, 3);
        for name in ["no/a", "no/quota", "no/odd", "no/b", "yes/a"] {
            house.publish(ann, name, "x", Q0);
        }
        assert_eq!(house.got(ann), ["yes/a x"]);
    }
}

/// In 3.1, SUBACK can't say no.
#[test]
fn a_client_that_cannot_be_refused_a_subscription_is_sent_away() {
    let script = Script::new();
    let mut house = House::guarded(&script);
    let ann = house.guest(Version::V3_1, "ann");
    script.say("ann subscribe no", Verdict::DENY);
    house.subscribe(ann, "yes", Q1);
    house.subscribe_with(ann, "no", options(Q1), None);
    assert_eq!(house.said(ann), ["closed"]);
    assert_eq!(house.broker.counts().subscriptions, 0);
}

/// A subscription that is refused leaves what was there before as it was.
#[test]
fn a_refused_subscription_does_not_replace_the_old_one() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let ann = house.guest(version, "ann");
        house.subscribe(ann, "a", Q1);
        script.say("ann subscribe a q2", Verdict::DENY);
        house.subscribe_with(ann, "a", options(Q2), None);
        house.said(ann);
        house.publish(ann, "a", "x", Q2);
        assert_eq!(house.got(ann), ["a x q1"]);
    }
}

/// Whatever reason the policy gives, no is no.
#[test]
fn an_odd_reason_refuses_all_the_same() {
    for version in VERSIONS {
        for &reason_code in ReasonCode::ALL {
            let script = Script::new();
            let mut house = House::guarded(&script);
            let listener = house.guest(V5, "listener");
            house.subscribe(listener, "#", Q2);
            let ann = house.guest(version, "ann");
            script.say("ann", Verdict::Deny(reason_code));
            for qos in [Q0, Q1, Q2] {
                house.publish(ann, "a", "x", qos);
            }
            let told = house.answered(ann);
            assert_eq!(told.len(), 2);
            for told in told {
                assert_eq!(told.is_failure(), version == V5, "{reason_code} {told}");
            }
            house.subscribe_with(ann, "a", options(Q0), None);
            let said = house.said(ann);
            assert!(
                said.len() == 1 && (said[0].starts_with("SubAck 8") || said[0].starts_with("SubAck 9")),
                "{said:?}"
            );
            assert!(house.got(listener).is_empty());
            let again = house.knock(As::guest(version, "ann"));
            assert_eq!(house.said(again).last().unwrap(), "closed", "{reason_code}");
            assert!(house.said(ann).is_empty(), "nobody has taken it over");
        }
    }
}

#[test]
fn a_broker_that_allows_nothing_does_nothing() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let ann = house.join(As::resident(version, "ann").will("will", "x"));
        house.subscribe(ann, "#", Q2);
        let bob = house.guest(version, "bob");
        house.events();
        script.say("", Verdict::DENY);
        // Nothing is looked at before something happens.
        house.broker.policy_changed();
        house.publish(bob, "a", "x", Q2);
        assert!(house.got(ann).is_empty() && house.got(bob).is_empty());
        assert_eq!(house.said(ann), sent_away(version));
        assert_eq!(house.said(bob), sent_away(version));
        let mut events = house.events();
        events.sort();
        assert_eq!(events, ["ann went 87", "bob went 87"]);
        for _ in 0..3 {
            let ann = house.knock(As::resident(version, "ann").will("will", "x"));
            assert_eq!(house.said(ann), REFUSED);
            house.publish(ann, "a", "x", Q1);
            house.cut(ann);
            house.policy_changed();
            house.advance(100 * SECOND);
        }
        assert_eq!(house.events(), ["somebody went 87"; 3]);
        // The host asks nobody.
        house.broadcast(&mqtt_session::Message::new(topic("a"), "x"));
        assert_eq!((house.broker.counts().connections, house.broker.counts().sessions), (0, 1));
        house.broker.shutdown(house.now);
        house.drive();
    }
}

/// The policy itself has a say first; a full broker tells nobody more than that.
#[test]
fn a_broker_without_room_asks_nobody() {
    let script = Script::new();
    let mut bounds = BrokerOptions::default();
    bounds.sessions_max = 1;
    let mut house = House::guarded_with(bounds, &script);
    house.join(As::resident(V5, "ann"));
    script.asked();
    let bob = house.knock(As::guest(V5, "bob"));
    assert_eq!(house.said(bob), ["ConnAck 97", "closed"]);
    assert!(script.asked().is_empty());
}

// --- whoever may not stay ------------------------------------------------------------------------------------------------

/// Its will is published, if it may be: it did not leave of its own accord.
#[test]
fn whoever_may_not_stay_is_sent_away() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let listener = house.guest(V5, "listener");
        house.subscribe(listener, "will/#", Q0);
        let ann = house.join(As::resident(version, "ann").will("will/ann", "gone"));
        let bob = house.join(As::resident(version, "bob").will("will/bob", "gone"));
        script.say("ann stay", Verdict::DENY);
        script.say("bob stay", Verdict::Ask);
        script.say("bob publish will/bob", Verdict::Ask);
        house.policy_changed();
        assert_eq!(house.said(ann), sent_away(version));
        assert_eq!(house.said(bob), sent_away(version), "a question that nobody can wait for is as good as a no");
        assert_eq!(house.got(listener), ["will/ann gone"]);
        assert!(house.said(listener).is_empty());
    }
}

/// A token has expired, and the client comes back with a new one. It is in as anybody else is.
#[test]
fn whoever_may_come_back_may_stay_again() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let host = house.guest(V5, "host");
        let ann = house.join(As::resident(version, "ann").user("ann", "old"));
        house.subscribe(ann, "a", Q1);
        script.say("ann(ann) stay", Verdict::DENY);
        house.policy_changed();
        assert_eq!(house.said(ann).last().unwrap(), "closed");
        script.asked();
        let ann = house.knock(As::resident(version, "ann").user("ann", "new"));
        assert_eq!(house.said(ann), ["ConnAck 00 present"]);
        assert_eq!(script.asked(), ["ann(ann) connect new", "ann(ann) subscribe a q1"]);
        house.publish(host, "a", "x", Q1);
        assert_eq!(house.got(ann), ["a x q1"]);
    }
}

#[test]
fn a_password_is_not_shown() {
    let script = Script::new();
    let mut house = House::guarded(&script);
    script.say("ann", Verdict::Ask);
    house.knock(As::guest(V5, "ann").user("a", "hunter2"));
    script.asked();
    let bytes = format!("{:?}", b"hunter2".to_vec());
    for shown in [format!("{:?}", house.broker), format!("{:?}", house.broker.poll_event().unwrap())] {
        assert!(!shown.contains("hunter2") && !shown.contains(&bytes), "{shown}");
    }
}
