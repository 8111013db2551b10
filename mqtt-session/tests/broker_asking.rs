//! What a policy can't answer at once: connections that rest until somebody has.

mod house;

use std::sync::Arc;

use house::*;
use mqtt_proto::{Packet, ReasonCode, Subscription, Version, Will};
use mqtt_session::{BrokerOptions, Verdict};

/// What somebody hears who may not come in. The house writes the codes of all versions in 5.0's way.
const REFUSED: [&str; 2] = ["ConnAck 87", "closed"];

/// What somebody hears who may not stay.
fn sent_away(version: Version) -> &'static [&'static str] {
    if version == V5 { &["Disconnect 87", "closed"] } else { &["closed"] }
}

/// What PUBACK and PUBREC say of a message that may not be published.
fn told(version: Version) -> ReasonCode {
    if version == V5 { ReasonCode::NotAuthorized } else { ReasonCode::Success }
}

/// A house whose policy leaves everything that begins so to somebody else.
fn asking(question: &str) -> (Arc<Script>, House) {
    let script = Script::new();
    let house = House::guarded(&script);
    script.say(question, Verdict::Ask);
    (script, house)
}

#[test]
fn a_client_waits_at_the_door_until_somebody_has_answered() {
    for version in VERSIONS {
        let (script, mut house) = asking("ann");
        let owner = house.join(As::resident(version, "bob"));
        let ann = As::guest(version, "ann")
            .user("a", "pw")
            .exact_will(Will { retain: true, ..Will::new(topic("will"), b"x") });
        let questions = ["ann(a) connect pw?", "ann(a) publish will q0?", "ann(a) store will?"];
        // A no at each of the questions.
        for refused in 0..3 {
            house.events();
            let knocks = house.knock(ann);
            let first = house.asks();
            for (number, question) in questions.iter().enumerate().take(refused + 1) {
                assert_eq!(house.events(), [*question]);
                assert!(house.said(knocks).is_empty());
                let verdict = if number == refused { Verdict::DENY } else { Verdict::Allow };
                assert!(house.answer(first + number, verdict));
            }
            assert_eq!(house.said(knocks), REFUSED);
            assert_eq!(house.events(), ["somebody went 87"]);
        }
        // And three times yes.
        let knocks = house.knock(ann);
        let first = house.asks();
        script.asked();
        for (number, question) in questions.iter().enumerate() {
            assert_eq!(house.events(), [*question]);
            assert!(house.answer(first + number, Verdict::Allow));
        }
        assert_eq!(
            script.asked(),
            ["ann(a) publish will q0", "ann(a) store will"],
            "what is answered is not asked again"
        );
        assert_eq!((house.said(knocks), house.events()), (vec!["ConnAck 00".into()], vec!["ann came".into()]));
        assert!(house.said(owner).is_empty());
    }
}

#[test]
fn a_message_waits_for_its_answer() {
    for version in VERSIONS {
        for qos in [Q0, Q1, Q2] {
            for retain in [false, true] {
                for verdict in [Verdict::Allow, Verdict::DENY, Verdict::Deny(ReasonCode::Success), Verdict::Ask] {
                    let (script, mut house) = asking("ann publish");
                    script.say("ann store", Verdict::Ask);
                    let listener = house.guest(V5, "listener");
                    house.subscribe(listener, "#", Q2);
                    let ann = house.guest(version, "ann");
                    house.events();
                    if retain {
                        house.retain(ann, "a", "x", qos)
                    } else {
                        house.publish(ann, "a", "x", qos)
                    }
                    assert_eq!(house.events(), [format!("ann publish a q{}?", qos.as_u8())]);
                    assert!(house.got(listener).is_empty() && house.answered(ann).is_empty());
                    if retain {
                        assert!(house.answer(0, Verdict::Allow));
                        assert_eq!(house.events(), ["ann store a?"]);
                        assert!(house.got(listener).is_empty() && house.answered(ann).is_empty());
                    }
                    assert!(house.answer(retain.into(), verdict));
                    let is_allowed = verdict == Verdict::Allow;
                    let told =
                        if is_allowed || version == V3 { ReasonCode::Success } else { ReasonCode::NotAuthorized };
                    assert_eq!(house.answered(ann), vec![told; usize::from(qos > Q0)]);
                    assert_eq!(house.got(listener).len(), usize::from(is_allowed));
                    let counts = house.broker.counts();
                    assert_eq!(counts.retained_messages, usize::from(is_allowed && retain));
                    assert_eq!(counts.publishes_refused, u64::from(!is_allowed));
                }
            }
        }
    }
}

