//! The command line: what may be said, and what it means for the options of a client or a broker.

mod broker;
mod connect;
mod publish;
mod subscribe;
mod value;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use broker::BrokerArgs;
pub(crate) use publish::{PublishArgs, Source};
pub(crate) use subscribe::SubscribeArgs;

/// MQTT from a terminal: a broker, and clients with the flags of mosquitto's tools.
#[derive(Parser)]
#[command(name = "mqtt", version, disable_version_flag = true)]
struct Cli {
    /// Print the version
    #[arg(long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

/// What there is to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a broker until it is told to stop (SIGTERM or SIGINT)
    Broker(Box<BrokerArgs>),
    /// Publish a message, or one for each line of the standard input
    Pub(Box<PublishArgs>),
    /// Subscribe topics, and print what arrives
    Sub(Box<SubscribeArgs>),
}

/// Reads the command line. The error knows how it wants to be printed, which includes `--help`.
pub(crate) fn parse<I, A>(args: I) -> Result<Command, clap::Error>
where
    I: IntoIterator<Item = A>,
    A: Into<std::ffi::OsString> + Clone,
{
    let command = Cli::try_parse_from(args)?.command;
    let (name, connect) = match &command {
        Command::Broker(_) => return Ok(command),
        Command::Pub(args) => ("pub", &args.connect),
        Command::Sub(args) => ("sub", &args.connect),
    };
    match connect.contradiction() {
        None => Ok(command),
        Some(contradiction) => {
            let mut cli = Cli::command();
            // Only a built command knows how its subcommands are used.
            cli.build();
            let subcommand = cli.find_subcommand_mut(name);
            Err(subcommand.map_or_else(
                || clap::Error::raw(ErrorKind::ArgumentConflict, contradiction),
                |subcommand| subcommand.error(ErrorKind::ArgumentConflict, contradiction),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `mqtt` followed by these words means.
    pub(super) fn parsed(words: &[&str]) -> Command {
        match parse(["mqtt"].iter().chain(words)) {
            Ok(command) => command,
            Err(error) => panic!("{words:?}: {error}"),
        }
    }

    /// What is said about these words.
    pub(super) fn refused(words: &[&str]) -> String {
        match parse(["mqtt"].iter().chain(words)) {
            Ok(_) => panic!("{words:?} was understood"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_table_of_flags_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_is_needed() {
        assert!(refused(&[]).contains("Usage: mqtt"));
        assert!(refused(&["fetch"]).contains("unrecognized subcommand 'fetch'"));
    }

    #[test]
    fn the_version_has_only_a_long_name_since_its_letter_is_the_protocols() {
        assert!(refused(&["--version"]).starts_with("mqtt "));
        assert!(refused(&["-V"]).contains("unexpected argument '-V'"));
    }

    #[test]
    fn h_is_the_host_and_help_has_only_its_long_name() {
        for command in ["pub", "sub"] {
            assert!(refused(&[command, "-h"]).contains("a value is required for '--host <HOST>'"));
            assert!(refused(&[command, "--help"]).contains("Usage: mqtt"));
        }
    }
}
