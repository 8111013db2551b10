//! The flags of `mqtt sub`.

use std::time::Duration;

use clap::Args;
use mqtt_tokio::QoS;

use super::connect::ConnectArgs;
use super::value;

#[derive(Args)]
#[command(disable_help_flag = true, after_help = EXIT_STATUS)]
pub(crate) struct SubscribeArgs {
    /// Topic filter to subscribe, such as 'a/+/c' or 'a/#'; as often as you like
    #[arg(short, long = "topic", value_name = "FILTER", required = true, value_parser = value::topic_filter, allow_hyphen_values = true)]
    pub(crate) topics: Vec<String>,
    /// The highest QoS that messages come with
    #[arg(short, long, default_value = "0", value_parser = value::qos)]
    pub(crate) qos: QoS,
    /// Print the topic before each message; an empty message is printed as (null)
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// End after so many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after so many seconds, with exit status 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

impl SubscribeArgs {
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }
}

const EXIT_STATUS: &str = "\
A connection that is lost is made again; the first one is not tried twice. A message is acknowledged before it is printed.

Exit status, as of mosquitto_sub: 0 after -C, SIGINT or SIGTERM; 27 after -W; the code of CONNACK if the server refuses \
the connection; 7 if the connection is lost for good; otherwise 1.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Command;
    use crate::args::tests::{parsed, refused};

    fn subscribe(words: &[&str]) -> SubscribeArgs {
        match parsed(&[&["sub"], words].concat()) {
            Command::Sub(args) => *args,
            Command::Broker(_) | Command::Pub(_) => unreachable!(),
        }
    }

    #[test]
    fn a_filter_is_enough() {
        let args = subscribe(&["-t", "a/#"]);
        assert_eq!(args.topics, ["a/#"]);
        assert_eq!((args.qos, args.verbose, args.count, args.timeout()), (QoS::AtMostOnce, false, None, None));
        assert!(!args.connect.debug);
    }

    #[test]
    fn filters_may_be_many() {
        assert_eq!(subscribe(&["-t", "a", "--topic", "+/b", "-t", "c/#"]).topics, ["a", "+/b", "c/#"]);
    }

    #[test]
    fn letters_mean_what_they_mean_to_mosquitto_sub() {
        let args = subscribe(&["-t", "a", "-q", "2", "-v", "-C", "3", "-W", "10", "-d"]);
        assert_eq!((args.qos, args.verbose, args.count), (QoS::ExactlyOnce, true, Some(3)));
        assert_eq!(args.timeout(), Some(Duration::from_secs(10)));
        assert!(args.connect.debug);
        let args = subscribe(&["--topic", "a", "--qos", "1", "--verbose", "--debug"]);
        assert_eq!((args.qos, args.verbose, args.connect.debug), (QoS::AtLeastOnce, true, true));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, expected) in [
            (&[][..], "--topic <FILTER>"),
            (&["-t", "a/#/b"], "for '--topic <FILTER>': wildcard is misplaced"),
            (&["-t", ""], "for '--topic <FILTER>': topic name or filter is empty"),
            (&["-t", "a", "-C", "0"], "0 is not in 1.."),
            (&["-t", "a", "-W", "0"], "0 is not in 1.."),
            (&["-t", "a", "-q", "3"], "expected 0, 1 or 2"),
            (&["-t", "a", "b"], "unexpected argument 'b'"),
        ] {
            let complaint = refused(&[&["sub"], words].concat());
            assert!(complaint.contains(expected), "{words:?}: {complaint}");
        }
    }
}