#[test]
fn some_filters_of_a_packet_are_asked_for_and_others_not() {
    for version in VERSIONS {
        let (script, mut house) = asking("ann subscribe ask");
        script.say("ann subscribe no", Verdict::DENY);
        let ann = house.guest(version, "ann");
        house.events();
        let all = ["no/1", "ask/1", "yes/1", "ask/2", "no/2", "ask/3"];
        let all = all.map(|text| Subscription { filter: filter(text), options: options(Q1) });
        house.subscribe_all(ann, &all, None);
        assert_eq!(house.events(), ["ann subscribe ask/1 q1?"]);
        assert!(house.answer(0, Verdict::Allow));
        assert_eq!(house.events(), ["ann subscribe ask/2 q1?"]);
        // Nothing is done before all is known.
        assert_eq!(house.broker.counts().subscriptions, 0);
        assert!(house.answer(1, Verdict::Deny(ReasonCode::QuotaExceeded)));
        assert_eq!(house.events(), ["ann subscribe ask/3 q1?"]);
        assert!(house.said(ann).is_empty());
        assert!(house.answer(2, Verdict::Allow));
        let codes = if version == V5 { "87 01 01 97 87 01" } else { "80 01 01 80 80 01" };
        assert_eq!(house.said(ann), [format!("SubAck {codes}")]);
        assert_eq!(house.broker.counts().subscriptions, 3);
        house.publish(ann, "ask/3", "x", Q0);
        assert_eq!(house.got(ann), ["ask/3 x"]);
    }
}

#[test]
fn an_answer_that_nobody_waits_for_does_nothing() {
    for version in VERSIONS {
        // Given twice.
        let (_, mut house) = asking("ann publish");
        let listener = house.guest(V5, "listener");
        house.subscribe(listener, "#", Q0);
        let ann = house.guest(version, "ann");
        house.publish(ann, "a", "1", Q1);
        house.events();
        assert!(house.answer(0, Verdict::Allow));
        assert!(!house.answer(0, Verdict::DENY));
        assert_eq!(house.got(listener), ["a 1"]);
        // Given for the message before.
        house.publish(ann, "a", "2", Q1);
        house.events();
        assert!(!house.answer(0, Verdict::Allow));
        assert!(house.got(listener).is_empty());
        assert!(house.answer(1, Verdict::Allow));
        assert_eq!(house.got(listener), ["a 2"]);
        // The client has been taken over: its message is not acknowledged, and the next connection begins with nothing to wait for.
        house.answered(ann);
        house.publish(ann, "a", "3", Q1);
        let second = house.guest(version, "ann");
        house.events();
        assert!(!house.answer(2, Verdict::Allow));
        assert!(house.got(listener).is_empty() && house.answered(ann).is_empty() && house.answered(second).is_empty());
        // The transport is gone.
        house.publish(second, "a", "4", Q1);
        house.events();
        house.cut(second);
        assert!(!house.answer(3, Verdict::Allow));
        // Another connection has its place.
        let third = house.guest(version, "ann");
        house.publish(third, "a", "5", Q1);
        house.events();
        assert!(!house.answer(3, Verdict::Allow));
        assert!(house.answer(4, Verdict::Allow));
        assert_eq!(house.got(listener), ["a 5"]);
        // Sent away by the host.
        house.publish(third, "a", "6", Q1);
        house.events();
        house.broker.disconnect(house.now, "ann", ReasonCode::AdministrativeAction).unwrap();
        assert!(!house.answer(5, Verdict::Allow));
        assert!(house.got(listener).is_empty());
    }
}

