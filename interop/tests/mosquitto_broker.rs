//! Our client against the broker of mosquitto.

use std::time::Duration;

use interop::{Mosquitto, Process, Relay, SPOKEN, mosquitto_pub, within};
use mqtt_tokio::{Client, Message, Messages, Options, QoS, WillOptions};
use tokio::runtime::Runtime;

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn options(port: u16, version: &str, client_id: &str) -> Options {
    let url = format!("mqtt://127.0.0.1:{port}/?version={version}&client_id={client_id}");
    url.parse().expect("this is a URL of ours")
}

/// Asks for a session that outlives its connection.
fn durable(port: u16, version: &str, client_id: &str) -> Options {
    let mut options = options(port, version, client_id);
    options.connect.clean_start = false;
    options.connect.session_expiry_interval = if version == "5" { 3600 } else { 0 };
    options.reconnect.delay_max = Duration::from_millis(20);
    options
}

async fn connect(options: Options) -> Client {
    within(mqtt_tokio::connect_with(options)).await.expect("mosquitto accepts us")
}

async fn next(messages: &mut Messages) -> Message {
    within(messages.next()).await.expect("there are more messages")
}

fn text(message: &Message) -> &str {
    std::str::from_utf8(message.payload()).expect("we publish text")
}

#[tokio::test]
async fn every_qos_reaches_every_qos_in_and_between_both_versions() {
    let broker = Mosquitto::start();
    for (_, receivers) in SPOKEN {
        for qos in QOS {
            let receiver = connect(options(broker.port(), receivers, "receiver")).await;
            let mut messages = within(receiver.subscribe("a/#").qos(qos)).await.unwrap();
            for (_, senders) in SPOKEN {
                let sender = connect(options(broker.port(), senders, "sender")).await;
                for sent in QOS {
                    within(sender.publish("a/b", senders).qos(sent)).await.unwrap();
                    let message = next(&mut messages).await;
                    assert_eq!((message.topic(), text(&message)), ("a/b", senders));
                    assert_eq!((message.qos(), message.retain()), (qos.min(sent), false));
                }
                within(sender.disconnect()).await.unwrap();
            }
            within(receiver.disconnect()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn payloads_may_be_empty_or_large() {
    let broker = Mosquitto::start();
    for (_, version) in SPOKEN {
        let client = connect(options(broker.port(), version, "weights")).await;
        let mut messages = within(client.subscribe("weights")).await.unwrap();
        for qos in QOS {
            for length in [0, 65_536, 500_000] {
                within(client.publish("weights", vec![b'x'; length]).qos(qos)).await.unwrap();
                let message = next(&mut messages).await;
                assert_eq!((message.payload().len(), message.qos()), (length, qos));
            }
        }
        within(client.disconnect()).await.unwrap();
    }
}

#[tokio::test]
async fn a_thousand_messages_at_once_arrive_in_order_at_every_qos() {
    let broker = Mosquitto::start();
    for (_, version) in SPOKEN {
        let receiver = connect(options(broker.port(), version, "receiver")).await;
        let sender = connect(options(broker.port(), version, "sender")).await;
        let mut messages = within(receiver.subscribe("numbers")).await.unwrap();
        for qos in QOS {
            let publishing = async {
                for number in 0..1000 {
                    sender.publish("numbers", number.to_string()).qos(qos).await.unwrap();
                }
            };
            let receiving = async {
                for number in 0..1000 {
                    assert_eq!(text(&next(&mut messages).await), number.to_string());
                }
            };
            within(async { tokio::join!(publishing, receiving) }).await;
        }
    }
}

#[tokio::test]
async fn a_retained_message_waits_for_its_subscribers_until_it_is_cleared() {
    let broker = Mosquitto::start();
    for (_, version) in SPOKEN {
        let client = connect(options(broker.port(), version, "keeper")).await;
        for qos in QOS {
            within(client.publish("kept", "for you").qos(qos).retain(true)).await.unwrap();
            let mut messages = within(client.subscribe("kept")).await.unwrap();
            let message = next(&mut messages).await;
            assert_eq!((text(&message), message.retain(), message.qos()), ("for you", true, qos));
            within(client.publish("kept", "").qos(qos).retain(true)).await.unwrap();
            let message = next(&mut messages).await;
            assert_eq!((text(&message), message.retain()), ("", false));
            within(messages.unsubscribe()).await.unwrap();
            let mut messages = within(client.subscribe("kept")).await.unwrap();
            within(client.publish("kept", "nothing was retained").qos(qos)).await.unwrap();
            let message = next(&mut messages).await;
            assert_eq!((text(&message), message.retain()), ("nothing was retained", false));
            within(messages.unsubscribe()).await.unwrap();
        }
        within(client.disconnect()).await.unwrap();
    }
}

#[tokio::test]
async fn a_will_is_published_when_the_program_is_gone_and_not_when_it_took_its_leave() {
    let broker = Mosquitto::start();
    for (_, version) in SPOKEN {
        let watcher = connect(options(broker.port(), version, "watcher")).await;
        let mut messages = within(watcher.subscribe("wills/#")).await.unwrap();
        for qos in QOS {
            let mut mortal = options(broker.port(), version, "mortal");
            let mut will = WillOptions::new("wills/mortal", "gone");
            will.qos = qos;
            mortal.connect.will = Some(will);
            // With its runtime all of it goes, in the middle of whatever it did.
            let runtime = Runtime::new().unwrap();
            let client = runtime.spawn(connect(mortal)).await.unwrap();
            runtime.shutdown_background();
            let message = next(&mut messages).await;
            assert_eq!((message.topic(), text(&message), message.qos()), ("wills/mortal", "gone", qos));
            drop(client);
        }
        let mut polite = options(broker.port(), version, "polite");
        polite.connect.will = Some(WillOptions::new("wills/polite", "never sent"));
        within(connect(polite).await.disconnect()).await.unwrap();
        within(watcher.publish("wills/end", "the polite one left no will")).await.unwrap();
        assert_eq!(next(&mut messages).await.topic(), "wills/end");
        within(watcher.disconnect()).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_published_while_a_session_has_no_connection_arrives_when_the_program_is_back() {
    let broker = Mosquitto::start();
    for (tools, version) in SPOKEN {
        let away = connect(durable(broker.port(), version, "traveller")).await;
        let messages = within(away.subscribe("home/#")).await.unwrap();
        within(away.disconnect()).await.unwrap();
        drop(messages);
        for qos in ["1", "2", "1"] {
            let mut publish = mosquitto_pub(broker.port(), tools);
            Process::start(publish.args(["-q", qos, "-t", &format!("home/{qos}"), "-m", "meanwhile"])).finish();
        }
        let back = connect(durable(broker.port(), version, "traveller")).await;
        assert!(back.agreed().is_some_and(|agreed| agreed.session_present));
        let mut messages = within(back.subscribe("home/#")).await.unwrap();
        for (topic, qos) in [("home/1", QOS[1]), ("home/2", QOS[2]), ("home/1", QOS[1])] {
            let message = next(&mut messages).await;
            assert_eq!((message.topic(), message.qos(), text(&message)), (topic, qos, "meanwhile"));
        }
        within(messages.unsubscribe()).await.unwrap();
        within(back.disconnect()).await.unwrap();
    }
}

#[tokio::test]
async fn a_cut_wire_loses_and_repeats_nothing() {
    for (_, version) in SPOKEN {
        let broker = Mosquitto::start();
        let relay = Relay::to(broker.port());
        let receiver = connect(durable(relay.port(), version, "receiver")).await;
        let sender = connect(durable(relay.port(), version, "sender")).await;
        let mut messages = within(receiver.subscribe("numbers")).await.unwrap();
        // Not awaited one by one: they are on their way in all stages when the wire is cut. Not more than mosquitto's window of 20: of what it
        // has queued behind that, version 2.0.11 sends nothing when a session at QoS 2 is resumed.
        for round in 0..5 {
            let payloads: Vec<_> = (0..20).map(|number| format!("{round} {number:02}")).collect();
            let mut deliveries = Vec::new();
            for payload in &payloads {
                deliveries.push(sender.publish("numbers", payload).qos(QOS[2]).try_send().unwrap());
            }
            let mut heard = Vec::new();
            while heard.len() < 5 {
                heard.push(text(&next(&mut messages).await).to_owned());
            }
            relay.cut();
            // Settled on the next connection, so there is one to be cut in the next round.
            for client in [&receiver, &sender] {
                within(client.publish("nowhere", "").qos(QOS[1])).await.unwrap();
            }
            for delivery in deliveries {
                within(delivery).await.unwrap();
            }
            while heard.len() < payloads.len() {
                heard.push(text(&next(&mut messages).await).to_owned());
            }
            heard.sort();
            assert_eq!(heard, payloads);
        }
        assert_eq!((receiver.stats().connections, sender.stats().connections), (6, 6));
    }
}
