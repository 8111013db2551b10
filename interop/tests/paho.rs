//! Paho for Python against our broker. What it does stands in `paho/stories.py`; here is what has to come of it.

use interop::{OurBroker, Process, SPOKEN, paho};

/// Has a story told in one version to a broker of its own.
fn tell(version: &str, story: &str) -> Vec<String> {
    let broker = OurBroker::start();
    Process::start(&mut paho(broker.port(), version, story)).finish()
}

/// Has a story told in both versions, and compares it with these lines.
fn tells(story: &str, expected: &str) {
    for (_, version) in SPOKEN {
        assert_eq!(tell(version, story), lines(expected), "{story} in {version}");
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_start).filter(|line| !line.is_empty()).collect()
}

#[test]
fn messages_come_at_the_lower_qos_of_publisher_and_subscriber() {
    tells(
        "publish_and_subscribe",
        "
        connected 0 new session
        subscribed news/# 0
        connected 0 new session
        published news/0 0
        received news/0 0 message at 0
        published news/1 0
        received news/1 0 message at 1
        published news/2 0
        received news/2 0 message at 2
        unsubscribed news/#
        connected 0 new session
        subscribed news/# 1
        connected 0 new session
        published news/0 0
        received news/0 0 message at 0
        published news/1 0
        received news/1 1 message at 1
        published news/2 0
        received news/2 1 message at 2
        unsubscribed news/#
        connected 0 new session
        subscribed news/# 2
        connected 0 new session
        published news/0 0
        received news/0 0 message at 0
        published news/1 0
        received news/1 1 message at 1
        published news/2 0
        received news/2 2 message at 2
        unsubscribed news/#
        ",
    );
}

#[test]
fn payloads_may_be_empty_or_large() {
    tells(
        "large_and_empty",
        "
        connected 0 new session
        subscribed weights 2
        0 0
        0 65536
        0 500000
        1 0
        1 65536
        1 500000
        2 0
        2 65536
        2 500000
        ",
    );
}

#[test]
fn a_retained_message_waits_for_its_subscribers_until_it_is_cleared() {
    tells(
        "retained",
        "
        connected 0 new session
        published kept/0 0
        subscribed kept/0 2
        received kept/0 0 retained kept at 0
        published kept/0 0
        received kept/0 0 cleared
        subscribed kept/0 2
        published kept/0 0
        received kept/0 0 nothing was retained
        published kept/1 0
        subscribed kept/1 2
        received kept/1 1 retained kept at 1
        published kept/1 0
        received kept/1 1 cleared
        subscribed kept/1 2
        published kept/1 0
        received kept/1 0 nothing was retained
        published kept/2 0
        subscribed kept/2 2
        received kept/2 2 retained kept at 2
        published kept/2 0
        received kept/2 2 cleared
        subscribed kept/2 2
        published kept/2 0
        received kept/2 0 nothing was retained
        ",
    );
}

#[test]
fn a_will_is_published_for_a_client_that_vanished_and_not_for_one_that_left() {
    tells(
        "will",
        "
        connected 0 new session
        subscribed wills/# 2
        connected 0 new session
        received wills/0 0 gone at 0
        connected 0 new session
        received wills/1 1 gone at 1
        connected 0 new session
        received wills/2 2 gone at 2
        connected 0 new session
        published wills/end 0
        received wills/end 0 the polite one left no will
        ",
    );
}

#[test]
fn what_is_published_while_a_session_has_no_connection_arrives_after_the_reconnect() {
    tells(
        "session",
        "
        connected 0 new session
        connected 0 new session
        connected 0 new session
        subscribed disconnect/# 2
        published disconnect/1 0
        published disconnect/2 0
        connected 0 session present
        received disconnect/1 1 for later at 1
        received disconnect/2 2 for later at 2
        published disconnect/0 0
        received disconnect/0 0 for now
        connected 0 new session
        connected 0 new session
        subscribed vanish/# 2
        published vanish/1 0
        published vanish/2 0
        connected 0 session present
        received vanish/1 1 for later at 1
        received vanish/2 2 for later at 2
        published vanish/0 0
        received vanish/0 0 for now
        ",
    );
}

#[test]
fn five_hundred_messages_at_once_arrive_in_order_at_every_qos() {
    tells(
        "burst",
        "
        connected 0 new session
        subscribed burst 2
        connected 0 new session
        0 in order {0}
        1 in order {0}
        2 in order {0}
        ",
    );
}

#[test]
fn properties_of_5_0_reach_the_receiver_as_they_were_sent() {
    let expected = "
        connected 0 new session
        subscribed properties 1
        published properties 0
        received properties 1 with everything
        ContentType text/plain
        CorrelationData 0001ff
        MessageExpiryInterval 1000
        PayloadFormatIndicator 1
        ResponseTopic answers
        UserProperty [('a', '1'), ('a', '2'), ('b', '')]
        received properties 1 by alias
        received properties 1 by alias
        received properties 1 by alias
        ";
    assert_eq!(tell("5", "properties"), lines(expected));
}
