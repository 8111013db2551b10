//! What becomes of messages whose sender or receiver has lost a right on the way.

mod house;

use std::sync::Arc;

use house::*;
use mqtt_proto::{Ack, Packet, PacketId, ReasonCode, Will};
use mqtt_session::Verdict;

/// How a message comes to its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// Published, and delivered at once.
    Live,
    /// A will, published when its connection breaks.
    Will,
    /// A will that waits for its delay when the change comes.
    DelayedWill,
    /// Retained before the change, for a subscription that is made after it.
    Retained,
    /// Queued for a receiver without a connection.
    Queued,
    /// Sent and not acknowledged; sent again on the next connection.
    InFlight,
    /// At QoS 2, and the receiver has said PUBREC: it has the message, and waits for PUBREL on the next connection.
    HalfQos2,
    /// Delivered at once to the only member of a group.
    Shared,
    /// Queued for that member.
    SharedQueued,
}

/// Which right is lost, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// The control: without it, an empty cell would say nothing.
    Nothing,
    Subscribe,
    Publish,
    Store,
    ReceiverStay,
    SenderStay,
}

const LOST: [Lost; 6] =
    [Lost::Nothing, Lost::Subscribe, Lost::Publish, Lost::Store, Lost::ReceiverStay, Lost::SenderStay];

/// It arrives after the change.
const YES: bool = true;
const NO: bool = false;

/// Why, column by column:
///
/// * without the right to subscribe, nothing that the filter matches goes out any more, however it has waited. At `HalfQos2` the message has gone out before: only
///   its identifier is released, whatever happens;
/// * without the right to publish, or to store what is to be retained, nothing new is accepted, and that goes for a will when it is published. What was accepted before is delivered;
/// * a receiver that may not stay is sent away and not let in again, so it gets nothing;
/// * a sender that may not stay is sent away. That says nothing about its messages: what was accepted is delivered, and so is its will, which it may still publish. It
///   can't publish anything new.
#[rustfmt::skip]
const MATRIX: [(Path, [bool; 6]); 9] = [
    //                    nothing subscribe publish store receiver sender
    (Path::Live,         [YES,    NO,       NO,     NO,   NO,      NO]),
    (Path::Will,         [YES,    NO,       NO,     NO,   NO,      YES]),
    (Path::DelayedWill,  [YES,    NO,       NO,     NO,   NO,      YES]),
    (Path::Retained,     [YES,    NO,       NO,     NO,   NO,      YES]),
    (Path::Queued,       [YES,    NO,       YES,    YES,  NO,      YES]),
    (Path::InFlight,     [YES,    NO,       YES,    YES,  NO,      YES]),
    (Path::HalfQos2,     [YES,    YES,      YES,    YES,  NO,      YES]),
    (Path::Shared,       [YES,    NO,       NO,     NO,   NO,      NO]),
    (Path::SharedQueued, [YES,    NO,       YES,    YES,  NO,      YES]),
];

struct Scene {
    script: Arc<Script>,
    house: House,
    sender: Who,
    receiver: Who,
    receives: As<'static>,
}

impl Scene {
    /// Everything up to the change.
    fn before(path: Path, version: mqtt_proto::Version) -> Self {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let sends = As::resident(V5, "sender");
        let will = Will { retain: true, qos: Q2, ..Will::new(topic("a/b"), b"x") };
        let sends = match path {
            Path::Will => sends.exact_will(will),
            Path::DelayedWill => sends.exact_will(will).will_delay(5),
            _ => sends,
        };
        let sender = house.join(sends);
        let receives = As::resident(version, "receiver");
        let receiver = house.join(receives);
        match path {
            Path::Retained => {}
            Path::Shared | Path::SharedQueued => house.subscribe(receiver, "$share/group/a/#", Q2),
            _ => house.subscribe(receiver, "a/#", Q2),
        }
        match path {
            Path::Live | Path::Will | Path::Shared => {}
            Path::DelayedWill => house.cut(sender),
            Path::Retained => house.retain(sender, "a/b", "x", Q2),
            Path::Queued | Path::SharedQueued => {
                house.leave_after_looking(receiver);
                house.retain(sender, "a/b", "x", Q2);
            }
            Path::InFlight => {
                house.stop_acknowledging(receiver);
                house.retain(sender, "a/b", "x", Q2);
                assert_eq!(house.got(receiver), ["a/b x q2"]);
                house.cut(receiver);
            }
            Path::HalfQos2 => {
                house.stop_acknowledging(receiver);
                house.retain(sender, "a/b", "x", Q2);
                assert_eq!(house.got(receiver), ["a/b x q2"]);
                house.send(receiver, &Packet::PubRec(Ack::new(PacketId::MIN)));
                assert_eq!(house.released(receiver), 1);
                house.cut(receiver);
            }
        }
        Self { script, house, sender, receiver, receives }
    }

