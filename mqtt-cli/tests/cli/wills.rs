//! Wills: `--will-topic` and its kin.

use crate::support::{Broker, VERSIONS};

#[test]
fn it_is_published_when_the_client_goes_without_a_word() {
    let broker = Broker::start();
    for version in VERSIONS {
        let watcher = broker.subscriber(&["-V", version, "-t", "gone", "-v", "-q", "2", "-C", "1"]);
        let flags = ["-V", version, "-t", "t", "--will-topic", "gone", "--will-payload", "alas", "--will-qos", "1"];
        let mut client = broker.subscriber(&flags);
        client.kill();
        assert_eq!(watcher.finish().succeeds(), "gone alas\n", "version {version}");
    }
}

#[test]
fn it_can_be_retained() {
    let broker = Broker::start();
    let watcher = broker.subscriber(&["-t", "gone", "-C", "1"]);
    let flags = ["-t", "t", "--will-topic", "gone", "--will-payload", "alas", "--will-retain"];
    let mut client = broker.subscriber(&flags);
    client.kill();
    watcher.finish().succeeds();
    assert_eq!(broker.run(&["sub", "-t", "gone", "-C", "1"]).succeeds(), "alas\n");
}

#[test]
fn it_is_not_published_after_a_good_end() {
    let broker = Broker::start();
    for version in VERSIONS {
        let watcher = broker.subscriber(&["-V", version, "-t", "gone", "-C", "1"]);
        broker.publish(&["-V", version, "-t", "t", "-m", "m", "--will-topic", "gone", "--will-payload", "alas"]);
        broker.publish(&["-V", version, "-t", "gone", "-m", "no will came before"]);
        assert_eq!(watcher.finish().succeeds(), "no will came before\n", "version {version}");
    }
}

#[cfg(unix)]
#[test]
fn a_subscriber_that_is_told_to_end_leaves_it_if_the_version_can_say_so() {
    let broker = Broker::start();
    for (version, expected) in [("5", "alas\n"), ("311", "no will came before\n")] {
        let watcher = broker.subscriber(&["-V", version, "-t", "gone", "-C", "1"]);
        let client = broker.subscriber(&["-V", version, "-t", "t", "--will-topic", "gone", "--will-payload", "alas"]);
        client.signal("TERM");
        client.finish().succeeds();
        broker.publish(&["-V", version, "-t", "gone", "-m", "no will came before"]);
        assert_eq!(watcher.finish().succeeds(), expected, "version {version}");
    }
}
