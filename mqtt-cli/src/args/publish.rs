//! The flags of `mqtt pub`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use mqtt_tokio::QoS;

use super::connect::ConnectArgs;
use super::value;

#[derive(Args)]
#[command(disable_help_flag = true, after_help = EXIT_STATUS)]
pub(crate) struct PublishArgs {
    /// Topic to publish to
    #[arg(short, long, required = true, value_parser = value::topic_name, allow_hyphen_values = true)]
    pub(crate) topic: String,
    #[command(flatten)]
    sources: Sources,
    /// 0: sent once. 1: until the server has it, perhaps twice. 2: until the server has it, exactly once
    #[arg(short, long, default_value = "0", value_parser = value::qos)]
    pub(crate) qos: QoS,
    /// The server keeps the message for later subscribers
    #[arg(short, long)]
    pub(crate) retain: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Sources {
    /// The message
    #[arg(short, long, allow_hyphen_values = true)]
    message: Option<OsString>,
    /// The message is what is in this file
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Each line of the standard input is a message
    #[arg(short = 'l', long)]
    stdin_line: bool,
    /// The message is all of the standard input
    #[arg(short = 's', long)]
    stdin_file: bool,
    /// The message is empty
    #[arg(short, long)]
    null_message: bool,
}

/// Where messages come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line.
    Given(Vec<u8>),
    File(PathBuf),
    /// All of the standard input.
    Input,
    /// The standard input, a message for each line.
    Lines,
}

impl PublishArgs {
    /// Where messages come from. Exactly one of the flags was given.
    pub(crate) fn source(&self) -> Source {
        let Sources { message, file, stdin_line, stdin_file, null_message: _ } = &self.sources;
        match (message, file) {
            (Some(message), _) => Source::Given(message.clone().into_encoded_bytes()),
            (_, Some(path)) => Source::File(path.clone()),
            _ if *stdin_line => Source::Lines,
            _ if *stdin_file => Source::Input,
            _ => Source::Given(Vec::new()),
        }
    }
}

const EXIT_STATUS: &str = "\
Exit status, as of mosquitto_pub: 0 if the server has what its QoS promises; the code of CONNACK if the server refuses \
the connection; 7 if the connection is lost; otherwise 1.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Command;
    use crate::args::tests::{parsed, refused};

    fn publish(words: &[&str]) -> PublishArgs {
        match parsed(&[&["pub"], words].concat()) {
            Command::Pub(args) => *args,
            Command::Broker(_) | Command::Sub(_) => unreachable!(),
        }
    }

    #[test]
    fn a_topic_and_a_message_are_enough() {
        let args = publish(&["-t", "a/b", "-m", "hello"]);
        assert_eq!((args.topic.as_str(), args.source()), ("a/b", Source::Given(b"hello".into())));
        assert_eq!((args.qos, args.retain), (QoS::AtMostOnce, false));
    }

    #[test]
    fn every_letter_has_its_long_name() {
        let args = publish(&["--topic", "t", "--message", "m", "--qos", "2", "--retain"]);
        assert_eq!((args.topic.as_str(), args.source()), ("t", Source::Given(b"m".into())));
        assert_eq!((args.qos, args.retain), (QoS::ExactlyOnce, true));
        let args = publish(&["-t", "t", "-q", "1", "-r", "-n"]);
        assert_eq!((args.qos, args.retain), (QoS::AtLeastOnce, true));
    }

    #[test]
    fn a_message_comes_from_one_of_five_places() {
        for (words, expected) in [
            (&["-m", "m"][..], Source::Given(b"m".into())),
            (&["-m", ""], Source::Given(Vec::new())),
            (&["-n"], Source::Given(Vec::new())),
            (&["--null-message"], Source::Given(Vec::new())),
            (&["-f", "path"], Source::File("path".into())),
            (&["--file", "path"], Source::File("path".into())),
            (&["-l"], Source::Lines),
            (&["--stdin-line"], Source::Lines),
            (&["-s"], Source::Input),
            (&["--stdin-file"], Source::Input),
        ] {
            assert_eq!(publish(&[&["-t", "t"], words].concat()).source(), expected, "{words:?}");
        }
    }

    #[test]
    fn a_message_may_be_a_negative_number_or_look_like_a_flag() {
        assert_eq!(publish(&["-t", "t", "-m", "-1.5"]).source(), Source::Given(b"-1.5".into()));
        assert_eq!(publish(&["-t", "t", "-m", "--qos"]).source(), Source::Given(b"--qos".into()));
    }

    #[cfg(unix)]
    #[test]
    fn a_message_need_not_be_text() {
        use std::os::unix::ffi::OsStrExt;
        let words = ["mqtt", "pub", "-t", "t", "-m"].map(OsString::from);
        let binary = std::ffi::OsStr::from_bytes(b"\xff\x80").to_owned();
        let Ok(Command::Pub(args)) = crate::args::parse(words.into_iter().chain([binary])) else {
            panic!("not understood");
        };
        assert_eq!(args.source(), Source::Given(b"\xff\x80".into()));
    }

    #[test]
    fn exactly_one_source_and_a_topic_are_needed() {
        let complaint = refused(&["pub", "-t", "t"]);
        assert!(complaint.contains("--message <MESSAGE>") && complaint.contains("--null-message"), "{complaint}");
        let complaint = refused(&["pub", "-t", "t", "-m", "m", "-n"]);
        assert!(complaint.contains("cannot be used with"), "{complaint}");
        let complaint = refused(&["pub", "-m", "m"]);
        assert!(complaint.contains("--topic <TOPIC>"), "{complaint}");
    }

    #[test]
    fn wildcards_are_for_those_who_subscribe() {
        for topic in ["a/#", "+/a", ""] {
            let complaint = refused(&["pub", "-m", "m", "-t", topic]);
            assert!(complaint.contains("for '--topic <TOPIC>': topic name"), "{complaint}");
        }
    }

    #[test]
    fn the_levels_of_qos_are_named() {
        assert!(refused(&["pub", "-t", "t", "-n", "-q", "3"]).contains("expected 0, 1 or 2"));
    }
}
