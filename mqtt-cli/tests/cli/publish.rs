//! `mqtt pub`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::{Broker, Process, VERSIONS, mqtt};

#[test]
fn a_message_arrives_at_every_qos_in_both_versions() {
    let broker = Broker::start();
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            let subscriber = broker.subscriber(&["-V", version, "-q", qos, "-t", "a/#", "-v", "-C", "1"]);
            broker.publish(&["-V", version, "-q", qos, "-t", "a/b", "-m", "hello"]);
            assert_eq!(subscriber.finish().succeeds(), "a/b hello\n", "version {version}, QoS {qos}");
        }
    }
}

#[test]
fn each_line_of_the_input_is_a_message() {
    // However slow the subscriber is, none is dropped.
    let broker = Broker::start_with(&["--max-queued-messages", "2500"]);
    for qos in ["0", "1", "2"] {
        let lines: String = (0..2_500).map(|number| format!("{number}\n")).collect();
        let subscriber = broker.subscriber(&["-q", qos, "-t", "t", "-C", "2500"]);
        let words = ["pub", "-h", "127.0.0.1", "-p", broker.port(), "-q", qos, "-t", "t", "-l"];
        Process::start_with_input(&words, lines.as_bytes()).finish().succeeds();
        assert!(subscriber.finish().succeeds() == lines, "QoS {qos}");
    }
}

#[test]
fn an_empty_line_is_an_empty_message_and_the_last_one_needs_no_line_end() {
    let broker = Broker::start();
    let subscriber = broker.subscriber(&["-t", "t", "-v", "-C", "3"]);
    let words = ["pub", "-p", broker.port(), "-h", "127.0.0.1", "-t", "t", "--stdin-line"];
    Process::start_with_input(&words, b"a\n\nb").finish().succeeds();
    assert_eq!(subscriber.finish().succeeds(), "t a\nt (null)\nt b\n");
}

#[test]
fn a_file_or_the_whole_input_is_a_message() {
    let payload: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let path = std::env::temp_dir().join(format!("mqtt-cli-{}", std::process::id()));
    fs::write(&path, &payload).expect("a file");
    let broker = Broker::start();
    let expected = [&payload[..], b"\n"].concat();

    let subscriber = broker.subscriber(&["-t", "t", "-C", "1"]);
    let file = path.to_str().expect("a path that is text");
    broker.publish(&["-t", "t", "-f", file]);
    assert!(subscriber.finish().output == expected);
    fs::remove_file(&path).expect("it is there");

    let subscriber = broker.subscriber(&["-t", "t", "-C", "1"]);
    let words = ["pub", "-h", "127.0.0.1", "-p", broker.port(), "-t", "t", "-s"];
    Process::start_with_input(&words, &payload).finish().succeeds();
    assert!(subscriber.finish().output == expected);
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let finished = mqtt(&["pub", "-t", "t", "-f", "there/is/no/such/file"]);
    assert!(finished.fails(1).starts_with("mqtt: cannot read there/is/no/such/file: "), "{finished:?}");
}

#[test]
fn a_retained_message_waits_for_those_who_come_later() {
    let broker = Broker::start();
    for version in VERSIONS {
        broker.publish(&["-V", version, "-t", "lamp", "-m", "on", "-r", "-q", "1"]);
        let finished = broker.run(&["sub", "-V", version, "-t", "lamp", "-v", "-C", "1"]);
        assert_eq!(finished.succeeds(), "lamp on\n");

        // An empty one takes it back.
        broker.publish(&["-V", version, "-t", "lamp", "-n", "-r", "-q", "1"]);
        let subscriber = broker.subscriber(&["-V", version, "-t", "lamp", "-C", "1"]);
        broker.publish(&["-V", version, "-t", "lamp", "-m", "off"]);
        assert_eq!(subscriber.finish().succeeds(), "off\n");
    }
}

#[test]
fn debug_tells_what_happens_and_no_secrets() {
    let broker = Broker::start();
    let words = ["pub", "-d", "-i", "me", "-u", "user", "-P", "secret", "-t", "a/b", "-m", "payload", "-q", "1", "-r"];
    let finished = broker.run(&words);
    assert_eq!(finished.succeeds(), "");
    let expected =
        ["connected as \"me\" (MQTT 5.0, new session)", "published a/b (qos 1, retained, 7 bytes)", "disconnected"];
    assert_eq!(finished.errors, expected.join("\n"));
}

#[test]
fn a_server_that_cannot_be_reached_is_an_error() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("it has an address").port().to_string();
    drop(free);
    let finished = mqtt(&["pub", "-h", "127.0.0.1", "-p", &port, "-t", "t", "-m", "m"]);
    assert!(finished.fails(1).starts_with(&format!("mqtt: cannot connect to 127.0.0.1:{port}: ")), "{finished:?}");
}

#[test]
fn a_host_that_is_no_host_is_an_error() {
    let finished = mqtt(&["pub", "-h", "no such host", "-t", "t", "-m", "m"]);
    assert!(finished.fails(1).starts_with("mqtt: cannot connect to no such host:1883: "), "{finished:?}");
}

#[test]
fn a_flag_that_is_wrong_is_explained() {
    let finished = mqtt(&["pub", "-t", "t", "-m", "m", "-q", "3"]);
    assert!(finished.fails(1).contains("expected 0, 1 or 2"), "{finished:?}");
}

/// A server that takes one client, answers its CONNECT, and then its first packet with the end.
fn server_that_answers(connack: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        read_packet(&mut client);
        client.write_all(connack).expect("it takes a CONNACK");
        read_packet(&mut client);
    });
    port.to_string()
}

fn read_packet(client: &mut TcpStream) {
    let mut start = [0; 2];
    if client.read_exact(&mut start).is_ok() {
        let mut rest = vec![0; start[1].into()];
        client.read_exact(&mut rest).expect("a small packet");
    }
}

#[test]
fn a_refusal_ends_it_with_the_code_of_the_server() {
    for (version, connack, status) in [("5", &b"\x20\x03\0\x87\0"[..], 0x87), ("311", b"\x20\x02\0\x05", 5)] {
        let port = server_that_answers(connack);
        let finished = mqtt(&["pub", "-h", "127.0.0.1", "-p", &port, "-V", version, "-t", "t", "-m", "m"]);
        assert!(finished.fails(status).contains("refused the connection"), "{finished:?}");
    }
}

#[test]
fn a_connection_that_is_lost_before_the_acknowledgement_ends_it_with_7() {
    for (version, connack) in [("5", &b"\x20\x03\0\0\0"[..]), ("311", b"\x20\x02\0\0")] {
        let port = server_that_answers(connack);
        let words = ["pub", "-h", "127.0.0.1", "-p", &port, "-V", version, "-t", "t", "-m", "m", "-q", "1"];
        let finished = mqtt(&words);
        assert!(finished.fails(7).contains("connection lost"), "{finished:?}");
    }
}
