//! Questions and answers (5.0 section 4.10).

mod support;

use mqtt_proto::{Cause, Properties, PropertiesBuf, Property, QoS, Version};
use mqtt_session::{Event, Received};
use support::talk::{properties, sent, text};
use support::{Pair, message, topic};

/// What the server makes of the next message that the client has published.
fn received<R>(pair: &mut Pair, look: impl FnOnce(Received<'_>) -> R) -> R {
    let (bytes, _) = sent(|out| pair.client.poll_transmit(pair.now, out));
    match pair.server.handle_input(pair.now, &mut &bytes[..]) {
        Some(Event::Received(message)) => look(message),
        event => panic!("{event:?}"),
    }
}

#[test]
fn a_reply_goes_to_the_response_topic_with_the_correlation_data() {
    for data in [None, Some(&b""[..]), Some(&b"\x00\xFF"[..])] {
        let mut pair = Pair::connected(Version::V5);
        let mut buf = PropertiesBuf::new();
        let request = message("ask", "time?", QoS::AtMostOnce).request(topic("answers/1"), data, &mut buf).unwrap();
        assert_eq!((request.topic, request.properties.response_topic()), (topic("ask"), Some(topic("answers/1"))));
        pair.client.publish(pair.now, &request).unwrap();
        received(&mut pair, |request| {
            let mut buf = PropertiesBuf::new();
            let reply = request.reply("noon", &mut buf).unwrap();
            assert_eq!((reply.topic, reply.qos, reply.retain), (topic("answers/1"), QoS::AtMostOnce, false));
            assert_eq!(reply.payload.as_slice(), b"noon");
            assert_eq!(reply.properties.correlation_data(), data);
            assert_eq!(reply.properties.response_topic(), None);
            assert_eq!(reply.properties.iter().count(), usize::from(data.is_some()));
        });
    }
}

#[test]
fn a_message_without_a_response_topic_asks_nothing() {
    for version in support::VERSIONS {
        let mut pair = Pair::connected(version);
        pair.publish("a", "1", QoS::AtMostOnce);
        received(&mut pair, |message| {
            let mut buf = properties([Property::ContentType(text("t"))]);
            assert_eq!(message.reply("1", &mut buf), None);
            assert_eq!(buf.as_properties().content_type().unwrap(), "t", "it is left alone");
        });
    }
}

#[test]
fn further_properties_go_along_with_both() {
    let mut pair = Pair::connected(Version::V5);
    let own = properties([Property::MessageExpiryInterval(9)]);
    let mut message = message("ask", "?", QoS::AtMostOnce);
    message.properties = own.as_properties();
    let mut buf = properties([Property::ContentType(text("t"))]);
    let request = message.request(topic("r"), Some(b"7"), &mut buf).unwrap();
    pair.client.publish(pair.now, &request).unwrap();
    received(&mut pair, |request| {
        assert_eq!(request.properties().message_expiry_interval(), Some(9));
        assert_eq!(request.properties().content_type().unwrap(), "t");
        let mut buf = properties([
            Property::ResponseTopic(topic("elsewhere")),
            Property::ContentType(text("u")),
            Property::CorrelationData(b"8"),
        ]);
        let reply = request.reply("!", &mut buf).unwrap();
        assert_eq!((reply.topic, reply.properties.content_type()), (topic("r"), Some(text("u"))));
        assert_eq!(reply.properties.correlation_data(), Some(&b"7"[..]));
        assert_eq!(reply.properties.response_topic(), None);
    });
}

#[test]
fn a_request_has_one_response_topic() {
    let ask = |data: Option<&[u8]>, mut buf: PropertiesBuf| {
        message("ask", "?", QoS::AtMostOnce).request(topic("r"), data, &mut buf).map(drop)
    };
    let taken = properties([Property::ResponseTopic(topic("s"))]);
    assert_eq!(ask(None, taken), Err(Cause::RepeatedProperty));
    assert_eq!(ask(Some(&[0; 65_535]), PropertiesBuf::new()), Ok(()));
    assert!(ask(Some(&[0; 65_536]), PropertiesBuf::new()).is_err());
    let mut message = message("ask", "?", QoS::AtMostOnce);
    assert_eq!(message.properties, Properties::EMPTY);
    let own = properties([Property::CorrelationData(b"1")]);
    message.properties = own.as_properties();
    assert_eq!(message.request(topic("r"), Some(b"2"), &mut PropertiesBuf::new()), Err(Cause::RepeatedProperty));
}
