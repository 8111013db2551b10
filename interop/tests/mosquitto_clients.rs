//! `mosquitto_pub` and `mosquitto_sub` against our broker.

use interop::{OurBroker, Process, SPOKEN, mosquitto_pub, mosquitto_sub};

/// Topic, QoS, retain flag, payload, behind a mark that no other line has.
const FORMAT: [&str; 2] = ["-F", "> %t %q %r %p"];

/// Starts a subscriber and waits until it is subscribed.
fn subscriber(broker: &OurBroker, version: &str, arguments: &[&str]) -> Process {
    let mut process = Process::start(mosquitto_sub(broker.port(), version).arg("-d").args(FORMAT).args(arguments));
    process.wait_for("Subscribed (mid: 1)");
    process
}

fn publish(broker: &OurBroker, version: &str, arguments: &[&str]) {
    Process::start(mosquitto_pub(broker.port(), version).args(arguments)).finish();
}

fn message(process: &mut Process) -> String {
    process.wait_for("> ").split_off(2)
}

#[test]
fn every_qos_reaches_every_qos_in_and_between_both_versions() {
    let broker = OurBroker::start();
    for ((receivers, _), qos) in SPOKEN.iter().flat_map(|version| [0, 1, 2].map(|qos| (version, qos))) {
        let mut subscriber = subscriber(&broker, receivers, &["-q", &qos.to_string(), "-t", "a/#", "-C", "6"]);
        for ((senders, _), sent) in SPOKEN.iter().flat_map(|version| [0, 1, 2].map(|qos| (version, qos))) {
            publish(&broker, senders, &["-q", &sent.to_string(), "-t", "a/b", "-m", senders]);
            assert_eq!(message(&mut subscriber), format!("a/b {} 0 {senders}", qos.min(sent)));
        }
        subscriber.finish();
    }
}

#[test]
fn version_3_1_is_spoken_too() {
    let broker = OurBroker::start();
    let mut subscriber = subscriber(&broker, "31", &["-q", "2", "-t", "old", "-C", "1"]);
    publish(&broker, "31", &["-q", "2", "-t", "old", "-m", "MQIsdp"]);
    assert_eq!(message(&mut subscriber), "old 2 0 MQIsdp");
    subscriber.finish();
}

#[test]
fn a_retained_message_waits_for_its_subscribers_until_it_is_cleared() {
    for (version, _) in SPOKEN {
        let broker = OurBroker::start();
        for qos in ["0", "1", "2"] {
            publish(&broker, version, &["-r", "-q", qos, "-t", "kept", "-m", "for you"]);
            let mut first = subscriber(&broker, version, &["-q", "2", "-t", "kept", "-C", "2"]);
            assert_eq!(message(&mut first), format!("kept {qos} 1 for you"));
            publish(&broker, version, &["-r", "-n", "-q", qos, "-t", "kept"]);
            assert_eq!(
                message(&mut first),
                format!("kept {qos} 0 "),
                "to those already there it is a message like any other"
            );
            first.finish();
            let mut second = subscriber(&broker, version, &["-q", "2", "-t", "kept", "-C", "1"]);
            publish(&broker, version, &["-q", qos, "-t", "kept", "-m", "no longer there"]);
            assert_eq!(message(&mut second), format!("kept {qos} 0 no longer there"));
            second.finish();
        }
    }
}

#[test]
fn a_will_is_published_for_a_client_that_was_killed_and_not_for_one_that_left() {
    for (version, _) in SPOKEN {
        let broker = OurBroker::start();
        let mut watcher = subscriber(&broker, version, &["-q", "2", "-t", "wills/#", "-C", "4"]);
        for qos in ["0", "1", "2"] {
            let will = ["--will-topic", "wills/mortal", "--will-payload", "gone", "--will-qos", qos, "-t", "nothing"];
            subscriber(&broker, version, &will).kill();
            assert_eq!(message(&mut watcher), format!("wills/mortal {qos} 0 gone"));
        }
        let will = ["--will-topic", "wills/polite", "--will-payload", "never sent", "-t", "nothing", "-E"];
        subscriber(&broker, version, &will).finish();
        publish(&broker, version, &["-t", "wills/end", "-m", "the polite one left no will"]);
        assert_eq!(message(&mut watcher), "wills/end 0 0 the polite one left no will");
        watcher.finish();
    }
}

