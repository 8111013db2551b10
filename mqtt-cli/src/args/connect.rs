//! What `pub` and `sub` have in common: where to connect to, and as whom.

use std::ffi::OsString;

use clap::{ArgAction, Args};
use mqtt_tokio::{Options, QoS, Version, WillOptions};

use super::value;

#[derive(Args)]
#[group(skip)]
pub(crate) struct ConnectArgs {
    /// Name or address of the server
    #[arg(short = 'h', long, default_value = "localhost", help_heading = HEADING)]
    pub(crate) host: String,
    /// Its port
    #[arg(short, long, default_value_t = 1883, value_parser = clap::value_parser!(u16).range(1..), help_heading = HEADING)]
    pub(crate) port: u16,
    /// Version of the protocol: mqttv5, mqttv311 or mqttv31, or 5, 311 or 31. (mosquitto's tools default to mqttv311)
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "mqttv5", value_parser = value::version, help_heading = HEADING)]
    protocol_version: Version,
    /// Client identifier. Default: a new one
    #[arg(short, long, allow_hyphen_values = true, help_heading = HEADING)]
    id: Option<String>,
    /// Resume the session of this client identifier, and keep it at the end; with MQTT 5 for as long as -x says, by default for ever
    #[arg(short = 'c', long, requires = "id", help_heading = HEADING)]
    disable_clean_session: bool,
    /// MQTT 5: seconds that the session outlives the connection, -1 for ever
    #[arg(short = 'x', long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = value::session_expiry, help_heading = HEADING)]
    session_expiry_interval: Option<u32>,
    /// Seconds after which a silent connection is checked; 0: never
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60, help_heading = HEADING)]
    keepalive: u16,
    /// User name
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true, help_heading = HEADING)]
    username: Option<String>,
    /// Password. Other users of this machine may see it in the list of processes
    #[arg(short = 'P', long, value_name = "PASSWORD", allow_hyphen_values = true, help_heading = HEADING)]
    pw: Option<OsString>,
    /// Leave a will: what the server publishes if this client goes without a word
    #[arg(long, value_name = "TOPIC", value_parser = value::topic_name, allow_hyphen_values = true, help_heading = WILL)]
    will_topic: Option<String>,
    /// Its payload. Default: empty
    #[arg(long, value_name = "PAYLOAD", requires = "will_topic", allow_hyphen_values = true, help_heading = WILL)]
    will_payload: Option<OsString>,
    /// Its QoS
    #[arg(long, value_name = "QOS", requires = "will_topic", default_value = "0", value_parser = value::qos, help_heading = WILL)]
    will_qos: QoS,
    /// The server keeps it for later subscribers
    #[arg(long, requires = "will_topic", help_heading = WILL)]
    will_retain: bool,
    /// Say on the standard error what happens, a line for each event
    #[arg(short, long)]
    pub(crate) debug: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

const HEADING: &str = "Connection";
const WILL: &str = "Will";