/// It may be an answer about rules that don't hold any more.
#[test]
fn a_change_asks_again_from_the_beginning() {
    for version in VERSIONS {
        let (script, mut house) = asking("ann subscribe ask");
        let ann = house.guest(version, "ann");
        house.events();
        let all = ["yes", "ask/1", "ask/2"].map(|text| Subscription { filter: filter(text), options: options(Q1) });
        house.subscribe_all(ann, &all, None);
        house.events();
        assert!(house.answer(0, Verdict::DENY));
        assert_eq!(house.events(), ["ann subscribe ask/2 q1?"]);
        script.say("ann subscribe yes", Verdict::DENY);
        script.say("ann subscribe ask/2", Verdict::DENY);
        house.policy_changed();
        script.asked();
        assert!(house.answer(1, Verdict::Allow));
        assert_eq!(script.asked(), ["ann subscribe yes q1", "ann subscribe ask/1 q1"]);
        assert_eq!(house.events(), ["ann subscribe ask/1 q1?"]);
        assert!(house.answer(2, Verdict::Allow));
        let codes = if version == V5 { "87 01 87" } else { "80 01 80" };
        assert_eq!(house.said(ann), [format!("SubAck {codes}")]);

        // The same for a message, and at the door.
        script.say("ann publish", Verdict::Ask);
        house.publish(ann, "a", "x", Q1);
        script.say("bob", Verdict::Ask);
        let bob = house.knock(As::guest(version, "bob"));
        house.events();
        script.say("ann publish", Verdict::DENY);
        script.say("bob", Verdict::DENY);
        house.policy_changed();
        assert!(house.answer(3, Verdict::Allow));
        assert_eq!(house.broker.counts().publishes_refused, 1);
        assert!(house.answer(4, Verdict::Allow));
        assert_eq!(house.said(bob), REFUSED);
    }
}

/// Whoever may not stay is sent away before anything else, also if the answer comes first.
#[test]
fn an_answer_is_no_way_around_a_change() {
    for version in VERSIONS {
        let (script, mut house) = asking("ann publish");
        let listener = house.guest(V5, "listener");
        house.subscribe(listener, "#", Q0);
        let ann = house.guest(version, "ann");
        house.publish(ann, "a", "x", Q1);
        house.events();
        script.say("ann stay", Verdict::DENY);
        script.say("ann publish", Verdict::Allow);
        house.broker.policy_changed();
        assert!(!house.answer(0, Verdict::Allow));
        assert_eq!(house.said(ann), sent_away(version));
        assert!(house.got(listener).is_empty());
    }
}

#[test]
fn no_answer_in_time_is_a_no() {
    for version in VERSIONS {
        let mut bounds = BrokerOptions::default();
        bounds.answer_timeout = 3 * SECOND;
        let script = Script::new();
        let mut house = House::guarded_with(bounds, &script);
        let ann = house.guest(version, "ann");
        script.say("ann publish", Verdict::Ask);
        script.say("ann subscribe", Verdict::Ask);
        script.say("bob", Verdict::Ask);
        house.publish(ann, "a", "x", Q1);
        let bob = house.knock(As::guest(version, "bob"));
        house.events();
        assert_eq!(house.broker.poll_timeout(), Some(house.now + 3 * SECOND));
        house.advance(3 * SECOND - TICK);
        assert!(house.answered(ann).is_empty() && house.said(bob).is_empty());
        house.advance(TICK);
        assert_eq!((house.answered(ann), house.said(bob)), (vec![told(version)], REFUSED.map(Into::into).to_vec()));
        assert_eq!(house.broker.counts().publishes_refused, 1);
        for late in 0..2 {
            assert!(!house.answer(late, Verdict::Allow));
        }
        // Each question has its own time.
        let all = ["a", "b"].map(|text| Subscription { filter: filter(text), options: options(Q0) });
        house.subscribe_all(ann, &all, None);
        house.events();
        house.advance(2 * SECOND);
        assert!(house.answer(2, Verdict::Allow));
        assert_eq!(house.events(), ["ann subscribe b q0?"]);
        house.advance(3 * SECOND - TICK);
        assert!(house.said(ann).is_empty());
        house.advance(TICK);
        assert_eq!(house.said(ann), [if version == V5 { "SubAck 00 87" } else { "SubAck 00 80" }]);
    }
}

