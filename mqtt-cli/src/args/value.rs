//! Values that a flag may have. What is wrong is said by the library that would refuse it later.

use mqtt_proto::{TopicFilter, TopicName};
use mqtt_tokio::{QoS, Version};

/// As mosquitto's tools name the versions, and as the specifications do.
pub(super) fn version(text: &str) -> Result<Version, String> {
    match text {
        "mqttv5" | "5" | "5.0" => Ok(Version::V5),
        "mqttv311" | "311" | "3.1.1" => Ok(Version::V3_1_1),
        "mqttv31" | "31" | "3.1" => Ok(Version::V3_1),
        _ => Err("expected mqttv5, mqttv311 or mqttv31, or 5, 311 or 31 for short".into()),
    }
}

pub(super) fn qos(text: &str) -> Result<QoS, String> {
    let level = text.parse().ok();
    level.and_then(QoS::from_u8).ok_or_else(|| "expected 0, 1 or 2".into())
}

pub(super) fn topic_name(text: &str) -> Result<String, String> {
    match TopicName::new(text) {
        Ok(_) => Ok(text.into()),
        Err(cause) => Err(cause.to_string()),
    }
}

pub(super) fn topic_filter(text: &str) -> Result<String, String> {
    match TopicFilter::new(text) {
        Ok(_) => Ok(text.into()),
        Err(cause) => Err(cause.to_string()),
    }
}

/// Seconds; `-1` and `∞` stand for ever, as with mosquitto's tools.
pub(super) fn session_expiry(text: &str) -> Result<u32, String> {
    match text {
        "-1" | "∞" => Ok(u32::MAX),
        _ => text
            .parse()
            .map_err(|_| "expected seconds, from 0 to 4294967295, or -1 for a session that never ends".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_mosquittos_names_and_their_own() {
        for (names, expected) in [
            (["mqttv5", "5", "5.0"], Version::V5),
            (["mqttv311", "311", "3.1.1"], Version::V3_1_1),
            (["mqttv31", "31", "3.1"], Version::V3_1),
        ] {
            for name in names {
                assert_eq!(version(name), Ok(expected), "{name}");
            }
        }
        assert!(version("4").is_err());
    }

    #[test]
    fn there_are_three_levels_of_qos() {
        assert_eq!(qos("0"), Ok(QoS::AtMostOnce));
        assert_eq!(qos("1"), Ok(QoS::AtLeastOnce));
        assert_eq!(qos("2"), Ok(QoS::ExactlyOnce));
        for wrong in ["3", "-1", "", "256", "one"] {
            assert_eq!(qos(wrong), Err("expected 0, 1 or 2".into()), "{wrong}");
        }
    }

    #[test]
    fn a_session_that_never_ends_has_three_names() {
        for forever in ["-1", "∞", "4294967295"] {
            assert_eq!(session_expiry(forever), Ok(u32::MAX), "{forever}");
        }
        assert_eq!(session_expiry("0"), Ok(0));
        for wrong in ["-2", "4294967296", "1h", ""] {
            assert!(session_expiry(wrong).is_err(), "{wrong}");
        }
    }
}