#[test]
fn a_retained_will_is_there_for_those_who_come_later() {
    for (version, _) in SPOKEN {
        let broker = OurBroker::start();
        let mut watcher = subscriber(&broker, version, &["-t", "wills/#", "-C", "1"]);
        let will = ["--will-topic", "wills/kept", "--will-payload", "gone", "--will-retain", "-t", "nothing"];
        subscriber(&broker, version, &will).kill();
        assert_eq!(message(&mut watcher), "wills/kept 0 0 gone");
        watcher.finish();
        let mut late = subscriber(&broker, version, &["-t", "wills/#", "-C", "1"]);
        assert_eq!(message(&mut late), "wills/kept 0 1 gone");
        late.finish();
    }
}

#[test]
fn what_is_published_while_a_session_has_no_connection_arrives_after_the_reconnect() {
    for (version, _) in SPOKEN {
        let broker = OurBroker::start();
        for (name, killed) in [("polite", false), ("killed", true)] {
            let session = ["-c", "-i", name, "-q", "2", "-t", name];
            if killed {
                subscriber(&broker, version, &session).kill();
            } else {
                subscriber(&broker, version, &[&session[..], &["-E"]].concat()).finish();
            }
            for qos in ["1", "2", "1"] {
                publish(&broker, version, &["-q", qos, "-t", name, "-m", "meanwhile"]);
            }
            let mut back =
                Process::start(mosquitto_sub(broker.port(), version).args(session).args(FORMAT).args(["-C", "3"]));
            // mosquitto_sub prints a message at QoS 2 when it is released, and may have printed later ones before.
            let mut heard = [(); 3].map(|()| message(&mut back));
            heard.sort();
            assert_eq!(heard, ["1", "1", "2"].map(|qos| format!("{name} {qos} 0 meanwhile")));
            back.finish();
        }
    }
}

#[test]
fn a_clean_start_forgets_what_was_kept() {
    for (version, _) in SPOKEN {
        let broker = OurBroker::start();
        let durable = ["-c", "-i", "fickle", "-q", "1", "-t", "old", "-E"];
        subscriber(&broker, version, &durable).finish();
        publish(&broker, version, &["-q", "1", "-t", "old", "-m", "forgotten"]);
        let mut clean = subscriber(&broker, version, &["-i", "fickle", "-q", "1", "-t", "new", "-C", "1"]);
        publish(&broker, version, &["-q", "1", "-t", "old", "-m", "nobody listens"]);
        publish(&broker, version, &["-q", "1", "-t", "new", "-m", "fresh"]);
        assert_eq!(message(&mut clean), "new 1 0 fresh");
        clean.finish();
    }
}

#[test]
fn a_thousand_lines_arrive_in_order_at_every_qos() {
    let numbers = || (0..1000).map(|number| number.to_string());
    for (version, _) in SPOKEN {
        let broker = OurBroker::start();
        for qos in ["0", "1", "2"] {
            let mut subscriber = subscriber(&broker, version, &["-q", qos, "-t", "lines", "-t", "end", "-C", "1001"]);
            let mut publisher =
                Process::start(mosquitto_pub(broker.port(), version).args(["-q", qos, "-t", "lines", "-l"]));
            publisher.feed(&numbers().map(|number| number + "\n").collect::<String>());
            publisher.finish();
            publish(&broker, version, &["-t", "end", "-m", "the end", "-q", qos]);
            for number in numbers() {
                assert_eq!(message(&mut subscriber), format!("lines {qos} 0 {number}"));
            }
            assert_eq!(message(&mut subscriber), format!("end {qos} 0 the end"));
            subscriber.finish();
        }
    }
}

#[test]
fn properties_of_5_0_reach_the_receiver_as_they_were_sent() {
    let broker = OurBroker::start();
    let format = ["-F", "> %C|%D|%E|%F|%P|%R|%p"];
    let mut subscriber = Process::start(
        mosquitto_sub(broker.port(), "5").args(["-d", "-t", "answers", "-C", "1", "-q", "1"]).args(format),
    );
    subscriber.wait_for("Subscribed (mid: 1)");
    let properties = [
        ["content-type", "text/plain"],
        ["correlation-data", "request-7"],
        ["message-expiry-interval", "1000"],
        ["payload-format-indicator", "1"],
        ["response-topic", "replies"],
    ];
    let mut command = mosquitto_pub(broker.port(), "5");
    command.args(["-t", "answers", "-q", "1", "-m", "yes", "-D", "publish", "user-property", "colour", "green"]);
    for [name, value] in properties {
        command.args(["-D", "publish", name, value]);
    }
    Process::start(&mut command).finish();
    assert_eq!(message(&mut subscriber), "text/plain|request-7|1000|1|colour:green|replies|yes");
    subscriber.finish();
}
