//! The flags of `mqtt broker`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use mqtt_tokio::{BrokerOptions, QoS};

use super::value;

/// A flag that is not given leaves the library's default, which its help repeats.
#[derive(Args)]
pub(crate) struct BrokerArgs {
    /// Address to listen on; port 0 takes a free one. The first line of output says which
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:1883", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Let everybody in who can reach an address that is not this machine's own (loopback)
    #[arg(long)]
    pub(crate) allow_anonymous: bool,
    /// How often figures about the broker are published below $SYS/broker; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    sys_interval: u32,
    #[command(flatten)]
    announced: Announced,
    #[command(flatten)]
    limits: LimitArgs,
}

#[derive(Args)]
#[command(next_help_heading = "What clients are told (with MQTT 5), and held to")]
struct Announced {
    /// Messages at QoS 1 and 2 from one client that may be unacknowledged [default: 100]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    receive_maximum: Option<u16>,
    /// The largest packet that is taken [default: 1048576]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    max_packet_size: Option<u32>,
    /// The highest topic alias that is taken; 0: none [default: 10]
    #[arg(long, value_name = "COUNT")]
    topic_alias_maximum: Option<u16>,
    /// Keep alive that clients must use instead of their own [default: their own]
    #[arg(long, value_name = "SECONDS")]
    server_keep_alive: Option<u16>,
    /// The highest QoS that is taken [default: 2]
    #[arg(long, value_name = "QOS", value_parser = value::qos)]
    maximum_qos: Option<QoS>,
    /// Whether retained messages are kept [default: true]
    #[arg(long, value_name = "BOOL")]
    retain_available: Option<bool>,
    /// Whether subscriptions may have wildcards [default: true]
    #[arg(long, value_name = "BOOL")]
    wildcard_subscription_available: Option<bool>,
    /// Whether subscriptions may have identifiers [default: true]
    #[arg(long, value_name = "BOOL")]
    subscription_identifier_available: Option<bool>,
    /// Whether subscriptions may be shared [default: true]
    #[arg(long, value_name = "BOOL")]
    shared_subscription_available: Option<bool>,
}

#[derive(Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Connections at a time [default: 10000]
    #[arg(long, value_name = "COUNT")]
    max_connections: Option<usize>,
    /// Sessions, with and without a connection [default: 100000]
    #[arg(long, value_name = "COUNT")]
    max_sessions: Option<usize>,
    /// How long a session may outlive its connection [default: 604800, 7 days]
    #[arg(long, value_name = "SECONDS")]
    max_session_expiry: Option<u32>,
    /// Subscriptions of one session [default: 1000]
    #[arg(long, value_name = "COUNT")]
    max_subscriptions: Option<usize>,
    /// Levels of a topic filter [default: 128]
    #[arg(long, value_name = "COUNT")]
    max_topic_levels: Option<usize>,
    /// The longest client identifier [default: 1024]
    #[arg(long, value_name = "BYTES")]
    max_client_id: Option<usize>,
    /// Retained messages [default: 100000]
    #[arg(long, value_name = "COUNT")]
    max_retained_messages: Option<usize>,
    /// Retained messages, in bytes [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    max_retained_bytes: Option<usize>,
    /// Messages at QoS 1 and 2 to one client that may be unacknowledged; not said, 20 before MQTT 5 [default: 100]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    max_in_flight: Option<u16>,
    /// Messages that may wait for one client [default: 100000]
    #[arg(long, value_name = "COUNT")]
    max_queued_messages: Option<usize>,
    /// Messages that may wait for one client, in bytes [default: 16777216]
    #[arg(long, value_name = "BYTES")]
    max_queued_bytes: Option<usize>,
    /// How long a connection may take until it has said who it is [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    connect_timeout: Option<u32>,
}

impl BrokerArgs {
    /// The options that these flags stand for.
    pub(crate) fn options(&self) -> BrokerOptions {
        let mut options = BrokerOptions::default();
        let interval = Duration::from_secs(self.sys_interval.into());
        options.figures_interval = (!interval.is_zero()).then_some(interval);
        self.announced.apply(&mut options);
        self.limits.apply(&mut options);
        options
    }
}

fn set<T: Copy>(option: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *option = given;
    }
}

impl Announced {
    fn apply(&self, options: &mut BrokerOptions) {
        let server = &mut options.server;
        set(&mut server.receive_maximum, self.receive_maximum);
        set(&mut server.packet_bytes_max, self.max_packet_size);
        set(&mut server.topic_alias_maximum, self.topic_alias_maximum);
        server.server_keep_alive = self.server_keep_alive;
        set(&mut server.maximum_qos, self.maximum_qos);
        set(&mut server.retain_available, self.retain_available);
        set(&mut server.wildcard_subscription_available, self.wildcard_subscription_available);
        set(&mut server.subscription_identifier_available, self.subscription_identifier_available);
        set(&mut server.shared_subscription_available, self.shared_subscription_available);
    }
}