#[test]
fn what_comes_behind_a_question_waits_its_turn() {
    for version in VERSIONS {
        let (_, mut house) = asking("ann publish ask");
        let listener = house.guest(V5, "listener");
        house.subscribe(listener, "#", Q2);
        let ann = house.guest(version, "ann");
        house.events();
        house.publish(ann, "ask/1", "x", Q1);
        assert!(!house.broker.wants_input(house.id(ann)));
        house.publish(ann, "b", "x", Q2);
        house.publish(ann, "ask/2", "x", Q0);
        house.send(ann, &Packet::PingReq);
        house.subscribe_with(ann, "c", options(Q0), None);
        assert!(house.got(listener).is_empty() && house.said(ann).is_empty());
        assert_eq!(house.events(), ["ann publish ask/1 q1?"]);
        assert!(house.answer(0, Verdict::DENY));
        // Up to the next question.
        assert_eq!(house.got(listener), ["b x q2"]);
        assert_eq!((house.said(ann).len(), house.events()), (0, vec!["ann publish ask/2 q0?".into()]));
        assert_eq!(house.answered(ann), [told(version), ReasonCode::Success]);
        assert!(house.answer(1, Verdict::Allow));
        assert_eq!(house.got(listener), ["ask/2 x"]);
        assert_eq!(house.said(ann), ["PingResp", "SubAck 00"]);
        assert_eq!(house.unread(ann), 0);
    }
}

#[test]
fn while_one_rests_others_are_served_and_it_hears_what_is_published() {
    for version in VERSIONS {
        let (_, mut house) = asking("ann publish");
        let ann = house.guest(version, "ann");
        house.subscribe(ann, "#", Q2);
        let bob = house.guest(version, "bob");
        house.subscribe(bob, "#", Q2);
        house.publish(ann, "ann", "x", Q2);
        for qos in [Q0, Q1, Q2] {
            house.publish(bob, "bob", "y", qos);
        }
        assert_eq!(house.got(bob).len(), 3);
        assert_eq!(house.got(ann), ["bob y", "bob y q1", "bob y q2"]);
        // Its acknowledgements wait with the rest, and are taken afterwards.
        assert!(house.unread(ann) > 0);
        house.events();
        assert!(house.answer(0, Verdict::Allow));
        assert_eq!(house.unread(ann), 0);
        assert_eq!((house.got(ann), house.got(bob)), (vec!["ann x q2".into()], vec!["ann x q2".into()]));
        assert_eq!(house.released(ann), 2);
    }
}

/// v3\[MQTT-3.1.2-24\] v5\[MQTT-3.1.2-22\]
#[test]
fn the_keep_alive_rests_too() {
    for version in VERSIONS {
        let mut bounds = BrokerOptions::default();
        bounds.answer_timeout = 1_000 * SECOND;
        let script = Script::new();
        let mut house = House::guarded_with(bounds, &script);
        script.say("ann publish", Verdict::Ask);
        let ann = house.join(As::guest(version, "ann").keep_alive(10));
        house.advance(14 * SECOND);
        house.publish(ann, "a", "x", Q1);
        house.advance(500 * SECOND);
        assert!(house.said(ann).is_empty());
        house.events();
        assert!(house.answer(0, Verdict::Allow));
        assert_eq!(house.broker.poll_timeout(), Some(house.now + 15 * SECOND));
        house.advance(15 * SECOND - TICK);
        assert!(house.said(ann).is_empty());
        house.advance(TICK);
        assert_eq!(house.said(ann).last().unwrap(), "closed");
        assert_eq!(house.events().last().unwrap(), "ann went 8D");
    }
}