    fn lose(&mut self, lost: Lost) {
        let rights: &[&str] = match lost {
            Lost::Nothing => &[],
            Lost::Subscribe => &["receiver subscribe"],
            Lost::Publish => &["sender publish"],
            Lost::Store => &["sender store"],
            Lost::ReceiverStay => &["receiver stay", "receiver connect"],
            Lost::SenderStay => &["sender stay", "sender connect"],
        };
        rights.iter().for_each(|right| self.script.say(right, Verdict::DENY));
    }

    /// Everything after it. True: the message has arrived.
    fn after(mut self, path: Path) -> bool {
        let house = &mut self.house;
        match path {
            Path::Live | Path::Shared => house.retain(self.sender, "a/b", "x", Q2),
            Path::Will => house.cut(self.sender),
            Path::DelayedWill => {
                house.advance(5 * SECOND - TICK);
                assert!(house.got(self.receiver).is_empty());
                house.advance(TICK);
            }
            Path::Retained => house.subscribe_with(self.receiver, "a/#", options(Q2), None),
            Path::Queued | Path::InFlight | Path::HalfQos2 | Path::SharedQueued => {
                self.receiver = house.knock(self.receives)
            }
        }
        let got = house.got(self.receiver);
        let released = house.released(self.receiver);
        match path {
            Path::HalfQos2 => {
                assert!(got.is_empty(), "it had that: {got:?}");
                released == 1
            }
            // Given up or not, its identifier is released: the receiver may have said PUBREC, and that was lost.
            Path::InFlight => {
                let said = house.said(self.receiver);
                let is_in = said.first().is_some_and(|said| said == "ConnAck 00 present");
                assert_eq!(released, is_in.into());
                got == ["a/b x q2 D"]
            }
            Path::Retained => got == ["a/b x q2 R"],
            _ => got == ["a/b x q2"],
        }
    }
}

#[test]
fn what_is_lost_with_a_right() {
    for version in VERSIONS {
        for (path, row) in MATRIX {
            for (lost, expected) in LOST.into_iter().zip(row) {
                // Whether the broker has looked around after the change or not.
                for is_quiet in [false, true] {
                    let mut scene = Scene::before(path, version);
                    scene.lose(lost);
                    scene.house.broker.policy_changed();
                    if !is_quiet {
                        scene.house.drive();
                    }
                    let arrived = scene.after(path);
                    assert_eq!(arrived, expected, "{version:?} {path:?} without {lost:?}, quiet: {is_quiet}");
                }
            }
        }
    }
}

/// The others of its group get what it may not have. What waits for it already is lost to them.
#[test]
fn a_member_without_the_right_is_passed_over() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let host = house.guest(V5, "host");
        let [ann, bob] = ["ann", "bob"].map(|name| {
            let who = house.guest(version, name);
            house.subscribe(who, "$share/group/a/#", Q1);
            who
        });
        let count = |house: &mut House| {
            (0..6).for_each(|_| house.publish(host, "a/b", "x", Q1));
            (house.got(ann).len(), house.got(bob).len())
        };
        assert_eq!(count(&mut house), (3, 3));
        script.say("ann subscribe", Verdict::DENY);
        house.broker.policy_changed();
        assert_eq!(count(&mut house), (0, 6));
        script.say("bob stay", Verdict::DENY);
        house.broker.policy_changed();
        assert_eq!(count(&mut house), (0, 0));
    }
}