impl LimitArgs {
    fn apply(&self, options: &mut BrokerOptions) {
        set(&mut options.connections_max, self.max_connections);
        set(&mut options.sessions_max, self.max_sessions);
        set(&mut options.session_expiry_max, self.max_session_expiry);
        set(&mut options.subscriptions_per_session_max, self.max_subscriptions);
        set(&mut options.topic_levels_max, self.max_topic_levels);
        set(&mut options.client_id_bytes_max, self.max_client_id);
        set(&mut options.retained_messages_max, self.max_retained_messages);
        set(&mut options.retained_bytes_max, self.max_retained_bytes);
        let limits = &mut options.server.limits;
        set(&mut limits.in_flight_max, self.max_in_flight);
        set(&mut limits.in_flight_before_5_max, self.max_in_flight);
        set(&mut limits.queued_messages_max, self.max_queued_messages);
        set(&mut limits.queued_bytes_max, self.max_queued_bytes);
        set(&mut limits.connect_timeout, self.connect_timeout.map(|seconds| Duration::from_secs(seconds.into())));
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and a port, such as 127.0.0.1:1883 or [::1]:0".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Command;
    use crate::args::tests::{parsed, refused};

    fn broker(words: &[&str]) -> BrokerArgs {
        match parsed(&[&["broker"], words].concat()) {
            Command::Broker(args) => *args,
            Command::Pub(_) | Command::Sub(_) => unreachable!(),
        }
    }

    #[test]
    fn without_flags_it_listens_on_this_machine_with_the_librarys_defaults() {
        let args = broker(&[]);
        assert_eq!(args.listen, SocketAddr::from(([127, 0, 0, 1], 1883)));
        assert!(!args.allow_anonymous);
        assert_eq!(args.options().figures_interval, Some(Duration::from_secs(10)));
        assert_eq!(broker(&["--sys-interval", "0"]).options(), BrokerOptions::default());
    }

    #[test]
    fn help_tells_the_librarys_defaults() {
        let options = BrokerOptions::default();
        let (server, limits) = (&options.server, &options.server.limits);
        let help = refused(&["broker", "--help"]);
        for (flag, default) in [
            ("receive-maximum", server.receive_maximum.to_string()),
            ("max-packet-size", server.packet_bytes_max.to_string()),
            ("topic-alias-maximum", server.topic_alias_maximum.to_string()),
            ("maximum-qos", server.maximum_qos.as_u8().to_string()),
            ("retain-available", server.retain_available.to_string()),
            ("wildcard-subscription-available", server.wildcard_subscription_available.to_string()),
            ("subscription-identifier-available", server.subscription_identifier_available.to_string()),
            ("shared-subscription-available", server.shared_subscription_available.to_string()),
            ("max-connections", options.connections_max.to_string()),
            ("max-sessions", options.sessions_max.to_string()),
            ("max-subscriptions", options.subscriptions_per_session_max.to_string()),
            ("max-topic-levels", options.topic_levels_max.to_string()),
            ("max-client-id", options.client_id_bytes_max.to_string()),
            ("max-retained-messages", options.retained_messages_max.to_string()),
            ("max-retained-bytes", options.retained_bytes_max.to_string()),
            ("max-in-flight", limits.in_flight_max.to_string()),
            ("max-queued-messages", limits.queued_messages_max.to_string()),
            ("max-queued-bytes", limits.queued_bytes_max.to_string()),
            ("connect-timeout", limits.connect_timeout.as_secs().to_string()),
        ] {
            let (_, after) = help.split_once(&format!("--{flag} ")).expect(flag);
            let (_, after) = after.split_once("[default: ").expect(flag);
            assert!(after.starts_with(&format!("{default}]")), "{flag}: {default}");
        }
    }

    #[test]
    fn each_flag_sets_its_option() {
        let words = "--receive-maximum 1 --max-packet-size 2 --topic-alias-maximum 3 --server-keep-alive 4 --maximum-qos 1 \
                     --retain-available false --wildcard-subscription-available false \
                     --subscription-identifier-available false --shared-subscription-available false \
                     --sys-interval 17 --max-connections 5 --max-sessions 6 \
                     --max-session-expiry 7 --max-subscriptions 8 --max-topic-levels 9 --max-client-id 10 \
                     --max-retained-messages 11 --max-retained-bytes 12 --max-in-flight 13 --max-queued-messages 14 \
                     --max-queued-bytes 15 --connect-timeout 16";
        let mut expected = BrokerOptions::default();
        let server = &mut expected.server;
        server.receive_maximum = 1;
        server.packet_bytes_max = 2;
        server.topic_alias_maximum = 3;
        server.server_keep_alive = Some(4);
        server.maximum_qos = QoS::AtLeastOnce;
        server.retain_available = false;
        server.wildcard_subscription_available = false;
        server.subscription_identifier_available = false;
        server.shared_subscription_available = false;
        server.limits.in_flight_max = 13;
        server.limits.in_flight_before_5_max = 13;
        server.limits.queued_messages_max = 14;
        server.limits.queued_bytes_max = 15;
        server.limits.connect_timeout = Duration::from_secs(16);
        expected.figures_interval = Some(Duration::from_secs(17));
        expected.connections_max = 5;
        expected.sessions_max = 6;
        expected.session_expiry_max = 7;
        expected.subscriptions_per_session_max = 8;
        expected.topic_levels_max = 9;
        expected.client_id_bytes_max = 10;
        expected.retained_messages_max = 11;
        expected.retained_bytes_max = 12;
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(broker(&words).options(), expected);
    }

    #[test]
    fn what_is_wrong_with_a_value_is_said() {
        for (words, expected) in [
            (["--listen", "1883"], "expected an address and a port"),
            (["--listen", "localhost:1883"], "expected an address and a port"),
            (["--receive-maximum", "0"], "0 is not in 1..=65535"),
            (["--max-packet-size", "0"], "0 is not in 1.."),
            (["--maximum-qos", "3"], "expected 0, 1 or 2"),
            (["--retain-available", "no"], "[possible values: true, false]"),
            (["--max-connections", "-1"], "unexpected argument '-1'"),
            (["--server-keep-alive", "70000"], "70000 is not in 0..=65535"),
        ] {
            let complaint = refused(&[&["broker"], &words[..]].concat());
            assert!(complaint.contains(expected), "{words:?}: {complaint}");
        }
    }
}