#[test]
fn the_deadline_of_connect_rests_too() {
    for version in VERSIONS {
        let mut bounds = BrokerOptions::default();
        bounds.answer_timeout = 1_000 * SECOND;
        bounds.server.limits.connect_timeout = 5 * SECOND;
        let script = Script::new();
        let mut house = House::guarded_with(bounds, &script);
        script.say("ann", Verdict::Ask);
        script.say("ann stay", Verdict::Allow);
        let ann = house.knock(As::guest(version, "ann").keep_alive(10));
        house.advance(900 * SECOND);
        assert!(house.said(ann).is_empty());
        house.events();
        assert!(house.answer(0, Verdict::Allow));
        assert_eq!(house.said(ann), ["ConnAck 00"]);
        house.advance(15 * SECOND - TICK);
        assert!(house.said(ann).is_empty());
        house.advance(TICK);
        assert_eq!(house.said(ann).last().unwrap(), "closed");
    }
}

/// If the host can't be told that there is a question, there will be no answer.
#[test]
fn a_question_that_nobody_can_be_told_is_a_no() {
    for version in VERSIONS {
        let mut bounds = BrokerOptions::default();
        bounds.events_max = 1;
        let script = Script::new();
        let mut house = House::guarded_with(bounds, &script);
        let ann = house.guest(version, "ann");
        script.say("", Verdict::Ask);
        house.publish(ann, "a", "x", Q1);
        assert_eq!(house.answered(ann), [told(version)]);
        assert_eq!(house.broker.counts().publishes_refused, 1);
        let bob = house.knock(As::guest(version, "bob"));
        assert_eq!(house.said(bob), REFUSED);
        assert_eq!(house.events(), ["ann came"]);
        // Now there is room for one.
        house.publish(ann, "a", "x", Q1);
        house.subscribe_with(ann, "a", options(Q0), None);
        assert_eq!(house.events(), ["ann publish a q1?"]);
        assert!(house.answer(0, Verdict::Allow));
        assert_eq!(house.events(), ["ann subscribe a q0?"]);
    }
}

#[test]
fn two_at_the_door_with_one_name() {
    for version in VERSIONS {
        for order in [[0, 1], [1, 0]] {
            let (_, mut house) = asking("ann connect");
            let knocks = [0, 1].map(|_| house.knock(As::resident(version, "ann")));
            house.events();
            let [first, last] = order;
            assert!(house.answer(first, Verdict::Allow));
            assert_eq!(house.said(knocks[first]), ["ConnAck 00"]);
            house.subscribe(knocks[first], "a", Q1);
            assert!(house.answer(last, Verdict::Allow));
            let gone = if version == V5 { &["Disconnect 8E", "closed"][..] } else { &["closed"] };
            assert_eq!(house.said(knocks[first]), gone);
            assert_eq!(house.said(knocks[last]), ["ConnAck 00 present"]);
            assert_eq!(house.broker.counts().sessions, 1);

            // And one who is refused is nothing to the other.
            let third = house.knock(As::guest(version, "ann"));
            house.events();
            assert!(house.answer(2, Verdict::DENY));
            assert_eq!(house.said(third), REFUSED);
            house.publish(knocks[last], "a", "x", Q0);
            assert_eq!(house.got(knocks[last]), ["a x"]);
        }
    }
}

#[test]
fn a_shutdown_waits_for_no_answer() {
    for version in VERSIONS {
        let (script, mut house) = asking("ann");
        let bob = house.join(As::resident(version, "bob").will("will", "gone"));
        script.say("bob publish a", Verdict::Ask);
        script.say("bob publish will", Verdict::Ask);
        house.publish(bob, "a", "x", Q1);
        let ann = house.knock(As::guest(version, "ann"));
        house.events();
        house.broker.shutdown(house.now);
        house.drive();
        assert_eq!(house.said(ann), ["closed"]);
        assert_eq!(house.said(bob).last().unwrap(), "closed");
        for late in 0..2 {
            assert!(!house.answer(late, Verdict::Allow));
        }
        assert_eq!(house.events(), ["bob went 8B", "somebody went 8B"]);
        assert_eq!(house.broker.counts().connections, 0);
    }
}