/// A publisher learns as much of a group that may not have its message as of anybody else: nothing.
#[test]
fn those_who_may_not_have_it_are_nobody() {
    for text in ["a/#", "$share/group/a/#"] {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let host = house.guest(V5, "host");
        let ann = house.guest(V5, "ann");
        house.subscribe(ann, text, Q1);
        house.publish(host, "a/b", "x", Q1);
        script.say("ann subscribe", Verdict::DENY);
        house.policy_changed();
        house.publish(host, "a/b", "x", Q1);
        assert_eq!(house.answered(host), [ReasonCode::Success, ReasonCode::NoMatchingSubscribers], "{text}");
        assert_eq!(house.got(ann).len(), 1);
    }
}

/// What has been written for a transport that does not take it is as good as sent. Nothing follows it.
#[test]
fn what_is_written_is_not_called_back() {
    for version in VERSIONS {
        for right in ["ann subscribe", "ann stay"] {
            let script = Script::new();
            let mut house = House::guarded(&script);
            let host = house.guest(V5, "host");
            let ann = house.guest(version, "ann");
            house.subscribe(ann, "a", Q0);
            house.block(ann);
            house.publish(host, "a", "before", Q0);
            script.say(right, Verdict::DENY);
            house.policy_changed();
            house.publish(host, "a", "after", Q0);
            house.unblock(ann);
            assert_eq!(house.got(ann), ["a before"]);
            let told: &[&str] = match (right, version) {
                ("ann subscribe", _) => &[],
                (_, V5) => &["Disconnect 87", "closed"],
                _ => &["closed"],
            };
            assert_eq!(house.said(ann), told);
        }
    }
}

/// There are more retained messages than go out at once, and the right is lost in between.
#[test]
fn retained_messages_that_are_still_due_are_not_sent() {
    for version in VERSIONS {
        for denied in [false, true] {
            let script = Script::new();
            let mut house = House::guarded(&script);
            let host = house.guest(V5, "host");
            let large = "x".repeat(40_000);
            ["a/1", "a/2", "a/3", "a/4"].iter().for_each(|name| house.retain(host, name, &large, Q0));
            let ann = house.guest(version, "ann");
            house.block(ann);
            house.subscribe_with(ann, "a/#", options(Q0), None);
            if denied {
                script.say("ann subscribe", Verdict::DENY);
            }
            house.policy_changed();
            house.unblock(ann);
            assert_eq!(house.got(ann).len(), if denied { 2 } else { 4 });
        }
    }
}

/// A right that comes back is good for what is published from then on. What was dropped is gone.
#[test]
fn a_right_that_comes_back() {
    for version in VERSIONS {
        let mut scene = Scene::before(Path::Queued, version);
        for verdict in [Verdict::DENY, Verdict::Allow] {
            scene.script.say("receiver subscribe", verdict);
            scene.house.policy_changed();
            if verdict != Verdict::Allow {
                // It is judged by what comes next.
                scene.house.publish(scene.sender, "a/b", "not queued", Q1);
            }
        }
        assert_eq!(scene.house.broker.counts().deliveries_dropped(), 1);
        scene.house.publish(scene.sender, "a/b", "y", Q1);
        let receiver = scene.house.knock(scene.receives);
        assert_eq!(scene.house.got(receiver), ["a/b y q1"]);
    }
}

/// v3\[MQTT-3.10.4-3\] v5\[MQTT-3.10.4-3\]: what has begun goes on after UNSUBSCRIBE, unless the policy has something against the topic itself.
#[test]
fn what_is_in_flight_without_a_subscription_is_judged_by_its_topic() {
    for version in VERSIONS {
        let script = Script::new();
        let mut house = House::guarded(&script);
        let host = house.guest(V5, "host");
        let ann = house.join(As::resident(version, "ann"));
        for text in ["secret/#", "open/#", "other"] {
            house.subscribe(ann, text, Q1);
        }
        house.stop_acknowledging(ann);
        house.publish(host, "secret/x", "1", Q1);
        house.publish(host, "open/x", "2", Q1);
        house.unsubscribe(ann, &["secret/#", "open/#"]);
        house.cut(ann);
        script.say("ann subscribe secret/", Verdict::DENY);
        house.policy_changed();
        house.got(ann);
        script.asked();
        let ann = house.knock(As::resident(version, "ann"));
        assert_eq!(house.got(ann), ["open/x 2 q1 D"]);
        let asked = ["ann connect", "ann subscribe other q1", "ann subscribe secret/x q1", "ann subscribe open/x q1"];
        assert_eq!(script.asked(), asked);
    }
}