impl ConnectArgs {
    /// What the flags say together and can't.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let version = self.protocol_version;
        if self.pw.is_some() && self.username.is_none() && !version.password_may_stand_alone() {
            return Some("a password needs a user name before MQTT 5: add --username");
        }
        if self.session_expiry_interval.is_some() && !version.has_session_expiry() {
            return Some("--session-expiry-interval needs MQTT 5; before, -c keeps a session");
        }
        if self.session_expiry_interval == Some(u32::MAX) && self.id.is_none() {
            return Some("a session that never ends needs a client identifier to come back to: add --id");
        }
        None
    }

    /// The options that these flags stand for.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(self.host.as_str());
        options.port = self.port;
        let connect = &mut options.connect;
        connect.version = self.protocol_version;
        connect.client_id = self.id.clone().unwrap_or_default();
        connect.clean_start = !self.disable_clean_session;
        connect.keep_alive = self.keepalive;
        connect.user_name.clone_from(&self.username);
        connect.password = self.pw.clone().map(OsString::into_encoded_bytes);
        if self.protocol_version.has_session_expiry() {
            let kept = if self.disable_clean_session { u32::MAX } else { 0 };
            connect.session_expiry_interval = self.session_expiry_interval.unwrap_or(kept);
        }
        connect.will = self.will_topic.as_deref().map(|topic| {
            let payload = self.will_payload.clone().unwrap_or_default().into_encoded_bytes();
            let mut will = WillOptions::new(topic, payload);
            will.qos = self.will_qos;
            will.retain = self.will_retain;
            will
        });
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Command;
    use crate::args::tests::{parsed, refused};

    fn options(words: &[&str]) -> Options {
        match parsed(&[&["sub", "-t", "t"], words].concat()) {
            Command::Sub(args) => args.connect.options(),
            Command::Broker(_) | Command::Pub(_) => unreachable!(),
        }
    }

    fn complaint(words: &[&str]) -> String {
        refused(&[&["sub", "-t", "t"], words].concat())
    }

    #[test]
    fn without_flags_it_is_a_new_client_on_this_machine_that_speaks_5() {
        let options = options(&[]);
        assert_eq!((options.host.as_str(), options.port), ("localhost", 1883));
        let connect = options.connect;
        assert_eq!((connect.version, connect.client_id.as_str(), connect.keep_alive), (Version::V5, "", 60));
        assert_eq!((connect.clean_start, connect.session_expiry_interval), (true, 0));
        assert_eq!((connect.user_name, connect.password, connect.will), (None, None, None));
    }

    #[test]
    fn every_letter_has_its_long_name() {
        let short =
            ["-h", "there", "-p", "1884", "-V", "311", "-i", "me", "-c", "-k", "5", "-u", "user", "-P", "secret"];
        let long = [
            "--host",
            "there",
            "--port",
            "1884",
            "--protocol-version",
            "mqttv311",
            "--id",
            "me",
            "--disable-clean-session",
            "--keepalive",
            "5",
            "--username",
            "user",
            "--pw",
            "secret",
        ];
        let options = options(&short);
        assert_eq!(options, self::options(&long));
        assert_eq!((options.host.as_str(), options.port), ("there", 1884));
        let connect = options.connect;
        assert_eq!((connect.version, connect.client_id.as_str(), connect.keep_alive), (Version::V3_1_1, "me", 5));
        assert_eq!((connect.clean_start, connect.session_expiry_interval), (false, 0));
        assert_eq!((connect.user_name.as_deref(), connect.password.as_deref()), (Some("user"), Some(&b"secret"[..])));
    }

    #[test]
    fn a_persistent_session_lasts_for_ever_unless_said_otherwise() {
        let interval = |words: &[&str]| options(words).connect.session_expiry_interval;
        assert_eq!(interval(&["-i", "me", "-c"]), u32::MAX);
        assert_eq!(interval(&["-i", "me", "-c", "-x", "60"]), 60);
        assert_eq!(interval(&["-i", "me", "-c", "-x", "0"]), 0);
        assert_eq!(interval(&["-x", "60"]), 60);
        assert_eq!(interval(&["-i", "me", "-x", "-1"]), u32::MAX);
    }

    #[test]
    fn a_persistent_session_needs_a_name_to_come_back_to() {
        assert!(complaint(&["-c"]).contains("--id <ID>"));
        assert!(complaint(&["-x", "-1"]).contains("add --id"));
    }

    #[test]
    fn before_5_there_is_no_session_expiry() {
        assert!(complaint(&["-V", "311", "-x", "60"]).contains("needs MQTT 5"));
    }

    #[test]
    fn before_5_a_password_needs_a_user_name() {
        for version in ["31", "311"] {
            let complaint = complaint(&["-V", version, "-P", "secret"]);
            assert!(complaint.contains("add --username") && complaint.contains("Usage: mqtt sub"), "{complaint}");
            assert!(!complaint.contains("secret"));
        }
        assert_eq!(options(&["-P", "secret"]).connect.password.as_deref(), Some(&b"secret"[..]));
    }

    #[test]
    fn values_may_begin_with_a_hyphen() {
        let connect = options(&["-u", "-5", "-P", "--pw", "-i", "-x"]).connect;
        assert_eq!((connect.user_name.as_deref(), connect.password.as_deref()), (Some("-5"), Some(&b"--pw"[..])));
        assert_eq!(connect.client_id, "-x");
    }

    #[test]
    fn a_will_has_a_topic_and_perhaps_more() {
        let will = options(&["--will-topic", "gone"]).connect.will.expect("a will");
        assert_eq!(will, WillOptions::new("gone", ""));
        let words = ["--will-topic", "gone", "--will-payload", "-1", "--will-qos", "2", "--will-retain"];
        let will = options(&words).connect.will.expect("a will");
        assert_eq!((will.topic.as_str(), &will.payload[..]), ("gone", &b"-1"[..]));
        assert_eq!((will.qos, will.retain), (QoS::ExactlyOnce, true));
    }

    #[test]
    fn nothing_is_said_about_a_will_that_has_no_topic() {
        for words in [&["--will-payload", "x"][..], &["--will-qos", "1"], &["--will-retain"]] {
            assert!(complaint(words).contains("--will-topic <TOPIC>"), "{words:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_value_is_said() {
        for (words, expected) in [
            (["-V", "4"], "expected mqttv5, mqttv311 or mqttv31"),
            (["-p", "0"], "0 is not in 1..=65535"),
            (["-p", "65536"], "65536 is not in 1..=65535"),
            (["-k", "65536"], "65536 is not in 0..=65535"),
            (["-x", "soon"], "expected seconds"),
            (["--will-topic", "a/#"], "for '--will-topic <TOPIC>': topic name"),
            (["--will-topic", ""], "for '--will-topic <TOPIC>': topic name"),
        ] {
            let complaint = complaint(&words);
            assert!(complaint.contains(expected), "{words:?}: {complaint}");
        }
    }
}
