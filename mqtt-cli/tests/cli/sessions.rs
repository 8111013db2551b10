//! Sessions that outlive their connections: `-c`.

use crate::support::{Broker, VERSIONS};

/// Subscribes, and goes when the first message has come.
fn visit(broker: &Broker, flags: &[&str], topic: &str) {
    let subscriber = broker.subscriber(&[flags, &["-t", topic, "-C", "1"]].concat());
    broker.publish(&["-t", topic, "-m", "first", "-q", "1"]);
    assert_eq!(subscriber.finish().succeeds(), "first\n");
}

#[test]
fn what_was_published_meanwhile_arrives_in_the_second_run() {
    let broker = Broker::start();
    for version in VERSIONS {
        for qos in ["1", "2"] {
            let flags = ["-V", version, "-q", qos, "-i", "me", "-c"];
            visit(&broker, &flags, "t");
            for message in ["second", "third"] {
                broker.publish(&["-t", "t", "-m", message, "-q", qos]);
            }
            let second = broker.run(&[&["sub", "-d", "-t", "t", "-C", "2"], &flags[..]].concat());
            assert_eq!(second.succeeds(), "second\nthird\n", "version {version}, QoS {qos}");
            assert!(second.errors.contains("resumed session"), "{second:?}");
        }
    }
}

#[test]
fn what_was_not_printed_stays_with_the_server() {
    let broker = Broker::start();
    for version in VERSIONS {
        let flags = ["-V", version, "-q", "1", "-i", version, "-c", "-t", "t", "-C", "1"];
        let run = || broker.run(&[&["sub"], &flags[..]].concat()).succeeds();
        visit(&broker, &flags[..7], "t");
        for message in ["second", "third", "fourth"] {
            broker.publish(&["-t", "t", "-m", message, "-q", "1"]);
        }
        assert_eq!([run(), run(), run()], ["second\n", "third\n", "fourth\n"], "version {version}");
    }
}

#[test]
fn what_an_earlier_run_subscribed_is_printed_too() {
    let broker = Broker::start();
    let flags = ["-q", "1", "-i", "me", "-c"];
    visit(&broker, &flags, "earlier");
    broker.publish(&["-t", "earlier", "-m", "meanwhile", "-q", "1"]);
    let second = broker.run(&[&["sub", "-t", "now", "-v", "-C", "1"], &flags[..]].concat());
    assert_eq!(second.succeeds(), "earlier meanwhile\n");
}

#[test]
fn without_it_a_run_ends_the_session() {
    let broker = Broker::start();
    let kept = ["-q", "1", "-i", "me", "-c"];
    visit(&broker, &kept, "t");
    visit(&broker, &["-q", "1", "-i", "me"], "t");
    let third = broker.subscriber(&[&["-t", "t", "-C", "1"], &kept[..]].concat());
    broker.publish(&["-t", "t", "-m", "only this", "-q", "1"]);
    assert_eq!(third.finish().succeeds(), "only this\n");
}
