//! `mqtt broker`.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Broker, mqtt};

#[test]
fn its_first_line_tells_where_it_listens() {
    let broker = Broker::start();
    assert!(broker.address.starts_with("127.0.0.1:") && broker.port() != "0", "{}", broker.address);
    TcpStream::connect(&broker.address).expect("somebody listens");
}

#[cfg(unix)]
#[test]
fn sigterm_and_sigint_end_it_in_good_order() {
    for name in ["TERM", "INT"] {
        let broker = Broker::start();
        broker.signal(name);
        let finished = broker.finish();
        assert_eq!((finished.succeeds().as_str(), finished.errors.as_str()), ("", ""));
    }
}

#[cfg(unix)]
#[test]
fn clients_that_speak_5_are_told_that_it_ends() {
    let broker = Broker::start();
    let mut client = TcpStream::connect(&broker.address).expect("somebody listens");
    client.write_all(b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0").expect("it takes a CONNECT");
    let mut connack = [0];
    client.read_exact(&mut connack).expect("a CONNACK");
    broker.signal("TERM");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("a good end");
    assert!(rest.ends_with(b"\xe0\x01\x8b") || rest.ends_with(b"\xe0\x02\x8b\0"), "{rest:02x?}");
    broker.finish().succeeds();
}

#[test]
fn an_address_that_others_can_reach_has_to_be_opened_on_purpose() {
    let finished = mqtt(&["broker", "--listen", "0.0.0.0:0"]);
    assert!(finished.fails(1).contains("add --allow-anonymous"), "{finished:?}");

    let broker = Broker::start_with(&["--listen", "0.0.0.0:0", "--allow-anonymous"]);
    broker.publish(&["-t", "t", "-m", "hello", "-q", "1"]);
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let broker = Broker::start();
    let finished = mqtt(&["broker", "--listen", &broker.address]);
    assert!(finished.fails(1).contains(&format!("cannot listen on {}", broker.address)), "{finished:?}");
}

#[test]
fn a_flag_that_is_wrong_is_explained() {
    let finished = mqtt(&["broker", "--receive-maximum", "0"]);
    assert!(finished.fails(1).contains("--receive-maximum"), "{finished:?}");
}

#[test]
fn what_it_does_not_take_a_client_cannot_publish() {
    let flags = ["--maximum-qos", "1", "--retain-available", "false", "--max-packet-size", "100"];
    let broker = Broker::start_with(&flags);
    broker.publish(&["-t", "t", "-m", "small", "-q", "1"]);
    for (words, expected) in [
        (&["-m", "m", "-q", "2"][..], "qos is above the server's maximum"),
        (&["-m", "m", "-r"], "retained messages are not available"),
        (&["-m", &"m".repeat(101)], "larger than the peer's maximum of 100"),
    ] {
        let finished = broker.run(&[&["pub", "-t", "t"], words].concat());
        assert!(finished.fails(1).contains(expected), "{finished:?}");
    }
}

#[test]
fn connections_are_counted() {
    let broker = Broker::start_with(&["--max-connections", "1"]);
    let first = broker.subscriber(&["-t", "t"]);
    let second = broker.run(&["pub", "-t", "t", "-m", "hello"]);
    assert!(!second.status.success(), "{second:?}");
    drop(first);
}

#[test]
fn it_can_tell_clients_their_keep_alive() {
    let broker = Broker::start_with(&["--server-keep-alive", "7"]);
    let mut client = TcpStream::connect(&broker.address).expect("somebody listens");
    client.write_all(b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0").expect("it takes a CONNECT");
    let mut start = [0; 2];
    client.read_exact(&mut start).expect("a CONNACK");
    let mut connack = vec![0; start[1].into()];
    client.read_exact(&mut connack).expect("a CONNACK");
    assert!(connack.windows(3).any(|property| property == b"\x13\0\x07"), "{connack:02x?}");
}
