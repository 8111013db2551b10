//! `mqtt sub`.

use crate::support::{Broker, VERSIONS, mqtt};

#[test]
fn filters_may_be_many() {
    let broker = Broker::start();
    let subscriber = broker.subscriber(&["-t", "a/+", "-t", "b", "-v", "-C", "2"]);
    broker.publish(&["-t", "a/1", "-m", "first"]);
    broker.publish(&["-t", "c", "-m", "for nobody"]);
    broker.publish(&["-t", "b", "-m", "second"]);
    assert_eq!(subscriber.finish().succeeds(), "a/1 first\nb second\n");
}

#[test]
fn each_message_is_printed_as_soon_as_it_is_there() {
    let broker = Broker::start();
    let mut subscriber = broker.subscriber(&["-t", "t"]);
    for message in ["one", "two"] {
        broker.publish(&["-t", "t", "-m", message]);
        assert_eq!(subscriber.next_output(), message);
    }
}

#[test]
fn debug_tells_what_happens_and_no_secrets() {
    let broker = Broker::start();
    let flags = ["-i", "me", "-V", "311", "-u", "user", "-P", "secret", "-t", "a/#", "-t", "b", "-q", "1", "-C", "1"];
    let subscriber = broker.client(&[&["sub", "-d"], &flags[..]].concat());
    let connected = subscriber.wait_for("");
    assert_eq!(connected, "connected as \"me\" (MQTT 3.1.1, new session)");
    assert_eq!(subscriber.wait_for(""), "subscribed a/# b (qos 1)");
    broker.publish(&["-t", "a/b", "-m", "payload", "-q", "2"]);
    let finished = subscriber.finish();
    assert_eq!(finished.succeeds(), "payload\n");
    assert_eq!(finished.errors, "received a/b (qos 1, 7 bytes)\ndisconnected");
}

#[test]
fn a_timeout_ends_it_with_27() {
    let broker = Broker::start();
    for version in VERSIONS {
        let finished = broker.run(&["sub", "-V", version, "-t", "t", "-W", "1"]);
        assert_eq!(finished.fails(27), "mqtt: timed out");
    }
}

#[cfg(unix)]
#[test]
fn sigterm_and_sigint_end_it_in_good_order() {
    let broker = Broker::start();
    for name in ["TERM", "INT"] {
        let subscriber = broker.subscriber(&["-t", "t"]);
        subscriber.signal(name);
        let finished = subscriber.finish();
        assert_eq!((finished.succeeds().as_str(), finished.errors.as_str()), ("", "disconnected"));
    }
}

#[test]
fn it_ends_quietly_when_nobody_reads_its_output() {
    let broker = Broker::start();
    let mut subscriber = broker.subscriber(&["-t", "t"]);
    subscriber.close_output();
    broker.publish(&["-t", "t", "-m", "hello"]);
    let finished = subscriber.finish();
    finished.succeeds();
    assert_eq!(finished.errors, "received t (qos 0, 5 bytes)\ndisconnected");
}

#[test]
fn it_connects_again_when_the_connection_is_lost() {
    let broker = Broker::start();
    let mut subscriber = broker.subscriber(&["-t", "t", "-k", "5"]);
    let address = broker.address.clone();
    broker.kill();
    subscriber.wait_for("connection lost");

    let broker = Broker::start_with(&["--listen", &address]);
    subscriber.wait_for("connected");
    broker.publish(&["-t", "t", "-m", "again", "-r"]);
    assert_eq!(subscriber.next_output(), "again");
}

#[test]
fn a_flag_that_is_wrong_is_explained() {
    let finished = mqtt(&["sub", "-t", "a/#/b"]);
    assert!(finished.fails(1).contains("wildcard is misplaced"), "{finished:?}");
    let finished = mqtt(&["sub"]);
    assert!(finished.fails(1).contains("--topic <FILTER>"), "{finished:?}");
}
