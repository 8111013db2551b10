//! What is promised to a host that exports the session after `poll_transmit` and before it writes.

mod support;

use mqtt_proto::QoS;
use mqtt_session::{Client, SessionState};
use support::{Pair, VERSIONS, message};

/// The client's process dies in its turn number `crash`, before or after its write, and another takes up what it exported last.
fn both_received(mut pair: Pair, crash: usize, is_written: bool) -> (Vec<String>, Vec<String>) {
    for payload in ["1", "2", "3"] {
        pair.publish("up", payload, QoS::ExactlyOnce);
        pair.server.publish(pair.now, &message("down", payload, QoS::ExactlyOnce)).unwrap();
    }
    for turn in 0.. {
        pair.transmit();
        let exported = pair.client.session().export(pair.now);
        if turn == crash {
            if is_written {
                pair.server_reads();
            }
            pair.cut();
            let session = SessionState::import(pair.now, &exported).unwrap();
            pair.client = Client::with_session(pair.client.options().clone(), session);
            pair.connect();
            break;
        }
        pair.server_reads();
        pair.client_reads();
    }
    assert_eq!((pair.client.pending(), pair.server.pending()), (0, 0));
    let own = |received: Vec<&str>| received.into_iter().map(str::to_owned).collect();
    (own(pair.server_received()), own(pair.client_received()))
}

/// v3\[MQTT-4.1.0-1\] v5\[MQTT-3.1.2-23\]
#[test]
fn at_qos_2_nothing_is_lost_and_nothing_comes_twice() {
    for version in VERSIONS {
        for crash in 0..6 {
            for is_written in [false, true] {
                let received = both_received(Pair::persistent(version), crash, is_written);
                let all = || ["1", "2", "3"].map(str::to_owned).to_vec();
                assert_eq!(received, (all(), all()), "{version}, turn {crash}, written: {is_written}");
            }
        }
    }
}
